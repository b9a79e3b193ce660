"""Compose ``before_after.png`` of the README from the example pack and its upscaled result.

Run: ``texup upscale tests/data/n64_textures --scale 4``, then ``python tests/data/before_after.py``. Any pack will do:
``python tests/data/before_after.py PACK RESULT SHEET.png TEXTURE...``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
CELL = 256  # pixels of a picture's side at most, and of its cell
GAP = 6
COLUMNS = 2  # triples beside each other
GROUND, BEHIND = (24, 24, 28), (150, 70, 150)  # around the pictures, and behind what is transparent
SHOWN = (
    "walls/brick_wall.png",
    "nature/foliage.png",
    "walls/stone_wall.png",
    "ui/sign.png",
    "nature/grass.png",
    "ui/coin.png",
    "walls/arched_door.png",
    "walls/iron_fence.png",
)


def shown(picture: Image.Image, size: tuple[int, int], resample: Image.Resampling) -> Image.Image:
    """Return a picture enlarged to ``size``, on a ground where it is transparent."""
    picture = picture.convert("RGBA").resize(size, resample)
    ground = Image.new("RGBA", size, (*BEHIND, 255))
    ground.alpha_composite(picture)
    return ground.convert("RGB")


def triple(source: Path, result: Path) -> Image.Image:
    """Return source, bicubic and result side by side, in a row of three cells."""
    before, after = Image.open(source), Image.open(result)
    zoom = CELL // max(after.size) if max(after.size) <= CELL else CELL / max(after.size)
    size = (round(after.width * zoom), round(after.height * zoom))
    pictures = [shown(before, size, Image.Resampling.NEAREST), shown(before, size, Image.Resampling.BICUBIC)]
    pictures.append(shown(after, size, Image.Resampling.NEAREST))
    row = Image.new("RGB", (3 * (CELL + GAP), CELL + GAP), GROUND)
    for k, picture in enumerate(pictures):
        row.paste(picture, (k * (CELL + GAP) + (CELL - picture.width) // 2, (CELL - picture.height) // 2))
    return row


def main() -> None:
    arguments = sys.argv[1:] or [HERE / "n64_textures", HERE / "n64_textures_x4", HERE / "before_after.png"]
    pack, results, sheet = (Path(a) for a in arguments[:3])
    rows = [triple(pack / name, results / name) for name in arguments[3:] or SHOWN]
    lines = -(-len(rows) // COLUMNS)
    width, height = rows[0].size
    picture = Image.new("RGB", (COLUMNS * (width + 2 * GAP), lines * height), GROUND)
    for k, row in enumerate(rows):
        picture.paste(row, ((k % COLUMNS) * (width + 2 * GAP), k // COLUMNS * height))
    picture.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(sheet, optimize=True)


if __name__ == "__main__":
    main()
