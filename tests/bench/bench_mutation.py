"""How much of the code the tests would miss: small random changes, and whether any test notices.

Run: ``python tests/bench/bench_mutation.py [--count 100] [--seed 0] [--only GLOB]``. Lines of the package are equally
likely to be hit; in a module, one operator, constant or branch is changed. The tests that import the module run against
it; where none does, those that import what imports it; and for what is imported by a name only, as commands are, those
that bear the name of its room. Everything happens in a copy of the checkout. A mutant costs the seconds of its tests:
100 take half an hour or more of one core.

A survivor is a question, not a fault: some changes make no difference that anyone could see.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PACKAGE = "texup"
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info", "runs")
SWAPS = {
    getattr(ast, old): getattr(ast, new)
    for old, new in (
        *(("Add", "Sub"), ("Sub", "Add"), ("Mult", "Add"), ("Div", "Mult"), ("FloorDiv", "Mult"), ("Mod", "Mult")),
        *(("LShift", "RShift"), ("RShift", "LShift"), ("BitAnd", "BitOr"), ("BitOr", "BitAnd"), ("Pow", "Mult")),
        *(("Lt", "LtE"), ("LtE", "Lt"), ("Gt", "GtE"), ("GtE", "Gt"), ("Eq", "NotEq"), ("NotEq", "Eq")),
        *(("And", "Or"), ("Or", "And"), ("Is", "IsNot"), ("IsNot", "Is"), ("In", "NotIn"), ("NotIn", "In")),
    )
}
SKIPPED = {"annotation", "returns", "decorator_list", "type_params", "type_comment"}  # no behaviour, or not their own


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change of one file."""

    path: Path
    line: int
    before: str
    after: str
    text: str
    """The whole file, changed."""


def parts(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that do something; not those in f-strings, whose places Python tells from 3.12 on only."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal"):
        return
    yield node
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            is_text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            if isinstance(child, ast.AST) and name not in SKIPPED and not is_text:
                yield from parts(child)


def changed(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions that may stand in a node's place, one change away."""
    match node:
        case ast.BinOp(left, op, right) if type(op) in SWAPS:
            yield ast.BinOp(left, SWAPS[type(op)](), right)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(SWAPS[type(op)](), values)
        case ast.Compare(left, [op, *others], comparators):
            yield ast.Compare(left, [SWAPS[type(op)](), *others], comparators)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.Constant(str() as value) if value and re.fullmatch(r"[\w./-]+", value):  # no sentence
            yield ast.Constant(f"{value}_")


def mutants_of(path: Path) -> list[Mutant]:
    """Return every change of a file that this program knows."""
    text = path.read_text("utf-8")
    raw = text.encode()
    starts = [0]
    for line in raw.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node in parts(ast.parse(text)):
        choices = [(node, other) for other in changed(node)]
        if isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert):
            choices.append((node.test, ast.UnaryOp(ast.Not(), node.test)))
        for old, new in choices:
            begin, end = starts[old.lineno - 1] + old.col_offset, starts[old.end_lineno - 1] + old.end_col_offset
            after = f"({ast.unparse(ast.fix_missing_locations(new))})"
            whole = (raw[:begin] + after.encode() + raw[end:]).decode()
            before = " ".join(raw[begin:end].decode().split())
            found.append(Mutant(path=path, line=old.lineno, before=before, after=after, text=whole))
    return found


def imported(path: Path, names: set[str]) -> set[str]:
    """Return which of the modules ``names`` a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found & names


def module_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


class Suite:
    """Which tests are asked about which module."""

    def __init__(self, root: Path) -> None:
        sources = sorted((root / PACKAGE).rglob("*.py"))
        names = {module_of(path.relative_to(root)) for path in sources}
        self.uses = {module_of(path.relative_to(root)): imported(path, names) for path in sources}
        self.tests = {path: imported(path, names) for path in sorted((root / "tests").rglob("test_*.py"))}

    def of(self, module: str) -> list[Path]:
        """Return the tests nearest to a module."""
        wanted, seen, found = {module}, set[str](), list[Path]()
        while wanted and not found:
            found = [path for path, used in self.tests.items() if used & wanted]
            seen |= wanted
            wanted = {name for name, used in self.uses.items() if used & wanted} - seen
        return found or [path for path in self.tests if f"_{module.split('.')[1]}_" in path.stem]


def run_tests(root: Path, tests: list[str], limit: float) -> tuple[str, list[str]]:
    """Return what became of a mutant, and the tests that noticed: the first, or "time" where they never ended."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-rfE", "--no-header", "-p", "no:cacheprovider", *tests]
    # No bytecode: a change within one second that keeps the size would go unseen.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=root, env=environment, start_new_session=True, **pipe) as process:
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return "killed", ["time"]
    noticed = re.findall(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", output, re.MULTILINE)
    return {0: "survived", 5: "no test"}.get(process.returncode, "killed"), noticed


def main() -> None:
    parser = argparse.ArgumentParser(description="Change the code at random, and see whether the tests notice.")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="**/*.py", help="modules to change, below the package")
    parser.add_argument("--limit", type=float, default=600, help="seconds for the tests of one mutant")
    given = parser.parse_args()
    dice, results, noticed = random.Random(given.seed), [], set[str]()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(shutil.copytree(CHECKOUT, Path(folder, "checkout"), ignore=LEFT_OUT))
        if (CHECKOUT.parent / "shared").exists():  # real packs, for which some tests look beside the checkout
            Path(folder, "shared").symlink_to((CHECKOUT.parent / "shared").resolve())
        suite = Suite(root)
        modules = [path for path in sorted((root / PACKAGE).glob(given.only)) if mutants_of(path)]
        lines = [path.read_text("utf-8").count("\n") for path in modules]
        for _ in range(given.count):
            mutant = dice.choice(mutants_of(dice.choices(modules, lines)[0]))
            place = mutant.path.relative_to(root)
            tests = [str(path.relative_to(root)) for path in suite.of(module_of(place))]
            sound, began = mutant.path.read_text("utf-8"), time.perf_counter()
            mutant.path.write_text(mutant.text, "utf-8")
            verdict, by = run_tests(root, tests, given.limit) if tests else ("no test", [])
            mutant.path.write_text(sound, "utf-8")
            line = f"{place}:{mutant.line}  {mutant.before} -> {mutant.after}"
            results.append((verdict, line))
            noticed |= set(by) - {"time"}
            print(f"{verdict:9}{time.perf_counter() - began:5.0f} s  {line}  {' '.join(by)}", flush=True)
        if noticed and run_tests(root, sorted(noticed), given.limit)[0] != "survived":
            print("one of the tests that noticed fails without any change too: the score is worth nothing")
    judged = [verdict for verdict, _ in results if verdict != "no test"]
    print(f"\n{judged.count('killed')} of {len(judged)} killed; {len(results) - len(judged)} in modules without a test")
    for verdict, line in results:
        if verdict != "killed":
            print(f"{verdict:9} {line}")


if __name__ == "__main__":
    main()
