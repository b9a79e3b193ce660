"""Bethesda's games and what mods for them share: DDS files below ``textures/`` whose last letters say what they hold.

References:
    nifskope, ``res/shaders`` (what channels mean); Guekka/bethutil, ``src/tex/optimize.cpp`` (which files tools leave
    alone); community pages on suffixes. A suffix is a custom: the slot in the model decides in the game.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from texup.conventions.convention import Convention, Name, Planned, Wishes, other_file
from texup.conventions.shared.role_names import parse_with_role
from texup.errors import TextureError
from texup.packs.pack import Finding, Pack
from texup.policy.classify import Treatment
from texup.policy.roles import BETHESDA as ROLES
from texup.policy.roles import bare_stem, split_role, treatment_of
from texup.textures.codecs.dds_header import HEADER_SIZE, DdsHeader, parse_dds
from texup.textures.storing import Store

Severity = Literal["error", "warning", "hint"]

DISTANT = re.compile("lod(?!ge)")
GRAMMAR = re.compile(r"(?P<stem>.+)\.(?P<ext>dds|tga)", re.IGNORECASE)

GAME_FOLDERS = frozenset(
    ("actors", "architecture", "armor", "clothes", "clutter", "creatures", "dungeons", "landscape", "weapons")
)
GAME_FILES = (".nif", ".esp", ".esm", ".esl", ".bgsm", ".bgem", ".bsa", ".ba2")
UNTOLD = 0.4  # of the weight, where neither folders nor files speak of the games: below what is enough
LEFT_ALONE = {
    "terrain": "distant land, made by tools from the rest",
    "interface": "part of the interface, whose layout counts in texels",
    "cubemaps": "cube maps",
    "facegendata": "made from the game's data for each face",
}
NEW_BLOCKS = frozenset(("bc4", "bc5", "bc6", "bc7"))


def parse(path: str) -> Name | None:
    """Read a path; any DDS or TGA will do."""
    return parse_with_role(path, GRAMMAR, ROLES)


def format_name(name: Name) -> str:
    """Return the bare name."""
    return f"{name.fields['base']}{name.fields.get('role', '')}.{name.fields['ext']}"


def detect(pack: Pack) -> float:
    """Return the share of textures that are DDS below ``textures``, if folders or files speak of these games.

    Suffixes do not: in Generals and others ``_n`` is the night and ``_s`` the snow.
    """
    paths = [entry.path.lower() for entry in pack.entries if entry.kind == "texture"]
    found = [path for path in paths if path.endswith(".dds") and _is_own(path, pack)]
    if not found:
        return 0.0
    has_folders = any(GAME_FOLDERS & set(path.split("/")) for path in found)
    has_files = any(entry.path.lower().endswith(GAME_FILES) for entry in pack.entries)
    share = len(found) / len(paths)
    return share + 0.1 * has_files if has_folders or has_files else UNTOLD * share


def _is_own(path: str, pack: Pack) -> bool:
    folders = [*(name.lower() for name in pack.place[-2:]), *path.split("/")[:-1]]
    return "textures" in folders and "dds" not in folders[: folders.index("textures")]  # Quake has dds/textures


def plan(pack: Pack, wishes: Wishes) -> Iterator[Planned | Finding]:
    """Upscale every texture in its place and by its role; copy what the games or their tools make themselves."""
    if wishes.dds == "bc1":
        yield Finding("warning", "", "BC1 keeps only one bit of alpha; colour textures with a gradient lose it")
    if wishes.dds == "bc7":
        yield Finding("hint", "", "BC7 is read by Skyrim Special Edition, Fallout 4 and later games only")
    for entry in pack.entries:
        if entry.kind != "texture":
            yield other_file(entry.path, wishes)
            continue
        reason = _reason_to_copy(entry.path)
        if reason:
            yield Planned(entry.path, "copy", reason, entry.path)
        else:
            yield _planned(entry.path, wishes)


def _reason_to_copy(path: str) -> str:
    *folders, _ = path.lower().split("/")
    if any(DISTANT.match(folder) for folder in _below_textures(folders)[:1]):
        return "distant models, made by tools from the rest"
    return next((LEFT_ALONE[folder] for folder in folders if folder in LEFT_ALONE), "")


def _below_textures(folders: list[str]) -> list[str]:
    return folders[folders.index("textures") + 1 :] if "textures" in folders else folders


def _planned(path: str, wishes: Wishes) -> Planned:
    suffix = split_role(bare_stem(path), ROLES)[1]
    treatment = treatment_of(ROLES.get(suffix))
    if suffix in ("", "_d") and _below_textures(path.lower().split("/")[:-1]) == ["landscape"]:
        treatment = replace(treatment, alpha="data")  # of the ground itself: strength of highlights, no opacity
    is_dds = path.lower().endswith(".dds")
    if not is_dds and not wishes.dds:
        return Planned(path, "upscale", target=path, treatment=treatment)
    target = path if is_dds else bare_stem(path) + ".dds"
    store = _store(treatment, wishes, is_dds=is_dds)
    return Planned(path, "upscale", target=target, treatment=replace(treatment, mips="inside", store=store))


def _store(treatment: Treatment, wishes: Wishes, *, is_dds: bool) -> Store:
    """Return the coding: a wish is for colour; vectors and data keep theirs, which says how many channels they have."""
    if is_dds and (wishes.dds == "auto" or treatment.kind not in (None, "colour", "emissive")):
        return ""
    return "bc3" if wishes.dds == "auto" else wishes.dds


def check(pack: Pack) -> Iterator[Finding]:
    """Yield what the games would refuse, show wrongly or never see."""
    new_blocks = []
    for entry in (entry for entry in pack.entries if entry.kind == "texture"):
        if not entry.path.lower().endswith(".dds"):
            yield Finding("warning", entry.path, "the games read DDS (Morrowind also TGA and BMP); convert it")
            continue
        try:
            header = parse_dds(pack.read(entry.path, HEADER_SIZE))
        except TextureError as error:
            yield Finding("error", entry.path, str(error))
            continue
        yield from (Finding(severity, entry.path, text) for severity, text in _faults(header))
        if header.block in NEW_BLOCKS:
            new_blocks.append(entry.path)
    if new_blocks:
        count = f" and {len(new_blocks) - 1} more" if len(new_blocks) > 1 else ""
        text = f"BC4 to BC7{count}: read by Skyrim Special Edition, Fallout 4 and later games only"
        yield Finding("hint", new_blocks[0], text)


def _faults(header: DdsHeader) -> Iterator[tuple[Severity, str]]:
    size = f"{header.width} x {header.height}"
    if header.fourcc and header.block is None and header.dxgi is None:
        yield "error", f"of a kind that the games do not read: {header.fourcc!r}"
    if header.block and (header.width % 4 or header.height % 4):
        yield "error", f"{size}: block-compressed sides must be multiples of 4"
    elif header.width & (header.width - 1) or header.height & (header.height - 1):
        yield "warning", f"{size}: sides should be powers of two"
    full = max(header.width, header.height).bit_length()
    if max(header.mips, 1) < full and not header.extra:
        yield "warning", f"has {max(header.mips, 1)} of {full} levels; it will shimmer at a distance"


BETHESDA = Convention(
    id="bethesda",
    title="Bethesda's games (Oblivion to Starfield) and PC mods in DDS",
    detect=detect,
    parse=parse,
    format=format_name,
    plan=plan,
    check=check,
    lookup=str.lower,
    facts={
        "dump": "-",
        "writes": "the same paths (`Data/textures/`)",
        "alpha": "as found; data in `_n` and ground textures",
        "mips": "inside DDS, the full chain",
    },
)
