"""What Dolphin does with the files of a finished texture pack, by its own rules.

References:
    dolphin-emu/dolphin, Source/Core/VideoCommon/Assets/TextureAssetUtils.cpp: sizes and levels;
    Assets/CustomTextureData.cpp: DDS; HiresTextures.cpp: names; UICommon/ResourcePack/Manifest.cpp: resource packs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from texup import bounds
from texup.conventions.convention import Name
from texup.conventions.dolphin.dds import coding, faults, levels
from texup.conventions.dolphin.names import (
    GAME_ID,
    RESOURCE_TEXTURES,
    SURE_ID,
    is_marker,
    is_render_target,
    lookup,
    parse,
    stem_of,
)
from texup.conventions.shared.game_folders import Spot, locate
from texup.errors import TextureError
from texup.packs.heads import HEAD
from texup.packs.pack import Finding, Pack, read_bounded
from texup.texts import parse_json
from texup.textures.codecs.dds_header import parse_dds
from texup.textures.codecs.files import read_header

MANIFEST = "manifest.json"
_REQUIRED = ("name", "version", "id")


@dataclass(frozen=True, slots=True)
class _Image:
    """What Dolphin sees of one file."""

    width: int
    height: int
    format: str
    """The pixel format that Dolphin keeps it in: "rgba8" or a block coding."""
    levels: int = 1


def check(pack: Pack) -> Iterator[Finding]:
    """Yield what Dolphin would refuse, ignore or show badly."""
    spot = locate(pack, SURE_ID, RESOURCE_TEXTURES)
    yield from _check_manifest(pack)
    yield from _check_games(pack, spot)
    seen: dict[str, str] = {}
    chains: defaultdict[tuple[str, ...], dict[int, Name]] = defaultdict(dict)
    for path in (entry.path for entry in pack.entries if entry.kind == "texture"):
        name = parse(path)
        if name is None:
            if not _is_logo(pack, path):
                yield Finding("warning", path, _why_ignored(path))
            continue
        first = seen.setdefault(f"{spot(path).game}/{lookup(path.rpartition('/')[2])}", path)
        if first != path:
            yield Finding("error", path, f"the same texture as {first}; Dolphin ignores one of them: remove it")
            continue
        chains[path.rpartition("/")[0], stem_of(name), name.fields["ext"]][name.level] = name
    sizes = {entry.path: entry.size for entry in pack.entries}
    for chain in chains.values():
        yield from _check_levels(pack, chain, sizes)


def read_manifest(pack: Pack) -> dict[str, Any] | None:
    """Return the manifest of a resource pack; None where it is no JSON object."""
    try:
        found = parse_json(read_bounded(pack, MANIFEST, bounds.DOLPHIN_BYTES))
    except (ValueError, TextureError):
        return None
    return found if isinstance(found, dict) else None


def _check_manifest(pack: Pack) -> Iterator[Finding]:
    if not any(entry.path == MANIFEST for entry in pack.entries):
        return
    manifest = read_manifest(pack)
    if manifest is None:
        yield Finding("error", MANIFEST, "no JSON object, so Dolphin cannot install the resource pack")
        return
    missing = [key for key in _REQUIRED if not isinstance(manifest.get(key), str)]
    if missing:
        yield Finding("error", MANIFEST, f"needs {' and '.join(missing)} as text, or Dolphin refuses the resource pack")


def _check_games(pack: Pack, spot: Callable[[str], Spot]) -> Iterator[Finding]:
    marked = {spot(entry.path).game for entry in pack.entries if is_marker(entry)}
    places = dict.fromkeys(spot(entry.path).game for entry in pack.entries if spot(entry.path).is_sure)
    for game in places:
        if game not in marked and not GAME_ID.fullmatch(game):
            text = f"'{game}' is no game id such as GALE01 and has no file such as GALE01.txt: Dolphin never reads it"
            yield Finding("warning", "", text)


def _is_logo(pack: Pack, path: str) -> bool:
    return path == "logo.png" and any(entry.path == MANIFEST for entry in pack.entries)


def _why_ignored(path: str) -> str:
    if is_render_target(path):
        return "a render target, which Dolphin never reads back"
    if path.lower().endswith((".png", ".dds")):
        return "not a Dolphin name, so Dolphin ignores it"
    return "Dolphin reads only PNG and DDS"


def _check_levels(pack: Pack, chain: Mapping[int, Name], sizes: Mapping[str, int]) -> Iterator[Finding]:
    """Check a texture from its largest level down; the first level that is wrong ends it."""
    if 0 not in chain:
        name = chain[min(chain)]
        yield Finding("error", name.path, "has no level 0 beside it, so Dolphin never reads it")
        return
    first = yield from _check_file(pack, chain[0], sizes)
    if first is None:
        return
    yield from _check_native(chain[0], first)
    width, height, count = first.width, first.height, 1
    while count < first.levels:
        width, height, count = max(width // 2, 1), max(height // 2, 1), count + 1
    for level in sorted(chain)[1:]:
        name = chain[level]
        if level < count:
            yield Finding("warning", name.path, "the DDS of level 0 holds this level already; Dolphin ignores the file")
            continue
        if level > count:
            yield Finding("error", name.path, f"there is no level {count} before it, where Dolphin stops")
            break
        image = yield from _check_file(pack, name, sizes)
        if image is None:
            break
        if max(width, height) == 1:
            yield Finding("error", name.path, "comes after a level of 1 x 1; Dolphin drops it")
            break
        width, height, count = max(width // 2, 1), max(height // 2, 1), count + 1
        if (image.width, image.height) != (width, height):
            text = f"{image.width} x {image.height}, but must be {width} x {height}; Dolphin drops it and all smaller"
            yield Finding("error", name.path, text)
            break
        if image.format != first.format:
            text = f"{image.format}, but level 0 is {first.format}; Dolphin refuses the whole texture"
            yield Finding("error", name.path, text)
            break
    if "m" in chain[0].fields and count == 1:
        yield Finding("warning", chain[0].path, "the game uses smaller levels, but there are none: it will shimmer")


def _check_native(name: Name, image: _Image) -> Iterator[Finding]:
    native_width, native_height = name.native or (1, 1)
    size = f"{image.width} x {image.height}"
    native = f"the native {native_width} x {native_height}"
    if image.width * native_height != image.height * native_width:
        yield Finding("warning", name.path, f"{size} has not the aspect of {native}; Dolphin may show it distorted")
    elif image.width % native_width or image.height % native_height:
        yield Finding("warning", name.path, f"{size} is not a whole multiple of {native}, as Dolphin asks for")


def _check_file(pack: Pack, name: Name, sizes: Mapping[str, int]) -> Generator[Finding, None, _Image | None]:
    """Return what Dolphin sees of a file; None, after a finding, where it refuses it."""
    path = name.path
    try:
        data = pack.read(path, HEAD)
        if path.lower().endswith(".dds"):
            header = parse_dds(data)
            found = list(faults(header, sizes[path], is_first=name.level == 0))
            yield from (Finding("error", path, f"Dolphin refuses this DDS: {text}") for text in found)
            return None if found else _Image(header.width, header.height, coding(header), levels(header))
        head = read_header(data, path)
    except TextureError as error:
        yield Finding("error", path, error.reason)
        return None
    return _Image(head.width, head.height, "rgba8")
