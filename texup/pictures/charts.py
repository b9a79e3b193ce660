"""Charts of lines, drawn with Pillow alone: enough for the curves of a training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from texup.pictures.lettering import FAINT, PAPER, RULE, fitted, line_height, text_width, write

Point = tuple[float, float]

# Distinct for most colour-blind eyes too, in this order; yellow is left out, it is too light on white.
# Okabe and Ito, "Color Universal Design" (2008), and three of Tol, "Colour Schemes" (2021), "muted".
COLOURS = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (51, 34, 136),
    (136, 34, 85),
    (90, 90, 90),
)
FINE = 4  # lines are drawn this much larger and reduced: smooth edges
WIDTH, DOT = 1.8, 3.0  # of a line, and the radius of a dot, in pixels
MARGIN, TITLE, TEXT = 16, 16, 12  # pixels around, heights of the letters
LEGEND_SHARE = 0.35  # of the width, at most
TICKS = 6  # about as many on each axis
BEYOND = 1e30  # what a chart shows lies well inside what floats hold, or its ticks would leave them


@dataclass(frozen=True, slots=True)
class _Axis:
    """Maps values to 0..1 between two ends; both are powers of ten's exponents where ``log``."""

    low: float
    high: float
    ticks: list[float]
    log: bool = False

    def place(self, value: float) -> float:
        at = math.log10(value) if self.log else value
        return (at - self.low) / (self.high - self.low)


def line_chart(
    series: Mapping[str, Sequence[Point]],
    *,
    title: str,
    x_label: str,
    size: tuple[int, int] = (900, 360),
    log_y: bool = False,
) -> NDArray[np.uint8]:
    """Draw lines over common axes, with a legend that gives each line's last value; return (H, W, 3).

    Points that cannot be drawn (not finite or beyond 1e30, or not above 0 where ``log_y``) leave a gap; a point between
    gaps is a dot.

    Args:
        series: name to points (x, y), drawn in their order; may be empty.
        title: text on top.
        x_label: what x is, with its unit.
        size: (width, height) in pixels.
        log_y: whether the vertical axis is logarithmic.
    """
    runs = {name: _runs(points, log_y=log_y) for name, points in series.items()}
    every = [point for pieces in runs.values() for piece in pieces for point in piece]
    xs, ys = _axis([x for x, _ in every]), (_log_axis if log_y else _axis)([y for _, y in every])
    labels = _labels(ys)
    legend = min(round(size[0] * LEGEND_SHARE), max((_legend_width(*item) for item in runs.items()), default=0))
    left = MARGIN + max(text_width(label, TEXT) for label in labels) + 8
    right = size[0] - MARGIN - (legend + 20 if legend else 0)
    top, bottom = MARGIN + line_height(TITLE) + 10, size[1] - MARGIN - 2 * line_height(TEXT) - 8
    box = (left, top, max(right, left + 1), max(bottom, top + 1))

    image = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(image)
    write(draw, (left, MARGIN), fitted(title, TITLE, size[0] - left - MARGIN), TITLE)
    _draw_axes(draw, box, xs, ys, labels)
    write(draw, ((left + right) / 2, size[1] - MARGIN), x_label, TEXT, anchor="md", ink=FAINT)
    if not every:
        write(draw, ((left + right) / 2, (top + bottom) / 2), "no values yet", TEXT, anchor="mm", ink=FAINT)
    image = _with_lines(image, [[_placed(p, box, xs, ys) for p in pieces] for pieces in runs.values()])
    _draw_legend(ImageDraw.Draw(image), (right + 20, top, legend, bottom - top), runs)
    return np.array(image)


def _runs(points: Sequence[Point], *, log_y: bool) -> list[list[Point]]:
    """Return the points that can be drawn, in pieces without gaps."""
    pieces: list[list[Point]] = [[]]
    for x, y in points:
        if abs(x) < BEYOND and abs(y) < BEYOND and (y > 1 / BEYOND or not log_y):  # false for nan
            pieces[-1].append((float(x), float(y)))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _axis(values: Sequence[float]) -> _Axis:
    """Return an axis around ``values`` whose ends are round."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        low, high = low - (abs(low) * 0.05 or 0.5), high + (abs(high) * 0.05 or 0.5)
    step = _round_step((high - low) / TICKS)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return _Axis(first * step, last * step, [k * step for k in range(first, last + 1)])


def _round_step(step: float) -> float:
    """Return the least of 1, 2 and 5 times a power of ten that is not below ``step``."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(k * power for k in (1, 2, 5, 10) if k * power >= step * (1 - 1e-9))


