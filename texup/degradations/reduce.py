"""The ways in which artists and tools made a texture small."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from texup.degradations.light import to_linear, to_srgb

KERNELS = ("bicubic", "box", "box_linear", "bilinear", "lanczos", "nearest", "mixed")
LANCZOS_LOBES = 3


def round_8bit(x: Tensor) -> Tensor:
    """Clip to [0, 1] and round to multiples of 1/255, as a stored texture is."""
    return x.clamp(0, 1).mul(255).round().div(255)


def downscale(
    hr: Tensor, scale: int, kernel: str, *, wrap: bool = False, generator: torch.Generator | None = None
) -> Tensor:
    """Reduce (N, C, H, W) to (N, C, H/scale, W/scale); the result is neither clipped nor rounded.

    ``bicubic`` (equal to MATLAB's ``imresize``), ``bilinear`` and ``lanczos`` are antialiased; ``box`` is the mip
    chain, ``box_linear`` the same in linear light; ``nearest`` takes one of the two middle texels on each axis: the
    upper left one, or one drawn from ``generator``, so that a net sees no constant shift; ``mixed`` is a box by two,
    then bicubic, or nearest for half of the draws from ``generator``. With ``wrap`` the far side continues the
    picture, and the reduction commutes with rolling by ``scale``.

    Raises:
        ValueError: the kernel is unknown, the sides are no multiples of ``scale``, or ``mixed`` has an odd scale.
    """
    if kernel not in KERNELS:
        raise ValueError(f"unknown kernel {kernel!r}: use one of {', '.join(KERNELS)}")
    h, w = hr.shape[-2:]
    if h % scale or w % scale:
        raise ValueError(f"{h}x{w} cannot be divided by {scale}")
    if not wrap or kernel in ("box", "box_linear", "nearest"):
        return _reduce(hr, scale, kernel, generator)
    margin = LANCZOS_LOBES + 1  # texels of the result; no kernel reaches further
    rows = torch.arange(-margin * scale, h + margin * scale, device=hr.device) % h
    columns = torch.arange(-margin * scale, w + margin * scale, device=hr.device) % w
    padded = hr[..., rows, :][..., columns]
    return _reduce(padded, scale, kernel, generator)[..., margin:-margin, margin:-margin]


def most_typical(hr: Tensor, scale: int) -> Tensor:
    """Reduce (N, 4, H, W) in [0, 1], straight alpha, to (N, 4, H/scale, W/scale) without mixing any two colours.

    Each texel is the pixel of its square that differs least from all of the square, summed over colour weighed with
    alpha, and alpha (the medoid): what an artist who draws with texels takes for it.
    """
    unshuffled = F.pixel_unshuffle(hr, scale)
    squares = unshuffled.view(len(hr), hr.shape[1], scale**2, *unshuffled.shape[2:])
    weighed = torch.cat((squares[:, :3] * squares[:, 3:], squares[:, 3:]), 1)
    differences = torch.stack([(weighed - weighed[:, :, k : k + 1]).abs().sum((1, 2)) for k in range(scale**2)], 1)
    chosen = differences.argmin(1)[:, None, None].expand(-1, hr.shape[1], 1, -1, -1)
    typical: Tensor = squares.gather(2, chosen)[:, :, 0]
    return typical


def _reduce(hr: Tensor, scale: int, kernel: str, generator: torch.Generator | None) -> Tensor:
    if kernel == "box":
        return F.avg_pool2d(hr, scale)
    if kernel == "box_linear":
        return to_srgb(F.avg_pool2d(to_linear(hr), scale))
    if kernel == "nearest":
        y, x = (_middle(scale, generator) for _ in range(2))
        return hr[..., y::scale, x::scale]
    if kernel == "mixed":
        if scale % 2:
            raise ValueError(f"the kernel mixed needs an even scale, not {scale}")
        again = "nearest" if generator is not None and torch.rand((), generator=generator) < 0.5 else "bicubic"
        return _reduce(F.avg_pool2d(hr, 2), scale // 2, again, generator)
    if kernel == "lanczos":
        rows, columns = (_lanczos(side, scale, hr) for side in hr.shape[-2:])
        return rows @ hr @ columns.mT
    size = (hr.shape[-2] // scale, hr.shape[-1] // scale)
    return F.interpolate(hr, size, mode=kernel, antialias=True, align_corners=False)


def _middle(scale: int, generator: torch.Generator | None) -> int:
    low, high = (scale - 1) // 2, scale // 2
    return low if generator is None else int(torch.randint(low, high + 1, (), generator=generator))


def _lanczos(side: int, scale: int, like: Tensor) -> Tensor:
    """Return the matrix (side/scale, side) of the windowed sinc stretched by ``scale``; borders are repeated."""
    reach = LANCZOS_LOBES * scale
    out = torch.arange(side // scale, dtype=torch.float64)
    centre = (out + 0.5) * scale - 0.5
    taps = torch.arange(-reach, reach + scale)
    source = (out * scale).long()[:, None] + taps
    distance = (source - centre[:, None]) / scale
    weights = torch.sinc(distance) * torch.sinc(distance / LANCZOS_LOBES) * (distance.abs() < LANCZOS_LOBES)
    weights /= weights.sum(1, keepdim=True)
    matrix = torch.zeros(side // scale, side, dtype=torch.float64)
    matrix.scatter_add_(1, source.clamp(0, side - 1), weights)
    return matrix.to(like)
