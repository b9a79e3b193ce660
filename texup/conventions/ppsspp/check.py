"""What PPSSPP makes of a finished pack: the rules of its loader, as findings.

References:
    PPSSPP, GPU/Common/ReplacedTexture.cpp: formats are told by their first bytes, the DDS kinds, sizes of levels;
    ``LoadLevelData`` reads as many levels of a DDS as its header counts, none where it counts 0.
    libpng manual, "png_image": the simplified reader converts by gAMA to sRGB.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Literal, NamedTuple

from texup.conventions.ppsspp.game import Game, games_of, ini_findings
from texup.conventions.ppsspp.names import DUMPS, parse
from texup.conventions.ppsspp.textures_ini import Key
from texup.errors import TextureError
from texup.packs.heads import HEAD
from texup.packs.pack import Finding, Pack
from texup.textures.codecs.dds_header import DdsHeader, parse_dds
from texup.textures.codecs.files import SUFFIXES

ZIP_NAME = "textures.zip"
FOURCCS = (b"DXT1", b"DXT3", b"DXT5")
DXGI_FORMATS = (71, 72, 74, 75, 77, 78, 98, 99)
SRGB_GAMMA = 45455  # of gAMA, 1/2.2
_PNG, _DDS, _KTX2, _ZIM = b"\x89PNG\r\n\x1a\n", b"DDS ", b"\xabKTX 20\xbb\r\n\x1a\n", b"ZIMG"


class Picture(NamedTuple):
    """What the loader takes from the head of a file."""

    format: str
    width: int
    height: int
    """Pixels; 0 where only the format is told."""


def check(pack: Pack) -> Iterator[Finding]:
    """Yield what PPSSPP would not find, not load, or not as meant."""
    for game in games_of(pack):
        yield from ini_findings(game)
        if ZIP_NAME in game.files:
            yield Finding("warning", game.files[ZIP_NAME], "PPSSPP reads it in place of all loose files; remove one")
        slashes = [v for ini in game.inis.values() for v in ini.hashes().values() if "\\" in v.text]
        if slashes:
            text = f"{len(slashes)} paths with a backslash, which PPSSPP calls not portable; write /"
            yield Finding("warning", game.files[next(iter(game.inis))], text)
        for file, path in game.files.items():
            suffix = file[file.rfind(".") :].lower()
            is_texture = suffix in SUFFIXES or parse(file) is not None
            if is_texture and file not in game.spots and not file.startswith(DUMPS):
                yield Finding("warning", path, "PPSSPP does not find it: name it in textures.ini")
        pictures: dict[str, Picture] = {}
        for file in game.spots:
            yield from _look(pack, game.files[file], file, pictures)
        yield from _check_levels(game, pictures)


def _look(pack: Pack, path: str, file: str, pictures: dict[str, Picture]) -> Iterator[Finding]:
    """Read the head of a file into ``pictures``, and yield why the loader would not."""
    try:
        data = pack.read(path, HEAD)
        if data.startswith(_PNG) and len(data) >= 33:
            pictures[file] = Picture("PNG", *struct.unpack_from(">II", data, 16))
            if _gamma(data) not in (None, SRGB_GAMMA):
                text = "PPSSPP changes its colours by its gAMA chunk; save it without"
                yield Finding("warning", path, text)
        elif data.startswith(_DDS):
            header = parse_dds(data)
            pictures[file] = Picture("DDS", header.width, header.height)
            yield from _check_dds(path, header)
        elif data.startswith((_KTX2, _ZIM)):
            pictures[file] = Picture("KTX2" if data.startswith(_KTX2) else "ZIM", 0, 0)
        else:
            yield Finding("error", path, "PPSSPP reads only PNG, DDS, KTX2 and ZIM; save it as PNG")
    except TextureError as error:
        yield Finding("error", path, f"PPSSPP cannot load it: {error.reason}")


def _gamma(data: bytes) -> int | None:
    """Return the value of a PNG's gAMA chunk, which stands before the pixels."""
    at = 8
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"gAMA":
            return int.from_bytes(data[at + 8 : at + 12], "big")
        if kind == b"IDAT":
            return None
        at += 12 + length
    return None


def _check_dds(path: str, header: DdsHeader) -> Iterator[Finding]:
    known = header.fourcc in FOURCCS if header.dxgi is None else header.dxgi in DXGI_FORMATS
    if header.block is None:
        yield Finding("error", path, "PPSSPP loads no uncompressed DDS; save it as BC7, BC3 or PNG")
    elif not known:
        yield Finding("error", path, "PPSSPP does not know this compression; save it as BC7, BC3 or BC1")
    elif header.extra:
        yield Finding("error", path, f"PPSSPP shows only the first picture of a {header.extra}; save it apart")
    elif not header.mips:
        yield Finding("error", path, "its header counts 0 levels, and PPSSPP loads none; write 1 or a full chain")
    elif header.width % 4 or header.height % 4:
        text = f"{header.width} x {header.height} is not whole 4 x 4 blocks, which may show faults with Direct3D 11"
        yield Finding("warning", path, text)


def _check_levels(game: Game, pictures: dict[str, Picture]) -> Iterator[Finding]:
    chains: dict[Key, dict[int, str]] = {}
    for (key, level), file in game.file_of.items():
        chains.setdefault(key, {})[level] = file
    for chain in chains.values():
        for level in sorted(chain):
            for severity, text in _level_problems(chain, level, pictures):
                yield Finding(severity, game.files[chain[level]], text)


def _level_problems(
    chain: dict[int, str], level: int, pictures: dict[str, Picture]
) -> Iterator[tuple[Literal["error", "warning"], str]]:
    """Yield why the loader passes over one level of a texture."""
    if not level:
        return
    if level - 1 not in chain:
        yield "warning", f"level {level} without level {level - 1}; PPSSPP stops there"
    first, this = pictures.get(chain.get(0, "")), pictures.get(chain[level])
    if first is None or this is None or not first.width:
        return
    size = max(first.width >> level, 1), max(first.height >> level, 1)
    if first.format == "DDS":
        yield "warning", f"PPSSPP takes all levels from the DDS {chain[0]} itself"
    elif this.format != first.format:
        yield "warning", f"{this.format}, but level 0 is {first.format}; PPSSPP needs one format for all levels"
    elif (this.width, this.height) != size:
        text = f"level {level} is {this.width} x {this.height}, not {size[0]} x {size[1]}; PPSSPP does not load it"
        yield "error", text
