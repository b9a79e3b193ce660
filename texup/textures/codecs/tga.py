"""Truevision TGA: types 1, 2, 3, 9, 10 and 11. Pillow only does the run-length coding.

Pillow's own reader is not used because it shows 8-bit textures without a colour map type check, takes the spare bit of
5-5-5 pixels for alpha, and always writes 32 bits where 16 were.

References:
    Truevision TGA File Format Specification, version 2.0, 1991: header, footer, and the appendix on run-length packets.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texup.errors import UnreadableTexture, UnsupportedTexture
from texup.textures.codecs.bitfields import pack_pixels, unpack_pixels, without_unused_alpha
from texup.textures.codecs.palette import entries
from texup.textures.texture import Container, Layout, Texture

MAX_SIDE = 65535
_HEADER = struct.Struct("<BBBHHBHHHHBB")
_INDEXED, _COLOUR, _GREY, _RLE = 1, 2, 3, 8
_ALPHA_BITS, _RIGHT, _TOP, _INTERLEAVED = 0x0F, 0x10, 0x20, 0xC0
_RGB16, _RGBA16 = (0x7C00, 0x03E0, 0x001F), (0x7C00, 0x03E0, 0x001F, 0x8000)
_RGB24, _RGBA32 = (0xFF0000, 0x00FF00, 0x0000FF), (0xFF0000, 0x00FF00, 0x0000FF, 0xFF000000)
_PLAIN = {1: Layout(1, (0xFF,)), 2: Layout(2, (0xFF, 0xFF00)), 3: Layout(3, _RGB24), 4: Layout(4, _RGBA32)}
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # Pillow's names for pixels of so many bytes
_MARK = b"TRUEVISION-XFILE.\0"
_FOOTER = bytes(8) + _MARK


@dataclass(frozen=True, slots=True)
class _Head:
    kind: int
    rle: bool
    width: int
    height: int
    bits: int
    descriptor: int
    map_at: int
    map_first: int
    map_length: int
    map_bits: int

    @property
    def map_size(self) -> int:
        return (self.map_bits + 7) // 8 * self.map_length


def _parse(data: bytes) -> _Head:
    """Read the header strictly: TGA has no magic number, and this is what tells it from any other file."""
    if len(data) < _HEADER.size:
        raise UnreadableTexture("it is truncated in the header")
    id_length, has_map, kind, first, length, map_bits, _, _, width, height, bits, descriptor = _HEADER.unpack_from(data)
    if not has_map:
        first = length = map_bits = 0
    depths = {_INDEXED: (8, 16), _COLOUR: (15, 16, 24, 32), _GREY: (8, 16)}
    sound = kind & ~_RLE in depths and bits in depths[kind & ~_RLE] and has_map <= 1 and width and height
    sound_map = map_bits in (15, 16, 24, 32) and length if kind & ~_RLE == _INDEXED else map_bits in (0, 15, 16, 24, 32)
    if not sound or not sound_map or descriptor & _INTERLEAVED or descriptor & _ALPHA_BITS not in (0, 1, 8):
        raise UnreadableTexture("its header is not one of a TGA")
    at = _HEADER.size + id_length
    return _Head(
        kind=kind & ~_RLE,
        rle=kind & _RLE > 0,
        width=width,
        height=height,
        bits=bits,
        descriptor=descriptor,
        map_at=at,
        map_first=first,
        map_length=length,
        map_bits=map_bits,
    )


def header(data: bytes) -> tuple[int, int, str]:
    """Return width, height and how the pixels are stored, from the first 18 bytes."""
    head = _parse(data)
    kind = {_INDEXED: "palette", _COLOUR: "RGB", _GREY: "grey"}[head.kind]
    return head.width, head.height, f"{kind}, {head.bits} bits a pixel"


def _layout(head: _Head, bits: int, *, grey: bool = False) -> Layout:
    declared = head.descriptor & _ALPHA_BITS > 0
    if bits < 24 and not grey:  # the spare bit of 5-5-5 is noise unless the header calls it alpha
        return Layout(2, _RGBA16 if declared and bits == 16 else _RGB16)
    plain = _PLAIN[bits // 8]
    return Layout(plain.size, plain.masks, declared) if len(plain.masks) in (2, 4) else plain


def decode(data: bytes) -> Texture:
    """Decode a TGA. Right-to-left pixels are put in order; the order of the rows goes into the container.

    A 32-bit TGA whose header counts no alpha bits keeps its fourth bytes as alpha unless all are 0.

    Raises:
        UnreadableTexture: damaged or truncated.
        UnsupportedTexture: 16-bit indices.
    """
    head = _parse(data)
    data = data[: -len(_FOOTER)] if data.endswith(_MARK) else data  # else a gap in the pixels would be filled with it
    if head.kind == _INDEXED and head.bits != 8:
        raise UnsupportedTexture("a TGA with 16-bit colour map indices")
    stored = _stored(head, data)
    layout, palette = None, None
    if head.kind == _INDEXED:
        palette, channels = _palette(head, data)
        pixels = entries(palette)[stored[..., 0]][..., :channels]
    else:
        layout = _layout(head, head.bits, grey=head.kind == _GREY)
        pixels, layout = without_unused_alpha(unpack_pixels(stored, layout), layout)
    container = Container("tga", palette=palette, rle=head.rle, layout=layout, top_down=bool(head.descriptor & _TOP))
    return Texture(np.ascontiguousarray(pixels), container)


def _stored(head: _Head, data: bytes) -> NDArray[np.uint8]:
    """Return the bytes of the pixels (H, W, size), top row first and left to right."""
    size, at = (head.bits + 7) // 8, head.map_at + head.map_size
    shape = (head.height, head.width, size)
    if head.rle:
        mode, row = _MODES[size], (head.height * head.width, 1)  # one row: old packets run across the ends of rows
        image = Image.frombytes(mode, row, data[at:], "tga_rle", mode, 1, 8 * size)
        stored = np.asarray(image).reshape(shape)
    else:
        stored = np.frombuffer(data, np.uint8, head.height * head.width * size, at).reshape(shape)
    stored = stored if head.descriptor & _TOP else stored[::-1]
    return stored[:, ::-1] if head.descriptor & _RIGHT else stored


def _palette(head: _Head, data: bytes) -> tuple[bytes, int]:
    """Return the colour map as RGBA quadruples from index 0 on, and the channels that pixels have through it."""
    layout = _layout(head, head.map_bits)
    stored = np.frombuffer(data, np.uint8, head.map_size, head.map_at).reshape(head.map_length, layout.size)
    colours, _ = without_unused_alpha(unpack_pixels(stored, layout), layout)
    table = entries(b"")[: head.map_first + head.map_length].copy()
    table[head.map_first :, : colours.shape[1]] = colours[: len(table) - head.map_first]
    return table.tobytes(), colours.shape[1]


def encode(pixels: NDArray[np.uint8], container: Container) -> bytes:
    """Return a TGA with the packing, row order and compression of the source."""
    channels = pixels.shape[2]
    layout = container.layout
    if layout is None or len(layout.masks) != channels:
        layout = _PLAIN[channels]
    kind = _GREY if channels <= 2 else _COLOUR
    alpha = layout.masks[-1].bit_count() if channels in (2, 4) and layout.declared else 0
    return _file(pack_pixels(pixels, layout), kind, alpha, container)


def encode_indexed(indices: NDArray[np.uint8], container: Container) -> bytes:
    """Return a colour-mapped TGA of ``indices`` (H, W) into ``container.palette``; a map without alpha has 24 bits."""
    table = np.frombuffer(container.palette or b"", np.uint8).reshape(-1, 4)
    channels = 4 if (table[:, 3] < 255).any() else 3
    colour_map = pack_pixels(table[:, :channels], _PLAIN[channels])
    return _file(indices[..., None], _INDEXED, 8 if channels == 4 else 0, container, colour_map)


def _file(
    stored: NDArray[np.uint8],
    kind: int,
    alpha_bits: int,
    container: Container,
    colour_map: NDArray[np.uint8] | None = None,
) -> bytes:
    height, width, size = stored.shape
    descriptor = alpha_bits | (_TOP if container.top_down else 0)
    entry = colour_map.shape if colour_map is not None else (0, 0)
    kind |= _RLE if container.rle else 0
    head = _HEADER.pack(
        0, colour_map is not None, kind, 0, entry[0], 8 * entry[1], 0, 0, width, height, 8 * size, descriptor
    )
    rows = np.ascontiguousarray(stored if container.top_down else stored[::-1])
    body = rows.tobytes()
    if container.rle:
        body = Image.frombytes(_MODES[size], (width, height), body).tobytes("tga_rle", _MODES[size], 1)
    return head + (colour_map.tobytes() if colour_map is not None else b"") + body + _FOOTER
