"""Zips: nothing hostile leaves its folder, nothing damaged passes, and what is written is the folder, byte for byte."""

from __future__ import annotations

import io
import os
import stat
import struct
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from texup import bounds
from texup.errors import OutputError, PackError
from texup.locks import LOCK_NAME
from texup.packs import zips
from texup.packs.portability import windows_problem
from texup.packs.walk import MANIFEST_NAME, is_litter
from texup.packs.zips import is_zip, unpack_archive, write_zip

FILES = {
    "pack.mcmeta": b"{}" * 200,
    "assets/minecraft/textures/block/stone.png": b"\x89PNG" * 99,
    "assets/ü.txt": b"",
    "b/a.JPG": b"j" * 500,
}


@pytest.fixture(autouse=True)
def temp(tmp_path, monkeypatch) -> Path:
    """The place of temporary folders, to see that each is removed."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def zip_of(path: Path, *names: str, data=b"data", method=zipfile.ZIP_DEFLATED, **facts) -> Path:
    """Write a zip whose list of members says ``facts`` of the last one."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), data, method)
        for fact, value in facts.items():
            setattr(archive.filelist[-1], fact, value)
    return path


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def make(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def refusal(path: Path) -> str:
    with pytest.raises(PackError) as caught, unpack_archive(path):
        pass
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_unpacks_to_its_files(tmp_path, temp, method):
    path = tmp_path / "my pack.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.mkdir("empty")
        for name, data in FILES.items():
            archive.writestr(name, data)
    with unpack_archive(path) as folder:
        assert folder.name == "my pack"
        assert files_of(folder) == FILES
    assert list(temp.iterdir()) == []


def test_backslashes_are_folders(tmp_path):
    with unpack_archive(zip_of(tmp_path / "a.zip", "textures\\deep\\x.png")) as folder:
        assert files_of(folder) == {"textures/deep/x.png": b"data"}


def test_utf8_without_its_flag_is_read_as_utf8(tmp_path):
    path = zip_of(tmp_path / "a.zip", "XX.png")
    path.write_bytes(path.read_bytes().replace(b"XX.png", "ü.png".encode()))
    with unpack_archive(path) as folder:
        assert set(files_of(folder)) == {"ü.png"}


UNSAFE = [
    "../x.png",
    "a/../../x.png",
    "..\\x.png",
    "a\\..\\..\\x.png",
    "/proc/texup/x.png",
    "\\\\proc\\texup\\x.png",
    "C:\\x.png",
    "c:x.png",
    "a//x.png",
    "./x.png",
    "..",
    "../",
]


@pytest.mark.parametrize("name", UNSAFE)
def test_an_unsafe_path_is_refused(tmp_path, temp, name):
    path = zip_of(tmp_path / "a.zip", "sound.png", name)
    assert refusal(path).startswith(f"{name}: an unsafe path")
    assert files_of(tmp_path) == {"a.zip": path.read_bytes()}


LINK, PIPE = (kind << 16 for kind in (stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644))
BAD = {
    "link": ({"external_attr": LINK}, "a link or a device"),
    "pipe": ({"external_attr": PIPE}, "a link or a device"),
    "encrypted": ({"flag_bits": 1}, "encrypted; unpack it yourself"),
    "lzma": ({"compress_type": 14}, "compressed by method 14; unpack it yourself"),
    "zstd": ({"compress_type": 93}, "compressed by method 93; unpack it yourself"),
    "sum": ({"CRC": 7}, "damaged: Bad CRC-32"),
    "claims more": ({"file_size": 5}, "damaged: 4 bytes instead of 5"),
    "claims less": ({"file_size": 3}, "damaged: Bad CRC-32"),
    "claims very much": ({"file_size": 1 << 31}, "larger than 1 GiB"),
}


@pytest.mark.parametrize(("facts", "text"), BAD.values(), ids=BAD)
def test_a_bad_member_is_named(tmp_path, temp, facts, text):
    message = refusal(zip_of(tmp_path / "a.zip", "sound.png", "ui/bad.png", **facts))
    assert message.startswith(f"ui/bad.png: {text}")
    assert list(temp.iterdir()) == []


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (("ui/a.png", "ui/A.png"), "ui/A.png: one name with ui/a.png"),
        (("ui/a.png", "UI/b.png"), "UI/b.png: one name with ui/"),
        (("ui/a.png", "ui\\a.png"), "ui\\a.png: one name with ui/a.png"),
        (("ui", "ui/a.png"), "ui/a.png: one name with ui;"),
        (("ui/a.png", "ui"), "ui: one name with ui/;"),
        (("\u00fc.png", "u\u0308.png"), "u\u0308.png: one name with \u00fc.png"),
    ],
)
def test_two_members_of_one_name_are_refused(tmp_path, names, named):
    assert refusal(zip_of(tmp_path / "a.zip", *names)).startswith(named)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_member_twice_is_refused(tmp_path):
    assert refusal(zip_of(tmp_path / "a.zip", "a.png", "a.png")).startswith("a.png: one name with a.png")


