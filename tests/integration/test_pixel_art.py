"""Pixel art on its way through a pack: found by its pixels, enlarged by its shapes, unless somebody says otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SPRITE = """
. . . . . # # # # # # . . . . .
. . . # # y y y y y y # # . . .
. . # y y y y y y y y y y # . .
. # y y y y y y y y y y y y # .
. # y y # # y y y y # # y y # .
# y y y # w y y y y # w y y y #
# y y y y y y y y y y y y y y #
# y y y y y y y y y y y y y y #
# y y # y y y y y y y y # y y #
# y y y # y y y y y y # y y y #
. # y y y # # # # # # y y y # .
. # y y y y y y y y y y y y # .
. . # y y y y y y y y y y # . .
. . . # # y y y y y y # # . . .
. . . . . # # # # # # . . . . .
. . . . . . . . . . . . . . . .
"""
INKS = {".": (255, 0, 255, 0), "#": (0, 0, 0, 255), "y": (255, 220, 0, 255), "w": (255, 255, 255, 255)}


def sprite() -> np.ndarray:
    return np.array([[INKS[ink] for ink in line.split()] for line in SPRITE.split("\n") if line], np.uint8)


@pytest.fixture
def pack(tmp_path, wall) -> Path:
    folder = tmp_path / "pack"
    folder.mkdir()
    Image.fromarray(sprite()).save(folder / "face.png")
    Image.fromarray(wall(32, 32)).save(folder / "wall.png")
    return folder


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def policies(out: Path) -> dict[str, dict]:
    lines = [json.loads(line) for line in (out / "texup-manifest.jsonl").read_text().splitlines()]
    return {line["path"]: line["policy"] for line in lines if line.get("outcome") == "upscaled"}


@pytest.mark.usefixtures("catalog")
def test_a_face_keeps_its_colours_and_loses_its_stairs(texup, pack, tmp_path):
    out = tmp_path / "out"
    assert texup("upscale", pack, "-o", out).code == 0
    face, source = pixels(out / "face.png"), sprite()
    assert face.shape == (64, 64, 4)
    shown = face[..., 3] > 0
    assert set(np.unique(face[..., 3])) == {0, 255}
    assert shown.mean() == pytest.approx((source[..., 3] > 0).mean(), abs=0.01)
    assert face[shown][:, 2].max() == 255  # the highlights of one texel
    assert face[20:24, 20:24, 2].mean() > 0.5 * 255
    assert (face[12:14, 32:36, :3] == (255, 220, 0)).all()
    assert not (face[shown][:, :3] == (255, 0, 255)).all(axis=1).any()  # what nobody may see
    outline = np.argmax(shown, axis=1)[4:24]
    assert np.abs(np.diff(outline)).max() <= 3  # texels of the source have four
    found = policies(out)
    assert found["face.png"]["method"] == "pixel"
    assert found["face.png"]["art"]["colours"] == 3
    assert found["wall.png"]["method"] == "net"
    assert found["wall.png"]["art"]["is_pixel_art"] is False


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize(
    ("method", "done"), [("net", ["net"] * 2), ("pixel", ["pixel"] * 2), ("nearest", ["nearest"] * 2)]
)
def test_the_user_decides_for_all(texup, pack, tmp_path, method, done):
    out = tmp_path / "out"
    assert texup("upscale", pack, "-o", out, "--method", method).code == 0
    found = policies(out)
    assert [found[path]["method"] for path in ("face.png", "wall.png")] == done
    if method == "nearest":
        assert (pixels(out / "wall.png") == pixels(pack / "wall.png").repeat(4, 0).repeat(4, 1)).all()


@pytest.mark.usefixtures("catalog")
def test_a_rule_decides_before_the_option(texup, pack, tmp_path):
    (pack / "texup.toml").write_text('[[rule]]\nmatch = "wall.png"\nmethod = "pixel"\n')
    out = tmp_path / "out"
    assert texup("upscale", pack, "-o", out, "--method", "net", "--scale", "3").code == 0
    assert {path: policy["method"] for path, policy in policies(out).items()} == {
        "face.png": "net",
        "wall.png": "pixel",
    }
    assert pixels(out / "wall.png").shape == (96, 96, 3)


@pytest.mark.usefixtures("catalog")
def test_another_method_does_the_textures_again(texup, pack, tmp_path):
    out = tmp_path / "out"
    texup("upscale", pack, "-o", out)
    drawn = (out / "face.png").read_bytes()
    assert json.loads(texup("upscale", pack, "-o", out, "--json").out)["counts"].get("upscaled", 0) == 0
    texup("upscale", pack, "-o", out, "--method", "nearest")
    assert (out / "face.png").read_bytes() != drawn


@pytest.mark.usefixtures("catalog")
def test_inspect_says_which_and_why(texup, pack):
    lines = texup("inspect", pack, "-v").out.splitlines()
    assert any("face.png" in line and "pixel art" in line and "few colours in hard steps" in line for line in lines)
    assert any(line.split() == ["methods", "pixel:", "1,", "net:", "1"] for line in lines)
    files = {file["path"]: file for file in json.loads(texup("inspect", pack, "--json").out)["files"]}
    assert files["face.png"]["policy"]["method"] == "pixel"
    assert texup("inspect", pack, "--method", "vectors").code == 2
