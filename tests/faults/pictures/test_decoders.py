"""Decoders that crash, hang, talk or eat memory: one file fails, in bounded time and memory, and never twice."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from texup.errors import DecoderDied, UnreadableTexture, UnsupportedTexture
from texup.textures.codecs import decoders as codec_process
from texup.textures.codecs import files as codecs
from texup.textures.codecs.decoders import BYTES_A_PIXEL, Decoders

PATIENCE = 60.0  # seconds until a test that hangs fails; nothing here is expected to take more than a few
LIMIT = 1 << 20
# What a picture with a fault in its decoder might do, by the first word of its name.
EVIL = """
import ctypes, os, pathlib, resource, sys, time
from texup.errors import UnreadableTexture
from texup.textures.codecs import files as codecs

def decode(data, name, max_pixels):
    with open({log!r}, "a") as log:
        log.write(name + "\\n")
    what = name.partition("-")[0]
    if what == "segfault":
        ctypes.string_at(0)
    if what == "abort":
        os.abort()
    if what == "killed":
        os.kill(os.getpid(), 9)
    if what == "quits":
        os._exit(0)
    if what == "raises":
        raise ZeroDivisionError
    if what == "sleeps":
        time.sleep(1000)
    if what == "spins":
        while True:
            pass
    if what == "holds":  # the interpreter's lock, as native code does
        ctypes.PyDLL(None).sleep(1000)
    if what == "closes":
        os.closerange(0, 64)
    if what == "prints":
        os.system("") or os.write(1, b"('texture', (1, 1, 1), '|u1', dict())\\n")
    if what in ("babbles", "mutters"):
        for number in range(3, 10):  # one of them leads to the run
            try:
                os.write(number, bytes.fromhex(name.split("-")[1]))
            except OSError:
                pass
        if what == "babbles":  # and does not end by itself
            time.sleep(1000)
        os._exit(0)
    if what == "eats":
        eaten = [bytearray(1 << 24) for _ in range(1 << 16)]
    if what == "tells":
        raise UnreadableTexture(" ".join(sorted(sys.modules)))
    return codecs.decode(data, name.replace("prints-", ""), max_pixels)
"""
DYING = {
    "segfault": "SIGSEGV",
    "abort": "SIGABRT",
    "killed": "SIGKILL",
    "quits": "exit status 0",
    "raises": "exit status 1",
    "closes": "exit status 120",
}
HANGING = ("sleeps", "spins", "holds")


@pytest.fixture
def picture(wall) -> bytes:
    return codecs.encode(codecs.Texture(wall(12, 16), codecs.Container("png")))


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """Makes decoders that run ``EVIL``; gives them and the file that names all they were asked for."""
    made, log = [], tmp_path / "log"
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "evil_decoder.py").write_text(EVIL.format(log=str(log)))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))

    def make(seconds=PATIENCE) -> Decoders:
        made.append(Decoders("evil_decoder:decode", seconds))
        return made[-1]

    make.log = log
    yield make
    for decoders in made:
        decoders.close()


def pids(decoders) -> list[int]:
    return [process._popen.pid for process in decoders._all]


def is_gone(pid: int) -> bool:
    """Wait for the end of a process that is no child of this one."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True  # nobody waits for orphans in a container without init
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_p06_every_kind_of_texture_is_the_same_from_another_process(sound, decoders):
    for name, data in sound.items():
        here, there = codecs.decode(data, name, LIMIT), decoders.decode(data, name, LIMIT)
        assert here.container == there.container
        assert here.pixels.dtype == there.pixels.dtype
        assert np.array_equal(here.pixels, there.pixels), name
        assert there.pixels.flags.c_contiguous


