"""Shards of work: every job has one result whatever becomes of the workers, and equal files are done together."""

from __future__ import annotations

import random
import struct
import zlib
from collections import Counter

import pytest

from texup.engines.cluster.gathering import EACH, Gathering
from texup.engines.cluster.shards import FIRST_WORK, SECONDS, SLOW, Shards
from texup.engines.engine import Job
from texup.manifest.record import Outcome


def png_head(width, height, more=b""):
    """Return what of a PNG tells its size."""
    chunk = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    body = b"IHDR" + chunk
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(chunk)) + body + struct.pack(">I", zlib.crc32(body)) + more


@pytest.fixture
def make(tmp_path):
    def make(sizes):
        """Return jobs of square pictures of these sides; no two are equal."""
        jobs = []
        for k, side in enumerate(sizes):
            (tmp_path / f"{k}.png").write_bytes(png_head(side, side, b"%9d" % k))
            jobs.append(Job(path=f"{k}.png", source=tmp_path, out=tmp_path / "out", target=f"{k}.png"))
        return jobs

    return make


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_equal_files_are_together_and_only_files_of_equal_size_are_read(make, tmp_path, monkeypatch):
    jobs = make([64] * 4 + [128])
    (tmp_path / "2.png").write_bytes((tmp_path / "0.png").read_bytes())
    (tmp_path / "4.png").write_bytes(png_head(128, 128, b"longer than the others"))
    read = []
    real = __import__("texup.files", fromlist=["x"]).sha256_of
    monkeypatch.setattr("texup.engines.cluster.gathering.sha256_of", lambda p: read.append(p.name) or real(p))
    gathering = Gathering(iter([jobs[0], Outcome(path="x", outcome="skipped"), *jobs[1:]]))
    gathering.fill(1 << 30)
    assert [[job.path for job in group.jobs] for group in reversed(gathering.groups)] == [
        ["0.png", "2.png"], ["1.png"], ["3.png"], ["4.png"],
    ]  # fmt: skip
    assert "4.png" not in read
    assert [outcome.path for outcome in gathering.settled] == ["x"]
    assert gathering.work == 3 * 64**2 + 128**2 + 5 * EACH
    assert [job.path for job in gathering.take(1)] == ["0.png", "2.png"]
    assert gathering.work == 2 * 64**2 + 128**2 + 3 * EACH


def test_a_shard_takes_what_a_worker_does_in_its_time_and_less_at_the_end(make):
    clock = Clock()
    shards = Shards(iter(make([256] * 300)), clock)
    for _ in range(10):
        shards.fill(2)
    first = shards.take("a", 2)
    each = 256**2 + EACH
    assert len(first.jobs) == FIRST_WORK // each
    clock.now = 10.0
    for job in first.jobs:
        assert shards.first("a", job.path)
    shards.ended("a")
    for _ in range(10):
        shards.fill(2)
    rate = len(first.jobs) * each / 10
    second = shards.take("a", 2)
    assert len(second.jobs) == min(int(rate * SECONDS), (300 - len(first.jobs)) * each // 4) // each
    sizes = [len(second.jobs)]
    while shard := shards.take(f"w{len(sizes)}", 2):
        sizes.append(len(shard.jobs))
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) + len(first.jobs) == 300


def test_the_slowest_shares_its_rest_with_an_idle_worker_and_the_first_result_counts(make):
    clock = Clock()
    shards = Shards(iter(make([16] * 6)), clock)
    shards.fill(1)
    shard = shards.take("slow", 1)
    while more := shards.take("slow2", 1):
        for job in more.jobs:
            shards.first("slow2", job.path)
        shards.ended("slow2")
    assert len(shard.jobs) >= 3
    clock.now = SLOW / 4
    assert shards.take("idle", 2) is None
    clock.now = SLOW
    again = shards.take("idle", 2)
    assert again.jobs == shard.jobs[len(shard.jobs) // 2 :]
    assert shards.twice == {job.path for job in again.jobs}
    assert [shards.first("idle", job.path) for job in again.jobs] == [True] * len(again.jobs)
    assert [shards.first("slow", job.path) for job in shard.jobs] == [job not in again.jobs for job in shard.jobs]
    assert shards.is_over


@pytest.mark.parametrize("end", ["done", "failed", "lost"])
def test_a_failure_is_no_result_while_another_worker_has_the_job(make, end):
    clock = Clock()
    shards = Shards(iter(make([16] * 4)), clock)
    shards.fill(1)
    shard = shards.take("slow", 1)
    while more := shards.take("other", 1):
        for job in more.jobs:
            shards.first("other", job.path)
        shards.ended("other")
    clock.now = SLOW
    again = shards.take("idle", 2)
    assert [shards.first("idle", job.path, has_failed=True) for job in again.jobs] == [False] * len(again.jobs)
    shards.ended("idle")
    assert not shards.is_over
    if end == "lost":
        shards.lost("slow", is_blamed=False)
        rest = shards.take("new", 1).jobs
        assert {job.path for job in rest} == {job.path for job in shard.jobs}
        assert all(shards.first("new", job.path, has_failed=True) for job in rest)
    else:
        has_failed = end == "failed"
        assert all(shards.first("slow", job.path, has_failed=has_failed) for job in shard.jobs)
    assert shards.is_over


@pytest.mark.parametrize("seed", range(20))
def test_every_job_has_one_result_whatever_becomes_of_the_workers(make, seed):
    chance = random.Random(seed)
    jobs, clock = make([chance.choice([8, 32, 300]) for _ in range(150)]), Clock()
    killers = {job.path for job in chance.sample(jobs, seed % 3)}
    shards, results, workers, names = Shards(iter(jobs), clock), Counter(), {}, 0
    failed, deaths = [], Counter()
    for _ in range(20000):
        if shards.is_over:
            break
        clock.now += chance.expovariate(1)
        shards.fill(4)
        while len(workers) < 4:
            names += 1
            workers[f"w{names}"] = None
        for name in list(workers):
            if workers[name] is None and (shard := shards.take(name, 4)):
                workers[name] = list(shard.jobs)
        name = chance.choice(list(workers))
        todo = workers[name]
        is_bad = chance.random() < 0.01
        if is_bad or (todo and todo[0].path in killers):
            if not is_bad:
                deaths[todo[0].path] += 1
            gone = shards.lost(name, is_blamed=not is_bad)
            assert all(outcome.given_up for outcome in gone)
            failed += [outcome.path for outcome in gone]
            del workers[name]
        elif todo:
            has_failed = chance.random() < 0.1
            results[todo[0].path] += shards.first(name, todo.pop(0).path, has_failed=has_failed)
            if not todo:
                shards.ended(name)
                workers[name] = None
    assert shards.is_over
    assert set(failed) == killers == {path for path, count in deaths.items() if count}
    assert all(count <= 3 for count in deaths.values())  # a second worker may have had a part of the same shard
    assert len(failed) == len(killers)
    assert results == {job.path: 1 for job in jobs if job.path not in killers}
