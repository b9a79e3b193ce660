"""The first step of one texture, as a value that can be sent: whoever gets it begins the same textures the same way.

A run on one machine calls it on its own threads. An engine on many machines pickles it, and each worker has the same
run again, by the same nets: settings and routes are plain values, a net is a name and a hash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from texup.conventions.convention import Convention, Planned
from texup.conventions.table import convention_by_id
from texup.engines.devices.memory import memory_budget
from texup.engines.engine import Job, Made, Task, Upscaling
from texup.manifest.record import Outcome, Result
from texup.textures.codecs.decoders import Decode, Decoders
from texup.textures.codecs.files import decode
from texup.upscaling.coding import facts_of, result_files, twin_key
from texup.upscaling.copying import copied
from texup.upscaling.deciding import Decision, decide
from texup.upscaling.planning import own_suffix
from texup.upscaling.quality.gate import gated, largest_route
from texup.upscaling.reading import NotUpscaled, memory_for, read
from texup.upscaling.run import Run


def _nothing() -> None:
    """Do nothing: whoever lends a decoder ends it."""


@dataclass(frozen=True, slots=True)
class Starting:
    """What an engine calls with each job: reads its texture, decides, and makes its task.

    In another process it has a decoder of that process, and the memory of that machine.
    """

    run: Run
    convention: Convention
    decode: Decode = decode
    close: Callable[[], object] = _nothing
    """Ends the decoder that it got with another process."""

    def __call__(self, job: Job) -> Task | Outcome:
        """Begin a texture that :func:`job_of` made a job of; see :func:`start`."""
        return start(job, job.plan, self.run, self.convention, self.decode)

    def among(self, workers: int) -> Starting:
        """Return the same for one of so many processes of a machine, which have its memory together."""
        return replace(self, run=replace(self.run, memory=self.run.memory // workers))

    def __reduce__(self) -> tuple[Callable[..., Starting], tuple[Any, ...]]:
        """Be sent without what is of this process alone."""
        here = replace(self.run, source=self.run.source.absolute(), out=self.run.out.absolute())
        return _elsewhere, (here, self.convention.id)


def _elsewhere(run: Run, convention: str) -> Starting:
    decoders = Decoders()
    return Starting(replace(run, memory=memory_budget()), convention_by_id(convention), decoders.decode, decoders.close)


def job_of(planned: Planned, source: Path, out: Path) -> Job:
    """Return what an engine has to know of a plan, and the plan for :class:`Starting`."""
    return Job(
        path=planned.path,
        source=source,
        out=out,
        target=planned.target,
        level_target=planned.level_target,
        plan=planned,
    )


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
    return copied(kept, planned, found.reason, found.source_sha256)


def _made(decision: Decision, run: Run, convention: Convention) -> Upscaling[Made]:
    """Upscale a texture, and the smaller levels that came with it, judge it, and code it for its loader."""
    results, gate = yield from gated(decision, run)
    indexed = decision.route.settings.palette == "keep" and convention.palettes
    return Made(result_files(decision, results, convention, indexed=indexed), gate)
