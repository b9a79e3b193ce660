"""Palettes: CI4 and CI8 of the Nintendo 64, CLUTs of the PlayStations, with the dithers of their tools.

Colours are compared in whole quarters of a level: all sums then are whole numbers below 2**24, exact in float32 (and
products even in TF32), and a result is the same on every device and in every batch.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from texup.degradations.bits import BAYER_4, thresholds

FIT_STEPS = 6  # of k-means
QUARTERS = 255 * 4
CHUNK = 1 << 18  # distances at once: they stay in the cache of a core
REPEATS = 4  # a palette starts from the distinct colours, and for 1 in so many parts from how often each is used
# Shares of the error that Floyd-Steinberg hands on, as (rows down, columns right, share), in the order of arrival.
FLOYD_STEINBERG = ((1, 1, 1 / 16), (1, 0, 5 / 16), (1, -1, 3 / 16), (0, 1, 7 / 16))


def fit_palette(samples: Tensor, colours: int, *, bits: int = 8, steps: int = FIT_STEPS) -> Tensor:
    """Return palettes (N, colours, 3) of the texels ``samples`` (N, S, 3) in [0, 1], by ``steps`` of k-means.

    Entries are rounded to ``bits`` a channel (5 on the Nintendo 64, PlayStation and DS, 8 on the PlayStation 2) and
    read back as 8 bits.
    """
    texels = (samples * 255).round() * 4
    palette = _start(texels, colours)
    ones = torch.ones_like(texels[..., 0])
    for _ in range(steps):
        index = _nearest(texels, palette)
        sums = torch.zeros_like(palette).scatter_add_(1, index[..., None].expand(-1, -1, 3), texels)
        counts = torch.zeros_like(palette[..., 0]).scatter_add_(1, index, ones)[..., None]
        palette = torch.where(counts > 0, (sums / counts.clamp(min=1)).round(), palette)
    top = 2**bits - 1
    entries: Tensor = ((palette / QUARTERS * top).round() * 255 / top).round() / 255
    return entries


def ramp_palettes(hues: Tensor, shades: int, generator: torch.Generator) -> Tensor:
    """Return palettes (N, R * shades, 3) in [0, 1] as one game had for all its textures: a ramp for each of few hues.

    A ramp goes from nearly black to the full brightness of its hue, in even steps of a gamma from 0.7 to 1.7. Doom and
    Quake have 14 to 16 such ramps of 16 shades.

    Args:
        hues: (N, R, 3) colours in [0, 1]; only the proportions of their channels count.
        shades: in a ramp.
        generator: the source of the gammas, on the CPU.
    """
    full = hues.clamp(min=1 / 255)
    full = full / full.amax(2, keepdim=True)
    gamma = 0.7 + torch.rand(*hues.shape[:2], 1, generator=generator).to(hues)
    bright = torch.linspace(0.5 / shades, 1, shades, device=hues.device) ** gamma
    entries: Tensor = (bright[..., None] * full[:, :, None]).flatten(1, 2)
    return (entries * 255).round() / 255


def _start(texels: Tensor, colours: int) -> Tensor:
    """Return ``colours`` of the ``texels`` (N, S, 3), evenly spaced in order of brightness.

    A colour of many texels takes little more room than one of a few: of a picture on a plain background every other
    entry would begin as the background's, and k-means never parts them.
    """
    count = texels.shape[1]
    key = (texels.long() * texels.new_tensor((2**32 + 2**20, 2**32 + 2**10, 2**32 + 1), dtype=torch.long)).sum(2)
    key, order = key.sort(1)
    fresh = F.pad(key[:, 1:] != key[:, :-1], (1, 0), value=True)
    distinct = fresh.sum(1, keepdim=True)
    room = torch.where(fresh, REPEATS * count, distinct).cumsum(1)
    step = torch.arange(colours, device=texels.device)
    wanted = 1 + step * (room[:, -1:] - 1) // max(1, colours - 1)
    chosen = order.gather(1, torch.searchsorted(room, wanted))
    return texels.gather(1, chosen[..., None].expand(-1, -1, 3))


def _nearest(texels: Tensor, palette: Tensor) -> Tensor:
    """Return the index (N, S) of the first nearest entry (N, K, 3) of each texel (N, S, 3), all in quarter levels.

    K is at most 256. Distance and index make one whole number of 31 bits, whose least is found several times faster
    than an argmin.
    """
    n, count = palette.shape[:2]
    number = torch.arange(count, dtype=torch.int32, device=texels.device)
    offset = ((palette * palette).sum(2).int() * count + number)[:, None]
    columns = palette.mT
    least = [
        torch.bmm(part, columns).int().mul_(-2 * count).add_(offset).amin(2)
        for part in torch.split(texels, max(1, CHUNK // (n * count)), 1)
    ]
    return torch.cat(least, 1).remainder(count).long()


def paint(x: Tensor, palette: Tensor, *, amplitude: float = 0.0) -> Tensor:
    """Replace every texel of (N, 3, H, W) by the nearest colour of its palette (N, K, 3).

    ``amplitude`` is that of an ordered 4x4 dither in steps between colours, which for K colours spread over the cube
    are about K to the power of -1/3 apart.
    """
    if amplitude:
        x = (x + amplitude * palette.shape[1] ** (-1 / 3) * thresholds(BAYER_4, x)).clamp(0, 1)
    index = _nearest((x.flatten(2).mT * QUARTERS).round(), (palette * QUARTERS).round())
    return palette.gather(1, index[..., None].expand(-1, -1, 3)).mT.reshape(x.shape)


def diffuse(x: Tensor, palette: Tensor, *, strength: float = 1.0) -> Tensor:
    """Paint (N, 3, H, W) with its palette (N, K, 3), handing ``strength`` of each error on to the neighbours.

    Texels with the same column + 2 * row wait for no other of their kind, so each such front is done at once. Row f of
    ``work`` is front f, one texel of each picture row.

    References:
        Floyd and Steinberg, "An adaptive algorithm for spatial grey scale", Proceedings of the SID 17(2), 1976.
    """
    n, _, h, w = x.shape
    rows, columns = torch.arange(h, device=x.device)[:, None], torch.arange(w, device=x.device)
    front = columns + 2 * rows
    fronts = w + 2 * (h - 1)
    work = x.new_zeros(fronts + 3, n, h + 1, 3)  # room for what falls out at the bottom and on the right
    inside = x.new_zeros(fronts, 1, h, 1)
    work[front, :, rows] = x.permute(2, 3, 0, 1)
    inside[front, :, rows] = strength
    squares = (palette * palette).sum(2)[:, None]
    out = torch.empty_like(work[:fronts, :, :h])
    for f in range(fronts):
        wanted = work[f, :, :h]
        index = torch.baddbmm(squares, wanted, palette.mT, alpha=-2).argmin(2)
        out[f] = palette.gather(1, index[..., None].expand(-1, -1, 3))
        error = (wanted - out[f]) * inside[f]
        for down, right, share in FLOYD_STEINBERG:
            work[f + right + 2 * down, :, down : down + h] += error * share
    return out[front, :, rows].permute(2, 3, 0, 1)
