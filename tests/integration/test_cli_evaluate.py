"""``texup evaluate``: whole commands over real files."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from texup.cli.evaluate import _is_shown
from texup.degradations import GAME
from texup.metrics import imresize, psnr_y, ssim_y
from texup.metrics.resizing import as_bytes
from texup.pictures.sheets import encode_png
from texup.textures.codecs.files import read_texture

METRICS = {"psnr_y", "ssim_y", "lr_psnr", "gmsd", "hf_ratio", "lsd", "grid", "grid_signed", "hatching", "seam"}


@pytest.fixture
def bench(tmp_path, wall):
    """A benchmark of three pictures, with their low-resolution files."""
    for k, size in enumerate([(64, 80), (64, 64), (72, 96)]):
        hr = wall(*size, seed=k)
        lr = as_bytes(imresize(hr, (size[0] // 4, size[1] // 4)))
        for folder, pixels in (("HR", hr), ("LR_x4", lr)):
            path = tmp_path / "Set" / folder / f"wall{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_png(pixels))
    return tmp_path / "Set"


@pytest.fixture
def one(tmp_path, bench):
    """A folder with one picture of the benchmark."""
    (tmp_path / "one").mkdir()
    (bench / "HR" / "wall1.png").rename(tmp_path / "one" / "wall1.png")
    return tmp_path / "one"


def test_json_holds_every_picture_and_the_means(texup, catalog, bench):
    result = texup("evaluate", "tiny-psnr", "--on", bench, "--protocol", "files", "--json")
    assert result.code == 0
    found = result.json
    assert (found["protocol"], found["device"], found["crop"], found["skipped"]) == ("files", "cpu", None, [])
    assert [row["method"] for row in found["images"]] == ["bicubic", "lanczos", "tiny-psnr", "HR"] * 3
    assert all(row.keys() >= METRICS for row in found["images"] + found["means"])
    hr, lr = (read_texture(bench / kind / "wall2.png").pixels for kind in ("HR", "LR_x4"))
    sr = as_bytes(imresize(lr, hr.shape[:2]))
    (row,) = (r for r in found["images"] if (r["image"], r["method"]) == ("wall2.png", "bicubic"))
    assert (row["psnr_y"], row["ssim_y"]) == (psnr_y(sr, hr, 4), ssim_y(sr, hr, 4))
    by_method = {mean["method"]: mean for mean in found["means"]}
    ours = [row["psnr_y"] for row in found["images"] if row["method"] == "tiny-psnr"]
    base = [row["psnr_y"] for row in found["images"] if row["method"] == "bicubic"]
    assert by_method["tiny-psnr"]["psnr_y"] == pytest.approx(np.mean(ours))
    assert by_method["tiny-psnr"]["gain"] == pytest.approx(np.mean(ours) - np.mean(base))
    assert by_method["tiny-psnr"]["worst"] == pytest.approx(min(np.subtract(ours, base)))
    assert by_method["HR"]["psnr_y"] is None


def test_the_same_command_prints_the_same(texup, catalog, one):
    results = [texup("evaluate", "tiny-gan", "--on", one, "--json") for _ in range(2)]
    assert results[0].out == results[1].out


def test_the_table_has_a_line_for_each_method(texup, catalog, one):
    result = texup("evaluate", "tiny-psnr", "tiny-gan", "--on", one, "--protocol", "game", "--crop", "48")
    assert result.code == 0
    lines = [line.split() for line in result.out.splitlines() if line.strip()]
    assert lines[0][:5] == ["PSNR-Y", "gain", "worst", "SSIM-Y", "LR-PSNR"]
    methods = ["bicubic", "lanczos", "tiny-psnr", "tiny-gan", "HR"]
    assert [line[:2] for line in lines[2:]] == [[name, method] for name in GAME for method in methods]
    assert "\nbc1 tiny-gan: worst is wall1.png" in "\n" + result.err


def test_per_image_comes_before_the_means(texup, catalog, bench):
    out = texup("evaluate", "--on", bench, "--per-image").out
    assert [out.count(f"wall{k}.png") for k in range(3)] == [3, 3, 3]
    assert out.index("wall2.png") < out.index("gain")


@pytest.fixture
def no_strokes(monkeypatch):
    """Looks for no strokes, which takes as long as all the rest, where only the pictures count."""
    monkeypatch.setattr("texup.metrics.hatching", lambda *_: 0.0)


@pytest.mark.usefixtures("no_strokes")
def test_the_sheet_shows_each_method_beside_the_source(texup, catalog, bench, tmp_path):
    sheet = tmp_path / "deep" / "sheet.png"
    asked = ("evaluate", "tiny-psnr", "--on", bench, "--sheet", sheet)
    assert texup(*asked).code == 0
    pixels = read_texture(sheet).pixels
    hr = read_texture(bench / "HR" / "wall1.png").pixels
    assert pixels.shape[1] >= 4 * 256
    enlarged = hr.repeat(4, 0).repeat(4, 1)
    corners = np.argwhere((pixels[:-255, :-255] == enlarged[0, 0]).all(axis=2))
    assert any(np.array_equal(pixels[y : y + 256, x : x + 256], enlarged) for y, x in corners)
    refused = texup(*asked)
    assert (refused.code, refused.errors) == (
        2,
        [f"texup: error: {sheet}: already there; choose another name, or --force to replace it"],
    )
    assert texup(*asked, "--force").code == 0


@pytest.mark.usefixtures("no_strokes")
def test_the_sheet_shows_the_middle_of_large_pictures(texup, catalog, tmp_path):
    hr = np.random.default_rng(0).integers(0, 256, (272, 288, 3)).astype(np.uint8)
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "a.png").write_bytes(encode_png(hr))
    assert texup("evaluate", "--on", tmp_path / "large", "--sheet", tmp_path / "sheet.png").code == 0
    sheet, middle = read_texture(tmp_path / "sheet.png").pixels, hr[8:264, 16:272]
    assert sheet.shape[1] < 4 * 256  # LR, bicubic and HR, but not lanczos
    corners = np.argwhere((sheet[:-255, :-255] == middle[0, 0]).all(axis=2))
    assert any(np.array_equal(sheet[y : y + 256, x : x + 256], middle) for y, x in corners)


@pytest.mark.parametrize(
    ("protocol", "total", "shown"),
    [
        ("bicubic", 24, list(range(1, 25))),
        ("files", 25, list(range(1, 26, 2))),
        ("bicubic", 1, [1]),
        ("game", 6, [1, 3, 5]),
    ],
)
def test_a_sheet_takes_pictures_evenly(protocol, total, shown):
    cases = [SimpleNamespace(number=n, total=total) for n in range(1, total + 1)]
    assert [case.number for case in cases if _is_shown(case, protocol)] == shown


def test_a_damaged_picture_is_named_and_the_others_count(texup, catalog, bench):
    (bench / "HR" / "wall0.png").write_bytes((bench / "HR" / "wall0.png").read_bytes()[:-30])
    result = texup("evaluate", "--on", bench, "--json")
    assert result.code == 3
    assert len(result.json["images"]) == 2 * 3
    assert [each["image"] for each in result.json["skipped"]] == ["wall0.png"]
    assert result.err.startswith("skipped: wall0.png: damaged PNG")


def test_a_picture_met_exactly_is_left_out_of_the_mean_and_that_is_said(texup, catalog, bench):
    (bench / "HR" / "plain.png").write_bytes(encode_png(np.full((64, 64, 3), 90, np.uint8)))
    result = texup("evaluate", "--on", bench / "HR")
    assert "PSNR-Y leaves out 1 of 4 pictures" in result.err
    assert "inf" not in result.out


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["--on", "{bench}", "nobody"], 2, "no model nobody"),
        (["--on", "{bench}/gone"], 2, "no such folder"),
        (["--on", "{bench}/HR", "--protocol", "files"], 2, "needs the folders HR and LR_x4"),
        (["--on", "{bench}", "--crop", "8"], 2, "leaves too little"),
        (["--on", "{bench}", "--device", "cuda:9"], 2, "not available"),
        (["--on", "{bench}", "--sheet", "sheet.jpg"], 2, "name the sheet .png"),
        (["--on", "{bench}", "{bench}/HR/wall0.png"], 4, "wall0.png"),
    ],
)
def test_wrong_use_is_one_line(texup, catalog, bench, arguments, code, reason):
    result = texup("evaluate", *(argument.format(bench=bench) for argument in arguments))
    assert (result.code, result.out, len(result.err.splitlines())) == (code, "", 1)
    assert reason in result.errors[0]


def test_pictures_that_are_all_too_small_are_refused(texup, catalog, tmp_path):
    (tmp_path / "icons").mkdir()
    (tmp_path / "icons" / "a.png").write_bytes(encode_png(np.zeros((16, 16, 3), np.uint8)))
    result = texup("evaluate", "--on", tmp_path / "icons")
    assert (result.code, result.errors) == (2, ["texup: error: none of the pictures could be evaluated"])
