"""The losses, as functions of predictions and targets; each returns a scalar of the same type as its input.

Pictures are (N, C, H, W) in [0, 1]; features are lists of tensors (N, C, H, W), one for each tap of a net.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

Distance = Callable[[Tensor, Tensor], Tensor]

OFFSETS = 8  # the stride of conv4, which lies behind three pools: every phase of it is met
FLOOR = 1e-3  # of the size of features: a batch without any contrast must not divide by nothing
CHARBONNIER_EPSILON = 1e-3
LDL_WINDOW = 7


def relative_distance(ours: Tensor, theirs: Tensor) -> Tensor:
    """Return the mean absolute difference as a share of the mean absolute value of ``theirs``.

    It makes taps of one net, and nets of any weights, count the same.
    """
    return F.l1_loss(ours, theirs) / theirs.abs().mean().clamp(min=FLOOR)


def charbonnier_distance(ours: Tensor, theirs: Tensor) -> Tensor:
    """Return the mean of ``sqrt(d^2 + epsilon^2)``, an L1 distance that is smooth at zero.

    References:
        Lai et al., "Deep Laplacian Pyramid Networks", CVPR 2017, section 3.3.
    """
    squares: Tensor = (ours - theirs).square() + CHARBONNIER_EPSILON**2
    return squares.sqrt().mean()


PIXEL_CRITERIA: dict[str, Distance] = {"l1": F.l1_loss, "mse": F.mse_loss, "charbonnier": charbonnier_distance}
FEATURE_CRITERIA: dict[str, Distance] = {"relative": relative_distance, "l1": F.l1_loss, "mse": F.mse_loss}


def pixel_loss(sr: Tensor, hr: Tensor, criterion: str) -> Tensor:
    """Return the distance of pictures by one of ``PIXEL_CRITERIA``.

    SRGAN measures MSE on pictures in [-1, 1], which is four times the MSE in [0, 1].
    """
    return PIXEL_CRITERIA[criterion](sr, hr)


def weighed_by_alpha(rgba: Tensor) -> Tensor:
    """Return (N, 4, H, W) with colour times alpha: what does not show is no error."""
    return torch.cat((rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]), 1)


def random_offset(sr: Tensor, hr: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Return views of both pictures without the same 0 to 7 first rows and columns.

    The pools of a feature net then do not line up with the upscaling grid, which would let a pattern of that period
    pass unseen.
    """
    top, left = (int(v) for v in torch.randint(0, OFFSETS, (2,), generator=generator))
    return sr[..., top:, left:], hr[..., top:, left:]


def feature_distance(ours: Sequence[Tensor], theirs: Sequence[Tensor], criterion: str) -> Tensor:
    """Return the mean over the taps of the distance by one of ``FEATURE_CRITERIA``; ``theirs`` get no gradient.

    It is the perceptual loss with features of VGG, and feature matching with those of the discriminator.

    References:
        SRGAN (CVPR 2017), equation 5: "mse" with a weight of 1 / 12.75^2; ESRGAN (ECCVW 2018), section 3.3: "l1".
    """
    measure = FEATURE_CRITERIA[criterion]
    return torch.stack([measure(a, b.detach()) for a, b in zip(ours, theirs, strict=True)]).mean()


def gram(features: Tensor) -> Tensor:
    """Return the correlations of the channels, (N, C, C), of (N, C, H, W): what is there, not where.

    References:
        Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016, section 3.2.
    """
    # Scaled before the product: sums over whole pictures do not fit half precision.
    flat = features.flatten(2) / features[0].numel() ** 0.5
    return torch.bmm(flat, flat.transpose(1, 2))


def gram_distance(ours: Sequence[Tensor], theirs: Sequence[Tensor], criterion: str = "relative") -> Tensor:
    """Return the mean over the taps of the distance of Gram matrices, by one of ``FEATURE_CRITERIA``."""
    return feature_distance([gram(f) for f in ours], [gram(f) for f in theirs], criterion)


def standard_loss(logits: Tensor, *, real: bool) -> Tensor:
    """Return the binary cross-entropy of logits of any shape that should all say real, or all fake.

    The discriminator adds both of its sides; the generator asks for ``real=True`` of its own pictures.

    References:
        SRGAN (CVPR 2017), equation 6: the form -log D(G(x)), which keeps its gradient when the discriminator wins.
    """
    target = torch.full_like(logits, float(real))
    return F.binary_cross_entropy_with_logits(logits, target)


def relativistic_loss(raised: Tensor, lowered: Tensor) -> Tensor:
    """Return the loss under which ``raised`` logits rise above the mean of ``lowered`` ones, and the reverse.

    The discriminator raises real and lowers fake; the generator the other way round.

    References:
        ESRGAN (ECCVW 2018), equations 1 and 2; the halved sum follows BasicSR (``basicsr/models/esrgan_model.py``).
    """
    up, down = raised - lowered.mean(), lowered - raised.mean()
    return 0.5 * (standard_loss(up, real=True) + standard_loss(down, real=False))


@torch.no_grad()
def artefact_map(sr: Tensor, ema: Tensor, hr: Tensor) -> Tensor:
    """Return where ``sr`` is likely to show artefacts rather than detail: weights (N, 1, H, W) of at least 0.

    The residual of an artefact varies much from pixel to pixel, in its patch and in the whole picture; where the
    averaged net's picture ``ema`` is further from ``hr``, training is on its way and nothing is weighed. Sides of at
    least 4 pixels.

    References:
        Liang et al., "Details or Artifacts" (LDL), CVPR 2022, section 3.2; window and exponent in
        ``basicsr/losses/LDL_loss.py`` of its repository.
    """
    residual = (hr - sr).abs().sum(1, keepdim=True)
    steadier = (hr - ema).abs().sum(1, keepdim=True)
    patch = residual.var((1, 2, 3), keepdim=True) ** 0.2
    return torch.where(residual < steadier, 0, patch * local_variance(residual, LDL_WINDOW))


def local_variance(x: Tensor, window: int) -> Tensor:
    """Return the unbiased variance of each ``window`` x ``window`` surrounding, mirrored at the borders."""
    centred = x - x.mean((2, 3), keepdim=True)  # the difference of two means is exact only for small numbers
    padded = F.pad(centred, [window // 2] * 4, mode="reflect")
    mean, square = (F.avg_pool2d(v, window, stride=1) for v in (padded, padded.square()))
    return (square - mean.square()).clamp(min=0) * (window**2 / (window**2 - 1))


def ldl_loss(sr: Tensor, ema: Tensor, hr: Tensor) -> Tensor:
    """Return the L1 distance weighed by the artefact map of ``sr`` and the averaged net's picture ``ema``.

    The map is held fixed, unlike in the authors' code: its fifth root has no finite gradient at zero.
    """
    return (artefact_map(sr, ema, hr) * (sr - hr).abs()).mean()
