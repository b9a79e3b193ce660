"""DDS: one picture of bit fields or blocks, and its smaller levels. Everything else is named and refused.

References:
    Microsoft, Direct3D programming guide, "DDS_HEADER", "DDS_PIXELFORMAT", "DDS_HEADER_DXT10" and "DXGI_FORMAT".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from texup.errors import UnreadableTexture, UnsupportedTexture
from texup.textures.blocks.bc7 import NEEDS_EXTRA
from texup.textures.blocks.ispc import Quality
from texup.textures.blocks.levels import can_compress, decode_blocks, encode_blocks
from texup.textures.codecs import dds_header as fields
from texup.textures.codecs.bitfields import is_valid, pack_pixels, unpack_pixels
from texup.textures.codecs.dds_header import (
    BLOCK_SIDE,
    DdsHeader,
    blocks_bytes,
    dxgi_of,
    level_sizes,
    pack_header,
    parse_dds,
)
from texup.textures.texture import Container, Layout, Texture

SIGNATURE = fields.SIGNATURE
MAX_SIDE = 2**31 - 1

_RGB, _BGR = (0xFF, 0xFF00, 0xFF0000), (0xFF0000, 0xFF00, 0xFF)  # the first channel's byte comes first, or last
_PLAIN = {
    1: Layout(1, (0xFF,)),
    2: Layout(2, (0xFF, 0xFF00)),
    3: Layout(3, _BGR),
    4: Layout(4, (*_BGR, 0xFF000000)),
}
_RGBA8, _BGRA8, _BGRX8 = Layout(4, (*_RGB, 0xFF000000)), Layout(4, (*_BGR, 0xFF000000)), Layout(4, _BGR)
_DXGI_LAYOUTS = {
    27: _RGBA8, 28: _RGBA8, 29: _RGBA8, 87: _BGRA8, 90: _BGRA8, 91: _BGRA8, 88: _BGRX8, 92: _BGRX8, 93: _BGRX8,
    60: _PLAIN[1], 61: _PLAIN[1], 85: Layout(2, (0xF800, 0x7E0, 0x1F)), 86: Layout(2, (0x7C00, 0x3E0, 0x1F, 0x8000)),
    115: Layout(2, (0xF00, 0xF0, 0xF, 0xF000)),
}  # fmt: skip
_FOURCCS = {"bc1": b"DXT1", "bc2": b"DXT3", "bc3": b"DXT5", "bc4": b"ATI1", "bc5": b"ATI2"}
_PREMULTIPLIED = {"bc2": b"DXT2", "bc3": b"DXT4"}


def _layout(head: DdsHeader) -> Layout | None:
    """Return the packing of plain pixels, or None for other than 8-bit channels: odd masks, wider, signed, palettes."""
    if head.dxgi is not None:
        return _DXGI_LAYOUTS.get(head.dxgi)
    kind, masks = head.format_flags, head.masks
    alpha_is_clear = bool(kind & fields.ALPHA) == bool(masks[3])  # where flag and mask differ, loaders differ too
    if kind & ~fields.ALPHA not in (fields.RGB, fields.GREY) or head.bits not in (8, 16, 24, 32) or not alpha_is_clear:
        return None
    colours = masks[:1] if kind & fields.GREY else masks[:3]
    layout = Layout(head.bits // 8, colours + masks[3:] if kind & fields.ALPHA else colours)
    return layout if is_valid(layout) else None


def _mode(head: DdsHeader) -> str:
    """Return how the file stores pixels, in words."""
    if head.dxgi is not None:
        name = f"DX10 format {head.dxgi}"
        name = f"{head.block.upper()}, {name}" if head.block else name
    elif head.fourcc:
        name = (
            head.fourcc.decode("ascii") if head.fourcc.isalnum() else f"format {int.from_bytes(head.fourcc, 'little')}"
        )
    else:
        name = _packing(head)
    levels = f"{head.mips} mips" if head.mips > 1 else ""
    return " with ".join(filter(None, (f"{name} {head.extra}".rstrip(), levels)))


def _packing(head: DdsHeader) -> str:
    kind = head.format_flags
    name = "grey" if kind & fields.GREY else "RGB" if kind & fields.RGB else "uncompressed pixels"
    packing = "-".join(str(mask.bit_count()) for mask in head.masks if mask)
    return f"{name}, {head.bits} bits a pixel ({packing})" if packing else f"{name}, {head.bits} bits a pixel"


def header(data: bytes) -> tuple[int, int, str]:
    """Return width, height and how the pixels are stored, from the first 148 bytes; also for kinds that are refused."""
    head = parse_dds(data, permissive=True)
    return head.width, head.height, _mode(head)


def must_copy(data: bytes, *, rewritten: bool = True) -> str | None:
    """Return why a sound DDS has to be left as it is, one clause for people, or None if texup can redo it.

    Args:
        data: the file, or its first 148 bytes.
        rewritten: the result is a DDS in kind; with False it is another format, for which reading is enough.

    Raises:
        UnreadableTexture: the header is damaged.
    """
    head = parse_dds(data, permissive=True)
    if head.extra:
        return f"{_mode(head)}: texup redoes single pictures only"
    if head.is_signed:
        return f"{_mode(head)}: texup writes no signed values"
    if head.block == "bc6" or (head.block is None and _layout(head) is None):
        return f"{_mode(head)}: texup writes no such pixels"
    if head.block and rewritten and not can_compress(head.block):
        return NEEDS_EXTRA
    return None


def decode(data: bytes) -> Texture:
    """Decode level 0 of a DDS of blocks, or of pixels whose channels have 1 to 8 bits each.

    Pixels of BC4 are grey, those of BC5 RGB with the Z of a unit vector as the third channel; BC1 without a hole has no
    alpha. Typeless formats are read as unsigned.

    Raises:
        UnreadableTexture: damaged, or cut off within a level.
        UnsupportedTexture: cube map, volume, array, signed or float values, or channels of more than 8 bits.
    """
    head = parse_dds(data, permissive=True)
    reason = must_copy(data, rewritten=False)
    if reason:
        raise UnsupportedTexture(f"{reason}; it is left as it is")
    block, layout = head.block, _layout(head)
    if not _is_whole(head, layout, len(data) - head.start):
        raise UnreadableTexture(f"it is truncated, {_mode(head)} of {head.width} x {head.height} pixels takes more")
    first = data[head.start : head.start + _level_bytes(block, layout, head.width, head.height)]
    if block:
        pixels = decode_blocks(first, block, head.width, head.height)
    else:
        assert layout is not None
        stored = np.frombuffer(first, np.uint8).reshape(head.height, head.width, layout.size)
        pixels = unpack_pixels(stored, layout)
    container = _container(head, layout)
    return Texture(_straight(pixels) if container.premultiplied else pixels, container)


def _is_whole(head: DdsHeader, layout: Layout | None, size: int) -> bool:
    """Tell whether ``size`` bytes hold levels 0 to n wholly and nothing of a level n + 1.

    Games ship files whose header counts more levels than they hold. A file that ends within a level was cut off, but
    for levels smaller than a block, of which old writers wrote too few bytes.
    """
    sizes = islice(level_sizes(head.width, head.height), max(head.mips, 1))
    for k, (width, height) in enumerate(sizes):
        needed = _level_bytes(head.block, layout, width, height)
        if size < needed:
            return k > 0 and (size == 0 or (head.block is not None and max(width, height) < BLOCK_SIDE))
        size -= needed
    return True


def _container(head: DdsHeader, layout: Layout | None) -> Container:
    usual = (b"", b"DX10", *_FOURCCS.values(), *_PREMULTIPLIED.values())
    return Container(
        "dds",
        layout=layout,
        block=head.block,
        fourcc=b"" if head.fourcc in usual else head.fourcc,
        dxgi=head.dxgi or 0,
        premultiplied=head.fourcc in _PREMULTIPLIED.values() or (head.misc2 or 0) & 7 == fields.PREMULTIPLIED,
        mips=head.mips > 1,
    )


def _level_bytes(block: str | None, layout: Layout | None, width: int, height: int) -> int:
    if block:
        return blocks_bytes(block, width, height)
    assert layout is not None  # else must_copy has a reason
    return width * height * layout.size


def _straight(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return pixels whose colour was multiplied by alpha as straight ones, and 0 where nothing can be known."""
    if pixels.shape[2] in (1, 3):
        return pixels
    alpha = pixels[..., -1:].astype(np.uint32)
    colour = (pixels[..., :-1] * np.uint32(255) + alpha // 2) // np.maximum(alpha, 1)
    return np.concatenate([np.minimum(colour, 255).astype(np.uint8) * (alpha > 0), pixels[..., -1:]], axis=2)


def _multiplied(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return straight pixels with their colour multiplied by alpha."""
    if pixels.shape[2] in (1, 3):
        return pixels
    colour = (pixels[..., :-1] * pixels[..., -1:].astype(np.uint32) + 127) // 255
    return np.concatenate([colour.astype(np.uint8), pixels[..., -1:]], axis=2)


def encode(pixels: NDArray[np.uint8], container: Container, quality: Quality = "fast") -> bytes:
    """Return a DDS of one level, with the blocks or masks and the kind of header of the source."""
    return encode_levels([pixels], container, quality)


def encode_levels(levels: Sequence[NDArray[np.uint8]], container: Container, quality: Quality = "fast") -> bytes:
    """Return a DDS of levels (H, W, C), the largest first, each half the one before; ``quality`` is that of BC7.

    Raises:
        UnsupportedTexture: the blocks cannot hold such channels, levels differ in channels, or BC7 without the packages
            that make it.
    """
    if not container.block and len({level.shape[2] for level in levels}) > 1:
        raise UnsupportedTexture("the levels of a DDS need the same channels")
    layout = container.layout
    if layout is None or len(layout.masks) != levels[0].shape[2]:
        layout = _PLAIN[levels[0].shape[2]]
    head = _with_format(_size_header(levels, container.block, layout), levels[0].shape[2], container, layout)
    if container.premultiplied:
        levels = [_multiplied(level) for level in levels]
    if container.block:
        bodies = [encode_blocks(level, container.block, quality) for level in levels]
    else:
        bodies = [pack_pixels(level, layout).tobytes() for level in levels]
    return pack_header(head) + b"".join(bodies)


def _size_header(levels: Sequence[NDArray[np.uint8]], block: str | None, layout: Layout) -> DdsHeader:
    """Return a header that says how large its levels are, as the loaders of games check it.

    The flags of pitch and size never stand together, and the size is that of level 0.
    """
    height, width, _ = levels[0].shape
    pitch = blocks_bytes(block, width, height) if block else width * layout.size
    flags = fields.CAPS_HEIGHT_WIDTH_FORMAT | (fields.HAS_SIZE if block else fields.HAS_PITCH)
    if len(levels) == 1:
        return DdsHeader(width, height, flags, pitch)
    caps = fields.TEXTURE | fields.CAPS_OF_MIPS
    return DdsHeader(width, height, flags | fields.HAS_MIPS, pitch, mips=len(levels), caps=caps)


def _with_format(head: DdsHeader, channels: int, container: Container, layout: Layout) -> DdsHeader:
    """Return a header that says how pixels are stored: with a DX10 extension, in blocks, or by masks."""
    alpha = fields.ALPHA if channels in (2, 4) else 0
    block, number = container.block, container.dxgi
    if block == "bc7" and not number:
        number = dxgi_of(block)
    if number and (block or _DXGI_LAYOUTS.get(number) == layout):
        mode = fields.PREMULTIPLIED if container.premultiplied else 0
        head = replace(head, dxgi=number, dimension=fields.DX10_2D, misc=0, array_size=1, misc2=mode)
        return replace(head, format_flags=fields.FOURCC | alpha, fourcc=b"DX10")
    if block:
        usual = _PREMULTIPLIED.get(block, b"") if container.premultiplied else b""
        fourcc = container.fourcc or usual or _FOURCCS[block]
        return replace(head, format_flags=fields.FOURCC | alpha, fourcc=fourcc)
    kind = fields.GREY if channels <= 2 else fields.RGB
    red, green, blue = (*(layout.masks[:-1] if alpha else layout.masks), 0, 0)[:3]
    masks = (red, green, blue, layout.masks[-1] if alpha else 0)
    return replace(head, format_flags=kind | alpha, bits=8 * layout.size, masks=masks)
