"""``texup inspect``, and the plan that ``upscale --dry-run`` prints."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from texup.cli.console import finding_lines, print_json, show
from texup.cli.options import CommandOptions, processing_options
from texup.cli.usage.sections import PACK, Sectioned

if TYPE_CHECKING:
    from texup.upscaling.estimate import Estimate
    from texup.upscaling.planning import Plan
    from texup.upscaling.run import Route, Run
    from texup.upscaling.survey import Item, Survey

PROBE_SECONDS = 3.0  # of a sample that the time is estimated from
UNITS = (("hours", 3600), ("minutes", 60), ("seconds", 1))
SHOWN = 8  # most frequent values shown of each count


@click.command(cls=Sectioned, sections=PACK)
@click.argument("source", metavar="PACK", type=click.Path(path_type=Path))
@processing_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with the plan for every file.")
@click.option("-v", "--verbose", is_flag=True, help="Print the plan for every file.")
def inspect(source: Path, options: CommandOptions) -> None:
    """Show what is in a pack, and what `texup upscale` would do with it and why.

    Nothing is written but a sample of a few seconds, in a temporary folder, from which the time is estimated.

    \b
    Examples:
      texup inspect ./n64_textures
      texup inspect ./n64_textures --scale 2 --json
    """
    from texup.calls.setup import opened_run

    with opened_run(source, None, options) as (run, archive):
        show_survey(run, archive, options)


def show_survey(run: Run, archive: Path | None, options: CommandOptions) -> None:
    """Print the plan of a run, as text or as JSON."""
    from texup.upscaling.planning import homes_of
    from texup.upscaling.run import plan_of
    from texup.upscaling.survey import Survey, as_json, survey_pack

    plan, why = plan_of(run)
    survey, items = Survey(), []
    for item in survey_pack(run, plan):
        survey.add(item)
        items.append(item)
    estimate, output = _estimate(run, plan, items), archive or run.out
    if options.as_json:
        settings = {"scale": run.settings.scale, "models": [name for name, _ in run.models], "output": str(output)}
        found = {"format": plan.convention.id, "why": why, "findings": [asdict(finding) for finding in plan.findings]}
        print_json(settings | found | as_json(survey, items) | {"estimate": asdict(estimate) if estimate else None})
        return
    shown = items if options.verbose else [item for item in items if item.action == "refuse"]
    lines = [f"{'format':12} {plan.convention.id} ({plan.convention.title}): {why}"]
    facts = {**plan.convention.facts, **({"writes": ", ".join(homes)} if (homes := homes_of(plan)[:3]) else {})}
    lines += [f"{name:12} {fact}" for name, fact in facts.items() if name != "dump"]
    findings = finding_lines(plan.findings, every=options.verbose)
    for line in [*_plan_lines(shown), *findings, *lines, *_summary(run, output, survey, estimate)]:
        show(line)


def _estimate(run: Run, plan: Plan, items: list[Item]) -> Estimate | None:
    """Return what the run will cost, from a sample of it; None where there is nothing to do."""
    from texup.upscaling.estimate import estimate_run

    planned = {file.path: file for file in plan.files}
    texels = [(planned[item.path], item.width * item.height) for item in items if item.action == "upscale"]
    return estimate_run(run, plan.convention, texels, PROBE_SECONDS) if texels else None


def _span(shortest: float, longest: float) -> str:
    """Return a range of seconds in the unit that one would say."""
    unit, seconds = next((u for u in UNITS if longest >= 2 * u[1]), UNITS[-1])
    low, high = (value / seconds for value in (shortest, longest))
    ends = [f"{value:.0f}" if value >= 3 else f"{value:.1f}".removesuffix(".0") for value in (low, high)]
    return f"{' to '.join(dict.fromkeys(ends))} {unit}"


def _plan_lines(items: list[Item]) -> list[str]:
    width = max((len(item.path) for item in items), default=0)
    return [f"{item.action:8} {item.path:{width}}  {item.reason}" for item in items]


def _summary(run: Run, output: Path, survey: Survey, estimate: Estimate | None) -> list[str]:
    counts = {
        "plan": survey.actions,
        "kinds": survey.kinds,
        "methods": survey.methods,
        "sizes": survey.sizes,
        "modes": survey.modes,
        "alphas": survey.alphas,
        "edges (x,y)": survey.edges,
    }
    lines = [f"{title:12} {_top(count)}" for title, count in counts.items() if count]
    if survey.keys:
        lines.append(f"{'colour keys':12} {_top(survey.keys)}")
    lines.append(f"{'result':12} {output}, {run.settings.scale} times as large, by {_chain(run, run.route)}")
    if run.faithful is not None:
        lines.append(f"{'':12} and {_chain(run, run.faithful)} where nothing may be invented")
    if estimate is not None:
        cost = f"{_span(estimate.shortest, estimate.longest)}, and {estimate.memory_mb} MB for a batch"
        lines.append(f"{'estimate':12} {cost} on {estimate.device}")
    return lines


def _chain(run: Run, route: Route) -> str:
    """Return the names of the nets that a route goes through, and which take colour and alpha at once."""
    steps = dict.fromkeys(route.passes)
    return " > ".join(run.models[step.model][0] + (" (RGBA in one pass)" if step.rgba else "") for step in steps)


def _top(count: Any) -> str:
    shown = [f"{name}: {n}" for name, n in count.most_common(SHOWN)]
    more = len(count) - len(shown)
    return ", ".join(shown) + (f", and {more} more" if more > 0 else "") or "none"
