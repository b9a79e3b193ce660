"""SPAN: blocks whose attention has no parameters, trained with branches that fold into one convolution; and SPAN+.

References:
    Wan et al., "Swift Parameter-free Attention Network for Efficient Super-Resolution", CVPRW 2024, sections 3.1 to
    3.3 and figure 2. Key names follow hongyuanyu/SPAN (``basicsr/archs/span_arch.py``), those of SPAN+ umzi2/SPANPlus.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from texup.nets.dysample import DySample

GAIN = 2  # times as many channels inside the branch as outside
MEAN, RANGE = (0.4488, 0.4371, 0.4040), 255.0  # of the pictures that the paper's nets take their mean off
BLOCKS = 6
Activation = Callable[[Tensor], Tensor]


class Conv3XC(nn.Module):
    """A 3x3 convolution that is trained as three convolutions in a row with a 1x1 beside them.

    All of it is linear, so it is run folded into one kernel in training too: the same results, and gradients reach the
    branches through the fold. Files also keep a kernel that was folded when they were saved, ``eval_conv``; it is only
    used where ``deployed`` says that there is nothing else.
    """

    def __init__(self, width_in: int, width_out: int, *, deployed: bool = False) -> None:
        """Build the branches and the kernel, or with ``deployed`` the kernel alone."""
        super().__init__()
        self.deployed = deployed
        self.kernel: Tensor | None
        self.shift: Tensor | None
        if not deployed:
            self.sk = nn.Conv2d(width_in, width_out, 1)
            self.conv = nn.Sequential(
                nn.Conv2d(width_in, width_in * GAIN, 1),
                nn.Conv2d(width_in * GAIN, width_out * GAIN, 3),
                nn.Conv2d(width_out * GAIN, width_out, 1),
            )
        self.eval_conv = nn.Conv2d(width_in, width_out, 3, padding=1).requires_grad_(requires_grad=deployed)
        self.register_buffer("kernel", None, persistent=False)
        self.register_buffer("shift", None, persistent=False)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Return weight and bias of the one convolution that the branches are."""
        first, middle, last = self.conv
        assert isinstance(first, nn.Conv2d)
        assert isinstance(middle, nn.Conv2d)
        assert isinstance(last, nn.Conv2d)
        assert first.bias is not None
        assert middle.bias is not None
        assert last.bias is not None
        assert self.sk.bias is not None
        before, behind = first.weight[..., 0, 0], last.weight[..., 0, 0]
        weight = torch.einsum("op,pqhw,qi->oihw", behind, middle.weight, before) + F.pad(self.sk.weight, (1, 1, 1, 1))
        # The branch pads the picture, not what its first convolution makes of it: its bias is there beyond the border.
        inner = middle.weight.sum((2, 3)) @ first.bias + middle.bias
        return weight, behind @ inner + last.bias + self.sk.bias

    def fuse(self) -> None:
        """Keep the folded kernel, computed in float64, until the net is trained again."""
        if not self.deployed:
            weight, bias = copy.deepcopy(self).double().folded()
            self.kernel, self.shift = weight.detach().float(), bias.detach().float()

    def train(self, mode: bool = True) -> Conv3XC:  # noqa: FBT001, FBT002 - as nn.Module has it
        """Forget a kept kernel, which training makes old."""
        if mode:
            self.kernel, self.shift = None, None
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width_in, H, W) to (N, width_out, H, W)."""
        if self.deployed:
            return self.eval_conv(x)  # type: ignore[no-any-return]
        weight, bias = self.folded() if self.kernel is None else (self.kernel, self.shift)
        return F.conv2d(x, weight, bias, padding=1)


def fuse(net: nn.Module) -> None:
    """Fold the branches of every layer of a net that has any: quicker, and exact in 16 bits too."""
    for layer in net.modules():
        if isinstance(layer, Conv3XC):
            layer.fuse()


class SPAB(nn.Module):
    """Three convolutions whose own result, through an odd function, says how much of it passes."""

    def __init__(self, num_feat: int, activation: Activation, *, deployed: bool = False) -> None:
        """Build the block for ``num_feat`` channels."""
        super().__init__()
        self.activation = activation
        self.c1_r = Conv3XC(num_feat, num_feat, deployed=deployed)
        self.c2_r = Conv3XC(num_feat, num_feat, deployed=deployed)
        self.c3_r = Conv3XC(num_feat, num_feat, deployed=deployed)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the block's result, and its first convolution's behind the activation, which a later layer uses.

        The reference works in place, so that what it calls the first convolution's result is the activated one.
        """
        first = self.activation(self.c1_r(x))
        third = self.c3_r(self.activation(self.c2_r(first)))
        return (third + x) * (torch.sigmoid(third) - 0.5), first


