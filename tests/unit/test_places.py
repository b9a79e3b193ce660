"""texup.places: where the user's file, models and caches lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from texup import bounds, places
from texup.errors import UsageError


@pytest.fixture
def config(tmp_path, monkeypatch):
    path = tmp_path / "home" / "config.toml"
    path.parent.mkdir()
    monkeypatch.setenv(places.CONFIG, str(path))
    return path


def test_without_variables_they_lie_where_the_system_keeps_such_files(monkeypatch, tmp_path):
    for name in places.VARIABLES:
        monkeypatch.delenv(name)
    for name in ("CONFIG", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    for system in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(system, str(tmp_path))
    found = [places.config_file(), places.models_folder(), places.cache_folder()]
    assert all(path is not None and path.is_relative_to(tmp_path) and "texup" in path.parts for path in found)
    assert len(set(found)) == 3
    assert places.user_values() == {}


def test_an_empty_variable_means_no_file(monkeypatch):
    monkeypatch.setenv(places.CONFIG, "")
    assert places.config_file() is None
    assert places.user_values() == {}


def test_variables_move_all_three(config, monkeypatch):
    config.write_text('models_folder = "elsewhere"\n', encoding="utf-8")
    monkeypatch.setenv(places.MODELS, "m")
    monkeypatch.setenv(places.CACHE, "c")
    assert (places.config_file(), places.models_folder(), places.cache_folder()) == (config, Path("m"), Path("c"))


@pytest.mark.parametrize(("named", "place"), [("nets", "home/nets"), ("~/nets", "user/nets")])
def test_the_file_names_the_folder_of_models(config, monkeypatch, tmp_path, named, place):
    monkeypatch.delenv(places.MODELS)
    for system in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(system, str(tmp_path / "user"))
    config.write_text(f'models_folder = "{named}"\n', encoding="utf-8")
    assert places.models_folder() == tmp_path / place


BAD = {
    "": "cannot read the user file: No such file or directory",
    "a = [": "no valid TOML",
    "a = 1\n" * 3 + "\xff": "no valid TOML",
    "#" * bounds.TOML_BYTES + "\n": "larger than 1 MiB; no user file is",
    "a." * 100 + "a = 1": "more than 8 parts",
    "models_folder = 2": 'models_folder is no path; write models_folder = "FOLDER"',
}


@pytest.mark.parametrize("text", BAD, ids=BAD.values())
def test_a_file_that_makes_no_sense_is_named(config, monkeypatch, text):
    monkeypatch.delenv(places.MODELS)
    if text:
        config.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        places.models_folder()
    assert str(refused.value).startswith(f"{config}: ")
    assert BAD[text] in str(refused.value)
