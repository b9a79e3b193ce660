"""Masonry, metal and floors of the example pack: each function draws one texture, (H, W, 3) in [0, 1]."""

from __future__ import annotations

import numpy as np
from draw_canvas import (
    MOSS,
    SAND_STONE,
    STEEL,
    STONE,
    Field,
    Rng,
    Size,
    ball,
    box,
    cells,
    cloud,
    grid,
    inside,
    light,
    mix,
    nearest,
    noise,
    ramp,
    scatter,
    shade_below,
    smooth,
)


def brick_wall(size: Size, rng: Rng) -> Field:
    """Running bond, eight courses, chipped and a little sooty."""
    x, y = grid(size)
    sway = 0.35 * cloud(x, y, size, (8, 8), rng, 2)
    row = np.floor(y / 8).astype(int)
    along = x + row % 2 * 8
    brick = row, np.floor(along / 16).astype(int) % 4
    chips = cloud(x, y, size, (9, 9), rng, 3)
    edge = box(along % 16 - 8 + sway, y % 8 - 4 + sway, (7.4, 3.4), 1.2) + 0.9 * np.clip(chips - 0.25, 0, 1)
    face = smooth(-edge / 1.3)
    height = 1.5 * face + 0.22 * cloud(x, y, size, (16, 16), rng, 3) * face
    lit = 0.75 * light(height)
    tone = 0.56 + rng.uniform(-0.14, 0.14, (8, 4))[brick] + 0.10 * cloud(x, y, size, (12, 20), rng)
    bricks = ramp(tone + lit, "1f1016", "4b1f20", "7d3128", "a84a35", "cc7350", "e6a67c")
    burnt = ramp(tone + lit - 0.06, "140f18", "3a2630", "603a40", "8a5a54", "b08a78")
    bricks = mix(bricks, burnt, 0.8 * (rng.random((8, 4)) < 0.15)[brick])
    mortar_tone = 0.62 + 1.2 * lit + 0.2 * chips - 0.55 * shade_below(height, 1.2)
    mortar = ramp(mortar_tone, "1b1618", "4a403c", "7c6e62", "a89a88")
    soot = 0.25 * smooth(0.5 + 0.9 * cloud(x, y, size, (2, 2), rng, 3))
    return mix(mix(mortar, bricks, inside(edge, 2)), ramp(tone - 0.5, "1a1216", "2b1c1c"), soot)


def stone_wall(size: Size, rng: Rng) -> Field:
    """Rubble: rounded field stones with moss in the joints."""
    x, y = grid(size)
    bend = cloud(x, y, size, (6, 6), rng, 3)
    gap, owner = cells(x + bend, y - bend, size, scatter(size, 4, 5, rng, 0.75))
    rough = cloud(x, y, size, (10, 10), rng, 4)
    depth = gap - 0.6
    height = 2.2 * (1 - np.exp(-np.maximum(depth, 0) / 2.2)) + 0.35 * rough * smooth(depth)
    lit = light(height, 0.9)
    tone = 0.47 + rng.uniform(-0.15, 0.15, 20)[owner] + 0.10 * rough + 0.8 * lit
    stones = mix(ramp(tone, *STONE), ramp(tone, *SAND_STONE), 0.75 * smooth(rng.random(20)[owner] * 1.6 - 0.5))
    joint = ramp(0.3 + 0.3 * rough - 0.4 * shade_below(height, 1.5), "0d0c10", "2a2622", "4c443a")
    wall = mix(joint, stones, smooth(depth / 0.7 + 0.4))
    moss = smooth((cloud(x, y, size, (3, 3), rng, 4) - 0.12) * 2.4 - gap * 0.16 + 0.25)
    return mix(wall, ramp(0.42 + 0.5 * rough + 0.6 * lit, *MOSS), moss * 0.9)


def _courses(x: Field, y: Field, cuts: tuple[tuple[int, ...], ...], high: int) -> tuple[Field, Field, Field]:
    """Return each sample's place along its block, the block's half length and its number; courses repeat after 64."""
    row = np.floor(y / high).astype(int)
    along, half, number = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for index, course in enumerate(cuts):
        for block, (start, end) in enumerate(zip(course, [*course[1:], course[0] + 64], strict=True)):
            place = (x - start) % 64
            here = (row == index) & (place < end - start)
            along[here], half[here] = place[here] - (end - start) / 2, (end - start) / 2
            number[here] = index * 8 + block
    return along, half, number


