"""P22: two runs on one output; whatever lies in the place of the lock; and a lock that ends with its owner."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from texup.errors import LockedError, OutputError
from texup.locks import LOCK_NAME, output_lock
from texup.textures.codecs.files import encode
from texup.textures.texture import Container, Texture

PRECIOUS = b"precious\n"


@pytest.fixture(scope="module")
def pack(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("locks") / "pack"
    folder.mkdir()
    for k in range(2):
        pixels = np.random.default_rng(k).integers(0, 256, (8, 8, 3), np.uint8)
        (folder / f"{k}.png").write_bytes(encode(Texture(pixels, Container("png"))))
    return folder


def upscale(weights, pack, out) -> list[str]:
    options = ("--overlap", "8", "--batch", "1", "--jobs", "2", "--device", "cpu")
    return ["upscale", str(pack), "-o", str(out), "--model", str(weights), *options, "-q"]


# Stops where the first texture has got its name, until it is killed.
HELD = """
import os, time
real, seen = os.replace, []
def replace(*arguments):
    real(*arguments)
    seen.append(arguments)
    if len(seen) == 2:
        open({mark!r}, "w").close()
        time.sleep(60)
os.replace = replace
"""


@pytest.fixture
def holder(launcher, weights, pack, tmp_path):
    """A run on ``tmp_path / "deep" / "out"`` that is in the middle of it."""
    (tmp_path / "deep").mkdir()
    mark = tmp_path / "mark"
    command = launcher.start(
        *upscale(weights, pack, tmp_path / "deep" / "out"), cwd=tmp_path, before=HELD.format(mark=str(mark))
    )
    deadline = time.monotonic() + 60
    while not mark.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield command
    os.kill(command.pid, signal.SIGKILL)
    command.wait()


def test_p22_a_second_run_is_refused_under_every_name_of_the_output(launcher, weights, pack, tmp_path, holder):
    (tmp_path / "way").symlink_to("deep")
    (tmp_path / "straight").symlink_to(tmp_path / "deep" / "out")
    names = ["deep/out", "deep/out/", "./deep/../deep/out", "way/out", "straight", "straight/", tmp_path / "deep/out"]
    for name in names:
        code, said, told = launcher.run(*upscale(weights, pack, name), cwd=tmp_path)
        assert (code, said) == (6, "")
        assert told.endswith(f": another texup run (process {holder.pid}) is writing here; wait for it\n")
        assert told.count("\n") == 1
    code, _, told = launcher.run(*upscale(weights, pack, "out"), cwd=tmp_path / "deep")
    assert (code, f"process {holder.pid}" in told) == (6, True)
    code, _, told = launcher.run(*upscale(weights, pack, "deep/out"), "--force", cwd=tmp_path)
    assert code == 6
    assert launcher.run("check", "deep/out", cwd=tmp_path)[0] == 0  # only writing is refused
    assert (tmp_path / "deep" / "out" / LOCK_NAME).read_text() == f"{holder.pid}\n"


def test_p22_the_lock_dies_with_its_owner(launcher, weights, pack, tmp_path):
    (tmp_path / "deep").mkdir()
    mark = tmp_path / "mark"
    arguments = upscale(weights, pack, tmp_path / "deep" / "out")
    for _ in range(3):
        mark.unlink(missing_ok=True)
        command = launcher.start(*arguments, "--force", cwd=tmp_path, before=HELD.format(mark=str(mark)))
        deadline = time.monotonic() + 60
        while not mark.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert launcher.run(*arguments, cwd=tmp_path)[0] == 6
        os.kill(command.pid, signal.SIGKILL)
        assert command.wait() == -signal.SIGKILL
    assert (tmp_path / "deep" / "out" / LOCK_NAME).exists()  # a file, but nobody's lock
    assert launcher.run(*arguments, cwd=tmp_path)[0] == 0
    assert not (tmp_path / "deep" / "out" / LOCK_NAME).exists()
    assert launcher.run("verify", "deep/out", cwd=tmp_path)[0] == 0


def test_p22_of_many_that_begin_at_once_one_runs(launcher, weights, pack, tmp_path):
    commands = [launcher.start(*upscale(weights, pack, "out"), cwd=tmp_path) for _ in range(6)]
    codes = [command.wait() for command in commands]
    assert set(codes) <= {0, 6}
    assert 0 in codes
    assert launcher.run("verify", "out", cwd=tmp_path)[0] == 0


def a_link(place: Path, foreign: Path) -> None:
    place.symlink_to(foreign)


def a_dangling_link(place: Path, foreign: Path) -> None:
    place.symlink_to(foreign.with_name("new"))


def a_hard_link(place: Path, foreign: Path) -> None:
    place.hardlink_to(foreign)


def a_folder(place: Path, _: Path) -> None:
    place.mkdir()


def a_pipe(place: Path, _: Path) -> None:
    os.mkfifo(place)


@pytest.mark.parametrize("plant", [a_link, a_dangling_link, a_hard_link, a_folder, a_pipe])
def test_p22_what_is_planted_as_the_lock_is_refused_and_untouched(texup, weights, pack, tmp_path, plant):
    """texup writes its process number into its lock; a hard link would bring it into a file of somebody else."""
    foreign, out = tmp_path / "foreign", tmp_path / "out"
    foreign.write_bytes(PRECIOUS)
    out.mkdir()
    plant(out / LOCK_NAME, foreign)
    before = (out / LOCK_NAME).lstat()
    result = texup(*upscale(weights, pack, out), "--force")
    assert (result.code, result.out, result.err.count("\n")) == (5, "", 1)
    assert result.errors[0].startswith(f"texup: error: {out / LOCK_NAME}: ")
    assert foreign.read_bytes() == PRECIOUS
    assert sorted(os.listdir(tmp_path)) == ["foreign", "out"]
    assert (out / LOCK_NAME).lstat().st_ino == before.st_ino
    assert os.listdir(out) == [LOCK_NAME]


def test_p22_a_pipe_that_another_process_locked_is_no_hang(tmp_path):
    os.mkfifo(tmp_path / LOCK_NAME)
    held = os.open(tmp_path / LOCK_NAME, os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(OutputError, match="not the lock of texup"), output_lock(tmp_path):
        pass
    os.close(held)


@pytest.mark.parametrize(
    "content", [b"", b"\x1b[2Jmine\n", b"12\xff\n", b"4711 but longer than any number of a process"]
)
def test_p23_what_a_lock_says_is_not_repeated(tmp_path, content):
    with (tmp_path / LOCK_NAME).open("wb") as held:
        held.write(content)
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LockedError, match=r"\(process unknown\)"), output_lock(tmp_path):
            pass


def test_p22_an_output_on_a_read_only_disk_is_refused(texup, weights, pack, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=64k", "none", disk]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no permission to mount a small file system")
    try:
        for out in (disk, disk / "out"):
            result = texup(*upscale(weights, pack, out))
            assert (result.code, result.out) == (5, "")
            assert result.err == f"texup: error: {out}: cannot write: Read-only file system\n"
    finally:
        subprocess.run(["umount", disk], check=True)
