"""Recipes: what to train and how, as frozen values read from TOML.

Every schedule is a share of the budget, so that five minutes and five hours are the same recipe.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from texup import bounds
from texup.degradations import KERNELS
from texup.errors import UsageError, nearest
from texup.texts import parse_toml, read_text
from texup.training.data.degrade import FORMATS
from texup.training.objective.losses import FEATURE_CRITERIA, PIXEL_CRITERIA

SCHEDULES = ("cosine", "steps", "constant")


@dataclass(frozen=True, slots=True)
class Early:
    """Smaller patches for the first part of the budget: more of them see more pictures while there is most to learn."""

    share: float = 0.0
    """Of the budget."""
    batch: int = 16
    lr_patch: int = 16


@dataclass(frozen=True, slots=True)
class Optimisation:
    """How the nets learn."""

    kind: str = "adam"
    """"muon" (hidden convolutions by Muon, the rest by Adam) or "adam"."""
    muon_rate: float = 0.02
    adam_rate: float = 2e-4
    betas: tuple[float, float] = (0.9, 0.99)
    schedule: str = "cosine"
    """"cosine" to zero, "steps" (times ``factor`` at each of ``steps``) or "constant"."""
    steps: tuple[float, ...] = ()
    """Shares of the budget."""
    factor: float = 0.5
    warm_up: float = 0.01
    """Share of the budget over which the rates rise from zero."""
    clip: float = 1.0
    """Bound of the gradient norm of the generator; 0 for none."""
    ema: float = 0.999
    """Decay of the averaged generator, which is what is saved; 0 saves the last one."""


@dataclass(frozen=True, slots=True)
class Data:
    """What the nets see."""

    kernels: Mapping[str, float] = field(default_factory=lambda: {"bicubic": 1.0})
    """Shares of the reductions."""
    formats: Mapping[str, float] = field(default_factory=lambda: {"clean": 1.0})
    """Shares of what was done to the reduced textures."""
    blur: float = 0.0
    sharpen: float = 0.0
    noise: float = 0.0
    shrink: int = 1
    """Factor by which pictures are reduced before anything else: at scale 1 they must be as crisp as textures are."""
    dark: float = 0.0
    """Share of patches made darker, before they are reduced."""
    grit: float = 0.0
    """Share of patches that get a grain, before they are reduced."""
    drawn: float = 0.0
    """Share of patches from drawn pictures: text, interface art, walls, masks."""
    pixel_art: bool = False
    """Pictures are drawings with alpha, and their patches become pixel art; nothing else of this table is done then."""
    halves: bool = True
    """Whether pictures enter at half their size too."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Weights of the losses; 0 leaves a loss out."""

    pixel: float = 1.0
    pixel_kind: str = "l1"
    """"l1", "mse" or "charbonnier"."""
    consistency: float = 0.0
    """L1 between the result and the target, both reduced by box: colour and shading stay true."""
    perceptual: float = 0.0
    gram: float = 0.0
    adversarial: float = 0.0
    matching: float = 0.0
    """Distance of the discriminator's own features."""
    ldl: float = 0.0
    """L1 where the result strays further than the averaged net's."""


@dataclass(frozen=True, slots=True)
class Features:
    """The net whose features the perceptual and Gram losses compare."""

    kind: str = "random"
    """"random" (VGG19's structure, drawn anew), "vgg19" (needs its weights) or "efficientnet-lite0" (its package)."""
    width: float = 0.5
    """Share of VGG19's channels, of a random net."""
    taps: tuple[str, ...] = ("conv2_2", "conv3_4", "conv4_4")
    before_activation: bool = True
    criterion: str = "relative"
    """"relative" (L1 over the mean magnitude of the target's), "l1" or "mse"."""
    redraw_every: int = 50
    """Iterations between two draws of a random net."""


