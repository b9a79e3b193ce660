"""SRResNet, the generator of SRGAN, as published and in the variant without batch norm.

References:
    Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network", CVPR 2017,
    section 2.1.1 and figure 4. Key names of the variant follow BasicSR (``basicsr/archs/srresnet_arch.py``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from texup.nets.initialisation import make_small

NEGATIVE_SLOPE = 0.1


def upscaling_steps(scale: int) -> list[int]:
    """Return the factors of the pixel shuffles that make up ``scale``: doublings, or one step of 3."""
    if scale == 3:
        return [3]
    doublings = scale.bit_length() - 1
    if scale < 1 or 2**doublings != scale:
        raise ValueError(f"SRResNet needs a scale of 3 or a power of two, not {scale}")
    return [2] * doublings


def norm_of(num_feat: int, *, batch_norm: bool) -> nn.Module:
    """Return batch norm, or what passes everything on and has no weights."""
    return nn.BatchNorm2d(num_feat) if batch_norm else nn.Identity()


class ResidualBlock(nn.Module):
    """conv, BN, PReLU, conv, BN and the skip; without batch norm conv, PReLU, conv and the skip."""

    def __init__(self, num_feat: int, *, batch_norm: bool = True) -> None:
        """Build the block for ``num_feat`` channels; batch norm makes the biases of the convolutions needless."""
        super().__init__()
        self.conv1 = nn.Conv2d(num_feat, num_feat, 3, padding=1, bias=not batch_norm)
        self.bn1 = norm_of(num_feat, batch_norm=batch_norm)
        self.act = nn.PReLU()
        self.conv2 = nn.Conv2d(num_feat, num_feat, 3, padding=1, bias=not batch_norm)
        self.bn2 = norm_of(num_feat, batch_norm=batch_norm)
        if not batch_norm:
            make_small(self.conv1, self.conv2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, num_feat, H, W) to the same shape."""
        return torch.add(x, self.bn2(self.conv2(self.act(self.bn1(self.conv1(x))))))


class Upsampling(nn.Module):
    """conv to four times the channels, pixel shuffle, PReLU."""

    def __init__(self, num_feat: int, step: int) -> None:
        """Build one step that multiplies both sides by ``step``."""
        super().__init__()
        self.step = step
        self.conv = nn.Conv2d(num_feat, num_feat * step**2, 3, padding=1)
        self.act = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, num_feat, H, W) to (N, num_feat, H*step, W*step)."""
        out: Tensor = self.act(F.pixel_shuffle(self.conv(x), self.step))
        return out


class SRResNet(nn.Module):
    """The net as published: 9x9 convolutions at both ends, batch norm in the trunk.

    Without ``batch_norm`` it is the second row of ESRGAN's ablation: the convolutions of the trunk get biases and, in
    the blocks, a small start.

    The forward pass maps (N, num_in_ch, h, w) in [0, 1] to (N, num_out_ch, h*scale, w*scale), unclamped.

    References:
        ESRGAN (ECCVW 2018), figure 8, for the ablation.
    """

    def __init__(
        self,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 64,
        num_block: int = 16,
        scale: int = 4,
        *,
        batch_norm: bool = True,
    ) -> None:
        """Build the net with ``num_block`` residual blocks of ``num_feat`` channels."""
        super().__init__()
        self.conv_first = nn.Conv2d(num_in_ch, num_feat, 9, padding=4)
        self.act_first = nn.PReLU()
        self.body = nn.Sequential(*(ResidualBlock(num_feat, batch_norm=batch_norm) for _ in range(num_block)))
        self.conv_body = nn.Conv2d(num_feat, num_feat, 3, padding=1, bias=not batch_norm)
        self.bn_body = norm_of(num_feat, batch_norm=batch_norm)
        self.up = nn.Sequential(*(Upsampling(num_feat, step) for step in upscaling_steps(scale)))
        self.conv_last = nn.Conv2d(num_feat, num_out_ch, 9, padding=4)

    def forward(self, x: Tensor) -> Tensor:
        """Upscale (N, num_in_ch, h, w) to (N, num_out_ch, h*scale, w*scale)."""
        shallow = self.act_first(self.conv_first(x))
        features = shallow + self.bn_body(self.conv_body(self.body(shallow)))
        out: Tensor = self.conv_last(self.up(features))
        return out


class ResidualBlockNoBN(nn.Module):
    """conv, ReLU, conv and the skip."""

    def __init__(self, num_feat: int) -> None:
        """Build the block for ``num_feat`` channels."""
        super().__init__()
        self.conv1 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv2 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        make_small(self.conv1, self.conv2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, num_feat, H, W) to the same shape."""
        return torch.add(x, self.conv2(F.relu(self.conv1(x), inplace=True)))


class MSRResNet(nn.Module):
    """The variant of BasicSR: 3x3 convolutions, no batch norm, and the bilinearly upscaled picture added.

    The forward pass maps (N, num_in_ch, h, w) in [0, 1] to (N, num_out_ch, h*scale, w*scale), unclamped.
    """

    def __init__(
        self, num_in_ch: int = 3, num_out_ch: int = 3, num_feat: int = 64, num_block: int = 16, scale: int = 4
    ) -> None:
        """Build the net with ``num_block`` residual blocks of ``num_feat`` channels."""
        super().__init__()
        self.scale, self.steps = scale, upscaling_steps(scale)
        self.conv_first = nn.Conv2d(num_in_ch, num_feat, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlockNoBN(num_feat) for _ in range(num_block)))
        for k, step in enumerate(self.steps, 1):
            setattr(self, f"upconv{k}", nn.Conv2d(num_feat, num_feat * step**2, 3, padding=1))
        self.conv_hr = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_last = nn.Conv2d(num_feat, num_out_ch, 3, padding=1)
        make_small(*(conv for conv in self.children() if isinstance(conv, nn.Conv2d)))

    def forward(self, x: Tensor) -> Tensor:
        """Upscale (N, num_in_ch, h, w) to (N, num_out_ch, h*scale, w*scale)."""

        def act(y: Tensor) -> Tensor:
            return F.leaky_relu(y, NEGATIVE_SLOPE, inplace=True)

        y = self.body(act(self.conv_first(x)))
        for k, step in enumerate(self.steps, 1):
            y = act(F.pixel_shuffle(getattr(self, f"upconv{k}")(y), step))
        base = F.interpolate(x, scale_factor=float(self.scale), mode="bilinear", align_corners=False)
        return torch.add(base, self.conv_last(act(self.conv_hr(y))))
