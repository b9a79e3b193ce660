"""Dolphin: texture packs of GameCube and Wii games.

The name of a file says the native size, whether the game uses smaller levels (``_m``), and the format. Dolphin makes no
level by itself: a ``_m`` texture gets its whole chain, in files beside it or inside a DDS. Where the levels differ in
content (``_arb``: fog and light painted into them) each is upscaled on its own.

References:
    dolphin-emu/dolphin, Source/Core/VideoCommon/HiresTextures.cpp and Assets/TextureAssetUtils.cpp: folders, levels,
    sizes; Assets/CustomTextureData.cpp: DDS; UICommon/ResourcePack/ResourcePack.cpp and Manifest.cpp: resource packs.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from texup.conventions.convention import Convention, Name, Planned, Sidecar, Wishes
from texup.conventions.dolphin.check import MANIFEST, check, read_manifest
from texup.conventions.dolphin.names import (
    CMPR,
    GAME_ID,
    INTENSITY,
    RESOURCE_TEXTURES,
    SURE_ID,
    WITHOUT_SOFT_ALPHA,
    detect,
    format_name,
    is_marker,
    is_render_target,
    lookup,
    parse,
    stem_of,
)
from texup.conventions.shared.block_choice import store_for
from texup.conventions.shared.game_folders import Spot, locate
from texup.conventions.shared.intensity import from_plane, to_plane
from texup.packs.pack import Finding, Pack
from texup.packs.walk import Entry
from texup.policy.classify import Treatment
from texup.textures.texture import Texture

RENDER_TARGET = "a picture that the game drew itself; Dolphin never reads it back"
Levels = Mapping[int, str]
"""Paths of a texture's levels by number."""


@dataclass(frozen=True, slots=True)
class _View:
    """The pack as seen from each of its files."""

    wishes: Wishes
    spot: Callable[[str], Spot]
    levels: Mapping[tuple[str, ...], Levels]

    def levels_of(self, name: Name) -> Levels:
        return self.levels[_key(name)]

    def target(self, path: str, bare: str = "") -> str:
        """Return where a file goes, under the name ``bare`` if given."""
        spot = self.spot(path)
        folders, slash, own = spot.below.rpartition("/")
        top = RESOURCE_TEXTURES if self.wishes.resource_pack else "Load/Textures"
        return f"{top}/{spot.game}/{folders}{slash}{bare or own}"


def plan(pack: Pack, wishes: Wishes) -> Iterator[Planned | Finding]:
    """Plan every file: textures by their names, marker files copied, the rest left out."""
    view = _View(wishes, locate(pack, SURE_ID, RESOURCE_TEXTURES), _levels(pack.entries))
    yield from _unknown_games(pack, view)
    if wishes.dds == "bc1":
        yield Finding("hint", "", "BC1 is for formats 4 and 14; textures of others can have soft alpha and become BC7")
    for entry in pack.entries:
        name = parse(entry.path) if entry.kind == "texture" else None
        if name is None:
            yield _plan_other(entry, view)
        elif "arb" in name.fields:
            yield from _plan_own_level(name, view)
        elif name.level:
            yield from _plan_made_level(name, view)
        else:
            yield from _plan_texture(name, view)


def _key(name: Name) -> tuple[str, ...]:
    """Return what all levels of a texture have in common: folder, stem and extension."""
    return name.path.rpartition("/")[0], stem_of(name), name.fields["ext"].lower()


def _levels(entries: Sequence[Entry]) -> Mapping[tuple[str, ...], Levels]:
    found: defaultdict[tuple[str, ...], dict[int, str]] = defaultdict(dict)
    for entry in entries:
        name = parse(entry.path) if entry.kind == "texture" else None
        if name is not None:
            found[_key(name)][name.level] = entry.path
    return found


def _unknown_games(pack: Pack, view: _View) -> Iterator[Finding]:
    """Warn of folders that Dolphin would not read: named as no id, and without a file that names ids."""
    marked = {view.spot(entry.path).game for entry in pack.entries if is_marker(entry)}
    games = dict.fromkeys(view.spot(entry.path).game for entry in pack.entries if parse(entry.path))
    for game in games:
        if game not in marked and not GAME_ID.fullmatch(game):
            yield Finding("warning", "", f"'{game}' is no game id such as GALE01; give the folder the id of your game")


def _plan_other(entry: Entry, view: _View) -> Planned:
    if is_marker(entry):
        return Planned(entry.path, "copy", target=view.target(entry.path))
    if view.wishes.resource_pack and entry.path == MANIFEST:
        return Planned(entry.path, "rewrite", "gets the id of the new resource pack", MANIFEST)
    if view.wishes.resource_pack and entry.path == "logo.png":
        return Planned(entry.path, "copy", target=entry.path)
    if entry.kind == "texture":
        return Planned(entry.path, "skip", RENDER_TARGET if is_render_target(entry.path) else "not a Dolphin name")
    if view.wishes.copy_other:
        return Planned(entry.path, "copy", target=view.target(entry.path))
    return Planned(entry.path, "skip", "not a texture")


def _plan_texture(name: Name, view: _View) -> Iterator[Planned | Finding]:
    """Plan level 0 of a texture whose smaller levels, if it has any, are made from it."""
    bare = format_name(name)
    store = store_for(name, view.wishes, WITHOUT_SOFT_ALPHA)
    if view.wishes.dds and not store:
        yield _no_dds(name, view.wishes)
    is_dds = store != "" or bare.endswith(".dds")
    treatment = Treatment(storage=_storage(name), store=store)
    target = view.target(name.path, _with_suffix(bare, is_dds=is_dds))
    reason = _respelt(name, bare)
    if "m" not in name.fields and len(view.levels_of(name)) == 1:
        yield Planned(name.path, "upscale", reason, target, treatment)
    elif is_dds:
        yield Planned(name.path, "upscale", reason, target, replace(treatment, mips="inside"))
    else:
        files = view.target(name.path).rpartition("/")[0]
        level_target = f"{files}/{stem_of(name)}_mip{{}}.png"
        treatment = replace(treatment, mips="files")
        yield Planned(name.path, "upscale", reason, target, treatment, level_target=level_target)


