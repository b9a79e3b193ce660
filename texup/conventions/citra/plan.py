"""Citra, Azahar and Lime3DS: texture packs of 3DS games.

A texture is found by its hash alone. Every level has its own hash and is a texture of its own. A ``pack.json`` says by
which hash, and whether pictures are stored upside-down; without it nothing that was dumped would be found again.

References:
    azahar-emu/azahar, src/video_core/custom_textures/custom_tex_manager.cpp: folders, names, pack.json, the rule about
    DDS; material.cpp: normal maps, which must fit the colour, and the formats of DDS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from texup.conventions.citra.check import check
from texup.conventions.citra.names import (
    CONFIG,
    INTENSITY,
    TITLE_ID,
    WITHOUT_SOFT_ALPHA,
    Config,
    configs,
    detect,
    format_name,
    key_of,
    lookup,
    parse,
)
from texup.conventions.convention import Convention, Name, Planned, Wishes
from texup.conventions.shared.block_choice import store_for
from texup.conventions.shared.game_folders import Spot, locate
from texup.conventions.shared.intensity import from_plane, to_plane
from texup.packs.heads import size_of
from texup.packs.pack import Finding, Pack
from texup.packs.walk import Entry
from texup.policy.classify import Treatment
from texup.textures.texture import Texture


@dataclass(frozen=True, slots=True)
class _View:
    """The pack as seen from each of its files."""

    wishes: Wishes
    spot: Callable[[str], Spot]
    configs: Mapping[str, Config]
    """By title."""

    def config(self, path: str) -> Config:
        return self.configs.get(self.spot(path).game, Config())

    def target(self, path: str, bare: str) -> str:
        spot = self.spot(path)
        title = spot.game.upper() if TITLE_ID.fullmatch(spot.game) else spot.game
        folders, slash, _ = spot.below.rpartition("/")
        return f"load/textures/{title}/{folders}{slash}{bare}"


def plan(pack: Pack, wishes: Wishes) -> Iterator[Planned | Finding]:
    """Plan every file: each texture on its own, ``pack.json`` copied, the rest left out."""
    spot = locate(pack, TITLE_ID)
    view = _View(wishes, spot, configs(pack, spot))
    yield from _check_titles(pack, view)
    yield from _check_normals(pack, view)
    for entry in pack.entries:
        if entry.kind == "texture":
            yield from _plan_texture(entry, view)
        else:
            yield _plan_other(entry, view)


def _check_titles(pack: Pack, view: _View) -> Iterator[Finding]:
    """Look at each title's folder and ``pack.json`` once."""
    paths = [entry.path for entry in pack.entries if entry.kind == "texture" and parse(entry.path)]
    with_dds = {view.spot(path).game for path in paths if path.lower().endswith(".dds")}
    for title in dict.fromkeys(view.spot(path).game for path in paths):
        yield from _check_title(title, view, has_dds=title in with_dds)
    if view.wishes.dds == "bc1":
        yield Finding("hint", "", "BC1 is for formats without soft alpha; textures of the others become BC7")


def _check_title(title: str, view: _View, *, has_dds: bool) -> Iterator[Finding]:
    if not TITLE_ID.fullmatch(title):
        text = f"'{title}' is no title id of 16 digits such as 0004000000030800; give the folder your game's"
        yield Finding("warning", "", text)
    config = view.configs.get(title)
    if config is None:
        text = f"{title}: no {CONFIG}, so that nothing dumped with new hashes loads; copy the one of the dump"
        yield Finding("warning", "", text)
    elif config.problem:
        yield Finding("warning", config.path, f"{config.problem}, so the loader does not take it")
    if not (config or Config()).skip_mipmap:
        return
    if view.wishes.dds:
        text = f"--dds: the loader refuses DDS unless a sound {CONFIG} has skip_mipmap false; leave --dds out"
        yield Finding("error", config.path if config else "", text)
    elif has_dds:
        yield Finding("warning", "", f"{title}: the loader refuses DDS unless {CONFIG} has skip_mipmap false")


