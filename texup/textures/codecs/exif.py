"""The one fact of Exif that moves pixels: which way up a picture is."""

from __future__ import annotations

import struct

from texup.textures.texture import Pixels

_ORIENTATION = 0x0112


def orientation(exif: bytes) -> int:
    """Return the orientation 1..8 of an Exif block, 1 (upright) where it says nothing sound.

    References:
        CIPA DC-008 (Exif 2.32), section 4.6.4, tag 0x0112; the block is a TIFF 6.0 file.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for k in range(count):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * k)
            if tag == _ORIENTATION:
                return value if 1 <= value <= 8 else 1
    except struct.error:  # cut off: no reason to refuse a picture whose pixels are whole
        pass
    return 1


def upright(pixels: Pixels, exif: bytes | None) -> Pixels:
    """Return ``pixels`` (H, W, C) turned and mirrored as ``exif`` asks, so that the block can be dropped."""
    turn = orientation(exif) if exif else 1
    if turn >= 5:
        pixels = pixels.swapaxes(0, 1)
    if turn in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if turn in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels if pixels.flags.c_contiguous else pixels.copy()
