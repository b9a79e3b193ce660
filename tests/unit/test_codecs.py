"""What holds for all formats: names, sizes, errors, indices, and the two lossy ones."""

import io
import random
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from texup.errors import TextureError, UnreadableTexture, UnsupportedTexture
from texup.textures.codecs.files import SUFFIXES, PictureHeader, decode, encode, read_header, read_texture
from texup.textures.texture import Container, Texture

RANDOM = np.random.default_rng(6)
PIXELS = RANDOM.integers(0, 256, (12, 17, 4), dtype=np.uint8)
PIXELS[:4] = PIXELS[0, 0]
PALETTE = RANDOM.integers(0, 256, (16, 4), dtype=np.uint8)
PACKS = Path(__file__).parents[3] / "shared" / "data" / "packs"
NAMES = {"png": "a.png", "tga": "a.tga", "bmp": "a.bmp", "jpeg": "a.jpg", "webp": "a.webp", "dds": "a.dds"}


def make(format_, channels=3, **facts):
    return encode(Texture(PIXELS[..., :channels].copy(), Container(format_, **facts)))


def saved(image, format_, **options):
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


SOUND = {format_: make(format_) for format_ in NAMES}
MORE = {
    "grey.png": make("png", 1),
    "deep.png": encode(Texture(PIXELS.astype(np.uint16) * 257, Container("png", bits=16))),
    "rle.tga": make("tga", 4, rle=True),
    "indexed.tga": encode(Texture(PIXELS, Container("tga", palette=PALETTE.tobytes())), indexed=True),
    "alpha.bmp": make("bmp", 4),
    "grey.bmp": make("bmp", 1, bits=4),
    "grey.jpg": make("jpeg", 1),
    "progressive.jpg": saved(Image.fromarray(PIXELS[..., :3]), "JPEG", progressive=True),
    "lossy.webp": make("webp", 4, lossless=False),
    "alpha.webp": make("webp", 4),
    "alpha.dds": make("dds", 4),
}


@pytest.mark.parametrize(
    ("data", "name", "mode"),
    [
        (make("png", 4), "a.png", "RGBA, 32 bits a pixel"),
        (make("tga", 1), "a.tga", "grey, 8 bits a pixel"),
        (make("bmp", 4), "a.bmp", "RGB, 32 bits a pixel"),
        (make("jpeg", 1), "a.jpg", "grey, 8 bits a pixel"),
        (make("webp", 4), "a.webp", "lossless"),
        (make("webp", 3, lossless=False), "a.webp", "lossy"),
        (make("webp", 4, lossless=False), "a.webp", "extended"),
        (make("dds", 2), "a.dds", "grey, 16 bits a pixel (8-8)"),
    ],
)
def test_the_header_says_how_pixels_are_stored(data, name, mode):
    assert read_header(data, name) == PictureHeader(SUFFIXES[name[1:]], 17, 12, mode)


@pytest.mark.parametrize("name", ["A.PNG", "wall.x.Png", "#lava [1].png", "dir/a.png"])
def test_the_suffix_is_read_in_any_case(name):
    assert decode(SOUND["png"], name).container.format == "png"


@pytest.mark.parametrize("name", ["a.gif", "a", ".png", "a.png.bak"])
def test_other_suffixes_are_refused_by_name(name):
    with pytest.raises(UnsupportedTexture, match=r"texup does not read .*; it reads \.png \.tga"):
        decode(SOUND["png"], name)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_content_of_another_format_is_named(suffix):
    for format_, data in SOUND.items():
        if format_ != SUFFIXES[suffix]:
            label = "WebP" if format_ == "webp" else format_.upper()
            with pytest.raises(UnreadableTexture, match=f"a{suffix}: wrong extension, the content is {label};"):
                decode(data, f"a{suffix}")
    for data, label in ((b"GIF89a...", "GIF"), (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer")):
        with pytest.raises(UnreadableTexture, match=f"wrong extension, the content is {label};"):
            decode(data, f"a{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("data", [b"", b"\0", b"hello, this is no picture at all", bytes(200), b"<!DOCTYPE html>" * 9])
def test_what_is_no_picture_is_refused(suffix, data):
    for read in (read_header, decode):
        with pytest.raises(UnreadableTexture, match=rf"^a\{suffix}: .*put back a sound copy$"):
            read(data, f"a{suffix}")


def test_a_size_that_the_file_cannot_hold_asks_for_no_memory():
    head = struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, 65535, 65535, 32, 8)
    with pytest.raises(UnreadableTexture, match="too short for 65535 x 65535 pixels"):
        decode(head + bytes(1000), "a.tga")
    frame = SOUND["jpeg"].index(b"\xff\xc0")
    huge = SOUND["jpeg"][: frame + 5] + b"\xff\xdc\xff\xdc" + SOUND["jpeg"][frame + 9 :]
    with pytest.raises(UnreadableTexture, match="too short for 65500 x 65500 pixels"):
        decode(huge, "a.jpg")


def test_large_pictures_give_no_warning_and_leave_the_limit_of_pillow_alone(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 150)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for format_, data in SOUND.items():
            assert decode(data, NAMES[format_]).pixels.shape == (12, 17, 3)
    assert Image.MAX_IMAGE_PIXELS == 150
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(UnreadableTexture, match=r"a\.webp: damaged WebP: Image size"):
        decode(SOUND["webp"], "a.webp")


@pytest.mark.parametrize("name", [*NAMES.values(), *MORE])
def test_damage_gives_an_error_of_texup_or_a_picture(name):
    data = MORE[name] if name in MORE else SOUND[SUFFIXES[name[1:]]]
    chance = random.Random(1)
    cuts = [data[:n] for n in range(0, len(data), 7)]
    for broken in cuts + [_flipped(data, chance) for _ in range(150)]:
        assert _outcome(broken, name) in ("picture", "one line with the name")


def _outcome(data, name):
    try:
        texture = decode(data, name)
    except TextureError as error:
        text = str(error)
        return "one line with the name" if text.startswith(f"{name}: ") and "\n" not in text else text
    return "picture" if texture.pixels.flags.c_contiguous else "strided"


def _flipped(data, chance):
    broken = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5))):
        broken[chance.randrange(min(len(data), chance.choice((40, 1 << 30))))] = chance.randrange(256)
    return bytes(broken)


