"""Whether an output pack still is what texup wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from texup.files import leftovers, sha256_of
from texup.manifest.history import NAME, History, history_of, is_file
from texup.manifest.record import Written
from texup.packs.walk import Entry, walk

Problem = Literal["missing", "changed", "extra", "orphan", "failed"]


class Difference(NamedTuple):
    """A difference between an output pack and its manifest."""

    path: str
    problem: Problem
    detail: str


def verify(out: Path, history: History) -> Iterator[Difference]:
    """Read every file of ``out`` again and yield each difference from its manifest; nothing is repaired.

    No recorded path is ever opened: the folder is walked, and what is found there is looked up.

    Args:
        out: the output pack.
        history: what its manifest says, from :func:`texup.manifest.history.history_of`.
    """
    left = (leftover.relative_to(out).as_posix() for leftover in leftovers(out))
    return differences(history, walk(out), lambda path: sha256_of(out / path), left)


def differences(
    history: History, entries: Iterable[Entry], hash_of: Callable[[str], str], left: Iterable[str] = ()
) -> Iterator[Difference]:
    """Yield each difference of an output from its manifest, wherever it lies.

    Args:
        history: what the manifest says.
        entries: the files of the output; no recorded path is looked up but among them.
        hash_of: returns the SHA-256 of one of them; it may raise OSError.
        left: paths of the temporary files there, taken after all entries.
    """
    targets, orphans = history.targets(), history.orphans()
    if history.damaged:
        yield Difference(NAME, "changed", f"{history.damaged} damaged lines were ignored")
    for name, latest in history.latest.items():
        if latest.outcome == "failed":
            yield Difference(name, "failed", latest.reason)
    for entry in entries:
        target = targets.pop(entry.path, None)
        difference = _compared(entry, target, hash_of) if target else _unclaimed(entry, orphans)
        if difference is not None:
            yield difference
    for path in left:
        yield Difference(path, "extra", "leftover of an interrupted run")
    for name in sorted(targets):
        yield Difference(name, "missing", "recorded, but not there")


def orphans_of(out: Path) -> list[str]:
    """Return the files in ``out`` that earlier runs wrote and the newest has no use for, sorted.

    They are of sources that are gone or failed since, or of other settings. Nothing is read but the manifest.

    Raises:
        UsageError: there is no manifest that this texup can read.
    """
    return sorted(name for name in history_of(out).orphans() if is_file(out / name))


def _unclaimed(entry: Entry, orphans: set[str]) -> Difference:
    if entry.path in orphans:
        return Difference(entry.path, "orphan", "written by an earlier run, of no use to the newest")
    return Difference(entry.path, "extra", entry.reason or "not in the manifest")


def _compared(entry: Entry, target: Written, hash_of: Callable[[str], str]) -> Difference | None:
    if entry.kind == "refused":
        return Difference(entry.path, "changed", entry.reason or "refused")
    if entry.size != target.size:
        return Difference(entry.path, "changed", f"{entry.size} bytes instead of {target.size}")
    try:
        same = hash_of(entry.path) == target.sha256
    except OSError as error:
        return Difference(entry.path, "changed", f"cannot be read: {error.strerror}")
    return None if same else Difference(entry.path, "changed", "other content than was written")
