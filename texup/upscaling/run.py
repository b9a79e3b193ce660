"""The values of one call of ``upscale``: what is read, what is written, through which nets, and how."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from math import prod
from pathlib import Path
from typing import Any, Protocol

from texup import __version__
from texup.conventions.convention import Planned, Wishes
from texup.conventions.detection import Detected, detect
from texup.conventions.plain import PLAIN
from texup.conventions.table import convention_by_id
from texup.engines.devices.memory import memory_budget
from texup.engines.engine import Engine
from texup.errors import HoldsInput, UsageError
from texup.manifest.history import SCHEMA
from texup.manifest.journal import RunHeader
from texup.manifest.shard import Shard
from texup.packs.opening import folders_of, open_pack
from texup.packs.pack import Pack
from texup.packs.walk import Entry, check_pack, walk
from texup.policy.choices import (
    AlphaChoice,
    DdsQualityChoice,
    EdgeChoice,
    GateChoice,
    GrainChoice,
    KeyChoice,
    MethodChoice,
    NormalsChoice,
    PaletteChoice,
    PngChoice,
)
from texup.policy.rule_values import MAX_SCALE
from texup.policy.rules import Rule, as_facts
from texup.upscaling.planning import Plan, homes_of, plan_pack
from texup.upscaling.reading import Limits
from texup.upscaling.shards.cutting import cut

PIXELS = 5  # raised whenever the same settings give other pixels, so that a resumed pack is never a mixture
GATE = 1  # raised whenever the gate may choose otherwise between two results; only those that it chose are done again
SCALES = range(1, MAX_SCALE + 1)


class Digest(Protocol):
    """Gives a plan 16 hexadecimal digits that differ whenever its pixels may."""

    def __call__(self, planned: Planned, *, is_fallback: bool = False) -> str:
        """Return them, for what its usual way gives or for what the gate had done again."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that decides the pixels of a result, besides the source and the nets."""

    scale: int
    margin: int
    """Texels of context around a texture and around its tiles."""
    border: int = 0
    """Texels of context at a clamped border, for nets that are told of it."""
    alpha: AlphaChoice = "auto"
    edges: tuple[EdgeChoice, EdgeChoice] = ("auto", "auto")
    color_fix: bool = True
    palette: PaletteChoice = "expand"
    png: PngChoice = "fast"
    """Changes no pixel, but the files that a finished pack holds: asked for otherwise, they are made again."""
    dds_quality: DdsQualityChoice = "fast"
    normals: NormalsChoice = "resize"
    grain: GrainChoice = "auto"
    key: KeyChoice = "auto"
    method: MethodChoice = "auto"
    precision: str = "auto"
    tile: int | None = None


