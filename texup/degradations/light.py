"""sRGB and linear light, on tensors."""

from __future__ import annotations

import torch
from torch import Tensor


def to_linear(x: Tensor) -> Tensor:
    """Map sRGB values in [0, 1] to linear light (IEC 61966-2-1)."""
    return torch.where(x <= 0.04045, x / 12.92, ((x.clamp(min=0) + 0.055) / 1.055) ** 2.4)


def to_srgb(x: Tensor) -> Tensor:
    """Map linear light in [0, 1] to sRGB values (IEC 61966-2-1)."""
    return torch.where(x <= 0.0031308, x * 12.92, 1.055 * x.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)
