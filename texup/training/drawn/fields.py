"""What drawn pictures are made of: noise, cells, light, colours and layers, as planes of numbers."""

from __future__ import annotations

import colorsys
from itertools import product

import numpy as np
from numpy.typing import NDArray

from texup.training.drawn.shapes import Plane

Rng = np.random.Generator
Picture = NDArray[np.uint8]
Color = tuple[float, float, float]

# Ranges of hue, saturation and value, as game art of its time grouped its colours.
MOODS: tuple[tuple[tuple[float, float], tuple[float, float], tuple[float, float]], ...] = (
    ((0.02, 0.14), (0.2, 0.65), (0.2, 0.75)),  # earth, brick, wood
    ((0.0, 1.0), (0.0, 0.14), (0.15, 0.9)),  # stone and steel
    ((0.0, 1.0), (0.55, 1.0), (0.5, 1.0)),  # bright toys and cartoons
    ((0.2, 0.45), (0.25, 0.8), (0.15, 0.7)),  # plants
    ((0.5, 0.75), (0.2, 0.8), (0.2, 0.9)),  # water, night, sky
    ((0.0, 1.0), (0.1, 0.4), (0.65, 1.0)),  # pastel
    ((0.0, 1.0), (0.2, 0.7), (0.06, 0.35)),  # dungeons
)
LEAST_SPREAD = 0.06
"""Standard deviation in [0, 1] that some channel of a picture has at least: about 15 levels of 255."""
EARTH, STONE, BRIGHT, PLANT, WATER, PASTEL, DARK = range(len(MOODS))


def color(rng: Rng, mood: int | None = None) -> Color:
    """Return one RGB colour of a mood, of any mood where None."""
    hue, saturation, value = MOODS[int(rng.integers(len(MOODS))) if mood is None else mood]
    return colorsys.hsv_to_rgb(rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value))


def near(rng: Rng, base: Color, spread: float) -> Color:
    """Return a colour beside another: hue moves by up to a third of ``spread``, saturation by half, value 1.4 fold."""
    h, s, v = colorsys.rgb_to_hsv(*base)
    hue, saturation, value = rng.uniform(-spread, spread, 3)
    return colorsys.hsv_to_rgb((h + hue / 3) % 1, min(max(s + saturation / 2, 0), 1), min(v * (1 + 1.4 * value), 1))


def luma(base: Color) -> float:
    """Return the BT.601 brightness in [0, 1]."""
    return 0.299 * base[0] + 0.587 * base[1] + 0.114 * base[2]


def against(rng: Rng, base: Color, gap: float = 0.35, mood: int | None = None) -> Color:
    """Return a colour whose brightness differs from another's by at least ``gap``."""
    for _ in range(12):
        other = color(rng, mood)
        if abs(luma(other) - luma(base)) >= gap:
            return other
    return (0.97, 0.97, 0.94) if luma(base) < 0.5 else (0.04, 0.04, 0.06)


def scaled(base: Color, factor: float) -> Color:
    """Return a colour times a factor, kept in [0, 1]."""
    return (min(base[0] * factor, 1.0), min(base[1] * factor, 1.0), min(base[2] * factor, 1.0))


def blend(one: Color, two: Color, share: float) -> Color:
    """Return the colour that lies ``share`` of the way from one to the other."""
    return (
        one[0] + (two[0] - one[0]) * share,
        one[1] + (two[1] - one[1]) * share,
        one[2] + (two[2] - one[2]) * share,
    )


def grid(size: int) -> tuple[Plane, Plane]:
    """Return x as (1, size) and y as (size, 1): the centres of the pixels."""
    line = np.arange(size, dtype=np.float32) + np.float32(0.5)
    return line[None, :], line[:, None]


def spot(rng: Rng, size: int, rim: float = 0.0) -> tuple[float, float]:
    """Return a point of the picture that is not within that part of it at its rim."""
    x, y = rng.uniform(rim * size, (1 - rim) * size, 2)
    return float(x), float(y)


