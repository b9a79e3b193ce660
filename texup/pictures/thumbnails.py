"""Thumbnails: small pictures that stand for large ones in a list."""

from __future__ import annotations

import io

from PIL import Image

from texup.textures.storing import in_bytes
from texup.textures.texture import Pixels

QUALITY = 80  # of WebP; a thumbnail of 96 pixels takes 1 to 3 KB


def thumbnail(pixels: Pixels, side: int) -> bytes:
    """Return a WebP of pixels (H, W, C), reduced where they are larger than ``side``; small ones come without loss."""
    picture = in_bytes(pixels)
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
