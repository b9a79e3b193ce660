"""What each reader of a stranger's file takes at most: the one table, which SECURITY.md quotes.

A reader asks ``bounds.RULES_BYTES`` when it reads, so that a bound can be lowered in a test. What only steers the work
(batches, tiles, the share of the free memory) stands where the work is done.
"""

from __future__ import annotations

import sys
from typing import Annotated, Literal, NamedTuple, get_type_hints

Unit = Literal["", "bytes", "pixels", "seconds"]
_MANY = {"bytes": (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)), "pixels": (("Mi", 1 << 20),)}


class Bound(NamedTuple):
    """What a number of this module bounds."""

    reader: str
    """The files that are read."""
    what: str
    """What is counted of them."""
    unit: Unit = ""
    """Of the number; "" for a plain count."""


WEIGHTS_BYTES: Annotated[int, Bound("weights", "a file", "bytes")] = 480 << 20
"""Thirty times what ESRGAN has; parsing holds two copies, which with torch itself still fit into 1.5 GiB."""
WEIGHTS_HEADER: Annotated[int, Bound("weights", "header of a safetensors file", "bytes")] = 8 << 20
WEIGHTS_PARAMETERS: Annotated[int, Bound("weights", "parameters")] = 145_000_000
"""VGG19 has 143,667,240."""
WEIGHTS_INTEGERS: Annotated[int, Bound("weights", "integers, as tables of places have them")] = 20_000_000
"""HAT's largest published net has 2 million."""
WEIGHTS_KEY: Annotated[int, Bound("weights", "characters of a tensor's name")] = 200
WEIGHTS_DIMENSIONS: Annotated[int, Bound("weights", "dimensions of a tensor")] = 8
"""Parsing takes the square of their number."""
WEIGHTS_TENSORS: Annotated[int, Bound("weights", "tensors")] = 20_000
"""A full training checkpoint of RRDBNet has about 4,000."""
WEIGHTS_PICKLE: Annotated[int, Bound("weights", "a pickle", "bytes")] = 4 << 20
WEIGHTS_OPCODES: Annotated[int, Bound("weights", "opcodes of a pickle")] = 1_000_000
"""40 for a tensor."""
WEIGHTS_TUPLE: Annotated[int, Bound("weights", "values of a tuple in a pickle, tuples inside it unrolled")] = 1_000
WEIGHTS_DOUBLINGS: Annotated[int, Bound("weights", "doublings of a net's scale")] = 8
MODELS_BYTES: Annotated[int, Bound("the user's `models.json`", "a file", "bytes")] = 1 << 20
"""A model takes about 250."""

BORROWED_DEPTH: Annotated[int, Bound("nets of spandrel", "a number in a tensor's name")] = 512
"""RCAN has 20 blocks in each of 10 groups; every number becomes as many layers."""
BORROWED_SIDE: Annotated[int, Bound("nets of spandrel", "a side of a tensor")] = 1 << 16
BORROWED_SCALE: Annotated[int, Bound("nets of spandrel", "scale")] = 16
BORROWED_SECONDS: Annotated[float, Bound("nets of spandrel", "building it, and each trial", "seconds")] = 120
"""The largest published one takes 20 on a slow core."""
BORROWED_NUMBERS: Annotated[int, Bound("nets of spandrel", "numbers in a tensor that a trial makes")] = 1 << 28
BORROWED_BYTES: Annotated[int, Bound("nets of spandrel", "memory more than before, on Linux", "bytes")] = 6 << 30

