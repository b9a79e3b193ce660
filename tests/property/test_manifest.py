"""Laws of the manifest: what is appended comes back, and no damage does more than lose lines."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from hypothesis import example, given, settings
from hypothesis import strategies as st

from texup.errors import UsageError
from texup.manifest.history import NAME, SCHEMA, history_of, is_done, records
from texup.manifest.journal import Manifest, RunHeader
from texup.manifest.record import TYPES, Outcome, Written
from texup.manifest.verification import orphans_of, verify
from texup.packs.walk import is_safe

LAWS = settings(deadline=None, derandomize=True, max_examples=30)
PLACES = st.integers(0, 1 << 20)  # in a manifest, whose length hangs on how many digits the time has
HEADER = RunHeader(SCHEMA, "0.1.0", [], {})
NAMES = st.binary(min_size=1, max_size=12).map(os.fsdecode).filter(lambda name: "/" not in name and is_safe(name))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def some_record(draw: st.DrawFn) -> Outcome:
    outcome = draw(st.sampled_from(["upscaled", "copied", "written", "joined", "skipped", "failed", "gone"]))
    written = outcome in ("upscaled", "copied")
    optional = st.none() if outcome in ("skipped", "failed", "gone") else st.nothing()
    return Outcome(
        path=draw(PATHS),
        outcome=outcome,
        reason=draw(st.none() | st.text(max_size=20)),
        source_sha256=draw(optional | DIGESTS),
        targets=draw(
            st.lists(st.builds(Written, PATHS, DIGESTS, st.integers(0, 2**63 - 1)), max_size=3, min_size=written)
        ),
        settings=draw(st.text(max_size=16)),
        policy=draw(st.dictionaries(st.text(max_size=8), JSON, max_size=4)),
        precision=draw(st.none() | st.sampled_from(["fp16", "bf16", "fp32"])),
        twin_of=draw(st.none() | PATHS),
        redone=draw(st.integers(0, 99)),
        tile=draw(st.none() | st.integers(1, 512)),
        given_up=draw(st.booleans()),
        seconds=draw(st.floats(min_value=0, allow_nan=False, allow_infinity=False)),
    )


def write(out: Path, lines: list[Outcome]) -> None:
    with Manifest(out, HEADER) as manifest:
        for record in lines:
            manifest.append(record)


@LAWS
@given(st.lists(some_record(), max_size=6))
def test_what_is_appended_comes_back(lines):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        write(out, lines)
        assert (out / NAME).read_bytes().isascii()
        assert list(records(out)) == lines
        last = {record.path: record for record in lines}
        past = history_of(out)
        assert past.damaged == 0
        assert past.latest.keys() == {path for path, record in last.items() if record.outcome != "gone"}
        owners = {target.path: record.path for record in lines for target in record.targets}
        mine = {path: {target.path for target in record.targets} for path, record in last.items()}
        for path, record in last.items():
            settled = record.outcome not in ("failed", "gone") and record.source_sha256 is not None
            assert bool(past.done(path)) == (settled and all(owners[name] == path for name in mine[path]))
        live = {name for name, path in owners.items() if last[path].outcome != "gone" and name in mine[path]}
        assert past.targets().keys() == live
        assert past.orphans() <= owners.keys() - live


@LAWS
@given(st.lists(some_record(), min_size=1, max_size=4), some_record(), st.data())
def test_cut_anywhere_it_keeps_the_whole_lines_and_goes_on(lines, new, data):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        write(out, lines)
        content = (out / NAME).read_bytes()
        header = content.index(b"\n") + 1
        cut = header + data.draw(PLACES) % (len(content) - header + 1)
        (out / NAME).write_bytes(content[:cut])
        kept = lines[: content[header:cut].count(b"\n")]
        torn = cut > header and content[cut - 1 : cut] != b"\n"
        assert list(records(out)) == [*kept, *[None] * torn]
        write(out, [new])
        assert list(records(out)) == [*kept, new]


@LAWS
@given(st.lists(some_record(), min_size=1, max_size=3), st.data())
def test_damage_never_does_more_than_lose_lines(lines, data):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        write(out, lines)
        content = bytearray((out / NAME).read_bytes())
        for _ in range(data.draw(st.integers(1, 8))):
            content[data.draw(PLACES) % len(content)] = data.draw(st.integers(0, 255))
        (out / NAME).write_bytes(content)
        try:
            found = list(records(out))
        except UsageError:
            return
        assert all(record is None or (is_safe(record.path) and replace(record) == record) for record in found)


STRANGE = (
    *(float("nan"), float("inf"), -0.0, 10**4000, -1, 2**63, "\ud800", "\0", "a\0.png", "..", "/etc/passwd", "C:/a"),
    *("\\\\host\\x", "a/../b", "\x1b[2J", "\u202egnp.exe", [["../a", "0" * 64, 1]], [["a", "0" * 64, 10**30]]),
    *("x" * 70_000, [[["a"]]], {"a": {"b": {}}}, "texup-manifest", "gone", "failed", "0" * 64, [[]], [None], True),
)
ANY = JSON | st.sampled_from(STRANGE)


@settings(LAWS, max_examples=150)
@given(st.dictionaries(st.sampled_from([*TYPES, "format", "schema", "target_size", "check", "x"]), ANY), some_record())
def test_p24_any_value_in_any_field_is_no_more_than_a_line_lost(changes, record):
    """A line of a stranger's hand, right but for some fields, must never raise anything but a refusal."""
    sound = {name: getattr(record, name) for name in TYPES}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        out.mkdir()
        values = [{"format": "texup-manifest", "schema": SCHEMA}, sound | changes, changes]
        (out / NAME).write_bytes(b"".join(json.dumps(value).encode("ascii") + b"\n" for value in values))
        try:
            past = history_of(out)
        except UsageError:
            return  # a header of a newer version
        for path, last in past.latest.items():
            assert all(is_safe(target.path) and 0 <= target.size < 2**63 for target in last.targets)
            assert is_done(last, "0" * 64, last.settings, out) in (False, last.source_sha256 == bytes(32))
            past.done(path)
        assert all(finding.problem in ("changed", "failed", "missing") for finding in verify(out, past))
        assert orphans_of(out) == []
        assert (os.listdir(folder), os.listdir(out)) == (["out"], [NAME])


@LAWS
@given(
    st.lists(st.sampled_from(["..", ".", "", "a", "C:", "\\", "a\\..\\..", "//", "\0", "~"]), max_size=5).map("/".join)
)
@example("a/../../b")
def test_a_safe_path_stays_below_on_every_system(path):
    if is_safe(path):
        for flavour in (PurePosixPath, PureWindowsPath):
            joined = flavour("root") / path
            assert joined.parts[0] == "root"
            assert len(joined.parts) > 1
            assert ".." not in joined.parts
            assert joined.as_posix() == f"root/{path}"
