"""How fast a device could go, how much of it training uses, and what it loses on the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from texup.engines.devices.precision import multiplies_bfloat16
from texup.training.run.distributed import World
from texup.training.run.trainer import Trainer

Result = TypeVar("Result")

SIDE = {"cuda": 8192, "cpu": 1024}
ROUNDS = 5
REPORT_SECONDS = 1.0


def measured_peak(device: torch.device) -> float:
    """Return the most floating-point operations a second that a square matrix product reaches on ``device``.

    In bfloat16 where training uses it, in float32 elsewhere.
    """
    side = SIDE.get(device.type, SIDE["cpu"])
    matrix = torch.ones(
        side, side, device=device, dtype=torch.bfloat16 if multiplies_bfloat16(device) else torch.float32
    )
    best = float("inf")
    for _ in range(ROUNDS):
        _wait(device)
        start = time.perf_counter()
        matrix @ matrix
        _wait(device)
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def flops_of(action: Callable[[], Result]) -> tuple[Result, float]:
    """Run ``action`` and return its result and the floating-point operations of its products and convolutions."""
    with FlopCounterMode(display=False) as counter:
        result = action()
    return result, float(counter.get_total_flops())


@dataclass(frozen=True, slots=True)
class Reading:
    """What a meter shows."""

    losses: dict[str, float]
    """Weighted means since the last check, over all processes."""
    lr_pixels: float
    """Low-resolution pixels a second, over all processes."""
    peak_share: float
    """Floating-point operations a second, as a share of the measured matrix peak of all devices."""


class Meter:
    """Counts what the iterations since the last check cost and lost."""

    def __init__(self, trainer: Trainer, world: World) -> None:
        """Measure the device's peak; the cost of a step is counted in the first one of each kind."""
        self.trainer, self.world = trainer, world
        self.peak = measured_peak(trainer.device)
        self.cost: dict[tuple[int, int, bool], float] = {}
        self.reset()

    def reset(self) -> None:
        """Begin anew after a check."""
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.pixels, self.flops = 0, 0.0
        self.began = self.reported = time.perf_counter()

    def step(self, share: float) -> None:
        """Run one iteration and count it."""
        batch, side = self.trainer.recipe.patches_at(share)
        kind = batch, side, self.trainer.is_waiting(share)
        if kind in self.cost:
            losses = self.trainer.step(share)
        else:
            losses, self.cost[kind] = flops_of(lambda: self.trainer.step(share))
        for name, loss in losses.items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(loss)) + loss
            self.counts[name] = self.counts.get(name, 0) + 1
        self.pixels += batch * side**2
        self.flops += self.cost[kind]

    def is_due(self) -> bool:
        """Tell whether the last reading is old; several processes read at checks only, where all of them do."""
        return self.world.size == 1 and time.perf_counter() - self.reported >= REPORT_SECONDS

    def read(self) -> Reading:
        """Return what was counted since the last check, after the device has done it."""
        means = {name: float(total) / self.counts[name] for name, total in self.sums.items()}
        self.reported = time.perf_counter()
        elapsed = max(self.reported - self.began, 1e-9)
        # Each process counts its own operations; all are alike, and so are their shares.
        return Reading(self.world.mean(means), self.pixels / elapsed, self.flops / elapsed / self.peak)
