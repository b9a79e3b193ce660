"""Whole commands as processes of their own, without the seconds that each would spend on importing torch.

A program, run with its standard input and output as the line to a test. It has everything imported and forks once for
each order, a line of JSON; it answers with the child's number. ``{"wait": number}`` is answered with its exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress

from texup.cli import main

MODULES = [f"texup.cli.{name}" for name in ("check", "inspect", "running.progress", "upscale", "verify")]
MODULES += [
    "texup.calls.setup",
    "texup.checking",
    "texup.engines.local",
    "texup.models.loading",
    "texup.upscaling.survey",
    "texup.upscaling.pack",
]


def play(order) -> None:
    """Be the command of an order, from its start to its end; never returns."""
    signal.alarm(order["limit"])  # a child that never ends must not outlive the test
    for number in main.SIGNALS:  # a shell's background job would ignore some
        signal.signal(number, signal.SIG_IGN if number in order["ignored"] else signal.SIG_DFL)
    os.setsid()
    os.umask(order["umask"])
    for number, place in enumerate(order["streams"]):
        if place is None:
            os.close(number)
        else:
            way = os.O_RDWR if place.startswith("/dev/") else os.O_WRONLY | os.O_CREAT
            opened = os.open(place, way, 0o666)  # a terminal becomes that of this session
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    exec(order["before"], {})
    for number, name in ((1, "stdout"), (2, "stderr")):  # as Python does it when it starts
        is_open = order["streams"][number] is not None
        setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False) if is_open else None)  # noqa: SIM115
    os.chdir(os.fsencode(order["cwd"]))
    sys.argv = ["texup", *map(os.fsdecode, order["arguments"])]
    code = 70
    try:
        main.run()
    except SystemExit as done:
        code = done.code
        threading._shutdown()  # as Python does it when it ends: it waits for every thread
    except BaseException:  # noqa: BLE001 - a test reads what it was
        traceback.print_exc()
    try:
        with suppress(OSError):
            sys.stderr and sys.stderr.flush()
        sys.stdout and sys.stdout.flush()
    except OSError:
        code = 120
    os._exit(code)  # taking torch down would take a second


def serve() -> None:
    for name in MODULES:
        importlib.import_module(name)
    lines, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    for line in lines:
        order = json.loads(line)
        if "wait" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                play(order)
        print(answer, file=answers, flush=True)


serve()
