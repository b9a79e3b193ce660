"""BMP: hand-made files of every packing, and Pillow as the second reader and writer."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from texup.errors import UnreadableTexture, UnsupportedTexture
from texup.textures.codecs.files import decode, encode
from texup.textures.texture import Container, Texture

RANDOM = np.random.default_rng(5)
RGB888 = (0xFF0000, 0xFF00, 0xFF)


def bmp(rows, width, *, bits, masks=(), palette=b"", colours=0, compression=None, info_size=40, top_down=False):
    """Pack rows of bytes, given from the top, into a file."""
    body = b"".join(row.ljust(-(-len(row) // 4) * 4, b"\0") for row in (rows if top_down else rows[::-1]))
    method = compression if compression is not None else 3 if masks else 0
    height = -len(rows) if top_down else len(rows)
    info = struct.pack("<IiiHHIIiiII", info_size, width, height, 1, bits, method, 0, 0, 0, colours, 0)
    info = (info + struct.pack(f"<{len(masks)}I", *masks)).ljust(info_size, b"\0") + palette
    start = 14 + len(info)
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + info + body


def stable(texture):
    again = decode(encode(texture), "a.bmp")
    assert np.array_equal(again.pixels, texture.pixels)
    assert again.container == texture.container
    return encode(texture)


def facts(data):
    """Return (header size, bits, compression)."""
    return struct.unpack_from("<I", data, 14)[0], *struct.unpack_from("<HI", data, 28)


@pytest.mark.parametrize(
    ("masks", "bits", "word", "pixel", "kind"),
    [
        ((), 16, 0xFC01, [255, 0, 8], (40, 16, 0)),
        ((0xF800, 0x7E0, 0x1F), 16, 0xF821, [255, 4, 8], (40, 16, 3)),
        ((0x7C00, 0x3E0, 0x1F, 0x8000), 16, 0xFC01, [255, 0, 8, 255], (108, 16, 3)),
        ((), 24, 0x010203, [1, 2, 3], (40, 24, 0)),
        ((0xFF, 0xFF00, 0xFF0000), 32, 0x010203, [3, 2, 1], (40, 32, 3)),
        ((*RGB888, 0xFF000000), 32, 0x04010203, [1, 2, 3, 4], (108, 32, 3)),
        ((0xFF000000, 0xFF0000, 0xFF00, 0xFF), 32, 0x04010203, [4, 1, 2, 3], (108, 32, 3)),
        ((*RGB888, 0), 32, 0x04010203, [1, 2, 3], (40, 32, 0)),
    ],
)
@pytest.mark.parametrize("top_down", [False, True])
def test_packings_are_read_by_their_masks_and_written_with_them(masks, bits, word, pixel, kind, top_down):
    size = bits // 8
    rows = [word.to_bytes(4, "little")[:size] + bytes(2 * size), RANDOM.bytes(3 * size)]
    info_size = 108 if len(masks) == 4 else 40
    texture = decode(bmp(rows, 3, bits=bits, masks=masks, info_size=info_size, top_down=top_down), "a.bmp")
    assert texture.pixels.shape == (2, 3, len(pixel))
    assert texture.pixels[0, 0].tolist() == pixel
    assert texture.container.top_down == top_down
    assert facts(stable(texture)) == kind


def test_the_fourth_byte_of_a_plain_file_is_alpha_unless_it_is_zero_everywhere():
    pixels = RANDOM.integers(1, 256, (2, 3, 4), dtype=np.uint8)
    used = decode(bmp([row[:, [2, 1, 0, 3]].tobytes() for row in pixels], 3, bits=32), "a.bmp")
    assert np.array_equal(used.pixels, pixels)
    assert facts(stable(used)) == (40, 32, 0), "a loader that takes it for alpha still does"
    pixels[..., 3] = 0
    unused = decode(bmp([row[:, [2, 1, 0, 3]].tobytes() for row in pixels], 3, bits=32), "a.bmp")
    assert np.array_equal(unused.pixels, pixels[..., :3])
    assert facts(stable(unused)) == (40, 32, 0)


def test_new_alpha_is_declared_and_pillow_reads_it():
    pixels = RANDOM.integers(0, 256, (3, 5, 4), dtype=np.uint8)
    pixels[..., 3] = 0
    result = encode(Texture(pixels, Container("bmp")))
    with Image.open(io.BytesIO(result), formats=["BMP"]) as seen:
        assert seen.mode == "RGBA"
        assert np.array_equal(np.asarray(seen), pixels)
    assert np.array_equal(decode(result, "a.bmp").pixels, pixels)


@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize("width", [1, 3, 9])
@pytest.mark.parametrize("core", [False, True])
def test_palettes_of_every_depth(bits, width, core):
    indices = RANDOM.integers(0, 1 << bits, (4, width), dtype=np.uint8)
    colours = RANDOM.integers(0, 256, (1 << bits, 3), dtype=np.uint8)
    single = np.unpackbits(indices[..., None], axis=2)[..., 8 - bits :].reshape(4, -1)
    rows = [row.tobytes() for row in np.packbits(single, axis=1)]
    data = bmp(rows, width, bits=bits, palette=b"".join(c[::-1].tobytes() + b"\0" for c in colours))
    if core:  # the OS/2 header: 16-bit sides, palette entries of three bytes
        info = struct.pack("<IHHHH", 12, width, 4, 1, bits) + b"".join(c[::-1].tobytes() for c in colours)
        body = data[struct.unpack_from("<I", data, 10)[0] :]
        data = struct.pack("<2sIHHI", b"BM", 0, 0, 0, 14 + len(info)) + info + body
    texture = decode(data, "a.bmp")
    assert np.array_equal(texture.pixels, colours[indices])
    assert texture.container.palette == np.column_stack((colours, np.full(1 << bits, 255, np.uint8))).tobytes()
    assert facts(encode(texture)) == (40, 24, 0)
    indexed = encode(texture, indexed=True)
    assert facts(indexed) == (40, 8, 0)
    assert np.array_equal(decode(indexed, "a.bmp").pixels, texture.pixels)
    with Image.open(io.BytesIO(indexed), formats=["BMP"]) as seen:
        assert np.array_equal(np.asarray(seen.convert("RGB")), texture.pixels)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_grey_ramps_stay_grey_of_the_same_depth(bits):
    levels = RANDOM.integers(0, 1 << bits, (5, 11)) * (255 // ((1 << bits) - 1))
    texture = Texture(levels.astype(np.uint8)[..., None], Container("bmp", bits=bits))
    result = stable(texture)
    assert facts(result) == (40, bits, 0)
    with Image.open(io.BytesIO(result), formats=["BMP"]) as seen:
        assert np.array_equal(np.asarray(seen.convert("L")), texture.pixels[..., 0])


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_files_of_pillow(mode):
    image = Image.fromarray(RANDOM.integers(0, 256, (6, 7, 3), dtype=np.uint8)).convert(mode)
    file = io.BytesIO()
    image.save(file, "BMP")
    pixels = decode(file.getvalue(), "a.bmp").pixels
    expected = np.asarray(image.convert("L" if mode in "1L" else "RGB"))
    assert np.array_equal(pixels.reshape(expected.shape), expected)


def test_short_palettes_and_a_missing_last_padding_are_read():
    data = bmp([bytes([0, 1, 2])], 3, bits=8, palette=bytes([1, 2, 3, 0, 4, 5, 6, 0]), colours=2)
    assert decode(data[:-1], "a.bmp").pixels.tolist() == [[[3, 2, 1], [6, 5, 4], [0, 0, 0]]]


def test_every_other_truncation_is_refused():
    data = bmp([RANDOM.bytes(12)] * 3, 4, bits=24)
    decode(data, "a.bmp")
    for cut in range(len(data)):
        with pytest.raises(UnreadableTexture):
            decode(data[:cut], "a.bmp")


@pytest.mark.parametrize(
    ("data", "error", "reason"),
    [
        (bmp([bytes(4)], 4, bits=8, compression=1, palette=bytes(1024)), UnsupportedTexture, "a compressed BMP"),
        (bmp([bytes(4)], 4, bits=24, compression=4), UnsupportedTexture, "a compressed BMP"),
        (bmp([bytes(4)], 1, bits=32, masks=(0x3FF, 0xFFC00, 0x3FF00000)), UnsupportedTexture, "channel masks 0x3ff"),
        (bmp([bytes(4)], 1, bits=32, masks=(0, 0, 0)), UnsupportedTexture, "channel masks 0x0"),
        (bmp([bytes(4)], 1, bits=16, compression=3), UnreadableTexture, "a.bmp: damaged BMP: "),
        (bmp([bytes(4)], 1, bits=2), UnreadableTexture, "its header makes no sense"),
        (bmp([bytes(4)], -1, bits=24), UnreadableTexture, "its header makes no sense"),
        (bmp([], 1, bits=24), UnreadableTexture, "its header makes no sense"),
        (
            bmp([bytes(4)], 1, bits=24, info_size=40)[:14] + struct.pack("<I", 39) + bytes(60),
            UnreadableTexture,
            "no sense",
        ),
        (bmp([bytes(4)], 1, bits=24).replace(b"\x36\0\0\0", b"\x20\0\0\0"), UnreadableTexture, "points to its pixels"),
    ],
)
def test_refusals(data, error, reason):
    with pytest.raises(error, match=reason):
        decode(data, "a.bmp")


def test_grey_with_alpha_is_refused():
    with pytest.raises(UnsupportedTexture, match="BMP cannot hold grey with alpha"):
        encode(Texture(np.zeros((2, 2, 2), np.uint8), Container("bmp")))
