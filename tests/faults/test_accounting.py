"""Every source file is accounted for exactly once, whatever becomes of it and whatever the run is asked for."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from texup.manifest.history import records
from texup.textures.codecs.files import encode
from texup.textures.texture import Container, Texture

from ..builders import noise

MANIFEST = "texup-manifest.jsonl"


def cube_map() -> bytes:
    data = bytearray(noise(9, channels=4, format_="dds"))
    struct.pack_into("<I", data, 112, 0xFE00)
    return bytes(data)


PLAIN = {
    "a.png": noise(1),
    "twin of a.png": noise(1),
    "sub/b.tga": noise(2, format_="tga"),
    "sub/sky.dds": cube_map(),
    "sub/flat.png": encode(Texture(np.full((8, 8, 3), 7, np.uint8), Container("png"))),
    "damaged.png": noise(3)[:-40],
    "empty.png": b"",
    "notes.txt": b"by hand",
    "ui/c.png": noise(4),
    "ui/kept.png": noise(5),
    "texup.toml": b'[[rule]]\nmatch = "ui/kept.png"\naction = "copy"\n',
    "caf\udce9 [/x] \x1b[31m \u202e.png": noise(6),
    "back\\slash.png": noise(7),
    "C:drive.png": noise(8),
}
RICE = {
    "GAME#0A1B2C3D#0#2_all.png": noise(1, side=16, channels=4),
    "GAME#0A1B2C40#0#3_rgb.png": noise(2, side=16),
    "GAME#0A1B2C40#0#3_a.png": noise(3, side=16),
    "GAME#0A1B2C42#2#1_ci.png": noise(4, side=16),
    "GAME#0A1B2C43#0#2_a.png": noise(5, side=16),
    "readme.txt": b"by hand",
}
PPSSPP = {
    "textures.ini": b"[options]\nversion = 1\nhash = xxh64\n\n[hashes]\n0000000000000000ecaaece3 = MS\\A\\a_1.png\n",
    "MS/A/a_1.png": noise(1, side=16),
    "new/08d3961000000909ba70b2af.png": noise(2, side=16),
    "new/08d3961000000909ba70b2af_1.png": noise(3, side=8),
}
DOLPHIN = {
    "tex1_16x16_00112233445566aa_14.png": noise(1, side=16),
    "tex1_16x16_m_00112233445566bb_6.png": noise(2, side=16),
    "tex1_16x16_m_00112233445566bb_6_mip1.png": noise(3, side=8),
    "notes.txt": b"by hand",
}
MINECRAFT = {
    "pack.mcmeta": b'{"pack": {"pack_format": 15, "description": "x"}}',
    "assets/minecraft/textures/block/stone.png": noise(1, side=16),
    "assets/minecraft/textures/block/fire.png": encode(
        Texture(np.random.default_rng(2).integers(0, 256, (64, 16, 3), np.uint8), Container("png"))
    ),
    "assets/minecraft/textures/block/fire.png.mcmeta": b'{"animation": {"width": 16, "height": 16}}',
    "assets/minecraft/lang/en.json": b"{}",
}
PACKS = {
    "plain": ("pack", PLAIN, ()),
    "plain, copies": ("pack", PLAIN, ("--copy-other",)),
    "plain, a part": ("pack", PLAIN, ("--include", "ui/**", "--exclude", "ui/c.png")),
    "plain, a part, copies": ("pack", PLAIN, ("--exclude", "sub/**", "--copy-other")),
    "rice": ("texture_dump/GAME", RICE, ()),
    "ppsspp": ("PSP/TEXTURES/ULUS10000", PPSSPP, ()),
    "dolphin": ("Dump/Textures/GALE01", DOLPHIN, ("--resource-pack", "hd.gale")),
    "minecraft": ("pack", MINECRAFT, ()),
}
KINDS = {"upscaled", "copied", "written", "joined", "skipped", "failed"}


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def sources(pack: Path) -> set[str]:
    """Return all that is in a folder but folders."""
    return {path.relative_to(pack).as_posix() for path in pack.rglob("*") if path.is_symlink() or not path.is_dir()}


def newest(out: Path) -> dict[str, dict]:
    """Return the last word on each source; no line may be damaged."""
    lines = [json.loads(line) for line in (out / MANIFEST).read_text("ascii").splitlines()]
    assert None not in list(records(out))
    last = {line["path"]: line for line in lines if "path" in line}
    return {path: line for path, line in last.items() if line["outcome"] != "gone"}


def accounted(pack: Path, out: Path) -> dict[str, str]:
    """Hold that the manifest speaks of all sources, of all files of the output, and of nothing else, once each."""
    last = newest(out)
    made = {path for path, line in last.items() if line["outcome"] == "written"}
    assert last.keys() - made <= sources(pack) <= last.keys()
    targets = [target[0] for line in last.values() for target in line["targets"]]
    assert len(set(targets)) == len(targets)
    assert set(targets) == sources(out) - {MANIFEST}
    for path, line in last.items():
        assert line["outcome"] in KINDS
        assert bool(line["targets"]) == (line["outcome"] in ("upscaled", "copied", "written"))
        assert line["reason"] or line["outcome"] in ("upscaled", "copied", "written"), path
        assert line["source_sha256"] or line["outcome"] in ("failed", "skipped"), path
    return {path: line["outcome"] for path, line in last.items()}


@pytest.fixture
def upscale(texup, weights, tmp_path):
    def run(pack: Path, *options):
        return texup("upscale", pack, "-o", tmp_path / "out", "--model", weights, "--overlap", "8", "--json", *options)

    return run


@pytest.mark.parametrize(("place", "files", "options"), PACKS.values(), ids=PACKS)
def test_p08_every_source_is_in_the_manifest_exactly_once(upscale, texup, tmp_path, place, files, options):
    pack, out = put(tmp_path / place, files), tmp_path / "out"
    if files is PLAIN:
        (pack / "way.png").symlink_to("a.png")
        os.mkfifo(pack / "pipe.png")
    result = upscale(pack, *options)
    assert result.code == (3 if files is PLAIN else 0), result.err
    outcomes = accounted(pack, out)
    assert sum(result.json["counts"].values()) == len(outcomes)
    lines = (out / MANIFEST).read_bytes()
    assert lines.count(b"\n") == 2 + len(outcomes), "one line each, a header and the end"
    again = upscale(pack, *options)
    assert set(again.json["counts"]) <= {"unchanged", "failed"}
    assert accounted(pack, out) == outcomes
    failed = {path for path, outcome in outcomes.items() if outcome == "failed"}
    found = texup("verify", out, "--json")
    assert {(finding["path"], finding["problem"]) for finding in found.json["findings"]} == {
        (p, "failed") for p in failed
    }


def test_p08_each_kind_of_outcome_occurs(upscale, tmp_path):
    seen = set()
    for name in ("plain, copies", "rice", "ppsspp"):
        place, files, options = PACKS[name]
        upscale(put(tmp_path / name / place, files), *options)
        seen |= set(accounted(tmp_path / name / place, tmp_path / "out").values())
        shutil.rmtree(tmp_path / "out")
    assert seen == KINDS


def test_p08_sources_that_come_and_go_between_runs(upscale, texup, tmp_path):
    pack, out = put(tmp_path / "pack", PLAIN), tmp_path / "out"
    assert upscale(pack).code == 3
    (pack / "a.png").rename(pack / "A2.png")
    for name in ("damaged.png", "empty.png", "back\\slash.png", "C:drive.png", "sub/b.tga"):
        (pack / name).unlink()
    (pack / "new.png").write_bytes(noise(20))
    (pack / "ui").rename(pack / "interface")
    (pack / "texup.toml").unlink()
    result = upscale(pack)
    assert result.code == 0
    assert set(newest(out)) == sources(pack)
    left = {"a.png", "sub/b.tga", "ui/c.png", "ui/kept.png"}
    assert set(result.json["orphans"]) == left
    assert "warning: 4 files of earlier runs still in " in result.err
    found = {finding["path"]: finding["problem"] for finding in texup("verify", out, "--json").json["findings"]}
    assert found == dict.fromkeys(left, "orphan")
    for name in left:
        (out / name).unlink()
    again = upscale(pack)
    assert (again.code, again.json["orphans"], set(again.json["counts"])) == (0, [], {"unchanged"})
    accounted(pack, out)
    assert texup("verify", out).code == 0


def test_p08_results_of_other_settings_are_named_as_orphans(upscale, texup, tmp_path):
    pack, out = put(tmp_path / "Dump/Textures/GALE01", DOLPHIN), tmp_path / "out"
    assert upscale(pack).json["orphans"] == []
    before = sources(out) - {MANIFEST}
    result = upscale(pack, "--format", "plain")
    assert set(result.json["orphans"]) == before, "those of another layout"
    assert upscale(pack).json["orphans"] == sorted(sources(out) - {MANIFEST} - before)


def test_p08_a_part_leaves_the_rest_as_it_was_done(upscale, tmp_path):
    """``--include`` on a finished pack must not forget, redo or call an orphan what it is not asked for."""
    pack, out = (
        put(tmp_path / "pack", {k: v for k, v in PLAIN.items() if k.startswith(("a", "sub", "ui"))}),
        tmp_path / "out",
    )
    assert upscale(pack).code == 0
    before = {name: (out / name).read_bytes() for name in sources(out) - {MANIFEST}}
    for more in ((), ("--copy-other",), ("--force",)):
        result = upscale(pack, "--include", "ui/**", "--scale", "2", *more)
        changed = {name for name, data in before.items() if (out / name).read_bytes() != data}
        assert changed == {"ui/c.png", "ui/kept.png"}
        assert result.json["orphans"] == []
        accounted(pack, out)
    assert upscale(pack).json["counts"] == {"unchanged": 4, "upscaled": 2}
    assert {name: (out / name).read_bytes() for name in before} == before


def test_p08_a_run_that_stops_at_a_failure_has_told_of_what_it_did(upscale, texup, tmp_path):
    """With ``--fail-fast`` every line is of a source and true; what was not reached has none and is done next time."""
    pack, out = put(tmp_path / "pack", PLAIN), tmp_path / "out"
    assert upscale(pack, "--fail-fast", "--jobs", "1").code == 3
    last = newest(out)
    assert last.keys() < sources(pack)
    assert [line["outcome"] for line in last.values()].count("failed") == 1
    problems = {finding["problem"] for finding in texup("verify", out, "--json").json["findings"]}
    assert problems <= {"failed", "extra"}
    assert upscale(pack).code == 3
    accounted(pack, out)


def test_p08_a_zip_holds_what_the_newest_run_did_and_nothing_else(texup, weights, tmp_path):
    files = {name: data for name, data in PLAIN.items() if name in ("a.png", "sub/b.tga", "sub/sky.dds", "ui/c.png")}

    def run(names) -> set[str]:
        with zipfile.ZipFile(tmp_path / "pack.zip", "w") as archive:
            for name in names:
                archive.writestr(name, files[name])
        result = texup("upscale", tmp_path / "pack.zip", "--model", weights, "--overlap", "8", "--json")
        assert result.code == 0, result.err
        folder = put(tmp_path / "unpacked", {name: files[name] for name in names})
        assert set(newest(tmp_path / "pack_x4")) == sources(folder)
        shutil.rmtree(folder)
        with zipfile.ZipFile(tmp_path / "pack_x4.zip") as archive:
            return set(archive.namelist())

    assert run(files) == set(files)
    first = (tmp_path / "pack_x4.zip").read_bytes()
    assert run(["a.png", "sub/sky.dds"]) == {"a.png", "sub/sky.dds"}
    assert (tmp_path / "pack_x4" / "ui" / "c.png").exists(), "nothing is removed unasked"
    assert run(files) == set(files)
    assert (tmp_path / "pack_x4.zip").read_bytes() == first


def test_p08_a_pack_that_texup_made_is_a_pack(upscale, texup, weights, tmp_path):
    """Only texup's own files in it, manifest, lock and leftovers, are no sources."""
    pack = put(tmp_path / "pack", {"a.png": PLAIN["a.png"], "sub/.texup-0123456789ab.tmp": b"x", ".texup-lock": b"1\n"})
    (pack / MANIFEST).write_text("mine")
    assert upscale(pack).code == 0
    assert set(newest(tmp_path / "out")) == {"a.png"}
