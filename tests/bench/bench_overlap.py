"""Overlap against error: how much context a tile needs before tiling cannot be seen.

Run: ``python tests/bench/bench_overlap.py [MODEL] [PICTURE...]``. Each picture is upscaled whole and in tiles; the
table shows the largest and the mean difference in 8-bit levels, and the share of samples that differ by over one level.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from texup.engines.batching import Order
from texup.engines.devices.device import Device, pick_device
from texup.engines.engine import GRID, Request
from texup.models.chain import choose_chain
from texup.textures.codecs.files import read_texture
from texup.textures.seams import pad

OVERLAPS = (0, 4, 6, 8, 12, 16)
TILE = 64


def upscale(device: Device, plane: np.ndarray, margin: int, tile: int) -> np.ndarray:
    """Return the upscaled plane in 8-bit levels, not rounded, made of tiles with ``margin`` texels of context."""
    framed = pad(plane, (margin,) * 4, ("clamp", "clamp"))
    order = Order(None, [Request(framed, 0, margin)], tile)
    for piece in order.pieces():
        piece.put(device.upscale(0, [piece.plane])[0].plane)
    return np.clip(order.planes[0], 0, 1) * 255


def main() -> None:
    names = sys.argv[1:2] or ["texup-x4-psnr"]
    pictures = [Path(p) for p in sys.argv[2:]] or sorted(Path("../shared/data/bench/Set14/LR_x4").glob("*.png"))[:6]
    device = Device([link.load() for link in choose_chain(names, None)], pick_device("auto"), tile=4096)
    print(f"{names[0]}, tiles of {TILE}, {len(pictures)} pictures\noverlap   largest      mean   share over 1 level")
    for overlap in OVERLAPS:
        differences = []
        for path in pictures:
            pixels = read_texture(path).pixels[..., :3]
            h, w = (side // GRID * GRID for side in pixels.shape[:2])
            plane = pixels[:h, :w].astype(np.float32) / 255
            whole = upscale(device, plane, 48, 4096)
            differences.append(np.abs(upscale(device, plane, overlap, TILE) - whole).ravel())
        d = np.concatenate(differences)
        print(f"{overlap:7d} {d.max():9.3f} {d.mean():9.5f}   {np.mean(d > 1):.2e}")


if __name__ == "__main__":
    main()
