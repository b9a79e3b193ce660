"""The value that a file of weights becomes."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn


@dataclass(frozen=True, slots=True)
class Needs:
    """What a net needs of whoever runs it, besides sides that are multiples of a number."""

    minimum: int = 1
    """Texels that each side of its input has at least."""
    square: bool = False
    half: bool = True
    """It may run in float16."""
    bfloat16: bool = True
    whole: bool = False
    """It looks at all of a plane at once, by a mean or a norm over it: tiles would not fit together."""
    one_at_a_time: bool = False
    plain: bool = False
    """It takes tensors in their usual layout only, not channels last."""
    values: int = 0
    """Numbers in its widest layer for one texel of its input; 0 where its width tells."""
    guarded: bool = False
    """It is not of texup: what it raises is the fault of a texture, not of the run."""


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
    fine_in_bfloat16: bool = False
    """Its results in bfloat16 were measured: 99.9 % are within a level of those in float32."""
