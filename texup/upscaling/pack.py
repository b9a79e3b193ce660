"""Upscaling of a whole pack. Start reading here.

::

    plan ── one decision for each file, from names (planning)
    start ── a file is read (reading.read), decided about (deciding.decide), and handed to an engine as a task:
        its pixels' way through the nets (pixels.upscale_texture), judged (gate.gated), and coded for its loader
        (coding.result_files)
    manifest ── one line for each file, after its results have their final names
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path

from texup.conventions.convention import Convention, Planned, Sidecar
from texup.engines.engine import Job, Made, Task, Upscaling
from texup.engines.steps import failure, put
from texup.errors import TextureError, UnreadableTexture, UsageError
from texup.files import check_inside, output_error, read_pieces, remove_leftovers, remove_leftovers_of, sha256_of
from texup.locks import output_lock
from texup.manifest.history import is_done
from texup.manifest.journal import Manifest
from texup.manifest.record import Outcome, Result, Written, gone
from texup.packs.walk import MANIFEST_NAME, check_overlap
from texup.textures.codecs.decoders import Decode, Decoders
from texup.textures.codecs.files import decode
from texup.upscaling.coding import facts_of, result_files, twin_key
from texup.upscaling.deciding import Decision, decide
from texup.upscaling.gate import gated, largest_route
from texup.upscaling.keeping import check_empty, kept, targets_of
from texup.upscaling.planning import Plan, own_suffix
from texup.upscaling.reading import NotUpscaled, memory_for, read, sources_sha256
from texup.upscaling.resuming import given_up, is_unchanged, stamp_of
from texup.upscaling.run import Digest, Run, plan_of

SIDECAR = "sidecar"  # stands for the settings digest of a file that no setting changes


def upscale_pack(run: Run, plan: Plan | None = None) -> Iterator[Outcome]:
    """Upscale a pack as planned into ``run.out``, and keep the manifest there.

    Args:
        run: what is read and written, and how.
        plan: what is done with each file; made from ``run`` when left out.

    Yields:
        One outcome for every file of the pack, and one for each file that texup adds; those that an earlier run
        finished come as "unchanged", those that would replace a file of the user's own as "kept". Once all have come,
        each has a record, the last of its path, but for those kept from the start; after a stop, also by
        ``run.fail_fast``, files that were not reached or not recorded yet have none, and are done by the next run.

    Raises:
        PackError: the pack is refused, before anything is written.
        LockedError: another run writes to ``run.out``.
        OutputError: the output cannot be written; finished files stay, and the same command goes on from there.
    """
    plan = plan or plan_of(run)[0]
    if not os.path.lexists(run.out / MANIFEST_NAME):
        if not run.keep_existing:
            check_empty(run.out)
        run.load_engine()  # refuses bad weights and a missing device before the first write
    with output_lock(run.out):
        remove_leftovers(run.out)
        with Manifest(run.out, run.header(plan.convention.id)) as manifest:
            digest, planned = run.digests(plan.convention.id), {file.path: file for file in plan.files}
            for path in sorted(
                manifest.history.latest.keys() - planned - {_path_of(sidecar) for sidecar in plan.sidecars}
            ):
                manifest.append(gone(path))
            todo = chain(_todo(plan, run, manifest, digest), _sidecars(plan, run, manifest))
            for outcome in _outcomes(todo, planned, run, plan.convention):
                if outcome.outcome not in ("unchanged", "kept"):
                    is_made = outcome.outcome == "written"
                    is_fallback = outcome.gate is not None and outcome.gate.fallback == "better"
                    settings = SIDECAR if is_made else digest(planned[outcome.path], is_fallback=is_fallback)
                    manifest.append(replace(outcome, settings=settings))
                yield outcome
                if run.fail_fast and outcome.outcome == "failed":
                    return
            is_partial = bool(run.include or run.exclude)
            if not is_partial or manifest.history.began is None:  # else files without a record may be left by others
                manifest.end()


def upscale_file(run: Run, plan: Plan | None = None) -> Iterator[Outcome]:
    """Upscale the one file ``run.source`` to the file ``run.out``, without a manifest.

    Raises:
        PackError: they are the same file.
        UsageError: ``run.out`` exists and ``run.force`` is not set.
        OutputError: there can be no such file, or it cannot be written.
    """
    check_overlap(run.source, run.out)
    try:
        run.out.lstat()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise output_error(run.out, error) from error
    else:
        if not run.force:
            raise UsageError(f"{run.out}: exists already; give another place with --output, or --force")
    remove_leftovers_of(run.out)
    plan = plan or plan_of(run)[0]
    planned = replace(plan.files[0], target=run.out.name, level_target="")
    job = job_of(planned, run.source.parent, run.out.parent)
    yield from _outcomes(iter([job]), {job.path: planned}, run, plan.convention)


def job_of(planned: Planned, source: Path, out: Path) -> Job:
    """Return what an engine has to know of a plan."""
    return Job(path=planned.path, source=source, out=out, target=planned.target, level_target=planned.level_target)


def _todo(plan: Plan, run: Run, manifest: Manifest, digest: Digest) -> Iterator[Job | Outcome]:
    """Yield as outcomes what is settled, and as jobs what must be upscaled."""
    for planned in plan.files:
        job = job_of(planned, run.source, run.out)
        if planned.target:
            check_inside(run.out, planned.target)
        if planned.action == "refuse":
            yield Outcome(path=planned.path, outcome="failed", reason=planned.reason)
        elif planned.action == "rewrite":
            continue  # its new content comes with the sidecars
        elif is_unchanged(job, planned, manifest.history, digest, run):
            yield Outcome(path=planned.path, outcome="unchanged")
        elif failed := given_up(job, planned, manifest.history, digest(planned), run):
            yield failed
        elif hindered := _hindered(planned.path, run, targets_of(job, planned), manifest):
            yield hindered
        else:
            manifest.retract(planned.path)
            yield job if planned.action == "upscale" else _settled(job, planned, has_stamps=not run.place)


def _hindered(path: str, run: Run, targets: Iterable[str], manifest: Manifest) -> Outcome | None:
    """Return the outcome of a file that cannot be written, or would replace one of the user's own."""
    try:
        return kept(path, run.out, targets, manifest.history, redo=run.force)
    except TextureError as error:
        return Outcome(path=path, outcome="failed", reason=error.reason)


