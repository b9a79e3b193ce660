"""One process or several: the few things that differ between them.

Every process draws the whole batch from the same generator and keeps its own part, so that several processes together
take the steps that one would take alone. That holds exactly for losses that are means over pictures. What compares
with a mean of the batch (the mean logit of the relativistic GAN, batch norm, relative feature distances) takes the mean
of its own part: their gradients are averaged like all others, and the processes stay in step, but a batch in two
parts is then not quite the batch in one.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from texup.errors import TexupError, UsageError

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class World:
    """The processes of one run, which all see the same recipe and the same data."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def part(self, batch: Tensor) -> Tensor:
        """Return this process's part of a batch (N, ...); N is a multiple of ``size``."""
        return batch.chunk(self.size)[self.rank]

    def wrapped(self, net: nn.Module) -> nn.Module:
        """Return ``net`` with the first process's weights, and with gradients averaged over the processes.

        Buffers are left alone: a discriminator that judges twice before one backward pass needs those of the first.
        """
        if self.size == 1:
            return net
        known = inspect.signature(DistributedDataParallel).parameters
        option = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"  # before torch 2.13
        options: dict[str, Any] = {option: False}
        return DistributedDataParallel(net, **options)

    @torch.no_grad()
    def average_buffers(self, net: nn.Module) -> None:
        """Give ``net`` the means of its floating-point buffers, the statistics of batch norm, over the processes."""
        buffers = [b for b in net.buffers() if b.is_floating_point()]
        if self.size == 1 or not buffers:
            return
        flat = torch.cat([b.flatten() for b in buffers])
        dist.all_reduce(flat)
        flat /= self.size
        parts = torch.split_with_sizes(flat, [b.numel() for b in buffers])
        for buffer, values in zip(buffers, parts, strict=True):
            buffer.copy_(values.view_as(buffer))

    def agreed(self, value: float) -> float:
        """Return the first process's ``value``: clocks differ, schedules must not."""
        if self.size == 1:
            return value
        box = torch.tensor(value, dtype=torch.float64)
        dist.broadcast(box, 0)
        return float(box)

    def mean(self, values: dict[str, float]) -> dict[str, float]:
        """Return the means over the processes of values under the same names."""
        if self.size == 1:
            return values
        box = torch.tensor(list(values.values()), dtype=torch.float64)
        dist.all_reduce(box)
        return dict(zip(values, (box / self.size).tolist(), strict=True))

    def together(self, action: Callable[[], Result]) -> Result:
        """Return what ``action`` gives in this process; an error of one process ends all of them.

        Without it the others would wait for ever for the one that stopped. ``action`` must not use the other methods.

        Raises:
            TexupError: in the first process, the error of the first one that has one.
            SystemExit: in the others, with the code of that error: it is said once.
        """
        if self.size == 1:
            return action()
        results: list[Result] = []
        mine: TexupError | None = None
        try:
            results.append(action())
        except TexupError as error:
            mine = error
        errors: list[TexupError | None] = [None] * self.size
        dist.all_gather_object(errors, mine)
        for trouble in errors:
            if trouble is not None:
                raise trouble if self.is_first else SystemExit(int(trouble.exit_code))
        return results[0]


def join_world(device: torch.device) -> tuple[World, torch.device]:
    """Join the processes that ``torchrun`` started, if it did; return them and this one's device.

    Control messages go over gloo; gradients of CUDA nets over NCCL, each process on its own card.

    Raises:
        UsageError: the processes cannot find each other.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World(), device
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    except (ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"WORLD_SIZE is {size}, but the processes do not find each other ({reason}); start texup by torchrun"
        ) from error
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    return World(dist.get_rank(), size), device


def leave_world() -> None:
    """Part from the other processes, where there are any."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
