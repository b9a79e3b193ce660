"""Transfers: few bytes, the same values to the last bit, three batches on their way at once; on a card of threads."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from texup.engines.devices.device import Device
from texup.engines.devices.queues import InOrder, Streams
from texup.engines.devices.transfers import LEVELS, Straight, Transfers, narrowest, way_for
from texup.engines.local import LocalEngine
from texup.textures.color import to_linear
from texup.textures.planes import split
from texup.textures.texture import Container, Texture

from ..builders import outcomes_of, run_for, write_picture
from ..cards import CPU, RecordedQueues, card, with_queues
from .test_device import Notes, Odd, Small


def samples(kind, seed=0, shape=(12, 8, 3)):
    """Return a plane of samples of 8 or 16 bits, as a texture becomes one."""
    full = {"u1": 256, "u2": 65536}[kind]
    pixels = np.random.default_rng(seed).integers(0, full, shape).astype(kind)
    return split(Texture(pixels, Container("png", pixels.dtype.itemsize * 8)), "none").colour


@pytest.fixture
def of_net(nearest_model):
    return lambda net: replace(nearest_model(4), net=net)


# Few bytes, the same values


@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_every_sample_goes_in_its_own_bits_and_comes_back_to_the_last(kind):
    full = {"u1": 256, "u2": 65536}[kind]
    plane = split(Texture(np.arange(full).reshape(256, -1, 1).astype(kind), Container("png")), "none").colour
    sent = narrowest(plane)
    assert sent.dtype == kind
    assert LEVELS[kind][sent].tobytes() == plane.tobytes()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, -0.0, -1 / 255, 256 / 255, 0.5, 1e-30])
def test_what_is_no_sample_goes_as_it_is(wrong):
    plane = samples("u1")
    plane[3, 4, 1] = wrong
    sent = narrowest(plane)
    assert sent.dtype == np.float32
    assert sent.tobytes() == plane.tobytes()


def test_what_was_computed_goes_as_it_is():
    assert narrowest(to_linear(samples("u1"))).dtype == np.float32
    assert narrowest(np.nextafter(samples("u1"), 2)).dtype == np.float32
    assert narrowest(np.stack([samples("u1"), samples("u2")])).dtype == np.uint16  # of which 8 bits are every 257th
    mixed = np.stack([samples("u1"), to_linear(samples("u1"))])
    assert narrowest(mixed).dtype == np.float32


class Seen(nn.Module):
    """Repeats pixels, and notes what it was shown."""

    def __init__(self):
        super().__init__()
        self.notes = Notes()

    def forward(self, x):
        self.notes.append(x.clone())
        return x.repeat_interleave(4, -1).repeat_interleave(4, -2)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["u1", "u2", "computed"])
def test_a_net_on_a_card_sees_the_same_bits(of_net, kind, channels, precision):
    shape = (12, 8, channels)
    batch = [to_linear(samples("u1", k, shape)) if kind == "computed" else samples(kind, k, shape) for k in range(4)]
    usual, theirs = Seen(), Seen()
    device = Device([of_net(usual)], CPU, precision)
    device.at_once = 1 << 20
    there = card([of_net(theirs)], precision=precision)
    expected, found = device.upscale(0, batch), there.upscale(0, batch)
    assert [n.shape for n in usual.notes] == [n.shape for n in theirs.notes]
    assert all(torch.equal(a, b) for a, b in zip(usual.notes, theirs.notes, strict=True))
    for one, other in zip(expected, found, strict=True):
        assert one.plane.tobytes() == other.plane.tobytes()
        assert (one.plane.dtype, one.precision) == (other.plane.dtype, other.precision)


@pytest.mark.parametrize(
    ("precision", "channels", "back"), [("fp32", 3, 4), ("fp16", 3, 2), ("bf16", 3, 2), ("fp16", 1, 4)]
)
@pytest.mark.parametrize(("kind", "there"), [("u1", 1), ("u2", 2), ("computed", 4)])
def test_the_bus_carries_no_more_bytes_than_needed(nearest_model, kind, there, precision, channels, back):
    """Grey comes back in float32, for it is the mean of what a net made of three channels."""
    queues = RecordedQueues()
    shape = (12, 8, channels)
    plane = to_linear(samples("u1", 0, shape)) if kind == "computed" else samples(kind, 0, shape)
    card([nearest_model(4)], queues, precision).upscale(0, [plane] * 4)
    texels = 4 * 12 * 8 * channels
    assert [(copy.kind, copy.size) for copy in queues.copies] == [
        ("come", texels * there),
        ("back", texels * 16 * back),
        ("back", 4),  # whether each is finite
    ]


# On their way at once


def upscale_side_by_side(device, batches):
    with ThreadPoolExecutor(device.lanes) as lanes:
        return list(lanes.map(lambda batch: device.upscale(0, batch), batches))


def test_one_batch_comes_while_another_is_computed_and_a_third_goes_back(nearest_model):
    """Each of the three waits until the others have begun, which would never be if one waited for another's end.

    Which batch is the first, second, or third of a queue is open: threads hand them over.
    """
    together = threading.Barrier(3)
    meeting = {("back", 1), ("net", 2), ("come", 3)}
    turns: Counter[str] = Counter()

    def at(kind, _batch):
        turns[kind] += 1
        if (kind, turns[kind]) in meeting:
            together.wait(timeout=60)

    queues = RecordedQueues(at)
    batches = [[samples("u1", k)] for k in range(6)]
    found = upscale_side_by_side(card([nearest_model(4)], queues), batches)
    for (plane,), (result,) in zip(batches, found, strict=True):
        np.testing.assert_array_equal(result.plane, plane.repeat(4, 0).repeat(4, 1))
    for batch in range(6):
        own = [(step.kind, step.what) for step in queues.steps if step.batch == batch]
        assert own == [(kind, what) for kind in ("come", "net", "back") for what in ("begin", "end")]


def test_memory_is_kept_from_batch_to_batch_and_results_are_nobody_else_s(nearest_model):
    queues = RecordedQueues()
    device = card([nearest_model(4)], queues)
    batches = [[samples("u1", k, (16, 16, 3))] * 2 for k in range(20)]
    first = [device.upscale(0, batch) for batch in batches]
    assert sorted(queues.made) == [("card", 2048), ("host", 2), ("host", 2048), ("host", 1 << 17)]
    for (plane, _), results in zip(batches, first, strict=True):
        for result in results:
            np.testing.assert_array_equal(result.plane, plane.repeat(4, 0).repeat(4, 1))
    device.upscale(0, [samples("u1", 0, (16, 16, 3))] * 3)  # a larger one makes them grow, a smaller one does not
    device.upscale(0, [samples("u1", 0, (16, 16, 1))])
    assert len(queues.made) == 8
    upscale_side_by_side(device, batches)
    assert len([size for where, size in queues.made if where == "card"]) <= 2 + device.lanes


def test_a_batch_that_failed_leaves_its_memory_to_the_card(of_net):
    """What was begun for it may still be read there."""
    queues = RecordedQueues()
    device = card([of_net(Small(64))], queues)
    results = device.upscale(0, [samples("u1", k, (8, 8, 3)) for k in range(2)])
    assert [result.problem for result in results] == [None, None]
    assert device.batch_pixels == 64
    assert len([size for where, size in queues.made if where == "card"]) == 2
    assert len(device.way.idle) == 1


# What is guarded elsewhere is guarded here


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_only_planes_that_are_not_finite_are_done_again_on_a_card(of_net, precision):
    net, batch = Odd(), [samples("u1", k) * 0.9 for k in range(4)]
    batch[2][3, 3] = 1
    device = card([of_net(net)], precision=precision)
    results = device.upscale(0, batch)
    assert [(r.precision, r.redone, r.problem) for r in results] == [
        ("fp32", True, None) if k == 2 else (precision, False, None) for k in range(4)
    ]
    np.testing.assert_array_equal(results[2].plane, batch[2].repeat(4, 0).repeat(4, 1))
    assert [count for dtype, count in net.notes if dtype == torch.float32] == [1]


def test_a_plane_that_is_never_finite_says_so_on_a_card(of_net):
    net, plane = Odd(narrow=(torch.float32, torch.float16)), samples("u1")
    plane[0, 0] = 1
    (result,) = card([of_net(net)], precision="fp16").upscale(0, [plane])
    assert (result.plane, result.problem, result.precision) == (None, "not finite", "fp32")


def test_memory_that_runs_out_ends_graphs_and_halves_the_batch(of_net):
    net, queues = Small(3 * 64), RecordedQueues()
    device = card([of_net(net)], queues)
    small = [samples("u1", 0, (8, 8, 3))]
    for _ in range(4):
        device.upscale(0, small)
    assert len(queues.replayed) == 2
    batch = [samples("u1", k, (8, 8, 3)) for k in range(8)]
    for plane, result in zip(batch, device.upscale(0, batch), strict=True):
        np.testing.assert_array_equal(result.plane, plane.repeat(4, 0).repeat(4, 1))
    assert device.batch_pixels == 2 * 64
    device.upscale(0, small)
    assert (len(queues.replayed), device.way.graphs.kept, device.notes()) == (2, {}, [])


def test_a_pack_on_a_card_has_the_bytes_of_one_on_the_cpu(tmp_path, wall, nearest_model):
    for k in range(9):
        pixels = wall(16 + 8 * (k % 3), 24, seed=k)
        write_picture(tmp_path / "in" / f"{k}.png", pixels if k % 2 else pixels.astype(np.uint16) * 257)
    made = {}
    for name, device in {
        "cpu": Device([nearest_model(4)], CPU),
        "card": card([nearest_model(4)], batch_pixels=4096),
    }.items():
        found = outcomes_of(LocalEngine(device, 2), run_for(tmp_path / "in", tmp_path / name, [nearest_model(4)]))
        assert {outcome.outcome for outcome in found.values()} == {"upscaled"}
        made[name] = {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
    assert made["card"] == made["cpu"]


# Real queues


class FakeStream(SimpleNamespace):
    """A stream that writes down what it is given."""

    def wait_event(self, event):
        self.log.append((self.name, "waits for", event.of))

    def record_event(self, event=None):
        self.log.append((self.name, "marks", None))
        return SimpleNamespace(of=self.name, synchronize=lambda: self.log.append(("thread", "waits for", self.name)))


def test_each_stream_waits_for_the_one_before(monkeypatch):
    log, names = [], iter(("come", "net", "back"))
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: FakeStream(name=next(names), log=log))
    monkeypatch.setattr(torch.cuda, "default_stream", lambda device: FakeStream(name="default", log=log))
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 0))
    monkeypatch.setattr(torch.cuda, "Event", lambda blocking: None)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: current(stream.name))

    class current:  # noqa: N801
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            log.append(("current", "is", self.name))

        def __exit__(self, *_):
            log.append(("current", "was", self.name))

    streams = Streams(torch.device("cuda", 1))
    streams.run(*(lambda name=name: log.append((name, "works", None)) for name in ("come", "net", "back")))
    expected, before = [("default", "marks", None)], "default"
    for name in ("come", "net", "back"):
        expected += [("current", "is", name), (name, "waits for", before), (name, "works", None)]
        expected += [(name, "marks", None), ("current", "was", name)]
        before = name
    assert log == [*expected, ("thread", "waits for", "back")]


def test_memory_that_cannot_be_pinned_is_taken_as_it_is(monkeypatch):
    empty, asked = torch.empty, []

    def refusing(size, *, pin_memory=False, **more):
        asked.append(pin_memory)
        if pin_memory:
            raise RuntimeError(problem)
        return empty(size, **more)

    monkeypatch.setattr(torch, "empty", refusing)
    streams = object.__new__(Streams)
    problem = "CUDA error: out of memory"
    assert streams.host(7).shape == (7,)
    assert asked == [True, False]
    problem = "CUDA error: unspecified launch failure"
    with pytest.raises(RuntimeError, match="unspecified"):
        streams.host(7)


def test_each_kind_of_device_has_its_way():
    assert isinstance(way_for(CPU, 1 << 20), Straight)
    assert isinstance(way_for(torch.device("mps"), 1 << 20), Straight)


def test_a_card_without_queues_sends_few_bytes_all_the_same(nearest_model):
    device = with_queues(Device([nearest_model(4)], CPU))
    device.way = Transfers(CPU, InOrder(CPU))
    plane = samples("u1")
    (result,) = device.upscale(0, [plane])
    np.testing.assert_array_equal(result.plane, plane.repeat(4, 0).repeat(4, 1))
    assert device.notes() == []


# The day a card is there


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
@pytest.mark.parametrize("kind", ["u1", "u2", "computed"])
def test_a_gpu_s_streams_and_graphs_change_no_bit(tiny_model, precision, kind):
    plane = samples("u1") if kind == "computed" else samples(kind)
    batch = [to_linear(plane) if kind == "computed" else plane] * 4
    cuda = torch.device("cuda", 0)
    device = Device([tiny_model], cuda, precision)
    found = [device.upscale(0, batch) for _ in range(6)]  # the last are graphs
    assert device.notes() == []
    assert len(device.way.graphs.kept) == 1
    device.way = Straight(cuda)
    expected = device.upscale(0, batch)
    for results in found:
        for one, other in zip(results, expected, strict=True):
            np.testing.assert_array_equal(one.plane, other.plane)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_s_lanes_do_not_mix_their_batches(tiny_model):
    device = Device([tiny_model], torch.device("cuda", 0), "fp32")
    batches = [[samples("u1", k, (32, 32 + 4 * (k % 3), 3))] * (1 + k % 5) for k in range(60)]
    expected = [device.upscale(0, batch) for batch in batches]
    for results, alone in zip(upscale_side_by_side(device, batches), expected, strict=True):
        for one, other in zip(results, alone, strict=True):
            np.testing.assert_allclose(one.plane, other.plane, atol=1e-6)