def flat(size: int, base: Color) -> Plane:
    """Return a picture of one colour, (size, size, 3)."""
    return np.broadcast_to(np.asarray(base, np.float32), (size, size, 3)).copy()


def mix(below: Plane, above: Plane | Color, mask: Plane | float) -> Plane:
    """Lay a picture or a colour over a picture where ``mask`` (H, W) is 1."""
    share = mask[..., None] if isinstance(mask, np.ndarray) else np.float32(mask)
    return np.asarray(below + (np.asarray(above, np.float32) - below) * share, np.float32)


def ramp(values: Plane, colors: list[Color]) -> Plane:
    """Return the picture whose pixels go through evenly spaced colours as ``values`` (H, W) goes from 0 to 1."""
    stops = np.linspace(0, 1, len(colors))
    return np.stack([np.interp(values, stops, [c[i] for c in colors]) for i in range(3)], -1).astype(np.float32)


def cover(distance: Plane, soft: float = 1.0) -> Plane:
    """Return how much of each pixel a shape covers: ``distance`` in pixels from its edge is negative inside."""
    return np.asarray(np.clip(0.5 - distance / np.float32(soft), 0, 1), np.float32)


def stretch(plane: Plane) -> Plane:
    """Bring a plane onto 0..1 by its 1st and 99th percentile."""
    low, high = np.percentile(plane[::2, ::2], (1, 99))
    return np.asarray(np.clip((plane - np.float32(low)) / np.float32(max(high - low, 1e-6)), 0, 1), np.float32)


def _steps(size: int, cells: int) -> tuple[Plane, Plane]:
    """Return the two matrices (size, cells) of gradient noise along one axis: fade weights, and weights x offset."""
    at = (np.arange(size) + 0.5) * cells / size
    low = np.floor(at).astype(int)
    t = at - low
    fade = t * t * t * (t * (t * 6 - 15) + 10)
    plain, sloped = np.zeros((2, size, cells), np.float32)
    rows = np.arange(size)
    for corner, weight, offset in ((low % cells, 1 - fade, t), ((low + 1) % cells, fade, t - 1)):
        plain[rows, corner] += weight
        sloped[rows, corner] += weight * offset
    return plain, sloped


def perlin(rng: Rng, size: int, cells: int, cells_x: int | None = None) -> Plane:
    """Return gradient noise on a torus, about -0.7..0.7, with ``cells`` bumps down and ``cells_x`` across.

    References:
        K. Perlin, "Improving noise", SIGGRAPH 2002: fade 6t^5 - 15t^4 + 10t^3. The sum over four corners of
        weight x (slope . offset) separates into products of small matrices.
    """
    across = cells_x or cells
    angle = rng.uniform(0, 2 * np.pi, (cells, across)).astype(np.float32)
    (down, down_sloped), (side, side_sloped) = _steps(size, cells), _steps(size, across)
    return np.asarray(down_sloped @ np.sin(angle) @ side.T + down @ np.cos(angle) @ side_sloped.T, np.float32)


def fractal(
    rng: Rng, size: int, cells: int, octaves: int = 4, gain: float = 0.5, across: int | None = None, finest: int = 3
) -> Plane:
    """Return octaves of gradient noise on a torus, about -1..1, without bumps of less than ``finest`` pixels."""
    total, weight, sideways = np.zeros((size, size), np.float32), 1.0, across or cells
    for _ in range(octaves):
        if max(cells, sideways) * finest > size:
            break
        total += np.float32(weight) * perlin(rng, size, cells, sideways)
        cells, sideways, weight = cells * 2, sideways * 2, weight * gain
    return total


def blur(plane: Plane, sigma: float) -> Plane:
    """Return the Gaussian blur of a plane (H, W) on a torus."""
    height, width = plane.shape
    down = np.exp(-2 * (np.pi * sigma * np.fft.fftfreq(height)) ** 2)
    side = np.exp(-2 * (np.pi * sigma * np.fft.rfftfreq(width)) ** 2)
    spectrum = np.fft.rfft2(plane) * (down[:, None] * side[None, :])
    return np.asarray(np.fft.irfft2(spectrum, s=plane.shape), np.float32)


