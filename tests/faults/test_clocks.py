"""The clock of a machine is hours before or behind that of the file system: no result is taken for somebody else's."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from texup.locks import output_lock
from texup.manifest.history import history_of
from texup.manifest.journal import Manifest, RunHeader
from texup.manifest.verification import verify

from ..builders import AT_RESULT, noise, records_of

COUNT = 6
HOURS = 3600.0
SKEWED = """
import time
time.time = lambda real=time.time: real() + {skew}
"""


@pytest.fixture
def upscale(launcher, weights, tmp_path):
    """Upscales a pack by a machine whose clock is some seconds ahead."""
    (tmp_path / "pack" / "sub").mkdir(parents=True)
    for k in range(COUNT):
        (tmp_path / "pack" / ("sub" if k % 2 else "") / f"{k}.png").write_bytes(noise(k))
    (tmp_path / "pack" / "notes.txt").write_text("mine")

    def run(out: str, skew=0.0, before=""):
        command = ["upscale", "pack", "-o", out, "--model", weights, "--overlap", "8", "--jobs", "1", "--copy-other"]
        return launcher.run(*command, "--json", cwd=tmp_path, before=SKEWED.format(skew=skew) + before)

    return run


def tree(out: Path) -> dict[str, bytes]:
    found = [path for path in out.rglob("*") if path.is_file() and path.suffix != ".jsonl"]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


@pytest.mark.thorough
@pytest.mark.parametrize("skew", [5 * HOURS, -5 * HOURS])
def test_what_a_killed_run_left_is_made_again_whatever_the_clocks_say(upscale, tmp_path, skew):
    assert upscale("whole")[0] == 0
    assert upscale("out", skew, AT_RESULT.format(count=3, what="os._exit(9)"))[0] == 9
    for k, path in enumerate(sorted((tmp_path / "pack").rglob("*.*"))):  # other machines may have put them there
        os.utime(path, (time.time() + (k - 3) * HOURS,) * 2)
    done = len(records_of(tmp_path / "out"))
    assert len(list((tmp_path / "out").rglob("*.png"))) > done - 1, "the last one has no record"
    code, said, told = upscale("out", -skew)
    assert (code, '"kept": []' in said) == (0, True), told
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    assert len(records_of(tmp_path / "out")) == COUNT + 1
    assert list(verify(tmp_path / "out", history_of(tmp_path / "out"))) == []
    code, said, told = upscale("out", skew)
    assert f'"unchanged": {COUNT + 1}' in said


@pytest.mark.parametrize("skew", [5 * HOURS, -5 * HOURS])
def test_what_the_user_put_there_before_the_run_stays(upscale, tmp_path, skew):
    assert upscale("out", skew, AT_RESULT.format(count=1, what="os._exit(9)"))[0] == 9
    (tmp_path / "out" / "4.png").write_bytes(noise(99))
    os.utime(tmp_path / "out" / "4.png", (time.time() - HOURS,) * 2)
    code, said, _ = upscale("out", skew)
    assert (code, '"path": "4.png"' in said.partition('"kept"')[2]) == (0, True)
    assert (tmp_path / "out" / "4.png").read_bytes() == noise(99)


def test_a_run_begins_when_the_file_system_says(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 5e9)
    with output_lock(tmp_path), Manifest(tmp_path, RunHeader(2, "0", [], {})) as manifest:
        manifest.begin()
        (tmp_path / "new").write_bytes(b"")
        assert abs(history_of(tmp_path).began - (tmp_path / "new").stat().st_mtime) < HOURS
