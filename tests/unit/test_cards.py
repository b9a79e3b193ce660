"""Several cards as one device: which are taken, what goes where, one tiling for all, and one that is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from texup.engines.devices import cards as several
from texup.engines.devices.cards import Cards, nets_on, pick_devices
from texup.engines.devices.device import Device, pick_device
from texup.engines.engine import Request
from texup.engines.inline import InlineEngine
from texup.engines.local import LocalEngine
from texup.errors import DeviceError, LostDevice

from ..builders import outcomes_of, run_for, write_picture
from ..cards import CPU, RecordedQueues, card, with_queues
from .test_device import Small, cards
from .test_transfers import samples


@pytest.fixture
def of_net(nearest_model):
    return lambda net: replace(nearest_model(4), net=net)


# Which are taken


def test_several_may_be_named_and_all_are_those_of_the_first_kind(monkeypatch):
    assert pick_devices("cpu") == [CPU]
    assert pick_devices("all") == pick_devices("auto") == [CPU]
    assert pick_devices("cpu:0, cpu:1") == [torch.device("cpu", 0), torch.device("cpu", 1)]
    cards(monkeypatch, cuda=2, xpu=1)
    monkeypatch.setattr(torch, "zeros", lambda *_, device: torch.ones(1))  # they all answer
    assert pick_devices("all") == [torch.device("cuda", 0), torch.device("cuda", 1)]
    assert pick_devices("auto") == [torch.device("cuda")]
    assert pick_devices("cuda,cuda:1") == [torch.device("cuda", 0), torch.device("cuda", 1)]
    cards(monkeypatch, mps=True)
    assert pick_devices("all") == [torch.device("mps")]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("cpu:0,cpu", "--device cpu:0,cpu: cpu:0 is named twice"),
        ("cpu:0,cuda:9", "device 'cuda:9' is not available; this machine has cpu"),
        ("cpu,", "device '' is not available"),
        (",", "device '' is not available"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(name, problem):
    with pytest.raises(DeviceError) as caught:
        pick_devices(name)
    assert str(caught.value).startswith(problem)


def test_kinds_are_not_mixed(monkeypatch):
    monkeypatch.setattr(torch, "zeros", lambda *_, device: torch.ones(1))
    with pytest.raises(DeviceError) as caught:
        pick_devices("cuda:0,cpu")
    assert str(caught.value) == (
        "--device cuda:0,cpu: cpu and cuda round differently, and a pack shall be of one kind; name one kind"
    )


def test_what_works_on_one_device_takes_the_first():
    assert pick_device("cpu:1,cpu:0") == torch.device("cpu", 1)
    assert pick_device("all") == CPU


def test_one_device_is_itself_and_cards_have_one_precision(tiny_model, monkeypatch):
    assert type(nets_on([tiny_model], [CPU])) is Device
    two = [torch.device("cpu", 0), torch.device("cpu", 1)]
    made = nets_on([tiny_model], two, "bf16", 77, 33)
    assert [(d.device, d.precision, d.batch_pixels, d.tile) for d in made.devices] == [(d, "bf16", 77, 33) for d in two]
    monkeypatch.setattr(several, "pick_precision", lambda name, device: ("fp16", "bf16")[device.index])
    assert {d.precision for d in nets_on([tiny_model], two).devices} == {"fp32"}


# What goes where


class Gate(nn.Module):
    """Repeats pixels once as many batches as there are cards have begun."""

    def __init__(self, count):
        super().__init__()
        self.barrier = threading.Barrier(count)

    def __deepcopy__(self, memo):
        return self

    def forward(self, x):
        self.barrier.wait(timeout=20)
        return x.repeat_interleave(4, -1).repeat_interleave(4, -2)


def test_a_batch_goes_to_a_card_that_is_free(of_net):
    model = of_net(Gate(3))
    queues = [RecordedQueues() for _ in range(3)]
    device = Cards([card([model], own) for own in queues])
    assert device.lanes == 9
    with ThreadPoolExecutor(3) as lanes:
        list(lanes.map(lambda k: device.upscale(0, [samples("u1", k)]), range(3)))
    assert [own.batches for own in queues] == [1, 1, 1]
    assert device.running == [0, 0, 0]


def test_a_card_that_is_slow_gets_less(nearest_model):
    """The first holds its batches until the other has done all the rest."""
    release, queues = threading.Event(), [RecordedQueues(lambda kind, batch: release.wait(20)), RecordedQueues()]
    device = Cards([card([nearest_model(4)], own) for own in queues])
    with ThreadPoolExecutor(device.lanes) as lanes:
        futures = [lanes.submit(device.upscale, 0, [samples("u1", k)]) for k in range(30)]
        while sum(future.done() for future in futures) < 27:
            assert not release.is_set()
            threading.Event().wait(0.001)
        release.set()
        results = [future.result() for future in futures]
    assert [own.batches for own in queues] == [3, 27]
    for k, (result,) in enumerate(results):
        np.testing.assert_array_equal(result.plane, samples("u1", k).repeat(4, 0).repeat(4, 1))


def test_each_card_learns_its_own_memory(of_net):
    small, large = Small(2 * 64), Small(1 << 20)
    device = Cards([card([of_net(net)], batch_pixels=8 * 64) for net in (small, large)])
    batch = [samples("u1", k, (8, 8, 3)) for k in range(8)]

    def run():
        found = device.upscale(0, batch)
        for plane, result in zip(batch, found, strict=True):
            np.testing.assert_array_equal(result.plane, plane.repeat(4, 0).repeat(4, 1))

    run()
    assert (small.notes, large.notes) == ([512, 256, 128, 128, 256, 128, 128], [])
    assert [d.batch_pixels for d in device.devices] == [128, 512]
    assert device.batch_pixels == 512
    run()
    assert small.notes[7:] == [128] * 4  # in parts, without running out again
    device.running[0] = 1
    run()
    assert large.notes == [512]


def test_tiles_are_one_size_for_all(nearest_model):
    device = Cards([card([nearest_model(4)], tile=tile) for tile in (160, 96, 128)])
    requests = [Request(samples("u1"), 0, 0)]
    assert {d.tile for d in device.devices} == {device.tile_of(requests)} == {96}
    assert not device.is_cut_finer(requests, 96)
    device.shrink(requests, 48)
    assert {d.tile for d in device.devices} == {48}
    assert device.is_cut_finer(requests, device.tile_of(requests))


def test_what_is_told_of_them(nearest_model, monkeypatch):
    device = nets_on([nearest_model(4)], [torch.device("cpu", 0), torch.device("cpu", 1)], "fp32")
    assert (device.device, device.state(), device.notes()) == ("cpu:0,cpu:1", "2 x cpu fp32", [])
    assert device.execution([0]) == ("cpu", "fp32")
    assert device.batch_bytes() == device.devices[0].batch_bytes()
    device.devices[1].wide.add(0)
    for own in device.devices:
        own.precision, own.precisions = "fp16", ["fp16"]
    assert device.execution([0]) == ("cpu", "fp16+fp32")
    free = iter(((6 * 10**9, 8 * 10**9), (7 * 10**9, 8 * 10**9)))
    monkeypatch.setattr(several, "memory_of", lambda _: next(free))
    assert device.state() == "2 x cpu fp16, 3.0 of 16 GB"


# A run


@pytest.fixture(scope="module")
def pack(tmp_path_factory, wall):
    folder = tmp_path_factory.mktemp("cards") / "in"
    for k in range(14):
        write_picture(folder / f"{k:02}.png", wall(16 + 8 * (k % 3), 24, seed=k % 11))
    write_picture(folder / "large.png", wall(64, 96))
    return folder


def bytes_of(out):
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_the_bytes_of_several_are_those_of_one(pack, tmp_path, tiny_model):
    run = run_for(pack, tmp_path / "one", [tiny_model])
    outcomes_of(InlineEngine(Device([tiny_model], CPU, tile=32)), run)
    queues = [RecordedQueues(), RecordedQueues()]
    device = Cards([with_queues(Device([tiny_model], CPU, batch_pixels=3000, tile=32), own) for own in queues])
    found = outcomes_of(LocalEngine(device, 3), run_for(pack, tmp_path / "two", [tiny_model]))
    assert bytes_of(tmp_path / "two") == bytes_of(tmp_path / "one")
    assert {(o.outcome, o.device, o.precision) for o in found.values()} == {("upscaled", "cpu", "fp32")}
    assert min(own.batches for own in queues) > 3


def test_p18_one_lost_card_ends_the_run_and_names_itself(pack, tmp_path, tiny_model):
    def give_up(kind, batch):
        if (kind, batch) == ("net", 4):
            raise torch.AcceleratorError("CUDA error: unspecified launch failure")

    parts = [
        with_queues(Device([tiny_model], torch.device("cpu", k), batch_pixels=1, tile=32), RecordedQueues(at))
        for k, at in enumerate((lambda *_: None, give_up))
    ]
    (tmp_path / "out").mkdir()
    with pytest.raises(LostDevice, match=r"^device cpu:1 stopped working \(CUDA error: unspecified launch failure\)"):
        outcomes_of(LocalEngine(Cards(parts), 2), run_for(pack, tmp_path / "out", [tiny_model]))
    outcomes_of(InlineEngine(Device([tiny_model], CPU, tile=32)), run_for(pack, tmp_path / "whole", [tiny_model]))
    assert bytes_of(tmp_path / "out").items() <= bytes_of(tmp_path / "whole").items()


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="no two CUDA devices")
def test_two_gpus_give_what_one_gives(pack, tmp_path, tiny_model):
    for name in ("cuda:0", "all"):
        device = nets_on([tiny_model], pick_devices(name), "fp32", None, 32)
        outcomes_of(LocalEngine(device, 3), run_for(pack, tmp_path / name.replace(":", ""), [tiny_model]))
    assert bytes_of(tmp_path / "all") == bytes_of(tmp_path / "cuda0")
