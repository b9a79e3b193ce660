"""Queues of work on a card: batches come in, go through nets, and come back, three of them at once."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Protocol

import torch
from torch import Tensor

from texup.engines.devices.failures import is_short_of_memory

Work = Callable[[], None]
Net = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Maps what lies on the card to what shall come back from it: results, and whether each of them is finite."""


class Queues(Protocol):
    """Three queues of a card, each of which keeps its order while the others go on."""

    def run(self, come: Work, net: Work, back: Work) -> None:
        """Do the parts of one batch, each on its queue after the part before; return when the last is done.

        Several threads may have a batch on its way at once. A part that raises ends its own batch only.
        """
        ...

    def host(self, size: int) -> Tensor:
        """Return bytes of main memory that the card reads and writes by itself, where there are such."""
        ...

    def card(self, size: int) -> Tensor:
        """Return bytes of the card's memory."""
        ...

    def copy(self, to: Tensor, of: Tensor) -> None:
        """Copy between main memory and the card, as part of the work of a queue."""
        ...

    def graph(self, net: Net, like: Tensor) -> Net:
        """Return a net that repeats, for planes of the shape and type of ``like``, what this one now does.

        Called as part of the work of the queue of nets.

        Raises:
            RuntimeError: it cannot be repeated.
        """
        ...


class Streams:
    """CUDA's queues: a stream for each direction of the bus, and one for nets.

    All nets of a card share one stream, so that a batch reuses the memory of the one before and no two compete.
    """

    def __init__(self, device: torch.device) -> None:
        """Make the streams of a card."""
        self.device = device
        self.streams = [torch.cuda.Stream(device) for _ in range(3)]  # type: ignore[no-untyped-call]
        self.locks = [Lock() for _ in self.streams]
        self.default = torch.cuda.default_stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    def run(self, come: Work, net: Work, back: Work) -> None:
        """Do the parts of one batch; the thread sleeps until the last is done."""
        done = self.default.record_event()  # weights were copied and converted there
        for stream, lock, work in zip(self.streams, self.locks, (come, net, back), strict=True):
            with lock, torch.cuda.stream(stream):
                stream.wait_event(done)
                work()
                done = stream.record_event(torch.cuda.Event(blocking=True))  # type: ignore[no-untyped-call]
        done.synchronize()

    def host(self, size: int) -> Tensor:
        """Return bytes that are pinned, or usual ones where the system pins no more: copies then only take longer."""
        try:
            return torch.empty(size, dtype=torch.uint8, pin_memory=True)
        except RuntimeError as error:
            if not is_short_of_memory(error):
                raise
            return torch.empty(size, dtype=torch.uint8)

    def card(self, size: int) -> Tensor:
        """Return bytes of the card's memory."""
        return torch.empty(size, dtype=torch.uint8, device=self.device)

    def copy(self, to: Tensor, of: Tensor) -> None:
        """Copy on the stream whose work this is part of."""
        to.copy_(of, non_blocking=True)

    def graph(self, net: Net, like: Tensor) -> Net:
        """Capture a net as a CUDA graph.

        All graphs share memory for what they compute on the way: they run one after the other, and results are copied
        before the next begins.

        References:
            PyTorch, "CUDA semantics", CUDA Graphs: capture, and graphs that share a pool. Other threads copy meanwhile,
            which only the error mode "thread_local" allows.
        """
        held, graph = like.clone(), torch.cuda.CUDAGraph()
        stream = self.streams[1]
        with torch.cuda.graph(graph, self.pool, stream, capture_error_mode="thread_local"):
            results, finite = net(held)

        def replay(planes: Tensor) -> tuple[Tensor, Tensor]:
            held.copy_(planes)
            graph.replay()
            return results.clone(), finite.clone()

        return replay


class InOrder:
    """The queues of a card that does everything in the order in which it is asked."""

    def __init__(self, device: torch.device) -> None:
        """Use a card."""
        self.device = device

    def run(self, come: Work, net: Work, back: Work) -> None:
        """Do the parts of one batch."""
        come()
        net()
        back()

    def host(self, size: int) -> Tensor:
        """Return bytes of main memory."""
        return torch.empty(size, dtype=torch.uint8)

    def card(self, size: int) -> Tensor:
        """Return bytes of the card's memory."""
        return torch.empty(size, dtype=torch.uint8, device=self.device)

    def copy(self, to: Tensor, of: Tensor) -> None:
        """Copy, and wait for it."""
        to.copy_(of)

    def graph(self, net: Net, like: Tensor) -> Net:
        """Return the net itself: nothing is known to repeat it faster."""
        return net
