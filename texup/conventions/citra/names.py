"""How Citra, Azahar and Lime3DS name the textures of 3DS games, and the ``pack.json`` that says how to read them.

References:
    azahar-emu/azahar, src/video_core/custom_textures/custom_tex_manager.cpp: DumpTexture, ParseFilename, ReadConfig;
    src/video_core/rasterizer_cache/pixel_format.h: the numbers of formats.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from texup import bounds
from texup.conventions.convention import Name
from texup.conventions.shared.game_folders import Spot, locate
from texup.errors import TextureError
from texup.packs.pack import Pack, read_bounded, too_much
from texup.texts import TooMuch, parse_json

# Nine digits are more than any side or level, and int() refuses thousands of them.
_NAME = re.compile(
    r"""tex1_(?P<w>[1-9]\d{0,8})x(?P<h>[1-9]\d{0,8})_(?P<hash>[0-9A-Fa-f]{1,16})_(?P<fmt>\d{1,2})
        (?:_mip(?P<mip>\d{1,9}))?(?:\.(?P<map>norm))?\.(?P<ext>(?i:png|dds|ktx))""",
    re.VERBOSE | re.ASCII,
)
INTENSITY = ("7", "8", "10", "11")  # I8, A8, I4, A4: letters and shadows
WITHOUT_SOFT_ALPHA = ("1", "2", "3", "6", "7", "10", "12")  # RGB8, RGB5A1, RGB565, RG8, I8, I4, ETC1

TITLE_ID = re.compile("[0-9A-Fa-f]{16}", re.ASCII)
CONFIG = "pack.json"
_OPTIONS = ("skip_mipmap", "flip_png_files", "use_new_hash")
# What has no end is kept as it is, or each quotation mark and comment would be looked into up to the end of the file.
_COMMENT = re.compile(
    r"""(?P<kept>(?:[^"/]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|/(?![/*])|/\*(?!.*?\*/).*)++)|//[^\n]*+|/\*.*?\*/""",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Config:
    """What a ``pack.json`` says; the defaults are what the loader takes without one."""

    skip_mipmap: bool = True
    flip_png_files: bool = True
    mapped: frozenset[str] = frozenset()
    """Bare names of the files that it gives hashes to; these can be named in any way."""
    problem: str = ""
    """Why the loader does not take it."""
    path: str = ""
    """Where it was found."""


def parse(path: str) -> Name | None:
    """Read a path; None where the loader would not know the name without a ``pack.json``."""
    match = _NAME.fullmatch(path.rpartition("/")[2])
    if match is None:
        return None
    fields = {key: value for key, value in match.groupdict().items() if value is not None}
    return Name(path, fields, (int(fields["w"]), int(fields["h"])), int(fields.get("mip", "0")))


def format_name(name: Name) -> str:
    """Return the bare name as a dump spells it: 16 capital digits of the hash, and a small extension."""
    fields = name.fields
    mip = f"_mip{name.level}" if "mip" in fields else ""
    kind = ".norm" if "map" in fields else ""
    head = f"tex1_{fields['w']}x{fields['h']}_{int(fields['hash'], 16):016X}_{fields['fmt']}"
    return f"{head}{mip}{kind}.{fields['ext'].lower()}"


def key_of(path: str) -> str:
    """Return what the loader finds a file by: its hash and map; the bare name where only a ``pack.json`` knows it."""
    name = parse(path)
    if name is None:
        return path.rpartition("/")[2]
    return f"{int(name.fields['hash'], 16):016X}{'.norm' if 'map' in name.fields else ''}"


def lookup(target: str) -> str:
    """Return title and texture: the loader searches the title's folder with all that is below."""
    title = next((folder for folder in target.split("/")[:-1] if TITLE_ID.fullmatch(folder)), "")
    return f"{title.upper()}/{key_of(target)}"


def detect(pack: Pack) -> float:
    """Return the share of textures with names of a dump, and 0.2 more in a title's folder.

    Hashes with small letters are not counted: Dolphin's names without a palette would be taken too.
    """
    paths = [entry.path for entry in pack.entries if entry.kind == "texture"]
    known = sum(name is not None and not re.search("[a-f]", name.fields["hash"]) for name in map(parse, paths))
    if not known:
        return 0.0
    spot = locate(pack, TITLE_ID)
    fits = any(TITLE_ID.fullmatch(spot(path).game) for path in paths)
    return min(1.0, known / len(paths) + 0.2 * fits)


def configs(pack: Pack, spot: Callable[[str], Spot]) -> dict[str, Config]:
    """Return what the ``pack.json`` of each title says; titles without one are left out."""
    entries = [entry for entry in pack.entries if spot(entry.path).below == CONFIG]
    problem = too_much(entries)
    return {spot(entry.path).game: replace(_read(pack, entry.path, problem), path=entry.path) for entry in entries}


def _read(pack: Pack, path: str, problem: str) -> Config:
    try:
        return Config(problem=problem) if problem else read_config(read_bounded(pack, path, bounds.CITRA_BYTES))
    except TextureError as error:
        return Config(problem=f"cannot be read: {error.reason}")


def read_config(data: bytes) -> Config:
    """Return what a ``pack.json`` says; one that the loader refuses has a ``problem`` and the defaults.

    Comments are taken, as the loader takes them.
    """
    try:
        text = data.decode("utf-8-sig")
        found = parse_json(_COMMENT.sub(lambda match: match["kept"] or " ", text).encode())
    except TooMuch as error:
        return Config(problem=str(error))
    except ValueError:
        return Config(problem="is no JSON")
    return _config_of(found) if isinstance(found, dict) else Config(problem="has no options")


def _config_of(found: dict[str, Any]) -> Config:
    options, textures = found.get("options"), found.get("textures", {})
    if not isinstance(options, dict):
        return Config(problem="has no options")
    wrong = [key for key in _OPTIONS if not isinstance(options.get(key), bool)]
    if wrong:
        return Config(problem=f"needs true or false for {' and '.join(wrong)}")
    if not isinstance(textures, dict) or not all(map(_is_files, textures.values())):
        return Config(problem="has textures that are no files")
    return Config(options["skip_mipmap"], options["flip_png_files"], frozenset(_files(textures)))


def _is_files(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(file, str) for file in value))


def _files(textures: dict[str, Any]) -> list[str]:
    values = [[value] if isinstance(value, str) else value for value in textures.values()]
    return [re.split(r"[/\\]", file)[-1] for files in values for file in files]
