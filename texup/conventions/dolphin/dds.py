"""Which DDS files Dolphin takes.

References:
    dolphin-emu/dolphin, Source/Core/VideoCommon/Assets/CustomTextureData.cpp, ParseDDSHeader and ReadMipLevel.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from texup.textures.codecs import dds_header as dds
from texup.textures.codecs.dds_header import DdsHeader, blocks_bytes, level_sizes

_FOURCC = {b"DXT1": "bc1", b"DXT3": "bc2", b"DXT5": "bc3"}
_DXGI = {71: "bc1", 74: "bc2", 77: "bc3", 98: "bc7"}  # sRGB and typeless variants are refused
_PIXELS = {  # flags, bits, masks of red, green, blue, alpha
    (dds.RGB | dds.ALPHA, 32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
    (dds.RGB, 32, (0xFF0000, 0xFF00, 0xFF, 0)),
    (dds.RGB | dds.ALPHA, 32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
    (dds.RGB, 32, (0xFF, 0xFF00, 0xFF0000, 0)),
    (dds.RGB, 24, (0xFF0000, 0xFF00, 0xFF, 0)),
}


def coding(header: DdsHeader) -> str:
    """Return the pixel format that Dolphin keeps a file in: a block coding, "rgba8", or "" where it refuses it."""
    if header.dxgi is not None:
        return _DXGI.get(header.dxgi, "")
    if header.fourcc:
        return _FOURCC.get(header.fourcc, "")
    return "rgba8" if (header.format_flags, header.bits, header.masks) in _PIXELS else ""


def levels(header: DdsHeader) -> int:
    """Return how many levels Dolphin reads from a file."""
    if not header.flags & dds.HAS_MIPS:
        return 1
    return header.mips or len(list(level_sizes(header.width, header.height)))


def faults(header: DdsHeader, size: int, *, is_first: bool) -> Iterator[str]:
    """Yield why Dolphin refuses a file of ``size`` bytes; ``is_first`` stands for level 0 of a texture."""
    if header.flags & dds.CAPS_HEIGHT_WIDTH_FORMAT != dds.CAPS_HEIGHT_WIDTH_FORMAT:
        yield "the header lacks one of the flags 0x1007"
    if header.flags & dds.HAS_DEPTH:
        yield "it is a volume"
    if header.caps2 & dds.CUBE:
        yield "it is a cube map"
    if header.dxgi is not None and header.array_size != 1:
        yield f"its array size is {header.array_size}, but must be 1"
    found = coding(header)
    if not found:
        yield _refused(header)
        return
    if found != "rgba8" and is_first and (header.width % 4 or header.height % 4):
        yield f"blocks need sides that are multiples of 4, not {header.width} x {header.height}"
    if header.flags & dds.HAS_PITCH and header.flags & dds.HAS_SIZE and header.pitch != _row(header, found):
        yield "it sets both flags of pitch and size, so that its wrong pitch is believed"
    elif size < header.start + _bytes(header, found):
        yield "it is shorter than its header says"


def _refused(header: DdsHeader) -> str:
    if header.dxgi is not None:
        srgb = header.dxgi in {number + 1 for number in _DXGI}
        return f"DXGI format {header.dxgi}{' is sRGB: use the plain one' if srgb else ' is none of 71, 74, 77, 98'}"
    if header.fourcc:
        return f"format {header.fourcc.decode('latin-1')!r} is none of DXT1, DXT3, DXT5, DX10"
    return "its packing of pixels is none that Dolphin knows"


def _row(header: DdsHeader, found: str) -> int:
    if found == "rgba8":
        return header.width * header.bits // 8
    return blocks_bytes(found, header.width, 1)


def _bytes(header: DdsHeader, found: str) -> int:
    sizes = islice(level_sizes(header.width, header.height), levels(header))
    if found == "rgba8":
        return sum(width * height * header.bits // 8 for width, height in sizes)
    return sum(blocks_bytes(found, width, height) for width, height in sizes)
