"""Files of weights with random damage load finite weights or are refused; none crashes or hangs the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FORMATS = 6


def fuzzed(folder: Path, count: int, seed: int) -> dict[str, dict[str, int]]:
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": str(here.parents[2]), "OMP_NUM_THREADS": "1"}
    program = [sys.executable, here / "fuzz.py", str(count), str(seed), folder]
    done = subprocess.run(program, env=environment, text=True, stdout=subprocess.PIPE, check=True)
    results = json.loads(done.stdout)
    assert len(results) == FORMATS
    assert all(sum(counts.values()) == count for counts in results.values())
    print(results)
    return results


@pytest.mark.thorough
def test_p14_damaged_files_load_finite_weights_or_are_refused(tmp_path):
    results = fuzzed(tmp_path, 60, 1)
    assert all(counts["refused"] and counts["loaded"] for counts in results.values())
    assert results["zip"]["loaded"] < 30  # checksums cover the content: only what lies between may be damaged


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
def test_p14_thousands_of_damaged_files_load_finite_weights_or_are_refused(tmp_path, seed):
    fuzzed(tmp_path, 1000, seed)
