"""What a run is measured on while it trains: a few fixed crops, reduced once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from texup.degradations import downscale, round_8bit
from texup.degradations.reduce import most_typical
from texup.errors import TexupError, UsageError
from texup.metrics import psnr_y
from texup.textures.codecs.files import SUFFIXES, read_texture
from texup.training.data.pictures import Picture

CROP = 256  # largest side of a crop: enough to see texture, small enough to look at often
MOST = 16
SHOWN = 6  # crops in a frame of the training film
LEAST = 4  # low-resolution pixels a side: two are left inside the border that PSNR drops
BEST = 100.0  # dB that a picture without any error counts as, so that means stay finite


@dataclass(frozen=True, slots=True)
class HeldOutCrop:
    """One crop and what it was reduced to."""

    name: str
    """The picture's path below its folder."""
    hr: NDArray[np.uint8]
    """(H, W, 3)."""
    lr: Tensor
    """(1, 3, H/scale, W/scale) in [0, 1]."""


def load_held_out(folders: Sequence[Path], min_side: int) -> list[Picture]:
    """Return up to ``MOST`` pictures, taken evenly from all below ``folders``; only those are decoded.

    Raises:
        UsageError: a folder is missing, or no picture reaches ``min_side``.
    """
    for root in folders:
        if not root.is_dir():
            raise UsageError(f"{root}: no such folder of pictures")
    files = [(root, p) for root in folders for p in sorted(root.rglob("*")) if p.suffix.lower() in SUFFIXES]
    pictures: list[Picture] = []
    for part in np.array_split(np.arange(len(files)), MOST):
        for k in part:
            root, path = files[k]
            picture = _picture(root, path, min_side)
            if picture is not None:
                pictures.append(picture)
                break
    if folders and not pictures:
        where = ", ".join(map(str, folders))
        raise UsageError(f"{where}: no picture of at least {min_side} pixels a side to measure on")
    return pictures


def _picture(root: Path, path: Path, min_side: int) -> Picture | None:
    """Return the picture in a file, or None when it cannot be read or is too small; alpha is left out."""
    try:
        pixels = read_texture(path).pixels
    except TexupError:
        return None
    if min(pixels.shape[:2]) < min_side:
        return None
    levels = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels.astype(np.uint8)
    colour = levels[..., :3] if levels.shape[2] > 2 else levels[..., :1]
    shown = np.array(np.broadcast_to(colour, (*levels.shape[:2], 3)))  # a copy: torch wants to be able to write
    return Picture(str(path.parent), shown, (False, False), path.relative_to(root).as_posix())


def fixed_samples(
    pictures: Sequence[Picture],
    scale: int,
    device: torch.device,
    *,
    multiple: int = 1,
    pixel_art: bool = False,
) -> list[HeldOutCrop]:
    """Return the middles of up to ``MOST`` pictures, taken evenly from all of them.

    Low-resolution sides are multiples of ``multiple``, as some nets want them. Reduced by bicubic, or to ``pixel_art``.
    """
    chosen = [part[0] for part in np.array_split(np.arange(len(pictures)), MOST) if len(part)]
    samples = []
    for picture in (pictures[k] for k in chosen):
        whole = scale * multiple
        h, w = (min(CROP, side) // whole * whole for side in picture.pixels.shape[:2])
        top, left = (picture.pixels.shape[0] - h) // 2, (picture.pixels.shape[1] - w) // 2
        hr = np.ascontiguousarray(picture.pixels[top : top + h, left : left + w, :3])
        source = torch.from_numpy(hr).permute(2, 0, 1)[None].to(device).float() / 255
        reduced = _opaque_pixel_art(source, scale) if pixel_art else downscale(source, scale, "bicubic")
        samples.append(HeldOutCrop(picture.name, hr, round_8bit(reduced)))
    return samples


def _opaque_pixel_art(source: Tensor, scale: int) -> Tensor:
    return most_typical(torch.cat((source, torch.ones_like(source[:, :1])), 1), scale)[:, :3]


@torch.inference_mode()
def upscale_crops(net: nn.Module, samples: Sequence[HeldOutCrop]) -> list[NDArray[np.uint8]]:
    """Return the result (H, W, 3) of ``net`` on each sample."""
    return [
        (net(s.lr).float().clamp(0, 1) * 255).round().to(torch.uint8)[0].permute(1, 2, 0).cpu().numpy() for s in samples
    ]


def mean_psnr(results: Sequence[NDArray[np.uint8]], samples: Sequence[HeldOutCrop], scale: int) -> float:
    """Return the mean PSNR-Y in dB of results on their samples, each of which counts as ``BEST`` at most."""
    scores = [psnr_y(sr, s.hr, border=scale) for sr, s in zip(results, samples, strict=True)]
    return float(np.mean(np.minimum(scores, BEST)))


def frame(results: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return the first results side by side on black, as a frame of the training film."""
    shown = results[:SHOWN]
    height = max(r.shape[0] for r in shown)
    return np.concatenate([np.pad(r, ((0, height - r.shape[0]), (0, 0), (0, 0))) for r in shown], axis=1)
