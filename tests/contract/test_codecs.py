"""What every picture format promises: one suite over the table of formats.

What is special to one format (chunks, headers, orientation, blocks) is tested beside its codec in ``tests/unit``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from texup.errors import UnreadableTexture, UnsupportedTexture
from texup.textures.codecs.files import decode, encode, read_header, read_texture
from texup.textures.texture import Container, Texture

from .formats import EXACT, NAMES

MODEST = settings(deadline=None, derandomize=True, max_examples=60)
PALETTES = ("png", "tga", "bmp")

exact = pytest.mark.parametrize("format_", EXACT)
every = pytest.mark.parametrize("format_", NAMES)


def noise(*shape) -> np.ndarray:
    return np.random.default_rng(6).integers(0, 256, shape, np.uint8)


SAMPLES = {format_: Texture(noise(12, 17, 3), Container(format_)) for format_ in NAMES}


def test_every_format_is_exact_or_known_to_lose():
    assert set(EXACT) == set(NAMES) - {"jpeg"}


@exact
@given(data=st.data())
@MODEST
def test_what_is_written_is_read_back(format_, data):
    texture = data.draw(EXACT[format_])
    before = texture.pixels.copy()
    file = encode(texture)
    assert np.array_equal(texture.pixels, before)
    again = decode(file, NAMES[format_])
    assert again.pixels.dtype == texture.pixels.dtype
    assert again.pixels.flags.c_contiguous
    assert np.array_equal(again.pixels, texture.pixels)
    assert again.container == texture.container
    assert encode(again) == file


@exact
@given(data=st.data())
@MODEST
def test_the_header_says_what_decoding_finds(format_, data):
    texture = data.draw(EXACT[format_])
    file = encode(texture)
    head = read_header(file, NAMES[format_])
    assert (head.format, head.height, head.width) == (format_, *texture.pixels.shape[:2])
    if head.mode.startswith(("grey", "RGB")):  # others tell how they are packed
        assert head.mode.startswith("grey") == (texture.pixels.shape[2] <= 2)


@pytest.mark.parametrize("format_", PALETTES)
@given(colours=arrays(np.uint8, st.tuples(st.integers(1, 256), st.just(4))), data=st.data())
@MODEST
def test_indices_are_read_back_as_their_colours(format_, colours, data):
    if format_ == "bmp":
        colours[:, 3] = 255  # it has no alpha in a palette
    chosen = data.draw(arrays(np.uint8, (5, 7), elements=st.integers(0, len(colours) - 1)))
    container = Container(format_, palette=colours.tobytes())
    again = decode(encode(Texture(colours[chosen], container), indexed=True), NAMES[format_])
    assert again.container.palette == container.palette
    assert np.array_equal(again.pixels, colours[chosen][..., : again.pixels.shape[2]])
    assert again.pixels.shape[2] == 4 or (colours[chosen][..., 3] == 255).all()


@pytest.mark.parametrize("container", [Container("jpeg", lossless=False), Container("webp", lossless=False)], ids=str)
def test_what_loses_stays_close(container):
    smooth = np.stack([np.add.outer(np.arange(40), np.arange(50)) * k for k in (1, 2, 2.5)], axis=2).astype(np.uint8)
    again = decode(encode(Texture(smooth, container)), NAMES[container.format])
    assert again.container == container
    assert again.pixels.shape == smooth.shape
    assert np.abs(again.pixels.astype(int) - smooth).mean() < 3


@every
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_format_holds_pixels_or_refuses_them_and_never_changes_their_kind(format_, channels, dtype):
    pixels = noise(6, 5, channels).astype(dtype) * (257 if dtype == np.uint16 else 1)
    texture = Texture(pixels, Container(format_, bits=pixels.dtype.itemsize * 8))
    try:
        file = encode(texture)
    except UnsupportedTexture:
        return
    again = decode(file, NAMES[format_])
    assert (again.pixels.shape, again.pixels.dtype) == (pixels.shape, pixels.dtype)
    assert not again.container.lossless or format_ == "jpeg" or np.array_equal(again.pixels, pixels)


@every
def test_the_size_is_told_before_the_pixels_are_there(format_):
    file = encode(SAMPLES[format_])
    head = read_header(file, NAMES[format_])
    assert (head.format, head.width, head.height) == (format_, 17, 12)
    assert read_header(file[:-30], NAMES[format_]) == head


@every
def test_more_pixels_than_wanted_are_refused_before_decoding(format_):
    file, name = encode(SAMPLES[format_]), NAMES[format_]
    assert decode(file, name, max_pixels=17 * 12).pixels.shape == (12, 17, 3)
    with pytest.raises(UnsupportedTexture, match="17 x 12 is more than the limit of 203 pixels"):
        decode(file[:-30], name, max_pixels=17 * 12 - 1)


@every
def test_a_file_that_ends_early_is_damaged_or_lacks_no_pixel(format_, tmp_path):
    """The last bytes of a TGA are a mark, and those of a BMP fill its last row up: neither is missed."""
    file, name = encode(SAMPLES[format_]), NAMES[format_]
    whole = decode(file, name).pixels
    odd = []
    for size in range(len(file)):
        try:
            pixels = decode(file[:size], name).pixels
        except UnreadableTexture as error:
            lines = str(error).splitlines()
            odd += [] if len(lines) == 1 and lines[0].startswith(f"{name}: ") else [str(error)]
        else:
            assert np.array_equal(pixels, whole)
            assert len(file) - size <= 30
    assert odd == []
    (tmp_path / name).write_bytes(file[:-40])
    with pytest.raises(UnreadableTexture, match=rf"^{name}: "):
        read_texture(tmp_path / name)


@every
def test_sides_of_one_pixel_are_held(format_):
    for shape in ((1, 1, 3), (1, 9, 3), (9, 1, 3)):
        texture = replace(SAMPLES[format_], pixels=noise(*shape))
        assert decode(encode(texture), NAMES[format_]).pixels.shape == shape
