"""Failing disks and killed processes: no torn file under a final name, no temporary file after an error."""

from __future__ import annotations

import errno
import os
import random
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from texup.errors import OutputError
from texup.files import atomic_write, remove_leftovers
from texup.locks import output_lock

ROOT = Path(__file__).parents[2]
OLD, NEW = b"old content", b"new" * 50_000


@pytest.fixture(params=["over an old file", "new"])
def target(request, tmp_path):
    if request.param != "new":
        (tmp_path / "f.png").write_bytes(OLD)
    return tmp_path / "f.png"


def assert_untouched(target: Path) -> None:
    """The old file or none, and nothing beside it."""
    assert all(name == target.name for name in os.listdir(target.parent))
    assert not target.exists() or target.read_bytes() == OLD


def failing(number: int, error: type[BaseException] = OSError):
    def call(*_, **__):
        raise error(number, os.strerror(number)) if error is OSError else error

    return call


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EACCES])
@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_p02_a_failing_call_leaves_the_old_file(target, monkeypatch, function, number):
    monkeypatch.setattr(os, function, failing(number))
    with pytest.raises(OutputError, match=r"f\.png: "):
        atomic_write(target, NEW)
    assert_untouched(target)


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_p04_an_interrupt_leaves_the_old_file_and_no_other(target, monkeypatch, function):
    monkeypatch.setattr(os, function, failing(0, KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        atomic_write(target, NEW)
    assert_untouched(target)


@pytest.mark.parametrize(("number", "is_error"), [(errno.EIO, True), (errno.EINVAL, False), (errno.ENOTSUP, False)])
def test_p05_a_folder_that_fails_to_sync_is_an_error_one_that_cannot_is_none(tmp_path, monkeypatch, number, is_error):
    fsync = os.fsync

    def no_folders(fd):
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", no_folders)
    try:
        atomic_write(tmp_path / "f", NEW)
    except OutputError:
        assert is_error
    else:
        assert not is_error
    assert (tmp_path / "f").read_bytes() == NEW
    assert os.listdir(tmp_path) == ["f"]


def test_p04_a_write_that_hits_a_limit_leaves_the_old_file(target):
    code = (
        "import resource, sys; from pathlib import Path; from texup.files import atomic_write\n"
        "from texup.errors import OutputError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        "try: atomic_write(Path(sys.argv[1]), b'x' * 150_000)\n"
        "except OutputError as error: sys.exit(int(error.exit_code))"
    )
    assert subprocess.run([sys.executable, "-c", code, target], cwd=ROOT, check=False).returncode == 5
    assert_untouched(target)


@pytest.fixture
def full_disk(tmp_path):
    """A file system with 64 KiB, of which all but 16 are in use."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], capture_output=True, check=False)
    if mount.returncode:
        pytest.skip("no permission to mount a small file system")
    try:
        (disk / "ballast").write_bytes(b"x" * 49_152)
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def test_p04_a_full_disk_leaves_the_old_file_and_space(full_disk):
    (full_disk / "f.png").write_bytes(OLD)
    for _ in range(10):
        with pytest.raises(OutputError, match="the disk is full"):
            atomic_write(full_disk / "f.png", NEW)
    assert (full_disk / "f.png").read_bytes() == OLD
    assert sorted(os.listdir(full_disk)) == ["ballast", "f.png"]
    atomic_write(full_disk / "g.png", b"fits")


def test_the_lock_can_be_had_on_a_full_disk(full_disk):
    (full_disk / "more").write_bytes(b"x" * 16_384)
    with output_lock(full_disk):
        pass
    assert sorted(os.listdir(full_disk)) == ["ballast", "more"]


WRITER = """
import sys
from itertools import count
from pathlib import Path
from texup.files import atomic_write
for k in count():
    atomic_write(Path(sys.argv[1], f"{k % 7}", f"{k % 40}.bin"), bytes([k % 256]) * 300_000)
    if k == 0:
        print("go", flush=True)
"""


def test_p02_killed_writers_leave_no_torn_file(tmp_path):
    chance = random.Random(7)
    for _ in range(6):
        child = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], cwd=ROOT, stdout=subprocess.PIPE)
        assert child.stdout.readline() == b"go\n"
        time.sleep(chance.uniform(0.01, 0.15))
        child.kill()
        child.communicate()
        for path in tmp_path.rglob("*.bin"):
            data = path.read_bytes()
            assert data == data[:1] * 300_000, f"{path} is torn"
    remove_leftovers(tmp_path)
    assert all(path.suffix == ".bin" for path in tmp_path.rglob("*") if path.is_file())
