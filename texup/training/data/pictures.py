"""Training pictures: decoded once, kept as bytes in one flat tensor, cropped by index arithmetic."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from texup.errors import TexupError, UsageError
from texup.textures.codecs.files import SUFFIXES, read_texture
from texup.textures.seams import detect_edges
from texup.textures.texture import Pixels
from texup.training.data.drawing_cache import drawn_pictures

CELL = 64  # side of the cells that are weighed and drawn; the middle of a crop lies in its cell
MIN_VISIBLE = 0.6  # share of a cell that must lie above alpha 0: colour below it is arbitrary
MIN_DRAWN = 0.1  # the same where crops keep their alpha
MIN_CONTRAST = 3.0  # mean absolute neighbour difference in levels under which a cell counts as flat
FLAT_SHARE = 0.15  # weight of a flat cell
DRAWN = "drawn"
REGION = 4  # side of the region that stands for a patch's whole texture, in sides of the patch
ROOM = 0.5  # share of the free memory of a GPU that the pictures may take
DECODERS = 8  # threads at most; Pillow and numpy let go of the interpreter for most of the work


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to train on."""

    group: str
    """Pictures of one group, a folder, share its weight."""
    pixels: NDArray[np.uint8]
    """(H, W, 4) in RGBA; opaque where the file has no alpha."""
    wraps: tuple[bool, bool]
    """Whether rows, and whether columns, go on at the far side."""
    name: str = ""
    """Its path below the folder that it was found in, with slashes; "" for what is made and not found."""


def load_pictures(folders: Sequence[Path], min_side: int) -> list[Picture]:
    """Decode every readable picture below ``folders`` whose sides reach ``min_side``, in order of their paths.

    Raises:
        UsageError: a folder is missing, or no picture is large enough.
    """
    paths: list[tuple[Path, Path]] = []
    for root in folders:
        if not root.is_dir():
            raise UsageError(f"{root}: no such folder of pictures")
        paths += [(root, p) for p in sorted(root.rglob("*")) if p.suffix.lower() in SUFFIXES]
    with ThreadPoolExecutor(min(DECODERS, os.cpu_count() or 1)) as pool:
        found = list(pool.map(lambda place: _load(place[0], place[1], min_side), paths))
    pictures = [picture for picture in found if isinstance(picture, Picture)]
    small, unreadable = found.count("small"), found.count("unreadable")
    if not pictures:
        left_out = f" ({small} are smaller, {unreadable} cannot be read)" if small or unreadable else ""
        where = ", ".join(map(str, folders))
        raise UsageError(f"{where}: no picture of at least {min_side} pixels a side{left_out}")
    return pictures


def _load(root: Path, path: Path, min_side: int) -> Picture | Literal["small", "unreadable"]:
    try:
        pixels = _rgba(read_texture(path).pixels)
    except TexupError:
        return "unreadable"  # a training folder may hold what texup cannot read; what it can is enough
    if min(pixels.shape[:2]) < min_side:
        return "small"
    opaque = bool((pixels[..., 3] == 255).all())
    edges = detect_edges(pixels[..., :3] if opaque else pixels, alpha=not opaque)
    wraps = (edges[0] == "wrap", edges[1] == "wrap")
    return Picture(str(path.parent), pixels, wraps, path.relative_to(root).as_posix())


