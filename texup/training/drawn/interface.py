"""Drawn pictures of interfaces: panels, head-up displays, icons and circuits."""

from __future__ import annotations

import numpy as np

from texup.training.drawn.fields import (
    BRIGHT,
    DARK,
    PASTEL,
    STONE,
    WATER,
    Color,
    Picture,
    Rng,
    against,
    color,
    finish,
    fractal,
    grid,
    mix,
    near,
    ramp,
    scaled,
)
from texup.training.drawn.outlines import arc, box, cut_box, ellipse, placed, points, sign
from texup.training.drawn.shapes import Shape, paint
from texup.training.drawn.text import lettering, put, word

INK = (0.03, 0.03, 0.05)


def _panel(rng: Rng, frame: tuple[float, float, float, float], base: Color) -> list[Shape]:
    """Return a raised or sunken box with a bevel or a round rim."""
    left, top, right, bottom = frame
    edge = float(rng.uniform(2, 6))
    if rng.random() < 0.5:
        corner = float(rng.uniform(3, 16))
        inner = box(left + edge, top + edge, right - edge, bottom - edge, corner - edge / 2)
        return [Shape(box(left, top, right, bottom, corner), scaled(base, rng.choice([0.3, 1.5]))), Shape(inner, base)]
    light, dark = scaled(base, 1.45), scaled(base, 0.5)
    if rng.random() < 0.3:
        light, dark = dark, light
    slope = points((left, bottom), (left, top), (right, top), (right - edge, top + edge), (left + edge, bottom - edge))
    face = box(left + edge, top + edge, right - edge, bottom - edge)
    return [
        Shape(box(left - 2, top - 2, right + 2, bottom + 2), INK),
        Shape(box(*frame), dark),
        Shape(slope, light),
        Shape(face, base),
    ]


def buttons(rng: Rng, size: int) -> Picture:
    """Panels, buttons, sliders and their labels."""
    base = color(rng, int(rng.choice([STONE, DARK, WATER, PASTEL, BRIGHT])))
    rows, columns = int(rng.integers(2, 7)), int(rng.integers(1, 4))
    tall, wide, gap = size / rows, size / columns, float(rng.uniform(3, 8))
    shapes, words = _panel(rng, (2, 2, size - 2, size - 2), base), []
    face = near(rng, base, 0.25)
    for cell in range(rows * columns):
        x, y = cell % columns * wide, cell // columns * tall
        frame = (x + gap + 4, y + gap + 2, x + wide - gap - 4, y + tall - gap - 2)
        tone = face if rng.random() < 0.75 else color(rng, BRIGHT)
        shapes += _panel(rng, frame, tone)
        middle, reach = (frame[1] + frame[3]) / 2, (frame[3] - frame[1]) / 2
        if rng.random() < 0.3:
            outline = placed(sign(rng), frame[0] + reach + 4, middle, reach * 0.55)
            shapes.append(Shape(outline, against(rng, tone, 0.3)))
        elif rng.random() < 0.2:
            full = frame[0] + 8 + (frame[2] - frame[0] - 16) * rng.uniform(0.2, 1)
            shapes.append(Shape(box(frame[0] + 8, middle - reach / 3, full, middle + reach / 3, 3), color(rng, BRIGHT)))
        else:
            words.append(
                (int(frame[0] + 10), middle, max(12, int(reach * rng.uniform(0.7, 1.3))), against(rng, tone, 0.35))
            )
    picture = paint(shapes, (size, size), ground=scaled(base, 0.5))
    for x, middle, em, ink in words:
        (mask,) = lettering(rng, word(rng), em)
        canvas = np.zeros((size, size), np.float32)
        put(canvas, mask[:, : int(wide - 30)], x, int(middle - mask.shape[0] / 2))
        picture = mix(picture, ink, canvas)
    gloss = 1 + np.float32(rng.uniform(0, 0.25)) * (0.5 - (grid(size)[1] % np.float32(tall)) / np.float32(tall))
    return finish(rng, picture * gloss[..., None])


def hud(rng: Rng, size: int) -> Picture:
    """A head-up display of thin lines: frames, dials, ticks, gauges and figures, over the dark or a scene."""
    base = color(rng, DARK) if rng.random() < 0.7 else color(rng)
    line = against(rng, base, 0.4, BRIGHT)
    shapes: list[Shape] = []
    for _ in range(int(rng.integers(2, 5))):
        x, y = rng.uniform(0, size * 0.7, 2)
        wide, tall, cut = *rng.uniform(0.15 * size, 0.6 * size, 2), float(rng.uniform(4, 16))
        shapes.append(Shape(cut_box(x, y, x + wide, y + tall, cut), line, float(rng.uniform(1.5, 4)), closed=True))
    for _ in range(int(rng.integers(1, 4))):
        shapes += _dial(rng, size, line)
    for _ in range(int(rng.integers(1, 3))):
        shapes += _gauge(rng, size, line)
    picture = paint(shapes, (size, size), ground=base)
    if rng.random() < 0.5:
        behind = ramp(np.clip(0.5 + fractal(rng, size, 3, 5), 0, 1), [scaled(base, 0.4), base])
        picture = mix(behind, line, paint([Shape(s.points, (1.0,), s.width, s.closed) for s in shapes], (size, size)))
    canvas = np.zeros((size, size), np.float32)
    for _ in range(int(rng.integers(2, 7))):
        (mask,) = lettering(rng, word(rng), int(rng.uniform(12, 34)))
        put(canvas, mask, *(int(at) for at in rng.integers(0, size - 20, 2)))
    return finish(rng, mix(picture, near(rng, line, 0.2), canvas))


