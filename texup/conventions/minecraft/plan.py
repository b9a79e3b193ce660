"""Minecraft (Java) resource packs: every file stays where it is, strips are cut into frames, look-up pictures copied.

References:
    neoforged/Documentation, docs/resources/client/textures.md and metadata.md: layout, animations, ``pack.mcmeta``.
    sp614x/optifine, OptiFineDoc/doc: what lies in assets/*/optifine (mcpatcher in old packs).
    shaderlabs.org, wiki "LabPBR Material Standard": ``_n`` has X and Y of the normal in R and G, ambient occlusion in
        B, height in A; in ``_s`` parts of G and A are numbers of materials, which no filter may mix.
    minecraft.wiki, "Resource pack" and "Armor trim": folders; trims name colours of a palette exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from texup import bounds
from texup.conventions.convention import Convention, Planned, Sidecar, Wishes
from texup.conventions.minecraft import mcmeta
from texup.conventions.minecraft.anim import Animation, animation_files, animation_reader, scale_animation
from texup.conventions.minecraft.check import check
from texup.conventions.minecraft.mcmeta import Meta
from texup.conventions.minecraft.names import OWN_FOLDERS, Role, Spot, format_name, parse, role_finder, spot_of
from texup.errors import TextureError
from texup.packs.heads import size_of
from texup.packs.pack import Finding, Pack
from texup.packs.walk import Entry
from texup.policy.choices import EdgeChoice
from texup.policy.classify import Kind, Method, Treatment
from texup.textures.cells import Cells

PACK_FILE = "pack.mcmeta"
BEDROCK_FILE = "manifest.json"  # the other Minecraft's packs, which have a textures/ folder too
BLOCK_FOLDERS = ("block", "blocks")
_Edges = tuple[EdgeChoice, EdgeChoice]
_AUTO: _Edges = ("auto", "auto")
_CLAMP: _Edges = ("clamp", "clamp")
# First folder below textures/ whose pictures are looked up by number: any filter would give other answers.
_LOOKUPS = {
    "colormap": "a map of colours, which the game looks up by climate",
    "misc": "an overlay or map, which the game computes with",
}
_OPTIFINE_LOOKUPS = {
    "colormap": "a map of colours, which OptiFine looks up",
    "lightmap": "a table of light, which OptiFine looks up",
}
_LOOKUP_FILES = {
    "environment/clouds.png": "a map of where clouds are, one texel a cloud",
    "effect/dither.png": "a pattern of thresholds",
}
_TRIM_COLOURS = "trims/color_palettes/"
# Sheets of equal cells: (path below the root, cells across, cells down).
_GRIDS = (("environment/moon_phases", 4, 2), ("sky/", 3, 2))
_TILED = ("environment/rain", "environment/snow", "environment/end_sky")
_FREE_FOLDERS = ("ctm", "bettergrass", "natural", "anim", "sky", "")  # of OptiFine: blocks and skies


@dataclass(frozen=True, slots=True)
class _Sheet:
    """What is known about a picture beside which a ``.mcmeta`` lies."""

    meta: Meta = field(default_factory=Meta)
    problem: str = ""
    """Why neither of the two can be enlarged."""
    frame: tuple[int, int] | None = None
    """Texels (width, height) of a frame where there are several."""


def detect(pack: Pack) -> float:
    """Return the share of pictures where the game looks for them, and more for the files at a pack's root."""
    textures = [entry.path for entry in pack.entries if entry.kind == "texture"]
    names = {entry.path.rpartition("/")[2] for entry in pack.entries}
    spots = [spot_of(path, pack.place) for path in textures]
    folders = {spot.folder for spot in spots if spot and not spot.namespace}
    is_whole = bool(folders & {"block", "blocks"} and folders & {"item", "items"})
    is_old = PACK_FILE in names or (is_whole and BEDROCK_FILE not in names)
    found = sum(1 for spot in spots if spot and (spot.namespace or is_old))
    bonus = 0.1 * (PACK_FILE in names) + 0.1 * any(spot.namespace == "minecraft" for spot in spots if spot)
    return found / len(textures) + bonus if found else 0.0


