"""GZDoom's TEXTURES lump: text that defines textures, sprites and graphics from pictures; and a PNG's offsets.

References:
    ZDoom/gzdoom, src/common/textures/multipatchtexturebuilder.cpp, ParseTexture and ParsePatch: properties, their
        arguments, that widths and heights count texels of the pictures, and that unknown words stop the game;
        texturemanager.cpp, ParseTextureDef: the words that begin a definition.
    ZDoom/gzdoom, src/common/textures/formats/pngtexture.cpp: chunk ``grAb``, two big-endian int32, read before IDAT.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from texup import bounds
from texup.texts import TooMuch

KEYWORDS = ("flat", "graphic", "sprite", "texture", "walltexture")
_TOKEN = re.compile(r'\s+|//[^\n]*|/\*.*?(?:\*/|\Z)|(?P<string>"(?:\\"|[^"])*+")|(?P<word>[{},]|[^\s{},"]+)', re.DOTALL)
_FLAGS = ("nodecals", "notrim", "nulltexture", "worldpanning")
_PARTS = ("graphic", "patch", "sprite")
_GRAB = struct.Struct(">ii")


@dataclass(frozen=True, slots=True)
class Definition:
    """A texture by its pictures."""

    keyword: str
    """One of :data:`KEYWORDS`."""
    name: str
    """A lump's name of up to 8 characters, or a full path."""
    width: int
    """Texels of the definition's own canvas, not of the world."""
    height: int
    scale: tuple[float, float] = (1, 1)
    """Texels (x, y) for each unit of the world."""
    offset: tuple[int, int] | None = None
    """Texels from the picture's corner to the point where the game places it."""
    panning: bool = False
    """Whether offsets of walls count units of the world; without it they would count texels."""
    parts: tuple[tuple[str, int, int], ...] = ()
    """Pictures with their places (x, y) on the canvas."""


def format_definition(definition: Definition) -> str:
    """Return one line; :func:`read_definitions` undone."""
    x, y = definition.scale
    words = [f"XScale {x:g} YScale {y:g}"]
    if definition.panning:
        words.append("WorldPanning")
    if definition.offset is not None:
        words.append("Offset {}, {}".format(*definition.offset))
    words += [f"Patch {_quoted(name)}, {left}, {top}" for name, left, top in definition.parts]
    head = f"{definition.keyword.capitalize()} {_quoted(definition.name)}, {definition.width}, {definition.height}"
    return f"{head} {{ {' '.join(words)} }}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '\\"') + '"'  # the one escape that the loader's scanner knows here


def read_definitions(text: str) -> list[Definition]:
    """Return the definitions of a lump.

    Raises:
        TooMuch: it is too long to be read here.
        ValueError: the loader would stop here; the text names the line.
    """
    tokens = _Tokens(text)
    found = []
    while (word := tokens.take()) is not None:
        if word.lower() in KEYWORDS:
            found.append(_definition(word.lower(), tokens))
        elif word.lower() == "remap":
            name = tokens.need("a name")
            tokens.need("a file") if name.lower() not in ("wall", "flat", "sprite") else tokens.skip(2)
        elif word.lower() == "define":
            tokens.skip(1)
            tokens.accept("force32bit")
            tokens.whole()
            tokens.whole()
        elif word.lower() == "#include":
            tokens.skip(1)
        else:
            raise tokens.error(f"{_shown(word)} begins no definition")
    return found


def png_grab(head: bytes) -> tuple[int, int] | None:
    """Return the offsets (x, y) in texels that a PNG's head holds before its pixels, or None."""
    at = 8
    while at + 16 <= len(head):
        size, kind = struct.unpack_from(">I4s", head, at)
        if kind == b"grAb" and size == _GRAB.size:
            x, y = _GRAB.unpack_from(head, at + 8)
            return x, y
        if kind in (b"IDAT", b"IEND"):
            return None
        at += 12 + size
    return None


def _shown(word: str) -> str:
    return repr(word[:60])


class _Tokens:
    """The words of a lump, one after the other."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._words = self._split()
        self._next = next(self._words, None)

    def _split(self) -> Iterator[str]:
        at = words = 0
        while at < len(self._text):
            found = _TOKEN.match(self._text, at)
            if found is None:
                self._at = at
                raise self.error("a quotation mark without its end")
            self._at, at = at, found.end()
            words += not found[0].isspace()
            if words > bounds.GZDOOM_WORDS:
                raise TooMuch(f"more than the {bounds.GZDOOM_WORDS:,} words that texup reads of it")
            if found["string"]:
                yield found["string"][1:-1].replace('\\"', '"')
            elif found["word"]:
                yield found["word"]
        self._at = at

    def error(self, problem: str) -> ValueError:
        return ValueError(f"line {self._text.count(chr(10), 0, self._at) + 1}: {problem}")

    def take(self) -> str | None:
        word = self._next
        if word is not None:
            self._next = next(self._words, None)
        return word

    def accept(self, word: str) -> bool:
        if self._next is None or self._next.lower() != word:
            return False
        self.take()
        return True

    def need(self, what: str) -> str:
        word = self.take()
        if word is None:
            raise self.error(f"the text ends where {what} belongs")
        return word

    def skip(self, count: int) -> None:
        for _ in range(count):
            self.need("a word")

    def comma(self) -> None:
        if not self.accept(","):
            raise self.error("a comma is missing")

    def number(self) -> float:
        word = self.need("a number")
        try:
            return float(word)
        except ValueError:
            raise self.error(f"{_shown(word)} is no number") from None

    def whole(self) -> int:
        value = self.number()
        if not abs(value) <= 1 << 31 or value != int(value):
            raise self.error(f"{value:g} is no whole number")
        return int(value)


def _definition(keyword: str, tokens: _Tokens) -> Definition:
    name = tokens.need("a name")
    if name.lower() == "optional" and not tokens.accept(","):
        name = tokens.need("a name")
        tokens.comma()
    elif name.lower() != "optional":
        tokens.comma()
    width = tokens.whole()
    tokens.comma()
    made = Definition(keyword, name, width, tokens.whole())
    if not tokens.accept("{"):
        return made
    parts: list[tuple[str, int, int]] = []
    while not tokens.accept("}"):
        made = _with_property(made, tokens, parts)
    return replace(made, parts=tuple(parts))


def _with_property(made: Definition, tokens: _Tokens, parts: list[tuple[str, int, int]]) -> Definition:
    """Return the definition with its next property; a picture is added to ``parts``."""
    word = tokens.need("}").lower()
    if word in ("xscale", "yscale"):
        value = tokens.number()
        if value == 0:
            raise tokens.error("a scale of 0")
        x, y = made.scale
        return replace(made, scale=(value, y) if word == "xscale" else (x, value))
    if word in ("offset", "offset2"):
        x_offset = tokens.whole()
        tokens.comma()
        offset = (x_offset, tokens.whole())
        return replace(made, offset=offset) if word == "offset" else made
    if word in _PARTS:
        parts.append(_part(tokens))
        return made
    if word not in _FLAGS:
        raise tokens.error(f"{_shown(word)} is no property")
    return replace(made, panning=made.panning or word == "worldpanning")


def _part(tokens: _Tokens) -> tuple[str, int, int]:
    name = tokens.need("a picture")
    tokens.comma()
    left = tokens.whole()
    tokens.comma()
    top = tokens.whole()
    if tokens.accept("{"):
        while not tokens.accept("}"):
            tokens.skip(1)
    return name, left, top
