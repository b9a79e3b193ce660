"""``texup train`` and ``texup finetune``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from texup.cli.console import is_terminal, report
from texup.cli.usage.options import DEVICE_OPTION
from texup.cli.usage.sections import TRAINING, Sectioned
from texup.cli.usage.values import ModelType, RecipeType
from texup.pictures import charts

if TYPE_CHECKING:
    from texup.models.weights import StateDict
    from texup.training.config import Recipe
    from texup.training.run.loop import Progress, TrainingRun

F = TypeVar("F", bound=Callable[..., Any])
MEBIBYTE = 1 << 20


def run_options(command: F) -> F:
    """Add the options of a run that ``train`` and ``finetune`` share."""
    folder = click.Path(path_type=Path)
    options = [
        click.option("--val", multiple=True, type=folder, help="Folder of pictures to measure on; may be repeated."),
        click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Training time."),
        click.option("--iterations", type=click.IntRange(min=1), help="Training length; instead of --seconds."),
        click.option("--resume", is_flag=True, help="Go on from the checkpoint in the run folder."),
        DEVICE_OPTION,
        click.option("--vgg-weights", type=folder, help="torchvision's vgg19-dcbb9e9d.pth, to compare its features."),
        click.option(
            "--checkpoint-parts",
            type=click.IntRange(min=1),
            metavar="MIB",
            help="Cut the checkpoint into files of at most so many MiB.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command(cls=Sectioned, sections=TRAINING)
@click.argument("recipe", type=RecipeType(path_type=Path))
@click.option(
    "--data",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of pictures, searched to its depth; may be repeated.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Run folder. [default: runs/NAME]")
@click.option("--init", type=ModelType(), metavar="NAME|FILE", help="Weights to start from.")
@run_options
def train(recipe: Path, data: tuple[Path, ...], out: Path | None, init: str | None, **options: Any) -> None:
    """Train a net by a RECIPE: a TOML file, or the name of one that comes with texup.

    The run folder holds at every moment the weights so far, a checkpoint, the log, its curves, pictures and a card
    that says what was trained on what. A run that was stopped goes on by the same command with --resume. Schedules are
    shares of the budget. With several processes, start texup by torchrun.

    \b
    Examples:
      texup train compact48-psnr --data ./textures --seconds 3600
      texup train compact48-gan --data ./textures --seconds 1800 --init runs/compact48-psnr/compact48-psnr.safetensors
      torchrun --nproc-per-node 4 -m texup train rrdb-psnr --data ./textures --iterations 200000
    """
    if (options["seconds"] is None) == (options["iterations"] is None):
        raise click.UsageError("say how long: either --seconds or --iterations")
    _train(recipe, data, out, init, **options)


def _train(
    recipe: Path,
    data: tuple[Path, ...],
    out: Path | None,
    init: str | None,
    *,
    val: tuple[Path, ...],
    seconds: float | None,
    iterations: int | None,
    resume: bool,
    device: str,
    vgg_weights: Path | None,
    checkpoint_parts: int | None,
) -> None:
    from texup.engines.devices.device import pick_device
    from texup.training.run.distributed import join_world, leave_world
    from texup.training.run.loop import Budget, TrainingRun
    from texup.training.run.loop import train as run_training

    world, place = join_world(pick_device(device))
    try:
        wanted, state = world.together(lambda: _loaded(recipe, init))
        part_size = checkpoint_parts * MEBIBYTE if checkpoint_parts else None
        run = TrainingRun(
            recipe=wanted,
            folder=out or Path("runs") / wanted.name,
            data=data,
            device=place,
            world=world,
            val=val,
            vgg_weights=vgg_weights,
            part_size=part_size,
        )
        budget = Budget(seconds, iterations)
        follow(run_training(run, budget, init=state, resume=resume), run)
    finally:
        leave_world()


def _loaded(recipe: Path, init: str | None) -> tuple[Recipe, StateDict | None]:
    """Return the recipe, and the weights to start from where they are named."""
    from texup.models.catalog import resolve
    from texup.models.loading import open_weights
    from texup.training.config import load_recipe
    from texup.training.recipes import find_recipe

    wanted = load_recipe(find_recipe(recipe))
    start = resolve(init) if init else None
    return wanted, open_weights(start.path, expected_sha256=start.sha256).state if start else None


def follow(reports: Iterable[Progress], run: TrainingRun) -> None:
    """Show where a run is: live on a terminal, a line at each check elsewhere."""
    if not run.world.is_first:
        for _ in reports:
            pass
        return
    if is_terminal():
        _follow_live(reports)
    else:
        for progress in reports:
            if progress.checked:
                report(f"{progress.share:4.0%} iteration {progress.iteration}: {describe(progress)}")
    if not charts.is_installed():
        report(charts.NEEDS_EXTRA)
    report(f"wrote {run.weights}")


def _follow_live(reports: Iterable[Progress]) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[state]}", markup=False))
    with Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=1.0, state="")
        for progress in reports:
            bar.update(task, completed=progress.share, state=f"{progress.iteration}: {describe(progress)}")
            if progress.checked and progress.psnr is not None:
                bar.console.print(f"iteration {progress.iteration}: {describe(progress)}", highlight=False)


def describe(progress: Progress) -> str:
    """Return losses, quality and speed in one line."""
    losses = ", ".join(f"{name} {value:.4g}" for name, value in progress.losses.items())
    quality = f"; PSNR-Y {progress.psnr:.2f} dB" if progress.psnr is not None else ""
    return f"{losses}{quality}; {progress.lr_pixels:,.0f} LR pixels/s, {progress.peak_share:.0%} of peak"
