"""What PCSX2 makes of a finished pack: the rules of its loader, as findings.

References:
    PCSX2, pcsx2/GS/Renderers/HW/GSTextureReplacementLoaders.cpp: PNG of colour type 2 and 6 is copied row by row,
    other types come out empty or as garbage; DDS sizes, FourCC and DXGI formats, and what needs a full chain.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from texup.conventions.pcsx2.names import key_of, locate, parse
from texup.errors import TextureError
from texup.packs.heads import HEAD
from texup.packs.pack import Finding, Pack
from texup.textures.codecs.dds_header import DdsHeader, level_sizes, parse_dds
from texup.textures.codecs.files import SUFFIXES, read_header

MAX_DDS_SIDE = 32767
FOURCCS = (b"DXT1", b"DXT2", b"DXT3", b"DXT4", b"DXT5")
DXGI_FORMATS = (71, 74, 77, 98)
TEXTURE2D = 3
_PNG_KINDS = {0: "grey", 3: "palette", 4: "grey and alpha"}


def check(pack: Pack) -> Iterator[Finding]:
    """Yield what PCSX2 would not load, or not as meant."""
    seen: dict[tuple[str, str], str] = {}
    for entry in pack.entries:
        suffix = entry.path[entry.path.rfind(".") :].lower()
        place = locate(pack.place, entry.path)
        if suffix not in SUFFIXES or place.kind == "dumps":
            continue
        name = parse(entry.path)
        if name is None:
            yield Finding("warning", entry.path, "PCSX2 ignores it: not one of its names")
        elif name.level:
            yield Finding("warning", entry.path, "PCSX2 never loads files of mip levels; put them into a DDS")
        else:
            if place.kind != "replacements":
                text = "PCSX2 looks only below textures/SERIAL/replacements; move it there"
                yield Finding("warning", entry.path, text)
            first = seen.setdefault((place.serial, key_of(name)), entry.path)
            if first != entry.path:
                yield Finding("warning", entry.path, f"the same texture as {first}; PCSX2 takes one of them")
            yield from _check_content(pack, entry.path, suffix)


def _check_content(pack: Pack, path: str, suffix: str) -> Iterator[Finding]:
    try:
        data = pack.read(path, HEAD)
        header = read_header(data, path)
        if suffix == ".dds":
            yield from _check_dds(path, parse_dds(data))
        elif header.format == "png":
            yield from _check_png(path, data)
    except TextureError as error:
        yield Finding("error", path, f"PCSX2 cannot load it: {error.reason}")


def _check_png(path: str, data: bytes) -> Iterator[Finding]:
    bits, colour, interlace = struct.unpack_from(">BBxxB", data, 24)
    if colour not in (2, 6):
        kind = _PNG_KINDS.get(colour, "unknown")
        yield Finding("error", path, f"PCSX2 shows nothing of {kind} PNG; save it as RGBA of 8 bits a channel")
    elif bits != 8:
        yield Finding("error", path, f"PCSX2 shows garbage of {bits} bits a channel; save it as RGBA of 8")
    if interlace:
        yield Finding("error", path, "PCSX2 does not read interlaced PNG; save it without")


def _check_dds(path: str, header: DdsHeader) -> Iterator[Finding]:
    problem = _dds_problem(header)
    if problem:
        yield Finding("error", path, problem)
    elif header.block is None:
        if not header.masks[3]:
            yield Finding("warning", path, "without alpha PCSX2 takes 255, twice opaque; save it as A8R8G8B8 with 128")
    else:
        if header.block == "bc1":
            yield Finding("warning", path, "BC1 gives PCSX2 an alpha of 255, twice opaque; use BC3 or BC7")
        levels = sum(1 for _ in level_sizes(header.width, header.height))
        if header.mips < levels:
            text = f"{max(header.mips, 1)} of {levels} mip levels; PCSX2 makes none for compressed DDS"
            yield Finding("warning", path, text)


def _dds_problem(header: DdsHeader) -> str:
    """Return why the file is refused, or ""."""
    if header.extra:
        return f"PCSX2 does not load a {header.extra}"
    if max(header.width, header.height) > MAX_DDS_SIDE:
        return f"PCSX2 loads DDS of at most {MAX_DDS_SIDE} pixels a side"
    if header.dxgi is not None:
        if header.dxgi not in DXGI_FORMATS:
            return f"PCSX2 does not know the DXGI format {header.dxgi}; save it as BC3 or BC7, not sRGB"
        if header.dimension != TEXTURE2D or header.array_size != 1:
            return "PCSX2 needs the dimension 3 and an array size of 1 in the DX10 header; write it with another tool"
    elif header.fourcc and header.fourcc not in FOURCCS:
        return "PCSX2 does not know this compression; save it as BC3 or BC7"
    elif not header.fourcc and header.bits not in (24, 32):
        return f"PCSX2 does not know DDS of {header.bits} bits a pixel; save it as A8R8G8B8"
    if header.block and (header.width % 4 or header.height % 4):
        return f"{header.width} x {header.height} is not whole 4 x 4 blocks; PCSX2 refuses it"
    return ""
