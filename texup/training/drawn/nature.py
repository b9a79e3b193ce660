"""Drawn pictures of what grows, flows and shines, and grey masks of it."""

from __future__ import annotations

import numpy as np

from texup.training.drawn.fields import (
    BRIGHT,
    DARK,
    EARTH,
    PLANT,
    WATER,
    Color,
    Picture,
    Rng,
    against,
    blend,
    blur,
    cells,
    color,
    finish,
    fractal,
    grid,
    luma,
    mix,
    near,
    perlin,
    ramp,
    relief,
    scaled,
    spot,
    stretch,
)
from texup.training.drawn.outlines import blade, blob, leaf, placed, points, trail
from texup.training.drawn.shapes import Plane, Shape, paint


def _leaves(rng: Rng, size: int, base: Color, count: int, back: float) -> list[Shape]:
    """Return leaves with ribs, the ones that lie deeper first and darker; ``back`` is the light on the deepest."""
    shapes = []
    for k in range(count):
        x, y, turn = rng.uniform(0, size), rng.uniform(0, size), rng.uniform(0, 2 * np.pi)
        length = size * rng.uniform(0.1, 0.24)
        tone = scaled(near(rng, base, 0.08), back + (1 - back) * k / count)
        outline = leaf(rng)
        lower = np.where(outline[:, 1:] > 0, outline * np.asarray([1, 0.0], np.float32), outline)
        shapes += [
            Shape(placed(outline, x, y, length, turn), tone),
            Shape(placed(lower, x, y, length, turn), scaled(tone, 0.8)),
        ]
        if length > 24:
            rib = placed(points((-0.15, 0), (0.92, 0)), x, y, length, turn)
            shapes.append(Shape(rib, scaled(tone, 1.35), float(rng.uniform(1.5, 3))))
    return shapes


def foliage(rng: Rng, size: int) -> Picture:
    """Leaves over each other, over the dark or cut out against one colour."""
    base = color(rng, PLANT if rng.random() < 0.8 else EARTH)
    if rng.random() < 0.5:
        shapes = _leaves(rng, size, base, int(rng.integers(70, 150)), 0.25)
        return finish(rng, paint(shapes, (size, size), ground=scaled(base, 0.15), wrap=True))
    behind = ((0.0, 0.0, 0.0), scaled(base, 0.4), against(rng, base))[int(rng.integers(3))]
    return finish(
        rng, paint(_leaves(rng, size, base, int(rng.integers(12, 60)), 0.6), (size, size), ground=behind, wrap=True)
    )


def grass(rng: Rng, size: int) -> Picture:
    """Blades of grass: a lawn seen from above that tiles, or tufts cut out against one colour."""
    base = color(rng, PLANT if rng.random() < 0.8 else EARTH)
    lawn = rng.random() < 0.5
    tall = size * float(rng.uniform(0.1, 0.25) if lawn else rng.uniform(0.4, 0.85))
    count = int(rng.integers(200, 380) if lawn else rng.integers(30, 90))
    feet = rng.uniform(0, size, (count, 2))
    if not lawn:
        feet[:, 1] = size + 4
    shapes = []
    for k, (x, y) in enumerate(feet):
        length, tone = tall * rng.uniform(0.5, 1.1), scaled(near(rng, base, 0.1), 0.45 + 0.8 * k / count)
        outline = blade(rng, rng.uniform(-0.5, 0.5)) * np.asarray([max(1.0, 55 / length), 1], np.float32)
        turn = rng.uniform(-0.7, 0.7) if lawn else rng.uniform(-0.15, 0.15)
        shapes.append(Shape(placed(outline, x, y, length, turn), tone))
    behind = scaled(base, 0.3) if lawn else ((0.0, 0.0, 0.0), against(rng, base))[int(rng.integers(2))]
    picture = paint(shapes, (size, size), ground=behind, wrap=lawn)
    if lawn:
        picture = picture * (1 + 0.3 * fractal(rng, size, 3, 4))[..., None]
    return finish(rng, picture)


def bark(rng: Rng, size: int) -> Picture:
    """The bark of a tree: tall furrows."""
    across = int(rng.integers(8, 22))
    height = np.abs(fractal(rng, size, int(rng.integers(2, 5)), 4, 0.55, across=across))
    base = color(rng, int(rng.choice([EARTH, DARK])))
    light = relief(height * np.float32(rng.uniform(5, 12)), rng.uniform(-0.5, 0.5), 0.5)
    return finish(rng, ramp(stretch(height), [scaled(base, 0.25), base, near(rng, base, 0.1)]) * light[..., None])


