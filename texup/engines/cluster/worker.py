"""What a worker does, in a process of its own on any machine: it looks around, loads the nets, and does shards.

What it is sent and what it sends back are plain values. Pictures go from the shared folder to the shared folder.
"""

from __future__ import annotations

import importlib.metadata
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from texup import __version__
from texup.engines.cluster.shards import Shard
from texup.engines.engine import Engine, Job, Task
from texup.errors import DeviceError, LostDevice, OutputError, TexupError, UsageError, WeightsError
from texup.files import TEMP_PREFIX, TEMP_SUFFIX, locked
from texup.locks import LOCK_NAME
from texup.manifest.history import CLOCKS
from texup.manifest.record import Outcome

TOGETHER = 0.25  # seconds: results that come within it are sent as one message
TROUBLES: tuple[type[TexupError], ...] = (OutputError, LostDevice, WeightsError, DeviceError)
Load = Callable[[int], Engine]
"""Makes the engine of a worker that has so many cores."""
Start = Callable[[Job], "Task | Outcome"]


@runtime_checkable
class Sharing(Protocol):
    """What begins jobs, and can do with a part of the memory of its machine."""

    def among(self, workers: int) -> Start:
        """Return the same for one of so many workers of a machine."""
        ...


class Versions(NamedTuple):
    """What has to be the same everywhere, or results may differ in their last bits."""

    texup: str
    torch: str


class Trouble(NamedTuple):
    """Why a worker cannot go on; an error itself might not pass between processes."""

    kind: type[TexupError]
    text: str


@dataclass(frozen=True, slots=True)
class Folders:
    """Where a run reads and writes, with what tells that a worker sees the same folders."""

    job: Job
    """One of the run."""
    size: int
    """Of its source, in bytes; -1 where it cannot be read."""
    lock: bytes | None
    """What the lock of the output says; None where a run has none."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a worker that is ready says of itself."""

    versions: Versions
    pid: int
    device: str
    """Kind of device, as "cpu" or "cuda"."""


def versions_here() -> Versions:
    """Return the versions of this process; torch is not loaded for it, which takes the driver seconds."""
    return Versions(__version__, importlib.metadata.version("torch"))


def folders_of(job: Job) -> Folders:
    """Return what a worker has to find at the places of a job."""
    try:
        size = (job.source / job.path).stat().st_size
    except OSError:
        size = -1
    return Folders(job, size, _lock_in(job.out))


class Worker:
    """One worker: a card, or some cores of a machine."""

    def __init__(self, load: Load, start: Start, cores: int, workers: int) -> None:
        """Do the jobs that ``start`` begins with the engine that ``load`` makes.

        Args:
            load: makes the engine of this machine.
            start: see ``Engine.run``.
            cores: that it may use; 0 for its part of all.
            workers: of this machine, which share its memory.
        """
        self._load = load
        self._start = start.among(workers) if isinstance(start, Sharing) else start
        self._cores = cores or max(1, (os.cpu_count() or 1) // workers)
        self._engine: Engine | None = None
        self._lock: bytes | None = None

    def ready(self, place: Folders) -> Facts | Trouble:
        """Look whether everything is there, before anything is written, and load the nets."""
        out = place.job.out
        source = place.job.source / place.job.path
        if _size_of(source) != place.size:
            what = f"{source} is not there as this machine has it; give a folder that all machines share"
            return Trouble(UsageError, what)
        if _lock_in(out) != place.lock:
            return Trouble(UsageError, f"{out} is another folder there; give one that all machines share")
        self._lock = place.lock
        try:
            probe = out / f"{TEMP_PREFIX}{secrets.token_hex(6)}{TEMP_SUFFIX}"
            probe.touch()
            behind = _seconds_before_lock(probe, out)
            probe.unlink()
        except OSError as error:
            return Trouble(UsageError, f"{out}: cannot write there: {error.strerror}")
        if behind > CLOCKS:  # after a kill, files without a record would look as if they had been there before the run
            what = f"files from this machine are {behind:,.0f} seconds too old there; set its clock"
            return Trouble(UsageError, f"{out}: {what}")
        locked.add(out)  # or an output that is removed meanwhile would be made anew
        try:
            self._engine = self._load(self._cores)
        except TexupError as error:
            return _trouble_of(error)
        device = self._engine.device
        return Facts(versions_here(), os.getpid(), getattr(device.device, "type", str(device.device)))

    def run(self, shard: Shard) -> Iterator[list[Outcome] | Trouble]:
        """Do a shard; yield the outcomes as they come, some at a time, or the trouble that ends it."""
        parts: Iterable[tuple[Job, ...]] = ((job,) for job in shard.jobs) if shard.is_careful else (shard.jobs,)
        try:
            for jobs in parts:
                yield from self._together(jobs)
        except TROUBLES as error:
            yield _trouble_of(error)

    def _together(self, jobs: tuple[Job, ...]) -> Iterator[list[Outcome]]:
        assert self._engine is not None
        outcomes: list[Outcome] = []
        sent = time.monotonic()
        for outcome in self._engine.run(iter(jobs), self._begin):
            outcomes.append(replace(outcome, node=socket.gethostname()) if outcome.node is None else outcome)
            if time.monotonic() - sent >= TOGETHER:
                yield outcomes
                outcomes, sent = [], time.monotonic()
        if outcomes:
            yield outcomes

    def _begin(self, job: Job) -> Task | Outcome:
        """Begin a job, unless the run is over: a driver that is gone cannot end a worker that is cut off from it.

        Raises:
            OutputError: it is, or another run writes there.
        """
        if (lock := _lock_in(job.out)) != self._lock:
            what = "was moved, removed or unmounted" if lock is None else "was taken over by another run"
            raise OutputError(f"{job.out}: {what}, or its run is over; run the same command again")
        return self._start(job)


def _trouble_of(error: TexupError) -> Trouble:
    return Trouble(next((kind for kind in TROUBLES if isinstance(error, kind)), UsageError), str(error))


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _seconds_before_lock(probe: Path, out: Path) -> float:
    """Return how much older than the lock a new file is: most file systems use one clock, some that of who writes."""
    if not (out / LOCK_NAME).exists():
        return 0.0
    return (out / LOCK_NAME).stat().st_mtime - probe.stat().st_mtime


def _lock_in(out: Path) -> bytes | None:
    try:
        return (out / LOCK_NAME).read_bytes()
    except OSError:
        return None
