"""The shape of the code in figures: sizes, documentation, types, rooms and calls that are hard to read.

Run: ``python tests/bench/bench_code.py [FOLDER] [--before FOLDER]``, where FOLDER is a checkout (this one by default)
and the other an older one, shown in a column of its own. It needs the standard library alone, and imports nothing of
what it measures, so that a tree which does not run can be measured too.

A room is a folder directly under ``texup/``, or a module that lies there by itself. A name is public when neither it
nor a class or module around it begins with an underscore. Functions within functions count as functions, but are not
public. Imports count wherever they stand, those for types alone included: a reader has to follow them all the same.
Only circles between modules are of what is imported when it runs.
"""

from __future__ import annotations

import argparse
import ast
import statistics
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PACKAGE = "texup"
MAX_LINES, MAX_FOLDER, MAX_POSITIONAL = 300, 15, 5

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, kw_only=True)
class Module:
    """One file of the package."""

    name: str
    """Dotted, with the package in front."""
    folder: str
    lines: int
    tree: ast.Module


def modules_of(checkout: Path) -> list[Module]:
    found = []
    for path in sorted((checkout / PACKAGE).rglob("*.py")):
        text = path.read_text("utf-8")
        inside = path.relative_to(checkout)
        name = ".".join(inside.with_suffix("").parts).removesuffix(".__init__")
        found.append(Module(name=name, folder=str(inside.parent), lines=text.count("\n"), tree=ast.parse(text)))
    return found


def functions_of(module: Module) -> list[Function]:
    return [node for node in ast.walk(module.tree) if isinstance(node, Function)]


def length(function: Function) -> int:
    """Return lines from ``def`` to the end, decorators left out."""
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def parameters(function: Function) -> list[ast.arg]:
    """Return all parameters but the object of a method."""
    given = function.args
    named = [*given.posonlyargs, *given.args]
    if named and named[0].arg in ("self", "cls"):
        del named[0]
    return [*named, *given.kwonlyargs, *(star for star in (given.vararg, given.kwarg) if star is not None)]


def is_annotated(function: Function) -> bool:
    return function.returns is not None and all(arg.annotation is not None for arg in parameters(function))


def is_command(function: Function) -> bool:
    """Return whether click calls it: such functions have a parameter for each option."""
    called = [node.func if isinstance(node, ast.Call) else node for node in function.decorator_list]
    return any(isinstance(node, ast.Attribute) and node.attr in ("command", "group") for node in called)


def public(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    """Yield public functions, classes and their public methods."""
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


def documented(modules: list[Module]) -> tuple[int, int]:
    """Return how many public names have a docstring, and how many there are; modules with content are among them."""
    names: list[ast.Module | Function | ast.ClassDef] = []
    for module in modules:
        if module.tree.body and not any(part.startswith("_") for part in module.name.split(".")):
            names += [module.tree, *public(module.tree.body)]
    return sum(ast.get_docstring(name) is not None for name in names), len(names)


def for_types(module: Module) -> set[ast.AST]:
    """Return what stands under ``if TYPE_CHECKING``."""
    checks = (node for node in module.tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name))
    return {part for node in checks if node.test.id == "TYPE_CHECKING" for line in node.body for part in ast.walk(line)}


def imports(modules: list[Module], *, types: bool = True) -> dict[str, set[str]]:
    """Return the modules of the package that each module imports; a name that is no module means the one it is in.

    Args:
        modules: all of the package.
        types: whether those count that only type checkers see.
    """
    known = {module.name for module in modules}
    found: dict[str, set[str]] = {name: set() for name in known}
    for module in modules:
        left_out = set() if types else for_types(module)
        for node in set(ast.walk(module.tree)) - left_out:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                target = name if name in known else name.rpartition(".")[0]
                if target in known - {module.name}:
                    found[module.name].add(target)
    return found


