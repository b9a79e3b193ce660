"""What holds the project together: layers, a light command line, and documents that say what the code does."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import get_args

import click
import pytest

import texup
from texup.cli.main import COMMANDS, main
from texup.conventions.table import CONVENTIONS
from texup.errors import ExitCode
from texup.policy.choices import AlphaChoice, EdgeChoice
from texup.policy.classify import Kind
from texup.policy.rule_values import FORMATS, FOUND_ALPHA, SETTINGS, WHEN, RuleAction, RuleMethod
from texup.textures.normals import NormalForm

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "texup").rglob("*.py"))
LAYERS = [
    {"__init__", "bounds", "errors"},
    {"files", "texts"},
    {"locks", "places"},
    {"textures"},
    {"pictures"},
    {"nets", "metrics", "degradations"},
    {"models"},
    {"packs"},
    {"policy"},
    {"conventions"},
    {"manifest"},
    {"engines"},
    {"upscaling"},
    {"evaluation", "preview", "training", "checking", "gallery"},
    {"calls"},
    {"api"},
    {"cli"},
    {"__main__"},
]
LEVEL = {unit: level for level, units in enumerate(LAYERS) for unit in units}
# Foreign package -> the only units that may import it.
KEEPERS = {
    "torch": {
        "nets",
        "metrics",
        "degradations",
        "models",
        "engines",
        "training",
        "evaluation",
        "upscaling",
        "preview",
    },
    "PIL": {"pictures", "textures", "training"},
    "matplotlib": {"pictures"},
    "onnx": {"models"},
    "etcpak": {"textures"},
    "ispc_texcomp": {"textures"},
    "click": {"cli"},
    "rich": {"cli"},
    "platformdirs": {"places"},
}
LIGHT = {"models/catalog.py": "torch"}  # what the help and the listings read must not wait for it
MAX_LINES, MAX_FUNCTION = 300, 60


def name_of(path: Path) -> str:
    return path.relative_to(ROOT / "texup").as_posix()


def unit_of(path: Path) -> str:
    """Return the part of texup that a file belongs to: its folder, or its own name."""
    return path.relative_to(ROOT / "texup").parts[0].removesuffix(".py")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def for_types(path: Path) -> set[ast.AST]:
    """Return what a file has under ``if TYPE_CHECKING``."""
    checks = [n for n in tree_of(path).body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    return {part for check in checks for line in check.body for part in ast.walk(line)}


def imports(path: Path, *, types=True) -> Iterator[str]:
    """Yield the dotted names that a file imports anywhere, functions included; without ``types`` when it runs."""
    left_out = set() if types else for_types(path)
    for node in ast.walk(tree_of(path)):
        if node in left_out:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_unit(name: str) -> str:
    """Return the unit of texup that an absolute import means; what texup itself defines is in ``__init__``."""
    first = [*name.split("."), ""][1]
    return first if first in LEVEL else "__init__"


def test_every_file_has_its_layer():
    assert {unit_of(path) for path in SOURCES} <= set(LEVEL)
    tops = {n.split(".")[1] for path in SOURCES for n in imports(path) if n.startswith("texup.")}
    assert tops <= set(LEVEL) | {"__version__"}


def none_of(offenders: list[str]) -> None:
    """Name every offender, of which pytest would show the first."""
    assert not offenders, "\n".join(["", *offenders])


def imports_are(allowed: Callable[[Path, str], bool]) -> None:
    """Name every import of every file that is not allowed."""
    none_of(
        [f"{name_of(path)} imports {name}" for path in SOURCES for name in imports(path) if not allowed(path, name)]
    )


def test_imports_point_down():
    def points_down(path: Path, name: str) -> bool:
        unit, other = unit_of(path), imported_unit(name)
        if unit == "__init__":  # the list of public names, each imported when it is asked for
            return name.split(".")[0] != "texup" or other in ("api", "calls", "errors")
        return name.split(".")[0] != "texup" or other == unit or LEVEL[other] < LEVEL[unit]

    imports_are(points_down)


def test_no_modules_import_each_other_in_a_circle():
    files = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in SOURCES}
    between = {
        name: {n if n in files else n.rpartition(".")[0] for n in imports(path, types=False)} - {name}
        for name, path in files.items()
    }
    TopologicalSorter(between).prepare()  # a CycleError names the modules


def test_foreign_packages_stay_with_their_keepers():
    def is_kept(path: Path, name: str) -> bool:
        package = name.split(".")[0]
        return unit_of(path) in KEEPERS.get(package, {unit_of(path)}) and LIGHT.get(name_of(path)) != package

    imports_are(is_kept)


def test_only_its_engine_knows_ray():
    knows = re.compile(r"^\s*(?:import|from) ray\b|import_module\(.ray\b", re.MULTILINE)
    assert [name_of(path) for path in SOURCES if knows.search(path.read_text("utf-8"))] == [
        "engines/cluster/joining.py",
        "engines/ray.py",
    ]


def test_only_the_store_knows_fsspec():
    knows = re.compile(r"^\s*(?:import|from) (?:fsspec|s3fs)\b|import_module\(.(?:fsspec|s3fs)\b", re.MULTILINE)
    assert [name_of(path) for path in SOURCES if knows.search(path.read_text("utf-8"))] == ["packs/remote/store.py"]


def test_a_loader_imports_no_other_loader():
    shared = {"convention", "shared"}
    rooms = ROOT / "texup" / "conventions"
    for path in sorted(rooms.rglob("*.py")):
        own = path.relative_to(rooms).parts[0].removesuffix(".py")
        if own in ("table", "detection"):
            continue  # they are about all loaders
        others = {name.split(".")[2] for name in imports(path) if name.startswith("texup.conventions.")}
        assert others <= {own} | shared, name_of(path)


def test_engines_know_nothing_of_packs():
    for path in SOURCES:
        if unit_of(path) == "engines":
            found = {imported_unit(name) for name in imports(path) if name.split(".")[0] == "texup"}
            assert not found & {"packs", "policy", "conventions", "upscaling"}, name_of(path)


FOR_PEOPLE = {"reason", "explanation", "notes", "detail", "title"}
"""Attributes that hold words for people; ``text`` does in a finding, and is data in an ini."""


def deciding_words(path: Path) -> Iterator[str]:
    """Yield each place of a file where words for people, or the text of an error, are compared or cut."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Compare):
            asked = [node.left, *node.comparators]
            if any(isinstance(one, ast.Constant) and one.value is None for one in asked):
                continue
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr not in ("startswith", "endswith", "removeprefix", "removesuffix"):
                continue
            asked = [node.func.value]
        else:
            continue
        for one in asked:
            is_words = isinstance(one, ast.Attribute) and one.attr in FOR_PEOPLE
            is_words |= ast.unparse(one) in ("found.text", "finding.text", "error.text")
            is_error = isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id == "str"
            if is_words or (is_error and ast.unparse(one) in ("str(error)", "str(stop)")):
                yield f"{name_of(path)}:{node.lineno}: {ast.unparse(node)}"


