"""The names and folders of PPSSPP's textures.

References:
    PPSSPP, GPU/Common/TextureReplacer.cpp: names of dumped files, which of the root's files count as named by a key,
    the folder new/ of dumps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from texup.conventions.convention import Name
from texup.conventions.ppsspp.textures_ini import INI_NAME
from texup.packs.pack import Pack

NAME = re.compile(r"(?P<key>[0-9a-f]{24})(?:_(?P<mip>\d{1,2}))?\.(?P<ext>png|dds|ktx2|zim)", re.IGNORECASE | re.ASCII)
GAME_ID = re.compile(r"[A-Z]{4}\d{5}", re.IGNORECASE | re.ASCII)
DUMPS = "new/"


@dataclass(frozen=True, slots=True)
class Site:
    """The folder of one game."""

    id: str
    """The game's id; "" where no folder says it."""
    folder: str
    """The folder's own name, for want of an id."""
    below: str = ""
    """Where the pack itself lies below it, as "new/"; "" where the whole folder is in sight."""


def parse(path: str) -> Name | None:
    """Read a path; None where the name has no key: only textures.ini can lead to such a file."""
    match = NAME.fullmatch(path.rpartition("/")[2])
    if not match:
        return None
    fields = {name: text for name, text in match.groupdict().items() if text is not None}
    return Name(path, fields, None, int(fields.get("mip", "0")))


def format_name(name: Name) -> str:
    """Return the bare name in lower case, level 0 without a number."""
    level = f"_{name.level}" if name.level else ""
    return f"{name.fields['key']}{level}.{name.fields['ext']}".lower()


def locate(pack: Pack) -> dict[str, tuple[Site, str]]:
    """Return the game's folder of each entry, and the entry's path below it.

    A folder is found by PSP/TEXTURES/ID; else it is the one with a textures.ini; else one with a game's id as name;
    else the folder above new, or the pack's own.
    """
    inis = sorted(
        (entry.path[: -len(INI_NAME)] for entry in pack.entries if f"/{entry.path}".lower().endswith(f"/{INI_NAME}")),
        key=len,
    )
    return {entry.path: _site(pack.place, entry.path, inis) for entry in pack.entries}


def _site(place: tuple[str, ...], path: str, inis: list[str]) -> tuple[Site, str]:
    folders = (*place, *path.split("/")[:-1])
    lowered = [folder.lower() for folder in folders]
    own = place[-1] if place else "GAMEID"
    for k in range(2, len(folders)):
        if lowered[k - 2 : k] == ["psp", "textures"]:
            return _cut(place, path, k)
    for root in inis:
        if path.startswith(root):
            folder = root[:-1].rpartition("/")[2] or own
            return Site(folder if GAME_ID.fullmatch(folder) else "", folder), path[len(root) :]
    for k, folder in enumerate(folders):
        if GAME_ID.fullmatch(folder):
            return _cut(place, path, k)
    if own.lower() == "new" and len(place) > 1:
        return Site("", place[-2], DUMPS), DUMPS + path
    return Site("", own), path


def _cut(place: tuple[str, ...], path: str, k: int) -> tuple[Site, str]:
    """Return the site at folder ``k`` of the pack's place and the path together."""
    parts = path.split("/")
    below = "".join(f"{folder}/" for folder in place[k + 1 :])
    rest = parts[max(k + 1 - len(place), 0) :]
    folder = (*place, *parts)[k]
    return Site(folder, folder, below), below + "/".join(rest)
