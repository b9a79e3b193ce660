"""Keyed sprites come back with their exact key and nothing tinted by it, whichever way they go."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ..builders import records_of

MAGENTA = (255, 0, 255)


def keyed(wall, disc, key=MAGENTA):
    shape = disc(24, 20, radius=8) > 0
    stone = np.clip(wall(24, 20).astype(int) // 2 + [60, 50, 20], 0, 255)
    return np.where(shape[..., None], stone, key).astype(np.uint8)


@pytest.fixture
def pack(tmp_path, wall, disc):
    folder = tmp_path / "pack"
    folder.mkdir()
    sprite = Image.fromarray(keyed(wall, disc))
    for name in ("a.png", "b.bmp", "c.tga"):
        sprite.save(folder / name)
    sprite.quantize(64, dither=Image.Dither.NONE).save(folder / "d.bmp")
    Image.fromarray(np.tile(np.pad(keyed(wall, disc), ((4, 4), (6, 6), (0, 0))), (2, 2, 1))).save(folder / "sheet.png")
    Image.fromarray(keyed(wall, disc, (0, 0, 0))).save(folder / "black.png")
    Image.fromarray(wall(24, 20)).save(folder / "wall.png")
    return folder


def seen(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int), picture.mode


def check(source, result, key=MAGENTA, scale=4):
    """The result has as much key as the source, exactly, and none of its visible texels is tinted by it."""
    (small, _), (large, mode) = seen(source), seen(result)
    assert large.shape == (small.shape[0] * scale, small.shape[1] * scale, 3)
    is_key = (large == key).all(axis=2)
    assert is_key.mean() == pytest.approx((small == key).all(axis=2).mean(), abs=0.005)
    if key == MAGENTA:
        tint = np.minimum(large[..., 0], large[..., 2]) - large[..., 1]
        assert (tint[~is_key] <= 40).all()
    return mode


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize("options", [(), ("--method", "pixel"), ("--method", "nearest"), ("--scale", "2")])
def test_the_key_comes_back_exactly_in_every_format(texup, pack, tmp_path, options):
    out = tmp_path / "out"
    assert texup("upscale", pack, "-o", out, *options).code == 0
    scale = 2 if "--scale" in options else 4
    modes = {name: check(pack / name, out / name, scale=scale) for name in ("a.png", "b.bmp", "c.tga", "d.bmp")}
    assert set(modes.values()) == {"RGB"}
    records = records_of(out)
    assert {name: records[name]["policy"]["key"] for name in ("a.png", "d.bmp", "wall.png", "black.png")} == {
        "a.png": [255, 0, 255],
        "d.bmp": [255, 0, 255],
        "wall.png": None,
        "black.png": None,
    }


@pytest.mark.usefixtures("catalog")
def test_a_palette_keeps_its_key(texup, pack, tmp_path):
    assert texup("upscale", pack, "-o", tmp_path / "out", "--palette", "keep").code == 0
    assert check(pack / "d.bmp", tmp_path / "out" / "d.bmp") == "P"


@pytest.mark.usefixtures("catalog")
def test_the_user_names_a_key_or_none(texup, pack, tmp_path):
    out = tmp_path / "out"
    assert texup("upscale", pack, "-o", out, "--key", "000000", "--include", "black.png").code == 0
    check(pack / "black.png", out / "black.png", (0, 0, 0))
    rules = '[[rule]]\nmatch = "black.png"\nkey = "000000"\n[[rule]]\nmatch = "a.png"\nkey = "none"\n'
    (pack / "texup.toml").write_text(rules)
    assert texup("upscale", pack, "-o", tmp_path / "rules").code == 0
    records = records_of(tmp_path / "rules")
    assert (records["black.png"]["policy"]["key"], records["a.png"]["policy"]["key"]) == ([0, 0, 0], None)
    check(pack / "black.png", tmp_path / "rules" / "black.png", (0, 0, 0))
    (pack / "texup.toml").write_text('[[rule]]\nkey = "pink"\n')
    refused = texup("upscale", pack, "-o", tmp_path / "never")
    assert refused.code == 2
    assert "rule 1: key = 'pink': use auto, none, or a colour as RRGGBB" in refused.err


@pytest.mark.usefixtures("catalog")
def test_inspect_shows_keys_and_why(texup, pack):
    lines = texup("inspect", pack, "-v").out.splitlines()
    (line,) = [line for line in lines if line.split()[:2] == ["upscale", "a.png"]]
    assert "colour key ff00ff: cut out, and written back exactly" in line
    assert "alpha" not in line
    assert [line.split() for line in lines if line.startswith("colour keys")] == [["colour", "keys", "ff00ff:", "4"]]
    assert next(line for line in lines if line.startswith("modes")).split("modes")[1].strip().startswith("RGB 8 bit")


@pytest.mark.usefixtures("catalog")
def test_a_rule_may_ask_for_the_alpha_of_a_keyed_sprite(texup, pack, tmp_path):
    (pack / "texup.toml").write_text('[[rule]]\nwhen = { alpha = "binary" }\nmethod = "nearest"\n')
    assert texup("upscale", pack, "-o", tmp_path / "out").code == 0
    small, large = seen(pack / "a.png")[0], seen(tmp_path / "out" / "a.png")[0]
    assert np.array_equal(large, small.repeat(4, 0).repeat(4, 1))
