"""Tiles of many textures, grouped so that those of one shape go through the net together."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from texup.engines.engine import GRID, Plane, Request
from texup.engines.tiling import Tile, cut, place, plan_tiles


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
    plans: list[list[Tile]] = field(init=False)
    planes: list[Plane] = field(init=False)
    """The upscaled planes without their margins; whole when nothing is missing."""
    missing: int = field(init=False)
    cancelled: bool = False
    """The plan was given up; what still comes back for it is dropped."""

    def __post_init__(self) -> None:
        self.plans = [
            plan_tiles(r.plane.shape[0] - 2 * r.margin, r.plane.shape[1] - 2 * r.margin, self.tile, r.margin, GRID)
            for r in self.requests
        ]
        self.planes = [np.empty(0, np.float32) for _ in self.requests]
        self.missing = sum(len(plan) for plan in self.plans)

    def pieces(self) -> list[Piece]:
        """Return every tile of every request."""
        return [
            Piece(self, k, tile, request.model, plane)
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

    def put(self, result: Plane) -> bool:
        """Copy the upscaled tile into its place; return whether it was the last one missing."""
        order, margin = self.order, self.order.requests[self.index].margin
        scale = result.shape[0] // self.plane.shape[0]
        if not order.planes[self.index].size:
            h, w, c = order.requests[self.index].plane.shape
            order.planes[self.index] = np.empty(((h - 2 * margin) * scale, (w - 2 * margin) * scale, c), result.dtype)
        place(order.planes[self.index], result, self.tile, margin, scale)
        order.missing -= 1
        return order.missing == 0


class Batcher:
    """Queues of pieces by net and shape."""

    def __init__(self) -> None:
        """Start empty."""
        self.queues: dict[tuple[int, tuple[int, ...]], deque[Piece]] = {}

    def add(self, order: Order) -> None:
        """Queue every tile of an order."""
        for piece in order.pieces():
            self.queues.setdefault((piece.model, piece.plane.shape), deque()).append(piece)

    def take(self, batch_pixels: int, *, partial: bool) -> list[Piece]:
        """Return equal pieces of up to ``batch_pixels`` texels, at least one; without ``partial`` only a full batch."""
        for shape, queue in self.queues.items():
            while queue and queue[0].order.cancelled:
                queue.popleft()
            fitting = max(1, batch_pixels // (shape[1][0] * shape[1][1]))
            if len(queue) >= fitting:
                return self._pop(shape, fitting)
        self.queues = {shape: queue for shape, queue in self.queues.items() if queue}
        if not partial or not self.queues:
            return []
        shape = max(self.queues, key=lambda s: len(self.queues[s]) * s[1][0] * s[1][1])
        return self._pop(shape, max(1, batch_pixels // (shape[1][0] * shape[1][1])))

    def _pop(self, shape: tuple[int, tuple[int, ...]], count: int) -> list[Piece]:
        queue = self.queues[shape]
        taken = [queue.popleft() for _ in range(min(count, len(queue)))]
        return [piece for piece in taken if not piece.order.cancelled]
