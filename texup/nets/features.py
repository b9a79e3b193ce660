"""Feature networks for the perceptual loss: VGG19's structure, with random weights or with those of ImageNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

# Width of each convolution of VGG19, "M" a 2x2 max pool (Simonyan and Zisserman, ICLR 2015, table 1, E).
VGG19_PLAN: tuple[int | str, ...] = (
    *(64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M"),
    *(512, 512, 512, 512, "M", 512, 512, 512, 512),
)
TAPS = ("conv2_2", "conv3_4", "conv4_4")
# Mean and deviation per channel that are taken off a picture in [0, 1].
UNIT = ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))  # about unit variance, which Kaiming weights keep
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def vgg19_layers() -> dict[str, int]:
    """Return the convolutions of VGG19, conv1_1 to conv5_4, and the number of each in ``torchvision``'s features."""
    numbers, block, index, number = {}, 1, 1, 0
    for step in VGG19_PLAN:
        if isinstance(step, str):
            block, index, number = block + 1, 1, number + 1
            continue
        numbers[f"conv{block}_{index}"] = number
        index, number = index + 1, number + 2  # a ReLU follows each convolution
    return numbers


class VGGFeatures(nn.Module):
    """VGG19's convolutions up to the last tap, at a fraction of their width; never trained.

    Made with random Kaiming weights. Deep random features, unlike pixel or edge distances, prefer a sharp but displaced
    picture to a blurred one; the structure of the net matters more than its weights. One fixed draw is a lottery, so
    ``redraw`` it during training.

    References:
        Random weights: Liu et al., "Generic Perceptual Loss for Modeling Structured Output Dependencies", CVPR 2021.
        Taps before activation: ESRGAN (ECCVW 2018), section 3.3; after it: SRGAN (CVPR 2017), section 2.2.1, whose
        VGG22 and VGG54 are conv2_2 and conv5_4.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        width: float = 0.5,
        taps: Sequence[str] = TAPS,
        *,
        before_activation: bool = True,
        normalisation: tuple[tuple[float, ...], tuple[float, ...]] = UNIT,
    ) -> None:
        """Build the net with ``width`` times VGG19's channels; ``taps`` name convolutions, in any order.

        Raises:
            ValueError: no taps, or one that VGG19 does not have.
        """
        super().__init__()
        known = list(vgg19_layers())
        if not taps or not set(taps) <= set(known):
            raise ValueError(f"taps must be of {', '.join(known)}, not {', '.join(taps) or 'none'}")
        self.taps, self.before_activation = frozenset(taps), before_activation
        self.layers = nn.ModuleDict()
        last = max(taps, key=known.index)
        channels = 3
        for name, layer_width in zip(known, (s for s in VGG19_PLAN if isinstance(s, int)), strict=True):
            out = max(int(layer_width * width), 1)
            if name.endswith("_1") and channels > 3:
                self.layers[f"pool{int(name[4]) - 1}"] = nn.MaxPool2d(2)
            self.layers[name] = nn.Conv2d(channels, out, 3, padding=1)
            channels = out
            if name == last:
                break
        for key, values in zip(("mean", "deviation"), normalisation, strict=True):
            self.register_buffer(key, torch.tensor(values).view(3, 1, 1), persistent=False)
        self.requires_grad_(requires_grad=False)
        self.redraw()

    @torch.no_grad()
    def redraw(self, generator: torch.Generator | None = None) -> None:
        """Draw all weights anew from a CPU generator, torch's global one by default: the same on every device."""
        for layer in self.layers.values():
            if isinstance(layer, nn.Conv2d):
                drawn = nn.init.kaiming_normal_(torch.empty(layer.weight.shape, device="cpu"), generator=generator)
                layer.weight.copy_(drawn)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features at the taps, from shallow to deep, of pictures (N, 3, H, W) in [0, 1]."""
        features = []
        y = (x - self.mean) / self.deviation
        for name, layer in self.layers.items():
            y = layer(y)
            if not name.startswith("conv"):
                continue
            active = y.relu()
            if name in self.taps:
                features.append(y if self.before_activation else active)
            y = active
        return features


@torch.no_grad()
def vgg19_from_torchvision(state: Mapping[str, Tensor], taps: Sequence[str], *, before_activation: bool) -> VGGFeatures:
    """Return VGG19 with the weights of ``torchvision``'s state dict; layers behind the last tap are left out.

    Raises:
        ValueError: no taps, or one that VGG19 does not have.
        KeyError: the state dict lacks a layer.
    """
    net = VGGFeatures(1.0, taps, before_activation=before_activation, normalisation=IMAGENET)
    numbers = vgg19_layers()
    for key, value in net.layers.named_parameters():
        name, _, leaf = key.partition(".")
        value.copy_(state[f"features.{numbers[name]}.{leaf}"])
    return net
