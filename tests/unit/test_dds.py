"""DDS: what is written back in kind, and the names of what is refused."""

import io
import struct
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from texup.errors import UnreadableTexture, UnsupportedTexture
from texup.textures.codecs.dds import must_copy
from texup.textures.codecs.dds_header import pack_header, parse_dds
from texup.textures.codecs.files import decode, encode, encode_levels, read_header
from texup.textures.texture import Container, Layout, Texture

MODEST = settings(deadline=None, derandomize=True, max_examples=60)

RANDOM = np.random.default_rng(4)
SHIPPED_FILES = Path(__file__).parents[3] / "shared" / "cases" / "B03"
BC1 = Container("dds", block="bc1")
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


DX10 = b"DX10"


def dx10(number, body=b"", *, dimension=3, misc=0, count=1, misc2=0, **more):
    return dds(struct.pack("<5I", number, dimension, misc, count, misc2) + body, kind=FOURCC, fourcc=DX10, **more)


MANY = "texup redoes single pictures only"
OTHER, SIGNED = "texup writes no such pixels", "texup writes no signed values"


@pytest.mark.parametrize(
    ("data", "mode", "reason"),
    [
        (dds(kind=FOURCC, fourcc=b"DXT1", size=(8, 8), mips=4, caps2=0xFE00), "DXT1 cube map with 4 mips", MANY),
        (dx10(71, misc=4), "BC1, DX10 format 71 cube map", MANY),
        (dx10(98, count=3), "BC7, DX10 format 98 array", MANY),
        (dx10(28, dimension=4), "DX10 format 28 volume", MANY),
        (dds(bytes(18 * 6), caps2=0xFE00), "RGB, 24 bits a pixel (8-8-8) cube map", MANY),
        (dds(bytes(36), caps2=0x200000), "RGB, 24 bits a pixel (8-8-8) volume", MANY),
        (dds(bytes(36), flags=0x800000, depth=2), "RGB, 24 bits a pixel (8-8-8) volume", MANY),
        (dx10(95), "BC6, DX10 format 95", OTHER),
        (dx10(2), "DX10 format 2", OTHER),
        (dds(kind=FOURCC, fourcc=struct.pack("<I", 113)), "format 113", OTHER),
        (dds(kind=FOURCC, fourcc=b"RXGB"), "RXGB", OTHER),
        (dds(kind=FOURCC, fourcc=b"BC5S"), "BC5S", SIGNED),
        (dx10(81), "BC4, DX10 format 81", SIGNED),
        (dds(bytes(24), bits=32, masks=(0x3FF, 0xFFC00, 0x3FF00000)), "RGB, 32 bits a pixel (10-10-10)", OTHER),
        (dds(bytes(12), kind=GREY, bits=16, masks=(0xFFFF,)), "grey, 16 bits a pixel (16)", OTHER),
        (dds(bytes(24), bits=32, masks=(0xFF00FF, 0xFF00, 0xFF)), "RGB, 32 bits a pixel (16-8-8)", OTHER),
        (dds(bytes(24), bits=32, masks=(0xFF, 0xFF, 0xFF)), "RGB, 32 bits a pixel (8-8-8)", OTHER),
        (dds(bytes(24), bits=32, alpha=0xFF000000), "RGB, 32 bits a pixel (8-8-8-8)", OTHER),
        (dds(bytes(24), kind=RGB | ALPHA, bits=32), "RGB, 32 bits a pixel (8-8-8)", OTHER),
        (dds(bytes(18), kind=RGB, bits=8, masks=(0xFF, 0, 0)), "RGB, 8 bits a pixel (8)", OTHER),
        (dds(bytes(18), kind=0x20, bits=8, masks=(0, 0, 0)), "uncompressed pixels, 8 bits a pixel", OTHER),
        (
            dds(bytes(12), kind=0x80000, bits=16, masks=(0xFF, 0xFF00, 0)),
            "uncompressed pixels, 16 bits a pixel (8-8)",
            OTHER,
        ),
    ],
)
def test_other_kinds_are_named_and_left_as_they_are(data, mode, reason):
    assert read_header(data, "a.dds").mode == mode
    assert must_copy(data[:148]) == f"{mode}: {reason}"
    with pytest.raises(UnsupportedTexture) as caught:
        decode(data + bytes(100), "a.dds")
    assert str(caught.value) == f"a.dds: {mode}: {reason}; it is left as it is"


