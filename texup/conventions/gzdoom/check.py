"""What GZDoom makes of a finished folder."""

from __future__ import annotations

from collections.abc import Iterator

from texup import bounds
from texup.conventions.gzdoom.names import LENGTH, Lump, lump_of, why_unread
from texup.conventions.gzdoom.textures_lump import Definition, png_grab, read_definitions
from texup.errors import TextureError
from texup.packs.heads import HEAD, read_head
from texup.packs.pack import Finding, Pack, read_bounded, too_much
from texup.texts import TooMuch
from texup.textures.codecs.dds_header import parse_dds
from texup.textures.codecs.files import read_header

_LUMPS = ("TEXTURES", "HIRESTEX")


def check(pack: Pack) -> Iterator[Finding]:
    """Yield what the game would refuse, ignore or show wrongly."""
    lumps: dict[str, Lump] = {}
    texts: set[str] = set()
    for entry in pack.entries:
        lump = lump_of(entry.path)
        if entry.kind == "texture" and lump is not None:
            lumps[entry.path] = lump
        elif entry.kind == "other" and "/" not in entry.path and _lump_name(entry.path) in _LUMPS:
            texts.add(entry.path)
    if not lumps and not texts:
        yield Finding(
            "warning", "", "no hires/, textures/, flats/, sprites/ or graphics/ at the root: nothing is shown"
        )
    yield from _check_names(lumps)
    for path, lump in lumps.items():
        yield from _check_picture(pack, path, lump)
    problem = too_much(entry for entry in pack.entries if entry.path in texts)
    for path in texts:
        yield from [Finding("error", path, problem)] if problem else _check_text(pack, path)


def _lump_name(path: str) -> str:
    return path.rpartition(".")[0][:LENGTH].upper() if "." in path else path[:LENGTH].upper()


def _check_names(lumps: dict[str, Lump]) -> Iterator[Finding]:
    last: dict[tuple[str, str], str] = {}
    patches = {lump.key: path for path, lump in lumps.items() if lump.space == "patches"}
    for path, lump in lumps.items():
        if lump.space == "hires" and lump.is_long:
            yield Finding("warning", path, f"GZDoom reads {LENGTH} characters of a name, here {lump.key}")
        if lump.space == "hires" and lump.key in patches:
            yield Finding("warning", path, f"replaces the patch {patches[lump.key]} too; its walls would show a corner")
        if lump.is_long and lump.space != "hires":
            continue  # meant by its full path
        known = last.setdefault((lump.space, lump.key), path)
        if known != path:
            yield Finding("warning", path, f"has the name {lump.key} of {known}; GZDoom shows one of them")


def _check_picture(pack: Pack, path: str, lump: Lump) -> Iterator[Finding]:
    try:
        head = pack.read(path, HEAD)
        header = read_header(head, path.rpartition("/")[2])
        problem = why_unread(parse_dds(head)) if header.format == "dds" else ""
    except TextureError as error:
        problem = str(error)
    else:
        if lump.space == "hires" and header.format == "png" and png_grab(head):
            yield Finding("hint", path, "its offsets have no effect in hires/, where the old texture's count")
    if problem:
        yield Finding("error", path, problem)


def _check_text(pack: Pack, path: str) -> Iterator[Finding]:
    try:
        text = read_bounded(pack, path, bounds.GZDOOM_BYTES).decode("utf-8", "surrogateescape")
        definitions = read_definitions(text)
    except TooMuch as error:
        yield Finding("warning", path, f"is not read: {error}")
        return
    except ValueError as error:
        yield Finding("error", path, f"{error}; GZDoom would stop here")
        return
    except TextureError as error:
        yield Finding("error", path, str(error))
        return
    files = {entry.path.lower(): entry.path for entry in pack.entries if entry.kind != "refused"}
    for made in definitions:
        yield from _check_definition(pack, path, made, files)


def _check_definition(pack: Pack, path: str, made: Definition, files: dict[str, str]) -> Iterator[Finding]:
    """Short names of pictures may be the game's own; a path has to be here."""
    for name, left, top in made.parts:
        if "/" not in name:
            continue
        if name.lower() not in files:
            yield Finding("error", path, f"{made.name} is made of {name}, which is not here")
        elif (left, top) == (0, 0) and len(made.parts) == 1:
            yield from _check_size(pack, path, made, files[name.lower()])


def _check_size(pack: Pack, path: str, made: Definition, picture: str) -> Iterator[Finding]:
    try:
        header = read_head(pack, picture)
    except TextureError as error:
        yield Finding("error", picture, str(error))
        return
    if (header.width, header.height) != (made.width, made.height):
        text = f"{made.name} is {made.width}x{made.height}, but {picture} is {header.width}x{header.height}"
        yield Finding("warning", path, text)
