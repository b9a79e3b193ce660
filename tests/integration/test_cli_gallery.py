"""``texup gallery`` and ``texup upscale --gallery``, as whole commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from texup.pictures.sheets import encode_png
from texup.textures.codecs.files import encode
from texup.textures.texture import Container, Texture

from ..page_data import data_of

pytestmark = pytest.mark.usefixtures("catalog")
HOSTILE = "<img src=x onerror=alert(1)>.png"


@pytest.fixture
def pack(tmp_path, wall) -> Path:
    folder = tmp_path / "pack"
    (folder / "walls").mkdir(parents=True)
    (folder / "walls" / "brick.png").write_bytes(encode_png(wall(16, 16)))
    (folder / "twin.png").write_bytes(encode_png(wall(16, 16)))
    (folder / "old.tga").write_bytes(encode(Texture(wall(16, 8), Container("tga"))))
    (folder / HOSTILE).write_bytes(encode_png(wall(8, 8, seed=2)))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "notes.txt").write_text("no texture")
    return folder


@pytest.fixture
def done(pack, texup) -> Path:
    assert texup("upscale", pack, "-q").code == 3  # for the broken one
    return pack.with_name("pack_x4")


def exhibits(folder: Path) -> dict[str, dict]:
    return {one["path"]: one for one in data_of(folder)["exhibits"]}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_finished_pack_before_and_after(texup, pack, done):
    before = files_of(pack), files_of(done)
    result = texup("gallery", done)
    folder = done.with_name("pack_x4-gallery")
    assert (result.code, result.out) == (0, f"{folder / 'index.html'}\n")
    assert (files_of(pack), files_of(done)) == before
    found = exhibits(folder)
    assert sorted(found) == sorted(["walls/brick.png", "twin.png", "old.tga", "broken.png", HOSTILE])
    brick = found["walls/brick.png"]
    assert (brick["outcome"], brick["kind"], brick["width"], brick["height"]) == ("upscaled", "colour", 16, 16)
    assert brick["change"] > 0
    assert brick["results"][0]["width"] == 64
    assert found["broken.png"]["outcome"] == "failed"
    assert "source" not in found["broken.png"]
    assert "damaged" in found["broken.png"]["reason"]
    notes = [note for name in ("walls/brick.png", "twin.png") for note in found[name].get("notes", [])]
    assert len(notes) == 1
    assert notes[0].startswith("same picture as ")
    urls = [found[name][key] for name in found for key in ("thumb",) if key in found[name]]
    urls += [one["url"] for each in found.values() for one in (each.get("source"), *each.get("results", ())) if one]
    assert len(urls) > 10
    assert all((folder / url).is_file() for url in urls)


def test_the_second_call_makes_nothing_anew(texup, done):
    texup("gallery", done)
    folder = done.with_name("pack_x4-gallery")
    times = {path: path.stat().st_mtime_ns for path in (folder / "pictures").iterdir()}
    data = (folder / "data.js").read_bytes()
    assert texup("gallery", done).code == 0
    assert {path: path.stat().st_mtime_ns for path in (folder / "pictures").iterdir()} == times
    assert (folder / "data.js").read_bytes() == data


def test_a_page_beside_both_packs_shows_what_browsers_can_where_it_lies(texup, pack, done):
    assert texup("gallery", done, "-o", pack.parent / "site").code == 0
    assert exhibits(pack.parent / "site")["twin.png"]["source"]["url"].startswith("pictures/")
    assert texup("gallery", done, "-o", pack.parent).code == 0
    found = exhibits(pack.parent)
    assert found["twin.png"]["source"]["url"] == "pack/twin.png"
    assert found[HOSTILE]["results"][0]["url"] == "pack_x4/%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E.png"
    assert found["old.tga"]["source"]["url"].startswith("pictures/")


def test_what_is_lost_or_changed_is_shown_as_that(texup, pack, done, wall):
    (pack / "twin.png").unlink()
    (pack / "walls" / "brick.png").write_bytes(encode_png(wall(16, 16, seed=9)))
    (done / "old.tga").unlink()
    (done / HOSTILE).write_bytes(encode_png(np.zeros((4, 4, 3), np.uint8)))
    assert texup("gallery", done).code == 0
    found = exhibits(done.with_name("pack_x4-gallery"))
    assert found["twin.png"]["problems"] == ["source: no file of this pack"]
    assert found["walls/brick.png"]["problems"] == ["source: changed since; this was made from another file"]
    assert found["old.tga"]["problems"] == ["result: no file of this pack"]
    assert found[HOSTILE]["problems"] == ["result: changed since it was written"]
    assert all(found[name].get("results") for name in ("twin.png", "walls/brick.png", HOSTILE))


def test_without_its_source_a_pack_is_shown_all_the_same(texup, pack, done):
    shutil.rmtree(pack)
    assert texup("gallery", done).code == 0
    data = data_of(done.with_name("pack_x4-gallery"))
    assert any("--source" in text for text in data["warnings"])
    assert {one.get("outcome") for one in data["exhibits"]} == {"upscaled", "failed"}
    assert texup("gallery", done, "--source", pack).code == 2


def test_an_older_manifest_and_an_empty_one_are_shown(texup, done):
    path = done / "texup-manifest.jsonl"
    header = {"format": "texup-manifest", "schema": 1, "version": "0.1", "models": "odd", "settings": []}
    record = {"path": "twin.png", "outcome": "upscaled", "reason": None, "source_sha256": "0" * 64, "seconds": 1.0}
    record |= {"target_sha256": "1" * 64, "target_size": 5, "settings": "", "policy": {"kind": 7}, "precision": None}
    path.write_text("".join(json.dumps(line) + "\n" for line in (header, record)))
    assert texup("gallery", done).code == 0
    (one,) = exhibits(done.with_name("pack_x4-gallery")).values()
    assert one["problems"] == ["result: changed since it was written"]
    path.write_text(json.dumps(header) + "\n")
    assert texup("gallery", done).code == 0
    assert data_of(done.with_name("pack_x4-gallery"))["exhibits"] == []


def test_damaged_lines_and_a_place_that_another_took_are_told(texup, done):
    path = done / "texup-manifest.jsonl"
    lines = [line.rpartition(',"check"')[0] + "}" for line in path.read_text().splitlines()]  # as early versions wrote
    brick = next(line for line in lines if '"path":"walls/brick.png"' in line)
    taken = brick.replace('"path":"walls/brick.png"', '"path":"other.png"')
    path.write_text("\n".join([*lines, taken, "{torn", ""]))
    assert texup("gallery", done).code == 0
    data = data_of(done.with_name("pack_x4-gallery"))
    assert any("1 damaged line" in text for text in data["warnings"])
    found = {one["path"]: one for one in data["exhibits"]}
    assert found["walls/brick.png"]["problems"] == ["result: another texture's has its place"]
    assert found["other.png"]["results"][0]["width"] == 64


def test_rules_that_make_no_sense_or_lead_elsewhere_do_not_matter(texup, pack, done, tmp_path):
    (pack / "texup.toml").write_text("[[rule")
    result = texup("gallery", done)
    assert result.code == 0
    assert "left out of the page" in result.err
    (tmp_path / "secret.toml").write_text('[[rule]]\nmatch = "secret"\nmethod = "net"\n')
    (pack / "texup.toml").unlink()
    (pack / "texup.toml").symlink_to(tmp_path / "secret.toml")
    assert texup("gallery", done).code == 0
    assert "secret" not in (done.with_name("pack_x4-gallery") / "data.js").read_text()


def test_rules_of_the_pack_that_name_files_elsewhere_are_left_out(texup, pack, done, tmp_path):
    own = "match = 'walls/*'\nmethod = 'nearest'\n"
    for name in ("../outside.pth", str(tmp_path / "outside.pth")):
        (pack / "texup.toml").write_text(f"[[rule]]\n{own}[[rule]]\nmodel = {json.dumps(name)}\n")
        result = texup("gallery", done)
        assert result.code == 0
        assert "rule 2: model" in result.err
        assert "is not inside the pack" in result.err
        assert data_of(done.with_name("pack_x4-gallery"))["rules"] == "", "as --rules they could name any file"
        assert texup("gallery", done, "--rules", pack / "texup.toml").code == 0


def test_rules_of_the_pack_go_along(texup, pack):
    (pack / "texup.toml").write_text('[[rule]]\nmatch = "walls/*"\nmethod = "nearest"\nedges = "wrap"\n')
    assert texup("upscale", pack, "-q", "--gallery").code == 3
    found = exhibits(pack.with_name("pack_x4-gallery"))
    assert (found["walls/brick.png"]["rule"], found["walls/brick.png"]["base"]) == (1, {"edges": "wrap"})
    assert "rule 1; " in found["walls/brick.png"]["why"]
    assert "base" not in found["twin.png"]


def test_what_is_no_finished_pack_is_refused_in_one_line(texup, pack, done):
    for arguments in (
        (pack,),
        (pack / "nothing",),
        (done, "-o", done / "page"),
        (done, "-o", pack / "page"),
        (done, "--source", pack, "-o", pack),
        (done, "--source", pack / "notes.txt"),
    ):
        result = texup("gallery", *arguments)
        assert (result.code, len(result.errors)) == (2, 1), arguments
    assert not (done / "page").exists()


def test_patterns_choose(texup, done):
    assert texup("gallery", done, "--include", "*.png", "--exclude", "walls/**", "--exclude", "<*").code == 0
    assert sorted(exhibits(done.with_name("pack_x4-gallery"))) == ["broken.png", "twin.png"]


def test_one_file_for_everything(texup, done):
    result = texup("gallery", done, "--single-file")
    page = done.with_name("pack_x4-gallery.html")
    assert (result.code, result.out) == (0, f"{page}\n")
    assert "MB" in result.err
    text = page.read_text()
    assert "pictures/" not in text
    assert text.count("</script>") == 6


def test_upscale_writes_the_page_too(texup, pack):
    result = texup("upscale", pack, "-q", "--gallery")
    folder = pack.with_name("pack_x4-gallery")
    assert (result.code, result.out) == (3, "")
    assert str(folder / "index.html") in result.err
    assert len(exhibits(folder)) == 5


def test_a_zip_is_shown_before_and_after(texup, pack):
    archive = Path(shutil.make_archive(str(pack), "zip", pack))
    shutil.rmtree(pack)
    assert texup("upscale", archive, "-q", "--gallery").code == 3
    found = exhibits(pack.with_name("pack_x4-gallery"))
    assert found["twin.png"]["source"]["url"].startswith("pictures/")
    assert texup("gallery", pack.with_name("pack_x4")).code == 0
    assert "source" in exhibits(pack.with_name("pack_x4-gallery"))["twin.png"]


def test_one_file_has_no_page(texup, pack):
    result = texup("upscale", pack / "twin.png", "--gallery")
    assert (result.code, len(result.errors)) == (2, 1)
    assert "--gallery" in result.err
    assert not pack.joinpath("twin_x4.png").exists()
