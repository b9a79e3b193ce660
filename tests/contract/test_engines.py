"""What every engine promises: one suite over the table of engines, in several of their settings.

How one engine keeps its hardware busy (batches, twins, what is on its way at once) is tested in ``tests/unit``.
"""

from __future__ import annotations

import copy
import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from texup.engines.devices.cards import Cards
from texup.engines.devices.device import Device
from texup.engines.engine import Engine, Job, Made, Request, Task
from texup.engines.inline import InlineEngine
from texup.engines.local import LocalEngine
from texup.engines.steps import PROBLEMS
from texup.errors import OutputError, UnreadableTexture
from texup.files import atomic_write
from texup.manifest.record import Outcome
from texup.textures.codecs.files import read_texture
from texup.textures.texture import Container

from ..builders import encoded, jobs_of, outcomes_of, run_for, write_picture
from ..cards import with_queues

CPU = torch.device("cpu")
ENGINES: dict[str, Callable[[Device], Engine]] = {
    "inline": InlineEngine,
    "local with one thread": lambda device: LocalEngine(device, 1),
    "local with four threads": lambda device: LocalEngine(device, 4),
    "local with two cards": lambda device: LocalEngine(Cards([with_queues(device), with_queues(copy.copy(device))]), 2),
}
"""A new engine adds its settings here."""

each = pytest.mark.parametrize("kind", ENGINES)


@pytest.fixture
def engine(kind, nearest_model) -> Engine:
    """An engine with one x4 net that repeats pixels."""
    return ENGINES[kind](Device([nearest_model(4)], CPU, batch_pixels=4096))


def jobs(folder: Path, count: int, **more) -> list[Job]:
    return [
        Job(path=f"{k}.png", source=folder / "in", out=folder / "out", target=f"{k}.png", **more) for k in range(count)
    ]


def task_of(job: Job, upscaling: Iterator, *, key: bytes | None = None) -> Task:
    """Return the task of a job that reads no file."""
    return Task(job, "0" * 64, {"alpha": "none"}, key or job.path.encode(), 16, upscaling)


def plane(value: float, height=4, width=4) -> Request:
    return Request(np.full((height, width, 3), value, np.float32), 0, 0)


def simple(job: Job) -> Task:
    """Return a task that has one plane upscaled and writes its own name."""

    def upscaling():
        yield [plane(0.5)]
        return Made((job.path.encode(),))

    return task_of(job, upscaling())


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# One outcome for each job


@each
def test_every_job_has_one_outcome_that_names_its_files(engine, tmp_path):
    found = {outcome.path: outcome for outcome in engine.run(jobs(tmp_path, 30), simple)}
    assert len(found) == 30
    for path, outcome in found.items():
        written = (tmp_path / "out" / path).read_bytes()
        assert written == path.encode()
        assert [tuple(target) for target in outcome.targets] == [
            (path, hashlib.sha256(written).hexdigest(), len(written))
        ]
        assert (outcome.outcome, outcome.source_sha256, outcome.policy) == ("upscaled", "0" * 64, {"alpha": "none"})


@each
def test_nothing_to_do_has_no_outcome(engine):
    assert list(engine.run([], simple)) == []


@each
def test_what_is_an_outcome_already_passes_through(engine, tmp_path):
    given = [Outcome(path="a.txt", outcome="skipped", reason="no texture"), Outcome(path="b.png", outcome="unchanged")]
    todo = jobs(tmp_path, 4)
    found = list(engine.run(iter([given[0], *todo[:2], given[1], *todo[2:]]), simple))
    assert sorted(outcome.path for outcome in found) == sorted(item.path for item in [*given, *todo])
    assert [outcome for outcome in found if any(outcome is one for one in given)] == given


@each
def test_a_start_may_settle_a_job(engine, tmp_path):
    def start(job: Job) -> Task | Outcome:
        return simple(job) if int(job.path[:-4]) % 2 else Outcome(path=job.path, outcome="copied")

    found = [(outcome.path, outcome.outcome) for outcome in engine.run(jobs(tmp_path, 10), start)]
    assert sorted(found) == sorted((f"{k}.png", "upscaled" if k % 2 else "copied") for k in range(10))


