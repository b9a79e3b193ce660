"""Sums over the outcomes of a run, and what they say about its end."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from texup.manifest.gating import Gate
from texup.manifest.record import Outcome

EACH = 1024  # texels that reading and writing a file are worth
ALWAYS_TOLD = ("failed", "kept")
NODES = 8  # machines that are told of while a run goes on; ``--json`` has all
GATE_NAMES = 3  # textures that are named; the manifest and the gallery have all


@dataclass(slots=True)
class NodeTally:
    """Sums over what one machine of several did."""

    node: str
    device: str = ""
    """Kinds of device that nets ran on there, joined by "+"."""
    files: int = 0
    failed: int = 0
    pixels: int = 0
    busy: float = 0.0
    """Seconds from the run's begin to the newest file from there."""
    shard: int | None = None
    """Number of the shard that its newest file was in."""

    def add(self, outcome: Outcome, seconds: float) -> None:
        """Count one outcome, which came so many seconds after the run began."""
        kinds = {*self.device.split("+"), outcome.device or ""} - {""}
        self.device = "+".join(sorted(kinds))
        self.files += 1
        self.failed += outcome.outcome == "failed"
        self.pixels += outcome.pixels
        self.busy = seconds
        self.shard = outcome.shard

    @property
    def speed(self) -> float:
        """Megapixels of results per second."""
        return self.pixels / 1e6 / max(self.busy, 1e-9)

    def told(self) -> str:
        """Return one clause about it for people."""
        shard = "" if self.shard is None else f", shard {self.shard}"
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.node} {self.device} {self.files} files {self.speed:.2f} MP/s{shard}{failed}"


@dataclass(slots=True)
class Tally:
    """Sums over the outcomes of a run."""

    left: dict[str, int] = field(default_factory=dict)
    """Texels of every texture that is still to be upscaled."""
    work: int = 0
    """Of the textures that were upscaled or failed, in texels, a file counted as ``EACH`` more."""
    rest: int = 0
    """The same of what is left."""
    began: float = field(default_factory=time.perf_counter)
    counts: Counter[str] = field(default_factory=Counter)
    pixels: int = 0
    """Pixels of the results."""
    twins: int = 0
    """Textures that were copied from an equal one instead of computed."""
    has_nets: bool = False
    """Whether a texture went through a net."""
    redone: int = 0
    """Textures with tiles that were not finite and were done again in fp32."""
    failures: list[tuple[str, str]] = field(default_factory=list)
    """Path and reason of each."""
    kept: list[tuple[str, str]] = field(default_factory=list)
    """The same of what would have replaced a file of the user's own."""
    nodes: dict[str, NodeTally] = field(default_factory=dict)
    """By name, the machines of a cluster; none where a run has only its own."""
    wrong: list[tuple[str, Gate]] = field(default_factory=list)
    """Path of each result that looks wrong, or did before it was done again, and what the gate says of it."""

    def __post_init__(self) -> None:
        """Sum up what is to be done."""
        self.rest = sum(self.left.values()) + EACH * len(self.left)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.counts[outcome.outcome] += 1
        texels = self.left.pop(outcome.path, None)
        self.rest -= 0 if texels is None else texels + EACH
        if outcome.outcome in ("upscaled", "failed"):
            self.work += (texels or 0) + EACH
        self.pixels += outcome.pixels
        self.twins += outcome.twin_of is not None
        self.has_nets |= outcome.precision is not None
        self.redone += outcome.redone > 0
        if outcome.gate is not None and (outcome.gate.wrong or outcome.is_fallback):
            self.wrong.append((outcome.path, outcome.gate))
        if outcome.node is not None:
            self.nodes.setdefault(outcome.node, NodeTally(outcome.node)).add(outcome, self.seconds)
        if outcome.outcome == "failed":
            self.failures.append((outcome.path, outcome.explanation))
        if outcome.outcome == "kept":
            self.kept.append((outcome.path, outcome.explanation))

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self.began

    @property
    def share(self) -> float:
        """How much of the work is done, 0 to 1; what earlier runs did is none of it."""
        return self.work / max(1, self.work + self.rest)

    def times(self) -> str:
        """Return the time that went by, and about how much is left."""
        seconds, share = self.seconds, self.share
        rest = f", {_clock(seconds / share - seconds)} left" if 0.01 < share < 1 else ""
        return f"{_clock(seconds)}{rest}"

    def troubles(self) -> str:
        """Return how many failed or were kept, "" where none."""
        return ", ".join(f"{self.counts[name]} {name}" for name in ALWAYS_TOLD if self.counts[name])

    def gate_line(self) -> str:
        """Return one line about the results that look wrong, by the gate."""
        mended = sum(gate.is_mended for _, gate in self.wrong)
        still = [f"{path} ({', '.join(gate.wrong)})" for path, gate in self.wrong if gate.wrong]
        names = ", ".join(still[:GATE_NAMES]) + (", ..." if len(still) > GATE_NAMES else "")
        count = f"{len(still)} texture{'s look' if len(still) > 1 else ' looks'} wrong: {names}" if still else ""
        again = f"{mended} done again with the faithful net" if mended else ""
        return f"gate: {'; '.join(part for part in (count, again) if part)}"

    def by_node(self) -> list[tuple[str, float]]:
        """Return what each machine of a cluster does, and its share of all results.

        Of many machines those with most failures come, then the slowest.
        """
        nodes = sorted(self.nodes.values(), key=lambda node: node.node)
        shown = sorted(nodes, key=lambda node: (-node.failed, node.speed))[:NODES] if len(nodes) > NODES else nodes
        told = [(node.told(), node.pixels / max(1, self.pixels)) for node in shown]
        if len(shown) < len(nodes):
            told.append((f"{len(nodes) - NODES} more machines", 1 - sum(share for _, share in told)))
        return told

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


def _clock(seconds: float) -> str:
    """Return a time as 0:07, 12:30 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
