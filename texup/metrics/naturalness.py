"""NIQE: how far the statistics of a picture are from those of good photographs. For photographs only.

The model of good photographs, ``niqe.npz``, is ``niqe_pris_params.npz`` of BasicSR (github.com/XPixelGroup/BasicSR,
Copyright 2018-2022 BasicSR Authors, Apache License 2.0 in ``niqe.LICENSE``, unchanged), which holds the parameters
that the authors of NIQE published with their code.

References:
    Mittal, Soundararajan and Bovik, "Making a completely blind image quality analyzer", SPL 2013: "N" below.
    Mittal, Moorthy and Bovik, "No-reference image quality assessment in the spatial domain", TIP 2012: "B" below.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from texup.metrics.fidelity import Picture, luma
from texup.metrics.resizing import imresize

Values = NDArray[np.float64]

ROUNDING = 1e-9  # levels
BLOCK = 96  # pixels at full size, half of it at half size
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))  # right, below, and both diagonals: B eqs. 7 to 10
SHAPES = np.arange(0.2, 10.001, 0.001)  # the shapes that a distribution is compared with


def niqe(image: Picture) -> float:
    """Return the distance of a photograph's statistics from those of good photographs: lower is more natural, 3 to 8.

    Not for textures: flat and repeating pictures are no photographs. nan with fewer than two blocks of 96x96 pixels
    that have any detail. Rewards some artefacts, a regular grid among them: read it beside ``grid_score``.

    References:
        N, eq. 10.
    """
    mean, covariance, window = _pristine()
    features = _features(luma(image), window)
    known = ~np.isnan(features).any(axis=1)
    if known.sum() < 2:
        return float("nan")
    distance = mean - np.nanmean(features, axis=0)
    spread = (covariance + np.cov(features[known], rowvar=False)) / 2
    return float(np.sqrt(distance @ np.linalg.pinv(spread) @ distance))


@cache
def _pristine() -> tuple[Values, Values, Values]:
    """Return mean (36), covariance (36, 36) and the window (7, 7) of the model of good photographs."""
    with files("texup.metrics").joinpath("niqe.npz").open("rb") as file, np.load(file, allow_pickle=False) as found:
        return found["mu_pris_param"][0], found["cov_pris_param"], found["gaussian_window"]


def _features(plane: Values, window: Values) -> Values:
    """Return the features of each whole block, (blocks, 36); nan where a block is too flat to have them."""
    rows, columns = plane.shape[0] // BLOCK, plane.shape[1] // BLOCK
    plane = plane[: rows * BLOCK, : columns * BLOCK]
    if plane.size == 0:
        return np.empty((0, 36))
    found = []
    for side in (BLOCK, BLOCK // 2):
        normal = _normalised(plane, window)
        blocks = normal.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(-1, side, side)
        found.append(_block_features(blocks))
        plane = imresize(plane, (plane.shape[0] // 2, plane.shape[1] // 2))
    return np.concatenate(found, axis=1)


def _normalised(plane: Values, window: Values) -> Values:
    """Return luminance less its local mean, divided by its local deviation plus one (B eqs. 1 to 3).

    Flat areas are exactly 0. Where they keep the rounding of the mean, as in other programs, its sign decides whether
    they count as left or as right of 0, which moves the score of a picture with much of them by up to 0.3.
    """
    mean = _filtered(plane, window)
    deviation = np.sqrt(np.abs(_filtered(plane**2, window) - mean**2))
    detail = np.where(np.abs(plane - mean) < ROUNDING, 0, plane - mean)
    normal: Values = detail / (deviation + 1)
    return normal


def _filtered(plane: Values, window: Values) -> Values:
    h, w = plane.shape
    padded = np.pad(plane, window.shape[0] // 2, mode="edge")
    result = np.zeros_like(plane)
    for (y, x), weight in np.ndenumerate(window):
        result += weight * padded[y : y + h, x : x + w]
    return result


def _block_features(blocks: Values) -> Values:
    """Return 18 features of each block (blocks, side, side): of its values, then of products of neighbours (B III)."""
    shape, left, right = _fitted(blocks)
    columns = [shape, (left + right) / 2]
    for step in NEIGHBOURS:
        shape, left, right = _fitted(blocks * np.roll(blocks, step, axis=(1, 2)))
        columns += [shape, (right - left) * _gamma_ratio(2 / shape, 1 / shape), left, right]
    return np.stack(columns, axis=1)


def _fitted(blocks: Values) -> tuple[Values, Values, Values]:
    """Fit an asymmetric generalised Gaussian to each block; return shape, left and right scale, nan where it has none.

    References:
        Lasmar, Stitou and Berthoumieu, "Multiscale skewed heavy tailed model for texture analysis", ICIP 2009, by way
        of B eqs. 11 to 14: the moments give a ratio, and the shape is that whose own ratio is nearest.
    """
    values = blocks.reshape(len(blocks), -1)
    left, right = (_root_mean_square(values, side) for side in (values < 0, values > 0))
    with np.errstate(divide="ignore", invalid="ignore"):  # flat blocks; what comes of them is nan
        skew = left / right
        ratio = np.abs(values).mean(axis=1) ** 2 / (values**2).mean(axis=1)
    target = ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    ratios = _ratios()
    middles = (ratios[1:] + ratios[:-1]) / 2
    shape = np.where(np.isnan(target), np.nan, SHAPES[np.searchsorted(middles, target)])
    width = np.sqrt(_gamma_ratio(1 / shape, 3 / shape))
    return shape, left * width, right * width


def _root_mean_square(values: Values, chosen: NDArray[np.bool_]) -> Values:
    """Return the root mean square of the chosen values of each row, nan where there are none."""
    counts = chosen.sum(axis=1)
    sums = np.where(chosen, values**2, 0).sum(axis=1)
    means: Values = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return np.sqrt(means)


@cache
def _ratios() -> Values:
    """Return the ratio of moments of each of ``SHAPES``, ascending (B eq. 13)."""
    return _gamma_ratio(2 / SHAPES, 1 / SHAPES) * _gamma_ratio(2 / SHAPES, 3 / SHAPES)


def _gamma_ratio(above: Values, below: Values) -> Values:
    """Return the gamma function of ``above``, divided by that of ``below``."""
    return np.array([np.exp(lgamma(a) - lgamma(b)) for a, b in zip(above, below, strict=True)])
