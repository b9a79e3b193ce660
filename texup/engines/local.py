"""The engine of one machine: file threads read and write, lanes run nets, and the calling thread moves textures on.

Textures pass these stations: *reading* (decode, decide, cut) on a file thread, *waiting* in the batcher, *inferring* on
a lane of the device, then *finishing* (merge, encode, write) on a file thread. How many are on their way is bounded, so
memory does not grow with the pack.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any

from texup.engines.batching import Batcher, Order, Piece
from texup.engines.devices.cards import AnyDevice
from texup.engines.devices.device import Upscaled
from texup.engines.engine import IN_FLIGHT, Execution, Job, Made, Request, Task
from texup.engines.steps import PROBLEMS, Finished, failure, finish, next_requests
from texup.errors import TextureError
from texup.manifest.record import Outcome

LANES = 4  # of a device that IN_FLIGHT is meant for; each four more have as many textures again on their way
IN_FLIGHT_PIXELS = 1 << 24  # pixels of their results, unless one texture, or a batch for each lane, is larger
PATIENCE = 3.0  # seconds for the files on their way when a signal ends the process; to code the largest takes ten
MIN_TILE = 32  # below this, context costs ten times the core; memory that small does not exist


@dataclass(slots=True)
class InFlight:
    """A texture between reading and done."""

    job: Job
    began: float = field(default_factory=time.perf_counter)
    task: Task | None = None
    nets: set[int] = field(default_factory=set)
    """Those that it went through."""
    redone: int = 0
    """Tiles that were not finite and were done again in fp32."""
    tile: int | None = None
    """Side of its tiles, where memory made them smaller than the device's first."""


Step = tuple[InFlight, "Task | list[Request] | Outcome"]


class LocalEngine:
    """Runs the nets of one device, or of several cards, over many textures at once."""

    def __init__(self, device: AnyDevice, workers: int) -> None:
        """Use ``workers`` threads for files and ``device`` for nets."""
        self.device, self.workers = device, workers

    def run(
        self,
        jobs: Iterable[Job | Outcome],
        start: Callable[[Job], Task | Outcome],
        end: Callable[[], None] = lambda: None,
    ) -> Iterator[Outcome]:
        """Yield the outcome of each job as it finishes; see ``Engine``."""
        files = ThreadPoolExecutor(self.workers, thread_name_prefix="texup-files")
        nets = ThreadPoolExecutor(self.device.lanes, thread_name_prefix="texup-nets")
        run = _Run(self.device, self.workers, files, nets, start)
        is_stopped = is_whole = False
        try:
            with self.device.ready():
                yield from run.outcomes(iter(jobs))
            is_whole = True
        except BaseException as error:
            is_stopped = not isinstance(error, Exception | GeneratorExit)
            raise
        finally:
            end()
            nets.shutdown(wait=is_whole, cancel_futures=True)  # cut short, a batch may take a minute, and is no loss
            files.shutdown(wait=not is_stopped, cancel_futures=True)
            wait([future for future in (*run.reading, *run.finishing) if future.running()], PATIENCE)


