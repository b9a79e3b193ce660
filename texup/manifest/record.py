"""A line of a manifest: what became of one source file, and how to read it back without trusting it."""

from __future__ import annotations

import json
import math
import os
import re
import zlib
from dataclasses import asdict, dataclass, field, fields
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args

from texup import bounds
from texup.manifest.gating import Gate, gate_from
from texup.packs.walk import is_safe

TYPES: dict[str, tuple[type, ...]] = {
    "path": (str,),
    "outcome": (str,),
    "reason": (str, NoneType),
    "source_sha256": (str, NoneType),
    "source_stamp": (list, NoneType),
    "targets": (list,),
    "settings": (str,),
    "policy": (dict,),
    "gate": (dict, NoneType),
    "precision": (str, NoneType),
    "device": (str, NoneType),
    "twin_of": (str, NoneType),
    "redone": (int,),
    "tile": (int, NoneType),
    "given_up": (bool,),
    "seconds": (float,),
}
LATER: dict[str, Any] = {
    "source_stamp": None,
    "gate": None,
    "device": None,
    "twin_of": None,
    "redone": 0,
    "tile": None,
    "given_up": False,
}
"""What lines of earlier versions do not say, and what it then is."""
SHA256 = re.compile("[0-9a-f]{64}")
CHECK = re.compile(rb',"check":"([0-9a-f]{8})"}\r?\n\Z')
CHECK_LENGTH = len(',"check":"01234567"}\r\n')
# No system holds longer paths or larger files; they would only fill the memory.

Result = Literal["upscaled", "copied", "written", "joined", "skipped", "failed", "gone"]


class Written(NamedTuple):
    """A file of the output."""

    path: str
    """Relative POSIX path in the output."""
    sha256: str
    """64 hexadecimal digits."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one source file, or of a file that texup wrote without one; a line of the manifest."""

    path: str
    """Relative POSIX path of the source in its pack; of a file without source, that of the file."""
    outcome: Result | Literal["unchanged", "kept"]
    """"unchanged" where an earlier run has done it, "kept" where a file of the user's lies there; no line says so."""
    reason: str | None = None
    """Why it was skipped, joined, kept, failed or is gone."""
    source_sha256: str | None = None
    """64 hexadecimal digits; of several sources, the SHA-256 of their digests; for "written", of what was written.

    None when nothing was read: it could not be, or the file is skipped by its name.
    """
    source_stamp: list[int] | None = None
    """Size and time of change (nanoseconds) of a copied source, by which a later run knows it without reading it."""
    targets: list[Written] = field(default_factory=list)
    """What was written; at least one file for "upscaled", "copied" and "written"."""
    settings: str = ""
    """Digest of everything that the pixels of the result depend on besides the source; "" where nobody asks."""
    policy: dict[str, Any] = field(default_factory=dict)
    """Plain JSON: a tuple would come back as a list."""
    gate: Gate | None = None
    """What the gate says of it; None where it was not asked, or no net is meant for the texture."""
    precision: str | None = None
    """Type that nets ran in; None when none ran."""
    device: str | None = None
    """Kind of device that nets ran on, as "cpu" or "cuda"; None when none ran, or texup did not say so yet."""
    twin_of: str | None = None
    """Path of the source whose result it shares: the same picture, treated in the same way."""
    redone: int = 0
    """Tiles that were not finite and were done again in fp32."""
    tile: int | None = None
    """Side of its tiles, where memory made them smaller than the device's first."""
    given_up: bool = False
    """Whether it failed so that trying again would only take the time again."""
    tried_before: bool = False
    """Whether it failed in an earlier run and was not tried again."""
    node: str | None = None
    """The machine that did it, where a run has several."""
    shard: int | None = None
    """Number of the shard that it came in, where a run has several."""
    pixels: int = 0
    """Pixels of the result."""
    seconds: float = 0.0
    """From the start of reading to the end of writing, waiting in batches included."""

    @property
    def notes(self) -> list[str]:
        """What people should know besides the outcome."""
        twin = f"same picture as {self.twin_of}" if self.twin_of is not None else ""
        redone = f"{self.redone} tiles were not finite and were done again in fp32" if self.redone else ""
        smaller = f"memory was short: done in tiles of {self.tile}" if self.tile is not None else ""
        gate = self.gate.note if self.gate is not None else ""
        return [note for note in (twin, redone, smaller, gate) if note]

    @property
    def is_fallback(self) -> bool:
        """Whether the result is the one that the gate had made again."""
        return self.gate is not None and self.gate.is_mended

    @property
    def explanation(self) -> str:
        """The reason, as people are told it."""
        return f"tried before, --force tries again: {self.reason}" if self.tried_before else self.reason or ""


