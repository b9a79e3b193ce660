"""``texup interpolate --sweep``: pictures through every blend of a pair, as whole commands."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from texup.metrics import lr_psnr
from texup.pictures.sheets import GAP, MARGIN, encode_png
from texup.textures.codecs.files import read_texture

CELL = 80


@pytest.fixture
def work(catalog, tmp_path, monkeypatch, wall) -> Path:
    """The working folder, with two pictures, and the pair of tiny nets."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for k, name in enumerate(("wall.png", "floor.png")):
        (folder / name).write_bytes(encode_png(wall(20, 16, seed=k)))
    return folder


@pytest.mark.usefixtures("work")
def test_a_strip_shows_what_upscale_writes(texup, work):
    y, x = np.mgrid[:20, :16][..., None] * 2 * np.pi
    wave = 128 + 60 * np.sin(y / 20) * np.cos(x / 16 + (0, 1, 2)) + 20 * np.cos(3 * x / 16 + 2 * y / 20)
    (work / "tiles.png").write_bytes(encode_png(wave.astype(np.uint8)))
    assert texup("inspect", "tiles.png", "--json").json["counts"]["edges"] == {"wrap,wrap": 1}
    names = ("wall.png", "floor.png", "tiles.png")
    chosen = [part for name in names for part in ("--on", name)]
    result = texup("interpolate", "--sweep", "0:1:0.5", *chosen, "-o", "s.png", "--cell", CELL)
    assert (result.code, result.out) == (0, "s.png\n")
    assert [line.split(",")[0].split(":")[0] for line in result.err.splitlines()] == ["alpha 0", "alpha 0.5", "alpha 1"]
    assert result.err.count("HF 1.00 (3 pictures)") == 1
    sheet = read_texture(Path("s.png")).pixels
    assert sheet.shape[1] == 2 * MARGIN + 4 * CELL + 3 * GAP
    for name in names:
        for column, share in enumerate(("0", "0.5", "1"), 1):
            assert texup("upscale", name, "--blend", share, "-o", f"{share}.png", "--force").code == 0
            left = MARGIN + column * (CELL + GAP) + (CELL - 64) // 2
            assert shows(sheet[:, left : left + 64], read_texture(Path(f"{share}.png")).pixels)


def shows(column, picture) -> bool:
    height = picture.shape[0]
    return any((column[y : y + height] == picture).all() for y in range(column.shape[0] - height + 1))


@pytest.mark.usefixtures("work")
def test_the_numbers_come_as_json_too(texup):
    result = texup("interpolate", "--sweep", "1,0.25", "--on", "wall.png", "--on", "floor.png", "--json")
    facts = result.json
    assert (result.code, facts["output"], facts["scale"]) == (0, "strip.png", 4)
    assert (facts["psnr"], facts["gan"]) == ("tiny-psnr", "tiny-gan")
    assert [image["image"] for image in facts["images"]] == ["wall.png", "floor.png"]
    assert [blend["alpha"] for blend in facts["images"][0]["blends"]] == [1.0, 0.25]
    assert texup("upscale", "wall.png", "--model", "tiny-gan", "-o", "gan.png").code == 0
    gan = read_texture(Path("gan.png")).pixels
    assert facts["images"][0]["blends"][0]["lr_psnr"] == lr_psnr(gan, read_texture(Path("wall.png")).pixels)
    assert Path("strip.png").is_file()


def test_originals_come_from_a_folder_a_file_or_the_pictures_themselves(texup, work, wall):
    (work / "hd").mkdir()
    (work / "hd" / "wall.png").write_bytes(encode_png(wall(80, 64, seed=0)))
    base = ("interpolate", "--sweep", "0.5", "--json", "--force", "--on")
    numbers = [
        texup(*base, "wall.png", "--reference", "hd").json["images"][0]["blends"][0],
        texup(*base, "wall.png", "--reference", "hd/wall.png").json["images"][0]["blends"][0],
        texup(*base, "hd/wall.png", "--reduce").json["images"][0]["blends"][0],
    ]
    assert numbers[0] == numbers[1]
    assert all(set(each) == {"alpha", "psnr_y", "hf_ratio"} for each in numbers)
    assert numbers[2]["psnr_y"] > numbers[0]["psnr_y"]


def test_a_picture_of_one_colour_has_no_detail_to_compare(texup, work):
    (work / "flat.png").write_bytes(encode_png(np.full((16, 16, 3), 90, np.uint8)))
    result = texup("interpolate", "--sweep", "0,1", "--on", "flat.png", "--json")
    assert (result.code, "NaN" in result.out, "Infinity" in result.out) == (0, False, False)
    assert result.json["images"][0]["blends"][1] == {"alpha": 1.0, "lr_psnr": None, "hf_ratio": None}
    assert "nothing to measure (1 picture)" in result.err


