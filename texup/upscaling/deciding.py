"""What is done with a texture, from its pixels, its name and the user's rules."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from texup.conventions.convention import Convention, Planned
from texup.engines.engine import Job
from texup.engines.steps import reason_for
from texup.errors import DecoderDied
from texup.policy.classify import Policy, Treatment, policy_for
from texup.policy.rules import Facts, Rule, applied, decide
from texup.textures.cells import Cells, cut, grid_boxes, island_boxes
from texup.textures.codecs.decoders import Decode
from texup.textures.codecs.files import decode
from texup.textures.seams import Edge, detect_edges
from texup.textures.texture import Texture
from texup.upscaling.reading import (
    decode_within_limits,
    join_alpha,
    memory_for,
    read_file,
    reason_to_copy,
    sources_sha256,
)
from texup.upscaling.run import Route, Run, Settings


@dataclass(frozen=True, slots=True)
class Work:
    """A texture that is read and decided."""

    source_sha256: str
    sources: Sequence[Texture]
    """As stored; more than one where the smaller levels of the source are given."""
    works: Sequence[Texture]
    """The same as the pixel code takes them."""
    planned: Planned
    policy: Policy
    route: Route
    rule: Rule | None
    """The user's rule that decided."""

    def memory(self, run: Run) -> int:
        """Return about how many bytes it takes on its way."""
        return sum(memory_for(texture.pixels.shape[0], texture.pixels.shape[1], run) for texture in self.works)


@dataclass(frozen=True, slots=True)
class Left:
    """A texture that is not upscaled, which only its content told."""

    action: Literal["copy", "skip", "refuse"]
    reason: str
    source_sha256: str


def read_job(job: Job, run: Run, convention: Convention, decode: Decode = decode) -> Work | Left:
    """Read a job's files and decide what is done with them; a file that kills its decoder is refused.

    Raises:
        TextureError: a file cannot be read, or its result would be too large.
    """
    planned = replace(job.planned, treatment=_chosen(job.planned.treatment, run.settings))
    paths = [job.path, *planned.others]
    datas = [read_file(job.source, path) for path in paths]
    sha256 = sources_sha256([hashlib.sha256(data).hexdigest() for data in datas])
    reason = reason_to_copy(datas[0], job)
    if reason is not None:
        return Left("copy", reason, sha256)
    try:
        sources = [decode_within_limits(data, path, run, decode) for data, path in zip(datas, paths, strict=True)]
    except DecoderDied as error:
        return Left("refuse", reason_for(job, error), sha256)
    if planned.joins == "alpha":
        sources = [join_alpha(sources, paths)]
    works = [convention.to_work(source, planned) for source in sources]
    policy = _policy(works[0], planned.treatment, run)
    rule = decide(planned.rules, _facts(works[0], policy))
    if rule is not None:
        if rule.action in ("copy", "skip"):
            return Left(rule.action, f"rule {rule.number}", sha256)
        planned = replace(planned, treatment=applied(rule, planned.treatment))
        policy = _policy(works[0], planned.treatment, run)
    if policy.method == "copy":
        return Left("copy", f"{policy.kind}: kept as it is", sha256)
    return Work(sha256, sources, works, planned, policy, run.route_of(rule, faithful=policy.faithful), rule)


def _chosen(treatment: Treatment, settings: Settings) -> Treatment:
    """Return a treatment with what the user chose for all textures laid over it."""
    alpha = treatment.alpha if settings.alpha == "auto" else settings.alpha
    vertical, horizontal = (
        own if asked == "auto" else asked for own, asked in zip(treatment.edges, settings.edges, strict=True)
    )
    grain = treatment.grain if settings.grain == "auto" else settings.grain
    return replace(treatment, alpha=alpha, edges=(vertical, horizontal), grain=grain)


def _policy(work: Texture, treatment: Treatment, run: Run) -> Policy:
    policy = policy_for(work, treatment, run.settings.normals, run.settings.method)
    if isinstance(policy.cells, Cells):
        return replace(policy, edges=_cell_edges(work, policy, treatment))
    is_whole = treatment.cells is not None or policy.method != "net"
    if not is_whole and island_boxes(work, policy.alpha, policy.edges):
        return policy_for(work, replace(treatment, cells="islands"), run.settings.normals, run.settings.method)
    return policy


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


def _facts(work: Texture, policy: Policy) -> Facts:
    height, width = work.pixels.shape[:2]
    return Facts(policy.kind, policy.alpha, width, height, work.container.format)
