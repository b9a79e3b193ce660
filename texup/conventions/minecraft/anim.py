"""OptiFine's animations: files that say which frames are drawn over which part of a picture, in texels.

References:
    sp614x/optifine, OptiFineDoc/doc: custom_animations.txt (``from``, ``to``, ``x``, ``y``, ``w``, ``h``; frames are a
        vertical strip) and properties_files.txt (how paths are spelt).
    OptiFine, net.optifine.TextureAnimations, and MCPatcher, com.prupe.mcpatcher.hd.CustomAnimation: a strip of another
        width is stretched to ``w``; what is no whole number of frames, or leaves the picture, is ignored.
    FoundationGames/Animatica, AnimationLoader: the same files, also in a folder of its own.
    Java SE, java.util.Properties.load: comments, separators, escapes, ISO 8859-1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from texup import bounds
from texup.conventions.minecraft.names import Spot, spot_of
from texup.errors import TextureError
from texup.packs.heads import size_of
from texup.packs.pack import Finding, Pack

SUFFIX = ".properties"
FOLDER = "anim"
SIZES = ("x", "y", "w", "h")
_LINE = re.compile(
    r"[ \t\f\r\n]*(?:[#!][^\r\n]*|(?P<key>(?:\\(?:\r\n|.)|[^\\ \t\f\r\n=:])*)"
    r"[ \t\f]*[=:]?[ \t\f]*(?P<value>(?:\\(?:\r\n|.)|[^\\\r\n])*))",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u(?P<code>[0-9a-fA-F]{4})|(?P<end>\r\n|[\r\n])[ \t\f]*|(?P<plain>.))", re.DOTALL)
_NUMBER = re.compile(r"[+-]?[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Animation:
    """Frames that are drawn over a part of a picture."""

    strip: str
    """Path of the picture with the frames; "" where the pack has it not."""
    target: str
    """Path of the picture that they are drawn over; "" where the pack has it not."""
    left: int
    top: int
    width: int
    """Texels of the part, and of a frame where the strip is as wide."""
    height: int

    def frame_in(self, size: tuple[int, int]) -> tuple[int, int] | None:
        """Return width and height of a frame in a strip of a size; None where it is no whole number of frames."""
        tall, rest = divmod(self.height * size[0], self.width)
        return None if rest or not tall or size[1] % tall else (size[0], tall)


def animation_reader(pack: Pack) -> Callable[[str], Animation]:
    """Return a function that reads one of the files that :func:`animation_files` finds.

    The function raises ValueError where the game would make nothing of the file, its text is one clause; and
    TextureError where the file cannot be read.
    """
    places: dict[tuple[str, str], list[str]] = {}
    for entry in pack.entries:
        spot = spot_of(entry.path, pack.place)
        if spot and entry.kind == "texture":
            places.setdefault((spot.namespace, f"{spot.root}/{spot.rest}"), []).append(entry.path)

    def find(value: str, path: str, spot: Spot) -> str:
        """Return the picture that a file names; of those in several overlays of a pack, the one beside the file."""
        here = next((places[key] for key in _addresses(value, spot) if key in places), [""])
        return min(here, key=lambda one: one.partition("assets/")[0] != path.partition("assets/")[0])

    def read(path: str) -> Animation:
        spot = spot_of(path, pack.place)
        assert spot is not None
        found = _properties(pack.read(path, bounds.MINECRAFT_BYTES + 1))
        for key in ("from", "to"):
            if not found.get(key, "").strip():
                raise ValueError(f"has no {key}=")
        rest = "0" if spot.root == "mcpatcher" else ""  # which MCPatcher takes for what is not given
        x, y, w, h = (_number(found.get(key, rest if key in "xy" else "")) for key in SIZES)
        if x is None or y is None or w is None or h is None or min(x, y, w - 1, h - 1) < 0:
            raise ValueError("has no texels in x, y, w and h")
        strip, target = (find(found[key].strip(), path, spot) for key in ("from", "to"))
        return Animation(strip, target, left=x, top=y, width=w, height=h)

    return read


def animation_files(pack: Pack) -> Iterator[str]:
    """Yield the paths of a pack's animations."""
    for entry in pack.entries:
        if entry.path.lower().endswith(SUFFIX):
            spot = spot_of(entry.path, pack.place)
            if spot and spot.root != "textures" and spot.folder == FOLDER:
                yield entry.path


