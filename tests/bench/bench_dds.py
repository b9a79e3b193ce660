"""Quality and speed of DDS blocks on real textures: PSNR of a round trip against its source, in dB.

Run: ``python tests/bench/bench_dds.py FOLDER... [--count 40] [--side 512] [--rows bc7]``. Every n-th picture of the
folders is taken, cut to ``--side``, so that ``--count`` remain. Beside each way of texup stands etcpak's own encoder of
the same blocks. Cut-outs are the pictures with binary alpha; where there are none, the brighter half of each picture.
Colour counts only where it shows. The means are over pictures, of dB; "worst" is the least. The last column is
megatexels a second of one core.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import etcpak
import numpy as np
from numpy.typing import NDArray

from texup.errors import TextureError
from texup.textures.blocks.ispc import Quality
from texup.textures.blocks.levels import decode_blocks, encode_blocks, rebuilt_z
from texup.textures.codecs.files import SUFFIXES, read_texture
from texup.textures.storing import as_rgba

Bytes = NDArray[np.uint8]
QUALITIES = ("", " normal", " best")  # the first is fast, the only one of the other blocks
ROWS = (
    *("bc1", "bc1 cut-out", "bc2", "bc3", "bc4", "bc5"),
    *(f"{row}{quality}" for row in ("bc7", "bc7 cut-out", "bc7 opaque") for quality in QUALITIES),
)


def pictures(folders: list[Path], count: int, side: int) -> Iterator[Bytes]:
    """Yield (H, W, 4) cuts whose sides are multiples of 4."""
    paths = sorted(path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    for path in paths[:: max(len(paths) // count, 1)]:
        try:
            pixels = as_rgba(read_texture(path).pixels)
        except TextureError:
            continue
        height, width = (min(n, side) // 4 * 4 for n in pixels.shape[:2])
        if pixels.dtype == np.uint8 and min(height, width) >= 16:
            yield np.ascontiguousarray(pixels[:height, :width])


def source(row: str, rgba: Bytes) -> Bytes:
    """Return the pixels that a row of the table encodes."""
    block = row[:3]
    if "cut-out" in row:
        alpha = rgba[..., 3]
        if len(np.unique(alpha)) != 2:
            grey = rgba[..., :3].mean(axis=2)
            alpha = np.where(grey > np.median(grey), 255, 0).astype(np.uint8)
        return np.dstack([rgba[..., :3], np.where(alpha > 127, 255, 0).astype(np.uint8)])
    if block == "bc1" or "opaque" in row:
        return np.ascontiguousarray(rgba[..., :3])
    if block == "bc4":
        return np.ascontiguousarray(rgba[..., :1])
    if block == "bc5":
        return np.dstack([rgba[..., :2], rebuilt_z(rgba)])
    return rgba


def quality_of(row: str) -> Quality:
    """Return the quality of BC7 that a row of the table asks for."""
    return "best" if row.endswith("best") else "normal" if row.endswith("normal") else "fast"


def by_etcpak(pixels: Bytes, block: str) -> bytes | None:
    """Return what etcpak makes of the same pixels at its default settings, or None where it has no such encoder."""
    compress: Callable[..., bytes] | None = getattr(etcpak, f"compress_{block}", None)
    if compress is None or (block == "bc1" and pixels.shape[2] == 4):
        return None
    more = (etcpak.BC7CompressBlockParams(),) if block == "bc7" else ()
    return compress(as_rgba(pixels).tobytes(), pixels.shape[1], pixels.shape[0], *more)


def decibels(level: bytes, block: str, pixels: Bytes) -> tuple[float, int]:
    """Return the PSNR of what is stored and shows, and the greatest error of alpha."""
    shown = decode_blocks(level, block, pixels.shape[1], pixels.shape[0])
    colours = {"bc4": 1, "bc5": 2}.get(block, 3)
    visible = pixels[..., 3] > 0 if pixels.shape[2] == 4 else np.ones(pixels.shape[:2], bool)
    error = (shown[visible][:, :colours].astype(float) - pixels[visible][:, :colours]) ** 2
    alpha = np.abs(as_rgba(shown)[..., 3].astype(int) - as_rgba(pixels)[..., 3]).max()
    return float(10 * np.log10(255**2 / max(error.mean(), 1e-2))) if error.size else np.nan, int(alpha)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--rows", default="", help="only those that begin so")
    options = parser.parse_args()
    rows = [row for row in ROWS if row.startswith(options.rows)]
    ours, theirs, alphas, others = (defaultdict(list) for _ in range(4))
    seconds, texels, count = defaultdict(float), 0, 0
    for rgba in pictures(options.folders, options.count, options.side):
        texels, count = texels + rgba[..., 0].size, count + 1
        for row in rows:
            pixels, block = source(row, rgba), row[:3]
            start = time.process_time()
            level = encode_blocks(pixels, block, quality_of(row))
            seconds[row] += time.process_time() - start
            quality, alpha = decibels(level, block, pixels)
            ours[row].append(quality)
            alphas[row].append(alpha)
            other = by_etcpak(pixels, block) if quality_of(row) == "fast" else None
            if other is not None:
                quality, alpha = decibels(other, block, pixels)
                theirs[row].append(quality)
                others[row].append(alpha)
    print(f"{count} pictures, {texels / 1e6:.1f} megatexels")
    print("blocks               mean dB  worst  alpha off    etcpak  worst  alpha off   Mtexel/s")
    for row in rows:
        mine = f"{np.nanmean(ours[row]):7.2f} {np.nanmin(ours[row]):6.2f} {max(alphas[row]):10}"
        its = " " * 25
        if theirs[row]:
            its = f"{np.nanmean(theirs[row]):8.2f} {np.nanmin(theirs[row]):6.2f} {max(others[row]):9}"
        print(f"{row:19} {mine}  {its}  {texels / 1e6 / seconds[row]:9.2f}")


if __name__ == "__main__":
    main()