def test_p06_many_threads_may_ask_at_once(decoders, picture):
    expected = codecs.decode(picture, "a.png", LIMIT)
    found = []

    def ask() -> None:
        found.extend(decoders.decode(picture, "a.png", LIMIT) for _ in range(150))

    threads = [Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 900
    assert all(texture.container == expected.container for texture in found)
    assert all(np.array_equal(texture.pixels, expected.pixels) for texture in found)


NONSENSE = (b"[]", b"{}", b"7", b"nothing", b'["texture"]', b"[" * 900, b'["texture", [-1, 2], "u1", {}]')


@pytest.mark.parametrize(("answer", "what"), [(NONSENSE[0], "babbles"), *((answer, "mutters") for answer in NONSENSE)])
def test_p06_nonsense_is_the_death_of_a_decoder(evil, picture, answer, what):
    name = f"{what}-{(answer + bytes([10])).hex()}-.png"
    with pytest.raises(DecoderDied, match="it killed its decoder"):
        evil().decode(picture, name, LIMIT)


@pytest.mark.parametrize("name", ["a.png", "[/x] \n\x1b[31m.png", "\udcff\u202e.png", "'\"\\.png", "x" * 250 + ".png"])
def test_p06_errors_come_back_as_they_are(decoders, picture, name):
    for data, kind in ((picture[:-9], UnreadableTexture), (b"", UnreadableTexture)):
        with pytest.raises(kind) as here:
            codecs.decode(data, name, LIMIT)
        with pytest.raises(kind) as there:
            decoders.decode(data, name, LIMIT)
        assert str(there.value) == str(here.value)
    with pytest.raises(UnsupportedTexture, match="more than the limit of 100 pixels"):
        decoders.decode(picture, name, 100)
    assert decoders.decode(picture, name, LIMIT).pixels.shape == (12, 16, 3)


@pytest.mark.parametrize("kind", DYING)
def test_p06_a_decoder_that_dies_takes_down_one_file(evil, picture, kind):
    decoders = evil()
    for _ in range(2):
        with pytest.raises(DecoderDied, match=f"^{kind}-a.png: it killed its decoder .{DYING[kind]}.;"):
            decoders.decode(picture, f"{kind}-a.png", LIMIT)
        assert decoders.decode(picture, "good.png", LIMIT).pixels.shape == (12, 16, 3)
    assert len(pids(decoders)) == 1


@pytest.mark.parametrize("kind", HANGING)
def test_p06_a_decoder_that_hangs_is_ended(evil, picture, kind):
    decoders, began = evil(1.0), time.monotonic()
    with pytest.raises(DecoderDied, match=f"{kind}-a.png: decoding it took more than 1 seconds; put back a sound copy"):
        decoders.decode(picture, f"{kind}-a.png", LIMIT)
    assert time.monotonic() - began < PATIENCE
    assert decoders.decode(picture, "good.png", LIMIT).pixels.shape == (12, 16, 3)


def test_p06_what_a_library_prints_is_no_answer(evil, picture):
    assert evil().decode(picture, "prints-a.png", LIMIT).pixels.shape == (12, 16, 3)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs a system that limits address space")
def test_p15_a_decoder_gets_no_more_memory_than_its_picture_may_need(evil, picture):
    decoders = evil()
    for _ in range(2):
        with pytest.raises(UnsupportedTexture, match=r"^eats-a.png: decoding it takes too much memory"):
            decoders.decode(picture, "eats-a.png", LIMIT)
    (pid,) = pids(decoders)
    peak = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) << 10 < BYTES_A_PIXEL * LIMIT + (1 << 29)
    assert decoders.decode(picture, "good.png", LIMIT).pixels.shape == (12, 16, 3)


def test_p15_macos_tells_the_address_space_by_psutil_and_windows_limits_none(monkeypatch):
    def no_proc(*_):
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", no_proc)
    process = SimpleNamespace(memory_info=lambda: SimpleNamespace(vms=400 << 30))
    monkeypatch.setitem(sys.modules, "psutil", SimpleNamespace(Process=lambda: process))
    assert codec_process._address_space() == 400 << 30
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert codec_process._address_space() == 0


def test_p16_only_the_named_decoders_are_there(evil, decoders, sound, picture):
    spy = evil()
    for name, data in sound.items():
        spy.decode(data, name, LIMIT)
    with pytest.raises(UnreadableTexture) as told:
        spy.decode(picture, "tells", LIMIT)
    modules = str(told.value).split()
    assert {m for m in modules if m.startswith("PIL.") and m.endswith("Plugin")} == {
        "PIL.JpegImagePlugin",
        "PIL.WebPImagePlugin",
    }
    assert "texup.textures.codecs.files" in modules
    assert not {"torch", "ssl", "http", "urllib.request", "pickle5", "click", "rich"} & set(modules)


