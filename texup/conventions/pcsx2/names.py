"""The names and folders of PCSX2's textures.

References:
    PCSX2, pcsx2/GS/Renderers/HW/GSTextureReplacements.cpp: the six name formats and how they are read back, the bits
    that a name ends in, the folders of dumps and replacements.
    Sony, GS User's Manual, register TEX0: PSM, TW and TH.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from texup.conventions.convention import Name

# The loader reads names with scanf: either case, bits of fewer digits, and anything after the dot that ends the bits.
NAME = re.compile(
    r"(?P<tex>[0-9a-f]{1,16})(?:-(?P<clut>[0-9a-f]{1,16}))?"
    r"(?:-r(?:(?P<width>\d{1,5})x(?P<height>\d{1,5})|(?P<region>[0-9a-f]{1,16})))?"
    r"-(?P<bits>[0-9a-f]{1,8})(?:-mip(?P<mip>[1-9]\d?))?(?P<again>(?:\.(?:png|dds))*)\.(?P<ext>png|dds)",
    re.IGNORECASE | re.ASCII,
)
SERIAL = re.compile(r"[A-Z]{4}-\d{5}", re.IGNORECASE | re.ASCII)
TCC = 1 << 14
"""A bit that older versions set in names; the loader clears it before it compares."""


class Bits(NamedTuple):
    """What the last number of a name says."""

    psm: int
    """Pixel storage format: 0x13 has 8-bit indices, 0x14 4-bit indices."""
    width: int
    height: int


class Place(NamedTuple):
    """Where a file stands in the folders of PCSX2."""

    serial: str
    folder: str
    """Below dumps or replacements; ends in a slash unless empty."""
    kind: str
    """"dumps", "replacements", or "" where no such folder says it."""
    known: bool
    """Whether the serial was found, not taken from any folder's name."""


def read_bits(bits: int) -> Bits:
    """Return the pixel storage format and the size of the texture page: PSM in 6 bits, TW in 4, TH in 4."""
    return Bits(bits & 0x3F, 1 << (bits >> 6 & 0xF), 1 << (bits >> 10 & 0xF))


def parse(path: str) -> Name | None:
    """Read a path; None for a name of which PCSX2 makes nothing."""
    match = NAME.fullmatch(path.rpartition("/")[2])
    if not match:
        return None
    fields = {name: text for name, text in match.groupdict().items() if text}
    _, width, height = read_bits(int(fields["bits"], 16))
    native: tuple[int, int] | None = (width, height)
    if "width" in fields:  # a zero leaves that side to the bits
        native = (int(fields["width"]) or width, int(fields["height"]) or height)
    elif "region" in fields:
        native = None
    return Name(path, fields, native, int(fields.get("mip", "0")))


def format_name(name: Name) -> str:
    """Return the bare name in lower case, with eight digits of bits and one suffix; hashes keep their zeros."""
    fields = {key: text.lower() for key, text in name.fields.items()}
    parts = [fields["tex"]]
    if "clut" in fields:
        parts.append(fields["clut"])
    if "width" in fields:
        parts.append(f"r{fields['width']}x{fields['height']}")
    elif "region" in fields:
        parts.append(f"r{fields['region']}")
    parts.append(fields["bits"].zfill(8))
    if "mip" in fields:
        parts.append(f"mip{fields['mip']}")
    return f"{'-'.join(parts)}.{fields['ext']}"


def locate(place: tuple[str, ...], path: str) -> Place:
    """Return where ``path`` of a pack at ``place`` stands: by textures/SERIAL/dumps, or a serial's folder, if any."""
    inside = path.split("/")[:-1]
    folders = (*place, *inside)
    lowered = [folder.lower() for folder in folders]
    for k in range(len(folders) - 1, 0, -1):
        is_home = SERIAL.fullmatch(folders[k - 1]) or (k > 1 and lowered[k - 2] == "textures")
        if lowered[k] in ("dumps", "replacements") and is_home:
            return Place(folders[k - 1], _below(folders[k + 1 :]), lowered[k], known=True)
    for k in range(len(folders) - 1, -1, -1):
        if SERIAL.fullmatch(folders[k]):
            return Place(folders[k], _below(folders[max(k + 1, len(place)) :]), "", known=True)
    return Place(place[-1] if place else "SERIAL", _below(inside), "", known=False)


def _below(folders: tuple[str, ...] | list[str]) -> str:
    return "".join(f"{folder}/" for folder in folders)


def key_of(name: Name) -> str:
    """Return what the loader compares: numbers, without the bit that it clears."""
    fields = name.fields
    tex, clut, bits = (int(fields.get(field, "0"), 16) for field in ("tex", "clut", "bits"))
    region = fields.get("region", "").lower()
    if "width" in fields:
        region = f"{int(fields['width'])}x{int(fields['height'])}"
    return f"{tex:x}-{clut:x}-{region}-{bits & ~TCC:x}"


def lookup(target: str) -> str:
    """Return the folder of replacements and the numbers of a name: sub-folders and the suffix do not count."""
    name = parse(target)
    if name is None or name.level:
        return target
    folders = target.split("/")[:-1]
    home = folders[: folders.index("replacements") + 1] if "replacements" in folders else []
    return "/".join([*home, key_of(name)])
