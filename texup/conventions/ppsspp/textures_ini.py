"""PPSSPP's textures.ini: read as the emulator reads it, and written back with nothing changed but paths.

::

    KEY    =  MS\\A\\a_1.png     # Federation        lines are kept byte for byte; only the part between
    ......................      ..............      the space after "=" and the space before "#" is replaced

References:
    PPSSPP, Common/Data/Format/IniFile.cpp: sections, comments, quotes and escapes; the first of equal sections and of
    equal keys counts.
    PPSSPP, GPU/Common/TextureReplacer.cpp: what the sections [options], [games] and [hashes] mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from texup import bounds
from texup.errors import UnreadableTexture

INI_NAME = "textures.ini"
HASHES = ("quick", "xxh32", "xxh64")
VERSION = 1
_BOM = "\ufeff"
_SPACE = " \t\n\v\f\r"  # C's isspace; Python's own strip would take more
_KEY = re.compile(r"(?P<key>[0-9a-f]{8,24})(?:_(?P<level>\d{1,2}))?", re.IGNORECASE | re.ASCII)
_COMMENT = re.compile(r"(?<!\\)#")


class Key(NamedTuple):
    """What the emulator finds a texture by; a part that is 0 stands for any."""

    cache: int
    """Address in 32 bits, then the hash of the palette in 32 bits."""
    hash: int
    """Hash of the texels."""


class Value(NamedTuple):
    """A value and where it stands."""

    text: str
    """Without quotes and escapes."""
    line: int
    """Index in ``lines``."""
    start: int
    end: int
    """What of the line is replaced to change the value."""
    quoted: bool
    """Whether quotes stand around the whole rest of the line, in which "#" begins no comment."""


@dataclass(frozen=True, slots=True)
class TexturesIni:
    """An ini that was read; text that is no UTF-8 stands as lone surrogates, as in paths."""

    lines: tuple[str, ...]
    """With their ends; without the mark of UTF-8 at the start."""
    sections: Mapping[str, Mapping[str, Value]]
    """By lower-case name; keys as spelt. Only what counts: the first of equal sections and of equal keys."""
    ignored: tuple[str, ...]
    """Sections that stand again and are ignored, and keys that stand again with another value."""

    def option(self, name: str) -> str:
        """Return an option, its name in any case; "" where it is missing."""
        options = self.sections.get("options", {})
        return next((value.text for key, value in options.items() if key.lower() == name.lower()), "")

    def is_set(self, name: str) -> bool:
        """Return whether an option is switched on."""
        return self.option(name).lower() in ("1", "true")

    def hashes(self) -> Mapping[str, Value]:
        """Return the paths of textures by key as spelt."""
        return self.sections.get("hashes", {})


def read_key(text: str) -> tuple[Key, int] | None:
    """Return the key and the level of the left side in [hashes], or of a file's name without its suffix."""
    match = _KEY.fullmatch(text)
    if not match:
        return None
    digits = match["key"]
    return Key(int(digits[:16], 16), int(digits[16:] or "0", 16)), int(match["level"] or "0")


def parse_ini(data: bytes, name: str) -> TexturesIni:
    """Read the bytes of a file, of any line ends, with or without the mark of UTF-8.

    Raises:
        UnreadableTexture: larger than ``bounds.PPSSPP_BYTES``, or with NUL bytes, as UTF-16 has.
    """
    if len(data) > bounds.PPSSPP_BYTES:
        raise UnreadableTexture(
            f"more than {bounds.PPSSPP_BYTES >> 20} MiB, which is no list of textures; put back a sound copy", name
        )
    if b"\0" in data:
        raise UnreadableTexture("holds NUL bytes; save it as UTF-8 text", name)
    text = data.decode("utf-8", "surrogateescape").removeprefix(_BOM)
    if text.count("\n") > bounds.PPSSPP_LINES:
        raise UnreadableTexture(f"more than the {bounds.PPSSPP_LINES:,} lines that texup reads of it", name)
    lines = tuple(re.findall(r"[^\n]*\n|[^\n]+", text))
    sections: dict[str, dict[str, Value]] = {}
    ignored: list[str] = []
    current: dict[str, Value] = {}
    for index, line in enumerate(lines):
        start = _start(line)
        if start == len(line):
            continue
        if line.startswith("[", start) and (end := line.find("]", start)) > 0:
            current = _section(line[start + 1 : end], sections, ignored)
        elif found := _assignment(line, index, start):
            key, value = found
            if current.setdefault(key, value).text != value.text:
                ignored.append(f"the second line of {key}")
    return TexturesIni(lines, sections, tuple(ignored))


