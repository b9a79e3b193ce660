"""What is in a pack and what would be done with it, without doing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from texup.conventions.convention import Convention, Planned
from texup.engines.engine import GRID
from texup.errors import TextureError
from texup.manifest.history import history_of
from texup.packs.walk import MANIFEST_NAME
from texup.policy.classify import Kind, Method, Policy
from texup.textures.cells import Cells
from texup.textures.codecs.decoders import Decode, Decoders
from texup.textures.keys import put_back
from texup.textures.planes import THROUGH_NET, AlphaKind
from texup.textures.seams import Edge
from texup.textures.texture import Key, Texture
from texup.upscaling.coding import twin_key
from texup.upscaling.deciding import decide
from texup.upscaling.keeping import kept, targets_of
from texup.upscaling.planning import Plan
from texup.upscaling.reading import NotUpscaled, read
from texup.upscaling.resuming import is_unchanged
from texup.upscaling.run import Pass, Route, Run
from texup.upscaling.starting import job_of

Action = Literal["upscale", "fill", "twin", "copy", "rewrite", "joined", "skip", "unchanged", "kept", "refuse"]

ALPHA_REASONS: dict[AlphaKind, str] = {
    "none": "no alpha channel",
    "constant": "one alpha value everywhere: kept",
    "binary": "alpha is 0 or full only: stays so, with the same coverage",
    "few": "alpha has a few levels: they are kept",
    "soft": "alpha is a gradient: upscaled, exact where it is 0 or full all around",
    "data": "colour goes on under alpha 0: alpha is data, an independent channel",
    "smooth": "alpha becomes a gradient, dithering too, as asked",
    "copy": "alpha is repeated texel by texel, as asked",
}
KIND_REASONS: dict[Kind, str] = {
    "colour": "",
    "normal": "a normal map",
    "mask": "a mask: channels apart",
    "emissive": "light: no colour correction",
    "height": "heights",
    "interface": "interface",
    "font": "a font",
    "lookup": "a table",
}
METHOD_REASONS: dict[Method, str] = {
    "net": "",
    "pixel": "pixel art: by the net for it",
    "nearest": "texels repeated",
    "smooth": "by a smooth filter",
    "vectors": "vectors interpolated",
    "copy": "kept",
}
EDGE_REASONS: dict[Edge, str] = {"wrap": "tiles", "mirror": "mirrored, as asked", "clamp": "ends"}


@dataclass(frozen=True, slots=True)
class Item:
    """The plan for one file."""

    path: str
    action: Action
    reason: str
    width: int = 0
    height: int = 0
    mode: str = ""
    """Channels and stored bits, as "RGBA 8 bit" or "palette RGB 8 bit"."""
    policy: Policy | None = None
    target: str = ""
    rule: int | None = None
    """Number of the user's rule that decided."""
    work: int = 0
    """Texels that nets will see for it, context included."""


@dataclass(slots=True)
class Survey:
    """Counts over the items of a pack."""

    actions: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    alphas: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    edges: Counter[str] = field(default_factory=Counter)
    """By horizontal and vertical edge, as "wrap,clamp"."""
    keys: Counter[str] = field(default_factory=Counter)
    work: int = 0

    def add(self, item: Item) -> None:
        """Count one item."""
        self.actions[item.action] += 1
        self.work += item.work
        if item.policy is not None:
            self.sizes[f"{item.width}x{item.height}"] += 1
            self.modes[item.mode] += 1
            self.alphas[item.policy.alpha] += 1
            self.kinds[item.policy.kind] += 1
            self.methods[item.policy.method] += 1
            self.edges[",".join(reversed(item.policy.edges))] += 1
            if item.policy.key is not None:
                self.keys[hex_of(item.policy.key)] += 1


def survey_pack(run: Run, plan: Plan) -> Iterator[Item]:
    """Decode every texture that is to be upscaled and yield what will become of each file, in the order of the walk.

    Raises:
        UsageError: the manifest of an earlier run cannot be read.
    """
    source = run.source if run.source.is_dir() else run.source.parent
    seen: dict[bytes, str] = {}
    settled = _by_history(run, plan)
    with Decoders() as decoders:
        for planned in plan.files:
            item = settled(planned)
            if item is None and planned.action == "upscale":
                item = _texture_item(planned, source, run, plan.convention, seen, decoders.decode)
            yield item or Item(planned.path, planned.action, planned.reason, target=planned.target)


