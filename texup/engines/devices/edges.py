"""Nets that are told how a plane goes on behind its borders, instead of being shown a margin of it.

A stack of convolutions sees zeros behind the borders of its features, which is why planes get a margin. Here each of
its convolutions sees the features themselves go on. Where a plane wraps, so do all of its features: the result is that
of a margin without end, and nothing is computed twice. Where its last texels are repeated, features do not quite: those
next to the border see both. A net that is shown a few repeated texels, in front of features that are repeated, comes
closer than one that is shown twice as many in front of zeros (``tests/bench/bench_borders.py``).
"""

from __future__ import annotations

import copy

from torch import Tensor, nn
from torch.nn import functional as F

from texup.engines.engine import Told
from texup.nets.borders import wrapped
from texup.nets.centred import CentredStack

TAUGHT = (nn.Conv2d, nn.ReplicationPad2d)
"""What sees anything behind a border in the nets that are told."""


class Extended(nn.Module):
    """A convolution that sees its input go on behind the borders, or the padding of one that stands alone."""

    def __init__(self, inner: nn.Conv2d | nn.ReplicationPad2d, told: Told) -> None:
        """Take the place of ``inner``, with its weights."""
        super().__init__()
        self.inner, self.told = inner, told
        padding = inner.padding
        assert not isinstance(padding, str)
        down, right = (padding[2], padding[0]) if isinstance(inner, nn.ReplicationPad2d) else padding
        self.down, self.right = (0 if edge is None else by for edge, by in zip(told, (down, right), strict=True))
        self.zeros = (down - self.down, right - self.right)

    def forward(self, x: Tensor) -> Tensor:
        """Return what ``inner`` makes of a plane that goes on."""
        if isinstance(self.inner, nn.ReplicationPad2d):
            return wrapped(self.inner(x), self.told, self.inner.padding[2], self.inner.padding[0])
        x = wrapped(
            F.pad(x, (self.right, self.right, self.down, self.down), "replicate"), self.told, self.down, self.right
        )
        inner = self.inner
        return F.conv2d(x, inner.weight, inner.bias, inner.stride, self.zeros, inner.dilation, inner.groups)


def told_net(net: nn.Module, told: Told) -> nn.Module:
    """Return a net of the same tensors whose convolutions see the features of a plane go on as ``told``."""
    memo = {id(tensor): tensor for tensors in (net.parameters(), net.buffers()) for tensor in tensors}
    twin = copy.deepcopy(net, memo)
    for module in list(twin.modules()):
        for name, child in module.named_children():
            if isinstance(child, TAUGHT):
                setattr(module, name, Extended(child, told))
            elif isinstance(child, CentredStack):
                setattr(module, name, child.told_of(told))
    return twin
