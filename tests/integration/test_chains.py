"""A texture that goes through several nets, or several times through one."""

from __future__ import annotations

import numpy as np
import pytest

from texup.textures.texture import Container


def repeated(values, scale):
    return values.repeat(scale, 0).repeat(scale, 1)


def noise(h, w, channels, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (h, w, channels), dtype, endpoint=True)


def test_a_chain_hands_floats_on_through_each_net_in_turn(upscaled, through, nearest_model, wall):
    asked = []
    answer = through(nearest_model(1), nearest_model(4))

    def net(request):
        asked.append((request.model, request.plane.shape))
        plane = answer(request)
        return plane * 0.5 + 0.0004 if request.model == 0 else plane * 2 - 0.0008

    bricks = wall(16, 32)
    result = upscaled(bricks, net, scales=(1, 4), margin=4, color_fix=False)
    assert asked == [(0, (24, 40, 3)), (1, (24, 40, 3))]
    np.testing.assert_array_equal(result.pixels, repeated(bricks, 4))


def test_a_second_pass_sees_the_first_ones_result(upscaled, through, nearest_model, wall):
    shapes = []

    def net(request):
        shapes.append(request.plane.shape)
        return through(nearest_model(4))(request)

    bricks = wall(16, 32)
    result = upscaled(bricks, net, 8, margin=4)
    assert shapes == [(24, 40, 3), (72, 136, 3)]
    np.testing.assert_array_equal(result.pixels, repeated(bricks, 8))


def test_what_places_the_picture_grows_with_it(upscaled, never):
    container = Container("png", grab=(7, -12))
    result = upscaled(np.full((4, 4, 1), 9, np.uint8), never, 3, container=container)
    assert result.container == Container("png", grab=(21, -36))
    assert upscaled(np.full((4, 4, 1), 9, np.uint8), never, 3).container.grab is None


@pytest.mark.parametrize("edges", [("wrap", "clamp"), ("clamp", "mirror")])
def test_requests_are_framed_by_what_the_edges_go_on_with(upscaled, through, nearest_model, edges):
    seen = []

    def net(request):
        seen.append(request)
        return through(nearest_model(4))(request) * 1.5 - 0.2

    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, 4), np.uint8)
    upscaled(pixels, net, 16, alpha="data", margin=8, edges=edges)
    modes = {"wrap": "wrap", "mirror": "symmetric", "clamp": "edge"}
    expected = np.pad(pixels / np.float32(255), ((8, 9), (0, 0), (0, 0)), mode=modes[edges[0]])  # 7 + 1 is 8
    expected = np.pad(expected, ((0, 0), (8, 11), (0, 0)), mode=modes[edges[1]])  # 9 + 3 is 12
    np.testing.assert_array_equal(np.concatenate([seen[0].plane, seen[1].plane], axis=2), expected)
    assert [request.plane.shape for request in seen] == [(24, 28, 3), (24, 28, 1), (44, 52, 3), (44, 52, 1)]
    for request in seen:
        assert request.margin == 8
        assert request.plane.dtype == np.float32
        assert 0 <= request.plane.min() <= request.plane.max() <= 1
