"""What texup runs on: no version with a known hole, and every file of it known by its hash."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"
# Below them: weights_only can be broken out of (CVE-2025-32434, CVE-2026-24747), and known holes in decoders.
FLOORS = {"torch": "2.10", "pillow": "13.0"}


def locked() -> dict[str, tuple[str, list[str]]]:
    """Return version and hashes of each package in the lock."""
    lines = re.sub(r"\\\n", "", "\n".join(x for x in LOCK.read_text().splitlines() if not x.startswith("#")))
    found = {}
    for line in filter(None, lines.splitlines()):
        text, *hashes = re.split(r"\s+--hash=sha256:", line.strip())
        requirement = Requirement(text)
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        found[requirement.name] = (pin.version, hashes)
    return found


@pytest.mark.parametrize("place", ["pyproject", "metadata"])
def test_p26_versions_with_known_holes_are_excluded(place):
    lines = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    needed = {r.name: r for r in map(Requirement, lines if place == "pyproject" else requires("texup") or [])}
    for name, floor in FLOORS.items():
        assert needed[name].specifier.contains(floor)
        for older in (f"{Version(floor).major}.{Version(floor).minor - 1}.99", f"{floor}rc1", "1.0"):
            assert not needed[name].specifier.contains(older, prereleases=True)


def test_p26_the_lock_has_a_hash_for_everything_and_no_cuda():
    lock = locked()
    assert len(lock) > 15
    assert all(hashes and all(re.fullmatch("[0-9a-f]{64}", h) for h in hashes) for _, hashes in lock.values())
    assert not [name for name in lock if name.startswith(("nvidia", "cuda", "triton"))]
    assert lock["torch"][0].endswith("+cpu")
    assert len(lock["torch"][1]) == 1
    lines = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    for requirement in map(Requirement, lines):
        assert requirement.specifier.contains(lock[requirement.name][0])


def test_p26_the_lock_pins_what_the_tests_were_green_with():
    pins = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if line[0] != "#"]
    versions = {name: version.partition("+")[0] for name, (version, _) in locked().items()}
    assert {pin.name: str(pin.specifier) for pin in pins} == {pin.name: f"=={versions[pin.name]}" for pin in pins}


def test_p26_ci_installs_by_hash_and_builds_nothing():
    assert "install -q --require-hashes --only-binary :all: -r requirements.lock" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.slow
def test_p26_the_lock_installs_by_hash_in_a_new_environment(tmp_path):
    """Needs the packages' wheels, on the machine or from the network."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    options = ["--require-hashes", "--only-binary", ":all:", "-q", "-r"]
    subprocess.run([python, "-m", "pip", "install", *options, LOCK], check=True)
    code = f"import sys; sys.path.append({str(ROOT)!r}); import texup.models.loading, texup.cli.upscale, rich"
    subprocess.run([python, "-W", "ignore", "-c", code], check=True, cwd=tmp_path)
    bad = tmp_path / "bad.lock"
    bad.write_text(
        re.sub(r"(click==\S+).*?(?=\nfilelock)", rf"\1 --hash=sha256:{'0' * 64}", LOCK.read_text(), flags=re.S)
    )
    done = subprocess.run(
        [python, "-m", "pip", "install", "--force-reinstall", *options, bad], check=False, capture_output=True
    )
    assert done.returncode != 0
    assert b"DO NOT MATCH THE HASHES" in done.stderr
