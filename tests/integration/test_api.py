"""texup from Python: the same bytes as the command line, in any thread, and nothing printed."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import texup as api
from texup.api import kept
from texup.errors import LockedError, PackError, UsageError, WeightsError
from texup.locks import output_lock

ROOT = Path(__file__).parents[2]
MANIFEST = "texup-manifest.jsonl"
CPU = {"device": "cpu"}


pytestmark = pytest.mark.usefixtures("kept_decoders")


@pytest.fixture
def pack(tmp_path, catalog, wall, disc) -> Path:
    """A pack of four textures, one of them damaged, and a file that is no texture."""
    kept._run_for.cache_clear()
    folder = tmp_path / "pack"
    (folder / "sub").mkdir(parents=True)
    Image.fromarray(wall(16, 24)).save(folder / "wall.png")
    Image.fromarray(wall(16, 24)).save(folder / "sub" / "again.png")
    leaf = np.concatenate((wall(24, 24), (255 * disc(24, 24, radius=9)[..., None]).astype(np.uint8)), axis=2)
    Image.fromarray(leaf).save(folder / "sub" / "leaf.tga")
    (folder / "broken.png").write_bytes((folder / "wall.png").read_bytes()[:200])
    (folder / "notes.txt").write_text("no texture")
    yield folder
    kept._run_for.cache_clear()


def hashes(out: Path) -> dict[str, str]:
    files = [path for path in out.rglob("*") if path.is_file() and path.name != MANIFEST]
    return {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_pack_is_that_of_the_command_line(texup, pack, tmp_path, capsys):
    steps: list[tuple[int, int, str]] = []
    summary = api.upscale(str(pack), tmp_path / "api", scale=2, progress=lambda *step: steps.append(step), **CPU)
    assert capsys.readouterr() == ("", "")
    printed = texup("upscale", pack, "-o", tmp_path / "cli", "--scale", 2, "--json", "--device", "cpu")
    assert hashes(tmp_path / "api") == hashes(tmp_path / "cli") != {}
    mine, theirs = summary.as_json(), printed.json
    for values in (mine, theirs):
        for name in ("output", "seconds"):
            del values[name]
    theirs.pop("schema", None)
    assert list(mine) == list(theirs)
    assert _listed(mine) == theirs
    assert (summary.is_sound, summary.output, summary.archive) == (False, tmp_path / "api", None)
    assert [failure.path for failure in summary.failures] == ["broken.png"]
    assert sorted(path for _, _, path in steps) == sorted(
        path.relative_to(pack).as_posix() for path in pack.rglob("*") if path.is_file()
    )
    assert [step[:2] for step in steps] == [(k, 5) for k in range(1, 6)]


def _listed(value):
    if isinstance(value, dict):
        return {key: _listed(each) for key, each in value.items()}
    return [_listed(each) for each in value] if isinstance(value, list | tuple) else value


def test_a_second_call_goes_on(pack, tmp_path):
    (pack / "broken.png").unlink()
    first = api.upscale(pack, **CPU)
    assert (first.is_sound, dict(first.counts)) == (True, {"upscaled": 3, "skipped": 1})
    assert first.output == tmp_path / "pack_x4"
    assert dict(api.upscale(pack, **CPU).counts) == {"unchanged": 4}


def test_a_file_and_an_archive(pack, tmp_path):
    assert api.upscale(pack / "wall.png", **CPU).output == pack / "wall_x4.png"
    with Image.open(pack / "wall_x4.png") as result:
        assert result.size == (96, 64)
    (pack / "wall_x4.png").unlink()
    shutil.make_archive(str(tmp_path / "zipped"), "zip", pack)
    summary = api.upscale(tmp_path / "zipped.zip", **CPU)
    assert summary.archive == tmp_path / "zipped_x4.zip"
    assert summary.archive.is_file()


def test_what_progress_raises_ends_the_run_and_frees_the_output(pack, tmp_path):
    def stop(done: int, total: int, path: str) -> None:
        raise KeyError(path)

    with pytest.raises(KeyError):
        api.upscale(pack, tmp_path / "out", progress=stop, **CPU)
    with output_lock(tmp_path / "out"):
        pass
    summary = api.upscale(pack, tmp_path / "out", **CPU)
    assert sum(summary.counts.values()) == 5


def test_errors_are_exceptions_of_texup(pack, tmp_path, capfd):
    with pytest.raises(UsageError, match=r"nowhere: no such file or folder"):
        api.upscale(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="no model texup-x9"):
        api.upscale(pack, model="texup-x9")
    (tmp_path / "damaged.pth").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(WeightsError, match=r"damaged\.pth"):
        api.load_model(tmp_path / "damaged.pth")
    with pytest.raises(PackError, match="the input"):
        api.upscale(pack, pack, **CPU)
    (tmp_path / "out").mkdir()
    with output_lock(tmp_path / "out"), pytest.raises(LockedError):
        api.upscale(pack, tmp_path / "out", **CPU)
    with pytest.raises(UsageError, match="pack must be a path"):
        api.upscale(3)  # type: ignore[arg-type]
    assert capfd.readouterr() == ("", "")


def test_defaults_of_the_command_line_are_not_read(pack, tmp_path, monkeypatch):
    """What a script does shall not depend on whose machine it runs on."""
    (tmp_path / "config.toml").write_text("no TOML [")
    monkeypatch.setenv("TEXUP_CONFIG", str(tmp_path / "config.toml"))
    for name, value in {"SCALE": "2", "MODEL": "nowhere.pth", "METHOD": "nearest", "GATE": "best"}.items():
        monkeypatch.setenv(f"TEXUP_{name}", value)
    assert api.inspect(pack, **CPU).scale == 4
    assert api.upscale(pack, model="tiny-psnr", method="net", **CPU).models[0].name == "tiny-psnr"
    assert api.upscale_array(np.zeros((4, 4, 3), np.uint8), model="tiny-psnr", **CPU).shape == (16, 16, 3)


def test_an_inspection_is_that_of_the_command_line(texup, pack, monkeypatch):
    monkeypatch.setattr("texup.calls.inspection.PROBE_SECONDS", 0.01)
    found = api.inspect(pack, scale=2, **CPU)
    theirs = texup("inspect", pack, "--scale", 2, "--json", "--device", "cpu").json
    theirs.pop("schema", None)
    assert found.estimate is None
    assert theirs.pop("estimate") is not None
    mine = found.as_json()
    assert mine.pop("estimate") is None
    assert _listed(mine) == theirs
    assert found.counts["actions"] == {"refuse": 1, "skip": 1, "twin": 1, "upscale": 2}
    assert api.inspect(pack, estimate=True, **CPU).estimate.device == "cpu"
    assert not (pack.parent / "pack_x2").exists()


def test_in_threads_and_twice_at_once(pack, tmp_path):
    """No signal is taken over, nothing is left behind, and two runs at once do not disturb each other."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    threads, found = torch.get_num_threads(), {}
    torch.set_num_threads(2)

    def work(name: str) -> None:
        found[name] = api.upscale(pack, tmp_path / name, **CPU).counts

    try:
        workers = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert found["a"] == found["b"] == {"upscaled": 3, "failed": 1, "skipped": 1}
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")
    assert {number: signal.getsignal(number) for number in before} == before
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("texup")]


def test_a_script_without_a_guard_runs_once(wall, tmp_path):
    """The processes that decode import neither the script nor what lies beside it."""
    (tmp_path / "pack").mkdir()
    for k in range(2):
        Image.fromarray(wall(8, 8, seed=k)).save(tmp_path / "pack" / f"{k}.png")
    script = tmp_path / "script.py"
    script.write_text(
        "print('begun')\nimport texup\n"
        "print(texup.upscale('pack', 'out', method='nearest', device='cpu').counts['upscaled'])\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout.split(), result.stderr) == (0, ["begun", "2"], "")


def test_a_summary_has_the_fields_that_it_prints():
    assert [field.name for field in fields(api.Summary)][:3] == ["output", "format", "scale"]
