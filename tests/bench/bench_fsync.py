"""What safety costs: files written as texup does, and with less and less of it, side by side in one run.

Run: ``python tests/bench/bench_fsync.py [--folder FOLDER] [--count 1000] [--rounds 3] [--pack PACK]``. FOLDER says
which disk is measured. Prints the seconds per 1,000 files of each way, and their ratio to the safe way: disks are
shared, so only what was measured side by side compares. With a pack, it is also upscaled, and the time that its threads
wait for the disk is told as a share of the run: at most that much would be saved.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from texup.calls.options import Options
from texup.calls.setup import build_run
from texup.files import atomic_write
from texup.upscaling.pack import upscale_pack

OPTIONS = Options(scale=4, convention="plain")


def direct(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def renamed(path: Path, data: bytes) -> None:
    temp = path.with_name(f"{path.name}.tmp")
    temp.write_bytes(data)
    temp.replace(path)


def synced(path: Path, data: bytes) -> None:
    temp = path.with_name(f"{path.name}.tmp")
    with temp.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temp.replace(path)


WRITERS: dict[str, Callable[[Path, bytes], None]] = {
    "in place": direct,
    "renamed": renamed,
    "synced and renamed": synced,
    "atomic_write": atomic_write,
}


@contextmanager
def timed_syncs() -> Iterator[list[float]]:
    """Collect the seconds that each sync takes, of whichever thread."""
    fsync, seconds = os.fsync, []

    def timed(fd: int) -> None:
        began = time.perf_counter()
        fsync(fd)
        seconds.append(time.perf_counter() - began)

    os.fsync = timed  # type: ignore[assignment]
    try:
        yield seconds
    finally:
        os.fsync = fsync


def write_files(folder: Path, write: Callable[[Path, bytes], None], count: int, size: int) -> float:
    """Return the seconds that writing takes per 1,000 files."""
    data = os.urandom(size)
    folder.mkdir()
    began = time.perf_counter()
    for k in range(count):
        write(folder / f"{k}.png", data)
    seconds = time.perf_counter() - began
    shutil.rmtree(folder)
    return seconds * 1000 / count


def upscale(pack: Path, out: Path, model: str) -> tuple[float, int]:
    """Return the seconds that upscaling takes, and how many files it wrote."""
    run = build_run(pack, out, replace(OPTIONS, models=(model,), device="auto"))
    run.load_engine()
    began = time.perf_counter()
    written = sum(len(outcome.targets) for outcome in upscale_pack(run))
    seconds = time.perf_counter() - began
    shutil.rmtree(out)
    return seconds, written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--size", type=int, default=32 << 10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pack", type=Path)
    parser.add_argument("--model", default="texup-x4-fast")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        taken: dict[str, list[float]] = {writer: [] for writer in WRITERS}
        for _ in range(options.rounds):
            for writer, write in WRITERS.items():
                taken[writer].append(write_files(folder / "files", write, options.count, options.size))
        for writer, seconds in taken.items():
            ratio = statistics.median(a / b for a, b in zip(seconds, taken["atomic_write"], strict=True))
            rounds = " ".join(f"{each:6.2f}" for each in seconds)
            print(
                f"{writer:20} {statistics.median(seconds):6.2f} s per 1,000 files, ratio {ratio:.3f} (rounds: {rounds})"
            )
        for k in range(options.rounds if options.pack else 0):
            with timed_syncs() as syncs:
                whole, written = upscale(options.pack, folder / f"out{k}", options.model)
            print(
                f"{written} files in {whole:.1f} s, {len(syncs)} syncs in {sum(syncs):.2f} s: {sum(syncs) / whole:.1%}"
            )


if __name__ == "__main__":
    main()
