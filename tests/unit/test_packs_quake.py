"""texup.conventions.quake.plan: names, roles, skies, DDS, detection and the engines' own rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from texup.conventions.bethesda import BETHESDA
from texup.conventions.quake.plan import QUAKE
from texup.packs.pack import Pack
from texup.packs.walk import walk
from texup.policy.classify import Treatment, policy_for
from texup.textures.cells import Cells, boxes_of, cut
from texup.textures.codecs.dds_header import DdsHeader, pack_header
from texup.textures.enlarge import enlarge
from texup.textures.texture import Container, Texture

from ..builders import pack_of, picture, plans_of, png_head

HALVES = Cells("count", 2, 1)
LIST = ["textures/#lava1.tga", "textures/wall_luma.tga", "textures/{fence.tga", "gfx/sky1.tga"]


def tga(width=64, height=64):
    return picture(width, height, 3, "tga")


DXT5 = DdsHeader(64, 64, 0xA1007, mips=7, format_flags=5, fourcc=b"DXT5", caps=0x401008)
BGRA = DdsHeader(
    64, 64, 0x100F, format_flags=0x41, bits=32, masks=(0xFF0000, 0xFF00, 0xFF, 0xFF000000), caps=0x1000
)  # fmt: skip
DX10 = replace(DXT5, fourcc=b"DX10", dxgi=98, dimension=3, misc=0, array_size=1, misc2=0)


def pack(files, place=("home", "quake", "id1")):
    return pack_of(files, place, content=tga())


def plan(files, **wishes):
    return plans_of(QUAKE, pack(files), **wishes)


def treatment(path, data=None):
    return plan({path: data or tga()})[0][path].treatment


def check(files):
    return [(finding.severity, finding.path, finding.text) for finding in QUAKE.check(pack(files))]


# The list of the specification


def test_the_specified_list():
    plans, findings = plan(dict.fromkeys(LIST, tga()) | {"gfx/sky1.tga": tga(256, 128)})
    assert findings == []
    assert {path: item.target for path, item in plans.items()} == {path: path for path in LIST}
    assert {item.action for item in plans.values()} == {"upscale"}
    assert plans["textures/wall_luma.tga"].treatment.kind == "emissive"
    assert plans["textures/{fence.tga"].treatment == Treatment()
    assert plans["gfx/sky1.tga"].treatment.cells == HALVES


def test_a_fence_stays_binary_and_a_glow_is_not_corrected():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 4)).astype(np.uint8)
    pixels[..., 3] = np.where(np.arange(16) % 4 < 2, 0, 255)
    fence = Texture(pixels, Container("tga"))
    assert policy_for(fence, treatment("textures/{fence.tga")).alpha == "binary"
    assert policy_for(fence, treatment("textures/wall_luma.tga")).method == "net"


def test_the_halves_of_a_sky_do_not_bleed_into_each_other():
    pixels = np.zeros((128, 256, 3), np.uint8)
    pixels[:, 128:] = 200
    sky = Texture(pixels, Container("tga"))
    policy = policy_for(sky, treatment("gfx/sky1.tga", tga(256, 128)))
    boxes = boxes_of(sky, policy.cells, policy.alpha, policy.edges)
    halves = [enlarge(cut(sky, box), "smooth", 4, policy.edges, None).pixels for box in boxes]
    joined = np.concatenate(halves, axis=1)
    assert joined.shape == (512, 1024, 3)
    assert set(np.unique(joined[:, :512])) == {0}
    assert set(np.unique(joined[:, 512:])) == {200}


# Names


@pytest.mark.parametrize(
    "path", ["progs/player.mdl_0.tga", "progs/player.mdl_0_PANTS.tga", "textures/{fence.TGA", "textures/+0slip.png"]
)
def test_real_names_come_back_byte_for_byte(path):
    assert QUAKE.format(QUAKE.parse(path)) == path.rpartition("/")[2]


def test_an_asterisk_is_written_as_engines_look_for_it():
    item = plan(["textures/*lava1.tga"])[0]["textures/*lava1.tga"]
    assert item.target == "textures/#lava1.tga"
    assert "#lava1.tga" in item.reason


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("textures/wall.tga", Treatment()),
        ("textures/e1m1/wall.tga", Treatment()),
        ("textures/wall_norm.tga", Treatment(kind="normal", normal="tangent", doubted=True)),
        ("textures/wall_bump.tga", Treatment(kind="height", doubted=True)),
        ("textures/wall_gloss.tga", Treatment(kind="mask", doubted=True)),
        ("progs/player.mdl_0_shirt.tga", Treatment(kind="mask", doubted=True)),
        ("textures/WALL_GLOW.TGA", Treatment(kind="emissive")),
        ("textures/leaf_alpha.jpg", Treatment(kind="mask", method="net")),
        ("textures/lamp_fbr.png", Treatment(kind="colour")),
        ("gfx/conchars.tga", Treatment(kind="font")),
        ("gfx/sbar.tga", Treatment(kind="interface")),
        ("gfx/env/unit1_rt.tga", Treatment(edges=("clamp", "clamp"))),
    ],
)
def test_names_and_places_say_what_a_texture_holds(path, expected):
    assert treatment(path) == expected


def test_the_font_is_repeated_and_not_drawn_anew():
    font = Texture(np.zeros((8, 8, 3), np.uint8), Container("tga"))
    assert policy_for(font, treatment("gfx/conchars.tga")).method == "nearest"


@pytest.mark.parametrize(("size", "cells"), [((256, 128), HALVES), ((128, 128), None), ((128, 256), None)])
def test_a_sky_of_two_squares_tiles_half_by_half(size, cells):
    found = treatment("textures/sky4.tga", tga(*size))
    assert found.cells == cells
    assert found.edges == (("wrap", "wrap") if cells else ("auto", "auto"))


def test_a_wide_texture_that_is_no_sky_is_one_picture():
    assert treatment("textures/wall.tga", tga(256, 128)).cells is None


def test_a_sky_that_cannot_be_read_is_left_to_the_run():
    assert plan({"textures/sky1.tga": None})[0]["textures/sky1.tga"].action == "upscale"
    assert plan({"textures/sky1.tga": b"short"})[0]["textures/sky1.tga"].treatment.cells is None


# Several formats, other files, DDS


def test_of_one_name_in_several_formats_the_engines_take_tga_then_png_then_jpg():
    files = ["textures/A.png", "textures/a.jpg", "textures/a.tga", "textures/b.jpg", "textures/b.png", "dds/a.dds"]
    plans, _ = plan(files)
    taken = {path for path, item in plans.items() if item.action == "upscale"}
    assert taken == {"textures/a.tga", "textures/b.png", "dds/a.dds"}
    assert plans["textures/a.jpg"].reason == "the engines take textures/a.tga before it"


def test_other_files_are_left_out_unless_wished():
    files = {"scripts/a.shader": b"", "gfx/old.pcx": b""}
    plans, _ = plan(files)
    assert {item.action for item in plans.values()} == {"skip"}
    assert "PCX" in plans["gfx/old.pcx"].reason
    copied, _ = plan(files, copy_other=True)
    assert {(item.action, item.target) for item in copied.values()} == {("copy", path) for path in files}


def test_dds_files_keep_their_coding_and_their_levels():
    found = plan({"dds/textures/wall.dds": pack_header(DXT5)})[0]["dds/textures/wall.dds"]
    assert (found.target, found.treatment.store, found.treatment.mips) == (found.path, "", "kept")


@pytest.mark.parametrize(
    ("path", "target", "store"),
    [
        ("textures/wall.tga", "dds/textures/wall.dds", "bc3"),
        ("textures/{fence.tga", "dds/textures/{fence.dds", "bgra8"),
        ("gfx/conchars.tga", "dds/gfx/conchars.dds", "bgra8"),
        ("id1/progs/ogre.mdl_0.png", "id1/dds/progs/ogre.mdl_0.dds", "bc3"),
        ("dds/textures/wall.tga", "dds/textures/wall.dds", "bc3"),
        ("wall.tga", "dds/wall.dds", "bc3"),
    ],
)
def test_dds_is_written_where_darkplaces_looks_for_it(path, target, store):
    plans, findings = plan({path: tga()}, dds="auto")
    assert (plans[path].target, plans[path].treatment.store, plans[path].treatment.mips) == (target, store, "inside")
    assert [finding.severity for finding in findings] == ["hint"]


def test_bc7_is_refused():
    assert [finding.severity for finding in plan(LIST, dds="bc7")[1]] == ["error"]


# Detection


def test_the_specified_list_is_found_out():
    assert QUAKE.detect(pack(LIST)) == pytest.approx(1.1)
    assert BETHESDA.detect(pack(LIST)) == 0


def test_a_pack_rooted_inside_textures_is_found_out():
    bare = [path.rpartition("/")[2] for path in LIST]
    assert QUAKE.detect(pack(bare, ("id1", "textures"))) == 1
    assert QUAKE.detect(pack(bare, ("home", "pictures"))) == 0


@pytest.mark.parametrize(
    "files",
    [
        ["textures/stone.png", "textures/wood.png"],
        ["textures/{3f2504e0-4f89-11d3-9a0c-0305e82c3301}.png", "textures/b.png"],
        ["icons/+1.png", "icons/#1.png"],
        [f"textures/{k}.png" for k in range(200)] + ["textures/#1.png"],
    ],
)
def test_other_folders_are_not_taken_for_quake(files):
    assert QUAKE.detect(pack(files)) == 0


def test_of_the_real_packs_only_librequake_is_quake(shared_packs):
    def score(name):
        return QUAKE.detect(Pack(list(walk(shared_packs / name)), shared_packs.parts, None))

    assert score("librequake") > 0.95
    assert [score(name) for name in ("crawl_tiles", "freedoom", "programmerart")] == [0, 0, 0]


def test_librequakes_bright_textures_are_colour_as_none_lies_beside_a_base(shared_packs):
    paths = {str(path) for path in (shared_packs / "librequake").rglob("*.png")}
    bright = [path for path in paths if path.endswith("_fbr.png")]
    assert len(bright) == 292
    assert not {path.replace("_fbr.png", ".png") for path in bright} & paths


# The engines' own rules


def test_a_sound_pack_has_no_findings():
    files = {
        "textures/#lava1.tga": tga(),
        "textures/+0slip.tga": tga(),
        "textures/+1slip.png": png_head(64, 64),
        "textures/wall.jpg": png_head(64, 64),
        "textures/wall_norm.tga": tga(),
        "dds/textures/wall.dds": pack_header(DXT5),
        "dds/textures/{fence.dds": pack_header(BGRA),
    }
    assert check(files) == []


@pytest.mark.parametrize(
    ("header", "severity", "words"),
    [
        (DX10, "error", "DX10"),
        (replace(DXT5, fourcc=b"ATI2"), "error", "DXT1 to DXT5"),
        (replace(BGRA, masks=(0xFF, 0xFF00, 0xFF0000, 0xFF000000)), "error", "32-bit BGRA"),
        (replace(BGRA, bits=24), "error", "32-bit BGRA"),
        (replace(DXT5, caps2=0xFE00), "error", "cube map"),
        (replace(DXT5, caps=0x1000), "warning", "0x400000"),
        (replace(DXT5, format_flags=4), "hint", "alpha"),
    ],
)
def test_dds_that_darkplaces_does_not_read_in_full(header, severity, words):
    ((found, path, text),) = check({"dds/a.dds": pack_header(header)})
    assert (found, path) == (severity, "dds/a.dds")
    assert words in text


def test_damaged_dds_is_an_error():
    assert [(s, p) for s, p, _ in check({"dds/a.dds": b"DDS "})] == [("error", "dds/a.dds")]


@pytest.mark.parametrize(
    ("files", "path", "words"),
    [
        ({"textures/a.dds": pack_header(DXT5)}, "textures/a.dds", "below the folder dds/"),
        ({"textures/a.webp": b""}, "textures/a.webp", "no .webp"),
        ({"textures/*a.tga": tga()}, "textures/*a.tga", "#"),
        ({"textures/a.tga": tga(), "textures/a.png": png_head(64, 64)}, "textures/a.png", "textures/a.tga before it"),
        ({"textures/+0a.tga": tga(), "textures/+1a.tga": tga(32)}, "textures/+1a.tga", "is 32 x 64"),
        ({"textures/+0a.tga": tga(), "textures/+aa.tga": tga(32)}, "textures/+aa.tga", "is 32 x 64"),
        ({"textures/a.tga": tga(), "textures/a_norm.tga": tga(32)}, "textures/a_norm.tga", "is 64 x 64"),
    ],
)
def test_what_engines_ignore_or_distort_is_a_warning(files, path, words):
    ((severity, found, text),) = check(files)
    assert (severity, found) == ("warning", path)
    assert words in text


def test_frames_of_two_folders_are_two_animations():
    assert check({"textures/a/+0x.tga": tga(), "textures/b/+1x.tga": tga(32)}) == []
