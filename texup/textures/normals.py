"""Normal maps: unit vectors coded as colour.

===========  =====================================  ====================================================================
form         channels that hold the vector          made and read by
===========  =====================================  ====================================================================
tangent      red, green, blue = x, y, z; z >= 0     nearly everyone
object       red, green, blue = x, y, z             model-space maps such as ``_msn``: every direction occurs
two_channel  red, green = x, y                      BC5, LabPBR; z is rebuilt, further channels are data
dxt5nm       alpha, green = x, y                    id Tech 4, Unity and others; red and blue are data
===========  =====================================  ====================================================================

A sample of 0..max stands for -1..1. Which way y points is the game's business: nothing here turns it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from texup.textures.color import Plane
from texup.textures.texture import Pixels

NormalForm = Literal["tangent", "object", "two_channel", "dxt5nm"]

CHANNELS: Mapping[NormalForm, tuple[int, ...]] = {
    "tangent": (0, 1, 2),
    "object": (0, 1, 2),
    "two_channel": (0, 1),
    "dxt5nm": (3, 1),
}
"""Channels of x, y and, where it is stored, z."""

SHORTEST = 0.05  # a shorter vector is grey (127 or 128 in all channels), its direction rounding noise

# All measured on made normal maps, also block-compressed, against the colours of real packs.
SAMPLES = 256  # rows and columns that are looked at, at most
UNIT = 0.2  # a vector this near to length 1 counts as unit: BC1 moves steep ones that far
UNIT_SHARE = 0.7  # of the texels of a normal map, at least
MEAN_UP = 0.5  # mean z of a tangent-space map, at least
SHORT = 0.8  # mean length of one that was stretched, at least: that makes vectors longer
MEAN_ASIDE = 0.15  # mean x and y of one, at most: slopes of a surface that stays level cancel out
BENT = 0.03  # share of vectors that lean by more than LEAN; where fewer do, unit length says nothing
LEAN = 0.3
LEVEL = 5.5 / 127.5  # how near to straight up the median of such a map is; BC1 knows no better than 132 for 128
BELOW_SHARE = 0.01  # of an object-space map's vectors point away, at least; else it is a steep one of tangent space
SPREAD = 0.4  # standard deviation of the differences between an object-space map's channels, at least
NEUTRAL = 0.06  # how near to 0 the medians of the two channels are where no third one tells
MOST = 0.995  # share of the vectors of two channels that are no longer than 1, rounding aside


def decode(pixels: Pixels, form: NormalForm) -> Plane:
    """Return the unit vectors (H, W, 3) of (H, W, C) pixels.

    Where a texel holds no direction the vector points up, or is 0 in "object" form, which has no up.
    """
    parts = [_signed(pixels, k) for k in CHANNELS[form]]
    if len(parts) == 2:
        parts.append(np.sqrt(np.maximum(0, 1 - parts[0] ** 2 - parts[1] ** 2)))
    return renormalise(np.stack(parts, axis=2), form)


def encode(vectors: Plane, pixels: Pixels, form: NormalForm) -> Pixels:
    """Return (H, W, C) pixels with their vectors replaced and all other channels as they are."""
    full = np.iinfo(pixels.dtype).max
    coded = pixels.copy()
    for part, channel in enumerate(CHANNELS[form]):
        coded[..., channel] = np.rint((np.clip(vectors[..., part], -1, 1) + 1) * (full / 2))
    return coded


def renormalise(vectors: Plane, form: NormalForm) -> Plane:
    """Return vectors (H, W, 3) at length 1; in all forms but "object" none points below the surface."""
    lowest, up = (-np.inf, 0) if form == "object" else (0, 1)
    above = np.concatenate([vectors[..., :2], np.maximum(vectors[..., 2:], lowest)], axis=2)
    length = np.sqrt((above**2).sum(axis=2, keepdims=True))
    nowhere = np.array([0, 0, up], np.float32)
    unit: Plane = np.where(length > SHORTEST, above / np.maximum(length, SHORTEST), nowhere)
    return unit


def fits(pixels: Pixels, form: NormalForm) -> bool:
    """Tell whether pixels have the channels of a form."""
    return max(CHANNELS[form]) < int(pixels.shape[2])


def looks_like_normals(pixels: Pixels) -> NormalForm | None:
    """Tell from the pixels alone whether a texture is a normal map, and of which form; in doubt it is none.

    Most of its vectors have length 1, and a tangent-space map as a whole faces up. One of the single colour (128, 128,
    255) is a normal map too.
    """
    if pixels.shape[2] < 3:
        return None
    few = pixels[:: -(-pixels.shape[0] // SAMPLES), :: -(-pixels.shape[1] // SAMPLES)]
    x, y, z = (_signed(few, k) for k in range(3))
    if few.shape[2] == 4 and _is_flat(x - z) and (_is_flat(x) or _is_flat(x - y)) and not _is_flat(y):
        return "dxt5nm" if could_be_slopes(few, "dxt5nm") else None
    if _is_flat(z) and abs(z[0, 0]) > 1 - LEVEL and not (_is_flat(x) and _is_flat(y)):
        return "two_channel" if could_be_slopes(few, "two_channel") else None
    unit = np.abs(np.sqrt(x**2 + y**2 + z**2) - 1) < UNIT
    if unit.mean() < UNIT_SHARE:
        return None
    apart = _is_apart(few)
    if apart.any() and unit[apart].mean() < UNIT_SHARE:
        return None
    if _faces_up(x, y, z):
        return "tangent"
    if not _faces_everywhere(x, y, z):
        return None
    return "object" if (z < -LEAN).mean() > BELOW_SHARE else "tangent"


def could_be_normals(pixels: Pixels) -> bool:
    """Tell whether a texture may be a tangent-space map, stretched or of any make: level, facing up, not too short."""
    if pixels.shape[2] < 3:
        return False
    x, y, z = (_signed(pixels, k) for k in range(3))
    is_level = max(abs(float(x.mean())), abs(float(y.mean()))) < MEAN_ASIDE
    return is_level and float(z.mean()) > MEAN_UP / 2 and float(np.sqrt(x**2 + y**2 + z**2).mean()) > SHORT


def _is_apart(pixels: Pixels) -> NDArray[np.bool_]:
    """Return where colours (H, W, C) are not the most frequent one: the ground of a drawing may be a unit vector."""
    codes = pixels[..., :3].astype(np.int64) @ np.array([1 << 32, 1 << 16, 1])
    colours, counts = np.unique(codes, return_counts=True)
    apart: NDArray[np.bool_] = codes != colours[counts.argmax()]
    return apart


def could_be_slopes(pixels: Pixels, form: Literal["two_channel", "dxt5nm"]) -> bool:
    """Tell whether two channels may be the x and y of unit vectors: level in the middle and never longer than 1."""
    x, y = (_signed(pixels, k) for k in CHANNELS[form])
    level = abs(float(np.median(x))) < NEUTRAL and abs(float(np.median(y))) < NEUTRAL
    return level and bool((x**2 + y**2 < (1 + UNIT) ** 2).mean() > MOST)


def _signed(pixels: Pixels, channel: int) -> NDArray[np.float32]:
    values = pixels[..., channel].astype(np.float32)
    return values * np.float32(2 / np.iinfo(pixels.dtype).max) - 1


def _is_flat(values: NDArray[Any]) -> bool:
    return bool(np.ptp(values) == 0)


def _faces_up(x: Plane, y: Plane, z: Plane) -> bool:
    if z.mean() < MEAN_UP or max(abs(x.mean()), abs(y.mean())) > MEAN_ASIDE:
        return False
    if (np.hypot(x, y) > LEAN).mean() > BENT:
        return True
    return bool(max(abs(np.median(x)), abs(np.median(y)), 1 - np.median(z)) < LEVEL)


def _faces_everywhere(x: Plane, y: Plane, z: Plane) -> bool:
    """Tell vectors of all directions from greys near 54 and 201, which have length 1 too."""
    return bool(min((x - y).std(), (y - z).std(), (z - x).std()) > SPREAD)
