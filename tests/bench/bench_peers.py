"""The default and its net beside what others run: pairs that take turns, in seconds of wall clock and of CPU.

Run: ``python tests/bench/bench_peers.py PACK [--rounds 3] [--count 120] [--only loop-030 pack-030 fp32 ncnn]``, from a
checkout with its history: the code and the nets of 0.3.0 come out of git. Ratios are theirs to texup's; of each row the
medians of the pairs count. On a machine that does other work, only CPU seconds can be compared.

- ``loop-030``: the loop of ``bench_pack.py`` with the fidelity net of 0.3.0, against the default.
- ``pack-030``: the example pack, two whole commands: the default of 0.3.0 against this one.
- ``fp32``: that loop, which is in fp32, against texup with ``--precision fp32``: same net, then the default.
- ``ncnn``: that loop with the same net in ncnn, as it comes (fp32 on x86) and with storage in bfloat16, against texup
  with that net in the same precision. Left out without ``pip install --no-deps ncnn pnnx`` (20261020).

Loops get ``--threads``, texup what it takes. Where others use the cores, two threads that wait for each other burn CPU
seconds, so ``--threads 1`` is the fair one there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from bench_pack import OPTIONS, one_by_one, peer
from bench_stages import PEERS_DEFAULT, cpu_flags, sample
from gates_default import PACK, Default

from texup.calls.options import Options
from texup.calls.setup import build_run
from texup.models.chain import choose_chain
from texup.upscaling.pack import upscale_pack

Work = Callable[[Path], object]
"""Makes the results of one side in a folder that is not there yet."""
ROOT = Path(__file__).parents[2]
BEFORE = "057d6d7"  # 0.3.0
STORAGES = {"fp32": False, "bf16": True}  # of ncnn; its fp16 is for ARM
SAME = 0.01 / 255  # of what torch gives, in fp32


def checkout(folder: Path) -> Path:
    """Lay the code and the weights of 0.3.0 into a folder, and return it."""
    packed = subprocess.run(["git", "archive", BEFORE, "texup", "weights"], cwd=ROOT, check=True, capture_output=True)
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def upscale(source: Path, options: Options, out: Path) -> None:
    """Upscale with texup in this process."""
    failed = [outcome for outcome in upscale_pack(build_run(source, out, options)) if outcome.reason]
    assert not failed, failed


def loop(source: Path, model: str, threads: int, out: Path) -> None:
    """Upscale as peers do, by torch."""
    torch.set_num_threads(threads)  # texup takes one for each lane
    peer(source, out, model, "cpu")


def seconds(work: Work, out: Path) -> np.ndarray:
    """Return what a call takes of the wall clock and of CPUs, its processes included."""
    began, before = time.perf_counter(), os.times()
    work(out)
    wall, after = time.perf_counter() - began, os.times()
    return np.array([wall, sum(after[:4]) - sum(before[:4])])


def compare(title: str, theirs: Work, ours: Work, rounds: int) -> None:
    """Print what both sides take, the first to begin changing from pair to pair."""
    pairs = []
    for k in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            sides = {"theirs": theirs, "texup": ours}
            order = list(sides) if k % 2 == 0 else list(sides)[::-1]
            taken = {side: seconds(sides[side], Path(name, side)) for side in order}
        pairs.append((taken["theirs"], taken["texup"]))
        print(f"{title}, pair {k + 1}: {shown(*pairs[-1])}", flush=True)
    ratios = np.array([old / new for old, new in pairs])
    wall, cpu = (statistics.median(column) for column in ratios.T)
    print(f"{title}: median ratio {wall:.2f} of wall clock, {cpu:.2f} of CPU\n", flush=True)


def shown(theirs: np.ndarray, ours: np.ndarray) -> str:
    """Return both sides of a pair as text."""
    kinds = zip(("wall", "CPU"), theirs, ours, strict=True)
    return "; ".join(f"{kind} {old:.1f} s, texup {new:.1f} s, ratio {old / new:.2f}" for kind, old, new in kinds)


def loop_030(source: Path, tree: Path, rounds: int, threads: int) -> None:
    theirs = partial(loop, source, str(checkout(tree) / "weights" / "texup-x4-psnr.safetensors"), threads)
    compare("loop with the net of 0.3.0, default", theirs, partial(upscale, source, OPTIONS), rounds)


def pack_030(_: Path, tree: Path, rounds: int, __: int) -> None:
    before, now = (partial(Default(code).upscale, PACK) for code in (checkout(tree), ROOT))
    compare("example pack, default of 0.3.0", before, now, rounds)


def fp32(source: Path, _: Path, rounds: int, threads: int) -> None:
    theirs = partial(loop, source, PEERS_DEFAULT, threads)
    for title, models in ((PEERS_DEFAULT, (PEERS_DEFAULT,)), ("default", ())):
        ours = partial(upscale, source, replace(OPTIONS, precision="fp32", models=models))
        compare(f"loop with {PEERS_DEFAULT}, {title} in fp32", theirs, ours, rounds)


def ncnn(source: Path, folder: Path, rounds: int, threads: int) -> None:
    missing = [name for name in ("ncnn", "pnnx") if find_spec(name) is None]
    if missing:
        print(f"ncnn: left out, {' and '.join(missing)} not installed")
        return
    files = convert(PEERS_DEFAULT, folder)
    for title, narrow in STORAGES.items():
        ours = partial(upscale, source, replace(OPTIONS, precision=title, models=(PEERS_DEFAULT,)))
        theirs = partial(ncnn_loop, source, files, narrow, threads)
        compare(f"loop with {PEERS_DEFAULT} in ncnn, both in {title}", theirs, ours, rounds)


def convert(model: str, folder: Path) -> tuple[Path, Path]:
    """Return a net's files for ncnn, which were seen to give what torch gives."""
    import pnnx

    net = choose_chain([model], None)[0].load().net.float().eval()
    folder.mkdir()
    program, param, weights = (folder / f"net.{end}" for end in ("pt", "param", "bin"))
    torch.jit.trace(net, torch.rand(1, 3, 32, 40)).save(str(program))
    sizes = {"inputs": torch.rand(1, 3, 32, 40), "inputs2": torch.rand(1, 3, 24, 20)}
    pnnx.convert(str(program), **sizes, ncnnparam=str(param), ncnnbin=str(weights), fp16=False)
    planes = np.random.default_rng(1).random((3, 29, 37), np.float32)
    with torch.inference_mode():
        wanted = net(torch.from_numpy(planes)[None])[0].numpy()
    for title, narrow in STORAGES.items():
        error = np.abs(ncnn_net((param, weights), narrow, 1)(planes) - wanted).max()
        print(f"ncnn in {title} differs from torch by {error * 255:.2g} of 255 at most")
        assert narrow or error < SAME, error
    return param, weights


