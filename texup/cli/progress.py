"""Progress of a run: live on a terminal, a line now and then elsewhere, nothing when asked."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, cast

from texup.cli.console import Courtesy, brief, is_terminal, report

if TYPE_CHECKING:
    from texup.manifest.record import Outcome

ALWAYS_TOLD = ("failed", "kept")
LINE_EVERY = 15.0  # seconds between two lines when standard error is no terminal


@dataclass(slots=True)
class Tally:
    """Sums over the outcomes of a run."""

    began: float = field(default_factory=time.perf_counter)
    counts: Counter[str] = field(default_factory=Counter)
    pixels: int = 0
    """Pixels of the results."""
    twins: int = 0
    """Textures that were copied from an equal one instead of computed."""
    redone: int = 0
    """Textures with tiles that were not finite and were done again in fp32."""
    failures: list[tuple[str, str]] = field(default_factory=list)
    """Path and reason of each."""
    kept: list[tuple[str, str]] = field(default_factory=list)
    """The same of what would have replaced a file of the user's own."""

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.counts[outcome.outcome] += 1
        self.pixels += outcome.pixels
        self.twins += outcome.twin_of is not None
        self.redone += outcome.redone > 0
        if outcome.outcome == "failed":
            self.failures.append((outcome.path, outcome.explanation))
        if outcome.outcome == "kept":
            self.kept.append((outcome.path, outcome.explanation))

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self.began

    def speed(self) -> str:
        """Return textures and megapixels of results per second."""
        seconds = max(self.seconds, 1e-9)
        return f"{self.counts['upscaled'] / seconds:.1f} textures/s, {self.pixels / 1e6 / seconds:.2f} MP/s"

    def summary(self) -> str:
        """Return one line that says what became of the pack."""
        parts = [
            f"{self.counts[name]} {name}"
            for name in ("upscaled", "copied", "written", "joined", "skipped", "unchanged", "kept", "failed")
        ]
        shown = [part for part in parts if not part.startswith("0 ")] or ["nothing done"]
        extra = [f"{self.twins} of them twins of others"] if self.twins else []
        extra += [f"{self.redone} with tiles redone in fp32"] if self.redone else []
        return f"{', '.join(shown + extra)} in {self.seconds:.1f} s ({self.speed()})"


def follow(
    outcomes: Iterable[Outcome], total: int, device_state: Callable[[], str], *, quiet: bool, verbose: bool
) -> Tally:
    """Take every outcome, show where the run is, and return the sums.

    ``device_state`` is asked once a texture went through a net, when there surely is a device.
    """
    tally = Tally()
    if not quiet and is_terminal():
        _follow_live(outcomes, tally, total, device_state, verbose=verbose)
        return tally
    shown = tally.began
    for outcome in outcomes:
        tally.add(outcome)
        if verbose or outcome.outcome in ALWAYS_TOLD:
            report(_line(outcome))
        elif not quiet and time.perf_counter() - shown > LINE_EVERY:
            shown = time.perf_counter()
            report(f"{sum(tally.counts.values())} of {total}: {tally.speed()}")
    return tally


def _follow_live(
    outcomes: Iterable[Outcome], tally: Tally, total: int, device_state: Callable[[], str], *, verbose: bool
) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.text import Text

    state, speed = (TextColumn(f"{{task.fields[{name}]}}", markup=False) for name in ("state", "speed"))
    columns = (state, BarColumn(), MofNCompleteColumn(), speed, TimeRemainingColumn())
    with Progress(*columns, console=Console(file=cast("IO[str]", Courtesy(sys.stderr)))) as progress:
        bar = progress.add_task("", total=total, speed="", state="starting")
        for outcome in outcomes:
            tally.add(outcome)
            progress.update(bar, advance=1, speed=tally.speed())
            if outcome.precision is not None:
                progress.update(bar, state=device_state())
            if verbose or outcome.outcome in ALWAYS_TOLD:
                progress.console.print(Text(_line(outcome)), soft_wrap=True)  # a string's :names: are emoji


def _line(outcome: Outcome) -> str:
    return brief(": ".join(filter(None, (outcome.outcome, outcome.path, outcome.explanation, *outcome.notes))))