@each
def test_jobs_are_pulled_as_they_are_done(engine, tmp_path):
    pulled = []

    def endless() -> Iterator[Job]:
        for job in jobs(tmp_path, 3000):
            pulled.append(job)
            yield job

    outcomes = engine.run(endless(), simple)
    next(outcomes)
    assert len(pulled) < 1000
    outcomes.close()


# Errors


@each
def test_a_texture_may_fail_at_any_step_and_the_others_go_on(engine, tmp_path):
    def start(job: Job) -> Task:
        step = int(job.path[:-4]) % 5
        if step == 0:
            raise UnreadableTexture("at the start", job.path)

        def upscaling():
            if step == 1:
                raise UnreadableTexture("before the net")
            yield [plane(0.5)]
            if step == 2:
                raise UnreadableTexture("after the net")
            if step == 3:
                raise MemoryError("2 GiB")
            return Made((b"done",))

        return task_of(job, upscaling())

    found = {int(outcome.path[:-4]): outcome for outcome in engine.run(jobs(tmp_path, 40), start)}
    assert len(found) == 40
    reasons = ["at the start", "before the net", "after the net", PROBLEMS["large"], None]
    assert {k: outcome.reason for k, outcome in found.items()} == {k: reasons[k % 5] for k in found}
    assert {k for k, outcome in found.items() if outcome.outcome == "upscaled"} == {k for k in found if k % 5 == 4}
    assert set(files_of(tmp_path / "out")) == {f"{k}.png" for k in found if k % 5 == 4}
    assert all(outcome.targets == [] for outcome in found.values() if outcome.outcome == "failed")


@pytest.mark.parametrize("kind", list(ENGINES))
def test_a_failure_says_which_source_it_was_of(engine, tmp_path):
    def start(job: Job) -> Task:
        def upscaling():
            yield [plane(0.5)]
            raise UnreadableTexture("after the net")

        return task_of(job, upscaling())

    (outcome,) = engine.run(jobs(tmp_path, 1), start)
    assert (outcome.outcome, outcome.source_sha256, outcome.policy) == ("failed", "0" * 64, {"alpha": "none"})


@each
@pytest.mark.parametrize("error", [OutputError("out: the disk is full"), ValueError("a fault of ours")])
def test_what_is_no_error_of_a_texture_ends_the_run(engine, tmp_path, monkeypatch, error):
    def refuse(path, data):
        raise error

    monkeypatch.setattr("texup.engines.steps.atomic_write", refuse)
    pulled, ended = [], []
    with pytest.raises(type(error)) as caught:
        list(engine.run((pulled.append(job) or job for job in jobs(tmp_path, 3000)), simple, lambda: ended.append(1)))
    assert caught.value is error
    assert len(pulled) < 1000
    assert ended == [1]


@each
def test_an_end_is_said_once_however_it_comes(engine, tmp_path):
    ended = []

    def end() -> None:
        ended.append(threading.current_thread())

    list(engine.run(jobs(tmp_path, 3), simple, end))
    outcomes = engine.run(jobs(tmp_path, 300), simple, end)
    next(outcomes)
    outcomes.close()
    assert ended == [threading.current_thread()] * 2


@each
def test_nothing_is_written_once_a_run_was_closed(engine, tmp_path):
    outcomes = engine.run(jobs(tmp_path, 300), simple)
    next(outcomes)
    outcomes.close()
    before = files_of(tmp_path / "out")
    time.sleep(0.2)
    assert files_of(tmp_path / "out") == before
    assert len(before) < 300


# Planes


@each
def test_planes_come_back_in_the_order_in_which_they_were_asked_for(kind, nearest_model, tmp_path):
    engine = ENGINES[kind](Device([nearest_model(4), nearest_model(2)], CPU, batch_pixels=4096, tile=16))
    asked = [(0, 8, 12, 4, 0.1), (1, 40, 24, 8, 0.3), (0, 4, 4, 0, 0.5), (1, 8, 12, 0, 0.7), (0, 40, 24, 8, 0.9)]

    def start(job: Job) -> Task:
        def upscaling():
            rounds = []
            for shift in (0, 0.05):
                requests = [
                    Request(np.full((h + 2 * margin, w + 2 * margin, 1), value + shift, np.float32), model, margin)
                    for model, h, w, margin, value in asked
                ]
                rounds.append((yield requests))
            for shift, planes in zip((0, 0.05), rounds, strict=True):
                for (model, h, w, _, value), found in zip(asked, planes, strict=True):
                    scale = (4, 2)[model]
                    assert found.shape == (h * scale, w * scale, 1)
                    np.testing.assert_allclose(found, value + shift, atol=1e-6)
            return Made((b"done",))

        return task_of(job, upscaling())

    found = list(engine.run(jobs(tmp_path, 12), start))
    assert {outcome.outcome for outcome in found} == {"upscaled"}


