"""texup.textures.color: light, resampling that knows its borders, and the correction of drift."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from texup.textures.color import (
    area,
    blur,
    correct_drift,
    over_blocks,
    over_channels,
    reduce_plane,
    resample,
    to_linear,
    to_srgb,
)
from texup.textures.planes import Planes, merge
from texup.textures.products import LARGEST, over_columns, over_rows
from texup.textures.texture import Container, Texture

from ..builders import EDGES

MODEST = settings(deadline=None, derandomize=True, max_examples=40)
CLAMP, WRAP = ("clamp", "clamp"), ("wrap", "wrap")
LEVEL = 1 / 255

KERNELS = ["bilinear", "bicubic", "lanczos"]
edges_of_both = st.tuples(st.sampled_from(EDGES), st.sampled_from(EDGES))
sides = st.integers(1, 14)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def waves(h, w, *, channels=3):
    """A plane without anything finer than eight texels, that wraps."""
    y, x = np.mgrid[:h, :w]
    phases = np.arange(channels)
    turns = 2 * np.pi * (2 * y / h + 3 * x / w)[..., None] + phases
    return (0.5 + 0.25 * np.sin(turns)).astype(np.float32)


def repeated(plane, scale):
    return plane.repeat(scale, 0).repeat(scale, 1)


def test_light_and_back():
    every = (np.arange(65536, dtype=np.float32) / 65535)[:, None, None]
    np.testing.assert_allclose(to_srgb(to_linear(every)), every, atol=0.2 / 65535)
    assert to_linear(every).dtype == to_srgb(every).dtype == np.float32


def test_light_at_points_known_from_the_standard():
    coded = np.array([0, 0.04045, 0.5, 188 / 255, 1], np.float32)
    np.testing.assert_allclose(to_linear(coded), [0, 0.0031308, 0.2140411, 0.5028865, 1], atol=1e-6)
    np.testing.assert_allclose(to_srgb(np.array([-0.5, 1.5], np.float32)), [0, 1], atol=1e-7)


@MODEST
@given(sides, sides, st.integers(1, 4), st.integers(1, 5))
def test_area_is_the_mean_of_blocks(h, w, channels, factor):
    plane = noise(h * factor, w * factor, channels)
    means = area(plane, factor)
    assert means.shape == (h, w, channels)
    for y, x in [(0, 0), (h - 1, w - 1), (h // 2, w // 3)]:
        block = plane[y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
        np.testing.assert_allclose(means[y, x], block.mean(axis=(0, 1)), atol=1e-6)


@MODEST
@given(sides, sides, st.sampled_from([1, 2, 3, 4, 8]), st.sampled_from(KERNELS), edges_of_both, st.floats(0, 1))
def test_one_colour_stays_that_colour(h, w, scale, kernel, edges, value):
    plane = np.full((h, w, 2), value, np.float32)
    result = resample(plane, (h * scale, w * scale), kernel, edges)
    assert result.shape == (h * scale, w * scale, 2)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, value, atol=1e-6)


@MODEST
@given(sides, sides, st.sampled_from([2, 3, 4]), st.sampled_from(KERNELS), st.integers(-9, 9), st.integers(-9, 9))
def test_rolling_and_enlarging_commute_where_it_wraps(h, w, scale, kernel, dy, dx):
    plane, size = noise(h, w, 1), (h * scale, w * scale)
    rolled = resample(np.roll(plane, (dy, dx), (0, 1)), size, kernel, WRAP)
    expected = np.roll(resample(plane, size, kernel, WRAP), (dy * scale, dx * scale), (0, 1))
    np.testing.assert_allclose(rolled, expected, atol=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_clamped_edges_and_the_inside_agree_with_pillow(kernel, scale):
    plane = noise(20, 23, 1, seed=scale)
    filters = {
        "bilinear": Image.Resampling.BILINEAR,
        "bicubic": Image.Resampling.BICUBIC,
        "lanczos": Image.Resampling.LANCZOS,
    }
    expected = np.asarray(Image.fromarray(plane[..., 0]).resize((23 * scale, 20 * scale), filters[kernel]))
    inside = (slice(4 * scale, -4 * scale),) * 2
    for edges in (CLAMP, WRAP, ("mirror", "clamp")):
        result = resample(plane, (20 * scale, 23 * scale), kernel, edges)
        np.testing.assert_allclose(result[..., 0][inside], expected[inside], atol=1e-5)


def test_edges_show_what_they_go_on_with():
    plane = np.zeros((6, 8, 1), np.float32)
    plane[:, -1] = 1
    at_the_left = {edge: resample(plane, (24, 32), "bilinear", ("clamp", edge))[0, 0, 0] for edge in EDGES}
    assert at_the_left == {"wrap": pytest.approx(0.375), "mirror": 0, "clamp": 0}


@pytest.mark.parametrize("edges", [CLAMP, WRAP, ("mirror", "wrap")])
@pytest.mark.parametrize(("high", "low"), [(4, 3), (16, 9), (16, 15), (4, 1), (8, 2), (16, 5)])
def test_reduction_keeps_mean_and_shape(edges, high, low):
    plane = waves(6 * high, 5 * high)
    size = (6 * low, 5 * low)
    result = reduce_plane(plane, size, edges, light=False)
    assert result.shape == (*size, 3)
    assert result.dtype == np.float32
    assert abs(float(result.mean() - plane.mean())) < 0.003
    assert result.min() >= 0
    assert result.max() <= 1


def test_reduction_from_four_to_three_is_the_same_picture():
    y, x = np.mgrid[:48, :64]
    fine = (0.5 + 0.4 * np.sin((x + 0.5) / 64 * 6.2832) * np.cos((y + 0.5) / 48 * 6.2832))[..., None]
    y, x = np.mgrid[:36, :48]
    coarse = (0.5 + 0.4 * np.sin((x + 0.5) / 48 * 6.2832) * np.cos((y + 0.5) / 36 * 6.2832))[..., None]
    result = reduce_plane(fine.astype(np.float32), (36, 48), WRAP, light=False)
    np.testing.assert_allclose(result, coarse, atol=0.004)


def test_reduction_where_it_wraps_commutes_with_rolling():
    plane = noise(16, 24, 2)
    result = reduce_plane(plane, (12, 18), WRAP, light=True)
    rolled = reduce_plane(np.roll(plane, (8, -4), (0, 1)), (12, 18), WRAP, light=True)
    np.testing.assert_allclose(rolled, np.roll(result, (6, -3), (0, 1)), atol=1e-5)


def test_colour_is_reduced_in_light_and_other_planes_in_their_own_numbers():
    checks = 0.2 + 0.6 * (np.indices((8, 8)).sum(axis=0) % 2).astype(np.float32)[..., None]
    np.testing.assert_allclose(reduce_plane(checks, (4, 4), CLAMP, light=True), 0.59993, atol=1e-5)
    np.testing.assert_allclose(reduce_plane(checks, (4, 4), CLAMP, light=False), 0.5, atol=1e-6)


def test_nothing_to_reduce_is_nothing_to_do():
    plane = noise(5, 4, 1)
    np.testing.assert_array_equal(reduce_plane(plane, (5, 4), CLAMP, light=True), plane)


def test_overshoot_of_the_filter_is_clipped():
    edge = np.zeros((16, 16, 1), np.float32)
    edge[:, 8:] = 1
    result = reduce_plane(edge, (12, 12), CLAMP, light=False)
    assert result.min() == 0
    assert result.max() == 1


@MODEST
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.4, 2.5), edges_of_both)
def test_blur_keeps_one_colour_and_where_it_wraps_the_mean(h, w, sigma, edges):
    flat = np.full((h, w, 1), 0.3, np.float32)
    np.testing.assert_allclose(blur(flat, sigma, edges), flat, atol=1e-6)
    plane = noise(h, w, 2)
    blurred = blur(plane, sigma, WRAP)
    assert blurred.shape == plane.shape
    np.testing.assert_allclose(blurred.mean(axis=(0, 1)), plane.mean(axis=(0, 1)), atol=1e-5)
    assert blurred.var() <= plane.var() + 1e-6


def low_passed(plane, edges):
    """Return what drift is made of: nothing finer than a few texels."""
    return blur(plane, 2.0, edges)


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("edges", [CLAMP, WRAP])
def test_a_tint_over_everything_is_taken_back(scale, edges):
    source = waves(24, 32)
    drifted = repeated(source, scale) + np.array([0.05, -0.03, 0.01], np.float32)
    corrected = correct_drift(drifted, source, None, edges)
    assert corrected.dtype == np.float32
    np.testing.assert_allclose(area(corrected, scale), source, atol=0.01 * LEVEL)


@pytest.mark.parametrize("edges", [CLAMP, WRAP])
def test_a_tint_that_varies_slowly_is_taken_back(edges):
    source = 0.1 + 0.8 * noise(32, 32, 3)
    y, x = np.mgrid[:32, :32]
    tint = 0.03 * np.cos(2 * np.pi * y / 32)[..., None] * (1, -1, 0.5) + 0.02 * np.cos(2 * np.pi * x / 32)[..., None]
    drifted = (repeated(source + tint, 4)).astype(np.float32)
    off = low_passed(area(drifted, 4) - source, edges)
    rest = low_passed(area(correct_drift(drifted, source, None, edges), 4) - source, edges)
    assert np.abs(off).max() > 10 * LEVEL
    assert np.abs(rest).max() < 0.5 * LEVEL


@pytest.mark.parametrize("scale", [2, 4])
def test_detail_that_averages_to_nothing_is_left_alone(scale):
    source = waves(16, 16)
    detail = np.random.default_rng(4).uniform(-0.1, 0.1, (16 * scale, 16 * scale, 3)).astype(np.float32)
    detail -= repeated(area(detail, scale), scale)
    result = repeated(source, scale) + detail
    np.testing.assert_allclose(correct_drift(result.copy(), source, None, CLAMP), result, atol=0.01 * LEVEL)


def test_detail_survives_together_with_a_tint():
    source = waves(16, 16)
    detail = np.tile(np.array([[0.1, -0.1], [-0.1, 0.1]], np.float32), (32, 32))[..., None]
    result = correct_drift(repeated(source, 4) + detail + np.float32(0.04), source, None, WRAP)
    np.testing.assert_allclose(result, repeated(source, 4) + detail, atol=0.01 * LEVEL)


def test_the_plane_is_corrected_in_place_and_the_source_left_alone():
    source = waves(8, 8)
    before = source.copy()
    result = repeated(source, 2) + np.float32(0.1)
    assert correct_drift(result, source, None, CLAMP) is result
    np.testing.assert_array_equal(source, before)


def test_the_correction_goes_round_where_the_texture_does():
    source, drifted = 0.2 + 0.6 * noise(12, 10, 1), 0.2 + 0.6 * noise(48, 40, 1, seed=1)
    rolled = correct_drift(np.roll(drifted, (20, -12), (0, 1)), np.roll(source, (5, -3), (0, 1)), None, WRAP)
    expected = np.roll(correct_drift(drifted, source, None, WRAP), (20, -12), (0, 1))
    np.testing.assert_allclose(rolled, expected, atol=1e-5)


def test_the_result_stays_in_range():
    source = np.ones((8, 8, 1), np.float32)
    result = np.full((32, 32, 1), 0.9, np.float32)
    result[::2, ::2] = 1.3
    corrected = correct_drift(result, source, None, CLAMP)
    assert corrected.min() >= 0
    assert corrected.max() <= 1


@MODEST
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 4]), edges_of_both)
def test_no_colour_comes_that_neither_the_source_nor_the_net_has_nearby(seed, scale, edges):
    dice = np.random.default_rng(seed)
    source = np.where(dice.random((12, 12, 1)) < 0.2, (0, 1, 1), (0.4, 0.4, 0.4)).astype(np.float32)
    net = blur(repeated(source, scale), scale / 2, edges)  # its edges lie wide, so that the difference has both signs
    fixed = correct_drift(net.copy(), source, None, edges)

    def redness(plane):
        means = area(plane, len(plane) // 12)
        return float((means[..., 0] - means[..., 1]).max())

    assert redness(fixed) <= max(redness(source), redness(net)) + 4 * LEVEL


@pytest.mark.parametrize("weight", [0.25, 1.0])
def test_what_does_not_show_has_no_influence(weight, disc):
    source = waves(24, 24)
    opacity = (disc(24, 24, radius=8) * weight).astype(np.float32)[..., None]
    hidden = repeated(opacity, 4)[..., 0] == 0
    drifted = repeated(source, 4) + np.float32(0.05)
    garbage = drifted.copy()
    garbage[hidden] = np.random.default_rng(1).random((int(hidden.sum()), 3))
    clean, dirty = (correct_drift(plane, source, opacity, CLAMP) for plane in (drifted, garbage))
    np.testing.assert_allclose(dirty[~hidden], clean[~hidden], atol=1e-6)


@pytest.mark.parametrize("weight", [0.05, 0.25, 1.0])
def test_a_tint_of_what_shows_is_taken_back_up_to_its_edge(weight, disc):
    source = waves(24, 24)
    opacity = (disc(24, 24, radius=8) * weight).astype(np.float32)[..., None]
    visible = repeated(opacity, 4)[..., 0] > 0
    corrected = correct_drift(repeated(source, 4) + np.float32(0.05), source, opacity, CLAMP)
    np.testing.assert_allclose(corrected[visible], repeated(source, 4)[visible], atol=LEVEL)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
def test_means_and_extremes_of_blocks_are_those_of_numpy(factor, channels):
    plane = np.random.default_rng(0).random((3 * factor, 5 * factor, channels)).astype(np.float32)
    blocks = plane.reshape(3, factor, 5, factor, channels)
    np.testing.assert_allclose(area(plane, factor), blocks.mean(axis=(1, 3)), rtol=1e-6)
    assert np.array_equal(over_blocks(np.maximum, plane, factor), blocks.max(axis=(1, 3)))
    assert np.array_equal(over_blocks(np.minimum, plane, factor), blocks.min(axis=(1, 3)))


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("down", "across"), [(1, 2), (3, 4), (8, 5)])
def test_whole_factors_enlarge_as_pillow_does(kernel, down, across):
    plane = noise(24, 20, 3)
    size = (24 * down, 20 * across)
    inside = (slice(3 * down, -3 * down), slice(3 * across, -3 * across))  # what no border reaches
    filters = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    ours = resample(plane, size, kernel, CLAMP)
    for k in range(3):
        theirs = np.asarray(Image.fromarray(plane[..., k]).resize(size[::-1], filters[kernel]))
        np.testing.assert_allclose(ours[..., k][inside], theirs[inside], atol=1e-6)


def test_bands_change_nothing(monkeypatch):
    plane, weight, result = noise(21, 6, 3), noise(21, 6, 1, seed=1), noise(84, 24, 3, seed=2)

    def made():
        like = Texture(np.zeros((1, 1, 4), np.uint16), Container("png", bits=16))
        merged = merge(Planes(plane, weight, "soft"), like).pixels
        return merged, blur(plane, 1.5, WRAP), correct_drift(result.copy(), plane, weight, WRAP)

    whole = made()
    monkeypatch.setattr("texup.textures.color.BAND", 1)
    for one, other in zip(whole, made(), strict=True):
        np.testing.assert_array_equal(one, other)


@given(st.integers(1, 4), st.integers(0, 99))
def test_over_channels_is_numpys_own(channels, seed):
    plane = noise(5, 7, channels, seed=seed)
    np.testing.assert_array_equal(over_channels(np.maximum, plane), plane.max(axis=2))
    np.testing.assert_allclose(over_channels(np.add, plane), plane.sum(axis=2), rtol=1e-6)


@pytest.mark.parametrize(
    ("sums", "taps", "step", "width"), [(1, 3, 1, 7), (4, 5, 1, 9), (16, 52, 16, 12), (8, 6, 4, 9000)]
)
def test_products_are_sums_of_windows(sums, taps, step, width):
    weights, plane = noise(sums, taps), noise(taps + 3 * step, width, seed=1)
    expected = np.concatenate([weights @ plane[first : first + taps] for first in range(0, 3 * step + 1, step)])
    np.testing.assert_allclose(over_rows(weights, plane, step), expected, rtol=1e-5)
    np.testing.assert_allclose(over_columns(weights, plane.T, step), expected.T, rtol=1e-5)


def test_no_product_is_so_large_that_it_takes_threads(monkeypatch):
    sizes = []
    matmul = np.matmul

    def watched(one, other, out):
        sizes.append(one.shape[-2] * one.shape[-1] * other.shape[-1])
        return matmul(one, other, out=out)

    monkeypatch.setattr(np, "matmul", watched)
    for plane in (noise(9, 20000, 1), noise(20000, 9, 1)):
        blur(plane, 6.0, WRAP)
        resample(plane, (4 * plane.shape[0], 4 * plane.shape[1]), "bicubic", CLAMP)
    assert max(sizes) <= LARGEST
