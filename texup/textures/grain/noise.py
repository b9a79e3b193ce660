"""Noise for grain: of the frequencies above a source's texels, in a few directions, and without a mean in any texel.

There is one for each kind and size, of which every texture takes another part: to make it takes longer than all else
about grain. All transforms are numpy's, which use one thread, and what they return is rounded, so that no last bit of
another machine gets into a picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from texup.textures.color import Plane
from texup.textures.seams import Edge

Waves = NDArray[np.complex64]

DIRECTIONS = 7  # of streaks, evenly over a half turn; with a narrower lobe there would be gaps between them
NARROW = 5.0  # of a lobe: its amplitude is halved at 16 degrees from its middle
DECAY = 1.2  # exponent of the amplitude over frequency; 1 keeps the contrast of every octave, as photographs do
RISE = (0.3, 0.7)  # cycles a texel: a source's texels carry up to 0.5, by and by less
FALL = (0.3, 0.55)  # cycles a pixel of the result, which carries 0.5 along its axes
PERIOD = 512  # pixels after which noise may repeat
LEAST_PERIOD = 16  # texels
STEPS = 1024  # to which a deviation is rounded
SEED = 0  # any would do


@dataclass(frozen=True, slots=True)
class Spectrum:
    """What makes noise of white noise, over the frequencies of (rows * scale, columns * scale) pixels.

    Noise is real, so that only the first half of the columns is kept, (rows * scale, columns * scale // 2 + 1).
    """

    amplitude: Plane
    means: Waves
    """The amplitude of what white noise leaves as means over texels."""
    sums: Plane
    """Power of the means (rows, columns) over all frequencies that look the same at the texels."""


@lru_cache(maxsize=96)  # textures of a pack share a few sizes; at most 1 MB each
def noise_of(kind: int, period: tuple[int, int], scale: int) -> Plane:
    """Return noise without a direction (0), or whose waves run in the ``kind``-th of ``DIRECTIONS`` (1 and on).

    All kinds are made of the same white noise and have deviation 1. They have no mean in any texel of the source: of
    all noise with its spectrum each is that of no means next to what the white noise gives. To take the means away as
    they are would draw the grid of the texels.

    Args:
        kind: which is wanted.
        period: (rows, columns) of texels after which it repeats.
        scale: pixels of the result a texel.

    Returns:
        float32 (rows * scale, columns * scale), not to be written to.
    """
    waves = _shaped(_white(period, scale), spectrum(kind, period, scale), scale)
    plane = np.fft.irfft2(waves, (period[0] * scale, period[1] * scale)).astype(np.float32, copy=False)
    plane *= np.float32(STEPS) / np.sqrt(np.mean(np.square(plane)))  # the mean is 0
    noise: Plane = np.rint(plane, out=plane)
    noise *= np.float32(1 / STEPS)
    noise.flags.writeable = False
    return noise


@lru_cache(maxsize=8)  # what all kinds of noise on one size are made of; at most 1 MB each
def _white(period: tuple[int, int], scale: int) -> Waves:
    """Return the transform of white noise."""
    generator = np.random.Generator(np.random.PCG64(SEED))
    drawn = generator.standard_normal((period[0] * scale, period[1] * scale), np.float32)
    # Any norm would do. With the usual one, a factor of 1, numpy 2 leaves 32 bits and takes six times as long.
    white = np.fft.rfft2(drawn, norm="forward").astype(np.complex64, copy=False)
    white.flags.writeable = False
    return white


def period_of(side: int, scale: int, edge: Edge) -> int:
    """Return after how many texels noise repeats along a side.

    Where it wraps all of a short one, else a divisor if there is one; elsewhere a power of two, as more sides share it.
    """
    most = max(PERIOD // scale, LEAST_PERIOD)
    if edge != "wrap":
        return min(most, 1 << (side - 1).bit_length())
    if side <= most:
        return side
    return next((period for period in range(most, most // 2, -1) if side % period == 0), most)


def _shaped(white: Waves, kind: Spectrum, scale: int) -> Waves:
    """Give white noise a spectrum, and take out what has a mean in some texel."""
    means = _folded(white * kind.means, kind.sums.shape) / kind.sums
    rows = kind.means.reshape(scale, len(means), -1)
    shares = rows.conj()
    shares *= np.tile(means, scale)[:, : rows.shape[2]]
    waves = white - shares.reshape(white.shape)
    waves *= kind.amplitude
    return waves


def _folded(half: Waves, size: tuple[int, int]) -> Waves:
    """Return sums (rows, columns) over the frequencies that look the same at the texels, of half of them."""
    rows = half.reshape(-1, size[0], half.shape[1]).sum(axis=0)
    scale = len(half) // size[0]
    mirrored = np.roll(rows[::-1], 1, axis=0)[:, (scale * size[1] - 1) // 2 : 0 : -1]
    sums: Waves = np.concatenate([rows, mirrored.conj()], axis=1).reshape(size[0], scale, size[1]).sum(axis=1)
    return sums


def spectrum(kind: int, size: tuple[int, int], scale: int) -> Spectrum:
    """Return the spectrum of a kind of noise on ``size`` texels, smooth in radius and in direction.

    Noise ``a n`` of amplitude ``a`` whose means over texels are ``b a n``, added up over all frequencies that look the
    same at the texels, becomes ``a (n - a conj(b) sum(b a n) / sum(a^2 |b|^2))``: Gaussian noise conditioned on means
    of zero.
    """
    amplitude, double = _radial(size, scale)
    if kind:
        turn = np.float32(2 * (kind - 1) * (np.pi / DIRECTIONS))
        lobe = _lobe(double, turn)
        for axis, side in enumerate(size):
            if side * scale % 2 == 0:  # the finest wave of an even axis runs both ways
                finest = (slice(None),) * axis + (side * scale // 2,)
                lobe[finest] = (lobe[finest] + _lobe(double[finest], -turn)) / 2
        amplitude = amplitude * lobe
    means = amplitude * _window(size[0], scale)[:, None] * _window(size[1], scale)[: amplitude.shape[1]]
    sums = _folded(means.real**2 + means.imag**2, size)
    return Spectrum(amplitude, means, np.maximum(sums, np.float32(1e-12) * sums.max()))


def _lobe(double: Plane, turn: np.float32) -> Plane:
    """Return the amplitude of streaks in one direction by twice the direction of each frequency."""
    lobe: Plane = np.exp(np.float32(NARROW) * (np.cos(double - turn) - 1))
    return lobe


@lru_cache(maxsize=8)  # what all kinds of noise on one size share; at most 4 MB each
def _radial(size: tuple[int, int], scale: int) -> tuple[Plane, Plane]:
    """Return the amplitude of noise without a direction, and twice the direction, of each frequency."""
    down, across = (np.fft.fftfreq(side * scale) * scale for side in size)  # cycles a texel
    fy, fx = down[:, None], across[None, : size[1] * scale // 2 + 1]
    radius = np.hypot(fy, fx)
    amplitude = np.maximum(radius, RISE[0]) ** -DECAY * _ramp(radius, RISE) * (1 - _ramp(radius / scale, FALL))
    return amplitude.astype(np.float32), (2 * np.arctan2(fy, fx)).astype(np.float32)


@lru_cache(maxsize=64)  # a line each
def _window(side: int, scale: int) -> Waves:
    """Return the transform of the mean over a texel, at the frequencies of ``side * scale`` pixels."""
    turns = 2j * np.pi * np.fft.fftfreq(side * scale)[:, None] * np.arange(scale)
    window: Waves = np.exp(turns).mean(axis=1).astype(np.complex64)
    return window


def _ramp(values: NDArray[np.float64], ends: tuple[float, float]) -> NDArray[np.float64]:
    t = np.clip((values - ends[0]) / (ends[1] - ends[0]), 0, 1)
    ramp: NDArray[np.float64] = t * t * (3 - 2 * t)
    return ramp
