"""``texup train``: pictures in, weights that upscale out; every refusal is one line with its own exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from texup.models.loading import load_model
from texup.pictures import charts
from texup.training.run import records

IS_INSTALLED = charts.is_installed
RECIPE = """
net = { architecture = "SRVGGNetCompact", num_feat = 4, num_conv = 2 }
batch = 2
lr_patch = 8
"""
GAN = """
[loss]
adversarial = 0.1
perceptual = 0.1
[features]
width = 0.0625
taps = ["conv1_2"]
[discriminator]
num_feat = 4
"""


@pytest.fixture(autouse=True)
def _place(tmp_path, wall, monkeypatch, quick_training):
    """Stand in a folder with pictures in ``data`` and three recipes."""
    monkeypatch.chdir(tmp_path)
    Path("data/deep").mkdir(parents=True)
    for k, name in enumerate(("a.png", "deep/b.png")):
        Image.fromarray(wall(64, 64, seed=k)).save(f"data/{name}")
    Path("mini.toml").write_text(RECIPE)
    Path("gan.toml").write_text(RECIPE + GAN)
    Path("wild.toml").write_text(RECIPE + "[optimizer]\nadam_rate = 1e6\nwarm_up = 0.0\n")


def train(texup, *more, recipe="mini.toml", out="run", data=("data",)):
    return texup("train", recipe, "--data", *data, "--out", out, "--device", "cpu", *more)


def test_pictures_in_and_weights_that_upscale_out(texup):
    done = train(texup, "--val", "data", "--iterations", "3")
    assert (done.code, done.out) == (0, "")
    lines = done.err.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        " 33% iteration 1",
        " 67% iteration 2",
        "100% iteration 3",
        "wrote run/mini.safetensors",
    ]
    assert all(" dB; " in line and "LR pixels/s, " in line and line.endswith("of peak") for line in lines[:3])
    assert load_model(Path("run/mini.safetensors")).architecture == "SRVGGNetCompact"
    upscale = ["upscale", "data/a.png", "-o", "big.png", "--model", "run/mini.safetensors", "--overlap", "4"]
    assert texup(*upscale).code == 0
    with Image.open("big.png") as picture:
        assert picture.size == (256, 256)


def test_without_matplotlib_a_run_has_no_curves_and_says_so_once(texup, monkeypatch):
    for module in (charts, records):
        monkeypatch.setattr(module, "is_installed", IS_INSTALLED)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = train(texup, "--val", "data", "--iterations", "3")
    assert (done.code, done.out) == (0, "")
    said = "no picture of the curves without matplotlib: pip install 'texup[train]'"
    assert [said in line for line in done.err.splitlines()] == [False, False, False, True, False]
    assert Path("run/log.csv").exists()
    assert not Path("run/curves.png").exists()


def test_the_same_command_goes_on_with_resume(texup):
    assert train(texup, "--iterations", "2").code == 0
    refused = train(texup, "--iterations", "4")
    assert (refused.code, len(refused.errors)) == (2, 1)
    assert "run: holds a run already; go on with it by --resume, or choose another --out" in refused.err
    done = train(texup, "--iterations", "4", "--resume", "--checkpoint-parts", "1")
    assert done.code == 0
    assert [line.split(":")[0] for line in done.err.splitlines()[:2]] == [" 75% iteration 3", "100% iteration 4"]
    assert {p.suffix for p in Path("run").glob("checkpoint*")} == {".json", ".part"}


def test_a_gan_begins_from_the_weights_of_its_first_stage(texup):
    assert train(texup, "--iterations", "1").code == 0
    done = train(texup, "--iterations", "1", "--init", "run/mini.safetensors", recipe="gan.toml", out="sharp")
    assert done.code == 0
    assert "adversarial 0." in done.err
    card = json.loads(Path("sharp/card.json").read_text())
    assert "random weights" in card["features"]


def test_the_folder_and_the_recipe_have_names_of_their_own(texup):
    done = texup("train", "mini.toml", "--data", "data/deep", "--data", "data", "--iterations", "1", "--device", "cpu")
    assert done.code == 0
    assert done.err.splitlines()[-1] == "wrote runs/mini/mini.safetensors"
    card = json.loads(Path("runs/mini/card.json").read_text())
    assert [fact["folder"] for fact in card["data"]] == ["deep", "data"]


def test_a_terminal_shows_a_bar_and_each_measurement(texup, monkeypatch):
    monkeypatch.setattr("texup.cli.train.is_terminal", lambda: True)
    done = train(texup, "--val", "data", "--iterations", "2")
    assert done.code == 0
    assert "iteration 2: pixel 0." in done.err
    assert "100%" in done.err


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--data", "none"], 2, "none: no such folder of pictures"),
        (["--data", "empty"], 2, "empty: no picture of at least 32 pixels a side"),
        (["--data", "tiny"], 2, "tiny: no picture of at least 32 pixels a side (1 are smaller, 0 cannot be read)"),
        (["--data", "broken"], 2, "broken: no picture of at least 32 pixels a side (0 are smaller, 2 cannot be read)"),
        (["--val", "empty"], 2, "empty: no picture of at least 16 pixels a side to measure on"),
        (["--val", "none"], 2, "none: no such folder of pictures"),
        (["--resume"], 2, "checkpoint.pt: no checkpoint to resume from"),
        (["--init", "other.safetensors"], 2, "the weights to start from do not fit the recipe's net"),
        (["--init", "none.safetensors"], 2, "no model none.safetensors: name one of"),
        (["--init", "data/a.png"], 4, "data/a.png: neither a safetensors file nor one of torch.save"),
        (["--device", "cuda:7"], 2, "device 'cuda:7' is not available"),
        (["--out", "mini.toml"], 5, "mini.toml: cannot write"),
        (["--out", "mini.toml/run"], 5, "cannot write"),
        (["--vgg-weights", "none.pth"], 4, "none.pth: no such file"),
    ],
)
def test_bad_input_is_refused_in_one_line_and_nothing_is_left(texup, near_identity, more, code, said):
    from texup.models.weights import save_weights

    for name in ("empty", "tiny", "broken"):
        Path(name).mkdir()
    Image.fromarray(np.zeros((31, 64, 3), np.uint8)).save("tiny/a.png")
    Path("broken/a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Path("broken/b.jpg").write_text("no picture")
    save_weights(Path("other.safetensors"), near_identity(0), {})
    before = sorted(Path().rglob("*"))
    data = () if "--data" in more else ("--data", "data")
    refused = texup("train", "gan.toml", *data, "--out", "run", "--iterations", "1", "--device", "cpu", *more)
    assert refused.code == code
    assert len(refused.err.splitlines()) == len(refused.errors) == 1
    assert said in refused.err
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("bach = 2", "mine.toml: unknown key bach; did you mean 'batch'?"),
        ("batch = = 2", "mine.toml: cannot read the recipe: "),
        ("batch = 0", "batch must be from 1 to 4096, not 0"),
        ("name = '../../x'", "name: '../../x' is no name for a file"),
        ("[net]\nnum_feat = -1", "net: RRDBNet cannot be built: "),
    ],
)
def test_bad_recipes_are_refused_in_one_line(texup, recipe, said):
    Path("mine.toml").write_text(recipe)
    refused = train(texup, "--iterations", "1", recipe="mine.toml")
    assert refused.code == 2
    assert len(refused.err.splitlines()) == len(refused.errors) == 1
    assert said in refused.err
    assert not Path("run").exists()


def test_an_unknown_recipe_is_answered_with_the_known_ones(texup):
    refused = train(texup, "--iterations", "1", recipe="none")
    assert refused.code == 2
    assert "none: no such recipe; give a TOML file or one of compact-gan, compact-psnr, " in refused.err


@pytest.mark.parametrize("length", [[], ["--seconds", "1", "--iterations", "1"], ["--iterations", "0"]])
def test_the_length_is_said_in_one_way(texup, length):
    refused = train(texup, *length)
    assert refused.code == 2
    assert len(refused.err.splitlines()) == len(refused.errors) == 1
    assert not Path("run").exists()


def test_another_recipe_cannot_take_over_a_run(texup):
    assert train(texup, "--iterations", "1").code == 0
    before = {p: p.read_bytes() for p in Path("run").rglob("*") if p.is_file()}
    refused = train(texup, "--iterations", "2", "--resume", recipe="gan.toml")
    assert refused.code == 2
    assert "run: begun with another recipe (name, loss, features, discriminator differ)" in refused.err
    assert {p: p.read_bytes() for p in Path("run").rglob("*") if p.is_file()} == before


def test_a_diverged_run_fails_in_one_line_and_keeps_what_was_good(texup):
    failed = train(texup, "--iterations", "40", recipe="wild.toml")
    assert failed.code == 1
    assert len(failed.errors) == 1
    assert "wild diverged by iteration" in failed.errors[0]
    kept = Path("run/wild.safetensors")
    if kept.exists():
        assert load_model(kept).scale == 4
    assert not list(Path("run").glob(".texup-*"))
