"""Which files of a mirror are the same as in the store: a journal of JSON lines in the user's cache.

Nothing depends on it but time: a line that is lost or damaged lets an object be fetched or put once more.
"""

from __future__ import annotations

import json
from pathlib import Path
from threading import Lock
from typing import IO, NamedTuple

from texup import bounds
from texup.files import atomic_write, output_error
from texup.packs.remote.store import StoredObject

Stamp = tuple[int, int]
"""Size and time of change of a file."""


class Known(NamedTuple):
    """A file and an object that were the same when one was made of the other."""

    size: int
    mark: str
    stamp: Stamp
    """Of the file."""


class Index:
    """What is known of a mirror, by path; safe for several threads."""

    def __init__(self, path: Path) -> None:
        """Read what earlier runs knew, and open the journal anew.

        Raises:
            OutputError: it cannot be written.
        """
        self._path, self._lock = path, Lock()
        self._known: dict[str, Known] = {}
        if path.is_file():
            self._read()
        lines = (_line(name, known) for name, known in self._known.items())
        atomic_write(path, lines)
        try:
            self._file: IO[bytes] = path.open("ab", buffering=0)
        except OSError as error:
            raise output_error(path, error) from error

    def get(self, path: str) -> Known | None:
        """Return what is known of a path."""
        return self._known.get(path)

    def paths(self) -> list[str]:
        """Return every path of which something is known."""
        return list(self._known)

    def add(self, path: str, stored: StoredObject, stamp: Stamp) -> None:
        """Remember that a file and an object are the same.

        Raises:
            OutputError: it cannot be written.
        """
        known = Known(stored.size, stored.mark, stamp)
        with self._lock:
            self._known[path] = known
            self._append(_line(path, known))

    def drop(self, path: str) -> None:
        """Forget a path.

        Raises:
            OutputError: it cannot be written.
        """
        with self._lock:
            if self._known.pop(path, None) is not None:
                self._append(_line(path, None))

    def close(self) -> None:
        """Close the journal."""
        self._file.close()

    def _append(self, line: bytes) -> None:
        try:
            self._file.write(line)
        except OSError as error:
            raise output_error(self._path, error) from error

    def _read(self) -> None:
        with self._path.open("rb") as file:
            while line := file.readline(bounds.MANIFEST_LINE):
                try:
                    path, *values = json.loads(line)
                    if values:
                        size, mark, *stamp = values
                        self._known[str(path)] = Known(int(size), str(mark), (int(stamp[0]), int(stamp[1])))
                    else:
                        self._known.pop(path, None)
                except (ValueError, TypeError, IndexError, RecursionError):
                    continue


def _line(path: str, known: Known | None) -> bytes:
    values = [] if known is None else [known.size, known.mark, *known.stamp]
    return json.dumps([path, *values]).encode("ascii") + b"\n"
