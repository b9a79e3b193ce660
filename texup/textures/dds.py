"""DDS: one uncompressed picture of bit fields. Everything else is named and refused, as it cannot be written back.

References:
    Microsoft, Direct3D programming guide, "DDS_HEADER structure", "DDS_PIXELFORMAT structure": fields and flag values.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texup.errors import UnreadableTexture, UnsupportedTexture
from texup.textures.bitfields import is_valid, pack_pixels, unpack_pixels
from texup.textures.texture import Container, Layout, Texture

SIGNATURE = b"DDS "
MAX_SIDE = 2**31 - 1
_HEADER = struct.Struct("<4s7I44x2I4s5I4I4x")
_SIZE, _FORMAT_SIZE = 124, 32
_FLAGS = 0x1 | 0x2 | 0x4 | 0x8 | 0x1000  # caps, height, width, pitch, pixel format
_ALPHA, _FOURCC, _RGB, _GREY = 0x1, 0x4, 0x40, 0x20000
_DEPTH, _TEXTURE, _CUBE, _VOLUME = 0x800000, 0x1000, 0x200, 0x200000
_PLAIN = {
    1: Layout(1, (0xFF,)),
    2: Layout(2, (0xFF, 0xFF00)),
    3: Layout(3, (0xFF0000, 0xFF00, 0xFF)),
    4: Layout(4, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
}


@dataclass(frozen=True, slots=True)
class _Head:
    width: int
    height: int
    mode: str
    layout: Layout | None


def _parse(data: bytes) -> _Head:
    if len(data) < _HEADER.size:
        raise UnreadableTexture("it is truncated in the header")
    fields = _HEADER.unpack_from(data)
    _, size, flags, height, width, _, depth, mips, format_size, kind, fourcc, bits, *masks, _, caps2, _, _ = fields
    if size != _SIZE or format_size != _FORMAT_SIZE or not width or not height:
        raise UnreadableTexture("its header makes no sense")
    extra = "cube map" if caps2 & _CUBE else "volume" if caps2 & _VOLUME or (flags & _DEPTH and depth > 1) else ""
    levels = f"{mips} mips" if mips > 1 else ""
    layout = None if kind & _FOURCC else _layout(kind, bits, masks)
    name = _fourcc_name(data, fourcc) if kind & _FOURCC else _packing_name(kind, bits, masks)
    mode = " with ".join(filter(None, (f"{name} {extra}".rstrip(), levels)))
    return _Head(width, height, mode, None if extra or levels else layout)


def _layout(kind: int, bits: int, masks: list[int]) -> Layout | None:
    """Return the packing, or None for other than 8-bit channels: odd masks, wider ones, signed or palette kinds."""
    alpha_is_clear = bool(kind & _ALPHA) == bool(masks[3])  # where flag and mask differ, loaders differ too
    if kind & ~_ALPHA not in (_RGB, _GREY) or bits not in (8, 16, 24, 32) or not alpha_is_clear:
        return None
    colours = masks[:1] if kind & _GREY else masks[:3]
    layout = Layout(bits // 8, tuple(colours + masks[3:] if kind & _ALPHA else colours))
    return layout if is_valid(layout) else None


def _fourcc_name(data: bytes, fourcc: bytes) -> str:
    if fourcc == b"DX10" and len(data) >= _HEADER.size + 4:
        return f"DX10 format {int.from_bytes(data[_HEADER.size : _HEADER.size + 4], 'little')}"
    return fourcc.decode("ascii") if fourcc.isalnum() else f"format {int.from_bytes(fourcc, 'little')}"


def _packing_name(kind: int, bits: int, masks: list[int]) -> str:
    name = "grey" if kind & _GREY else "RGB" if kind & _RGB else "uncompressed pixels"
    packing = "-".join(str(mask.bit_count()) for mask in masks if mask)
    return f"{name}, {bits} bits a pixel ({packing})" if packing else f"{name}, {bits} bits a pixel"


def header(data: bytes) -> tuple[int, int, str]:
    """Return width, height and how the pixels are stored, from the first 132 bytes; also for kinds that are refused."""
    head = _parse(data)
    return head.width, head.height, head.mode


def decode(data: bytes) -> Texture:
    """Decode an uncompressed DDS with one level, whose channels have 1 to 8 bits each.

    Raises:
        UnreadableTexture: damaged or truncated.
        UnsupportedTexture: block compression, DX10 header, mips, cube map, volume, or channels of more than 8 bits.
    """
    head = _parse(data)
    if head.layout is None:
        raise UnsupportedTexture(
            f"{head.mode}: texup cannot write this kind of DDS back yet; convert it to PNG, or to DDS without mips"
        )
    size = head.layout.size
    stored = np.frombuffer(data, np.uint8, head.height * head.width * size, _HEADER.size)
    pixels = unpack_pixels(stored.reshape(head.height, head.width, size), head.layout)
    return Texture(pixels, Container("dds", layout=head.layout))


def encode(pixels: NDArray[np.uint8], container: Container) -> bytes:
    """Return a DDS of one level with the masks of the source."""
    height, width, channels = pixels.shape
    layout = container.layout
    if layout is None or len(layout.masks) != channels:
        layout = _PLAIN[channels]
    kind = (_GREY if channels <= 2 else _RGB) | (_ALPHA if channels in (2, 4) else 0)
    colours = layout.masks[: channels - 1] if kind & _ALPHA else layout.masks
    masks = (*(*colours, 0, 0)[:3], layout.masks[-1] if kind & _ALPHA else 0)
    size = (_SIZE, _FLAGS, height, width, width * layout.size, 0, 0)
    head = _HEADER.pack(SIGNATURE, *size, _FORMAT_SIZE, kind, bytes(4), 8 * layout.size, *masks, _TEXTURE, 0, 0, 0)
    return head + pack_pixels(pixels, layout).tobytes()
