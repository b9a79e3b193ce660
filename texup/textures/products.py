"""Weighed sums of neighbouring rows and columns, as products of small matrices.

Sums of shifted planes, one tap after the other, take three to seven times as long: each is a pass over the whole plane.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]

LARGEST = 1 << 18  # multiplications of a product; for more OpenBLAS wakes threads, which keep the cores of other lanes


def over_rows(weights: Values, plane: Values, step: int) -> Values:
    """Return sums over windows of rows.

    Args:
        weights: (N, K), what the K rows of a window count in each of N sums.
        plane: (R, M).
        step: rows from one window to the next; the last one ends with the plane.

    Returns:
        (windows * N, M).
    """
    (sums, taps), (height, width) = weights.shape, plane.shape
    plane = np.ascontiguousarray(plane)
    count, (down, along) = (height - taps) // step + 1, plane.strides
    windows = np.ndarray((count, taps, width), np.float32, plane, strides=(step * down, down, along))
    joined = np.empty((count, sums, width), np.float32)
    most = max(1, LARGEST // weights.size)
    for left in range(0, width, most):
        np.matmul(weights, windows[..., left : left + most], out=joined[..., left : left + most])
    return joined.reshape(count * sums, width)


def over_columns(weights: Values, plane: Values, step: int) -> Values:
    """Return sums over windows of columns, (R, windows * N); see ``over_rows``."""
    (sums, taps), (height, width) = weights.shape, plane.shape
    plane = np.ascontiguousarray(plane)
    count, (down, along) = (width - taps) // step + 1, plane.strides
    windows = np.ndarray((count, height, taps), np.float32, plane, strides=(step * along, down, along))
    joined = np.empty((height, count, sums), np.float32)
    most = max(1, LARGEST // weights.size)
    for top in range(0, height, most):
        np.matmul(windows[:, top : top + most], weights.T, out=joined[top : top + most].swapaxes(0, 1))
    return joined.reshape(height, count * sums)
