"""Wood, glass and wire of the example pack: each function draws one texture, (H, W, 3) or premultiplied (H, W, 4)."""

from __future__ import annotations

import numpy as np
from draw_canvas import (
    FINE,
    STEEL,
    STONE,
    WOOD,
    Field,
    Rng,
    Size,
    ball,
    blank,
    box,
    cloud,
    grid,
    inside,
    light,
    mix,
    nearest,
    noise,
    paint,
    ramp,
    shade_below,
    smooth,
)
from draw_letters import painted


def _grain(along: Field, across: Field, size: Size, knots: list[tuple[float, float, float]], rng: Rng) -> Field:
    """Return wood grain, about -1..1, along the first axis and flowing round the knots (along, across, radius)."""
    flow = across + noise(along, across, size, (2, 4), rng)
    eye = np.zeros_like(along)
    for at, over, radius in knots:
        du, dv = (along - at + size[0] / 2) % size[0] - size[0] / 2, across - over
        near = np.exp(-(du * du / (radius * 3.2) ** 2 + dv * dv / (radius * 1.4) ** 2))
        flow = flow + np.sign(dv) * near * radius * 1.1
        eye = np.maximum(eye, np.exp(-((du / radius / 1.3) ** 2 + (dv / radius) ** 2) * 1.5))
    rings = np.sin(flow * 3.1 + 2.2 * noise(along, across, size, (3, 10), rng))
    return 0.45 * rings + 0.75 * noise(along, flow, size, (6, size[1]), rng) - 1.6 * eye


def planks(size: Size, rng: Rng) -> Field:
    """Four floor boards with butt joints, nails and knots."""
    x, y = grid(size)
    board = np.floor(y / 16).astype(int)
    u, v = (x - np.array([14.0, 46.0, 30.0, 58.0])[board]) % 64 - 32, y % 16 - 8
    grain = _grain(x, y, size, [(30, 7.5, 2.2), (8, 39, 1.8), (50, 56.5, 2.4), (60, 24, 1.5)], rng)
    edge = box(u, v + 0.15 * grain, (31.5, 7.45), 0.8)
    nail = np.hypot(np.abs(u) - 29.2, np.abs(v) - 4.6)
    lit = light(smooth(-edge / 1.2) + 0.10 * grain - 0.5 * smooth(1.5 - nail))
    tone = 0.52 + np.array([0.05, -0.09, 0.09, -0.03])[board] + 0.13 * grain + 0.75 * lit
    tone = tone + 0.05 * cloud(x, y, size, (3, 6), rng)
    grey = ramp(tone, "1a1210", "43302a", "6e5444", "99795f", "c4a585")
    wood = mix(ramp(tone, *WOOD), grey, np.array([0.1, 0.5, 0, 0.3])[board])
    wood = mix(wood, ramp(tone, "0c0605", "1f110a"), smooth(edge * 2 + 0.9))
    return mix(
        wood, ramp(0.55 - 0.42 * (np.abs(v) - 4.6) * np.sign(v), "1a1614", "4a4642", "8d8880"), inside(nail - 0.7, 1.3)
    )


def _arch(size: Size, rng: Rng) -> tuple[Field, Field]:
    """Return the distance to the doorway (negative in the opening) and the stones laid round it."""
    x, y = grid(size)
    u, v = x - 16, y - 17
    outline = np.where(v < 0, np.hypot(u, v), np.abs(u)) - 12
    fan = (np.arctan2(u, -v) + np.pi / 2) / np.pi * 7
    stone = np.where(v < 0, np.floor(fan), 10 + np.floor(v / 9.6) * 2 + (u > 0)).astype(int) % 24
    joint = np.where(v < 0, 2.7 - np.abs(fan % 1 - 0.5) * 5.4, 4.8 - np.abs(v % 9.6 - 4.8))
    rough = cloud(x, y, size, (6, 12), rng, 4)
    lit = light(1.5 * smooth(np.minimum(joint, outline + 0.2) / 1.3) + 0.3 * rough, 0.9)
    stones = ramp(0.5 + rng.uniform(-0.12, 0.12, 24)[stone] + 0.12 * rough + 0.8 * lit, *STONE)
    return outline, mix(stones, ramp(rough, "0e0e14", "2a2a30"), 0.8 * smooth(1 - joint * 1.6))


