"""DuckStation's names and folders, and what its settings say of them.

References:
    duckstation ``src/core/gpu_hw_texture_cache.cpp`` (``GetTextureReplacementTypeFromFileTitle``,
    ``FindTextureReplacements``, ``LoadTextureReplacementAliases``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from texup import bounds
from texup.conventions.convention import Name
from texup.errors import TextureError
from texup.packs.pack import Pack, read_bounded

TITLE = "DuckStation"
CONFIG = "config.yaml"
FOLDERS = ("dumps", "replacements")
SUFFIXES = (".png", ".jpg", ".webp")
OPAQUE, SEMI = "cut out", "semi-transparent"
"""Words of ``Treatment.storage``: alpha is tested at half, or has three levels."""
LEVELS = {OPAQUE: (0, 255), SEMI: (0, 128, 255)}

_GRAMMAR = re.compile(
    r"""(?P<src>texupload|texpage)-(?:
        (?P<mode>(?:ST)?P[48])-(?P<hash>[0-9A-F]{16})-(?P<pal>[0-9A-F]{16})-(?P<sw>\d{1,5})x(?P<sh>\d{1,5})
        -(?P<x>\d{1,5})-(?P<y>\d{1,5})-(?P<w>\d{1,5})x(?P<h>\d{1,5})-P(?P<pmin>\d{1,3})-(?P<pmax>\d{1,3})
      | (?P<mode2>(?:ST)?C16)-(?P<hash2>[0-9A-F]{16})-(?P<sw2>\d{1,5})x(?P<sh2>\d{1,5})
        -(?P<x2>\d{1,5})-(?P<y2>\d{1,5})-(?P<w2>\d{1,5})x(?P<h2>\d{1,5}) )
      | vram-write-(?P<vram>[0-9A-F]{32})""",
    re.VERBOSE | re.ASCII,
)
_BARE = re.compile(r"(?s:(?P<title>.+))\.(?P<ext>(?i:png|jpg|webp))")
_ALIAS = re.compile(r"""\s*["']?(?P<key>(?:texupload|texpage|vram-write)-[\w-]+)["']?\s*:\s+(?P<file>\S.*)""", re.ASCII)
_SERIAL = re.compile(r"[A-Z]{4}-\d{5}")


def parse(path: str) -> Name | None:
    """Read a relative path; fields are src, mode, hash, pal, sw, sh, x, y, w, h, pmin, pmax, or vram; and ext."""
    bare = _BARE.fullmatch(path.rpartition("/")[2])
    match = _GRAMMAR.fullmatch(bare["title"]) if bare else None
    if bare is None or match is None:
        return None
    fields = {key.removesuffix("2"): value for key, value in match.groupdict().items() if value is not None}
    native = (int(fields["w"]), int(fields["h"])) if "w" in fields else None
    return Name(path, {**fields, "ext": bare["ext"]}, native)


def format_name(name: Name) -> str:
    """Return the bare name; the loader has one spelling, and takes suffixes of any case."""
    get = name.fields
    if "vram" in get:
        return f"vram-write-{get['vram']}.{get['ext']}"
    palette, colours = (f"-{get['pal']}", f"-P{get['pmin']}-{get['pmax']}") if "pal" in get else ("", "")
    place = f"{get['sw']}x{get['sh']}-{get['x']}-{get['y']}-{get['w']}x{get['h']}"
    return f"{get['src']}-{get['mode']}-{get['hash']}{palette}-{place}{colours}.{get['ext']}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies in the layout of the emulator."""

    serial: str
    """Folder of the game; "" where none shows."""
    rest: tuple[str, ...]
    """Folders below."""
    is_inside: bool
    """Whether it lies in dumps or replacements."""


def place_of(pack: Pack, path: str) -> Place:
    """Return the place of a relative path."""
    inside = tuple(path.split("/")[:-1])
    parts = (*pack.place, *inside)
    for at in range(len(parts) - 1, 0, -1):
        is_games = bool(_SERIAL.fullmatch(parts[at - 1])) or (at > 1 and parts[at - 2].lower() == "textures")
        if parts[at].lower() in FOLDERS and is_games:
            return Place(parts[at - 1], parts[at + 1 :], is_inside=True)
    for at in range(len(parts) - 1, -1, -1):
        if _SERIAL.fullmatch(parts[at]) or (at and parts[at - 1].lower() == "textures"):
            return Place(parts[at], parts[at + 1 :], is_inside=False)
    is_inside = bool(inside) and inside[0].lower() in FOLDERS
    return Place("", inside[is_inside:], is_inside)


def storage_of(name: Name) -> str:
    """Return how alpha of a texture is read, by its mode."""
    return SEMI if name.fields.get("mode", "").startswith("ST") else OPAQUE


def title_of(bare: str) -> str:
    """Return a bare name without its suffix, by which the loader tells textures apart."""
    return bare.rpartition(".")[0]


def lookup(target: str) -> str:
    """Return the game and the name without suffix and subfolder."""
    if parse(target) is None:
        return target
    return "/".join((*target.split("/")[:2], title_of(target.rpartition("/")[2])))


def configs_of(places: Mapping[str, Place], homes: Mapping[str, str]) -> dict[str, str]:
    """Return the path of each game's settings to its home; those beside the dumps go before those among them."""
    found = [path for path in places if path.rpartition("/")[2] == CONFIG and not places[path].rest]
    chosen: dict[str, str] = {}
    for path in sorted(found, key=lambda path: places[path].is_inside):
        chosen.setdefault(homes[path], path)
    return {path: home for home, path in chosen.items()}


def aliases_of(pack: Pack, configs: Mapping[str, str], homes: Mapping[str, str]) -> dict[str, Name]:
    """Return the targets of files that settings give another name, to that name."""
    found: dict[str, Name] = {}
    for path in configs:
        try:
            text = read_bounded(pack, path, bounds.DUCKSTATION_BYTES).decode("utf-8", "replace")
        except TextureError:
            continue  # copying it will say so
        for line in text.splitlines():
            alias = _ALIAS.fullmatch(line.partition(" #")[0])
            key = parse(f"{alias['key']}.png") if alias else None
            if alias and key:
                found[f"{homes[path]}/replacements/{alias['file'].rstrip().strip(chr(34) + chr(39))}"] = key
    return found
