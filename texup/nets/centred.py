"""A stack of convolutions and PReLUs in bfloat16, rearranged so that its rounding is hardly seen.

bfloat16 has 8 significant bits. Rounded as it is, a compact net is off by 1.5 levels of 255 in the worst thousandth of
its values; nearly all of that is the rounding of activations, not of weights. Two rearrangements, both exact in real
numbers, halve it and make the mean error a quarter:

- *Centred*: activations are stored as differences from those of a flat picture of about the plane's own mean colour.
  The activations of compact nets are large, and what a texture changes of them is small. A convolution of differences
  is the difference of the convolutions, so it needs no bias, and a PReLU of them is one minimum.
- *Turned*: most units are negative for most texels, where PReLU multiplies by its slope and rounds again. As
  ``prelu(y, a) = -a * prelu(-y, 1 / a)``, such a unit can have its sign turned and ``-a`` put into the next weights:
  then it mostly passes values on as they are, and they are rounded once.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from texup.nets.borders import Borders, laid_round, wrapped

LEVELS = 255
CENTRES = 8  # steps of the mean colours that are told apart; finer ones gain nothing that can be measured
TABLES = 256  # of constants that are kept, 6 kB each; a pack has few mean colours
TYPICAL = 0.25  # mean of textures of four packs, from 0 to 1; it only decides which units are turned
STRIP = 1 << 16  # values of a layer's result that are turned into the next one's input at once: a core's own cache
LEAST_SLOPE = 1e-6  # flatter than this, a unit's other side would be too steep


class _Flat(NamedTuple):
    """What one layer makes of flat pictures, one for each plane; each (N, C, 1, 1) in float32."""

    before: Tensor
    """The result of the convolution."""
    behind: Tensor
    """The result of the PReLU."""


class _Layer:
    """A convolution of 3 x 3 and the PReLU behind it, if any, with its units turned."""

    def __init__(self, weight: Tensor, bias: Tensor, slopes: Tensor | None, dtype: torch.dtype) -> None:
        """Keep what is given in float64 as it is used: the kernel in ``dtype``, the rest in float32."""
        self.weight = weight.to(dtype).contiguous(memory_format=torch.channels_last)
        self.bias, self.sums = bias.float(), weight.sum((2, 3)).float()
        self.slopes = None if slopes is None else slopes.float()

    def flat(self, colour: Tensor) -> Tensor:
        """Return what the layer makes of a flat picture whose channels are (C): (2, C), as ``_Flat`` names them."""
        before = self.sums @ colour + self.bias
        return torch.stack((before, self.bend(before[None])[0]))

    def bend(self, x: Tensor) -> Tensor:
        """Return the PReLU of what the convolution gives."""
        return x if self.slopes is None else F.prelu(x, self.slopes)


class CentredStack(nn.Module):
    """Convolutions of 3 x 3 with a PReLU behind each, or each but the last: all but the first in bfloat16, on a CPU."""

    def __init__(self, stack: nn.Module, typical: Sequence[float]) -> None:
        """Take over the weights of ``stack``, in float32; ``typical`` is a usual colour of its input."""
        super().__init__()
        steps: list[Any] = [*stack.children()]
        steps += [None] * (len(steps) % 2)
        pairs = list(zip(steps[::2], steps[1::2], strict=True))
        flat, column = torch.tensor(typical, dtype=torch.double), torch.ones(len(typical), dtype=torch.double)
        self.layers: list[_Layer] = []
        for convolution, prelu in pairs:
            weight, bias = convolution.weight.double() * column[:, None, None], convolution.bias.double()
            flat, slopes = weight.sum((2, 3)) @ flat + bias, None
            if prelu is not None:
                slopes = prelu.weight.double()
                turned = (flat < 0) & (slopes.abs() > LEAST_SLOPE)
                if prelu is steps[-1]:
                    turned[:] = False  # what comes behind the stack knows nothing of turned units
                sign = torch.where(turned, -1.0, 1.0).double()
                weight, bias, flat = weight * sign[:, None, None, None], bias * sign, flat * sign
                column = torch.where(turned, -slopes, 1.0)
                slopes = torch.where(turned, 1 / slopes, slopes)
                flat = torch.where(flat < 0, slopes * flat, flat)
            self.layers.append(_Layer(weight, bias, slopes, torch.bfloat16 if self.layers else torch.float32))
        self.tables = lru_cache(TABLES)(self._table)
        self.told: Borders = (None, None)

    def told_of(self, told: Borders) -> CentredStack:
        """Return a stack of the same weights that sees its planes go on behind their borders as ``told``."""
        twin = copy.copy(self)
        twin.told = told
        return twin

    def __deepcopy__(self, memo: object) -> CentredStack:
        """Return the stack itself: nothing of it ever changes."""
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, h, w) in float32 to what the stack makes of it, in float32."""
        flats = self._flats_of(x)
        first, *hidden, last = self.layers
        (n, _, h, w), width = x.shape, len(first.bias)
        framed = torch.empty((n, width, h + 2, w + 2), dtype=torch.bfloat16, memory_format=torch.channels_last)
        inner, rows = framed[:, :, 1:-1, 1:-1], max(1, STRIP // (n * width * w))
        # What a zero beyond a border is as a difference. All is filled: for usual textures quicker than four borders.
        framed.copy_(-flats[0].behind)
        inner.copy_(first.bend(self._first(x)).sub_(flats[0].behind))
        laid_round(framed, self.told)
        for layer, flat in zip(hidden, flats[1:], strict=False):
            made = F.conv2d(framed, layer.weight)
            framed.copy_(-flat.behind)
            for strip, place in zip(torch.split(made, rows, 2), torch.split(inner, rows, 2), strict=True):
                place.copy_(layer.bend(strip.float().add_(flat.before)).sub_(flat.behind))
            laid_round(framed, self.told)
        return last.bend(F.conv2d(framed, last.weight).float().add_(flats[-1].before))

    def _first(self, x: Tensor) -> Tensor:
        """Return the first convolution of planes."""
        down, right = (int(edge is not None) for edge in self.told)
        x = wrapped(F.pad(x, (right, right, down, down), "replicate"), self.told, down, right)
        return F.conv2d(x, self.layers[0].weight, self.layers[0].bias, padding=(1 - down, 1 - right))

    def _flats_of(self, x: Tensor) -> list[_Flat]:
        """Return what the layers make of flat pictures of about the mean colours of planes."""
        rows = torch.stack([self.tables(centre) for centre in _centres(x)])[..., None, None]
        widths = [2 * len(layer.bias) for layer in self.layers]
        return [_Flat(*part.chunk(2, 1)) for part in torch.split(rows, widths, 1)]

    def _table(self, centre: tuple[int, ...]) -> Tensor:
        """Return what the layers make of a flat picture whose colour is given in steps of ``CENTRES``, all in a row."""
        colour, parts = torch.tensor(centre) / CENTRES, []
        for layer in self.layers:
            parts.append(layer.flat(colour))
            colour = parts[-1][1]
        return torch.cat([part.flatten() for part in parts])


def _centres(x: Tensor) -> list[tuple[int, ...]]:
    """Return the mean colour of each plane in steps of ``CENTRES``; summed in whole levels, so no order changes it."""
    totals = (x * LEVELS).round_().to(torch.int64).sum((2, 3)).tolist()
    return [tuple(round(CENTRES * value / (LEVELS * x.shape[2] * x.shape[3])) for value in total) for total in totals]
