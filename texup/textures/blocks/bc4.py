"""BC4 blocks: one channel as two values of 8 bits and a step between them for each of 16 texels.

BC3 stores its alpha and BC5 each of its channels in such blocks.

References:
    Microsoft, Direct3D 11 programming guide, "Texture block compression": the block and its two palettes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

_CHUNK = 8192  # blocks whose numbers fit a cache


def encode_channel(values: Bytes) -> Bytes:
    """Return blocks (N, 8) for values (N, 16): eight even steps, or six and exactly 0 and 255, whichever is nearer."""
    out = np.empty((len(values), 8), np.uint8)
    for start in range(0, len(values), _CHUNK):
        part = values[start : start + _CHUNK].astype(np.int16)
        even = _coded(part, part.max(axis=1), part.min(axis=1))
        inner = (part > 0) & (part < 255)
        some = inner.any(axis=1)
        low = np.where(some, np.where(inner, part, 255).min(axis=1), 0).astype(np.int16)
        high = np.where(some, np.where(inner, part, 0).max(axis=1), 0).astype(np.int16)
        exact = _coded(part, low, high)
        out[start : start + _CHUNK] = np.where((exact[1] < even[1])[:, None], exact[0], even[0])
    return out


def _coded(
    values: NDArray[np.int16], first: NDArray[np.int16], second: NDArray[np.int16]
) -> tuple[Bytes, NDArray[np.int64]]:
    """Return blocks with the given ends, and the squared error of each."""
    palette = _palette(first, second)
    code = np.zeros(values.shape, np.uint64)
    least = np.abs(values - palette[:, :1])
    for k in range(1, 8):
        away = np.abs(values - palette[:, k : k + 1])
        code[away < least] = k
        least = np.minimum(least, away)
    bits = (code << np.arange(0, 48, 3, dtype=np.uint64)).sum(axis=1, dtype=np.uint64)
    ends = np.stack([first, second], axis=1).astype(np.uint8)
    blocks = np.concatenate([ends, bits.astype("<u8")[:, None].view(np.uint8)[:, :6]], axis=1)
    return blocks, (least.astype(np.int64) ** 2).sum(axis=1)


def _palette(first: NDArray[np.int16], second: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the eight values (N, 8) that a block with these ends (N,) shows."""
    a, b = first[:, None], second[:, None]
    seven, five = np.arange(1, 7, dtype=np.int16), np.arange(1, 5, dtype=np.int16)
    even = np.concatenate([a, b, ((7 - seven) * a + seven * b) // 7], axis=1)
    edge = np.concatenate([a, b, ((5 - five) * a + five * b) // 5, np.zeros_like(a), np.full_like(a, 255)], axis=1)
    return np.where(a > b, even, edge)
