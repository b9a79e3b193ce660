"""GZDoom: every picture into hires/, which replaces by name and keeps sizes and offsets of the old one.

With ``--textures-lump`` pictures go to texup/ instead, and a TEXTURES lump says what each replaces and how large it is.
A patch, which is a part of composite walls, is left out of both: walls are put together from patches texel by texel, so
a larger one would show only its corner.

References:
    ZDoom/gzdoom, src/common/textures/texturemanager.cpp: AddHiresTextures replaces every texture of the name, of
        whatever kind, takes size and offsets from the old one, and runs before ResolveAllPatches, where composite
        walls look up their patches by the same name; AddTexturesForWad: TEXTURES is read after the folders.
    ZDoom/gzdoom, src/common/textures/multipatchtexturebuilder.cpp, ResolvePatches: what a wall draws is the picture
        that its patch's name then stands for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from texup import bounds
from texup.conventions.convention import Convention, Planned, Sidecar, Wishes
from texup.conventions.gzdoom.check import check
from texup.conventions.gzdoom.names import (
    DOOM_SPRITE,
    LENGTH,
    Lump,
    format_name,
    lump_of,
    material_of,
    parse,
    rooted,
    why_unread,
)
from texup.conventions.gzdoom.textures_lump import Definition, format_definition, png_grab
from texup.errors import TextureError
from texup.packs.heads import HEAD
from texup.packs.pack import Finding, Pack
from texup.packs.walk import Entry
from texup.policy.choices import EdgeChoice
from texup.policy.classify import Treatment
from texup.textures.codecs.dds_header import HEADER_SIZE, parse_dds
from texup.textures.codecs.files import read_header
from texup.textures.storing import Store
from texup.textures.texture import Texture

HIRES, FOLDER, LUMP = "hires", "texup", "TEXTURES.txt"
_EDGES: dict[str, tuple[EdgeChoice, EdgeChoice]] = {
    "flats": ("wrap", "wrap"),
    "sprites": ("clamp", "clamp"),
    "graphics": ("clamp", "clamp"),
}
_KEYWORDS = {"flats": "flat", "graphics": "graphic", "sprites": "sprite", "textures": "texture"}
_PANNED = ("flats", "textures")  # laid on surfaces, whose offsets count units of the world in hires/ too
_PATCH = "a part of composite walls, which GZDoom puts together texel by texel"
_TEXTS = ("decorate", "zscript", "mapinfo", "zmapinfo", "gameinfo", "gldefs", "textures", "animdefs", "playpal")


def detect(pack: Pack) -> float:
    """Return the share of pictures in namespace folders under names that fit.

    Folders that other games have too (textures, graphics) count only beside Doom's own or a lump of text.
    """
    at = rooted(pack)
    paths = [at(entry.path) for entry in pack.entries if entry.kind == "texture"]
    texts = {PurePosixPath(at(entry.path)).stem.lower() for entry in pack.entries if entry.kind == "other"}
    if "textures" in texts:  # texup's own way with --textures-lump
        paths = [
            f"{HIRES}/{path.removeprefix(FOLDER + '/')}" if path.startswith(FOLDER + "/") else path for path in paths
        ]
    lumps = [lump for lump in map(lump_of, paths) if lump and not lump.is_long]
    sure = [lump for lump in lumps if lump.space not in ("textures", "graphics", "sprites")]
    sure += [lump for lump in lumps if lump.space == "sprites" and DOOM_SPRITE.fullmatch(lump.stem)]
    has_text = bool(texts.intersection(_TEXTS))
    if not paths or not (sure or (lumps and has_text)):
        return 0.0
    spaces = {lump.space for lump in lumps}
    bonus = 0.1 * has_text + 0.1 * (len(spaces & {"flats", "sprites", "patches"}) > 1)
    return (len(lumps) + sum(1 for path in paths if material_of(path))) / len(paths) + bonus


def plan(pack: Pack, wishes: Wishes) -> Iterator[Planned | Finding]:
    """Send each texture to hires/, or with a TEXTURES lump to texup/; other files are left out unless wished."""
    at = rooted(pack)
    lumps = {}
    for entry in pack.entries:
        lump = lump_of(at(entry.path)) if entry.kind == "texture" else None
        if lump is not None and entry.selected:
            lumps[entry.path] = lump
    yield from _about(lumps, wishes)
    doubles: dict[str, str] = {}
    for found in _doubles(pack, lumps, wishes):
        if isinstance(found, Finding):
            yield found
        else:
            doubles |= found
    targets: set[str] = set()
    for entry in pack.entries:
        yield _plan_entry(pack, entry, at, doubles, targets, wishes)


def _about(lumps: Mapping[str, Lump], wishes: Wishes) -> Iterator[Finding]:
    """Yield what the user should know about the pack as a whole."""
    if wishes.dds == "bc7":
        yield Finding("error", "", "GZDoom reads no BC7; use --dds bc3, bc1 or none")
    patches = [path for path, lump in lumps.items() if lump.space == "patches"]
    if patches:
        text = f"{len(patches)} patches are left out: {_PATCH}, so that a larger one would show only its corner"
        yield Finding("warning", patches[0], f"{text}; upscale the finished walls in textures/")
    if not wishes.textures_lump:
        yield from _about_hires(lumps)
    sprites = (path for path, lump in lumps.items() if lump.space == "sprites")
    player = next((path for path in sprites if lumps[path].key.startswith("PLAY")), None)
    if player:
        text = "in true colour the game no longer gives players their own colours, nor lights palette indices"
        yield Finding("hint", player, text)


def _about_hires(lumps: Mapping[str, Lump]) -> Iterator[Finding]:
    """Yield what ``hires/`` would replace too, and what it cannot."""
    for key, paths in _by_key(lumps).items():
        patch = next((path for path in paths if lumps[path].space == "patches"), None)
        other = next((path for path in paths if lumps[path].space != "patches"), None)
        if patch and other:
            yield Finding(
                "warning", other, f"hires/ replaces the patch {patch} too; walls made of {key} would show a corner"
            )
    long = [path for path, lump in lumps.items() if lump.is_long and lump.space not in ("hires", "patches")]
    if long:
        text = f"{len(long)} names have more than {LENGTH} characters, which hires/ cannot replace; use --textures-lump"
        yield Finding("warning", long[0], text)


def _by_key(lumps: Mapping[str, Lump]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path, lump in lumps.items():
        if not lump.is_long or lump.space == HIRES:
            found[lump.key].append(path)
    return found


def _doubles(pack: Pack, lumps: Mapping[str, Lump], wishes: Wishes) -> Iterator[Finding | dict[str, str]]:
    """Yield an error for each two pictures of one name that differ, and path to reason for those to be left out."""
    for key, paths in _by_key(lumps).items():
        hires = [path for path in paths if lumps[path].space == HIRES]
        rest = [path for path in paths if lumps[path].space not in (HIRES, "patches")]
        if hires:
            yield dict.fromkeys(rest, f"{hires[0]} replaces it already")
        first: dict[str, str] = {}
        for path in hires or rest:
            known = first.setdefault(lumps[path].space if wishes.textures_lump else "", path)
            if known != path and _is_same(pack, known, path):
                yield {path: f"the same picture and name as {known}"}
            elif known != path:
                hint = "" if lumps[path].space == lumps[known].space else ", or use --textures-lump"
                yield Finding(
                    "error", path, f"has the name {key} of {known}, and GZDoom shows one of them; rename one{hint}"
                )


def _is_same(pack: Pack, one: str, other: str) -> bool:
    try:
        first, second = (pack.read(path, bounds.GZDOOM_COMPARED + 1) for path in (one, other))
    except TextureError:
        return False
    return first == second and len(first) <= bounds.GZDOOM_COMPARED


def _plan_entry(
    pack: Pack,
    entry: Entry,
    at: Callable[[str], str],
    doubles: Mapping[str, str],
    targets: set[str],
    wishes: Wishes,
) -> Planned:
    path = at(entry.path)
    kind, lump = material_of(path), lump_of(path)
    if entry.kind != "texture" or (kind is None and lump is None):
        reason = "not a texture" if entry.kind != "texture" else "outside the folders where GZDoom looks for pictures"
        return Planned(entry.path, "copy", reason, path) if wishes.copy_other else Planned(entry.path, "skip", reason)
    store, suffix = _coding(pack, entry.path, wishes)
    if kind is not None:
        treatment = Treatment(kind, store=store)
        if kind == "normal":
            treatment = replace(treatment, normal="tangent", doubted=True)
        return Planned(entry.path, "upscale", target=str(PurePosixPath(path).with_suffix(suffix)), treatment=treatment)
    assert lump is not None
    reason = doubles.get(entry.path) or _why_left(lump, wishes)
    if reason:
        return Planned(entry.path, "skip", reason)
    name = lump.stem[:LENGTH] + suffix if lump.space == HIRES else lump.stem + suffix
    note = f"GZDoom reads {LENGTH} characters of a name" if lump.is_long and lump.space == HIRES else ""
    storage = FOLDER if wishes.textures_lump and lump.space != HIRES else HIRES
    target = f"{storage}/{name}"
    if storage == FOLDER and target.lower() in targets:  # a flat and a wall of one name
        target = f"{storage}/{lump.space}/{name}"
    targets.add(target.lower())
    edges = _EDGES.get(lump.space, ("auto", "auto"))
    treatment = Treatment("colour", edges=edges, cells="whole", storage=storage, store=store)
    return Planned(entry.path, "upscale", note, target, treatment)


def _why_left(lump: Lump, wishes: Wishes) -> str:
    if lump.space == "patches":
        return _PATCH
    if lump.is_long and lump.space != HIRES and not wishes.textures_lump:
        return f"hires/ cannot replace names of more than {LENGTH} characters"
    return ""


def _coding(pack: Pack, path: str, wishes: Wishes) -> tuple[Store, str]:
    """Return (store, suffix) of a result: PNG in true colour, other formats that the game reads in kind."""
    suffix = PurePosixPath(path).suffix
    if wishes.dds:
        return ("bc1" if wishes.dds == "bc1" else "bc3"), ".dds"
    if suffix.lower() == ".png":
        return "" if wishes.palette == "keep" else "png", suffix
    if suffix.lower() == ".dds":
        try:
            unread = why_unread(parse_dds(pack.read(path, HEADER_SIZE)))
        except TextureError:
            unread = ""  # it will fail by itself
        return ("png", ".png") if unread else ("", suffix)
    return "", suffix


def from_work(result: Texture, _source: Texture, planned: Planned) -> Texture:
    """Return a result without offsets where hires/ takes the old texture's."""
    if planned.treatment.storage != HIRES or result.container.grab is None:
        return result
    return replace(result, container=replace(result.container, grab=None))