class _Run:
    """The state of one run; lives as long as its generator."""

    def __init__(
        self,
        device: AnyDevice,
        workers: int,
        files: ThreadPoolExecutor,
        nets: ThreadPoolExecutor,
        start: Callable[[Job], Task | Outcome],
    ) -> None:
        self.device, self.workers, self.files, self.nets, self.start = device, workers, files, nets, start
        # Not concurrent.futures.wait: a signal's exception inside its locks would leave them in disorder.
        self.done: SimpleQueue[Future[Any]] = SimpleQueue()
        self.inferring: dict[Future[list[Upscaled]], list[Piece]] = {}
        self.reading: set[Future[Step]] = set()
        self.finishing: set[Future[Step]] = set()
        self.batcher = Batcher()
        self.running = 0
        self.pixels = 0
        self.waiting: deque[InFlight] = deque()  # read, but there is no memory for their results yet
        self.shares: dict[int, float] = {}  # of memory, by the identity of each texture that has its part
        self.twins: dict[bytes, list[InFlight]] = {}  # key -> textures that wait for the first of their kind
        self.finished: dict[bytes, tuple[Job, Outcome]] = {}

    def outcomes(self, jobs: Iterator[Job | Outcome]) -> Iterator[Outcome]:
        more = True
        while more or self.running:
            while more and self._has_room():
                job = next(jobs, None)
                more = job is not None
                if isinstance(job, Outcome):
                    yield job
                elif job is not None:
                    self.running += 1
                    self._submit(self.reading, self._read, InFlight(job))
            self._feed_nets()
            if self.inferring or self.reading or self.finishing:
                yield from self._take(self.done.get())

    def _submit(self, group: set[Future[Step]], work: Callable[..., Step], *arguments: Any) -> None:
        """Let a worker take a step of a texture."""
        future = self.files.submit(work, *arguments)
        group.add(future)
        future.add_done_callback(self.done.put)

    def _take(self, future: Future[Any]) -> Iterator[Outcome]:
        """Move on whatever a thread is done with."""
        if future in self.inferring:
            yield from self._take_batch(self.inferring.pop(future), future.result())
        else:
            self.reading.discard(future)
            self.finishing.discard(future)
            yield from self._take_step(*future.result())

    def _has_room(self) -> bool:
        batch = self.device.batch_pixels * max(m.scale for m in self.device.models) ** 2
        busy = len(self.reading) >= 2 * self.workers or self.running >= IN_FLIGHT * max(1, self.device.lanes // LANES)
        most = max(IN_FLIGHT_PIXELS, (self.device.lanes + 1) * batch)
        return not busy and not self.waiting and self.pixels < most

    def _attempt(self, texture: InFlight, work: Callable[[], Task | list[Request] | Outcome]) -> Step:
        """The one place where an error becomes the outcome of a texture instead of the end of the run."""
        try:
            return texture, work()
        except (TextureError, MemoryError) as error:
            return texture, failure(texture.job, error, texture.task)

    def _read(self, texture: InFlight) -> Step:
        return self._attempt(texture, lambda: self.start(texture.job))

    def _ask(self, texture: InFlight, order: Order | None) -> Step:
        task = texture.task
        assert task is not None

        def work() -> list[Request] | Outcome:
            step = next_requests(task, order.planes if order else None)
            if not isinstance(step, Finished):
                return step
            ran = self.device.execution(texture.nets) if texture.nets else None
            outcome = finish(task, step.made, ran, texture.began)
            return replace(outcome, redone=texture.redone, tile=texture.tile)

        return self._attempt(texture, work)

    def _copy(self, texture: InFlight, twin: Job, outcome: Outcome) -> Step:
        task = texture.task
        assert task is not None

        def work() -> Outcome:
            try:
                files = tuple((twin.out / target.path).read_bytes() for target in outcome.targets)
            except OSError as error:
                raise TextureError(f"its twin {twin.path} is gone from the output: {error.strerror}") from error
            ran = Execution(outcome.device, outcome.precision) if outcome.device and outcome.precision else None
            return replace(finish(task, Made(files, outcome.gate), ran, texture.began), twin_of=twin.path)

        return self._attempt(texture, work)

    def _take_step(self, texture: InFlight, step: Task | list[Request] | Outcome) -> Iterator[Outcome]:
        """Move a texture on by what its worker came back with."""
        if isinstance(step, Outcome):
            yield from self._end(texture, step)
        elif isinstance(step, list):
            self._queue(texture, step)
        else:
            texture.task = step
            self.pixels += step.pixels
            self.waiting.append(texture)
            self._admit()

    def _admit(self) -> None:
        """Send on textures that are read while there is memory for their results; one goes in any case."""
        while self.waiting:
            texture = self.waiting[0]
            task = texture.task
            assert task is not None
            if self.shares and sum(self.shares.values()) + task.share > 1:
                return
            self.waiting.popleft()
            self.shares[id(texture)] = task.share
            if task.key in self.finished:
                self._submit(self.finishing, self._copy, texture, *self.finished[task.key])
            elif task.key in self.twins:
                self.twins[task.key].append(texture)
            else:
                self.twins[task.key] = []
                self._submit(self.reading, self._ask, texture, None)

    def _queue(self, texture: InFlight, requests: list[Request], *, is_last_try: bool = False) -> None:
        """Let the tiles of what a texture asks for wait for the nets."""
        order = Order(texture, requests, self.device.tile_of(requests), is_last_try, self.device.grid)
        if order.missing > len(requests) and self.device.is_cut_finer(requests, order.tile):
            texture.tile = order.tile
        self.batcher.add(order)

    def _feed_nets(self) -> None:
        """Keep every lane of the device busy and one batch waiting; a batch that is not full only for an idle lane."""
        while len(self.inferring) <= self.device.lanes:
            idle = len(self.inferring) < self.device.lanes and not self.reading
            batch = self.batcher.take(self.device.batch_pixels, partial=idle)
            if not batch:
                return
            planes = [piece.plane for piece in batch]
            future = self.nets.submit(self.device.upscale, batch[0].model, planes, batch[0].told)
            self.inferring[future] = batch
            future.add_done_callback(self.done.put)

    def _take_batch(self, batch: list[Piece], results: list[Upscaled]) -> Iterator[Outcome]:
        """Put the tiles of a batch in their places and send on every texture that is now complete."""
        for piece, result in zip(batch, results, strict=True):
            if piece.order.cancelled:
                continue
            if result.plane is None:
                yield from self._retry_smaller(piece.order, result)
                continue
            texture = piece.order.texture
            texture.redone += result.redone
            texture.nets.add(piece.model)
            try:
                is_whole = piece.put(result.plane)
            except MemoryError as error:
                yield from self._give_up(piece.order, error)
                continue
            if is_whole:
                self._submit(self.finishing, self._ask, texture, piece.order)

    def _retry_smaller(self, order: Order, result: Upscaled) -> Iterator[Outcome]:
        """Plan a texture again with smaller tiles when memory did not suffice; the smallest get a second try."""
        side = order.largest_core()
        if result.problem == "memory" and not order.is_last_try:
            if side > MIN_TILE:
                now = self.device.tile_of(order.requests)
                self.device.shrink(order.requests, max(MIN_TILE, min(now, side) // 2))
            order.cancelled = True
            self._queue(order.texture, order.requests, is_last_try=side <= MIN_TILE)
        else:
            yield from self._give_up(order, TextureError(PROBLEMS[result.problem or "memory"]))

    def _give_up(self, order: Order, error: TextureError | MemoryError) -> Iterator[Outcome]:
        """Fail the texture of an order; what still comes back for it is dropped."""
        order.cancelled = True
        yield from self._end(order.texture, failure(order.texture.job, error, order.texture.task))

    def _end(self, texture: InFlight, outcome: Outcome) -> Iterator[Outcome]:
        """Count a texture out, and settle those that waited for the same picture."""
        self.running -= 1
        yield outcome
        if texture.task is None:
            return
        self.pixels -= texture.task.pixels
        self.shares.pop(id(texture), None)
        texture.task.upscaling.close()
        key = texture.task.key
        if outcome.outcome == "upscaled":
            self.finished.setdefault(key, (texture.job, outcome))
        for twin in self.twins.pop(key, []):
            if outcome.outcome == "upscaled":
                self._submit(self.finishing, self._copy, twin, texture.job, outcome)
            else:
                yield from self._end(twin, failure(twin.job, TextureError(outcome.reason or ""), twin.task))
        self._admit()