def test_a_name_that_is_not_utf8_is_refused(tmp_path):
    path = zip_of(tmp_path / "a.zip", "XX.png")
    path.write_bytes(path.read_bytes().replace(b"XX.png", b"\x81\xfc.png"))
    assert "its name is not UTF-8" in refusal(path)
    flagged = zip_of(tmp_path / "b.zip", "ü.png")
    flagged.write_bytes(flagged.read_bytes().replace("ü".encode(), b"\xfc\x81"))
    assert refusal(flagged).startswith("damaged zip: ")


def test_a_member_of_two_names_is_refused(tmp_path):
    """The local header names another file than the list of members."""
    path = zip_of(tmp_path / "a.zip", "XX.png")
    path.write_bytes(path.read_bytes().replace(b"XX.png", b"YY.png", 1))
    assert refusal(path).startswith("XX.png: damaged: ")


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK\3\4" + bytes(60)], ids=["empty", "text", "cut"])
def test_what_is_no_zip_is_refused(tmp_path, data):
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    assert refusal(path).startswith("damaged zip: ")


def test_every_cut_of_a_zip_is_refused(tmp_path):
    whole = zip_of(tmp_path / "a.zip", "a.png", "b/c.png", data=b"some data, some data").read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / "cut.zip").write_bytes(whole[:length])
        assert refusal(tmp_path / "cut.zip")


def test_a_missing_zip_is_one_line(tmp_path):
    assert refusal(tmp_path / "none.zip") == "cannot read: No such file or directory"


def test_a_zip_bomb_stops_by_what_was_unpacked(tmp_path, monkeypatch, temp):
    monkeypatch.setattr(bounds, "ARCHIVE_RATIO_FROM", 3 << 20)
    bomb = zip_of(tmp_path / "a.zip", "a.tga", "b.tga", "c.tga", data=bytes(2 << 20))
    assert refusal(bomb).startswith("b.tga: the zip grows too large")
    assert list(temp.iterdir()) == []


@pytest.mark.parametrize("bound", ["ARCHIVE_MEMBER", "ARCHIVE_TOTAL"])
def test_the_bounds_count_real_bytes(tmp_path, monkeypatch, bound):
    path = zip_of(tmp_path / "a.zip", "a.tga", "b.tga", data=os.urandom(3000))
    monkeypatch.setattr(bounds, bound, 6000)
    with unpack_archive(path) as folder:
        assert len(files_of(folder)) == 2
    monkeypatch.setattr(bounds, bound, 2999)
    assert refusal(path).startswith("a.tga: ")


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "ARCHIVE_FILES", 2)
    path = zip_of(tmp_path / "a.zip", "a.png", "b.png", "c.png")
    assert refusal(path).startswith("3 members, more than 2")
    monkeypatch.setattr(bounds, "ARCHIVE_DIRECTORY", 100)
    assert refusal(path).startswith("damaged zip: its list of members is too long")


def test_a_list_of_too_many_members_is_refused_before_it_is_read(tmp_path):
    record = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    data = record * (bounds.ARCHIVE_FILES + 1)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(data), 0, 0)
    (tmp_path / "many.zip").write_bytes(data + end)
    assert refusal(tmp_path / "many.zip") == "damaged zip: more than 100,000 members; fetch or make it again"


