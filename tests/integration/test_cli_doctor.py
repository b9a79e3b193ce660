"""``texup doctor``: what is here, also where something is broken."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement

from texup import __version__
from texup.cli.usage import examining

ROOT = Path(__file__).parents[2]


@pytest.fixture
def examined(texup, catalog):
    """Runs the command without measuring, with tiny nets in the catalog."""
    return lambda *words: texup("doctor", "--seconds", "0", *words)


FLAGS = {"avx512_bf16": "shipped nets run in bf16, others in fp32", "avx512_f": "nets run in fp32"}


@pytest.mark.parametrize("flag", FLAGS)
def test_it_says_what_is_here(texup, catalog, monkeypatch, flag):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {flag: True})
    result = texup("doctor", "--seconds", "0.01")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].startswith(f"texup {__version__}, Python 3.")
    assert "torch " in lines[1]
    assert any(
        line.startswith("cpu: ") and f"{flag}, " in line and line.endswith(f"GiB of memory to use, {FLAGS[flag]}")
        for line in lines
    )
    assert any(
        line.startswith("speed: ") and "texels a second with tiny-gan (x4) on cpu in fp32" in line for line in lines
    )
    assert "shipped models: 2 of 2 are as the catalog says" in lines
    assert lines[-1] == "texup can work here"


def test_json_has_all_of_it(texup, catalog):
    facts = texup("doctor", "--seconds", "0.01", "--json").json
    assert facts["versions"]["texup"] == __version__
    assert facts["devices"][-1]["name"] == "cpu"
    assert facts["devices"][-1]["cores"] >= 1
    assert facts["speed"]["texels_per_second"] > 0
    assert facts["weights"] == {"tiny-psnr": "ok", "tiny-gan": "ok"}
    assert [folder["what"] for folder in facts["folders"]] == ["your file", "your models", "cache"]
    assert all(folder["writable"] for folder in facts["folders"][1:])
    assert facts["problems"] == []


def test_every_extra_of_the_package_is_named_with_what_it_is_for(examined, monkeypatch):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    named = {extra.package: extra for extra in examining.EXTRAS}
    for name in set(extras) - {"dev"}:
        assert {Requirement(line).name for line in extras[name]} <= set(named)
    monkeypatch.setattr(examining, "version", lambda package: "1" if package in examining.NEEDED else absent(package))
    lines = examined().out.splitlines()
    for extra in named.values():
        assert f"for {extra.use}: {extra.package} missing: {extra.install}" in lines


def absent(package):
    raise examining.PackageNotFoundError(package)


def test_defaults_of_the_users_own_are_shown(examined, monkeypatch, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('scale = 2\nmodels_folder = "nets"\n', encoding="utf-8")
    monkeypatch.setenv("TEXUP_CONFIG", str(path))
    monkeypatch.setenv("TEXUP_DEVICE", "cpu")
    monkeypatch.delenv("TEXUP_MODELS")
    lines = examined().out.splitlines()
    assert f"your file: {path} (there)" in lines
    assert f"your models: {tmp_path / 'nets'} (not there)" in lines
    assert {"default: TEXUP_DEVICE = cpu", f"default: {path}: scale = 2"} <= set(lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("scal = 2", "unknown key scal; did you mean 'scale'?"),
        ("jobs = 99", "jobs: 99 is not in the range 1<=x<=64 (texup upscale --help)"),
        ("a = [", "no valid TOML"),
        ("models_folder = 2", "models_folder is no path"),
    ],
)
def test_a_broken_file_of_the_user_is_told_after_all_the_rest(examined, monkeypatch, tmp_path, text, told):
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("TEXUP_CONFIG", str(path))
    monkeypatch.delenv("TEXUP_MODELS")
    result = examined()
    assert result.code == 2
    (line,) = result.errors
    assert line.startswith(f"texup: error: {path}: {told}")
    assert "shipped models: 2 of 2" in result.out


def test_damaged_weights_are_told(examined, monkeypatch):
    monkeypatch.setattr("texup.files.sha256_of", lambda _: "0" * 64)
    result = examined()
    assert result.code == 4
    assert "shipped models: 0 of 2 are as the catalog says" in result.out
    assert (
        "texup: error: tiny-psnr: MISMATCH: not the file that the catalog names; install texup again" in result.errors
    )


def test_a_device_that_is_not_there_is_told(texup, catalog):
    result = texup("doctor", "--device", "cuda", "--seconds", "0.01")
    assert result.code == 2
    assert "'cuda' is not available" in result.errors[0]


def test_it_runs_where_torch_is_missing():
    code = "import sys; sys.modules['torch'] = None; sys.argv[1:] = ['doctor']; from texup.cli.main import run; run()"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr.splitlines() == ["texup: error: torch is not installed; install texup again"]
    assert "shipped models: 6 of 6 are as the catalog says" in result.stdout


def test_it_runs_where_a_library_is_broken(examined, monkeypatch):
    def broken():
        raise OSError("libtorch_cpu.so: cannot open shared object file")

    monkeypatch.setattr(examining, "devices", broken)
    result = examined()
    assert result.code == 1
    assert result.errors == ["texup: error: devices: OSError: libtorch_cpu.so: cannot open shared object file"]
