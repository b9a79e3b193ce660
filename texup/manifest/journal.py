"""What has been done to an output pack: a journal of JSON lines that resuming and verifying read back.

A header opens every run that adds something, then comes one line per source file, appended after its result has its
final name, and a last line closes a run that came to its end. Lines are not synced one by one: a power cut that takes
the last of them only makes the next run repeat those files. :mod:`texup.manifest.history` reads them back.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from texup.errors import OutputError
from texup.files import CHUNK, atomic_write, output_error, read_pieces
from texup.locks import LOCK_NAME
from texup.manifest.history import FORMAT, NAME, SCHEMA, History, history_of
from texup.manifest.record import Outcome, line_of, values_of
from texup.manifest.shard import Shard


@dataclass(frozen=True, slots=True)
class RunHeader:
    """The run that wrote the records after it; every value is plain JSON."""

    schema: int
    version: str
    models: list[dict[str, str]]
    settings: dict[str, Any]
    convention: str = "plain"
    mixed: bool = False
    """Whether machines of a cluster may have had other versions of texup or torch."""
    shard: Shard | None = None
    """The part of its pack that the output holds; None for all of it."""


class Manifest:
    """The manifest of an output folder, open for appending; a context manager. The caller holds the output lock."""

    def __init__(self, out: Path, header: RunHeader) -> None:
        """Open the manifest in ``out``, made with its header if missing; a torn last line is cut off.

        Raises:
            UsageError: the file there is no manifest of texup, or of a newer one.
            OutputError: it cannot be written.
        """
        self._path = out / NAME
        said = asdict(header)
        self._opening = line_of({"format": FORMAT, **said, "began": _time_in(out)})
        self._ahead = b""
        self.history = History()
        """What earlier runs have done."""
        if os.path.lexists(self._path):
            self.history = history_of(out)
            self._ahead = self._opening  # written with this run's first line, if any
        else:
            atomic_write(self._path, self._opening)
        self._is_begun = not self._ahead
        self._is_new_shard = header.shard is not None and any(
            self.history.header.get(name) != value for name, value in said.items()
        )
        try:
            if self._path.stat().st_nlink > 1:  # also the manifest of a copy that is made of hard links
                atomic_write(self._path, read_pieces(self._path))
            whole = _whole_size(self._path)
            self._file = self._path.open("r+b", buffering=0)
            self._status = os.fstat(self._file.fileno())
            os.ftruncate(self._file.fileno(), whole)  # which goes on after a signal, as file.truncate does not
            self._file.seek(whole)
        except OSError as error:
            raise output_error(self._path, error) from error

    def append(self, record: Outcome) -> None:
        """Add one line, in one write.

        Raises:
            OutputError: it cannot be written.
        """
        self._write(line_of(values_of(record)))

    def begin(self) -> None:
        """Say, durably, that this run writes results from here on; else a power cut could leave some that look foreign.

        Raises:
            OutputError: it cannot be written.
        """
        if not self._is_begun:
            self._write(b"")
            self._sync()
            self._is_begun = True

    def end(self) -> None:
        """Say that the run came to its end, so that every file that it wrote has its record.

        Raises:
            OutputError: it cannot be written.
        """
        if self._ahead and self.history.began is None and not self._is_new_shard:
            return  # it added nothing, and no run before it is open; all shards of a pack must say the same of it
        if not self._is_new_shard:
            self._ahead = b""
        self._write(line_of({"format": FORMAT, "schema": SCHEMA, "ended": True}))

    def retract(self, path: str) -> None:
        """Begin, and unsay, durably, that a file is done, before its results are replaced.

        Else a run with other settings that is killed between a result and its line would leave that result under the
        old line, and where sizes do not change with the settings the next run with the old ones would believe it.

        Raises:
            OutputError: it cannot be written.
        """
        self.begin()
        if self.history.done(path) is not None:
            self.append(Outcome(path=path, outcome="failed", reason="a run stopped while it was doing this again"))
            self._sync()

    def close(self) -> None:
        """Make the lines durable and close the file.

        Where somebody has removed it, but not the folder, a new one lets the next run go on with what still lies there.

        Raises:
            OutputError: the system could not write them.
        """
        try:
            with self._file:
                os.fsync(self._file.fileno())
            if self._path.parent.is_dir() and not os.path.lexists(self._path):
                atomic_write(self._path, self._opening)
        except OSError as error:
            raise output_error(self._path, error) from error

    def _write(self, line: bytes) -> None:
        """Add a line, behind the header where it is still to be written."""
        rest = self._ahead + line
        try:
            if not self._is_in_place():
                raise OutputError(f"{self._path}: was removed or replaced meanwhile; run the same command again")
            while rest:  # one round, except on a disk that fills up just here
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise output_error(self._path, error) from error
        self._ahead = b""

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(self._status, self._path.lstat())
        except FileNotFoundError:
            return False

    def _sync(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise output_error(self._path, error) from error

    def __enter__(self) -> Manifest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _time_in(out: Path) -> float:
    """Return the Unix time by the clock that files in an output get theirs from, when its lock was taken.

    On a file server that is another clock than this machine's, which may be hours ahead: a file that a killed run wrote
    would then look older than the run, and be taken for the user's own.
    """
    try:
        return (out / LOCK_NAME).stat().st_mtime
    except OSError:
        return time.time()


def _whole_size(path: Path) -> int:
    """Return the bytes up to the last end of line."""
    size = end = 0
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            newline = piece.rfind(b"\n")
            size = end + newline + 1 if newline >= 0 else size
            end += len(piece)
    return size
