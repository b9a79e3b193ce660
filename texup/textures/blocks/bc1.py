"""BC1 blocks: two colours of 16 bits, and for each of 16 texels a step between them, or a hole.

Written here because the encoder of etcpak looks at the corners of a block's colours only, loses 1.5 to 6 dB against
this one on textures, and knows no holes.

References:
    Microsoft, Direct3D 11 programming guide, "Texture block compression": the block and its two palettes.
    Brown, Simon: libsquish 2006, range fit (ends on the principal axis), followed by least squares of its iterations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from texup.textures.codecs.bitfields import spread

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

_BITS = (5, 6, 5)
_TOP = np.array([31, 63, 31], np.float32)
_ROUNDS = 2  # of least squares; measured: the first is worth 1 dB, the second 0.1, further ones nothing
_TURNS = 4  # of power iteration for the principal axis
_CHUNK = 8192  # blocks whose floats fit a cache
_CODES = {3: np.array([0, 2, 3, 1], np.uint32), 2: np.array([0, 2, 1], np.uint32)}  # of steps from the first end
_HOLE = 3


def encode_opaque(colour: Bytes) -> Bytes:
    """Return blocks (N, 8) of four colours for texels (N, 16, 3); good for BC2 and BC3 as well."""
    return _chunked(colour, None)


def encode_cutout(colour: Bytes, visible: NDArray[np.bool_]) -> Bytes:
    """Return blocks (N, 8) of three colours and holes, for texels (N, 16, 3) and where they show (N, 16)."""
    return _chunked(colour, visible)


def _chunked(colour: Bytes, visible: NDArray[np.bool_] | None) -> Bytes:
    out = np.empty((len(colour), 8), np.uint8)
    for start in range(0, len(colour), _CHUNK):
        part = slice(start, start + _CHUNK)
        texels = colour[part].astype(np.float32)
        shown = None if visible is None else visible[part]
        weight = np.ones(texels.shape[:2], np.float32) if shown is None else shown.astype(np.float32)
        out[part] = _pack(*_fit(texels, weight, 3 if shown is None else 2), shown)
    return out


def _fit(colour: Floats, weight: Floats, steps: int) -> tuple[NDArray[np.uint16], NDArray[np.intp]]:
    """Return 5-6-5 ends (N, 2, 3) and the step 0..``steps`` of each texel (N, 16), with the least error found."""
    ends = _axis_ends(colour, weight, steps)
    best = _nearest(colour, weight, ends, steps)
    for _ in range(_ROUNDS):
        share = best[1].astype(np.float32) / np.float32(steps)
        tried = _nearest(colour, weight, _solve(colour, weight, share, best[0]), steps)
        better = tried[2] < best[2]
        best = (
            np.where(better[:, None, None], tried[0], best[0]),
            np.where(better[:, None], tried[1], best[1]),
            np.where(better, tried[2], best[2]),
        )
    return best[0], best[1]


def _axis_ends(colour: Floats, weight: Floats, steps: int) -> Floats:
    """Return the extremes (N, 2, 3) of the texels along their principal axis; of equal texels ends around them."""
    mean = (colour * weight[..., None]).sum(axis=1) / np.maximum(weight.sum(axis=1), 1)[:, None]
    away = (colour - mean[:, None]) * weight[..., None]
    covariance = away.transpose(0, 2, 1) @ away
    axis = covariance[np.arange(len(covariance)), covariance.diagonal(axis1=1, axis2=2).argmax(axis=1)]
    for _ in range(_TURNS):
        axis = (covariance @ axis[..., None])[..., 0]
        axis = axis / np.maximum(np.abs(axis).max(axis=1, keepdims=True), 1e-9)
    axis = axis / np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-9)
    along = (away @ axis[..., None])[..., 0]
    ends = np.stack([mean + along.min(axis=1, keepdims=True) * axis, mean + along.max(axis=1, keepdims=True) * axis], 1)
    flat = ~covariance.any(axis=(1, 2))
    ends[flat] = _flat_ends(mean[flat], steps)
    return ends


def _flat_ends(colour: Floats, steps: int) -> Floats:
    """Return the ends (N, 2, 3) whose first step between them is nearest to a colour (N, 3), finer than 5-6-5."""
    value = np.rint(colour).astype(np.intp)
    ends = np.empty((len(colour), 2, 3), np.float32)
    for k, bits in enumerate(_BITS):
        shown = spread(np.arange(1 << bits), bits).astype(np.float32)
        first, second = (shown[index] for index in _neighbours(1 << bits))
        away = np.abs(np.arange(256)[:, None] - ((steps - 1) * first + second) / steps)
        nearest = away.argmin(axis=1)[value[:, k]]
        ends[:, 0, k], ends[:, 1, k] = first[nearest], second[nearest]
    return ends


def _neighbours(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the indices of all pairs of ``count`` values that are at most two apart."""
    first, second = np.indices((count, count)).reshape(2, -1)
    near = np.abs(first - second) <= 2
    return first[near], second[near]


