"""``texup models``: which models there are, what a file of weights holds, and how quick it is."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from texup.calls.options import Precision
from texup.cli.console import print_json, printable
from texup.cli.usage.options import DEVICE_OPTION
from texup.cli.usage.sections import Sectioned
from texup.cli.usage.settings import setting
from texup.cli.usage.values import ModelType, Word
from texup.errors import UsageError, WeightsError

if TYPE_CHECKING:
    from texup.models.catalog import Catalog, CatalogModel

COLUMNS = ("name", "scale", "architecture", "size", "sha256", "licence")
UNTOLD = "licence not told: ask where you got it"


@click.group()
def models() -> None:
    """List, inspect and convert models.

    \b
    Example:
      texup models list
    """


@models.command("list")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_models(folder: Path | None, as_json: bool) -> None:
    """List the models that come with texup and your own, and verify their files; or look into another FOLDER.

    Your own are the files of weights in one folder, which --model finds by name: `texup doctor` says where it lies,
    `texup models add` copies into it. With FOLDER, each file of weights in it is opened.

    \b
    Examples:
      texup models list
      texup models list ./my_models
    """
    if folder is not None:
        _list_folder(folder, as_json)
        return
    from texup.models.catalog import load_catalog
    from texup.places import models_folder

    catalog = load_catalog()
    rows = [_facts(model, catalog.default) for model in catalog.models.values()]
    place, own = models_folder(), _own_rows()
    if as_json:
        told = {"default": catalog.default, "pair": catalog.pair, "blend": catalog.blend, "models": rows}
        print_json("models list", told | {"own": {"folder": str(place), "files": own}})
    else:
        _print_table(rows, COLUMNS)
        for line in _choices(catalog):
            click.echo(printable(line))
        click.echo(printable(f"your own, in {place}:{'' if own else ' none'}"))
        if own:
            _print_table([row | {"name": row["file"]} for row in own], COLUMNS)
    broken = [row["name"] for row in rows if row["sha256"] != "ok"]
    if broken:
        raise WeightsError(f"{', '.join(broken)}: not the file that the catalog names; install texup again")
    changed = [row["file"] for row in own if row["sha256"] == "CHANGED"]
    if changed:
        raise WeightsError(f"{', '.join(changed)}: changed after it was added; add it again, if that was you")


@models.command()
@click.argument("model", metavar="FILE|NAME", type=ModelType())
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(model: str, as_json: bool) -> None:
    """Show what a file of weights holds.

    \b
    Example:
      texup models show 4x_foo.pth
    """
    from texup.models.catalog import resolve
    from texup.models.loading import open_weights

    chosen = resolve(model)
    known = open_weights(chosen.path, expected_sha256=chosen.sha256)
    net = known.architecture
    facts = {
        "name": chosen.name,
        "file": str(chosen.path),
        "architecture": net.name,
        "scale": net.scale,
        "parameters": sum(value.numel() for value in known.state.values()),
        "hyper": net.hyper,
        "dialect": known.dialect,
        "format": known.file.dialect_of_file,
        "sha256": known.file.sha256,
        "metadata": known.file.metadata,
    }
    if as_json:
        print_json("models show", facts)
    else:
        _print_facts(facts)


@models.command(cls=Sectioned)
@click.argument("names", metavar="[FILE|NAME]...", nargs=-1, type=ModelType())
@DEVICE_OPTION
@setting("--precision", default="auto", show_default=True, type=Word(get_args(Precision)))
@click.option("--seconds", default=3.0, show_default=True, type=click.FloatRange(0.1, 600), help="For each model.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def bench(names: tuple[str, ...], device: str, precision: str, seconds: float, as_json: bool) -> None:
    """Measure texels a second and memory of each model on this device; without names, of the catalog.

    \b
    Example:
      texup models bench texup-x4-psnr 4x_foo.pth
    """
    from texup.engines.devices.benching import measure
    from texup.engines.devices.cards import nets_on, pick_devices
    from texup.models.catalog import load_catalog, resolve
    from texup.models.loading import load_model

    places = pick_devices(device)
    rows = []
    for name in names or tuple(load_catalog().models):
        chosen = resolve(name)
        model = load_model(chosen.path, name=chosen.name, expected_sha256=chosen.sha256)
        model = replace(model, fine_in_bfloat16=chosen.bfloat16)
        nets = nets_on([model], places, precision)
        speed = measure(nets, seconds)
        rows.append({"name": model.name, "architecture": model.architecture, "scale": model.scale, **asdict(speed)})
        if not as_json:
            memory = "" if speed.memory is None else f", {speed.memory / 1e6:,.0f} MB"
            told = f"no result: {speed.problem}" if speed.problem else f"{speed.texels_per_second:,.0f} texels a second"
            title = f"{printable(model.name)} ({printable(model.architecture)} x{model.scale})"
            click.echo(f"{title}: {told}{memory} on {nets.device} in {speed.precision}")
    if as_json:
        print_json("models bench", {"device": ",".join(map(str, places)), "models": rows})


def _list_folder(folder: Path, as_json: bool) -> None:
    """Print what each file of weights of a folder holds, or why it is refused; each as soon as it is known."""
    from texup.models.reading import SUFFIXES

    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise UsageError(f"{folder}: no files of weights in it ({' '.join(SUFFIXES)})")
    if as_json:
        print_json(
            "models list FOLDER", {"folder": str(folder), "files": [_file_facts(folder, path) for path in paths]}
        )
        return
    width = max(len(printable(path.relative_to(folder).as_posix())) for path in paths)
    for path in paths:
        facts = _file_facts(folder, path)
        name = printable(facts["file"]).ljust(width)
        if facts["refusal"] is not None:
            click.echo(f"{name}  refused: {printable(facts['refusal'])}")
        else:
            size = f"{facts['size'] / 2**20:.1f} MiB"
            click.echo(
                f"{name}  x{facts['scale']}  {printable(facts['architecture'])}  {size}  {printable(facts['licence'])}"
            )


def _file_facts(folder: Path, path: Path) -> dict[str, Any]:
    """Return what is known of a file of weights: of a refused one, why."""
    from texup.models.catalog import licence_in
    from texup.models.loading import open_weights

    facts: dict[str, Any] = {"file": path.relative_to(folder).as_posix(), "size": path.stat().st_size}
    try:
        known = open_weights(path)
    except WeightsError as refusal:
        reason = str(refusal).removeprefix(f"{path}: ")
        return facts | {"architecture": None, "scale": None, "licence": None, "refusal": reason}
    net = known.architecture
    return facts | {
        "architecture": net.name,
        "scale": net.scale,
        "licence": licence_in(known.file.metadata) or UNTOLD,
        "refusal": None,
    }


def _facts(model: CatalogModel, default: str) -> dict[str, Any]:
    """Return one row of the list; the hash is compared, not shown."""
    from texup.models.catalog import state_of_file

    state = state_of_file(model)
    return {
        "name": model.name,
        "default": model.name == default,
        "scale": model.scale,
        "architecture": model.architecture,
        "size": None if state == "missing" else model.path.stat().st_size,
        "sha256": state,
        "licence": model.licence,
        "description": model.description,
    }


def _own_rows() -> list[dict[str, Any]]:
    """Return one row for each file in the user's folder; of one that was not added, nothing but its size is known."""
    from texup.models.own import load_index, own_models, state_of
    from texup.places import models_folder

    folder, index, rows = models_folder(), load_index(), []
    for name in own_models():
        known = index.get(name)
        rows.append(
            {
                "file": name,
                "scale": known and known.scale,
                "architecture": known and known.architecture,
                "size": (folder / name).stat().st_size,
                "sha256": state_of(name, known),
                "licence": known and (known.licence or UNTOLD),
                "source": known and known.source,
            }
        )
    return rows


def _choices(catalog: Catalog) -> list[str]:
    """Return in words what runs when nothing is named, and what can be mixed."""
    psnr, gan = catalog.pair
    advice = "no blend recommended" if catalog.blend is None else f"recommended blend {catalog.blend:g}"
    default = catalog.default if catalog.default in catalog.models else "the recommended blend of the pair"
    return [f"default: {default}", f"pair: {psnr} (0) and {gan} (1), {advice}"]


def _print_table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    """Print the rows as aligned columns under their names; sizes in MiB."""
    shown = [
        row
        | {"scale": f"x{row['scale'] or '?'}", "size": "-" if row["size"] is None else f"{row['size'] / 2**20:.1f} MiB"}
        for row in rows
    ]
    cells = [list(columns), *([printable(row[column] or "") for column in columns] for row in shown)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _print_facts(facts: dict[str, Any], indent: str = "") -> None:
    """Print one fact in a line, tables indented below their name."""
    for key, value in facts.items():
        if isinstance(value, dict):
            click.echo(f"{indent}{printable(key)}:")
            _print_facts(value, indent + "  ")
        else:
            click.echo(f"{indent}{printable(key)}: {printable(f'{value:,}' if key == 'parameters' else str(value))}")
