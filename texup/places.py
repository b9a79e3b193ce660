"""What the user has given texup once for all calls: a file of defaults, a folder of models, a cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from texup import bounds
from texup.errors import UsageError

CONFIG, MODELS, CACHE = "TEXUP_CONFIG", "TEXUP_MODELS", "TEXUP_CACHE"
VARIABLES = (CONFIG, MODELS, CACHE)
"""Names in the environment that move a place."""
FOLDER_KEY = "models_folder"
"""Key of the user's file that names the folder of models."""


def config_file() -> Path | None:
    """Return where the user's file of defaults is or would be; None where ``TEXUP_CONFIG`` is empty: there is none."""
    place = os.environ.get(CONFIG)
    if place is None:
        from platformdirs import user_config_path  # here, so that what needs no place stays light

        return user_config_path("texup", appauthor=False) / "config.toml"
    return Path(place) if place else None


def user_values() -> dict[str, Any]:
    """Return what the user's file says, {} where there is none; its keys are not checked here.

    Raises:
        UsageError: it cannot be read, is no TOML, or is not where ``TEXUP_CONFIG`` says.
    """
    path = config_file()
    if path is None or not (os.environ.get(CONFIG) or os.path.lexists(path)):
        return {}
    from texup.texts import parse_toml, read_text  # here too

    try:
        return parse_toml(read_text(path, bounds.TOML_BYTES, "user file"))
    except OSError as error:
        raise UsageError(f"{path}: cannot read the user file: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error


def models_folder() -> Path:
    """Return the folder in which models are looked up by name; it need not be there.

    ``TEXUP_MODELS`` says it, else ``models_folder`` in the user's file, to which it may be relative.

    Raises:
        UsageError: the user's file makes no sense.
    """
    if place := os.environ.get(MODELS):
        return Path(place)
    named = user_values().get(FOLDER_KEY)
    if named is None:
        from platformdirs import user_data_path

        return user_data_path("texup", appauthor=False) / "models"
    path = config_file() or Path()
    if not isinstance(named, str) or not named:
        raise UsageError(f'{path}: {FOLDER_KEY} is no path; write {FOLDER_KEY} = "FOLDER"')
    return path.parent / Path(named).expanduser()


def cache_folder() -> Path:
    """Return the folder of the user's caches for texup; ``TEXUP_CACHE`` moves it."""
    if place := os.environ.get(CACHE):
        return Path(place)
    from platformdirs import user_cache_path

    return user_cache_path("texup", appauthor=False)
