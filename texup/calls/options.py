"""What may be asked of a run, whoever asks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from texup import bounds
from texup.policy.choices import (
    AlphaChoice,
    DdsChoice,
    DdsQualityChoice,
    EdgeChoice,
    GateChoice,
    GrainChoice,
    KeyChoice,
    MethodChoice,
    NormalsChoice,
    PaletteChoice,
    PngChoice,
)

Precision = Literal["auto", "fp16", "bf16", "fp32"]
TILE = (16, 4096)  # texels: least and most; smaller ones are nearly all context
OVERLAP = (0, 256)  # texels
BATCH = (1, 1 << 24)  # texels
JOBS = (1, 64)  # threads
SHARDS = (1, bounds.MANIFEST_SHARDS)
_SHARD = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")


def read_shard(text: str) -> tuple[int, int]:
    """Return what ``K/N`` stands for.

    Raises:
        ValueError: it is no part of anything.
    """
    found = _SHARD.fullmatch(text)
    number, of = (int(found[1]), int(found[2])) if found else (0, 0)
    if not SHARDS[0] <= number <= of <= SHARDS[1]:
        raise ValueError("use K/N, from 1/N to N/N, such as 2/8")
    return number, of


ENGINE = re.compile(r"local|ray(?:://[^\s/:]+:\d{1,5}|://\[[0-9A-Fa-f:]+\]:\d{1,5})?")


def read_engine(value: object, name: str = "engine") -> str:
    """Return what names an engine.

    Raises:
        ValueError: it names none.
    """
    if not isinstance(value, str) or not ENGINE.fullmatch(value):
        raise ValueError(f"{name} must be local, ray or ray://HOST:PORT, not {value!r}")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked of ``upscale`` or ``inspect``; the names are those of the command line's options."""

    scale: int | None = None
    models: tuple[str, ...] = ()
    blend: float | Literal["auto"] | None = None
    device: str = "auto"
    precision: Precision = "auto"
    tile: int | None = None
    overlap: int | None = None
    batch: int | None = None
    alpha: AlphaChoice = "auto"
    edges: tuple[EdgeChoice, EdgeChoice] = ("auto", "auto")
    """(vertical, horizontal)"""
    method: MethodChoice = "auto"
    color_fix: bool = True
    grain: GrainChoice = "auto"
    key: KeyChoice = "auto"
    gate: GateChoice = "warn"
    palette: PaletteChoice = "expand"
    png: PngChoice = "fast"
    convention: str = "auto"
    rules: Path | None = None
    normals: NormalsChoice = "resize"
    dds: DdsChoice | None = None
    dds_quality: DdsQualityChoice = "fast"
    textures_lump: bool = False
    resource_pack: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    shard: tuple[int, int] | None = None
    """Which part of the pack, from 1, and how many there are."""
    jobs: int | None = None
    copy_other: bool = False
    force: bool = False
    keep_existing: bool = False
    fail_fast: bool = False
    engine: str = "local"
    """"local", "ray", or "ray://HOST:PORT" of a cluster's head."""
    mixed: bool = False
    """Whether machines of a cluster may have other versions of texup or torch."""
