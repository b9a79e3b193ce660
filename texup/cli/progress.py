"""Progress of a run: live on a terminal, a line now and then elsewhere, nothing when asked."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from texup.cli.console import is_terminal, printable, report

if TYPE_CHECKING:
    from texup.engines.engine import Outcome

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
    """Textures with tiles that were done again in a wider type."""
    failures: list[tuple[str, str]] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.counts[outcome.outcome] += 1
        self.pixels += outcome.pixels
        self.twins += any(note.startswith("same picture") for note in outcome.notes)
        self.redone += any(note.endswith("fp32") for note in outcome.notes)
        if outcome.outcome == "failed":
            self.failures.append((outcome.path, outcome.reason or ""))

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
        parts = [f"{self.counts[name]} {name}" for name in ("upscaled", "copied", "skipped", "unchanged", "failed")]
        shown = [part for part in parts if not part.startswith("0 ")] or ["nothing done"]
        extra = [f"{self.twins} of them twins of others"] if self.twins else []
        extra += [f"{self.redone} with tiles redone in fp32"] if self.redone else []
        return f"{', '.join(shown + extra)} in {self.seconds:.1f} s ({self.speed()})"


@contextmanager
def followed(
    outcomes: Iterable[Outcome], total: int, device: str, *, quiet: bool, verbose: bool
) -> Iterator[tuple[Tally, Iterator[Outcome]]]:
    """Yield a tally and the outcomes; taking one counts it and shows where the run is."""
    tally = Tally()
    if quiet or not is_terminal():
        yield tally, _lines(outcomes, tally, total, quiet=quiet, verbose=verbose)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"), TimeRemainingColumn())
    with Progress(TextColumn(device, markup=False), *columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=total, speed="")

        def live() -> Iterator[Outcome]:
            for outcome in outcomes:
                tally.add(outcome)
                progress.update(bar, advance=1, speed=tally.speed())
                if verbose or outcome.outcome == "failed":
                    progress.console.print(_line(outcome), markup=False, highlight=False)
                yield outcome

        yield tally, live()


def _lines(outcomes: Iterable[Outcome], tally: Tally, total: int, *, quiet: bool, verbose: bool) -> Iterator[Outcome]:
    shown = time.perf_counter()
    for outcome in outcomes:
        tally.add(outcome)
        if verbose or outcome.outcome == "failed":
            report(_line(outcome))
        elif not quiet and time.perf_counter() - shown > LINE_EVERY:
            shown = time.perf_counter()
            report(f"{sum(tally.counts.values())} of {total}: {tally.speed()}")
        yield outcome


def _line(outcome: Outcome) -> str:
    return printable(": ".join(filter(None, (outcome.outcome, outcome.path, outcome.reason, *outcome.notes))))
