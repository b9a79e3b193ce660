"""texup.cli.usage.settings: command line, then environment, then the user's file, then texup's own defaults."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click
import pytest

from texup.cli.usage import settings
from texup.cli.usage.options import processing_options
from texup.cli.usage.sections import Sectioned

from .test_sections import all_commands

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


@pytest.fixture
def config(tmp_path, monkeypatch):
    """The user's file."""
    path = tmp_path / "config.toml"
    monkeypatch.setenv("TEXUP_CONFIG", str(path))
    path.write_text("", encoding="utf-8")
    return path


@pytest.fixture
def asked(texup, monkeypatch):
    """Runs ``texup upscale`` with a command that only returns its options."""
    found = {}

    @click.command(cls=Sectioned)
    @processing_options
    @settings.setting("--copy-other", is_flag=True)
    @click.option("--quiet", is_flag=True)
    def upscale(options):
        found["options"] = options

    monkeypatch.setattr("texup.cli.main.LazyGroup.get_command", lambda *_: upscale)

    def ask(*words, before=()):
        result = texup(*before, "upscale", *words)
        return result, found.pop("options", None)

    return ask


def test_command_line_goes_before_environment_before_file(asked, config, monkeypatch):
    assert asked()[1].scale is None
    config.write_text("scale = 2\n", encoding="utf-8")
    assert asked()[1].scale == 2
    monkeypatch.setenv("TEXUP_SCALE", "3")
    assert asked()[1].scale == 3
    assert asked("--scale", "5")[1].scale == 5


def test_every_kind_of_value_is_read_as_if_it_were_typed(asked, config):
    config.write_text(
        'scale = 2\ngrain = 0.5\nkey = "ff00ff"\nedges = "wrap,clamp"\ncolor_fix = false\ncopy_other = true\n'
        'model = ["a", "b"]\ntile = "auto"\nformat = "dolphin"\ndevice = "cpu"\n',
        encoding="utf-8",
    )
    _, options = asked()
    assert (options.scale, options.grain, options.key) == (2, 0.5, (255, 0, 255))
    assert (options.edges, options.color_fix, options.copy_other) == (("clamp", "wrap"), False, True)
    assert (options.models, options.tile, options.convention, options.device) == (("a", "b"), None, "dolphin", "cpu")


def test_the_environment_holds_flags_and_lists(asked, monkeypatch):
    monkeypatch.setenv("TEXUP_MODEL", os.pathsep.join(["a net.pth", "b.pth"]))
    monkeypatch.setenv("TEXUP_COLOR_FIX", "0")
    monkeypatch.setenv("TEXUP_COPY_OTHER", "1")
    monkeypatch.setenv("TEXUP_SCALE", "")
    _, options = asked()
    assert (options.models, options.color_fix, options.copy_other) == (("a net.pth", "b.pth"), False, True)
    assert options.scale is None


def test_a_run_says_which_defaults_are_not_texups_own(asked, config, monkeypatch):
    config.write_text("scale = 2\njobs = 3\n", encoding="utf-8")
    monkeypatch.setenv("TEXUP_DEVICE", "cpu")
    told = ["default: --device cpu (TEXUP_DEVICE)", f"default: --jobs 3 ({config}: jobs)"]
    assert sorted(asked("--scale", "4")[0].err.splitlines()) == told
    assert asked("--quiet")[0].err == ""


def test_no_config_takes_none(asked, config, monkeypatch):
    config.write_text("scale = 2\n", encoding="utf-8")
    monkeypatch.setenv("TEXUP_JOBS", "3")
    result, options = asked(before=["--no-config"])
    assert (options.scale, options.jobs, result.err) == (None, None, "")


@pytest.mark.parametrize(
    ("typed", "models", "blend"),
    [((), ("a",), None), (("--blend", "0.5"), (), 0.5), (("--model", "b"), ("b",), None)],
)
def test_a_typed_blend_makes_a_default_model_void(asked, config, typed, models, blend):
    config.write_text('model = "a"\n', encoding="utf-8")
    result, options = asked(*typed)
    assert (options.models, options.blend) == (models, blend)
    assert ("default: --model" in result.err) is (typed == ())


def test_a_default_blend_is_void_beside_a_typed_model(asked, monkeypatch):
    monkeypatch.setenv("TEXUP_BLEND", "0.5")
    assert asked("--model", "b")[1].blend is None
    assert asked()[1].blend == 0.5


WRONG = {
    "scal = 2": "unknown key scal; did you mean 'scale'?",
    "force = true": "unknown key force; use one of scale, model, ",
    "scale = true": "scale: true is not allowed; write a text or a number",
    "scale = [1, 2]": "scale: [1, 2] is not allowed; write a text or a number",
    "copy_other = 1": "copy_other: 1 is not allowed; write true or false",
    'alpha = "binar"': "alpha: 'binar' is unknown; did you mean 'binary'?",
    "jobs = 99": "jobs: 99 is not in the range",
    "model = [1, {}]": "model: [1, {}] is not allowed",
    "a = [": "no valid TOML",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_file_that_makes_no_sense_is_one_line_that_names_it(asked, config, text):
    config.write_text(text, encoding="utf-8")
    result, options = asked()
    assert (result.code, options) == (2, None)
    assert len(result.err.splitlines()) == len(result.errors) == 1
    assert result.errors[0].startswith(f"texup: error: {config}: {WRONG[text]}")


def test_a_variable_that_makes_no_sense_is_named(asked, monkeypatch):
    monkeypatch.setenv("TEXUP_SCALE", "big")
    assert asked()[0].errors == ["texup: error: TEXUP_SCALE: 'big' is not a valid integer (texup upscale --help)"]


def test_a_variable_that_is_none_is_told(asked, monkeypatch):
    monkeypatch.setenv("TEXUP_DEVCE", "cpu")
    assert asked()[0].err == "warning: TEXUP_DEVCE: texup knows no such variable; did you mean TEXUP_DEVICE?\n"


def test_the_help_and_completion_need_no_file(texup, config):
    config.write_text("a = [", encoding="utf-8")
    assert texup("upscale", "--help").code == 0


def test_the_table_of_keys_is_that_of_the_options_and_of_the_document():
    options = [param for command in all_commands().values() for param in command.params]
    assert {param.key for param in options if isinstance(param, settings.Setting)} == set(settings.KEYS)
    rows = re.findall(r"^\| `(\w+)` \| `(TEXUP_\w+)` \|", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert rows == [(key, f"TEXUP_{key.upper()}") for key in settings.KEYS]
    assert all(isinstance(command, Sectioned) for command in all_commands().values() if has_setting(command))


def has_setting(command: click.Command) -> bool:
    return any(isinstance(param, settings.Setting) for param in command.params)
