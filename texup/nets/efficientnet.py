"""The first third of EfficientNet-Lite0 as a feature network for the perceptual loss: small, trained on pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STEM = 32  # channels
# (input channels, output channels, expansion, kernel, stride) of the blocks up to an eighth of the enlarged picture
BLOCKS = (
    (32, 16, 1, 3, 1),
    (16, 24, 6, 3, 2),
    (24, 24, 6, 3, 1),
    (24, 40, 6, 5, 2),
    (40, 40, 6, 5, 1),
    (40, 80, 6, 3, 2),
    (80, 80, 6, 3, 1),
    (80, 80, 6, 3, 1),
)
TAPS = ("stem", "expand1", "expand3", "expand5", "block7")
MEAN, DEVIATION = 127 / 255, 128 / 255  # that its training took off pictures in [0, 1]
BATCH_NORM_EPSILON = 1e-3
NORMS = {"expand": 0, "depthwise": 1, "project": 2}  # number of the batch norm behind each convolution of a block
ENLARGED = 2  # its stem halves the picture: enlarged first, every pixel counts


class EfficientNetLiteFeatures(nn.Module):
    """EfficientNet-Lite0 up to its eighth block, on the picture enlarged twice; never trained.

    Batch norm is folded into the convolutions. Taps: "stem" after the stem, "expandN" after the expansion of block N
    (wide, and before its stride), "block7" at the end; all but the last are after ReLU6.

    References:
        Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019, table 1;
        tensorflow/tpu, ``models/official/efficientnet/lite`` (Lite0: no squeeze and excitation, ReLU6).
    """

    def __init__(self, taps: Sequence[str] = TAPS) -> None:
        """Build the net with random weights; ``taps`` in any order.

        Raises:
            ValueError: no taps, or one that it does not have.
        """
        super().__init__()
        known = ["stem", *(f"expand{k}" for k in range(1, len(BLOCKS))), f"block{len(BLOCKS) - 1}"]
        if not taps or not set(taps) <= set(known):
            raise ValueError(f"taps must be of {', '.join(known)}, not {', '.join(taps) or 'none'}")
        self.taps = frozenset(taps)
        self.stem = nn.Conv2d(3, STEM, 3, 2, 1)
        self.blocks = nn.ModuleList()
        for width, out, expansion, kernel, stride in BLOCKS:
            hidden = width * expansion
            block = nn.ModuleDict({"expand": nn.Conv2d(width, hidden, 1)} if expansion > 1 else {})
            block["depthwise"] = nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden)
            block["project"] = nn.Conv2d(hidden, out, 1)
            self.blocks.append(block)
        self.requires_grad_(requires_grad=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features at the taps, from shallow to deep, of pictures (N, 3, H, W) in [0, 1]."""
        x = F.interpolate((x - MEAN) / DEVIATION, scale_factor=float(ENLARGED), mode="bilinear", align_corners=False)
        y = F.relu6(self.stem(x))
        features = [y] if "stem" in self.taps else []
        for k, block in enumerate(self.blocks):
            assert isinstance(block, nn.ModuleDict)
            z = y
            if "expand" in block:
                z = F.relu6(block["expand"](y))
                if f"expand{k}" in self.taps:
                    features.append(z)
            z = block["project"](F.relu6(block["depthwise"](z)))
            y = z + y if z.shape == y.shape else z
        return [*features, y] if f"block{len(BLOCKS) - 1}" in self.taps else features


@torch.no_grad()
def efficientnet_from_pytorch(state: Mapping[str, Tensor], taps: Sequence[str]) -> EfficientNetLiteFeatures:
    """Return the net with the weights of a state dict in the names of lukemelas/EfficientNet-PyTorch.

    Raises:
        ValueError: no taps, or one that it does not have.
        KeyError: the state dict lacks a layer.
    """
    net = EfficientNetLiteFeatures(taps)
    _fold(net.stem, state, "_conv_stem", "_bn0")
    for k, block in enumerate(net.blocks):
        assert isinstance(block, nn.ModuleDict)
        for name, layer in block.items():
            _fold(layer, state, f"_blocks.{k}._{name}_conv", f"_blocks.{k}._bn{NORMS[name]}")
    return net


def _fold(layer: nn.Module, state: Mapping[str, Tensor], convolution: str, norm: str) -> None:
    """Give ``layer`` the weights of a convolution without bias and of the batch norm behind it."""
    assert isinstance(layer, nn.Conv2d)
    assert layer.bias is not None
    gain = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + BATCH_NORM_EPSILON).sqrt()
    layer.weight.copy_(state[f"{convolution}.weight"] * gain[:, None, None, None])
    layer.bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain)