@each
def test_an_outcome_says_where_nets_ran_only_if_they_did(engine, tmp_path):
    def start(job: Job) -> Task:
        def upscaling():
            if job.path == "0.png":
                yield [plane(0.5)]
            return Made((b"done",))

        return task_of(job, upscaling())

    found = {outcome.path: (outcome.device, outcome.precision) for outcome in engine.run(jobs(tmp_path, 2), start)}
    assert found == {"0.png": ("cpu", "fp32"), "1.png": (None, None)}


@each
def test_smaller_levels_become_files_of_their_own(engine, tmp_path):
    def start(job: Job) -> Task:
        def upscaling():
            yield [plane(0.5)]
            return Made((b"0", b"1", b"2"))

        return task_of(job, upscaling())

    (job,) = jobs(tmp_path, 1, level_target="{}/{}.png")
    (outcome,) = engine.run([job], start)
    names = ["0.png", "{}/1.png", "{}/2.png"]
    assert [target.path for target in outcome.targets] == names
    assert [(tmp_path / "out" / name).read_bytes() for name in names] == [b"0", b"1", b"2"]


@each
def test_tasks_of_one_key_have_one_result(engine, tmp_path):
    def start(job: Job) -> Task:
        def upscaling():
            (answer,) = yield [plane(0.25)]
            return Made((answer.tobytes(),))

        return task_of(job, upscaling(), key=b"the same picture")

    found = list(engine.run(jobs(tmp_path, 9), start))
    assert {outcome.outcome for outcome in found} == {"upscaled"}
    assert len(set(files_of(tmp_path / "out").values())) == 1
    assert len({(o.device, o.precision, tuple(target.sha256 for target in o.targets)) for o in found}) == 1
    assert all(outcome.seconds > 0 for outcome in found)


@each
def test_seconds_count_from_the_start_of_reading_and_no_longer_than_the_run(engine, tmp_path):
    step = 0.03

    def start(job: Job) -> Task:
        time.sleep(step)

        def upscaling():
            time.sleep(step)
            yield [plane(0.5)]
            time.sleep(step)
            return Made((job.path.encode(),))

        return task_of(job, upscaling())

    began = time.perf_counter()
    found = list(engine.run(jobs(tmp_path, 3), start))
    spent = time.perf_counter() - began
    assert [3 * step <= outcome.seconds <= spent for outcome in found] == [True] * 3


@each
def test_seconds_count_to_the_end_of_writing(engine, tmp_path, monkeypatch):
    def slow(path, data):
        time.sleep(0.1)
        atomic_write(path, data)

    monkeypatch.setattr("texup.engines.steps.atomic_write", slow)
    (outcome,) = engine.run(jobs(tmp_path, 1), simple)
    assert outcome.seconds >= 0.1


