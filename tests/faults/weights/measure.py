"""Runs commands of texup, each in a fork of a process that has torch already, and measures what they took.

A program: reads a list of orders as a line of JSON from standard input, and answers with that of their results.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import time

import texup.calls.setup
import texup.cli.evaluate
import texup.cli.finetune
import texup.cli.inspect
import texup.cli.interpolate
import texup.cli.models.converting
import texup.cli.models.group
import texup.cli.train
import texup.cli.upscale
import texup.cli.usage.refusals
import texup.evaluation
import texup.models.interpolate
import texup.models.loading
import texup.preview
import texup.training.finetune
import texup.training.run.loop
import texup.upscaling.pack  # noqa: F401
from texup.cli.main import run

LIMIT = 60  # seconds until a command counts as hanging
SPACE = 12 << 30  # bytes of address space, so that a bomb harms nobody else


def play(order, out, err) -> None:
    signal.alarm(LIMIT)
    resource.setrlimit(resource.RLIMIT_AS, (SPACE, SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    os.chdir(order["cwd"])
    os.environ.update(order.get("environment", {}))
    sys.argv = ["texup", *order["arguments"]]
    code = 70
    try:
        run()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 70
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def measured(order):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            play(order, out, err)
        _, status, usage = os.wait4(pid, 0)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read(100_000).decode("utf-8", "replace"))
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": time.monotonic() - began,
        "cpu": usage.ru_utime + usage.ru_stime,
        "mib": usage.ru_maxrss / 1024,
        "out": texts[0],
        "err": texts[1],
    }


for line in sys.stdin:
    print(json.dumps([measured(order) for order in json.loads(line)]), flush=True)
