"""Error at borders against margin, by kind of edge, for nets that see zeros behind a border and nets that are told.

Run: ``python tests/bench/bench_borders.py [MODEL...]`` (the fidelity net and that for pixel art by default).
Textures of ``../shared/data/packs`` go through the net with a margin that nothing reaches beyond, and with less; the
table shows the difference in 8-bit levels, over the whole result and over the pixels of its outermost texels. Sprites
are clamped textures with an outline, their colour bled under it as in a run.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import torch

from texup.engines.devices.device import Device
from texup.engines.engine import UNTOLD, Told
from texup.errors import TextureError
from texup.models.chain import choose_chain
from texup.models.model import UpscaleModel
from texup.textures.codecs.files import read_texture
from texup.textures.planes import bleed, classify_alpha, split
from texup.textures.seams import detect_edges, pad

PACKS = Path("../shared/data/packs")
EACH = 12  # textures of a kind
SIDES = range(8, 65)
ENOUGH = 20  # texels of margin that no shipped net looks beyond
SHOWN = (0, 2, 3, 4, 6, 8)


def planes_by_kind() -> dict[str, list[np.ndarray]]:
    """Return colour planes (h, w, 3) of real textures that wrap, that do not, and of sprites."""
    found: dict[str, list[np.ndarray]] = {"wrap": [], "clamp": [], "sprite": []}
    paths = sorted(PACKS.rglob("*.png"))
    random.Random(1).shuffle(paths)
    for path in paths:
        try:
            pixels = read_texture(path)
        except TextureError:
            continue
        if pixels.pixels.dtype != np.uint8 or any(side not in SIDES for side in pixels.pixels.shape[:2]):
            continue
        alpha = classify_alpha(pixels.pixels)
        edges, planes = detect_edges(pixels.pixels, alpha=alpha not in ("none", "data")), split(pixels, alpha)
        is_sprite = alpha in ("binary", "soft", "few") and planes.alpha is not None
        kind = "sprite" if is_sprite else {("wrap", "wrap"): "wrap", ("clamp", "clamp"): "clamp"}.get(edges, "")
        colour = bleed(planes.colour, planes.alpha, edges) if is_sprite else planes.colour
        if len(found.get(kind, [0] * EACH)) < EACH and np.ptp(colour) > 0:
            found[kind].append(colour.repeat(3 // colour.shape[2], 2))
        if all(len(planes) == EACH for planes in found.values()):
            break
    return found


def levels(device: Device, model: UpscaleModel, plane: np.ndarray, edge, margin: int, told: Told) -> np.ndarray:
    """Return the result in 8-bit levels, not rounded, its margin cropped."""
    framed = pad(plane, (margin,) * 4, (edge, edge))
    (result,) = device.upscale(0, [framed], told)
    cut = margin * model.scale
    return np.clip(result.plane[cut : result.plane.shape[0] - cut, cut : result.plane.shape[1] - cut], 0, 1) * 255


def main() -> None:
    torch.set_num_threads(1)
    kinds = planes_by_kind()
    cases = [("wrap", "wrap", "wrap"), ("clamp", "clamp", "clamp"), ("sprite", "sprite", "clamp")]
    cases.append(("mirror", "clamp", "mirror"))
    for name in sys.argv[1:] or ["texup-x4-psnr", "texup-x4-pixel"]:
        model = choose_chain([name], None)[0].load()
        device = Device([model], torch.device("cpu"))
        print(f"{name}\nkind    behind it  margin     mean   p99.9     max   border: mean   p99.9")
        for title, kind, edge in cases:
            right = [levels(device, model, plane, edge, ENOUGH, UNTOLD) for plane in kinds[kind]]
            ways = [(UNTOLD, margin) for margin in SHOWN]
            if edge != "mirror":
                ways += [((edge, edge), margin) for margin in ((0,) if edge == "wrap" else (0, 1, 2, 3, 4))]
            for told, margin in ways:
                all_of_it, border = [], []
                for plane, whole in zip(kinds[kind], right, strict=True):
                    error = np.abs(levels(device, model, plane, edge, margin, told) - whole)
                    inside = np.s_[model.scale : -model.scale, model.scale : -model.scale]
                    outermost = np.ones(error.shape[:2], bool)
                    outermost[inside] = False
                    all_of_it.append(error.ravel())
                    border.append(error[outermost].ravel())
                a, b = np.concatenate(all_of_it), np.concatenate(border)
                what = "zeros" if told == UNTOLD else "told"
                print(
                    f"{title:8}{what:9}{margin:8} {a.mean():8.4f} {np.quantile(a, 0.999):7.2f} {a.max():7.1f}"
                    f" {b.mean():14.3f} {np.quantile(b, 0.999):7.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