def with_context(settings: Settings, context: int, border: int) -> Settings:
    """Return settings with as many texels around planes as nets need, and at borders that they are told of."""
    # Even, so that both sides together are a multiple of GRID.
    return replace(settings, margin=context + context % 2, border=min(border, context))


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass through a net of the chain."""

    model: int
    scale: int
    rgba: bool = False
    """Whether the net takes colour and alpha at once."""
    told: bool = False
    """Whether the net can be told how a plane goes on behind its borders."""


def plan_passes(scales: Sequence[int], scale: int) -> list[Pass]:
    """Return the passes that reach at least ``scale``: the chain once, then its last upscaling net again and again.

    Raises:
        UsageError: the scale is out of bounds, or no net of the chain enlarges.
    """
    if scale not in SCALES:
        raise UsageError(f"--scale {scale} is not possible; use a whole number from {SCALES[0]} to {SCALES[-1]}")
    passes = [Pass(k, s) for k, s in enumerate(scales)]
    again = next((p for p in reversed(passes) if p.scale > 1), None)
    while prod(p.scale for p in passes) < scale:
        if again is None:
            raise UsageError(f"--scale {scale}: none of the chosen models enlarges; add one that does")
        passes.append(again)
    return passes


@dataclass(frozen=True, slots=True)
class Route:
    """How textures go through the nets: everywhere, or where one of the user's rules says otherwise."""

    passes: Sequence[Pass]
    settings: Settings
    pixel_art: Route | None = None
    """The way of pixel art at the same scale, which is wherever its method is "pixel"; None for this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One call of ``upscale``: what is read, what is written, and how."""

    source: Path
    """A folder for ``upscale_pack``, a file for ``upscale_file``."""
    out: Path
    models: Sequence[tuple[str, str]]
    """Name and SHA-256 of each net that passes refer to."""
    route: Route
    load_engine: Callable[[], Engine]
    """Loads the weights and makes the engine, once; called late when a finished pack may not need it."""
    convention: str = "auto"
    """Id of the convention, or "auto" to find it out."""
    wishes: Wishes = field(default_factory=Wishes)
    rules: Sequence[Rule] = ()
    routes: Mapping[int, Route] = field(default_factory=dict)
    """By the number of the rule that asks for another model, blend or scale."""
    faithful: Route | None = None
    """Of textures whose policy is faithful, where no rule says otherwise; None where the user chose the model."""
    gate: GateChoice = "warn"
    """Whether results are judged, and what is done with those that may look wrong, where no rule says otherwise."""
    fallback: Route | None = None
    """The most faithful way there is, which the gate tries for those."""
    place: tuple[str, ...] = ()
    """Names of the folders down to the pack, where ``source`` is only its unpacked copy."""
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    shard: tuple[int, int] | None = None
    """Which part of the pack is done, from 1, and how many there are; None for all of it."""
    force: bool = False
    """Do everything again, also what was changed by hand."""
    keep_existing: bool = False
    """Write into a folder that texup did not make, beside the files that lie there."""
    fail_fast: bool = False
    mixed: bool = False
    """Whether machines of a cluster may have other versions of texup or torch."""
    is_sent: bool = False
    """Whether its textures are done by other processes, to which it is sent."""
    memory: int = field(default_factory=memory_budget)
    """Bytes that a texture and its result may take."""

    @property
    def settings(self) -> Settings:
        """The settings of every texture that no rule changes."""
        return self.route.settings

    @property
    def passes(self) -> Sequence[Pass]:
        """The passes of every texture that no rule changes."""
        return self.route.passes

    @property
    def limits(self) -> Limits:
        """What a texture may take on its way that no rule changes."""
        return self.limits_of(self.route)

    def limits_of(self, route: Route) -> Limits:
        """Return what a texture may take on its way along a route."""
        growth = max(prod(p.scale for p in route.passes), route.settings.scale)
        return Limits(growth=growth, memory=self.memory)

    def limits_for(self, planned: Planned) -> Limits:
        """Return what a texture may take by the least of the routes that its rules may choose once it is read."""
        routes = [self.route_of(rule) for rule in (None, *planned.rules)]
        return min(map(self.limits_of, routes), key=lambda limits: limits.growth)

    def route_of(self, rule: Rule | None, *, faithful: bool = False, pixel_art: bool = False) -> Route:
        """Return the way of a texture that ``rule`` decides; its policy says ``faithful`` and ``pixel_art``."""
        usual = self.faithful if faithful and self.faithful is not None else self.route
        route = usual if rule is None else self.routes.get(rule.number, usual)
        return route.pixel_art if pixel_art and route.pixel_art is not None else route

    def gate_of(self, rule: Rule | None) -> GateChoice:
        """Return what the gate does with a texture that ``rule`` decides."""
        return self.gate if rule is None or rule.gate is None else rule.gate

    def digests(self, convention: str) -> Digest:
        """Return the function that gives a plan 16 hexadecimal digits that differ whenever its pixels may."""

        @cache  # a pack has few kinds of plans
        def digest_of(planned: Planned, *, is_fallback: bool) -> str:
            rules = planned.rules or (None,)
            routes = [self.route_of(rule, faithful=faithful) for rule in rules for faithful in (False, True)]
            routes += [route.pixel_art for route in routes if route.pixel_art is not None]
            facts: dict[str, Any] = {
                "pixels": PIXELS,
                "convention": convention,
                "routes": [self._facts(way) for way in routes],
                "rules": [as_facts(rule) for rule in planned.rules],
                "plan": [planned.action, planned.joins, asdict(planned.treatment)],
            }
            if is_fallback:
                facts["gate"] = [GATE, None if self.fallback is None else self._facts(self.fallback)]
            return hashlib.sha256(json.dumps(facts, sort_keys=True).encode("ascii")).hexdigest()[:16]

        def digest(planned: Planned, *, is_fallback: bool = False) -> str:
            kind = Planned(
                path="",
                action=planned.action,
                treatment=planned.treatment,
                joins=planned.joins,
                rules=planned.rules,
            )
            return digest_of(kind, is_fallback=is_fallback)

        return digest

    def _facts(self, route: Route) -> list[Any]:
        """Return what a route adds to a digest, as plain JSON values."""
        return [[self.models[step.model][1] for step in route.passes], asdict(route.settings)]

    def header(self, convention: str, shard: Shard | None = None) -> RunHeader:
        """Return the manifest's header."""
        models = [{"name": name, "sha256": sha256} for name, sha256 in self.models]
        settings = asdict(self.settings) | {"wishes": asdict(self.wishes)}
        said = json.loads(json.dumps(settings))
        return RunHeader(SCHEMA, __version__, models, said, convention, mixed=self.mixed, shard=shard)


def with_place(error: HoldsInput, run: Run) -> HoldsInput:
    """Return the refusal of an emulator's user folder with the place in it that its loader reads."""
    pack = open_pack(run.source, list(walk(run.source)), run.place or None)
    convention = convention_of(run, pack).convention
    if not convention.home:
        return error
    homes = homes_of(plan_pack(pack, convention, run.wishes))
    places = " or ".join(str(run.out / home) for home in homes[:3])
    return HoldsInput(
        f"{run.out}: the output contains the input; {convention.title} reads {places}: give that as --output"
    )


def convention_of(run: Run, pack: Pack) -> Detected:
    """Return the convention that a run asks for, or that the names of its pack tell, and why in one line."""
    if run.convention != "auto":
        return Detected(convention_by_id(run.convention), "as asked")
    return Detected(PLAIN, "one file") if run.source.is_file() else detect(pack)


def plan_of(run: Run) -> tuple[Plan, str]:
    """Return the plan of a run, and one line that says how its convention was found.

    Raises:
        PackError: the pack is refused.
    """
    if run.source.is_dir():
        try:
            check_pack(run.source, run.out, run.include, run.exclude)
        except HoldsInput as error:
            raise with_place(error, run) from error
        entries = list(walk(run.source, run.include, run.exclude))
        pack = open_pack(run.source, entries, run.place or None)
    else:
        pack = open_pack(run.source.parent, [Entry(run.source.name, run.source.stat().st_size, "texture")])
    convention, why = convention_of(run, pack)
    out = () if run.source.is_file() else folders_of(run.out)
    plan = plan_pack(pack, convention, run.wishes, run.rules, out)
    return (plan if run.shard is None else cut(plan, run)), why
