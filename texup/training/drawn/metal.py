"""Drawn pictures of metal, and of patterns with hard edges as signs, floors and flags have them."""

from __future__ import annotations

import numpy as np

from texup.training.drawn.fields import (
    BRIGHT,
    DARK,
    EARTH,
    STONE,
    Picture,
    Rng,
    against,
    color,
    cover,
    finish,
    fractal,
    grid,
    mix,
    per_cell,
    ramp,
    relief,
    scaled,
    stretch,
)
from texup.training.drawn.shapes import Plane
from texup.training.drawn.walls import courses, laid, worn


def metal(rng: Rng, size: int) -> Picture:
    """Plates with seams and rivets, brushed, sometimes rusty or with a warning band."""
    count = int(rng.choice([n for n in (1, 2, 4) if size / n >= 48]))
    plates = courses(rng, size, count * int(rng.integers(1, 3)), count, shift=float(rng.choice([0, 0, 0.5])))
    base = color(rng, int(rng.choice([STONE, STONE, DARK, EARTH])))
    brushed = fractal(rng, size, size // 5, 1, across=4) * np.float32(rng.uniform(0, 0.18))
    tops = per_cell(rng, plates.number, base, float(rng.uniform(0, 0.08))) * (1 + brushed)[..., None]
    if rng.random() < 0.3:
        tops = mix(
            tops, _stripes(rng, size), cover(np.abs(plates.top - plates.tall / 2) - np.float32(rng.uniform(8, 24)))
        )
    rust = stretch(fractal(rng, size, 3, 6, 0.65))
    tops = mix(
        tops.astype(np.float32), color(rng, EARTH), np.clip((rust - np.float32(rng.uniform(0.55, 1.1))) * 4, 0, 0.85)
    )
    inset, radius = float(rng.uniform(8, 16)), float(rng.uniform(2.5, 5.5))
    picture = laid(
        rng, size, plates.inside(float(rng.uniform(2, 5)), float(rng.uniform(0, 4))), tops, scaled(base, 0.2), 0.0
    )
    pitch = size / count / max(1, round(size / count / rng.uniform(24, 56)))
    u, v = plates.left % np.float32(pitch) - np.float32(pitch / 2), np.minimum(plates.top, plates.tall - plates.top)
    head = np.hypot(u, v - np.float32(inset))
    dome = np.sqrt(np.maximum(radius * radius - head * head, 0)) * np.float32(0.7)
    light = relief(np.asarray(dome, np.float32), rng.uniform(0, 2 * np.pi), 0.6)
    return finish(rng, worn(rng, size, picture * light[..., None], rng.uniform(0.05, 0.4)))


def _stripes(rng: Rng, size: int) -> Plane:
    """Slanting bands of two colours, on a torus."""
    x, y = grid(size)
    period = size / max(2, round(size / rng.uniform(16, 60)))
    wave = np.abs((x + y) % np.float32(period) - np.float32(period / 2)) - np.float32(period / 4)
    one = color(rng, BRIGHT)
    return mix(np.broadcast_to(np.asarray(one, np.float32), (size, size, 3)), against(rng, one), cover(wave, 1.4))


def grate(rng: Rng, size: int) -> Picture:
    """A metal grate, mesh or tread plate above the dark."""
    count = int(rng.choice([n for n in (4, 8, 16, 32) if 10 <= size / n <= 64]))
    x, y = grid(size)
    pitch = np.float32(size / count)
    slanted = rng.random() < 0.4
    u, v = ((x + y) % size, (x - y) % size) if slanted else np.broadcast_arrays(x, y)
    u, v = np.abs(u % pitch - pitch / 2), np.abs(v % pitch - pitch / 2)
    hole = float(pitch) * float(rng.uniform(0.25, 0.4))
    forms = [np.maximum(u, v), np.hypot(u, v), np.maximum(u, v / 2 + 1), u + 0 * v]
    inside = np.asarray(hole - forms[int(rng.integers(len(forms)))], np.float32)
    base = scaled(color(rng, int(rng.choice([STONE, BRIGHT, EARTH]))), 1.2)
    below = ramp(
        stretch(fractal(rng, size, 3, 3)), [scaled(base, rng.uniform(0.02, 0.4)), scaled(base, rng.uniform(0.1, 0.5))]
    )
    picture = mix(
        below, worn(rng, size, np.broadcast_to(np.asarray(base, np.float32), (size, size, 3)), 0.4), cover(inside, 1.3)
    )
    rise = np.asarray(np.clip(-inside / 3, 0, 1) * rng.uniform(0.5, 2), np.float32)
    return finish(rng, picture * relief(rise, rng.uniform(0, 2 * np.pi), 0.5)[..., None])


def pattern(rng: Rng, size: int) -> Picture:
    """Stripes, chequers, dots, zigzags, rays, rings or bricks of two to three flat colours."""
    pitch = np.float32(size / max(2, round(size / float(np.exp(rng.uniform(np.log(12), np.log(90)))))))
    x, y = np.broadcast_arrays(*grid(size))
    u, v = ((x + y) % size, (x - y) % size) if rng.random() < 0.3 else (x, y)
    part = np.float32(rng.uniform(0.25, 0.75))
    first = color(rng)
    tones = [first, against(rng, first, 0.15), against(rng, first, 0.3)]
    picture = mix(
        np.broadcast_to(np.asarray(first, np.float32), (size, size, 3)), tones[1], cover(_form(rng, u, v, pitch, part))
    )
    if rng.random() < 0.4:
        finer = pitch / np.float32(2 if pitch >= 24 else 1)
        picture = mix(picture, tones[2], cover(_form(rng, u, v, finer, part / 2)))
    return finish(rng, worn(rng, size, picture, rng.uniform(0, 0.3)) if rng.random() < 0.5 else picture)


def _form(rng: Rng, u: Plane, v: Plane, pitch: np.float32, part: np.float32) -> Plane:
    """Return the distance in pixels from one of the patterns that repeat after ``pitch``, negative inside."""
    half, size = pitch / 2, u.shape[0]
    a, b = np.abs(u % pitch - half), np.abs(v % pitch - half)
    which = int(rng.integers(7))
    if which == 0:
        plane = a - part * half
    elif which == 1:  # the sign of a product makes a chequer; the nearer side is the distance
        a, b = np.abs(u % (2 * pitch) - pitch) - half, np.abs(v % (2 * pitch) - pitch) - half
        plane = np.minimum(np.abs(a), np.abs(b)) * np.sign(a * b)
    elif which == 2:
        plane = np.hypot(a, b) - part * half
    elif which == 3:
        plane = (np.abs((v + a) % pitch - half) - part * half) * np.float32(0.7)
    elif which == 4:
        plane = (a + b - part * pitch) * np.float32(0.7)
    else:
        x, y = (axis - np.float32(size * rng.uniform(0.2, 0.8)) for axis in (u, v))
        far, count = np.hypot(x, y), int(rng.integers(3, 14))
        plane = np.abs(far % pitch - half) - part * half
        if which == 6:
            turn = (np.arctan2(y, x) * count / (2 * np.pi)) % 1
            plane = (np.abs(turn - 0.5) - part / 2) * 2 * np.pi * np.maximum(far, 1) / count
    return np.asarray(plane, np.float32)
