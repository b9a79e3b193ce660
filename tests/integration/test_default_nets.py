"""Which of the default's nets a texture goes through, over whole runs with the catalog's blend as the default."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def blended(tiny_weights, tmp_path, monkeypatch):
    """A catalog whose default is the blend of its pair, and a pack of a plain, a rough and an interface texture."""
    folder = tmp_path / "weights"
    shutil.copytree(tiny_weights, folder)
    text = (folder / "catalog.toml").read_text("utf-8")
    text = text.replace('"tiny-gan"', '"blend"', 1).replace("[pair]", "[pair]\nblend = 0.5")
    (folder / "catalog.toml").write_text(text, "utf-8")
    monkeypatch.setattr("texup.models.catalog.weights_folder", lambda: folder)
    monkeypatch.chdir(tmp_path)
    dice = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    Path("pack/gui").mkdir(parents=True)
    for name, values in {
        "plain": np.where((x // 24 + y // 16) % 2, 40, 200),
        "rough": 128 + 14 * dice.standard_normal((64, 64)),
        "gui/button": np.where(np.hypot(x - 32, y - 32) < 24, 40, 200),
    }.items():
        Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).convert("RGB").save(f"pack/{name}.png")
    Path("pack/texup.toml").write_text('[[rule]]\nmatch = "gui/**"\ntreat_as = "interface"\n')
    return folder


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def policies(out):
    lines = [json.loads(line) for line in Path(out, "texup-manifest.jsonl").read_text().splitlines()[1:]]
    return {line["path"]: line["policy"] for line in lines if line.get("policy")}


@pytest.mark.usefixtures("blended")
def test_the_default_is_faithful_where_nothing_may_be_invented(texup):
    given = {"default": [], "faithful": ["--model", "tiny-psnr"], "blend": ["--blend", "0.5"]}
    for out, options in given.items():
        assert (
            texup("upscale", "pack", "-o", out, "--format", "plain", "--grain", "0", "--method", "net", *options).code
            == 0
        )
    expected = {"plain.png": "blend", "rough.png": "faithful", "gui/button.png": "faithful"}
    for name, source in expected.items():
        other = {"blend": "faithful", "faithful": "blend"}[source]
        np.testing.assert_array_equal(pixels(f"default/{name}"), pixels(f"{source}/{name}"))
        assert not np.array_equal(pixels(f"default/{name}"), pixels(f"{other}/{name}"))
    found = policies("default")
    assert {name: found[name]["faithful"] for name in expected} == {
        "plain.png": False,
        "rough.png": True,
        "gui/button.png": True,
    }


@pytest.mark.usefixtures("blended")
def test_a_rule_that_names_a_model_wins_and_a_finished_pack_stays(texup):
    Path("pack/texup.toml").write_text('[[rule]]\nmatch = "rough.png"\nmodel = "tiny-gan"\n')
    for out, options in {"default": [], "sharp": ["--model", "tiny-gan"]}.items():
        assert (
            texup("upscale", "pack", "-o", out, "--format", "plain", "--grain", "0", "--method", "net", *options).code
            == 0
        )
    np.testing.assert_array_equal(pixels("default/rough.png"), pixels("sharp/rough.png"))
    before = Path("default/rough.png").stat().st_mtime_ns
    assert texup("upscale", "pack", "-o", "default", "--format", "plain", "--grain", "0", "--method", "net").code == 0
    assert Path("default/rough.png").stat().st_mtime_ns == before
