"""Engines: whatever runs together, in whatever order, in whatever pieces, every texture ends as if it were alone."""

from __future__ import annotations

import concurrent.futures.thread
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from texup.engines import local
from texup.engines.batching import Batcher, Order
from texup.engines.devices.device import Device
from texup.engines.engine import Job, Made, Request, Task
from texup.engines.inline import InlineEngine
from texup.engines.local import IN_FLIGHT, IN_FLIGHT_PIXELS, LocalEngine
from texup.manifest.history import records
from texup.textures.codecs.files import read_texture
from texup.textures.texture import Container
from texup.upscaling.pack import upscale_pack

from ..builders import outcomes_of, run_for, write_picture

CPU = torch.device("cpu")
PNG = Container("png")


class Log(list):
    """The shapes that a net was shown; the copies of the net that a device makes share it."""

    def __deepcopy__(self, memo):
        return self


class Logged(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net, self.log = net, Log()

    def forward(self, x):
        self.log.append(tuple(x.shape))
        return self.net(x)


@pytest.fixture
def logged(nearest_model):
    """A x4 model that repeats pixels and notes what it is shown."""
    model = nearest_model(4)
    return replace(model, net=Logged(model.net))


@pytest.fixture
def dice():
    return np.random.default_rng(11)


def test_textures_of_one_size_share_calls_of_the_net(logged, dice, tmp_path):
    for k in range(40):
        write_picture(tmp_path / "in" / f"{k:02}.png", dice.integers(0, 256, (16, 16, 3), np.uint8))
    device = Device([logged], CPU, batch_pixels=16 * 32 * 32)
    device.at_once = 1 << 20  # as on a graphics card
    found = outcomes_of(LocalEngine(device, 2), run_for(tmp_path / "in", tmp_path / "out", [logged]))
    assert {o.outcome for o in found.values()} == {"upscaled"}
    counts = [shape[0] for shape in logged.net.log]
    assert sum(counts) == 40
    assert max(counts) == 16
    assert len(counts) <= 6
    assert {shape[1:] for shape in logged.net.log} == {(3, 32, 32)}
    logged.net.log.clear()
    outcomes_of(InlineEngine(device), run_for(tmp_path / "in", tmp_path / "again", [logged]))
    assert [shape[0] for shape in logged.net.log] == [1] * 40


def test_nearby_sizes_and_tiles_of_large_textures_share_calls(logged, dice, tmp_path):
    for name, shape in {"a": (13, 15), "b": (16, 14), "c": (16, 16), "d": (64, 32)}.items():
        write_picture(tmp_path / "in" / f"{name}.png", dice.integers(0, 256, (*shape, 3), np.uint8))
    device = Device([logged], CPU, batch_pixels=1 << 14, tile=16)
    device.at_once = 1 << 20
    outcomes_of(LocalEngine(device, 4), run_for(tmp_path / "in", tmp_path / "out", [logged]))
    assert sum(shape[0] for shape in logged.net.log) == 3 + 8
    assert {shape[1:] for shape in logged.net.log} == {(3, 32, 32)}
    assert len(logged.net.log) <= 2


def twins_of(folder: Path, dice):
    """Write one picture three times: as RGB, under another name, and in three palettes of another order."""
    colours = dice.integers(0, 256, (6, 4), np.uint8)
    colours[:, 3] = 255
    pixels = np.ascontiguousarray(colours[dice.integers(0, 6, (16, 16)), :3])
    for name in ("a.png", "z.png"):
        write_picture(folder / name, pixels)
    for k in range(3):
        order = np.roll(colours, k, axis=0)
        write_picture(folder / f"p{k}.png", pixels, Container("png", palette=order.tobytes()))
    return pixels


@pytest.mark.parametrize(("batch_pixels", "in_flight"), [(1, 256), (1 << 15, 256), (1 << 15, 1)])
def test_equal_pictures_go_through_the_net_once(logged, dice, tmp_path, monkeypatch, batch_pixels, in_flight):
    monkeypatch.setattr(local, "IN_FLIGHT", in_flight)  # with 1, each twin comes when the one before is finished
    pixels = twins_of(tmp_path / "in", dice)
    write_picture(tmp_path / "in" / "other.png", 255 - pixels)
    run = run_for(tmp_path / "in", tmp_path / "out", [logged])
    found = outcomes_of(LocalEngine(Device([logged], CPU, batch_pixels=batch_pixels), 3), run)
    assert sum(shape[0] for shape in logged.net.log) == 2
    twins = {"a.png", "z.png", "p0.png", "p1.png", "p2.png"}
    (first,) = (p for p in twins if found[p].twin_of is None)
    for path in twins - {first}:
        assert found[path].twin_of == first
        assert replace(found[path], path=first, twin_of=None, seconds=0, source_sha256="", targets=[]) == replace(
            found[first], seconds=0, source_sha256="", targets=[]
        )
        assert (tmp_path / "out" / path).read_bytes() == (tmp_path / "out" / first).read_bytes()
    assert found["other.png"].twin_of is None


def test_palettes_that_are_kept_make_no_twins(logged, dice, tmp_path):
    twins_of(tmp_path / "in", dice)
    run = run_for(tmp_path / "in", tmp_path / "out", [logged], palette="keep")
    outcomes_of(LocalEngine(Device([logged], CPU), 3), run)
    assert sum(shape[0] for shape in logged.net.log) == 4
    containers = [read_texture(tmp_path / "out" / f"p{k}.png").container for k in range(3)]
    assert [c.palette for c in containers] == [
        read_texture(tmp_path / "in" / f"p{k}.png").container.palette for k in range(3)
    ]


class Blind(nn.Module):
    """Knows no answer for bright pictures."""

    def forward(self, x):
        bright = x.mean(dim=(1, 2, 3), keepdim=True) > 0.5
        y = x.repeat_interleave(4, -1).repeat_interleave(4, -2)
        return torch.where(bright, torch.nan, y)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_twin_of_a_failed_texture_fails_too(nearest_model, dice, tmp_path, workers):
    bright, dark = dice.integers(180, 256, (16, 16, 3), np.uint8), dice.integers(0, 80, (16, 16, 3), np.uint8)
    for name, pixels in {"b1": bright, "b2": bright, "b3": bright, "d1": dark, "d2": dark}.items():
        write_picture(tmp_path / "in" / f"{name}.png", pixels)
    model = replace(nearest_model(4), net=Blind())
    run = run_for(tmp_path / "in", tmp_path / "out", [model])
    found = outcomes_of(LocalEngine(Device([model], CPU), workers), run)
    for name in ("b1.png", "b2.png", "b3.png"):
        assert found[name].outcome == "failed"
        assert "not finite" in found[name].reason
        assert found[name].source_sha256
        assert not (tmp_path / "out" / name).exists()
    assert found["d1.png"].outcome == found["d2.png"].outcome == "upscaled"


def test_one_colour_never_reaches_the_net(logged, disc, tmp_path):
    opaque = np.full((16, 16, 1), 255, np.uint8)
    pictures = {
        "grey": np.full((8, 8, 1), 5, np.uint8),
        "rgb": np.full((8, 8, 3), (1, 2, 3), np.uint8),
        "clear": np.zeros((16, 16, 4), np.uint8),
        "glass": np.dstack((np.full((16, 16, 3), 9, np.uint8), opaque // 2)),
    }
    for name, pixels in pictures.items():
        write_picture(tmp_path / "in" / f"{name}.png", pixels)
    run = run_for(tmp_path / "in", tmp_path / "out", [logged])
    found = outcomes_of(LocalEngine(Device([logged], CPU), 2), run)
    assert logged.net.log == []
    for name, pixels in pictures.items():
        assert found[f"{name}.png"].precision is None
        assert (read_texture(tmp_path / "out" / f"{name}.png").pixels == pixels[:1, :1]).all()
    shape = np.dstack((np.full((16, 16, 3), 9, np.uint8), (disc(16, 16, radius=5) * 255).astype(np.uint8)))
    write_picture(tmp_path / "shaped" / "disc.png", shape)
    run = run_for(tmp_path / "shaped", tmp_path / "out", [logged], method="net")  # a silhouette is pixel art
    outcomes_of(LocalEngine(Device([logged], CPU), 2), run)
    assert logged.net.log == [(1, 3, 32, 32)]  # the opacity alone


def small_task(job: Job, pixels=16, plane=None) -> Task:
    """A task with a plane of its own for the net, that needs no file."""

    def way():
        yield [Request(np.zeros((4, 4, 3), np.float32) if plane is None else plane, 0, 0)]
        return Made((b"done",))

    return Task(job, "0" * 64, {}, job.path.encode(), pixels, way())


class Watched:
    """Jobs without end, and how many are between start and outcome."""

    def __init__(self, count, pixels=16):
        self.count, self.pixels, self.lock = count, pixels, threading.Lock()
        self.pulled = self.running = self.most = 0

    def jobs(self):
        for k in range(self.count):
            self.pulled += 1
            yield Job(path=f"{k}.png", source=Path("in"), out=Path("out"), target=f"{k}.png")

    def start(self, job):
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        return small_task(job, self.pixels)

    def run(self, engine):
        for outcome in engine.run(self.jobs(), self.start):
            with self.lock:
                self.running -= 1
            yield outcome


@pytest.fixture
def unwritten(monkeypatch):
    """No file is written."""
    for step in ("atomic_write", "check_written"):
        monkeypatch.setattr(f"texup.engines.steps.{step}", lambda path, data: None)


def test_what_is_in_flight_is_bounded(nearest_model, unwritten):
    watched = Watched(3000)
    found = list(watched.run(LocalEngine(Device([nearest_model(4)], CPU), 4)))
    assert len({o.path for o in found}) == 3000
    assert 0.5 * IN_FLIGHT < watched.most <= IN_FLIGHT


def test_large_textures_in_flight_are_bounded_by_pixels(nearest_model, unwritten):
    large, workers = IN_FLIGHT_PIXELS // 4, 2
    watched = Watched(60, large)
    assert len(list(watched.run(LocalEngine(Device([nearest_model(4)], CPU), workers)))) == 60
    assert watched.most <= 4 + 2 * workers


def test_jobs_are_pulled_as_they_are_needed(nearest_model, unwritten):
    watched = Watched(3000)
    outcomes = watched.run(LocalEngine(Device([nearest_model(4)], CPU), 2))
    next(outcomes)
    assert watched.pulled <= IN_FLIGHT
    outcomes.close()


def test_a_pack_is_walked_as_it_is_done(logged, tmp_path, monkeypatch):
    for k in range(30):
        write_picture(tmp_path / "in" / f"{k:02}.png", np.full((1, 1, 1), k, np.uint8))
    run = run_for(tmp_path / "in", tmp_path / "out", [logged])
    run = replace(run, load_engine=lambda: LocalEngine(Device([logged], CPU), 2))
    monkeypatch.setattr(local, "IN_FLIGHT", 5)
    outcomes = upscale_pack(run)
    next(outcomes)
    waiting = len(list(run.out.glob("*.png")))
    assert waiting < 30
    assert len(list(outcomes)) == 29
    assert len([r for r in records(run.out) if r]) == 30


def test_threads_end_with_the_run(nearest_model, unwritten):
    def threads():
        return [t for t in threading.enumerate() if t.name.startswith("texup")]

    outcomes = Watched(3000).run(LocalEngine(Device([nearest_model(4)], CPU), 4))
    next(outcomes)
    assert threads()
    outcomes.close()
    assert not [t for t in threads() if "files" in t.name]
    for thread in threads():
        thread.join(60)  # a net ends with its batch
    assert not threads()


def test_no_thread_outlives_a_run_that_was_not_cut_short(nearest_model, unwritten, monkeypatch):
    work = concurrent.futures.thread._worker

    def slow_to_end(*told):
        work(*told)
        time.sleep(0.3 if "nets" in threading.current_thread().name else 0)

    monkeypatch.setattr(concurrent.futures.thread, "_worker", slow_to_end)
    assert len(list(Watched(4).run(LocalEngine(Device([nearest_model(4)], CPU), 2)))) == 4
    assert not [t.name for t in threading.enumerate() if t.name.startswith("texup")]


def order_of(*shapes, tile=16, margin=4):
    return Order(
        None, [Request(np.zeros((h + 2 * margin, w + 2 * margin, 3), np.float32), 0, margin) for h, w in shapes], tile
    )


def test_batches_hold_equal_pieces_up_to_the_bound():
    batcher = Batcher()
    batcher.add(order_of((64, 32), (16, 16)))  # 8 and 1 pieces of 24 x 24
    batcher.add(order_of((8, 8)))
    assert batcher.take(10 * 24 * 24, partial=False) == []
    taken = batcher.take(5 * 24 * 24, partial=False)
    assert [p.plane.shape for p in taken] == [(24, 24, 3)] * 5
    rest = [batcher.take(5 * 24 * 24, partial=True) for _ in range(3)]
    assert [len(batch) for batch in rest] == [4, 1, 0]


def test_a_bound_below_one_piece_still_takes_one():
    batcher = Batcher()
    batcher.add(order_of((32, 16)))
    assert [len(batcher.take(1, partial=False)) for _ in range(3)] == [1, 1, 0]


def test_pieces_of_a_plan_that_was_given_up_are_dropped():
    batcher = Batcher()
    given_up, kept = order_of((64, 64)), order_of((16, 16))
    batcher.add(given_up)
    batcher.add(kept)
    given_up.cancelled = True
    taken = batcher.take(1, partial=True) or batcher.take(1, partial=True)
    assert [p.order for p in taken] == [kept]
    assert batcher.take(1, partial=True) == []
    orders = [order_of((16, 16)) for _ in range(4)]
    for order in orders:
        batcher.add(order)
    orders[1].cancelled = True
    assert [p.order for p in batcher.take(3 * 24 * 24, partial=False)] == [orders[0], orders[2]]
