"""How many threads torch has while nets run: one for each lane, which several runs of a process share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import torch

_lock = Lock()
_runs: list[int] = []
"""For each run that goes on, the threads that torch had when the first of them began."""


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Give torch one thread, until the last of the runs that are here at once is over."""
    with _lock:
        _runs.append(_runs[0] if _runs else torch.get_num_threads())
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            threads = _runs.pop()
            if not _runs:
                torch.set_num_threads(threads)
