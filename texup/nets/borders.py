"""What lies behind the borders of features that a net is told of, instead of zeros."""

from __future__ import annotations

from torch import Tensor

Borders = tuple[str | None, str | None]
"""How a plane goes on, (vertical axis, horizontal axis): "wrap", "clamp", or None where there are zeros."""


def wrapped(x: Tensor, told: Borders, down: int, right: int) -> Tensor:
    """Write what comes round into the frame of (N, C, down + h + down, right + w + right), on the axes that wrap.

    The frame holds repeated texels already, which stay on an axis that is clamped: one way for every mixture of edges.
    """
    for axis, edge, by in ((2, told[0], down), (3, told[1], right)):
        if edge == "wrap" and by:
            side = x.shape[axis] - 2 * by
            x.narrow(axis, 0, by).copy_(x.narrow(axis, side, by))
            x.narrow(axis, by + side, by).copy_(x.narrow(axis, by, by))
    return x


def laid_round(x: Tensor, told: Borders) -> Tensor:
    """Write into the frame of one texel of (N, C, 1 + h + 1, 1 + w + 1) what the plane in it goes on with.

    The frame of an axis of which nothing is told stays as it is, corners included.
    """
    for axis, edge in enumerate(told, 2):
        if edge is not None:
            last = x.shape[axis] - 2
            first, behind = (last, 1) if edge == "wrap" else (1, last)
            x.narrow(axis, 0, 1).copy_(x.narrow(axis, first, 1))
            x.narrow(axis, last + 1, 1).copy_(x.narrow(axis, behind, 1))
    return x
