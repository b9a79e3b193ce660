"""``texup check``: what would not load is named, by the loader's rules, whoever made the pack and whatever is in it."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from texup.checking import check_pack
from texup.cli.main import main, run
from texup.conventions.table import CONVENTIONS, convention_by_id
from texup.errors import PackError
from texup.packs.walk import MANIFEST_NAME

HOME = "Load/Textures/GALE01"
SOUND = {
    "tex1_16x8_00112233445566aa_14.png": (64, 32),
    "tex1_2x2_m_00112233445566bb_6.png": (4, 4),
    "tex1_2x2_m_00112233445566bb_6_mip1.png": (2, 2),
    "tex1_2x2_m_00112233445566bb_6_mip2.png": (1, 1),
    "ui/tex1_4x4_00112233445566cc_$_9.png": (16, 16),
}
WRONG = "tex1_16x8_00112233445566dd_14_mip1.png"


def picture(width: int, height: int, suffix="png") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA" if suffix == "png" else "RGB", (width, height), (90, 60, 30)).save(buffer, suffix)
    return buffer.getvalue()


def put(folder: Path, name: str, data: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


@pytest.fixture
def pack(tmp_path) -> Path:
    """A finished Dolphin pack in which nothing is wrong."""
    folder = tmp_path / HOME
    for name, size in SOUND.items():
        put(folder, name, picture(*size))
    return folder


def call(*arguments: object) -> tuple[int, list[str], str]:
    """Return exit code, lines of standard output, and standard error of the command, run in this process."""
    result = CliRunner().invoke(main, ["check", *map(str, arguments)])
    return result.exit_code, result.stdout.splitlines(), result.stderr


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("options", [(), ("--format", "dolphin")])
def test_a_sound_pack_says_nothing_on_standard_output(pack, options):
    before = state(pack)
    assert call(pack, *options)[:2] == (0, [])
    assert state(pack) == before
    assert call(pack, *options)[2].startswith("checked as dolphin (")
    assert call(pack, *options)[2].endswith("): nothing wrong\n")


def test_the_root_may_be_above_the_home(pack, tmp_path):
    other = tmp_path / "Load/Textures/GALP01"
    for name, size in SOUND.items():
        put(other, name, picture(*size))
    assert call(tmp_path)[:2] == (0, [])


def test_an_error_is_one_line_and_exit_3(pack):
    put(pack, WRONG, picture(4, 4))
    code, lines, err = call(pack)
    assert code == 3
    assert [line.split(": ")[:2] for line in lines] == [["error", WRONG]]
    assert err.endswith("): 1 error\n")


def test_warnings_alone_are_exit_0(pack):
    put(pack, "tex1_16x8_00112233445566dd_14.png", picture(40, 20))
    code, lines, err = call(pack)
    assert (code, len(lines)) == (0, 1)
    assert lines[0].startswith("warning: tex1_16x8_00112233445566dd_14.png: ")
    assert err.endswith("): 1 warning\n")


def test_hints_are_for_those_who_ask(pack):
    code, lines, _ = call(pack, "-v")
    assert code == 0
    assert lines == ["hint: dolphin: 5 of 5 names, in Load/Textures/GALE01"]


def test_errors_come_first_and_each_kind_by_path(pack):
    for name in ("b.png", "a.png"):
        put(pack, name, picture(4, 4))
    for name in ("tex1_4x4_00000000000000f2_6.png", "tex1_4x4_00000000000000f1_6.png"):
        put(pack, name, b"no picture")
    _, lines, _ = call(pack)
    assert [line.split(": ")[:2] for line in lines] == [
        ["error", "tex1_4x4_00000000000000f1_6.png"],
        ["error", "tex1_4x4_00000000000000f2_6.png"],
        ["warning", "a.png"],
        ["warning", "b.png"],
    ]


def test_json_is_one_object_with_the_hints(pack):
    put(pack, WRONG, picture(4, 4))
    code, lines, _ = call(pack, "--json")
    found = json.loads("\n".join(lines))
    assert code == 3
    assert found["format"] == "dolphin"
    assert [(each["severity"], each["path"]) for each in found["findings"]] == [("error", WRONG), ("hint", "")]
    assert all(each["text"] for each in found["findings"])


def test_texups_own_files_are_no_part_of_the_pack(pack):
    put(pack, MANIFEST_NAME, b"{}\n")
    put(pack, ".texup-0123456789ab.tmp", b"half")
    assert call(pack)[:2] == (0, [])


BAD_FILES = {
    "empty": b"",
    "text": b"no picture",
    "cut": picture(8, 8)[:20],
    "jpeg": picture(8, 8, "jpeg"),
    "long garbage": b"\x89PNG\r\n\x1a\n" + bytes(1 << 17),
}


@pytest.mark.parametrize("id_", [convention.id for convention in CONVENTIONS])
@pytest.mark.parametrize("data", BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_of_any_content_is_a_finding_for_every_convention(tmp_path, id_, data):
    names = ["textures/ui/stone.png", "tex1_4x4_00000000000000f1_6.png", "a12c6273bb2704a5-00005993.png", "x.dds"]
    for name in (*names, "textures.ini", "rt64.json", "pack.mcmeta", "pack.json", "manifest.json", "TEXTURES.txt"):
        put(tmp_path, name, data)
    convention, findings = check_pack(tmp_path, convention_by_id(id_))
    assert convention.id == id_
    errors = {found.path for found in findings if found.severity == "error"}
    assert errors >= set(names), findings
    assert not any("\n" in found.text for found in findings)


def test_long_metadata_before_the_size_is_no_damage(tmp_path):
    jpeg = picture(8, 8, "jpeg")
    put(tmp_path, "a.jpg", jpeg[:2] + (b"\xff\xed\xff\xff" + bytes(65533)) * 2 + jpeg[2:])
    assert check_pack(tmp_path, convention_by_id("plain"))[1] == []


def test_two_files_of_one_key_are_an_error(pack):
    first = next(iter(SOUND))
    put(pack, f"{first[:-4]}.dds", b"DDS " + bytes(124))
    code, lines, _ = call(pack)
    assert code == 3
    assert any(line.startswith("error: ") and first[:-4] in line for line in lines)


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot hold such names")
def test_what_other_systems_cannot_hold_is_named(tmp_path):
    for name in ("a/Wall.png", "a/wall.png", "what?.png", "aux.tga.png", "sound.png"):
        put(tmp_path, name, picture(4, 4))
    if len(list((tmp_path / "a").iterdir())) < 2:
        pytest.skip("this file system takes both for one name")
    code, lines, _ = call(tmp_path, "--format", "plain")
    assert code == 3
    assert [line.split(": ")[:2] for line in lines] == [
        ["error", "a/wall.png"],
        ["warning", "aux.tga.png"],
        ["warning", "what?.png"],
    ]


def test_links_are_not_followed_and_said_to_be_unchecked(pack, tmp_path):
    put(tmp_path, "elsewhere.png", b"no picture")
    (pack / "tex1_4x4_00000000000000f1_6.png").symlink_to(tmp_path / "elsewhere.png")
    code, lines, _ = call(pack)
    assert code == 0
    assert lines == [
        "warning: tex1_4x4_00000000000000f1_6.png: not checked: a link; texup does not follow links",
    ]


def zipped(folder: Path, target: Path) -> Path:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with zipfile.ZipFile(target, "w") as archive:
        for path in files:
            archive.write(path, path.relative_to(folder))
    return target


def test_a_zip_is_checked_as_its_folder(pack, tmp_path):
    put(pack, WRONG, picture(4, 4))
    assert call(zipped(tmp_path, tmp_path / "pack.zip")) == (
        3,
        [line.replace(f" {WRONG}", f" {HOME}/{WRONG}") for line in call(pack)[1]],
        call(pack)[2],
    )


def test_a_zip_lies_where_the_archive_does(pack):
    archive = zipped(pack, pack.parents[1] / "GALE01.zip")
    assert call(archive, "-v")[1] == ["hint: dolphin: 5 of 5 names, in tmp/Load/GALE01".replace("tmp", pack.parts[-4])]


def test_a_hostile_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../x.png", picture(4, 4))
    with pytest.raises(PackError, match=r"a\.zip: \.\./x\.png: an unsafe path"):
        check_pack(tmp_path / "a.zip", None)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: None, "there is no such folder"),
        (lambda path: path.write_bytes(b"text"), "neither a folder nor a zip"),
        (lambda path: path.mkdir(), "no texture in it; texup looks for .bmp, .dds"),
        (lambda path: zipfile.ZipFile(path, "w").close(), "no texture in it"),
    ],
)
def test_no_pack_is_exit_2(tmp_path, monkeypatch, capsys, make, text):
    make(tmp_path / "pack")
    monkeypatch.setattr(sys, "argv", ["texup", "check", str(tmp_path / "pack")])
    with pytest.raises(SystemExit) as caught:
        run()
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f"texup: error: {tmp_path / 'pack'}: {text}")


def test_an_unknown_format_is_exit_2_with_the_nearest():
    command = [sys.executable, "-m", "texup", "check", ".", "--format", "dolfin"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "texup: error: --format dolfin: there is no such format; did you mean 'dolphin'?\n"


def test_the_help_names_every_format():
    words = re.findall(r"[\w-]+", CliRunner().invoke(main, ["check", "--help"]).stdout.replace("\n", " "))
    assert {convention.id for convention in CONVENTIONS} <= set(words)


def test_torch_is_not_waited_for(pack):
    code = f"import sys; from texup.cli.main import run; sys.argv = ['texup', 'check', {str(pack)!r}]\n"
    code += "try: run()\nfinally: assert 'torch' not in sys.modules"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr.startswith("checked as dolphin")
