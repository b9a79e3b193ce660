"""Pixel art on its way through a pack: found by its pixels, enlarged by its own net, unless the user says otherwise."""

from __future__ import annotations

import json
import shutil
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


WEIGHTS = Path(__file__).parents[2] / "weights"


@pytest.fixture
def _pixel_catalog(tiny_weights, tmp_path, monkeypatch):
    """The catalog of tiny nets, and with it the shipped net for pixel art."""
    folder = tmp_path / "weights"
    shutil.copytree(tiny_weights, folder)
    shutil.copy(WEIGHTS / "texup-x4-pixel.safetensors", folder)
    shipped = (WEIGHTS / "catalog.toml").read_text()
    entry = shipped[shipped.index('[[model]]\nname = "texup-x4-pixel"') :]
    text = (folder / "catalog.toml").read_text()
    (folder / "catalog.toml").write_text(f'pixel_art = "texup-x4-pixel"\n{text}\n{entry}')
    monkeypatch.setattr("texup.models.catalog.weights_folder", lambda: folder)


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


@pytest.mark.usefixtures("_pixel_catalog")
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


@pytest.mark.usefixtures("_pixel_catalog")
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


@pytest.mark.usefixtures("_pixel_catalog")
def test_a_rule_decides_before_the_option(texup, pack, tmp_path):
    (pack / "texup.toml").write_text('[[rule]]\nmatch = "wall.png"\nmethod = "pixel"\n')
    out = tmp_path / "out"
    assert texup("upscale", pack, "-o", out, "--method", "net", "--scale", "3").code == 0
    assert {path: policy["method"] for path, policy in policies(out).items()} == {
        "face.png": "net",
        "wall.png": "pixel",
    }
    assert pixels(out / "wall.png").shape == (96, 96, 3)


@pytest.mark.usefixtures("_pixel_catalog")
def test_another_method_does_the_textures_again(texup, pack, tmp_path):
    out = tmp_path / "out"
    texup("upscale", pack, "-o", out)
    drawn = (out / "face.png").read_bytes()
    assert json.loads(texup("upscale", pack, "-o", out, "--json").out)["counts"].get("upscaled", 0) == 0
    texup("upscale", pack, "-o", out, "--method", "nearest")
    assert (out / "face.png").read_bytes() != drawn


@pytest.mark.usefixtures("_pixel_catalog")
def test_inspect_says_which_and_why(texup, pack):
    lines = texup("inspect", pack, "-v").out.splitlines()
    assert any("face.png" in line and "pixel art" in line and "few colours in hard steps" in line for line in lines)
    assert any(line.split() == ["methods", "pixel:", "1,", "net:", "1"] for line in lines)
    files = {file["path"]: file for file in json.loads(texup("inspect", pack, "--json").out)["files"]}
    assert files["face.png"]["policy"]["method"] == "pixel"
    assert texup("inspect", pack, "--method", "vectors").code == 2
    assert any(
        line.split() == ["and", "texup-x4-pixel", "(RGBA", "in", "one", "pass)", "for", "pixel", "art"]
        for line in lines
    )


@pytest.mark.usefixtures("_pixel_catalog")
def test_a_model_of_the_user_is_not_for_pixel_art_unless_asked(texup, pack, tmp_path):
    out, other, net = (tmp_path / name for name in ("out", "other", "net"))
    assert texup("upscale", pack, "-o", out).code == 0
    assert texup("upscale", pack, "-o", other, "--model", "tiny-psnr").code == 0
    assert texup("upscale", pack, "-o", net, "--model", "tiny-psnr", "--method", "net").code == 0
    faces = [pixels(folder / "face.png") for folder in (out, other, net)]
    assert (faces[0] == faces[1]).all()
    assert (faces[0] != faces[2]).any()


@pytest.mark.usefixtures("_pixel_catalog")
@pytest.mark.parametrize("scale", [1, 2, 3, 6, 8])
def test_every_scale_keeps_areas_and_the_class_of_alpha(texup, pack, tmp_path, scale):
    out = tmp_path / "out"
    assert texup("upscale", pack / "face.png", "-o", out / "face.png", "--scale", str(scale)).code == 0
    face, source = pixels(out / "face.png"), sprite()
    assert face.shape == (16 * scale, 16 * scale, 4)
    assert set(np.unique(face[..., 3])) == {0, 255}
    inside = face[7 * scale : 8 * scale, 5 * scale : 11 * scale, :3]  # nothing else within a texel
    assert (np.abs(inside.astype(int) - (255, 220, 0)) <= 1).all()
    shown = face[..., 3] > 0
    assert shown.mean() == pytest.approx((source[..., 3] > 0).mean(), abs=0.02)
    if scale == 1:
        assert (face[shown] == source[shown]).all()


@pytest.mark.usefixtures("_pixel_catalog")
@pytest.mark.parametrize("mode", ["L", "LA", "P", "I;16", "RGB"])
def test_every_way_of_storing_it_gives_the_same_picture(texup, tmp_path, mode):
    grey = np.where(sprite()[..., 0] > 0, 200, 30).astype(np.uint8)
    picture = Image.fromarray(grey.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(grey).convert(mode)
    picture.save(tmp_path / "face.png")
    Image.fromarray(grey).convert("RGBA").save(tmp_path / "rgba.png")
    for name in ("face", "rgba"):
        assert (
            texup("upscale", tmp_path / f"{name}.png", "-o", tmp_path / f"{name}_hd.png", "--method", "pixel").code == 0
        )
    found, expected = (pixels(tmp_path / f"{name}_hd.png") for name in ("face", "rgba"))
    if mode == "P":
        with Image.open(tmp_path / "face_hd.png") as stored:
            found = np.asarray(stored.convert("L"))
    levels = found / 257 if mode == "I;16" else found
    levels = levels if levels.ndim == 2 else levels[..., 0]
    assert np.abs(levels - expected[..., 0]).max() <= 1


@pytest.mark.usefixtures("_pixel_catalog")
def test_a_pane_keeps_its_levels_and_lends_the_frame_no_colour(texup, tmp_path):
    pane = np.full((16, 16, 4), (0, 0, 0, 255), np.uint8)
    pane[1:-1, 1:-1] = (100, 205, 255, 51)
    pane[3, 3:6] = 255
    Image.fromarray(pane).save(tmp_path / "pane.png")
    assert texup("upscale", tmp_path / "pane.png", "-o", tmp_path / "hd.png").code == 0
    found = pixels(tmp_path / "hd.png").astype(int)
    assert set(np.unique(found[..., 3])) == {51, 255}
    frame = found[:6][found[:6, :, 3] == 255]
    assert frame[:, 2].max() < 100  # the blue of the pane has not the alpha of the frame
    assert (np.abs(found[32:44, 20:44] - (100, 205, 255, 51)) <= 1).all()
