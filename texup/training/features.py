"""The trained VGG19 of torchvision, from a file that the user has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from texup.models.weights import read_weights
from texup.nets.features import VGGFeatures, vgg19_from_torchvision

# Of torchvision's vgg19-dcbb9e9d.pth, whose name carries the first eight digits.
VGG19_BYTES = 574_673_361
VGG19_SHA256 = "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44"


def load_vgg19(path: Path, taps: Sequence[str], *, before_activation: bool) -> VGGFeatures:
    """Return VGG19 up to the last of ``taps`` with the weights that torchvision trained on ImageNet.

    Raises:
        WeightsError: the file is missing, or is not torchvision's vgg19-dcbb9e9d.pth byte for byte.
        ValueError: no taps, or one that VGG19 does not have.
    """
    state = read_weights(path, expected_sha256=VGG19_SHA256, max_bytes=VGG19_BYTES).state
    return vgg19_from_torchvision(state, taps, before_activation=before_activation)
