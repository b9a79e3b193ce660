"""Format and size of a pack's pictures by the first bytes of their files; no pixel is decoded."""

from __future__ import annotations

from texup.errors import TextureError
from texup.packs.pack import Pack
from texup.textures.codecs.files import PictureHeader, read_header

HEAD = 1 << 16
"""First bytes of a file that tell its format and size; a JPEG may have more metadata before them."""
PNG_HEAD = 64
"""The same of a PNG, where they stand in the first chunk."""


def read_head(pack: Pack, path: str) -> PictureHeader:
    """Return format and size of a picture.

    Raises:
        TextureError: they cannot be read.
    """
    count = PNG_HEAD if path.lower().endswith(".png") else HEAD
    return read_header(pack.read(path, count), path.rpartition("/")[2])


def head_of(pack: Pack, path: str) -> PictureHeader | None:
    """Return format and size of a picture; None where they cannot be read, which the run will say."""
    try:
        return read_head(pack, path)
    except TextureError:
        return None


def size_of(pack: Pack, path: str) -> tuple[int, int] | None:
    """Return width and height of a picture; None where they cannot be read, which the run will say."""
    head = head_of(pack, path)
    return (head.width, head.height) if head else None