@pytest.mark.parametrize(
    ("bound", "value", "good", "bad", "text"),
    [
        ("ARCHIVE_DEPTH", 3, "a/b/c/x.png", "a/b/c/d/x.png", "4 folders deep, more than 3"),
        ("ARCHIVE_PATH", 9, "abcd/xyzw", "abcd/xyzwv", "a path of more than 9 characters"),
        ("ARCHIVE_NAME", 5, "bcdé/x", "bcdéf/x", "a name of more than 5 bytes"),
        ("ARCHIVE_FOLDERS", 2, "a/b/x.png", "a/b/c/x.png", "more than 2 folders"),
    ],
)
def test_paths_are_bounded(tmp_path, monkeypatch, temp, bound, value, good, bad, text):
    monkeypatch.setattr(bounds, bound, value)
    with unpack_archive(zip_of(tmp_path / "a.zip", good)) as folder:
        assert len(files_of(folder)) == 1
    assert text in refusal(zip_of(tmp_path / "a.zip", bad))
    assert list(temp.iterdir()) == []


def test_one_member_below_thousands_of_folders_costs_no_more_than_a_line(tmp_path):
    path = zip_of(tmp_path / "a.zip", "d/" * 32_000 + "x.png")
    tracemalloc.start()
    try:
        assert "32,000 folders deep, more than 64" in refusal(path)
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("data", "expected"), [(b"PK\3\4rest", True), (b"PK\5\6", True), (b"\x89PNG", False)])
def test_a_zip_is_known_by_its_content(tmp_path, data, expected):
    path = tmp_path / "pack.png"
    path.write_bytes(data)
    assert is_zip(path) is expected
    assert not is_zip(tmp_path)
    assert not is_zip(tmp_path / "none.zip")


@pytest.mark.parametrize("stored", [True, False])
def test_what_is_written_unpacks_to_the_folder(tmp_path, stored):
    folder = make(tmp_path / "pack", FILES)
    write_zip(folder, tmp_path / "out.zip", stored=stored)
    with unpack_archive(tmp_path / "out.zip") as copy:
        assert files_of(copy) == FILES


def members(path: Path) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return archive.infolist()


def test_members_are_sorted_dated_alike_and_need_no_descriptor(tmp_path):
    write_zip(make(tmp_path / "pack", FILES), tmp_path / "out.zip", stored=False)
    found = members(tmp_path / "out.zip")
    assert [info.filename for info in found] == sorted(FILES)
    assert {info.date_time for info in found} == {(1980, 1, 1, 0, 0, 0)}
    assert all(not info.flag_bits & 8 for info in found)


def test_pictures_are_stored_and_all_is_where_asked(tmp_path):
    folder = make(tmp_path / "pack", FILES)
    write_zip(folder, tmp_path / "a.zip", stored=False)
    stored = {info.filename for info in members(tmp_path / "a.zip") if info.compress_type == zipfile.ZIP_STORED}
    assert stored == {"assets/minecraft/textures/block/stone.png", "b/a.JPG"}
    write_zip(folder, tmp_path / "b.zip", stored=True)
    assert all(info.compress_size == info.file_size for info in members(tmp_path / "b.zip"))


def test_equal_folders_give_equal_bytes(tmp_path):
    for name in ("first", "second"):
        folder = make(tmp_path / name, dict(sorted(FILES.items(), reverse=name == "first")))
        os.utime(folder / "pack.mcmeta", (len(name), 1_700_000_000))
        write_zip(folder, tmp_path / f"{name}.zip", stored=False)
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()


def test_texups_own_files_stay_out(tmp_path):
    own = {MANIFEST_NAME: b"{}", LOCK_NAME: b"1", "ui/.texup-0123456789ab.tmp": b"x"}
    write_zip(make(tmp_path / "pack", FILES | own), tmp_path / "out.zip", stored=False)
    assert {info.filename for info in members(tmp_path / "out.zip")} == set(FILES)


def test_members_larger_than_the_spool_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(zips, "SPOOL", 1000)
    files = {f"{k}.bin": os.urandom(5000 * k) for k in range(4)} | {"a.txt": b"t" * 50_000}
    write_zip(make(tmp_path / "pack", files), tmp_path / "out.zip", stored=False)
    with unpack_archive(tmp_path / "out.zip") as copy:
        assert files_of(copy) == files


