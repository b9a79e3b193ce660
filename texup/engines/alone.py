"""One texture alone on a device: its tiles on all lanes, without files and without an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from texup.engines.batching import Order
from texup.engines.devices.cards import AnyDevice
from texup.engines.engine import Plane, Request
from texup.engines.local import MIN_TILE
from texup.engines.steps import PROBLEMS
from texup.errors import TextureError


def answer_alone(requests: list[Request], device: AnyDevice) -> list[Plane]:
    """Return the upscaled planes of one texture's requests, as an engine does; by smaller tiles if memory is short.

    Raises:
        TextureError: the net cannot do it on this device.
        LostDevice: the device gave up.
    """
    with device.ready(), ThreadPoolExecutor(device.lanes, thread_name_prefix="texup-nets") as lanes:
        while True:
            order = Order(None, requests, device.tile_of(requests), grid=device.grid)
            problem = fill(order, device, lanes.map)
            if problem is None:
                return order.planes
            side = order.largest_core()
            if problem != "memory" or side <= MIN_TILE:
                raise TextureError(PROBLEMS[problem])
            device.shrink(requests, max(MIN_TILE, min(order.tile, side) // 2))


def fill(order: Order, device: AnyDevice, each: Callable[..., Iterable[Any]] = map) -> str | None:
    """Put every tile of an order in its place; return the first problem, if any.

    Args:
        order: of one texture.
        device: what upscales its tiles.
        each: does so with all of them, as ``map`` one after the other, or an executor's side by side.
    """
    pieces = order.pieces()
    results = each(lambda piece: device.upscale(piece.model, [piece.plane], piece.told)[0], pieces)
    for piece, result in zip(pieces, results, strict=True):
        if result.plane is None:
            return result.problem or "memory"
        piece.put(result.plane)
    return None
