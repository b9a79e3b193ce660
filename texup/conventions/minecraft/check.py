"""What Minecraft makes of a finished resource pack."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from texup import bounds
from texup.conventions.minecraft import mcmeta
from texup.conventions.minecraft.anim import animation_files, animation_reader, check_animation
from texup.conventions.minecraft.names import Role, Spot, role_finder, spot_of
from texup.errors import TextureError
from texup.packs.heads import PNG_HEAD, size_of
from texup.packs.pack import Finding, Pack, read_bounded
from texup.textures.codecs.files import read_header

PACK_FILE = "pack.mcmeta"
_LEGAL = re.compile(r"assets/[a-z0-9_.-]+/[a-z0-9_./-]+")
_LOWER_SINCE = 3  # pack_format of the first game that takes no upper case, 1.11
_ATLAS = ("block", "blocks", "item", "items")  # drawn into one picture with one chain of mips
_BITS_AT = 24  # byte of a PNG that says the bits of a sample


def check(pack: Pack) -> Iterator[Finding]:
    """Yield what the game would refuse, ignore or show wrongly."""
    paths = {entry.path for entry in pack.entries if entry.kind != "refused"}
    spots = {path: spot_of(path, pack.place) for path in paths}
    has_assets = any(spot and spot.namespace for spot in spots.values())
    number = 0
    for item in _check_root(pack, paths, has_assets=has_assets):
        if isinstance(item, Finding):
            yield item
        else:
            number = item
    if not has_assets:
        yield Finding("warning", "", "no assets/ folder: Minecraft 1.6 and later find no picture here")
    role_of = role_finder(pack)
    for entry in pack.entries:
        spot = spots.get(entry.path)
        if spot is None:
            continue
        yield from _check_name(entry.path, spot, number)
        if entry.path.lower().endswith(mcmeta.SUFFIX):
            yield from _check_meta(pack, entry.path, paths)
        elif entry.kind == "texture":
            yield from _check_picture(pack, entry.path, spot)
            yield from _check_pair(pack, entry.path, role_of(entry.path), paths)
    read = animation_reader(pack)
    for path in animation_files(pack):
        if path in paths:
            yield from check_animation(pack, path, read)


def _check_root(pack: Pack, paths: set[str], *, has_assets: bool) -> Iterator[Finding | int]:
    """Yield findings about ``pack.mcmeta`` and the number of its format."""
    if PACK_FILE not in paths:
        deeper = sorted(path for path in paths if path.endswith("/" + PACK_FILE))
        text = f"no {PACK_FILE} at the root of the pack: the game does not list it"
        if deeper:
            text = f"{PACK_FILE} lies in {deeper[0].rpartition('/')[0]}/; the game wants it at the root of the pack"
        yield Finding("error" if has_assets else "warning", "", text)
        return
    try:
        yield _format_of(mcmeta.load(read_bounded(pack, PACK_FILE, bounds.MINECRAFT_BYTES)))
    except ValueError as error:
        yield Finding("error", PACK_FILE, f"{error}; the game does not list the pack")
    except TextureError as error:
        yield Finding("error", PACK_FILE, str(error))


def _format_of(root: Any) -> int:
    """Return the number of a pack's format from a parsed ``pack.mcmeta``.

    Raises:
        ValueError: it has none.
    """
    section: Any = root.get("pack") if isinstance(root, dict) else None
    if not isinstance(section, dict) or not {"pack_format", "min_format"} & section.keys():
        raise ValueError("has no pack.pack_format")
    number = section.get("pack_format", _LOWER_SINCE)
    return number if isinstance(number, int) else _LOWER_SINCE


def _check_name(path: str, spot: Spot, number: int) -> Iterator[Finding]:
    if not spot.namespace or _LEGAL.fullmatch(path[path.lower().find("assets/") :]):
        return
    text = "the game takes only a-z 0-9 _ - . and / in names; rename it"
    yield Finding("error" if number >= _LOWER_SINCE else "warning", path, text)


def _check_picture(pack: Pack, path: str, spot: Spot) -> Iterator[Finding]:
    if not path.lower().endswith(".png"):
        yield Finding("warning", path, "Minecraft reads PNG only; it is ignored")
        return
    try:
        head = pack.read(path, PNG_HEAD)
        header = read_header(head, path.rpartition("/")[2])
    except TextureError as error:
        yield Finding("error", path, str(error))
        return
    if head[_BITS_AT] > 8:
        yield Finding("warning", path, f"has {head[_BITS_AT]} bits a sample; the game keeps 8")
    if spot.folder in _ATLAS and (header.width % 2 or header.height % 2):
        size = f"{header.width}x{header.height}"
        yield Finding("warning", path, f"its odd size {size} leaves the whole atlas without smaller levels")


def _check_meta(pack: Pack, path: str, paths: set[str]) -> Iterator[Finding]:
    picture = path[: -len(mcmeta.SUFFIX)]
    if picture not in paths:
        yield Finding("warning", path, "lies beside no picture; it is ignored")
        return
    try:
        meta = mcmeta.parse(pack.read(path, bounds.MINECRAFT_BYTES + 1))
    except ValueError as error:
        yield Finding("error", path, f"{error}; the game does not show {picture.rpartition('/')[2]}")
        return
    except TextureError as error:
        yield Finding("error", path, str(error))
        return
    size = size_of(pack, picture)
    if meta.animated and size is not None:
        yield from _check_frames(path, picture, meta, size)


def _check_frames(path: str, picture: str, meta: mcmeta.Meta, size: tuple[int, int]) -> Iterator[Finding]:
    wide, tall = mcmeta.frame_size(meta, *size)
    if size[0] % wide or size[1] % tall:
        text = f"is {size[0]}x{size[1]}, not a multiple of the frame size {wide}x{tall}; the game does not show it"
        yield Finding("error", picture, text)
        return
    count = (size[0] // wide) * (size[1] // tall)
    unknown = [number for number in meta.frames if not 0 <= number < count]
    if unknown:
        yield Finding("warning", path, f"names frame {unknown[0]}, but the picture has {count}; it is left out")


def _check_pair(pack: Pack, path: str, role: Role, paths: set[str]) -> Iterator[Finding]:
    stem = path.rpartition(".")[0]
    name, base = role.name, role.base
    if not name and stem.endswith(("_n", "_s")) and path.lower().endswith(".png"):
        name, base = stem[-2:], stem[:-2] + path[len(stem) :]
    if not name:
        return
    if base not in paths:
        yield Finding("warning", path, f"is a map by its name, but {base.rpartition('/')[2]} is not here")
        return
    if name != "_e":
        return
    sizes = [size_of(pack, one) for one in (path, base)]
    if None not in sizes and sizes[0] != sizes[1]:
        text = "{}x{} lies over a picture of {}x{}; make them equal"
        yield Finding("warning", path, text.format(*(side for size in sizes if size for side in size)))
