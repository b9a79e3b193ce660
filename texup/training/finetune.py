"""Fine-tuning: which recipe fits a model and the user's pictures, and what training on them was worth."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from texup.errors import UsageError, WeightsError
from texup.models.catalog import CatalogModel, load_catalog, resolve
from texup.models.kinds import KINDS
from texup.models.loading import KnownWeights, open_weights
from texup.textures.codecs.files import SUFFIXES
from texup.training.config import Recipe, load_recipe
from texup.training.data.pictures import Picture, load_pictures
from texup.training.gains import Gain
from texup.training.objective.limits import BLOCK, UNET_MULTIPLE
from texup.training.recipes import find_recipe
from texup.training.run.records import CARD, write_card
from texup.training.run.validation import LEAST, fixed_samples, load_held_out

FIDELITY, SHARP = "finetune", "finetune-gan"
LEAST_PATCH = 12  # low-resolution pixels: in less there is hardly anything to see
HELD_OUT_SHARE, MOST_HELD_OUT = 0.1, 16
SMALL_SHARE = 0.1  # of the pictures that may be left out as too small before the patches shrink for them
# What the side of a high-resolution patch must be a multiple of, for each discriminator.
MULTIPLES = {"UNetDiscriminator": UNET_MULTIPLE, "SRGANDiscriminator": 16, "VGGStyleDiscriminator": 32}


@dataclass(frozen=True, slots=True)
class FinetunePlan:
    """What a fine-tuning run starts from and works on."""

    model: CatalogModel
    weights: KnownWeights
    recipe: Recipe
    pictures: tuple[Picture, ...]
    """To train on."""
    held_out: tuple[Picture, ...]
    """To measure on; empty where there is only one picture."""
    remarks: tuple[str, ...]
    """For the user: which recipe and pictures were chosen, a line each."""

    @property
    def is_for_fidelity(self) -> bool:
        """Whether a lower PSNR is a failure; sharp nets give it away."""
        loss = self.recipe.loss
        return not (loss.adversarial or loss.perceptual or loss.gram)


def make_plan(
    name: str, data: Sequence[Path], val: Sequence[Path] = (), *, recipe: Path | None = None, sharp: bool = False
) -> FinetunePlan:
    """Choose the recipe and share out the pictures for fine-tuning the model ``name``.

    Args:
        name: a model of the catalog, or a file of weights.
        data: folders of pictures to train on.
        val: folders of pictures to measure on; without any, a tenth of ``data`` is held out.
        recipe: a recipe's name or file; without one, that for sharp nets where ``sharp`` says so or the model is the
            GAN of the catalog's pair, else that for fidelity. Its name, net and scale are replaced by the model's.
        sharp: see ``recipe``.

    Raises:
        UsageError: no such model, recipe or pictures; or they do not fit together.
        WeightsError: the weights are refused, or texup cannot train their net.
    """
    model = resolve(name)
    weights = open_weights(model.path, expected_sha256=model.sha256)
    base = load_recipe(find_recipe(recipe or Path(SHARP if sharp or is_sharp(model) else FIDELITY)))
    wanted = recipe_for(model, weights, base)
    for folder in val:
        _refuse_overlap(folder, data)
    step = patch_step(wanted)
    least = -(-LEAST_PATCH // step) * step * wanted.scale
    pictures = load_pictures(data, least)
    held_out = load_held_out(val, LEAST * wanted.scale * unshuffle(wanted)) if val else hold_out(pictures, wanted.scale)
    left = pictures if val else [p for p in pictures if not any(p is other for other in held_out)]
    fitted, used = fit_patches(wanted, left)
    unused = _count_files(data) - len(used) - (len(pictures) - len(left))
    remarks = [
        f"fine-tuning {model.name} by the recipe {base.name}, on {_counted(len(used))}",
        *_complaints(wanted, fitted, unused),
        _told(held_out, from_data=not val),
    ]
    return FinetunePlan(
        model=model,
        weights=weights,
        recipe=fitted,
        pictures=tuple(used),
        held_out=tuple(held_out),
        remarks=tuple(remarks),
    )


def is_sharp(model: CatalogModel) -> bool:
    """Tell whether a model is the GAN of the catalog's pair, by name or by path."""
    catalog = load_catalog()
    return model.path.resolve() == catalog.models[catalog.pair[1]].path.resolve()


def recipe_for(model: CatalogModel, weights: KnownWeights, recipe: Recipe) -> Recipe:
    """Return ``recipe`` with the name, net and scale of a model.

    Raises:
        WeightsError: it is a net of other channels than RGB, or one that texup only runs.
        UsageError: the model enlarges nothing, or by a factor that the recipe's reductions cannot do.
    """
    found = weights.architecture
    if weights.borrowed is not None:
        raise WeightsError(f"{model.path}: texup runs nets of type {found.name}, but trains {', '.join(KINDS)} only")
    if (found.in_channels, found.out_channels) != (3, 3):
        channels = f"{found.in_channels} channels in and {found.out_channels} out"
        raise WeightsError(f"{model.path}: a net of {channels}; texup trains nets for RGB")
    if found.scale == 1:
        raise UsageError(f"{model.path}: a net of scale 1 enlarges nothing; fine-tuning needs 2 or more")
    if found.scale % 2 and recipe.data.kernels.get("mixed"):
        raise UsageError(
            f"the recipe {recipe.name} reduces by the kernel mixed, which needs an even scale; {model.name} has"
            f" {found.scale}"
        )
    arguments = {key: value for key, value in found.hyper.items() if key != "scale"}
    net = {"architecture": found.name, **arguments}
    return dataclasses.replace(recipe, name=f"{model.name}-finetuned", net=net, scale=found.scale)


