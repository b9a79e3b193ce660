"""Tiles of many textures, grouped so that those of one shape go through the net together."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from texup.engines.engine import GRID, UNTOLD, Plane, Request, Told
from texup.engines.tiling import Tile, cut, place, plan_tiles

FARTHEST = 4  # texels that a convolution of a net that is told its edges sees behind a border, at most


def sides_of(request: Request) -> tuple[int, int]:
    """Return the rows and columns of a request's plane that its result answers for."""
    rows, columns = (
        side - 2 * request.margin - rest for side, rest in zip(request.plane.shape[:2], _rest(request), strict=True)
    )
    return rows, columns


def _rest(request: Request) -> tuple[int, int]:
    return (0, 0) if request.beyond is None else request.beyond.rest


def _more(side: int, grid: int, room: int) -> int:
    """Return how many texels make a side a multiple of ``grid``; none where there is no room for them."""
    more = -side % grid
    return more if more <= room else 0


def told_of(request: Request, tile: int) -> Told:
    """Return what a request's net is told of its plane's edges: of an axis that is not cut into several tiles.

    Mirrored borders are shown: the mirrored features of a net are not the features of a mirrored plane.
    """
    if request.beyond is None:
        return UNTOLD
    vertical, horizontal = (
        edge if edge != "mirror" and FARTHEST <= side <= tile else None
        for edge, side in zip(request.beyond.edges, sides_of(request), strict=True)
    )
    return vertical, horizontal


def tiles_of(request: Request, tile: int, grid: int = 1) -> list[Tile]:
    """Return the tiles of a request's plane, with no more context than its net needs for what it is told.

    Behind a far border that it is told is clamped, as much more is shown as makes the side a multiple of ``grid``: then
    fewer shapes fill batches better. It depends on the plane alone, not on what else is there, as its pixels do.
    """
    rows, columns = sides_of(request)
    shown = {None: request.margin, "wrap": 0, "clamp": request.beyond.border if request.beyond else 0}
    vertical, horizontal = told_of(request, tile)
    tiles = plan_tiles(rows, columns, tile, request.margin, GRID, (shown[vertical], shown[horizontal]))
    down, right = (
        _more(side + 2 * request.beyond.border, grid, request.margin - request.beyond.border + rest)
        if request.beyond is not None and edge == "clamp"
        else 0
        for side, edge, rest in zip((rows, columns), (vertical, horizontal), _rest(request), strict=True)
    )
    return [replace(t, context=t.context.grown(down, right)) for t in tiles] if down or right else tiles


@dataclass(slots=True)
class Order:
    """The requests of one texture, cut into tiles, until all of them are back."""

    texture: Any
    """Whose order it is; the engine's own value."""
    requests: list[Request]
    tile: int
    """Largest side of a core in this plan."""
    is_last_try: bool = False
    """Whether the texture fails when memory does not suffice for this plan either."""
    grid: int = 1
    """See ``tiles_of``; the device's own."""
    plans: list[list[Tile]] = field(init=False)
    planes: list[Plane] = field(init=False)
    """The upscaled planes without their margins; whole when nothing is missing."""
    missing: int = field(init=False)
    cancelled: bool = False
    """The plan was given up; what still comes back for it is dropped."""

    def __post_init__(self) -> None:
        self.plans = [tiles_of(request, self.tile, self.grid) for request in self.requests]
        self.planes = [np.empty(0, np.float32) for _ in self.requests]
        self.missing = sum(len(plan) for plan in self.plans)

    def pieces(self) -> list[Piece]:
        """Return every tile of every request."""
        return [
            Piece(self, k, tile, model=request.model, plane=plane, told=told_of(request, self.tile))
            for k, (request, plan) in enumerate(zip(self.requests, self.plans, strict=True))
            for tile, plane in zip(plan, cut(request.plane, plan), strict=True)
        ]

    def largest_core(self) -> int:
        """Return the longest side of any core in the plan."""
        cores = [tile.core for plan in self.plans for tile in plan]
        return max(max(core.bottom - core.top, core.right - core.left) for core in cores)


@dataclass(slots=True)
class Piece:
    """One tile of one request of an order."""

    order: Order
    index: int
    """Which request of the order."""
    tile: Tile
    model: int
    plane: Plane
    told: Told = UNTOLD
    """What the net is told of the plane's edges."""

    def put(self, result: Plane) -> bool:
        """Copy the upscaled tile into its place; return whether it was the last one missing."""
        order, margin = self.order, self.order.requests[self.index].margin
        scale = result.shape[0] // self.plane.shape[0]
        if not order.planes[self.index].size:
            h, w = sides_of(order.requests[self.index])
            order.planes[self.index] = np.empty((h * scale, w * scale, self.plane.shape[2]), result.dtype)
        place(order.planes[self.index], result, self.tile, margin, scale)
        order.missing -= 1
        return order.missing == 0


Group = tuple[int, Told, tuple[int, ...]]
"""What pieces of one batch have in common: net, edges that it is told of, and shape."""


class Batcher:
    """Queues of pieces by group."""

    def __init__(self) -> None:
        """Start empty."""
        self.queues: dict[Group, deque[Piece]] = {}

    def add(self, order: Order) -> None:
        """Queue every tile of an order."""
        for piece in order.pieces():
            self.queues.setdefault((piece.model, piece.told, piece.plane.shape), deque()).append(piece)

    def take(self, batch_pixels: int, *, partial: bool) -> list[Piece]:
        """Return equal pieces of up to ``batch_pixels`` texels, at least one; without ``partial`` only a full batch."""
        for group, queue in self.queues.items():
            while queue and queue[0].order.cancelled:
                queue.popleft()
            fitting = max(1, batch_pixels // _texels(group))
            if len(queue) >= fitting:
                return self._pop(group, fitting)
        self.queues = {group: queue for group, queue in self.queues.items() if queue}
        if not partial or not self.queues:
            return []
        group = max(self.queues, key=lambda g: len(self.queues[g]) * _texels(g))
        return self._pop(group, max(1, batch_pixels // _texels(group)))

    def _pop(self, group: Group, count: int) -> list[Piece]:
        queue = self.queues[group]
        taken = [queue.popleft() for _ in range(min(count, len(queue)))]
        return [piece for piece in taken if not piece.order.cancelled]


def _texels(group: Group) -> int:
    """Return the texels of a piece."""
    height, width = group[2][:2]
    return height * width