def test_files_may_be_named_instead_of_the_pair(texup, work, catalog):
    for name in ("tiny-psnr", "tiny-gan"):
        shutil.copy(catalog / f"{name}.safetensors", work / f"my-{name}.safetensors")
    files = ("my-tiny-psnr.safetensors", "my-tiny-gan.safetensors")
    result = texup("interpolate", *files, "--sweep", "0,1", "--json", "--on", "wall.png")
    assert (result.code, result.json["psnr"], result.json["gan"]) == (0, "my-tiny-psnr", "my-tiny-gan")


@pytest.mark.usefixtures("work")
def test_the_same_strip_is_the_same_file_and_is_not_replaced(texup):
    command = ("interpolate", "--sweep", "0,0.5", "--on", "wall.png", "-o", "s.png")
    assert texup(*command).code == 0
    first = Path("s.png").read_bytes()
    result = texup(*command)
    assert (result.code, len(result.errors), "--force" in result.err) == (2, 1, True)
    assert texup(*command, "--force").code == 0
    assert Path("s.png").read_bytes() == first


ON = ("--on", "wall.png")
GOOD = ("--sweep", "0,1", *ON)


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--sweep", "0:1:0", *ON), "by a step above 0"),
        (("--sweep", "1:0:0.5", *ON), "count up"),
        (("--sweep", "0:1:0.001", *ON), "more than 50 blends"),
        (("--sweep", "0:1.5:0.5", *ON), "from 0 (PSNR) to 1 (GAN)"),
        (("--sweep", "much", *ON), "write FROM:TO:STEP"),
        (("--sweep", "0,1"), "--on IMAGE"),
        (("--sweep", "0,1", "--on", "none.png"), "none.png: no such file"),
        (("--sweep", "0,1", *ON, "--on", "none.png"), "none.png: no such file"),
        (("--sweep", "0,1", "--on", "."), ".: a folder"),
        ((*GOOD, "-o", "strip.jpg"), "strip.jpg: name the output .png"),
        ((*GOOD, "-o", "strip"), "strip: name the output .png"),
        ((*GOOD, "--alpha", "0.5"), "either --alpha"),
        ((*GOOD, "--reduce"), "wall.png: too small to measure"),
        ((*GOOD, "--reference", "nowhere"), "nowhere: no such file"),
        ((*GOOD, "--reference", "floor.png"), "wall.png: its original is 16x20, and must be 64x80"),
        ((*GOOD, "--reduce", "--reference", "floor.png"), "leave out --reference"),
        ((*GOOD, "--device", "cuda"), "'cuda' is not available"),
        (("--alpha", "0.5", *ON), "--on belongs to --sweep"),
        (("--alpha", "0.5", "--reduce"), "--reduce belongs to --sweep"),
        (("--alpha", "0.5", "--json"), "--json belongs to --sweep"),
        (("tiny-psnr", *GOOD), "name both models"),
        ((*GOOD, "floor.png"), "each picture takes an --on of its own"),
    ],
)
def test_wrong_use_is_one_line_and_ends_with_2_before_anything_is_written(texup, arguments, reason):
    before = sorted(os.listdir())
    result = texup("interpolate", *arguments)
    assert (result.code, result.out, len(result.err.splitlines()), len(result.errors)) == (2, "", 1, 1)
    assert reason in result.err
    assert sorted(os.listdir()) == before


def test_upscale_mixes_as_the_catalog_recommends(texup, tmp_path, monkeypatch, tiny_weights, wall):
    folder = tmp_path / "weights"
    shutil.copytree(tiny_weights, folder)
    text = (folder / "catalog.toml").read_text()
    (folder / "catalog.toml").write_text(text.replace('gan = "tiny-gan"', 'gan = "tiny-gan"\nblend = 0.4'))
    monkeypatch.setattr("texup.models.catalog.weights_folder", lambda: folder)
    monkeypatch.chdir(tmp_path)
    Path("wall.png").write_bytes(encode_png(wall(16, 16)))
    for name, blend in {"auto": "auto", "number": "0.4", "other": "0.5"}.items():
        assert texup("upscale", "wall.png", "--blend", blend, "-o", f"{name}.png").code == 0
    auto, number, other = (Path(f"{name}.png").read_bytes() for name in ("auto", "number", "other"))
    assert auto == number
    assert auto != other
    shown = texup("inspect", "wall.png", "--blend", "auto", "--json").json
    assert shown["models"] == ["tiny-psnr+tiny-gan@0.4"]


def test_upscale_needs_a_recommendation_for_auto(texup, work):
    result = texup("upscale", "wall.png", "--blend", "auto")
    assert (result.code, len(result.errors)) == (2, 1)
    assert "the catalog recommends no blend" in result.err
