"""A line of a manifest: what became of one source file, and how to read it back without trusting it."""

from __future__ import annotations

import json
import math
import os
import re
import zlib
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
    "device": (str, NoneType),
}
SHA256 = re.compile("[0-9a-f]{64}")
CHECK = re.compile(rb',"check":"([0-9a-f]{8})"}\r?\n\Z')
CHECK_LENGTH = len(',"check":"01234567"}\r\n')
# No system holds longer paths or larger files; they would only fill the memory.
MAX_PATH, MAX_TARGETS, MAX_SIZE = 4096, 64, 1 << 63

GIVEN_UP = "trying again only takes the time again"
"""The note of a failure that stays one while source and settings are the same."""

Result = Literal["upscaled", "copied", "written", "joined", "skipped", "failed", "gone"]


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
    """Why it was skipped, joined, failed or is gone."""
    source_sha256: str | None
    """64 hexadecimal digits; of several sources, the SHA-256 of their digests; for "written", of what was written.

    None when there was nothing to read.
    """
    targets: list[Written]
    """What was written; at least one file for "upscaled", "copied" and "written"."""
    settings: str
    """Digest of everything that the pixels of the result depend on besides the source."""
    policy: dict[str, Any]
    """Plain JSON: a tuple would come back as a list."""
    precision: str | None
    notes: list[str]
    seconds: float
    device: str | None = None
    """Kind of device that nets ran on, as "cpu" or "cuda"; None when none ran, or texup did not say so yet."""


def gone(path: str) -> Record:
    """Return the record of what an earlier run had in its pack and the newest has not."""
    return Record(path, "gone", "no longer in the pack", None, [], "", {}, None, [], 0.0)


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


def record_from(value: Any) -> Record | None:
    """Return the record that a parsed JSON line holds, None when a part of it makes no sense."""
    if not isinstance(value, dict):
        return None
    value.setdefault("targets", _first_schema(value))
    value.setdefault("device", None)
    if any(type(value.get(name, ...)) not in kinds for name, kinds in TYPES.items()):
        return None
    if len(value["targets"]) > MAX_TARGETS:
        return None
    targets = [_written(target) for target in value["targets"]]
    sound_targets = [target for target in targets if target is not None]
    record = Record(**{name: value[name] for name in TYPES if name != "targets"}, targets=sound_targets)
    sound = (
        _is_source(record)
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


def _is_source(record: Record) -> bool:
    """Tell whether a path may be one of a pack: an unsafe character is what a file may have failed for."""
    path = record.path
    if record.outcome in ("failed", "gone"):
        path = path.replace("\\", "_").replace(":", "_")
    return _is_path(path)


def _is_path(path: str) -> bool:
    """Tell whether a path stays below its folder and this system can be asked for it."""
    try:
        return len(path) <= MAX_PATH and is_safe(path) and bool(os.fsencode(path))
    except UnicodeEncodeError:
        return False  # a surrogate that stands for no byte


def _written(value: Any) -> Written | None:
    if not isinstance(value, list) or [type(part) for part in value] != [str, str, int]:
        return None
    written = Written(*value)
    sound = _is_path(written.path) and SHA256.fullmatch(written.sha256) and 0 <= written.size < MAX_SIZE
    return written if sound else None
