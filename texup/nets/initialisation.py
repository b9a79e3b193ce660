"""First values of weights, for nets that are trained from nothing; weights from a file overwrite them."""

from __future__ import annotations

from torch import nn

SMALL = 0.1


def make_small(*convs: nn.Conv2d) -> None:
    """Give convolutions without batch norm Kaiming normal weights times 0.1, and biases of zero.

    Each residual then starts near zero, and a deep stack of them near the identity.

    References:
        ESRGAN (ECCVW 2018), section 3.1, "smaller initialization"; BasicSR, ``default_init_weights`` of
        ``basicsr/archs/arch_util.py``, which leaves the slope of the activation out of the gain.
    """
    for conv in convs:
        nn.init.kaiming_normal_(conv.weight)
        conv.weight.data *= SMALL
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)