# Textures


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, disc, wall) -> Path:
    """Textures of many sizes, channels and kinds of alpha, some equal, some of one colour, one damaged."""
    folder = tmp_path_factory.mktemp("mixed")
    dice = np.random.default_rng(3)
    brick = wall(40, 40)

    def grain(h, w, c):
        return dice.integers(0, 256, (h, w, c), np.uint8)

    def veiled(colour, opacity):
        return np.dstack((colour, (opacity * 255).astype(np.uint8)))

    data = grain(24, 24, 4)
    data[..., 3] = np.where(data[..., 3] < 128, 0, data[..., 3])
    textures = {
        "rgb": brick,
        "rgb_again": brick,
        "wide": grain(5, 70, 3),
        "tall": wall(100, 12),
        "dot": grain(1, 1, 3),
        "line": grain(1, 40, 3),
        "odd": grain(17, 33, 3),
        "grey": grain(20, 20, 1),
        "grey_as_rgb": grain(20, 20, 1).repeat(3, 2),
        "grey_alpha": veiled(grain(24, 24, 1), disc(24, 24, soft=True)),
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
        write_picture(folder / f"{name}.png", pixels)
    palette = dice.integers(0, 256, (8, 4), np.uint8)
    palette[:, 3] = 255
    indexed = palette[dice.integers(0, 8, (16, 16)), :3]
    write_picture(folder / "palette.png", indexed, Container("png", palette=palette.tobytes()))
    write_picture(folder / "targa.tga", brick, Container("tga", rle=True))
    (folder / "cut.png").write_bytes(encoded(brick)[:500])
    return folder


@pytest.fixture(scope="module")
def reference(mixed, tiny_model, tmp_path_factory):
    """What the engine that is easy to be sure of makes of the pack, by size of tiles."""
    made = {}

    def run(tile):
        if tile not in made:
            out = tmp_path_factory.mktemp("reference")
            device = Device([tiny_model], CPU, tile=tile)
            made[tile] = facts(outcomes_of(InlineEngine(device), run_for(mixed, out, [tiny_model]))), out
        return made[tile]

    return run


def facts(outcomes: dict[str, Outcome]) -> set[tuple]:
    """Return what may not depend on the engine: all but times, and which of several equal textures was computed."""
    return {
        (o.path, o.outcome, o.reason, o.source_sha256, tuple(o.targets), str(o.policy), o.device, o.precision)
        for o in outcomes.values()
    }


@pytest.mark.parametrize(
    ("batch_pixels", "workers", "tile"),
    [(1, 1, 512), (4096, 2, 512), (1 << 15, 5, 512), (1 << 20, 2, 512), (9000, 3, 16)],
)
def test_textures_that_run_together_end_as_if_alone(
    mixed, reference, tiny_model, tmp_path, batch_pixels, workers, tile
):
    expected, there = reference(tile)
    engine = LocalEngine(Device([tiny_model], CPU, batch_pixels=batch_pixels, tile=tile), workers)
    found = outcomes_of(engine, run_for(mixed, tmp_path, [tiny_model]))
    assert facts(found) == expected
    assert files_of(tmp_path) == files_of(there)
    assert {path for path, outcome in found.items() if outcome.outcome == "failed"} == {"cut.png"}
    assert len(files_of(there)) == len(found) - 1


def test_tiles_change_no_pixel_by_more_than_a_level(reference):
    whole, tiled = reference(512)[1], reference(16)[1]
    differing = 0
    for path in whole.iterdir():
        ours, theirs = (read_texture(folder / path.name).pixels for folder in (whole, tiled))
        step = 257 if ours.dtype == np.uint16 else 1
        apart = np.abs(ours.astype(int) - theirs.astype(int)).max()
        assert apart <= step, path.name
        differing += bool(apart)
    assert differing < len(list(whole.iterdir()))  # most are too small for a second tile


@each
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_textures_changes_no_byte(kind, mixed, reference, tiny_model, tmp_path, seed):
    expected, there = reference(512)
    run = run_for(mixed, tmp_path, [tiny_model])
    shuffled = jobs_of(run)
    random.Random(seed).shuffle(shuffled)
    engine = ENGINES[kind](Device([tiny_model], CPU, batch_pixels=5000))
    assert facts(outcomes_of(engine, run, shuffled)) == expected
    assert files_of(tmp_path) == files_of(there)


@each
def test_an_engine_may_run_again(kind, mixed, reference, tiny_model, tmp_path):
    engine = ENGINES[kind](Device([tiny_model], CPU))
    for name in ("once", "twice"):
        assert facts(outcomes_of(engine, run_for(mixed, tmp_path / name, [tiny_model]))) == reference(512)[0]
    assert files_of(tmp_path / "once") == files_of(tmp_path / "twice") == files_of(reference(512)[1])


def test_a_chain_gives_the_same_bytes_in_every_engine(mixed, nearest_model, tiny_model, tmp_path):
    models = [tiny_model, nearest_model(2)]
    for kind, make in ENGINES.items():
        outcomes_of(make(Device(models, CPU, batch_pixels=5000)), run_for(mixed, tmp_path / kind, models, 8, margin=4))
    results = [files_of(tmp_path / kind) for kind in ENGINES]
    assert results == results[:1] * len(ENGINES)
