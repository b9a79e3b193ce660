"""How long a pack will take: told from a part of it that is really done, into a temporary folder.

Nets are only a part of the time: decoding, pixel art, grain, alpha and the coding of PNG or blocks take as long on a
fast device, and thousands of small textures cost more than their texels. All of it is in a sample.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from texup.conventions.convention import Convention, Planned
from texup.engines.engine import Job
from texup.textures.codecs.decoders import Decoders
from texup.upscaling.run import Run
from texup.upscaling.starting import Starting, job_of

EACH = 1024  # texels that the opening and closing of a file are worth
LARGE = 1 << 18  # texels: a larger texture is no part of the sample if there are others
START = 2.5  # seconds until Python, torch and the plan are there, besides the weights
MARGIN = 1.4  # times shorter or longer that the run may be: a sample is small, and machines are busy
GOLDEN = 0.6180339887  # steps of it reach every part of a pack early


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run is expected to cost."""

    seconds: float
    shortest: float
    longest: float
    memory_mb: int
    """Of one batch on the device."""
    device: str


def estimate_run(run: Run, convention: Convention, texels: Sequence[tuple[Planned, int]], budget: float) -> Estimate:
    """Return what a run will take, from about ``budget`` seconds of it.

    Args:
        run: what is read and written, and how.
        convention: whose files are written.
        texels: what is to be upscaled, with the texels of each.
        budget: seconds after which no further texture is begun; at least one is done.

    Raises:
        DeviceError: the device cannot be used.
    """
    began = time.perf_counter()
    device = run.load_engine().device
    loaded = time.perf_counter() - began
    seconds, done = _sample(run, convention, texels, budget)
    rate = seconds / done if done else 0.0
    whole = START + loaded + rate * sum(EACH + size for _, size in texels)
    return Estimate(
        seconds=round(whole, 1),
        shortest=round(whole / MARGIN, 1),
        longest=round(whole * MARGIN, 1),
        memory_mb=round(device.batch_bytes() / 1e6),
        device=str(device.device),
    )


def _sample(
    run: Run, convention: Convention, texels: Sequence[tuple[Planned, int]], budget: float
) -> tuple[float, float]:
    """Upscale textures from all over the pack; return the seconds that it took and the texels that were done."""
    small = [pair for pair in texels if pair[1] <= LARGE] or [min(texels, key=lambda pair: pair[1])]
    order = [small[k] for k in sorted(range(len(small)), key=lambda k: k * GOLDEN % 1)]
    sizes = {planned.path: size for planned, size in order}
    plans = [_at(planned, str(k)) for k, (planned, _) in enumerate(order)]
    decoders, source = Decoders(), run.source if run.source.is_dir() else run.source.parent
    began = time.perf_counter()

    with tempfile.TemporaryDirectory(prefix="texup-estimate-") as folder:

        def jobs() -> Iterator[Job]:
            for k, planned in enumerate(plans):
                if k and time.perf_counter() - began > budget:
                    return
                yield job_of(planned, source, Path(folder))

        outcomes = run.load_engine().run(jobs(), Starting(run, convention, decoders.decode), decoders.close)
        done = sum(EACH + sizes[outcome.path] for outcome in outcomes)
        return time.perf_counter() - began, done


def _at(planned: Planned, target: str) -> Planned:
    """Return a plan whose results lie elsewhere."""
    return replace(planned, target=target, level_target=f"{target}-{{}}" if planned.level_target else "")