def with_halves(pictures: Sequence[Picture], min_side: int) -> list[Picture]:
    """Add each picture, halved by box, where that leaves ``min_side`` a side: whole objects then fit a patch."""
    halves = []
    for p in pictures:
        h, w = (side // 2 for side in p.pixels.shape[:2])
        if min(h, w) >= min_side:
            blocks = p.pixels[: 2 * h, : 2 * w].reshape(h, 2, w, 2, 4).astype(np.uint16)
            means = ((blocks.sum((1, 3)) + 2) // 4).astype(np.uint8)
            whole = p.pixels.shape[0] == 2 * h, p.pixels.shape[1] == 2 * w  # an odd side loses its last texel
            halves.append(Picture(p.group, means, (p.wraps[0] and whole[0], p.wraps[1] and whole[1])))
    return [*pictures, *halves]


def drawn(count: int, size: int, seed: int) -> list[Picture]:
    """Return ``count`` drawn pictures of ``size`` a side, in the group ``DRAWN``."""
    opaque = np.full((size, size, 1), 255, np.uint8)
    return [
        Picture(DRAWN, np.concatenate((colour, opaque), axis=2), (False, False))
        for colour in drawn_pictures(count, size, seed)
    ]


def _rgba(pixels: Pixels) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    colour, alpha = (pixels[..., :-1], pixels[..., -1:]) if pixels.shape[2] in (2, 4) else (pixels, None)
    if alpha is None:
        alpha = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    return np.concatenate((np.broadcast_to(colour, (*pixels.shape[:2], 3)), alpha), axis=2)


def _cells(picture: Picture, visible: float = MIN_VISIBLE) -> Iterator[tuple[int, int, float]]:
    """Yield the middle row and column of each cell of a picture, and its weight; less ``visible`` ones are left out."""
    colour, alpha = picture.pixels[..., :3].astype(np.int16), picture.pixels[..., 3]
    grey = (colour[..., 0] + 2 * colour[..., 1] + colour[..., 2]) // 4
    steps = np.zeros(grey.shape, np.float32)
    steps[:, 1:] += np.abs(np.diff(grey, axis=1))
    steps[1:] += np.abs(np.diff(grey, axis=0))
    steps[alpha == 0] = 0
    half = CELL // 2
    for y in range(0, grey.shape[0], CELL):
        for x in range(0, grey.shape[1], CELL):
            here = (slice(y, y + CELL), slice(x, x + CELL))
            size = alpha[here].size
            if np.count_nonzero(alpha[here]) >= visible * size:
                contrast = 1 if steps[here].mean() >= 2 * MIN_CONTRAST else FLAT_SHARE
                yield y + half, x + half, contrast * size / CELL**2


class Patches:
    """An endless source of random crops in one of eight orientations, all on one device.

    A group is drawn with the square root of its pixels as weight, so that one large author does not rule; then a cell
    of one of its pictures, flat cells seldom; then a crop whose middle lies in the cell. On an axis on which a picture
    tiles the crop goes on at the far side.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        generator: torch.Generator,
        device: torch.device,
        shares: Mapping[str, float] | None = None,
        *,
        free_memory: int | None = None,
        alpha: bool = False,
    ) -> None:
        """Lay all ``pictures`` out on ``device``, or in main memory where they would fill the device.

        Args:
            pictures: what crops are cut from.
            generator: on the CPU, the only source of chance.
            device: where crops are wanted.
            shares: fixes the share of some groups; the others part the rest.
            free_memory: of the device in bytes; None asks CUDA, and takes others for large enough.
            alpha: crops have four channels, the last of which is alpha.

        Raises:
            UsageError: everything is transparent.
        """
        self.generator, self.device, self.channels = generator, device, 4 if alpha else 3
        flat = [torch.from_numpy(p.pixels.view(np.int32)[..., 0].ravel()) for p in pictures]
        texels = torch.cat(flat)  # four bytes a texel, so that one index fetches a colour
        if free_memory is None and device.type == "cuda":
            free_memory = torch.cuda.mem_get_info(device)[0]
        fits = free_memory is None or texels.nbytes < ROOM * free_memory
        self.texels = texels.to(device) if fits else texels
        clamped = [side for p in pictures for side, wrap in zip(p.pixels.shape, p.wraps, strict=False) if not wrap]
        self.largest = min(clamped, default=None)
        sides = torch.tensor([p.pixels.shape[:2] for p in pictures])
        starts = torch.cumsum(torch.tensor([0, *(len(f) for f in flat)]), 0)[:-1]
        wraps = torch.tensor([p.wraps for p in pictures]).long()
        table, weights, groups = [], [], []
        for k, picture in enumerate(pictures):
            for y, x, weight in _cells(picture, MIN_DRAWN if alpha else MIN_VISIBLE):
                table.append((k, y, x))
                weights.append(weight)
                groups.append(picture.group)
        if not table:
            raise UsageError("nothing to train on: the pictures are transparent")
        names, group_of = np.unique(groups, return_inverse=True)
        total = np.bincount(group_of, weights, len(names))
        fixed = np.array([(shares or {}).get(name, 0.0) for name in names])
        free = np.where(fixed > 0, 0, total**0.5)
        group_share = fixed + free / max(free.sum(), 1e-9) * (1 - fixed.sum())
        share = np.asarray(weights) * (group_share / total)[group_of]
        self.cumulative = torch.from_numpy(np.cumsum(share / share.sum()))
        picture_of, *middle = torch.tensor(table).unbind(1)
        self.cells = torch.stack(
            [*middle, starts[picture_of], *sides[picture_of].unbind(1), *wraps[picture_of].unbind(1)]
        )

    def draw(self, count: int, size: int) -> tuple[Tensor, Tensor]:
        """Return ``count`` crops (count, C, size, size), C 3 or 4, float32 in [0, 1], and their places for ``nearby``.

        Raises:
            ValueError: a picture that does not tile is smaller.
        """
        if self.largest is not None and size > self.largest:
            raise ValueError(f"crops of {size} pixels do not fit into a picture of {self.largest}")
        point = torch.rand(count, generator=self.generator, dtype=torch.float64)
        drawn = torch.searchsorted(self.cumulative, point).clamp(max=len(self.cumulative) - 1)
        y, x, start, h, w, wrap_y, wrap_x = self.cells[:, drawn]
        jitter = torch.randint(-CELL // 2, CELL // 2, (2, count), generator=self.generator)
        top = _within(y + jitter[0] - size // 2, h, size, wrap_y)
        left = _within(x + jitter[1] - size // 2, w, size, wrap_x)
        turns = torch.randint(8, (count,), generator=self.generator)
        places = torch.stack((start, h, w, top, left, torch.full_like(turns, size))).to(self.texels.device)
        start, h, w, top, left, _ = places[..., None]
        turns = turns.to(self.texels.device)[:, None]
        span = torch.arange(size, device=self.texels.device)
        rows = (top + torch.where(turns & 1 > 0, size - 1 - span, span)) % h
        columns = (left + torch.where(turns & 2 > 0, size - 1 - span, span)) % w
        index = (start + rows * w)[:, :, None] + columns[:, None]
        index = torch.where(turns[..., None] & 4 > 0, index.mT, index)
        return self._colours(index, self.channels).permute(0, 3, 1, 2), places

    def nearby(self, places: Tensor, count: int, scale: int = 4) -> Tensor:
        """Return (n, count, 3) colours drawn around the crops at ``places``: the texture that they lie in, reduced.

        Each is the mean of ``scale`` x ``scale`` texels: a palette fitted to the texels themselves would spend its
        entries on extremes that the reduced texture has not (4 to 7 dB worse at 16 to 256 colours). A region that
        reaches beyond its picture goes on at the far side, whether or not the picture tiles.
        """
        start, h, w, top, left, size = places[..., None]
        offsets = torch.rand(2, len(start), count, generator=self.generator).to(places.device) - 0.5
        block = torch.arange(scale, device=places.device)
        rows, columns = (
            ((first + size // 2 + (offset * (REGION * size)).long()) % side).minimum((side - scale).clamp(min=0))
            for first, offset, side in ((top, offsets[0], h), (left, offsets[1], w))
        )
        rows, columns = ((first[..., None] + block) % side[..., None] for first, side in ((rows, h), (columns, w)))
        index = start[..., None, None] + rows[..., None] * w[..., None, None] + columns[:, :, None]
        return self._colours(index).mean((2, 3))

    def _colours(self, index: Tensor, channels: int = 3) -> Tensor:
        """Fetch the texels of ``index`` (...,) as (..., channels) float32 in [0, 1] on the device."""
        texels = self.texels[index].contiguous()
        if texels.device.type != self.device.type:
            texels = texels.pin_memory() if self.device.type == "cuda" else texels
            texels = texels.to(self.device, non_blocking=True)
        return texels.view(torch.uint8).view(*index.shape, 4)[..., :channels].float() / 255


def _within(start: Tensor, side: Tensor, size: int, wrap: Tensor) -> Tensor:
    """Move a span of ``size`` inside its side, unless the axis wraps."""
    return torch.where(wrap.bool(), start.remainder(side), start.clamp(min=0).minimum(side - size))
