"""Nobody's work is lost: results that were changed by hand, and files that texup did not write, stay and are named."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def pictured(seed: int, side: int = 8, kind: str = "png") -> bytes:
    picture = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8))
    picture.save(data := io.BytesIO(), kind)
    return data.getvalue()


def draw(path: Path, seed: int, side: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pictured(seed, side, path.suffix[1:]))


pytestmark = pytest.mark.usefixtures("catalog")

MANIFEST = "texup-manifest.jsonl"
MINE = pictured(1234)
CHANGED = "changed since texup wrote it; delete it, or use --force to redo it"
FOREIGN = "not written by texup; move it away if texup shall write there"
LONG_AGO = 1e9


@pytest.fixture
def pack(tmp_path) -> Path:
    for k, name in enumerate(("a.png", "b.tga", "ui/c.png")):
        draw(tmp_path / "pack" / name, k)
    return tmp_path / "pack"


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def upscale(texup, pack, out):
    return lambda *options: texup("upscale", pack, "-o", out, "--json", *options)


def paint(path: Path) -> bytes:
    """Change a file and not its size."""
    data = bytearray(path.read_bytes())
    data[-40:] = bytes(byte ^ 255 for byte in data[-40:])
    path.write_bytes(data)
    return bytes(data)


def kept_of(result) -> dict[str, str]:
    return {each["path"]: each["reason"] for each in result.json["kept"]}


def test_a_result_that_was_retouched_is_kept_and_named_until_it_is_deleted(upscale, texup, out):
    assert upscale().code == 0
    good = (out / "a.png").read_bytes()
    (out / "a.png").write_bytes(MINE)
    for _ in range(2):
        result = upscale("-q")
        assert (result.code, result.json["counts"]) == (0, {"kept": 1, "unchanged": 2})
        assert kept_of(result) == {"a.png": CHANGED}
        assert result.err == f"kept: a.png: {CHANGED}\n", "also where only failures are asked for"
        assert (out / "a.png").read_bytes() == MINE
    assert "changed: a.png" in texup("verify", out).out
    (out / "a.png").unlink()
    assert upscale().json["counts"] == {"upscaled": 1, "unchanged": 2}
    assert (out / "a.png").read_bytes() == good


def test_a_retouched_result_of_the_same_size_is_kept_by_other_settings_and_by_a_changed_source(upscale, pack, out):
    assert upscale().code == 0
    mine = {name: paint(out / name) for name in ("b.tga", "ui/c.png")}
    assert kept_of(upscale("--no-color-fix")) == dict.fromkeys(mine, CHANGED)
    draw(pack / "b.tga", 77)
    assert kept_of(upscale("--no-color-fix")) == dict.fromkeys(mine, CHANGED)
    assert {name: (out / name).read_bytes() for name in mine} == mine
    assert upscale().json["counts"] == {"upscaled": 1, "unchanged": 1, "kept": 1}, "a.png again, c.png as it was"


def test_force_redoes_what_was_changed(upscale, out):
    assert upscale().code == 0
    good = (out / "b.tga").read_bytes()
    paint(out / "b.tga")
    (out / "a.png").unlink()
    (out / "a.png").symlink_to("b.tga")
    assert kept_of(upscale()) == {"a.png": CHANGED}
    result = upscale("--force")
    assert (result.json["counts"], result.json["kept"]) == ({"upscaled": 3}, [])
    assert (out / "b.tga").read_bytes() == good
    assert not (out / "a.png").is_symlink()


def test_a_file_of_ones_own_in_the_place_of_a_result_is_kept_also_by_force(upscale, pack, out):
    """As one puts it there for a texture that failed."""
    draw(pack / "d.png", 9)
    good = (pack / "d.png").read_bytes()
    (pack / "d.png").write_bytes(good[:40])
    assert upscale().code == 3
    (out / "d.png").write_bytes(MINE)
    (pack / "d.png").write_bytes(good)
    for options in ((), ("--force",), ("--keep-existing",)):
        assert kept_of(upscale(*options)) == {"d.png": FOREIGN}
        assert (out / "d.png").read_bytes() == MINE
    (out / "d.png").unlink()
    assert upscale().json["counts"] == {"upscaled": 1, "unchanged": 3}


def test_a_folder_with_files_of_others_is_refused_by_name_also_with_force(upscale, out):
    for k in range(7):
        (out / "ui").mkdir(parents=True, exist_ok=True)
        (out / "ui" / f"{k}.txt").write_bytes(MINE)
    names = ", ".join(f"ui/{k}.txt" for k in range(5))
    for options in ((), ("--force",)):
        result = upscale(*options)
        assert (result.code, result.out) == (2, "")
        assert f"holds files but no manifest of texup ({names} and 2 more)" in result.err
        assert "--keep-existing" in result.err
        assert not (out / MANIFEST).exists()


def test_keep_existing_writes_beside_files_of_others_and_replaces_none(upscale, out):
    out.mkdir()
    mine = {"a.png": MINE, "keep.txt": MINE}
    for name, data in mine.items():
        (out / name).write_bytes(data)
        os.utime(out / name, (LONG_AGO, LONG_AGO))
    for counts in ({"kept": 1, "upscaled": 2}, {"kept": 1, "unchanged": 2}):
        result = upscale("--keep-existing")
        assert (result.code, result.json["counts"], kept_of(result)) == (0, counts, {"a.png": FOREIGN})
    assert upscale("--force").json["counts"] == {"kept": 1, "upscaled": 2}
    assert {name: (out / name).read_bytes() for name in mine} == mine


def test_what_a_run_wrote_and_did_not_come_to_record_is_its_own_and_what_was_there_before_is_not(upscale, out):
    out.mkdir()
    (out / "a.png").write_bytes(MINE)
    os.utime(out / "a.png", (LONG_AGO, LONG_AGO))
    assert upscale("--keep-existing").code == 0
    good = (out / "b.tga").read_bytes()
    header, *_ = (out / MANIFEST).read_bytes().splitlines(keepends=True)
    (out / MANIFEST).write_bytes(header)  # as a kill leaves it, or a power cut
    (out / "b.tga").write_bytes(good[:-1] + b"?")
    result = upscale("--include", "*.png")
    assert (result.json["counts"], kept_of(result)) == ({"skipped": 1, "upscaled": 1, "kept": 1}, {"a.png": FOREIGN})
    assert upscale().json["counts"] == {"upscaled": 1, "unchanged": 1, "kept": 1}, "also behind a run for some of them"
    assert (out / "b.tga").read_bytes() == good
    (out / "b.tga").write_bytes(pictured(8, 4, "tga"))
    assert kept_of(upscale()) == {"a.png": FOREIGN, "b.tga": CHANGED}, "once a run has ended"


def test_a_manifest_of_an_early_version_may_lack_the_last_records(upscale, out):
    assert upscale().code == 0
    lines = [json.loads(line) for line in (out / MANIFEST).read_bytes().splitlines()]
    lines = [{k: v for k, v in line.items() if k not in ("began", "check")} for line in lines if "ended" not in line]
    lines = [line for line in lines if line.get("path") != "a.png"]
    (out / MANIFEST).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (out / "b.tga").write_bytes(pictured(8, 4, "tga"))
    assert upscale().json["counts"] == {"upscaled": 1, "kept": 1, "unchanged": 1}


def test_a_finished_pack_is_closed_once(upscale, out):
    assert upscale().code == 0
    before = (out / MANIFEST).read_bytes()
    assert json.loads(before.splitlines()[-1])["ended"] is True
    assert upscale().code == 0
    assert (out / MANIFEST).read_bytes() == before


def test_copies_and_files_beside_the_textures_are_kept_too(texup, tmp_path):
    pack, out = tmp_path / "ULUS12345", tmp_path / "out"
    draw(pack / "new" / "0000000011223344556677ff.png", 5)
    (pack / "textures.ini").write_bytes(b"[options]\nversion = 1\nhash = quick\n\n[hashes]\n")
    (pack / "new" / "notes.txt").write_bytes(b"notes")
    command = ("upscale", pack, "-o", out, "--format", "ppsspp", "--copy-other", "--json")
    assert texup(*command).code == 0
    changed = [path for path in out.rglob("*") if path.suffix in (".ini", ".txt")]
    assert len(changed) == 2
    for path in changed:
        path.write_bytes(path.read_bytes() + MINE)
    result = texup(*command, "--scale", "2")
    assert (result.json["counts"]["kept"], result.json["counts"]["upscaled"]) == (2, 1)
    assert all(path.read_bytes().endswith(MINE) for path in changed)
    texup(*command, "--scale", "2", "--force")
    assert not any(path.read_bytes().endswith(MINE) for path in changed)


def test_a_texture_whose_smaller_level_was_changed_is_kept_whole(texup, tmp_path):
    pack, out = tmp_path / "pack", tmp_path / "out"
    draw(pack / "GALE01" / "tex1_8x8_m_00112233445566aa_14.png", 1)
    draw(pack / "GALE01" / "tex1_8x8_m_00112233445566aa_14_mip1.png", 2, side=4)
    command = ("upscale", pack, "-o", out, "--format", "dolphin", "--json")
    assert texup(*command).code == 0
    (level,) = out.rglob("*_mip1.png")
    level.write_bytes(MINE)
    whole = {path: path.read_bytes() for path in out.rglob("*.png")}
    result = texup(*command, "--no-color-fix")
    assert [each["reason"] for each in result.json["kept"]] == [f"{level.relative_to(out).as_posix()}: {CHANGED}"]
    assert {path: path.read_bytes() for path in out.rglob("*.png")} == whole


def test_a_result_whose_source_changed_the_case_of_its_name_is_still_texups(upscale, pack, out):
    """On Windows and macOS the old file lies at the new target."""
    assert upscale().code == 0
    (pack / "a.png").rename(pack / "A.png")
    (out / "a.png").rename(out / "A.png")
    assert upscale().json["counts"] == {"upscaled": 1, "unchanged": 2}


def test_a_folder_in_the_place_of_a_list_costs_the_list_alone(texup, pack, out):
    draw(pack / "flats" / "A.png", 1)
    options = ("upscale", pack, "-o", out, "--format", "gzdoom", "--textures-lump", "--json")
    assert texup(*options).code == 0
    (out / "TEXTURES.txt").unlink()
    (out / "TEXTURES.txt").mkdir()
    result = texup(*options)
    assert (result.code, [failure["path"] for failure in result.json["failures"]]) == (3, ["TEXTURES.txt"])
