"""Draw the example pack: ``python draw_n64_textures.py [folder]``, by default into n64_textures beside this file.

The pictures are our own, drawn from formulas and seeded dice in the manner of a game of 1997: painted fine, reduced by
a box filter and stored as that console stored them, 5 bits a channel, 16 or 256 colours, one bit of alpha or four.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import draw_effects
import draw_goblin
import draw_ground
import draw_interface
import draw_joinery
import draw_plants
import draw_walls
import numpy as np
from draw_canvas import FINE, Field, Rng, Size
from numpy.typing import NDArray
from PIL import Image

Draw = Callable[[Size, Rng], Field]
Bytes = NDArray[np.uint8]

NOTES = """Ember Keep, a made-up game of 1997: an example pack for trying things out.
Every texture was drawn for this project by draw_n64_textures.py, one folder up; same licence as the project.
"""


def reduced(picture: Field) -> Field:
    """Return straight RGBA (H, W, 4) in [0, 1] from a fine RGB or premultiplied RGBA picture."""
    rows, columns, channels = picture.shape
    small: Field = picture.reshape(rows // FINE, FINE, columns // FINE, FINE, channels).mean((1, 3))
    if channels == 3:
        small = np.dstack([small, np.ones(small.shape[:2])])
    alpha = small[..., 3:]
    return np.concatenate([np.clip(small[..., :3] / np.maximum(alpha, 1e-6), 0, 1), alpha], axis=-1)


def levels(values: Field, bits: int) -> Bytes:
    """Return [0, 1] in steps of ``bits`` bits, spread over 0..255 by repeating the bits as the console did."""
    top = (1 << bits) - 1
    steps = np.round(values * top).astype(int)
    return (steps * 255 // top if bits < 5 else steps << (8 - bits) | steps >> (2 * bits - 8)).astype(np.uint8)


def rgb16(small: Field) -> Image.Image:
    """Store 5 bits a channel, opaque."""
    return Image.fromarray(levels(small[..., :3], 5))


def rgba16(small: Field, under: tuple[int, int, int] = (0, 0, 0)) -> Image.Image:
    """Store 5 bits a channel and one of alpha; what is cut away is black, or ``under``."""
    solid = small[..., 3:] >= 0.5
    colour = np.where(solid, levels(small[..., :3], 5), np.array(under, np.uint8))
    return Image.fromarray(np.concatenate([colour, np.where(solid, 255, 0)], axis=-1).astype(np.uint8))


def rgba16_on_green(small: Field) -> Image.Image:
    """Store as ``rgba16``, cut out of the green that the artist painted on."""
    return rgba16(small, (0, 255, 0))


def _soft(small: Field, bits: int) -> Image.Image:
    """Store ``bits`` a channel with soft alpha; what is stored as see-through is black."""
    stored = levels(small, bits)
    return Image.fromarray(np.where(stored[..., -1:] > 0, stored, np.uint8(0)))


def rgba32(small: Field) -> Image.Image:
    """Store 8 bits a channel, soft alpha."""
    return _soft(small, 8)


def _indexed(small: Field, colours: int) -> tuple[Bytes, Bytes]:
    """Return indices (H, W) and a palette (N, 3) of at most ``colours`` colours of 5 bits a channel."""
    page = rgb16(small).quantize(colours, Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
    palette = np.array(page.getpalette(), np.uint8).reshape(-1, 3)
    return np.asarray(page), levels(palette / 255, 5)


def _palette_image(indices: Bytes, palette: Bytes) -> Image.Image:
    page = Image.fromarray(indices, "L")
    page.putpalette(palette.tobytes())
    return page


def ci4(small: Field) -> Image.Image:
    """Store as a palette of 16."""
    return _palette_image(*_indexed(small, 16))


def ci8(small: Field) -> Image.Image:
    """Store as a palette of 256."""
    return _palette_image(*_indexed(small, 256))


def ci4_cut_out(small: Field) -> Image.Image:
    """Store as a palette of 16, of which entry 0 is see-through."""
    solid = small[..., 3] >= 0.5
    filled = np.where(solid[..., None], small, small[solid].mean(0))
    indices, palette = _indexed(filled, 15)
    page = _palette_image(
        np.where(solid, indices + 1, 0).astype(np.uint8), np.vstack([np.zeros((1, 3), np.uint8), palette])
    )
    page.info["transparency"] = 0
    return page


def ci4_dumped(small: Field) -> Image.Image:
    """Store as a palette of 16, as an emulator writes it out: RGBA."""
    return ci4(small).convert("RGBA")


def i4(small: Field) -> Image.Image:
    """Store 4 bits of grey."""
    return Image.fromarray(levels(small[..., 0], 4))


def i8(small: Field) -> Image.Image:
    """Store 8 bits of grey."""
    return Image.fromarray(levels(small[..., 0], 8))


def ia8(small: Field) -> Image.Image:
    """Store 4 bits of grey and 4 of alpha."""
    return _soft(small[..., [0, 3]], 4)


def ia8_dumped(small: Field) -> Image.Image:
    """Store as ``ia8``, as an emulator writes it out: RGBA."""
    return ia8(small).convert("RGBA")


def ia16(small: Field) -> Image.Image:
    """Store 8 bits of grey and 8 of alpha."""
    return _soft(small[..., [0, 3]], 8)


PACK: dict[str, tuple[Draw, Size, Callable[[Field], Image.Image]]] = {
    "walls/brick_wall.png": (draw_walls.brick_wall, (64, 64), rgb16),
    "walls/stone_wall.png": (draw_walls.stone_wall, (64, 64), rgb16),
    "walls/castle_blocks.png": (draw_walls.castle_blocks, (64, 64), rgb16),
    "walls/metal_panel.png": (draw_walls.metal_panel, (64, 64), ci8),
    "walls/planks.png": (draw_joinery.planks, (64, 64), rgb16),
    "walls/arched_door.png": (draw_joinery.arched_door, (32, 64), rgb16),
    "walls/EMBERKEEP#5D20B8A4#2#0#0C9E44F1_ciByRGBA.png": (draw_joinery.crate, (32, 32), ci4_dumped),
    "walls/roof_tiles.png": (draw_walls.roof_tiles, (64, 64), ci8),
    "walls/marble_floor.png": (draw_walls.marble_floor, (64, 64), ci8),
    "walls/carpet.png": (draw_walls.carpet, (64, 64), ci4),
    "walls/window.tga": (draw_joinery.window, (32, 64), rgba32),
    "walls/chain_link.png": (draw_joinery.chain_link, (32, 32), rgba16),
    "walls/iron_fence.png": (draw_joinery.iron_fence, (32, 64), rgba16_on_green),
    "walls/plain.png": (draw_walls.plain, (16, 16), rgb16),
    "nature/grass.png": (draw_ground.grass, (64, 64), rgb16),
    "nature/dirt.png": (draw_ground.dirt, (64, 64), rgb16),
    "nature/sand.png": (draw_ground.sand, (64, 64), ci4),
    "nature/ice.png": (draw_ground.ice, (64, 64), ci8),
    "nature/lava.png": (draw_ground.lava, (64, 64), ci8),
    "nature/water.png": (draw_ground.water, (64, 64), rgb16),
    "nature/sky.png": (draw_ground.sky, (128, 64), rgb16),
    "nature/BARK.PNG": (draw_plants.bark, (32, 64), rgb16),
    "nature/foliage.png": (draw_plants.foliage, (64, 64), rgba16_on_green),
    "nature/fern.png": (draw_plants.fern, (64, 64), rgba16),
    "nature/pine_tree.png": (draw_plants.pine_tree, (32, 64), rgba16),
    "nature/EMBERKEEP#93D1A07C#0#2_all.png": (draw_plants.pine_tree, (32, 64), rgba16),
    "nature/EMBERKEEP#1A2B3C4D#0#2_all.png": (draw_plants.oak_tree, (64, 64), rgba16),
    "ui/sign.png": (draw_joinery.sign, (64, 32), rgb16),
    "ui/arrow_sign.png": (draw_interface.arrow_sign, (64, 32), rgb16),
    "ui/heart.png": (draw_interface.heart, (16, 16), ci4_cut_out),
    "ui/coin.png": (draw_interface.coin, (32, 32), rgba16),
    "ui/key.png": (draw_interface.key, (32, 32), ci4_cut_out),
    "ui/button_a.png": (draw_interface.button, (32, 32), rgba32),
    "ui/font.png": (draw_interface.font, (128, 32), ci4_cut_out),
    "ui/runes.png": (draw_interface.runes, (64, 64), ia8),
    "ui/goblin.png": (draw_goblin.goblin, (64, 64), ci8),
    "effects/fire_strip.png": (draw_effects.fire_strip, (32, 128), rgba32),
    "effects/EMBERKEEP#7F03C2E9#3#1_all.png": (draw_effects.smoke, (64, 64), ia8_dumped),
    "effects/flare.png": (draw_effects.flare, (64, 64), ia16),
    "effects/blob_shadow.png": (draw_effects.blob_shadow, (32, 32), i4),
    "effects/window_light.png": (draw_effects.window_light, (32, 32), i8),
}


def texture(path: str) -> Image.Image:
    """Return one texture of the pack; the dice are seeded with the name of its function."""
    draw, size, store = PACK[path]
    return store(reduced(draw(size, np.random.default_rng(list(draw.__name__.encode())))))


def main(folder: Path) -> None:
    """Write the whole pack into ``folder``."""
    for path in PACK:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        texture(path).save(target, optimize=True)
    (folder / "notes.txt").write_text(NOTES, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "n64_textures")