@dataclass(frozen=True, slots=True)
class Discriminator:
    """The judge of a GAN stage."""

    architecture: str = "UNetDiscriminator"
    num_feat: int = 32
    residual: bool = False
    dropout: float = 0.0
    relativistic: bool = True
    rate: float = 1e-4
    warm_up: float = 0.0
    """Share of the budget during which only the discriminator learns."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training stage."""

    name: str
    """Stem of the weights that the stage writes."""
    description: str = ""
    net: Mapping[str, Any] = field(default_factory=lambda: {"architecture": "RRDBNet"})
    """The architecture and the arguments of its net."""
    scale: int = 4
    batch: int = 16
    """Patches in a batch, over all processes."""
    lr_patch: int = 32
    """Side of a low-resolution patch, in pixels."""
    seed: int = 0
    early: Early = Early()
    optimizer: Optimisation = Optimisation()
    data: Data = Data()
    loss: Loss = Loss()
    features: Features = Features()
    discriminator: Discriminator = Discriminator()

    def patches_at(self, share: float) -> tuple[int, int]:
        """Return the batch and the low-resolution patch side at a share of the budget."""
        now = self.early if share < self.early.share else self
        return now.batch, now.lr_patch

    @property
    def largest_patch(self) -> int:
        """The largest low-resolution patch side of the run."""
        return max(self.lr_patch, self.early.lr_patch if self.early.share else 0)


SECTIONS: dict[str, type[Any]] = {
    "early": Early,
    "optimizer": Optimisation,
    "data": Data,
    "loss": Loss,
    "features": Features,
    "discriminator": Discriminator,
}
CHOICES: dict[str, Collection[str]] = {
    "optimizer.kind": ("muon", "adam"),
    "optimizer.schedule": SCHEDULES,
    "loss.pixel_kind": tuple(PIXEL_CRITERIA),
    "features.kind": ("random", "vgg19", "efficientnet-lite0"),
    "features.criterion": tuple(FEATURE_CRITERIA),
    "discriminator.architecture": ("UNetDiscriminator", "SRGANDiscriminator", "VGGStyleDiscriminator"),
    "data.kernels": KERNELS,
    "data.formats": tuple(FORMATS),
}
"""What a value, or each key of a table of shares, may be."""


def load_recipe(path: Path) -> Recipe:
    """Read a recipe from TOML.

    Raises:
        UsageError: the file is missing, is no TOML, or has a key or a value that no recipe has.
    """
    try:
        values: dict[str, Any] = parse_toml(read_text(path, bounds.TOML_BYTES, "recipe"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot read the recipe: {error}") from error
    try:
        return recipe_of({"name": path.stem, **values})
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def recipe_of(values: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a table of plain values, as TOML and run cards hold them.

    Raises:
        UsageError: a key or a value that no recipe has; the text names the nearest right one.
    """
    values = {
        key: _record(SECTIONS[key], value, f"{key}.") if key in SECTIONS else value for key, value in values.items()
    }
    recipe: Recipe = _record(Recipe, values, "")
    for place, choices in CHOICES.items():
        section, key = place.split(".")
        value = getattr(getattr(recipe, section), key)
        for name in value if isinstance(value, Mapping) else (value,):
            if name not in choices:
                raise UsageError(f"{place}: {name!r} is unknown; {nearest(str(name), choices)}")
    if recipe.loss.adversarial == 0 and recipe.loss.matching:
        raise UsageError("loss.matching compares features of the discriminator and needs loss.adversarial")
    return recipe


def _record(kind: type[Any], values: Any, prefix: str) -> Any:
    """Build a dataclass from a table, with every key and type checked."""
    if not isinstance(values, Mapping):
        raise UsageError(f"{prefix.rstrip('.')} must be a table")
    known = {f.name: f for f in dataclasses.fields(kind)}
    for key in values:
        if key not in known:
            raise UsageError(f"unknown key {prefix}{key}; {nearest(key, known)}")
    return kind(**{key: _checked(value, known[key], prefix + key) for key, value in values.items()})


def _checked(value: Any, known: dataclasses.Field[Any], place: str) -> Any:
    """Return a value as its field wants it: numbers as floats where floats are meant, arrays as tuples."""
    wanted = str(known.type)
    if wanted == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted.startswith("tuple") and isinstance(value, list | tuple):
        return tuple(value)
    plain: dict[str, type[Any]] = {"str": str, "int": int, "float": float, "bool": bool}
    if wanted in plain and (not isinstance(value, plain[wanted]) or (isinstance(value, bool) and wanted != "bool")):
        raise UsageError(f"{place} must be of type {wanted}, not {value!r}")
    if wanted.startswith("Mapping") and not isinstance(value, Mapping):
        raise UsageError(f"{place} must be a table, not {value!r}")
    if wanted in ("int", "float") and value < 0:
        raise UsageError(f"{place} must not be negative")
    return value


def plain(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as the table that ``recipe_of`` reads."""
    return dataclasses.asdict(recipe)