def _by_history(run: Run, plan: Plan) -> Callable[[Planned], Item | None]:
    """Return the function that tells what is done already, or hindered by a file of the user's own."""
    if not run.source.is_dir() or not (run.out / MANIFEST_NAME).exists():
        return lambda _: None
    history, digest = history_of(run.out), run.digests(plan.convention.id)

    def settled(planned: Planned) -> Item | None:
        if planned.action not in ("upscale", "copy"):
            return None
        job = job_of(planned, run.source, run.out)
        if is_unchanged(job, planned, history, digest, run):
            return Item(planned.path, "unchanged", "done by an earlier run", target=planned.target)
        try:
            hindered = kept(planned.path, run.out, targets_of(job, planned), history, redo=run.force)
        except TextureError as error:
            return Item(planned.path, "refuse", error.reason)
        return Item(planned.path, "kept", hindered.explanation, target=planned.target) if hindered else None

    return settled


def _texture_item(
    planned: Planned, source: Path, run: Run, convention: Convention, seen: dict[bytes, str], decode: Decode
) -> Item:
    try:
        decision = decide(read(planned, source, run.limits_for(planned), decode), planned, run, convention)
    except TextureError as error:
        return Item(planned.path, "refuse", error.reason)
    if isinstance(decision, NotUpscaled):
        target = planned.target if decision.action == "copy" else ""
        return Item(planned.path, decision.action, decision.reason, target=target)
    texture, policy = decision.works[0], decision.policy
    height, width, _ = texture.pixels.shape
    first = seen.setdefault(twin_key(decision, convention), planned.path)
    rule = None if decision.rule is None else decision.rule.number
    mode = mode_of(texture if policy.key is None else put_back(texture, policy.key))
    facts = (width, height, mode, policy, planned.target, rule)
    if first != planned.path:
        return Item(planned.path, "twin", f"same picture as {first}", *facts)
    if (texture.pixels == texture.pixels[:1, :1]).all():
        return Item(planned.path, "fill", "one colour: no net needed", *facts)
    texels = net_texels(texture, policy, decision.route) if policy.method in ("net", "pixel") else 0
    return Item(planned.path, "upscale", _reason(planned, policy, rule), *facts, work=texels)


def _reason(planned: Planned, policy: Policy, rule: int | None) -> str:
    """Return what was decided about a texture, in words."""
    vertical, horizontal = (EDGE_REASONS[edge] for edge in policy.edges)
    parts = [f"rule {rule}" if rule else "", planned.reason, KIND_REASONS[policy.kind], METHOD_REASONS[policy.method]]
    parts.append(policy.art.reason if policy.art is not None and policy.art.is_pixel_art else "")
    parts.append("cell by cell" if isinstance(policy.cells, Cells) else "sprite by sprite" if policy.cells else "")
    if policy.key is not None:
        parts.append(f"colour key {hex_of(policy.key)}: cut out, and written back exactly")
    else:
        parts.append(ALPHA_REASONS[policy.alpha])
    if policy.shows_hidden and policy.alpha != "data":
        parts.append("colour under alpha 0 is part of the picture")
    parts.append(f"{horizontal} horizontally, {vertical} vertically")
    parts.append(f"grain of {policy.grain:g}" if policy.grain else "")
    return "; ".join(part for part in parts if part)


def hex_of(key: Key) -> str:
    """Return a colour key as the command line takes it."""
    return "".join(f"{value:02x}" for value in key)


def mode_of(texture: Texture) -> str:
    """Return channels and stored bits in words."""
    channels = ("grey", "grey+alpha", "RGB", "RGBA")[texture.pixels.shape[2] - 1]
    return f"{'palette ' if texture.container.palette else ''}{channels} {texture.container.bits} bit"


def net_texels(texture: Texture, policy: Policy, route: Route) -> int:
    """Return how many texels the nets see for a texture, context and alpha included, tiles not counted in."""
    height, width, _ = texture.pixels.shape
    planes = 1 + (policy.alpha in THROUGH_NET and not all(step.rgba for step in route.passes))
    texels = 0
    for step in route.passes:
        sides = [_shown(side, edge, step, route) for side, edge in zip((height, width), policy.edges, strict=True)]
        texels += planes * int(np.prod(sides))
        height, width = height * step.scale, width * step.scale
    return texels


def _shown(side: int, edge: Edge, step: Pass, route: Route) -> int:
    """Return the texels of an axis with what a net is shown behind its borders."""
    if step.told and edge != "mirror":
        return side + 2 * (0 if edge == "wrap" else route.settings.border)
    return side + -side % GRID + 2 * route.settings.margin
