"""From a file of weights to a net that runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from texup.errors import WeightsError
from texup.models.detect import Architecture, detect, empty_net
from texup.models.keys import to_canonical
from texup.models.model import UpscaleModel
from texup.models.weights import LoadedWeights, StateDict, read_weights
from texup.nets.span import fuse


@dataclass(frozen=True, slots=True)
class KnownWeights:
    """Weights whose net is known."""

    file: LoadedWeights
    state: StateDict
    """Under canonical keys."""
    dialect: str
    architecture: Architecture


def open_weights(path: Path, *, expected_sha256: str | None = None) -> KnownWeights:
    """Read a file of weights of any dialect and find out which net it belongs to.

    Raises:
        WeightsError: the file is refused, or holds no net that texup knows.
    """
    file = read_weights(path, expected_sha256=expected_sha256)
    try:
        state, dialect = to_canonical(file.state)
        return KnownWeights(file, state, dialect, detect(state))
    except WeightsError as refusal:
        raise WeightsError(f"{path}: {refusal}") from refusal


def load_model(path: Path, *, name: str | None = None, expected_sha256: str | None = None) -> UpscaleModel:
    """Return the model in a file of weights of any dialect; its name is the file's stem unless ``name`` is given.

    Raises:
        WeightsError: the file is refused, or holds no net that texup knows.
    """
    weights = open_weights(path, expected_sha256=expected_sha256)
    return _assemble(weights.state, weights.architecture, name or path.stem, weights.file.sha256)


def build_model(state: StateDict, name: str, sha256: str) -> UpscaleModel:
    """Return the model whose weights are ``state``, float32 and of any dialect.

    Raises:
        WeightsError: no net that texup knows.
    """
    canonical, _ = to_canonical(state)
    return _assemble(canonical, detect(canonical), name, sha256)


def _assemble(state: StateDict, found: Architecture, name: str, sha256: str) -> UpscaleModel:
    net = empty_net(found.name, found.hyper)
    net.load_state_dict(state, assign=True)
    fuse(net)
    net = net.eval().requires_grad_(requires_grad=False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return UpscaleModel(
        net=net,
        name=name,
        architecture=found.name,
        scale=found.scale,
        in_channels=found.in_channels,
        out_channels=found.out_channels,
        multiple_of=found.multiple_of,
        sha256=sha256,
        hyper=found.hyper,
        needs=found.needs,
    )
