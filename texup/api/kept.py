"""Nets that stay loaded between calls: many pictures go through them one by one."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from texup.calls.options import Options
from texup.calls.setup import run_without_pack
from texup.engines.devices.cards import AnyDevice
from texup.engines.devices.memory import memory_budget
from texup.models.catalog import resolve, weights_folder
from texup.upscaling.resuming import stamp_of
from texup.upscaling.run import Run

KEPT = 4  # sets of options whose nets stay loaded


def run_for(options: Options) -> Run:
    """Return the run of some options, whose engine is made once; made again when a file of weights has changed.

    Raises:
        UsageError: options that contradict each other.
        WeightsError: a file of weights was refused.
    """
    files = [resolve(name).path for name in options.models]
    stamps = tuple((str(file), *stamp_of(file)) for file in files if file.is_file())
    return replace(_run_for(options, weights_folder(), stamps), memory=memory_budget())


def device_of(run: Run) -> AnyDevice:
    """Return the device of a run, whose nets are loaded when it is first asked for.

    Raises:
        WeightsError: a file of weights was refused.
        DeviceError: the device cannot be used.
    """
    device = run.load_engine().device
    assert isinstance(device, AnyDevice)
    return device


@lru_cache(KEPT)
def _run_for(options: Options, _weights: Path, _stamps: tuple[tuple[object, ...], ...]) -> Run:
    return run_without_pack(options)
