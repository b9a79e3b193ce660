"""The bytes of a file of weights, read once and within bounds. No torch here: the models of a run are hashed early."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path

from texup import bounds
from texup.errors import WeightsError

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
LOOKALIKES = {  # what a failed download leaves behind
    b"version https://git-lfs": "a Git LFS pointer, not the weights; fetch the file itself (git lfs pull)",
    b"<!doctype": "a web page, not weights; the download went wrong",
    b"<html": "a web page, not weights; the download went wrong",
    b"\x1f\x8b": "packed by gzip; unpack it first",
}

OTHERS = (  # what other programs run, by how its files begin
    (re.compile(rb"\x08[\x01-\x14][\x12\x1a\x22\x2a\x32\x3a\x42]"), "an ONNX model"),
    (re.compile(rb"7767517\s"), "the plan of an ncnn model (.param)"),
    (re.compile(rb"\x47\x6b\x30\x01|\x38\x4b\x0d\x00"), "the weights of an ncnn model (.bin)"),
)


def read_bytes(path: Path, max_bytes: int = bounds.WEIGHTS_BYTES) -> bytes:
    """Return the content of a regular file that may be weights; links to one are followed.

    What is hashed and what is parsed must be the same bytes: callers read once and do both with what this returns.

    Raises:
        WeightsError: missing, unreadable, no regular file, empty, too big, or plainly something else.
    """
    try:
        # Without waiting: a pipe would keep its reader until somebody writes.
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            status = os.fstat(fd)
            _check_status(path, status, max_bytes)
            with open(fd, "rb", closefd=False) as file:
                data = file.read(status.st_size + 1)  # bounded, even if the file grows
        finally:
            os.close(fd)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such file") from error
    except OSError as error:
        raise WeightsError(f"{path}: cannot read the weights: {error.strerror or error}") from error
    if len(data) != status.st_size:
        raise WeightsError(f"{path}: changed while it was read; try again when it is whole")
    start = data[:64].lstrip().lower()
    for prefix, reason in LOOKALIKES.items():
        if start.startswith(prefix):
            raise WeightsError(f"{path}: this is {reason}")
    other = next((title for sign, title in OTHERS if sign.match(data)), None)
    if other is not None:
        raise WeightsError(
            f"{path}: this is {other}, which texup does not run; get the .pth or .safetensors it is made of"
        )
    return data


def hash_weights(path: Path) -> str:
    """Return the SHA-256 of a file that may be weights, as 64 hexadecimal digits.

    Raises:
        WeightsError: see :func:`read_bytes`.
    """
    return hashlib.sha256(read_bytes(path)).hexdigest()


def _check_status(path: Path, status: os.stat_result, max_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise WeightsError(f"{path}: a folder, pipe or device, not a file of weights")
    if status.st_size > max_bytes:
        size = f"{status.st_size / 2**20:,.0f} MiB"
        raise WeightsError(f"{path}: {size} is more than the {max_bytes >> 20} MiB that weights may have")
    if status.st_size == 0:
        raise WeightsError(f"{path}: the file is empty; get it again")
