"""Minecraft's ``.mcmeta`` files: what they say about a picture, and the same for an enlarged one.

References:
    neoforged/Documentation, docs/resources/client/textures.md: sections ``animation``, ``texture`` and ``gui``, their
        fields, and the size of a frame.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from texup import bounds
from texup.texts import TooMuch, parse_json

SUFFIX = ".mcmeta"
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_SIZES = (("animation", "width"), ("animation", "height"))


@dataclass(frozen=True, slots=True)
class Meta:
    """What a file says that matters for the pixels."""

    animated: bool = False
    width: int | None = None
    """Texels of a frame, where it is given."""
    height: int | None = None
    frames: tuple[int, ...] = ()
    """Numbers of the frames that are shown; empty for all."""
    clamp: bool = False
    """Whether the picture is read at its edges without wrapping round."""
    tile: bool = False
    """Whether an interface repeats it."""


def parse(data: bytes) -> Meta:
    """Read a file.

    Raises:
        ValueError: no JSON, or values of which the game makes nothing; the text is one clause.
    """
    if len(data) > bounds.MINECRAFT_BYTES:
        raise ValueError("is larger than any description of a picture")
    root = _mapping(load(data), "it")
    animation = _mapping(root.get("animation", {}), "animation")
    gui = _mapping(_mapping(root.get("gui", {}), "gui").get("scaling", {}), "gui.scaling")
    return Meta(
        animated="animation" in root,
        width=_size(animation, "width"),
        height=_size(animation, "height"),
        frames=tuple(_frame(frame) for frame in _list(animation.get("frames", []))),
        clamp=_mapping(root.get("texture", {}), "texture").get("clamp") is True,
        tile=gui.get("type") == "tile",
    )


def load(data: bytes) -> Any:
    """Return the value of a JSON text, with or without a byte order mark.

    Raises:
        ValueError: it is none; the text is one clause.
    """
    try:
        return parse_json(data)
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error.msg} in line {error.lineno}") from error
    except TooMuch:
        raise
    except ValueError as error:  # bytes that are no UTF-8, a number without end
        raise ValueError("is no JSON") from error


def frame_size(meta: Meta, width: int, height: int) -> tuple[int, int]:
    """Return width and height of a frame in texels, for an animated picture of the given size.

    What is not given is the picture's own; with neither a frame is a square of the shorter side.
    """
    if meta.width is None and meta.height is None:
        return min(width, height), min(width, height)
    return meta.width or width, meta.height or height


def scale_mcmeta(data: bytes, scale: int) -> bytes:
    """Return the file for a picture ``scale`` times as large: frame sizes multiplied, every other byte as it was.

    A ``gui`` section counts in units of the interface, not in texels, so it stays.

    Raises:
        ValueError: as :func:`parse`.
    """
    parse(data)
    text = data.decode("utf-8")
    pieces, done = [], 0
    for path, start, end in _scalars(text):
        if path in _SIZES:
            pieces += [text[done:start], str(int(float(text[start:end])) * scale)]
            done = end
    return "".join([*pieces, text[done:]]).encode("utf-8")


def _scalars(text: str) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """Yield (keys from the root, start, end) of each number and word of a sound text; items of arrays have key ""."""
    path: list[str] = []
    last = ""
    for token in _TOKEN.finditer(text, text.startswith("\ufeff")):
        found = token.group()
        if found in "{[":
            path.append("")
        elif found in "}]":
            path.pop()
        elif found == ":":
            path[-1] = json.loads(last, strict=False)
        elif found != "," and not found.startswith('"'):
            yield tuple(path), token.start(), token.end()
        last = found


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"is broken: {name} is no object")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("is broken: frames is no list")
    return value


def _size(animation: dict[str, Any], key: str) -> int | None:
    if key not in animation:
        return None
    number = _whole(animation[key])
    if number is None or number < 1:
        raise ValueError(f"is broken: the {key} of a frame is no size")
    return number


def _frame(value: Any) -> int:
    number = _whole(value.get("index") if isinstance(value, dict) else value)
    if number is None:
        raise ValueError("is broken: a frame has no number")
    return number


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or abs(value) > 1 << 31:
        return None
    return int(value) if value == int(value) else None
