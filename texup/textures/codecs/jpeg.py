"""JPEG through Pillow, after a look at the segments.

References:
    ITU-T T.81 (JPEG), annex B.1.1.3 and B.2: markers and the frame header.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from texup import bounds
from texup.errors import UnreadableTexture, UnsupportedTexture
from texup.textures.texture import Container, Texture

SIGNATURE = b"\xff\xd8\xff"
MAX_SIDE = 65500  # libjpeg's limit
_QUALITY = 95
_KINDS = {1: "grey", 3: "RGB", 4: "CMYK"}
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ARITHMETIC = 0xC9  # the first frame of those that are coded without Huffman's tables
_RESTARTS, _END, _SCAN = range(0xD0, 0xD8), 0xD9, 0xDA
_MARKER = re.compile(rb"\xff+[^\x00\xff]")  # among coded pixels, where a 0 follows each byte of 255
_NOISE = b"\xa5\x5a\xc3\x3c\x96\x69\x0f\xf0" * 4
_IGNORED = (*range(0xE1, 0xEE), 0xEF, 0xFE)  # all applications but JFIF and Adobe, which say what the channels mean


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of every segment up to the first scan, whose end is that of the file."""
    at = 2
    for _ in range(bounds.JPEG_SEGMENTS):
        if at + 4 > len(data) or data[at] != 0xFF:
            break
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


def _frame(data: bytes) -> tuple[int, int, int, int, int]:
    """Return width, height, channels, bits of a sample, and the marker."""
    for marker, start, end in _segments(data):
        if marker in _FRAMES and end - start >= 10:
            height, width = (int.from_bytes(data[start + k : start + k + 2], "big") for k in (5, 7))
            if width and height:
                return width, height, data[start + 9], data[start + 4], marker
    raise UnreadableTexture("it has no sound frame header")


def header(data: bytes) -> tuple[int, int, str]:
    """Return width and height and how the pixels are stored."""
    width, height, channels, precision, _ = _frame(data)
    return width, height, f"{_KINDS.get(channels, f'{channels} channels')}, {channels * precision} bits a pixel"


def decode(data: bytes) -> Texture:
    """Decode a grey or RGB JPEG as it is stored; no loader of games asks Exif which way up that is.

    Raises:
        UnreadableTexture: damaged or truncated.
        UnsupportedTexture: CMYK or more than 8 bits.
    """
    _, _, channels, precision, frame = _frame(data)
    if channels not in (1, 3) or precision != 8:
        raise UnsupportedTexture(f"a JPEG with {channels} channels of {precision} bits; save it as 8-bit RGB")
    head, start = [data[:2]], 0
    for marker, start, end in _segments(data):
        if marker not in (*_IGNORED, _SCAN):
            head.append(data[start:end])
    pieces, traps = _pieces(data, start)
    pixels = _decoded(head, pieces)
    # libjpeg fills in missing pixels without a word, with zeros; of a sound stretch it never looks behind the end.
    if frame < _ARITHMETIC and not np.array_equal(pixels, _decoded(head, [*chain(*zip(pieces, traps, strict=True))])):
        raise UnreadableTexture("some of its pixels are missing")
    return Texture(pixels, Container("jpeg", lossless=False))


def _pieces(data: bytes, start: int) -> tuple[list[bytes], list[bytes]]:
    """Return the bytes from the first scan on, cut where each stretch of coded pixels ends, without the end marker.

    With each comes what a decoder only finds behind it when it looks for more pixels there: noise, and behind a whole
    scan another stretch of it, in case that stretches are counted.
    """
    pieces, traps, scans, restarts = [], [], 1, 0
    at = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    while found := _MARKER.search(data, at):
        pieces.append(data[start : found.start()])
        start, at, marker = found.start(), found.end(), found.group()[-1]
        is_restart = marker in _RESTARTS
        traps.append(_NOISE if is_restart else _NOISE + bytes((0xFF, _RESTARTS[restarts % 8])) + _NOISE)
        restarts = restarts + 1 if is_restart else 0
        scans += marker == _SCAN
        if scans > bounds.JPEG_SCANS:
            raise UnreadableTexture(f"it has more than {bounds.JPEG_SCANS} scans")
        if marker == _END:
            return pieces, traps
        if not is_restart:
            at += int.from_bytes(data[at : at + 2], "big")
    raise UnreadableTexture("it is truncated, the end marker is missing")


def _decoded(head: list[bytes], pieces: list[bytes]) -> NDArray[np.uint8]:
    """Return the pixels (H, W, C); Pillow gets no metadata: it would warn about harmless damage there."""
    with JpegImageFile(io.BytesIO(b"".join((*head, *pieces, bytes((0xFF, _END)))))) as image:
        pixels = np.array(image)
    return pixels.reshape(*pixels.shape[:2], -1)


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
