"""Every architecture as ONNX: onnxruntime makes of it what texup does, for any batch, height and width."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from texup import __version__
from texup.models.catalog import load_catalog, resolve
from texup.models.exports import onnx as exports
from texup.models.loading import build_model, load_model
from texup.models.weights import save_pickle, save_weights

from ..builders import tiny_net
from .test_models import VARIANTS, floats

onnx = pytest.importorskip("onnx", reason="no onnx: pip install 'texup[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="no onnxruntime: pip install onnxruntime")

LARGEST = 1e-4  # difference, with colours in [0, 1]
SIZES = [(1, 12, 28), (2, 12, 28), (1, 28, 8), (3, 52, 44)]  # multiples of all that nets ask for


def off_by(data: bytes, net, channels: int, kind=np.float32) -> float:
    """Return how far onnxruntime is from a net at most, over all sizes."""
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    worst = 0.0
    for number, high, wide in SIZES:
        x = torch.rand(number, channels, high, wide, generator=torch.Generator().manual_seed(wide))
        with torch.inference_mode():
            expected = net(x).numpy()
        (found,) = session.run(["output"], {"input": x.numpy().astype(kind)})
        assert (found.shape, found.dtype) == (expected.shape, kind)
        worst = max(worst, float(np.abs(found - expected).max() / max(1, np.abs(expected).max())))
    return worst


def variants():
    """Yield the variants of all architectures; of those that differ by their scale alone the largest by default."""
    for name, all_ in VARIANTS.items():
        largest = {str(hyper | {"scale": 0}): hyper for hyper in sorted(all_, key=lambda hyper: hyper["scale"])}
        for hyper in all_:
            is_largest = hyper in largest.values()
            label = "-".join(map(str, (name, *hyper.values())))
            yield pytest.param(name, hyper, id=label, marks=() if is_largest else pytest.mark.slow)


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "hyper"), list(variants()))
def test_onnxruntime_gives_the_same_for_every_architecture(name, hyper):
    model = build_model(floats(tiny_net(name, **hyper)), name, "")
    data = exports.as_onnx(model, {})
    assert off_by(data, model.net, model.in_channels) <= LARGEST
    difference = exports.compare(data, model)
    assert difference is not None
    assert difference <= LARGEST


@pytest.mark.parametrize("name", load_catalog().models)
def test_every_model_of_the_catalog_is_written_and_compared(texup, tmp_path, name):
    path = tmp_path / "new" / "net.onnx"
    done = texup("models", "convert", name, path)
    assert (done.code, done.out) == (0, f"{path}\n")
    assert done.err.startswith("onnxruntime gives the same result: the largest difference is ")
    entry = resolve(name)
    model = load_model(entry.path)
    assert off_by(path.read_bytes(), model.net, model.in_channels) <= LARGEST
    told = {item.key: item.value for item in onnx.load(path).metadata_props}
    assert told == {
        "texup": __version__,
        "name": name,
        "architecture": entry.architecture,
        "scale": str(entry.scale),
        "multiple_of": "1",
        "weights_sha256": entry.sha256,
        "licence": entry.licence,
    }
    assert {item.version for item in onnx.load(path).opset_import} == {17}


def test_a_file_in_16_bits_takes_half_the_size_and_gives_nearly_the_same(texup, tmp_path):
    for name, more in {"whole": (), "half": ("--half",)}.items():
        assert texup("models", "convert", "texup-x4-fast", tmp_path / f"{name}.onnx", *more).code == 0
    half = tmp_path / "half.onnx"
    assert half.stat().st_size < 0.6 * (tmp_path / "whole.onnx").stat().st_size
    assert off_by(half.read_bytes(), load_model(resolve("texup-x4-fast").path).net, 3, np.float16) <= 5e-3


@pytest.fixture
def mine(tmp_path):
    """The file of a tiny net, whose licence it tells."""
    save_weights(tmp_path / "4x_mine.safetensors", tiny_net().state_dict(), {"license": "CC0"})
    return tmp_path / "4x_mine.safetensors"


def test_the_licence_of_a_file_goes_along(texup, mine, tmp_path):
    assert texup("models", "convert", mine, tmp_path / "a.onnx").code == 0
    told = {item.key: item.value for item in onnx.load(tmp_path / "a.onnx").metadata_props}
    assert (told["name"], told["licence"]) == ("4x_mine", "CC0")


def test_the_same_net_gives_the_same_bytes(texup, mine, tmp_path):
    files = [tmp_path / "a.onnx", tmp_path / "b.onnx"]
    for file in files:
        texup("models", "convert", mine, file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_without_onnx_one_line_says_what_brings_it(texup, mine, tmp_path, monkeypatch):
    real = exports.importlib.util.find_spec
    monkeypatch.setattr(exports.importlib.util, "find_spec", lambda name: None if name == "onnx" else real(name))
    refused = texup("models", "convert", mine, tmp_path / "a.onnx")
    assert refused.code == 2
    assert refused.errors == [
        "texup: error: onnx is not installed, which writes .onnx files: pip install 'texup[onnx]'"
    ]


def test_without_onnxruntime_the_file_is_written_and_the_user_told(texup, mine, tmp_path, monkeypatch):
    real = exports.importlib.util.find_spec
    monkeypatch.setattr(exports.importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else real(name))
    done = texup("models", "convert", mine, tmp_path / "a.onnx")
    assert done.code == 0
    assert "not compared with onnxruntime, which is not installed" in done.err
    assert (tmp_path / "a.onnx").is_file()


def test_a_file_that_gives_other_pixels_is_not_written(texup, mine, tmp_path, monkeypatch):
    other = build_model(floats(tiny_net(seed=5)), "other", "")
    wrong = exports.as_onnx(other, {})
    monkeypatch.setattr(exports, "as_onnx", lambda *_, **__: wrong)
    refused = texup("models", "convert", mine, tmp_path / "a.onnx")
    assert refused.code == 4
    assert "what onnxruntime makes of it is off by" in refused.err
    assert not (tmp_path / "a.onnx").exists()


def test_a_net_that_takes_no_16_bits_is_refused_half(texup, tmp_path):
    save_weights(tmp_path / "n.safetensors", tiny_net("RealPLKSR", layer_norm=False).state_dict(), {})
    refused = texup("models", "convert", tmp_path / "n.safetensors", tmp_path / "a.onnx", "--half")
    assert refused.code == 2
    assert "does not run in 16-bit floats; convert without --half" in refused.err


def test_a_net_of_spandrel_is_not_written(texup, spandrel, tmp_path):
    from spandrel.architectures.SAFMN import SAFMN

    save_pickle(tmp_path / "n.pth", SAFMN(dim=8, n_blocks=2).state_dict())
    refused = texup("models", "convert", tmp_path / "n.pth", tmp_path / "a.onnx")
    assert refused.code == 4
    assert "texup writes its own nets as ONNX" in refused.err


def test_onnx_has_no_dialects(texup, mine, tmp_path):
    refused = texup("models", "convert", mine, tmp_path / "a.onnx", "--dialect", "esrgan-2018")
    assert refused.code == 2
    assert "ONNX has no names of layers; leave out --dialect" in refused.err
