"""texup watch: a folder that fills while it is upscaled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from texup.locks import LOCK_NAME, output_lock
from texup.packs import filling
from texup.upscaling import watching

from ..builders import noise, picture

ROOT = Path(__file__).parents[2]
MANIFEST = "texup-manifest.jsonl"
STOPPED = "texup: stopped; what is finished stays, and the same command goes on from there"
Steps = dict[int, Callable[[], object]]

# Writes files of names and bytes as emulators, copies and browsers do: out of order, in parts, by a rename.
WRITER = """
import os, sys, time
from pathlib import Path
dump, source = map(Path, sys.argv[1:])
def parts(name):
    data = (source / name).read_bytes()
    (dump / name).parent.mkdir(parents=True, exist_ok=True)
    with (dump / name).open("wb", buffering=0) as file:
        for k in range(0, len(data), len(data) // 4 + 1):
            file.write(data[k : k + len(data) // 4 + 1])
            time.sleep(0.15)
def renamed(name):
    (dump / name).parent.mkdir(parents=True, exist_ok=True)
    part = dump / (name + ".part")
    part.write_bytes((source / name).read_bytes()[:50])
    time.sleep(0.3)
    part.write_bytes((source / name).read_bytes())
    part.rename(dump / name)
names = sorted(p.relative_to(source).as_posix() for p in source.rglob("*.*"))
for k, name in enumerate(reversed(names)):
    (renamed if k % 3 == 0 else parts)(name)
"""


def tree(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file() and p.name != MANIFEST}


def records(out: Path) -> list[tuple[str, str]]:
    """Return (path, outcome) of every record, in the order of the manifest."""
    lines = [json.loads(line) for line in (out / MANIFEST).read_text().splitlines()]
    return [(line["path"], line["outcome"]) for line in lines if "path" in line]


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.fixture
def dump(tmp_path) -> Path:
    (tmp_path / "dump").mkdir()
    return tmp_path / "dump"


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def watch(texup, dump, out, catalog, monkeypatch):
    """Runs ``texup watch`` by a clock that only its sleeping moves, and does a step of the game at each second."""

    def run(steps: Steps | None = None, *options, idle: float = 5):
        clock = SimpleNamespace(now=1000.0)

        def sleep(seconds: float) -> None:
            clock.now += seconds
            (steps or {}).get(round(clock.now - 1000), lambda: None)()

        fake = SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep)
        for module in (watching, filling):
            monkeypatch.setattr(module, "time", fake)
        ungated = ("--gate", "off")  # the noise of these textures looks wrong to it, which is told behind their names
        result = texup("watch", dump, "-o", out, "--until-idle", str(idle), *ungated, *options)
        return SimpleNamespace(code=result.code, lines=result.err.splitlines(), seconds=clock.now - 1000)

    return run


def told(result, *words: str) -> list[str]:
    return sorted(line for line in result.lines if line.startswith(words))


def test_files_are_done_as_they_come_and_are_those_of_upscale(watch, texup, dump, out, tmp_path):
    put(dump / "first.png", noise(1))
    steps = {
        3: lambda: put(dump / "deep" / "second.tga", noise(2, format_="tga")),
        4: lambda: put(dump / "third.png", noise(3)),
        5: lambda: put(dump / "notes.txt", b"no texture"),
    }
    result = watch(steps)
    assert result.code == 0
    assert told(result, "upscaled") == [f"upscaled: {name}" for name in ("deep/second.tga", "first.png", "third.png")]
    done = [(name, "upscaled") for name in ("first.png", "deep/second.tga", "third.png")]
    assert records(out) == [*done, ("notes.txt", "skipped")]
    assert texup("upscale", dump, "-o", tmp_path / "whole").code == 0
    assert tree(out) == tree(tmp_path / "whole")
    assert texup("verify", out).code == 0
    assert "unchanged" in texup("upscale", dump, "-o", out).err, "watch and upscale go on from each other"
    assert watch().code == 0
    assert len(records(out)) == 4, "nothing is done again"


@pytest.mark.thorough
def test_a_writer_that_is_slow_and_out_of_order(texup, dump, out, tmp_path, catalog):
    for k in range(5):
        put(tmp_path / "made" / ("ui" if k % 2 else ".") / f"{k}.png", noise(k // 2, 24))
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(dump), str(tmp_path / "made")])
    result = texup("watch", dump, "-o", out, "--interval", "0.1", "--until-idle", "3", "-v")
    assert writer.wait() == 0
    assert (result.code, told(SimpleNamespace(lines=result.err.splitlines()), "failed")) == (0, [])
    assert sum(outcome == "upscaled" for _, outcome in records(out)) == 5, "each of them once"
    assert texup("upscale", tmp_path / "made", "-o", tmp_path / "whole").code == 0
    assert tree(out) == tree(tmp_path / "whole")
    assert texup("verify", out).code == 0


def test_a_burst_goes_through_one_engine_in_one_pass_and_equal_pictures_are_twins(watch, dump, out, monkeypatch):
    passes, do = [], watching.outcomes_of

    def counted(run, plan, manifest, files, *rest, **more):
        passes.append(len(files))
        return do(run, plan, manifest, files, *rest, **more)

    monkeypatch.setattr(watching, "outcomes_of", counted)
    result = watch({2: lambda: [put(dump / f"{k}.png", noise(k % 10)) for k in range(60)]})
    assert result.code == 0
    assert [count for count in passes if count] == [60]
    assert sum("same picture as" in line for line in result.lines) == 50


def test_a_rewritten_file_is_done_again_and_a_touched_one_is_not(watch, texup, dump, out):
    put(dump / "a.png", noise(1))
    put(dump / "b.png", noise(2))
    steps = {4: lambda: put(dump / "a.png", noise(3)), 5: lambda: os.utime(dump / "b.png", (1, 1))}
    result = watch(steps)
    assert (result.code, told(result, "upscaled")) == (0, ["upscaled: a.png"] * 2 + ["upscaled: b.png"])
    data = (out / "a.png").read_bytes()
    assert texup("upscale", dump, "-o", out, "--force").code == 0
    assert (out / "a.png").read_bytes() == data


def test_half_a_file_is_waited_for_and_no_failure_when_it_becomes_whole(watch, dump, out):
    whole = noise(1, 32)
    put(dump / "a.png", whole[:200])
    result = watch({20: lambda: put(dump / "a.png", whole)}, "-v")
    assert (result.code, told(result, "failed")) == (0, [])
    assert len([line for line in result.lines if "waiting until it changes" in line]) == 1, "tried once, told once"
    assert records(out) == [("a.png", "upscaled")]


def test_half_a_file_that_stays_is_a_failure_after_a_while_and_is_tried_again_when_it_changes(watch, texup, dump, out):
    whole = noise(1, 32)
    put(dump / "a.png", whole[:200])
    put(dump / "b.png", b"")
    result = watch({})
    assert result.code == 3
    assert 30 <= result.seconds < 45
    assert [line.split(": ")[:2] for line in told(result, "failed")] == [["failed", "a.png"], ["failed", "b.png"]]
    assert sorted(records(out)) == [("a.png", "failed"), ("b.png", "failed")]
    steps = {40: lambda: put(dump / "a.png", whole), 45: (dump / "b.png").unlink}
    assert watch(steps, idle=60).code == 0, "what is failed no more does not count"
    assert sorted(records(out)[-2:]) == [("a.png", "upscaled"), ("b.png", "gone")]
    assert texup("verify", out).code == 0


def test_an_empty_dump_is_waited_for_and_its_names_tell_the_loader(watch, dump, out):
    name = "tex1_8x8_0123456789abcdef_14.png"
    result = watch({4: lambda: put(dump / "GALE01" / name, noise(1))})
    assert result.code == 0
    assert len(told(result, "format dolphin: ")) == 1
    assert (out / "Load" / "Textures" / "GALE01" / name).exists()


def test_names_of_no_loader_decide_only_when_the_folder_rests(watch, texup, dump, out, tmp_path):
    put(dump / "cover.png", noise(0))
    names = [f"tex1_8x8_0123456789abcde{k}_14.png" for k in range(4)]
    steps = {k + 1: lambda name=name: put(dump / "GALE01" / name, noise(1)) for k, name in enumerate(names)}
    result = watch(steps)
    assert len(told(result, "format dolphin: ")) == 1
    assert texup("upscale", dump, "-o", tmp_path / "whole").code == 0
    assert sorted(tree(out)) == sorted(tree(tmp_path / "whole"))
    assert len(tree(out)) == 4


def test_the_format_that_was_asked_for_holds_whatever_the_names(watch, dump):
    result = watch({2: lambda: put(dump / "tex1_8x8_0123456789abcdef_14.png", noise(1))}, "--format", "plain")
    assert told(result, "format") == ["format plain: as asked"]


def test_nothing_ever_comes(watch, out):
    result = watch({}, idle=3)
    assert (result.code, result.seconds) == (0, 3)
    assert tree(out) == {}


def test_results_of_files_that_go_stay_and_so_do_their_records(watch, texup, dump, out):
    for name in ("a.png", "b.png"):
        put(dump / name, noise(1))
    steps = {4: (dump / "a.png").unlink, 6: lambda: put(dump / "c.png", noise(2))}
    assert watch(steps).code == 0
    assert sorted(tree(out)) == ["a.png", "b.png", "c.png"]
    (dump / "b.png").unlink()
    assert watch().code == 0, "also of those that went between two calls"
    assert texup("verify", out).code == 0


def test_a_texture_of_two_files_stays_whole_when_one_of_them_goes(watch, dump, out):
    colour, alpha = "GAME#12345678#0#2_rgb.png", "GAME#12345678#0#2_a.png"
    put(dump / colour, noise(1))
    put(dump / alpha, noise(2))
    steps = {4: (dump / alpha).unlink, 6: lambda: put(dump / "GAME#87654321#0#2_all.png", noise(3))}
    result = watch(steps, "--format", "rice")
    assert (result.code, len(told(result, f"upscaled: {colour}"))) == (0, 1)
    with Image.open(next(out.rglob("*12345678*"))) as picture:
        assert picture.mode == "RGBA"


def test_lists_are_not_written_while_files_keep_coming(watch, dump, out):
    steps = {k: lambda k=k: put(dump / "flats" / f"P{k}.png", noise(k)) for k in range(1, 21)}
    assert watch(steps, "--format", "gzdoom", "--textures-lump").code == 0
    assert sum(outcome == "written" for _, outcome in records(out)) == 1
    steps = {k: lambda k=k: put(dump / "flats" / f"Q{k}.png", noise(k)) for k in range(1, 71)}
    assert watch(steps, "--format", "gzdoom", "--textures-lump").code == 0
    assert 2 <= sum(outcome == "written" for _, outcome in records(out)) - 1 <= 4, "but for once in a while"


def test_a_pair_that_comes_in_two_halves_is_one_texture_in_the_end(watch, dump, out):
    colour, alpha = "GAME#12345678#0#2_rgb.png", "GAME#12345678#0#2_a.png"
    put(dump / colour, noise(1))
    assert watch({5: lambda: put(dump / alpha, noise(2))}, "--format", "rice").code == 0
    assert records(out)[0] == (colour, "upscaled")
    assert dict(records(out)) == {alpha: "joined", colour: "upscaled"}
    with Image.open(next(out.rglob("*.png"))) as result:
        assert result.mode == "RGBA"


def test_unfinished_names_are_left_alone(watch, dump, out):
    put(dump / "a.png", noise(1))
    for suffix in filling.UNFINISHED:
        put(dump / f"b.png{suffix.upper()}", noise(2))
    assert watch({}, "--copy-other").code == 0
    assert sorted(tree(out)) == ["a.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="names that no file has there")
def test_hostile_names_are_failures_of_their_own(watch, dump, out):
    put(dump / "good.png", noise(1))
    bad = [dump / "a\\b.png", dump / "new\nline\x1b[31m.png", dump / os.fsdecode(b"caf\xe9.png"), dump / "link.png"]

    def come() -> None:
        for path in bad[:3]:
            put(path, noise(2))
        bad[3].symlink_to("good.png")
        put(dump / "late.png", noise(4))

    result = watch({3: come})
    assert result.code == 3
    assert "\x1b" not in "".join(result.lines)
    assert [line.split(": ")[1] for line in told(result, "failed")] == ["a\\b.png", "link.png"]
    assert len(told(result, "upscaled")) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="one name on other systems")
def test_a_file_that_the_pack_cannot_have_is_left_out_and_the_others_go_on(watch, dump, out):
    put(dump / "a.png", noise(1))

    def come() -> None:
        for name in ("A.png", "b.png", "c.png"):
            put(dump / name, noise(2))

    steps = {3: come, 6: lambda: put(dump / "d.png", noise(3)), 12: (dump / "a.png").unlink}
    result = watch(steps)
    assert len(told(result, "failed")) == 1
    assert "one name on Windows" in told(result, "failed")[0]
    assert sorted(tree(out)) == ["a.png", "b.png", "c.png", "d.png"]
    assert result.code == 3


def test_a_result_that_was_retouched_is_kept(watch, dump, out):
    put(dump / "a.png", noise(1))

    def retouch() -> None:
        put(out / "a.png", noise(9))
        put(dump / "a.png", noise(2))

    result = watch({4: retouch})
    assert (result.code, len(told(result, "kept: a.png: "))) == (0, 1)
    assert (out / "a.png").read_bytes() == noise(9)


def test_a_folder_that_goes_is_waited_for(watch, dump, out):
    put(dump / "a.png", noise(1))
    away = dump.with_name("away")

    def back() -> None:
        away.rename(dump)
        put(dump / "b.png", noise(2))

    result = watch({3: lambda: dump.rename(away), 6: back})
    assert result.code == 0
    assert len([line for line in result.lines if line.endswith("waiting for it")]) == 1
    assert sorted(records(out)) == [("a.png", "upscaled"), ("b.png", "upscaled")]


def test_what_is_there_is_done_however_soon_it_shall_end(watch, dump, out):
    put(dump / "a.png", noise(1))
    assert watch({}, idle=0).code == 0
    assert records(out) == [("a.png", "upscaled")]


def test_quiet_prints_failures_only(watch, dump):
    put(dump / "a.png", noise(1))
    assert watch({}, "-q").lines == []
    put(dump / "b.png", b"none")
    assert [line.split(":")[0] for line in watch({}, "-q").lines] == ["failed"]


def test_a_look_opens_no_file(watch, dump, monkeypatch):
    """Neither of the pack nor of the output, once everything is done."""
    for k in range(3):
        put(dump / f"{k}.png", picture(value=k))
    seen = []
    sys.addaudithook(lambda event, arguments: event == "open" and seen.append(str(arguments[0])))
    marks = {10: lambda: seen.append("idle"), 18: lambda: seen.append("end")}
    assert watch(marks, idle=20).code == 0
    assert seen[seen.index("idle") : seen.index("end")] == ["idle"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["dump/a.png"], "a file; watch takes the folder"),
        (["nowhere"], "no such file or folder"),
        (["dump", "-o", "dump/out"], "the output lies inside the input"),
        (["dump", "-o", "."], "the output contains the input"),
        (["dump", "-o", "out.zip"], "watch fills a folder"),
        (["dump", "--resource-pack", "x"], "give it to texup upscale"),
        (["dump", "-o", "taken"], "holds files but no manifest"),
        (["dump", "--interval", "0"], "--interval"),
    ],
)
def test_wrong_use_is_refused_in_one_line(texup, dump, tmp_path, monkeypatch, catalog, arguments, line):
    monkeypatch.chdir(tmp_path)
    put(dump / "a.png", noise(1))
    put(tmp_path / "taken" / "mine.txt", b"mine")
    before = sorted(tmp_path.rglob("*"))
    result = texup("watch", *arguments, "--until-idle", "0")
    assert (result.code, result.out) == (2, "")
    assert line in result.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_locked_output_is_refused(texup, dump, out, catalog):
    with output_lock(out):
        result = texup("watch", dump, "-o", out, "--until-idle", "0")
    assert (result.code, len(result.errors)) == (6, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
def test_ctrl_c_ends_it_clean_and_the_same_command_goes_on(texup, dump, out, tiny_weights):
    options = ("--model", str(tiny_weights / "tiny-gan.safetensors"), "--device", "cpu")
    put(dump / "a.png", noise(1))
    command = [sys.executable, "-m", "texup", "watch", str(dump), "-o", str(out), *options, "--interval", "0.1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: (out / MANIFEST).exists() and records(out))
        put(dump / "b.png", noise(2))
        until(lambda: len(records(out)) == 2)
        for other in ("upscale", "watch"):
            refused = texup(other, dump, "-o", out, *options)
            assert refused.code == 6
            assert refused.errors == [
                f"texup: error: {out}: another texup run (process {process.pid}) is writing here; wait for it"
            ]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == STOPPED
    assert "2 upscaled in" in err
    assert not (out / LOCK_NAME).exists()
    assert not list(out.rglob(".texup-*"))
    assert json.loads((out / MANIFEST).read_text().splitlines()[-1])["ended"] is True
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert texup("watch", dump, "-o", out, *options, "--interval", "0.1", "--until-idle", "0.3").code == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.png")} == before
    assert texup("verify", out).code == 0


def until(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)
