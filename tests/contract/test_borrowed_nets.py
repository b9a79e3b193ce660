"""Nets of spandrel: every family that modders use loads by texup's own reader, and gives spandrel's own result."""

from __future__ import annotations

import warnings
from importlib import import_module

import numpy as np
import pytest
import torch

from texup.engines.devices.device import Device
from texup.models.loading import load_model
from texup.models.weights import save_pickle

LARGEST = 1e-5  # difference, with colours in [0, 1]
CPU = torch.device("cpu")
SWIN = {"embed_dim": 12, "depths": [2, 2], "num_heads": [2, 2], "window_size": 8, "img_size": 16, "mlp_ratio": 2.0}
NETS = {
    "SwinIR": ("SwinIR", "SwinIR", SWIN | {"upscale": 4, "upsampler": "pixelshuffle"}),
    "SwinIR-light": ("SwinIR", "SwinIR", SWIN | {"upscale": 2, "upsampler": "pixelshuffledirect"}),
    "SwinIR-real": ("SwinIR", "SwinIR", SWIN | {"upscale": 4, "upsampler": "nearest+conv"}),
    "Swin2SR": ("Swin2SR", "Swin2SR", SWIN | {"upscale": 2, "upsampler": "pixelshuffle"}),
    "HAT": ("HAT", "HAT", SWIN | {"upscale": 4, "compress_ratio": 3, "squeeze_factor": 4, "num_feat": 16}),
    "ATD": ("ATD", "ATD", SWIN | {"upscale": 2, "upsampler": "pixelshuffle", "num_tokens": 8, "category_size": 32}),
    "DRCT": ("DRCT", "DRCT", SWIN | {"upscale": 4, "upsampler": "pixelshuffle", "gc": 8, "window_size": 8}),
    "DAT": (
        *("DAT", "DAT"),
        {"embed_dim": 32, "depth": [3, 3], "num_heads": [2, 2], "split_size": [4, 8], "img_size": 16, "upscale": 4},
    ),
    "RGT": (
        *("RGT", "RGT"),
        {"embed_dim": 12, "depth": [2, 2], "num_heads": [2, 2], "split_size": [8, 8], "img_size": 16, "upscale": 4},
    ),
    "GRL": (
        *("GRL", "GRL"),
        {
            "embed_dim": 16,
            "depths": [2, 2],
            "num_heads_window": [2, 2],
            "num_heads_stripe": [2, 2],
            "upscale": 2,
            "upsampler": "pixelshuffledirect",
            "img_size": 16,
            "stripe_size": [8, 8],
            "mlp_ratio": 2.0,
            "anchor_window_down_factor": 2,
        },
    ),
    "OmniSR": ("OmniSR", "OmniSR", {"num_feat": 16, "up_scale": 4}),
    "CRAFT": ("CRAFT", "CRAFT", {"embed_dim": 12, "depths": [1, 1], "num_heads": [2, 2], "upscale": 4}),
    "DITN": ("DITN", "DITN", {"dim": 12, "ITL_blocks": 1, "SAL_blocks": 1, "upscale": 2}),
    "SAFMN": ("SAFMN", "SAFMN", {"dim": 8, "n_blocks": 2}),
    "SAFMN-BCIE": ("SAFMNBCIE", "SAFMNBCIE", {"dim": 8, "n_blocks": 2, "num_layers": 1}),
    "FDAT": (
        *("FDAT", "FDAT"),
        {"embed_dim": 16, "num_groups": 2, "depth_per_group": 2, "num_heads": 2, "mid_dim": 16, "scale": 4},
    ),
    "MoESR": ("MoESR", "MoESR", {"dim": 16, "n_blocks": 1, "n_block": 2, "scale": 4}),
    "MoSR": ("MoSR", "MoSR", {"dim": 16, "n_block": 2, "upscale": 4}),
    "RCAN": ("RCAN", "RCAN", {"n_resgroups": 2, "n_resblocks": 2, "n_feats": 16, "reduction": 4, "scale": 4}),
    "Swift-SRGAN": ("SwiftSRGAN", "SwiftSRGAN", {"num_channels": 8, "num_blocks": 1}),
    "PLKSR": ("PLKSR", "PLKSR", {"dim": 16, "n_blocks": 2, "kernel_size": 7}),
    "RealCUGAN": ("RealCUGAN", "UpCunet2x", {}),
    "SeemoRe": ("SeemoRe", "SeemoRe", {"embedding_dim": 12, "num_layers": 2, "num_experts": 2}),
    "DCTLSA": ("DCTLSA", "DCTLSA", {"nf": 20, "num_head": 5}),
    "MM-RealSR": ("MMRealSR", "MMRealSR", {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1}),
    "SCUNet": ("SCUNet", "SCUNet", {"config": [1] * 7}),
    "NAFNet": ("NAFNet", "NAFNet", {"width": 8, "enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1]}),
}
"""Name and variant -> spandrel's module and class, and the arguments of a small one."""

WHOLE = {
    "HAT",
    "ATD",
    "DAT",
    "RGT",
    "GRL",
    "OmniSR",
    "CRAFT",
    "FDAT",
    "RCAN",
    "RealCUGAN",
    "SeemoRe",
    "MM-RealSR",
    "NAFNet",
}
LOOKS_AT_ALL = {
    "SAFMN-BCIE",
    *("HAT", "ATD", "DAT", "RGT", "GRL", "OmniSR", "CRAFT", "FDAT", "RCAN", "RealCUGAN", "SeemoRe"),
    *("MM-RealSR", "NAFNet"),
}
NARROW = set(NETS) - {"SwinIR", "SwinIR-light", "SwinIR-real", "Swin2SR", "ATD", "DRCT", "RGT"}
ALONE = {"SeemoRe"}  # it chooses its experts once for a batch


SLOW = {"GRL", "MM-RealSR", "DCTLSA", "SCUNet", "RealCUGAN", "SwinIR-real", "SwinIR-light"}


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in NETS])
def made(request, spandrel):
    """Name, and a small net of spandrel with random weights."""
    module, kind, arguments = NETS[request.param]
    with warnings.catch_warnings(action="ignore"):
        torch.manual_seed(7)
        return request.param.removesuffix("-light").removesuffix("-real"), getattr(
            import_module(f"spandrel.architectures.{module}"), kind
        )(**arguments).eval()


