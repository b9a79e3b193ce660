"""Drawn pictures to train on: text, interfaces, cartoons, walls, plants and masks, of which photographs hold few."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from texup.training.drawn import cartoons, interface, metal, nature, text, walls
from texup.training.drawn.fields import Picture, Rng

KINDS: dict[str, Callable[[Rng, int], Picture]] = {
    "page": text.page,
    "title": text.title,
    "mask_glyphs": text.glyphs,
    "buttons": interface.buttons,
    "hud": interface.hud,
    "runes": text.runes,
    "icons": interface.icons,
    "circuit": interface.circuit,
    "cartoon": cartoons.cartoon,
    "cel": cartoons.cel,
    "brick": walls.brick,
    "blocks": walls.blocks,
    "cobble": walls.cobble,
    "tiles": walls.tiles,
    "planks": walls.planks,
    "cloth": walls.cloth,
    "metal": metal.metal,
    "grate": metal.grate,
    "pattern": metal.pattern,
    "rock": walls.rock,
    "foliage": nature.foliage,
    "grass": nature.grass,
    "bark": nature.bark,
    "sky": nature.sky,
    "gradient": nature.gradient,
    "noise": nature.noise,
    "fluid": nature.fluid,
    "mask_leaves": nature.leaf_mask,
    "mask_glow": nature.glow,
    "mask_smoke": nature.smoke,
    "mask_splat": nature.splat,
}
"""Every kind of picture: from a generator and a side in pixels to (side, side, 3) uint8; ``mask_`` kinds are grey."""

SHARES: dict[str, float] = {
    "page": 6, "title": 6, "runes": 3, "buttons": 5, "hud": 4, "icons": 5, "circuit": 3, "cartoon": 7, "cel": 6,
    "pattern": 4, "brick": 5, "blocks": 4, "cobble": 3, "tiles": 3, "planks": 4, "cloth": 3, "metal": 4, "grate": 2,
    "rock": 2, "foliage": 4, "grass": 3, "bark": 1, "sky": 2, "gradient": 2, "noise": 1, "fluid": 1,
    "mask_glyphs": 2, "mask_leaves": 2, "mask_glow": 1, "mask_smoke": 1, "mask_splat": 1,
}  # fmt: skip
"""How often each kind is drawn, in parts of a hundred."""


def draw(kind: str, rng: Rng, size: int) -> Picture:
    """Draw one picture of a kind, (size, size, 3) uint8; ``size`` is at least 64 and a multiple of 16.

    Args:
        kind: A key of ``KINDS``.
        rng: The picture follows from its state.
        size: Side in pixels.
    """
    return KINDS[kind](rng, size)


def draw_pictures(count: int, size: int, seed: int) -> list[Picture]:
    """Draw pictures of all kinds by their shares; picture k follows from ``seed``, k and ``size`` alone."""
    names = list(SHARES)
    shares = np.asarray([SHARES[name] for name in names], np.float64)
    pictures = []
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        kind = names[int(rng.choice(len(names), p=shares / shares.sum()))]
        pictures.append(draw(kind, rng, size))
    return pictures
