"""The user's own models: files of weights in one folder, which are named without it. No torch here: lists stay instant.

Beside the files lies ``models.json``, in which ``texup models add`` remembers what it found: an object of one object
for each file by its path in the folder, with the keys of ``FIELDS``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from texup import bounds
from texup.errors import UsageError, WeightsError
from texup.models.reading import SUFFIXES, hash_weights
from texup.places import models_folder
from texup.texts import parse_json

INDEX = "models.json"


@dataclass(frozen=True, slots=True)
class OwnModel:
    """What is remembered of a file in the user's folder."""

    sha256: str
    architecture: str
    scale: int
    licence: str = ""
    """What the file or the user tells of it; "" where neither does."""
    source: str = ""
    """Where the user has it from; "" where that is not told."""


FIELDS: dict[str, Callable[[Any], bool]] = {
    "sha256": lambda value: isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None,
    "architecture": lambda value: isinstance(value, str),
    "scale": lambda value: type(value) is int and 1 <= value <= bounds.BORROWED_SCALE,
    "licence": lambda value: isinstance(value, str),
    "source": lambda value: isinstance(value, str),
}


def own_models() -> list[str]:
    """Return the paths of the user's files of weights, relative to their folder; none where it is not there.

    Raises:
        UsageError: the user's file, which may name the folder, makes no sense.
    """
    folder = models_folder()
    paths = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def find_own(name: str) -> Path | None:
    """Return the user's file of a name, with or without its suffix; None where there is none.

    Raises:
        UsageError: several files have the name.
    """
    parts = name.replace(os.sep, "/").split("/")
    if not {"", ".", ".."}.isdisjoint(parts) or os.path.splitdrive(name)[0]:
        return None  # an absolute path, one from here, or one that would lead out of the folder
    folder = models_folder()
    names = (name, *(name + suffix for suffix in SUFFIXES))
    found = [one for one in names if one.lower().endswith(SUFFIXES) and os.path.isfile(folder / one)]
    if len(found) > 1:
        raise UsageError(f"model {name}: {folder} has {' and '.join(found)}; name one with its suffix")
    return folder / found[0] if found else None


def path_in_folder(path: Path) -> str | None:
    """Return the path of a file relative to the user's folder, as the index has it; None if it lies elsewhere."""
    try:
        return Path(os.path.abspath(path)).relative_to(os.path.abspath(models_folder())).as_posix()
    except ValueError:
        return None


def state_of(name: str, known: OwnModel | None) -> Literal["ok", "not added", "CHANGED"]:
    """Return whether a file of the user's folder is still what is remembered of it."""
    if known is None:
        return "not added"
    try:
        return "ok" if hash_weights(models_folder() / name) == known.sha256 else "CHANGED"
    except WeightsError:  # empty, or something else by now
        return "CHANGED"


def load_index() -> dict[str, OwnModel]:
    """Return what is remembered of each file, by its path in the folder.

    Raises:
        WeightsError: the index cannot be read, or is damaged.
    """
    path = models_folder() / INDEX
    try:
        with path.open("rb") as file:
            data = file.read(bounds.MODELS_BYTES + 1)
        if len(data) > bounds.MODELS_BYTES:
            raise ValueError(f"larger than {bounds.spelt(bounds.MODELS_BYTES, 'bytes')}")
        return _index(parse_json(data))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise WeightsError(f"{path}: no list of models ({reason}); remove it and add your models again") from error


def save_index(index: Mapping[str, OwnModel]) -> None:
    """Write what is remembered, without files that are gone.

    Raises:
        OutputError: it cannot be written.
    """
    from texup.files import atomic_write  # here, so that names need no hashing

    folder = models_folder()
    kept = {name: asdict(index[name]) for name in sorted(index) if (folder / name).is_file()}
    atomic_write(folder / INDEX, json.dumps(kept, indent=1, ensure_ascii=False).encode() + b"\n")


def _index(content: Any) -> dict[str, OwnModel]:
    if not isinstance(content, dict):
        raise ValueError("no object")
    return {name: _own(name, entry) for name, entry in content.items()}


def _own(name: str, entry: Any) -> OwnModel:
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise ValueError(f"{name!r} is no path in the folder")
    if not isinstance(entry, dict) or entry.keys() != FIELDS.keys():
        raise ValueError(f"{name!r} has other keys than {', '.join(FIELDS)}")
    for key, is_allowed in FIELDS.items():
        if not is_allowed(entry[key]):
            raise ValueError(f"{name!r}: {key} = {entry[key]!r} is not allowed")
    return OwnModel(**entry)
