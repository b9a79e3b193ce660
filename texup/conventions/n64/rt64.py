"""RT64: a pack is a folder with ``rt64.json``, the database that says which texture is in which file.

texup cannot make a database: its hashes come neither from names nor from pixels. It carries an existing one over byte
for byte, and keeps the path of every file that the database names.

References:
    rt64 ``TEXTURE-PACKS.md`` and ``src/common/rt64_replacement_database.cpp`` (``resolvePaths``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from texup import bounds
from texup.conventions.convention import Convention, Name, Planned, Wishes
from texup.conventions.n64.rice_names import format_name, parse
from texup.conventions.n64.rice_plan import Loader, from_work, plan_names, to_work
from texup.conventions.shared.png_loaders import below, folder_of, plan_other
from texup.errors import TextureError
from texup.packs.pack import Finding, Pack, read_bounded, too_much
from texup.packs.walk import Entry, is_safe
from texup.policy.classify import Treatment
from texup.texts import TooMuch, parse_json

DATABASE = "rt64.json"
SUFFIXES = (".dds", ".png")
"""In the order in which RT64 tries them for a path."""
MARKERS = ("texture_dump", "hires_texture")
"""Folders of GLideN64 and Rice Video: a pack in them is theirs, even with a database."""
MADE = ("rt64-low-mip-cache.bin",)
"""Files that RT64's texture_packer makes from the textures."""
NO_DATABASE = "no database: there is no rt64.json, by which RT64 finds textures; make one with RT64's texture_hasher"
IS_DDS = Treatment(mips="inside")


@dataclass(frozen=True, slots=True)
class Database:
    """One ``rt64.json``, and what its explicit paths mean in its pack."""

    path: str
    problem: str = ""
    """Why RT64 would not take it, or texup does not read it; "" if neither."""
    is_read: bool = True
    """Whether it is within the bounds of a reader."""
    count: int = 0
    """Textures listed."""
    named: frozenset[str] = frozenset()
    """The files that explicit paths stand for."""
    shadowed: Mapping[str, str] = field(default_factory=dict)
    """Files that a path could stand for, to the files that RT64 takes for it."""
    missing: Sequence[str] = ()
    """Explicit paths that no file stands for."""
    extra: frozenset[str] = frozenset()
    """Further files that belong to the pack."""


def databases(pack: Pack) -> list[Database]:
    """Return the databases that lie in a pack."""
    found = [entry for entry in pack.entries if entry.path.rpartition("/")[2] == DATABASE]
    files = {entry.path.casefold(): entry.path for entry in pack.entries} if found else {}
    problem = too_much(found)
    return [
        Database(e.path, f"is not read: {problem}", is_read=False) if problem else _database(pack, e, files)
        for e in found
    ]


def _database(pack: Pack, entry: Entry, files: Mapping[str, str]) -> Database:
    try:
        paths, extra, count = _listed(pack, entry)
    except (TooMuch, TextureError) as error:
        is_bounded = isinstance(error, TooMuch) or entry.size > bounds.RT64_BYTES  # else it cannot be read at all
        return Database(entry.path, f"is not read: {error}", is_read=not is_bounded)
    except ValueError as error:
        return Database(entry.path, f"RT64 would not load it: {' '.join(str(error).split())[:100]}")
    folder = folder_of(entry.path)
    named: set[str] = set()
    shadowed: dict[str, str] = {}
    missing: list[str] = []
    for path in paths:
        first, *others = [*_candidates(below(folder, path), files), ""]
        named.add(first)
        shadowed |= {other: first for other in others if other}
        if not first:
            missing.append(path)
    known = frozenset(
        files[below(folder, path).casefold()] for path in extra if below(folder, path).casefold() in files
    )
    shadowed = {path: first for path, first in shadowed.items() if path not in named}
    return Database(
        path=entry.path,
        problem="",
        count=count,
        named=frozenset(named - {""}),
        shadowed=shadowed,
        missing=missing,
        extra=known,
    )


