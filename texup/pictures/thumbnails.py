"""Thumbnails: small pictures that stand for large ones in a list."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texup.textures.texture import Pixels

QUALITY = 80  # of WebP; a thumbnail of 96 pixels takes 1 to 3 KB


def as_bytes(pixels: Pixels) -> NDArray[np.uint8]:
    """Return pixels (H, W, C) as 8 bits a channel."""
    return np.rint(pixels / 257).astype(np.uint8) if pixels.dtype == np.uint16 else pixels.astype(np.uint8, copy=False)


def thumbnail(pixels: Pixels, side: int) -> bytes:
    """Return a WebP of pixels (H, W, C), reduced where they are larger than ``side``; small ones come without loss."""
    picture = as_bytes(pixels)
    height, width, channels = picture.shape
    image = Image.fromarray(picture[..., 0] if channels == 1 else picture)
    image = image.convert("RGBA" if channels in (2, 4) else "RGB")
    most, is_small = max(height, width), max(height, width) <= side
    if not is_small:
        size = max(1, width * side // most), max(1, height * side // most)
        image = image.resize(size, Image.Resampling.HAMMING)  # weighs colours by alpha, and draws no halos
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=is_small, quality=QUALITY)
    return file.getvalue()
