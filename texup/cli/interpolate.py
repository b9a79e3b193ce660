"""``texup interpolate``: one net between a PSNR and a GAN net, or a picture of all that lie between them."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from texup.cli.console import print_json, printable, report
from texup.cli.usage.options import DEVICE_OPTION
from texup.cli.usage.sections import BLENDING, Sectioned
from texup.cli.usage.values import ModelType
from texup.errors import UsageError

if TYPE_CHECKING:
    from texup.models.catalog import CatalogModel
    from texup.preview import Cell

MAX_BLENDS = 50


@click.command(cls=Sectioned, sections=BLENDING)
@click.argument("psnr", required=False, type=ModelType())
@click.argument("gan", required=False, type=ModelType())
@click.option("--alpha", type=float, help="Share of the GAN net, from 0 (PSNR) to 1 (GAN): write that net.")
@click.option(
    "--sweep", metavar="FROM:TO:STEP|A,B,…", help="Draw pictures through each of these shares; writes no net."
)
@click.option(
    "--on",
    "images",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="IMAGE",
    help="Picture for --sweep; may be repeated.",
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    help="Original of the picture, or a folder of originals of the same names: numbers are against it.",
)
@click.option("--reduce", is_flag=True, help="The pictures are originals: reduce them (bicubic) first, then compare.")
@click.option(
    "--cell", type=click.IntRange(32, 2048), help="Side of a cell.  [default: the largest result, 192 to 512]"
)
@DEVICE_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print the numbers of --sweep as one JSON object.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="File to write.  [default: interp-ALPHA.safetensors, or strip.png]",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def interpolate(
    psnr: str | None, gan: str | None, alpha: float | None, sweep: str | None, output: Path | None, **options: Any
) -> None:
    """Blend two models, names or files: (1 - ALPHA) of PSNR and ALPHA of GAN; without them texup's own pair.

    Lower values of ALPHA are faithful, higher ones are sharp. Prints the path of the file that it writes.

    With --sweep it draws a strip instead: a row for each picture, a column for each share. Below each result stand
    LR-PSNR, how well the result, reduced again, agrees with the picture it was made from; and HF, the energy of detail
    finer than the picture itself can hold, relative to share 0. With --reference or --reduce they are PSNR-Y against
    the original, and HF relative to the original.

    \b
    Examples:
      texup interpolate --alpha 0.6
      texup upscale ./n64_textures --model ./interp-0.6.safetensors
      texup interpolate --sweep 0:1:0.2 --on grass.png --on wall.png -o strip.png
    """
    from texup.models.catalog import load_catalog, resolve

    if (psnr is None) != (gan is None):
        hint = "; each picture takes an --on of its own" if options["images"] else ""
        raise UsageError(f"name both models, the PSNR one first, or none for texup's own pair{hint}")
    if (alpha is None) == (sweep is None):
        raise UsageError("give either --alpha, to write one net, or --sweep with --on, to draw pictures of many")
    _check_options(sweep, options)
    names = load_catalog().pair if psnr is None or gan is None else (psnr, gan)
    pair = (resolve(names[0]), resolve(names[1]))
    if alpha is not None:
        _write_net(pair, alpha, output, force=options["force"])
    if sweep is not None:
        _write_strip(pair, shares_of(sweep), output or Path("strip.png"), options)


def _check_options(sweep: str | None, options: dict[str, Any]) -> None:
    for_strips = {"images": "on", "as_json": "json"} | {k: k for k in ("reference", "reduce", "cell")}
    alone = next((flag for key, flag in for_strips.items() if options[key]), None)
    if sweep is None and alone is not None:
        raise UsageError(f"--{alone} belongs to --sweep")
    if sweep is not None and not options["images"]:
        raise UsageError("--sweep needs pictures: --on IMAGE, once for each")
    if options["reduce"] and options["reference"]:
        raise UsageError("--reduce takes the pictures themselves as originals; leave out --reference")


def shares_of(text: str) -> list[float]:
    """Return the numbers that ``--sweep`` stands for: "0:1:0.2" counts up, both ends included; "0,0.6,1" lists them.

    Raises:
        UsageError: no numbers from 0 to 1, a step that leads nowhere, or too many.
    """
    parts = text.replace(",", ":").split(":")
    try:
        numbers = [float(part) + 0.0 for part in parts]  # -0.0 becomes 0.0
    except ValueError:
        numbers = []
    is_range = ":" in text
    if not numbers or (is_range and (len(numbers) != 3 or "," in text)):
        raise UsageError(f"--sweep {text}: write FROM:TO:STEP as in 0:1:0.2, or a list as in 0,0.6,1")
    if not all(0 <= share <= 1 for share in numbers[: 2 if is_range else None]):
        raise UsageError(f"--sweep {text}: use numbers from 0 (PSNR) to 1 (GAN)")
    if not is_range:
        shares = list(dict.fromkeys(numbers))
        _check_count(text, len(shares))
        return shares
    start, stop, step = numbers
    if start > stop or not (step > 0 and isfinite(step)):
        raise UsageError(f"--sweep {text}: count up from the lower number to the higher, by a step above 0")
    _check_count(text, (stop - start) / step + 1)
    count = int((stop - start) / step + 1e-9) + 1
    return [min(stop, round(start + k * step, 10)) for k in range(count)]


def _check_count(text: str, count: float) -> None:
    if count > MAX_BLENDS + 0.5:
        raise UsageError(f"--sweep {text}: more than {MAX_BLENDS} blends; use a larger step")


def _check_target(target: Path, suffix: str, *, force: bool) -> None:
    if target.suffix != suffix:
        raise UsageError(f"{target}: name the output {suffix}")
    if target.exists() and not force:
        raise UsageError(f"{target}: already there; choose another name with -o, or --force to replace it")


def _write_net(pair: tuple[CatalogModel, CatalogModel], alpha: float, output: Path | None, *, force: bool) -> None:
    from texup.models.interpolate import exact, interpolate_files
    from texup.models.loading import load_model
    from texup.models.weights import save_weights

    own = all(parent.sha256 for parent in pair)
    stem = "interp" if own else "-".join([*(parent.name for parent in pair), "interp"])
    target = output or Path(f"{stem}-{exact(alpha)}.safetensors")
    _check_target(target, ".safetensors", force=force)
    state, metadata = interpolate_files(*pair, alpha)
    save_weights(target, state, metadata)
    model = load_model(target)
    report(f"alpha {exact(alpha)}: {model.architecture} x{model.scale}, loads")
    click.echo(printable(str(target)))


def _write_strip(
    pair: tuple[CatalogModel, CatalogModel], shares: Sequence[float], target: Path, options: dict[str, Any]
) -> None:
    from texup.files import atomic_write
    from texup.pictures.sheets import encode_png
    from texup.preview import cell_side, check_strip, open_pair, read_samples, strip, sweep

    _check_target(target, ".png", force=options["force"])
    nets = open_pair(*pair)
    scale = nets.scale
    samples = read_samples(options["images"], scale, options["reference"], reduce=options["reduce"])
    side = options["cell"] or cell_side(samples, scale)
    check_strip(shares, samples, side, scale)
    cells: list[Cell] = []
    for cell in sweep(nets, shares, samples, options["device"]):
        cells.append(cell)
        if len(cells) % len(samples) == 0:
            report(f"alpha {cell.alpha:g}: {_means(cells[-len(samples) :])}")
    atomic_write(target, encode_png(strip(cells, side)))
    if options["as_json"]:
        print_json("interpolate --sweep", _as_json(pair, scale, target, cells))
    else:
        click.echo(printable(str(target)))


def _means(cells: Sequence[Cell]) -> str:
    """Return the means over the pictures of one share that have the number."""
    from texup.preview import TITLES

    texts = []
    for name, (title, unit) in TITLES.items():
        known = [cell.numbers[name] for cell in cells if isfinite(cell.numbers.get(name, float("inf")))]
        if known:
            texts.append(f"{title} {sum(known) / len(known):.2f}{unit}")
    return f"{', '.join(texts) or 'nothing to measure'} ({len(cells)} picture{'s' * (len(cells) > 1)})"


def _as_json(
    pair: tuple[CatalogModel, CatalogModel], scale: int, target: Path, cells: Sequence[Cell]
) -> dict[str, Any]:
    """Return all numbers as plain values; those that are not finite, as of equal pictures, are null."""
    images: dict[str, list[dict[str, float | None]]] = {}
    for cell in cells:
        numbers = {name: value if isfinite(value) else None for name, value in cell.numbers.items()}
        images.setdefault(str(cell.sample.path), []).append({"alpha": cell.alpha, **numbers})
    return {
        "output": str(target),
        "psnr": pair[0].name,
        "gan": pair[1].name,
        "scale": scale,
        "images": [{"image": image, "blends": blends} for image, blends in images.items()],
    }
