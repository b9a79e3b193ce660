"""texup.textures.enlarge: repeating, smoothing, and vectors, without a net."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texup.textures.enlarge import enlarge, renormalise_texture
from texup.textures.normals import decode
from texup.textures.texture import Container, Texture

CLAMP = ("clamp", "clamp")
EDGE = st.sampled_from(["wrap", "mirror", "clamp"])
laws = settings(deadline=None, derandomize=True, max_examples=60)


def texture(pixels, **facts):
    bits = pixels.dtype.itemsize * 8
    return Texture(np.ascontiguousarray(pixels), Container("png", bits, **facts))


def noise(channels, *, seed=0, dtype=np.uint8, low=0, high=256, size=(6, 9)):
    return np.random.default_rng(seed).integers(low, high, (*size, channels)).astype(dtype)


def bumps(height=16, width=16):
    """Return a tangent-space map (H, W, 3) that tiles."""
    y, x = np.mgrid[:height, :width]
    lean = np.stack([np.sin(2 * np.pi * x / 8), np.sin(2 * np.pi * y / 16), np.ones((height, width))], axis=2)
    unit = lean / np.linalg.norm(lean, axis=2, keepdims=True)
    return np.rint((unit + 1) * 127.5).astype(np.uint8)


def lengths(pixels):
    return np.linalg.norm(pixels.astype(float) / 127.5 - 1, axis=2)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_nearest_repeats_every_texel(scale):
    source = texture(noise(4))
    result = enlarge(source, "nearest", scale, CLAMP, None)
    assert all((result.pixels[y::scale, x::scale] == source.pixels).all() for y in range(scale) for x in range(scale))
    assert result.container == source.container


@given(st.integers(1, 4), st.integers(0, 2**32 - 1), st.integers(1, 5), EDGE, EDGE, st.sampled_from([8, 16]))
@laws
def test_smoothed_channels_stay_in_their_range(channels, seed, scale, vertical, horizontal, bits):
    dtype = np.dtype(f"uint{bits}")
    low, high = sorted(np.random.default_rng(seed).integers(0, 2**bits, 2))
    source = noise(channels, seed=seed, dtype=dtype, low=low, high=high + 1)
    result = enlarge(texture(source), "smooth", scale, (vertical, horizontal), None).pixels
    assert result.dtype == dtype
    assert result.shape == (6 * scale, 9 * scale, channels)
    assert (result.min(axis=(0, 1)) >= source.min(axis=(0, 1))).all()
    assert (result.max(axis=(0, 1)) <= source.max(axis=(0, 1))).all()


def test_smoothed_channels_do_not_see_each_other():
    source = noise(4)
    whole = enlarge(texture(source), "smooth", 4, CLAMP, None).pixels
    for k in range(4):
        alone = enlarge(texture(source[..., k : k + 1]), "smooth", 4, CLAMP, None).pixels
        assert (whole[..., k : k + 1] == alone).all()


def test_colour_under_alpha_0_is_data_like_any_other():
    source = noise(4)
    source[..., 3] = 0
    assert len(np.unique(enlarge(texture(source), "smooth", 2, CLAMP, None).pixels[..., 0])) > 50


def test_smoothing_has_the_precision_of_16_bits():
    ramp = np.linspace(30000, 30030, 16).round().astype(np.uint16)[None, :, None].repeat(4, axis=0)
    result = enlarge(texture(ramp), "smooth", 4, CLAMP, None).pixels
    assert len(np.unique(result)) > 25


def test_a_ramp_stays_a_ramp():
    ramp = np.arange(0, 160, 10, dtype=np.uint8)[None, :, None].repeat(4, axis=0)
    row = enlarge(texture(ramp), "smooth", 4, CLAMP, None).pixels[0, :, 0].astype(int)
    assert (np.diff(row) >= 0).all()
    assert np.abs(row.reshape(16, 4).mean(axis=1) - ramp[0, :, 0]).max() <= 1


@pytest.mark.parametrize("method", ["smooth", "vectors"])
def test_edges_are_respected(method):
    source = texture(bumps())
    wrapped = enlarge(source, method, 4, ("wrap", "wrap"), None).pixels
    moved = enlarge(texture(np.roll(bumps(), (5, 3), (0, 1))), method, 4, ("wrap", "wrap"), None).pixels
    assert (np.roll(wrapped, (20, 12), (0, 1)) == moved).all()
    assert (enlarge(source, method, 4, CLAMP, None).pixels != wrapped).any()


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), EDGE, st.sampled_from([3, 4]))
@laws
def test_enlarged_vectors_have_length_one_and_face_up(seed, scale, edge, channels):
    result = enlarge(texture(noise(channels, seed=seed)), "vectors", scale, (edge, edge), "tangent").pixels
    assert np.abs(lengths(result[..., :3]) - 1).max() < 0.01
    assert result[..., 2].min() >= 127


def test_enlarged_vectors_lie_between_their_neighbours():
    left, right = np.array([-0.6, 0, 0.8]), np.array([0.6, 0, 0.8])
    pair = np.stack([left] * 4 + [right] * 4)[None].repeat(4, axis=0)
    row = enlarge(texture(np.rint((pair + 1) * 127.5).astype(np.uint8)), "vectors", 4, CLAMP, "tangent").pixels[8]
    z = row[..., 2].astype(int)
    assert np.diff(row[..., 0].astype(int)).min() > -6  # the filter overshoots a little
    assert z.argmax() in (15, 16)
    assert z.max() > 250  # interpolated colours would stop near 230 in the middle


def test_smooth_colours_of_vectors_are_too_short_which_is_why_they_are_renormalised():
    source = texture(noise(3))
    assert lengths(enlarge(source, "smooth", 4, CLAMP, None).pixels).min() < 0.5
    assert lengths(enlarge(source, "vectors", 4, CLAMP, "tangent").pixels).min() > 0.99


def test_alpha_of_a_normal_map_is_smoothed_as_data():
    source = np.dstack([bumps(), noise(1, size=(16, 16))])
    result = enlarge(texture(source), "vectors", 4, CLAMP, "tangent").pixels
    assert (result[..., 3:] == enlarge(texture(source[..., 3:]), "smooth", 4, CLAMP, None).pixels).all()


def test_object_maps_keep_all_three_channels_and_vectors_that_point_away():
    away = bumps()
    away[..., 2] = 255 - away[..., 2]
    result = enlarge(texture(away), "vectors", 4, CLAMP, "object").pixels
    assert result[..., 2].max() < 128
    assert np.abs(lengths(result) - 1).max() < 0.01


def test_two_channels_leave_the_others_to_the_smooth_filter():
    source = np.dstack([bumps()[..., :2], noise(2, size=(16, 16))])
    result = enlarge(texture(source), "vectors", 4, CLAMP, "two_channel").pixels
    whole = enlarge(texture(bumps()), "vectors", 4, CLAMP, "tangent").pixels
    assert np.abs(result[..., :2].astype(int) - whole[..., :2]).max() <= 1
    assert (result[..., 2:] == enlarge(texture(source[..., 2:]), "smooth", 4, CLAMP, None).pixels).all()


def test_dxt5nm_has_its_vectors_in_alpha_and_green():
    data = noise(2, size=(16, 16))
    source = np.dstack([data[..., 0], bumps()[..., 1], data[..., 1], bumps()[..., 0]])
    result = enlarge(texture(source), "vectors", 4, CLAMP, "dxt5nm").pixels
    other = np.dstack([bumps()[..., :2], data])
    expected = enlarge(texture(other), "vectors", 4, CLAMP, "two_channel").pixels
    assert (result == expected[..., [2, 1, 3, 0]]).all()


def test_level_stays_level():
    level = np.full((4, 4, 3), (128, 128, 255), np.uint8)
    assert (enlarge(texture(level), "vectors", 4, CLAMP, "tangent").pixels == (128, 128, 255)).all()


def test_what_has_no_channels_for_vectors_is_smoothed():
    grey = texture(noise(1))
    assert (
        enlarge(grey, "vectors", 2, CLAMP, "tangent").pixels == enlarge(grey, "smooth", 2, CLAMP, None).pixels
    ).all()
    assert renormalise_texture(grey, "tangent") is grey


def test_renormalised_repairs_what_a_net_leaves():
    source = np.dstack([bumps(), noise(1, size=(16, 16))])
    bent = source.copy()
    bent[..., :3] = np.rint(bent[..., :3] * 0.9 + 12.8)
    repaired = renormalise_texture(texture(bent), "tangent").pixels
    assert np.abs(lengths(repaired[..., :3]) - 1).max() < 0.01
    assert (repaired[..., 3] == source[..., 3]).all()
    assert np.abs(decode(repaired, "tangent") - decode(source, "tangent")).max() < 0.1
