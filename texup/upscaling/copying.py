"""Files of a pack that are not upscaled: copied, left out, or only accounted for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from texup.conventions.convention import Planned
from texup.engines.engine import Job
from texup.engines.steps import failure, put
from texup.errors import TextureError, UnreadableTexture
from texup.files import read_pieces, sha256_of
from texup.manifest.record import Outcome, Result, Written
from texup.upscaling.reading import sources_sha256
from texup.upscaling.resuming import stamp_of


def settled(job: Job, planned: Planned, *, has_stamps: bool) -> Outcome:
    """Copy, leave out or account for a file that is not upscaled; times of an unpacked archive say nothing."""
    try:
        if planned.action == "copy":
            stamp = stamp_of(job.source / job.path) if has_stamps else None
            return replace(copied(job, planned, planned.reason or None), source_stamp=stamp)
        sha256 = None if planned.action == "skip" else sha256_of(job.source / planned.path)
    except OSError as error:
        return Outcome(path=planned.path, outcome="failed", reason=f"cannot read: {error.strerror}")
    except TextureError as error:
        return failure(job, error)
    result: Result = "joined" if planned.action == "joined" else "skipped"
    return Outcome(path=planned.path, outcome=result, reason=planned.reason, source_sha256=sha256)


def copied(job: Job, planned: Planned, reason: str | None, expected: str | None = None) -> Outcome:
    """Copy a file as it is, piece by piece: it may be a film of any size.

    Args:
        job: whose file.
        planned: its plan.
        reason: why it is not upscaled.
        expected: digest of the sources that this was decided about, if it was for what they hold.

    Raises:
        TextureError: it cannot be read, or is another file by now.
    """
    digest = hashlib.sha256()
    size = put(job.out, job.target, _pieces(job, planned, digest, expected))
    written = Written(job.target, digest.hexdigest(), size)
    sha256 = expected or written.sha256
    return Outcome(path=job.path, outcome="copied", reason=reason, source_sha256=sha256, targets=[written])


def _pieces(job: Job, planned: Planned, digest: hashlib._Hash, expected: str | None) -> Iterator[bytes]:
    """Yield the bytes of a job's file and add them to ``digest``, so that a record is of what was copied."""
    try:
        for piece in read_pieces(job.source / job.path):
            digest.update(piece)
            yield piece
        others = [sha256_of(job.source / path) for path in planned.others]
    except OSError as error:
        raise UnreadableTexture(f"cannot read: {error.strerror}") from error
    if expected is not None and sources_sha256([digest.hexdigest(), *others]) != expected:
        raise UnreadableTexture("cannot read: changed meanwhile; run the same command again")
