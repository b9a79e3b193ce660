"""Charts of lines for the curves of a training, drawn by matplotlib, which the extra ``train`` brings."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan

Point = tuple[float, float]

NEEDS_EXTRA = "no picture of the curves without matplotlib: pip install 'texup[train]'"
WIDTH, HEIGHT, DPI = 9.0, 3.6, 100  # inches of one chart, and pixels of an inch


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines over a common axis."""

    title: str
    lines: Mapping[str, Sequence[Point]]
    """Name to points (x, y)."""
    log_y: bool = False
    """Whether the vertical axis is logarithmic; values that are not above 0 leave a gap there."""


def is_installed() -> bool:
    """Return whether matplotlib is there; it is imported here for the first time, which takes a moment."""
    try:
        import matplotlib.figure  # noqa: F401 -- an installation that is broken counts as none
    except ImportError:
        return False
    return True


def line_charts(charts: Sequence[Chart], *, x_label: str) -> bytes:
    """Draw charts one above the other over the same horizontal axis; return the bytes of a PNG.

    The legend gives the last value of each line. Values that are not finite leave a gap; every point is marked, so that
    one between two gaps is seen.

    Raises:
        ImportError: matplotlib is not installed.
    """
    # the objects themselves and not pyplot, whose figures and settings are global
    from matplotlib import color_sequences
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT * len(charts)), dpi=DPI, layout="constrained")
    for axes, chart in zip(figure.subplots(len(charts), sharex=True, squeeze=False).flat, charts, strict=True):
        axes.set_prop_cycle(color=color_sequences["petroff10"])  # told apart by colour-blind eyes too
        axes.set_title(chart.title, loc="left")
        axes.grid(visible=True, alpha=0.3)
        for name, points in chart.lines.items():
            ys = [y if y > 0 or not chart.log_y else nan for _, y in points]
            last = f"{points[-1][1]:.4g}" if points else "-"
            axes.plot([x for x, _ in points], ys, marker=".", label=f"{name}  {last}")
        if chart.lines:
            axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
        if chart.log_y:
            axes.set_yscale("log")
    figure.supxlabel(x_label)
    file = io.BytesIO()
    figure.savefig(file, format="png", backend="agg")
    return file.getvalue()
