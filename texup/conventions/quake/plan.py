"""Quake and its relatives: replacement textures of DarkPlaces, QuakeSpasm, vkQuake and others, found by their paths.

References:
    DarkPlaces: ``gl_rmain.c`` (layers of a texture), ``image.c`` (order of the formats, ``NAME_alpha.jpg``),
    ``gl_textures.c`` (DDS), ``darkplaces.txt`` (places). LibreQuake: the layout and names of its sources.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from texup.conventions.convention import Convention, Name, Planned, Wishes, other_file
from texup.conventions.quake.check import FORMATS, check
from texup.conventions.shared.role_names import parse_with_role
from texup.packs.heads import size_of
from texup.packs.pack import Finding, Pack
from texup.policy.classify import Treatment
from texup.policy.roles import QUAKE as ROLES
from texup.policy.roles import bare_stem, split_role, stem_of, treatment_of
from texup.textures.cells import Cells
from texup.textures.storing import Store

GRAMMAR = re.compile(r"(?P<stem>.+)\.(?P<ext>tga|png|jpg|pcx|dds)", re.IGNORECASE)
HOMES = frozenset(
    ("textures", "override", "progs", "models", "maps", "gfx", "env", "dds", "texture-wads", "gfx-wad")
)  # the last two in LibreQuake's sources
# The game's own marks in names: liquids, fences, animations (also as LibreQuake escapes them), skins, layers.
MARKED = re.compile(
    r"[#*].+|\{[^}]+|(?:\+|plus_)[0-9a-j].+|.+\.(?:mdl|md2|md3|bsp|spr)(?:_\d+)*"
    r"|.+_(?:luma|gloss|pants|shirt|fbr)|conchars|sky\d.*",
    re.IGNORECASE,
)
MARKED_SHARE = 0.03  # of a pack's names; a few among hundreds may be anything
HALVES = Cells("count", 2, 1)

FONT = Treatment(kind="font", alpha="auto")
INTERFACE = Treatment(kind="interface")
SIDE_OF_SKY_BOX = Treatment(edges=("clamp", "clamp"))
SKY = Treatment(edges=("wrap", "wrap"), cells=HALVES)


def parse(path: str) -> Name | None:
    """Read a path; any name in one of the engines' formats will do."""
    return parse_with_role(path, GRAMMAR, ROLES)


def format_name(name: Name) -> str:
    """Return the bare name; a liquid's asterisk, which no file can have on Windows, is written as ``#``."""
    base = re.sub(r"^\*", "#", name.fields["base"])
    return f"{base}{name.fields.get('role', '')}.{name.fields['ext']}"


def detect(pack: Pack) -> float:
    """Return the share of textures in Quake's folders, if some of their names have Quake's marks."""
    paths = [entry.path for entry in pack.entries if entry.kind == "texture"]
    at_home = [path for path in paths if parse(path) and HOMES & {*_folders(path), *_lower(pack.place[-2:])}]
    marked = sum(MARKED.fullmatch(bare_stem(path).rpartition("/")[2]) is not None for path in at_home)
    if not marked or marked < MARKED_SHARE * len(paths):
        return 0.0
    tops = {"progs", "gfx", "override", "env"} & {folder for path in at_home for folder in _folders(path)}
    return len(at_home) / len(paths) + 0.1 * bool(tops)


def plan(pack: Pack, wishes: Wishes) -> Iterator[Planned | Finding]:
    """Upscale every texture in its place, and of one name in several formats the one that the engines take."""
    if wishes.dds == "bc7":
        yield Finding("error", "", "Quake engines read no BC7; choose bc3, or auto")
    elif wishes.dds:
        yield Finding("hint", "", "of the Quake engines only DarkPlaces reads the folder dds/")
    first = _first_of_each(pack)
    for entry in pack.entries:
        taken = first.get(stem_of(entry.path), entry.path)
        if entry.path.lower().endswith(".pcx") and not wishes.copy_other:
            yield Planned(entry.path, "skip", "PCX, which texup does not read; convert it to PNG or TGA")
        elif entry.kind != "texture":
            yield other_file(entry.path, wishes)
        elif taken != entry.path and _rank(entry.path) < len(FORMATS):
            yield Planned(entry.path, "skip", f"the engines take {taken} before it")
        else:
            yield _planned(entry.path, pack, wishes)


