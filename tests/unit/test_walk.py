"""texup.packs.walk: order, kinds, selection, and what is refused before any work."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from texup.errors import ExitCode, PackError
from texup.locks import LOCK_NAME
from texup.packs import walk as module
from texup.packs.walk import MANIFEST_NAME, Entry, check_overlap, check_pack, is_safe, walk

LINK = "a link; texup does not follow links"
ODD = "neither a file nor a folder"


def fill(root: Path, *names: str) -> Path:
    """Make files (and folders where a name ends with a slash), each holding its own name."""
    for name in names:
        path = root / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(os.fsencode(name))
    return root


def paths(root: Path, **selection) -> list[str]:
    return [entry.path for entry in walk(root, **selection)]


def test_files_come_by_name_then_subfolders_by_name(tmp_path):
    fill(tmp_path, "b/z.png", "b/a.png", "a/b/c.png", "a/d.png", "c.png", "B.png", "a.png", "empty/")
    assert paths(tmp_path) == ["B.png", "a.png", "c.png", "a/d.png", "a/b/c.png", "b/a.png", "b/z.png"]


def test_suffixes_decide_whatever_their_case(tmp_path):
    fill(tmp_path, "a.png", "b.PNG", "c.Tga", "d.dds", "e.txt", "png", ".png", "f.png.bak")
    kinds = {entry.path: entry.kind for entry in walk(tmp_path)}
    assert [p for p, kind in kinds.items() if kind == "texture"] == ["a.png", "b.PNG", "c.Tga", "d.dds"]
    assert {kinds[p] for p in ("e.txt", "png", ".png", "f.png.bak")} == {"other"}


def test_sizes_are_those_of_the_files(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x" * 1234)
    (tmp_path / "b.png").write_bytes(b"")
    assert list(walk(tmp_path)) == [Entry("a.png", 1234, "texture"), Entry("b.png", 0, "texture")]


def test_only_one_folder_is_listed_ahead(tmp_path, monkeypatch):
    fill(tmp_path, "a.png", "b/c.png", "d/e.png")
    listed, scandir = [], os.scandir

    def traced(folder):
        listed.append(Path(folder).name)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", traced)
    found = walk(tmp_path)
    assert listed == []
    assert next(found).path == "a.png"
    assert listed == [tmp_path.name]
    assert next(found).path == "b/c.png"
    assert listed == [tmp_path.name, "b"]


def test_links_and_devices_are_refused_not_followed(tmp_path):
    pack = fill(tmp_path / "pack", "a.png", "sub/")
    outside = fill(tmp_path / "outside", "secret.png")
    (pack / "file.png").symlink_to(outside / "secret.png")
    (pack / "folder").symlink_to(outside)
    (pack / "gone.png").symlink_to("nowhere")
    (pack / "sub" / "loop").symlink_to(pack)
    os.mkfifo(pack / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(pack / "socket.png"))
        found = {entry.path: (entry.kind, entry.reason) for entry in walk(pack)}
    assert found == {
        "a.png": ("texture", None),
        "file.png": ("refused", LINK),
        "folder": ("refused", LINK),
        "gone.png": ("refused", LINK),
        "sub/loop": ("refused", LINK),
        "pipe.png": ("refused", ODD),
        "socket.png": ("refused", ODD),
    }


def test_links_stay_refused_when_excluded_so_that_nothing_copies_them(tmp_path):
    (tmp_path / "a.png").symlink_to("/etc/passwd")
    assert [entry.kind for entry in walk(tmp_path, exclude=["*"])] == ["refused"]


@pytest.mark.parametrize("name", ["a\\b.png", "C:a.png"])
def test_names_that_leave_the_folder_on_windows_are_refused(tmp_path, name):
    fill(tmp_path, name)
    (entry,) = walk(tmp_path)
    assert (entry.kind, entry.path) == ("refused", name)
    assert "rename it" in entry.reason


def test_names_that_are_no_utf8_come_back_as_they_were(tmp_path):
    name = os.fsdecode(b"caf\xe9/\xff\xfe.png")
    fill(tmp_path, name)
    (entry,) = walk(tmp_path)
    assert entry.path == name
    assert (tmp_path / entry.path).read_bytes() == b"caf\xe9/\xff\xfe.png"


@pytest.mark.parametrize("folder", ["", "b"])
def test_a_folder_that_cannot_be_listed_is_named_and_the_rest_goes_on(tmp_path, monkeypatch, folder):
    fill(tmp_path, "a.png", "b/c.png", "d/e.png")
    scandir = os.scandir

    def refuse(place):
        if Path(place) == tmp_path / folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refuse)
    found = {entry.path: entry for entry in walk(tmp_path)}
    assert found[folder or "."].kind == "refused"
    assert "Permission denied" in found[folder or "."].reason
    assert set(found) == ({"."} if not folder else {"a.png", "b", "d/e.png"})


def test_own_files_are_left_out(tmp_path):
    own = (MANIFEST_NAME, LOCK_NAME, ".texup-0123456789ab.tmp")
    fill(tmp_path, "a.png", *own, *(f"sub/{name}" for name in own), "sub/.texup-mine.tmp", f"{LOCK_NAME}x/b.png")
    assert paths(tmp_path) == ["a.png", f"{LOCK_NAME}x/b.png", "sub/.texup-mine.tmp"]


TREE = ("a.png", "b.tga", "ui/a.png", "ui/deep/c.png", "ui/deep/er/D.PNG", "x/ui/e.png", "vile[0.png", "vile]0.png")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", {"a.png", "ui/a.png", "ui/deep/c.png", "ui/deep/er/D.PNG", "x/ui/e.png", "vile[0.png", "vile]0.png"}),
        ("*.PNG", {"a.png", "ui/a.png", "ui/deep/c.png", "ui/deep/er/D.PNG", "x/ui/e.png", "vile[0.png", "vile]0.png"}),
        ("a.*", {"a.png", "ui/a.png"}),
        ("?.tga", {"b.tga"}),
        ("ui/*", {"ui/a.png"}),
        ("UI/**", {"ui/a.png", "ui/deep/c.png", "ui/deep/er/D.PNG"}),
        ("ui/**/*.png", {"ui/a.png", "ui/deep/c.png", "ui/deep/er/D.PNG"}),
        ("ui/**/er/*", {"ui/deep/er/D.PNG"}),
        ("**/ui/*", {"ui/a.png", "x/ui/e.png"}),
        ("**/d*", {"ui/deep/er/D.PNG"}),
        ("[ac].png", {"a.png", "ui/a.png", "ui/deep/c.png"}),
        ("ui/deep/[!x].png", {"ui/deep/c.png"}),
        ("vile[0.png", {"vile[0.png"}),
        ("vile[[]0.png", {"vile[0.png"}),
        ("**", set(TREE)),
        ("ui", set()),
        ("nothing*", set()),
    ],
)
def test_patterns(tmp_path, pattern, expected):
    fill(tmp_path, *TREE)
    included = list(walk(tmp_path, include=[pattern]))
    assert {entry.path for entry in included if entry.kind == "texture"} == expected
    assert {(e.kind, e.reason) for e in included if e.path not in expected} <= {("other", "not selected")}
    excluded = {entry.path for entry in walk(tmp_path, exclude=[pattern]) if entry.reason == "not selected"}
    assert excluded == expected


def test_one_of_several_patterns_suffices_and_exclude_wins(tmp_path):
    fill(tmp_path, "a.png", "b.png", "c.png", "d.txt")
    found = list(walk(tmp_path, include=["a*", "b*"], exclude=["b.*"]))
    assert [entry.path for entry in found if entry.kind == "texture"] == ["a.png"]
    assert len(found) == 4


@pytest.mark.parametrize("path", ["a", "a/b.png", "..a", "a..", "...", "a/b:c", "ab:c", " ", os.fsdecode(b"\xff")])
def test_safe(path):
    assert is_safe(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "./a",
        "a/./b",
        "a/..",
        "../a",
        "a\\b",
        "\\\\server\\x",
        "C:",
        "c:a",
        "a\0",
    ],
)
def test_unsafe(path):
    assert not is_safe(path)


def test_check_counts_what_walk_yields(tmp_path):
    pack = fill(tmp_path / "pack", "a.png", "b/c.dds", "read.me", "no.PNG")
    (pack / "link").symlink_to("a.png")
    assert check_pack(pack, tmp_path / "out", exclude=["no.*"]) == (2, 2, 1)


def refusal(source: Path, out: Path, **selection) -> str:
    with pytest.raises(PackError) as caught:
        check_pack(source, out, **selection)
    assert caught.value.exit_code == ExitCode.USAGE
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_pack_or_one_that_is_no_folder_is_refused(tmp_path):
    fill(tmp_path, "a.png")
    assert "No such file" in refusal(tmp_path / "none", tmp_path / "out")
    assert "Not a directory" in refusal(tmp_path / "a.png", tmp_path / "out")


def test_an_unreadable_pack_is_refused(tmp_path, monkeypatch):
    def refuse(place):
        raise PermissionError(errno.EACCES, "Permission denied", str(place))

    monkeypatch.setattr(os, "scandir", refuse)
    assert "Permission denied" in refusal(tmp_path, tmp_path / "out")


def test_a_pack_without_textures_is_refused_with_the_suffixes(tmp_path):
    pack = fill(tmp_path / "pack", "a.txt", "sub/")
    assert ".png" in refusal(pack, tmp_path / "out")
    fill(pack, "a.png")
    assert "--include" in refusal(pack, tmp_path / "out", include=["*.tga"])


LITTER = ("._a.png", "sub/._b.tga", "__MACOSX/sub/._a.png", ".DS_Store", "sub/Thumbs.db", "desktop.ini", ".git/x.png")


def test_what_systems_leave_in_any_folder_is_passed_over(tmp_path):
    of_systems = ("System Volume Information", "$RECYCLE.BIN", "@eaDir", ".Trashes", ".fseventsd", ".Spotlight-V100")
    folders = (*of_systems, ".AppleDouble", ".svn", ".hg")
    fill(tmp_path, *(f"sub/{folder}/x.png" for folder in folders), "ehthumbs.db", ".directory")
    fill(tmp_path, "a.png", *LITTER, "sub/THUMBS.DB", ".git.png", ".hidden/c.png", "_._d.png")
    assert paths(tmp_path) == [".git.png", "_._d.png", "a.png", ".hidden/c.png"]


def test_names_that_are_one_elsewhere_are_for_the_plan_to_judge(tmp_path):
    pack = fill(tmp_path / "pack", "a.png", "A.png", "b/A.png", "a.tga", "a")
    assert check_pack(pack, tmp_path / "out").textures == 4


@pytest.mark.parametrize(
    ("out", "word"),
    [
        ("pack", "itself"),
        ("pack/.", "itself"),
        ("pack/sub/..", "itself"),
        ("link", "itself"),
        ("pack/out", "inside"),
        ("pack/sub", "inside"),
        ("pack/not/yet/made", "inside"),
        ("link/out", "inside"),
        ("other/../pack/out", "inside"),
        ("dangling", "inside"),
        (".", "contains"),
        ("other/..", "contains"),
        ("/", "contains"),
    ],
)
def test_overlaps_are_refused(tmp_path, out, word):
    pack = fill(tmp_path / "pack", "a.png", "sub/")
    fill(tmp_path, "other/")
    (tmp_path / "link").symlink_to(pack)
    (tmp_path / "dangling").symlink_to(pack / "out")
    assert word in refusal(pack, tmp_path / out)
    assert word in refusal(tmp_path / "link", tmp_path / out)
    assert sorted(os.listdir(pack)) == ["a.png", "sub"]


def test_a_relative_pack_is_compared_by_what_it_is(tmp_path, monkeypatch):
    fill(tmp_path, "pack/a.png")
    monkeypatch.chdir(tmp_path / "pack")
    assert "inside" in refusal(Path(), Path("out"))
    assert "contains" in refusal(Path(), Path(".."))


@pytest.mark.parametrize("out", ["pack_x4", "pack2", "other/pack", "other"])
def test_places_beside_the_pack_are_fine(tmp_path, out):
    pack = fill(tmp_path / "pack", "a.png")
    fill(tmp_path, "other/")
    check_overlap(pack, tmp_path / out)


def test_a_file_is_not_written_over_itself(tmp_path):
    fill(tmp_path, "a.png")
    (tmp_path / "hard.png").hardlink_to(tmp_path / "a.png")
    (tmp_path / "soft.png").symlink_to("a.png")
    for out in ("a.png", "hard.png", "soft.png"):
        with pytest.raises(PackError, match="itself"):
            check_overlap(tmp_path / "a.png", tmp_path / out)
    check_overlap(tmp_path / "a.png", tmp_path / "b.png")


def test_a_link_that_leads_to_itself_is_no_crash(tmp_path):
    pack = fill(tmp_path / "pack", "a.png")
    (tmp_path / "loop").symlink_to("loop")
    check_overlap(pack, tmp_path / "loop")


def test_a_folder_under_another_name_counts_as_itself(tmp_path, monkeypatch):
    """Where "PACK" and "pack" are one folder, both names have one identity; played by a stat() that says so."""
    pack = fill(tmp_path / "pack", "a.png")
    stat = Path.stat
    other = tmp_path / "PACK"
    monkeypatch.setattr(Path, "stat", lambda path, **options: stat(pack if path == other else path, **options))
    assert "inside" in refusal(pack, other / "out")
    assert module._identities(other)[0] == module._identities(pack)[0]