def relief(height: Plane, angle: float, strength: float) -> Plane:
    """Return the light on a surface whose ``height`` is in pixels: 1 where level, 0.25 to 1.9, on a torus."""
    across = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) / 2
    down = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) / 2
    lit = 1 + np.float32(strength) * (across * np.float32(np.cos(angle)) + down * np.float32(np.sin(angle)))
    return np.clip(lit, 0.25, 1.9)


def cells(rng: Rng, size: int, count: int, jitter: float = 0.7) -> tuple[Plane, Plane, NDArray[np.intp]]:
    """Return a Voronoi pattern of ``count`` x ``count`` cells on a torus.

    Returns:
        Distance in pixels to the nearest seed, distance to the border with the next cell, and the cell's number.

    References:
        The border between two seeds at squared distances a <= b from a pixel lies (b - a) / (2 |seed2 - seed1|) away,
        which follows from the two triangles. Only the 3 x 3 cells about a pixel are looked at.
    """
    step = np.float32(size / count)
    seeds = (rng.uniform(-jitter / 2, jitter / 2, (2, count, count)) + 0.5).astype(np.float32)
    x, y = grid(size)
    column, row = (x[0] // step).astype(int), (y[:, 0] // step).astype(int)
    offsets = []
    for i, j in product(range(-1, 2), range(-1, 2)):
        at = np.ix_((row + i) % count, (column + j) % count)
        home = (column + j)[None, :], (row + i)[:, None]
        offsets.append([(seeds[k][at] + home[k].astype(np.float32)) * step - axis for k, axis in enumerate((x, y))])
    away = np.asarray(offsets, np.float32)  # (9, x or y, H, W)
    squared = (away * away).sum(1)
    first = squared.argmin(0)[None]
    nearest = np.take_along_axis(squared, first, 0)
    between = away - np.take_along_axis(away, first[:, None], 0)
    apart = 2 * np.sqrt((between * between).sum(1))
    border = np.where(apart > 0, (squared - nearest) / np.maximum(apart, 1e-3), np.float32(np.inf)).min(0)
    number = (row[:, None] + first[0] // 3 - 1) % count * count + (column + first[0] % 3 - 1) % count
    return np.sqrt(nearest[0]), np.asarray(border, np.float32), number


def per_cell(rng: Rng, number: NDArray[np.intp], base: Color, spread: float) -> Plane:
    """Return a picture in which every cell has its own colour beside ``base``."""
    palette = np.asarray([near(rng, base, spread) for _ in range(int(number.max()) + 1)], np.float32)
    return np.asarray(palette[number], np.float32)


def finish(rng: Rng, picture: Plane) -> Picture:
    """Round a picture (H, W, 3), or a grey plane (H, W), in [0, 1] to an RGB picture.

    A picture that is nearly flat gets more contrast, and every fourth one the slightly soft edges of photographs.
    """
    whole = picture[..., None] if picture.ndim == 2 else picture
    middle, spread = whole.mean((0, 1)), float(whole[::2, ::2].std((0, 1)).max())
    if spread < LEAST_SPREAD:
        gain = np.float32(LEAST_SPREAD / max(spread, 0.01))
        whole = np.asarray(middle + (whole - middle) * gain, np.float32)
    if rng.random() < 0.25:
        share = np.float32(rng.uniform(0.05, 0.2))
        padded = np.pad(np.clip(whole, 0, 1), ((1, 1), (1, 1), (0, 0)), "edge")
        across = padded[:, 1:-1] * (1 - 2 * share) + (padded[:, :-2] + padded[:, 2:]) * share
        whole = np.asarray(across[1:-1] * (1 - 2 * share) + (across[:-2] + across[2:]) * share, np.float32)
    rounded = np.ascontiguousarray(np.clip(whole * 255 + 0.5, 0, 255), np.uint8)
    return np.repeat(rounded, 3, -1) if rounded.shape[-1] == 1 else rounded
