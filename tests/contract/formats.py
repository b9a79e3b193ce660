"""Textures that each picture format holds exactly: what the contract of codecs is tried on.

A new format adds one entry to :data:`EXACT`, or is named as one that loses; the contract fails until it does.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from texup.textures.codecs.bitfields import narrow, spread
from texup.textures.codecs.files import SUFFIXES
from texup.textures.texture import Container, Layout, Texture

RGB888 = (0xFF0000, 0xFF00, 0xFF)
LAYOUTS = [
    Layout(2, (0x7C00, 0x3E0, 0x1F)),
    Layout(2, (0x7C00, 0x3E0, 0x1F, 0x8000)),
    Layout(2, (0xF800, 0x7E0, 0x1F)),
    Layout(2, (0xF00, 0xF0, 0xF, 0xF000)),
    Layout(3, RGB888),
    Layout(3, (0xFF, 0xFF00, 0xFF0000)),
    Layout(4, RGB888),
    Layout(4, (*RGB888, 0xFF000000)),
    Layout(4, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
]
TGA_LAYOUTS = [LAYOUTS[0], LAYOUTS[1], LAYOUTS[4], LAYOUTS[6], LAYOUTS[7]]
INT32 = st.integers(-(2**31), 2**31 - 1)


@st.composite
def pixels_of(draw, channels, dtype=np.uint8, most=12):
    """Arrays (H, W, channels): noise, or few levels so that runs and equal rows occur."""
    shape = (*draw(array_shapes(min_dims=2, max_dims=2, max_side=most)), draw(channels))
    top = np.iinfo(dtype).max
    few = draw(st.sampled_from([None, (0, top), (0, 1, top)]))
    return draw(arrays(dtype, shape, elements=st.integers(0, top) if few is None else st.sampled_from(few)))


@st.composite
def packed(draw, format_, layouts, **facts):
    """Textures whose pixels a packing holds exactly."""
    layout = draw(st.sampled_from(layouts))
    pixels = draw(pixels_of(st.just(len(layout.masks))))
    levels = [spread(narrow(pixels[..., k], m.bit_count()), m.bit_count()) for k, m in enumerate(layout.masks)]
    drawn = {name: draw(value) for name, value in facts.items()}
    return Texture(np.stack(levels, axis=2), Container(format_, layout=layout, **drawn))


@st.composite
def few_bits(draw, format_, depths, **facts):
    """Grey textures of fewer than 8 bits."""
    bits = draw(st.sampled_from(depths))
    pixels = spread(draw(pixels_of(st.just(1))) >> (8 - bits), bits)
    return Texture(pixels, Container(format_, bits=bits, **{name: draw(value) for name, value in facts.items()}))


def with_seen_alpha(pixels):
    """Return pixels in which no alpha channel is opaque throughout: WebP leaves such a channel out."""
    if pixels.shape[2] == 4:
        pixels[0, 0, 3] = min(pixels[0, 0, 3], 254)
    return pixels


EXACT: Mapping[str, st.SearchStrategy[Texture]] = {
    "png": st.one_of(
        st.builds(
            Texture,
            pixels_of(st.integers(1, 4)),
            st.builds(Container, st.just("png"), grab=st.none() | st.tuples(INT32, INT32)),
        ),
        st.builds(Texture, pixels_of(st.integers(1, 4), np.uint16), st.just(Container("png", bits=16))),
        few_bits("png", [1, 2, 4]),
    ),
    "tga": packed("tga", TGA_LAYOUTS, rle=st.booleans(), top_down=st.booleans()),
    "bmp": packed("bmp", LAYOUTS, top_down=st.booleans()) | few_bits("bmp", [1, 4], top_down=st.booleans()),
    "webp": st.builds(Texture, pixels_of(st.sampled_from([3, 4])).map(with_seen_alpha), st.just(Container("webp"))),
    "dds": packed("dds", LAYOUTS),
}
"""What each lossless format holds exactly."""
NAMES = {format_: f"a{suffix}" for suffix, format_ in SUFFIXES.items()}
