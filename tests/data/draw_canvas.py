"""The brushes of the example pack: coordinates in texels, noise on a torus, outlines, light and colour.

Everything is drawn ``FINE`` times finer than the texture and reduced at the end. Fields are (H * FINE, W * FINE)
float64, outlines are signed distances in texels (negative inside), pictures are RGB or premultiplied RGBA in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float64]
Mask = NDArray[np.bool_]
Point = tuple[float, float]
Size = tuple[int, int]
Rng = np.random.Generator
Shape = Callable[[Field, Field], tuple[Field | Mask, Field]]

FINE = 4

# Colour ramps, dark to bright; shadows lean to blue and violet, lights to yellow.
STONE = ("15161d", "33353f", "565a63", "7d8184", "a5a59d", "cfcabb")
SAND_STONE = ("251b1a", "4f3d33", "7c6650", "a58c6c", "c9b48e", "e8dab8")
WOOD = ("1c0e0a", "40230f", "6b3f1c", "94602d", "bb8648", "deb278")
STEEL = ("0d1118", "28303c", "485462", "6f7d88", "9cabb0", "d9e2dd")
GRASS = ("0c1f14", "17401d", "2c6625", "4f8f2e", "86b840", "c6de6c")
MOSS = ("10200f", "25401a", "456a26", "76943a", "a9b95c")


def grid(size: Size) -> tuple[Field, Field]:
    """Return x and y, in texels, of every fine sample of a (width, height) texture."""
    width, height = size
    y, x = np.mgrid[0 : height * FINE, 0 : width * FINE]
    return (x + 0.5) / FINE, (y + 0.5) / FINE


def noise(x: Field, y: Field, size: Point, lattice: Size, rng: Rng) -> Field:
    """Return gradient noise, about -1..1, of ``lattice`` bumps over ``size`` texels, after which it repeats."""
    angle = rng.uniform(0, 2 * np.pi, (lattice[1], lattice[0]))
    across, down = np.cos(angle), np.sin(angle)
    u, v = x / size[0] * lattice[0], y / size[1] * lattice[1]
    i, j = np.floor(u).astype(int), np.floor(v).astype(int)
    u, v = u - i, v - j

    def corner(di: int, dj: int) -> Field:
        node = (j + dj) % lattice[1] * lattice[0] + (i + di) % lattice[0]
        slope: Field = across.take(node) * (u - di) + down.take(node) * (v - dj)
        return slope

    s, t = smooth(u), smooth(v)
    top = corner(0, 0) * (1 - s) + corner(1, 0) * s
    bottom = corner(0, 1) * (1 - s) + corner(1, 1) * s
    return (top * (1 - t) + bottom * t) * 1.5


def cloud(x: Field, y: Field, size: Point, lattice: Size, rng: Rng, octaves: int = 4) -> Field:
    """Return fractal noise, about -1..1: octaves of doubled frequency and halved height."""
    total = np.zeros_like(x)
    for octave in range(octaves):
        total += noise(x, y, size, (lattice[0] << octave, lattice[1] << octave), rng) / (1 << octave)
    return total / 1.4


def smooth(t: Field) -> Field:
    """Return the fifth-degree step of ``t``, clipped to 0..1."""
    t = np.clip(t, 0, 1)
    return t * t * t * (t * (t * 6 - 15) + 10)


def inside(distance: Field, sharp: float = 3.0) -> Field:
    """Return how far a sample is inside an outline, 0..1, over an edge ``1 / sharp`` texels wide."""
    return smooth(0.5 - distance * sharp)


def ramp(tone: Field, *colours: str) -> Field:
    """Return RGB along evenly spaced hexadecimal ``colours`` for tones 0..1, clipped outside."""
    stops = np.array([[int(c[i : i + 2], 16) / 255 for i in (0, 2, 4)] for c in colours])
    at = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(tone, at, stops[:, channel]) for channel in range(3)], axis=-1)


def mix(first: Field, second: Field, share: Field) -> Field:
    """Return RGB ``first`` with ``share`` (0..1, a field) of ``second``."""
    return first + (second - first) * np.clip(share, 0, 1)[..., None]


def nearest(*distances: Field) -> Field:
    """Return the outline of everything that is inside any of the given ones."""
    return np.asarray(np.minimum.reduce(distances))


def box(x: Field, y: Field, half: tuple[Field | float, Field | float], radius: float = 0.0) -> Field:
    """Return the distance to a box about the origin with rounded corners."""
    dx, dy = np.abs(x) - half[0] + radius, np.abs(y) - half[1] + radius
    return np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0) - radius


def ball(distance: Field, radius: float) -> Field:
    """Return the height, 0..1, of a half ball, given the distance to its centre."""
    return np.sqrt(np.clip(1 - (distance / radius) ** 2, 0, 1))


def line(x: Field, y: Field, a: Point, b: Point) -> Field:
    """Return the distance to the segment from ``a`` to ``b``."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    t = np.clip(((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy), 0, 1)
    return np.hypot(x - a[0] - t * dx, y - a[1] - t * dy)


