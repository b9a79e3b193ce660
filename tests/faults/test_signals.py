"""P21, P4: a signal at any moment, a closed terminal or pipe: the run ends in order and leaves nothing behind."""

from __future__ import annotations

import gc
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from itertools import cycle
from pathlib import Path

import pytest
import torch

from texup.models.weights import save_weights
from texup.nets.rrdbnet import RRDBNet
from texup.packs import temporary
from texup.packs.zips import unpack_archive

from ..builders import noise

ROOT = Path(__file__).parents[2]
# Not even a moment of the device, for an estimate of the time.
NO_PROBE = "from texup.calls import inspection; inspection.PROBE_SECONDS = 0"
STOPPED = "texup: stopped; what is finished stays, and the same command goes on from there\n"
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
AT_MOST = 5.0  # seconds from a signal to the end
LINES = 10  # of a command's run, in the default tests

# Sends a signal when the main thread has come to a line of its run, whichever code that line is of.
AT_LINE = """
import os, signal, sys, tempfile
from texup.calls import inspection
from texup.cli import main
inspection.PROBE_SECONDS = 0
tempfile.tempdir = {temp!r}
run, seen = main.main.main, 0
def line(frame, event, argument):
    global seen
    if event == "line":
        seen += 1
        if seen == {line}:
            os.kill(os.getpid(), {number})
    return line
def call(frame, event, argument):
    return line if {every} or any(part in frame.f_code.co_filename for part in {parts}) else None
def traced(*arguments, **options):
    sys.settrace(call)
    try:
        return run(*arguments, **options)
    finally:
        sys.settrace(None)
        with open({count!r}, "w") as file:
            file.write(str(seen))
main.main.main = traced
"""
PARTS = ("/texup/", "contextlib.py", "shutil.py", "tempfile.py", "zipfile")  # where what must be removed is made


@pytest.fixture(scope="module")
def scene(tmp_path_factory, launcher, weights):
    """A folder with a pack as folder and as zip, and the finished result of each."""
    folder = tmp_path_factory.mktemp("signals")
    (folder / "pack" / "sub").mkdir(parents=True)
    for k, name in enumerate(("a.png", "b.png", "sub/c.png")):
        (folder / "pack" / name).write_bytes(noise(k))
    (folder / "pack" / "notes.txt").write_text("by hand")
    with zipfile.ZipFile(folder / "pack.zip", "w") as archive:
        for path in sorted((folder / "pack").rglob("*.*")):
            archive.write(path, path.relative_to(folder / "pack"))
    for source, out in (("pack", "whole"), ("pack.zip", "whole.zip")):
        assert launcher.run(*upscale(weights, source, out), cwd=folder)[0] == 0
    return folder


def upscale(weights, source, out) -> list[str]:
    options = ("--overlap", "8", "--batch", "1", "--jobs", "2", "--device", "cpu", "-q")
    return ["upscale", str(source), "-o", str(out), "--model", str(weights), *options]


def temporary_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob(".texup-*.tmp"))


def stopped_at(launcher, folder: Path, arguments, lines: int, *, every: bool):
    """Run a command again and again, each time stopped by a signal some lines later, and yield how each run ended.

    ``arguments`` makes them for the number of the run; ``lines`` is how many places are tried. The code must be the
    signal's, and the temporary folder empty.
    """
    (folder / "temp").mkdir()

    def run(k: int, line: int, number: int) -> tuple[int, str, str]:
        values = {"temp": str(folder / "temp"), "count": str(folder / "count"), "line": line, "number": int(number)}
        before = AT_LINE.format(**values, every=every, parts=PARTS)
        return launcher.run(*arguments(k), cwd=folder, before=before)

    assert run(0, 0, 0)[0] == 0
    total = int((folder / "count").read_text())
    places = [int((k + 0.5) * total / lines) + 1 for k in range(lines)]
    for k, (place, number) in enumerate(zip(places, cycle(CODES)), start=1):
        code, said, told = run(k, place, number)
        assert (code, told) == (CODES[number], STOPPED), f"line {place} of {total}"
        assert os.listdir(folder / "temp") == [], f"line {place} of {total} left its temporary folder"
        yield k, said
    print(f"{len(places)} places of {total} lines")


