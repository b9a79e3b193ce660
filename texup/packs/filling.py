"""A folder that another program fills: which of its files are new, and which rest.

Nobody tells when a file is whole: programs write it in parts, copy it with its old time, or rename it into place. What
can be seen on every system, network folders included, is that size and time of change are the same at two looks; such
a file *rests*. It may still be half a file, so whoever reads it tries again when it changes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from texup.packs.walk import Entry, walk

UNFINISHED = frozenset((".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".filepart"))
"""Suffixes, in lower case, that programs give to files until they are whole."""
Stamp = tuple[int, int]
"""Size and time of change of a file."""


def is_unfinished(name: str) -> bool:
    """Return whether a program that writes a file of this name will give it another when it is whole."""
    return os.path.splitext(name)[1].lower() in UNFINISHED


def stamp_of(entry: Entry) -> Stamp:
    """Return what tells one content of a file from the next without reading it."""
    return entry.size, entry.changed


class Filling:
    """A folder, look by look. A look costs one listing and one status of each file, whatever was done with them."""

    def __init__(self, root: Path, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        """Take the folder ``root``, of which the patterns select files as :func:`texup.packs.walk.walk` has it."""
        self._root, self._include, self._exclude = root, include, exclude
        self.entries: dict[str, Entry] = {}
        """What the newest look found, by path, in the order of the walk."""
        self.problem: str | None = None
        """Why the newest look could not list the folder."""
        self.looked = 0.0
        """When the newest look was, by the clock that never goes back."""
        self._since: dict[str, float] = {}

    def look(self) -> bool:
        """Look again, and return whether a file came, changed or went since the look before."""
        self.looked = time.monotonic()
        found = {e.path: e for e in walk(self._root, self._include, self._exclude) if not is_unfinished(e.path)}
        root = found.pop(".", None)
        self.problem = root.reason if root is not None else None
        before = self.entries
        fresh = [
            path for path, entry in found.items() if path not in before or stamp_of(before[path]) != stamp_of(entry)
        ]
        has_changed = bool(fresh) or len(found) != len(before)  # where none is fresh, all of them were there before
        if has_changed:
            since = dict.fromkeys(fresh, self.looked)
            self._since = {path: since.get(path, self._since.get(path, self.looked)) for path in found}
        self.entries = found
        return has_changed

    def rests(self, path: str) -> bool:
        """Return whether a file is there, as it was at the look before."""
        return path in self.entries and self._since[path] < self.looked

    def age(self, path: str) -> float:
        """Return for how many seconds a file has been seen as it is."""
        return self.looked - self._since[path]
