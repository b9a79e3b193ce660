"""Resampling and colour: linear light, reductions, and the correction of drift.

Planes are float32 (H, W, C) in [0, 1]; colour is sRGB-coded unless a name says linear.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texup.textures.seams import Edges, pad

Plane = NDArray[np.float32]

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
SUPPORT = 4  # texels that any of the filters reaches beyond a border, at most
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


def area(plane: Plane, factor: int) -> Plane:
    """Return the means of ``factor`` by ``factor`` blocks."""
    h, w, c = plane.shape
    means: Plane = plane.reshape(h // factor, factor, w // factor, factor, c).mean(axis=(1, 3), dtype=np.float32)
    return means


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
    for k in range(1, len(taps)):  # one after the other: as a sum of a list each tap would be in memory twice
        rows += taps[k] * padded[k : k + h]
    blurred: Plane = taps[0] * rows[:, :w]
    for k in range(1, len(taps)):
        blurred += taps[k] * rows[:, k : k + w]
    return blurred


def correct_drift(result: Plane, source: Plane, weight: Plane | None, edges: Edges) -> Plane:
    """Shift the low frequencies of an upscaled plane so that, averaged down, it equals its source again.

    The difference between the source and the block means of the result is blurred by ``DRIFT_SIGMA`` texels, enlarged
    and added. Nets drift in hue and brightness over areas; their detail is left alone.

    Args:
        result: (H * s, W * s, C).
        source: (H, W, C).
        weight: opacity (H, W, 1) of the source, so that colour that does not show does not count; None for opaque.
        edges: how both go on beyond their borders.

    Returns:
        ``result`` itself, changed in place and clipped to [0, 1]: it may be as large as memory allows.
    """
    drift = source - area(result, result.shape[0] // source.shape[0])
    if weight is None:
        low = blur(drift, DRIFT_SIGMA, edges)
    else:
        low = blur(drift * weight, DRIFT_SIGMA, edges) / (blur(weight, DRIFT_SIGMA, edges) + 1e-3)
    for k in range(result.shape[2]):
        result[..., k] += resample(low[..., k : k + 1], result.shape[:2], "bilinear", edges)[..., 0]
    return np.clip(result, 0, 1, out=result)
