"""ST-LPIPS by AlexNet: how different two pictures look, by features that a shift of a pixel changes little.

Run: ``python tests/bench/bench_stlpips.py ONE OTHER``; for many pictures see ``bench_gates.py``. The weights are those
of ``pip install --no-deps stlpips-pytorch==0.0.2`` (BSD 2-clause); only its file of weights is read. Its code is not
imported and nothing of it is here: a part is under a licence that forbids commercial use, and it wants packages that
it does not name. Of 24 pairs of pictures of 48 to 251 pixels a side none differed by more than 6e-8 from it.

References:
    Ghildyal and Liu, "Shift-tolerant perceptual similarity metric", ECCV 2022, section 4: what makes AlexNet tolerant.
    Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018, equation 1.
    Zhang, "Making convolutional networks shift-invariant again", ICML 2019, section 3 (a blur before each stride).
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from texup.textures.codecs.files import read_texture

PACKAGE = "stlpips_pytorch"
WEIGHTS = "weights/vST0.0/alex_shift_tolerant.pth"
MARGIN = 2  # pixels that each blur mirrors around a plane
BINOMIAL = (0.25, 0.5, 0.25)
TINY = 1e-10  # keeps the direction of no features finite
# Convolutions by their names in the file, with their padding; what comes before each of them.
LAYERS = (("1.0", 2, ""), ("2.5", 2, "pool"), ("3.9", 1, "pool"), ("4.11", 1, ""), ("5.13", 1, ""))


def weights_file() -> Path | None:
    """Return the file of weights, or None where the package is not installed; nothing of it is imported."""
    found = importlib.util.find_spec(PACKAGE)
    path = Path(found.origin).parent / WEIGHTS if found and found.origin else None
    return path if path is not None and path.is_file() else None


class StLpips:
    """The distance, with its weights."""

    def __init__(self, path: Path) -> None:
        """Read the weights."""
        self.state: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)

    @torch.inference_mode()
    def distance(self, one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
        """Return the distance of two pictures (H, W, 3) of one size, 0 for equal ones; sides of 32 at least."""
        total = 0.0
        for k, (a, b) in enumerate(zip(self._features(one), self._features(other), strict=True)):
            squares = (a - b) ** 2
            total += float(F.conv2d(squares, self.state[f"lin{k}.model.1.weight"]).mean())
        return total

    def _features(self, picture: NDArray[np.uint8]) -> Iterator[Tensor]:
        """Yield the features behind each convolution (1, C, h, w), as directions of length 1."""
        x = torch.tensor(picture).permute(2, 0, 1)[None] / 127.5 - 1
        x = (x - self.state["scaling_layer.shift"]) / self.state["scaling_layer.scale"]
        for k, (name, padding, before) in enumerate(LAYERS):
            if before:
                x = blurred_half(F.max_pool2d(x, 3, 1))
            weight, bias = (self.state[f"net.slice{name}.{part}"] for part in ("weight", "bias"))
            x = F.conv2d(x, weight, bias, padding=padding)
            x = F.relu(blurred_half(x) if k == 0 else x)
            yield x / (x.norm(dim=1, keepdim=True) + TINY)


def blurred_half(x: Tensor) -> Tensor:
    """Blur (1, C, H, W) by a binomial filter of three taps along both axes, and take every second value."""
    channels = x.shape[1]
    taps = x.new_tensor(BINOMIAL)
    kernel = (taps[:, None] * taps).expand(channels, 1, 3, 3)
    return F.conv2d(F.pad(x, (MARGIN,) * 4, mode="reflect"), kernel, stride=2, groups=channels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path, nargs=2)
    path = weights_file()
    if path is None:
        parser.error("install stlpips-pytorch==0.0.2, with --no-deps")
    one, other = (read_texture(picture).pixels[..., :3] for picture in parser.parse_args().pictures)
    print(f"{StLpips(path).distance(one, other):.4f}")


if __name__ == "__main__":
    main()
