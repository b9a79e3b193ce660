"""Whatever is wrong is told in one line with the code that owns it, and nothing is half-written."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from texup.models.weights import save_pickle

ROOT = Path(__file__).parents[2]
MANIFEST = "texup-manifest.jsonl"
UNGATED = ("--gate", "off")  # to the gate the noise of tiny nets looks wrong, which it says in a line more
AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0

pytestmark = pytest.mark.usefixtures("catalog")


@pytest.fixture
def pack(tmp_path, wall) -> Path:
    folder = tmp_path / "pack"
    (folder / "sub").mkdir(parents=True)
    for k, name in enumerate(("a.png", "b.tga", "sub/c.png")):
        Image.fromarray(wall(12, 16, seed=k)).save(folder / name)
    return folder


def state_of(folder: Path) -> dict[Path, bytes | None]:
    return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.fixture
def refused(texup, tmp_path):
    """Runs a command that must end with a code and one line, and leave everything as it was."""

    def check(code, said, *arguments, leaves=()):
        before = state_of(tmp_path)
        result = texup(*arguments)
        assert (result.code, result.out) == (code, "")
        assert result.err.startswith("texup: error: ")
        assert said in result.err
        assert result.err.count("\n") == 1
        assert "Traceback" not in result.err
        after = state_of(tmp_path)
        assert {p: data for p, data in after.items() if p.name not in leaves} == before

    return check


def test_input_that_is_not_there_or_has_nothing(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts" / "sub").mkdir(parents=True)
    (tmp_path / "texts" / "sub" / "a.txt").write_text("x")
    refused(2, "none: no such file or folder", "upscale", tmp_path / "none")
    refused(2, "xxx: no such file or folder", "upscale", tmp_path / ("x" * 300))
    refused(2, "empty: no texture in it; texup looks for .bmp, ", "upscale", tmp_path / "empty")
    refused(2, "texts: no texture in it", "upscale", tmp_path / "texts", "--copy-other")


def test_globs_that_choose_nothing(refused, pack):
    refused(2, "no texture selected by --include and --exclude", "upscale", pack, "--include", "*.jpg")
    refused(2, "no texture selected by --include and --exclude", "upscale", pack, "--exclude", "**")


def test_output_equal_to_inside_or_around_the_input(refused, pack, tmp_path):
    refused(2, "the output is the input itself", "upscale", pack, "-o", pack)
    refused(2, "the output is the input itself", "upscale", pack, "-o", pack / "sub" / "..")
    refused(2, "the output lies inside the input", "upscale", pack, "-o", pack / "sub" / "new")
    refused(2, "the output contains the input", "upscale", pack, "-o", tmp_path, "--force")
    (tmp_path / "way").symlink_to(pack)
    refused(2, "the output is the input itself", "upscale", pack, "-o", tmp_path / "way")
    refused(2, "the output is the input itself", "upscale", pack / "a.png", "-o", pack / "a.png", "--force")
    os.link(pack / "a.png", tmp_path / "hard.png")
    refused(2, "the output is the input itself", "upscale", pack / "a.png", "-o", tmp_path / "hard.png", "--force")


def test_output_among_files_of_others(refused, texup, pack, tmp_path):
    out = tmp_path / "out"
    (out / "deep").mkdir(parents=True)
    (out / "deep" / "mine.doc").write_text("mine")
    refused(2, "holds files but no manifest of texup (deep/mine.doc)", "upscale", pack, "-o", out)
    (out / MANIFEST).write_text("my own notes\n")
    refused(2, "not a manifest of texup", "upscale", pack, "-o", out)
    (out / MANIFEST).write_text(json.dumps({"format": "texup-manifest", "schema": 99}) + "\n")
    refused(2, "written by a newer texup", "upscale", pack, "-o", out)
    (out / MANIFEST).unlink()
    refused(2, "holds files but no manifest of texup (deep/mine.doc)", "upscale", pack, "-o", out, "--force")
    assert texup("upscale", pack, "-o", out, "--keep-existing").code == 0
    assert (out / "deep" / "mine.doc").read_text() == "mine"


def test_an_empty_folder_may_be_the_output(texup, pack, tmp_path):
    (tmp_path / "out").mkdir()
    assert texup("upscale", pack, "-o", tmp_path / "out").code == 0


ONE_ELSEWHERE = {
    ("A.PNG", "a.png"): "'A.PNG' and 'a.png'",
    ("X/b.png", "x/a.png"): "'X' and 'x'",
    ("sub/wall.PNG/a.png", "sub/wall.png"): "'sub/wall.png' and 'sub/wall.PNG'",
    ("e\u0301.png", "\u00e9.png"): "'e\u0301.png' and '\u00e9.png'",
    ("SS.png", "ß.png"): "'SS.png' and 'ß.png'",
}


@pytest.mark.parametrize("names", ONE_ELSEWHERE)
def test_names_that_are_one_elsewhere(refused, tmp_path, wall, names):
    for name in names:
        path = tmp_path / "pack" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(wall(8, 8)).save(path)
    refused(2, f"{ONE_ELSEWHERE[names]} are one name on Windows and macOS", "upscale", tmp_path / "pack")


def test_names_that_are_one_elsewhere_matter_only_for_what_is_read(texup, refused, pack, tmp_path):
    for name in ("notes.txt", "Notes.txt", "x/b.doc", "X/c.doc"):
        (pack / name).parent.mkdir(exist_ok=True)
        (pack / name).write_bytes(b"x")
    assert texup("upscale", pack, "-o", tmp_path / "out").code == 0
    assert texup("upscale", pack, "-o", tmp_path / "some", "--include", "*.png").code == 0
    refused(2, "are one name on Windows and macOS", "upscale", pack, "-o", tmp_path / "all", "--copy-other")


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_what_systems_leave_in_any_folder_neither_fails_nor_travels(texup, pack, tmp_path, kind):
    apple = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "
    for name in ("._a.png", "__MACOSX/._a.png", ".DS_Store", "Thumbs.db", ".git/objects/x.png"):
        (pack / name).parent.mkdir(parents=True, exist_ok=True)
        (pack / name).write_bytes(apple)
    textures = {path.relative_to(pack).as_posix() for path in pack.rglob("[!.]*.png")} - {".git/objects/x.png"}
    source = pack if kind == "folder" else shutil.make_archive(str(tmp_path / "zipped"), "zip", pack)
    result = texup("upscale", source, "-o", tmp_path / "out", "--copy-other", "--json")
    assert (result.code, result.json["failures"]) == (0, [])
    assert {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")} == textures
    assert not any((tmp_path / "out" / name).exists() for name in ("__MACOSX", ".git", "Thumbs.db", ".DS_Store"))


def bomb(width, height) -> bytes:
    """Return a small PNG of 1 bit a pixel whose header promises a large picture."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes(height * (1 + (width + 7) // 8)), 9)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_bomb_is_refused_from_its_header(texup, pack, tmp_path):
    (pack / "bomb.png").write_bytes(bomb(60000, 4000)[:33] + bytes(1 << 20))
    (pack / "honest.png").write_bytes(bomb(10000, 4000))
    result = texup("upscale", pack, "-o", tmp_path / "out", *UNGATED)
    assert result.code == 3
    assert sorted(result.err.splitlines()[:-1]) == [
        "failed: bomb.png: 60000 x 4000 is more than the limit of 16777216 pixels",
        "failed: honest.png: 10000 x 4000 is more than the limit of 16777216 pixels",
    ]
    assert {p.name for p in (tmp_path / "out").rglob("*.*")} == {"a.png", "b.tga", "c.png", MANIFEST}


