"""texup.conventions.dolphin.plan: names, the plan of a dump, levels, DDS, intensity, resource packs and Dolphin's
own rules.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from texup.conventions.convention import Wishes
from texup.conventions.dolphin.plan import DOLPHIN
from texup.textures.codecs.dds_header import DdsHeader, level_sizes, pack_header
from texup.textures.texture import Container, Texture
from texup.upscaling.starting import job_of

from ..builders import pack_of, plans_of
from ..builders import png_head as png

REAL = Path(__file__).parents[3] / "shared" / "data" / "names" / "dolphin.txt"
DUMP = ("home", "User", "Dump", "Textures", "GALE01")
HOME = "Load/Textures/GALE01/"

A = "tex1_64x32_00112233445566aa_14"
B = "tex1_16x16_m_00112233445566bb_6"
C = "tex1_16x16_m_00112233445566cc_14_arb"
D = "tex1_64x64_00112233445566dd_fedcba9876543210_9"
E = "tex1_32x32_00112233445566ee_0"
F = "UI/tex1_8x8_00112233445566ff_$_8"
LIST = [
    f"{A}.png", f"{B}.png", f"{B}_mip1.png", f"{C}.png", f"{C}_mip1.png", f"{D}.png", f"{E}.png", f"{F}.png",
    "efb1_n000001_640x528.png", "notes.txt", f"{D} old.png",
]  # fmt: skip


def bc7(width, height, mips=1, **changes):
    header = DdsHeader(
        width, height, 0x81007 | 0x20000 * (mips > 1), mips=mips, format_flags=4, fourcc=b"DX10",
        dxgi=98, dimension=3, misc=0, array_size=1, misc2=0,
    )  # fmt: skip
    sizes = list(level_sizes(width, height))[:mips]
    body = sum(-(-w // 4) * -(-h // 4) * 16 for w, h in sizes)
    return pack_header(replace(header, **changes)) + bytes(body)


def pack(files, place=DUMP):
    return pack_of(files, place)


def plan(files, place=DUMP, **wishes):
    return plans_of(DOLPHIN, pack(files, place), **wishes)


def targets(plans):
    return {path: item.target.removeprefix(HOME) for path, item in plans.items() if item.target}


def check(files, place=("Load", "Textures", "GALE01")):
    return [(finding.severity, finding.path, finding.text) for finding in DOLPHIN.check(pack(files, place))]


def real(game="GQPE78"):
    """Return the rows (width, height, mode, bytes, path) of one of the real packs."""
    if not REAL.exists():
        pytest.skip(f"no real names in {REAL}")
    rows = [line.split("\t") for line in REAL.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return [row for row in rows if row[4].startswith(game)]


# Names


def test_a_name_says_native_size_level_and_parts():
    name = DOLPHIN.parse("x/tex1_64x16_m_00112233445566aa_$_9_arb_mip3.dds")
    assert (name.native, name.level) == ((8, 2), 3)
    parts = {"hash": "00112233445566aa", "tlut": "$", "fmt": "9", "arb": "_arb", "m": "_m", "ext": "dds"}
    assert parts.items() <= name.fields.items()


@pytest.mark.parametrize(
    "name",
    [
        f"{D} old.png", "tex1_64x64_00112233445566DD_9.png", "tex1_64x64_00112233445566dd_7.png",
        "tex1_0x64_00112233445566dd_9.png", "tex1_64x64_00112233445566d_9.png", f"{A}_mip0.png", f"{A}.tga",
        f"{A}_mip1_arb.png", "tex1_64x64_F305C9338867CC37_13_mip0.png", f"x{A}.png", f"{A}.png\n",
        "tex1_\u0661x64_00112233445566dd_9.png", f"{A}_mip{'9' * 5000}.png",
    ],
)  # fmt: skip
def test_other_names_are_not_taken(name):
    assert DOLPHIN.parse(name) is None


def test_of_1388_real_names_all_but_three_working_copies_are_known():
    paths = [row[4] for row in real()]
    known = {path for path in paths if DOLPHIN.parse(path)}
    missed = sorted(path.rpartition("/")[2] for path in paths if path not in known)
    assert (len(paths), len(known)) == (1388, 1385)
    assert missed == [
        "tex1_128x128_ab02f3186df70127_55d0ad5c1d4868de_9 old.png",
        "tex1_128x128_ab02f3186df70127_55d0ad5c1d4868de_9 rh.png",
        "tex1_256x256_ca2f3635316c262e_e1022850a4f0c87a_9 real.png",
    ]
    assert all(DOLPHIN.format(DOLPHIN.parse(path)) == path.rpartition("/")[2] for path in known)


def test_a_second_real_pack_is_known_throughout():
    names = [DOLPHIN.parse(row[4]) for row in real("MKWii")]
    assert len(names) == 16
    assert all(names)
    assert [name.level for name in names if name.level] == [1, 2, 1, 2]


# Detection


def test_a_real_pack_is_dolphin_beyond_doubt():
    assert DOLPHIN.detect(pack([row[4] for row in real()], ("bfbb-hd-texture-pack",))) == 1.0


def test_the_majority_and_the_folders_decide():
    nine = [f"tex1_8x8_00112233445566{k}a_14.png" for k in range(9)]
    other = "tex1_64x64_F305C9338867CC37_13_mip0.png"
    assert DOLPHIN.detect(pack([*nine, other], ("textures",))) == pytest.approx(0.9)
    assert DOLPHIN.detect(pack([*nine, other])) == 1.0
    assert DOLPHIN.detect(pack([other, "a.png"])) == 0.0
    assert DOLPHIN.detect(pack(["notes.txt"])) == 0.0


# The plan


def test_the_dump_becomes_the_folder_that_dolphin_loads():
    plans, findings = plan(LIST)
    kept = [f"{stem}.png" for stem in (A, B, C, f"{C}_mip1", D, E, F)]
    assert findings == []
    assert targets(plans) == {path: path for path in kept}
    assert all(plans[path].action == "upscale" and plans[path].reason == "" for path in kept)
    levels = {path: (plans[path].treatment.mips, plans[path].level_target) for path in kept}
    made = {path: value for path, value in levels.items() if value != ("none", "")}
    assert made == {f"{B}.png": ("files", f"{HOME}{B}_mip{{}}.png")}


def test_what_dolphin_does_not_read_is_left_out_with_the_reason():
    plans, _ = plan(LIST)
    assert {path: item.reason for path, item in plans.items() if item.action == "skip"} == {
        f"{B}_mip1.png": f"made again from level 0, {B}.png",
        "efb1_n000001_640x528.png": "a picture that the game drew itself; Dolphin never reads it back",
        f"{D} old.png": "not a Dolphin name",
        "notes.txt": "not a texture",
    }


def test_dds_holds_the_levels_in_one_file():
    plans, findings = plan(LIST, dds="auto")
    dds = {f"{stem}.png": f"{stem}.dds" for stem in (A, B, C, D, E, F)}
    assert findings == []
    assert targets(plans) == dds
    assert {plans[path].treatment.store for path in dds} == {"bc7"}
    assert {path for path in dds if plans[path].treatment.mips == "inside"} == {f"{B}.png"}
    arb = plans[f"{C}.png"]
    assert (arb.treatment.mips, arb.joins, arb.others) == ("given", "levels", (f"{C}_mip1.png",))
    assert plans[f"{C}_mip1.png"].action == "joined"


def test_bc1_is_for_formats_without_soft_alpha():
    plans, findings = plan(LIST, dds="bc1")
    stores = {path: plans[path].treatment.store for path in (f"{A}.png", f"{B}.png", f"{E}.png")}
    assert stores == {f"{A}.png": "bc1", f"{B}.png": "bc7", f"{E}.png": "bc7"}
    assert [finding.severity for finding in findings] == ["hint"]


def test_no_dds_where_it_could_not_be_cut_into_blocks():
    odd = "tex1_30x8_m_00112233445566aa_14"
    plans, findings = plan([f"{odd}.png", f"{odd}_mip1.png"], dds="bc7", scale=1)
    first = plans[f"{odd}.png"]
    assert (first.target, first.treatment.store, first.treatment.mips) == (f"{HOME}{odd}.png", "", "files")
    assert [(f.severity, f.path) for f in findings] == [("warning", f"{odd}.png")]
    assert "30 x 8 times 1" in findings[0].text
    assert plan([f"{odd}.png"], dds="bc7", scale=2)[1] == []
    arb = "tex1_30x30_m_00112233445566aa_14_arb"
    plans, findings = plan([f"{arb}.png", f"{arb}_mip1.png"], dds="bc7", scale=1)
    assert targets(plans) == {f"{arb}.png": f"{arb}.png", f"{arb}_mip1.png": f"{arb}_mip1.png"}
    assert [f.path for f in findings] == [f"{arb}.png"]


def test_a_dds_source_stays_one_and_keeps_its_levels_inside():
    plans, _ = plan([f"{B}.dds", f"{A}.dds"])
    assert targets(plans) == {f"{A}.dds": f"{A}.dds", f"{B}.dds": f"{B}.dds"}
    assert [plans[f"{stem}.dds"].treatment.mips for stem in (A, B)] == ["none", "inside"]


def test_levels_beside_a_name_without_m_are_made_again_too():
    plans, _ = plan([f"{A}.png", f"{A}_mip1.png"])
    assert plans[f"{A}.png"].treatment.mips == "files"
    assert plans[f"{A}_mip1.png"].action == "skip"


def test_levels_without_level_0_are_left_out_with_one_warning():
    plans, findings = plan([f"{B}_mip1.png", f"{B}_mip2.png", f"sub/{B}.png"])
    reason = "made again from level 0, which is missing"
    assert [plans[f"{B}_mip{n}.png"].reason for n in (1, 2)] == [reason, reason]
    assert [(f.severity, f.path) for f in findings] == [("warning", f"{B}_mip1.png")]


def test_levels_after_a_gap_are_left_out_with_one_warning():
    plans, findings = plan([f"{C}.png", f"{C}_mip1.png", f"{C}_mip3.png", f"{C}_mip4.png"])
    assert targets(plans) == {f"{C}.png": f"{C}.png", f"{C}_mip1.png": f"{C}_mip1.png"}
    assert plans[f"{C}_mip4.png"].reason == "level 2 of this texture is missing"
    assert [(f.severity, f.path) for f in findings] == [("warning", f"{C}_mip3.png")]
    plans, findings = plan([f"{C}_mip1.png"])
    assert plans[f"{C}_mip1.png"].reason == "level 0 of this texture is missing"
    assert len(findings) == 1
    assert [f.path for f in plan([f"{C}.png"])[1]] == [f"{C}.png"]  # all that differs in content is missing


def test_braces_of_a_folder_are_no_place_for_a_level():
    plans, _ = plan([f"{{}}/{B}.png"])
    job = job_of(plans[f"{{}}/{B}.png"], Path("in"), Path("out"))
    assert job.target_of(3) == f"{HOME}{{}}/{B}_mip3.png"


def test_an_extension_in_capitals_is_written_small():
    plans, _ = plan([f"{A}.PNG"])
    assert (plans[f"{A}.PNG"].target, plans[f"{A}.PNG"].reason) == (f"{HOME}{A}.png", f"written as {A}.png")


def test_other_files_are_copied_on_request_only():
    assert plan(["notes.txt"], copy_other=True)[0]["notes.txt"].target == f"{HOME}notes.txt"
    assert plan([f"{D} old.png"], copy_other=True)[0][f"{D} old.png"].action == "skip"


# Places


@pytest.mark.parametrize(
    ("place", "path", "target"),
    [
        (("User", "Dump", "Textures", "GALE01", "UI"), f"{A}.png", f"Load/Textures/GALE01/UI/{A}.png"),
        (("User", "Load", "Textures"), f"GAL/x/{A}.png", f"Load/Textures/GAL/x/{A}.png"),
        (("User",), f"Dump/Textures/GALE01/{A}.png", f"Load/Textures/GALE01/{A}.png"),
        (("my-pack",), f"GQPE78/Bikini Bottom/{A}.png", f"Load/Textures/GQPE78/Bikini Bottom/{A}.png"),
        (("GALE01",), f"UI/{A}.png", f"Load/Textures/GALE01/UI/{A}.png"),
        (("my-pack",), f"textures/GALE01/{A}.png", f"Load/Textures/GALE01/{A}.png"),
    ],
)
def test_the_game_is_found_above_in_and_below_the_pack(place, path, target):
    plans, findings = plan([path], place)
    assert plans[path].target == target
    assert findings == []


def test_a_folder_that_is_no_game_is_kept_with_a_warning():
    plans, findings = plan([f"{A}.png", f"LEVELS/{B}.png"], ("my pack",))
    assert plans[f"LEVELS/{B}.png"].target == f"Load/Textures/my pack/LEVELS/{B}.png"
    assert [(f.severity, "'my pack'" in f.text) for f in findings] == [("warning", True)]


def test_marker_files_name_the_games_of_any_folder():
    markers = ["gameids/GAL.txt", "gameids/GALE01.txt", "GALP01.txt", "RMC.txt", "all.txt"]
    files = dict.fromkeys([*markers, f"{A}.png"], b"") | {"README.txt": b"Hello", "notes.txt": b""}
    plans, findings = plan(files, ("Load", "Textures", "MyPack"))
    assert findings == []
    copied = {path: item.target for path, item in plans.items() if item.action == "copy"}
    assert copied == {path: f"Load/Textures/MyPack/{path}" for path in markers}


def test_two_files_are_one_texture_whatever_their_folder_extension_and_arb():
    same = [f"{HOME}{C}.png", f"{HOME}x/{C}.dds", f"{HOME}{C.removesuffix('_arb')}.png"]
    assert len({DOLPHIN.lookup(path) for path in same}) == 1
    other = f"Load/Textures/GALP01/{C}.png", f"{HOME}{C}_mip1.png", f"{HOME}{A}.png", "textures/GALJ01/" + C + ".png"
    assert len({DOLPHIN.lookup(path) for path in (*other, same[0])}) == 5
    cut = [path.removeprefix("Load/Textures/") for path in (*same, *other[:1])]  # the output ends in Load/Textures
    assert len({DOLPHIN.lookup(path) for path in cut}) == 2


# Pixels


def texture(pixels):
    return Texture(np.asarray(pixels, np.uint8), Container("png"))


def planned(stem):
    return plan([f"{stem}.png"])[0][f"{stem}.png"]


def test_intensity_is_one_plane_that_comes_back_in_all_channels():
    source = texture(np.random.default_rng(1).integers(0, 256, (6, 5, 1)).repeat(4, axis=2))
    work = DOLPHIN.to_work(source, planned(E))
    assert work.pixels.shape == (6, 5, 1)
    result = texture(np.random.default_rng(2).integers(0, 256, (24, 20, 1)))
    pixels = DOLPHIN.from_work(result, source, planned(E)).pixels
    assert pixels.shape == (24, 20, 4)
    assert (pixels == result.pixels).all()


@pytest.mark.parametrize("stem", [E, A])
def test_only_textures_that_are_intensity_are_one_plane(stem):
    source = np.random.default_rng(3).integers(0, 256, (6, 5, 1)).repeat(4, axis=2)
    if stem == E:
        source[2, 3, 3] ^= 1  # one alpha differs
    work = DOLPHIN.to_work(texture(source), planned(stem))
    assert (work.pixels == source).all()
    grey = texture(source[..., :1])
    assert DOLPHIN.from_work(grey, grey, planned(stem)) is grey


def test_one_bit_alpha_stays_so_where_the_source_has_it():
    rng = np.random.default_rng(4)
    source, result = rng.integers(0, 256, (4, 4, 4)), rng.integers(0, 256, (16, 16, 4))
    source[..., 3] = np.where(source[..., 3] > 99, 255, 0)
    pixels = DOLPHIN.from_work(texture(result), texture(source), planned(A)).pixels
    assert set(np.unique(pixels[..., 3])) == {0, 255}
    assert ((pixels[..., 3] == 255) == (result[..., 3] >= 128)).all()
    assert (pixels[..., :3] == result[..., :3]).all()
    source[0, 0, 3] = 90  # not as dumped: someone drew soft alpha, which Dolphin shows
    assert (DOLPHIN.from_work(texture(result), texture(source), planned(A)).pixels == result).all()
    source[0, 0, 3] = 0
    assert (DOLPHIN.from_work(texture(result), texture(source), planned(D)).pixels == result).all()


# Resource packs


def sidecars(files, **wishes):
    plans, _ = plan(files, **wishes)
    return list(DOLPHIN.sidecars(pack(files), list(plans.values()), Wishes(**wishes)))


def test_a_resource_pack_has_its_manifest_and_textures():
    plans, _ = plan([*LIST, "gameids/GAL.txt"], resource_pack="melee-hd")
    assert plans[f"{F}.png"].target == f"textures/GALE01/{F}.png"
    assert plans[f"{B}.png"].level_target == f"textures/GALE01/{B}_mip{{}}.png"
    assert plans["gameids/GAL.txt"].target == "textures/GALE01/gameids/GAL.txt"
    (sidecar,) = sidecars(LIST, resource_pack="melee-hd")
    assert (sidecar.target, sidecar.source) == ("manifest.json", "")
    manifest = {"name": "melee-hd", "version": "1.0", "id": "melee-hd", "compressed": False}
    assert sidecar.data == f"{json.dumps(manifest, indent=2)}\n".encode(), "people edit it"
    assert sidecars(LIST) == []


@pytest.mark.parametrize("text", [b"no JSON", b"[1]", b"\xff\xfe", b"[" * 60000])
def test_an_unreadable_manifest_is_made_anew(text):
    files = {f"{A}.png": b"", "manifest.json": text}
    (sidecar,) = sidecars(files, resource_pack="x")
    assert json.loads(sidecar.data)["name"] == "x"


OLD = {"name": "Old", "version": "2.5", "id": "old", "authors": ["Zoë"], "compressed": True}


def test_a_manifest_that_is_left_out_says_nothing():
    files = {f"{A}.png": b"", "manifest.json": json.dumps(OLD).encode()}
    plans = [replace(item, action="skip") for item in plan(files, resource_pack="new")[0].values()]
    (sidecar,) = DOLPHIN.sidecars(pack(files), plans, Wishes(resource_pack="new"))
    assert (sidecar.source, "authors" in json.loads(sidecar.data)) == ("", False)


def test_what_a_manifest_says_of_its_makers_is_kept():
    files = {f"{A}.png": b"", "manifest.json": b"\xef\xbb\xbf" + json.dumps(OLD).encode(), "logo.png": b""}
    (sidecar,) = sidecars(files, resource_pack="new")
    assert sidecar.source == "manifest.json"
    assert json.loads(sidecar.data) == OLD | {"id": "new", "compressed": False}
    plans, _ = plan(files, resource_pack="new")
    assert [plans[path].action for path in ("manifest.json", "logo.png")] == ["rewrite", "copy"]
    assert [plan(files)[0][path].action for path in ("manifest.json", "logo.png")] == ["skip", "skip"]


# Dolphin's own rules


def test_a_sound_pack_has_no_findings():
    sizes = [(64, 64), (32, 32), (16, 16), (8, 8), (4, 4), (2, 2), (1, 1)]
    files = {f"{B}_mip{k}.png" if k else f"{B}.png": png(*size) for k, size in enumerate(sizes)}
    files |= {f"{C}.dds": bc7(64, 64, 2), f"{A}.png": png(256, 128), f"{F}.dds": bc7(32, 32), "all.txt": b""}
    assert check(files) == []


WRONG = {
    "mip1 of 31 x 32": ({f"{B}.png": png(64, 64), f"{B}_mip1.png": png(31, 32)}, "31 x 32, but must be 32 x 32"),
    "mip2 without mip1": (
        {f"{B}.png": png(64, 64), f"{B}_mip2.png": png(16, 16)}, "there is no level 1 before it",
    ),
    "mip1 without level 0": ({f"{B}_mip1.png": png(32, 32)}, "no level 0"),
    "same stem, other extension": ({f"{A}.png": png(64, 32), f"{A}.dds": bc7(64, 32)}, "the same texture as"),
    "same stem, other folder": ({f"{A}.png": png(64, 32), f"x/{A}.png": png(64, 32)}, "the same texture as"),
    "30 x 30 BC7": ({"tex1_30x30_00112233445566aa_6.dds": bc7(30, 30)}, "multiples of 4, not 30 x 30"),
    "sRGB": ({f"{A}.dds": bc7(64, 32, dxgi=99)}, "DXGI format 99 is sRGB"),
    "typeless": ({f"{A}.dds": bc7(64, 32, dxgi=97)}, "DXGI format 97 is none of"),
    "array": ({f"{A}.dds": bc7(64, 32, array_size=2)}, "array size is 2"),
    "array of Pillow's": ({f"{A}.dds": bc7(64, 32, array_size=0)}, "array size is 0"),
    "flags": ({f"{A}.dds": bc7(64, 32, flags=0x81003)}, "0x1007"),
    "volume": ({f"{A}.dds": bc7(64, 32, flags=0x881007)}, "volume"),
    "cube map": ({f"{A}.dds": bc7(64, 32, caps2=0xFE00)}, "cube map"),
    "pitch": ({f"{A}.dds": bc7(64, 32, flags=0x8100F, pitch=64 * 32)}, "pitch"),
    "DXT2": ({f"{A}.dds": bc7(64, 32, fourcc=b"DXT2", dxgi=None)}, "'DXT2' is none of"),
    "masks": (
        {f"{A}.dds": bc7(64, 32, fourcc=b"", dxgi=None, format_flags=0x40, bits=16, masks=(0xF800, 0x7E0, 0x1F, 0))},
        "packing of pixels",
    ),
    "truncated": ({f"{A}.dds": bc7(64, 32)[:-1]}, "shorter than its header says"),
    "other format of a level": (
        {f"{B}.dds": bc7(64, 64), f"{B}_mip1.dds": bc7(32, 32, fourcc=b"DXT5", dxgi=None)}, "bc3, but level 0 is bc7",
    ),
    "a level after the last": (
        {"tex1_1x1_m_00112233445566aa_6.png": png(1, 1), "tex1_1x1_m_00112233445566aa_6_mip1.png": png(1, 1)},
        "after a level of 1 x 1",
    ),
    "damaged": ({f"{A}.png": b"\x89PNG"}, "no picture"),
    "lying extension": ({f"{A}.dds": png(64, 32) + bytes(99)}, "its header makes no sense"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_dolphin_refuses_is_an_error(case):
    files, text = WRONG[case]
    errors = [found for found in check(files) if found[0] == "error"]
    assert len(errors) == 1
    assert text in errors[0][2]


def test_only_the_first_wrong_level_is_named():
    files = {f"{B}.png": png(64, 64), f"{B}_mip1.png": png(30, 30), f"{B}_mip2.png": png(3, 3)}
    assert [path for severity, path, _ in check(files) if severity == "error"] == [f"{B}_mip1.png"]


WEAK = {
    "no levels": ({f"{B}.png": png(64, 64)}, "shimmer"),
    "no whole multiple": ({f"{A}.png": png(96, 48)}, "not a whole multiple of the native 64 x 32"),
    "aspect": ({f"{A}.png": png(256, 256)}, "has not the aspect"),
    "working copy": ({f"{D} old.png": png(64, 64)}, "not a Dolphin name"),
    "render target": ({"xfb1_n000001_640x528.png": png(640, 528)}, "render target"),
    "other format": ({f"{A}.tga": b""}, "only PNG and DDS"),
    "level twice": ({f"{B}.dds": bc7(64, 64, 2), f"{B}_mip1.dds": bc7(32, 32)}, "holds this level already"),
}


@pytest.mark.parametrize("case", WEAK)
def test_what_dolphin_ignores_or_shows_badly_is_a_warning(case):
    files, text = WEAK[case]
    ((severity, _, found),) = check(files)
    assert severity == "warning"
    assert text in found


def test_a_folder_that_no_game_reads_is_a_warning():
    files = {f"{A}.png": png(256, 128)}
    ((severity, path, text),) = check(files, ("Load", "Textures", "MyPack"))
    assert (severity, path) == ("warning", "")
    assert "'MyPack'" in text
    assert check(files | {"x/all.txt": b""}, ("Load", "Textures", "MyPack")) == []


def test_other_rows_of_the_table_of_dds_are_taken():
    bgra = {"fourcc": b"", "dxgi": None, "format_flags": 0x41, "bits": 32}
    masks = {"masks": (0xFF0000, 0xFF00, 0xFF, 0xFF000000)}
    data = bc7(32, 32, flags=0x100F, **bgra, **masks) + bytes(32 * 32 * 4)
    assert check({f"{F}.dds": data}) == []
    assert check({f"{F}.dds": bc7(32, 32, fourcc=b"DXT5", dxgi=None)}) == []


def test_the_manifest_of_a_resource_pack_is_read():
    files = {f"textures/GALE01/{A}.png": png(256, 128), "logo.png": png(64, 64)}
    good = {"name": "n", "version": "1", "id": "i"}
    assert check(files | {"manifest.json": json.dumps(good).encode()}, ("out",)) == []
    for text in (b"{", b"[]", json.dumps(good | {"id": 5}).encode()):
        found = check(files | {"manifest.json": text}, ("out",))
        assert [item[:2] for item in found] == [("error", "manifest.json")]


def test_a_real_pack_breaks_the_rules_of_size_57_times():
    rows = [row for row in real() if row[0] != "0"]
    files = {row[4]: png(int(row[0]), int(row[1])) for row in rows}
    found = check(files, ("bfbb-hd-texture-pack",))
    assert sum(DOLPHIN.parse(path) is not None for path in files) == 1373
    assert sum("native" in text for _, _, text in found) == 57
    assert sum("the same texture" in text for severity, _, text in found if severity == "error") == 45