def _settled(job: Job, planned: Planned, *, has_stamps: bool) -> Outcome:
    """Copy, leave out or account for a file that is not upscaled; times of an unpacked archive say nothing."""
    try:
        if planned.action == "copy":
            stamp = stamp_of(job.source / job.path) if has_stamps else None
            return replace(_copied(job, planned, planned.reason or None), source_stamp=stamp)
        sha256 = None if planned.action == "skip" else sha256_of(job.source / planned.path)
    except OSError as error:
        return Outcome(path=planned.path, outcome="failed", reason=f"cannot read: {error.strerror}")
    except TextureError as error:
        return failure(job, error)
    result: Result = "joined" if planned.action == "joined" else "skipped"
    return Outcome(path=planned.path, outcome=result, reason=planned.reason, source_sha256=sha256)


def _copied(job: Job, planned: Planned, reason: str | None, expected: str | None = None) -> Outcome:
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


def _path_of(sidecar: Sidecar) -> str:
    """Return what a sidecar is recorded under."""
    return sidecar.source or sidecar.target


def _sidecars(plan: Plan, run: Run, manifest: Manifest) -> Iterator[Outcome]:
    """Write the files that stand beside the textures."""
    for sidecar in plan.sidecars:
        check_inside(run.out, sidecar.target)
        path = _path_of(sidecar)
        sha256 = hashlib.sha256(sidecar.data).hexdigest()
        written = Written(sidecar.target, sha256, len(sidecar.data))
        if not run.force and is_done(manifest.history.done(path), sha256, SIDECAR, run.out):
            yield Outcome(path=path, outcome="unchanged")
            continue
        if hindered := _hindered(path, run, [sidecar.target], manifest):
            yield hindered
            continue
        manifest.retract(path)
        try:
            put(run.out, sidecar.target, sidecar.data)
        except TextureError as error:
            yield Outcome(path=path, outcome="failed", reason=error.reason)
            continue
        yield Outcome(path=path, outcome="written", source_sha256=sha256, targets=[written])


def _outcomes(
    items: Iterator[Job | Outcome], plans: Mapping[str, Planned], run: Run, convention: Convention
) -> Iterator[Outcome]:
    """Pass outcomes on, and hand everything from the first job on to an engine."""
    decoders = Decoders()  # no process yet; the engine ends those that its textures start
    for item in items:
        if isinstance(item, Job):
            engine, rest = run.load_engine(), chain([item], items)
            yield from engine.run(
                rest, lambda job: start(job, plans[job.path], run, convention, decoders.decode), decoders.close
            )
            return
        yield item


def start(job: Job, planned: Planned, run: Run, convention: Convention, decode: Decode = decode) -> Task | Outcome:
    """Read a texture, decide its policy, and make the task that an engine carries through.

    Raises:
        TextureError: the file cannot be read, or its result would be too large.
    """
    decision = decide(read(planned, job.source, run.limits_for(planned), decode), planned, run, convention)
    if isinstance(decision, NotUpscaled):
        return _not_upscaled(job, planned, decision)
    limits = run.limits_of(largest_route(decision, run))
    sizes = [(texture.pixels.shape[0], texture.pixels.shape[1]) for texture in decision.works]
    return Task(
        job=job,
        source_sha256=decision.sources.sha256,
        policy=facts_of(decision),
        key=twin_key(decision, convention),
        pixels=sum(height * width for height, width in sizes) * decision.route.settings.scale**2,
        upscaling=_made(decision, run, convention),
        share=sum(memory_for(*size, limits.growth) for size in sizes) / max(1, limits.memory),
    )


def _not_upscaled(job: Job, planned: Planned, found: NotUpscaled) -> Outcome:
    """Copy, leave out or refuse a texture for what it holds."""
    if found.action != "copy":
        result: Result = "skipped" if found.action == "skip" else "failed"
        digest, is_given_up = found.source_sha256, found.action == "refuse"
        return Outcome(path=job.path, outcome=result, reason=found.reason, source_sha256=digest, given_up=is_given_up)
    kept = replace(job, target=own_suffix(planned))  # not the suffix of what it would have become
    return _copied(kept, planned, found.reason, found.source_sha256)


def _made(decision: Decision, run: Run, convention: Convention) -> Upscaling[Made]:
    """Upscale a texture, and the smaller levels that came with it, judge it, and code it for its loader."""
    results, gate = yield from gated(decision, run)
    indexed = decision.route.settings.palette == "keep" and convention.palettes
    return Made(result_files(decision, results, convention, indexed=indexed), gate)
