"""Which weights a rule may name: any file where the user gave the rules, files of the pack where they lay in it."""

from __future__ import annotations

import os
from pathlib import Path

from texup.models.catalog import load_catalog
from texup.models.own import find_own
from texup.models.reading import SUFFIXES
from texup.packs.walk import is_safe
from texup.policy.rule_values import shown

_ALLOWED = "rules found in a pack may name models of the catalog and files of the pack; with --rules they may name any"


def any_model(name: str, folder: Path) -> str:
    """Return a file of weights joined to the folder of the rules, and the name of a model as it is.

    A file that is not there may be one of the user's own models, and stays a name.
    """
    return str(folder / name) if _is_file(name) and (os.path.exists(folder / name) or not find_own(name)) else name


def pack_model(name: str, folder: Path) -> str:
    """Return the same as :func:`any_model` for rules of a stranger, whose folder is the pack.

    Raises:
        ValueError: neither of the catalog nor inside the pack, also by way of a link; the text is one clause.
    """
    if not _is_file(name):
        if name in load_catalog().models:  # else it could be a file where the user happens to be
            return name
        raise ValueError(f"the catalog has no model {shown(name)}; {_ALLOWED}")
    inside = name.removeprefix("./")
    real = Path(os.path.realpath(folder / inside))
    if not is_safe(inside) or not real.is_relative_to(os.path.realpath(folder)):
        raise ValueError(f"model {shown(name)} is not inside the pack; {_ALLOWED}")
    return os.path.abspath(folder / inside)  # not a name that could be one of the user's own models


def _is_file(name: str) -> bool:
    return Path(name).name != name or name.endswith(SUFFIXES)