def _planned(path: str, pack: Pack, wishes: Wishes) -> Planned:
    name, treatment = parse(path), _treatment(path, pack)
    folder, slash, bare = path.rpartition("/")
    canonical = format_name(name) if name else bare
    reason = f"written as {canonical}, as engines look for it" if canonical != bare else ""
    target = f"{folder}{slash}{canonical}"
    if path.lower().endswith(".dds"):
        treatment = replace(treatment, mips="kept", store="" if wishes.dds == "auto" else wishes.dds)
    elif wishes.dds:
        target = _below_dds(f"{bare_stem(target)}.dds")
        treatment = replace(treatment, mips="inside", store=_store(canonical, treatment, wishes))
    return Planned(path, "upscale", reason, target, treatment)


def _below_dds(path: str) -> str:
    """Return where DarkPlaces looks for the DDS of a texture: in a folder beside the game's own ones."""
    folders = _folders(path)
    if "dds" in folders:
        return path
    depth = next((k for k, folder in enumerate(folders) if folder in HOMES), 0)
    parts = path.split("/")
    return "/".join([*parts[:depth], "dds", *parts[depth:]])


def _treatment(path: str, pack: Pack) -> Treatment:
    """Return what names, places and, of skies, the size say."""
    folders = _folders(path)
    base, suffix = split_role(bare_stem(path).rpartition("/")[2].lower(), ROLES)
    if base.startswith("sky") and _is_wide(path, pack):
        return replace(treatment_of(ROLES.get(suffix)), edges=SKY.edges, cells=SKY.cells)
    if suffix:
        return treatment_of(ROLES[suffix])
    if base == "conchars":
        return FONT
    if "env" in folders:
        return SIDE_OF_SKY_BOX
    return INTERFACE if {"gfx", "gfx-wad"} & set(folders) else Treatment()


def _is_wide(path: str, pack: Pack) -> bool:
    """Tell whether a sky is two square halves: the clouds with holes, and what lies behind them."""
    size = size_of(pack, path)
    return size is not None and size[0] == 2 * size[1]


def _store(name: str, treatment: Treatment, wishes: Wishes) -> Store:
    """Return the coding of a new DDS: what engines test or read texel by texel is not compressed."""
    if name.startswith("{") or treatment.kind in ("font", "interface"):
        return "bgra8"
    return "bc1" if wishes.dds == "bc1" else "bc3"


def _first_of_each(pack: Pack) -> dict[str, str]:
    """Return for each path without extension the file that engines take, where there are several."""
    paths = [entry.path for entry in pack.entries if entry.kind == "texture" and _rank(entry.path) < len(FORMATS)]
    several = {stem for stem, count in Counter(map(stem_of, paths)).items() if count > 1}
    ranked = sorted((path for path in paths if stem_of(path) in several), key=_rank, reverse=True)
    return {stem_of(path): path for path in ranked}


def _rank(path: str) -> int:
    extension = path.rpartition(".")[2].lower()
    return FORMATS.index(extension) if extension in FORMATS else len(FORMATS)


def _folders(path: str) -> list[str]:
    return _lower(path.split("/")[:-1])


def _lower(names: list[str] | tuple[str, ...]) -> list[str]:
    return [name.lower() for name in names]


QUAKE = Convention(
    id="quake",
    title="Quake engines: DarkPlaces, QuakeSpasm, vkQuake",
    detect=detect,
    parse=parse,
    format=format_name,
    plan=plan,
    check=check,
    facts={
        "dump": "-",
        "writes": "the same paths; with --dds below dds/",
        "alpha": "fences 0 or 255; `_norm` holds height",
        "mips": "made by the engine, or inside DDS",
    },
)
