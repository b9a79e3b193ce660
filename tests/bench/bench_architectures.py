"""What texup makes of every architecture: a small net of each by spandrel's own constructor, saved and loaded.

Run: ``python tests/bench/bench_architectures.py FOLDER [NAME...]``. FOLDER gets a file for each architecture; the table
for docs/models.md is printed. Weights are random, seeded. Seconds are those of the processor, for one plane of 64 x 64
on one thread.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.contract.test_borrowed_nets import NETS as BORROWED
from tests.contract.test_peer_nets import NETS as OWN
from texup.engines.batching import Order
from texup.engines.devices.device import Device
from texup.engines.engine import Request
from texup.errors import WeightsError
from texup.models.borrowed.borrowing import import_spandrel
from texup.models.chain import DEFAULT_CONTEXT
from texup.models.families import NOT_BORROWED
from texup.models.loading import load_model
from texup.models.model import UpscaleModel
from texup.models.weights import save_pickle

SIDE, TILE = 64, 32
REST: dict[str, tuple[str, str, dict[str, Any]]] = {
    "DRUNet": ("DRUNet", "DRUNet", {"in_nc": 4, "out_nc": 3, "nc": [8, 8, 8, 8], "nb": 4}),
    "DnCNN": ("DnCNN", "DnCNN", {"in_nc": 3, "out_nc": 3, "nc": 8, "nb": 4}),
    "FBCNN": ("FBCNN", "FBCNN", {"nc": [8, 8, 8, 512], "nb": 4}),
    "FFTformer": ("FFTformer", "FFTformer", {"dim": 8, "num_blocks": [1, 1, 1], "num_refinement_blocks": 1}),
    "HVI-CIDNet": ("HVICIDNet", "HVICIDNet", {"channels": [12, 12, 24, 48], "heads": [1, 2, 4, 8]}),
    "IPT": ("IPT", "IPT", {"n_feats": 8, "num_heads": 2, "num_layers": 1, "num_queries": 1, "patch_size": 48}),
    "KBNet": ("KBNet", "KBNet_s", {"width": 8, "enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1], "middle_blk_num": 1}),
    "MixDehazeNet": ("MixDehazeNet", "MixDehazeNet", {"embed_dims": [8, 16, 32, 16, 8], "depths": [1, 1, 1, 1, 1]}),
    "RetinexFormer": ("RetinexFormer", "RetinexFormer", {"n_feat": 8, "stage": 1, "num_blocks": [1, 1, 1]}),
    "Uformer": ("Uformer", "Uformer", {"img_size": 128, "embed_dim": 8, "depths": [1] * 9, "win_size": 8, "dd_in": 3}),
}
"""What spandrel has besides: mostly nets of scale 1, for a chain."""
COLUMNS = ("architecture", "by", "scale", "off by", "types", "batch", "tiles off by", "s for 64x64")


def state_of(name: str) -> dict[str, torch.Tensor]:
    """Return the weights of a small net of an architecture."""
    module, kind, arguments = (OWN | BORROWED | REST)[name]
    torch.manual_seed(7)
    return getattr(import_module(f"spandrel.architectures.{module}"), kind)(**arguments).eval().state_dict()


def planes_of(model: UpscaleModel, plane: np.ndarray, tile: int) -> np.ndarray:
    """Return a plane through an engine's device, in tiles of a side."""
    device = Device([model], torch.device("cpu"))
    order = Order(
        None,
        [
            Request(
                np.pad(plane, ((DEFAULT_CONTEXT,) * 2, (DEFAULT_CONTEXT,) * 2, (0, 0)), "reflect"), 0, DEFAULT_CONTEXT
            )
        ],
        tile,
    )
    for piece in order.pieces():
        (result,) = device.upscale(piece.model, [piece.plane])
        if result.plane is None:
            raise WeightsError(str(result.problem))
        piece.put(result.plane)
    return order.planes[0]


def row_of(name: str, folder: Path, registry: Any) -> list[str]:
    """Return what is measured of an architecture."""
    path = folder / f"{name}.pth"
    state = state_of(name)
    save_pickle(path, {"params": state})
    try:
        model = load_model(path)
    except WeightsError as refusal:
        return [name, "refused", "", str(refusal).removeprefix(f"{path}: "), "", "", "", ""]
    step = model.multiple_of
    side = -(-max(SIDE, model.needs.minimum) // step) * step
    dice = torch.Generator().manual_seed(1)
    x = torch.rand(1, model.in_channels, side, side, generator=dice)
    with torch.inference_mode():
        theirs = registry.load({key: value.clone() for key, value in state.items()})
        expected = theirs._call_fn(theirs.model.eval(), x.clone())
        began = time.process_time()
        found = model.net(x)
        seconds = (time.process_time() - began) * (SIDE / side) ** 2
    off = float((found - expected).abs().max() / expected.abs().max().clamp(1))
    plane = np.random.default_rng(2).random((SIDE, SIDE, model.in_channels), np.float32)
    plane = plane if model.in_channels in (1, 3, 4) else plane[..., :3]
    whole, cut = planes_of(model, plane, SIDE), planes_of(model, plane, TILE)
    types = ["fp32", *["bf16"] * model.needs.bfloat16, *["fp16"] * model.needs.half]
    return [
        name,
        "spandrel" if model.needs.guarded else "texup",
        str(model.scale),
        f"{off:.0e}" if off else "0",
        " ".join(types),
        "alone" if model.needs.one_at_a_time else "any",
        "seen whole" if model.needs.whole else f"{np.abs(whole - cut).max() * 255:.2f}",
        f"{seconds:.2f}",
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    registry = import_spandrel().MAIN_REGISTRY
    print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
    for name in arguments.names or [*OWN, *BORROWED, *REST]:
        try:
            row = row_of(name, arguments.folder, registry)
        except Exception as error:  # noqa: BLE001 - a measurement of many goes on
            row = [name, "failed", "", f"{type(error).__name__}: {error}"[:90], "", "", "", ""]
        print("| " + " | ".join(row) + " |", flush=True)
    if not arguments.names:
        for name, reason in NOT_BORROWED.items():
            print(f"| {name} | refused by name | | {reason} | | | | |")


if __name__ == "__main__":
    main()
