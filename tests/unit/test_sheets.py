"""Pictures of pictures: what stands where on a sheet, and what a film holds."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from texup.pictures.lettering import PAPER, fitted, spelled, text_width
from texup.pictures.sheets import DARK, GAP, LIGHT, MARGIN, contact_sheet, encode_film, encode_png
from texup.textures.codecs.files import decode

SEED = np.random.default_rng(3)


def noise(*shape, dtype=np.uint8):
    return SEED.integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def cell_of(sheet, row, column, cell):
    """Return a cell of a sheet of square pictures without titles and captions."""
    top, left = (MARGIN + k * (cell + GAP) for k in (row, column))
    return sheet[top : top + cell, left : left + cell]


@settings(deadline=None, derandomize=True)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 12), st.sampled_from([1, 3]), st.sampled_from([12, 24, 50]))
def test_a_cell_shows_every_pixel_as_a_square(rows, columns, side, channels, cell):
    pictures = [[noise(side, side, channels) for _ in range(columns)] for _ in range(rows)]
    sheet = contact_sheet(pictures, columns=[""] * columns, cell=cell)
    assert sheet.dtype == np.uint8
    assert sheet.shape == (
        2 * MARGIN + rows * (cell + GAP) - GAP - rows * (cell - cell // side * side),
        *(2 * MARGIN + columns * (cell + GAP) - GAP, 3),
    )
    factor, height = cell // side, cell // side * side
    for k, row in enumerate(pictures):
        for n, picture in enumerate(row):
            top, left = MARGIN + k * (height + GAP), MARGIN + n * (cell + GAP) + (cell - height) // 2
            shown = sheet[top : top + height, left : left + height]
            expected = np.kron(np.broadcast_to(picture, (side, side, 3)), np.ones((factor, factor, 1), np.uint8))
            np.testing.assert_array_equal(shown, expected)


def test_a_large_picture_is_reduced_to_fit_and_keeps_its_mean_and_its_shape():
    picture = noise(600, 300, 3) // 2
    sheet = contact_sheet([[picture]], columns=[""], cell=100)
    shown = sheet[MARGIN:-MARGIN, MARGIN + 25 : MARGIN + 75]
    assert sheet.shape == (100 + 2 * MARGIN, 100 + 2 * MARGIN, 3)
    assert abs(shown.mean() - picture.mean()) < 1
    assert (sheet[:, : MARGIN + 25] == PAPER).all()


@pytest.mark.parametrize("side", [8, 64])
def test_alpha_shows_a_chequerboard_and_opaque_pixels_hide_it(side):
    picture = np.zeros((side, side, 4), np.uint8)
    picture[: side // 2] = (250, 20, 10, 255)
    shown = cell_of(contact_sheet([[picture]], columns=[""], cell=32), 0, 0, 32)
    assert (shown[:14] == (250, 20, 10)).all()
    assert set(np.unique(shown[18:])) == {LIGHT, DARK}


def test_grey_with_alpha_and_sixteen_bits_are_shown_too():
    grey = np.full((4, 4, 2), 255, np.uint8)
    grey[..., 0] = 77
    deep = np.full((4, 4, 1), 77 * 257, np.uint16)
    sheet = contact_sheet([[grey, deep]], columns=["", ""], cell=16)
    assert (cell_of(sheet, 0, 0, 16) == 77).all()
    assert (cell_of(sheet, 0, 1, 16) == 77).all()


def test_titles_and_captions_stand_above_and_below_their_cells():
    black = np.zeros((4, 4, 3), np.uint8)
    plain = contact_sheet([[black, black]], columns=["", ""], cell=80)
    sheet = contact_sheet([[black, black]], columns=["A", ""], captions=[["", "one\ntwo\nthree"]], cell=80)
    title = sheet.shape[0] - plain.shape[0]
    assert title > 60
    left, right = sheet[:, : MARGIN + 80], sheet[:, MARGIN + 80 :]
    top = int(np.flatnonzero((right == 0).all((1, 2)) | (right[:, GAP : GAP + 80] == 0).all((1, 2)))[0])
    assert (left[:top] < 255).any()
    assert (right[:top] == 255).all()
    assert (left[top + 80 :] == 255).all()
    assert (right[top + 80 :] < 255).any()


def test_rows_may_be_short_and_a_sheet_empty():
    black = np.zeros((4, 4, 3), np.uint8)
    sheet = contact_sheet([[black, black], [black]], columns=["", ""], cell=8)
    assert (cell_of(sheet, 1, 1, 8) == 255).all()
    assert contact_sheet([], columns=[]).shape == (2 * MARGIN, 2 * MARGIN, 3)


def test_a_sheet_that_makes_no_sense_is_refused():
    black = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError):
        contact_sheet([[black, black]], columns=["one"])
    with pytest.raises(ValueError):
        contact_sheet([[black]], columns=["one"], captions=[["a", "b"]])


def test_the_same_sheet_has_the_same_pixels():
    rows, captions = [[noise(9, 7, 4)]], [["Name (with) [all], 28.31 dB"]]
    first, second = (contact_sheet(rows, columns=["Title"], captions=captions) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=40), st.integers(0, 200))
def test_a_fitted_text_fits_and_needs_only_letters_of_the_font(text, width):
    shown = fitted(text, 13, width)
    assert shown == "…" or text_width(shown, 13) <= width
    assert all(" " <= c <= "~" or c in "…·" for c in shown)


def test_letters_that_the_font_lacks_are_spelled():
    assert spelled("\u03b1 0.6 \u00d7 Münze \u2013 木") == "alpha 0.6 x Munze - ?"


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_film_shows_its_frames_without_loss(channels):
    frames = [noise(12, 16, channels) for _ in range(3)]
    with Image.open(io.BytesIO(encode_film(frames, 150))) as film:
        assert (film.n_frames, film.info["loop"]) == (3, 0)
        for k, frame in enumerate(frames):
            film.seek(k)
            film.load()
            assert film.info["duration"] == 150
            sheet = contact_sheet([[frame]], columns=[""], cell=16)
            np.testing.assert_array_equal(np.array(film.convert("RGB")), sheet[MARGIN:-MARGIN, MARGIN:-MARGIN])


def test_a_film_needs_frames_of_one_shape():
    with pytest.raises(ValueError):
        encode_film([], 100)
    with pytest.raises(ValueError):
        encode_film([noise(4, 4, 3), noise(4, 5, 3)], 100)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_png_gives_the_pixels_back(channels, dtype):
    pixels = noise(5, 7, channels, dtype=dtype)
    back = decode(encode_png(pixels), "sheet.png").pixels
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, pixels)
