"""Draw sheets of open vector pictures, for ``texup train weights/recipes/pixel-art.toml``.

::

    pip install resvg-py
    npm pack @iconify-json/fluent-emoji-flat @iconify-json/noto @iconify-json/twemoji  # unpack each
    python tests/bench/draw_vectors.py OUT */package/icons.json

Writes ``OUT/train`` and ``OUT/val``: PNG with alpha, each a sheet of pictures of one size. A third of the pictures gets
an outline of about a texel of the pixel art that is made of them, as artists draw it. Pictures that differ in skin only
come once.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SCALE = 4
SHEET = 768  # side in pixels
SIDES = (16, 16, 24, 24, 32, 32, 48, 64)  # of the pixel art, in texels
OUTLINED, OUTLINE = 0.35, (0.9, 2.2)  # share of pictures, and width in texels
BLACK = 0.7  # share of the outlines
HELD_OUT = 20  # one sheet in so many
SKINS = ("-light", "-dark", "-medium", "skin-tone")

Bytes = NDArray[np.uint8]


def drawings(files: list[Path], random: np.random.Generator) -> Iterator[tuple[str, float, float]]:
    """Yield the SVG elements of each picture with its width and height, in random order."""
    found = []
    for path in files:
        icons = json.loads(path.read_text())
        width, height = icons.get("width", 16), icons.get("height", 16)
        for name, icon in sorted(icons["icons"].items()):
            if not any(skin in name for skin in SKINS):
                found.append((icon["body"], icon.get("width", width), icon.get("height", height)))
    for k in random.permutation(len(found)):
        yield found[k]


def drawn(body: str, width: float, height: float, side: int, random: np.random.Generator) -> Bytes:
    """Return a picture (side * SCALE, side * SCALE, 4), some with an outline."""
    import resvg_py

    outline = ""
    if random.random() < OUTLINED:
        colour = "#000" if random.random() < BLACK else f"#{random.integers(1 << 24):06x}"
        outline = (
            f' stroke="{colour}" stroke-width="{width / side * random.uniform(*OUTLINE):.3f}" stroke-linejoin="round"'
        )
    size = side * SCALE
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}" width="{size}" height="{size}"><g{outline}>{body}</g></svg>'
    )
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA").resize((size, size)))


def main() -> None:
    """Draw until every picture lies on a sheet."""
    parser = argparse.ArgumentParser(description="Draw sheets of vector pictures for training on pixel art.")
    parser.add_argument("out", type=Path)
    parser.add_argument("icons", type=Path, nargs="+", help="icons.json of packages of Iconify")
    parser.add_argument("--most", type=int, default=6000, help="pictures at most (default 6000)")
    options = parser.parse_args()
    random = np.random.default_rng(3)
    sheets: dict[int, list[Bytes]] = {}
    written = 0
    for count, (body, width, height) in enumerate(drawings(options.icons, random)):
        if count == options.most:
            break
        side = int(random.choice(SIDES))
        sheet = sheets.setdefault(side, [])
        try:
            sheet.append(drawn(body, width, height, side, random))
        except ValueError:  # a few use what the renderer does not know
            continue
        each = SHEET // (side * SCALE)
        if len(sheet) == each**2:
            part = "val" if written % HELD_OUT == HELD_OUT - 1 else "train"
            (options.out / part).mkdir(parents=True, exist_ok=True)
            rows = [np.concatenate(sheet[k : k + each], axis=1) for k in range(0, each**2, each)]
            Image.fromarray(np.concatenate(rows)).save(options.out / part / f"{side}-{written}.png")
            sheets[side] = []
            written += 1
    print(f"{written} sheets in {options.out}")


if __name__ == "__main__":
    main()