def arched_door(size: Size, rng: Rng) -> Field:
    """An oak door under a stone arch, with two iron bands and a ring."""
    x, y = grid(size)
    u, v = x - 16, y - 17
    outline, stones = _arch(size, rng)
    grain = _grain(y, x, (size[1], size[0]), [(44, 12, 1.4), (30, 21, 1.2)], rng)
    seam = 3 - np.abs((u + 12) % 6 - 3)
    level = np.abs(v - 17.5) - 15.5
    ring, knob = np.abs(np.hypot(u - 7, v - 18.5) - 2.5) - 0.75, np.hypot(u - 7, v - 15.6) - 1.4
    iron = nearest(np.abs(level) - 2.1, ring, knob)
    studs = ball(np.hypot(u % 6 - 3, level), 1.2)
    height = 0.8 * smooth(seam / 0.9) + 0.15 * grain + 0.9 * inside(iron, 1.1) + 0.9 * studs
    gloom = 0.30 * smooth(1 + outline / 5) + 0.35 * smooth(1 + (outline + u * 0.5 + 4) / 5)
    plank = np.array([0.02, -0.07, 0.07, -0.03])[np.floor((u + 12) / 6).astype(int) % 4]
    tone = 0.60 + plank + 0.13 * grain + 0.8 * light(height, 0.85) - 0.3 * shade_below(height, 1.0) - gloom
    door = mix(ramp(tone, *WOOD), ramp(0.42 + 1.1 * light(height, 0.85) - 0.7 * gloom, *STEEL), inside(iron))
    door = mix(door, ramp(x, "0c0706"), smooth((outline + 0.6) * 1.6))
    return mix(door, stones, inside(-outline))


def crate(size: Size, rng: Rng) -> Field:
    """The crate: a nailed frame, one diagonal brace, boards behind."""
    x, y = grid(size)
    u, v = x - 16, y - 16
    upright = _grain(y, x, size, [(9, 12, 1.2), (22, 22, 1.0)], rng)
    level = _grain(x, y, size, [(22, 29, 1.1), (9, 3, 1.1)], rng)
    frame, brace = inside(-box(u, v, (10.8, 10.8)), 2.5), inside(np.abs(u + v) / np.sqrt(2) - 2.7, 2.5)
    mitre = smooth(np.abs(np.abs(u) - np.abs(v)) / 0.8)
    boards = 0.6 * smooth((2.7 - np.abs((u + 10.8) % 5.4 - 2.7)) / 0.9)
    height = np.maximum.reduce([boards, 1.5 * brace, 2.4 * frame * (0.7 + 0.3 * mitre)])
    height = height - 1.8 * smooth(box(u, v, (15.4, 15.4), 1.0) / 0.8 + 0.5)
    lies = np.where(frame > 0.5, np.abs(u) < np.abs(v), brace > 0.5)
    board = rng.uniform(-0.08, 0.08, 8)[np.floor((u + 21.6) / 5.4).astype(int)] * (frame < 0.5)
    tone = 0.44 + 0.17 * frame + 0.12 * brace + 0.07 * np.where(lies, level, upright) + board
    wood = ramp(tone + 0.8 * light(height) - 0.45 * shade_below(height, 2.2), *WOOD)
    nail = np.hypot(np.abs(u) - 13.2, np.abs(v) - 13.2)
    return mix(wood, ramp(0.9 - nail * 0.6, "140c08", "50463c", "b0a898"), inside(nail - 0.9, 1.5))


def sign(size: Size, rng: Rng) -> Field:
    """A signboard: boards in a frame, painted letters worn at the edges."""
    x, y = grid(size)
    u, v = x - 32, y - 16
    grain = _grain(x, y, size, [(52, 26, 1.3), (9, 9, 1.2)], rng)
    frame = smooth(box(u, v, (28.6, 12.6), 0.5) * 3 + 0.5)
    board = smooth((4.2 - np.abs((v + 12.6) % 8.4 - 4.2)) / 0.8)
    height = 0.6 * board * (1 - frame) + 1.6 * frame + 0.10 * grain
    height = height - 1.4 * smooth(box(u, v, (31.6, 15.6), 1.5) / 0.8 + 0.4)
    lit = light(height)
    tone = 0.36 + 0.22 * frame + 0.10 * grain + 0.8 * lit - 0.35 * shade_below(height, 1.6)
    words = painted(size, [("OAKVALE", 7), ("2 MILES", 18)])
    shadow = np.roll(words, (FINE, FINE), (0, 1)) & ~words
    wood = mix(ramp(tone, *WOOD), ramp(tone - 0.34, *WOOD), np.where(shadow, 0.85, 0))
    worn = smooth(cloud(x, y, size, (8, 6), rng, 4) * 3 + 2.6)
    cream = ramp(0.85 - (v % 11) * 0.03 + 0.06 * grain + 0.4 * lit, "8a6a3c", "d8bc84", "fff2cc")
    wood = mix(wood, cream, np.where(words, 0.55 + 0.45 * worn, 0))
    bolt = np.hypot(np.abs(u) - 29.9, np.abs(v) - 13.9)
    return mix(wood, ramp(0.9 - bolt * 0.5, "14100e", "4a443e", "a8a094"), inside(bolt - 0.9, 1.5))


