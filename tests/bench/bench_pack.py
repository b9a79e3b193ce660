"""A pack of small textures: texup against the loop that every peer runs, same net, side by side in one run.

Run: ``python tests/bench/bench_pack.py PACK [--count 500] [--rounds 3] [--device auto] [--model NAME]``. Both read the
same files and write PNG. The peer's loop decodes, upscales and encodes one texture after the other; alpha goes through
the net as a second picture, as Real-ESRGAN does it; nothing is padded, batched or overlapped. The ratio of each round
and their median count.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from texup.calls.options import Options
from texup.calls.setup import build_run
from texup.engines.devices.device import pick_device
from texup.engines.devices.precision import PRECISIONS, pick_precision
from texup.models.chain import choose_chain
from texup.upscaling.pack import upscale_pack

OPTIONS = Options(scale=4, convention="plain")


def peer(source: Path, out: Path, model: str, device_name: str) -> None:
    """Upscale one texture after the other by torch."""
    device = pick_device(device_name)
    dtype = PRECISIONS[
        "fp32" if device.type == "cpu" else pick_precision("auto", device)
    ]  # such loops round on cards only
    net = choose_chain([model], None)[0].load().net.to(device, dtype, memory_format=torch.contiguous_format)

    def run(rgb: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(np.ascontiguousarray(rgb)).to(device).permute(2, 0, 1)[None].to(dtype) / 255
        with torch.inference_mode():
            y = net(x)[0].clamp(0, 1).float().cpu().permute(1, 2, 0).numpy()
        return np.rint(y * 255).astype(np.uint8)

    one_by_one(source, out, run)


def one_by_one(source: Path, out: Path, run: Callable[[np.ndarray], np.ndarray]) -> None:
    """Decode, upscale and encode one texture after the other.

    Args:
        source: a folder of PNGs.
        out: where their results go.
        run: takes and gives (h, w, 3) of 8 bits.
    """
    for path in sorted(source.rglob("*.png")):
        image = Image.open(path)
        has_alpha = "A" in image.mode or "transparency" in image.info
        pixels = np.asarray(image.convert("RGBA" if has_alpha else "RGB"))
        result = run(pixels[..., :3])
        if has_alpha:
            alpha = run(np.repeat(pixels[..., 3:], 3, axis=2)).mean(axis=2, keepdims=True)
            result = np.concatenate((result, np.rint(alpha).astype(np.uint8)), axis=2)
        target = out / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(result).save(target)


def texup(source: Path, out: Path, model: str, device_name: str) -> None:
    """Upscale with texup."""
    failed = [
        o
        for o in upscale_pack(build_run(source, out, replace(OPTIONS, models=(model,), device=device_name)))
        if o.reason
    ]
    assert not failed, failed


def seconds(work: object, *args: object) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    work(*args)  # type: ignore[operator]
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--peer-threads", type=int, default=torch.get_num_threads(), help="torch threads of the peer")
    parser.add_argument("--model", default="texup-x4-psnr")
    options = parser.parse_args()
    paths = [p for p in sorted(options.pack.rglob("*.png")) if max(Image.open(p).size) <= 128]
    step = max(1, len(paths) // options.count)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "pack")
        source.mkdir()
        for k, path in enumerate(paths[::step][: options.count]):
            shutil.copy(path, source / f"{k:04}_{path.name}")
        print(f"{len(list(source.iterdir()))} textures of {options.pack}, {options.model}, device {options.device}")
        ratios = []
        for k in range(options.rounds):
            torch.set_num_threads(options.peer_threads)
            theirs = seconds(peer, source, Path(folder, f"peer{k}"), options.model, options.device)
            ours = seconds(texup, source, Path(folder, f"texup{k}"), options.model, options.device)
            ratios.append(theirs / ours)
            print(f"round {k + 1}: peer's loop {theirs:6.1f} s, texup {ours:6.1f} s, ratio {ratios[-1]:.2f}")
        print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
