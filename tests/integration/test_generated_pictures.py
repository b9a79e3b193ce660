"""Super-resolution by features without a GAN: trained by its recipe, then a folder of generated pictures enlarged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from texup.models.loading import open_weights
from texup.textures.codecs.files import read_texture
from texup.training.config import load_recipe
from texup.training.drawn import draw_pictures
from texup.training.recipes import find_recipe

# What makes a run of the recipe short; the losses and the degradations stay.
SMALLER = {"num_feat = 64": "num_feat = 8", "num_conv = 16": "num_conv = 1", "batch = 8": "batch = 2"}
SMALLER |= {"lr_patch = 32": "lr_patch = 12"}


@pytest.fixture
def generated(tmp_path) -> Path:
    """A folder as generators leave them: PNG and JPEG, of several sizes, in folders."""
    sizes = [(64, 64), (96, 64), (48, 80)]
    for k, (drawn, size) in enumerate(zip(draw_pictures(6, 96, 5), sizes * 2, strict=True)):
        path = tmp_path / "generated" / f"batch {k % 2}" / f"{k}.{'jpg' if k % 3 else 'png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawn).crop((0, 0, *size)).save(path)
    return tmp_path / "generated"


def test_the_recipe_compares_pixels_layers_and_gram_matrices_of_what_was_saved_as_jpeg():
    recipe = load_recipe(find_recipe(Path("features")))
    loss = recipe.loss
    assert min(loss.pixel, loss.perceptual, loss.gram) > 0
    assert loss.adversarial == loss.matching == loss.ldl == 0
    blocks = {tap.split("_")[0] for tap in recipe.features.taps}
    assert len(blocks) >= 3  # pictures at several sizes, from fine to coarse
    assert recipe.data.formats["jpeg"] > 0.5
    assert set(recipe.data.formats) == {"clean", "jpeg"}


def test_generated_pictures_go_through_a_net_trained_for_them(texup, generated, tmp_path):
    text = find_recipe(Path("features")).read_text("utf-8")
    for large, small in SMALLER.items():
        assert large in text
        text = text.replace(large, small)
    (tmp_path / "small.toml").write_text(text)
    run, out = tmp_path / "run", tmp_path / "large"
    result = texup("train", tmp_path / "small.toml", "--data", generated, "--out", run, "--iterations", "3")
    assert result.code == 0, result.err
    (losses,) = re.findall(r"^100% iteration 3: (.*?);", result.err, re.MULTILINE)
    assert [each.split()[0] for each in losses.split(", ")] == ["pixel", "consistency", "perceptual", "gram"]
    assert all(float(each.split()[1]) > 0 for each in losses.split(", "))
    weights = run / "small.safetensors"
    assert open_weights(weights).architecture.name == "SRVGGNetCompact"

    result = texup("upscale", generated, "-o", out, "--model", weights)
    assert result.code == 0, result.err
    names = {path.relative_to(generated) for path in generated.rglob("*.*")}
    assert {path.relative_to(out) for path in out.rglob("*.*") if path.suffix in (".png", ".jpg")} == names
    for name in names:
        small, large = (read_texture(folder / name) for folder in (generated, out))
        assert large.pixels.shape == (small.pixels.shape[0] * 4, small.pixels.shape[1] * 4, 3)
        assert large.container.format == small.container.format
        means = (texture.pixels.mean(axis=(0, 1)) for texture in (small, large))
        assert abs(next(means) - next(means)).max() < 8  # still the same picture
