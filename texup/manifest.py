"""What has been done to an output pack: a journal of JSON lines that resuming and verifying read back.

A header opens every run that adds something, then comes one line per source file, appended after its result has its
final name. Lines are not synced one by one: a power cut that takes the last of them only makes the next run repeat
those files. What is read back is not trusted: a line that is torn, too long, of wrong types or whose path leaves the
pack counts for nothing.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from texup.errors import UsageError
from texup.files import CHUNK, atomic_write, output_error
from texup.packs.walk import MANIFEST_NAME
from texup.record import Record, Result, record_from

NAME = MANIFEST_NAME
SCHEMA = 2  # 1 had one target a record, always of the source's own path
FORMAT = "texup-manifest"
MAX_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class Header:
    """The run that wrote the records after it; every value is plain JSON."""

    schema: int
    version: str
    models: list[dict[str, str]]
    settings: dict[str, Any]
    convention: str = "plain"


class Finished(NamedTuple):
    """The part of a record that resuming needs, small enough for 100,000 of them."""

    source_sha256: bytes
    settings: str
    targets: tuple[tuple[str, int], ...]
    """Path in the output and bytes of each; none when the file was skipped."""
    outcome: Result


class Manifest:
    """The manifest of an output folder, open for appending; a context manager. The caller holds the output lock."""

    def __init__(self, out: Path, header: Header) -> None:
        """Open the manifest in ``out``, made with its header if missing; a torn last line is cut off.

        Raises:
            UsageError: the file there is no manifest of texup, or of a newer one.
            OutputError: it cannot be written.
        """
        self._path = out / NAME
        self._ahead = b""
        if os.path.lexists(self._path):
            _check(self._path)
            self._ahead = _line({"format": FORMAT, **asdict(header)})  # written with this run's first record, if any
        else:
            atomic_write(self._path, _line({"format": FORMAT, **asdict(header)}))
        try:
            whole = _whole_size(self._path)
            self._file = self._path.open("r+b", buffering=0)
            self._file.truncate(whole)
            self._file.seek(whole)
        except OSError as error:
            raise output_error(self._path, error) from error

    def append(self, record: Record) -> None:
        """Add one line, in one write.

        Raises:
            OutputError: it cannot be written.
        """
        rest = self._ahead + _line(asdict(record))
        try:
            while rest:  # one round, except on a disk that fills up just here
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise output_error(self._path, error) from error
        self._ahead = b""

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


def records(out: Path) -> Iterator[Record | None]:
    """Yield the records in ``out`` as they were appended, None for each damaged line; a torn last line is left out.

    Raises:
        UsageError: there is no manifest, or the file is none of texup, or of a newer one.
    """
    path = out / NAME
    _check(path)
    for line in _lines(path):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if _is_header(value):
            _refuse_newer(path, value["schema"])
        else:
            yield record_from(value)


def finished(out: Path) -> dict[str, Finished]:
    """Return what earlier runs have done for good in ``out``, by path.

    The last line of a path wins, and failed files are left out. Without a manifest there is nothing.

    Raises:
        UsageError: the file is no manifest of texup, or of a newer one.
    """
    done: dict[str, Finished] = {}
    if not os.path.lexists(out / NAME):
        return done
    for record in records(out):
        if record is None:
            continue
        done.pop(record.path, None)
        if record.outcome != "failed" and record.source_sha256 is not None:
            source = bytes.fromhex(record.source_sha256)
            targets = tuple((target.path, target.size) for target in record.targets)
            done[record.path] = Finished(source, sys.intern(record.settings), targets, record.outcome)
    return done


def is_done(entry: Finished | None, source_sha256: str, settings: str, out: Path) -> bool:
    """Return whether source and settings are those of the record and each target is still a file of its size.

    The content of the targets is not read; :func:`texup.verification.verify` does that.
    """
    if entry is None or entry.source_sha256.hex() != source_sha256 or entry.settings != settings:
        return False
    return all(_is_file(out / path, size) for path, size in entry.targets)


def _is_file(path: Path, size: int) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == size


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


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
        value = json.loads(first)
    except (ValueError, RecursionError):
        value = None
    if not (first.endswith(b"\n") and _is_header(value)):
        raise UsageError(f"{path}: not a manifest of texup; move it away or choose another output folder")
    _refuse_newer(path, value["schema"])


def _is_header(value: Any) -> bool:
    return isinstance(value, dict) and value.get("format") == FORMAT and type(value.get("schema")) is int


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
    """Yield the whole lines; an empty one for each that is longer than ``MAX_LINE``."""
    with path.open("rb") as file:
        whole = True
        while piece := file.readline(MAX_LINE):
            if piece.endswith(b"\n"):
                yield piece if whole else b""
            whole = piece.endswith(b"\n")
