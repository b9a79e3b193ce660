"""What a look of ``texup watch`` costs when a pack of 5,000 textures is finished, and when one more has come.

Run: ``python tests/bench/bench_watch.py [COUNT]``. The pictures have one colour each, so that no net runs; the
processor's time is shown beside the clock's, which another program on the same core moves.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from texup.calls.options import Options
from texup.calls.setup import build_run
from texup.textures.codecs.files import encode
from texup.textures.texture import Container, Texture
from texup.upscaling import watching

COUNT, LOOKS, FRESH = 5_000, 20, 5
Spent = list[tuple[float, float]]


def put(dump: Path, k: int) -> None:
    path = dump / f"GALE{k % 20:02}" / f"tex1_8x8_{k:016x}_14.png"
    path.parent.mkdir(exist_ok=True)
    pixels = np.full((8, 8, 3), (k % 256, k // 256 % 256, 9), np.uint8)
    path.write_bytes(encode(Texture(pixels, Container("png"))))


def measured(dump: Path, out: Path, count: int) -> tuple[Spent, Spent]:
    """Return (seconds of the clock, of the processor) of looks that find nothing, and of those that do a new file."""
    marks, steps = Spent(), iter(range(LOOKS + 1 + 3 * FRESH))

    def sleep(_: float) -> None:
        """Take the time at the end of a look; then put a file, which rests at the second look from here on."""
        step = next(steps)
        if step >= LOOKS and (step - LOOKS) % 3 == 0:
            put(dump, count + step)
        marks.append((time.perf_counter(), time.process_time()))

    watching.time = SimpleNamespace(monotonic=time.monotonic, sleep=sleep)  # type: ignore[attr-defined]
    watch = watching.Watch(build_run(dump, out, Options(device="cpu")), 1.0)
    settled = 0
    try:
        for item in watch.outcomes():
            settled += isinstance(item, watching.Outcome) and item.outcome == "unchanged"
    except (StopIteration, RuntimeError):
        pass  # no step is left
    assert settled == count, settled
    spent = [
        (end[0] - begin[0], end[1] - begin[1]) for begin, end in pairwise(marks[2:])
    ]  # the first looks do what is there
    idle = spent[: LOOKS - 3]
    return idle, [spent[k] for k in range(LOOKS - 1, len(spent), 3)]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    with tempfile.TemporaryDirectory(prefix="bench-watch-") as folder:
        dump, out = Path(folder, "dump"), Path(folder, "out")
        dump.mkdir()
        for k in range(count):
            put(dump, k)
        began = time.perf_counter()
        watch = watching.Watch(build_run(dump, out, Options(device="cpu")), 0.2)
        done = sum(isinstance(item, watching.Outcome) for item in watch.outcomes(0.0))
        print(f"{done} files done in {time.perf_counter() - began:.0f} s")
        for name, spent in zip(("nothing new", "one new file"), measured(dump, out, count), strict=True):
            clock, processor = (statistics.median(column) for column in zip(*spent, strict=True))
            worst = max(seconds for seconds, _ in spent)
            print(
                f"{name:13} median {clock:.3f} s, {processor:.3f} of the processor, longest {worst:.3f}, {len(spent)}"
            )


if __name__ == "__main__":
    main()
