"""texup.manifest.journal and .history: what is written, what is believed of it, and when a file counts as done."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from texup import bounds
from texup.errors import OutputError, UsageError
from texup.manifest.history import NAME, SCHEMA, History, LatestRecord, history_of, is_done, records
from texup.manifest.journal import Manifest, RunHeader
from texup.manifest.record import LATER, TYPES, Outcome, Written, gone, values_of

HEADER = RunHeader(SCHEMA, "0.1.0", [{"name": "net", "sha256": "ab" * 32}], {"scale": 4, "tile": None})
SOURCE, TARGET = hashlib.sha256(b"source").hexdigest(), hashlib.sha256(b"target").hexdigest()
WRITTEN = [Written("b/a.png", TARGET, 6), Written("b/a_mip1.png", TARGET, 6)]
BOTH = tuple(WRITTEN)
DONE = Outcome(
    path="a/b.png",
    outcome="upscaled",
    source_sha256=SOURCE,
    targets=WRITTEN,
    settings="d1",
    policy={"alpha": "soft"},
    precision="fp32",
    redone=2,
    seconds=0.25,
)
FAILED = replace(DONE, outcome="failed", reason="damaged", targets=[])
SKIPPED = replace(DONE, outcome="skipped", reason="no texture", targets=[])


def write(out: Path, *lines: Outcome, header: RunHeader = HEADER) -> Path:
    with Manifest(out, header) as manifest:
        for record in lines:
            manifest.append(record)
    return out / NAME


def write_early(out: Path, *lines: object) -> None:
    """Write a manifest without sums, as a stranger would."""
    content = [{"format": "texup-manifest", "schema": SCHEMA}, *lines]
    (out / NAME).write_bytes(b"")
    for line in content:
        add_line(out, line)


def add_line(out: Path, value: object) -> None:
    with (out / NAME).open("ab") as file:
        file.write(value if isinstance(value, bytes) else json.dumps(value).encode() + b"\n")


def as_json(record: Outcome, **changes: object) -> dict[str, object]:
    return {**values_of(record), "targets": [list(target) for target in record.targets], **changes}


def test_a_new_manifest_is_a_header_and_a_line_for_each_record(tmp_path):
    first, second = (json.loads(line) for line in write(tmp_path, DONE).read_text("ascii").splitlines())
    assert re.fullmatch("[0-9a-f]{8}", first.pop("check"))
    assert re.fullmatch("[0-9a-f]{8}", second.pop("check"))
    assert 0 <= time.time() - first.pop("began") < 60
    assert first == {
        "format": "texup-manifest",
        "schema": SCHEMA,
        "version": "0.1.0",
        "models": HEADER.models,
        "settings": HEADER.settings,
        "convention": "plain",
        "mixed": False,
        "shard": None,
    }
    assert second == as_json(DONE)
    assert list(records(tmp_path)) == [DONE]


def test_the_header_is_there_before_the_first_record(tmp_path):
    manifest = Manifest(tmp_path, HEADER)
    assert (tmp_path / NAME).read_bytes().count(b"\n") == 1
    manifest.close()


def test_a_run_that_adds_nothing_changes_nothing(tmp_path):
    before = write(tmp_path, DONE).read_bytes()
    assert write(tmp_path, header=replace(HEADER, version="0.2.0")).read_bytes() == before


def test_each_run_that_adds_something_puts_its_header_before_it(tmp_path):
    write(tmp_path, DONE)
    lines = write(tmp_path, FAILED, SKIPPED, header=replace(HEADER, version="0.2.0")).read_text("ascii").splitlines()
    assert [json.loads(line).get("version") for line in lines] == ["0.1.0", None, "0.2.0", None, None]
    assert list(records(tmp_path)) == [DONE, FAILED, SKIPPED]


def test_a_record_is_one_write(tmp_path):
    manifest = Manifest(tmp_path, HEADER)
    manifest.append(DONE)

    class Counted:
        def __init__(self, file):
            self.file, self.sizes = file, []

        def write(self, data):
            self.sizes.append(len(data))
            return self.file.write(data)

    counted = manifest._file = Counted(manifest._file)
    manifest.append(DONE)
    manifest._file = counted.file
    manifest.close()
    last = (tmp_path / NAME).read_bytes().splitlines(keepends=True)[-1]
    assert counted.sizes == [len(last)]


def test_records_are_in_the_file_before_it_is_closed(tmp_path):
    manifest = Manifest(tmp_path, HEADER)
    manifest.append(DONE)
    assert list(records(tmp_path)) == [DONE]
    manifest.close()


def test_closing_syncs_also_after_an_error(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def traced(fd):
        synced.append(os.fstat(fd).st_ino)
        fsync(fd)

    def interrupted_run():
        with Manifest(tmp_path, HEADER) as manifest:
            manifest.append(DONE)
            monkeypatch.setattr(os, "fsync", traced)
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        interrupted_run()
    assert synced == [(tmp_path / NAME).stat().st_ino]


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_last_line_is_dropped_and_cut_off(tmp_path, cut):
    path = write(tmp_path, DONE, replace(DONE, path="c.png"))
    path.write_bytes(path.read_bytes()[:-cut])
    assert list(records(tmp_path)) == [DONE, None]
    write(tmp_path, FAILED)
    assert list(records(tmp_path)) == [DONE, FAILED]


def test_a_long_torn_line_is_cut_off(tmp_path):
    write(tmp_path, DONE)
    add_line(tmp_path, b"x" * (2 * bounds.MANIFEST_LINE + 5))
    write(tmp_path, FAILED)
    assert list(records(tmp_path)) == [DONE, FAILED]


def test_a_full_disk_while_appending_is_an_output_error(tmp_path):
    manifest = Manifest(tmp_path, HEADER)
    manifest.close()
    with Path("/dev/full").open("r+b", buffering=0) as manifest._file, pytest.raises(OutputError, match="disk is full"):
        manifest.append(DONE)


def test_a_sync_that_fails_is_an_output_error(tmp_path, monkeypatch):
    manifest = Manifest(tmp_path, HEADER)

    def fail(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="Input/output error"):
        manifest.close()
    assert manifest._file.closed


def test_numbers_that_json_has_not_are_a_mistake_of_ours(tmp_path):
    with Manifest(tmp_path, HEADER) as manifest, pytest.raises(ValueError):
        manifest.append(replace(DONE, seconds=float("nan")))


def test_every_changed_byte_is_seen_and_costs_only_its_line(tmp_path):
    write(tmp_path, DONE)
    path = write(tmp_path, SKIPPED, FAILED, header=replace(HEADER, version="0.2.0"))
    content = path.read_bytes()
    starts = [0, *(k + 1 for k, byte in enumerate(content) if byte == ord("\n"))]
    for place in range(starts[1], len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        found = list(records(tmp_path))
        kept = [record for record in found if record is not None]
        assert len(kept) < len(found), f"a changed byte at {place} was not seen"
        assert len(kept) >= 1
        assert all(record in (DONE, SKIPPED, FAILED) for record in kept)
    for place in range(starts[1] - 1):  # the first header is what tells that the file is ours
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        try:
            found = list(records(tmp_path))
        except UsageError:
            continue
        assert found == [None, DONE, SKIPPED, FAILED]


def test_lines_of_early_versions_have_no_sum(tmp_path):
    lines = [{"format": "texup-manifest", "schema": 2}, as_json(DONE), as_json(SKIPPED)]
    (tmp_path / NAME).write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    write(tmp_path, FAILED)
    assert list(records(tmp_path)) == [DONE, SKIPPED, FAILED]


def test_ends_of_lines_may_have_become_those_of_windows(tmp_path):
    path = write(tmp_path, DONE, SKIPPED)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    write(tmp_path, FAILED)
    assert list(records(tmp_path)) == [DONE, SKIPPED, FAILED]


def test_a_hard_link_to_the_manifest_keeps_what_it_had(tmp_path):
    path = write(tmp_path, DONE)
    content = path.read_bytes()
    os.link(path, tmp_path / "backup")
    write(tmp_path, FAILED)
    assert (tmp_path / "backup").read_bytes() == content
    assert list(records(tmp_path)) == [DONE, FAILED]


# What is no manifest of ours is refused and stays as it is.


def refused(out: Path) -> str:
    with pytest.raises(UsageError) as opened:
        Manifest(out, HEADER)
    with pytest.raises(UsageError) as read:
        history_of(out)
    assert str(opened.value) == str(read.value)
    assert str(out / NAME) in str(read.value)
    return str(read.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"not ours\n",
        b'{"format":"other","schema":1}\n',
        b'{"schema":1}\n',
        b'{"format":"texup-manifest","schema":true}\n',
        b'{"format":"texup-manifest","schema":1}',
        b'{"format":"texup-manifest","schema":0}\n',
        b'{"format":"texup-manifest","schema":-2}\n',
        b'{"format":"texup-manifest","schema":2.0}\n',
        b'{"format":"texup-manifest","schema":' + b"9" * 5000 + b"}\n",
        b'\xef\xbb\xbf{"format":"texup-manifest","schema":2}\n',
        '{"format":"texup-manifest","schema":2}\n'.encode("utf-16"),
        '{"format":"texup-manifest","schema":2,"version":"ä"}\n'.encode(),
        b'["texup-manifest",1]\n',
        b"[" * 100_000 + b"\n",
        b"\xff\xfe\x00",
    ],
)
def test_foreign_files_are_refused_and_left_alone(tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    assert "not a manifest of texup" in refused(tmp_path)
    assert (tmp_path / NAME).read_bytes() == content


def test_a_newer_schema_is_refused_and_left_alone(tmp_path):
    content = json.dumps({"format": "texup-manifest", "schema": SCHEMA + 1}).encode() + b"\n"
    (tmp_path / NAME).write_bytes(content)
    assert "update texup" in refused(tmp_path)
    assert (tmp_path / NAME).read_bytes() == content


def test_a_newer_run_in_an_older_manifest_is_refused(tmp_path):
    write(tmp_path, DONE)
    add_line(tmp_path, {"format": "texup-manifest", "schema": SCHEMA + 1})
    content = (tmp_path / NAME).read_bytes()
    assert "newer texup" in refused(tmp_path)
    assert (tmp_path / NAME).read_bytes() == content


def test_links_pipes_and_folders_are_no_manifest(tmp_path):
    real = write(tmp_path, DONE)
    content = real.read_bytes()
    for make in (lambda p: p.symlink_to(real), os.mkfifo, Path.mkdir):
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        make(out / NAME)
        assert "move it away" in refused(out)
        (out / NAME).rename(tmp_path / "old") if not (out / NAME).is_dir() else (out / NAME).rmdir()
    assert real.read_bytes() == content


def test_without_a_manifest_there_is_no_past(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        history_of(tmp_path / "none")
    manifest = Manifest(tmp_path, HEADER)
    assert manifest.history == History()
    manifest.close()


# What is believed.


def test_the_last_word_on_a_path_counts(tmp_path):
    again = replace(DONE, source_sha256="00" * 32, settings="d2")
    copied = replace(DONE, path="c.txt", outcome="copied", targets=[Written("c.txt", TARGET, 6)])
    retried = replace(copied, path="r.png", outcome="upscaled", targets=[Written("r.png", TARGET, 6)])
    lost = replace(retried, path="broken later.png", targets=[Written("x.png", TARGET, 6)])
    lines = [replace(FAILED, path="r.png"), copied, replace(SKIPPED, path="s.txt"), lost, again, retried]
    write(tmp_path, DONE, *lines, replace(FAILED, path="broken later.png"))
    past, source = history_of(tmp_path), bytes.fromhex(SOURCE)
    assert past.latest == {
        "c.txt": LatestRecord(source, "d1", tuple(copied.targets), "copied", "", is_unjudged=True),
        "s.txt": LatestRecord(source, "d1", (), "skipped", "", is_unjudged=True),
        "a/b.png": LatestRecord(bytes(32), "d2", BOTH, "upscaled", "", is_unjudged=True),
        "r.png": LatestRecord(source, "d1", tuple(retried.targets), "upscaled", "", is_unjudged=True),
        "broken later.png": LatestRecord(source, "d1", (), "failed", "damaged", is_unjudged=True),
    }
    done = {path for path in past.latest if past.done(path)}
    assert done == past.latest.keys() - {"broken later.png"}
    assert past.targets().keys() == {"b/a.png", "b/a_mip1.png", "c.txt", "r.png"}
    assert past.orphans() == {"x.png"}


def test_a_file_belongs_to_the_record_that_named_it_last(tmp_path):
    thief = replace(DONE, path="thief.png", targets=[Written("b/a.png", SOURCE, 7)])
    write(tmp_path, DONE, thief)
    past = history_of(tmp_path)
    assert past.done("a/b.png") is None
    assert past.done("thief.png") is not None
    assert past.targets() == {"b/a.png": thief.targets[0], "b/a_mip1.png": WRITTEN[1]}
    write(tmp_path, DONE)
    assert history_of(tmp_path).targets() == {target.path: target for target in WRITTEN}
    assert history_of(tmp_path).done("thief.png") is None
    assert history_of(tmp_path).done("a/b.png") is not None


def test_what_is_gone_leaves_orphans_until_something_owns_them_again(tmp_path):
    write(tmp_path, DONE, replace(FAILED, path="bad.png"), gone("a/b.png"), gone("bad.png"), gone("never there.png"))
    past = history_of(tmp_path)
    assert past.latest == {}
    assert past.orphans() == {"b/a.png", "b/a_mip1.png"}
    write(tmp_path, replace(DONE, path="c.png", targets=[Written("B/A.png", TARGET, 6)]))
    assert history_of(tmp_path).orphans() == {"b/a_mip1.png"}, "b/a.png and B/A.png may be one file"


def test_a_skipped_file_without_a_hash_is_looked_at_again(tmp_path):
    write(tmp_path, replace(SKIPPED, source_sha256=None))
    assert history_of(tmp_path).done("a/b.png") is None


def test_settings_are_one_object_for_all_files(tmp_path):
    write(tmp_path, DONE, replace(DONE, path="c.png"))
    first, second = history_of(tmp_path).latest.values()
    assert first.settings is second.settings


@pytest.mark.parametrize("path", ["a\\b.png", "C:x.png", "deep/C:\\x.png"])
def test_a_name_that_texup_refuses_can_be_recorded_as_failed(tmp_path, path):
    write(tmp_path, replace(FAILED, path=path), replace(DONE, path=path))
    assert list(records(tmp_path)) == [replace(FAILED, path=path), None]


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "../a.png"},
        {"path": "/etc/passwd"},
        {"path": "a/../../b"},
        {"path": "a\\..\\b"},
        {"path": "C:/a.png"},
        {"path": "a\0b"},
        {"path": "\ud800.png"},
        {"path": "x" * 5000},
        {"path": "../a.png", "outcome": "failed"},
        {"path": "..\\a.png\0", "outcome": "failed"},
        {"path": "/a.png", "outcome": "gone"},
        {"path": ""},
        {"path": 7},
        {"path": None},
        {"outcome": "done"},
        {"outcome": ["upscaled"]},
        {"reason": 1},
        {"source_sha256": "ab"},
        {"source_sha256": SOURCE.upper()},
        {"source_sha256": SOURCE + "\n"},
        {"source_sha256": None},
        {"targets": []},
        {"targets": None},
        {"targets": ["a.png"]},
        {"targets": [["../a.png", TARGET, 6]]},
        {"targets": [["a.png", TARGET, 6], ["/etc/passwd", TARGET, 6]]},
        {"targets": [["a.png", None, 6]]},
        {"targets": [["a.png", 12, 6]]},
        {"targets": [["a.png", TARGET.upper(), 6]]},
        {"targets": [["a.png", TARGET, None]]},
        {"targets": [["a.png", TARGET, -1]]},
        {"targets": [["a.png", TARGET, True]]},
        {"targets": [["a.png", TARGET, 6.0]]},
        {"targets": [["a.png", TARGET, 6, 7]]},
        {"targets": [["a.png", TARGET, 1 << 63]]},
        {"targets": [["a.png", TARGET, 10**4000]]},
        {"targets": [["\udfff.png", TARGET, 6]]},
        {"targets": [["x" * 5000, TARGET, 6]]},
        {"targets": [[f"{k}.png", TARGET, 6] for k in range(65)]},
        {"targets": {}},
        {"settings": None},
        {"policy": []},
        {"precision": 16},
        {"twin_of": 1},
        {"redone": None},
        {"redone": True},
        {"tile": "32"},
        {"given_up": 1},
        {"seconds": "1"},
        {"seconds": float("inf")},
        {"seconds": float("nan")},
        {"seconds": 10**400},
        {"policy": {"a": float("nan")}},
    ],
)
def test_a_line_of_wrong_values_counts_for_nothing(tmp_path, changes):
    write_early(tmp_path, as_json(DONE, **changes), as_json(DONE, path="good.png"))
    assert [record and record.path for record in records(tmp_path)] == [None, "good.png"]
    assert list(history_of(tmp_path).latest) == ["good.png"]
    assert history_of(tmp_path).damaged == 1


def test_paths_and_counts_of_targets_may_be_as_large_as_their_bounds(tmp_path):
    long = "x" * (bounds.MANIFEST_PATH - len("/a.png")) + "/a.png"
    many = [[f"{k}.png", TARGET, 6] for k in range(bounds.MANIFEST_TARGETS)]
    write_early(
        tmp_path, as_json(DONE, path=long), as_json(DONE, targets=[[long, TARGET, 6]]), as_json(DONE, targets=many)
    )
    assert [record and len(record.targets) for record in records(tmp_path)] == [2, 1, bounds.MANIFEST_TARGETS]
    write_early(tmp_path, as_json(DONE, path=f"x{long}"), as_json(DONE, targets=[[f"x{long}", TARGET, 6]]))
    assert list(records(tmp_path)) == [None, None]


@pytest.mark.parametrize("missing", TYPES)
def test_a_line_without_a_value_counts_for_nothing(tmp_path, missing):
    write_early(tmp_path, {name: value for name, value in as_json(DONE).items() if name != missing})
    assert list(records(tmp_path)) == ([replace(DONE, **{missing: LATER[missing]})] if missing in LATER else [None])


def test_values_that_a_later_version_adds_are_passed_over(tmp_path):
    write_early(tmp_path, as_json(DONE, colour="new"))
    assert list(records(tmp_path)) == [DONE]


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"{\n",
        b"[]\n",
        b"null\n",
        b"\0" * 4096 + b"\n",
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b'{"path":' + b"9" * 5000 + b"}\n",
        b'"' + b"x" * (3 * bounds.MANIFEST_LINE) + b'"\n',
        b"\xef\xbb\xbf{}\n",
        '{"path":"ä"}\n'.encode("utf-16"),
        b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"\n",
        b'{"path":"a.png","check":"00000000"}\n',
        b'{"check":"zzzzzzzz"}\n',
    ],
)
def test_damage_in_the_middle_costs_only_its_line(tmp_path, line):
    write(tmp_path, DONE)
    add_line(tmp_path, line)
    write(tmp_path, FAILED)
    assert list(records(tmp_path)) == [DONE, None, FAILED]


def test_a_huge_line_counts_for_nothing_though_its_end_is_a_record(tmp_path):
    write(tmp_path)
    record = json.dumps(as_json(DONE)).encode()
    add_line(tmp_path, b" " * bounds.MANIFEST_LINE + record + b"\n")
    assert list(records(tmp_path)) == [None]


# When a file is done.

FILES = (Written("t.png", TARGET, 6), Written("deep/m.png", TARGET, 3))
ENTRY = LatestRecord(bytes.fromhex(SOURCE), "d1", FILES, "upscaled", "")


@pytest.fixture
def out(tmp_path):
    (tmp_path / "t.png").write_bytes(b"target")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "m.png").write_bytes(b"mip")
    return tmp_path


def test_done_is_same_source_same_settings_and_all_targets_of_their_size(out):
    assert is_done(ENTRY, SOURCE, "d1", out)
    assert not is_done(None, SOURCE, "d1", out)
    assert not is_done(ENTRY, TARGET, "d1", out)
    assert not is_done(ENTRY, SOURCE, "d2", out)
    assert not is_done(ENTRY._replace(targets=(FILES[0], FILES[1]._replace(size=4))), SOURCE, "d1", out)
    (out / "deep" / "m.png").unlink()
    assert not is_done(ENTRY, SOURCE, "d1", out)


def test_a_link_or_a_folder_is_no_target(out):
    (out / "deep" / "m.png").unlink()
    (out / "deep" / "m.png").symlink_to(out / "t.png")
    for name in ("deep/m.png", "deep"):
        target = Written(name, TARGET, (out / name).lstat().st_size)
        assert not is_done(ENTRY._replace(targets=(target,)), SOURCE, "d1", out)


def test_a_skipped_file_needs_no_target(tmp_path):
    entry = LatestRecord(bytes.fromhex(SOURCE), "d1", (), "skipped", "", is_unjudged=True)
    assert is_done(entry, SOURCE, "d1", tmp_path)
    assert not is_done(entry, TARGET, "d1", tmp_path)


def test_records_of_the_first_schema_are_understood(tmp_path):
    old = {name: value for name, value in as_json(DONE).items() if name != "targets"}
    skipped = {"path": "c.txt", "outcome": "skipped", "target_sha256": None, "target_size": None}
    write_early(tmp_path, old | {"target_sha256": TARGET, "target_size": 6}, old | skipped)
    assert [record.targets for record in records(tmp_path)] == [[Written("a/b.png", TARGET, 6)], []]
