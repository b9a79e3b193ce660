"""Borders of a texture: what lies beyond them, per axis, and how to lay it around the plane.

Edges are a pair (vertical axis, horizontal axis) of "wrap", "mirror" or "clamp".
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Sample = TypeVar("Sample", bound=np.generic)
Edge = Literal["wrap", "mirror", "clamp"]
Edges = tuple[Edge, Edge]

MIN_SIDE = 8  # with fewer rows there is too little inside to compare the border with
MEAN_RATIO = 1.5  # a step across the border up to this many times the mean inner one belongs to the pattern,
REPEAT_RATIO = 1.2  # and so does one up to this many times the third largest: mortar on the border of a brick wall
VISIBLE_RATIO = 0.4  # a border row with less than this share of the visible texels of a mean row is the tip of a sprite
SAME = 1.0  # levels: jumps below this cannot be seen, however smooth the inside is


@lru_cache(maxsize=256)  # textures of a pack share a few sizes; some kilobytes each
def reach(side: int, before: int, after: int, edge: Edge) -> NDArray[np.intp]:
    """Return the ``before + side + after`` indices that an axis of ``side`` texels shows, repeating as needed."""
    index = np.arange(-before, side + after)
    if edge == "wrap":
        index %= side
    elif edge == "mirror":
        index %= 2 * side
        index = np.minimum(index, 2 * side - 1 - index)
    else:
        index = np.clip(index, 0, side - 1)
    index.flags.writeable = False  # all callers share it
    return index


def pad(plane: NDArray[Sample], margin: tuple[int, int, int, int], edges: Edges) -> NDArray[Sample]:
    """Lay (top, bottom, left, right) texels of what the edges continue with around a plane (H, W, ...)."""
    (height, width), (top, bottom, left, right) = plane.shape[:2], margin
    padded = np.empty((top + height + bottom, left + width + right, *plane.shape[2:]), plane.dtype)
    middle = padded[top : top + height]
    middle[:, left : left + width] = plane
    columns = middle.swapaxes(0, 1)
    columns[:left], columns[left + width :] = _beyond(plane.swapaxes(0, 1), left, right, edges[1])
    padded[:top], padded[top + height :] = _beyond(middle, top, bottom, edges[0])
    return padded


def _beyond(lines: NDArray[Sample], before: int, after: int, edge: Edge) -> tuple[NDArray[Sample], NDArray[Sample]]:
    """Return the lines before the first and after the last, or one that stands for all of them.

    As slices if they reach no further than the plane does, as by their numbers numpy takes twice as long.
    """
    if edge == "clamp":
        return lines[:1], lines[-1:]
    side = len(lines)
    if max(before, after) > side:
        index = reach(side, before, after, edge)
        return lines[index[:before]], lines[index[before + side :]]
    if edge == "wrap":
        return lines[side - before :], lines[:after]
    return lines[:before][::-1], lines[side - after :][::-1]


def detect_edges(pixels: NDArray[np.uint8] | NDArray[np.uint16], *, alpha: bool) -> Edges:
    """Tell for each axis whether the texture continues on its other side ("wrap") or not ("clamp").

    An axis tiles when the step from its last row to its first is like the steps between neighbouring rows inside.
    Only texels that show on either side of a step count, and a border that shows little is the tip of a sprite cut
    close to its outline. A texture of fewer than ``MIN_SIDE`` rows tells nothing.

    Args:
        pixels: (H, W, C), straight alpha last when ``alpha`` is set.
        alpha: whether the last channel is opacity.
    """
    levels = pixels.astype(np.float32)
    levels *= np.float32(255 / np.iinfo(pixels.dtype).max)
    opacity = levels[..., -1] / np.float32(255) if alpha else None
    if opacity is not None:
        for k in range(levels.shape[2] - 1):
            levels[..., k] *= opacity  # colour that does not show must not decide
    vertical = _detect_axis(levels, opacity)
    return vertical, _detect_axis(levels.swapaxes(0, 1), None if opacity is None else opacity.T)


def _detect_axis(rows: NDArray[np.float32], opacity: NDArray[np.float32] | None) -> Edge:
    """Tell whether rows (N, M, C) go on from the last to the first; all of their texels show without ``opacity``."""
    if len(rows) < MIN_SIDE or (opacity is not None and _ends_in_tips(opacity)):
        return "clamp"
    changes = np.abs(_steps(np.subtract, rows))  # the first is the one across
    steps = changes[..., 0].copy()
    for k in range(1, rows.shape[2]):  # numpy's own mean over so few takes eight times as long
        steps += changes[..., k]
    steps /= rows.shape[2]
    if opacity is None:
        means = steps.sum(axis=1) / rows.shape[1]
    else:
        shown = _steps(np.maximum, opacity) > 0
        means = np.where(shown, steps, 0).sum(axis=1) / np.maximum(shown.sum(axis=1), 1)
    third_largest = np.sort(means[1:])[-3]
    bound = max(MEAN_RATIO * means[1:].mean(), REPEAT_RATIO * third_largest, SAME)
    return "wrap" if means[0] <= bound else "clamp"


def _ends_in_tips(opacity: NDArray[np.float32]) -> bool:
    """Tell whether the first or the last row shows so little that it is the tip of a sprite."""
    visible = np.count_nonzero(opacity, axis=1)
    return bool(min(visible[0], visible[-1]) <= VISIBLE_RATIO * visible.mean())


def _steps(join: np.ufunc, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``join`` of each row and the one before it, of the first and the last first."""
    steps = np.empty_like(rows)
    join(rows[1:], rows[:-1], out=steps[1:])
    join(rows[0], rows[-1], out=steps[0])
    return steps
