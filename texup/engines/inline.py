"""The reference engine: one texture, one tile at a time, in the calling thread. Slow, and easy to be sure of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from texup.engines.batching import Order
from texup.engines.device import Device
from texup.engines.engine import Job, Outcome, Plane, Request, Task
from texup.engines.steps import PROBLEMS, failed, finish, next_requests
from texup.errors import TextureError


def answered(requests: list[Request], device: Device) -> tuple[list[Plane], str | None]:
    """Return the upscaled planes of one texture's requests, tile by tile, and the precision of the last tile.

    Raises:
        TextureError: the net cannot do it on this device.
    """
    order, precision = Order(None, requests, device.tile), None
    for piece in order.pieces():
        (result,) = device.upscale(piece.model, [piece.plane])
        if result.plane is None:
            raise TextureError(PROBLEMS[result.problem or "memory"])
        piece.put(result.plane)
        precision = result.precision
    return order.planes, precision


class InlineEngine:
    """Runs jobs in order; what ``LocalEngine`` must agree with."""

    def __init__(self, device: Device) -> None:
        """Run nets on ``device``."""
        self.device = device

    def run(self, jobs: Iterable[Job | Outcome], start: Callable[[Job], Task | Outcome]) -> Iterator[Outcome]:
        """Yield the outcome of each job."""
        for job in jobs:
            if isinstance(job, Outcome):
                yield job
                continue
            began = time.perf_counter()
            try:
                started = start(job)
                yield started if isinstance(started, Outcome) else self._upscale(started, began)
            except TextureError as error:
                yield failed(job, error)

    def _upscale(self, task: Task, began: float) -> Outcome:
        planes, precision = None, None
        while not isinstance(requests := next_requests(task, planes), tuple):
            planes, precision = answered(requests, self.device)
        return finish(task, requests, precision, [], time.perf_counter() - began)
