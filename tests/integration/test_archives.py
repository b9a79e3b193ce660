"""Archives in and out: what is good is packed, and nothing passes for what it is not."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.usefixtures("catalog")

BAD = b"\x89PNG\r\n\x1a\n"
OLD = b"an older archive"


def pictured(seed: int) -> bytes:
    picture = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8))
    picture.save(data := io.BytesIO(), "png")
    return data.getvalue()


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def names_of(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_a_bad_member_costs_itself_only(texup, tmp_path):
    source = zipped(tmp_path / "pack.zip", {"a.png": pictured(1), "bad.png": BAD, "c.png": pictured(2)})
    made = tmp_path / "pack_x4.zip"
    result = texup("upscale", source, "--json")
    assert (result.code, result.json["archive"]) == (3, str(made))
    assert names_of(made) == {"a.png", "c.png"}
    assert f"; written to {made} from the folder {tmp_path / 'pack_x4'}, " in result.err
    zipped(source, {"a.png": pictured(3), "bad.png": BAD})
    assert texup("upscale", source).code == 3
    assert names_of(made) == {"a.png"}, "an older one never passes for new"


@pytest.mark.parametrize("is_folder", [False, True])
def test_what_is_all_bad_makes_no_archive_and_names_none_as_written(texup, tmp_path, is_folder):
    source, made = tmp_path / "pack.zip", tmp_path / "out.zip"
    if is_folder:
        source = tmp_path / "pack"
        source.mkdir()
        (source / "bad.png").write_bytes(BAD)
    else:
        zipped(source, {"bad.png": BAD, "notes.txt": b"x"})
    for _ in range(2):
        result = texup("upscale", source, "-o", made, "--json")
        assert (result.code, result.json["archive"], made.exists()) == (3, None, False)
        assert result.err.splitlines()[-1].endswith(f"; nothing written; {made} is not made yet")


@pytest.mark.parametrize("command", ["upscale", "inspect", "compare"])
@pytest.mark.parametrize(("rules", "file"), [("[[rule", "texup.toml"), ('[[rule]]\nmodel = "own.pth"', "own.pth")])
def test_what_is_wrong_with_a_member_names_the_archive_and_not_its_copy(texup, tmp_path, command, rules, file):
    source = zipped(tmp_path / "pack.zip", {"a.png": pictured(1), "texup.toml": rules.encode()})
    result = texup(command, source)
    assert (result.code, len(result.errors)) == (2, 1)
    assert f"{source}/{file}" in result.err
    assert "texup-" not in result.err


def test_an_archive_of_an_earlier_run_is_called_so_where_no_new_one_is_made(texup, tmp_path):
    source, made = zipped(tmp_path / "pack.zip", {"a.png": pictured(1)}), tmp_path / "pack_x4.zip"
    assert texup("upscale", source).code == 0
    before = made.read_bytes()
    zipped(source, {"a.png": BAD, "b.png": pictured(2)})
    result = texup("upscale", source, "--fail-fast", "--jobs", "1", "--json")
    assert (result.code, result.json["archive"]) == (3, None)
    assert result.err.splitlines()[-1].endswith(f"; {made} is still of an earlier run")
    assert made.read_bytes() == before


def test_an_archive_that_no_run_wrote_is_not_replaced_unasked(texup, tmp_path):
    source, made = zipped(tmp_path / "pack.zip", {"a.png": pictured(1)}), tmp_path / "pack_x4.zip"
    made.write_bytes(OLD)
    result = texup("upscale", source)
    assert result.code == 2
    assert result.err == f"texup: error: {made}: exists already; give another place with --output, or --force\n"
    assert made.read_bytes() == OLD
    assert not (tmp_path / "pack_x4").exists()
    assert texup("upscale", source, "--force").code == 0
    assert names_of(made) == {"a.png"}


def test_inspect_names_the_archive_that_upscale_would_write(texup, tmp_path, monkeypatch):
    monkeypatch.setattr("texup.calls.inspection.PROBE_SECONDS", 0.01)
    source = zipped(tmp_path / "pack.zip", {"a.png": pictured(1)})
    assert f"{tmp_path / 'pack_x4.zip'}, 4 times as large" in texup("inspect", source).out
    assert texup("inspect", source, "--json").json["output"] == str(tmp_path / "pack_x4.zip")
    asked = texup("upscale", source, "-o", tmp_path / "hd.zip", "--dry-run")
    assert f"{tmp_path / 'hd.zip'}, 4 times as large" in asked.out
