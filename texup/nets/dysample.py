"""DySample: an upsampler that learns from where each pixel of the result is taken.

References:
    Liu et al., "Learning to Upsample by Learning to Sample", ICCV 2023, section 3 (the static form with a scope factor
    of 0.5); the reference implementation names the layers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

REACH = 0.5  # of the learnt offsets, in texels: the paper's scope factor


class DySample(nn.Module):
    """Samples features (N, C, h, w) at (h * scale) x (w * scale) points near where a plain enlargement looks.

    Args:
        width: channels C of the features, a multiple of ``groups``.
        out: channels of the result; the features' own where ``end`` is False.
        scale: upscaling factor.
        groups: groups of channels that are sampled at points of their own.
        end: mix the sampled channels to ``out`` by a last 1x1 convolution.
    """

    def __init__(self, width: int, out: int, scale: int, groups: int = 4, *, end: bool = True) -> None:
        """Build the layers; see the class for the arguments."""
        super().__init__()
        if width % groups:
            raise ValueError(f"DySample shares {width} channels among {groups} groups, which leaves a rest")
        self.scale, self.groups = scale, groups
        points = 2 * groups * scale**2
        if end:
            self.end_conv = nn.Conv2d(width, out, 1)
        self.offset = nn.Conv2d(width, points, 1)
        self.scope = nn.Conv2d(width, points, 1, bias=False)
        nn.init.trunc_normal_(self.offset.weight, std=0.02)
        nn.init.zeros_(self.scope.weight)
        steps = (torch.arange(scale, dtype=torch.float32) - (scale - 1) / 2) / scale
        grid = torch.stack(torch.meshgrid(steps, steps, indexing="ij")).transpose(1, 2)  # x, then y
        self.register_buffer("init_pos", grid.repeat(1, groups, 1).reshape(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width, h, w) to (N, out, h * scale, w * scale)."""
        n, _, h, w = x.shape
        learnt = self.offset(x) * self.scope(x).sigmoid() * REACH + self.init_pos
        # Places in float32: in 16 bits a texel in the middle of a wide plane has no exact place.
        offset = learnt.float().view(n, 2, -1, h, w)
        rows, columns = (torch.arange(side, device=x.device, dtype=torch.float32) + 0.5 for side in (h, w))
        ys, xs = torch.meshgrid(rows, columns, indexing="ij")
        # Exact, and what a trace of the net follows: of w and h as numbers it would keep those of one plane.
        size = (torch.stack((columns[-1], rows[-1])) + 0.5).view(1, 2, 1, 1, 1)
        places = 2 * (torch.stack((xs, ys))[None, :, None] + offset) / size - 1
        places = F.pixel_shuffle(places.reshape(n, -1, h, w), self.scale)
        places = places.view(n, 2, self.groups, h * self.scale, w * self.scale).permute(0, 2, 3, 4, 1).flatten(0, 1)
        features = x.reshape(n * self.groups, -1, h, w).float()
        taken = F.grid_sample(features, places, mode="bilinear", padding_mode="border", align_corners=False)
        result = taken.to(x.dtype).view(n, -1, h * self.scale, w * self.scale)
        if hasattr(self, "end_conv"):
            result = self.end_conv(result)
        return result
