"""texup.files: whole or not at all, hashes, and the lock."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from texup import files
from texup.errors import LockedError, OutputError
from texup.files import LOCK_NAME, atomic_write, is_temp, output_lock, remove_leftovers, remove_leftovers_of, sha256_of

ROOT = Path(__file__).parents[2]
HOLD = "import sys; from pathlib import Path; from texup.files import output_lock\n"
HOLD += "with output_lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("size", [0, 1, files.CHUNK, files.CHUNK + 1])
def test_sha256_is_that_of_the_whole_file(tmp_path, size):
    data = os.urandom(size)
    (tmp_path / "f").write_bytes(data)
    assert sha256_of(tmp_path / "f") == hashlib.sha256(data).hexdigest()


def test_write_makes_folders_and_leaves_only_the_file(tmp_path):
    atomic_write(tmp_path / "a" / "b" / "c.png", b"12")
    assert (tmp_path / "a/b/c.png").read_bytes() == b"12"
    assert names(tmp_path / "a/b") == ["c.png"]


def test_write_replaces_a_longer_file(tmp_path):
    atomic_write(tmp_path / "f", b"long content")
    atomic_write(tmp_path / "f", b"short")
    assert (tmp_path / "f").read_bytes() == b"short"


def test_write_obeys_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        atomic_write(tmp_path / "f", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640


def test_a_link_under_the_final_name_is_replaced_not_followed(tmp_path):
    (tmp_path / "outside").write_bytes(b"precious")
    (tmp_path / "f").symlink_to(tmp_path / "outside")
    atomic_write(tmp_path / "f", b"new")
    assert (tmp_path / "outside").read_bytes() == b"precious"
    assert not (tmp_path / "f").is_symlink()


@pytest.mark.parametrize("name", ["n" * 251 + ".png", "漢" * 83 + ".png", "a b#c$d.png"])
def test_long_and_odd_names_work(tmp_path, name):
    atomic_write(tmp_path / name, b"x")
    assert names(tmp_path) == [name]


def test_names_that_are_no_utf8_work(tmp_path):
    name = os.fsdecode(b"caf\xe9\xff.png")
    atomic_write(tmp_path / name, b"x")
    assert names(tmp_path) == [name]


def test_order_is_sync_rename_sync_folder(tmp_path, monkeypatch):
    seen = []
    fsync, replace = os.fsync, os.replace

    def traced_fsync(fd):
        status = os.fstat(fd)
        seen.append("sync folder" if stat.S_ISDIR(status.st_mode) else f"sync {status.st_size} bytes")
        fsync(fd)

    def traced_replace(source, target):
        assert os.path.dirname(source) == os.path.dirname(target)
        seen.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(os, "replace", traced_replace)
    atomic_write(tmp_path / "f", b"x" * 100)
    assert seen == ["sync 100 bytes", "rename", "sync folder"]


def test_a_file_in_the_place_of_a_folder_is_an_output_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"file/f\.png: cannot write"):
        atomic_write(tmp_path / "file" / "f.png", b"x")
    with pytest.raises(OutputError, match="cannot write"), output_lock(tmp_path / "file"):
        pass


def test_a_folder_under_the_final_name_is_an_output_error(tmp_path):
    (tmp_path / "f.png").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        atomic_write(tmp_path / "f.png", b"x")
    assert names(tmp_path) == ["f.png"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_said_with_the_remedy(number):
    assert "free some space" in str(files.output_error(Path("f"), OSError(number, "x")))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (".texup-0123456789ab.tmp", True),
        (".texup-0123456789ab.tmp.png", False),
        (".texup-notes.tmp", False),
        ("x.texup-0123456789ab.tmp", False),
        (".texup-0123456789ab.tmp\n", False),
        (LOCK_NAME, False),
    ],
)
def test_only_the_own_pattern_is_temporary(name, expected):
    assert is_temp(name) is expected


def test_leftovers_of_any_depth_go_and_nothing_else(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ".texup-0123456789ab.tmp").write_bytes(b"not ours to remove")
    out = tmp_path / "out"
    kept = ["a.png", ".texup-notes.tmp", "deep/.texup-0123456789abc.tmp", "deep/b.tmp"]
    gone = [".texup-0123456789ab.tmp", "deep/er/.texup-ffffffffffff.tmp"]
    for name in kept + gone:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"")
    (out / "link").symlink_to(outside)
    assert remove_leftovers(out) == 2
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()) == sorted(kept)
    assert names(outside) == [".texup-0123456789ab.tmp"]


def test_leftovers_of_one_file_go_and_those_of_others_stay(tmp_path, monkeypatch):
    used = []

    def interrupted(source, _):
        used.append(Path(source))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        for name in ("a.png", "a.png", "b.png"):
            with pytest.raises(KeyboardInterrupt):
                atomic_write(tmp_path / name, b"")
    for path in used:
        path.write_bytes(b"as if the process had been killed there")
    assert remove_leftovers_of(tmp_path / "a.png") == 2
    assert [tmp_path / name for name in names(tmp_path)] == used[2:]
    assert remove_leftovers_of(tmp_path / "c.png") == remove_leftovers_of(tmp_path / "nowhere" / "a.png") == 0


def test_a_leftover_that_cannot_go_is_an_output_error(tmp_path, monkeypatch):
    (tmp_path / ".texup-0123456789ab.tmp").write_bytes(b"")

    def refuse(path, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        remove_leftovers(tmp_path)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of ``tmp_path / "out"``."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "out")], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout.readline() == b"held\n"
    yield child
    child.kill()
    child.communicate()


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path, holder):
    with pytest.raises(LockedError, match=rf"process {holder.pid}\b"), output_lock(tmp_path / "out"):
        pass
    assert holder.poll() is None


def test_the_lock_ends_with_a_killed_holder(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert names(tmp_path / "out") == [LOCK_NAME]  # a stale file, no lock
    (tmp_path / "out" / LOCK_NAME).write_text("12345678901234567890\n")
    with output_lock(tmp_path / "out"):
        assert (tmp_path / "out" / LOCK_NAME).read_text() == f"{os.getpid()}\n"
    assert names(tmp_path / "out") == []


def test_the_lock_goes_with_an_error_and_leaves_it_alone(tmp_path):
    with pytest.raises(OSError, match="mine"), output_lock(tmp_path):
        raise OSError("mine")
    assert names(tmp_path) == []


def test_a_lock_file_removed_while_we_waited_is_made_anew(tmp_path, monkeypatch):
    lock, calls = files._lock, []

    def owner_leaves_first(fd):
        if not calls:
            (tmp_path / LOCK_NAME).unlink()
        calls.append(fd)
        lock(fd)

    monkeypatch.setattr(files, "_lock", owner_leaves_first)
    with output_lock(tmp_path):
        assert len(calls) == 2
        assert names(tmp_path) == [LOCK_NAME]


def test_a_planted_link_is_not_locked_or_truncated(tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / LOCK_NAME).symlink_to(tmp_path / "precious")
    with pytest.raises(OutputError), output_lock(tmp_path / "out"):
        pass
    assert (tmp_path / "precious").read_bytes() == b"precious"
