"""Training pictures: decoded once, kept as bytes, cropped by index arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from texup.errors import TexupError, UsageError
from texup.textures.codecs import SUFFIXES, read_texture
from texup.textures.texture import Pixels

MIN_VISIBLE = 0.6  # share of a crop that must lie above alpha 0: colour below it is arbitrary
MIN_CONTRAST = 3.0  # mean absolute neighbour difference in levels under which a crop counts as flat
FLAT_SHARE = 0.15  # flat crops are kept with this probability
TRIES = 8  # draws for one patch before the last one is taken as it is


def load_pictures(folders: Sequence[Path], min_side: int) -> dict[str, list[NDArray[np.uint8]]]:
    """Decode every readable picture below ``folders`` whose sides reach ``min_side``.

    Returns:
        For each folder that directly holds pictures, its arrays (H, W, 4) in RGBA; opaque where a picture has no alpha.

    Raises:
        UsageError: no picture is large enough.
    """
    groups: dict[str, list[NDArray[np.uint8]]] = {}
    for root in folders:
        for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES):
            try:
                pixels = read_texture(path).pixels
            except TexupError:
                continue  # a training folder may hold what texup cannot read; what it can is enough
            if min(pixels.shape[:2]) >= min_side:
                groups.setdefault(str(path.parent), []).append(_rgba(pixels))
    if not groups:
        raise UsageError(f"no picture of at least {min_side} pixels a side in {', '.join(map(str, folders))}")
    return groups


def _rgba(pixels: Pixels) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    colour, alpha = (pixels[..., :-1], pixels[..., -1:]) if pixels.shape[2] in (2, 4) else (pixels, None)
    if alpha is None:
        alpha = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    return np.concatenate((np.broadcast_to(colour, (*pixels.shape[:2], 3)), alpha), axis=2)


class Patches:
    """An endless source of random crops in one of eight orientations.

    A folder is drawn with the square root of its pixels as weight, so that one large author does not rule; then a
    picture by its pixels.
    """

    def __init__(self, groups: dict[str, list[NDArray[np.uint8]]], seed: int) -> None:
        """Keep the ``groups`` of RGBA pictures and seed the draws."""
        self.pictures = list(groups.values())
        areas = [np.array([p.shape[0] * p.shape[1] for p in group], float) for group in self.pictures]
        weights = np.array([area.sum() ** 0.5 for area in areas])
        self.group_share = weights / weights.sum()
        self.picture_share = [area / area.sum() for area in areas]
        self.rng = np.random.default_rng(seed)

    def draw(self, count: int, size: int) -> Tensor:
        """Return ``count`` crops (count, 3, size, size), float32 in [0, 1]."""
        batch = np.stack([self._crop(size) for _ in range(count)])
        return torch.from_numpy(batch).permute(0, 3, 1, 2).float().div_(255)

    def _crop(self, size: int) -> NDArray[np.uint8]:
        for _ in range(TRIES):
            group = self.rng.choice(len(self.pictures), p=self.group_share)
            picture = self.pictures[group][self.rng.choice(len(self.pictures[group]), p=self.picture_share[group])]
            y = self.rng.integers(picture.shape[0] - size + 1)
            x = self.rng.integers(picture.shape[1] - size + 1)
            crop = picture[y : y + size, x : x + size]
            visible = np.count_nonzero(crop[..., 3]) >= MIN_VISIBLE * size * size
            contrast = np.abs(np.diff(crop[..., 1].astype(np.int16), axis=1)).mean()
            if visible and (contrast >= MIN_CONTRAST or self.rng.random() < FLAT_SHARE):
                break
        rgb = np.rot90(crop[..., :3], int(self.rng.integers(4)))
        return rgb[:, ::-1] if self.rng.random() < 0.5 else rgb