def test_no_words_for_people_decide_anything():
    none_of([place for path in SOURCES for place in deciding_words(path)])


@pytest.mark.parametrize(
    "statement",
    [
        "import texup.cli.main",
        "from texup.cli.main import main; main(['--help'], standalone_mode=False)",
        "import texup.models.catalog",
        "import texup.bounds, texup.errors, texup.files",
    ],
)
def test_the_help_is_light(statement):
    code = f"import sys; {statement}; sys.exit(' '.join({{'torch', 'numpy', 'PIL'}} & set(sys.modules)) or 0)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def commands(group: click.Group, names: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield every command of a group and of the groups in it under its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield " ".join((*names, name)), command
        if isinstance(command, click.Group):
            yield from commands(command, (*names, name))


def test_every_command_has_help_with_an_example():
    for words, command in commands(main):
        lines = command.get_help(click.Context(command, info_name=words)).splitlines()
        assert any(line.strip() in ("Example:", "Examples:") for line in lines), words
        assert any(line.strip().startswith(f"texup {words}") for line in lines), words
        assert "\\b" not in "".join(lines), f"{words}: its docstring must not be raw"


@pytest.mark.parametrize("command", ["upscale", "inspect", "check"])
def test_the_help_lists_every_format(command):
    words = main.get_command(click.Context(main), command).get_help(click.Context(main)).split()
    assert {convention.id for convention in CONVENTIONS} <= {word.strip(",;") for word in words}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_shows_every_command_with_an_example(command):
    text = (ROOT / "README.md").read_text("utf-8")
    assert re.search(rf"^\| `texup {command}\b", text, re.MULTILINE)
    assert re.search(rf"^(?:\$ )?texup {command}\b", text, re.MULTILINE)