def sweep_upscale(launcher, weights, scene, folder, lines, *, every):
    """Stop the upscaling of a zip at many places; nothing may be left, and the same command must go on to the end."""
    source, whole = scene / "pack.zip", (scene / "whole.zip").read_bytes()
    for k, said in stopped_at(launcher, folder, lambda k: upscale(weights, source, f"out{k}.zip"), lines, every=every):
        assert said == ""
        assert temporary_files(folder) == []
        archive = folder / f"out{k}.zip"
        assert not archive.exists() or archive.read_bytes() == whole
        if k % 4 == 0:
            assert launcher.run(*upscale(weights, source, archive), cwd=folder)[0] == 0
            assert archive.read_bytes() == whole
            assert temporary_files(folder) == []
        for path in (archive, archive.with_suffix("")):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@pytest.mark.thorough
@pytest.mark.parametrize("every", [True, False], ids=["any line", "where files are made"])
def test_p21_a_signal_at_any_moment_leaves_nothing_behind(launcher, weights, scene, tmp_path, every):
    sweep_upscale(launcher, weights, scene, tmp_path, LINES, every=every)


class Interrupt(BaseException):
    """What a signal raises."""


def test_p21_a_copy_of_a_zip_goes_whatever_line_is_interrupted(scene, tmp_path, monkeypatch):
    """Every line of it, those of the standard library too, in this process."""
    monkeypatch.setattr(temporary.tempfile, "tempdir", str(tmp_path))

    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    with zipfile.ZipFile(scene / "one.zip", "w") as archive:
        archive.writestr("a.png", b"x")

    def interrupted(at: int) -> int:
        seen = 0

        def trace(frame, event, _argument):
            nonlocal seen
            seen += event == "line"
            if event == "line" and seen == at:
                raise Interrupt  # and Python traces no more
            return trace

        def use() -> None:
            with unpack_archive(scene / "one.zip") as folder:
                assert (folder / "a.png").exists()

        sys.settrace(trace)
        try:
            use()
        except BaseException:  # or what a library made of it
            if not at:
                raise
        finally:
            sys.settrace(None)
        if os.listdir(tmp_path):
            gc.collect()  # as the end of a command does
        return seen

    total = interrupted(0)
    assert total > 300
    print(f"{total} lines")
    for at in range(1, total + 1):
        interrupted(at)
        assert os.listdir(tmp_path) == [], f"line {at} of {total}"


@pytest.mark.slow
@pytest.mark.parametrize("every", [True, False], ids=["any line", "where files are made"])
def test_p21_a_signal_at_many_moments_leaves_nothing_behind(launcher, weights, scene, tmp_path, every):
    sweep_upscale(launcher, weights, scene, tmp_path, 400, every=every)


