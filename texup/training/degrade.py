"""From a high-resolution batch to the low-resolution batch that a net must learn to undo."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from texup.training.config import KERNELS


def downscale(hr: Tensor, scale: int, kernel: str) -> Tensor:
    """Reduce (N, C, H, W) by ``scale`` with an antialiased kernel; bicubic equals MATLAB's ``imresize``.

    Raises:
        ValueError: the kernel is unknown.
    """
    if kernel == "box":
        return F.avg_pool2d(hr, scale)
    if kernel not in KERNELS:
        raise ValueError(f"unknown kernel {kernel!r}: use one of {', '.join(KERNELS)}")
    size = (hr.shape[-2] // scale, hr.shape[-1] // scale)
    return F.interpolate(hr, size, mode=kernel, antialias=True, align_corners=False)


def degrade(hr: Tensor, scale: int, shares: dict[str, float], generator: torch.Generator) -> Tensor:
    """Reduce each picture of (N, C, H, W) by a kernel drawn from ``shares``; clip and round to 8 bits.

    Returns (N, C, H/scale, W/scale) in [0, 1], on multiples of 1/255 as stored textures are.
    """
    names = list(shares)
    weights = torch.tensor([shares[n] for n in names], dtype=torch.float32)
    drawn = torch.multinomial(weights, hr.shape[0], replacement=True, generator=generator)
    lr = hr.new_empty(hr.shape[0], hr.shape[1], hr.shape[2] // scale, hr.shape[3] // scale)
    for k, name in enumerate(names):
        chosen = (drawn == k).to(hr.device)
        if chosen.any():
            lr[chosen] = downscale(hr[chosen], scale, name)
    return lr.clamp_(0, 1).mul_(255).round_().div_(255)


def cut_out_masks(count: int, hr_size: int, scale: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw random cut-out masks, as alpha planes have them.

    Returns:
        ``hr`` (count, 3, hr_size, hr_size) and ``lr`` (count, 3, hr_size/scale, hr_size/scale), three equal channels.
        The high-resolution mask is binary; the low-resolution one is binary in the first half and soft in the second.
    """
    coarse = 2 + int(torch.randint(0, 7, (), generator=generator))
    noise = torch.rand(count, 1, coarse, coarse, generator=generator)
    smooth = F.interpolate(noise, (hr_size, hr_size), mode="bicubic", align_corners=False)
    hr = (smooth > smooth.flatten(1).median(1).values[:, None, None, None]).float()
    lr = F.avg_pool2d(hr, scale)
    hard = (count + 1) // 2
    lr[:hard] = (lr[:hard] >= 0.5).float()
    return hr.expand(-1, 3, -1, -1), lr.expand(-1, 3, -1, -1)
