"""Every row of the table of bounds: at its bound a reader takes a file, one beyond it refuses it in one clause."""

from __future__ import annotations

import io
import re
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from texup import bounds
from texup.conventions.citra import names as citra
from texup.conventions.convention import Planned
from texup.conventions.dolphin.check import read_manifest
from texup.conventions.duckstation import check as duckstation_check
from texup.conventions.duckstation import names as duckstation
from texup.conventions.gzdoom import check as gzdoom
from texup.conventions.gzdoom.textures_lump import read_definitions
from texup.conventions.minecraft import mcmeta
from texup.conventions.n64 import rt64
from texup.conventions.ppsspp.textures_ini import parse_ini
from texup.conventions.shared.game_folders import Spot
from texup.errors import TexupError, UnsupportedTexture
from texup.evaluation import pictures
from texup.manifest.record import Outcome, Written, line_of, outcome_from, value_of, values_of
from texup.models.catalog import load_catalog
from texup.packs.pack import Pack
from texup.packs.walk import Entry
from texup.texts import parse_json, parse_toml
from texup.training.config import load_recipe
from texup.upscaling.reading import Limits, Sources, read, read_file

TESTS = Path(__file__).parents[1]
SECONDS, MEBIBYTES = 2, 200

ELSEWHERE = {
    "MODELS_BYTES": "test_a_damaged_list_of_models_is_refused_in_one_line",
    "WEIGHTS_INTEGERS": "test_tables_of_places_keep_their_keys_type_and_bound",
    "BORROWED_DEPTH": "test_what_no_net_has_is_refused_before_spandrel_is_asked",
    "BORROWED_SIDE": "test_what_no_net_has_is_refused_before_spandrel_is_asked",
    "BORROWED_SCALE": "test_a_scale_that_no_texture_wants_is_refused",
    "BORROWED_SECONDS": "test_a_net_that_takes_too_long_is_refused",
    "BORROWED_NUMBERS": "test_a_window_that_would_fill_the_memory_is_refused",
    "BORROWED_BYTES": "test_a_net_far_larger_than_its_weights_is_refused",
    "PAGE_PIXELS": "test_large_pictures_are_reduced_on_the_page",
    "PAGE_KNOWN": "test_what_is_remembered_of_pictures_is_bounded",
    "PAGE_SINGLE": "test_one_file_is_bounded",
    "WEIGHTS_BYTES": "test_a_huge_file_is_refused_before_it_is_read",
    "WEIGHTS_HEADER": "test_a_million_tensors_are_refused_before_they_are_parsed",
    "WEIGHTS_TENSORS": "test_a_million_tensors_are_refused_before_they_are_parsed",
    "WEIGHTS_PICKLE": "test_an_archive_that_unpacks_to_more_than_itself_is_refused_unopened",
    "WEIGHTS_PARAMETERS": "test_p14_hostile_files_are_refused_quickly_in_one_line",
    "WEIGHTS_OPCODES": "test_p14_hostile_files_are_refused_quickly_in_one_line",
    "WEIGHTS_TUPLE": "test_p14_hostile_files_are_refused_quickly_in_one_line",
    "WEIGHTS_DIMENSIONS": "test_p14_hostile_files_are_refused_quickly_in_one_line",
    "WEIGHTS_DOUBLINGS": "test_p14_hostile_files_are_refused_quickly_in_one_line",
    "WEIGHTS_KEY": "test_a_name_of_a_megabyte_is_refused_unprinted",
    "JPEG_SEGMENTS": "test_p15_bombs_of_all_kinds_cost_neither_memory_nor_time",
    "JPEG_SCANS": "test_p15_bombs_of_all_kinds_cost_neither_memory_nor_time",
    **dict.fromkeys(("STORE_OBJECTS", "STORE_OBJECT"), "test_objects_are_bounded"),
    "ARCHIVE_FILES": "test_too_many_members_are_refused",
    "ARCHIVE_DIRECTORY": "test_too_many_members_are_refused",
    "ARCHIVE_MEMBER": "test_the_bounds_count_real_bytes",
    "ARCHIVE_TOTAL": "test_the_bounds_count_real_bytes",
    "ARCHIVE_RATIO": "test_a_zip_bomb_stops_by_what_was_unpacked",
    "ARCHIVE_RATIO_FROM": "test_a_zip_bomb_stops_by_what_was_unpacked",
    **dict.fromkeys(("ARCHIVE_FOLDERS", "ARCHIVE_DEPTH", "ARCHIVE_PATH", "ARCHIVE_NAME"), "test_paths_are_bounded"),
    "RULES_BYTES": "test_hostile_files_are_one_line",
    **dict.fromkeys(("RULES_COUNT", "RULES_GLOBS", "RULES_GLOB"), "test_rules_and_globs_are_bounded"),
    **dict.fromkeys(("RULES_MODELS", "RULES_CHAIN"), "test_models_are_bounded"),
    "MANIFEST_SHARDS": "test_a_manifest_that_lies_about_its_shard_is_refused_in_one_line",
    "MANIFEST_LINE": "test_a_huge_line_counts_for_nothing_though_its_end_is_a_record",
    "SHEET_CELLS": "test_too_many_cells_are_refused",
    "DECODER_SECONDS": "test_p06_a_decoder_that_hangs_is_ended",
    "DUCKSTATION_PIXELS": "test_a_check_decodes_no_picture_of_more_pixels_than_it_has_time_for",
    "GZDOOM_COMPARED": "test_an_equal_picture_is_written_once",
    "MESSAGE_CHARACTERS": "test_a_line_for_people_keeps_both_ends_and_has_a_bound",
}
"""Bounds that a test of the reader's own holds."""