UNRECORDED = {"tried_before", "node", "shard", "pixels"}
"""What is of one run only."""


def gone(path: str) -> Outcome:
    """Return the record of what an earlier run had in its pack and the newest has not."""
    return Outcome(path=path, outcome="gone", reason="no longer in the pack")


RECORDED = tuple(part.name for part in fields(Outcome) if part.name not in UNRECORDED)


def values_of(outcome: Outcome) -> dict[str, Any]:
    """Return what a line holds of an outcome; the notes are there for people who read it."""
    values = {name: getattr(outcome, name) for name in RECORDED}  # asdict copies what is plain already
    gate = None if outcome.gate is None else asdict(outcome.gate)
    return values | {"gate": gate, "notes": outcome.notes}


def line_of(value: dict[str, Any]) -> bytes:
    """Return plain JSON values as a line that ends with a sum of its bytes."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")
    return text[:-1] + b',"check":"%08x"}\n' % zlib.crc32(text)


def value_of(line: bytes) -> tuple[Any, bool]:
    """Return what a line holds, None where it is no JSON or not what its sum says; and whether it has a sum."""
    end = CHECK.search(line, max(0, len(line) - CHECK_LENGTH))
    if end is not None and zlib.crc32(line[: end.start()] + b"}") != int(end[1], 16):
        return None, True
    try:
        return json.loads(line.decode("ascii"), parse_constant=_refuse), end is not None
    except (ValueError, RecursionError):
        return None, end is not None


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are no JSON


def outcome_from(value: Any) -> Outcome | None:
    """Return the outcome that a parsed JSON line holds, None when a part of it makes no sense."""
    if not isinstance(value, dict):
        return None
    value.setdefault("targets", _first_schema(value))
    value = LATER | value
    if any(type(value.get(name, ...)) not in kinds for name, kinds in TYPES.items()):
        return None
    if len(value["targets"]) > bounds.MANIFEST_TARGETS:
        return None
    targets = [target for target in map(_written, value["targets"]) if target is not None]
    try:
        gate = gate_from(value["gate"])
    except ValueError:
        return None
    plain = {name: value[name] for name in TYPES if name not in ("targets", "gate")}
    outcome = Outcome(**plain, targets=targets, gate=gate)
    return outcome if len(targets) == len(value["targets"]) and _makes_sense(outcome) else None


def _makes_sense(outcome: Outcome) -> bool:
    return bool(
        _is_source(outcome)
        and outcome.outcome in get_args(Result)
        and (outcome.source_sha256 is None or SHA256.fullmatch(outcome.source_sha256))
        and math.isfinite(outcome.seconds)
        and _is_stamp(outcome.source_stamp)
        and (outcome.outcome not in ("upscaled", "copied") or (outcome.source_sha256 and outcome.targets))
    )


def _first_schema(value: dict[str, Any]) -> list[Any]:
    """Return the one target that a record of schema 1 may have."""
    if value.get("target_sha256") is None:
        return []
    return [[value.get("path"), value["target_sha256"], value.get("target_size")]]


def _is_source(outcome: Outcome) -> bool:
    """Tell whether a path may be one of a pack: an unsafe character is what a file may have failed for."""
    path = outcome.path
    if outcome.outcome in ("failed", "gone"):
        path = path.replace("\\", "_").replace(":", "_")
    return _is_path(path)


def _is_path(path: str) -> bool:
    """Tell whether a path stays below its folder and this system can be asked for it."""
    try:
        return len(path) <= bounds.MANIFEST_PATH and is_safe(path) and bool(os.fsencode(path))
    except UnicodeEncodeError:
        return False  # a surrogate that stands for no byte


def _is_stamp(value: Any) -> bool:
    return value is None or [type(part) for part in value] == [int, int]


def _written(value: Any) -> Written | None:
    if not isinstance(value, list) or [type(part) for part in value] != [str, str, int]:
        return None
    written = Written(*value)
    sound = _is_path(written.path) and SHA256.fullmatch(written.sha256) and 0 <= written.size < 1 << 63
    return written if sound else None
