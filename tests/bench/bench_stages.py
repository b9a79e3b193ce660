"""Where the time of a run goes, by stage, thread and lane; what nets see; and the loop that every peer runs beside it.

Run: ``python tests/bench/bench_stages.py PACK... [--models default texup-x4-fast] [--count 120] [--rounds 0]``. Of each
pack a sample of its small textures is upscaled with each net. ``default`` is what texup takes when no model is named;
the peer's loop then runs ``texup-x4-psnr``.

The table has seconds of wall clock and, in brackets, of CPU. Stages that wait for a decoder or for the disk take wall
clock only; where other programs use the cores, only CPU seconds, texels and counts can be compared. With ``--rounds``
the peer's loop of ``bench_pack.py`` runs beside texup, and the ratio of each round and their median are printed.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from bench_pack import OPTIONS, peer, seconds
from PIL import Image
from stages_watch import CLOCKS, WAITING, Watch, watched

from texup.calls.setup import build_run
from texup.upscaling.pack import upscale_pack

FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8")
STAGES = (*CLOCKS, "engine", WAITING)
MODELS = ("default", "texup-x4-psnr", "texup-x4-fast")
DEFAULT = "default"
PEERS_DEFAULT = "texup-x4-psnr"  # of the nets that the default takes, the one that most textures of a pack see


def sample(pack: Path, folder: Path, count: int, most: int) -> int:
    """Copy about ``count`` textures of a pack, spread over all of it, that are at most so many texels a side."""
    paths = [p for p in sorted(pack.rglob("*.png")) if max(Image.open(p).size) <= most]
    step = max(1, len(paths) // count)
    taken = paths[::step][:count]
    folder.mkdir(parents=True)
    for k, path in enumerate(taken):
        shutil.copy(path, folder / f"{k:04}_{path.name}")
    return len(taken)


def upscale(source: Path, out: Path, model: str) -> None:
    """Upscale with texup."""
    models = () if model == DEFAULT else (model,)
    failed = [o for o in upscale_pack(build_run(source, out, replace(OPTIONS, models=models))) if o.reason]
    assert not failed, failed


def table(watch: Watch) -> list[str]:
    """Return the seconds of each stage by thread: wall clock, and CPU in brackets."""
    threads = ["calling", "files", *watch.lanes]
    lines = [f"{'':8}" + "".join(f"{name:>18}" for name in threads)]
    for stage in STAGES:
        cells = [watch.spent.get((thread, stage)) for thread in threads]
        if any(cells):
            texts = [f"{cell.wall:8.2f} ({cell.cpu:6.2f})" if cell else "" for cell in cells]
            lines.append(f"{stage:8}" + "".join(f"{text:>18}" for text in texts))
    waits = [f"{watch.engine - watch.busy(lane):8.2f}         " for lane in watch.lanes]
    lines.append(f"{WAITING:8}" + " " * 36 + "".join(f"{text:>18}" for text in waits))
    return lines


def figures(watch: Watch) -> list[str]:
    """Return what a table does not show."""
    nets, lanes = watch.cpu_of("net"), max(1, len(watch.lanes))
    waiting = 1 - sum(map(watch.busy, watch.lanes)) / (lanes * watch.engine)
    in_nets = sum(spent.wall for (_, stage), spent in watch.spent.items() if stage == "net") / (lanes * watch.engine)
    count, tiles = sum(watch.batches.values()), sum(k * n for k, n in watch.batches.items())
    histogram = ", ".join(f"{n} of {k}" for k, n in sorted(watch.batches.items()))
    beside = watch.beside_nets
    return [
        f"wall {watch.wall:.1f} s, CPU {watch.cpu:.1f} s: nets {nets:.1f}, start {watch.start:.1f}, beside them"
        f" {beside:.2f} = {1000 * beside / max(1, watch.files):.1f} for 1,000 textures",
        f"lanes: {in_nets:.0%} of the engine's time in nets, {waiting:.0%} waiting",
        f"texels in {watch.texels_in:,}, computed {watch.texels_computed:,}:"
        f" {watch.texels_computed / max(1, watch.texels_in):.2f} times;"
        f" {1e6 * nets / max(1, watch.texels_computed):.1f} CPU us a texel computed",
        f"batches {count}, tiles a batch {tiles / max(1, count):.1f}, shapes {len(watch.shapes)}: {histogram}",
    ]


def compare(source: Path, folder: Path, model: str, rounds: int) -> None:
    """Print how long the loop of peers takes beside texup."""
    ratios = []
    threads = torch.get_num_threads()
    for k in range(rounds):
        torch.set_num_threads(threads)
        net = PEERS_DEFAULT if model == DEFAULT else model
        theirs = seconds(peer, source, folder / f"peer{k}", net, "cpu")
        ours = seconds(upscale, source, folder / f"texup{k}", model)
        ratios.append(theirs / ours)
        print(f"round {k + 1}: peer's loop {theirs:6.1f} s, texup {ours:6.1f} s, ratio {ratios[-1]:.2f}", flush=True)
    if ratios:
        print(f"median ratio {statistics.median(ratios):.2f}")


def cpu_flags() -> str:
    """Return what decides how fast this machine's CPU runs nets."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "flags unknown"
    flags = set(text.partition("flags")[2].partition("\n")[0].split())
    return " ".join(flag for flag in FLAGS if flag in flags) or "none of " + " ".join(FLAGS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packs", type=Path, nargs="+")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--count", type=int, default=120, help="textures of each pack")
    parser.add_argument("--most", type=int, default=128, help="texels a side, at most")
    parser.add_argument("--rounds", type=int, default=0, help="pairs with the loop of peers")
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; CPU: {cpu_flags()}")
    for pack in options.packs:
        for model in options.models:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                count = sample(pack, folder / "pack", options.count, options.most)
                print(f"\n{pack.name}: {count} textures, {model}")
                with watched() as watch:
                    upscale(folder / "pack", folder / "out", model)
                print("\n".join((*table(watch), *figures(watch))), flush=True)
                compare(folder / "pack", folder, model, options.rounds)


if __name__ == "__main__":
    main()
