"""What a pick sets in a rule, and what the user's own rules already say."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from texup.gallery.content import Settings
from texup.policy.rules import load_rules

WISHES: tuple[Settings, ...] = (
    {"action": "copy"},
    {"action": "skip"},
    {"method": "net"},
    {"method": "pixel"},
    {"method": "nearest"},
    {"method": "smooth"},
    {"blend": 0.0},
    {"blend": 1.0},
    {"grain": 0.0},
)
"""Rules that a page offers without having tried them."""
PICKED = ("match", "when", "action", "method", "model", "blend")
"""Keys of a rule that a pick sets itself, or that say what the rule is about."""


def tables_of(rules: Path | None) -> Sequence[Settings]:
    """Return the tables of a file of rules as they are written.

    Raises:
        UsageError: it makes no sense.
    """
    if rules is None:
        return ()
    load_rules(rules)
    tables: list[dict[str, Any]] = tomllib.loads(rules_text(rules))["rule"]
    return tables


def rules_text(rules: Path | None) -> str:
    """Return a file of rules as text."""
    return "" if rules is None else rules.read_text("utf-8-sig")


def base_of(tables: Sequence[Settings], number: int | None) -> Settings:
    """Return what the rule of a number sets besides what a pick sets itself; nothing where there is no such rule."""
    table = tables[number - 1] if number is not None and 0 < number <= len(tables) else {}
    return {key: value for key, value in table.items() if key not in PICKED}
