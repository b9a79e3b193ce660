"""Recipes: what to train and how, as frozen values read from TOML."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from texup.errors import UsageError

OPTIMIZERS = ("muon", "adam")
KERNELS = ("bicubic", "box", "bilinear")  # all antialiased


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training stage. Intervals are in iterations; schedules are fractions of the budget."""

    name: str
    """Stem of the weights that the stage writes."""
    net: dict[str, int] = field(default_factory=dict)
    """Arguments of RRDBNet."""
    scale: int = 4
    batch: int = 8
    """Patches in a batch."""
    lr_patch: int = 24
    """Side of a low-resolution patch, in pixels."""
    optimizer: str = "muon"
    """"muon" (hidden convolutions by Muon, the rest by Adam) or "adam"."""
    muon_rate: float = 0.02
    adam_rate: float = 1e-3
    warm_up: float = 0.01
    """Share of the budget over which the rate rises from zero; after it a cosine takes it back to zero."""
    clip: float = 1.0
    """Bound of the gradient norm of the generator."""
    ema: float = 0.999
    """Decay of the averaged generator that is saved."""
    downscale: dict[str, float] = field(default_factory=lambda: {"bicubic": 1.0})
    """Shares of the down-scaling kernels: bicubic, box, bilinear (all antialiased)."""
    mask_share: float = 0.0
    """Share of patches replaced by cut-out masks, hard or soft, so that the net also upscales alpha."""
    pixel_weight: float = 1.0
    consistency_weight: float = 0.0
    """Weight of L1 between the reduced result and the low-resolution input."""
    perceptual_weight: float = 0.0
    adversarial_weight: float = 0.0
    discriminator_feat: int = 24
    discriminator_rate: float = 1e-4
    discriminator_warm_up: float = 0.0
    """Share of the budget during which only the discriminator learns."""
    redraw_every: int = 50
    """Iterations between two draws of the random feature net."""
    seed: int = 0


def load_recipe(path: Path) -> Recipe:
    """Read a recipe from TOML.

    Raises:
        UsageError: the file is missing, is no TOML, or has a key that no recipe has.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot read the recipe: {error}") from error
    known = {f.name: f for f in fields(Recipe)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise UsageError(f"{path}: unknown keys {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    values.setdefault("name", path.stem)
    recipe = Recipe(**values)
    if recipe.optimizer not in OPTIMIZERS:
        raise UsageError(f"{path}: unknown optimizer {recipe.optimizer!r}; use one of {', '.join(OPTIMIZERS)}")
    strange = sorted(set(recipe.downscale) - set(KERNELS))
    if strange:
        raise UsageError(f"{path}: unknown downscale kernels {', '.join(strange)}; known are {', '.join(KERNELS)}")
    return recipe
