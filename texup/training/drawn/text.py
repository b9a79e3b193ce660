"""Drawn pictures of lettering: pages, titles, signs and sheets of glyphs."""

from __future__ import annotations

import string

import numpy as np
from numpy.typing import NDArray

from texup.training.drawn.fields import (
    DARK,
    PASTEL,
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
    grid,
    mix,
    near,
    ramp,
    stretch,
)
from texup.training.drawn.shapes import Plane, Shape, letter, paint, warp

SIGNS = string.ascii_letters + string.digits + ".,:;!?-+*/=()[]<>#%&@'\"$"
WORDS = [
    "START", "PRESS", "CONTINUE", "OPTIONS", "Level", "Score", "LIVES", "Time", "EXIT", "DANGER", "Power", "Health",
    "Ammo", "Map", "Item", "Magic", "Sword", "Shield", "Key", "Door", "open", "the", "of", "and", "to", "with",
    "Player", "GAME", "OVER", "Ready", "GO!", "Lap", "Best", "New", "Load", "Save", "Music", "Sound", "Sector",
    "Warning", "No", "entry", "High", "voltage", "Keep", "out", "Stage", "Boss", "Zone", "Select", "Back", "Next",
    "Enter", "Cancel", "Quit", "Yes", "Coins", "Bonus", "x99", "100%", "HP", "MP",
]  # fmt: skip


def word(rng: Rng) -> str:
    """Return a word, a number or a run of random signs."""
    choice = rng.random()
    if choice < 0.6:
        text = str(rng.choice(WORDS))
        return (text, text.upper(), text.lower())[int(rng.integers(3))]
    if choice < 0.75:
        return str(rng.integers(0, 10 ** int(rng.integers(1, 6))))
    return "".join(rng.choice(list(SIGNS), int(rng.integers(2, 9))))


def lettering(rng: Rng, text: str, height: int, stroke: float = 0.0) -> tuple[Plane, ...]:
    """Return the coverage of a line in a random cut; with a stroke, the letters' outline as well."""
    bold = float(rng.choice([0, 0, 0.25, 0.5])) * height / 20
    slant, wide = float(rng.choice([0, 0, 0, 0.25])), float(rng.choice([1, 1, 1, 0.8, 1.25]))
    planes = [np.pad(letter(text, height, stroke=bold), int(np.ceil(stroke)) + 1)]
    if stroke:
        planes.append(letter(text, height, stroke=bold + stroke))
    tall = max(plane.shape[0] for plane in planes)
    across = max(plane.shape[1] for plane in planes)
    planes = [_centred(plane, tall, across) for plane in planes]
    if slant or wide != 1:
        matrix = np.asarray([[1 / wide, slant / wide, -slant * tall / wide], [0, 1, 0]])
        planes = [warp(plane, matrix, (tall, int(across * wide + slant * tall) + 2)) for plane in planes]
    return tuple(planes)


