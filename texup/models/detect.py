"""Which net a dictionary of tensors belongs to; names, numbers and sizes all come from the shapes of the tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from texup.errors import WeightsError
from texup.models.families import family_of
from texup.models.kinds import BOUNDS, KINDS, Hyper, Shapes
from texup.models.model import Needs
from texup.models.weights import StateDict

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Architecture:
    """A net that texup can build, with the numbers that the weights tell."""

    name: str
    hyper: Hyper
    """Arguments of the net's class."""
    scale: int
    in_channels: int
    out_channels: int
    multiple_of: int
    """Height and width of the input must be multiples of it."""
    needs: Needs


class UnknownNet(WeightsError):
    """Not a net of texup's own; others may know it."""

    def __init__(self, reason: str, *, damaged: bool = False) -> None:
        """Say why; ``damaged`` where all but some keys are those of a net that texup has."""
        super().__init__(reason)
        self.damaged = damaged


def detect(state: StateDict) -> Architecture:
    """Return the net that canonical ``state`` fills exactly: every key there, of the right shape, and no other.

    Raises:
        UnknownNet: a net that texup does not have, or with keys missing, left over or misshapen.
        WeightsError: beyond its bounds.
    """
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    stranger = family_of(shapes)
    if stranger is not None:
        raise UnknownNet(f"this is a net of type {stranger}; texup itself runs {', '.join(KINDS)}")
    name = _nearest(shapes)
    hyper = KINDS[name].guess(shapes)
    _check_bounds(name, hyper)
    try:
        net = empty_net(name, hyper)
    except ValueError as error:  # a scale that the net cannot have
        raise WeightsError(f"looks like {name}, but {error}") from error
    _compare(name, shapes, {key: tuple(value.shape) for key, value in net.state_dict().items()})
    return Architecture(
        name=name,
        hyper=hyper,
        scale=int(hyper["scale"]),
        in_channels=int(hyper["num_in_ch"]),
        out_channels=int(hyper["num_out_ch"]),
        multiple_of=int(hyper.get("unshuffle", 1)),
        needs=KINDS[name].needs(hyper),
    )


class _WithoutInit(TorchFunctionMode):
    """Skips random initialisation: wasted on weights from a file, and on "meta" it imports torch's compiler (2 s)."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ in ("normal_", "uniform_", "kaiming_uniform_"):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def empty_net(name: str, hyper: Hyper) -> nn.Module:
    """Return the net with tensors that have shapes but no memory, to compare with or to assign weights to."""
    with torch.device("meta"), _WithoutInit():
        return KINDS[name].net(**hyper)


def _nearest(shapes: Shapes) -> str:
    marked = next((name for name, kind in KINDS.items() if kind.marker in shapes), None)
    if marked is not None:
        return marked
    layers = {key.partition(".")[0] for key in shapes}
    nearest = max(KINDS, key=lambda name: len(layers & set(KINDS[name].layers)))
    if not layers & set(KINDS[nearest].layers):
        raise UnknownNet(f"no net that texup knows: {_listed(shapes)}; texup runs {', '.join(KINDS)}")
    return nearest


def _check_bounds(name: str, hyper: Hyper) -> None:
    for key, value in hyper.items():
        if not isinstance(value, bool | str) and not 1 <= value <= BOUNDS[key]:
            raise WeightsError(f"looks like {name}, but with {key} {value}; texup runs 1 to {BOUNDS[key]}")


def _compare(name: str, shapes: Shapes, expected: Shapes) -> None:
    # A counter of training steps that batch norm keeps; integers are not read from the file.
    needed = {key: shape for key, shape in expected.items() if not key.endswith("num_batches_tracked")}
    parts = {
        "lacks": [key for key in needed if key not in shapes],
        "has the unknown": [key for key in shapes if key not in needed],
        "has the wrong size of": [k for k in needed if k in shapes and shapes[k] != needed[k]],
    }
    faults = [f"{what} {_listed(keys)}" for what, keys in parts.items() if keys]
    if faults:
        reason = f"no net that texup knows: nearest to {name}, but it {', '.join(faults)}"
        raise UnknownNet(reason, damaged=KINDS[name].marker in shapes)


def _listed(keys: Iterable[str]) -> str:
    """Return the first keys and how many more there are."""
    every: Sequence[str] = list(keys)
    more = f" and {len(every) - SHOWN} more" if len(every) > SHOWN else ""
    return ", ".join(every[:SHOWN]) + more
