"""texup's metrics against independent implementations and published numbers."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d
from torch.nn import functional as F

from texup.metrics import luma, psnr_y, ssim_y
from texup.textures.codecs import read_texture

SHARED = Path(__file__).parents[3] / "shared"


def pictures(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 256, (40, 33, 3)).astype(np.uint8)
    b = np.clip(a.astype(int) + rng.integers(-20, 21, a.shape), 0, 255).astype(np.uint8)
    return a, b


def naive_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """Eq. 13 of the SSIM paper, with scipy's convolution."""
    axis = np.arange(11) - 5
    window = np.exp(-(axis[:, None] ** 2 + axis[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(v: np.ndarray) -> np.ndarray:
        return convolve2d(v, window, mode="valid")

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = 6.5025, 58.5225
    return float((((2 * mx * my + c1) * (2 * cov + c2)) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean())


def test_luma_of_the_corners_of_the_cube():
    corners = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    # BT.601, studio range, as MATLAB's rgb2ycbcr gives it.
    assert luma(corners).tolist() == [[16, 235, 81, 145, 41]]


def test_psnr_of_a_known_error():
    a = np.full((20, 20), 100, np.uint8)
    b = a.copy()
    b[10, 10] = 110  # one of 144 inner pixels is off by 10
    assert psnr_y(a, b, border=4) == pytest.approx(10 * np.log10(255**2 / (100 / 144)))


def test_border_is_left_out_and_equal_pictures_are_infinite():
    a, _ = pictures(0)
    b = a.copy()
    b[:4] = 0
    assert psnr_y(a, b, border=4) == float("inf")
    assert psnr_y(a, b, border=0) < 30


def test_shapes_must_match():
    with pytest.raises(ValueError, match="differ in shape"):
        psnr_y(np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8), border=0)


@pytest.mark.parametrize("seed", range(3))
def test_ssim_equals_a_direct_convolution(seed):
    a, b = pictures(seed)
    inner = (slice(2, -2), slice(2, -2))
    assert ssim_y(a, b, border=2) == pytest.approx(naive_ssim(luma(a)[inner], luma(b)[inner]), abs=1e-9)


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared with the benchmark pictures is not here")
@pytest.mark.parametrize(("name", "published"), [("Set5", 28.42), ("Set14", 26.00)])
def test_bicubic_rows_as_published(name, published):
    spec = importlib.util.spec_from_file_location("srmetrics", SHARED / "tools" / "srmetrics.py")
    second = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(second)
    ours, theirs = [], []
    for path in sorted((SHARED / "data" / "bench" / name / "HR").glob("*.png")):
        hr, lr = (read_texture(path.parents[1] / kind / path.name).pixels for kind in ("HR", "LR_x4"))
        x = torch.from_numpy(lr).permute(2, 0, 1)[None].float()
        y = F.interpolate(x, scale_factor=4, mode="bicubic", antialias=True)[0].permute(1, 2, 0).numpy()
        sr, hr = (np.squeeze(p) for p in (np.rint(np.clip(y, 0, 255)).astype(np.uint8), hr))  # grey is its own luma
        ours.append(psnr_y(sr, hr, 4))
        theirs.append(second.psnr(second.rgb2y(sr), second.rgb2y(hr), 4))
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=0.01)
    assert np.mean(ours) == pytest.approx(published, abs=0.02)
