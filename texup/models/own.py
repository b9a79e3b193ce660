"""The user's own models: files of weights in one folder, which are named without it. No torch here."""

from __future__ import annotations

import os
from pathlib import Path

from texup.errors import UsageError
from texup.models.catalog import SUFFIXES
from texup.places import models_folder


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
