"""PNG: chunks are read and written here, with all checks; scanlines pack them, and Pillow only undoes their filters.

Pillow's own reader is not used because it takes wrong checksums, shows the first frame of an animation, and cuts 16-bit
samples to 8 bits, all without a word.

References:
    Portable Network Graphics (PNG) Specification, Third Edition, W3C 2025: sections 5 (chunks), 9 (filters) and 11.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texup.errors import UnreadableTexture, UnsupportedTexture
from texup.textures.codecs.bitfields import narrow, spread
from texup.textures.codecs.palette import entries
from texup.textures.codecs.scanlines import crc32, deflate, inflate, stored
from texup.textures.texture import Container, Pixels, Texture

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_SIDE = 2**31 - 1
_IHDR = struct.Struct(">IIBBBBB")
_GREY, _RGB, _INDEXED, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_KINDS = {_GREY: "grey", _RGB: "RGB", _INDEXED: "palette", _GREY_ALPHA: "grey+alpha", _RGBA: "RGBA"}
_CHANNELS = {_GREY: 1, _RGB: 3, _INDEXED: 1, _GREY_ALPHA: 2, _RGBA: 4}
_COLOURS = {1: _GREY, 2: _GREY_ALPHA, 3: _RGB, 4: _RGBA}
_DEPTHS = {_GREY: (1, 2, 4, 8, 16), _INDEXED: (1, 2, 4, 8)}  # the others have 8 and 16
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_PASSES = (  # Adam7: first column, first row, and the steps between columns and rows
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


@dataclass(frozen=True, slots=True)
class _Head:
    width: int
    height: int
    bits: int
    colour: int
    interlaced: bool


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    view, at = memoryview(data), len(SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        if crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise UnreadableTexture(f"the checksum of its chunk {kind.decode('ascii', 'replace')!r} is wrong")
        yield kind, view[at + 8 : end - 4]
        if kind == b"IEND":
            return
        at = end
    raise UnreadableTexture("it is truncated, the end chunk is missing")


def _parse_head(kind: bytes, body: memoryview) -> _Head:
    if kind != b"IHDR" or len(body) != _IHDR.size:
        raise UnreadableTexture("it does not begin with a header chunk")
    width, height, bits, colour, compression, filtering, interlace = _IHDR.unpack(body)
    sound = colour in _KINDS and bits in _DEPTHS.get(colour, (8, 16)) and interlace <= 1
    if not sound or compression or filtering or not 0 < width <= MAX_SIDE or not 0 < height <= MAX_SIDE:
        raise UnreadableTexture("its header chunk makes no sense")
    return _Head(width, height, bits, colour, bool(interlace))


def header(data: bytes) -> tuple[int, int, str]:
    """Return width, height and how the pixels are stored, from the first 33 bytes."""
    head = _parse_head(*next(_chunks(data)))
    return head.width, head.height, f"{_KINDS[head.colour]}, {head.bits * _CHANNELS[head.colour]} bits a pixel"


def decode(data: bytes) -> Texture:
    """Decode a PNG; every checksum up to the end chunk is verified.

    Colour space chunks (gAMA, cHRM, iCCP, sRGB) and the orientation of eXIf are dropped and the samples left as and
    where they are: the loaders of games ignore these chunks, so what is stored is what players see.

    Raises:
        UnreadableTexture: damaged or truncated.
        UnsupportedTexture: an animation, or a chunk that may not be ignored.
    """
    head, chunks, image_data = _collect(data)
    pixels, palette = _expand(_samples(head, image_data), head, chunks)
    grab = chunks.get(b"grAb", b"")
    container = Container(
        "png",
        bits=16 if pixels.dtype == np.uint16 else head.bits if pixels.shape[2] == 1 else 8,
        palette=palette,
        grab=struct.unpack(">ii", grab) if len(grab) == 8 else None,
    )
    return Texture(pixels, container)


def _collect(data: bytes) -> tuple[_Head, dict[bytes, bytes], bytes]:
    stream = _chunks(data)
    head = _parse_head(*next(stream))
    chunks: dict[bytes, bytes] = {}
    pieces: list[memoryview] = []
    before = b""
    for kind, body in stream:
        if kind == b"IDAT":
            if pieces and before != b"IDAT":  # specification, section 5.6; lenient readers stop here or go on
                raise UnreadableTexture("its pixels are not in one run of chunks")
            pieces.append(body)
        elif kind == b"acTL":
            raise UnsupportedTexture("an animated PNG; save its frames as separate files")
        elif kind[:1].isupper() and kind not in (b"PLTE", b"IEND"):
            raise UnsupportedTexture(f"a PNG with the unknown chunk {kind.decode('ascii', 'replace')!r}")
        else:
            chunks.setdefault(kind, bytes(body))
        before = kind
    return head, chunks, b"".join(pieces)


def _inflated_size(head: _Head) -> int:
    """Return the bytes of all scanlines with their filter types."""
    bits, size = head.bits * _CHANNELS[head.colour], 0
    for column, row, columns, rows in _PASSES if head.interlaced else ((0, 0, 1, 1),):
        width, height = -((column - head.width) // columns), -((row - head.height) // rows)
        if width > 0 and height > 0:
            size += height * (1 + (width * bits + 7) // 8)
    return size


def _samples(head: _Head, image_data: bytes) -> Pixels:
    """Return the stored values (H, W, C): levels, or indices below 8 bits and for palettes."""
    count = _CHANNELS[head.colour]
    scanlines = stored(inflate(image_data, _inflated_size(head)))

    def unfiltered(mode: str, raw: str) -> NDArray[np.uint8]:
        size = (head.width, head.height)
        image = Image.frombytes(mode, size, scanlines, "zip", raw, int(head.interlaced))
        return np.array(image).reshape(head.height, head.width, -1)

    if head.bits < 8:
        return unfiltered("P", f"P;{head.bits}")
    if head.bits == 8:
        return unfiltered(_MODES[count], _MODES[count])
    if count == 1:
        return unfiltered("I;16", "I;16B")
    if count == 2:  # one scanline is the same bytes as 8-bit RGBA
        return unfiltered("RGBA", "RGBA").view(">u2").astype(np.uint16)
    # Pillow keeps one byte of each 16-bit colour sample: read as little-endian it keeps the other one.
    high, low = (unfiltered(_MODES[count], f"{_MODES[count]};16{order}") for order in "BL")
    return high.astype(np.uint16) << np.uint16(8) | low


def _expand(samples: Pixels, head: _Head, chunks: dict[bytes, bytes]) -> tuple[Pixels, bytes | None]:
    """Return pixels with palette and transparency applied, and the palette as RGBA quadruples."""
    transparent = chunks.get(b"tRNS", b"")
    if head.colour == _INDEXED:
        palette = _palette(chunks.get(b"PLTE", b""), transparent)
        colours = np.ascontiguousarray(entries(palette)[:, : 4 if transparent else 3])
        return colours[samples[..., 0]], palette
    pixels = spread(samples, head.bits) if head.bits < 8 else samples
    if not transparent or head.colour not in (_GREY, _RGB):
        return pixels, None
    if len(transparent) != 2 * samples.shape[2]:
        raise UnreadableTexture("its transparency chunk has a wrong length")
    key = np.frombuffer(transparent, ">u2") & ((1 << head.bits) - 1)
    opaque = (samples != key).any(axis=2, keepdims=True)
    alpha = np.where(opaque, np.iinfo(pixels.dtype).max, 0).astype(pixels.dtype)
    return np.concatenate((pixels, alpha), axis=2), None


def _palette(colours: bytes, transparent: bytes) -> bytes:
    if not colours or len(colours) % 3 or len(colours) > 3 * 256:
        raise UnreadableTexture("its palette is missing or has a wrong length")
    rgb = np.frombuffer(colours, np.uint8).reshape(-1, 3)
    alpha = np.frombuffer(transparent.ljust(len(rgb), b"\xff")[: len(rgb)], np.uint8)
    return np.column_stack((rgb, alpha)).tobytes()


def encode(pixels: NDArray[np.uint8], container: Container, *, small: bool = False) -> bytes:
    """Return a PNG of ``pixels`` (H, W, C), not interlaced; of the source's other chunks only ``grAb`` is written.

    Args:
        pixels: what is stored.
        container: what the source was.
        small: take a hundred times as long for files about a tenth smaller.
    """
    channels = pixels.shape[2]
    if container.bits < 8 and channels == 1:
        values = narrow(pixels[..., 0], container.bits)
        return _file(values, container.bits, _GREY, deflate(_packed(values, container.bits), 0, small=small), container)
    rows = pixels.reshape(len(pixels), -1)
    return _file(pixels, 8, _COLOURS[channels], deflate(rows, channels, small=small), container)


def encode16(pixels: NDArray[np.uint16], container: Container, *, small: bool = False) -> bytes:
    """Return a PNG of ``pixels`` (H, W, C) with 16 bits a sample, else as :func:`encode`."""
    channels = pixels.shape[2]
    rows = pixels.astype(">u2", order="C").view(np.uint8).reshape(len(pixels), -1)
    return _file(pixels, 16, _COLOURS[channels], deflate(rows, 2 * channels, small=small), container)


def encode_indexed(indices: NDArray[np.uint8], container: Container, *, small: bool = False) -> bytes:
    """Return an 8-bit palette PNG of ``indices`` (H, W) into ``container.palette``, else as :func:`encode`."""
    table = np.frombuffer(container.palette or b"", np.uint8).reshape(-1, 4)
    tables = _chunk(b"PLTE", table[:, :3].tobytes())
    if (table[:, 3] < 255).any():
        tables += _chunk(b"tRNS", table[:, 3].tobytes())
    return _file(indices, 8, _INDEXED, deflate(indices, 0, small=small), container, tables)


def _packed(values: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Return rows of values of less than a byte, the first in the high bits."""
    each = np.unpackbits(values[..., None], axis=2)[..., 8 - bits :]
    return np.packbits(each.reshape(len(values), -1), axis=1)


def _file(pixels: Pixels, bits: int, colour: int, deflated: bytes, container: Container, tables: bytes = b"") -> bytes:
    height, width = pixels.shape[:2]
    head = _chunk(b"IHDR", _IHDR.pack(width, height, bits, colour, 0, 0, 0))
    grab = (
        _chunk(b"grAb", struct.pack(">ii", *container.grab)) if container.grab else b""
    )  # GZDoom stops reading at IDAT
    return b"".join((SIGNATURE, head, grab, tables, *_parts(b"IDAT", deflated), *_parts(b"IEND", b"")))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return b"".join(_parts(kind, body))


def _parts(kind: bytes, body: bytes) -> tuple[bytes, ...]:
    return struct.pack(">I", len(body)), kind, body, struct.pack(">I", crc32(body, crc32(kind)))
