"""``texup train``."""

from __future__ import annotations

from pathlib import Path

import click

from texup.cli.console import report


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--data", multiple=True, required=True, type=click.Path(path_type=Path), help="Folder of pictures; may be repeated."
)
@click.option("--val", type=click.Path(path_type=Path), help="Folder of pictures to measure PSNR-Y on now and then.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Run folder: checkpoint and weights go there."
)
@click.option("--seconds", type=float, required=True, help="Training time; the schedule stretches to it.")
@click.option("--init", metavar="NAME|FILE", help="Weights to start from.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in the run folder.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
def train(
    recipe: Path,
    data: tuple[Path, ...],
    val: Path | None,
    out: Path,
    seconds: float,
    init: str | None,
    resume: bool,
    device: str,
) -> None:
    """Train an RRDBNet by a recipe, for fidelity or with a relativistic GAN.

    \b
    Examples:
      texup train weights/recipes/rrdb-psnr.toml --data ./textures --out runs/psnr --seconds 3000
      texup train weights/recipes/rrdb-gan.toml --data ./textures --out runs/gan --seconds 1200 --init texup-x4-psnr
    """
    from texup.engines.device import pick_device
    from texup.models.catalog import resolve
    from texup.models.loading import open_weights
    from texup.training.config import load_recipe
    from texup.training.loop import train as run_training

    settings = load_recipe(recipe)
    state = open_weights(resolve(init).path).state if init else None
    where = str(pick_device(device))
    for progress in run_training(
        settings, data, out, seconds=seconds, val=val, init=state, resume=resume, device=where
    ):
        losses = ", ".join(f"{name} {value:.5f}" for name, value in progress.losses.items())
        psnr = f", PSNR-Y {progress.psnr:.2f} dB" if progress.psnr is not None else ""
        report(f"{progress.share:4.0%} iteration {progress.iteration}: {losses}{psnr}")
    report(f"wrote {out / settings.name}.safetensors")
