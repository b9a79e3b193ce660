"""``texup completion``: shells complete commands, options and values, by the protocol and in real shells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from texup.cli.usage.completion import SHELLS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def models(tmp_path, monkeypatch):
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "4x_foo.pth").write_bytes(b"x")
    monkeypatch.setenv("TEXUP_MODELS", str(folder))
    return folder


@pytest.fixture
def offered(texup, monkeypatch):
    """Asks what a shell is offered for the last of some words, as its script does."""

    def ask(line, shell="bash"):
        words = line.split(" ")
        monkeypatch.setenv("_TEXUP_COMPLETE", f"{shell}_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", words[-1] if shell == "fish" else str(len(words) - 1))
        result = texup()
        assert (result.code, result.err) == (0, "")
        return result.out.splitlines()

    return ask


VALUES = {
    "texup up": {"upscale"},
    "texup models ": {"list", "add", "show", "convert", "bench"},
    "texup upscale --mo": {"--model"},
    "texup upscale --model texup-x4-ps": {"texup-x4-psnr"},
    "texup upscale --model 4": {"4x_foo"},
    "texup upscale --model=4": {"4x_foo"},
    "texup compare x --model 4": {"4x_foo"},
    "texup models show 4": {"4x_foo"},
    "texup evaluate 4": {"4x_foo"},
    "texup interpolate 4": {"4x_foo"},
    "texup finetune 4": {"4x_foo"},
    "texup train x --init 4": {"4x_foo"},
    "texup train compact48-p": {"compact48-psnr", "compact48-psnr-more"},
    "texup finetune x --recipe finetune-": {"finetune-gan"},
    "texup upscale x --format du": {"duckstation"},
    "texup check x --format g": {"gliden64", "gzdoom"},
    "texup upscale --device c": {"cpu", "cuda"},
    "texup upscale --device a": {"auto", "all"},
    "texup upscale --alpha ": {"auto", "opacity", "binary", "smooth", "data", "copy"},
    "texup upscale --edges w": {"wrap"},
    "texup upscale --key n": {"none"},
    "texup upscale --tile a": {"auto"},
    "texup compare x --method sm": {"smooth"},
    "texup completion p": {"powershell"},
}


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("line", VALUES)
def test_values_are_offered(offered, line):
    lines = offered(line)
    assert {value for kind, _, value in (line.partition(",") for line in lines) if kind == "plain"} == VALUES[line]


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    "line", ["texup upscale --model ./my", "texup upscale --rules r", "texup train ./my", "texup upscale my"]
)
def test_files_are_offered_where_no_word_fits(offered, line):
    assert offered(line) == [f"file,{line.split()[-1]}"]


def test_a_broken_file_of_the_user_does_not_disturb_typing(offered, monkeypatch, tmp_path):
    (tmp_path / "config.toml").write_text("a = [", encoding="utf-8")
    monkeypatch.setenv("TEXUP_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.delenv("TEXUP_MODELS")
    assert offered("texup upscale --mo") == ["plain,--model"]
    assert offered("texup upscale --model te") == ["file,te"]


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_a_script_and_its_answers(texup, offered, shell):
    script = texup("completion", shell)
    assert (script.code, script.err) == (0, "")
    assert f"{shell}_complete" in script.out
    assert "_TEXUP_COMPLETE" in script.out
    assert any("4x_foo" in line for line in offered("texup upscale --model 4", shell))


def test_completion_imports_neither_torch_nor_numpy():
    code = (
        "import sys, texup.cli.main as m\n"
        "try: m.main.main(standalone_mode=False, complete_var='_TEXUP_COMPLETE')\n"
        "except SystemExit: sys.exit(' '.join({'torch', 'numpy'} & set(sys.modules)) or 0)"
    )
    asked = {"_TEXUP_COMPLETE": "bash_complete", "COMP_WORDS": "texup upscale --model ", "COMP_CWORD": "3"}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "texup-x4-psnr" in result.stdout


IN_SHELLS = {
    "bash": (
        "source {script}; COMP_WORDS=(texup upscale --model 4); COMP_CWORD=3;"
        ' compopt() {{ :; }}; _texup_completion texup; echo "${{COMPREPLY[@]}}"'
    ),
    # zsh completes only in its editor: here its script must load.
    "zsh": "autoload -U compinit; compinit -D; source {script}; (( $+functions[_texup_completion] )) && echo 4x_foo",
    "fish": "source {script}; complete -C 'texup upscale --model 4'",
    "pwsh": (
        ". {script}; $line = 'texup upscale --model 4';"
        " (TabExpansion2 $line $line.Length).CompletionMatches.CompletionText"
    ),
}


@pytest.mark.usefixtures("models")
@pytest.mark.skipif(os.name == "nt", reason="the program is a script of sh here")
@pytest.mark.parametrize("shell", IN_SHELLS)
def test_a_real_shell_completes_a_model(texup, tmp_path, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    suffix = ".ps1" if shell == "pwsh" else ""
    script, program = tmp_path / f"script{suffix}", tmp_path / "bin" / "texup"
    script.write_text(texup("completion", shell.replace("pwsh", "powershell")).out, encoding="utf-8")
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m texup "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    env = os.environ | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    line = IN_SHELLS[shell].format(script=script)
    result = subprocess.run(
        [shell, "-c", line], cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.stdout.strip() == "4x_foo", result.stderr
