"""What has been done to an output pack: a journal of JSON lines that resuming and verifying read back.

A header opens every run that adds something, then comes one line per source file, appended after its result has its
final name. Lines are not synced one by one: a power cut that takes the last of them only makes the next run repeat
those files. What is read back is not trusted: a line that is torn, too long, of wrong types or whose path leaves the
pack counts for nothing.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import NoneType, TracebackType
from typing import Any, Literal, NamedTuple, get_args

from texup.errors import UsageError
from texup.files import CHUNK, atomic_write, output_error
from texup.packs.walk import MANIFEST_NAME, is_safe

NAME = MANIFEST_NAME
SCHEMA = 1
FORMAT = "texup-manifest"
MAX_LINE = 1 << 20
TYPES: dict[str, tuple[type, ...]] = {
    "path": (str,),
    "outcome": (str,),
    "reason": (str, NoneType),
    "source_sha256": (str, NoneType),
    "target_sha256": (str, NoneType),
    "target_size": (int, NoneType),
    "settings": (str,),
    "policy": (dict,),
    "precision": (str, NoneType),
    "notes": (list,),
    "seconds": (float,),
}
SHA256 = re.compile("[0-9a-f]{64}")

Outcome = Literal["upscaled", "copied", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Header:
    """The run that wrote the records after it; every value is plain JSON."""

    schema: int
    version: str
    models: list[dict[str, str]]
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one source file."""

    path: str
    """Relative POSIX path of the source in its pack and of the result in the output."""
    outcome: Outcome
    reason: str | None
    """Why it was skipped or failed."""
    source_sha256: str | None
    """64 hexadecimal digits; like those of the target never None for an upscaled or copied file."""
    target_sha256: str | None
    target_size: int | None
    """Bytes."""
    settings: str
    """Digest of everything that the pixels of the result depend on besides the source."""
    policy: dict[str, Any]
    """Plain JSON: a tuple would come back as a list."""
    precision: str | None
    notes: list[str]
    seconds: float


class Finished(NamedTuple):
    """The part of a record that resuming needs, small enough for 100,000 of them."""

    source_sha256: bytes
    settings: str
    target_size: int | None
    """Bytes; None when the file was skipped and has no target."""
    outcome: Outcome


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
            yield _record(value)


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
            done[record.path] = Finished(source, sys.intern(record.settings), record.target_size, record.outcome)
    return done


def is_done(entry: Finished | None, source_sha256: str, settings: str, target: Path) -> bool:
    """Return whether the source and the settings are those of the record and ``target`` is still a file of that size.

    The content of the target is not read; :func:`texup.verification.verify` does that.
    """
    if entry is None or entry.source_sha256.hex() != source_sha256 or entry.settings != settings:
        return False
    if entry.target_size is None:
        return True
    try:
        status = target.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == entry.target_size


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


def _record(value: Any) -> Record | None:
    if not isinstance(value, dict) or any(type(value.get(name, ...)) not in kinds for name, kinds in TYPES.items()):
        return None
    record = Record(**{name: value[name] for name in TYPES})
    written = (record.source_sha256, record.target_sha256, record.target_size)
    sound = (
        is_safe(record.path)
        and record.outcome in get_args(Outcome)
        and all(digest is None or SHA256.fullmatch(digest) for digest in written[:2])
        and (record.target_size is None or record.target_size >= 0)
        and all(type(note) is str for note in record.notes)
        and math.isfinite(record.seconds)
        and (record.outcome not in ("upscaled", "copied") or None not in written)
    )
    return record if sound else None
