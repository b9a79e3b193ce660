"""texup.textures.mips: what each smaller level keeps of level 0."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from texup.textures import mips, normals
from texup.textures.codecs.dds_header import level_sizes
from texup.textures.color import to_linear
from texup.textures.mips import smaller_levels
from texup.textures.texture import Container, Texture

MODEST = settings(deadline=None, derandomize=True, max_examples=60)
ENOUGH = 256  # texels of a level on which a share can be within 2 %


def levels_of(pixels, alpha="none", *, is_data=False, normal=None):
    texture = Texture(np.ascontiguousarray(pixels), Container("dds", mips=True))
    return smaller_levels(texture, alpha=alpha, is_data=is_data, normal=normal)


def light(pixels):
    return to_linear(pixels.astype(np.float32) / np.iinfo(pixels.dtype).max)


sides = st.integers(1, 40)


@MODEST
@given(sides, sides, st.integers(1, 4), st.sampled_from([np.uint8, np.uint16]))
def test_each_level_is_half_the_one_before_down_to_one_texel(height, width, channels, dtype):
    levels = levels_of(np.zeros((height, width, channels), dtype))
    assert [level.pixels.shape[1::-1] for level in levels] == list(level_sizes(width, height))[1:]
    assert all(level.pixels.dtype == dtype and level.pixels.shape[2] == channels for level in levels)
    assert all(level.container == Container("dds", mips=True) for level in levels)


@MODEST
@given(sides, sides, arrays(np.uint8, 4), st.sampled_from(["soft", "binary", "few", "data", "constant"]), st.booleans())
def test_one_colour_stays_what_it_is(height, width, colour, alpha, is_data):
    for level in levels_of(np.broadcast_to(colour, (height, width, 4)), alpha, is_data=is_data):
        assert (level.pixels == colour).all()


@MODEST
@given(sides, sides, st.integers(0, 2**32 - 1), st.booleans())
def test_the_last_level_is_the_mean_and_colour_is_averaged_as_light(height, width, seed, is_data):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    levels = levels_of(pixels, is_data=is_data)
    if not levels:
        assert (height, width) == (1, 1)
        return
    read = (lambda p: p / 255.0) if is_data else light
    mean, last = read(pixels).mean(axis=(0, 1)), read(levels[-1].pixels)[0, 0]
    assert np.abs(last - mean).max() < 0.005


def test_black_and_white_make_the_grey_of_half_the_light():
    board = np.indices((8, 8)).sum(axis=0) % 2 * 255
    pixels = np.dstack([board] * 3).astype(np.uint8)
    assert {int(level.pixels.max()) for level in levels_of(pixels)} == {188}
    assert {int(level.pixels.max()) for level in levels_of(pixels, is_data=True)} == {128}


def test_colour_that_does_not_show_does_not_shine_through():
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[...] = (255, 0, 255, 0)
    pixels[3:, 5:] = (20, 200, 40, 255)
    for alpha in ("binary", "soft"):
        for level in levels_of(pixels, alpha):
            shown = level.pixels[..., 3] > 0
            assert (level.pixels[shown, :3] == (20, 200, 40)).all()
    mixed = levels_of(pixels, "data")[1].pixels
    assert (mixed[..., 0] > 30).any()


def test_colour_under_clear_zones_goes_on():
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[..., :3] = (90, 60, 30)
    pixels[:4, :4, 3] = 255
    for level in levels_of(pixels, "binary"):
        assert (level.pixels[..., :3] == (90, 60, 30)).all()


def leaves(size=(64, 96)):
    """The opacity (H, W) of spots of many sizes that cover about a third."""
    dice = np.random.default_rng(3)
    y, x = np.mgrid[: size[0], : size[1]]
    spots = zip(dice.uniform(0, size[0], 60), dice.uniform(0, size[1], 60), dice.uniform(1, 6, 60), strict=True)
    return np.any([np.hypot(y - top, x - left) < radius for top, left, radius in spots], axis=0)


CUTS = {
    "leaves": leaves(),
    "odd": leaves((75, 101)),
    "board": np.indices((64, 64)).sum(axis=0) % 2 == 0,
    "grid": (np.indices((64, 64)) % 4 == 0).any(axis=0),
    "thin": np.indices((64, 64))[1] % 8 == 0,
    "sparse": np.random.default_rng(5).random((64, 64)) < 0.1,
}


@pytest.mark.parametrize("name", CUTS)
@pytest.mark.parametrize("top", [255, 128])
def test_the_share_of_a_cut_out_that_passes_any_test_stays_within_two_percent(name, top):
    cut = CUTS[name]
    pixels = np.dstack([np.full((*cut.shape, 3), 80, np.uint8), np.where(cut, top, 0).astype(np.uint8)])
    for level in levels_of(pixels, "binary" if top == 255 else "few"):
        alpha = level.pixels[..., 3]
        assert set(np.unique(alpha)) <= {0, top}
        assert abs((alpha > 0).sum() - cut.mean() * alpha.size) <= 0.5 + 1e-6
        if alpha.size >= ENOUGH:
            assert abs((alpha > 0).mean() - cut.mean()) <= 0.02


@MODEST
@given(sides, sides, st.integers(0, 2**32 - 1))
def test_no_clear_zone_becomes_opaque_and_no_opaque_one_clear(height, width, seed):
    dice = np.random.default_rng(seed)
    cut = dice.random((-(-height // 4), -(-width // 4))).repeat(4, 0).repeat(4, 1)[:height, :width] < 0.5
    if height % 2 or width % 2 or min(height, width) < 2:
        return
    pixels = np.dstack([np.zeros((height, width, 1), np.uint8), np.where(cut, 255, 0).astype(np.uint8)])
    first = levels_of(pixels, "binary")[0].pixels[..., 1]
    blocks = cut.reshape(height // 2, 2, width // 2, 2).sum(axis=(1, 3))
    assert (first[blocks == 0] == 0).all()
    assert (first[blocks == 4] == 255).all()


def test_texels_that_are_covered_alike_are_taken_evenly():
    board = np.dstack([np.full((64, 64, 3), 9, np.uint8), np.where(CUTS["board"], 255, 0).astype(np.uint8)])
    first = levels_of(board, "binary")[0].pixels[..., 3] / 255
    quarters = first.reshape(8, 4, 8, 4).mean(axis=(1, 3))
    assert (quarters == 0.5).all()


def test_a_disc_stays_a_disc(disc):
    pixels = np.dstack([np.full((64, 64, 3), 9, np.uint8), (disc(64, 64, radius=20.0) * 255).astype(np.uint8)])
    level = levels_of(pixels, "binary")[1].pixels[..., 3] / 255
    assert np.abs(level - disc(16, 16, radius=5.0)).sum() <= 8


def test_levels_of_alpha_keep_their_shares():
    alpha = np.repeat(np.array([0, 128, 255, 255], np.uint8), 16)[:, None].repeat(64, 1)
    pixels = np.dstack([np.full((64, 64, 3), 9, np.uint8), alpha])
    for level in levels_of(pixels, "few")[:4]:
        values, counts = np.unique(level.pixels[..., 3], return_counts=True)
        assert values.tolist() == [0, 128, 255]
        assert (counts / level.pixels[..., 3].size).tolist() == [0.25, 0.25, 0.5]


def test_soft_alpha_is_averaged_as_it_is():
    pixels = np.zeros((2, 2, 2), np.uint8)
    pixels[..., 1] = [[0, 100], [200, 100]]
    (last,) = levels_of(pixels, "soft")
    assert last.pixels[0, 0, 1] == 100


def bumps(height, width, up=1.0):
    y, x = np.mgrid[:height, :width] / 6.0
    vectors = np.dstack([np.cos(x), np.sin(y), np.full_like(x, up)]).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=2, keepdims=True)


@pytest.mark.parametrize("form", ["tangent", "object", "two_channel", "dxt5nm"])
@pytest.mark.parametrize("size", [(32, 32), (24, 20)])
def test_normals_are_averaged_as_vectors_and_are_unit_vectors_again(form, size):
    vectors = bumps(*size)
    pixels = normals.encode(vectors, np.full((*size, 4), 77, np.uint8), form)
    levels = levels_of(pixels, "data", normal=form)
    first = normals.decode(levels[0].pixels, form)
    means = vectors.reshape(size[0] // 2, 2, size[1] // 2, 2, 3).mean(axis=(1, 3))
    expected = means / np.linalg.norm(means, axis=2, keepdims=True)
    assert np.abs(first - expected).max() < 0.03
    for level in levels:
        if form in ("tangent", "object"):
            length = np.linalg.norm(level.pixels[..., :3] / 127.5 - 1, axis=2)
            assert np.abs(length - 1).max() < 0.02
        others = [k for k in range(4) if k not in normals.CHANNELS[form]]
        assert (level.pixels[..., others] == 77).all()


def test_vectors_that_cancel_out_point_up():
    pixels = np.full((2, 2, 3), 128, np.uint8)
    pixels[:, 0], pixels[:, 1] = (255, 128, 128), (0, 128, 128)
    (last,) = levels_of(pixels, normal="tangent")
    assert last.pixels[0, 0, 2] >= 250


def test_a_kind_of_alpha_that_the_pixels_do_not_have_changes_nothing(wall):
    pixels = wall(16, 16)
    with_, without = levels_of(pixels, "binary"), levels_of(pixels)
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(with_, without, strict=True))


def test_a_large_texture_is_made_in_strips_like_a_small_one(wall):
    pixels = wall(640, 16)
    whole = levels_of(pixels)[0].pixels
    parts = np.concatenate([levels_of(pixels[k : k + 64])[0].pixels for k in range(0, 640, 64)])
    assert np.array_equal(whole, parts)


def test_colour_that_belongs_to_the_picture_counts_where_alpha_is_0():
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0] = 200, 100, 50, 255
    pixels[1, 1, :3] = 200
    texture = Texture(pixels, Container("dds", mips=True))
    opacity, picture = (
        smaller_levels(texture, alpha="binary", is_data=False, shows_hidden=shown)[0].pixels[0, 0, :3]
        for shown in (False, True)
    )
    assert np.abs(opacity.astype(int) - (200, 100, 50)).max() <= 1
    np.testing.assert_allclose(light(picture), light(pixels[..., :3]).mean(axis=(0, 1)), atol=0.005)


def test_shares_are_those_of_a_stable_sort_by_coverage_then_pattern():
    random = np.random.default_rng(4)
    alpha = random.choice(np.array([0, 128, 255], np.uint8), (37, 21), p=[0.5, 0.2, 0.3])
    covered = random.choice(np.linspace(0, 1, 5, dtype=np.float32), (18, 10))
    found = mips._same_shares(covered, *mips._shares(alpha))
    order = np.lexsort((mips._even_ranks(covered.shape).ravel(), covered.ravel()))
    values, counts = np.unique(alpha, return_counts=True)
    ends = np.rint(np.cumsum(counts) / alpha.size * covered.size).astype(int)
    assert np.array_equal(found.ravel()[order], np.repeat(values, np.diff(ends, prepend=0)))
