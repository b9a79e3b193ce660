"""``texup models``: list, show and convert, whole commands over real files."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest
import torch

from texup.cli.main import COMMANDS, run
from texup.cli.models.converting import DIALECTS
from texup.models.keys import RRDBNET_DIALECTS, from_canonical
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
def net():
    return tiny_net("RRDBNet", num_block=2).requires_grad_(False)


@pytest.fixture
def folder(tmp_path, monkeypatch, net):
    """A catalog of two models."""
    folder = tmp_path / "weights"
    text = 'default = "tiny-gan"\n[pair]\npsnr = "tiny-psnr"\ngan = "tiny-gan"\n'
    for name in ("tiny-psnr", "tiny-gan"):
        path = folder / f"{name}.safetensors"
        save_weights(path, net.state_dict(), {"recipe": name})
        text += ENTRY.format(name=name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    (folder / "catalog.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr("texup.models.catalog.weights_folder", lambda: folder)
    return folder


def test_list_shows_every_model_and_verifies_its_file(command, folder):
    code, out, err = command("models", "list")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].split() == ["name", "scale", "architecture", "size", "sha256", "licence"]
    assert lines[1].split() == ["tiny-psnr", "x4", "RRDBNet", "0.1", "MiB", "ok", "MIT"]
    assert lines[3:-1] == ["default: tiny-gan", "pair: tiny-psnr (0) and tiny-gan (1), no blend recommended"]
    code, out, _ = command("models", "list", "--json")
    listed = json.loads(out)
    assert (code, listed["default"], listed["pair"]) == (0, "tiny-gan", ["tiny-psnr", "tiny-gan"])
    assert [(m["name"], m["sha256"], m["default"]) for m in listed["models"]] == [
        *(("tiny-psnr", "ok", False), ("tiny-gan", "ok", True)),
    ]
    assert listed["models"][0]["size"] == (folder / "tiny-psnr.safetensors").stat().st_size


def test_list_shows_the_recommended_blend(command, folder):
    catalog = folder / "catalog.toml"
    text = catalog.read_text().replace('gan = "tiny-gan"', 'gan = "tiny-gan"\nblend = 0.6')
    catalog.write_text(text.replace('default = "tiny-gan"', 'default = "blend"'))
    code, out, _ = command("models", "list")
    assert (code, out.splitlines()[3:-1]) == (
        0,
        [
            "default: the recommended blend of the pair",
            "pair: tiny-psnr (0) and tiny-gan (1), recommended blend 0.6",
        ],
    )
    listed = json.loads(command("models", "list", "--json")[1])
    assert (listed["default"], listed["blend"]) == ("blend", 0.6)
    assert not any(model["default"] for model in listed["models"])


def test_list_names_the_files_that_are_not_what_the_catalog_says(command, folder):
    with (folder / "tiny-gan.safetensors").open("ab") as file:
        file.write(b"x")
    (folder / "tiny-psnr.safetensors").unlink()
    code, out, err = command("models", "list")
    assert code == 4
    assert "missing" in out.splitlines()[1]
    assert "MISMATCH" in out.splitlines()[2]
    assert err.splitlines() == [
        "texup: error: tiny-psnr, tiny-gan: not the file that the catalog names; install texup again"
    ]
    code, out, _ = command("models", "list", "--json")
    assert code == 4
    assert [m["sha256"] for m in json.loads(out)["models"]] == ["missing", "MISMATCH"]


def test_list_and_help_import_no_torch():
    code = (
        "import sys; from texup.cli.main import main; main(['models', sys.argv[1]], standalone_mode=False);"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, "--help"], check=True, capture_output=True)
    subprocess.run([sys.executable, "-c", code.replace("'models', sys.argv[1]", "'interpolate', '--help'")], check=True)
    assert DIALECTS == RRDBNET_DIALECTS
    assert COMMANDS["models"] == "models"


def test_show_tells_what_a_file_holds(command, tmp_path, folder, net):
    path = tmp_path / "old.pth"
    save_pickle(path, {"params_ema": from_canonical(net.state_dict(), "esrgan-2018")})
    code, out, err = command("models", "show", path, "--json")
    shown = json.loads(out)
    assert (code, err) == (0, "")
    assert (shown["name"], shown["file"], shown["metadata"]) == ("old", str(path), {})
    assert (shown["architecture"], shown["scale"], shown["dialect"], shown["format"]) == (
        *("RRDBNet", 4, "esrgan-2018", "pickle"),
    )
    assert shown["parameters"] == sum(p.numel() for p in net.parameters())
    assert shown["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert shown["hyper"]["num_block"] == 2
    code, out, _ = command("models", "show", "tiny-psnr")
    assert code == 0
    for line in ("architecture: RRDBNet", "dialect: basicsr", "  num_grow_ch: 4", "  recipe: tiny-psnr"):
        assert line in out.splitlines()


def test_show_refuses_a_catalog_file_that_was_changed(command, folder, net):
    save_weights(folder / "tiny-gan.safetensors", net.state_dict(), {"other": "bytes"})
    code, out, err = command("models", "show", "tiny-gan")
    assert (code, out) == (4, "")
    assert "is not the expected" in err


def test_metadata_reaches_the_terminal_defused(command, tmp_path, net):
    path = tmp_path / "net.safetensors"
    save_weights(path, net.state_dict(), {"a\x1b]0;x\x07": "b\x1b[2J\nname: forged"})
    code, out, _ = command("models", "show", path)
    assert code == 0
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "\nname: forged" not in out


def test_an_unknown_model_is_wrong_use_and_lists_the_names(command, folder):
    code, _, err = command("models", "show", "grandma")
    assert code == 2
    assert "tiny-psnr, tiny-gan" in err


@pytest.mark.parametrize("dialect", RRDBNET_DIALECTS)
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_convert_gives_every_dialect_in_both_containers(command, tmp_path, net, dialect, suffix):
    source, target = tmp_path / "in.pth", tmp_path / "new" / f"out{suffix}"
    save_pickle(source, from_canonical(net.state_dict(), "esrgan-2019"))
    code, out, err = command("models", "convert", source, target, "--dialect", dialect, "--keep-growth")
    assert (code, out, err) == (0, f"{target}\n", "")
    read = read_weights(target)
    expected = from_canonical(net.state_dict(), dialect)
    assert set(read.state) == set(expected)
    assert all(torch.equal(read.state[key], value) for key, value in expected.items())
    if suffix == ".safetensors":
        assert read.metadata["converted_from"] == hashlib.sha256(source.read_bytes()).hexdigest()
    else:  # as the programs that want a .pth read it
        content = torch.load(target, weights_only=True)
        assert set(content["params"] if dialect == "basicsr" else content) == set(expected)


def test_convert_halves_the_size_and_still_loads(command, tmp_path, net):
    source, whole, half = (tmp_path / f"{name}.safetensors" for name in ("in", "whole", "half"))
    save_weights(source, net.state_dict(), {"recipe": "tiny"})
    code, _, err = command("models", "convert", source, whole)
    assert (code, err.strip()) == (
        *(0, "a growth of 4 became 32, by zeros, as other programs expect; --keep-growth leaves it"),
    )
    assert command("models", "convert", source, half, "--half")[0] == 0
    assert half.stat().st_size < 0.7 * whole.stat().st_size
    assert read_weights(half).metadata["recipe"] == "tiny"
    x = torch.rand(1, 3, 5, 5)
    torch.testing.assert_close(load_model(half).net(x), net(x), atol=2e-2, rtol=0)


def test_convert_refuses_values_that_16_bits_cannot_hold(command, tmp_path, net):
    source, target = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    save_weights(source, net.state_dict() | {"conv_last.bias": torch.full((3,), 7e4)}, {})
    code, _, err = command("models", "convert", source, target, "--half")
    assert code == 4
    assert "conv_last.bias has values beyond 16-bit floats" in err
    assert not target.exists()


def test_convert_replaces_nothing_unless_forced(command, tmp_path, net):
    source, target = tmp_path / "in.safetensors", tmp_path / "out.pth"
    save_weights(source, net.state_dict(), {})
    target.write_bytes(b"precious")
    code, _, err = command("models", "convert", source, target)
    assert code == 2
    assert "--force" in err
    assert target.read_bytes() == b"precious"
    assert command("models", "convert", source, target, "--force")[0] == 0
    assert load_model(target).scale == 4


@pytest.mark.parametrize("name", ["out.bin", "out", "out.pt"])
def test_convert_writes_three_kinds_of_files_only(command, tmp_path, net, name):
    source = tmp_path / "in.safetensors"
    save_weights(source, net.state_dict(), {})
    code, _, err = command("models", "convert", source, tmp_path / name)
    assert code == 2
    assert ".safetensors, .pth or .onnx" in err


def test_convert_has_old_names_for_rrdbnet_only(command, tmp_path):
    source, target = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    save_weights(source, tiny_net().state_dict(), {})
    code, _, err = command("models", "convert", source, target, "--dialect", "esrgan-2018")
    assert code == 2
    assert "RRDBNet only" in err
    assert command("models", "convert", source, target)[0] == 0
