"""The outputs of all shards become the output that one run over the whole pack would have made."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from texup.conventions.table import convention_by_id
from texup.errors import OutputError, UsageError
from texup.files import atomic_link, atomic_write, check_inside, read_pieces, remove_leftovers, sha256_of
from texup.locks import output_lock
from texup.manifest.history import History, is_file, latest_of
from texup.manifest.journal import Manifest
from texup.manifest.record import Outcome, Written, gone
from texup.packs.opening import folders_of
from texup.packs.walk import MANIFEST_NAME, check_overlap
from texup.upscaling.keeping import check_empty, check_part, kept
from texup.upscaling.planning import own_home
from texup.upscaling.shards.parts import Part, check_files, header_of, is_resource_pack


def merge(parts: Sequence[Part], out: Path) -> Generator[Outcome, None, None]:
    """Put the files of all shards of a pack into ``out``, and keep the manifest there.

    Files get a second name where the file system has that, and are copied where it has not; the shards stay as they
    are. A merge that was stopped goes on where it was.

    Yields:
        The record of every path of the pack; one that an earlier merge brought comes as "unchanged", one that would
        replace a file of the user's own as "kept".

    Raises:
        UsageError: a file of a shard is not as it was written, or ``out`` is no place for the pack.
        OutputError: the output cannot be written.
        LockedError: another run writes to ``out``.
    """
    _check_places(parts, out)
    for part in parts:
        check_files(part)
    with output_lock(out):
        remove_leftovers(out)
        with Manifest(out, header_of(parts)) as manifest:
            check_part(out, manifest.history, None)
            for path in sorted(manifest.history.latest.keys() - {path for part in parts for path in part.newest}):
                manifest.append(gone(path))
            for part in parts:
                for record in part.records():
                    yield _brought(record, part.out, out, manifest)
            manifest.end()


def _check_places(parts: Sequence[Part], out: Path) -> None:
    """Refuse an output that overlaps a shard, has files of others, or ends in folders that the files begin with.

    Raises:
        UsageError: it does.
    """
    for part in parts:
        check_overlap(part.out, out)
    if not os.path.lexists(out / MANIFEST_NAME):
        check_empty(out)
    home = 0 if is_resource_pack(parts[0]) else convention_by_id(parts[0].header["convention"]).home
    targets = [path for part in parts for path in part.history.targets()]
    if own := own_home(targets, home, folders_of(out)):
        raise UsageError(f"{out}: the shards have the folders {own} in them; give the folder above these")


def _brought(record: Outcome, source: Path, out: Path, manifest: Manifest) -> Outcome:
    """Bring the files of a record, append it, and return it, or what became of it instead."""
    history = manifest.history
    if _is_there(record, out, history):
        return record if record.outcome == "failed" else Outcome(path=record.path, outcome="unchanged")
    targets = [target for target in record.targets if not _lies_there(out / target.path, target, source)]
    hindered = kept(record.path, out, [target.path for target in targets], history, redo=False)
    if hindered is not None:
        return hindered
    manifest.retract(record.path)
    for target in targets:
        _bring(source, target, out)
    manifest.append(record)
    return record


def _is_there(record: Outcome, out: Path, history: History) -> bool:
    if history.latest.get(record.path) != latest_of(record):
        return False
    is_own = all(history.owners[target.path] == record.path for target in record.targets)
    return is_own and all(is_file(out / target.path, target.size) for target in record.targets)


def _lies_there(path: Path, target: Written, source: Path) -> bool:
    """Tell whether a file is what would be brought: a merge that was stopped may not have recorded it."""
    if not is_file(path, target.size):
        return False
    return os.path.samefile(path, source / target.path) or sha256_of(path) == target.sha256


def _bring(source: Path, target: Written, out: Path) -> None:
    check_inside(out, target.path)
    if not atomic_link(source / target.path, out / target.path):
        atomic_write(out / target.path, _pieces(source / target.path, target.sha256))


def _pieces(path: Path, sha256: str) -> Iterator[bytes]:
    """Yield the bytes of a file that was looked at before.

    Raises:
        OutputError: they are others by now.
    """
    digest = hashlib.sha256()
    for piece in read_pieces(path):
        digest.update(piece)
        yield piece
    if digest.hexdigest() != sha256:
        raise OutputError(f"{path}: changed meanwhile; run the same command again")
