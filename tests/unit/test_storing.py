"""texup.textures.storing: the format of a result."""

from __future__ import annotations

import numpy as np
import pytest

from texup.errors import UnsupportedTexture
from texup.textures.codecs.dds_header import parse_dds
from texup.textures.codecs.files import decode, encode
from texup.textures.storing import convert_storage
from texup.textures.texture import Container, Layout, Texture

DICE = np.random.default_rng(9)
FULL = {np.uint8: 255, np.uint16: 65535}


def texture(channels, dtype=np.uint8, **container):
    pixels = DICE.integers(0, FULL[dtype] + 1, (6, 5, channels), dtype=dtype)
    return Texture(pixels, Container(container.pop("format", "tga"), **container))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_nothing_asked_changes_nothing(channels):
    source = texture(channels)
    assert convert_storage(source, "") is source


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_has_8_bits_and_the_same_channels(channels, dtype):
    source = texture(channels, dtype, bits=16 if dtype is np.uint16 else 8)
    result = convert_storage(source, "png")
    assert result.container == Container("png")
    assert result.pixels.shape == source.pixels.shape
    exact = source.pixels * (255 / FULL[dtype])
    assert np.abs(result.pixels - exact).max() <= 0.5
    assert np.array_equal(decode(encode(result), "a.png").pixels, result.pixels)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("store", ["rgba", "bgra8"])
def test_four_channels_repeat_grey_and_are_opaque_where_no_alpha_was(channels, store):
    source = texture(channels).pixels
    result = convert_storage(Texture(source, Container("tga")), store).pixels
    colour = source[..., :3] if channels >= 3 else source[..., :1].repeat(3, axis=2)
    alpha = source[..., -1] if channels in (2, 4) else np.full((6, 5), 255)
    assert np.array_equal(result, np.dstack([colour, alpha]))


def test_bgra8_is_blue_first():
    result = convert_storage(Texture(np.array([[[1, 2, 3, 4]]], np.uint8), Container("png")), "bgra8")
    assert encode(result)[128:] == bytes([3, 2, 1, 4])


def test_palettes_go_and_offsets_stay_only_in_png():
    source = texture(3, format="png", palette=bytes(16), grab=(3, -4))
    assert convert_storage(source, "png").container == Container("png", grab=(3, -4))
    assert convert_storage(source, "bgra8").container == Container(
        "dds", layout=Layout(4, (0xFF0000, 0xFF00, 0xFF, 0xFF000000))
    )


@pytest.mark.parametrize(
    ("store", "fourcc", "dxgi"), [("bc1", b"DXT1", None), ("bc3", b"DXT5", None), ("bc7", b"DX10", 98)]
)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_blocks_have_the_header_that_most_loaders_know(store, fourcc, dxgi, channels):
    source = texture(channels)
    if channels in (2, 4):
        source.pixels[..., -1] = np.where(source.pixels[..., -1] > 99, 255, 0)
    header = parse_dds(encode(convert_storage(source, store)))
    assert (header.fourcc, header.dxgi, header.format_flags & 1) == (fourcc, dxgi, int(channels in (2, 4)))


def test_a_dds_in_other_blocks_keeps_its_levels_its_header_and_srgb():
    source = texture(3, format="dds", block="bc1", dxgi=72, mips=True)
    assert convert_storage(source, "bc7").container == Container("dds", block="bc7", dxgi=99, mips=True)
    assert convert_storage(source, "bc3").container == Container("dds", block="bc3", dxgi=78, mips=True)


def test_bc1_takes_no_gradient_of_alpha_but_opaque_and_holes():
    with pytest.raises(UnsupportedTexture, match="use bc3 or bc7"):
        convert_storage(texture(4), "bc1")
    source = texture(4)
    source.pixels[..., 3] = 255
    assert decode(encode(convert_storage(source, "bc1")), "a.dds").pixels.shape[2] == 3
    source.pixels[2, 2, 3] = 0
    assert decode(encode(convert_storage(source, "bc1")), "a.dds").pixels[2, 2].tolist() == [0, 0, 0, 0]
