"""Sheets: pictures that hold several others, which must not see each other when they are upscaled.

A sheet is cut into boxes, each is upscaled as a texture of its own, and the results are joined. Boxes come from a grid
that somebody names, or from islands: opaque regions with a transparent moat around them, as on a sheet of sprites.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from texup import bounds
from texup.errors import UnsupportedTexture
from texup.textures.planes import AlphaKind
from texup.textures.seams import Edges
from texup.textures.texture import Pixels, Texture

Index = NDArray[np.intp]

OUTLINED: frozenset[AlphaKind] = frozenset({"binary", "few", "soft", "smooth"})
"""Kinds of alpha that are opacity and may be 0 somewhere."""
MIN_MOAT = 2  # texels between two boxes; closer ones share the texels that filters read around an outline
GROWTH = 2  # texels of the moat that stay with a box, so that a soft outline has room to fade

# When islands make a sheet: judged by eye on the 48 that these bounds find among 2218 real textures with an outline.
# Most others with several islands are one picture in pieces: a splash of blood, a pair of boots, sparks of a flame.
MIN_SHEET = 64  # texels of the longer side
MIN_PICTURE = 8  # texels of an island's longer side, and
PICTURE_SHARE = 0.25  # of the longest island's; a sheet has two such pictures at least, the rest are specks and dots
TEXELS_EACH = 256  # of the sheet for each island: smaller ones cost the margin of a texture and gain nothing
MAX_ISLANDS = 256
MAX_SPECKS = 1024  # islands before close ones are united; the table of their distances has as many rows and columns


@dataclass(frozen=True, slots=True)
class Cells:
    """A sheet of equal cells in rows: the frames of an animation, the halves of a sky, the letters of a font."""

    unit: Literal["texels", "count"]
    across: int
    """Texels of a cell, or cells in a row."""
    down: int


class CellBox(NamedTuple):
    """A half-open rectangle of texels: rows ``top`` to ``bottom``, columns ``left`` to ``right``."""

    top: int
    bottom: int
    left: int
    right: int


def boxes_of(
    texture: Texture, cells: Cells | Literal["islands"] | None, alpha_kind: AlphaKind, edges: Edges
) -> list[CellBox]:
    """Return the boxes of a sheet, or nothing where the texture is to be left whole.

    Raises:
        UnsupportedTexture: it is no whole number of cells.
    """
    if cells is None:
        return []
    if cells == "islands":
        return island_boxes(texture, alpha_kind, edges)
    return grid_boxes((texture.pixels.shape[0], texture.pixels.shape[1]), cells)


def grid_boxes(shape: tuple[int, int], cells: Cells) -> list[CellBox]:
    """Return the cells of an (h, w) sheet row by row.

    Raises:
        UnsupportedTexture: the sheet is no whole number of cells, or has more than ``bounds.SHEET_CELLS``.
    """
    height, width = shape
    (down, tall), (across, wide) = (_lines(side, n, cells) for side, n in ((height, cells.down), (width, cells.across)))
    if min(tall, wide) < 1 or (down * tall, across * wide) != (height, width):
        wanted = f"{cells.across}x{cells.down}" + (" texels a cell" if cells.unit == "texels" else " equal cells")
        raise UnsupportedTexture(f"its size {width}x{height} is not a whole multiple of {wanted}")
    if down * across > bounds.SHEET_CELLS:
        raise UnsupportedTexture(f"{across}x{down} cells; texup cuts a texture into {bounds.SHEET_CELLS} at most")
    return [
        CellBox(row * tall, row * tall + tall, column * wide, column * wide + wide)
        for row in range(down)
        for column in range(across)
    ]


def _lines(side: int, number: int, cells: Cells) -> tuple[int, int]:
    """Return how many cells lie along ``side`` texels, and the texels of each; zeros where they cannot."""
    if number < 1:
        return 0, 0
    return (side // number, number) if cells.unit == "texels" else (number, side // number)


def island_boxes(texture: Texture, alpha_kind: AlphaKind, edges: Edges) -> list[CellBox]:
    """Return the boxes of the pictures on a sheet of sprites, or nothing where the texture is to be left whole.

    Texels with alpha above 0 that touch, also at a corner, are an island. Islands whose boxes come closer than
    ``MIN_MOAT`` are one. Boxes are disjoint, hold every texel with alpha above 0, and are grown into the moat.

    Args:
        texture: the sheet.
        alpha_kind: what its alpha is; without an outline there are no islands.
        edges: what lies beyond its borders; an island that goes on behind one is no picture of its own.
    """
    visible = texture.pixels[..., -1] > 0
    if alpha_kind not in OUTLINED or max(visible.shape) < MIN_SHEET or _goes_round(visible, edges):
        return []
    islands = _merged(_islands(visible))
    if not _is_sheet(islands, visible.size):
        return []
    return [CellBox(*box) for box in _grown(islands, visible.shape).tolist()]


def cut(texture: Texture, box: CellBox) -> Texture:
    """Return one cell of a sheet as a texture with the sheet's container."""
    return Texture(texture.pixels[box.top : box.bottom, box.left : box.right].copy(), texture.container)


