"""One game's textures as PPSSPP finds them: by textures.ini, or by the key in a root file's name.

::

    textures.ini ── [hashes] KEY = path ──> a file, or nothing (never replaced)   goes before
    root, new/   ── KEY.png, KEY_1.png  ──> by name

References:
    PPSSPP, GPU/Common/TextureReplacer.cpp: ``LoadIni``, ``LoadIniValues``, ``ScanForHashNamedFiles``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from texup import bounds
from texup.conventions.ppsspp.names import DUMPS, GAME_ID, Site, format_name, locate, parse
from texup.conventions.ppsspp.textures_ini import (
    INI_NAME,
    Key,
    TexturesIni,
    as_path,
    parse_ini,
    path_problem,
    problems,
    read_key,
    shown,
)
from texup.errors import TextureError
from texup.packs.pack import Finding, Pack

Spot = tuple[Key, int]
"""A key and a level."""
LISTED = 20  # findings of one kind that are listed one by one


@dataclass(frozen=True, slots=True)
class Game:
    """The files of one game's folder; paths are relative to it."""

    id: str
    site: Site
    files: Mapping[str, str]
    """The pack's own path of each."""
    inis: Mapping[str, TexturesIni]
    """Those in use that could be read: textures.ini first, then the one that [games] lays over it."""
    broken: tuple[Finding, ...] = ()
    """Why inis could not be read."""
    named: Mapping[Spot, str | None] = field(default_factory=dict)
    """What the inis say: a file, "" for a texture that is never replaced, None for a file that is not there."""
    spots: Mapping[str, tuple[Spot, ...]] = field(default_factory=dict)
    """The files that are found, each with what it is found as."""
    file_of: Mapping[Spot, str] = field(default_factory=dict)
    """The file that is found for each key and level, the inverse of ``spots``."""
    levels: Mapping[Key, int] = field(default_factory=dict)
    """How many files of smaller levels each key has; keys without are left out."""
    mapped: frozenset[Key] = frozenset()
    """The keys that inis name; their levels are files of their own."""

    @property
    def ignores_mipmaps(self) -> bool:
        """Whether the inis say that there are no files of levels."""
        return any(ini.is_set("ignoreMipmap") for ini in self.inis.values())


def games_of(pack: Pack) -> list[Game]:
    """Return the games of a pack in the order of their first files."""
    sites: dict[Site, dict[str, str]] = {}
    for path, (site, below) in locate(pack).items():
        sites.setdefault(site, {})[below] = path
    return [_game(pack, site, files) for site, files in sites.items()]


def _game(pack: Pack, site: Site, files: dict[str, str]) -> Game:
    inis: dict[str, TexturesIni] = {}
    broken: list[Finding] = []
    own = next((file for file in files if file.lower() == INI_NAME), None)
    if own is not None:
        _read(pack, own, files, inis, broken)
    game_id = site.id or _id_in(inis.get(own or "")) or site.folder
    for name in sorted(_overrides(inis.get(own or ""), game_id)):
        if name in files:
            _read(pack, name, files, inis, broken)
        else:
            broken.append(Finding("error", files[own or ""], f"[games] names {shown(name)}, which is not there"))
    named = _named(inis, files)
    spots = _spots(named, files)
    file_of = {spot: file for file, found in spots.items() for spot in found}
    levels = Counter(key for key, level in file_of if level)
    mapped = frozenset(key for key, _ in named)
    return Game(
        id=game_id,
        site=site,
        files=files,
        inis=inis,
        broken=tuple(broken),
        named=named,
        spots=spots,
        file_of=file_of,
        levels=levels,
        mapped=mapped,
    )


def _read(pack: Pack, name: str, files: Mapping[str, str], inis: dict[str, TexturesIni], broken: list[Finding]) -> None:
    path = files[name]
    try:
        inis[name] = parse_ini(pack.read(path, bounds.PPSSPP_BYTES + 1), path)
    except TextureError as error:
        broken.append(Finding("error", path, error.reason))


