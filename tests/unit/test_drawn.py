"""Drawn training pictures: the same for the same seed, worth learning from, and within what x4 can give back."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from texup.training.drawn import KINDS, SHARES, draw, draw_pictures
from texup.training.drawn.fields import cells, fractal, perlin
from texup.training.drawn.shapes import Shape, letter, paint, warp
from texup.training.drawn.walls import courses

SIZE = 96
TILING = ["brick", "blocks", "cobble", "cloth", "circuit", "noise", "rock", "fluid", "metal"]


def generator(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def psnr_of_bicubic(picture: np.ndarray) -> float:
    """Return how well a quarter of the side tells the picture."""
    height, width = picture.shape[:2]
    small = Image.fromarray(picture).resize((width // 4, height // 4), Image.Resampling.BICUBIC)
    back = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.float64)
    return float(10 * np.log10(255**2 / max(np.mean((back - picture) ** 2), 1e-9)))


def test_shares_cover_all_kinds_and_sum_to_a_hundred():
    assert set(SHARES) == set(KINDS)
    assert sum(SHARES.values()) == 100


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_picture_with_contrast(kind):
    for seed in range(6):
        picture = draw(kind, generator(seed), SIZE)
        assert picture.shape == (SIZE, SIZE, 3)
        assert picture.dtype == np.uint8
        assert picture.flags.c_contiguous
        assert picture.std((0, 1)).max() > 6


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_follows_from_its_seed(kind):
    first, again, other = (draw(kind, generator(seed), SIZE) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("mask_")])
def test_masks_are_grey_and_reach_black_and_white(kind):
    pictures = np.stack([draw(kind, generator(seed), SIZE) for seed in range(8)])
    assert (np.ptp(pictures, -1) == 0).all()
    assert pictures.min() < 10
    assert pictures.max() > 245


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
def test_a_quarter_of_the_side_keeps_the_forms_but_not_all(kind):
    # Below 12 dB a reduced picture would tell nothing of it; a kind always above 45 dB would have nothing to restore.
    values = [psnr_of_bicubic(draw(kind, generator(seed), 128)) for seed in range(8)]
    assert min(values) > 12
    assert np.median(values) < (60 if kind in {"gradient", "mask_glow"} else 45)


@pytest.mark.parametrize("kind", TILING)
def test_walls_and_grounds_tile(kind):
    for seed in range(4):
        picture = draw(kind, generator(seed), SIZE).astype(np.float64)
        for axis in (0, 1):
            jumps = np.abs(np.diff(picture, axis=axis)).mean(tuple({0, 1, 2} - {axis}))
            seam = np.abs(picture.take(0, axis) - picture.take(-1, axis)).mean()
            assert seam <= 1.35 * jumps.max() + 2


def test_drawn_pictures_differ_and_do_not_depend_on_how_many():
    pictures = draw_pictures(24, 64, seed=11)
    assert len({picture.tobytes() for picture in pictures}) == 24
    for few, many in zip(draw_pictures(5, 64, seed=11), pictures, strict=False):
        np.testing.assert_array_equal(few, many)
    assert not np.array_equal(draw_pictures(1, 64, seed=12)[0], pictures[0])


def test_paint_covers_by_area_and_wraps():
    square = Shape(np.asarray([(-2, 1), (2, 1), (2, 3), (-2, 3)], np.float32))
    plain, wrapped = (paint([square], (8, 8), wrap=wrap) for wrap in (False, True))
    assert plain.dtype == np.float32
    assert 0.9 < plain[1, 0] <= 1
    assert plain[1, 7] == 0 < wrapped[1, 7]
    disc = Shape(np.stack([16 + 10 * np.cos(t := np.linspace(0, 6.28, 99)), 16 + 10 * np.sin(t)], 1).astype(np.float32))
    assert paint([disc], (32, 32)).sum() == pytest.approx(np.pi * 100, rel=0.06)
    assert len(np.unique(paint([disc], (32, 32)))) > 5


def test_paint_lays_colours_over_each_other():
    whole = np.asarray([(-1, -1), (9, -1), (9, 9), (-1, 9)], np.float32)
    line = np.asarray([(0, 4), (8, 4)], np.float32)
    picture = paint([Shape(whole, (1.0, 0.0, 0.0)), Shape(line, (0.0, 0.0, 1.0), 3.0)], (8, 8), ground=(0.0, 1.0, 0.0))
    np.testing.assert_array_equal(picture[0, 0], (1, 0, 0))
    np.testing.assert_array_equal(picture[4, 4], (0, 0, 1))


def test_letters_are_trimmed_and_grow_with_their_stroke():
    plain, bold = letter("Hx", 40), letter("Hx", 40, stroke=2)
    assert plain.max() == 1
    assert 24 <= plain.shape[0] <= 36
    assert bold.sum() > 1.3 * plain.sum()
    same = warp(plain, np.asarray([[1, 0, 0], [0, 1, 0]]), (plain.shape[0], plain.shape[1]))
    np.testing.assert_allclose(same, plain, atol=1e-5)


def test_noise_is_periodic_and_centred():
    for plane in (perlin(generator(1), 64, 8), fractal(generator(2), 64, 4, 3)):
        assert abs(float(plane.mean())) < 0.1
        inner = np.abs(np.diff(plane, axis=1)).max()
        assert np.abs(plane[:, 0] - plane[:, -1]).max() <= 1.5 * inner


def test_cells_are_nearest_seeds_with_borders_between():
    far, border, number = cells(generator(5), 64, 4)
    assert set(np.unique(number)) == set(range(16))
    assert border.min() >= 0
    change = number[:, 1:] != number[:, :-1]
    assert border[:, 1:][change].max() < 1.01
    assert far[border > 6].max() < far.max()


@pytest.mark.parametrize("seed", range(6))
def test_every_pixel_of_a_wall_lies_in_its_box(seed):
    wall = courses(generator(seed), 64, 4, 3, shift=0.33, uneven=0.4, wobble=1.5)
    assert ((wall.left >= 0) & (wall.left < wall.wide)).all()
    assert ((wall.top >= 0) & (wall.top < wall.tall)).all()
    assert set(np.unique(wall.number)) == set(range(12))
    assert wall.inside(4, 2).min() < 0 < wall.inside(4, 2).max()
