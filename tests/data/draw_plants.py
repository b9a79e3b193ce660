"""Bark, leaves and trees of the example pack: each function draws one texture, (H, W, 3) or premultiplied (H, W, 4)."""

from __future__ import annotations

import numpy as np
from draw_canvas import (
    GRASS,
    Field,
    Mask,
    Point,
    Rng,
    Shape,
    Size,
    blank,
    cells,
    cloud,
    grid,
    light,
    line,
    mix,
    noise,
    paint,
    ramp,
    scatter,
    smooth,
    stamp,
)


def bark(size: Size, rng: Rng) -> Field:
    """Furrowed oak bark: long plates that split and join."""
    x, y = grid(size)
    bend = 1.6 * cloud(x, y, size, (4, 3), rng, 3)
    squat = size[0], size[1] / 3
    gap, owner = cells(x + bend, (y + bend * 2) / 3, squat, scatter(squat, 6, 4, rng, 0.8))
    fibre = noise(x + bend, y, size, (size[0], size[1] // 8), rng)
    rough = cloud(x, y, size, (8, 6), rng, 3)
    lit = light(2.0 * smooth(gap / 1.8) + 0.18 * fibre + 0.3 * rough)
    tone = 0.44 + rng.uniform(-0.1, 0.1, 24)[owner] + 0.07 * fibre + 0.10 * rough + 0.8 * lit
    tone = tone - 0.25 * np.exp(-gap / 0.5)
    trunk = ramp(tone, "140d0c", "35251e", "5c4434", "86684e", "b3946e", "dcc49c")
    moss = smooth(cloud(x, y, size, (2, 2), rng, 4) * 2.4 - 0.3)
    return mix(trunk, ramp(tone - 0.03, *GRASS), moss * 0.55)


def _leaf(length: float, turn: float, tone: float) -> Shape:
    """Return a pointed leaf with midrib and side veins: stalk at the origin, ``turn`` radians from straight down."""

    def shape(x: Field, y: Field) -> tuple[Mask, Field]:
        u = (x * np.sin(turn) + y * np.cos(turn)) / length
        v = (x * np.cos(turn) - y * np.sin(turn)) / length
        half = 0.36 * np.sin(np.pi * np.clip(u, 0, 1) ** 0.72)
        veins = smooth(0.6 - np.abs(((u - 0.8 * np.abs(v)) * 6) % 1 - 0.5) * 3) * smooth(1 - np.abs(u - 0.5))
        midrib = smooth(1.3 - np.abs(v) * length / 0.5)
        rim = smooth(1 - (half - np.abs(v)) * length / 0.9)
        fold = np.sign(v) * (0.05 * np.cos(turn) - 0.07 * np.sin(turn + 0.8))
        shade = tone + fold + 0.16 * u - 0.10 * veins + 0.22 * midrib - 0.30 * rim
        return (np.abs(v) < half) & (u > 0) & (u < 1), ramp(shade, *GRASS)

    return shape


def foliage(size: Size, rng: Rng) -> Field:
    """A hanging branch of leaves, dark behind and bright in front."""
    picture = blank(size)
    x, y = grid(size)
    twigs = (((32, 0), (31, 42)), ((32, 12), (16, 32)), ((32, 18), (47, 36)), ((32, 5), (46, 13)), ((32, 5), (17, 13)))
    for a, b in twigs:
        twig = line(x, y, a, b)
        paint(picture, twig < 0.9, ramp(0.5 - 0.4 * twig, "1c100a", "4a2f1a", "7a5430"))
    for layer, (count, reach) in enumerate(((22, 1.0), (16, 0.95), (10, 0.85))):
        for _ in range(count):
            a, b = twigs[rng.integers(len(twigs))]
            t = rng.uniform(0.2, 1.0) * reach
            across = a[0] + (b[0] - a[0]) * t + rng.uniform(-3, 3)
            down = a[1] + (b[1] - a[1]) * t + rng.uniform(-1, 4)
            turn = 0.045 * (across - 32) + rng.uniform(-0.75, 0.75)
            tone = 0.12 + 0.24 * layer + rng.uniform(-0.08, 0.08) - 0.05 * (across + down - 58) / 32
            long = rng.uniform(12, 17.5)
            stamp(picture, (across, down), long, _leaf(long, turn, tone))
    return picture


def _needles(root: Point, tone: float) -> Shape:
    """Return a twig from ``root`` to the origin, dark and thick at the root, bright and thin at the tip."""

    def shape(x: Field, y: Field) -> tuple[Mask, Field]:
        near = np.clip(1 - y / root[1], 0, 1)
        colour = ramp(tone - 0.30 + 0.50 * near, "07171a", "0f2f2a", "1d4f38", "34724a", "5f9a5c", "a3c88a")
        return line(x, y, root, (0, 0)) < 1.5 - 0.95 * near, colour

    return shape


def pine_tree(size: Size, rng: Rng) -> Field:
    """A fir billboard: seven skirts of needles on a short trunk, lit from the left."""
    picture = blank(size)
    x, y = grid(size)
    trunk = np.abs(x - 16) - 1.7 - 0.05 * (y - 52)
    paint(picture, (trunk < 0) & (y > 50) & (y < 63.5), ramp(0.55 - 0.16 * (x - 16), "1e120c", "4a3020", "80583a"))
    for tier in range(6, -1, -1):
        top, low, spread = 0.5 + tier * 7.0, 12.0 + tier * 7.6, 4.6 + tier * 1.65
        for share in sorted(rng.uniform(-1, 1, 22 + 6 * tier), key=abs, reverse=True):
            root = (16 + share * spread * 0.25, top + rng.uniform(0.15, 0.6) * (low - top))
            tip = (16 + share * spread, low - 3.6 * share * share + rng.uniform(-2.2, 0.8))
            back = root[0] - tip[0], root[1] - tip[1]
            tone = 0.40 - 0.24 * share + rng.uniform(-0.10, 0.10)
            stamp(picture, tip, 2 + max(map(abs, back)), _needles(back, tone))
    return picture


def oak_tree(size: Size, rng: Rng) -> Field:
    """A round-headed tree billboard: clumps of leaves, each lit as a ball."""
    picture = blank(size)
    x, y = grid(size)
    limbs = (((32, 63), (31, 36), 3.4), ((31, 46), (19, 32), 1.7), ((32, 44), (45, 30), 1.7))
    for a, b, thick in (*limbs, ((32, 63), (26, 64), 2.0), ((33, 63), (39, 64), 2.0)):
        tone = 0.52 - 0.11 * (x - (a[0] + b[0]) / 2) + 0.12 * np.sin(x * 3 + 0.4 * y)
        paint(picture, line(x, y, a, b) < thick, ramp(tone, "1a100c", "43301f", "755638", "a88458"))
    clumps = ((32, 15, 13), (19, 21, 11), (45, 20, 11.5), (12, 30, 8.5), (52, 30, 8.5), (25, 32, 9), (41, 33, 9.5))
    for cx, cy, radius in (*clumps, (32, 25, 11)):
        paint(picture, np.hypot(x - cx, (y - cy) * 1.1) < radius * 0.9, ramp(x, "15391c"))
        for _ in range(int(radius * radius * 0.85)):
            reach, bearing = np.sqrt(rng.uniform(0, 1)), rng.uniform(0, 2 * np.pi)
            du, dv = reach * np.cos(bearing), reach * np.sin(bearing) * 0.92
            tone = 0.46 - 0.24 * du - 0.36 * dv - 0.004 * (cy - 22) + rng.uniform(-0.11, 0.11)
            leaf = _leaf(rng.uniform(2.6, 4.0), rng.uniform(-1.6, 1.6), tone)
            stamp(picture, (cx + du * radius, cy + dv * radius - 1), 5, leaf)
    return picture


def fern(size: Size, rng: Rng) -> Field:
    """A fern: arching fronds, each with a row of leaflets on either side."""
    picture = blank(size)
    behind = ((-1.25, 34, 0.26), (1.25, 35, 0.24), (-0.95, 46, 0.32), (0.9, 47, 0.30), (0.08, 59, 0.36))
    before = ((-0.5, 59, 0.44), (0.52, 57, 0.42), (-1.5, 24, 0.46), (1.45, 25, 0.44))
    for bend, tall, tone in (*behind, *before):
        for t in np.linspace(0.10, 1, int(tall * 0.42)):
            along = bend * t
            at = (32 + np.sin(along) * tall * t * 0.72, 63 - np.cos(along * 1.1) * tall * t)
            long = (11.0 * (1 - t) ** 0.7 * min(1.0, t * 3) + 1.8) * (0.75 + 0.005 * tall)
            for side in (-1, 1):
                turn = np.pi - along * 1.4 + side * 1.05
                stamp(picture, at, long, _leaf(long, turn, tone + 0.22 * t - 0.07 * side + rng.uniform(-0.04, 0.04)))
    return picture
