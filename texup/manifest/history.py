"""What the lines of a manifest say together, read back without trusting them.

A line that is torn, too long, of wrong types, not what its sum says or whose path leaves the pack counts for nothing.
What a record says was written is only ever looked at, never opened, replaced or removed because the record says so.
"""

from __future__ import annotations

import json
import math
import os
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from texup import bounds
from texup.errors import UsageError
from texup.manifest.record import Outcome, Result, Written, outcome_from, value_of
from texup.packs.portability import folded
from texup.packs.walk import MANIFEST_NAME

NAME = MANIFEST_NAME
SCHEMA = 2  # 1 had one target a record, always of the source's own path
FORMAT = "texup-manifest"
CLOCKS = 2.0  # seconds that the clock of a file system may be behind, or round down: FAT counts in steps of two


class LatestRecord(NamedTuple):
    """The part of the newest record of a source that resuming and verifying need, small enough for 100,000 of them."""

    source_sha256: bytes | None
    settings: str
    targets: tuple[Written, ...]
    """Empty when the file was skipped, joined or failed."""
    outcome: Result
    reason: str
    """Only why it failed."""
    is_given_up: bool = False
    """Whether it failed so that trying again would only fail again."""
    source_stamp: tuple[int, ...] = ()
    """Size and time of change of a copied source, where they are known."""
    is_fallback: bool = False
    """Whether the gate had it done again, and that was written."""
    is_unjudged: bool = False
    """Whether the gate might have it done again: nobody asked, or only for a warning."""


@dataclass(slots=True)
class History:
    """What the lines of a manifest say together."""

    latest: dict[str, LatestRecord] = field(default_factory=dict)
    """By path of the source, but for those that are gone."""
    owners: dict[str, str] = field(default_factory=dict)
    """By each file ever written, the source whose record was the last to name it."""
    written: dict[str, Written] = field(default_factory=dict)
    """By each file ever written, what the last record that names it says of it."""
    began: float | None = None
    """When the first of the newest runs that did not come to their end began, in Unix time; None where the newest did.

    The files that such a run wrote last may have no record.
    """
    first: float | None = None
    """When the first run of all began."""
    header: dict[str, Any] = field(default_factory=dict)
    """What the newest line that opens a run says, not looked into yet."""
    damaged: int = 0
    """Lines that count for nothing."""
    _by_folded: dict[str, Written] | None = None

    def add(self, record: Outcome) -> None:
        """Let a newer record take the place of what was said before."""
        self._by_folded = None
        for target in record.targets:
            self.owners[target.path] = record.path
            self.written[target.path] = target
        if record.outcome == "gone":
            self.latest.pop(record.path, None)
        else:
            self.latest[record.path] = latest_of(record)

    def mark(self, header: dict[str, Any]) -> None:
        """Take in a line that opens a run, or the one that closes it."""
        if header.get("ended") is True:
            self.began = None
            return
        self.header = header
        value = header.get("began")
        time = value if type(value) is float and math.isfinite(value) else 0.0  # early versions do not say it
        self.began = time if self.began is None else self.began
        self.first = time if self.first is None else self.first

    def may_lack_record(self, status: os.stat_result) -> bool:
        """Tell whether a file may be the result of a run that did not come to its end, or whose record is damaged."""
        since = self.first if self.damaged else self.began
        return since is not None and status.st_mtime >= since - CLOCKS

    def done(self, path: str) -> LatestRecord | None:
        """Return the newest record of a source, if it is done for good and no other record took a file from it."""
        last = self.latest.get(path)
        if last is None or last.outcome == "failed" or last.source_sha256 is None:
            return None
        return last if all(self.owners[target.path] == path for target in last.targets) else None

    def targets(self) -> dict[str, Written]:
        """Return the files that should be in the output, by path."""
        each = ((path, target) for path, last in self.latest.items() for target in last.targets)
        return {target.path: target for path, target in each if self.owners[target.path] == path}

    def last_written(self, path: str) -> Written | None:
        """Return what was last recorded of a file of the output, also of one whose name differs in case only."""
        if path in self.written:
            return self.written[path]
        if self._by_folded is None:
            self._by_folded = {folded(written.path): written for written in self.written.values()}
        return self._by_folded.get(folded(path))

    def is_recorded(self, written: Written | None) -> bool:
        """Tell whether the newest record of a source still is what says this of a file."""
        last = None if written is None else self.latest.get(self.owners[written.path])
        return last is not None and written in last.targets

    def orphans(self) -> set[str]:
        """Return the files that some run wrote and no newest record names, also not in another case."""
        targets = self.targets()
        former = self.owners.keys() - targets.keys()
        same = {folded(path) for path in targets} if former else set()
        return {path for path in former if folded(path) not in same}


