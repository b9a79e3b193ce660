"""The reference engine: one texture, one tile at a time, in the calling thread. Slow, and easy to be sure of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from texup.engines.alone import fill
from texup.engines.batching import Order
from texup.engines.devices.cards import AnyDevice
from texup.engines.engine import Job, Plane, Request, Task, drive
from texup.engines.steps import PROBLEMS, failure, finish
from texup.errors import TextureError
from texup.manifest.record import Outcome


def answer_requests(requests: list[Request], device: AnyDevice) -> list[Plane]:
    """Return the upscaled planes of one texture's requests, done tile by tile.

    Raises:
        TextureError: the net cannot do it on this device.
    """
    order = Order(None, requests, device.tile_of(requests), grid=device.grid)
    if problem := fill(order, device):
        raise TextureError(PROBLEMS[problem])
    return order.planes


class InlineEngine:
    """Runs jobs in order; what ``LocalEngine`` must agree with."""

    def __init__(self, device: AnyDevice) -> None:
        """Run nets on ``device``."""
        self.device = device

    def run(
        self,
        jobs: Iterable[Job | Outcome],
        start: Callable[[Job], Task | Outcome],
        end: Callable[[], None] = lambda: None,
    ) -> Iterator[Outcome]:
        """Yield the outcome of each job."""
        try:
            for job in jobs:
                yield job if isinstance(job, Outcome) else self._outcome(job, start)
        finally:
            end()

    def _outcome(self, job: Job, start: Callable[[Job], Task | Outcome]) -> Outcome:
        began, task = time.perf_counter(), None
        try:
            started = start(job)
            if isinstance(started, Outcome):
                return started
            task = started
            return self._upscale(task, began)
        except (TextureError, MemoryError) as error:
            return failure(job, error, task)

    def _upscale(self, task: Task, began: float) -> Outcome:
        nets: set[int] = set()

        def answer(requests: list[Request]) -> list[Plane]:
            nets.update(request.model for request in requests)
            return answer_requests(requests, self.device)

        made = drive(task.upscaling, answer)
        return finish(task, made, self.device.execution(nets) if nets else None, began)
