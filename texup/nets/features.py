"""Feature networks for the perceptual loss."""

from __future__ import annotations

from torch import Tensor, nn

# Width of each convolution of VGG19 up to conv4_4, "M" a 2x2 max pool (Simonyan and Zisserman, ICLR 2015, table 1, E).
VGG19_PLAN: tuple[int | str, ...] = (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512)
TAPS = ("conv2_2", "conv3_4", "conv4_4")


class RandomVGG(nn.Module):
    """VGG19's structure at a fraction of its width with random Kaiming weights, never trained.

    Deep random features, unlike pixel or edge distances, prefer a sharp but displaced picture to a blurred one; the
    structure of the net matters more than its weights. One fixed draw is a lottery, so ``redraw`` it during training.

    References:
        Liu et al., "Generic Perceptual Loss for Modeling Structured Output Dependencies", CVPR 2021.
        Taps before activation: ESRGAN (ECCVW 2018), section 3.3.
    """

    def __init__(self, width: float = 0.5, taps: tuple[str, ...] = TAPS) -> None:
        """Build the net with ``width`` times VGG19's channels, up to the last of ``taps``."""
        super().__init__()
        self.taps = taps
        self.layers = nn.ModuleDict()
        channels, block, index = 3, 1, 1
        for step in VGG19_PLAN:
            if isinstance(step, str):
                self.layers[f"pool{block}"] = nn.MaxPool2d(2)
                block, index = block + 1, 1
                continue
            out = int(step * width)
            self.layers[f"conv{block}_{index}"] = nn.Conv2d(channels, out, 3, padding=1)
            channels, index = out, index + 1
        self.requires_grad_(requires_grad=False)
        self.redraw()

    def redraw(self) -> None:
        """Draw all weights anew from the global torch generator."""
        for layer in self.layers.values():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features at the taps, before activation, of pictures (N, 3, H, W) in [0, 1]."""
        features = []
        y = (x - 0.5) * 4  # about unit variance, which Kaiming weights keep
        for name, layer in self.layers.items():
            y = layer(y)
            if name in self.taps:
                features.append(y)
                if len(features) == len(self.taps):
                    break
            if name.startswith("conv"):
                y = y.relu()
        return features