COMMANDS = {
    "inspect": ["inspect", "{}/pack.zip", "-v"],
    "inspect as JSON": ["inspect", "{}/pack", "--json"],
    "check": ["check", "{}/whole.zip", "-v"],
    "verify": ["verify", "{}/whole"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_p21_other_commands_end_as_upscale_does(launcher, weights, scene, tmp_path, name):
    before = {path: path.stat().st_mtime_ns for path in scene.rglob("*")}
    arguments = [part.format(scene) for part in COMMANDS[name]]
    more = ["--model", str(weights), "--overlap", "8"] if arguments[0] == "inspect" else []
    list(stopped_at(launcher, tmp_path, lambda _: [*arguments, *more], 4, every=True))
    assert {path: path.stat().st_mtime_ns for path in scene.rglob("*")} == before


# A net thread waits in a batch, as in one that takes a minute, while a signal comes.
IN_A_BATCH = """
import os, signal, time
from texup.engines.devices.device import Device
sent = []
def upscale(self, model, batch, told):
    time.sleep(0.3)  # so that the main thread has come to rest
    sent.append(batch)
    if len(sent) == 1:  # the second signal would end it at once
        os.kill(os.getpid(), signal.{name})
    time.sleep(40)
Device.upscale = upscale
"""


# And a file thread in the packing of a large result.
IN_A_FILE = """
import os, signal, time
from texup.upscaling import starting
sent = []
def result_files(*arguments, **options):
    time.sleep(0.3)
    sent.append(arguments)
    if len(sent) == 1:
        os.kill(os.getpid(), signal.{name})
    time.sleep(40)
starting.result_files = result_files
"""


@pytest.mark.parametrize(("number", "where"), [(number, IN_A_BATCH) for number in CODES] + [(signal.SIGINT, IN_A_FILE)])
def test_p21_a_run_stops_while_a_long_step_goes_on(launcher, weights, scene, tmp_path, number, where):
    began = time.monotonic()
    before = where.format(name=number.name)
    done = launcher.run(*upscale(weights, scene / "pack", "out"), cwd=tmp_path, before=before)
    assert done == (CODES[number], "", STOPPED)
    assert time.monotonic() - began < AT_MOST + 10  # and what the run took before; the step would take 40
    assert temporary_files(tmp_path) == []


@pytest.mark.slow
def test_p21_a_heavy_net_is_left_within_seconds(tmp_path):
    torch.manual_seed(1)
    save_weights(tmp_path / "heavy.safetensors", RRDBNet().state_dict(), {})
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "a.png").write_bytes(noise(0, 640))
    options = ["-o", "out", "--model", "heavy.safetensors"]
    for seconds in (0.5, 1, 2, 4, 8, 16):
        command = [sys.executable, "-m", "texup", "upscale", "pack", *options]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
        time.sleep(seconds)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate()
        took = time.monotonic() - began
        print(f"after {seconds} s: {took:.1f} s")
        assert (process.returncode, told) in ((143, STOPPED), (-15, ""))  # the latter before Python had come to texup
        assert took < AT_MOST
        assert temporary_files(tmp_path) == []


NEVER_ENDS = """
import os, shutil, signal, tempfile
from texup.packs import zips
tempfile.tempdir = {temp!r}
def stuck(*arguments, **options):
    os.kill(os.getpid(), signal.SIGINT)
    while True: pass
zips._write = stuck  # the first signal, where a zip is unpacked
shutil.rmtree = stuck  # the second, where the folder is removed
"""


def test_p21_the_second_signal_waits_for_nothing(launcher, weights, scene, tmp_path):
    done = launcher.run(
        *upscale(weights, scene / "pack.zip", "out"), cwd=tmp_path, before=NEVER_ENDS.format(temp=str(tmp_path))
    )
    assert done == (130, "", "")


@pytest.mark.parametrize("number", CODES)
def test_p21_an_ignored_signal_stays_ignored(launcher, weights, scene, tmp_path, number):
    """``nohup`` ignores SIGHUP, and a shell SIGINT for its background jobs."""
    before = f"import os; os.kill(os.getpid(), {int(number)})"
    arguments = upscale(weights, scene / "pack", "out")
    command = launcher.start(*arguments, cwd=tmp_path, ignored=[int(number)], before=LATER.format(what=before))
    assert command.wait() == 0
    command = launcher.start(*arguments, "--force", cwd=tmp_path, before=LATER.format(what=before))
    assert command.wait() == CODES[number]


def test_p21_sigterm_ends_a_job_of_the_background(launcher, weights, scene, tmp_path):
    """A shell ignores Ctrl-C for it; ``kill`` must still reach it."""
    numbers = [int(signal.SIGINT), int(signal.SIGTERM)]
    before = f"import os; [os.kill(os.getpid(), number) for number in {numbers}]"
    arguments = upscale(weights, scene / "pack", "out")
    command = launcher.start(*arguments, cwd=tmp_path, ignored=numbers[:1], before=LATER.format(what=before))
    assert command.wait() == CODES[signal.SIGTERM]
    assert temporary_files(tmp_path) == []


# Does something when the first texture has got its final name.
LATER = """
import os
real, seen = os.replace, []
def replace(*arguments):
    real(*arguments)
    seen.append(arguments)
    if len(seen) == 2:
        exec({what!r}, globals())
os.replace = replace
"""


@pytest.mark.parametrize("ignored", [[], [signal.SIGHUP]], ids=["hung up", "nohup"])
def test_p21_a_terminal_that_closes(launcher, weights, scene, tmp_path, ignored):
    near, far = pty.openpty()
    place = os.ttyname(far)
    mark = tmp_path / "mark"
    wait = f"import time\nopen({str(mark)!r}, 'w')\nwhile os.path.exists({str(mark)!r}): time.sleep(0.01)"
    arguments = [part for part in upscale(weights, scene / "pack", "out") if part != "-q"]
    command = launcher.start(
        *arguments, "-v", cwd=tmp_path, streams=[place] * 3, before=LATER.format(what=wait), ignored=ignored
    )
    os.close(far)
    until(mark.exists)
    os.close(near)
    mark.unlink()
    assert command.wait() == (0 if ignored else 129)
    assert temporary_files(tmp_path) == []
    if ignored:
        assert (tmp_path / "out" / "sub" / "c.png").exists()


def until(condition) -> None:
    """Wait for something that another process does; a minute at most."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


BROKEN = """
import os
end, broken = os.pipe()
os.close(end)
os.dup2(broken, {stream})
"""


@pytest.mark.parametrize("more", [["-v"], []])
def test_p21_upscale_goes_on_when_nobody_reads_what_it_says(launcher, weights, scene, tmp_path, more):
    """Hours of work do not end because a pager did; the manifest holds what was said."""
    arguments = [part for part in upscale(weights, scene / "pack", "out") if part != "-q"]
    done = launcher.run(*arguments, *more, cwd=tmp_path, before=BROKEN.format(stream=2))
    assert done == (0, "", "")
    assert launcher.run("verify", "out", cwd=tmp_path)[0] == 0


@pytest.mark.parametrize("stream", [1, 2])
@pytest.mark.parametrize("name", [*COMMANDS, "upscale as JSON", "wrong use", "no pack"])
def test_p21_a_closed_pipe_is_no_traceback(launcher, weights, scene, tmp_path, name, stream):
    arguments = {
        "upscale as JSON": [*upscale(weights, "{}/pack", "out"), "--json"],
        "wrong use": ["verify", "--nonsense"],
        "no pack": ["check", "nowhere"],
    } | COMMANDS
    arguments = [part.format(scene) for part in arguments[name]]
    more = ["--model", str(weights), "--overlap", "8"] if arguments[0] == "inspect" else []
    before = NO_PROBE + BROKEN.format(stream=stream)
    code, said, told = launcher.run(*arguments, *more, cwd=tmp_path, before=before)
    is_silent = name in ("verify", "wrong use", "no pack")  # nothing goes to standard output
    expected = 2 if name in ("wrong use", "no pack") else 0 if stream == 2 or is_silent else 1
    assert code == expected
    assert "Traceback" not in told
    assert "Exception" not in told
    if stream == 2 and "JSON" in name:
        json.loads(said)
    assert temporary_files(tmp_path) == []


def test_p21_head_closes_the_pipe(scene):
    command = f"{sys.executable} -m texup check {scene}/whole -v --format minecraft | head -0"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("name", ["inspect as JSON", "upscale as JSON", "check"])
def test_p21_results_that_cannot_be_printed_are_an_error(launcher, weights, scene, tmp_path, name):
    arguments = {"upscale as JSON": [*upscale(weights, "{}/pack", "out"), "--json"]} | COMMANDS
    arguments = [part.format(scene) for part in arguments[name]]
    more = ["--model", str(weights), "--overlap", "8"] if arguments[0] == "inspect" else []
    code, _, told = launcher.run(*arguments, *more, cwd=tmp_path, before=NO_PROBE, streams=[os.devnull, "/dev/full"])
    assert (code, told) == (5, "texup: error: standard output: cannot write: No space left on device\n")


# With standard error closed, a texture could be file 2, and a library's warning a part of it.
NUMBERS = """
import os
real = os.fsync
def fsync(number):
    assert number > 2, number
    real(number)
os.fsync = fsync
"""


@pytest.mark.parametrize(
    "streams", [[None] * 3, [os.devnull, os.devnull, None], [None]], ids=["all", "stderr", "stdin"]
)
def test_p21_closed_streams_do_not_become_textures(launcher, weights, scene, tmp_path, streams):
    arguments = [*upscale(weights, scene / "pack", "out"), "--json"]
    assert launcher.run(*arguments, cwd=tmp_path, streams=streams, before=NUMBERS)[0] == 0
    assert launcher.run("verify", "out", cwd=tmp_path)[0] == 0


def test_p04_a_killed_run_leaves_its_copy_of_a_zip_to_the_next(tmp_path, monkeypatch):
    """It goes when it is old, the user's own, and of no process that lives; nothing else goes."""
    monkeypatch.setattr(temporary.tempfile, "tempdir", str(tmp_path))
    outside = tmp_path / "outside"
    names = [f"texup-{k:012x}" for k in range(5)]
    left, young, held, file, link = (tmp_path / name for name in names)
    for folder in (outside, left, young, held, tmp_path / "texup-mine", tmp_path / "texup-0123456789ag"):
        folder.mkdir()
        (folder / "a.png").write_bytes(b"x")
    file.write_bytes(b"x")
    link.symlink_to(outside)
    for path in tmp_path.iterdir():
        if path != young:
            os.utime(path, (0, 0), follow_symlinks=False)
    lock = temporary._lock(held)
    with temporary.temporary_folder("pack") as pack:
        folder = pack.parent
        assert folder.stat().st_mode & 0o777 == 0o700
        assert sorted(tmp_path.iterdir()) == sorted({*tmp_path.iterdir()} - {left})
        assert not left.exists()
        assert all(path.exists() for path in (young, held, file, link, outside / "a.png"))
        os.utime(folder, (0, 0))
        with temporary.temporary_folder("pack"):
            assert pack.exists()
    assert not folder.exists()
    os.close(lock)
