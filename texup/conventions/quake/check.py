"""What Quake engines ignore or refuse in a finished pack.

References:
    DarkPlaces, ``image.c`` and ``gl_textures.c`` (R_LoadTextureDDSFile), as read in 2025.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from texup.errors import TextureError
from texup.packs.heads import size_of
from texup.packs.pack import Finding, Pack
from texup.policy.roles import stem_of
from texup.textures.codecs.dds_header import ALPHA, HEADER_SIZE, DdsHeader, parse_dds

FORMATS = ("tga", "png", "jpg")
"""In the order in which engines look, PCX last."""
READ = frozenset((*FORMATS, "pcx", "dds"))
MIPS_FOLLOW = 0x400000  # dwCaps, DDSCAPS_MIPMAP
BGRA = (0xFF0000, 0xFF00, 0xFF)
FRAME = re.compile(r"(?P<folder>(?:.*/)?)\+[0-9a-j](?P<name>[^/]+)")
LAYERS = ("_norm", "_alpha")

Size = tuple[int, int]


def check(pack: Pack) -> Iterator[Finding]:
    """Yield what engines would ignore or refuse."""
    paths = [entry.path for entry in pack.entries if entry.kind == "texture"]
    by_stem: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        by_stem[stem_of(path)].append(path)
        yield from _check_name(path)
        if path.lower().endswith(".dds"):
            yield from _check_dds(path, pack)
    for same in by_stem.values():
        yield from _check_formats(same)
    yield from _check_frames(by_stem, pack)
    yield from _check_layers(by_stem, pack)


def _check_name(path: str) -> Iterator[Finding]:
    extension = path.rpartition(".")[2].lower()
    if extension not in READ:
        yield Finding("warning", path, f"engines read no .{extension}; convert it to PNG or TGA")
    if path.rpartition("/")[2].startswith("*"):
        yield Finding("warning", path, "engines look for # in place of *; rename it")


def _check_formats(same: Sequence[str]) -> Iterator[Finding]:
    """Name the files that another one of the same name goes before."""
    ranked = {FORMATS.index(end): path for path in same if (end := path.rpartition(".")[2].lower()) in FORMATS}
    for rank, path in ranked.items():
        if rank != min(ranked):
            yield Finding("warning", path, f"ignored: engines take {ranked[min(ranked)]} before it")


def _check_dds(path: str, pack: Pack) -> Iterator[Finding]:
    try:
        header = parse_dds(pack.read(path, HEADER_SIZE))
    except TextureError as error:
        yield Finding("error", path, str(error))
        return
    if "dds" not in path.lower().split("/")[:-1]:
        yield Finding("warning", path, "ignored: DarkPlaces looks for DDS files below the folder dds/ only")
    fault = _fault_of(header)
    if fault:
        yield Finding("error", path, fault)
    elif header.mips > 1 and not header.caps & MIPS_FOLLOW:
        yield Finding("warning", path, "its smaller levels are ignored: caps lack 0x400000; write it anew")
    elif (header.masks[3] or header.block in ("bc2", "bc3")) and not header.format_flags & ALPHA:
        yield Finding("hint", path, "its alpha is ignored unless r_texture_dds_load_alphamode is 1 or 2")


def _fault_of(header: DdsHeader) -> str:
    """Return why DarkPlaces refuses a file, or ""."""
    if header.dxgi is not None:
        return "DarkPlaces reads no DX10 header; write DXT1, DXT5 or 32-bit BGRA"
    if header.extra:
        return f"DarkPlaces reads no {header.extra}"
    if header.block in ("bc1", "bc2", "bc3"):
        return ""
    if not header.block and header.bits == 32 and header.masks[:3] == BGRA:
        return ""
    return "DarkPlaces reads DXT1 to DXT5 and 32-bit BGRA only; write one of them"


def _check_frames(by_stem: Mapping[str, Sequence[str]], pack: Pack) -> Iterator[Finding]:
    """Compare the frames of each animation: ``+0name`` to ``+9name``, and ``+aname`` on where it is shot at."""
    animations: dict[tuple[str, str], list[str]] = defaultdict(list)
    for stem, same in by_stem.items():
        frame = FRAME.fullmatch(stem)
        if frame:
            animations[frame["folder"], frame["name"]].append(same[0])
    for frames in animations.values():
        sizes = {path: size for path in frames if (size := size_of(pack, path))}
        for path, size in sizes.items():
            first = next(iter(sizes))
            if size != sizes[first]:
                text = f"is {_text(size)}, but frame {first} is {_text(sizes[first])}; make them equal"
                yield Finding("warning", path, text)


def _check_layers(by_stem: Mapping[str, Sequence[str]], pack: Pack) -> Iterator[Finding]:
    for stem, same in by_stem.items():
        suffix = next((layer for layer in LAYERS if stem.endswith(layer)), "")
        base = by_stem.get(stem.removesuffix(suffix)) if suffix else None
        sizes = [size_of(pack, path) for path in (same[0], base[0])] if base else []
        if base and None not in sizes and sizes[0] != sizes[1]:
            text = f"is {_text(sizes[0])}, but {base[0]} is {_text(sizes[1])}; make them equal"
            yield Finding("warning", same[0], text)


def _text(size: Size | None) -> str:
    return f"{size[0]} x {size[1]}" if size else "unreadable"
