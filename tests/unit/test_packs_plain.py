"""texup.conventions.plain: every file in its place, and suffixes believed only beside their base."""

from __future__ import annotations

import numpy as np
import pytest

from texup.conventions.convention import Planned, Wishes
from texup.conventions.plain import PLAIN
from texup.packs.pack import Pack
from texup.packs.walk import walk
from texup.policy.classify import Treatment, policy_for
from texup.textures.texture import Container, Texture

from ..builders import pack_of, plans_of


def plan(paths, **wishes):
    return plans_of(PLAIN, pack_of(paths), **wishes)[0]


def treatments(*paths):
    return [item.treatment for item in plan(list(paths)).values()]


def test_every_file_keeps_its_place_and_name():
    paths = ["a.png", "b/C.TGA", "b/d.e.webp", "b/#f.png"]
    assert {path: (item.action, item.target) for path, item in plan(paths).items()} == {
        path: ("upscale", path) for path in paths
    }


def test_other_files_are_left_out_unless_wished():
    assert plan(["a.txt"])["a.txt"] == Planned("a.txt", "skip", "not a texture")
    assert plan(["a.txt"], copy_other=True)["a.txt"] == Planned("a.txt", "copy", target="a.txt")


NORMAL = Treatment(kind="normal", doubted=True)
HEIGHT = Treatment(kind="height", doubted=True)
MASK = Treatment(kind="mask")


@pytest.mark.parametrize(
    ("base", "role", "expected"),
    [
        ("stone.png", "stone_normal.png", NORMAL),
        ("stone.png", "Stone_NRM.png", NORMAL),
        ("stone_d.dds", "stone_nm.png", NORMAL),
        ("stone_basecolor.png", "stone_roughness.png", MASK),
        ("stone_albedo.jpg", "stone_orm.png", MASK),
        ("stone.png", "stone_ao.png", MASK),
        ("stone.png", "stone_height.png", HEIGHT),
        ("stone.png", "stone_emissive.png", Treatment(kind="emissive")),
        ("stone.png", "stone_opacity.png", Treatment(kind="mask", method="net")),
        ("stone.png", "stone_n.png", Treatment()),
        ("stone.png", "stone_top.png", Treatment()),
        ("iron.png", "iron_sword.png", Treatment()),
    ],
)
def test_a_suffix_counts_beside_its_base(base, role, expected):
    assert treatments(base, role)[1] == expected
    assert treatments(role) == [Treatment()]
    assert treatments(f"other/{base}", role)[1] == Treatment()


def test_the_base_itself_is_left_to_the_pixels():
    assert treatments("stone.png", "stone_normal.png")[0] == Treatment()


def test_the_north_side_of_stone_stays_colour():
    colours = np.random.default_rng(0).integers((90, 120, 40), (140, 170, 90), (16, 16, 3)).astype(np.uint8)
    side = Texture(colours, Container("png"))
    for name in ("stone_n.png", "stone_normal.png", "stone_bump.png"):
        assert policy_for(side, treatments("stone.png", name)[1]).kind == "colour"


def test_dds_files_keep_levels_inside():
    assert treatments("a.dds", "B.DDS", "c.png") == [Treatment(mips="kept")] * 2 + [Treatment()]


@pytest.mark.parametrize(("wish", "kept", "made"), [("auto", "", "bc7"), ("bc1", "bc1", "bc1"), ("bc7", "bc7", "bc7")])
def test_dds_on_request(wish, kept, made):
    plans = plan(["a.dds", "b.c.png"], dds=wish)
    assert [item.target for item in plans.values()] == ["a.dds", "b.c.dds"]
    assert [item.treatment for item in plans.values()] == [
        Treatment(store=s, mips="inside" if s else "kept") for s in (kept, made)
    ]


def test_plain_is_never_found_out_and_has_no_rules():
    pack = pack_of(["a.png"])
    assert PLAIN.detect(pack) == 0
    assert list(PLAIN.check(pack)) == []


def test_in_real_packs_of_colours_nearly_no_suffix_is_believed(shared_packs):
    found = []
    for name in ("crawl_tiles", "freedoom", "librequake", "programmerart"):
        pack = Pack(list(walk(shared_packs / name)), (), None)
        found += [item.path for item in PLAIN.plan(pack, Wishes()) if item.treatment != Treatment()]
    assert found == ["texture-wads/lq_terra/med_rock3_bump.png"]  # whose pixels deny it
