"""Enlarging without a net: what is no picture of anything must come out as what it was, only larger."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from texup.textures.color import Plane, resample
from texup.textures.normals import CHANNELS, NormalForm, decode, encode, fits, renormalise
from texup.textures.seams import Edges
from texup.textures.texture import Pixels, Texture

Filter = Literal["nearest", "smooth", "vectors"]


def enlarge(texture: Texture, method: Filter, scale: int, edges: Edges, normal: NormalForm | None) -> Texture:
    """Return a texture ``scale`` times as large, of the same channels, sample type and container.

    No channel sees another, alpha is a channel like the others, and no value leaves the range that its channel has in
    the source; the vectors of "vectors" keep to length 1 instead.

    Args:
        texture: what to enlarge.
        method: "nearest" repeats texels, "smooth" interpolates each channel, "vectors" interpolates unit vectors and
            renormalises them, and the channels without one as "smooth" does.
        scale: whole factor.
        edges: how the texture goes on beyond its borders.
        normal: how the vectors are coded; None stands for "tangent". Pixels without the channels for it are smoothed.
    """
    source = texture.pixels
    form = normal or "tangent"
    if method == "nearest":
        repeated: Pixels = source.repeat(scale, 0).repeat(scale, 1)
        return Texture(repeated, texture.container)
    if method == "smooth" or not fits(source, form):
        return Texture(_smooth(source, range(source.shape[2]), scale, edges), texture.container)
    data = [k for k in range(source.shape[2]) if k not in CHANNELS[form]]
    vectors = _enlarged_vectors(decode(source, form), scale, edges, form)
    return Texture(encode(vectors, _smooth(source, data, scale, edges), form), texture.container)


def renormalise_texture(texture: Texture, form: NormalForm) -> Texture:
    """Return a normal map whose vectors all have length 1, other channels as they are: what a net leaves is near it."""
    if not fits(texture.pixels, form):
        return texture
    return Texture(encode(decode(texture.pixels, form), texture.pixels, form), texture.container)


def _smooth(source: Pixels, channels: range | list[int], scale: int, edges: Edges) -> Pixels:
    """Return pixels with the given channels interpolated and the others empty."""
    height, width, count = source.shape
    result = np.zeros((height * scale, width * scale, count), source.dtype)
    for k in channels:
        least, most = source[..., k].min(), source[..., k].max()
        if least == most:
            result[..., k] = least
        else:
            result[..., k] = np.rint(np.clip(_resampled(source[..., k : k + 1], scale, edges), least, most))[..., 0]
    return result


def _resampled(channel: NDArray[np.generic], scale: int, edges: Edges) -> Plane:
    height, width, _ = channel.shape
    return resample(channel.astype(np.float32), (height * scale, width * scale), "bicubic", edges)


def _enlarged_vectors(vectors: Plane, scale: int, edges: Edges, form: NormalForm) -> Plane:
    parts = [_resampled(vectors[..., k : k + 1], scale, edges) for k in range(3)]
    return renormalise(np.concatenate(parts, axis=2), form)
