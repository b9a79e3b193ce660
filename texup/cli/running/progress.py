"""Progress of a run: live on a terminal, a line now and then elsewhere, nothing when asked."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import IO, TYPE_CHECKING, cast

from texup.calls.tally import ALWAYS_TOLD, Tally
from texup.cli.console import Courtesy, brief, is_terminal, report

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from texup.manifest.record import Outcome

NARROW = 70  # columns: with fewer only what matters most is shown
LINE_EVERY = 15.0  # seconds between two lines when standard error is no terminal


def follow(
    outcomes: Iterable[Outcome], left: dict[str, int], device_state: Callable[[], str], *, quiet: bool, verbose: bool
) -> Tally:
    """Take every outcome, show where the run is, and return the sums.

    Args:
        outcomes: of the run.
        left: texels of each texture that is to be upscaled.
        device_state: asked once a texture went through a net, when there surely is a device.
        quiet: whether only failures are shown.
        verbose: whether every outcome is.
    """
    tally = Tally(left)
    total = len(left)
    if not quiet and is_terminal():
        _follow_live(outcomes, tally, total, device_state, verbose=verbose)
        return tally
    shown = tally.began
    for outcome in outcomes:
        tally.add(outcome)
        if verbose or outcome.outcome in ALWAYS_TOLD:
            report(line_of(outcome))
        elif not quiet and time.perf_counter() - shown > LINE_EVERY:
            shown = time.perf_counter()
            told = (
                _done(tally, total),
                tally.times(),
                tally.speed(),
                tally.troubles(),
                *(text for text, _ in tally.by_node()),
            )
            report("; ".join(part for part in told if part))
    return tally


def _follow_live(
    outcomes: Iterable[Outcome], tally: Tally, total: int, device_state: Callable[[], str], *, verbose: bool
) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.text import Text

    console = Console(file=cast("IO[str]", Courtesy(sys.stderr)))
    names = ("done", "times", "troubles") if console.width < NARROW else ("state", "done", "times", "speed", "troubles")
    texts = [TextColumn(f"{{task.fields[{name}]}}", markup=False) for name in names]
    with Progress(BarColumn(console.width // 6), *texts, console=console) as progress:
        bar = progress.add_task("", total=1.0, state="starting", done="", times="", speed="", troubles="")
        nodes = _Nodes(progress)
        for outcome in outcomes:
            tally.add(outcome)
            done, times, troubles = _done(tally, total), tally.times(), tally.troubles()
            progress.update(bar, completed=tally.share, done=done, times=times, speed=tally.speed(), troubles=troubles)
            if outcome.precision is not None:
                progress.update(bar, state=device_state())
            nodes.show(tally)
            if verbose or outcome.outcome in ALWAYS_TOLD:
                progress.console.print(Text(line_of(outcome)), soft_wrap=True)  # a string's :names: are emoji


class _Nodes:
    """A line under the bar for each machine of a cluster."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lines: list[TaskID] = []

    def show(self, tally: Tally) -> None:
        """Show what each does, and its share of all."""
        told = tally.by_node()
        while len(self._lines) < len(told):
            self._lines.append(
                self._progress.add_task("", total=1.0, state="", done="", times="", speed="", troubles="")
            )
        for line, (text, share) in zip(self._lines, told, strict=True):
            self._progress.update(line, completed=share, done=text)


def _done(tally: Tally, total: int) -> str:
    return f"{total - len(tally.left)}/{total}"


def line_of(outcome: Outcome) -> str:
    """Return what became of a file, on one line."""
    return brief(": ".join(filter(None, (outcome.outcome, outcome.path, outcome.explanation, *outcome.notes))))