class Case(NamedTuple):
    """One bound, lowered, and what is just within it and just beyond."""

    bound: str
    value: int
    within: bytes
    beyond: bytes
    read: Callable[[bytes], str]
    """Returns why a file is not taken, "" where it is."""
    text: str


def pack_of(path: str, data: bytes, *more: str) -> Pack:
    entries = [Entry(name, len(data), "other") for name in (path, *more)]
    return Pack(tuple(entries), (), lambda _, limit: data[:limit])


def refusal(read: Callable[[bytes], object]) -> Callable[[bytes], str]:
    def refused(data: bytes) -> str:
        try:
            read(data)
        except (TexupError, ValueError) as error:
            return str(error)
        return ""

    return refused


def of_citra(data: bytes, *more: str) -> str:
    spot = Spot("", "pack.json", is_sure=True)
    return citra.configs(pack_of("pack.json", data, *more), lambda _: spot)[""].problem


def of_rt64(data: bytes, *more: str) -> str:
    return rt64.databases(pack_of("rt64.json", data, *more))[0].problem


def of_gzdoom(data: bytes, *more: str) -> str:
    return "; ".join(finding.text for finding in gzdoom.check(pack_of("TEXTURES", data, *more)))


def of_duckstation(data: bytes) -> str:
    path = "config.yaml"
    aliases = duckstation.aliases_of(pack_of(path, data), {path: ""}, {path: ""})
    found = "; ".join(finding.text for finding in duckstation_check.check(pack_of(path, data)))
    assert bool(aliases) is not bool(found)
    return found


def of_dolphin(data: bytes) -> str:
    return "" if read_manifest(pack_of("manifest.json", data)) is not None else "no JSON object"


def of_file(load: Callable[[Path], object], name: str, tmp_path: Path) -> Callable[[bytes], str]:
    def read(data: bytes) -> object:
        (tmp_path / name).write_bytes(data)
        return load(tmp_path / name)

    return refusal(read)


