"""How fast a net runs on a device, and in how much memory."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from texup.engines.devices.cards import AnyDevice, Cards
from texup.engines.engine import Request

LARGEST_SIDE = 256  # texels of a plane: a usual texture, so that nets that see it whole can be compared
STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured of one net."""

    texels_per_second: float
    """Of its input, all lanes of the device or of several cards together."""
    memory: int | None
    """Bytes above those that the weights take; None where the system does not tell."""
    precision: str
    problem: str | None = None
    """Why the net gave no result."""


def measure(device: AnyDevice, seconds: float) -> Speed:
    """Run the first net of a device for about ``seconds``, after one batch that is not counted."""
    plane = np.random.default_rng(0).random((LARGEST_SIDE, LARGEST_SIDE, 3), np.float32)
    side = min(LARGEST_SIDE, device.tile_of([Request(plane, 0, 0)]))
    count = 1 if device.at_once == 1 else max(1, device.batch_pixels // side**2)
    batch = [np.ascontiguousarray(plane[:side, :side])] * count
    with device.ready(), ThreadPoolExecutor(device.lanes) as lanes:
        before = _start_of_memory(device)
        first = device.upscale(0, batch)[0]
        if first.problem is not None:
            return Speed(0.0, None, first.precision, first.problem)
        began, done = time.perf_counter(), 0
        while time.perf_counter() - began < seconds or not done:
            done += sum(len(found) for found in lanes.map(lambda _: device.upscale(0, batch), range(device.lanes)))
        elapsed = time.perf_counter() - began
    after = _peak_of_memory(device)
    memory = None if before is None or after is None else max(0, after - before)
    return Speed(done * side**2 / elapsed, memory, first.precision)


def _start_of_memory(device: AnyDevice) -> int | None:
    """Forget the peak so far; return the bytes that are in use."""
    if cards := _cuda_cards(device):
        for card in cards:
            torch.cuda.reset_peak_memory_stats(card)
        return sum(map(torch.cuda.memory_allocated, cards))
    try:
        Path("/proc/self/clear_refs").write_text("5", "ascii")  # proc(5): resets the peak of resident memory
        return _told("VmRSS")
    except (OSError, KeyError, ValueError):
        return None


def _peak_of_memory(device: AnyDevice) -> int | None:
    if cards := _cuda_cards(device):
        return sum(map(torch.cuda.max_memory_allocated, cards))
    try:
        return _told("VmHWM")
    except (OSError, KeyError, ValueError):
        return None


def _cuda_cards(device: AnyDevice) -> list[torch.device]:
    places = [card.device for card in device.devices] if isinstance(device, Cards) else [device.device]
    return [place for place in places if place.type == "cuda"]


def _told(key: str) -> int:
    fields = dict(line.split(":", 1) for line in STATUS.read_text("ascii").splitlines() if ":" in line)
    return int(fields[key].split()[0]) << 10
