"""Sources that change while a run is on: what is recorded is true of the bytes that were used, and the rest is told."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from texup import files
from texup.calls import doing
from texup.files import read_pieces, sha256_of
from texup.manifest.history import history_of
from texup.textures.codecs.files import decode
from texup.upscaling import copying, reading, starting

from ..builders import noise

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be replaced there")


def cube_map(seed: int) -> bytes:
    """Return a DDS that is copied for what its header says."""
    data = bytearray(noise(seed, channels=4, format_="dds"))
    struct.pack_into("<I", data, 112, 0xFE00)
    return bytes(data)


LIMIT = 120  # seconds; no measure, a guard
GAP = 20_000_000  # ns; more than the step of any file system's clock


def put(path: Path, data: bytes, older=0) -> None:
    """Write a file whose time is a step away from that of the one before."""
    path.write_bytes(data)
    os.utime(path, ns=(path.stat().st_mtime_ns, path.stat().st_mtime_ns - GAP * older))


@pytest.fixture(autouse=True)
def no_test_hangs(request, tmp_path):
    """Fails a test that waits for a pipe; a writer that comes and goes lets the waiting threads end."""

    def fail(*_) -> None:
        for path in tmp_path.rglob("*"):
            if path.is_fifo():
                os.close(os.open(path, os.O_RDWR))
        pytest.fail("it hangs")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(0 if request.node.get_closest_marker("slow") else LIMIT)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


FILES = {
    "a.png": noise(1),
    "b.png": noise(2),
    "film.bin": np.random.default_rng(3).bytes((2 << 20) + 7),
    "sky.dds": cube_map(4),
    "skipped.png": noise(5),
    "texup.toml": b'[[rule]]\nmatch = "skipped.png"\naction = "skip"\n',
}


@pytest.fixture
def pack(tmp_path) -> Path:
    folder = tmp_path / "pack"
    folder.mkdir()
    for name, data in FILES.items():
        put(folder / name, data, older=1)
    return folder


@pytest.fixture
def upscale(texup, weights, tmp_path):
    def call(*options):
        options = ("--copy-other", "--jobs", "1", "--overlap", "8", "--json", *options)
        return texup("upscale", tmp_path / "pack", "-o", tmp_path / "out", "--model", weights, *options)

    return call


def assert_recovers(upscale, pack: Path, out: Path) -> None:
    """Hold that the same command makes good whatever was told, and that then all is true."""
    result = upscale()
    assert result.code == 0, result.err
    for name in FILES:
        last = history_of(out).latest[name]
        assert last.outcome != "failed"
        known = None if last.outcome == "skipped" else hashlib.sha256((pack / name).read_bytes()).digest()
        assert last.source_sha256 == known
        if last.outcome == "copied":
            assert (out / name).read_bytes() == (pack / name).read_bytes()
    assert upscale().json["counts"] == {"unchanged": len(FILES)}


# The reader itself.


def write_at(path: Path, place: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(data)


SIZE = 3 * files.CHUNK


@pytest.mark.parametrize(
    "change",
    [
        lambda path: put(path, b"x" * SIZE),
        lambda path: put(path, b"short"),
        lambda path: put(path, b""),
        lambda path: write_at(path, SIZE, b"more"),
        lambda path: write_at(path, 5, b"!"),
        lambda path: os.truncate(path, SIZE - 1),
        lambda path: os.truncate(path, SIZE + 1),
    ],
    ids=["rewritten", "shorter", "emptied", "longer", "in place", "cut by one", "grown by one"],
)
@pytest.mark.parametrize("after", [1, 2, 3])
def test_p07_a_file_that_changes_while_it_is_read_is_told(tmp_path, change, after):
    path = tmp_path / "file"
    put(path, b"x" * SIZE, older=1)
    pieces = read_pieces(path)
    for _ in range(after):
        next(pieces)
    change(path)
    with pytest.raises(OSError, match="changed meanwhile"):
        list(pieces)


def test_p07_a_file_that_grows_for_ever_is_not_read_for_ever(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"x")
    read = 0

    def read_while_it_grows() -> None:
        nonlocal read
        with path.open("ab") as log:
            for piece in read_pieces(path):
                read += len(piece)
                log.write(bytes(files.CHUNK))
                log.flush()

    with pytest.raises(OSError, match="changed meanwhile"):
        read_while_it_grows()
    assert read <= 2 * files.CHUNK


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_p07_what_is_no_file_is_not_waited_for(tmp_path, make):
    make(tmp_path / "x")
    with pytest.raises(OSError, match=r"not a file|Is a directory"):
        list(read_pieces(tmp_path / "x"))


def test_p07_an_unchanged_file_is_read_as_it_is(tmp_path):
    for size in (0, 1, files.CHUNK, files.CHUNK + 1):
        (tmp_path / "x").write_bytes(b"x" * size)
        assert b"".join(read_pieces(tmp_path / "x")) == b"x" * size
        assert sha256_of(tmp_path / "x") == hashlib.sha256(b"x" * size).hexdigest()


# Between plan and reading.

AFTER_PLAN: dict[str, Callable[[Path], object]] = {
    "removed": Path.unlink,
    "pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    "dangling link": lambda path: (path.unlink(), path.symlink_to("nowhere")),
    "loop": lambda path: (path.unlink(), path.symlink_to(path.name)),
}


@pytest.mark.parametrize("change", AFTER_PLAN.values(), ids=AFTER_PLAN)
def test_p06_a_source_that_vanished_after_the_plan_fails_alone(upscale, pack, tmp_path, monkeypatch, change):
    plan_of = doing.plan_of

    def planned(this):
        plan = plan_of(this)
        for name in FILES.keys() - {"b.png"}:
            change(pack / name)
        return plan

    monkeypatch.setattr(doing, "plan_of", planned)
    result = upscale()
    assert result.code == 3, result.err
    failed = {failure["path"] for failure in result.json["failures"]}
    assert failed == FILES.keys() - {"b.png", "skipped.png", "texup.toml"}, "what is left out is not looked at"
    assert sha256_of(tmp_path / "out" / "b.png")
    assert all(failure["reason"].startswith("cannot read: ") for failure in result.json["failures"])
    monkeypatch.setattr(doing, "plan_of", plan_of)
    for name in FILES.keys() - {"b.png"}:
        shutil.rmtree(pack / name) if (pack / name).is_dir() else (pack / name).unlink(missing_ok=True)
        put(pack / name, FILES[name])
    assert_recovers(upscale, pack, tmp_path / "out")


def test_p07_a_source_that_is_replaced_after_the_plan_is_recorded_as_what_was_read(
    upscale, pack, tmp_path, monkeypatch
):
    plan_of, new = (
        doing.plan_of,
        {"a.png": noise(11, side=8), "film.bin": b"new", "sky.dds": noise(12, format_="dds")},
    )

    def planned(this):
        plan = plan_of(this)
        for name, data in new.items():
            put(pack / name, data)
        return plan

    monkeypatch.setattr(doing, "plan_of", planned)
    assert upscale().code == 0
    out = tmp_path / "out"
    assert history_of(out).done("sky.dds").outcome == "upscaled"
    assert decode((out / "a.png").read_bytes(), "a.png").pixels.shape == (32, 32, 3)
    assert_recovers(upscale, pack, out)


# While it is read, decided about, or copied.


def test_p07_the_recorded_hash_is_of_the_bytes_that_were_decoded(upscale, pack, tmp_path, monkeypatch):
    """The file is another one as soon as its bytes are in memory; the next run must see that."""
    read_file = reading.read_file

    def then_replaced(folder, path):
        data = read_file(folder, path)
        if path == "a.png":
            put(folder / path, noise(21))
        return data

    monkeypatch.setattr(reading, "read_file", then_replaced)
    assert upscale().code == 0
    out = tmp_path / "out"
    first = (out / "a.png").read_bytes()
    assert history_of(out).done("a.png").source_sha256 == hashlib.sha256(FILES["a.png"]).digest()
    monkeypatch.setattr(reading, "read_file", read_file)
    assert upscale().json["counts"] == {"unchanged": 5, "upscaled": 1}
    assert (out / "a.png").read_bytes() != first
    assert_recovers(upscale, pack, out)


@pytest.mark.parametrize("name", ["a.png", "film.bin"])
def test_p07_a_source_that_is_written_while_it_is_read_fails_alone(upscale, pack, tmp_path, monkeypatch, name):
    def changing(path):
        pieces = read_pieces(path)
        if path == pack / name:
            yield next(pieces)
            put(path, FILES[name][:-1] + b"!")
        yield from pieces

    for module in (reading, copying):
        monkeypatch.setattr(module, "read_pieces", changing)
    result = upscale()
    assert (result.code, result.json["counts"]["failed"]) == (3, 1)
    reason = "cannot read: changed meanwhile; run the same command again"
    assert result.json["failures"] == [{"path": name, "reason": reason}]
    out = tmp_path / "out"
    assert not (out / name).exists()
    assert not list(out.rglob("*.tmp"))
    put(pack / name, FILES[name])
    monkeypatch.undo()
    assert_recovers(upscale, pack, out)


@pytest.mark.parametrize("new", [cube_map(31), noise(32, format_="dds")], ids=["another cube map", "a texture now"])
def test_p07_a_file_that_is_copied_for_its_content_is_the_one_that_was_looked_at(
    upscale, pack, tmp_path, monkeypatch, new
):
    read = starting.read

    def then_replaced(planned, *arguments):
        found = read(planned, *arguments)
        if planned.path == "sky.dds":
            put(pack / "sky.dds", new)
        return found

    monkeypatch.setattr(starting, "read", then_replaced)
    result = upscale()
    assert result.code == 3
    assert [failure["path"] for failure in result.json["failures"]] == ["sky.dds"]
    assert "changed meanwhile" in result.json["failures"][0]["reason"]
    assert not (tmp_path / "out" / "sky.dds").exists()
    monkeypatch.setattr(starting, "read", read)
    assert_recovers(upscale, pack, tmp_path / "out")


def test_p07_a_copy_is_recorded_as_what_was_copied(upscale, pack, tmp_path, monkeypatch):
    """The source is another file right after its last byte: record and copy are of the first."""

    def then_replaced(path):
        yield from read_pieces(path)
        if path == pack / "film.bin":
            put(path, b"another film")

    monkeypatch.setattr(copying, "read_pieces", then_replaced)
    assert upscale().code == 0
    out = tmp_path / "out"
    assert (out / "film.bin").read_bytes() == FILES["film.bin"]
    assert history_of(out).done("film.bin").source_sha256 == hashlib.sha256(FILES["film.bin"]).digest()
    monkeypatch.undo()
    assert_recovers(upscale, pack, out)


def test_p06_a_source_that_cannot_be_read_to_its_end_does_not_end_the_run(upscale, pack, tmp_path, monkeypatch):
    """An error of reading in the middle of a copy is not one of writing."""

    def broken(path):
        pieces = read_pieces(path)
        yield next(pieces)
        if path == pack / "film.bin":
            raise OSError(5, "Input/output error")
        yield from pieces

    monkeypatch.setattr(copying, "read_pieces", broken)
    result = upscale()
    assert result.code == 3
    assert result.json["failures"] == [{"path": "film.bin", "reason": "cannot read: Input/output error"}]
    assert not list((tmp_path / "out").rglob("*.tmp"))
    monkeypatch.undo()
    assert_recovers(upscale, pack, tmp_path / "out")


@pytest.mark.slow
def test_p07_sources_that_are_written_all_the_time(upscale, pack, tmp_path):
    """A program rewrites the pack in place while runs go on: what is recorded is what was used.

    A half-written file that stands still while it is read cannot be told from a whole one, but by its checksums.
    """
    versions = {name: [data, data[::-1], data + data[:50]] for name, data in FILES.items() if name == "film.bin"}
    versions |= {name: [noise(seed, side=32) for seed in range(40, 44)] for name in ("a.png", "b.png")}
    ended = threading.Event()

    def write() -> None:
        dice = np.random.default_rng(7)
        while not ended.is_set():
            name = [*versions][dice.integers(len(versions))]
            data, at = versions[name][dice.integers(len(versions[name]))], dice.integers(1, 40)
            with (pack / name).open("r+b") as file:
                file.write(data[:at])
                file.flush()
                file.write(data[at:])
                file.truncate()

    writer = threading.Thread(target=write)
    writer.start()
    told = used = 0
    try:
        for _ in range(40):
            result = upscale("--force")
            told += len(result.json["failures"])
            for name, states in versions.items():
                last = history_of(tmp_path / "out").latest[name]
                if last.outcome == "copied":
                    used += 1
                    assert last.source_sha256.hex() == sha256_of(tmp_path / "out" / name)
                elif last.outcome == "upscaled":
                    used += 1
                    assert last.source_sha256 in {hashlib.sha256(data).digest() for data in [*states, FILES[name]]}
    finally:
        ended.set()
        writer.join()
    assert told
    assert used
    print(f"\n{told} told, {used} used and true")


def test_what_is_skipped_is_never_read_and_what_was_copied_not_again(texup, weights, tmp_path, monkeypatch):
    """A disk image of 40 GB beside the textures costs nothing where it is left out, one reading where it is copied."""
    pack, read = tmp_path / "pack", []
    command = ("upscale", pack, "-o", tmp_path / "out", "--model", weights, "--overlap", "8", "--json")
    pack.mkdir()
    for name, data in {"a.png": noise(1), "disk.iso": b"image"}.items():
        put(pack / name, data, older=1)

    def run(*options) -> dict[str, int]:
        read.clear()
        result = texup(*command, *options)
        assert result.code == 0, result.err
        return result.json["counts"]

    real = os.open

    def noted(path, *arguments, **how):
        if str(path).endswith("disk.iso"):
            read.append(path)
        return real(path, *arguments, **how)

    monkeypatch.setattr("texup.files.os.open", noted)
    assert (run(), read) == ({"upscaled": 1, "skipped": 1}, [])
    put(pack / "disk.iso", b"another", older=2)
    assert (run(), read) == ({"unchanged": 2}, [])
    assert (run("--force"), read) == ({"upscaled": 1, "skipped": 1}, [])
    assert run("--copy-other") == {"unchanged": 1, "copied": 1}
    assert len(read) == 1
    assert (run("--copy-other"), read) == ({"unchanged": 2}, [])
    os.utime(pack / "disk.iso")
    assert run("--copy-other") == {"unchanged": 2}
    assert len(read) == 1, "another time: its bytes are looked at"
    put(pack / "disk.iso", b"changed", older=3)
    assert run("--copy-other") == {"unchanged": 1, "copied": 1}
    assert (tmp_path / "out" / "disk.iso").read_bytes() == b"changed"
    (tmp_path / "out" / "disk.iso").write_bytes(b"CHANGED")
    assert texup("verify", tmp_path / "out").code == 3, "verify reads all"
