"""The values of one call of ``upscale``: what is read, what is written, through which nets, and how."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Literal

from texup import __version__
from texup.engines.engine import Engine
from texup.errors import UsageError
from texup.manifest import SCHEMA, Header
from texup.packs.classify import AlphaChoice, EdgeChoice

PIXELS = 1  # raised whenever the same settings give other pixels, so that a resumed pack is never a mixture
SCALES = range(1, 17)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that decides the pixels of a result, besides the source and the nets."""

    scale: int
    margin: int
    """Texels of context around a texture and around its tiles."""
    alpha: AlphaChoice = "auto"
    edges: tuple[EdgeChoice, EdgeChoice] = ("auto", "auto")
    color_fix: bool = True
    palette: Literal["expand", "keep"] = "expand"
    precision: str = "auto"
    tile: int | None = None


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass through a net of the chain."""

    model: int
    scale: int


def plan_passes(scales: Sequence[int], scale: int) -> list[Pass]:
    """Return the passes that reach at least ``scale``: the chain once, then its last upscaling net again and again.

    Raises:
        UsageError: the scale is out of bounds, or no net of the chain enlarges.
    """
    if scale not in SCALES:
        raise UsageError(f"--scale {scale} is not possible; use a whole number from {SCALES[0]} to {SCALES[-1]}")
    passes = [Pass(k, s) for k, s in enumerate(scales)]
    again = next((p for p in reversed(passes) if p.scale > 1), None)
    while prod(p.scale for p in passes) < scale:
        if again is None:
            raise UsageError(f"--scale {scale}: none of the chosen models enlarges; add one that does")
        passes.append(again)
    return passes


@dataclass(frozen=True, slots=True)
class Run:
    """One call of ``upscale``: what is read, what is written, and how."""

    source: Path
    """A folder for ``upscale_pack``, a file for ``upscale_file``."""
    out: Path
    models: Sequence[tuple[str, str]]
    """Name and SHA-256 of each net of the chain."""
    passes: Sequence[Pass]
    settings: Settings
    load_engine: Callable[[], Engine]
    """Loads the weights and makes the engine, once; called late when a finished pack may not need it."""
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    copy_other: bool = False
    force: bool = False
    """Do everything again, and write into a folder that texup did not make."""
    fail_fast: bool = False

    def digest(self) -> str:
        """Return 16 hexadecimal digits that differ whenever the pixels of a result may."""
        facts = {"pixels": PIXELS, "models": [sha256 for _, sha256 in self.models], **asdict(self.settings)}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def header(self) -> Header:
        """Return the manifest's header."""
        models = [{"name": name, "sha256": sha256} for name, sha256 in self.models]
        return Header(SCHEMA, __version__, models, json.loads(json.dumps(asdict(self.settings))))
