"""Signals in the middle of a run: nothing half-written, and the same command goes on where the first one stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ..builders import write_picture

ROOT = Path(__file__).parents[2]
MANIFEST = "texup-manifest.jsonl"
COUNT = 24
STOP_AT = 9  # textures

# One process loads torch and forks a child for each scenario. A child sends itself its signals from the thread that
# is about to give a finished file its name. "twice" then never lets that thread go on: the second signal must not wait.
DRIVER = """
import os, signal, sys
import texup.engines.local, texup.models.loading
from texup.cli import main

real, renamed = os.replace, []

def replace(source, target, numbers, again):
    renamed.append(target)
    if len(renamed) == {stop_at} + 1:  # the manifest was the first
        os.kill(os.getpid(), numbers[0])
        while again:
            if signal.getsignal(signal.SIGINT).__self__.number:  # the first was heard
                os.kill(os.getpid(), numbers[1])
    real(source, target)

for name in sys.argv[1].split(","):
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that never ends must not outlive the test
        for heard in main.SIGNALS:  # the tests may have inherited them as ignored, under nohup or in a background
            signal.signal(heard, signal.SIG_DFL)
        os.dup2(os.open(f"{{name}}.err", os.O_WRONLY | os.O_CREAT, 0o666), 2)
        numbers = [getattr(signal, each) for each in name.split("-") if each.startswith("SIG")]
        if numbers:
            os.replace = lambda source, target: replace(source, target, numbers, len(numbers) > 1)
        sys.argv = ["texup", "upscale", "pack", "-o", name, *sys.argv[2:]]
        try:
            main.run()
        except SystemExit as done:
            os._exit(done.code)  # taking torch down takes a second
    print(name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
STOPPED = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129, "SIGKILL": -9, "SIGINT-SIGTERM": 143}
OPTIONS = ("--overlap", "8", "--batch", "1", "--jobs", "2", "--device", "cpu")


@pytest.fixture(scope="module")
def scene(tmp_path_factory, weights):
    """A folder with a pack, the result ``whole`` and one that was stopped for each scenario; and their exit codes."""
    folder = tmp_path_factory.mktemp("interrupt")
    dice = np.random.default_rng(0)
    for k in range(COUNT):
        write_picture(folder / "pack" / f"{k % 3}" / f"{k:03}.png", dice.integers(0, 256, (12, 12, 3), np.uint8))
    names = ",".join(["whole", *STOPPED])
    done = subprocess.run(
        [sys.executable, "-c", DRIVER.format(stop_at=STOP_AT), names, "--model", weights, *OPTIONS],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    codes = {name: int(code) for name, code in (line.split() for line in done.stdout.splitlines())}
    assert codes.pop("whole") == 0
    return folder, codes


def tree(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file() and p.name != MANIFEST}


def temporary(out: Path) -> list[str]:
    return [p.name for p in out.rglob(".texup-*.tmp")]


def recorded(out: Path) -> set[str]:
    """Return what the manifest calls upscaled; every line of it must be whole."""
    lines = [json.loads(line) for line in (out / MANIFEST).read_text().splitlines()]
    assert lines[0]["format"] == "texup-manifest"
    paths = [line["path"] for line in lines if "path" in line]
    assert len(set(paths)) == len(paths)
    return set(paths)


def assert_goes_on(texup, weights, folder, out):
    """Run the same command again; only what is not recorded may be written, and all must be as if never stopped."""
    done = recorded(out)
    before = {name: (out / name).stat().st_mtime_ns for name in done}
    result = texup("upscale", folder / "pack", "-o", out, "--model", weights, *OPTIONS, "--json")
    assert result.code == 0
    counts = {"unchanged": len(done), "upscaled": COUNT - len(done)}
    assert json.loads(result.out)["counts"] == {name: count for name, count in counts.items() if count}
    assert {name: (out / name).stat().st_mtime_ns for name in done} == before
    assert tree(out) == tree(folder / "whole")
    assert texup("verify", out).code == 0


@pytest.mark.thorough
@pytest.mark.parametrize("name", STOPPED)
def test_p03_p21_a_signal_ends_the_run_in_order_and_the_next_goes_on(texup, weights, scene, name):
    folder, codes = scene
    out = folder / name
    assert codes[name] == STOPPED[name]
    whole = tree(folder / "whole")
    stopped = tree(out)
    at_once = name in ("SIGKILL", "SIGINT-SIGTERM")
    if at_once:
        assert len(temporary(out)) >= 1
    else:
        assert temporary(out) == []
        assert stopped.keys() <= whole.keys()
        said = "texup: stopped; what is finished stays, and the same command goes on from there\n"
        assert (folder / f"{name}.err").read_text() == said
    finished = {path: data for path, data in stopped.items() if path in whole}
    assert all(data == whole[path] for path, data in finished.items())
    assert 0 < len(finished) < COUNT
    done = recorded(out)
    assert done <= finished.keys()
    assert len(done) >= STOP_AT // 2
    assert_goes_on(texup, weights, folder, out)
    assert temporary(out) == []


def test_p04_leftovers_go_and_nothing_else(texup, weights, scene):
    folder, _ = scene
    out = folder / "littered"
    shutil.copytree(folder / "whole", out)
    (out / "1" / ".texup-0123456789ab.tmp").write_bytes(b"torn")
    (out / ".texup-mine.tmp").write_bytes(b"not ours")
    with (out / MANIFEST).open("ab") as file:
        file.write(b'{"path": "torn')
    result = texup("upscale", folder / "pack", "-o", out, "--model", weights, *OPTIONS, "--json")
    assert result.code == 0
    assert temporary(out) == [".texup-mine.tmp"]
    assert len(recorded(out)) == COUNT


# Tests that run in the background of a shell have SIGINT ignored, and texup would leave it so.
HEARING = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); from texup.cli.main import run; run()"


def test_p21_a_signal_from_outside(texup, weights, scene, tmp_path):
    folder, _ = scene
    out = tmp_path / "out"
    command = [sys.executable, "-c", HEARING, "upscale", folder / "pack", "-o", out, "--model", weights, *OPTIONS]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while process.poll() is None and not any(out.rglob("*.png")):
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGINT)
    said, error = process.communicate()
    assert (process.returncode, said) == (130, "")
    assert error.count("\n") == 1
    assert temporary(out) == []
    assert not (out / ".texup-lock").exists()
    assert_goes_on(texup, weights, folder, out)
