"""``--shard`` and ``texup merge``: what the shards of a pack become together is what one run makes of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import texup as api
from texup.errors import OutputError
from texup.manifest.history import NAME
from texup.upscaling.shards import merging

from ..builders import noise, records_of
from ..contract.dumps import DUMPS

pytestmark = pytest.mark.usefixtures("catalog")

CPU = ("--device", "cpu", "--jobs", "1")
ASKED = {
    "plain": ("--copy-other",),
    "ppsspp": (),
    "gzdoom": ("--textures-lump",),
    "minecraft": (),
    "rice": (),
    "dolphin": ("--copy-other",),
    "citra": (),
}
OF = 3
TIMES = {"began", "seconds", "check", "shard"}


def tree(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file() and p.name != NAME}


def facts(out: Path) -> dict[str, dict]:
    return {path: {k: v for k, v in line.items() if k not in TIMES} for path, line in records_of(out).items()}


def header(out: Path) -> dict:
    first = json.loads((out / NAME).read_text().splitlines()[0])
    return {name: value for name, value in first.items() if name not in TIMES}


def lines(out: Path) -> int:
    return len([line for line in (out / NAME).read_text().splitlines() if '"path"' in line])


def made(texup, pack: Path, asked=(), of=OF, name="part") -> list[Path]:
    """Make all shards of a pack, each by a call of its own; return their outputs."""
    outs = [pack.parent / f"{name}{k}" for k in range(1, of + 1)]
    for k, out in enumerate(outs, 1):
        result = texup("upscale", pack, "-o", out, "--shard", f"{k}/{of}", *asked, *CPU)
        assert result.code in (0, 3), result.err
    return outs


def dump(folder: Path, id_: str) -> Path:
    place = folder / DUMPS[id_].place
    for name, data in DUMPS[id_].files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    return place


@pytest.fixture
def pack(tmp_path, monkeypatch) -> Path:
    """A pack with twins, a damaged texture, and a file that is no texture."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "pack"
    (folder / "ui").mkdir(parents=True)
    for k in range(8):
        (folder / ("ui" if k % 2 else "") / f"{k}.png").write_bytes(noise(k // 2))
    (folder / "bad.png").write_bytes(b"\x89PNG")
    (folder / "notes.txt").write_text("no texture")
    return folder


@pytest.mark.parametrize("id_", ASKED)
def test_the_shards_of_a_pack_become_what_one_run_makes(texup, tmp_path, id_):
    place, whole, joined = dump(tmp_path, id_), tmp_path / "whole", tmp_path / "joined"
    asked = ("--format", id_, *ASKED[id_])
    one = texup("upscale", place, "-o", whole, *asked, *CPU, "--json")
    outs = made(texup, place, asked, name="../../part")
    result = texup("merge", *reversed(outs), "-o", joined, "--json")
    assert result.code == one.code, result.err
    assert tree(joined) == tree(whole)
    assert facts(joined) == facts(whole)
    assert header(joined) == header(whole)
    assert lines(joined) == len(facts(joined))
    assert result.json["check"] == one.json["check"]
    verified = texup("verify", joined)
    assert verified.code == texup("verify", whole).code
    again = texup("upscale", place, "-o", joined, *asked, *CPU, "--json")
    assert set(again.json["counts"]) <= {"unchanged", "failed"}


def test_shards_are_disjoint_and_complete_and_twins_are_computed_once(texup, pack):
    outs = made(texup, pack)
    paths = [path for out in outs for path in records_of(out)]
    assert sorted(paths) == sorted(p.relative_to(pack).as_posix() for p in pack.rglob("*.*"))
    twins = [line["twin_of"] for out in outs for line in records_of(out).values() if line["twin_of"]]
    assert sorted(twins) == ["0.png", "2.png", "4.png", "6.png"]
    assert [json.loads((out / NAME).read_text().splitlines()[0])["shard"]["number"] for out in outs] == [1, 2, 3]


def test_a_shard_goes_to_a_folder_of_its_own_name_and_python_makes_the_same(texup, pack, tmp_path):
    assert texup("upscale", pack, "--shard", "2/3", *CPU).code in (0, 3)
    summary = api.upscale(pack, shard="2/3", device="cpu", jobs=1)
    assert summary.output == tmp_path / "pack_x4_2of3"
    assert set(summary.counts) <= {"unchanged", "failed"}
    found = api.inspect(pack, shard="2/3", device="cpu")
    assert {file.path for file in found.files} == records_of(summary.output).keys()
    assert found.output == summary.output


def test_python_merges_as_the_command_does(texup, pack, tmp_path):
    outs = made(texup, pack)
    assert texup("merge", *outs, "-o", "whole").code == 3
    steps: list[tuple] = []
    merged = api.merge(map(str, outs), tmp_path / "joined", progress=lambda *step: steps.append(step))
    assert (merged.shards, merged.is_sound, merged.failures[0].path) == (OF, False, "bad.png")
    assert tree(tmp_path / "joined") == tree(tmp_path / "whole")
    assert facts(tmp_path / "joined") == facts(tmp_path / "whole")
    assert sorted(path for *_, path in steps) == sorted(facts(tmp_path / "whole"))
    assert steps[-1][:2] == (len(steps), len(steps))
    assert set(api.merge(outs, "joined").counts) == {"unchanged", "failed"}
    for wrong, said in ((str(outs[0]), "must be a list of paths"), ([], "outs is empty"), ([3], "must be a path")):
        with pytest.raises(api.TexupError, match=said):
            api.merge(wrong, "other")
    assert not (tmp_path / "other").exists()


def test_an_archive_is_cut_too_and_merged_into_one(texup, pack, tmp_path):
    shutil.make_archive("pack", "zip", pack)
    outs = [tmp_path / f"pack_x4_{k}of2" for k in (1, 2)]
    for k in (1, 2):
        assert texup("upscale", "pack.zip", "--shard", f"{k}/2", *CPU).code in (0, 3)
    assert not list(tmp_path.glob("pack_x4*.zip"))
    result = texup("merge", *outs, "-o", "whole.zip", "--json")
    assert (result.code, result.json["archive"]) == (3, "whole.zip")
    assert texup("upscale", "pack.zip", "-o", "one.zip", *CPU).code == 3
    assert Path("whole.zip").read_bytes() == Path("one.zip").read_bytes()


def test_a_merge_that_stops_anywhere_goes_on(texup, pack, tmp_path, monkeypatch):
    outs = made(texup, pack)
    assert texup("merge", *outs, "-o", "whole").code == 3
    bring = merging._bring
    for stop in range(8):
        left = iter([False] * stop + [True])

        def stopping(source, target, out, *, left=left):
            bring(source, target, out)
            if next(left):
                raise OutputError("stopped")

        for file in (path for each in outs for path in each.rglob("*.png")):
            os.utime(file, (1e9, 1e9))  # shards may have been made long before
        monkeypatch.setattr(merging, "_bring", stopping)
        assert texup("merge", *outs, "-o", "joined").code == 5
        monkeypatch.setattr(merging, "_bring", bring)
        result = texup("merge", *outs, "-o", "joined", "--json")
        assert result.json["counts"].get("unchanged", 0) >= stop
        assert tree(tmp_path / "joined") == tree(tmp_path / "whole")
        assert facts(tmp_path / "joined") == facts(tmp_path / "whole")
        assert lines(tmp_path / "joined") == len(facts(tmp_path / "whole"))
        shutil.rmtree("joined")


def test_a_killed_merge_goes_on(texup, pack, tmp_path):
    outs = made(texup, pack)
    patch = (
        "import os, sys; from texup.upscaling.shards import merging; real = merging.atomic_link; n = iter(range(9))\n"
    )
    patch += "def dying(a, b):\n    os._exit(9) if next(n) == 3 else None\n    return real(a, b)\n"
    patch += "merging.atomic_link = dying; from texup.cli.main import run; run()"
    program = [sys.executable, "-c", patch, "merge", *map(str, outs), "-o", "joined"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run(program, cwd=tmp_path, env=environment, check=False).returncode == 9
    assert lines(tmp_path / "joined") == 3
    result = texup("merge", *outs, "-o", "joined", "--json")
    assert (result.code, result.json["counts"]["unchanged"]) == (3, 3)
    assert texup("merge", *outs, "-o", "whole").code == 3
    assert tree(tmp_path / "joined") == tree(tmp_path / "whole")


@pytest.mark.parametrize("has_links", [True, False])
def test_files_are_linked_or_copied_and_the_shards_may_go(texup, pack, tmp_path, monkeypatch, has_links):
    outs = made(texup, pack)
    if not has_links:
        monkeypatch.setattr(os, "link", lambda *_, **__: (_ for _ in ()).throw(OSError(1, "not permitted")))
    assert texup("merge", *outs, "-o", "joined").code == 3
    assert (tmp_path / "joined" / "0.png").stat().st_nlink == (2 if has_links else 1)
    whole = tree(tmp_path / "joined")
    for out in outs:
        shutil.rmtree(out)
    assert tree(tmp_path / "joined") == whole
    problems = texup("verify", "joined", "--json").json["findings"]
    assert [(found["path"], found["problem"]) for found in problems] == [("bad.png", "failed")]


def test_shards_that_were_made_of_a_changed_pack_are_made_alike_by_their_commands(texup, pack):
    outs = made(texup, pack)
    (pack / "new.png").write_bytes(noise(99))
    texup("upscale", pack, "-o", outs[0], "--shard", "1/3", *CPU)
    refused = texup("merge", *outs, "-o", "joined")
    assert refused.code == 2
    assert "another state of it" in refused.err
    made(texup, pack)
    assert texup("merge", *outs, "-o", "joined").code == 3
    assert "new.png" in tree(pack.parent / "joined")


def refusals(texup, pack: Path, outs: list[Path]) -> dict[str, tuple[list, str]]:
    """Return merges that are refused, and what is said."""
    other = made(texup, pack, ("--grain", "0"), name="other")
    halves = made(texup, pack, of=2, name="half")
    texup("upscale", pack, "-o", "whole", *CPU)
    (pack / "0.png").write_bytes(noise(77))
    changed = made(texup, pack, name="changed")
    return {
        "missing": (outs[:1], "2 of 3 shards missing: 2/3, 3/3; give the outputs of all"),
        "twice": ([*outs, outs[1]], f"{outs[1]} and {outs[1]} are both shard 2/3"),
        "settings": ([outs[0], other[1], outs[2]], f"{other[1]}: made with grain other than {outs[0]}"),
        "count": ([*outs, halves[0]], "shard 1/2, and no shard of 3 as"),
        "pack": ([*outs[:2], changed[2]], "another pack, or another state of it or its rules, than"),
        "whole": (["whole"], "whole: no shard of a pack; `texup upscale --shard K/N` makes them"),
        "nothing": ([pack], "cannot read the manifest"),
        "inside": (outs, "the output lies inside the input"),
    }


def test_what_does_not_belong_together_is_refused_in_one_line(texup, pack, tmp_path):
    outs = made(texup, pack)
    for name, (given, said) in refusals(texup, pack, outs).items():
        place = outs[0] / "joined" if name == "inside" else "joined"
        result = texup("merge", *given, "-o", place)
        assert (result.code, len(result.err.splitlines())) == (2, 1), name
        assert said in result.err
        assert not (tmp_path / "joined").exists()


def edited(out: Path, old: str, new: str) -> None:
    """Change a manifest as another version of texup would have written it."""
    text = "".join(line[: line.rindex(',"check"')] + "}\n" for line in (out / NAME).read_text().splitlines())
    assert old in text
    (out / NAME).write_text(text.replace(old, new))


def unended(out: Path) -> None:
    """Cut off the line that closes the run."""
    (out / NAME).write_text("".join((out / NAME).read_text().splitlines(keepends=True)[:-1]))


DAMAGES = {
    "removed": (lambda out, file: (out / file).unlink(), "not as texup wrote it: {file} (missing)"),
    "changed": (lambda out, file: (out / file).write_bytes(b"mine"), "not as texup wrote it: {file} (changed)"),
    "not ended": (lambda out, _: unended(out), "its run did not come to its end"),
    "no record": (lambda out, _: edited(out, '"files":', '"files":1'), "has records of "),
    "version": (lambda out, _: edited(out, f'"{api.__version__}"', '"0.1.0"'), "made with version"),
    "net": (lambda out, _: edited(out, '"name":"tiny', '"name":"big'), "made with models"),
    "format": (lambda out, _: edited(out, '"convention":"plain"', '"convention":"quake"'), "made with convention"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_shard_that_is_not_whole_is_refused_in_one_line(texup, pack, tmp_path, damage):
    outs = made(texup, pack)
    out = next(out for out in outs if tree(out))
    file = sorted(tree(out))[0]
    harm, said = DAMAGES[damage]
    harm(out, file)
    result = texup("merge", *outs, "-o", "joined")
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert said.format(file=file) in result.err
    assert str(out) in result.err
    assert not (tmp_path / "joined").exists()


HOSTILE = {
    "many": ('"of":3', f'"of":{10**12}'),
    "words": ('"number":1', '"number":"1"'),
    "none": ('"plan":"', '"plan":"x'),
    "nets": ('"models":[', '"models":[[],'),
    "wishes": ('"wishes":{', '"wishes":[{}],"wish":{'),
    "settings": ('"settings":{', '"settings":[],"set":{'),
}


@pytest.mark.parametrize("lie", HOSTILE)
def test_a_manifest_that_lies_about_its_shard_is_refused_in_one_line(texup, pack, tmp_path, lie):
    outs = made(texup, pack)
    edited(outs[0], *HOSTILE[lie])
    result = texup("merge", *outs, "-o", "joined")
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert not (tmp_path / "joined").exists()


def test_an_output_holds_one_part_only_and_files_of_others_stay(texup, pack, tmp_path):
    outs = made(texup, pack)
    for asked, said in ((("--shard", "2/3"), "holds shard 1/3 of a pack; give its --shard, or another"), ((), "holds")):
        result = texup("upscale", pack, "-o", outs[0], *asked, *CPU)
        assert result.code == 2
        assert said in result.err
    (tmp_path / "joined").mkdir()
    (tmp_path / "joined" / "mine.txt").write_text("mine")
    assert "holds files but no manifest of texup (mine.txt)" in texup("merge", *outs, "-o", "joined").err
    (tmp_path / "joined" / "mine.txt").unlink()
    assert texup("merge", *outs, "-o", "joined").code == 3
    (tmp_path / "joined" / "0.png").unlink()
    (tmp_path / "joined" / "0.png").write_bytes(b"by hand")
    result = texup("merge", *outs, "-o", "joined", "--json")
    assert [kept["path"] for kept in result.json["kept"]] == ["0.png"]
    assert "holds a whole pack" in texup("upscale", pack, "-o", "joined", "--shard", "1/3", *CPU).err


def test_the_loaders_own_folder_is_not_repeated(texup, tmp_path):
    place = dump(tmp_path, "ppsspp")
    outs = made(texup, place, name="../../../part")
    home = tmp_path / "hd" / "PSP" / "TEXTURES"
    result = texup("merge", *outs, "-o", home)
    assert result.code == 2
    assert "the shards have the folders PSP/TEXTURES/ in them; give the folder above" in result.err
    assert texup("merge", *outs, "-o", tmp_path / "hd").code == 0


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/2/3", "a/b", "1/10000", "-1/3"])
def test_a_part_of_nothing_is_refused(texup, pack, text):
    result = texup("upscale", pack, f"--shard={text}")
    assert result.code == 2
    assert "use K/N, from 1/N to N/N, such as 2/8" in result.err
    with pytest.raises(api.TexupError, match="use K/N"):
        api.upscale(pack, shard=text)


def test_what_cannot_be_cut_is_refused(texup, pack):
    for asked, said in (
        ((pack / "0.png",), "one file; --shard cuts packs"),
        ((pack, "-o", "hd.zip"), "a shard is a folder; `texup merge` makes the archive"),
        ((pack, "--remember", "--include", "0.png"), "--remember changes the pack"),
    ):
        result = texup("upscale", *asked, "--shard", "1/2", *CPU)
        assert result.code == 2
        assert said in result.err
