"""The keys of a rule and what each may be; everything else is refused with the nearest right word."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, get_args

from texup import bounds
from texup.errors import nearest
from texup.policy.choices import MAX_GRAIN, AlphaChoice, EdgeChoice, GateChoice, KeyChoice, read_key
from texup.policy.classify import Kind
from texup.textures.cells import Cells
from texup.textures.normals import NormalForm
from texup.textures.planes import AlphaKind

RuleAction = Literal["upscale", "copy", "skip"]
RuleMethod = Literal["net", "pixel", "nearest", "smooth", "vectors"]
Reader = Callable[[Any, str], Any]
"""Returns a value of TOML as a rule keeps it; raises ValueError, whose text names the key that it is given."""

FORMATS = ("png", "tga", "bmp", "jpeg", "webp", "dds")
ASKED_ALPHA = ("smooth", "copy")  # never found, only asked for
FOUND_ALPHA = tuple(kind for kind in get_args(AlphaKind) if kind not in ASKED_ALPHA)
MAX_SCALE = 16
CELLS = re.compile(r"([1-9][0-9]{0,4}) ?x ?([1-9][0-9]{0,4}) (texels|pixels|cells)")
UNCLEAR_CELLS = re.compile(r"[0-9]+ ?x ?[0-9]+")
MAX_SHOWN = 60  # characters of a wrong word in a message


def read_table(table: Any, keys: Mapping[str, Reader], place: str = "") -> dict[str, Any]:
    """Return the values of a table, each as its key's reader gives it.

    Raises:
        ValueError: it is no table, or has a key or a value that is not possible.
    """
    if not isinstance(table, Mapping):
        raise ValueError(f"{place} must be a table, as in {place} = {{ max_side = 32 }}, not {shown(table)}")
    prefix = f"{place}." if place else ""
    for key in table:
        if key not in keys:
            raise ValueError(f"unknown key {shown(prefix + key)}{_instead(key, keys)}")
    return {key: keys[key](value, prefix + key) for key, value in table.items()}


def shown(value: Any) -> str:
    """Return a value as a message shows it: on one line, without control characters, not too long."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def _instead(key: str, keys: Mapping[str, Reader]) -> str:
    """Say what to write instead of a key; a fact and a setting are easily taken for each other."""
    if key in WHEN and keys is SETTINGS:
        setting = {"kind": "treat_as", "alpha": "treat_alpha_as"}.get(key)
        meant = f"; to have it treated as one, write {setting} = …" if setting else ""
        return f"; to ask for it, write when = {{ {key} = … }}{meant}"
    if key in SETTINGS and keys is WHEN:
        return f"; write {key} in the rule itself, not in when"
    return f"; {nearest(key, keys)}"


def _one_of(known: Collection[str]) -> Reader:
    def read(value: Any, place: str) -> str:
        if not isinstance(value, str):
            raise ValueError(f"{place} must be text, not {shown(value)}; use one of {', '.join(known)}")
        if value not in known:
            raise ValueError(f"{place} = {shown(value)} is unknown; {nearest(value, known)}")
        return value

    return read


def _some_of(read: Reader) -> Reader:
    """Return the reader of one value or a list of them."""

    def read_all(value: Any, place: str) -> tuple[Any, ...]:
        if value == []:
            raise ValueError(f"{place} is an empty list; leave it out, or name something")
        return tuple(read(one, place) for one in value) if isinstance(value, list) else (read(value, place),)

    return read_all


def _word(value: Any, place: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{place} must be text, or a list of texts, not {shown(value)}")
    return value


def _globs(value: Any, place: str) -> Any:
    globs = _some_of(_word)(value, place)
    if any(len(glob) > bounds.RULES_GLOB for glob in globs):
        raise ValueError(f"a glob of more than {bounds.RULES_GLOB:,} characters, which is longer than any path")
    return globs


def _chain(value: Any, place: str) -> Any:
    models = _some_of(_word)(value, place)
    if len(models) > bounds.RULES_CHAIN:
        raise ValueError(f"more than {bounds.RULES_CHAIN} models in one chain")
    return models


def _whole(value: Any, place: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{place} must be a positive whole number, not {shown(value)}")
    return value


def _scale(value: Any, place: str) -> int:
    if _whole(value, place) > MAX_SCALE:
        raise ValueError(f"{place} must be a whole number from 1 to {MAX_SCALE}, not {shown(value)}")
    return int(value)


def _blend(value: Any, place: str) -> float | str:
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{place} must be a number from 0 (PSNR) to 1 (GAN), or 'auto', not {shown(value)}")
    return float(value)


def _grain(value: Any, place: str) -> float | str:
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_GRAIN:
        raise ValueError(f"{place} must be a number from 0 (none) to {MAX_GRAIN:g}, or 'auto', not {shown(value)}")
    return float(value)


def _key(value: Any, place: str) -> KeyChoice:
    try:
        return read_key(value if isinstance(value, str) else "")
    except ValueError as error:
        raise ValueError(f"{place} = {shown(value)}: {error}") from error


def _edges(value: Any, place: str) -> tuple[str, str]:
    """Read the horizontal axis first, like width before height, and return (vertical, horizontal)."""
    known = get_args(EdgeChoice)
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else []
    if len(parts) not in (1, 2):
        raise ValueError(f"{place} must be one of {', '.join(known)}, or two of them as 'X,Y', not {shown(value)}")
    words = [_one_of(known)(part, place) for part in parts]
    return words[-1], words[0]


def _cells(value: Any, place: str) -> Cells | str:
    if value in ("whole", "islands"):
        return str(value)
    found = CELLS.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        if isinstance(value, str) and UNCLEAR_CELLS.fullmatch(value):
            raise ValueError(
                f"{place} = {shown(value)} is unclear; write '{value[:12]} texels' or '{value[:12]} cells'"
            )
        forms = "'8x8 texels' (the size of one), '16x16 cells' (how many), 'islands' or 'whole'"
        raise ValueError(f"{place} must be {forms}, not {shown(value)}")
    return Cells("count" if found[3] == "cells" else "texels", int(found[1]), int(found[2]))


WHEN: dict[str, Reader] = {
    "kind": _some_of(_one_of(get_args(Kind))),
    "alpha": _some_of(_one_of(FOUND_ALPHA)),
    "format": _some_of(_one_of(FORMATS)),
    **{f"{end}_{side}": _whole for side in ("width", "height", "side") for end in ("min", "max")},
}
"""The facts that a rule may ask for."""

SETTINGS: dict[str, Reader] = {
    "match": _globs,
    "when": lambda value, place: read_table(value, WHEN, place),
    "action": _one_of(get_args(RuleAction)),
    "method": _one_of(get_args(RuleMethod)),
    "treat_as": _one_of(get_args(Kind)),
    "treat_alpha_as": _one_of(get_args(AlphaChoice)),
    "edges": _edges,
    "cells": _cells,
    "normal_form": _one_of(get_args(NormalForm)),
    "model": _chain,
    "blend": _blend,
    "scale": _scale,
    "grain": _grain,
    "key": _key,
    "gate": _one_of(get_args(GateChoice)),
}
"""The keys of a rule."""
