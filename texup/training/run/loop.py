"""The training loop: a budget, checks on the way, and a run folder that is whole at every moment."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from texup.errors import TexupError, UsageError
from texup.training.config import Recipe, plain
from texup.training.data.pictures import DRAWN, Patches, Picture, drawn, load_pictures, with_halves
from texup.training.objective.limits import check_recipe
from texup.training.objective.systems import check_nets, features_fact
from texup.training.run.checkpoint import load_checkpoint
from texup.training.run.checks import Checks, claim_folder
from texup.training.run.distributed import World
from texup.training.run.records import data_facts, sample_facts, software_facts, write_film
from texup.training.run.throughput import Meter
from texup.training.run.trainer import Trainer
from texup.training.run.validation import LEAST, HeldOutCrop, fixed_samples, load_held_out

CHECKS = 50  # of a run; each writes a checkpoint, the weights so far, the log and a frame of the film
DRAWN_COUNT, DRAWN_SIDE = 600, 256


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a run lasts, in seconds of training or in iterations."""

    seconds: float | None = None
    iterations: int | None = None

    def share(self, spent: float, iteration: int) -> float:
        """Return how much of the budget is used, 0 to 1."""
        if self.iterations is not None:
            return min(1.0, iteration / self.iterations)
        assert self.seconds is not None
        return min(1.0, spent / self.seconds)


@dataclass(frozen=True, slots=True)
class Progress:
    """What the loop says about once a second, and at every check."""

    iteration: int
    share: float
    """Share of the budget that is spent, 0 to 1."""
    losses: dict[str, float]
    """Weighted means since the last check."""
    seconds: float
    """Of training so far, over all resumes."""
    lr_pixels: float
    """Low-resolution pixels a second, over all processes."""
    peak_share: float
    """Floating-point operations a second, as a share of the device's measured matrix peak."""
    checked: bool = False
    """Whether this is a check."""
    psnr: float | None = None
    """Mean PSNR-Y of the averaged net on the validation crops in dB, at checks."""


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """Where a run lives and what it is made of."""

    recipe: Recipe
    folder: Path
    data: Sequence[Path]
    device: torch.device
    world: World
    val: Sequence[Path] = ()
    vgg_weights: Path | None = None
    part_size: int | None = None
    """Largest size of a part of the checkpoint in bytes; None for one file."""
    pictures: Sequence[Picture] = ()
    """To train on, where they are not to be read from ``data``."""
    held_out: Sequence[Picture] = ()
    """To measure on, where they are not to be read from ``val``."""

    @property
    def weights(self) -> Path:
        """The weights that the run writes."""
        return self.folder / f"{self.recipe.name}.safetensors"


def train(
    run: TrainingRun, budget: Budget, *, init: dict[str, Tensor] | None = None, resume: bool = False
) -> Iterator[Progress]:
    """Train by the recipe of ``run`` until the budget is spent, and keep its folder up to date.

    Yields:
        A report about once a second and at every check, after the files were written.

    Raises:
        UsageError: the recipe asks for what cannot be, no usable pictures, nothing to resume or another recipe's run,
            a folder that holds a run already, or ``init`` is of another net.
        Diverged: the losses grew without bounds.
        LockedError: another process trains in that folder.
        TexupError: the device is out of memory.
        OutputError: the run folder cannot be written.
    """
    world = run.world
    with ExitStack() as claims:
        claim = claim_folder(run.weights, resume=resume) if world.is_first else nullcontext()
        world.together(partial(_refuse_impossible, run))
        world.together(partial(claims.enter_context, claim))
        trainer, checks, spent = world.together(partial(_prepared, run, init, resume=resume))
        trainer.join(world)
        try:
            yield from _iterations(trainer, run, budget, checks, spent)
        except torch.OutOfMemoryError as error:
            raise TexupError(f"{run.device} is out of memory; lower batch or lr_patch in the recipe") from error
        if checks is not None:
            write_film(run.folder)


def _refuse_impossible(run: TrainingRun) -> None:
    check_recipe(run.recipe, run.world.size)
    check_nets(run.recipe)