def test_reading_a_file_and_failing_to(tmp_path):
    (tmp_path / "a.png").write_bytes(SOUND["png"])
    assert np.array_equal(read_texture(tmp_path / "a.png").pixels, PIXELS[..., :3])
    with pytest.raises(UnsupportedTexture, match="more than the limit of 5 pixels"):
        read_texture(tmp_path / "a.png", max_pixels=5)
    with pytest.raises(UnreadableTexture, match=r"b\.png: cannot read: No such file or directory"):
        read_texture(tmp_path / "b.png")


@pytest.mark.parametrize("format_", ["png", "tga", "webp", "bmp", "dds"])
def test_colour_under_alpha_zero_survives(format_):
    pixels = PIXELS.copy()
    pixels[3:, :, 3] = 0
    result = encode(Texture(pixels, Container(format_)))
    assert np.array_equal(decode(result, NAMES[format_]).pixels, pixels)


@pytest.mark.parametrize("format_", ["png", "tga", "bmp"])
def test_indices_of_the_nearest_colours(format_):
    pixels = PIXELS if format_ != "bmp" else PIXELS[..., :3]
    palette = PALETTE.copy()
    if format_ == "bmp":
        palette[:, 3] = 255
    result = encode(Texture(pixels, Container(format_, palette=palette.tobytes(), grab=(1, 2))), indexed=True)
    texture = decode(result, NAMES[format_])
    assert texture.container.palette == palette.tobytes()
    full = np.concatenate((pixels, np.full((12, 17, 4 - pixels.shape[2]), 255, np.uint8)), axis=2).astype(float)
    weighted, entries = (
        np.concatenate((c[..., :3] * c[..., 3:] / 255, c[..., 3:]), axis=-1) for c in (full, palette.astype(float))
    )
    best = np.linalg.norm(weighted[..., None, :] - entries, axis=-1).argmin(axis=-1)
    assert np.array_equal(texture.pixels, palette[best][..., : texture.pixels.shape[2]])


def test_a_transparent_pixel_finds_the_transparent_entry():
    palette = bytes([255, 0, 0, 255, 0, 0, 255, 0, 255, 0, 0, 0])
    pixels = np.array([[[250, 5, 5, 0], [250, 5, 5, 255], [0, 0, 255, 0], [255, 0, 0, 0]]], np.uint8)
    result = encode(Texture(pixels, Container("png", palette=palette)), indexed=True)
    assert decode(result, "a.png").pixels.tolist() == [
        [[255, 0, 0, 0], [255, 0, 0, 255], [0, 0, 255, 0], [255, 0, 0, 0]]
    ]


