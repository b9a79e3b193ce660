"""Whole packs, from Python: ``texup.upscale``, ``texup.inspect`` and ``texup.merge``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from typing import Unpack

from texup.api.asked import PackOptions, PathLike, UpscaleOptions, options_of, path_of
from texup.calls.cloud import Place, check_asked, opened_place
from texup.calls.doing import carried_out, packed, planned, remains_of, summary_of
from texup.calls.inspection import Inspection, inspection_of
from texup.calls.merging import Merged, merge_shards
from texup.calls.summary import Summary
from texup.calls.tally import Tally
from texup.errors import UsageError
from texup.manifest.record import Outcome
from texup.packs.remote.url import is_url, read_url
from texup.policy.rule_values import shown
from texup.upscaling.planning import Plan
from texup.upscaling.run import plan_of

Progress = Callable[[int, int, str], object]
"""Called with the files that are done, how many there are, and the path of the newest."""


def upscale(
    pack: PathLike,
    output: PathLike | None = None,
    *,
    progress: Progress | None = None,
    **options: Unpack[UpscaleOptions],
) -> Summary:
    """Upscale a pack, or a single texture, as ``texup upscale`` does.

    Call it again to go on after an interruption: finished textures are not repeated. A texture that fails does not stop
    the pack; it stands in ``failures`` of what is returned.

    Args:
        pack: a folder, a zip or pk3, one file, or a folder of an object store as "s3://BUCKET/FOLDER".
        output: where to write, also in a store; None for ``PACK_x4`` beside it, as the scale is.
        progress: called in this thread for each file that is done, with the number of files done, that of all, and the
            file's path in the pack. What it raises ends the run; what is finished stays.
        options: as on the command line, with the same defaults; ``docs/api.md`` has the table.

    Raises:
        UsageError: wrong use, or refused before anything was written (``PackError``, ``DeviceError``).
        WeightsError: weights were refused.
        OutputError: the output cannot be written, or the disk is full; finished files stay.
        LockedError: another run writes to the same output.
        LostDevice: the device stopped working in the middle.
    """
    asked = options_of(options, UpscaleOptions)
    source, out = _place(pack, "pack"), None if output is None else _place(output, "output")
    check_asked(source, out)
    with opened_place(source, out, asked, tell=_silent) as (run, archive, sending):
        plan, _ = planned(run, archive)
        tally, total = Tally(), _count(plan)
        carried = carried_out(run, plan)
        with closing(carried if sending is None else sending.through(carried)) as outcomes:
            for done, outcome in enumerate(outcomes, 1):
                tally.add(outcome)
                if progress is not None:
                    progress(done, total, outcome.path)
        if sending is not None:
            sending.finish()
        remains = remains_of(run, plan, tally)
        summary = summary_of(run, plan, tally, remains, packed(run, archive, remains, tally))
        return summary if sending is None else replace(summary, url=str(sending.url))


def inspect(pack: PathLike, *, estimate: bool = False, **options: Unpack[PackOptions]) -> Inspection:
    """Return what is in a pack, and what ``upscale`` would do with each file and why; nothing is written.

    Args:
        pack: a folder, a zip or pk3, or one file.
        estimate: whether to tell how long ``upscale`` would take, which does a sample of some seconds.
        options: those of ``upscale``.

    Raises:
        UsageError: wrong use, or a pack that is refused.
        WeightsError: weights were refused.
    """
    asked = options_of(options, PackOptions)
    with opened_place(_place(pack, "pack"), None, asked, tell=_silent) as (run, archive, _):
        plan, why = plan_of(run)
        return inspection_of(run, plan, why, archive, has_estimate=estimate)


def merge(outs: Iterable[PathLike], output: PathLike, *, progress: Progress | None = None) -> Merged:
    """Make one pack of the outputs of all its shards, as ``texup merge`` does.

    Call it again to go on after an interruption: files that are there are not brought again.

    Args:
        outs: what ``upscale(..., shard="K/N")`` wrote for each K, in any order: folders, also of object stores.
        output: the folder of the whole pack, also of a store, or a zip.
        progress: as for ``upscale``; files here are those of the pack.

    Raises:
        UsageError: wrong use, or shards that do not belong together or are not whole; nothing was written.
        LostStore: the object store of a shard stopped answering.
        OutputError: the output cannot be written, or the disk is full; what was brought stays.
        LockedError: another run writes to the same output.
    """

    def took(done: int, total: int, outcome: Outcome) -> None:
        if progress is not None:
            progress(done, total, outcome.path)

    if isinstance(outs, str | os.PathLike) or not isinstance(outs, Iterable):
        raise UsageError(f"outs must be a list of paths, not {shown(outs)}")
    if not (places := [_place(out, "outs") for out in outs]):
        raise UsageError("outs is empty; give the outputs of all shards")
    return merge_shards(places, _place(output, "output"), took, tell=_silent)


def _place(value: object, name: str) -> Place:
    return read_url(value) if isinstance(value, str) and is_url(value) else path_of(value, name)


def _silent(_: str) -> None:
    """Tell nobody: a library prints nothing."""


def _count(plan: Plan) -> int:
    """Return how many outcomes the run of a plan has."""
    return len(plan.files) + sum(not sidecar.source for sidecar in plan.sidecars)