@pytest.mark.parametrize(
    ("number", "masks", "size"),
    [
        *((n, (0xFF, 0xFF00, 0xFF0000, 0xFF000000), 4) for n in (27, 28, 29)),
        *((n, (0xFF0000, 0xFF00, 0xFF, 0xFF000000), 4) for n in (87, 90, 91)),
        *((n, (0xFF0000, 0xFF00, 0xFF), 4) for n in (88, 92, 93)),
        (61, (0xFF,), 1),
        (85, (0xF800, 0x7E0, 0x1F), 2),
        (86, (0x7C00, 0x3E0, 0x1F, 0x8000), 2),
        (115, (0xF00, 0xF0, 0xF, 0xF000), 2),
    ],
)
def test_plain_pixels_of_a_newer_header_keep_it(number, masks, size):
    body = bytearray(RANDOM.integers(0, 256, 6 * size, dtype=np.uint8).tobytes())
    texture = decode(dx10(number, bytes(body)), "a.dds")
    assert texture.container == Container("dds", layout=Layout(size, masks), dxgi=number)
    assert texture.container.srgb == (number in (29, 91, 93))
    result = encode(texture)
    assert parse_dds(result).dxgi == number
    again = decode(result, "a.dds")
    assert np.array_equal(again.pixels, texture.pixels)
    assert again.container == texture.container


def test_without_a_number_for_other_channels_the_header_is_an_old_one():
    grey = Texture(np.zeros((2, 2, 1), np.uint8), Container("dds", layout=Layout(4, BGR888), dxgi=93))
    assert parse_dds(encode(grey)).dxgi is None


@pytest.mark.parametrize("layout", [Layout(3, RGB888), Layout(4, (*RGB888, 0xFF000000)), Layout(1, (0xFF,))])
def test_levels_of_plain_pixels_come_after_the_first(layout):
    channels = len(layout.masks)
    levels = [
        Texture(RANDOM.integers(0, 256, (h, w, channels), dtype=np.uint8), Container("dds", layout=layout, mips=True))
        for h, w in [(5, 7), (2, 3), (1, 1)]
    ]
    data = encode_levels(levels)
    header = parse_dds(data)
    assert (header.width, header.height, header.mips, header.pitch) == (7, 5, 3, 7 * layout.size)
    assert (header.flags, header.caps) == (0x2100F, 0x401008)
    assert len(data) == 128 + layout.size * (35 + 6 + 1)
    start = 128 + layout.size * 35
    second = decode(pack_header(replace(header, width=3, height=2, mips=0)) + data[start:], "a.dds")
    assert np.array_equal(second.pixels, levels[1].pixels)
    whole = decode(data, "a.dds")
    assert np.array_equal(whole.pixels, levels[0].pixels)
    assert whole.container.mips
    with pytest.raises(UnreadableTexture, match=r"it is truncated, .* with 3 mips of 7 x 5 pixels"):
        decode(data[: start + 1], "a.dds")


def test_a_file_of_blocks_cut_off_within_a_level_is_refused():
    levels = [Texture(RANDOM.integers(0, 256, (side, side, 3), dtype=np.uint8), BC1) for side in (16, 8, 4, 2, 1)]
    whole = encode_levels(levels)
    for cut in range(len(whole)):
        at_the_end_of_a_level = cut in (128 + 128, 128 + 128 + 32)
        if at_the_end_of_a_level or cut >= 128 + 128 + 32 + 8:  # less than a block: old writers wrote too few bytes
            assert np.array_equal(decode(whole[:cut], "a.dds").pixels, decode(whole, "a.dds").pixels)
        else:
            with pytest.raises(UnreadableTexture):
                decode(whole[:cut], "a.dds")


def plain(height, width, channels=3, format_="dds", dtype=np.uint8):
    return Texture(np.zeros((height, width, channels), dtype), Container(format_))


@pytest.mark.parametrize(
    ("levels", "reason"),
    [
        ([plain(4, 4), plain(2, 3)], "half as wide and as high"),
        ([plain(1, 1), plain(1, 1)], "half as wide and as high"),
        ([plain(4, 4), plain(2, 2, 4)], "same channels"),
        ([plain(4, 4), plain(2, 2, 3, dtype=np.uint16)], "cannot hold 16 bits"),
        ([plain(4, 4, 3, "png"), plain(2, 2, 3, "png")], "PNG holds one level"),
    ],
)
def test_levels_that_no_file_can_hold_are_refused(levels, reason):
    with pytest.raises(UnsupportedTexture, match=reason):
        encode_levels(levels)


@pytest.mark.parametrize("format_", ["png", "dds", "tga"])
def test_one_level_is_a_file_of_any_format(format_):
    assert encode_levels([plain(3, 2, 3, format_)]) == encode(plain(3, 2, 3, format_))


@MODEST
@given(st.binary(min_size=20, max_size=20), st.lists(st.integers(0, 2**32 - 1), min_size=6, max_size=6))
def test_a_header_comes_back_as_it_was(extension, values):
    flags, pitch, bits, mask, caps, caps2 = values
    data = struct.pack("<4s7I44x", b"DDS ", 124, flags, 6, 9, pitch, 0, 4)
    data += struct.pack("<2I4s5I", 32, FOURCC, DX10, bits, mask, 0, 1, 2) + struct.pack("<2I12x", caps, caps2)
    assert pack_header(parse_dds(data + extension)) == data + extension


def test_every_truncation_is_refused():
    data = dds(bytes(18))
    decode(data, "a.dds")
    for cut in range(len(data)):
        with pytest.raises(UnreadableTexture):
            decode(data[:cut], "a.dds")


