"""Whether an output pack still is what texup wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from texup.files import leftovers, sha256_of
from texup.manifest import NAME, records
from texup.packs.walk import Entry, walk
from texup.record import Written

Problem = Literal["missing", "changed", "extra", "failed"]


class Finding(NamedTuple):
    """A difference between an output pack and its manifest."""

    path: str
    problem: Problem
    detail: str


def verify(out: Path) -> Iterator[Finding]:
    """Read every file of ``out`` again and yield each difference from the manifest; nothing is repaired.

    No recorded path is ever opened: the folder is walked, and what is found there is looked up.

    Raises:
        UsageError: there is no manifest that this texup can read.
    """
    targets, failed, damaged = _expected(out)
    if damaged:
        yield Finding(NAME, "changed", f"{damaged} damaged lines were ignored")
    for name, reason in failed.items():
        yield Finding(name, "failed", reason)
    for entry in walk(out):
        difference = _compared(out, entry, targets.pop(entry.path, None))
        if difference is not None:
            yield difference
    for leftover in leftovers(out):
        yield Finding(leftover.relative_to(out).as_posix(), "extra", "leftover of an interrupted run")
    for name in sorted(targets):
        yield Finding(name, "missing", "recorded, but not there")


def _expected(out: Path) -> tuple[dict[str, tuple[bytes, int]], dict[str, str], int]:
    """Return (SHA-256, size) of each recorded target, the reason of each failure, and how many lines were damaged."""
    written: dict[str, list[Written]] = {}
    failed: dict[str, str] = {}
    damaged = 0
    for record in records(out):
        if record is None:
            damaged += 1
            continue
        written[record.path] = record.targets
        failed.pop(record.path, None)
        if record.outcome == "failed":
            failed[record.path] = record.reason or "no reason recorded"
    targets = {t.path: (bytes.fromhex(t.sha256), t.size) for each in written.values() for t in each}
    return targets, failed, damaged


def _compared(out: Path, entry: Entry, target: tuple[bytes, int] | None) -> Finding | None:
    if target is None:
        return Finding(entry.path, "extra", entry.reason or "not in the manifest")
    sha256, size = target
    if entry.kind == "refused":
        return Finding(entry.path, "changed", entry.reason or "refused")
    if entry.size != size:
        return Finding(entry.path, "changed", f"{entry.size} bytes instead of {size}")
    try:
        same = sha256_of(out / entry.path) == sha256.hex()
    except OSError as error:
        return Finding(entry.path, "changed", f"cannot be read: {error.strerror}")
    return None if same else Finding(entry.path, "changed", "other content than was written")
