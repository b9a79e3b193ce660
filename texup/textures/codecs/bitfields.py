"""Samples of fewer than 8 bits and pixels packed into bit fields, to and from uint8."""

from __future__ import annotations

from functools import reduce
from operator import or_

import numpy as np
from numpy.typing import NDArray

from texup.textures.texture import Layout

Bytes = NDArray[np.uint8]

# Repeating the bits fills 0..255 evenly (5 bits: v << 3 | v >> 2) and is what GPUs and old loaders show.
_SPREAD = {n: np.array([int((f"{v:0{n}b}" * 8)[:8], 2) for v in range(1 << n)], np.uint8) for n in range(1, 9)}


def spread(values: NDArray[np.integer], bits: int) -> Bytes:
    """Return ``values`` of ``bits`` bits (1 to 8) spread over 0..255."""
    return np.take(_SPREAD[bits], values)


def narrow(samples: Bytes, bits: int) -> Bytes:
    """Return the nearest values of ``bits`` bits (1 to 8); the inverse of :func:`spread`."""
    return ((samples.astype(np.uint32) * ((1 << bits) - 1) + 127) // 255).astype(np.uint8)


def is_valid(layout: Layout) -> bool:
    """Return whether every mask is one run of 1 to 8 bits inside the pixel and none overlap."""
    runs = all(m and m.bit_count() <= 8 and m.bit_length() - _shift(m) == m.bit_count() for m in layout.masks)
    return runs and sum(layout.masks) < 1 << 8 * layout.size and sum(layout.masks) == reduce(or_, layout.masks)


def _shift(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def unpack_pixels(stored: Bytes, layout: Layout) -> Bytes:
    """Return samples (..., C) from the bytes of pixels (..., size)."""
    values = _as_integers(stored)
    channels = [spread((values & m) >> _shift(m), m.bit_count()) for m in layout.masks]
    return np.stack(channels, axis=-1)


def pack_pixels(pixels: Bytes, layout: Layout) -> Bytes:
    """Return the bytes of pixels (..., size) for samples (..., C); the inverse of :func:`unpack_pixels`."""
    values = np.zeros(pixels.shape[:-1], "<u4")
    for k, mask in enumerate(layout.masks):
        values |= narrow(pixels[..., k], mask.bit_count()).astype("<u4") << np.uint32(_shift(mask))
    return values[..., None].view(np.uint8)[..., : layout.size]


def _as_integers(stored: Bytes) -> NDArray[np.uint32]:
    padded = np.zeros((*stored.shape[:-1], 4), np.uint8)
    padded[..., : stored.shape[-1]] = stored
    return padded.view("<u4")[..., 0]


def without_unused_alpha(pixels: Bytes, layout: Layout) -> tuple[Bytes, Layout]:
    """Drop an alpha channel that the file does not declare and that is zero everywhere.

    Many old tools leave the alpha count of a 32-bit TGA or BMP at 0 and still store alpha, and engines use it; others
    leave the fourth byte 0, and taking that for alpha would make the whole picture invisible.
    """
    if pixels.shape[-1] in (1, 3) or layout.declared or pixels[..., -1].any():
        return pixels, layout
    return pixels[..., :-1], Layout(layout.size, layout.masks[:-1])


def unpack_rows(rows: Bytes, width: int, bits: int) -> Bytes:
    """Return values (H, width) of ``bits`` bits (1, 4, 8) from rows of bytes (H, stride), first in the high bits."""
    single = np.unpackbits(rows, axis=1).reshape(len(rows), -1, bits)[:, :width]
    return np.packbits(single, axis=2)[..., 0] >> np.uint8(8 - bits)


def pack_rows(values: Bytes, bits: int) -> Bytes:
    """Return rows of bytes (H, ceil(width * bits / 8)) for values (H, width); the inverse of :func:`unpack_rows`."""
    single = np.unpackbits(values[..., None], axis=2)[..., 8 - bits :]
    return np.packbits(single.reshape(len(values), -1), axis=1)
