"""Memory that runs out at any moment, on the device or beside it: smaller tiles, the same pixels, one file at most."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from texup.engines.devices.device import Device
from texup.engines.engine import Job
from texup.engines.local import MIN_TILE, LocalEngine
from texup.engines.steps import PROBLEMS
from texup.textures.codecs.files import read_texture

from ..builders import outcomes_of, records_of, run_for, write_picture

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
MARGIN = 8
# What torch 2.13 says when malloc fails: a plain RuntimeError.
CPU_TEXT = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate"
    " 11520000 bytes. Error code 12 (Cannot allocate memory)"
)
SHORTAGES = {
    "cuda": lambda: torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB"),
    "torch": lambda: RuntimeError(CPU_TEXT),
    "numpy": lambda: MemoryError("Unable to allocate 2.00 GiB for an array"),
    "cublas": lambda: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    "kernels": lambda: torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
    "amd": lambda: torch.AcceleratorError("HIP error: out of memory"),
    "intel": lambda: RuntimeError("Native API failed. Native API returns: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)"),
    "mps": lambda: RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
}


@dataclass
class Plan:
    """When a net fails; the copies of the net that a device makes share it."""

    fails: Callable[[int, int], BaseException | None]
    """From the number of the call, from 1, and its texels, to the error to raise."""
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    failures: int = 0

    def __deepcopy__(self, memo):
        return self


class Failing(nn.Module):
    def __init__(self, net, plan):
        super().__init__()
        self.net, self.plan = net, plan

    def forward(self, x):
        error = self.plan.fails(next(self.plan.numbers), x.shape[0] * x.shape[2] * x.shape[3])
        if error is not None:
            self.plan.failures += 1
            raise error
        return self.net(x)


@pytest.fixture(scope="module")
def pack(tmp_path_factory, wall, disc) -> Path:
    """Small textures of one size, one that takes tiles, and one whose alpha goes through the net too."""
    folder = tmp_path_factory.mktemp("pack")
    for k in range(3):
        write_picture(folder / f"small{k}.png", wall(16, 16, seed=k))
    write_picture(folder / "twin.png", wall(16, 16, seed=0))
    write_picture(folder / "large.png", wall(72, 40))
    write_picture(
        folder / "soft.png", np.dstack((wall(40, 40), (disc(40, 40, radius=15, soft=True) * 255).astype(np.uint8)))
    )
    return folder


def upscaled(pack, out, model, *, plan=None, **sizes):
    """Return the outcomes by path, and the device."""
    if plan is not None:
        model = replace(model, net=Failing(model.net, plan))
    device = Device([model], CPU, **sizes)
    found = outcomes_of(LocalEngine(device, 2), run_for(pack, out, [model], margin=MARGIN))
    return found, device


@pytest.fixture(scope="module")
def undisturbed(pack, tiny_model, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    upscaled(pack, out, tiny_model, tile=512)
    return {p.name: read_texture(p).pixels.astype(int) for p in out.iterdir()}


def assert_near(out, undisturbed):
    assert {p.name for p in out.iterdir()} == set(undisturbed)
    for name, pixels in undisturbed.items():
        found = read_texture(out / name).pixels.astype(int)
        assert np.abs(found[..., :3] - pixels[..., :3]).max() <= 1, name
        np.testing.assert_allclose(found[..., 3:], pixels[..., 3:], atol=1)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("batch_pixels", "tile", "kind"),
    [(4096, 48, "cuda"), (1, 48, "torch"), (1 << 15, 512, "numpy"), (4096, 512, "torch")],
)
def test_p17_memory_may_run_out_at_any_call(pack, tiny_model, undisturbed, tmp_path, batch_pixels, tile, kind):
    k, fired = 0, True
    while fired:
        k += 1
        plan = Plan(lambda n, _, k=k: SHORTAGES[kind]() if n == k else None)
        found, device = upscaled(pack, tmp_path / str(k), tiny_model, plan=plan, batch_pixels=batch_pixels, tile=tile)
        fired = plan.failures > 0
        assert {o.outcome for o in found.values()} == {"upscaled"}
        assert_near(tmp_path / str(k), undisturbed)
        assert device.batch_pixels <= batch_pixels
        assert device.tile <= tile
        if batch_pixels > 1:
            assert ((device.batch_pixels, device.tile) != (batch_pixels, tile)) == fired
    assert k > 3


def test_p17_memory_may_run_out_for_a_while_at_any_call(pack, tiny_model, undisturbed, tmp_path):
    k, fired = 0, True
    while fired:
        k += 1
        plan = Plan(lambda n, _, k=k: SHORTAGES["torch"]() if k <= n < k + 4 else None)
        found, _ = upscaled(pack, tmp_path / str(k), tiny_model, plan=plan, batch_pixels=4096, tile=48)
        fired = plan.failures > 0
        done = {path for path, o in found.items() if o.outcome == "upscaled"}
        assert_near(tmp_path / str(k), {name: pixels for name, pixels in undisturbed.items() if name in done})
        assert {found[path].reason for path in found.keys() - done} <= {PROBLEMS["memory"]}
        assert len(done) >= 3
    assert k > 4


def test_p17_sizes_that_did_not_fit_are_not_tried_again(pack, tiny_model, undisturbed, tmp_path):
    limit = (32 + 2 * MARGIN) ** 2
    plan = Plan(lambda _, texels: SHORTAGES["torch"]() if texels > limit else None)
    found, device = upscaled(pack, tmp_path, tiny_model, plan=plan, tile=128)
    assert_near(tmp_path, undisturbed)
    notes = {path: o.notes for path, o in found.items() if not path.startswith(("small", "twin"))}
    assert set(notes) == {"large.png", "soft.png"}
    assert all(re.fullmatch(r"memory was short: done in tiles of (32|36)", note) for (note,) in notes.values())
    assert all("memory" not in note for o in found.values() if o.path not in notes for note in o.notes)
    assert MIN_TILE <= device.tile <= 36
    assert device.batch_pixels <= 2 * limit
    assert plan.failures <= 12
    before = plan.failures
    run = run_for(pack, tmp_path / "b", [tiny_model], margin=MARGIN)
    large = Job(path="large.png", source=pack, out=tmp_path / "b", target="large.png")
    assert outcomes_of(LocalEngine(device, 2), run, [large])["large.png"].outcome == "upscaled"
    assert plan.failures <= before + 2  # a batch of several tiles may still have to be halved


@pytest.mark.parametrize("kind", SHORTAGES)
def test_p17_without_any_memory_every_texture_fails_with_one_line(pack, tiny_model, tmp_path, kind):
    plan = Plan(lambda *_: SHORTAGES[kind]())
    found, _ = upscaled(pack, tmp_path / "out", tiny_model, plan=plan)
    assert {o.outcome for o in found.values()} == {"failed"}
    for outcome in found.values():
        assert outcome.reason == PROBLEMS["memory"]
        assert outcome.source_sha256
    assert not (tmp_path / "out").exists()
    assert plan.failures < 60


def test_p17_one_texture_without_memory_leaves_the_others(pack, tiny_model, undisturbed, tmp_path):
    limit = 1200  # contexts of the small ones are 32 x 32, the smallest of the large ones 36 x 36
    plan = Plan(lambda _, texels: torch.OutOfMemoryError("injected") if texels > limit else None)
    found, _ = upscaled(pack, tmp_path, tiny_model, plan=plan)
    assert {p for p, o in found.items() if o.outcome == "failed"} == {"large.png", "soft.png"}
    small = {name: pixels for name, pixels in undisturbed.items() if name not in ("large.png", "soft.png")}
    assert_near(tmp_path, small)


@pytest.mark.parametrize("kind", ["cuda", "torch"])
def test_p17_the_command_without_memory(texup, pack, weights, tmp_path, monkeypatch, kind):
    def forward(net, planes, told):
        raise SHORTAGES[kind]()

    monkeypatch.setattr(Device, "_forward", staticmethod(forward))
    result = texup("upscale", pack, "-o", tmp_path / "out", "--model", weights)
    assert result.code == 3
    lines = result.err.splitlines()
    assert sorted(line.split(": ")[1] for line in lines[:-1]) == sorted(p.name for p in pack.iterdir())
    assert all("out of memory even with the smallest tiles" in line for line in lines[:-1])
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["texup-manifest.jsonl"]
    assert {r["outcome"] for r in records_of(tmp_path / "out").values()} == {"failed"}


STEPS = {  # where a file's own memory may be short: function -> how often it is called for the pack below
    "texup.upscaling.reading.read_file": 4,
    "texup.upscaling.pixels.split": 4,
    "texup.upscaling.pixels._request": 4,
    "texup.upscaling.pixels.merge": 4,
    "texup.upscaling.coding.encode": 4,
    "texup.engines.steps.atomic_write": 4,
    "texup.engines.batching.place": 4,
}


@pytest.mark.parametrize("calls", [(1, 4, 5), pytest.param((2, 3), marks=pytest.mark.slow)])
@pytest.mark.parametrize("step", STEPS)
def test_p17_a_file_that_memory_does_not_hold_fails_alone(texup, weights, wall, tmp_path, monkeypatch, step, calls):
    """At the first call, the last, and beyond it; at the others in the long run."""
    for k in range(4):
        write_picture(tmp_path / "in" / f"{k}.png", wall(16, 16, seed=k))
    arguments = ("upscale", tmp_path / "in", "--model", weights, "--overlap", "8", "--device", "cpu", "--quiet")
    assert texup(*arguments, "-o", tmp_path / "whole").code == 0
    module, _, name = step.rpartition(".")
    real = getattr(importlib.import_module(module), name)
    for k in calls:
        numbers, out = count(1), tmp_path / str(k)

        def short(*arguments, k=k, numbers=numbers, **named):
            if next(numbers) == k:
                raise MemoryError("Unable to allocate 2.00 GiB for an array")
            return real(*arguments, **named)

        with monkeypatch.context() as patch:
            patch.setattr(step, short)
            result = texup(*arguments, "-o", out)
        fired = k <= STEPS[step]
        assert (result.code, result.err.count("\n")) == ((3, 1) if fired else (0, 0)), result.err
        assert ("not enough memory to read or write it; free some, or use --jobs 1" in result.err) == fired
        outcomes = Counter(record["outcome"] for record in records_of(out).values())
        assert outcomes == Counter(upscaled=4 - fired, failed=fired) - Counter()
        assert texup(*arguments, "-o", out).code == 0
        assert {p.name: p.read_bytes() for p in out.glob("*.png")} == {
            p.name: p.read_bytes() for p in (tmp_path / "whole").glob("*.png")
        }


@pytest.mark.parametrize("kind", ["torch", "numpy", "cuda"])
def test_p17_weights_that_memory_does_not_hold_are_refused(texup, pack, weights, tmp_path, monkeypatch, kind):
    def copied(net):
        raise SHORTAGES[kind]()

    monkeypatch.setattr("texup.engines.devices.device.copy.deepcopy", copied)
    result = texup("upscale", pack, "-o", tmp_path / "out", "--model", weights)
    assert (result.code, result.errors) == (
        2,
        ["texup: error: device cpu: no memory for the weights; free some or use another --device"],
    )
    assert not (tmp_path / "out").exists()


LIMITED = """
import resource, sys
from pathlib import Path
from texup.cli import main

