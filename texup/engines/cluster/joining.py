"""How this process becomes part of a Ray cluster: quietly, and with its own signals."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from texup.errors import DeviceError, UsageError

INSTALL = "pip install 'texup[ray]'"
LONGEST = 200  # characters of an error of Ray, which has pages
ANSWER = 10.0  # seconds for the head of a cluster to take a connection
OBJECTS = 100_000_000  # bytes for what passes between processes of this machine alone: jobs and records
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def import_ray() -> Any:
    """Return Ray.

    Raises:
        UsageError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # texup never calls home, and what it uses neither
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise UsageError(f"--engine ray needs Ray: {INSTALL} on every machine") from error


def kind_of(device: str, resources: dict[str, float], address: str | None) -> str:
    """Return the kind of device that workers run on.

    Raises:
        DeviceError: the cluster has none.
    """
    has_cards = resources.get("GPU", 0) >= 1
    wanted = "cuda" if device == "all" else device.partition(":")[0]  # every worker has one card, all are used
    if wanted == "cuda" and not has_cards:
        where = f"at {address} " if address else ""
        raise DeviceError(f"the cluster {where}has no GPUs; use --device cpu, or start Ray there with --num-gpus")
    return "cuda" if wanted in ("auto", "cuda") and has_cards else "cpu" if wanted == "auto" else wanted


def join(ray: Any, address: str | None) -> None:
    """Join a cluster, in silence.

    Raises:
        UsageError: none answers.
    """
    if ray.is_initialized():
        return
    if address is not None:
        _check_answers(address)
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    worker: Any = importlib.import_module("ray._private.worker")
    if hasattr(worker, "print_to_stdstream"):  # by which it prints that a worker died: texup tells that itself
        worker.print_to_stdstream = _print_nothing
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL, "configure_logging": False}
    asked = address or os.environ.get("RAY_ADDRESS") or "auto"
    alone = {"address": "local", "include_dashboard": False, "object_store_memory": OBJECTS}
    try:
        if asked == "local":
            ray.init(**alone, **quiet)
            return
        try:
            ray.init(address=asked, **quiet)
        except ConnectionError:
            if asked != "auto":
                raise
            ray.init(**alone, **quiet)
    except Exception as error:  # bare ones among them, where a busy machine is slow to answer
        if asked in ("auto", "local"):
            raise UsageError(f"Ray does not start here: {' '.join(str(error).split())[:LONGEST]}") from error
        what = f"no Ray cluster takes this machine at {asked}"
        how = f"run `ray start --address={asked}` on it first, and set RAY_AUTH_MODE=token where its head has a token"
        raise UsageError(f"{what}; {how}") from error


def _check_answers(address: str) -> None:
    """Refuse an address at which nothing answers: Ray would try for a minute and a half.

    Raises:
        UsageError: nothing does.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UsageError(f"nothing answers at {address}; give what `ray start --head` printed") from error


def _print_nothing(*_arguments: object, **_named: object) -> None:
    """Stand for what would print."""


@contextmanager
def own_signals() -> Iterator[None]:
    """Keep what signals do, of which Ray takes one over."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in kept.items():
            if handler is not None:
                signal.signal(number, handler)
