"""The device: a few threads run nets on it, in a precision that is guarded and with memory that is learnt."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from texup.engines.devices.accelerators import accelerators, forget_unused, memory_of, title
from texup.engines.devices.failures import is_short_of_memory, watch_device
from texup.engines.devices.fitting import Fitted
from texup.engines.devices.memory import memory_budget
from texup.engines.devices.precision import PRECISIONS, centre, pick_precision, precision_for
from texup.engines.devices.threads import one_thread_each
from texup.engines.devices.transfers import way_for
from texup.engines.engine import UNTOLD, Execution, Plane, Request, Told
from texup.errors import DeviceError, LostDevice
from texup.models.model import UpscaleModel

CPU_BATCH_PIXELS = 1 << 12  # a core gains nothing from larger batches, and small ones keep every core busy to the end
CPU_TILE = 160  # texels: wide enough that the context around it is a fifth, small enough to give each core some
MEMORY_SHARE = 0.6  # of the free memory; the allocator's own waste and the user's desktop take the rest
MAX_BATCH_PIXELS = 1 << 20
MPS_BATCH_PIXELS = 1 << 18  # Metal's arrays end at 4 GiB, which wide activations of scale 4 reach beyond that
WHOLE_TILES = tuple(1 << k for k in range(6, 13))  # sides; few, so that other machines seldom cut otherwise
CARD_LANES = {"cuda": 3}  # a batch comes in, one goes through, one comes back; other cards have no such queues
ACCELERATOR_GRID = 8  # of sides: 140 shapes instead of 264 in a quarter of Freedoom, for 6 % more texels


@dataclass(frozen=True, slots=True)
class Upscaled:
    """What the device made of one tile."""

    plane: Plane | None
    """(h * scale, w * scale, C), or None when there is no result."""
    precision: str
    """Type it was computed in."""
    problem: Literal["memory", "not finite", "refused"] | None = None
    """Why there is no result."""
    redone: bool = False
    """Whether the first result was not finite and this is a second one, in fp32."""


def pick_device(name: str) -> torch.device:
    """Return the device that ``name`` ("auto", "cpu", "cuda", "cuda:1", "xpu", "mps") stands for.

    Of several, as :func:`pick_devices` in ``cards.py`` reads them, it is the first.

    Raises:
        DeviceError: it is not there.
    """
    name = "auto" if name == "all" else name.partition(",")[0]
    if name == "auto":
        return torch.device([*accelerators(), "cpu"][0].partition(":")[0])
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # "meta" makes tensors, but none with values
    except (RuntimeError, AssertionError) as error:
        found = ["cpu", *map(title, accelerators())]
        raise DeviceError(f"device {name!r} is not available; this machine has {', '.join(found)}") from error
    return device


def bytes_per_pixel(model: UpscaleModel, precision: str) -> int:
    """Estimate the peak memory of a net for one input texel: about four wide activations at the size of the result.

    Of a net whose widest layer is known, four of those.
    """
    if model.needs.values:
        return 4 * model.needs.values * PRECISIONS[precision].itemsize
    width = int(model.hyper["num_feat"]) + 64
    return 4 * width * max(4, model.scale**2) * PRECISIONS[precision].itemsize


class Device:
    """The nets of a chain on one device.

    Up to ``lanes`` batches run at once, each on a thread of its own: one for every core of a CPU, three on a CUDA card,
    one otherwise.
    ``batch_pixels`` bounds the texels of a batch and ``tile`` the side of a tile; both shrink when memory runs out and
    stay small for the rest of the run.
    """

    def __init__(
        self,
        models: Sequence[UpscaleModel],
        device: torch.device,
        precision: str = "fp32",
        batch_pixels: int | None = None,
        tile: int | None = None,
    ) -> None:
        """Move ``models`` to ``device`` in ``precision``, which may be "auto"; sizes of None come from its memory.

        Raises:
            DeviceError: the weights do not fit into its memory.
            LostDevice: it does not work.
        """
        self.models, self.device, self.precision = list(models), device, pick_precision(precision, device)
        self.precisions = [precision_for(model, precision, device) for model in self.models]
        self.wide: set[int] = set()  # nets that turned out to run in fp32 only
        # A CPU's kernels round otherwise for other batches, which form by chance.
        self.at_once = 1 if device.type == "cpu" else MAX_BATCH_PIXELS
        self.grid = 1 if self.at_once == 1 else ACCELERATOR_GRID
        self.lanes = (os.cpu_count() or 1) if device.type == "cpu" else CARD_LANES.get(device.type, 1)
        self.wide_nets: dict[int, Fitted] = {}
        try:
            with watch_device(device):
                self._take_place(batch_pixels, tile)
        except (RuntimeError, MemoryError) as error:
            if not is_short_of_memory(error):
                raise
            raise DeviceError(
                f"device {device}: no memory for the weights; free some or use another --device"
            ) from error

    def _take_place(self, batch_pixels: int | None, tile: int | None) -> None:
        free, total = memory_of(self.device)
        self.batch_pixels = batch_pixels or self._fitting_pixels(free) // (1 if free is None else self.lanes)
        # Of all its memory, not of what is free today: the size of tiles decides the last bit of some pixels.
        self.tile = tile or (CPU_TILE if total is None else max(64, int(self._fitting_pixels(total) ** 0.5)))
        self.first_tile = self.tile
        self.asked_tile = tile
        self.whole = {k: tile or self._whole_tile(model) for k, model in enumerate(self.models) if model.needs.whole}
        self.way = way_for(self.device, self.batch_pixels)
        self.nets = [self._placed(model, PRECISIONS[self.precision_of(k)]) for k, model in enumerate(self.models)]
        for k, model in enumerate(self.models):
            if model.needs.guarded and self.precision_of(k) != "fp32" and not self.nets[k].runs(self.device):
                self.wide.add(k)  # it says that it takes 16 bits, but mixes types on the way
                self.nets[k] = self._placed(model, torch.float32)

    def _placed(self, model: UpscaleModel, dtype: torch.dtype) -> Fitted:
        """Return a copy of a net on the device."""
        layout = torch.preserve_format if model.needs.plain else _layout(self.device)
        net = copy.deepcopy(model.net)
        if self.device.type == "cpu" and dtype == torch.bfloat16 and centre(net):
            return Fitted(net, model, torch.float32, is_quick=True)
        net = net.to(self.device, dtype, memory_format=layout)  # type: ignore[call-overload]
        return Fitted(net, model, dtype)

    def precision_of(self, model: int) -> str:
        """Return the type that a net runs in: fp32 where it does not take what was chosen."""
        return "fp32" if model in self.wide else self.precisions[model]

    def execution(self, models: Iterable[int]) -> Execution:
        """Return where and in what types some of the nets run."""
        return Execution(self.device.type, "+".join(sorted({self.precision_of(model) for model in models})))

    def _whole_tile(self, model: UpscaleModel) -> int:
        """Return the side of the largest plane that a net which looks at all of it may see at once."""
        memory = memory_of(self.device)[1] or memory_budget() // self.lanes
        fitting = math.isqrt(int(memory * MEMORY_SHARE / bytes_per_pixel(model, self.precision)))
        return max((side for side in WHOLE_TILES if side <= fitting), default=WHOLE_TILES[0])

    def tile_of(self, requests: Sequence[Request]) -> int:
        """Return the side of the tiles that requests are cut into."""
        return min(self.whole.get(request.model, self.tile) for request in requests)

    def shrink(self, requests: Sequence[Request], tile: int) -> None:
        """Cut what goes through the nets of these requests into smaller tiles from now on."""
        for model in {request.model for request in requests}:
            if model in self.whole:
                self.whole[model] = min(self.whole[model], tile)
            else:
                self.tile = min(self.tile, tile)

    def is_cut_finer(self, requests: Sequence[Request], tile: int) -> bool:
        """Tell whether tiles of that side are smaller than these requests would have in memory enough."""
        whole = any(request.model in self.whole for request in requests)
        return whole if self.asked_tile is None and whole else tile < self.first_tile

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Give each lane one thread of torch: a core for each batch beats a batch over all cores, by a third on two."""
        with one_thread_each() if self.device.type == "cpu" else nullcontext():
            yield

    def _fitting_pixels(self, memory: int | None) -> int:
        if memory is None:
            return CPU_BATCH_PIXELS
        need = max(bytes_per_pixel(model, self.precision) for model in self.models)
        most = MPS_BATCH_PIXELS if self.device.type == "mps" else MAX_BATCH_PIXELS
        return max(1 << 12, min(most, int(memory * MEMORY_SHARE / need)))

    def upscale(self, model: int, batch: Sequence[Plane], told: Told = UNTOLD) -> list[Upscaled]:
        """Run one net on planes (h, w, C) of equal shape, which go on behind their borders as it is ``told``.

        A batch that does not fit is halved, and its half size kept; a single plane that does not fit has the problem
        "memory". A plane whose result is not finite is done again in fp32, also where that was the first precision, for
        memory may have failed; if that does not help, its problem says so.

        Raises:
            LostDevice: the device does not work any more.
        """
        try:
            with watch_device(self.device):
                return self._run(model, batch, told)
        except LostDevice:
            raise
        except Exception as error:
            if not is_short_of_memory(error):
                if not self.models[model].needs.guarded:
                    raise
                return self._refused(model, batch, told)
        with watch_device(self.device):  # not above, where the error's traceback still holds what the net had made
            self.way.save_memory()
            forget_unused(self.device)
        texels, half = batch[0].shape[0] * batch[0].shape[1], len(batch) // 2
        if self.at_once == 1 and len(batch) <= self._count(model, texels):  # fewer would be filled up again
            return [Upscaled(None, self.precision_of(model), "memory")] * len(batch)
        self.batch_pixels = min(self.batch_pixels, max(1, half) * texels)
        if half == 0:
            return [Upscaled(None, self.precision_of(model), "memory")]
        return self.upscale(model, batch[:half], told) + self.upscale(model, batch[half:], told)

    def _refused(self, model: int, batch: Sequence[Plane], told: Told) -> list[Upscaled]:
        """Find out which planes of a batch a net of others does not take."""
        if len(batch) == 1:
            return [Upscaled(None, self.precision_of(model), "refused")]
        return [result for plane in batch for result in self.upscale(model, [plane], told)]

    def state(self) -> str:
        """Return where and in what type nets run, and how much of the device they fill."""
        with watch_device(self.device):
            free, total = memory_of(self.device)
        name = title(str(self.device))
        if free is None or total is None:
            return f"{name} {self.precision}"
        return f"{name} {self.precision}, {(total - free) / 1e9:.1f} of {total / 1e9:.0f} GB"

    def notes(self) -> list[str]:
        """Return what the user may want to know of how nets ran, a line each."""
        found = self.way.note()
        return [] if found is None else [f"device {title(str(self.device))}: {found}"]

    def batch_bytes(self) -> int:
        """Return about how much memory the largest batch takes."""
        return self.batch_pixels * max(bytes_per_pixel(model, self.precision) for model in self.models)

    def _count(self, model: int, texels: int) -> int:
        """Return how many planes of so many texels go through a net together, whatever was asked for, or learnt."""
        if self.models[model].needs.one_at_a_time:
            return 1
        is_filled = self.at_once == 1 and self.nets[model].is_quick
        return max(1, CPU_BATCH_PIXELS // texels) if is_filled else self.at_once

    @torch.inference_mode()
    def _run(self, model: int, batch: Sequence[Plane], told: Told) -> list[Upscaled]:
        count = self._count(model, batch[0].shape[0] * batch[0].shape[1])
        parts = [[*batch[k : k + count]] for k in range(0, len(batch), count)]
        if self.at_once == 1:  # never fewer, so that all are rounded alike
            parts[-1] += parts[-1][-1:] * (count - len(parts[-1]))
        return [result for part in parts for result in self._through_net(model, part, told)][: len(batch)]

    def _through_net(self, model: int, planes: Sequence[Plane], told: Told) -> list[Upscaled]:
        precision = self.precision_of(model)
        key = None if self.models[model].needs.guarded else (model, told)  # nets of others may do what no graph repeats
        done, finite = self.way.enlarge(self._forwards(self.nets[model], told), planes, key)
        if all(finite):
            return [Upscaled(plane, precision) for plane in done]
        if model not in self.wide_nets:  # also in fp32 a copy of its own, for a bit may have flipped in the other
            self.wide_nets[model] = self._placed(self.models[model], torch.float32)
        return [
            Upscaled(plane, precision) if good else self._redo(model, planes[k], told)
            for k, (plane, good) in enumerate(zip(done, finite, strict=True))
        ]

    def _redo(self, model: int, plane: Plane, told: Told) -> Upscaled:
        """Run one plane again in fp32."""
        (result,), (finite,) = self.way.enlarge(self._forwards(self.wide_nets[model], told), [plane])
        return Upscaled(result, "fp32", redone=True) if finite else Upscaled(None, "fp32", "not finite")

    def _forwards(self, net: Fitted, told: Told) -> Callable[[Tensor], Tensor]:
        return partial(self._forward, net, told=told)

    @staticmethod
    def _forward(net: Fitted, planes: Tensor, told: Told) -> Tensor:
        """Return (N, C, h * scale, w * scale)."""
        result: Tensor = net(planes.to(net.takes).contiguous(memory_format=_layout(planes.device)), told)
        return result


def _layout(device: torch.device) -> torch.memory_format:
    """Return how planes lie in memory; Metal gains nothing from channels last, and has convolved wrongly with it."""
    return torch.contiguous_format if device.type == "mps" else torch.channels_last
