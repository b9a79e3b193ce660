"""What texup ships, blends and converts in the loader of other tools: the same architecture, the same pixels.

spandrel is what most tools of the field load nets with. It asks for torchvision, which the CPU wheel of torch does not
go with, so that it is no dependency of the tests: install it by ``pip install --no-deps spandrel einops``.
"""

from __future__ import annotations

import pytest
import torch

from texup.models.catalog import load_catalog
from texup.models.keys import RRDBNET_DIALECTS
from texup.models.loading import load_model
from texup.models.weights import save_weights

from ..builders import tiny_net

ARCHITECTURES = {"SRVGGNetCompact": "RealESRGAN Compact", "RRDBNet": "ESRGAN"}  # ours -> spandrel's name
CATALOG = load_catalog()
SHIPPED = {name: model for name, model in CATALOG.models.items() if name != CATALOG.pixel_art}
LARGEST = 1e-5  # difference, with colours in [0, 1]
PADDED = 1.3e-6  # the same, where only channels of zeros were added


def off_by(spandrel, path, ours) -> float:
    """Return how far spandrel's pixels from a file are from those of our net at most, of the largest value."""
    theirs = spandrel.ModelLoader(device="cpu").load_from_file(path)
    assert isinstance(theirs, spandrel.ImageModelDescriptor)
    assert (theirs.architecture.name, theirs.scale) == (ARCHITECTURES[ours.architecture], ours.scale)
    assert (theirs.input_channels, theirs.output_channels) == (ours.in_channels, ours.out_channels)
    picture = torch.rand(1, ours.in_channels, 24, 20, generator=torch.Generator().manual_seed(7))
    with torch.inference_mode():
        expected, found = ours.net(picture), theirs.model.float().eval()(picture)
    assert found.shape == expected.shape == (1, ours.out_channels, 24 * ours.scale, 20 * ours.scale)
    return float((found - expected).abs().max() / expected.abs().max().clamp(1))


def test_all_but_the_net_for_pixel_art_is_for_other_programs_too():
    assert {model.architecture for model in SHIPPED.values()} <= set(ARCHITECTURES)
    assert set(CATALOG.models) - set(SHIPPED) == {"texup-x4-pixel"}


@pytest.mark.parametrize("name", SHIPPED)
def test_spandrel_gives_the_pixels_of_what_is_shipped_and_of_its_conversions(spandrel, texup, tmp_path, name):
    entry = SHIPPED[name]
    ours = load_model(entry.path, name=name, expected_sha256=entry.sha256)
    assert off_by(spandrel, entry.path, ours) <= LARGEST
    for suffix in ("pth", "safetensors"):
        path = tmp_path / f"whole.{suffix}"
        assert texup("models", "convert", name, path).code == 0
        assert off_by(spandrel, path, ours) <= LARGEST
    half = tmp_path / "half.pth"
    assert texup("models", "convert", name, half, "--half").code == 0
    assert off_by(spandrel, half, load_model(half)) <= LARGEST


@pytest.mark.parametrize("alpha", ["0", "0.4", "1"])
def test_spandrel_gives_the_pixels_of_a_blend(spandrel, texup, tmp_path, alpha):
    path = tmp_path / "blend.safetensors"
    assert texup("interpolate", "--alpha", alpha, "-o", path).code == 0
    assert off_by(spandrel, path, load_model(path)) <= LARGEST


@pytest.fixture
def narrow(tmp_path):
    """Saves an RRDBNet of a growth that spandrel does not know, and returns its file."""

    def save(**hyper):
        path = tmp_path / "narrow.safetensors"
        save_weights(
            path, tiny_net("RRDBNet", **{"num_feat": 16, "num_block": 2, "num_grow_ch": 16, **hyper}).state_dict(), {}
        )
        return path

    return save


@pytest.mark.parametrize("dialect", RRDBNET_DIALECTS)
@pytest.mark.parametrize("hyper", [{}, {"scale": 2}, {"scale": 2, "unshuffle": 2}, {"num_grow_ch": 5}], ids=str)
def test_a_narrow_growth_is_padded_to_what_readers_expect(spandrel, texup, tmp_path, narrow, hyper, dialect):
    path = narrow(**hyper)
    with pytest.raises(Exception):  # noqa: B017 - of whatever kind: it is why texup pads
        spandrel.ModelLoader(device="cpu").load_from_file(path)
    for suffix in ("pth", "safetensors"):
        converted = tmp_path / f"wide.{suffix}"
        assert texup("models", "convert", path, converted, "--dialect", dialect).code == 0
        assert off_by(spandrel, converted, load_model(path)) <= PADDED
        assert load_model(converted).hyper["num_grow_ch"] == 32


def test_the_growth_of_esrgan_plus_is_padded_too(spandrel, texup, tmp_path, narrow):
    path, converted = narrow(plus=True), tmp_path / "wide.pth"
    assert texup("models", "convert", path, converted, "--dialect", "esrgan-2018").code == 0
    assert off_by(spandrel, converted, load_model(path)) <= PADDED


def test_a_growth_of_32_and_a_growth_that_is_kept_stay_as_they_are(texup, tmp_path, narrow):
    for growth, more in {32: (), 16: ("--keep-growth",), 40: ()}.items():
        converted = tmp_path / f"{growth}.pth"
        done = texup("models", "convert", narrow(num_grow_ch=growth), converted, *more)
        assert (done.code, done.err) == (0, "")
        assert load_model(converted).hyper["num_grow_ch"] == growth


def test_a_padded_net_is_the_same_in_texup(texup, tmp_path, narrow):
    path, converted = narrow(), tmp_path / "wide.safetensors"
    done = texup("models", "convert", path, converted)
    assert "a growth of 16 became 32, by zeros" in done.err
    picture = torch.rand(2, 3, 24, 20)
    with torch.inference_mode():
        off = load_model(converted).net(picture) - load_model(path).net(picture)
    assert off.abs().max() <= PADDED
