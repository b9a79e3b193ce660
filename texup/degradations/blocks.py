"""BC1 (DXT1) and GameCube CMPR: 4x4 blocks of two 565 colours and two between them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 4
POWER_STEPS = 4  # iterations towards the first principal axis of a block; more changes nothing visible
INSET = 1 / 16  # of the range, by which fast encoders draw the end colours in
MIX = {False: (1.0, 2 / 3, 1 / 3, 0.0), True: (1.0, 5 / 8, 3 / 8, 0.0)}  # by ``gamecube``
DEPTHS = (5, 6, 5)


def bc1(
    x: Tensor,
    *,
    gamecube: bool = False,
    fits: int = 1,
    luma: tuple[float, float, float] = (1.0, 1.0, 1.0),
    floor: bool = False,
) -> Tensor:
    """Encode (N, 3, H, W) in [0, 1] as BC1 with four opaque colours a block, and decode.

    Args:
        x: any sides; the last row and column are repeated to fill the blocks.
        gamecube: mix with 5/8 and 3/8 as the GameCube does, not 2/3 and 1/3.
        fits: least-squares fits of the end colours to the chosen indices; 0 is a fast encoder.
        luma: weight of red, green and blue in the choice of axis and index.
        floor: cut the end colours off at 5, 6 and 5 bits instead of rounding: the green tint of old tools.

    References:
        Direct3D functional specification, section 19.5 (block layout); Dolphin,
        ``TextureDecoder_Common.cpp``, DXTBlend.
        Principal axis and least squares: S. Brown, Squish; F. Giesen, stb_dxt.
    """
    n, _, height, width = x.shape
    full = F.pad(x, (0, -width % SIDE, 0, -height % SIDE), mode="replicate")
    h, w = full.shape[-2:]
    weight = x.new_tensor(luma)
    blocks = full.unfold(2, SIDE, SIDE).unfold(3, SIDE, SIDE).permute(0, 2, 3, 4, 5, 1).reshape(-1, SIDE * SIDE, 3)
    blocks = (blocks * 255).round()
    mix = x.new_tensor(MIX[gamecube])
    first, second = _ends(blocks, weight)
    for fit in range(fits + 1):
        low, high = _as_565(second, floor=floor), _as_565(first, floor=floor)
        colours = mix[:, None] * high[:, None] + (1 - mix)[:, None] * low[:, None]  # (B, 4, 3)
        colours = colours.floor() if gamecube else colours.round()
        index = _squares(blocks, colours, weight).argmin(2)
        if fit < fits:
            first, second = _least_squares(blocks, mix[index], first, second)
    chosen = colours.gather(1, index[..., None].expand(-1, -1, 3)) / 255
    grid = chosen.view(n, h // SIDE, w // SIDE, SIDE, SIDE, 3)
    return grid.permute(0, 5, 1, 3, 2, 4).reshape(n, 3, h, w)[..., :height, :width]


def _ends(blocks: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two ends (B, 3) of each block's colours along their principal axis, drawn in a little."""
    weighted = blocks * weight
    mean = weighted.mean(1, keepdim=True)
    spread = weighted - mean
    covariance = spread.mT @ spread
    axis = weighted.amax(1) - weighted.amin(1) + 1e-2
    for _ in range(POWER_STEPS):
        axis = (covariance @ axis[..., None])[..., 0]
        axis = axis / (axis.norm(dim=1, keepdim=True) + 1e-12)
    along = (spread @ axis[..., None])[..., 0]
    low, high = along.amin(1, keepdim=True), along.amax(1, keepdim=True)
    inset = (high - low) * INSET
    return tuple(((mean[:, 0] + axis * t) / weight).clamp(0, 255) for t in (high - inset, low + inset))  # type: ignore[return-value]


def _as_565(colour: Tensor, *, floor: bool) -> Tensor:
    """Round (or cut) colours (B, 3) in levels to 5, 6 and 5 bits; read them back with the upper bits repeated."""
    step = colour.new_tensor([2 ** (8 - depth) for depth in DEPTHS])
    top = 256 / step - 1
    level = (colour.round() / step).floor() if floor else (colour * top / 255).round()
    return level * step + (level * step / 2 ** colour.new_tensor(DEPTHS)).floor()


def _squares(blocks: Tensor, colours: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted squared distances (B, 16, 4), up to a constant of each texel."""
    a, b = blocks * weight, colours * weight
    return (b * b).sum(2)[:, None] - 2 * a @ b.mT


def _least_squares(blocks: Tensor, share: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return the ends (B, 3) that fit best when texel i has ``share[i]`` of the first; the old ones where singular."""
    other = 1 - share
    aa, ab, bb = (share * share).sum(1), (share * other).sum(1), (other * other).sum(1)
    a, b = (share[..., None] * blocks).sum(1), (other[..., None] * blocks).sum(1)
    determinant = (aa * bb - ab * ab)[:, None]
    sound = determinant.abs() > 1e-6
    safe = torch.where(sound, determinant, torch.ones_like(determinant))
    new_first = (bb[:, None] * a - ab[:, None] * b) / safe
    new_second = (aa[:, None] * b - ab[:, None] * a) / safe
    return (
        torch.where(sound, new_first, first).clamp(0, 255),
        torch.where(sound, new_second, second).clamp(0, 255),
    )
