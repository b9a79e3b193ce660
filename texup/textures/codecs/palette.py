"""Colours and the entries of a palette that stand for them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PIECE = 1 << 14  # colours matched at once: 16384 x 256 distances are 32 MiB
_TIE = 1e-3  # weight of the colour under alpha: enough to find an equal entry again, too little to beat what is seen


def entries(palette: bytes) -> NDArray[np.uint8]:
    """Return all 256 entries (256, 4) of a palette of RGBA quadruples; indices past its end show opaque black."""
    table = np.tile(np.array([0, 0, 0, 255], np.uint8), (256, 1))
    colours = np.frombuffer(palette, np.uint8).reshape(-1, 4)[:256]
    table[: len(colours)] = colours
    return table


def _features(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    values = colours.astype(np.float64)
    seen = values[:, :3] * values[:, 3:] / 255
    return np.concatenate((seen, values[:, 3:], values[:, :3] * _TIE), axis=1)


def nearest(pixels: NDArray[np.uint8], palette: bytes) -> NDArray[np.uint8]:
    """Return the indices (H, W) of the palette entries nearest to ``pixels`` (H, W, 3 or 4).

    The distance is Euclidean over alpha and colour weighted by alpha, so that a transparent pixel finds a transparent
    entry whatever colour lies under it. A pixel equal to an entry gets an equal entry.
    """
    rgba = np.full((*pixels.shape[:2], 4), 255, np.uint8)
    rgba[..., : pixels.shape[2]] = pixels
    packed, inverse = np.unique(rgba.view(np.uint32), return_inverse=True)
    wanted = _features(packed.view(np.uint8).reshape(-1, 4))
    known = _features(np.frombuffer(palette, np.uint8).reshape(-1, 4)[:256])
    lengths = (known**2).sum(axis=1)
    found = np.empty(len(wanted), np.uint8)
    for start in range(0, len(wanted), _PIECE):
        piece = slice(start, start + _PIECE)
        found[piece] = (lengths - 2 * wanted[piece] @ known.T).argmin(axis=1)
    return found[inverse].reshape(pixels.shape[:2])
