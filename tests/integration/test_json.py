"""docs/json.md: what commands print as JSON, and manifests hold, has the documented fields, types and versions."""

from __future__ import annotations

import json
import re
import shutil
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from texup.calls.summary import NodeSum
from texup.cli.console import SCHEMAS
from texup.manifest.history import NAME, SCHEMA
from texup.models.weights import save_weights

TEXT = (Path(__file__).parents[2] / "docs" / "json.md").read_text("utf-8")
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| \S.* \|$", re.MULTILINE)
MIXED = re.compile(r"And the fields of `(\w+)`")
WEIGHTS = Path(__file__).parents[2] / "weights"
CPU = ("--device", "cpu", "--json")
PLAIN: dict[str, Any] = {
    "text": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "whole number": lambda value: type(value) is int,
    "true or false": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "empty": lambda value: value == {},
    "anything": lambda _: True,
}


def tables() -> dict[str, dict[str, str]]:
    """Return type by field of every table, by the heading above it."""
    found = {}
    for part in TEXT.split("\n## ")[1:]:
        name, _, text = part.partition("\n")
        rows = ROW.findall(text)
        assert len(rows) == len(dict(rows)) > 0, name
        found[name] = dict(rows)
    for part in TEXT.split("\n## ")[1:]:
        name, _, text = part.partition("\n")
        for other in MIXED.findall(text):
            found[name] |= found[other]
    return found


TABLES = tables()


class Reader:
    """Holds values to the tables, and remembers what it has seen of them."""

    def __init__(self) -> None:
        self.seen: dict[str, set[str]] = defaultdict(set)

    def fits(self, value: Any, kind: str) -> bool:
        """Tell whether a value is of a type in the words of the tables; fields of an object are asserted."""
        if kind in PLAIN:
            return PLAIN[kind](value)
        if kind in TABLES:
            return isinstance(value, dict) and self.read(value, kind)
        if kind.startswith("list of ") and " or " not in kind:
            return isinstance(value, list) and all(self.fits(one, kind.removeprefix("list of ")) for one in value)
        if kind.startswith("object of ") and " or " not in kind:
            inner = kind.removeprefix("object of ")
            return isinstance(value, dict) and all(self.fits(one, inner) for one in value.values())
        return any(self.fits(value, one) for one in kind.split(" or ")) if " or " in kind else pytest.fail(kind)

    def read(self, value: dict[str, Any], name: str) -> bool:
        fields = TABLES[name]
        assert set(value) <= set(fields), f"{name}: fields that docs/json.md does not have"
        needed = {field for field, kind in fields.items() if not kind.endswith(", optional")}
        assert needed <= set(value), f"{name}: fields that are only in docs/json.md"
        for field, one in value.items():
            kind = fields[field].removesuffix(", optional")
            assert self.fits(one, kind), f"{name}.{field}: {one!r} is no {kind}"
            self.seen[name].add(field)
        return True


@pytest.fixture
def pack(tmp_path, catalog, wall, monkeypatch) -> Path:
    """A pack with a texture of each kind of outcome, and rules."""
    monkeypatch.setattr("texup.calls.inspection.PROBE_SECONDS", 0.01)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "pack"
    folder.mkdir()
    for k, name in enumerate(("wall", "floor", "sheet", "old")):
        Image.fromarray(wall(16, 24, seed=k)).save(folder / f"{name}.png")
    keyed = np.full((16, 16, 3), (255, 0, 255), np.uint8)
    keyed[4:12, 4:12] = wall(8, 8)
    Image.fromarray(keyed).save(folder / "keyed.png")
    (folder / "broken.png").write_bytes((folder / "wall.png").read_bytes()[:100])
    (folder / "notes.txt").write_text("no texture")
    rules = '[[rule]]\nmatch = "sheet.png"\ncells = "8x8 texels"\n[[rule]]\nmatch = "none.png"\nmethod = "net"\n'
    (folder / "texup.toml").write_text(rules)
    return folder


def printed(result) -> dict[str, Any]:
    """Return what a command printed, without the version that it begins with."""
    value = result.json
    assert next(iter(value)) == "schema", result.err
    return value


def test_the_table_of_commands_is_that_of_the_code():
    rows = re.findall(r"^\| (`texup .*?) \| `(\w+)` \| (\d+) \|$", TEXT, re.MULTILINE)
    documented = {}
    for commands, _, schema in rows:
        for command in re.findall(r"`texup (.*?)`", commands):
            words = " ".join(re.findall(r"^[a-z]+(?: (?:list|show|bench|--sweep)\b)*", command))
            documented[f"{words} FOLDER" if "list FOLDER" in command else words] = int(schema)
    assert documented == SCHEMAS
    assert all(name in TABLES for _, name, _ in rows)
    assert re.search(rf"manifest.jsonl` \| `RunBegins`, `RunEnds` or `Record` \| {SCHEMA} \|", TEXT)


