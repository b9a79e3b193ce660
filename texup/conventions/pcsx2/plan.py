"""PCSX2 (PlayStation 2): dumps become replacements, in whose alpha 128 is opaque.

References:
    PCSX2, tools/texture_dump_alpha_scaler.py: the project's own way between the two ranges of alpha; it maps 0 below 0.
    Sony, GS User's Manual, "Alpha blending": 0x80 stands for 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from texup.conventions.convention import Convention, Name, Planned, Wishes
from texup.conventions.pcsx2.check import check
from texup.conventions.pcsx2.names import Place, format_name, key_of, locate, lookup, parse
from texup.conventions.shared.block_choice import fills_blocks
from texup.packs.pack import Finding, Pack
from texup.packs.walk import Entry, is_safe
from texup.policy.classify import Mips, Treatment
from texup.textures.storing import Store, as_rgba, in_bytes
from texup.textures.texture import Pixels, Texture

OPAQUE = 128
SHORT = 8  # hexadecimal digits
STORAGE = "half alpha"
_COPY = re.compile(r" ?\(\d+\)(?=\.)")  # what file managers add to the name of a second copy


def detect(pack: Pack) -> float:
    """Return the share of textures with a name of PCSX2's, and more where the folders are its own.

    Outside of them a short hash alone does not count: Beetle PSX has names of two such, and PCSX2's are of 64 bits.
    """
    textures = [entry.path for entry in pack.entries if entry.kind == "texture"]
    if not textures:
        return 0.0
    is_home = any(locate(pack.place, path).kind for path in textures)
    names = [name.fields for name in map(parse, textures) if name]
    sure = [fields for fields in names if is_home or "clut" in fields or len(fields["tex"]) > SHORT]
    share = len(sure) / len(textures)
    return share + 0.2 if share and is_home else share


def plan(pack: Pack, wishes: Wishes) -> Iterator[Planned | Finding]:
    """Upscale every texture that the loader would find, into ``textures/SERIAL/replacements``."""
    if wishes.dds == "bc1":
        yield Finding("error", "", "PCSX2 would show BC1 with twice the alpha of opaque; use --dds bc7 or bc3, or PNG")
    places = {entry.path: locate(pack.place, entry.path) for entry in pack.entries}
    unknown = sorted({place.serial for place in places.values() if not place.known})
    if unknown:
        text = f"no folder says the game's serial, as SLUS-12345; written for '{unknown[0]}', rename that folder"
        yield Finding("warning", "", text)
    chosen = _chosen(pack, places)
    for entry in pack.entries:
        yield from _plan_entry(entry, places[entry.path], chosen, wishes)


def _chosen(pack: Pack, places: dict[str, Place]) -> dict[tuple[str, str], str]:
    """Return the path used for each serial and texture: replacements before dumps, canonical spelling before others."""
    ranks: dict[tuple[str, str], tuple[bool, bool, str]] = {}
    for entry in pack.entries:
        name = parse(entry.path)
        if entry.kind == "texture" and name and not name.level:
            place = places[entry.path]
            rank = (place.kind == "dumps", _bare(entry.path) != format_name(name), entry.path)
            key = (place.serial, key_of(name))
            ranks[key] = min(ranks.get(key, rank), rank)
    return {key: path for key, (_, _, path) in ranks.items()}


def _plan_entry(
    entry: Entry, place: Place, chosen: dict[tuple[str, str], str], wishes: Wishes
) -> Iterator[Planned | Finding]:
    home = f"textures/{place.serial if is_safe(place.serial) else 'SERIAL'}/replacements/{place.folder}"
    name = parse(entry.path)
    if entry.kind != "texture" and wishes.copy_other:
        yield Planned(entry.path, "copy", target=home + _bare(entry.path))
    elif entry.kind != "texture":
        yield Planned(entry.path, "skip", "not a texture")
    elif name is None:
        if parse(_COPY.sub("", entry.path)):
            yield Finding("warning", entry.path, "PCSX2 does not load names with a copy's number; rename it to use it")
        yield Planned(entry.path, "skip", "not a name of PCSX2's, which would not load it")
    elif name.level:
        yield Planned(entry.path, "skip", "PCSX2 never loads files of mip levels")
    elif chosen[place.serial, key_of(name)] != entry.path:
        reason = f"PCSX2 would see only one of it and {chosen[place.serial, key_of(name)]}"
        yield Planned(entry.path, "skip", reason)
    else:
        yield from _plan_texture(entry.path, name, home, wishes)


def _plan_texture(path: str, name: Name, home: str, wishes: Wishes) -> Iterator[Planned | Finding]:
    spelt = format_name(name)
    reason = "" if spelt == _bare(path) else f"written as {spelt}, the way PCSX2 spells it"
    store: Store = "" if spelt.endswith(".dds") else "rgba"
    if wishes.dds in ("auto", "bc3", "bc7") and fills_blocks(name, wishes.scale):
        store = "bc3" if wishes.dds == "bc3" else "bc7"
        spelt = f"{spelt[:-4]}.dds"
    elif wishes.dds in ("auto", "bc3", "bc7"):
        text = "PCSX2 takes block-compressed DDS only in whole 4 x 4 blocks; its format is kept"
        yield Finding("warning", path, text)
    # PCSX2 makes the levels of PNG itself; of DDS it complains that they are missing.
    mips: Mips = "inside" if spelt.endswith(".dds") else "none"
    treatment = Treatment(storage=STORAGE, store=store, mips=mips)
    yield Planned(path, "upscale", reason, home + spelt, treatment)


def _bare(path: str) -> str:
    return path.rpartition("/")[2]


def to_work(texture: Texture, _planned: Planned) -> Texture:
    """Return 8-bit pixels; alpha of at most 128 is spread so that opaque is 255."""
    pixels = in_bytes(texture.pixels)
    if pixels.shape[2] in (2, 4) and pixels[..., -1].max() <= OPAQUE:
        pixels = pixels.copy()
        pixels[..., -1] = np.minimum(pixels[..., -1].astype(np.uint16) * 2, 255)
    return Texture(pixels, replace(texture.container, bits=8))


def from_work(result: Texture, source: Texture, _planned: Planned) -> Texture:
    """Return RGBA with alpha in the source's range, never above its maximum; without alpha the loader's own 128."""
    pixels = as_rgba(in_bytes(result.pixels)).copy()
    pixels[..., 3] = _alpha(pixels[..., 3], source.pixels)
    layout = result.container.layout
    container = replace(
        result.container, bits=8, palette=None, layout=layout if layout and len(layout.masks) == 4 else None
    )
    return Texture(pixels, container)


def _alpha(worked: NDArray[np.uint8], source: Pixels) -> NDArray[np.uint8] | int:
    if source.shape[2] in (1, 3):
        return OPAQUE
    levels = np.unique(in_bytes(source[..., -1:]))
    highest = int(levels[-1])
    if len(levels) == 1:
        return highest
    if highest <= OPAQUE:
        worked = np.minimum((worked.astype(np.uint16) + 1) // 2, OPAQUE).astype(np.uint8)
        if np.isin(levels, (0, OPAQUE)).all():
            return np.where(worked >= OPAQUE // 2, OPAQUE, 0).astype(np.uint8)
    return np.minimum(worked, highest)


PCSX2 = Convention(
    id="pcsx2",
    title="PCSX2 (PlayStation 2)",
    detect=detect,
    parse=parse,
    format=format_name,
    plan=plan,
    check=check,
    to_work=to_work,
    from_work=from_work,
    lookup=lookup,
    home=3,
    palettes=False,
    facts={
        "dump": "textures/SERIAL/dumps",
        "writes": "textures/SERIAL/replacements",
        "alpha": "128 is opaque; kept in the source's range",
        "mips": "only inside DDS",
    },
)
