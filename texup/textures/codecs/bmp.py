"""BMP: 1, 4 and 8-bit palettes, 16, 24 and 32 bits with or without masks. Pillow is not used: it drops alpha.

References:
    Microsoft, Windows GDI, "Bitmap Storage", BITMAPINFOHEADER and BITMAPV4HEADER: fields, padding and defaults.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texup.errors import UnreadableTexture, UnsupportedTexture
from texup.textures.codecs.bitfields import (
    is_valid,
    narrow,
    pack_pixels,
    pack_rows,
    spread,
    unpack_pixels,
    unpack_rows,
    without_unused_alpha,
)
from texup.textures.codecs.palette import entries
from texup.textures.texture import Container, Layout, Texture

SIGNATURE = b"BM"
MAX_SIDE = 2**31 - 1
_FILE = struct.Struct("<2sI4xI")  # signature, file size, offset of the pixels
_CORE = struct.Struct("<IHHHH")  # OS/2: size, width, height, planes, bits
_INFO = struct.Struct(
    "<IiiHHIIiiII"
)  # size, width, height, planes, bits, compression, bytes, resolution x 2, colours x 2
_MASKS_AT = _FILE.size + _INFO.size  # inside newer headers, behind the oldest one
_RGB, _BITFIELDS, _ALPHA_BITFIELDS = 0, 3, 6
_V4_SIZE, _SRGB = 108, 0x73524742
_RESOLUTION = 2835  # pixels a metre: 72 dpi, as most tools write
_RGB888 = (0xFF0000, 0xFF00, 0xFF)
_UNMASKED = {2: (0x7C00, 0x3E0, 0x1F), 3: _RGB888, 4: _RGB888}  # what the file need not spell out
_PLAIN = {3: Layout(3, _RGB888), 4: Layout(4, (*_RGB888, 0xFF000000))}


@dataclass(frozen=True, slots=True)
class _Head:
    width: int
    height: int
    top_down: bool
    bits: int
    compression: int
    pixels_at: int
    info_size: int
    colours: int

    @property
    def stride(self) -> int:
        return (self.width * self.bits + 31) // 32 * 4


def _parse(data: bytes) -> _Head:
    if len(data) < _FILE.size + _CORE.size:
        raise UnreadableTexture("it is truncated in the header")
    _, _, pixels_at = _FILE.unpack_from(data)
    info_size, width, height, planes, bits = _CORE.unpack_from(data, _FILE.size)
    compression = colours = 0
    if info_size >= _INFO.size:
        if len(data) < _MASKS_AT:
            raise UnreadableTexture("it is truncated in the header")
        _, width, height, planes, bits, compression, _, _, _, colours, _ = _INFO.unpack_from(data, _FILE.size)
    elif info_size != _CORE.size:
        raise UnreadableTexture("its header makes no sense")
    if width <= 0 or height == 0 or planes != 1 or bits not in (1, 4, 8, 16, 24, 32):
        raise UnreadableTexture("its header makes no sense")
    return _Head(
        width=width,
        height=abs(height),
        top_down=height < 0,
        bits=bits,
        compression=compression,
        pixels_at=pixels_at,
        info_size=info_size,
        colours=colours,
    )


def header(data: bytes) -> tuple[int, int, str]:
    """Return width, height and how the pixels are stored, from the first 54 bytes."""
    head = _parse(data)
    return head.width, head.height, f"{'palette' if head.bits <= 8 else 'RGB'}, {head.bits} bits a pixel"


def decode(data: bytes) -> Texture:
    """Decode a BMP.

    A palette that is just the grey ramp gives grey. A plain 32-bit file keeps its fourth bytes as alpha unless all are
    0: the format leaves them undefined, and both kinds are common.

    Raises:
        UnreadableTexture: damaged or truncated.
        UnsupportedTexture: run-length coding, embedded JPEG or PNG, or channels of more than 8 bits.
    """
    head = _parse(data)
    if head.compression not in (_RGB, _BITFIELDS, _ALPHA_BITFIELDS):
        raise UnsupportedTexture("a compressed BMP, which texup cannot write back; save it without compression")
    rows = _rows(head, data)
    if head.bits <= 8:
        return _decode_indexed(head, data, unpack_rows(rows, head.width, head.bits))
    layout = _layout(head, data)
    stored = rows[:, : head.width * layout.size].reshape(head.height, head.width, layout.size)
    pixels, layout = without_unused_alpha(unpack_pixels(stored, layout), layout)
    return Texture(np.ascontiguousarray(pixels), Container("bmp", layout=layout, top_down=head.top_down))


def _rows(head: _Head, data: bytes) -> NDArray[np.uint8]:
    """Return the rows of bytes (H, stride), top row first."""
    body = data[head.pixels_at : head.pixels_at + head.stride * head.height]
    missing = head.stride * head.height - len(body)
    if head.pixels_at < _FILE.size + head.info_size or missing > head.stride - (head.width * head.bits + 7) // 8:
        raise UnreadableTexture("it is truncated, or points to its pixels wrongly")
    rows = np.frombuffer(body + bytes(missing), np.uint8).reshape(
        head.height, head.stride
    )  # some lack the last padding
    return rows if head.top_down else rows[::-1]


def _decode_indexed(head: _Head, data: bytes, indices: NDArray[np.uint8]) -> Texture:
    start, size = _FILE.size + head.info_size, 3 if head.info_size == _CORE.size else 4
    count = min(head.colours or 1 << head.bits, 1 << head.bits)
    table = np.frombuffer(data, np.uint8, count * size, start).reshape(count, size)[:, 2::-1]
    if np.array_equal(table, _ramp(head.bits)):
        return Texture(spread(indices, head.bits)[..., None], Container("bmp", bits=head.bits, top_down=head.top_down))
    palette = np.column_stack((table, np.full(count, 255, np.uint8))).tobytes()
    pixels = np.ascontiguousarray(entries(palette)[indices][..., :3])
    return Texture(pixels, Container("bmp", palette=palette, top_down=head.top_down))


def _ramp(bits: int) -> NDArray[np.uint8]:
    return np.repeat(spread(np.arange(1 << bits), bits)[:, None], 3, axis=1)


def _layout(head: _Head, data: bytes) -> Layout:
    size = head.bits // 8
    if head.compression == _RGB:
        masks = _UNMASKED[size]
        return Layout(size, (*masks, 0xFF000000), declared=False) if size == 4 else Layout(size, masks)
    has_alpha = head.info_size >= 56 or head.compression == _ALPHA_BITFIELDS
    masks = struct.unpack_from("<4I" if has_alpha else "<3I", data, _MASKS_AT)
    layout = Layout(size, masks[:3] + tuple(filter(None, masks[3:])))
    if not is_valid(layout):
        raise UnsupportedTexture(f"a BMP with the channel masks {', '.join(map(hex, masks))}")
    return layout


def encode(pixels: NDArray[np.uint8], container: Container) -> bytes:
    """Return a BMP with the packing and row order of the source.

    Alpha is declared with masks, except where the source was a plain file that implied it.

    Raises:
        UnsupportedTexture: grey with alpha, which BMP cannot hold.
    """
    channels = pixels.shape[2]
    if channels == 1:
        bits = container.bits if container.bits in (1, 4) else 8
        return _file_indexed(narrow(pixels[..., 0], bits), bits, _ramp(bits), container)
    if channels == 2:
        raise UnsupportedTexture("BMP cannot hold grey with alpha; use PNG")
    layout = container.layout
    if layout is None or len(layout.masks) != channels:
        layout = _PLAIN[channels]
    stored = pack_pixels(pixels, layout).reshape(len(pixels), -1)
    if layout.masks[:3] == _UNMASKED[layout.size] and (channels == 3 or not layout.declared):
        return _file(stored, pixels.shape[1], 8 * layout.size, container)
    masks = struct.pack(f"<{channels}I", *layout.masks)
    if channels == 4:
        masks += struct.pack("<I", _SRGB) + bytes(_V4_SIZE - _INFO.size - 20)
    return _file(stored, pixels.shape[1], 8 * layout.size, container, masks)


def encode_indexed(indices: NDArray[np.uint8], container: Container) -> bytes:
    """Return an 8-bit palette BMP of ``indices`` (H, W) into ``container.palette``, which has no alpha."""
    table = np.frombuffer(container.palette or b"", np.uint8).reshape(-1, 4)
    return _file_indexed(indices, 8, table[:, :3], container)


def _file_indexed(indices: NDArray[np.uint8], bits: int, table: NDArray[np.uint8], container: Container) -> bytes:
    colours = np.zeros((len(table), 4), np.uint8)
    colours[:, :3] = table[:, ::-1]
    return _file(pack_rows(indices, bits), indices.shape[1], bits, container, colours.tobytes(), len(table))


def _file(
    rows: NDArray[np.uint8], width: int, bits: int, container: Container, extra: bytes = b"", colours: int = 0
) -> bytes:
    """Return the file for rows of bytes, top row first; ``extra`` follows the 40-byte header: masks or a palette."""
    padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))
    body = (padded if container.top_down else padded[::-1]).tobytes()
    info_size = _V4_SIZE if len(extra) == _V4_SIZE - _INFO.size and not colours else _INFO.size
    compression = _BITFIELDS if extra and not colours else _RGB
    height = -len(rows) if container.top_down else len(rows)
    sizes = (len(body), _RESOLUTION, _RESOLUTION, colours, 0)
    info = _INFO.pack(info_size, width, height, 1, bits, compression, *sizes) + extra
    start = _FILE.size + len(info)
    return _FILE.pack(SIGNATURE, start + len(body), start) + info + body
