"""How long it takes to find out what 10,000 names are and to plan them, for each convention.

Run: ``python tests/bench/bench_names.py [FOLDER]``, where FOLDER has lists of real names (``dolphin.txt``,
``n64_rice.txt``, ``ppsspp.txt``: lines that end in a tab and a path); without it all names are made up.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from texup.conventions.convention import Wishes
from texup.conventions.detection import detect
from texup.conventions.table import CONVENTIONS
from texup.errors import UnreadableTexture
from texup.packs.pack import Finding, Pack
from texup.packs.walk import Entry
from texup.textures.codecs.files import SUFFIXES

COUNT, ROUNDS = 10_000, 3
REAL = {"dolphin": "dolphin", "gliden64": "n64_rice", "rice": "n64_rice", "ppsspp": "ppsspp"}
PLACES = {
    "dolphin": "Load/Textures",
    "pcsx2": "textures/SLUS-21214/dumps",
    "gliden64": "hires_texture",
    "rice": "texture_dump/GAME/png_all",
    "ppsspp": "PSP/TEXTURES/ULUS10000",
    "duckstation": "textures/SLUS-00067/dumps",
    "citra": "dump/textures/0004000000030800",
    "beetle-psx": "Game-texture-dump",
}
NAMES: dict[str, Callable[[int], str]] = {
    "dolphin": lambda k: f"GALE01/ui {k % 20}/tex1_64x32_{k:015x}a_14.png",
    "pcsx2": lambda k: f"a12c{k:012x}-9cc5{k:012x}-00005993.png",
    "gliden64": lambda k: f"GAME/GAME#{k + 1:08X}#0#2_all.png",
    "rice": lambda k: f"GAME#{k // 2 + 1:08X}#0#2_{('rgb', 'a')[k % 2]}.png",
    "rt64": lambda k: f"GAME#{k + 1:08X}#0#2_all.png",
    "ppsspp": lambda k: f"new/08d39610{k:016x}.png",
    "duckstation": lambda k: f"texupload-P8-{k:016X}-EAFB5B4F0E007E25-128x256-0-0-256x112-P0-255.png",
    "minecraft": lambda k: f"assets/minecraft/textures/block/stone_{k}.png",
    "gzdoom": lambda k: f"{('sprites', 'flats', 'textures')[k % 3]}/{k:04}{'A1' if k % 3 == 0 else ''}.png",
    "citra": lambda k: f"tex1_64x64_{k:015X}A_13.png",
    "beetle-psx": lambda k: f"{k + 1:x}-{k * 7 + 1:x}.png",
    "quake": lambda k: f"textures/e{k % 9}m1/wall{k}{('', '_luma', '_norm')[k % 3]}.tga",
    "bethesda": lambda k: f"textures/armor/iron{k // 2}{('', '_n')[k % 2]}.dds",
    "plain": lambda k: f"pictures {k % 30}/picture {k}.png",
}


def pack_of(id_: str, paths: list[str]) -> Pack:
    """Return a pack of names alone, with the small text files that its loader asks for."""
    ini = "[options]\nhash = quick\n[hashes]\n" + "".join(f"{k + 1:024x} = {path}\n" for k, path in enumerate(paths))
    rice = ", ".join(f'{{"hashes": {{"rice": "{k + 1:08x}#0#2", "rt64": ""}}, "path": ""}}' for k in range(len(paths)))
    texts = {
        "ppsspp": {"textures.ini": ini},
        "rt64": {"rt64.json": f'{{"configuration": {{"autoPath": "rice"}}, "textures": [{rice}]}}'},
        "minecraft": {"pack.mcmeta": '{"pack": {"pack_format": 4}}'},
        "citra": {"pack.json": '{"options": {"skip_mipmap": true, "flip_png_files": true, "use_new_hash": true}}'},
    }.get(id_, {})
    entries = [Entry(p, 999, "texture" if os.path.splitext(p)[1] in SUFFIXES else "other") for p in [*paths, *texts]]
    place = ("home", *PLACES.get(id_, "my pack").split("/"))

    def read(path: str, limit: int | None) -> bytes:
        if path not in texts:
            raise UnreadableTexture("only its name is here", path)
        return texts[path].encode()[:limit]

    return Pack(entries, place, read)


def names_of(id_: str, real: Path | None) -> list[str]:
    """Return 10,000 paths: real ones, repeated in folders of their own, or made up."""
    file = real / f"{REAL[id_]}.txt" if real and id_ in REAL else None
    if file is None or not file.is_file():
        return [NAMES[id_](k) for k in range(COUNT)]
    lines = [line for line in file.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    paths = [line.split("\t")[-1] for line in lines]
    copies = (
        path if not turn else "/".join((*path.split("/")[:1], f"{turn}", *path.split("/")[1:]))
        for turn in range(-(-COUNT // len(paths)))
        for path in paths
    )
    return sorted(copies)[:COUNT]


def main() -> None:
    real = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    print(f"{'convention':12} {'names':6} {'detected':12} {'detect ms':>10} {'plan ms':>8}  planned")
    for convention in CONVENTIONS:
        if convention.id not in NAMES:
            print(f"{convention.id:12} has no names in this script")
            continue
        paths = names_of(convention.id, real)
        pack = pack_of(convention.id, paths)
        times: list[tuple[float, float]] = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            found = detect(pack)
            middle = time.perf_counter()
            planned = [item for item in convention.plan(pack, Wishes()) if not isinstance(item, Finding)]
            times.append((middle - began, time.perf_counter() - middle))
        detecting, planning = (1000 * statistics.median(column) for column in zip(*times, strict=True))
        actions = {action: sum(item.action == action for item in planned) for action in ("upscale", "copy", "skip")}
        shown = ", ".join(f"{count} {action}" for action, count in actions.items() if count)
        kind = "real" if real and convention.id in REAL else "made"
        print(f"{convention.id:12} {kind:6} {found.convention.id:12} {detecting:10.0f} {planning:8.0f}  {shown}")


if __name__ == "__main__":
    main()