def _prepared(
    run: TrainingRun, init: dict[str, Tensor] | None, *, resume: bool
) -> tuple[Trainer, Checks | None, float]:
    """Return the trainer where the run stands, what writes its folder in the first process, and the seconds spent."""
    features = features_fact(run.recipe, run.vgg_weights)
    state = load_checkpoint(run.folder) if resume else None
    if state is not None:
        _refuse_another(state, run, features)
    samples = _samples(run) if run.world.is_first else []
    trainer = Trainer(run.recipe, _patches(run), run.device, vgg_weights=run.vgg_weights)
    if state is not None:
        trainer.load_state(state["trainer"])
    elif init is not None:
        trainer.begin_from(init)
    spent, history = (state["spent"], state["history"]) if state is not None else (0.0, [])
    if not run.world.is_first:
        return trainer, None, spent
    facts = {
        "features": features,
        "data": data_facts(run.data),
        "validation": sample_facts(samples),
        "software": software_facts(run.device),
    }
    return trainer, Checks(run.weights, trainer, samples, history, facts, part_size=run.part_size), spent


def _samples(run: TrainingRun) -> list[HeldOutCrop]:
    scale, multiple = run.recipe.scale, run.recipe.net.get("unshuffle", 1)
    pictures = run.held_out or load_held_out(run.val, LEAST * scale * multiple)
    return fixed_samples(pictures, scale, run.device, multiple=multiple, pixel_art=run.recipe.data.pixel_art)


def _patches(run: TrainingRun) -> Patches:
    data = run.recipe.data
    side = run.recipe.largest_patch * run.recipe.scale * data.shrink
    pictures = list(run.pictures) or load_pictures(run.data, side)
    if data.halves:
        pictures = with_halves(pictures, side)
    if data.drawn:
        pictures += drawn(DRAWN_COUNT, max(DRAWN_SIDE, -(-side // 16) * 16), run.recipe.seed)
    generator = torch.Generator().manual_seed(run.recipe.seed)
    return Patches(pictures, generator, run.device, {DRAWN: data.drawn}, alpha=data.pixel_art)


def _refuse_another(state: dict[str, Any], run: TrainingRun, features: str) -> None:
    """Refuse the state of a run that another recipe or other features began."""
    differ = [key for key, value in plain(run.recipe).items() if state["recipe"].get(key) != value]
    if differ:
        raise UsageError(f"{run.folder}: begun with another recipe ({', '.join(differ)} differ); choose another --out")
    if state["features"] != features:
        raise UsageError(f"{run.folder}: begun with other features ({state['features']}); mind --vgg-weights")


def _iterations(
    trainer: Trainer, run: TrainingRun, budget: Budget, checks: Checks | None, spent: float
) -> Iterator[Progress]:
    meter = Meter(trainer, run.world)
    share = budget.share(spent, trainer.iteration)
    counted = time.perf_counter()  # all training up to here is in ``spent``
    while share < 1:
        meter.step(share)
        now = time.perf_counter()
        spent, counted = run.world.agreed(spent + now - counted), now
        before, share = share, budget.share(spent, trainer.iteration)
        is_check = share >= 1 or _checks_until(share) > _checks_until(before)
        if not is_check and not meter.is_due():
            continue
        reading = meter.read()
        psnr = None
        if is_check:
            spent += time.perf_counter() - counted  # the device was still at work when the last iteration was over
            psnr = run.world.together(partial(_check, checks, reading.losses, spent))
            meter.reset()
        elif checks is not None:
            checks.refuse_divergence(reading.losses)
        yield Progress(
            iteration=trainer.iteration,
            share=share,
            losses=reading.losses,
            seconds=spent,
            lr_pixels=reading.lr_pixels,
            peak_share=reading.peak_share,
            checked=is_check,
            psnr=psnr,
        )
        if is_check:
            counted = time.perf_counter()  # checks are not training


def _checks_until(share: float) -> int:
    return math.floor(share * CHECKS + 1e-9)  # 0.58 * 50 is a little under 29


def _check(checks: Checks | None, losses: dict[str, float], spent: float) -> float | None:
    return checks.take(losses, spent) if checks is not None else None
