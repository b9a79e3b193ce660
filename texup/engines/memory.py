"""How much main memory a run may use."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path

_SHARE = 0.8  # of what is free; weights, batches, and sources that are just read take the rest
_CONTAINER = Path("/sys/fs/cgroup")
_UNKNOWN = 4 << 30  # bytes, on a system that does not tell
_LEAST = 1 << 28  # what small textures take is tried in any case


def memory_budget(meminfo: Path = Path("/proc/meminfo"), container: Path = _CONTAINER) -> int:
    """Return the bytes that a run may use, by what is free now on this machine and in its container."""
    return max(_LEAST, int(_SHARE * min((*_free(meminfo), *_free_in(container)), default=_UNKNOWN)))


def _free(meminfo: Path) -> Iterator[int]:
    """Yield what the system says can be used without swapping; where nothing tells, half of what there is.

    References:
        proc_meminfo(5): MemAvailable.
        psutil, virtual_memory(): the same of Windows and macOS, where texup depends on it.
    """
    try:
        fields = dict(line.split(":", 1) for line in meminfo.read_text("ascii").splitlines())
        yield int(fields["MemAvailable"].split()[0]) << 10
        return
    except (OSError, ValueError, KeyError):
        pass
    try:
        yield int(importlib.import_module("psutil").virtual_memory().available)
    except ImportError:
        if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", ()):
            yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _free_in(container: Path) -> Iterator[int]:
    """Yield what a container leaves, whose own limit ``meminfo`` does not know; file caches count as free.

    References:
        Linux, Documentation/admin-guide/cgroup-v2.rst: memory.max, memory.current, memory.stat.
    """
    try:
        limit, used = (int((container / name).read_text("ascii")) for name in ("memory.max", "memory.current"))
        stat = dict(line.split() for line in (container / "memory.stat").read_text("ascii").splitlines())
        yield limit - used + int(stat["inactive_file"])
    except (OSError, ValueError, KeyError):  # no container, or "max": no limit
        return
