"""What this machine has to run nets on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from texup.engines.devices.accelerators import accelerators, memory_of, title
from texup.engines.devices.memory import memory_budget
from texup.engines.devices.precision import pick_precision

_FEATURES = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16")  # of CPUs, as torch names them: what convolutions use


@dataclass(frozen=True, slots=True)
class Place:
    """A device on which nets can run."""

    name: str
    """As ``--device`` takes it."""
    title: str
    """Of the card or the processor."""
    precision: str
    """That ``--precision auto`` takes there."""
    free: int
    """Bytes of its memory that a run may use."""
    cores: int | None = None
    """Of a CPU: how many this process may use."""
    features: tuple[str, ...] = ()
    """Of a CPU: instructions that make nets fast."""


def places() -> list[Place]:
    """Return the devices of this machine, the one that ``auto`` takes first."""
    return [*map(_card, accelerators()), _cpu()]


def _card(name: str) -> Place:
    device = torch.device(name)
    cards = {"cuda": torch.cuda, "xpu": torch.xpu}
    chip = str(cards[device.type].get_device_name(device)) if device.type in cards else "Apple"
    free, _ = memory_of(device)
    return Place(name, f"{chip}{title(name).removeprefix(name)}", pick_precision("auto", device), free or 0)


def _cpu() -> Place:
    known: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    usable = getattr(os, "sched_getaffinity", None)
    cores = len(usable(0)) if usable else os.cpu_count() or 1
    features = tuple(name for name in _FEATURES if known.get(name))
    precision = pick_precision("auto", torch.device("cpu"))
    return Place(
        "cpu", str(known.get("cpu_name", "CPU")), precision, free=memory_budget(), cores=cores, features=features
    )
