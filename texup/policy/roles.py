"""Roles: what the end of a texture's name says that it holds, per family of games.

A suffix is a custom, not a promise; a convention decides when to believe it, and pixels may deny it. In real packs
``grass_n`` is the north of the grass (Dungeon Crawl), ``rail_normal`` the usual rail (ProgrammerArt) and ``rock3_bump``
a bumpy rock (LibreQuake), all of them coloured pictures; in Generals, which has DDS too, ``_n``, ``_s`` and ``_e`` are
a building by night, in snow and in ruins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from texup.policy.classify import Kind, Method, Treatment
from texup.textures.normals import NormalForm


@dataclass(frozen=True, slots=True)
class Role:
    """What a suffix stands for."""

    kind: Kind
    normal: NormalForm | None = None
    """Form of a normal map where the custom fixes it."""
    method: Method | None = None
    """Where it is not the one of the kind."""
    doubted: bool = False
    """Whether pixels may deny it."""


Roles = Mapping[str, Role]

# Kinds from nifskope, res/shaders (sk_default.frag, sk_msn.frag, fo4_default.frag) and community pages on the slots.
BETHESDA: Roles = {
    "_d": Role("colour"),
    "_n": Role("normal", "tangent", doubted=True),
    "_msn": Role("normal", "object", doubted=True),
    "_s": Role("mask", doubted=True),
    "_g": Role("emissive"),
    "_m": Role("mask", doubted=True),
    "_em": Role("mask", doubted=True),
    "_e": Role("colour"),  # a cube map, which its header says: those are copied
    "_sk": Role("colour"),
    "_p": Role("height", doubted=True),
    "_b": Role("emissive"),
    "_hl": Role("mask", doubted=True),
}

# DarkPlaces, gl_rmain.c, R_SkinFrame_LoadExternal; ``_alpha`` is opacity, so a net draws its outlines.
QUAKE: Roles = {
    "_norm": Role("normal", "tangent", doubted=True),
    "_bump": Role("height", doubted=True),
    "_gloss": Role("mask", doubted=True),
    "_glow": Role("emissive"),
    "_luma": Role("emissive"),
    "_pants": Role("mask", doubted=True),
    "_shirt": Role("mask", doubted=True),
    "_reflect": Role("mask", doubted=True),
    "_mask": Role("mask", doubted=True),
    "_alpha": Role("mask", method="net"),
    "_blend": Role("colour"),
    "_fbr": Role("colour"),  # LibreQuake: the texture itself, whose bright parts the build tool keeps bright
}

_NORMAL, _HEIGHT = Role("normal", doubted=True), Role("height", doubted=True)
_MASK, _GLOW = Role("mask"), Role("emissive")
GENERAL: Roles = {
    **dict.fromkeys(("_normal", "_normals", "_normalmap", "_norm", "_nrm", "_nor", "_nm"), _NORMAL),
    **dict.fromkeys(("_rough", "_roughness", "_metal", "_metallic", "_metalness", "_ao", "_occlusion"), _MASK),
    **dict.fromkeys(("_orm", "_arm", "_rma", "_mask", "_spec", "_specular", "_gloss", "_smoothness"), _MASK),
    **dict.fromkeys(("_height", "_disp", "_displacement", "_bump", "_parallax"), _HEIGHT),
    **dict.fromkeys(("_emissive", "_emission", "_glow", "_luma"), _GLOW),
    "_opacity": Role("mask", method="net"),
}

COLOUR_ENDINGS = ("", "_d", "_diff", "_diffuse", "_albedo", "_basecolor", "_base_color", "_color", "_col", "_c")
"""What the name of the colour texture may end in that a role's belongs to."""


def split_role(stem: str, roles: Roles) -> tuple[str, str]:
    """Return a name without its suffix, and the suffix of the table that it ends in, lower case, or "".

    No name ends in two of them: each begins with its only underscore.
    """
    folded = stem.lower()
    found = next((suffix for suffix in roles if folded.endswith(suffix)), "")
    return (stem[: -len(found)], found) if 0 < len(found) < len(stem) else (stem, "")


def treatment_of(role: Role | None) -> Treatment:
    """Return the treatment of textures of a role; of none, that which leaves all to the pixels."""
    if role is None:
        return Treatment()
    return Treatment(kind=role.kind, method=role.method, normal=role.normal, doubted=role.doubted)


def stem_of(path: str) -> str:
    """Return a path without its extension, in lower case."""
    return bare_stem(path).lower()


def bare_stem(path: str) -> str:
    """Return a path without its extension."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0] or name}"


def has_base(stem: str, suffix: str, known: frozenset[str]) -> bool:
    """Tell whether the colour texture that ``stem``, a path that ends in ``suffix``, belongs to is among ``known``."""
    base = stem[: -len(suffix)].lower()
    return any(base + ending in known for ending in COLOUR_ENDINGS)