def plan(pack: Pack, wishes: Wishes) -> Iterator[Planned | Finding]:
    """Enlarge the game's pictures in their places; everything else is copied, for a pack is used as a whole."""
    yield from _about_wishes(wishes)
    sheets = {sheet_of: _read_sheet(pack, sheet_of) for sheet_of in _described(pack)}
    animations: dict[str, Animation] = {}
    for file, found in _animations(pack):
        if not isinstance(found, Animation):
            yield Finding("warning", file, f"{found}; copied as it is")
            continue
        animations[file] = found
        if found.strip:
            sheets.setdefault(found.strip, _strip(pack, found))
    enlarged = {entry.path for entry in pack.entries if entry.kind == "texture" and entry.selected}
    role_of = role_finder(pack)
    for entry in pack.entries:
        described = entry.path.removesuffix(mcmeta.SUFFIX)
        if described != entry.path and described in sheets:
            yield _plan_meta(entry, sheets[described], is_enlarged=described in enlarged)
        elif entry.path in animations and animations[entry.path].target in enlarged:
            yield Planned(entry.path, "rewrite", "x, y, w and h grow with the picture", entry.path)
        elif entry.kind == "texture":
            for item in _plan_picture(pack, entry, sheets, role_of):
                yield _in_palette(item) if wishes.palette == "keep" else item
        else:
            yield Planned(entry.path, "copy", target=entry.path)


def _in_palette(item: Planned | Finding) -> Planned | Finding:
    """Leave a picture in the format of its source, for the 8-bit PNG has no palette."""
    if isinstance(item, Finding) or item.action != "upscale":
        return item
    return replace(item, treatment=replace(item.treatment, store=""))


def _about_wishes(wishes: Wishes) -> Iterator[Finding]:
    if wishes.dds:
        text = "Minecraft reads no DDS; leave out --dds"
        yield Finding("warning" if wishes.dds == "auto" else "error", "", text)
    if wishes.scale & (wishes.scale - 1):
        text = f"{wishes.scale} is no power of two: the game would blur the whole atlas at a distance; use 2 or 4"
        yield Finding("warning", "", text)


def _described(pack: Pack) -> Iterator[str]:
    """Yield the paths of pictures that a ``.mcmeta`` lies beside."""
    paths = {entry.path for entry in pack.entries}
    for path in paths:
        if path.lower().endswith(".png") and path + mcmeta.SUFFIX in paths and spot_of(path, pack.place):
            yield path


def _animations(pack: Pack) -> Iterator[tuple[str, Animation | ValueError | TextureError]]:
    """Yield path and content of OptiFine's animations, or why nothing can be made of one."""
    read = animation_reader(pack)
    for path in animation_files(pack):
        try:
            yield path, read(path)
        except (ValueError, TextureError) as error:
            yield path, error


def _strip(pack: Pack, animation: Animation) -> _Sheet:
    size = size_of(pack, animation.strip)
    frame = animation.frame_in(size) if size else None
    return _Sheet(frame=None if frame == size else frame)


def _read_sheet(pack: Pack, path: str) -> _Sheet:
    try:
        meta = mcmeta.parse(pack.read(path + mcmeta.SUFFIX, bounds.MINECRAFT_BYTES + 1))
    except ValueError as error:
        return _Sheet(problem=f"its {mcmeta.SUFFIX} {error}; the game would not show it")
    except TextureError as error:
        return _Sheet(problem=str(error))
    size = size_of(pack, path)
    if not meta.animated or size is None:  # without a size it will fail by itself
        return _Sheet(meta)
    wide, tall = mcmeta.frame_size(meta, *size)
    if size[0] % wide or size[1] % tall:
        text = f"is {size[0]}x{size[1]}, not a multiple of the frame size {wide}x{tall}; the game would not show it"
        return _Sheet(meta, text)
    return _Sheet(meta, frame=None if (wide, tall) == size else (wide, tall))


def _plan_meta(entry: Entry, sheet: _Sheet, *, is_enlarged: bool) -> Planned:
    has_size = sheet.meta.width is not None or sheet.meta.height is not None
    if not has_size or sheet.problem or not is_enlarged:
        return Planned(entry.path, "copy", target=entry.path)
    return Planned(entry.path, "rewrite", "the frame size grows with the picture", entry.path)


def _plan_picture(
    pack: Pack, entry: Entry, sheets: Mapping[str, _Sheet], role_of: Callable[[str], Role]
) -> Iterator[Planned | Finding]:
    path, spot = entry.path, spot_of(entry.path, pack.place)
    role = role_of(path)
    sheet = sheets.get(path) or sheets.get(role.base) or _Sheet()
    reason = "not one of the game's pictures" if spot is None else _why_copied(spot)
    if reason or spot is None:
        yield Planned(path, "copy", reason, path)
        return
    if path in sheets and sheet.problem:
        if entry.selected:
            yield Finding("warning", path, f"{sheet.problem}; copied as it is")
        yield Planned(path, "copy", sheet.problem, path)
        return
    if spot.folder in BLOCK_FOLDERS and entry.selected and not sheet.meta.animated and not role.name:
        yield from _about_strip(pack, path)
    size = size_of(pack, path) if sheet.frame or _is_grid(spot) else None
    yield Planned(path, "upscale", target=path, treatment=_treatment(spot, role, sheet, size))


