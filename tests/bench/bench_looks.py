"""How models look on real packs: source, bicubic and each setting side by side, one row a texture.

Run: ``python tests/bench/bench_looks.py OUT.png PACK... [--count 6] [--run "--model NAME" ...]``. Each ``--run`` is a
column: the options of one ``texup upscale``. Textures are picked by the hash of their path, so that every call shows
the same ones.
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import shutil
import tempfile
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from PIL import Image

from texup.cli.main import main as texup
from texup.pictures.sheets import contact_sheet, encode_png
from texup.textures.codecs.files import SUFFIXES, read_texture

LEAST, MOST = 16, 160  # sides: larger textures do not fit a sheet that can be looked at


def picked(pack: Path, count: int) -> list[Path]:
    """Return ``count`` textures of a pack, always the same."""
    files = sorted(
        (p for p in pack.rglob("*") if p.suffix.lower() in SUFFIXES),
        key=lambda p: hashlib.sha256(p.relative_to(pack).as_posix().encode()).digest(),
    )
    chosen = []
    for path in files:
        shape = read_texture(path).pixels.shape
        if min(shape[:2]) >= LEAST and max(shape[:2]) <= MOST:
            chosen.append(path)
        if len(chosen) == count:
            break
    return chosen


def bicubic(pixels: np.ndarray, scale: int) -> np.ndarray:
    picture = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    image = Image.fromarray(picture).resize(
        (picture.shape[1] * scale, picture.shape[0] * scale), Image.Resampling.BICUBIC
    )
    result = np.asarray(image)
    return result[..., None] if result.ndim == 2 else result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("packs", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=6, help="textures of each pack")
    parser.add_argument("--cell", type=int, default=384)
    parser.add_argument("--run", action="append", default=[], help="options of a run; a column each")
    options = parser.parse_args()
    runs = options.run or ["--blend 0", "--blend 0.6", "--blend 1"]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        sources = []
        for pack in options.packs:
            for k, path in enumerate(picked(pack, options.count)):
                target = work / "in" / f"{pack.name}-{k}{path.suffix}"
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(path, target)
                sources.append(target)
        for k, run in enumerate(runs):
            result = CliRunner().invoke(
                texup, ["upscale", str(work / "in"), "-o", str(work / str(k)), *shlex.split(run)]
            )
            print(run, result.exit_code, result.output.strip().splitlines()[-1:])
        rows, captions = [], []
        for source in sources:
            pixels = read_texture(source).pixels
            results = [read_texture(work / str(k) / source.name).pixels for k in range(len(runs))]
            scale = results[0].shape[0] // pixels.shape[0]
            rows.append([pixels, bicubic(pixels, scale), *results])
            captions.append([f"{source.stem} {pixels.shape[1]}x{pixels.shape[0]}", "", *[""] * len(runs)])
        columns = ["source", "bicubic", *runs]
        options.out.write_bytes(encode_png(contact_sheet(rows, columns=columns, captions=captions, cell=options.cell)))


if __name__ == "__main__":
    main()
