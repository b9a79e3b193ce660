"""Nets of the families that texup has not written itself, from spandrel where that is installed.

Only its nets are used, by ``MAIN_REGISTRY.load`` on a dictionary of tensors: files are read by texup. Its code builds a
net from the sizes and the number of tensors, which come from a stranger, so those are bounded first, and building and
the first passes are watched: each operation, for time and for the size of what it makes.

References:
    spandrel, https://github.com/chaiNNer-org/spandrel (MIT); 0.4.2 was read.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from texup import bounds
from texup.errors import WeightsError
from texup.models.borrowed.watching import Watch, address_space
from texup.models.families import INSTALL, NOT_BORROWED, family_of
from texup.models.model import Needs
from texup.models.weights import StateDict

VERSION = "0.4."
TRIAL_SIDE = 24  # more texels than the widest windows have, and quick for the largest nets
# No watch can tell these from convolutions: RGT folds all of a plane into few tokens by strides, IPT cuts it into
# patches that it counts, and SAFMN-BCIE sees beyond the usual context (tiles of 32 texels: 109 and 8 of 255 off).
WHOLE = ("RGT", "IPT", "SAFMN-BCIE")
SPARE = 1 << 26  # numbers that a net may make besides twice its weights: tables and masks
ALIKE = 1e-3  # of the largest value: how far a picture in a batch may be from the same alone
# Two of its nets, which texup does not run, import these; empty ones do.
STANDINS = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")


@dataclass(frozen=True, slots=True)
class Borrowed:
    """A net of spandrel that has run, and what it needs."""

    net: nn.Module
    name: str
    tags: str
    """Its sizes, as spandrel writes them."""
    scale: int
    in_channels: int
    out_channels: int
    multiple_of: int
    needs: Needs


class Called(nn.Module):
    """A net behind the call that its family needs; not spandrel's own, whose clamp would hide an overflow."""

    def __init__(self, net: nn.Module, call: Callable[[nn.Module, Tensor], Tensor]) -> None:
        """Wrap ``net``, which ``call`` shows a picture."""
        super().__init__()
        self.net, self.call = net, call

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge (N, C, h, w), which some nets change on the way: they get a copy."""
        return self.call(self.net, x.clone())


def can_borrow() -> bool:
    """Tell whether spandrel is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("spandrel", "einops"))


