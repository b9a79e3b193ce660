"""From a high-resolution batch to the low-resolution batch that a net must learn to undo, drawn anew each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from texup.degradations.bits import (
    BAYER_2,
    BAYER_4,
    BAYER_8,
    N64_BAYER,
    N64_MAGIC,
    RGB332,
    RGB444,
    RGB555,
    RGB565,
    n64_frame,
    playstation_frame,
    reduce_bits,
)
from texup.degradations.blocks import bc1
from texup.degradations.jpeg import jpeg
from texup.degradations.palettes import FIT_STEPS, diffuse, fit_palette, paint, ramp_palettes
from texup.degradations.reduce import downscale, round_8bit

BLUR_SIGMA = (0.2, 0.8)  # in pixels of the high-resolution picture
SHARPEN_AMOUNT = (0.3, 0.8)
NOISE_SIGMA = 2 / 255
DARK_GAIN = (0.12, 0.7)
GRIT = 0.35  # standard deviation, as a share of the texel
GRIT_SIGMA = (0.0, 2.5)  # in pixels of the high-resolution picture
FILTER_REACH = 2  # taps on each side of the blur: sigma 0.8 is done by then
PALETTE_TEXELS = 1024  # of the texture around a patch, from which its palette is fitted
CI4, CI8 = (16,), (256, 256, 64, 32)
GAME_RAMPS, GAME_SHADES = 16, (16, 8)  # of one palette for all textures of a game
FEW_STEPS = 3  # of k-means for more colours than CI4: more change the palette by less than 0.1 dB
DITHERS = {"none": 0.6, "diffuse": 0.25, "ordered": 0.15}  # of palettes

Texels = Callable[[Tensor, int], Tensor]
"""Given indices (n,) of patches in the batch and a count, texels (n, count, 3) of the textures that they lie in."""


class Dice:
    """Draws from one generator on the CPU, whatever the device, so that every device sees the same numbers."""

    def __init__(self, generator: torch.Generator) -> None:
        """Draw from ``generator``."""
        self.generator = generator

    def uniform(self, low: float, high: float, count: int, like: Tensor) -> Tensor:
        """Return (count,) numbers in [low, high) on the device of ``like``."""
        return (torch.rand(count, generator=self.generator) * (high - low) + low).to(like)

    def number(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return float(torch.rand((), generator=self.generator)) * (high - low) + low

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return bool(torch.rand((), generator=self.generator) < probability)

    def one_of(self, count: int) -> int:
        """Return a number below ``count``."""
        return int(torch.randint(count, (), generator=self.generator))

    def names(self, shares: Mapping[str, float], count: int) -> list[tuple[str, Tensor]]:
        """Share out the numbers below ``count`` by weight; return each name drawn with its (n,) numbers."""
        keys = list(shares)
        weights = torch.tensor([shares[key] for key in keys], dtype=torch.float32)
        drawn = torch.multinomial(weights, count, replacement=True, generator=self.generator)
        return [(keys[k], (drawn == k).nonzero()[:, 0]) for k in sorted(set(drawn.tolist()))]


def degrade(
    hr: Tensor,
    scale: int,
    kernels: Mapping[str, float],
    formats: Mapping[str, float],
    texels: Texels,
    generator: torch.Generator,
    *,
    blur: float = 0.0,
    sharpen: float = 0.0,
    noise: float = 0.0,
) -> Tensor:
    """Reduce (N, 3, H, W) in [0, 1] as games stored their textures.

    Args:
        hr: the pictures; sides are multiples of ``scale``.
        scale: the factor.
        kernels: shares of the reductions, of ``texup.degradations.KERNELS``.
        formats: shares of what is done to the reduced texture, of ``FORMATS``.
        texels: gives texels of the textures around the patches, for their palettes.
        generator: the only source of chance.
        blur: share of pictures blurred a little before, as soft sources are.
        sharpen: share of pictures sharpened before, as artists did by hand.
        noise: share of results with noise of up to 2 levels.

    Returns:
        (N, 3, H/scale, W/scale) on steps of 1/255.
    """
    dice = Dice(generator)
    count = hr.shape[0]
    source = hr
    for what, chosen in dice.names({"none": 1 - blur - sharpen, "blur": blur, "sharpen": sharpen}, count):
        if what != "none":
            source = source.index_copy(0, chosen.to(hr.device), _FILTERS[what](source[chosen], dice))
    lr = hr.new_empty(count, 3, hr.shape[2] // scale, hr.shape[3] // scale)
    for kernel, chosen in dice.names(kernels, count):
        lr[chosen] = downscale(source[chosen], scale, kernel, generator=generator)
    lr = round_8bit(lr)
    for name, chosen in dice.names(formats, count):
        if name != "clean":
            lr[chosen] = FORMATS[name](lr[chosen], dice, partial(texels, chosen))
    noisy = (torch.rand(count, generator=generator) < noise).nonzero()[:, 0]
    if len(noisy):
        sigma = dice.uniform(0, NOISE_SIGMA, len(noisy), lr)[:, None, None, None]
        grain = torch.randn(lr[noisy].shape, generator=generator).to(lr)
        lr[noisy] = round_8bit(lr[noisy] + grain * sigma)
    return lr


def roughen(hr: Tensor, generator: torch.Generator, *, dark: float = 0.0, grit: float = 0.0) -> Tensor:
    """Make some of the pictures (N, 3, H, W) in [0, 1] darker, and give some a grain, as stone has it.

    Nets learn here that the noise of dark stone is noise: from photographs alone they join it into strokes.

    Args:
        hr: the pictures.
        generator: the only source of chance.
        dark: share of pictures darkened by a factor of ``DARK_GAIN``.
        grit: share of pictures with Gaussian noise of up to ``GRIT`` of each texel's own brightness, as wide and as
            long as ``GRIT_SIGMA`` says.

    Returns:
        New pictures on steps of 1/255.
    """
    dice, count = Dice(generator), hr.shape[0]
    gritty = (torch.rand(count, generator=generator) < grit).nonzero()[:, 0]
    darker = (torch.rand(count, generator=generator) < dark).nonzero()[:, 0]
    if not len(gritty) and not len(darker):
        return hr
    hr = hr.clone()
    if len(gritty):
        noise = torch.randn(len(gritty), 1, *hr.shape[2:], generator=generator).to(hr)
        widths = dice.uniform(*GRIT_SIGMA, 2 * len(gritty), hr).view(2, -1)
        noise = _smoothed(noise, widths)
        amount = dice.uniform(0, GRIT, len(gritty), hr)[:, None, None, None] / noise.std((1, 2, 3), keepdim=True)
        hr[gritty] += hr[gritty] * noise * amount
    if len(darker):
        hr[darker] *= dice.uniform(*DARK_GAIN, len(darker), hr)[:, None, None, None]
    return round_8bit(hr.clamp(0, 1))


def _smoothed(noise: Tensor, sigmas: Tensor) -> Tensor:
    """Blur each of (n, 1, H, W) by a Gaussian of its own (2, n) widths down and across, around the borders."""
    for axis, sigma in zip((2, 3), sigmas, strict=True):
        frequency = torch.fft.rfftfreq(noise.shape[axis], device=noise.device)
        passed = torch.exp(-2 * (torch.pi * sigma[:, None] * frequency) ** 2)
        shape = [len(sigma), 1, 1, 1]
        shape[axis] = len(frequency)
        spectrum = torch.fft.rfft(noise, dim=axis) * passed.view(shape)
        noise = torch.fft.irfft(spectrum, n=noise.shape[axis], dim=axis)
    return noise


def _blur(x: Tensor, dice: Dice) -> Tensor:
    """Blur each picture of (n, 3, H, W) by a Gaussian of its own width."""
    sigma = dice.uniform(*BLUR_SIGMA, x.shape[0], x)[:, None]
    offset = torch.arange(-FILTER_REACH, FILTER_REACH + 1, device=x.device)
    taps = torch.exp(-(offset**2) / (2 * sigma**2))
    taps = (taps / taps.sum(1, keepdim=True)).repeat_interleave(3, 0)
    planes = F.pad(x, (FILTER_REACH,) * 4, mode="replicate").flatten(0, 1)[None]
    planes = F.conv2d(planes, taps[:, None, :, None], groups=taps.shape[0])
    return F.conv2d(planes, taps[:, None, None, :], groups=taps.shape[0])[0].view_as(x)


def _sharpen(x: Tensor, dice: Dice) -> Tensor:
    """Add to each picture a share of what a blur of one pixel takes from it."""
    amount = dice.uniform(*SHARPEN_AMOUNT, x.shape[0], x)[:, None, None, None]
    soft = F.avg_pool2d(F.pad(x, (1,) * 4, mode="replicate"), 3, 1)
    return (x + amount * (x - soft)).clamp(0, 1)


_FILTERS: dict[str, Callable[[Tensor, Dice], Tensor]] = {"blur": _blur, "sharpen": _sharpen}


def _bc1(x: Tensor, dice: Dice, _: Callable[[int], Tensor]) -> Tensor:
    luma = (0.3, 0.59, 0.11) if dice.chance(0.3) else (1.0, 1.0, 1.0)
    if dice.chance(0.2):  # tools dither what they are about to encode
        x = reduce_bits(x, RGB565, dither=BAYER_4)
    return bc1(x, fits=dice.one_of(3), luma=luma, floor=dice.chance(0.15))


def _cmpr(x: Tensor, dice: Dice, _: Callable[[int], Tensor]) -> Tensor:
    return bc1(x, gamecube=True, fits=dice.one_of(3))


def _palette(x: Tensor, dice: Dice, texels: Callable[[int], Tensor], colours: int) -> Tensor:
    bits = 5 if dice.chance(0.7) else 8
    steps = FIT_STEPS if colours in CI4 else FEW_STEPS
    palette = fit_palette(texels(PALETTE_TEXELS), colours, bits=bits, steps=steps)
    return _painted(x, dice, palette)


def _painted(x: Tensor, dice: Dice, palette: Tensor) -> Tensor:
    """Give (n, 3, h, w) the colours of their palettes, by one of the dithers."""
    ((kind, _),) = dice.names(DITHERS, 1)
    if kind == "diffuse":
        return diffuse(x, palette, strength=dice.number(0.5, 1.0))
    return paint(x, palette, amplitude=dice.number(0.3, 1.0) if kind == "ordered" else 0.0)


def _ci4(x: Tensor, dice: Dice, texels: Callable[[int], Tensor]) -> Tensor:
    return _palette(x, dice, texels, CI4[dice.one_of(len(CI4))])


def _ci8(x: Tensor, dice: Dice, texels: Callable[[int], Tensor]) -> Tensor:
    return _palette(x, dice, texels, CI8[dice.one_of(len(CI8))])


def _game(x: Tensor, dice: Dice, texels: Callable[[int], Tensor]) -> Tensor:
    """Use a palette that was made for a whole game: half of its ramps have hues of the texture, half have others."""
    own = texels(GAME_RAMPS // 2)
    others = torch.rand(own.shape, generator=dice.generator).to(own)
    others[:, 0] = 1  # every game has a grey
    return _painted(x, dice, ramp_palettes(torch.cat((own, others), 1), GAME_SHADES[dice.one_of(2)], dice.generator))


def _bits15(x: Tensor, dice: Dice, _: Callable[[int], Tensor]) -> Tensor:
    return reduce_bits(x, RGB555, truncate=dice.chance(0.5))


def _bits16(x: Tensor, dice: Dice, _: Callable[[int], Tensor]) -> Tensor:
    bits = (RGB565, RGB565, RGB444, RGB332)[dice.one_of(4)]
    matrix = (BAYER_2, BAYER_4, BAYER_8)[dice.one_of(3)] if dice.chance(0.5) else None
    return reduce_bits(x, bits, truncate=dice.chance(0.5), dither=matrix)


def _frame(x: Tensor, dice: Dice, _: Callable[[int], Tensor]) -> Tensor:
    return playstation_frame(x) if dice.chance(0.75) else n64_frame(x, (N64_MAGIC, N64_BAYER)[dice.one_of(2)])


def _jpeg(x: Tensor, dice: Dice, _: Callable[[int], Tensor]) -> Tensor:
    for _again in range(2 if dice.chance(0.15) else 1):
        x = jpeg(x, dice.uniform(60, 96, x.shape[0], x).floor(), subsample=dice.chance(0.7))
    return x


FORMATS: dict[str, Callable[[Tensor, Dice, Callable[[int], Tensor]], Tensor]] = {
    "clean": lambda x, _dice, _texels: x,
    "bc1": _bc1,
    "cmpr": _cmpr,
    "ci4": _ci4,
    "ci8": _ci8,
    "game": _game,
    "15bit": _bits15,
    "16bit": _bits16,
    "frame": _frame,
    "jpeg": _jpeg,
}
"""What is done to a reduced texture, by the name that recipes use."""
