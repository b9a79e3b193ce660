"""What Ray costs: the same textures on the same cores by the local engine and by Ray, in CPU seconds of all processes.

    PYTHONPATH=. taskset -c 0 python tests/bench/bench_ray.py [ROUNDS]

Two packs, one five times the other, tell what a run costs to start from what a texture costs. CPU seconds are those of
the command and of every process below it, Ray's own too, as /proc tells them until they end.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

FEW, MANY = 100, 500
TICK = os.sysconf("SC_CLK_TCK")
CHILDREN = 11  # place of the first of two times in /proc/PID/stat, behind the name in brackets


def pack(folder: Path, count: int) -> Path:
    """Draw textures of usual sizes, of which no two are equal."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    for k in range(count):
        side = (16, 32, 32, 64)[k % 4]
        rows = np.linspace(0, 200, side)[:, None, None] + chance.integers(0, 56, (side, side, 3))
        Image.fromarray(rows.astype(np.uint8)).save(folder / f"{k:03}.png")
    return folder


def cpu_of(command: list[str]) -> float:
    """Return the CPU seconds of a command and of all that it starts, short of its processes' last moments."""
    seconds = {}
    process = subprocess.Popen(command, env=os.environ | {"RAY_ADDRESS": "local"})
    known = {process.pid}
    while process.poll() is None:
        for pid, parent, used in _processes():
            if pid in known or parent in known:
                known.add(pid)
                seconds[pid] = used
        time.sleep(0.1)
    assert process.returncode == 0
    return sum(seconds.values())


def _processes() -> list[tuple[int, int, float]]:
    """Return number, parent and CPU seconds of every process; parents come before children that are younger."""
    found = []
    for path in sorted((p for p in Path("/proc").iterdir() if p.name.isdigit()), key=lambda p: int(p.name)):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found.append((int(path.name), int(fields[1]), sum(map(int, fields[CHILDREN : CHILDREN + 2])) / TICK))
    return found


def cost_of(engine: str, packs: dict[int, Path]) -> tuple[float, float]:
    """Return the CPU seconds that a run takes to start, and those of a texture."""
    options = ["--model", "texup-x4-fast", "--device", "cpu", "--gate", "off", "-q", "--engine", engine]
    found = {}
    for count, source in packs.items():
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-m", "texup", "upscale", str(source), "-o", f"{out}/out", *options]
            found[count] = cpu_of(command)
    each = (found[MANY] - found[FEW]) / (MANY - FEW)
    return found[FEW] - FEW * each, each


def main(rounds: int) -> None:
    """Print seconds for the start and milliseconds for a texture, by both engines."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        packs = {count: pack(folder / str(count), count) for count in (FEW, MANY)}
        ratios = []
        for _ in range(rounds):
            costs = {engine: cost_of(engine, packs) for engine in ("local", "ray")}
            for engine, (start, each) in costs.items():
                print(f"{engine:>6}: start {start:5.2f} CPU s, a texture {1e3 * each:6.2f} CPU ms", flush=True)
            ratios.append(costs["ray"][1] / costs["local"][1])
        print(f"a texture costs {statistics.median(ratios):.3f} times as much by Ray")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
