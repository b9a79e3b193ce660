"""What a run would do: what ``texup.inspect`` returns, and ``texup inspect --json`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from texup.packs.pack import Finding
from texup.upscaling.estimate import Estimate, estimate_run
from texup.upscaling.planning import Plan
from texup.upscaling.run import Run
from texup.upscaling.survey import Item, Survey, survey_pack

PROBE_SECONDS = 3.0  # of a sample that the time is estimated from
UNTOLD = ("work",)  # of an item: the sum of all says enough


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What is in a pack and what would be done with it; ``docs/json.md`` has the meaning of every field."""

    scale: int
    models: Sequence[str]
    """Names of the nets."""
    output: Path
    """The folder, file or archive that would be written."""
    format: str
    """Id of the convention."""
    why: str
    """How it was found."""
    findings: Sequence[Finding]
    counts: Mapping[str, Mapping[str, int]]
    """How often each value occurs: of actions, sizes, modes, alphas, kinds, methods, edges and keys."""
    net_texels: int
    """What nets will see, context included."""
    files: Sequence[Item]
    estimate: Estimate | None
    """None where there is nothing to do, or nobody asked for it."""

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        files = [{name: value for name, value in asdict(item).items() if name not in UNTOLD} for item in self.files]
        return asdict(self) | {"output": str(self.output), "files": files}


def inspection_of(run: Run, plan: Plan, why: str, archive: Path | None, *, has_estimate: bool) -> Inspection:
    """Return what a run would do; to tell its time, a sample of a few seconds is done in a temporary folder.

    Raises:
        UsageError: the manifest of an earlier run cannot be read.
        DeviceError: the device cannot be used.
    """
    survey, items = Survey(), []
    for item in survey_pack(run, plan):
        survey.add(item)
        items.append(item)
    return Inspection(
        scale=run.settings.scale,
        models=[name for name, _ in run.models],
        output=archive or run.out,
        format=plan.convention.id,
        why=why,
        findings=plan.findings,
        counts={field.name: dict(getattr(survey, field.name)) for field in fields(survey) if field.name != "work"},
        net_texels=survey.work,
        files=items,
        estimate=_estimate(run, plan, items) if has_estimate else None,
    )


def _estimate(run: Run, plan: Plan, items: Sequence[Item]) -> Estimate | None:
    """Return what the run will cost, from a sample of it; None where there is nothing to do."""
    planned = {file.path: file for file in plan.files}
    texels = [(planned[item.path], item.width * item.height) for item in items if item.action == "upscale"]
    return estimate_run(run, plan.convention, texels, PROBE_SECONDS) if texels else None
