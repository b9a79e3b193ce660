"""P9, P10, P11, P1: outputs stay inside OUT, links lead nowhere, and the source stays as it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ..builders import noise

MANIFEST, LOCK = "texup-manifest.jsonl", ".texup-lock"
PRECIOUS = b"precious\n"


@pytest.fixture
def pack(tmp_path) -> Path:
    folder = tmp_path / "pack"
    (folder / "sub").mkdir(parents=True)
    for k, name in enumerate(("a.png", "b.png", "sub/c.png")):
        (folder / name).write_bytes(noise(k))
    return folder


def upscale(weights, source, out, *more) -> list[str]:
    options = ("--overlap", "8", "--jobs", "2", "--device", "cpu", "-q")
    return ["upscale", str(source), "-o", str(out), "--model", str(weights), *options, *more]


def state_of(folder: Path) -> dict[str, tuple]:
    """Return content, mode, owner, time and number of links of everything below a folder, links not followed."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        facts = (status.st_mode, status.st_uid, status.st_mtime_ns, status.st_nlink, status.st_ino)
        found[path.relative_to(folder).as_posix()] = (content, *facts)
    return found


# ---- P11: OUT is SRC, in it or around it


def disguises(folder: Path) -> dict[str, tuple[str, str]]:
    """Return names of the pack, of places in it and around it, each with the word of its refusal."""
    pack = folder / "pack"
    (folder / "other" / "deep").mkdir(parents=True)
    for name, target in {
        "way": pack,
        "relative": "pack",
        "twice": "relative",
        "inner": pack / "sub",
        "new": pack / "not" / "yet",
        "up": folder,
        "other/deep/far": "../../pack",
    }.items():
        (folder / name).symlink_to(target)
    itself = ["pack", "pack/", "pack//.", "pack/sub/..", "other/../pack", "way", "relative", "twice", "other/deep/far"]
    inside = ["pack/out", "pack/sub", "pack/sub/deep/new", "way/out", "inner", "inner/x", "new", "pack/../pack/x"]
    around = [".", "..", "/", "up", "other/..", "up/other/..", "other/deep/far/.."]
    words = {"is the input itself": itself, "lies inside the input": inside, "contains the input": around}
    return {name: (name, word) for word, names in words.items() for name in names}


