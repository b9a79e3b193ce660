"""The facts of a picture that a rule may ask for."""

from __future__ import annotations

from dataclasses import dataclass

from texup.policy.classify import Kind
from texup.textures.planes import AlphaKind


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decoded texture is found to be."""

    kind: Kind
    alpha: AlphaKind
    width: int
    height: int
    format: str
    """As ``Container.format``."""


@dataclass(frozen=True, slots=True)
class When:
    """What a picture must be; empty and None ask for nothing."""

    kind: tuple[Kind, ...] = ()
    alpha: tuple[AlphaKind, ...] = ()
    format: tuple[str, ...] = ()
    min_width: int | None = None
    max_width: int | None = None
    min_height: int | None = None
    max_height: int | None = None
    min_side: int | None = None
    max_side: int | None = None

    def fits(self, facts: Facts) -> bool:
        """Return whether all that is asked holds."""
        sides = {
            "width": (facts.width, facts.width),
            "height": (facts.height, facts.height),
            "side": (min(facts.width, facts.height), max(facts.width, facts.height)),
        }
        named = ((self.kind, facts.kind), (self.alpha, facts.alpha), (self.format, facts.format))
        return all(not wanted or found in wanted for wanted, found in named) and all(
            (getattr(self, f"min_{name}") or 0) <= least and most <= (getattr(self, f"max_{name}") or most)
            for name, (least, most) in sides.items()
        )
