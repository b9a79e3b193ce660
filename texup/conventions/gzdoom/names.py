"""Names of a GZDoom folder or PK3: folders are namespaces, and a lump's name is the first 8 characters of a file's.

References:
    ZDoom/gzdoom, src/common/filesystem/source/filesystem.cpp, FFileLump: folders and namespaces, 8 characters, upper
        case, and ``^`` for a backslash in sprites and hires; src/common/textures/gametexture.cpp, AddAutoMaterials.
    ZDoom/gzdoom, src/common/textures/formats/ddstexture.cpp, DDSImage_TryCreate: DXT1 to DXT5 with a linear size, RGB.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from texup.conventions.convention import Name
from texup.packs.pack import Pack
from texup.policy.classify import Kind
from texup.textures.codecs.dds_header import FOURCC, HAS_SIZE, RGB, DdsHeader

SPACES = ("flats", "graphics", "hires", "patches", "sprites", "textures")
LENGTH = 8
MATERIALS: dict[str, Kind] = {
    "brightmaps": "mask",
    "materials/brightmaps": "mask",
    "materials/detailmaps": "colour",
    "materials/glowmaps": "emissive",
    "materials/normalmaps": "normal",
    "materials/specular": "mask",
    "materials/metallic": "mask",
    "materials/roughness": "mask",
    "materials/ao": "mask",
}
DOOM_SPRITE = re.compile(
    r"(?P<name>[A-Z0-9_]{4})(?P<f1>[A-Z\[\]\\^])(?P<r1>[0-9A-G])(?:(?P<f2>[A-Z\[\]\\^])(?P<r2>[0-9A-G]))?",
    re.IGNORECASE,
)
_FOURCCS = (b"DXT1", b"DXT2", b"DXT3", b"DXT4", b"DXT5")


@dataclass(frozen=True, slots=True)
class Lump:
    """A picture in one of the loader's namespaces."""

    space: str
    stem: str
    """The bare name without its suffix, as found."""
    suffix: str
    """With its dot, as found."""

    @property
    def key(self) -> str:
        """What the loader knows it by."""
        name = self.stem[:LENGTH].upper()
        return name.replace("^", "\\") if self.space in ("sprites", "hires") else name

    @property
    def is_long(self) -> bool:
        """Whether the name does not fit, so that the game can mean this file only by its full path."""
        return len(self.stem) > LENGTH


def lump_of(path: str) -> Lump | None:
    """Read a path from the root of the loader's folder; None where it looks for no pictures."""
    space, _, rest = path.partition("/")
    name = PurePosixPath(rest)
    if space.lower() not in SPACES or not name.stem or not name.suffix:
        return None
    return Lump(space.lower(), name.stem, name.suffix)


def material_of(path: str) -> Kind | None:
    """Return what a picture is in a folder of materials, which go with a texture of the same name."""
    lower = path.lower()
    return next((kind for folder, kind in MATERIALS.items() if lower.startswith(folder + "/")), None)


def rooted(pack: Pack) -> Callable[[str], str]:
    """Return a function from a path of the pack to the same from the loader's root.

    The pack may be that root, a folder above it, or one of the namespace folders.
    """
    folders = {entry.path.rpartition("/")[0] for entry in pack.entries if entry.kind == "texture"}
    above = _shallowest(folders)
    if above:
        return lambda path: path.removeprefix(above)
    if above is None and pack.place and pack.place[-1].lower() in SPACES:
        space = pack.place[-1].lower()
        return lambda path: f"{space}/{path}"
    return lambda path: path


def _shallowest(folders: Iterable[str]) -> str | None:
    """Return the folders above the first namespace folder, with a slash at the end; None where there is none."""
    found = []
    for folder in folders:
        parts = folder.split("/")
        depth = next((k for k, part in enumerate(parts) if part.lower() in (*SPACES, "brightmaps", "materials")), None)
        if depth is not None:
            found.append((depth, "".join(part + "/" for part in parts[:depth])))
    return min(found)[1] if found else None


def parse(path: str) -> Name | None:
    """Read the path of a picture in a namespace; a name is taken for a sprite's only in sprites/."""
    lump = lump_of(path)
    if lump is None:
        return None
    fields = {"space": lump.space, "stem": lump.stem, "suffix": lump.suffix}
    sprite = DOOM_SPRITE.fullmatch(lump.stem) if lump.space == "sprites" else None
    if sprite:
        fields |= {key: value for key, value in sprite.groupdict().items() if value}
    return Name(path, fields)


def format_name(name: Name) -> str:
    """Return the bare name, cut to what the loader reads of it."""
    return name.fields["stem"][:LENGTH] + name.fields["suffix"]


def why_unread(header: DdsHeader) -> str:
    """Return why the loader refuses a DDS, or ""."""
    if header.format_flags & FOURCC:
        if header.fourcc not in _FOURCCS:
            return "GZDoom reads only DXT1 to DXT5 and plain RGB of DDS; convert it to PNG"
        return "" if header.flags & HAS_SIZE else "its header gives no linear size, so GZDoom refuses it"
    return "" if header.format_flags & RGB else "GZDoom reads only DXT1 to DXT5 and plain RGB of DDS; convert it to PNG"
