"""A manifest is written so that strangers may have it, and read as if a stranger had written it."""

from __future__ import annotations

import hashlib
import json
import operator
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from texup.errors import UsageError
from texup.manifest.history import NAME, history_of, records
from texup.manifest.journal import Manifest, RunHeader
from texup.manifest.record import Outcome, Written
from texup.manifest.verification import verify
from texup.packs.walk import is_safe

from ..builders import noise

ROOT = Path(__file__).parents[2]
AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
SHA = "ab" * 32


@pytest.fixture
def pack(tmp_path) -> Path:
    folder = tmp_path / "pack"
    for k, name in enumerate(("a.png", "b.png", "sub/c.png")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(noise(k))
    return folder


@pytest.fixture
def upscale(texup, weights, tmp_path):
    def run(*options, pack=tmp_path / "pack"):
        return texup("upscale", pack, "-o", tmp_path / "out", "--model", weights, "--overlap", "8", "--json", *options)

    return run


def tree(folder: Path) -> dict[str, bytes | str]:
    """Return what is in a folder: files by their bytes, links by where they lead."""
    found: dict[str, bytes | str] = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file() and path.name != NAME:
            found[name] = path.read_bytes()
    return found


# P24: what is written.

SECRET = "gertrude"
NAMES = [
    *("quo'te\"s.png", "[/x] {y} $z #1 %20.png", "line\nbreak.png", "\x1b[2J\x07.png", "\u202egnp.exe.png"),
    *("caf\udce9.png", "\udcff\udcfe.png", "漢字/😀.png", " lead and trail .png", "nfc é.png", "-rf.png", "~.png"),
]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these names cannot be there")
def test_p24_the_manifest_is_ascii_json_of_relative_paths_for_any_name_and_tells_nothing_else(
    texup, weights, tmp_path, monkeypatch
):
    home = tmp_path / f"home of {SECRET}"
    pack, own = home / "pack", home / "my.safetensors"
    for k, name in enumerate(NAMES):
        (pack / name).parent.mkdir(parents=True, exist_ok=True)
        (pack / name).write_bytes(noise(k, 4))
    (pack / "damaged.png").write_bytes(noise(0)[:-30])
    (pack / "link.png").symlink_to(pack / "~.png")
    (pack / "notes.txt").write_text("x")
    (pack / "texup.toml").write_text('[[rule]]\nmatch = "~.png"\nscale = 2\n')
    rules = home / "rules.toml"
    rules.write_text('[[rule]]\nmatch = "~.png"\nmodel = "my.safetensors"\nscale = 2\n')
    shutil.copy(weights, own)
    for name in ("HOME", "USER", "LOGNAME", "HOSTNAME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(home) if name == "HOME" else SECRET)
    monkeypatch.chdir(home)
    options = ("--model", own, "--rules", rules, "--copy-other", "--overlap", "8")
    assert texup("upscale", pack, "-o", home / "out", *options).code == 3
    content = (home / "out" / NAME).read_bytes()
    assert content.isascii()
    assert SECRET.encode() not in content
    assert str(tmp_path).encode() not in content
    lines = [json.loads(line, parse_constant=pytest.fail) for line in content.splitlines()]
    header, *lines, end = lines
    assert (header["format"], header["schema"], end["ended"]) == ("texup-manifest", 2, True)
    for line in lines:
        for path in (line["path"], *(target[0] for target in line["targets"])):
            assert is_safe(path)
            assert not PurePosixPath(path).is_absolute()
    assert {*NAMES, "damaged.png", "link.png", "notes.txt", "texup.toml"} == {line["path"] for line in lines}
    assert {*NAMES, "notes.txt", "texup.toml"} >= set(tree(home / "out"))
    codes = [texup("verify", home / "out", *more).code for more in ((), ("--json",))]
    assert codes == [3, 3], "two failed, as recorded"
    assert history_of(home / "out").damaged == 0


def test_p24_the_manifest_of_an_unpacked_zip_does_not_name_the_temporary_folder(upscale, pack, tmp_path, monkeypatch):
    (tmp_path / SECRET).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / SECRET))
    (pack / "damaged.png").write_bytes(b"x")
    archive = shutil.make_archive(str(tmp_path / "zipped"), "zip", pack)
    assert upscale(pack=archive).code == 3
    assert SECRET.encode() not in (tmp_path / "out" / NAME).read_bytes()


