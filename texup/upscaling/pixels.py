"""The way of one texture: from its pixels to those of its result, asking for nets on the way.

``upscale_texture`` is a generator that yields the planes that must go through a net and is sent them upscaled, so that
an engine can hold many textures at that point and fill its batches from all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from texup.engines.engine import GRID, Beyond, Plane, Request, Upscaling
from texup.errors import TextureError
from texup.policy.classify import CORRECTED, Policy
from texup.textures.cells import Cells, boxes_of, cut, join_cells
from texup.textures.color import correct_drift, reduce_plane
from texup.textures.enlarge import enlarge, renormalise_texture
from texup.textures.grain.adding import add_grain, content_seed
from texup.textures.hidden import keep_hidden
from texup.textures.planes import RGBA_NET, THROUGH_NET, Planes, as_grey, bleed, finish_alpha, merge, softened, split
from texup.textures.seams import Edges, pad
from texup.textures.texture import Texture
from texup.upscaling.run import Pass, Settings

ROUNDING = 1e-6  # what bleeding adds to one colour; a tenth of the least difference between 16-bit samples


def upscale_texture(
    texture: Texture, policy: Policy, passes: Sequence[Pass], settings: Settings, grain_seed: int | None = None
) -> Upscaling[Texture]:
    """Upscale one texture; yields the planes that must go through a net and is sent them upscaled.

    Args:
        texture: what is upscaled.
        policy: what is done with it.
        passes: the nets that it goes through.
        settings: those of its route.
        grain_seed: what its grain is drawn from; None for its own content.

    Returns:
        A texture ``settings.scale`` times as large, of the same channels, sample type and container.

    Raises:
        TextureError: what was sent is not finite.
    """
    scale, edges = settings.scale, policy.edges
    if policy.method in ("nearest", "smooth", "vectors"):
        return _placed(enlarge(texture, policy.method, scale, edges, policy.normal), scale)
    size = (texture.pixels.shape[0] * scale, texture.pixels.shape[1] * scale)
    planes = softened(split(texture, policy.alpha), edges)
    opacity = None if policy.shows_hidden else planes.alpha
    colour = planes.colour if opacity is None else as_grey(bleed(planes.colour, opacity, edges))
    is_rgba = all(step.rgba for step in passes)
    through = RGBA_NET if is_rgba else THROUGH_NET
    wanted = [colour] if planes.alpha is None or policy.alpha not in through else [colour, planes.alpha]
    at_once = len(wanted) == 2 and is_rgba

    if at_once:
        upscaled = _parted((yield from through_nets([_joined(*wanted)], edges, passes, settings)), colour)
    else:
        upscaled = yield from through_nets(wanted, edges, passes, settings)

    is_light = policy.alpha != "data" and policy.kind != "normal"
    result, *rest = (reduce_plane(p, size, edges, light=is_light and k == 0) for k, p in enumerate(upscaled))
    if settings.color_fix and is_light and policy.kind in CORRECTED and policy.method != "pixel":
        result = correct_drift(result, colour, opacity, edges)
    if policy.grain:
        full = int(np.iinfo(texture.pixels.dtype).max)
        seed = content_seed(texture.pixels) if grain_seed is None else grain_seed
        result = add_grain(result, colour, policy.grain, edges, seed, full)
    alpha = planes.alpha
    if alpha is not None:
        alpha = finish_alpha(rest[0] if rest else None, alpha, scale, policy.alpha, edges)
        if opacity is not None:
            result = keep_hidden(result, planes.colour, alpha, edges)
    merged = merge(Planes(result, alpha, policy.alpha), texture)
    return _placed(merged if policy.normal is None else renormalise_texture(merged, policy.normal), scale)


def upscale_sheet(texture: Texture, policy: Policy, passes: Sequence[Pass], settings: Settings) -> Upscaling[Texture]:
    """Upscale a texture cell by cell where it holds several pictures, so that none sees another; else as a whole."""
    boxes = boxes_of(texture, policy.cells, policy.alpha, policy.edges)
    if not boxes:
        return (yield from upscale_texture(texture, policy, passes, settings))
    is_grid = isinstance(policy.cells, Cells)
    own = policy if is_grid else replace(policy, edges=("clamp", "clamp"))
    parts = [cut(texture, box) for box in boxes]
    seed = content_seed(parts[0].pixels) if is_grid else None  # the grain of an animation must not flicker
    keys = [(part.pixels.shape, part.pixels.tobytes()) for part in parts]
    kinds = dict(zip(keys, parts, strict=True))  # equal cells are done once
    results = yield from _together([upscale_texture(part, own, passes, settings, seed) for part in kinds.values()])
    made = dict(zip(kinds, results, strict=True))
    results = [made[key] for key in keys]
    return _placed(join_cells(results, boxes, texture, settings.scale), settings.scale)


def _together(upscalings: list[Upscaling[Texture]]) -> Upscaling[list[Texture]]:
    """Move several textures on side by side, so that what they ask for shares batches."""
    results: dict[int, Texture] = {}
    answers: dict[int, list[Plane] | None] = dict.fromkeys(range(len(upscalings)))  # None starts a generator
    while answers:
        asked: dict[int, list[Request]] = {}
        for k, planes in answers.items():
            try:
                asked[k] = upscalings[k].send(planes)  # type: ignore[arg-type]
            except StopIteration as stop:
                results[k] = stop.value
        upscaled = iter((yield [request for requests in asked.values() for request in requests]) if asked else ())
        answers = {k: list(islice(upscaled, len(requests))) for k, requests in asked.items()}
    return [results[k] for k in range(len(upscalings))]


def _placed(texture: Texture, scale: int) -> Texture:
    """Scale the offsets by which a game places the picture."""
    if texture.container.grab is None:
        return texture
    x, y = texture.container.grab
    return replace(texture, container=replace(texture.container, grab=(x * scale, y * scale)))


def through_nets(
    planes: list[Plane], edges: Edges, passes: Sequence[Pass], settings: Settings
) -> Upscaling[list[Plane]]:
    """Send planes (H, W, C) through every pass; planes of one colour are enlarged without a net."""
    for step in passes:
        busy = [k for k, plane in enumerate(planes) if not _is_flat(plane)]
        requests = [_request(planes[k], edges, step, settings) for k in busy]
        results = dict(zip(busy, (yield requests) if requests else [], strict=True))
        for k, plane in enumerate(planes):
            h, w, channels = plane.shape[0] * step.scale, plane.shape[1] * step.scale, plane.shape[2]
            enlarged = results[k][:h, :w] if k in results else np.full((h, w, channels), plane[0, 0])
            if not np.isfinite(enlarged.sum()):  # converted to integers it would silently become black
                raise TextureError("its result is not finite; the weights do not suit it")
            planes[k] = np.clip(enlarged, 0, 1, out=enlarged)
    return planes


def _joined(colour: Plane, alpha: Plane) -> Plane:
    """Return colour and alpha as one plane of four channels, for nets that take them together."""
    return np.concatenate((*[colour] * (3 // colour.shape[2]), alpha), axis=2)


def _parted(joined: list[Plane], colour: Plane) -> list[Plane]:
    """Return what a net made of a joined plane as colour, of as many channels as ``colour``, and alpha."""
    (plane,) = joined
    own = plane[..., :3] if colour.shape[2] == 3 else plane[..., :3].mean(axis=2, keepdims=True)
    return [np.ascontiguousarray(own), np.ascontiguousarray(plane[..., 3:])]


def _is_flat(plane: Plane) -> bool:
    return bool((np.abs(plane - plane[:1, :1]) < ROUNDING).all())


def _request(plane: Plane, edges: Edges, step: Pass, settings: Settings) -> Request:
    """Lay texels around a plane: the margin, and a little more below and right to reach a multiple of ``GRID``."""
    margin, rest = settings.margin, (-plane.shape[0] % GRID, -plane.shape[1] % GRID)
    framed = pad(plane, (margin, margin + rest[0], margin, margin + rest[1]), edges)
    beyond = Beyond(edges, min(settings.border, margin), rest) if step.told else None
    return Request(framed, step.model, margin, beyond)