def _dial(rng: Rng, size: int, line: Color) -> list[Shape]:
    x, y, radius = *rng.uniform(0.15 * size, 0.85 * size, 2), size * rng.uniform(0.08, 0.3)
    start, sweep, width = rng.uniform(0, 2 * np.pi), rng.uniform(2, 2 * np.pi), float(rng.uniform(2, 5))
    shapes = [Shape(arc(x, y, radius, start, start + sweep), line, width)]
    count = int(rng.integers(4, 24))
    for k in range(count):
        turn = start + sweep * k / count
        ends = placed(points((0.78, 0), (0.92, 0)), x, y, radius, turn)
        shapes.append(Shape(ends, scaled(line, 0.8), float(rng.uniform(1.5, 3))))
    if rng.random() < 0.5:
        hand = placed(points((0, -0.06), (0.75, 0), (0, 0.06)), x, y, radius, start + sweep * rng.uniform())
        shapes.append(Shape(hand, near(rng, line, 0.5)))
    else:
        shapes += [Shape(placed(points((-1.2, 0), (1.2, 0)), x, y, radius, turn), line, 2.0) for turn in (0, np.pi / 2)]
    return shapes


def _gauge(rng: Rng, size: int, line: Color) -> list[Shape]:
    x, y, step, tall = *rng.uniform(0, size * 0.6, 2), float(rng.uniform(6, 18)), float(rng.uniform(8, 30))
    count, lean = int(rng.integers(4, 14)), float(rng.choice([0, 4, 8]))
    full = int(rng.integers(1, count + 1))
    tones = [line if k < full else scaled(line, 0.3) for k in range(count)]
    wide = step * rng.uniform(0.5, 0.8)
    return [
        Shape(points((a + lean, y), (a + lean + wide, y), (a + wide, y + tall), (a, y + tall)), tone)
        for k, tone in enumerate(tones)
        for a in [x + k * step]
    ]


def icons(rng: Rng, size: int) -> Picture:
    """A sheet of icons: flat signs with outlines, some on discs."""
    count = int(rng.integers(1, 6))
    pitch, base = size / count, color(rng)
    rim = float(rng.choice([0, rng.uniform(2, 7)]))
    shapes = []
    for cell in range(count * count):
        x, y = (cell % count + 0.5) * pitch, (cell // count + 0.5) * pitch
        under = base
        if rng.random() < 0.4:
            under = against(rng, base, 0.2)
            disc = (
                ellipse(x, y, pitch * 0.45, pitch * 0.45)
                if rng.random() < 0.5
                else box(x - pitch * 0.42, y - pitch * 0.42, x + pitch * 0.42, y + pitch * 0.42, pitch * 0.1)
            )
            shapes.append(Shape(disc, under))
        tone, radius, turn = (
            against(rng, under, 0.25),
            pitch * rng.uniform(0.24, 0.4),
            float(rng.choice([0, 0, rng.uniform(0, 6.3)])),
        )
        outline = placed(sign(rng), x, y, radius, turn)
        shapes.append(Shape(outline, tone))
        if radius > 20:
            inner = placed(outline - np.asarray([x, y], np.float32), x, y, rng.uniform(0.4, 0.8))
            shapes.append(Shape(inner, near(rng, tone, 0.3)))
        if rim:
            shapes.append(Shape(outline, INK if rng.random() < 0.8 else (1.0, 1.0, 1.0), rim, closed=True))
    return finish(rng, paint(shapes, (size, size), ground=base))


def circuit(rng: Rng, size: int) -> Picture:
    """Conductors and pads, or the glowing lines of space ships' walls; it tiles."""
    base = color(rng, int(rng.choice([DARK, WATER, 3, STONE])))
    line, pad = against(rng, base, 0.25), against(rng, base, 0.35, STONE)
    lattice = float(rng.choice([8, 12, 16]))
    headings = lattice * np.asarray([(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)])
    shapes = []
    for _ in range(int(rng.integers(12, 36))):
        at, heading, width = (
            rng.integers(0, int(size / lattice), 2) * lattice,
            int(rng.integers(8)),
            float(rng.uniform(2, 6)),
        )
        path = [at]
        for _ in range(int(rng.integers(2, 6))):
            path.append(path[-1] + headings[heading] * int(rng.integers(1, 6)))
            heading = (heading + int(rng.choice([-1, 1]))) % 8
        track = np.asarray(path, np.float32)
        shapes.append(Shape(track, line if rng.random() < 0.8 else near(rng, line, 0.3), width))
        for x, y in (track[0], track[-1]):
            shapes += [
                Shape(ellipse(x, y, width * 1.6, width * 1.6), pad),
                Shape(ellipse(x, y, width * 0.7, width * 0.7), scaled(base, 0.4)),
            ]
    for _ in range(int(rng.integers(0, 4))):
        x, y = rng.uniform(0, size, 2)
        wide, tall = rng.uniform(20, 70, 2)
        shapes += [
            Shape(box(x, y, x + wide, y + tall, 3), INK),
            Shape(box(x, y, x + wide, y + tall, 3), pad, 2.0, closed=True),
        ]
    picture = paint(shapes, (size, size), ground=base, wrap=True)
    return finish(rng, picture * (1 + np.float32(rng.uniform(0, 0.3)) * fractal(rng, size, 3, 4))[..., None])