def test_p16_modules_of_strangers_are_not_imported(tmp_path, picture, monkeypatch):
    for name in ("ast", "numpy", "PIL", "texup", "signal", "sitecustomize", "usercustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "numpy.py"))
    with Decoders() as decoders:
        decoders.decode(picture, "a.png", LIMIT)
    assert not (tmp_path / "canary").exists()


def test_p21_closing_ends_what_hangs_at_once(evil, picture):
    decoders, failures = evil(), []

    def ask(name):
        try:
            decoders.decode(picture, name, LIMIT)
        except DecoderDied as error:
            failures.append(error)

    threads = [Thread(target=ask, args=(f"{kind}-{k}.png",)) for k in range(2) for kind in HANGING]
    for thread in threads:
        thread.start()
    while not evil.log.exists() or len(evil.log.read_text().splitlines()) < len(threads):
        time.sleep(0.02)
    running = pids(decoders)
    assert len(running) == len(threads)
    decoders.close()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(failures) == len(threads)
    assert all(is_gone(pid) for pid in running)


@pytest.mark.thorough
@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize("name", ["good.png", *(f"{kind}-a.png" for kind in HANGING)])
def test_p04_decoders_do_not_outlive_a_killed_run(tmp_path, evil, picture, name):
    (tmp_path / "a").write_bytes(picture)
    code = (
        "import os, sys; sys.path[:] = eval(sys.argv[1]); from threading import Thread;"
        "from texup.textures.codecs.decoders import Decoders; d = Decoders('evil_decoder:decode', 1.0);"
        "data = open(sys.argv[2], 'rb').read(); d.decode(data, 'good.png', 1 << 20);"
        "print([p._popen.pid for p in d._all][0], flush=True); d.decode(data, sys.argv[3], 1 << 20); input()"
    )
    command = [sys.executable, "-c", code, ascii(sys.path), str(tmp_path / "a"), name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as run:
        pid = int(run.stdout.readline())
        while name not in evil.log.read_text().split():
            time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert is_gone(pid)


def test_p23_a_process_that_cannot_start_costs_its_file_one_line(monkeypatch, picture):
    with (
        Decoders("no_such_module:decode") as decoders,
        pytest.raises(UnreadableTexture, match="did not start"),
    ):
        decoders.decode(picture, "a.png", LIMIT)
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with (
        Decoders() as decoders,
        pytest.raises(UnreadableTexture, match="cannot start a process that decodes pictures: No such"),
    ):
        decoders.decode(picture, "a.png", LIMIT)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of Unix")
@pytest.mark.parametrize("killed", [1, 2, 3])
def test_p23_a_process_that_is_killed_while_it_starts_is_started_again_twice(monkeypatch, picture, killed):
    popen, started = subprocess.Popen, []

    def start(*arguments, **how):
        started.append(popen(*arguments, **how))
        if len(started) <= killed:
            started[-1].kill()
        return started[-1]

    monkeypatch.setattr("texup.textures.codecs.decoders.subprocess.Popen", start)
    with Decoders() as decoders:
        if killed == 3:
            with pytest.raises(UnreadableTexture, match="did not start"):
                decoders.decode(picture, "a.png", LIMIT)
        assert decoders.decode(picture, "b.png", LIMIT).pixels.shape
    assert len(started) == killed + 1


def test_processes_that_were_started_ahead_are_those_that_decode(picture):
    with Decoders() as decoders:
        decoders.start(2)
        ahead = pids(decoders)
        assert decoders.decode(picture, "a.png", LIMIT).pixels.shape
        assert sorted(pids(decoders)) == sorted(ahead)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of Unix")
def test_p23_a_process_that_was_started_ahead_and_died_costs_nothing(picture):
    with Decoders() as decoders:
        decoders.start(1)
        (pid,) = pids(decoders)
        os.kill(pid, signal.SIGKILL)
        assert decoders.decode(picture, "a.png", LIMIT).pixels.shape
        assert pid not in pids(decoders)


def test_processes_that_were_started_ahead_end_with_a_run_that_is_refused(pack, tmp_path, texup, weights, monkeypatch):
    made = []

    def make() -> Decoders:
        made.append(Decoders())
        return made[-1]

    monkeypatch.setattr("texup.upscaling.pack.Decoders", make)
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    assert texup("upscale", pack, "-o", out, "--model", weights).code == 2
    assert [decoders._all for decoders in made] == [set()]


def test_p06_a_run_whose_decoders_do_not_start_fails_by_file(pack, tmp_path, texup, weights, monkeypatch):
    command = ("upscale", pack, "-o", tmp_path / "out", "--model", weights, "--json")
    with monkeypatch.context() as patch:
        patch.setattr("texup.upscaling.pack.Decoders", partial(Decoders, "no_such_module:decode"))
        result = texup(*command)
        assert (result.code, result.json["counts"]) == (3, {"failed": 4})
    assert texup(*command).json["counts"] == {"upscaled": 4}


@pytest.fixture
def pack(tmp_path, wall) -> Path:
    """Two sound textures around one that kills its decoder and one that hangs it."""
    folder = tmp_path / "pack"
    folder.mkdir()
    for k, name in enumerate(("a.png", "segfault-b.png", "sleeps-c.png", "z.png")):
        Image.fromarray(wall(12, 16, seed=k)).save(folder / name)
    return folder


@pytest.mark.thorough
def test_p06_a_run_goes_on_and_the_next_does_not_stumble_again(evil, pack, tmp_path, texup, weights, monkeypatch):
    monkeypatch.setattr("texup.upscaling.pack.Decoders", partial(Decoders, "evil_decoder:decode", 1.0))
    out = tmp_path / "out"
    command = ("upscale", pack, "-o", out, "--model", weights, "--gate", "off")

    def run(*options, tried, counts):
        evil.log.write_text("")
        result = texup(*command, "--json", *options)
        assert (result.code, result.json["counts"]) == (3, counts)
        assert sorted(evil.log.read_text().split()) == sorted(tried)
        assert len(result.err.splitlines()) == len(result.json["failures"]) + 1
        return {failure["path"]: failure["reason"] for failure in result.json["failures"]}

    everything = [p.name for p in pack.iterdir()]
    killed, hung = "it killed its decoder (SIGSEGV); put back a sound copy", "decoding it took more than 1 seconds"
    first = run(tried=everything, counts={"upscaled": 2, "failed": 2})
    assert first["segfault-b.png"] == killed
    assert hung in first["sleeps-c.png"]
    for _ in range(2):
        again = run(tried=[], counts={"unchanged": 2, "failed": 2})
        assert again == {path: f"tried before, --force tries again: {reason}" for path, reason in first.items()}
    shutil.copyfile(pack / "a.png", pack / "sleeps-c.png")  # another file: worth a try
    assert list(run(tried=["sleeps-c.png"], counts={"unchanged": 2, "failed": 2}))
    run("--alpha", "copy", tried=everything, counts={"upscaled": 2, "failed": 2})  # other settings
    assert run("--force", tried=everything, counts={"upscaled": 2, "failed": 2})["segfault-b.png"] == killed
    lines = [json.loads(line) for line in (out / "texup-manifest.jsonl").read_text().splitlines()]
    assert {line["path"] for line in lines if "path" in line} == set(everything)
    shutil.copyfile(pack / "a.png", pack / "b.png")
    (pack / "segfault-b.png").unlink()
    (pack / "sleeps-c.png").unlink()
    assert texup(*command).code == 0


def test_p06_inspect_survives_too(evil, pack, texup, weights, monkeypatch):
    monkeypatch.setattr("texup.upscaling.survey.Decoders", partial(Decoders, "evil_decoder:decode", 1.0))
    result = texup("inspect", pack, "--model", weights, "--json")
    assert result.code == 0
    actions = {file["path"]: file["action"] for file in result.json["files"]}
    assert actions == {"a.png": "upscale", "segfault-b.png": "refuse", "sleeps-c.png": "refuse", "z.png": "upscale"}


def test_p15_no_core_file_and_no_open_pipe_is_left(evil, picture):
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    decoders = evil()
    for _ in range(3):
        with pytest.raises(DecoderDied):
            decoders.decode(picture, "abort-a.png", LIMIT)
    decoders.close()
    if before:
        assert len(os.listdir("/proc/self/fd")) == before
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
