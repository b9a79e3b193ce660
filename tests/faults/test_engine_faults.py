"""Devices that run out of memory or overflow at any moment, and what the engine makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from texup.engines.device import Device
from texup.engines.engine import Job
from texup.engines.local import MIN_TILE, LocalEngine
from texup.engines.steps import PROBLEMS
from texup.packs.convention import Planned
from texup.packs.plain import PLAIN
from texup.run import Route, Run, Settings, plan_passes
from texup.textures.codecs import encode, read_texture
from texup.textures.texture import Container, Texture
from texup.upscaling import start

CPU = torch.device("cpu")
MARGIN = 8


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


def write(path: Path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(Texture(np.ascontiguousarray(pixels), Container("png"))))


@pytest.fixture(scope="module")
def pack(tmp_path_factory, wall, disc) -> Path:
    """Small textures of one size, one that takes tiles, and one whose alpha goes through the net too."""
    folder = tmp_path_factory.mktemp("pack")
    for k in range(3):
        write(folder / f"small{k}.png", wall(16, 16, seed=k))
    write(folder / "twin.png", wall(16, 16, seed=0))
    write(folder / "large.png", wall(72, 40))
    write(folder / "soft.png", np.dstack((wall(40, 40), (disc(40, 40, radius=15, soft=True) * 255).astype(np.uint8))))
    return folder


def upscaled(pack, out, model, *, plan=None, **sizes):
    """Return the outcomes by path, and the device."""
    if plan is not None:
        model = replace(model, net=Failing(model.net, plan))
    run = Run(pack, out, [], Route(plan_passes([4], 4), Settings(4, MARGIN)), lambda: None)
    jobs = [Job(Planned(p.name, "upscale", target=p.name), pack, out) for p in sorted(pack.iterdir())]
    device = Device([model], CPU, **sizes)
    found = {o.path: o for o in LocalEngine(device, 2).run(jobs, lambda job: start(job, run, PLAIN))}
    assert len(found) == len(jobs)
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


@pytest.mark.parametrize(("batch_pixels", "tile"), [(4096, 48), (1, 48), (1 << 15, 512)])
def test_memory_may_run_out_at_any_call(pack, tiny_model, undisturbed, tmp_path, batch_pixels, tile):
    k, fired = 0, True
    while fired:
        k += 1
        plan = Plan(lambda n, _, k=k: torch.OutOfMemoryError("injected") if n == k else None)
        found, device = upscaled(pack, tmp_path / str(k), tiny_model, plan=plan, batch_pixels=batch_pixels, tile=tile)
        fired = plan.failures > 0
        assert {o.outcome for o in found.values()} == {"upscaled"}
        assert_near(tmp_path / str(k), undisturbed)
        assert device.batch_pixels <= batch_pixels
        assert device.tile <= tile
        if batch_pixels > 1:
            assert ((device.batch_pixels, device.tile) != (batch_pixels, tile)) == fired
    assert k > 3


def test_memory_may_run_out_for_a_while_at_any_call(pack, tiny_model, undisturbed, tmp_path):
    k, fired = 0, True
    while fired:
        k += 1
        plan = Plan(lambda n, _, k=k: torch.OutOfMemoryError("injected") if k <= n < k + 4 else None)
        found, _ = upscaled(pack, tmp_path / str(k), tiny_model, plan=plan, batch_pixels=4096, tile=48)
        fired = plan.failures > 0
        done = {path for path, o in found.items() if o.outcome == "upscaled"}
        assert_near(tmp_path / str(k), {name: pixels for name, pixels in undisturbed.items() if name in done})
        assert {found[path].reason for path in found.keys() - done} <= {PROBLEMS["memory"]}
        assert len(done) >= 3
    assert k > 4


def test_sizes_that_did_not_fit_are_not_tried_again(pack, tiny_model, undisturbed, tmp_path):
    limit = (32 + 2 * MARGIN) ** 2
    plan = Plan(lambda _, texels: torch.OutOfMemoryError("injected") if texels > limit else None)
    _, device = upscaled(pack, tmp_path, tiny_model, plan=plan, tile=128)
    assert_near(tmp_path, undisturbed)
    assert device.tile == MIN_TILE
    assert device.batch_pixels <= 2 * limit
    assert plan.failures <= 12
    before = plan.failures
    again = LocalEngine(device, 2)
    run = Run(pack, tmp_path / "b", [], Route(plan_passes([4], 4), Settings(4, MARGIN)), lambda: None)
    large = Job(Planned("large.png", "upscale", target="large.png"), pack, tmp_path / "b")
    assert [o.outcome for o in again.run([large], lambda job: start(job, run, PLAIN))] == ["upscaled"]
    assert plan.failures <= before + 2  # a batch of several tiles may still have to be halved


def test_without_any_memory_every_texture_fails_with_one_line(pack, tiny_model, tmp_path):
    plan = Plan(lambda *_: torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB"))
    found, _ = upscaled(pack, tmp_path / "out", tiny_model, plan=plan)
    assert {o.outcome for o in found.values()} == {"failed"}
    for outcome in found.values():
        assert outcome.reason == PROBLEMS["memory"]
        assert outcome.source_sha256
    assert not (tmp_path / "out").exists()
    assert plan.failures < 60


def test_one_texture_without_memory_leaves_the_others(pack, tiny_model, undisturbed, tmp_path):
    limit = 1200  # contexts of the small ones are 32 x 32, the smallest of the large ones 36 x 36
    plan = Plan(lambda _, texels: torch.OutOfMemoryError("injected") if texels > limit else None)
    found, _ = upscaled(pack, tmp_path, tiny_model, plan=plan)
    assert {p for p, o in found.items() if o.outcome == "failed"} == {"large.png", "soft.png"}
    small = {name: pixels for name, pixels in undisturbed.items() if name not in ("large.png", "soft.png")}
    assert_near(tmp_path, small)


@pytest.mark.parametrize("error", [RuntimeError("CUDA error: out of memory"), RuntimeError("device-side assert")])
@pytest.mark.parametrize("k", [1, 2])
def test_other_errors_of_the_device_end_the_run(pack, tiny_model, tmp_path, error, k):
    plan = Plan(lambda n, _: error if n == k else None)
    with pytest.raises(RuntimeError) as caught:
        upscaled(pack, tmp_path, tiny_model, plan=plan, batch_pixels=2048)
    assert caught.value is error
    assert plan.failures == 1


def records_of(out: Path):
    """Return the last line of each path in the manifest."""
    lines = [json.loads(line) for line in (out / "texup-manifest.jsonl").read_text().splitlines()]
    return {line["path"]: line for line in lines if "path" in line}


def test_the_command_without_memory(texup, pack, weights, tmp_path, monkeypatch):
    def forward(net, planes, dtype):
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB")

    monkeypatch.setattr(Device, "_forward", staticmethod(forward))
    result = texup("upscale", pack, "-o", tmp_path / "out", "--model", weights)
    assert result.code == 3
    lines = result.err.splitlines()
    assert sorted(line.split(": ")[1] for line in lines[:-1]) == sorted(p.name for p in pack.iterdir())
    assert all("out of memory even with the smallest tiles" in line for line in lines[:-1])
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["texup-manifest.jsonl"]
    assert {r["outcome"] for r in records_of(tmp_path / "out").values()} == {"failed"}


def overflow_in(monkeypatch, *types):
    """Make nets give what is no number for planes with a red pixel of 1, in some types."""
    real = Device._forward

    def forward(net, planes, dtype):
        results = real(net, planes, dtype)
        if dtype in types:
            results[(planes[:, 0] == 1).flatten(1).any(1)] = torch.nan
        return results

    monkeypatch.setattr(Device, "_forward", staticmethod(forward))


@pytest.fixture
def bright(tmp_path, wall):
    """A pack with one tile of one texture above everything else."""
    for k in range(3):
        write(tmp_path / "in" / f"{k}.png", np.minimum(wall(20, 20, seed=k), 250))
    large = np.minimum(wall(24, 96), 250)
    large[12, 50] = 255
    write(tmp_path / "in" / "bright.png", large)
    return tmp_path / "in"


def test_an_overflow_is_done_again_and_recorded(texup, bright, weights, tmp_path, monkeypatch):
    arguments = ("--model", weights, "--overlap", "8", "--tile", "32", "--json")
    assert texup("upscale", bright, "-o", tmp_path / "wide", *arguments).code == 0
    overflow_in(monkeypatch, torch.bfloat16)
    result = texup("upscale", bright, "-o", tmp_path / "out", "--precision", "bf16", *arguments)
    assert result.code == 0
    assert json.loads(result.out)["redone"] == 1
    assert "1 with tiles redone in fp32" in result.err
    found = records_of(tmp_path / "out")
    assert found["bright.png"]["notes"] == ["1 tiles were not finite and were done again in fp32"]
    assert all(r["notes"] == [] for path, r in found.items() if path != "bright.png")
    assert {r["precision"] for r in found.values()} == {"bf16"}
    for path in found:
        ours, theirs = (read_texture(tmp_path / folder / path).pixels.astype(int) for folder in ("out", "wide"))
        assert np.abs(ours - theirs).max() <= 6
        assert np.abs(ours - theirs).mean() < 1.5


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_what_no_type_can_hold_fails_and_is_never_black(texup, bright, weights, tmp_path, monkeypatch, precision):
    overflow_in(monkeypatch, torch.bfloat16, torch.float32)
    out = tmp_path / "out"
    result = texup("upscale", bright, "-o", out, "--model", weights, "--precision", precision)
    assert result.code == 3
    (line,) = (line for line in result.err.splitlines() if line.startswith("failed"))
    assert line.startswith("failed: bright.png: the net's result is not finite even in fp32")
    assert not (out / "bright.png").exists()
    found = records_of(out)
    assert {p for p, r in found.items() if r["outcome"] == "upscaled"} == {"0.png", "1.png", "2.png"}
    assert found["bright.png"]["outcome"] == "failed"
    assert all(read_texture(out / f"{k}.png").pixels.max() > 100 for k in range(3))