def sky(rng: Rng, size: int) -> Picture:
    """A sky that turns paler towards the horizon, with soft clouds or stars."""
    top = color(rng, WATER)
    low = blend(near(rng, top, 0.2), color(rng), 0.35) if rng.random() < 0.5 else blend(top, (1, 1, 1), 0.6)
    _, y = grid(size)
    picture = ramp(np.broadcast_to(y / size, (size, size)), [top, low])
    clouds = fractal(rng, size, int(rng.integers(2, 6)), 6, float(rng.uniform(0.45, 0.6)))
    dense = np.clip((stretch(clouds) - np.float32(rng.uniform(0.2, 0.6))) * np.float32(rng.uniform(1.2, 4)), 0, 1)
    soft = blur(clouds, 2.5)
    light = np.clip(0.9 + 0.7 * (np.roll(soft, 8, 0) - soft), 0.6, 1.05)
    white = blend((1, 1, 1), low, float(rng.uniform(0, 0.5)))
    picture = mix(picture, np.asarray(white, np.float32) * light[..., None], dense * np.float32(rng.uniform(0.5, 1)))
    if luma(top) < 0.3:
        spots = [
            Shape(
                placed(blob(rng, 0.1), *spot(rng, size), float(rng.uniform(1.2, 3))),
                (float(rng.uniform(0.4, 1)),),
            )
            for _ in range(40)
        ]
        picture = mix(picture, (1, 1, 0.95), paint(spots, (size, size)) * (1 - dense))
    return finish(rng, picture)


def gradient(rng: Rng, size: int) -> Picture:
    """Smooth slopes of two to four colours: straight, round or bent; sometimes in bands."""
    x, y = (axis / size - np.float32(at) for axis, at in zip(grid(size), rng.uniform(0, 1, 2), strict=True))
    turn = rng.uniform(0, 2 * np.pi)
    straight = x * np.float32(np.cos(turn)) + y * np.float32(np.sin(turn))
    forms = [straight, np.hypot(x, y), straight + 0.3 * perlin(rng, size, 2), np.maximum(np.abs(x), np.abs(y))]
    field = stretch(np.broadcast_to(forms[int(rng.integers(4))], (size, size)))
    if rng.random() < 0.25:
        bands = int(rng.integers(3, 9))
        steps = field * bands
        field = np.floor(steps) + np.clip((steps % 1 - 0.5) * size / bands / 2 + 0.5, 0, 1)
        field = stretch(field)
    first = color(rng)
    return finish(
        rng, ramp(field, [first, against(rng, first, 0.2), *[color(rng) for _ in range(int(rng.integers(0, 3)))]])
    )


def noise(rng: Rng, size: int) -> Picture:
    """Fractal noise through a palette: ground, plasma, marble, camouflage."""
    octaves = int(rng.integers(1, 7))
    field = fractal(rng, size, int(rng.integers(2, 14)), octaves, float(rng.uniform(0.4, 0.7)), finest=6)
    choice = rng.random()
    if choice < 0.25:
        x, _ = grid(size)
        field = np.sin(2 * np.pi * (int(rng.integers(1, 6)) * x / size) + np.float32(rng.uniform(2, 6)) * field)
    elif choice < 0.45:
        field = 1 - np.abs(field)
    levels = stretch(field)
    base = color(rng)
    stops = [base, *[near(rng, base, float(rng.uniform(0.1, 0.6))) for _ in range(3)], against(rng, base, 0.25)]
    if choice > 0.8:
        picture = np.broadcast_to(np.asarray(base, np.float32), (size, size, 3))
        slope = np.maximum(np.hypot(*np.gradient(levels)), 1e-4)
        for k, tone in enumerate(stops[1:4]):
            picture = mix(picture, tone, np.clip((levels - (k + 1) / 4) / slope + 0.5, 0, 1))
        return finish(rng, picture)
    return finish(rng, ramp(levels, stops))


def fluid(rng: Rng, size: int) -> Picture:
    """Water with light on its bed, lava, or slime: bright veins between cells."""
    far, border, _ = cells(rng, size, max(3, round(size / rng.uniform(24, 70))))
    bent = border + np.float32(rng.uniform(1, 6)) * fractal(rng, size, 6, 3)
    veins = np.exp(-np.maximum(bent, 0) / np.float32(rng.uniform(3, 10)))
    base = color(rng, int(rng.choice([WATER, WATER, BRIGHT, DARK])))
    field = 0.75 * veins + 0.25 * stretch(fractal(rng, size, 3, 5)) + 0.002 * far
    return finish(
        rng,
        ramp(stretch(field), [scaled(base, 0.4), base, blend(base, (1, 1, 0.9), 0.6), blend(base, (1, 1, 0.9), 0.95)]),
    )