def _nearest(
    colour: Floats, weight: Floats, ends: Floats, steps: int
) -> tuple[NDArray[np.uint16], NDArray[np.intp], Floats]:
    """Return rounded ends, the nearest step of each texel, and the squared error of each block (N,)."""
    stored = np.rint(np.clip(ends, 0, 255) * (_TOP / 255)).astype(np.uint16)
    shown = _shown(stored)
    first, across = shown[:, :1], shown[:, 1:] - shown[:, :1]
    length = np.maximum((across**2).sum(axis=2), 1)
    share = ((colour - first) @ across.transpose(0, 2, 1))[..., 0] / length
    step = np.rint(np.clip(share, 0, 1) * steps)
    error = (((colour - first - (step / steps)[..., None] * across) ** 2).sum(axis=2) * weight).sum(axis=1)
    return stored, step.astype(np.intp), error


def _shown(stored: NDArray[np.uint16]) -> Floats:
    """Return what 5-6-5 values (..., 3) look like in 0..255."""
    high, low = np.array([3, 2, 3], np.uint16), np.array([2, 4, 2], np.uint16)
    return ((stored << high) | (stored >> low)).astype(np.float32)


def _solve(colour: Floats, weight: Floats, share: Floats, stored: NDArray[np.uint16]) -> Floats:
    """Return the ends (N, 2, 3) with the least squared error for given shares of the second end (N, 16)."""
    one, two = (1 - share) * weight, share * weight
    aa, bb, ab = (one * one).sum(axis=1), (two * two).sum(axis=1), (one * two).sum(axis=1)
    a, b = (one[:, None] @ colour)[:, 0], (two[:, None] @ colour)[:, 0]
    determinant = aa * bb - ab * ab
    solvable = determinant > 1e-3  # else all texels have one share
    ends = np.stack([a * bb[:, None] - b * ab[:, None], b * aa[:, None] - a * ab[:, None]], axis=1)
    ends /= np.where(solvable, determinant, 1)[:, None, None]
    return np.where(solvable[:, None, None], ends, _shown(stored)).astype(np.float32)


def _pack(stored: NDArray[np.uint16], step: NDArray[np.intp], visible: NDArray[np.bool_] | None) -> Bytes:
    """Return the bytes of blocks; the order of the ends tells the palette, the greater first for four colours."""
    steps = 3 if visible is None else 2
    packed = (stored[..., 0] << np.uint16(11)) | (stored[..., 1] << np.uint16(5)) | stored[..., 2]
    turned = packed[:, 0] < packed[:, 1] if visible is None else packed[:, 0] > packed[:, 1]
    packed = np.where(turned[:, None], packed[:, ::-1], packed)
    code = _CODES[steps][np.where(turned[:, None], steps - step, step)]
    code[packed[:, 0] == packed[:, 1]] = 0  # reads as three colours, where the last code is a hole
    if visible is not None:
        code[~visible] = _HOLE
        packed[~visible.any(axis=1)] = 0
    bits = (code << np.arange(0, 32, 2, dtype=np.uint32)).sum(axis=1, dtype=np.uint32)
    return np.concatenate([packed.astype("<u2").view(np.uint8), bits.astype("<u4")[:, None].view(np.uint8)], axis=1)
