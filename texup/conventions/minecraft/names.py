"""Names of a Minecraft resource pack: where a picture lies, what it is for, and which picture it belongs to.

References:
    neoforged/Documentation, docs/resources/client/textures.md: assets/<namespace>/textures.
    sp614x/optifine, OptiFineDoc/doc: emissive.properties and its ``suffix.emissive``; skies are grids of 3 x 2 faces.
    shaderlabs.org, wiki "LabPBR Material Standard": suffixes ``_n`` and ``_s``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from texup.conventions.convention import Name
from texup.errors import TextureError
from texup.packs.pack import Pack

EMISSIVE_PROPERTIES = "emissive.properties"
# The game's own texture folders of all versions; old partial packs have them without assets/ above.
OWN_FOLDERS = (
    *("armor", "block", "blocks", "colormap", "effect", "entity", "environment", "font", "gui", "item", "items"),
    *("map", "misc", "mob_effect", "models", "painting", "particle", "trims"),
)
_ROOTS = "textures|optifine|mcpatcher|animatica"  # the last three are of loaders that read OptiFine's files
_ASSETS = re.compile(rf"(?:^|/)assets/(?P<ns>[^/]+)/(?P<root>{_ROOTS})/(?P<rest>.+)$", re.IGNORECASE)
_OLD = re.compile(rf"(?:^|/)(?P<root>textures)/(?P<rest>(?:{'|'.join(OWN_FOLDERS)})/.+)$", re.IGNORECASE)
_ROLE = re.compile(r"(?P<name>.+?)(?P<role>_n|_s|_e)?(?P<ext>\.png)", re.IGNORECASE | re.DOTALL)
_SUFFIX = re.compile(rb"^[ \t]*suffix\.emissive[ \t]*[=:][ \t]*([\w.-]+)[ \t]*\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the game sees a file."""

    root: str
    """"textures", "optifine", "mcpatcher" or "animatica"."""
    rest: str
    """The path below that."""
    namespace: str = ""
    """"" without assets/."""

    @property
    def folder(self) -> str:
        """The first folder below the root; "" for a file in the root."""
        return self.rest.split("/")[0] if "/" in self.rest else ""


@dataclass(frozen=True, slots=True)
class Role:
    """What a picture is for, by its suffix."""

    name: str
    """"_n", "_s", "_e" or ""."""
    base: str
    """Path of the picture that it is a map of, whether it is there or not."""


def spot_of(path: str, place: tuple[str, ...] = ()) -> Spot | None:
    """Return where the game sees a file, or None where it does not look for pictures.

    Args:
        path: path inside the pack.
        place: folders down to the pack; they count where the pack is a folder inside assets/minecraft.
    """
    inside = place[-4:] if "minecraft" in place[-4:] else ()
    full = "/".join((*inside, path))
    found = _ASSETS.search(full)
    if found:
        return Spot(found["root"].lower(), found["rest"], found["ns"])
    found = _OLD.search(full)
    return Spot("textures", found["rest"]) if found else None


def parse(path: str) -> Name | None:
    """Read the path of a picture; None for all other files."""
    name = path.rpartition("/")[2]
    spot, found = spot_of(path), _ROLE.fullmatch(name)
    if spot is None or found is None:
        return None
    fields = {"ns": spot.namespace, "root": spot.root, **found.groupdict()}
    return Name(path, {key: value for key, value in fields.items() if value})


def format_name(name: Name) -> str:
    """Return the bare name."""
    return name.fields["name"] + name.fields.get("role", "") + name.fields["ext"]


def role_finder(pack: Pack) -> Callable[[str], Role]:
    """Return a function that tells what a picture of a pack is for.

    A suffix suggests a map, which pixels may deny, where its base is there; ``_n`` and ``_s`` also vouch for each
    other, as in packs that only add them. Beside a ``_w`` they are points of the compass. An emissive overlay may have
    another suffix, which OptiFine reads from a file.
    """
    paths = {entry.path for entry in pack.entries}
    emissive = _emissive_suffix(pack)

    def find(path: str) -> Role:
        stem, dot, ext = path.rpartition(".")
        for name, suffix in (("_n", "_n"), ("_s", "_s"), ("_e", emissive)):
            bare, end = stem.removesuffix(suffix), dot + ext
            if bare == stem or bare.endswith("/") or f"{bare}_w{end}" in paths:
                continue
            twin = {"_n": "_s", "_s": "_n"}.get(name)
            has_company = bare + end in paths or (twin is not None and bare + twin + end in paths)
            if has_company or name == "_n":
                return Role(name, bare + end)
        return Role("", path)

    return find


def _emissive_suffix(pack: Pack) -> str:
    for entry in pack.entries:
        if entry.path.rpartition("/")[2] == EMISSIVE_PROPERTIES:
            try:
                found = _SUFFIX.search(pack.read(entry.path, 4096))
            except TextureError:
                continue
            if found:
                return found[1].decode("ascii", "replace")
    return "_e"
