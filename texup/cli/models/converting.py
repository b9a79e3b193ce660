"""``texup models convert``: other programs' keys and containers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from texup.cli.console import printable
from texup.cli.usage.values import ModelType, Word
from texup.errors import UsageError, WeightsError

if TYPE_CHECKING:
    from texup.models.weights import StateDict

DIALECTS = ("basicsr", "esrgan-2018", "esrgan-2019")  # keys.RRDBNET_DIALECTS, without the import of torch for --help


@click.command()
@click.argument("source", metavar="IN|NAME", type=ModelType())
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--dialect", type=Word(DIALECTS), default="basicsr", show_default=True, help="Names of the layers.")
@click.option("--half", is_flag=True, help="Store 16-bit floats: half the size.")
@click.option("--force", is_flag=True, help="Replace OUT if it is there.")
def convert(source: str, target: Path, dialect: str, half: bool, force: bool) -> None:
    """Write the weights of a file or of the catalog to OUT (.safetensors or .pth), as another program reads them.

    \b
    Example:
      texup models convert 4x_foo.pth 4x_foo.safetensors
    """
    from texup.models.catalog import resolve
    from texup.models.keys import from_canonical
    from texup.models.loading import open_weights
    from texup.models.weights import save_pickle, save_weights

    if target.suffix not in (".safetensors", ".pth"):
        raise UsageError(f"{target}: name the output .safetensors or .pth")
    if target.exists() and not force:
        raise UsageError(f"{target}: already there; choose another name, or --force to replace it")
    chosen = resolve(source)
    known = open_weights(chosen.path, expected_sha256=chosen.sha256)
    state = from_canonical(known.state, dialect)
    if half:
        state = _halved(state)
    if known.borrowed is not None:
        state = known.tensors | state  # its tables of places stay as they are
    if target.suffix == ".safetensors":
        save_weights(target, state, known.file.metadata | {"converted_from": known.file.sha256})
    else:  # BasicSR and Real-ESRGAN look for the weights under "params", the older programs for the bare weights
        save_pickle(target, {"params": state} if dialect == "basicsr" else state)
    click.echo(printable(str(target)))


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
