"""From a run to its summary: plan, upscale, check what was written, pack it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from texup.calls.summary import FileGate, FileReason, NodeSum, Summary, UsedModel
from texup.calls.tally import NodeTally, Tally
from texup.checking import check_output
from texup.errors import UsageError
from texup.locks import output_lock
from texup.manifest.gating import Gate
from texup.manifest.record import Outcome
from texup.manifest.verification import orphans_of
from texup.packs.pack import Finding
from texup.packs.walk import MANIFEST_NAME, walk
from texup.packs.zips import write_zip
from texup.upscaling.pack import upscale_file, upscale_pack
from texup.upscaling.planning import Plan
from texup.upscaling.run import Run, plan_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What lies in an output after a run."""

    findings: Sequence[Finding]
    """What the loader's rules say of it."""
    orphans: Sequence[str]
    """Files of earlier runs that the newest has no use for."""
    has_results: bool
    """Whether any file is there that the newest run has a use for."""


def planned(run: Run, archive: Path | None) -> tuple[Plan, str]:
    """Return the plan of a run whose result belongs into ``archive``, and how its convention was found.

    Raises:
        UsageError: the archive is there, and no run into this output can have written it.
        PackError: the pack is refused.
    """
    if archive is not None and archive.exists() and not run.force and not (run.out / MANIFEST_NAME).exists():
        raise UsageError(f"{archive}: exists already; give another place with --output, or --force")
    return plan_of(run)


def carried_out(run: Run, plan: Plan) -> Generator[Outcome, None, None]:
    """Do a run; see ``upscale_pack`` and ``upscale_file``. Who stops early closes it, or locks stay for a while."""
    yield from upscale_pack(run, plan) if run.source.is_dir() else upscale_file(run, plan)


def remains_of(run: Run, plan: Plan, tally: Tally) -> Remains:
    """Check what a run has written; beside a single file nothing is looked at."""
    if not run.source.is_dir():
        return Remains(findings=(), orphans=(), has_results=not tally.failures)
    orphans = orphans_of(run.out)
    left_out = frozenset(orphans)
    return Remains(
        findings=check_output(run.out, plan.convention) if run.shard is None else (),  # a part would not load
        orphans=orphans,
        has_results=any(entry.path not in left_out for entry in walk(run.out)),
    )


def packed(run: Run, archive: Path | None, remains: Remains, tally: Tally) -> Path | None:
    """Write the archive of a run that is whole and has results; return it, or None where none was written."""
    is_whole = not (run.fail_fast and tally.failures)
    if archive is None or not remains.has_results or not is_whole:
        return None
    with output_lock(run.out):  # no other run may change what is being packed
        write_zip(run.out, archive, stored=bool(run.wishes.resource_pack), without=list(remains.orphans))
    return archive


def summary_of(run: Run, plan: Plan, tally: Tally, remains: Remains, archive: Path | None) -> Summary:
    """Return what became of a run whose result was packed into ``archive``, if any."""
    return Summary(
        output=run.out,
        format=plan.convention.id,
        scale=run.settings.scale,
        models=[UsedModel(name, sha256) for name, sha256 in run.models],
        settings=run.settings,
        counts=dict(tally.counts),
        twins=tally.twins,
        redone=tally.redone,
        failures=[FileReason(path, reason) for path, reason in tally.failures],
        gate=[_file_gate(path, gate) for path, gate in tally.wrong],
        kept=[FileReason(path, reason) for path, reason in tally.kept],
        plan=plan.findings,
        check=remains.findings,
        seconds=round(tally.seconds, 3),
        megapixels=round(tally.pixels / 1e6, 3),
        archive=archive,
        orphans=remains.orphans,
        nodes=[_node_sum(tally.nodes[name]) for name in sorted(tally.nodes)],
    )


def _node_sum(node: NodeTally) -> NodeSum:
    return NodeSum(
        node=node.node,
        device=node.device,
        files=node.files,
        failed=node.failed,
        megapixels=round(node.pixels / 1e6, 3),
        seconds=round(node.busy, 3),
    )


def _file_gate(path: str, gate: Gate) -> FileGate:
    return FileGate(path=path, scores=gate.scores, wrong=gate.wrong, fallback=gate.fallback, other=gate.other)
