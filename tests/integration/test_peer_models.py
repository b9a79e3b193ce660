"""Models of modders: nets for grey and RGBA, and those that look at a whole texture, through the command."""

from __future__ import annotations

import importlib
import json
import re
import sys
import warnings

import numpy as np
import pytest
import torch

from texup.engines.devices.fitting import Fitted
from texup.models.loading import load_model
from texup.models.weights import save_pickle, save_weights
from texup.textures.codecs.files import read_texture

from ..builders import records_of, tiny_net, write_picture
from ..contract.test_borrowed_nets import NETS


@pytest.fixture
def pack(tmp_path, wall, disc):
    """A colour texture, one with a soft rim, and a grey one."""
    folder = tmp_path / "pack"
    alpha = (disc(24, 24, soft=True) * 255).astype(np.uint8)
    write_picture(folder / "colour.png", wall(24, 32))
    write_picture(folder / "soft.png", np.dstack((wall(24, 24), alpha)))
    write_picture(folder / "grey.png", wall(24, 24)[..., :1])
    return folder


@pytest.fixture
def model(tmp_path):
    """Makes the file of a tiny net whose result is near its input."""

    def make(name="SRVGGNetCompact", **hyper):
        net = tiny_net(name, scale=2, **hyper)
        with torch.no_grad():
            for value in net.parameters():
                value.mul_(0.5)
        save_weights(tmp_path / "mine.safetensors", net.state_dict(), {})
        return tmp_path / "mine.safetensors"

    return make


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("name", ["SRVGGNetCompact", "RealPLKSR"])
def test_nets_of_other_channels_give_every_texture_its_own(texup, pack, model, tmp_path, name, channels):
    path = model(name, num_in_ch=channels, num_out_ch=channels)
    out = tmp_path / "out"
    assert texup("upscale", pack, "-o", out, "--model", path, "--method", "net").code == 0
    for source in pack.iterdir():
        before, after = read_texture(source).pixels, read_texture(out / source.name).pixels
        assert after.shape == (before.shape[0] * 2, before.shape[1] * 2, before.shape[2])
        large = before.astype(float).repeat(2, 0).repeat(2, 1)
        assert np.abs(after - large).mean() < 16
    assert {record["precision"] for record in records_of(out).values()} == {"fp32"}


def test_colour_and_alpha_go_through_a_net_for_rgba_together(texup, pack, model, tmp_path, monkeypatch):
    path = model(num_in_ch=4, num_out_ch=4)
    seen, real = [], Fitted._with_channels

    def watched(self, planes):
        seen.append(planes.shape[1])
        return real(self, planes)

    monkeypatch.setattr(Fitted, "_with_channels", watched)
    assert texup("upscale", pack, "-o", tmp_path / "out", "--model", path, "--include", "soft.png").code == 0
    assert set(seen) == {4}


def test_inspect_says_that_colour_and_alpha_go_together(texup, pack, model):
    rgba = model(num_in_ch=4, num_out_ch=4)
    assert "by mine (RGBA in one pass)" in texup("inspect", pack, "--model", rgba).out
    texels = json.loads(texup("inspect", pack, "--model", rgba, "--json").out)["net_texels"]
    plain = model()
    found = texup("inspect", pack, "--model", plain)
    assert "RGBA in one pass" not in found.out
    assert json.loads(texup("inspect", pack, "--model", plain, "--json").out)["net_texels"] > texels


def test_a_net_that_looks_at_a_whole_texture_is_shown_all_of_it(texup, model, tmp_path, wall):
    path = model("RealPLKSR", layer_norm=False)
    write_picture(tmp_path / "wide.png", wall(16, 400))
    outs = [tmp_path / "all.png", tmp_path / "cut.png"]
    assert texup("upscale", tmp_path / "wide.png", "-o", outs[0], "--model", path, "--method", "net").code == 0
    more = ("--method", "net", "--tile", "64")
    assert texup("upscale", tmp_path / "wide.png", "-o", outs[1], "--model", path, *more).code == 0
    whole, cut = (read_texture(out).pixels.astype(int) for out in outs)
    assert whole.shape == cut.shape == (32, 800, 3)
    assert np.abs(whole - cut).max() > 0  # the norm over a tile is not that over the texture


