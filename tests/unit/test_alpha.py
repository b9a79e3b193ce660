"""texup.textures.planes: what the alpha of a result holds, kind by kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from texup.textures.color import resample
from texup.textures.hidden import keep_hidden
from texup.textures.planes import bleed, classify_alpha, finish_alpha, with_alpha
from texup.textures.seams import pad
from texup.textures.texture import Container, Texture

CLAMP = ("clamp", "clamp")
WRAP = ("wrap", "wrap")


def plane(values):
    return np.asarray(values, np.float32)[..., None]


def pixels_with(alpha, colour=None, dtype=np.uint8, channels=4):
    """Return pixels of ``dtype`` whose opacity is ``alpha`` in [0, 1] over the whole range."""
    full = np.iinfo(dtype).max
    h, w = alpha.shape
    if colour is None:
        colour = np.full((h, w, channels - 1), 0.6)
    return np.rint(np.concatenate([colour[..., : channels - 1], alpha[..., None]], axis=2) * full).astype(dtype)


def slope(h=16, w=16):
    return np.broadcast_to(np.linspace(0, 1, w), (h, w))


def gloss(h=24, w=24):
    """A plane of some other meaning: waves that are 0 on about a sixth of the texture."""
    y, x = np.mgrid[:h, :w]
    return np.clip(0.5 + 0.6 * np.sin(2 * np.pi * (2 * x + y) / 24) + 0.1 * np.cos(y), 0, 1)


def detailed(h=16, w=16, seed=0):
    return np.random.default_rng(seed).uniform(0.2, 0.8, (h, w, 3))


def all_zero_or_all_one(source, edges):
    """Return the texels whose 3x3 neighbourhoods hold nothing but 0, and nothing but 1."""
    h, w = source.shape[:2]
    padded = pad(source, (1, 1, 1, 1), edges)[..., 0]
    around = np.stack([padded[y : y + h, x : x + w] for y in range(3) for x in range(3)])
    return (around == 0).all(axis=0), (around == 1).all(axis=0)


def repeated(values, scale):
    return values.repeat(scale, 0).repeat(scale, 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [2, 4])
class TestKinds:
    def test_one_value_is_constant(self, dtype, channels):
        for value in (0, 0.5, 1):
            assert classify_alpha(pixels_with(np.full((8, 8), value), None, dtype, channels)) == "constant"

    def test_nothing_and_everything_is_binary(self, dtype, channels, disc):
        assert classify_alpha(pixels_with(disc(), None, dtype, channels)) == "binary"

    def test_two_other_values_are_few_levels(self, dtype, channels, disc):
        assert classify_alpha(pixels_with(disc() * 0.5, None, dtype, channels)) == "few"
        assert classify_alpha(pixels_with(0.5 + disc() * 0.5, None, dtype, channels)) == "few"

    def test_four_values_are_few_and_five_are_a_gradient(self, dtype, channels):
        steps = np.floor(slope(8, 20) * 3.99) / 3
        assert classify_alpha(pixels_with(steps, None, dtype, channels)) == "few"
        steps = np.floor(slope(8, 20) * 4.99) / 4
        assert classify_alpha(pixels_with(steps, None, dtype, channels)) == "soft"

    def test_a_soft_sprite_on_black_is_soft(self, dtype, channels, disc):
        opacity = disc(soft=True)
        picture = detailed(24, 24) * (opacity > 0)[..., None]
        assert classify_alpha(pixels_with(opacity, picture, dtype, channels)) == "soft"

    def test_a_soft_sprite_on_a_key_colour_is_soft(self, dtype, channels, disc):
        opacity = disc(soft=True)
        colour = np.where(opacity[..., None] > 0, detailed(24, 24), (1, 0, 1))
        assert classify_alpha(pixels_with(opacity, colour, dtype, channels)) == "soft"

    def test_a_soft_sprite_whose_colour_was_bled_is_soft(self, dtype, channels, disc):
        opacity = disc(soft=True)
        bled = bleed(detailed(24, 24).astype(np.float32), plane(opacity), CLAMP)
        assert classify_alpha(pixels_with(opacity, bled, dtype, channels)) == "soft"

    def test_a_gradient_over_a_picture_that_goes_on_under_it_is_data(self, dtype, channels):
        assert classify_alpha(pixels_with(gloss(), detailed(24, 24), dtype, channels)) == "data"

    def test_a_gradient_over_a_picture_that_ends_with_it_is_soft(self, dtype, channels):
        picture = detailed(24, 24) * (gloss() > 0)[..., None]
        assert classify_alpha(pixels_with(gloss(), picture, dtype, channels)) == "soft"

    def test_an_outline_is_opacity_whatever_it_hides(self, dtype, channels, disc):
        assert classify_alpha(pixels_with(disc(soft=True), detailed(24, 24), dtype, channels)) == "soft"

    def test_cut_outs_stay_binary_whatever_is_hidden(self, dtype, channels, disc):
        assert classify_alpha(pixels_with(disc(), detailed(24, 24), dtype, channels)) == "binary"


@pytest.mark.parametrize("channels", [1, 3])
def test_without_a_channel_there_is_no_alpha(channels):
    assert classify_alpha(np.zeros((4, 4, channels), np.uint8)) == "none"


def test_flat_colour_under_a_gradient_is_no_hidden_picture():
    assert classify_alpha(pixels_with(slope())) == "soft"


def test_the_rounding_of_flat_colour_is_no_hidden_picture():
    colour = np.full((24, 24, 3), 0.6)
    colour[gloss() == 0] += 1 / 255 * (np.indices((24, 24)).sum(axis=0) % 3 == 0)[gloss() == 0][:, None]
    assert classify_alpha(pixels_with(gloss(), colour)) == "soft"


def test_a_few_hidden_texels_cannot_make_a_picture():
    alpha = 0.1 + 0.9 * slope(32, 32)
    alpha[:2, :8] = 0
    assert classify_alpha(pixels_with(alpha, detailed(32, 32))) == "soft"


def test_bleeding_fills_from_the_nearest_that_shows():
    colour = np.zeros((1, 9, 3), np.float32)
    colour[0, 0], colour[0, 8] = (1, 0, 0), (0, 0, 1)
    alpha = plane([[1, 0, 0, 0, 0, 0, 0, 0, 1]])
    filled = bleed(colour, alpha, CLAMP)
    np.testing.assert_allclose(filled[0, 1:4], [(1, 0, 0)] * 3, atol=1e-6)
    np.testing.assert_allclose(filled[0, 5:8], [(0, 0, 1)] * 3, atol=1e-6)
    np.testing.assert_allclose(filled[0, 4], (0.5, 0, 0.5), atol=1e-6)


def test_bleeding_goes_on_across_a_border_that_wraps():
    colour = np.zeros((1, 8, 1), np.float32)
    colour[0, 0], colour[0, 5] = 1, 0.5
    alpha = plane([[1, 0, 0, 0, 0, 1, 0, 0]])
    assert bleed(colour, alpha, WRAP)[0, 7, 0] == pytest.approx(1)
    assert bleed(colour, alpha, CLAMP)[0, 7, 0] == pytest.approx(0.5)


def test_far_from_everything_lies_the_mean_of_what_shows():
    colour = np.zeros((1, 64, 1), np.float32)
    colour[0, :2, 0] = 0.2, 0.6
    alpha = np.zeros((1, 64, 1), np.float32)
    alpha[0, :2] = 1
    assert bleed(colour, alpha, CLAMP)[0, 40, 0] == pytest.approx(0.4)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("edges", [CLAMP, WRAP])
def test_binary_alpha_of_a_blurred_enlargement_covers_as_much_as_the_source(scale, edges, disc):
    for radius in (2.4, 5.0, 8.3, 11.0):
        source = plane(disc(25, 24, radius=radius))
        upscaled = resample(source, (25 * scale, 24 * scale), "bilinear", edges)
        result = finish_alpha(upscaled, source, scale, "binary", edges)
        assert set(np.unique(result)) == {0, 1}
        # A disc has up to eight equal values at the threshold, and only strictly greater ones count.
        assert 0 <= source.sum() * scale**2 - result.sum() < 8


@pytest.mark.parametrize("period", [2, 3, 4])
def test_a_grate_of_thin_bars_keeps_its_bars(period):
    source = plane(np.broadcast_to(np.arange(24) % period == 0, (24, 24)))
    upscaled = resample(source, (96, 96), "bicubic", WRAP)
    result = finish_alpha(upscaled, source, 4, "binary", WRAP)
    assert abs(result.mean() - source.mean()) <= 0.02
    opaque = result[0, :, 0]
    assert np.count_nonzero(np.diff(opaque, append=opaque[:1]) > 0) == 24 // period


def test_single_texels_do_not_vanish():
    source = np.zeros((16, 16, 1), np.float32)
    source[4, 4] = source[11, 9] = 1
    upscaled = resample(source, (64, 64), "bicubic", CLAMP) * 0.3  # a net that hardly believes in them
    result = finish_alpha(upscaled, source, 4, "binary", CLAMP)[..., 0]
    assert result[16:20, 16:20].any()
    assert result[44:48, 36:40].any()
    assert abs(result.sum() - 32) <= 8


def test_a_hole_of_one_texel_does_not_close():
    source = np.ones((16, 16, 1), np.float32)
    source[8, 8] = 0
    upscaled = 1 - resample(1 - source, (64, 64), "bicubic", CLAMP) * 0.3
    result = finish_alpha(upscaled, source, 4, "binary", CLAMP)[..., 0]
    assert not result[33:35, 33:35].any()


@pytest.mark.parametrize("kind", ["binary", "soft"])
@pytest.mark.parametrize("edges", [CLAMP, WRAP, ("mirror", "wrap")])
def test_clear_and_opaque_zones_are_exact_whatever_the_net_says(kind, edges, disc):
    source = plane(disc(20, 28, radius=7))
    garbage = np.random.default_rng(3).uniform(-0.5, 1.5, (80, 112, 1)).astype(np.float32)
    result = finish_alpha(garbage, source, 4, kind, edges)[..., 0]
    clear, solid = (repeated(zone, 4) for zone in all_zero_or_all_one(source, edges))
    assert clear.any()
    assert solid.any()
    assert (result[clear] == 0).all()
    assert (result[solid] == 1).all()
    assert result.min() >= 0
    assert result.max() <= 1
    if kind == "soft":
        free = ~(clear | solid)
        np.testing.assert_allclose(result[free], np.clip(garbage[..., 0], 0, 1)[free], atol=1e-6)


def test_zones_go_round_only_where_the_texture_wraps():
    source = np.zeros((8, 8, 1), np.float32)
    source[:, -1] = 1
    garbage = np.full((8, 8, 1), 0.5, np.float32)
    assert (finish_alpha(garbage, source, 1, "soft", CLAMP)[:, 0] == 0).all()
    assert (finish_alpha(garbage, source, 1, "soft", WRAP)[:, 0] == 0.5).all()


def bands(*values, width=6, height=12):
    return plane(np.broadcast_to(np.repeat(np.array(values) / 255, width), (height, width * len(values))))


@pytest.mark.parametrize("edges", [CLAMP, WRAP])
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_a_hard_edge_from_clear_to_opaque_gets_no_band_of_the_middle_level(edges, scale):
    source = bands(255, 0, 128, 0, 255)
    result = finish_alpha(None, source, scale, "few", edges)
    np.testing.assert_array_equal(result, repeated(source, scale))  # straight edges between texels stay where they are


def test_a_round_edge_from_clear_to_opaque_gets_no_middle_level_either(disc):
    source = plane(disc(24, 24, radius=8.3))
    source[10:14, 10:14] = np.float32(128 / 255)
    result = finish_alpha(None, source, 4, "few", CLAMP)[..., 0]
    middle = (result > 0) & (result < 1)
    assert not middle[:36].any()
    assert not middle[60:].any()
    assert middle[44:52, 44:52].all()
    assert set(np.unique(result)) == set(np.unique(source))
    clear, solid = (repeated(zone, 4) for zone in all_zero_or_all_one(source, CLAMP))
    assert (result[clear] == 0).all()
    assert (result[solid] == 1).all()


@pytest.mark.parametrize("edges", [CLAMP, WRAP, ("mirror", "clamp"), ("wrap", "mirror")])
def test_few_levels_go_on_beyond_the_border_as_the_texture_does(edges):
    source = plane(np.random.default_rng(6).choice([0, 128, 255], (9, 7)) / 255)
    framed = pad(source, (4, 4, 4, 4), edges)
    expected = finish_alpha(None, framed, 4, "few", CLAMP)[16:-16, 16:-16]
    np.testing.assert_array_equal(finish_alpha(None, source, 4, "few", edges), expected)


def test_few_levels_cover_about_as_much_as_before(disc):
    source = plane(np.maximum(disc(32, 32, radius=12) * 0.5, disc(32, 32, radius=6)))
    result = finish_alpha(None, source, 4, "few", CLAMP)
    for level in np.unique(source):
        assert abs((result == level).mean() - (source == level).mean()) <= 0.02


def test_data_is_clipped_and_otherwise_left_to_the_net():
    upscaled = plane([[-0.2, 0.0, 0.3, 1.0, 1.4, 0.7]])
    result = finish_alpha(upscaled, plane([[0, 0, 0, 1, 1, 1]]), 1, "data", CLAMP)
    np.testing.assert_array_equal(result, plane([[0, 0, 0.3, 1, 1, 0.7]]))


@pytest.mark.parametrize("kind", ["copy", "constant"])
def test_copies_repeat_every_texel(kind):
    source = np.random.default_rng(0).random((3, 5, 1), np.float32)
    np.testing.assert_array_equal(finish_alpha(None, source, 3, kind, CLAMP), repeated(source, 3))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("of_mask", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_two_halves_become_colour_of_the_first_and_red_of_the_second(channels, of_mask, dtype):
    full = np.iinfo(dtype).max
    dice = np.random.default_rng(channels)
    colour, mask = (dice.integers(0, full, (3, 5, c), endpoint=True).astype(dtype) for c in (channels, of_mask))
    container = Container("png", bits=np.dtype(dtype).itemsize * 8, palette=bytes(4), grab=(1, 2))
    joined = with_alpha(Texture(colour, container), Texture(mask, Container("png")))
    high = [pixels >> 8 if dtype == np.uint16 else pixels for pixels in (colour, mask)]
    assert joined.pixels.dtype == np.uint8
    for k in range(3):
        assert np.array_equal(joined.pixels[..., k], high[0][..., k if channels >= 3 else 0])
    assert np.array_equal(joined.pixels[..., 3], high[1][..., 0])
    assert joined.container == Container("png", grab=(1, 2))


@pytest.mark.parametrize("edges", [CLAMP, WRAP])
def test_colour_is_bled_as_many_rings_as_asked_and_those_as_ever(edges):
    colour = np.random.default_rng(3).random((24, 24, 3), np.float32)
    alpha = np.zeros((24, 24, 1), np.float32)
    alpha[8:14, 9:12] = 1
    far, near = bleed(colour, alpha, edges), bleed(colour, alpha, edges, rings=3)
    np.testing.assert_array_equal(near[5:17, 6:15], far[5:17, 6:15])
    np.testing.assert_allclose(near[0, 0], colour[8:14, 9:12].mean(axis=(0, 1)), rtol=1e-5)


@given(st.integers(0, 99))
def test_hidden_colour_comes_through_the_same_whether_all_of_it_is_one_or_not(seed):
    dice = np.random.default_rng(seed)
    source = np.full((16, 20, 3), dice.random(3), np.float32)
    source[:, 10:] = dice.random((16, 10, 3), np.float32)
    alpha, result = np.zeros((64, 80, 1), np.float32), np.zeros((64, 80, 3), np.float32)
    both = keep_hidden(result.copy(), source, alpha, CLAMP)
    alpha[:, 40:] = 1
    one = keep_hidden(result.copy(), source, alpha, CLAMP)
    np.testing.assert_array_equal(one[:, :36], both[:, :36])
    np.testing.assert_array_equal(one[:, :36], np.broadcast_to(source[0, 0], (64, 36, 3)))
    assert not one[:, 36:].any()
