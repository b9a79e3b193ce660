"""The growth of RRDBNet as other programs expect it: they know one, and do not read it from the weights.

References:
    spandrel 0.4.2, ``architectures/ESRGAN/__arch/RRDB.py``: ``gc=32``; chaiNNer loads by it. xinntao/ESRGAN,
    ``RRDBNet_arch.py``: 32 by default, and so in Real-ESRGAN's ``inference_realesrgan.py``.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from texup.models.detect import Architecture
from texup.models.weights import StateDict

EXPECTED = 32
_BLOCK = re.compile(r"body\.\d+\.rdb[123]\.conv(?P<number>[1-5]|1x1)\.(?P<leaf>weight|bias)", re.ASCII)


def growth_of(net: Architecture) -> int:
    """Return the growth of a net of type RRDBNet; that which is expected for others, which have none."""
    return int(net.hyper["num_grow_ch"]) if net.name == "RRDBNet" else EXPECTED


def pad_growth(state: StateDict, growth: int) -> StateDict:
    """Return a canonical RRDBNet of a ``growth`` below ``EXPECTED`` with that: the channels that are added are zero.

    The sums of a convolution come in another order, nothing else.
    """
    return {key: _padded(value, growth, _BLOCK.fullmatch(key)) for key, value in state.items()}


def _padded(value: Tensor, growth: int, place: re.Match[str] | None) -> Tensor:
    """Return a tensor of a dense block, (out, in, 3, 3) or (out), with zeros for the channels that are not there."""
    if place is None:
        return value
    number = place["number"]
    rows = value.shape[0] if number == "5" else EXPECTED
    if place["leaf"] == "bias":
        wide = value.new_zeros(rows)
        wide[: value.shape[0]] = value
        return wide
    # A convolution sees the block's input, then what each one before it gained.
    before = 0 if number == "1x1" else int(number) - 1
    own = value.shape[1] - before * growth
    columns = torch.cat([torch.arange(own), *(own + k * EXPECTED + torch.arange(growth) for k in range(before))])
    wide = value.new_zeros(rows, own + before * EXPECTED, *value.shape[2:])
    wide[: value.shape[0], columns] = value
    return wide
