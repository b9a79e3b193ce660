"""``texup inspect``, and the plan that ``upscale --dry-run`` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from texup.cli.console import finding_lines, print_json, report, show
from texup.cli.running.output_options import SHARD_OPTION
from texup.cli.usage.options import CommandOptions, processing_options
from texup.cli.usage.sections import PACK, Sectioned
from texup.cli.usage.values import PlaceType

if TYPE_CHECKING:
    from texup.calls.cloud import Place
    from texup.calls.inspection import Inspection
    from texup.upscaling.run import Route, Run
    from texup.upscaling.survey import Item

UNITS = (("hours", 3600), ("minutes", 60), ("seconds", 1))
TITLES = {
    "actions": "plan",
    "kinds": "kinds",
    "methods": "methods",
    "sizes": "sizes",
    "modes": "modes",
    "alphas": "alphas",
    "edges": "edges (x,y)",
    "keys": "colour keys",
}
SHOWN = 8  # most frequent values shown of each count


@click.command(cls=Sectioned, sections=PACK)
@click.argument("source", metavar="PACK", type=PlaceType())
@processing_options
@SHARD_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with the plan for every file.")
@click.option("-v", "--verbose", is_flag=True, help="Print the plan for every file.")
def inspect(source: Place, options: CommandOptions) -> None:
    """Show what is in a pack, and what `texup upscale` would do with it and why.

    Nothing is written but a sample of a few seconds, in a temporary folder, from which the time is estimated.

    \b
    Examples:
      texup inspect ./n64_textures
      texup inspect ./n64_textures --scale 2 --json
    """
    from texup.calls.cloud import opened_place

    with opened_place(source, None, options, tell=report) as (run, archive, _):
        show_survey(run, archive, options)


def show_survey(run: Run, archive: Path | None, options: CommandOptions) -> None:
    """Print the plan of a run, as text or as JSON."""
    from texup.calls.inspection import inspection_of
    from texup.upscaling.planning import homes_of
    from texup.upscaling.run import plan_of

    plan, why = plan_of(run)
    found = inspection_of(run, plan, why, archive, has_estimate=True)
    if options.as_json:
        print_json("inspect", found.as_json())
        return
    shown = [item for item in found.files if options.verbose or item.action == "refuse"]
    lines = [f"{'format':12} {plan.convention.id} ({plan.convention.title}): {why}"]
    facts = {**plan.convention.facts, **({"writes": ", ".join(homes)} if (homes := homes_of(plan)[:3]) else {})}
    lines += [f"{name:12} {fact}" for name, fact in facts.items() if name != "dump"]
    findings = finding_lines(plan.findings, every=options.verbose)
    for line in [*_plan_lines(shown), *findings, *lines, *_summary(run, found)]:
        show(line)


def _span(shortest: float, longest: float) -> str:
    """Return a range of seconds in the unit that one would say."""
    unit, seconds = next((u for u in UNITS if longest >= 2 * u[1]), UNITS[-1])
    low, high = (value / seconds for value in (shortest, longest))
    ends = [f"{value:.0f}" if value >= 3 else f"{value:.1f}".removesuffix(".0") for value in (low, high)]
    return f"{' to '.join(dict.fromkeys(ends))} {unit}"


def _plan_lines(items: Sequence[Item]) -> list[str]:
    width = max((len(item.path) for item in items), default=0)
    return [f"{item.action:8} {item.path:{width}}  {item.reason}" for item in items]


def _summary(run: Run, found: Inspection) -> list[str]:
    lines = [f"{TITLES[name]:12} {_top(found.counts[name])}" for name in TITLES if found.counts[name]]
    lines.append(f"{'result':12} {found.output}, {found.scale} times as large, by {_chain(run, run.route)}")
    if run.faithful is not None:
        lines.append(f"{'':12} and {_chain(run, run.faithful)} where nothing may be invented")
    if run.route.pixel_art is not None and found.counts["methods"].get("pixel"):
        lines.append(f"{'':12} and {_chain(run, run.route.pixel_art)} for pixel art")
    if found.estimate is not None:
        span, memory = _span(found.estimate.shortest, found.estimate.longest), found.estimate.memory_mb
        lines.append(f"{'estimate':12} {span}, and {memory} MB for a batch on {found.estimate.device}")
    return lines


def _chain(run: Run, route: Route) -> str:
    """Return the names of the nets that a route goes through, and which take colour and alpha at once."""
    steps = dict.fromkeys(route.passes)
    return " > ".join(run.models[step.model][0] + (" (RGBA in one pass)" if step.rgba else "") for step in steps)


def _top(counts: Mapping[str, int]) -> str:
    shown = [f"{name}: {n}" for name, n in Counter(counts).most_common(SHOWN)]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f", and {more} more" if more > 0 else "") or "none"
