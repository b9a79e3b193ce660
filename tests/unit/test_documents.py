"""Documents say what is there: rooms, values, paths and tests that they name."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from texup import bounds

from .test_structure import LEVEL

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "texup"
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
SECURITY = ROOT / "SECURITY.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
DOCUMENTS = [ARCHITECTURE, CONTRIBUTING, SECURITY, ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# A relative path in backticks: with a folder in it, or a file of a kind that the project has.
PATH = re.compile(r"`(\.?[\w-]+(?:/[\w.-]+)*/?)`")
KINDS = (".py", ".toml", ".md", ".jsonl", ".lock", ".txt", ".yaml", "/")
NO_BOUNDS = {"MAX_DRIFT", "MAX_DDS_SIDE", "MAX_SIDE"}  # of models, and what loaders and cards take
UNITS = {"MiB": 1 << 20, "GiB": 1 << 30}
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def section(path: Path, title: str) -> str:
    """Return the text below a heading of the second level, up to the next."""
    _, _, rest = path.read_text("utf-8").partition(f"\n## {title}\n")
    assert rest, f"{name_of(path)} has no section {title}"
    return rest.partition("\n## ")[0]


def public_values() -> set[tuple[str, str]]:
    """Return (name, module) of every public dataclass, named tuple, protocol and enumeration of the package."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and is_value(node):
                found.add((node.name, path.relative_to(PACKAGE).as_posix()))
    return found


def is_value(node: ast.ClassDef) -> bool:
    decorators = {ast.unparse(decorator).partition("(")[0] for decorator in node.decorator_list}
    bases = {ast.unparse(base) for base in node.bases}
    return bool(decorators & {"dataclass", "dataclasses.dataclass"} or bases & {"NamedTuple", "Protocol", "IntEnum"})


def test_every_public_value_is_in_the_glossary():
    rows = re.findall(r"^\| `(\w+)` \| `([\w/.]+)` \| \w.* \|$", section(ARCHITECTURE, "Glossary"), re.MULTILINE)
    assert len(rows) > 100
    assert len(rows) == len(set(rows))
    assert public_values() - set(rows) == set(), "not in the glossary"
    assert set(rows) - public_values() == set(), "no longer in the code"


def test_every_room_is_on_the_map():
    tokens = re.findall(r"`([\w/.]+)`", section(ARCHITECTURE, "The map"))
    folders = {path.parent.relative_to(PACKAGE).as_posix() + "/" for path in PACKAGE.rglob("*/__init__.py")}
    modules = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert folders | modules <= set(tokens)


def test_the_map_lists_rooms_from_top_to_bottom():
    cells = re.findall(r"^\| (`.*?) \|", section(ARCHITECTURE, "The map"), re.MULTILINE)
    levels = [{LEVEL[re.split("[/.]", name)[0]] for name in re.findall(r"`([\w/.]+)`", cell)} for cell in cells]
    assert all(len(level) == 1 for level in levels)
    assert [max(level) for level in levels] == sorted(map(max, levels), reverse=True)


def test_values_on_the_way_of_a_texture_stand_in_their_modules():
    rows = re.findall(r"^\| (`.*?) \| `([\w/.]+)` \|", section(ARCHITECTURE, "The way of one texture"), re.MULTILINE)
    assert len(rows) > 15
    for names, module in rows:
        text = (PACKAGE / module).read_text("utf-8")
        for name in re.findall(r"`(\w+)`", names):
            assert re.search(rf"^(class {name}\b|{name} = |from .*\b{name}\b)", text, re.MULTILINE), f"{name}: {module}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_paths_that_documents_name_exist(path):
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = [link for link in LINK.findall(text) if "://" not in link]
    for link in links:
        assert (path.parent / link).exists(), link
    ours = tuple(f"{name}/" for name in (".ci", "docs", "tests", "texup", "weights"))
    paths = [name for name in PATH.findall(text) if "/" in name.strip("/") and not re.search("NAME|_x4$", name)]
    named = [name for name in paths if name.startswith(ours) or name.endswith(KINDS)]
    for name in named:
        assert any((place / name).exists() for place in (ROOT, PACKAGE, path.parent)), name
    assert path != ARCHITECTURE or len(named) > 40


@pytest.mark.parametrize("path", [ARCHITECTURE, CONTRIBUTING], ids=name_of)
def test_names_that_documents_take_from_the_code_are_there(path):
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    sources = [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / ".ci").iterdir()]
    words = {word for source in sources for word in re.findall(r"\w+", source.read_text("utf-8"))}
    named = set(re.findall(r"`(?:\w+\.)?(\w+)`", text))
    assert len(named) > 30
    assert named <= words


def test_tests_that_the_architecture_names_exist():
    named = set(re.findall(r"`(test_\w+)`", section(ARCHITECTURE, "What tests hold")))
    known = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^ *def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert named <= known
    assert len(named) > 20


def test_the_table_of_bounds_is_that_of_the_code():
    assert f"\n{bounds.as_markdown()}\n" in section(SECURITY, "Bounds"), "quote `python -m texup.bounds`"
    assert len(bounds.table()) > 30


def test_every_bound_is_asked_by_a_reader():
    sources = "".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py") if path.name != "bounds.py")
    assert not [name for name in bounds.table() if not re.search(rf"\bbounds\.{name}\b", sources)]


def test_no_reader_has_a_bound_of_its_own():
    for room in ("conventions", "manifest", "models", "packs"):
        for path in (PACKAGE / room).rglob("*.py"):
            found = re.findall(r"^_?MAX_\w+\b.* = ", path.read_text("utf-8"), re.MULTILINE)
            assert {name.split()[0] for name in found} <= NO_BOUNDS, name_of(path)


def test_numbers_of_the_memory_are_those_of_the_code():
    pattern = r"^\| .* \| `([\w/]+)\.py` \| `(\w+)` \| ([\d.,]+)(?: (\w+))? \|$"
    rows = re.findall(pattern, section(SECURITY, "Memory"), re.MULTILINE)
    assert len(rows) > 5
    for module, constant, number, unit in rows:
        value = getattr(importlib.import_module("texup." + module.replace("/", ".")), constant)
        assert value == float(number.replace(",", "")) * UNITS.get(unit, 1), f"{module}: {constant}"