def test_what_commands_print_is_what_the_document_says(texup, pack, wall, catalog, near_identity, monkeypatch):
    reader = Reader()

    def holds(kind: str, output: str, *arguments) -> dict[str, Any]:
        value = printed(texup(*arguments))
        assert value.pop("schema") == SCHEMAS[output]
        assert reader.read(value, kind)
        return value

    holds("Inspect", "inspect", "inspect", pack, *CPU)
    holds("Upscale", "upscale", "upscale", pack, "-o", "out", *CPU)
    (pack / "old.png").unlink()
    (Path("out") / "wall.png").write_bytes(b"by hand")
    again = holds("Upscale", "upscale", "upscale", pack, "-o", "out", "--scale", "2", *CPU)
    assert again["failures"]
    assert again["kept"]
    assert again["orphans"]
    assert again["plan"]
    state = near_identity(0)
    state["conv_last.bias"] += 0.2
    save_weights(Path("pale.safetensors"), state, {})
    pale = ("--model", "pale.safetensors", "--no-color-fix", "-o", "pale.png")
    assert holds("Upscale", "upscale", "upscale", pack / "wall.png", *pale, *CPU)["gate"]
    holds("Runs", "upscale", "upscale", pack / "wall.png", pack / "floor.png", "-o", "many", *CPU)
    holds("Inspect", "inspect", "upscale", pack, "-o", "dry", "--dry-run", *CPU)
    shutil.make_archive("zipped", "zip", pack)
    assert holds("Upscale", "upscale", "upscale", "zipped.zip", *CPU)["archive"]
    parts = [("upscale", pack, "--shard", f"{k}/2", *CPU) for k in (1, 2)]
    places = [holds("Upscale", "upscale", *part)["output"] for part in parts]
    lines = (Path(places[0]) / NAME).read_text().splitlines()
    assert reader.read(json.loads(lines[0]), "RunBegins")
    Path("merged").mkdir()
    (Path("merged") / NAME).write_bytes((Path("out") / NAME).read_bytes())
    shutil.copy(Path("out") / "floor.png", "merged")
    (Path("merged") / "wall.png").write_bytes(b"by hand")
    merged = holds("Merge", "merge", "merge", *places, "-o", "merged", "--json")
    assert merged["failures"]
    assert merged["kept"]
    assert holds("Check", "check", "check", pack, "--json")["findings"]
    assert holds("Verify", "verify", "verify", "out", "--json")["findings"]
    Path("hd").mkdir()
    Image.fromarray(wall(48, 64)).save("hd/wall.png")
    Path("hd/broken.png").write_bytes(b"\x89PNG")
    assert holds("Evaluate", "evaluate", "evaluate", "tiny-psnr", "--on", "hd", *CPU)["skipped"]
    sweep = ("interpolate", "--sweep", "0,1", "--json", "--force", "--on")
    holds("Sweep", "interpolate --sweep", *sweep, pack / "wall.png")
    holds("Sweep", "interpolate --sweep", *sweep, "hd/wall.png", "--reduce")
    monkeypatch.setenv("TEXUP_MODELS", "own")
    assert texup("models", "add", WEIGHTS / "texup-x4-fast.safetensors").code == 0
    shutil.copy(WEIGHTS / "texup-x4-fast.safetensors", Path("own") / "dropped.safetensors")
    assert len(holds("Catalog", "models list", "models", "list", "--json")["own"]["files"]) == 2
    (catalog / "bad.pth").write_bytes(b"no weights")
    try:
        holds("Folder", "models list FOLDER", "models", "list", catalog, "--json")
    finally:
        (catalog / "bad.pth").unlink()
    holds("Weights", "models show", "models", "show", WEIGHTS / "texup-x4-fast.safetensors", "--json")
    holds("Bench", "models bench", "models", "bench", "tiny-psnr", "--seconds", "0.1", *CPU)
    holds("Doctor", "doctor", "doctor", "--seconds", "0.01", "--json")
    assert reader.read(
        asdict(NodeSum(node="a", device="cpu", files=1, failed=0, megapixels=0.1, seconds=1.0)), "NodeSum"
    )
    for line in (Path("out") / NAME).read_text().splitlines():
        value = json.loads(line)
        kind = "RunEnds" if "ended" in value else "RunBegins" if "format" in value else "Record"
        assert value.get("schema", SCHEMA) == SCHEMA
        assert reader.read(value, kind)
    missing = {name: set(fields) - reader.seen[name] for name, fields in TABLES.items() if name != "Scores"}
    assert not {name: fields for name, fields in missing.items() if fields}
