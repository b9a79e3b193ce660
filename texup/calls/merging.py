"""What became of a merge: what ``texup merge --json`` prints."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from texup.calls.summary import FileReason
from texup.calls.tally import Tally
from texup.checking import check_output
from texup.conventions.table import convention_by_id
from texup.errors import UsageError
from texup.locks import output_lock
from texup.manifest.record import Outcome
from texup.manifest.verification import orphans_of
from texup.packs.pack import Finding
from texup.packs.zips import SUFFIXES, write_zip
from texup.upscaling.shards.merging import merge
from texup.upscaling.shards.parts import is_resource_pack, parts_of


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

    @property
    def is_sound(self) -> bool:
        """Whether no texture failed and the loader's rules found no error in the output."""
        return not self.failures and all(finding.severity != "error" for finding in self.check)

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        places = {"output": str(self.output), "archive": None if self.archive is None else str(self.archive)}
        return asdict(self) | places


def merge_shards(outs: Sequence[Path], output: Path, tell: Callable[[Outcome], object]) -> Merged:
    """Merge the outputs of all shards of a pack into a folder, or into an archive and the folder beside it.

    Args:
        outs: the shards, in any order.
        output: the folder, or a zip.
        tell: called with the record of every path.

    Raises:
        UsageError: refused before anything was written.
        OutputError: the output cannot be written.
        LockedError: another run writes to the same output.
    """
    began, tally = time.perf_counter(), Tally()
    archive = output if output.suffix.lower() in SUFFIXES else None
    out = output if archive is None else output.with_suffix("")
    if archive is not None and archive.exists() and not out.exists():
        raise UsageError(f"{archive}: exists already; give another place with --output")
    parts = parts_of(outs)
    header = parts[0].header
    with closing(merge(parts, out)) as outcomes:
        for outcome in outcomes:
            tally.add(outcome)
            tell(outcome)
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
    )