def _plan_made_level(name: Name, view: _View) -> Iterator[Planned | Finding]:
    """Plan a smaller level that is only a smaller picture of level 0."""
    levels = view.levels_of(name)
    if 0 in levels:
        yield Planned(name.path, "skip", f"made again from level 0, {levels[0]}")
        return
    if name.level == min(levels):
        yield Finding("warning", name.path, f"level 0, {stem_of(name)}, is missing; dump the texture again")
    yield Planned(name.path, "skip", "made again from level 0, which is missing")


def _plan_own_level(name: Name, view: _View) -> Iterator[Planned | Finding]:
    """Plan one level of a texture whose levels differ in content."""
    levels, wishes = view.levels_of(name), view.wishes
    count = next(n for n in range(len(levels) + 1) if n not in levels)
    if name.level >= count:
        if name.level == min(n for n in levels if n >= count):
            yield Finding("warning", name.path, f"level {count} is missing, so Dolphin cannot use this one and smaller")
        yield Planned(name.path, "skip", f"level {count} of this texture is missing")
        return
    if name.level == 0 and len(levels) == 1 and "m" in name.fields:
        yield Finding("warning", name.path, "its smaller levels, which differ in content, are missing; dump them too")
    bare = format_name(name)
    first = parse(levels[0])
    store = store_for(first, wishes, WITHOUT_SOFT_ALPHA) if first is not None else ""
    treatment = Treatment(storage=_storage(name), store=store)
    target = view.target(name.path, _with_suffix(bare, is_dds=store != "" or bare.endswith(".dds")))
    if wishes.dds and not store and name.level == 0:
        yield _no_dds(name, wishes)
    if not store or count == 1:
        yield Planned(name.path, "upscale", _respelt(name, bare), target, treatment)
    elif name.level == 0:
        others = tuple(levels[n] for n in range(1, count))
        treatment = replace(treatment, mips="given")
        yield Planned(
            path=name.path,
            action="upscale",
            reason=_respelt(name, bare),
            target=target,
            treatment=treatment,
            others=others,
            joins="levels",
        )
    else:
        yield Planned(name.path, "joined", f"level {name.level} inside the DDS of {levels[0]}")


def _no_dds(name: Name, wishes: Wishes) -> Finding:
    size = "{} x {}".format(*name.native or ())
    return Finding(
        "warning", name.path, f"{size} times {wishes.scale} is no multiple of 4, as Dolphin's DDS must be; not made DDS"
    )


def _with_suffix(bare: str, *, is_dds: bool) -> str:
    return f"{bare.rpartition('.')[0]}.dds" if is_dds else bare


def _respelt(name: Name, bare: str) -> str:
    return "" if name.path.endswith(bare) else f"written as {bare}"


def _storage(name: Name) -> str:
    fmt = name.fields["fmt"]
    return "intensity" if fmt in INTENSITY else "one-bit alpha" if fmt == CMPR else ""


def to_work(texture: Texture, planned: Planned) -> Texture:
    """Return an I4 or I8 texture as one plane where its four channels are equal; others as they are."""
    return to_plane(texture) if planned.treatment.storage == "intensity" else texture


def from_work(result: Texture, source: Texture, planned: Planned) -> Texture:
    """Return intensity in all channels again, and alpha of one bit as 0 or full where the source's was."""
    if planned.treatment.storage == "intensity":
        return from_plane(result, source)
    full = np.iinfo(source.pixels.dtype).max
    is_one_bit = source.pixels.shape[2] in (2, 4) and bool(np.isin(source.pixels[..., -1], (0, full)).all())
    if planned.treatment.storage != "one-bit alpha" or not is_one_bit or result.pixels.shape[2] not in (2, 4):
        return result
    pixels = result.pixels.copy()
    full = np.iinfo(pixels.dtype).max
    pixels[..., -1] = np.where(pixels[..., -1] > full // 2, full, 0)
    return replace(result, pixels=pixels)


def sidecars(pack: Pack, planned: Sequence[Planned], wishes: Wishes) -> Iterator[Sidecar]:
    """Yield the manifest of a resource pack; what the source's own says of authors and the like is kept."""
    if not wishes.resource_pack:
        return
    old = any(file.action == "rewrite" for file in planned)
    known = (read_manifest(pack) if old else None) or {}
    fields = {"name": wishes.resource_pack, "version": "1.0", **known, "id": wishes.resource_pack, "compressed": False}
    text = json.dumps(fields, indent=2, ensure_ascii=False)
    yield Sidecar(MANIFEST, f"{text}\n".encode(), MANIFEST if old else "")


DOLPHIN = Convention(
    id="dolphin",
    title="Dolphin (GameCube, Wii)",
    detect=detect,
    parse=parse,
    format=format_name,
    plan=plan,
    check=check,
    to_work=to_work,
    from_work=from_work,
    sidecars=sidecars,
    lookup=lookup,
    home=3,
    options=("resource_pack",),
    facts={
        "dump": "Dump/Textures/ID",
        "writes": "Load/Textures/ID",
        "alpha": "0 to 255; intensity formats upscaled as one plane, one-bit alpha stays so",
        "mips": "made for _m as files or inside DDS; _arb levels upscaled each",
    },
)
