"""A file of a pack on its way into the pixel code and out of it: read, decided, and coded for its loader again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Literal

from texup.engines.engine import Files, Job
from texup.engines.steps import reason_for
from texup.errors import DecoderDied, UnreadableTexture, UnsupportedTexture
from texup.files import read_pieces, sha256_of
from texup.packs.classify import DATA, Policy, Treatment, policy_for
from texup.packs.convention import Convention, Planned
from texup.packs.rules import Facts, Rule, applied, decide
from texup.run import Route, Run, Settings
from texup.textures.cells import Cells, cut, grid_boxes, island_boxes
from texup.textures.codecs import decode, encode, encode_levels, read_header
from texup.textures.dds import must_copy
from texup.textures.decoders import Decode
from texup.textures.mips import smaller_levels
from texup.textures.planes import with_alpha
from texup.textures.seams import Edge, detect_edges
from texup.textures.storing import stored
from texup.textures.texture import Texture

MAX_SOURCE_BYTES = 1 << 30
MAX_RESULT_PIXELS = 1 << 28  # 16384 x 16384, the largest texture that graphics cards take
# Memory that a texture takes on its way, measured with 16-bit RGBA at x1, x2 and x4; 8-bit RGB takes 33 for 44.
SOURCE_BYTES, RESULT_BYTES = 260, 44  # a pixel


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
    reason = _left_as_it_is(datas[0], job)
    if reason is not None:
        return Left("copy", reason, sha256)
    try:
        sources = [_decoded(data, path, run, decode) for data, path in zip(datas, paths, strict=True)]
    except DecoderDied as error:
        return Left("refuse", reason_for(job, error), sha256)
    if planned.joins == "alpha":
        sources = [_joined(sources, paths)]
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


def read_file(pack: Path, path: str) -> bytes:
    """Return the bytes of a pack's file.

    Raises:
        TextureError: it cannot be read, or is larger than any texture.
    """
    name = path.rpartition("/")[2]
    try:
        if (pack / path).stat().st_size > MAX_SOURCE_BYTES:
            raise UnsupportedTexture(f"{name}: larger than {MAX_SOURCE_BYTES >> 20} MiB; no texture is")
        return b"".join(read_pieces(pack / path))
    except OSError as error:
        raise UnreadableTexture(f"{name}: cannot read: {error.strerror}") from error


def sources_sha256(digests: Sequence[str]) -> str:
    """Return the digest of a job's sources: of one file its own, of several that of their digests."""
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode("ascii")).hexdigest()


def sources_of(job: Job) -> str:
    """Return the digest of a job's sources, without keeping them in memory.

    Raises:
        OSError: one cannot be read.
    """
    return sources_sha256([sha256_of(job.source / path) for path in (job.path, *job.planned.others)])


def _growth(run: Run) -> int:
    """Return how many times as wide as its source the widest plane of any texture gets."""
    routes = (run.route, *run.routes.values())
    return max(max(prod(p.scale for p in route.passes), route.settings.scale) for route in routes)


def memory_for(height: int, width: int, run: Run) -> int:
    """Return about how many bytes a texture of a size takes on its way."""
    return height * width * (SOURCE_BYTES + RESULT_BYTES * _growth(run) ** 2)


def _decoded(data: bytes, path: str, run: Run, decode: Decode) -> Texture:
    """Decode a file whose header says that its result suits graphics cards and the memory of this machine."""
    name, most = path.rpartition("/")[2], MAX_RESULT_PIXELS // _growth(run) ** 2
    head = read_header(data, name)
    need = memory_for(head.height, head.width, run)
    if head.width * head.height <= most and need > run.memory:
        raise UnsupportedTexture(
            f"{name}: {head.width} x {head.height} pixels take about {need / 1e9:.1f} GB of memory on their way, and"
            f" texup may use {run.memory / 1e9:.1f} GB of what is free; close programs, or use a smaller --scale"
        )
    return decode(data, name, most)


def _joined(sources: Sequence[Texture], paths: Sequence[str]) -> Texture:
    colour, alpha = sources
    if colour.pixels.shape[:2] != alpha.pixels.shape[:2]:
        sizes = [f"{texture.pixels.shape[1]} x {texture.pixels.shape[0]}" for texture in sources]
        raise UnsupportedTexture(f"is {sizes[0]}, but its alpha {paths[1]} is {sizes[1]}; make them equal")
    return with_alpha(colour, alpha)


def _left_as_it_is(data: bytes, job: Job) -> str | None:
    """Return why a DDS of a kind that texup cannot redo is copied, None for everything else."""
    if not job.path.lower().endswith(".dds"):
        return None
    try:
        return must_copy(data, rewritten=not job.planned.treatment.store)
    except UnreadableTexture:
        return None  # decoding it says what is wrong


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


def coded(work: Work, results: Sequence[Texture], convention: Convention, *, indexed: bool) -> Files:
    """Return the files of a texture from its upscaled works: as its loader wants it, with the smaller levels.

    Raises:
        UnsupportedTexture: the format cannot hold it.
    """
    planned, treatment, policy = work.planned, work.planned.treatment, work.policy
    levels, sources = list(results), list(work.sources)
    if _gets_levels(work):
        is_data = policy.kind in DATA
        levels += smaller_levels(levels[0], alpha=policy.alpha, is_data=is_data, normal=policy.normal)
        sources += [sources[0]] * (len(levels) - 1)
    pairs = zip(levels, sources, strict=True)
    levels = [stored(convention.from_work(level, source, planned), treatment.store) for level, source in pairs]
    if levels[0].container.format == "dds" and treatment.mips != "files":
        files = [encode_levels(levels)]
    else:
        files = [encode(level, indexed=indexed and level.container.palette is not None) for level in levels]
    _check_sizes(files, levels, work)
    return tuple(files)


def _check_sizes(files: Sequence[bytes], levels: Sequence[Texture], work: Work) -> None:
    """Refuse files whose own headers do not say the size that is due: the source's times the scale."""
    due = [level.pixels.shape[:2] for level in levels]
    due[: len(work.works)] = [
        (height * work.route.settings.scale, width * work.route.settings.scale)
        for height, width in (source.pixels.shape[:2] for source in work.works)
    ]
    for file, size in zip(files, due, strict=False):
        head = read_header(file, f"its result.{levels[0].container.format}")
        if (head.height, head.width) != size:
            raise UnsupportedTexture(f"came out as {head.width} x {head.height} pixels for {size[1]} x {size[0]}")


def _gets_levels(work: Work) -> bool:
    """Tell whether smaller levels are made for a texture."""
    treatment, container = work.planned.treatment, work.sources[0].container
    is_dds = treatment.store.startswith("b") or (not treatment.store and container.format == "dds")
    by_mips = {"files": True, "inside": is_dds, "kept": is_dds and container.mips}
    return by_mips.get(treatment.mips, False)


def twin_key(work: Work, convention: Convention) -> bytes:
    """Return a digest that is equal for textures whose result files are equal."""
    settings = work.route.settings
    digest = hashlib.sha256(repr((convention.id, work.planned.treatment, work.policy, work.route)).encode())
    for source in work.sources:
        container = source.container if settings.palette == "keep" else replace(source.container, palette=None)
        digest.update(f"{source.pixels.shape} {source.pixels.dtype} {container}".encode())
        digest.update(source.pixels.tobytes())
    return digest.digest()


def facts_of(work: Work) -> dict[str, Any]:
    """Return what was decided about a texture, as plain values for the manifest."""
    facts = asdict(work.policy)
    if work.rule is not None:
        facts["rule"] = work.rule.number
    return facts