# P24: what is read. Every case is made from the manifest of a finished pack.


def line(**values) -> bytes:
    return json.dumps(values).encode() + b"\n"


def altered(**changes) -> Callable[[list[dict], Path], bytes]:
    """Return a forger that changes fields of every record and leaves out the sums."""

    def forge(lines: list[dict], out: Path) -> bytes:
        for each in lines:
            each.pop("check")
        own = [each for each in lines if "path" in each]
        values = [{k: v(each) if callable(v) else v for k, v in changes.items()} for each in own]
        return b"".join(line(**each) for each in (lines[0], *map(operator.or_, own, values)))

    return forge


def targets(*paths: str) -> Callable[[dict], list]:
    """Return a function that claims other files with the hash and size of a record's own."""
    return lambda each: [[path, *each["targets"][0][1:]] for path in paths]


HOSTILE: dict[str, Callable[[list[dict], Path], bytes]] = {
    "as it was": altered(),
    "above": altered(targets=targets("../victim.txt")),
    "absolute": altered(targets=targets("/etc/passwd")),
    "drive": altered(targets=targets("C:/x.png")),
    "backslash": altered(targets=targets("..\\victim.txt")),
    "NUL": altered(targets=targets("a\0.png")),
    "no bytes": altered(targets=targets("\ud800.png")),
    "through a link": altered(targets=targets("way/victim.txt")),
    "more than its own": altered(targets=lambda each: [*each["targets"], ["mine.txt", SHA, 4]]),
    "of the user": altered(targets=targets("mine.txt")),
    "its own manifest": altered(targets=targets(NAME)),
    "one file": altered(targets=targets("a.png")),
    "no files": altered(targets=[]),
    "other source": altered(source_sha256=SHA),
    "other settings": altered(settings="0" * 16),
    "all skipped": altered(outcome="skipped", targets=[]),
    "all gone": altered(outcome="gone"),
    "all failed": altered(outcome="failed", reason="\x1b[2J\u202e"),
    "strange outcome": altered(outcome="rm -rf"),
    "paths above": altered(path="../../victim.txt"),
    "sizes": altered(targets=lambda each: [[each["targets"][0][0], SHA, 10**30]]),
    "hashes": altered(targets=lambda each: [[each["targets"][0][0], SHA, each["targets"][0][2]]]),
    "NaN": altered(seconds=float("nan")),
    "text for numbers": altered(seconds="0", targets="a.png"),
    "twice": lambda lines, out: altered()(lines, out) * 2,
    "reversed": lambda lines, out: altered()([lines[0], *reversed(lines[1:])], out),
    "sums of others": lambda lines, out: b"".join(line(**each | {"check": "00000000"}) for each in lines),
    "torn": lambda lines, out: (out / NAME).read_bytes()[:-9],
    "header only": lambda lines, out: line(**lines[0]),
    "early header": lambda lines, out: line(format="texup-manifest", schema=1),
    "header again and again": lambda lines, out: line(**lines[0]) * 1000,
    "garbage": lambda lines, out: (out / NAME).read_bytes() + os.urandom(5000) + b"\n",
    "zeros": lambda lines, out: (out / NAME).read_bytes() + bytes(70_000),
    "long line": lambda lines, out: (out / NAME).read_bytes() + b"[" * (3 << 20) + b"\n",
    "deep": lambda lines, out: (out / NAME).read_bytes() + b'{"policy":' * 50_000 + b"\n",
    "Windows": lambda lines, out: (out / NAME).read_bytes().replace(b"\n", b"\r\n"),
}
REFUSED: dict[str, Callable[[list[dict], Path], bytes]] = {
    "empty": lambda lines, out: b"",
    "mine": lambda lines, out: b"my notes\n",
    "newer": lambda lines, out: line(format="texup-manifest", schema=3),
    "newer later": lambda lines, out: (out / NAME).read_bytes() + line(format="texup-manifest", schema=3),
    "mark first": lambda lines, out: b"\xef\xbb\xbf" + (out / NAME).read_bytes(),
    "two bytes each": lambda lines, out: (out / NAME).read_text("ascii").encode("utf-16"),
    "picture": lambda lines, out: noise(1),
    "endless line": lambda lines, out: line(format="texup-manifest", schema=2, version="x" * (2 << 20)),
}