def run(*arguments):
    sys.argv = ["texup", "upscale", *arguments, "--overlap", "8", "--device", "cpu", "--jobs", "2"]
    try:
        main.run()
    except SystemExit as done:
        return int(done.code)

weights, pack, out, extra = sys.argv[1:5]
assert run(pack, "-o", out + "-warm", "--model", weights, "--exclude", "huge*") == 0  # everything is loaded now
size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + int(extra) * 2**20,) * 2)
sys.exit(run(pack, "-o", out, "--model", weights))
"""


def run_limited(weights, pack, out, mebibytes) -> subprocess.CompletedProcess:
    program = [sys.executable, "-c", LIMITED, *map(str, (weights, pack, out, mebibytes))]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def huge(tmp_path_factory, wall) -> Path:
    """Small textures and one whose result takes some 400 MB on its way."""
    folder = tmp_path_factory.mktemp("huge") / "in"
    for k in range(4):
        write_picture(folder / f"{k}.png", wall(16, 16, seed=k))
    write_picture(folder / "huge.png", wall(1000, 1000))
    return folder


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS and /proc are Linux's")
@pytest.mark.parametrize(
    "mebibytes", [220, *(pytest.param(size, marks=pytest.mark.slow) for size in range(140, 540, 40))]
)
def test_p17_a_process_that_really_has_no_memory(weights, huge, tmp_path, mebibytes):
    out = tmp_path / "out"
    done = run_limited(weights, huge, out, mebibytes)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 3), done.stderr
    found = {path: record["outcome"] for path, record in records_of(out).items()}
    assert {found[f"{k}.png"] for k in range(4)} == {"upscaled"}
    assert (found["huge.png"] == "upscaled") == (done.returncode == 0) == (out / "huge.png").exists()
    if done.returncode == 3:
        assert "memory" in next(line for line in done.stderr.splitlines() if "huge.png" in line)
    assert not list(out.rglob(".texup-*.tmp"))
