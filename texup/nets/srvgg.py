"""SRVGGNetCompact: a plain stack of convolutions at low resolution, the smallest net of the family.

References:
    Real-ESRGAN, ``realesrgan/archs/srvgg_arch.py`` (key names and structure).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

START = 0.1  # of the last convolution's random weights, so that training begins near the nearest-neighbour picture
BESIDE_IDENTITY = 0.7  # of the hidden convolutions' random weights, where an identity is added to them


class SRVGGNetCompact(nn.Module):
    """Convolutions with PReLU, a pixel shuffle, and the picture itself added by nearest neighbour.

    Args:
        num_in_ch: channels of the picture.
        num_out_ch: channels of the result; equal to ``num_in_ch``, or the input could not be added.
        num_feat: width of every hidden convolution.
        num_conv: hidden convolutions after the first.
        scale: upscaling factor.
        identity: begin each hidden convolution with the identity added to its random weights. A trained net is the
            same either way; only random weights differ.

    The forward pass maps (N, num_in_ch, h, w) in [0, 1] to (N, num_out_ch, h*scale, w*scale), unclamped.
    """

    def __init__(
        self,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 64,
        num_conv: int = 16,
        scale: int = 4,
        *,
        identity: bool = False,
    ) -> None:
        """Build the net; see the class for the arguments."""
        super().__init__()
        self.scale, self.num_in_ch = scale, num_in_ch
        widths = [num_in_ch, *[num_feat] * (num_conv + 1)]
        layers: list[nn.Module] = []
        for width_in, width_out in itertools.pairwise(widths):
            layers += [nn.Conv2d(width_in, width_out, 3, padding=1), nn.PReLU(num_feat)]
        last = nn.Conv2d(num_feat, num_out_ch * scale**2, 3, padding=1)
        with torch.no_grad():
            for value in last.parameters():
                value.mul_(START)
        self.body: nn.Module = nn.Sequential(*layers, last)
        if identity:
            add_identity([layer for layer in layers[2:] if isinstance(layer, nn.Conv2d)])

    def forward(self, x: Tensor) -> Tensor:
        """Upscale (N, num_in_ch, h, w) to (N, num_out_ch, h*scale, w*scale)."""
        residual = F.pixel_shuffle(self.body(x), self.scale)
        return residual + F.interpolate(x, scale_factor=float(self.scale), mode="nearest")


@torch.no_grad()
def add_identity(convolutions: Iterable[nn.Conv2d]) -> None:
    """Shrink the weights of square 3 x 3 ``convolutions`` and add the identity to their centre taps.

    This is the re-parameterised net, ``PReLU(conv(x) + x)`` in training and a plain convolution afterwards, without
    its second form: a shortcut that is only added to a convolution does not change the gradient of its weights, and
    neither Adam nor Muon looks at their values, so every step is the same. (Weight decay would tell them apart.)

    References:
        Ding et al., "RepVGG: Making VGG-style ConvNets Great Again", CVPR 2021, section 3.3 (folding an identity).
    """
    for convolution in convolutions:
        convolution.weight.mul_(BESIDE_IDENTITY)
        convolution.weight[..., 1, 1] += torch.eye(convolution.weight.shape[0])


def at_scale(state: dict[str, Tensor], scale: int, num_out_ch: int = 3) -> dict[str, Tensor]:
    """Return the weights of a compact net whose result is that of ``state``, reduced by box to ``scale``.

    Only the last convolution changes: the mean of its sub-pixels is a convolution too, and a nearest picture stays one.
    It is where a net of a smaller scale begins. A state of the same scale, or of one that ``scale`` does not divide,
    comes back as it is.
    """
    last = max((int(key.split(".")[1]) for key in state if key.startswith("body.")), default=0)
    rows = state[f"body.{last}.weight"].shape[0] if f"body.{last}.weight" in state else 0
    have = math.isqrt(rows // num_out_ch)
    if not have or rows != num_out_ch * have**2 or have == scale or have % scale:
        return state
    blocks = (num_out_ch, scale, have // scale, scale, have // scale)
    reduced = dict(state)
    for key in (f"body.{last}.weight", f"body.{last}.bias"):
        value = state[key]
        reduced[key] = value.view(*blocks, *value.shape[1:]).mean((2, 4)).flatten(0, 2)
    return reduced