def _log_axis(values: Sequence[float]) -> _Axis:
    """Return a logarithmic axis whose ends and ticks are 1, 2 or 5 times a power of ten, or powers alone if many."""
    low, high = (min(values), max(values)) if values else (0.1, 1.0)
    if high <= low * (1 + 1e-9):
        low, high = low / 2, high * 2
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    round_values = [k * 10.0**e for e in exponents for k in (1, 2, 5)]
    first = max(v for v in round_values if v <= low * (1 + 1e-9))
    last = min(v for v in round_values if v >= high * (1 - 1e-9))
    ticks = [v for v in round_values if first <= v <= last]
    decades = math.log10(last / first)
    if decades > TICKS / 2:
        every = math.ceil(decades / TICKS)
        ticks = [10.0**e for e in exponents if e % every == 0 and first <= 10.0**e <= last] or [first, last]
    return _Axis(math.log10(first), math.log10(last), ticks, log=True)


def _labels(axis: _Axis) -> list[str]:
    """Return the ticks' numbers, each with as many digits as tell it from the others."""
    if axis.log:
        return [f"{tick:,.0f}" if 1 <= tick < 1e7 else f"{tick:g}" for tick in axis.ticks]
    if not 1e-3 <= max(map(abs, axis.ticks)) < 1e9:
        return [f"{tick:.6g}" for tick in axis.ticks]
    step = min(b - a for a, b in pairwise(axis.ticks))
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [f"{tick:,.{digits}f}" for tick in axis.ticks]


def _draw_axes(
    draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], xs: _Axis, ys: _Axis, labels: Sequence[str]
) -> None:
    left, top, right, bottom = box
    for tick, label in zip(ys.ticks, labels, strict=True):
        y = round(bottom - ys.place(tick) * (bottom - top))
        draw.line((left, y, right, y), fill=RULE)
        write(draw, (left - 8, y), label, TEXT, anchor="rm", ink=FAINT)
    for tick, label in zip(xs.ticks, _labels(xs), strict=True):
        x = round(left + xs.place(tick) * (right - left))
        draw.line((x, bottom, x, bottom + 4), fill=FAINT)
        write(draw, (x, bottom + 7), label, TEXT, anchor="ma", ink=FAINT)
    draw.line((left, bottom, right, bottom), fill=FAINT)


def _placed(piece: Sequence[Point], box: tuple[int, int, int, int], xs: _Axis, ys: _Axis) -> list[Point]:
    left, top, right, bottom = box
    return [(left + xs.place(x) * (right - left), bottom - ys.place(y) * (bottom - top)) for x, y in piece]


def _with_lines(image: Image.Image, lines: Sequence[Sequence[Sequence[Point]]]) -> Image.Image:
    """Return the picture with lines on it, in pixels; the last point of all of a line is a dot."""
    large = image.resize((image.width * FINE, image.height * FINE), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(large)
    for k, pieces in enumerate(lines):
        colour = COLOURS[k % len(COLOURS)]
        for n, piece in enumerate(pieces):
            fine = [((x + 0.5) * FINE, (y + 0.5) * FINE) for x, y in piece]
            draw.line(fine, fill=colour, width=round(WIDTH * FINE), joint="curve")
            if len(piece) == 1 or n == len(pieces) - 1:
                draw.circle(fine[-1], DOT * FINE, fill=colour)
    return large.reduce(FINE)


def _last(pieces: Sequence[Sequence[Point]]) -> str:
    return f"{pieces[-1][-1][1]:.4g}" if pieces else "-"


def _legend_width(name: str, pieces: Sequence[Sequence[Point]]) -> int:
    return 20 + text_width(name, TEXT) + 14 + text_width(_last(pieces), TEXT)


def _draw_legend(
    draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], runs: Mapping[str, Sequence[Sequence[Point]]]
) -> None:
    """Write names and last values in a column (left, top, width, height); what finds no room is counted."""
    left, top, width, height = box
    room = max(1, height // line_height(TEXT) - 1)
    shown = list(runs.items())[: room if len(runs) > room else None]
    for k, (name, pieces) in enumerate(shown):
        y = top + (k + 0.5) * line_height(TEXT)
        last = _last(pieces)
        draw.rectangle((left, y - 2, left + 12, y + 1), fill=COLOURS[k % len(COLOURS)])
        write(draw, (left + 20, y), fitted(name, TEXT, width - 34 - text_width(last, TEXT)), TEXT, anchor="lm")
        write(draw, (left + width, y), last, TEXT, anchor="rm", ink=FAINT)
    if len(shown) < len(runs):
        y = top + (len(shown) + 0.5) * line_height(TEXT)
        write(draw, (left + 20, y), f"and {len(runs) - len(shown)} more", TEXT, anchor="lm", ink=FAINT)
