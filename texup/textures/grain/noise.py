"""Noise for grain: of the frequencies above a source's texels, in a few directions, and without a mean in any texel.

It is a function of its size and its seed alone. All transforms are numpy's, which use one thread, and what they return
is rounded, so that no last bit of another machine gets into a picture.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from texup.textures.color import Plane

Waves = NDArray[np.complex64]

DIRECTIONS = 7  # of streaks, evenly over a half turn; with a narrower lobe there would be gaps between them
NARROW = 5.0  # of a lobe: its amplitude is halved at 16 degrees from its middle
DECAY = 1.2  # exponent of the amplitude over frequency; 1 keeps the contrast of every octave, as photographs do
RISE = (0.3, 0.7)  # cycles a texel: a source's texels carry up to 0.5, by and by less
FALL = (0.3, 0.55)  # cycles a pixel of the result, which carries 0.5 along its axes
PERIOD = 512  # pixels after which noise may repeat
LEAST_PERIOD = 16  # texels
STEPS = 1024  # to which a deviation is rounded


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Amplitudes over the frequencies of (rows * scale, columns * scale) pixels, and what mends the means."""

    amplitude: Plane
    mending: Waves
    """Takes the transform of the texels' means, laid out again and again, to that of what removes them."""


def noise_of(kinds: Collection[int], size: tuple[int, int], scale: int, seed: int) -> dict[int, Plane]:
    """Return noise without a direction (0), or whose waves run in the ``k``-th of ``DIRECTIONS`` (1 and on).

    Each is of deviation 1, all are of the same seed. They have no mean in any texel of the source: of all noise with
    its spectrum each is that of no means next to what the seed gives. To take the means away as they are would draw
    the grid of the texels.

    Args:
        kinds: which are wanted.
        size: (rows, columns) of the source.
        scale: pixels of the result a texel.
        seed: decides the noise.

    Returns:
        By kind, float32 (rows * scale, columns * scale), or less of either side: it goes on periodically.
    """
    period = (_period(size[0], scale), _period(size[1], scale))
    generator = np.random.Generator(np.random.PCG64(seed))
    white = generator.standard_normal((period[0] * scale, period[1] * scale), np.float32)
    waves_of = np.fft.fft2(white).astype(np.complex64, copy=False)
    wanted = sorted(kinds)
    noise: dict[int, Plane] = {}
    for pair in zip(wanted[::2], [*wanted[1::2], None], strict=False):
        waves = [_shaped(waves_of, spectrum(kind, period, scale), scale) for kind in pair if kind is not None]
        both = np.fft.ifft2(waves[0] + 1j * waves[1] if len(waves) > 1 else waves[0])  # each is real: two at once
        for kind, plane in zip(pair, (both.real, both.imag), strict=True):
            if kind is not None:
                rounded = np.rint(plane * (STEPS / plane.std())) / STEPS
                noise[kind] = rounded.astype(np.float32, copy=False)
    return noise


def _period(side: int, scale: int) -> int:
    """Return after how many texels noise repeats along a side: all of a short one, else a divisor if there is one."""
    most = max(PERIOD // scale, LEAST_PERIOD)
    if side <= most:
        return side
    return next((period for period in range(most, most // 2, -1) if side % period == 0), most)


def _shaped(white: Waves, kind: Spectrum, scale: int) -> Waves:
    """Give white noise a spectrum, and take out what has a mean in some texel."""
    waves = white * kind.amplitude
    h, w = waves.shape
    aliases = (scale, h // scale, scale, w // scale)
    means = (waves * _window(h // scale, scale)[:, None] * _window(w // scale, scale)).reshape(aliases).sum(axis=(0, 2))
    waves -= (kind.mending.reshape(aliases) * means[:, None]).reshape(h, w)
    return waves


@lru_cache(maxsize=32)  # textures of a pack share a few sizes; at most 12 MB each
def spectrum(kind: int, size: tuple[int, int], scale: int) -> Spectrum:
    """Return the spectrum of a kind of noise on ``size`` texels, smooth in radius and in direction.

    Noise ``n`` of power ``p`` whose means over texels are ``b * n``, added up over all frequencies that look the same
    at the texels, becomes ``n - p conj(b) sum(b n) / sum(p |b|^2)``: Gaussian noise conditioned on means of zero.
    """
    amplitude, angle = _radial(size, scale)
    if kind:
        turn = (kind - 1) * (np.pi / DIRECTIONS)
        amplitude = amplitude * np.exp(NARROW * (np.cos(2 * (angle - turn)) - 1))
    window = _window(size[0], scale)[:, None] * _window(size[1], scale)
    power = amplitude**2
    sums = (power * np.abs(window) ** 2).reshape(scale, size[0], scale, size[1]).sum(axis=(0, 2))
    mending = power * window.conj() / np.tile(np.maximum(sums, 1e-12 * sums.max()), (scale, scale))
    return Spectrum(amplitude.astype(np.float32), mending.astype(np.complex64))


@lru_cache(maxsize=8)  # what all kinds of noise on one size share; at most 4 MB each
def _radial(size: tuple[int, int], scale: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the amplitude of noise without a direction, and the direction, of each frequency."""
    fy, fx = (np.fft.fftfreq(side * scale) * scale for side in size)  # cycles a texel
    radius = np.hypot(fy[:, None], fx[None])
    amplitude = np.maximum(radius, RISE[0]) ** -DECAY * _ramp(radius, RISE) * (1 - _ramp(radius / scale, FALL))
    return amplitude, np.arctan2(fy[:, None], fx[None])


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
