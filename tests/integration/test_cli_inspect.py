"""``texup inspect``: the plan of a pack, in words and as JSON, without a byte written."""

from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pytest
from PIL import Image

from texup.cli import inspect
from texup.engines.devices.device import Device
from texup.upscaling.run import Settings
from texup.upscaling.survey import Item


@pytest.fixture
def pack(tmp_path, wall, disc):
    folder = tmp_path / "pack"
    (folder / "sub").mkdir(parents=True)
    Image.fromarray(wall(16, 24)).save(folder / "wall.png")
    Image.fromarray(wall(16, 24)).save(folder / "wall2.png")
    Image.fromarray(wall(16, 24)[..., 0]).save(folder / "sub" / "grey [x].bmp")
    cutout = np.dstack((wall(24, 24), (disc(24, 24) * 255).astype(np.uint8)))
    Image.fromarray(cutout).save(folder / "sub" / "leaf.tga")
    Image.new("RGB", (8, 8), "red").save(folder / "flat.png")
    (folder / "cut\x1b[31m.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    (folder / "notes.txt").write_text("x")
    return folder


@pytest.fixture(autouse=True)
def short_probe(monkeypatch):
    monkeypatch.setattr("texup.calls.inspection.PROBE_SECONDS", 0.01)


@pytest.mark.usefixtures("catalog")
def test_the_plan_in_words(texup, pack, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    result = texup("inspect", pack)
    assert (result.code, result.err) == (0, "")
    assert sorted(tmp_path.rglob("*")) == before
    lines = result.out.splitlines()
    assert lines[0].split()[:2] == ["refuse", "cut\\x1b[31m.png"]
    assert "\x1b" not in result.out
    rest = dict(line.split(None, 1) for line in lines[1:])
    assert rest["plan"] == "upscale: 3, refuse: 1, fill: 1, skip: 1, twin: 1"
    assert rest["sizes"].startswith("24x16: 3, ")
    assert rest["modes"] == "RGB 8 bit: 3, grey 8 bit: 1, RGBA 8 bit: 1"
    assert rest["alphas"] == "none: 4, binary: 1"
    assert rest["edges"].startswith("(x,y)")
    assert rest["result"] == f"{tmp_path / 'pack_x4'}, 4 times as large, by tiny-gan"
    assert rest["estimate"].endswith(" MB for a batch on cpu")
    assert rest["kinds"] == "colour: 5"
    assert rest["format"].startswith("plain (any folder of textures): ")
    assert rest["writes"] == "the same paths"
    assert rest["methods"] == "net: 5"
    assert len(lines) == 14


@pytest.mark.usefixtures("catalog")
def test_every_file_with_verbose(texup, pack):
    lines = texup("inspect", pack, "-v").out.splitlines()[:7]
    found = {line.split()[0]: line for line in lines}
    assert set(found) == {"upscale", "refuse", "fill", "twin", "skip"}
    assert found["twin"].endswith("same picture as wall.png")
    assert found["fill"].endswith("one colour: no net needed")
    assert any("sub/grey [x].bmp" in line for line in lines)
    assert {line.index("  ") > 0 for line in lines} == {True}


@pytest.mark.usefixtures("catalog")
def test_the_plan_as_json(texup, pack, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    result = texup("inspect", pack, "--json", "--scale", "2", "--model", "tiny-psnr", "-v")
    assert (result.code, result.err) == (0, "")
    values = json.loads(result.out)
    assert (values["scale"], values["models"], values["output"]) == (2, ["tiny-psnr"], str(tmp_path / "pack_x2"))
    assert values["counts"]["actions"] == {"upscale": 3, "twin": 1, "fill": 1, "skip": 1, "refuse": 1}
    assert values["counts"]["sizes"] == {"24x16": 3, "24x24": 1, "8x8": 1}
    files = {file["path"]: file for file in values["files"]}
    assert files["sub/leaf.tga"]["policy"]["alpha"] == "binary"
    assert set(files["wall.png"]) == {f.name for f in fields(Item)} - {"work"}
    assert "cut\x1b[31m.png" in files
    # wall and grey, which wrap; leaf with its alpha, each with 4 texels around
    assert values["net_texels"] == 2 * 16 * 24 + 2 * 32 * 32
    assert 0 < values["estimate"]["shortest"] < values["estimate"]["longest"]
    assert values["estimate"]["memory_mb"] > 0
    assert values["estimate"]["device"] == "cpu"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("catalog")
def test_the_estimate_is_a_sample_times_the_rest(texup, pack, tmp_path, monkeypatch):
    """Whatever a file costs here, thirty more like it cost thirty times as much."""
    ticks = iter(range(10**6))
    monkeypatch.setattr("texup.upscaling.estimate.time.perf_counter", lambda: next(ticks))
    few = texup("inspect", pack, "--json", "--jobs", "1").json["estimate"]
    for k in range(30):
        Image.fromarray(np.random.default_rng(k).integers(0, 256, (24, 24, 3), np.uint8)).save(pack / f"{k}.png")
    many = texup("inspect", pack, "--json", "--jobs", "1").json["estimate"]
    assert few["shortest"] < few["seconds"] < few["longest"]
    assert many["longest"] / many["shortest"] == pytest.approx(few["longest"] / few["shortest"], rel=0.1)
    assert many["seconds"] > 3 * few["seconds"]


@pytest.mark.parametrize(
    ("shortest", "longest", "text"),
    [
        (1.2, 2.4, "1.2 to 2.4 seconds"),
        (20, 39.6, "20 to 40 seconds"),
        (71, 119, "71 to 119 seconds"),
        (90, 180, "1.5 to 3 minutes"),
        (2700, 5400, "45 to 90 minutes"),
        (5400, 10800, "1.5 to 3 hours"),
    ],
)
def test_a_time_is_a_range_in_the_unit_that_one_would_say(shortest, longest, text):
    assert inspect._span(shortest, longest) == text


@pytest.mark.usefixtures("catalog")
def test_without_work_no_weights_are_loaded(texup, pack, monkeypatch):
    monkeypatch.setattr(Device, "__init__", lambda *_: pytest.fail("no net is needed"))
    result = texup("inspect", pack, "--include", "flat.png")
    assert result.code == 0
    assert "fill: 1" in result.out
    assert "estimate" not in result.out


@pytest.mark.usefixtures("catalog")
def test_one_file(texup, pack):
    result = texup("inspect", pack / "wall.png", "--json")
    assert result.code == 0
    assert [file["path"] for file in result.json["files"]] == ["wall.png"]
    assert result.json["output"] == str(pack / "wall_x4.png")


@pytest.mark.usefixtures("catalog")
def test_what_is_planned_is_what_is_done(texup, pack):
    planned = texup("inspect", pack, "--json", "--scale", "2").json
    done = texup("upscale", pack, "--json", "--scale", "2").json
    actions = planned["counts"]["actions"]
    assert done["counts"]["upscaled"] == actions["upscale"] + actions["fill"] + actions["twin"]
    assert done["twins"] == actions["twin"]
    assert done["counts"]["skipped"] == actions["skip"]
    assert done["counts"]["failed"] == actions["refuse"]
    assert set(done["settings"]) == {f.name for f in fields(Settings)}


@pytest.mark.usefixtures("catalog")
def test_bad_packs_are_refused_with_one_line(texup, pack, tmp_path):
    (tmp_path / "empty").mkdir()
    for path, said in {tmp_path / "none": "no such file or folder", tmp_path / "empty": "no texture in it"}.items():
        result = texup("inspect", path)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith(f"texup: error: {path}: {said}")
        assert result.err.count("\n") == 1


@pytest.mark.usefixtures("catalog")
def test_what_is_done_already_or_in_the_way_is_told(texup, pack):
    assert texup("upscale", pack, "--include", "wall*").code == 0
    out = pack.with_name("pack_x4")
    values = texup("inspect", pack, "--json").json
    assert values["counts"]["actions"] == {"unchanged": 2, "upscale": 2, "fill": 1, "skip": 1, "refuse": 1}
    (out / "wall.png").write_bytes(b"by hand")
    (out / "flat.png").write_bytes(b"mine")
    result = texup("upscale", pack, "--dry-run", "-v")
    lines = {line.split()[1]: line.split(None, 2) for line in result.out.splitlines() if "  " in line}
    assert lines["wall.png"][0] == lines["flat.png"][0] == "kept"
    assert lines["wall.png"][2].startswith("changed since texup wrote it; ")
    assert lines["flat.png"][2].startswith("not written by texup; ")
    assert lines["wall2.png"][0] == "unchanged"
    texup("upscale", pack, "--force")
    finished = texup("inspect", pack, "--include", "wall*")
    assert dict(line.split(None, 1) for line in finished.out.splitlines())["plan"] == "skip: 5, unchanged: 2"
    assert "estimate" not in finished.out
    changed = texup("inspect", pack, "--json", "--scale", "2").json
    assert "unchanged" not in changed["counts"]["actions"], "other settings, nothing of it is done"
