"""Speed and size of PNGs: megapixels a second of one core, and bytes against what Pillow writes at level 4.

Run: ``python tests/bench/bench_encoders.py RESULTS... [--count 120] [--rounds 5]``. RESULTS are folders of upscaled
textures; every n-th PNG of them is taken. All ways see the same pictures in the same run, in turns; a time is the
processor's, the median of the rounds, for the whole file with its checksums. zlib-ng and libdeflate stand beside them
where the packages ``zlib-ng`` and ``deflate`` are installed; both get texup's own scanlines.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texup.textures.codecs import scanlines
from texup.textures.codecs.files import decode, encode
from texup.textures.texture import Container, Texture

Bytes = NDArray[np.uint8]
Way = Callable[[Bytes], bytes]
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
PLAIN = Container("png")
CHUNKS = 57  # bytes of a PNG besides its pixels


def by_pillow(level: int) -> Way:
    """Return what filters and deflates as Pillow does."""

    def packed(pixels: Bytes) -> bytes:
        mode = MODES[pixels.shape[2]]
        image = Image.frombytes(mode, pixels.shape[1::-1], pixels.tobytes())
        return bytes(CHUNKS) + image.tobytes("zip", mode, 0, level, -1, b"")

    return packed


def by_package(package: str, function: str, level: int) -> Way | None:
    """Return what deflates texup's scanlines by another library, or None without it."""
    try:
        compress = getattr(import_module(package), function)
    except ImportError:
        return None

    def packed(pixels: Bytes) -> bytes:
        rows = pixels.reshape(len(pixels), -1)
        lines = [scanlines._less(*strip, pixels.shape[2]) for strip in scanlines._strips(rows)]
        return bytes(CHUNKS) + compress(np.concatenate(lines), level)

    return packed


def ways() -> dict[str, Way]:
    """Return the ways to write a PNG, by name; the first is what others are compared with."""
    found: dict[str, Way | None] = {
        "Pillow, level 4": by_pillow(4),
        "Pillow, level 1": by_pillow(1),
        "Pillow, level 6": by_pillow(6),
        "Pillow, level 9": by_pillow(9),
        "texup, fast": lambda pixels: encode(Texture(pixels, PLAIN)),
        "texup, small": lambda pixels: encode(Texture(pixels, PLAIN), small=True),
        "zlib, level 1": by_package("zlib", "compress", 1),
        "zlib-ng, level 1": by_package("zlib_ng.zlib_ng", "compress", 1),
        "zlib-ng, level 2": by_package("zlib_ng.zlib_ng", "compress", 2),
        "libdeflate, level 1": by_package("deflate", "zlib_compress", 1),
        "libdeflate, level 6": by_package("deflate", "zlib_compress", 6),
        "libdeflate, level 12": by_package("deflate", "zlib_compress", 12),
    }
    return {name: way for name, way in found.items() if way is not None}


def pictures(folders: Sequence[Path], count: int) -> tuple[list[Bytes], list[bytes]]:
    """Return pictures of 8 bits, and the files that they were read from."""
    paths = sorted(path for folder in folders for path in folder.rglob("*.png"))
    files = [path.read_bytes() for path in paths[:: max(len(paths) // count, 1)]]
    textures = [(decode(data, "a.png").pixels, data) for data in files]
    kept = [(pixels, data) for pixels, data in textures if pixels.dtype == np.uint8]
    return [pixels for pixels, _ in kept], [data for _, data in kept]


def seconds_of(way: Callable[[], object]) -> float:
    """Return the processor's seconds for one call."""
    began = time.process_time()
    way()
    return time.process_time() - began


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    chosen, files = pictures(options.folders, options.count)
    seconds, sizes = defaultdict(list), {}
    spent = defaultdict(float)
    rgba = [pixels for pixels in chosen if pixels.shape[2] == 4]
    for _ in range(options.rounds):
        for name, way in ways().items():
            if spent[name] > 30:
                continue  # the slow ones need no median
            for kind, some in (("RGBA", rgba), ("all", chosen)):
                seconds[name, kind].append(seconds_of(lambda way=way, some=some: [way(pixels) for pixels in some]))
                spent[name] += seconds[name, kind][-1]
    for name, way in ways().items():
        sizes[name] = np.array([len(way(pixels)) for pixels in chosen])
    mega = {kind: sum(p[..., 0].size for p in some) / 1e6 for kind, some in (("RGBA", rgba), ("all", chosen))}
    print(f"{len(chosen)} pictures, {mega['all']:.1f} megapixels, {mega['RGBA']:.1f} of them RGBA")
    print(f"{'':22} RGBA Mpx/s  all Mpx/s   bytes  mean of ratios  largest")
    before = sizes["Pillow, level 4"]
    for name in ways():
        speed = [mega[kind] / median(seconds[name, kind]) for kind in ("RGBA", "all")]
        ratios = sizes[name] / before
        total = sizes[name].sum() / before.sum()
        print(f"{name:22} {speed[0]:10.1f} {speed[1]:10.1f} {total:7.3f} {ratios.mean():15.3f} {ratios.max():8.2f}")
    again = median(seconds_of(lambda: [decode(data, "a.png") for data in files]) for _ in range(options.rounds))
    print(f"read with all checks: {mega['all'] / again:.1f} Mpx/s, {again / len(files) * 1e6:.0f} µs a file")


if __name__ == "__main__":
    main()
