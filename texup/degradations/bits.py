"""Fewer bits a channel: the 15 and 16 bit formats of consoles and old PC cards, with and without dithering."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Threshold matrices, row by row; an entry k of n becomes the offset (k + 0.5) / n - 0.5 in steps of the coarser grid.
BAYER_2 = ((0, 2), (3, 1))
BAYER_4 = ((0, 8, 2, 10), (12, 4, 14, 6), (3, 11, 1, 9), (15, 7, 13, 5))
BAYER_8 = tuple(tuple(4 * BAYER_4[y % 4][x % 4] + BAYER_2[y // 4][x // 4] for x in range(8)) for y in range(8))
# Added to 8-bit values before the lower bits are cut off. PlayStation: DuckStation, src/core/gpu_types.h.
PLAYSTATION = ((-4, 0, -3, 1), (2, -2, 3, -1), (-3, 1, -4, 0), (3, -1, 2, -2))
# Nintendo 64, the "magic square" and the Bayer matrix: RT64, shader library.
N64_MAGIC = ((0, 6, 1, 7), (4, 2, 5, 3), (3, 5, 2, 4), (7, 1, 6, 0))
N64_BAYER = ((0, 4, 1, 5), (4, 0, 5, 1), (3, 7, 2, 6), (7, 3, 6, 2))

RGB565, RGB555, RGB444, RGB332 = (5, 6, 5), (5, 5, 5), (4, 4, 4), (3, 3, 2)

Matrix = Sequence[Sequence[int]]


def tiled(matrix: Matrix, like: Tensor) -> Tensor:
    """Repeat a matrix over the plane of ``like`` (..., H, W); the result is (H, W)."""
    h, w = like.shape[-2:]
    cell = torch.tensor(matrix, dtype=like.dtype, device=like.device)
    return cell.repeat(-(-h // cell.shape[0]), -(-w // cell.shape[1]))[:h, :w]


def thresholds(matrix: Matrix, like: Tensor) -> Tensor:
    """Return the ordered dither (H, W) of a threshold matrix, evenly spaced over (-0.5, 0.5)."""
    return (tiled(matrix, like) + 0.5) / (len(matrix) * len(matrix[0])) - 0.5


def reduce_bits(x: Tensor, bits: Sequence[int], *, truncate: bool = False, dither: Matrix | None = None) -> Tensor:
    """Store (N, C, H, W) in [0, 1] with ``bits`` for each channel and read it back as 8 bits.

    Values are rounded to the nearest level, or with ``truncate`` lose their lower bits as a plain shift does. With
    ``dither`` an ordered pattern of one step decides between the level below and the one above instead. Read back,
    level v of n is round(255 v / n), as the table in GLideN64's ``src/convert.h`` has it; decoders that repeat the
    upper bits in the lower ones are 1 lower at 3 and 7 of 31, and 1 higher at 24 and 28.
    """
    planes = []
    offset = 0.0 if dither is None else thresholds(dither, x)
    for channel, depth in zip(x.unbind(1), bits, strict=True):
        top = 2**depth - 1
        if truncate and dither is None:
            level = (channel * 255).round().div(2 ** (8 - depth)).floor()
        else:
            level = (channel * top + offset).round().clamp(0, top)
        planes.append((level * 255 / top).round())
    return torch.stack(planes, 1) / 255


def playstation_frame(x: Tensor) -> Tensor:
    """Draw (N, 3, H, W) into a PlayStation frame buffer: its dither, then 15 bits (pre-rendered backgrounds)."""
    level = ((x * 255).round() + tiled(PLAYSTATION, x)).div(8).floor().clamp(0, 31)
    return ((level * 527 + 23) / 64).floor() / 255


def n64_frame(x: Tensor, matrix: Matrix = N64_MAGIC) -> Tensor:
    """Draw (N, 3, H, W) into a Nintendo 64 frame buffer of 16 bits with a dither; read by repeating bits."""
    level = ((x * 255).round() + tiled(matrix, x)).clamp(max=255).div(8).floor()
    return (level * 8 + (level / 4).floor()) / 255
