"""The state of a training run on disk: one file, replaced atomically."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from texup.errors import UsageError
from texup.files import atomic_write

NAME = "checkpoint.pt"


def save_checkpoint(run: Path, state: dict[str, Any]) -> None:
    """Write ``state`` (tensors, numbers, strings, dicts and lists only) into the run folder.

    Raises:
        OutputError: the file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    atomic_write(run / NAME, buffer.getvalue())


def load_checkpoint(run: Path) -> dict[str, Any]:
    """Read the state that ``save_checkpoint`` wrote; never runs code from the file.

    Raises:
        UsageError: there is no checkpoint.
    """
    path = run / NAME
    if not path.is_file():
        raise UsageError(f"{path}: no checkpoint to resume from")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