def castle_blocks(size: Size, rng: Rng) -> Field:
    """Four courses of dressed ashlar with chisel marks and a few cracks."""
    x, y = grid(size)
    sway = 0.3 * cloud(x, y, size, (6, 6), rng, 2)
    along, half, number = _courses(x, y, ((0, 22, 46), (12, 34, 54), (2, 28, 44), (10, 30, 56)), 16)
    block = number.astype(int)
    wear = cloud(x, y, size, (7, 7), rng, 4)
    edge = box(along + sway, y % 16 - 8 + sway, (half - 0.6, 7.4), 1.4) + 0.8 * np.clip(wear - 0.2, 0, 1)
    crack = smooth(1 - np.abs(cloud(x, y, size, (3, 3), rng, 4)) / 0.035) * (rng.random(32) < 0.25)[block]
    face = smooth(-edge / 2.2)
    height = (1.7 + 0.20 * cloud(x, y, size, (22, 9), rng, 2) - 0.7 * crack) * face + 0.3 * wear
    lit = light(height, 0.85)
    tone = 0.50 + rng.uniform(-0.10, 0.10, 32)[block] + 0.09 * wear + 0.8 * lit - 0.2 * crack
    cool = ramp(tone, "12141f", "2f3443", "525a68", "7b858d", "a7aea9", "d6d5c4")
    blocks = mix(cool, ramp(tone, *SAND_STONE), rng.uniform(0, 0.45, 32)[block])
    joint = ramp(0.5 + 0.5 * wear - 0.6 * shade_below(height, 1.4), "0b0b12", "23232c", "3d3c42")
    wall = mix(joint, blocks, inside(edge, 1.6))
    drip = smooth(cloud(x, y, size, (8, 1), rng, 3) * 1.5 - 0.1) * smooth(y % 16 / 10)
    return mix(wall, ramp(tone - 0.2, *MOSS), drip * 0.35)


def metal_panel(size: Size, rng: Rng) -> Field:
    """A riveted hull plate: recessed louvres, a hazard stripe and rust running down."""
    x, y = grid(size)
    u, v = x - 32, y - 32
    plate, recess = box(u, v, (31.4, 31.4), 1.5), box(u, v + 8, (21, 15), 2.5)
    slot = nearest(*(box(u, v + at, (16.5, 1.5), 1.4) for at in (-2, 3, 8, 13, 18)))
    places = [(i, j) for i in (-27, -9, 9, 27) for j in (-27.5, -9.5, 8.5, 27.5) if abs(i) > 9 or abs(j) > 10]
    rivet = nearest(*(np.hypot(u - i, v - j) for i, j in places))
    height = 1.4 * smooth(-plate / 1.2) - 1.6 * inside(recess, 0.6) - 1.4 * inside(slot, 0.9) + 1.3 * ball(rivet, 1.9)
    brushed = 0.05 * noise(x, y, size, (5, 96), rng) + 0.07 * cloud(x, y, size, (4, 6), rng)
    shadow = 0.25 * shade_below(height, 2.0) + 0.10 * (recess < 0)
    tone = 0.50 + brushed + 0.85 * light(height, 0.7) - shadow
    steel = mix(ramp(tone, *STEEL), ramp(tone - 0.5, "05070c", "161b24"), 0.85 * smooth(0.6 - slot * 1.4))
    yellow = ramp(tone, "4a2c06", "a8700f", "e0aa1e", "ffe070")
    stripes = mix(ramp(tone + 0.05, "0a0a0c", "1d1d22", "3a3a40"), yellow, inside(np.abs((u + v) % 16 - 8) - 4, 3))
    worn = smooth(cloud(x, y, size, (9, 9), rng, 4) * 4 + 3.1)
    steel = mix(steel, stripes, worn * inside(box(u, v - 17.5, (30, 4)), 2))
    run = smooth(noise(x, y, size, (32, 2), rng) * 1.6 - 0.25) * smooth(cloud(x, y, size, (4, 4), rng) + 0.45)
    stain = 0.35 * smooth(2.8 - rivet) * (rivet > 1.7) + 0.3 * smooth(1 - np.abs(plate + 0.6))
    return mix(steel, ramp(tone + 0.1, "2a120a", "5c2a12", "8c4a1c", "b9732f"), np.minimum(run * 0.6 + stain, 0.75))