def _id_in(ini: TexturesIni | None) -> str:
    """Return the first game that an ini names, or ""."""
    games = ini.sections.get("games", {}) if ini else {}
    return next((key for key in games if GAME_ID.fullmatch(key)), "")


def _overrides(ini: TexturesIni | None, game_id: str) -> set[str]:
    """Return the file that [games] lays over textures.ini for a game."""
    games = ini.sections.get("games", {}) if ini else {}
    chosen = next((value.text for key, value in games.items() if key.lower() == game_id.lower()), "")
    return {as_path(chosen)} - {"", INI_NAME}


def _named(inis: Mapping[str, TexturesIni], files: Mapping[str, str]) -> dict[Spot, str | None]:
    """Return what all inis together say; of two spellings of a key the later in the alphabet counts."""
    named: dict[Spot, str | None] = {}
    by_lower = folded(files)
    for ini in inis.values():
        for key, value in sorted(ini.hashes().items()):
            spot = read_key(key)
            if spot:
                named[spot] = resolve(value.text, files, by_lower) if value.text else ""
    return named


def folded(files: Mapping[str, str]) -> dict[str, str]:
    """Return files by their lower-case path."""
    return {file.lower(): file for file in files}


def resolve(text: str, files: Mapping[str, str], by_lower: Mapping[str, str]) -> str | None:
    """Return the file that a path of an ini leads to once dumps are moved out of new/; None for none.

    Only if nothing has that spelling, another case will do, as it does on Windows.
    """
    path = "/".join(part for part in as_path(text).split("/") if part not in ("", "."))
    for candidate in (path, DUMPS + path):
        if candidate in files:
            return candidate
    return by_lower.get(path.lower())


def _spots(named: Mapping[Spot, str | None], files: Mapping[str, str]) -> dict[str, tuple[Spot, ...]]:
    """Return the files that are found: those of the ini, and of those in the root the best for each key and level."""
    found: dict[str, list[Spot]] = {}
    for spot, file in named.items():
        if file:
            found.setdefault(file, []).append(spot)
    best: dict[Spot, tuple[bool, bool, bool, str]] = {}
    for file in files:
        by_name = spot_by_name(file)
        if by_name and by_name not in named:
            bare = file.removeprefix(DUMPS)
            name = parse(bare)
            spelt = name is not None and format_name(name) == bare
            rank = (file != bare, not bare.lower().endswith(".png"), not spelt, file)
            best[by_name] = min(best.get(by_name, rank), rank)
    for spot, (*_, file) in best.items():
        found.setdefault(file, []).append(spot)
    return {file: tuple(spots) for file, spots in found.items()}


def spot_by_name(file: str) -> Spot | None:
    """Return the key and level in the name of a file that stands in the root, or in new/, which is moved there."""
    bare = file.removeprefix(DUMPS)
    name = parse(bare)
    return read_key(bare[: bare.rfind(".")]) if name and "/" not in bare else None


def ini_findings(game: Game) -> Iterator[Finding]:
    """Yield what is wrong with the inis of a game, and with the paths in them."""
    yield from game.broken
    by_lower = folded(game.files)
    for file, ini in game.inis.items():
        path = game.files[file]
        for fatal, text in problems(ini, overrides=file.lower() != INI_NAME):
            yield Finding("error" if fatal else "warning", path, text)
        refused: list[str] = []
        missing: list[str] = []
        for key, value in ini.hashes().items():
            problem = path_problem(value.text)
            if problem:
                refused.append(f"'{shown(value.text)}' of {shown(key)} {problem}")
            elif value.text and resolve(value.text, game.files, by_lower) is None:
                text = f"'{shown(as_path(value.text))}' of {shown(key)} is not there; PPSSPP passes over that line"
                missing.append(text)
        yield from _listed("error", path, refused)
        yield from _listed("warning", path, missing)


def _listed(severity: Literal["error", "warning"], path: str, texts: list[str]) -> Iterator[Finding]:
    for text in texts[:LISTED]:
        yield Finding(severity, path, text)
    if len(texts) > LISTED:
        yield Finding(severity, path, f"{len(texts) - LISTED} more lines like the one before")
