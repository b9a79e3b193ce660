"""Names of Nintendo 64 textures, as Rice Video made them up and GLideN64 and RT64 read them.

::

    SUPER MARIO 64#0A1B2C3E#2#1#2DC66F47_ciByRGBA.png
    ROM name       checksum │ │ palette  │        └ png or bmp
                     format ┘ └ size     └ what the file holds

References:
    GLideN64 ``src/GLideNHQ/TxHiResLoader.cpp`` (``checkFileName``), mupen64plus-video-rice ``src/TextureFilters.cpp``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from texup.conventions.convention import Name

FMT_CI, FMT_I = "2", "4"
"""Values of ``fmt``: 0 RGBA, 1 YUV, 2 palette (CI), 3 grey + alpha (IA), 4 intensity (I); ``siz`` is 4 << siz bits."""
NO_CRC = "0" * 8

_GRAMMAR = re.compile(
    r"""(?P<rom>[^#/\\]+)
    (?: \#(?P<crc>[0-9A-F]{8})\#(?P<fmt>[0-4])\#(?P<siz>[0-3])(?:\#(?P<pal>[0-9A-F]{8}|\$))?
      | \#(?P<anycrc>\$)\#(?P<fmt2>[0-4])\#(?P<siz2>[0-3])\#(?P<pal2>[0-9A-F]{8}) )
    _(?P<kind>allciByRGBA|ciByRGBA|all|rgb|a|ci)\.(?P<ext>png|bmp)""",
    re.VERBOSE | re.IGNORECASE,
)
_FIELD = {"anycrc": "crc", "fmt2": "fmt", "siz2": "siz", "pal2": "pal"}
_KINDS = {kind.lower(): kind for kind in ("allciByRGBA", "ciByRGBA", "all", "rgb", "a", "ci")}


def parse(path: str) -> Name | None:
    """Read a relative path; fields are rom, crc, fmt, siz, pal, kind, ext."""
    match = _GRAMMAR.fullmatch(path.rpartition("/")[2])
    if match is None:
        return None
    fields = {_FIELD.get(key, key): value for key, value in match.groupdict().items() if value is not None}
    return Name(path, fields)


def format_name(name: Name) -> str:
    """Return the bare name with hex in upper case and the ending as ``ciByRGBA``, which is compared byte for byte."""
    return f"{key_of(name)}_{kind_of(name)}.{name.fields['ext'].lower()}"


def key_of(name: Name) -> str:
    """Return what all files of one texture share: the canonical name up to its ending."""
    fields = name.fields
    palette = f"#{fields['pal'].upper()}" if "pal" in fields else ""
    return f"{fields['rom']}#{fields['crc'].upper()}#{fields['fmt']}#{fields['siz']}{palette}"


def kind_of(name: Name) -> str:
    """Return what the file holds: all, rgb, a, ciByRGBA, allciByRGBA or ci."""
    return _KINDS[name.fields["kind"].lower()]


def merged_name(name: Name) -> str:
    """Return the canonical bare name of the one RGBA file that a colour file and its alpha file become."""
    fields: Mapping[str, str] = {**name.fields, "kind": "all", "ext": "png"}
    return format_name(replace(name, fields=fields))


def lookup(target: str) -> str:
    """Return what GLideN64 finds a target by: folder of the game and the texture, whatever subfolder and ending."""
    name = parse(target)
    if name is not None:
        return f"{'/'.join(target.split('/')[:2])}#{key_of(name)}"
    stem, _, suffix = target.rpartition(".")
    return stem if suffix.lower() in ("dds", "png") else target
