"""What Citra, Azahar and Lime3DS do with the files of a finished texture pack, by their own rules.

References:
    azahar-emu/azahar, src/video_core/custom_textures/custom_tex_manager.cpp: names and pack.json; material.cpp: sizes
    of maps and formats of DDS.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from texup.conventions.citra.names import CONFIG, TITLE_ID, Config, configs, key_of, parse
from texup.conventions.shared.game_folders import locate
from texup.errors import TextureError, UnsupportedTexture
from texup.packs.heads import HEAD
from texup.packs.pack import Finding, Pack
from texup.packs.walk import Entry
from texup.textures.codecs.dds_header import DdsHeader, parse_dds
from texup.textures.codecs.files import read_header

_BLOCKS = ("bc1", "bc3", "bc5", "bc7")
_RGBA8 = (0xFF, 0xFF00, 0xFF0000, 0xFF000000)
_DXGI_RGBA8 = (28, 29)  # R8G8B8A8_UNORM and its sRGB twin
_SUFFIXES = (".png", ".dds", ".ktx")


@dataclass(frozen=True, slots=True)
class _Image:
    """What the loader sees of one file."""

    path: str
    size: tuple[int, int]
    format: str


def check(pack: Pack) -> Iterator[Finding]:
    """Yield what the loader would refuse, ignore or show badly."""
    spot = locate(pack, TITLE_ID)
    known = configs(pack, spot)
    titles = dict.fromkeys(spot(entry.path).game for entry in pack.entries if entry.kind == "texture")
    for title in titles:
        yield from _check_config(title, known.get(title))
    seen: dict[tuple[str, str], _Image | None] = {}
    paths: dict[tuple[str, str], str] = {}
    for entry in pack.entries:
        if entry.kind != "texture":
            continue
        game = spot(entry.path).game
        config = known.get(game, Config())
        ignored = _why_ignored(entry, config)
        if ignored:
            yield Finding("warning", entry.path, ignored)
            continue
        key = game, key_of(entry.path)
        first = paths.setdefault(key, entry.path)
        if first != entry.path:
            yield Finding("warning", entry.path, f"the same texture as {first}; the loader ignores one of them")
            continue
        seen[key] = yield from _check_file(pack, entry, config)
    yield from _check_normals(seen, paths)


def _check_config(title: str, config: Config | None) -> Iterator[Finding]:
    if config is None:
        text = f"{title}: no {CONFIG}, so that nothing dumped with new hashes loads; copy the one of the dump"
        yield Finding("error", "", text)
    elif config.problem:
        yield Finding(
            "error", config.path, f"{config.problem}, so the loader does not take it; copy the one of the dump"
        )


def _why_ignored(entry: Entry, config: Config) -> str:
    bare = entry.path.rpartition("/")[2]
    if bare.count(".") > 2:
        return "more than three parts between dots, so the loader ignores it"
    if not bare.lower().endswith(_SUFFIXES):
        return "the loader reads only PNG, DDS and KTX"
    if not bare.endswith(_SUFFIXES):
        return "the loader ignores extensions in capitals"
    if parse(entry.path) is None and bare not in config.mapped:
        return f"not a Citra name, and {CONFIG} does not name it, so the loader ignores it"
    return ""


def _check_file(pack: Pack, entry: Entry, config: Config) -> Generator[Finding, None, _Image | None]:
    """Return what the loader sees of a file; None, after a finding, where it refuses it."""
    try:
        image = _image_of(entry.path, pack.read(entry.path, HEAD), config)
    except TextureError as error:
        yield Finding("error", entry.path, error.reason)
        return None
    name = parse(entry.path)
    if name is not None and name.native is not None:
        yield from _check_native(image, *name.native)
    return image


def _image_of(path: str, data: bytes, config: Config) -> _Image:
    """Return what the loader sees of a file, from its head.

    Raises:
        TextureError: it is damaged, or refused by the loader.
    """
    if not path.endswith(".dds"):
        head = read_header(data, path)
        return _Image(path, (head.width, head.height), "rgba8")
    header = parse_dds(data)
    fault = _fault(header, config)
    if fault:
        raise UnsupportedTexture(fault, path)
    return _Image(path, (header.width, header.height), header.block or "rgba8")


def _fault(header: DdsHeader, config: Config) -> str:
    if config.skip_mipmap:
        return f"the loader refuses DDS unless {CONFIG} has skip_mipmap false; use PNG"
    if header.extra:
        return f"a {header.extra}, which the loader cannot use"
    plain = header.dxgi in _DXGI_RGBA8 or (not header.fourcc and header.bits == 32 and header.masks == _RGBA8)
    if plain or (header.block in _BLOCKS and not header.is_signed):
        return ""
    return "the loader takes DDS of RGBA8, BC1, BC3, BC5 and BC7 only"


def _check_native(image: _Image, width: int, height: int) -> Iterator[Finding]:
    size = "{} x {}".format(*image.size)
    if image.size[0] * height != image.size[1] * width:
        yield Finding("warning", image.path, f"{size} has not the aspect of the native {width} x {height}")
    elif image.size[0] % width or image.size[1] % height:
        yield Finding("warning", image.path, f"{size} is not a whole multiple of the native {width} x {height}")


def _check_normals(seen: dict[tuple[str, str], _Image | None], paths: dict[tuple[str, str], str]) -> Iterator[Finding]:
    for (game, key), image in seen.items():
        if not key.endswith(".norm"):
            continue
        partner = game, key.removesuffix(".norm")
        if partner not in paths:
            yield Finding(
                "warning", paths[game, key], "a normal map without a colour file, which the loader cannot use"
            )
            continue
        colour = seen[partner]
        if image is None or colour is None:
            continue
        if image.size != colour.size:
            sizes = "{} x {}, but its colour file {} is {} x {}".format(*image.size, colour.path, *colour.size)
            yield Finding("error", image.path, f"{sizes}; the loader refuses both")
        elif image.format != colour.format:
            text = f"{image.format}, but its colour file {colour.path} is {colour.format}; the loader refuses both"
            yield Finding("error", image.path, text)