def test_p11_an_output_in_any_disguise_of_the_input_is_refused(texup, weights, pack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cases = disguises(tmp_path)
    before = state_of(tmp_path)
    for source in ("pack", "way", tmp_path / "pack", "other/../pack"):
        for out, word in cases.values():
            result = texup(*upscale(weights, source, out, "--force"))
            assert (result.code, len(result.errors)) == (2, 1), (source, out)
            assert word in result.err, (source, out)
    assert state_of(tmp_path) == before


@pytest.fixture
def mounted(tmp_path):
    """Makes bind mounts, and takes them away."""
    places = []

    def mount(source: Path, place: Path) -> None:
        place.mkdir()
        if subprocess.run(["mount", "--bind", source, place], capture_output=True, check=False).returncode:
            pytest.skip("no permission to mount a folder in a second place")
        places.append(place)

    yield mount
    for place in reversed(places):
        subprocess.run(["umount", place], check=True)


def test_p11_a_folder_that_is_mounted_twice_is_one(texup, weights, pack, tmp_path, mounted):
    mounted(pack, tmp_path / "again")
    mounted(pack / "sub", tmp_path / "inner")
    before = state_of(pack)
    for out in ("again", "again/out", "inner", "inner/out"):
        result = texup(*upscale(weights, pack, tmp_path / out, "--force"))
        assert result.code == 2, out
        assert "the output " in result.errors[0]
    for source, out in (("again", "pack/out"), ("inner", "pack"), ("inner", "pack/sub/x")):
        result = texup(*upscale(weights, tmp_path / source, tmp_path / out, "--force"))
        assert result.code == 2, (source, out)
    assert state_of(pack) == before


def test_p11_a_case_insensitive_folder_is_one_under_both_names(texup, weights, tmp_path):
    folder = tmp_path / "any case"
    folder.mkdir()
    if subprocess.run(["chattr", "+F", folder], capture_output=True, check=False).returncode:
        pytest.skip("this file system cannot ignore the case of names")
    (folder / "Pack").mkdir()
    (folder / "Pack" / "a.png").write_bytes(noise(0))
    assert texup(*upscale(weights, folder / "Pack", folder / "pACK")).code == 2
    assert texup(*upscale(weights, folder / "Pack", folder / "pack" / "out")).code == 2


# ---- P9, P1: links and hard links


def test_p09_links_in_the_source_are_named_and_lead_nowhere(texup, weights, pack, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(noise(9))
    links = {
        "file.png": outside / "secret.png",
        "folder": outside,
        "loop": "loop",
        "round": "..",
        "self": ".",
        "gone.png": "nowhere.png",
        "device.png": "/dev/zero",
        "inner.png": "a.png",
        "texup.toml": outside / "secret.png",
        "textures.ini": "/etc/passwd",
        "rt64.json": "/etc/passwd",
    }
    for name, target in links.items():
        (pack / name).symlink_to(target)
    before = state_of(tmp_path)
    result = texup(*upscale(weights, pack, tmp_path / "out", "--copy-other", "--json"))
    assert result.code == 3
    assert {failure["path"] for failure in result.json["failures"]} == set(links)
    assert all(failure["reason"].startswith("a link") for failure in result.json["failures"])
    assert {p.name for p in (tmp_path / "out").rglob("*.*")} == {"a.png", "b.png", "c.png", MANIFEST}
    shutil.rmtree(tmp_path / "out")
    after = state_of(tmp_path)
    assert {k: v for k, v in after.items() if k != "."} == {k: v for k, v in before.items() if k != "."}


def test_p01_a_pack_of_hard_links_keeps_its_other_names(texup, weights, pack, tmp_path):
    """Also where results of OUT became hard links of them: results replace names, they are not written through them."""
    assert texup(*upscale(weights, pack, tmp_path / "out")).code == 0
    for name in ("a.png", "b.png", "sub/c.png"):
        (tmp_path / "out" / name).unlink()
        (tmp_path / "out" / name).hardlink_to(pack / name)
    before = state_of(pack)
    result = texup(*upscale(weights, pack, tmp_path / "out", "--force"))
    assert result.code == 0, result.err
    after = state_of(pack)
    assert {name: facts[:4] for name, facts in after.items()} == {name: facts[:4] for name, facts in before.items()}
    assert all((tmp_path / "out" / name).stat().st_nlink == 1 for name in ("a.png", "b.png", "sub/c.png"))


def test_p09_an_output_copied_by_hard_links_changes_alone(texup, weights, pack, tmp_path):
    """As backups do it: a run on the copy must not reach the files, nor the manifest, of the first."""
    assert texup(*upscale(weights, pack, tmp_path / "out")).code == 0
    shutil.copytree(tmp_path / "out", tmp_path / "copy", copy_function=os.link)
    before = {name: facts[0] for name, facts in state_of(tmp_path / "out").items()}
    (pack / "a.png").write_bytes(noise(77))
    assert texup(*upscale(weights, pack, tmp_path / "copy")).code == 0
    assert {name: facts[0] for name, facts in state_of(tmp_path / "out").items()} == before
    assert texup("verify", tmp_path / "out").code == 0
    assert texup("verify", tmp_path / "copy").code == 0


PLANTED = {
    "a file": ("a.png", False),
    "a file that is not there": ("a.png", True),
    "the file of a level below": ("sub/c.png", False),
    "a folder": ("sub", False),
    "a folder that is not there": ("sub", True),
    "the manifest": (MANIFEST, False),
    "a manifest that is not there": (MANIFEST, True),
    "the lock": (LOCK, False),
    "a lock that is not there": (LOCK, True),
}


@pytest.mark.parametrize("again", [False, True], ids=["before the first run", "between two"])
@pytest.mark.parametrize("name", PLANTED)
def test_p09_a_link_planted_in_the_output_is_never_written_through(texup, weights, pack, tmp_path, name, again):
    place, is_dangling = PLANTED[name]
    out, outside = tmp_path / "out", tmp_path / "outside"
    (outside / "folder").mkdir(parents=True)
    (outside / "file").write_bytes(PRECIOUS)
    target = outside / "none" if is_dangling else outside / ("folder" if place == "sub" else "file")
    out.mkdir()
    if again:
        assert texup(*upscale(weights, pack, out)).code == 0
        (pack / "a.png").write_bytes(noise(50))
        (pack / "sub" / "c.png").write_bytes(noise(51))
    planted = out / place
    planted.parent.mkdir(exist_ok=True)
    shutil.rmtree(planted) if planted.is_dir() else planted.unlink(missing_ok=True)
    planted.symlink_to(target)
    before = state_of(outside)
    result = texup(*upscale(weights, pack, out, "--force" if again else "--keep-existing"))
    assert state_of(outside) == before
    assert not [*out.rglob(".texup-*.tmp")]
    if place.endswith(".png"):  # a name of texup's own is replaced, whatever became of it
        assert result.code == 0, result.err
        assert planted.is_symlink() == (not again)
    else:
        assert result.code in (2, 5)
        assert len(result.errors) == 1
        assert str(planted) in result.errors[0]
    if place == "sub":
        planted.unlink()
        assert texup(*upscale(weights, pack, out)).code == 0


def test_p09_leftovers_that_are_links_go_and_what_they_lead_to_stays(texup, weights, pack, tmp_path):
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    (outside / ".texup-0123456789ab.tmp").write_bytes(PRECIOUS)
    (outside / "file").write_bytes(PRECIOUS)
    (out / ".texup-00000000000a.tmp").symlink_to(outside / "file")
    (out / ".texup-00000000000b.tmp").hardlink_to(outside / "file")
    (out / "way").symlink_to(outside)
    result = texup(*upscale(weights, pack, out, "--keep-existing"))
    assert result.code == 0
    assert (outside / "file").read_bytes() == (outside / ".texup-0123456789ab.tmp").read_bytes() == PRECIOUS
    assert not [*out.glob(".texup-*.tmp")]


# Somebody puts a link in the place of a folder while the run is on its way, when the first texture has got its name.
SWAPPED = """
import os
real, seen = os.replace, []
def replace(*arguments):
    real(*arguments)
    seen.append(arguments)
    if len(seen) == {after}:
        os.path.isdir("out/sub") and os.rename("out/sub", "moved")
        os.symlink("../outside", "out/sub")
os.replace = replace
"""


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("copied", [True, False])
def test_p09_a_folder_that_becomes_a_link_during_the_run(launcher, weights, pack, tmp_path, is_there, copied):
    (tmp_path / "outside").mkdir()
    more = ["--jobs", "1", "--force"]
    if copied:
        (pack / "sub" / "c.png").rename(pack / "sub" / "c.txt")
        (pack / "sub" / "d.png").write_bytes(noise(8))
        more.append("--copy-other")
    if is_there:
        (tmp_path / "out" / "sub").mkdir(parents=True)
    code, _, told = launcher.run(
        *upscale(weights, pack, "out", *more), cwd=tmp_path, before=SWAPPED.format(after=1 if copied else 2)
    )
    assert code == 5
    assert told == "texup: error: out/sub: a link inside the output leads elsewhere; remove it\n"
    assert [*(tmp_path / "outside").iterdir()] == []


# ---- P1, P9: permissions


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o027])
def test_p09_the_umask_decides_the_modes(launcher, weights, pack, tmp_path, umask):
    (pack / "b.png").chmod(0o777)
    (pack / "notes.txt").write_text("x")
    assert launcher.run(*upscale(weights, pack, "new/out", "--copy-other"), cwd=tmp_path, umask=umask)[0] == 0
    for path in [tmp_path / "new", *(tmp_path / "new").rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o777 if path.is_dir() else 0o666) & ~umask, path
    assert launcher.run(*upscale(weights, pack, "out.zip"), cwd=tmp_path, umask=umask)[0] == 0
    assert (tmp_path / "out.zip").stat().st_mode & 0o777 == 0o666 & ~umask


