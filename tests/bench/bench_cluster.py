"""How far a run on a cluster scales: by simulation with costs that are measured here, and what breaks first.

    PYTHONPATH=. python tests/bench/bench_cluster.py [FILES]

Measured on this machine: records that the manifest takes a second, and what a file costs the driver (head, group,
shard, first result). Simulated: ``Shards`` itself gives work to 1, 8, 64 and 512 workers of unequal speed, 2 % of
which are ten times slower and 2 % of which are lost in the middle; a lost one comes back after its start.
"""

from __future__ import annotations

import heapq
import random
import struct
import sys
import tempfile
import time
import zlib
from pathlib import Path

import pytest

from texup.engines.cluster import gathering
from texup.engines.cluster.shards import Shards
from texup.engines.engine import Job
from texup.manifest.journal import Manifest, RunHeader
from texup.manifest.record import Outcome, Written

WORKERS = (1, 8, 64, 512)
RATE = 200_000.0  # texels a second of one worker: a card with the default nets, files and grain included
START = 20.0  # seconds from the loss of a worker to the next one: Python, torch, nets
OPERATIONS = 9  # of the storage for a file: open, read, header; temporary file, write, sync, rename, sync, read back


def manifest_appends(count: int = 20_000) -> tuple[float, float]:
    """Return the records that a manifest takes a second of wall time, and of CPU time."""
    policy = {"kind": "color", "method": "net", "alpha": "opaque", "edges": ["clamp", "clamp"], "grain": 0.4}
    with tempfile.TemporaryDirectory() as folder, Manifest(Path(folder), RunHeader(2, "0", [], {})) as manifest:
        records = [
            Outcome(
                path=f"textures/walls/{k:06}.png",
                outcome="upscaled",
                source_sha256="0" * 64,
                targets=[Written(f"textures/walls/{k:06}.png", "1" * 64, 123456)],
                settings="0123456789abcdef",
                policy=policy,
                precision="fp16",
                device="cuda",
            )
            for k in range(count)
        ]
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


def simulate(jobs: list[Job], count: int) -> dict[str, float]:
    """Run the jobs on so many workers; return what came of it, in simulated and in real seconds."""
    chance, now = random.Random(count), [0.0]
    shards = Shards(iter(jobs), lambda: now[0])
    weights = shards._waiting.weights
    speed, losses, busy, given, done = {}, [], 0.0, 0, 0
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
                busy += seconds
                heapq.heappush(events, (now[0] + seconds, other, path))
    work = sum(weights.values())
    ideal = work / sum(speed.values())
    return {
        "seconds": now[0],
        "efficiency": ideal / now[0],
        "losses": len(losses),
        "again": given / len(jobs) - 1,
        "files_a_second": len(jobs) / now[0],
        "driver_cpu_ms_a_file": 1e3 * (time.process_time() - began) / len(jobs),
    }


def main(count: int) -> None:
    """Print the tables."""
    wall, cpu = manifest_appends()
    print(f"manifest: {wall:,.0f} records a second of wall time, {cpu:,.0f} of CPU time")
    with tempfile.TemporaryDirectory() as name:
        jobs = pack(Path(name), count)
        print(f"{count} files")
        print("workers   hours  efficiency   lost   twice   files/s   driver ms a file")
        for workers in WORKERS:
            found = simulate(jobs, workers)
            print(
                f"{workers:>7} {found['seconds'] / 3600:>7.2f} {found['efficiency']:>10.2f} {found['losses']:>5}"
                f" {found['again']:>6.2%} {found['files_a_second']:>8.1f} {found['driver_cpu_ms_a_file']:>9.2f}"
            )
            if found["files_a_second"] > wall:
                print("              the manifest is the bound")
    most = found["files_a_second"]
    print(f"storage at {WORKERS[-1]} workers: {OPERATIONS * most:,.0f} operations a second")


@pytest.mark.bench
def test_the_manifest_takes_5000_records_a_second():
    assert manifest_appends()[0] > 5000


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
