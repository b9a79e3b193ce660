"""texup.textures.seams: what lies beyond a border, and how the border is found to tile."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texup.textures.codecs.files import read_texture
from texup.textures.planes import classify_alpha
from texup.textures.seams import MIN_SIDE, detect_edges, pad, reach

from ..builders import EDGES

MODEST = settings(deadline=None, derandomize=True, max_examples=60)
NUMPY_MODES = {"wrap": "wrap", "mirror": "symmetric", "clamp": "edge"}

margins = st.integers(0, 40)


@MODEST
@given(st.integers(1, 9), margins, margins, st.sampled_from(EDGES))
def test_reach_is_the_index_that_numpy_pads_with(side, before, after, edge):
    expected = np.pad(np.arange(side), (before, after), mode=NUMPY_MODES[edge])
    np.testing.assert_array_equal(reach(side, before, after, edge), expected)


@MODEST
@given(
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4)),
    st.tuples(margins, margins, margins, margins),
    st.tuples(st.sampled_from(EDGES), st.sampled_from(EDGES)),
)
def test_pad_goes_on_like_numpy_on_each_axis_by_itself(shape, margin, edges):
    plane = np.random.default_rng(1).random(shape, np.float32)
    top, bottom, left, right = margin
    expected = np.pad(plane, ((top, bottom), (0, 0), (0, 0)), mode=NUMPY_MODES[edges[0]])
    expected = np.pad(expected, ((0, 0), (left, right), (0, 0)), mode=NUMPY_MODES[edges[1]])
    padded = pad(plane, margin, edges)
    assert padded.dtype == plane.dtype
    np.testing.assert_array_equal(padded, expected)


def found(pixels, *, alpha=False):
    """Return the edges after checking that 16 bits give the same answer and that turning the picture turns it."""
    edges = detect_edges(pixels, alpha=alpha)
    assert detect_edges(pixels.astype(np.uint16) * 257, alpha=alpha) == edges
    assert detect_edges(pixels.swapaxes(0, 1), alpha=alpha) == edges[::-1]
    assert detect_edges(pixels[::-1, ::-1], alpha=alpha) == edges
    return edges


def torus_waves(height=32, width=48, seed=2):
    """A sum of waves with whole periods in both directions: smooth, no row like another, without any seam."""
    dice = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    total = np.zeros((height, width, 3))
    for _ in range(12):
        turns = 2 * np.pi * (dice.integers(-4, 5) * y / height + dice.integers(-4, 5) * x / width)
        total += np.sin(turns[..., None] + dice.uniform(0, 6.3, 3)) * dice.uniform(5, 14)
    return np.clip(total + 128, 0, 255).astype(np.uint8)


def sky(height=32, width=64):
    """A gradient downwards, with clouds that go round."""
    y, x = np.mgrid[:height, :width]
    clouds = 20 * np.sin(2 * np.pi * 3 * x / width + 0.2 * y)
    levels = 60 + 170 * y / (height - 1) + clouds * (y / height)
    return np.clip(levels[..., None] * (0.7, 0.85, 1), 0, 255).astype(np.uint8)


def photo(height=40, width=40):
    """Waves whose periods do not fit: everything is smooth but the border."""
    y, x = np.mgrid[:height, :width]
    values = 128 + 50 * np.sin(y / 9 + 0.4) + 50 * np.sin(x / 8 + 0.3) + 15 * np.sin((x + y) / 3)
    return np.clip(values, 0, 255).astype(np.uint8)[..., None]


def test_a_torus_of_waves_wraps_on_both_axes():
    assert found(torus_waves()) == ("wrap", "wrap")


def test_noise_has_no_seam_to_be_seen():
    assert found(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)) == ("wrap", "wrap")


def test_a_wall_with_mortar_along_its_border_wraps(wall):
    assert found(wall(64, 64)) == ("wrap", "wrap")


@pytest.mark.parametrize("shift", [1, 2, 5, 13])
def test_a_wall_cut_at_any_place_still_wraps(wall, shift):
    assert found(np.roll(wall(64, 128), (shift, shift), (0, 1))) == ("wrap", "wrap")


def test_a_sky_goes_round_but_not_over():
    assert found(sky()) == ("clamp", "wrap")


def test_a_photograph_goes_on_nowhere():
    assert found(photo()) == ("clamp", "clamp")


def test_a_picture_with_a_frame_of_its_own_colours_does_not_wrap():
    y, x = np.mgrid[:32, :32]
    lit = 90 + 3 * (31 - y) + 0 * x  # a panel lit from above
    assert found(np.clip(lit, 0, 255).astype(np.uint8)[..., None]) == ("clamp", "wrap")


def test_one_colour_wraps():
    assert found(np.full((16, 16, 3), 77, np.uint8)) == ("wrap", "wrap")


def sprite(opacity, seed=4):
    colour = np.random.default_rng(seed).integers(100, 200, (*opacity.shape, 3))
    return np.concatenate([colour, opacity[..., None] * 255], axis=2).astype(np.uint8)


def test_a_sprite_inside_an_empty_border_does_not_wrap(disc):
    assert found(sprite(disc(24, 24, radius=9)), alpha=True) == ("clamp", "clamp")


@pytest.mark.parametrize("radius", [12, 16, 24])
def test_a_sprite_cut_close_to_its_outline_does_not_wrap(disc, radius):
    side = 2 * radius
    opacity = disc(side, side, radius=radius)
    assert opacity[0].any()
    assert opacity[:, 0].any()
    assert found(sprite(opacity), alpha=True) == ("clamp", "clamp")


def test_a_fence_whose_bars_leave_at_the_top_and_return_below_wraps():
    y, x = np.mgrid[:32, :32]
    opacity = ((x % 8 < 3) | (y % 8 < 2)).astype(float)
    assert found(sprite(opacity), alpha=True) == ("wrap", "wrap")


def test_a_grass_strip_wraps_sideways_only():
    y, x = np.mgrid[:24, :48]
    height = 10 + 6 * np.sin(2 * np.pi * 5 * x / 48)
    assert found(sprite((24 - y < height).astype(float)), alpha=True) == ("clamp", "wrap")


def test_colour_that_does_not_show_decides_nothing(disc):
    torus = torus_waves(24, 24)
    opacity = np.ones((24, 24))
    opacity[8:16, 8:16] = 0
    clean = sprite(opacity)
    clean[..., :3] = torus
    dirty = clean.copy()
    dirty[opacity == 0, :3] = np.random.default_rng(3).integers(0, 256, (64, 3))
    assert found(clean, alpha=True) == found(dirty, alpha=True) == ("wrap", "wrap")


def test_whatever_is_hidden_at_the_border_decides_nothing():
    opacity = np.full((24, 24), 4 / 255)
    opacity[0, ::4] = 0
    pixels = sprite(opacity)
    pixels[..., :3] = torus_waves(24, 24)
    answers = [found(pixels, alpha=True)]
    pixels[pixels[..., 3] == 0, :3] = 255
    answers.append(found(pixels, alpha=True))
    assert answers == [("wrap", "wrap")] * 2


@pytest.mark.parametrize(("start", "edge"), [(47, "wrap"), (40, "clamp")])
def test_a_step_somewhat_above_the_mean_of_even_ones_is_none(start, edge):
    row = np.array([*range(50, 211, 10), *range(200, 59, -10)], np.uint8)  # all steps are 10, also the one across
    row[0] = start
    assert found(np.tile(row[None, :, None], (24, 1, 1))) == ("wrap", edge)


@pytest.mark.parametrize(("step", "edge"), [(1, "wrap"), (4, "clamp")])
def test_a_step_that_nobody_sees_is_no_seam(step, edge):
    pixels = np.full((30, 20, 1), 100, np.uint8)
    pixels[15:] += np.uint8(step)
    assert found(pixels) == (edge, "wrap")


def test_the_last_channel_counts_as_a_picture_unless_it_is_opacity():
    pixels = np.concatenate([torus_waves(40, 40), photo(40, 40)], axis=2)
    assert found(pixels, alpha=False) == ("clamp", "clamp")


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 4), (1, 64), (MIN_SIDE - 1, MIN_SIDE - 1)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_too_few_rows_tell_nothing(size, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, channels), np.uint8)
    edges = found(pixels, alpha=channels in (2, 4))
    assert [edge for side, edge in zip(size, edges, strict=True) if side < MIN_SIDE] == ["clamp"] * sum(
        side < MIN_SIDE for side in size
    )


def test_a_wholly_invisible_texture_is_no_surprise():
    pixels = np.zeros((16, 16, 4), np.uint8)
    assert found(pixels, alpha=True) == ("clamp", "clamp")


def share_that_wraps(folder, names):
    """Return the shares of real textures that wrap (vertically, horizontally)."""
    answers = []
    for path in [path for name in names for path in sorted(folder.glob(name))]:
        pixels = read_texture(path).pixels
        answers.append(detect_edges(pixels, alpha=classify_alpha(pixels) not in ("none", "data")))
    return np.mean([[edge == "wrap" for edge in edges] for edges in answers], axis=0)


def test_real_floors_wrap_and_real_sprites_do_not(shared_packs):
    floors = share_that_wraps(shared_packs / "freedoom/flats", ["f*.png", "slime*.png", "aqf00*.png"])
    sprites = share_that_wraps(shared_packs / "freedoom/sprites", ["*a?.png"])
    assert floors.min() > 0.85
    assert sprites.max() < 0.1


def test_real_bricks_with_mortar_along_their_border_wrap(shared_packs):
    bricks = share_that_wraps(shared_packs / "librequake/texture-wads", ["**/med_csl_brk1*.png", "**/med_ebrick1*.png"])
    assert bricks.min() > 0.85


@pytest.mark.parametrize("edges", [("wrap", "mirror"), ("mirror", "clamp"), ("clamp", "wrap")])
@pytest.mark.parametrize("margin", [(0, 0, 0, 0), (1, 1, 1, 1), (9, 0, 7, 12)])
@pytest.mark.parametrize("shape", [(4, 5, 3), (1, 6, 1), (3, 2)])
def test_what_is_laid_around_is_what_the_edges_show(shape, margin, edges):
    plane = np.random.default_rng(0).random(shape)
    rows = reach(shape[0], *margin[:2], edges[0])
    columns = reach(shape[1], *margin[2:], edges[1])
    assert np.array_equal(pad(plane, margin, edges), plane[rows][:, columns])