ALIAS = b"vram-write-%032X: wall.png" % 1
OPTIONS = b'{"options":{"skip_mipmap":true,"flip_png_files":true,"use_new_hash":true}}'
TWO = [("CITRA", of_citra, OPTIONS), ("RT64", of_rt64, b'{"textures":[]}'), ("GZDOOM", of_gzdoom, b"#include a\n")]
CASES = [
    Case("JSON_VALUES", 4, b"[1,2,3]", b"[1,2,3,4,5]", refusal(parse_json), "holds more than 4 values"),
    Case("TOML_PARTS", 2, b"a.b = 1", b"a.b.c = 1", refusal(lambda d: parse_toml(d.decode())), "more than 2 parts"),
    *(Case(f"{name}_BYTES", 100, d, d.ljust(101), read, "larger than the 100 bytes") for name, read, d in TWO),
    Case("DOLPHIN_BYTES", 9, b'{"a": 1} ', b'{"a": 1}  ', of_dolphin, "no JSON object"),
    Case("DUCKSTATION_BYTES", len(ALIAS), ALIAS, ALIAS + b"\n", of_duckstation, "is not read: larger than 53 bytes"),
    Case("GZDOOM_WORDS", 4, b"#include a " * 2, b"#include a " * 3, of_gzdoom, "more than the 4 words"),
    Case("MINECRAFT_BYTES", 9, b"{}".ljust(9), b"{}".ljust(10), refusal(mcmeta.parse), "larger than any description"),
    Case(
        "PPSSPP_BYTES",
        4 << 20,
        bytes([32]) * (4 << 20),
        b" " * (4 << 20) + b"#",
        refusal(lambda d: parse_ini(d, "")),
        "4 MiB",
    ),
    Case("PPSSPP_LINES", 2, b"\n" * 2, b"\n" * 3, refusal(lambda d: parse_ini(d, "")), "more than the 2 lines"),
    Case(
        "RT64_PATH",
        5,
        b'{"textures":[{"path":"abcde"}]}',
        b'{"textures":[{"path":"abcdef"}]}',
        of_rt64,
        "5 characters",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.bound)
def test_a_reader_takes_what_is_within_its_bound_and_nothing_beyond(monkeypatch, case):
    monkeypatch.setattr(bounds, case.bound, case.value)
    assert case.read(case.within) == ""
    said = case.read(case.beyond)
    assert case.text in said
    assert "\n" not in said


@pytest.mark.parametrize(("name", "read", "data"), TWO, ids=[name for name, *_ in TWO])
def test_text_files_of_one_kind_have_a_bound_together(monkeypatch, name, read, data):
    second = {"CITRA": "b/pack.json", "RT64": "b/rt64.json", "GZDOOM": "TEXTURES.b"}[name]
    monkeypatch.setattr(bounds, "TEXTS_TOTAL", 2 * len(data))
    assert read(data, second) == ""
    monkeypatch.setattr(bounds, "TEXTS_TOTAL", 2 * len(data) - 1)
    assert "MiB of such files, more than the" in read(data, second)


@pytest.mark.parametrize("file", ["catalog.toml", "recipe.toml"])
def test_catalog_and_recipes_have_a_bound(monkeypatch, tmp_path, file):
    weights = TESTS.parent / "weights"
    source = weights / file if file.startswith("catalog") else sorted((weights / "recipes").glob("*.toml"))[0]
    load = (lambda path: load_catalog(path.parent)) if file.startswith("catalog") else load_recipe
    read = of_file(load, file, tmp_path)
    monkeypatch.setattr(bounds, "TOML_BYTES", source.stat().st_size)
    assert read(source.read_bytes()) == ""
    assert "larger than" in read(source.read_bytes() + b"\n")
    assert "more than 8 parts" in read(b"a." * 100 + b"a = 1")


def test_a_texture_has_a_bound(monkeypatch, tmp_path):
    (tmp_path / "a.png").write_bytes(b"12345")
    monkeypatch.setattr(bounds, "TEXTURE_BYTES", 5)
    assert read_file(tmp_path, "a.png") == b"12345"
    monkeypatch.setattr(bounds, "TEXTURE_BYTES", 4)
    with pytest.raises(UnsupportedTexture, match="larger than"):
        read_file(tmp_path, "a.png")


def test_a_result_has_a_bound(monkeypatch, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    limits = Limits(growth=2, memory=1 << 30)
    monkeypatch.setattr(bounds, "RESULT_PIXELS", 256)
    assert isinstance(read(Planned("a.png", "upscale", target="a.png"), tmp_path, limits), Sources)
    monkeypatch.setattr(bounds, "RESULT_PIXELS", 255)
    with pytest.raises(UnsupportedTexture, match="8 x 8"):
        read(Planned("a.png", "upscale", target="a.png"), tmp_path, limits)


def test_a_picture_to_evaluate_has_a_bound(monkeypatch, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setattr(bounds, "EVALUATED_PIXELS", 64)
    assert pictures._read(tmp_path / "a.png")
    monkeypatch.setattr(bounds, "EVALUATED_PIXELS", 63)
    with pytest.raises(UnsupportedTexture, match="8 x 8"):
        pictures._read(tmp_path / "a.png")


def test_a_record_has_bounds(monkeypatch):
    written = Written("ab.png", "0" * 64, 1)
    outcome = Outcome(path="ab.png", outcome="copied", source_sha256="0" * 64, targets=(written,))
    record, _ = value_of(line_of(values_of(outcome)))
    monkeypatch.setattr(bounds, "MANIFEST_PATH", 6)
    monkeypatch.setattr(bounds, "MANIFEST_TARGETS", 1)
    assert outcome_from(record) is not None
    monkeypatch.setattr(bounds, "MANIFEST_PATH", 5)
    assert outcome_from(record) is None
    monkeypatch.setattr(bounds, "MANIFEST_PATH", 6)
    monkeypatch.setattr(bounds, "MANIFEST_TARGETS", 0)
    assert outcome_from(record) is None


@pytest.mark.parametrize("bound", ["DUCKSTATION_FILES", "DUCKSTATION_TOTAL"])
def test_a_check_of_duckstation_decodes_no_more_than_its_bound(monkeypatch, bound):
    file = io.BytesIO()
    Image.new("RGBA", (8, 8), (9, 9, 9, 77)).save(file, "png")
    data, name = file.getvalue(), f"vram-write-{1:032X}.png"
    pack = Pack((Entry(name, len(data), "texture"),), ("SLUS-00000", "replacements"), lambda _, limit: data[:limit])
    least = 1 if bound == "DUCKSTATION_FILES" else len(data)
    monkeypatch.setattr(bounds, bound, least)
    assert ["soft alpha" in finding.text for finding in duckstation_check.check(pack)] == [True]
    monkeypatch.setattr(bounds, bound, least - 1)
    assert list(duckstation_check.check(pack)) == []


def filled(unit: bytes, most: int, head: bytes = b"", tail: bytes = b"") -> bytes:
    return head + unit * ((most - len(head) - len(tail)) // len(unit)) + tail


def of_lump(data: bytes) -> object:
    return read_definitions(data.decode())


def of_ini(data: bytes) -> object:
    return parse_ini(data, "textures.ini")


def of_toml(data: bytes) -> object:
    return parse_toml(data.decode())


def of_settings(data: bytes) -> object:
    return duckstation.aliases_of(pack_of("config.yaml", data), {"config.yaml": ""}, {"config.yaml": ""})


FACE = "\U0001f600".encode()  # makes every character of its text take four bytes
HOSTILE: list[tuple[Callable[[bytes], object], int, bytes, bytes, bytes]] = [  # reader, bytes, what is repeated, ends
    *((of_citra, bounds.CITRA_BYTES, unit, b"", b"") for unit in (b'"\\', b"/*", b"//\n", b'""', b"/**/1", b"/")),
    (of_citra, bounds.CITRA_BYTES, b'{"":0},', b"[", b"]"),
    (of_citra, bounds.CITRA_BYTES, b"a", b'["' + FACE, b'"]'),
    *((of_lump, bounds.GZDOOM_BYTES, unit, b"", b"") for unit in (b"/*", b"#include a\n", b"sprite a,1,1{xscale 2}")),
    (of_lump, bounds.GZDOOM_BYTES, b"patch a,1,1 ", b"texture a,1,1{", b"}"),
    (of_lump, bounds.GZDOOM_BYTES, b'\\"', b'"', b""),
    *((of_ini, bounds.PPSSPP_BYTES, unit, b"", b"") for unit in (b"\n", b" ", b"\\#", b"[a\n")),
    (of_ini, bounds.PPSSPP_BYTES, b'"', b"a=", b""),
    (of_ini, 10 * bounds.PPSSPP_LINES, b"[hashes]\n", b"", b""),
    (mcmeta.parse, bounds.MINECRAFT_BYTES, b'{"":0},', b"[", b"]"),
    (lambda data: mcmeta.scale_mcmeta(data, 4), bounds.MINECRAFT_BYTES, b"1,", b'{"animation":{"frames":[', b"1]}}"),
    (of_rt64, bounds.RT64_BYTES, b"{},", b'{"textures":[', b"{}]}"),
    (of_rt64, 3 * bounds.JSON_VALUES // 2 - 100, b"{},", b'{"textures":[', b"{}]}"),
    (of_rt64, bounds.RT64_BYTES, b"a", b'{"textures":[{"path":"' + FACE, b'"}]}'),
    (of_rt64, bounds.RT64_BYTES, b'{"path":"%060d"},' % 1, b'{"textures":[', b"{}]}"),
    *((of_settings, bounds.DUCKSTATION_BYTES, unit, b"texpage-a: x", b"y") for unit in (b" ", b"a: b\n", b"-", b'"')),
    (parse_json, 1 << 20, b"[", b"", b""),
    (parse_json, 1 << 20, b"1", b"", b""),
    (of_toml, bounds.RULES_BYTES, b"a.", b"", b"a = 1"),
    (of_toml, bounds.RULES_BYTES, b"[", b"a = ", b""),
    (of_toml, bounds.RULES_BYTES, b"[[rule]]\n", b"", b""),
]


@pytest.mark.thorough
@pytest.mark.parametrize(("read", "size", "unit", "head", "tail"), HOSTILE, ids=[str(row[2]) for row in HOSTILE])
def test_what_costs_a_reader_most_costs_little(read, size, unit, head, tail):
    data = filled(unit, size, head, tail)
    began = time.process_time()
    refusal(read)(data)
    assert time.process_time() - began < SECONDS
    part = filled(unit, size // 8, head, tail)  # tracing takes ten times as long
    tracemalloc.start()
    try:
        refusal(read)(part)
        assert tracemalloc.get_traced_memory()[1] < MEBIBYTES << 17
    finally:
        tracemalloc.stop()


def test_every_bound_has_a_test():
    here = Path(__file__).read_text("utf-8")
    tests = "".join(path.read_text("utf-8") for path in TESTS.rglob("test_*.py") if path.name != Path(__file__).name)
    held = {case.bound for case in CASES} | {"TEXTS_TOTAL", "TOML_BYTES", "TEXTURE_BYTES", "RESULT_PIXELS"}
    held |= {"DUCKSTATION_FILES", "DUCKSTATION_TOTAL", "EVALUATED_PIXELS", "MANIFEST_PATH", "MANIFEST_TARGETS"}
    unheld = set(bounds.table()) - held - set(ELSEWHERE)
    assert unheld == set()
    assert [name for name in ELSEWHERE.values() if not re.search(rf"^def {name}\b", tests + here, re.MULTILINE)] == []
