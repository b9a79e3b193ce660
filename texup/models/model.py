"""The value that a file of weights becomes."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn


@dataclass(frozen=True, slots=True)
class Needs:
    """What a net needs of whoever runs it, besides sides that are multiples of a number."""

    half: bool = True
    """It may run in float16; such a net never overflows, or seldom enough to do those tiles again in float32."""
    bfloat16: bool = True
    whole: bool = False
    """It looks at all of a plane at once, by a mean or a norm over it: tiles would not fit together."""


@dataclass(frozen=True, slots=True)
class UpscaleModel:
    """A net, ready to run, and what its caller has to know.

    ``net`` maps (N, in_channels, h, w) in [0, 1] to (N, out_channels, h*scale, w*scale), near [0, 1] but not clamped,
    for any N and any h and w that are multiples of ``multiple_of``.
    """

    net: nn.Module
    """In eval mode, without gradients, float32, channels_last, on the CPU."""
    name: str
    architecture: str
    scale: int
    in_channels: int
    out_channels: int
    multiple_of: int
    sha256: str
    """Of the file that the weights came from."""
    hyper: dict[str, int | str | bool]
    """Arguments of the net's class, as its weights tell them."""
    needs: Needs = field(default_factory=Needs)
