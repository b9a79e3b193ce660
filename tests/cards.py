"""Cards that are not there: a device on the CPU whose queues are threads, and write down what they do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch
from torch import Tensor

from texup.engines.devices.device import Device
from texup.engines.devices.graphs import MOST_TEXELS, Graphs
from texup.engines.devices.queues import Net, Work
from texup.engines.devices.transfers import Transfers
from texup.models.model import UpscaleModel

CPU = torch.device("cpu")
KINDS = ("come", "net", "back")


class Step(NamedTuple):
    """A moment of a part of a batch; the list of all is in the order in which they happened."""

    kind: str
    batch: int
    what: str
    """ "begin" or "end"."""


class Copied(NamedTuple):
    """What went over the bus."""

    kind: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    size: int
    """Bytes."""


class RecordedQueues:
    """Queues as a CUDA card has them: each a thread, which does its work in order while the others go on."""

    def __init__(
        self, at: Callable[[str, int], None] = lambda kind, batch: None, refusal: Exception | None = None
    ) -> None:
        """Call ``at`` as a part of a batch begins, with its kind and number; let captures fail by ``refusal``."""
        self.at, self.refusal = at, refusal
        self.steps: list[Step] = []
        self.copies: list[Copied] = []
        self.made: list[tuple[str, int]] = []  # memory: where, and how many bytes
        self.captured: list[torch.Size] = []
        self.replayed: list[torch.Size] = []
        self.lock, self.batches, self.current = threading.Lock(), 0, threading.local()
        self.threads = [ThreadPoolExecutor(1, thread_name_prefix=f"stand-in-{kind}") for kind in KINDS]

    def run(self, come: Work, net: Work, back: Work) -> None:
        with self.lock:
            batch, self.batches = self.batches, self.batches + 1
        for thread, kind, work in zip(self.threads, KINDS, (come, net, back), strict=True):
            thread.submit(self._do, kind, batch, work).result()

    @torch.inference_mode()
    def _do(self, kind: str, batch: int, work: Work) -> None:
        self.current.kind = kind
        self.steps.append(Step(kind, batch, "begin"))
        self.at(kind, batch)
        work()
        self.steps.append(Step(kind, batch, "end"))

    def _memory(self, where: str, size: int) -> Tensor:
        self.made.append((where, size))
        return torch.full((size,), 0xA5, dtype=torch.uint8)  # never what somebody may take for a picture

    def host(self, size: int) -> Tensor:
        return self._memory("host", size)

    def card(self, size: int) -> Tensor:
        assert self.current.kind == "come"  # on the stream that fills it
        return self._memory("card", size)

    def copy(self, to: Tensor, of: Tensor) -> None:
        assert (to.shape, to.dtype) == (of.shape, of.dtype)
        assert to.is_contiguous()
        assert of.is_contiguous()
        self.copies.append(Copied(self.current.kind, tuple(of.shape), of.dtype, of.nbytes))
        to.copy_(of)

    def graph(self, net: Net, like: Tensor) -> Net:
        assert self.current.kind == "net"
        if self.refusal is not None:
            raise self.refusal
        self.captured.append(like.shape)
        held = like.clone()

        def replay(planes: Tensor) -> tuple[Tensor, Tensor]:
            assert (planes.shape, planes.dtype) == (held.shape, held.dtype)
            self.replayed.append(planes.shape)
            held.copy_(planes)
            return net(held)

        return replay


def with_queues(
    device: Device, queues: RecordedQueues | None = None, *, at_once: int = 1, most_texels: int = MOST_TEXELS
) -> Device:
    """Return a device that is used as a CUDA card from now on.

    It shows a net one plane at a time, for the CPU's kernels round otherwise for more, or ``at_once`` as cards do.
    """
    queues = queues or RecordedQueues()
    device.way = Transfers(device.device, queues, Graphs(queues.graph, most_texels))
    device.lanes, device.at_once = 3, at_once
    return device


def card(models: Sequence[UpscaleModel], queues: RecordedQueues | None = None, precision="fp32", **sizes) -> Device:
    """Return a card with models, which sees whole batches."""
    return with_queues(Device(models, CPU, precision, **sizes), queues, at_once=1 << 20)
