"""Nets that are told how a plane goes on: the result of a margin without end where it wraps, close to it where not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from texup.engines.alone import answer_alone
from texup.engines.batching import Batcher, Order, told_of
from texup.engines.devices.device import Device
from texup.engines.devices.edges import told_net
from texup.engines.engine import UNTOLD, Beyond, Request, drive
from texup.models.chain import TOLD
from texup.models.model import UpscaleModel
from texup.policy.classify import Policy
from texup.textures.cells import Cells
from texup.textures.seams import pad
from texup.textures.texture import Container, Texture
from texup.upscaling.pixels import upscale_sheet, upscale_texture
from texup.upscaling.run import Pass, Settings

from ..builders import tiny_net

CPU = torch.device("cpu")
MARGIN = 16  # more than the tiny nets see
SIDES = (13, 10)  # no multiple of the grid
WRAP, CLAMP = ("wrap", "wrap"), ("clamp", "clamp")


def model_of(net: nn.Module, channels=3) -> UpscaleModel:
    return UpscaleModel(net, "net", "Net", 4, channels, channels, 1, "0" * 64, {"num_feat": 8})


def lively(architecture: str) -> nn.Module:
    """Return a tiny net whose every convolution matters: fresh ones begin near the picture itself."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = tiny_net(architecture)
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()
    return net.eval()


def channels_of(net: nn.Module) -> int:
    return next(value.shape[1] for value in net.parameters() if value.ndim == 4)


def plane_of(channels=3, sides=SIDES, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).random((*sides, channels), np.float32)


def asked(plane, edges, margin=MARGIN, border=MARGIN, *, told=True) -> Request:
    rest = tuple(-side % 4 for side in plane.shape[:2])
    framed = pad(plane, (margin, margin + rest[0], margin, margin + rest[1]), edges)
    return Request(framed, 0, margin, Beyond(edges, border, rest) if told else None)


def through(model: UpscaleModel, request: Request, tile=160) -> np.ndarray:
    (plane,) = answer_alone([request], Device([model], CPU, tile=tile))
    return plane


@pytest.mark.parametrize("architecture", sorted(TOLD))
@pytest.mark.parametrize("edges", [WRAP, ("wrap", "clamp"), ("mirror", "wrap")])
def test_what_is_told_is_what_a_wide_margin_shows(architecture, edges):
    net = lively(architecture)
    model, plane = model_of(net, channels_of(net)), plane_of(channels_of(net))
    shown, told = (through(model, asked(plane, edges, told=told)) for told in (False, True))
    assert told.shape == (SIDES[0] * 4, SIDES[1] * 4, plane.shape[2])
    assert np.ptp(told) > 0.1
    np.testing.assert_allclose(told, shown[: told.shape[0], : told.shape[1]], rtol=1e-4, atol=1e-4 * np.ptp(told))


def test_a_net_that_looks_behind_borders_by_other_means_is_no_such_net():
    """MSRResNet enlarges the picture bilinearly beside its convolutions: told or not, that part sees the border."""
    model = model_of(lively("MSRResNet"))
    shown, told = (through(model, asked(plane_of(), WRAP, told=told)) for told in (False, True))
    assert np.abs(told - shown[:52, :40]).max() > 0.01


def test_a_told_clamp_needs_half_the_border_that_zeros_need():
    model, plane = model_of(lively("SRVGGNetCompact")), plane_of(sides=(16, 16))
    right = through(model, asked(plane, CLAMP, told=False))
    told = through(model, asked(plane, CLAMP, border=1))
    zeros = through(model, asked(plane, CLAMP, margin=2, told=False))
    assert np.abs(told - right).max() <= np.abs(zeros - right).max() + 1e-5


def test_told_nets_share_the_weights():
    net = lively("RRDBNet")
    twin = told_net(net, WRAP)
    assert {id(value) for value in twin.parameters()} == {id(value) for value in net.parameters()}


def test_nothing_is_computed_twice_where_a_plane_wraps():
    def shape(edges, tile=160, border=2, sides=SIDES):
        (piece, *_) = Order(None, [asked(plane_of(sides=sides), edges, 8, border)], tile).pieces()
        return piece.plane.shape[:2], piece.told

    assert shape(WRAP) == ((13, 10), WRAP)
    assert shape(CLAMP) == ((17, 14), CLAMP)
    assert shape(("clamp", "wrap")) == ((17, 10), ("clamp", "wrap"))
    assert shape(("mirror", "wrap")) == ((13 + 16, 10), (None, "wrap"))
    assert shape(WRAP, tile=12) == ((8 + 16, 10), (None, "wrap"))  # cut on one axis
    assert shape(WRAP, sides=(3, 8)) == ((3 + 16, 8), (None, "wrap"))


@pytest.mark.parametrize("edges", [WRAP, CLAMP, ("mirror", "wrap"), ("clamp", "wrap")])
@pytest.mark.parametrize("tile", [8, 12])
def test_a_plane_that_is_cut_into_tiles_is_shown_its_edges(edges, tile):
    model, plane = model_of(lively("SRVGGNetCompact")), plane_of()
    whole, cut = (through(model, asked(plane, edges), side) for side in (160, tile))
    np.testing.assert_allclose(cut, whole, rtol=1e-4, atol=1e-4)


