"""How long ``texup --help`` and the first texture of a pack take, beside a bare interpreter and one that imports torch.

Run: ``python tests/bench/bench_startup.py``. The pack is the example, ``tests/data/n64_textures``; its run is ended as
soon as a result has its final name. CPU seconds are those of the run alone, without the processes that decode.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PACK = Path(__file__).parents[1] / "data" / "n64_textures"
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "texup --help": ["-m", "texup", "--help"],
    "import torch": ["-c", "import torch"],
}
ROUNDS = 7


def first_result() -> tuple[float, float]:
    """Return the seconds until the first texture of the example pack is there, of wall clock and of CPU."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        began = time.perf_counter()
        run = subprocess.Popen([sys.executable, "-m", "texup", "upscale", PACK, "-o", out, "-q"])
        while run.poll() is None and not any(path.name[0] != "." for path in out.rglob("*.png")):
            time.sleep(0.01)
        spent = time.perf_counter() - began
        run.kill()
        _, _, usage = os.wait4(run.pid, 0)
        return spent, usage.ru_utime + usage.ru_stime


def main() -> None:
    spent: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, arguments in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            spent[name].append(time.perf_counter() - began)
    for name, seconds in spent.items():
        print(f"{name:16} median {statistics.median(seconds):.3f} s, of {ROUNDS}")
    wall, cpu = (statistics.median(seconds) for seconds in zip(*(first_result() for _ in range(ROUNDS)), strict=True))
    print(f"{'first texture':16} median {wall:.3f} s, {cpu:.2f} of CPU, of {ROUNDS}")


if __name__ == "__main__":
    main()
