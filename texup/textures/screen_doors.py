"""Alpha that is dithered: the screen doors with which games without blending drew glass, shadows and fades.

Enlarged by a net, single dots join to bars and a fade becomes stripes. Where such a pattern is found its texels are
repeated, so that as much shows through as before, or, where the user asks for it, they are averaged to a gradient.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texup.textures.color import Plane, blur
from texup.textures.seams import Edges

PERIODS = (2, 3, 4)  # texels: the matrices that games dither with
WINDOW = 8  # texels: two of the longest period
MAX_LEVELS = 4  # of alpha; more is a gradient already
REPEATED = 0.9  # share of texels that equal that of one period before, on either axis
BUSY = 0.8  # changes a texel, of both axes together: 1 for scan lines and dots of a quarter, 2 for a chessboard
MINORITY = 0.1  # share of the rarer of opaque and not opaque
FADE_SIGMA = 1.5  # texels of blur that leave nothing of a period of 4


def screen_doors(alpha: Plane) -> NDArray[np.bool_]:
    """Return which texels (H, W) of an alpha plane (H, W, 1) belong to a regular pattern of a period of 2 to 4 texels.

    A texel does where one of the windows that contain it repeats itself on both axes and changes often. In 3,292
    alphas of four packs these bounds find one logo of dots. Wider bars, as those of outlines, are no dither.
    """
    values = alpha[..., 0]
    height, width = values.shape
    levels = np.unique(values)
    if min(height, width) < WINDOW or not 2 <= len(levels) <= MAX_LEVELS:
        return np.zeros((height, width), np.bool_)
    opaque = _means(values == levels[-1], (WINDOW, WINDOW))
    rows, columns = opaque.shape
    changes = sum(_means(~_equal(values, 1, axis), _window(1, axis))[:rows, :columns] for axis in (0, 1))
    found = (changes >= BUSY) & (np.minimum(opaque, 1 - opaque) >= MINORITY)
    for axis in (0, 1):
        if not found.any():  # as nearly everywhere: what repeats itself takes most of the time
            return np.zeros((height, width), np.bool_)
        same = [_means(_equal(values, period, axis), _window(period, axis)) for period in PERIODS]
        found &= np.max([s[:rows, :columns] for s in same], axis=0) >= REPEATED
    around = np.pad(found, WINDOW - 1)
    return _means(around, (WINDOW, WINDOW)) > 0


def fade(alpha: Plane, edges: Edges) -> Plane:
    """Return an alpha plane (H, W, 1) whose screen doors are gradients."""
    return np.where(screen_doors(alpha)[..., None], blur(alpha, FADE_SIGMA, edges), alpha).astype(np.float32)


def _equal(values: NDArray[np.float32], period: int, axis: int) -> NDArray[np.bool_]:
    """Return which texels equal the one ``period`` further on an axis, which gets that much shorter."""
    rows = values.swapaxes(axis, 0)
    equal: NDArray[np.bool_] = rows[period:] == rows[:-period]
    return equal.swapaxes(0, axis)


def _window(period: int, axis: int) -> tuple[int, int]:
    """Return the sides of a window of comparisons between the texels of a ``WINDOW``."""
    return (WINDOW - period, WINDOW) if axis == 0 else (WINDOW, WINDOW - period)


def _means(mask: NDArray[np.bool_], window: tuple[int, int]) -> NDArray[np.float64]:
    """Return the share of set texels of every window (rows, columns) that fits into a mask."""
    rows, columns = window
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int32)
    inner = sums[1:, 1:]
    np.cumsum(np.cumsum(mask, axis=0, out=inner), axis=1, out=inner)
    counts = sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns] + sums[:-rows, :-columns]
    return counts / (rows * columns)
