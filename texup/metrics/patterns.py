"""What nets leave in a picture that no reference is needed for: grids, seams, drift of plain colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from texup.metrics.fidelity import Picture, luma

Plane = NDArray[np.float64]

GRID_WINDOW = 5  # pixels: wider than a step of the usual grid of 4, so that the mean does not follow it
GRID_BORDER = 8  # pixels: borders of a picture are not like its inside


class GridScore(NamedTuple):
    """How much fine detail depends on where in a cell of ``scale`` by ``scale`` pixels it stands; 0 for none."""

    magnitude: float
    """Spread over the positions of the mean size of detail, relative to it."""
    signed: float
    """Spread over the positions of mean detail, relative to its mean size: a lattice that is laid over the picture."""


def grid_score(image: Picture, scale: int) -> GridScore:
    """Return the grid that upsampling layers leave; natural pictures have about 0.01 to 0.02, a visible grid over 0.1.

    Detail is luma less its mean over 5x5 pixels. A flat picture has no grid; one with less than a cell inside its
    border has nan.

    References:
        The artefact: Odena et al., "Deconvolution and checkerboard artifacts", Distill 2016. The score is our own.
    """
    plane = luma(image, rounded=False)
    detail = (plane - _means(plane, GRID_WINDOW))[GRID_BORDER:-GRID_BORDER, GRID_BORDER:-GRID_BORDER]
    if min(detail.shape) < scale:
        return GridScore(float("nan"), float("nan"))
    cells = [detail[y::scale, x::scale] for y in range(scale) for x in range(scale)]
    sizes = np.array([np.abs(cell).mean() for cell in cells])
    signed = np.array([cell.mean() for cell in cells])
    if sizes.mean() < 1e-9:  # rounding
        return GridScore(0.0, 0.0)
    return GridScore(float(sizes.std() / sizes.mean()), float(signed.std() / sizes.mean()))


def _means(plane: Plane, side: int) -> Plane:
    """Return the means over ``side`` by ``side`` pixels, borders repeated."""
    h, w = plane.shape
    padded = np.pad(plane, side // 2, mode="edge")
    rows = np.sum([padded[k : k + h] for k in range(side)], axis=0)
    means: Plane = np.sum([rows[:, k : k + w] for k in range(side)], axis=0) / side**2
    return means


def seam_ratio(image: NDArray[np.uint8]) -> tuple[float, float]:
    """Return the step from the last row to the first, and from the last column to the first, beside the mean inner one.

    About 1 where a texture tiles without a seam. nan for an axis without any step inside.

    Args:
        image: (H, W) or (H, W, C).
    """
    values = image.astype(np.float64)
    vertical, horizontal = (_seam(np.moveaxis(values, axis, 0)) for axis in (0, 1))
    return vertical, horizontal


def _seam(rows: Plane) -> float:
    inner = np.abs(np.diff(rows, axis=0))
    if not inner.any():
        return float("nan")
    return float(np.abs(rows[0] - rows[-1]).mean() / inner.mean())


def equivariance_rmse(
    upscale: Callable[[NDArray[np.uint8]], NDArray[np.uint8]], lr: NDArray[np.uint8], shift: tuple[int, int] = (5, 9)
) -> float:
    """Return how much the result of a tiling texture depends on where its borders are cut, in levels (RMS).

    0 when shifting the texture around by ``shift`` (rows, columns) shifts its result around by the same.

    Args:
        upscale: maps (h, w, C) to (h * s, w * s, C), both uint8, and takes its input as a torus.
        lr: (h, w, C).
        shift: low-resolution pixels.
    """
    straight = upscale(lr)
    scale = straight.shape[0] // lr.shape[0]
    moved = np.roll(straight, (shift[0] * scale, shift[1] * scale), (0, 1))
    difference = moved.astype(np.float64) - upscale(np.roll(lr, shift, (0, 1)))
    return float(np.sqrt(np.mean(difference**2)))


def constant_colour_error(
    upscale: Callable[[NDArray[np.uint8]], NDArray[np.uint8]], colours: Sequence[Sequence[int]], side: int = 32
) -> float:
    """Return the largest difference in levels between plain colours and what they become anywhere in the result.

    Args:
        upscale: maps (h, w, C) to (h * s, w * s, C), both uint8.
        colours: C levels each.
        side: pixels of the plain pictures.
    """
    worst = 0.0
    for colour in colours:
        plain = np.broadcast_to(np.array(colour, np.uint8), (side, side, len(colour)))
        result = upscale(np.ascontiguousarray(plain)).astype(np.float64)
        worst = max(worst, float(np.abs(result - np.array(colour)).max()))
    return worst
