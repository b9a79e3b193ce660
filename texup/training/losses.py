"""The losses, as functions of predictions and targets."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def perceptual_loss(features: nn.Module, sr: Tensor, hr: Tensor) -> Tensor:
    """Return the mean relative L1 distance of deep features of (N, 3, H, W) pictures.

    Both pictures lose the same 0 to 7 rows and columns, so that pooling does not line up with the upscaling grid.
    """
    top, left = (int(v) for v in torch.randint(0, 8, (2,)))
    ours, theirs = features(sr[..., top:, left:]), features(hr[..., top:, left:])
    return torch.stack([F.l1_loss(a, b) / b.abs().mean() for a, b in zip(ours, theirs, strict=True)]).mean()


def relativistic_loss(raised: Tensor, lowered: Tensor) -> Tensor:
    """Return the loss under which ``raised`` logits rise above the mean of ``lowered`` ones, and the reverse.

    The discriminator raises real and lowers fake; the generator the other way round.

    References:
        ESRGAN (ECCVW 2018), equations 1 and 2; the halved sum follows BasicSR (``basicsr/models/esrgan_model.py``).
    """
    up, down = raised - lowered.mean(), lowered - raised.mean()
    ones, zeros = torch.ones_like(up), torch.zeros_like(down)
    return 0.5 * (F.binary_cross_entropy_with_logits(up, ones) + F.binary_cross_entropy_with_logits(down, zeros))
