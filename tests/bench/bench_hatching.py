"""Whether the score of hatching orders textures as an eye does that does not know which net drew what.

First ``python tests/bench/bench_hatching.py PACKS --before WEIGHTS --seed 5 --out SHEET`` writes ``SHEET/sheet.png``:
ten crops of textures, bicubic on the left of the result of a net that chance chose, sharp ones and blends of another
folder of weights among them. Look at it, and order the ten by how many strokes they have that the source has not. Then
``python tests/bench/bench_hatching.py PACKS --out SHEET --order CJBHGFAEID`` prints the rank correlation of that order
with the score, and what each cell is.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from gates_nets import loaded
from gates_pictures import Bytes
from PIL import Image, ImageDraw
from scipy.stats import spearmanr

from texup.evaluation.methods import Enlarge
from texup.metrics import hatching

CELLS = "ABCDEFGHIJ"
CROP, SHOWN, GAP = 48, 384, 16
FLATTEST = 8.0  # levels: deviation below which a crop has nothing to be drawn on
EDGES = ("clamp", "clamp")
BLENDS = {"sharp": 1.0, "half": 0.5, "default": 0.4, "faithful": 0.0}
DRAWN = [*["before sharp"] * 3, *["before half"] * 2, *["now sharp"] * 2, *["now default"] * 2, "now faithful"]
OURS = Path(__file__).parents[2] / "weights"


def crops(packs: Path, chance: random.Random) -> Iterator[tuple[str, Bytes]]:
    """Yield the middles of opaque textures in an order of chance."""
    paths = sorted(packs.rglob("*.png"))
    chance.shuffle(paths)
    for path in paths:
        picture = np.asarray(Image.open(path).convert("RGBA"))
        top, left = ((side - CROP) // 2 for side in picture.shape[:2])
        if min(top, left) < 0 or picture[..., 3].min() < 255:
            continue
        crop = picture[top : top + CROP, left : left + CROP, :3].copy()
        if crop.mean(axis=2).std() >= FLATTEST:
            yield path.relative_to(packs).as_posix(), crop


def drawn(nets: dict[str, Enlarge], crop: Bytes, share: float) -> Bytes:
    """Return a crop by so much of the sharp net, the rest by the faithful one."""
    sharp, faithful = (nets[use](crop, EDGES).astype(np.float64) for use in ("sharp", "fidelity"))
    return np.rint(share * sharp + (1 - share) * faithful).astype(np.uint8)


def write_sheet(packs: Path, before: Path, seed: int, out: Path) -> None:
    """Write ten results, their sources, what they are, and a sheet that does not say it."""
    chance = random.Random(seed)
    found = crops(packs, chance)
    chosen = [next(found) for _ in CELLS]
    names = chance.sample(DRAWN, len(DRAWN))
    nets = {"before": loaded(before), "now": loaded(OURS)}
    width, height = 2 * SHOWN + GAP, SHOWN + GAP
    sheet = Image.new("RGB", (2 * width, 5 * height), "white")
    out.mkdir(parents=True, exist_ok=True)
    for k, ((_, crop), name) in enumerate(zip(chosen, names, strict=True)):
        tree, blend = name.split()
        result = drawn(nets[tree], crop, BLENDS[blend])
        np.savez(out / f"{CELLS[k]}.npz", source=crop, result=result)
        bicubic = Image.fromarray(crop).resize((result.shape[1], result.shape[0]), Image.Resampling.BICUBIC)
        for column, cell in enumerate((bicubic, Image.fromarray(result))):
            place = (k % 2 * width + column * SHOWN, k // 2 * height + GAP)
            sheet.paste(cell.resize((SHOWN, SHOWN), Image.Resampling.NEAREST), place)
        ImageDraw.Draw(sheet).text((k % 2 * width + 4, k // 2 * height + 2), CELLS[k], fill="black")
    sheet.save(out / "sheet.png")
    (out / "cells.json").write_text(json.dumps([[path, name] for (path, _), name in zip(chosen, names, strict=True)]))


def compare(out: Path, order: str) -> None:
    """Print how an order by eye, most strokes first, and that of the score belong together."""
    cells = {cell: np.load(out / f"{cell}.npz") for cell in order}
    scores = {cell: hatching(found["result"], found["source"]) for cell, found in cells.items()}
    kinds = dict(zip(CELLS, json.loads((out / "cells.json").read_text()), strict=True))
    for cell in order:
        print(f"{cell}  {scores[cell]:.3f}  {kinds[cell][1]:13} {kinds[cell][0]}")
    correlation = spearmanr([-scores[cell] for cell in order], range(len(order))).statistic
    print(f"by the score: {''.join(sorted(order, key=lambda cell: -scores[cell]))}; rank correlation {correlation:.2f}")


def main() -> None:
    """Write a sheet, or compare an order with the score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packs", type=Path)
    parser.add_argument("--before", type=Path, default=OURS, help="folder of weights, as that of an older checkout")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--order", help=f"the letters {CELLS}, most strokes first")
    given = parser.parse_args()
    if given.order is None:
        write_sheet(given.packs, given.before, given.seed, given.out)
    elif sorted(given.order) != list(CELLS):
        parser.error(f"--order: each of {CELLS} once")
    else:
        compare(given.out, given.order)


if __name__ == "__main__":
    main()
