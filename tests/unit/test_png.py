"""PNG against pypng, an independent implementation, over every colour type, depth and interlacing."""

import io
import struct
import zlib

import numpy as np
import png
import pytest
from PIL import Image, PngImagePlugin

from texup.errors import UnreadableTexture, UnsupportedTexture
from texup.textures.codecs import scanlines
from texup.textures.codecs.files import decode, encode, read_header
from texup.textures.texture import Container, Texture

GREY, RGB, INDEXED, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, GREY_ALPHA: 2, RGBA: 4}
DEPTHS = [(GREY, b) for b in (1, 2, 4, 8, 16)] + [(c, b) for c in (RGB, GREY_ALPHA, RGBA) for b in (8, 16)]
SHAPES = [(1, 1), (3, 2), (9, 13), (17, 33)]


def written(samples, bits, colour, *, interlace=False, **extra) -> bytes:
    """Let pypng write samples (H, W, C)."""
    height, width, _ = samples.shape
    kind = (
        {} if colour == INDEXED else {"greyscale": colour in (GREY, GREY_ALPHA), "alpha": colour in (GREY_ALPHA, RGBA)}
    )
    file = io.BytesIO()
    writer = png.Writer(width, height, bitdepth=bits, interlace=interlace, **kind, **extra)
    writer.write(file, samples.reshape(height, -1).tolist())
    return file.getvalue()