def test_sizes_that_differ_little_share_batches_where_planes_share_calls():
    """Behind a clamped far border there is more to show; nothing can be added to what wraps, or is not there."""

    def shapes(edges, grid, margin=8):
        orders = [
            Order(None, [asked(plane_of(sides=sides), edges, margin, 2)], 160, grid=grid)
            for sides in ((13, 10), (12, 9), (16, 11))
        ]
        return [order.pieces()[0].plane.shape[:2] for order in orders]

    assert shapes(CLAMP, 1) == [(17, 14), (16, 13), (20, 15)]
    assert shapes(CLAMP, 8) == [(24, 16), (16, 16), (24, 16)]
    assert shapes(CLAMP, 8, 3) == [(17, 16), (16, 16), (20, 16)]  # more than the margin does not lie there
    assert shapes(("clamp", "wrap"), 8, 12) == [(24, 10), (16, 9), (24, 11)]
    assert shapes(WRAP, 8) == [(13, 10), (12, 9), (16, 11)]


def test_only_where_planes_share_calls_sides_are_rounded():
    model, plane = model_of(lively("SRVGGNetCompact")), plane_of()
    device = Device([model], CPU)
    assert device.grid == 1
    exact = answer_alone([asked(plane, CLAMP)], device)[0]
    device.grid = 8
    np.testing.assert_allclose(answer_alone([asked(plane, CLAMP)], device)[0], exact, rtol=1e-4, atol=1e-4)


def test_a_batch_is_told_one_thing():
    batcher = Batcher()
    for edges in (WRAP, WRAP, CLAMP):
        batcher.add(Order(None, [asked(plane_of(sides=(8, 8)), edges, 4, 0)], 160))
    assert [(len(batch), batch[0].told) for batch in (batcher.take(1 << 16, partial=True) for _ in range(2))] == [
        (2, WRAP),
        (1, CLAMP),
    ]
    assert told_of(Request(plane_of(), 0, 0), 160) == UNTOLD


def test_a_plane_alone_and_in_a_batch_are_told_the_same_to_the_last_bit():
    device = Device([model_of(lively("SRVGGNetCompact"))], CPU)
    planes = [plane_of(seed=seed) for seed in range(3)]
    together = device.upscale(0, planes, ("clamp", "wrap"))
    for plane, result in zip(planes, together, strict=True):
        (alone,) = device.upscale(0, [plane], ("clamp", "wrap"))
        np.testing.assert_array_equal(alone.plane, result.plane)


def test_a_result_that_is_redone_is_told_its_edges_too():
    class Fragile(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = lively("SRVGGNetCompact")

        def forward(self, x):
            made = self.net(x)
            return made if x.dtype == torch.float32 else made * torch.inf

    model = model_of(Fragile())
    (found,) = Device([model], CPU, "bf16").upscale(0, [plane_of()], WRAP)
    (right,) = Device([model], CPU).upscale(0, [plane_of()], WRAP)
    assert found.redone
    np.testing.assert_array_equal(found.plane, right.plane)


def upscaled(pixels, model, *, edges=WRAP, alpha="none", cells=None, log=None) -> np.ndarray:
    texture = Texture(np.ascontiguousarray(pixels), Container("png"))
    policy = Policy(alpha, edges, cells=cells)
    device = Device([model], CPU)
    start = upscale_texture if cells is None else upscale_sheet
    task = start(texture, policy, [Pass(0, 4, told=True)], Settings(4, 8, 2))

    def answer(requests):
        if log is not None:
            log.append(len(requests))
        return answer_alone(requests, device)

    return drive(task, answer).pixels


@pytest.mark.parametrize("shift", [(5, 0), (0, 3), (7, 9)])
def test_a_texture_that_tiles_still_tiles(wall, tiny_model, shift):
    net = tiny_net(num_feat=8, num_conv=4)
    model, bricks = replace(tiny_model, net=net), wall(24, 32)
    rolled = upscaled(np.roll(bricks, shift, (0, 1)), model)
    plain = np.roll(upscaled(bricks, model), (shift[0] * 4, shift[1] * 4), (0, 1))
    assert np.abs(rolled.astype(int) - plain).max() <= 1


def test_a_strip_that_tiles_sideways_only_is_rolled_sideways_only(wall, tiny_model):
    model, bricks = replace(tiny_model, net=tiny_net(num_feat=8, num_conv=4)), wall(24, 32)
    rolled = upscaled(np.roll(bricks, 5, 1), model, edges=("clamp", "wrap"))
    plain = np.roll(upscaled(bricks, model, edges=("clamp", "wrap")), 20, 1)
    assert np.abs(rolled.astype(int) - plain).max() <= 1


def test_equal_and_flat_cells_go_through_the_net_once_or_never(tiny_model, wall):
    bricks = wall(16, 16)
    flat = np.full_like(bricks, 90)
    frames, log = [bricks, flat, bricks, bricks[::-1], flat, bricks], []
    strip = np.concatenate(frames)
    made = upscaled(strip, tiny_model, cells=Cells("count", 1, len(frames)), log=log)
    assert log == [2]
    alone = [upscaled(frame, tiny_model) for frame in frames]
    np.testing.assert_array_equal(made, np.concatenate(alone))
