"""DDS: what is written back in kind, and the names of what is refused."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from texup.errors import UnreadableTexture, UnsupportedTexture
from texup.textures.codecs import decode, encode, read_header
from texup.textures.texture import Container, Texture

RANDOM = np.random.default_rng(4)
ALPHA, FOURCC, RGB, GREY = 0x1, 0x4, 0x40, 0x20000
RGB888, BGR888 = (0xFF0000, 0xFF00, 0xFF), (0xFF, 0xFF00, 0xFF0000)


def dds(body=b"", *, kind=RGB, bits=24, masks=RGB888, alpha=0, fourcc=bytes(4), size=(3, 2), **more):
    flags, mips, depth, caps2 = (
        0x1007 | more.get("flags", 0),
        more.get("mips", 0),
        more.get("depth", 0),
        more.get("caps2", 0),
    )
    head = struct.pack("<4s7I44x", b"DDS ", 124, flags, size[1], size[0], 0, depth, mips)
    pixel_format = struct.pack("<2I4s5I", 32, kind, fourcc, bits, *(*masks, 0, 0)[:3], alpha)
    return head + pixel_format + struct.pack("<4I4x", 0x1000, caps2, 0, 0) + body


@pytest.mark.parametrize(
    ("kind", "bits", "masks", "alpha", "first"),
    [
        (RGB, 24, RGB888, 0, [3, 2, 1]),
        (RGB, 24, BGR888, 0, [1, 2, 3]),
        (RGB, 32, RGB888, 0, [3, 2, 1]),
        (RGB | ALPHA, 32, RGB888, 0xFF000000, [3, 2, 1, 4]),
        (RGB | ALPHA, 32, BGR888, 0xFF000000, [1, 2, 3, 4]),
        (RGB, 16, (0xF800, 0x7E0, 0x1F), 0, [0, 65, 8]),
        (RGB | ALPHA, 16, (0x7C00, 0x3E0, 0x1F), 0x8000, [0, 132, 8, 0]),
        (RGB | ALPHA, 16, (0xF00, 0xF0, 0xF), 0xF000, [34, 0, 17, 0]),
        (GREY, 8, (0xFF,), 0, [1]),
        (GREY | ALPHA, 16, (0xFF,), 0xFF00, [1, 2]),
        (GREY | ALPHA, 8, (0xF,), 0xF0, [17, 0]),
    ],
)
def test_bit_fields_are_read_by_their_masks_and_written_with_them(kind, bits, masks, alpha, first):
    size = bits // 8
    body = bytearray(RANDOM.integers(0, 256, 6 * size, dtype=np.uint8).tobytes())
    body[:4] = bytes([1, 2, 3, 4])
    texture = decode(dds(bytes(body), kind=kind, bits=bits, masks=masks, alpha=alpha), "a.dds")
    assert texture.pixels.shape == (2, 3, len(first))
    assert texture.pixels[0, 0].tolist() == first
    result = encode(texture)
    assert struct.unpack_from("<I4s5I", result, 80) == (kind, bytes(4), bits, *(*masks, 0, 0)[:3], alpha)
    used = sum(masks) | alpha
    assert int.from_bytes(result[128 : 128 + size], "little") == int.from_bytes(body[:size], "little") & used
    again = decode(result, "a.dds")
    assert np.array_equal(again.pixels, texture.pixels)
    assert again.container == texture.container


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_against_pillow_in_both_directions(mode):
    pixels = RANDOM.integers(0, 256, (5, 7, len(mode)), dtype=np.uint8)
    with Image.open(io.BytesIO(encode(Texture(pixels, Container("dds")))), formats=["DDS"]) as seen:
        assert np.array_equal(np.asarray(seen).reshape(pixels.shape), pixels)
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if mode == "L" else pixels).save(file, "DDS")
    if mode in ("L", "LA"):  # its masks lie outside the pixel
        with pytest.raises(UnsupportedTexture, match="grey, "):
            decode(file.getvalue(), "a.dds")
    else:
        assert np.array_equal(decode(file.getvalue(), "a.dds").pixels, pixels)


@pytest.mark.parametrize(
    ("data", "mode"),
    [
        (dds(kind=FOURCC, fourcc=b"DXT1", mips=7), "DXT1 with 7 mips"),
        (dds(kind=FOURCC, fourcc=b"DXT5"), "DXT5"),
        (dds(struct.pack("<5I", 98, 3, 0, 1, 0), kind=FOURCC, fourcc=b"DX10"), "DX10 format 98"),
        (dds(kind=FOURCC, fourcc=struct.pack("<I", 113)), "format 113"),
        (dds(bytes(24), mips=2), "RGB, 24 bits a pixel (8-8-8) with 2 mips"),
        (dds(bytes(18 * 6), caps2=0xFE00), "RGB, 24 bits a pixel (8-8-8) cube map"),
        (dds(bytes(36), caps2=0x200000), "RGB, 24 bits a pixel (8-8-8) volume"),
        (dds(bytes(36), flags=0x800000, depth=2), "RGB, 24 bits a pixel (8-8-8) volume"),
        (dds(bytes(24), bits=32, masks=(0x3FF, 0xFFC00, 0x3FF00000)), "RGB, 32 bits a pixel (10-10-10)"),
        (dds(bytes(12), kind=GREY, bits=16, masks=(0xFFFF,)), "grey, 16 bits a pixel (16)"),
        (dds(bytes(24), bits=32, masks=(0xFF00FF, 0xFF00, 0xFF)), "RGB, 32 bits a pixel (16-8-8)"),
        (dds(bytes(24), bits=32, masks=(0xFF, 0xFF, 0xFF)), "RGB, 32 bits a pixel (8-8-8)"),
        (dds(bytes(24), bits=32, alpha=0xFF000000), "RGB, 32 bits a pixel (8-8-8-8)"),
        (dds(bytes(24), kind=RGB | ALPHA, bits=32), "RGB, 32 bits a pixel (8-8-8)"),
        (dds(bytes(18), kind=RGB, bits=8, masks=(0xFF, 0, 0)), "RGB, 8 bits a pixel (8)"),
        (dds(bytes(18), kind=0x20, bits=8, masks=(0, 0, 0)), "uncompressed pixels, 8 bits a pixel"),
        (dds(bytes(12), kind=0x80000, bits=16, masks=(0xFF, 0xFF00, 0)), "uncompressed pixels, 16 bits a pixel (8-8)"),
    ],
)
def test_other_kinds_are_named_and_refused(data, mode):
    assert read_header(data, "a.dds").mode == mode
    with pytest.raises(UnsupportedTexture) as caught:
        decode(data + bytes(100), "a.dds")
    assert str(caught.value).startswith(f"a.dds: {mode}: texup cannot write this kind of DDS back yet")


def test_every_truncation_is_refused():
    data = dds(bytes(18))
    decode(data, "a.dds")
    for cut in range(len(data)):
        with pytest.raises(UnreadableTexture):
            decode(data[:cut], "a.dds")


@pytest.mark.parametrize(("at", "value"), [(4, 123), (76, 31), (12, 0), (16, 0)])
def test_headers_that_make_no_sense_are_refused(at, value):
    data = bytearray(dds(bytes(18)))
    data[at : at + 4] = struct.pack("<I", value)
    with pytest.raises(UnreadableTexture, match="its header makes no sense"):
        read_header(bytes(data), "a.dds")