@pytest.mark.parametrize(
    ("texture", "indexed", "reason"),
    [
        (Texture(PIXELS, Container("png")), True, "this PNG has no palette"),
        (Texture(PIXELS, Container("dds", palette=bytes(4))), True, "this DDS has no palette"),
        (Texture(PIXELS[..., :1], Container("png", palette=bytes(4))), True, "this PNG has no palette"),
        (Texture(PIXELS.astype(np.uint16), Container("png", palette=bytes(4))), True, "a palette cannot hold 16 bits"),
        (Texture(PIXELS.astype(np.uint16), Container("tga")), False, "TGA cannot hold 16 bits a channel"),
        (Texture(PIXELS, Container("jpeg")), False, "JPEG cannot hold alpha"),
        (Texture(PIXELS[..., :1], Container("webp")), False, "WebP cannot hold grey pixels"),
        (
            Texture(np.zeros((1, 16384, 3), np.uint8), Container("webp")),
            False,
            "WebP holds at most 16383 pixels a side",
        ),
        (Texture(np.zeros((65536, 1, 3), np.uint8), Container("tga")), False, "TGA holds at most 65535 pixels a side"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(texture, indexed, reason):
    with pytest.raises(UnsupportedTexture, match=reason):
        encode(texture, indexed=indexed)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_stays_close_and_keeps_full_chroma(channels):
    smooth = np.stack([np.add.outer(np.arange(40), np.arange(50)) * k for k in (1, 2, 3)], axis=2).astype(np.uint8)
    stripes = smooth.copy()
    stripes[:, ::2, 1:] = 200
    pixels = stripes[..., :channels].copy()
    data = encode(Texture(pixels, Container("jpeg")))
    texture = decode(data, "a.jpeg")
    assert texture.pixels.shape == pixels.shape
    assert np.abs(texture.pixels.astype(int) - pixels).mean() < 3
    assert texture.container == Container("jpeg", lossless=False)
    factors = data[data.index(b"\xff\xc0") + 11 :][: 3 * channels : 3]
    assert set(factors) == {0x11}, "no subsampling"


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize(("format_", "options"), [("JPEG", {"quality": 95}), ("WEBP", {"lossless": True})])
def test_exif_orientation_moves_no_texel_and_is_dropped(format_, options, turn):
    image = Image.fromarray(np.repeat(np.repeat(PIXELS[:6, :8, :3], 8, axis=0), 8, axis=1))
    exif = Image.Exif()
    exif[0x0112] = turn
    name = NAMES[format_.lower()]
    turned = saved(image, format_, exif=exif, **options)
    texture = decode(turned, name)
    assert np.array_equal(texture.pixels, decode(saved(image, format_, **options), name).pixels)
    head = read_header(turned, name)
    assert (head.width, head.height) == (64, 48)
    with Image.open(io.BytesIO(encode(texture))) as written:
        assert 0x0112 not in written.getexif()


def test_damaged_exif_is_ignored_without_a_warning():
    for exif in (b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x09short"):
        data = saved(Image.fromarray(PIXELS[..., :3]), "JPEG", exif=exif)
        assert decode(data, "a.jpg").pixels.shape == (12, 17, 3)


def test_jpeg_of_four_channels_or_a_missing_end_is_refused():
    cmyk = saved(Image.fromarray(PIXELS, "CMYK"), "JPEG")
    assert read_header(cmyk, "a.jpg").mode == "CMYK, 32 bits a pixel"
    with pytest.raises(UnsupportedTexture, match=r"a\.jpg: a JPEG with 4 channels of 8 bits"):
        decode(cmyk, "a.jpg")
    with pytest.raises(UnreadableTexture, match="the end marker is missing"):
        decode(SOUND["jpeg"][:-2], "a.jpg")


@pytest.mark.parametrize("channels", [3, 4])
def test_lossy_webp_stays_lossy(channels):
    lossy = decode(make("webp", channels, lossless=False), "a.webp")
    assert lossy.container == Container("webp", lossless=False)
    assert lossy.pixels.shape == (12, 17, channels)
    assert b"VP8 " in encode(lossy)


def test_webp_leaves_an_opaque_alpha_out():
    opaque = PIXELS.copy()
    opaque[..., 3] = 255
    assert np.array_equal(decode(encode(Texture(opaque, Container("webp"))), "a.webp").pixels, PIXELS[..., :3])


def test_an_animated_webp_is_refused():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    assert read_header(data, "a.webp").mode == "animation"
    with pytest.raises(UnsupportedTexture, match="an animated WebP"):
        decode(data, "a.webp")


@pytest.mark.skipif(not PACKS.is_dir(), reason=f"{PACKS} with real texture packs is not here")
def test_real_packs_round_trip():
    for path in sorted(PACKS.rglob("*.png"))[::35]:
        texture = read_texture(path)
        again = decode(encode(texture), path.name)
        assert np.array_equal(again.pixels, texture.pixels), path
        assert again.container.grab == texture.container.grab, path
        with Image.open(path) as image:
            expected = np.asarray(image.convert("RGBA"))
        assert np.array_equal(_rgba(texture.pixels), expected), path
        if texture.container.palette is not None:
            indexed = decode(encode(texture, indexed=True), path.name)
            assert np.array_equal(indexed.pixels[..., :3], texture.pixels[..., :3]), path


def _rgba(pixels):
    colour, alpha = (pixels[..., :-1], pixels[..., -1:]) if pixels.shape[2] in (2, 4) else (pixels, None)
    if alpha is None:
        alpha = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    return np.concatenate((np.broadcast_to(colour, (*pixels.shape[:2], 3)), alpha), axis=2)
