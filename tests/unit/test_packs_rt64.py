"""texup.conventions.n64.rt64: a database carried over, and the files that it names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texup import bounds
from texup.conventions.convention import Wishes
from texup.conventions.n64.gliden64 import GLIDEN64
from texup.conventions.n64.rt64 import RT64, databases, rice_key
from texup.upscaling.planning import plan_pack

from ..builders import pack_of, picture, plans_of

SHARED = Path(__file__).parents[3] / "shared" / "data"
RICE = "SUPER MARIO 64#0A1B2C3D#0#2_all.png"


def database(*paths, **more) -> bytes:
    textures = [{"hashes": {"rt64": "0001d0556bc980b5"}, "path": path} for path in paths]
    return json.dumps({"configuration": {"autoPath": "rice"}, "textures": textures, **more}, indent=2).encode()


def pack(files, place=("home", "player", "pack")):
    return pack_of(files, place, content=picture())


def plans(some, **wishes):
    return plans_of(RT64, some, **wishes)[0]


def findings(some, **wishes):
    return plans_of(RT64, some, **wishes)[1]


def test_everything_stays_where_the_database_looks_for_it():
    files = {
        "rt64.json": database("rt64\\Bonus Stages\\e56f.png", "ui/logo", ""),
        "rt64/Bonus Stages/e56f.png": picture(),
        "ui/logo.dds": b"DDS ",
        "ui/logo.png": picture(),
        f"Stage/{RICE}": picture(),
        "Stage/SUPER MARIO 64#0A1B2C40#0#3_rgb.png": picture(),
        "Stage/SUPER MARIO 64#0A1B2C40#0#3_a.png": picture(),
        "Stage/SUPER MARIO 64#0A1B2C41#0#3_all.dds": b"DDS ",
        "cover.jpg": b"",
        "rt64-low-mip-cache.bin": b"",
    }
    plan = plan_pack(pack(files), RT64, Wishes())
    assert {item.path: (item.action, item.target) for item in plan.files} == {
        "rt64.json": ("copy", "rt64.json"),
        "rt64/Bonus Stages/e56f.png": ("upscale", "rt64/Bonus Stages/e56f.png"),
        "ui/logo.dds": ("upscale", "ui/logo.dds"),
        "ui/logo.png": ("skip", ""),
        f"Stage/{RICE}": ("upscale", f"Stage/{RICE}"),
        "Stage/SUPER MARIO 64#0A1B2C40#0#3_rgb.png": ("upscale", "Stage/SUPER MARIO 64#0A1B2C40#0#3_all.png"),
        "Stage/SUPER MARIO 64#0A1B2C40#0#3_a.png": ("joined", ""),
        "Stage/SUPER MARIO 64#0A1B2C41#0#3_all.dds": ("upscale", "Stage/SUPER MARIO 64#0A1B2C41#0#3_all.dds"),
        "cover.jpg": ("skip", ""),
        "rt64-low-mip-cache.bin": ("skip", ""),
    }
    assert "ui/logo.dds" in plan.files[3].reason
    assert [item.treatment.mips for item in plan.files if item.target.endswith(".dds")] == ["inside", "inside"]
    assert [finding.severity for finding in plan.findings] == ["hint"]


def test_without_a_database_the_user_is_sent_to_its_maker():
    (warning, hint) = findings(pack([RICE]))
    assert (warning.severity, hint.severity) == ("warning", "hint")
    assert "no database" in warning.text
    assert "texture_hasher" in warning.text
    assert plans(pack([RICE]))[RICE].target == RICE


@pytest.mark.parametrize(("wish", "store"), [("auto", "bc7"), ("bc1", "bc1"), ("bc7", "bc7")])
def test_names_become_dds_with_levels_when_wished(wish, store):
    plan = plans(pack({"rt64.json": database(""), RICE: picture()}), dds=wish)[RICE]
    assert (plan.target, plan.treatment.store, plan.treatment.mips) == (RICE.replace("png", "dds"), store, "inside")


@pytest.mark.parametrize(
    "text",
    [b"{", b"[]", b'{"textures": {}}', b'{"textures": [1]}', b'{"textures": [{"path": 1}]}', b"\xff", b"[" * 9**5],
)
def test_a_damaged_database_is_said_and_carried_over_all_the_same(text):
    some = pack({"rt64.json": text, RICE: picture()})
    assert plans(some)["rt64.json"].action == "copy"
    said = {finding.severity: finding for finding in findings(some)}
    assert said["warning"].path == "rt64.json"
    assert said["warning"].text.startswith(("RT64 would not load it: ", "is not read: "))
    assert [(f.severity, f.path) for f in RT64.check(some)] == [("error", "rt64.json")]


def test_a_database_beyond_its_bound_is_said_and_makes_the_pack_rt64s(monkeypatch):
    some = pack({"rt64.json": b'{"textures": []}', "a.png": picture()})
    assert RT64.detect(some) == 0
    monkeypatch.setattr(bounds, "RT64_BYTES", 10)
    assert RT64.detect(some) == 1
    (said,) = [finding for finding in findings(some) if finding.path == "rt64.json"]
    assert said.text.startswith("is not read: rt64.json: larger than the 10 bytes")


@pytest.mark.parametrize("path", ["../up.png", "/etc/x.png", "C:\\x.png", "a//b.png", "gone.png"])
def test_paths_that_lead_nowhere_are_said(path):
    some = pack({"sub/rt64.json": database(path, "other/gone.png"), "up.png": picture(), RICE: picture()})
    (warning,) = [finding for finding in findings(some) if finding.severity == "warning"]
    assert (warning.path, "and 1 more" in warning.text) == ("sub/rt64.json", True)
    assert plans(some)["up.png"].action == "skip"


def test_databases_name_files_in_their_own_folders_whatever_the_case():
    files = {"b/rt64.json": b"\xef\xbb\xbf" + database("UI/x.PNG", extraFiles=["notes.txt"])}
    some = pack({**files, "a/ui/X.png": picture(), "b/ui/X.png": picture(), "b/notes.txt": b"", "a/notes.txt": b""})
    (found,) = databases(some)
    assert (found.named, found.missing, found.problem) == (frozenset(["b/ui/X.png"]), [], "")
    actions = {path: plan.action for path, plan in plans(some).items()}
    assert actions == {
        "b/rt64.json": "copy",
        "a/ui/X.png": "skip",
        "b/ui/X.png": "upscale",
        "b/notes.txt": "copy",
        "a/notes.txt": "skip",
    }


def test_one_key_in_two_folders_of_one_database_is_one_texture():
    some = pack({"rt64.json": database(""), f"a/{RICE}": picture(), f"b/{RICE}": picture()})
    assert {path[0]: plan.action for path, plan in plans(some).items()} == {"r": "copy", "a": "upscale", "b": "skip"}
    apart = pack(
        {"a/rt64.json": database(""), "b/rt64.json": database(""), f"a/{RICE}": picture(), f"b/{RICE}": picture()}
    )
    assert sorted(plan.action for plan in plans(apart).values()) == ["copy", "copy", "upscale", "upscale"]


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (f"a/{RICE}", "0a1b2c3d#0#2"),
        ("X#61094EE7#2#1#2DC66F47_ciByRGBA.dds", "61094ee7#2#1#2dc66f47"),
        ("X#61094EE7#2#1#2DC66F47_my_edit.PNG", "61094ee7#2#1#2dc66f47_my"),
        ("e56f908e#2#0#41df3fda.png", None),
        ("a_b#c.png", None),
        ("X#61094EE7#2#1_all.bmp", None),
    ],
)
def test_keys_are_cut_from_names_as_rt64_does(path, key):
    assert rice_key(path) == key


@settings(deadline=None, derandomize=True)
@given(st.text("0123456789ABCDEF", min_size=8, max_size=8), st.sampled_from("01234"), st.sampled_from("0123"))
def test_a_rice_name_and_its_dds_are_one_texture_in_any_folder(crc, fmt, siz):
    bare = f"GAME#{crc}#{fmt}#{siz}_all.png"
    assert RT64.lookup(f"a/{bare}") == RT64.lookup(f"b/{bare[:-4]}.dds") == f"{crc}#{fmt}#{siz}".lower()
    assert RT64.lookup("ui/logo.png") == RT64.lookup("ui/logo.DDS") == "ui/logo"


def test_detection_needs_a_database_and_leaves_the_plugins_folders_to_them():
    held = {"rt64.json": database("x"), RICE: picture(), "x.png": picture(), "y.png": picture()}
    assert RT64.detect(pack(held)) == pytest.approx(2 / 3 + 0.2)
    assert RT64.detect(pack(held, ("texture_dump", "MARIO"))) == pytest.approx(2 / 3 + 0.2)
    named = {"rt64.json": database("x"), RICE: picture()}
    assert RT64.detect(pack(named, ("texture_dump", "MARIO"))) == 0
    for text in (b"{}", database(), b'{"name": "some program"}'):
        assert RT64.detect(pack({**held, "rt64.json": text})) == 0
    assert RT64.detect(pack([RICE])) == 0
    for place in (("any",), ("hires_texture", "MARIO")):
        assert sorted([RT64.detect(pack(named, place)) > 0, GLIDEN64.detect(pack(named, place)) > 0]) == [False, True]


@pytest.mark.parametrize(
    ("path", "severity", "part"),
    [("cover.png", "warning", "ignored"), (f"b/{RICE}", "warning", f"same texture as a/{RICE}")],
)
def test_check_says_what_rt64_would_do(path, severity, part):
    files = {"rt64.json": database("ui/x"), "ui/x.png": picture(), f"a/{RICE}": picture(), path: picture()}
    (finding,) = RT64.check(pack(files))
    assert (finding.severity, finding.path) == (severity, path)
    assert part in finding.text


def test_check_misses_databases_and_files():
    assert [finding.severity for finding in RT64.check(pack([RICE]))] == ["error"]
    (finding,) = RT64.check(pack({"rt64.json": database("gone.png"), RICE: picture()}))
    assert (finding.severity, "gone.png" in finding.text) == ("warning", True)


def test_a_real_pack_with_a_database_of_its_eleven_odd_names_is_whole():
    listed = SHARED / "names" / "n64_rice.txt"
    if not listed.is_file():
        pytest.skip(f"no list of real names in {listed.parent}")
    real = [line.split("\t")[4] for line in listed.read_text("utf-8").splitlines() if not line.startswith("#")]
    odd = [path for path in real if path.startswith("SMASH BROTHERS/rt64/")]
    assert len(odd) == 11
    text = database(*(path.partition("/")[2].replace("/", "\\") for path in odd), "")
    some = pack({**dict.fromkeys(real, b""), "SMASH BROTHERS/rt64.json": text})
    assert RT64.detect(some) == pytest.approx(4796 / 4797 + 0.2)
    left = [item for item in plan_pack(some, RT64, Wishes()).files if item.action not in ("upscale", "copy")]
    assert [item.path for item in left] == ["ssb-reloaded.jpg"]
