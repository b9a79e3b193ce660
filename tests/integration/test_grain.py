"""Grain over whole textures and whole runs: which planes get it, and what is written down about it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from texup.engines.engine import drive
from texup.policy.classify import Policy
from texup.textures.cells import Cells
from texup.textures.color import area
from texup.textures.texture import Container, Texture
from texup.upscaling.pixels import upscale_sheet, upscale_texture
from texup.upscaling.run import Settings, plan_passes

WRAP = ("wrap", "wrap")


def grit(h=32, w=32, channels=3, dtype=np.uint8, seed=0):
    """Return pixels (h, w, channels) rough enough for grain; the last of 2 or 4 is a gradient."""
    dice = np.random.default_rng(seed)
    values = np.repeat(0.5 + 0.06 * dice.standard_normal((h, w, 1)), channels, axis=2)
    if channels in (2, 4):
        values[..., -1] = np.linspace(0, 1, w)
    return np.rint(np.clip(values, 0, 1) * np.iinfo(dtype).max).astype(dtype)


@pytest.fixture
def result_of(through, tiny_model):
    """Sends pixels the whole way, whose net leaves all octaves above the source empty."""
    net = through(tiny_model)

    def run(pixels, scale=4, *, way=upscale_texture, **policy):
        policy = Policy(policy.pop("alpha", "none"), policy.pop("edges", WRAP), **policy)
        seen = Texture(np.ascontiguousarray(pixels), Container("png", 8 * pixels.dtype.itemsize))
        upscaling = way(seen, policy, plan_passes([4], scale), Settings(scale, 8))
        return drive(upscaling, lambda requests: [net(request) for request in requests]).pixels

    return run


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("scale", [2, 3, 4, 16])
def test_colour_gets_it_and_alpha_does_not(result_of, channels, dtype, scale):
    pixels = grit(16, 16, channels, dtype)
    alpha = "soft" if channels in (2, 4) else "none"
    plain, grainy = (result_of(pixels, scale, alpha=alpha, grain=g) for g in (0.0, 1.0))
    colours = channels - (alpha == "soft")
    assert (plain[..., :colours] != grainy[..., :colours]).mean() > 0.3
    np.testing.assert_array_equal(plain[..., colours:], grainy[..., colours:])
    means = [area(p.astype(np.float32), scale) for p in (plain, grainy)]
    assert np.abs(means[0] - means[1]).max() <= 0.5


@pytest.mark.parametrize("alpha", ["constant", "binary", "few", "soft", "data", "copy"])
def test_with_every_kind_of_alpha(result_of, alpha):
    pixels = grit(16, 16, 4)
    steps = {"constant": 1, "binary": 2, "few": 3}.get(alpha, 16)
    pixels[..., 3] = (np.arange(16) * steps // 16) * (255 // max(1, steps - 1)) if steps > 1 else 99
    plain, grainy = (result_of(pixels, alpha=alpha, grain=g) for g in (0.0, 1.0))
    np.testing.assert_array_equal(plain[..., 3], grainy[..., 3])
    assert (plain[..., :3] != grainy[..., :3]).mean() > 0.2


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_every_small_size_and_one_colour(result_of, scale):
    for h in range(1, 9):
        for w in (1, 5, 8):
            assert result_of(grit(h, w), scale, grain=2.0).shape == (h * scale, w * scale, 3)
    flat = np.full((12, 12, 3), 77, np.uint8)
    assert (result_of(flat, scale, grain=2.0) == 77).all()


def test_each_cell_is_a_texture_of_its_own(result_of):
    sheet, cells = grit(16, 32), Cells("texels", 16, 16)
    sheet[:, 16:] = sheet[:, :16]
    twice = result_of(sheet, way=upscale_sheet, cells=cells, grain=1.0)
    alone = result_of(sheet[:, :16], grain=1.0)
    np.testing.assert_array_equal(twice[:, :64], alone)
    np.testing.assert_array_equal(twice[:, 64:], alone)


def test_the_grain_of_an_animation_does_not_flicker(result_of):
    """Two frames that differ in a few texels have the same grain elsewhere."""
    strip, cells = grit(32, 64), Cells("texels", 32, 32)
    strip[:, 32:] = strip[:, :32]
    strip[2:4, 34:36] += 3
    grain = result_of(strip, way=upscale_sheet, cells=cells, grain=1.0).astype(int)
    grain -= result_of(strip, way=upscale_sheet, cells=cells)
    first, second = grain[64:, :128], grain[64:, 128:]
    assert first.std() > 1
    assert np.abs(first - second).mean() < 0.05 * np.abs(first).mean()


def policies(out):
    lines = [json.loads(line) for line in (out / "texup-manifest.jsonl").read_text().splitlines()]
    return {line["path"]: line["policy"] for line in lines if line.get("outcome") in ("upscaled", "twin")}


def pixels_of(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.fixture
def pack(tmp_path):
    folder = tmp_path / "pack"
    (folder / "sub").mkdir(parents=True)
    for name in ("wall.png", "sub/twin.png"):
        Image.fromarray(grit(64, 64)).save(folder / name)
    Image.fromarray(grit(64, 64, seed=1)).save(folder / "other.png")
    lines = np.full((64, 64, 3), 40, np.uint8)
    lines[::13], lines[:, ::17] = 220, 220
    Image.fromarray(lines).save(folder / "lines.png")
    return folder


@pytest.mark.usefixtures("catalog")
def test_what_was_laid_on_is_written_down(texup, pack, tmp_path):
    results = {}
    for name, options in {"auto": (), "none": ("--grain", "0"), "much": ("--grain", "1.5")}.items():
        assert texup("upscale", pack, "-o", tmp_path / name, "--method", "net", *options).code == 0
        found = {path: policy["grain"] for path, policy in policies(tmp_path / name).items()}
        rough = {"auto": 1.0, "none": 0.0, "much": 1.5}[name]
        by_pixels = {"auto": 0.0, "none": 0.0, "much": 1.5}[name]
        assert found == {"wall.png": rough, "sub/twin.png": rough, "other.png": rough, "lines.png": by_pixels}
        results[name] = pixels_of(tmp_path / name / "wall.png").astype(int)
        assert (tmp_path / name / "wall.png").read_bytes() == (tmp_path / name / "sub" / "twin.png").read_bytes()
    weaker, stronger = (np.abs(results[name] - results["none"]).mean() for name in ("auto", "much"))
    assert stronger > 1.3 * weaker > 1
    assert np.array_equal(*(pixels_of(tmp_path / name / "lines.png") for name in ("auto", "none")))


@pytest.mark.usefixtures("catalog")
def test_a_rule_wins_over_the_option(texup, pack, tmp_path):
    rules = '[[rule]]\nmatch = "wall.png"\ngrain = "auto"\n[[rule]]\nmatch = "other.png"\ngrain = 0\n'
    (pack / "texup.toml").write_text(rules)
    assert texup("upscale", pack, "-o", tmp_path / "out", "--grain", "0.5", "--method", "net").code == 0
    found = {path: policy["grain"] for path, policy in policies(tmp_path / "out").items()}
    assert found == {"wall.png": 1.0, "other.png": 0.0, "sub/twin.png": 0.5, "lines.png": 0.5}


@pytest.mark.usefixtures("catalog")
def test_the_same_bytes_with_any_number_of_threads(texup, pack, tmp_path):
    for jobs in ("1", "4"):
        assert texup("upscale", pack, "-o", tmp_path / jobs, "--jobs", jobs).code == 0
    for name in ("wall.png", "other.png"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "4" / name).read_bytes()


@pytest.mark.usefixtures("catalog")
def test_inspect_says_how_much(texup, pack):
    files = {file["path"]: file for file in texup("inspect", pack, "--json", "--grain", "auto").json["files"]}
    assert files["wall.png"]["policy"]["grain"] == 1
    assert files["wall.png"]["reason"].endswith("; grain of 1")
    assert files["lines.png"]["policy"]["grain"] == 0
    assert "grain" not in files["lines.png"]["reason"]