def polygon(x: Field, y: Field, corners: list[Point]) -> Field:
    """Return the distance to a closed polygon (even-odd)."""
    within = np.zeros(x.shape, bool)
    distance = np.full(x.shape, np.inf)
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        distance = np.minimum(distance, line(x, y, (ax, ay), (bx, by)))
        if ay != by:
            within ^= ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return np.where(within, -distance, distance)


def cells(x: Field, y: Field, size: Point, points: Field) -> tuple[Field, NDArray[np.int64]]:
    """Return the Voronoi cells of ``points`` (N, 2) on the torus: distance to the border, and whose cell it is."""
    across = np.stack([(x - at + size[0] / 2) % size[0] - size[0] / 2 for at in points[:, 0]])
    down = np.stack([(y - at + size[1] / 2) % size[1] - size[1] / 2 for at in points[:, 1]])
    squared = across**2 + down**2
    owner = squared.argmin(axis=0)
    own_across, own_down, own_squared = (np.take_along_axis(d, owner[None], 0)[0] for d in (across, down, squared))
    border = np.full(x.shape, np.inf)
    for index in range(len(points)):
        apart = np.maximum(np.hypot(across[index] - own_across, down[index] - own_down), 1e-9)
        edge = (squared[index] - own_squared) / (2 * apart)
        border = np.where(owner == index, border, np.minimum(border, edge))
    return border, owner


def scatter(size: Point, columns: int, rows: int, rng: Rng, jitter: float) -> Field:
    """Return columns x rows points (N, 2), one shaken inside each field of a running bond."""
    j, i = np.mgrid[0:rows, 0:columns]
    shake = rng.uniform(-jitter / 2, jitter / 2, (rows, columns, 2))
    across = (i + 0.5 + j % 2 / 2 + shake[..., 0]) * size[0] / columns
    return np.stack([across, (j + 0.5 + shake[..., 1]) * size[1] / rows], axis=-1).reshape(-1, 2)


def blur(field: Field, radius: float) -> Field:
    """Return ``field`` under a Gaussian of ``radius`` texels, wrapped round."""
    v, u = np.fft.fftfreq(field.shape[0])[:, None], np.fft.rfftfreq(field.shape[1])[None]
    gauss = np.exp(-2 * (np.pi * radius * FINE) ** 2 * (u * u + v * v))
    return np.fft.irfft2(np.fft.rfft2(field) * gauss, field.shape)


def light(height: Field, steep: float = 0.8) -> Field:
    """Return how much brighter than level ground a surface is under a lamp at the top left, about -0.6..0.4."""
    dx = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) * FINE / 2 * steep
    dy = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) * FINE / 2 * steep
    return (0.48 * dx + 0.60 * dy + 0.64) / np.sqrt(1 + dx * dx + dy * dy) - 0.64


def shade_below(height: Field, reach: float) -> Field:
    """Return the shadow, 0..1, that higher parts cast to their lower right within ``reach`` texels."""
    shadow = np.zeros_like(height)
    for step in range(1, round(reach * FINE) + 1):
        shadow = np.maximum(shadow, np.roll(height, (step, step), (0, 1)) - height - step / FINE * 0.5)
    return np.clip(shadow, 0, 1)


def blank(size: Size) -> Field:
    """Return an empty RGBA picture."""
    return np.zeros((size[1] * FINE, size[0] * FINE, 4))


def paint(picture: Field, cover: Field | Mask, colour: Field) -> None:
    """Lay RGB ``colour`` over the RGBA picture where ``cover`` (0..1) says so."""
    share = np.asarray(cover, float)[..., None]
    picture[..., :3] = picture[..., :3] * (1 - share) + colour * share
    picture[..., 3:] = picture[..., 3:] * (1 - share) + share


def stamp(picture: Field, at: Point, reach: float, shape: Shape, *, wrap: bool = False) -> None:
    """Paint a small thing: ``shape`` gets x and y about ``at`` within ``reach`` texels, returns cover and colour."""
    rows, columns = picture.shape[:2]
    i = np.arange(int((at[1] - reach) * FINE), int((at[1] + reach) * FINE) + 1)
    j = np.arange(int((at[0] - reach) * FINE), int((at[0] + reach) * FINE) + 1)
    if not wrap:
        i, j = i[(i >= 0) & (i < rows)], j[(j >= 0) & (j < columns)]
    y, x = np.meshgrid((i + 0.5) / FINE - at[1], (j + 0.5) / FINE - at[0], indexing="ij")
    window = np.ix_(i % rows, j % columns)
    part = picture[window]
    paint(part, *shape(x, y))
    picture[window] = part
