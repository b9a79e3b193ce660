"""texup.metrics.strokes: worms are counted, grain, contours and what the pictures already had are not."""

from __future__ import annotations

from functools import cache
from math import isnan

import numpy as np
import pytest

from texup.metrics import hatching, imresize, stroke_map
from texup.metrics.resizing import as_bytes

SIDE = 128
FLAT = np.full((SIDE // 4, SIDE // 4), 110, np.uint8)


@cache
def strokes(count=60):
    """Return diagonal strokes of 8 by 3 pixels, (SIDE, SIDE), standard deviation 1."""
    rng, drawn = np.random.default_rng(3), np.zeros((SIDE, SIDE))
    y, x = np.mgrid[:SIDE, :SIDE]
    for cy, cx in rng.uniform(6, SIDE - 6, (count, 2)):
        angle = rng.uniform(0, np.pi)
        along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        across = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
        drawn += rng.choice([-1, 1]) * np.exp(-((along / 4) ** 2 + (across / 1.4) ** 2) / 2)
    return drawn / drawn.std()


def on_grey(drawn, contrast):
    return as_bytes(110 + contrast * drawn)


def edge(angle):
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    return np.where(x * np.cos(angle) + y * np.sin(angle) > 0, 180, 60).astype(np.uint8)


def reduced(picture):
    return as_bytes(imresize(picture, (picture.shape[0] // 4, picture.shape[1] // 4)))


def test_strokes_count_with_their_contrast():
    weak, strong = (hatching(on_grey(strokes(), contrast), FLAT) for contrast in (4, 12))
    assert weak > 0.2
    assert strong == pytest.approx(3 * weak, rel=0.1)


def test_grain_counts_less_than_half_of_strokes_as_strong():
    grain = np.random.default_rng(1).normal(0, 1, (SIDE, SIDE))
    assert hatching(on_grey(grain, 12), FLAT) < 0.5 * hatching(on_grey(strokes(), 12), FLAT)


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 4, 1.3])
def test_a_contour_of_the_source_made_sharp_is_no_stroke(angle):
    sharp = edge(angle)
    assert hatching(sharp, reduced(sharp)) < 0.1 * hatching(on_grey(strokes(), 12), FLAT)


def test_an_enlargement_has_none(wall):
    lr = wall(24, 32)
    assert hatching(as_bytes(imresize(lr, (96, 128))), lr) < 0.01


def test_strokes_of_the_original_are_no_fault():
    result = on_grey(strokes(), 12)
    assert hatching(result, FLAT, result) == 0
    moved = np.roll(result, SIDE // 2, axis=1)
    assert 0 < hatching(result, FLAT, moved) < hatching(result, FLAT)


def test_a_quarter_turn_changes_nothing():
    result = on_grey(strokes(), 12)
    assert hatching(np.rot90(result), FLAT) == pytest.approx(hatching(result, FLAT), rel=0.02)


def test_the_map_shows_where_they_are():
    drawn = strokes().copy()
    drawn[:, : SIDE // 2] = 0
    found = stroke_map(on_grey(drawn, 12), FLAT)
    assert found.shape == (SIDE, SIDE)
    assert found[:, : SIDE // 2 - 16].mean() < 0.05 * found[:, SIDE // 2 + 16 :].mean()


def test_colour_is_judged_by_its_luma():
    grey = on_grey(strokes(), 12)
    found = hatching(np.stack([grey] * 3, axis=2), np.stack([FLAT] * 3, axis=2))
    assert found == pytest.approx(hatching(grey, FLAT) * 219 / 255, rel=0.01)


def test_sizes_must_belong_together_and_leave_room():
    assert isnan(hatching(np.zeros((28, 40), np.uint8), np.zeros((7, 10), np.uint8)))
    with pytest.raises(ValueError, match="do not belong together"):
        hatching(np.zeros((40, 42), np.uint8), np.zeros((10, 10), np.uint8))
    with pytest.raises(ValueError, match="do not belong together"):
        hatching(np.zeros((40, 40), np.uint8), np.zeros((10, 10), np.uint8), np.zeros((40, 44), np.uint8))
