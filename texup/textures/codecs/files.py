"""Files of textures to and from :class:`~texup.textures.texture.Texture`: one table of formats, one place for errors.

::

    bytes ── identify by content, compare with the suffix ── size against the limit ── decode of one format ── Texture
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texup.errors import TextureError, UnreadableTexture, UnsupportedTexture
from texup.textures.blocks.ispc import Quality
from texup.textures.codecs import bmp, dds, dds_header, jpeg, palette, png, tga, webp
from texup.textures.texture import Container, Texture

SUFFIXES: dict[str, str] = {
    ".png": "png",
    ".tga": "tga",
    ".bmp": "bmp",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".webp": "webp",
    ".dds": "dds",
}
"""Lower-case suffix to format; compare with the lower-cased suffix of a name, old packs are full of ``.PNG``."""


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """What the head of a file says, without its pixels."""

    format: str
    """One of the values of :data:`SUFFIXES`."""
    width: int
    height: int
    mode: str
    """How pixels are stored, in words for people."""


@dataclass(frozen=True, slots=True)
class _Codec:
    name: str
    header: Callable[[bytes], tuple[int, int, str]]
    decode: Callable[[bytes], Texture]
    encode: Callable[[NDArray[np.uint8], Container], bytes]
    max_side: int
    pixels_per_byte: int
    """More than any sound file can hold: what stands above is damage, and is refused before memory is asked for."""
    encode_indexed: Callable[[NDArray[np.uint8], Container], bytes] | None = None


_CODECS = {
    # deflate grows 1032 times at most, with 8 pixels a byte
    "png": _Codec(
        "PNG",
        png.header,
        png.decode,
        png.encode,
        png.MAX_SIDE,
        pixels_per_byte=8 * 1032,
        encode_indexed=png.encode_indexed,
    ),
    "tga": _Codec(
        "TGA", tga.header, tga.decode, tga.encode, tga.MAX_SIDE, pixels_per_byte=64, encode_indexed=tga.encode_indexed
    ),  # 128 for 2 bytes
    "bmp": _Codec(
        "BMP", bmp.header, bmp.decode, bmp.encode, bmp.MAX_SIDE, pixels_per_byte=8, encode_indexed=bmp.encode_indexed
    ),
    "jpeg": _Codec(
        "JPEG", jpeg.header, jpeg.decode, jpeg.encode, jpeg.MAX_SIDE, pixels_per_byte=512
    ),  # a bit for 8 x 8 pixels
    "webp": _Codec("WebP", webp.header, webp.decode, webp.encode, webp.MAX_SIDE, pixels_per_byte=webp.MAX_SIDE**2),
    "dds": _Codec("DDS", dds.header, dds.decode, dds.encode, dds.MAX_SIDE, pixels_per_byte=8),  # DXT1: 2, each mip less
}
_SMALL_PNG = replace(
    _CODECS["png"], encode=partial(png.encode, small=True), encode_indexed=partial(png.encode_indexed, small=True)
)
_DDS_OF: dict[Quality, _Codec] = {
    "fast": _CODECS["dds"],
    "normal": replace(_CODECS["dds"], encode=partial(dds.encode, quality="normal")),
    "best": replace(_CODECS["dds"], encode=partial(dds.encode, quality="best")),
}

_MAGICS = (
    (png.SIGNATURE, "png"),
    (jpeg.SIGNATURE, "jpeg"),
    (dds.SIGNATURE, "dds"),
    (bmp.SIGNATURE, "bmp"),
    (b"GIF8", "GIF"),
    (b"8BPS", "Photoshop"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"\xabKTX ", "KTX"),
    (b"VTF\0", "VTF"),
    (b"PK\x03\x04", "zip"),
    (b"version https://git-lfs", "Git LFS pointer"),
)

# All that Pillow was seen to raise on 2,314 files and mutations of them; MemoryError is no fault of the file.
_DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    NotImplementedError,
    OverflowError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AssertionError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


@contextmanager
def _named(name: str, kind: str) -> Iterator[None]:
    """Turn what decoders raise into errors with the file's name; the only place that does."""
    try:
        yield
    except UnsupportedTexture as error:
        raise UnsupportedTexture(error.reason, name) from error
    except UnreadableTexture as error:
        raise UnreadableTexture(f"damaged {kind}: {error.reason}; put back a sound copy", name) from error
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise UnreadableTexture(f"damaged {kind}: {reason}; put back a sound copy", name) from error


