"""A texture as planes: colour and opacity apart, classified, and put together again.

The kinds of alpha decide how it is upscaled:

========  =============================================  ==================================================
kind      what the source's alpha holds                  what the result holds
========  =============================================  ==================================================
none      no alpha channel                               none
constant  one value                                      that value
binary    0 and full only (cut-outs)                     0 and full only, as many texels opaque as before
few       up to ``FEW_LEVELS`` values                    the same values
soft      a gradient                                     a gradient; fully clear and opaque zones stay exact
data      anything that is not opacity                   an independent channel, nothing snapped or bled
smooth    never found, only asked for                    a gradient, of screen doors too
copy      never found, only asked for                    every texel repeated
========  =============================================  ==================================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from texup.textures.color import Plane, bands_of, local_range, repeat, resample
from texup.textures.hidden import goes_on
from texup.textures.screen_doors import fade, screen_doors
from texup.textures.seams import Edges, pad
from texup.textures.texture import Pixels, Texture

AlphaKind = Literal["none", "constant", "binary", "few", "soft", "data", "smooth", "copy"]

THROUGH_NET: frozenset[AlphaKind] = frozenset({"binary", "soft", "data", "smooth"})
RGBA_NET = THROUGH_NET | {"few"}
"""Kinds that a net of four channels takes with the colour, whose shapes alpha then has."""

FEW_LEVELS = 4
RINGS = 16  # texels that colour is bled outward; beyond them the mean colour shows nowhere near an edge
OUTLINE_SHARE = 0.5  # alpha that is clear or opaque on more of the texture draws an outline: opacity, whatever it hides


@dataclass(frozen=True, slots=True)
class Planes:
    """Colour (H, W, C), C = 1 for grey or 3, and alpha (H, W, 1) or None; float32 in [0, 1], alpha straight."""

    colour: Plane
    alpha: Plane | None
    alpha_kind: AlphaKind


def split(texture: Texture, alpha_kind: AlphaKind) -> Planes:
    """Return the planes of a texture; RGB whose channels are equal everywhere becomes grey and cannot be tinted."""
    values: Plane = texture.pixels.astype(np.float32) / np.float32(np.iinfo(texture.pixels.dtype).max)
    has_alpha = values.shape[2] in (2, 4)
    colour, alpha = (values[..., :-1], values[..., -1:]) if has_alpha else (values, None)
    return Planes(as_grey(colour), alpha, alpha_kind)


def softened(planes: Planes, edges: Edges) -> Planes:
    """Return planes whose screen doors are gradients, if that was asked for."""
    if planes.alpha is None or planes.alpha_kind != "smooth":
        return planes
    return replace(planes, alpha=fade(planes.alpha, edges))


def as_grey(colour: Plane) -> Plane:
    """Return one channel of a colour plane whose channels are equal everywhere, any other plane as it is."""
    return colour[..., :1] if (colour == colour[..., :1]).all() else colour


def merge(planes: Planes, like: Texture) -> Texture:
    """Return planes as a texture with the channels, sample type and container of ``like``; the inverse of ``split``."""
    height, width, given = planes.colour.shape
    pixels = np.empty((height, width, like.pixels.shape[2]), like.pixels.dtype)
    colours = pixels.shape[2] - (planes.alpha is not None)
    for band in bands_of(planes.colour):  # a large texture must not be in memory twice
        levels = _levels(planes.colour[band], pixels.dtype)
        for k in range(colours):
            pixels[band, :, k] = levels[..., k % given]  # grey fills all three
        if planes.alpha is not None:
            pixels[band, :, -1] = _levels(planes.alpha[band], pixels.dtype)[..., 0]
    return Texture(pixels, like.container)


def _levels(plane: Plane, dtype: np.dtype[Any]) -> Pixels:
    """Return a plane in [0, 1] as samples."""
    levels = np.clip(plane, 0, 1)
    levels *= np.float32(np.iinfo(dtype).max)
    return np.rint(levels, out=levels).astype(dtype)


def with_alpha(colour: Texture, mask: Texture) -> Texture:
    """Return RGBA pixels (H, W, 4) of two textures of one size: RGB of the first, and red of the second as alpha."""
    pixels = [texture.pixels if texture.pixels.dtype == np.uint8 else texture.pixels >> 8 for texture in (colour, mask)]
    rgb = pixels[0][..., :3] if pixels[0].shape[2] >= 3 else pixels[0][..., :1].repeat(3, axis=2)
    joined = np.concatenate((rgb, pixels[1][..., :1]), axis=2).astype(np.uint8)
    return Texture(joined, replace(colour.container, bits=8, palette=None))


def classify_alpha(pixels: Pixels) -> AlphaKind:
    """Tell what the last channel of (H, W, C) pixels holds; "none" for C = 1 or 3."""
    if pixels.shape[2] in (1, 3):
        return "none"
    alpha = pixels[..., -1]
    levels = np.unique(alpha)
    if len(levels) == 1:
        return "constant"
    if len(levels) == 2 and levels[0] == 0 and levels[1] == np.iinfo(pixels.dtype).max:
        return "binary"
    if len(levels) <= FEW_LEVELS:
        return "few"
    outlined = np.isin(alpha, (0, np.iinfo(pixels.dtype).max)).mean() > OUTLINE_SHARE
    return "data" if not outlined and goes_on(pixels) else "soft"


def _sum3(plane: Plane, edges: Edges) -> Plane:
    """Return the sums over 3x3 neighbourhoods."""
    padded = pad(plane, (1, 1, 1, 1), edges)
    rows = padded[:-2] + padded[1:-1]
    rows += padded[2:]
    sums: Plane = rows[:, :-2] + rows[:, 1:-1]
    sums += rows[:, 2:]
    return sums


def bleed(colour: Plane, alpha: Plane, edges: Edges, rings: int = RINGS) -> Plane:
    """Replace colour under alpha 0 by that of the nearest visible texels, ring by ring, so that no edge gets a fringe.

    Args:
        colour: (H, W, C).
        alpha: (H, W, 1).
        edges: how both go on beyond their borders.
        rings: how far, in texels; all beyond gets the mean colour.

    Returns:
        (H, W, C); visible texels are untouched, and a wholly invisible plane is returned as it is.
    """
    known = (alpha > 0).astype(np.float32)
    if known.all() or not known.any():
        return colour
    far = (colour * known).sum(axis=(0, 1)) / known.sum()
    joined = np.concatenate([colour * known, known], axis=2)
    texels = joined.reshape(-1, joined.shape[2])
    for _ in range(rings):
        sums = _sum3(joined, edges).reshape(texels.shape)
        ring = np.flatnonzero((texels[:, -1] == 0) & (sums[:, -1] > 0))
        if not len(ring):
            break
        around = sums.take(ring, axis=0)
        texels[ring] = around / around[:, -1:]  # also marks them as known
    return np.where(joined[..., -1:] > 0, joined[..., :-1], far).astype(np.float32, copy=False)


def finish_alpha(upscaled: Plane | None, source: Plane, scale: int, kind: AlphaKind, edges: Edges) -> Plane:
    """Return the alpha plane of the result, of the same class as its source.

    Args:
        upscaled: (H * scale, W * scale, 1) from a net; needed for the kinds in ``THROUGH_NET``, heeded for "few".
        source: (H, W, 1).
        scale: whole factor between the two.
        kind: the class to keep.
        edges: how the source goes on beyond its borders.
    """
    if kind == "few":
        voted = _vote_levels(source, scale, edges) if upscaled is None else _nearest_levels(source, upscaled)
        return np.where(repeat(screen_doors(source)[..., None], scale), repeat(source, scale), voted)
    if upscaled is None:
        return repeat(source, scale)
    if kind == "data":
        return np.clip(upscaled, 0, 1)
    lowest, highest = local_range(source, edges)
    held = upscaled.copy()
    np.copyto(held, np.float32(-np.inf), where=repeat(highest == 0, scale))
    np.copyto(held, np.float32(np.inf), where=repeat(lowest == 1, scale))
    if kind == "binary":
        doors = screen_doors(source)[..., None]
        if doors.any():
            own = np.where(source > 0.5, np.float32(np.inf), np.float32(-np.inf))
            np.copyto(held, repeat(own, scale), where=repeat(doors, scale))
        return (held > _coverage_threshold(held, float((source >= 0.5).mean()))).astype(np.float32)
    return np.clip(held, 0, 1).astype(np.float32)


def _coverage_threshold(values: Plane, coverage: float) -> float:
    """Return the threshold above which a ``coverage`` share of ``values`` lies."""
    clear = values.size - round(coverage * values.size)
    held = np.count_nonzero(values == -np.inf)  # most of them: what is held to clear or opaque takes long to sort
    if clear <= held:
        return -np.inf
    between = values[np.isfinite(values)]
    return float(np.partition(between, clear - held - 1)[clear - held - 1]) if clear - held <= len(between) else np.inf


def _nearest_levels(source: Plane, upscaled: Plane) -> Plane:
    """Return the level of the source that is nearest to each pixel."""
    levels = np.unique(source)
    nearest: Plane = levels[np.abs(upscaled - levels).argmin(axis=2)][..., None]
    return nearest


def _vote_levels(source: Plane, scale: int, edges: Edges) -> Plane:
    """Enlarge each level's mask and let every pixel take the level with the strongest claim.

    Interpolating the values themselves would put a false band of the middle level along every edge from the lowest to
    the highest.
    """
    levels = np.unique(source)
    size = (source.shape[0] * scale, source.shape[1] * scale)
    claims = [resample((source == level).astype(np.float32), size, "bicubic", edges)[..., 0] for level in levels]
    voted: Plane = levels[np.argmax(np.stack(claims), axis=0)][..., None]
    return voted