@pytest.fixture
def scene(upscale, pack, tmp_path):
    """A finished pack with files of its user beside it, in it and behind a link."""
    assert upscale().code == 0
    out = tmp_path / "out"
    (tmp_path / "victim.txt").write_bytes(b"precious")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "victim.txt").write_bytes(b"precious")
    (out / "way").symlink_to(tmp_path / "elsewhere")
    (out / "mine.txt").write_bytes(b"mine")
    return out


def forged(out: Path, forge: Callable[[list[dict], Path], bytes]) -> None:
    lines = [json.loads(text) for text in (out / NAME).read_bytes().splitlines()]
    (out / NAME).write_bytes(forge(lines, out))


@pytest.mark.thorough
@pytest.mark.parametrize("forge", HOSTILE.values(), ids=HOSTILE)
def test_p24_a_hostile_manifest_changes_nothing_but_what_is_done_again(scene, upscale, texup, tmp_path, forge):
    forged(scene, forge)
    before = tree(tmp_path)
    found = texup("verify", scene, "--json")
    assert found.code == 3
    assert tree(tmp_path) == before
    assert found.err.isprintable() or found.err.count("\n") == 1
    result = upscale()
    assert result.code == 0, result.err
    assert sum(result.json["counts"].values()) == 3
    assert tree(tmp_path) == before, "what was done again is as it was, and nothing else was touched"
    again = upscale().json["counts"]
    assert again.get("unchanged", 0) + again.get("kept", 0) == 3, "what no record speaks of any more is not replaced"


@pytest.mark.parametrize("forge", REFUSED.values(), ids=REFUSED)
def test_p24_what_is_no_manifest_of_texup_is_refused_untouched(scene, upscale, texup, tmp_path, forge):
    forged(scene, forge)
    before, content = tree(tmp_path), (scene / NAME).read_bytes()
    for result in (upscale(), upscale("--force"), texup("verify", scene), texup("verify", scene, "--json")):
        assert (result.code, result.out) == (2, "")
        assert re.fullmatch(r"texup: error: \S+: (not a manifest of texup|written by a newer texup).*\n", result.err)
    assert (tree(tmp_path), (scene / NAME).read_bytes()) == (before, content)


PLANTED: dict[str, Callable[[Path, Path], object]] = {
    "link to a manifest": lambda path, other: path.symlink_to(other),
    "dangling link": lambda path, other: path.symlink_to("nowhere"),
    "link to a device": lambda path, other: path.symlink_to("/dev/zero"),
    "pipe": lambda path, other: os.mkfifo(path),
    "folder": lambda path, other: path.mkdir(),
}


@pytest.mark.skipif(sys.platform == "win32", reason="no such things there")
@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED)
def test_p24_a_manifest_that_is_no_file_is_refused(scene, upscale, texup, tmp_path, plant):
    other = (scene / NAME).rename(tmp_path / "other.jsonl")
    plant(scene / NAME, other)
    before = tree(tmp_path)
    for result in (upscale(), upscale("--force"), texup("verify", scene)):
        assert (result.code, result.out) == (2, "")
        assert "no file; move it away" in result.err or "holds files but no manifest" in result.err
        assert result.err.count("\n") == 1
    assert tree(tmp_path) == before


