"""What became of a merge: what ``texup.merge`` returns, and ``texup merge --json`` prints."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from texup.calls.cloud import Place, check_no_archive, name_places
from texup.calls.sending import Sending
from texup.calls.summary import FileReason
from texup.calls.tally import Tally
from texup.checking import check_output
from texup.conventions.table import convention_by_id
from texup.errors import UsageError
from texup.locks import output_lock
from texup.manifest.record import Outcome
from texup.manifest.verification import orphans_of
from texup.packs.pack import Finding
from texup.packs.remote.mirror import Mirror, Tell, mirrored
from texup.packs.remote.url import StoreUrl, check_apart
from texup.packs.zips import SUFFIXES, write_zip
from texup.upscaling.shards.merging import merge
from texup.upscaling.shards.parts import Part, is_resource_pack, parts_of

Took = Callable[[int, int, Outcome], object]
"""Called for each path with how many are done, how many there are, and its record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What became of a merge; ``docs/json.md`` has the meaning of every field."""

    output: Path
    shards: int
    format: str
    """Id of the convention."""
    counts: dict[str, int]
    """Files by what became of them in their shards, or as "unchanged" and "kept"; those that occur."""
    failures: Sequence[FileReason]
    kept: Sequence[FileReason]
    check: Sequence[Finding]
    orphans: Sequence[str]
    archive: Path | None
    seconds: float
    url: str | None = None
    """Where in an object store the output was put; ``output`` is then its copy on this machine."""

    @property
    def is_sound(self) -> bool:
        """Whether no texture failed and the loader's rules found no error in the output."""
        return not self.failures and all(finding.severity != "error" for finding in self.check)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        places = {"output": str(self.output), "archive": None if self.archive is None else str(self.archive)}
        return asdict(self) | places


def merge_shards(outs: Sequence[Place], output: Place, took: Took, *, tell: Tell) -> Merged:
    """Merge the outputs of all shards of a pack into a folder, or into an archive and the folder beside it.

    Args:
        outs: the shards, in any order; those in stores are fetched into the user's cache.
        output: the folder, also of a store, or a zip.
        took: called for each path with how many are done, how many there are, and its record.
        tell: shows a line to the user.

    Raises:
        UsageError: refused before anything was written.
        LostStore: the store of a shard stopped answering.
        OutputError: the output cannot be written.
        LockedError: another run writes to the same output.
    """
    began, tally = time.perf_counter(), Tally()
    _check_stores(outs, output)
    with ExitStack() as stack:
        mirrors: dict[Place, Path] = {}
        try:
            parts = _opened_parts(outs, mirrors, stack, tell)
            header = parts[0].header
            out, archive, sending = _opened_output(output, mirrors, stack, tell)
            total, merging = sum(len(part.newest) for part in parts), merge(parts, out)
            with closing(merging if sending is None else sending.through(merging)) as outcomes:
                for done, outcome in enumerate(outcomes, 1):
                    tally.add(outcome)
                    took(done, total, outcome)
            if sending is not None:
                sending.finish()
        except UsageError as error:
            name_places(error, mirrors)
            raise
        orphans = orphans_of(out)
        if archive is not None:
            with output_lock(out):
                write_zip(out, archive, stored=is_resource_pack(parts[0]), without=orphans)
        return Merged(
            output=out,
            shards=len(parts),
            format=header["convention"],
            counts=dict(tally.counts),
            failures=[FileReason(path, reason) for path, reason in tally.failures],
            kept=[FileReason(path, reason) for path, reason in tally.kept],
            check=check_output(out, convention_by_id(header["convention"])),
            orphans=orphans,
            archive=archive,
            seconds=round(time.perf_counter() - began, 3),
            url=None if sending is None else str(sending.url),
        )


def _check_stores(outs: Sequence[Place], output: Place) -> None:
    """Refuse what cannot be done in stores, before anything is asked of them."""
    check_no_archive(output)
    for out in outs:
        if isinstance(out, StoreUrl) and isinstance(output, StoreUrl):
            check_apart(out, output)


def _opened_parts(outs: Sequence[Place], mirrors: dict[Place, Path], stack: ExitStack, tell: Tell) -> list[Part]:
    """Return all shards, those in stores with their files here; what does not fit together is refused before that."""
    opened: dict[Path, Mirror] = {}
    for url in sorted({out for out in outs if isinstance(out, StoreUrl)}, key=str):  # so no two merges cross
        mirror = stack.enter_context(mirrored(url, "part", tell=tell))
        mirrors[url] = mirror.root
        opened[mirror.root] = mirror
        mirror.fetch_manifest()
    parts = parts_of([mirrors[out] if isinstance(out, StoreUrl) else out for out in outs])
    for part in parts:
        if part.out in opened:
            opened[part.out].fetch_files(part.history.targets(), tell)
    return parts


def _opened_output(
    output: Place, mirrors: dict[Place, Path], stack: ExitStack, tell: Tell
) -> tuple[Path, Path | None, Sending | None]:
    """Return the folder to write to, the archive that is made of it, and what sends it to a store."""
    if isinstance(output, StoreUrl):
        mirror = stack.enter_context(mirrored(output, "output", tell=tell))
        mirrors[output] = mirror.root
        sending = stack.enter_context(Sending(mirror))
        sending.send_rest(tell)
        return mirror.root, None, sending
    if output.suffix.lower() not in SUFFIXES:
        return output, None, None
    out = output.with_suffix("")
    if output.exists() and not out.exists():
        raise UsageError(f"{output}: exists already; give another place with --output")
    return out, output, None