def shown(net, x):
    """Return what a net makes of a picture; some tell more, and some change the picture."""
    with torch.inference_mode(), warnings.catch_warnings(action="ignore"):
        result = net(x.clone())
    return result if isinstance(result, torch.Tensor) else result[0]


@pytest.mark.thorough
def test_a_family_loads_and_gives_what_spandrel_does(made, spandrel, tmp_path):
    name, theirs = made
    save_pickle(tmp_path / "net.pth", {"params": theirs.state_dict()})
    ours = load_model(tmp_path / "net.pth")
    assert ours.architecture == name
    needs = ours.needs
    assert (needs.whole, needs.one_at_a_time) == (name in LOOKS_AT_ALL, name in ALONE)
    side = max(needs.minimum, 16) + -max(needs.minimum, 16) % ours.multiple_of
    x = torch.rand(1, 3, side, side + ours.multiple_of * 2, generator=torch.Generator().manual_seed(2))
    with warnings.catch_warnings(action="ignore"):
        theirs = spandrel.MAIN_REGISTRY.load(theirs.state_dict()).model.eval()  # some numbers it guesses, as files are
    expected = shown(theirs, x)
    with torch.inference_mode():
        found = ours.net(x)
    assert found.shape == (1, 3, *(length * ours.scale for length in x.shape[2:]))
    assert (found - expected).abs().max() <= LARGEST
    planes = [np.random.default_rng(k).random((12, 20, 3), np.float32) for k in range(2)]
    device = Device([ours], CPU)
    device.at_once = 2
    for plane, result in zip(planes, device.upscale(0, planes), strict=True):
        (alone,) = Device([ours], CPU).upscale(0, [plane])
        assert result.plane.shape == (12 * ours.scale, 20 * ours.scale, 3)
        np.testing.assert_allclose(result.plane, alone.plane, atol=1e-4)
    narrow = Device([ours], CPU, "bf16")
    (result,) = narrow.upscale(0, planes[:1])
    assert (result.problem, result.precision) == (None, "bf16" if name in NARROW else "fp32")
    assert not needs.half or needs.bfloat16
