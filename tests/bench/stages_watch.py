"""Where the time of a run goes: clocks laid around the functions of texup by name, each moment in its innermost stage.

Nothing of texup knows of it, so that what is measured is what runs. A clock costs about a microsecond a call.
"""

from __future__ import annotations

import functools
import importlib
import os
import resource
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

CLOCKS: dict[str, tuple[str, ...]] = {
    "walk": ("texup.upscaling.pack:plan_of",),
    "resume": (
        "texup.upscaling.pack:is_unchanged",
        "texup.upscaling.pack:given_up",
        "texup.upscaling.pack:_hindered",
        "texup.upscaling.pack:settled",
    ),
    "read": ("texup.upscaling.reading:read_file",),
    "decode": ("texup.textures.codecs.decoders:Decoders.decode",),
    "decide": (
        "texup.upscaling.starting:decide",
        "texup.upscaling.starting:twin_key",
        "texup.upscaling.starting:facts_of",
    ),
    "frame": ("texup.upscaling.pixels:_request", "texup.engines.local:Order", "texup.engines.batching:Batcher.add"),
    "net": ("texup.engines.devices.device:Device._forward",),
    "device": ("texup.engines.devices.device:Device.upscale",),
    "stitch": ("texup.engines.batching:Piece.put",),
    "merge": ("texup.engines.local:next_requests",),
    "gate": ("texup.upscaling.quality.gate:_scores",),
    "encode": ("texup.upscaling.starting:result_files",),
    "write": ("texup.engines.steps:write",),
    "sync": ("os:fsync",),
    "record": ("texup.upscaling.pack:record",),
}
"""Stage to functions, in the order of a texture's way; ``merge`` is all that is done to planes outside the others."""
WAITING = "waiting"


@dataclass(slots=True)
class Spent:
    """Seconds of one stage in one thread, without those of the stages inside it."""

    wall: float = 0.0
    cpu: float = 0.0
    calls: int = 0


@dataclass
class Watch:
    """What was seen of one run."""

    spent: dict[tuple[str, str], Spent] = field(default_factory=lambda: defaultdict(Spent))
    """By thread and stage."""
    batches: Counter[int] = field(default_factory=Counter)
    """How many batches held so many tiles."""
    shapes: set[tuple[int, ...]] = field(default_factory=set)
    """Shapes that the nets saw."""
    texels_in: int = 0
    """Texels of the planes that textures sent through nets, without margins: colour and alpha count apart."""
    texels_computed: int = 0
    wall: float = 0.0
    """Seconds of the whole run."""
    cpu: float = 0.0
    """CPU seconds of this process and its decoders."""
    start: float = 0.0
    """Of these, CPU seconds before the first texture, and of the decoders until they were ready."""
    engine: float = 0.0
    """Seconds of wall clock in the engine: after the start."""
    files: int = 0
    _local: threading.local = field(default_factory=threading.local)

    def cpu_of(self, stage: str) -> float:
        """Return the CPU seconds of a stage in all threads."""
        return sum(spent.cpu for (_, name), spent in self.spent.items() if name == stage)

    @property
    def lanes(self) -> list[str]:
        """The threads that ran nets."""
        return sorted({thread for thread, _ in self.spent if thread.startswith("texup-nets")})

    def busy(self, lane: str) -> float:
        """Return the seconds of wall clock that a lane was not waiting."""
        return sum(spent.wall for (thread, _), spent in self.spent.items() if thread == lane)

    @property
    def beside_nets(self) -> float:
        """CPU seconds of everything but nets and the start."""
        return self.cpu - self.start - self.cpu_of("net")

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function with a clock around it."""

        @functools.wraps(function)
        def clocked(*arguments: Any, **named: Any) -> Any:
            inner = self._local.__dict__.setdefault("inner", [[0.0, 0.0]])
            inner.append([0.0, 0.0])
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
                within = inner.pop()
                inner[-1][0] += wall
                inner[-1][1] += cpu
                spent = self.spent[_thread(), stage]
                spent.wall += wall - within[0]
                spent.cpu += cpu - within[1]
                spent.calls += 1

        return clocked


def _thread() -> str:
    """Return the name of this thread; those for files count together."""
    name = threading.current_thread().name
    return "files" if name.startswith("texup-files") else "calling" if name == "MainThread" else name


def _place(name: str) -> tuple[Any, str]:
    module, _, path = name.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, last = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    return owner, last


def _own_cpu(who: int = resource.RUSAGE_SELF) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _cpu_of(pid: int) -> float:
    """Return the CPU seconds of another process; 0 where the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def watched() -> Iterator[Watch]:
    """Lay clocks around the stages of texup, and tell of the run inside the context when it is over."""
    watch = Watch()
    with ExitStack() as stack:
        for stage, names in CLOCKS.items():
            for name in names:
                owner, last = _place(name)
                raw = vars(owner)[last]
                plain = raw.__func__ if isinstance(raw, staticmethod) else raw
                clocked = watch.timed(stage, plain)
                stack.enter_context(
                    patch.object(owner, last, staticmethod(clocked) if isinstance(raw, staticmethod) else clocked)
                )
        for owner, name, counting in _counters(watch):
            stack.enter_context(patch.object(owner, name, counting))
        began, own, children = time.perf_counter(), _own_cpu(), _own_cpu(resource.RUSAGE_CHILDREN)
        yield watch
        watch.wall = time.perf_counter() - began
        watch.start = watch.start - own if watch.engine else _own_cpu() - own
        watch.cpu = _own_cpu() - own + _own_cpu(resource.RUSAGE_CHILDREN) - children


def _counters(watch: Watch) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """Yield what is counted besides seconds: an owner, a name, and what stands in its place."""
    from texup.engines import local
    from texup.engines.batching import Batcher
    from texup.textures.codecs.decoders import _Process

    add, run, ready = Batcher.add, local.LocalEngine.run, _Process.ready
    take = watch.timed("engine", Batcher.take)
    queue = local.SimpleQueue

    def counted_add(self: Any, order: Any) -> None:
        for request in order.requests:
            height, width = request.plane.shape[:2]
            # A frame also reaches a multiple of GRID; what of it was the texture's own, only its maker knows.
            watch.texels_in += (height - 2 * request.margin) * (width - 2 * request.margin)
        add(self, order)

    def counted_take(self: Any, pixels: int, *, partial: bool) -> Any:
        batch = take(self, pixels, partial=partial)
        if batch:
            watch.batches[len(batch)] += 1
            watch.shapes.add(batch[0].plane.shape[:2])
            watch.texels_computed += sum(piece.plane.shape[0] * piece.plane.shape[1] for piece in batch)
        return batch

    def timed_run(self: Any, *arguments: Any, **named: Any) -> Iterator[Any]:
        watch.start += _own_cpu()
        began = time.perf_counter()
        for outcome in run(self, *arguments, **named):
            watch.files += 1
            yield outcome
        watch.engine += time.perf_counter() - began

    def timed_ready(self: Any) -> Any:
        was = self._is_started
        ready(self)
        watch.start += 0.0 if was else _cpu_of(self._popen.pid)
        return self

    class Waiting:
        """The queue of what threads are done with; waiting for it is the calling thread's idle time."""

        def __init__(self) -> None:
            own = queue()
            self.put, self.get = own.put, watch.timed(WAITING, own.get)

        def __class_getitem__(cls, _: Any) -> Any:
            return cls

    yield Batcher, "add", counted_add
    yield Batcher, "take", counted_take
    yield local.LocalEngine, "run", timed_run
    yield _Process, "ready", timed_ready
    yield local, "SimpleQueue", Waiting