def _listed(pack: Pack, entry: Entry) -> tuple[list[str], list[str], int]:
    """Return the explicit paths with forward slashes, the extra files, and the number of textures."""
    content: Any = parse_json(read_bounded(pack, entry.path, bounds.RT64_BYTES))
    textures = content.get("textures") if isinstance(content, dict) else None
    if not isinstance(textures, list) or not all(isinstance(texture, dict) for texture in textures):
        raise ValueError('it has no list "textures"')
    paths = [texture.get("path", "") for texture in textures]
    extra = content.get("extraFiles", [])
    if not isinstance(extra, list) or not all(isinstance(path, str) for path in (*paths, *extra)):
        raise ValueError("a path in it is no text")
    if any(len(path) > bounds.RT64_PATH for path in (*paths, *extra)):
        raise ValueError(f"a path in it has more than {bounds.RT64_PATH:,} characters")
    slashed = [[path.replace("\\", "/") for path in some if path] for some in (paths, extra)]
    return slashed[0], slashed[1], len(textures)


def _candidates(path: str, files: Mapping[str, str]) -> list[str]:
    """Return the files that an explicit path may stand for, the one that RT64 takes first."""
    if not is_safe(path):
        return []
    stem = path[:-4] if path.lower().endswith(SUFFIXES) else path
    return [files[(stem + suffix).casefold()] for suffix in SUFFIXES if (stem + suffix).casefold() in files]


def rice_key(path: str) -> str | None:
    """Return what RT64 finds a file by where its texture has no explicit path; None for other files."""
    bare = path.rpartition("/")[2]
    start, end = bare.find("#"), bare.rfind("_")
    if not bare.lower().endswith(SUFFIXES) or not 0 <= start < end:
        return None
    return bare[start + 1 : end].lower()


def plan_databases(found: Sequence[Database], pack: Pack, home: Callable[[str], str]) -> Iterator[Planned | Finding]:
    """Yield plans for the files that only RT64 reads, and findings; the other files of the pack are left to the caller.

    Args:
        found: the pack's databases.
        pack: all files.
        home: returns the folder of the target of a path; asked for databases only, paths in them are kept below it.
    """
    planned: set[str] = set()
    for database in found:
        yield Planned(database.path, "copy", target=below(home(database.path), DATABASE))
        yield from problems(database, is_plan=True)
        for entry in pack.entries:
            plan = None if entry.path in planned else _owned(entry.path, database, home(database.path))
            if plan is not None:
                planned.add(entry.path)
                yield plan


def problems(database: Database, *, is_plan: bool = False) -> Iterator[Finding]:
    """Yield what is wrong with a database; nothing of it stands in the way of a plan."""
    if database.problem:
        yield Finding("warning" if is_plan else "error", database.path, database.problem)
    if database.missing:
        more = f" and {len(database.missing) - 1} more" if len(database.missing) > 1 else ""
        yield Finding("warning", database.path, f"names {database.missing[0]}{more}, which is not there; put it back")


def _owned(path: str, database: Database, home: str) -> Planned | None:
    """Return the plan of a file below a database that only RT64 reads, None for others."""
    folder = folder_of(database.path)
    if folder and not path.startswith(f"{folder}/"):
        return None
    target = below(home, path.removeprefix(f"{folder}/") if folder else path)
    suffix = path[-4:].lower()
    if path in database.named:
        return Planned(
            path, "upscale", "named by rt64.json", target, IS_DDS if suffix == ".dds" else Treatment(store="rgba")
        )
    if path in database.shadowed:
        return Planned(path, "skip", f"RT64 takes {database.shadowed[path]} for it")
    if path in database.extra:
        return Planned(path, "copy", target=target)
    if path.rpartition("/")[2] in MADE:
        return Planned(path, "skip", "made from the old textures; RT64's texture_packer makes it anew")
    if suffix == ".dds" and rice_key(path) is not None:
        return Planned(path, "upscale", "", target, IS_DDS)
    return None