def test_the_readme_leads_to_every_document():
    text = (ROOT / "README.md").read_text("utf-8")
    documents = [
        *ROOT.glob("docs/*.md"),
        *(ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")),
    ]
    assert len(documents) > 8
    assert not [path.name for path in documents if f"]({path.relative_to(ROOT).as_posix()})" not in text]


def test_the_documents_have_tables_of_everything_in_a_rule():
    rows = re.findall(r"^\| (`.*?) \| .+ \|$", (ROOT / "docs" / "rules.md").read_text("utf-8"), re.MULTILINE)
    keys = [key for row in rows for key in re.findall(r"`(\w+)`", row)]
    assert sorted(key for key in keys if key != "when") == sorted({*SETTINGS, *WHEN} - {"when"})
    text = "".join(re.findall(r'"\w+"', (ROOT / "docs" / "rules.md").read_text("utf-8")))
    choices = (RuleAction, RuleMethod, Kind, AlphaChoice, EdgeChoice, NormalForm)
    words = {word for choice in choices for word in get_args(choice)} | {*FORMATS, *FOUND_ALPHA}
    assert not [word for word in words if f'"{word}"' not in text]


def test_the_documents_have_a_table_of_the_formats():
    text = (ROOT / "docs" / "formats.md").read_text("utf-8")
    rows = re.findall(r"^\| ((?:`[a-z0-9-]+`(?:, )?)+) \| \S", text, re.MULTILINE)
    named = [name for row in rows for name in re.findall("`([^`]+)`", row)]
    known = [convention.id for convention in CONVENTIONS]
    assert [name for name in named if name in known] == sorted(known, key=named.index)
    assert all(set(convention.facts) == {"dump", "writes", "alpha", "mips"} for convention in CONVENTIONS)


def test_the_documents_have_a_table_of_the_exit_codes():
    rows = re.findall(r"^\| ([\d, ]+) \| \S", (ROOT / "docs" / "exit-codes.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(int(code) for row in rows for code in row.split(",")) == sorted(ExitCode)


def test_the_documents_have_a_table_of_the_recipes():
    rows = re.findall(r"^\| (`.*?) \| \S", (ROOT / "docs" / "training.md").read_text("utf-8"), re.MULTILINE)
    named = [name for row in rows for name in re.findall("`([^`]+)`", row)]
    assert sorted(named) == sorted(path.stem for path in (ROOT / "weights" / "recipes").glob("*.toml"))


def test_the_version_is_the_newest_of_the_changelog():
    versions = re.findall(r"^## \[?(\d+\.\d+\.\d+)\b", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert versions[0] == texup.__version__
    assert versions == sorted(versions, key=lambda text: [int(part) for part in text.split(".")], reverse=True)


def files_named(value: object) -> Iterator[tuple[str, str]]:
    """Yield (file, sha256) of every table below a value of a TOML file that names a file."""
    if isinstance(value, dict):
        if isinstance(value.get("file"), str):
            yield value["file"], value.get("sha256", "")
        for inner in value.values():
            yield from files_named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from files_named(inner)


def test_the_files_of_the_catalog_are_what_it_says():
    named = list(files_named(tomllib.loads((ROOT / "weights" / "catalog.toml").read_text("utf-8"))))
    assert named
    for file, sha256 in named:
        path = ROOT / "weights" / file
        assert path.is_file(), f"{file} is in the catalog, but not there"
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256, f"{file} is not what the catalog says"


def test_files_and_functions_are_short():
    long = []
    for path in SOURCES:
        lines = path.read_text("utf-8").count("\n")
        long += [f"{name_of(path)} has {lines} lines"] if lines > MAX_LINES else []
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not is_command(node):
                lines = node.end_lineno - node.lineno + 1
                long += [f"{name_of(path)}: {node.name} has {lines} lines"] if lines > MAX_FUNCTION else []
    none_of(long)


def is_command(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(re.search(r"\.(command|group)\b", ast.unparse(decorator)) for decorator in node.decorator_list)
