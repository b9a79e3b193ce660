"""PSNR-Y and SSIM-Y of the shipped models on Set5 and Set14, beside bicubic, by our metrics and by a second set.

Run: ``python tests/bench/bench_quality.py ../shared/data/bench [../shared/tools/srmetrics.py] [MODEL...]``. The
low-resolution files are used as they are; results are 8 bits; 4 pixels are dropped on each side.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch.nn import functional as F

from texup.metrics import psnr_y, ssim_y
from texup.models.chain import choose_chain
from texup.textures.codecs import read_texture


def second_implementation(path: str) -> ModuleType:
    """Load a module that has ``psnr``, ``ssim`` and ``rgb2y``."""
    spec = importlib.util.spec_from_file_location("second", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rgb(path: Path) -> np.ndarray:
    pixels = read_texture(path).pixels
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[..., :3]


def tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 255


def main() -> None:
    bench = Path(sys.argv[1])
    second = second_implementation(sys.argv[2] if len(sys.argv) > 2 else "../shared/tools/srmetrics.py")
    names = sys.argv[3:] or ["texup-x4-psnr", "texup-x4-gan"]
    nets = {name: choose_chain([name], None)[0].load().net for name in names}
    nets = {"bicubic": lambda x: F.interpolate(x, scale_factor=4, mode="bicubic", antialias=True), **nets}
    print("set    model              PSNR-Y   second   SSIM-Y   second")
    for data in ("Set5", "Set14"):
        for name, net in nets.items():
            rows = []
            for path in sorted((bench / data / "HR").glob("*.png")):
                hr = rgb(path)
                with torch.inference_mode():
                    sr = net(tensor(rgb(next((bench / data / "LR_x4").glob(path.stem.split("_SRF")[0] + "*.png")))))
                sr = np.rint(sr[0].clamp(0, 1).permute(1, 2, 0).numpy() * 255).astype(np.uint8)
                if read_texture(path).pixels.shape[2] == 1:
                    sr, hr = (np.rint(p.mean(axis=2)).astype(np.uint8) for p in (sr, hr))  # grey is its own luma
                ours = psnr_y(sr, hr, 4), ssim_y(sr, hr, 4)
                y = [second.rgb2y(p) for p in (sr, hr)]
                rows.append((ours[0], second.psnr(*y, 4), ours[1], second.ssim(*y, 4)))
            print(f"{data:6} {name:16} " + " ".join(f"{v:8.4f}" for v in np.mean(rows, axis=0)))


if __name__ == "__main__":
    main()
