"""read(write(t)) == t for every lossless format, depth and packing."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from texup.textures.codecs.bitfields import narrow, pack_pixels, pack_rows, spread, unpack_pixels, unpack_rows
from texup.textures.codecs.files import decode, encode, read_header
from texup.textures.codecs.palette import entries, nearest
from texup.textures.texture import Container, Layout, Texture

MODEST = settings(deadline=None, derandomize=True, max_examples=60)
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


@st.composite
def pixels_of(draw, channels, dtype=np.uint8, most=12):
    """Arrays (H, W, channels): noise, or few levels so that runs and equal rows occur."""
    shape = (*draw(array_shapes(min_dims=2, max_dims=2, max_side=most)), draw(channels))
    top = np.iinfo(dtype).max
    few = draw(st.sampled_from([None, (0, top), (0, 1, top)]))
    return draw(arrays(dtype, shape, elements=st.integers(0, top) if few is None else st.sampled_from(few)))


def check(texture, name):
    data = encode(texture)
    again = decode(data, name)
    assert again.pixels.dtype == texture.pixels.dtype
    assert np.array_equal(again.pixels, texture.pixels)
    assert again.container == texture.container
    head = read_header(data, name)
    assert (head.format, head.height, head.width) == (texture.container.format, *texture.pixels.shape[:2])
    assert encode(again) == data


INT32 = st.integers(-(2**31), 2**31 - 1)


@MODEST
@given(pixels_of(st.integers(1, 4)), st.none() | st.tuples(INT32, INT32))
def test_png_of_8_bits(pixels, grab):
    check(Texture(pixels, Container("png", grab=grab)), "a.png")


@MODEST
@given(pixels_of(st.integers(1, 4), np.uint16))
def test_png_of_16_bits(pixels):
    check(Texture(pixels, Container("png", bits=16)), "a.png")


@MODEST
@given(pixels_of(st.just(1)), st.sampled_from([1, 2, 4]), st.sampled_from(["png", "bmp"]), st.booleans())
def test_grey_of_fewer_bits(pixels, bits, format_, top_down):
    bits = 4 if format_ == "bmp" and bits == 2 else bits
    levels = spread(pixels >> (8 - bits), bits)
    check(Texture(levels, Container(format_, bits=bits, top_down=format_ == "bmp" and top_down)), f"a.{format_}")


@MODEST
@given(st.data(), st.sampled_from(TGA_LAYOUTS), st.booleans(), st.booleans())
def test_tga(data, layout, rle, top_down):
    pixels = data.draw(packed_pixels(layout))
    check(Texture(pixels, Container("tga", rle=rle, top_down=top_down, layout=layout)), "a.tga")


@MODEST
@given(st.data(), st.sampled_from(LAYOUTS), st.booleans())
def test_bmp(data, layout, top_down):
    check(Texture(data.draw(packed_pixels(layout)), Container("bmp", top_down=top_down, layout=layout)), "a.bmp")


@MODEST
@given(st.data(), st.sampled_from(LAYOUTS))
def test_dds(data, layout):
    check(Texture(data.draw(packed_pixels(layout)), Container("dds", layout=layout)), "a.dds")


@settings(MODEST, max_examples=25)
@given(pixels_of(st.sampled_from([3, 4])))
def test_lossless_webp(pixels):
    data = encode(Texture(pixels, Container("webp")))
    shown = pixels if pixels.shape[2] == 3 or (pixels[..., 3] < 255).any() else pixels[..., :3]
    assert np.array_equal(decode(data, "a.webp").pixels, shown)


@st.composite
def packed_pixels(draw, layout):
    """Pixels that ``layout`` can hold exactly."""
    pixels = draw(pixels_of(st.just(len(layout.masks))))
    return np.stack(
        [spread(narrow(pixels[..., k], m.bit_count()), m.bit_count()) for k, m in enumerate(layout.masks)], axis=2
    )


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
    texture = Texture(pixels, Container("png", palette=colours.tobytes()))
    again = decode(encode(texture, indexed=True), "a.png")
    assert again.container == texture.container
    assert np.array_equal(again.pixels, pixels[..., : again.pixels.shape[2]])
