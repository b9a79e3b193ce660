"""Every call that writes fails in turn: one line, the right exit code, nothing is left, and the next run goes on."""

from __future__ import annotations

import errno
import subprocess
from itertools import count

import pytest

OPEN, WRITE, SYNC, RENAME, MKDIR, UNLINK, TRUNCATE, LOCK = (1 << k for k in range(8))
# Name -> (what the shim does, errno, calls that fail). A disk that is full stays full; the others fail once.
FAULTS = {
    "disk full": ("fail on", errno.ENOSPC, OPEN | WRITE | MKDIR),
    "quota": ("fail on", errno.EDQUOT, OPEN | WRITE | MKDIR),
    "full for a moment": ("fail", errno.ENOSPC, WRITE | SYNC),
    "broken disk": ("fail on", errno.EIO, SYNC | WRITE),
    "sync fails": ("fail", errno.EIO, SYNC),
    "no permission": ("fail", errno.EACCES, OPEN | RENAME | MKDIR),
    "read-only": ("fail on", errno.EROFS, OPEN | RENAME | MKDIR | UNLINK | WRITE),
    "too many files": ("fail", errno.EMFILE, OPEN),
}
HARMLESS = {
    "interrupted": ("fail", errno.EINTR, OPEN | WRITE | SYNC | TRUNCATE | LOCK),
    "short": ("short", 0, WRITE),
}
OUTPUT = 5


def assert_told(scene, said, *, can_remove=True) -> None:
    """The run ended in order: in one line, without a temporary file, and with nothing torn or claimed."""
    assert said.code == OUTPUT, (said.code, said.err)
    assert len(said.errors) == 1, said.err
    assert "Traceback" not in said.err
    assert list(scene.result.rglob(".texup-*.tmp")) == [] or not can_remove
    scene.assert_sound()


def every(some: int):
    """Give a test every n-th point by default, and every one in the long run."""
    return pytest.mark.parametrize("every", [some, pytest.param(1, marks=pytest.mark.slow)])


@pytest.mark.thorough
@pytest.mark.parametrize("fault", FAULTS)
@every(17)
def test_p04_no_temporary_file_is_left_by_a_failing_call(some_scene, fault, every):
    action, error, kinds = FAULTS[fault]
    scene, points = some_scene, 0
    for at in count(1, every):
        scene.afresh()
        said = scene.run(action, at, kinds, error)
        if scene.count(kinds) < at:
            break
        if said.code != scene.code:  # the number in the lock file is a courtesy: a run does without
            assert_told(scene, said, can_remove=not kinds & UNLINK)
        scene.assert_goes_on()
        points += 1
    assert said.code == scene.code, said.err
    print(f"{points} points")


@pytest.mark.parametrize("fault", HARMLESS)
@every(17)
def test_p02_an_interrupted_or_short_call_is_taken_up_again(some_scene, fault, every):
    action, error, kinds = HARMLESS[fault]
    scene, points = some_scene, 0
    for at in count(1, every):
        scene.afresh()
        said = scene.run(action, at, kinds, error)
        assert said.code == scene.code, said.err
        scene.assert_whole()
        if scene.count(kinds) < at:
            break
        points += 1
    print(f"{points} points")


@pytest.mark.parametrize("limit", [0, 400, 1800])
def test_p04_a_limit_on_the_size_of_files_is_a_full_disk(some_scene, limit):
    said = some_scene.run(limits={"FSIZE": limit})
    if said.code != some_scene.code:
        assert_told(some_scene, said)
        assert "the disk is full" in said.errors[0] or "no temporary folder" in said.errors[0]
    assert said.code == OUTPUT or limit > 400
    some_scene.assert_goes_on()


@pytest.mark.parametrize("limit", [12, 16])
def test_p04_a_limit_on_open_files_ends_in_order(some_scene, limit):
    """What cannot be opened for reading fails by name, all else ends the run; nothing crashes."""
    said = some_scene.run(limits={"NOFILE": limit}, decoders=True)
    assert said.code in (0, 1, 2, 3, 5), said.err
    assert "Traceback" not in said.err
    assert list(some_scene.result.rglob(".texup-*.tmp")) == []
    some_scene.assert_goes_on()


@pytest.fixture
def small_disk(some_scene):
    """Makes the place of the results a file system of a few KiB; its size can be changed."""
    scene = some_scene
    scene.afresh()
    scene.result.mkdir()

    def sized(kib: int, *options: str) -> None:
        size = f"size={kib}k"
        command = ["mount", "-t", "tmpfs", "-o", ",".join([*options, size]), "none", str(scene.result)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no permission to mount a small file system")

    sized(4)
    try:
        yield sized
    finally:
        subprocess.run(["umount", scene.result], check=True)


def test_p04_a_full_disk_ends_the_run_and_more_space_lets_it_go_on(some_scene, small_disk):
    """The same disk grows; each time the same command gets further."""
    scene, full = some_scene, 0
    for kib in count(4, 8):
        small_disk(kib, "remount")
        said = scene.run()
        if said.code == scene.code:
            break
        assert_told(scene, said)
        assert "the disk is full" in said.errors[0]
        full += 1
    assert full >= (0 if (scene.result / "wall.png").exists() else 2)
    scene.assert_whole()
    print(f"{full} sizes")
