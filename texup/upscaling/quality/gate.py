"""The gate: whether what a net made of a texture may look wrong, and what is done then.

The limits lie above what the default does to 199 textures of four real packs, and below what nets do that draw worms,
lattices or other colours; docs/gate.md has the measurement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import NamedTuple

from texup.engines.engine import Upscaling
from texup.manifest.gating import Gate, GateScores, ScoreName
from texup.textures.texture import Texture
from texup.upscaling.deciding import Decision
from texup.upscaling.pixels import upscale_sheet
from texup.upscaling.quality.scoring import scores_of
from texup.upscaling.run import Route, Run


class Limit(NamedTuple):
    """From where on a score is wrong, and what a user sees then."""

    plain: float
    grained: float
    """Of textures with grain, which is fine detail by design, and runs along fibres."""
    meaning: str


LIMITS: Mapping[ScoreName, Limit] = {
    "drift": Limit(10.0, 10.0, "areas have another colour than the source"),
    "alpha": Limit(20.0, 20.0, "outlines are cut elsewhere, or fade otherwise"),
    "seam": Limit(4.0, 4.0, "a seam shows where the texture tiles"),
    "detail": Limit(2.3, 3.2, "noise, speckles or rings that the source has not"),
    "strokes": Limit(10.0, 20.0, "hatching, worms or scratches that the source has not"),
    "lattice": Limit(6.0, 6.0, "a grid or checkerboard of the size of the source's texels"),
}


def gated(decision: Decision, run: Run) -> Upscaling[tuple[list[Texture], Gate | None]]:
    """Upscale the works of a texture and judge the result; where it is wrong, try the faithful net if that was asked.

    Returns:
        The results, and what the gate says of them: None where it was not asked, or no net made them.
    """
    results = yield from _upscaled(decision)
    if decision.gate == "off" or decision.policy.method != "net":
        return results, None
    scores = _scores(decision, results)
    gate = Gate(scores=scores, wrong=wrong_scores(scores, decision.policy.grain))
    if decision.gate == "warn" or not gate.wrong:
        return results, gate
    faithful = faithful_decision(decision, run.fallback)
    if faithful is None:
        return results, replace(gate, fallback="impossible")
    others = yield from _upscaled(faithful)
    return _better(decision, (results, gate), faithful, others)


def faithful_decision(decision: Decision, route: Route | None) -> Decision | None:
    """Return how a texture goes through the faithful net without grain; None where it did, or there is no such net."""
    if route is None:
        return None
    scale, passes = decision.route.settings.scale, [route.passes[0]]
    while prod(step.scale for step in passes) < scale:  # a rule may ask for another scale than the run
        passes.append(passes[0])
    route = Route(passes, replace(route.settings, scale=scale))
    faithful = replace(decision, route=route, policy=replace(decision.policy, grain=0.0))
    is_same = passes == list(decision.route.passes) and not decision.policy.grain
    return None if is_same else faithful


def largest_route(decision: Decision, run: Run) -> Route:
    """Return the way that takes the most memory of those that a texture may go."""
    faithful = faithful_decision(decision, run.fallback) if decision.gate == "fallback" else None
    routes = [decision.route] if faithful is None else [decision.route, faithful.route]
    return max(routes, key=lambda route: run.limits_of(route).growth)


def wrong_scores(scores: GateScores, grain: float) -> list[str]:
    """Return the names of the scores that are beyond their limits, in the order of the table."""
    return [name for name, share in _shares(scores, grain).items() if share > 1]


def _shares(scores: GateScores, grain: float) -> dict[str, float]:
    """Return each score that applies as a multiple of its limit."""
    limits = {name: limit.grained if grain else limit.plain for name, limit in LIMITS.items()}
    values = {name: getattr(scores, name) for name in limits}
    return {name: value / limits[name] for name, value in values.items() if value is not None}


def _upscaled(decision: Decision) -> Upscaling[list[Texture]]:
    route, results = decision.route, list[Texture]()
    for texture in decision.works:
        results.append((yield from upscale_sheet(texture, decision.policy, route.passes, route.settings)))
    return results


def _scores(decision: Decision, results: Sequence[Texture]) -> GateScores:
    """Return the scores of the full size; its smaller levels come of the same net."""
    scale = decision.route.settings.scale
    return scores_of(decision.works[0].pixels, results[0].pixels, decision.policy, scale)


def _better(
    decision: Decision, first: tuple[list[Texture], Gate], faithful: Decision, others: list[Texture]
) -> tuple[list[Texture], Gate]:
    """Return whichever of two results is less beyond its limits, with the scores of both."""
    results, gate = first
    scores, other = gate.scores, _scores(faithful, others)
    worst = max(_shares(scores, decision.policy.grain).values(), default=0.0)
    others_worst = max(_shares(other, 0.0).values(), default=0.0)
    if others_worst < worst:
        return others, Gate(scores=other, wrong=wrong_scores(other, 0.0), fallback="better", other=scores)
    return results, replace(gate, fallback="worse", other=other)