def _check_normals(pack: Pack, view: _View) -> Iterator[Finding]:
    """Warn of normal maps that could not fit their colour at any scale."""
    names = [name for entry in pack.entries if entry.kind == "texture" and (name := parse(entry.path))]
    normals = [name for name in names if "map" in name.fields]
    if normals and view.wishes.normals == "copy":
        yield Finding("warning", "", "normal maps are resized, not copied: the loader wants them at the colour's size")
    colours = {(view.spot(name.path).game, key_of(name.path)): name.path for name in names}
    for name in normals:
        key = view.spot(name.path).game, key_of(name.path).removesuffix(".norm")
        if key not in colours:
            yield Finding("warning", name.path, "a normal map without a colour file, which the loader cannot use")
            continue
        own, other = (size_of(pack, path) for path in (name.path, colours[key]))
        if own and other and own != other:
            of_colour = f"its colour file {colours[key]} is {other[0]} x {other[1]}"
            text = f"{own[0]} x {own[1]}, but {of_colour}; the loader refuses both"
            yield Finding("warning", name.path, text)


def _plan_texture(entry: Entry, view: _View) -> Iterator[Planned | Finding]:
    bare = entry.path.rpartition("/")[2]
    name = parse(entry.path)
    config = view.config(entry.path)
    if bare.count(".") > 2:
        yield Planned(entry.path, "skip", "more than three parts between dots, which the loader refuses")
    elif bare in config.mapped:  # pack.json knows it by this name
        yield Planned(entry.path, "upscale", target=view.target(entry.path, bare), treatment=_treatment(bare, view))
    elif name is None:
        yield Planned(entry.path, "skip", "not a Citra name")
    else:
        yield from _plan_named(name, bare, view)


def _plan_named(name: Name, bare: str, view: _View) -> Iterator[Planned | Finding]:
    spelt = format_name(name)
    reason = "" if spelt == bare else f"written as {spelt}"
    store = store_for(name, view.wishes, WITHOUT_SOFT_ALPHA)
    if view.wishes.dds and not store:
        text = f"{name.fields['w']} x {name.fields['h']} times {view.wishes.scale} is no multiple of 4; not made DDS"
        yield Finding("warning", name.path, text)
    words = ["intensity"] if name.fields["fmt"] in INTENSITY else []
    if store and view.config(name.path).flip_png_files and spelt.endswith(".png"):
        words.append("flipped")
    treatment = replace(_treatment(bare, view), storage=" ".join(words), store=store)
    target = view.target(name.path, f"{spelt.rpartition('.')[0]}.dds" if store else spelt)
    yield Planned(name.path, "upscale", reason, target, treatment)


def _plan_other(entry: Entry, view: _View) -> Planned:
    bare = entry.path.rpartition("/")[2]
    if view.spot(entry.path).below == CONFIG:
        return Planned(entry.path, "copy", target=view.target(entry.path, CONFIG))
    name = parse(entry.path)
    if name is not None:
        target = view.target(entry.path, format_name(name))
        return Planned(entry.path, "copy", "KTX, which texup does not read; the loader takes it as it is", target)
    if view.wishes.copy_other:
        return Planned(entry.path, "copy", target=view.target(entry.path, bare))
    return Planned(entry.path, "skip", "not a texture")


def _treatment(bare: str, view: _View) -> Treatment:
    if bare.split(".")[1:-1] != ["norm"]:
        return Treatment()
    return Treatment(kind="normal", method="vectors" if view.wishes.normals == "copy" else None, doubted=True)


def to_work(texture: Texture, planned: Planned) -> Texture:
    """Return an intensity texture as one plane where its four channels are equal; others as they are."""
    return to_plane(texture) if "intensity" in planned.treatment.storage.split() else texture


def from_work(result: Texture, source: Texture, planned: Planned) -> Texture:
    """Return intensity in all channels again, and a DDS upside-down, as the loader flips PNG only."""
    words = planned.treatment.storage.split()
    if "intensity" in words:
        result = from_plane(result, source)
    if "flipped" in words:
        result = replace(result, pixels=result.pixels[::-1].copy())
    return result


CITRA = Convention(
    id="citra",
    title="Citra, Azahar, Lime3DS (3DS)",
    detect=detect,
    parse=parse,
    format=format_name,
    plan=plan,
    check=check,
    to_work=to_work,
    from_work=from_work,
    lookup=lookup,
    home=3,
    facts={
        "dump": "dump/textures/TITLEID",
        "writes": "load/textures/TITLEID",
        "alpha": "0 to 255; intensity formats upscaled as one plane",
        "mips": "each level is a texture with its own hash",
    },
)
