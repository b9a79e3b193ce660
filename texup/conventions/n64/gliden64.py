"""GLideN64 and Rice Video, the plugins that replace textures of Nintendo 64 games: folders, plan, and two loaders.

References:
    GLideN64 ``src/GLideNHQ/TxHiResLoader.cpp`` and ``TxFilter.cpp``, mupen64plus-video-rice ``src/TextureFilters.cpp``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from texup.conventions.convention import Convention, Name, Planned, Wishes
from texup.conventions.n64.rice_names import FMT_CI, NO_CRC, format_name, key_of, kind_of, lookup, parse
from texup.conventions.n64.rice_plan import READ, WHOLE, Loader, from_work, plan_names, to_work
from texup.conventions.n64.rt64 import MARKERS, databases, plan_databases, prefers_rt64, problems
from texup.conventions.shared.png_loaders import notes_on_dds, plan_other
from texup.packs.heads import head_of
from texup.packs.pack import Finding, Pack

HOME = "hires_texture"
DUMPS = frozenset(
    ("glidenhq", "glidenhq_strong_crc", "png_all", "png_by_rgb_a", "ci_bmp", "ci_bmp_with_pal_crc", "ci_by_png")
)
"""Folders below a game's that dumps are sorted into, in lower case; no loader needs them."""
OFF = (".", "~!~")
"""Beginnings of names of files and folders that GLideN64 passes over."""
MAX_SIDE = 4096
MIN_PIXELS = 4
RICE_TITLE = "Rice Video"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the files of a pack belong."""

    place: tuple[str, ...]
    names: frozenset[str]
    """Names of games that textures begin with."""
    roms: Mapping[str, str]
    """Folder of a game in the source ("" where none shows) to the name that most of its textures begin with."""

    def home(self, path: str) -> str:
        """Return the folder of a texture's target."""
        game, rest = split(self.place, path, self.names)
        while rest and rest[0].lower() in (*MARKERS, *DUMPS):
            rest = rest[1:]
        return "/".join((HOME, self.roms[game], *rest))

    def home_of_other(self, path: str) -> str:
        """Return the folder of the target of a file that is no texture; each dump folder may have its own of a name."""
        game, rest = split(self.place, path, self.names)
        return "/".join((HOME, self.roms[game], *rest))

    def game(self, path: str) -> str:
        """Return the name of the game of a path."""
        return self.roms[split(self.place, path, self.names)[0]]


def split(place: tuple[str, ...], path: str, names: frozenset[str] = frozenset()) -> tuple[str, tuple[str, ...]]:
    """Return the folder of the game and the folders below it.

    The game's folder is the one below a marker folder, or the first of the path where it has the name of a game; ""
    stands for neither.
    """
    inside = tuple(path.split("/")[:-1])
    parts = (*place, *inside)
    for at in range(len(parts) - 2, -1, -1):
        if parts[at].lower() in MARKERS:
            return parts[at + 1], parts[at + 2 :]
    return (inside[0], inside[1:]) if inside and inside[0] in names else ("", inside)


def layout_of(pack: Pack) -> Layout:
    """Return the layout of a pack."""
    roms = {}
    for entry in pack.entries:
        name = parse(entry.path) if entry.kind == "texture" else None
        roms[entry.path] = name.fields["rom"] if name else ""
    names = frozenset(roms.values()) - {""}
    votes: dict[str, Counter[str]] = {}
    for path, rom in roms.items():
        votes.setdefault(split(pack.place, path, names)[0], Counter()).update([rom] if rom else [])
    most = Counter(rom for rom in roms.values() if rom).most_common(1)
    root = most[0][0] if most else (pack.place[-1] if pack.place else "N64")
    chosen = {game: max(found, key=found.__getitem__, default=game or root) for game, found in votes.items()}
    return Layout(pack.place, names, chosen)


def is_off(path: str) -> bool:
    """Return whether the loader passes over a file, by a name on its path."""
    return any(part.startswith(OFF) for part in path.split("/"))


def detect(pack: Pack) -> float:
    """Return the share of Rice names; 0 where a database makes the pack RT64's."""
    if prefers_rt64(pack, databases(pack)):
        return 0.0
    textures = [entry.path for entry in pack.entries if entry.kind == "texture"]
    share = sum(parse(path) is not None for path in textures) / max(1, len(textures))
    is_placed = any(split(pack.place, path)[0] for path in textures)
    return share + 0.2 * (is_placed and share > 0)


def plan(pack: Pack, wishes: Wishes, loader: str = "GLideN64") -> Iterator[Planned | Finding]:
    """Bring a dump or an old pack into ``hires_texture/<ROM>``, and what RT64 reads with it."""
    layout = layout_of(pack)
    yield from notes_on_dds(wishes, loader)
    of_databases = list(plan_databases(databases(pack), pack, layout.home))
    planned = {item.path for item in of_databases if isinstance(item, Planned)}
    yield from of_databases
    names: list[Name] = []
    for entry in pack.entries:
        name = parse(entry.path) if entry.kind == "texture" else None
        if entry.path in planned:
            continue
        if is_off(entry.path):
            yield Planned(entry.path, "skip", "switched off: loaders pass over names that begin with . or ~!~")
        elif name is not None:
            names.append(name)
        else:
            yield plan_other(entry, layout.home_of_other(entry.path), wishes, loader)
    is_rice = loader == RICE_TITLE
    limit = None if is_rice else MAX_SIDE
    yield from plan_names(pack, wishes, names, Loader(loader, layout.home, layout.game, is_rice, limit))
    yield from _findings(layout, names, wishes, loader)