def leaf_mask(rng: Rng, size: int) -> Picture:
    """The cut-out mask of leaves, grass or a fence: white on black with sharp edges."""
    shapes = []
    if rng.random() < 0.6:
        for _ in range(int(rng.integers(6, 26))):
            x, y = rng.uniform(0, size, 2)
            shapes.append(Shape(placed(leaf(rng), x, y, size * rng.uniform(0.12, 0.4), rng.uniform(0, 2 * np.pi))))
            if rng.random() < 0.4:
                ends = np.asarray([(x, y), (x + rng.uniform(-60, 60), size)], np.float32)
                shapes.append(Shape(ends, width=float(rng.uniform(2, 6))))
    else:
        for x in rng.uniform(0, size, int(rng.integers(10, 50))):
            wide = blade(rng, rng.uniform(-0.5, 0.5)) * np.asarray([rng.uniform(0.6, 1.5), 1], np.float32)
            shapes.append(Shape(placed(wide, float(x), size + 4, size * rng.uniform(0.3, 0.9), rng.uniform(-0.2, 0.2))))
    return finish(rng, paint(shapes, (size, size)))


def glow(rng: Rng, size: int) -> Picture:
    """Grey falloffs: spots of light, rings, flares, shadows under things, slopes."""
    total = np.zeros((size, size), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        x, y = (axis / size - np.float32(at) for axis, at in zip(grid(size), rng.uniform(0.25, 0.75, 2), strict=True))
        far, radius = np.hypot(x, y * np.float32(rng.uniform(0.7, 1.5))), np.float32(rng.uniform(0.1, 0.45))
        edge = np.clip(1 - far / radius, 0, 1)
        rays = np.abs(np.cos(int(rng.integers(2, 7)) * np.arctan2(y, x))) ** np.float32(rng.uniform(2, 12))
        forms = [
            edge ** np.float32(rng.uniform(0.6, 3)),
            np.exp(-(((far - radius) / np.float32(rng.uniform(0.02, 0.1))) ** 2)),
            edge * (0.3 + 0.7 * rays),
            np.clip((radius - np.maximum(np.abs(x), np.abs(y))) / np.float32(rng.uniform(0.05, 0.3)), 0, 1),
        ]
        total = np.maximum(total, forms[int(rng.integers(4))] * np.float32(rng.uniform(0.5, 1)))
    return finish(rng, total if rng.random() < 0.8 else 1 - total)


def smoke(rng: Rng, size: int) -> Picture:
    """A grey puff of smoke, or a sheet of several, fading to black."""
    count = int(rng.choice([1, 1, 2, 4]))
    x, y = (axis / size for axis in grid(size))
    u, v = (x * count) % 1 - 0.5, (y * count) % 1 - 0.5
    billow = fractal(rng, size, count * int(rng.integers(3, 6)), 5, float(rng.uniform(0.45, 0.65)))
    far = np.hypot(u, v) * 2 + np.float32(rng.uniform(0.15, 0.5)) * billow
    dense = np.clip((1 - far - np.float32(rng.uniform(0, 0.2))) * np.float32(rng.uniform(1.2, 3)), 0, 1)
    light = np.clip(0.75 + 0.5 * fractal(rng, size, count * 5, 4), 0.3, 1)
    return finish(rng, np.asarray(np.where(dense > 0, dense * light, 0), np.float32))


def splat(rng: Rng, size: int) -> Picture:
    """A hard mask of blots, cracks or scratches, as decals have them."""
    shapes = []
    for _ in range(int(rng.integers(4, 14))):
        x, y, radius = *rng.uniform(0, size, 2), size * float(np.exp(rng.uniform(-4, -1.8)))
        shapes.append(Shape(placed(blob(rng, 0.7), x, y, radius, 0)))
        for _ in range(int(rng.integers(0, 4))):
            shapes.append(
                Shape(placed(trail(rng), x, y, size * rng.uniform(0.1, 0.5), 0), width=float(rng.uniform(1.8, 6)))
            )
        for turn in rng.uniform(0, 2 * np.pi, int(rng.integers(0, 9))):
            away, small = radius * rng.uniform(1.2, 3), max(1.5, radius * rng.uniform(0.05, 0.25))
            at = (x + away * np.cos(turn), y + away * np.sin(turn))
            shapes.append(Shape(placed(blob(rng, 0.3), *at, small * rng.uniform(1, 2), turn)))
    plane: Plane = paint(shapes, (size, size), wrap=True)
    return finish(rng, plane if rng.random() < 0.7 else 1 - plane)
