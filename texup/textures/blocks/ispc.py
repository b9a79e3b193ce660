"""BC7 blocks by ISPC's texture compressor, taken where they are closer to the picture and alpha loses nothing.

It searches modes and partitions that etcpak leaves out, but moves alpha: opaque blocks may come out as 254. So every
block is read again, and kept only if its alpha is as good as etcpak's and its colour better.

References:
    Intel, ISPCTextureCompressor, ``ispc_texcomp.cpp``: the profiles. ispc-texcomp 1.0.1 (PyPI) binds it.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texup.errors import UnsupportedTexture

Bytes = NDArray[np.uint8]
Quality = Literal["fast", "normal", "best"]

NEEDS_EXTRA = "BC7 of this quality needs the extra: pip install 'texup[dds]'"
Profile = Literal["basic", "slow", "alpha_basic", "alpha_slow"]
_PROFILES: dict[Quality, tuple[Profile, Profile]] = {
    "normal": ("basic", "alpha_basic"),
    "best": ("slow", "alpha_slow"),
}
"""For opaque blocks, and for others."""
_TOGETHER = 4096  # blocks of one call, which takes 0.1 to 0.4 s: bounds memory; more are not faster


class Errors(NamedTuple):
    """How far blocks are from their texels, each (N,)."""

    colour: NDArray[np.int32]
    """Sum of squares."""
    alpha: NDArray[np.int32]
    """Sum of squares."""
    worst_alpha: NDArray[np.int32]
    """Levels."""


def is_installed() -> bool:
    """Return whether the encoder is there."""
    return find_spec("ispc_texcomp") is not None


def errors_of(texels: Bytes, blocks: Bytes) -> Errors:
    """Return how far BC7 blocks (N, 16) are from RGBA texels (N, 16, 4)."""
    shown = np.asarray(Image.frombytes("RGBA", (4, 4 * len(blocks)), blocks.tobytes(), "bcn", (7, "")))
    away = shown.reshape(texels.shape).astype(np.int32) - texels
    squares = away**2
    return Errors(squares[..., :3].sum(axis=(1, 2)), squares[..., 3].sum(axis=1), np.abs(away[..., 3]).max(axis=1))


def closer(texels: Bytes, blocks: Bytes, quality: Literal["normal", "best"]) -> Bytes:
    """Return BC7 blocks (N, 16), each of which is that of ``blocks`` or one with less error of colour.

    No block has more error of alpha than before, neither its largest nor its sum.

    Raises:
        UnsupportedTexture: ispc-texcomp is not installed.
    """
    out = blocks.copy()
    for start in range(0, len(blocks), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        before = errors_of(texels[part], blocks[part])
        opaque, off = (texels[part, :, 3] == 255).all(axis=1), before.colour > 0
        for wanted, profile in zip((opaque, ~opaque), _PROFILES[quality], strict=True):
            chosen = np.flatnonzero(wanted & off)
            if len(chosen):
                _improve(out[part], chosen, texels[part], before, profile)
    return out


def _improve(out: Bytes, chosen: NDArray[np.intp], texels: Bytes, before: Errors, profile: Profile) -> None:
    """Replace those of the chosen blocks that come out closer, in place."""
    wanted = texels[chosen]
    blocks = _compress(wanted, profile)
    after, least = errors_of(wanted, blocks), Errors(*(error[chosen] for error in before))
    better = after.colour < least.colour
    better &= (after.alpha <= least.alpha) & (after.worst_alpha <= least.worst_alpha)
    out[chosen[better]] = blocks[better]


def _compress(texels: Bytes, profile: Profile) -> Bytes:
    """Return blocks (N, 16) for texels (N, 16, 4), whatever alpha becomes."""
    try:
        import ispc_texcomp
    except ImportError as error:
        raise UnsupportedTexture(NEEDS_EXTRA) from error
    count = len(texels)
    # Side by side in one row of blocks, as it works on several of a row at once; stacked it takes four times as long.
    row = texels.reshape(count, 4, 4, 4).transpose(1, 0, 2, 3).tobytes()
    surface = ispc_texcomp.RGBASurface(row, 4 * count, 4)
    packed = ispc_texcomp.compress_blocks_bc7(surface, ispc_texcomp.BC7EncSettings.from_profile(profile))
    return np.frombuffer(packed, np.uint8).reshape(count, 16)
