"""Transfers: how planes get to nets and results back; to a card in the smallest type that loses nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from math import prod
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from texup.engines.devices.graphs import MOST_TEXELS, Graphs
from texup.engines.devices.queues import InOrder, Net, Queues, Streams
from texup.engines.engine import Plane

FAR = 1000.0  # times as bright as white: no net that works goes there, one that overflows passes by
GRAPH_SHARE = 4  # a graph's batch is at most this part of the largest: its memory is no other's
LEVELS = {
    kind: np.arange(steps, dtype=np.float32) / np.float32(steps - 1) for kind, steps in (("u1", 256), ("u2", 65536))
}
"""The values of samples, computed as ``split`` in ``textures/planes.py`` does; a card looks them up.

It must not divide: on CUDA torch multiplies by the inverse of a number instead, which may differ in the last bit.
"""
Forward = Callable[[Tensor], Tensor]
"""Maps planes (N, C, h, w) in float32 on the device to (N, C, h * scale, w * scale)."""


class Way(Protocol):
    """How planes get through a net of a device."""

    def enlarge(
        self, forward: Forward, planes: Sequence[Plane], key: Hashable = None
    ) -> tuple[NDArray[np.float32], list[bool]]:
        """Return planes (h, w, C) of equal shape upscaled as (N, h * scale, w * scale, C), and whether each is finite.

        ``key`` names the net and its type where it may be captured as a graph.
        """
        ...

    def save_memory(self) -> None:
        """Keep nothing on the device that is not needed."""
        ...

    def note(self) -> str | None:
        """Return what the user may want to know of it."""
        ...


def way_for(device: torch.device, batch_pixels: int) -> Way:
    """Return how planes get to a device; "mps" shares the main memory, so nothing goes over a bus there."""
    if device.type == "cuda":
        streams = Streams(device)
        return Transfers(device, streams, Graphs(streams.graph, min(MOST_TEXELS, batch_pixels // GRAPH_SHARE)))
    return Transfers(device, InOrder(device)) if device.type == "xpu" else Straight(device)


class Straight:
    """Planes go to the net as they are, and the thread waits for it."""

    def __init__(self, device: torch.device) -> None:
        """Use a device."""
        self.device = device

    def enlarge(
        self, forward: Forward, planes: Sequence[Plane], _key: Hashable = None
    ) -> tuple[NDArray[np.float32], list[bool]]:
        """Return planes upscaled, and whether each is finite."""
        results = forward(torch.from_numpy(np.stack(planes)).to(self.device).permute(0, 3, 1, 2))
        finite: list[bool] = are_finite(results).tolist()
        return results.permute(0, 2, 3, 1).float().cpu().numpy(), finite

    def save_memory(self) -> None:
        """Nothing is kept."""

    def note(self) -> str | None:
        """Nothing is to be told."""
        return None


class Transfers:
    """Planes go over a bus in as few bytes as hold them, and results come back in the type that they were made in.

    Memory for both is kept from batch to batch, a set for each batch that is on its way.
    """

    def __init__(self, device: torch.device, queues: Queues, graphs: Graphs | None = None) -> None:
        """Use the queues of a device."""
        self.queues, self.graphs = queues, graphs
        self.levels = {kind: torch.from_numpy(values).to(device) for kind, values in LEVELS.items()}
        self.idle: deque[_Luggage] = deque()

    def enlarge(
        self, forward: Forward, planes: Sequence[Plane], key: Hashable = None
    ) -> tuple[NDArray[np.float32], list[bool]]:
        """Return planes upscaled, and whether each is finite."""
        graphs = None if key is None else self.graphs
        values = narrowest(np.stack(planes))
        count = graphs.count_for(len(planes), values[0, :, :, 0].size) if graphs else len(planes)
        try:
            luggage = self.idle.pop()
        except IndexError:
            luggage = _Luggage(self.queues)
        luggage.pack(values, count)

        def net(arrived: Tensor) -> tuple[Tensor, Tensor]:
            results = forward(self._widened(arrived).permute(0, 3, 1, 2))
            return results.permute(0, 2, 3, 1).contiguous(), are_finite(results)

        self.queues.run(
            luggage.come,
            lambda: luggage.pass_through(graphs.repeated(key, net, luggage.arrived) if graphs else net),
            luggage.back,
        )
        done = luggage.unpacked(len(planes))
        self.idle.append(luggage)  # not that of a batch that failed: the card may still read it
        return done

    def save_memory(self) -> None:
        """Have no graphs any more."""
        if self.graphs is not None:
            self.graphs.is_off = True

    def note(self) -> str | None:
        """Return why there are no graphs, where that was not foreseen."""
        problem = self.graphs.problem if self.graphs else None
        return problem and f"nets run without CUDA graphs, a little slower, for one could not be captured ({problem})"

    def _widened(self, planes: Tensor) -> Tensor:
        """Return what arrived as float32."""
        if planes.dtype == torch.float32:
            return planes
        index, kind = planes.to(torch.int32).reshape(-1), "u1"
        if planes.dtype == torch.int16:
            index, kind = index & 0xFFFF, "u2"
        return self.levels[kind].index_select(0, index).view(planes.shape)


class _Luggage:
    """One batch on its way, and the memory that it and the next ones are carried in."""

    sent: Tensor
    arrived: Tensor
    made: tuple[Tensor, Tensor]
    """On the card: results, and whether each is finite."""
    got: tuple[Tensor, Tensor]
    """The same in main memory."""

    def __init__(self, queues: Queues) -> None:
        self.queues = queues
        self.out, self.results, self.finite = (_Bytes(queues.host) for _ in range(3))
        self.there = _Bytes(queues.card)

    def pack(self, values: NDArray[Any], count: int) -> None:
        """Lay planes (N, h, w, C) where the card finds them, filled up with zeros to ``count``."""
        # 16 bits go as signed ones, for torch does little with others.
        dtype = {"u1": torch.uint8, "u2": torch.int16, "f4": torch.float32}[values.dtype.str[1:]]
        self.sent = self.out.shaped((count, *values.shape[1:]), dtype)
        held = self.sent.view(torch.uint8).numpy()
        held[: len(values)], held[len(values) :] = values.view(np.uint8), 0

    def come(self) -> None:
        """Copy the planes to the card."""
        self.arrived = self.there.shaped(self.sent.shape, self.sent.dtype)
        self.queues.copy(self.arrived, self.sent)

    def pass_through(self, net: Net) -> None:
        """Let a net make the results."""
        self.made = net(self.arrived)

    def back(self) -> None:
        """Copy the results to main memory."""
        results, finite = self.made
        self.got = self.results.shaped(results.shape, results.dtype), self.finite.shaped(finite.shape, finite.dtype)
        for to, of in zip(self.got, self.made, strict=True):
            self.queues.copy(to, of)

    def unpacked(self, count: int) -> tuple[NDArray[np.float32], list[bool]]:
        """Return the first results in memory of their own, for the next batch comes back into the same; keep none."""
        results, finite = self.got
        del self.made
        return results[:count].to(torch.float32, copy=True).numpy(), finite[:count].tolist()


class _Bytes:
    """Memory that is kept, and grows when a batch needs more."""

    def __init__(self, make: Callable[[int], Tensor]) -> None:
        self.make = make
        self.held: Tensor | None = None

    def shaped(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return the first bytes as a tensor; their content is of no meaning."""
        size = prod(shape) * dtype.itemsize
        if self.held is None or self.held.numel() < size:
            self.held = None  # the old goes first: both at once may not fit
            self.held = self.make(1 << (size - 1).bit_length())
        return self.held[:size].view(dtype).view(shape)


def narrowest(values: NDArray[np.float32]) -> NDArray[Any]:
    """Return planes in 8 or 16 bits where the same values come out again to the last bit; else as they are."""
    for kind, levels in LEVELS.items():
        with np.errstate(invalid="ignore"):  # what is not finite compares unequal below
            steps: NDArray[Any] = np.rint(values * np.float32(len(levels) - 1)).astype(kind)
        if np.array_equal(levels[steps].view(np.uint32), values.view(np.uint32)):
            return steps
    return values


def are_finite(results: Tensor) -> Tensor:
    """Tell for each of N results whether all of it is a number, and none as large as only an overflow makes them."""
    # amax and amin pass NaN on, and comparing with it is false.
    return (results.amax(dim=(1, 2, 3)) <= FAR) & (results.amin(dim=(1, 2, 3)) >= -FAR)
