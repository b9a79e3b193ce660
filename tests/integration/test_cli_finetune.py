"""``texup finetune``: a folder of pictures in, weights that ``texup upscale`` takes out."""

from __future__ import annotations

import json
import re

import pytest
from PIL import Image

from texup.models.loading import open_weights
from texup.models.weights import save_weights
from texup.textures.codecs.files import read_texture
from texup.training.drawn import draw_pictures

from ..builders import tiny_net

pytestmark = pytest.mark.usefixtures("catalog", "quick_training")


@pytest.fixture(scope="module")
def six():
    return draw_pictures(6, 128, 3)


@pytest.fixture
def pictures(tmp_path, six):
    """Six drawn pictures, in two folders."""
    for k, drawn in enumerate(six):
        path = tmp_path / "data" / f"{k % 2}" / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawn).save(path)
    return tmp_path / "data"


@pytest.fixture
def in_tmp(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("in_tmp")
def test_one_command_makes_weights_that_upscale(texup, catalog, pictures, tmp_path):
    start = (catalog / "tiny-psnr.safetensors").read_bytes()
    result = texup("finetune", "tiny-psnr", "--data", pictures, "--iterations", "4")
    assert result.code == 0, result.err
    weights = tmp_path / "runs" / "tiny-psnr-finetuned" / "tiny-psnr-finetuned.safetensors"
    lines = result.err.splitlines()
    assert lines[0] == "fine-tuning tiny-psnr by the recipe finetune, on 5 pictures"
    held = re.fullmatch(r"held out of training, to measure on: (\d/\d\.png)", lines[1])
    assert held is not None
    assert lines[-5] == "wrote runs/tiny-psnr-finetuned/tiny-psnr-finetuned.safetensors"
    number = r"(\d+\.\d\d)"
    clean = re.fullmatch(rf"held-out PSNR-Y {number} -> {number} dB over 1 picture; bicubic {number}", lines[-4])
    games = re.fullmatch(rf"the same as games stored them {number} -> {number} dB; bicubic {number}", lines[-3])
    assert clean is not None
    assert games is not None
    assert float(clean[2]) > float(clean[1])
    assert float(games[2]) > float(games[1])
    assert float(games[3]) < float(clean[3])
    assert lines[-2] == "better than tiny-psnr on pictures that it was not trained on"
    assert lines[-1] == "use it: texup upscale PACK --model runs/tiny-psnr-finetuned/tiny-psnr-finetuned.safetensors"
    assert (catalog / "tiny-psnr.safetensors").read_bytes() == start
    known = open_weights(weights).architecture
    assert (known.name, known.scale, known.hyper["num_feat"]) == ("RRDBNet", 4, 8)
    whole = json.loads((weights.parent / "card.json").read_text())
    assert whole["recipe"]["scale"] == 4
    card = whole["finetune"]
    assert (card["model"], card["held_out"]) == ("tiny-psnr", [held[1]])
    assert [f"{card[kind]['after']:.2f}" for kind in ("clean", "stored")] == [clean[2], games[2]]
    checked = re.findall(r"PSNR-Y (\d+\.\d\d) dB;", result.err)
    assert checked[-1] == clean[2]  # what the run itself measured on the same picture

    assert texup("upscale", pictures / "0" / "0.png", "-o", "big.png", "--model", weights).code == 0
    assert read_texture(tmp_path / "big.png").pixels.shape == (512, 512, 3)


def test_a_run_is_not_written_over_and_goes_on(texup, pictures, tmp_path):
    asked = ("finetune", "tiny-psnr", "--data", pictures, "--out", tmp_path / "run", "--iterations")
    assert texup(*asked, "2").code == 0
    weights = tmp_path / "run" / "tiny-psnr-finetuned.safetensors"
    before = weights.read_bytes()
    refused = texup(*asked, "4")
    assert (refused.code, len(refused.errors)) == (2, 1)
    assert "run: holds a run already; go on with it by --resume, or choose another --out" in refused.errors[0]
    assert weights.read_bytes() == before
    resumed = texup(*asked, "4", "--resume")
    assert resumed.code == 0
    iterations = [int(n) for n in re.findall(r"iteration (\d+):", resumed.err)]
    assert iterations == [3, 4]
    assert texup("finetune", weights, "--data", pictures, "--out", tmp_path / "more", "--iterations", "1").code == 0
    assert (tmp_path / "more" / "tiny-psnr-finetuned-finetuned.safetensors").is_file()


@pytest.mark.thorough
def test_a_sharp_net_keeps_the_losses_that_made_it(texup, pictures, tmp_path):
    options = ("--data", pictures / "0", "--val", pictures / "1", "--out", tmp_path / "run", "--iterations", "2")
    result = texup("finetune", "tiny-gan", *options)
    assert result.code == 0, result.err
    assert "by the recipe finetune-gan, on 3 pictures" in result.err
    assert "\nto measure on: 1.png, 3.png, 5.png\n" in result.err
    assert "discriminator" in result.err
    assert "dB over 3 pictures; bicubic" in result.err
    assert f"look at {tmp_path / 'run' / 'samples.png'}" in result.err
    assert (tmp_path / "run" / "samples.png").is_file()


RUINOUS = """
batch = 1
lr_patch = 12
[optimizer]
adam_rate = 0.3
warm_up = 0.0
ema = 0.0
"""


def test_what_did_harm_is_called_so(texup, pictures, tmp_path):
    (tmp_path / "ruin.toml").write_text(RUINOUS)
    options = ("--data", pictures, "--out", tmp_path / "run", "--iterations", "1", "--recipe", tmp_path / "ruin.toml")
    result = texup("finetune", "tiny-psnr", *options)
    assert result.code == 0, result.err
    assert re.search(r"^worse than tiny-psnr: give it more .* or stay with tiny-psnr$", result.err, re.MULTILINE)
    assert (tmp_path / "run" / "tiny-psnr-finetuned.safetensors").is_file()


def test_small_pictures_get_small_patches(texup, tmp_path):
    (tmp_path / "icons").mkdir()
    Image.fromarray(draw_pictures(1, 64, 0)[0]).save(tmp_path / "icons" / "a.png")
    result = texup(
        "finetune", "tiny-psnr", "--data", tmp_path / "icons", "--out", tmp_path / "my run", "--iterations", "1"
    )
    assert result.code == 0, result.err
    lines = result.err.splitlines()
    assert lines[1] == "patches of 16 low-resolution pixels instead of 24, because pictures are small"
    assert lines[2].startswith("too few pictures to hold one out: nothing says whether the result is better")
    assert "PSNR-Y" not in result.err
    weights = tmp_path / "my run" / "tiny-psnr-finetuned.safetensors"
    assert lines[-1] == f"use it: texup upscale PACK --model '{weights}'"


@pytest.fixture
def refused(texup, tmp_path):
    """Runs a command that must end with a code and one line, and leave nothing behind."""

    def check(code, said, *arguments):
        before = {p: p.read_bytes() if p.is_file() else None for p in tmp_path.rglob("*")}
        result = texup("finetune", *arguments)
        assert (result.code, result.out) == (code, "")
        assert said in result.err
        assert "Traceback" not in result.err
        assert result.err.splitlines()[-1].startswith("texup: error: ")
        assert {p: p.read_bytes() if p.is_file() else None for p in tmp_path.rglob("*")} == before
        return result

    return check


@pytest.mark.usefixtures("in_tmp")
def test_bad_input_is_told_in_one_line(refused, pictures, tmp_path):
    on = ("--data", pictures)
    refused(2, "no model nothing: name one of tiny-psnr, tiny-gan, or the path", "nothing", *on)
    refused(2, "--data is missing", "tiny-psnr")
    refused(2, "none: no such folder of pictures", "tiny-psnr", "--data", tmp_path / "none")
    refused(2, "none: no such folder of pictures", "tiny-psnr", *on, "--val", tmp_path / "none")
    refused(2, "must not be trained on", "tiny-psnr", *on, "--val", pictures / "1")
    refused(2, "never: no such recipe", "tiny-psnr", *on, "--recipe", "never")
    refused(2, "leave it out beside --recipe", "tiny-psnr", *on, "--recipe", "finetune", "--sharp")
    refused(2, "either --seconds or --iterations", "tiny-psnr", *on, "--seconds", "1", "--iterations", "1")
    refused(2, "device", "tiny-psnr", *on, "--device", "cuda")
    (tmp_path / "bad.toml").write_text("bach = 2\n")
    refused(2, "bad.toml: unknown key bach; did you mean 'batch'?", "tiny-psnr", *on, "--recipe", "bad.toml")
    (tmp_path / "notes.safetensors").write_text("my own notes")
    refused(4, "notes.safetensors: ", "notes.safetensors", *on)
    (tmp_path / "icons").mkdir()
    Image.new("RGB", (47, 80)).save(tmp_path / "icons" / "a.png")
    refused(2, "icons: no picture of at least 48 pixels a side (1 are smaller, 0", "tiny-psnr", "--data", "icons")


@pytest.mark.usefixtures("in_tmp")
def test_nets_that_cannot_be_trained_are_refused(refused, pictures, tmp_path):
    for name, options in {"same": {"scale": 1}, "grey": {"num_in_ch": 1, "num_out_ch": 1}, "x3": {"scale": 3}}.items():
        save_weights(tmp_path / f"{name}.pth.safetensors", tiny_net(**options).state_dict(), {})
    on = ("--data", pictures)
    refused(2, "a net of scale 1 enlarges nothing", "same.pth.safetensors", *on)
    refused(4, "a net of 1 channels in and 1 out", "grey.pth.safetensors", *on)
    refused(2, "the kernel mixed, which needs an even scale", "x3.pth.safetensors", *on, "--recipe", "compact-psnr")


@pytest.mark.usefixtures("in_tmp")
def test_a_run_folder_that_cannot_be_one(texup, pictures, tmp_path):
    (tmp_path / "run").write_text("mine")
    result = texup("finetune", "tiny-psnr", "--data", pictures, "--out", "run", "--iterations", "1")
    assert (result.code, len(result.errors)) == (5, 1)
    assert (tmp_path / "run").read_text() == "mine"
    missing = texup("finetune", "tiny-psnr", "--data", pictures, "--out", "new", "--iterations", "1", "--resume")
    assert (missing.code, missing.errors) == (
        2,
        ["texup: error: new/checkpoint.pt: no checkpoint to resume from"],
    )


def test_other_scales_and_nets_train_too(texup, pictures, tmp_path):
    save_weights(tmp_path / "x3.safetensors", tiny_net(scale=3).state_dict(), {})
    options = ("--data", pictures, "--out", tmp_path / "run", "--iterations", "1")
    result = texup("finetune", tmp_path / "x3.safetensors", *options, "--sharp")
    assert result.code == 0, result.err
    assert open_weights(tmp_path / "run" / "x3-finetuned.safetensors").architecture.scale == 3


def test_a_net_that_folds_its_input_trains_too(texup, tmp_path):
    net = tiny_net("RRDBNet", scale=2, unshuffle=2)
    save_weights(tmp_path / "x2.safetensors", net.state_dict(), {})
    (tmp_path / "odd").mkdir()
    for k, drawn in enumerate(draw_pictures(2, 64, 0)):
        Image.fromarray(drawn).crop((0, 0, 63, 51)).save(tmp_path / "odd" / f"{k}.png")
    options = ("--data", tmp_path / "odd", "--out", tmp_path / "run", "--iterations", "1")
    result = texup("finetune", tmp_path / "x2.safetensors", *options)
    assert result.code == 0, result.err
    assert "held-out PSNR-Y" in result.err
    hyper = open_weights(tmp_path / "run" / "x2-finetuned.safetensors").architecture.hyper
    assert (hyper["scale"], hyper["unshuffle"]) == (2, 2)
