"""CPU time beside the nets, by one thread, for 1,000 textures of a pack; the start is left out.

Run: ``python tests/bench/bench_beside.py PACK... [--models default] [--count 120] [--rounds 5]``. The reference engine
does one texture after the other in one thread, whose CPU seconds count; those of decoders do not. Of all rounds the
least is printed: what else runs on the machine only adds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from bench_pack import OPTIONS
from bench_stages import DEFAULT, sample

import texup.engines.local
import texup.upscaling.pack
from texup.calls.setup import build_run
from texup.engines.devices.device import Device
from texup.engines.inline import InlineEngine


class OneThread(InlineEngine):
    """The reference engine where a run asks for the usual one."""

    def __init__(self, device: Device, workers: int) -> None:
        super().__init__(device)

    def run(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        with self.device.ready():
            yield from super().run(*arguments, **options)


def timed(spent: dict[str, float], name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that adds its CPU seconds to those of a name."""

    def wrapped(*arguments: Any, **options: Any) -> Any:
        began = time.thread_time()
        try:
            return work(*arguments, **options)
        finally:
            spent[name] += time.thread_time() - began

    return wrapped


def seconds(source: Path, out: Path, model: str, spent: dict[str, float]) -> float:
    """Upscale, and return the CPU seconds beside nets and start."""
    spent.update(dict.fromkeys(spent, 0.0))
    run = build_run(source, out, replace(OPTIONS, models=() if model == DEFAULT else (model,)))
    began = time.thread_time()
    failed = [outcome for outcome in texup.upscaling.pack.upscale_pack(run) if outcome.reason]
    assert not failed, failed
    return time.thread_time() - began - sum(spent.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packs", type=Path, nargs="+")
    parser.add_argument("--models", nargs="+", default=[DEFAULT])
    parser.add_argument("--count", type=int, default=120, help="textures of each pack")
    parser.add_argument("--most", type=int, default=128, help="texels a side, at most")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    spent = {"nets": 0.0, "start": 0.0}
    texup.engines.local.LocalEngine = OneThread  # type: ignore[assignment, misc]
    Device.upscale = timed(spent, "nets", Device.upscale)  # type: ignore[method-assign]
    texup.upscaling.pack.check_ready = timed(spent, "start", texup.upscaling.pack.check_ready)
    for pack in options.packs:
        for model in options.models:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                count = sample(pack, folder / "pack", options.count, options.most)
                rounds = [seconds(folder / "pack", folder / f"out{k}", model, spent) for k in range(options.rounds + 1)]
                each = 1000 * min(rounds[1:]) / count  # the first fills caches
                print(f"{pack.name}, {count} textures, {model}: {each:.2f} CPU seconds for 1,000", flush=True)


if __name__ == "__main__":
    main()
