"""Fire, smoke and light of the example pack: each function draws one texture, (H, W, 3) or premultiplied (H, W, 4)."""

from __future__ import annotations

import numpy as np
from draw_canvas import Field, Mask, Rng, Size, blank, blur, box, cloud, grid, noise, paint, ramp, smooth


def fire_strip(size: Size, rng: Rng) -> Field:
    """Four frames of a camp fire, one below the other: layered tongues that lick and lean in a loop."""
    picture = blank(size)
    x, y = grid(size)
    warp = 1.4 * noise(x, y, size, (5, 20), rng)
    low, high = (-7, 13, 0, 3.4), (7, 24, 2 * np.pi, 5.2)
    tongues = [(0.0, 28.0, 0.4, 7.4), (-5.0, 21.0, 2.3, 5.6), (5.4, 22.0, 4.1, 5.4), *rng.uniform(low, high, (6, 4))]
    for frame in range(4):
        u, v = x - 16, (frame + 1) * 32 - 1 - y
        here = (v >= 0) & (v < 31)
        _flames(picture, here, u, v, warp, [(*tongue, frame * np.pi / 2) for tongue in tongues])
        for spark in range(4):
            rise = (frame * 8 + spark * 9) % 32
            across = 5.5 * np.sin(spark * 2.4 + 1) + 2 * np.sin(rise * 0.4 + spark)
            ember = smooth(1.3 - 0.9 * np.hypot(u - across, v - 12 - rise * 0.58))
            paint(picture, here * ember, ramp(np.full_like(x, 1 - rise / 40), "d04808", "ffe070"))
    return picture


def _flames(picture: Field, here: Mask, u: Field, v: Field, warp: Field, tongues: list[tuple[float, ...]]) -> None:
    """Paint one frame: the same tongues (place, height, phase, width, time) four times, smaller and hotter."""
    for scale, cool, hot in (
        *((1.0, "7a0c08", "e03408"), (0.78, "e8420a", "ff8c14")),
        *((0.55, "ff8a10", "ffd83c"), (0.30, "ffd040", "fffce0")),
    ):
        heat = np.zeros_like(u)
        for at, tall, phase, wide, time in tongues:
            beat = np.sin(time + phase)
            t = v / (tall * scale * (1 + 0.11 * beat))
            centre = at * (0.45 + 0.55 * scale) + 2.8 * beat * t * t + 1.1 * np.sin(t * 5 + phase + time)
            half = wide * scale * 2.1 * np.sqrt(np.clip(t + 0.03, 0, 1)) * np.clip(1 - t, 0, 1) ** 0.9
            heat = np.maximum(heat, np.where(t < 1, half - np.abs(u + warp * np.clip(t, 0, 1) - centre), 0))
        soft, strength = (2.0, 0.8) if scale == 1 else (1.1, 0.92)
        paint(picture, strength * here * smooth(heat / soft), ramp(1 - v / 31 / scale, cool, hot))


def smoke(size: Size, rng: Rng) -> Field:
    """A puff: billows lit from the top left, thinning outward."""
    x, y = grid(size)
    picture = blank(size)
    billow = cloud(x, y, size, (4, 4), rng, 4)
    for index in range(22):
        away = 17.5 * np.sqrt(1 - index / 22)
        cx, cy = 32 + away * np.cos(index * 2.4), 33 + 0.9 * away * np.sin(index * 2.4)
        radius = rng.uniform(9.5, 13.0)
        du, dv = (x - cx) / radius, (y - cy) / radius
        tone = 0.54 - 0.30 * (du + 1.2 * dv) - 0.007 * (cx - 32 + 1.3 * (cy - 32)) + 0.16 * billow
        cover = 0.50 * smooth((1 - np.hypot(du, dv) - 0.42 * billow) * 1.25)
        paint(picture, cover, ramp(tone, "303030", "686868", "a4a4a4", "dedede", "fcfcfc"))
    return picture * smooth((31 - np.hypot(x - 32, y - 32)) / 12)[..., None]


def flare(size: Size, rng: Rng) -> Field:
    """A star flare: core, halo, a thin ring and eight rays."""
    x, y = grid(size)
    u, v = x - 32, y - 32
    r = np.hypot(u, v)
    glow = 1.2 * np.exp(-((r / 3.6) ** 2)) + 0.55 * np.exp(-r / 8) + 0.30 * np.exp(-(((r - 20) / 1.3) ** 2))
    for turn, long, thin in ((0, 15, 0.75), (0.5, 15, 0.75), (0.25, 7, 0.6), (-0.25, 7, 0.6)):
        c, s = np.cos(turn * np.pi), np.sin(turn * np.pi)
        along, across = np.abs(u * c + v * s), v * c - u * s
        width = thin * (1.6 - np.minimum(along / 24, 1))
        glow += 0.9 * np.exp(-along / long - (across / width) ** 2)
    picture = blank(size)
    paint(picture, np.minimum(glow, 1) * smooth((32 - r) / 7), ramp(0.35 + glow * 0.7, "808080", "ffffff"))
    return picture


def blob_shadow(size: Size, rng: Rng) -> Field:
    """The round shadow under every character: white is no shadow."""
    x, y = grid(size)
    return ramp(smooth((np.hypot(x - 16, y - 16) - 4) / 11.5), "303030", "ffffff")


def window_light(size: Size, rng: Rng) -> Field:
    """A light map: sun through a barred window, slanting over the floor, softer with distance."""
    x, y = grid(size)
    v = y - 16
    panes = box(np.abs(x - 16 - v * 0.35) - 5.2, np.abs(v) - 5.6, (4.3, 4.7), 0.4) < 0
    near, far = blur(panes.astype(float), 0.5), blur(panes.astype(float), 1.5)
    beam = near + (far - near) * smooth(y / 30)
    return ramp(0.16 + 0.66 * beam + 0.45 * blur(beam, 5.0) - y / 260, "000000", "ffffff")
