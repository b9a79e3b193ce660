"""The value that a texture is, between its file and the planes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
Key = tuple[int, int, int]
"""A colour that stands for nothing, red, green and blue of 0..255."""

_SRGB = frozenset((29, 72, 75, 78, 91, 93, 99))  # DXGI_FORMAT_*_UNORM_SRGB


@dataclass(frozen=True, slots=True)
class Layout:
    """How BMP, DDS and TGA pack one pixel into little-endian bytes: 5-6-5, 5-5-5-1, an unused byte, RGB or BGR."""

    size: int
    """Bytes of a pixel: 1 to 4."""
    masks: tuple[int, ...]
    """The bits of each channel in the order of ``Texture.pixels``; each mask is one run of 1 to 8 bits."""
    declared: bool = True
    """Whether the file says that it has alpha; where it does not, alpha bytes that are all zero count as unused."""


@dataclass(frozen=True, slots=True)
class Container:
    """What a file was besides its pixels, so that the result is written back in kind."""

    format: str
    """One of "png", "tga", "bmp", "jpeg", "webp" or "dds"."""
    bits: int = 8
    """Bits of a stored sample: 1, 2, 4, 8 or 16; fewer than 8 only for grey PNG and BMP without alpha."""
    palette: bytes | None = None
    """The source's palette as RGBA quadruples when its pixels were indices; None otherwise."""
    grab: tuple[int, int] | None = None
    """Offsets of a PNG ``grAb`` chunk (x, y) in pixels: where GZDoom places the picture."""
    rle: bool = False
    """TGA: run-length encoded."""
    lossless: bool = True
    """WebP: stored losslessly."""
    layout: Layout | None = None
    """BMP, DDS and TGA: the packing of a pixel; None stands for the plain one of 8 bits a channel."""
    top_down: bool = False
    """BMP and TGA: the first row of the file is the top row."""
    block: str | None = None
    """DDS: block compression, one of "bc1", "bc2", "bc3", "bc4", "bc5" and "bc7"; None for plain pixels."""
    fourcc: bytes = b""
    """DDS: how an old header spells the block compression, where there are several ways; b"" for the usual one."""
    dxgi: int = 0
    """DDS: the format number of a DX10 header; 0 for an old header."""
    premultiplied: bool = False
    """DDS: stored colour is multiplied by alpha; ``Texture.pixels`` are straight all the same."""
    mips: bool = False
    """DDS: the source held smaller levels as well."""

    @property
    def dx10(self) -> bool:
        """Whether the DDS has the newer header, which many loaders do not know."""
        return self.dxgi != 0

    @property
    def srgb(self) -> bool:
        """Whether the DDS says that its colour is sRGB; old headers say nothing."""
        return self.dxgi in _SRGB


@dataclass(frozen=True, slots=True)
class Texture:
    """A decoded texture.

    ``pixels`` is (H, W, C), C-contiguous, uint8 or uint16 over the full range, C = 1 grey, 2 grey + alpha, 3 RGB, 4
    RGBA; alpha is straight and last. Samples of fewer than 8 bits are spread over 0..255. ``read(write(t)) == t`` for
    lossless formats.
    """

    pixels: Pixels
    container: Container
