"""How threads share the cores of a CPU while nets run: settings of the process, which several runs in it share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import torch

SWITCH = 0.0002  # seconds a thread may keep Python from others that wait: a net's many short steps each wait for it

_lock = Lock()
_runs: list[tuple[int, float]] = []
"""For each run that goes on, the threads of torch and the interval that were when the first of them began."""


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Give torch one thread, and let Python's threads take turns often, until the last of the runs here is over.

    By Python's own interval of 5 ms, lanes wait for the threads of files so much that a pack takes a tenth longer.
    """
    with _lock:
        _runs.append(_runs[0] if _runs else (torch.get_num_threads(), sys.getswitchinterval()))
        torch.set_num_threads(1)
        sys.setswitchinterval(SWITCH)
    try:
        yield
    finally:
        with _lock:
            threads, interval = _runs.pop()
            if not _runs:
                torch.set_num_threads(threads)
                sys.setswitchinterval(interval)