def _why_copied(spot: Spot) -> str:
    """Return why a picture is taken as it is, or ""."""
    rest = spot.rest.lower()
    if not rest.endswith(".png"):
        return "Minecraft reads PNG only"
    lookups = _LOOKUPS if spot.root == "textures" else _OPTIFINE_LOOKUPS
    if rest.startswith(_TRIM_COLOURS):
        return "a palette, whose colours trims name"
    return lookups.get(spot.folder.lower(), "") or _LOOKUP_FILES.get(rest, "")


def _about_strip(pack: Pack, path: str) -> Iterator[Finding]:
    size = size_of(pack, path)
    if size and size[1] > size[0] and size[1] % size[0] == 0:
        frames = size[1] // size[0]
        text = f"looks like {frames} frames, but no {mcmeta.SUFFIX} says so: the game shows them squeezed into one"
        yield Finding("warning", path, f"{text}; upscaled as one picture")


def _is_grid(spot: Spot) -> bool:
    return _grid(spot) is not None


def _grid(spot: Spot) -> tuple[int, int] | None:
    """Return the cells (across, down) of a picture that is a sheet by its place."""
    for start, across, down in _GRIDS:
        if spot.rest.startswith(start) and (spot.root == "textures") == (start != "sky/"):
            return across, down
    return None


def _treatment(spot: Spot, role: Role, sheet: _Sheet, size: tuple[int, int] | None) -> Treatment:
    cells: Cells | None = None
    grid = _grid(spot)
    if size and sheet.frame and size[0] % sheet.frame[0] == 0 == size[1] % sheet.frame[1]:
        cells = Cells("texels", *sheet.frame)
    elif size and grid and size[0] % grid[0] == 0 == size[1] % grid[1]:
        cells = Cells("count", *grid)
    edges = _CLAMP if sheet.meta.clamp else _AUTO if sheet.meta.tile else _edges(spot)
    if role.name == "_n":
        return Treatment("normal", edges=edges, cells=cells, normal="two_channel", doubted=True, store="png")
    if role.name == "_s":
        return Treatment("mask", "nearest", edges=edges, cells=cells or "whole", doubted=True, store="png")
    kind, method = _kind(spot)
    if role.name == "_e":
        kind = "emissive"
    return Treatment(kind, method, edges=edges, cells="whole" if cells is None and method else cells, store="png")


def _edges(spot: Spot) -> _Edges:
    """Return what lies beyond a picture's borders: only blocks and the weather are laid side by side."""
    if spot.root != "textures":
        return _AUTO if spot.folder in _FREE_FOLDERS else _CLAMP
    is_own = spot.folder in OWN_FOLDERS
    return _AUTO if not is_own or spot.folder in BLOCK_FOLDERS or spot.rest.startswith(_TILED) else _CLAMP


def _kind(spot: Spot) -> tuple[Kind | None, Method | None]:
    """Return (kind, method) by the folder; None leaves it to the pixels."""
    if spot.folder == "font":
        return "font", "nearest"  # widths are read from the columns of a glyph that are not clear
    if spot.folder == "trims":
        return "lookup", "nearest"
    if spot.folder == "gui":
        return "interface", None
    if spot.root == "textures" and spot.folder in OWN_FOLDERS:
        return "colour", None
    return None, None


def sidecars(pack: Pack, planned: Sequence[Planned], wishes: Wishes) -> Iterator[Sidecar]:
    """Yield the descriptions of enlarged strips that name the size of a frame, and OptiFine's animations."""
    plans = {plan.path: plan for plan in planned}
    targets = {path: found.target for path, found in _animations(pack) if isinstance(found, Animation)}
    for plan in planned:
        if plan.action == "rewrite":
            data = pack.read(plan.path, None)
            scaled = scale_animation if plan.path in targets else mcmeta.scale_mcmeta
            picture = plans.get(targets.get(plan.path) or plan.path.removesuffix(mcmeta.SUFFIX))
            if picture and picture.action == "upscale":
                rule = picture.rules[0] if picture.rules and not picture.rules[0].needs_pixels else None
                data = scaled(data, rule.scale if rule and rule.scale else wishes.scale)
            yield Sidecar(plan.target, data, plan.path)


MINECRAFT = Convention(
    id="minecraft",
    title="Minecraft Java Edition, OptiFine",
    detect=detect,
    parse=parse,
    format=format_name,
    plan=plan,
    check=check,
    sidecars=sidecars,
    facts={
        "dump": "a resource pack, folder or zip",
        "writes": "the whole pack: pictures enlarged, all other files copied",
        "alpha": "0 and 255 only where the source has only these, else as it is",
        "mips": "made by the game; keep sizes powers of two",
    },
)
