"""What a page shows, as values, and as the script that carries them into the page.

Names come from strangers. They reach the page as data only: JSON in a text in which no ``<`` is left, so that no name
can end the script, and addresses in which every byte that means something is percent-encoded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Settings = Mapping[str, Any]
"""What a rule sets, by the keys of docs/rules.md, as plain values of TOML."""

VARIABLE = "window.TEXUP_GALLERY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A picture as the page shows it."""

    url: str
    width: int
    """Pixels of the texture, also where the picture at ``url`` is reduced."""
    height: int
    colour: str = ""
    """Address of the same without alpha, so that colour under alpha 0 can be seen; "" where there is none."""
    levels: Sequence[Shown] = ()
    """Smaller levels that lie in files of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way of a texture that is compared with others."""

    label: str
    seconds: float = 0.0
    """What all textures took together."""


@dataclass(slots=True, kw_only=True)
class Exhibit:
    """One texture of the page."""

    path: str
    """Relative POSIX path of the source in its pack."""
    outcome: str
    reason: str = ""
    """Why it was copied, left out or failed."""
    why: str = ""
    """What was decided about it, in words."""
    notes: Sequence[str] = ()
    problems: Sequence[str] = ()
    """What is wrong with its files now."""
    kind: str = ""
    method: str = ""
    alpha: str = ""
    edges: str = ""
    """Horizontal and vertical, as "wrap,clamp"."""
    model: str = ""
    rule: int | None = None
    seconds: float = 0.0
    width: int = 0
    """Texels of the source."""
    height: int = 0
    thumb: str = ""
    source: Shown | None = None
    results: Sequence[Shown | None] = ()
    """One for each candidate."""
    choices: Sequence[Settings | None] = ()
    """What a rule must set to get each result; None where no rule is needed, and empty where none is known."""
    base: Settings = field(default_factory=dict)
    """What the user's own rule already sets for it besides nets and method, which a choice must keep."""
    change: float | None = None
    """Mean difference of the result from the source enlarged by repetition, 0 to 255."""
    seam: float | None = None
    """Step across the borders where it tiles, as a multiple of the mean step inside."""
    gate: str = ""
    """Scores of the result by the gate, in words."""
    wrong: Sequence[str] = ()
    """The scores by which it looks wrong, and "fallback" where another result did and was done again."""
    cell: tuple[int, int] | None = None
    """Width and height in texels of a frame, where it is a strip of an animation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All that a page shows."""

    title: str
    about: Literal["pack", "compare"]
    version: str
    convention: str = ""
    models: Sequence[str] = ()
    facts: Sequence[str] = ()
    """Lines about the whole."""
    warnings: Sequence[str] = ()
    candidates: Sequence[Candidate] = ()
    exhibits: Sequence[Exhibit] = ()
    wishes: Sequence[Settings] = ()
    """Rules that can be chosen without having been tried."""
    rules: str = ""
    """The user's own rules, which those that the page writes go before."""


def script_of(page: Page) -> str:
    """Return the script that hands a page its data; ASCII, and without ``<``.

    Exhibits lose what is empty, and get ``glob``, the pattern of a rule, where that is not the path itself.
    """
    values = asdict(page)
    values["exhibits"] = [_lean(exhibit) for exhibit in values["exhibits"]]
    text = json.dumps(values, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for char, escaped in (("\\", "\\\\"), ("'", "\\'"), ("<", "\\x3c")):
        text = text.replace(char, escaped)
    return f"{VARIABLE}=JSON.parse('{text}');\n"  # 5,000 textures: shown 0.3 s sooner than as an object


_EMPTY: tuple[Any, ...] = ("", None, (), [], {})


def _lean(exhibit: dict[str, Any]) -> dict[str, Any]:
    glob = glob_of(exhibit["path"])
    lean = _filled(exhibit) | {"results": [result and _filled(result) for result in exhibit["results"]]}
    if lean.get("source"):
        lean["source"] = _filled(lean["source"])
    return lean if glob == exhibit["path"] else lean | {"glob": glob}


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in _EMPTY}


def glob_of(path: str) -> str:
    """Return the pattern of a rule that fits just this path; bytes that are no text stand as ``?``.

    A path without a folder also fits files of that name in folders: rules compare bare names too.
    """
    special = {c: f"[{c}]" for c in "*?["}
    return "".join("?" if "\ud800" <= c <= "\udfff" else special.get(c, c) for c in path)
