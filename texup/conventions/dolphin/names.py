"""How Dolphin names the textures of GameCube and Wii games.

References:
    dolphin-emu/dolphin, Source/Core/VideoCommon/TextureInfo.cpp: how a name is made; TextureUtils.cpp: names of dumps;
    HiresTextures.cpp: folders, marker files and what two files are one texture.
"""

from __future__ import annotations

import re

from texup.conventions.convention import Name
from texup.conventions.shared.game_folders import Spot, locate
from texup.packs.pack import Pack
from texup.packs.walk import Entry

# Nine digits are more than any side or level, and int() refuses thousands of them.
_NAME = re.compile(
    r"""tex1_(?P<w>[1-9]\d{0,8})x(?P<h>[1-9]\d{0,8})(?P<m>_m)?
        _(?P<hash>[0-9a-f]{16}|\$)(?:_(?P<tlut>[0-9a-f]{16}|\$))?_(?P<fmt>0|1|2|3|4|5|6|8|9|10|14)
        (?P<arb>_arb)?(?:_mip(?P<mip>[1-9]\d{0,8}))?\.(?P<ext>(?i:png|dds))""",
    re.VERBOSE | re.ASCII,
)
INTENSITY = ("0", "1")  # I4 and I8: dumped with the intensity in alpha too
CMPR = "14"  # blocks with one bit of alpha
WITHOUT_SOFT_ALPHA = ("4", CMPR)  # 4 is RGB565; all others have alpha, or palettes that may

GAME_ID = re.compile(r"[A-Z0-9]{3}(?:[A-Z0-9]{3})?", re.ASCII)
SURE_ID = re.compile(r"(?=.*\d)[A-Z0-9]{6}", re.ASCII)  # LEVELS, README: six capitals alone are a word
RESOURCE_TEXTURES = "textures"
"""The folder of a resource pack whose contents are installed to Load/Textures."""


def parse(path: str) -> Name | None:
    """Read a path; None where Dolphin would not know the name."""
    match = _NAME.fullmatch(path.rpartition("/")[2])
    if match is None:
        return None
    fields = {key: value for key, value in match.groupdict().items() if value is not None}
    level = int(fields.get("mip", "0"))
    native = (max(int(fields["w"]) >> level, 1), max(int(fields["h"]) >> level, 1))
    return Name(path, fields, native, level)


def format_name(name: Name) -> str:
    """Return the bare name as Dolphin writes it; only the extension can differ from what was found."""
    mip = f"_mip{name.level}" if name.level else ""
    return f"{stem_of(name)}{mip}.{name.fields['ext'].lower()}"


def stem_of(name: Name) -> str:
    """Return the name without level and extension: the texture that all its levels belong to."""
    fields = name.fields
    tlut = f"_{fields['tlut']}" if "tlut" in fields else ""
    head = f"tex1_{fields['w']}x{fields['h']}{fields.get('m', '')}_{fields['hash']}{tlut}_{fields['fmt']}"
    return head + fields.get("arb", "")


def is_render_target(path: str) -> bool:
    """Return whether a file is a dump of what the game drew, which no replacement is looked up for."""
    return path.rpartition("/")[2].startswith(("efb1_", "xfb1_"))


def is_marker(entry: Entry) -> bool:
    """Return whether a file says for which games its folder is read: ``GALE01.txt``, ``GAL.txt`` or ``all.txt``."""
    folders, _, name = entry.path.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    if not dot or suffix != "txt":
        return False
    if folders.rpartition("/")[2] == "gameids" or stem == "all" or SURE_ID.fullmatch(stem):
        return True
    return GAME_ID.fullmatch(stem) is not None and entry.size == 0  # README.txt is six capitals too


def lookup(target: str) -> str:
    """Return game and texture: Dolphin searches the game's folder with all that is below, and drops ``_arb``."""
    *folders, name = target.split("/")
    above = folders[1:] if folders[:1] == ["Load"] else folders
    if above[:1] in (["Textures"], [RESOURCE_TEXTURES]):
        game = above[1:2]
    else:
        game = above[:1] if above and SURE_ID.fullmatch(above[0]) else []
    stem = name.rpartition(".")[0]
    return "/".join([*game, "".join(stem.rsplit("_arb", 1))])


def detect(pack: Pack) -> float:
    """Return the share of textures with Dolphin's names, and 0.2 more where a folder is named as a game's id."""
    paths = [entry.path for entry in pack.entries if entry.kind == "texture"]
    known = sum(parse(path) is not None or is_render_target(path) for path in paths)
    if not known:
        return 0.0
    spot = locate(pack, SURE_ID, RESOURCE_TEXTURES)
    fits = any(_is_game(spot(path)) for path in paths)
    return min(1.0, known / len(paths) + 0.2 * fits)


def _is_game(spot: Spot) -> bool:
    return (GAME_ID if spot.is_sure else SURE_ID).fullmatch(spot.game) is not None
