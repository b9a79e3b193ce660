"""WebP through Pillow, after a look at the chunks.

References:
    RFC 9649 (WebP Image Format): sections 2.3 to 2.7 and 3.4; RFC 6386, section 9.1: the three headers.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.WebPImagePlugin import WebPImageFile

from texup.errors import UnreadableTexture, UnsupportedTexture
from texup.textures.texture import Container, Texture

MAX_SIDE = 16383
_QUALITY = 95
_FIRST = 12  # offset of the first chunk: "RIFF", size, "WEBP"
_ANIMATED = 0x02
_SIZE_MASK = 0x3FFF


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at, end = _FIRST, 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise UnreadableTexture("it is truncated")
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length > end:
            raise UnreadableTexture("it is truncated, or one of its chunks is longer than the file")
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def header(data: bytes) -> tuple[int, int, str]:
    """Return width and height and how the pixels are stored, from the first 30 bytes."""
    kind, body = data[_FIRST : _FIRST + 4], data[_FIRST + 8 : _FIRST + 18].ljust(10, b"\0")
    if kind == b"VP8X":
        width, height = (int.from_bytes(body[k : k + 3], "little") + 1 for k in (4, 7))
        return width, height, "animation" if body[0] & _ANIMATED else "extended"
    if kind == b"VP8L":
        size = int.from_bytes(body[1:5], "little")
        return (size & _SIZE_MASK) + 1, (size >> 14 & _SIZE_MASK) + 1, "lossless"
    width, height = (int.from_bytes(body[k : k + 2], "little") & _SIZE_MASK for k in (6, 8))
    if kind != b"VP8 " or not width or not height:
        raise UnreadableTexture("its header makes no sense")
    return width, height, "lossy"


def decode(data: bytes) -> Texture:
    """Decode a still WebP as it is stored, whatever Exif says of its orientation; colour under alpha 0 is kept.

    Raises:
        UnreadableTexture: damaged or truncated.
        UnsupportedTexture: an animation.
    """
    chunks = dict(_chunks(data))
    if b"ANIM" in chunks or b"ANMF" in chunks:
        raise UnsupportedTexture("an animated WebP; save its frames as separate files")
    with WebPImageFile(io.BytesIO(data)) as image:
        pixels = np.array(image)
    return Texture(pixels, Container("webp", lossless=b"VP8L" in chunks))


def encode(pixels: NDArray[np.uint8], container: Container) -> bytes:
    """Return a WebP, lossless where the source was, else of quality 95; colour under alpha 0 is kept.

    Raises:
        UnsupportedTexture: grey pixels, which WebP cannot hold.
    """
    if pixels.shape[2] <= 2:
        raise UnsupportedTexture("WebP cannot hold grey pixels; use PNG")
    file = io.BytesIO()
    lossless = container.lossless
    quality = {} if lossless else {"quality": _QUALITY}
    Image.fromarray(pixels).save(file, "WEBP", lossless=lossless, exact=True, **quality)
    return file.getvalue()