TEXTURE_BYTES: Annotated[int, Bound("textures", "a file, also where a check looks for its size", "bytes")] = 1 << 30
RESULT_PIXELS: Annotated[int, Bound("textures", "a result", "pixels")] = 1 << 28
"""16384 x 16384, the largest texture that graphics cards take."""
DECODER_SECONDS: Annotated[float, Bound("textures", "a decoder with one picture", "seconds")] = 120
"""The largest texture takes 20 on a slow core."""
JPEG_SEGMENTS: Annotated[int, Bound("textures", "segments of a JPEG before the pixels")] = 10_000
"""Even a colour profile and a preview in pieces take a few hundred."""
JPEG_SCANS: Annotated[int, Bound("textures", "scans of a JPEG")] = 200
"""Tools write up to 12; each is a pass over the whole picture."""
SHEET_CELLS: Annotated[int, Bound("textures", "cells of a sheet")] = 1 << 16
"""More is a slip of the pen, and each would be a texture with a margin of its own."""
EVALUATED_PIXELS: Annotated[int, Bound("textures", "a picture of `evaluate`", "pixels")] = 1 << 26

ARCHIVE_FILES: Annotated[int, Bound("archives", "files")] = 100_000
"""Each takes 1.7 KB while the archive is unpacked."""
ARCHIVE_MEMBER: Annotated[int, Bound("archives", "a file, unpacked", "bytes")] = 1 << 30
ARCHIVE_TOTAL: Annotated[int, Bound("archives", "all files, unpacked", "bytes")] = 16 << 30
ARCHIVE_RATIO: Annotated[int, Bound("archives", "times that a large one may grow")] = 200
"""Deflate reaches 1032: a flat TGA is sound at that. A whole pack is not, once it is large."""
ARCHIVE_RATIO_FROM: Annotated[int, Bound("archives", "size from which that counts", "bytes")] = 256 << 20
ARCHIVE_FOLDERS: Annotated[int, Bound("archives", "folders")] = 20_000
ARCHIVE_DEPTH: Annotated[int, Bound("archives", "folders above a file")] = 64
"""Ten times what packs have."""
ARCHIVE_PATH: Annotated[int, Bound("archives", "characters of a path")] = 1_024
ARCHIVE_NAME: Annotated[int, Bound("archives", "a name in a path", "bytes")] = 255
"""What file systems hold."""
ARCHIVE_DIRECTORY: Annotated[int, Bound("archives", "the list of files", "bytes")] = 64 << 20

STORE_OBJECTS: Annotated[int, Bound("object stores", "objects below a URL")] = 500_000
"""Each takes 3.4 KB while they are listed."""
STORE_OBJECT: Annotated[int, Bound("object stores", "an object", "bytes")] = 4 << 30

RULES_BYTES: Annotated[int, Bound("rules (`texup.toml`)", "a file", "bytes")] = 256 << 10
RULES_COUNT: Annotated[int, Bound("rules (`texup.toml`)", "rules")] = 1_000
RULES_GLOBS: Annotated[int, Bound("rules (`texup.toml`)", "globs of all rules")] = 2_000
"""Each file of a pack is compared with them."""
RULES_GLOB: Annotated[int, Bound("rules (`texup.toml`)", "characters of a glob")] = 1_024
RULES_MODELS: Annotated[int, Bound("rules (`texup.toml`)", "models and blends that all rules name")] = 64
RULES_CHAIN: Annotated[int, Bound("rules (`texup.toml`)", "models of one rule")] = 8
TOML_PARTS: Annotated[int, Bound("TOML of any kind", "parts of a dotted key")] = 8
"""Parsing takes the square of their number."""
TOML_BYTES: Annotated[int, Bound("TOML of texup's own and of its user (defaults)", "a file", "bytes")] = 1 << 20

JSON_VALUES: Annotated[int, Bound("JSON of any kind", "commas, colons and opening brackets")] = 500_000

MANIFEST_LINE: Annotated[int, Bound("manifest", "a line", "bytes")] = 1 << 20
MANIFEST_PATH: Annotated[int, Bound("manifest", "characters of a path")] = 4_096
MANIFEST_TARGETS: Annotated[int, Bound("manifest", "files of one record")] = 64
MANIFEST_SHARDS: Annotated[int, Bound("manifest", "shards of one pack")] = 9_999

