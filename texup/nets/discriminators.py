"""Discriminators for the GAN stage; every one gives logits, positive for real, and features to match.

``forward`` maps (N, num_in_ch, H, W) in [0, 1] to logits. ``forward_features`` returns the same logits and the
activations after each halving of the picture, from one pass.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

NEGATIVE_SLOPE = 0.2
SRGAN_SIDE = 6  # of the features of the paper's 96 px pictures after four halvings


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
        return self.forward_features(x)[0]

    def features(self, x: Tensor) -> list[Tensor]:
        """Return the activations of the three halvings, without the cost of the way up."""
        return self._down(x)[1:]

    def forward_features(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the logits and the activations of the three halvings, from one pass."""
        *skips, y = self._down(x)
        features = [*skips[1:], y]
        for up, skip in zip((self.up1, self.up2, self.up3), reversed(skips), strict=True):
            twice = F.interpolate(y, scale_factor=2.0, mode="bilinear", align_corners=False)
            y = torch.add(_act(up(twice)), skip)
        return self.conv9(_act(self.conv8(_act(self.conv7(y))))), features

    def _down(self, x: Tensor) -> list[Tensor]:
        """Return the activations at full, half, quarter and eighth size."""
        states = [_act(self.conv0(x))]
        for down in (self.down1, self.down2, self.down3):
            states.append(_act(down(states[-1])))
        return states


class StackedDiscriminator(nn.Module):
    """Stages that halve the picture, then dense layers that give one logit (N, 1) for all of it."""

    def __init__(self, stages: list[nn.Sequential], head: nn.Sequential) -> None:
        """Put ``stages`` of (N, C, H, W) and the ``head``, which flattens, one behind the other."""
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Return one logit for each picture, (N, 1): positive for real."""
        return self.forward_features(x)[0]

    def forward_features(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the logits and the activations after each stage, from one pass."""
        features: list[Tensor] = []
        for stage in self.stages:
            features.append(stage(features[-1] if features else x))
        return self.head(features[-1]), features


class SRGANDiscriminator(StackedDiscriminator):
    """Eight 3x3 convolutions and two dense layers.

    Made for pictures of ``size`` x ``size``, a multiple of 16. The paper trains on 96; the features of larger pictures
    are averaged down to the 6x6 of that size, where the first dense layer has 19 million parameters and not 134.

    ``residual`` is texup's variant: each halving is followed by a residual block of two more convolutions at its width,
    with ``dropout`` between them as in wide residual nets and before the last dense layer. Dropout slows a
    discriminator that learns its few pictures by heart, which a fine-tune on one small pack invites.

    References:
        SRGAN (CVPR 2017), figure 4. Residual discriminators: Gulrajani et al., "Improved Training of Wasserstein GANs",
        NIPS 2017. Dropout in the block: Zagoruyko and Komodakis, "Wide Residual Networks", BMVC 2016, section 2.4; in
        discriminators: Salimans et al., "Improved Techniques for Training GANs", NIPS 2016.
    """

    def __init__(
        self, size: int, num_feat: int = 64, *, residual: bool = False, dropout: float = 0.0, num_in_ch: int = 3
    ) -> None:
        """Build the net with ``num_feat`` channels in the first stage, doubled up to eight times in the fourth.

        Raises:
            ValueError: ``size`` is not a multiple of 16.
        """
        _check_size(size, 16)
        stages = []
        for k in range(4):
            width, narrow = num_feat * 2**k, num_feat * 2 ** (k - 1)
            # The net's very first convolution is the only one without batch norm.
            first = _plain(num_in_ch, width, 3) if k == 0 else _normed(narrow, width, 3, 1)
            block = [DiscriminatorBlock(width, dropout)] if residual else []
            stages.append(nn.Sequential(*first, *_normed(width, width, 3, 2), *block))
        side = min(size // 16, SRGAN_SIDE)
        head = nn.Sequential(
            *(nn.AdaptiveAvgPool2d(side), nn.Flatten(), nn.Linear(num_feat * 8 * side**2, num_feat * 16)),
            *(nn.LeakyReLU(NEGATIVE_SLOPE), nn.Dropout(dropout), nn.Linear(num_feat * 16, 1)),
        )
        super().__init__(stages, head)


class DiscriminatorBlock(nn.Module):
    """conv, BN, LeakyReLU, dropout, conv, BN and the skip, for the variant of SRGAN's discriminator."""

    def __init__(self, num_feat: int, dropout: float) -> None:
        """Build the block for ``num_feat`` channels; ``dropout`` is the share of values set to zero in training."""
        super().__init__()
        *last, _ = _normed(num_feat, num_feat, 3, 1)
        self.body = nn.Sequential(*_normed(num_feat, num_feat, 3, 1), nn.Dropout(dropout), *last)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, num_feat, H, W) to the same shape."""
        return torch.add(x, self.body(x))


class VGGStyleDiscriminator(StackedDiscriminator):
    """Ten convolutions, 3x3 and 4x4 with stride 2 in turn, and two dense layers: ESRGAN's discriminator.

    Made for pictures of exactly ``size`` x ``size``, a multiple of 32; from 256 on a sixth halving is added.

    References:
        BasicSR, ``basicsr/archs/discriminator_arch.py``, which has it for 128 and 256.
    """

    def __init__(self, size: int = 128, num_feat: int = 64, *, num_in_ch: int = 3) -> None:
        """Build the net with ``num_feat`` channels in the first stage, doubled up to eight times.

        Raises:
            ValueError: ``size`` is not a multiple of 32, or of 64 from 256 on.
        """
        halvings = 5 if size < 256 else 6
        _check_size(size, 2**halvings)
        widths = [num_feat * min(2**k, 8) for k in range(halvings)]
        stages = [nn.Sequential(*_plain(num_in_ch, num_feat, 3), *_normed(num_feat, num_feat, 4, 2))]
        for narrow, width in itertools.pairwise(widths):
            stages.append(nn.Sequential(*_normed(narrow, width, 3, 1), *_normed(width, width, 4, 2)))
        head = nn.Sequential(
            *(nn.Flatten(), nn.Linear(widths[-1] * (size // 2**halvings) ** 2, 100)),
            *(nn.LeakyReLU(NEGATIVE_SLOPE), nn.Linear(100, 1)),
        )
        super().__init__(stages, head)


def _act(y: Tensor) -> Tensor:
    return F.leaky_relu(y, NEGATIVE_SLOPE)


def _plain(channels_in: int, channels_out: int, kernel: int) -> list[nn.Module]:
    return [nn.Conv2d(channels_in, channels_out, kernel, padding=1), nn.LeakyReLU(NEGATIVE_SLOPE)]


def _normed(channels_in: int, channels_out: int, kernel: int, stride: int) -> list[nn.Module]:
    # Batch norm makes the bias of the convolution needless.
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, 1, bias=False)
    return [conv, nn.BatchNorm2d(channels_out), nn.LeakyReLU(NEGATIVE_SLOPE)]


def _check_size(size: int, multiple: int) -> None:
    if size < multiple or size % multiple:
        raise ValueError(f"this discriminator needs pictures whose side is a multiple of {multiple}, not {size}")
