"""``texup finetune``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from texup.cli.console import report
from texup.cli.train import MEBIBYTE, follow, run_options
from texup.cli.usage.sections import TRAINING, Sectioned
from texup.cli.usage.values import ModelType, RecipeType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from texup.training.finetune import FinetunePlan
    from texup.training.gains import Gain
    from texup.training.run.loop import TrainingRun

DEFAULT_SECONDS = 600.0


@click.command(cls=Sectioned, sections=TRAINING)
@click.argument("model", metavar="MODEL", type=ModelType())
@click.option(
    "--data",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of high-resolution pictures, searched to its depth; may be repeated.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Run folder. [default: runs/MODEL-finetuned]")
@click.option(
    "--recipe",
    metavar="NAME|FILE",
    type=RecipeType(path_type=Path),
    help="Losses and rates. [default: finetune, or finetune-gan for a sharp model]",
)
@click.option("--sharp", is_flag=True, help="Treat MODEL as a sharp one, made by a GAN; texup knows its own.")
@run_options
def finetune(model: str, data: tuple[Path, ...], recipe: Path | None, sharp: bool, **options: Any) -> None:
    """Adapt MODEL to your own pictures: high-resolution ones in, weights for `texup upscale` out.

    MODEL is a name of the catalog or a file of weights. Twenty pictures of the kind that you want to upscale are
    enough; they are reduced as games do it, so only the large ones are needed. Unless there is --val, a tenth of them
    is held out, and the result is measured on it before and after. Ten minutes are spent unless --seconds or
    --iterations says otherwise. MODEL itself stays as it is.

    \b
    Examples:
      texup finetune texup-x4-psnr --data ./my_textures
      texup finetune 4x_mine.pth --data ./walls --data ./floors --val ./other_walls --out runs/walls
    """
    if recipe is not None and sharp:
        raise click.UsageError("--sharp chooses the recipe finetune-gan; leave it out beside --recipe")
    if options["seconds"] is not None and options["iterations"] is not None:
        raise click.UsageError("say how long: either --seconds or --iterations")
    _finetune(model, data, recipe, sharp, **options)


def _finetune(
    model: str,
    data: tuple[Path, ...],
    recipe: Path | None,
    sharp: bool,
    *,
    out: Path | None,
    val: tuple[Path, ...],
    seconds: float | None,
    iterations: int | None,
    resume: bool,
    device: str,
    vgg_weights: Path | None,
    checkpoint_parts: int | None,
) -> None:
    from texup.engines.devices.device import pick_device
    from texup.training.finetune import make_plan
    from texup.training.run.distributed import join_world, leave_world
    from texup.training.run.loop import Budget, TrainingRun, train

    world, place = join_world(pick_device(device))
    try:
        plan = world.together(lambda: make_plan(model, data, val, recipe=recipe, sharp=sharp))
        folder = out or Path("runs") / plan.recipe.name
        part_size = checkpoint_parts * MEBIBYTE if checkpoint_parts else None
        run = TrainingRun(
            recipe=plan.recipe,
            folder=folder,
            data=data,
            device=place,
            world=world,
            val=val,
            vgg_weights=vgg_weights,
            part_size=part_size,
            pictures=plan.pictures,
            held_out=plan.held_out,
        )
        budget = Budget(seconds if seconds or iterations else DEFAULT_SECONDS, iterations)
        if world.is_first:
            for remark in plan.remarks:
                report(remark)
        follow(train(run, budget, init=plan.weights.state, resume=resume), run)
        if world.is_first:
            _conclude(plan, run)
    finally:
        leave_world()


def _conclude(plan: FinetunePlan, run: TrainingRun) -> None:
    """Say what the run was worth, and how its weights are used."""
    from texup.training.finetune import unshuffle, write_gains
    from texup.training.gains import measure
    from texup.training.run.records import SHEET

    start, scale = plan.model.path, plan.recipe.scale
    gains = measure(plan.held_out, start, run.weights, scale, run.device, multiple=unshuffle(plan.recipe))
    write_gains(run.folder, plan, gains)
    if gains:
        for line in _told(gains, len(plan.held_out)):
            report(line)
        if plan.is_for_fidelity:
            report(_verdict(gains, plan.model.name))
        else:
            report(f"a sharp net gives up PSNR for detail; look at {run.folder / SHEET}")
    report(f"use it: texup upscale PACK --model {shlex.quote(str(run.weights))}")


def _told(gains: Mapping[str, Gain], pictures: int) -> list[str]:
    from texup.training.gains import CLEAN, STORED

    shown = {k: f"{g.before:.2f} -> {g.after:.2f} dB" for k, g in gains.items()}
    over = f"{pictures} picture{'' if pictures == 1 else 's'}"
    return [
        f"held-out PSNR-Y {shown[CLEAN]} over {over}; bicubic {gains[CLEAN].bicubic:.2f}",
        f"the same as games stored them {shown[STORED]}; bicubic {gains[STORED].bicubic:.2f}",
    ]


def _verdict(gains: Mapping[str, Gain], name: str) -> str:
    losses = [gain.is_loss for gain in gains.values()]
    if all(losses):
        return f"worse than {name}: give it more pictures, more time or another --recipe, or stay with {name}"
    if any(losses):
        return f"a trade: better than {name} on one kind of pictures, worse on the other; choose by what your pack is"
    return f"better than {name} on pictures that it was not trained on"
