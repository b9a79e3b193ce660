"""TGA: hand-made files for what the specification allows, and Pillow as the second reader and writer."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from texup.errors import UnreadableTexture, UnsupportedTexture
from texup.textures.codecs.files import decode, encode, read_header
from texup.textures.texture import Container, Texture

RANDOM = np.random.default_rng(3)
TOP, RIGHT = 0x20, 0x10


def tga(body, *, kind=2, size=(3, 2), bits=24, descriptor=0, colour_map=(0, 0, 0), ident=b"", table=b""):
    first, length, map_bits = colour_map
    head = (len(ident), map_bits > 0, kind, first, length, map_bits, 0, 0, *size, bits, descriptor)
    return struct.pack("<BBBHHBHHHHBB", *head) + ident + table + body


def stored_facts(data):
    """Return (image type, bits, descriptor) of a file."""
    return data[2], data[16], data[17]


def stable(texture):
    """Return the texture read back from its own bytes, after checking that nothing changed."""
    again = decode(encode(texture), "a.tga")
    assert np.array_equal(again.pixels, texture.pixels)
    assert again.container == texture.container
    return again


@pytest.mark.parametrize(
    ("descriptor", "turn"), [(0, (-1, 1)), (TOP, (1, 1)), (RIGHT, (-1, -1)), (TOP | RIGHT, (1, -1))]
)
def test_all_four_origins(descriptor, turn):
    shown = RANDOM.integers(0, 256, (2, 3, 3), dtype=np.uint8)
    texture = decode(tga(shown[:: turn[0], :: turn[1], ::-1].tobytes(), descriptor=descriptor), "a.tga")
    assert np.array_equal(texture.pixels, shown)
    assert texture.container.top_down == bool(descriptor & TOP)
    assert texture.pixels.flags.c_contiguous
    assert stored_facts(encode(texture)) == (2, 24, descriptor & TOP), "rows stay in order, columns run left to right"
    stable(texture)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("compression", [None, "tga_rle"])
@pytest.mark.parametrize("orientation", [-1, 1])
def test_against_pillow_in_both_directions(mode, compression, orientation):
    channels = len(mode)
    pixels = RANDOM.integers(0, 3, (11, 200, channels), dtype=np.uint8)
    pixels[3:6] = 7
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    file = io.BytesIO()
    image.save(file, "TGA", compression=compression, orientation=orientation)
    texture = decode(file.getvalue(), "a.tga")
    assert np.array_equal(texture.pixels, pixels)
    assert texture.container.rle == (compression is not None)
    result = encode(texture)
    assert stored_facts(result) == stored_facts(file.getvalue())
    with Image.open(io.BytesIO(result), formats=["TGA"]) as seen:
        assert seen.mode == mode
        assert np.array_equal(np.asarray(seen).reshape(pixels.shape), pixels)
    stable(texture)


def test_run_length_packets_may_cross_rows():
    body = bytes([0x83, 1, 2, 3, 0x01, 4, 5, 6, 7, 8, 9])
    texture = decode(tga(body, kind=10, descriptor=TOP), "a.tga")
    assert texture.pixels[..., 2].tolist() == [[1, 1, 1], [1, 4, 7]]


@pytest.mark.parametrize(
    ("bits", "descriptor", "masks", "values"),
    [
        (15, 0, 3, [[255, 0, 0], [0, 255, 0], [0, 0, 8]]),
        (16, 0, 3, [[255, 0, 0], [0, 255, 0], [0, 0, 8]]),
        (16, 1, 4, [[255, 0, 0, 255], [0, 255, 0, 0], [0, 0, 8, 255]]),
    ],
)
@pytest.mark.parametrize("rle", [False, True])
def test_five_bits_a_channel_come_back_as_five_bits(bits, descriptor, masks, values, rle):
    words = struct.pack("<3H", 0xFC00, 0x03E0, 0x8001)
    body = b"\x02" + words if rle else words
    texture = decode(tga(body, kind=10 if rle else 2, size=(3, 1), bits=bits, descriptor=descriptor), "a.tga")
    assert texture.pixels.tolist() == [values]
    assert len(texture.container.layout.masks) == masks
    result = encode(texture)
    assert stored_facts(result) == (10 if rle else 2, 16, descriptor)
    stable(texture)
    if rle:
        return
    mask = 0xFFFF if descriptor else 0x7FFF  # a spare bit is written as 0
    assert struct.unpack_from("<3H", result, 18) == tuple(w & mask for w in struct.unpack("<3H", words))


def test_every_five_bit_level_survives_and_levels_between_go_to_the_nearest():
    words = np.arange(32, dtype="<u2") * 0x421
    texture = decode(tga(words.tobytes(), size=(32, 1), bits=16), "a.tga")
    levels = texture.pixels[0, :, 0].astype(int)
    assert levels.tolist() == [v << 3 | v >> 2 for v in range(32)]
    shades = Texture(np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2), texture.container)
    found = decode(encode(shades), "a.tga").pixels[0, :, 0].astype(int)
    assert np.abs(found - np.arange(256)).max() <= 4


@pytest.mark.parametrize(("kind", "bits", "visible"), [(2, 32, 3), (3, 16, 1)])
def test_alpha_without_alpha_bits_counts_unless_it_is_zero_everywhere(kind, bits, visible):
    pixels = RANDOM.integers(1, 256, (2, 3, visible + 1), dtype=np.uint8)
    order = [*range(visible)[::-1], visible]
    used = decode(tga(pixels[..., order].tobytes(), kind=kind, bits=bits, descriptor=TOP), "a.tga")
    assert np.array_equal(used.pixels, pixels)
    assert stored_facts(encode(stable(used))) == (kind, bits, TOP), "the alpha count stays 0, as engines saw it"
    pixels[..., visible] = 0
    unused = decode(tga(pixels[..., order].tobytes(), kind=kind, bits=bits, descriptor=TOP), "a.tga")
    assert np.array_equal(unused.pixels, pixels[..., :visible])
    assert stored_facts(encode(stable(unused))) == (kind, bits, TOP), "still as many bits a pixel"
    declared = decode(tga(pixels[..., order].tobytes(), kind=kind, bits=bits, descriptor=TOP | 8), "a.tga")
    assert np.array_equal(declared.pixels, pixels), "declared alpha is alpha even where all is invisible"
    stable(declared)


@pytest.mark.parametrize(
    ("map_bits", "descriptor", "table", "expected"),
    [
        (15, 0, struct.pack("<2H", 0x7C00, 0x8001), [[255, 0, 0], [0, 0, 8]]),
        (16, 1, struct.pack("<2H", 0x7C00, 0x8001), [[255, 0, 0, 0], [0, 0, 8, 255]]),
        (24, 0, bytes([1, 2, 3, 4, 5, 6]), [[3, 2, 1], [6, 5, 4]]),
        (32, 0, bytes([1, 2, 3, 9, 4, 5, 6, 0]), [[3, 2, 1, 9], [6, 5, 4, 0]]),
        (32, 0, bytes([1, 2, 3, 0, 4, 5, 6, 0]), [[3, 2, 1], [6, 5, 4]]),
    ],
)
@pytest.mark.parametrize("first", [0, 5])
@pytest.mark.parametrize("rle", [False, True])
def test_colour_maps(map_bits, descriptor, table, expected, first, rle):
    indices = bytes([first, first + 1, first])
    body = b"\x02" + indices if rle else indices
    kind = 9 if rle else 1
    size, colour_map = (3, 1), (first, 2, map_bits)
    data = tga(
        body, kind=kind, size=size, bits=8, descriptor=descriptor, colour_map=colour_map, ident=b"id", table=table
    )
    texture = decode(data, "a.tga")
    assert texture.pixels.tolist() == [[expected[0], expected[1], expected[0]]]
    assert texture.container.rle == rle
    opaque = [(*colour, 255)[:4] for colour in expected]
    assert texture.container.palette == bytes([0, 0, 0, 255] * first) + bytes(sum(opaque, ()))
    plain = decode(encode(texture), "a.tga")
    assert np.array_equal(plain.pixels, texture.pixels)
    result = encode(texture, indexed=True)
    assert stored_facts(result)[:2] == (kind, 8)
    assert decode(result, "a.tga").container.palette == texture.container.palette
    assert np.array_equal(decode(result, "a.tga").pixels[..., :3], texture.pixels[..., :3])


def test_a_map_beside_true_colour_is_skipped():
    data = tga(bytes(range(18)), descriptor=TOP, colour_map=(0, 2, 24), ident=b"name", table=b"skipme")
    assert decode(data, "a.tga").pixels[0, 0].tolist() == [2, 1, 0]


def test_sixteen_bit_indices_are_refused():
    data = tga(bytes(12), kind=1, bits=16, colour_map=(0, 2, 24), table=bytes(6))
    with pytest.raises(UnsupportedTexture, match=r"a\.tga: a TGA with 16-bit colour map indices"):
        decode(data, "a.tga")


@pytest.mark.parametrize("kind", [2, 10])
def test_every_truncation_is_refused(kind):
    texture = Texture(RANDOM.integers(0, 3, (5, 40, 3), dtype=np.uint8), Container("tga", rle=kind == 10))
    data = encode(texture)[:-26]  # without the footer, which carries no pixel
    assert data[2] == kind
    assert np.array_equal(decode(data, "a.tga").pixels, texture.pixels)
    for cut in range(len(data)):
        with pytest.raises(UnreadableTexture):
            decode(data[:cut], "a.tga")


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": 0},
        {"kind": 32},
        {"kind": 3, "bits": 24},
        {"kind": 3, "bits": 1},
        {"kind": 1, "bits": 8},
        {"kind": 1, "bits": 8, "colour_map": (0, 2, 17)},
        {"kind": 1, "bits": 8, "colour_map": (0, 0, 24)},
        {"bits": 8},
        {"bits": 48},
        {"size": (0, 2)},
        {"size": (3, 0)},
        {"descriptor": 0x40},
        {"descriptor": 3},
    ],
)
def test_the_header_is_read_strictly(wrong):
    assert read_header(tga(bytes(18)), "a.tga").mode == "RGB, 24 bits a pixel"
    with pytest.raises(UnreadableTexture, match=r"a\.tga: damaged TGA: its header is not one of a TGA"):
        read_header(tga(bytes(100), **wrong), "a.tga")