def window(size: Size, rng: Rng) -> Field:
    """A timber window: opaque frame, leaded panes, glass that is see-through but for its reflections."""
    x, y = grid(size)
    u, v = x - 16, y - 32
    picture = blank(size)
    slant = (u + v * 0.8 + 12) % 40
    shine = inside(np.abs(slant - 14) - 4.5, 0.9) + 0.6 * inside(np.abs(slant - 24) - 1.5, 0.9)
    tone = 0.42 + 0.25 * cloud(x, y, size, (3, 6), rng, 2) - v / 130 + 0.45 * shine
    paint(picture, 0.34 + 0.40 * shine, ramp(tone, "0e2a40", "2a6080", "6fb0bc", "d8f4ea", "ffffff"))
    lead = nearest(np.abs((u + v / 1.5) % 11 - 5.5), np.abs((u - v / 1.5) % 11 - 5.5))
    paint(picture, smooth(1.6 - lead * 1.9), ramp(0.35 + 0.5 * light(smooth(1.5 - lead)), "0a0c10", "2c3034", "5c6468"))
    bars = nearest(np.abs(u) - 1.3, np.abs(v + 6) - 1.3, -box(u, v, (11.5, 27.5)))
    upright = _grain(y, x, (64, 32), [(20, 3, 1.0)], rng)
    grain = np.where(np.abs(u) > 11.5, upright, _grain(x, y, size, [(20, 61, 0.9)], rng))
    height = 1.6 * smooth(0.4 - bars / 1.3) - 1.2 * smooth(0.5 + box(u, v, (15.3, 31.3), 1.0) / 0.8)
    height = height - 0.9 * smooth(1 - np.abs(box(u, v, (13.6, 29.6))) / 0.7)
    paint(picture, inside(bars, 4), ramp(0.50 + 0.10 * grain + 0.9 * light(height), *WOOD))
    return picture


def chain_link(size: Size, rng: Rng) -> Field:
    """Wire mesh: two families of wires passing over and under; the holes are cut out."""
    x, y = grid(size)
    picture = blank(size)
    dirt = 0.1 * cloud(x, y, size, (6, 6), rng)
    wires = []
    for way in (1, -1):
        wave = way * np.cos((x - way * y) * np.pi / 8)
        wires.append((((x + way * y) % 16 - 8 + 0.45 * wave) / np.sqrt(2), wave))
    for over in (False, True):
        for across, wave in wires:
            tone = 0.50 + 0.42 * np.cos((across + 0.35) * 2.0) - 0.25 * smooth(-wave * 2) + dirt
            here = (np.abs(across) < 1.25) & ((wave > 0) == over)
            paint(picture, here, ramp(tone, "10161c", "39454e", "74848a", "b4c2c0", "f2f8f0"))
    return picture


def iron_fence(size: Size, rng: Rng) -> Field:
    """Spear-topped railings; tiles sideways."""
    x, y = grid(size)
    u = x % 16 - 8
    picture = blank(size)
    rough = 0.10 * cloud(x, y, size, (8, 8), rng, 3)

    def forge(outline: Field, bulge: Field, gloss: float = 0.0) -> None:
        tone = 0.40 + gloss + rough - 0.45 * bulge + 0.35 * np.exp(-((bulge + 0.35) ** 2) * 14)
        paint(picture, outline < 0, ramp(tone, "08090d", "20242c", "3f4650", "6d7880", "b4c0bc"))

    for rail in (20.0, 54.0):
        forge(np.abs(y - rail) - 1.6, (y - rail) / 1.6)
    forge(np.maximum(np.abs(u) - 1.5, 10 - y), u / 1.5)
    spear = np.abs(u) - np.where(y < 8.5, (y - 0.5) * 0.55, (14.4 - y) * 0.75)
    forge(spear, u / 4.4, 0.16)
    for at, radius in ((14.6, 2.5), (20.0, 2.9), (54.0, 2.9)):
        forge(np.hypot(u, (y - at) * 1.15) - radius, (u + y - at) / 4.2, 0.06)
    return picture
