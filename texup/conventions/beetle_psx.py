"""Beetle PSX HW, the libretro core: textures of PlayStation games by checksums of texture and palette.

References:
    beetle-psx-libretro ``rhi/rhi_tt.c`` (``find_replacement_file``, ``convert_tri_to_psx``), ``HD_TEXTURE_CACHE.md``
    and ``PAGE_ALIGN.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from texup.conventions.convention import Convention, Name, Planned, Wishes
from texup.conventions.shared.png_loaders import below, plan_other, snap_alpha
from texup.packs.heads import head_of
from texup.packs.pack import Finding, Pack
from texup.policy.classify import Treatment
from texup.textures.texture import Texture

TITLE = "Beetle PSX HW"
LEVELS = (0, 127, 255)
"""Alpha of transparent, semi-transparent and opaque texels in dumps."""
SUFFIXES = ("png", "dds", "webp", "jpg", "jpeg", "bmp", "tga")
"""In the order in which the core tries them."""
MISSING = "missing"
SURE = 5
"""Digits of a checksum by which a name is no accident, as ``1-2.png`` is; of 65,536 checksums one has fewer."""

_GRAMMAR = re.compile(
    r"(?P<tex>[0-9a-f]{1,8})-(?P<pal>[0-9a-f]{1,8}|missing)\.(?P<ext>png|dds|webp|jpe?g|bmp|tga)",
    re.IGNORECASE | re.ASCII,
)
_FOLDER = re.compile(r"(?s:(?P<disc>.+))-texture-(?:dump|replacements)(?P<pages>-pages)?")


def parse(path: str) -> Name | None:
    """Read a relative path; fields are tex, pal and ext."""
    match = _GRAMMAR.fullmatch(path.rpartition("/")[2])
    return Name(path, match.groupdict()) if match else None


def format_name(name: Name) -> str:
    """Return the bare name with hex in lower case and without leading zeros, as the core makes it up."""
    return f"{stem_of(name)}.{name.fields['ext'].lower()}"


def stem_of(name: Name) -> str:
    """Return the canonical name without its suffix, by which the core finds a texture."""
    palette = name.fields["pal"].lower()
    return f"{int(name.fields['tex'], 16):x}-{palette if palette == MISSING else f'{int(palette, 16):x}'}"


def home_of(pack: Pack, path: str) -> tuple[str, bool]:
    """Return the folder that the core loads a file from, and whether its own folders say so."""
    for part in reversed((*pack.place, *path.split("/")[:-1])):
        match = _FOLDER.fullmatch(part)
        if match:
            return f"{match['disc']}-texture-replacements{match['pages'] or ''}", True
    return f"{pack.place[-1] if pack.place else 'disc'}-texture-replacements", False


def detect(pack: Pack) -> float:
    """Return the share of the core's names; outside of its folders names of few digits do not count."""
    textures = [entry.path for entry in pack.entries if entry.kind == "texture"]
    is_placed = any(home_of(pack, path)[1] for path in textures)
    names = [name for name in map(parse, textures) if name and (is_placed or len(stem_of(name).split("-")[0]) >= SURE)]
    return len(names) / max(1, len(textures)) + 0.2 * (is_placed and bool(names))


def plan(pack: Pack, wishes: Wishes) -> Iterator[Planned | Finding]:
    """Bring a dump into the replacements' folder, where the core looks in no subfolder; all as PNG.

    PNG goes before all other formats, and only formats without loss keep three levels of alpha and blacks apart.
    """
    blur = f"{TITLE} tests alpha exactly, which DDS does not keep"
    if wishes.dds == "auto":
        yield Finding("warning", "", f"{blur}; PNG is written")
    elif wishes.dds:
        yield Finding("error", "", f"{blur}; leave out --dds")
    used = _used(pack)
    for entry in pack.entries:
        name = parse(entry.path) if entry.kind == "texture" else None
        home = home_of(pack, entry.path)[0]
        if name is None:
            yield plan_other(entry, below(home, _subfolders(entry.path)), wishes, TITLE)
        elif name.fields["pal"].lower() == MISSING:
            yield Planned(entry.path, "skip", "dumped without its palette, which cannot be loaded")
        elif used[home, stem_of(name)].path != entry.path:
            yield Planned(entry.path, "skip", f"the same texture as {used[home, stem_of(name)].path}")
        else:
            target = f"{stem_of(name)}.png"
            note = "" if target == entry.path.rpartition("/")[2] else "written in the spelling that the loader finds"
            yield Planned(entry.path, "upscale", note, f"{home}/{target}", Treatment(store="rgba"))
    if any(not home_of(pack, name.path)[1] for name in used.values()):
        text = f"no folder says which disc this is; rename {home_of(pack, '')[0]} to <disc image>-texture-replacements"
        yield Finding("warning", "", text)