def test_the_limit_counts_pixels_of_the_result(texup, tmp_path):
    (tmp_path / "wide.png").write_bytes(bomb(5000, 4000))
    result = texup("upscale", tmp_path / "wide.png")
    assert result.code == 3
    assert "5000 x 4000 is more than the limit of 16777216 pixels" in result.err
    result = texup("upscale", tmp_path / "wide.png", "--scale", "16")
    assert "limit of 1048576 pixels" in result.err


def png_of(width, height):
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + b"IHDR"
        + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
        + bytes(40)
    )


@pytest.mark.parametrize("size", [(60000, 60000), (2**31 - 1, 2**31 - 1), (0, 5)])
def test_impossible_sizes_are_refused(texup, tmp_path, size):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "huge.png").write_bytes(png_of(*size))
    result = texup("upscale", tmp_path / "p")
    assert result.code == 3
    assert result.err.splitlines()[0].startswith("failed: huge.png: ")
    assert len(result.err.splitlines()) == 2


SPOILED = {
    "empty.png": (b"", "the file is empty"),
    "text.png": (b"hello world, this is no picture", "the content is no picture"),
    "cut.png": (None, "damaged PNG"),
    "jpeg.png": ("JPEG", "wrong extension, the content is JPEG"),
    "gif.png": ("GIF", "wrong extension, the content is GIF"),
    "png.jpg": ("PNG", "wrong extension, the content is PNG"),
    "zip.tga": (b"PK\x03\x04" + bytes(90), "the content is zip"),
    "lfs.dds": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    "noise.bmp": (b"BM" + bytes(range(200)), "damaged BMP"),
}


