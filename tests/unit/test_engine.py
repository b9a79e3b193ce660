"""Engines: whatever runs together, in whatever order, in whatever pieces, every texture ends as if it were alone."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from texup.conventions.convention import Planned
from texup.conventions.plain import PLAIN
from texup.engines import local
from texup.engines.batching import Batcher, Order
from texup.engines.device import Device
from texup.engines.engine import Job, Outcome, Request, Task
from texup.engines.inline import InlineEngine
from texup.engines.local import IN_FLIGHT, IN_FLIGHT_PIXELS, LocalEngine
from texup.errors import OutputError, UnreadableTexture
from texup.manifest.journal import records
from texup.textures.codecs.files import encode, read_texture
from texup.textures.texture import Container, Texture
from texup.upscaling.pack import start, upscale_pack
from texup.upscaling.run import Route, Run, Settings, plan_passes

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


def write(path: Path, pixels, container=PNG):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(Texture(np.ascontiguousarray(pixels), container), indexed=container.palette is not None))


def run_for(folder: Path, out: Path, models, scale=4, **settings) -> Run:
    passes = plan_passes([m.scale for m in models], scale)
    names = [(m.name, m.sha256) for m in models]
    route = Route(passes, Settings(scale, settings.pop("margin", 8), **settings))
    return Run(source=folder, out=out, models=names, route=route, load_engine=lambda: None)


def jobs_of(run: Run):
    names = sorted(p.name for p in run.source.iterdir())
    return [Job(path=name, source=run.source, out=run.out, target=name) for name in names]


def outcomes_of(engine, run: Run) -> dict[str, Outcome]:
    found = list(
        engine.run(jobs_of(run), lambda job: start(job, Planned(job.path, "upscale", target=job.target), run, PLAIN))
    )
    assert len({o.path for o in found}) == len(found)
    return {o.path: o for o in found}


def files_of(folder: Path):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, disc, wall) -> Path:
    """Textures of many sizes, channels and kinds of alpha, some equal, some of one colour, one damaged."""
    folder = tmp_path_factory.mktemp("mixed")
    dice = np.random.default_rng(3)
    brick = wall(40, 40)

    def noise(h, w, c):
        return dice.integers(0, 256, (h, w, c), np.uint8)

    def veiled(colour, opacity):
        return np.dstack((colour, (opacity * 255).astype(np.uint8)))

    data = noise(24, 24, 4)
    data[..., 3] = np.where(data[..., 3] < 128, 0, data[..., 3])
    textures = {
        "rgb": brick,
        "rgb_again": brick,
        "wide": noise(5, 70, 3),
        "tall": wall(100, 12),
        "dot": noise(1, 1, 3),
        "line": noise(1, 40, 3),
        "odd": noise(17, 33, 3),
        "grey": noise(20, 20, 1),
        "grey_as_rgb": noise(20, 20, 1).repeat(3, 2),
        "grey_alpha": veiled(noise(24, 24, 1), disc(24, 24, soft=True)),
        "binary": veiled(wall(24, 24), disc(24, 24)),
        "soft": veiled(wall(24, 24), disc(24, 24, soft=True)),
        "few": veiled(wall(24, 24), dice.integers(0, 3, (24, 24)) / 2),
        "constant": veiled(wall(24, 24), np.full((24, 24), 0.5)),
        "data": data,
        "unseen": veiled(wall(24, 24), np.zeros((24, 24))),
        "one_colour": np.full((16, 16, 3), 77, np.uint8),
        "mask_only": veiled(np.full((24, 24, 3), 200, np.uint8), disc(24, 24)),
        "deep": dice.integers(0, 1 << 16, (12, 20, 3), np.uint16),
        "deep_grey": dice.integers(0, 1 << 16, (12, 20, 1), np.uint16),
    }
    for name, pixels in textures.items():
        write(folder / f"{name}.png", pixels, Container("png", pixels.dtype.itemsize * 8))
    palette = dice.integers(0, 256, (8, 4), np.uint8)
    palette[:, 3] = 255
    write(
        folder / "palette.png", palette[dice.integers(0, 8, (16, 16)), :3], Container("png", palette=palette.tobytes())
    )
    write(folder / "targa.tga", brick, Container("tga", rle=True))
    (folder / "cut.png").write_bytes((folder / "rgb.png").read_bytes()[:500])
    return folder


@pytest.fixture(scope="module")
def alone(mixed, tiny_model, tmp_path_factory):
    """What the reference engine makes of the pack, by size of tiles."""
    made = {}

    def run(tile):
        if tile not in made:
            out = tmp_path_factory.mktemp("inline")
            made[tile] = (
                outcomes_of(InlineEngine(Device([tiny_model], CPU, tile=tile)), run_for(mixed, out, [tiny_model])),
                out,
            )
        return made[tile]

    return run


@pytest.mark.parametrize(
    ("batch_pixels", "workers", "tile"),
    [(1, 1, 512), (4096, 2, 512), (1 << 15, 5, 512), (1 << 20, 2, 512), (9000, 3, 16)],
)
def test_textures_that_run_together_end_as_if_alone(mixed, alone, tiny_model, tmp_path, batch_pixels, workers, tile):
    expected, there = alone(tile)
    engine = LocalEngine(Device([tiny_model], CPU, batch_pixels=batch_pixels, tile=tile), workers)
    found = outcomes_of(engine, run_for(mixed, tmp_path, [tiny_model]))

    def facts(outcomes):
        return {o.path: (o.outcome, o.reason, o.source_sha256, o.targets, o.policy) for o in outcomes.values()}

    assert facts(found) == facts(expected)
    assert files_of(tmp_path) == files_of(there)
    assert {p for p, o in found.items() if o.outcome == "failed"} == {"cut.png"}
    assert len(files_of(there)) == len(expected) - 1


def test_a_chain_runs_together_as_if_alone(mixed, nearest_model, tiny_model, tmp_path):
    models = [tiny_model, nearest_model(2)]
    for name, engine in {
        "inline": InlineEngine(Device(models, CPU)),
        "local": LocalEngine(Device(models, CPU, batch_pixels=5000), 3),
    }.items():
        outcomes_of(engine, run_for(mixed, tmp_path / name, models, margin=4, scale=8))
    assert files_of(tmp_path / "inline") == files_of(tmp_path / "local")


def test_tiles_change_no_pixel_by_more_than_a_level(mixed, alone):
    _, whole = alone(512)
    _, tiled = alone(16)
    differing = 0
    for path in whole.iterdir():
        ours, theirs = (read_texture(folder / path.name).pixels for folder in (whole, tiled))
        step = 257 if ours.dtype == np.uint16 else 1
        apart = np.abs(ours.astype(int) - theirs.astype(int)).max()
        assert apart <= step, path.name
        differing += bool(apart)
    assert differing < len(list(whole.iterdir()))  # most are too small for a second tile


def test_what_is_an_outcome_already_passes_through(mixed, tiny_model, tmp_path):
    run = run_for(mixed, tmp_path, [tiny_model])
    jobs = jobs_of(run)[:4]
    given = [
        Outcome(path="a.txt", outcome="skipped", reason="not a texture"),
        Outcome(path="b.png", outcome="unchanged"),
    ]
    items = [given[0], *jobs[:2], given[1], *jobs[2:]]
    for engine in (InlineEngine(Device([tiny_model], CPU)), LocalEngine(Device([tiny_model], CPU), 2)):
        found = list(
            engine.run(iter(items), lambda job: start(job, Planned(job.path, "upscale", target=job.target), run, PLAIN))
        )
        assert sorted(o.path for o in found) == sorted(i.path for i in items)
        assert [o for o in found if any(o is g for g in given)] == given


def test_textures_of_one_size_share_calls_of_the_net(logged, dice, tmp_path):
    for k in range(40):
        write(tmp_path / "in" / f"{k:02}.png", dice.integers(0, 256, (16, 16, 3), np.uint8))
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
        write(tmp_path / "in" / f"{name}.png", dice.integers(0, 256, (*shape, 3), np.uint8))
    device = Device([logged], CPU, tile=16)
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
        write(folder / name, pixels)
    for k in range(3):
        order = np.roll(colours, k, axis=0)
        write(folder / f"p{k}.png", pixels, Container("png", palette=order.tobytes()))
    return pixels


@pytest.mark.parametrize(("batch_pixels", "in_flight"), [(1, 256), (1 << 15, 256), (1 << 15, 1)])
def test_equal_pictures_go_through_the_net_once(logged, dice, tmp_path, monkeypatch, batch_pixels, in_flight):
    monkeypatch.setattr(local, "IN_FLIGHT", in_flight)  # with 1, each twin comes when the one before is finished
    pixels = twins_of(tmp_path / "in", dice)
    write(tmp_path / "in" / "other.png", 255 - pixels)
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
        write(tmp_path / "in" / f"{name}.png", pixels)
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
        write(tmp_path / "in" / f"{name}.png", pixels)
    run = run_for(tmp_path / "in", tmp_path / "out", [logged])
    found = outcomes_of(LocalEngine(Device([logged], CPU), 2), run)
    assert logged.net.log == []
    for name, pixels in pictures.items():
        assert found[f"{name}.png"].precision is None
        assert (read_texture(tmp_path / "out" / f"{name}.png").pixels == pixels[:1, :1]).all()
    shape = np.dstack((np.full((16, 16, 3), 9, np.uint8), (disc(16, 16, radius=5) * 255).astype(np.uint8)))
    write(tmp_path / "shaped" / "disc.png", shape)
    run = run_for(tmp_path / "shaped", tmp_path / "out", [logged], method="net")  # a silhouette is pixel art
    outcomes_of(LocalEngine(Device([logged], CPU), 2), run)
    assert logged.net.log == [(1, 3, 32, 32)]  # the opacity alone


def small_task(job: Job, pixels=16, plane=None) -> Task:
    """A task with a plane of its own for the net, that needs no file."""

    def way():
        yield [Request(np.zeros((4, 4, 3), np.float32) if plane is None else plane, 0, 0)]
        return (b"done",)

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
        write(tmp_path / "in" / f"{k:02}.png", np.full((1, 1, 1), k, np.uint8))
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


@pytest.mark.parametrize("error", [OutputError("out: the disk is full"), ValueError("a fault of ours")])
def test_what_is_no_texture_error_ends_the_run(nearest_model, unwritten, monkeypatch, error):
    def refuse(path, data):
        raise error

    monkeypatch.setattr("texup.engines.steps.atomic_write", refuse)
    for engine in (InlineEngine(Device([nearest_model(4)], CPU)), LocalEngine(Device([nearest_model(4)], CPU), 2)):
        watched = Watched(3000)
        with pytest.raises(type(error)) as caught:
            list(watched.run(engine))
        assert caught.value is error
        assert watched.pulled <= IN_FLIGHT


def test_a_texture_may_fail_at_any_step(nearest_model, unwritten):
    def start(job):
        kind = int(job.path[:-4]) % 4
        if kind == 0:
            raise UnreadableTexture("at the start")

        def way():
            if kind == 1:
                raise UnreadableTexture("before the net")
            yield [Request(np.zeros((4, 4, 3), np.float32), 0, 0)]
            if kind == 2:
                raise UnreadableTexture("after the net")
            return (b"",)

        return Task(job, "0" * 64, {"alpha": "none"}, job.path.encode(), 16, way())

    for engine in (InlineEngine(Device([nearest_model(4)], CPU)), LocalEngine(Device([nearest_model(4)], CPU), 2)):
        found = {int(o.path[:-4]): o for o in engine.run(Watched(40).jobs(), start)}
        assert len(found) == 40
        reasons = ["at the start", "before the net", "after the net", None]
        assert all(found[k].reason == reasons[k % 4] for k in found)
        assert all(found[k].outcome == ("upscaled" if k % 4 == 3 else "failed") for k in found)


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
