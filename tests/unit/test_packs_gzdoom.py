"""texup.conventions.gzdoom.plan and textures_lump: what replaces which lump, at what size and offset."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texup.conventions.convention import Wishes
from texup.conventions.gzdoom.plan import GZDOOM
from texup.conventions.gzdoom.textures_lump import KEYWORDS, Definition, format_definition, png_grab, read_definitions
from texup.packs.opening import open_pack
from texup.packs.walk import walk
from texup.textures.codecs.files import decode
from texup.textures.codecs.png import SIGNATURE
from texup.textures.storing import convert_storage

from ..builders import pack_of, picture, plans_of, png_chunk, said

LAW = settings(deadline=None, derandomize=True)
SPRITE = 'Sprite "TROOA1", 164, 228 { XScale 4 YScale 4 Offset 84, 244 Patch "texup/TROOA1.png", 0, 0 }'


def png(width=8, height=8, *, grab=None, value=60) -> bytes:
    return picture(width, height, 3, value=value, grab=grab)


def masked(width, height, grab) -> bytes:
    """Make a PNG as Doom editors do: indices, one of them clear, and offsets."""
    rows = b"".join(b"\0" + bytes((x + y) % 3 for x in range(width)) for y in range(height))
    return SIGNATURE + b"".join(
        (
            png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            png_chunk(b"grAb", struct.pack(">ii", *grab)),
            png_chunk(b"PLTE", bytes(range(9))),
            png_chunk(b"tRNS", b"\0"),
            png_chunk(b"IDAT", zlib.compress(rows)),
            png_chunk(b"IEND", b""),
        )
    )


def dds(fourcc: bytes, flags=0x81007) -> bytes:
    head = struct.pack("<7I44x", 124, flags, 4, 4, 8, 0, 0) + struct.pack("<2I4s5I", 32, 4, fourcc, 0, 0, 0, 0, 0)
    more = struct.pack("<5I", 98, 3, 0, 1, 0) if fourcc == b"DX10" else b""
    return b"DDS " + head + struct.pack("<I16x", 0x1000) + more + bytes(16)


LISTED = {
    "sprites/TROOA1.png": masked(41, 57, (21, 61)),
    "textures/STARTAN2.png": png(128, 128),
    "flats/FLOOR4_8.png": png(64, 64),
    "graphics/TITLEPIC.png": png(320, 200),
    "sprites/readme.txt": b"read me",
}


def packed(files, place=("mods", "mine"), *, left_out=()):
    return pack_of(files, place, left_out=left_out)


def planned(pack, **wishes):
    return plans_of(GZDOOM, pack, **wishes)[0]


def targets(files: dict[str, bytes], **wishes) -> dict[str, str]:
    return {path: plan.target for path, plan in planned(packed(files), **wishes).items() if plan.target}


def findings(files, **wishes):
    return plans_of(GZDOOM, packed(files), **wishes)[1]


def lump(files: dict[str, bytes], scale=4) -> dict[str, str]:
    pack, wishes = packed(files), Wishes(scale=scale, textures_lump=True)
    plans, _ = plans_of(GZDOOM, pack, scale=scale, textures_lump=True)
    return {car.target: car.data.decode() for car in GZDOOM.sidecars(pack, list(plans.values()), wishes)}


def test_the_listed_pictures_go_to_hires():
    plans = planned(packed(LISTED))
    assert targets(LISTED) == {
        "sprites/TROOA1.png": "hires/TROOA1.png",
        "textures/STARTAN2.png": "hires/STARTAN2.png",
        "flats/FLOOR4_8.png": "hires/FLOOR4_8.png",
        "graphics/TITLEPIC.png": "hires/TITLEPIC.png",
    }
    assert plans["sprites/readme.txt"].action == "skip"
    assert findings(LISTED) == []


def test_flats_wrap_and_pictures_of_their_own_do_not():
    edges = {path: plan.treatment.edges for path, plan in planned(packed(LISTED)).items() if plan.action == "upscale"}
    assert edges == {
        "sprites/TROOA1.png": ("clamp", "clamp"),
        "textures/STARTAN2.png": ("auto", "auto"),
        "flats/FLOOR4_8.png": ("wrap", "wrap"),
        "graphics/TITLEPIC.png": ("clamp", "clamp"),
    }


@pytest.mark.parametrize(("wishes", "grab"), [({}, None), ({"textures_lump": True}, (21, 61))])
def test_hires_takes_no_offsets_and_true_colour(wishes, grab):
    path = "sprites/TROOA1.png"
    plan = planned(packed(LISTED), **wishes)[path]
    source = decode(LISTED[path], path)
    assert source.container.grab == (21, 61)
    result = convert_storage(GZDOOM.from_work(source, source, plan), plan.treatment.store)
    assert (result.container.grab, result.container.palette) == (grab, None)
    assert result.pixels.shape == (57, 41, 4)


def test_palettes_are_kept_when_wished():
    assert planned(packed(LISTED), palette="keep")["sprites/TROOA1.png"].treatment.store == ""


def test_the_lump_of_the_listed_sprite():
    files = {path: LISTED[path] for path in ("sprites/TROOA1.png", "sprites/readme.txt")}
    assert targets(files, textures_lump=True) == {"sprites/TROOA1.png": "texup/TROOA1.png"}
    assert lump(files) == {"TEXTURES.txt": SPRITE + "\n"}


def test_walls_and_flats_in_the_lump_keep_their_panning():
    text = lump(LISTED)["TEXTURES.txt"]
    kinds = {made.name: (made.keyword, made.panning, made.offset) for made in read_definitions(text)}
    assert kinds == {
        "TROOA1": ("sprite", False, (84, 244)),
        "STARTAN2": ("texture", True, None),
        "FLOOR4_8": ("flat", True, None),
        "TITLEPIC": ("graphic", False, None),
    }


def test_offsets_keep_their_sign():
    assert "Offset -12, -2147483648" in lump({"sprites/PUFFA0.png": masked(4, 4, (-3, -(2**29)))})["TEXTURES.txt"]


def test_a_lump_names_no_picture_that_cannot_be_read():
    assert lump({"sprites/PUFFA0.png": b"damaged"}) == {}


def test_the_frame_of_the_vile_keeps_its_caret_in_files_and_is_a_backslash_to_the_game():
    files = {"sprites/VILE^1.png": masked(4, 4, (0, 0))}
    assert targets(files) == {"sprites/VILE^1.png": "hires/VILE^1.png"}
    assert '"VILE\\1"' in lump(files)["TEXTURES.txt"]
    assert '"texup/VILE^1.png"' in lump(files)["TEXTURES.txt"]
    assert GZDOOM.lookup("hires/VILE^1.png") == GZDOOM.lookup("hires/vile^1.tga")


def test_sub_folders_and_case_say_nothing():
    files = {"Sprites/imp/trooa1.png": png(), "FLATS/floor.PNG": png()}
    assert targets(files) == {"Sprites/imp/trooa1.png": "hires/trooa1.png", "FLATS/floor.PNG": "hires/floor.PNG"}


def test_two_pictures_of_one_name_are_refused_and_both_named():
    files = {"textures/SLIME01.png": png(), "flats/slime01.png": png(value=9)}
    (found,) = findings(files)
    assert said([found]) == [("error", "flats/slime01.png")]
    assert "textures/SLIME01.png" in found.text
    assert findings({path: png() for path in ("textures/A.png", "textures/b/A.jpg")}) == []


def test_an_equal_picture_is_written_once():
    files = {"textures/SLIME01.png": png(), "flats/SLIME01.png": png()}
    assert targets(files) == {"textures/SLIME01.png": "hires/SLIME01.png"}
    assert planned(packed(files))["flats/SLIME01.png"].reason == "the same picture and name as textures/SLIME01.png"
    with pytest.MonkeyPatch.context() as patch:  # files of any size are not read for it
        patch.setattr("texup.bounds.GZDOOM_COMPARED", 10)
        assert planned(packed(files))["flats/SLIME01.png"].action == "upscale"


def test_the_lump_keeps_a_wall_and_a_flat_of_one_name_apart():
    files = {"textures/SLIME01.png": png(), "flats/SLIME01.png": png(value=9)}
    assert findings(files, textures_lump=True) == []
    assert targets(files, textures_lump=True) == {
        "textures/SLIME01.png": "texup/SLIME01.png",
        "flats/SLIME01.png": "texup/flats/SLIME01.png",
    }
    twice = {"textures/a/SLIME01.png": png(), "textures/b/SLIME01.png": png(value=9)}
    assert [finding.severity for finding in findings(twice, textures_lump=True)] == ["error"]


def test_a_picture_that_hires_replaces_already_is_left_out():
    files = {"textures/WALL.png": png(), "hires/WALL.png": png(32, 32)}
    for lumped in (False, True):
        assert targets(files, textures_lump=lumped) == {"hires/WALL.png": "hires/WALL.png"}
        assert findings(files, textures_lump=lumped) == []


def test_unselected_files_neither_clash_nor_count():
    files = {"textures/WALL.png": png(), "flats/WALL.png": png(value=9)}
    pack = packed(files, left_out=["flats/WALL.png"])
    assert plans_of(GZDOOM, pack)[1] == []


@pytest.mark.parametrize("wishes", [{}, {"textures_lump": True}])
def test_patches_are_left_out_with_one_warning(wishes):
    files = {"patches/WALL00_1.png": png(), "patches/WALL00_2.png": png(), "flats/FLOOR.png": png()}
    assert [plan.action for plan in planned(packed(files), **wishes).values()] == ["skip", "skip", "upscale"]
    (found,) = findings(files, **wishes)
    assert found.severity == "warning"
    assert found.text.startswith("2 patches are left out")


def test_a_picture_with_the_name_of_a_patch_is_upscaled_and_warned_of():
    files = {"patches/DUMMY.png": png(), "graphics/DUMMY.png": png(value=9)}
    assert targets(files) == {"graphics/DUMMY.png": "hires/DUMMY.png"}
    assert said(findings(files)) == [("warning", "patches/DUMMY.png"), ("warning", "graphics/DUMMY.png")]


def test_long_names_are_meant_by_their_path_which_only_the_lump_reaches():
    path = "textures/base/longername.png"
    files = {path: png(8, 8), "hires/LONGHIRESNAME.png": png()}
    assert targets(files) == {"hires/LONGHIRESNAME.png": "hires/LONGHIRE.png"}
    assert said(findings(files)) == [("warning", path)]
    assert targets(files, textures_lump=True)[path] == "texup/longername.png"
    assert 'Texture "textures/base/longername.png", 32, 32 ' in lump(files)["TEXTURES.txt"]


def test_players_lose_their_colours_and_this_is_said():
    assert said(findings({"sprites/PLAYA1.png": png()})) == [("hint", "sprites/PLAYA1.png")]


def test_materials_keep_their_place_and_their_kind():
    names = {
        "brightmaps/auto/WALL.png": "mask",
        "materials/normalmaps/auto/WALL.png": "normal",
        "materials/specular/auto/WALL.png": "mask",
        "materials/glowmaps/auto/WALL.png": "emissive",
    }
    plans = planned(packed(dict.fromkeys(names, png())))
    assert {path: plan.treatment.kind for path, plan in plans.items()} == names
    assert all(plan.target == path for path, plan in plans.items())
    assert plans["materials/normalmaps/auto/WALL.png"].treatment.normal == "tangent"


def test_other_files_are_copied_when_wished():
    files = {"sprites/TROOA1.png": png(), "decorate.txt": b"actor", "docs/shot.png": png()}
    assert targets(files) == {"sprites/TROOA1.png": "hires/TROOA1.png"}
    assert targets(files, copy_other=True) == {
        "sprites/TROOA1.png": "hires/TROOA1.png",
        "decorate.txt": "decorate.txt",
        "docs/shot.png": "docs/shot.png",
    }


@pytest.mark.parametrize(
    ("wish", "store", "suffix"), [("auto", "bc3", ".dds"), ("bc1", "bc1", ".dds"), ("bc3", "bc3", ".dds")]
)
def test_dds_is_written_when_wished(wish, store, suffix):
    plan = planned(packed(LISTED), dds=wish)["flats/FLOOR4_8.png"]
    assert (plan.treatment.store, plan.target) == (store, "hires/FLOOR4_8" + suffix)
    assert findings(LISTED, dds=wish) == []


def test_bc7_is_refused():
    assert said(findings(LISTED, dds="bc7")) == [("error", "")]


@pytest.mark.parametrize(
    ("name", "data", "store", "target"),
    [
        ("A.png", png(), "png", "A.png"),
        ("A.tga", b"", "", "A.tga"),
        ("A.jpg", b"", "", "A.jpg"),
        ("A.dds", dds(b"DXT5"), "", "A.dds"),
        ("A.dds", dds(b"DX10"), "png", "A.png"),
    ],
)
def test_formats_that_the_game_reads_are_kept(name, data, store, target):
    plan = planned(packed({f"textures/{name}": data}))[f"textures/{name}"]
    assert (plan.treatment.store, plan.target) == (store, f"hires/{target}")


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (("mine",), "downloads/mod/sprites/TROOA1.png"),
        (("mine", "sprites"), "TROOA1.png"),
        (("sprites",), "imp/TROOA1.png"),
    ],
)
def test_the_pack_may_be_above_or_inside_the_loaders_folder(place, path):
    pack = packed({path: png()}, place)
    assert planned(pack)[path].target == "hires/TROOA1.png"
    assert GZDOOM.detect(pack) >= 0.9


def test_detection_needs_dooms_own_folders():
    assert GZDOOM.detect(packed(LISTED)) >= 1
    assert GZDOOM.detect(packed({"textures/STARTAN2.png": b"", "textures/WALL.png": b""})) == 0
    assert GZDOOM.detect(packed({"graphics/hero.png": b"", "sprites/hero.png": b"", "sprites/goblin.png": b""})) == 0
    assert GZDOOM.detect(packed({"textures/WALL.png": b"", "zscript.txt": b""})) >= 1
    assert GZDOOM.detect(packed({"texup/TROOA1.png": b"", "TEXTURES.txt": b""})) >= 1
    assert GZDOOM.detect(packed({"STARTAN2.png": b"", "TROOA1.png": b""})) == 0


def test_names_are_cut_to_what_the_loader_reads():
    name = GZDOOM.parse("hires/LONGHIRESNAME.png")
    assert name is not None
    assert GZDOOM.format(name) == "LONGHIRE.png"


@pytest.mark.parametrize(
    ("path", "is_sprite"),
    [
        ("sprites/TROOA1.png", True),
        ("sprites/cposa2a8.png", True),
        ("sprites/VILE^1.png", True),
        ("sprites/SAWG[0]0.png", True),
        ("sprites/nomonst.png", False),
        ("textures/STARTAN2.png", False),
    ],
)
def test_a_sprite_is_one_by_its_folder_and_its_name(path, is_sprite):
    name = GZDOOM.parse(path)
    assert name is not None
    assert ("r1" in name.fields) == is_sprite


LETTERS = st.characters(min_codepoint=32, max_codepoint=0x3FF, exclude_characters='"\\')
NAMES = st.text(LETTERS, min_size=1, max_size=12).filter(lambda name: name != "optional")
WHOLE = st.integers(-(2**31), 2**31)
SCALES = st.integers(1, 8)


@LAW
@given(
    st.lists(
        st.builds(
            Definition,
            st.sampled_from(KEYWORDS),
            NAMES,
            WHOLE,
            WHOLE,
            st.tuples(SCALES, SCALES),
            st.none() | st.tuples(WHOLE, WHOLE),
            st.booleans(),
            st.lists(st.tuples(NAMES, WHOLE, WHOLE), max_size=3).map(tuple),
        ),
        max_size=3,
    )
)
def test_what_is_written_is_read_back(definitions):
    assert read_definitions("\n".join(map(format_definition, definitions))) == definitions


def test_lumps_of_other_authors_are_read():
    text = """
    // a comment with "quotes" { and braces
    sprite optional POSSA1, 41, 57 { Offset 20,55 /* two
    lines */ Patch POSSA1, 0, 0 { FlipX Rotate 90 Translation "0:1=2:3" Style Add } }
    WallTexture "BIG", 64, 64
    remap wall STARTAN2 "hires/x.png"
    remap FLOOR "y.png"
    define SKY1 force32bit 256 128
    #include "more.txt"
    texture optional, 1, 1 { NullTexture NoTrim NoDecals offset2 1, 2 Graphic A, 0, 0 }
    """
    made = [(one.keyword, one.name, one.parts) for one in read_definitions(text)]
    assert made == [
        ("sprite", "POSSA1", (("POSSA1", 0, 0),)),
        ("walltexture", "BIG", ()),
        ("texture", "optional", (("A", 0, 0),)),
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("nonsense", 1),
        ('sprite "A", 1, 1 {\n XScale 0 }', 2),
        ('sprite "A", 1, 1 { Colour 3 }', 1),
        ('\nsprite "A" 1, 1', 2),
        ('sprite "A", 1.5, 1', 1),
        ('sprite "A", inf, 1', 1),
        ('sprite "A", nan, 1', 1),
        ('sprite "A", 1, 1 { Patch "x", 0', 1),
        ('\n\nsprite "A, 1, 1', 3),
    ],
)
def test_a_lump_that_stops_the_game_names_the_line(text, line):
    with pytest.raises(ValueError, match=f"^line {line}: "):
        read_definitions(text)


@LAW
@given(st.tuples(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1)))
def test_offsets_are_read_from_the_head_alone(grab):
    data = png(grab=grab)
    assert png_grab(data[:64]) == grab
    assert png_grab(png()) is None


@LAW
@given(st.binary(max_size=80))
def test_a_broken_head_has_no_offsets(data):
    assert png_grab(b"\x89PNG\r\n\x1a\n" + data.replace(b"grAb", b"")) is None


def checked(files: dict[str, bytes]) -> list[tuple[str, str]]:
    return said(GZDOOM.check(packed(files)))


def test_a_sound_folder_has_no_findings():
    assert checked({"hires/TROOA1.png": png(), "readme.txt": b""}) == []
    lumped = {"texup/TROOA1.png": png(164, 228, grab=(84, 244)), "TEXTURES.txt": SPRITE.encode()}
    assert checked(lumped) == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"hires/LONGHIRESNAME.png": png()}, ("warning", "hires/LONGHIRESNAME.png")),
        ({"hires/A.png": png(), "hires/b/a.png": png()}, ("warning", "hires/b/a.png")),
        ({"hires/A.png": png(grab=(1, 2))}, ("hint", "hires/A.png")),
        ({"hires/A.png": b"no picture"}, ("error", "hires/A.png")),
        ({"hires/A.dds": dds(b"DX10")}, ("error", "hires/A.dds")),
        ({"hires/A.dds": dds(b"DXT1", 0x1007)}, ("error", "hires/A.dds")),
        ({"hires/A.png": png(), "patches/A.png": png()}, ("warning", "hires/A.png")),
        ({"pictures/A.png": png()}, ("warning", "")),
        ({"textures/A.png": png(), "TEXTURES": b"nonsense"}, ("error", "TEXTURES")),
        ({"TEXTURES.txt": SPRITE.encode()}, ("error", "TEXTURES.txt")),
        ({"TEXTURES.txt": SPRITE.encode(), "texup/TROOA1.png": png()}, ("warning", "TEXTURES.txt")),
        ({"TEXTURES.txt": SPRITE.encode(), "texup/TROOA1.png": b"x"}, ("error", "texup/TROOA1.png")),
    ],
)
def test_each_fault_is_found_once(files, expected):
    assert checked(files) == [expected]


def test_pictures_of_the_game_need_not_be_in_the_folder():
    assert checked({"TEXTURES": b"texture A, 8, 8 { Patch STARTAN2, 0, 0 }", "hires/B.dds": dds(b"DXT5")}) == []


def test_a_real_pack_is_found_and_planned(shared_packs):
    root = shared_packs / "freedoom"
    pack = open_pack(root, list(walk(root)))
    plans, found = plans_of(GZDOOM, pack)
    assert GZDOOM.detect(pack) >= 1
    assert sum(plan.action == "upscale" for plan in plans.values()) == 460 + 242 + 270
    assert [item.severity for item in found] == ["warning", "warning", "hint"]


def test_real_sprites_fit_the_grammar(shared_packs):
    names = [path.name for path in (shared_packs / "freedoom" / "sprites").glob("*.png")]
    misses = [name for name in names if "r1" not in GZDOOM.parse(f"sprites/{name}").fields]
    assert (len(names), misses) == (460, ["nomonst.png"])
