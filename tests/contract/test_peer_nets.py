"""texup's own nets against spandrel's of the same architecture, on the same random weights."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch

from texup.models.loading import build_model

from .test_models import floats

LARGEST = 1e-5  # difference, with colours in [0, 1]
RRDB = {"num_filters": 8, "num_blocks": 2}
REAL = {"dim": 16, "n_blocks": 2, "kernel_size": 7}
NETS = {
    "RRDBNet": ("ESRGAN", "ESRGAN", RRDB),
    "RRDBNet-x2": ("ESRGAN", "ESRGAN", RRDB | {"scale": 2}),
    "RRDBNet-plus": ("ESRGAN", "ESRGAN", RRDB | {"plus": True}),
    "RRDBNet-grey": ("ESRGAN", "ESRGAN", RRDB | {"in_nc": 1, "out_nc": 1}),
    "RRDBNet-rgba": ("ESRGAN", "ESRGAN", RRDB | {"in_nc": 4, "out_nc": 4}),
    "RRDBNet-unshuffle": ("ESRGAN", "ESRGAN", RRDB | {"in_nc": 12, "out_nc": 3, "shuffle_factor": 2}),
    "RRDBNet-rgba-unshuffle": ("ESRGAN", "ESRGAN", RRDB | {"in_nc": 16, "out_nc": 4, "shuffle_factor": 2}),
    "SRVGGNetCompact": ("Compact", "Compact", {"num_feat": 8, "num_conv": 3}),
    "SRVGGNetCompact-grey": ("Compact", "Compact", {"num_feat": 8, "num_conv": 2, "num_in_ch": 1, "num_out_ch": 1}),
    "SRVGGNetCompact-rgba": ("Compact", "Compact", {"num_feat": 8, "num_conv": 2, "num_in_ch": 4, "num_out_ch": 4}),
    "SPAN": ("SPAN", "SPAN", {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 8, "norm": False, "upscale": 2}),
    "SPAN-norm": ("SPAN", "SPAN", {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 8}),
    "SPAN-grey": ("SPAN", "SPAN", {"num_in_ch": 1, "num_out_ch": 1, "feature_channels": 8, "norm": False}),
    "RealPLKSR": ("PLKSR", "RealPLKSR", REAL | {"layer_norm": True}),
    "RealPLKSR-group-norm": ("PLKSR", "RealPLKSR", REAL | {"upscaling_factor": 2}),
    "RealPLKSR-plain": ("PLKSR", "RealPLKSR", REAL | {"layer_norm": True, "use_ea": False, "upscaling_factor": 1}),
    "RealPLKSR-dysample": ("PLKSR", "RealPLKSR", REAL | {"layer_norm": True, "dysample": True}),
    "RealPLKSR-dysample-x3": ("PLKSR", "RealPLKSR", REAL | {"dysample": True, "upscaling_factor": 3}),
    "RealPLKSR-dysample-x1": ("PLKSR", "RealPLKSR", REAL | {"dysample": True, "upscaling_factor": 1}),
}
"""Name of ours and variant -> spandrel's module and class, and the arguments of that."""


@pytest.mark.parametrize("name", NETS)
def test_the_same_weights_give_the_same_pixels_as_in_spandrel(spandrel, name):
    module, kind, arguments = NETS[name]
    torch.manual_seed(3)
    theirs = getattr(import_module(f"spandrel.architectures.{module}"), kind)(**arguments)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for key, value in theirs.named_parameters():  # many begin at zero, where a mistake cannot show
            if not key.endswith("norm.weight"):
                value.copy_(torch.randn(value.shape, generator=generator) / max(1, value[0].numel()) ** 0.5 * 0.5)
    ours = build_model(floats(theirs), name, "")
    assert ours.architecture == name.partition("-")[0]
    x = torch.rand(2, ours.in_channels, 16, 20, generator=generator)
    with torch.inference_mode():
        expected, found = theirs.eval()(x), ours.net(x)
    assert found.shape == (2, ours.out_channels, 16 * ours.scale, 20 * ours.scale)
    assert (found - expected).abs().max() <= LARGEST * max(1, float(expected.abs().max()))


@pytest.mark.parametrize("norm", [True, False])
def test_a_deployed_span_is_the_trained_one(spandrel, norm):
    torch.manual_seed(5)
    kind = import_module("spandrel.architectures.SPAN").SPAN
    theirs = kind(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=2, norm=norm).eval()
    x = torch.rand(1, 3, 9, 14)
    with torch.no_grad():
        expected = theirs(x)  # folds the kernels of the deployed form
    deployed = {key: value for key, value in floats(theirs).items() if ".sk." not in key and ".conv." not in key}
    model = build_model(deployed, "deployed", "")
    assert model.hyper["deployed"] is True
    with torch.inference_mode():
        assert (model.net(x) - expected).abs().max() <= LARGEST * max(1, float(expected.abs().max()))
