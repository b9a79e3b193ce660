"""Look-up tables: pictures that a game reads by number, of which any filter would give other answers.

A name suggests one (``lut``, ``palette``, ``ramp``), shape and texels decide. A colour cube and a strip of one texel
are told without a name.

References:
    Unreal Engine, "Using Look Up Tables": ``RGBTable16x1``, a cube of 16 as 256 x 16 texels; Unity and ReShade use 1024
    x 32 and 4096 x 64; GPUImage a square of 512, with 8 x 8 slices of 64.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from texup.textures.color import over_channels
from texup.textures.texture import Pixels

Table = Literal["colour cube", "strip", "ramp", "palette", "smooth table"]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_TABLES = frozenset(("lut", "luts", "clut", "lookup", "rgbtable", "colorcube", "colourcube", "colorgrading"))
_RAMPS = frozenset(("ramp", "gradient"))
_PALETTES = frozenset(("palette", "palettes", "pal", "colormap", "colourmap"))
_PAIRS = {("rgb", "table"): "rgbtable", ("color", "map"): "colormap", ("colour", "map"): "colourmap",
          ("look", "up"): "lookup", ("color", "cube"): "colorcube", ("color", "grading"): "colorgrading"}  # fmt: skip

SHORTEST_STRIP = 16  # texels; shorter ones are corners
MIN_CUBE, MAX_CUBE = 8, 128  # colours along an axis
RISING_SHARE = 0.9  # of the steps along an axis of a cube go its way, at least
RISE = 0.15  # of its whole range, at least, is what each axis of a cube adds; the slices of a plain gradient add 0.06
NOTHING = 2 / 255  # a step that JPEG makes where there is none
SMOOTH = 1.5 / 255  # mean change of the slope from texel to texel, at most
MIN_SWATCHES, MAX_SWATCHES = 8, 4096
DISTINCT_SHARE = 0.5  # of a palette's swatches have a colour of their own, at least; a drawn icon repeats its few


def lookup_table(path: str, pixels: Pixels) -> Table | None:
    """Return what kind of look-up table a texture is, by its name, its shape and its pixels (H, W, C), or None."""
    height, width, _ = pixels.shape
    if min(height, width) == 1:
        return "strip" if max(height, width) >= SHORTEST_STRIP and (pixels != pixels[0, 0]).any() else None
    words = _words(path)
    if not words & (_TABLES | _RAMPS | _PALETTES):
        return "colour cube" if any(map(_is_graded, _cubes(pixels))) else None
    if _is_ramp(pixels):
        return "ramp"
    if words & _TABLES and next(_cubes(pixels), None) is not None:
        return "colour cube"
    if words & _PALETTES and _is_palette(pixels):
        return "palette"
    return "smooth table" if words & _TABLES and _is_smooth(pixels) else None


def _words(path: str) -> set[str]:
    """Return the words of a name in lower case, those of ``colorMap`` and ``color_map`` joined as well."""
    words = [word.lower() for word in _WORD.findall(path.rpartition("/")[2].rpartition(".")[0])]
    return {*words, *(_PAIRS[pair] for pair in pairwise(words) if pair in _PAIRS)}


def _cubes(pixels: Pixels) -> Iterator[NDArray[np.float32]]:
    """Yield a picture as brightness (blue, green, red) of a colour cube, if it has the shape of one."""
    height, width, _ = pixels.shape
    side, root = min(height, width), round(max(height, width) ** (1 / 3))
    if MIN_CUBE <= side <= MAX_CUBE and height * width == side**3:
        shades = _shades(pixels)
        across = shades.reshape(side, -1, side).swapaxes(0, 1)
        yield across if height == side else shades.reshape(side, side, side)
    elif height == width == root**3 and MIN_CUBE <= root**2 <= MAX_CUBE:
        n = root**2
        yield _shades(pixels).reshape(root, n, root, n).swapaxes(1, 2).reshape(n, n, n)


def _shades(pixels: Pixels) -> NDArray[np.float32]:
    """Return the mean of the colour channels (H, W), 0 to 1."""
    colours = pixels[..., :3].astype(np.float32)
    shades: NDArray[np.float32] = over_channels(np.add, colours)
    shades /= np.float32(colours.shape[2])
    shades /= np.float32(np.iinfo(pixels.dtype).max)
    return shades


def _is_graded(cube: NDArray[np.float32]) -> bool:
    """Tell whether brightness only rises, or only falls, along all three axes of a cube."""
    whole = float(np.ptp(cube))
    for axis in range(3):
        steps = np.diff(cube, axis=axis)
        way = 1 if steps.mean() > 0 else -1
        rise = abs(float(steps.mean())) * (cube.shape[axis] - 1)
        if rise < max(RISE * whole, NOTHING) or (steps * way >= -NOTHING).mean() < RISING_SHARE:
            return False
    return True


def _is_ramp(pixels: Pixels) -> bool:
    """Tell whether a picture changes along one axis only."""
    along = [bool((pixels == pixels[:1]).all()), bool((pixels == pixels[:, :1]).all())]
    return any(along) and not all(along)


def _is_smooth(pixels: Pixels) -> bool:
    values = pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    bends = [float(np.abs(np.diff(values, 2, axis=axis)).mean()) for axis in (0, 1) if values.shape[axis] > 2]
    return bool(bends) and max(bends) <= SMOOTH and not _is_ramp(pixels)


def _is_palette(pixels: Pixels) -> bool:
    """Tell whether a picture is made of equal swatches, most of which have a colour of their own."""
    swatches = _swatches(pixels).reshape(-1, pixels.shape[2])
    if len(swatches) > MAX_SWATCHES:
        return False
    colours, counts = np.unique(swatches, axis=0, return_counts=True)
    used = int(counts.sum() - counts.max() + 1)  # what is left over has one colour
    return used >= MIN_SWATCHES and len(colours) >= DISTINCT_SHARE * used


def _swatches(pixels: Pixels) -> Pixels:
    """Return a texel of each swatch: a picture that was enlarged by repetition is reduced again."""
    for axis in (0, 1):
        changes = np.flatnonzero((np.diff(pixels, axis=axis) != 0).any(axis=(1 - axis, 2))) + 1
        step = int(np.gcd.reduce(np.append(changes, pixels.shape[axis])))
        pixels = pixels[::step] if axis == 0 else pixels[:, ::step]
    return pixels
