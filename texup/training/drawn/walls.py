"""Drawn pictures of what was built: walls, floors, wood, cloth and metal. Most of them tile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from texup.training.drawn.fields import (
    DARK,
    EARTH,
    STONE,
    Color,
    Picture,
    Rng,
    against,
    blend,
    cells,
    color,
    cover,
    finish,
    fractal,
    grid,
    mix,
    near,
    per_cell,
    ramp,
    relief,
    scaled,
    stretch,
)
from texup.training.drawn.shapes import Plane, Shape, paint


@dataclass(frozen=True, slots=True)
class Courses:
    """A wall of boxes in rows, as planes (H, W): where in its box every pixel lies."""

    left: Plane
    """Pixels from the left side of the box."""
    top: Plane
    wide: Plane
    tall: Plane
    number: NDArray[np.intp]

    def inside(self, gap: float, corner: float) -> Plane:
        """Return the distance in pixels from the boxes' rounded outline, negative inside; ``gap`` lies between them."""
        half = [side / 2 - gap / 2 - corner for side in (self.wide, self.tall)]
        across, down = np.abs(self.left - self.wide / 2) - half[0], np.abs(self.top - self.tall / 2) - half[1]
        outside = np.hypot(np.maximum(across, 0), np.maximum(down, 0))
        return np.asarray(outside + np.minimum(np.maximum(across, down), 0) - corner, np.float32)


def courses(
    rng: Rng, size: int, rows: int, columns: int, *, shift: float = 0.5, uneven: float = 0.0, wobble: float = 0.0
) -> Courses:
    """Divide a torus into rows of boxes.

    ``shift`` moves every other row by that part of a box, ``uneven`` varies the boxes' sides by that part of them, and
    ``wobble`` bends their outlines by about that many pixels.
    """
    x, y = (np.broadcast_to(axis, (size, size)) for axis in grid(size))
    if wobble:
        x, y = (axis + np.float32(2 * wobble) * fractal(rng, size, 8, 3) for axis in (x, y))
    x, y = x % size, y % size
    row, top, tall = _lookup(_edges(rng, size, rows, 0, uneven), size)
    at = np.minimum(y.astype(int), size - 1)
    row_at = row[at]
    sides = [_lookup(_edges(rng, size, columns, shift * (i % 2), uneven), size) for i in range(rows)]
    number, left, wide = (np.stack([side[k] for side in sides]) for k in range(3))
    across = np.minimum(x.astype(int), size - 1)
    from_left = (x - left[row_at, across]) % size
    return Courses(
        np.asarray(from_left, np.float32), np.asarray(y - top[at], np.float32),
        np.asarray(wide[row_at, across], np.float32), np.asarray(tall[at], np.float32),
        row_at * columns + number[row_at, across].astype(int),
    )  # fmt: skip


def _edges(rng: Rng, size: int, count: int, shift: float, uneven: float) -> NDArray[np.float64]:
    return (np.arange(count) + shift + rng.uniform(-uneven / 2, uneven / 2, count)) * size / count


def _lookup(edges: NDArray[np.float64], size: int) -> tuple[NDArray[np.intp], Plane, Plane]:
    """Return for every whole pixel of an axis: number, low edge and length of the box that it lies in, on a torus."""
    edges = np.sort(np.floor(edges) % size)  # so that a box begins with a pixel
    index = np.searchsorted(edges, np.arange(size), "right") - 1
    lengths = np.diff(np.append(edges, edges[0] + size))
    low = edges[index] - np.where(index < 0, size, 0)
    return index % len(edges), np.asarray(low, np.float32), np.asarray(lengths[index], np.float32)


def _count(rng: Rng, size: int, low: float, high: float, *, even: bool = False) -> int:
    """Return how many parts of between ``low`` and ``high`` pixels fill the picture."""
    number = max(2, round(size / float(np.exp(rng.uniform(np.log(low), np.log(high))))))
    return number + number % 2 if even else number


