"""texup.textures.planes: merge is the inverse of split, and bleeding knows only what can be seen."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from texup.textures.planes import Planes, bleed, classify_alpha, finish_alpha, merge, split
from texup.textures.texture import Container, Texture

from ..builders import EDGES

MODEST = settings(deadline=None, derandomize=True, max_examples=60)

sides = st.integers(1, 12)
edges_of_both = st.tuples(st.sampled_from(EDGES), st.sampled_from(EDGES))


@st.composite
def textures(draw, channels=(1, 2, 3, 4)):
    """Textures of either sample type: noise, or a few values so that equal channels and flat parts occur."""
    dtype = draw(st.sampled_from([np.uint8, np.uint16]))
    top = int(np.iinfo(dtype).max)
    values = draw(st.sampled_from([st.integers(0, top), st.sampled_from([0, 1, top])]))
    pixels = draw(arrays(dtype, (draw(sides), draw(sides), draw(st.sampled_from(channels))), elements=values))
    return Texture(pixels, Container("png", dtype().itemsize * 8, grab=(3, -2)))


def check_inverse(texture):
    again = merge(split(texture, classify_alpha(texture.pixels)), texture)
    assert again.container == texture.container
    assert again.pixels.dtype == texture.pixels.dtype
    assert again.pixels.flags.c_contiguous
    np.testing.assert_array_equal(again.pixels, texture.pixels)


@MODEST
@given(textures())
def test_merge_is_the_inverse_of_split(texture):
    check_inverse(texture)


@MODEST
@given(arrays(np.float32, (3, 4, 3), elements=st.floats(-0.5, 1.5, width=32)), st.sampled_from([np.uint8, np.uint16]))
def test_merge_takes_the_nearest_level_within_range(colour, dtype):
    full = np.iinfo(dtype).max
    merged = merge(Planes(colour, None, "none"), Texture(np.zeros((1, 1, 3), dtype), Container("png"))).pixels
    assert np.abs(merged - np.clip(colour.astype(np.float64), 0, 1) * full).max() <= 0.501


def test_every_value_of_both_sample_types_survives():
    for dtype in (np.uint8, np.uint16):
        every = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 16, 1)
        check_inverse(Texture(every, Container("png")))
        check_inverse(Texture(np.concatenate([every, every[::-1], every[:, ::-1], every], axis=2), Container("png")))


@MODEST
@given(textures())
def test_planes_are_straight_float_of_the_documented_shapes(texture):
    h, w, channels = texture.pixels.shape
    planes = split(texture, "soft")
    full = np.iinfo(texture.pixels.dtype).max
    assert planes.colour.dtype == np.float32
    assert planes.colour.shape[:2] == (h, w)
    assert planes.colour.shape[2] in ((1,) if channels < 3 else (1, 3))
    assert (planes.alpha is None) == (channels in (1, 3))
    if planes.alpha is not None:
        assert planes.alpha.shape == (h, w, 1)
        np.testing.assert_allclose(planes.alpha * full, texture.pixels[..., -1:], atol=0.01)
    np.testing.assert_allclose(
        np.broadcast_to(planes.colour, (h, w, 3))[..., 0] * full, texture.pixels[..., 0], atol=0.01
    )


@MODEST
@given(textures(channels=(1, 2)))
def test_equal_channels_become_one_plane_and_come_back_as_three(grey):
    first = grey.pixels[..., :1]
    tripled = Texture(np.concatenate([first, first, grey.pixels], axis=2), grey.container)
    planes = split(tripled, "soft")
    assert planes.colour.shape[2] == 1
    check_inverse(tripled)


def test_one_coloured_texel_keeps_all_three_planes():
    pixels = np.full((5, 5, 3), 80, np.uint8)
    pixels[2, 3, 1] += 1
    assert split(Texture(pixels, Container("png")), "none").colour.shape[2] == 3


@st.composite
def colour_and_alpha(draw):
    shape = (draw(sides), draw(sides))
    seed = draw(st.integers(0, 2**32 - 1))
    dice = np.random.default_rng(seed)
    alpha = draw(arrays(np.float32, (*shape, 1), elements=st.sampled_from([np.float32(0), 0, 0, 0.25, 1])))
    return dice.random((*shape, draw(st.sampled_from([1, 3]))), np.float32), alpha, dice


@MODEST
@given(colour_and_alpha(), edges_of_both)
def test_bleeding_changes_nothing_that_shows_and_listens_to_nothing_that_does_not(given_planes, edges):
    colour, alpha, dice = given_planes
    hidden = alpha[..., 0] == 0
    assume(not hidden.all())
    filled = bleed(colour, alpha, edges)
    assert filled.dtype == np.float32
    np.testing.assert_array_equal(filled[~hidden], colour[~hidden])
    garbage = colour.copy()
    garbage[hidden] = dice.random(garbage[hidden].shape)
    np.testing.assert_array_equal(bleed(garbage, alpha, edges), filled)
    assert filled.min() >= colour[~hidden].min() - 1e-6
    assert filled.max() <= colour[~hidden].max() + 1e-6


@MODEST
@given(colour_and_alpha(), st.integers(-9, 9), st.integers(-9, 9))
def test_bleeding_goes_round_a_texture_that_wraps(given_planes, dy, dx):
    colour, alpha, _ = given_planes
    wrap = ("wrap", "wrap")
    rolled = bleed(np.roll(colour, (dy, dx), (0, 1)), np.roll(alpha, (dy, dx), (0, 1)), wrap)
    np.testing.assert_allclose(rolled, np.roll(bleed(colour, alpha, wrap), (dy, dx), (0, 1)), atol=1e-6)


@MODEST
@given(colour_and_alpha(), edges_of_both)
def test_opaque_and_wholly_invisible_colour_is_left_alone(given_planes, edges):
    colour, alpha, _ = given_planes
    np.testing.assert_array_equal(bleed(colour, np.maximum(alpha, 0.1), edges), colour)
    np.testing.assert_array_equal(bleed(colour, alpha * 0, edges), colour)


@MODEST
@given(
    arrays(np.bool_, st.tuples(sides, sides, st.just(1))),
    st.integers(1, 5),
    st.integers(0, 2**32 - 1),
    edges_of_both,
)
def test_binary_alpha_stays_binary_and_covers_as_much_whatever_the_net_says(opaque, scale, seed, edges):
    assume(opaque.any() and not opaque.all())
    source = opaque.astype(np.float32)
    rough = source.repeat(scale, 0).repeat(scale, 1)
    upscaled = (rough + np.random.default_rng(seed).normal(0, 0.4, rough.shape)).astype(np.float32)
    result = finish_alpha(upscaled, source, scale, "binary", edges)
    assert set(np.unique(result)) <= {0, 1}
    assert result.sum() == source.sum() * scale**2  # noise has no ties


@MODEST
@given(
    arrays(np.uint8, st.tuples(sides, sides, st.just(1)), elements=st.sampled_from([0, 90, 128, 255])),
    st.integers(1, 5),
    edges_of_both,
)
def test_few_levels_stay_those_levels(pixels, scale, edges):
    source = pixels / np.float32(255)
    result = finish_alpha(None, source, scale, "few", edges)
    assert result.shape == (source.shape[0] * scale, source.shape[1] * scale, 1)
    assert set(np.unique(result)) <= set(np.unique(source))
    if scale == 1:
        np.testing.assert_array_equal(result, source)
