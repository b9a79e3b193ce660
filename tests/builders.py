"""What tests are made of: pictures as files, packs in memory, plans, tiny nets, and runs of an engine.

Plain functions, so that a test says with which values it works; what takes long to make is a fixture instead. Import
them relative to the test (``from ..builders import pack_of``): tests are no installed package.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import nn

from texup.conventions.convention import Convention, Planned, Wishes
from texup.conventions.plain import PLAIN
from texup.engines.engine import Engine, Job
from texup.errors import UnreadableTexture
from texup.manifest.record import Outcome
from texup.models.kinds import KINDS
from texup.models.model import UpscaleModel
from texup.packs.pack import Finding, Pack
from texup.packs.walk import MANIFEST_NAME, NOT_SELECTED, Entry
from texup.textures.codecs.files import SUFFIXES, encode
from texup.textures.codecs.png import SIGNATURE
from texup.textures.seams import Edge
from texup.textures.texture import Container, Texture
from texup.upscaling.run import Route, Run, Settings, plan_passes
from texup.upscaling.starting import start

EDGES = get_args(Edge)


# Run in a process before texup: something happens once so many results have got their names, and no record of the last.
AT_RESULT = """
import os, pathlib, shutil
real, seen = os.replace, []
def replace(old, new):
    real(old, new)
    if str(new).endswith(".png"):
        seen.append(new)
        if len(seen) == {count}:
            {what}
os.replace = replace
"""


def encoded(pixels, format_="png", **facts) -> bytes:
    """Return a file of pixels (H, W, C); ``facts`` are those of its container."""
    bits = facts.pop("bits", pixels.dtype.itemsize * 8)
    return encode(Texture(np.ascontiguousarray(pixels), Container(format_, bits=bits, **facts)))


def picture(width=4, height=4, channels=4, format_="png", *, value=0, **facts) -> bytes:
    """Return a file whose pixels all have one value."""
    return encoded(np.full((height, width, channels), value, np.uint8), format_, **facts)


def noise(seed: int, side=8, *, channels=3, format_="png") -> bytes:
    """Return a square file of noise, another one for each seed."""
    return encoded(np.random.default_rng(seed).integers(0, 256, (side, side, channels), np.uint8), format_)


def write_picture(path: Path, pixels, container: Container | None = None) -> None:
    """Write pixels to a file as its suffix or ``container`` says, with folders; as indices where that has a palette."""
    container = container or Container(SUFFIXES[path.suffix.lower()], pixels.dtype.itemsize * 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    texture = Texture(np.ascontiguousarray(pixels), container)
    path.write_bytes(encode(texture, indexed=container.palette is not None))


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG with its length and sum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_head(width: int, height: int) -> bytes:
    """Return an RGBA PNG without pixels: enough for whoever asks for its size, and as quick for any size."""
    size = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return SIGNATURE + png_chunk(b"IHDR", size) + png_chunk(b"IDAT", zlib.compress(b""))


def pack_of(
    files: Mapping[str, bytes | None] | Iterable[str],
    place: tuple[str, ...] = ("home", "player", "pack"),
    *,
    content: bytes = b"",
    left_out: Collection[str] = (),
) -> Pack:
    """Return a pack that lies in memory.

    Args:
        files: paths with their bytes, in the order of the walk, None for what cannot be read; or paths alone.
        place: names of the folders down to the pack.
        content: the bytes of every file that is given as a path alone.
        left_out: paths that the user did not select.
    """
    held = dict(files) if isinstance(files, Mapping) else dict.fromkeys(files, content)

    def read(path: str, limit: int | None) -> bytes:
        data = held[path]
        if data is None:
            raise UnreadableTexture("cannot read", path)
        return data[:limit]

    def entry(path: str) -> Entry:
        is_texture = f".{path.rpartition('.')[2].lower()}" in SUFFIXES
        kind, selected = "texture" if is_texture else "other", path not in left_out
        reason = None if selected else NOT_SELECTED
        return Entry(path, len(held[path] or b""), kind, reason, selected=selected)

    return Pack([entry(path) for path in held], place, read)


def plans_of(convention: Convention, pack: Pack, **wishes) -> tuple[dict[str, Planned], list[Finding]]:
    """Return the plans by path, and the findings.

    It also checks what holds for every plan: one for each file, and a reason wherever a file is not upscaled or copied.
    """
    items = list(convention.plan(pack, Wishes(**wishes)))
    plans = [item for item in items if isinstance(item, Planned)]
    assert sorted(plan.path for plan in plans) == sorted(entry.path for entry in pack.entries)
    assert not [plan.path for plan in plans if not plan.reason and plan.action not in ("upscale", "copy")]
    return {plan.path: plan for plan in plans}, [item for item in items if isinstance(item, Finding)]


def said(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Return severity and path of each finding."""
    return [(finding.severity, finding.path) for finding in findings]


TINY = {
    "RRDBNet": {"num_feat": 8, "num_block": 1, "num_grow_ch": 4},
    "SRResNet": {"num_feat": 8, "num_block": 1},
    "MSRResNet": {"num_feat": 8, "num_block": 1},
    "SPAN": {"num_feat": 4},
    "SpanPlus": {"num_feat": 4, "num_block": 1},
    "RealPLKSR": {"num_feat": 8, "num_block": 1, "num_large": 2, "kernel_size": 5},
    "KernelPrediction": {"num_feat": 4, "num_conv": 1},
    "SRVGGNetCompact": {"num_feat": 4, "num_conv": 1},
}
"""Numbers of the smallest net of each architecture that is still one."""


def tiny_net(name="SRVGGNetCompact", *, seed=0, **hyper) -> nn.Module:
    """Return a net of random weights, always the same for one seed; ``hyper`` goes before the smallest numbers."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return KINDS[name].net(**{**TINY[name], **hyper}).eval()


def run_for(source: Path, out: Path, models: Sequence[UpscaleModel], scale=4, *, margin=8, **settings) -> Run:
    """Return the run of a folder through a chain of models; it loads no engine, for tests bring their own."""
    route = Route(plan_passes([model.scale for model in models], scale), Settings(scale, margin, **settings))
    names = [(model.name, model.sha256) for model in models]
    return Run(source=source, out=out, models=names, route=route, load_engine=lambda: None)


def jobs_of(run: Run) -> list[Job]:
    """Return a job for each file of a flat folder, in the order of their names."""
    names = sorted(path.name for path in run.source.iterdir())
    return [Job(path=name, source=run.source, out=run.out, target=name) for name in names]


def outcomes_of(engine: Engine, run: Run, jobs: Iterable[Job | Outcome] | None = None) -> dict[str, Outcome]:
    """Return what an engine makes of a flat folder, or of ``jobs`` in their order; each has exactly one outcome."""
    items = list(jobs_of(run) if jobs is None else jobs)
    found = list(engine.run(items, lambda job: start(job, Planned(job.path, "upscale", target=job.target), run, PLAIN)))
    assert sorted(outcome.path for outcome in found) == sorted(item.path for item in items)
    return {outcome.path: outcome for outcome in found}


def records_of(out: Path) -> dict[str, dict]:
    """Return the last line of each path in the manifest of a folder; every line must be whole."""
    lines = [json.loads(line) for line in (out / MANIFEST_NAME).read_text("utf-8").splitlines()]
    return {line["path"]: line for line in lines if "path" in line}
