"""texup.models.own: the user's own models are named without their folder, and never those of a stranger's rules."""

from __future__ import annotations

import os

import pytest

from texup.errors import UsageError
from texup.models.catalog import CatalogModel, load_catalog, resolve
from texup.models.own import find_own, own_models
from texup.policy.rule_models import any_model, pack_model


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of models, beside the one that the user is in."""
    folder, here = tmp_path / "my models", tmp_path / "here"
    for path in (folder / "anime" / "4x_line.pth", folder / "4x_foo.pth", folder / "2x_bar.safetensors"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (folder / "readme.txt").write_bytes(b"x")
    (tmp_path / "out.pth").write_bytes(b"x")
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("TEXUP_MODELS", str(folder))
    return folder


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("4x_foo", "4x_foo.pth"),
        ("4x_foo.pth", "4x_foo.pth"),
        ("2x_bar", "2x_bar.safetensors"),
        ("anime/4x_line", "anime/4x_line.pth"),
    ],
)
def test_a_name_is_found_with_and_without_its_suffix(folder, name, path):
    assert resolve(name) == CatalogModel(path.rpartition("/")[2].rpartition(".")[0], folder / path)
    assert own_models() == ["2x_bar.safetensors", "4x_foo.pth", "anime/4x_line.pth"]


@pytest.mark.parametrize(
    "name", ["../out", "anime/../../out.pth", "./4x_foo.pth", "readme.txt", "readme", "", ".", "4x", "4x_foo/"]
)
def test_a_name_does_not_lead_out_of_the_folder(folder, name):
    assert find_own(name) is None


def test_an_absolute_path_is_no_name(folder, tmp_path):
    assert find_own(str(tmp_path / "out")) is None
    assert find_own("x" * 10_000) is None


def test_the_catalog_and_files_that_are_here_go_before(folder, tmp_path):
    for name in ("texup-x4-psnr.pth", "4x_foo.pth"):
        (folder / name).write_bytes(b"x")
    assert resolve("texup-x4-psnr") == load_catalog().models["texup-x4-psnr"]
    (tmp_path / "here" / "4x_foo.pth").write_bytes(b"x")
    assert resolve("4x_foo.pth").path.resolve() == tmp_path / "here" / "4x_foo.pth"


def test_two_files_of_a_name_are_told(folder):
    (folder / "4x_foo.safetensors").write_bytes(b"x")
    with pytest.raises(UsageError) as refused:
        resolve("4x_foo")
    assert str(refused.value) == (
        f"model 4x_foo: {folder} has 4x_foo.safetensors and 4x_foo.pth; name one with its suffix"
    )
    assert resolve("4x_foo.pth").path == folder / "4x_foo.pth"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("4x_fo", "did you mean '4x_foo'?"),
        ("texup-x4-psnr/", "did you mean 'texup-x4-psnr'?"),
        ("texup-x4-pnsr", "did you mean 'texup-x4-psnr'?"),
        ("zzz", "name one of texup-x4-psnr, "),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(folder, name, hint):
    with pytest.raises(UsageError, match=f"no model {name}") as refused:
        resolve(name)
    assert hint in str(refused.value)


def test_rules_of_the_user_may_name_own_models_and_those_of_a_pack_may_not(folder, tmp_path):
    pack = tmp_path / "here" / "anime"
    pack.mkdir()
    assert any_model("4x_foo", pack) == any_model("4x_foo", folder) == "4x_foo"
    assert resolve(any_model("4x_foo.pth", pack)).path == folder / "4x_foo.pth"
    (pack / "4x_foo.pth").write_bytes(b"x")
    assert resolve(any_model("4x_foo.pth", pack)).path == pack / "4x_foo.pth"
    for name in ("4x_foo", "anime/4x_line"):
        with pytest.raises((ValueError, UsageError)):
            resolve(pack_model(name, pack))
    with pytest.raises(UsageError, match="no model"):
        resolve(pack_model("4x_line.pth", pack.relative_to(os.getcwd())))  # which the user's folder has under this path


def test_the_list_names_them(texup, folder):
    names = ["2x_bar.safetensors", "4x_foo.pth", "anime/4x_line.pth"]
    lines = texup("models", "list").out.partition(f"your own, in {folder}:\n")[2].splitlines()
    assert [line.split() for line in lines[1:]] == [[name, "x?", "0.0", "MiB", "not", "added"] for name in names]
    own = texup("models", "list", "--json").json["own"]
    assert (own["folder"], [row["file"] for row in own["files"]]) == (str(folder), names)


def test_the_list_says_that_there_are_none(texup, tmp_path, monkeypatch):
    monkeypatch.setenv("TEXUP_MODELS", str(tmp_path / "none"))
    assert texup("models", "list").out.splitlines()[-1] == f"your own, in {tmp_path / 'none'}: none"
    assert texup("models", "list", "--json").json["own"] == {"folder": str(tmp_path / "none"), "files": []}
