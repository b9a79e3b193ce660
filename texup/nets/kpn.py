"""A net that paints nothing of its own: each pixel of its result is a mixture of the texels around it.

References:
    Bako et al., "Kernel-Predicting Convolutional Networks for Denoising Monte Carlo Renderings", SIGGRAPH 2017,
    section 4.2 (weights by softmax instead of colours).
    Jo et al., "Deep Video Super-Resolution Network Using Dynamic Upsampling Filters", CVPR 2018 (a filter for each
    pixel of the larger picture).
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from texup.nets.srvgg import add_identity

RGBA = 4
SIDE = 3  # a pixel is mixed of as many texels a side: its own and the eight around
STEEPEST = 8.0  # largest difference of a logit from the mean; beyond it a softmax no longer learns
OWN = 1.0  # logit of a texel's own share before training; those of the others are near 0
START = 0.1  # of the other random weights of the last convolution
LEAST_ALPHA = 1e-4  # below it the colours are mixed as if all texels showed


class KernelPrediction(nn.Module):
    """Convolutions with PReLU that choose, for each pixel of the result, how much it takes of each texel around it.

    The shares are a softmax: a flat area stays exactly as it is, and no colour lies outside those around it. Colour
    is weighed with alpha, so that the colour of transparent texels mixes into nothing that shows.

    Args:
        num_in_ch: channels of picture and result; 4, the last of which is alpha.
        num_out_ch: the same.
        num_feat: width of every hidden convolution.
        num_conv: hidden convolutions after the first.
        scale: upscaling factor.
        identity: begin each hidden convolution with the identity added to its random weights.

    Raises:
        ValueError: other channels.
    """

    def __init__(
        self,
        num_in_ch: int = RGBA,
        num_out_ch: int = RGBA,
        num_feat: int = 48,
        num_conv: int = 12,
        scale: int = 4,
        *,
        identity: bool = False,
    ) -> None:
        """Build the net; see the class for the arguments."""
        super().__init__()
        if (num_in_ch, num_out_ch) != (RGBA, RGBA):
            raise ValueError(f"it takes and gives {RGBA} channels")
        self.scale = scale
        widths = [num_in_ch, *[num_feat] * (num_conv + 1)]
        layers: list[nn.Module] = []
        for width_in, width_out in itertools.pairwise(widths):
            layers += [nn.Conv2d(width_in, width_out, 3, padding=1), nn.PReLU(num_feat)]
        self.hidden: nn.Module = nn.Sequential(*layers)
        self.kernels = nn.Conv2d(num_feat, scale**2 * SIDE**2, 1)
        self.around = nn.ReplicationPad2d(SIDE // 2)
        if identity:
            add_identity([layer for layer in layers[2:] if isinstance(layer, nn.Conv2d)])
        with torch.no_grad():
            self.kernels.weight.mul_(START)
            self.kernels.bias.zero_()  # type: ignore[union-attr]
            own = self.kernels.bias.view(SIDE**2, scale**2)[SIDE**2 // 2]  # type: ignore[union-attr]
            own.fill_(OWN)

    def forward(self, x: Tensor) -> Tensor:
        """Upscale (N, 4, h, w) in [0, 1], straight alpha, to (N, 4, h*scale, w*scale), straight alpha again.

        An opaque picture may come as (N, 3, h, w), and its result has three channels too.
        """
        if x.shape[1] < RGBA:
            return self(torch.cat((x, torch.ones_like(x[:, :1])), 1))[:, :3]  # type: ignore[no-any-return]
        count, _, height, width = x.shape
        colour, alpha = x[:, :3], x[:, 3:]
        logits = self.kernels(self.hidden(torch.cat((colour * alpha, alpha), 1) - 0.5)).float()
        logits = STEEPEST * torch.tanh(logits / STEEPEST)
        shares = logits.view(count, SIDE**2, self.scale**2, height, width).softmax(1)
        texels = F.unfold(self.around(torch.cat((colour * alpha, x), 1).float()), SIDE)
        texels = texels.view(count, 3 + RGBA, SIDE**2, height, width)
        mixed = torch.einsum("nkshw,nckhw->ncshw", shares, texels).flatten(1, 2)
        pixels = F.pixel_shuffle(mixed, self.scale)
        shown, plain, opacity = pixels[:, :3], pixels[:, 3:6], pixels[:, 6:]
        straight = torch.where(opacity > LEAST_ALPHA, shown / opacity.clamp(min=LEAST_ALPHA), plain)
        return torch.cat((straight, opacity), 1).to(x.dtype)