def unshuffle(recipe: Recipe) -> int:
    """Return what low-resolution sides must be multiples of for the net alone."""
    side: int = recipe.net.get("unshuffle", 1)
    return side


def patch_step(recipe: Recipe) -> int:
    """Return what low-resolution patch sides must be multiples of: for blocks of BC1, the net, the discriminator."""
    step = math.lcm(BLOCK, unshuffle(recipe))
    if not recipe.loss.adversarial:
        return step
    multiple = MULTIPLES[recipe.discriminator.architecture]
    return math.lcm(step, multiple // math.gcd(multiple, recipe.scale))


def fit_patches(recipe: Recipe, pictures: Sequence[Picture]) -> tuple[Recipe, list[Picture]]:
    """Return the recipe with patches no larger than nearly all ``pictures``, and the pictures that hold such patches.

    Every picture has room for the least patch.
    """
    sides = sorted(min(p.pixels.shape[:2]) // recipe.scale for p in pictures)
    step, room = patch_step(recipe), sides[int(len(sides) * SMALL_SHARE)]
    if room < recipe.largest_patch:
        most = room // step * step
        early = dataclasses.replace(recipe.early, lr_patch=min(recipe.early.lr_patch, most))
        recipe = dataclasses.replace(recipe, lr_patch=min(recipe.lr_patch, most), early=early)
    need = recipe.largest_patch * recipe.scale
    return recipe, [p for p in pictures if min(p.pixels.shape[:2]) >= need]


def hold_out(pictures: Sequence[Picture], scale: int) -> list[Picture]:
    """Return a tenth of ``pictures``, at least 1 and at most 16, but none of a single one, to measure on.

    The hash of its path below its folder decides about a picture: the choice is the same wherever the folder lies, and
    changes little when pictures are added. Plain ones are passed over, for nothing can be measured on them.
    """
    count = min(MOST_HELD_OUT, max(1, round(len(pictures) * HELD_OUT_SHARE))) if len(pictures) > 1 else 0
    held: list[Picture] = []
    for picture in sorted(pictures, key=lambda p: hashlib.sha256(p.name.encode("utf-8", "surrogateescape")).digest()):
        if len(held) == count:
            break
        (sample,) = fixed_samples([picture], scale, torch.device("cpu"))
        if (sample.hr != sample.hr[:1, :1]).any():
            held.append(picture)
    return held


def write_gains(folder: Path, plan: FinetunePlan, gains: Mapping[str, Gain]) -> None:
    """Add to the card of a finished run what it started from, and what it was worth.

    Raises:
        OutputError: the card cannot be written.
    """
    card = json.loads((folder / CARD).read_text("utf-8"))
    start = {"model": plan.model.name, "sha256": plan.weights.file.sha256, "held_out": [p.name for p in plan.held_out]}
    numbers = {name: dataclasses.asdict(gain) for name, gain in gains.items()}
    write_card(folder, card | {"finetune": start | numbers})


def _refuse_overlap(folder: Path, data: Sequence[Path]) -> None:
    """Refuse to measure on what is trained on.

    Raises:
        UsageError: ``folder`` is, holds or lies in one of ``data``.
    """
    mine = folder.resolve()
    for other in data:
        theirs = other.resolve()
        if mine.is_relative_to(theirs) or theirs.is_relative_to(mine):
            raise UsageError(f"{folder}: overlaps with {other}, and pictures to measure on must not be trained on")


def _count_files(folders: Sequence[Path]) -> int:
    return sum(1 for root in folders for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)


def _complaints(wanted: Recipe, fitted: Recipe, unused: int) -> list[str]:
    lines = []
    if fitted.largest_patch < wanted.largest_patch:
        patch = f"{fitted.largest_patch} low-resolution pixels instead of {wanted.largest_patch}"
        lines.append(f"patches of {patch}, because pictures are small")
    if unused > 0:
        side = fitted.largest_patch * fitted.scale
        lines.append(f"left out {_counted(unused)} under {side} pixels a side, or unreadable")
    return lines


def _told(held_out: Sequence[Picture], *, from_data: bool) -> str:
    if not held_out:
        return "too few pictures to hold one out: nothing says whether the result is better; give more, or --val"
    names = ", ".join(p.name for p in held_out[:3])
    more = f" and {len(held_out) - 3} more" if len(held_out) > 3 else ""
    what = "held out of training, to measure on" if from_data else "to measure on"
    return f"{what}: {names}{more}"


def _counted(number: int) -> str:
    return f"{number} picture{'' if number == 1 else 's'}"
