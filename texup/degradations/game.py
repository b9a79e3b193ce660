"""Fixed degradations of low-resolution pictures, to measure models with: no draw, the same result every time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor

from texup.degradations.bits import BAYER_4, RGB555, RGB565, reduce_bits
from texup.degradations.blocks import bc1
from texup.degradations.jpeg import jpeg
from texup.degradations.palettes import fit_palette, paint

SAMPLES = 4096  # texels from which a palette is fitted; a texture in 4 KB of texture memory has no more


def _palette(x: Tensor, colours: int, bits: int) -> Tensor:
    texels = x.flatten(2).mT
    step = -(-texels.shape[1] // SAMPLES)
    return paint(x, fit_palette(texels[:, ::step], colours, bits=bits))


GAME: dict[str, Callable[[Tensor], Tensor]] = {
    "bc1": bc1,
    "ci4": partial(_palette, colours=16, bits=5),
    "ci8": partial(_palette, colours=256, bits=5),
    "5551": partial(reduce_bits, bits=RGB555, truncate=True),
    "565": partial(reduce_bits, bits=RGB565, dither=BAYER_4),
    "jpeg75": partial(jpeg, quality=75),
    "n64": lambda x: _palette(reduce_bits(x, RGB555), colours=64, bits=5),
}
"""By name: maps pictures (N, 3, h, w) on steps of 1/255 to the same shape. BC1; palettes of 16 and 256 colours of
5 bits; 15 bits cut off; 16 bits with ordered dither; JPEG of quality 75 with 4:2:0; 64 colours out of 15 bits."""
