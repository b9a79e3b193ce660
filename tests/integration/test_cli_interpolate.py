"""``texup interpolate``: whole commands over real files."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
import torch

from texup.cli.main import run
from texup.models.keys import from_canonical
from texup.models.loading import load_model
from texup.models.weights import read_weights, save_pickle, save_weights

from ..builders import tiny_net

ENTRY = """
[[model]]
name = "{name}"
file = "{name}.safetensors"
scale = 4
architecture = "RRDBNet"
sha256 = "{sha256}"
licence = "MIT"
source = "test"
description = "a tiny net"
context = 8
"""


@pytest.fixture
def command(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["texup", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            run()
        out, err = capsys.readouterr()
        return caught.value.code, out, err

    return call


@pytest.fixture
def pair(tmp_path, monkeypatch):
    """Two related states, in a catalog as tiny-psnr and tiny-gan, and the working folder to write to."""
    torch.manual_seed(0)
    psnr = tiny_net("RRDBNet").state_dict()
    states = {"tiny-psnr": psnr, "tiny-gan": {k: v + 0.01 * torch.randn_like(v) for k, v in psnr.items()}}
    folder = tmp_path / "weights"
    text = 'default = "tiny-gan"\n[pair]\npsnr = "tiny-psnr"\ngan = "tiny-gan"\n'
    for name, state in states.items():
        save_weights(folder / f"{name}.safetensors", state, {})
        sha256 = hashlib.sha256((folder / f"{name}.safetensors").read_bytes()).hexdigest()
        text += ENTRY.format(name=name, sha256=sha256)
    (folder / "catalog.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr("texup.models.catalog.weights_folder", lambda: folder)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return states["tiny-psnr"], states["tiny-gan"]


def test_without_files_the_pair_of_the_catalog_is_blended(command, pair, tmp_path):
    code, out, err = command("interpolate", "--alpha", "0.65")
    assert (code, out) == (0, "interp-0.65.safetensors\n")
    assert err == "alpha 0.65: RRDBNet x4, loads\n"
    read = read_weights(Path("interp-0.65.safetensors"))
    for key, a in pair[0].items():
        torch.testing.assert_close(read.state[key], 0.35 * a + 0.65 * pair[1][key], atol=1e-7, rtol=1e-6)
    sha256 = {
        n: hashlib.sha256((tmp_path / "weights" / f"{n}.safetensors").read_bytes()).hexdigest()
        for n in ("tiny-psnr", "tiny-gan")
    }
    assert read.metadata | {"texup": ""} == {
        "texup": "",
        "architecture": "RRDBNet",
        "alpha": "0.65",
        "psnr": "tiny-psnr",
        "psnr_sha256": sha256["tiny-psnr"],
        "gan": "tiny-gan",
        "gan_sha256": sha256["tiny-gan"],
    }
    assert load_model(Path("interp-0.65.safetensors")).scale == 4


def test_the_same_blend_is_the_same_file(command, pair):
    written = [
        command("interpolate", "--alpha", "0.3", "-o", f"{i}.safetensors") and Path(f"{i}.safetensors")
        for i in range(3)
    ]
    assert len({path.read_bytes() for path in written}) == 1


def test_two_alphas_have_two_names(command, pair):
    names = [command("interpolate", "--alpha", alpha)[1] for alpha in ("0.6", "0.65", "0.600", "1", "1e-3")]
    assert names == [
        *("interp-0.6.safetensors\n", "interp-0.65.safetensors\n", ""),
        *("interp-1.0.safetensors\n", "interp-0.001.safetensors\n"),
    ]


def test_files_of_different_dialects_blend_under_canonical_keys(command, pair):
    save_pickle(Path("a-psnr.pth"), {"params_ema": from_canonical(pair[0], "esrgan-2018")})
    save_weights(Path("a-gan.safetensors"), from_canonical(pair[1], "esrgan-2019"), {})
    code, out, _ = command("interpolate", "a-psnr.pth", "a-gan.safetensors", "--alpha", "1")
    assert (code, out) == (0, "a-psnr-a-gan-interp-1.0.safetensors\n")
    state = read_weights(Path(out.strip())).state
    assert set(state) == set(pair[1])
    assert all(torch.equal(state[key], value) for key, value in pair[1].items())


def test_an_output_is_made_where_it_is_asked_for_and_not_replaced(command, pair):
    target = Path("deep/er/mine.safetensors")
    assert command("interpolate", "--alpha", "0.5", "-o", target)[:2] == (0, f"{target}\n")
    before = target.read_bytes()
    code, out, err = command("interpolate", "--alpha", "0.6", "-o", target)
    assert (code, out) == (2, "")
    assert "--force" in err
    assert target.read_bytes() == before
    assert command("interpolate", "--alpha", "0.6", "-o", target, "--force")[0] == 0
    assert read_weights(target).metadata["alpha"] == "0.6"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--alpha", "1.5"], "from 0 (PSNR) to 1 (GAN)"),
        (["--alpha", "nan"], "from 0 (PSNR) to 1 (GAN)"),
        (["--alpha", "much"], "not a valid float"),
        ([], "--alpha"),
        (["tiny-psnr", "--alpha", "0.5"], "name both models"),
        (["tiny-psnr", "nobody", "--alpha", "0.5"], "tiny-psnr, tiny-gan"),
        (["--alpha", "0.5", "-o", "blend.pth"], "name the output .safetensors"),
    ],
)
def test_wrong_use_ends_with_2_and_writes_nothing(command, pair, arguments, reason):
    code, out, err = command("interpolate", *arguments)
    assert (code, out) == (2, "")
    assert reason in err
    assert list(Path().iterdir()) == []


def test_nets_that_differ_are_refused_by_file_and_layer(command, pair):
    save_weights(Path("wide.safetensors"), tiny_net("RRDBNet", num_feat=10).state_dict(), {})
    code, _, err = command("interpolate", "tiny-psnr", "wide.safetensors", "--alpha", "0.5")
    assert code == 4
    assert err.count("\n") == 1
    assert "tiny-psnr.safetensors and wide.safetensors: the two nets differ" in err
    assert "body.0.rdb1.conv1.weight of size (4, 8, 3, 3) and (4, 10, 3, 3), body.0.rdb1.conv2.weight" in err
    assert " and 26 more" in err


def test_nets_that_are_no_relatives_are_refused(command, pair):
    def passing(first):
        state = {key: torch.zeros_like(value) for key, value in pair[0].items()}
        for i in range(3):
            state["conv_first.weight"][first + i, i, 1, 1] = state["conv_last.weight"][i, first + i, 1, 1] = 1
            for layer in ("conv_up1", "conv_up2", "conv_hr"):
                state[f"{layer}.weight"][first + i, first + i, 1, 1] = 1
        return state

    save_weights(Path("a.safetensors"), passing(0), {})
    save_weights(Path("b.safetensors"), passing(4), {})
    code, out, err = command("interpolate", "a.safetensors", "b.safetensors", "--alpha", "0.9")
    assert (code, out, err.count("\n")) == (4, "", 1)
    assert "b was not fine-tuned from a" in err
    assert sorted(Path().iterdir()) == [Path("a.safetensors"), Path("b.safetensors")]


def test_a_parent_that_is_not_the_catalog_s_is_refused(command, pair, tmp_path):
    save_weights(tmp_path / "weights" / "tiny-gan.safetensors", pair[0], {"swapped": "yes"})
    code, _, err = command("interpolate", "--alpha", "0.5")
    assert code == 4
    assert "is not the expected" in err
