"""DuckStation's own rules, for a finished pack."""

from __future__ import annotations

from collections.abc import Iterator

from texup import bounds
from texup.conventions.convention import Name
from texup.conventions.duckstation.names import (
    CONFIG,
    LEVELS,
    OPAQUE,
    SEMI,
    SUFFIXES,
    TITLE,
    aliases_of,
    configs_of,
    parse,
    place_of,
    storage_of,
    title_of,
)
from texup.conventions.shared.png_loaders import snap_alpha
from texup.errors import TextureError
from texup.packs.heads import head_of
from texup.packs.pack import Finding, Pack
from texup.packs.walk import Entry
from texup.textures.codecs.files import decode

TEXELS = {"P4": 4, "P8": 2, "C16": 1}
"""Texels in one word of video memory; sources in names are measured in words."""
PAGE = 256
"""Texels of a page along each side."""


def check(pack: Pack) -> Iterator[Finding]:
    """Find names that are ignored, rectangles that do not fit, doubles, and alpha that the shader would cut."""
    places = {entry.path: place_of(pack, entry.path) for entry in pack.entries}
    homes = {path: f"textures/{place.serial}" for path, place in places.items()}
    aliases = aliases_of(pack, configs_of(places, homes), homes)
    textures = [entry for entry in pack.entries if entry.kind == "texture"]
    yield from (
        Finding("warning", entry.path, f"is not read: larger than {bounds.spelt(bounds.DUCKSTATION_BYTES, 'bytes')}")
        for entry in pack.entries
        if entry.path.rpartition("/")[2] == CONFIG and entry.size > bounds.DUCKSTATION_BYTES
    )
    size = sum(entry.size for entry in textures)
    is_cheap = len(textures) <= bounds.DUCKSTATION_FILES and size <= bounds.DUCKSTATION_TOTAL
    seen: dict[str, str] = {}
    for entry in textures:
        path = entry.path
        bare = path.rpartition("/")[2]
        name = parse(path)
        alias = aliases.get("/".join((homes[path], "replacements", *places[path].rest, bare)))
        key = name or alias
        if key is None:
            why = "finds no texture by this name" if path.lower().endswith(SUFFIXES) else "reads PNG, JPG and WebP only"
            yield Finding("warning", path, f"is ignored: {TITLE} {why}")
            continue
        if name is not None:
            first = seen.setdefault(f"{homes[path]}/{title_of(bare)}", path)
            if first != path:
                yield Finding("warning", path, f"is the same texture as {first}; remove one of the two")
            yield from _check_rectangle(name)
        yield from _check_pixels(pack, entry, storage_of(key), is_cheap=is_cheap)


def _check_rectangle(name: Name) -> Iterator[Finding]:
    get = name.fields
    if "vram" in get:
        return
    number = {key: int(get[key]) for key in ("sw", "sh", "x", "y", "w", "h", "pmin", "pmax") if key in get}
    mode = get["mode"].removeprefix("ST")
    right, bottom = number["x"] + number["w"], number["y"] + number["h"]
    width, height = number["sw"] * TEXELS[mode], number["sh"]
    if right > width or bottom > height or not number["w"] or not number["h"]:
        text = f"its rectangle does not fit into its source of {width} x {height}; dump it again"
        yield Finding("warning", name.path, text)
    elif get["src"] == "texpage" and max(right, bottom) > PAGE:
        yield Finding("warning", name.path, f"its rectangle does not fit into a page of {PAGE} x {PAGE}; dump it again")
    if "pmax" in number and not number["pmin"] <= number["pmax"] < (16 if mode == "P4" else 256):
        yield Finding("warning", name.path, f"its palette range is not one of mode {mode}; dump it again")


def _check_pixels(pack: Pack, entry: Entry, storage: str, *, is_cheap: bool) -> Iterator[Finding]:
    head = head_of(pack, entry.path)
    if head is None:
        yield Finding("error", entry.path, "cannot be read as a picture; put back a sound copy")
        return
    if not is_cheap or head.width * head.height > bounds.DUCKSTATION_PIXELS or not entry.path.lower().endswith(".png"):
        return
    try:
        pixels = decode(pack.read(entry.path, None), entry.path.rpartition("/")[2]).pixels
    except TextureError:
        yield Finding("error", entry.path, "cannot be read as a picture; put back a sound copy")
        return
    if pixels.shape[2] not in (2, 4):
        return
    if storage == SEMI and pixels[pixels[..., -1] == 0].any():
        yield Finding("warning", entry.path, "colour under alpha 0 shows half-transparent; make it (0, 0, 0, 0)")
    elif storage == OPAQUE and (pixels != snap_alpha(pixels, LEVELS[OPAQUE])).any():
        yield Finding("warning", entry.path, "soft alpha is cut at half; make it 0 and 255")
