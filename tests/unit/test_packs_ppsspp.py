"""texup.conventions.ppsspp.plan: names, what textures.ini leads to, the plan, the ini that follows it, and the
loader's rules.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from texup.conventions.convention import Planned, Wishes
from texup.conventions.ppsspp.plan import PPSSPP
from texup.textures.codecs.dds_header import DdsHeader, pack_header
from texup.textures.codecs.files import decode, encode
from texup.textures.storing import convert_storage

from ..builders import pack_of, picture, plans_of, png_chunk, said

NAMES = Path(__file__).parents[3] / "shared" / "data" / "names"
PLACE = ("memstick", "PSP", "TEXTURES", "ULUS10000")
HOME = "PSP/TEXTURES/ULUS10000/"
KEY, OTHER = "08d3961000000909ba70b2af", "0000000000000000ecaaece3"
BOM = b"\xef\xbb\xbf"
INI = BOM + (
    b"[options]\r\nversion = 1\r\nhash = xxh64   # strong\r\nignoreMipmap = true\r\n[hashes]\r\n"
    b"0000000000000000ecaaece3 = MS\\A\\a_1.png\r\n099bf1c000000909 =\r\n"
    b"094b5a707dcca1a5ee284131_1 = x/m1.png\r\n"
)
DUMP = {
    "textures.ini": INI,
    "MS/A/a_1.png": b"",
    f"new/{KEY}.png": b"",
    f"new/{KEY}_1.png": b"",
    "loose/readme.png": b"",
}


def ini(hashes="", options="hash = xxh64") -> bytes:
    return f"[options]\n{options}\n[hashes]\n{hashes}\n".encode()


def planned(files, place=PLACE, **wishes):
    return plans_of(PPSSPP, pack_of(files, place), **wishes)


def targets(files, place=PLACE, **wishes) -> dict[str, str]:
    return {path: plan.target for path, plan in planned(files, place, **wishes)[0].items() if plan.target}


def written_ini(files, **wishes) -> str:
    plans, _ = planned(files, **wishes)
    (sidecar,) = PPSSPP.sidecars(pack_of(files, PLACE), list(plans.values()), Wishes(**wishes))
    assert (sidecar.target, sidecar.source) == (plans["textures.ini"].target, "textures.ini")
    return sidecar.data.decode()


def severities(files, place=PLACE, **wishes) -> list[tuple[str, str]]:
    return said(planned(files, place, **wishes)[1])


def checked(files, place=PLACE) -> list[tuple[str, str]]:
    return [(finding.severity, finding.text) for finding in PPSSPP.check(pack_of(files, place))]


def test_a_name_says_its_level_and_no_size():
    assert [PPSSPP.parse(f"a/{KEY}{end}.png").level for end in ("", "_1", "_12")] == [0, 1, 12]
    assert PPSSPP.parse(f"{KEY}.png").native is None


@pytest.mark.parametrize(
    "name", ["a_1.png", f"{KEY}0.png", f"{KEY[1:]}.png", f"{KEY}_.png", f"{KEY}_1.tga", f"{KEY} (1).png", KEY]
)
def test_other_names_have_no_key(name):
    assert PPSSPP.parse(name) is None


def test_a_dump_becomes_a_pack():
    plans, findings = planned(DUMP)
    assert {path: plan.target for path, plan in plans.items() if plan.target} == {
        "textures.ini": f"{HOME}textures.ini",
        "MS/A/a_1.png": f"{HOME}MS/A/a_1.png",
        f"new/{KEY}.png": f"{HOME}{KEY}.png",
    }
    assert (plans[f"new/{KEY}.png"].treatment.mips, plans[f"new/{KEY}.png"].reason) == ("none", "")
    assert "ignoreMipmap" in plans[f"new/{KEY}_1.png"].reason
    assert "would not find it" in plans["loose/readme.png"].reason
    assert [(finding.severity, finding.path) for finding in findings] == [("warning", "textures.ini")]
    assert "x/m1.png" in findings[0].text


def test_the_ini_keeps_all_but_its_mark_and_its_backslashes():
    expected = INI.removeprefix(BOM).replace(b"MS\\A\\a_1.png", b"MS/A/a_1.png")
    assert written_ini(DUMP) == expected.decode()


def test_levels_by_name_are_made_again_from_level_0():
    files = DUMP | {"textures.ini": INI.replace(b"ignoreMipmap = true", b"ignoreMipmap = false")}
    plans, _ = planned(files)
    level0 = plans[f"new/{KEY}.png"]
    assert (level0.target, level0.treatment.mips) == (f"{HOME}{KEY}.png", "files")
    assert level0.level_target.format(3) == f"{HOME}{KEY}_3.png"
    assert plans[f"new/{KEY}_1.png"].action == "skip"
    assert plans["MS/A/a_1.png"].treatment.mips == "none"


def test_a_level_without_level_0_is_left_out():
    plans, _ = planned([f"{KEY}_1.png", f"{OTHER}.png"])
    assert "level 0" in plans[f"{KEY}_1.png"].reason


def test_levels_that_the_ini_names_are_upscaled_on_their_own():
    files = {"textures.ini": ini(f"{KEY} = a.png\n{KEY}_1 = x/m1.png"), "a.png": b"", "x/m1.png": b""}
    plans, findings = planned(files | {f"{KEY}_2.png": b""})
    assert [plan.target for plan in plans.values()][1:] == [f"{HOME}a.png", f"{HOME}x/m1.png", f"{HOME}{KEY}_2.png"]
    assert {plan.treatment.mips for plan in plans.values()} == {"none"}
    assert not findings


def test_dds_holds_its_levels_and_the_ini_follows():
    files = DUMP | {"textures.ini": INI.replace(b"true", b"false")}
    plans, _ = planned(files, dds="auto")
    assert plans["MS/A/a_1.png"].target == f"{HOME}MS/A/a_1.dds"
    level0 = plans[f"new/{KEY}.png"]
    assert (level0.target, level0.treatment.store, level0.treatment.mips) == (f"{HOME}{KEY}.dds", "bc7", "inside")
    assert plans[f"new/{KEY}_1.png"].action == "skip"
    assert "= MS/A/a_1.dds\r\n099bf1c000000909 =\r\n094b5a707dcca1a5ee284131_1 = x/m1.png" in written_ini(
        files, dds="auto"
    )


@pytest.mark.parametrize(("wish", "store"), [("bc7", "bc7"), ("bc3", "bc3"), ("bc1", "bc1")])
def test_dds_is_never_uncompressed(wish, store):
    assert planned([f"{KEY}.png"], dds=wish)[0][f"{KEY}.png"].treatment.store == store


def test_a_texture_whose_levels_are_files_of_their_own_stays_png():
    files = {"textures.ini": ini(f"{KEY} = a.png\n{KEY}_1 = b.png\n{OTHER} = c.png"), "a.png": b"", "b.png": b""}
    plans, _ = planned(files | {"c.png": b""}, dds="bc7")
    assert [plan.target for plan in plans.values()][1:] == [f"{HOME}a.png", f"{HOME}b.png", f"{HOME}c.dds"]
    assert "levels" in plans["a.png"].reason


def test_the_ini_goes_before_names():
    files = {"textures.ini": ini(f"{KEY} = a.png\n{OTHER} ="), "a.png": b"", f"{KEY}.png": b"", f"{OTHER}.png": b""}
    plans, findings = planned(files)
    assert [plan.action for plan in plans.values()] == ["rewrite", "upscale", "skip", "skip"]
    assert "another file" in plans[f"{KEY}.png"].reason
    assert "never" in plans[f"{OTHER}.png"].reason
    assert not findings


def test_a_file_that_moves_out_of_new_takes_its_line_along():
    files = {
        "textures.ini": ini(f"{KEY} = new/{KEY}.png\n{OTHER} = ui/b.png"),
        f"new/{KEY}.png": b"",
        "new/ui/b.png": b"",
    }
    assert targets(files) == {
        "textures.ini": f"{HOME}textures.ini",
        f"new/{KEY}.png": f"{HOME}{KEY}.png",
        "new/ui/b.png": f"{HOME}ui/b.png",
    }
    assert f"{KEY} = {KEY}.png\n{OTHER} = ui/b.png\n" in written_ini(files)


def test_of_two_files_for_one_key_one_is_taken():
    plans, _ = planned([f"new/{KEY}.png", f"{KEY}.dds", f"{KEY}.png", f"{KEY.upper()}.png"])
    assert [plan.action for plan in plans.values()] == ["skip", "skip", "upscale", "skip"]
    assert f"{KEY}.png" in plans[f"{KEY}.dds"].reason


def test_a_dump_of_what_the_pack_already_holds_is_left_out():
    files = {"textures.ini": ini(f"{KEY} = ui/a.png"), "ui/a.png": b"", "new/ui/a.png": b""}
    assert "already" in planned(files)[0]["new/ui/a.png"].reason


def test_keys_in_sub_folders_are_found_only_through_the_ini():
    plans, _ = planned([f"ui/{KEY}.png", f"{OTHER}.png"])
    assert "root" in plans[f"ui/{KEY}.png"].reason
    files = {"textures.ini": ini(f"{KEY} = ui/{KEY}.png"), f"ui/{KEY}.png": b""}
    assert targets(files)[f"ui/{KEY}.png"] == f"{HOME}ui/{KEY}.png"


def test_upper_case_is_written_as_the_emulator_spells_it():
    assert targets([f"{KEY.upper()}.PNG"]) == {f"{KEY.upper()}.PNG": f"{HOME}{KEY}.png"}


def test_a_path_of_another_case_is_put_right():
    files = {"textures.ini": ini(f"{KEY} = UI\\A.png"), "ui/a.png": b""}
    assert targets(files)["ui/a.png"] == f"{HOME}ui/a.png"
    assert f"{KEY} = ui/a.png\n" in written_ini(files)


def test_other_files_are_left_out_unless_wished():
    files = DUMP | {"notes.txt": b""}
    assert "notes.txt" not in targets(files)
    wished = targets(files, copy_other=True)
    assert (wished["notes.txt"], wished["loose/readme.png"]) == (f"{HOME}notes.txt", f"{HOME}loose/readme.png")


def test_formats_that_only_the_emulator_reads_are_copied():
    files = {"textures.ini": ini(f"{OTHER} = a.zim"), f"{KEY}.ktx2": b"", "a.zim": b"", "stone.png": b""}
    plans, findings = planned(files, dds="bc7")
    assert [plans[path].action for path in (f"{KEY}.ktx2", "a.zim")] == ["copy", "copy"]
    assert [finding.severity for finding in findings] == ["warning", "warning"]
    assert f"{OTHER} = a.zim\n" in written_ini(files, dds="bc7")


def test_a_format_that_the_emulator_does_not_read_is_left_out_with_a_warning():
    files = {"textures.ini": ini(f"{KEY} = a.jpg"), "a.jpg": b""}
    assert "a.jpg" not in targets(files)
    assert severities(files) == [("warning", "a.jpg")]


@pytest.mark.parametrize("value", ["../a.png", r"x\..\..\a.png", "/etc/a.png", r"C:\a.png"])
def test_a_path_that_leaves_the_pack_refuses_the_run(value):
    assert ("error", "textures.ini") in severities({"textures.ini": ini(f"{KEY} = {value}"), "a.png": b""})


@pytest.mark.parametrize(
    "data", [b"", b"[options]\nversion = 1\n", b"[options]\nhash = md5\n", b"\0[options]", "[options]".encode("utf-16")]
)
def test_an_ini_with_which_the_emulator_loads_nothing_refuses_the_run(data):
    assert severities({"textures.ini": data, f"{KEY}.png": b""}) == [("error", "textures.ini")]


def test_the_findings_of_a_hostile_ini_are_few_and_short():
    lines = "\n".join(f"{k:024x} = {'../' * 40}{k}.png\n{k + 10**9:024x} = missing{k}.png" for k in range(3000))
    _, findings = planned({"textures.ini": ini(lines), f"{KEY}.png": b""})
    assert len(findings) < 60
    assert all(len(finding.text) < 300 and finding.text.isprintable() for finding in findings)


def test_the_ini_of_the_game_is_laid_over_the_first():
    first = ini(f"{KEY} = a.png") + b"[games]\nULUS10000 = us.ini\nULES10000 = eu.ini\n"
    second = f"[hashes]\n{OTHER} = ui\\b.png\n".encode()
    files = {"textures.ini": first, "us.ini": second, "eu.ini": b"", "a.png": b"", "ui/b.png": b""}
    plans, findings = planned(files)
    assert [plan.action for plan in plans.values()] == ["rewrite", "rewrite", "skip", "upscale", "upscale"]
    assert not findings
    sidecars = PPSSPP.sidecars(pack_of(files, PLACE), list(plans.values()), Wishes())
    assert {car.target: car.data for car in sidecars}[f"{HOME}us.ini"] == second.replace(b"\\", b"/")
    assert severities({"textures.ini": first, "a.png": b""})[0] == ("error", "textures.ini")


def test_a_zip_that_would_hide_all_files_is_named_and_never_copied():
    files = [f"{KEY}.png", "textures.zip"]
    assert severities(files) == [("warning", "textures.zip")]
    assert "textures.zip" not in targets(files, copy_other=True)


@pytest.mark.parametrize(
    ("place", "folder"),
    [
        (PLACE, ""),
        ((*PLACE, "new"), ""),
        (PLACE[:-1], "ULUS10000/new/"),
        (("x",), "psp/textures/ULUS10000/"),
        (("x", "ULUS10000"), ""),
        (("x", "ULUS10000", "new"), ""),
        (("x",), "ULUS10000/new/"),
    ],
)
def test_the_game_comes_from_the_folders(place, folder):
    assert targets([f"{folder}{KEY}.png"], place) == {f"{folder}{KEY}.png": f"{HOME}{KEY}.png"}


def test_the_game_comes_from_the_ini_where_no_folder_says_it():
    files = {"src/textures.ini": ini(f"{KEY} = a.png") + b"[games]\nNPJH50567 = textures.ini\n", "src/a.png": b""}
    plans, findings = planned(files | {"screenshot.png": b""}, ("x", "My-Texture-Pack"))
    assert plans["src/a.png"].target == "PSP/TEXTURES/NPJH50567/a.png"
    assert not findings
    assert plans["screenshot.png"].action == "skip"


def test_a_folder_with_the_name_of_another_game_is_a_folder_of_the_pack():
    files = {"textures.ini": ini(f"{KEY} = NPJH50567\\a.png"), "NPJH50567/a.png": b""}
    assert targets(files)["NPJH50567/a.png"] == f"{HOME}NPJH50567/a.png"


def test_without_an_id_the_folders_own_name_is_taken_with_a_warning():
    assert targets([f"{KEY}.png"], ("x", "My Pack")) == {f"{KEY}.png": f"PSP/TEXTURES/My Pack/{KEY}.png"}
    assert severities([f"{KEY}.png"], ("x", "My Pack")) == [("warning", "")]
    assert severities([f"{KEY}.png"], (*PLACE, "ui")) == [("warning", "")]


def test_detection_counts_what_would_be_found():
    assert PPSSPP.detect(pack_of([f"{KEY}.png", "a.png", "notes.txt"], ("x",))) == pytest.approx(1 / 2)
    assert PPSSPP.detect(pack_of(DUMP, PLACE)) == pytest.approx(3 / 4 + 0.2)
    assert PPSSPP.detect(pack_of(["a.png", "tex1_8x8_0123456789abcdef_8.png"])) == 0


def test_every_texture_of_a_real_ini_is_found():
    listing = NAMES / "ppsspp.txt"
    if not listing.is_file():
        pytest.skip(f"no real names in {NAMES}")
    text = listing.read_text("utf-8").partition("lapucelle-textures src/textures.ini")[2]
    text = text.partition("\n")[2].partition("\n# ----")[0]
    paths = re.findall(r"^[0-9a-f]{24} = (.+\.png)$", text, re.MULTILINE)
    files = {"textures.ini": text.encode()} | dict.fromkeys(paths, b"")
    assert len(paths) == 66
    assert severities(files) == []
    assert targets(files) == {path: HOME + path for path in files}
    assert written_ini(files) == text


def test_every_listed_file_of_a_large_real_pack_is_found_by_its_line():
    listing = NAMES / "ppsspp.txt"
    if not listing.is_file():
        pytest.skip(f"no real names in {NAMES}")
    text = listing.read_text("utf-8").partition("lapucelle-textures")[0]
    lines = re.findall(r"^([0-9a-f]{24}) = (.+\.png)$", text, re.MULTILINE)
    paths = set(re.findall(r"\t([^\t\n]+\.png)$", text, re.MULTILINE))
    hashes = "\n".join(f"{key} = {value}" for key, value in lines)
    found = {value.replace("\\", "/") for _, value in lines} & paths
    plans, _ = planned({"textures.ini": ini(hashes)} | dict.fromkeys(sorted(paths), b""))
    assert len(found) > 60
    assert {path for path, plan in plans.items() if plan.action == "upscale"} == found


def png(width=8, height=8, gamma: int | None = None) -> bytes:
    """Return a sound PNG, with a gAMA chunk if asked for."""
    data = picture(width, height, value=90)
    return data if gamma is None else data[:33] + png_chunk(b"gAMA", gamma.to_bytes(4, "big")) + data[33:]


def dds(width=8, height=8, *, mips=4, **fields) -> bytes:
    return pack_header(DdsHeader(width, height, mips=mips, **fields))


def test_gamma_of_an_input_is_gone_from_the_output():
    source = decode(png(gamma=100000), "a.png")
    assert b"gAMA" in png(gamma=100000)
    assert b"gAMA" not in encode(convert_storage(PPSSPP.from_work(source, source, Planned("a.png", "upscale")), ""))


def test_a_finished_pack_passes_the_check():
    files = {
        "textures.ini": ini(f"{KEY} = ui/a.png\n099bf1c000000909 ="),
        "ui/a.png": png(),
        f"{OTHER}.png": png(8, 4),
        f"{OTHER}_1.png": png(4, 2),
        f"{OTHER}_2.png": png(2, 1),
        f"{OTHER}_3.png": png(1, 1),
        "notes.txt": b"",
        f"new/{KEY}.png": b"",
    }
    assert checked(files) == []


DX10 = {"format_flags": 4, "fourcc": b"DX10", "dimension": 3, "misc": 0, "array_size": 1, "misc2": 0}
FILES = {
    "png": (png(), None),
    "bc7": (dds(**DX10, dxgi=98), None),
    "bc1 srgb": (dds(**DX10, dxgi=72), None),
    "dxt3": (dds(format_flags=4, fourcc=b"DXT3"), None),
    "ktx2": (b"\xabKTX 20\xbb\r\n\x1a\n" + bytes(80), None),
    "gamma": (png(gamma=100000), "warning"),
    "usual gamma": (png(gamma=45455), None),
    "not in blocks": (dds(30, 30, **DX10, dxgi=98), "warning"),
    "argb": (dds(mips=1, format_flags=0x41, bits=32, masks=(0xFF0000, 0xFF00, 0xFF, 0xFF000000)), "error"),
    "typeless": (dds(**DX10, dxgi=97), "error"),
    "bc5": (dds(**DX10, dxgi=83), "error"),
    "no level counted": (dds(mips=0, **DX10, dxgi=98), "error"),
    "cube": (dds(caps2=0x200, **DX10, dxgi=98), "error"),
    "cut": (dds(**DX10, dxgi=98)[:100], "error"),
    "jpeg": (b"\xff\xd8\xff\xe0", "error"),
    "empty": (b"", "error"),
}


@pytest.mark.parametrize("kind", FILES)
def test_formats_are_told_by_their_bytes(kind):
    data, severity = FILES[kind]
    assert [found for found, _ in checked({f"{KEY}.png": data})] == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("files", "severity", "part"),
    [
        ({f"{KEY}.png": png(8, 8), f"{KEY}_1.png": png(4, 3)}, "error", "4 x 4"),
        ({f"{KEY}.png": png(8, 8), f"{KEY}_2.png": png(2, 2)}, "warning", "without level 1"),
        ({f"{KEY}_1.png": png(4, 4)}, "warning", "without level 0"),
        ({f"{KEY}.png": png(8, 8), f"{KEY}_1.dds": dds(4, 4, mips=3, **DX10, dxgi=98)}, "warning", "one format"),
        ({f"{KEY}.dds": dds(**DX10, dxgi=98), f"{KEY}_1.png": png(4, 4)}, "warning", "itself"),
        ({f"{KEY}.png": png(), f"ui/{OTHER}.png": png()}, "warning", "does not find"),
        ({f"{KEY}.png": png(), "stone.png": png()}, "warning", "does not find"),
        ({f"{KEY}.png": png(), "textures.zip": b""}, "warning", "in place of"),
        ({"textures.ini": ini(f"{KEY} = ui/a.png")}, "warning", "not there"),
        ({"textures.ini": ini(f"{KEY} = ui\\a.png"), "ui/a.png": png()}, "warning", "backslash"),
        ({"textures.ini": ini(f"{KEY} = ../a.png")}, "error", "'..'"),
        ({"textures.ini": ini(options="version = 1")}, "error", "hash"),
        ({"textures.ini": ini("stone ="), f"{KEY}.png": png()}, "warning", "no key"),
    ],
)
def test_what_the_emulator_would_not_load_is_found(files, severity, part):
    (found,) = checked(files)
    assert found[0] == severity
    assert part in found[1]
