"""DuckStation: textures of PlayStation games, by uploads to video memory and by its pages.

References:
    duckstation ``src/core/gpu_hw_texture_cache.cpp`` (names, dumps, ``FindTextureReplacements``, aliases).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from texup.conventions.convention import Convention, Name, Planned, Wishes
from texup.conventions.duckstation.check import check
from texup.conventions.duckstation.names import (
    CONFIG,
    FOLDERS,
    LEVELS,
    SEMI,
    SUFFIXES,
    TITLE,
    aliases_of,
    configs_of,
    format_name,
    lookup,
    parse,
    place_of,
    storage_of,
    title_of,
)
from texup.conventions.shared.png_loaders import notes_on_dds, plan_other, snap_alpha
from texup.packs.pack import Finding, Pack
from texup.packs.walk import Entry
from texup.policy.classify import Treatment
from texup.textures.texture import Texture


def detect(pack: Pack) -> float:
    """Return the share of DuckStation's names."""
    textures = [entry.path for entry in pack.entries if entry.kind == "texture"]
    matched = [path for path in textures if parse(path) is not None]
    is_placed = any(place_of(pack, path).serial for path in matched[:1])
    return len(matched) / max(1, len(textures)) + 0.2 * is_placed


def plan(pack: Pack, wishes: Wishes) -> Iterator[Planned | Finding]:
    """Bring dumps into ``textures/<SERIAL>/replacements``, and the settings that they were dumped with beside them."""
    yield from notes_on_dds(wishes, TITLE)
    places = {entry.path: place_of(pack, entry.path) for entry in pack.entries}
    nameless = next((part for part in reversed(pack.place) if part.lower() not in FOLDERS), "PS1")
    homes = {path: f"textures/{place.serial or nameless}" for path, place in places.items()}
    configs = configs_of(places, homes)
    aliases = aliases_of(pack, configs, homes)
    seen: dict[tuple[str, str], str] = {}
    for entry in pack.entries:
        path, place = entry.path, places[entry.path]
        bare = path.rpartition("/")[2]
        folder = "/".join((homes[path], "replacements", *place.rest))
        key = parse(path) or aliases.get(f"{folder}/{bare}")
        if path in configs:
            yield Planned(path, "copy", target=f"{homes[path]}/{CONFIG}")
        elif entry.kind == "texture" and key is not None:
            first = seen.setdefault((homes[path], title_of(bare) if parse(path) else f"{folder}/{bare}"), path)
            yield _planned(entry, key, f"{folder}/{bare}") if first == path else _double(path, first)
        else:
            other = folder if place.is_inside else "/".join((homes[path], *place.rest))
            yield _left_out(entry, other, wishes)
    if any(parse(path) and not place.serial for path, place in places.items()):
        text = f"no folder says which game this is; {nameless} is taken, rename that folder to the game's serial"
        yield Finding("warning", "", text)
    if not configs and any(part.lower() in FOLDERS for part in pack.place):
        text = f"names depend on the settings of the dump: keep the {CONFIG} beside the dumps with the pack"
        yield Finding("hint", "", text)


def _planned(entry: Entry, key: Name, target: str) -> Planned:
    """Return the plan of a texture.

    Semi-transparent modes need exact zeros under alpha 0, which lossy WebP cannot hold: they become PNG. JPEG has no
    alpha and stays.
    """
    storage = storage_of(key)
    is_page = key.fields.get("src") == "texpage"
    treatment = Treatment(storage=storage, edges=("clamp", "clamp") if is_page else ("auto", "auto"))
    suffix = target[-5:].lower()
    if storage == SEMI and suffix == ".webp":
        treatment, target = replace(treatment, store="rgba"), f"{target[:-5]}.png"
        return Planned(entry.path, "upscale", "as PNG, which keeps alpha exactly", target, treatment)
    if suffix.endswith(".png"):
        treatment = replace(treatment, store="rgba" if storage == SEMI else "png")
    return Planned(entry.path, "upscale", "", target, treatment)


def _double(path: str, first: str) -> Planned:
    return Planned(path, "skip", f"the same texture as {first}")


def _left_out(entry: Entry, folder: str, wishes: Wishes) -> Planned:
    if entry.kind == "texture" and not entry.path.lower().endswith(SUFFIXES) and not wishes.copy_other:
        return Planned(entry.path, "skip", f"{TITLE} reads PNG, JPG and WebP only")
    return plan_other(entry, folder, wishes, TITLE)


def from_work(result: Texture, _source: Texture, planned: Planned) -> Texture:
    """Return a result with alpha at the levels that the shader tells apart.

    Below half is transparent, the rest opaque; in semi-transparent modes only (0, 0, 0, 0) is transparent, alpha up to
    242 is semi-transparent, and more is opaque.
    """
    storage = planned.treatment.storage
    if storage not in LEVELS:
        return result
    pixels = snap_alpha(result.pixels, LEVELS[storage])
    if storage == SEMI and pixels.shape[2] in (2, 4):
        pixels[pixels[..., -1] == 0] = 0
    return replace(result, pixels=pixels)


DUCKSTATION = Convention(
    id="duckstation",
    title=TITLE,
    detect=detect,
    parse=parse,
    format=format_name,
    plan=plan,
    check=check,
    from_work=from_work,
    lookup=lookup,
    home=3,
    facts={
        "dump": "textures/<SERIAL>/dumps",
        "writes": "textures/<SERIAL>/replacements; config.yaml is copied",
        "alpha": "0 and 255; in ST modes also 128, and no colour under 0",
        "mips": "none",
    },
)
