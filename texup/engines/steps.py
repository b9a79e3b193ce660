"""The steps of a task that every engine takes: ask, write, report."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from texup.engines.engine import Execution, Job, Made, Plane, Request, Task
from texup.errors import BadTarget, OutputError, TextureError, UnsupportedTexture
from texup.files import atomic_write, check_inside
from texup.manifest.record import Outcome, Written

PROBLEMS = {
    "memory": "out of memory even with the smallest tiles; free some memory or use another --device",
    "not finite": "the net's result is not finite even in fp32; the weights do not suit this texture",
    "refused": "the net does not take a plane of this size; leave the texture out, or use another model",
    "large": "not enough memory to read or write it; free some, or use --jobs 1",
}


@dataclass(frozen=True, slots=True)
class Finished:
    """A task that needs no more nets."""

    made: Made


def next_requests(task: Task, planes: list[Plane] | None) -> list[Request] | Finished:
    """Send a task its upscaled planes (None at the start); return what it asks for next, or what it made.

    Raises:
        TextureError: the texture cannot be processed.
    """
    try:
        return next(task.upscaling) if planes is None else task.upscaling.send(planes)
    except StopIteration as stop:
        return Finished(stop.value)


def put(out: Path, target: str, data: bytes | Iterable[bytes]) -> int:
    """Write a file of the output ``out`` under its final name, and return its size.

    Raises:
        UnsupportedTexture: no file can have this name there.
        OutputError: it cannot be written.
    """
    check_inside(out, target)
    try:
        return atomic_write(out / target, data)
    except BadTarget as error:
        raise UnsupportedTexture(f"cannot be written to {target}: {error.reason}") from error


def write(job: Job, level: int, data: bytes) -> Written:
    """Write the file of one level under its final name, and read it again.

    Raises:
        UnsupportedTexture: no file can have its name.
        OutputError: it cannot be written, or does not read back as what was written.
    """
    path = job.target_of(level)
    put(job.out, path, data)
    check_written(job.out / path, data)
    return Written(path, hashlib.sha256(data).hexdigest(), len(data))


def check_written(path: Path, data: bytes) -> None:
    """Read a written file again, so that nothing is called upscaled that does not lie there as it was made.

    Raises:
        OutputError: it does not read back as ``data``.
    """
    try:
        is_whole = path.read_bytes() == data
    except OSError as error:
        raise OutputError(f"{path}: cannot be read back: {error.strerror}") from error
    if not is_whole:
        raise OutputError(f"{path}: reads back as other bytes than were written; check the disk")


def finish(task: Task, made: Made, execution: Execution | None, began: float) -> Outcome:
    """Write the finished files of a texture under their final names and report it.

    Args:
        task: whose files.
        made: its files, one for each level, and what the gate says of them.
        execution: where nets ran for it, None when none did.
        began: ``time.perf_counter()`` at the start of reading.

    Raises:
        UnsupportedTexture: no file can have its name.
        OutputError: it cannot be written.
    """
    written = [write(task.job, level, data) for level, data in enumerate(made.files)]
    return Outcome(
        path=task.job.path,
        outcome="upscaled",
        source_sha256=task.source_sha256,
        targets=written,
        policy=task.policy,
        gate=made.gate,
        precision=execution.precision if execution else None,
        device=execution.device if execution else None,
        pixels=task.pixels,
        seconds=time.perf_counter() - began,
    )


def failure(job: Job, error: TextureError | MemoryError, task: Task | None = None) -> Outcome:
    """Report a texture that could not be done."""
    return Outcome(
        path=job.path,
        outcome="failed",
        reason=PROBLEMS["large"] if isinstance(error, MemoryError) else error.reason,
        source_sha256=task.source_sha256 if task else None,
        policy=task.policy if task else {},
    )
