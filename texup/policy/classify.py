"""What will be done with a texture: decided from its name, the user's wishes and its pixels before any net runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from texup.policy.choices import AlphaChoice, EdgeChoice, GrainChoice, KeyChoice, MethodChoice, NormalsChoice
from texup.textures.cells import Cells, grid_boxes
from texup.textures.grain.roughness import surface_grain
from texup.textures.hidden import is_picture
from texup.textures.keys import find_key, holds_key
from texup.textures.normals import NormalForm, could_be_normals, could_be_slopes, fits, looks_like_normals
from texup.textures.pixelart import PixelArt, detect_pixel_art
from texup.textures.planes import AlphaKind, classify_alpha
from texup.textures.seams import Edges, detect_edges
from texup.textures.storing import Store
from texup.textures.texture import Key, Pixels, Texture

Kind = Literal["colour", "normal", "mask", "emissive", "height", "interface", "font", "lookup"]
Method = Literal["net", "pixel", "nearest", "smooth", "vectors", "copy"]
Mips = Literal["none", "kept", "inside", "files", "given"]

METHODS: Mapping[Kind, Method] = {
    "colour": "net",
    "interface": "net",
    "emissive": "net",
    "normal": "vectors",
    "mask": "smooth",
    "height": "smooth",
    "font": "nearest",
    "lookup": "copy",
}
NORMAL_METHODS: Mapping[NormalsChoice, Method] = {"resize": "vectors", "model": "net", "copy": "copy"}
CORRECTED: frozenset[Kind] = frozenset({"colour", "interface"})
"""Kinds whose colour is held to the source's after a net; in the others a channel is no part of a colour."""
GRAINED: frozenset[Kind] = frozenset({"colour"})
"""Kinds that show surfaces, which may get grain behind a net."""
DATA: frozenset[Kind] = frozenset({"normal", "mask", "height", "lookup"})
"""Kinds whose alpha is a channel like the others: Skyrim keeps the strength of highlights in that of normals."""

GREYISH = 0.03  # of the full range: how far the channels of a height map's texels differ on average
COLOURED = 0.12  # of the full range: from here on the channels of a texel are a colour and no tint of compression
MIDDLE = (0.25, 0.9)  # green of LabPBR: up to 0.25 how much is reflected, from 230 of 255 on which metal it is
PICTURE_SHARE = 0.2  # of a picture's texels are such colours, at least; of masks some are, by filtering


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is known about a texture before its pixels are seen; None and "auto" leave it to them."""

    kind: Kind | None = None
    method: Method | None = None
    alpha: AlphaChoice = "auto"
    edges: tuple[EdgeChoice, EdgeChoice] = ("auto", "auto")
    """(vertical axis, horizontal axis)."""
    cells: Cells | Literal["whole", "islands"] | None = None
    normal: NormalForm | None = None
    doubted: bool = False
    """Whether the kind is no more than a custom of names, which pixels may deny."""
    storage: str = ""
    """The convention's own word for how its pixels are coded, as "half alpha"; its to_work and from_work read it."""
    store: Store = ""
    """Format of the result: "" as the source, 8-bit "png", RGBA "rgba" PNG, or DDS of that coding."""
    mips: Mips = "none"
    """Smaller levels: made where the source's file had them ("kept"), made in any case into the result's own file or
    into files beside it, or given as further sources."""
    grain: GrainChoice = "auto"
    """Strength of the grain laid over what a net made, 0 to 2."""
    key: KeyChoice = "auto"
    """The colour that stands for nothing in a picture without alpha."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The treatment of one texture, decided."""

    alpha: AlphaKind
    """Class of the alpha channel, which decides how it is upscaled."""
    edges: Edges
    """What lies beyond the borders, (vertical axis, horizontal axis)."""
    kind: Kind = "colour"
    method: Method = "net"
    cells: Cells | Literal["islands"] | None = None
    normal: NormalForm | None = None
    grain: float = 0.0
    """Strength of the grain laid over the colour, 0 to 2."""
    faithful: bool = False
    """Whether the default takes its fidelity net: on interfaces and shaded sprites, which want nothing invented, and on
    rough surfaces, where grain is better than the strokes of a sharp net."""
    shows_hidden: bool = False
    """Whether colour under alpha 0 is part of the picture, as where alpha is a gloss or colour is premultiplied."""
    art: PixelArt | None = None
    """Whether it is pixel art and what was measured, where that was asked."""
    key: Key | None = None
    """The colour key that was cut out of it, so that its alpha is binary, and that is written back."""


