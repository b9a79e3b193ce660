"""texup.textures.grain: noise above a source's texels, and what it must leave alone."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texup.textures.color import area, blur, resample
from texup.textures.grain.adding import add_grain, balance_grain, content_seed
from texup.textures.grain.noise import DIRECTIONS, noise_of, period_of
from texup.textures.grain.roughness import RINGS, contrast_inside, detail, directions, off_edges, surface_grain
from texup.textures.planes import Planes, merge, split
from texup.textures.texture import Container, Texture

from ..builders import EDGES

FEW = settings(deadline=None, derandomize=True, max_examples=25)
CLAMP, WRAP = ("clamp", "clamp"), ("wrap", "wrap")
edges_of_both = st.tuples(st.sampled_from(EDGES), st.sampled_from(EDGES))
sides = st.integers(1, 24)


def texture(pixels):
    return Texture(np.ascontiguousarray(pixels), Container("png", pixels.dtype.itemsize * 8))


def rough(h, w, channels=3, *, contrast=0.06, seed=0):
    """A plane of grit: what gets grain."""
    dice = np.random.default_rng(seed)
    tint = np.linspace(0.7, 1, channels)
    return np.clip((0.5 + contrast * dice.standard_normal((h, w, 1))) * tint, 0, 1).astype(np.float32)


def enlarged(source, scale=4, edges=WRAP):
    """What a net without a hand for detail would make."""
    size = (source.shape[0] * scale, source.shape[1] * scale)
    return np.clip(resample(source, size, "bicubic", edges), 0, 1)


def grained(source, strength=1.0, scale=4, edges=WRAP, seed=1, full=255):
    return add_grain(enlarged(source, scale, edges), source, strength, edges, seed, full)


def places(h, w):
    return np.arange(h)[:, None, None] + 0 * np.arange(w)[:, None], np.arange(w)[:, None] + 0 * np.arange(h)[
        :, None, None
    ]


def picture(kind, h, w, channels, seed):
    dice = np.random.default_rng(seed)
    y, x = places(h, w)
    return {
        "noise": dice.random((h, w, channels)),
        "grit": rough(h, w, channels, seed=seed),
        "black and white": dice.integers(0, 2, (h, w, channels)),
        "checkers": np.repeat((x + y) % 2, channels, 2),
        "dark": 0.02 * dice.random((h, w, channels)),
        "light": 1 - 0.02 * dice.random((h, w, channels)),
    }[kind].astype(np.float32)


PICTURES = ["noise", "grit", "black and white", "checkers", "dark", "light"]


# Averaged down nothing changes


@FEW
@given(
    st.sampled_from(PICTURES), sides, sides, st.sampled_from([1, 3]), st.sampled_from([2, 3, 4, 5, 8, 16]),
    edges_of_both, st.sampled_from([0.3, 1.0, 2.0]), st.sampled_from([np.uint8, np.uint16]),
)  # fmt: skip
def test_averaged_down_what_is_stored_is_what_it_was(kind, h, w, channels, scale, edges, strength, dtype):
    source = picture(kind, h, w, channels, h * w)
    like = texture(np.zeros((h, w, channels), dtype))
    plain, full = enlarged(source, scale, edges), int(np.iinfo(dtype).max)
    result = add_grain(plain.copy(), source, strength, edges, 7, full)
    before, after = (merge(Planes(p, None, "none"), like).pixels.astype(np.float32) for p in (plain, result))
    np.testing.assert_allclose(area(before, scale), area(after, scale), atol=0.01)  # levels
    assert result.min() >= 0
    assert result.max() <= 1
    assert result.shape == plain.shape
    assert result.dtype == np.float32


@FEW
@given(
    st.integers(1, 4), st.integers(1, 4), st.sampled_from([2, 3, 4]), st.floats(0, 0.5), st.integers(0, 99),
    st.sampled_from([255, 65535]),
)  # fmt: skip
def test_balanced_grain_is_whole_levels_that_sum_to_nothing(h, w, scale, height, seed, full):
    dice = np.random.default_rng(seed)
    under = np.rint(dice.random((scale * scale, 3, h, w)) ** 3 * full).astype(np.float32)
    wanted = (full * height * dice.standard_normal(under.shape)).astype(np.float32)
    levels = balance_grain(wanted, under, full)
    np.testing.assert_array_equal(levels, np.rint(levels))
    assert not levels.sum(axis=0).any()
    shown = under + levels
    assert shown.min() >= 0
    assert shown.max() <= full


# The noise


@FEW
@given(st.integers(8, 20), st.integers(8, 20), st.sampled_from([2, 3, 4, 8]))
def test_noise_has_no_mean_in_any_texel(h, w, scale):
    for noise in (noise_of(kind, (h, w), scale) for kind in range(DIRECTIONS + 1)):
        assert noise.shape == (h * scale, w * scale)
        assert np.abs(area(noise[..., None], scale)).max() < 2e-3
        assert noise.std() == pytest.approx(1, abs=1e-3)


def test_noise_lies_above_the_frequencies_of_a_source():
    noise = noise_of(0, (32, 32), 4)
    power = np.abs(np.fft.fft2(noise)) ** 2
    radius = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128)[None]) * 4
    assert power[radius < 0.3].sum() < 0.02 * power.sum()
    octaves = [power[(radius >= low) & (radius < 2 * low)].sum() for low in (0.7, 1.4)]
    assert octaves[1] < octaves[0]
    assert octaves[0] > 0.4 * power.sum()


@pytest.mark.parametrize("k", range(DIRECTIONS))
def test_each_kind_of_streaks_runs_its_way(k):
    noise = noise_of(k + 1, (32, 32), 4)
    power = np.abs(np.fft.fft2(noise)) ** 2
    angle = np.arctan2(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128)[None])
    found = np.angle((power * np.exp(2j * angle)).sum()) / 2
    away = (found - k * np.pi / DIRECTIONS + np.pi / 2) % np.pi - np.pi / 2
    assert abs(away) < np.radians(6)


def test_noise_of_a_large_texture_repeats_where_that_fits():
    assert [period_of(side, 4, "wrap") for side in (8, 61, 512, 300)] == [8, 61, 128, 100]
    assert period_of(131, 4, "wrap") == 128  # a prime: cut at the border
    assert period_of(40, 16, "wrap") == 20


def test_textures_that_do_not_wrap_share_noise_of_a_few_sizes():
    assert {period_of(side, 4, edge) for side in range(33, 65) for edge in ("clamp", "mirror")} == {64}
    assert period_of(300, 4, "clamp") == 128


def test_textures_of_one_size_take_other_parts_of_their_noise():
    source = (
        np.broadcast_to(rough(1, 1, 1), (40, 24, 1)) + np.where(np.indices((40, 24)).sum(0) % 2, 0.03, -0.03)[..., None]
    )
    source = source.astype(np.float32)  # alike everywhere, so that only the noise tells places apart
    first, other = (grained(source, seed=seed) - enlarged(source) for seed in (0, 4 + 40 * 6))
    assert (first != other).mean() > 0.5
    rolled = np.roll(first, (-4 * 4, -6 * 4), axis=(0, 1))
    assert np.abs(rolled - other).max() <= 1.01 / 255


# The same everywhere


def test_the_same_twice_and_in_any_number_of_threads():
    source = rough(40, 24)
    expected = grained(source).tobytes()
    found = []
    noise_of.cache_clear()
    threads = [threading.Thread(target=lambda: found.append(grained(source).tobytes())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {expected}
    assert len(found) == 4


def test_what_a_net_leaves_open_in_its_last_bits_decides_nothing():
    source = rough(40, 24)
    plain = enlarged(source)
    plain = (np.rint(plain * 255) + 0.2) / np.float32(255)
    shaken = plain + np.random.default_rng(0).uniform(-1e-6, 1e-6, plain.shape).astype(np.float32)
    results = [add_grain(p.astype(np.float32), source, 1.0, WRAP, 1) for p in (plain, shaken)]
    np.testing.assert_array_equal(*results)


def test_the_seed_is_the_samples_and_nothing_else():
    pixels = np.random.default_rng(0).integers(0, 65536, (5, 7, 3), np.uint16)
    seed = content_seed(pixels)
    assert content_seed(pixels.astype(">u2")) == content_seed(np.asfortranarray(pixels)) == seed
    assert content_seed(pixels.copy()) == seed
    changed = pixels.copy()
    changed[4, 6, 2] ^= 1
    others = [changed, pixels.reshape(7, 5, 3), pixels.transpose(1, 0, 2), pixels.view(np.uint8)]
    assert len({seed, *map(content_seed, others)}) == 5
    assert (grained(rough(16, 16), seed=1) != grained(rough(16, 16), seed=2)).mean() > 0.5


# What it is for


@pytest.mark.parametrize("scale", [2, 3, 4, 8, 16])
def test_grit_gets_grain_by_its_contrast_and_the_strength(scale):
    def deviation(contrast, strength):
        source = rough(24, 24, contrast=contrast)
        return float((grained(source, strength, scale) - enlarged(source, scale)).std())

    assert 0.4 * 0.04 < deviation(0.04, 1.0) < 1.2 * 0.04
    assert deviation(0.02, 1.0) < 0.7 * deviation(0.04, 1.0)
    assert 1.6 < deviation(0.04, 2.0) / deviation(0.04, 1.0) < 2.2


def test_what_a_net_drew_itself_is_not_drawn_again():
    source = rough(32, 32)
    drawn = enlarged(source) + 0.06 * noise_of(0, (32, 32), 4)[..., None]
    drawn = np.clip(drawn, 0, 1).astype(np.float32)
    added = add_grain(drawn.copy(), source, 1.0, WRAP, 1) - drawn
    assert added.std() < 0.2 * (grained(source) - enlarged(source)).std()


@pytest.mark.parametrize("axis", [0, 1])
def test_grain_runs_along_the_fibres(axis):
    dice = np.random.default_rng(2)
    across = np.repeat(dice.standard_normal((1, 48, 1)), 48, 0) + 0.2 * dice.standard_normal((48, 48, 1))
    source = np.clip(0.5 + 0.05 * across, 0, 1).astype(np.float32).swapaxes(0, 1 - axis)
    added = (grained(source) - enlarged(source))[..., 0]
    steps = [np.abs(np.diff(added, axis=k)).mean() for k in (0, 1)]
    assert steps[axis] > 2 * steps[1 - axis] or steps[1 - axis] > 2 * steps[axis]
    assert (steps[0] > steps[1]) == (np.abs(np.diff(source, axis=0)).mean() > np.abs(np.diff(source, axis=1)).mean())


def test_noise_without_a_direction_gets_none():
    luma = rough(64, 64, 1)
    band = detail(luma, WRAP)
    turned = directions(band, contrast_inside(band, WRAP), np.ones_like(luma), WRAP)
    assert np.quantile(np.hypot(turned[..., 0], turned[..., 1]), 0.9) < 0.3


def test_hue_stays_and_dark_stays_dark():
    source = rough(32, 32, 1) * np.array([1.0, 0.5, 0.1], np.float32)
    added = grained(source, 2.0) - enlarged(source)
    deviation = added.std(axis=(0, 1))
    np.testing.assert_allclose(deviation / deviation[0], [1, 0.5, 0.1], atol=0.06)
    half = source.copy()
    half[:, 16:] *= 0.1
    added = grained(half, 2.0) - enlarged(half)
    assert added[:, 76:116].std() < 0.25 * added[:, 12:52].std()


def test_grey_gets_the_same_grain_as_colour():
    grey = rough(20, 20, 1)
    np.testing.assert_array_equal(grained(grey)[..., 0], grained(grey.repeat(3, 2))[..., 1])


# What it must leave alone


@FEW
@given(sides, sides, st.sampled_from([2, 4]), edges_of_both, st.floats(0, 1))
def test_one_colour_stays_it(h, w, scale, edges, value):
    source = np.full((h, w, 3), value, np.float32)
    expected = np.rint(255 * enlarged(source, scale, edges))
    np.testing.assert_array_equal(np.rint(255 * grained(source, 2.0, scale, edges)), expected)


@pytest.mark.parametrize("edges", [CLAMP, ("mirror", "wrap")])
def test_gradients_and_slow_waves_stay_as_they_are(edges):
    y, x = places(48, 48)
    slow = np.rint(255 * (0.5 + 0.3 * np.sin(x / 9) * np.cos(y / 13) + y / 400)) / 255
    source = slow.astype(np.float32)
    assert np.abs(grained(source, 2.0, 4, edges) - enlarged(source, 4, edges)).max() <= 1 / 255


@pytest.mark.parametrize(("scale", "shape"), [(1, (32, 32, 3)), (4, (7, 32, 3)), (4, (1, 1, 1))])
def test_no_scale_and_too_few_texels_change_nothing(scale, shape):
    source = rough(*shape)
    np.testing.assert_array_equal(grained(source, 2.0, scale), enlarged(source, scale))


def jointed(h=48, w=48, column=24):
    """A smooth stone left of a dark joint, a rough one right of it."""
    plane = np.full((h, w, 1), 0.55, np.float32)
    plane[:, column:] = rough(h, w - column, 1)
    plane[:, column : column + 2] = 0.1
    return plane


@pytest.mark.parametrize("strength", [1.0, 2.0])
def test_a_smooth_stone_beside_a_joint_stays_smooth(strength):
    source = jointed()
    added = grained(source, strength, edges=CLAMP) - enlarged(source, edges=CLAMP)
    assert np.abs(added[:, : 4 * 22]).max() <= 1 / 255
    assert added[:, 4 * 32 :].std() > 4 / 255


def test_a_joint_keeps_its_width_and_its_straight_sides():
    source = jointed()
    plain, result = enlarged(source, edges=CLAMP), grained(source, 1.0, edges=CLAMP)
    dark = [(plane[:, 80:120, 0] < 0.2).sum(axis=1) for plane in (plain, result)]
    assert dark[0].mean() == pytest.approx(7, abs=1)  # pixels
    assert abs(dark[0].mean() - dark[1].mean()) < 0.25
    assert dark[1].std() < dark[0].std() + 0.3


def test_letters_and_lines_get_none():
    source = np.full((40, 40, 1), 0.2, np.float32)
    source[10:30:6, 6:34] = 0.9
    source[8:32, 12:14] = 0.9
    added = grained(source, 2.0, edges=CLAMP) - enlarged(source, edges=CLAMP)
    assert added.std() < 2 / 255


# Borders


@FEW
@given(st.integers(10, 40), st.integers(10, 40), st.integers(0, 39), st.integers(0, 39))
def test_where_it_wraps_the_step_across_is_like_those_inside(h, w, dy, dx):
    source = np.roll(rough(h, w), (dy, dx), (0, 1))
    added = (grained(source) - enlarged(source))[..., 0]
    for axis in (0, 1):
        steps = np.abs(added - np.roll(added, 1, axis)).mean(axis=1 - axis)
        assert steps[0] < 1.5 * steps[1:].mean()


def test_rolling_rolls_where_the_grain_lies():
    source = np.where(np.arange(64)[:, None, None] < 32, rough(64, 48), np.float32(0.5))
    plain = (grained(source) - enlarged(source)) ** 2
    rolled = np.roll(source, (20, 7), (0, 1))
    other = (grained(rolled, seed=9) - enlarged(rolled)) ** 2
    means = [blur(area(p, 4), 3.0, WRAP) for p in (np.roll(plain, (80, 28), (0, 1)), other)]
    assert np.corrcoef(means[0].ravel(), means[1].ravel())[0, 1] > 0.9


@pytest.mark.parametrize("edge", ["mirror", "clamp"])
def test_where_it_ends_the_border_is_as_rough_as_the_middle(edge):
    edges = (edge, edge)
    source = rough(48, 48)
    power = area((grained(source, edges=edges) - enlarged(source, edges=edges)) ** 2, 4)[..., 0]
    border = np.concatenate([power[0], power[-1], power[:, 0], power[:, -1]]).mean()
    assert 0.6 < border / power[8:-8, 8:-8].mean() < 1.5


# How much, left to itself


def levels(plane, dtype=np.uint8):
    return np.rint(np.clip(plane, 0, 1) * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_rough_surface_gets_it_and_others_do_not(channels, dtype):
    def strength(plane, edges=WRAP):
        seen = texture(levels(np.repeat(plane[..., :1], channels, 2), dtype))
        return surface_grain(seen, "none", edges, plane.shape[:2])

    y, x = places(64, 64)
    lines = (0.2 + 0.7 * ((x % 16 < 2) | (y % 21 < 2))).astype(np.float32)
    ramp = (x / 64).astype(np.float32)
    assert strength(rough(64, 64)) == 1
    assert strength(rough(16, 16)) == 0
    assert 0 < strength(rough(40, 40)) < 1
    assert strength(rough(64, 64) * 0 + 0.5) == strength(lines) == strength(ramp, CLAMP) == 0
    assert strength((0.5 + 0.3 * np.sin(x / 3.2) * np.cos(y / 6.4)).astype(np.float32)) == 0


def test_only_what_shows_decides_how_much():
    pixels = levels(np.concatenate([rough(64, 64, seed=1), np.ones((64, 64, 1))], axis=2))
    pixels[:, 32:, 3] = 0
    smooth_hidden, rough_hidden = pixels.copy(), pixels.copy()
    smooth_hidden[:, 32:, :3] = 99
    rough_hidden[:, 32:, :3] = levels(rough(64, 32, contrast=0.3))
    found = [surface_grain(texture(p), "binary", CLAMP, (64, 64)) for p in (smooth_hidden, rough_hidden)]
    assert found[0] == found[1] > 0.5
    pixels[..., 3] = 0
    assert surface_grain(texture(pixels), "constant", CLAMP, (64, 64)) == 0


@pytest.mark.parametrize("edges", [CLAMP, WRAP])
@pytest.mark.parametrize("seed", range(4))
def test_colour_bled_further_than_it_is_here_changes_no_strength(seed, edges, monkeypatch):
    pixels = levels(np.concatenate([rough(64, 64, seed=seed), np.ones((64, 64, 1))], axis=2))
    y, x = places(64, 64)
    pixels[np.hypot(y - 30, x - 28)[..., 0] > 20 + seed, 3] = 0
    module = "texup.textures.grain.roughness"
    monkeypatch.setattr(f"{module}.SPREAD", (0.0, 2.0))  # so that the last bit counts
    monkeypatch.setattr(f"{module}.GRAIN_STEPS", 1 << 24)
    strengths = []
    for rings in (RINGS, 30):
        monkeypatch.setattr(f"{module}.RINGS", rings)
        strengths.append(surface_grain(texture(pixels), "binary", edges, (64, 64)))
    assert strengths[0] == strengths[1] > 0


def test_a_small_picture_with_holes_is_a_drawn_thing_more_often_than_a_small_surface():
    pixels = levels(np.concatenate([rough(32, 32), np.ones((32, 32, 1))], axis=2))
    surface = surface_grain(texture(pixels), "binary", WRAP, (32, 32))
    pixels[:4, :4, 3] = 0
    assert 0.5 < surface < 1
    assert surface_grain(texture(pixels), "binary", WRAP, (32, 32)) < surface / 2


def test_joints_do_not_hide_that_the_tiles_between_them_are_rough():
    tiles = rough(96, 96, contrast=0.03)
    tiles[::24], tiles[:, ::24] = 0.2, 0.2
    assert surface_grain(texture(levels(tiles)), "none", WRAP, (96, 96)) > 0.8
    tiles[tiles != np.float32(0.2)] = 0.5
    assert surface_grain(texture(levels(tiles)), "none", WRAP, (96, 96)) == 0


def test_a_large_texture_is_judged_by_its_middle():
    pixels = np.full((700, 900, 1), 128, np.uint8)
    pixels[200:500, 300:600] = levels(rough(300, 300, 1))
    assert surface_grain(texture(pixels), "none", WRAP, (700, 900)) > 0.2


def test_edges_and_slopes_leave_little_of_it():
    luma = jointed()
    share = off_edges(luma, contrast_inside(detail(luma, CLAMP), CLAMP), CLAMP)[..., 0]
    assert share[:, 36:].mean() > 0.7
    assert share[:, 23:26].mean() < 0.25


def test_a_plane_of_split_pixels_is_what_it_takes():
    seen = texture(levels(rough(24, 24)))
    colour = split(seen, "none").colour
    assert grained(colour, 1.0).shape == (96, 96, 3)
