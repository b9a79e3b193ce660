"""What the gate found out about one result, as it stands in a line of the manifest; no numpy here."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

ScoreName = Literal["drift", "alpha", "seam", "detail", "strokes", "lattice"]
FallbackResult = Literal["none", "impossible", "better", "worse"]
SCORES: tuple[ScoreName, ...] = get_args(ScoreName)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateScores:
    """Numbers that tell a result that may look wrong; None where one does not apply to it. The larger, the worse."""

    drift: float | None = None
    """Levels of 255 by which areas of the result are off their source's colour, in the worst 2 % of the texels."""
    alpha: float | None = None
    """Mean difference in levels of alpha, averaged down, from the source's along outlines."""
    seam: float | None = None
    """How much more a border that tiles shows in the result than in the source; 1 for as much."""
    detail: float | None = None
    """Steps between neighbouring pixels as a multiple of those of a bicubic enlargement."""
    strokes: float | None = None
    """Levels a texel of steps in one direction where the source has no such stripes: hatching and worms."""
    lattice: float | None = None
    """Levels of a pattern that repeats with every texel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What the gate says of the result that was written."""

    scores: GateScores = field(default_factory=GateScores)
    wrong: list[str] = field(default_factory=list)
    """The names of its scores that are beyond their limits."""
    fallback: FallbackResult = "none"
    """What came of doing it again with the faithful net: not tried, no other way than that which it went, written
    because it scores better, or thrown away because it does not."""
    other: GateScores | None = None
    """Scores of the result that was thrown away."""

    @property
    def note(self) -> str:
        """What people should know of it, "" for nothing."""
        what = f"looks wrong: {', '.join(self.wrong)}" if self.wrong else ""
        again = {
            "better": "done again with the faithful net",
            "worse": "the faithful net did no better",
            "impossible": "there is no more faithful way",
        }.get(self.fallback, "")
        return "; ".join(part for part in (what, again) if part)

    @property
    def is_mended(self) -> bool:
        """Whether the faithful net's result was the better one, and is the one that was written."""
        return self.fallback == "better"


def gate_from(value: Any) -> Gate | None:
    """Return what a parsed JSON value says of a gate.

    Raises:
        ValueError: a part of it makes no sense.
    """
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != {each.name for each in fields(Gate)}:
        raise ValueError("no gate")
    wrong, fallback = value["wrong"], value["fallback"]
    if not isinstance(wrong, list) or any(name not in SCORES for name in wrong) or len(wrong) > len(SCORES):
        raise ValueError("unknown scores")
    if fallback not in get_args(FallbackResult):
        raise ValueError("unknown result of a fallback")
    other = None if value["other"] is None else _scores(value["other"])
    return Gate(scores=_scores(value["scores"]), wrong=wrong, fallback=fallback, other=other)


def _scores(value: Any) -> GateScores:
    if not isinstance(value, dict) or value.keys() != set(SCORES):
        raise ValueError("no scores")
    for score in value.values():
        if score is not None and (type(score) is not float or not math.isfinite(score)):
            raise ValueError("no score")
    return GateScores(**value)


def told(scores: GateScores) -> str:
    """Return scores in a line for people."""
    return ", ".join(f"{name} {value:.2f}" for name, value in asdict(scores).items() if value is not None)
