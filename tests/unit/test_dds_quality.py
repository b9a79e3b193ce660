"""BC7 better than fast: closer to the picture, with alpha never worse than before."""

import builtins
from pathlib import Path

import numpy as np
import pytest

from texup.errors import UnsupportedTexture
from texup.textures.blocks import ispc
from texup.textures.blocks.levels import decode_blocks, encode_blocks
from texup.textures.codecs.dds_header import blocks_bytes, dxgi_of, level_sizes
from texup.textures.codecs.files import decode, encode, encode_levels, read_texture
from texup.textures.texture import Container, Texture

ROOT = Path(__file__).parents[2]
BETTER = ("normal", "best")
BC7 = Container("dds", block="bc7", dxgi=dxgi_of("bc7"), mips=True)


@pytest.fixture(scope="module")
def picture():
    """A real picture, (64, 96, 3)."""
    return np.ascontiguousarray(read_texture(ROOT / "tests/data/before_after.png").pixels[64:128, 384:480, :3])


@pytest.fixture(params=["opaque", "cut-out", "one value", "gradient", "noise"])
def pixels(request, picture):
    """The picture with each kind of alpha, (64, 96, 4)."""
    height, width, _ = picture.shape
    y, x = np.mgrid[:height, :width]
    alpha = {
        "opaque": np.full((height, width), 255),
        "cut-out": np.where((y - 30) ** 2 + (x - 40) ** 2 < 500, 255, 0),
        "one value": np.full((height, width), 131),
        "gradient": (x + y) * 255 // (height + width - 2),
        "noise": np.random.default_rng(3).integers(0, 256, (height, width)),
    }[request.param]
    return np.dstack([picture, alpha.astype(np.uint8)])


def shown(pixels, quality="fast"):
    height, width, _ = pixels.shape
    return decode_blocks(encode_blocks(pixels, "bc7", quality), "bc7", width, height).astype(int)


def blocks_of(errors):
    """Values (H, W, ...) as (blocks, 16, ...)."""
    height, width = errors.shape[:2]
    return errors.reshape(height // 4, 4, width // 4, 4, -1).swapaxes(1, 2).reshape(height * width // 16, 16, -1)


def psnr(one, two):
    return 10 * np.log10(255**2 / ((one.astype(float) - two) ** 2).mean())


@pytest.mark.parametrize("quality", BETTER)
def test_no_block_loses_colour_or_alpha(pixels, quality):
    fast, better = (blocks_of(np.abs(shown(pixels, q) - pixels)) for q in ("fast", quality))
    assert ((better[..., :3] ** 2).sum(axis=(1, 2)) <= (fast[..., :3] ** 2).sum(axis=(1, 2))).all()
    assert (better[..., 3].max(axis=1) <= fast[..., 3].max(axis=1)).all()
    assert ((better[..., 3] ** 2).sum(axis=1) <= (fast[..., 3] ** 2).sum(axis=1)).all()
    few = [len(np.unique(block)) <= 2 for block in blocks_of(pixels[..., 3])]
    assert not better[few][..., 3].any()


def test_each_quality_is_closer_than_the_one_before(picture):
    fast, normal, best = (psnr(shown(picture, quality)[..., :3], picture) for quality in ("fast", *BETTER))
    assert normal > fast + 1
    assert best > normal + 0.1


def test_fast_is_what_nobody_asks_for(pixels):
    assert encode_blocks(pixels, "bc7", "fast") == encode_blocks(pixels, "bc7")


def test_a_block_is_the_same_whatever_lies_around_it(pixels, monkeypatch):
    whole = encode_blocks(pixels, "bc7", "normal")
    monkeypatch.setattr(ispc, "_TOGETHER", 7)
    assert encode_blocks(pixels, "bc7", "normal") == whole
    alone = [encode_blocks(pixels[y : y + 4, x : x + 4], "bc7", "normal") for y in (0, 28) for x in (0, 40)]
    across = pixels.shape[1] // 4
    assert alone == [whole[16 * k : 16 * (k + 1)] for k in (0, 10, 7 * across, 7 * across + 10)]


@pytest.mark.parametrize("size", [(5, 7), (1, 2), (4, 9), (1, 1)])
def test_blocks_on_the_border_go_on_with_its_texels(picture, size):
    part = picture[: size[0], : size[1]]
    around = np.pad(part, ((0, -size[0] % 4), (0, -size[1] % 4), (0, 0)), "edge")
    data = encode_blocks(part, "bc7", "normal")
    assert data == encode_blocks(around, "bc7", "normal")
    assert len(data) == blocks_bytes("bc7", size[1], size[0])


def test_flat_blocks_are_not_searched(monkeypatch):
    monkeypatch.setattr(ispc, "_compress", None)
    assert (shown(np.full((8, 8, 4), 255, np.uint8), "best") == 255).all()


def test_all_levels_of_a_file_are_of_the_quality(picture):
    sizes = list(level_sizes(30, 13))
    levels = [Texture(picture[:h, :w], BC7) for w, h in sizes]
    data = encode_levels(levels, "normal")
    assert data[148:] == b"".join(encode_blocks(level.pixels, "bc7", "normal") for level in levels)
    assert encode(levels[0], quality="normal")[148:] == encode_blocks(levels[0].pixels, "bc7", "normal")
    assert encode_levels(levels[:1], "normal") == encode(levels[0], quality="normal") != encode(levels[0])
    assert decode(data, "a.dds").container == BC7


def test_blocks_of_other_kinds_have_one_quality(picture):
    for block in ("bc1", "bc3"):
        assert encode_blocks(picture, block, "best") == encode_blocks(picture, block)


def test_without_the_package_only_fast_is_there(picture, monkeypatch):
    real = builtins.__import__

    def missing(name, *more, **named):
        if name == "ispc_texcomp":
            raise ImportError(name)
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert len(encode_blocks(picture, "bc7")) == picture[..., 0].size
    with pytest.raises(UnsupportedTexture, match=r"pip install 'texup\[dds\]'"):
        encode_blocks(picture, "bc7", "normal")