def worn(rng: Rng, size: int, picture: Plane, depth: float) -> Plane:
    """Darken and lighten by clouds and by fine grain."""
    broad = fractal(rng, size, int(rng.integers(2, 5)), 5, 0.6)
    fine = fractal(rng, size, size // int(rng.integers(6, 14)), 2)
    return np.asarray(picture * (1 + np.float32(depth) * (0.5 * broad + 0.45 * fine))[..., None], np.float32)


def laid(rng: Rng, size: int, inside: Plane, tops: Plane, joint: Color, rough: float) -> Plane:
    """Light boxes or stones with worn edges above their joints."""
    bevel = float(rng.uniform(1.5, 6))
    rise = np.clip(-inside / bevel, 0, 1) * bevel * np.float32(rng.uniform(0.3, 0.9))
    surface = rise + np.float32(rough) * fractal(rng, size, size // 24, 3, 0.6)
    light = relief(surface, rng.uniform(0, 2 * np.pi), float(rng.uniform(0.25, 0.7)))
    picture = mix(
        worn(rng, size, np.broadcast_to(np.asarray(joint, np.float32), tops.shape), 0.4), tops, cover(inside, 1.4)
    )
    return np.asarray(picture * light[..., None], np.float32)


def brick(rng: Rng, size: int) -> Picture:
    """A brick wall, lit from one side."""
    rows = _count(rng, size, 20, 64, even=True)
    wall = courses(
        rng, size, rows, max(2, round(rows / rng.uniform(1.6, 3))),
        shift=float(rng.choice([0.5, 0.33])), uneven=float(rng.uniform(0, 0.12)), wobble=float(rng.uniform(0, 1.6)),
    )  # fmt: skip
    base = color(rng, int(rng.choice([EARTH, EARTH, STONE, DARK])))
    inside = wall.inside(float(rng.uniform(2.5, 7)), float(rng.uniform(0.5, 4)))
    tops = per_cell(rng, wall.number, base, float(rng.uniform(0.03, 0.2)))
    joint = against(rng, base, 0.12, STONE)
    return finish(
        rng, worn(rng, size, laid(rng, size, inside, tops, joint, rng.uniform(0, 1.5)), rng.uniform(0.1, 0.5))
    )


def blocks(rng: Rng, size: int) -> Picture:
    """A wall of big hewn blocks, or a cellar's, with uneven rows."""
    rows = _count(rng, size, 48, 110)
    wall = courses(
        rng, size, rows + rows % 2, max(2, round(rows * rng.uniform(0.5, 1.0))),
        uneven=float(rng.uniform(0, 0.4)), wobble=float(rng.uniform(0, 3)),
    )  # fmt: skip
    base = color(rng, int(rng.choice([STONE, STONE, EARTH, DARK])))
    inside = wall.inside(float(rng.uniform(2, 8)), float(rng.uniform(1, 10)))
    tops = per_cell(rng, wall.number, base, float(rng.uniform(0.02, 0.15)))
    joint = scaled(base, rng.uniform(0.15, 0.6))
    return finish(
        rng, worn(rng, size, laid(rng, size, inside, tops, joint, rng.uniform(0.5, 4)), rng.uniform(0.2, 0.6))
    )


def cobble(rng: Rng, size: int) -> Picture:
    """Round field stones or cracked ground."""
    far, border, number = cells(rng, size, _count(rng, size, 20, 70), float(rng.uniform(0.3, 0.75)))
    bent = border + np.float32(rng.uniform(0, 2.5)) * fractal(rng, size, 12, 3)
    base = color(rng, int(rng.choice([STONE, EARTH, DARK])))
    inside = np.asarray(rng.uniform(1, 5) - bent, np.float32)
    tops = per_cell(rng, number, base, float(rng.uniform(0.02, 0.2)))
    dome = np.float32(rng.uniform(0, 0.5)) * (1 - far / max(float(far.max()), 1))
    picture = laid(
        rng, size, inside, tops * (1 + dome[..., None]), scaled(base, rng.uniform(0.1, 0.7)), rng.uniform(0, 2)
    )
    return finish(rng, worn(rng, size, picture, rng.uniform(0.1, 0.5)))


def tiles(rng: Rng, size: int) -> Picture:
    """Floor or bathroom tiles: plain, a chequer, or with a motif in each."""
    count = int(rng.choice([n for n in (2, 4, 8, 16) if size / n >= 20]))
    floor = courses(rng, size, count, count, shift=0.0)
    one = color(rng)
    two = against(rng, one, 0.15)
    odd = (floor.number // count + floor.number % count) % 2 == 1
    tops = per_cell(rng, floor.number, one, float(rng.uniform(0, 0.05)))
    if rng.random() < 0.6:
        tops = np.where(odd[..., None], per_cell(rng, floor.number, two, float(rng.uniform(0, 0.05))), tops)
    if rng.random() < 0.5:
        motif = _motif(rng, size // count)
        tops = mix(tops, against(rng, one, 0.2), np.tile(motif, (count, count)) * np.float32(rng.uniform(0.5, 1)))
    inside = floor.inside(float(rng.uniform(2, 6)), float(rng.uniform(0, 5)))
    joint = color(rng, STONE)
    return finish(rng, worn(rng, size, laid(rng, size, inside, tops, joint, rng.uniform(0, 0.3)), rng.uniform(0, 0.25)))


def _motif(rng: Rng, side: int) -> Plane:
    """Return a mask with the symmetry of a square: arcs, stars and bands about the middle."""
    turns = np.linspace(0, 2 * np.pi, 49)[:-1]
    shapes = []
    for _ in range(int(rng.integers(1, 4))):
        wave = 1 + rng.uniform(-0.5, 0.5) * np.cos(4 * int(rng.integers(0, 3)) * turns + np.pi * rng.integers(2))
        radius = side * rng.uniform(0.15, 0.42) * wave
        points = side / 2 + radius[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1)
        width = float(rng.choice([0, 0, rng.uniform(2, 6)]))
        shapes.append(Shape(points.astype(np.float32), (float(rng.random() < 0.75),), width, closed=True))
    return paint(shapes, (side, side))


def planks(rng: Rng, size: int) -> Picture:
    """Boards with grain and knots, lying or standing."""
    rows = _count(rng, size, 26, 90)
    boards = courses(rng, size, rows, int(rng.integers(1, 3)), shift=float(rng.uniform(0.2, 0.6)), uneven=0.1)
    base = color(rng, int(rng.choice([EARTH, EARTH, EARTH, STONE, DARK])))
    _, y = grid(size)
    bend = fractal(rng, size, rows * 2, 3, 0.5, across=2)
    offset = rng.uniform(0, 60, int(boards.number.max()) + 1).astype(np.float32)[boards.number]
    rings = float(rng.uniform(5, 16))  # pixels from one ring to the next
    grain = np.sin((y + offset + np.float32(rng.uniform(6, 22)) * bend) * np.float32(2 * np.pi / rings))
    streaks = fractal(rng, size, size // 6, 1, 0.6, across=4) + fractal(rng, size, size // 14, 2, 0.6, across=3)
    pattern = np.float32(rng.uniform(0.04, 0.2)) * grain + np.float32(rng.uniform(0.05, 0.3)) * streaks
    tops = per_cell(rng, boards.number, base, float(rng.uniform(0.02, 0.12))) * (1 + pattern)[..., None]
    inside = boards.inside(float(rng.uniform(2, 4.5)), float(rng.uniform(0, 2)))
    picture = laid(rng, size, inside, tops.astype(np.float32), scaled(base, rng.uniform(0.1, 0.4)), 0.0)
    if rng.random() < 0.5:
        nails = _dots(boards, 7.0, float(rng.uniform(1.8, 3.2)))
        picture = mix(picture, scaled(base, 0.25), nails)
    picture = worn(rng, size, picture, rng.uniform(0, 0.3))
    return finish(rng, picture if rng.random() < 0.5 else picture.transpose(1, 0, 2))


def _dots(boxes: Courses, inset: float, radius: float) -> Plane:
    """Return the mask of a round head in each corner of each box."""
    across = np.minimum(boxes.left, boxes.wide - boxes.left) - np.float32(inset)
    down = np.minimum(boxes.top, boxes.tall - boxes.top) - np.float32(inset)
    return cover(np.asarray(np.hypot(across, down) - np.float32(radius), np.float32))


def cloth(rng: Rng, size: int) -> Picture:
    """Woven threads in plain, twill or basket weave, in stripes or a tartan."""
    kind = int(rng.choice([2, 2, 3, 4]))
    threads = max(kind * 4, round(size / float(rng.uniform(5, 18)) / kind) * kind)
    x, y = (axis * threads / (2 * size) for axis in grid(2 * size))
    i, j = np.floor(x).astype(int), np.floor(y).astype(int)
    over = (i + j) % kind < (kind + 1) // 2
    round_x, round_y = (np.sin(np.pi * (axis - np.floor(axis))) for axis in (x, y))
    body = np.where(over, round_x, round_y) ** np.float32(0.6)
    dip = np.where(over, round_y, round_x)
    light = (0.45 + 0.55 * body) * (0.8 + 0.2 * dip)
    base = color(rng)
    yarns = [base, near(rng, base, 0.25), against(rng, base, 0.2)]
    bands = [rng.choice(3, threads, p=p) for p in _yarn_shares(rng)]
    run = max(1, int(rng.integers(1, 7)))
    one, two = (np.asarray(yarns, np.float32)[np.repeat(band[::run], run)[:threads]] for band in bands)
    picture = np.where(over[..., None], one[i[0]][None, :, :], two[j[:, 0]][:, None, :]) * light[..., None]
    smooth = picture.reshape(size, 2, size, 2, 3).mean((1, 3), dtype=np.float32)
    return finish(rng, worn(rng, size, smooth, rng.uniform(0, 0.4)))


def _yarn_shares(rng: Rng) -> list[tuple[float, float, float]]:
    tartan, stripes, plain = (0.5, 0.3, 0.2), (0.6, 0.1, 0.3), (1.0, 0.0, 0.0)
    pairs = [[tartan, tartan], [stripes, plain], [plain, plain], [plain, (0.0, 1.0, 0.0)]]
    return pairs[int(rng.integers(len(pairs)))]


def rock(rng: Rng, size: int) -> Picture:
    """Rough natural ground or stone: ridged noise, lit."""
    height = fractal(rng, size, int(rng.integers(3, 10)), 6, float(rng.uniform(0.45, 0.7)))
    if rng.random() < 0.5:
        height = np.abs(height)
    base = color(rng, int(rng.choice([EARTH, STONE, DARK])))
    shades = [scaled(base, 0.4), base, near(rng, blend(base, (1, 1, 1), 0.3), 0.1)]
    light = relief(height * np.float32(rng.uniform(4, 14)), rng.uniform(0, 2 * np.pi), 0.45)
    return finish(rng, ramp(stretch(height), shades) * light[..., None])
