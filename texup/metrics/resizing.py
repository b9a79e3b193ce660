"""Bicubic resizing as MATLAB's ``imresize`` does it, the one that the papers of super-resolution mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]

REACH = 2  # the kernel is zero from two samples on


def imresize(image: NDArray[Any], size: tuple[int, int]) -> Plane:
    """Resize (H, W) or (H, W, C) of any range to ``size`` (rows, columns); float64, neither clipped nor rounded.

    Reductions are antialiased, and pictures go on beyond their borders mirrored. Rows are resized before columns.

    References:
        Keys, "Cubic convolution interpolation for digital image processing", TASSP 1981, eq. 15 (a = -1/2).
        MATLAB documentation of ``imresize``: ``'bicubic'`` with ``'Antialiasing'``.
    """
    rows = np.tensordot(_weights(image.shape[0], size[0]), image.astype(np.float64), axes=1)
    resized: Plane = np.moveaxis(np.tensordot(_weights(image.shape[1], size[1]), rows, axes=(1, 1)), 0, 1)
    return resized


def as_bytes(values: Plane) -> NDArray[np.uint8]:
    """Return values of 0..255 as uint8, halves rounded up as MATLAB does."""
    return np.clip(np.floor(values + 0.5), 0, 255).astype(np.uint8)


def _keys(distance: Plane) -> Plane:
    """Return the cubic kernel at distances in samples."""
    x = np.abs(distance)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < REACH, far, 0.0))


def _weights(before: int, after: int) -> Plane:
    """Return the matrix (after, before) that resizes an axis."""
    stretch = max(1.0, before / after)  # a reduction widens the kernel, which is what makes it antialiased
    centres = (np.arange(after) + 0.5) * before / after - 0.5
    first = np.floor(centres - REACH * stretch).astype(np.intp)
    samples = first[:, None] + np.arange(int(np.ceil(2 * REACH * stretch)) + 2)
    weights = _keys((centres[:, None] - samples) / stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    mirrored = samples % (2 * before)
    mirrored = np.minimum(mirrored, 2 * before - 1 - mirrored)
    matrix = np.zeros((after, before))
    np.add.at(matrix, (np.arange(after)[:, None], mirrored), weights)
    return matrix
