"""``texup verify``: every difference is found and named, nothing is repaired, the exit code tells."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from texup.cli.main import main
from texup.errors import UsageError
from texup.locks import LOCK_NAME
from texup.manifest import verification
from texup.manifest.history import NAME, SCHEMA
from texup.manifest.journal import Manifest, RunHeader
from texup.manifest.record import Outcome, Written, gone

ROOT = Path(__file__).parents[2]
FILES = {"a.png": b"first", "ui/b c#.png": b"second", "ui/deep/c.tga": b"third", "read.me": b"fourth"}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def upscaled(path: str, data: bytes) -> Outcome:
    written = [Written(path, digest(data), len(data))]
    return Outcome(
        path=path,
        outcome="upscaled",
        source_sha256=digest(b"source"),
        targets=written,
        settings="d",
        precision="fp32",
        seconds=0.1,
    )


def append(out: Path, *lines: Outcome) -> None:
    with Manifest(out, RunHeader(SCHEMA, "0.1.0", [], {})) as manifest:
        for record in lines:
            manifest.append(record)


@pytest.fixture
def out(tmp_path):
    """An output pack as a run leaves it."""
    out = tmp_path / "out"
    for name, data in FILES.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)
    skipped = replace(upscaled("notes.txt", b""), outcome="skipped", targets=[])
    append(out, *(upscaled(name, data) for name, data in FILES.items()), skipped)
    return out


def call(out: Path, *options: str) -> tuple[int, list[str], str]:
    """Return exit code, lines of standard output, and standard error of the command, run in this process."""
    result = CliRunner().invoke(main, ["verify", str(out), *options])
    return result.exit_code, result.stdout.splitlines(), result.stderr


def texup(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "texup", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, check=False)


def state(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_mode, path.read_bytes()) for path in files}


def test_a_clean_pack_says_nothing_on_standard_output(out):
    code, lines, err = call(out)
    assert (code, lines) == (0, [])
    assert err == "4 files checked: all as recorded\n"


def flip(out):
    data = bytearray((out / "a.png").read_bytes())
    data[2] ^= 1
    (out / "a.png").write_bytes(data)


def failed_later(out):
    (out / "a.png").unlink()
    append(out, replace(upscaled("a.png", b""), outcome="failed", reason="damaged", targets=[]))


def damage_the_manifest(out):
    lines = (out / NAME).read_bytes().splitlines(keepends=True)
    (out / NAME).write_bytes(lines[0] + b"garbage\n" + b"".join(lines[1:]))


def cut_the_manifest(out):
    (out / NAME).write_bytes((out / NAME).read_bytes()[:-3])


def change_what_nothing_depends_on(out):
    content = (out / NAME).read_bytes()
    (out / NAME).write_bytes(content.replace(b'"seconds":0.1', b'"seconds":0.2', 1))


def leave_by_a_source_that_is_gone(out):
    append(out, gone("a.png"))


def leave_by_other_targets(out):
    (out / "a.dds").write_bytes(FILES["a.png"])
    record = upscaled("a.png", FILES["a.png"])
    append(out, replace(record, targets=[record.targets[0]._replace(path="a.dds")]))


def leave_by_a_failure(out):
    append(out, replace(upscaled("a.png", b""), outcome="failed", reason="damaged", targets=[]))


def plant_a_folder_link(out):
    (out / "ui").rename(out.parent / "elsewhere")
    (out / "ui").symlink_to(out.parent / "elsewhere")


ORPHAN = "written by an earlier run, of no use to the newest"
CASES = {
    "one bit": (flip, ["changed: a.png: other content than was written"]),
    "longer": (lambda out: (out / "a.png").write_bytes(b"first!"), ["changed: a.png: 6 bytes instead of 5"]),
    "emptied": (lambda out: (out / "a.png").write_bytes(b""), ["changed: a.png: 0 bytes instead of 5"]),
    "gone": (lambda out: (out / "ui/b c#.png").unlink(), ["missing: ui/b c#.png: recorded, but not there"]),
    "renamed": (
        lambda out: (out / "a.png").rename(out / "A.png"),
        ["extra: A.png: not in the manifest", "missing: a.png: recorded, but not there"],
    ),
    "added": (lambda out: (out / "ui" / "x.txt").write_bytes(b""), ["extra: ui/x.txt: not in the manifest"]),
    "leftover": (
        lambda out: (out / "ui" / ".texup-0123456789ab.tmp").write_bytes(b""),
        ["extra: ui/.texup-0123456789ab.tmp: leftover of an interrupted run"],
    ),
    "failed": (failed_later, ["failed: a.png: damaged"]),
    "manifest": (damage_the_manifest, [f"changed: {NAME}: 1 damaged lines were ignored"]),
    "manifest torn": (cut_the_manifest, [f"changed: {NAME}: 1 damaged lines were ignored"]),
    "manifest word": (
        change_what_nothing_depends_on,
        [f"changed: {NAME}: 1 damaged lines were ignored", "extra: a.png: not in the manifest"],
    ),
    "source gone": (leave_by_a_source_that_is_gone, [f"orphan: a.png: {ORPHAN}"]),
    "other target": (leave_by_other_targets, [f"orphan: a.png: {ORPHAN}"]),
    "failed since": (leave_by_a_failure, ["failed: a.png: damaged", f"orphan: a.png: {ORPHAN}"]),
    "link to a file": (
        lambda out: ((out / "a.png").rename(out.parent / "x"), (out / "a.png").symlink_to(out.parent / "x")),
        ["changed: a.png: a link; texup does not follow links"],
    ),
    "link to a folder": (
        plant_a_folder_link,
        [
            "extra: ui: a link; texup does not follow links",
            "missing: ui/b c#.png: recorded, but not there",
            "missing: ui/deep/c.tga: recorded, but not there",
        ],
    ),
    "folder for a file": (
        lambda out: ((out / "a.png").unlink(), (out / "a.png").mkdir()),
        ["missing: a.png: recorded, but not there"],
    ),
    "pipe for a file": (
        lambda out: ((out / "a.png").unlink(), os.mkfifo(out / "a.png")),
        ["changed: a.png: neither a file nor a folder"],
    ),
}


@pytest.mark.parametrize(("harm", "expected"), CASES.values(), ids=CASES)
def test_p25_each_difference_is_one_line_and_exit_3(out, harm, expected):
    harm(out)
    code, lines, err = call(out)
    assert code == 3
    assert lines == expected
    problems = [line.split(":")[0] for line in expected]
    assert err.endswith(": " + ", ".join(f"{problems.count(p)} {p}" for p in dict.fromkeys(problems)) + "\n")


@pytest.mark.parametrize(("harm", "expected"), CASES.values(), ids=CASES)
def test_p25_json_holds_every_finding(out, harm, expected):
    harm(out)
    code, lines, _ = call(out, "--json")
    found = json.loads("\n".join(lines))
    assert (code, found.keys()) == (3, {"schema", "checked", "findings"})
    assert ["{problem}: {path}: {detail}".format(**finding) for finding in found["findings"]] == expected


def test_p25_every_byte_counts(out):
    """Each byte of each file, the manifest included, is flipped once."""
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        content = path.read_bytes()
        for place in range(0, len(content), 1 if path.name != NAME else 7):
            path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            result = CliRunner().invoke(main, ["verify", str(out)])
            is_refused = path.name == NAME and isinstance(result.exception, UsageError)
            assert result.exit_code == 3 or is_refused, f"{path.name}: byte {place} was not seen"
        path.write_bytes(content)
    assert call(out)[0] == 0


def test_p25_nothing_is_repaired_or_written(out):
    for harm in (flip, damage_the_manifest):
        harm(out)
    (out / ".texup-0123456789ab.tmp").write_bytes(b"leftover")
    before = state(out)
    assert call(out)[0] == 3
    assert state(out) == before


def test_the_lock_of_a_run_is_no_extra_file(out):
    (out / LOCK_NAME).write_bytes(b"1\n")
    assert call(out)[:2] == (0, [])


def test_a_result_that_a_later_run_replaced_counts_by_its_last_record(out):
    (out / "a.png").write_bytes(b"second try")
    append(out, upscaled("a.png", b"second try"))
    assert call(out)[0] == 0


def test_a_failure_that_a_later_run_made_good_is_none(out):
    failed = replace(upscaled("a.png", b""), outcome="failed", targets=[])
    append(out, failed, upscaled("a.png", FILES["a.png"]))
    assert call(out)[:2] == (0, [])


def test_p25_a_recorded_path_that_leaves_the_pack_is_never_read(out, monkeypatch):
    (out.parent / "secret.png").write_bytes(b"secret")
    with (out / NAME).open("ab") as file:
        values = {name: getattr(upscaled("x", b"secret"), name) for name in Outcome.__slots__}
        file.write(json.dumps({**values, "path": "../secret.png"}).encode() + b"\n")
    read = []
    sha256_of = verification.sha256_of
    monkeypatch.setattr(verification, "sha256_of", lambda path: read.append(path) or sha256_of(path))
    code, lines, _ = call(out)
    assert (code, lines) == (3, [f"changed: {NAME}: 1 damaged lines were ignored"])
    assert sorted(read) == sorted(out / name for name in FILES)


def test_a_file_that_cannot_be_read_is_a_difference(out, monkeypatch):
    def fail(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(verification, "sha256_of", fail)
    code, lines, _ = call(out)
    assert code == 3
    assert lines[0] == "changed: a.png: cannot be read: Input/output error"
    assert len(lines) == len(FILES)


def test_json_is_one_object_and_nothing_else(out):
    flip(out)
    (out / "ui/deep/c.tga").unlink()
    code, lines, err = call(out, "--json")
    assert code == 3
    assert json.loads("\n".join(lines)) == {
        "schema": 1,
        "checked": 4,
        "findings": [
            {"path": "a.png", "problem": "changed", "detail": "other content than was written"},
            {"path": "ui/deep/c.tga", "problem": "missing", "detail": "recorded, but not there"},
        ],
    }
    assert err == "4 files checked: 1 changed, 1 missing\n"


def test_json_of_a_clean_pack(out):
    code, lines, _ = call(out, "--json")
    assert (code, json.loads("\n".join(lines))) == (0, {"schema": 1, "checked": 4, "findings": []})


def test_it_works_as_a_process(out):
    clean = texup("verify", str(out))
    assert (clean.returncode, clean.stdout) == (0, b"")
    flip(out)
    harmed = texup("verify", str(out))
    assert harmed.returncode == 3
    assert harmed.stdout == b"changed: a.png: other content than was written\n"
    assert harmed.stderr == b"4 files checked: 1 changed\n"


def test_hostile_names_do_not_reach_the_terminal(out):
    for name in (b"\x1b[31m.png", b"caf\xe9.png", b"a\nb.png", "漢.png".encode()):
        (out / os.fsdecode(name)).write_bytes(b"")
    result = texup("verify", str(out), PYTHONUTF8="1")
    assert result.returncode == 3
    assert b"\x1b" not in result.stdout
    lines = result.stdout.decode().splitlines()
    assert lines == [
        "extra: \\x1b[31m.png: not in the manifest",
        "extra: a\\nb.png: not in the manifest",
        "extra: caf\\udce9.png: not in the manifest",
        "extra: 漢.png: not in the manifest",
    ]


@pytest.mark.parametrize("encoding", ["latin-1", "ascii:strict", "cp437"])
def test_a_terminal_without_unicode_is_no_crash(out, encoding):
    (out / "漢.png").write_bytes(b"")
    result = texup("verify", str(out), PYTHONUTF8="0", PYTHONIOENCODING=encoding, LC_ALL="C.UTF-8")
    assert result.returncode == 3
    assert result.stdout.startswith(b"extra: ")
    assert b"Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda out: None, b"No such file"),
        (Path.mkdir, b"No such file"),
        (Path.touch, b"Not a directory"),
        (lambda out: (out.mkdir(), (out / NAME).write_bytes(b"mine\n")), b"not a manifest of texup"),
    ],
)
def test_without_a_manifest_it_is_wrong_use(tmp_path, make, message):
    make(tmp_path / "out")
    result = texup("verify", str(tmp_path / "out"))
    assert (result.returncode, result.stdout) == (2, b"")
    assert message in result.stderr
    assert result.stderr.count(b"\n") == 1
    assert os.fsencode(tmp_path / "out") in result.stderr


def test_the_help_has_an_example():
    result = CliRunner().invoke(main, ["verify", "--help"])
    assert result.exit_code == 0
    assert (
        "\n  Examples:\n    texup verify ./n64_textures_x4\n    texup verify s3://textures/pack_hd\n" in result.output
    )
