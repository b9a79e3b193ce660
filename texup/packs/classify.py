"""What will be done with a texture, decided from its pixels and the user's choices before any net runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from texup.textures.planes import AlphaKind, classify_alpha
from texup.textures.seams import Edges, detect_edges
from texup.textures.texture import Texture

AlphaChoice = Literal["auto", "opacity", "binary", "data", "copy"]
EdgeChoice = Literal["auto", "wrap", "mirror", "clamp"]


@dataclass(frozen=True, slots=True)
class Policy:
    """The treatment of one texture."""

    alpha: AlphaKind
    """Class of the alpha channel, which decides how it is upscaled."""
    edges: Edges
    """What lies beyond the borders, (vertical axis, horizontal axis)."""


def policy_for(texture: Texture, alpha: AlphaChoice, edges: tuple[EdgeChoice, EdgeChoice]) -> Policy:
    """Return the policy for a texture; anything but "auto" in a choice overrides what the pixels say."""
    kind = _alpha_kind(texture, alpha)
    found = detect_edges(texture.pixels, alpha=kind not in ("none", "data"))
    vertical, horizontal = (seen if asked == "auto" else asked for asked, seen in zip(edges, found, strict=True))
    return Policy(kind, (vertical, horizontal))


def _alpha_kind(texture: Texture, choice: AlphaChoice) -> AlphaKind:
    kind = classify_alpha(texture.pixels)
    if kind in ("none", "constant") or choice == "auto":
        return kind
    if choice == "opacity":
        return "soft" if kind == "data" else kind
    return choice
