"""Drawn pictures in the way of cartoons: outlines, flat fills, and few tones of shadow."""

from __future__ import annotations

import numpy as np

from texup.training.drawn.fields import (
    BRIGHT,
    EARTH,
    PASTEL,
    STONE,
    WATER,
    Color,
    Picture,
    Rng,
    against,
    blend,
    blur,
    color,
    finish,
    flat,
    fractal,
    mix,
    near,
    scaled,
    spot,
)
from texup.training.drawn.outlines import Points, arc, blob, ellipse, placed, points, sign, trail
from texup.training.drawn.shapes import Plane, Shape, paint
from texup.training.drawn.text import ground

INK = (0.03, 0.03, 0.05)


def cartoon(rng: Rng, size: int) -> Picture:
    """Flat forms with dark outlines and one tone of shadow, as drawn by hand."""
    base = color(rng, int(rng.choice([BRIGHT, PASTEL, WATER])))
    picture, rim = ground(rng, size, base), float(rng.choice([0, rng.uniform(2, 4), rng.uniform(3, 8)]))
    light = rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.integers(6, 13))):
        x, y, radius = *rng.uniform(0, size, 2), size * rng.uniform(0.07, 0.28)
        outline = placed(blob(rng) if rng.random() < 0.6 else sign(rng), x, y, radius, rng.uniform(0, 2 * np.pi))
        left, top = np.maximum(outline.min(0).astype(int) - 6, 0)
        right, bottom = np.minimum(outline.max(0).astype(int) + 7, size)
        if left < right and top < bottom:  # only what the form covers is painted anew
            window, moved = picture[top:bottom, left:right], outline - np.asarray([left, top], np.float32)
            tone = against(rng, base, 0.1, int(rng.choice([BRIGHT, BRIGHT, PASTEL])))
            details = _details(rng, x - left, y - top, radius, light)
            window[:] = _form(rng, window, moved, tone, details, (light, radius, rim))
    return finish(rng, picture)


def _form(
    rng: Rng, below: Plane, outline: Points, tone: Color, details: list[Shape], style: tuple[float, float, float]
) -> Plane:
    """Draw one form over a picture; ``style`` is the light's angle, the form's radius and the width of its outline."""
    light, radius, rim = style
    size = below.shape[0], below.shape[1]
    away = np.asarray([np.cos(light), np.sin(light)], np.float32) * np.float32(radius * rng.uniform(0.1, 0.35))
    body, lit = (paint([Shape(form)], size) for form in (outline, outline + away))
    picture = mix(mix(below, scaled(tone, rng.uniform(0.5, 0.8)), body), tone, body * lit)
    if details:
        ink = blend(tone, (1, 1, 1), 0.8) if rng.random() < 0.5 else scaled(tone, 0.3)
        picture = mix(picture, ink, body * paint(details, size))
    if rim:
        picture = mix(picture, scaled(tone, 0.12), paint([Shape(outline, width=rim, closed=True)], size))
    return picture


def _details(rng: Rng, x: float, y: float, radius: float, light: float) -> list[Shape]:
    """Return what is drawn within a form: a shine, hatching, spots or folds."""
    which, width = int(rng.integers(6)), float(rng.uniform(1.8, 4.5))
    if which == 0:
        at = (x + 0.4 * radius * np.cos(light), y + 0.4 * radius * np.sin(light))
        return [Shape(ellipse(*at, radius * 0.22, radius * 0.12, light + np.pi / 2))]
    if which == 1:
        offsets = np.arange(-radius, radius, max(3 * width, radius * 0.2))
        return [Shape(placed(points((k, 0), (k, radius)), x, y, 1.0, light), width=width) for k in offsets]
    if which == 2:
        return [
            Shape(
                ellipse(*(np.asarray([x, y]) + rng.normal(0, radius * 0.5, 2)), *rng.uniform(2.5, 3 + radius * 0.2, 2))
            )
            for _ in range(8)
        ]
    if which == 3:
        return [Shape(placed(trail(rng), x, y, radius * rng.uniform(0.6, 1.2), 0), width=width) for _ in range(3)]
    return []


def cel(rng: Rng, size: int) -> Picture:
    """Parts of a character in few tones: limbs, folds of clothes, hair, eyes, seams."""
    base = color(rng, int(rng.choice([EARTH, PASTEL, BRIGHT, STONE])))
    folds = fractal(rng, size, int(rng.integers(1, 4)), 2, 0.4, across=int(rng.integers(1, 7)))
    picture = _toned(rng, flat(size, base), folds, base, np.ones((size, size), np.float32))
    turn = rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.integers(0, 4))):
        picture = _limb(rng, picture, turn)
    if rng.random() < 0.6:
        picture = _over(picture, _locks(rng, size))
    for _ in range(int(rng.integers(0, 3))):
        picture = _over(picture, _eye(rng, size))
    seams = [
        Shape(
            placed(trail(rng), *spot(rng, size), size * rng.uniform(0.15, 0.7), 0),
            width=float(rng.uniform(2, 5)),
        )
        for _ in range(int(rng.integers(0, 5)))
    ]
    return finish(rng, mix(picture, scaled(base, 0.25), paint(seams, (size, size))))


