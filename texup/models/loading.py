"""From a file of weights to a net that runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from texup.errors import WeightsError
from texup.models.borrowed.borrowing import borrow, can_borrow
from texup.models.detect import Architecture, UnknownNet, detect, empty_net
from texup.models.families import INSTALL, NOT_BORROWED, family_of
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
    borrowed: nn.Module | None = None
    """The net, where it is not one of texup's own."""

    @property
    def tensors(self) -> StateDict:
        """All that a file of these weights must hold."""
        return self.state if self.borrowed is None else self.state | self.file.integers


def open_weights(path: Path, *, expected_sha256: str | None = None, is_run: bool = False) -> KnownWeights:
    """Read a file of weights of any dialect and find out which net it belongs to.

    What a net of spandrel needs is only found out where ``is_run`` says that it is going to be run.

    Raises:
        WeightsError: the file is refused, or holds no net that texup or spandrel knows.
    """
    file = read_weights(path, expected_sha256=expected_sha256)
    try:
        state, dialect = to_canonical(file.state)
        try:
            return KnownWeights(file, state, dialect, detect(state))
        except UnknownNet as refusal:
            architecture, net = _borrowed(file.state, file.integers, refusal, is_run=is_run)
            return KnownWeights(file, file.state, "its own", architecture, net)
    except WeightsError as refusal:
        raise WeightsError(f"{path}: {refusal}") from refusal


def load_model(path: Path, *, name: str | None = None, expected_sha256: str | None = None) -> UpscaleModel:
    """Return the model in a file of weights of any dialect; its name is the file's stem unless ``name`` is given.

    Raises:
        WeightsError: the file is refused, or holds no net that texup or spandrel knows.
    """
    known = open_weights(path, expected_sha256=expected_sha256, is_run=True)
    net = known.borrowed or _own(known.state, known.architecture)
    return _assemble(net, known.architecture, name or path.stem, known.file.sha256)


def build_model(state: StateDict, name: str, sha256: str) -> UpscaleModel:
    """Return the model whose weights are ``state``: float32 of any dialect, and the whole numbers that it needs.

    Raises:
        WeightsError: no net that texup or spandrel knows.
    """
    canonical, _ = to_canonical(state)
    try:
        found = detect(canonical)
        net = _own(canonical, found)
    except UnknownNet as refusal:
        found, net = _borrowed(state, {}, refusal, is_run=True)
    return _assemble(net, found, name, sha256)


def _borrowed(
    state: StateDict, integers: StateDict, refusal: UnknownNet, *, is_run: bool
) -> tuple[Architecture, nn.Module]:
    """Return a net that texup has not written itself.

    Raises:
        WeightsError: nobody has it, or spandrel is not installed.
    """
    tensors = state | integers
    family = family_of(tensors)
    if family in NOT_BORROWED:
        raise WeightsError(f"this is a net of type {family}, which texup does not run: {NOT_BORROWED[family]}")
    if family is None and refusal.damaged:
        raise refusal
    if not can_borrow():
        what = f"this is a net of type {family}; to run it" if family else f"{refusal}; for more families"
        raise WeightsError(f"{what}: {INSTALL}")
    net = borrow(tensors, is_run=is_run)
    if net is None:
        raise refusal
    found = Architecture(
        name=net.name,
        hyper={"sizes": net.tags},
        scale=net.scale,
        in_channels=net.in_channels,
        out_channels=net.out_channels,
        multiple_of=net.multiple_of,
        needs=net.needs,
    )
    return found, net.net


def _own(state: StateDict, found: Architecture) -> nn.Module:
    net = empty_net(found.name, found.hyper)
    net.load_state_dict(state, assign=True)
    fuse(net)
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _assemble(net: nn.Module, found: Architecture, name: str, sha256: str) -> UpscaleModel:
    return UpscaleModel(
        net=net.eval().requires_grad_(requires_grad=False),
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
