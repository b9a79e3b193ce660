"""texup.upscaling.shards.cutting: who does what is found alone, and equally by all."""

from __future__ import annotations

import random
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from texup.conventions.convention import Planned
from texup.packs.marks import PIECE, WHOLE, mark_of
from texup.upscaling.planning import Plan
from texup.upscaling.run import Route, Run, Settings, plan_of
from texup.upscaling.shards.cutting import EACH, SLACK, Family, _related, families_of, marks_of, placed

from ..builders import noise, picture
from ..contract.dumps import DUMPS


def families(*works: int) -> list[Family]:
    dice = random.Random(7)
    return [Family(dice.randbytes(32), work, (f"{k}.png",)) for k, work in enumerate(works)]


def loads(found: list[Family], count: int) -> list[int]:
    places, sums = placed(found, count), [0] * count
    for family in found:
        assert len({places[path] for path in family.paths}) == 1
        sums[places[family.paths[0]]] += family.work
    return sums


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_shards_are_about_equal(count):
    dice = random.Random(1)
    found = families(*(EACH + dice.choice((16, 32, 64, 128, 256)) ** 2 for _ in range(4000)))
    sums = loads(found, count)
    assert max(sums) <= sum(sums) / count * (1 + SLACK)
    assert min(sums) > sum(sums) / count * (1 - SLACK * count)


def test_what_is_larger_than_a_share_costs_no_other_file_its_place():
    sums = loads(families(10**6, *[10] * 100), 4)
    assert sum(sums) == 10**6 + 1000
    assert sorted(sums)[0] > 0


def test_the_order_of_files_says_nothing():
    found = families(*range(1, 500))
    expected = placed(found, 8)
    random.Random(2).shuffle(found)
    assert placed(found, 8) == expected


def test_a_few_new_files_move_few_others():
    found = families(*[5000] * 4000)
    before, after = placed(found[:-10], 8), placed(found, 8)
    assert sum(before[path] != after[path] for path in before) < 80


def of(folder: Path, files: dict[str, bytes]) -> tuple[Plan, list[Family]]:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    run = Run(source=folder, out=folder.parent / "out", models=[], route=Route([], Settings(4, 8)), load_engine=print)
    plan = plan_of(run)[0]
    return plan, families_of(plan, marks_of(plan, folder), 8)


def test_equal_files_are_one_family_and_computed_once(tmp_path):
    twin = noise(1)
    _, found = of(tmp_path / "pack", {"a.png": twin, "b/c.png": twin, "d.png": noise(2), "e.txt": b"x", "f.txt": b"x"})
    by_paths = {family.paths: family.work for family in found}
    once = EACH + (8 + 16) ** 2
    assert by_paths[("a.png", "b/c.png")] == once + EACH
    assert by_paths[("d.png",)] == once
    assert {("e.txt",), ("f.txt",)} < set(by_paths)


@pytest.mark.parametrize("id_", ["rice", "dolphin", "citra", "minecraft"])
def test_what_is_joined_to_a_texture_goes_with_it(tmp_path, id_):
    plan, found = of(tmp_path / DUMPS[id_].place, DUMPS[id_].files)
    family_of = {path: k for k, family in enumerate(found) for path in family.paths}
    assert sorted(family_of) == sorted(file.path for file in plan.files)
    assert Counter(path for family in found for path in family.paths).most_common(1)[0][1] == 1
    for file in plan.files:
        assert {family_of[path] for path in (file.path, *file.others)} == {family_of[file.path]}


def test_a_chain_of_joined_files_is_one_family():
    files = [Planned(f"{k}.png", "upscale", others=(f"{k + 1}.png",)) for k in range(4)] + [Planned("4.png", "joined")]
    related = defaultdict(list)
    for paths in _related(files):
        related[len(paths)].append(paths)
    assert list(related) == [5]


def test_marks_of_large_files_see_all_parts_of_them(tmp_path):
    data = bytearray(random.Random(3).randbytes(WHOLE * 5))
    marks = set()
    for at in (0, WHOLE + PIECE, len(data) // 2, len(data) - 1):
        changed = bytearray(data)
        changed[at - at % PIECE : at - at % PIECE + 2 * WHOLE] = bytes(min(2 * WHOLE, len(data) - at + at % PIECE))
        (tmp_path / "a").write_bytes(changed)
        marks.add(mark_of(tmp_path, "a").digest)
    (tmp_path / "a").write_bytes(data)
    assert len(marks | {mark_of(tmp_path, "a").digest}) == 5
    (tmp_path / "b").write_bytes(data)
    assert mark_of(tmp_path, "a") == mark_of(tmp_path, "b")


def test_marks_hold_nothing_of_the_files(tmp_path):
    plan, _ = of(tmp_path / "pack", {f"{k}.png": noise(k, 100) for k in range(8)})
    for mark in marks_of(plan, tmp_path / "pack").values():
        assert mark[1:] == (100, 100)
        assert sum(map(sys.getsizeof, mark)) < 200


def test_a_file_that_cannot_be_read_is_in_one_shard_all_the_same(tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "link.png").symlink_to("a.png")
    plan, found = of(tmp_path / "pack", {"a.png": picture(8, 8), "bad.png": b"\x89PNG"})
    assert sorted(path for family in found for path in family.paths) == [file.path for file in plan.files]