@pytest.mark.parametrize(("at", "value"), [(4, 123), (4, 0), (76, 31), (76, 64), (12, 0), (16, 0)])
def test_headers_that_make_no_sense_are_refused(at, value):
    data = bytearray(dds(bytes(18)))
    data[at : at + 4] = struct.pack("<I", value)
    with pytest.raises(UnreadableTexture, match="its header makes no sense"):
        read_header(bytes(data), "a.dds")


WITH_FLAGS, WITH_FORMAT, WITH_SIZE = 80, 76, 4
SHIPPED = {
    "FlatOut 2: size of the pixel format": {WITH_FORMAT: 24},
    "STALKER: size of the header": {WITH_SIZE: 24},
    "UT 2004: nothing of the pixel format but its FourCC": {WITH_FORMAT: 0, WITH_FLAGS: 0},
    "NVTT: marks for sRGB and normal maps": {WITH_FLAGS: 0xC0000000 | FOURCC},
    "a FourCC and flags of masks": {WITH_FLAGS: FOURCC | RGB},
    "no flags, caps or size at all": {8: 0, 20: 0, 108: 0},
    "both flags of pitch and size, and a wrong one": {8: 0x81007 | 8, 20: 2**32 - 1},
    "one level too many": {8: 0x21007, 28: 7},
    "2**32 levels": {8: 0x21007, 28: 2**32 - 1},
    "levels that are not there": {8: 0x21007, 28: 6},
}


@pytest.mark.parametrize("kind", SHIPPED)
def test_headers_that_games_ship_are_read_and_written_right(kind):
    picture = Texture(RANDOM.integers(0, 256, (32, 32, 3), dtype=np.uint8), BC1)
    right = encode(picture)
    wrong = bytearray(right)
    for at, value in SHIPPED[kind].items():
        struct.pack_into("<I", wrong, at, value)
    assert bytes(wrong) != right
    texture = decode(bytes(wrong), "a.dds")
    assert np.array_equal(texture.pixels, decode(right, "a.dds").pixels)
    assert read_header(bytes(wrong), "a.dds").width == 32
    assert must_copy(bytes(wrong)) is None
    assert parse_dds(encode(texture)) == parse_dds(right)


def test_flags_of_a_fourcc_that_is_not_there_leave_it_to_the_masks():
    body = RANDOM.integers(0, 256, 18, dtype=np.uint8).tobytes()
    wrong = decode(dds(body, kind=RGB | FOURCC), "a.dds")
    assert np.array_equal(wrong.pixels, decode(dds(body), "a.dds").pixels)


@pytest.mark.parametrize(("dimension", "count"), [(0, 1), (3, 0), (0, 0)])
def test_a_newer_header_without_dimension_or_count_is_of_one_picture(dimension, count):
    body = RANDOM.integers(0, 256, 24, dtype=np.uint8).tobytes()
    texture = decode(dx10(28, body, dimension=dimension, count=count), "a.dds")
    again = parse_dds(encode(texture))
    assert (again.dimension, again.array_size) == (3, 1)


def test_wrong_sizes_are_read_in_old_headers_only():
    data = bytearray(dx10(28, bytes(24)))
    struct.pack_into("<I", data, WITH_FORMAT, 24)
    with pytest.raises(UnreadableTexture, match="its header makes no sense"):
        decode(bytes(data), "a.dds")


@pytest.mark.parametrize(("mips", "size"), [(4, (7, 5)), (2, (1, 1)), (2**32 - 1, (4096, 4096))])
def test_more_levels_than_there_can_be_are_no_header_for_a_loader(mips, size):
    with pytest.raises(UnreadableTexture, match=f"{mips} mips of {size[0]} x {size[1]} pixels"):
        parse_dds(dds(bytes(200), mips=mips, size=size))


@pytest.mark.skipif(not SHIPPED_FILES.is_dir(), reason="no ../shared/cases/B03")
def test_files_that_games_ship_all_come_out_alike():
    pictures = [decode(path.read_bytes(), path.name).pixels for path in sorted(SHIPPED_FILES.iterdir())]
    assert len(pictures) == 7
    assert all(np.array_equal(picture, pictures[0]) for picture in pictures)


@pytest.mark.parametrize(
    "data",
    [
        dds(bytes(64), size=(2**32 - 1, 2**32 - 1)),
        dds(bytes(64), size=(65536, 65536), kind=FOURCC, fourcc=b"DXT1"),
        dds(bytes(64), size=(16, 16), kind=FOURCC, fourcc=b"DXT5"),
        dx10(98, bytes(15), size=(4, 4)),
    ],
)
def test_sizes_that_the_file_has_no_bytes_for_are_refused_before_memory_is_asked_for(data):
    tracemalloc.start()
    with pytest.raises(UnreadableTexture, match=r"too short|truncated"):
        decode(data, "a.dds")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_newer_header_without_its_extension_is_refused():
    with pytest.raises(UnreadableTexture, match="truncated in the header"):
        parse_dds(dx10(98)[:147])
