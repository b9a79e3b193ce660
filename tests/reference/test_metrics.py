"""texup's metrics against independent implementations and published numbers."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter
from scipy.signal import convolve2d
from torch.nn import functional as F

from texup.metrics import (
    constant_colour_error,
    equivariance_rmse,
    gmsd,
    grid_score,
    hf_ratio,
    imresize,
    log_spectral_distance,
    lr_psnr,
    luma,
    psnr_y,
    seam_ratio,
    ssim_y,
)
from texup.metrics.resizing import as_bytes
from texup.textures.codecs.files import read_texture

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


def repeated(lr: np.ndarray) -> np.ndarray:
    return lr.repeat(4, 0).repeat(4, 1)


@pytest.mark.parametrize("size", [(10, 12), (160, 132), (80, 33)])
def test_bicubic_is_torch_s_antialiased_one_away_from_the_border(size):
    a, _ = pictures(0)
    x = torch.from_numpy(a).permute(2, 0, 1)[None].double()
    theirs = F.interpolate(x, size, mode="bicubic", antialias=True)[0].permute(1, 2, 0).numpy()
    inner = tuple(slice(n // 5 * 2, n - n // 5 * 2) for n in size)
    assert imresize(a, size)[inner] == pytest.approx(theirs[inner], abs=1e-9)


def test_bicubic_mirrors_what_lies_beyond_the_border():
    a, _ = pictures(1)
    mirrored = np.concatenate((a[::-1], a, a[::-1]))
    assert imresize(mirrored, (30, 33))[10:20] == pytest.approx(imresize(a, (10, 33)), abs=1e-9)


def test_bytes_are_rounded_half_up_and_clipped():
    assert as_bytes(np.array([-3, 0.49, 0.5, 1.5, 254.5, 300])).tolist() == [0, 0, 1, 2, 255, 255]


@pytest.mark.parametrize("kernel", ["bicubic", "box"])
def test_lr_psnr_of_a_known_offset(kernel):
    lr = np.full((12, 15, 3), 100, np.uint8)
    sr = repeated(lr) + np.uint8(5)
    assert lr_psnr(sr, lr, kernel=kernel) == pytest.approx(20 * np.log10(255 / 5))
    assert lr_psnr(repeated(lr), lr, kernel=kernel) == float("inf")


def test_lr_psnr_reduces_by_the_kernel_it_is_told_and_drops_the_border():
    rng = np.random.default_rng(0)
    hr = rng.integers(0, 256, (64, 48, 3)).astype(np.uint8)
    box = as_bytes(hr.reshape(16, 4, 12, 4, 3).mean(axis=(1, 3)))
    bicubic = as_bytes(imresize(hr, (16, 12)))
    for lr in (box, bicubic):
        lr[:2], lr[:, -2:] = 0, 0
    assert lr_psnr(hr, box, kernel="box") == lr_psnr(hr, bicubic) == float("inf")
    assert lr_psnr(hr, box) < 40
    with pytest.raises(ValueError, match="whole multiple"):
        lr_psnr(hr[:-1], box)


def test_gmsd_equals_direct_convolution():
    a, b = pictures(2)
    a, b = a[:40, :32], b[:40, :32]
    prewitt = np.array([[1, 0, -1]] * 3) / 3
    lengths = []
    for image in (a, b):
        halved = convolve2d(luma(image), np.full((2, 2), 0.25), mode="valid")[::2, ::2]
        padded = np.pad(halved, 1, mode="edge")
        lengths.append(np.hypot(convolve2d(padded, prewitt, "valid"), convolve2d(padded, prewitt.T, "valid")))
    x, y = lengths
    assert gmsd(a, b) == pytest.approx(np.std((2 * x * y + 170) / (x**2 + y**2 + 170)), abs=1e-12)
    assert gmsd(a, a) == 0


def wave(cycles: float, amplitude: float) -> np.ndarray:
    """Return grey rows of a cosine of so many cycles per pixel."""
    return np.rint(128 + amplitude * np.cos(2 * np.pi * cycles * np.arange(128)) * np.ones((128, 1))).astype(np.uint8)


def test_hf_ratio_is_the_ratio_of_fine_energies():
    assert hf_ratio(wave(0.25, 50), wave(0.25, 100), 4) == pytest.approx(0.25, rel=0.01)
    assert hf_ratio(wave(0.05, 50), wave(0.25, 100), 4) < 1e-3  # coarse waves do not count
    assert hf_ratio(wave(0.2, 50), wave(0.4, 50), 2) < 1e-2  # at a scale of 2 they begin at 0.25
    assert np.isnan(hf_ratio(wave(0.25, 50), np.full((128, 128), 7, np.uint8), 4))


def test_log_spectral_distance_sees_strength_and_no_phase():
    rng = np.random.default_rng(0)
    detail = rng.integers(-60, 61, (64, 64))
    weak, strong = (128 + detail).astype(np.uint8), (128 + 2 * detail).astype(np.uint8)
    assert log_spectral_distance(weak, strong) == pytest.approx(20 * np.log10(2), abs=1e-3)
    assert log_spectral_distance(weak[:, ::-1], weak) == pytest.approx(0, abs=1e-6)
    assert psnr_y(weak[:, ::-1], weak, 0) < 20


def naive_grid(image: np.ndarray, scale: int) -> tuple[float, float]:
    plane = luma(image, rounded=False)
    detail = (plane - uniform_filter(plane, 5, mode="nearest"))[8:-8, 8:-8]
    y, x = np.indices(detail.shape) % scale
    cells = [detail[(y == j) & (x == i)] for j in range(scale) for i in range(scale)]
    size = np.mean([np.abs(cell).mean() for cell in cells])
    return np.std([np.abs(cell).mean() for cell in cells]) / size, np.std([cell.mean() for cell in cells]) / size


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_grid_score_equals_a_direct_sum(scale):
    a, _ = pictures(3)
    assert grid_score(a, scale) == pytest.approx(naive_grid(a, scale), abs=1e-9)


def test_grid_score_sees_a_lattice():
    rng = np.random.default_rng(0)
    noise = rng.normal(128, 8, (128, 128))
    lattice = noise.copy()
    lattice[::4, ::4] += 16
    plain, marked = (grid_score(np.clip(p, 0, 255).astype(np.uint8), 4) for p in (noise, lattice))
    assert max(plain) < 0.05
    assert marked.signed > 0.3
    assert marked.magnitude > 0.2
    assert grid_score(np.full((64, 64, 3), 77, np.uint8), 4) == (0, 0)
    assert all(np.isnan(grid_score(np.zeros((19, 64), np.uint8), 4)))


def test_seam_ratio_of_ramps():
    ramp = np.broadcast_to(np.arange(16, dtype=np.uint8)[:, None, None], (16, 9, 3))
    vertical, horizontal = seam_ratio(ramp)
    assert vertical == 15
    assert np.isnan(horizontal)
    assert seam_ratio(ramp.swapaxes(0, 1))[1] == 15
    hill = np.concatenate((ramp[:9], ramp[7:0:-1]))  # up and down again by steps of one, and on into the start
    assert seam_ratio(hill)[0] == 1


def test_equivariance_is_zero_for_repetition_and_the_error_of_a_frame():
    lr = np.random.default_rng(0).integers(50, 200, (16, 16, 3)).astype(np.uint8)
    assert equivariance_rmse(repeated, lr) == 0

    def framed(image: np.ndarray) -> np.ndarray:
        large = repeated(image)
        large[0] += 10
        return large

    # two rows of 64 are off by 10: the frame, and where the shift took it
    assert equivariance_rmse(framed, lr) == pytest.approx(np.sqrt(2 * 10**2 / 64))


def test_constant_colour_error_is_the_worst_pixel_of_the_worst_colour():
    def off(image: np.ndarray) -> np.ndarray:
        large = repeated(image)
        large[5, 7, 1] -= np.uint8(image[0, 0, 2] // 10)
        return large

    assert constant_colour_error(repeated, [(0, 128, 255), (9, 9, 9)], side=8) == 0
    assert constant_colour_error(off, [(60, 60, 30), (60, 60, 40), (60, 60, 0)], side=8) == 4


def second(name: str) -> ModuleType:
    """Load a module of the second implementation."""
    if not SHARED.is_dir():
        pytest.skip("../shared with the second implementation is not here")
    sys.path.insert(0, str(SHARED / "tools"))  # they import each other
    try:
        spec = importlib.util.spec_from_file_location(name, SHARED / "tools" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
        for each in ("srmetrics", "extra_metrics"):
            sys.modules.pop(each, None)
    return module


def bench_pairs(name: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (lr, hr) of a benchmark; grey is its own luma."""
    if not SHARED.is_dir():
        pytest.skip("../shared with the benchmark pictures is not here")
    return [
        tuple(np.squeeze(read_texture(path.parents[1] / kind / path.name).pixels) for kind in ("LR_x4", "HR"))
        for path in sorted((SHARED / "data" / "bench" / name / "HR").glob("*.png"))
    ]


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "psnr", "ssim"), [("Set5", 28.42, 0.8102), ("Set14", 25.99, 0.7024)])
def test_bicubic_rows_as_published(name, psnr, ssim):
    theirs = second("srmetrics")
    scores = []
    for lr, hr in bench_pairs(name):
        sr = as_bytes(imresize(lr, hr.shape[:2]))
        assert np.array_equal(sr, theirs.to_u8(theirs.imresize(lr, 4)))
        y = theirs.rgb2y(sr), theirs.rgb2y(hr)
        scores.append((psnr_y(sr, hr, 4), ssim_y(sr, hr, 4)))
        assert scores[-1] == pytest.approx((theirs.psnr(*y, 4), theirs.ssim(*y, 4)), abs=1e-4)
    assert np.mean(scores, axis=0) == pytest.approx((psnr, ssim), abs=0.005)


def test_the_other_metrics_agree_with_the_second_implementation():
    theirs, matlab = second("extra_metrics"), second("srmetrics")
    for lr, hr in bench_pairs("Set5"):
        sr = as_bytes(imresize(lr, hr.shape[:2]))
        y = matlab.rgb2y(sr), matlab.rgb2y(hr)
        assert lr_psnr(sr, lr) == pytest.approx(theirs.lr_psnr(sr, lr), abs=1e-3)
        assert gmsd(sr, hr) == pytest.approx(theirs.gmsd(*y), abs=1e-6)
        assert hf_ratio(sr, hr, 4) == pytest.approx(theirs.hf_ratio(sr, hr), abs=1e-6)
        assert log_spectral_distance(sr, hr) == pytest.approx(theirs.lsd(sr, hr), abs=1e-2)
        assert grid_score(sr, 4) == pytest.approx(theirs.grid_score(sr), abs=1e-6)
        assert seam_ratio(sr)[::-1] == pytest.approx(theirs.seam_ratio(sr), abs=1e-6)