@pytest.fixture
def dat(spandrel, tmp_path):
    """The file of a small net of type DAT."""
    module, kind, arguments = NETS["DAT"]
    with warnings.catch_warnings(action="ignore"):
        torch.manual_seed(1)
        net = getattr(importlib.import_module(f"spandrel.architectures.{module}"), kind)(**arguments | {"upscale": 2})
    save_pickle(tmp_path / "2x_mine.pth", {"params_ema": net.state_dict()})
    return tmp_path / "2x_mine.pth"


def test_a_net_of_spandrel_upscales_a_pack(texup, pack, dat, tmp_path):
    out = tmp_path / "out"
    done = texup("upscale", pack, "-o", out, "--model", dat, "--method", "net", "--precision", "bf16")
    assert (done.code, done.errors) == (0, [])
    for source in pack.iterdir():
        before, after = read_texture(source).pixels, read_texture(out / source.name).pixels
        assert after.shape == (before.shape[0] * 2, before.shape[1] * 2, before.shape[2])
    assert "torchvision" not in sys.modules


def test_a_net_of_spandrel_is_shown_converted_and_blended(texup, dat, tmp_path):
    shown = texup("models", "show", dat, "--json").json
    assert (shown["architecture"], shown["scale"], shown["dialect"]) == ("DAT", 2, "its own")
    for name, more in {"new.safetensors": (), "new.pth": ("--half",)}.items():
        assert texup("models", "convert", dat, tmp_path / name, *more).code == 0
        assert texup("models", "show", tmp_path / name).code == 0
    assert texup("models", "convert", dat, tmp_path / "old.pth", "--dialect", "esrgan-2018").code == 2
    assert texup("interpolate", dat, dat, "--alpha", "0.5", "-o", tmp_path / "half.safetensors").code == 0
    whole, half = (
        load_model(path).net(torch.full((1, 3, 16, 16), 0.5)) for path in (dat, tmp_path / "half.safetensors")
    )
    torch.testing.assert_close(whole, half, atol=1e-5, rtol=0)


@pytest.mark.thorough
def test_a_net_with_tables_of_places_is_swept(texup, spandrel, tmp_path, wall):
    module, kind, arguments = NETS["DRCT"]
    with warnings.catch_warnings(action="ignore"):
        torch.manual_seed(1)
        net = getattr(importlib.import_module(f"spandrel.architectures.{module}"), kind)(**arguments)
    state = net.state_dict()
    assert any(key.endswith("relative_position_index") for key in state)
    save_pickle(tmp_path / "a.pth", state)
    save_pickle(
        tmp_path / "b.pth", {key: value * 1.01 if value.is_floating_point() else value for key, value in state.items()}
    )
    write_picture(tmp_path / "wall.png", wall(16, 16))
    files = tmp_path / "a.pth", tmp_path / "b.pth"
    more = ("--on", tmp_path / "wall.png", "-o", tmp_path / "strip.png")
    swept = texup("interpolate", *files, "--sweep", "0,0.5", *more)
    assert (swept.code, swept.errors) == (0, [])
    save_pickle(
        tmp_path / "b.pth", {key: value if value.is_floating_point() else value.flip(0) for key, value in state.items()}
    )
    refused = texup("interpolate", *files, "--alpha", "0.5", "-o", tmp_path / "new.safetensors")
    assert refused.code == 4
    assert "relative_position_index of other whole numbers" in refused.err


