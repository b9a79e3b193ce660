"""Ground, water and sky of the example pack: each function draws one texture, (H, W, 3) in [0, 1], that tiles."""

from __future__ import annotations

import numpy as np
from draw_canvas import (
    FINE,
    GRASS,
    Field,
    Mask,
    Rng,
    Shape,
    Size,
    blur,
    cells,
    cloud,
    grid,
    light,
    mix,
    noise,
    ramp,
    scatter,
    smooth,
    stamp,
)


def _blade(length: float, lean: float, wide: float, tone: float) -> Shape:
    """Return a blade of grass rooted 6 texels below the origin, growing up and bending over by ``lean`` texels."""

    def shape(x: Field, y: Field) -> tuple[Mask, Field]:
        t = (6 - y) / length
        off = x - lean * t * t
        cover = (np.abs(off) < wide * np.clip(1 - t, 0, 1) ** 0.7) & (t >= 0)
        return cover, ramp(tone - 0.32 + 0.66 * t - 0.10 * np.sign(off), *GRASS)

    return shape


def _daisy(x: Field, y: Field) -> tuple[Mask, Field]:
    r, angle = np.hypot(x, y * 1.2), np.arctan2(y, x)
    petals = ramp(0.75 - 0.25 * y, "8a94b0", "dfe4ee", "ffffff")
    return r < 2.1 + 0.5 * np.cos(angle * 6), mix(petals, ramp(0.6 - 0.3 * y, "a06008", "f8c828"), smooth(3.45 - r * 3))


def grass(size: Size, rng: Rng) -> Field:
    """A meadow seen at a slant: tufts of blades, back to front, with a few daisies."""
    x, y = grid(size)
    picture = np.dstack([ramp(0.20 + 0.12 * cloud(x, y, size, (6, 6), rng), *GRASS), np.ones_like(x)])
    patch = cloud(x, y, size, (3, 3), rng, 2)
    for count, root in enumerate(sorted(rng.uniform(0, size[1], 120))):
        across = rng.uniform(0, size[0])
        tuft = 0.50 + 0.28 * patch[int(root * FINE), int(across * FINE)] + rng.uniform(-0.10, 0.10)
        for lean in rng.permutation([-5.4, -3.0, -0.6, 1.8, 4.8]):
            at = across + 0.3 * lean + rng.uniform(-0.5, 0.5), root + rng.uniform(-0.8, 0.8) - 6
            long, wide = rng.uniform(7, 12) - 0.4 * abs(lean), rng.uniform(1.1, 1.7)
            stamp(picture, at, 7.5, _blade(long, lean, wide, tuft + rng.uniform(-0.12, 0.12)), wrap=True)
        if count % 20 == 12:
            stamp(picture, (across, root - 6), 4, _daisy, wrap=True)
    return picture[..., :3]


def _pebble(radius: float, squash: float, tone: float) -> Shape:
    def shape(x: Field, y: Field) -> tuple[Mask, Field]:
        r = np.hypot(x, y / squash) / radius
        lit = 0.42 * (-x - y * 1.2) / radius - 0.2 * r**4
        return r < 1, ramp(tone + lit, "241a16", "5c4a3c", "94806a", "cbb898")

    return shape


def _pebble_shadow(radius: float, squash: float) -> Shape:
    def shape(x: Field, y: Field) -> tuple[Field, Field]:
        return 0.6 * smooth(1.6 - 1.2 * np.hypot(x, y / squash) / radius), ramp(x, "0d0d0d")

    return shape


def dirt(size: Size, rng: Rng) -> Field:
    """Trodden earth with half-sunk pebbles."""
    x, y = grid(size)
    rough = cloud(x, y, size, (5, 5), rng, 5)
    lit = light(2.2 * cloud(x, y, size, (9, 9), rng, 3) + 0.8 * rough, 0.6)
    earth = ramp(0.45 + 0.20 * rough + 0.7 * lit, "1a100c", "3b2519", "5f4028", "85603c", "ab8558", "d2b184")
    picture = np.dstack([earth, np.ones_like(x)])
    for across, down in rng.permutation(scatter(size, 5, 6, rng, 0.95))[:22]:
        radius, squash = rng.uniform(1.1, 3.4), rng.uniform(0.65, 0.9)
        stamp(picture, (across + 0.7, down + 0.8), radius * 1.8, _pebble_shadow(radius, squash), wrap=True)
        stamp(picture, (across, down), radius + 1, _pebble(radius, squash, rng.uniform(0.45, 0.65)), wrap=True)
    return picture[..., :3]


def sand(size: Size, rng: Rng) -> Field:
    """Wind ripples with a sharp lee side."""
    x, y = grid(size)
    phase = ((y + 7.0 * cloud(x, y, size, (2, 2), rng, 2)) / 8) % 1
    ripple = np.where(phase < 0.72, smooth(phase / 0.72), 1 - smooth((phase - 0.72) / 0.28))
    depth = np.clip(0.6 + 0.5 * cloud(x, y, size, (3, 3), rng, 2), 0.15, 1)
    tone = 0.60 + 0.75 * light(ripple * 2.6 * depth, 0.6) + 0.10 * (ripple - 0.5) + 0.05 * noise(x, y, size, size, rng)
    return ramp(tone, "5a3a26", "96683c", "cc9a58", "eac684", "fff0c0")