def _start(line: str) -> int:
    """Return where a line's text begins: after space and a mark of UTF-8, which the emulator skips in every line."""
    start = len(line) - len(line.lstrip(_SPACE))
    return start + line.startswith(_BOM, start)


def _section(name: str, sections: dict[str, dict[str, Value]], ignored: list[str]) -> dict[str, Value]:
    if name.lower() in sections:
        ignored.append(f"the second section [{name}]")
        return {}
    return sections.setdefault(name.lower(), {})


def _assignment(line: str, index: int, start: int) -> tuple[str, Value] | None:
    equals = line.find("=", start)
    comment = _COMMENT.search(line, start)
    if line.startswith((";", "#"), start) or equals <= start or (comment and comment.start() < equals):
        return None
    key = line[start:equals].replace("\\#", "#").strip(_SPACE)
    return (key, _value(line, index, equals + 1)) if key else None


def _value(line: str, index: int, after: int) -> Value:
    """Read what stands behind "="; the space on both sides of a value is no part of it."""
    rest = line[after:].strip(_SPACE)
    quoted = len(rest) >= 2 and rest[0] == rest[-1] == '"'
    comment = None if quoted else _COMMENT.search(line, after)
    end = comment.start() if comment else len(line)
    text = line[after:end]
    begin = after + len(text) - len(text.lstrip(_SPACE))
    end = max(after + len(text.rstrip(_SPACE)), begin) if text.strip(_SPACE) else after
    begin = min(begin, end)
    text = line[begin:end] if quoted else line[begin:end].replace("\\#", "#")
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    return Value(text, index, begin, end, quoted)


def rewrite(ini: TexturesIni, changes: Mapping[int, str]) -> bytes:
    """Return the bytes of a file with other paths, without the mark of UTF-8.

    Args:
        ini: the file as read.
        changes: new paths by the index of their line; a line whose path is the same is kept byte for byte.
    """
    lines = list(ini.lines)
    for value in ini.hashes().values():
        text = changes.get(value.line, value.text)
        if text != value.text:
            line = lines[value.line]
            lines[value.line] = line[: value.start] + _spelt(text, value, line) + line[value.end :]
    return "".join(lines).encode("utf-8", "surrogateescape")


def _spelt(text: str, value: Value, line: str) -> str:
    if value.quoted:
        return f'"{text}"'
    escaped = text.replace("#", "\\#")
    was_quoted = line[value.start : value.end].startswith('"') and value.end - value.start >= 2
    return f'"{escaped}"' if was_quoted else escaped


def problems(ini: TexturesIni, *, overrides: bool = False) -> Iterator[tuple[bool, str]]:
    """Yield (whether the emulator then loads nothing at all, what is wrong), one clause each.

    Args:
        ini: the file.
        overrides: whether it is one that [games] names, which need not repeat the options.
    """
    chosen = ini.option("hash")
    if not chosen and not overrides:
        yield True, f"no 'hash' in [options], without which PPSSPP loads nothing; add hash = {' or '.join(HASHES)}"
    elif chosen and chosen.lower() not in HASHES:
        yield True, f"PPSSPP knows no hash '{shown(chosen)}' and loads nothing; use {' or '.join(HASHES)}"
    for name in ("ignoreAddress", "reduceHash"):
        if ini.is_set(name) and chosen.lower() == "quick":
            yield False, f"PPSSPP switches {name} off, which needs hash = xxh32 or xxh64"
    version = ini.option("version")
    if version.isdecimal() and int(version[:9]) > VERSION:
        yield False, f"version {shown(version)} is newer than what PPSSPP is known to read"
    if ini.ignored:
        yield False, f"PPSSPP ignores {shown(ini.ignored[0])}{_more(ini.ignored)}"
    strange = [key for key in ini.hashes() if read_key(key) is None]
    if strange:
        yield False, f"'{shown(strange[0])}'{_more(strange)} in [hashes] is no key of 8 to 24 hex digits"


def _more(texts: Sequence[str]) -> str:
    return f" and {len(texts) - 1} more" if len(texts) > 1 else ""


def shown(text: str) -> str:
    """Return text of a file as it can stand in one line for people."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:80])


def path_problem(text: str) -> str:
    """Return why a path in [hashes] is refused, or ""."""
    path = as_path(text)
    if ".." in path.split("/"):
        return "leaves the pack with '..', which PPSSPP refuses; write a path inside the pack"
    if path.startswith("/") or re.match("[A-Za-z]:", path):
        return "is an absolute path; write a path inside the pack"
    return ""


def as_path(text: str) -> str:
    """Return a path in [hashes] with slashes, as the emulator takes it on every system."""
    return text.replace("\\", "/")
