"""What is in a pack and what would be done with it, without doing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import numpy as np

from texup.engines.engine import GRID, Job
from texup.engines.steps import reason_for
from texup.errors import TextureError
from texup.packs.classify import Policy
from texup.packs.walk import check_pack, walk
from texup.run import Run
from texup.textures.planes import THROUGH_NET, AlphaKind
from texup.textures.seams import Edge
from texup.textures.texture import Texture
from texup.upscaling import read_job, twin_key

Action = Literal["upscale", "fill", "twin", "copy", "skip", "refuse"]

ALPHA_REASONS: dict[AlphaKind, str] = {
    "none": "no alpha channel",
    "constant": "one alpha value everywhere: kept",
    "binary": "alpha is 0 or full only: stays so, with the same coverage",
    "few": "alpha has a few levels: they are kept",
    "soft": "alpha is a gradient: upscaled, exact where it is 0 or full all around",
    "data": "colour goes on under alpha 0: alpha is data, an independent channel",
    "copy": "alpha is repeated texel by texel, as asked",
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
    work: int = 0
    """Texels that nets will see for it, context included."""


@dataclass(slots=True)
class Survey:
    """Counts over the items of a pack."""

    actions: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    alphas: Counter[str] = field(default_factory=Counter)
    edges: Counter[str] = field(default_factory=Counter)
    """By horizontal and vertical edge, as "wrap,clamp"."""
    work: int = 0

    def add(self, item: Item) -> None:
        """Count one item."""
        self.actions[item.action] += 1
        self.work += item.work
        if item.policy is not None:
            self.sizes[f"{item.width}x{item.height}"] += 1
            self.modes[item.mode] += 1
            self.alphas[item.policy.alpha] += 1
            self.edges[",".join(reversed(item.policy.edges))] += 1


def survey_pack(run: Run) -> Iterator[Item]:
    """Decode every texture of the pack and yield the plan for each file, in the order of the walk.

    Raises:
        PackError: the pack is refused.
    """
    if run.source.is_file():
        yield _texture_item(Job(run.source.name, run.source, run.out), run, {})
        return
    check_pack(run.source, run.out, run.include, run.exclude)
    seen: dict[bytes, str] = {}
    for entry in walk(run.source, run.include, run.exclude):
        if entry.kind == "texture":
            yield _texture_item(Job(entry.path, run.source / entry.path, run.out / entry.path), run, seen)
        elif entry.kind == "refused":
            yield Item(entry.path, "refuse", entry.reason or "")
        else:
            yield Item(entry.path, "copy" if run.copy_other else "skip", entry.reason or "not a texture")


def _texture_item(job: Job, run: Run, seen: dict[bytes, str]) -> Item:
    try:
        _, texture, policy = read_job(job, run)
    except TextureError as error:
        return Item(job.path, "refuse", reason_for(job, error))
    height, width, _ = texture.pixels.shape
    first = seen.setdefault(twin_key(texture, policy, run.settings), job.path)
    facts = (width, height, mode_of(texture), policy)
    if first != job.path:
        return Item(job.path, "twin", f"same picture as {first}", *facts)
    if (texture.pixels == texture.pixels[:1, :1]).all():
        return Item(job.path, "fill", "one colour: no net needed", *facts)
    vertical, horizontal = (EDGE_REASONS[edge] for edge in policy.edges)
    reason = f"{ALPHA_REASONS[policy.alpha]}; {horizontal} horizontally, {vertical} vertically"
    return Item(job.path, "upscale", reason, *facts, work=net_texels(texture, policy, run))


def mode_of(texture: Texture) -> str:
    """Return channels and stored bits in words."""
    channels = ("grey", "grey+alpha", "RGB", "RGBA")[texture.pixels.shape[2] - 1]
    return f"{'palette ' if texture.container.palette else ''}{channels} {texture.container.bits} bit"


def net_texels(texture: Texture, policy: Policy, run: Run) -> int:
    """Return how many texels the nets see for a texture, context and alpha included, tiles not counted in."""
    height, width, _ = texture.pixels.shape
    planes = 1 + (policy.alpha in THROUGH_NET)
    texels = 0
    for step in run.passes:
        sides = [side + -side % GRID + 2 * run.settings.margin for side in (height, width)]
        texels += planes * int(np.prod(sides))
        height, width = height * step.scale, width * step.scale
    return texels


def as_json(survey: Survey, items: list[Item]) -> dict[str, Any]:
    """Return a survey as plain JSON values."""
    counts = {f.name: dict(getattr(survey, f.name)) for f in fields(survey) if f.name != "work"}
    files = [{k: v for k, v in asdict(item).items() if k != "work"} for item in items]
    return {"counts": counts, "net_texels": survey.work, "files": files}
