"""TOML and JSON that may come from strangers: what would cost a parser too much is refused before it begins."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from texup import bounds

# What of TOML is neither key nor value, and values in which a point is no part of a key.
_QUOTED = re.compile(
    r""""{3}(?:[^"\\]++|\\.|"{1,2}(?!"))*+"{3,5}|'{3}(?:[^']++|'{1,2}(?!'))*+'{3,5}"""
    r"""|"(?:[^"\\\n]++|\\.)*+"|'[^'\n]*+'|\#[^\n]*+""",
    re.DOTALL,
)
_BETWEEN_KEYS = re.compile(r"[\n=,{}\[\]]")


class TooMuch(ValueError):
    """What a stranger's file asks of its reader is beyond a bound; the text is one clause about the file."""


def read_text(path: Path, most: int, what: str) -> str:
    """Return the text of a file of ``most`` bytes at most, read as UTF-8.

    Args:
        path: the file.
        most: the bound, in bytes.
        what: what the file is, for the refusal.

    Raises:
        OSError: it cannot be read.
        ValueError: it is larger, or no UTF-8; the text is one clause.
    """
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"larger than {bounds.spelt(most, 'bytes')}; no {what} is")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8; save the file as UTF-8") from error


def parse_toml(text: str) -> dict[str, Any]:
    """Return the values of a TOML text.

    Raises:
        ValueError: it is none, or is nested too deeply; the text is one clause.
    """
    bare = _QUOTED.sub("_", text)
    if any(key.count(".") >= bounds.TOML_PARTS for key in _BETWEEN_KEYS.split(bare)):
        raise ValueError(f"a key of more than {bounds.TOML_PARTS} parts")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("no TOML that texup reads: nested too deeply") from error
    except ValueError as error:  # a number of thousands of digits is no TOMLDecodeError
        raise ValueError(f"no valid TOML: {error}") from error


def parse_json(data: bytes, pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Return the value of a JSON text, with or without a byte order mark.

    Args:
        data: the text in UTF-8.
        pairs_hook: makes an object of its keys and values.

    Raises:
        TooMuch: it is nested too deeply, or holds too many values.
        ValueError: it is none; a ``JSONDecodeError`` tells where.
    """
    # Each value but the last has a comma, a colon or a bracket before or behind it; an empty object takes 64 bytes.
    if sum(map(data.count, (b",", b":", b"[", b"{"))) > bounds.JSON_VALUES:
        raise TooMuch(f"holds more than {bounds.JSON_VALUES:,} values")
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=pairs_hook)
    except RecursionError as error:
        raise TooMuch("is nested too deeply") from error
