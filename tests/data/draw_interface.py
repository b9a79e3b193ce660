"""Boards, icons and lettering of the example pack: each function draws one texture, (H, W, 3) or premultiplied RGBA."""

from __future__ import annotations

import numpy as np
from draw_canvas import (
    FINE,
    STEEL,
    Field,
    Rng,
    Size,
    ball,
    blank,
    blur,
    box,
    cloud,
    grid,
    inside,
    light,
    line,
    mix,
    nearest,
    paint,
    polygon,
    ramp,
    shade_below,
    smooth,
)
from draw_letters import glyph

GOLD = ("2c1404", "6e3a08", "b8770f", "eab52a", "ffe472", "fffbd8")

# Strokes (x, y to x, y) in cells of 16 x 16.
RUNES = (
    ((4, 2, 4, 14), (4, 3, 11, 6), (4, 7, 10, 10)),
    ((4, 14, 4, 2), (4, 2, 11, 6), (11, 6, 11, 14)),
    ((5, 2, 5, 14), (5, 5, 11, 8), (11, 8, 5, 11)),
    ((4, 2, 4, 14), (4, 4, 9, 2), (4, 8, 11, 5), (4, 12, 9, 10)),
    ((4, 2, 4, 14), (4, 2, 10, 5), (10, 5, 4, 8), (4, 8, 11, 14)),
    ((11, 3, 5, 8), (5, 8, 11, 13)),
    ((4, 3, 12, 13), (12, 3, 4, 13)),
    ((4, 2, 4, 14), (4, 2, 10, 5), (10, 5, 4, 8)),
    ((4, 2, 4, 14), (12, 2, 12, 14), (4, 6, 12, 10)),
    ((8, 2, 8, 14), (4, 6, 12, 10)),
    ((8, 2, 8, 14), (8, 2, 4, 6), (8, 2, 12, 6)),
    ((4, 2, 4, 14), (12, 2, 12, 14), (4, 2, 12, 8), (12, 2, 4, 8)),
    ((8, 2, 8, 14), (8, 8, 4, 3), (8, 8, 12, 3)),
    ((8, 2, 12, 7), (12, 7, 8, 12), (8, 12, 4, 7), (4, 7, 8, 2)),
    ((8, 2, 12, 6), (12, 6, 4, 14), (8, 2, 4, 6), (4, 6, 12, 14)),
    ((4, 2, 4, 14), (12, 2, 12, 14), (4, 2, 12, 14), (12, 2, 4, 14)),
)


def arrow_sign(size: Size, rng: Rng) -> Field:
    """A race-track board: three chevrons, scratched enamel on bolted steel."""
    x, y = grid(size)
    u, v = x - 32, y - 16
    arrow = np.maximum(np.abs((x + np.abs(v) * 0.95 + 2) % 20 - 7.4) - 4.6, np.abs(v) - 11.2)
    band = box(u, v, (29.0, 13.0), 1.0)
    bolt = np.hypot(np.abs(u) - 27.2, np.abs(v) - 11.4)
    scratch = cloud(x + y, y, size, (10, 10), rng, 4)
    height = 1.2 * smooth(-box(u, v, (31.2, 15.2), 2.0) / 1.2) - 0.5 * inside(band, 1) + 1.3 * ball(bolt, 1.5)
    tone = 0.52 + 0.8 * light(height) + 0.07 * scratch - v / 150
    blue = ramp(tone - 0.04, "080a24", "141c56", "2438a0", "4468d8", "90b0ff")
    enamel = mix(blue, ramp(tone, "05061a", "0c1036", "1a2668"), inside(arrow - 1.0, 2))
    enamel = mix(enamel, ramp(tone + 0.12, "7a3a02", "d07c06", "ffc414", "fff07a", "ffffe0"), inside(arrow, 2))
    chipped = 0.8 * smooth(scratch * 4 - 1.9)
    steel = np.maximum.reduce([inside(-band, 2), chipped, inside(bolt - 1.2, 1.4)])
    return mix(enamel, ramp(tone + 0.04, *STEEL), steel)


def heart(size: Size, rng: Rng) -> Field:
    """A life heart with a dark rim and a glint."""
    x, y = grid(size)
    u, v = np.abs(x - 8), y - 8.2
    point = polygon(u, v, [(-1, -2.2), (6.55, -0.6), (0, 6.6), (-1, 6.6)])
    outline = nearest(np.hypot(u - 3.1, v + 2.2) - 3.9, point)
    picture = blank(size)
    paint(picture, outline < 0.2, ramp(x, "24020c"))
    height = 3.4 * np.sqrt(np.clip(-(outline + 0.7) / 3.6, 0, 1))
    tone = 0.55 + 0.75 * light(blur(height, 0.35)) - 0.02 * v
    paint(picture, outline < -0.75, ramp(tone, "2a0410", "6e0a1c", "b81426", "e83a3c", "ff8a7a", "fff0e8"))
    paint(picture, np.hypot((x - 5.2) * 0.9, (y - 5.6) * 1.3) < 1.3, ramp(x, "fff0e8"))
    return picture


