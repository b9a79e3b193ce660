"""texup.cli.running.progress: how far a run is, by its work and not by its files."""

from __future__ import annotations

import re
import time

import pytest

from texup.calls.tally import EACH, Tally
from texup.cli.running import progress
from texup.cli.running.progress import follow
from texup.manifest.record import Outcome


def outcome(path, result="upscaled", **more):
    return Outcome(path=path, outcome=result, **more)


@pytest.fixture
def clock(monkeypatch):
    now = [time.perf_counter()]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def test_work_is_counted_in_texels_and_what_was_done_before_is_none():
    tally = Tally({"large.png": 99 * EACH, "small.png": EACH * 8})
    assert tally.share == 0
    tally.add(outcome("old.png", "unchanged"))
    tally.add(outcome("notes.txt", "skipped"))
    assert tally.share == 0
    tally.add(outcome("small.png"))
    assert tally.share == pytest.approx(9 / 109)
    tally.add(outcome("large.png", "failed", reason="damaged"))
    assert tally.share == 1
    assert Tally({}).share == 0


def test_what_turns_out_to_be_done_leaves_the_total():
    tally = Tally({"a.png": 9 * EACH, "b.png": 9 * EACH})
    tally.add(outcome("a.png", "unchanged"))
    assert (tally.share, tally.left) == (0, {"b.png": 9 * EACH})
    tally.add(outcome("c.png"))  # done again, although its record seemed sound
    assert tally.share == pytest.approx(1 / 11)


def test_the_time_that_is_left_follows_from_the_work(clock):
    tally = Tally({"a.png": 9 * EACH, "b.png": 29 * EACH})
    clock[0] = tally.began + 30
    assert tally.times() == "0:30"
    tally.add(outcome("a.png"))
    assert tally.times() == "0:30, 1:30 left"
    clock[0] = tally.began + 3723
    tally.add(outcome("b.png"))
    assert tally.times() == "1:02:03"


def test_without_a_terminal_a_line_comes_now_and_then(clock, capsys, monkeypatch):
    monkeypatch.setattr(progress, "is_terminal", lambda: False)
    left = {f"{k}.png": 3 * EACH for k in range(4)}

    def run():
        for k in range(4):
            clock[0] += 10
            yield outcome(f"{k}.png", "failed" if k == 0 else "upscaled", reason="damaged" if k == 0 else None)

    follow(run(), left, lambda: "cpu", quiet=False, verbose=False)
    assert capsys.readouterr().err.splitlines() == [
        "failed: 0.png: damaged",
        "2/4; 0:20, 0:20 left; 0.1 textures/s, 0.00 MP/s; 1 failed",
        "4/4; 0:40; 0.1 textures/s, 0.00 MP/s; 1 failed",
    ]


@pytest.mark.parametrize(("columns", "wide"), [(40, False), (120, True)])
def test_live_progress_fits_the_terminal(capfd, monkeypatch, columns, wide):
    monkeypatch.setattr(progress, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("FORCE_COLOR", "1")
    left = {f"{k}.png": EACH for k in range(3)}
    found = (outcome(f"{k}.png", "failed", reason="damaged") for k in range(3))
    tally = follow(found, left, lambda: "cpu fp32", quiet=False, verbose=False)
    shown = capfd.readouterr().err
    assert tally.counts["failed"] == 3
    assert "3/3" in shown
    assert "3 failed" in shown
    assert ("textures/s" in shown) is wide


def node_outcome(name, k, result="upscaled"):
    return outcome(f"{name}-{k}.png", result, node=name, shard=k + 1, device="cpu", pixels=2_000_000 * (k + 1))


def test_each_machine_of_a_cluster_has_a_line_with_its_shard(capfd, monkeypatch):
    monkeypatch.setattr(progress, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("FORCE_COLOR", "1")
    outcomes = [node_outcome("a", 0), node_outcome("b", 1), node_outcome("a", 2, "failed")]
    follow(iter(outcomes), {}, lambda: "cpu", quiet=False, verbose=False)
    shown = capfd.readouterr().err
    assert re.search(r"a cpu 2 files [\d.]+ MP/s, shard 3, 1 failed", shown)
    assert re.search(r"b cpu 1 files [\d.]+ MP/s, shard 2", shown)


def test_of_many_machines_those_with_trouble_and_the_slowest_are_told():
    tally = Tally({})
    for k in range(20):
        tally.add(node_outcome(f"n{k:02}", 19 - k, "failed" if k == 5 else "upscaled"))
        tally.nodes[f"n{k:02}"].busy = 1.0
    told = tally.by_node()
    assert [text.split()[0] for text, _ in told] == ["n05", "n19", "n18", "n17", "n16", "n15", "n14", "n13", "12"]
    assert told[-1][0] == "12 more machines"
    assert sum(share for _, share in told) == pytest.approx(1)
