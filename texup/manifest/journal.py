"""What has been done to an output pack: a journal of JSON lines that resuming and verifying read back.

A header opens every run that adds something, then comes one line per source file, appended after its result has its
final name. Lines are not synced one by one: a power cut that takes the last of them only makes the next run repeat
those files. What is read back is not trusted: a line that is torn, too long, of wrong types, not what its sum says or
whose path leaves the pack counts for nothing. What a record says was written is only ever looked at, never opened,
replaced or removed because the record says so.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from texup.errors import UsageError
from texup.files import CHUNK, atomic_write, output_error, read_pieces
from texup.manifest.record import Outcome, Result, Written, line_of, outcome_from, value_of, values_of
from texup.packs.portability import folded
from texup.packs.walk import MANIFEST_NAME

NAME = MANIFEST_NAME
SCHEMA = 2  # 1 had one target a record, always of the source's own path
FORMAT = "texup-manifest"
MAX_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class RunHeader:
    """The run that wrote the records after it; every value is plain JSON."""

    schema: int
    version: str
    models: list[dict[str, str]]
    settings: dict[str, Any]
    convention: str = "plain"


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


@dataclass(slots=True)
class History:
    """What the lines of a manifest say together."""

    latest: dict[str, LatestRecord] = field(default_factory=dict)
    """By path of the source, but for those that are gone."""
    owners: dict[str, str] = field(default_factory=dict)
    """By each file ever written, the source whose record was the last to name it."""
    damaged: int = 0
    """Lines that count for nothing."""

    def add(self, record: Outcome) -> None:
        """Let a newer record take the place of what was said before."""
        for target in record.targets:
            self.owners[target.path] = record.path
        if record.outcome == "gone":
            self.latest.pop(record.path, None)
            return
        source = None if record.source_sha256 is None else bytes.fromhex(record.source_sha256)
        reason = (record.reason or "no reason recorded") if record.outcome == "failed" else ""
        targets = tuple(record.targets)
        settings, is_given_up = sys.intern(record.settings), bool(reason) and record.given_up
        assert record.outcome != "unchanged"
        self.latest[record.path] = LatestRecord(
            source_sha256=source,
            settings=settings,
            targets=targets,
            outcome=record.outcome,
            reason=reason,
            is_given_up=is_given_up,
        )

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

    def orphans(self) -> set[str]:
        """Return the files that some run wrote and no newest record names, also not in another case."""
        targets = self.targets()
        former = self.owners.keys() - targets.keys()
        same = {folded(path) for path in targets} if former else set()
        return {path for path in former if folded(path) not in same}


class Manifest:
    """The manifest of an output folder, open for appending; a context manager. The caller holds the output lock."""

    def __init__(self, out: Path, header: RunHeader) -> None:
        """Open the manifest in ``out``, made with its header if missing; a torn last line is cut off.

        Raises:
            UsageError: the file there is no manifest of texup, or of a newer one.
            OutputError: it cannot be written.
        """
        self._path = out / NAME
        self._ahead = b""
        self.history = History()
        """What earlier runs have done."""
        if os.path.lexists(self._path):
            self.history = history_of(out)
            self._ahead = line_of({"format": FORMAT, **asdict(header)})  # written with this run's first record, if any
        else:
            atomic_write(self._path, line_of({"format": FORMAT, **asdict(header)}))
        try:
            if self._path.stat().st_nlink > 1:  # also the manifest of a copy that is made of hard links
                atomic_write(self._path, read_pieces(self._path))
            whole = _whole_size(self._path)
            self._file = self._path.open("r+b", buffering=0)
            os.ftruncate(self._file.fileno(), whole)  # which goes on after a signal, as file.truncate does not
            self._file.seek(whole)
        except OSError as error:
            raise output_error(self._path, error) from error

    def append(self, record: Outcome) -> None:
        """Add one line, in one write.

        Raises:
            OutputError: it cannot be written.
        """
        rest = self._ahead + line_of(values_of(record))
        try:
            while rest:  # one round, except on a disk that fills up just here
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise output_error(self._path, error) from error
        self._ahead = b""

    def retract(self, path: str) -> None:
        """Unsay, durably, that a file is done, before its results are replaced.

        Else a run with other settings that is killed between a result and its line would leave that result under the
        old line, and where sizes do not change with the settings the next run with the old ones would believe it.

        Raises:
            OutputError: it cannot be written.
        """
        if self.history.done(path) is None:
            return
        self.append(Outcome(path=path, outcome="failed", reason="a run stopped while it was doing this again"))
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise output_error(self._path, error) from error

    def close(self) -> None:
        """Make the lines durable and close the file.

        Raises:
            OutputError: the system could not write them.
        """
        try:
            with self._file:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise output_error(self._path, error) from error

    def __enter__(self) -> Manifest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def records(out: Path) -> Iterator[Outcome | None]:
    """Yield the records in ``out`` as they were appended, None for each damaged line, a torn last one included.

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
    for record in records(out):
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
            first = file.readline(MAX_LINE)
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


def _whole_size(path: Path) -> int:
    """Return the bytes up to the last end of line."""
    size = end = 0
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            newline = piece.rfind(b"\n")
            size = end + newline + 1 if newline >= 0 else size
            end += len(piece)
    return size


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines; an empty one for each that is longer than ``MAX_LINE`` or has no end."""
    with path.open("rb") as file:
        whole = True
        while piece := file.readline(MAX_LINE):
            if piece.endswith(b"\n"):
                yield piece if whole else b""
            whole = piece.endswith(b"\n")
        if not whole:
            yield b""