def rooms(between: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return imports between rooms; what the package itself defines belongs to no room."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, targets in between.items():
        ours = [*name.split("."), ""][1]
        found[ours] |= {[*target.split("."), ""][1] for target in targets} - {ours, ""}
    return found


def circles(between: dict[str, set[str]]) -> list[list[str]]:
    """Return groups of names that reach each other by imports."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for target in between.get(waiting.pop(), set()) - seen:
                seen.add(target)
                waiting.append(target)
        return seen

    reach = {name: reached(name) for name in between}
    groups = {tuple(sorted(other for other in seen if name in reach.get(other, ()))) for name, seen in reach.items()}
    return [list(group) for group in sorted(groups) if len(group) > 1]


def long_calls(modules: list[Module]) -> list[str]:
    """Return where a class of the package is made from many values whose meaning only their order says."""
    classes = {node.name for module in modules for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)}
    found = []
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and len(node.args) > MAX_POSITIONAL:
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if called in classes:
                    found.append(f"{called} in {module.name.removeprefix(PACKAGE + '.')}")
    return found


def share(part: int, whole: int) -> str:
    return f"{part / max(whole, 1):.1%} of {whole}"


def named(count: int, names: list[str]) -> str:
    """Return a count, and at most two of the names behind it."""
    shown = ", ".join(names[:2]) + (", ..." if len(names) > 2 else "")
    return f"{count} ({shown})" if names else str(count)


def measured(checkout: Path) -> dict[str, str]:
    """Return what the table shows of a checkout."""
    modules = modules_of(checkout)
    if not modules:
        raise SystemExit(f"{checkout}: there is no {PACKAGE}/ with Python files")
    functions = sorted((f for module in modules for f in functions_of(module)), key=length)
    lengths = [length(function) for function in functions]
    source = sum(module.lines for module in modules)
    tests = sum(path.read_text("utf-8").count("\n") for path in (checkout / "tests").rglob("*.py"))
    commands = [function for function in functions if is_command(function)]
    widest = max((f for f in functions if f not in commands), key=lambda function: len(parameters(function)))
    command = max(commands, key=lambda function: len(parameters(function)), default=None)
    between = imports(modules)
    folders: dict[str, int] = defaultdict(int)
    for module in modules:
        folders[module.folder] += 1
    crowded = {folder: count for folder, count in sorted(folders.items()) if count > MAX_FOLDER}
    long_files = [module.name for module in modules if module.lines > MAX_LINES]
    between_rooms = rooms(between)
    turns = circles(between_rooms)
    knots = circles(
        {
            name.removeprefix(f"{PACKAGE}."): {t.removeprefix(f"{PACKAGE}.") for t in targets}
            for name, targets in imports(modules, types=False).items()
        }
    )
    calls = long_calls(modules)
    return {
        "files": str(len(modules)),
        "lines": str(source),
        "functions": str(len(functions)),
        "function lines, median": f"{statistics.median(lengths):g}",
        "function lines, p90": str(lengths[int(0.9 * (len(lengths) - 1))]),
        "function lines, longest": f"{lengths[-1]} ({functions[-1].name})",
        f"files over {MAX_LINES} lines": named(len(long_files), long_files),
        "public names documented": share(*documented(modules)),
        "functions annotated": share(sum(map(is_annotated, functions)), len(functions)),
        "test lines to source lines": f"{tests / source:.2f}",
        "rooms": str(len(between_rooms.keys() - {""})),
        "imports between rooms": str(sum(map(len, between_rooms.values()))),
        "import circles between rooms": named(len(turns), [" + ".join(turn) for turn in turns]),
        "import circles between modules": named(len(knots), [" + ".join(knot) for knot in knots]),
        f"folders over {MAX_FOLDER} files": named(len(crowded), [f"{name} {n}" for name, n in crowded.items()]),
        "most parameters": f"{len(parameters(widest))} ({widest.name})",
        "most parameters of a command": f"{len(parameters(command))} ({command.name})" if command else "0",
        f"constructors, over {MAX_POSITIONAL} by position": named(len(calls), calls),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the shape of a checkout's code.")
    parser.add_argument("folder", nargs="?", type=Path, default=CHECKOUT)
    parser.add_argument("--before", type=Path, help="an older checkout, shown beside")
    given = parser.parse_args()
    columns = {"before": measured(given.before)} if given.before else {}
    columns["now"] = measured(given.folder)
    rows = list(columns["now"])
    widths = {name: max(len(name), *map(len, column.values())) for name, column in columns.items()}
    wide = max(map(len, rows))
    for row in ("", *rows):
        cells = [f"{column[row] if row else name:{widths[name]}}" for name, column in columns.items()]
        print("  ".join([f"{row:{wide}}", *cells]).rstrip())


if __name__ == "__main__":
    main()
