"""The classes of nets that texup builds, and how the shapes of a file's tensors tell the numbers of each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from texup.models.keys import highest
from texup.models.model import Needs
from texup.nets.kpn import SIDE as KERNEL_SIDE
from texup.nets.kpn import KernelPrediction
from texup.nets.realplksr import RealPLKSR
from texup.nets.rrdbnet import RRDBNet
from texup.nets.span import SPAN, SpanPlus
from texup.nets.srresnet import MSRResNet, SRResNet
from texup.nets.srvgg import SRVGGNetCompact

Hyper = dict[str, int | str | bool]
Shapes = dict[str, tuple[int, ...]]

# Largest value of each hyper-parameter: generous for any published net, checked before a net is built.
BOUNDS = {
    "num_in_ch": 4,
    "num_out_ch": 4,
    "num_feat": 512,
    "num_grow_ch": 512,
    "num_block": 64,
    "num_conv": 64,
    "num_group": 16,
    "num_large": 512,
    "kernel_size": 63,
    "scale": 16,
    "unshuffle": 4,
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One class of nets and how its weights are read."""

    net: Callable[..., nn.Module]
    marker: str
    """A key that every net of the kind has; the first kind of the table whose marker is there wins."""
    layers: tuple[str, ...]
    """First parts of its keys, to find the nearest kind for weights without the marker."""
    guess: Callable[[Shapes], Hyper]
    """The hyper-parameters, with a stand-in for whatever the shapes do not tell."""
    needs: Callable[[Hyper], Needs] = lambda _: Needs()


def _dim(shapes: Shapes, key: str, axis: int, otherwise: int) -> int:
    shape = shapes.get(key, ())
    return shape[axis] if len(shape) > axis else otherwise


def _ends(shapes: Shapes) -> dict[str, int]:
    return {
        "num_in_ch": _dim(shapes, "conv_first.weight", 1, 3),
        "num_out_ch": _dim(shapes, "conv_last.weight", 0, 3),
        "num_feat": _dim(shapes, "conv_first.weight", 0, 64),
    }