def latest_of(record: Outcome) -> LatestRecord:
    """Return what is remembered of a record."""
    source = None if record.source_sha256 is None else bytes.fromhex(record.source_sha256)
    reason = (record.reason or "no reason recorded") if record.outcome == "failed" else ""
    assert record.outcome != "unchanged"
    assert record.outcome != "kept"
    return LatestRecord(
        source_sha256=source,
        settings=sys.intern(record.settings),
        targets=tuple(record.targets),
        outcome=record.outcome,
        reason=reason,
        is_given_up=bool(reason) and record.given_up,
        source_stamp=tuple(record.source_stamp or ()),
        is_fallback=record.is_fallback,
        is_unjudged=_is_unjudged(record),
    )


def _is_unjudged(record: Outcome) -> bool:
    if record.gate is None:
        return record.precision is not None
    return bool(record.gate.wrong) and record.gate.fallback == "none"


def records(out: Path, marked: Callable[[dict[str, Any]], None] = lambda _: None) -> Iterator[Outcome | None]:
    """Yield the records in ``out`` as they were appended, None for each damaged line, a torn last one included.

    Args:
        out: the output pack.
        marked: called with each line that opens or closes a run, between the records before and after it.

    Raises:
        UsageError: there is no manifest, or the file is none of texup, or of a newer one.
    """
    path = out / NAME
    _check(path)
    expects_sum = False  # lines of early versions have none; behind a header that has one, every line has
    for line in _lines(path):
        value, has_sum = value_of(line)
        if _is_header(value):
            _refuse_newer(path, value["schema"])
            expects_sum = has_sum
            marked(value)
        elif has_sum == expects_sum:
            yield outcome_from(value)
        else:
            yield None
            expects_sum = has_sum or expects_sum
            if has_sum and value is not None:  # then it is the header that is damaged
                yield outcome_from(value)


def history_of(out: Path) -> History:
    """Return what the runs so far have done in ``out``.

    Raises:
        UsageError: there is no manifest, or the file is none of texup, or of a newer one.
    """
    history = History()
    for record in records(out, history.mark):
        if record is None:
            history.damaged += 1
        else:
            history.add(record)
    return history


def is_done(last: LatestRecord | None, source_sha256: str, settings: str, out: Path) -> bool:
    """Return whether source and settings are those of the record and each target is still a file of its size.

    The content of the targets is not read: they are 16 times as large as the sources. ``texup verify`` does that.
    """
    if last is None or last.source_sha256 != bytes.fromhex(source_sha256) or last.settings != settings:
        return False
    return all(is_file(out / target.path, target.size) for target in last.targets)


def is_file(path: Path, size: int | None = None) -> bool:
    """Return whether there is a file, no link, and of the size that is asked for."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and size in (None, status.st_size)


def _check(path: Path) -> None:
    """Refuse what is no manifest before a byte of it is used or changed; a link or a pipe is none."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise UsageError(f"{path}: no file; move it away or choose another output folder")
        with path.open("rb") as file:
            first = file.readline(bounds.MANIFEST_LINE)
    except OSError as error:
        raise UsageError(f"{path}: cannot read the manifest that texup upscale writes: {error.strerror}") from error
    try:
        value = json.loads(first.decode("ascii"))  # whatever its sum says: one wrong bit shall not cost a whole pack
    except (ValueError, RecursionError):
        value = None
    if not (first.endswith(b"\n") and _is_header(value)):
        raise UsageError(f"{path}: not a manifest of texup; move it away or choose another output folder")
    _refuse_newer(path, value["schema"])


def _is_header(value: Any) -> bool:
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        return False
    return type(value.get("schema")) is int and value["schema"] > 0


def _refuse_newer(path: Path, schema: int) -> None:
    if schema > SCHEMA:
        raise UsageError(
            f"{path}: written by a newer texup (schema {schema}); update texup or choose another output folder"
        )


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines; an empty one for each that is longer than ``bounds.MANIFEST_LINE`` or has no end."""
    with path.open("rb") as file:
        whole = True
        while piece := file.readline(bounds.MANIFEST_LINE):
            if piece.endswith(b"\n"):
                yield piece if whole else b""
            whole = piece.endswith(b"\n")
        if not whole:
            yield b""
