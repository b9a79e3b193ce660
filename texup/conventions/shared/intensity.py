"""Intensity textures: one plane that a dump repeats in red, green, blue and alpha, as letters and lights are stored.

Upscaled as colour and alpha apart the two would drift, and letters get a halo; as one grey plane they cannot.
"""

from __future__ import annotations

from dataclasses import replace

from texup.textures.texture import Texture


def is_intensity(texture: Texture) -> bool:
    """Return whether alpha holds the same as every colour channel, in each pixel."""
    pixels = texture.pixels
    return pixels.shape[2] in (2, 4) and bool((pixels == pixels[..., :1]).all())


def to_plane(texture: Texture) -> Texture:
    """Return an intensity texture as grey without alpha, any other as it is."""
    return replace(texture, pixels=texture.pixels[..., :1].copy()) if is_intensity(texture) else texture


def from_plane(result: Texture, source: Texture) -> Texture:
    """Return a result with its plane in as many channels as the source repeats it in; the inverse of ``to_plane``."""
    if not is_intensity(source) or result.pixels.shape[2] != 1:
        return result
    return replace(result, pixels=result.pixels.repeat(source.pixels.shape[2], axis=2))