# Root reads everything: the run gives that up, and has what the modes give the owner of a file.
AS_OTHERS = """
import ctypes
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
if ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)()):
    raise OSError("capabilities cannot be dropped")
"""


def test_p01_a_read_only_source_is_read(launcher, weights, pack, tmp_path):
    before = {path: path.lstat().st_mode for path in [pack, *pack.rglob("*")]}
    for path in before:
        path.chmod(0o555 if path.is_dir() else 0o444)
    known = state_of(pack)
    run = upscale(weights, "pack", "out", "--json")
    code, said, told = launcher.run(*run, cwd=tmp_path, before=AS_OTHERS)
    assert (code, told) == (0, "")
    assert json.loads(said)["counts"] == {"upscaled": 3}
    assert state_of(pack) == known
    for path, mode in before.items():
        path.chmod(mode)


def test_p09_what_may_not_be_read_fails_by_name_and_the_rest_is_done(launcher, weights, pack, tmp_path):
    (pack / "a.png").chmod(0)
    (pack / "closed").mkdir()
    (pack / "closed" / "d.png").write_bytes(noise(5))
    (pack / "closed").chmod(0)
    (pack / "blind").mkdir()
    (pack / "blind" / "e.png").write_bytes(noise(6))
    (pack / "blind").chmod(0o444)
    run = upscale(weights, "pack", "out")
    code, _, told = launcher.run(*run, cwd=tmp_path, before=AS_OTHERS)
    for folder in ("closed", "blind"):
        (pack / folder).chmod(0o755)
    assert code == 3
    assert sorted(told.splitlines()) == [
        "failed: a.png: cannot read: Permission denied",
        "failed: blind/e.png: cannot be read: Permission denied",
        "failed: closed: the folder cannot be listed: Permission denied",
    ]
    assert sorted(p.name for p in (tmp_path / "out").rglob("*.png")) == ["b.png", "c.png"]


