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
    seen = in_bytes(result) if result.shape[2] in (1, 3) else _seen(result)
    shown = 0.75 if result.shape[2] in (1, 3) else 1.0  # three of four channels: alpha has no steps
    ratios = []
    for axis in (0, 1):
        if wraps[axis] and seen.shape[axis] > 1:
            lines = seen if axis == 0 else seen.swapaxes(0, 1)
            across, inside = _step(lines[:1], lines[-1:]), _step(lines[1:], lines[:-1])
            ratios.append(shown * across / max(LEAST_STEP, shown * inside))
    return round(max(ratios), 3) if ratios else None


def _step(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the mean difference of lines; of bytes without leaving them, which takes a sixteenth of the time."""
    steps = np.maximum(one, other) - np.minimum(one, other)
    return float(steps.mean())


def _seen(pixels: Pixels) -> Values:
    """Return RGBA (H, W, 4) in 0..255, colours weighed by alpha."""
    picture = in_bytes(pixels).astype(np.float32)
    height, width, channels = picture.shape
    seen = np.full((height, width, 4), 255, np.float32)
    seen[..., :3] = picture[..., : 1 if channels < 3 else 3]
    if channels in (2, 4):
        seen[..., 3] = picture[..., -1]
        seen[..., :3] *= seen[..., 3:] / 255
    return seen
