"""What every command prints with: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from texup.packs.convention import Finding

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


def report(text: str) -> None:
    """Print one line of information on standard error."""
    click.echo(printable(text), err=True)


def report_error(text: str) -> None:
    """Print one line of error on standard error."""
    report(f"texup: error: {text}")


def finding_line(finding: Finding) -> str:
    """Return a finding about a pack as one line."""
    return (
        f"{finding.severity}: {finding.path}: {finding.text}" if finding.path else f"{finding.severity}: {finding.text}"
    )


def print_json(value: Any) -> None:
    """Print one JSON object, and nothing else, on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=True))


def is_terminal() -> bool:
    """Return whether standard error is a terminal, where live progress makes sense."""
    return sys.stderr.isatty()
