"""The results of a run on their way to an object store, so that what the manifest there says is always true.

In rounds: first a manifest that opens the run and lacks the records of what is about to be put, so that a machine
that finds these files takes them for the work of a run that was stopped; then the files, each whole; then the
manifest with their records.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

from texup.errors import OutputError
from texup.files import CHUNK, sha256_of
from texup.manifest.history import history_of
from texup.manifest.record import Outcome, Written, outcome_from, value_of
from texup.packs.remote.mirror import LANES, Mirror, Tell
from texup.packs.remote.url import StoreUrl
from texup.packs.walk import MANIFEST_NAME

EVERY = 20.0  # seconds between two rounds
SHARE = 0.1  # of the time that manifests may be on their way: one of 100,000 files has 50 MB


class Sending:
    """Puts what a run writes into the store, beside the run; a context manager.

    Every method may raise ``OutputError``: the store refuses something, or does not answer. What was made stays in
    the mirror, and the same command goes on from there.
    """

    def __init__(self, mirror: Mirror) -> None:
        """Send the files of a run that writes into a mirror."""
        self._mirror, self._manifest = mirror, mirror.root / MANIFEST_NAME
        self._rounds, self._puts = ThreadPoolExecutor(1), ThreadPoolExecutor(LANES)
        self._round: Future[float] | None = None
        self._next = time.monotonic() + EVERY
        self._is_open = False
        self._read = 0
        """Bytes of the manifest whose records are in the store, or held."""
        self._held: dict[str, Written] = {}
        """What the next round puts, by path."""
        self.count = 0
        """Files that were put."""

    @property
    def url(self) -> StoreUrl:
        """Where the results go."""
        return self._mirror.url

    def send_rest(self, tell: Tell) -> None:
        """Send what an earlier run has made and not sent, before a run may make it again."""
        if not self._manifest.exists():
            return
        targets = history_of(self._mirror.root).targets().values()
        left = [target for target in targets if not self._mirror.is_sent(target.path)]
        self._held = {target.path: target for target in left if self._is_as_written(target)}
        if self._held:
            count = len(self._held)
            tell(f"sending {count} file{'s' * (count > 1)} of an earlier run to {self.url}")
            self._send(*self._taken())
            self._is_open = False
        self._read = _end_of_lines(self._manifest)

    def through(self, outcomes: Iterable[Outcome]) -> Generator[Outcome, None, None]:
        """Pass on the outcomes of a run, whose records were appended just before, and send their files."""
        try:
            for outcome in outcomes:
                if outcome.outcome not in ("unchanged", "kept"):
                    self._held.update({target.path: target for target in outcome.targets})
                if self._held and time.monotonic() >= self._next and self._is_free():
                    self._round = self._rounds.submit(self._send, *self._taken())
                yield outcome
        finally:
            if isinstance(outcomes, Generator):
                outcomes.close()

    def finish(self) -> None:
        """Send what is left, after the run."""
        if self._round is not None:
            self._round.result()
        known = self._mirror.index.get(MANIFEST_NAME)
        if self._held or known is None or known.stamp[0] != self._manifest.stat().st_size:  # it only grows
            self._send(*self._taken())

    def __enter__(self) -> Sending:
        return self

    def __exit__(self, *_: object) -> None:
        """End all threads; what was not sent stays in the mirror."""
        self._rounds.shutdown(wait=False, cancel_futures=True)
        self._puts.shutdown(wait=False, cancel_futures=True)

    def _is_free(self) -> bool:
        """Tell whether the last round is over; how long its manifests took says when the next may begin."""
        if self._round is None:
            return True
        if not self._round.done():
            return False
        self._next = time.monotonic() + max(EVERY, self._round.result() / SHARE)
        self._round = None
        return False

    def _taken(self) -> tuple[list[Written], Path | None, Path]:
        """Return what a round puts: files, the manifest before them where it is needed, and the manifest after them."""
        held, self._held = list(self._held.values()), {}
        after, before = self._mirror.temporary(), None
        size = _copy(self._manifest, after)
        replaces = any(self._mirror.index.get(target.path) is not None for target in held)
        if held and (replaces or not self._is_open):
            before = self._mirror.temporary()
            _copy_without(after, before, {target.path for target in held}, self._read)
            self._is_open = True
        self._read = size
        return held, before, after

    def _send(self, held: list[Written], before: Path | None, after: Path) -> float:
        """Do a round; return the seconds that its manifests took."""
        began = time.monotonic()
        if before is not None:
            self._mirror.put_as(MANIFEST_NAME, before)
            before.unlink()
        took = time.monotonic() - began
        tasks = [self._puts.submit(self._put, target) for target in held]
        try:
            for task in as_completed(tasks):
                task.result()
        finally:
            for task in tasks:
                task.cancel()
        began = time.monotonic()
        status = self._manifest.stat()
        is_all = status.st_size == after.stat().st_size
        stamp = (status.st_size, status.st_mtime_ns) if is_all else (-1, 0)
        self._mirror.put_as(MANIFEST_NAME, after, stamp)
        after.unlink()
        self.count += len(held)
        return took + time.monotonic() - began

    def _put(self, target: Written) -> None:
        if not self._is_as_written(target):
            path = self._mirror.root / target.path
            raise OutputError(f"{path}: changed since texup wrote it; delete it and run the same command again")
        self._mirror.put(target.path)

    def _is_as_written(self, target: Written) -> bool:
        try:
            return sha256_of(self._mirror.root / target.path) == target.sha256
        except OSError:
            return False


def _copy(manifest: Path, copy: Path) -> int:
    """Copy a manifest up to its last whole line; return how many bytes that are."""
    shutil.copyfile(manifest, copy)
    size = _end_of_lines(copy)
    os.truncate(copy, size)
    return size


def _end_of_lines(path: Path) -> int:
    end = size = 0
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            end = size + piece.rfind(b"\n") + 1 if b"\n" in piece else end
            size += len(piece)
    return end


def _copy_without(manifest: Path, copy: Path, targets: Collection[str], start: int) -> None:
    """Copy a manifest without the newest record of each of some files, which stand behind its first ``start`` bytes.

    Nor has the copy the line of a run that came to its end, behind the first of them.
    """
    newest: dict[str, int] = {}
    with manifest.open("rb") as lines:
        lines.seek(start)
        for number, line in enumerate(lines):
            for path in _targets_of(line):
                newest[path] = number
    without = {number for path, number in newest.items() if path in targets}
    first = min(without, default=0)
    with manifest.open("rb") as lines, copy.open("wb") as file:
        while lines.tell() < start:
            file.write(lines.read(min(CHUNK, start - lines.tell())))
        for number, line in enumerate(lines):
            if number not in without and not (number > first and _is_end(line)):
                file.write(line)


def _targets_of(line: bytes) -> list[str]:
    record = outcome_from(value_of(line)[0])
    return [] if record is None else [target.path for target in record.targets]


def _is_end(line: bytes) -> bool:
    value = value_of(line)[0]
    return isinstance(value, dict) and value.get("ended") is True