def test_a_net_of_few_sizes_is_blended(texup, spandrel, tmp_path):
    module, kind, arguments = NETS["DRCT"]
    with warnings.catch_warnings(action="ignore"):
        net = getattr(importlib.import_module(f"spandrel.architectures.{module}"), kind)(**arguments)
    save_pickle(tmp_path / "a.pth", net.state_dict())
    made = tmp_path / "half.safetensors"
    assert texup("interpolate", tmp_path / "a.pth", tmp_path / "a.pth", "--alpha", "0.5", "-o", made).code == 0
    assert load_model(made).architecture == "DRCT"


def test_a_net_of_spandrel_is_not_trained(texup, pack, dat):
    refused = texup("finetune", dat, "--data", pack)
    assert refused.code == 4
    assert "texup runs nets of type DAT, but trains RRDBNet" in refused.err


def test_a_model_of_the_catalog_is_converted_by_name(texup, tmp_path):
    assert texup("models", "convert", "texup-x4-fast", tmp_path / "fast.pth").code == 0
    assert load_model(tmp_path / "fast.pth").scale == 4


def test_nets_of_two_scales_have_no_blend(texup, tmp_path):
    for scale in (2, 4):
        save_weights(tmp_path / f"x{scale}.safetensors", tiny_net(scale=scale).state_dict(), {})
    files = tmp_path / "x4.safetensors", tmp_path / "x2.safetensors"
    refused = texup("interpolate", *files, "--alpha", "0.5", "-o", tmp_path / "new.safetensors")
    assert refused.code == 4
    assert "enlarges 4 times and" in refused.err
    assert "nets of two scales have no blend" in refused.err


def test_a_folder_of_models_is_listed(texup, tmp_path):
    folder = tmp_path / "models"
    (folder / "old").mkdir(parents=True)
    save_weights(folder / "a.safetensors", tiny_net("SPAN", scale=2).state_dict(), {"license": "CC-BY-4.0"})
    save_pickle(folder / "old" / "b.PTH", {"params": tiny_net("RRDBNet", scale=4).state_dict()})
    (folder / "bad.pth").write_bytes(b"<html>")
    (folder / "notes.txt").write_text("no weights")
    found = texup("models", "list", folder)
    assert found.code == 0
    first, bad, old = found.out.splitlines()
    assert re.fullmatch(r"a\.safetensors +x2  SPAN  0\.\d MiB  CC-BY-4\.0", first)
    assert re.fullmatch(r"bad\.pth +refused: this is a web page, not weights; the download went wrong", bad)
    assert re.fullmatch(r"old/b\.PTH +x4  RRDBNet  \d\.\d MiB  licence not told: ask where you got it", old)
    files = texup("models", "list", folder, "--json").json["files"]
    assert [(file["file"], file["architecture"], file["scale"]) for file in files] == [
        *[("a.safetensors", "SPAN", 2), ("bad.pth", None, None), ("old/b.PTH", "RRDBNet", 4)],
    ]
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "none", tmp_path / "empty"):
        assert texup("models", "list", place).code == 2


def test_models_are_measured(texup, tmp_path):
    save_weights(tmp_path / "mine.safetensors", tiny_net(scale=2).state_dict(), {})
    found = texup("models", "bench", tmp_path / "mine.safetensors", "--seconds", "0.1", "--device", "cpu")
    assert re.fullmatch(
        r"mine \(SRVGGNetCompact x2\): [\d,]+ texels a second(, [\d,]+ MB)? on cpu in fp32\n", found.out
    )
    (row,) = texup("models", "bench", tmp_path / "mine.safetensors", "--seconds", "0.1", "--json").json["models"]
    assert row["texels_per_second"] > 0
    assert row["problem"] is None


def test_a_comparison_names_the_model_that_does_not_enlarge(texup, pack, tmp_path):
    for scale in (1, 2):
        save_weights(tmp_path / f"{scale}x_mine.safetensors", tiny_net(scale=scale).state_dict(), {})
    models = [part for scale in (2, 1) for part in ("--model", tmp_path / f"{scale}x_mine.safetensors")]
    refused = texup("compare", pack, *models, "-o", tmp_path / "page")
    assert refused.code == 2
    assert "1x_mine does not enlarge; add a model that does" in refused.err
