"""Packs from and into an object store: a real S3 server on this machine, whose answers fail, stall and break off."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import random
import subprocess
import sys
from collections import Counter
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import texup as api
from texup.calls import sending
from texup.errors import UsageError
from texup.packs.remote import mirror, store
from texup.packs.remote.mirror import mirrored
from texup.packs.remote.url import read_url

from ..stores import BUCKET, s3_server

pytestmark = pytest.mark.filterwarnings("ignore")  # of sockets and clients that libraries leave open
MANIFEST = "texup-manifest.jsonl"
PACK, OUT = f"s3://{BUCKET}/pack", f"s3://{BUCKET}/out"
ROOT = Path(__file__).parents[2]
FILES = 8
SLOW = pytest.mark.slow
MOMENTS = [
    pytest.param(number, earlier, is_other, marks=() if (number, earlier, is_other) == (4, 2, True) else SLOW)
    for number in (0, 1, 2, 4, 7, 9)
    for earlier in (None, 2)
    for is_other in (False, True)
]
"""The put from which on all fail, the scale of an earlier run, and whether another machine goes on."""


@pytest.fixture(scope="module")
def server():
    with s3_server() as s3:
        yield s3


@pytest.fixture
def s3(server, catalog, tmp_path, monkeypatch):
    """The server with a pack in it and nothing else, an empty cache, and tries that wait for little."""
    server.faults.clear()
    for key in server.tree("pack"):
        server.delete(f"pack/{key}")
    for key in server.tree("out"):
        server.delete(f"out/{key}")
    folder = pack_in(tmp_path)
    for path in folder.rglob("*"):
        if path.is_file():
            server.put(f"pack/{path.relative_to(folder).as_posix()}", path.read_bytes())
    server.asked.clear()
    server.puts.clear()
    monkeypatch.setattr(store, "WAITS", (0.01, 0.02))
    monkeypatch.setattr("s3fs.core.S3FileSystem.retries", 1)
    monkeypatch.setattr("s3fs.core.S3FileSystem.read_timeout", 0.5)
    monkeypatch.setenv("TEXUP_CACHE", str(tmp_path / "cache"))
    return server


def pack_in(place: Path) -> Path:
    """Make a pack: six textures, one of them in two places, and a text."""
    folder = place / "pack"
    (folder / "ui").mkdir(parents=True)
    for k in range(FILES - 2):
        pixels = np.random.default_rng(k).integers(0, 256, (6, 9, 3), np.uint8)
        Image.fromarray(pixels).save(folder / ("ui" if k % 2 else "") / f"t{k}.png")
    (folder / "ui" / "again.png").write_bytes((folder / "t0.png").read_bytes())
    (folder / "notes.txt").write_text("no texture")
    return folder


@pytest.fixture(scope="module")
def made_before() -> dict[str, bytes]:
    return {}


@pytest.fixture
def local(texup, tmp_path, catalog, made_before):
    """What a run on this machine makes of the same pack, without the manifest."""

    def made() -> dict[str, bytes]:
        if not made_before:
            out = tmp_path / "local"
            assert texup("upscale", tmp_path / "pack", "-o", out, "--scale", 4, "--copy-other").code == 0
            files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.*")}
            made_before.update(results(files))
        return made_before

    return made


def results(tree: dict[str, bytes]) -> dict[str, bytes]:
    return {path: data for path, data in tree.items() if path != MANIFEST}


@pytest.fixture
def upscale(texup):
    """Upscales the pack of the store into the store."""

    def run(*options, scale=4, source=PACK, out=OUT):
        return texup("upscale", source, "-o", out, "--scale", scale, "--copy-other", *options)

    return run


def break_at(number: int, method="PUT"):
    """Let every request of a method fail from the one of this number on."""
    numbers = count()
    return lambda request: request.fail() if request.method == method and next(numbers) >= number else None


def check_manifest(tree: dict[str, bytes]) -> None:
    """Check that what the manifest of a store says was written is there, whole, with one valid record each."""
    latest = {}
    for line in tree[MANIFEST].splitlines():
        record = json.loads(line)
        if "path" in record:
            latest[record["path"]] = record
    for record in latest.values():
        for path, sha256, size in record["targets"]:
            assert (hashlib.sha256(tree[path]).hexdigest(), len(tree[path])) == (sha256, size), path


def test_a_store_gets_what_a_local_run_makes(s3, upscale, local, texup, tmp_path):
    found = upscale("--json")
    assert (found.code, found.json["counts"], found.json["url"]) == (0, {"copied": 1, "upscaled": 7}, OUT)
    tree = s3.tree("out")
    assert results(tree) == local()
    check_manifest(tree)
    assert s3.asked["GET", "?"] >= 3 + 1  # three pages of the pack, and one of the output
    assert s3.puts[0] == s3.puts[-1] == f"out/{MANIFEST}"
    assert Counter(s3.puts).most_common(2)[1][1] == 1, "each result was put once"
    s3.asked.clear()
    s3.puts.clear()
    again = upscale()
    assert (again.code, "8 unchanged" in again.err, f"written to {OUT}" in again.err) == (0, True, True)
    assert s3.puts == []
    assert {method for method, _ in s3.asked} == {"GET"}
    assert {path for _, path in s3.asked} == {"?"}, "nothing was fetched again"
    assert b"very-secret" not in b"".join(tree.values())
    assert all(b"very-secret" not in path.read_bytes() for path in (tmp_path / "cache").rglob("*.*") if path.is_file())


def test_another_machine_goes_on(s3, upscale, texup, tmp_path, monkeypatch):
    assert upscale().code == 0
    s3.put("pack/new.png", (tmp_path / "pack" / "ui" / "t1.png").read_bytes())
    monkeypatch.setenv("TEXUP_CACHE", str(tmp_path / "other"))
    s3.puts.clear()
    found = upscale("--json")
    assert (found.code, found.json["counts"]) == (0, {"unchanged": 8, "upscaled": 1})
    assert [key for key in s3.puts if not key.endswith(MANIFEST)] == ["out/new.png"]
    check_manifest(s3.tree("out"))
    assert texup("verify", found.json["output"]).code == 0
    monkeypatch.setenv("TEXUP_CACHE", str(tmp_path / "cache"))  # the first one takes what the other has done
    found = upscale("--json")
    assert (found.code, found.json["counts"]) == (0, {"unchanged": 9})


@pytest.mark.slow
@SLOW
def test_local_folders_go_into_stores_and_packs_of_stores_into_folders(s3, upscale, local, tmp_path):
    wanted = local()
    assert upscale(source=tmp_path / "pack").code == 0
    assert results(s3.tree("out")) == wanted
    assert upscale(out=tmp_path / "here").code == 0
    paths = [path for path in (tmp_path / "here").rglob("*.*") if path.name != MANIFEST]
    assert {path.relative_to(tmp_path / "here").as_posix(): path.read_bytes() for path in paths} == wanted


@pytest.mark.parametrize(
    "kind", ["cut_in_half", *(pytest.param(k, marks=SLOW) for k in ("fail", "short", "busy", "cut", "slow"))]
)
def test_faults_that_pass_change_no_byte(s3, upscale, local, kind):
    """Many requests fail once, by seeded dice."""
    dice, hurt = random.Random(kind), set()

    def fault(request):
        key = (request.method, request.path)
        if key in hurt or dice.random() > (0.1 if kind == "slow" else 0.4):
            return None
        hurt.add(key)
        ways = {
            "busy": lambda: request.fail("503 Slow Down", "SlowDown"),
            "cut_in_half": lambda: request.cut_in_half() if request.method == "GET" else request.cut(),
            "slow": lambda: request.slow(1) if request.method == "GET" else None,
            "short": lambda: request.short() if request.method == "GET" and not request.is_listing else None,
        }
        return ways.get(kind, getattr(request, kind, request.fail))()

    s3.faults.append(fault)
    found = upscale()
    s3.faults.clear()
    assert (found.code, len(hurt) > 1) == (0, True), found.err
    tree = s3.tree("out")
    assert results(tree) == local()
    check_manifest(tree)


@pytest.mark.parametrize(("number", "earlier", "is_other"), MOMENTS)
def test_a_lost_store_costs_nothing_that_was_done(s3, upscale, local, tmp_path, monkeypatch, number, earlier, is_other):
    """What is there is true at any moment, and the same command makes the rest."""
    monkeypatch.setattr(sending, "EVERY", 0.0)
    if earlier is not None:
        assert upscale(scale=earlier).code == 0
    s3.faults.append(break_at(number))
    broken = upscale()
    assert (broken.code, "run the same command again" in broken.err) == (5, True)
    s3.faults.clear()
    tree = s3.tree("out")
    if MANIFEST in tree:
        check_manifest(tree)
    if is_other:
        monkeypatch.setenv("TEXUP_CACHE", str(tmp_path / "other"))
    found = upscale("--json")
    assert (found.code, found.json["kept"]) == (0, [])
    tree = s3.tree("out")
    assert results(tree) == local()
    check_manifest(tree)


def test_what_was_made_and_not_sent_is_sent_and_not_made_again(s3, upscale, local):
    s3.faults.append(lambda request: request.fail() if request.method == "PUT" and ".png" in request.path else None)
    assert upscale().code == 5
    assert set(s3.tree("out")) <= {MANIFEST, "notes.txt"}
    s3.faults.clear()
    found = upscale("--json")
    assert (found.code, found.json["counts"]) == (0, {"unchanged": FILES})
    assert "of an earlier run" in found.err
    assert results(s3.tree("out")) == local()


@pytest.mark.slow
@SLOW
def test_work_of_a_machine_that_was_overtaken_is_dropped(s3, upscale, local, tmp_path, monkeypatch):
    s3.faults.append(break_at(1))
    assert upscale(scale=2).code == 5
    s3.faults.clear()
    monkeypatch.setenv("TEXUP_CACHE", str(tmp_path / "other"))
    assert upscale().code == 0
    monkeypatch.setenv("TEXUP_CACHE", str(tmp_path / "cache"))
    found = upscale("--json")
    assert (found.code, found.json["counts"]) == (0, {"unchanged": FILES})
    assert results(s3.tree("out")) == local()


@SLOW
def test_a_source_that_stops_answering_is_one_line(s3, upscale):
    s3.faults.append(lambda request: request.cut() if "t3.png" in request.path else None)
    found = upscale()
    assert (found.code, found.err.splitlines()[-1].startswith(f"texup: error: {PACK}/ui/t3.png: ")) == (1, True)
    assert "run the same command again" in found.err
    s3.faults.clear()
    s3.asked.clear()
    assert upscale().code == 0
    assert s3.asked["GET", f"/{BUCKET}/pack/t0.png"] == 0, "what was fetched stays"


@pytest.mark.parametrize(("patience", "tries"), [(60, 3), (-1, 1)])
def test_tries_end_when_they_take_too_long(s3, texup, monkeypatch, patience, tries):
    monkeypatch.setattr(store, "PATIENCE", patience)
    s3.faults.append(lambda request: request.fail() if request.is_listing else None)
    assert texup("inspect", PACK).code == 1
    assert s3.asked["GET", "?"] == tries


def test_nothing_is_printed_of_what_libraries_log():
    code = "import logging; from texup.errors import PackError; from texup.packs.remote.url import read_url\n"
    code += "from texup.packs.remote.store import Store\n"
    code += "Store(read_url('s3://b/pack'), PackError); logging.getLogger('s3fs').error('a page of traceback')"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert told.stderr == ""


@pytest.mark.slow
@SLOW
def test_objects_of_others_stay(s3, upscale):
    s3.put("out/t0.png", b"mine")
    s3.puts.clear()
    found = upscale()
    assert (found.code, "no manifest of texup (t0.png)" in found.err, s3.puts) == (2, True, [])
    found = upscale("--keep-existing", "--json")
    assert [kept["path"] for kept in found.json["kept"]] == ["t0.png"]
    assert s3.tree("out")["t0.png"] == b"mine"


def test_what_was_changed_by_hand_stays_and_what_was_removed_is_made_again(s3, upscale):
    assert upscale().code == 0
    s3.put("out/t0.png", b"retouched")
    s3.delete("out/t2.png")
    found = upscale("--json")
    assert ([kept["path"] for kept in found.json["kept"]], found.json["counts"]["upscaled"]) == (["t0.png"], 1)
    assert s3.tree("out")["t0.png"] == b"retouched"
    assert "t2.png" in s3.tree("out")


@pytest.mark.slow
@SLOW
def test_an_output_that_was_removed_is_made_anew(s3, upscale, local):
    assert upscale().code == 0
    for key in s3.tree("out"):
        s3.delete(f"out/{key}")
    assert upscale().code == 0
    assert results(s3.tree("out")) == local()


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("T0.PNG", "one name with "),
        ("a/../../b.png", "an unsafe path"),
        ("a\\b.png", "an unsafe path"),
        ("x" * 300 + ".png", "too long"),
        ("d/" * 70 + "x.png", "folders deep"),
    ],
)
def test_keys_that_no_folder_can_hold_are_refused(s3, upscale, key, said):
    s3.put(f"pack/{key}", b"x")
    found = upscale()
    assert (found.code, said in found.err, len(found.err.splitlines())) == (2, True, 1)
    assert s3.puts == [f"pack/{key}"] or not s3.tree("out")


def test_objects_are_bounded(s3, upscale, monkeypatch):
    monkeypatch.setattr("texup.bounds.STORE_OBJECTS", FILES)
    monkeypatch.setattr("texup.bounds.STORE_OBJECT", 1000)
    assert upscale().code == 0
    s3.put("pack/large.png", bytes(1001))
    assert "larger than" in upscale().err
    s3.put("pack/large.png", bytes(1))
    found = upscale()
    assert (found.code, "more than 8 objects" in found.err) == (2, True)


def test_a_full_disk_is_told_before_anything_is_fetched(s3, upscale, monkeypatch):
    monkeypatch.setattr("texup.packs.remote.mirror.SPARE", 1 << 60)
    found = upscale()
    assert (found.code, "set TEXUP_CACHE" in found.err) == (2, True)
    assert {path for _, path in s3.asked} == {"?"}


def test_two_runs_do_not_write_to_one_output(s3, upscale):
    with mirrored(read_url(OUT), "output", tell=lambda _: None):
        found = upscale()
    assert (found.code, found.err.splitlines()[-1]) == (
        6,
        f"texup: error: {OUT}: another texup run on this machine is writing here; wait for it",
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["s3://me:word@b/pack", "-o", "x"], "s3://b/pack: no passwords"),
        (["s3://b/pack?token=word", "-o", "x"], "s3://b/pack: no passwords"),
        (["ftp://me:word@host/pack", "-o", "x"], "ftp://host/pack: texup reads and writes folders"),
        (["s3://", "-o", "x"], "names no folder"),
        (["s3://b/pack"], "give a place for the result"),
        (["s3://b/pack", "-o", "s3://b/pack/out"], "lies in the input"),
        (["s3://b/pack/in", "-o", "s3a://b/pack"], "contains the input"),
        (["s3://b/pack", "-o", "s3://b/out.zip"], "an archive cannot be made there"),
        (["s3://b/pack", "s3://b/two", "-o", "x"], "give one at a time"),
        (["s3://b/pack", "-o", "x", "--engine", "ray"], "--engine ray needs folders"),
        (["s3://b/pack", "-o", "x", "--remember"], "--remember changes the pack"),
        (["s3://b/pack", "-o", "s3://b/out", "--gallery"], "--gallery writes a page"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(texup, arguments, said):
    found = texup("upscale", *arguments)
    assert (found.code, said in found.err, "word" not in found.err.replace("passwords", "")) == (2, True, True)


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs"), ("az", "adlfs")])
def test_the_extra_is_named(texup, monkeypatch, tmp_path, scheme, package):
    monkeypatch.setenv("TEXUP_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, package, None)
    registry = importlib.import_module("fsspec.registry")
    monkeypatch.setattr(registry, "_registry", {})  # of classes that were imported before
    monkeypatch.setattr(registry, "registry", {})
    found = texup("upscale", f"{scheme}://b/pack", "-o", tmp_path / "out")
    more = "" if scheme == "s3" else f" {package}"
    line = f"texup: error: {scheme}://b/pack: needs the package {package}: pip install 'texup[cloud]'{more}\n"
    assert (found.code, found.err) == (2, line)


def test_inspect_and_python_take_stores_too(s3, texup, tmp_path):
    assert len(api.inspect(PACK, device="cpu").files) == FILES
    dry = texup("upscale", PACK, "-o", OUT, "--dry-run")
    assert (dry.code, s3.tree("out"), str(tmp_path / "cache") in dry.out) == (0, {}, False)
    summary = api.upscale(PACK, OUT, device="cpu", copy_other=True)
    assert (summary.url, summary.counts) == (OUT, {"upscaled": 7, "copied": 1})
    check_manifest(s3.tree("out"))
    with pytest.raises(UsageError, match="give a place"):
        api.upscale(PACK, device="cpu")


def spoil(s3) -> list[tuple[str, str]]:
    """Harm an output in every way that ``verify`` knows; return its paths and problems."""
    tree = s3.tree("out")
    s3.put("out/t0.png", tree["t0.png"][:-1] + b"x")  # of the same size
    s3.put("out/t2.png", b"short")
    s3.delete("out/t4.png")
    s3.put("out/ui/mine.txt", b"mine")
    s3.put("out/ui/.texup-0123456789ab.tmp", b"half")
    s3.put("out/a\\b.png", b"x")
    s3.put("out/.DS_Store", b"x")
    wrong = {"t0.png": "changed", "t2.png": "changed", "t4.png": "missing", "ui/mine.txt": "extra"}
    return sorted({**wrong, "ui/.texup-0123456789ab.tmp": "extra", "a\\b.png": "extra"}.items())


def test_what_lies_in_a_store_is_verified_there(s3, upscale, texup, tmp_path, monkeypatch):
    assert upscale().code == 0
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    s3.asked.clear()
    s3.puts.clear()
    found = texup("verify", OUT)
    assert (found.code, found.out, found.err.splitlines()[-1]) == (0, "", "8 files checked: all as recorded")
    assert {key: n for key, n in s3.asked.items() if key[1] != "?"} == {
        ("GET", f"/{BUCKET}/out/{path}"): 1 for path in s3.tree("out")
    }, "each object is read once, whatever the cache has"
    assert s3.puts == []
    wanted = spoil(s3)
    found = texup("verify", OUT, "--json")
    assert (found.code, found.json["checked"]) == (3, 8)
    assert sorted((each["path"], each["problem"]) for each in found.json["findings"]) == wanted
    assert not list(tmp_path.glob("texup-*")), "nothing of it stays here"


@pytest.mark.parametrize("kind", ["nothing", "a pack", "damaged", "lost"])
def test_what_cannot_be_verified_in_a_store_is_one_line(s3, upscale, texup, kind):
    place, code, said = OUT, 2, f"{OUT}: no manifest of texup there"
    if kind == "a pack":
        place, said = PACK, f"{PACK}: no manifest of texup there"
    elif kind == "damaged":
        s3.put(f"out/{MANIFEST}", b"no manifest")
        said = f"{OUT}/{MANIFEST}: not a manifest of texup"
    elif kind == "lost":
        assert upscale().code == 0
        s3.faults.append(lambda request: request.cut() if "t3.png" in request.path else None)
        code, said = 1, f"{OUT}/ui/t3.png: cannot fetch: "
    found = texup("verify", place)
    assert (found.code, found.err.splitlines()[-1].startswith(f"texup: error: {said}")) == (code, True), found.err
    assert len(found.err.splitlines()) == (2 if kind == "lost" else 1)


def test_objects_that_are_verified_are_bounded(s3, upscale, texup, monkeypatch):
    assert upscale().code == 0
    monkeypatch.setattr("texup.bounds.STORE_OBJECTS", FILES)
    found = texup("verify", OUT)
    assert (found.code, f"{OUT}: more than 8 objects" in found.err) == (2, True)


OF = 2
PARTS = [f"s3://{BUCKET}/out/part{k}" for k in range(1, OF + 1)]
JOINED = f"s3://{BUCKET}/out/joined"


@pytest.fixture(scope="module")
def shards_before() -> dict[str, bytes]:
    return {}


@pytest.fixture
def parts(s3, upscale, shards_before) -> list[str]:
    """The shards of the pack, each in a folder of the store, made by another machine."""
    if not shards_before:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TEXUP_CACHE", f"{Path(os.environ['TEXUP_CACHE'])}-of-shards")
            for k, url in enumerate(PARTS, 1):
                assert upscale("--shard", f"{k}/{OF}", out=url).code == 0
        shards_before.update(s3.tree("out"))
    else:
        for path, data in shards_before.items():
            s3.put(f"out/{path}", data)
    s3.asked.clear()
    s3.puts.clear()
    return list(PARTS)


@pytest.mark.thorough
def test_shards_in_stores_become_in_a_store_what_one_run_makes(s3, parts, local, texup):
    found = texup("merge", *reversed(parts), "-o", JOINED, "--json")
    assert (found.code, found.json["counts"], found.json["url"]) == (0, {"copied": 1, "upscaled": 7}, JOINED)
    tree = s3.tree("out/joined")
    assert results(tree) == local()
    check_manifest(tree)
    gets = [path for method, path in s3.asked.elements() if method == "GET" and path != "?" and "/part" in path]
    assert len(gets) == len(set(gets)) == FILES + OF, "files and manifests of the shards are fetched once"
    assert texup("verify", JOINED).code == 0
    s3.asked.clear()
    s3.puts.clear()
    again = texup("merge", *parts, "-o", JOINED)
    assert (again.code, "8 unchanged" in again.err, s3.puts) == (0, True, [])
    assert f"written to {JOINED}" in again.err
    assert {path for _, path in s3.asked} == {"?"}, "nothing was fetched again"
    whole = texup("upscale", PACK, "-o", JOINED, "--scale", 4, "--copy-other", "--json")
    assert whole.json["counts"] == {"unchanged": FILES}


def test_shards_may_lie_here_and_there_and_python_does_the_same(s3, parts, upscale, local, tmp_path):
    assert upscale("--shard", "1/2", out=tmp_path / "part1").code == 0
    steps: list[tuple] = []
    merged = api.merge([tmp_path / "part1", parts[1]], tmp_path / "whole", progress=lambda *step: steps.append(step))
    assert (merged.url, merged.output, merged.counts) == (None, tmp_path / "whole", {"copied": 1, "upscaled": 7})
    assert [step[:2] for step in steps] == [(k, FILES) for k in range(1, FILES + 1)]
    files = {path.relative_to(merged.output).as_posix(): path.read_bytes() for path in merged.output.rglob("*.*")}
    assert results(files) == local()
    merged = api.merge([tmp_path / "part1", parts[1]], JOINED)
    assert (merged.url, results(s3.tree("out/joined"))) == (JOINED, local())


@pytest.mark.parametrize("number", [0, *(pytest.param(k, marks=SLOW) for k in (1, 2, 5, 9))])
def test_a_merge_that_loses_the_store_goes_on(s3, parts, local, texup, number, monkeypatch):
    monkeypatch.setattr(sending, "EVERY", 0.0)
    s3.faults.append(break_at(number))
    broken = texup("merge", *parts, "-o", JOINED)
    assert (broken.code, broken.err.splitlines()[-1].startswith(f"texup: error: {JOINED}/")) == (5, True), broken.err
    s3.faults.clear()
    tree = s3.tree("out/joined")
    if MANIFEST in tree:
        check_manifest(tree)
    assert texup("merge", *parts, "-o", JOINED).code == 0
    tree = s3.tree("out/joined")
    assert results(tree) == local()
    check_manifest(tree)


def cut_end(s3) -> None:
    lines = s3.tree("out/part2")[MANIFEST].splitlines(keepends=True)
    s3.put(f"out/part2/{MANIFEST}", b"".join(lines[:-1]))


def spoil_one(s3) -> None:
    name = next(name for name in s3.tree("out/part2") if name.endswith(".png"))
    s3.put(f"out/part2/{name}", b"mine")


def lose_one(request):
    return request.cut() if "/part2/" in request.path and request.path.endswith(".png") else None


WRONG = {
    "missing": (lambda s3: None, slice(1), 2, "1 of 2 shards missing: 2/2"),
    "twice": (lambda s3: None, [0, 0], 2, f"{PARTS[0]} and {PARTS[0]} are both shard 1/2"),
    "no manifest": (lambda s3: s3.delete(f"out/part2/{MANIFEST}"), slice(2), 2, f"{PARTS[1]}: no manifest of texup"),
    "not whole": (cut_end, slice(2), 2, f"{PARTS[1]}: its run did not come to its end"),
    "a file": (spoil_one, slice(2), 2, f"{PARTS[1]}: not as texup wrote it: "),
    "lost": (lambda s3: s3.faults.append(lose_one), slice(2), 1, f"{PARTS[1]}/"),
}


@pytest.mark.thorough
@pytest.mark.parametrize("what", WRONG)
def test_shards_of_a_store_that_do_not_fit_are_refused_in_one_line(s3, parts, texup, tmp_path, what):
    harm, chosen, code, said = WRONG[what]
    harm(s3)
    given = parts[chosen] if isinstance(chosen, slice) else [parts[k] for k in chosen]
    s3.asked.clear()
    found = texup("merge", *given, "-o", JOINED, "-q")
    assert (found.code, len(found.err.splitlines()), f"texup: error: {said}" in found.err) == (code, 1, True), found.err
    assert s3.tree("out/joined") == {}
    if what in ("missing", "twice", "no manifest", "not whole"):
        assert not [path for method, path in s3.asked if method == "GET" and path.endswith(".png")], "before its files"
    found = texup("merge", *given, "-o", tmp_path / "here", "-q")
    assert (found.code, (tmp_path / "here").exists()) == (code, False)


def test_a_shard_to_which_a_run_writes_meanwhile_is_refused(s3, parts, texup, monkeypatch):
    fetch = mirror.Mirror.fetch_files

    def fetched_late(self, paths, tell):
        cut_end(s3)
        fetch(self, paths, tell)

    monkeypatch.setattr(mirror.Mirror, "fetch_files", fetched_late)
    found = texup("merge", *parts, "-o", JOINED)
    assert (found.code, f"{PARTS[1]}: a run is writing there" in found.err) == (2, True), found.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["s3://b/part1", "-o", "s3://b/out.zip"], "an archive cannot be made there"),
        (["s3://b/part1", "s3://b/part2", "-o", "s3://b/part2"], "lies in the input"),
        (["s3://b/all/part1", "s3://b/part2", "-o", "s3://b/all"], "contains the input"),
        (["s3://me:word@b/part1", "-o", "x"], "s3://b/part1: no passwords"),
    ],
)
def test_merges_that_make_no_sense_are_refused_before_anything_is_asked(texup, arguments, said):
    found = texup("merge", *arguments)
    assert (found.code, said in found.err, "word" not in found.err.replace("passwords", "")) == (2, True, True)
