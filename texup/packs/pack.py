"""A pack as those see it who decide about it, and what they find in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from texup.packs.walk import Entry


@dataclass(frozen=True, slots=True)
class Pack:
    """What a convention may look at."""

    entries: Sequence[Entry]
    """The files in the order of the walk."""
    place: tuple[str, ...]
    """Names of the folders from the root of the file system down to the pack, the pack's own last."""
    read: Callable[[str, int | None], bytes]
    """Returns the first bytes of an entry's file, or all of them (None); raises TextureError when it cannot."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a pack that its user should know. An "error" in a plan refuses the whole run."""

    severity: Literal["error", "warning", "hint"]
    path: str
    """The file, or "" for the whole pack."""
    text: str
    """One clause that says what is wrong and what to do."""
