"""Resampling and colour: linear light, reductions, and the correction of drift.

Planes are float32 (H, W, C) in [0, 1]; colour is sRGB-coded unless a name says linear.
"""

from __future__ import annotations

from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texup.textures.seams import Edges, Sample, pad

Plane = NDArray[np.float32]

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
SUPPORT = 4  # texels that any of the filters reaches beyond a border, at most
SLACK = np.float32(2 / 255)  # how far out of its neighbours' range a mean may be moved: no one sees it
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


def over_blocks(join: np.ufunc, plane: Plane, factor: int) -> Plane:
    """Return ``join`` (as ``np.add`` or ``np.maximum``) over the ``factor`` by ``factor`` blocks of a plane (H, W, C).

    Plane by plane, row after row: numpy's own reductions over such short axes take up to thirty times as long.
    """
    h, w, c = plane.shape
    blocks = plane.reshape(h // factor, factor, w // factor, factor, c)
    joined: Plane = blocks[:, 0, :, 0].copy()
    for k in range(1, factor * factor):
        join(joined, blocks[:, k // factor, :, k % factor], out=joined)
    return joined


def area(plane: Plane, factor: int) -> Plane:
    """Return the means of ``factor`` by ``factor`` blocks."""
    h, w, c = plane.shape
    if c == 1:  # lies together, and numpy is quick enough
        means: Plane = plane.reshape(h // factor, factor, w // factor, factor, c).mean(axis=(1, 3), dtype=np.float32)
        return means
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
    radius = int(3 * sigma + 0.5)
    taps = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    taps = (taps / taps.sum()).astype(np.float32)
    padded = pad(plane, (radius,) * 4, edges)
    h, w = plane.shape[:2]
    rows = taps[0] * padded[:h]
    part = np.empty_like(rows)
    for k in range(1, len(taps)):  # one after the other: as a sum of a list each tap would be in memory twice
        rows += np.multiply(taps[k], padded[k : k + h], out=part)
    blurred: Plane = taps[0] * rows[:, :w]
    part = np.empty_like(blurred)
    for k in range(1, len(taps)):
        blurred += np.multiply(taps[k], rows[:, k : k + w], out=part)
    return blurred


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
    means = area(result, len(result) // len(source))
    drift = source - means
    if weight is None:
        low = blur(drift, DRIFT_SIGMA, edges)
    else:
        low = blur(drift * weight, DRIFT_SIGMA, edges) / (blur(weight, DRIFT_SIGMA, edges) + 1e-3)
    low *= _allowed(means, low, source, weight, edges)
    for k in range(result.shape[2]):
        result[..., k] += resample(low[..., k : k + 1], result.shape[:2], "bilinear", edges)[..., 0]
    return np.clip(result, 0, 1, out=result)


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
    channels = [plane[..., k : k + 1] for k in range(plane.shape[2])]
    return np.concatenate([*channels, *(one - other for one, other in combinations(channels, 2))], axis=2)
