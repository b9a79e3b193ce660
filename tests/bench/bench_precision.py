"""Errors and speed of the shipped nets in bfloat16 on this CPU: what ``bfloat16`` in the catalog rests on.

Run: ``python tests/bench/bench_precision.py [MODEL|SHARE...] [--packs FOLDER] [--count N]``. Without names, each model
of the catalog and blends of its pair. N textures of each pack (default 60) go through each net in float32, with the
whole net in bfloat16, with all but its first and last convolution so, and as texup does it (``texup/nets/centred.py``),
one after the other on one thread. The table shows the mean difference from float32, what 99 and 99.9 % of values stay
below and the largest, in levels of 255 before rounding (colour as it is weighed by alpha), the worst pack's 99.9 %,
CPU microseconds a texel, and how many times as fast that is as float32.
"""

from __future__ import annotations

import argparse
import copy
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from texup.engines.devices.inventory import places
from texup.engines.devices.precision import centre
from texup.errors import TextureError
from texup.models.catalog import load_catalog
from texup.models.chain import choose_chain
from texup.models.model import UpscaleModel
from texup.textures.codecs.files import read_texture

PACKS = Path("../shared/data/packs")
SHARES = ("0.2", "0.4", "0.6", "0.8")
LARGEST = 128 * 128  # texels of a texture
STEPS = 128  # of a level that differences are counted in
BORDER = 8  # texels that go on at the borders, as in a run


class Way(NamedTuple):
    """How a net runs."""

    run: Callable[[Tensor], Tensor]
    takes: torch.dtype


def textures(folder: Path, count: int) -> Iterator[np.ndarray]:
    """Yield up to ``count`` textures (h, w, 4) in [0, 1] of a pack, picked by a fixed draw."""
    files = sorted(folder.rglob("*.png"))
    random.Random(0).shuffle(files)
    for file in files:
        try:
            pixels = read_texture(file).pixels
        except TextureError:
            continue
        h, w, channels = pixels.shape
        if pixels.dtype != np.uint8 or channels < 3 or h * w > LARGEST:
            continue
        opaque = np.full((h, w, 1), 255, np.uint8)
        plane = np.concatenate((pixels[..., :3], pixels[..., 3:] if channels > 3 else opaque), 2)
        yield np.pad(plane, ((BORDER, BORDER + -h % 4), (BORDER, BORDER + -w % 4), (0, 0)), "edge") / np.float32(255)
        count -= 1
        if not count:
            return


def with_wide_ends(net: nn.Module) -> nn.Module:
    """Return a copy in bfloat16 whose first and last convolution take and give float32."""
    source = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    narrow = copy.deepcopy(net).bfloat16()
    ends = [layer for layer in narrow.modules() if isinstance(layer, nn.Conv2d)]
    for layer, wide in ((ends[0], source[0]), (ends[-1], source[-1])):
        layer.float().load_state_dict(wide.state_dict())
        layer.register_forward_pre_hook(lambda _, given: tuple(x.float() for x in given))
    ends[0].register_forward_hook(lambda _, __, made: made.bfloat16())
    return narrow


def ways_of(model: UpscaleModel) -> dict[str, Way]:
    """Return the ways to run a net, the one to compare with first."""
    ours = copy.deepcopy(model.net)
    ways = {
        "fp32": Way(model.net, torch.float32),
        "whole": Way(copy.deepcopy(model.net).bfloat16(), torch.bfloat16),
        "wide ends": Way(with_wide_ends(model.net), torch.float32),
    }
    return ways | ({"texup": Way(ours, torch.float32)} if centre(ours) else {})


def shown(made: Tensor) -> np.ndarray:
    """Return what is seen of a result, in levels."""
    values = made.float().clamp(0, 1) * 255
    if values.shape[1] == 4:
        values = torch.cat((values[:, :3] * values[:, 3:] / 255, values[:, 3:]), 1)
    return values.numpy().ravel()


@torch.inference_mode()
def compare(model: UpscaleModel, packs: dict[str, list[np.ndarray]]) -> None:
    """Print a row for each way of a net."""
    ways = ways_of(model)
    seconds, texels = dict.fromkeys(ways, 0.0), 0
    counts = {way: {pack: np.zeros(256 * STEPS, np.int64) for pack in packs} for way in ways}
    sums = dict.fromkeys(ways, 0.0)
    for pack, planes in packs.items():
        for plane in planes:
            x = torch.from_numpy(plane[..., : model.in_channels]).permute(2, 0, 1)[None]
            x = x.contiguous(memory_format=torch.channels_last)
            texels += plane.shape[0] * plane.shape[1]
            expected = None
            for name, way in ways.items():
                began = time.process_time()
                made = way.run(x.to(way.takes))
                seconds[name] += time.process_time() - began
                inner = BORDER * model.scale
                levels = shown(made[..., inner:-inner, inner:-inner])
                expected = levels if expected is None else expected
                error = np.abs(levels - expected)
                sums[name] += float(error.sum(dtype=np.float64))
                counts[name][pack] += np.bincount((error * STEPS).astype(int), minlength=256 * STEPS)
    for name in ways:
        whole = sum(counts[name].values())
        mean, most = sums[name] / whole.sum(), np.flatnonzero(whole)[-1] / STEPS
        worst = max(below(found, 0.999) for found in counts[name].values())
        print(
            f"{model.name.replace('texup-', ''):24.24s} {name:10s} {mean:6.3f} {below(whole, 0.99):6.2f}"
            f" {below(whole, 0.999):6.2f} {most:7.2f} {worst:6.2f} {seconds[name] / texels * 1e6:7.2f}"
            f" {seconds['fp32'] / seconds[name]:5.2f}",
            flush=True,
        )


def below(counts: np.ndarray, share: float) -> float:
    """Return the levels that a share of the differences stays below."""
    return float(np.searchsorted(np.cumsum(counts), share * counts.sum()) + 1) / STEPS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[*load_catalog().models, *SHARES])
    parser.add_argument("--packs", type=Path, default=PACKS)
    parser.add_argument("--count", type=int, default=60)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    packs = {folder.name: list(textures(folder, asked.count)) for folder in sorted(asked.packs.iterdir())}
    packs = {name: found for name, found in packs.items() if found}
    cpu = places()[-1]
    print(f"{cpu.title}: {' '.join(cpu.features)}; torch {torch.__version__}, one thread")
    print(", ".join(f"{len(found)} of {name}" for name, found in packs.items()))
    print(f"{'net':24s} {'bfloat16':10s}   mean    99%  99.9% largest  worst us/texel ratio")
    for name in asked.names:
        is_share = name.replace(".", "").isdigit()
        (link,) = choose_chain((), float(name)) if is_share else choose_chain((name,), None)
        compare(link.load(), packs)


if __name__ == "__main__":
    main()
