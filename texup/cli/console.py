"""What every command prints with: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

import click

from texup import bounds
from texup.errors import OutputError

if TYPE_CHECKING:
    from texup.packs.pack import Finding

SCHEMAS = {
    "check": 1,
    "doctor": 1,
    "evaluate": 1,
    "inspect": 1,
    "interpolate --sweep": 1,
    "merge": 1,
    "models bench": 1,
    "models list": 1,
    "models list FOLDER": 1,
    "models show": 1,
    "upscale": 1,
    "verify": 1,
}
"""What ``--json`` prints: the version of each. Fields are added freely; one that changes or goes raises the version."""
FEW = 3  # findings of one kind that are told one by one
NUMBER = re.compile(r"\d+")
UNSAFE = {
    "Cc",
    "Cf",
    "Cs",
    "Co",
    "Cn",
    "Zl",
    "Zp",
}  # controls, bidi marks, lone surrogates, private, unassigned, breaks


def printable(text: str) -> str:
    r"""Return ``text`` on one line with control, bidi and undecodable characters written as ``\x..`` or ``\u....``."""
    return "".join(
        c.encode("unicode_escape", "surrogatepass").decode() if unicodedata.category(c) in UNSAFE else c for c in text
    )


def brief(text: str) -> str:
    """Return ``text`` as :func:`printable` does, without its middle where it is long: names come from strangers.

    A message begins with the file and ends with what to do.
    """
    return _without_middle(printable(_without_middle(text)))  # the first, so that not all of it is looked at


def _without_middle(text: str) -> str:
    half = bounds.MESSAGE_CHARACTERS // 2
    return text if len(text) <= 2 * half else f"{text[:half]}…{text[1 - half :]}"


class Courtesy:
    """As much of a text stream as live progress needs; when nobody listens any more, the run goes on without it."""

    def __init__(self, stream: TextIO) -> None:
        """Write to ``stream``."""
        self._stream = stream
        self.encoding = stream.encoding

    def write(self, text: str, /) -> int:
        """Write where that is possible."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush where that is possible."""
        with suppress(OSError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self._stream.isatty()


def show(text: str) -> None:
    """Print one line of results on standard output.

    Raises:
        OutputError: it cannot be written; a closed pipe ends the command without words instead.
    """
    _print(brief(text))


def show_lines(text: str) -> None:
    """Print a text of texup's own making, as it is, on standard output.

    Raises:
        OutputError: as :func:`show` does.
    """
    _print(text)


def report(text: str) -> None:
    """Print one line of information on standard error, where there is one."""
    with suppress(OSError):
        click.echo(brief(text), err=True)


def report_error(text: str) -> None:
    """Print one line of error on standard error."""
    report(f"texup: error: {text}")


def finding_lines(findings: Iterable[Finding], *, every: bool = False) -> list[str]:
    """Return findings about a pack as lines; more than ``FEW`` that differ in file and numbers only are one line."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, NUMBER.sub("", finding.text)), []).append(finding)
    parts = [[group] if len(group) > FEW and not every else [[one] for one in group] for group in groups.values()]
    return [_finding_line(part) for group in parts for part in group]


def _finding_line(group: list[Finding]) -> str:
    first = group[0]
    where = f"{len(group)} files, as {first.path}: " if len(group) > 1 else f"{first.path}: " if first.path else ""
    return f"{first.severity}: {where}{first.text}"


def print_json(output: str, value: dict[str, Any]) -> None:
    """Print one JSON object, and nothing else, on standard output.

    Args:
        output: which of ``SCHEMAS`` it is.
        value: its fields but for the first, the version of their meaning.
    """
    _print(json.dumps({"schema": SCHEMAS[output], **value}, indent=2, ensure_ascii=True))


def _print(text: str) -> None:
    try:
        click.echo(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python fails again while it exits
        raise OutputError(f"standard output: cannot write: {error.strerror}") from error


def is_terminal() -> bool:
    """Return whether standard error is a terminal, where live progress makes sense."""
    return sys.stderr is not None and sys.stderr.isatty()