def ice(size: Size, rng: Rng) -> Field:
    """A frozen pond: bright cracks, cloudy depth and glossy streaks."""
    x, y = grid(size)
    bend = 2.0 * cloud(x, y, size, (4, 4), rng, 3)
    gap, owner = cells(x + bend, y + bend * 0.7, size, scatter(size, 3, 4, rng, 0.95))
    fine, _ = cells(x - bend, y + bend, size, scatter(size, 5, 6, rng, 0.95))
    depth = cloud(x, y, size, (2, 2), rng, 4)
    gloss = smooth(cloud(x + y, y, size, (2, 4), rng, 2) * 2.6 - 0.4)
    tone = 0.44 + rng.uniform(-0.11, 0.11, 12)[owner] + 0.24 * depth + 0.20 * gloss
    tone = tone + 0.35 * np.exp(-gap / 0.45) + 0.25 * np.exp(-gap / 2.5) - 0.25 * np.exp(-(((gap - 1.1) / 0.5) ** 2))
    tone = tone + 0.22 * np.exp(-fine / 0.3) * smooth(depth * 3)
    return ramp(tone, "123a66", "2a6a98", "5aa0c4", "9ad0e0", "d6f2f4", "ffffff")


def lava(size: Size, rng: Rng) -> Field:
    """Black crust afloat on the glow."""
    x, y = grid(size)
    bend = 2.6 * cloud(x, y, size, (4, 4), rng, 4)
    gap, owner = cells(x + bend, y - bend, size, scatter(size, 4, 4, rng, 0.95))
    rough = cloud(x, y, size, (8, 8), rng, 4)
    crust = gap - 0.7 - 1.6 * smooth(cloud(x, y, size, (3, 3), rng, 2) * 2)
    lit = light(1.8 * smooth(crust / 3) + 0.9 * rough * smooth(crust / 2))
    tone = 0.36 + 0.16 * rng.uniform(-1, 1, 16)[owner] + 0.2 * rough + 0.9 * lit
    ember = 0.6 * smooth(0.9 - np.abs(rough) / 0.07) * smooth(1.3 - crust / 5)
    ember = np.maximum(ember, 0.7 * np.exp(-np.maximum(crust, 0) / 1.3))
    rock = mix(ramp(tone, "0a0507", "2a1416", "4c2a26", "86584a"), ramp(0.4 + rough, "8a1c08", "f0641a"), ember)
    heat = 0.26 - crust * 0.30 + 0.30 * cloud(x, y, size, (5, 5), rng, 3)
    glow = ramp(heat, "5c0c06", "b82808", "ee640c", "ffa41e", "ffe25c", "fff6b0")
    return mix(rock, glow, smooth(0.5 - crust * 1.3))


def water(size: Size, rng: Rng) -> Field:
    """Shallow water: a net of caustics, broad and thin by turns, over a deep swell."""
    x, y = grid(size)
    bend, sway = (3.6 * cloud(x, y, size, (3, 3), rng, 2) for _ in range(2))
    near, _ = cells(x + bend, y + sway, size, scatter(size, 4, 5, rng, 0.85))
    far, _ = cells(x - sway, y + bend, size, scatter(size, 5, 6, rng, 0.85))
    swell = cloud(x, y, size, (2, 2), rng, 3)
    strong = smooth(0.55 + 1.2 * cloud(x, y, size, (3, 3), rng, 2))
    caustics = strong * (0.60 * np.exp(-near / 0.8) + 0.22 * np.exp(-near / 2.6)) + 0.14 * np.exp(-far / 1.1)
    return ramp(0.27 + 0.20 * swell + caustics, "06204a", "0d437e", "1a70ac", "3ea2cc", "94dce4", "f0ffff")


def sky(size: Size, rng: Rng) -> Field:
    """Late afternoon: cumulus lit from the left above two ranges of hazy hills; tiles sideways."""
    x, y = grid(size)
    wide, high = size
    air = ramp(y / high, "1c4a9c", "2f72c0", "62a4dc", "a8d2ec", "f2e4c4", "f8cf9c")
    # Clouds crowd together towards the horizon: the noise is read faster the lower the sample.
    lower, tall = y * (0.55 + 1.1 * y / high), (wide, 2 * high)
    bank = 1.25 * cloud(x, lower, tall, (4, 6), rng, 5) + 0.30 * noise(x, lower, tall, (3, 3), rng) - 0.06
    puff = light(blur(np.clip(bank, -0.2, 0.7), 0.5) * 8, 0.55)
    belly = np.clip(np.roll(bank, -4 * FINE, 0) - bank, -0.5, 0.5)
    clouds = ramp(0.66 + 0.75 * puff - 0.35 * belly, "6f7fa6", "a3a9c4", "dccfd0", "fdf0dc", "ffffff")
    view = mix(air, clouds, 0.96 * smooth(bank * 3.4 + 0.1) * smooth(1.15 - y / high * 0.7))
    for base, rise, bumps, colours in ((51, 7, 4, ("5f86ae", "93b0c4")), (58, 6, 5, ("35605e", "5a8a74"))):
        ridge = base - rise * cloud(x, np.full_like(y, base), size, (bumps, 3), rng, 4)
        flank = 0.5 + 0.6 * cloud(x, y, size, (10, 8), rng, 3) - (y - ridge) / 26
        view = mix(view, ramp(flank, *colours), smooth((y - ridge) * 3 + 0.5))
    return view