def roof_tiles(size: Size, rng: Rng) -> Field:
    """Round-ended clay tiles, six rows of six, each row lapping over the one below."""
    x, y = grid(size)
    step = size[0] / 6
    height, tone = np.zeros_like(x), np.zeros_like(x)
    shades = rng.uniform(-0.13, 0.13, (6, 6))
    for row in range(6, -3, -1):
        across = x / step + row % 2 / 2
        u, v = (across % 1 - 0.5) * step, y - row * step
        tip = 10.3 + 5.2 * ball(u, step / 2 + 0.1)
        depth = np.minimum(tip - v, (step / 2 - np.abs(u)) * 1.2 + 0.2)
        here = (v > 0) & (v < tip)
        height = np.where(here, 1.5 * smooth(depth / 1.7) + 0.07 * v + 1.2 - 0.02 * u * u, height)
        shadow = 0.34 * smooth(1 - (v - 4.6) / 4.5) + 0.35 * smooth(1 - depth / 0.8)
        tone = np.where(here, shades[row % 6, np.floor(across).astype(int) % 6] - shadow, tone)
    rough = cloud(x, y, size, (12, 12), rng, 3)
    tone = 0.60 + tone + 0.8 * light(height + 0.15 * rough) + 0.09 * rough
    roof = ramp(tone, "1d0f18", "4a1d22", "813325", "b5502b", "dc8144", "f6bd7a")
    lichen = smooth(cloud(x, y, size, (5, 5), rng, 4) * 3.2 - 1.3)
    return mix(roof, ramp(tone + 0.05, *MOSS), lichen * 0.7)


def marble_floor(size: Size, rng: Rng) -> Field:
    """A chequered hall floor, two by two slabs with veins and gilded inlays."""
    x, y = grid(size)
    u, v = x % 32 - 16, y % 32 - 16
    dark = (np.floor(x / 32) + np.floor(y / 32)) % 2
    edge, inlay = box(u, v, (15.6, 15.6), 0.5), np.abs(u) + np.abs(v) - 7
    bend = 5 * cloud(x, y, size, (2, 2), rng, 3)
    vein = smooth(1 - np.abs(cloud(x + bend, y - bend, size, (2, 3), rng, 4)) / 0.06)
    cloudy = cloud(x, y, size, (3, 3), rng, 4)
    lit = 0.7 * light(smooth(-edge))
    pale = ramp(0.68 + 0.22 * cloudy - 0.38 * vein + lit, "4a3a3c", "8d7a70", "c2b39c", "e8dfc8", "fffbee")
    deep = ramp(0.34 + 0.18 * cloudy + 0.45 * vein + lit, "0a1416", "14302e", "25504a", "4e8274", "a8c8b4")
    floor = mix(mix(pale, deep, dark), mix(deep, pale, dark), inside(inlay))
    gold = ramp(0.55 + 0.35 * np.sin((u - v) * 0.35) + 0.2 * cloudy, "4a2f10", "9a6c22", "d9ab48", "ffe9a0")
    floor = mix(floor, gold, smooth(1.2 - np.abs(inlay) * 1.6))
    return mix(floor, ramp(cloudy, "15100e", "302620"), smooth(edge * 3 + 0.9))


def carpet(size: Size, rng: Rng) -> Field:
    """A woven rug: a medallion in gold, teal and cream on red, a beaded border, mirrored both ways."""
    x, y = grid(size)
    weave = 0.10 * np.sin(x * 2 * np.pi) * np.sin(y * np.pi) + 0.09 * cloud(x, y, size, (10, 10), rng, 3)
    u, v = np.abs(x - 32), np.abs(y - 32)
    red = ramp(0.5 + weave, "4a0812", "7e1420", "a82834", "cc5048")
    wine = ramp(0.5 + weave, "26040e", "48091a", "681424", "8a2a34")
    gold = ramp(0.62 + weave * 1.5, "5c3508", "a06a1c", "d0a040", "f4d888")
    teal = ramp(0.5 + weave * 1.5, "06202c", "114650", "2a7276", "60a098")
    cream = ramp(0.7 + weave * 1.5, "84683e", "c8ac7c", "efdfb8")
    r, wave = np.hypot(u, v), np.cos(np.arctan2(v, u) * 8)
    corner, edge = np.hypot(u - 20.5, v - 20.5), np.maximum(u, v)
    buds = nearest(np.abs(u - 22.5) / 2.2 + np.abs(v) / 3.4, np.abs(v - 22.5) / 2.2 + np.abs(u) / 3.4) - 1
    petals, middle = r - 14.6 - 3.2 * wave, r - 7.8 + 2.0 * wave
    bead = np.abs(np.minimum(u, v) % 6.4 - 3.2) + np.abs(edge - 28.6) - 2.1
    rug = red
    for outline, dye in (
        *((nearest(np.abs(corner - 4.6) - 0.7, corner - 2.2), gold), (buds, gold), (buds + 0.45, cream)),
        *((petals - 1.3, wine), (petals, gold), (petals + 1.7, teal)),
        *((middle, cream), (middle + 1.7, red), (u + v - 3.6, gold)),
        *((25.4 - edge, gold), (26.4 - edge, wine), (bead, cream), (30.6 - edge, gold), (31.4 - edge, wine)),
    ):
        rug = mix(rug, dye, inside(outline, 2))
    return rug


def plain(size: Size, rng: Rng) -> Field:
    """One colour: the texture that takes all its shape from the lamps."""
    return ramp(grid(size)[0], "746d74")