def test_a_link_is_refused_and_the_old_archive_stays(tmp_path):
    folder = make(tmp_path / "pack", FILES)
    target = tmp_path / "out.zip"
    target.write_bytes(b"old")
    (folder / "link.png").symlink_to(tmp_path / "out.zip")
    with pytest.raises(PackError, match=r"link\.png: a link"):
        write_zip(folder, target, stored=False)
    assert target.read_bytes() == b"old"


def test_a_name_that_is_not_utf8_cannot_be_written(tmp_path):
    folder = make(tmp_path / "pack", FILES)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")).write_bytes(b"x")
    with pytest.raises(PackError, match="not UTF-8"):
        write_zip(folder, tmp_path / "out.zip", stored=False)


def test_a_file_that_cannot_be_read_leaves_no_archive(tmp_path, monkeypatch):
    def broken(path):
        yield b"first"
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(zips, "read_pieces", broken)
    with pytest.raises(OutputError, match=r"\.txt: cannot read: Input/output error"):
        write_zip(make(tmp_path / "pack", {"a.txt": b"data"}), tmp_path / "out" / "out.zip", stored=False)
    assert list((tmp_path / "out").iterdir()) == []


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0:", exclude_categories=["Cs"]), min_size=1)
PARTS = NAMES.filter(lambda name: name not in (".", "..") and len(name.encode()) < 100)


def contents(path: Path) -> dict[str, bytes] | str:
    """Return the files of a zip, or the refusal."""
    try:
        with unpack_archive(path) as folder:
            assert all(file.resolve().is_relative_to(folder.resolve()) for file in folder.rglob("*"))
            return files_of(folder)
    except PackError as error:
        return str(error)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.dictionaries(st.lists(PARTS, min_size=1, max_size=3).map("/".join), st.binary(max_size=300), max_size=4))
@example({"EHTHUMBS.DB": b"", "a/b.png": b"b"})  # hypothesis takes names out of the code that happens to be loaded
def test_any_zip_unpacks_to_its_files_or_is_refused(files):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.zip")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        found = contents(path)
        wanted = {name: data for name, data in files.items() if not any(map(is_litter, name.split("/")))}
        assert found == wanted or "one name with" in found


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.dictionaries(PARTS.map(str.casefold).map(str.strip), st.binary(max_size=300), max_size=4))
def test_any_folder_comes_back_from_its_zip(files):
    with tempfile.TemporaryDirectory() as folder:
        files = {f"{k}{name[:40]}": data for k, (name, data) in enumerate(files.items())}
        write_zip(make(Path(folder, "pack"), files) if files else Path(folder), Path(folder, "a.zip"), stored=False)
        assert contents(Path(folder, "a.zip")) == files


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.integers(0, 400), st.integers(0, 255))
def test_a_changed_byte_gives_a_refusal_or_files_inside(place, value):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b.png", b"some data, some data")
        archive.writestr("c.txt", b"more")
    data = bytearray(buffer.getvalue())
    data[place % len(data)] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.zip")
        path.write_bytes(data)
        found = contents(path)
        if isinstance(found, str):
            assert found.startswith(f"{path}: ")
        else:
            assert set(found.values()) <= {b"some data, some data", b"more"}


@pytest.mark.parametrize(
    ("path", "bad"),
    [
        ("ui/a.png", False),
        ("NAME#0A1B2C3D#0#2_all.png", False),
        ("tex1_8x8_00112233445566ff_$_8.png", False),
        ("{fence.tga", False),
        ("console.png", False),
        ("com10.png", False),
        ("ui/*lava.tga", True),
        ("what?.png", True),
        ("a:b.png", True),
        ("a\\b.png", True),
        ("tab\t.png", True),
        ("dot./a.png", True),
        ("blank .png", False),
        ("blank ", True),
        ("CON", True),
        ("ui/aux.png", True),
        ("Com1.tar.gz", True),
    ],
)
def test_names_that_windows_cannot_hold(path, bad):
    assert (windows_problem(path) is not None) is bad
