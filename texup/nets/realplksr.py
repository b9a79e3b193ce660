"""RealPLKSR: large kernels over a part of the channels, in the form in which real pictures are restored.

References:
    Lee, Yun and Ro, "Partial Large Kernel CNNs for Efficient Super-Resolution", 2024 (arXiv:2404.11848), section 3 and
    figure 3. RealPLKSR, with Mish and group or layer norm, is of neosr and traiNNer-redux
    (``archs/realplksr_arch.py``), which name the layers.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from texup.nets.dysample import DySample

NORM_GROUPS = 4  # of the group norm; files do not tell it, and trainers have no other
EPSILON = 1e-6  # of the layer norm


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each texel."""

    def __init__(self, num_feat: int) -> None:
        """Build the norm of ``num_feat`` channels."""
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(num_feat)), nn.Parameter(torch.zeros(num_feat))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, num_feat, H, W) to the same shape."""
        last = x.permute(0, 2, 3, 1)
        return F.layer_norm(last, self.weight.shape, self.weight, self.bias, EPSILON).permute(0, 3, 1, 2)


class LargeKernel(nn.Module):
    """A large convolution over the first ``num_large`` channels; the others pass."""

    def __init__(self, num_large: int, kernel_size: int) -> None:
        """Build the convolution."""
        super().__init__()
        self.num_large = num_large
        self.conv = nn.Conv2d(num_large, num_large, kernel_size, padding=kernel_size // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, num_feat, H, W) to the same shape."""
        return torch.cat((self.conv(x[:, : self.num_large]), x[:, self.num_large :]), 1)


class Gate(nn.Module):
    """Each value times a share that a convolution finds for it."""

    def __init__(self, num_feat: int) -> None:
        """Build the gate of ``num_feat`` channels."""
        super().__init__()
        self.f = nn.Sequential(nn.Conv2d(num_feat, num_feat, 3, padding=1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, num_feat, H, W) to the same shape."""
        return torch.mul(x, self.f(x))


class PLKBlock(nn.Module):
    """Mix channels, look far with some of them, gate, refine, normalise; and the skip."""

    def __init__(self, num_feat: int, num_large: int, kernel_size: int, *, attention: bool, layer_norm: bool) -> None:
        """Build the block; see ``RealPLKSR`` for the arguments."""
        super().__init__()
        self.layer_norm = ChannelNorm(num_feat) if layer_norm else nn.Identity()
        self.channel_mixer = nn.Sequential(
            nn.Conv2d(num_feat, num_feat * 2, 3, padding=1), nn.Mish(), nn.Conv2d(num_feat * 2, num_feat, 3, padding=1)
        )
        self.lk = LargeKernel(num_large, kernel_size)
        self.attn = Gate(num_feat) if attention else nn.Identity()
        self.refine = nn.Conv2d(num_feat, num_feat, 1)
        self.norm = nn.Identity() if layer_norm else nn.GroupNorm(NORM_GROUPS, num_feat)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, num_feat, H, W) to the same shape."""
        y = self.lk(self.channel_mixer(self.layer_norm(x)))
        return torch.add(x, self.norm(self.refine(self.attn(y))))


class RealPLKSR(nn.Module):
    """Blocks with partial large kernels, and the picture itself added by nearest neighbour.

    Args:
        num_in_ch: channels of the picture.
        num_out_ch: channels of the result; equal to ``num_in_ch``, or the input could not be added.
        num_feat: width of every block.
        num_block: number of blocks.
        num_large: channels that see through the large kernel.
        kernel_size: its side, odd.
        scale: upscaling factor.
        attention: blocks have gates.
        layer_norm: blocks normalise over channels; else over groups of them and the whole plane, so that a tile is not
            what it is as a part of its texture.
        dysample: sample the result at learnt places instead of shuffling pixels.

    The forward pass maps (N, num_in_ch, h, w) in [0, 1] to (N, num_out_ch, h*scale, w*scale), unclamped.
    """

    def __init__(
        self,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 64,
        num_block: int = 28,
        num_large: int = 16,
        kernel_size: int = 17,
        scale: int = 4,
        *,
        attention: bool = True,
        layer_norm: bool = True,
        dysample: bool = False,
    ) -> None:
        """Build the net; see the class for the arguments."""
        super().__init__()
        if not layer_norm and num_feat % NORM_GROUPS:
            raise ValueError(f"RealPLKSR with group norm has a width that {NORM_GROUPS} divides, not {num_feat}")
        self.scale = scale
        blocks = (
            PLKBlock(num_feat, num_large, kernel_size, attention=attention, layer_norm=layer_norm)
            for _ in range(num_block)
        )
        widths = (num_feat, num_out_ch * scale**2)
        # The reference drops features here in training; the place in the row is kept for the names of the layers.
        self.feats = nn.Sequential(
            nn.Conv2d(num_in_ch, num_feat, 3, padding=1), *blocks, nn.Identity(), nn.Conv2d(*widths, 3, padding=1)
        )
        self.to_img: nn.Module
        if dysample:
            groups = num_out_ch if scale % 2 else NORM_GROUPS
            self.to_img = DySample(widths[1], num_out_ch, scale, groups, end=scale != 1)
        else:
            self.to_img = nn.PixelShuffle(scale)
        for layer in self._convolutions():
            nn.init.trunc_normal_(layer.weight, std=0.02)

    def _convolutions(self) -> Iterator[nn.Conv2d]:
        """Yield the convolutions that end something, whose first weights the reference makes small."""
        for layer in self.feats:
            if isinstance(layer, nn.Conv2d):
                yield layer
            elif isinstance(layer, PLKBlock):
                mixer = layer.channel_mixer[-1]
                assert isinstance(mixer, nn.Conv2d)
                yield from (mixer, layer.lk.conv, layer.refine)

    def forward(self, x: Tensor) -> Tensor:
        """Upscale (N, num_in_ch, h, w) to (N, num_out_ch, h*scale, w*scale)."""
        out: Tensor = self.to_img(self.feats(x) + x.repeat_interleave(self.scale**2, 1))
        return out
