"""The way of one texture, from its pixels to those of its result, behind nets whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texup.engines.engine import Request
from texup.policy.classify import Policy, Treatment, policy_for
from texup.textures.color import area, blur
from texup.textures.texture import Container, Texture
from texup.upscaling.pixels import upscale_texture
from texup.upscaling.run import Settings, plan_passes

CLAMP, WRAP = ("clamp", "clamp"), ("wrap", "wrap")
SCALES = [1, 2, 3, 4, 8, 16]
WITH_ALPHA = ["binary", "few", "soft", "data", "copy"]
KINDS = {1: ["none"], 2: WITH_ALPHA, 3: ["none"], 4: WITH_ALPHA}


def repeated(values, scale):
    return values.repeat(scale, 0).repeat(scale, 1)


def noise(h, w, channels, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (h, w, channels), dtype, endpoint=True)


def with_alpha(colour, alpha):
    """Return colour (H, W, C) with ``alpha`` (H, W) in [0, 1] as its last channel."""
    full = np.iinfo(colour.dtype).max
    return np.concatenate([colour, np.rint(alpha * full)[..., None].astype(colour.dtype)], axis=2)


def largest_difference(a, b):
    assert a.shape == b.shape
    return int(np.abs(a.astype(np.int64) - b.astype(np.int64)).max())


def tinted(net):
    """A net with a fault that real ones have: its three channels drift apart."""

    def upscale(request):
        plane = net(request)
        return plane + np.linspace(-0.04, 0.04, plane.shape[2], dtype=np.float32)

    return upscale


# Exact: behind a net that repeats, everything else must be invisible


@settings(deadline=None, derandomize=True, max_examples=40)
@given(data=st.data())
def test_behind_a_net_that_repeats_pixels_the_result_repeats_them(data, upscaled, through, nearest_model):
    h, w, channels = (
        data.draw(st.integers(1, 11)),
        data.draw(st.integers(1, 11)),
        data.draw(st.sampled_from([1, 2, 3, 4])),
    )
    kind = data.draw(st.sampled_from(["none"] if channels in (1, 3) else ["soft", "data", "copy"]))
    scale, dtype = data.draw(st.sampled_from([1, 2, 4, 16])), data.draw(st.sampled_from([np.uint8, np.uint16]))
    edge = st.sampled_from(["wrap", "mirror", "clamp"])
    pixels = noise(h, w, channels, dtype, seed=data.draw(st.integers(0, 99)))
    if kind in ("soft", "copy"):
        pixels[..., -1] |= 1  # colour under alpha 0 is not kept
    result = upscaled(
        pixels,
        through(nearest_model(4), tile=data.draw(st.sampled_from([5, 4096]))),
        scale,
        alpha=kind,
        edges=(data.draw(edge), data.draw(edge)),
        margin=data.draw(st.sampled_from([0, 4, 16])),
    )
    assert result.pixels.dtype == dtype
    np.testing.assert_array_equal(result.pixels, repeated(pixels, scale))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", [(1, 1), (1, 64), (2, 3), (4, 4), (3, 5)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_smallest_textures_come_out_in_the_right_size(upscaled, through, tiny_model, channels, size, scale):
    pixels = noise(*size, channels)
    if channels in (2, 4):
        pixels[..., -1] = np.where(pixels[..., -1] > 127, 255, 0)
    kind = KINDS[channels][0]
    result = upscaled(pixels, through(tiny_model), scale, alpha=kind, edges=("wrap", "mirror"), margin=4).pixels
    assert result.shape == (size[0] * scale, size[1] * scale, channels)
    assert result.dtype == np.uint8
    assert kind == "binary" or abs(float(result[..., 0].mean()) - float(pixels[..., 0].mean())) < 8


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 64), (3, 5)])
def test_small_textures_of_every_alpha_kind(upscaled, through, tiny_model, channels, size):
    for kind in KINDS[channels]:
        for scale in (1, 3, 4):
            result = upscaled(noise(*size, channels), through(tiny_model), scale, alpha=kind, edges=WRAP, margin=4)
            assert result.pixels.shape == (size[0] * scale, size[1] * scale, channels)


# Flat


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("colour", [(0,), (77,), (255,), (12, 200, 99), (9, 8, 7, 128), (40, 0)])
def test_one_colour_never_reaches_a_net(upscaled, never, colour, dtype, scale):
    pixels = np.broadcast_to(np.array(colour, dtype) * (1 if dtype == np.uint8 else 257), (4, 6, len(colour)))
    result = upscaled(pixels, never, scale, alpha="constant" if len(colour) in (2, 4) else "none")
    np.testing.assert_array_equal(result.pixels, repeated(pixels, scale))
    assert result.pixels.dtype == dtype


def test_a_sprite_of_one_colour_keeps_it_exactly_and_sends_only_its_alpha(upscaled, through, tiny_model, disc):
    def net(request):
        assert request.plane.shape[2] == 1
        return through(tiny_model)(request)

    opacity = disc(12, 12, radius=4)
    for value in range(1, 256, 6):
        pixels = with_alpha(np.full((12, 12, 3), (value, 255 - value, 17), np.uint8), opacity)
        result = upscaled(pixels, net, alpha="binary", margin=4).pixels
        assert (result[result[..., 3] > 0][:, :3] == (value, 255 - value, 17)).all()


def test_one_level_of_sixteen_bits_is_no_flat_colour(upscaled, through, nearest_model):
    asked = []

    def net(request):
        asked.append(request)
        return through(nearest_model(4))(request)

    pixels = np.full((4, 6, 3), 30000, np.uint16)
    pixels[2, 3, 1] += 1
    np.testing.assert_array_equal(upscaled(pixels, net).pixels, repeated(pixels, 4))
    assert len(asked) == 1


# Colour


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    ("kind", "dtype"), [("binary", np.uint8), ("soft", np.uint8), ("soft", np.uint16), ("few", np.uint8)]
)
def test_a_white_disc_on_transparent_black_is_white_wherever_it_shows(
    upscaled, through, tiny_model, disc, kind, dtype, scale
):
    opacity = disc(20, 20, radius=7, soft=kind == "soft")
    opacity = np.where(disc(20, 20, radius=4) > 0, opacity, opacity / 2) if kind == "few" else opacity
    full = np.iinfo(dtype).max
    pixels = with_alpha((opacity > 0)[..., None].repeat(3, 2).astype(dtype) * full, opacity)
    result = upscaled(pixels, tinted(through(tiny_model)), scale, alpha=kind).pixels
    shows = result[..., 3] > 0
    assert shows.any()
    assert not shows.all()
    assert (result[shows][:, :3] == full).all()
    if kind == "binary":
        assert set(np.unique(result[..., 3])) == {0, full}
        assert abs(shows.mean() - opacity.mean()) <= 0.005


@pytest.mark.parametrize("channels", [1, 2])
def test_stored_as_three_equal_channels_grey_stays_grey(upscaled, through, tiny_model, disc, channels):
    grey = with_alpha(noise(24, 24, 1), disc(soft=True)) if channels == 2 else noise(24, 24, 1)
    kind = "soft" if channels == 2 else "none"
    tripled = np.concatenate([grey[..., :1], grey[..., :1], grey], axis=2)
    net = tinted(through(tiny_model))
    as_grey, as_colour = (upscaled(pixels, net, alpha=kind).pixels for pixels in (grey, tripled))
    assert as_grey.shape[2] == channels
    for k in range(3):
        np.testing.assert_array_equal(as_colour[..., k], as_grey[..., 0])


def test_grey_stays_grey_whatever_colour_is_hidden_under_it(upscaled, through, tiny_model, disc):
    opacity = disc()
    grey = noise(24, 24, 1).repeat(3, 2)
    keyed = np.where(opacity[..., None] > 0, grey, (255, 0, 255)).astype(np.uint8)
    result = upscaled(with_alpha(keyed, opacity), tinted(through(tiny_model)), alpha="binary").pixels
    shows = result[..., 3] > 0
    assert np.ptp(result[shows][:, :3].astype(int), axis=1).max() == 0


@pytest.mark.parametrize("kind", ["binary", "soft", "few"])
def test_colour_under_alpha_0_changes_nothing_that_shows(upscaled, through, tiny_model, wall, disc, kind):
    opacity = disc(48, 64, radius=18, soft=kind == "soft") * (0.5 if kind == "few" else 1)
    hidden = (opacity == 0)[..., None]
    results = [
        upscaled(
            with_alpha(np.where(hidden, under, wall()).astype(np.uint8), opacity), through(tiny_model), alpha=kind
        ).pixels
        for under in (0, (255, 0, 255), noise(48, 64, 3))
    ]
    shows = results[0][..., 3] > 0
    for result in results[1:]:
        np.testing.assert_array_equal(result[..., 3], results[0][..., 3])
        np.testing.assert_array_equal(result[shows], results[0][shows])


def test_sixteen_bits_stay_sixteen_bits(upscaled, through, tiny_model):
    y, x = np.mgrid[:16, :24]
    pixels = (20000 + 131 * x + 37 * y)[..., None].astype(np.uint16)
    result = upscaled(pixels, through(tiny_model)).pixels
    assert result.dtype == np.uint16
    assert len(np.unique(result)) > 2000  # in 8 bits the whole picture would hold 16 values
    smooth = np.diff(result[8:-8, 8:-8, 0].astype(int), axis=1)
    assert np.abs(smooth).max() < 150  # and it would go in steps of 257


@pytest.mark.parametrize("channels", [2, 4])
def test_constant_alpha_is_kept_exactly(upscaled, through, tiny_model, channels):
    pixels = noise(12, 10, channels)
    pixels[..., -1] = 128
    for scale in (1, 3, 4):
        assert (upscaled(pixels, through(tiny_model), scale, alpha="constant").pixels[..., -1] == 128).all()


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_colour_does_not_drift(upscaled, through, tiny_model, wall, scale):
    bricks = wall()
    result = upscaled(bricks, tinted(through(tiny_model)), scale, edges=WRAP).pixels
    means = area(result.astype(np.float32), scale)
    low = np.abs(blur(means - bricks, 2.0, WRAP))
    assert low.mean() <= 0.5
    assert low.max() <= 2  # beside hard edges, where more would be a halo
    np.testing.assert_allclose(result.mean(axis=(0, 1)), bricks.mean(axis=(0, 1)), atol=0.5)


def test_colour_drifts_with_the_net_when_it_is_told_to(upscaled, through, nearest_model, wall):
    bricks = np.clip(wall(), 20, 230)
    result = upscaled(bricks, tinted(through(nearest_model(4))), edges=WRAP, color_fix=False).pixels
    np.testing.assert_allclose(result.mean(axis=(0, 1)) - bricks.mean(axis=(0, 1)), [-10.2, 0, 10.2], atol=0.5)


# Data in alpha


def test_data_alpha_and_colour_know_nothing_of_each_other(upscaled, through, tiny_model, wall):
    colour, net = wall(), through(tiny_model)
    first, second = noise(48, 64, 1, seed=1)[..., 0] / 255, np.zeros((48, 64))
    second[:, 20:40] = 1
    results = [upscaled(with_alpha(colour, alpha), net, alpha="data").pixels for alpha in (first, second)]
    np.testing.assert_array_equal(results[0][..., :3], results[1][..., :3])
    other = upscaled(with_alpha(colour[::-1], first), net, alpha="data").pixels
    np.testing.assert_array_equal(results[0][..., 3], other[..., 3])
    means = area(results[1][..., :3].astype(np.float32), 4)
    assert (
        np.abs(blur(means - colour, 2.0, CLAMP)).max() < 16
    )  # hidden or not, the picture is there; nothing corrects data


def test_colour_is_reduced_in_light_and_data_and_opacity_in_their_own_numbers(upscaled):
    def checkered(request):
        """Answers every plane with alternating 0 and 1, so that a reduction from x4 to x2 has something to average."""
        h, w, c = request.plane.shape
        checks = np.indices(((h - 2 * request.margin) * 4, (w - 2 * request.margin) * 4)).sum(axis=0) % 2
        return np.repeat(checks[..., None], c, axis=2).astype(np.float32)

    pixels = noise(6, 6, 2) // 2 + 60
    data, soft = (upscaled(pixels, checkered, 2, alpha=kind, color_fix=False).pixels for kind in ("data", "soft"))
    assert largest_difference(data, np.full_like(data, 128)) <= 1
    assert largest_difference(soft[..., :1], np.full_like(soft[..., :1], 188)) <= 1
    assert largest_difference(soft[..., 1:], np.full_like(soft[..., 1:], 128)) <= 1


def test_grey_is_the_mean_of_what_a_net_makes_of_three_equal_channels(through, tiny_model):
    grey = noise(16, 16, 1).astype(np.float32) / 255
    net = through(tiny_model)
    as_colour = net(Request(grey.repeat(3, 2), 0, 4))
    assert np.ptp(as_colour, axis=2).max() > 0.001
    np.testing.assert_allclose(net(Request(grey, 0, 4)), as_colour.mean(axis=2, keepdims=True), atol=1e-6)


# Whole policy on one texture


def test_a_forced_cut_out_of_a_soft_sprite(upscaled, through, tiny_model, disc):
    pixels = with_alpha(noise(24, 24, 3), disc(soft=True))
    policy = policy_for(Texture(pixels, Container("png")), Treatment(alpha="binary"))
    alpha = upscaled(pixels, through(tiny_model), alpha=policy.alpha, edges=policy.edges).pixels[..., 3]
    assert set(np.unique(alpha)) == {0, 255}
    assert abs((alpha > 0).mean() - (pixels[..., 3] > 127).mean()) < 0.005


def test_the_task_can_be_given_up_while_it_waits(wall):
    task = upscale_texture(
        Texture(wall(), Container("png")), Policy("none", CLAMP), plan_passes([4], 4), Settings(4, 8)
    )
    assert len(next(task)) == 1
    task.close()
    with pytest.raises(StopIteration):
        next(task)
