"""Channels packed into bits, rows of small values, and indices: there and back at every depth."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from texup.textures.codecs.bitfields import narrow, pack_pixels, pack_rows, spread, unpack_pixels, unpack_rows
from texup.textures.codecs.palette import entries, nearest
from texup.textures.texture import Layout

from ..contract.formats import LAYOUTS, pixels_of

MODEST = settings(deadline=None, derandomize=True, max_examples=60)


@MODEST
@given(pixels_of(st.integers(1, 4)), st.data())
def test_packing_goes_to_the_nearest_level(pixels, data):
    layout = data.draw(
        st.sampled_from([one for one in LAYOUTS if len(one.masks) == pixels.shape[2]] or [Layout(1, (0xFF,))])
    )
    pixels = pixels[..., : len(layout.masks)]
    back = unpack_pixels(pack_pixels(pixels, layout), layout)
    for k, mask in enumerate(layout.masks):
        levels = spread(np.arange(1 << mask.bit_count()), mask.bit_count()).astype(int)
        nearest_level = np.abs(pixels[..., k, None].astype(int) - levels).min(axis=-1)
        assert (np.abs(back[..., k].astype(int) - pixels[..., k]) <= nearest_level + 1).all()


def test_every_value_of_every_depth_comes_back():
    for bits in range(1, 9):
        values = np.arange(1 << bits)
        assert np.array_equal(narrow(spread(values, bits), bits), values)
        assert spread(values, bits)[[0, -1]].tolist() == [0, 255]


@MODEST
@given(pixels_of(st.just(1)), st.sampled_from([1, 2, 4, 8]))
def test_rows_of_small_values(pixels, bits):
    values = pixels[..., 0] >> (8 - bits)
    assert np.array_equal(unpack_rows(pack_rows(values, bits), values.shape[1], bits), values)


@MODEST
@given(arrays(np.uint8, st.tuples(st.integers(1, 256), st.just(4))), st.data())
def test_pixels_of_a_palette_find_equal_entries(colours, data):
    chosen = data.draw(arrays(np.uint8, (5, 7), elements=st.integers(0, len(colours) - 1)))
    pixels = entries(colours.tobytes())[chosen]
    found = nearest(pixels, colours.tobytes())
    assert np.array_equal(colours[found], pixels)