def borrow(tensors: StateDict, *, is_run: bool = True) -> Borrowed | None:
    """Return the net of spandrel that ``tensors``, integers too, fill. None where spandrel has no such net.

    It has run on small pictures, which takes most of the time, unless it is not going to be run (``is_run``): then
    nothing is known of what it needs.

    Raises:
        WeightsError: none for textures, beyond bounds, or one that does not run.
    """
    _check_sizes(tensors)
    with address_space():
        registry = import_spandrel().MAIN_REGISTRY
        kind = next((one.architecture for one in registry.architectures("detection") if one.detect(tensors)), None)
        if kind is None:
            return None
        name = family_of(tensors) or str(kind.name)
        if str(kind.id) in NOT_BORROWED:
            raise WeightsError(f"this is a net of type {name}, which texup does not run: {NOT_BORROWED[str(kind.id)]}")
        try:
            with warnings.catch_warnings(action="ignore"):
                return _built(registry, tensors, name, is_run=is_run)
        except WeightsError as refusal:
            raise WeightsError(f"looks like {name}, but {refusal}") from None
        except Exception as error:  # noqa: BLE001 - its code raises anything where tensors are not as it expects
            raise WeightsError(f"looks like {name}, but spandrel cannot build or run it: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Return in one line what was raised."""
    first = (str(error).splitlines() or [""])[0]
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in first:
        return f"it takes more than {bounds.BORROWED_BYTES >> 30} GiB"
    return f"{type(error).__name__}: {first[:80]}".rstrip(": ")


def _check_sizes(tensors: StateDict) -> None:
    """Refuse what would cost too much to build, before anything is built."""
    deepest = max((int(number[:9]) for key in tensors for number in re.findall("[0-9]+", key)), default=0)
    if deepest > bounds.BORROWED_DEPTH:
        raise WeightsError(f"no net of spandrel has {deepest:,} layers of a kind; at most {bounds.BORROWED_DEPTH}")
    longest = max((max(value.shape, default=0) for value in tensors.values()), default=0)
    if longest > bounds.BORROWED_SIDE:
        raise WeightsError(f"no net of spandrel has a tensor with a side of {longest:,}")


def import_spandrel() -> ModuleType:
    """Return the package, imported without torchvision.

    Raises:
        WeightsError: another version of it, or it cannot be imported.
    """
    absent = [name for name in STANDINS if name not in sys.modules]
    for name in absent:
        standin = ModuleType(name)
        vars(standin)["__getattr__"] = lambda _: None
        sys.modules[name] = standin
    try:
        spandrel = importlib.import_module("spandrel")
    except ImportError as error:
        raise WeightsError(f"spandrel cannot be imported ({error}); {INSTALL}") from None
    finally:
        for name in absent:
            del sys.modules[name]
    if not spandrel.__version__.startswith(VERSION):
        raise WeightsError(f"spandrel {spandrel.__version__} is not one that texup knows; {INSTALL}")
    return spandrel


def _built(registry: Any, tensors: StateDict, name: str, *, is_run: bool) -> Borrowed:
    """Return the net, tried if it is going to be run."""
    with Watch(most=SPARE + 2 * sum(value.numel() for value in tensors.values())):
        found = registry.load(dict(tensors))
    if not 1 <= found.scale <= bounds.BORROWED_SCALE:
        raise WeightsError(f"it enlarges {found.scale} times; texup runs 1 to {bounds.BORROWED_SCALE}")
    net = Called(found.model, found._call_fn).eval().requires_grad_(requires_grad=False)
    return Borrowed(
        net=net,
        name=name,
        tags=" ".join(str(tag) for tag in found.tags),
        scale=int(found.scale),
        in_channels=int(found.input_channels),
        out_channels=int(found.output_channels),
        multiple_of=int(found.size_requirements.multiple_of),
        needs=_tried(net, found, is_whole=name in WHOLE) if is_run else Needs(),
    )


@torch.no_grad()  # not in inference mode, where a watch sees some operations as one that are many
def _tried(net: nn.Module, found: Any, *, is_whole: bool) -> Needs:
    """Run a net on two small pictures, alone and together, and return what it needs.

    Raises:
        WeightsError: its result has another size than it said.
        Exception: it does not run.
    """
    size = found.size_requirements
    step = int(size.multiple_of)
    high = math.ceil(max(int(size.minimum), TRIAL_SIDE) / step) * step
    wide = high if size.square else high + step
    pictures = torch.rand(2, found.input_channels, high, wide, generator=torch.Generator().manual_seed(0))
    with Watch(high * wide) as watch:
        alone = net(pictures[:1])
    expected = (1, found.output_channels, high * found.scale, wide * found.scale)
    if tuple(alone.shape) != expected:
        raise WeightsError(f"its result is of size {tuple(alone.shape)}, not {expected}")
    return Needs(
        minimum=max(1, int(size.minimum)),
        square=bool(size.square),
        half=bool(found.supports_half),
        bfloat16=bool(found.supports_bfloat16),
        whole=is_whole or watch.whole,
        one_at_a_time=not _takes_batches(net, pictures, alone),
        plain=True,
        values=math.ceil(watch.widest / (high * wide)),
        guarded=True,
    )


def _takes_batches(net: nn.Module, pictures: Tensor, alone: Tensor) -> bool:
    """Tell whether the first picture comes out of a batch as it does alone."""
    try:
        with Watch():
            together = net(pictures)[:1]
    except WeightsError:
        raise
    except Exception:  # noqa: BLE001 - whatever it raises, it takes none
        return False
    return bool((together - alone).abs().max() <= ALIKE * max(1.0, float(alone.abs().max())))
