"""Memory against the size of the pack: the peak resident set for many files must be about that for few.

Run: ``python tests/bench/bench_memory.py [FEW MANY]`` (500 and 5,000 by default). The packs are distinct 16x16 textures
drawn here; each is upscaled by the installed command in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image


def draw_pack(folder: Path, count: int) -> None:
    """Write ``count`` distinct textures, 100 to a folder."""
    rng = np.random.default_rng(0)
    for k in range(count):
        path = folder / f"{k // 100:03}" / f"texture_{k:06}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(path)


def peak_megabytes(source: Path, out: Path) -> tuple[float, float]:
    """Return the peak resident set of one run in MB and its seconds."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "texup", "upscale", source, "-o", out, "-q", "--model", "texup-x4-psnr"]
    )
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return usage.ru_maxrss / 1024, time.perf_counter() - began


def main() -> None:
    few, many = (int(v) for v in sys.argv[1:3]) if len(sys.argv) > 2 else (500, 5000)
    with tempfile.TemporaryDirectory() as folder:
        peaks = []
        for count in (few, many):
            source = Path(folder, f"pack{count}")
            draw_pack(source, count)
            peak, spent = peak_megabytes(source, Path(folder, f"out{count}"))
            peaks.append(peak)
            print(f"{count} files: peak {peak:.0f} MB, {spent:.1f} s")
        again = time.perf_counter()
        peak, spent = peak_megabytes(Path(folder, f"pack{many}"), Path(folder, f"out{many}"))
        print(f"resumed with nothing to do: {time.perf_counter() - again:.1f} s, peak {peak:.0f} MB")
        print(f"ratio {peaks[1] / peaks[0]:.2f}")


if __name__ == "__main__":
    main()
