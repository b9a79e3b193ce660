"""Upscaling of a whole pack. Start reading here.

::

    plan ── one decision for each file, from names (planning)
    starting ── a file is read (reading.read), decided about (deciding.decide), and handed to an engine as a task:
        its pixels' way through the nets (pixels.upscale_texture), judged (gate.gated), and coded for its loader
        (coding.result_files)
    manifest ── one line for each file, after its results have their final names
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain

from texup.conventions.convention import Convention, Planned, Sidecar
from texup.engines.engine import Job
from texup.engines.steps import put
from texup.errors import TextureError, UsageError
from texup.files import check_inside, output_error, remove_leftovers, remove_leftovers_of
from texup.locks import output_lock
from texup.manifest.history import is_done
from texup.manifest.journal import Manifest
from texup.manifest.record import Outcome, Written, gone
from texup.packs.walk import MANIFEST_NAME, check_overlap
from texup.textures.codecs.decoders import Decode, Decoders
from texup.upscaling.copying import settled
from texup.upscaling.keeping import check_empty, check_part, kept, targets_of
from texup.upscaling.planning import Plan
from texup.upscaling.reading import sources_of
from texup.upscaling.resuming import given_up, is_unchanged
from texup.upscaling.run import Digest, Run, plan_of
from texup.upscaling.starting import Starting, job_of

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
    with Decoders() as decoders:
        # They get ready beside torch; a finished pack may need none, and workers elsewhere have their own.
        if not (run.is_sent or os.path.lexists(run.out / MANIFEST_NAME)):
            decoders.start(min(os.cpu_count() or 1, sum(file.action == "upscale" for file in plan.files)))
        check_ready(run)
        yield from _upscaled(run, plan, decoders)


def _upscaled(run: Run, plan: Plan, decoders: Decoders) -> Iterator[Outcome]:
    """Upscale a pack into an output that may be written to."""
    with output_lock(run.out):
        remove_leftovers(run.out)
        with Manifest(run.out, run.header(plan.convention.id, plan.shard)) as manifest:
            check_part(run.out, manifest.history, run.shard)
            known = {file.path for file in plan.files} | {_path_of(sidecar) for sidecar in plan.sidecars}
            for path in sorted(manifest.history.latest.keys() - known):
                manifest.append(gone(path))
            for outcome in outcomes_of(
                run, plan, manifest, plan.files, plan.sidecars, decode=decoders.decode, end=decoders.close
            ):
                record(outcome, manifest)
                yield outcome
                if run.fail_fast and outcome.outcome == "failed":
                    return
            is_partial = bool(run.include or run.exclude)
            if not is_partial or manifest.history.began is None:  # else files without a record may be left by others
                manifest.end()


def check_ready(run: Run) -> None:
    """Refuse an output of others before the first write into it, and with it bad weights and a missing device.

    Raises:
        UsageError: there are files of others in the output, or the device is not there.
        WeightsError: a file of weights was refused.
    """
    if not os.path.lexists(run.out / MANIFEST_NAME):
        if not run.keep_existing:
            check_empty(run.out)
        run.load_engine()


def record(outcome: Outcome, manifest: Manifest) -> bool:
    """Append an outcome to the manifest and return True, or False for one that leaves the record as it is.

    Raises:
        OutputError: it cannot be written.
    """
    if outcome.outcome in ("unchanged", "kept"):
        return False
    manifest.append(outcome)
    return True


def outcomes_of(
    run: Run,
    plan: Plan,
    manifest: Manifest,
    files: Sequence[Planned],
    sidecars: Sequence[Sidecar],
    *,
    decode: Decode,
    end: Callable[[], None],
) -> Iterator[Outcome]:
    """Do some files of a plan, then some of its sidecars, and yield what became of each as a record of it would say.

    The caller appends the records, and holds the lock of the output.

    Args:
        run: what is read and written, and how.
        plan: of the whole pack.
        manifest: what was done before.
        files: those of the plan that are to be done.
        sidecars: the same of what is written beside them.
        decode: decodes a file.
        end: called when the engine is done, however it ends.

    Raises:
        OutputError: the output cannot be written.
    """
    digest, planned = run.digests(plan.convention.id), {file.path: file for file in files}
    todo = chain(_todo(files, run, manifest, digest), _sidecars(sidecars, run, manifest))
    for outcome in _outcomes(todo, run, plan.convention, decode, end):
        is_sidecar = outcome.outcome == "written" or outcome.path not in planned
        settings = SIDECAR if is_sidecar else digest(planned[outcome.path], is_fallback=outcome.is_fallback)
        yield replace(_known_again(outcome, planned, run), settings=settings)


def _known_again(outcome: Outcome, planned: Mapping[str, Planned], run: Run) -> Outcome:
    """Return an outcome with the digest of its source, where whoever gave it up died before it could say so."""
    if not outcome.given_up or outcome.source_sha256 is not None or outcome.path not in planned:
        return outcome
    with suppress(OSError):  # then the next run tries again
        return replace(outcome, source_sha256=sources_of(planned[outcome.path], run.source))
    return outcome


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
    decoders = Decoders()
    yield from _outcomes(iter([job]), run, plan.convention, decoders.decode, decoders.close)


def _todo(files: Sequence[Planned], run: Run, manifest: Manifest, digest: Digest) -> Iterator[Job | Outcome]:
    """Yield as outcomes what is settled, and as jobs what must be upscaled."""
    for planned in files:
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
            yield job if planned.action == "upscale" else settled(job, planned, has_stamps=not run.place)


def _hindered(path: str, run: Run, targets: Iterable[str], manifest: Manifest) -> Outcome | None:
    """Return the outcome of a file that cannot be written, or would replace one of the user's own."""
    try:
        return kept(path, run.out, targets, manifest.history, redo=run.force)
    except TextureError as error:
        return Outcome(path=path, outcome="failed", reason=error.reason)


def _path_of(sidecar: Sidecar) -> str:
    """Return what a sidecar is recorded under."""
    return sidecar.source or sidecar.target


def _sidecars(sidecars: Sequence[Sidecar], run: Run, manifest: Manifest) -> Iterator[Outcome]:
    """Write the files that stand beside the textures."""
    for sidecar in sidecars:
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
    items: Iterator[Job | Outcome], run: Run, convention: Convention, decode: Decode, end: Callable[[], None]
) -> Iterator[Outcome]:
    """Pass outcomes on, and hand everything from the first job on to an engine."""
    for item in items:
        if isinstance(item, Job):
            rest = chain([item], items)
            yield from run.load_engine().run(rest, Starting(run, convention, decode), end)
            return
        yield item