def test_bad_files_fail_alone_and_by_name(texup, pack, tmp_path):
    picture = Image.open(pack / "a.png")
    with picture:
        picture.load()
    for name, (content, _) in SPOILED.items():
        if isinstance(content, str):
            picture.save(pack / name, content)
        else:
            (pack / name).write_bytes((pack / "a.png").read_bytes()[:-60] if content is None else content)
    result = texup("upscale", pack, "-o", tmp_path / "out", "--json", *UNGATED)
    assert result.code == 3
    failures = {f["path"]: f["reason"] for f in result.json["failures"]}
    assert failures.keys() == SPOILED.keys()
    for name, (_, reason) in SPOILED.items():
        assert reason in failures[name]
        assert f"failed: {name}: " in result.err
    assert len(result.err.splitlines()) == len(SPOILED) + 1
    assert result.json["counts"] == {"upscaled": 3, "failed": len(SPOILED)}


@pytest.mark.parametrize("name", SPOILED)
def test_one_bad_file_alone(texup, tmp_path, pack, name):
    path, content = tmp_path / name, SPOILED[name][0]
    with Image.open(pack / "a.png") as picture:
        picture.save(path, content if isinstance(content, str) else "PNG")
    if not isinstance(content, str):
        path.write_bytes(path.read_bytes()[:-60] if content is None else content)
    result = texup("upscale", path, "-o", tmp_path / "out" / name)
    assert result.code == 3
    assert result.err.splitlines()[0].startswith(f"failed: {name}: ")
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_file(refused, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    refused(2, "pipe.png: neither a file nor a folder", "upscale", tmp_path / "pipe.png")
    refused(2, "pipe.png: neither a file nor a folder", "inspect", tmp_path / "pipe.png")


def test_models_that_are_unknown(refused, pack, tmp_path):
    refused(2, "no model best-x8: name one of tiny-psnr, tiny-gan, or the path", "upscale", pack, "--model", "best-x8")
    refused(2, "no model no/where.pth", "upscale", pack, "--model", "no/where.pth")
    refused(2, "no model tiny", "upscale", pack, "--model", "tiny-psnr", "--model", "tiny")
    refused(2, "leave out --model", "upscale", pack, "--model", "tiny-psnr", "--blend", "0.5")


class Payload:
    def __reduce__(self):
        return os.mkdir, ("broken_into",)


def test_weights_that_are_refused(refused, pack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    places = {name: tmp_path / f"{name}.pth" for name in ("noise", "stranger", "evil", "nan", "gone")}
    places["noise"].write_bytes(b"\0" * 100)
    save_pickle(places["stranger"], {"layer.weight": torch.zeros(3, 3)})
    torch.save({"params": Payload()}, places["evil"])
    save_pickle(places["nan"], {"conv_first.weight": torch.full((4, 3, 3, 3), torch.nan)})
    (tmp_path / "folder.pth").mkdir()
    for name in ("noise", "stranger", "evil", "nan"):
        refused(4, f"{name}.pth: ", "upscale", pack, "--model", places[name])
    refused(2, "no model", "upscale", pack, "--model", tmp_path / "folder.pth")
    refused(2, "no model", "upscale", pack, "--model", places["gone"])


def test_weights_of_the_catalog_that_are_not_what_it_says(refused, pack, tmp_path, tiny_weights, monkeypatch):
    folder = tmp_path / "weights"
    shutil.copytree(tiny_weights, folder)
    monkeypatch.setattr("texup.models.catalog.weights_folder", lambda: folder)
    path = folder / "tiny-gan.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    for options in ([], ["--blend", "0.5"], ["--model", "tiny-psnr", "--model", "tiny-gan"]):
        refused(4, "tiny-gan.safetensors: SHA-256 ", "upscale", pack, "-o", tmp_path / "out", *options)
    path.unlink()
    refused(4, "tiny-gan.safetensors", "upscale", pack, "-o", tmp_path / "out")
    (folder / "catalog.toml").write_text("default = ")
    refused(4, "cannot read the catalog of models", "upscale", pack, "-o", tmp_path / "out")


@pytest.mark.parametrize("device", ["cuda:7", "cuda:x", "nonsense", "meta", "tpu"])
def test_devices_that_are_not_there(refused, pack, tmp_path, device):
    refused(2, f"device '{device}' is not available; this machine has cpu", "upscale", pack, "--device", device)
    refused(2, f"device '{device}' is not available", "upscale", pack / "a.png", "--device", device)


@pytest.mark.parametrize("scale", ["0", "-2", "17", "1000000"])
def test_scales_out_of_bounds(refused, pack, scale):
    refused(2, f"--scale {scale} is not possible; use a whole number from 1 to 16", "upscale", pack, "--scale", scale)


@pytest.mark.parametrize(
    "options",
    [
        *(["--overlap", "-1"], ["--overlap", "257"], ["--overlap", "x"], ["--batch", "0"], ["--batch", "-5"]),
        *(
            ["--batch", "many"],
            ["--tile", "3"],
            ["--tile", "5000"],
            ["--tile", "1.5"],
            ["--jobs", "0"],
            ["--jobs", "100"],
        ),
        *(
            ["--scale", "2.5"],
            ["--scale", "x"],
            ["--precision", "fp8"],
            ["--alpha", "nice"],
            ["--edges", "wrap,wrap,wrap"],
        ),
        *(["--edges", "round"], ["--edges", ""], ["--palette", "yes"], ["--blend", "half"]),
        *(["--grain", "2.1"], ["--grain", "nan"], ["--grain", "much"], ["--nonsense"]),
    ],
    ids=" ".join,
)
def test_options_that_make_no_sense(texup, pack, tmp_path, options):
    before = state_of(tmp_path)
    result = texup("upscale", pack, *options)
    assert (result.code, result.out) == (2, "")
    assert len(result.err.splitlines()) == len(result.errors) == 1
    assert "Traceback" not in result.err
    assert state_of(tmp_path) == before


def test_an_output_that_cannot_be_made(refused, pack, tmp_path):
    (tmp_path / "file").write_text("x")
    refused(
        5,
        f"{tmp_path / 'file' / 'out'}: cannot write: Not a directory",
        "upscale",
        pack,
        "-o",
        tmp_path / "file" / "out",
    )
    refused(5, "cannot write", "upscale", pack, "-o", tmp_path / "file")
    refused(5, "cannot write", "upscale", pack / "a.png", "-o", tmp_path / "file" / "out")


@pytest.mark.skipif(AS_ROOT, reason="root may write everywhere")
def test_an_output_without_permission(refused, pack, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    refused(5, "Permission denied", "upscale", pack, "-o", tmp_path / "locked" / "out")
    refused(5, "Permission denied", "upscale", pack, "-o", tmp_path / "locked")


@pytest.mark.skipif(AS_ROOT, reason="root may read everything")
def test_a_source_without_permission_fails_alone(texup, pack, tmp_path):
    (pack / "a.png").chmod(0)
    result = texup("upscale", pack, "-o", tmp_path / "out")
    assert result.code == 3
    assert "failed: a.png: cannot read: Permission denied" in result.err


def test_a_target_that_is_in_the_way(texup, pack, tmp_path):
    out = tmp_path / "out"
    assert texup("upscale", pack, "-o", out).code == 0
    (out / "a.png").unlink()
    (out / "a.png").mkdir()
    (out / "a.png" / "x").write_text("x")
    (pack / "z").mkdir()
    for name in ("b.png", "z/c.png"):
        shutil.copy(pack / "a.png", pack / name)
    (out / "z").write_text("a file where a folder should go")
    result = texup("upscale", pack, "-o", out, "--json")
    assert (result.code, result.json["counts"]["upscaled"]) == (3, 1)
    reasons = {each["path"]: each["reason"] for each in result.json["failures"]}
    assert reasons == {
        "a.png": "a folder lies where it should go, a.png; move that away",
        "z/c.png": "cannot be written to z/c.png: Not a directory",
    }
    assert (out / "b.png").exists()
    assert not list(out.rglob(".texup-*.tmp"))


@pytest.mark.skipif(sys.platform == "win32", reason="paths have another limit there")
def test_a_path_too_long_for_the_output_costs_that_file(texup, pack, tmp_path):
    deep = "/".join(["d" * 200] * 18)
    (pack / deep).mkdir(parents=True)
    shutil.copy(pack / "a.png", pack / deep / "a.png")
    out = tmp_path
    while len(str(out)) < 700:
        out /= "o" * 100
    for options in ((), ("--copy-other", "--exclude", "d*/**")):
        result = texup("upscale", pack, "-o", out, "--json", *options)
        assert result.code == 3
        assert [each["path"] for each in result.json["failures"]] == [f"{deep}/a.png"]
        assert "File name too long" in result.json["failures"][0]["reason"]
    assert (out / "a.png").exists()


def test_a_link_in_the_output_leads_nowhere(texup, pack, tmp_path):
    out = tmp_path / "out"
    assert texup("upscale", pack, "-o", out).code == 0
    shutil.rmtree(out / "sub")
    (tmp_path / "elsewhere").mkdir()
    (out / "sub").symlink_to(tmp_path / "elsewhere")
    result = texup("upscale", pack, "-o", out)
    assert result.code == 5
    assert result.err.count("\n") == 1
    assert not list((tmp_path / "elsewhere").iterdir())


def test_two_runs_on_one_output(refused, pack, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with (out / ".texup-lock").open("w") as held:
        held.write("4711\n")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        refused(6, "another texup run (process 4711) is writing here", "upscale", pack, "-o", out)


FULL = """
import resource, sys
from texup.cli.main import run
resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
run()
"""


@pytest.mark.thorough
def test_a_full_disk_ends_the_run_and_the_same_command_goes_on(tmp_path, tiny_weights):
    dice = np.random.default_rng(0)
    (tmp_path / "pack").mkdir()
    sides = {"a": 6, "b": 7, "c": 30, "d": 8}
    for name, side in sides.items():
        Image.fromarray(dice.integers(0, 256, (side, side, 3), np.uint8)).save(tmp_path / "pack" / f"{name}.png")
    out = tmp_path / "out"
    options = [
        "-o",
        out,
        "--model",
        tiny_weights / "tiny-gan.safetensors",
        "--jobs",
        "1",
        "--batch",
        "1",
        "--overlap",
        "8",
    ]
    done = subprocess.run(
        [sys.executable, "-c", FULL, "upscale", tmp_path / "pack", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    target = out / "c.png"
    told = f"texup: error: {target}: the disk is full; free some space and run the same command again to go on\n"
    assert (done.returncode, done.stdout, done.stderr) == (5, "", told)
    assert not target.exists()
    assert not list(out.rglob(".texup-*"))
    lines = [json.loads(line) for line in (out / MANIFEST).read_text().splitlines()]
    recorded = {line["path"] for line in lines if "path" in line}
    assert recorded <= {"a.png", "b.png", "d.png"}
    for path in out.glob("*.png"):
        with Image.open(path) as picture:
            picture.load()
            assert picture.width == 4 * sides[path.stem]
    again = subprocess.run(
        [sys.executable, "-m", "texup", "upscale", tmp_path / "pack", *options, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (again.returncode, json.loads(again.stdout)["counts"].get("unchanged", 0)) == (0, len(recorded))


def test_broken_output_pipes_are_quiet():
    command = f"{sys.executable} -m texup models list | true"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "more", "text"),
    [
        ("notes.txt", (), "notes.txt: texup does not read .txt; it reads .png "),
        ("a", (), "a: texup does not read files without a suffix; it reads .png "),
        ("a.png", ("-o", "b.jpg"), "b.jpg: the result of one file keeps its format; name it .png, or give a folder"),
        ("a.png", ("-o", "b.zip"), "b.zip: the result of one file keeps its format; name it .png, or give a folder"),
    ],
)
def test_a_wrong_suffix_is_refused_before_anything_is_loaded(texup, tmp_path, monkeypatch, name, more, text):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("texup.calls.setup.choose_chain", lambda *_: pytest.fail("weights were asked for"))
    Path(name).write_bytes(b"hello")
    result = texup("upscale", name, *more)
    assert result.code == 2
    assert text in result.errors[0]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_may_have_the_name_of_a_picture(texup, tmp_path, catalog):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    (tmp_path / "b.jpg").mkdir()
    assert texup("upscale", tmp_path / "a.png", "-o", tmp_path / "b.jpg").code == 0
    assert (tmp_path / "b.jpg" / "a.png").exists()
