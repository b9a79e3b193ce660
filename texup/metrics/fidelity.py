"""How near a result is to its reference: PSNR and SSIM after the protocol of the papers, LR-PSNR, GMSD.

References:
    Protocol: 8-bit results, BT.601 luma rounded to integers, a border of ``scale`` pixels dropped
    (Timofte et al., "Seven ways to improve example-based single image super resolution", CVPR 2016, section 3).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from texup.metrics.resizing import as_bytes, imresize

Picture = NDArray[np.uint8]
Plane = NDArray[np.float64]

LUMA = np.array([65.481, 128.553, 24.966]) / 255.0  # BT.601, studio range: Y in 16..235
SSIM_SIZE, SSIM_SIGMA = 11, 1.5
SSIM_C1, SSIM_C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
GMSD_C = 170.0  # for values of 0..255
LR_BORDER = 2  # low-resolution pixels: what lies beyond the border of the result is not known


def luma(image: Picture, *, rounded: bool = True) -> Plane:
    """Return BT.601 studio-range luma (H, W), rounded to integers as MATLAB's ``rgb2ycbcr`` does for uint8.

    A grey picture is its own luma.
    """
    if image.ndim == 2:
        return image.astype(np.float64)
    values = image.astype(np.float64) @ LUMA + 16
    return np.floor(values + 0.5) if rounded else values


def _same_shape(sr: Picture, hr: Picture) -> None:
    if sr.shape != hr.shape:
        raise ValueError(f"pictures differ in shape: {sr.shape} and {hr.shape}")


def _inside(plane: NDArray[Any], border: int) -> NDArray[Any]:
    return plane[border : plane.shape[0] - border, border : plane.shape[1] - border]


def _psnr(a: NDArray[Any], b: NDArray[Any]) -> float:
    mse = float(np.mean((a.astype(np.float64) - b) ** 2))
    return float("inf") if mse == 0 else 10 * float(np.log10(255**2 / mse))


def psnr_y(sr: Picture, hr: Picture, border: int) -> float:
    """Return the peak signal-to-noise ratio of luma in dB, ``border`` pixels dropped on each side; inf when equal.

    Raises:
        ValueError: the pictures differ in shape.
    """
    _same_shape(sr, hr)
    return _psnr(_inside(luma(sr), border), _inside(luma(hr), border))


def _windowed(x: Plane) -> Plane:
    taps = np.exp(-((np.arange(SSIM_SIZE) - SSIM_SIZE // 2) ** 2) / (2 * SSIM_SIGMA**2))
    taps /= taps.sum()
    for axis in (0, 1):
        x = np.lib.stride_tricks.sliding_window_view(x, SSIM_SIZE, axis) @ taps
    return x


def ssim_y(sr: Picture, hr: Picture, border: int) -> float:
    """Return the mean structural similarity of luma over the valid region of an 11x11 Gaussian window.

    Raises:
        ValueError: the pictures differ in shape.

    References:
        Wang et al., "Image quality assessment: from error visibility to structural similarity", TIP 2004, eq. 13.
    """
    _same_shape(sr, hr)
    a, b = _inside(luma(sr), border), _inside(luma(hr), border)
    mean_a, mean_b = _windowed(a), _windowed(b)
    var_a = _windowed(a * a) - mean_a**2
    var_b = _windowed(b * b) - mean_b**2
    cov = _windowed(a * b) - mean_a * mean_b
    numerator = (2 * mean_a * mean_b + SSIM_C1) * (2 * cov + SSIM_C2)
    return float(np.mean(numerator / ((mean_a**2 + mean_b**2 + SSIM_C1) * (var_a + var_b + SSIM_C2))))


def lr_psnr(
    sr: Picture, lr: Picture, *, kernel: Literal["bicubic", "box"] = "bicubic", border: int = LR_BORDER
) -> float:
    """Return how well a result, reduced again, agrees with the picture it was made from: PSNR over all channels in dB.

    Args:
        sr: (h * s, w * s) or (h * s, w * s, 3).
        lr: (h, w) or (h, w, 3).
        kernel: how to reduce; "box" takes the means of blocks.
        border: low-resolution pixels dropped on each side.

    Raises:
        ValueError: the sides of ``sr`` are no whole multiple of those of ``lr``.

    References:
        Lugmayr et al., "NTIRE 2021 learning the super-resolution space challenge", section 3.2 (LR-PSNR).
    """
    h, w = lr.shape[:2]
    scale = sr.shape[0] // h
    if sr.shape != (h * scale, w * scale, *lr.shape[2:]):
        raise ValueError(f"{sr.shape} is no whole multiple of {lr.shape}")
    if kernel == "box":
        reduced = sr.reshape(h, scale, w, scale, -1).mean(axis=(1, 3)).reshape(lr.shape)
    else:
        reduced = imresize(sr, (h, w))
    return _psnr(_inside(as_bytes(reduced), border), _inside(lr, border))


def gmsd(sr: Picture, hr: Picture) -> float:
    """Return the deviation of gradient similarity over luma: 0 for equal pictures, larger for lost or wrong edges.

    Borders are repeated, where the paper's code takes black.

    Raises:
        ValueError: the pictures differ in shape.

    References:
        Xue et al., "Gradient magnitude similarity deviation", TIP 2014, eqs. 2 to 6: halved by 2x2 means, Prewitt
        gradients, c = 170.
    """
    _same_shape(sr, hr)
    a, b = (_gradient(_halved(luma(image))) for image in (sr, hr))
    return float(np.std((2 * a * b + GMSD_C) / (a**2 + b**2 + GMSD_C)))


def _halved(plane: Plane) -> Plane:
    h, w = plane.shape[0] // 2, plane.shape[1] // 2
    means: Plane = plane[: 2 * h, : 2 * w].reshape(h, 2, w, 2).mean(axis=(1, 3))
    return means


def _gradient(plane: Plane) -> Plane:
    """Return the length of the Prewitt gradient."""
    p = np.pad(plane, 1, mode="edge")
    across = (p[:, :-2] - p[:, 2:]) / 3
    down = (p[:-2] - p[2:]) / 3
    return np.hypot(across[:-2] + across[1:-1] + across[2:], down[:, :-2] + down[:, 1:-1] + down[:, 2:])
