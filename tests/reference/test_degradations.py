"""Degradations against independent ones: Pillow's codecs, and a second implementation where it is at hand."""

from __future__ import annotations

import importlib.util
import io
import itertools
import struct
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from texup.degradations import GAME, downscale, round_8bit
from texup.degradations.bits import N64_BAYER, N64_MAGIC, n64_frame, playstation_frame, reduce_bits
from texup.degradations.blocks import bc1
from texup.degradations.jpeg import CHROMA_TABLE, LUMA_TABLE, _table, jpeg
from texup.degradations.palettes import fit_palette, paint
from texup.metrics.resizing import as_bytes, imresize
from texup.textures.codecs.files import read_texture

SHARED = Path(__file__).parents[3] / "shared"


def batch(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def pixels_of(x: Tensor) -> np.ndarray:
    return (x[0] * 255).round().byte().permute(1, 2, 0).numpy()


def psnr(a: Tensor, b: Tensor) -> float:
    return float(-10 * torch.log10(((a - b) ** 2).mean() + 1e-9))


@pytest.fixture(scope="module")
def drawings(wall) -> list[Tensor]:
    """Bricks, a soft cloud and a busy one."""
    rng = np.random.default_rng(0)
    clouds = [
        sum(imresize(rng.normal(0, 6 * n**power, (96 // n, 64 // n, 3)), (96, 64)) for n in (1, 2, 4, 8, 16))
        for power in (1.0, 0.4)
    ]
    return [batch(wall(48, 64)), *(batch(as_bytes(128 + cloud)) for cloud in clouds)]


@pytest.fixture(scope="module")
def textures() -> list[Tensor]:
    """Reduced real textures."""
    if not SHARED.is_dir():
        pytest.skip("../shared with real pictures is not here")
    files = sorted(p for p in (SHARED / "data" / "val").rglob("*") if p.suffix in (".png", ".webp"))[::4]
    pictures = [np.asarray(read_texture(p).pixels)[:512, :512] for p in files]
    shown = [p[..., :3] for p in pictures if p.shape[2] >= 3]
    return [round_8bit(downscale(batch(p[: len(p) // 16 * 16, : p.shape[1] // 16 * 16]), 4, "box")) for p in shown]


@pytest.fixture(scope="module")
def second() -> ModuleType:
    """The second implementation."""
    path = SHARED / "tools" / "degrade_proto.py"
    if not path.is_file():
        pytest.skip("../shared with the second implementation is not here")
    spec = importlib.util.spec_from_file_location("degrade_proto", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- Pillow


def saved(x: Tensor, quality: int, *, subsample: bool) -> tuple[Tensor, dict[int, list[int]]]:
    """Return a picture as Pillow saves and reads it, and the tables of its file."""
    memory = io.BytesIO()
    Image.fromarray(pixels_of(x)).save(memory, "JPEG", quality=quality, subsampling=2 if subsample else 0)
    with Image.open(memory) as picture:
        return batch(np.array(picture)), picture.quantization


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 60, 75, 95, 100])
def test_jpeg_tables_are_those_of_files(drawings, quality):
    _, tables = saved(drawings[0], quality, subsample=True)
    for number, base in enumerate((LUMA_TABLE, CHROMA_TABLE)):
        assert _table(base, torch.tensor([float(quality)])).flatten().tolist() == tables[number]


@pytest.mark.parametrize("subsample", [True, False])
@pytest.mark.parametrize("quality", [60, 75, 95])
def test_jpeg_is_pillows(request, drawings, quality, subsample):
    pictures = drawings + (request.getfixturevalue("textures")[:6] if SHARED.is_dir() else [])
    rows = []
    for x in pictures:
        ours, theirs = jpeg(x, quality, subsample=subsample), saved(x, quality, subsample=subsample)[0]
        rows.append((psnr(ours, x) - psnr(theirs, x), psnr(ours, theirs), psnr(ours, theirs) - psnr(theirs, x)))
    farther, between, apart = np.array(rows).T
    assert abs(farther.mean()) < 0.15
    assert np.abs(farther).max() < 0.3
    assert between.mean() > 43
    assert apart.min() > 6  # what parts the two is small against what either lost


@pytest.mark.parametrize("h", [1, 9, 23])
def test_jpeg_of_odd_sides_is_pillows(wall, h):
    x = batch(wall(48, 64)[5 : 5 + h, 3:34])
    assert psnr(jpeg(x, 90), saved(x, 90, subsample=True)[0]) > 36


def stored_block(block: np.ndarray, mix: tuple[float, ...], *, down: bool) -> tuple[list[int], list[int], list[int]]:
    """Return the 5, 6 and 5 bit numbers of two ends and the 16 indices that decode to a block (16, 3) of levels.

    Numbers are read back with their upper bits repeated; what lies between is rounded, or cut off with ``down``.
    """
    colours, index = np.unique(block, axis=0, return_inverse=True)
    tables = []
    for depth in (5, 6, 5):
        number = np.arange(2**depth)
        ends = (number << (8 - depth)) | (number >> (2 * depth - 8))
        table = np.multiply.outer(ends, mix)[:, None] + np.multiply.outer(ends, 1 - np.array(mix))[None]
        tables.append(np.floor(table + 1e-9) if down else np.rint(table))  # (first, second, index)
    for places in itertools.permutations(range(4), len(colours)):
        fits = [np.argwhere((t[:, :, places] == c).all(2)) for t, c in zip(tables, colours.T, strict=True)]
        if all(len(f) for f in fits):
            first, second = (([int(f[0][k]) for f in fits]) for k in (0, 1))
            return first, second, [places[i] for i in index.ravel()]
    raise AssertionError(f"no pair of ends gives {colours.tolist()}")


def blocks_of(x: Tensor) -> np.ndarray:
    """Return the 4 x 4 blocks (B, 16, 3) of a picture, in levels."""
    pixels = pixels_of(x).astype(int)
    h, w = (side // 4 for side in pixels.shape[:2])
    return pixels.reshape(h, 4, w, 4, 3).swapaxes(1, 2).reshape(-1, 16, 3)


@pytest.mark.parametrize("luma", [(1.0, 1.0, 1.0), (0.3, 0.59, 0.11)])
@pytest.mark.parametrize("more", [{"gamecube": True}, {"fits": 0}, {"fits": 0, "floor": True}, {"fits": 2}])
def test_each_block_is_one_that_a_file_can_hold(drawings, more, luma):
    mix = (1, 5 / 8, 3 / 8, 0) if "gamecube" in more else (1, 2 / 3, 1 / 3, 0)
    for x in drawings:
        for block in blocks_of(bc1(x[..., :24, :24], luma=luma, **more)):
            stored_block(block, mix, down="gamecube" in more)


def test_pillow_reads_from_a_file_what_we_decode(drawings):
    """Ends are equal; between them Pillow cuts off what we round."""
    for x in drawings:
        ours = bc1(x[..., :24, :32])
        body = b""
        for block in blocks_of(ours):
            first, second, index = stored_block(block, (1, 2 / 3, 1 / 3, 0), down=False)
            high, low = ((r << 11) | (g << 5) | b for r, g, b in (first, second))
            if high < low:  # the larger one comes first, or the block has three colours
                high, low, index = low, high, [3 - i for i in index]
            code = (0, 2, 3, 1)  # indices as DirectX numbers them: both ends, then what lies between
            body += struct.pack("<HHI", high, low, sum(code[i] << (2 * k) for k, i in enumerate(index)))
        header = struct.pack("<4s7I44x", b"DDS ", 124, 0x1007, 24, 32, 0, 0, 0)
        header += struct.pack("<2I4s5I5I", 32, 4, b"DXT1", *[0] * 5, 0x1000, *[0] * 4)
        with Image.open(io.BytesIO(header + body)) as picture:
            theirs = np.array(picture.convert("RGB")).astype(int)
        apart = pixels_of(ours).astype(int) - theirs
        assert set(np.unique(apart)) <= {0, 1}
        assert (apart == 0).mean() > 0.5


def test_bc1_beats_pillows_encoder(drawings):
    for x in drawings:
        memory = io.BytesIO()
        Image.fromarray(pixels_of(x)).save(memory, "DDS", pixel_format="DXT1")
        with Image.open(memory) as picture:
            theirs = batch(np.array(picture.convert("RGB")))
        assert psnr(bc1(x), x) > psnr(theirs, x) + 1


@pytest.mark.parametrize("kernel", ["lanczos", "bilinear", "bicubic", "box"])
def test_reductions_are_pillows_inside(drawings, kernel):
    for x in drawings:
        ours = downscale(x, 4, kernel)[0, 1].numpy()
        plane = Image.fromarray(x[0, 1].numpy())  # of floats, which Pillow neither rounds nor clips
        theirs = np.array(plane.resize(ours.shape[::-1], Image.Resampling[kernel.upper()]))
        assert np.abs(ours - theirs)[3:-3, 3:-3].max() < 1e-5


# ---- the second implementation


def test_reductions_are_the_seconds(second, textures):
    for x in textures[:6]:
        for ours, theirs in (
            ("bicubic", "bicubic"),
            ("bilinear", "bilinear"),
            ("box", "box"),
            ("box_linear", "boxlin"),
        ):
            for wrap in (False, True):
                a = downscale(x, 4, ours, wrap=wrap).clamp(0, 1)
                assert torch.allclose(a, second.down(x, theirs, wrap=wrap), atol=2e-6)


def test_bits_and_frames_are_the_seconds(second, textures):
    for x in textures[:6]:
        assert torch.equal(playstation_frame(x), second.ps1_framebuffer(x))
        assert torch.equal(n64_frame(x), second.n64_rgba16(x, torch.tensor(N64_MAGIC)))
        assert torch.equal(n64_frame(x, N64_BAYER), second.n64_rgba16(x, second.N64_BAYER))
        for bits, mode in itertools.product(((5, 6, 5), (5, 5, 5), (3, 3, 2)), ("round", "trunc")):
            ours = reduce_bits(x, bits, truncate=mode == "trunc")
            assert torch.equal(ours, round_8bit(second.quant(x, bits, mode)))
        dithered = second.quant(x, (5, 6, 5), dither=second.BAYER[4])
        assert ((GAME["565"](x) - round_8bit(dithered)).abs() > 1e-6).float().mean() < 1e-3  # but for ties


@pytest.mark.parametrize("gamecube", [False, True])
@pytest.mark.parametrize("fits", [0, 1, 2])
def test_bc1_loses_what_the_second_loses(second, textures, gamecube, fits):
    """Theirs does not round what it decodes, which a file's reader does; hence a bit more here in dark pictures."""
    gap = [
        psnr(bc1(x, gamecube=gamecube, fits=fits), x) - psnr(second.bc1(x, refine=fits, gc=gamecube), x)
        for x in textures
    ]
    assert abs(np.mean(gap)) < 0.1
    assert np.abs(gap).max() < 0.4


@pytest.mark.thorough
@pytest.mark.parametrize(("colours", "bits"), [(16, 5), (64, 8), (256, 8)])
def test_palettes_are_as_good_as_the_seconds(second, textures, colours, bits):
    gap = []
    for x in textures:
        palette = fit_palette(x.flatten(2).mT, colours, bits=bits)
        gap.append(psnr(paint(x, palette), x) - psnr(round_8bit(second.palette(x, colours, bits=bits)), x))
    assert min(gap) > -2
    assert np.mean(gap) > 0.5  # the start from distinct colours
