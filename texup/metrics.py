"""Numbers about pictures: PSNR and SSIM on luma, after the protocol of the super-resolution papers.

All functions take uint8 arrays (H, W) or (H, W, 3) in RGB order and return Python floats.

References:
    Protocol: 8-bit results, BT.601 luma rounded to integers, a border of ``scale`` pixels dropped
    (Timofte et al., "Seven ways to improve example-based single image super resolution", CVPR 2016, section 3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LUMA = np.array([65.481, 128.553, 24.966]) / 255.0  # BT.601, studio range: Y in 16..235
SSIM_SIZE, SSIM_SIGMA = 11, 1.5
SSIM_C1, SSIM_C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def luma(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return BT.601 studio-range luma (H, W), rounded to integers as MATLAB's ``rgb2ycbcr`` does for uint8."""
    if image.ndim == 2:
        return image.astype(np.float64)
    return np.floor(image.astype(np.float64) @ LUMA + 16.5)


def _pair(sr: NDArray[np.uint8], hr: NDArray[np.uint8], border: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if sr.shape != hr.shape:
        raise ValueError(f"pictures differ in shape: {sr.shape} and {hr.shape}")
    inside = (slice(border, -border or None),) * 2
    return luma(sr)[inside], luma(hr)[inside]


def psnr_y(sr: NDArray[np.uint8], hr: NDArray[np.uint8], border: int) -> float:
    """Return the peak signal-to-noise ratio of luma in dB, ``border`` pixels dropped on each side; inf when equal.

    Raises:
        ValueError: the pictures differ in shape.
    """
    a, b = _pair(sr, hr, border)
    mse = float(np.mean((a - b) ** 2))
    return float("inf") if mse == 0 else 10 * float(np.log10(255**2 / mse))


def _windowed(x: NDArray[np.float64]) -> NDArray[np.float64]:
    taps = np.exp(-((np.arange(SSIM_SIZE) - SSIM_SIZE // 2) ** 2) / (2 * SSIM_SIGMA**2))
    taps /= taps.sum()
    for axis in (0, 1):
        x = np.lib.stride_tricks.sliding_window_view(x, SSIM_SIZE, axis) @ taps
    return x


def ssim_y(sr: NDArray[np.uint8], hr: NDArray[np.uint8], border: int) -> float:
    """Return the mean structural similarity of luma over the valid region of an 11x11 Gaussian window.

    Raises:
        ValueError: the pictures differ in shape.

    References:
        Wang et al., "Image quality assessment: from error visibility to structural similarity", TIP 2004, eq. 13.
    """
    a, b = _pair(sr, hr, border)
    mean_a, mean_b = _windowed(a), _windowed(b)
    var_a = _windowed(a * a) - mean_a**2
    var_b = _windowed(b * b) - mean_b**2
    cov = _windowed(a * b) - mean_a * mean_b
    numerator = (2 * mean_a * mean_b + SSIM_C1) * (2 * cov + SSIM_C2)
    return float(np.mean(numerator / ((mean_a**2 + mean_b**2 + SSIM_C1) * (var_a + var_b + SSIM_C2))))
