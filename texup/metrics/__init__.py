"""Numbers about pictures, in numpy: fidelity to a reference, sharpness, patterns, tiling.

Pictures are uint8 arrays (H, W) or (H, W, 3) in RGB order, unless a function says otherwise; results are Python floats.
A number that a picture is too small or too flat to have is nan.
"""

from texup.metrics.fidelity import gmsd, lr_psnr, luma, psnr_y, ssim_y
from texup.metrics.patterns import GridScore, constant_colour_error, equivariance_rmse, grid_score, seam_ratio
from texup.metrics.resizing import imresize
from texup.metrics.spectra import hf_ratio, log_spectral_distance
from texup.metrics.strokes import hatching, stroke_map

__all__ = [
    "GridScore",
    "constant_colour_error",
    "equivariance_rmse",
    "gmsd",
    "grid_score",
    "hatching",
    "hf_ratio",
    "imresize",
    "log_spectral_distance",
    "lr_psnr",
    "luma",
    "psnr_y",
    "seam_ratio",
    "ssim_y",
    "stroke_map",
]