def coin(size: Size, rng: Rng) -> Field:
    """A gold coin with a raised rim and a five-pointed star."""
    x, y = grid(size)
    u, v = x - 16, y - 16
    r = np.hypot(u, v)
    corners = [(turn * np.pi / 5, 3.3 if turn % 2 else 7.8) for turn in range(10)]
    star = polygon(u, v + 0.2, [(far * np.sin(turn), -far * np.cos(turn)) for turn, far in corners])
    height = 2.2 * smooth((14.8 - r) / 2.0) - 1.6 * smooth((12.3 - r) / 1.4) + 1.9 * inside(star, 0.55)
    tone = 0.54 + light(height + 0.1 * cloud(x, y, size, (6, 6), rng, 3)) - 0.18 * shade_below(height, 1.4)
    picture = blank(size)
    paint(picture, r < 15.4, ramp(x, GOLD[0]))
    paint(picture, r < 14.5, ramp(tone + 0.10 * np.cos((u + v) * 0.22 + 0.8), *GOLD))
    for across, down, long in ((9.5, 7.0, 2.6), (23.0, 22.5, 1.8)):
        du, dv = np.abs(x - across), np.abs(y - down)
        paint(picture, np.minimum(du * 3 + dv, du + dv * 3) < long, ramp(x, "ffffff"))
    return picture


def key(size: Size, rng: Rng) -> Field:
    """A brass key, bow up left, bit down right."""
    x, y = grid(size)
    u, v = (x + y - 33) * 0.75, (y - x) * 0.75
    rings = (np.abs(np.hypot(u + 12.2 - a, v - b) - 2.9) - 1.5 for a, b in ((0, -3.1), (0, 3.1), (-3.9, 0)))
    collars = box(u + 6.2, v, (1.2, 3.0), 0.8), box(u + 2.6, v, (0.9, 2.3), 0.6)
    bits = box(u - 10.2, v - 3.2, (1.5, 3.6), 0.3), box(u - 14.2, v - 2.7, (1.4, 3.1), 0.3)
    outline = nearest(*rings, *collars, *bits, box(u - 3, v, (12.5, 1.55), 0.8))
    picture = blank(size)
    paint(picture, outline < 0.95, ramp(x, "2a1206"))
    height = 1.7 * np.sqrt(np.clip(-outline / 1.5, 0, 1))
    paint(picture, outline < 0, ramp(0.56 + 0.85 * light(blur(height, 0.2)), *GOLD))
    return picture


def button(size: Size, rng: Rng) -> Field:
    """The blue A button: glossy dome in a dark ring, soft outer edge."""
    x, y = grid(size)
    u, v = x - 16, y - 16
    r = np.hypot(u, v)
    picture = blank(size)
    paint(picture, 0.55 * smooth((16 - np.hypot(u - 0.6, v - 1)) / 3), ramp(x, "000000"))
    paint(picture, inside(r - 14.6, 2), ramp(0.5 - (u + v) / 40, "0c0e18", "2a2e3e", "6a7088"))
    tone = 0.58 + 0.55 * light(blur(14.5 * ball(r, 14.5), 0.3), 0.55) - v / 90
    paint(picture, inside(r - 12.6, 2), ramp(tone, "061848", "0c3496", "1e62dc", "5ca4ff", "d4f0ff"))
    letter = np.zeros((size[1], size[0]))
    letter[9:23, 10:22] = glyph("A").repeat(2, 0).repeat(2, 1)
    letter = blur(letter.repeat(FINE, 0).repeat(FINE, 1), 0.45)
    paint(picture, 0.6 * smooth((np.roll(letter, (FINE, FINE), (0, 1)) - 0.35) * 6), ramp(x, "04123a"))
    paint(picture, smooth((letter - 0.40) * 6), ramp(0.9 - v / 30, "9cc4f4", "ffffff"))
    gloss = smooth(1 - np.hypot(u / 8.6, (v + 7.6) / 3.4)) * smooth((12 - r) / 1.5)
    paint(picture, 0.6 * gloss, ramp(x, "ffffff"))
    return picture


def font(size: Size, rng: Rng) -> Field:
    """Sixty-four characters in cells of 8 x 8, filled gold to orange, with a drop shadow."""
    picture = blank(size)
    page = np.zeros((size[1], size[0]), bool)
    for code in range(64):
        row, column = divmod(code, 16)
        page[row * 8 : row * 8 + 7, column * 8 : column * 8 + 6] = glyph(chr(32 + code))
    _, y = grid(size)
    fill = page.repeat(FINE, 0).repeat(FINE, 1)
    paint(picture, np.roll(fill, (FINE, FINE), (0, 1)), ramp(y, "2a0c18"))
    paint(picture, fill, ramp(np.floor(y % 8) / 6, "fffbd0", "ffe060", "ffb020", "e06a10"))
    return picture


def runes(size: Size, rng: Rng) -> Field:
    """Sixteen glowing runes in cells of 16 x 16: white strokes, the glow in the alpha."""
    picture = blank(size)
    x, y = grid((16, 16))
    for index, strokes in enumerate(RUNES):
        row, column = (at * 16 * FINE for at in divmod(index, 4))
        stroke = nearest(*(line(x, y, (a, b), (c, d)) for a, b, c, d in strokes))
        glow = 0.6 * np.exp(-((stroke / 1.9) ** 2)) * smooth(-box(x - 8, y - 8, (7.5, 7.5)) / 1.5)
        cell = picture[row : row + 16 * FINE, column : column + 16 * FINE]
        paint(cell, np.maximum(glow, smooth(1.5 - stroke * 1.15)), ramp(smooth(1.7 - stroke), "707070", "ffffff"))
    return picture
