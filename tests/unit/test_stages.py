"""tests/bench/stages_watch.py: the functions that its clocks are laid around are still there."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
CLOCKS, PLACE = (runpy.run_path(str(BENCH / "stages_watch.py"))[name] for name in ("CLOCKS", "_place"))


@pytest.mark.parametrize("name", [name for names in CLOCKS.values() for name in names])
def test_a_clocked_function_is_where_it_is_looked_for(name):
    owner, last = PLACE(name)
    assert callable(getattr(owner, last))
    assert last in vars(owner)
