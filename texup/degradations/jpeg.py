"""Baseline JPEG, as far as it loses anything: colour conversion, chroma subsampling, quantised 8x8 DCT."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

# ITU-T T.81, annex K, tables K.1 and K.2.
LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
CHROMA_TABLE = (
    (17, 18, 24, 47, 99, 99, 99, 99), (18, 21, 26, 66, 99, 99, 99, 99), (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99), *(((99,) * 8,) * 4),
)  # fmt: skip
# JFIF 1.02: full-range BT.601.
TO_YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))
SIDE = 8


def jpeg(x: Tensor, quality: Tensor | int, *, subsample: bool = True) -> Tensor:
    """Save (N, 3, H, W) in [0, 1] as JPEG and read it back.

    Args:
        x: any sides; the last row and column are repeated to fill the blocks.
        quality: 1 to 100 by the Independent JPEG Group's scale, for all pictures or for each (N,).
        subsample: 4:2:0; chroma is averaged over 2x2 and read back with a triangle filter, as libjpeg does.
    """
    n, _, h, w = x.shape
    quality = torch.as_tensor(quality, dtype=x.dtype, device=x.device).expand(n)
    step = SIDE * (2 if subsample else 1)
    full = F.pad(x, (0, -w % step, 0, -h % step), mode="replicate") * 255
    ycc = torch.einsum("dc,nchw->ndhw", x.new_tensor(TO_YCBCR), full.round()).round()
    luma, chroma = ycc[:, :1] - 128, ycc[:, 1:]
    if subsample:
        chroma = F.avg_pool2d(chroma, 2)
    luma = _through_blocks(luma, _table(LUMA_TABLE, quality)) + 128
    chroma = _through_blocks(chroma.round(), _table(CHROMA_TABLE, quality))
    if subsample:
        chroma = F.interpolate(chroma, scale_factor=2.0, mode="bilinear", align_corners=False)
    planes = torch.cat((luma, chroma), 1)
    rgb = torch.einsum("dc,nchw->ndhw", x.new_tensor(TO_RGB), planes)
    return rgb[..., :h, :w].round().clamp(0, 255) / 255


def _table(base: tuple[tuple[int, ...], ...], quality: Tensor) -> Tensor:
    """Return the quantisation tables (N, 1, 8, 8) of the Independent JPEG Group's quality scale."""
    percent = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality)[:, None, None, None]
    return ((quality.new_tensor(base) * percent + 50) / 100).floor().clamp(1, 255)


def _through_blocks(planes: Tensor, table: Tensor) -> Tensor:
    """Quantise the DCT of the 8x8 blocks of (N, C, H, W) by ``table`` (N, 1, 8, 8) and go back to signed bytes."""
    n, c, h, w = planes.shape
    k = torch.arange(SIDE, dtype=torch.float64)
    dct = torch.cos((2 * k + 1) * k[:, None] * math.pi / (2 * SIDE)) * 0.5
    dct[0] *= 0.5**0.5
    dct = dct.to(planes)
    blocks = planes.view(n, c, h // SIDE, SIDE, w // SIDE, SIDE).transpose(3, 4)
    table = table[:, :, None, None]
    coefficients = (dct @ blocks @ dct.mT / table).round() * table
    return (dct.mT @ coefficients @ dct).transpose(3, 4).reshape(n, c, h, w).round().clamp(-128, 127)
