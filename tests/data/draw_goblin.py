"""The portrait of the example pack, drawn a feature at a time over one another."""

from __future__ import annotations

import numpy as np
from draw_canvas import (
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
    nearest,
    paint,
    polygon,
    ramp,
    smooth,
)

SKIN = ("0a1c12", "1d4422", "3d7a2e", "72ac3e", "b4d860", "f0f8b0")
INK = "060c0a"


def goblin(size: Size, rng: Rng) -> Field:
    """A dialogue portrait: a scowling goblin against a dusky backdrop."""
    x, y = grid(size)
    u, v = x - 32, y - 32
    rough = 0.05 * cloud(x, y, size, (10, 10), rng, 3)
    picture = blank(size)
    dusk = 0.75 - np.hypot(u + 8, v + 10) / 55 + 2 * rough
    paint(picture, np.ones_like(x), ramp(dusk, "160c24", "3a2050", "74407a", "c07a8c"))
    for way in (-1, 1):
        _ear(picture, u * way, v, rough)
    neck = box(u, v - 20, (7.5, 8))
    _lay(picture, neck, 3 * smooth(-neck / 5), 0.30 + rough, SKIN)
    tunic = polygon(u, v, [(-27, 34), (-19, 23), (-7, 20.5), (0, 26), (7, 20.5), (19, 23), (27, 34)])
    folds = 2 * smooth(-tunic / 3) + 0.4 * np.sin(u)
    _lay(picture, tunic, folds, 0.5 + rough, ("1c0c0c", "4a1c18", "843428", "b85c40"))
    skull, jaw = np.hypot(u / 18, (v + 3) / 19.5), np.hypot(u / 14.5, (v - 8) / 12)
    dome = np.maximum(18 * ball(skull, 1.025), 11.4 * ball(jaw, 1.025))
    _lay(picture, nearest((skull - 1) * 18, (jaw - 1) * 12), blur(dome, 0.9), 0.50 + rough, SKIN)
    for across, down in ((-12, 3), (-9.5, 5.4), (12.4, 4.0), (-4, -14), (3, -15.5)):
        paint(picture, np.hypot(u - across, v - down) < 0.9, ramp(np.full_like(x, 0.36), *SKIN))
    for way in (-1, 1):
        _eye(picture, u, v, way, rough)
    nose = np.hypot(u / 4.2, (v - 1.5) / 5.6)
    _lay(picture, (nose - 1) * 4.2, 4.2 * ball(nose, 1.025), 0.58 + rough, SKIN, rim=0.8)
    _mouth(picture, u, v)
    return picture[..., :3]


def _lay(
    picture: Field, outline: Field, height: Field, tone: Field, colours: tuple[str, ...], *, rim: float = 1.2
) -> None:
    """Paint a lit shape with an ink line ``rim`` texels wide round it."""
    paint(picture, outline < rim, ramp(outline, INK))
    paint(picture, outline < 0, ramp(tone + 0.75 * light(height, 0.6), *colours))


def _ear(picture: Field, u: Field, v: Field, rough: Field) -> None:
    ear = polygon(u, v, [(12, -10), (31, -19), (27, -4), (14, 6)])
    _lay(picture, ear, 3 * smooth(-ear / 4), 0.46 + rough, SKIN)
    hollow = polygon(u, v, [(15, -7), (27, -14.5), (24, -5), (15, 1)])
    paint(picture, hollow < 0, ramp(0.4 + u * 0.01 + rough, "3c2a1c", "7a5a34", "a88a4c"))


def _eye(picture: Field, u: Field, v: Field, way: int, rough: Field) -> None:
    off = u - 7.4 * way
    paint(picture, 0.7 * inside(np.hypot(off / 6.2, (v + 3.6) / 5.4) - 1), ramp(u, "12301a"))
    ball_ = np.hypot(off / 4.8, (v + 3.2) / 4.0) < 1
    paint(picture, ball_, ramp(0.8 - np.hypot(off + 0.8 * way, v + 4.4) / 8, "a85a08", "f0b81c", "fff48c"))
    paint(picture, ball_ & (np.hypot((off + 0.4) / 1.3, (v + 3.0) / 3.2) < 1), ramp(u, "100808"))
    paint(picture, np.hypot(off + 1.8, v + 4.8) < 0.95, ramp(u, "ffffff"))
    brow = line(u * way, v, (2.6, -6.4), (13.5, -10.6)) - 1.5
    _lay(picture, brow, 1.4 * smooth(0.3 - brow), 0.40 + rough, SKIN, rim=0.7)


def _mouth(picture: Field, u: Field, v: Field) -> None:
    gape = np.maximum(np.hypot(u / 11.5, (v - 7.5) / 8.6) - 1, (8.4 - v + 0.02 * u * u) / 6)
    paint(picture, gape < 0.05, ramp(u, "1a0608"))
    paint(picture, (gape < -0.12) & (v > 13), ramp(0.5 - 0.1 * u, "5c1420", "a03038"))
    for at, long in ((-8, 3.0), (-4.2, 4.6), (0, 2.4), (4.2, 4.6), (8, 3.0)):
        fang = polygon(u, v - 0.02 * u * u, [(at - 1.7, 8.2), (at + 1.7, 8.2), (at, 8.2 + long)])
        paint(picture, fang < 0, ramp(0.9 - (v - 8) * 0.1, "b8a870", "fffbe0"))
