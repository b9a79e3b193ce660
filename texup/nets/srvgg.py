"""SRVGGNetCompact: a plain stack of convolutions at low resolution, the smallest net of the family.

References:
    Real-ESRGAN, ``realesrgan/archs/srvgg_arch.py`` (key names and structure).
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

START = 0.1  # of the last convolution's random weights, so that training begins near the nearest-neighbour picture


class SRVGGNetCompact(nn.Module):
    """Convolutions with PReLU, a pixel shuffle, and the picture itself added by nearest neighbour.

    Args:
        num_in_ch: channels of the picture.
        num_out_ch: channels of the result; equal to ``num_in_ch``, or the input could not be added.
        num_feat: width of every hidden convolution.
        num_conv: hidden convolutions after the first.
        scale: upscaling factor.

    The forward pass maps (N, num_in_ch, h, w) in [0, 1] to (N, num_out_ch, h*scale, w*scale), unclamped.
    """

    def __init__(
        self, num_in_ch: int = 3, num_out_ch: int = 3, num_feat: int = 64, num_conv: int = 16, scale: int = 4
    ) -> None:
        """Build the net; see the class for the arguments."""
        super().__init__()
        self.scale = scale
        widths = [num_in_ch, *[num_feat] * (num_conv + 1)]
        layers: list[nn.Module] = []
        for width_in, width_out in itertools.pairwise(widths):
            layers += [nn.Conv2d(width_in, width_out, 3, padding=1), nn.PReLU(num_feat)]
        last = nn.Conv2d(num_feat, num_out_ch * scale**2, 3, padding=1)
        with torch.no_grad():
            for value in last.parameters():
                value.mul_(START)
        self.body = nn.Sequential(*layers, last)

    def forward(self, x: Tensor) -> Tensor:
        """Upscale (N, num_in_ch, h, w) to (N, num_out_ch, h*scale, w*scale)."""
        residual = F.pixel_shuffle(self.body(x), self.scale)
        return residual + F.interpolate(x, scale_factor=float(self.scale), mode="nearest")
