"""What a manifest's plain values say, in words; they come from a file, so any of them may be anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from texup.manifest.gating import Gate, told
from texup.upscaling.quality.gate import LIMITS
from texup.upscaling.survey import ALPHA_REASONS, EDGE_REASONS, KIND_REASONS, METHOD_REASONS

Facts = Mapping[str, Any]


def word(facts: Facts, name: str) -> str:
    """Return a fact that is one word, "" where it is none."""
    value = facts.get(name)
    return value if isinstance(value, str) else ""


def edges_of(facts: Facts) -> str:
    """Return the edges as "horizontal,vertical", "" where they are not known."""
    value = facts.get("edges")
    pair = value if isinstance(value, list | tuple) else ()
    return ",".join(reversed([str(edge) for edge in pair])) if len(pair) == 2 else ""


def wraps_of(facts: Facts) -> tuple[bool, bool]:
    """Return whether it tiles, (vertical axis, horizontal axis)."""
    horizontal, _, vertical = edges_of(facts).partition(",")
    return vertical == "wrap", horizontal == "wrap"


def cell_of(facts: Facts, width: int, height: int) -> tuple[int, int] | None:
    """Return width and height of a frame, where a texture of that size is a strip or sheet of several equal ones."""
    cells = facts.get("cells")
    if not isinstance(cells, Mapping):
        return None
    across, down = cells.get("across"), cells.get("down")
    if not isinstance(across, int) or not isinstance(down, int) or min(across, down) < 1:
        return None
    size = (across, down) if cells.get("unit") == "texels" else (width // across, height // down)
    is_whole = min(size) > 0 and width % size[0] == 0 and height % size[1] == 0
    return size if is_whole and size != (width, height) else None


def settings_of(header: Facts) -> Facts:
    """Return the settings of a run."""
    settings = header.get("settings")
    return settings if isinstance(settings, Mapping) else {}


def seconds_of(value: float) -> float:
    """Return seconds as a page shows them."""
    return round(value, 3) if math.isfinite(value) and value >= 0 else 0.0


def gate_of(gate: Gate | None) -> str:
    """Return the scores of a result, and what a user sees of those that are wrong."""
    if gate is None:
        return ""
    meanings: Mapping[Any, str] = {name: limit.meaning for name, limit in LIMITS.items()}
    seen = "; ".join(meanings[name] for name in gate.wrong)
    other = f"the other result had {told(gate.other)}" if gate.other is not None else ""
    return "; ".join(part for part in (told(gate.scores) or "no score applies", seen, other) if part)


def marks_of(gate: Gate | None) -> list[str]:
    """Return the scores by which a result looks wrong, and "fallback" where another one did and was done again."""
    if gate is None:
        return []
    return [*gate.wrong, *(["fallback"] if gate.is_mended else [])]


def why_of(facts: Facts) -> str:
    """Return what was decided about a texture, in words."""
    rule, art, cells = facts.get("rule"), facts.get("art"), facts.get("cells")
    tables: tuple[tuple[str, Mapping[Any, str]], ...] = (("kind", KIND_REASONS), ("method", METHOD_REASONS))
    parts = [f"rule {rule}" if isinstance(rule, int) else ""]
    parts += [table.get(word(facts, name), "") for name, table in tables]
    if isinstance(art, Mapping) and art.get("is_pixel_art") is True:
        parts.append(word(art, "reason"))
    parts.append("cell by cell" if isinstance(cells, Mapping) else "sprite by sprite" if cells else "")
    alphas: Mapping[Any, str] = ALPHA_REASONS
    parts.append(alphas.get(word(facts, "alpha"), ""))
    edges: Mapping[Any, str] = EDGE_REASONS
    horizontal, _, vertical = edges_of(facts).partition(",")
    if horizontal in edges and vertical in edges:
        parts.append(f"{edges[horizontal]} horizontally, {edges[vertical]} vertically")
    if facts.get("faithful") is True:
        parts.append("nothing may be invented: the faithful net")
    grain = facts.get("grain")
    if isinstance(grain, int | float) and not isinstance(grain, bool) and math.isfinite(grain) and grain:
        parts.append(f"grain of {grain:g}")
    return "; ".join(part for part in parts if part)