def _toned(rng: Rng, picture: Plane, field: Plane, tone: Color, mask: Plane) -> Plane:
    """Fill a mask by one to four tones that follow the levels of a smooth field, darkest where it is highest."""
    picture = mix(picture, tone, mask)
    slope = np.maximum(np.hypot(*np.gradient(field)), 2e-4)
    inner = field[mask > 0.5]
    if not inner.size:
        return picture
    for at, shade in zip(np.sort(rng.uniform(0.3, 0.95, int(rng.integers(1, 4)))), (0.78, 0.6, 0.45), strict=False):
        deep = np.clip((field - np.quantile(inner[::7], at)) / slope + 0.5, 0, 1) * mask
        picture = mix(picture, near(rng, scaled(tone, shade), 0.04), np.asarray(deep, np.float32))
    return picture


def _limb(rng: Rng, picture: Plane, turn: float) -> Plane:
    """Lay a round form over a picture, lit from ``turn``, with or without an outline."""
    size, tone = picture.shape[0], color(rng)
    radius = size * rng.uniform(0.12, 0.4)
    outline = placed(blob(rng, 0.3), *spot(rng, size, 0.1), radius, 0)
    body = paint([Shape(outline)], (size, size))
    swell = blur(body, radius * 0.45)
    across, down = np.gradient(swell)[::-1]
    field = np.asarray((across * np.cos(turn) + down * np.sin(turn)) * radius, np.float32)
    picture = _toned(rng, picture, field, tone, body)
    if rng.random() < 0.6:
        rim = Shape(outline, width=float(rng.uniform(2, 6)), closed=True)
        picture = mix(picture, scaled(tone, 0.15), paint([rim], (size, size)))
    return picture


def _over(picture: Plane, shapes: list[Shape]) -> Plane:
    """Paint coloured shapes over a picture."""
    size = (picture.shape[0], picture.shape[1])
    mask = paint([Shape(s.points, (1.0,), s.width, s.closed) for s in shapes], size)
    tones = paint(shapes, size, ground=(0.0, 0.0, 0.0))
    return np.asarray(picture * (1 - mask[..., None]) + tones, np.float32)


def _locks(rng: Rng, size: int) -> list[Shape]:
    """Return strands of hair that hang in from the top, two-toned and outlined."""
    tone, count = color(rng), int(rng.integers(5, 16))
    shapes = []
    for k in range(count):
        x, wide = size * (k + rng.uniform(-0.5, 0.5)) / count, size / count * rng.uniform(0.8, 1.6)
        tall, lean = size * rng.uniform(0.2, 0.6), rng.uniform(-0.6, 0.6) * wide
        along = np.linspace(0, 1, 9)
        middle, half = x + lean * along**2, wide / 2 * (1 - along**2.2)
        left, right = (np.stack([middle + side * half, tall * along - 4], 1) for side in (-1, 1))
        inner = np.stack([middle + 0.1 * half, tall * along - 4], 1)
        hair, dark = near(rng, tone, 0.05), scaled(tone, 0.65)
        shapes += [
            Shape(np.concatenate([left, right[::-1]]).astype(np.float32), hair),
            Shape(np.concatenate([inner, right[::-1]]).astype(np.float32), dark),
            Shape(np.concatenate([left, right[::-1]]).astype(np.float32), scaled(tone, 0.3), float(rng.uniform(2, 4))),
        ]
    return shapes


def _eye(rng: Rng, size: int) -> list[Shape]:
    x, y, r = *rng.uniform(0.2 * size, 0.8 * size, 2), size * rng.uniform(0.05, 0.16)
    iris, flatness = color(rng, BRIGHT), float(rng.uniform(0.6, 1.1))
    return [
        Shape(ellipse(x, y, r * 1.08, r * flatness * 1.08 + 1), INK),
        Shape(ellipse(x, y, r, r * flatness), (0.97, 0.97, 0.97)),
        Shape(ellipse(x, y, r * 0.58, r * min(flatness, 0.9) * 0.8), scaled(iris, 0.6)),
        Shape(ellipse(x, y + r * 0.1, r * 0.48, r * min(flatness, 0.9) * 0.6), iris),
        Shape(ellipse(x, y, r * 0.26, r * 0.34), INK),
        Shape(ellipse(x - r * 0.22, y - r * 0.26, r * 0.15, r * 0.15), (1.0, 1.0, 1.0)),
        Shape(arc(x, y, r * 1.15, np.pi * 1.1, np.pi * 1.9), INK, max(2.0, r * 0.14)),
    ]
