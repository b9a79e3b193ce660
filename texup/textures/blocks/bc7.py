"""BC7 blocks by etcpak, with alpha kept exact wherever a block has one or two values of it.

etcpak trades alpha for colour: opaque texels may come out as 251, clear ones as 4, and in noisy blocks far worse.
Engines test alpha exactly, so only blocks with a gradient of alpha are left to its choice. Over packs that costs 0.4 dB
of colour, in blocks on the outline of a cut-out 1 to 2.

References:
    Microsoft, Direct3D 11 programming guide, "BC7 format mode reference": bits of modes 5 and 6.
    etcpak 0.9 (PyPI), bundled bc7enc: modes 1 and 6 for opaque blocks, 5, 6 and 7 for others; a mask that leaves none
    of its modes crashes it.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from texup.errors import UnsupportedTexture
from texup.textures.blocks.ispc import Quality, closer, errors_of

Bytes = NDArray[np.uint8]

NEEDS_EXTRA = "BC7 needs the extra: pip install 'texup[dds]'"
_ANY, _OPAQUE, _APART, _TOGETHER = 0xFF, 1 << 1, 1 << 5, 1 << 6  # mode 5 stores alpha apart from colour


def is_installed() -> bool:
    """Return whether the encoder is there."""
    return find_spec("etcpak") is not None


def encode_bc7(texels: Bytes, quality: Quality = "fast") -> Bytes:
    """Return blocks (N, 16) for RGBA texels (N, 16, 4).

    Raises:
        UnsupportedTexture: etcpak is not installed, or ispc-texcomp for what is better than fast.
    """
    alpha = texels[..., 3]
    lowest, highest = alpha.min(axis=1), alpha.max(axis=1)
    two = ((alpha == lowest[:, None]) | (alpha == highest[:, None])).all(axis=1)
    opaque, one = lowest == 255, (lowest == highest) & (lowest < 255)
    two, many = two & ~(opaque | one), ~two
    out = np.empty((len(texels), 16), np.uint8)
    for chosen, encode in ((opaque, _encode_opaque), (one, _encode_one), (two, _encode_two), (many, _encode_many)):
        if chosen.any():
            out[chosen] = encode(texels[chosen])
    return out if quality == "fast" else closer(texels, out, quality)


def _encode_opaque(texels: Bytes) -> Bytes:
    return _compress(texels, _OPAQUE)


def _encode_one(texels: Bytes) -> Bytes:
    together = _compress(texels, _TOGETHER)
    _set_alpha(together, texels[:, 0, 3])
    return _better(texels, together, _compress(texels, _APART))


def _encode_two(texels: Bytes) -> Bytes:
    return _better(texels, _compress(texels, _ANY, alpha_weight=64), _compress(texels, _APART))


def _encode_many(texels: Bytes) -> Bytes:
    # with a weight of 1 colour that hardly shows moves alpha by up to 100 levels
    return _compress(texels, _ANY, alpha_weight=2)


def _better(texels: Bytes, one: Bytes, other: Bytes) -> Bytes:
    """Return of each pair of blocks the one with exact alpha, or, where both have it, with less error of colour."""
    errors = [errors_of(texels, blocks) for blocks in (one, other)]
    costs = [error.colour + ((error.alpha > 0).astype(np.int32) << 24) for error in errors]
    return np.where((costs[0] <= costs[1])[:, None], one, other)


def _compress(texels: Bytes, modes: int, alpha_weight: int = 1) -> Bytes:
    try:
        import etcpak
    except ImportError as error:
        raise UnsupportedTexture(NEEDS_EXTRA) from error
    parameters = etcpak.BC7CompressBlockParams()
    parameters.init_linear_weights()  # the default weighs red and green more than blue: 1 dB less, and slower
    parameters.m_weights = [1, 1, 1, alpha_weight]
    parameters.m_uber_level = 1  # 0.5 dB for twice the time; 4 is worth 0.2 dB more for twice that
    parameters.m_mode_mask = modes
    packed = etcpak.compress_bc7(texels.tobytes(), 4, 4 * len(texels), parameters)
    return np.frombuffer(packed, np.uint8).reshape(-1, 16).copy()


def _set_alpha(blocks: Bytes, alpha: Bytes) -> None:
    """Make the alpha of blocks of mode 6 one value (N,), in place; there it shares its lowest bits with colour.

    Bits 49 to 62 are the upper seven bits of both alphas, 63 and 64 the lowest bits of all channels of both ends.
    """
    upper, lowest = alpha.astype(np.uint64) >> np.uint64(1), alpha & np.uint8(1)
    head = blocks[:, :8].copy().view("<u8")[:, 0]
    head &= np.uint64((1 << 49) - 1)
    head |= (upper << np.uint64(49)) | (upper << np.uint64(56)) | (lowest.astype(np.uint64) << np.uint64(63))
    blocks[:, :8] = head[:, None].astype("<u8").view(np.uint8)
    blocks[:, 8] = (blocks[:, 8] & 0xFE) | lowest
