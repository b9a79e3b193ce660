"""How long ``texup --help`` takes, beside a bare interpreter and one that imports torch.

Run: ``python tests/bench/bench_startup.py``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "texup --help": ["-m", "texup", "--help"],
    "import torch": ["-c", "import torch"],
}
ROUNDS = 7


def main() -> None:
    spent: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, arguments in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            spent[name].append(time.perf_counter() - began)
    for name, seconds in spent.items():
        print(f"{name:16} median {statistics.median(seconds):.3f} s, of {ROUNDS}")


if __name__ == "__main__":
    main()
