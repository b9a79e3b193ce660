"""``texup models add``: files are tried, copied into the user's folder, remembered, and refused once they change."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest
import torch

from texup import bounds
from texup.cli.models.group import UNTOLD
from texup.errors import WeightsError
from texup.models.catalog import resolve
from texup.models.own import INDEX, load_index
from texup.models.weights import save_pickle, save_weights

from ..builders import noise, tiny_net


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The user's folder of models, which is not there yet."""
    monkeypatch.setenv("TEXUP_MODELS", str(tmp_path / "own"))
    return tmp_path / "own"


@pytest.fixture
def mine(tmp_path):
    """A file that was got from somewhere."""
    path = tmp_path / "got" / "4x_mine.safetensors"
    save_weights(path, tiny_net("SPAN").state_dict(), {"license": "CC-BY-4.0"})
    return path


def test_a_file_is_copied_and_remembered(texup, folder, mine):
    done = texup("models", "add", mine, "--source", "a friend")
    target = folder / "4x_mine.safetensors"
    assert (done.code, done.out, done.err) == (0, f"{target}  x4  SPAN\n", "")
    assert target.read_bytes() == mine.read_bytes()
    sha256 = hashlib.sha256(mine.read_bytes()).hexdigest()
    assert json.loads((folder / INDEX).read_text("utf-8")) == {
        "4x_mine.safetensors": {
            "sha256": sha256,
            "architecture": "SPAN",
            "scale": 4,
            "licence": "CC-BY-4.0",
            "source": "a friend",
        }
    }
    for named in (str(target), "4x_mine", "4x_mine.safetensors"):
        model = resolve(named)
        assert (model.name, model.path, model.sha256, model.scale) == ("4x_mine", target, sha256, 4)
    assert resolve(str(mine)).sha256 is None
    assert texup("models", "add", mine).code == 0  # again, with nothing to do


def test_the_list_shows_what_is_known_of_it(texup, folder, mine):
    save_pickle(mine.with_name("2x_old.pth"), tiny_net("RRDBNet", scale=2).state_dict())
    assert texup("models", "add", mine.parent).code == 0
    save_weights(folder / "dropped.safetensors", tiny_net().state_dict(), {})
    listed = texup("models", "list")
    assert listed.code == 0
    lines = listed.out.partition(f"your own, in {folder}:\n")[2].splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["2x_old.pth", "x2", "RRDBNet", "0.1", "MiB", "ok", *UNTOLD.split()],
        ["4x_mine.safetensors", "x4", "SPAN", "0.1", "MiB", "ok", "CC-BY-4.0"],
        ["dropped.safetensors", "x?", "0.0", "MiB", "not", "added"],
    ]
    own = texup("models", "list", "--json").json["own"]
    assert own["folder"] == str(folder)
    assert [(row["file"], row["scale"], row["sha256"], row["licence"]) for row in own["files"]] == [
        ("2x_old.pth", 2, "ok", UNTOLD),
        ("4x_mine.safetensors", 4, "ok", "CC-BY-4.0"),
        ("dropped.safetensors", None, "not added", None),
    ]


def test_a_file_that_changed_is_refused_wherever_it_is_used(texup, folder, mine, tmp_path):
    assert texup("models", "add", mine).code == 0
    path = folder / mine.name
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "a.png").write_bytes(noise(1))
    upscale = ("upscale", tmp_path / "pack", "--method", "net", "--model")
    assert texup(*upscale, "4x_mine", "-o", tmp_path / "a").code == 0
    save_weights(path, tiny_net("SPAN", seed=1).state_dict(), {})
    line = f"texup: error: {path}: changed after it was added; if that was you: texup models add {path}"
    for words in (
        (*upscale, path, "-o", tmp_path / "b"),
        (*upscale, "4x_mine", "-o", tmp_path / "b"),
        ("models", "show", "4x_mine"),
        ("models", "convert", path, tmp_path / "c.pth"),
        ("models", "bench", "4x_mine"),
        ("interpolate", "4x_mine", path, "--alpha", "0.5", "-o", tmp_path / "d.safetensors"),
    ):
        refused = texup(*words)
        assert (refused.code, refused.errors) == (4, [line]), words
    listed = texup("models", "list")
    assert listed.code == 4
    assert "CHANGED" in listed.out
    assert texup("models", "add", path).code == 0
    assert texup(*upscale, "4x_mine", "-o", tmp_path / "b").code == 0
    path.write_bytes(b"")
    assert "CHANGED" in texup("models", "list").out


def test_another_file_of_the_name_is_replaced_by_force_only(texup, folder, mine):
    assert texup("models", "add", mine).code == 0
    before = (folder / mine.name).read_bytes()
    save_weights(mine, tiny_net("SPAN", seed=1).state_dict(), {})
    refused = texup("models", "add", mine)
    assert refused.code == 2
    assert "another file of that name is there; --force replaces it" in refused.err
    assert (folder / mine.name).read_bytes() == before
    assert texup("models", "add", mine, "--force").code == 0
    assert texup("models", "show", folder / mine.name).code == 0


