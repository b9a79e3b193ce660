"""The device: equal results however planes are grouped, a wider type where a narrow one overflows, memory learnt."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from texup.engines.devices import accelerators
from texup.engines.devices.device import (
    CPU_BATCH_PIXELS,
    CPU_TILE,
    MAX_BATCH_PIXELS,
    Device,
    bytes_per_pixel,
    pick_device,
)
from texup.engines.devices.precision import half_of, multiplies_bfloat16, pick_precision
from texup.engines.devices.threads import SWITCH
from texup.errors import DeviceError

CPU = torch.device("cpu")


class Notes(list):
    """What a net was shown; the copies of the net that a device makes share it."""

    def __deepcopy__(self, memo):
        return self


class Odd(nn.Module):
    """Repeats pixels; gives ``wrong`` for planes with a pixel of 1, in the types that it is ``narrow`` for."""

    def __init__(self, wrong=torch.nan, narrow=(torch.bfloat16, torch.float16)):
        super().__init__()
        self.wrong, self.narrow, self.notes = wrong, narrow, Notes()

    def forward(self, x):
        self.notes.append((x.dtype, x.shape[0]))
        y = x.repeat_interleave(4, -1).repeat_interleave(4, -2)
        if x.dtype not in self.narrow:
            return y
        hit = (x == 1).flatten(1).any(1)
        y[hit, 0, 0, 0] = self.wrong
        return y


class Small(nn.Module):
    """Has memory for ``limit`` texels."""

    def __init__(self, limit, error=torch.OutOfMemoryError):
        super().__init__()
        self.limit, self.error, self.notes = limit, error, Notes()

    def forward(self, x):
        texels = x.shape[0] * x.shape[2] * x.shape[3]
        self.notes.append(texels)
        if texels > self.limit:
            raise self.error("out of memory")
        return x.repeat_interleave(4, -1).repeat_interleave(4, -2)


@pytest.fixture
def of_net(nearest_model):
    return lambda net: replace(nearest_model(4), net=net)


def together(model, **sizes):
    """Return a device that shows a net whole batches, as a graphics card does."""
    device = Device([model], CPU, **sizes)
    device.at_once = 1 << 20
    return device


def planes(count, shape=(8, 8, 3), seed=0):
    return list(np.random.default_rng(seed).uniform(0, 0.9, (count, *shape)).astype(np.float32))


def cards(monkeypatch, cuda=0, xpu=0, mps=False):
    """Let torch tell of cards that are not there."""
    for module, count in ((torch.cuda, cuda), (torch.xpu, xpu)):
        monkeypatch.setattr(module, "is_available", lambda count=count: count > 0)
        monkeypatch.setattr(module, "device_count", lambda count=count: count)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def test_the_automatic_device_is_the_fastest_there_is(monkeypatch):
    assert pick_device("cpu") == CPU
    for cuda, xpu, mps, expected in (
        (2, 1, True, "cuda"),
        (0, 2, True, "xpu"),
        (0, 0, True, "mps"),
        (0, 0, False, "cpu"),
    ):
        cards(monkeypatch, cuda, xpu, mps)
        assert pick_device("auto") == torch.device(expected)


@pytest.mark.parametrize("name", ["cuda:77", "nonsense", "cuda:x", "", "cpu:cpu", "meta", "xpu:3", "gpu"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(name):
    with pytest.raises(DeviceError) as caught:
        pick_device(name)
    assert str(caught.value).startswith(f"device {name!r} is not available; this machine has cpu")
    assert "\n" not in str(caught.value)


def test_a_refusal_names_every_card_and_amd_s_by_their_software(monkeypatch):
    cards(monkeypatch, 2, 1, True)
    with pytest.raises(DeviceError, match=r"this machine has cpu, cuda:0, cuda:1, xpu:0, mps$"):
        pick_device("gpu")
    monkeypatch.setattr(accelerators, "ROCM", True)
    with pytest.raises(DeviceError, match=r"this machine has cpu, cuda:0 \(ROCm\), cuda:1 \(ROCm\), xpu:0, mps$"):
        pick_device("gpu")
    assert [accelerators.title(name) for name in ("cuda", "cpu", "mps")] == ["cuda (ROCm)", "cpu", "mps"]


def test_the_automatic_precision_is_half_on_cards(monkeypatch):
    for half in ("fp16", "bf16", "fp32"):
        monkeypatch.setattr("texup.engines.devices.precision.half_of", lambda _, half=half: half)
        found = [pick_precision("auto", torch.device(d)) for d in ("cuda", "mps", "xpu")]
        assert found == ["fp16", half, half]


@pytest.mark.parametrize(
    ("kernels", "expected"),
    [
        ((torch.float16, torch.bfloat16), "fp16"),
        ((torch.bfloat16,), "bf16"),
        ((), "fp32"),
    ],
)
@pytest.mark.parametrize("refusal", [RuntimeError, TypeError, NotImplementedError])
def test_a_card_s_half_is_found_by_trying(monkeypatch, kernels, expected, refusal):
    conv2d = nn.functional.conv2d

    def some(x, weight):
        if x.dtype not in kernels:
            raise refusal("not implemented for it")
        return conv2d(x, weight)

    monkeypatch.setattr(nn.functional, "conv2d", some)
    assert half_of(CPU) == expected


def test_a_card_whose_half_gives_nonsense_takes_the_next_type(monkeypatch):
    conv2d = nn.functional.conv2d
    monkeypatch.setattr(
        nn.functional, "conv2d", lambda x, weight: conv2d(x, weight) * (0 if x.dtype == torch.float16 else 1)
    )
    assert half_of(CPU) == "bf16"


GIB = 1 << 30


def test_each_kind_of_card_tells_its_memory(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (5 * GIB, 8 * GIB))
    assert accelerators.memory_of(torch.device("cuda")) == (5 * GIB, 8 * GIB)
    monkeypatch.setattr(torch.xpu, "mem_get_info", lambda _: (6 * GIB, 16 * GIB))
    assert accelerators.memory_of(torch.device("xpu")) == (6 * GIB, 16 * GIB)

    def untold(_):
        raise RuntimeError("The device doesn't support querying the available free memory")

    monkeypatch.setattr(torch.xpu, "mem_get_info", untold)
    monkeypatch.setattr(torch.xpu, "get_device_properties", lambda _: SimpleNamespace(total_memory=16 * GIB))
    monkeypatch.setattr(torch.xpu, "memory_reserved", lambda _: GIB)
    assert accelerators.memory_of(torch.device("xpu")) == (15 * GIB, 16 * GIB)
    assert accelerators.memory_of(CPU) == (None, None)


@pytest.mark.parametrize(("main", "free"), [(20 * GIB, 10 * GIB), (3 * GIB, 3 * GIB)])
def test_a_chip_that_shares_the_main_memory_has_no_more_than_is_free_there(monkeypatch, main, free):
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 12 * GIB)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 2 * GIB)
    monkeypatch.setattr(accelerators, "memory_budget", lambda: main)
    assert accelerators.memory_of(torch.device("mps")) == (free, 12 * GIB)


def test_sizes_follow_the_memory_of_a_card(nearest_model, monkeypatch):
    sizes = {}
    for total in (GIB, 8 * GIB, 64 * GIB):
        monkeypatch.setattr("texup.engines.devices.device.memory_of", lambda _, total=total: (total // 2, total))
        card = Device([nearest_model(4)], torch.device("meta"), "fp16")
        sizes[total] = (card.batch_pixels, card.tile)
    need = bytes_per_pixel(nearest_model(4), "fp16")
    assert sizes[8 * GIB][0] == min(MAX_BATCH_PIXELS, int(4 * GIB * 0.6 / need)) > CPU_BATCH_PIXELS
    assert sizes[GIB][0] < sizes[8 * GIB][0] <= sizes[64 * GIB][0] == MAX_BATCH_PIXELS
    assert sizes[GIB][1] > CPU_TILE
    assert sizes[64 * GIB][1] == 1024


def test_the_batches_that_are_on_their_way_share_the_memory_of_a_card(nearest_model, monkeypatch):
    monkeypatch.setattr("texup.engines.devices.device.memory_of", lambda _: (4 * GIB, 8 * GIB))
    alone = Device([nearest_model(4)], torch.device("meta"), "fp16")
    monkeypatch.setattr("texup.engines.devices.device.CARD_LANES", {"meta": 3})
    card = Device([nearest_model(4)], torch.device("meta"), "fp16")
    assert (alone.lanes, card.lanes) == (1, 3)
    assert (card.batch_pixels, card.tile) == (alone.batch_pixels // 3, alone.tile)
    assert Device([nearest_model(4)], torch.device("meta"), "fp16", batch_pixels=77).batch_pixels == 77


def test_what_a_card_keeps_is_given_back_when_memory_runs_out(monkeypatch):
    given = []
    for name in ("cuda", "xpu", "mps"):
        monkeypatch.setattr(getattr(torch, name), "empty_cache", lambda name=name: given.append(name))
    for name in ("cuda", "xpu", "mps", "cpu"):
        accelerators.forget_unused(torch.device(name))
    assert given == ["cuda", "xpu", "mps"]


def test_the_state_says_rocm(nearest_model, monkeypatch):
    card = Device([nearest_model(4)], CPU)
    assert card.state() == "cpu fp32"
    monkeypatch.setattr(accelerators, "ROCM", True)
    card.device = torch.device("cuda")
    monkeypatch.setattr("texup.engines.devices.device.memory_of", lambda _: (6 * 10**9, 8 * 10**9))
    assert card.state() == "cuda (ROCm) fp32, 2.0 of 8 GB"


def test_precisions_that_are_asked_for_are_taken():
    assert [pick_precision(p, CPU) for p in ("fp16", "bf16", "fp32")] == ["fp16", "bf16", "fp32"]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"avx512_bf16": True}, True),
        ({"avx512_bf16": True, "cpu_name": "AMD EPYC"}, True),
        ({"avx512_bf16": True, "cpu_name": "Intel Xeon"}, False),  # its units for it are hidden, and it is slow
        ({"avx512_bf16": True, "amx_bf16": True, "cpu_name": "Intel Xeon"}, True),
        ({"amx_bf16": True, "avx512_bf16": False}, True),
        ({"avx512_f": True}, False),
        ({}, False),
    ],
)
def test_a_cpu_multiplies_bfloat16_where_its_flags_say_so(monkeypatch, found, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    assert multiplies_bfloat16(torch.device("cpu")) is expected
    assert multiplies_bfloat16(torch.device("cuda")) is True
    assert multiplies_bfloat16(torch.device("mps")) is False


def test_a_torch_that_cannot_tell_counts_as_without(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert multiplies_bfloat16(torch.device("cpu")) is False


def test_memory_is_estimated_by_width_scale_and_type(nearest_model):
    four = nearest_model(4)
    assert bytes_per_pixel(four, "fp32") == 2 * bytes_per_pixel(four, "fp16") == 2 * bytes_per_pixel(four, "bf16")
    assert bytes_per_pixel(four, "fp32") > bytes_per_pixel(nearest_model(2), "fp32")
    wider = replace(four, hyper={"num_feat": 64})
    assert bytes_per_pixel(wider, "fp32") > bytes_per_pixel(four, "fp32")
    device = Device([four], CPU, batch_pixels=1000)
    assert device.batch_bytes() == 1000 * bytes_per_pixel(four, "fp32")


def test_sizes_come_from_the_caller_or_from_the_device(nearest_model):
    given = Device([nearest_model(4)], CPU, batch_pixels=77, tile=33)
    assert (given.batch_pixels, given.tile) == (77, 33)
    free = Device([nearest_model(4)], CPU)
    assert free.batch_pixels == CPU_BATCH_PIXELS
    assert free.tile >= 64


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_equals_its_planes_alone(tiny_model, precision, channels):
    device = Device([tiny_model], CPU, precision)
    batch = planes(5, (12, 8, channels))
    together = device.upscale(0, batch)
    assert {r.precision for r in together} == {precision}
    for plane, result in zip(batch, together, strict=True):
        (single,) = device.upscale(0, [plane])
        assert result.plane.dtype == np.float32
        assert result.plane.shape == (48, 32, channels)
        tolerance = 1e-6 if precision == "fp32" else 1 / 64
        np.testing.assert_allclose(result.plane, single.plane, atol=tolerance)
        exact = tiny_model.net(torch.from_numpy(plane).expand(-1, -1, 3).permute(2, 0, 1)[None])[0].permute(1, 2, 0)
        expected = exact.mean(2, keepdim=True) if channels == 1 else exact
        np.testing.assert_allclose(result.plane, expected, atol=1e-5 if precision == "fp32" else 1 / 32)


def test_a_cpu_gives_a_plane_the_same_bits_in_any_batch(of_net, tiny_model):
    """Seen on the CPU at hand: planes of 32 a side differed by 4e-8 between a batch of one and a batch of two."""
    net = Odd()
    Device([of_net(net)], CPU).upscale(0, planes(5))
    assert [count for _, count in net.notes] == [1] * 5
    device = Device([tiny_model], CPU)
    for shape in ((12, 8, 3), (32, 32, 1), (40, 48, 3)):
        batch = planes(4, shape)
        alone = [device.upscale(0, [plane])[0].plane for plane in batch]
        for count in (2, 3, 4):
            for one, result in zip(alone, device.upscale(0, batch[:count]), strict=False):
                np.testing.assert_array_equal(result.plane, one)


def test_a_batch_that_is_filled_up_is_not_halved_in_vain(of_net):
    net = Small(limit=1000)
    device = Device([of_net(net)], CPU)
    device.nets[0].is_quick = True
    assert [result.problem for result in device.upscale(0, planes(4))] == ["memory"] * 4
    assert net.notes == [CPU_BATCH_PIXELS]
    assert device.batch_pixels == CPU_BATCH_PIXELS


def test_every_net_of_a_chain_is_reached(nearest_model):
    device = Device([nearest_model(4), nearest_model(2)], CPU)
    assert [device.upscale(k, planes(1))[0].plane.shape[0] for k in (0, 1)] == [32, 16]


def test_the_models_are_left_as_they_are(tiny_model):
    before = {k: v.clone() for k, v in tiny_model.net.state_dict().items()}
    Device([tiny_model], CPU, "bf16").upscale(0, planes(1))
    assert all(torch.equal(before[k], v) for k, v in tiny_model.net.state_dict().items())


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_only_planes_that_are_not_finite_are_done_again(of_net, wrong, precision, channels):
    net = Odd(wrong)
    device = Device([of_net(net)], CPU, precision)
    batch = planes(4, (8, 8, channels))
    batch[2][3, 3] = 1
    results = device.upscale(0, batch)
    assert [r.precision for r in results] == [precision, precision, "fp32", precision]
    assert [r.problem for r in results] == [None] * 4
    np.testing.assert_allclose(results[2].plane, batch[2].repeat(4, 0).repeat(4, 1), atol=1e-6)
    assert all(np.isfinite(r.plane).all() for r in results)
    assert [n for dtype, n in net.notes if dtype == torch.float32] == [1]


class Upset(nn.Module):
    """Repeats pixels, but that memory fails it once."""

    def __init__(self):
        super().__init__()
        self.notes = Notes()

    def forward(self, x):
        self.notes.append(x.shape[0])
        y = x.repeat_interleave(4, -1).repeat_interleave(4, -2)
        if len(self.notes) == 1:
            y[0, 0, 0, 0] = torch.nan
        return y


def test_one_value_that_is_not_finite_in_fp32_is_done_once_more(of_net):
    device = Device([of_net(Upset())], CPU, "fp32")
    batch = planes(2)
    results = device.upscale(0, batch)
    assert [(r.problem, r.precision, r.redone) for r in results] == [(None, "fp32", True), (None, "fp32", False)]
    for plane, result in zip(batch, results, strict=True):
        np.testing.assert_array_equal(result.plane, plane.repeat(4, 0).repeat(4, 1))


def test_what_is_not_finite_in_the_widest_type_has_no_result(of_net):
    for precision in ("fp32", "bf16"):
        device = Device([of_net(Odd(narrow=(torch.float32, torch.bfloat16)))], CPU, precision)
        batch = planes(3)
        batch[1][0, 0] = 1
        results = device.upscale(0, batch)
        assert [r.problem for r in results] == [None, "not finite", None]
        assert results[1].plane is None
        assert results[1].precision == "fp32"
        assert results[0].plane is not None


def test_a_batch_that_does_not_fit_is_halved_and_the_size_kept(of_net):
    net = Small(3 * 64)
    device = together(of_net(net))
    batch = planes(8)
    results = device.upscale(0, batch)
    for plane, result in zip(batch, results, strict=True):
        np.testing.assert_array_equal(result.plane, plane.repeat(4, 0).repeat(4, 1))
    assert device.batch_pixels == 2 * 64
    assert net.notes == [512, 256, 128, 128, 256, 128, 128]
    device.upscale(0, batch[:2])
    assert device.batch_pixels == 2 * 64


def test_a_size_is_learnt_only_downwards(of_net):
    device = Device([of_net(Small(64))], CPU, batch_pixels=10)
    device.upscale(0, planes(8))
    assert device.batch_pixels == 10


def test_a_single_plane_that_does_not_fit_says_so(of_net):
    device = Device([of_net(Small(63))], CPU)
    results = device.upscale(0, planes(2))
    assert [(r.plane, r.problem) for r in results] == [(None, "memory")] * 2


@pytest.mark.parametrize("error", [RuntimeError, ValueError, OSError])
def test_no_other_error_is_taken_for_missing_memory(of_net, error):
    net = Small(0, error)
    device = together(of_net(net))
    size = device.batch_pixels
    with pytest.raises(error, match="out of memory"):
        device.upscale(0, planes(4))
    assert net.notes == [4 * 64]
    assert device.batch_pixels == size


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["fp16", "bf16", "fp32"])
def test_a_gpu_gives_what_the_cpu_gives(tiny_model, precision):
    batch = planes(6, (24, 24, 3))
    ours = Device([tiny_model], torch.device("cuda"), precision).upscale(0, batch)
    theirs = Device([tiny_model], CPU).upscale(0, batch)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.plane, b.plane, atol=4 / 255 if precision == "bf16" else 1 / 255)


def test_lanes_take_turns_often_and_leave_the_process_as_it_was(of_net):
    device, before = Device([of_net(nn.Identity())], CPU), (torch.get_num_threads(), sys.getswitchinterval())
    with device.ready():
        with device.ready():  # two runs of one process
            assert (torch.get_num_threads(), sys.getswitchinterval()) == pytest.approx((1, SWITCH))
        assert (torch.get_num_threads(), sys.getswitchinterval()) == pytest.approx((1, SWITCH))
    assert (torch.get_num_threads(), sys.getswitchinterval()) == pytest.approx(before)
