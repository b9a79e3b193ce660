"""What an engine is: it runs many textures on some hardware, and knows nothing about colours or packs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from texup.manifest.gating import Gate
from texup.manifest.record import Outcome
from texup.textures.seams import Edge, Edges

Plane = NDArray[np.float32]

GRID = 4  # sides of what nets see are multiples of it: enough for pixel-unshuffle, and fewer shapes fill batches better

IN_FLIGHT = 256  # jobs that are begun and not done, at most, for up to four lanes; as many for so many more

Told = tuple[Edge | None, Edge | None]
"""How a plane goes on, (vertical axis, horizontal axis), where its net is told so; None where context shows it."""
UNTOLD: Told = (None, None)


@dataclass(frozen=True, slots=True)
class Beyond:
    """What a plane lacks behind its borders, for a net that can be told instead of being shown it."""

    edges: Edges
    border: int
    """Texels that such a net still wants to be shown behind a border that is clamped, at most the margin."""
    rest: tuple[int, int] = (0, 0)
    """Rows below and columns to the right that only fill up the grid, besides the margin."""


@dataclass(frozen=True, slots=True)
class Request:
    """A plane that a texture wants to see upscaled by one pass of a net."""

    plane: Plane
    """(h + 2 margin, w + 2 margin, C) in [0, 1], where h, w and twice the margin are multiples of ``GRID``.

    C = 1 is shown to the net as three equal channels and averaged after it.
    """
    model: int
    """Index of the net in the run's chain."""
    margin: int
    """Texels of context on each side, cropped from the result."""
    beyond: Beyond | None = None
    """Where the net can be told how the plane goes on: then the result has no ``rest``."""


Files = tuple[bytes, ...]
"""The result of a texture: its file, and those of its smaller levels."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a task ends with."""

    files: Files
    gate: Gate | None = None
    """What the gate says of them."""


T = TypeVar("T")
Upscaling = Generator[list[Request], list[Plane], T]
"""Work that needs nets: it asks for planes (h, w, C), is sent them upscaled (h * scale, w * scale, C), and returns T.

Like that an engine can hold many textures at that point and fill its batches from all of them.
"""


def drive(upscaling: Upscaling[T], answer: Callable[[list[Request]], list[Plane]]) -> T:
    """Return the result of one upscaling alone, its requests answered as they come."""
    try:
        requests = next(upscaling)
        while True:
            requests = upscaling.send(answer(requests))
    except StopIteration as stop:
        result: T = stop.value
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One texture to do: where it comes from, and where its files go."""

    path: str
    """Relative POSIX path of the source, the identity."""
    source: Path
    """The folder of the pack."""
    out: Path
    """The folder of the output."""
    target: str
    """Relative POSIX path of the result."""
    level_target: str = ""
    """Where smaller levels become files: their path, in which the last ``{}`` stands for the level's number."""
    plan: Any = None
    """What else whoever starts the job has to know; a value that can be pickled, and nothing to an engine."""

    def target_of(self, level: int) -> str:
        """Return the relative path of a level's file; 0 is the texture's own."""
        before, _, behind = self.level_target.rpartition("{}")  # folders may have any name, also "{}"
        return f"{before}{level}{behind}" if level else self.target


@dataclass(frozen=True, slots=True)
class Task:
    """A job whose texture is read and whose policy is decided."""

    job: Job
    source_sha256: str
    policy: dict[str, Any]
    key: bytes
    """Tasks of equal keys have equal files as results; only the first is computed."""
    pixels: int
    """Pixels of the result."""
    upscaling: Upscaling[Made]
    share: float = 0.0
    """Of the memory that a run may use; tasks that sum up to 1 at most are on their way at once, or one alone."""


class Execution(NamedTuple):
    """Where and how nets ran for a texture: what its last bits depend on besides its settings."""

    device: str
    """Kind of device, as "cpu" or "cuda"."""
    precision: str


class Hardware(Protocol):
    """What an engine's device tells about itself."""

    device: Any
    """Its name when printed."""

    def state(self) -> str:
        """Return where and in what type nets run, and how much of the device they fill."""
        ...

    def batch_bytes(self) -> int:
        """Return about how much memory the largest batch takes."""
        ...

    def notes(self) -> list[str]:
        """Return what the user may want to know of how nets ran, a line each."""
        ...


class Engine(Protocol):
    """Runs jobs; each gets exactly one outcome, in whatever order they finish."""

    @property
    def device(self) -> Hardware:
        """The device that the nets run on."""
        ...

    def run(
        self,
        jobs: Iterable[Job | Outcome],
        start: Callable[[Job], Task | Outcome],
        end: Callable[[], None] = lambda: None,
    ) -> Iterator[Outcome]:
        """Start each job, upscale what its task asks for, write its files; pass on what is an outcome already.

        ``start`` and the tasks' generators run on worker threads, one thread at a time for each task. ``end`` is called
        when the run is over, however it ends, and before anything waits for those threads.

        Raises:
            OutputError: the output cannot be written; it ends the run.
            LostDevice: the device gave up; it ends the run, and the jobs without outcome stay to be done.
        """
        ...
