"""How much main memory a run may use."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path

_SHARE = 0.8  # of what is free; weights, batches, and sources that are just read take the rest
_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")
_UNKNOWN = 4 << 30  # bytes, on a system that does not tell
_LEAST = 1 << 28  # what small textures take is tried in any case


def memory_budget(meminfo: Path = Path("/proc/meminfo"), groups: Path = _GROUPS, own_groups: Path = _OWN_GROUPS) -> int:
    """Return the bytes that a run may use, by what is free now on this machine and in its container."""
    return max(_LEAST, int(_SHARE * min((*_free(meminfo), *_free_in_groups(groups, own_groups)), default=_UNKNOWN)))


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


def _free_in_groups(groups: Path, own_groups: Path) -> Iterator[int]:
    """Yield what the control groups of this process leave, of a container or a service, which ``meminfo`` knows not.

    A limit of any group above counts too. In a container the own group may be mounted as the root.

    References:
        cgroups(7): /proc/self/cgroup, a line ``number:controllers:path`` for each hierarchy; 0 is that of version 2.
        Linux, Documentation/admin-guide, cgroup-v2.rst: memory.max, memory.current, memory.stat.
        the same, cgroup-v1/memory.rst: memory.limit_in_bytes, memory.usage_in_bytes, memory.stat.
    """
    paths = _own_paths(own_groups)
    for folder in _upwards(groups, paths.get("", "/")):
        yield from _free_in(folder, "memory.max", "memory.current", "inactive_file")
    for folder in _upwards(groups / "memory", paths.get("memory", "/")):
        yield from _free_in(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _own_paths(own_groups: Path) -> dict[str, str]:
    """Return the path of this process's group by controller; "" is version 2, which has one for all."""
    try:
        lines = [line.split(":", 2) for line in os.fsdecode(own_groups.read_bytes()).splitlines()]
    except OSError:
        return {}
    return {name: parts[2] for parts in lines if len(parts) == 3 for name in parts[1].split(",")}


def _upwards(root: Path, path: str) -> Iterator[Path]:
    """Yield the folder of a group and those above it, the root last."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for count in range(len(parts), -1, -1):
        yield root.joinpath(*parts[:count])


def _free_in(group: Path, limit: str, used: str, caches: str) -> Iterator[int]:
    """Yield what a group leaves, its file caches counted as free; nothing where it has no limit."""
    try:
        most, now = (int((group / name).read_text("ascii")) for name in (limit, used))
        stat = dict(line.split() for line in (group / "memory.stat").read_text("ascii").splitlines())
        yield most - now + int(stat[caches])
    except (OSError, ValueError, KeyError):  # no such group, or "max": no limit
        return
