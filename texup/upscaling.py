"""Upscaling, from one texture to a whole pack. Start reading here.

``upscale_texture`` is the way of one texture; it is a generator that asks for planes to be upscaled and is sent the
results, so that an engine can hold many textures at that point and fill its batches from all of them.
``upscale_pack`` is the way of a pack.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import chain
from math import prod
from pathlib import Path

import numpy as np

from texup.engines.engine import GRID, Job, Outcome, Plane, Request, Task, Upscaling
from texup.errors import OutputError, UnreadableTexture, UnsupportedTexture, UsageError
from texup.files import atomic_write, output_lock, read_pieces, remove_leftovers, sha256_of
from texup.manifest import Finished, Manifest, Record, finished, is_done
from texup.packs.classify import Policy, policy_for
from texup.packs.walk import MANIFEST_NAME, Entry, check_overlap, check_pack, walk
from texup.run import Pass, Run, Settings
from texup.textures.codecs import decode, encode
from texup.textures.color import correct_drift, reduce_plane
from texup.textures.planes import THROUGH_NET, Planes, as_grey, bleed, finish_alpha, merge, split
from texup.textures.seams import Edges, pad
from texup.textures.texture import Texture

MAX_SOURCE_BYTES = 1 << 30
MAX_RESULT_PIXELS = 1 << 28  # 16384 x 16384, the largest texture that graphics cards take
ROUNDING = 1e-6  # what bleeding adds to one colour; a tenth of the least difference between 16-bit samples


def upscale_texture(
    texture: Texture, policy: Policy, passes: Sequence[Pass], settings: Settings
) -> Generator[list[Request], list[Plane], Texture]:
    """Upscale one texture; yields the planes that must go through a net and is sent them upscaled.

    Returns:
        A texture ``settings.scale`` times as large, of the same channels, sample type and container.
    """
    scale, edges = settings.scale, policy.edges
    size = (texture.pixels.shape[0] * scale, texture.pixels.shape[1] * scale)
    planes = split(texture, policy.alpha)
    opacity = None if policy.alpha == "data" else planes.alpha
    colour = planes.colour if opacity is None else as_grey(bleed(planes.colour, opacity, edges))
    wanted = [colour] if planes.alpha is None or policy.alpha not in THROUGH_NET else [colour, planes.alpha]

    upscaled = yield from _through_nets(wanted, edges, passes, settings.margin)

    is_light = policy.alpha != "data"
    result, *rest = (reduce_plane(p, size, edges, light=is_light and k == 0) for k, p in enumerate(upscaled))
    if settings.color_fix and is_light:
        result = correct_drift(result, colour, opacity, edges)
    alpha = planes.alpha
    if alpha is not None:
        alpha = finish_alpha(rest[0] if rest else None, alpha, scale, policy.alpha, edges)
    return _placed(merge(Planes(result, alpha, policy.alpha), texture), scale)


def _placed(texture: Texture, scale: int) -> Texture:
    """Scale the offsets by which a game places the picture."""
    if texture.container.grab is None:
        return texture
    x, y = texture.container.grab
    return replace(texture, container=replace(texture.container, grab=(x * scale, y * scale)))


def _through_nets(
    planes: list[Plane], edges: Edges, passes: Sequence[Pass], margin: int
) -> Generator[list[Request], list[Plane], list[Plane]]:
    """Send planes (H, W, C) through every pass; planes of one colour are enlarged without a net."""
    for step in passes:
        busy = [k for k, plane in enumerate(planes) if not _is_flat(plane)]
        requests = [Request(_framed(planes[k], edges, margin), step.model, margin) for k in busy]
        results = dict(zip(busy, (yield requests) if requests else [], strict=True))
        for k, plane in enumerate(planes):
            h, w, channels = plane.shape[0] * step.scale, plane.shape[1] * step.scale, plane.shape[2]
            enlarged = results[k][:h, :w] if k in results else np.full((h, w, channels), plane[0, 0])
            planes[k] = np.clip(enlarged, 0, 1, out=enlarged)
    return planes


def _is_flat(plane: Plane) -> bool:
    return bool((np.abs(plane - plane[:1, :1]) < ROUNDING).all())


def _framed(plane: Plane, edges: Edges, margin: int) -> Plane:
    """Lay ``margin`` texels around a plane, and a little more below and right to reach a multiple of ``GRID``."""
    h, w = plane.shape[:2]
    return pad(plane, (margin, margin + -h % GRID, margin, margin + -w % GRID), edges)


def upscale_pack(run: Run) -> Iterator[Outcome]:
    """Upscale every texture below ``run.source`` into the same place below ``run.out``, and keep the manifest there.

    Yields:
        One outcome for every file of the pack; those that an earlier run finished come as "unchanged".

    Raises:
        PackError: the pack is refused, before anything is written.
        LockedError: another run writes to ``run.out``.
        OutputError: the output cannot be written; finished files stay, and the same command goes on from there.
    """
    check_pack(run.source, run.out, run.include, run.exclude)
    if not (run.out / MANIFEST_NAME).exists():
        if not run.force:
            _check_empty(run.out)
        run.load_engine()  # refuses bad weights and a missing device before the first write
    digest = run.digest()
    with output_lock(run.out):
        remove_leftovers(run.out)
        before = {} if run.force else finished(run.out)
        with Manifest(run.out, run.header()) as manifest:
            for outcome in _outcomes(_plan(run, before, digest), run):
                if outcome.outcome != "unchanged":
                    manifest.append(_record(outcome, digest))
                yield outcome
                if run.fail_fast and outcome.outcome == "failed":
                    return


def upscale_file(run: Run) -> Iterator[Outcome]:
    """Upscale the one file ``run.source`` to the file ``run.out``, without a manifest.

    Raises:
        PackError: they are the same file.
        UsageError: ``run.out`` exists and ``run.force`` is not set.
    """
    check_overlap(run.source, run.out)
    if run.out.exists() and not run.force:
        raise UsageError(f"{run.out}: exists already; give another place with --output, or --force")
    yield from _outcomes(iter([Job(run.source.name, run.source, run.out)]), run)


def _check_empty(out: Path) -> None:
    """Refuse to write among files that texup did not put there."""
    stranger = next(walk(out), None) if out.is_dir() else None
    if stranger is not None:
        raise UsageError(
            f"{out}: holds files but no manifest of texup ({stranger.path});"
            " give another --output, or --force to write there"
        )


def _plan(run: Run, before: dict[str, Finished], digest: str) -> Iterator[Job | Outcome]:
    """Walk the pack; yield as outcomes what is settled, and as jobs what must be upscaled."""
    real_out = run.out.resolve()
    for entry in walk(run.source, run.include, run.exclude):
        job = Job(entry.path, run.source / entry.path, run.out / entry.path)
        if job.target.parent.resolve() != (real_out / entry.path).parent:
            raise OutputError(f"{job.target.parent}: a link inside the output leads elsewhere; remove it")
        earlier = before.get(entry.path)
        if entry.kind == "refused":
            yield Outcome(entry.path, "failed", entry.reason)
        elif earlier is not None and _fits(entry, earlier, run) and _is_unchanged(job, earlier, digest):
            yield Outcome(entry.path, "unchanged")
        elif entry.kind == "texture":
            yield job
        else:
            yield _settle(job, entry, copy=run.copy_other)


def _fits(entry: Entry, earlier: Finished, run: Run) -> bool:
    """Tell whether what was done to a file is what this run would do: what is selected may have changed."""
    if entry.kind == "texture":
        return earlier.outcome == "upscaled"
    return earlier.outcome != "skipped" or not run.copy_other


def _is_unchanged(job: Job, earlier: Finished, digest: str) -> bool:
    try:
        return is_done(earlier, sha256_of(job.source), digest, job.target)
    except OSError:
        return False  # reading it again says why


def _settle(job: Job, entry: Entry, *, copy: bool) -> Outcome:
    """Copy or skip a file that is no texture, or not selected."""
    try:
        sha256 = sha256_of(job.source)
    except OSError as error:
        return Outcome(job.path, "failed", f"cannot read: {error.strerror}")
    if not copy:
        return Outcome(job.path, "skipped", entry.reason or "not a texture", source_sha256=sha256)
    atomic_write(job.target, read_pieces(job.source))
    return Outcome(job.path, "copied", None, sha256, sha256_of(job.target), job.target.stat().st_size)


def _outcomes(items: Iterator[Job | Outcome], run: Run) -> Iterator[Outcome]:
    """Pass outcomes on, and hand everything from the first job on to an engine."""
    for item in items:
        if isinstance(item, Job):
            yield from run.load_engine().run(chain([item], items), lambda job: start(job, run))
            return
        yield item


def start(job: Job, run: Run) -> Task:
    """Read a texture, decide its policy, and make the task that an engine carries through.

    Raises:
        TextureError: the file cannot be read, or its result would be too large.
    """
    sha256, texture, policy = read_job(job, run)
    return Task(
        job,
        sha256,
        asdict(policy),
        twin_key(texture, policy, run.settings),
        texture.pixels.shape[0] * texture.pixels.shape[1] * run.settings.scale**2,
        _upscaled_file(texture, policy, run),
    )


def read_job(job: Job, run: Run) -> tuple[str, Texture, Policy]:
    """Return a source's hash, its texture and what will be done with it.

    Raises:
        TextureError: the file cannot be read, or its result would be too large.
    """
    try:
        if job.source.stat().st_size > MAX_SOURCE_BYTES:
            raise UnsupportedTexture(f"larger than {MAX_SOURCE_BYTES >> 20} MiB; no texture is")
        data = job.source.read_bytes()
    except OSError as error:
        raise UnreadableTexture(f"cannot read: {error.strerror}") from error
    growth = max(prod(p.scale for p in run.passes), run.settings.scale) ** 2
    texture = decode(data, job.source.name, max_pixels=MAX_RESULT_PIXELS // growth)
    return hashlib.sha256(data).hexdigest(), texture, policy_for(texture, run.settings.alpha, run.settings.edges)


def _upscaled_file(texture: Texture, policy: Policy, run: Run) -> Upscaling:
    result = yield from upscale_texture(texture, policy, run.passes, run.settings)
    return encode(result, indexed=run.settings.palette == "keep" and texture.container.palette is not None)


def twin_key(texture: Texture, policy: Policy, settings: Settings) -> bytes:
    """Return a digest that is equal for textures whose result files are equal."""
    container = texture.container if settings.palette == "keep" else replace(texture.container, palette=None)
    facts = f"{texture.pixels.shape} {texture.pixels.dtype} {container} {policy}"
    return hashlib.sha256(facts.encode() + texture.pixels.tobytes()).digest()


def _record(outcome: Outcome, digest: str) -> Record:
    """Return the manifest's line for an outcome."""
    values = {k: v for k, v in asdict(outcome).items() if k != "pixels"}
    values["policy"] = json.loads(json.dumps(values["policy"]))
    return Record(settings=digest, **values)
