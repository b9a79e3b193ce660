"""texup.policy.lookups: tables that a game reads by number, told from pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from texup.policy.lookups import lookup_table
from texup.textures.codecs.files import read_texture

CASES = Path(__file__).parents[3] / "shared" / "cases" / "B12"
RANDOM = np.random.default_rng(3)


def strip_of(n, grade=lambda colours: colours):
    """A colour cube as n slices side by side: x = blue * n + red, y = green."""
    blue, green, red = np.mgrid[:n, :n, :n] / (n - 1)
    cube = grade(np.stack([red, green, blue], axis=3))
    return np.rint(np.clip(cube, 0, 1) * 255).astype(np.uint8).swapaxes(0, 1).reshape(n, n * n, 3)


def square_of(n, tiles):
    blue, green, red = np.mgrid[:n, :n, :n] / (n - 1)
    cube = np.rint(np.stack([red, green, blue], axis=3) * 255).astype(np.uint8)
    return cube.reshape(tiles, tiles, n, n, 3).swapaxes(1, 2).reshape(tiles * n, tiles * n, 3)


def warm(colours):
    return colours ** [0.8, 1.0, 1.3] * [1.0, 0.9, 0.7]


def grey(colours):
    return np.repeat(colours @ [[0.3], [0.59], [0.11]], 3, axis=-1)


CUBES = {
    "256 x 16": strip_of(16),
    "1024 x 32": strip_of(32),
    "4096 x 64": strip_of(64),
    "16 x 256": strip_of(16).reshape(16, 16, 16, 3).swapaxes(0, 1).reshape(256, 16, 3),
    "512 x 512": square_of(64, 8),
    "64 x 64": square_of(16, 4),
    "warm": strip_of(16, warm),
    "upside down": strip_of(16)[::-1],
    "16 bits": strip_of(16).astype(np.uint16) * np.uint16(257),
    "with alpha": np.dstack([strip_of(16), np.full((16, 256), 255, np.uint8)]),
}


@pytest.mark.parametrize("name", CUBES)
def test_a_colour_cube_is_known_by_its_pixels_alone(name):
    assert lookup_table("textures/a1.png", CUBES[name]) == "colour cube"


@pytest.mark.parametrize(
    "name", ["lut.png", "post/RGBTable16x1.tga", "nightLUT.png", "color_grading_3.png", "LUT-01.bmp"]
)
def test_a_name_and_the_shape_of_a_cube_are_enough(name):
    negative_of_noise = RANDOM.integers(0, 256, (16, 256, 3), dtype=np.uint8)
    assert lookup_table(name, negative_of_noise) == "colour cube"
    assert lookup_table("wall.png", negative_of_noise) is None


@pytest.mark.parametrize("shape", [(1, 256), (256, 1), (1, 16)])
def test_a_strip_of_one_texel_is_a_table(shape):
    assert lookup_table("a.png", RANDOM.integers(0, 256, (*shape, 3), dtype=np.uint8)) == "strip"


def test_few_texels_or_one_colour_are_no_strip():
    assert lookup_table("a.png", RANDOM.integers(0, 256, (1, 8, 3), dtype=np.uint8)) is None
    assert lookup_table("a.png", np.full((1, 64, 3), 7, np.uint8)) is None


RAMP = np.linspace(0, 255, 256)[None, :, None].repeat(16, 0).repeat(3, 2).astype(np.uint8)
PALETTE = RANDOM.integers(0, 256, (16, 16, 3), dtype=np.uint8)
HALF_FULL = np.concatenate([PALETTE[:6], np.zeros((10, 16, 3), np.uint8)])
SMOOTH = np.stack(np.meshgrid(np.linspace(0, 255, 128), np.linspace(255, 0, 128)), axis=2).astype(np.uint8)
BRDF = np.dstack([SMOOTH, np.zeros((128, 128), np.uint8)])


@pytest.mark.parametrize(
    ("name", "pixels", "kind"),
    [
        ("toon_ramp.png", RAMP, "ramp"),
        ("gradientSky.png", RAMP.swapaxes(0, 1), "ramp"),
        ("lut.png", RAMP, "ramp"),
        ("palette.png", PALETTE, "palette"),
        ("game_pal.bmp", HALF_FULL, "palette"),
        ("colorMap.png", PALETTE.repeat(8, 0).repeat(8, 1), "palette"),
        ("brdf_lut.png", BRDF, "smooth table"),
    ],
)
def test_a_name_suggests_and_the_pixels_agree(name, pixels, kind):
    assert lookup_table(name, pixels) == kind
    assert lookup_table("wall.png", pixels) is None


def test_names_alone_decide_nothing(wall):
    icon = np.zeros((16, 16, 4), np.uint8)
    icon[2:14, 3:13] = (160, 110, 60, 255)
    icon[4:6, 5:7], icon[8:10, 5:7] = (255, 0, 0, 255), (0, 0, 255, 255)
    for name in ("palette.png", "lut.png", "ramp.png", "colormap.png", "lookup.png", "gradient.png"):
        assert lookup_table(name, icon) is None
        assert lookup_table(name, wall(48, 64)) is None
    for name in ("salute.png", "trampoline.png", "pallet.png", "flute.png", "palace.png"):
        assert (
            lookup_table(name, strip_of(16)[:, ::-1, ::-1] // 2 + RANDOM.integers(0, 99, (16, 256, 1), np.uint8))
            is None
        )


def test_a_picture_of_many_colours_is_no_palette_however_it_is_called():
    assert lookup_table("palette.png", RANDOM.integers(0, 256, (64, 64, 3), dtype=np.uint8)) == "palette"
    assert lookup_table("palette.png", RANDOM.integers(0, 256, (65, 64, 3), dtype=np.uint8)) is None


def test_pictures_of_the_shape_of_a_cube_are_pictures(wall):
    y, x = np.mgrid[:16, :256]
    sky = np.stack([x // 2 + 4 * y, x // 2 + 7 * y, 255 - 3 * y], axis=2).astype(np.uint8)
    for pixels in (wall(16, 256), wall(256, 16), wall(64, 64), sky, sky.swapaxes(0, 1), RAMP):
        assert lookup_table("a.png", pixels) is None


@pytest.mark.skipif(not CASES.is_dir(), reason="no ../shared/cases/B12")
def test_tables_of_real_games_are_found():
    found = {path.name: lookup_table(path.name, read_texture(path).pixels) for path in CASES.iterdir()}
    assert found == {"RGBTable16x1.png": "colour cube", "lut.png": "colour cube", "palette.png": "palette"}
