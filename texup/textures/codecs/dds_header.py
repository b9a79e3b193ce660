"""The header of a DDS file: what it says, without its pixels.

References:
    Microsoft, Direct3D programming guide, "DDS_HEADER", "DDS_PIXELFORMAT", "DDS_HEADER_DXT10" and "DXGI_FORMAT":
    fields, flag values and format numbers.
    microsoft/DirectXTex, issues 392, 394, 399, 490 and 667: the wrong headers that games ship, and which of them
    ``DDS_FLAGS_PERMISSIVE`` reads.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from texup.errors import UnreadableTexture

SIGNATURE = b"DDS "
HEADER_SIZE = 148
"""Bytes that are enough to read any header; 128 where no DX10 extension follows."""

# DDS_HEADER.dwFlags
CAPS_HEIGHT_WIDTH_FORMAT, HAS_PITCH, HAS_MIPS, HAS_SIZE, HAS_DEPTH = 0x1007, 0x8, 0x20000, 0x80000, 0x800000
# DDS_PIXELFORMAT.dwFlags
ALPHA, FOURCC, RGB, GREY = 0x1, 0x4, 0x40, 0x20000
_MARKS_OF_NVTT = 0xC0000000  # sRGB and "a normal map", which say nothing of the packing
# DDS_HEADER.dwCaps, dwCaps2, and DDS_HEADER_DXT10.miscFlag, resourceDimension
TEXTURE, CAPS_OF_MIPS, CUBE, VOLUME, DX10_CUBE, DX10_2D, DX10_3D = 0x1000, 0x400008, 0x200, 0x200000, 0x4, 3, 4
PREMULTIPLIED = 2  # DDS_HEADER_DXT10.miscFlags2, its lowest three bits

_HEADER = struct.Struct("<4s7I44x2I4s5I2I12x")
_EXTENSION = struct.Struct("<5I")
_SIZE, _FORMAT_SIZE = 124, 32
_WRITTEN_SIZES, _WRITTEN_FORMAT_SIZES = (_SIZE, 24), (_FORMAT_SIZE, 24, 0)  # STALKER; FlatOut 2, UT 2004
_FOURCC_BLOCKS = {
    b"DXT1": "bc1", b"DXT2": "bc2", b"DXT3": "bc2", b"DXT4": "bc3", b"DXT5": "bc3",
    b"ATI1": "bc4", b"BC4U": "bc4", b"BC4S": "bc4", b"ATI2": "bc5", b"BC5U": "bc5", b"BC5S": "bc5",
}  # fmt: skip
# Each in the order typeless, unsigned, sRGB; BC4, BC5 and BC6H have signed numbers in place of sRGB.
_DXGI_FIRST = {"bc1": 70, "bc2": 73, "bc3": 76, "bc4": 79, "bc5": 82, "bc6": 94, "bc7": 97}
_DXGI_BLOCKS = {first + k: block for block, first in _DXGI_FIRST.items() for k in range(3)}
_SIGNED = (b"BC4S", b"BC5S", 81, 84, 96)
_BLOCK_BYTES = {"bc1": 8, "bc4": 8}  # the others 16
BLOCK_SIDE = 4  # texels


@dataclass(frozen=True, slots=True)
class DdsHeader:
    """The fields of a header as stored; the five of the DX10 extension are None where there is none."""

    width: int
    height: int
    flags: int = CAPS_HEIGHT_WIDTH_FORMAT
    pitch: int = 0
    """Bytes of a row, or of the whole level 0 of blocks; what writers put here varies."""
    depth: int = 0
    mips: int = 0
    """Levels, counting the largest; 0 says the same as 1."""
    format_flags: int = 0
    fourcc: bytes = b""
    """Four bytes, or none where the flags say that they mean nothing; old float formats have a number here."""
    bits: int = 0
    masks: tuple[int, int, int, int] = (0, 0, 0, 0)
    caps: int = TEXTURE
    caps2: int = 0
    dxgi: int | None = None
    dimension: int | None = None
    misc: int | None = None
    array_size: int | None = None
    misc2: int | None = None

    @property
    def block(self) -> str | None:
        """The block compression, "bc1" to "bc7", signed ones too; None for pixels and formats that are not known."""
        return _FOURCC_BLOCKS.get(self.fourcc) if self.dxgi is None else _DXGI_BLOCKS.get(self.dxgi)

    @property
    def is_signed(self) -> bool:
        """Whether blocks hold -1..1."""
        return self.fourcc in _SIGNED or self.dxgi in _SIGNED

    @property
    def extra(self) -> str:
        """What the file is beyond one picture: "cube map", "volume", "array" or ""."""
        if self.caps2 & CUBE or (self.misc or 0) & DX10_CUBE:
            return "cube map"
        if self.caps2 & VOLUME or (self.flags & HAS_DEPTH and self.depth > 1) or self.dimension == DX10_3D:
            return "volume"
        return "array" if (self.array_size or 0) > 1 else ""

    @property
    def start(self) -> int:
        """Bytes before the pixels."""
        return _HEADER.size + (0 if self.dxgi is None else _EXTENSION.size)


def parse_dds(data: bytes, *, permissive: bool = False) -> DdsHeader:
    """Return the header of a file from its first ``HEADER_SIZE`` bytes; formats that texup cannot redo are no fault.

    Args:
        data: the file, or its beginning.
        permissive: read the wrong headers that games ship as Direct3D's permissive loader does: other sizes of the two
            structures, a FourCC without its flag, more levels than there can be. As of any, ``pack_header`` writes
            them right.

    Raises:
        UnreadableTexture: no DDS, truncated, an impossible size, or more levels than a picture of that size has.
    """
    if len(data) < _HEADER.size:
        raise UnreadableTexture("it is truncated in the header")
    magic, size, flags, height, width, pitch, depth, mips, format_size, kind, fourcc, bits, *rest = _HEADER.unpack_from(
        data
    )
    is_right = size == _SIZE and format_size == _FORMAT_SIZE
    is_known = size in _WRITTEN_SIZES and format_size in _WRITTEN_FORMAT_SIZES and permissive and fourcc != b"DX10"
    if magic != SIGNATURE or not (is_right or is_known) or not width or not height:
        raise UnreadableTexture("its header makes no sense")
    most = max(width, height, depth if flags & HAS_DEPTH else 0).bit_length()
    if mips > most and not permissive:
        raise UnreadableTexture(f"its header makes no sense: {mips} mips of {width} x {height} pixels")
    if permissive:
        kind, fourcc = _kind_as_meant(kind, fourcc, has_masks=any(rest[:4]))
    fourcc = fourcc if kind & FOURCC else b""
    r, g, b, a, caps, caps2 = rest
    known = (width, height, flags, pitch, depth, min(mips, most), kind, fourcc, bits, (r, g, b, a), caps, caps2)
    if fourcc != b"DX10":
        return DdsHeader(*known)
    if len(data) < HEADER_SIZE:
        raise UnreadableTexture("it is truncated in the header")
    return DdsHeader(*known, *_EXTENSION.unpack_from(data, _HEADER.size))


def _kind_as_meant(kind: int, fourcc: bytes, *, has_masks: bool) -> tuple[int, bytes]:
    """Return the flags of a pixel format and its FourCC where one of them was forgotten."""
    kind &= ~_MARKS_OF_NVTT
    if not kind and any(fourcc):
        return FOURCC, fourcc
    return (kind & ~FOURCC, b"") if has_masks and not any(fourcc) else (kind, fourcc)


def pack_header(header: DdsHeader) -> bytes:
    """Return the bytes of a header, the inverse of :func:`parse_dds`."""
    head = _HEADER.pack(
        SIGNATURE, _SIZE, header.flags, header.height, header.width, header.pitch, header.depth, header.mips,
        _FORMAT_SIZE, header.format_flags, header.fourcc, header.bits, *header.masks, header.caps, header.caps2,
    )  # fmt: skip
    if header.dxgi is None:
        return head
    return head + _EXTENSION.pack(header.dxgi, header.dimension, header.misc, header.array_size, header.misc2)


def level_sizes(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Yield width and height of each level, the given one first, each half the one before, down to 1 x 1."""
    yield width, height
    while max(width, height) > 1:
        width, height = max(width // 2, 1), max(height // 2, 1)
        yield width, height


def blocks_bytes(block: str, width: int, height: int) -> int:
    """Return the bytes of one level of 4 x 4 blocks."""
    return -(-width // BLOCK_SIDE) * -(-height // BLOCK_SIDE) * _BLOCK_BYTES.get(block, 16)


def dxgi_of(block: str, *, srgb: bool = False) -> int:
    """Return the format number of unsigned blocks."""
    return _DXGI_FIRST[block] + (2 if srgb else 1)
