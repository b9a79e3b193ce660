"""The format of a result, where it is not the source's."""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from texup.errors import UnsupportedTexture
from texup.textures.codecs.dds_header import dxgi_of
from texup.textures.texture import Container, Layout, Pixels, Texture

Sample = TypeVar("Sample", np.uint8, np.uint16)
Store = Literal["", "png", "rgba", "bgra8", "bc1", "bc3", "bc7"]

_BGRA = Layout(4, (0xFF0000, 0xFF00, 0xFF, 0xFF000000))


def convert_storage(texture: Texture, store: Store) -> Texture:
    """Return a texture with the pixels and the container that ``store`` asks for; "" leaves it as it is.

    "png" keeps the channels, "rgba" (a PNG) and "bgra8" (an uncompressed DDS) have four. All are of 8 bits. A palette
    is dropped, as pixels are written, and the offsets of a ``grAb`` chunk where there is no PNG to hold them. A DDS
    that becomes another DDS keeps its levels and its sRGB mark.

    Raises:
        UnsupportedTexture: "bc1" with alpha between clear and opaque.
    """
    if store == "":
        return texture
    pixels, old = in_bytes(texture.pixels), texture.container
    if store in ("png", "rgba"):
        return Texture(as_rgba(pixels) if store == "rgba" else pixels, Container("png", grab=old.grab))
    if store == "bgra8":
        return Texture(as_rgba(pixels), Container("dds", layout=_BGRA, mips=old.mips))
    if store == "bc1" and pixels.shape[2] in (2, 4) and not np.isin(pixels[..., -1], (0, 255)).all():
        raise UnsupportedTexture("BC1 holds no alpha between clear and opaque; use bc3 or bc7")
    dxgi = dxgi_of(store, srgb=old.srgb) if store == "bc7" or old.dx10 else 0
    return Texture(pixels, Container("dds", block=store, dxgi=dxgi, mips=old.mips))


def as_rgba(pixels: NDArray[Sample]) -> NDArray[Sample]:
    """Return (H, W, 4) pixels: grey repeated, alpha full where there was none."""
    count = pixels.shape[2]
    if count == 4:
        return pixels
    colour = pixels[..., :1].repeat(3, axis=2) if count <= 2 else pixels
    alpha = pixels[..., 1:] if count == 2 else np.full_like(pixels[..., :1], np.iinfo(pixels.dtype).max)
    return np.concatenate((colour, alpha), axis=2)


def in_bytes(pixels: Pixels) -> NDArray[np.uint8]:
    """Return the nearest 8-bit samples."""
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
