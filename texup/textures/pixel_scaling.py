"""Enlarging pixel art by its shapes: staircases become lines, corners become round, everything else stays as drawn.

Where four texels meet, the two diagonals are compared: the colours that go on along one of them are a line there, and
the texels beside that line lose a corner to the colour on its other side. What is cut from a texel is a shape: a round
corner, a triangle, or a wedge where the line runs on flatter or steeper than 45 degrees. Shapes are areas of the unit
square, so that any whole factor only asks how much of each small square they cover.

References:
    Zenju, xBRZ: the rule of dominance, its constants, and which lines a corner may be part of; own code.
    Hyllian, xBR algorithm tutorial, 2012: weighted differences along the two diagonals of a 4 x 4 neighbourhood.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from texup.textures.color import Plane
from texup.textures.hidden import keep_hidden
from texup.textures.planes import THROUGH_NET, AlphaKind, Planes, bleed, finish_alpha, merge, softened, split
from texup.textures.seams import Edges, pad
from texup.textures.texture import Texture

Mask = NDArray[np.bool_]

LUMA = (0.2627, 0.678, 0.0593)  # BT.2020
CENTRE = 4.0  # weight of the two texels that meet, against four pairs around them
DOMINANT = 3.6  # times as different is the other diagonal where a line is beyond doubt
FLATTER = 2.2  # times as different is what a line of another slope would have to cross
SAME = 30 / 255  # distance up to which two colours are one for the sake of a line
SAMPLES = 16  # a side of a small square, by which covered areas are measured: errors of areas below 0.5 %
BAND_TEXELS = 1 << 20  # of the result that are mixed at once, to bound memory

NONE, ROUND, DIAGONAL, FLAT, STEEP, BOTH = range(6)
"""What a texel loses at a corner."""


@dataclass(frozen=True, slots=True)
class _Corners:
    """The shapes (H, W) cut from texels at one corner, and the colour and alpha (H, W, C) that come in their place."""

    shape: NDArray[np.intp]
    filling: Plane


def enlarge_pixel_art(
    texture: Texture, alpha_kind: AlphaKind, scale: int, edges: Edges, *, shows_hidden: bool = False
) -> Texture:
    """Return a texture ``scale`` times as large, of the same channels, sample type and container.

    Every colour is one of the source or a mixture of neighbours; a flat area stays exactly as it is. Colour of
    transparent texels never mixes in, and alpha keeps its class as after a net; out of reach of what shows that colour
    stays the source's own.

    Args:
        texture: what to enlarge.
        alpha_kind: what its alpha is; as ``data`` it is a picture of its own.
        scale: whole factor, at least 1.
        edges: how the texture goes on beyond its borders.
        shows_hidden: colour under alpha 0 is part of the picture.
    """
    planes = softened(split(texture, alpha_kind), edges)
    alpha = planes.alpha
    if alpha is None or alpha_kind in ("constant", "data") or shows_hidden:
        colour = _enlarged(planes.colour, np.ones_like(planes.colour[..., :1]), scale, edges)[..., :-1]
        if alpha is not None:
            own = _enlarged(alpha, np.ones_like(alpha), scale, edges)[..., :1] if alpha_kind in THROUGH_NET else None
            alpha = finish_alpha(own, alpha, scale, alpha_kind, edges)
        return merge(Planes(colour, alpha, alpha_kind), texture)
    mixed = _enlarged(bleed(planes.colour, alpha, edges), alpha, scale, edges)
    upscaled = mixed[..., -1:] if alpha_kind in THROUGH_NET else None
    finished = finish_alpha(upscaled, alpha, scale, alpha_kind, edges)
    colour = keep_hidden(mixed[..., :-1], planes.colour, finished, edges)
    return merge(Planes(colour, finished, alpha_kind), texture)


def _enlarged(colour: Plane, alpha: Plane, scale: int, edges: Edges) -> Plane:
    """Return colour and alpha (H * scale, W * scale, C + 1) by the shapes of both, in [0, 1], alpha straight."""
    height, width, channels = colour.shape
    texels = np.concatenate((colour, alpha), axis=2)
    corners = _corners(pad(texels, (2, 2, 2, 2), edges))
    result = np.empty((height * scale, width * scale, channels + 1), np.float32)
    rows = max(1, BAND_TEXELS // (width * scale * scale))
    for top in range(0, height, rows):
        band = slice(top, top + rows)
        cut = [_Corners(c.shape[band], c.filling[band]) for c in corners]
        result[top * scale : (top + rows) * scale] = _mixed(texels[band], cut, scale)
    return result


def _mixed(texels: Plane, corners: list[_Corners], scale: int) -> Plane:
    """Return texels (h, w, C) cut into small squares, each the mean of what it shows, weighted by area and alpha."""
    height, width, channels = texels.shape
    areas = [covered(scale)[turn, c.shape] for turn, c in enumerate(corners)]  # (h, w, scale, scale) each
    total = np.maximum(sum(areas), 1e-6)  # shapes of two corners may overlap: then they share
    shares = [area / np.maximum(total, 1) for area in areas]
    own = 1 - np.minimum(total, 1)
    colour = np.zeros((height, width, scale, scale, channels - 1), np.float32)
    alpha = np.zeros((height, width, scale, scale, 1), np.float32)
    for share, source in zip([own, *shares], [texels, *(c.filling for c in corners)], strict=True):
        weight = share[..., None] * source[:, :, None, None, -1:]
        alpha += weight
        colour += weight * source[:, :, None, None, :-1]
    colour = np.where(alpha > 0, colour / np.maximum(alpha, 1e-6), texels[:, :, None, None, :-1])
    mixed = np.concatenate((colour, alpha), axis=4).transpose(0, 2, 1, 3, 4)
    result: Plane = np.clip(mixed, 0, 1).reshape(height * scale, width * scale, channels).astype(np.float32)
    return result


@cache
def covered(scale: int) -> Plane:
    """Return how much of each small square of a texel each shape covers: (corner, shape, scale, scale).

    Corners come clockwise from the one at the lower right; shapes by their numbers.
    """
    at = (np.arange(scale * SAMPLES) + 0.5) / (scale * SAMPLES)
    y, x = np.meshgrid(at, at, indexing="ij")
    corner = np.where((x > 0.5) & (y > 0.5), (x - 0.5) ** 2 + (y - 0.5) ** 2, 0)
    beyond = [corner - 0.25, x + y - 1.5, y + x / 2 - 1, x + y / 2 - 1]
    is_round, diagonal, flat, steep = ((1 + np.sign(value)) / 2 for value in beyond)  # half of what lies on the line
    shapes = np.stack([np.zeros_like(flat), is_round, diagonal, flat, steep, np.maximum(flat, steep)])
    means = shapes.reshape(len(shapes), scale, SAMPLES, scale, SAMPLES).mean(axis=(2, 4)).astype(np.float32)
    return np.stack([np.rot90(means, -turn, axes=(1, 2)) for turn in range(4)])


def _corners(padded: Plane) -> list[_Corners]:
    """Return what texels lose at their four corners, clockwise from the lower right; two texels of margin around."""
    seen = _seen(padded)
    levels = _levels(padded, seen)
    return [_corner(padded, seen, levels, turn) for turn in range(4)]


def _seen(texels: Plane) -> Plane:
    """Return luma, two differences of chroma, and alpha (H, W, 4); distances between colours are taken there."""
    red, green, blue = (texels[..., min(k, texels.shape[2] - 2)] for k in range(3))
    luma = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    chroma = ((blue - luma) / (2 - 2 * LUMA[2]), (red - luma) / (2 - 2 * LUMA[0]))
    return np.stack([luma, *chroma, texels[..., -1]], axis=2).astype(np.float32)


def _distance(one: Plane, other: Plane) -> Plane:
    """Return how different texels look, 0 to about 1; colour counts as far as both are opaque."""
    shown = np.minimum(one[..., 3], other[..., 3])
    apart: Plane = np.sqrt(((one - other)[..., :3] ** 2).sum(axis=2))
    distance: Plane = shown * apart + np.abs(one[..., 3] - other[..., 3])
    return distance


def _levels(padded: Plane, seen: Plane) -> list[NDArray[np.intp]]:
    """Return for each corner of texels, clockwise from the lower right, 1 where it is cut and 2 where beyond doubt.

    At the meeting point of four texels, differences across both diagonals are summed over a 4 x 4 neighbourhood.
    """
    falling = _crossed(_distance(seen[:-1, :-1], seen[1:, 1:]))
    rising = _crossed(_distance(seen[:-1, 1:], seen[1:, :-1]))
    upper_left, upper_right, lower_left, lower_right = (
        padded[1 + dy : padded.shape[0] - 2 + dy, 1 + dx : padded.shape[1] - 2 + dx] for dy in (0, 1) for dx in (0, 1)
    )
    above, below, left, right = (
        (one != other).any(axis=2)
        for one, other in (
            (upper_left, upper_right),
            (lower_left, lower_right),
            (upper_left, lower_left),
            (upper_right, lower_right),
        )
    )
    is_edge = (above | below) & (left | right)
    rises, falls = (_level(a, b) * is_edge for a, b in ((rising, falling), (falling, rising)))
    height, width = padded.shape[0] - 4, padded.shape[1] - 4
    down, up, east, west = slice(1, height + 1), slice(0, height), slice(1, width + 1), slice(0, width)
    return [
        (rises * (above & left))[down, east],
        (falls * (above & right))[down, west],
        (rises * (below & right))[up, west],
        (falls * (below & left))[up, east],
    ]


def _crossed(distances: Plane) -> Plane:
    """Return ``CENTRE`` times each inner value plus its four neighbours."""
    beside = distances[:-2, 1:-1] + distances[2:, 1:-1] + distances[1:-1, :-2] + distances[1:-1, 2:]
    crossed: Plane = CENTRE * distances[1:-1, 1:-1] + beside
    return crossed


def _level(along: Plane, across: Plane) -> NDArray[np.intp]:
    """Return 1 where a line runs along a diagonal, 2 where it is dominant, else 0."""
    return (along < across).astype(np.intp) + (DOMINANT * along < across)


def _corner(padded: Plane, seen: Plane, levels: list[NDArray[np.intp]], turn: int) -> _Corners:
    """Return what texels lose at one corner, ``turn`` quarters clockwise from the lower right.

    Letters name the neighbours as they lie after turning that corner to the lower right: ABC, DEF, GHI.
    """
    height, width = padded.shape[0] - 4, padded.shape[1] - 4

    def at(plane: Plane, letter: str) -> Plane:
        y, x = divmod("ABCDEFGHI".index(letter), 3)
        down, right = y - 1, x - 1
        for _ in range(turn):
            down, right = right, -down
        return plane[2 + down : 2 + down + height, 2 + right : 2 + right + width]

    def apart(pair: str) -> Plane:
        return _distance(at(seen, pair[0]), at(seen, pair[1]))

    def alike(pair: str) -> Mask:
        mask: Mask = apart(pair) < SAME
        return mask

    def differ(pair: str) -> Mask:
        mask: Mask = (at(padded, pair[0]) != at(padded, pair[1])).any(axis=2)
        return mask

    before, after = levels[turn - 1], levels[(turn + 1) % 4]
    is_ring = alike("GH") & alike("HI") & alike("IF") & alike("FC") & ~alike("EI")
    is_end = ((before > 0) & ~alike("EG")) | ((after > 0) & ~alike("EC")) | is_ring
    level = levels[turn]
    is_line = (level == 2) | ((level == 1) & ~is_end)
    rise, run = apart("FG"), apart("HC")
    is_flat = is_line & (FLATTER * rise <= run) & differ("EG") & differ("DG")
    is_steep = is_line & (FLATTER * run <= rise) & differ("EC") & differ("BC")
    shape = np.select(
        [level == 0, ~is_line, is_flat & is_steep, is_flat, is_steep], [NONE, ROUND, BOTH, FLAT, STEEP], DIAGONAL
    )
    return _Corners(shape, _nearer(at(padded, "F"), at(padded, "H"), apart("EF"), apart("EH")))


def _nearer(one: Plane, other: Plane, to_one: Plane, to_other: Plane) -> Plane:
    """Return the texels that differ less; the mean of both where they differ equally, so that mirrors agree."""
    share = np.where(to_one < to_other, 1.0, np.where(to_one > to_other, 0.0, 0.5))[..., None].astype(np.float32)
    nearer: Plane = share * one + (1 - share) * other
    return nearer
