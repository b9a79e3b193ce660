"""DDS blocks: read like an independent decoder does, written back in kind, and close to their source."""

import builtins
from pathlib import Path

import numpy as np
import pytest
import texture2ddecoder
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from texup.errors import UnsupportedTexture
from texup.textures.blocks import bc7
from texup.textures.blocks.bc4 import encode_channel
from texup.textures.blocks.levels import can_compress, decode_blocks, encode_blocks, rebuilt_z
from texup.textures.codecs.dds import must_copy
from texup.textures.codecs.dds_header import DdsHeader, blocks_bytes, dxgi_of, level_sizes, pack_header, parse_dds
from texup.textures.codecs.files import decode, encode, encode_levels, read_texture
from texup.textures.texture import Container, Texture

ROOT = Path(__file__).parents[2]
MODEST = settings(deadline=None, derandomize=True, max_examples=40)
BLOCKS = ("bc1", "bc2", "bc3", "bc4", "bc5", "bc7")
CHANNELS = {"bc1": 3, "bc2": 4, "bc3": 4, "bc4": 1, "bc5": 3, "bc7": 4}
SIZES = [(64, 64), (20, 12), (4, 4), (256, 64), (30, 30), (1, 1), (5, 2)]


def unfold(values, width, height):
    """Values (N, 16) of blocks as a picture (H, W)."""
    picture = values.reshape(-1, -(-width // 4), 4, 4).transpose(0, 2, 1, 3)
    return picture.reshape(-1, 4 * -(-width // 4))[:height, :width]


def reference(data, block, width, height):
    """What texture2ddecoder shows, (H, W, 4); the holes of BC1 and the alpha of BC2, which it lacks, bit by bit."""
    name = "bc3" if block == "bc2" else block
    bgra = getattr(texture2ddecoder, f"decode_{name}")(data, width, height)
    shown = np.frombuffer(bgra, np.uint8).reshape(height, width, 4)[..., [2, 1, 0, 3]].copy()
    if block == "bc1":
        level = np.frombuffer(data, "<u2").reshape(-1, 4)
        last = (np.frombuffer(data, "<u4").reshape(-1, 2)[:, 1:] >> np.arange(0, 32, 2)) & 3 == 3
        shown[unfold((level[:, :1] <= level[:, 1:2]) & last, width, height), 3] = 0
    if block == "bc2":
        halves = np.frombuffer(data, np.uint8).reshape(-1, 16)[:, :8]
        shown[..., 3] = unfold(np.stack([halves & 15, halves >> 4], axis=2) * 17, width, height)
    return shown


def psnr(one, two):
    error = ((one.astype(float) - two) ** 2).mean()
    return 10 * np.log10(255**2 / max(error, 1e-9))


def scene(wall, height, width, channels):
    """Bricks, with a gradient for alpha."""
    y, x = np.mgrid[:height, :width]
    alpha = np.clip((x + y) * 255 // max(height + width - 2, 1), 0, 255).astype(np.uint8)
    rgb = wall(height, width)
    return np.ascontiguousarray({1: rgb[..., :1], 3: rgb, 4: np.dstack([rgb, alpha])}[channels])


@st.composite
def noise_of(draw, block, most=11):
    """A level of random bytes: every mode, order of ends and palette occurs."""
    height, width = draw(array_shapes(min_dims=2, max_dims=2, max_side=most))
    seed = draw(st.integers(0, 2**32 - 1))
    return height, width, np.random.default_rng(seed).bytes(blocks_bytes(block, width, height))


@MODEST
@given(st.data(), st.sampled_from(BLOCKS))
def test_reading_agrees_with_another_decoder(data, block):
    height, width, level = data.draw(noise_of(block))
    if block == "bc7":  # a first byte of 0 is reserved
        level = bytes(b or 1 if k % 16 == 0 else b for k, b in enumerate(level))
    if block in ("bc2", "bc3"):  # always of four colours, but some decoders go by the order of the ends
        ends = np.frombuffer(level, "<u2").reshape(-1, 8).copy()
        ends[:, 4:6] = np.sort(ends[:, 4:6], axis=1)[:, ::-1]
        level = ends.tobytes()
    pixels = decode_blocks(level, block, width, height)
    expected = reference(level, block, width, height)
    count = {"bc4": 1, "bc5": 2}.get(block, pixels.shape[2])
    assert np.abs(pixels[..., :count].astype(int) - expected[..., :count]).max() <= 1
    if block == "bc1":
        assert pixels.shape[2] == (4 if (expected[..., 3] == 0).any() else 3)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_what_is_written_reads_as_what_it_was(wall, block, width, height):
    pixels = scene(wall, height, width, CHANNELS[block])
    if block == "bc5":
        pixels[..., 2] = rebuilt_z(pixels)
    level = encode_blocks(pixels, block)
    assert len(level) == blocks_bytes(block, width, height)
    again = decode_blocks(level, block, width, height)
    assert again.shape == pixels.shape
    shown = 2 if block == "bc5" else pixels.shape[2]
    assert psnr(again[..., :shown], pixels[..., :shown]) > 28
    assert np.array_equal(reference(level, block, width, height)[..., 0], again[..., 0])


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("size", [(5, 7), (1, 2), (4, 9)])
def test_blocks_on_the_border_go_on_with_its_texels(wall, block, size):
    pixels = wall(*size)[..., : CHANNELS[block]]
    around = np.pad(pixels, ((0, -size[0] % 4), (0, -size[1] % 4), (0, 0)), "edge")
    assert encode_blocks(pixels, block) == encode_blocks(around, block)


@MODEST
@given(arrays(np.uint8, (3, 16)))
def test_a_channel_is_never_worse_than_even_steps_between_its_extremes(values):
    level = encode_channel(values).tobytes()
    shown = decode_blocks(level, "bc4", 4, 12)[..., 0].reshape(3, 16)
    half_step = (values.max(axis=1).astype(int) - values.min(axis=1)) / 14 + 1
    error = np.sqrt(((shown.astype(float) - values) ** 2).mean(axis=1))
    assert (error <= half_step).all()
    few = np.where(values < 128, 0, 255).astype(np.uint8)
    assert np.array_equal(decode_blocks(encode_channel(few).tobytes(), "bc4", 4, 12)[..., 0].reshape(3, 16), few)


@pytest.mark.parametrize("block", ["bc1", "bc2", "bc3", "bc7"])
def test_one_colour_comes_out_within_two_levels(block):
    colours = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    pixels = colours.repeat(4, axis=0).repeat(4, axis=1)
    again = decode_blocks(encode_blocks(pixels, block), block, 32, 32)
    assert np.abs(again[..., :3].astype(int) - pixels).max() <= 2


@pytest.mark.parametrize("block", ["bc1", "bc2", "bc3", "bc7"])
@pytest.mark.parametrize("size", [(40, 40), (21, 34)])
def test_a_cut_out_keeps_every_hole_and_its_colour(wall, disc, block, size):
    hole = disc(*size, radius=9) > 0
    pixels = np.dstack([wall(*size), np.where(hole, 0, 255).astype(np.uint8)])
    if block == "bc1":
        pixels[hole, :3] = (255, 0, 255)  # is not stored; the others keep what may be data
    again = decode_blocks(encode_blocks(pixels, block), block, size[1], size[0])
    assert np.array_equal(again[..., 3], pixels[..., 3])
    assert psnr(again[~hole, :3], pixels[~hole, :3]) > 28


@given(st.integers(0, 255), st.integers(0, 255))
@settings(MODEST, max_examples=60)
def test_one_or_two_values_of_alpha_in_a_block_are_exact(one, two):
    dice = np.random.default_rng(one)
    pixels = dice.integers(0, 256, (4, 16, 4), dtype=np.uint8)
    pixels[:, :8, 3] = one
    pixels[:, 8:, 3] = np.where(dice.random((4, 8)) < 0.5, one, two)
    assert np.array_equal(decode_blocks(encode_blocks(pixels, "bc7"), "bc7", 16, 4)[..., 3], pixels[..., 3])
    assert np.array_equal(decode_blocks(encode_blocks(pixels, "bc3"), "bc3", 16, 4)[..., 3], pixels[..., 3])


def test_one_value_of_alpha_costs_bc7_little_colour(wall):
    rgb = wall(64, 64)
    pixels = np.dstack([rgb, np.full((64, 64), 128, np.uint8)])
    assert psnr(decode_blocks(encode_blocks(pixels, "bc7"), "bc7", 64, 64)[..., :3], rgb) > 34.8


def test_sixteen_levels_of_alpha_are_exact_in_bc2():
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[..., 3] = np.arange(16).reshape(4, 4) * 17
    assert np.array_equal(decode_blocks(encode_blocks(pixels, "bc2"), "bc2", 4, 4)[..., 3], pixels[..., 3])


def test_the_third_channel_of_two_is_the_height_of_a_unit_vector():
    level = encode_blocks(np.full((4, 4, 3), (128, 128, 9), np.uint8), "bc5")
    assert decode_blocks(level, "bc5", 4, 4)[0, 0].tolist() == [128, 128, 255]
    steep = decode_blocks(encode_blocks(np.full((4, 4, 3), (255, 255, 0), np.uint8), "bc5"), "bc5", 4, 4)
    assert steep[0, 0].tolist() == [255, 255, 128]


@pytest.mark.parametrize(
    ("block", "channels", "reason"),
    [("bc4", 3, "BC4 cannot hold 3 channels"), ("bc5", 4, "BC5 cannot hold 4 channels"), ("bc1", 4, "between clear")],
)
def test_pixels_that_blocks_cannot_hold_are_refused(block, channels, reason):
    with pytest.raises(UnsupportedTexture, match=reason):
        encode_blocks(np.full((4, 4, channels), 99, np.uint8), block)


def file_of(level, width, height, *, fourcc=b"DX10", number=None, misc2=0, mips=0):
    header = DdsHeader(width, height, format_flags=4, fourcc=fourcc, mips=mips)
    if number is not None:
        header = DdsHeader(
            width, height, format_flags=4, fourcc=fourcc, mips=mips,
            dxgi=number, dimension=3, misc=0, array_size=1, misc2=misc2,
        )  # fmt: skip
    return pack_header(header) + level


KINDS = [
    *((fourcc, None, block) for fourcc, block in [
        (b"DXT1", "bc1"), (b"DXT3", "bc2"), (b"DXT5", "bc3"), (b"ATI1", "bc4"), (b"BC4U", "bc4"), (b"ATI2", "bc5"),
        (b"BC5U", "bc5"),
    ]),
    *((b"DX10", number, block) for number, block in [
        (70, "bc1"), (71, "bc1"), (72, "bc1"), (73, "bc2"), (74, "bc2"), (75, "bc2"), (76, "bc3"), (77, "bc3"),
        (78, "bc3"), (79, "bc4"), (80, "bc4"), (82, "bc5"), (83, "bc5"), (97, "bc7"), (98, "bc7"), (99, "bc7"),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("fourcc", "number", "block"), KINDS)
def test_blocks_are_written_back_in_kind(wall, fourcc, number, block):
    source = file_of(encode_blocks(scene(wall, 12, 20, CHANNELS[block]), block), 20, 12, fourcc=fourcc, number=number)
    texture = decode(source, "a.dds")
    assert (texture.container.block, texture.container.dx10) == (block, number is not None)
    assert texture.container.srgb == (number in (72, 75, 78, 99))
    result = encode(texture)
    header = parse_dds(result)
    assert (header.fourcc, header.dxgi) == (fourcc, number)
    assert (header.format_flags, header.pitch) == (5 if CHANNELS[block] == 4 else 4, blocks_bytes(block, 20, 12))
    again = decode(result, "a.dds")
    assert again.container == texture.container
    assert psnr(again.pixels, texture.pixels) > 36


@pytest.mark.parametrize(("fourcc", "number", "misc2"), [(b"DXT2", None, 0), (b"DXT4", None, 0), (b"DX10", 77, 2)])
def test_colour_multiplied_by_alpha_is_straight_inside_and_multiplied_again(fourcc, number, misc2):
    pixels = np.zeros((4, 8, 4), np.uint8)
    pixels[:, :4] = (60, 30, 0, 119)
    block = "bc2" if fourcc == b"DXT2" else "bc3"
    source = file_of(encode_blocks(pixels, block), 8, 4, fourcc=fourcc, number=number, misc2=misc2)
    texture = decode(source, "a.dds")
    assert np.abs(texture.pixels[:, :4].astype(int) - (129, 64, 0, 119)).max() <= 3
    assert texture.pixels[0, 5].tolist() == [0, 0, 0, 0]
    result = encode(texture)
    assert parse_dds(result).fourcc == fourcc
    stored = decode_blocks(result[-32:], block, 8, 4)
    assert np.abs(stored.astype(int) - pixels).max() <= 2
    assert decode(result, "a.dds").container == texture.container


@pytest.mark.parametrize("block", BLOCKS)
def test_levels_come_one_after_the_other_each_in_whole_blocks(wall, block):
    sizes = list(level_sizes(30, 13))
    assert sizes == [(30, 13), (15, 6), (7, 3), (3, 1), (1, 1)]
    container = Container("dds", block=block, dxgi=dxgi_of(block), mips=True)
    levels = [Texture(scene(wall, h, w, CHANNELS[block]), container) for w, h in sizes]
    data = encode_levels(levels)
    header = parse_dds(data)
    assert (header.mips, header.flags, header.caps) == (5, 0xA1007, 0x401008)
    assert len(data) == 148 + sum(blocks_bytes(block, w, h) for w, h in sizes)
    assert data[148:] == b"".join(encode_blocks(level.pixels, block) for level in levels)
    assert decode(data, "a.dds").container == container


def test_without_the_extra_only_bc7_waits_and_says_for_what(monkeypatch, wall):
    real = builtins.__import__

    def missing(name, *more, **named):
        if name == "etcpak":
            raise ImportError(name)
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.setattr(bc7, "find_spec", lambda name: None)
    with pytest.raises(UnsupportedTexture, match=r"pip install 'texup\[dds\]'"):
        encode_blocks(wall(8, 8), "bc7")
    assert [block for block in BLOCKS if not can_compress(block)] == ["bc7"]
    data = file_of(bytes(16), 4, 4, number=98)
    assert must_copy(data) == "BC7 needs the extra: pip install 'texup[dds]'"
    assert must_copy(data, rewritten=False) is None
    assert must_copy(file_of(bytes(8), 4, 4, fourcc=b"DXT1")) is None
    for block in BLOCKS[:-1]:
        assert len(encode_blocks(scene(wall, 4, 4, CHANNELS[block]), block)) == blocks_bytes(block, 4, 4)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_truncation_of_blocks_is_refused(block):
    data = file_of(bytes(2 * blocks_bytes(block, 4, 4)), 5, 4, number=dxgi_of(block))
    decode(data, "a.dds")
    for cut in range(0, len(data), 5):
        with pytest.raises(Exception, match=r"a\.dds: "):
            decode(data[:cut], "a.dds")


def test_quality_on_a_real_picture():
    rgb = np.ascontiguousarray(read_texture(ROOT / "tests/data/before_after.png").pixels[:256, :256, :3])
    floors = {"bc1": 37, "bc3": 37, "bc5": 46, "bc7": 45}
    for block, floor in floors.items():
        shown = 2 if block == "bc5" else 3
        assert psnr(decode_blocks(encode_blocks(rgb, block), block, 256, 256)[..., :shown], rgb[..., :shown]) > floor