def _findings(layout: Layout, names: list[Name], wishes: Wishes, loader: str) -> Iterator[Finding]:
    strangers: dict[tuple[str, str], list[str]] = {}
    for name in names:
        rom, game = name.fields["rom"], layout.game(name.path)
        if rom != game:
            strangers.setdefault((rom, game), []).append(name.path)
    for (rom, game), paths in strangers.items():
        text = (
            f"is named for {rom!r}, one of {len(paths)}; beside {game!r} they are ignored, keep each game in its folder"
        )
        yield Finding("warning", paths[0], text)
    if loader == RICE_TITLE:
        if wishes.scale & (wishes.scale - 1):
            yield Finding(
                "warning", "", f"{loader} crops textures that are not 2, 4 or 8 times as large; use --scale 4"
            )
        return
    for rom in sorted({layout.game(name.path) for name in names}):
        caches = f"{rom}_HIRESTEXTURES.htc and .hts"
        yield Finding("hint", "", f"delete {caches} from the emulator's cache folder, or it shows the old textures")


def check(pack: Pack, loader: str = "GLideN64") -> Iterator[Finding]:
    """Apply the loader's rules for names, colour types and sizes; files that a database names are RT64's."""
    layout, found = layout_of(pack), databases(pack)
    foreign = {path for database in found for path in (*database.named, *database.shadowed)}
    for database in found:
        yield from problems(database)
    seen: dict[tuple[str, str, bool], str] = {}
    for entry in pack.entries:
        if entry.kind != "texture" or entry.path in foreign or is_off(entry.path):
            continue
        name = parse(entry.path)
        if name is not None:
            key = (layout.game(entry.path), key_of(name), kind_of(name) == "a")
            if seen.setdefault(key, entry.path) != entry.path:
                yield Finding("warning", entry.path, f"is the same texture as {seen[key]}; remove one of the two")
            yield from _check_name(name, layout.game(entry.path), loader)
            yield from _check_pixels(pack, name, loader)
        elif not (found and entry.path.lower().endswith(".dds")):
            what = "reads no DDS and" if entry.path.lower().endswith(".dds") else "finds no texture by this name and"
            yield Finding("warning", entry.path, f"{loader} {what} ignores it")


def _check_name(name: Name, game: str, loader: str) -> Iterator[Finding]:
    kind, ext = kind_of(name), name.fields["ext"].lower()
    is_rice, is_half = loader == RICE_TITLE, kind in ("rgb", "a")
    if name.fields["rom"] != game:
        yield Finding("warning", name.path, f"is ignored: names in this folder begin with {game!r}")
    if name.fields["crc"] == NO_CRC:
        yield Finding("warning", name.path, f"is ignored: {loader} refuses a checksum of zero")
    if format_name(name) != name.path.rpartition("/")[2] and not is_rice:
        text = f"is found on Windows only, other systems compare byte for byte; rename it to {format_name(name)}"
        yield Finding("error", name.path, text)
    if (kind, ext) not in READ and not (is_rice and (kind, ext) == ("ci", "bmp")):
        yield Finding("warning", name.path, f"is ignored: {loader} reads no _{kind}.{ext}")
    elif is_half and not is_rice:
        yield Finding("warning", name.path, "fails in GLideN64 since 2023; merge _rgb and _a into _all.png")
    elif is_half and ext == "bmp":
        yield Finding("warning", name.path, f"is ignored: {loader} reads _rgb and _a as PNG")
    if is_rice and name.fields["fmt"] == FMT_CI and (is_half or kind == "all"):
        yield Finding("warning", name.path, f"is ignored: {loader} wants _ciByRGBA for textures with a palette")


def _check_pixels(pack: Pack, name: Name, loader: str) -> Iterator[Finding]:
    head = head_of(pack, name.path)
    if head is None:
        yield Finding("error", name.path, "cannot be read as a picture; put back a sound copy")
        return
    size = f"is {head.width} x {head.height}"
    if loader == RICE_TITLE:
        if kind_of(name) in WHOLE and not head.mode.startswith("RGBA"):
            yield Finding("warning", name.path, f"is {head.mode}; {loader} makes it invisible, save it as RGBA")
        return
    if max(head.width, head.height) > MAX_SIDE:
        yield Finding("warning", name.path, f"{size}; {loader} shrinks what has more than {MAX_SIDE} pixels a side")
    if head.width * head.height < MIN_PIXELS:
        yield Finding("error", name.path, f"{size}; {loader} refuses textures of fewer than {MIN_PIXELS} pixels")


GLIDEN64 = Convention(
    id="gliden64",
    title="GLideN64",
    detect=detect,
    parse=parse,
    format=format_name,
    plan=plan,
    check=check,
    to_work=to_work,
    from_work=from_work,
    lookup=lookup,
    home=2,
    palettes=False,
    facts={
        "dump": "texture_dump/<ROM>/GLideNHQ, or an old Rice dump",
        "writes": "hires_texture/<ROM>, RGBA PNG; _rgb and _a become one _all; rt64.json is carried over",
        "alpha": "binary stays binary; palette textures of one checksum share their shape",
        "mips": "none",
    },
)

RICE = Convention(
    id="rice",
    title=RICE_TITLE,
    detect=lambda _pack: 0.0,
    parse=parse,
    format=format_name,
    plan=partial(plan, loader=RICE_TITLE),
    check=partial(check, loader=RICE_TITLE),
    to_work=to_work,
    from_work=from_work,
    lookup=lookup,
    home=2,
    palettes=False,
    facts={
        "dump": "texture_dump/<ROM>/{png_all,png_by_rgb_a,ci_bmp,ci_by_png}",
        "writes": "hires_texture/<ROM>, RGBA PNG at 2, 4 or 8 times the size; _ci.bmp is copied",
        "alpha": "binary stays binary",
        "mips": "none",
    },
)
