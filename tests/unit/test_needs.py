"""What a net needs is given to it: sides, channels, types, one plane at a time, whole planes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from texup.engines.devices.device import CPU_TILE, WHOLE_TILES, Device
from texup.engines.devices.precision import PRECISIONS
from texup.engines.engine import Request
from texup.models.model import Needs

CPU = torch.device("cpu")
GIB = 1 << 30


def in_batches(model):
    """Return a device that shows a net whole batches, as a graphics card does."""
    device = Device([model], CPU)
    device.at_once = 1 << 20
    return device


class Picky(nn.Module):
    """Repeats every texel, and refuses whatever it does not like."""

    def __init__(self, check, channels=3):
        super().__init__()
        self.check, self.channels = check, channels
        self.weight = nn.Parameter(torch.zeros(1), requires_grad=False)

    def __deepcopy__(self, memo):
        return Picky(self.check, self.channels)

    def forward(self, x):
        assert x.shape[1] == self.channels
        self.check(x)
        return x.repeat_interleave(4, -1).repeat_interleave(4, -2)


def with_needs(model, check, *, channels=3, multiple_of=1, **needs):
    return replace(
        model,
        net=Picky(check, channels),
        in_channels=channels,
        out_channels=channels,
        multiple_of=multiple_of,
        needs=Needs(**needs),
    )


def planes(channels, *sides):
    return [np.random.default_rng(k).random((*sides, channels), np.float32) for k in range(3)]


@pytest.mark.parametrize(
    ("needs", "seen"),
    [
        ({"multiple_of": 7}, (14, 21)),
        ({"minimum": 16}, (16, 20)),
        ({"minimum": 40, "multiple_of": 16}, (48, 48)),  # further than one reflection reaches
        ({"square": True, "multiple_of": 8}, (24, 24)),
    ],
)
def test_a_net_gets_the_sides_that_it_needs(nearest_model, needs, seen):
    shapes = []
    model = with_needs(nearest_model(4), lambda x: shapes.append(tuple(x.shape[2:])), **needs)
    for plane, result in zip(planes(3, 12, 20), Device([model], CPU).upscale(0, planes(3, 12, 20)), strict=True):
        np.testing.assert_array_equal(result.plane, plane.repeat(4, 0).repeat(4, 1))
    assert set(shapes) == {seen}


@pytest.mark.parametrize(("wanted", "channels"), [(1, 1), (1, 3), (3, 1), (3, 3), (4, 1), (4, 3), (4, 4)])
def test_a_net_gets_the_channels_that_it_has(nearest_model, wanted, channels):
    def check(x):
        if wanted == 4 and channels < 4:
            assert (x[:, 3] == 1).all()

    device = in_batches(with_needs(nearest_model(4), check, channels=wanted))
    for plane, result in zip(planes(channels, 8, 12), device.upscale(0, planes(channels, 8, 12)), strict=True):
        np.testing.assert_allclose(result.plane, plane.repeat(4, 0).repeat(4, 1), atol=1e-6)


def test_a_net_that_takes_one_plane_at_a_time_gets_one(nearest_model):
    def check(x):
        assert len(x) == 1

    for channels in (1, 3):
        device = in_batches(with_needs(nearest_model(4), check, channels=channels, one_at_a_time=True))
        assert len(device.upscale(0, planes(3, 8, 8))) == 3


@pytest.mark.parametrize(
    ("asked", "needs", "expected"),
    [
        ("bf16", {"bfloat16": False}, "fp32"),
        ("bf16", {"half": False}, "bf16"),
        ("fp16", {"half": False}, "fp32"),
        ("fp32", {"half": False, "bfloat16": False}, "fp32"),
    ],
)
def test_a_net_runs_in_a_type_that_it_takes(nearest_model, asked, needs, expected):
    types = set()
    both = [with_needs(nearest_model(4), lambda x: types.add(x.dtype), **needs), nearest_model(4)]
    device = Device(both, CPU, asked)
    assert {result.precision for result in device.upscale(0, planes(3, 8, 8))} == {expected}
    assert types == {PRECISIONS[expected]}
    assert device.execution([0]) == ("cpu", expected)
    assert device.execution([1]) == ("cpu", asked)
    assert device.execution([0, 1, 0]) == ("cpu", asked if asked == expected else f"{asked}+{expected}")


def test_only_the_plane_that_a_net_of_others_refuses_has_no_result(nearest_model):
    def check(x):
        if (x == 1).any():
            raise AssertionError("no")

    good = planes(3, 8, 8)
    bad = [good[0], np.ones((8, 8, 3), np.float32), good[2]]
    device = in_batches(with_needs(nearest_model(4), check, guarded=True))
    assert [result.problem for result in device.upscale(0, bad)] == [None, "refused", None]
    with pytest.raises(AssertionError, match="no"):
        in_batches(with_needs(nearest_model(4), check)).upscale(0, bad)


def test_a_net_that_looks_at_all_of_a_plane_is_cut_for_memory_only(nearest_model, monkeypatch):
    model = with_needs(nearest_model(4), lambda _: None, whole=True, values=1000)
    one = [Request(planes(3, 8, 8)[0], 0, 0)]
    other = [Request(planes(3, 8, 8)[0], 1, 0)]
    sides = {}
    for memory in (GIB // 8, 2 * GIB, 1000 * GIB):
        monkeypatch.setattr("texup.engines.devices.device.memory_budget", lambda memory=memory: memory)
        device = Device([model, nearest_model(4)], CPU)
        sides[memory] = device.tile_of(one)
        assert device.tile_of(other) == device.tile == CPU_TILE
        assert device.is_cut_finer(one, device.tile_of(one))
        assert not device.is_cut_finer(other, device.tile_of(other))
    assert list(sides.values()) == sorted(sides.values())
    assert set(sides.values()) <= set(WHOLE_TILES)
    device.shrink(one, 32)
    assert (device.tile_of(one), device.tile) == (32, CPU_TILE)
    assert Device([model], CPU, tile=48).tile_of(one) == 48
