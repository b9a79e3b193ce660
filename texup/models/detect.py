"""Which net a dictionary of tensors belongs to; names, numbers and sizes all come from the shapes of the tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from texup.errors import WeightsError
from texup.models.families import family_of
from texup.models.keys import highest
from texup.models.model import Needs
from texup.models.weights import StateDict
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
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Architecture:
    """A net that texup can build, with the numbers that the weights tell."""

    name: str
    hyper: Hyper
    """Arguments of the net's class."""
    scale: int
    in_channels: int
    out_channels: int
    multiple_of: int
    """Height and width of the input must be multiples of it."""
    needs: Needs


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


ENDS = ("conv_first", "body", "conv_hr", "conv_last")
KINDS = {
    "RRDBNet": Kind(RRDBNet, "body.0.rdb1.conv1.weight", (*ENDS, "conv_body", "conv_up1", "conv_up2"), _rrdbnet),
    "SRResNet": Kind(SRResNet, "act_first.weight", ("act_first", "body", "bn_body", "conv_body", "up"), _srresnet),
    "MSRResNet": Kind(MSRResNet, "body.0.conv1.weight", (*ENDS, "upconv1", "upconv2"), _msrresnet),
    "SPAN": Kind(SPAN, "block_1.c1_r.eval_conv.weight", ("conv_1", "block_1", "block_2", "conv_cat", "conv_2"), _span),
    "SpanPlus": Kind(SpanPlus, "feats.1.block_1.c1_r.eval_conv.weight", ("feats", "upsampler"), _spanplus),
    "RealPLKSR": Kind(RealPLKSR, "feats.1.channel_mixer.0.weight", ("feats", "to_img"), _realplksr, _realplksr_needs),
    "SRVGGNetCompact": Kind(SRVGGNetCompact, "body.0.weight", ("body",), _srvgg),
}


class UnknownNet(WeightsError):
    """Not a net of texup's own; others may know it."""

    def __init__(self, reason: str, *, damaged: bool = False) -> None:
        """Say why; ``damaged`` where all but some keys are those of a net that texup has."""
        super().__init__(reason)
        self.damaged = damaged


def detect(state: StateDict) -> Architecture:
    """Return the net that canonical ``state`` fills exactly: every key there, of the right shape, and no other.

    Raises:
        UnknownNet: a net that texup does not have, or with keys missing, left over or misshapen.
        WeightsError: beyond its bounds.
    """
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    stranger = family_of(shapes)
    if stranger is not None:
        raise UnknownNet(f"this is a net of type {stranger}; texup itself runs {', '.join(KINDS)}")
    name = _nearest(shapes)
    hyper = KINDS[name].guess(shapes)
    _check_bounds(name, hyper)
    try:
        net = empty_net(name, hyper)
    except ValueError as error:  # a scale that the net cannot have
        raise WeightsError(f"looks like {name}, but {error}") from error
    _compare(name, shapes, {key: tuple(value.shape) for key, value in net.state_dict().items()})
    return Architecture(
        name=name,
        hyper=hyper,
        scale=int(hyper["scale"]),
        in_channels=int(hyper["num_in_ch"]),
        out_channels=int(hyper["num_out_ch"]),
        multiple_of=int(hyper.get("unshuffle", 1)),
        needs=KINDS[name].needs(hyper),
    )


class _WithoutInit(TorchFunctionMode):
    """Skips random initialisation: wasted on weights from a file, and on "meta" it imports torch's compiler (2 s)."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ in ("normal_", "uniform_", "kaiming_uniform_"):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def empty_net(name: str, hyper: Hyper) -> nn.Module:
    """Return the net with tensors that have shapes but no memory, to compare with or to assign weights to."""
    with torch.device("meta"), _WithoutInit():
        return KINDS[name].net(**hyper)


def _nearest(shapes: Shapes) -> str:
    marked = next((name for name, kind in KINDS.items() if kind.marker in shapes), None)
    if marked is not None:
        return marked
    layers = {key.partition(".")[0] for key in shapes}
    nearest = max(KINDS, key=lambda name: len(layers & set(KINDS[name].layers)))
    if not layers & set(KINDS[nearest].layers):
        raise UnknownNet(f"no net that texup knows: {_listed(shapes)}; texup runs {', '.join(KINDS)}")
    return nearest


def _check_bounds(name: str, hyper: Hyper) -> None:
    for key, value in hyper.items():
        if not isinstance(value, bool | str) and not 1 <= value <= BOUNDS[key]:
            raise WeightsError(f"looks like {name}, but with {key} {value}; texup runs 1 to {BOUNDS[key]}")


def _compare(name: str, shapes: Shapes, expected: Shapes) -> None:
    # A counter of training steps that batch norm keeps; integers are not read from the file.
    needed = {key: shape for key, shape in expected.items() if not key.endswith("num_batches_tracked")}
    parts = {
        "lacks": [key for key in needed if key not in shapes],
        "has the unknown": [key for key in shapes if key not in needed],
        "has the wrong size of": [k for k in needed if k in shapes and shapes[k] != needed[k]],
    }
    faults = [f"{what} {_listed(keys)}" for what, keys in parts.items() if keys]
    if faults:
        reason = f"no net that texup knows: nearest to {name}, but it {', '.join(faults)}"
        raise UnknownNet(reason, damaged=KINDS[name].marker in shapes)


def _listed(keys: Iterable[str]) -> str:
    """Return the first keys and how many more there are."""
    every: Sequence[str] = list(keys)
    more = f" and {len(every) - SHOWN} more" if len(every) > SHOWN else ""
    return ", ".join(every[:SHOWN]) + more
