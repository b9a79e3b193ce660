"""``--dds-quality``: whole runs that write BC7 closer to the picture, or say in time that they cannot."""

import json
from pathlib import Path

import pytest
from PIL import Image

from texup.textures.blocks import ispc
from texup.textures.codecs.dds_header import blocks_bytes, level_sizes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pack(tmp_path) -> Path:
    """A real picture of 24 x 20 texels."""
    folder = tmp_path / "pack"
    folder.mkdir()
    with Image.open(ROOT / "tests/data/before_after.png") as picture:
        picture.convert("RGB").crop((384, 64, 408, 84)).save(folder / "wall.png")
    return folder


@pytest.mark.usefixtures("catalog")
def test_a_quality_is_asked_for_of_a_finished_pack(texup, pack, tmp_path):
    chosen = [pack, "-o", tmp_path / "out", "--dds", "bc7", "--json"]

    def made(*quality):
        result = texup("upscale", *chosen, *quality)
        assert result.json["counts"] == {"upscaled": 1}, result.err
        assert texup("upscale", *chosen, *quality).json["counts"] == {"unchanged": 1}
        return (tmp_path / "out" / "wall.dds").read_bytes()

    fast, normal, best = made(), made("--dds-quality", "normal"), made("--dds-quality", "best")
    assert len({fast, normal, best}) == 3
    assert fast[:148] == normal[:148] == best[:148]
    sizes = list(level_sizes(96, 80))
    assert len(normal) == 148 + sum(blocks_bytes("bc7", w, h) for w, h in sizes)
    second = 148 + blocks_bytes("bc7", *sizes[0])
    assert normal[second:] != fast[second:], "smaller levels are of the quality too"
    assert made("--dds-quality", "fast") == fast


@pytest.mark.usefixtures("catalog")
def test_without_the_package_a_better_quality_is_refused_before_anything_is_written(texup, pack, tmp_path, monkeypatch):
    monkeypatch.setattr(ispc, "find_spec", lambda name: None)
    for command in ("upscale", "inspect"):
        out = ("-o", tmp_path / "out") if command == "upscale" else ()
        result = texup(command, pack, *out, "--dds", "bc7", "--dds-quality", "normal")
        assert result.code == 2
        assert result.err.splitlines() == [
            "texup: error: --dds-quality normal: BC7 of this quality needs the extra: pip install 'texup[dds]'"
        ]
    assert not (tmp_path / "out").exists()
    assert texup("upscale", pack, "-o", tmp_path / "out", "--dds", "bc7").code == 0


@pytest.mark.usefixtures("catalog")
def test_the_manifest_says_the_quality(texup, pack, tmp_path):
    assert texup("upscale", pack, "-o", tmp_path / "out", "--dds", "bc7", "--dds-quality", "normal").code == 0
    with open(tmp_path / "out" / "texup-manifest.jsonl", encoding="utf-8") as file:
        assert json.loads(file.readline())["settings"]["dds_quality"] == "normal"