def policy_for(
    texture: Texture, treatment: Treatment, normals: NormalsChoice = "resize", method: MethodChoice = "net"
) -> Policy:
    """Return the policy for a texture; anything but None and "auto" in a treatment overrides what the pixels say.

    A form of normals gives way where the file holds two channels only, or where the pixels are clearly vectors of
    another form than "tangent".

    Args:
        texture: what is to be enlarged.
        treatment: what is known about it.
        normals: how normal maps are enlarged.
        method: what pictures go through that would go through a net; "auto" asks their pixels.
    """
    treatment = without_doubt(treatment, texture)
    kind, form = _kind_of(texture, treatment)
    alpha = _alpha_kind(texture, treatment.alpha, kind)
    found = detect_edges(texture.pixels, alpha=alpha not in ("none", "data"))
    vertical, horizontal = (
        seen if asked == "auto" else asked for asked, seen in zip(treatment.edges, found, strict=True)
    )
    by_kind = NORMAL_METHODS[normals] if kind == "normal" else METHODS[kind]
    cells = None if treatment.cells == "whole" else treatment.cells
    policy = Policy(
        alpha=alpha,
        edges=(vertical, horizontal),
        kind=kind,
        method=treatment.method or by_kind,
        cells=cells,
        normal=form,
        shows_hidden=_shows_hidden(texture.pixels, treatment.alpha, alpha),
    )
    if treatment.method is None and by_kind == "net" and kind != "normal":
        policy = _drawn(policy, texture) if method == "auto" else replace(policy, method=method)
    if policy.method != "net" or kind not in GRAINED:
        return replace(policy, faithful=policy.method == "net" and kind == "interface")
    rough = _roughness(texture, policy)
    grain = rough if treatment.grain == "auto" else treatment.grain
    return replace(policy, grain=grain, faithful=rough > 0 or _is_shaded(policy))


def kind_and_alpha(texture: Texture, treatment: Treatment) -> tuple[Kind, AlphaKind]:
    """Return what a texture's policy says of its kind and of its alpha; a user's rule may ask for them."""
    treatment = without_doubt(treatment, texture)
    kind, _ = _kind_of(texture, treatment)
    return kind, _alpha_kind(texture, treatment.alpha, kind)


def without_doubt(treatment: Treatment, texture: Texture) -> Treatment:
    """Return a treatment whose kind, if a name alone suggests it, is believed or denied by the pixels of a texture.

    What is denied takes the method and the form of normals with it that were meant for it.
    """
    if treatment.kind is None or not treatment.doubted:
        return treatment
    if _is_believable(treatment.kind, treatment.normal, texture):
        return replace(treatment, doubted=False)
    return replace(treatment, kind=None, method=None, normal=None, doubted=False)


def key_for(texture: Texture, treatment: Treatment) -> Key | None:
    """Return the colour key of a texture, or None where it has none; data has none whatever its numbers are."""
    if treatment.key == "none" or treatment.kind in DATA:
        return None
    key = find_key(texture) if treatment.key == "auto" else treatment.key
    return key if key is not None and holds_key(texture, key) else None


def of_islands(policy: Policy, treatment: Treatment) -> Policy:
    """Return the policy of a texture that turned out to hold several cut-out pictures, which want no grain."""
    grain = 0.0 if treatment.grain == "auto" else policy.grain
    is_faithful = policy.faithful and (policy.kind not in GRAINED or _is_shaded(policy))
    return replace(policy, cells="islands", grain=grain, faithful=is_faithful)


