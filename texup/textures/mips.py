"""Mips: the smaller levels that a loader shows from afar, down to one texel.

Each level is half as wide and high as the one before, rounded down, and every texel the mean of the part of level 0
that it covers. The mean keeps within the range of its source, rings at no edge and leaves the brightness of the whole
as it is; sharper filters do neither. What is averaged depends on what a channel holds:

===============  ======================================================================================================
colour           linear light, weighted by opacity, so that what cannot be seen does not shine through
data             the samples as they are
normals          the vectors, at length 1 again
soft alpha       the samples as they are
cut-out alpha    the texels that are covered most become opaque, as many of them as in level 0; so it is with few levels
===============  ======================================================================================================

A cut-out stays one: a game may test alpha against any value, and the share of texels that pass must not change with
distance. Softer edges would look better where it blends, and fade away or grow fat where it tests.

References:
    Castano, Ignacio: "Computing alpha mipmaps", 2010: the share that passes the test is the same in all levels.
    Guthe, Stefan; Heckbert, Paul: "Non-power-of-two mipmapping", NVIDIA 2005: the three weights of odd sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from texup.textures import normals
from texup.textures.color import Plane, to_linear, to_srgb
from texup.textures.normals import NormalForm
from texup.textures.planes import AlphaKind
from texup.textures.texture import Pixels, Texture

_ROWS = 256  # rows of level 0 that are floats at one time
_HIDDEN = 1e-5  # weight of colour that does not show, where there is no other
_TIE = 1e-4  # coverages nearer than this are equal


def smaller_levels(
    texture: Texture,
    *,
    alpha: AlphaKind,
    is_data: bool,
    normal: NormalForm | None = None,
    shows_hidden: bool = False,
) -> list[Texture]:
    """Return levels 1 and on, the last of 1 x 1 texel, with the sample type and container of ``texture``.

    Args:
        texture: level 0.
        alpha: what its alpha holds; "binary" and "few" keep their values and shares, whatever the greatest value is.
        is_data: its other channels are no colour.
        normal: how it codes vectors, if it does; the channels that are not part of them are data.
        shows_hidden: colour under alpha 0 is part of the picture, and counts like any other.
    """
    pixels = texture.pixels
    alpha = "none" if pixels.shape[2] in (1, 3) else alpha
    weighted = not is_data and normal is None and not shows_hidden and alpha in ("binary", "few", "soft", "smooth")
    linear = not is_data and normal is None
    shares = _shares(pixels[..., -1]) if alpha in ("binary", "few") else None
    levels = []
    for plane in _halved(pixels, normal, linear=linear, weighted=weighted):
        coded = _coded(plane, pixels, normal, linear=linear, weighted=weighted)
        if shares is not None:
            coded[..., -1] = _same_shares(plane[..., pixels.shape[2] - 1], *shares)
        levels.append(Texture(coded, texture.container))
    return levels


def _halved(pixels: Pixels, normal: NormalForm | None, *, linear: bool, weighted: bool) -> Iterator[Plane]:
    """Yield what is averaged, (h, w, channels and after them the parts of vectors), for each smaller level."""
    values = np.linspace(0, 1, np.iinfo(pixels.dtype).max + 1, dtype=np.float32)
    light = to_linear(values) if linear else values
    colours = pixels.shape[2] - (pixels.shape[2] in (2, 4))
    strips = []
    for top in range(0, len(pixels), _ROWS):
        strip = pixels[top : top + _ROWS]
        plane: Plane = np.concatenate([light[strip[..., :colours]], values[strip[..., colours:]]], axis=2)
        if weighted:
            plane[..., :-1] *= plane[..., -1:] + np.float32(_HIDDEN)
        if normal is not None:
            plane = np.concatenate([plane, normals.decode(strip, normal)], axis=2)
        strips.append(_halve(plane, 1))
    plane = np.concatenate(strips)
    height, width = pixels.shape[:2]
    while max(height, width) > 1:
        if (height, width) != pixels.shape[:2]:
            plane = _halve(plane, 1)
        plane = _halve(plane, 0)
        yield plane
        height, width = plane.shape[:2]


def _halve(plane: Plane, axis: int) -> Plane:
    """Return means over ``axis``: of pairs, or, for an odd side of n = 2 m + 1, of n / m texels."""
    side = plane.shape[axis]
    if side == 1:
        return plane
    half = side // 2
    rows = np.moveaxis(plane, axis, 0)
    if side % 2 == 0:
        means = (rows[0::2] + rows[1::2]) * np.float32(0.5)
    else:
        k = np.arange(half, dtype=np.float32)[:, None, None]
        means = ((half - k) * rows[0:-1:2] + half * rows[1::2] + (k + 1) * rows[2::2]) / np.float32(side)
    return np.moveaxis(means, 0, axis)


def _coded(plane: Plane, pixels: Pixels, normal: NormalForm | None, *, linear: bool, weighted: bool) -> Pixels:
    """Return one level of what was averaged as samples like those of level 0."""
    count, full = pixels.shape[2], np.iinfo(pixels.dtype).max
    colours = count - (count in (2, 4))
    samples = plane[..., :count].copy()
    if weighted:
        samples[..., :-1] /= samples[..., -1:] + np.float32(_HIDDEN)
    if linear:
        samples[..., :colours] = to_srgb(samples[..., :colours])
    coded: NDArray[Any] = np.rint(np.clip(samples, 0, 1) * full).astype(pixels.dtype)
    return coded if normal is None else normals.encode(normals.renormalise(plane[..., count:], normal), coded, normal)


def _shares(alpha: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return the values of ``alpha`` and the share of its texels up to each of them."""
    counts = np.bincount(alpha.ravel())  # np.unique sorts a million texels
    values = np.flatnonzero(counts)
    return values.astype(alpha.dtype), np.cumsum(counts[values]) / alpha.size


def _same_shares(covered: NDArray[np.float32], values: NDArray[Any], ends: NDArray[np.float64]) -> NDArray[Any]:
    """Return alpha in which every value has the same share of texels as in level 0, the greatest those covered most.

    Of texels covered alike, as all of a fine grid are, an even pattern is taken.
    """
    places = np.rint(covered / np.float32(_TIE)).astype(np.int64) * 64 + _even_ranks(covered.shape)
    keys = places.ravel() * covered.size + np.arange(covered.size)  # each is one number: a tenth of lexsort's time
    order = np.sort(keys) % covered.size
    counts = np.diff(np.rint(ends * covered.size), prepend=0).astype(np.intp)
    chosen = np.empty(covered.size, values.dtype)
    chosen[order] = np.repeat(values, counts)
    return chosen.reshape(covered.shape)


def _even_ranks(shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Return ranks 0..63 such that the texels of the greatest ranks lie evenly: the 8 x 8 matrix of Bayer, repeated.

    References:
        Bayer, B. E.: "An optimum method for two-level rendition of continuous-tone pictures", IEEE ICC 1973.
    """
    matrix = np.zeros((1, 1), np.intp)
    for _ in range(3):
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    return np.tile(matrix, (-(-shape[0] // 8), -(-shape[1] // 8)))[: shape[0], : shape[1]]
