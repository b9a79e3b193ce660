"""texup.conventions.duckstation.plan: names, alpha levels and folders of PlayStation dumps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from texup.conventions.convention import Planned, Wishes
from texup.conventions.duckstation.names import LEVELS, OPAQUE, SEMI, Place, place_of
from texup.conventions.duckstation.plan import DUCKSTATION
from texup.conventions.shared.png_loaders import snap_alpha
from texup.policy.classify import Treatment
from texup.textures.texture import Container, Texture
from texup.upscaling.planning import plan_pack

from ..builders import encoded, pack_of, picture, plans_of
from ..contract.dumps import DUMPS

SERIAL = "SLUS-00067"
HOME = f"textures/{SERIAL}/replacements"
UPLOAD = "texupload-P8-F5F3557223CD3F4A-EAFB5B4F0E007E25-128x256-0-0-256x112-P0-255.png"
PAGE = "texpage-P4-A11813EA8B413CE2-E9C11EE79B72F5C0-64x256-128-32-64x64-P0-15.png"
SEMI_NAME = "texupload-STP4-AAAAAAAAAAAAAAAA-BBBBBBBBBBBBBBBB-64x256-0-192-64x64-P0-14.png"
DIRECT = "texupload-STC16-AAAAAAAAAAAAAAAA-64x256-0-192-64x64.png"
VRAM = "vram-write-0123456789ABCDEF0123456789ABCDEF.png"
LIST = [UPLOAD, PAGE, SEMI_NAME, VRAM]
DUMP = ("home", "player", "textures", SERIAL, "dumps")


def pack(files, place=("home", "player", SERIAL)):
    return pack_of(files, place, content=picture())


def plans(some, **wishes):
    return plans_of(DUCKSTATION, some, **wishes)[0]


def findings(some, **wishes):
    return plans_of(DUCKSTATION, some, **wishes)[1]


def test_dumps_become_replacements_of_the_same_names_and_settings_come_along():
    config = b"DumpTexturePages: true\r\n"
    some = pack({**{f"dumps/{name}": picture() for name in LIST}, "config.yaml": config}, ("textures", SERIAL))
    plan = plan_pack(some, DUCKSTATION, Wishes())
    assert {item.path: (item.action, item.target) for item in plan.files} == {
        **{f"dumps/{name}": ("upscale", f"{HOME}/{name}") for name in LIST},
        "config.yaml": ("copy", f"textures/{SERIAL}/config.yaml"),
    }
    assert [item.treatment.storage for item in plan.files[:4]] == [OPAQUE, OPAQUE, SEMI, OPAQUE]
    assert [item.treatment.store for item in plan.files[:4]] == ["png", "png", "rgba", "png"]
    assert plan.files[1].treatment.edges == ("clamp", "clamp")
    assert plan.findings == []


@pytest.mark.parametrize(
    ("place", "folder"),
    [
        (DUMP, ""),
        (DUMP[:-1], "dumps/"),
        (DUMP[:-2], f"{SERIAL}/dumps/"),
        (DUMP[:-2], f"{SERIAL}/replacements/"),
        (DUMP[:-3], f"textures/{SERIAL}/dumps/"),
        (("home", SERIAL, "dumps"), ""),
        (("home", SERIAL), ""),
        (("home", "some pack", SERIAL, "replacements"), ""),
        ((), f"{SERIAL}/"),
    ],
)
@pytest.mark.parametrize("below", ["", "menus/"])
def test_the_game_is_found_wherever_the_pack_begins(place, folder, below):
    some = pack([f"{folder}{below}{PAGE}"], place)
    (plan,) = plans(some).values()
    assert plan.target == f"{HOME}/{below}{PAGE}"
    assert not [finding for finding in findings(some) if finding.severity == "warning"]


@pytest.mark.parametrize(
    ("place", "path", "serial", "rest", "is_inside"),
    [
        (("home", "textures", "homebrew", "dumps"), "a.png", "homebrew", (), True),
        (("textures", "homebrew"), "dumps/a.png", "homebrew", (), True),
        (("home", "Textures", "homebrew"), "Replacements/ui/a.png", "homebrew", ("ui",), True),
        (("home", "textures", "homebrew"), "ui/a.png", "homebrew", ("ui",), False),
        (("home", SERIAL, "other", "dumps"), "a.png", SERIAL, ("other", "dumps"), False),
        (("home", "other", "dumps"), "a.png", "", (), False),
        (("home", "other"), "Dumps/ui/a.png", "", ("ui",), True),
        (("home", "other"), "ui/a.png", "", ("ui",), False),
        (("other", "dumps", "textures"), "a.png", "", (), False),
        (("textures", "dumps"), "a.png", "dumps", (), False),
        ((SERIAL, "dumps"), "a.png", SERIAL, (), True),
        ((), "a.png", "", (), False),
    ],
)
def test_a_folder_of_the_emulator_counts_below_a_game_only(place, path, serial, rest, is_inside):
    assert place_of(pack([path], place), path) == Place(serial, rest, is_inside)


@pytest.mark.parametrize("place", [("home", "my pack"), ("home", "my pack", "dumps"), ("my pack",)])
def test_without_a_game_the_pack_names_it_with_a_warning(place):
    some = pack([f"dumps/{PAGE}" if "dumps" not in place else PAGE], place)
    assert [plan.target for plan in plans(some).values()] == [f"textures/my pack/replacements/{PAGE}"]
    assert findings(some)[0].severity == "warning"


def test_settings_out_of_reach_are_asked_for():
    (hint,) = findings(pack([PAGE], DUMP))
    assert (hint.severity, "config.yaml" in hint.text) == ("hint", True)


def test_only_what_the_loader_scans_is_planned():
    stem = PAGE[:-4]
    some = pack([f"{stem}.dds", f"{stem}.tga", f"{stem}.jpeg", "cover.png", "readme.txt", f"a/{stem}.JPG", f"b/{PAGE}"])
    found = plans(some)
    assert {path: plan.action for path, plan in found.items() if plan.action != "skip"} == {f"a/{stem}.JPG": "upscale"}
    assert found[f"{stem}.dds"].reason == "DuckStation reads PNG, JPG and WebP only"
    assert "same texture" in found[f"b/{PAGE}"].reason
    assert found[f"a/{stem}.JPG"].target == f"{HOME}/a/{stem}.JPG"
    assert {finding.severity for finding in findings(some, dds="bc7")} == {"error"}


def test_other_files_come_along_when_wished():
    some = pack(["dumps/readme.txt", "readme.txt", f"dumps/{PAGE}"], ("textures", SERIAL))
    plan = plan_pack(some, DUCKSTATION, Wishes(copy_other=True))
    assert [item.target for item in plan.files[:2]] == [f"{HOME}/readme.txt", f"textures/{SERIAL}/readme.txt"]


def test_dumps_go_before_replacements_that_are_there_already():
    found = plans(pack([f"dumps/{PAGE}", f"replacements/{PAGE}"]))
    assert [plan.action for plan in found.values()] == ["upscale", "skip"]


def test_lossy_alpha_becomes_png_only_where_three_levels_count():
    found = plans(pack([f"{SEMI_NAME[:-4]}.webp", f"{PAGE[:-4]}.webp"]))
    assert [(plan.target[-5:], plan.treatment.store) for plan in found.values()] == [("4.png", "rgba"), (".webp", "")]


def test_files_that_settings_name_are_textures():
    config = f"Aliases:\n  {SEMI_NAME[:-4]}: 'menus/title.png' # the menu\n  {UPLOAD[:-4]}: gone.png\n"
    files = {"config.yaml": config.encode(), "replacements/menus/title.png": picture(), "replacements/title.png": b""}
    found = plans(pack(files))
    title = found["replacements/menus/title.png"]
    assert (title.target, title.treatment.storage) == (f"{HOME}/menus/title.png", SEMI)
    assert found["replacements/title.png"].action == "skip"
    checked = {finding.path for finding in DUCKSTATION.check(pack(files))}
    assert checked == {"replacements/title.png"}


def test_settings_have_a_bound(monkeypatch):
    line = f"  {SEMI_NAME[:-4]}: menus/title.png\n"
    files = {"config.yaml": b"#" * 100 + b"\n" + line.encode(), "replacements/menus/title.png": picture()}
    assert plans(pack(files))["replacements/menus/title.png"].action == "upscale"
    monkeypatch.setattr("texup.bounds.DUCKSTATION_BYTES", 100)
    assert plans(pack(files))["replacements/menus/title.png"].action == "skip"


def test_a_check_decodes_no_picture_of_more_pixels_than_it_has_time_for(monkeypatch):
    files = {f"{UPLOAD}": encoded(np.full((4, 5, 4), 77, np.uint8))}
    assert [finding.text for finding in DUCKSTATION.check(pack(files))] == [
        "soft alpha is cut at half; make it 0 and 255"
    ]
    monkeypatch.setattr("texup.bounds.DUCKSTATION_PIXELS", 19)
    assert list(DUCKSTATION.check(pack(files))) == []


def result(pixels, storage) -> np.ndarray:
    planned = Planned("x", "upscale", treatment=Treatment(storage=storage))
    texture = Texture(np.asarray(pixels, np.uint8), Container("png"))
    return DUCKSTATION.from_work(texture, texture, planned).pixels


@pytest.mark.parametrize(
    ("alpha", "plain", "semi"),
    [
        (0, 0, 0),
        (63, 0, 0),
        (64, 0, 128),
        (100, 0, 128),
        (127, 0, 128),
        (128, 255, 128),
        (191, 255, 128),
        (192, 255, 255),
        (200, 255, 255),
        (255, 255, 255),
    ],
)
def test_alpha_of_a_net_is_put_on_the_levels_of_the_shader(alpha, plain, semi):
    assert result([[[9, 8, 7, alpha]]], OPAQUE).tolist() == [[[9, 8, 7, plain]]]
    assert result([[[9, 8, 7, alpha]]], SEMI).tolist() == [[[9, 8, 7, semi] if semi else [0, 0, 0, 0]]]


PIXELS = hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4)))


@settings(deadline=None, derandomize=True)
@given(PIXELS, st.sampled_from([OPAQUE, SEMI]))
def test_results_have_only_levels_no_hidden_colour_and_change_no_more(pixels, storage):
    written = result(pixels, storage)
    np.testing.assert_array_equal(result(written, storage), written)
    if pixels.shape[2] in (1, 3):
        np.testing.assert_array_equal(written, pixels)
        return
    assert set(np.unique(written[..., -1])) <= set(LEVELS[storage])
    shown = written[..., -1] > 0
    np.testing.assert_array_equal(written[shown][:, :-1], pixels[shown][:, :-1])
    assert storage == OPAQUE or not written[~shown].any()


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 255), min_size=1, max_size=5, unique=True).map(sorted), st.integers(0, 255))
def test_snapping_takes_the_nearest_level_in_both_depths(levels, alpha):
    pixels = np.full((1, 1, 2), alpha, np.uint8)
    nearest = min(levels, key=lambda level: (abs(level - alpha), -level))
    assert snap_alpha(pixels, levels)[0, 0].tolist() == [alpha, nearest]
    deep = pixels.astype(np.uint16) * 257
    assert snap_alpha(deep, levels)[0, 0].tolist() == [alpha * 257, nearest * 257]


@settings(deadline=None, derandomize=True)
@given(DUMPS["duckstation"].names)
def test_neither_subfolders_nor_suffixes_tell_textures_apart(path):
    bare = path.rpartition("/")[2]
    assert DUCKSTATION.lookup(f"{HOME}/a/{bare}") == DUCKSTATION.lookup(f"{HOME}/{bare.rpartition('.')[0]}.png")


@pytest.mark.parametrize("bare", [UPLOAD, PAGE, SEMI_NAME, DIRECT])
def test_names_give_the_size_in_the_game(bare):
    assert DUCKSTATION.parse(bare).native == ((256, 112) if bare == UPLOAD else (64, 64))


@pytest.mark.parametrize(
    "bare",
    [
        PAGE.lower(),
        PAGE.replace("P4", "P2"),
        PAGE.replace("-P0-15", ""),
        f"{PAGE}\n",
        VRAM.replace("0", "", 1),
        "a.png",
    ],
)
def test_other_names_are_not_taken(bare):
    assert DUCKSTATION.parse(bare) is None


def soft(alpha, colour=9) -> bytes:
    return encoded(np.array([[[colour] * 3 + [alpha]] * 4] * 4, np.uint8))


@pytest.mark.parametrize(
    ("path", "data", "severity", "part"),
    [
        ("cover.png", picture(), "warning", "no texture"),
        (PAGE.replace("png", "dds"), b"", "warning", "PNG, JPG and WebP"),
        (PAGE.replace("128-32-64x64", "200-32-64x64"), picture(), "warning", "source of 256 x 256"),
        (UPLOAD.replace("256x112", "256x300"), picture(), "warning", "source of 256 x 256"),
        (PAGE.replace("64x256", "128x256").replace("128-32", "256-32"), picture(), "warning", "page of 256"),
        (PAGE.replace("P0-15", "P0-16"), picture(), "warning", "palette range"),
        (PAGE, b"nonsense", "error", "cannot be read"),
        (PAGE.replace("png", "jpg"), b"nonsense", "error", "cannot be read"),
        (PAGE, soft(128), "warning", "cut at half"),
        (SEMI_NAME, soft(0), "warning", "half-transparent"),
    ],
)
def test_check_says_what_the_loader_would_do(path, data, severity, part):
    (finding,) = DUCKSTATION.check(pack({f"ok/{VRAM}": picture(), path: data}))
    assert (finding.severity, finding.path) == (severity, path)
    assert part in finding.text


def test_check_passes_sound_alpha_and_finds_doubles():
    files = {f"a/{PAGE}": soft(255), SEMI_NAME: soft(128), VRAM: soft(0), DIRECT: picture(), f"b/{PAGE}": soft(0)}
    (finding,) = DUCKSTATION.check(pack(files))
    assert (finding.severity, finding.path) == ("warning", f"b/{PAGE}")


def test_detection_by_names_and_folders():
    assert DUCKSTATION.detect(pack(LIST, DUMP)) == pytest.approx(1.2)
    assert DUCKSTATION.detect(pack([*LIST, "cover.png"], ("any",))) == 0.8
    assert DUCKSTATION.detect(pack(["cover.png"], DUMP)) == 0
