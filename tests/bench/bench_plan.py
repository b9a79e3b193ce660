"""What a pack of 100,000 small files costs before the first texture: CPU seconds and memory, whole and as a shard.

Run: ``python tests/bench/bench_plan.py [COUNT]``. Each line is a process of its own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from texup.calls.options import Options
from texup.calls.setup import opened_run
from texup.manifest.gating import Gate
from texup.manifest.history import SCHEMA, history_of
from texup.manifest.journal import Manifest, RunHeader
from texup.manifest.record import Outcome, Written
from texup.textures.codecs.files import encode
from texup.textures.texture import Container, Texture
from texup.upscaling.resuming import work_left
from texup.upscaling.run import plan_of

COUNT = 100_000
NAMES = {"plain": "pictures {folder}/picture {k}.png", "dolphin": "GALE01/ui {folder}/tex1_64x32_{k:015x}a_14.png"}


def fill(folder: Path, name: str, count: int) -> None:
    """Make a pack of different textures of 16 x 16 texels."""
    import numpy as np

    dice = np.random.default_rng(0)
    for k in range(count):
        path = folder / name.format(folder=k % 30, k=k)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(Texture(dice.integers(0, 256, (16, 16, 3), np.uint8), Container("png"))))


def told(what: str, began: float) -> None:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:28} {time.process_time() - began:6.1f} s  {memory:5.0f} MB", flush=True)


def plan(folder: Path, shard: tuple[int, int] | None) -> None:
    began = time.process_time()
    with opened_run(folder, folder.parent / "out", Options(device="cpu", shard=shard)) as (run, _):
        found, _ = plan_of(run)
        told(f"plan as {found.convention.id}{', a shard of 8' if shard else ''}", began)
        began = time.process_time()
        left = work_left(run, found)
        told(f"sizes of {len(left)}", began)


def append(folder: Path, count: int) -> None:
    with Manifest(folder, RunHeader(SCHEMA, "0", [], {})) as manifest:
        began = time.process_time()
        for k in range(count):
            written = [Written(f"textures/{k:020x}.png", f"{k:064x}", 999)]
            manifest.retract(written[0].path)
            manifest.append(
                Outcome(
                    path=written[0].path,
                    outcome="upscaled",
                    source_sha256=f"{k:064x}",
                    targets=written,
                    settings="0123456789abcdef",
                    policy={"alpha": "none", "edges": ["wrap", "wrap"], "kind": "colour", "method": "net"},
                    gate=Gate(),
                )
            )
        told(f"append {count} records", began)
    began = time.process_time()
    history_of(folder)
    told("read them back", began)


def main() -> None:
    if len(sys.argv) > 2:
        _, what, folder, count = sys.argv
        if what == "append":
            append(Path(folder), int(count))
        else:
            plan(Path(folder), (1, 8) if what == "shard" else None)
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    with tempfile.TemporaryDirectory() as folder:
        for id_, name in NAMES.items():
            fill(Path(folder, id_), name, count)
            for what in ("whole", "shard"):
                subprocess.run([sys.executable, __file__, what, Path(folder, id_), f"{count}"], check=True)
        subprocess.run([sys.executable, __file__, "append", folder, f"{count}"], check=True)


if __name__ == "__main__":
    main()
