"""RRDBNet: the generator of ESRGAN, in the order in which it runs.

References:
    Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", ECCVW 2018,
    section 3.1 and figure 4. Key names follow BasicSR (``basicsr/archs/rrdbnet_arch.py``).
    ESRGAN+: Rakotonirina and Rasoanaivo, "ESRGAN+: Further Improving Enhanced Super-Resolution Generative Adversarial
    Network", ICASSP 2020, section 3.1 and figure 2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from texup.nets.initialisation import make_small

NEGATIVE_SLOPE = 0.2
RESIDUAL_SCALE = 0.2  # beta of the paper: each residual is damped before it is added


class ResidualDenseBlock(nn.Module):
    """Five 3x3 convolutions, each fed with all earlier outputs; no batch norm."""

    def __init__(self, num_feat: int = 64, num_grow_ch: int = 32, *, plus: bool = False) -> None:
        """Build the block for ``num_feat`` channels in and out, ``num_grow_ch`` gained per convolution.

        ``plus`` adds ESRGAN+'s residuals: the input, through a 1x1 convolution, to what the second convolution gained,
        and that to what the fourth did.
        """
        super().__init__()
        for k in range(1, 5):
            setattr(self, f"conv{k}", nn.Conv2d(num_feat + (k - 1) * num_grow_ch, num_grow_ch, 3, padding=1))
        self.conv5 = nn.Conv2d(num_feat + 4 * num_grow_ch, num_feat, 3, padding=1)
        if plus:
            self.conv1x1 = nn.Conv2d(num_feat, num_grow_ch, 1, bias=False)
        self.plus = plus
        make_small(*(conv for conv in self.children() if isinstance(conv, nn.Conv2d)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, num_feat, H, W) to the same shape."""
        features = x
        second = x
        for k in range(1, 5):
            grown = F.leaky_relu(getattr(self, f"conv{k}")(features), NEGATIVE_SLOPE, inplace=True)
            if self.plus and k == 2:
                grown = second = grown + self.conv1x1(x)
            elif self.plus and k == 4:
                grown = grown + second
            features = torch.cat((features, grown), 1)
        return torch.add(x, self.conv5(features), alpha=RESIDUAL_SCALE)


class RRDB(nn.Module):
    """Residual in residual: three dense blocks inside one more damped residual."""

    def __init__(self, num_feat: int, num_grow_ch: int = 32, *, plus: bool = False) -> None:
        """Build three dense blocks of ``num_feat`` channels."""
        super().__init__()
        self.rdb1 = ResidualDenseBlock(num_feat, num_grow_ch, plus=plus)
        self.rdb2 = ResidualDenseBlock(num_feat, num_grow_ch, plus=plus)
        self.rdb3 = ResidualDenseBlock(num_feat, num_grow_ch, plus=plus)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, num_feat, H, W) to the same shape."""
        return torch.add(x, self.rdb3(self.rdb2(self.rdb1(x))), alpha=RESIDUAL_SCALE)


class RRDBNet(nn.Module):
    """ESRGAN's generator for any power-of-two scale, pixel-unshuffled below 4 where the weights say so.

    Args:
        num_in_ch: channels of the picture (3; before any pixel-unshuffle).
        num_out_ch: channels of the result.
        num_feat: width of the trunk.
        num_block: number of RRDBs.
        num_grow_ch: growth of the dense blocks.
        scale: upscaling factor, a power of two, after the unshuffle is counted in.
        unshuffle: side of the pixel-unshuffle in front (Real-ESRGAN's x2 uses 2, x1 uses 4); 1 for none.
        plus: the dense blocks of ESRGAN+.

    The forward pass maps (N, num_in_ch, h, w) in [0, 1] to (N, num_out_ch, h*scale, w*scale), unclamped;
    h and w must be multiples of ``unshuffle``.

    References:
        The unshuffled variant: Real-ESRGAN (ICCVW 2021), section 3.3.
    """

    def __init__(
        self,
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 64,
        num_block: int = 23,
        num_grow_ch: int = 32,
        scale: int = 4,
        unshuffle: int = 1,
        *,
        plus: bool = False,
    ) -> None:
        """Build the net; see the class for the arguments."""
        super().__init__()
        doublings = (scale * unshuffle).bit_length() - 1
        if scale < 1 or 2**doublings != scale * unshuffle:
            raise ValueError(f"RRDBNet needs a power-of-two scale, not {scale} with unshuffle {unshuffle}")
        self.scale, self.unshuffle, self.doublings = scale, unshuffle, doublings
        self.conv_first = nn.Conv2d(num_in_ch * unshuffle**2, num_feat, 3, padding=1)
        self.body = nn.Sequential(*(RRDB(num_feat, num_grow_ch, plus=plus) for _ in range(num_block)))
        self.conv_body = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        for k in range(1, doublings + 1):
            setattr(self, f"conv_up{k}", nn.Conv2d(num_feat, num_feat, 3, padding=1))
        self.conv_hr = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_last = nn.Conv2d(num_feat, num_out_ch, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Upscale (N, num_in_ch, h, w) to (N, num_out_ch, h*scale, w*scale)."""
        if self.unshuffle > 1:
            x = F.pixel_unshuffle(x, self.unshuffle)
        shallow = self.conv_first(x)
        features = shallow + self.conv_body(self.body(shallow))
        for k in range(1, self.doublings + 1):
            features = F.interpolate(features, scale_factor=2.0, mode="nearest")
            features = F.leaky_relu(getattr(self, f"conv_up{k}")(features), NEGATIVE_SLOPE, inplace=True)
        out: Tensor = self.conv_last(F.leaky_relu(self.conv_hr(features), NEGATIVE_SLOPE, inplace=True))
        return out