def _steps(shapes: Shapes, first: str, number: int, num_feat: int) -> int:
    """Return the scale of ``number`` equal pixel shuffles, from the width of the first convolution before one."""
    step = math.isqrt(_dim(shapes, first, 0, 4 * num_feat) // max(num_feat, 1))
    return int(step ** min(number, BOUNDS["scale"]))


def _rrdbnet(shapes: Shapes) -> Hyper:
    ends = _ends(shapes)
    # Real-ESRGAN folds 2x2 or 4x4 pixels into channels below x4, so the first convolution sees 4 or 16 times as many.
    unshuffle = {4: 2, 16: 4}.get(ends["num_in_ch"] // max(ends["num_out_ch"], 1), 1)
    doublings = highest(r"conv_up(\d+)\.", shapes, otherwise=0)
    return {
        **ends,
        "num_in_ch": ends["num_in_ch"] // unshuffle**2,
        "num_block": highest(r"body\.(\d+)\.rdb", shapes, otherwise=0) + 1,
        "num_grow_ch": _dim(shapes, "body.0.rdb1.conv1.weight", 0, 32),
        "scale": 2 ** min(doublings, BOUNDS["scale"]) // unshuffle,
        "unshuffle": unshuffle,
        "plus": "body.0.rdb1.conv1x1.weight" in shapes,
    }


def _srresnet(shapes: Shapes) -> Hyper:
    ends = _ends(shapes)
    scale = _steps(shapes, "up.0.conv.weight", highest(r"up\.(\d+)\.", shapes, otherwise=-1) + 1, ends["num_feat"])
    num_block = highest(r"body\.(\d+)\.", shapes, otherwise=0) + 1
    return {**ends, "num_block": num_block, "scale": scale, "batch_norm": "body.0.bn1.weight" in shapes}


def _msrresnet(shapes: Shapes) -> Hyper:
    ends = _ends(shapes)
    scale = _steps(shapes, "upconv1.weight", highest(r"upconv(\d+)\.", shapes, otherwise=0), ends["num_feat"])
    return {**ends, "num_block": highest(r"body\.(\d+)\.", shapes, otherwise=0) + 1, "scale": scale}


def _srvgg(shapes: Shapes) -> Hyper:
    last = highest(r"body\.(\d+)\.", shapes, otherwise=0)  # conv, PReLU, (conv, PReLU) for each of num_conv, conv
    channels = _dim(shapes, "body.0.weight", 1, 3)
    return {
        "num_in_ch": channels,
        "num_out_ch": channels,
        "num_feat": _dim(shapes, "body.0.weight", 0, 64),
        "num_conv": max((last - 2) // 2, 0),
        "scale": _root(shapes, f"body.{last}.weight", channels),
    }


def _root(shapes: Shapes, key: str, channels: int) -> int:
    """Return the scale of a pixel shuffle from the rows of the layer before it."""
    return math.isqrt(_dim(shapes, key, 0, 16 * channels) // max(channels, 1))


def _span(shapes: Shapes) -> Hyper:
    channels = _dim(shapes, "conv_1.eval_conv.weight", 1, 3)
    return {
        "num_in_ch": channels,
        "num_out_ch": channels,
        "num_feat": _dim(shapes, "conv_1.eval_conv.weight", 0, 48),
        "scale": _root(shapes, "upsampler.0.weight", channels),
        "norm": "no_norm" not in shapes,
        "deployed": "conv_1.sk.weight" not in shapes,
    }


def _spanplus(shapes: Shapes) -> Hyper:
    channels = _dim(shapes, "feats.0.eval_conv.weight", 1, 3)
    upsampler, scale = "pixelshuffle", _root(shapes, "upsampler.0.weight", channels)
    if "upsampler.offset.weight" in shapes:
        upsampler, scale = "dysample", math.isqrt(_dim(shapes, "upsampler.offset.weight", 0, 128) // 8)
    elif "upsampler.weight" in shapes:
        upsampler, scale = "conv", 1
    return {
        "num_in_ch": channels,
        "num_out_ch": _dim(shapes, "upsampler.end_conv.weight", 0, channels),
        "num_feat": _dim(shapes, "feats.0.eval_conv.weight", 0, 48),
        "num_block": highest(r"feats\.1\.block_n\.(\d+)\.", shapes, otherwise=0) + 1,
        "num_group": highest(r"feats\.(\d+)\.", shapes, otherwise=1),
        "scale": scale,
        "upsampler": upsampler,
        "deployed": "feats.0.sk.weight" not in shapes,
    }


def _realplksr(shapes: Shapes) -> Hyper:
    last = highest(r"feats\.(\d+)\.", shapes, otherwise=3)  # the first convolution, blocks, dropout, the last one
    channels = _dim(shapes, "feats.0.weight", 1, 3)
    return {
        "num_in_ch": channels,
        "num_out_ch": channels,
        "num_feat": _dim(shapes, "feats.0.weight", 0, 64),
        "num_block": last - 2,
        "num_large": _dim(shapes, "feats.1.lk.conv.weight", 0, 16),
        "kernel_size": _dim(shapes, "feats.1.lk.conv.weight", 2, 17),
        "scale": _root(shapes, f"feats.{last}.weight", channels),
        "attention": "feats.1.attn.f.0.weight" in shapes,
        "layer_norm": "feats.1.layer_norm.weight" in shapes,
        "dysample": "to_img.offset.weight" in shapes,
    }


def _realplksr_needs(hyper: Hyper) -> Needs:
    # Group norm is over the whole plane; its features reach beyond float16, by those who trained such nets.
    whole = not hyper["layer_norm"]
    return Needs(half=not whole, whole=whole, values=2 * int(hyper["num_feat"]))


def _kernel_prediction(shapes: Shapes) -> Hyper:
    last = highest(r"hidden\.(\d+)\.", shapes, otherwise=1)  # conv and PReLU, once more than num_conv
    return {
        "num_in_ch": _dim(shapes, "hidden.0.weight", 1, 4),
        "num_out_ch": _dim(shapes, "hidden.0.weight", 1, 4),
        "num_feat": _dim(shapes, "hidden.0.weight", 0, 48),
        "num_conv": max(last // 2, 0),
        "scale": math.isqrt(_dim(shapes, "kernels.weight", 0, 144) // KERNEL_SIDE**2),
    }


def _kernel_prediction_needs(hyper: Hyper) -> Needs:
    return Needs(values=2 * (int(hyper["scale"]) * KERNEL_SIDE) ** 2)  # logits and shares


ENDS = ("conv_first", "body", "conv_hr", "conv_last")
KINDS = {
    "RRDBNet": Kind(RRDBNet, "body.0.rdb1.conv1.weight", (*ENDS, "conv_body", "conv_up1", "conv_up2"), _rrdbnet),
    "SRResNet": Kind(SRResNet, "act_first.weight", ("act_first", "body", "bn_body", "conv_body", "up"), _srresnet),
    "MSRResNet": Kind(MSRResNet, "body.0.conv1.weight", (*ENDS, "upconv1", "upconv2"), _msrresnet),
    "SPAN": Kind(SPAN, "block_1.c1_r.eval_conv.weight", ("conv_1", "block_1", "block_2", "conv_cat", "conv_2"), _span),
    "SpanPlus": Kind(SpanPlus, "feats.1.block_1.c1_r.eval_conv.weight", ("feats", "upsampler"), _spanplus),
    "RealPLKSR": Kind(RealPLKSR, "feats.1.channel_mixer.0.weight", ("feats", "to_img"), _realplksr, _realplksr_needs),
    "KernelPrediction": Kind(
        KernelPrediction, "kernels.weight", ("hidden", "kernels"), _kernel_prediction, _kernel_prediction_needs
    ),
    "SRVGGNetCompact": Kind(SRVGGNetCompact, "body.0.weight", ("body",), _srvgg),
}
