"""How far a run on a cluster scales: by simulation with costs that are measured here, and what breaks first.

    PYTHONPATH=. python tests/bench/bench_cluster.py [FILES]

Measured on this machine: records that the manifest takes a second, what a shard and a result cost to pass through Ray,
and what a file costs the driver besides (head, group, shard, first result). Simulated: ``Shards`` itself gives work to
1, 8, 64 and 512 workers of unequal speed, 2 % of which are ten times slower and 2 % of which are lost in the middle; a
lost one comes back after its start. The driver does one thing after the other: results wait for it, and so do workers
that have no shard. What Ray costs alone against the local engine is in ``bench_ray.py``.
"""

from __future__ import annotations

import heapq
import os
import random
import statistics
import struct
import sys
import tempfile
import time
import zlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from texup.engines.cluster import gathering
from texup.engines.cluster.joining import import_ray, join
from texup.engines.cluster.shards import Shard, Shards
from texup.engines.cluster.worker import Worker, folders_of
from texup.engines.engine import Job
from texup.manifest.journal import Manifest, RunHeader
from texup.manifest.record import Outcome, Written

WORKERS = (1, 8, 64, 512)
RATE = 200_000.0  # texels a second of one worker: a card with the default nets, files and grain included
START = 20.0  # seconds from the loss of a worker to the next one: Python, torch, nets
WAITING = 4.0  # seconds that results may wait before a worker does: 16 messages, each of a quarter of a second
OPERATIONS = (
    10  # of the storage for a file: the lock; open, read, header; temporary file, write, sync, rename, sync, read back
)


RECORD = Outcome(
    path="textures/walls/a.png",
    outcome="upscaled",
    source_sha256="0" * 64,
    targets=[Written("textures/walls/a.png", "1" * 64, 123456)],
    settings="0123456789abcdef",
    policy={"kind": "color", "method": "net", "alpha": "opaque", "edges": ["clamp", "clamp"], "grain": 0.4},
    precision="fp16",
    device="cuda",
)


def manifest_appends(count: int = 20_000) -> tuple[float, float]:
    """Return the records that a manifest takes a second of wall time, and of CPU time."""
    with tempfile.TemporaryDirectory() as folder, Manifest(Path(folder), RunHeader(2, "0", [], {})) as manifest:
        records = [replace(RECORD, path=f"textures/walls/{k:06}.png") for k in range(count)]
        began, cpu = time.perf_counter(), time.process_time()
        for record in records:
            manifest.append(record)
        return count / (time.perf_counter() - began), count / (time.process_time() - cpu)


def pack(folder: Path, count: int) -> list[Job]:
    """Write heads of pictures of usual sizes; nothing else of them is read."""
    chance = random.Random(0)
    jobs = []
    for k in range(count):
        side = chance.choices([32, 64, 128, 256, 512], [3, 4, 4, 2, 1])[0]
        body = b"IHDR" + struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0)
        head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
        (folder / f"{k}.png").write_bytes(head + b"%9d" % k + b"." * chance.randrange(4000))
        jobs.append(Job(path=f"{k}.png", source=folder, out=folder / "out", target=f"{k}.png"))
    return jobs


class Nothing:
    """An engine that has done everything already."""

    device = SimpleNamespace(device="cpu")

    def run(self, jobs, start, end=None):
        return (replace(RECORD, path=job.path) for job in jobs)


def ray_costs() -> tuple[float, float]:
    """Return the seconds that pass for a shard, and those of the driver for a result, by a worker that does nothing."""
    ray, costs = import_ray(), {}
    os.environ["RAY_ADDRESS"] = "local"  # of this machine alone, whatever runs here
    join(ray, None)
    with tempfile.TemporaryDirectory() as name:
        jobs = pack(Path(name), 1000)
        worker = ray.remote(Worker).remote(lambda cores: Nothing(), len, 1, 1)
        (Path(name) / "out").mkdir()
        ray.get(worker.ready.remote(folders_of(jobs[0])))
        for count in (1, 1000):
            seconds = []
            for number in range(20):
                began = time.perf_counter()
                for said in worker.run.options(num_returns="streaming").remote(Shard(number, tuple(jobs[:count]))):
                    ray.get(said)
                seconds.append(time.perf_counter() - began)
            costs[count] = statistics.median(seconds)
    ray.shutdown()
    return costs[1], (costs[1000] - costs[1]) / 999