def sidecars(pack: Pack, planned: Sequence[Planned], wishes: Wishes) -> Iterator[Sidecar]:
    """Yield the TEXTURES lump for the pictures in texup/."""
    at = rooted(pack)
    lines = [
        format_definition(made)
        for plan in planned
        if plan.action == "upscale" and plan.treatment.storage == FOLDER
        if (made := _definition(pack, plan, at(plan.path), wishes.scale))
    ]
    if lines:
        taken = {plan.target.lower() for plan in planned}
        # A lump's name is what stands before the last dot, of which GZDoom reads 8 characters.
        name = LUMP if LUMP.lower() not in taken else "TEXTURES.texup.txt"
        yield Sidecar(name, ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))


def _definition(pack: Pack, plan: Planned, path: str, scale: int) -> Definition | None:
    lump = lump_of(path)
    if lump is None:
        return None
    try:
        head = pack.read(plan.path, HEAD)
        header = read_header(head, path.rpartition("/")[2])
    except TextureError:
        return None  # the texture itself fails; a definition without its picture would hide the game's own
    grab = png_grab(head) if header.format == "png" else None
    return Definition(
        keyword=_KEYWORDS[lump.space],
        name=path if lump.is_long else lump.key,
        width=header.width * scale,
        height=header.height * scale,
        scale=(scale, scale),
        offset=(grab[0] * scale, grab[1] * scale) if grab else None,
        panning=lump.space in _PANNED,
        parts=((plan.target, 0, 0),),
    )


def lookup(target: str) -> str:
    """Return the namespace and the 8 characters by which the game finds a file, or its path."""
    lump = lump_of(target)
    return f"{lump.space}/{lump.key}" if lump else target.lower()


GZDOOM = Convention(
    id="gzdoom",
    title="GZDoom, ZDoom",
    detect=detect,
    parse=parse,
    format=format_name,
    plan=plan,
    check=check,
    from_work=from_work,
    sidecars=sidecars,
    lookup=lookup,
    options=("textures_lump",),
    facts={
        "dump": "flats/, graphics/, sprites/, textures/ of a folder or PK3",
        "writes": "hires/, or texup/ and a TEXTURES lump",
        "alpha": "masked textures keep 0 and 255",
        "mips": "made by the game",
    },
)
