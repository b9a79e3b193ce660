"""What is done with a texture, from its pixels, its name and the user's rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from texup.conventions.convention import Convention, Planned
from texup.policy.choices import GateChoice
from texup.policy.classify import (
    Policy,
    Treatment,
    key_for,
    kind_and_alpha,
    of_islands,
    policy_for,
    without_doubt,
)
from texup.policy.lookups import lookup_table
from texup.policy.rule_facts import Facts
from texup.policy.rules import Rule, apply_rule, first_fit
from texup.textures.cells import Cells, cut, grid_boxes, island_boxes
from texup.textures.keys import cut_out
from texup.textures.seams import Edge, detect_edges
from texup.textures.texture import Texture
from texup.upscaling.reading import NotUpscaled, Sources, check_size
from texup.upscaling.run import Route, Run, Settings

PICTURES = (None, "colour", "interface")
"""Kinds that a look-up table is taken for where only its place was known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is done with one texture that is read."""

    sources: Sources
    works: Sequence[Texture]
    """The sources as the pixel code takes them, their colour key cut out."""
    planned: Planned
    """The plan, with what the user chose laid over its treatment."""
    policy: Policy
    route: Route
    rule: Rule | None
    """The user's rule that decided."""
    gate: GateChoice = "off"


def decide(
    sources: Sources | NotUpscaled, planned: Planned, run: Run, convention: Convention
) -> Decision | NotUpscaled:
    """Decide what is done with a texture, from its name, its pixels and the user's rules, unless reading settled it.

    Raises:
        UnsupportedTexture: its result would be too large by the rule that fits it.
    """
    if isinstance(sources, NotUpscaled):
        return sources
    works = [convention.to_work(texture, planned) for texture in sources.textures]
    treatment = without_doubt(_chosen(planned.treatment, run.settings), works[0])
    table = None if planned.others or treatment.kind not in PICTURES else lookup_table(planned.path, works[0].pixels)
    if table is not None:
        # A TEXTURES lump is written from names alone, and has promised the size of a result already.
        treatment = replace(treatment, kind="lookup", method="nearest" if run.wishes.textures_lump else None)
    rule = first_fit(planned.rules, _facts(works[0], treatment)) if planned.rules else None
    if rule is not None:
        if rule.action in ("copy", "skip"):
            return NotUpscaled(action=rule.action, reason=f"rule {rule.number}", source_sha256=sources.sha256)
        treatment = apply_rule(rule, treatment)
    key = key_for(works[0], treatment)
    if key is not None:
        works, treatment = [cut_out(work, key) for work in works], replace(treatment, alpha="auto")
    policy = replace(_policy(works[0], treatment, run.settings), key=key)
    if policy.method == "copy":
        what = f"a look-up table, a {table}" if table is not None else policy.kind
        return NotUpscaled(action="copy", reason=f"{what}: kept as it is", source_sha256=sources.sha256)
    route = run.route_of(rule, faithful=policy.faithful, pixel_art=policy.method == "pixel")
    for work in works:
        check_size(work.pixels.shape[0], work.pixels.shape[1], run.limits_of(route), planned.path.rpartition("/")[2])
    return Decision(
        sources=sources,
        works=works,
        planned=replace(planned, treatment=treatment),
        policy=policy,
        route=route,
        rule=rule,
        gate=run.gate_of(rule),
    )


def _chosen(treatment: Treatment, settings: Settings) -> Treatment:
    """Return a treatment with what the user chose for all textures laid over it."""
    alpha = treatment.alpha if settings.alpha == "auto" else settings.alpha
    vertical, horizontal = (
        own if asked == "auto" else asked for own, asked in zip(treatment.edges, settings.edges, strict=True)
    )
    grain = treatment.grain if settings.grain == "auto" else settings.grain
    key = treatment.key if settings.key == "auto" else settings.key
    return replace(treatment, alpha=alpha, edges=(vertical, horizontal), grain=grain, key=key)


def _policy(work: Texture, treatment: Treatment, settings: Settings) -> Policy:
    policy = policy_for(work, treatment, settings.normals, settings.method)
    if isinstance(policy.cells, Cells):
        return replace(policy, edges=_cell_edges(work, policy, treatment))
    is_whole = treatment.cells is not None or policy.method != "net"
    return policy if is_whole or not island_boxes(work, policy.alpha, policy.edges) else of_islands(policy, treatment)


def _cell_edges(work: Texture, policy: Policy, treatment: Treatment) -> tuple[Edge, Edge]:
    """Return edges that hold for every cell: those of the whole sheet say nothing about one."""
    assert isinstance(policy.cells, Cells)
    is_opacity = policy.alpha not in ("none", "data")
    boxes = grid_boxes((work.pixels.shape[0], work.pixels.shape[1]), policy.cells)
    found = [detect_edges(cut(work, box).pixels, alpha=is_opacity) for box in boxes]
    vertical, horizontal = (
        asked if asked != "auto" else "wrap" if all(edges[axis] == "wrap" for edges in found) else "clamp"
        for axis, asked in enumerate(treatment.edges)
    )
    return vertical, horizontal


def _facts(work: Texture, treatment: Treatment) -> Facts:
    key = key_for(work, treatment)
    kind, alpha = kind_and_alpha(work if key is None else cut_out(work, key), treatment)
    height, width = work.pixels.shape[:2]
    return Facts(kind, alpha, width, height, work.container.format)