def test_p09_a_source_that_may_not_be_listed_is_refused(launcher, weights, pack, tmp_path):
    pack.chmod(0o111)
    run = upscale(weights, "pack", "out")
    code, _, told = launcher.run(*run, cwd=tmp_path, before=AS_OTHERS)
    pack.chmod(0o755)
    assert code == 2
    assert "pack" in told
    assert not (tmp_path / "out").exists()


# ---- long names and deep folders


def test_p09_names_of_255_bytes_and_folders_deeper_than_a_path_can_say(texup, weights, tmp_path):
    pack = tmp_path / "pack"
    long = pack / ("d" * 255) / ("\u00e9" * 125 + "x.png")
    long.parent.mkdir(parents=True)
    long.write_bytes(noise(0))
    at = os.open(pack, os.O_RDONLY)
    for _ in range(24):  # 24 x 200 bytes are more than the 4096 of PATH_MAX
        os.mkdir("f" * 200, dir_fd=at)
        below = os.open("f" * 200, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("lost.png", os.O_CREAT, dir_fd=at))
    os.close(at)
    for command in (
        upscale(weights, pack, tmp_path / "out"),
        ["inspect", pack, "--model", weights, "-v"],
        ["check", pack],
    ):
        result = texup(*command)
        assert result.code in (0, 3)
        assert result.errors == []
        assert "File name too long" in result.out + result.err
    assert (tmp_path / "out" / ("d" * 255) / ("\u00e9" * 125 + "x.png")).exists()
    subprocess.run(["rm", "-rf", pack], check=True)  # Python's own cannot say these paths either


# ---- P10: collisions

