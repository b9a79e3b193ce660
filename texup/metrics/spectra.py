"""How sharp a result is, whatever the phase of its detail: energies of frequencies beside those of the reference.

Spectra are of luma without its mean, under a Hann window; frequencies are in cycles per pixel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texup.metrics.fidelity import Picture, luma

Plane = NDArray[np.float64]

NYQUIST = 0.5
RINGS = 32  # of equal width from 0 to the Nyquist frequency
FLOOR = 1e-9  # energy that keeps the logarithm of an empty ring finite
SILENT = 1e-6  # mean energy of a coefficient that is rounding, not detail


def _energy(image: Picture) -> tuple[Plane, Plane]:
    """Return the energy of each frequency and its distance from zero, both (H, W)."""
    plane = luma(image)
    window = np.outer(np.hanning(plane.shape[0]), np.hanning(plane.shape[1]))
    energy = np.abs(np.fft.fft2((plane - plane.mean()) * window)) ** 2
    return energy, np.hypot(np.fft.fftfreq(plane.shape[0])[:, None], np.fft.fftfreq(plane.shape[1]))


def hf_ratio(sr: Picture, hr: Picture, scale: int) -> float:
    """Return the energy above the Nyquist frequency of the low-resolution picture, relative to the reference.

    1 is as much fine detail as the reference, 0 none. nan when the reference has none itself.
    """
    energy, radius = _energy(sr)
    reference, _ = _energy(hr)
    fine = (radius > NYQUIST / scale) & (radius <= NYQUIST)
    known = reference[fine].sum()
    return float(energy[fine].sum() / known) if known > SILENT * energy.size else float("nan")


def log_spectral_distance(sr: Picture, hr: Picture) -> float:
    """Return the root mean square difference in dB of the energies in rings of equal frequency; 0 is best.

    References:
        Rabiner and Juang, "Fundamentals of speech recognition", 1993, section 4.5.1 (the distance, over a spectrum of
        one axis; here over the rings of a spectrum of two).
    """
    levels = []
    for image in (sr, hr):
        energy, radius = _energy(image)
        ring = np.floor(radius / NYQUIST * RINGS).astype(np.intp).ravel()
        levels.append(10 * np.log10(np.bincount(ring, energy.ravel(), RINGS)[:RINGS] + FLOOR))
    return float(np.sqrt(np.mean((levels[0] - levels[1]) ** 2)))
