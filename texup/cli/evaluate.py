"""``texup evaluate``: how good are models, in numbers and side by side?"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from texup.cli.console import is_terminal, print_json, printable, report
from texup.cli.usage.options import DEVICE_OPTION
from texup.cli.usage.sections import Sectioned
from texup.cli.usage.values import ModelType, Word
from texup.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from texup.evaluation import Case, Mean, Row, Scores, Skipped

PROTOCOLS = ("bicubic", "game", "files")  # evaluation.PROTOCOLS, without the import of torch for --help
LINE_EVERY = 15.0  # seconds between two lines when standard error is no terminal
WIDTH = 1000  # columns: numbers are not to be cut at the width of a terminal, and a pipe has none
SHEET_ROWS = 24
SHEET_SIDE = 256  # pixels of each picture's middle that a sheet shows, one to one

# Name of a score -> title of its column, and digits.
COLUMNS = {
    "psnr_y": ("PSNR-Y", 2),
    "ssim_y": ("SSIM-Y", 4),
    "lr_psnr": ("LR-PSNR", 2),
    "gmsd": ("GMSD", 4),
    "hf_ratio": ("HF", 3),
    "lsd": ("LSD", 2),
    "grid": ("grid", 3),
    "grid_signed": ("grid±", 3),
    "hatching": ("hatch", 3),
    "seam": ("seam", 2),
}


@click.command(cls=Sectioned)
@click.argument("models", metavar="[MODEL]...", nargs=-1, type=ModelType())
@click.option(
    "--on",
    "folders",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    metavar="DIR",
    help="Folder of high-resolution pictures, or of HR and LR_x4; may be repeated.",
)
@click.option(
    "--protocol",
    type=Word(PROTOCOLS),
    default="bicubic",
    show_default=True,
    help="How low-resolution pictures come about: bicubic, as games stored them, or from files.",
)
@click.option("--crop", type=int, metavar="N", help="Only N pixels a side, in the middle of each picture.")
@click.option("--per-image", is_flag=True, help="Print the numbers of every picture too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with the numbers of every picture.")
@click.option(
    "--sheet",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help=f"Write a picture of up to {SHEET_ROWS} of them side by side.",
)
@click.option("--force", is_flag=True, help="Replace the sheet if it is there.")
@DEVICE_OPTION
@click.pass_context
def evaluate(
    ctx: click.Context,
    models: tuple[str, ...],
    folders: tuple[Path, ...],
    protocol: Any,
    crop: int | None,
    per_image: bool,
    as_json: bool,
    sheet: Path | None,
    force: bool,
    device: str,
) -> None:
    """Measure each MODEL, a name or a file of weights, on pictures that are reduced and enlarged again.

    Bicubic and Lanczos enlargement stand beside, and the high-resolution pictures (HR) where a number needs no
    reference. The protocol game reduces by the mean of blocks and stores as BC1, with palettes of 16 and 256 colours,
    in 15 and 16 bits, as JPEG, and in 64 colours; files takes the low-resolution pictures that are there, as in Set5.

    PSNR-Y, LR-PSNR (reduced again, against the source) and LSD (spectrum) are in dB. HF is the share of fine detail,
    1 as in HR. GMSD, LSD, both grid scores and hatch are best at 0; hatch is the mean strength in levels of strokes
    that neither the source nor HR has. seam is best as in HR. gain is PSNR-Y over bicubic, worst the least gain of one
    picture. Exits with 3 when a picture could not be read.

    \b
    Examples:
      texup evaluate texup-x4-psnr texup-x4-gan --on ./Set5 --protocol files
      texup evaluate mine.safetensors --on ./textures --protocol game --crop 384 --sheet mine.png
    """
    from texup import evaluation  # here, so that the help of texup stays light
    from texup.engines.devices.device import pick_device

    if sheet is not None:
        _check_sheet(sheet, force)
    chosen = pick_device(device)
    cases = evaluation.evaluate(models, folders, protocol, device=chosen, crop=crop)
    rows: list[Row] = []
    skipped: list[Skipped] = []
    shown: list[Case] = []
    for case in _followed(cases):
        if isinstance(case, evaluation.Skipped):
            skipped.append(case)
            report(f"skipped: {case.image}: {case.reason}")
            continue
        rows += case.rows
        if sheet is not None and _is_shown(case, protocol):
            shown.append(case)
    if not rows:
        raise UsageError("none of the pictures could be evaluated")
    means = evaluation.summarise(rows)
    if sheet is not None:
        _write_sheet(sheet, shown)
    if as_json:
        facts = {"protocol": protocol, "device": str(chosen), "crop": crop}
        print_json("evaluate", facts | _as_json(rows, means, skipped))
    else:
        if per_image:
            _print_rows(rows)
        _print_means(means, Counter(row.degradation for row in rows if row.method == evaluation.REFERENCE))
    ctx.exit(ExitCode.SOME_FAILED if any(each.is_damaged for each in skipped) else ExitCode.OK)


def _followed(cases: Iterable[Case | Skipped]) -> Iterator[Case | Skipped]:
    """Pass every case on and show on standard error how far the evaluation is."""
    if is_terminal():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("pictures", total=None)
            for case in cases:
                progress.update(bar, total=case.total, completed=case.number)
                yield case
        return
    told = time.perf_counter()
    for case in cases:
        if time.perf_counter() - told > LINE_EVERY:
            told = time.perf_counter()
            report(f"{case.number} of {case.total} pictures")
        yield case


def _check_sheet(sheet: Path, force: bool) -> None:
    if sheet.suffix.lower() != ".png":
        raise UsageError(f"{sheet}: name the sheet .png")
    if sheet.exists() and not force:
        raise UsageError(f"{sheet}: already there; choose another name, or --force to replace it")


def _is_shown(case: Case, protocol: str) -> bool:
    """Tell whether a case belongs on the sheet: some pictures, evenly spread, each under all of its degradations."""
    from texup.degradations import GAME

    pictures = SHEET_ROWS // (len(GAME) if protocol == "game" else 1)
    return (case.number - 1) % -(-case.total // pictures) == 0


def _write_sheet(path: Path, cases: list[Case]) -> None:
    """Write the middles of pictures side by side: low resolution enlarged by repetition, each method, HR."""
    from texup.files import atomic_write
    from texup.pictures.sheets import contact_sheet, encode_png

    columns = [name for name in cases[0].pictures if name != "lanczos"]
    captions = []
    for case in cases:
        scores = {row.method: f"{row.scores.psnr_y:.2f} dB" for row in case.rows}
        about = printable(f"{case.image} ({case.degradation})")
        captions.append([about if name == "LR" else scores[name].replace("nan dB", "") for name in columns])
    titles = [printable(name) for name in columns]
    rows = [_middles(case, columns) for case in cases]
    atomic_write(path, encode_png(contact_sheet(rows, columns=titles, captions=captions, cell=SHEET_SIDE)))


def _middles(case: Case, columns: Sequence[str]) -> list[Any]:
    """Return the same square in the middle of each picture of a case."""
    h, w = case.pictures["LR"].shape[:2]
    scale = case.pictures["HR"].shape[0] // h
    side = SHEET_SIDE // scale
    y, x = max(0, (h - side) // 2), max(0, (w - side) // 2)
    steps = [1 if name == "LR" else scale for name in columns]
    return [
        case.pictures[name][y * s : (y + side) * s, x * s : (x + side) * s]
        for name, s in zip(columns, steps, strict=True)
    ]


def _as_json(rows: list[Row], means: list[Mean], skipped: list[Skipped]) -> dict[str, Any]:
    def plain(value: Row | Mean | Skipped) -> dict[str, Any]:
        facts = asdict(value)
        facts |= facts.pop("scores", {})
        return {key: None if isinstance(v, float) and not isfinite(v) else v for key, v in facts.items()}

    return {
        "means": [plain(mean) for mean in means],
        "images": [plain(row) for row in rows],
        "skipped": [{"image": each.image, "reason": each.reason} for each in skipped],
    }


def _print_means(means: list[Mean], pictures: Counter[str]) -> None:
    """Print the table of means, and what it does not show; ``pictures`` is how many each degradation has."""
    from texup.evaluation import BASELINES

    lines = [
        ((mean.degradation, mean.method), mean.scores, (_signed(mean.gain), _signed(mean.worst))) for mean in means
    ]
    _print_table(("", ""), ("gain", "worst"), lines)
    for mean in means:
        left_out = pictures[mean.degradation] - mean.images
        if mean.method == BASELINES[0] and left_out:
            of = f"{left_out} of {pictures[mean.degradation]} pictures"
            report(f"{mean.degradation}: the mean PSNR-Y leaves out {of}, which a method meets exactly")
        if mean.method not in BASELINES and mean.worst < -0.005:
            about = f"{mean.degradation} {mean.method}: worst is {mean.worst_image}"
            report(f"{about}, {mean.worst:+.2f} dB against bicubic")


def _print_rows(rows: list[Row]) -> None:
    lines = [((row.image, row.degradation, row.method), row.scores, ()) for row in rows]
    _print_table(("picture", "", ""), (), lines)


def _signed(value: float) -> str:
    return f"{value:+.2f}" if isfinite(value) else ""


def _print_table(
    titles: tuple[str, ...],
    after_psnr: tuple[str, ...],
    lines: Sequence[tuple[tuple[str, ...], Scores, tuple[str, ...]]],
) -> None:
    """Print a table of scores; columns that no line has a number for are left out."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    used = [name for name in COLUMNS if any(isfinite(getattr(scores, name)) for _, scores, _ in lines)]
    table = Table(box=box.SIMPLE_HEAD)
    for title in titles:
        table.add_column(title, no_wrap=True)
    for name in used:
        for title in (COLUMNS[name][0], *(after_psnr if name == "psnr_y" else ())):
            table.add_column(title, justify="right", no_wrap=True)
    for words, scores, extra in lines:
        cells = [Text(printable(word)) for word in words]
        for name in used:
            value = getattr(scores, name)
            cells.append(Text("" if value != value else f"{value:.{COLUMNS[name][1]}f}"))
            cells += [Text(text) for text in extra if name == "psnr_y"]
        table.add_row(*cells)
    Console(width=WIDTH).print(table)
