"""Colour where alpha is 0: whether it is part of the picture, and how it comes through an enlargement unharmed.

Games use alpha for more than opacity: gloss, team colours, glow. Whatever the class of an alpha, its texels do not
prove that the colour under 0 is never seen, so the source's own colour is kept there; only near what shows it gives way
to the colour of what shows, so that filters of the game draw no fringe.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from texup.textures.color import Plane, area, local_greatest, local_range, over_blocks, over_channels, repeat, resample
from texup.textures.seams import Edges
from texup.textures.texture import Pixels

MIN_HIDDEN = 64  # texels: less hidden colour than this cannot be judged, unless it is
HIDDEN_SHARE = 0.05  # of the texture at least
HIDDEN_DETAIL = 0.7  # hidden colour of a picture that goes on has at least this share of the visible detail,
EDGE_STEP = 1.25  # and its steps across the border of alpha are at most this many times those on either side,
GENTLE = 24  # levels of 255: or alpha rises so slowly beside its 0 that no fringe could be seen
MIN_PARTLY = 5  # values of alpha: with fewer, colour below alpha tells nothing


def is_picture(pixels: Pixels) -> bool:
    """Tell whether colour under alpha 0 belongs to the picture: nothing must be bled over it.

    So it is where the picture goes on under alpha 0 with its usual detail, and without a step at the border of alpha
    or with a gradient there; and where colour is premultiplied by alpha, as in additive sprites, and so black under 0.

    Args:
        pixels: (H, W, C), alpha last.
    """
    return goes_on(pixels) or _is_premultiplied(pixels)


def goes_on(pixels: Pixels) -> bool:
    """Tell whether the picture goes on where alpha is 0, with its usual detail: (H, W, C), alpha last."""
    alpha = pixels[..., -1]
    hidden = alpha == 0
    if hidden.all() or hidden.sum() < min(MIN_HIDDEN, HIDDEN_SHARE * hidden.size):
        return False
    colour = pixels[..., :-1].astype(np.float32)
    changes = np.abs(colour[1:] - colour[:-1]), np.abs(colour[:, 1:] - colour[:, :-1])
    steps = [over_channels(np.add, change) / np.float32(colour.shape[2]) for change in changes]
    pairs = [(hidden[1:], hidden[:-1]), (hidden[:, 1:], hidden[:, :-1])]
    borders = [one ^ other for one, other in pairs]
    level = np.iinfo(pixels.dtype).max / 255
    under = _mean(steps, [one & other for one, other in pairs])
    shown = _mean(steps, [~(one | other) for one, other in pairs])
    if under <= max(HIDDEN_DETAIL * shown, level):
        return False
    rise = _mean([np.maximum(alpha[1:], alpha[:-1]), np.maximum(alpha[:, 1:], alpha[:, :-1])], borders)
    return rise <= GENTLE * level or _mean(steps, borders) <= EDGE_STEP * max(min(under, shown), level)


def _mean(values: Sequence[NDArray[Any]], where: Sequence[NDArray[np.bool_]]) -> float:
    """Return the mean over the set places of several arrays; 0 where none is set."""
    chosen = np.concatenate([array[mask] for array, mask in zip(values, where, strict=True)])
    return float(chosen.mean()) if chosen.size else 0.0


def _is_premultiplied(pixels: Pixels) -> bool:
    """Tell whether no colour is above its alpha, in a picture with enough partly transparent texels to mean it."""
    colour, alpha = pixels[..., :-1], pixels[..., -1:]
    return bool((colour <= alpha).all()) and len(np.unique(alpha)) >= MIN_PARTLY and bool(colour.any())


def keep_hidden(result: Plane, source: Plane, alpha: Plane, edges: Edges) -> Plane:
    """Return a result whose colour, out of the reach of what shows, is the source's own enlarged.

    Within reach is a source texel of which a part shows in the result, and its eight neighbours. What is kept is
    bicubic, held to the range of its neighbourhood, and its block means equal the source.

    Args:
        result: (H * s, W * s, 1 or C), enlarged from colour bled under alpha 0.
        source: (H, W, C), as it was stored.
        alpha: (H * s, W * s, 1) of the result.
        edges: how all go on beyond their borders.

    Returns:
        (H * s, W * s, C), or ``result`` itself where everything is within reach.
    """
    scale, channels = len(result) // len(source), source.shape[2]
    kept = local_greatest(over_blocks(np.maximum, alpha, scale), edges)[..., 0] == 0
    if not kept.any():
        return result
    where = repeat(kept, scale)
    if result.shape[2] < channels:
        result = result.repeat(channels, axis=2)
    for k in range(channels):
        np.copyto(result[..., k], _enlarged(source[..., k : k + 1], kept, scale, edges)[..., 0], where=where)
    return result


def _enlarged(plane: Plane, kept: NDArray[np.bool_], scale: int, edges: Edges) -> Plane:
    """Return a plane (H, W, 1) enlarged by bicubic detail, of each block as much as stays in its neighbours' range.

    Only where it is kept (H, W) it has to be right.
    """
    lowest, highest = local_range(plane, edges)
    if (lowest == highest)[kept].all():  # as on most sprites: one colour, so that there is no detail
        return repeat(plane, scale)
    smooth = resample(plane, (plane.shape[0] * scale, plane.shape[1] * scale), "bicubic", edges)
    detail = smooth - repeat(area(smooth, scale), scale)
    above = (highest - plane) / np.maximum(over_blocks(np.maximum, detail, scale), 1e-6)
    below = (plane - lowest) / np.maximum(-over_blocks(np.minimum, detail, scale), 1e-6)
    detail *= repeat(np.minimum(np.minimum(above, below), 1), scale)
    return repeat(plane, scale) + detail
