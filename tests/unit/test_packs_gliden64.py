"""texup.conventions.n64.gliden64: names, halves and folders of Nintendo 64 packs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texup.conventions.convention import Name, Planned, Wishes
from texup.conventions.n64.gliden64 import GLIDEN64, RICE
from texup.policy.classify import Treatment
from texup.textures.texture import Container, Texture
from texup.upscaling.planning import plan_pack

from ..builders import pack_of, picture, plans_of
from ..contract.dumps import RICE_FILES, RICE_KINDS, rice_name

SHARED = Path(__file__).parents[3] / "shared" / "data"
ROM = "SUPER MARIO 64"
HOME = f"hires_texture/{ROM}"
DUMP = ("home", "player", "texture_dump", ROM, "GLideNHQ")
LIST = [
    f"{ROM}#0A1B2C3D#0#2_all.png",
    f"{ROM}#0A1B2C3E#2#1#2DC66F47_ciByRGBA.png",
    f"{ROM}#0A1B2C3F#3#1_all.png",
    f"{ROM}#0A1B2C40#0#3_rgb.png",
    f"{ROM}#0A1B2C40#0#3_a.png",
    f"{ROM}#0A1B2C41#4#1_rgb.png",
    f"{ROM}#0A1B2C42#2#1_ci.bmp",
    f"{ROM}#0A1B2C43#0#2_a.png",
    f"{ROM}#0a1b2c44#0#2_all.png",
    f"{ROM}#0A1B2C45#2#1#$_ciByRGBA.png",
]


def pack(files, place=("home", "player", "pack")):
    held = files if isinstance(files, dict) else {path: picture(8, 8, format_=path[-3:]) for path in files}
    return pack_of(held, place)


def plans(some, convention=GLIDEN64, **wishes):
    return plans_of(convention, some, **wishes)[0]


def findings(some, convention=GLIDEN64, **wishes):
    return plans_of(convention, some, **wishes)[1]


def targets(some, convention=GLIDEN64):
    return {path: item.target for path, item in plans(some, convention).items() if item.target}


@pytest.mark.parametrize("place", [DUMP, ("home", "packs", "old rice pack")])
def test_a_dump_and_an_old_pack_become_files_that_the_loader_finds(place):
    some = pack(LIST, place)
    found = plans(some)
    assert {path: item.action for path, item in found.items()} == {
        **dict.fromkeys(LIST, "upscale"),
        LIST[4]: "joined",
        LIST[6]: "skip",
        LIST[7]: "skip",
    }
    written = sorted(item.target for item in found.values() if item.target)
    assert written == [
        f"{HOME}/{ROM}#{rest}.png"
        for rest in (
            "0A1B2C3D#0#2_all",
            "0A1B2C3E#2#1#2DC66F47_ciByRGBA",
            "0A1B2C3F#3#1_all",
            "0A1B2C40#0#3_all",
            "0A1B2C41#4#1_all",
            "0A1B2C44#0#2_all",
            "0A1B2C45#2#1#$_ciByRGBA",
        )
    ]
    assert {item.treatment.store for item in found.values() if item.action == "upscale"} == {"rgba"}
    pair = found[LIST[3]]
    assert (pair.others, pair.joins) == ((LIST[4],), "alpha")
    assert "spelling" in found[LIST[8]].reason
    assert "--format rice" in found[LIST[6]].reason
    said = [(f.severity, f.path) for f in findings(some)]
    assert said == [("warning", LIST[7]), ("hint", "")]
    assert f"{ROM}_HIRESTEXTURES.htc" in findings(some)[-1].text


def test_rice_keeps_palette_bitmaps():
    assert plans(pack(LIST), RICE)[LIST[6]] == Planned(LIST[6], "copy", target=f"{HOME}/{LIST[6]}")


@pytest.mark.parametrize(
    ("place", "folder"),
    [
        (("texture_dump",), f"{ROM}/GLideNHQ_strong_crc/"),
        (("user", "texture_dump", ROM), "png_by_rgb_a/"),
        (("user", "hires_texture"), f"{ROM}/"),
        (("user",), f"cache/texture_dump/{ROM}/GLideNHQ/"),
        (("user",), f"{ROM}/"),
        ((), ""),
    ],
)
@pytest.mark.parametrize("below", ["", "Stage 1/sky/"])
def test_markers_are_found_wherever_the_pack_begins(place, folder, below):
    path = f"{folder}{below}{LIST[0]}"
    assert targets(pack([path], place)) == {path: f"{HOME}/{below}{LIST[0]}"}


@pytest.mark.parametrize("folder", ["hires_texture/", "texture_dump/", "texture_dump/any game/ci_by_png/"])
def test_a_marker_folder_is_no_folder_of_textures(folder):
    assert targets(pack([f"{folder}{LIST[0]}"])) == {f"{folder}{LIST[0]}": f"{HOME}/{LIST[0]}"}


def test_games_in_one_dump_keep_their_own_folders():
    other = "ZELDA MAJORA'S MASK#1E6DE584#2#0#1B72EA64_ciByRGBA.png"
    some = pack([f"{ROM}/GLideNHQ/{LIST[0]}", f"ZELDA MAJORA'S MASK/GLideNHQ/{other}"], ("texture_dump",))
    assert list(targets(some).values()) == [f"{HOME}/{LIST[0]}", f"hires_texture/ZELDA MAJORA'S MASK/{other}"]
    assert [f.severity for f in findings(some)] == ["hint", "hint"]
    without = pack([path.replace("GLideNHQ/", "") for path in plans(some)], ("any",))
    assert list(targets(without).values()) == list(targets(some).values())


def test_the_most_of_the_names_say_the_game_and_others_are_warned_of():
    stray = "MARIOKART64#0A1B2C3D#0#2_all.png"
    some = pack([*LIST[:3], stray], ("texture_dump", "mario", "GLideNHQ"))
    assert targets(some)[LIST[0]] == f"{HOME}/{LIST[0]}"
    (warning,) = [f for f in findings(some) if f.severity == "warning"]
    assert (warning.path, "MARIOKART64" in warning.text) == (stray, True)


def test_halves_of_two_sizes_are_refused_naming_both_and_nothing_else_is():
    some = pack({LIST[3]: picture(32, 32), LIST[4]: picture(16, 16), LIST[0]: picture()})
    found = plans(some)
    assert [found[path].action for path in (LIST[3], LIST[4], LIST[0])] == ["refuse", "refuse", "upscale"]
    assert found[LIST[3]].reason == found[LIST[4]].reason
    for part in (LIST[3], LIST[4], "32 x 32", "16 x 16"):
        assert part in found[LIST[3]].reason
    assert not [f for f in findings(some) if f.severity == "error"]


def test_what_cannot_be_read_is_left_to_the_run():
    assert plans(pack({LIST[3]: None, LIST[4]: picture()}))[LIST[3]].action == "upscale"


def test_the_whole_file_goes_before_halves_and_png_before_bmp():
    stem = f"{ROM}#0A1B2C40#0#3"
    some = pack([f"a/{stem}_a.png", f"a/{stem}_all.png", f"a/{stem}_rgb.png", f"b/{stem}_all.png"])
    found = plans(some)
    assert [item.action for item in found.values()].count("skip") == 3
    assert found[f"a/{stem}_all.png"].action == "upscale"
    (warning,) = [f for f in findings(some) if f.severity == "warning"]
    assert "and 2 more" in warning.text
    halves = plans(pack([f"{stem}_a.bmp", f"{stem}_a.png", f"{stem}_rgb.bmp", f"{stem}_rgb.png"]))
    assert {path[-7:]: item.action for path, item in halves.items()} == {
        "3_a.bmp": "skip",
        "3_a.png": "joined",
        "rgb.bmp": "skip",
        "rgb.png": "upscale",
    }


def test_halves_are_taken_from_one_folder_and_bitmaps_become_png():
    stem = f"{ROM}#0A1B2C40#0#3"
    found = plans(pack([f"x/{stem}_a.bmp", f"y/{stem}_a.bmp", f"y/{stem}_rgb.bmp"]))
    assert found[f"y/{stem}_rgb.bmp"].others == (f"y/{stem}_a.bmp",)
    assert found[f"y/{stem}_rgb.bmp"].target == f"{HOME}/y/{stem}_all.png"


@pytest.mark.parametrize(
    "path",
    [
        f"~!~off/{LIST[0]}",
        f".hidden/{LIST[0]}",
        f"a/.{LIST[0]}",
        f"{ROM}#00000000#0#2_all.png",
        f"{ROM}#0A1B2C3D#0#2_all.bmp",
        f"{ROM}#0A1B2C3D#2#2_ci.png",
        f"{ROM}#0A1B2C3D#0#2_all.dds",
        "preview.jpg",
        "readme.txt",
    ],
)
def test_what_the_loader_never_reads_is_left_out_with_a_reason(path):
    found = plans(pack({path: picture(), LIST[2]: picture()}))
    assert (found[path].action, found[path].target) == ("skip", "")
    assert found[path].reason


def test_other_files_come_along_when_wished():
    readmes = [f"{ROM}/{folder}/readme.txt" for folder in ("GLideNHQ", "png_all")]
    plan = plan_pack(
        pack({**dict.fromkeys(readmes, b""), f"{ROM}/{LIST[0]}": picture()}), GLIDEN64, Wishes(copy_other=True)
    )
    assert [item.target for item in plan.files[:2]] == [f"hires_texture/{path}" for path in readmes]


def test_sizes_beyond_the_loader_are_warned_of_before_the_run():
    some = pack({LIST[0]: picture(1025, 8), LIST[2]: picture(1024, 8), LIST[5]: picture(1, 32)})
    (warning,) = [f for f in findings(some) if f.severity == "warning"]
    assert (warning.path, "4100 x 32" in warning.text) == (LIST[0], True)
    assert not [f for f in findings(some, scale=2) if f.severity == "warning"]
    assert plans(some)[LIST[5]].treatment.method == "nearest"


def test_dds_is_refused_by_name_and_passed_over_by_choice():
    assert [f.severity for f in findings(pack(LIST[:1]), dds="bc7")] == ["error", "hint"]
    assert [f.severity for f in findings(pack(LIST[:1]), dds="auto")] == ["warning", "hint"]
    assert [f.severity for f in findings(pack(LIST[:1]), RICE, scale=3)] == ["warning"]


def test_a_database_and_the_files_that_it_names_come_along():
    listed = {"textures": [{"path": "rt64\\Bonus Stages\\e56f#2#0.png"}, {"path": "", "hashes": {"rice": "x"}}]}
    files = {
        f"{ROM}/rt64.json": json.dumps(listed).encode(),
        f"{ROM}/{LIST[0]}": picture(),
        f"{ROM}/rt64/Bonus Stages/e56f#2#0.png": picture(),
    }
    found = plans(pack(files, ("hires_texture",)))
    assert {item.path: (item.action, item.target) for item in found.values()} == {
        f"{ROM}/rt64.json": ("copy", f"{HOME}/rt64.json"),
        f"{ROM}/{LIST[0]}": ("upscale", f"{HOME}/{LIST[0]}"),
        f"{ROM}/rt64/Bonus Stages/e56f#2#0.png": ("upscale", f"{HOME}/rt64/Bonus Stages/e56f#2#0.png"),
    }


def texture(pixels) -> Texture:
    return Texture(np.asarray(pixels, np.uint8), Container("png"))


def roundtrip(source: Texture, storage: str) -> tuple[Texture, Texture]:
    planned = Planned("x", "upscale", treatment=Treatment(storage=storage))
    work = GLIDEN64.to_work(source, planned)
    return work, GLIDEN64.from_work(work, source, planned)


def test_an_intensity_is_upscaled_once_and_stands_in_all_four_channels():
    grey = np.arange(16).reshape(4, 4, 1) * 16
    source = texture(np.repeat(grey, 4, axis=2))
    work, result = roundtrip(source, "intensity")
    assert work.pixels.shape == (4, 4, 1)
    np.testing.assert_array_equal(result.pixels, source.pixels)
    soft = texture(np.dstack([grey, grey, grey, grey // 2]))
    assert roundtrip(soft, "intensity") == (soft, soft)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_lone_colour_is_opaque_or_its_own_alpha(channels):
    source = texture(np.random.default_rng(0).integers(0, 256, (4, 4, channels)))
    colours = channels - (channels + 1) % 2
    work, result = roundtrip(source, "opaque")
    assert work.pixels.shape[2] == result.pixels.shape[2] == colours
    result = roundtrip(source, "alpha from red")[1]
    assert result.pixels.shape[2] == colours + 1
    np.testing.assert_array_equal(result.pixels[..., -1], source.pixels[..., 0])
    np.testing.assert_array_equal(result.pixels[..., 0], source.pixels[..., 0])


def test_lone_colour_and_intensities_are_planned_as_such():
    some = pack([f"{ROM}#0A1B2C41#4#1_rgb.png", f"{ROM}#0A1B2C42#0#1_rgb.png", f"{ROM}#0A1B2C43#4#1_all.png"])
    assert [item.treatment.storage for item in plans(some).values()] == ["alpha from red", "opaque", "intensity"]


@settings(deadline=None, derandomize=True)
@given(RICE_FILES)
def test_other_spellings_become_the_canonical_one(file):
    rom, key, kind, ext = file
    other = rice_name((rom, tuple(part and part.lower() for part in key), kind.upper(), ext.upper()))
    name = GLIDEN64.parse(other)
    assert isinstance(name, Name)
    assert GLIDEN64.format(name) == rice_name(file)


@settings(deadline=None, derandomize=True)
@given(RICE_FILES, st.sampled_from(RICE_KINDS), st.sampled_from(RICE_KINDS))
def test_endings_and_subfolders_do_not_tell_textures_apart(file, one, two):
    rom, key, _, ext = file
    paths = [f"hires_texture/{ROM}/{sub}{rice_name((rom, key, kind, ext))}" for sub, kind in (("", one), ("a/b/", two))]
    assert GLIDEN64.lookup(paths[0]) == GLIDEN64.lookup(paths[1])
    assert GLIDEN64.lookup(paths[0]) != GLIDEN64.lookup(paths[0].replace(ROM, "OTHER", 1))


@pytest.mark.parametrize(
    "bare",
    ["", "#5#2_all.png", "#0A1B2C3D#5#2_all.png", "#0A1B2C3#0#2_all.png", "#$#0#2_all.png", "#0A1B2C3D#0#2_all.png\n"],
)
def test_other_names_are_not_taken(bare):
    assert GLIDEN64.parse(ROM + bare) is None
    assert GLIDEN64.parse("#0A1B2C3D#0#2_all.png") is None


@pytest.fixture(scope="module")
def real() -> list[str]:
    """The paths of a whole public pack; the columns before them are sizes."""
    listed = SHARED / "names" / "n64_rice.txt"
    if not listed.is_file():
        pytest.skip(f"no list of real names in {listed.parent}")
    return [line.split("\t")[4] for line in listed.read_text("utf-8").splitlines() if not line.startswith("#")]


def test_every_name_of_a_real_pack_comes_back_but_those_of_its_database(real):
    pngs = [path for path in real if path.endswith(".png")]
    parsed = {path: GLIDEN64.parse(path) for path in pngs}
    assert (len(pngs), sum(name is not None for name in parsed.values())) == (4796, 4785)
    assert all(GLIDEN64.format(name) == path.rpartition("/")[2] for path, name in parsed.items() if name)
    # Eleven lie in its folder rt64/, are named like 0.png, and are found by explicit paths in rt64.json.
    assert {path.split("/")[1] for path, name in parsed.items() if name is None} == {"rt64"}


def test_a_real_pack_is_known_with_and_without_its_database(real):
    held = dict.fromkeys(real, b"")
    assert GLIDEN64.detect(pack({**held, "SMASH BROTHERS/rt64.json": b"{}"})) == pytest.approx(4785 / 4797)
    listed = b'{"textures": [{"path": ""}]}'
    assert GLIDEN64.detect(pack({**held, "SMASH BROTHERS/rt64.json": listed})) == 0
    placed = pack({**held, "SMASH BROTHERS/rt64.json": listed}, ("hires_texture",))
    assert GLIDEN64.detect(placed) == pytest.approx(4785 / 4797 + 0.2)


@pytest.mark.parametrize(
    ("path", "data", "severity", "part"),
    [
        ("cover.png", picture(), "warning", "ignores it"),
        (f"{ROM}#0A1B2C3D#0#2_all.dds", b"", "warning", "no DDS"),
        (LIST[8], picture(), "error", f"rename it to {ROM}#0A1B2C44#0#2_all.png"),
        (LIST[3], picture(), "warning", "merge"),
        (LIST[4], picture(), "warning", "merge"),
        (LIST[6], picture(format_="bmp"), "warning", "reads no _ci.bmp"),
        (LIST[0], picture(4097, 1), "warning", "4097 x 1"),
        (LIST[0], picture(3, 1), "error", "3 x 1"),
        (LIST[0], b"nonsense", "error", "cannot be read"),
        ("OTHER#0A1B2C3D#0#2_all.png", picture(), "warning", ROM),
        (f"{ROM}#00000000#0#2_all.png", picture(), "warning", "zero"),
        ("rt64.json", b"{", "error", "RT64 would not load it"),
    ],
)
def test_check_says_what_the_loader_would_do(path, data, severity, part):
    sound = {f"ok{k}/{LIST[k]}": picture() for k in (1, 2)}
    (finding,) = GLIDEN64.check(pack({**sound, path: data}))
    assert (finding.severity, finding.path) == (severity, path)
    assert part in finding.text


def test_check_finds_doubles_and_passes_over_what_is_off():
    files = {f"hires_texture/{ROM}/{path}": picture() for path in (f"a/{LIST[0]}", f"b/{LIST[0]}", f"~!~x/{LIST[8]}")}
    (finding,) = GLIDEN64.check(pack(files))
    assert (finding.severity, finding.path) == ("warning", f"hires_texture/{ROM}/b/{LIST[0]}")


def test_check_by_rules_of_rice():
    files = {LIST[0]: picture(channels=3), LIST[1]: picture(), LIST[6]: picture(format_="bmp"), LIST[3]: picture()}
    (finding,) = RICE.check(pack(files))
    assert (finding.path, "RGBA" in finding.text) == (LIST[0], True)


def test_detection_takes_folders_into_account():
    assert GLIDEN64.detect(pack(LIST)) == 1.0
    assert GLIDEN64.detect(pack(LIST, DUMP)) == pytest.approx(1.2)
    assert GLIDEN64.detect(pack(["a.png"], DUMP)) == 0
    assert RICE.detect(pack(LIST)) == 0
