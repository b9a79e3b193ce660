"""JPEG through Pillow, after a look at the segments.

References:
    ITU-T T.81 (JPEG), annex B.1.1.3 and B.2: markers and the frame header.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from texup.errors import UnreadableTexture, UnsupportedTexture
from texup.textures.exif import upright
from texup.textures.texture import Container, Texture

SIGNATURE = b"\xff\xd8\xff"
MAX_SIDE = 65500  # libjpeg's limit
_QUALITY = 95
_KINDS = {1: "grey", 3: "RGB", 4: "CMYK"}
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN = 0xDA
_END = b"\xff\xd9"
_EXIF = 0xE1
_IGNORED = (*range(0xE1, 0xEE), 0xEF, 0xFE)  # all applications but JFIF and Adobe, which say what the channels mean


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of every segment up to the first scan, whose end is that of the file."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, end = data[at + 1], at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if end > len(data):
            break
        yield marker, at, len(data) if marker == _SCAN else end
        if marker == _SCAN:
            return
        at = end
    raise UnreadableTexture("it is truncated or damaged before its pixels")


def _frame(data: bytes) -> tuple[int, int, int, int]:
    for marker, start, end in _segments(data):
        if marker in _FRAMES and end - start >= 10:
            height, width = (int.from_bytes(data[start + k : start + k + 2], "big") for k in (5, 7))
            if width and height:
                return width, height, data[start + 9], data[start + 4]
    raise UnreadableTexture("it has no sound frame header")


def header(data: bytes) -> tuple[int, int, str]:
    """Return width and height as stored (an Exif rotation may swap them) and how the pixels are stored."""
    width, height, channels, precision = _frame(data)
    return width, height, f"{_KINDS.get(channels, f'{channels} channels')}, {channels * precision} bits a pixel"


def decode(data: bytes) -> Texture:
    """Decode a grey or RGB JPEG and turn it upright.

    Raises:
        UnreadableTexture: damaged or truncated.
        UnsupportedTexture: CMYK or more than 8 bits.
    """
    _, _, channels, precision = _frame(data)
    if channels not in (1, 3) or precision != 8:
        raise UnsupportedTexture(f"a JPEG with {channels} channels of {precision} bits; save it as 8-bit RGB")
    # Pillow gets no metadata: its parsers warn about harmless damage there, and are code that nobody needs to run.
    kept, exif = [data[:2]], None
    for marker, start, end in _segments(data):
        if marker == _EXIF and data[start + 4 : start + 10] == b"Exif\0\0":
            exif = data[start + 4 : end]
        if marker not in _IGNORED:
            kept.append(data[start:end])
    if _END not in kept[-1]:
        raise UnreadableTexture("it is truncated, the end marker is missing")
    with JpegImageFile(io.BytesIO(b"".join(kept))) as image:
        pixels = np.array(image)
    return Texture(upright(pixels.reshape(*pixels.shape[:2], -1), exif), Container("jpeg", lossless=False))


def encode(pixels: NDArray[np.uint8], _: Container) -> bytes:
    """Return a JPEG of quality 95 without chroma subsampling.

    The format is lossy in kind: at 95 the loss stays below what the eye finds, and full chroma keeps the edges of
    colours that an upscaled texture is magnified for. Subsampling of the source is not repeated.

    Raises:
        UnsupportedTexture: pixels with alpha.
    """
    if pixels.shape[2] in (2, 4):
        raise UnsupportedTexture("JPEG cannot hold alpha; use PNG")
    file = io.BytesIO()
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.save(file, "JPEG", quality=_QUALITY, subsampling=0)
    return file.getvalue()