def ncnn_net(files: tuple[Path, Path], narrow: bool, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return what maps planes (3, h, w), float32, as a net in ncnn does."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads, net.opt.use_vulkan_compute, net.opt.use_bf16_storage = threads, False, narrow
    for load, file in ((net.load_param, files[0]), (net.load_model, files[1])):
        assert load(str(file)) == 0, file

    def run(planes: np.ndarray) -> np.ndarray:
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(planes).clone())  # a Mat does not keep its array alive
        failed, result = extractor.extract("out0")
        assert not failed, failed
        return np.array(result)

    return run


def ncnn_loop(source: Path, files: tuple[Path, Path], narrow: bool, threads: int, out: Path) -> None:
    """Upscale one texture after the other by ncnn."""
    net = ncnn_net(files, narrow, threads)

    def run(rgb: np.ndarray) -> np.ndarray:
        planes = net(np.ascontiguousarray(rgb.transpose(2, 0, 1), np.float32) / 255)
        return np.rint(planes.clip(0, 1).transpose(1, 2, 0) * 255).astype(np.uint8)

    one_by_one(source, out, run)


ROWS = {"loop-030": loop_030, "pack-030": pack_030, "fp32": fp32, "ncnn": ncnn}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=120, help="textures of the pack")
    parser.add_argument("--most", type=int, default=128, help="texels a side, at most")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the loops")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=ROWS)
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {options.threads} threads for loops; CPU: {cpu_flags()}")
    with tempfile.TemporaryDirectory() as name:
        source = Path(name, "pack")
        print(f"{options.pack.name}: {sample(options.pack, source, options.count, options.most)} textures\n")
        for row in options.only:
            ROWS[row](source, Path(name, row), options.rounds, options.threads)


if __name__ == "__main__":
    main()
