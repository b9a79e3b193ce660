"""texup.files: whole or not at all, hashes, and the lock."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from texup import files, locks
from texup.errors import LockedError, OutputError
from texup.files import atomic_write, check_inside, is_temp, remove_leftovers, remove_leftovers_of, sha256_of
from texup.locks import LOCK_NAME, output_lock

ROOT = Path(__file__).parents[2]
HOLD = "import sys; from pathlib import Path; from texup.locks import output_lock\n"
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
    lock, calls = locks._lock, []

    def owner_leaves_first(fd):
        if not calls:
            (tmp_path / LOCK_NAME).unlink()
        calls.append(fd)
        lock(fd)

    monkeypatch.setattr(locks, "_lock", owner_leaves_first)
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


# What Windows does, injected: none of it can be seen elsewhere.


def denied(winerror: int | None) -> PermissionError:
    error = PermissionError(errno.EACCES, "Access is denied")
    if winerror is not None:  # elsewhere an error has no such number
        error.winerror = winerror
    return error


@pytest.fixture
def busy(monkeypatch):
    """Makes the next renames fail with errors; gives how long texup slept in between."""
    replace, slept = os.replace, []

    def fail_with(errors: list[PermissionError]) -> list[float]:
        def failing(source, target):
            if errors:
                raise errors.pop(0)
            replace(source, target)

        monkeypatch.setattr(os, "replace", failing)
        monkeypatch.setattr(time, "sleep", slept.append)
        return slept

    return fail_with


@pytest.mark.parametrize("winerror", [5, 32, 33])
@pytest.mark.parametrize("times", [1, 5])
def test_a_file_that_a_program_holds_on_windows_is_replaced_when_it_is_let_go(tmp_path, busy, winerror, times):
    (tmp_path / "f").write_bytes(b"old")
    slept = busy([denied(winerror) for _ in range(times)])
    atomic_write(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"new"
    assert slept == [0.05, 0.1, 0.2, 0.3, 0.5][:times]
    assert names(tmp_path) == ["f"]


def test_a_file_that_is_never_let_go_is_an_output_error(tmp_path, busy):
    (tmp_path / "f").write_bytes(b"old")
    slept = busy([denied(32) for _ in range(6)])
    with pytest.raises(OutputError, match="f: cannot write: Access is denied"):
        atomic_write(tmp_path / "f", b"new")
    assert len(slept) == 5
    assert (tmp_path / "f").read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize("winerror", [None, 19])
def test_what_stays_denied_is_not_waited_for(tmp_path, busy, winerror):
    slept = busy([denied(winerror)])
    with pytest.raises(OutputError, match="Access is denied"):
        atomic_write(tmp_path / "f", b"new")
    assert slept == []


@pytest.fixture
def windows(monkeypatch):
    """Locks as Windows knows them: of single bytes, which nobody else can read; an open file cannot be removed."""
    locked, opened = {}, {}
    open_, close, read, unlink = os.open, os.close, os.read, Path.unlink

    def key(fd):
        return os.fstat(fd).st_ino

    def locking(fd, mode, count):
        assert (mode, count) == ("non-blocking", 1)
        place = (key(fd), os.lseek(fd, 0, os.SEEK_CUR))
        if place in locked:
            raise PermissionError(errno.EACCES, "Permission denied")
        locked[place] = fd

    def opening(path, *way):
        fd = open_(path, *way)
        opened[fd] = key(fd)
        return fd

    def reading(fd, count):
        start = os.lseek(fd, 0, os.SEEK_CUR)
        if any(file == key(fd) and start <= byte < start + count and by != fd for (file, byte), by in locked.items()):
            raise PermissionError(errno.EACCES, "Permission denied")
        return read(fd, count)

    def closing(fd):
        opened.pop(fd, None)
        for place in [place for place, by in locked.items() if by == fd]:
            del locked[place]
        close(fd)

    def removing(path, *rest, **named):
        if path.stat().st_ino in opened.values():
            raise PermissionError(errno.EACCES, "used by another process")
        unlink(path, *rest, **named)

    monkeypatch.setattr(locks, "ON_WINDOWS", True)
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK="non-blocking", locking=locking))
    for name, replaced in {"open": opening, "read": reading, "close": closing}.items():
        monkeypatch.setattr(os, name, replaced)
    monkeypatch.setattr(Path, "unlink", removing)


def test_a_second_run_on_windows_is_told_who_holds_the_lock(tmp_path, windows):
    with output_lock(tmp_path):
        with pytest.raises(LockedError, match=rf"process {os.getpid()}\b"), output_lock(tmp_path):
            pass
        assert names(tmp_path) == [LOCK_NAME]
    assert names(tmp_path) == []
    with output_lock(tmp_path):
        pass


def test_a_lock_that_cannot_be_read_is_a_lock_all_the_same(tmp_path, windows, monkeypatch):
    with output_lock(tmp_path):
        monkeypatch.setattr(locks, "_LOCKED_BYTE", 0)
        held = os.open(tmp_path / LOCK_NAME, os.O_RDWR)
        sys.modules["msvcrt"].locking(held, "non-blocking", 1)
        with pytest.raises(LockedError, match="process unknown"), output_lock(tmp_path):
            pass
        os.close(held)


@pytest.fixture
def any_case(monkeypatch):
    """A disk that finds names in any case and tells them as they are, and the rule by which Windows compares them."""
    realpath = os.path.realpath

    def as_on_the_disk(path):
        found = Path(realpath(path).split("/")[0] or "/")
        for part in Path(realpath(path)).parts[1:]:
            there = os.listdir(found) if found.is_dir() else []
            found /= next((name for name in there if name.lower() == part.lower()), part)
        return realpath(found)

    monkeypatch.setattr(os.path, "realpath", as_on_the_disk)
    monkeypatch.setattr(os.path, "normcase", str.lower)


def test_a_folder_of_other_case_is_inside_where_case_does_not_count(tmp_path, any_case):
    (tmp_path / "Out" / "Textures").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "Out" / "Link").symlink_to(tmp_path / "elsewhere")
    check_inside(tmp_path / "out", "textures/a.png")
    check_inside(tmp_path / "Out", "new/TEXTURES/a.png")
    with pytest.raises(OutputError, match="leads elsewhere"):
        check_inside(tmp_path / "Out", "link/a.png")
    with pytest.raises(OutputError, match="leads elsewhere"):
        check_inside(tmp_path / "Out", "Link/a.png")


def test_a_link_to_a_folder_of_other_case_leads_elsewhere_where_case_counts(tmp_path):
    (tmp_path / "Textures").mkdir()
    (tmp_path / "textures").symlink_to("Textures")
    with pytest.raises(OutputError, match="leads elsewhere"):
        check_inside(tmp_path, "textures/a.png")


def test_a_folder_that_goes_in_the_middle_of_a_write_is_told_as_that(tmp_path):
    def pieces():
        yield b"some"
        (tmp_path / "a").rename(tmp_path / "away")
        yield b"more"

    with pytest.raises(OutputError, match="its folder was moved or removed meanwhile; run the same command again"):
        atomic_write(tmp_path / "a" / "file", pieces())
    assert not (tmp_path / "a").exists()