def simulate(jobs: list[Job], count: int, shard_cost: float, result_cost: float) -> dict[str, float]:
    """Run the jobs on so many workers; return what came of it, in simulated and in real seconds."""
    chance, now, driver = random.Random(count), [0.0], 0.0
    shards = Shards(iter(jobs), lambda: now[0])
    weights = shards._waiting.weights
    speed, losses, given, done = {}, [], 0, 0
    events: list[tuple[float, str, str | None]] = [(0.0, f"w{k}", None) for k in range(count)]
    heapq.heapify(events)
    for k in range(count):
        speed[f"w{k}"] = RATE * chance.uniform(0.8, 1.2) * (0.1 if count > 1 and chance.random() < 0.02 else 1)
    began = time.process_time()
    idle: list[str] = []
    current: dict[str, list[str]] = {}
    whole = sum(map(gathering.weight_of, jobs)) / RATE / count
    lost = {f"w{k}": chance.uniform(0, 1) * whole for k in range(count) if count > 1 and chance.random() < 0.02}
    while not shards.is_over:
        shards.fill(count)
        if events:
            now[0], name, path = heapq.heappop(events)
        else:
            now[0], name, path = now[0] + 1, None, None
        if name is not None and path is not None:
            if now[0] >= lost.get(name, float("inf")):
                del lost[name]
                losses.append(name)
                shards.lost(name, is_blamed=True)
                current[name] = []
                heapq.heappush(events, (now[0] + START, name, None))
                continue
            done += shards.first(name, path)
            driver = max(driver, now[0]) + result_cost
            if not current[name]:
                shards.ended(name)
        waiting = [*idle, *([name] if name and not current.get(name) else [])]
        idle = []
        for place, other in enumerate(waiting):
            shard = shards.take(other, count)
            if shard is None:  # nor is there anything for the others, as in the engine
                idle = waiting[place:]
                break
            given += len(shard.jobs)
            current[other] = [job.path for job in shard.jobs]
        for other in waiting if name in waiting else [*waiting, name]:
            if other and current.get(other):
                path = current[other].pop(0)
                seconds = weights[path] / speed[other]
                at = max(now[0], driver - WAITING)
                if other in waiting:  # it has a new shard
                    at = max(now[0], driver) + shard_cost
                heapq.heappush(events, (at + seconds, other, path))
    work = sum(weights.values())
    ideal = work / sum(speed.values())
    assert done == len(jobs)
    now[0] = max(now[0], driver)
    return {
        "seconds": now[0],
        "efficiency": ideal / now[0],
        "driver": len(jobs) * result_cost / now[0],
        "losses": len(losses),
        "again": given / len(jobs) - 1,
        "files_a_second": len(jobs) / now[0],
        "driver_cpu_ms_a_file": 1e3 * (time.process_time() - began) / len(jobs),
    }


def main(count: int) -> None:
    """Print the tables."""
    wall, cpu = manifest_appends()
    shard_cost, each = ray_costs()
    print(f"manifest: {wall:,.0f} records a second of wall time, {cpu:,.0f} of CPU time")
    with tempfile.TemporaryDirectory() as name:
        jobs = pack(Path(name), count)
        own = simulate(jobs[:5000], 8, 0, 0)["driver_cpu_ms_a_file"] / 1e3
        result_cost = 1 / wall + each + own
        print(f"a shard: {1e3 * shard_cost:.1f} ms; a result: {1e3 * result_cost:.2f} ms of the driver")
        print(f"  of which Ray {1e3 * each:.2f}, the manifest {1e3 / wall:.2f}, head and shards {1e3 * own:.2f}")
        print(f"{count} files")
        print("workers   minutes  efficiency   lost   twice   files/s   driver")
        for workers in WORKERS:
            found = simulate(jobs, workers, shard_cost, result_cost)
            print(
                f"{workers:>7} {found['seconds'] / 60:>9.1f} {found['efficiency']:>11.2f} {found['losses']:>6}"
                f" {found['again']:>7.2%} {found['files_a_second']:>9.1f} {found['driver']:>8.0%}",
                flush=True,
            )
    most = found["files_a_second"]
    print(f"storage at {WORKERS[-1]} workers: {OPERATIONS * most:,.0f} operations a second")


@pytest.mark.bench
def test_the_manifest_takes_5000_records_a_second():
    assert manifest_appends()[0] > 5000


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