def _drawn(policy: Policy, texture: Texture) -> Policy:
    """Return the policy of a picture whose pixels decide between a net and the way of pixel art."""
    art = detect_pixel_art(texture.pixels, alpha=policy.alpha not in ("none", "data"))
    return replace(policy, method="pixel" if art.is_pixel_art else "net", art=art)


def _is_shaded(policy: Policy) -> bool:
    return policy.art is not None and policy.art.shaded


def _roughness(texture: Texture, policy: Policy) -> float:
    """Return the strength of grain that suits a texture; for several cut-out pictures, things and letters, none."""
    if policy.cells == "islands":
        return 0.0
    height, width = texture.pixels.shape[:2]
    if policy.cells is not None:
        box = grid_boxes((height, width), policy.cells)[0]
        height, width = box.bottom - box.top, box.right - box.left
    return surface_grain(texture, policy.alpha, policy.edges, (height, width))


def _kind_of(texture: Texture, treatment: Treatment) -> tuple[Kind, NormalForm | None]:
    pixels, kind = texture.pixels, treatment.kind
    if kind not in (None, "normal"):
        return kind, None
    if texture.container.block == "bc5":
        if kind == "normal" or could_be_slopes(pixels, "two_channel"):
            return "normal", "two_channel"
        return "mask", None  # two channels of something: Fallout 4 keeps strength and gloss in BC5
    form = treatment.normal
    if form in (None, "tangent"):
        form = looks_like_normals(pixels) or form or ("tangent" if kind == "normal" else None)
    if form is None:
        return "colour", None
    return "normal", form if fits(pixels, form) else None


def _is_believable(kind: Kind, form: NormalForm | None, texture: Texture) -> bool:
    """Tell whether the pixels of a texture may be of a kind, and normals of a form."""
    pixels, one_or_two_channels = texture.pixels, texture.container.block in ("bc4", "bc5")
    if kind == "normal":
        has_slopes = form == "two_channel" and fits(pixels, form) and could_be_slopes(pixels, form)
        is_level = form != "object" and could_be_normals(pixels)
        return one_or_two_channels or has_slopes or is_level or looks_like_normals(pixels) is not None
    if kind == "mask":
        return one_or_two_channels or not _is_picture(pixels)
    return kind != "height" or _is_greyish(pixels)


def _is_greyish(pixels: Pixels) -> bool:
    """Tell whether all colours are near grey; compression tints it."""
    return pixels.shape[2] < 3 or float(_chroma(pixels).mean()) <= GREYISH


def _is_picture(pixels: Pixels) -> bool:
    """Tell pictures from masks: they show colours of middle brightness, and hold nothing else in their alpha.

    Masks are grey, or put into each channel something else: of LabPBR's green, which tells a metal or how much is
    reflected, nothing lies in the middle.
    """
    if pixels.shape[2] < 3 or (pixels.shape[2] == 4 and len(np.unique(pixels[..., 3])) > 1):
        return False
    green = pixels[..., 1] / np.iinfo(pixels.dtype).max
    shows = (_chroma(pixels) > COLOURED) & (green > MIDDLE[0]) & (green < MIDDLE[1])
    return bool(shows.mean() > PICTURE_SHARE)


def _chroma(pixels: Pixels) -> NDArray[np.float32]:
    """Return how far apart the colour channels of each texel are (H, W), 0 to 1."""
    shades = pixels[..., :3].astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    chroma: NDArray[np.float32] = np.ptp(shades, axis=2)
    return chroma


def _shows_hidden(pixels: Pixels, choice: AlphaChoice, alpha: AlphaKind) -> bool:
    """Tell whether colour under alpha 0 is part of the picture; the user's word for opacity says that it is not."""
    if choice == "opacity" or alpha in ("none", "constant"):
        return False
    return alpha == "data" or is_picture(pixels)


def _alpha_kind(texture: Texture, choice: AlphaChoice, kind: Kind) -> AlphaKind:
    found = classify_alpha(texture.pixels)
    if found in ("none", "constant"):
        return found
    if choice == "auto":
        return "data" if kind in DATA else found
    if choice == "opacity":
        return "soft" if found == "data" else found
    return choice
