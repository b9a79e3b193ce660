"""What grain costs beside the net: both on textures of several sizes, in seconds and as a share.

Run: ``python tests/bench/bench_grain.py [MODEL] [SCALE]``. Textures are noise, in which every kind of streak occurs;
the first call on a size, which makes the spectra, is shown apart. Each figure is the least of five.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from texup.engines.batching import Order
from texup.engines.devices.device import Device, pick_device
from texup.engines.engine import Request
from texup.models.chain import choose_chain
from texup.textures.grain.adding import add_grain
from texup.textures.seams import pad

SIZES = ((32, 32), (64, 64), (128, 128), (256, 256), (512, 256))
WRAP = ("wrap", "wrap")


def least(job: Callable[[], object], times: int = 5) -> float:
    """Return the least seconds that a job took."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        job()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def laid(result: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return a result with grain; the copy costs little."""
    return add_grain(result.copy(), source, 1.0, WRAP, 1)


def main() -> None:
    link = choose_chain(sys.argv[1:2] or ["texup-x4-psnr"], None)[0]
    device = Device([link.load()], pick_device("cpu"), tile=4096)
    margin = link.context + link.context % 2

    def through_net(plane: np.ndarray) -> np.ndarray:
        order = Order(None, [Request(pad(plane, (margin,) * 4, WRAP), 0, margin)], 4096)
        for piece in order.pieces():
            piece.put(device.upscale(0, [piece.plane])[0].plane)
        return np.clip(order.planes[0], 0, 1)

    print("   size       net     first     grain   share")
    for size in SIZES:
        source = np.random.default_rng(1).uniform(0.4, 0.6, (*size, 3)).astype(np.float32)
        result = through_net(source)
        net = least(partial(through_net, source), 2)
        lay = partial(laid, result, source)
        first, grain = least(lay, 1), least(lay)
        print(f"{size[0]:4d}x{size[1]:<4d}{net:9.3f} {first:9.3f} {grain:9.3f} {grain / net:7.1%}")


if __name__ == "__main__":
    main()
