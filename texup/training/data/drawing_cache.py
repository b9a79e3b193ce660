"""Drawn pictures on disk: drawing 600 of them takes a minute, reading them back a second."""

from __future__ import annotations

import hashlib
import io
import zipfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from texup.errors import OutputError
from texup.files import atomic_write
from texup.places import cache_folder
from texup.training import drawn

NAME = "drawn-{}.npz"


def drawn_pictures(count: int, size: int, seed: int) -> NDArray[np.uint8]:
    """Return ``count`` drawn pictures (count, size, size, 3), from the cache where it has them.

    A cache that cannot be read or written costs the minute, not the run. Only the newest set is kept.
    """
    path = cache_folder() / NAME.format(_digest(count, size, seed))
    pictures = _read(path, (count, size, size, 3))
    if pictures is None:
        pictures = np.stack(drawn.draw_pictures(count, size, seed))
        _write(path, pictures)
    return pictures


def _digest(count: int, size: int, seed: int) -> str:
    """Return what is another wherever other pictures would be drawn: by other code, libraries or numbers."""
    digest = hashlib.sha256(f"{count} {size} {seed} {version('numpy')} {version('pillow')}".encode())
    for source in sorted(Path(drawn.__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _read(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            pictures = file["pictures"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return pictures if pictures.shape == shape and pictures.dtype == np.uint8 else None


def _write(path: Path, pictures: NDArray[np.uint8]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, pictures=pictures)
    with suppress(OSError, OutputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, buffer.getvalue())
        for old in path.parent.glob(NAME.format("*")):
            if old != path:
                old.unlink()
