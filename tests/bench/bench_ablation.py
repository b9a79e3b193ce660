"""The rows of ESRGAN's ablation (figure 8 of the paper), and ours below them, as switches of one recipe, side by side.

Run: ``python tests/bench/bench_ablation.py --data DIR... --val DIR... [--out DIR] [--seconds N]``. Every row is a PSNR
stage and then a GAN stage, of ``--seconds`` each, with small nets of nearly equal cost, on the same pictures; rows with
the same net share its PSNR stage. It prints a Markdown table and writes ``ablation.md`` and ``ablation.png``. What is
finished is not repeated, and what was interrupted goes on: run the same command again.

References:
    Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", ECCVW 2018, section 4.4.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from texup import metrics
from texup.engines.devices.device import pick_device
from texup.errors import UsageError
from texup.files import atomic_write
from texup.metrics.resizing import as_bytes
from texup.models.loading import load_model
from texup.pictures.sheets import contact_sheet, encode_png
from texup.training.config import Recipe, plain, recipe_of
from texup.training.data.pictures import Picture, load_pictures
from texup.training.objective.systems import build_generator
from texup.training.run.checkpoint import has_checkpoint
from texup.training.run.distributed import World
from texup.training.run.loop import Budget, TrainingRun, train
from texup.training.run.validation import HeldOutCrop, fixed_samples, upscale_crops

Table = dict[str, Any]
Bytes = NDArray[np.uint8]

# For pictures in RGB, 4 times as large. Features are random ones (VGG19's structure): no row has seen photographs.
BASE: Table = {
    "name": "base",
    "batch": 8,
    "lr_patch": 16,
    "optimizer": {"kind": "muon", "muon_rate": 0.03, "adam_rate": 1e-3, "warm_up": 0.02},
    "data": {"halves": False},
}
# What the GAN stage adds.
GAN: Table = {
    "optimizer": {"kind": "adam", "adam_rate": 2e-4},
    "loss": {"pixel": 1.0, "perceptual": 0.5, "adversarial": 0.05},
    "features": {"width": 0.25, "before_activation": False},
    "discriminator": {
        "architecture": "VGGStyleDiscriminator",
        "num_feat": 16,
        "relativistic": False,
        "rate": 2e-4,
        "warm_up": 0.05,
    },
}
NETS: dict[str, Table] = {
    "residual-bn": {"architecture": "SRResNet", "num_feat": 24, "num_block": 8, "batch_norm": True},
    "residual": {"architecture": "SRResNet", "num_feat": 24, "num_block": 8, "batch_norm": False},
    "rrdb": {"architecture": "RRDBNet", "num_feat": 16, "num_block": 4, "num_grow_ch": 8},
}
# Title -> the net, and what the row changes in the GAN stage of the row above; changes stay for all rows below.
ROWS: dict[str, tuple[str, Table]] = {
    "1 SRGAN: BN, features after activation, standard GAN": ("residual-bn", {}),
    "2 no BN": ("residual", {}),
    "3 + features before activation": ("residual", {"features": {"before_activation": True}}),
    "4 + relativistic GAN": ("residual", {"discriminator": {"relativistic": True}}),
    "5 + RRDB (ESRGAN)": ("rrdb", {}),
    "6 + U-Net, matching, LDL (ours)": (
        "rrdb",
        {"discriminator": {"architecture": "UNetDiscriminator"}, "loss": {"matching": 0.5, "ldl": 1.0}},
    ),
}
COLUMNS = {"psnr_y": "PSNR-Y", "lsd": "LSD", "hf_ratio": "HF ratio", "lr_psnr": "LR-PSNR", "gmsd": "GMSD"}
SHOWN = 4  # crops on the sheet
LEAST_SIDE = 128


def merged(table: Table, changes: Mapping[str, Any]) -> Table:
    """Return ``table`` with ``changes``; the tables in it are merged, too."""
    result = dict(table)
    for key, value in changes.items():
        result[key] = merged(result.get(key, {}), value) if isinstance(value, Mapping) else value
    return result


def psnr_recipe(net: str, seed: int) -> Recipe:
    return recipe_of(merged(BASE, {"name": f"psnr-{net}", "net": NETS[net], "seed": seed}))


def gan_recipes(seed: int) -> dict[str, Recipe]:
    """Return the GAN stage of each row by its title."""
    recipes, table = {}, merged(BASE, GAN)
    for title, (net, changes) in ROWS.items():
        table = merged(table, changes)
        recipes[title] = recipe_of(merged(table, {"name": f"row-{title[0]}", "net": NETS[net], "seed": seed + 1}))
    return recipes


def trained(recipe: Recipe, pictures: Sequence[Picture], init: Path | None, options: argparse.Namespace) -> Path:
    """Train one stage, the second one where there is ``init``, unless it is done; return the file of its weights."""
    seconds = options.seconds if init or options.psnr_seconds is None else options.psnr_seconds
    folder = options.out / recipe.name
    done = folder / "done.json"
    settings = {"recipe": plain(recipe), "seconds": seconds, "device": options.device}
    settings = json.loads(json.dumps(settings))
    run = TrainingRun(recipe, folder, options.data, pick_device(options.device), World(), pictures=pictures)
    if done.is_file():
        if json.loads(done.read_text("utf-8")) != settings:
            raise UsageError(f"{done}: made with other settings; choose another --out")
        return run.weights
    start = None if init is None else load_model(init).net.state_dict()
    for progress in train(run, Budget(seconds), init=start, resume=has_checkpoint(folder)):
        last = progress
    losses = ", ".join(f"{name} {value:.3g}" for name, value in last.losses.items())
    print(f"{recipe.name}: {last.iteration} iterations; {losses}", file=sys.stderr, flush=True)
    atomic_write(done, json.dumps(settings, indent=1).encode())
    return run.weights


def results(weights: Path, samples: Sequence[HeldOutCrop], device: torch.device) -> list[Bytes]:
    return upscale_crops(load_model(weights).net.to(device), samples)


def bicubic(samples: Sequence[HeldOutCrop]) -> list[Bytes]:
    return [as_bytes(metrics.imresize(_lr(s), s.hr.shape[:2])) for s in samples]


def _lr(sample: HeldOutCrop) -> Bytes:
    return (sample.lr[0].permute(1, 2, 0) * 255).round().to(torch.uint8).cpu().numpy()


def scores(pictures: Sequence[Bytes], samples: Sequence[HeldOutCrop], scale: int) -> dict[str, float]:
    """Return the means of the columns over the samples, of numbers that are finite."""
    rows = [
        {
            "psnr_y": metrics.psnr_y(sr, s.hr, scale),
            "lsd": metrics.log_spectral_distance(sr, s.hr),
            "hf_ratio": metrics.hf_ratio(sr, s.hr, scale),
            "lr_psnr": metrics.lr_psnr(sr, _lr(s)),
            "gmsd": metrics.gmsd(sr, s.hr),
        }
        for sr, s in zip(pictures, samples, strict=True)
    ]
    return {name: float(np.mean([row[name] for row in rows if np.isfinite(row[name])])) for name in COLUMNS}


def cost(net: str) -> tuple[float, float]:
    """Return the parameters, in thousands, and the multiplications for a low-resolution pixel, in thousands."""
    built = build_generator(NETS[net], 4).eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        built(torch.zeros(1, 3, 16, 16))
    return sum(p.numel() for p in built.parameters()) / 1e3, counter.get_total_flops() / 2 / 16**2 / 1e3


def as_table(found: Mapping[str, Mapping[str, float]]) -> str:
    """Return rows as Markdown."""
    lines = [f"| row | {' | '.join(COLUMNS.values())} |", f"|---|{'---|' * len(COLUMNS)}"]
    digits = {"gmsd": 4, "hf_ratio": 3}
    for title, row in found.items():
        values = " | ".join(f"{row[name]:.{digits.get(name, 2)}f}" for name in COLUMNS)
        lines.append(f"| {title} | {values} |")
    return "\n".join(lines) + "\n"


def sheet(pictures: Mapping[str, Sequence[Bytes]], samples: Sequence[HeldOutCrop], scale: int) -> Bytes:
    """Return the middles of the first crops: the low-resolution picture, every method, the source."""
    step = max(1, len(samples) // SHOWN)
    chosen = range(0, len(samples), step)[:SHOWN]
    columns = ["input", *(title.partition(":")[0] for title in pictures), "source"]
    rows = [[_lr(samples[k]), *(each[k] for each in pictures.values()), samples[k].hr] for k in chosen]
    captions = [
        ["", *(f"{metrics.psnr_y(each[k], samples[k].hr, scale):.2f} dB" for each in pictures.values()), ""]
        for k in chosen
    ]
    return contact_sheet(rows, columns=columns, captions=captions)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="ESRGAN's ablation as short runs.")
    parser.add_argument("--data", nargs="+", type=Path, required=True)
    parser.add_argument("--val", nargs="+", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--seconds", type=float, default=45.0, help="of each stage")
    parser.add_argument("--psnr-seconds", type=float, help="of the PSNR stages, where they should be longer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


def main() -> None:
    options = parsed()
    device = pick_device(options.device)
    gans = gan_recipes(options.seed)
    scale = next(iter(gans.values())).scale
    pictures = load_pictures(options.data, LEAST_SIDE)
    samples = fixed_samples(load_pictures(options.val, LEAST_SIDE), scale, device)
    print(f"{len(pictures)} pictures to train on, {len(samples)} crops to measure on", file=sys.stderr, flush=True)
    shown = {"bicubic": bicubic(samples)}
    found = {"bicubic": scores(shown["bicubic"], samples, scale)}
    stages = {}
    for net in NETS:
        stages[net] = trained(psnr_recipe(net, options.seed), pictures, None, options)
        parameters, operations = cost(net)
        title = f"{net}, PSNR stage ({parameters:.0f} k parameters, {operations:.0f} k MAC per LR pixel)"
        found[title] = scores(results(stages[net], samples, device), samples, scale)
    for title, (net, _) in ROWS.items():
        shown[title] = results(trained(gans[title], pictures, stages[net], options), samples, device)
        found[title] = scores(shown[title], samples, scale)
    table = as_table(found)
    atomic_write(options.out / "ablation.md", table.encode())
    atomic_write(options.out / "ablation.png", encode_png(sheet(shown, samples, scale)))
    print(table)


if __name__ == "__main__":
    main()