def test_p24_a_manifest_that_was_planted_beside_files_of_others_gives_no_power_over_them(upscale, pack, tmp_path):
    """What it claims of a file is not what the file holds, so the file stays."""
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    mine = {"a.png": b"of the user", "keep.txt": b"precious", "sub/keep.txt": b"precious"}
    for name, data in mine.items():
        (out / name).write_bytes(data)
    claimed = [[name, SHA, len(data)] for name, data in mine.items()]
    claim = {"path": "x.png", "outcome": "upscaled", "reason": None, "source_sha256": SHA, "targets": claimed}
    claim |= {"settings": "", "policy": {}, "precision": None, "notes": [], "seconds": 0.0}
    (out / NAME).write_bytes(line(format="texup-manifest", schema=2) + line(**claim))
    result = upscale()
    assert result.json["counts"] == {"kept": 1, "upscaled": 2}
    assert result.json["orphans"] == ["a.png", "keep.txt", "sub/keep.txt"], "named, never removed"
    after = tree(out)
    assert after.keys() == {*mine, "b.png", "sub/c.png"}
    assert {name: after[name] for name in mine} == mine


def test_p24_two_records_that_claim_one_file_are_not_both_done(scene, upscale, tmp_path):
    """A result that another record's run has overwritten since is not taken for the first one's, whatever its size."""
    good = (scene / "a.png").read_bytes()
    lines = [json.loads(text) for text in (scene / NAME).read_bytes().splitlines()]
    (first,) = (each for each in lines if each.get("path") == "a.png")
    other = bytes(len(good))
    thief = dict(first, path="thief.png", targets=[["a.png", hashlib.sha256(other).hexdigest(), len(good)]])
    thief.pop("check")
    (scene / "a.png").write_bytes(other)
    for each in lines:
        each.pop("check")
    (scene / NAME).write_bytes(b"".join(line(**each) for each in [*lines, thief]))
    assert upscale().json["counts"] == {"unchanged": 2, "upscaled": 1}
    assert (scene / "a.png").read_bytes() == good


def test_p24_a_record_that_claims_a_file_of_another_name_is_not_done(scene, upscale):
    """Whatever is there under that name: only what the job itself would write can be its result."""
    good = (scene / "a.png").read_bytes()
    forged(scene, altered(targets=lambda each: [["mine.txt", SHA, 4]] if each["path"] == "a.png" else each["targets"]))
    (scene / "a.png").unlink()
    assert upscale().json["counts"] == {"unchanged": 2, "upscaled": 1}
    assert (scene / "a.png").read_bytes() == good
    assert (scene / "mine.txt").read_bytes() == b"mine"


def test_p25_what_resuming_trusts_verify_does_not(scene, upscale, texup):
    """A result that was changed and kept its size counts as done, until verify has named it and it was deleted."""
    (scene / "way").unlink()
    (scene / "mine.txt").unlink()
    good = (scene / "a.png").read_bytes()
    (scene / "a.png").write_bytes(good[:-20] + bytes(20))
    assert upscale().json["counts"] == {"unchanged": 3}
    found = texup("verify", scene, "--json")
    assert found.json["findings"] == [
        {"path": "a.png", "problem": "changed", "detail": "other content than was written"}
    ]
    (scene / "a.png").unlink()
    assert upscale().json["counts"] == {"unchanged": 2, "upscaled": 1}
    assert (scene / "a.png").read_bytes() == good
    assert texup("verify", scene).code == 0


def test_a_manifest_that_was_deleted_makes_the_output_a_strangers(scene, upscale, tmp_path):
    (scene / NAME).unlink()
    before = tree(tmp_path)
    result = upscale()
    assert (result.code, result.out) == (2, "")
    assert "holds files but no manifest of texup" in result.err
    assert "--keep-existing" in result.err
    assert upscale("--force").code == 2
    assert tree(tmp_path) == before
    assert upscale("--keep-existing").json["counts"] == {"kept": 3}
    assert tree(tmp_path) == before


@pytest.mark.skipif(AS_ROOT, reason="root may write everything")
def test_a_manifest_that_is_read_only_ends_the_run_at_once(scene, upscale, tmp_path):
    (scene / NAME).chmod(0o444)
    before = tree(tmp_path)
    (tmp_path / "pack" / "a.png").write_bytes(noise(50))
    result = upscale()
    assert (result.code, result.out) == (5, "")
    assert "Permission denied" in result.err
    assert tree(scene) == {name[4:]: data for name, data in before.items() if name.startswith("out/")}


