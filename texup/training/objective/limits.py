"""What the values of a recipe may be, beyond their types: refused before any work is done."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from texup.errors import UsageError
from texup.training.config import Recipe, plain
from texup.training.objective.losses import OFFSETS

SHARE, COUNT = (0.0, 1.0), (1.0, 4096.0)
LIMITS: dict[str, tuple[float, float]] = {
    "scale": (1, 16),
    "batch": COUNT,
    "lr_patch": COUNT,
    "early.share": SHARE,
    "early.batch": COUNT,
    "early.lr_patch": COUNT,
    "optimizer.betas": (0, 1 - 1e-9),
    "optimizer.steps": SHARE,
    "optimizer.factor": SHARE,
    "optimizer.warm_up": SHARE,
    "optimizer.ema": SHARE,
    "data.blur": SHARE,
    "data.sharpen": SHARE,
    "data.noise": SHARE,
    "data.shrink": (1, 16),
    "data.dark": SHARE,
    "data.grit": SHARE,
    "data.drawn": SHARE,
    "features.width": (1 / 64, 4),
    "discriminator.num_feat": COUNT,
    "discriminator.dropout": SHARE,
    "discriminator.warm_up": SHARE,
}
"""Least and largest value; every other number is at least 0, and all are finite."""

UNET_MULTIPLE = 8  # high-resolution pixels: the discriminator halves its pictures three times
BLOCK = 4  # low-resolution texels of a block of BC1
BLOCK_FORMATS = ("bc1", "cmpr")


def check_recipe(recipe: Recipe, processes: int = 1) -> None:
    """Refuse what no run could do.

    Raises:
        UsageError: a value is out of its range, or some do not fit each other or the number of ``processes``.
    """
    _check_values(plain(recipe), "")
    if "/" in recipe.name or "\\" in recipe.name or not recipe.name.strip(". "):
        raise UsageError(f"name: {recipe.name!r} is no name for a file")
    if len(recipe.optimizer.betas) != 2:
        raise UsageError("optimizer.betas must be two numbers")
    for place, shares in (("data.kernels", recipe.data.kernels), ("data.formats", recipe.data.formats)):
        if not sum(shares.values()) > 0:
            raise UsageError(f"{place}: the shares must not all be 0")
    if recipe.data.blur + recipe.data.sharpen > 1:
        raise UsageError("data.blur and data.sharpen together must not be more than 1")
    for batch, lr_patch in {recipe.patches_at(0), recipe.patches_at(1)}:
        if batch % processes:
            raise UsageError(f"a batch of {batch} cannot be shared by {processes} processes; change batch")
        _check_patch(recipe, lr_patch)


def _check_values(value: Any, place: str) -> None:
    """Check every number below a value; tables are those of a recipe, in which ``net`` has rules of its own."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key != "net":
                _check_values(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, tuple):
        for inner in value:
            if isinstance(inner, str) != (place == "features.taps"):
                raise UsageError(f"{place}: {inner!r} is of the wrong type")
            _check_values(inner, place)
    elif place.startswith("data.") and not isinstance(value, int | float):
        raise UsageError(f"{place} must be a number, not {value!r}")
    elif isinstance(value, int | float):
        low, high = LIMITS.get(place, (0.0, math.inf))
        if not (low <= value <= high and math.isfinite(value)):
            bounds = f"from {low:g} to {high:g}" if high < math.inf else "at least 0, and finite"
            raise UsageError(f"{place} must be {bounds}, not {value:g}")


def _check_patch(recipe: Recipe, lr_patch: int) -> None:
    """Refuse patches whose sides the nets or the formats of the data cannot divide."""
    side = lr_patch * recipe.scale
    unshuffle = recipe.net.get("unshuffle", 1)
    if isinstance(unshuffle, int) and unshuffle > 1 and lr_patch % unshuffle:
        raise UsageError(f"lr_patch: {lr_patch} must be a multiple of the net's unshuffle, {unshuffle}")
    if lr_patch % BLOCK and any(recipe.data.formats.get(name) for name in BLOCK_FORMATS):
        raise UsageError(f"lr_patch: {lr_patch} must be a multiple of {BLOCK} for {' and '.join(BLOCK_FORMATS)}")
    is_unet = recipe.discriminator.architecture == "UNetDiscriminator"
    if recipe.loss.adversarial and is_unet and side % UNET_MULTIPLE:
        raise UsageError(f"lr_patch: {lr_patch} times {recipe.scale} must be a multiple of {UNET_MULTIPLE}")
    if recipe.loss.perceptual or recipe.loss.gram:
        pools = max((int(tap[4]) - 1 for tap in recipe.features.taps if tap[4:5].isdigit()), default=0)
        if side - OFFSETS + 1 < 2**pools:
            raise UsageError(f"lr_patch: {lr_patch} is too small for features after {pools} halvings")