def _centred(plane: Plane, tall: int, across: int) -> Plane:
    down, side = tall - plane.shape[0], across - plane.shape[1]
    return np.pad(plane, ((down // 2, down - down // 2), (side // 2, side - side // 2)))


def put(canvas: Plane, mask: Plane, x: int, y: int) -> None:
    """Lay a mask into a canvas where it is the stronger; what lies outside is cut off."""
    height, width = canvas.shape
    top, left, bottom, right = max(y, 0), max(x, 0), min(y + mask.shape[0], height), min(x + mask.shape[1], width)
    if top < bottom and left < right:
        spot = canvas[top:bottom, left:right]
        np.maximum(spot, mask[top - y : bottom - y, left - x : right - x], out=spot)


def ground(rng: Rng, size: int, base: Color) -> Plane:
    """Return what lettering stands on: one colour, a slope, or something mottled."""
    choice = rng.random()
    if choice < 0.4:
        return flat(size, base)
    other = near(rng, base, 0.2)
    if choice < 0.7:
        x, y = grid(size)
        return ramp(np.broadcast_to(y / size if rng.random() < 0.7 else x / size, (size, size)), [base, other])
    return ramp(stretch(fractal(rng, size, int(rng.integers(2, 9)), 5, 0.6)), [base, other])


def page(rng: Rng, size: int) -> Picture:
    """Lines of text as in menus and books, most of them small."""
    base = color(rng, int(rng.choice([DARK, PASTEL, int(rng.integers(7))])))
    ink, shade = against(rng, base, 0.3), blend(base, (0, 0, 0), 0.7)
    picture, top, margin = ground(rng, size, base), int(rng.integers(2, 12)), int(rng.integers(2, 24))
    em = round(float(np.exp(rng.uniform(np.log(14), np.log(58)))))
    drop = int(rng.integers(1, 4)) if rng.random() < 0.35 else 0
    while top < size - em // 2:
        height = em if rng.random() < 0.8 else int(em * rng.uniform(1, 1.8))
        line, reach = "", 0
        while reach < size:
            line += word(rng) + " "
            reach = len(line) * height // 2
        (mask,) = lettering(rng, line, height)
        canvas = np.zeros((size, size), np.float32)
        put(canvas, mask[:, : int(mask.shape[1] * rng.uniform(0.4, 1))], margin, top)
        if drop:
            picture = mix(picture, shade, np.roll(canvas, (drop, drop), (0, 1)))
        picture = mix(picture, ink if rng.random() < 0.85 else near(rng, ink, 0.4), canvas)
        top += int(height * rng.uniform(1.15, 1.6))
    return finish(rng, picture)


def title(rng: Rng, size: int) -> Picture:
    """A few big words with outline, slope of colours and shadow, as logos and signs have them."""
    base = color(rng)
    picture, top = ground(rng, size, base), int(rng.integers(-20, 20))
    turned, lean = rng.random() < 0.3, float(rng.uniform(-0.4, 0.4))
    _, y = grid(size)
    while top < size - 20:
        height = int(rng.uniform(36, 150))
        stroke = float(rng.choice([0, rng.uniform(2, 4), rng.uniform(3, 9)])) * height / 100
        face = against(rng, base)
        planes = lettering(rng, word(rng), height, stroke if stroke >= 1 else 0.0)
        left = int(rng.uniform(-0.2, 0.9) * (size - planes[0].shape[1])) if rng.random() < 0.8 else 4
        canvases = [np.zeros((size, size), np.float32) for _ in planes]
        for canvas, plane in zip(canvases, planes, strict=True):
            put(canvas, plane, left, top)
        if turned:
            canvases = [warp(canvas, _turn(size, lean), (size, size)) for canvas in canvases]
        if rng.random() < 0.5:
            away = int(rng.integers(2, 8))
            shadow = np.roll(canvases[-1], (away, away), (0, 1))
            picture = mix(
                picture, (0.02, 0.02, 0.03), np.clip(blur(shadow, rng.uniform(0.5, 4)), 0, 1) * np.float32(0.8)
            )
        if len(canvases) > 1:
            picture = mix(picture, against(rng, face), canvases[1])
        slope = np.asarray(np.clip(np.broadcast_to((y - top) / height, (size, size)), 0, 1), np.float32)
        filling = ramp(slope, [face, near(rng, face, 0.35)]) if rng.random() < 0.6 else flat(size, face)
        picture = mix(picture, filling, canvases[0])
        top += int(height * rng.uniform(0.8, 1.1))
    return finish(rng, picture)


def _turn(size: int, angle: float) -> NDArray[np.float64]:
    """Return the affine map (2, 3) that turns a picture about its middle."""
    c, s, middle = np.cos(angle), np.sin(angle), size / 2
    return np.asarray([[c, s, middle * (1 - c - s)], [-s, c, middle * (1 + s - c)]])


def glyphs(rng: Rng, size: int) -> Picture:
    """A sheet of single signs as a game stores its font: grey, signs light or dark."""
    count = max(2, round(size / float(np.exp(rng.uniform(np.log(24), np.log(110))))))
    pitch = size / count
    canvas = np.zeros((size, size), np.float32)
    stroke = float(rng.choice([0, 0, 1.5, 3])) if pitch > 30 else 0.0
    rim = float(rng.uniform(0.25, 0.6))
    for cell in range(count * count):
        planes = lettering(rng, str(rng.choice(list(SIGNS))), max(11, int(pitch * 0.85)), stroke)
        mask = planes[0] if not stroke else np.maximum(planes[0], planes[1] * np.float32(rim))
        x, y = (cell % count + 0.5) * pitch - mask.shape[1] / 2, (cell // count + 0.5) * pitch - mask.shape[0] / 2
        put(canvas, mask, int(x), int(y))
    return finish(rng, canvas if rng.random() < 0.75 else 1 - canvas)


def runes(rng: Rng, size: int) -> Picture:
    """Lines of invented signs, from plain runes to dense ones like Chinese characters: any script has such strokes."""
    base = color(rng)
    ink, dense = against(rng, base, 0.3), int(rng.integers(3, 9))
    pitch = size / max(2, round(size / float(np.exp(rng.uniform(np.log(26), np.log(100))))))
    width = max(2.0, pitch * float(rng.uniform(0.06, 0.12)))
    count, curved = round(size / pitch), rng.random() < 0.4
    shapes = []
    for cell in range(count * count):
        corner = np.asarray([cell % count, cell // count]) * pitch + 0.14 * pitch
        for _ in range(dense if rng.random() < 0.93 else 0):
            ends = rng.integers(0, 4, (2, 2)) / 3 * pitch * 0.72
            if rng.random() < 0.7:
                ends[1, int(rng.integers(2))] = ends[0, int(rng.integers(2))]
            stroke = np.linspace(ends[0], ends[1], 9)
            if curved:
                stroke += np.sin(np.linspace(0, np.pi, 9))[:, None] * rng.uniform(-0.2, 0.2, 2) * pitch
            shapes.append(Shape((corner + stroke).astype(np.float32), width=width * float(rng.uniform(0.8, 1.2))))
    return finish(rng, mix(ground(rng, size, base), ink, paint(shapes, (size, size))))
