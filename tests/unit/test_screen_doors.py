"""texup.textures.screen_doors: dithered alpha is found, and keeps its pattern."""

from __future__ import annotations

import numpy as np
import pytest

from texup.textures.color import resample
from texup.textures.planes import finish_alpha
from texup.textures.screen_doors import fade, screen_doors

CLAMP, WRAP = ("clamp", "clamp"), ("wrap", "wrap")
BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
Y, X = np.mgrid[:32, :32]
PATTERNS = {
    "chessboard": (X + Y) % 2 == 0,
    "quarter": (X % 2 == 0) & (Y % 2 == 0),
    "three quarters": (X % 2 == 1) | (Y % 2 == 1),
    "lines": Y % 2 == 0,
    "Bayer 6 of 16": np.tile(BAYER, (8, 8)) < 6,
}
OTHERS = {
    "disc": np.hypot(X - 15, Y - 15) < 10,
    "edge": X > 12,
    "columns of 3": X % 3 == 0,
    "bars of 8": X // 8 % 2 == 0,
    "fence": ((X + Y) % 12 < 1) | ((X - Y) % 12 < 1),
    "stars": np.random.default_rng(0).random((32, 32)) < 0.02,
    "noise": np.random.default_rng(1).random((32, 32)) < 0.5,
    "dotted line": (Y == 9) & (X % 2 == 0),
}


def plane(values):
    return np.asarray(values, np.float32)[..., None]


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_patterns_are_found_whatever_their_two_values(pattern):
    assert screen_doors(plane(pattern)).all()
    assert screen_doors(plane(pattern * 0.5)).all()


@pytest.mark.parametrize("shape", OTHERS.values(), ids=OTHERS)
def test_shapes_and_noise_are_none(shape):
    assert not screen_doors(plane(shape)).any()


def test_a_door_in_a_wall_is_found_where_it_is():
    doors = screen_doors(plane(np.where((X >= 16) & (Y >= 16), PATTERNS["chessboard"], 1)))
    assert doors[18:, 18:].all()
    assert not doors[:12].any()
    assert not doors[:, :12].any()


def test_what_is_smaller_than_a_window_or_a_gradient_is_none():
    assert not screen_doors(plane(PATTERNS["chessboard"][:7])).any()
    assert not screen_doors(plane(np.where(PATTERNS["lines"], X / 31, 0))).any()


@pytest.mark.parametrize("kind", ["binary", "few"])
@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_a_pattern_keeps_its_texels_behind_a_net_that_blurs(pattern, kind):
    source = plane(pattern * (1 if kind == "binary" else 0.5))
    blurred = resample(source, (128, 128), "bilinear", CLAMP)
    result = finish_alpha(blurred, source, 4, kind, CLAMP)
    np.testing.assert_array_equal(result, source.repeat(4, 0).repeat(4, 1))


def test_beside_a_pattern_the_outline_is_the_nets():
    source = plane(np.where(X >= 20, PATTERNS["chessboard"], OTHERS["disc"]))
    blurred = resample(source, (128, 128), "bicubic", CLAMP)
    result = finish_alpha(blurred, source, 4, "binary", CLAMP)
    assert result.mean() == pytest.approx(source.mean(), abs=0.005)
    assert (result[:, :60] != source.repeat(4, 0).repeat(4, 1)[:, :60]).any()


@pytest.mark.parametrize("name", ["chessboard", "quarter", "lines", "Bayer 6 of 16"])
def test_faded_a_pattern_is_its_mean(name):
    source = plane(PATTERNS[name])
    np.testing.assert_allclose(fade(source, WRAP), source.mean(), atol=0.03)
    np.testing.assert_array_equal(fade(plane(OTHERS["disc"]), WRAP), plane(OTHERS["disc"]))


def test_asked_to_be_smooth_a_door_becomes_a_gradient(upscaled, through, nearest_model):
    opacity = np.where(Y < 16, PATTERNS["chessboard"], 1) * 255
    pixels = np.concatenate([np.full((32, 32, 3), 90), opacity[..., None]], axis=2).astype(np.uint8)
    net = through(nearest_model(4))
    kept, smooth = (upscaled(pixels, net, alpha=kind, edges=WRAP).pixels[..., 3] for kind in ("binary", "smooth"))
    assert set(np.unique(kept)) == {0, 255}
    assert np.abs(smooth[16:40].astype(int) - 128).max() <= 8
    assert (smooth[80:112] == 255).all()