def test_a_copy_of_hard_links_keeps_its_own_manifest(scene, upscale, tmp_path, pack):
    if os.name == "nt":
        pytest.skip("cp -al is not known there")
    subprocess.run(["cp", "-al", scene, tmp_path / "backup"], check=True)
    before = tree(tmp_path / "backup"), (tmp_path / "backup" / NAME).read_bytes()
    (pack / "a.png").write_bytes(noise(50))
    assert upscale().json["counts"] == {"unchanged": 2, "upscaled": 1}
    assert (tree(tmp_path / "backup"), (tmp_path / "backup" / NAME).read_bytes()) == before


# Large ones.


def filled(out: Path, count: int) -> None:
    """Write a manifest of many textures, as a run does."""
    with Manifest(out, RunHeader(2, "0.3.0", [], {})) as manifest:
        for k in range(count):
            path, sha256 = f"textures/folder {k % 100}/texture_{k:07}.png", f"{k:064x}"
            policy = {"alpha": "none", "edges": ["wrap", "clamp"], "kind": "colour", "method": "net"}
            written = [Written(path, sha256, k)]
            manifest.append(
                Outcome(
                    path=path,
                    outcome="upscaled",
                    source_sha256=sha256,
                    targets=written,
                    settings="0" * 16,
                    policy=policy,
                    precision="fp32",
                    seconds=0.125,
                )
            )


def peak_of(job: Callable[[], object]) -> int:
    """Return the bytes that a job takes at most."""
    tracemalloc.start()
    try:
        job()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_p24_a_large_manifest_takes_little_memory(tmp_path):
    filled(tmp_path, 5000)
    assert peak_of(lambda: history_of(tmp_path)) < 5000 * 1200
    assert peak_of(lambda: [verify(tmp_path, history_of(tmp_path))]) < 5000 * 1200


def test_p24_an_endless_line_takes_no_memory(tmp_path):
    filled(tmp_path, 3)
    with (tmp_path / NAME).open("ab") as file:
        file.truncate(file.tell() + (64 << 20))
    assert peak_of(lambda: history_of(tmp_path)) < 8 << 20
    assert history_of(tmp_path).damaged == 1
    with (tmp_path / NAME).open("wb") as file:
        file.truncate(64 << 20)
    with pytest.raises(UsageError):
        history_of(tmp_path)


@pytest.mark.slow
def test_p24_a_hundred_thousand_records_a_million_lines_and_a_line_of_two_gigabytes(tmp_path, capsys):
    import time

    def measured(name: str, job: Callable[[], object]) -> None:
        began = time.perf_counter()
        job()
        with capsys.disabled():
            print(f"\n{name}: {time.perf_counter() - began:.1f} s")

    measured("append 100,000", lambda: filled(tmp_path, 100_000))
    measured("read 100,000", lambda: history_of(tmp_path))
    peak = peak_of(lambda: history_of(tmp_path))
    with capsys.disabled():
        print(f"peak {peak / 1e6:.0f} MB of a file of {(tmp_path / NAME).stat().st_size / 1e6:.0f} MB")
    assert peak < 120e6
    content = (tmp_path / NAME).read_bytes()
    with (tmp_path / NAME).open("ab") as file:
        for _ in range(9):
            file.write(content)
    measured("read 1,000,000 lines of 100,000 sources", lambda: history_of(tmp_path))
    assert len(history_of(tmp_path).latest) == 100_000
    (tmp_path / NAME).write_bytes(content[: content.index(b"\n") + 1] + b"x\n" * 1_000_000)
    measured("read 1,000,000 damaged lines", lambda: history_of(tmp_path))
    assert history_of(tmp_path).damaged == 1_000_000
    filled_size = (tmp_path / NAME).stat().st_size
    with (tmp_path / NAME).open("ab") as file:
        file.truncate(filled_size + (2 << 30))
    measured("read a line of 2 GB", lambda: history_of(tmp_path))
    assert sum(record is None for record in records(tmp_path)) == 1_000_001
