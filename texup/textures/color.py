"""Resampling and colour: linear light, reductions, and the correction of drift.

Planes are float32 (H, W, C) in [0, 1]; colour is sRGB-coded unless a name says linear.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texup.textures.products import over_columns, over_rows
from texup.textures.seams import Edges, Sample, pad

Plane = NDArray[np.float32]

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
REACH = {"bilinear": 1, "bicubic": 2}  # texels that these count on either side of one that is enlarged
BAND = 1 << 16  # samples that are worked on at once
BLOCK = 16  # texels of an axis that come of one product of matrices
SUPPORT = 4  # texels that any of the filters reaches beyond a border, at most
SLACK = np.float32(2 / 255)  # how far out of its neighbours' range a mean may be moved: no one sees it
HUES = np.array([[1, 0, 0, 1, 1, 0], [0, 1, 0, -1, 0, 1], [0, 0, 1, 0, -1, -1]], np.float32)
"""Three channels, and the differences of two of them."""
DRIFT_SIGMA = 1.0  # texels: detail below this size belongs to the net, drift above it to the source


def to_linear(plane: Plane) -> Plane:
    """Decode sRGB.

    References:
        IEC 61966-2-1, section 5.2.
    """
    return np.where(plane <= 0.04045, plane / 12.92, ((plane + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_srgb(plane: Plane) -> Plane:
    """Encode linear light as sRGB, the inverse of ``to_linear`` on [0, 1]; values outside are clipped."""
    plane = np.clip(plane, 0, 1)
    return np.where(plane <= 0.0031308, plane * 12.92, 1.055 * plane ** (1 / 2.4) - 0.055).astype(np.float32)


def bands_of(plane: NDArray[np.generic], factor: int = 1) -> list[slice]:
    """Return the rows of a plane in bands that fit a core's own cache when each is enlarged by ``factor``."""
    rows = max(1, BAND // (plane[0].size * factor * factor))
    return [slice(top, min(top + rows, len(plane))) for top in range(0, len(plane), rows)]


def over_blocks(join: np.ufunc, plane: Plane, factor: int) -> Plane:
    """Return ``join`` (as ``np.add`` or ``np.maximum``) over the ``factor`` by ``factor`` blocks of a plane (H, W, C).

    Rows, which lie together, come first, and then every column of one channel: numpy's own reductions over such short
    axes take up to thirty times as long.
    """
    h, w, c = plane.shape[0] // factor, plane.shape[1] // factor, plane.shape[2]
    lines = plane.reshape(h, factor, w * factor * c)
    rows = lines[:, 0].copy()
    for k in range(1, factor):
        join(rows, lines[:, k], out=rows)
    joined = np.empty((h, w, c), plane.dtype)
    for k in range(c):
        columns = rows[:, k :: factor * c].copy()
        for j in range(1, factor):
            join(columns, rows[:, j * c + k :: factor * c], out=columns)
        joined[..., k] = columns
    return joined


def over_channels(join: np.ufunc, plane: NDArray[Any]) -> NDArray[Any]:
    """Return ``join`` over the channels (H, W) of a plane, one by one, as numpy is slow along so short an axis."""
    joined = plane[..., 0].copy()
    for k in range(1, plane.shape[2]):
        join(joined, plane[..., k], out=joined)
    return joined


def quantile(values: NDArray[np.float32], share: float) -> float:
    """Return the value that a share of others is below, between two if it lies there.

    For as few as textures have, numpy's own takes five times as long.
    """
    values, place = values.ravel(), share * (values.size - 1)
    first = int(place)
    both = [first, min(first + 1, values.size - 1)]
    lower, upper = np.partition(values, both)[both]
    return float(lower + (upper - lower) * (place - first))


def area(plane: Plane, factor: int) -> Plane:
    """Return the means of ``factor`` by ``factor`` blocks."""
    means = over_blocks(np.add, plane, factor)
    means /= np.float32(factor * factor)
    return means


def repeat(plane: NDArray[Sample], scale: int) -> NDArray[Sample]:
    """Return every texel ``scale`` times along both axes; the inverse of ``area`` where blocks are flat."""
    return plane.repeat(scale, 0).repeat(scale, 1)


def local_least(plane: Plane, edges: Edges) -> Plane:
    """Return the least value of each 3x3 neighbourhood."""
    return _neighbours(np.minimum, pad(plane, (1, 1, 1, 1), edges))


def local_greatest(plane: Plane, edges: Edges) -> Plane:
    """Return the greatest value of each 3x3 neighbourhood."""
    return _neighbours(np.maximum, pad(plane, (1, 1, 1, 1), edges))


def local_range(plane: Plane, edges: Edges) -> tuple[Plane, Plane]:
    """Return the least and the greatest value of each 3x3 neighbourhood."""
    padded = pad(plane, (1, 1, 1, 1), edges)
    return _neighbours(np.minimum, padded), _neighbours(np.maximum, padded)


def _neighbours(join: np.ufunc, padded: Plane) -> Plane:
    """Return ``join`` over the 3x3 neighbourhoods of a plane that one texel is laid around."""
    rows = join(padded[:-2], padded[1:-1])
    join(rows, padded[2:], out=rows)
    joined: Plane = join(rows[:, :-2], rows[:, 1:-1])
    return join(joined, rows[:, 2:], out=joined)  # type: ignore[no-any-return]


def resample(
    plane: Plane, size: tuple[int, int], kernel: Literal["bilinear", "bicubic", "lanczos"], edges: Edges
) -> Plane:
    """Resize to ``size`` (rows, columns) as if the plane went on beyond its borders as ``edges`` say.

    Needs sides whose ratio is the same for ``SUPPORT`` texels: any integer factor up, or any factor down by integers.
    """
    h, w, c = plane.shape
    if kernel != "lanczos" and size[0] % h == size[1] % w == 0:
        return _enlarged(pad(plane, (REACH[kernel],) * 4, edges), (size[0] // h, size[1] // w), kernel)
    around = (SUPPORT * h // np.gcd(h, size[0]), SUPPORT * w // np.gcd(w, size[1]))
    if size[0] >= h:
        around = (SUPPORT, SUPPORT)
    padded = pad(plane, (around[0], around[0], around[1], around[1]), edges)
    extra = (around[0] * size[0] // h, around[1] * size[1] // w)
    full = (size[1] + 2 * extra[1], size[0] + 2 * extra[0])
    channels = [
        np.asarray(Image.fromarray(np.ascontiguousarray(padded[..., k])).resize(full, FILTERS[kernel]))
        for k in range(c)
    ]
    return np.stack(channels, axis=2)[extra[0] : extra[0] + size[0], extra[1] : extra[1] + size[1]]


def _enlarged(padded: Plane, factors: tuple[int, int], kernel: Literal["bilinear", "bicubic"]) -> Plane:
    """Return a plane (H, W, C) that its reach is laid around enlarged by whole factors (rows, columns).

    Pillow takes twenty times as long.
    """
    (down, across), (h, w) = factors, (side - 2 * REACH[kernel] for side in padded.shape[:2])
    block = gcd(w, BLOCK)
    wide = np.empty((len(padded), w * across, padded.shape[2]), np.float32)
    for k in range(wide.shape[2]):
        wide[..., k] = over_columns(_taps(kernel, across, block), padded[..., k], block)
    enlarged = over_rows(_taps(kernel, down, 1), wide.reshape(len(wide), -1), 1)
    return enlarged.reshape(h * down, *wide.shape[1:])


@lru_cache(maxsize=64)
def _taps(kernel: Literal["bilinear", "bicubic"], factor: int, block: int) -> Plane:
    """Return what texels count in the pixels that ``block`` texels become along an axis, for ``over_rows``.

    References:
        R. G. Keys, "Cubic convolution interpolation for digital image processing", IEEE Transactions on Acoustics,
        Speech and Signal Processing 29 (6), 1981, with a = -1/2.
    """
    pixels, texels = np.arange(block * factor)[:, None], np.arange(block + 2 * REACH[kernel])
    far = np.abs(texels - REACH[kernel] - ((pixels + 0.5) / factor - 0.5))
    near, outer = 1 - 2.5 * far**2 + 1.5 * far**3, 2 - 4 * far + 2.5 * far**2 - 0.5 * far**3
    cubic = np.where(far < 1, near, np.where(far < 2, outer, 0))
    return _shared(cubic if kernel == "bicubic" else np.maximum(1 - far, 0))


def reduce_plane(plane: Plane, size: tuple[int, int], edges: Edges, *, light: bool) -> Plane:
    """Shrink a plane to ``size`` (rows, columns), in linear light if asked; by area for whole factors, else Lanczos."""
    h, w, _ = plane.shape
    if (h, w) == size:
        return plane
    values = to_linear(plane) if light else plane
    factor = h // size[0]
    if (size[0] * factor, size[1] * factor) == (h, w):
        values = area(values, factor)
    else:
        values = resample(values, size, "lanczos", edges)
    return to_srgb(values) if light else np.clip(values, 0, 1)


def blur(plane: Plane, sigma: float, edges: Edges) -> Plane:
    """Return a Gaussian blur of standard deviation ``sigma`` texels, cut at three of them."""
    (h, w, channels), weights = plane.shape, _gaussian(sigma)
    reach = (weights.shape[1] - BLOCK) // 2
    margin = (reach, reach + (-h % BLOCK), reach, reach + (-w % BLOCK))
    blurred = np.empty((h, w, channels), np.float32)
    padded = pad(plane, margin, edges)
    rows = over_rows(weights, padded.reshape(len(padded), -1), BLOCK)[:h].reshape(h, -1, channels)
    for k in range(channels):
        blurred[..., k] = over_columns(weights, rows[..., k], BLOCK)[:, :w]
    return blurred


@lru_cache(maxsize=64)
def _gaussian(sigma: float) -> Plane:
    """Return what texels, from three deviations before it to as many behind, count in each of a block."""
    radius = int(3 * sigma + 0.5)
    taps = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    weights = np.zeros((BLOCK, BLOCK + 2 * radius))
    for k in range(BLOCK):
        weights[k, k : k + len(taps)] = taps / taps.sum()
    return _shared(weights)


def _shared(weights: NDArray[np.float64]) -> Plane:
    """Return weights as all callers may share them."""
    shared = weights.astype(np.float32)
    shared.flags.writeable = False
    return shared


def correct_drift(result: Plane, source: Plane, weight: Plane | None, edges: Edges) -> Plane:
    """Shift the low frequencies of an upscaled plane so that, averaged down, it equals its source again.

    The difference between the source and the block means of the result is blurred by ``DRIFT_SIGMA`` texels, enlarged
    and added. Nets drift in hue and brightness over areas; their detail is left alone. No block's mean is moved out of
    the range that the 3x3 texels of the source around it have, neither in a channel nor in the difference of two:
    beside a hard edge the blurred difference belongs to its other side, and would draw a halo of another hue.

    Args:
        result: (H * s, W * s, C).
        source: (H, W, C).
        weight: opacity (H, W, 1) of the source, so that colour that does not show does not count; None for opaque.
        edges: how both go on beyond their borders.

    Returns:
        ``result`` itself, changed in place and clipped to [0, 1]: it may be as large as memory allows.
    """
    scale = len(result) // len(source)
    means = area(result, scale)
    drift = source - means
    if weight is None:
        low = blur(drift, DRIFT_SIGMA, edges)
    else:
        low = blur(drift * weight, DRIFT_SIGMA, edges) / (blur(weight, DRIFT_SIGMA, edges) + 1e-3)
    low *= _allowed(means, low, source, weight, edges)
    padded = pad(low, (1,) * 4, edges)
    for band in bands_of(source, scale):
        part = result[band.start * scale : band.stop * scale]
        part += _enlarged(padded[band.start : band.stop + 2], (scale, scale), "bilinear")
        np.clip(part, 0, 1, out=part)
    return result


def _allowed(means: Plane, moves: Plane, source: Plane, weight: Plane | None, edges: Edges) -> Plane:
    """Return how much of each move (H, W, C) is made, (H, W, 1) in 0 to 1, to end in the source's range.

    A texel takes the least of its neighbourhood, because enlarged moves reach over to their neighbours. What does not
    show neither widens a range nor holds a move back.
    """
    value, at, move = map(_channels_and_differences, (source, means, moves))
    if weight is None:
        lowest, highest = local_range(value, edges)
    else:
        shows = weight > 0
        lowest = local_least(np.where(shows, value, np.float32(np.inf)), edges)
        highest = local_greatest(np.where(shows, value, np.float32(-np.inf)), edges)
    room = np.maximum(np.where(move > 0, highest - at, at - lowest), 0) + SLACK
    shares = room / np.maximum(np.abs(move), SLACK)
    allowed = np.ones((*source.shape[:2], 1), np.float32)
    for k in range(shares.shape[2]):
        np.minimum(allowed, shares[..., k : k + 1], out=allowed)
    return local_least(allowed if weight is None else np.where(shows, allowed, np.float32(1)), edges)


def _channels_and_differences(plane: Plane) -> Plane:
    """Return the channels of a plane, and the differences of two, on which hue depends: (H, W, 1 or 6)."""
    return plane if plane.shape[2] == 1 else plane @ HUES
