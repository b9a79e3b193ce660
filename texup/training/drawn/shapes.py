"""Smooth-edged shapes and lettering, as planes of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Plane = NDArray[np.float32]

FINE = 4
"""Sub-pixels along an axis: 16 per pixel give edges 17 levels, as the usual 4x4 multisampling does."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A filled outline, or a stroked line where ``width`` is not 0."""

    points: Plane
    """(N, 2) x and y in pixels from the upper left corner of the picture; N >= 3, or >= 2 for a line."""
    fill: tuple[float, ...] = (1.0,)
    """One grey or three RGB values in [0, 1]."""
    width: float = 0.0
    """Width of the line in pixels; joints and ends are round."""
    closed: bool = False
    """A line returns to its first point."""


def paint(
    shapes: Sequence[Shape], size: tuple[int, int], *, ground: tuple[float, ...] = (0.0,), wrap: bool = False
) -> Plane:
    """Paint shapes over each other in their order.

    Args:
        shapes: All have as many values in ``fill`` as ``ground`` has.
        size: Height and width of the picture.
        ground: One grey or three RGB values in [0, 1].
        wrap: What leaves the picture on one side enters it on the other.

    Returns:
        (H, W) for a grey ground, else (H, W, 3); float32 in [0, 1], in steps of 1/255.
    """
    height, width = size
    image = Image.new("L" if len(ground) == 1 else "RGB", (width * FINE, height * FINE), _ink(ground))
    pen = ImageDraw.Draw(image)
    for shape in shapes:
        for shift in _shifts(shape, height, width) if wrap else [(0, 0)]:
            _stroke(pen, (shape.points + np.asarray(shift, np.float32)) * np.float32(FINE), shape)
    return np.asarray(image.reduce(FINE), np.float32) / np.float32(255)


@cache
def _face(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(height)


def letter(text: str, height: int, *, stroke: float = 0.0) -> Plane:
    """Return the coverage of one line of text, (H, W) float32 in [0, 1], trimmed to its ink; in the font of Pillow.

    Args:
        text: Without line breaks.
        height: Pixels of an em: capitals are about 0.7 of it.
        stroke: Pixels by which the letters grow on each side.
    """
    face = _face(height)
    left, top, right, bottom = face.getbbox(text, stroke_width=stroke)
    image = Image.new("L", (max(1, int(right - left) + 2), max(1, int(bottom - top) + 2)))
    ImageDraw.Draw(image).text((1 - left, 1 - top), text, fill=255, font=face, stroke_width=stroke)
    return np.asarray(image, np.float32) / np.float32(255)


def warp(plane: Plane, matrix: NDArray[np.floating], size: tuple[int, int]) -> Plane:
    """Return ``plane`` seen through an affine map, (H, W) = ``size``, 0 outside.

    ``matrix`` (2, 3) leads from x and y of the result to x and y of ``plane``; interpolation is bicubic, clipped to
    [0, 1].
    """
    coefficients = tuple(float(value) for value in matrix.ravel())
    height, width = size
    image = Image.fromarray(plane).transform(
        (width, height), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC
    )
    return np.clip(np.asarray(image, np.float32), 0, 1)


def _ink(values: tuple[float, ...]) -> int | tuple[int, ...]:
    levels = tuple(round(255 * min(max(value, 0.0), 1.0)) for value in values)
    return levels[0] if len(levels) == 1 else levels


def _stroke(pen: ImageDraw.ImageDraw, points: Plane, shape: Shape) -> None:
    line = [(float(x), float(y)) for x, y in points]
    if not shape.width:
        pen.polygon(line, fill=_ink(shape.fill))
        return
    line = [*line, *line[:2]] if shape.closed else line
    reach = shape.width * FINE / 2
    pen.line(line, fill=_ink(shape.fill), width=max(1, round(2 * reach)), joint="curve")
    for x, y in line[:1] + line[-1:]:
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=_ink(shape.fill))


def _shifts(shape: Shape, height: int, width: int) -> list[tuple[int, int]]:
    """Return the offsets by whole pictures at which a shape touches the picture."""
    low, high = shape.points.min(0) - shape.width, shape.points.max(0) + shape.width
    return [
        (x, y)
        for x, y in product((-width, 0, width), (-height, 0, height))
        if low[0] + x < width and high[0] + x > 0 and low[1] + y < height and high[1] + y > 0
    ]
