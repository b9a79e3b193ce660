"""texup.textures.pixel_scaling: what lines and corners of pixel art become, and what must stay as it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from texup.textures.pixel_scaling import BOTH, DIAGONAL, FLAT, NONE, ROUND, STEEP, covered, enlarge_pixel_art
from texup.textures.planes import classify_alpha
from texup.textures.texture import Container, Texture

CLAMP = ("clamp", "clamp")
EDGES = st.tuples(*[st.sampled_from(["wrap", "mirror", "clamp"])] * 2)
SCALES = [1, 2, 3, 4, 6, 8]
laws = settings(deadline=None, derandomize=True, max_examples=60)
drawings = hnp.arrays(
    np.uint8,
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4)),
    elements=st.sampled_from([0, 40, 130, 255]),
)


def enlarged(pixels, scale=4, edges=CLAMP, kind=None):
    texture = Texture(pixels, Container("png", pixels.dtype.itemsize * 8))
    return enlarge_pixel_art(texture, kind or classify_alpha(pixels), scale, edges).pixels


def reduced(pixels, scale):
    height, width, channels = pixels.shape
    return pixels.reshape(height // scale, scale, width // scale, scale, channels).astype(float).mean(axis=(1, 3))


def picture(text, **colours):
    """Return the drawing (H, W, 3) that lines of letters describe."""
    shades = {".": 255, "#": 0} | colours
    return np.array([[[shades[letter]] * 3 for letter in line] for line in text.split()], np.uint8)


def test_areas_of_the_shapes_are_right_at_every_factor():
    areas = {NONE: 0, ROUND: (1 - np.pi / 4) / 4, DIAGONAL: 1 / 8, FLAT: 1 / 4, STEEP: 1 / 4, BOTH: 1 / 3}
    for scale in SCALES:
        found = covered(scale).mean(axis=(2, 3))
        for shape, area in areas.items():
            assert found[:, shape] == pytest.approx(area, abs=0.02 if scale == 1 else 0.01)


def test_a_quarter_turn_moves_a_shape_to_the_next_corner():
    masks = covered(4)
    assert masks[0, DIAGONAL, 3, 3] == 1
    assert masks[1, DIAGONAL, 3, 0] == 1
    assert masks[2, DIAGONAL, 0, 0] == 1
    assert masks[3, DIAGONAL, 0, 3] == 1


def test_a_diagonal_line_of_lone_texels_becomes_one_line():
    source = picture(".......  .#.....  ..#....  ...#...  ....#..  .....#.  .......")
    result = enlarged(source)[..., 0]
    along = [result[k, k] for k in range(6, 22)]
    assert max(along) == 0  # no gap where texels meet at a corner
    beside = result[np.arange(8, 20), np.arange(8, 20) + 4]
    assert beside.min() == 255


def test_a_staircase_of_45_degrees_becomes_straight():
    y, x = np.mgrid[:16, :16]
    source = np.where((x + y < 15)[..., None], 0, 255).astype(np.uint8).repeat(3, 2)
    result = enlarged(source)[12:-12, 12:-12, 0].astype(int)
    assert (result[1:, :-1] == result[:-1, 1:]).all()  # every step along the edge is like the last


def test_a_flatter_staircase_gets_wedges():
    y, x = np.mgrid[:12, :16]
    source = np.where((x + 2 * y < 17)[..., None], 0, 255).astype(np.uint8).repeat(3, 2)
    heights = (enlarged(source)[:, 20:44, 0] < 128).sum(axis=0)
    assert set(np.diff(heights)) <= {0, -1}  # never a step of a whole texel
    assert (enlarged(source)[..., 0] < 128).mean() == pytest.approx((source < 128).mean(), abs=0.02)


def test_straight_edges_and_lone_texels_stay():
    bars = picture("..##..  ..##..  ..##..  ..##..  ..##..  ..##..")
    assert (enlarged(bars) == bars.repeat(4, 0).repeat(4, 1)).all()
    lone = picture(".....  .....  ..#..  .....  .....")
    dot = enlarged(lone)[..., 0]
    assert (dot[9:11, 9:11] == 0).all()
    assert (255 - dot.astype(float)).sum() > 0.7 * 16 * 255
    line = picture(".......  .......  .#####.  .......  .......")
    assert (enlarged(line)[8:12, 8:20, 0] == 0).all()


def test_a_checkerboard_stays_within_its_colours():
    board = np.indices((8, 8)).sum(axis=0)[..., None].repeat(3, 2) % 2 * 255
    assert enlarged(board.astype(np.uint8), edges=("wrap", "wrap")).mean() == pytest.approx(127.5, abs=1)


@laws
@given(drawings, st.sampled_from(SCALES), EDGES)
def test_no_colour_leaves_the_range_of_its_neighbours(pixels, scale, edges):
    result = enlarged(pixels, scale, edges, "none" if pixels.shape[2] in (1, 3) else "data")
    height, width, channels = pixels.shape
    near = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="wrap" if "wrap" in edges else "edge")
    windows = np.lib.stride_tricks.sliding_window_view(near, (3, 3), axis=(0, 1))
    if len({*edges} - {"mirror", "clamp"}) == 0 or edges == ("wrap", "wrap"):
        least, most = (f(windows, axis=(3, 4)).repeat(scale, 0).repeat(scale, 1) for f in (np.min, np.max))
        assert (result >= least).all()
        assert (result <= most).all()
    assert result.shape == (height * scale, width * scale, channels)
    assert result.dtype == pixels.dtype


@laws
@given(drawings, st.sampled_from([2, 3, 4]), st.sampled_from(["wrap", "mirror", "clamp"]))
def test_mirrored_and_turned_drawings_come_out_mirrored_and_turned(pixels, scale, edge):
    result = enlarged(pixels, scale, (edge, edge)).astype(int)
    for change in (np.flipud, np.fliplr, np.rot90):
        again = enlarged(np.ascontiguousarray(change(pixels)), scale, (edge, edge)).astype(int)
        colour = slice(None) if pixels.shape[2] in (1, 3) else slice(None, -1)
        assert np.abs(change(result) - again)[..., colour].max() <= 1  # rounding


@laws
@given(drawings, st.integers(-8, 8), st.integers(-8, 8))
def test_a_tiling_drawing_knows_no_border(pixels, down, right):
    kind = "none" if pixels.shape[2] in (1, 3) else "data"
    rolled = enlarged(np.roll(pixels, (down, right), (0, 1)), 4, ("wrap", "wrap"), kind)
    assert (rolled == np.roll(enlarged(pixels, 4, ("wrap", "wrap"), kind), (4 * down, 4 * right), (0, 1))).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_flat_stays_exact_to_the_last_bit(dtype):
    for value in (1, 37, np.iinfo(dtype).max - 1):
        assert (enlarged(np.full((5, 5, 3), value, dtype)) == value).all()


@pytest.mark.parametrize("scale", SCALES)
def test_averaged_down_it_is_near_the_source(scale):
    y, x = np.mgrid[:16, :16] - 7.5
    disc = np.where((np.hypot(y, x) < 6)[..., None], (250, 60, 10), (20, 40, 200)).astype(np.uint8)
    assert np.abs(reduced(enlarged(disc, scale), scale) - disc).mean() < 8
    assert reduced(enlarged(disc, scale), scale).mean() == pytest.approx(disc.mean(), abs=3)


def cut_out(alpha=255):
    y, x = np.mgrid[:12, :12] - 5.5
    inside = np.hypot(y, x) < 4.5
    pixels = np.zeros((12, 12, 4), np.uint8)
    pixels[inside] = (200, 30, 40, alpha)
    pixels[~inside] = (0, 255, 0, 0)  # what nobody may see
    return pixels


def test_binary_alpha_stays_so_with_its_coverage_and_nothing_bleeds():
    source = cut_out()
    result = enlarged(source)
    assert set(np.unique(result[..., 3])) == {0, 255}
    assert (result[..., 3] == 255).mean() == pytest.approx((source[..., 3] == 255).mean(), abs=0.01)
    assert (result[result[..., 3] > 0][:, :3] == (200, 30, 40)).all()


def test_every_kind_of_alpha_keeps_its_class():
    source = cut_out()
    constant = source.copy()
    constant[..., 3] = 77
    assert (enlarged(constant)[..., 3] == 77).all()
    few = cut_out(128)
    few[5, 5, 3] = 255
    assert set(np.unique(enlarged(few)[..., 3])) <= {0, 128, 255}
    copied = enlarged(source, kind="copy")
    assert (copied[..., 3] == source[..., 3].repeat(4, 0).repeat(4, 1)).all()
    soft = enlarged(source, kind="soft")
    shown = soft[..., 3] > 0
    assert len(np.unique(soft[..., 3])) > 2
    assert np.abs(soft[shown][:, :3].astype(int) - (200, 30, 40)).max() <= 1


def test_data_in_alpha_is_a_picture_of_its_own():
    source = cut_out()
    turned = source.copy()
    turned[..., 3] = np.rot90(np.tri(12, dtype=np.uint8) * 255)
    assert (enlarged(source, kind="data")[..., :3] == enlarged(turned, kind="data")[..., :3]).all()
    assert (enlarged(turned, kind="data")[..., 3:] == enlarged(turned[..., 3:].copy(), kind="none")).all()


def test_bands_of_a_large_result_fit_together(monkeypatch):
    source = np.random.default_rng(5).choice(np.array([0, 90, 255], np.uint8), (24, 24, 3))
    whole = enlarged(source)
    monkeypatch.setattr("texup.textures.pixel_scaling.BAND_TEXELS", 24 * 16 * 5)
    assert (enlarged(source) == whole).all()
