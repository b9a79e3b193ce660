"""Grain: the octaves above the limit of a source's texels, which a net leaves empty, as noise of its own kind.

Noise that runs as the source's finest detail does, of a power law for its height, is laid over what a net made: as
strong as the source is rough at that place, less what the net drew itself. It has no mean within any texel of the
source, so that averaged down the result equals what it was.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from itertools import pairwise

import numpy as np

from texup.textures.color import Plane, area, blur, resample
from texup.textures.grain.noise import DIRECTIONS, noise_of, period_of
from texup.textures.grain.roughness import (
    contrast_inside,
    detail,
    directions,
    luma_of,
    off_edges,
    ramp,
    surface_part,
    window_means,
)
from texup.textures.seams import Edges, pad
from texup.textures.texture import Pixels

MIN_SIDE = 8  # fewer texels tell no kind of noise
ABOVE = 1.0  # contrast that belongs above what texels carry, to that of the finest that they do; judged by looking
CLEAR = (0.3, 0.65)  # share of the power in one direction from which noise begins to run, and from which all of it does
FAINT = (0.2 / 255, 0.6 / 255)  # deviations between which grain fades in: less is not seen, only stored
FINE_SIGMA = 0.25  # texels: what this blur takes away from a result is the finest that a net drew
DRAWN = 0.65  # share of what a net drew that stands for grain
EVEN_SIGMA = 6.0  # texels over which the strength of grain is evened out
MOST_EVENED = 2.0  # times its own strength that a place may take over from around it
SLIGHT = 0.25  # amplitude that no place gives to a kind of noise: then the others have 94 % of its power at least
DARKEST = 0.005  # brightness below which grain gets weaker than the colour
BAND = 1 << 15  # pixels of a result that are worked on at once: so many stay in a core's own cache


def content_seed(pixels: Pixels) -> int:
    """Return a number that depends on the samples of a texture and nothing else."""
    digest = hashlib.sha256(f"{pixels.shape} {pixels.dtype.itemsize}".encode())
    digest.update(np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes())
    return int.from_bytes(digest.digest()[:16], "little")


def add_grain(result: Plane, source: Plane, strength: float, edges: Edges, seed: int, full: int = 255) -> Plane:
    """Lay grain over an upscaled plane.

    Args:
        result: (H * s, W * s, C) in [0, 1], C = 1 or 3.
        source: (H, W, C) in [0, 1].
        strength: 0 for none, 1 for as much as a surface of the source's roughness holds, up to 2.
        edges: how both go on beyond their borders.
        seed: decides which part of the noise.
        full: the highest level of the samples that the result will be stored in; grain is whole levels.

    Returns:
        ``result`` itself, changed in place, as it may be as large as memory allows, and rounded to its levels, whose
        means over each ``s`` by ``s`` block stay what they were.
    """
    (h, w), scale = source.shape[:2], result.shape[0] // source.shape[0]
    if strength <= 0 or scale == 1 or min(h, w) < MIN_SIDE:
        return result
    _round(result, full)
    luma = luma_of(source)
    band = detail(luma, edges)
    contrast = contrast_inside(band, edges)
    inside = off_edges(luma, contrast, edges)
    kept = np.sqrt(inside * np.sqrt(inside))  # to the power of 3/4: slopes of rocks are no joints
    wanted = np.float32(ABOVE) * _evened(surface_part(contrast) * kept, edges)
    level = blur(strength * _missing(result, luma, wanted, edges), 1.0, edges)
    level *= ramp(level, FAINT)
    if not level.any():
        return result
    grain = _running(directions(band, contrast, inside, edges), scale, edges, seed)
    grain *= resample(level, result.shape[:2], "bilinear", edges)[..., 0]
    rows = max(1, BAND // (scale * scale * w)) * scale
    for top in range(0, h * scale, rows):
        part = result[top : top + rows]
        under = _by_place(part, scale)
        under *= np.float32(full)
        np.rint(under, out=under)
        under += balance_grain(_tinted(_by_place(grain[top : top + rows, :, None], scale), under, full), under, full)
        under /= np.float32(full)
        _to_rows(under, scale, part)
    return result


def _round(result: Plane, full: int) -> None:
    """Round a plane to its levels, so that no last bit that a net leaves open decides about grain."""
    result *= np.float32(full)
    np.rint(result, out=result)
    result /= np.float32(full)


def _evened(contrast: Plane, edges: Edges) -> Plane:
    """Return contrasts (H, W, 1) that are nearer to those of rough places around; where there is none, none comes."""
    rough = (contrast > FAINT[0]).astype(np.float32)
    around = blur(contrast, EVEN_SIGMA, edges) / np.maximum(blur(rough, EVEN_SIGMA, edges), np.float32(0.05))
    evened: Plane = np.sqrt(contrast * np.minimum(around, MOST_EVENED * contrast))
    return evened


def _missing(result: Plane, luma: Plane, wanted: Plane, edges: Edges) -> Plane:
    """Return the deviation (H, W, 1) that is left to add: what is wanted less what a net drew.

    Only the finest that it drew counts: over the strokes of a sharp net there is room for grit.
    """
    scale = result.shape[0] // luma.shape[0]
    drawn = luma_of(result)
    drawn -= blur(drawn, FINE_SIGMA * scale, edges)
    np.square(drawn, out=drawn)
    counted = np.float32(DRAWN / _fine_share(scale)) * window_means(area(drawn, scale), 1, edges)
    left: Plane = np.sqrt(np.maximum(wanted**2 - counted, 0))
    return left


@lru_cache(maxsize=16)
def _fine_share(scale: int) -> float:
    """Return which share of its power noise keeps where ``_missing`` looks at the finest of it."""
    noise = noise_of(0, (16, 16), scale)[..., None]
    return round(float(np.var(noise - blur(noise, FINE_SIGMA * scale, ("wrap", "wrap")))), 3)


def _running(turned: Plane, scale: int, edges: Edges, seed: int) -> Plane:
    """Return noise of deviation about 1 that runs as ``directions`` says, (H * s, W * s).

    Every place mixes the two nearest kinds of streaks, and noise without a direction where none is clear.
    """
    h, w = turned.shape[:2]
    share = ramp(np.hypot(turned[..., :1], turned[..., 1:]), CLEAR)
    place = np.arctan2(turned[..., 1:], turned[..., :1]) * np.float32(DIRECTIONS / (2 * np.pi))
    weights = [np.sqrt(1 - share**2)]
    for k in range(DIRECTIONS):
        near = np.maximum(1 - np.abs((place - k + DIRECTIONS / 2) % DIRECTIONS - DIRECTIONS / 2), 0)
        weights.append(share * near / np.sqrt(near**2 + (1 - near) ** 2))
    mixed = np.zeros((h * scale, w * scale), np.float32)
    for k, weight in enumerate(weights):
        if weight.max() > SLIGHT:
            part = resample(weight, mixed.shape, "bilinear", edges)[..., 0]
            mixed += np.multiply(part, _noise_at(k, (h, w), scale, edges, seed), out=part)
    return mixed


def _noise_at(kind: int, size: tuple[int, int], scale: int, edges: Edges, seed: int) -> Plane:
    """Return the part (H * s, W * s) of a kind of noise that a seed decides about, of whole texels."""
    rows, columns = (period_of(side, scale, edge) for side, edge in zip(size, edges, strict=True))
    top, left = seed % rows, seed // rows % columns
    around = (0, max(0, top + size[0] - rows) * scale, 0, max(0, left + size[1] - columns) * scale)
    noise = pad(noise_of(kind, (rows, columns), scale), around, ("wrap", "wrap"))
    return noise[top * scale :, left * scale :][: size[0] * scale, : size[1] * scale]


def _tinted(grain: Plane, under: Plane, full: int) -> Plane:
    """Return grain (N, 1, h, w) as levels (N, C, h, w) that keep the hue of those that lie under it."""
    bright = under.mean(axis=1, keepdims=True)
    bright += np.float32(DARKEST * full)
    tinted: Plane = under * (np.float32(full) * grain / bright)
    return tinted


def balance_grain(wanted: Plane, under: Plane, full: int) -> Plane:
    """Return grain (N, C, h, w), changed in place, as whole levels that sum to nothing over the N pixels of each block.

    With the whole levels that lie ``under`` it it never leaves 0 to ``full``. Levels are the steps of the rounded
    running sum along a block, which ends where it began; each is one of the two around what was wanted.
    """
    wanted -= wanted.mean(axis=0)
    above = under + wanted
    if above.min() < 0 or above.max() > full:
        wanted = _held(wanted, under, full)
    for before, place in pairwise(wanted):  # numpy's own running sum takes ten times as long along this axis
        np.add(before, place, out=place)
    sums = np.rint(wanted, out=wanted)
    sums[-1] = 0
    sums[1:] -= sums[:-1].copy()
    return sums


def _held(wanted: Plane, under: Plane, full: int) -> Plane:
    """Return levels that leave no range: what would is cut, and the other sign of its block gets weaker by as much."""
    up: Plane = np.maximum(np.minimum(wanted, np.float32(full) - under), 0)
    down = np.maximum(np.minimum(-wanted, under), 0)
    ups, downs = up.sum(axis=0), down.sum(axis=0)
    least = np.minimum(ups, downs)
    up *= least / np.maximum(ups, np.float32(1e-9))
    down *= least / np.maximum(downs, np.float32(1e-9))
    up -= down
    return up


def _by_place(plane: Plane, scale: int) -> Plane:
    """Return the pixels of a plane (h * s, w * s, C) by their place in its blocks, (s * s, C, h, w)."""
    height, width, channels = plane.shape
    placed = np.empty((scale, scale, channels, height // scale, width // scale), np.float32)
    for dy, dx, k in np.ndindex(scale, scale, channels):
        placed[dy, dx, k] = plane[dy::scale, dx::scale, k]
    return placed.reshape(scale * scale, *placed.shape[2:])


def _to_rows(placed: Plane, scale: int, plane: Plane) -> None:
    """Fill in a plane from its pixels by their place in blocks; the inverse of ``_by_place``."""
    for (place, k), values in zip(np.ndindex(placed.shape[:2]), placed.reshape(-1, *placed.shape[2:]), strict=True):
        plane[place // scale :: scale, place % scale :: scale, k] = values
