"""Which game a file belongs to, for emulators that keep one folder for each game."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from texup.packs.pack import Pack


@dataclass(frozen=True, slots=True)
class Spot:
    """A file's place among the games."""

    game: str
    """Name of the game's folder; "" only in a pack whose root has no name."""
    below: str
    """The path inside that folder."""
    is_sure: bool
    """Whether the emulator's own folders stand above it; otherwise it is a guess from the names of folders."""


def locate(pack: Pack, sure_id: re.Pattern[str], inside: str = "") -> Callable[[str], Spot]:
    """Return the function from a path of the pack to its game.

    The folder after ``dump/textures`` or ``load/textures``, in any case, is the game; the pack's root may be above it,
    be it, or lie in it. Without these folders the first folders of the pack are the games if all of its textures lie
    in folders of a ``sure_id``; else the whole pack is one game with the name of its root.

    Args:
        pack: whose files are asked for.
        sure_id: an id that no other folder is likely to be named as.
        inside: a first folder that holds games as well, as ``textures`` in a Dolphin resource pack.
    """
    firsts = {entry.path.partition("/")[0] for entry in pack.entries if entry.kind == "texture"}
    by_first = bool(firsts) and all(sure_id.fullmatch(first) for first in firsts)

    @cache
    def folder_spot(folders: tuple[str, ...]) -> Spot:
        above = (*pack.place, *folders)
        marked = _after_marker(above)
        if marked is not None:
            return Spot(above[marked], "/".join(above[marked + 1 :]), is_sure=True)
        if inside and folders[:1] == (inside,) and len(folders) > 1:
            return Spot(folders[1], "/".join(folders[2:]), is_sure=True)
        if by_first and folders:
            return Spot(folders[0], "/".join(folders[1:]), is_sure=False)
        return Spot(pack.place[-1] if pack.place else "", "/".join(folders), is_sure=False)

    def spot(path: str) -> Spot:
        *folders, name = path.split("/")
        found = folder_spot(tuple(folders))
        return replace(found, below=f"{found.below}/{name}" if found.below else name)

    return spot


def _after_marker(folders: tuple[str, ...]) -> int | None:
    """Return the index of the last folder that follows dump/textures or load/textures."""
    lower = [folder.casefold() for folder in folders]
    for k in reversed(range(2, len(lower))):
        if lower[k - 1] == "textures" and lower[k - 2] in ("dump", "load"):
            return k
    return None