COLLISIONS = {
    "case": ["wall.png", "WALL.png"],
    "case of a suffix": ["wall.png", "wall.PNG"],
    "case of a folder": ["ui/a.png", "UI/b.png"],
    "Unicode form": ["\u00e9.png", "e\u0301.png"],
    "Unicode form of a folder": ["\u00e9/a.png", "e\u0301/b.png"],
    "Unicode form and case": ["\u00c9.png", "e\u0301.png"],
    "long s": ["wa\u017f.png", "was.png"],
    "sharp s": ["stra\u00dfe.png", "STRASSE.png"],
    "Kelvin sign": ["\u212a.png", "k.png"],
    "ligature": ["\ufb01.png", "fi.png"],
    "Korean syllable": ["\uac00.png", "\u1100\u1161.png"],
    "a file and a folder": ["Wall.png", "wall.PNG/a.png"],
}


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("name", COLLISIONS)
def test_p10_names_that_are_one_elsewhere_are_refused_before_the_first_write(texup, weights, tmp_path, name, kind):
    pack = tmp_path / "pack"
    for k, each in enumerate(COLLISIONS[name]):
        (pack / each).parent.mkdir(parents=True, exist_ok=True)
        (pack / each).write_bytes(noise(k))
    source = pack
    if kind == "zip":
        source = Path(shutil.make_archive(str(pack), "zip", pack))
    result = texup(*upscale(weights, source, tmp_path / "out"))
    assert (result.code, result.out, len(result.errors), result.err.count("\n")) == (2, "", 1, 1)
    assert "one name" in result.err
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({"pack", source.name})


# Pack of a convention -> two files that would become one target, or of which the loader would see one.
MEETING = {
    "plain": (["a.png", "sub/a.png"], None),
    "gzdoom": (["textures/a/WALL.png", "textures/b/WALL.png"], "has the name WALL of"),
    "minecraft": (["pack.mcmeta", "assets/minecraft/textures/a.png", "assets/minecraft/textures/a.PNG"], "one name"),
    "dolphin": (["tex1_8x8_0011223344556677_6.png", "x/tex1_8x8_0011223344556677_6.tga"], None),
    "gliden64": (["GAME#0011AABB#0#2_all.png", "sub/GAME#0011AABB#0#2_all.png"], None),
}


@pytest.mark.parametrize("convention", MEETING)
def test_p10_no_two_sources_have_one_target(texup, weights, tmp_path, convention):
    names, refusal = MEETING[convention]
    for k, name in enumerate(names):
        path = tmp_path / "pack" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'{"pack": {"pack_format": 1, "description": ""}}' if "mcmeta" in name else noise(k))
    result = texup(*upscale(weights, tmp_path / "pack", tmp_path / "out", "--format", convention, "--json"))
    if refusal:
        assert (result.code, result.err.count("\n"), refusal in result.err) == (2, 1, True), result.err
        assert not (tmp_path / "out").exists()
        return
    assert result.code == 0, result.err
    lines = [json.loads(line) for line in (tmp_path / "out" / MANIFEST).read_text().splitlines()[1:-1]]
    targets = [target[0].casefold() for line in lines for target in line["targets"]]
    assert len(set(targets)) == len(targets)
    assert {line["path"] for line in lines} >= set(names)
    assert texup("verify", tmp_path / "out").code == 0


def test_p10_every_convention_refuses_two_sources_of_one_target():
    """The plan of any convention goes through one door, which counts targets by case and Unicode form."""
    from texup.conventions.convention import Planned, Sidecar
    from texup.errors import PackError
    from texup.upscaling.planning import _check_targets

    files = [Planned("a.png", "upscale", "", "x/T\u00e9.png"), Planned("b.tga", "upscale", "", "X/te\u0301.png")]
    with pytest.raises(PackError, match="would both become"):
        _check_targets(files, [])
    with pytest.raises(PackError, match="would both become"):
        _check_targets(files[:1], [Sidecar("X/t\u00e9.PNG", b"")])
    for target in ("../a.png", "/a.png", "a/../../b.png", "C:a.png", "a\\b.png", ""):
        bad = Planned("a.png", "upscale", "", target)
        if target:
            with pytest.raises(PackError, match="outside the output"):
                _check_targets([bad], [])


def test_p11_the_folder_that_texup_is_called_in_is_seen(launcher, weights, pack):
    code, _, told = launcher.run(*upscale(weights, ".", "out"), cwd=pack)
    assert (code, told.count("\n")) == (2, 1)
    assert "the output lies inside the input" in told
