"""texup.conventions.beetle_psx: names, three levels of alpha and folders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from texup.conventions.beetle_psx import BEETLE_PSX, LEVELS
from texup.conventions.convention import Planned, Wishes
from texup.textures.texture import Container, Texture
from texup.upscaling.planning import plan_pack

from ..builders import pack_of, picture, plans_of
from ..contract.dumps import DUMPS

DISC = "Chrono Cross (USA) (Disc 1)"
DUMP, HOME = f"{DISC}-texture-dump", f"{DISC}-texture-replacements"
LIST = ["1a2b3c4d-5e6f7a8b.png", "f00dcafe-0.png", "1a2b3c4d-missing.png", "ABCDE-00FF.png", "cover.png", "readme.txt"]


def pack(files, place=("home", "player", DUMP)):
    return pack_of(files, place, content=picture())


def plans(some, **wishes):
    return plans_of(BEETLE_PSX, some, **wishes)[0]


def findings(some, **wishes):
    return plans_of(BEETLE_PSX, some, **wishes)[1]


def test_a_dump_becomes_replacements_in_the_spelling_of_the_core():
    plan = plan_pack(pack(LIST), BEETLE_PSX, Wishes())
    assert {item.path: (item.action, item.target) for item in plan.files} == {
        LIST[0]: ("upscale", f"{HOME}/{LIST[0]}"),
        LIST[1]: ("upscale", f"{HOME}/{LIST[1]}"),
        LIST[2]: ("skip", ""),
        LIST[3]: ("upscale", f"{HOME}/abcde-ff.png"),
        LIST[4]: ("skip", ""),
        LIST[5]: ("skip", ""),
    }
    assert "palette" in plan.files[2].reason
    assert "spelling" in plan.files[3].reason
    assert {item.treatment.store for item in plan.files if item.action == "upscale"} == {"rgba"}
    assert plan.findings == []


@pytest.mark.parametrize(
    ("place", "folder", "home"),
    [
        (("roms",), f"{DUMP}/", HOME),
        (("roms", DUMP), "", HOME),
        (("roms", DUMP), "menus/", HOME),
        (("roms", f"{DUMP}-pages"), "", f"{HOME}-pages"),
        (("roms",), f"{HOME}/", HOME),
        (("roms", f"{HOME}-pages"), "", f"{HOME}-pages"),
    ],
)
def test_the_disc_is_found_wherever_the_pack_begins(place, folder, home):
    some = pack([folder + LIST[0]], place)
    assert [plan.target for plan in plans(some).values()] == [f"{home}/{LIST[0]}"]
    assert findings(some) == []


def test_pages_and_uploads_of_one_name_are_two_textures():
    some = pack([f"{DUMP}/{LIST[0]}", f"{DUMP}-pages/{LIST[0]}"], ("roms",))
    assert [plan.target for plan in plans(some).values()] == [f"{HOME}/{LIST[0]}", f"{HOME}-pages/{LIST[0]}"]


def test_without_a_disc_the_pack_names_it_with_a_warning():
    some = pack(LIST[:2], ("home", "my pack"))
    assert plans(some)[LIST[0]].target == f"my pack-texture-replacements/{LIST[0]}"
    assert [finding.severity for finding in findings(some)] == ["warning"]


def test_of_several_files_of_a_texture_the_one_that_the_core_takes_is_used():
    stem = "1a2b3c4d-5e6f7a8b"
    order = ["png", "dds", "webp", "jpg", "jpeg", "bmp", "tga"]
    for first in range(len(order)):
        some = pack({f"{stem}.{suffix}": b"" for suffix in sorted(order[first:])})
        used = {path: plan.target for path, plan in plans(some).items() if plan.action == "upscale"}
        assert used == {f"{stem}.{order[first]}": f"{HOME}/{stem}.png"}
    spelt = plans(pack([f"a/{stem.upper()}.png", f"b/0{stem[1:]}.png", f"c/{stem}.PNG"]))
    assert [plan.action for plan in spelt.values()] == ["upscale", "upscale", "skip"]


def test_other_files_come_along_when_wished_in_their_subfolders():
    some = pack([f"{DUMP}/readme.txt", f"{DUMP}/menus/readme.txt", f"{DUMP}/{LIST[0]}"], ("roms",))
    plan = plan_pack(some, BEETLE_PSX, Wishes(copy_other=True))
    assert [item.target for item in plan.files[:2]] == [f"{HOME}/readme.txt", f"{HOME}/menus/readme.txt"]


def test_dds_is_refused_by_name_and_passed_over_by_choice():
    assert [finding.severity for finding in findings(pack(LIST), dds="bc3")] == ["error"]
    assert [finding.severity for finding in findings(pack(LIST), dds="auto")] == ["warning"]


def result(pixels) -> np.ndarray:
    texture = Texture(pixels, Container("png"))
    return BEETLE_PSX.from_work(texture, texture, Planned("x", "upscale")).pixels


@pytest.mark.parametrize(
    ("pixel", "written"),
    [
        ([0, 0, 0, 255], [1, 1, 1, 255]),
        ([0, 0, 0, 200], [1, 1, 1, 255]),
        ([0, 0, 0, 100], [0, 0, 0, 127]),
        ([0, 0, 0, 0], [0, 0, 0, 0]),
        ([0, 1, 0, 255], [0, 1, 0, 255]),
        ([9, 9, 9, 63], [9, 9, 9, 0]),
        ([9, 9, 9, 64], [9, 9, 9, 127]),
        ([9, 9, 9, 190], [9, 9, 9, 127]),
        ([9, 9, 9, 191], [9, 9, 9, 255]),
        ([0, 0, 0], [1, 1, 1]),
        ([0], [1]),
        ([0, 255], [1, 255]),
    ],
)
def test_alpha_has_three_levels_and_opaque_black_is_nudged(pixel, written):
    assert result(np.array([[pixel]], np.uint8)).tolist() == [[written]]
    deep = result(np.array([[pixel]], np.uint16) * 257)
    assert deep.tolist() == [[[257 * value for value in written]]]


@settings(deadline=None, derandomize=True)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4))))
def test_results_are_what_the_core_keeps_apart(pixels):
    before = pixels.copy()
    written = result(pixels)
    np.testing.assert_array_equal(pixels, before)
    np.testing.assert_array_equal(result(written), written)
    colours = pixels.shape[2] - (pixels.shape[2] + 1) % 2
    assert np.abs(written[..., :colours].astype(int) - pixels[..., :colours]).max() <= 1
    if pixels.shape[2] in (2, 4):
        assert set(np.unique(written[..., -1])) <= set(LEVELS)
        written = written[written[..., -1] == 255][:, :-1]
    assert written.reshape(-1, written.shape[-1]).any(axis=1).all()


@settings(deadline=None, derandomize=True)
@given(DUMPS["beetle-psx"].names)
def test_other_spellings_become_the_canonical_one(path):
    bare = path.rpartition("/")[2]
    tex, _, rest = bare.upper().partition("-")
    assert BEETLE_PSX.format(BEETLE_PSX.parse(f"{tex:>08}-{rest}")) == bare
    assert BEETLE_PSX.lookup(f"{HOME}/{bare}") == BEETLE_PSX.lookup(f"{HOME}/{bare.rpartition('.')[0]}.webp")


@pytest.mark.parametrize(
    "bare", ["123456789-0.png", "12-.png", "12-0.gif", "12-0.png\n", "12_0.png", "12-missings.png"]
)
def test_other_names_are_not_taken(bare):
    assert BEETLE_PSX.parse(bare) is None


@pytest.mark.parametrize(
    ("path", "data", "severity", "part"),
    [
        ("cover.png", picture(), "warning", "no texture"),
        ("12345-missing.png", picture(), "warning", "palette"),
        ("ABCDE-0.png", picture(), "error", "rename it to abcde-0.png"),
        ("01234-0.png", picture(), "error", "rename it to 1234-0.png"),
        ("menus/12345-0.png", picture(), "warning", "subfolder"),
        ("12345-0.jpg", picture(4, 4, 3, "jpeg"), "warning", "same texture as 12345-0.png"),
        ("54321-0.png", b"nonsense", "error", "cannot be read"),
    ],
)
def test_check_says_what_the_core_would_do(path, data, severity, part):
    (finding,) = BEETLE_PSX.check(pack({path: data, **({} if "menus" in path else {"12345-0.png": picture()})}))
    assert (finding.severity, finding.path) == (severity, path)
    assert part in finding.text


def test_detection_does_not_fall_for_short_numbers():
    levels = ["1-1.png", "1-2.png", "2-1.png"]
    assert BEETLE_PSX.detect(pack(levels, ("any",))) == 0
    assert BEETLE_PSX.detect(pack(levels)) == pytest.approx(1.2)
    assert BEETLE_PSX.detect(pack(LIST, ("any",))) == 0.8
    assert BEETLE_PSX.detect(pack(["cover.png"])) == 0
