"""The laws of borders, tiles and colour, kept by the net that users have at the context that it is run with."""

from __future__ import annotations

import numpy as np
import pytest

from texup.textures.color import area, blur

CLAMP, WRAP = ("clamp", "clamp"), ("wrap", "wrap")


def with_alpha(colour, alpha):
    """Return colour (H, W, C) with ``alpha`` (H, W) in [0, 1] as its last channel."""
    full = np.iinfo(colour.dtype).max
    return np.concatenate([colour, np.rint(alpha * full)[..., None].astype(colour.dtype)], axis=2)


def largest_difference(a, b):
    assert a.shape == b.shape
    return int(np.abs(a.astype(np.int64) - b.astype(np.int64)).max())


@pytest.mark.parametrize(("scale", "shift"), [(4, (5, 11)), (3, (7, -3)), (2, (1, 30)), (4, (24, 32))])
def test_where_it_wraps_rolling_and_upscaling_commute(
    upscaled, through, shipped_psnr, shipped_context, wall, scale, shift
):
    bricks, net = wall(), through(shipped_psnr)
    rolled = upscaled(np.roll(bricks, shift, (0, 1)), net, scale, edges=WRAP, margin=shipped_context).pixels
    plain = upscaled(bricks, net, scale, edges=WRAP, margin=shipped_context).pixels
    expected = np.roll(plain, (shift[0] * scale, shift[1] * scale), (0, 1))
    assert largest_difference(rolled, expected) <= 1


@pytest.mark.parametrize("size", [(18, 30), (9, 5)])
def test_it_commutes_for_sides_that_fit_no_grid(upscaled, through, shipped_psnr, shipped_context, wall, size):
    bricks, net = wall()[: size[0], : size[1]], through(shipped_psnr)
    rolled = upscaled(np.roll(bricks, (4, 3), (0, 1)), net, edges=WRAP, margin=shipped_context).pixels
    plain = upscaled(bricks, net, edges=WRAP, margin=shipped_context).pixels
    assert largest_difference(rolled, np.roll(plain, (16, 12), (0, 1))) <= 1


@pytest.mark.parametrize("kind", ["soft", "few", "binary"])
def test_alpha_wraps_as_colour_does(upscaled, through, shipped_psnr, shipped_context, wall, kind):
    y, x = np.mgrid[:32, :32]
    values = 0.5 + 0.5 * np.sin(2 * np.pi * (2 * x + y) / 32) * np.cos(2 * np.pi * (x - 2 * y) / 32)
    alpha = {"soft": values, "few": np.rint(values * 2) / 2, "binary": (values > 0.55).astype(float)}[kind]
    pixels, net = with_alpha(wall(32, 32), alpha), through(shipped_psnr)
    rolled = upscaled(np.roll(pixels, (9, 14), (0, 1)), net, alpha=kind, edges=WRAP, margin=shipped_context).pixels
    plain = np.roll(upscaled(pixels, net, alpha=kind, edges=WRAP, margin=shipped_context).pixels, (36, 56), (0, 1))
    assert largest_difference(rolled[..., :3], plain[..., :3]) <= 1
    off = np.abs(rolled[..., 3].astype(int) - plain[..., 3]) > 1
    assert off.mean() <= (0 if kind == "soft" else 0.001)  # a texel on the threshold may fall on its other side


@pytest.mark.parametrize("kind", ["none", "soft"])
def test_tiles_cannot_be_seen(upscaled, through, shipped_psnr, shipped_context, wall, disc, kind):
    pixels = wall(64, 80)
    if kind == "soft":
        pixels = with_alpha(pixels, disc(64, 80, radius=30, soft=True))
    whole, tiled = (
        upscaled(pixels, through(shipped_psnr, tile=tile), alpha=kind, margin=shipped_context).pixels
        for tile in (4096, 32)
    )
    assert largest_difference(whole, tiled) <= 1


@pytest.mark.parametrize("edges", [CLAMP, ("mirror", "wrap")])
def test_the_grid_adds_nothing_that_can_be_seen(upscaled, through, tiny_model, wall, edges):
    """A side that is no multiple of the grid gets more context, not another picture."""
    bricks = wall()[:29, :41]
    results = [upscaled(bricks, through(tiny_model), edges=edges, margin=margin).pixels for margin in (16, 32)]
    assert largest_difference(*results) <= 1


def test_the_shipped_net_does_not_drift_either(upscaled, through, shipped_psnr, wall):
    bricks = wall()
    result = upscaled(bricks, through(shipped_psnr), edges=WRAP, margin=16).pixels
    low = blur(area(result.astype(np.float32), 4) - bricks, 2.0, WRAP)
    assert np.abs(low).max() <= 1


@pytest.mark.parametrize(
    "colours", [((0, 192, 0), (192, 0, 192)), ((20, 20, 20), (250, 240, 230)), ((0, 64, 255), (255, 0, 128))]
)
def test_plain_areas_keep_their_colour(upscaled, through, shipped_psnr, shipped_context, colours):
    """Away from an edge a plain area comes out as it went in, saturated colours too."""
    halves = np.empty((32, 96, 3), np.uint8)
    halves[:, :48], halves[:, 48:] = colours
    result = upscaled(halves, through(shipped_psnr), edges=CLAMP, margin=shipped_context).pixels
    for colour, columns in zip(colours, (slice(0, 4 * 32), slice(4 * 64, None)), strict=True):
        assert largest_difference(result[:, columns], np.broadcast_to(np.uint8(colour), result[:, columns].shape)) <= 1
