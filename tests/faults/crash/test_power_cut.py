"""The power is cut: what was not synced is lost, and still no final name is torn and nothing is missed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

MANIFEST = "texup-manifest.jsonl"


def cut_power(calls, loss: str) -> None:
    """Do to the remains of a killed run the worst that a power cut can.

    With the loss of "names", each name goes whose folder was not synced since, while the lines of the manifest, which
    are not synced one by one, all stay. With the loss of "bytes", the names stay, each file that was not synced since
    its last write is empty, and the manifest goes back to its last sync.
    """
    unsynced: dict[str, int] = {}
    unnamed: set[str] = set()
    for call in calls:
        if call.result < 0:
            continue
        if call.kind in ("mkdir", "open") and not call.path.endswith((MANIFEST, ".texup-lock")):
            unnamed.add(call.path)
        elif call.kind == "write":
            unsynced[call.path] = unsynced.get(call.path, 0) + call.result
        elif call.kind == "rename":
            unnamed = (unnamed - {call.other}) | {call.path}
            unsynced[call.path] = unsynced.pop(call.other, 0)
        elif call.kind == "sync":
            unsynced.pop(call.path, None)
            unnamed -= {name for name in unnamed if os.path.dirname(name) == call.path}
    for path in map(Path, unnamed if loss == "names" else ()):
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
    for path, size in [(Path(name), size) for name, size in unsynced.items() if loss == "bytes" and size]:
        if path.exists():
            os.truncate(path, path.stat().st_size - size if path.name == MANIFEST else 0)


@pytest.mark.parametrize("loss", ["names", "bytes"])
@pytest.mark.parametrize("every", [29, pytest.param(1, marks=pytest.mark.slow)])
def test_p05_a_power_cut_tears_nothing_and_the_next_run_sees_what_is_lost(scene, every, loss):
    points = 0
    for _ in scene.killed(every=every):
        cut_power(scene.trace(), loss)
        assert scene.torn() == []
        assert scene.run().code == scene.code
        scene.assert_whole()
        points += 1
    print(f"{points} points")


def test_p05_sync_rename_sync_folder_line_is_the_order(scene):
    """Of each file: its bytes are durable, then its name, and only then is it called done."""
    calls = scene.calls
    lines = [k for k, call in enumerate(calls) if call.kind == "write" and call.path.endswith(MANIFEST)]
    home = next((path.parent for path in scene.whole.rglob(MANIFEST)), None)
    texts = (home / MANIFEST).read_text().splitlines()[1:] if home else []
    assert len(lines) == len(texts)
    renames = [k for k, call in enumerate(calls) if call.kind == "rename"]
    assert len(renames) == sum(path.is_file() for path in scene.whole.rglob("*"))
    for k in renames:
        final, temp = calls[k].path, calls[k].other
        synced = max(i for i in range(k) if calls[i].kind == "sync" and calls[i].path == temp)
        assert not any(call.kind == "write" and call.path == temp for call in calls[synced:])
        folder = os.path.dirname(final)
        named = next(i for i in range(k, len(calls)) if calls[i].kind == "sync" and calls[i].path == folder)
        own = os.path.relpath(final, scene.result / home.relative_to(scene.whole)) if home else ""
        told = [at for at, text in zip(lines, texts, strict=True) if f'"{own}"' in text.partition('"targets"')[2]]
        assert all(at > named for at in told), final
        assert told or not home or final.endswith((MANIFEST, ".zip")), final


def test_p05_new_folders_are_synced_in_theirs(scene):
    calls = scene.calls
    made = [k for k, call in enumerate(calls) if call.kind == "mkdir" and call.result == 0]
    for k in made:
        above = os.path.dirname(calls[k].path)
        assert any(call.kind == "sync" and call.path == above for call in calls[k:]), calls[k].path


@pytest.mark.thorough
@pytest.mark.parametrize(("writer", "loss"), [("in place", ""), ("in place", "bytes"), ("unsynced", "bytes")])
def test_p02_the_harness_catches_unsafe_writers(scene_of, writer, loss):
    """One that writes under the final name is caught by a kill, one that does not sync by a power cut."""
    scene = scene_of("ppsspp")
    torn = 0
    for _ in scene.killed("tear", every=3, writer=writer):
        cut_power(scene.trace(), loss)
        torn += scene.torn() != []
    assert torn > 0


def test_p05_the_harness_catches_a_writer_that_syncs_nothing(scene_of):
    scene = scene_of("ppsspp")
    assert scene.run("watch", writer="unsynced").code == 0
    assert not any(call.kind == "sync" and call.path.endswith(".tmp") for call in scene.trace())
