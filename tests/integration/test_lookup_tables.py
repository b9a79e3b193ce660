"""Look-up tables keep their bytes, whatever game they belong to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ..builders import records_of

PLACES = {
    "plain": "post/lut.png",
    "minecraft": "assets/mod/textures/block/lut.png",
    "quake": "textures/lut.png",
    "dolphin": "tex1_256x16_0011223344556677_6.png",
    "pcsx2": "0011f2a3b4c5d6e7-00005553.png",
    "gzdoom": "textures/lut.png",
    "bethesda": "textures/lut.tga",
}


def cube() -> Image.Image:
    y, x = np.mgrid[:16, :256]
    return Image.fromarray(np.stack([x % 16 * 17, y * 17, x // 16 * 17], axis=2).astype(np.uint8))


@pytest.fixture
def pack(tmp_path, wall):
    def make(path: str) -> Path:
        folder = tmp_path / "pack"
        (folder / path).parent.mkdir(parents=True)
        cube().save(folder / path)
        Image.fromarray(wall(16, 24)).save(folder / path.replace("lut", "wall").replace("0011", "2211"))
        (folder / "pack.mcmeta").write_text('{"pack": {"pack_format": 15, "description": ""}}')
        return folder

    return make


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize("format_", PLACES)
def test_a_table_is_copied_in_every_convention(texup, pack, tmp_path, format_):
    source = pack(PLACES[format_]) / PLACES[format_]
    assert texup("upscale", tmp_path / "pack", "-o", tmp_path / "out", "--format", format_).code == 0
    record = records_of(tmp_path / "out")[PLACES[format_]]
    assert (record["outcome"], record["reason"]) == ("copied", "a look-up table, a colour cube: kept as it is")
    (target,) = record["targets"]
    assert (tmp_path / "out" / target[0]).read_bytes() == source.read_bytes()


@pytest.mark.usefixtures("catalog")
def test_inspect_says_so_and_a_rule_may_say_otherwise(texup, pack):
    folder = pack("lut.png")
    files = {file["path"]: file for file in json.loads(texup("inspect", folder, "--json").out)["files"]}
    assert (files["lut.png"]["action"], files["lut.png"]["reason"]) == (
        "copy",
        "a look-up table, a colour cube: kept as it is",
    )
    assert files["wall.png"]["action"] == "upscale"
    (folder / "texup.toml").write_text('[[rule]]\nmatch = "lut.png"\naction = "upscale"\n')
    files = {file["path"]: file for file in json.loads(texup("inspect", folder, "--json").out)["files"]}
    assert (files["lut.png"]["action"], files["lut.png"]["policy"]["kind"]) == ("upscale", "colour")


@pytest.mark.usefixtures("catalog")
def test_a_table_whose_size_a_lump_has_promised_is_repeated(texup, pack, tmp_path):
    pack("textures/lut.png")
    out = tmp_path / "out"
    assert texup("upscale", tmp_path / "pack", "-o", out, "--format", "gzdoom", "--textures-lump").code == 0
    (target,) = records_of(out)["textures/lut.png"]["targets"]
    with Image.open(out / target[0]) as picture:
        assert np.array_equal(np.asarray(picture), np.asarray(cube()).repeat(4, 0).repeat(4, 1))
