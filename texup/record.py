"""A line of a manifest: what became of one source file, and how to read it back without trusting it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args

from texup.packs.walk import is_safe

TYPES: dict[str, tuple[type, ...]] = {
    "path": (str,),
    "outcome": (str,),
    "reason": (str, NoneType),
    "source_sha256": (str, NoneType),
    "targets": (list,),
    "settings": (str,),
    "policy": (dict,),
    "precision": (str, NoneType),
    "notes": (list,),
    "seconds": (float,),
}
SHA256 = re.compile("[0-9a-f]{64}")


Result = Literal["upscaled", "copied", "written", "joined", "skipped", "failed"]


class Written(NamedTuple):
    """A file of the output."""

    path: str
    """Relative POSIX path in the output."""
    sha256: str
    """64 hexadecimal digits."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one source file, or of a file that texup wrote without one."""

    path: str
    """Relative POSIX path of the source in its pack; of a file without source, that of the file."""
    outcome: Result
    reason: str | None
    """Why it was skipped, joined or failed."""
    source_sha256: str | None
    """64 hexadecimal digits; of several sources, the SHA-256 of their digests. None when there was none to read."""
    targets: list[Written]
    """What was written; at least one file for "upscaled", "copied" and "written"."""
    settings: str
    """Digest of everything that the pixels of the result depend on besides the source."""
    policy: dict[str, Any]
    """Plain JSON: a tuple would come back as a list."""
    precision: str | None
    notes: list[str]
    seconds: float


def record_from(value: Any) -> Record | None:
    """Return the record that a parsed JSON line holds, None when a part of it makes no sense."""
    if not isinstance(value, dict):
        return None
    value.setdefault("targets", _first_schema(value))
    if any(type(value.get(name, ...)) not in kinds for name, kinds in TYPES.items()):
        return None
    targets = [_written(target) for target in value["targets"]]
    sound_targets = [target for target in targets if target is not None]
    record = Record(**{name: value[name] for name in TYPES if name != "targets"}, targets=sound_targets)
    sound = (
        is_safe(record.path)
        and None not in targets
        and record.outcome in get_args(Result)
        and (record.source_sha256 is None or SHA256.fullmatch(record.source_sha256))
        and all(type(note) is str for note in record.notes)
        and math.isfinite(record.seconds)
        and (record.outcome not in ("upscaled", "copied") or (record.source_sha256 and targets))
    )
    return record if sound else None


def _first_schema(value: dict[str, Any]) -> list[Any]:
    """Return the one target that a record of schema 1 may have."""
    if value.get("target_sha256") is None:
        return []
    return [[value.get("path"), value["target_sha256"], value.get("target_size")]]


def _written(value: Any) -> Written | None:
    if not isinstance(value, list) or [type(part) for part in value] != [str, str, int]:
        return None
    written = Written(*value)
    return written if is_safe(written.path) and SHA256.fullmatch(written.sha256) and written.size >= 0 else None
