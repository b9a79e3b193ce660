"""Large planes as tiles: pure geometry in texels, half-open rows and columns.

Every tile has a ``core``, the part of the result it answers for, and a ``context`` around it that the net also sees.
Cores partition the plane; contexts of one plan are all of one size, so that they fit one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Box:
    """A half-open rectangle of texels: rows ``top`` to ``bottom``, columns ``left`` to ``right``."""

    top: int
    bottom: int
    left: int
    right: int

    def scaled(self, scale: int) -> Box:
        """Return the box in a frame that is ``scale`` times finer."""
        return Box(self.top * scale, self.bottom * scale, self.left * scale, self.right * scale)

    def grown(self, down: int, right: int) -> Box:
        """Return the box with so many rows more below and columns more to the right."""
        return Box(self.top, self.bottom + down, self.left, self.right + right)

    def within(self, outer: Box) -> Box:
        """Return the box in the frame whose origin is ``outer``'s corner."""
        return Box(self.top - outer.top, self.bottom - outer.top, self.left - outer.left, self.right - outer.left)

    @property
    def slices(self) -> tuple[slice, slice]:
        """The box as an index of an (H, W, ...) array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True, slots=True)
class Tile:
    """A core and the context that contains it, both in the frame of the padded plane."""

    core: Box
    context: Box


def _spans(side: int, tile: int, margin: int, grid: int, around: int) -> list[tuple[int, int, int, int]]:
    """Cut an axis of ``side`` texels into near-equal (core start, core stop, context start, context stop)."""
    count = -(-side // tile)
    bounds = [margin + k * side // count for k in range(count + 1)]
    length = min(side, -(-side // (count * grid)) * grid) + 2 * around
    spans = []
    for start, stop in pairwise(bounds):
        first = min(start - around, side + margin + around - length)
        spans.append((start, stop, first, first + length))
    return spans


def plan_tiles(
    height: int, width: int, tile: int, margin: int, grid: int = 1, around: tuple[int, int] | None = None
) -> list[Tile]:
    """Cover an (height, width) plane with tiles whose cores are at most ``tile`` a side.

    Args:
        height: rows of the plane without its margin.
        width: columns of the plane without its margin.
        tile: largest side of a core.
        margin: texels of context on each side; the plane itself is padded by as many.
        grid: sides of contexts without their margins are multiples of it, if the plane's are.
        around: texels of context around the cores (vertically, horizontally), where that is less than the margin.

    Returns:
        Tiles in the frame of the padded (height + 2 margin, width + 2 margin) plane, row by row.

    Raises:
        ValueError: a side or the tile is not positive, or the margin negative.
    """
    if min(height, width, tile) < 1 or margin < 0:
        raise ValueError(f"cannot tile {height}x{width} by {tile} with margin {margin}")
    vertically, horizontally = (margin, margin) if around is None else around
    return [
        Tile(Box(y0, y1, x0, x1), Box(cy0, cy1, cx0, cx1))
        for y0, y1, cy0, cy1 in _spans(height, tile, margin, grid, vertically)
        for x0, x1, cx0, cx1 in _spans(width, tile, margin, grid, horizontally)
    ]


def cut(plane: NDArray[Any], tiles: Sequence[Tile]) -> list[NDArray[Any]]:
    """Return the context of each tile of a padded plane (H, W, C), as views."""
    return [plane[tile.context.slices] for tile in tiles]


def place(plane: NDArray[Any], piece: NDArray[Any], tile: Tile, margin: int, scale: int) -> None:
    """Copy the core of one upscaled context into the plane of the result.

    Args:
        plane: (height * scale, width * scale, C), the result without margin.
        piece: the context of the tile, upscaled: (context height * scale, context width * scale, C).
        tile: the tile it was cut by.
        margin: the plan's margin.
        scale: factor between source texels and result pixels.
    """
    source = tile.core.within(tile.context).scaled(scale)
    target = tile.core.within(Box(margin, 0, margin, 0)).scaled(scale)
    plane[target.slices] = piece[source.slices]
