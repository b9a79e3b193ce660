"""What became of one run: what ``texup.upscale`` returns, and ``texup upscale --json`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from texup.manifest.gating import FallbackResult, GateScores
from texup.packs.pack import Finding
from texup.upscaling.run import Settings


@dataclass(frozen=True, slots=True)
class UsedModel:
    """A net of a run; of a blend, both names and the share."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class FileReason:
    """A file of a pack, and why it stands in a list."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileGate:
    """A file whose result looks wrong, or did before it was done again, and what the gate says of it."""

    path: str
    scores: GateScores
    wrong: Sequence[str]
    fallback: FallbackResult
    other: GateScores | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSum:
    """What one machine of a cluster did in a run."""

    node: str
    device: str
    files: int
    failed: int
    megapixels: float
    seconds: float
    """From the run's begin to the newest file from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What became of one run; ``docs/json.md`` has the meaning of every field."""

    output: Path
    format: str
    """Id of the convention that was written by."""
    scale: int
    models: Sequence[UsedModel]
    settings: Settings
    counts: Mapping[str, int]
    """Files by what became of them, as "upscaled"; what did not occur is left out."""
    twins: int
    redone: int
    failures: Sequence[FileReason]
    gate: Sequence[FileGate]
    kept: Sequence[FileReason]
    plan: Sequence[Finding]
    check: Sequence[Finding]
    seconds: float
    megapixels: float
    archive: Path | None
    orphans: Sequence[str]
    nodes: Sequence[NodeSum] = ()
    """The machines of a cluster; none where the run had only its own."""
    url: str | None = None
    """Where in an object store the output was put; ``output`` is then its copy on this machine."""

    @property
    def is_sound(self) -> bool:
        """Whether no texture failed and the loader's rules found no error in the output."""
        return not self.failures and all(finding.severity != "error" for finding in self.check)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        places = {"output": str(self.output), "archive": None if self.archive is None else str(self.archive)}
        return asdict(self) | places
