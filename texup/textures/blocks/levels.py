"""Block compression, BC1 to BC5 and BC7: one level of 4 x 4 blocks to and from pixels.

References:
    Microsoft, Direct3D 11 programming guide, "Texture block compression in Direct3D 11".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texup.errors import UnsupportedTexture
from texup.textures.blocks.bc1 import encode_cutout, encode_opaque
from texup.textures.blocks.bc4 import encode_channel
from texup.textures.blocks.bc7 import encode_bc7, is_installed
from texup.textures.blocks.ispc import Quality

Bytes = NDArray[np.uint8]

_MODES = {"bc1": "RGBA", "bc2": "RGBA", "bc3": "RGBA", "bc4": "L", "bc5": "RGB", "bc7": "RGBA"}
_CHANNELS = {
    "bc1": (1, 2, 3, 4),
    "bc2": (1, 2, 3, 4),
    "bc3": (1, 2, 3, 4),
    "bc4": (1,),
    "bc5": (3,),
    "bc7": (1, 2, 3, 4),
}


def can_compress(block: str = "bc7") -> bool:
    """Return whether :func:`encode_blocks` works here; all but BC7 always do."""
    return block != "bc7" or is_installed()


def decode_blocks(data: bytes, block: str, width: int, height: int) -> Bytes:
    """Return the pixels (H, W, C) of one level.

    C is 1 for BC4 and 3 for BC5, whose third channel is the Z of a unit vector with the other two; 4 for BC2, BC3 and
    BC7; for BC1 4 if it has holes, whose colour is black, else 3.

    Args:
        data: exactly the bytes of the level.
        block: "bc1", "bc2", "bc3", "bc4", "bc5" or "bc7".
        width: texels; the last blocks may lie partly outside.
        height: texels.
    """
    padded = (-(-width // 4) * 4, -(-height // 4) * 4)
    image = Image.frombytes(_MODES[block], padded, data, "bcn", (int(block[2]), ""))
    pixels = np.array(image).reshape(padded[1], padded[0], -1)[:height, :width]
    if block == "bc5":
        pixels[..., 2] = rebuilt_z(pixels)
    if block == "bc1" and (pixels[..., 3] == 255).all():
        pixels = pixels[..., :3]
    return np.ascontiguousarray(pixels)


def rebuilt_z(pixels: Bytes) -> Bytes:
    """Return the Z (H, W) that makes unit vectors of the first two channels, coded as they are; 0 reads as 127.5."""
    x, y = (pixels[..., k].astype(np.float32) / 127.5 - 1 for k in (0, 1))
    z: Bytes = np.rint(127.5 + 127.5 * np.sqrt(np.maximum(1 - x * x - y * y, 0))).astype(np.uint8)
    return z


def encode_blocks(pixels: Bytes, block: str, quality: Quality = "fast") -> bytes:
    """Return the bytes of one level; texels of blocks that lie partly outside repeat the border.

    Args:
        pixels: (H, W, C): C = 1 for BC4, 3 for BC5 (the third is not stored), any for the others.
        block: as for :func:`decode_blocks`.
        quality: of BC7; the others have one.

    Raises:
        UnsupportedTexture: channels that the blocks cannot hold, BC1 with alpha between clear and opaque, or BC7
            without the packages that make it.
    """
    channels = pixels.shape[2]
    if channels not in _CHANNELS[block]:
        raise UnsupportedTexture(f"{block.upper()} cannot hold {channels} channels; use bc7 or PNG")
    texels = _cut(pixels)
    if block == "bc4":
        return encode_channel(texels[..., 0]).tobytes()
    if block == "bc5":
        return np.concatenate([encode_channel(texels[..., k]) for k in (0, 1)], axis=1).tobytes()
    colour, alpha = _colour_and_alpha(texels)
    if block == "bc1":
        return _encode_bc1(colour, alpha).tobytes()
    if block == "bc7":
        return encode_bc7(np.concatenate([colour, alpha[..., None]], axis=2), quality).tobytes()
    front = _four_bits(alpha) if block == "bc2" else encode_channel(alpha)
    return np.concatenate([front, encode_opaque(colour)], axis=1).tobytes()


def _cut(pixels: Bytes) -> Bytes:
    """Return the texels (N, 16, C) of whole blocks, block rows from the top."""
    height, width, channels = pixels.shape
    padded = np.pad(pixels, ((0, -height % 4), (0, -width % 4), (0, 0)), "edge")
    down, across = padded.shape[0] // 4, padded.shape[1] // 4
    return padded.reshape(down, 4, across, 4, channels).transpose(0, 2, 1, 3, 4).reshape(-1, 16, channels)


def _colour_and_alpha(texels: Bytes) -> tuple[Bytes, Bytes]:
    """Return (N, 16, 3) and (N, 16): grey repeated, alpha full where there is none."""
    channels = texels.shape[2]
    colour = texels[..., :3] if channels >= 3 else texels[..., :1].repeat(3, axis=2)
    return colour, texels[..., -1] if channels in (2, 4) else np.full(texels.shape[:2], 255, np.uint8)


def _encode_bc1(colour: Bytes, alpha: Bytes) -> Bytes:
    if not ((alpha == 0) | (alpha == 255)).all():
        raise UnsupportedTexture("BC1 holds no alpha between clear and opaque; use bc3 or bc7")
    visible = alpha == 255
    opaque = visible.all(axis=1)
    out = np.empty((len(colour), 8), np.uint8)
    out[opaque] = encode_opaque(colour[opaque])
    out[~opaque] = encode_cutout(colour[~opaque], visible[~opaque])
    return out


def _four_bits(alpha: Bytes) -> Bytes:
    """Return the alpha half (N, 8) of BC2 blocks: the nearest of 16 levels, the first texel in the low bits."""
    levels = ((alpha.astype(np.uint16) + 8) // 17).astype(np.uint8)
    return levels[:, 0::2] | (levels[:, 1::2] << np.uint8(4))
