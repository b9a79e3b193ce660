"""A way to run commands on hostile weights that measures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def measure():
    """Runs commands, each an order of ``arguments`` and ``cwd``, and returns what they took."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    program = Path(__file__).with_name("measure.py")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"}

    process = subprocess.Popen(
        [sys.executable, program], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )

    def run(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
        process.stdin.write(json.dumps(orders) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield run
    process.stdin.close()
    process.stdout.close()
    process.wait()
