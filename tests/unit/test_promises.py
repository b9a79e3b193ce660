"""Each promise of reliability is held by a test of its number."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PROMISES = range(1, 27)


def test_every_promise_has_a_test_named_after_it():
    texts = [path.read_text("utf-8") for path in TESTS.rglob("test_*.py")]
    held = {int(number) for text in texts for number in re.findall(r"^\s*def test_p(\d\d)_", text, re.MULTILINE)}
    assert held == set(PROMISES)
