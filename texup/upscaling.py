"""Upscaling of a whole pack. Start reading here.

::

    plan ── one decision for each file, from names (packs.planning)
    start ── a file is read and decided (jobs.read_job), and handed to an engine as a task:
        its pixels' way through the nets (pixels.upscale_texture), then coded for its loader (jobs.coded)
    manifest ── one line for each file, after its results have their final names
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from texup.engines.engine import Job, Outcome, Task, Upscaling
from texup.errors import OutputError, UsageError
from texup.files import atomic_write, output_lock, read_pieces, remove_leftovers, sha256_of
from texup.jobs import Left, Work, coded, facts_of, read_job, sources_of, twin_key
from texup.manifest import Finished, Manifest, finished, is_done
from texup.packs.convention import Convention
from texup.packs.planning import Plan, own_suffix
from texup.packs.walk import MANIFEST_NAME, check_overlap, walk
from texup.pixels import upscale_sheet
from texup.record import Record, Written
from texup.run import Digest, Run, plan_of

SIDECAR = "sidecar"  # stands for the settings digest of a file that no setting changes


def upscale_pack(run: Run, plan: Plan | None = None) -> Iterator[Outcome]:
    """Upscale a pack as planned into ``run.out``, and keep the manifest there.

    Args:
        run: what is read and written, and how.
        plan: what is done with each file; made from ``run`` when left out.

    Yields:
        One outcome for every file of the pack, and one for each file that texup adds; those that an earlier run
        finished come as "unchanged".

    Raises:
        PackError: the pack is refused, before anything is written.
        LockedError: another run writes to ``run.out``.
        OutputError: the output cannot be written; finished files stay, and the same command goes on from there.
    """
    plan = plan or plan_of(run)[0]
    if not (run.out / MANIFEST_NAME).exists():
        if not run.force:
            _check_empty(run.out)
        run.load_engine()  # refuses bad weights and a missing device before the first write
    with output_lock(run.out):
        remove_leftovers(run.out)
        before = {} if run.force else finished(run.out)
        with Manifest(run.out, run.header(plan.convention.id)) as manifest:
            digest, planned = run.digests(plan.convention.id), {file.path: file for file in plan.files}
            todo = chain(_todo(plan, run, before, digest), _sidecars(plan, run, before))
            for outcome in _outcomes(todo, run, plan.convention):
                if outcome.outcome != "unchanged":
                    is_made = outcome.outcome == "written"
                    manifest.append(_record(outcome, SIDECAR if is_made else digest(planned[outcome.path])))
                yield outcome
                if run.fail_fast and outcome.outcome == "failed":
                    return


def upscale_file(run: Run, plan: Plan | None = None) -> Iterator[Outcome]:
    """Upscale the one file ``run.source`` to the file ``run.out``, without a manifest.

    Raises:
        PackError: they are the same file.
        UsageError: ``run.out`` exists and ``run.force`` is not set.
    """
    check_overlap(run.source, run.out)
    if run.out.exists() and not run.force:
        raise UsageError(f"{run.out}: exists already; give another place with --output, or --force")
    plan = plan or plan_of(run)[0]
    planned = replace(plan.files[0], target=run.out.name, level_target="")
    yield from _outcomes(iter([Job(planned, run.source.parent, run.out.parent)]), run, plan.convention)


def _check_empty(out: Path) -> None:
    """Refuse to write among files that texup did not put there."""
    stranger = next(walk(out), None) if out.is_dir() else None
    if stranger is not None:
        raise UsageError(
            f"{out}: holds files but no manifest of texup ({stranger.path});"
            " give another --output, or --force to write there"
        )


def _todo(plan: Plan, run: Run, before: dict[str, Finished], digest: Digest) -> Iterator[Job | Outcome]:
    """Yield as outcomes what is settled, and as jobs what must be upscaled."""
    real_out = run.out.resolve()
    for planned in plan.files:
        job = Job(planned, run.source, run.out)
        if planned.target:
            _check_inside(real_out, run.out, planned.target)
        if planned.action == "refuse":
            yield Outcome(planned.path, "failed", planned.reason)
        elif planned.action == "rewrite":
            continue  # its new content comes with the sidecars
        elif _is_unchanged(job, before.get(planned.path), digest(planned)):
            yield Outcome(planned.path, "unchanged")
        elif planned.action == "upscale":
            yield job
        else:
            yield _settled(job)


def _check_inside(real_out: Path, out: Path, target: str) -> None:
    if (out / target).parent.resolve() != (real_out / target).parent:
        raise OutputError(f"{(out / target).parent}: a link inside the output leads elsewhere; remove it")


def _is_unchanged(job: Job, earlier: Finished | None, digest: str) -> bool:
    if earlier is None or (earlier.targets and earlier.targets[0][0] != job.target(0)):
        return False
    try:
        return is_done(earlier, sources_of(job), digest, job.out)
    except OSError:
        return False  # reading it again says why


def _settled(job: Job) -> Outcome:
    """Copy, leave out or account for a file that is not upscaled."""
    planned = job.planned
    try:
        sha256 = sha256_of(job.source / planned.path)
        if planned.action == "copy":
            return _copied(job, sha256, planned.reason or None)
    except OSError as error:
        return Outcome(planned.path, "failed", f"cannot read: {error.strerror}")
    return Outcome(planned.path, "joined" if planned.action == "joined" else "skipped", planned.reason, sha256)


def _copied(job: Job, sha256: str, reason: str | None) -> Outcome:
    """Copy a file as it is, piece by piece: it may be a film of any size."""
    source, target = job.source / job.path, job.out / job.target(0)
    atomic_write(target, read_pieces(source))
    written = Written(job.target(0), sha256_of(target), target.stat().st_size)
    return Outcome(job.path, "copied", reason, sha256, [written])


def _sidecars(plan: Plan, run: Run, before: dict[str, Finished]) -> Iterator[Outcome]:
    """Write the files that stand beside the textures."""
    real_out = run.out.resolve()
    for sidecar in plan.sidecars:
        _check_inside(real_out, run.out, sidecar.target)
        path = sidecar.source or sidecar.target
        sha256 = hashlib.sha256(sidecar.data).hexdigest()
        written = Written(sidecar.target, sha256, len(sidecar.data))
        if is_done(before.get(path), sha256, SIDECAR, run.out):
            yield Outcome(path, "unchanged")
            continue
        atomic_write(run.out / sidecar.target, sidecar.data)
        yield Outcome(path, "written", None, sha256, [written])


def _outcomes(items: Iterator[Job | Outcome], run: Run, convention: Convention) -> Iterator[Outcome]:
    """Pass outcomes on, and hand everything from the first job on to an engine."""
    for item in items:
        if isinstance(item, Job):
            yield from run.load_engine().run(chain([item], items), lambda job: start(job, run, convention))
            return
        yield item


def start(job: Job, run: Run, convention: Convention) -> Task | Outcome:
    """Read a texture, decide its policy, and make the task that an engine carries through.

    Raises:
        TextureError: the file cannot be read, or its result would be too large.
    """
    work = read_job(job, run, convention)
    if isinstance(work, Left):
        if work.action == "skip":
            return Outcome(job.path, "skipped", work.reason, work.source_sha256)
        kept = replace(job.planned, target=own_suffix(job.planned))  # not the suffix of what it would have become
        return _copied(replace(job, planned=kept), work.source_sha256, work.reason)
    pixels = sum(texture.pixels.shape[0] * texture.pixels.shape[1] for texture in work.works)
    return Task(
        job,
        work.source_sha256,
        facts_of(work),
        twin_key(work, convention),
        pixels * work.route.settings.scale**2,
        _upscaled_files(work, convention),
    )


def _upscaled_files(work: Work, convention: Convention) -> Upscaling:
    """Upscale a texture, and the smaller levels that came with it, and code them for their loader."""
    route, results = work.route, []
    for texture in work.works:
        results.append((yield from upscale_sheet(texture, work.policy, route.passes, route.settings)))
    return coded(work, results, convention, indexed=route.settings.palette == "keep" and convention.palettes)


def _record(outcome: Outcome, digest: str) -> Record:
    """Return the manifest's line for an outcome."""
    values = {k: getattr(outcome, k) for k in Outcome.__dataclass_fields__ if k != "pixels"}
    values["policy"] = json.loads(json.dumps(values["policy"]))
    return Record(settings=digest, **values)
