"""The cache of drawn pictures: the same pictures, drawn once, and never in the way."""

from __future__ import annotations

import numpy as np
import pytest

from texup.places import cache_folder
from texup.training import drawn
from texup.training.data import drawing_cache
from texup.training.data.drawing_cache import drawn_pictures


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Count what is drawn, with a cache of the test's own."""
    monkeypatch.setenv("TEXUP_CACHE", str(tmp_path / "cache"))
    made, draw = [], drawn.draw_pictures
    monkeypatch.setattr(drawn, "draw_pictures", lambda *given: made.append(given) or draw(*given))
    return made


def test_pictures_are_drawn_once_and_come_back_the_same(calls):
    first, again = drawn_pictures(5, 64, 3), drawn_pictures(5, 64, 3)
    assert calls == [(5, 64, 3)]
    assert first.shape == (5, 64, 64, 3)
    np.testing.assert_array_equal(first, again)
    assert len(list(cache_folder().iterdir())) == 1


def test_other_numbers_and_other_code_draw_anew_and_only_the_newest_stays(calls, monkeypatch):
    drawn_pictures(2, 64, 3)
    drawn_pictures(2, 64, 4)
    assert len(calls) == 2
    kept = list(cache_folder().iterdir())
    monkeypatch.setattr(drawing_cache, "version", lambda _name: "another")
    drawn_pictures(2, 64, 4)
    assert len(calls) == 3
    assert len(list(cache_folder().iterdir())) == 1
    assert list(cache_folder().iterdir()) != kept


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "other"])
def test_a_damaged_cache_is_drawn_anew(calls, damage):
    first = drawn_pictures(2, 64, 3)
    (path,) = cache_folder().iterdir()
    whole = path.read_bytes()
    if damage == "other":
        np.savez_compressed(path, pictures=first[:1])
    else:
        path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"no archive"}[damage])
    np.testing.assert_array_equal(drawn_pictures(2, 64, 3), first)
    assert len(calls) == 2
    drawn_pictures(2, 64, 3)
    assert len(calls) == 2


def test_a_cache_that_cannot_be_written_costs_time_only(calls, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TEXUP_CACHE", str(tmp_path / "file" / "cache"))
    np.testing.assert_array_equal(drawn_pictures(1, 64, 3), drawn_pictures(1, 64, 3))
    assert len(calls) == 2