def test_a_folder_keeps_its_folders_and_what_is_refused_is_named(texup, folder, mine):
    source = mine.parent
    save_pickle(source / "anime" / "2x_line.pth", tiny_net(scale=2).state_dict())
    (source / "bad.pth").write_bytes(b"<html>")
    grey_in = tiny_net("RRDBNet", num_in_ch=1, num_out_ch=3)
    save_pickle(source / "odd.pth", grey_in.state_dict())
    (source / "notes.txt").write_text("none")
    done = texup("models", "add", source)
    assert done.code == 4
    assert sorted(load_index()) == ["4x_mine.safetensors", "anime/2x_line.pth"]
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        *("2x_line.pth", "4x_mine.safetensors", INDEX),
    ]
    assert len(done.errors) == 3
    assert "bad.pth: this is a web page, not weights" in done.errors[0]
    assert "odd.pth: a net of 1 channels in and 3 out" in done.errors[1]
    assert done.errors[2].endswith("2 of its files were not added")


def test_a_net_that_makes_no_numbers_is_refused(texup, folder, mine):
    state = {key: value.clone() for key, value in tiny_net("SRVGGNetCompact").state_dict().items()}
    for value in state.values():
        value.fill_(3e37)
    save_weights(mine, state, {})
    refused = texup("models", "add", mine)
    assert refused.code == 4
    assert "what its net makes of a small picture is no picture" in refused.err
    assert not folder.exists()


def test_a_file_that_is_gone_is_forgotten(texup, folder, mine, tmp_path):
    assert texup("models", "add", mine).code == 0
    (folder / mine.name).unlink()
    assert texup("models", "list").code == 0
    save_weights(tmp_path / "other.safetensors", tiny_net().state_dict(), {})
    assert texup("models", "add", tmp_path / "other.safetensors").code == 0
    assert list(load_index()) == ["other.safetensors"]


@pytest.mark.parametrize("name", ["none.pth", "empty", "notes.txt"])
def test_what_holds_no_weights_is_refused(texup, folder, tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("none")
    refused = texup("models", "add", tmp_path / name)
    assert refused.code in (2, 4)
    assert len(refused.errors) == 1
    assert name in refused.errors[0]
    assert not folder.exists()


ENTRY = {"sha256": "0" * 64, "architecture": "SPAN", "scale": 4, "licence": "", "source": ""}


@pytest.mark.parametrize(
    "content",
    [
        b"\xff",
        b"[",
        b"[]",
        b'{"a.pth": 1}',
        json.dumps({"a.pth": ENTRY | {"sha256": "x"}}).encode(),
        json.dumps({"a.pth": ENTRY | {"scale": 0}}).encode(),
        json.dumps({"a.pth": ENTRY | {"more": 1}}).encode(),
        json.dumps({"../a.pth": ENTRY}).encode(),
        b" " * (bounds.MODELS_BYTES + 1),
    ],
)
def test_a_damaged_list_of_models_is_refused_in_one_line(texup, folder, mine, content):
    folder.mkdir()
    (folder / INDEX).write_bytes(content)
    with pytest.raises(WeightsError, match="remove it and add your models again") as refused:
        load_index()
    assert len(str(refused.value)) < 300
    assert texup("models", "add", mine).code == 4
    assert (folder / INDEX).read_bytes() == content
    assert resolve("texup-x4-psnr").scale == 4  # other models do not ask for it


def test_the_list_needs_no_torch(folder, mine, texup):
    texup("models", "add", mine)
    code = (
        "import sys; from texup.cli.main import main; main(['models', 'list'], standalone_mode=False);"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_net_of_spandrel_is_added_too(texup, folder, spandrel, tmp_path):
    from spandrel.architectures.SAFMN import SAFMN

    torch.manual_seed(0)
    save_pickle(tmp_path / "n.pth", SAFMN(dim=8, n_blocks=2).state_dict())
    assert texup("models", "add", tmp_path / "n.pth").out == f"{folder / 'n.pth'}  x4  SAFMN\n"


def test_a_net_of_four_channels_still_takes_colour_and_alpha_at_once(texup, folder, mine, tmp_path):
    save_weights(mine, tiny_net("SRVGGNetCompact", num_in_ch=4, num_out_ch=4).state_dict(), {})
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "a.png").write_bytes(noise(1))
    assert "(RGBA in one pass)" in texup("inspect", tmp_path / "pack", "--model", mine).out
    assert texup("models", "add", mine).code == 0
    assert "4x_mine (RGBA in one pass)" in texup("inspect", tmp_path / "pack", "--model", "4x_mine").out