class SPAN(nn.Module):
    """Six attention blocks at low resolution and a pixel shuffle.

    Args:
        num_in_ch: channels of the picture.
        num_out_ch: channels of the result.
        num_feat: width of every layer.
        scale: upscaling factor.
        norm: take the mean colour off and work in 0 to 255, as the paper's nets do; those of later trainers do not.
        deployed: only the folded kernels are there; such a net cannot be trained further as SPAN.

    The forward pass maps (N, num_in_ch, h, w) in [0, 1] to (N, num_out_ch, h*scale, w*scale), unclamped.
    """

    def __init__(
        self,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 48,
        scale: int = 4,
        *,
        norm: bool = False,
        deployed: bool = False,
    ) -> None:
        """Build the net; see the class for the arguments."""
        super().__init__()
        if norm and num_in_ch != len(MEAN):
            raise ValueError(f"SPAN takes the mean off {len(MEAN)} channels, not {num_in_ch}")
        self.norm = norm
        if not norm:
            self.register_buffer("no_norm", torch.zeros(1))  # tells the two apart in files; nothing reads its value
        self.conv_1 = Conv3XC(num_in_ch, num_feat, deployed=deployed)
        for k in range(1, BLOCKS + 1):
            setattr(self, f"block_{k}", SPAB(num_feat, F.silu, deployed=deployed))
        self.conv_cat = nn.Conv2d(num_feat * 4, num_feat, 1)
        self.conv_2 = Conv3XC(num_feat, num_feat, deployed=deployed)
        self.upsampler = nn.Sequential(nn.Conv2d(num_feat, num_out_ch * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x: Tensor) -> Tensor:
        """Upscale (N, num_in_ch, h, w) to (N, num_out_ch, h*scale, w*scale)."""
        if self.norm:
            x = (x - x.new_tensor(MEAN).view(1, -1, 1, 1)) * RANGE
        shallow = self.conv_1(x)
        y, results, inner = shallow, [], shallow
        for k in range(1, BLOCKS + 1):
            y, inner = getattr(self, f"block_{k}")(y)
            results.append(y)
        joined = torch.cat((shallow, self.conv_2(y), results[0], inner), 1)
        out: Tensor = self.upsampler(self.conv_cat(joined))
        return out


class SPABS(nn.Module):
    """A group of attention blocks with SPAN's joint at its end."""

    def __init__(self, num_feat: int, num_block: int, *, deployed: bool = False) -> None:
        """Build a group of a first block, ``num_block`` in the middle and a last one."""
        super().__init__()
        self.block_1 = SPAB(num_feat, F.mish, deployed=deployed)
        self.block_n = nn.ModuleList(SPAB(num_feat, F.mish, deployed=deployed) for _ in range(num_block))
        self.block_end = SPAB(num_feat, F.mish, deployed=deployed)
        self.conv_2 = Conv3XC(num_feat, num_feat, deployed=deployed)
        self.conv_cat = nn.Conv2d(num_feat * 4, num_feat, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, num_feat, H, W) to the same shape."""
        first, _ = self.block_1(x)
        y = first
        for block in self.block_n:
            y, _ = block(y)
        y, inner = self.block_end(y)
        joined: Tensor = self.conv_cat(torch.cat((x, self.conv_2(y), first, inner), 1))
        return joined


class SpanPlus(nn.Module):
    """SPAN's blocks in groups, with Mish and a choice of upsamplers.

    Args:
        num_in_ch: channels of the picture.
        num_out_ch: channels of the result.
        num_feat: width of every layer.
        num_block: blocks in the middle of each group.
        num_group: groups.
        scale: upscaling factor.
        upsampler: "dysample", "pixelshuffle", or "conv" for a scale of 1.
        deployed: as in SPAN.

    The forward pass maps (N, num_in_ch, h, w) in [0, 1] to (N, num_out_ch, h*scale, w*scale), unclamped.
    """

    def __init__(
        self,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 48,
        num_block: int = 4,
        num_group: int = 1,
        scale: int = 4,
        *,
        upsampler: str = "dysample",
        deployed: bool = False,
    ) -> None:
        """Build the net; see the class for the arguments."""
        super().__init__()
        groups = (SPABS(num_feat, num_block, deployed=deployed) for _ in range(num_group))
        self.feats = nn.Sequential(Conv3XC(num_in_ch, num_feat, deployed=deployed), *groups)
        self.upsampler: nn.Module
        if upsampler == "dysample":
            self.upsampler = DySample(num_feat, num_out_ch, scale)
        elif upsampler == "pixelshuffle":
            last = nn.Conv2d(num_feat, num_out_ch * scale**2, 3, padding=1)
            self.upsampler = nn.Sequential(last, nn.PixelShuffle(scale))
        elif upsampler == "conv" and scale == 1:
            self.upsampler = nn.Conv2d(num_feat, num_out_ch, 3, padding=1)
        else:
            raise ValueError(f"SpanPlus has no upsampler {upsampler} of scale {scale}")

    def forward(self, x: Tensor) -> Tensor:
        """Upscale (N, num_in_ch, h, w) to (N, num_out_ch, h*scale, w*scale)."""
        out: Tensor = self.upsampler(self.feats(x))
        return out