TEXTS_TOTAL: Annotated[int, Bound("text files of loaders", "those of one kind in a pack", "bytes")] = 16 << 20
CITRA_BYTES: Annotated[int, Bound("Citra's `pack.json`", "a file", "bytes")] = 4 << 20
DOLPHIN_BYTES: Annotated[int, Bound("Dolphin's `manifest.json`", "a file", "bytes")] = 64 << 10
DUCKSTATION_BYTES: Annotated[int, Bound("DuckStation's `config.yaml`", "a file", "bytes")] = 1 << 20
"""A name takes about a hundred."""
DUCKSTATION_FILES: Annotated[int, Bound("DuckStation's packs", "files that a check decodes")] = 2_000
DUCKSTATION_TOTAL: Annotated[int, Bound("DuckStation's packs", "those files together", "bytes")] = 64 << 20
DUCKSTATION_PIXELS: Annotated[int, Bound("DuckStation's packs", "a picture that a check decodes", "pixels")] = 1 << 24
GZDOOM_BYTES: Annotated[int, Bound("GZDoom's TEXTURES and HIRESTEX", "a lump", "bytes")] = 4 << 20
GZDOOM_WORDS: Annotated[int, Bound("GZDoom's TEXTURES and HIRESTEX", "words and signs of a lump")] = 400_000
"""A texture takes about 20."""
GZDOOM_COMPARED: Annotated[int, Bound("GZDoom's packs", "each of two pictures that are compared", "bytes")] = 64 << 20
"""Larger ones of one name are not taken for equal."""
MINECRAFT_BYTES: Annotated[int, Bound("Minecraft's `.mcmeta` and animations", "a file", "bytes")] = 256 << 10
"""An animation of a thousand frames with their times takes 25 KB."""
PPSSPP_BYTES: Annotated[int, Bound("PPSSPP's `textures.ini`", "a file", "bytes")] = 4 << 20
"""That of a pack of 1252 textures has 98 KB."""
PPSSPP_LINES: Annotated[int, Bound("PPSSPP's `textures.ini`", "lines")] = 100_000
RT64_BYTES: Annotated[int, Bound("RT64's `rt64.json`", "a file", "bytes")] = 8 << 20
"""The largest seen lists 9844 textures in 1.7 MB."""
RT64_PATH: Annotated[int, Bound("RT64's `rt64.json`", "characters of a path")] = 4_096

PAGE_PIXELS: Annotated[int, Bound("pages", "a picture, above which it is reduced", "pixels")] = 1 << 24
PAGE_KNOWN: Annotated[int, Bound("pages", "what is remembered between calls", "bytes")] = 64 << 20
PAGE_SINGLE: Annotated[int, Bound("pages", "a page in one file", "bytes")] = 64 << 20
"""Browsers open larger ones slowly or not at all."""

MESSAGE_CHARACTERS: Annotated[int, Bound("messages", "characters of a line")] = 1_000
"""Of what is printed for people, with controls escaped; JSON is whole."""


def table() -> dict[str, tuple[Bound, float]]:
    """Return every bound by the name of its constant: what it bounds, and the number."""
    module = sys.modules[__name__]
    hints = get_type_hints(module, include_extras=True)
    return {name: (hint.__metadata__[0], getattr(module, name)) for name, hint in hints.items() if name.isupper()}


def spelt(number: float, unit: Unit = "") -> str:
    """Return a number as people read it: 480 MiB, 256 Mi pixels, 20,000."""
    for name, size in _MANY.get(unit, ()):
        if number >= size and number % size == 0:
            return f"{number // size:,} {name}" + (f" {unit}" if unit == "pixels" else "")
    return f"{number:,} {unit}".strip()


def as_markdown() -> str:
    """Return the table of SECURITY.md."""
    rows = [f"| {b.reader} | {b.what} | `{name}` | {spelt(number, b.unit)} |" for name, (b, number) in table().items()]
    return "\n".join(["| reader | bound | constant | value |", "|---|---|---|---|", *rows])


if __name__ == "__main__":
    sys.stdout.write(as_markdown() + "\n")
