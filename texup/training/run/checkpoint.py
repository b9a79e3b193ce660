"""The state of a training run on disk: one file, or parts of bounded size, replaced as a whole."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import torch

from texup.errors import UsageError, WeightsError
from texup.files import atomic_write, output_error
from texup.models.pickles import load_pickle

NAME = "checkpoint.pt"
INDEX = "checkpoint.json"  # names the parts of the newest state, and what they hash to
PARTS = "checkpoint-*.part"
DIGEST_BYTES = 32  # SHA-256 of all before it
KEYS = {"recipe", "trainer", "spent", "history", "features"}
DAMAGED = "damaged checkpoint ({}); begin a run in another --out, with --init of the weights beside it"


def has_checkpoint(run: Path) -> bool:
    """Tell whether a run folder holds a state to go on from."""
    return (run / NAME).exists() or (run / INDEX).exists()


def save_checkpoint(run: Path, state: dict[str, Any], part_size: int | None = None) -> None:
    """Write ``state`` (tensors, numbers, strings, dicts and lists only, under ``KEYS``) into the run folder.

    With ``part_size`` it is cut into files of at most so many bytes. Their names carry the hash of the state, so the
    parts of the state before stay whole until the index, written last, names the new ones. At every moment the folder
    holds one whole state; where it holds two, of a run that changed over to parts or back, the index decides.

    Raises:
        OutputError: the file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    digest = hashlib.sha256(buffer.getbuffer())
    data = buffer.getvalue() + digest.digest()  # torch does not look whether a byte has changed
    names: list[str] = []
    if part_size is None:
        atomic_write(run / NAME, data)
        _remove(run / INDEX)
    else:
        names = [f"checkpoint-{digest.hexdigest()[:12]}-{k:03}.part" for k in range(-(-len(data) // part_size))]
        for k, name in enumerate(names):
            atomic_write(run / name, data[k * part_size : (k + 1) * part_size])
        atomic_write(run / INDEX, json.dumps({"parts": names}, indent=1).encode())
        _remove(run / NAME)
    for old in run.glob(PARTS):
        if old.name not in names:
            _remove(old)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(path, error) from error


def load_checkpoint(run: Path) -> dict[str, Any]:
    """Read the state that ``save_checkpoint`` wrote, in one file or in parts; never runs code from a file.

    Raises:
        UsageError: there is no checkpoint, or it is damaged.
    """
    path = run / (INDEX if (run / INDEX).is_file() else NAME)
    if not path.is_file():
        raise UsageError(f"{run / NAME}: no checkpoint to resume from")
    try:
        data = _joined(run) if path.name == INDEX else path.read_bytes()
        state = load_pickle(io.BytesIO(_verified(data)))
    except Exception as error:  # torch names no set of exceptions for a damaged file
        reason = str(error) if isinstance(error, UsageError | WeightsError) else type(error).__name__
        raise UsageError(f"{path}: {DAMAGED.format(reason)}") from error
    if not isinstance(state, dict) or state.keys() != KEYS:
        raise UsageError(f"{path}: {DAMAGED.format('not what texup writes')}")
    return state


def _joined(run: Path) -> bytes:
    index = json.loads((run / INDEX).read_text("utf-8"))
    paths = [run / Path(name).name for name in index["parts"]]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise UsageError(f"{missing[0]} is missing")
    return b"".join(path.read_bytes() for path in paths)


def _verified(data: bytes) -> bytes:
    content, digest = data[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise UsageError("its bytes are not those that were written")
    return content
