"""texup.conventions.ppsspp.textures_ini: read as PPSSPP reads it, written back with nothing changed but paths."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texup import bounds
from texup.conventions.ppsspp.textures_ini import (
    Key,
    as_path,
    parse_ini,
    path_problem,
    problems,
    read_key,
    rewrite,
)
from texup.errors import UnreadableTexture

NAMES = Path(__file__).parents[3] / "shared" / "data" / "names"
laws = settings(deadline=None, derandomize=True)
BOM = b"\xef\xbb\xbf"
HEAD = "[options]\nhash = xxh64\n[hashes]\n"


def ini_of(text: str, head=HEAD):
    return parse_ini((head + text).encode(), "textures.ini")


def values(text: str) -> dict[str, str]:
    return {key: value.text for key, value in ini_of(text).hashes().items()}


def said(text: str, **more) -> list[tuple[bool, str]]:
    return list(problems(parse_ini(text.encode(), "textures.ini"), **more))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("k = a.png", "a.png"),
        ("  k=a.png  ", "a.png"),
        ("k =", ""),
        ("k = # nothing", ""),
        ("k = a b.png # c = d", "a b.png"),
        ("k = a.png#c", "a.png"),
        (r"k = a\#1.png # c", "a#1.png"),
        (r"k = MS\A\a_1.png", r"MS\A\a_1.png"),
        ('k = "a#1.png"', "a#1.png"),
        ('k = " a.png" # c', " a.png"),
        ("k = a=b.png", "a=b.png"),
        ("k = a.png\r", "a.png"),
        ("\ufeffk = a.png", "a.png"),
    ],
)
def test_a_value_is_what_the_emulator_takes(line, value):
    assert values(line) == {"k": value}


@pytest.mark.parametrize("line", ["", "# k = a", "; k = a", "k", "k # = a", "= a", "[unclosed", "   ", "\r"])
def test_other_lines_hold_no_value(line):
    assert values(line) == {}


def test_a_key_may_hold_an_escaped_number_sign():
    assert values(r"a\#b = c") == {"a#b": "c"}


def test_the_first_of_equal_sections_and_keys_counts():
    ini = ini_of("k = a\nk = b\nj = c\nj = c\n[HASHES] # again\nl = d\n")
    assert {key: value.text for key, value in ini.hashes().items()} == {"k": "a", "j": "c"}
    assert ini.ignored == ("the second line of k", "the second section [HASHES]")


def test_options_are_found_in_any_case():
    ini = parse_ini(b"[Options]\nIGNOREMIPMAP = True\nhash = Quick\nreduceHash = 0\n", "textures.ini")
    assert (ini.is_set("ignoreMipmap"), ini.is_set("reduceHash"), ini.is_set("video")) == (True, False, False)
    assert ini.option("HASH") == "Quick"


@pytest.mark.parametrize(
    ("text", "key", "level"),
    [
        ("094b5a707dcca1a5ee284131", Key(0x094B5A707DCCA1A5, 0xEE284131), 0),
        ("094B5A707DCCA1A5EE284131_1", Key(0x094B5A707DCCA1A5, 0xEE284131), 1),
        ("099bf1c000000909", Key(0x099BF1C000000909, 0), 0),
        ("0000000000000000ecaaece3", Key(0, 0xECAAECE3), 0),
        ("12345678_11", Key(0x12345678, 0), 11),
    ],
)
def test_keys_are_numbers_whose_zero_parts_stand_for_any(text, key, level):
    assert read_key(text) == (key, level)


@pytest.mark.parametrize("text", ["", "1234567", "0" * 25, "a_1.png", "094b5a707dcca1a5ee284131_", "ghijklmn"])
def test_other_keys_are_not_understood(text):
    assert read_key(text) is None


REAL = BOM + (
    b'# packs\r\n[options]\r\nversion = 1\r\nhash =  xxh64       # options: "quick"\r\nignoreMipmap = true\r\n'
    b"[games]\r\nULUS10000 = textures.ini\r\n\r\n[hashes]\r\n#MS\r\n"
    b"0000000000000000ecaaece3 = MS\\A\\a_1.png   # Federation\r\n099bf1c000000909 =\r\n"
    b"[hashranges]\r\n08b31020,512,512 = 480,272\r\n[filtering]\r\n08d3961000000909ba70b2af = nearest\r\n"
    b"[reducehashranges]\r\n512,512=0.5"
)


def test_only_the_paths_and_the_mark_of_utf8_change():
    ini = parse_ini(REAL, "textures.ini")
    changes = {value.line: as_path(value.text) for value in ini.hashes().values()}
    assert rewrite(ini, changes) == REAL.removeprefix(BOM).replace(b"MS\\A\\a_1.png", b"MS/A/a_1.png")


@pytest.mark.parametrize(
    ("line", "text", "written"),
    [
        (r"k = a\#1.png # c", "b/#1.dds", r"k = b/\#1.dds # c"),
        ('k = "a#1.png"', "b/#1.dds", 'k = "b/#1.dds"'),
        ('k = "a.png" # c', "#b.dds", 'k = "\\#b.dds" # c'),
        ("k=a.png#c", "b.dds", "k=b.dds#c"),
    ],
)
def test_a_path_is_written_as_it_will_be_read(line, text, written):
    ini = ini_of(line)
    data = rewrite(ini, {ini.hashes()["k"].line: text})
    assert data.decode() == HEAD + written
    assert parse_ini(data, "textures.ini").hashes()["k"].text == text


TEXTS = st.text(st.sampled_from(' ab=#"\\;[]\t\r\n\ufeff/_.é'), max_size=60)


@laws
@given(TEXTS, st.booleans())
def test_without_changes_the_same_text_comes_back_minus_the_mark(text, has_bom):
    data = (HEAD + text).encode()
    assert rewrite(parse_ini((BOM if has_bom else b"") + data, "textures.ini"), {}) == data


@laws
@given(st.binary(max_size=80))
def test_any_bytes_without_nul_come_back(data):
    if b"\0" in data:
        with pytest.raises(UnreadableTexture, match="NUL"):
            parse_ini(data, "textures.ini")
    else:
        assert rewrite(parse_ini(data, "textures.ini"), {}) == data.removeprefix(BOM)


PATHS = st.text(st.sampled_from("ab#é/_."), min_size=1, max_size=12)


@laws
@given(TEXTS, PATHS, st.sampled_from(["{}", '"{}"', "{} # c", '"{}" # c', "\t{}\r"]), st.booleans())
def test_any_new_path_is_read_back_and_no_other_value_changes(text, path, form, escape):
    before = ini_of(text.replace("[", "") + "\nkey =" + form.format("old" + escape * "\\#x"))
    if "key" not in before.hashes():
        return
    after = parse_ini(rewrite(before, {before.hashes()["key"].line: path}), "textures.ini")
    expected = {key: value.text for key, value in before.hashes().items()} | {"key": path}
    assert {key: value.text for key, value in after.hashes().items()} == expected


def test_without_a_hash_nothing_is_loaded():
    assert [fatal for fatal, _ in said("[options]\nversion = 1\n[hashes]\n")] == [True]
    assert [fatal for fatal, _ in said("")] == [True]
    assert [fatal for fatal, _ in said("[options]\nhash = md5")] == [True]
    assert said("[options]\nhash = QUICK") == []


def test_a_file_laid_over_another_needs_no_hash_of_its_own():
    assert said("[hashes]\n", overrides=True) == []
    assert [fatal for fatal, _ in said("[options]\nhash = md5", overrides=True)] == [True]


@pytest.mark.parametrize(
    "text",
    [
        "[options]\nhash = quick\nignoreAddress = true",
        "[options]\nhash = quick\nreduceHash = 1",
        "[options]\nhash = xxh64\nversion = 2",
        "[options]\nhash = xxh64\nversion = " + "9" * 5000,
        "[options]\nhash = xxh64\n[hashes]\nstone = a.png\nwood = b.png",
        "[options]\nhash = xxh64\n[hashes]\n[hashes]",
    ],
)
def test_what_the_emulator_passes_over_is_one_warning(text):
    ((fatal, clause),) = said(text)
    assert not fatal
    assert len(clause) < 200


@pytest.mark.parametrize("text", ["../a.png", "x/../a.png", r"x\..\a.png", "..", "/a.png", r"\a.png", r"C:\a.png"])
def test_paths_that_leave_the_pack_are_refused(text):
    assert path_problem(text)


@pytest.mark.parametrize("text", ["", "a.png", "a..png", r"MS\a.png", "...", "x/.../a.png"])
def test_other_paths_are_not(text):
    assert path_problem(text) == ""


@pytest.mark.parametrize(
    ("data", "part"),
    [(b"[options]\0", "NUL"), ("[options]".encode("utf-16"), "NUL"), (b"a" * (bounds.PPSSPP_BYTES + 1), "4 MiB")],
)
def test_hostile_files_are_refused_in_one_line(data, part):
    with pytest.raises(UnreadableTexture, match=part) as caught:
        parse_ini(data, "x/textures.ini")
    assert str(caught.value).startswith("x/textures.ini: ")
    assert "\n" not in str(caught.value)


def test_control_characters_of_a_file_reach_no_terminal():
    ((_, clause),) = said("[options]\nhash = \x1b[31m\x07")
    assert clause.isprintable()


def test_the_keys_of_two_real_packs_are_all_understood():
    listing = NAMES / "ppsspp.txt"
    if not listing.is_file():
        pytest.skip(f"no real names in {NAMES}")
    keys = re.findall(r"^([0-9a-f]+(?:_\d+)?) = .+\.png", listing.read_text("utf-8"), re.MULTILINE)
    lapucelle = listing.read_text("utf-8").partition("lapucelle-textures src/textures.ini")[2]
    assert len(re.findall(r"^[0-9a-f]{24} = ", lapucelle, re.MULTILINE)) == 66
    assert len(keys) > 140
    assert all(read_key(key) for key in keys)


def test_a_real_ini_is_read_whole():
    listing = NAMES / "ppsspp.txt"
    if not listing.is_file():
        pytest.skip(f"no real names in {NAMES}")
    text = listing.read_text("utf-8").partition("lapucelle-textures src/textures.ini")[2]
    text = text.partition("\n")[2].partition("\n# ----")[0]
    ini = parse_ini(text.encode(), "textures.ini")
    assert list(problems(ini)) == []
    assert len(ini.hashes()) == 65  # of 66 lines, one stands twice with the same path
    assert rewrite(ini, {}) == text.encode()
