"""texup.packs.filling: what is new in a folder, and what rests."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from texup.packs import filling
from texup.packs.filling import Filling


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(filling, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def look(tmp_path, clock):
    """Makes a function that looks at the folder a second later; it returns whether anything changed, and what rests."""
    folder = Filling(tmp_path, exclude=["no.png"])

    def again():
        clock.now += 1
        has_changed = folder.look()
        return has_changed, [path for path in folder.entries if folder.rests(path)]

    again.folder = folder
    return again


def test_a_file_rests_at_the_second_look_that_finds_it_as_it_is(tmp_path, look):
    assert look() == (False, [])
    (tmp_path / "a.png").write_bytes(b"1")
    assert look() == (True, [])
    assert look() == (False, ["a.png"])
    (tmp_path / "a.png").write_bytes(b"12")
    assert look() == (True, [])
    os.utime(tmp_path / "a.png", ns=(1, 1))
    assert look() == (True, [])
    (tmp_path / "b.png").write_bytes(b"1")
    assert look() == (True, ["a.png"])
    look()
    assert [look.folder.age(path) for path in ("a.png", "b.png")] == [2.0, 1.0]
    (tmp_path / "a.png").unlink()
    assert look() == (True, ["b.png"])
    assert not look.folder.rests("a.png")


def test_a_file_in_the_place_of_another_is_new(tmp_path, look):
    (tmp_path / "a.png").write_bytes(b"1")
    look()
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    assert look() == (True, [])
    assert look() == (False, ["b.png"])


def test_patterns_and_unfinished_names(tmp_path, look):
    for name in ("a.png", "no.png", "x.PART", "y.png.tmp"):
        (tmp_path / name).write_bytes(b"1")
    look()
    assert look() == (False, ["a.png", "no.png"])
    assert [entry.selected for entry in look.folder.entries.values()] == [True, False]


def test_a_folder_that_cannot_be_listed_is_empty_and_says_why(tmp_path, look):
    (tmp_path / "a.png").write_bytes(b"1")
    look()
    assert look.folder.problem is None
    tmp_path.rename(tmp_path.with_name("away"))
    assert look() == (True, [])
    assert look.folder.problem is not None
    tmp_path.with_name("away").rename(tmp_path)
    assert look() == (True, [])
    assert look() == (False, ["a.png"])
    assert look.folder.problem is None
