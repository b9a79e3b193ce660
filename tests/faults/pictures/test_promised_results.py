"""What "upscaled" promises, and memory that is decided from headers before it is taken."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from texup.engines import steps
from texup.engines.devices.device import Device
from texup.engines.devices.memory import memory_budget
from texup.engines.engine import Job, Made, Request, Task
from texup.engines.inline import InlineEngine
from texup.engines.local import LocalEngine
from texup.files import atomic_write
from texup.textures.codecs.decoders import Decoders
from texup.textures.codecs.files import encode, read_texture
from texup.upscaling import coding, reading
from texup.upscaling.pack import upscale_pack
from texup.upscaling.run import Route, Run, Settings, plan_passes

CPU = torch.device("cpu")


@pytest.fixture
def pack(tmp_path, wall) -> Path:
    """Textures of 12 x 16 and 24 x 32 pixels."""
    folder = tmp_path / "pack"
    folder.mkdir()
    Image.fromarray(wall(12, 16)).save(folder / "small.png")
    Image.fromarray(wall(24, 32)).save(folder / "large.png")
    return folder


def test_p07_what_is_called_upscaled_is_what_lies_on_the_disk(pack, tmp_path, texup, weights):
    out = tmp_path / "out"
    assert texup("upscale", pack, "-o", out, "--model", weights).code == 0
    lines = [json.loads(line) for line in (out / "texup-manifest.jsonl").read_text().splitlines()]
    found = {line["path"]: line for line in lines if line.get("outcome") == "upscaled"}
    assert found.keys() == {"small.png", "large.png"}
    for path, line in found.items():
        data = (out / path).read_bytes()
        assert line["targets"] == [[path, hashlib.sha256(data).hexdigest(), len(data)]]
        source, result = (read_texture(folder / path).pixels for folder in (pack, out))
        assert result.shape == (4 * source.shape[0], 4 * source.shape[1], 3)


def test_p07_a_file_that_reads_back_otherwise_ends_the_run(pack, tmp_path, texup, weights, monkeypatch):
    def forgetful(path, data):
        atomic_write(path, data[:-40] + bytes(1) + data[-39:])

    monkeypatch.setattr(steps, "atomic_write", forgetful)
    out = tmp_path / "out"
    result = texup("upscale", pack, "-o", out, "--model", weights)
    assert result.code == 5
    assert result.errors == result.err.splitlines()
    assert "reads back as other bytes than were written; check the disk" in result.err
    assert '"upscaled"' not in (out / "texup-manifest.jsonl").read_text()


def test_p07_a_result_of_a_wrong_size_is_not_written(pack, tmp_path, texup, weights, monkeypatch):
    def cropped(texture, **options):
        return encode(type(texture)(np.ascontiguousarray(texture.pixels[1:]), texture.container), **options)

    monkeypatch.setattr(coding, "encode", cropped)
    out = tmp_path / "out"
    result = texup("upscale", pack, "-o", out, "--model", weights)
    assert result.code == 3
    assert "failed: small.png: came out as 64 x 47 pixels for 64 x 48\n" in result.err
    assert {p.name for p in out.iterdir()} == {"texup-manifest.jsonl"}


@pytest.fixture
def run_with(pack, tmp_path, tiny_model) -> Callable[[int], Run]:
    """Makes the run that may use so many bytes."""

    def make(memory: int) -> Run:
        device = Device([tiny_model], CPU)
        route = Route(plan_passes([4], 4), Settings(4, 8))
        return Run(
            source=pack,
            out=tmp_path / str(memory),
            models=[("tiny", "0" * 64)],
            route=route,
            load_engine=lambda: LocalEngine(device, 2),
            memory=memory,
        )

    return make


def test_p15_memory_is_decided_from_the_header(run_with, tmp_path, monkeypatch):
    small, large = (reading.memory_for(*size, run_with(0).limits.growth) for size in ((12, 16), (24, 32)))
    assert small < large
    for memory, done in (
        (large, {"small.png", "large.png"}),
        (large - 1, {"small.png"}),
        (small - 1, set()),
        (0, set()),
    ):
        found = {outcome.path: outcome for outcome in upscale_pack(run_with(memory))}
        assert {path for path, outcome in found.items() if outcome.outcome == "upscaled"} == done
        assert {p.name for p in (tmp_path / str(memory)).glob("*.png")} == done
        for path in found.keys() - done:
            assert found[path].outcome == "failed"
            assert "32 x 24 pixels take about" in found[path].reason or path == "small.png"
            assert f"texup may use {memory / 1e9:.1f} GB of what is free; close programs, or use" in found[path].reason


def test_p15_nothing_is_decoded_that_does_not_fit(run_with, monkeypatch):
    asked = []

    class Never(Decoders):
        def start(self, count):
            pass

        def decode(self, *question):
            asked.append(question)

    monkeypatch.setattr("texup.upscaling.pack.Decoders", Never)
    assert {outcome.outcome for outcome in upscale_pack(run_with(1000))} == {"failed"}
    assert not asked


@dataclass
class Meter:
    """How much memory tasks have taken at once, as they count it."""

    shares: list[float] = field(default_factory=list)
    peak: float = 0.0
    most: int = 0
    lock: Lock = field(default_factory=Lock)

    def task(self, job: Job, share: float, key: bytes) -> Task:
        def upscaling():
            with self.lock:
                self.shares.append(share)
                self.peak, self.most = max(self.peak, sum(self.shares)), max(self.most, len(self.shares))
            try:
                yield [Request(np.full((24, 24, 3), 0.5, np.float32), 0, 8)]
            finally:
                with self.lock:
                    self.shares.remove(share)
            return Made((key,))

        return Task(job, "0" * 64, {}, key, 8 * 8 * 16, upscaling(), share=share)


@pytest.mark.parametrize(("share", "most"), [(0.0, 40), (0.3, 3), (0.5, 2), (0.6, 1), (7.0, 1)])
@pytest.mark.parametrize("workers", [1, 4])
def test_p15_textures_on_their_way_share_the_memory(tiny_model, tmp_path, share, most, workers):
    meter, names = Meter(), [f"{k}.png" for k in range(40)]
    all_jobs = [Job(path=name, source=tmp_path, out=tmp_path / "out", target=name) for name in names]
    engine = LocalEngine(Device([tiny_model], CPU), workers)
    keys = {job.path: str(k % 30).encode() for k, job in enumerate(all_jobs)}  # ten are twins of others
    found = list(engine.run(all_jobs, lambda job: meter.task(job, share, keys[job.path])))
    assert sorted(outcome.path for outcome in found) == sorted(names)
    assert {outcome.outcome for outcome in found} == {"upscaled"}
    assert meter.most <= most
    assert meter.peak <= max(1, share) + 1e-9
    assert not meter.shares


@pytest.mark.parametrize("engine", [InlineEngine, lambda device: LocalEngine(device, 2)])
def test_p21_an_engine_says_when_it_ends(tiny_model, engine, tmp_path):
    ended = []
    job = Job(path="a.png", source=tmp_path, out=tmp_path, target="a.png")
    outcomes = engine(Device([tiny_model], CPU)).run([job] * 3, lambda job: 1 / 0, lambda: ended.append(1))
    with pytest.raises(ZeroDivisionError):
        list(outcomes)
    assert ended == [1]


MACHINE = int(0.8 * (5_000_000 << 10))
NAMES = {"v2": ("max", "current", "inactive_file"), "v1": ("limit_in_bytes", "usage_in_bytes", "total_inactive_file")}
UNLIMITED = {"v2": "max", "v1": "9223372036854771712"}


@pytest.fixture(params=["v1", "v2"])
def budget(request, tmp_path):
    """Returns the budget of a machine on which groups, by path, have (limit, used, caches)."""
    version = request.param
    root = tmp_path / "cgroup" / ("memory" if version == "v1" else "")
    limit_name, used_name, caches_name = NAMES[version]
    (tmp_path / "meminfo").write_text("MemTotal:  9000000 kB\nMemFree:  10 kB\nMemAvailable:    5000000 kB\n")

    def budget(groups: dict[str, tuple], own="/") -> int:
        shutil.rmtree(tmp_path / "cgroup", ignore_errors=True)
        for path, (limit, used, caches) in groups.items():
            folder = root / path
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"memory.{limit_name}").write_text(f"{UNLIMITED[version] if limit is None else limit}\n")
            (folder / f"memory.{used_name}").write_text(f"{used}\n")
            (folder / "memory.stat").write_text(f"anon 1\n{caches_name} {caches}\n")
        lines = {"v1": f"5:cpu,cpuacct:/x\n4:memory:{own}\n", "v2": f"0::{own}\n"}
        (tmp_path / "own").write_text(lines[version])
        return memory_budget(tmp_path / "meminfo", tmp_path / "cgroup", tmp_path / "own")

    return budget


def test_p15_the_budget_is_what_machine_and_container_leave(budget):
    assert budget({}) == MACHINE
    assert budget({".": (3_000_000_000, 2_500_000_000, 500_000_000)}) == 800_000_000
    assert budget({".": (None, 2_500_000_000, 500_000_000)}) == MACHINE
    assert budget({".": (30_000_000_000, 0, 0)}) == MACHINE
    assert budget({".": (3_000_000_000, 3_100_000_000, 0)}) == 1 << 28  # small textures are tried in any case


def test_p15_the_budget_is_bounded_by_every_group_above_the_own(budget):
    loose, tight = (4_000_000_000, 0, 0), (2_000_000_000, 0, 0)
    assert budget({"a/b": tight, "a": loose}, own="/a/b") == 1_600_000_000
    assert budget({"a/b": loose, "a": tight}, own="/a/b") == 1_600_000_000
    assert budget({"a/b": loose, "c": tight}, own="/a/b") == 3_200_000_000
    assert budget({".": tight}, own="/docker/0123") == 1_600_000_000  # as a container sees its own group
    assert budget({"a": tight}, own="/../a") == 1_600_000_000
    assert budget({"a": tight}, own="no path: at all") == MACHINE


def test_p15_the_budget_needs_no_file_of_the_system(tmp_path):
    assert memory_budget(*[tmp_path / "none"] * 3) > 1 << 28
    assert memory_budget() >= 1 << 28


def test_p15_where_there_is_no_proc_psutil_tells_what_is_free(tmp_path, monkeypatch):
    told = SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=10_000_000_000))
    monkeypatch.setitem(sys.modules, "psutil", told)
    assert memory_budget(tmp_path / "none", tmp_path / "none") == 8_000_000_000
    monkeypatch.setitem(sys.modules, "psutil", None)  # not installed
    half = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    assert memory_budget(tmp_path / "none", tmp_path / "none") == max(1 << 28, int(0.8 * half))
