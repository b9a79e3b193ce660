"""Checkpoints: in one file or in parts, whole under every interruption, and refused when they are damaged."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import pytest
import torch

from texup.errors import OutputError, UsageError
from texup.training.run import checkpoint
from texup.training.run.checkpoint import INDEX, NAME, has_checkpoint, load_checkpoint, save_checkpoint

PART = 700  # bytes; a state of this test has about 2,600


def state(number: int) -> dict:
    generator = torch.Generator().manual_seed(number)
    return {
        "recipe": {"name": "x", "betas": (0.9, 0.99)},
        "trainer": {"values": torch.rand(100, generator=generator), "rng": generator.get_state()[:16]},
        "features": "none",
        "spent": number / 3,
        "history": [{"iteration": number, "pixel_loss": 0.5}],
    }


def same(ours: dict, theirs: dict) -> bool:
    tensors = [(ours["trainer"].pop(key), theirs["trainer"].pop(key)) for key in ("values", "rng")]
    return ours == theirs and all(torch.equal(a, b) for a, b in tensors)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_one_file_holds_everything(tmp_path):
    assert not has_checkpoint(tmp_path)
    save_checkpoint(tmp_path, state(1))
    assert names(tmp_path) == {NAME}
    assert has_checkpoint(tmp_path)
    assert same(load_checkpoint(tmp_path), state(1))
    save_checkpoint(tmp_path, state(2))
    assert same(load_checkpoint(tmp_path), state(2))


def test_parts_are_bounded_and_replaced_as_a_whole(tmp_path):
    for number in (1, 2, 3):
        save_checkpoint(tmp_path, state(number), PART)
        listed = json.loads((tmp_path / INDEX).read_text())["parts"]
        assert len(listed) > 2
        assert names(tmp_path) == {INDEX, *listed}
        sizes = [(tmp_path / name).stat().st_size for name in listed]
        assert set(sizes[:-1]) == {PART}
        assert 0 < sizes[-1] <= PART
        assert has_checkpoint(tmp_path)
        assert same(load_checkpoint(tmp_path), state(number))
    save_checkpoint(tmp_path, state(3), PART)  # the same again, under the same names
    assert same(load_checkpoint(tmp_path), state(3))


def test_a_run_may_change_over_to_parts_and_back(tmp_path):
    save_checkpoint(tmp_path, state(1))
    save_checkpoint(tmp_path, state(2), PART)
    assert NAME not in names(tmp_path)
    assert same(load_checkpoint(tmp_path), state(2))
    save_checkpoint(tmp_path, state(3))
    assert names(tmp_path) == {NAME}
    assert same(load_checkpoint(tmp_path), state(3))


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("before", [None, PART])
@pytest.mark.parametrize("after", [None, PART])
def test_a_kill_between_any_two_steps_leaves_one_whole_state(tmp_path, monkeypatch, before, after):
    """Each write, and each removal of an old file, may be the last thing that a process does."""
    left = 0

    def counted(action):
        def act(*arguments, **named):
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            return action(*arguments, **named)

        return act

    monkeypatch.setattr(checkpoint, "atomic_write", counted(checkpoint.atomic_write))
    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))
    seen = []
    for steps in range(30):
        folder = tmp_path / str(steps)
        folder.mkdir()
        left = 99
        save_checkpoint(folder, state(1), before)
        left = steps
        try:
            save_checkpoint(folder, state(2), after)
        except Killed:
            seen.append(load_checkpoint(folder)["history"][0]["iteration"])
            left = 99
            save_checkpoint(folder, state(3), after)  # a resumed run goes on, and tidies up
            assert same(load_checkpoint(folder), state(3))
            assert names(folder) == {NAME} or len(names(folder)) == 1 + len(
                json.loads((folder / INDEX).read_text())["parts"]
            )
        else:
            break
    assert seen[0] == 1
    assert set(seen) <= {1, 2}
    assert len(seen) == steps > 0


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(b"/data/0") + 100] ^= 1
    path.write_bytes(data)


def stranger(path: Path) -> None:
    torch.save({"params": torch.ones(3)}, path)


def signed(content: bytes) -> bytes:
    """Return what a program that knows the format might write."""
    return content + hashlib.sha256(content).digest()


def other_keys(path: Path) -> None:
    stranger(path)
    path.write_bytes(signed(path.read_bytes()))


def letter(path: Path) -> None:
    torch.save("hello", path)
    path.write_bytes(signed(path.read_bytes()))


class Bomb:
    """Runs code where a pickle is trusted."""

    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


def bomb(path: Path) -> None:
    path.write_bytes(signed(pickle.dumps(Bomb())))


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, stranger, other_keys, letter, bomb, empty, Path.unlink])
def test_a_damaged_file_is_refused_in_one_line(tmp_path, monkeypatch, damage):
    monkeypatch.chdir(tmp_path)
    save_checkpoint(tmp_path, state(1))
    damage(tmp_path / NAME)
    with pytest.raises(UsageError) as caught:
        load_checkpoint(tmp_path)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / NAME}: ")
    assert "\n" not in said
    if (tmp_path / NAME).exists():
        assert "begin a run in another --out, with --init of the weights beside it" in said
    else:
        assert "no checkpoint to resume from" in said
    assert not Path("exploded").exists()


def first_part(folder: Path) -> Path:
    return folder / json.loads((folder / INDEX).read_text())["parts"][0]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: first_part(folder).unlink(), "-000.part is missing"),
        (lambda folder: first_part(folder).write_bytes(b"x" * PART), "its bytes are not those that were written"),
        (lambda folder: cut(first_part(folder)), "its bytes are not those that were written"),
        (lambda folder: (folder / INDEX).write_text("{"), "JSONDecodeError"),
        (lambda folder: (folder / INDEX).write_text("[]"), "TypeError"),
        (lambda folder: (folder / INDEX).write_text('{"parts": ["/etc/passwd"]}'), "passwd is missing"),
    ],
)
def test_damaged_parts_are_refused_in_one_line(tmp_path, damage, said):
    save_checkpoint(tmp_path, state(1), PART)
    damage(tmp_path)
    with pytest.raises(UsageError) as caught:
        load_checkpoint(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / INDEX}: damaged checkpoint (")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        save_checkpoint(tmp_path / "file", state(1))
    (tmp_path / "run" / INDEX / "x").mkdir(parents=True)  # what cannot be removed
    with pytest.raises(OutputError, match=INDEX):
        save_checkpoint(tmp_path / "run", state(1))
