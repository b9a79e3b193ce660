"""texup.conventions.bethesda: roles, what is left alone, DDS, detection and the games' own rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from texup.conventions.bethesda import BETHESDA
from texup.conventions.quake.plan import QUAKE
from texup.packs.pack import Pack
from texup.packs.walk import walk
from texup.policy.classify import Treatment, policy_for
from texup.textures.codecs.dds import must_copy
from texup.textures.codecs.dds_header import DdsHeader, pack_header
from texup.textures.codecs.files import read_texture
from texup.textures.enlarge import enlarge
from texup.textures.texture import Container, Texture

from ..builders import pack_of, plans_of

CASES = Path(__file__).parents[3] / "shared" / "cases" / "B14"
CLAMP = ("clamp", "clamp")
LIST = [
    "textures/armor/body_msn.dds",
    "textures/armor/env_e.dds",
    "textures/armor/iron_sword.dds",
    "textures/armor/iron_sword_n.dds",
]
BC3 = DdsHeader(64, 32, 0xA1007, mips=7, format_flags=5, fourcc=b"DXT5", caps=0x401008)
BC7 = replace(BC3, fourcc=b"DX10", dxgi=98, dimension=3, misc=0, array_size=1, misc2=0)


def pack(files, place=("home", "mods", "Sword")):
    return pack_of(files, place, content=pack_header(BC3))


def plan(files, **wishes):
    return plans_of(BETHESDA, pack(files), **wishes)


def treatment(path, **wishes):
    return plan([path], **wishes)[0][path].treatment


def check(files):
    return [(finding.severity, finding.path, finding.text) for finding in BETHESDA.check(pack(files))]


def dds(pixels, block="bc3"):
    return Texture(np.ascontiguousarray(pixels, np.uint8), Container("dds", block=block))


def coded(vectors):
    return np.rint((vectors / np.linalg.norm(vectors, axis=2, keepdims=True) + 1) * 127.5)


def bumps(side=16):
    y, x = np.mgrid[:side, :side]
    return coded(np.stack([np.sin(x / 2), np.sin(y / 3), np.ones((side, side))], axis=2))


def lengths(pixels):
    return np.linalg.norm(pixels[..., :3].astype(float) / 127.5 - 1, axis=2)


# The list of the specification


def test_the_specified_list():
    plans, findings = plan(LIST)
    assert findings == []
    assert {path: item.target for path, item in plans.items()} == {path: path for path in LIST}
    assert {item.action for item in plans.values()} == {"upscale"}
    assert {item.treatment.mips for item in plans.values() if item.action == "upscale"} == {"inside"}


def test_colour_goes_through_the_net():
    seen = dds(np.random.default_rng(0).integers(40, 160, (16, 16, 4)))
    policy = policy_for(seen, treatment("textures/armor/iron_sword.dds"))
    assert (policy.kind, policy.method) == ("colour", "net")


def test_tangent_normals_face_up_at_length_one_and_specular_in_alpha_is_filtered(disc):
    strength = np.rint(disc(16, 16, radius=5, soft=True) * 255)[..., None]
    seen = dds(np.concatenate([bumps(), strength], axis=2))
    policy = policy_for(seen, treatment("textures/armor/iron_sword_n.dds"))
    assert (policy.kind, policy.method, policy.normal, policy.alpha) == ("normal", "vectors", "tangent", "data")
    result = enlarge(seen, policy.method, 4, policy.edges, policy.normal).pixels
    assert result.shape == (64, 64, 4)
    assert np.abs(lengths(result) - 1).max() < 0.01
    assert result[..., 2].min() >= 127
    alone = Texture(seen.pixels[..., 3:].copy(), seen.container)
    assert (result[..., 3:] == enlarge(alone, "smooth", 4, policy.edges, None).pixels).all()


def test_model_space_normals_keep_three_channels():
    away = coded(np.random.default_rng(0).normal((0, 0, -1), 1, (16, 16, 3)))
    policy = policy_for(dds(away), treatment("textures/armor/body_msn.dds"))
    assert (policy.method, policy.normal) == ("vectors", "object")
    result = enlarge(dds(away), "vectors", 4, CLAMP, policy.normal).pixels
    assert result[..., 2].mean() < 100
    assert np.abs(lengths(result) - 1).max() < 0.01


def test_fallout_normals_have_two_channels():
    two = bumps()
    two[..., 2] = 0
    policy = policy_for(dds(two, "bc5"), treatment("textures/armor/iron_sword_n.dds"))
    assert policy.normal == "two_channel"
    result = enlarge(dds(two, "bc5"), policy.method, 4, CLAMP, policy.normal).pixels
    whole = enlarge(dds(bumps()), "vectors", 4, CLAMP, "tangent").pixels
    assert np.abs(result[..., :2].astype(int) - whole[..., :2]).max() <= 1
    assert (result[..., 2] == 0).all()


def test_fallout_specular_is_no_normal_map():
    assert policy_for(dds(bumps(), "bc5"), treatment("textures/armor/iron_s.dds")).method == "smooth"


# Roles and places


@pytest.mark.parametrize(
    ("suffix", "kind", "method"),
    [
        ("", "colour", "net"),
        ("_d", "colour", "net"),
        ("_n", "normal", "vectors"),
        ("_msn", "normal", "vectors"),
        ("_s", "mask", "smooth"),
        ("_g", "emissive", "net"),
        ("_m", "mask", "smooth"),
        ("_em", "mask", "smooth"),
        ("_sk", "colour", "net"),
        ("_p", "height", "smooth"),
        ("_b", "emissive", "net"),
        ("_HL", "mask", "smooth"),
    ],
)
def test_suffixes_suggest_how_a_texture_is_enlarged_and_pixels_agree_or_deny(suffix, kind, method):
    picture = np.random.default_rng(0).integers(40, 160, (16, 16, 3))
    away = coded(np.random.default_rng(0).normal((0, 0, -1), 1, (16, 16, 3)))
    fitting = {"normal": away if suffix == "_msn" else bumps(), "mask": picture[..., :1], "height": picture[..., :1]}
    found = policy_for(dds(fitting.get(kind, picture)), treatment(f"textures/armor/iron_sword{suffix}.dds"))
    assert (found.kind, found.method) == (kind, method)
    denied = policy_for(dds(picture), treatment(f"textures/armor/iron_sword{suffix}.dds"))
    assert denied.kind == (kind if kind == "emissive" else "colour")
    assert denied.method == "net"


@pytest.mark.parametrize("header", [replace(BC3, caps2=0xFE00), replace(BC7, misc=4)])
def test_a_cube_map_is_one_by_its_header_and_not_by_its_name(header):
    assert "cube map" in must_copy(pack_header(header))
    assert must_copy(pack_header(BC3)) is None
    picture = np.random.default_rng(0).integers(40, 160, (16, 16, 3))
    assert policy_for(dds(picture), treatment("textures/armor/cube_e.dds")).method == "net"


@pytest.mark.skipif(not CASES.is_dir(), reason="no ../shared/cases/B14")
def test_night_snow_and_ruins_of_another_game_are_pictures():
    folder = CASES / "packG"
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.dds")]
    other = pack({name: (folder / name).read_bytes() for name in names}, ("mods", "packG"))
    assert BETHESDA.detect(other) == pytest.approx(0.4)
    plans, _ = plans_of(BETHESDA, other)
    assert {plan.action for plan in plans.values()} == {"upscale"}
    policies = [policy_for(read_texture(folder / name), plans[name].treatment) for name in names]
    assert (len(names), {policy.method for policy in policies}) == (11, {"net"})


@pytest.mark.parametrize(
    "path",
    [
        "textures/LOD/tree.dds",
        "textures/lodtrees/tree.dds",
        "textures/terrain/tamriel/a.dds",
        "Data/textures/Interface/map.dds",
        "interface/map.dds",
        "textures/cubemaps/ore.dds",
        "textures/actors/character/FaceGenData/facetint/a.dds",
    ],
)
def test_what_the_games_or_their_tools_make_is_copied_with_a_reason(path):
    item = plan([path])[0][path]
    assert (item.action, item.target) == ("copy", path)
    assert item.reason


@pytest.mark.parametrize("path", ["textures/lodge/wall.dds", "textures/armor/lod.dds", "lod/textures/a.dds"])
def test_names_that_only_look_like_it_are_upscaled(path):
    assert plan([path])[0][path].action == "upscale"


@pytest.mark.parametrize(
    ("path", "alpha"),
    [
        ("textures/landscape/dirt01.dds", "data"),
        ("textures/landscape/dirt01_d.dds", "data"),
        ("textures/landscape/trees/pine.dds", "auto"),
        ("textures/plants/fern.dds", "auto"),
    ],
)
def test_alpha_of_the_ground_is_strength_of_highlights_and_that_of_trees_is_not(path, alpha):
    assert treatment(path).alpha == alpha


def test_a_ground_that_is_opaque_stays_so():
    opaque = np.full((16, 16, 4), 255)
    opaque[..., :3] = np.random.default_rng(0).integers(0, 256, (16, 16, 3))
    assert policy_for(dds(opaque), treatment("textures/landscape/dirt01.dds")).alpha == "constant"


def test_other_files_are_left_out_unless_wished():
    files = {"meshes/a.nif": b"", "textures/a.dds": pack_header(BC3)}
    assert plan(files)[0]["meshes/a.nif"].action == "skip"
    assert plan(files, copy_other=True)[0]["meshes/a.nif"].action == "copy"


# Names and DDS


def test_the_games_do_not_mind_case():
    assert BETHESDA.lookup("Textures/A.DDS") == BETHESDA.lookup("textures/a.dds")


@pytest.mark.parametrize("wish", ["", "auto", "bc1", "bc3", "bc7"])
def test_a_coding_is_changed_on_request_and_for_colour_only(wish):
    store = "" if wish == "auto" else wish
    assert treatment("textures/a.dds", dds=wish).store == store
    assert treatment("textures/a_g.dds", dds=wish).store == store
    assert {treatment(f"textures/a{end}.dds", dds=wish).store for end in ("_n", "_msn", "_s", "_p")} == {""}


def test_codings_with_a_catch_are_named():
    assert [[f.severity for f in plan(LIST, dds=wish)[1]] for wish in ("auto", "bc1", "bc3", "bc7")] == [
        [],
        ["warning"],
        [],
        ["hint"],
    ]


def test_other_formats_become_dds_on_request():
    item = plan({"textures/a.tga": b""}, dds="auto")[0]["textures/a.tga"]
    assert (item.target, item.treatment.store, item.treatment.mips) == ("textures/a.dds", "bc3", "inside")
    assert plan({"textures/a.tga": b""})[0]["textures/a.tga"].treatment == Treatment()


# Detection


def test_the_specified_list_is_found_out():
    assert BETHESDA.detect(pack(LIST)) == 1
    assert QUAKE.detect(pack(LIST)) == 0


@pytest.mark.parametrize(
    ("files", "score"),
    [
        (["textures/a.dds", "textures/b.dds"], 0.4),
        (["textures/clutter/a.dds"], 1),
        ({"textures/a.dds": b"", "a.esp": b""}, 1.1),
        (["dds/textures/a_n.dds"], 0),
        (["other/a_n.dds"], 0),
        (["textures/a_n.png"], 0),
        (["textures/a_n.dds", "textures/b.png"], 0.2),
        (["textures/a_n.dds", "textures/a_s.dds", "textures/a_e.dds", "textures/a.dds"], 0.4),
        (["textures/armor/a_n.dds", "textures/b.png"], 0.5),
    ],
)
def test_dds_below_textures_needs_something_else_that_speaks_of_the_games(files, score):
    assert BETHESDA.detect(pack(files)) == pytest.approx(score)


@pytest.mark.parametrize(
    "file",
    [
        *(f"textures/{folder}/iron.dds" for folder in ("actors", "architecture", "armor", "clothes", "clutter")),
        *(f"textures/{folder}/iron.dds" for folder in ("creatures", "dungeons", "landscape", "Weapons")),
    ],
)
def test_each_folder_of_the_games_speaks_of_them(file):
    assert BETHESDA.detect(pack([file])) == 1
    assert BETHESDA.detect(pack([file, "textures/iron_x.dds", "textures/other/iron.dds"])) == 1


@pytest.mark.parametrize("suffix", ["nif", "esp", "esm", "esl", "bgsm", "bgem", "bsa", "ba2", "NIF"])
def test_each_file_of_the_games_speaks_of_them(suffix):
    assert BETHESDA.detect(pack({"textures/a.dds": b"", f"a.{suffix}": b""})) == pytest.approx(1.1)


def test_a_pack_rooted_at_textures_is_found_out():
    assert BETHESDA.detect(pack(["armor/a_n.dds"], ("mods", "Textures"))) == 1


def test_no_real_pack_is_taken_for_a_mod(shared_packs):
    names = ("crawl_tiles", "freedoom", "librequake", "programmerart")
    packs = [Pack(list(walk(shared_packs / name)), shared_packs.parts, None) for name in names]
    assert [BETHESDA.detect(pack) for pack in packs] == [0, 0, 0, 0]


# The games' own rules


def test_a_sound_pack_has_no_findings():
    assert check(LIST) == []


@pytest.mark.parametrize(
    ("header", "severity", "words"),
    [
        (replace(BC3, width=62), "error", "62 x 32"),
        (replace(BC3, fourcc=b"XYZW"), "error", "XYZW"),
        (replace(BC3, width=48, mips=6), "warning", "powers of two"),
        (replace(BC3, mips=6), "warning", "6 of 7 levels"),
        (replace(BC3, mips=0), "warning", "1 of 7 levels"),
    ],
)
def test_what_the_games_refuse_or_show_wrongly(header, severity, words):
    ((found, path, text),) = check({"textures/a.dds": pack_header(header)})
    assert (found, path) == (severity, "textures/a.dds")
    assert words in text


def test_damaged_and_foreign_files():
    found = check({"textures/a.dds": b"DDS ", "textures/b.png": b"", "textures/c.dds": None, "readme.txt": b""})
    assert [(severity, path) for severity, path, _ in found] == [
        ("error", "textures/a.dds"),
        ("warning", "textures/b.png"),
        ("error", "textures/c.dds"),
    ]


def test_new_block_kinds_are_named_once():
    ((severity, path, text),) = check({f"textures/{k}.dds": pack_header(BC7) for k in "abc"})
    assert (severity, path) == ("hint", "textures/a.dds")
    assert "and 2 more" in text
