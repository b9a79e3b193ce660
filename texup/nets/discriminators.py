"""Discriminators for the GAN stage."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


class UNetDiscriminator(nn.Module):
    """A U-Net with spectral norm that judges every pixel.

    Maps (N, num_in_ch, H, W) in [0, 1] to logits (N, 1, H, W); H and W must be multiples of 8.

    References:
        Wang et al., "Real-ESRGAN", ICCVW 2021, section 3.4 and figure 6.
    """

    def __init__(self, num_in_ch: int = 3, num_feat: int = 64) -> None:
        """Build the net with ``num_feat`` channels at full size, doubled at each of three halvings."""
        super().__init__()

        def conv(channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1) -> nn.Module:
            return spectral_norm(nn.Conv2d(channels_in, channels_out, kernel, stride, 1, bias=False))

        self.conv0 = nn.Conv2d(num_in_ch, num_feat, 3, padding=1)
        self.down1 = conv(num_feat, num_feat * 2, 4, 2)
        self.down2 = conv(num_feat * 2, num_feat * 4, 4, 2)
        self.down3 = conv(num_feat * 4, num_feat * 8, 4, 2)
        self.up1 = conv(num_feat * 8, num_feat * 4)
        self.up2 = conv(num_feat * 4, num_feat * 2)
        self.up3 = conv(num_feat * 2, num_feat)
        self.conv7 = conv(num_feat, num_feat)
        self.conv8 = conv(num_feat, num_feat)
        self.conv9 = nn.Conv2d(num_feat, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return a logit for each pixel: positive for real."""

        def act(y: Tensor) -> Tensor:
            return F.leaky_relu(y, 0.2)

        def twice(y: Tensor) -> Tensor:
            return F.interpolate(y, scale_factor=2.0, mode="bilinear", align_corners=False)

        skips = [act(self.conv0(x))]
        for down in (self.down1, self.down2, self.down3):
            skips.append(act(down(skips[-1])))
        y = skips.pop()
        for up in (self.up1, self.up2, self.up3):
            y = torch.add(act(up(twice(y))), skips.pop())
        logits: Tensor = self.conv9(act(self.conv8(act(self.conv7(y)))))
        return logits
