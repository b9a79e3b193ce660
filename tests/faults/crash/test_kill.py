"""Killed at every call that writes: no torn file, and the same command ends as if it had never been killed."""

from __future__ import annotations

import json
import shutil
from itertools import count

import pytest

KILLED = -9
WRITE = 2


def every(some: int):
    """Give a test every n-th point by default, and every one in the long run."""
    return pytest.mark.parametrize("every", [some, pytest.param(1, marks=pytest.mark.slow)])


@every(31)
def test_p01_the_source_is_not_touched_wherever_a_run_is_killed(scene, every):
    for _ in scene.killed(every=every):
        scene.assert_source()


def no_point_tears(scene, **more) -> None:
    """Hold the promises 1 to 3 at each point."""
    points = 0
    for _ in scene.killed(**more):
        scene.assert_sound()
        scene.assert_goes_on()
        points += 1
    scene.assert_whole()
    print(f"{points} points")


@every(17)
def test_p02_no_final_name_is_ever_torn(scene, every):
    """A kill before calls that write, and in the long run before each, and so after each."""
    no_point_tears(scene, every=every)


@pytest.mark.slow
def test_p02_no_final_name_is_ever_torn_with_decoders_as_processes(scene_of):
    no_point_tears(scene_of("dolphin"), decoders=True)


@every(7)
def test_p02_a_kill_in_the_middle_of_a_write_tears_no_final_name(some_scene, every):
    no_point_tears(some_scene, action="tear", kinds=WRITE, every=every)


@pytest.mark.parametrize(("first", "second"), [(41, 37), pytest.param(4, 3, marks=pytest.mark.slow)])
def test_p03_a_run_that_is_killed_twice_goes_on(some_scene, first, second):
    scene, points = some_scene, 0
    remains = scene.folder / "remains"
    for _ in scene.killed(every=first):
        shutil.rmtree(remains, ignore_errors=True)
        shutil.copytree(scene.result, remains)
        for again in count(1, second):
            scene.afresh(remains)
            if scene.run("kill", again).code != KILLED:
                break
            scene.assert_sound()
            scene.assert_goes_on()
            points += 1
    print(f"{points} pairs of points")


@pytest.mark.parametrize(
    ("name", "options"), [("tga", ["--no-color-fix"]), ("ppsspp", ["--force"]), ("minecraft", ["--scale", "2"])]
)
@every(19)
def test_p03_a_redo_that_is_killed_leaves_no_mixture(scene_of, name, options, every):
    """A finished pack is done again with other settings, and then with the old ones: sizes alone would not tell."""
    scene = scene_of(name)
    points = 0
    for _ in scene.killed(every=every, start=scene.whole, options=options):
        assert scene.run().code == scene.code
        scene.assert_whole()
        points += 1
    print(f"{points} points")


@every(7)
def test_p04_the_next_run_removes_its_own_leftovers_and_nothing_else(some_scene, every):
    """What looks alike stays: a user's own file, and where no lock is held another file's temporary one."""
    scene, left = some_scene, 0
    for _ in scene.killed("tear", kinds=WRITE, every=every):
        left += len(list(scene.result.rglob(".texup-*.tmp")))
        kept = {scene.result / f".texup-{name}.tmp": name.encode() for name in ("mine", "00000000000", "fff000fff000")}
        for path, data in kept.items():
            path.write_bytes(data)
        assert scene.run().code == scene.code
        assert {path: path.read_bytes() for path in scene.result.rglob(".texup-*.tmp")} == kept
    assert left > 0


def recorded(scene) -> set[str]:
    """Return the paths that the manifest has records of; the last of a path counts."""
    path = scene.result / "out" / "texup-manifest.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    values = [json.loads(line) for line in lines if line.endswith("\n")]
    return {value["path"] for value in values if "path" in value}


def test_p08_each_source_is_in_the_manifest_once_whatever_was_killed(scene_of):
    """A run that ends by itself has accounted for every file, one that was stopped for none that is not there."""
    scene = scene_of("dolphin")
    sources = {path.relative_to(scene.folder / "source").as_posix() for path in (scene.folder / "source").rglob("*.*")}
    for _ in scene.killed(every=19):
        assert recorded(scene) <= sources
        assert scene.run().code == scene.code
        assert recorded(scene) == sources
    scene.afresh()
    assert scene.run(options=["--fail-fast"]).code == scene.code
    assert recorded(scene) <= sources
    for options in ([], ["--force"], ["--fail-fast"]):
        assert scene.run(options=options).code == scene.code
        assert recorded(scene) == sources, options
    scene.assert_source()