def join_cells(cells: Sequence[Texture], boxes: Sequence[CellBox], background: Texture, scale: int) -> Texture:
    """Return the sheet of upscaled cells, with the container of ``background``; ``cut`` undone at scale 1.

    Args:
        cells: the cells, ``scale`` times as large as their boxes, in their order.
        boxes: where the cells lay on the sheet; disjoint.
        background: the sheet that was cut. Outside the boxes its colour is repeated, and alpha is 0.
        scale: whole factor between sheet and result.
    """
    pixels: Pixels = background.pixels.repeat(scale, 0).repeat(scale, 1)
    if pixels.shape[2] in (2, 4):
        pixels[..., -1] = 0
    for cell, box in zip(cells, boxes, strict=True):
        top, bottom, left, right = (side * scale for side in box)
        pixels[top:bottom, left:right] = cell.pixels
    return Texture(pixels, background.container)


def _goes_round(visible: NDArray[np.bool_], edges: Edges) -> bool:
    """Tell whether something visible goes on behind a border that wraps."""
    touched = visible[[0, -1]].any(), visible[:, [0, -1]].any()
    return any(seen and edge == "wrap" for seen, edge in zip(touched, edges, strict=True))


def _is_sheet(islands: Index, texels: int) -> bool:
    """Tell whether boxes (n, 4) on a texture of so many texels are pictures of their own."""
    if not 1 < len(islands) <= min(MAX_ISLANDS, texels // TEXELS_EACH):
        return False
    longer = (islands[:, 1::2] - islands[:, ::2]).max(axis=1)
    return bool((longer >= max(MIN_PICTURE, PICTURE_SHARE * longer.max())).sum() > 1)


def _islands(visible: NDArray[np.bool_]) -> Index:
    """Return the bounding boxes (n, 4) of the 8-connected regions of a mask (h, w).

    Runs of a row are joined with those of the next one; on the flattened mask, with one empty column more, the runs
    below a run are those that begin before its end and end after its start, ``stride`` texels later.
    """
    height, width = visible.shape
    stride = width + 1
    flat = np.zeros(height * stride + 2, np.int8)
    flat[1:-1].reshape(height, stride)[:, :width] = visible
    steps = np.diff(flat)
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    first = np.searchsorted(ends, starts + stride, "left")
    count = np.searchsorted(starts, ends + stride, "right") - first
    above = np.repeat(np.arange(len(starts)), count)
    below = np.arange(len(above)) + np.repeat(first - (np.cumsum(count) - count), count)
    rows, left = np.divmod(starts, stride)
    boxes = np.stack([rows, rows + 1, left, left + ends - starts], axis=1)
    return _united(boxes, above, below)


def _united(boxes: Index, one: Index, other: Index) -> Index:
    """Return the boxes around the groups that the pairs (one, other) of boxes join, in the order of their first."""
    label = np.arange(len(boxes))
    while True:
        least = np.minimum(label[one], label[other])
        new = label.copy()
        np.minimum.at(new, label[one], least)
        np.minimum.at(new, label[other], least)
        while (new != new[new]).any():
            new = new[new]
        if (new == label).all():
            break
        label = new
    roots, group = np.unique(label, return_inverse=True)
    united = boxes[roots]
    for side, extend in enumerate((np.minimum, np.maximum) * 2):
        extend.at(united[:, side], group, boxes[:, side])
    return united


def _gaps(boxes: Index) -> Index:
    """Return the texels (n, n) between each two boxes on the axis on which they are further apart; at least 0."""
    between = [
        np.maximum(boxes[:, None, start] - boxes[None, :, stop], boxes[None, :, start] - boxes[:, None, stop])
        for start, stop in ((0, 1), (2, 3))
    ]
    gaps: Index = np.maximum(np.maximum(*between), 0)
    return gaps


def _merged(boxes: Index) -> Index:
    """Unite boxes that come closer than ``MIN_MOAT`` until none do; more than ``MAX_SPECKS`` are not looked at."""
    while 1 < len(boxes) <= MAX_SPECKS:
        one, other = np.nonzero(np.triu(_gaps(boxes) < MIN_MOAT, 1))
        if not len(one):
            break
        boxes = _united(boxes, one, other)
    return boxes


def _grown(boxes: Index, shape: tuple[int, int]) -> Index:
    """Grow each box by up to ``GROWTH`` texels, but not beyond the middle of its moat nor the sheet (h, w)."""
    gaps = _gaps(boxes)
    np.fill_diagonal(gaps, 2 * GROWTH)
    by = np.minimum(gaps.min(axis=1) // 2, GROWTH)[:, None]
    height, width = shape
    grown: Index = np.clip(boxes + by * (-1, 1, -1, 1), 0, (height, height, width, width))
    return grown
