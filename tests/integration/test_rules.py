"""Rules of the user decide over whole runs, and ``inspect`` says which one did."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ..builders import records_of

RULES = """
[[rule]]
match = "ui/**"
when = { max_side = 8 }
method = "nearest"

[[rule]]
match = "ui/**"
model = "tiny-psnr"
scale = 2

[[rule]]
match = "*.bin.png"
action = "skip"

[[rule]]
match = "lut/*"
action = "copy"

[[rule]]
match = "sheet.png"
cells = "16x16 texels"
edges = "clamp"
"""


@pytest.fixture
def pack(tmp_path, wall) -> Path:
    folder = tmp_path / "pack"
    for k, name in enumerate(("ui/icon.png", "ui/panel.png", "a.bin.png", "lut/a.png", "sheet.png", "wall.png")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(wall(8, 8, seed=k) if name == "ui/icon.png" else wall(32, 32, seed=k)).save(path)
    (folder / "texup.toml").write_text(RULES)
    return folder


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.mark.usefixtures("catalog")
def test_the_first_rule_that_fits_decides(texup, pack, tmp_path):
    out = tmp_path / "out"
    assert texup("upscale", pack, "-o", out).code == 0
    icon = pixels(pack / "ui" / "icon.png")
    assert np.array_equal(pixels(out / "ui" / "icon.png"), icon.repeat(4, 0).repeat(4, 1))
    assert pixels(out / "ui" / "panel.png").shape == (64, 64, 3)
    assert not (out / "a.bin.png").exists()
    assert (out / "lut" / "a.png").read_bytes() == (pack / "lut" / "a.png").read_bytes()
    records = records_of(out)
    done = {path: record["policy"] for path, record in records.items() if record["outcome"] == "upscaled"}
    assert {path: policy.get("rule") for path, policy in done.items()} == {
        "ui/icon.png": 1,
        "ui/panel.png": 2,
        "sheet.png": 5,
        "wall.png": None,
    }
    assert records["a.bin.png"]["reason"] == "rule 3"
    assert records["sheet.png"]["policy"]["cells"] == {"unit": "texels", "across": 16, "down": 16}


@pytest.mark.usefixtures("catalog")
def test_a_rule_with_a_model_is_that_model(texup, pack, tmp_path):
    assert texup("upscale", pack, "-o", tmp_path / "rules").code == 0
    (pack / "texup.toml").unlink()
    options = ("--model", "tiny-psnr", "--scale", "2")
    assert texup("upscale", pack, "-o", tmp_path / "alone", *options).code == 0
    ruled, alone = (pixels(tmp_path / name / "ui" / "panel.png") for name in ("rules", "alone"))
    assert np.array_equal(ruled, alone)


@pytest.mark.usefixtures("catalog")
def test_a_cell_does_not_see_its_neighbours(texup, pack, tmp_path):
    assert texup("upscale", pack, "-o", tmp_path / "a").code == 0
    sheet = pixels(pack / "sheet.png").copy()
    sheet[:16, :16] = (255, 0, 0)
    Image.fromarray(sheet).save(pack / "sheet.png")
    assert texup("upscale", pack, "-o", tmp_path / "b").code == 0
    before, after = (pixels(tmp_path / name / "sheet.png") for name in ("a", "b"))
    assert np.array_equal(before[64:], after[64:])
    assert np.array_equal(before[:64, 64:], after[:64, 64:])
    assert not np.array_equal(before[:64, :64], after[:64, :64])


@pytest.mark.usefixtures("catalog")
def test_only_what_a_changed_rule_decides_is_done_again(texup, pack, tmp_path):
    out = tmp_path / "out"
    assert texup("upscale", pack, "-o", out).code == 0
    (pack / "texup.toml").write_text(RULES.replace('method = "nearest"', 'method = "smooth"'))
    result = texup("upscale", pack, "-o", out, "-v")
    done = sorted(line for line in result.err.splitlines() if line.startswith(("upscaled: ", "copied: ")))
    assert done == ["upscaled: ui/icon.png", "upscaled: ui/panel.png"], "both may be decided by the rule that changed"


@pytest.mark.usefixtures("catalog")
def test_inspect_says_which_rule_decided(texup, pack):
    files = {file["path"]: file for file in texup("inspect", pack, "--json").json["files"]}
    assert files["ui/icon.png"]["rule"] == 1
    assert files["ui/icon.png"]["reason"].startswith("rule 1; texels repeated; ")
    assert files["sheet.png"]["reason"].startswith("rule 5; cell by cell; ")
    assert (files["a.bin.png"]["action"], files["a.bin.png"]["reason"]) == ("skip", "rule 3")
    assert files["wall.png"]["rule"] is None


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[rule]]\nmatsch = "a"\naction = "copy"', ("rule 1", "match")),
        ("[[rule]]\nmethod = = 1", ("line 2",)),
        ("", ("holds no rules",)),
        ('[[rule]]\nmodel = "tiny-psrn"', ("tiny-psnr",)),
    ],
)
def test_bad_rules_are_refused_before_anything_is_written(texup, pack, tmp_path, text, words):
    (tmp_path / "my.toml").write_text(text)
    result = texup("upscale", pack, "-o", tmp_path / "out", "--rules", tmp_path / "my.toml")
    assert result.code == 2
    (line,) = result.errors
    assert all(word in line for word in words), line
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("catalog")
def test_a_rule_that_fits_nothing_is_a_warning(texup, pack, tmp_path):
    (tmp_path / "my.toml").write_text('[[rule]]\nmatch = "nothing/*"\naction = "copy"')
    result = texup("upscale", pack, "-o", tmp_path / "out", "--rules", tmp_path / "my.toml")
    assert result.code == 0
    assert any(line.startswith("warning: ") and "rule 1" in line for line in result.err.splitlines())


@pytest.mark.usefixtures("catalog")
def test_a_large_scale_of_one_rule_bounds_only_what_it_is_for(texup, tmp_path, wall, monkeypatch):
    """At 16 times a side of 16 would be the most here, at 4 times one of 64."""
    monkeypatch.setattr("texup.bounds.RESULT_PIXELS", 1 << 16)
    monkeypatch.setattr("texup.calls.inspection.PROBE_SECONDS", 0.01)
    folder = tmp_path / "pack"
    for name, side in {"icons/i.png": 8, "icons/large.png": 32, "wall.png": 32, "sky.png": 96}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(wall(side, side)).save(folder / name)
    (folder / "texup.toml").write_text('[[rule]]\nmatch = "icons/*"\nwhen = { max_side = 64 }\nscale = 16\n')
    planned = texup("inspect", folder, "--json").json["files"]
    assert {file["path"] for file in planned if file["action"] == "refuse"} == {"icons/large.png", "sky.png"}
    result = texup("upscale", folder, "-o", tmp_path / "out", "--json")
    assert {each["path"]: each["reason"] for each in result.json["failures"]} == {
        "icons/large.png": "32 x 32 is more than the limit of 256 pixels",
        "sky.png": "96 x 96 is more than the limit of 4096 pixels",
    }
    assert pixels(tmp_path / "out" / "icons" / "i.png").shape[:2] == (128, 128)


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize("name", ["../outside.safetensors", "ABSOLUTE", "link.safetensors"])
def test_rules_found_in_a_pack_name_no_file_outside_it(texup, tiny_weights, tmp_path, wall, form, name):
    pack = tmp_path / "pack"
    pack.mkdir()
    Image.fromarray(wall(8, 8)).save(pack / "wall.png")
    (tmp_path / "outside.safetensors").write_bytes((tiny_weights / "tiny-psnr.safetensors").read_bytes())
    name = str(tmp_path / "outside.safetensors") if name == "ABSOLUTE" else name
    rules = f"[[rule]]\nmodel = '{name}'\n"
    (pack / "texup.toml").write_text(rules)
    if form == "zip":
        source = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", pack))
    else:
        source = pack
        (pack / "link.safetensors").symlink_to("../outside.safetensors")
    result = texup("upscale", source, "-o", tmp_path / "out")
    missing = form == "zip" and name.startswith("link")
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
    assert ("no model" if missing else "is not inside the pack; rules found in a pack may name") in result.err
    assert not (tmp_path / "out").exists()
    (tmp_path / "link.safetensors").write_bytes((tiny_weights / "tiny-psnr.safetensors").read_bytes())
    (tmp_path / "own").mkdir()
    code = 3 if form == "folder" else 0  # the link in it is no texture
    (tmp_path / "own" / "rules.toml").write_text(rules.replace("'link", "'../link"))
    assert texup("upscale", source, "-o", tmp_path / "out", "--rules", tmp_path / "own" / "rules.toml").code == code
