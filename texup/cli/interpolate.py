"""``texup interpolate``: one net between a PSNR and a GAN net."""

from __future__ import annotations

from pathlib import Path

import click

from texup.cli.console import printable, report
from texup.errors import UsageError


@click.command()
@click.argument("psnr", required=False)
@click.argument("gan", required=False)
@click.option("--alpha", type=float, required=True, help="Share of the GAN net, from 0 (PSNR) to 1 (GAN).")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File to write.  [default: interp-ALPHA.safetensors]"
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def interpolate(psnr: str | None, gan: str | None, alpha: float, output: Path | None, force: bool) -> None:
    """Blend two models, names or files: (1 - ALPHA) of PSNR and ALPHA of GAN; without them texup's own pair.

    Lower values of ALPHA are faithful, higher ones are sharp. Prints the path of the file that it writes.

    \b
    Example:
      texup interpolate --alpha 0.6
      texup upscale ./n64_textures --model ./interp-0.6.safetensors
    """
    from texup.models.catalog import load_catalog, resolve
    from texup.models.interpolate import exact, interpolate_files
    from texup.models.loading import load_model
    from texup.models.weights import save_weights

    if (psnr is None) != (gan is None):
        raise UsageError("name both models, the PSNR one first, or none for texup's own pair")
    pair = load_catalog().pair if psnr is None or gan is None else (psnr, gan)
    parents = [resolve(name) for name in pair]
    own = all(parent.sha256 for parent in parents)
    stem = "interp" if own else "-".join([*(parent.name for parent in parents), "interp"])
    target = output or Path(f"{stem}-{exact(alpha)}.safetensors")
    if target.suffix != ".safetensors":
        raise UsageError(f"{target}: name the output .safetensors")
    if target.exists() and not force:
        raise UsageError(f"{target}: already there; choose another name with -o, or --force to replace it")
    state, metadata = interpolate_files(parents[0], parents[1], alpha)
    save_weights(target, state, metadata)
    model = load_model(target)
    report(f"alpha {exact(alpha)}: {model.architecture} x{model.scale}, loads")
    click.echo(printable(str(target)))
