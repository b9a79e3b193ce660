"""``texup models add``: files of weights are tried, copied into the user's folder and remembered."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from texup.cli.console import printable, report_error
from texup.errors import UsageError, WeightsError

if TYPE_CHECKING:
    from texup.models.own import OwnModel


@click.command()
@click.argument("source", metavar="FILE|FOLDER", type=click.Path(path_type=Path))
@click.option("--licence", default="", help="What you may do with it, where the file does not tell.")
@click.option("--source", "origin", default="", help="Where you have it from, as a note.")
@click.option("--force", is_flag=True, help="Replace another file of that name.")
def add(source: Path, licence: str, origin: str, force: bool) -> None:
    """Try a file of weights, or each in a folder, copy it into your folder of models and remember its hash.

    A file is read without running anything in it, its net is built and enlarges a small picture. A file in the folder
    that is another one later is refused. `texup doctor` says where your folder is.

    \b
    Examples:
      texup models add 4x_foo.pth --licence CC-BY-4.0
      texup models add ~/Downloads/models
    """
    from texup.models.own import load_index, save_index
    from texup.places import models_folder

    index, refused = load_index(), 0
    for path, name in _files_of(source):
        try:
            found = _added(path, name, licence, origin, force=force)
        except (WeightsError, UsageError) as refusal:
            if not source.is_dir():
                raise
            report_error(str(refusal))
            refused += 1
            continue
        index[name] = found
        save_index(index)
        click.echo(printable(f"{models_folder() / name}  x{found.scale}  {found.architecture}"))
    if refused:
        raise WeightsError(f"{source}: {refused} of its files {'were' if refused > 1 else 'was'} not added")


def _files_of(source: Path) -> list[tuple[Path, str]]:
    """Return the files to add, and the name that each gets in the user's folder.

    Raises:
        UsageError: there are none.
    """
    from texup.models.own import path_in_folder
    from texup.models.reading import SUFFIXES

    if not source.is_dir():
        if source.suffix.lower() not in SUFFIXES:
            raise UsageError(f"{source}: files of weights end in {' '.join(SUFFIXES)}")
        return [(source, path_in_folder(source) or source.name)]
    paths = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise UsageError(f"{source}: no files of weights in it ({' '.join(SUFFIXES)})")
    return [(path, path_in_folder(path) or path.relative_to(source).as_posix()) for path in paths]


def _added(path: Path, name: str, licence: str, origin: str, *, force: bool) -> OwnModel:
    """Try a file, copy it, and return what is to be remembered.

    Raises:
        UsageError: another file of that name is there.
        WeightsError: the file is refused.
        OutputError: it cannot be copied.
    """
    from texup.files import atomic_write, sha256_of
    from texup.models.catalog import licence_in
    from texup.models.chain import try_file
    from texup.models.own import OwnModel
    from texup.models.reading import read_bytes
    from texup.models.weights import read_weights
    from texup.places import models_folder

    model = try_file(path)
    told = licence_in(read_weights(path, expected_sha256=model.sha256).metadata)
    target = models_folder() / name
    is_there = target.exists() and sha256_of(target) == model.sha256
    if not is_there:
        if target.exists() and not force:
            raise UsageError(f"{target}: another file of that name is there; --force replaces it")
        data = read_bytes(path)
        if hashlib.sha256(data).hexdigest() != model.sha256:
            raise WeightsError(f"{path}: changed while it was read; try again when it is whole")
        atomic_write(target, data)
    return OwnModel(model.sha256, model.architecture, model.scale, licence or told or "", origin)
