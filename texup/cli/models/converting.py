"""``texup models convert``: other programs' keys and containers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from texup.cli.console import printable, report
from texup.cli.usage.values import ModelType, Word
from texup.errors import UsageError, WeightsError

if TYPE_CHECKING:
    from texup.models.catalog import CatalogModel
    from texup.models.weights import StateDict

DIALECTS = ("basicsr", "esrgan-2018", "esrgan-2019")  # keys.RRDBNET_DIALECTS, without the import of torch for --help


@click.command()
@click.argument("source", metavar="IN|NAME", type=ModelType())
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--dialect",
    type=Word(DIALECTS),
    default="basicsr",
    show_default=True,
    help="Names of the layers; ONNX has none.",
)
@click.option("--half", is_flag=True, help="Store 16-bit floats: half the size.")
@click.option("--keep-growth", is_flag=True, help="Keep an RRDBNet's growth below 32, which few other programs read.")
@click.option("--force", is_flag=True, help="Replace OUT if it is there.")
def convert(source: str, target: Path, dialect: str, half: bool, keep_growth: bool, force: bool) -> None:
    """Write the weights of a file or of the catalog to OUT, as another program reads them.

    OUT ends in .safetensors or .pth, or in .onnx for the whole net (opset 17, any batch, height and width), which
    onnxruntime then must run to the same result, if it is installed.

    \b
    Examples:
      texup models convert 4x_foo.pth 4x_foo.safetensors
      texup models convert texup-x4-psnr texup-x4-psnr.onnx
    """
    from texup.models.catalog import resolve

    if target.suffix not in (".safetensors", ".pth", ".onnx"):
        raise UsageError(f"{target}: name the output .safetensors, .pth or .onnx")
    if target.exists() and not force:
        raise UsageError(f"{target}: already there; choose another name, or --force to replace it")
    if target.suffix == ".onnx":
        if dialect != DIALECTS[0]:
            raise UsageError(f"{target}: ONNX has no names of layers; leave out --dialect")
        _write_onnx(resolve(source), target, half=half)
    else:
        _write_weights(resolve(source), target, dialect, half=half, keep_growth=keep_growth)
    click.echo(printable(str(target)))


def _write_onnx(chosen: CatalogModel, target: Path, *, half: bool) -> None:
    """Write a net as ONNX, and tell how far onnxruntime is from it.

    Raises:
        UsageError: onnx is not installed, or the net does not take 16 bits.
        WeightsError: the file is refused, or no net of texup's own.
    """
    from texup.files import atomic_write
    from texup.models.catalog import licence_in
    from texup.models.exports.onnx import as_onnx, check_installed, compare, metadata_of
    from texup.models.loading import load_model, open_weights

    check_installed()
    known = open_weights(chosen.path, expected_sha256=chosen.sha256)
    model = load_model(chosen.path, name=chosen.name, expected_sha256=known.file.sha256)
    try:
        data = as_onnx(model, metadata_of(model, chosen.licence or licence_in(known.file.metadata)), half=half)
        difference = compare(data, model, half=half)
    except WeightsError as refusal:
        raise WeightsError(f"{chosen.path}: {refusal}") from refusal
    atomic_write(target, data)
    if difference is None:
        report("not compared with onnxruntime, which is not installed (pip install onnxruntime)")
    else:
        report(f"onnxruntime gives the same result: the largest difference is {difference:.1e} of 1")


def _write_weights(chosen: CatalogModel, target: Path, dialect: str, *, half: bool, keep_growth: bool) -> None:
    """Write tensors under the names of a dialect, of the growth that its programs expect.

    Raises:
        UsageError: the net has no such dialect.
        WeightsError: the file is refused, or a weight is beyond 16 bits.
    """
    from texup.models.exports.growth import EXPECTED, growth_of, pad_growth
    from texup.models.keys import from_canonical
    from texup.models.loading import open_weights
    from texup.models.weights import save_pickle, save_weights

    known = open_weights(chosen.path, expected_sha256=chosen.sha256)
    state, growth = known.state, growth_of(known.architecture)
    if growth < EXPECTED and not keep_growth:
        state = pad_growth(state, growth)
        report(f"a growth of {growth} became {EXPECTED}, by zeros, as other programs expect; --keep-growth leaves it")
    state = from_canonical(state, dialect)
    if half:
        state = _halved(state)
    if known.borrowed is not None:
        state = known.tensors | state  # its tables of places stay as they are
    if target.suffix == ".safetensors":
        save_weights(target, state, known.file.metadata | {"converted_from": known.file.sha256})
    else:  # BasicSR and Real-ESRGAN look for the weights under "params", the older programs for the bare weights
        save_pickle(target, {"params": state} if dialect == "basicsr" else state)


def _halved(state: StateDict) -> StateDict:
    """Return the state in float16.

    Raises:
        WeightsError: a weight is beyond what float16 can hold (65504).
    """
    halved = {key: value.half() for key, value in state.items()}
    too_big = next((key for key, value in halved.items() if not value.isfinite().all()), None)
    if too_big is not None:
        raise WeightsError(f"{too_big} has values beyond 16-bit floats; convert without --half")
    return halved
