"""Whole commands as processes of their own, without the seconds that each would spend on importing torch.

A program ``launcher.py PACK OUT WEIGHTS``, run with its standard input and output as the line to a test. It upscales
the pack once, and looks at it, so that everything is imported; then it forks for each order, a line of JSON, and
answers with the child's number. ``{"wait": number}`` is answered with its exit code.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress

from texup.cli import main


def warm(pack: str, out: str, weights: str) -> None:
    """Run commands in this process, so that no child imports anything; the threads of them end with them."""
    model = ["--model", weights, "--device", "cpu"]
    commands = [["upscale", pack, "-o", out, *model], ["upscale", pack, "-o", out, *model, "--dry-run", "--json"]]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for command in [*commands, ["check", out, "-v"], ["verify", out, "--json"], ["verify", out]]:
            main.main(command, standalone_mode=False)


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
            way = os.O_RDWR if os.path.exists(place) else os.O_WRONLY | os.O_CREAT
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
    warm(*sys.argv[1:])
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
