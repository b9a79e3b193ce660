"""What a file holds, told from a bounded part of it: equal files have equal marks, others nearly always another."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from texup.errors import TextureError
from texup.packs.opening import open_file
from texup.textures.codecs.files import read_header

WHOLE = 1 << 16
"""Bytes up to which a file is read as a whole; it is also what a header is looked for in."""
PIECE, PIECES = 1 << 12, 16


class Mark(NamedTuple):
    """A file by what it holds."""

    digest: bytes
    """Of the bytes that were read and of the size."""
    width: int
    """Texels; 0 where it is no picture."""
    height: int


def mark_of(root: Path, path: str) -> Mark:
    """Return the mark of a file below ``root``: of a large one by pieces from all over it.

    Two files of one size that differ only between the pieces have one mark. That is rare: compressed formats
    differ from the first difference on, and a PNG ends with a sum of its pixels.

    Raises:
        OSError: it cannot be read.
    """
    with open_file(root, path) as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(WHOLE)
        digest = hashlib.sha256(b"%d " % size + head)
        if size > WHOLE:
            for k in range(1, PIECES + 1):
                file.seek((size - PIECE) * k // PIECES)
                digest.update(file.read(PIECE))
    try:
        picture = read_header(head, path.rpartition("/")[2])
    except TextureError:
        return Mark(digest.digest(), 0, 0)
    return Mark(digest.digest(), picture.width, picture.height)
