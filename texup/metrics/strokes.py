"""Hatching: strokes of one direction, worms and leaves of a few pixels, that a net drew and nothing asked for.

A bank of quadrature filters, each for one wavelength and one direction, tells how strong a stripe stands at each pixel.
What counts is the strength of a direction beyond what the source (and the original) has of it nearby, less the mean
over the directions: grain is alike in all of them and cancels, a stroke stands in one or two.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texup.metrics.fidelity import Picture, luma
from texup.metrics.resizing import imresize

Plane = NDArray[np.float64]

DIRECTIONS = 12
FINE = (1.25, 1.75, 2.5)  # wavelengths of strokes in source texels: 5, 7 and 10 pixels at a scale of 4
COARSE = (3.5, 5.0)  # only looked for in the source: a blurred edge of it is all there, a sharp one in FINE too
BAND = 0.35  # standard deviation of a filter over the natural logarithm of frequency
SPREAD = np.pi / DIRECTIONS  # standard deviation of a filter over directions, radians
POOL = 0.75  # source texels: standard deviation of the window in which strengths are averaged
NEARBY = 1  # source texels: how far a contour may move when it is made sharp
GAIN = 1.3  # how much stronger than its source a stripe may be: sharpening is wanted
BORDER = 2  # source texels left out on each side: filters reach over the border there
PADDING = 6  # source texels around a picture, mirrored: the reach of the filters
MIN_SIDE = 8  # source texels: with fewer, no filter has room


def hatching(sr: Picture, lr: Picture, hr: Picture | None = None) -> float:
    """Return the mean strength of strokes in ``sr`` that neither its source nor the original has; 0 is best.

    In levels of luma, so that it doubles with the contrast of the strokes. A bicubic enlargement has about 0, as have
    sharpened edges of the source. White grain has less than half of what strokes of its deviation have, grain as coarse
    as strokes nearly as much: it tells nets that draw strokes from nets that do not, and orders textures only roughly
    (rank correlations of 0.14 to 0.72, 0.54 in the mean, with an eye's order of six times ten results of four nets:
    ``tests/bench/bench_hatching.py``). nan for a source of fewer than 8 texels a side.

    Args:
        sr: the result, (H, W) or (H, W, 3).
        lr: its source, (h, w) or (h, w, 3), of the same number of axes; H and W are whole multiples of h and w.
        hr: the original as large as ``sr``, where there is one: strokes that it has are no fault.

    Raises:
        ValueError: sizes do not belong together.

    References:
        The filters: Field, "Relations between the statistics of natural images and the response properties of cortical
        cells", JOSA A 1987 (log-Gabor). The score is our own.
    """
    strength = stroke_map(sr, lr, hr)
    scale = sr.shape[0] // lr.shape[0]
    inner = strength[BORDER * scale : -BORDER * scale, BORDER * scale : -BORDER * scale]
    return float(inner.mean()) if min(lr.shape[:2]) >= MIN_SIDE else float("nan")


def stroke_map(sr: Picture, lr: Picture, hr: Picture | None = None) -> Plane:
    """Return at each pixel (H, W) the strength in levels that :func:`hatching` averages; see there.

    Raises:
        ValueError: sizes do not belong together.
    """
    scale = sr.shape[0] // lr.shape[0]
    if sr.shape[:2] != (lr.shape[0] * scale, lr.shape[1] * scale) or (hr is not None and hr.shape != sr.shape):
        raise ValueError(f"pictures do not belong together: {sr.shape}, {lr.shape}, {None if hr is None else hr.shape}")
    h, w = sr.shape[:2]
    drawn = _strengths(luma(sr, rounded=False), scale, FINE)
    known = _strengths(imresize(luma(lr, rounded=False), (h, w)), scale, FINE + COARSE)
    if hr is not None:
        known = np.maximum(known, _strengths(luma(hr, rounded=False), scale, FINE))
    excess = np.stack(
        [np.maximum(d - GAIN * _highest(k, NEARBY * scale), 0) for d, k in zip(drawn, known, strict=True)]
    )
    strength: Plane = excess.max(axis=0) - excess.mean(axis=0)
    return strength


def _strengths(plane: Plane, scale: int, wavelengths: tuple[float, ...]) -> Plane:
    """Return how strong the strongest wavelength (of some source texels) is in each direction, (DIRECTIONS, H, W)."""
    margin = PADDING * scale
    padded = np.pad(plane, margin, mode="symmetric").astype(np.float32)
    spectrum = np.fft.fft2(padded)
    fy, fx = np.fft.fftfreq(padded.shape[0])[:, None], np.fft.fftfreq(padded.shape[1])[None]
    radius, angle = np.maximum(np.hypot(fy, fx), 1 / max(padded.shape) / 2), np.arctan2(fy, fx)
    bands = [spectrum * np.exp(-0.5 * (np.log(radius * length * scale) / BAND) ** 2) for length in wavelengths]
    found = []
    for direction in range(DIRECTIONS):
        turn = np.angle(np.exp(1j * (angle - np.pi * direction / DIRECTIONS)))
        half = 2 * np.exp(-0.5 * (turn / SPREAD) ** 2)  # one half of the plane: its inverse is the quadrature pair
        strongest = np.max([np.abs(np.fft.ifft2(band * half)) for band in bands], axis=0)
        found.append(_averaged(strongest, POOL * scale)[margin:-margin, margin:-margin])
    return np.stack(found)


def _averaged(plane: Plane, sigma: float) -> Plane:
    """Return the means under a Gaussian window, going on as a torus."""
    fy, fx = np.fft.fftfreq(plane.shape[0])[:, None], np.fft.fftfreq(plane.shape[1])[None]
    window = np.exp(-2 * (np.pi * sigma) ** 2 * (fy**2 + fx**2))
    averaged: Plane = np.fft.ifft2(np.fft.fft2(plane) * window).real
    return averaged


def _highest(plane: Plane, reach: int) -> Plane:
    """Return the largest value within ``reach`` pixels along both axes."""
    for axis in (0, 1):
        around = [(reach, reach) if k == axis else (0, 0) for k in (0, 1)]
        padded = np.pad(plane, around, mode="edge")
        plane = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=axis).max(axis=-1)
    return plane
