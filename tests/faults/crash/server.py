"""Loads torch and texup once and forks a child for each command it reads, with the shim of shim.c armed in it.

Run: ``LD_PRELOAD=shim.so python server.py COMMAND``, which warms it up. Reads one JSON object a line, answers with one:
the exit code (that of a signal is negative), and what was printed. Pictures are decoded in the child itself unless the
order says otherwise: starting the processes for that takes longer than all the rest, and they write nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from texup import files
from texup.cli import main
from texup.textures.codecs.decoders import Decoders
from texup.textures.codecs.files import decode
from texup.textures.texture import Texture

torch.set_num_threads(1)

SHIM = ctypes.CDLL(None)
GUARD = 120  # seconds; a child that never ends must not outlive the test


def pieces_of(data: bytes | Iterable[bytes]) -> Iterable[bytes]:
    return [data] if isinstance(data, bytes) else data


def write_in_place(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write as most programs do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("wb") as file:
            file.writelines(pieces_of(data))
    except OSError as error:
        raise files.output_error(path, error) from error


def write_unsynced(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Rename, but leave it to the system when the bytes reach the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temp = path.with_name(".texup-000000000000.tmp")
    try:
        with temp.open("wb") as file:
            file.writelines(pieces_of(data))
        temp.replace(path)
    except OSError as error:
        raise files.output_error(path, error) from error


WRITERS: dict[str, Callable[[Path, bytes | Iterable[bytes]], None]] = {
    "in place": write_in_place,
    "unsynced": write_unsynced,
}


def decode_here(_: Decoders, data: bytes, name: str, max_pixels: int) -> Texture:
    return decode(data, name, max_pixels=max_pixels)


def start_none(_: Decoders, count: int) -> None:
    """Start no process ahead."""


def use_writer(name: str) -> None:
    """Put an unsafe writer in the place of the safe one."""
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("texup") and hasattr(module, "atomic_write"):
            module.atomic_write = WRITERS[name]  # type: ignore[attr-defined]


def child(order: dict[str, Any], said: list[int]) -> None:
    """Run one command; never returns."""
    signal.alarm(GUARD)
    for k, fd in enumerate(said):
        os.dup2(fd, k + 1)
    sys.stdout, sys.stderr = (open(fd, "w", closefd=False) for fd in (1, 2))  # noqa: SIM115
    os.chdir(order["cwd"])
    for name, value in order["limits"].items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    if not order["decoders"]:
        Decoders.decode = decode_here  # type: ignore[method-assign]
        Decoders.start = start_none  # type: ignore[method-assign]
    if order["writer"]:
        use_writer(order["writer"])
    sys.argv = ["texup", *order["argv"]]
    shim = order["shim"]
    if shim:
        SHIM.crash_arm(
            os.fsencode(shim["root"]), shim["kinds"], ctypes.c_long(shim["at"]), shim["action"], shim["error"],
            os.fsencode(shim["trace"]),
        )  # fmt: skip
    try:
        main.run()
    except SystemExit as done:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(done.code if isinstance(done.code, int) else 1)  # taking torch down takes a second
    except BaseException:  # noqa: BLE001
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    os._exit(99)


def answer(order: dict[str, Any]) -> dict[str, Any]:
    """Run a command in a child; its words come through pipes, which no limit on files reaches."""
    pipes = [os.pipe(), os.pipe()]
    pid = os.fork()
    if pid == 0:
        child(order, [write for _, write in pipes])
    said = []
    for _, write in pipes:
        os.close(write)
    for read, _ in pipes:
        with os.fdopen(read, "rb") as file:
            said.append(file.read().decode())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return {"code": code, "out": said[0], "err": said[1]}


def warm(argv: list[str]) -> None:
    """Run a command in this process, so that no child imports anything; the threads of it end with it."""
    with contextlib.redirect_stderr(io.StringIO()):
        main.main(argv, standalone_mode=False)


warm(sys.argv[1:])
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