def scale_animation(data: bytes, scale: int) -> bytes:
    """Return the file for pictures ``scale`` times as large: x, y, w and h multiplied, every other byte as it was."""
    text = data.decode("latin-1")
    pieces, done = [], 0
    for line in _LINE.finditer(text):
        number = _NUMBER.match(line["value"] or "")
        if line["key"] in SIZES and number and _number(line["value"]) is not None:
            start = line.start("value")
            pieces += [text[done:start], str(int(number[0]) * scale)]
            done = start + number.end()
    return "".join([*pieces, text[done:]]).encode("latin-1")


def check_animation(pack: Pack, path: str, read: Callable[[str], Animation]) -> Iterator[Finding]:
    """Yield why the game would not play an animation."""
    try:
        animation = read(path)
    except ValueError as error:
        yield Finding("error", path, f"{error}; the game ignores it")
        return
    except TextureError as error:
        yield Finding("error", path, str(error))
        return
    for key, picture in (("from", animation.strip), ("to", animation.target)):
        if not picture:
            yield Finding("warning", path, f"the picture of its {key}= is not here; OptiFine ignores it")
    yield from _check_sizes(pack, path, animation)


def _check_sizes(pack: Pack, path: str, animation: Animation) -> Iterator[Finding]:
    """Yield why the frames of an animation do not fit its pictures."""
    w, h = animation.width, animation.height
    size = size_of(pack, animation.target) if animation.target else None
    if size and (animation.left + w > size[0] or animation.top + h > size[1]):
        text = f"its {w}x{h} texels at {animation.left},{animation.top} leave {animation.target}, which is"
        yield Finding("error", path, f"{text} {size[0]}x{size[1]}; the game ignores it")
    size = size_of(pack, animation.strip) if animation.strip else None
    if size and animation.frame_in(size) is None:
        text = f"{animation.strip} is {size[0]}x{size[1]}, no whole number of frames of {w}x{h}"
        yield Finding("error", path, f"{text}; the game ignores it")


def _properties(data: bytes) -> dict[str, str]:
    """Return what a file says; the last of equal keys counts.

    Raises:
        ValueError: it is too large.
    """
    if len(data) > bounds.MINECRAFT_BYTES:
        raise ValueError("is larger than any description of an animation")
    lines = _LINE.finditer(data.decode("latin-1"))
    return {_unescaped(line["key"]): _unescaped(line["value"]) for line in lines if line["key"]}


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda one: chr(int(one["code"], 16)) if one["code"] else one["plain"] or "", text)


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text.strip()) else None


def _addresses(value: str, spot: Spot) -> Iterator[tuple[str, str]]:
    """Yield the places (namespace, path below it) that a path in a file at ``spot`` may mean, the likeliest first."""
    folder = f"{spot.root}/{spot.rest}".rpartition("/")[0]
    namespace, _, path = value.rpartition(":")
    namespace = namespace or spot.namespace
    if path.startswith("assets/"):
        _, namespace, path = (*path.split("/", 2), "")[:3]
        yield namespace, path
    elif path.startswith("./"):
        yield namespace, f"{folder}/{path[2:]}"
    elif path.startswith(("~/", "/~/")):
        yield namespace, f"{spot.root}/{path.partition('~/')[2]}"
    elif path.startswith("/"):
        yield namespace, path[1:]  # for MCPatcher
        yield namespace, spot.root + path  # for OptiFine
    else:
        if "/" not in path:
            yield namespace, f"{folder}/{path}"
        yield namespace, path