def prefers_rt64(pack: Pack, found: Sequence[Database]) -> bool:
    """Return whether a pack has a database that lists textures, and is not in a folder of other programs.

    A pack whose names they could not read is RT64's in any folder.
    """
    textures = [entry.path for entry in pack.entries if entry.kind == "texture"]
    if not any(database.count or not database.is_read for database in found):
        return False
    folders = {part.lower() for path in textures for part in path.split("/")[:-1]} | {p.lower() for p in pack.place}
    return not folders & set(MARKERS) or 2 * sum(parse(path) is not None for path in textures) < len(textures)


def detect(pack: Pack) -> float:
    """Return the share of textures that RT64 could find, where a database lies in the pack."""
    found = databases(pack)
    if not prefers_rt64(pack, found):
        return 0.0
    if not all(database.is_read for database in found):
        return 1.0  # so that the plan says that it is not read
    named = {path for database in found for path in (*database.named, *database.shadowed)}
    textures = [entry.path for entry in pack.entries if entry.kind == "texture"]
    return sum(path in named or rice_key(path) is not None for path in textures) / max(1, len(textures)) + 0.2


def plan(pack: Pack, wishes: Wishes) -> Iterator[Planned | Finding]:
    """Keep every file where it is, beside the database."""
    found = databases(pack)
    if not found:
        yield Finding("warning", "", NO_DATABASE)
    if not wishes.dds:
        yield Finding("hint", "", "RT64 takes PNG for trying a pack out; publish it as DDS, with --dds bc7")
    of_databases = list(plan_databases(found, pack, folder_of))
    planned = {item.path for item in of_databases if isinstance(item, Planned)}
    yield from of_databases
    folders = sorted((folder_of(database.path) for database in found), key=len, reverse=True)
    names: list[Name] = []
    for entry in pack.entries:
        name = parse(entry.path)
        if entry.path in planned:
            continue
        if entry.kind == "texture" and name is not None:
            names.append(name)
        elif entry.kind == "texture" and rice_key(entry.path) is not None and entry.path.lower().endswith(".dds"):
            yield Planned(entry.path, "upscale", target=entry.path, treatment=IS_DDS)
        else:
            yield plan_other(entry, folder_of(entry.path), wishes, "RT64")

    def game(path: str) -> str:
        return next((folder for folder in folders if path.startswith(f"{folder}/")), "")

    yield from plan_names(pack, wishes, names, Loader("RT64", folder_of, game, dds=True))


def check(pack: Pack) -> Iterator[Finding]:
    """Find what RT64 would not load: a damaged database, files that are not there, files that it cannot find."""
    found = databases(pack)
    if not found:
        yield Finding("error", "", NO_DATABASE)
    named: set[str] = set()
    for database in found:
        yield from problems(database)
        named |= database.named
    keys: dict[str, str] = {}
    for entry in pack.entries:
        key = rice_key(entry.path)
        if entry.kind != "texture" or entry.path in named:
            continue
        if key is None:
            yield Finding("warning", entry.path, "is ignored by RT64, no texture is found by this name")
        elif keys.setdefault(key, entry.path) != entry.path:
            yield Finding(
                "warning", entry.path, f"is the same texture as {keys[key]}, and RT64 takes one; remove the other"
            )


def lookup(target: str) -> str:
    """Return the key of a Rice name, or the path without the suffix that RT64 ignores."""
    return rice_key(target) or (target[:-4] if target.lower().endswith(SUFFIXES) else target)


RT64 = Convention(
    id="rt64",
    title="RT64",
    detect=detect,
    parse=parse,
    format=format_name,
    plan=plan,
    check=check,
    to_work=to_work,
    from_work=from_work,
    lookup=lookup,
    palettes=False,
    facts={
        "dump": "RT64's own tools; a folder with rt64.json",
        "writes": "the same folder with rt64.json as it is; PNG, or DDS with --dds",
        "alpha": "plain; _rgb and _a become one _all",
        "mips": "inside DDS",
    },
)
