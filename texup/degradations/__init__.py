"""What games did to textures: reductions, bit depths, block codes, palettes, JPEG; on the device of their input."""

from texup.degradations.game import GAME
from texup.degradations.reduce import KERNELS, downscale, round_8bit

__all__ = ["GAME", "KERNELS", "downscale", "round_8bit"]
