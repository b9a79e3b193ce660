"""How much a result differs from its source, and how well it tiles: what pages sort by and the gate reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from texup.textures.storing import in_bytes
from texup.textures.texture import Pixels

Values = NDArray[np.float32]

LEAST_STEP = 1.0  # of 255: a result smoother than this has no seam that shows


def change_of(source: Pixels, result: Pixels) -> float | None:
    """Return the mean difference of a result from its source enlarged by repetition, 0 to 255.

    Colours count as much as they are seen. None where the result is no whole multiple of the source.
    """
    scale = result.shape[0] // source.shape[0]
    if scale < 1 or result.shape[:2] != (source.shape[0] * scale, source.shape[1] * scale):
        return None
    large = _seen(source).repeat(scale, 0).repeat(scale, 1)
    return round(float(np.abs(_seen(result) - large).mean()), 3)


def seam_of(result: Pixels, wraps: tuple[bool, bool]) -> float | None:
    """Return how much larger the step across the borders is than the mean step inside; None where nothing tiles.

    Args:
        result: (H, W, C).
        wraps: whether it tiles, (vertical axis, horizontal axis).
    """
    if not any(wraps):
        return None
    channels = result.shape[2]
    is_opaque = channels in (1, 3) or bool(result[..., -1].min() == np.iinfo(result.dtype).max)
    seen = in_bytes(result) if is_opaque else _seen(result)
    # Three of four channels are colour, and alpha that is full has no steps.
    shown = 0.75 * channels / (channels if channels in (1, 3) else channels - 1) if is_opaque else 1.0
    ratios = []
    for axis in (0, 1):
        if wraps[axis] and seen.shape[axis] > 1:
            lines = seen if axis == 0 else seen.swapaxes(0, 1)
            across, inside = _step(lines[:1], lines[-1:]), _step(lines[1:], lines[:-1])
            ratios.append(shown * across / max(LEAST_STEP, shown * inside))
    return round(max(ratios), 3) if ratios else None


def _step(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the mean difference of lines; of bytes without leaving them, which takes a sixteenth of the time."""
    steps = np.maximum(one, other)
    steps -= np.minimum(one, other)
    if steps.dtype != np.uint8:
        return float(steps.mean())
    total = steps.sum(dtype=np.uint32 if steps.size < 1 << 24 else np.uint64)  # numpy's own mean takes thrice as long
    return float(total / steps.size)


def _seen(pixels: Pixels) -> Values:
    """Return RGBA (H, W, 4) in 0..255, colours weighed by alpha."""
    picture = in_bytes(pixels).astype(np.float32)
    height, width, channels = picture.shape
    seen = picture
    if channels < 4:
        seen = np.full((height, width, 4), 255, np.float32)
        seen[..., :3] = picture[..., : 1 if channels < 3 else 3]
    if channels in (2, 4):
        seen[..., 3] = picture[..., -1]
        share = seen[..., 3] / 255
        for k in range(3):  # numpy is slow along so short an axis
            seen[..., k] *= share
    return seen