def _identify(data: bytes) -> str | None:
    """Return the format of the content, the name of a foreign one, or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    for magic, found in _MAGICS:
        if data.startswith(magic):
            return found
    try:
        tga.header(data)
    except TextureError:
        return None
    return "tga"


def _codec_for(data: bytes, name: str) -> tuple[str, _Codec]:
    suffix = PurePath(name).suffix.lower()
    wanted = SUFFIXES.get(suffix)
    if wanted is None:
        raise UnsupportedTexture(
            f"texup does not read {suffix or 'files without a suffix'}; it reads {' '.join(SUFFIXES)}",
            name,
        )
    if not data:
        raise UnreadableTexture("the file is empty; put back a sound copy", name)
    found = _identify(data)
    if found is None and wanted != "tga":
        raise UnreadableTexture("the content is no picture; put back a sound copy", name)
    if found not in (wanted, None):
        kind = _CODECS[found].name if found in _CODECS else found
        raise UnreadableTexture(f"wrong extension, the content is {kind}; rename or convert the file", name)
    return wanted, _CODECS[wanted]


def read_header(data: bytes, name: str) -> PictureHeader:
    """Return format and size from the head of a file; no pixel is decoded.

    Args:
        data: the file's bytes; all up to the pixels are needed.
        name: the file's name, for messages and for its suffix, which has to fit the content.

    Raises:
        UnreadableTexture: empty, no picture, damaged in the head, or of another format than the suffix says.
        UnsupportedTexture: a suffix that texup does not read.
    """
    wanted, codec = _codec_for(data, name)
    with _named(name, codec.name):
        return PictureHeader(wanted, *codec.header(data))


def decode(data: bytes, name: str, max_pixels: int | None = None) -> Texture:
    """Return the texture of a file's bytes.

    Args:
        data: the whole file.
        name: the file's name, for messages and for its suffix, which has to fit the content.
        max_pixels: refuse a larger width x height before any memory is asked for.

    Raises:
        UnreadableTexture: empty, no picture, damaged, truncated, or of another format than the suffix says.
        UnsupportedTexture: too large, or sound but of a kind that cannot be written back.
    """
    head = read_header(data, name)
    codec, pixels = _CODECS[head.format], head.width * head.height
    if max_pixels is not None and pixels > max_pixels:
        raise UnsupportedTexture(f"{head.width} x {head.height} is more than the limit of {max_pixels} pixels", name)
    if pixels > codec.pixels_per_byte * len(data):
        raise UnreadableTexture(
            f"damaged {codec.name}: too short for {head.width} x {head.height} pixels; put back a sound copy",
            name,
        )
    with _named(name, codec.name):
        return codec.decode(data)


def read_texture(path: Path, max_pixels: int | None = None) -> Texture:
    """Return the texture in a file; see :func:`decode`.

    Raises:
        UnreadableTexture: also when the file cannot be read at all.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableTexture(f"cannot read: {error.strerror or error}", path.name) from error
    return decode(data, path.name, max_pixels)


def encode(texture: Texture, *, indexed: bool = False, small: bool = False, quality: Quality = "fast") -> bytes:
    """Return the bytes of a file in the container's format, with the channels and bit depth of ``texture``.

    Args:
        texture: 16-bit pixels need a PNG.
        indexed: write indices of the nearest colours of ``container.palette`` (PNG, TGA, BMP); of equal ones the first.
        small: take much more time for a smaller PNG.
        quality: of BC7; the better, the slower.

    Raises:
        UnsupportedTexture: the format cannot hold such pixels; the text names no file, as a texture has no name.
    """
    pixels, container = texture.pixels, texture.container
    ways = {"png": _SMALL_PNG if small else _CODECS["png"], "dds": _DDS_OF[quality]}
    codec = ways.get(container.format) or _CODECS[container.format]
    if max(pixels.shape[:2]) > codec.max_side:
        raise UnsupportedTexture(f"{codec.name} holds at most {codec.max_side} pixels a side; use PNG")
    if pixels.dtype == np.uint16:
        if container.format != "png" or indexed:
            raise UnsupportedTexture(f"{'a palette' if indexed else codec.name} cannot hold 16 bits a channel")
        return png.encode16(pixels.astype(np.uint16, copy=False), container, small=small)
    bytes_ = pixels.astype(np.uint8, copy=False)
    if not indexed:
        return codec.encode(bytes_, container)
    if codec.encode_indexed is None or not container.palette or pixels.shape[2] <= 2:
        raise UnsupportedTexture(f"this {codec.name} has no palette to write indices into")
    return codec.encode_indexed(palette.nearest(bytes_, container.palette), container)


def encode_levels(levels: Sequence[Texture], quality: Quality = "fast") -> bytes:
    """Return the bytes of one file with all ``levels``, the largest first; only a DDS can hold more than one.

    Of BC7 there is more than one ``quality``.

    Raises:
        UnsupportedTexture: the format cannot hold such pixels or levels, or a level is not half the one before.
    """
    largest = levels[0]
    if len(levels) == 1:
        return encode(largest, quality=quality)
    name = _CODECS[largest.container.format].name
    if largest.container.format != "dds":
        raise UnsupportedTexture(f"{name} holds one level; use DDS, or a file for each level")
    height, width = largest.pixels.shape[:2]
    due = [(down, across) for across, down in islice(dds_header.level_sizes(width, height), len(levels))]
    if [level.pixels.shape[:2] for level in levels] != due:
        raise UnsupportedTexture("each level of a DDS has to be half as wide and as high as the one before")
    if any(level.pixels.dtype == np.uint16 for level in levels):
        raise UnsupportedTexture(f"{name} cannot hold 16 bits a channel")
    pixels = [level.pixels.astype(np.uint8, copy=False) for level in levels]
    return dds.encode_levels(pixels, largest.container, quality)