def _subfolders(path: str) -> str:
    """Return the folders of a path without those of the core."""
    parts = path.split("/")[:-1]
    last = max((at for at, part in enumerate(parts) if _FOLDER.fullmatch(part)), default=-1)
    return "/".join(parts[last + 1 :])


def _used(pack: Pack) -> dict[tuple[str, str], Name]:
    """Return the file of each texture that the core would take, by home and canonical name."""
    names = [name for name in (parse(entry.path) for entry in pack.entries if entry.kind == "texture") if name]
    used: dict[tuple[str, str], Name] = {}
    for name in sorted(names, key=lambda name: SUFFIXES.index(name.fields["ext"].lower())):
        if name.fields["pal"].lower() != MISSING:
            used.setdefault((home_of(pack, name.path)[0], stem_of(name)), name)
    return used


def from_work(result: Texture, _source: Texture, _planned: Planned) -> Texture:
    """Return a result with alpha at three levels, and opaque black as (1, 1, 1): 0 means transparent to the console."""
    pixels = snap_alpha(result.pixels, LEVELS).copy()
    one, full = (257, 65535) if pixels.dtype == np.uint16 else (1, 255)
    has_alpha = pixels.shape[2] in (2, 4)
    colour = pixels[..., :-1] if has_alpha else pixels
    is_opaque = pixels[..., -1] == full if has_alpha else np.ones(pixels.shape[:2], bool)
    colour[is_opaque & ~colour.any(axis=2)] = one
    return replace(result, pixels=pixels)


def lookup(target: str) -> str:
    """Return the folder and the name without its suffix."""
    name = parse(target)
    return f"{target.split('/')[0]}/{stem_of(name)}" if name else target


def check(pack: Pack) -> Iterator[Finding]:
    """Find names that the core does not look for, files that it passes over, and pictures that it cannot read."""
    used = _used(pack)
    for path in (entry.path for entry in pack.entries if entry.kind == "texture"):
        name = parse(path)
        if name is None:
            yield Finding("warning", path, f"is ignored: {TITLE} finds no texture by this name")
        elif name.fields["pal"].lower() == MISSING:
            yield Finding("warning", path, "is ignored: it was dumped without its palette; dump it again")
        else:
            yield from _check_named(pack, name, used[home_of(pack, path)[0], stem_of(name)].path)


def _check_named(pack: Pack, name: Name, used: str) -> Iterator[Finding]:
    """Find what is wrong with a texture whose name is sound; ``used`` is the file that is taken for it."""
    path = name.path
    home, is_placed = home_of(pack, path)
    folder = (*pack.place, *path.split("/")[:-1])[-1:]
    if used != path:
        yield Finding("warning", path, f"is the same texture as {used}, which is used; remove one of the two")
    elif format_name(name) != path.rpartition("/")[2]:
        yield Finding("error", path, f"is not found by this spelling; rename it to {format_name(name)}")
    elif is_placed and not _FOLDER.fullmatch("".join(folder)):
        yield Finding("warning", path, f"is ignored: {TITLE} looks in no subfolder; move it up to {home}")
    elif head_of(pack, path) is None:
        yield Finding("error", path, "cannot be read as a picture; put back a sound copy")


BEETLE_PSX = Convention(
    id="beetle-psx",
    title=TITLE,
    detect=detect,
    parse=parse,
    format=format_name,
    plan=plan,
    check=check,
    from_work=from_work,
    lookup=lookup,
    home=1,
    palettes=False,
    facts={
        "dump": "<disc>-texture-dump or <disc>-texture-dump-pages, beside the disc image",
        "writes": "<disc>-texture-replacements[-pages], RGBA PNG",
        "alpha": "0, 127 and 255; opaque black becomes (1, 1, 1)",
        "mips": "made by the core",
    },
)
