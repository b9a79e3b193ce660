"""The catalog: what it may say, what it may not, and how a name or a path finds its model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import texup
from texup.errors import UsageError, WeightsError
from texup.models import catalog
from texup.models.catalog import CatalogModel, load_catalog, resolve, weights_folder

MODEL = """
[[model]]
name = "{name}"
file = "{name}.safetensors"
scale = 4
architecture = "RRDBNet"
sha256 = "{digit}{digit}{digit}{digit}"
licence = "MIT"
source = "trained here"
description = "for tests"
context = 16
"""
HEAD = 'default = "b-gan"\n[pair]\npsnr = "a-psnr"\ngan = "b-gan"\n'
GOOD = HEAD + MODEL.format(name="a-psnr", digit="a" * 16) + MODEL.format(name="b-gan", digit="b" * 16)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "catalog.toml").write_text(GOOD, encoding="utf-8")
    return tmp_path


def test_a_catalog_is_read_whole(folder):
    loaded = load_catalog(folder)
    assert (loaded.default, loaded.pair, list(loaded.models)) == ("b-gan", ("a-psnr", "b-gan"), ["a-psnr", "b-gan"])
    assert loaded.models["a-psnr"] == CatalogModel(
        name="a-psnr",
        path=folder / "a-psnr.safetensors",
        sha256="a" * 64,
        scale=4,
        channels=3,
        context=16,
        architecture="RRDBNet",
        licence="MIT",
        source="trained here",
        description="for tests",
    )


def test_a_catalog_may_name_a_model_for_pixel_art(folder):
    assert load_catalog(folder).pixel_art is None
    for name in ("b-gan", "c"):
        (folder / "catalog.toml").write_text(f'pixel_art = "{name}"\n{GOOD}', encoding="utf-8")
        if name == "c":
            with pytest.raises(WeightsError, match="it names c, but has no such model"):
                load_catalog(folder)
        else:
            assert load_catalog(folder).pixel_art == "b-gan"


def test_a_model_may_have_other_channels_than_three(folder):
    (folder / "catalog.toml").write_text(GOOD.replace("scale = 4", "scale = 4\nchannels = 4", 1), encoding="utf-8")
    assert [model.channels for model in load_catalog(folder).models.values()] == [4, 3]


@pytest.mark.parametrize(("text", "share"), [("0.6", 0.6), ("0", 0.0), ("1", 1.0)])
@pytest.mark.parametrize("default", ["b-gan", "blend"])
def test_a_pair_may_recommend_a_blend_and_the_default_name_it(folder, text, share, default):
    assert load_catalog(folder).blend is None
    changed = GOOD.replace('gan = "b-gan"', f'gan = "b-gan"\nblend = {text}', 1).replace("b-gan", default, 1)
    (folder / "catalog.toml").write_text(changed, encoding="utf-8")
    loaded = load_catalog(folder)
    assert (loaded.default, loaded.pair, loaded.blend) == (default, ("a-psnr", "b-gan"), share)
    assert type(loaded.blend) is float


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("MIT", "", "licence = '' is not allowed"),
        ("scale = 4", "scale = 17", "scale = 17 is not allowed"),
        ("scale = 4", "scale = true", "scale = True is not allowed"),
        ("scale = 4", 'scale = "4"', "scale = '4' is not allowed"),
        ("context = 16", "context = -1", "context = -1 is not allowed"),
        ("context = 16", "", "model a-psnr lacks context"),
        ("context = 16", "context = 16\nborder = -1", "border = -1 is not allowed"),
        ("context = 16", "context = 16\ncolour = 1", "model a-psnr has the unknown colour"),
        ('file = "a-psnr.safetensors"', 'file = "../a.safetensors"', "is not allowed"),
        ('file = "a-psnr.safetensors"', 'file = "sub/a.safetensors"', "is not allowed"),
        ('file = "a-psnr.safetensors"', "file = 'sub\\a.safetensors'", "is not allowed"),
        ('file = "a-psnr.safetensors"', 'file = "/etc/passwd"', "is not allowed"),
        ('file = "a-psnr.safetensors"', 'file = ".."', "is not allowed"),
        ('name = "a-psnr"', 'name = "a.pth"', "name = 'a.pth' is not allowed"),
        ('name = "a-psnr"', "name = 5", "name = 5 is not allowed"),
        ('name = "a-psnr"', 'name = "b-gan"', "two models have the same name"),
        ("a" * 64, "a" * 63, "sha256 = .* is not allowed"),
        ("a" * 64, "A" * 64, "sha256 = .* is not allowed"),
        ('default = "b-gan"', 'default = "c"', "names c, but has no such model"),
        ('default = "b-gan"', "", "the catalog lacks default"),
        ('default = "b-gan"', 'default = "b-gan"\nextra = 1', "the catalog has the unknown extra"),
        ('psnr = "a-psnr"', 'psnr = "c"', "names c, but has no such model"),
        ('gan = "b-gan"', "", "pair lacks gan"),
        ('gan = "b-gan"', 'gan = "b-gan"\nblend = 1.1', "pair: blend = 1.1 is not allowed"),
        ('gan = "b-gan"', 'gan = "b-gan"\nblend = -0.1', "pair: blend = -0.1 is not allowed"),
        ('gan = "b-gan"', 'gan = "b-gan"\nblend = nan', "pair: blend = nan is not allowed"),
        ('gan = "b-gan"', 'gan = "b-gan"\nblend = true', "pair: blend = True is not allowed"),
        ('gan = "b-gan"', 'gan = "b-gan"\nblend = "0.5"', "pair: blend = '0.5' is not allowed"),
        ('gan = "b-gan"', 'gan = "b-gan"\nmix = 0.5', "pair has the unknown mix"),
        ('default = "b-gan"', 'default = "blend"', "the default is the blend of the pair, but the pair has none"),
        ('name = "a-psnr"', 'name = "blend"', "name = 'blend' is not allowed"),
        ("[pair]", "by_scale = 2\n[pair]", "by_scale is no table"),
        ("[pair]", 'by_scale = { 4 = "c" }\n[pair]', "by_scale: 4 = 'c' is not allowed"),
        ("[pair]", 'by_scale = { 2 = "a-psnr" }\n[pair]', "by_scale: 2 = 'a-psnr' is not allowed"),
        ("[pair]", "by_scale = { 4 = 4 }\n[pair]", "by_scale: 4 = 4 is not allowed"),
        ("[[model]]", "[[model", "cannot read the catalog"),
        (GOOD, 'default = "a"\npair = 1\nmodel = []', "pair is no table"),
        (GOOD, 'default = "a"\npair = 1\nmodel = 5', "model is no list of tables"),
        (GOOD, 'default = "a"\nmodel = [1]\n[pair]\npsnr = "a"\ngan = "a"', "model is no list of tables"),
        (GOOD, "default = ['a']\nmodel = []\n[pair]\npsnr = 'a'\ngan = 'a'", "names .*a.*, but has no such model"),
    ],
)
def test_what_does_not_belong_is_refused_by_name(folder, old, new, reason):
    assert old in GOOD
    path = folder / "catalog.toml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(WeightsError, match=reason) as caught:
        load_catalog(folder)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_scale_may_have_a_default_of_its_own(folder):
    assert load_catalog(folder).default_for(4) == "b-gan"
    text = GOOD.replace("[pair]", 'by_scale = { 4 = "a-psnr" }\n[pair]', 1)
    (folder / "catalog.toml").write_text(text, encoding="utf-8")
    catalog = load_catalog(folder)
    assert [catalog.default_for(scale) for scale in (None, 2, 4)] == ["b-gan", "b-gan", "a-psnr"]


def test_a_missing_or_undecodable_catalog_is_refused(folder):
    (folder / "catalog.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(WeightsError, match="cannot read the catalog"):
        load_catalog(folder)
    with pytest.raises(WeightsError, match="cannot read the catalog"):
        load_catalog(folder / "nowhere")


def test_a_name_comes_before_a_file_of_that_name(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a-psnr").write_bytes(b"")
    assert resolve("a-psnr", folder).sha256 == "a" * 64
    assert resolve("./a-psnr", folder) == CatalogModel("a-psnr", Path("a-psnr"))


def test_a_file_needs_no_catalog(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("4x_foo.pth", "4x_foo.pt", "4x_foo.ckpt", "interp-0.65.safetensors", "dir.with.dots/net"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(b"")
        found = resolve(name, tmp_path / "no catalog")
        assert (found.path, found.sha256, found.scale, found.context) == (Path(name), None, None, None)
    assert resolve("interp-0.65.safetensors").name == "interp-0.65"


def test_a_file_without_a_known_ending_is_found_too(folder, monkeypatch):
    monkeypatch.chdir(folder)
    Path("mynet").write_bytes(b"")
    assert resolve("mynet", folder).path == Path("mynet")


@pytest.mark.parametrize("name", ["c", "nowhere/net.pth", "net.safetensors", ".", ""])
def test_an_unknown_name_lists_the_names_and_mentions_paths(folder, monkeypatch, name):
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError, match=r"a-psnr, b-gan, or the path of a file"):
        resolve(name, folder)


def test_the_folder_is_beside_the_package_or_inside_it_once_installed(tmp_path, monkeypatch):
    package = tmp_path / "site" / "texup"
    (package / "_weights").mkdir(parents=True)
    assert weights_folder() == Path(texup.__file__).parent.parent / "weights"
    monkeypatch.setattr(texup, "__file__", str(package / "__init__.py"))
    assert weights_folder() == package / "_weights"


def test_the_catalog_imports_no_torch():
    code = f"import sys; import {catalog.__name__}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
