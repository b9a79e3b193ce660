"""What earlier runs have done, so that it is not done again."""

from __future__ import annotations

from pathlib import Path

from texup.conventions.convention import Planned
from texup.engines.engine import Job
from texup.manifest.history import History, LatestRecord, history_of, is_done
from texup.manifest.record import Outcome
from texup.packs.heads import size_of
from texup.packs.walk import MANIFEST_NAME
from texup.upscaling.planning import Plan, own_suffix
from texup.upscaling.reading import sources_of
from texup.upscaling.run import Digest, Run


def is_unchanged(job: Job, planned: Planned, history: History, digest: Digest, run: Run) -> bool:
    """Tell whether an earlier run has done what a job asks for, by the same settings."""
    if _is_skipped_still(planned, history.latest.get(planned.path), digest(planned), run):
        return True
    latest = history.done(planned.path)
    if latest is not None and latest.targets and not planned.selected:
        return True  # what this run is not asked for stays as it was done, by whatever settings
    if latest is None or run.force or not _is_own(job, planned, latest):
        return False
    if not _stands(latest, planned, digest, run):
        return False  # before anything is read for it
    try:
        known = _known_by_stamp(job, planned, latest)
        return is_done(latest, known or sources_of(planned, job.source), latest.settings, job.out)
    except OSError:
        return False  # the error is reported when it is read again


def _stands(latest: LatestRecord, planned: Planned, digest: Digest, run: Run) -> bool:
    """Tell whether a record is by the settings of this run, as far as they decide its pixels.

    Whether results are judged decides none. What the gate had done again stands while it may have that done, and what
    it might have done again where it may not.
    """
    gates = {run.gate_of(rule) for rule in planned.rules or (None,)}
    if latest.is_fallback:
        return "fallback" in gates and latest.settings == digest(planned, is_fallback=True)
    return latest.settings == digest(planned) and not (latest.is_unjudged and gates == {"fallback"})


def work_left(run: Run, plan: Plan) -> dict[str, int]:
    """Return the texels of every texture that no earlier run seems to have done, by headers and records alone."""
    is_new = not run.source.is_dir() or not (run.out / MANIFEST_NAME).exists()
    latest, digest = {} if is_new else history_of(run.out).latest, run.digests(plan.convention.id)
    left = {}
    for planned in plan.files:
        record = latest.get(planned.path)
        is_done = (
            record is not None and bool(record.targets) and not run.force and _stands(record, planned, digest, run)
        )
        if planned.action == "upscale" and not is_done:
            width, height = size_of(plan.pack, planned.path) or (1, 1)
            left[planned.path] = width * height
    return left


def _is_skipped_still(planned: Planned, latest: LatestRecord | None, digest: str, run: Run) -> bool:
    """Tell whether an earlier run left out what is left out again; whatever it holds, nobody reads it."""
    if latest is None or planned.action != "skip" or run.force:
        return False
    return latest.outcome == "skipped" and latest.settings == digest


def stamp_of(path: Path) -> list[int]:
    """Return size and time of change of a file.

    Raises:
        OSError: there is none.
    """
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _known_by_stamp(job: Job, planned: Planned, latest: LatestRecord) -> str | None:
    """Return the digest of a file that was copied and not touched since: it may be a film, and is not read again."""
    is_copy = planned.action == "copy" and latest.outcome == "copied" and not planned.others
    if not is_copy or latest.source_sha256 is None or list(latest.source_stamp) != stamp_of(job.source / job.path):
        return None
    return latest.source_sha256.hex()


def given_up(job: Job, planned: Planned, history: History, digest: str, run: Run) -> Outcome | None:
    """Return the failure of a file that killed or hung its decoder in an earlier run, if it would do so again."""
    latest = history.latest.get(planned.path)
    if latest is None or not latest.is_given_up or run.force:
        return None
    try:
        sha256 = sources_of(planned, job.source)
    except OSError:
        return None  # the error is reported when it is read again
    if not is_done(latest, sha256, digest, job.out):
        return None
    return Outcome(
        path=job.path,
        outcome="failed",
        reason=latest.reason,
        source_sha256=sha256,
        given_up=True,
        tried_before=True,
    )


def _is_own(job: Job, planned: Planned, latest: LatestRecord) -> bool:
    """Tell whether what a record claims is what the job may write."""
    paths = [target.path for target in latest.targets]
    is_kept = latest.outcome == "copied" and planned.target and paths == [own_suffix(planned)]
    return bool(is_kept) or paths == [job.target_of(k) for k in range(len(paths))]
