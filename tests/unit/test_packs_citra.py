"""texup.conventions.citra.plan: names, the plan of a dump, pack.json, normal maps, DDS upside-down, and the
loader's own rules.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from texup.conventions.citra.plan import CITRA
from texup.conventions.convention import Wishes
from texup.conventions.dolphin.plan import DOLPHIN
from texup.errors import UnreadableTexture
from texup.packs.pack import Finding
from texup.policy.classify import Treatment
from texup.textures.codecs.dds_header import DdsHeader, pack_header
from texup.textures.texture import Container, Texture

from ..builders import pack_of, plans_of
from ..builders import png_head as png

REAL = Path(__file__).parents[3] / "shared" / "data" / "names" / "dolphin.txt"
TITLE = "0004000000030800"
DUMP = ("home", "citra-emu", "dump", "textures", TITLE)
LOAD = ("home", "citra-emu", "load", "textures", TITLE)
HOME = f"load/textures/{TITLE}/"

A = "tex1_64x64_F305C9338867CC37_13_mip0"
B = "tex1_32x32_0A4B083BF0B35A78_13_mip1"
C = "tex1_128x128_083287DDE382AE8F_13_mip0"
GLYPHS = "tex1_32x32_1111111111111111_8_mip0"


def config(skip=False, flip=True, new=True, **more):
    options = {"skip_mipmap": skip, "flip_png_files": flip, "use_new_hash": new}
    return json.dumps({"author": "citra", "version": "1.0.0", "options": options, **more}).encode()


def dds(width, height, **changes):
    header = DdsHeader(
        width, height, 0x81007, format_flags=4, fourcc=b"DX10", dxgi=98, dimension=3, misc=0, array_size=1, misc2=0
    )
    return pack_header(replace(header, **changes))


LIST = {
    f"{A}.png": png(64, 64), f"{B}.png": png(32, 32), f"{C}.png": png(128, 128), f"{C}.norm.png": png(128, 128),
    "pack.json": config(),
}  # fmt: skip


def pack(files, place=DUMP):
    return pack_of(files, place)


def plan(files, place=DUMP, **wishes):
    return plans_of(CITRA, pack(files, place), **wishes)


def targets(plans):
    return {path: item.target.removeprefix(HOME) for path, item in plans.items() if item.target}


def check(files, place=LOAD):
    return [(finding.severity, finding.path, finding.text) for finding in CITRA.check(pack(files, place))]


# Names


def test_a_name_says_native_size_level_and_parts():
    name = CITRA.parse(f"x/{B}.norm.PNG")
    assert (name.native, name.level) == ((32, 32), 1)
    assert {"hash": "0A4B083BF0B35A78", "fmt": "13", "map": "norm"}.items() <= name.fields.items()
    assert CITRA.format(name) == f"{B}.norm.png"
    assert CITRA.format(CITRA.parse("tex1_8x8_abc_7.png")) == "tex1_8x8_0000000000000ABC_7.png"


@pytest.mark.parametrize(
    "name",
    [
        "tex1_64x64_m_F305C9338867CC37_13.png", f"{A}.old.png", f"{A} (1).png", f"{A}.tga", f"x{A}.png", f"{A}.png\n",
        "tex1_64x64_F305C9338867CC371_13.png", "tex1_0x64_F305C9338867CC37_13.png",
        "tex1_64x64_00112233445566aa_fedcba9876543210_9.png", f"tex1_64x64_F3_13_mip{'9' * 5000}.png",
    ],
)  # fmt: skip
def test_other_names_are_not_taken(name):
    assert CITRA.parse(name) is None


# Detection


def test_names_with_small_letters_are_dolphin():
    if not REAL.exists():
        pytest.skip(f"no real names in {REAL}")
    rows = [line.split("\t") for line in REAL.read_text("utf-8").splitlines() if line.startswith(tuple("0123456789"))]
    names = pack([row[4] for row in rows], ("bfbb-hd-texture-pack",))
    assert CITRA.detect(names) < 0.01
    assert DOLPHIN.detect(names) == 1.0


def test_the_majority_and_the_folders_decide():
    nine = [f"tex1_8x8_00112233445566{k}a_14.png" for k in range(9)]
    assert CITRA.detect(pack([*nine, f"{A}.png"], ("textures",))) == pytest.approx(0.1)
    assert CITRA.detect(pack([f"{A}.png", f"{B}.png", "x.png", "y.png"], ("textures",))) == 0.5
    assert CITRA.detect(pack([f"{A}.png", f"{B}.png", "x.png", "y.png"])) == 0.7
    assert CITRA.detect(pack(list(LIST))) == 1.0
    assert CITRA.detect(pack(nine)) == 0.0


# The plan


def test_the_dump_becomes_the_folder_that_the_loader_reads():
    plans, findings = plan(LIST)
    assert findings == []
    assert targets(plans) == {path: path for path in LIST}
    assert {path for path, item in plans.items() if item.action == "upscale"} == set(LIST) - {"pack.json"}
    assert plans["pack.json"].action == "copy"
    assert {path: item.treatment.kind for path, item in plans.items() if item.treatment.kind} == {
        f"{C}.norm.png": "normal"
    }
    assert all(item.treatment.mips == "none" for item in plans.values())


def test_names_get_the_spelling_that_the_loader_finds():
    small = "tex1_8x8_f305c9338867cc37_13"
    plans, _ = plan([f"sub/{A}.PNG", f"{small}.png", "pack.json"])
    assert targets(plans) | {"pack.json": ""} == {
        f"sub/{A}.PNG": f"sub/{A}.png", f"{small}.png": "tex1_8x8_F305C9338867CC37_13.png", "pack.json": ""
    }  # fmt: skip
    assert plans[f"sub/{A}.PNG"].reason == f"written as {A}.png"


def test_what_the_loader_does_not_read_is_left_out_with_the_reason():
    files = LIST | dict.fromkeys((f"{A}.norm.old.png", "x.png", "notes.txt", "sub/pack.json", f"{B}.ktx"), b"")
    plans, _ = plan(files)
    assert {path: item.reason for path, item in plans.items() if item.action == "skip"} == {
        f"{A}.norm.old.png": "more than three parts between dots, which the loader refuses",
        "x.png": "not a Citra name",
        "notes.txt": "not a texture",
        "sub/pack.json": "not a texture",
    }
    assert plans[f"{B}.ktx"].action == "copy"
    assert plan(files, copy_other=True)[0]["notes.txt"].action == "copy"


def test_files_that_pack_json_names_keep_their_names():
    mapping = {"F305C9338867CC37": ["ui\\Button.PNG", "ui/a.norm.png"], "0A4B083BF0B35A78": "hud/heart.png"}
    files = {path: png(8, 8) for path in ("x/Button.PNG", "a.norm.png", "heart.png", "other.png")}
    plans, findings = plan(files | {"pack.json": config(textures=mapping)}, dds="auto")
    assert [f.severity for f in findings] == []
    assert targets(plans) == {path: path for path in ("x/Button.PNG", "a.norm.png", "heart.png", "pack.json")}
    assert plans["other.png"].action == "skip"
    assert plans["heart.png"].treatment.store == ""
    assert plans["a.norm.png"].treatment.kind == "normal"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"{", "is no JSON"), (b"[" * 60000, "is nested too deeply"),
        (b"\xff", "is no JSON"), (b"[]", "has no options"),
        (b'{"options": {"skip_mipmap": 0, "flip_png_files": true}}', "for skip_mipmap and use_new_hash"),
        (config(textures=[]), "has textures that are no files"), (config(textures={"A": [1]}), "has textures that"),
    ],
)  # fmt: skip
def test_a_pack_json_that_the_loader_refuses_is_said_before_and_after(text, problem):
    files = LIST | {"pack.json": text}
    plans, findings = plan(files)
    assert plans["pack.json"].action == "copy"
    assert [(f.severity, f.path) for f in findings] == [("warning", "pack.json")]
    assert problem in findings[0].text
    errors = [(path, found) for severity, path, found in check(files) if severity == "error"]
    assert [path for path, _ in errors] == ["pack.json"]
    assert problem in errors[0][1]


def test_comments_and_a_byte_order_mark_are_taken_in_pack_json():
    text = b'\xef\xbb\xbf{ /* why */ "url": "http://x", // not in text\n' + config()[1:]
    assert plan(LIST | {"pack.json": text})[1] == []


def test_a_missing_pack_json_is_said_before_and_after():
    files = {path: data for path, data in LIST.items() if path != "pack.json"}
    ((severity, text),) = [(f.severity, f.text) for f in plan(files)[1]]
    assert severity == "warning"
    assert "no pack.json" in text
    assert [(severity, TITLE in text) for severity, _, text in check(files)] == [("error", True)]


def test_an_unreadable_pack_json_does_not_stop_the_plan():
    def read(path, _size):
        raise UnreadableTexture("cannot read", path)

    findings = [item for item in CITRA.plan(replace(pack(LIST), read=read), Wishes()) if isinstance(item, Finding)]
    assert [(f.severity, f.path, f.text[:14]) for f in findings] == [("warning", "pack.json", "cannot be read")]


@pytest.mark.parametrize(
    ("place", "path", "target"),
    [
        ((*DUMP, "UI"), f"{A}.png", f"{HOME}UI/{A}.png"),
        (("user",), f"dump/textures/{TITLE}/{A}.png", f"{HOME}{A}.png"),
        (("my pack",), f"{TITLE}/x/{A}.png", f"{HOME}x/{A}.png"),
        (("0004000000abcdef",), f"{A}.png", f"load/textures/0004000000ABCDEF/{A}.png"),
    ],
)
def test_the_title_is_found_above_in_and_below_the_pack(place, path, target):
    plans, findings = plan([path], place)
    assert plans[path].target == target
    assert len(findings) == 1  # of the missing pack.json


def test_a_folder_that_is_no_title_is_kept_with_a_warning():
    plans, findings = plan(LIST, ("zelda",))
    assert plans[f"{A}.png"].target == f"load/textures/zelda/{A}.png"
    assert [(f.severity, "'zelda'" in f.text) for f in findings] == [("warning", True)]


def test_each_title_has_its_own_pack_json():
    other = "0004000000030900"
    files = {f"{TITLE}/{A}.png": b"", f"{TITLE}/pack.json": config(), f"{other}/{A}.png": b""}
    plans, findings = plan(files, ("dump", "textures"))
    assert [other in f.text for f in findings] == [True]
    assert len({CITRA.lookup(item.target) for item in plans.values() if item.target.endswith(".png")}) == 2


def test_a_texture_is_found_by_its_hash_and_map():
    same = [f"{HOME}{A}.png", f"{HOME}x/tex1_8x8_f305c9338867cc37_4.dds", f"{HOME}{A}.ktx"]
    assert len({CITRA.lookup(path) for path in same}) == 1
    assert len({CITRA.lookup(path) for path in (same[0], f"{HOME}{A}.norm.png", f"{HOME}{B}.png", "x.png")}) == 4


# Normal maps


def test_a_normal_map_that_cannot_fit_its_colour_is_said_before_the_run():
    (finding,) = plan(LIST | {f"{C}.norm.png": png(64, 64)})[1]
    assert (finding.severity, finding.path) == ("warning", f"{C}.norm.png")
    assert "64 x 64, but its colour file" in finding.text
    alone = {path: data for path, data in LIST.items() if path != f"{C}.png"}
    (finding,) = plan(alone)[1]
    assert "without a colour file" in finding.text


def test_normal_maps_are_resized_even_where_copies_are_wished():
    plans, findings = plan(LIST, normals="copy")
    assert plans[f"{C}.norm.png"].treatment == Treatment(kind="normal", method="vectors", doubted=True)
    assert [f.severity for f in findings] == ["warning"]
    assert plan(LIST)[0][f"{C}.norm.png"].treatment.method is None


# DDS


@pytest.mark.parametrize("text", [config(skip=True), b"{", None])
def test_dds_is_refused_where_the_loader_would_refuse_it(text):
    files = {path: data for path, data in LIST.items() if path != "pack.json"}
    findings = plan(files if text is None else files | {"pack.json": text}, dds="auto")[1]
    assert [f.severity for f in findings if "--dds" in f.text] == ["error"]


def test_dds_of_upright_pictures_is_stored_upside_down():
    plans, findings = plan(LIST, dds="auto")
    assert findings == []
    item = plans[f"{A}.png"]
    assert (item.target, item.treatment.store, item.treatment.storage) == (f"{HOME}{A}.dds", "bc7", "flipped")
    assert plans[f"{C}.norm.png"].target == f"{HOME}{C}.norm.dds"
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    result = CITRA.from_work(Texture(pixels, Container("png")), Texture(pixels, Container("png")), item)
    assert (result.pixels == pixels[::-1]).all()
    lying = plan(LIST | {"pack.json": config(flip=False)}, dds="auto")[0][f"{A}.png"]  # upside-down already
    assert lying.treatment.storage == ""
    assert (CITRA.from_work(result, result, lying).pixels == result.pixels).all()
    turned = {f"{A}.dds": dds(64, 64), "pack.json": config()}
    assert plan(turned, dds="auto")[0][f"{A}.dds"].treatment.storage == ""


def test_bc1_is_for_formats_without_soft_alpha():
    opaque = "tex1_8x8_2222222222222222_12"
    plans, findings = plan({f"{opaque}.png": b"", f"{A}.png": b"", "pack.json": config()}, dds="bc1")
    assert [plans[f"{stem}.png"].treatment.store for stem in (opaque, A)] == ["bc1", "bc7"]
    assert [f.severity for f in findings] == ["hint"]


def test_no_dds_where_it_could_not_be_cut_into_blocks():
    name = "tex1_6x8_2222222222222222_12.png"
    plans, findings = plan({name: b"", "pack.json": config()}, dds="auto", scale=1)
    assert plans[name].target == HOME + name
    assert [(f.severity, f.path) for f in findings] == [("warning", name)]


def test_dds_that_the_loader_refuses_already_is_said():
    findings = plan({f"{A}.dds": dds(64, 64), "pack.json": config(skip=True)})[1]
    assert [f.severity for f in findings] == ["warning"]


# Pixels


def test_intensity_is_one_plane_that_comes_back_in_all_channels():
    item = plan({f"{GLYPHS}.png": b"", "pack.json": config()})[0][f"{GLYPHS}.png"]
    source = Texture(np.arange(20, dtype=np.uint8).reshape(4, 5, 1).repeat(4, axis=2), Container("png"))
    work = CITRA.to_work(source, item)
    assert work.pixels.shape == (4, 5, 1)
    assert (CITRA.from_work(work, source, item).pixels == source.pixels).all()
    other = plan(LIST)[0][f"{A}.png"]
    assert CITRA.to_work(source, other) is source


# The loader's own rules


def big(**changes):
    sizes = {f"{A}.png": 256, f"{B}.png": 128, f"{C}.png": 512, f"{C}.norm.png": 512}
    return {path: png(side, side) for path, side in sizes.items()} | {"pack.json": config()} | changes


def test_a_sound_pack_has_no_findings():
    assert check(big()) == []
    rgba = {"dxgi": None, "fourcc": b"", "format_flags": 0x41, "bits": 32}
    masks = {"masks": (0xFF, 0xFF00, 0xFF0000, 0xFF000000)}
    assert check({f"{A}.dds": dds(64, 64, **rgba, **masks), f"{B}.dds": dds(64, 64), "pack.json": config()}) == []
    assert check({f"{A}.dds": dds(64, 64, dxgi=None, fourcc=b"DXT1"), "pack.json": config()}) == []


WRONG = {
    "DDS with skip_mipmap": ({f"{A}.dds": dds(64, 64), "pack.json": config(skip=True)}, "refuses DDS"),
    "BC2": ({f"{A}.dds": dds(64, 64, dxgi=None, fourcc=b"DXT3"), "pack.json": config()}, "BC5 and BC7 only"),
    "BGRA8": (
        {
            f"{A}.dds": dds(
                64, 64, dxgi=None, fourcc=b"", format_flags=0x41, bits=32, masks=(0xFF0000, 0xFF00, 0xFF, 0xFF000000)
            ),
            "pack.json": config(),
        },
        "BC5 and BC7 only",
    ),
    "cube map": ({f"{A}.dds": dds(64, 64, caps2=0xFE00), "pack.json": config()}, "a cube map"),
    "normal map of another size": (big(**{f"{C}.norm.png": png(256, 256)}), "but its colour file"),
    "normal map of another format": (
        {f"{C}.norm.dds": dds(128, 128), f"{C}.png": png(128, 128), "pack.json": config()}, "bc7, but its colour file",
    ),
    "damaged": (big(**{f"{A}.png": b"PNG"}), "no picture"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_the_loader_refuses_is_an_error(case):
    files, text = WRONG[case]
    ((severity, _, found),) = check(files)
    assert severity == "error"
    assert text in found


WEAK = {
    "other name": ("x.png", png(8, 8), "not a Citra name"),
    "capitals": ("tex1_8x8_1_4.PNG", png(8, 8), "extensions in capitals"),
    "other format": ("tex1_8x8_1_4.tga", b"", "reads only PNG"),
    "too many dots": (f"{A}.norm.old.png", png(8, 8), "three parts"),
    "same hash": (f"ui/{A}.png", png(256, 256), "the same texture as"),
    "no whole multiple": ("tex1_64x32_1_4.png", png(96, 48), "not a whole multiple of the native 64 x 32"),
    "aspect": ("tex1_64x32_1_4.png", png(128, 128), "has not the aspect"),
    "normal map alone": ("tex1_64x32_1_4.norm.png", png(64, 32), "without a colour file"),
}


@pytest.mark.parametrize("case", WEAK)
def test_what_the_loader_ignores_or_shows_badly_is_a_warning(case):
    path, data, text = WEAK[case]
    ((severity, found_path, found),) = check(big(**{path: data}))
    assert (severity, found_path) == ("warning", path)
    assert text in found


def test_files_that_pack_json_names_are_known():
    assert check({"x.png": png(8, 8), "pack.json": config(textures={"F305C9338867CC37": "x.png"})}) == []