def chunks_of(data):
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def packed(*chunks):
    parts = [struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def with_chunk(data, kind, body, before=b"IDAT"):
    out = []
    for other in chunks_of(data):
        if other[0] == before:
            out.append((kind, body))
        out.append(other)
    return packed(*out)


def random_samples(shape, bits, channels=1):
    return np.random.default_rng(7).integers(0, 1 << bits, (*shape, channels))


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize(("colour", "bits"), DEPTHS)
def test_every_kind_is_read_exactly_and_written_in_kind(colour, bits, interlace):
    for shape in SHAPES:
        samples = random_samples(shape, bits, CHANNELS[colour])
        source = written(samples, bits, colour, interlace=interlace)
        texture = decode(source, "a.png")
        expected = samples * (255 // ((1 << bits) - 1)) if bits < 8 else samples
        assert np.array_equal(texture.pixels, expected)
        assert texture.pixels.dtype == (np.uint16 if bits == 16 else np.uint8)
        assert texture.pixels.flags.c_contiguous
        assert texture.pixels.flags.writeable
        assert texture.container == Container("png", bits=bits)
        result = encode(texture)
        _, _, rows, info = png.Reader(bytes=result).read()
        assert np.array_equal(np.array(list(rows)).reshape(samples.shape), samples)
        assert (info["bitdepth"], info["greyscale"], info["alpha"]) == (bits, colour in (0, 4), colour in (4, 6))
        assert read_header(source, "a.png").mode.endswith(f", {bits * CHANNELS[colour]} bits a pixel")


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize(("colour", "bits"), [d for d in DEPTHS if d[0] in (GREY, RGB)])
def test_a_transparent_colour_becomes_alpha(colour, bits, interlace):
    samples = random_samples((9, 13), bits, CHANNELS[colour])
    key = samples[4, 5]
    transparent = int(key[0]) if colour == GREY else tuple(map(int, key))
    texture = decode(written(samples, bits, colour, interlace=interlace, transparent=transparent), "a.png")
    hidden = (samples == key).all(axis=2)
    assert texture.pixels.shape[2] == CHANNELS[colour] + 1
    assert texture.container.bits == (16 if bits == 16 else 8)
    assert np.array_equal(texture.pixels[..., -1], np.where(hidden, 0, 65535 if bits == 16 else 255))
    opaque = decode(written(samples, bits, colour), "a.png").pixels
    assert np.array_equal(texture.pixels[..., :-1], opaque), "the colour under alpha 0 stays"
    assert np.array_equal(decode(encode(texture), "a.png").pixels, texture.pixels)


def test_only_the_low_bits_of_a_transparent_grey_count():
    samples = np.array([[[0], [5], [15]]])
    data = with_chunk(written(samples, 4, GREY), b"tRNS", b"\xff\xf5")
    assert decode(data, "a.png").pixels[..., 1].tolist() == [[255, 0, 255]]


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("with_alpha", [False, True])
def test_palettes_are_expanded_and_kept(bits, with_alpha, interlace):
    indices = random_samples((9, 13), bits)
    colours = np.random.default_rng(1).integers(0, 256, (1 << bits, 4), dtype=np.uint8)
    colours[:, 3] = colours[:, 3] if with_alpha else 255
    palette = [tuple(c[: 4 if with_alpha else 3]) for c in colours.tolist()]
    texture = decode(written(indices, bits, INDEXED, interlace=interlace, palette=palette), "a.png")
    assert np.array_equal(texture.pixels, colours[indices[..., 0], : 4 if with_alpha else 3])
    assert texture.container == Container("png", palette=colours.tobytes())
    assert texture.pixels.flags.c_contiguous
    again = decode(encode(texture), "a.png")
    assert np.array_equal(again.pixels, texture.pixels)
    assert again.container.palette is None, "plain RGB(A) is what all loaders read"
    indexed = decode(encode(texture, indexed=True), "a.png")
    assert np.array_equal(indexed.pixels, texture.pixels)
    assert indexed.container == texture.container


def test_indices_past_the_palette_show_black_and_long_transparency_is_cut():
    data = packed(*chunks_of(written(np.array([[[0], [3]]]), 8, INDEXED, palette=[(9, 8, 7)])))
    data = with_chunk(data, b"tRNS", bytes([40, 41, 42, 43]))
    texture = decode(data, "a.png")
    assert texture.pixels.tolist() == [[[9, 8, 7, 40], [0, 0, 0, 255]]]
    assert texture.container.palette == bytes([9, 8, 7, 40])


def scanlines_of(data, width) -> np.ndarray:
    """Return the filter types and bytes of what a PNG holds."""
    deflated = b"".join(body for kind, body in chunks_of(data) if kind == b"IDAT")
    return np.frombuffer(zlib.decompress(deflated), np.uint8).reshape(-1, 1 + width)


@pytest.mark.parametrize("small", [False, True])
def test_scanlines_get_the_filters_that_pay(small):
    y, x = np.mgrid[:64, :64]
    smooth = np.stack((x * 500, y * 400, (x + y) * 300, x * 0 + 65535), axis=2).astype(np.uint16)
    result = encode(Texture(smooth, Container("png", bits=16)), small=small)
    assert len(result) < smooth.nbytes / (20 if small else 12)


def test_a_scanline_is_what_differs_from_above_or_from_the_left():
    alike, stripes = np.random.default_rng(2).integers(0, 256, (2, 20, 30, 3), np.uint8)
    alike[1:], stripes[:, 1:] = alike[:1], stripes[:, :1]
    result = encode(Texture(np.concatenate([alike, stripes]), Container("png")))
    assert [set(part) for part in np.split(scanlines_of(result, 90)[1:, 0], [19])] == [{2}, {1}]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("strip", [1, 100, 1 << 18])
def test_pictures_are_the_same_however_they_are_cut_and_filtered(channels, small, strip, monkeypatch):
    monkeypatch.setattr(scanlines, "_STRIP", strip)
    y, x = np.mgrid[:23, :31]
    waves = np.stack([np.sin(x / (k + 2)) * 60 + np.cos(y / (k + 3)) * 60 + 128 for k in range(channels)], axis=2)
    pixels = waves.astype(np.uint8)
    pixels[::5] = random_samples((5, 31), 8, channels)
    for deep in (pixels, pixels.astype(np.uint16) * 251):
        result = encode(Texture(deep, Container("png", bits=8 * deep.itemsize)), small=small)
        _, _, rows, _ = png.Reader(bytes=result).read()
        assert np.array_equal(np.array(list(rows)).reshape(deep.shape), deep)
        assert np.array_equal(decode(result, "a.png").pixels, deep)


def test_palettes_and_pixels_below_a_byte_are_not_filtered():
    table = bytes(range(64))
    indexed = Texture(
        np.frombuffer(table, np.uint8).reshape(-1, 4)[random_samples((9, 12), 4)[..., 0]],
        Container("png", palette=table),
    )
    assert set(scanlines_of(encode(indexed, indexed=True), 12)[:, 0]) == {0}
    grey = Texture((random_samples((9, 12), 2) * 85).astype(np.uint8), Container("png", bits=2))
    assert set(scanlines_of(encode(grey), 3)[:, 0]) == {0}


def test_small_files_are_smaller_and_hold_the_same():
    y, x = np.mgrid[:96, :96]
    pixels = np.stack([(x * x + y * k) % 256 for k in (1, 3, 7)], axis=2).astype(np.uint8)
    pixels ^= random_samples((96, 96), 2, 3).astype(np.uint8)
    texture = Texture(pixels, Container("png", grab=(3, 4)))
    fast, small = encode(texture), encode(texture, small=True)
    assert len(small) < 0.95 * len(fast)
    assert np.array_equal(decode(small, "a.png").pixels, pixels)
    assert decode(small, "a.png").container == texture.container
    few = Texture(np.zeros((64, 64, 3), np.uint8), Container("png"))
    few.pixels[8:24, ::3] = (200, 10, 90)
    assert len(encode(few, small=True)) <= len(encode(few))


def test_without_isal_zlib_gives_the_same_pixels_and_refusals(monkeypatch):
    samples = random_samples((40, 30), 8, 4).astype(np.uint8)
    by_isal = encode(Texture(samples, Container("png")))
    monkeypatch.setattr(scanlines, "packer", zlib)
    by_zlib = encode(Texture(samples, Container("png")))
    assert np.array_equal(decode(by_isal, "a.png").pixels, samples)
    assert np.array_equal(decode(by_zlib, "a.png").pixels, samples)
    with pytest.raises(UnreadableTexture, match="compressed pixels make no sense"):
        decode(with_pixels(by_isal, b"\x78\x9cnot deflate"), "a.png")


def bucket(four: int) -> int:
    """Return where ISA-L's level 1 keeps the place of four bytes: the CRC-32C of x86 without its inversions."""
    for _ in range(32):
        four = four >> 1 ^ (0x82F63B78 if four & 1 else 0)
    return four & 0x1FFF


def test_p20_where_a_compressor_lies_in_memory_changes_no_byte(monkeypatch):
    packer = pytest.importorskip("isal.isal_zlib")
    streams = [packer.compressobj(scanlines._FAST) for _ in range(8)]  # each some 400 KiB from the next
    theirs = bucket(id(streams[0]) >> 16 & 0xFFFFFFFF)
    first = next(k for k in range(1, 1 << 24) if bucket(k << 8) == theirs)  # behind the filter's 0
    line = np.frombuffer(first.to_bytes(3, "little") + random_samples((1, 400), 8).astype(np.uint8).tobytes(), np.uint8)
    found = set()
    for stream in streams:
        monkeypatch.setattr(packer, "compressobj", lambda level, stream=stream: stream)
        found.add(scanlines.deflate(np.stack((line, line)), 0, small=False))
    assert len(found) == 1
    assert scanlines.inflate(found.pop(), 2 * len(line) + 2) == 2 * (b"\0" + line.tobytes())


@pytest.mark.parametrize("offsets", [(21, 61), (-3, -(2**31)), (0, 0)])
def test_grab_offsets_are_kept_before_the_pixels(offsets):
    data = with_chunk(written(random_samples((4, 4), 8), 8, GREY), b"grAb", struct.pack(">ii", *offsets))
    texture = decode(data, "a.png")
    assert texture.container.grab == offsets
    kinds = [k for k, _ in chunks_of(encode(texture))]
    assert kinds == [b"IHDR", b"grAb", b"IDAT", b"IEND"]


def test_colour_space_and_text_chunks_change_no_pixel_and_are_dropped():
    plain = written(random_samples((4, 4), 8, 3), 8, RGB)
    data = with_chunk(plain, b"gAMA", struct.pack(">I", 100000))
    data = with_chunk(data, b"iCCP", b"x\0\0not a profile")
    data = with_chunk(data, b"tEXt", b"Author\0me")
    data = with_chunk(data, b"grAb", b"short")
    texture = decode(data, "a.png")
    assert np.array_equal(texture.pixels, decode(plain, "a.png").pixels)
    assert encode(texture) == encode(decode(plain, "a.png"))


@pytest.mark.parametrize("turn", range(10))
@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_orientation_moves_no_texel_and_is_dropped(turn, order):
    mark = b"II*\0" if order == "<" else b"MM\0*"
    exif = mark + struct.pack(f"{order}IHHHIHH", 8, 1, 0x0112, 3, 1, turn, 0) + bytes(4)
    samples = random_samples((4, 6), 8, 3).astype(np.uint8)
    texture = decode(with_chunk(written(samples, 8, RGB), b"eXIf", exif), "a.png")
    assert np.array_equal(texture.pixels, samples)
    assert b"eXIf" not in encode(texture)


def test_a_wrong_checksum_is_refused_wherever_it_is():
    source = with_chunk(written(random_samples((8, 8), 8, 3), 8, RGB), b"tEXt", b"a\0b")
    at = 8
    for kind, body in list(chunks_of(source)):
        broken = bytearray(source)
        broken[at + 8 + len(body)] ^= 1
        with pytest.raises(UnreadableTexture, match=f"checksum of its chunk '{kind.decode()}' is wrong"):
            decode(bytes(broken), "a.png")
        at += 12 + len(body)


@pytest.mark.parametrize("interlace", [False, True])
def test_every_truncation_is_refused_and_bytes_behind_the_end_are_ignored(interlace):
    source = written(random_samples((9, 13), 8, 3), 8, RGB, interlace=interlace)
    for cut in range(len(source)):
        with pytest.raises(UnreadableTexture):
            decode(source[:cut], "a.png")
    assert decode(source + b"trailing", "a.png").pixels.shape == (9, 13, 3)


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("bits", [1, 8, 16])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_scanline_one_byte_short_is_refused(shape, bits, interlace):
    samples = random_samples(shape, bits)
    parts = dict(chunks_of(written(samples, bits, GREY, interlace=interlace)))
    raw = zlib.decompress(parts[b"IDAT"])
    short = packed((b"IHDR", parts[b"IHDR"]), (b"IDAT", zlib.compress(raw[:-1])), (b"IEND", b""))
    with pytest.raises(UnreadableTexture, match="its last scanlines are missing"):
        decode(short, "a.png")


def with_pixels(data, deflated) -> bytes:
    """Return a PNG with other compressed pixels, in one chunk."""
    return packed(*((kind, deflated if kind == b"IDAT" else body) for kind, body in chunks_of(data)))


def test_damaged_compression_under_a_right_checksum_is_refused():
    data = with_pixels(written(random_samples((8, 8), 8), 8, GREY), b"\x78\x9cnot deflate")
    with pytest.raises(UnreadableTexture, match=r"a\.png: damaged PNG: its compressed pixels make no sense; put back"):
        decode(data, "a.png")


def test_every_damaged_byte_of_compressed_pixels_is_refused_or_changes_no_pixel():
    """Below the checksums of chunks stands one of the pixels, which covers all but a few bits of the stream's head."""
    samples = (random_samples((24, 24), 8, 3) // 16).astype(np.uint8)
    source = written(samples, 8, RGB)
    deflated = next(body for kind, body in chunks_of(source) if kind == b"IDAT")
    for at in range(len(deflated)):
        broken = bytearray(deflated)
        broken[at] ^= 1 << at % 8
        try:
            pixels = decode(with_pixels(source, bytes(broken)), "a.png").pixels
        except UnreadableTexture:
            continue
        assert np.array_equal(pixels, samples)


def test_an_animation_is_refused():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedTexture, match=r"a\.png: an animated PNG"):
        decode(file.getvalue(), "a.png")


@pytest.mark.parametrize(
    "head",
    [
        (0, 4, 8, 2, 0, 0, 0),
        (4, 0, 8, 2, 0, 0, 0),
        (2**31, 4, 8, 2, 0, 0, 0),
        (4, 4, 4, 2, 0, 0, 0),
        (4, 4, 16, 3, 0, 0, 0),
        (4, 4, 3, 0, 0, 0, 0),
        (4, 4, 8, 5, 0, 0, 0),
        (4, 4, 8, 2, 1, 0, 0),
        (4, 4, 8, 2, 0, 1, 0),
        (4, 4, 8, 2, 0, 0, 2),
    ],
)
def test_headers_that_make_no_sense_are_refused(head):
    data = packed((b"IHDR", struct.pack(">IIBBBBB", *head)), (b"IDAT", b""), (b"IEND", b""))
    with pytest.raises(UnreadableTexture, match="header chunk makes no sense"):
        read_header(data, "a.png")


@pytest.mark.parametrize(
    ("colour", "extra", "error", "reason"),
    [
        (INDEXED, [], UnreadableTexture, "palette is missing"),
        (INDEXED, [(b"PLTE", b"12")], UnreadableTexture, "palette is missing or has a wrong length"),
        (INDEXED, [(b"PLTE", bytes(771))], UnreadableTexture, "palette is missing or has a wrong length"),
        (GREY, [(b"tRNS", b"123")], UnreadableTexture, "transparency chunk has a wrong length"),
        (GREY, [(b"ABCD", b"")], UnsupportedTexture, "unknown chunk 'ABCD'"),
    ],
)
def test_chunks_that_make_no_sense_are_refused(colour, extra, error, reason):
    head = struct.pack(">IIBBBBB", 2, 1, 8, colour, 0, 0, 0)
    data = packed((b"IHDR", head), *extra, (b"IDAT", zlib.compress(b"\0ab")), (b"IEND", b""))
    with pytest.raises(error, match=reason):
        decode(data, "a.png")


def test_a_transparency_chunk_beside_an_alpha_channel_is_ignored():
    samples = random_samples((3, 3), 8, 4)
    data = with_chunk(written(samples, 8, RGBA), b"tRNS", b"\0\1\0\2\0\3")
    assert np.array_equal(decode(data, "a.png").pixels, samples)


def test_our_files_open_in_pillow():
    samples = random_samples((6, 5), 8, 4).astype(np.uint8)
    with PngImagePlugin.PngImageFile(io.BytesIO(encode(Texture(samples, Container("png"))))) as image:
        assert np.array_equal(np.asarray(image), samples)


def in_pieces(*between: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of two chunks of pixels with others between them."""
    (_, head), (_, deflated), end = chunks_of(written(random_samples((5, 4), 8, 3), 8, RGB))
    return packed((b"IHDR", head), (b"IDAT", deflated[:9]), *between, (b"IDAT", deflated[9:]), end)


def test_pixels_in_one_run_of_chunks_are_read():
    assert np.array_equal(decode(in_pieces((b"IDAT", b"")), "a.png").pixels, random_samples((5, 4), 8, 3))


@pytest.mark.parametrize("between", [b"tEXt", b"grAb", b"tIME"])
def test_pixels_with_another_chunk_between_them_are_damage(between):
    with pytest.raises(UnreadableTexture, match="not in one run of chunks"):
        decode(in_pieces((between, bytes(8))), "a.png")
