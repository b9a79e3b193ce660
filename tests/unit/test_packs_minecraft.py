"""texup.conventions.minecraft.plan and mcmeta: what becomes of every file of a resource pack, and what the game
makes of it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texup import bounds
from texup.conventions.convention import Planned, Wishes
from texup.conventions.minecraft import mcmeta
from texup.conventions.minecraft.anim import scale_animation
from texup.conventions.minecraft.mcmeta import Meta, frame_size
from texup.conventions.minecraft.plan import MINECRAFT
from texup.packs.opening import open_pack
from texup.packs.walk import walk
from texup.policy.classify import DATA, policy_for
from texup.policy.rules import Rule
from texup.textures.cells import Cells
from texup.textures.codecs.files import read_texture
from texup.textures.texture import Container, Texture
from texup.upscaling.planning import plan_pack

from ..builders import encoded, pack_of, picture, plans_of, said

CASES = Path(__file__).parents[3] / "shared" / "cases" / "B37"
ASSETS = "assets/minecraft/textures/"
ROOT = b'{"pack": {"pack_format": 15, "description": "x"}}'
LAW = settings(deadline=None, derandomize=True)


def png(width, height) -> bytes:
    return picture(width, height, value=77)


def packed(files, place=("packs", "mine"), *, left_out=()):
    return pack_of(files, place, left_out=left_out)


def planned(pack, **wishes):
    return plans_of(MINECRAFT, pack, **wishes)[0]


def findings(pack, **wishes):
    return plans_of(MINECRAFT, pack, **wishes)[1]


def rewritten(pack, scale=4) -> dict[str, bytes]:
    plans = list(planned(pack, scale=scale).values())
    return {car.target: car.data for car in MINECRAFT.sidecars(pack, plans, Wishes(scale=scale))}


FIRE = b'{"animation":{"frames":[16,17,0]}}'
SEA = b'{\n  "animation": {"width": 32, "height": 16}\n}\n'
BUTTON = b'{"gui":{"scaling":{"type":"nine_slice","width":200,"height":20,"border":3}}}'
LISTED = {
    "pack.mcmeta": ROOT,
    "pack.png": png(64, 64),
    ASSETS + "block/stone.png": png(16, 16),
    ASSETS + "block/fire_0.png": png(16, 512),
    ASSETS + "block/fire_0.png.mcmeta": FIRE,
    ASSETS + "block/sea.png": png(32, 64),
    ASSETS + "block/sea.png.mcmeta": SEA,
    ASSETS + "block/leaves.png": png(16, 16),
    ASSETS + "block/stone_n.png": png(16, 16),
    ASSETS + "block/stone_s.png": png(16, 16),
    ASSETS + "colormap/grass.png": png(256, 256),
    ASSETS + "gui/sprites/button.png": png(200, 20),
    ASSETS + "gui/sprites/button.png.mcmeta": BUTTON,
    "assets/minecraft/optifine/emissive.properties": b"suffix.emissive=_e\n",
    "assets/minecraft/lang/x.json": b"{}",
}


def test_each_file_of_the_listed_pack_keeps_its_place():
    plans = planned(packed(LISTED))
    assert {path: plan.target for path, plan in plans.items()} == {path: path for path in LISTED}


def test_pictures_are_enlarged_and_the_rest_is_copied():
    plans = planned(packed(LISTED))
    copied = {path for path, plan in plans.items() if plan.action == "copy"}
    assert copied == {
        "pack.mcmeta",
        "pack.png",
        ASSETS + "block/fire_0.png.mcmeta",
        ASSETS + "colormap/grass.png",
        ASSETS + "gui/sprites/button.png.mcmeta",
        "assets/minecraft/optifine/emissive.properties",
        "assets/minecraft/lang/x.json",
    }
    assert {path for path, plan in plans.items() if plan.action == "rewrite"} == {ASSETS + "block/sea.png.mcmeta"}


def test_strips_are_cut_into_frames():
    plans = planned(packed(LISTED))
    assert plans[ASSETS + "block/fire_0.png"].treatment.cells == Cells("texels", 16, 16)
    assert plans[ASSETS + "block/sea.png"].treatment.cells == Cells("texels", 32, 16)
    assert plans[ASSETS + "block/stone.png"].treatment.cells is None


def test_the_frame_size_of_the_listed_sea_is_scaled():
    assert rewritten(packed(LISTED)) == {
        ASSETS + "block/sea.png.mcmeta": b'{\n  "animation": {"width": 128, "height": 64}\n}\n'
    }


def test_normals_and_material_numbers_are_no_colours():
    plans = planned(packed(LISTED))
    normal, material = (plans[f"{ASSETS}block/stone{role}.png"].treatment for role in ("_n", "_s"))
    assert (normal.kind, normal.normal) == ("normal", "two_channel")
    assert (material.kind, material.method) == ("mask", "nearest")
    assert {normal.kind, material.kind} <= DATA  # so that their alpha is a channel like the others


def test_the_listed_pack_has_nothing_to_warn_of():
    assert findings(packed(LISTED)) == []
    assert list(MINECRAFT.check(packed(LISTED))) == []


@pytest.mark.parametrize(
    ("meta", "size", "frame"),
    [
        (Meta(width=8, height=4), (16, 64), (8, 4)),
        (Meta(width=8), (16, 64), (8, 64)),
        (Meta(height=8), (16, 64), (16, 8)),
        (Meta(), (16, 64), (16, 16)),
        (Meta(), (64, 16), (16, 16)),
    ],
)
def test_a_frame_has_the_size_that_is_given_or_is_square(meta, size, frame):
    assert frame_size(meta, *size) == frame


def test_a_strip_that_is_no_multiple_of_its_frame_is_copied_with_its_description():
    strip = ASSETS + "block/odd.png"
    pack = packed({strip: png(16, 40), strip + ".mcmeta": b'{"animation": {"height": 16}}'})
    plans = planned(pack)
    assert [(plan.action, plan.target) for plan in plans.values()] == [("copy", path) for path in plans]
    assert said(findings(pack)) == [("warning", strip)]
    assert "not a multiple of the frame size 16x16" in findings(pack)[0].text


@pytest.mark.parametrize(
    "text",
    [
        b'{"animation": {',
        b"[]",
        b'{"animation": 3}',
        b'{"animation": {"width": 0}}',
        b'{"animation": {"width": true}}',
        b'{"animation": {"width": 1.5}}',
        b'{"animation": {"width": NaN}}',
        b'{"animation": {"frames": 3}}',
        b'{"animation": {"frames": ["a"]}}',
        b"\xff\xfe",
        b"[" * 100_000,
        b" " * (bounds.MINECRAFT_BYTES + 1),
    ],
)
def test_a_broken_description_leaves_both_files_as_they_are(text):
    strip = ASSETS + "block/odd.png"
    pack = packed({strip: png(16, 32), strip + ".mcmeta": text})
    assert {plan.action for plan in planned(pack).values()} == {"copy"}
    assert said(findings(pack)) == [("warning", strip)]


def test_a_strip_without_a_description_is_one_picture_and_is_named():
    pack = packed({ASSETS + "block/lava.png": png(16, 320), ASSETS + "item/rod.png": png(16, 32)})
    assert said(findings(pack)) == [("warning", ASSETS + "block/lava.png")]
    assert "20 frames" in findings(pack)[0].text
    assert planned(pack)[ASSETS + "block/lava.png"].treatment.cells is None


def test_a_description_is_not_rewritten_for_a_picture_that_is_left_out():
    strip = ASSETS + "block/sea.png"
    pack = packed({strip: png(32, 64), strip + ".mcmeta": SEA}, left_out=[strip])
    assert planned(pack)[strip + ".mcmeta"].action == "copy"


def test_a_description_stays_when_rules_took_its_picture_from_the_nets():
    pack = packed(LISTED)
    plans = planned(pack).values()
    changed = [Planned(p.path, "copy", "rule 1", p.target) if p.path.endswith("sea.png") else p for p in plans]
    assert [car.data for car in MINECRAFT.sidecars(pack, changed, Wishes())] == [SEA]


@pytest.mark.parametrize(
    ("path", "edges"),
    [
        ("block/stone.png", "auto"),
        ("blocks/stone.png", "auto"),
        ("item/stick.png", "clamp"),
        ("gui/icons.png", "clamp"),
        ("entity/pig/pig.png", "clamp"),
        ("environment/rain.png", "auto"),
        ("environment/sun.png", "clamp"),
        ("machines/of/a/mod.png", "auto"),
    ],
)
def test_only_blocks_and_weather_may_wrap(path, edges):
    assert planned(packed({ASSETS + path: png(16, 16)}))[ASSETS + path].treatment.edges == (edges, edges)


def test_a_description_may_clamp_a_block_and_repeat_a_button():
    files = {
        ASSETS + "block/a.png": png(16, 16),
        ASSETS + "block/a.png.mcmeta": b'{"texture": {"blur": false, "clamp": true}}',
        ASSETS + "gui/sprites/b.png": png(16, 16),
        ASSETS + "gui/sprites/b.png.mcmeta": b'{"gui": {"scaling": {"type": "tile", "width": 16, "height": 16}}}',
    }
    plans = planned(packed(files))
    assert plans[ASSETS + "block/a.png"].treatment.edges == ("clamp", "clamp")
    assert plans[ASSETS + "gui/sprites/b.png"].treatment.edges == ("auto", "auto")
    assert plans[ASSETS + "gui/sprites/b.png.mcmeta"].action == "copy"


@pytest.mark.parametrize(
    "path",
    [
        ASSETS + "colormap/foliage.png",
        ASSETS + "misc/vignette.png",
        ASSETS + "environment/clouds.png",
        ASSETS + "trims/color_palettes/gold.png",
        "assets/minecraft/optifine/colormap/swamp.png",
        "assets/minecraft/optifine/lightmap/world0.png",
        ASSETS + "block/stone.tga",
        "assets/minecraft/icons/icon_16x16.png",
        "docs/picture.png",
    ],
)
def test_pictures_that_are_looked_up_or_not_read_are_copied_with_a_reason(path):
    plan = planned(packed({path: png(16, 16)}))[path]
    assert (plan.action, plan.target) == ("copy", path)
    assert plan.reason


def test_glyphs_and_the_patterns_of_trims_keep_their_exact_values():
    plans = planned(packed({ASSETS + "font/ascii.png": png(128, 128), ASSETS + "trims/items/boots.png": png(16, 16)}))
    assert [plan.treatment.method for plan in plans.values()] == ["nearest", "nearest"]
    assert plans[ASSETS + "font/ascii.png"].treatment.kind == "font"


@pytest.mark.parametrize(
    ("path", "cells"),
    [
        (ASSETS + "environment/moon_phases.png", Cells("count", 4, 2)),
        ("assets/minecraft/optifine/sky/world0/night.png", Cells("count", 3, 2)),
    ],
)
def test_the_moon_and_skies_are_grids(path, cells):
    assert planned(packed({path: png(96, 64)}))[path].treatment.cells == cells
    assert planned(packed({path: png(97, 64)}))[path].treatment.cells is None


def test_a_suffix_makes_a_map_only_where_its_base_or_its_twin_is_there():
    names = ("gate_n", "gate_s", "rail_s", "lamp", "lamp_e", "rose_e", "door", "door_n", "door_s", "door_w")
    plans = planned(packed({f"{ASSETS}block/{name}.png": png(16, 16) for name in names}))
    kinds = {name: plans[f"{ASSETS}block/{name}.png"].treatment.kind for name in names}
    assert kinds == {
        **dict.fromkeys(("rail_s", "lamp", "rose_e", "door", "door_n", "door_s", "door_w"), "colour"),
        "gate_n": "normal",
        "gate_s": "mask",
        "lamp_e": "emissive",
    }


def policies(pixels):
    """What becomes of stone_n and stone_s with these pixels."""
    plans = planned(packed(LISTED))
    seen = Texture(np.ascontiguousarray(pixels, np.uint8), Container("png"))
    found = [policy_for(seen, plans[f"{ASSETS}block/stone{role}.png"].treatment) for role in ("_n", "_s")]
    return [(policy.kind, policy.method, policy.alpha) for policy in found]


def labpbr_normals(side=16):
    y, x = np.mgrid[:side, :side]
    slopes = [128 + 60 * np.sin(x / 2), 128 + 60 * np.sin(y / 2)]
    return np.stack([*slopes, np.full((side, side), 255), np.full((side, side), 200)], axis=2)


def labpbr_materials(side=16):
    y, x = np.mgrid[:side, :side]
    return np.stack([x * 16, np.where(y < 8, 10, 230), np.where(x < 8, 0, 64), np.full((side, side), 255)], axis=2)


def test_pixels_of_maps_are_taken_for_what_their_names_suggest():
    assert policies(labpbr_normals())[0] == ("normal", "vectors", "constant")
    assert policies(labpbr_normals()[..., :3])[0] == ("normal", "vectors", "none")
    assert policies(labpbr_materials())[1] == ("mask", "nearest", "constant")
    assert policies(labpbr_materials()[..., :3])[1] == ("mask", "nearest", "none")
    grey = labpbr_materials()[..., :1].repeat(3, 2)
    assert policies(grey)[1] == ("mask", "nearest", "none")
    glowing = labpbr_materials()
    glowing[4:8, 4:8, 3] = 0
    assert policies(glowing)[1] == ("mask", "nearest", "data")


def test_coloured_pictures_are_colour_whatever_their_names_suggest(disc):
    y, x = np.mgrid[:16, :16]
    picture = np.stack([40 + 12 * x, 230 - 9 * y, 90 + 5 * (x + y)], axis=2)
    assert [kind for kind, _, _ in policies(picture)] == ["colour", "colour"]
    assert {method for _, method, _ in policies(picture)} == {"net"}
    normal, _ = policies(np.dstack([picture, disc(16, 16) * 255]))
    assert normal == ("colour", "net", "binary")


@pytest.mark.skipif(not CASES.is_dir(), reason="no ../shared/cases/B37")
def test_machines_and_gates_of_a_real_mod_are_colour():
    folder = CASES / "packN"
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.png")]
    plans = planned(packed({name: (folder / name).read_bytes() for name in names}))
    kinds = {policy_for(read_texture(folder / name), plans[name].treatment).kind for name in names}
    assert (len(names), kinds) == (8, {"colour"})


def test_optifine_may_name_another_suffix_for_what_glows():
    files = {
        "assets/minecraft/optifine/emissive.properties": b"# glow\r\nsuffix.emissive = _glow\r\n",
        ASSETS + "block/lamp.png": png(16, 16),
        ASSETS + "block/lamp_glow.png": png(16, 16),
        ASSETS + "block/lamp_e.png": png(16, 16),
    }
    plans = planned(packed(files))
    assert plans[ASSETS + "block/lamp_glow.png"].treatment.kind == "emissive"
    assert plans[ASSETS + "block/lamp_e.png"].treatment.kind == "colour"


def test_maps_of_a_strip_are_cut_like_their_base():
    files = {
        ASSETS + "block/sea.png": png(16, 64),
        ASSETS + "block/sea.png.mcmeta": b'{"animation": {}}',
        ASSETS + "block/sea_n.png": png(16, 64),
        ASSETS + "block/sea_s.png": png(16, 16),
    }
    plans = planned(packed(files))
    assert plans[ASSETS + "block/sea_n.png"].treatment.cells == Cells("texels", 16, 16)


@pytest.mark.parametrize(("scale", "severities"), [(2, []), (3, ["warning"]), (4, []), (6, ["warning"])])
def test_scales_that_are_no_powers_of_two_are_warned_of(scale, severities):
    assert [finding.severity for finding in findings(packed(LISTED), scale=scale)] == severities


@pytest.mark.parametrize(("dds", "severity"), [("auto", "warning"), ("bc7", "error"), ("bc3", "error")])
def test_dds_is_refused_when_asked_for_by_name(dds, severity):
    assert said(findings(packed(LISTED), dds=dds)) == [(severity, "")]
    assert all(plan.treatment.store in ("", "png") for plan in planned(packed(LISTED), dds=dds).values())


def test_palettes_are_kept_when_wished():
    stone = ASSETS + "block/stone.png"
    assert planned(packed(LISTED))[stone].treatment.store == "png"
    assert planned(packed(LISTED), palette="keep")[stone].treatment.store == ""


def test_detection_takes_the_listed_pack_and_old_ones_without_assets():
    old = {f"textures/{folder}/{name}.png": b"" for folder in ("blocks", "items") for name in "abc"}
    assert MINECRAFT.detect(packed(LISTED)) >= 0.9
    assert MINECRAFT.detect(packed({**old, "pack.mcmeta": ROOT})) >= 1
    assert MINECRAFT.detect(packed(old)) >= 1


def test_detection_knows_a_pack_opened_inside_assets():
    files = {"block/stone.png": b"", "item/stick.png": b""}
    place = ("home", "pack", "assets", "minecraft", "textures")
    assert MINECRAFT.detect(packed(files, place)) >= 1
    assert planned(packed(files, place))["block/stone.png"].treatment.edges == ("auto", "auto")


def test_detection_leaves_other_textures_alone():
    assert MINECRAFT.detect(packed({"textures/base/wall.png": b"", "textures/e1/floor.png": b""})) == 0
    assert MINECRAFT.detect(packed({"textures/block/wall.png": b"", "wall.png": b""})) == 0
    bedrock = {"manifest.json": b"{}", "textures/blocks/a.png": b"", "textures/items/b.png": b""}
    assert MINECRAFT.detect(packed(bedrock)) == 0


def test_files_that_are_no_pictures_of_the_game_have_no_name():
    for path in ("pack.png", "assets/minecraft/lang/x.json", "assets/minecraft/textures/block/a.png.mcmeta"):
        assert MINECRAFT.parse(path) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9999, 9999) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["width", "height", "a"]) | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
ANIMATIONS = st.fixed_dictionaries(
    {},
    optional={
        "width": st.integers(1, 4096),
        "frames": st.lists(
            st.integers(0, 99) | st.fixed_dictionaries({"index": st.integers(0, 9), "time": st.just(3)})
        ),
        "height": st.integers(1, 4096),
        "frametime": st.integers(1, 99),
        "more": JSON,
    },
)


@LAW
@given(ANIMATIONS, st.dictionaries(st.text(max_size=6), JSON, max_size=3), st.integers(1, 8), st.booleans(), st.data())
def test_scaling_changes_the_size_of_a_frame_and_nothing_else(animation, others, scale, is_pretty, data):
    others = {key: value for key, value in others.items() if key not in ("gui", "texture", "animation")}
    root = {**others, "animation": animation, "gui": {"scaling": {"type": "nine_slice", "width": 200, "height": 20}}}
    mark = b"\xef\xbb\xbf" * data.draw(st.booleans())
    text = json.dumps(root, indent=2 if is_pretty else None, ensure_ascii=data.draw(st.booleans()))
    source = mark + text.encode()
    expected = {key: value * scale if key in ("width", "height") else value for key, value in animation.items()}
    result = mcmeta.scale_mcmeta(source, scale)
    assert json.loads(result.decode("utf-8-sig")) == {**root, "animation": expected}
    assert mcmeta.scale_mcmeta(source, 1) == source


def checked(files: dict[str, bytes]) -> list[tuple[str, str]]:
    return said(MINECRAFT.check(packed(files)))


SOUND = {"pack.mcmeta": ROOT, ASSETS + "block/stone.png": png(16, 16)}


def test_a_sound_pack_has_no_findings():
    assert checked(SOUND) == []


@pytest.mark.parametrize("text", [b"{", b"[]", b"{}", b'{"pack": {"description": "x"}}', b"\xff"])
def test_a_pack_that_the_game_does_not_list_is_an_error(text):
    assert checked({**SOUND, "pack.mcmeta": text}) == [("error", "pack.mcmeta")]


def test_a_missing_root_file_is_an_error_where_there_are_assets():
    assert checked({ASSETS + "block/a.png": png(16, 16)}) == [("error", "")]
    deep = packed({"mine/pack.mcmeta": ROOT, f"mine/{ASSETS}block/a.png": png(16, 16)})
    assert "lies in mine/" in next(MINECRAFT.check(deep)).text


def test_an_old_partial_pack_is_warned_of():
    assert checked({"textures/blocks/a.png": png(16, 16)}) == [("warning", ""), ("warning", "")]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"block/Stone.png": png(16, 16)}, ("error", "block/Stone.png")),
        ({"block/a b.png": png(16, 16)}, ("error", "block/a b.png")),
        ({"block/a.tga": b""}, ("warning", "block/a.tga")),
        ({"block/a.png": b"no picture"}, ("error", "block/a.png")),
        ({"block/a.png": png(17, 16)}, ("warning", "block/a.png")),
        ({"block/a_n.png": png(16, 16)}, ("warning", "block/a_n.png")),
        ({"block/a.png": png(16, 16), "block/a_e.png": png(8, 8)}, ("warning", "block/a_e.png")),
        ({"block/a.png.mcmeta": b"{}"}, ("warning", "block/a.png.mcmeta")),
        ({"block/a.png": png(16, 16), "block/a.png.mcmeta": b"{"}, ("error", "block/a.png.mcmeta")),
        ({"block/a.png": png(16, 40), "block/a.png.mcmeta": b'{"animation": {}}'}, ("error", "block/a.png")),
        (
            {"block/a.png": png(16, 32), "block/a.png.mcmeta": b'{"animation": {"frames": [0, 2]}}'},
            ("warning", "block/a.png.mcmeta"),
        ),
    ],
)
def test_each_fault_is_found_once(files, expected):
    found = checked(SOUND | {ASSETS + path: data for path, data in files.items()})
    assert found == [(expected[0], ASSETS + expected[1])]


def test_sixteen_bits_are_warned_of():
    deep = encoded(np.full((16, 16, 3), 777, np.uint16))
    assert checked({**SOUND, ASSETS + "block/a.png": deep}) == [("warning", ASSETS + "block/a.png")]


def test_games_before_1_11_take_upper_case():
    old = {**SOUND, "pack.mcmeta": b'{"pack": {"pack_format": 2}}', ASSETS + "block/Old.png": png(16, 16)}
    assert checked(old) == [("warning", ASSETS + "block/Old.png")]


def test_a_real_old_pack_is_found_planned_and_passes(shared_packs):
    root = shared_packs / "programmerart"
    pack = open_pack(root, list(walk(root)))
    plans = planned(pack)
    assert MINECRAFT.detect(pack) >= 1
    assert sum(plan.action == "upscale" for plan in plans.values()) == 788
    assert plans["textures/blocks/water_flow.png"].treatment.cells == Cells("texels", 16, 16)
    assert [finding.severity for finding in MINECRAFT.check(pack)] == ["warning"]


CHEST, ANIM = ASSETS + "entity/chest/ender.png", "assets/minecraft/optifine/anim/"
ENDER = b"from=./ender.png\r\nto=textures/entity/chest/ender.png\r\nx=8\r\ny=0\r\nw=16\r\nh=8\r\nduration=2\r\n"
CHESTS = {**SOUND, CHEST: png(64, 64), ANIM + "ender.png": png(16, 24), ANIM + "ender.properties": ENDER}


def test_the_texels_of_an_animation_are_scaled_and_its_frames_are_cut():
    pack = packed(CHESTS)
    plans = planned(pack)
    assert plans[ANIM + "ender.properties"].action == "rewrite"
    assert plans[ANIM + "ender.png"].treatment.cells == Cells("texels", 16, 8)
    assert rewritten(pack) == {
        ANIM + "ender.properties": b"from=./ender.png\r\nto=textures/entity/chest/ender.png\r\n"
        b"x=32\r\ny=0\r\nw=64\r\nh=32\r\nduration=2\r\n"
    }
    assert findings(pack) == []
    assert list(MINECRAFT.check(pack)) == []


@pytest.mark.parametrize("name", ["optifine/anim/a/b/ender", "mcpatcher/anim/ender", "animatica/anim/ender"])
def test_every_loader_of_animations_has_a_folder_of_its_own(name):
    files = {**CHESTS, f"assets/minecraft/{name}.properties": ENDER, f"assets/minecraft/{name}.png": png(16, 16)}
    plans = planned(packed(files))
    assert plans[f"assets/minecraft/{name}.properties"].action == "rewrite"
    assert plans[f"assets/minecraft/{name}.png"].treatment.cells == Cells("texels", 16, 8)


@pytest.mark.parametrize(
    "spelt",
    [
        *("./ender.png", "ender.png", "~/anim/ender.png", "/~/anim/ender.png", "optifine/anim/ender.png"),
        *("minecraft:optifine/anim/ender.png", r"minecraft\:optifine/anim/ender.png", "/anim/ender.png"),
        *("assets/minecraft/optifine/anim/ender.png", "/optifine/anim/ender.png", r"./\u0065nder.png", " ./ender.png "),
        *("./en\\\n   der.png", "./en\\\r\n\tder.png"),
    ],
)
def test_every_spelling_of_a_path_is_understood(spelt):
    files = {**CHESTS, ANIM + "ender.properties": ENDER.replace(b"./ender.png", spelt.encode())}
    plans = planned(packed(files))
    assert plans[ANIM + "ender.png"].treatment.cells == Cells("texels", 16, 8)
    assert plans[ANIM + "ender.properties"].action == "rewrite"


@pytest.mark.parametrize(
    ("source", "result"),
    [
        (b"x=8", b"x=32"),
        (b"  w : 16  \nh 8", b"  w : 64  \nh 32"),
        (b"x=+8\rx=1\r\ny:0", b"x=32\rx=4\r\ny:0"),
        (b"#x=8\n! x=8\n # y=1", b"#x=8\n! x=8\n # y=1"),
        (b"to=a\\\nx=8\nx=8", b"to=a\\\nx=8\nx=32"),
        (b"#to=a\\\nx=8", b"#to=a\\\nx=32"),
        (b"max=8\nx.0=8\nX=8\nduration=8\ntile.1=8", b"max=8\nx.0=8\nX=8\nduration=8\ntile.1=8"),
        (b"x=8.5\ny=8px\nw=\nh", b"x=8.5\ny=8px\nw=\nh"),
        (b"\xe9=8\n\xa0x=8\nx=8\\", b"\xe9=8\n\xa0x=8\nx=32\\"),
    ],
)
def test_only_texels_are_multiplied_and_other_bytes_kept(source, result):
    assert scale_animation(source, 4) == result
    assert scale_animation(source, 1) == source.replace(b"+8", b"8")


@LAW
@given(st.binary(max_size=60) | st.text("xywh=:#!\\ \n\r0123456789-+", max_size=60).map(str.encode))
def test_no_file_is_too_odd_to_be_scaled(data):
    assert len(scale_animation(data, 1)) <= len(data)
    scale_animation(data, 4)


def test_a_strip_that_is_larger_than_its_place_is_cut_where_the_loader_does():
    files = {**CHESTS, ANIM + "ender.png": png(32, 48)}
    assert planned(packed(files))[ANIM + "ender.png"].treatment.cells == Cells("texels", 32, 16)


def test_an_animation_stays_where_its_picture_is_not_enlarged():
    path = ANIM + "ender.properties"
    elsewhere = {name: data for name, data in CHESTS.items() if name != CHEST}
    assert planned(packed(elsewhere))[path].action == "copy"
    assert planned(packed(CHESTS, left_out=[CHEST]))[path].action == "copy"
    pack = packed(CHESTS)
    plans = planned(pack).values()
    changed = [Planned(p.path, "copy", "rule 1", p.target) if p.path == CHEST else p for p in plans]
    assert [car.data for car in MINECRAFT.sidecars(pack, changed, Wishes())] == [ENDER]


def test_what_describes_a_picture_grows_by_the_scale_of_its_rule():
    described = {**CHESTS, ASSETS + "block/sea.png": png(32, 64), ASSETS + "block/sea.png.mcmeta": SEA}
    pack = packed(described)
    rules = [Rule(1, ("**/ender.png", "**/sea.png"), scale=2)]
    cars = {car.source: car.data for car in plan_pack(pack, MINECRAFT, Wishes(scale=4), rules).sidecars}
    assert b"x=16\r\n" in cars[ANIM + "ender.properties"]
    assert b'{"width": 64, "height": 32}' in cars[ASSETS + "block/sea.png.mcmeta"]


def test_a_picture_beside_the_animation_goes_before_one_of_an_overlay():
    over = {f"a_1_21/{path}": data for path, data in CHESTS.items() if path.startswith("assets/")}
    plans = planned(packed({**over, **CHESTS, f"a_1_21/{ANIM}ender.png": png(32, 32)}))
    assert plans[ANIM + "ender.png"].treatment.cells == Cells("texels", 16, 8)
    assert plans[f"a_1_21/{ANIM}ender.png"].treatment.cells == Cells("texels", 32, 16)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({ANIM + "ender.properties": ENDER.replace(b"from", b"form")}, "error"),
        ({ANIM + "ender.properties": ENDER.replace(b"to=", b"to=\r\n#")}, "error"),
        ({ANIM + "ender.properties": ENDER.replace(b"x=8", b"")}, "error"),
        ({ANIM + "ender.properties": ENDER.replace(b"y=0", b"y=-1")}, "error"),
        ({ANIM + "ender.properties": ENDER.replace(b"w=16", b"w=0")}, "error"),
        ({ANIM + "ender.properties": ENDER.replace(b"h=8", b"h=eight")}, "error"),
        ({ANIM + "ender.properties": ENDER + b"#" * bounds.MINECRAFT_BYTES}, "error"),
        ({ANIM + "ender.properties": ENDER.replace(b"x=8", b"x=49")}, "error"),
        ({CHEST: png(64, 7)}, "error"),
        ({ANIM + "ender.png": png(16, 20)}, "error"),
        ({ANIM + "ender.properties": ENDER.replace(b"./ender", b"./other")}, "warning"),
        ({ANIM + "ender.properties": ENDER.replace(b"chest/ender", b"chest/other")}, "warning"),
    ],
)
def test_each_fault_of_an_animation_is_found_once(change, expected):
    assert checked({**CHESTS, **change}) == [(expected, ANIM + "ender.properties")]


def test_what_is_no_animation_is_copied_and_named():
    files = {**CHESTS, ANIM + "ender.properties": ENDER.replace(b"w=16", b"w=")}
    pack = packed(files)
    assert planned(pack)[ANIM + "ender.properties"].action == "copy"
    assert said(findings(pack)) == [("warning", ANIM + "ender.properties")]


def test_mcpatcher_takes_zero_for_a_place_that_is_not_given():
    files = {**SOUND, CHEST: png(64, 64), ANIM.replace("optifine", "mcpatcher") + "ender.png": png(16, 24)}
    file = ANIM.replace("optifine", "mcpatcher") + "ender.properties"
    pack = packed({**files, file: b"from=./ender.png\nto=textures/entity/chest/ender.png\nw=16\nh=8"})
    assert rewritten(pack)[file] == b"from=./ender.png\nto=textures/entity/chest/ender.png\nw=64\nh=32"
    assert list(MINECRAFT.check(pack)) == []
