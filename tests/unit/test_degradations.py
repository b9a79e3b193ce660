"""Degradations: exact rules by whole numbers or a serial loop, and the laws that all of them keep."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from texup.degradations import GAME, KERNELS, downscale, round_8bit
from texup.degradations.bits import (
    BAYER_2,
    BAYER_4,
    BAYER_8,
    N64_BAYER,
    N64_MAGIC,
    PLAYSTATION,
    n64_frame,
    playstation_frame,
    reduce_bits,
)
from texup.degradations.blocks import _squares, bc1
from texup.degradations.jpeg import jpeg
from texup.degradations.palettes import QUARTERS, diffuse, fit_palette, paint
from texup.metrics.resizing import imresize

LAW = settings(deadline=None, derandomize=True, max_examples=20)
SIDES = [(1, 1), (3, 5), (17, 16), (32, 24)]
# Levels by which a constant colour may change: half a step of the coarsest channel, a whole one where it is cut off or
# dithered; JPEG's first coefficient is kept to 16 / 2 / 8 levels for luma, times up to 1.8 for blue.
STEP = {"bc1": 5, "ci4": 4, "ci8": 4, "5551": 8, "565": 8, "jpeg75": 3, "n64": 4}


def noise(*shape, seed=0):
    """Random levels in [0, 1] on steps of 1/255."""
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed)).float() / 255


def as_batch(*pictures):
    return torch.stack([torch.from_numpy(p.copy()).permute(2, 0, 1).float() / 255 for p in pictures])


def levels(x):
    """Return the whole levels of a result, which has no others."""
    whole = (x * 255).round()
    assert torch.equal(x, whole / 255)
    return whole.numpy().astype(int)


def error(a, b):
    return float(((a - b) ** 2).mean())


# ---- reductions


@pytest.mark.parametrize("kernel", KERNELS)
@LAW
@given(rows=st.integers(0, 5), columns=st.integers(0, 6), seed=st.integers(0, 99))
def test_with_wrap_a_reduction_commutes_with_rolling(kernel, rows, columns, seed):
    hr = noise(1, 3, 24, 28, seed=seed)
    there = downscale(hr.roll((4 * rows, 4 * columns), (2, 3)), 4, kernel, wrap=True)
    back = downscale(hr, 4, kernel, wrap=True).roll((rows, columns), (2, 3))
    assert torch.allclose(there, back, atol=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
def test_wrap_matters_at_the_border_only(kernel):
    hr = noise(1, 3, 96, 96)
    plain, wrapped = downscale(hr, 4, kernel), downscale(hr, 4, kernel, wrap=True)
    assert plain.shape == wrapped.shape == (1, 3, 24, 24)
    assert torch.allclose(plain[..., 4:-4, 4:-4], wrapped[..., 4:-4, 4:-4], atol=1e-5)
    reaches = kernel in ("bicubic", "bilinear", "lanczos", "mixed")
    assert reaches != torch.allclose(plain, wrapped, atol=1e-3)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_is_matlabs_inside(scale):
    hr = noise(1, 3, 12 * scale, 15 * scale)
    ours = downscale(hr, scale, "bicubic")[0].permute(1, 2, 0).numpy()
    theirs = imresize(hr[0].permute(1, 2, 0).numpy(), (12, 15))
    assert np.abs(ours - theirs)[2:-2, 2:-2].max() < 2e-6


def test_boxes_are_means_of_values_or_of_light():
    hr = noise(2, 3, 8, 12)
    cells = hr.double().view(2, 3, 2, 4, 3, 4)
    assert torch.allclose(downscale(hr, 4, "box").double(), cells.mean((3, 5)), atol=1e-6)
    light = torch.where(cells <= 0.04045, cells / 12.92, ((cells + 0.055) / 1.055) ** 2.4).mean((3, 5))
    srgb = torch.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    assert torch.allclose(downscale(hr, 4, "box_linear").double(), srgb, atol=1e-6)


def test_lanczos_is_the_windowed_sinc():
    hr = noise(1, 1, 64, 64)
    x = (np.arange(24) - 11.5) / 4  # the taps of one result that lies inside
    taps = np.sinc(x) * np.sinc(x / 3)
    taps /= taps.sum()
    source = hr[0, 0].double().numpy()
    expected = taps @ source[20 - 10 : 20 + 14, 32 - 10 : 32 + 14] @ taps
    assert float(downscale(hr, 4, "lanczos")[0, 0, 5, 8]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_reduction_keeps_constants_and_in_the_mean_the_place(kernel):
    flat = torch.full((1, 3, 32, 32), 0.4)
    assert torch.allclose(downscale(flat, 4, kernel), torch.full((1, 3, 8, 8), 0.4), atol=1e-6)
    if kernel == "box_linear":
        return  # light is no linear function of the values
    ramp = (torch.arange(64.0) / 64).expand(1, 1, 64, 64)
    g = torch.Generator().manual_seed(0)
    draws = torch.stack([downscale(ramp, 4, kernel, generator=g)[0, 0, 8, 8] for _ in range(400)])
    middle = 33.5 / 64  # of texels 32 to 35
    assert abs(float(draws.mean()) - middle) < 0.1 / 64
    if kernel in ("nearest", "mixed"):
        reach = 0.5 if kernel == "nearest" else 1.0
        assert float((draws - middle).abs().max()) == pytest.approx(reach / 64, abs=1e-6)


def test_nearest_takes_texels_and_one_draw_for_the_batch():
    hr = noise(3, 3, 16, 16)
    assert torch.equal(downscale(hr, 4, "nearest"), hr[..., 1::4, 1::4])
    g = torch.Generator().manual_seed(1)
    drawn = [downscale(hr, 4, "nearest", generator=g) for _ in range(40)]
    allowed = [hr[..., y::4, x::4] for y in (1, 2) for x in (1, 2)]
    assert {k for d in drawn for k, a in enumerate(allowed) if torch.equal(a, d)} == {0, 1, 2, 3}
    assert all(any(torch.equal(a, d) for a in allowed) for d in drawn)


def test_mixed_is_a_box_by_two_and_then_one_of_two():
    hr = noise(1, 3, 32, 32)
    half = downscale(hr, 2, "box")
    cubic = downscale(half, 2, "bicubic")
    assert torch.allclose(downscale(hr, 4, "mixed"), cubic, atol=1e-6)
    g = torch.Generator().manual_seed(0)
    allowed = [cubic] + [half[..., y::2, x::2] for y in (0, 1) for x in (0, 1)]
    seen = set()
    for _ in range(60):
        got = downscale(hr, 4, "mixed", generator=g)
        seen |= {k for k, a in enumerate(allowed) if torch.allclose(a, got, atol=1e-6)}
    assert seen == set(range(5))


def test_reductions_that_cannot_be():
    with pytest.raises(ValueError, match="unknown kernel 'sinc'"):
        downscale(noise(1, 3, 8, 8), 4, "sinc")
    with pytest.raises(ValueError, match="10x8 cannot be divided by 4"):
        downscale(noise(1, 3, 10, 8), 4, "box")
    with pytest.raises(ValueError, match="even scale"):
        downscale(noise(1, 3, 9, 9), 3, "mixed")


# ---- bits


def all_levels(side=16):
    """Every level in every place of a 4 x 4 pattern: (256, 3, side, side)."""
    return (torch.arange(256.0) / 255)[:, None, None, None].expand(256, 3, side, side)


@pytest.mark.parametrize("bits", [(5, 6, 5), (5, 5, 5), (4, 4, 4), (3, 3, 2)])
@pytest.mark.parametrize("truncate", [False, True])
def test_fewer_bits_by_whole_numbers(bits, truncate):
    got = levels(reduce_bits(all_levels(1), bits, truncate=truncate))[:, :, 0, 0]
    for channel, depth in enumerate(bits):
        top = 2**depth - 1
        stored = [v >> (8 - depth) if truncate else (2 * v * top + 255) // 510 for v in range(256)]
        assert got[:, channel].tolist() == [(2 * 255 * s + top) // (2 * top) for s in stored]


@pytest.mark.parametrize("matrix", [BAYER_2, BAYER_4, BAYER_8])
def test_ordered_dither_chooses_between_two_levels_and_keeps_the_mean(matrix):
    n = len(matrix)
    assert sorted(itertools.chain(*matrix)) == list(range(n * n))
    got = levels(reduce_bits(all_levels(n), (5, 5, 5), dither=matrix))
    exact = np.arange(256) * 31 / 255
    around = [
        (2 * 255 * np.minimum(k, 31) + 31) // 62 for k in (np.floor(exact).astype(int), np.ceil(exact).astype(int))
    ]
    assert ((got == around[0][:, None, None, None]) | (got == around[1][:, None, None, None])).all()
    assert np.abs(got.mean((1, 2, 3)) - np.arange(256)).max() <= 255 / 31 / (2 * n * n) + 0.5


def test_frame_buffers_by_whole_numbers():
    at = np.arange(8) % 4
    console = np.array(PLAYSTATION)[at[:, None], at]
    v = np.arange(256)[:, None, None]
    stored = np.clip((v + console) >> 3, 0, 31)
    got = levels(playstation_frame(all_levels(8)))
    assert (got == ((527 * stored + 23) >> 6)[:, None]).all()
    for matrix in (N64_MAGIC, N64_BAYER):
        stored = np.minimum(v + np.array(matrix)[at[:, None], at], 255) >> 3
        got = levels(n64_frame(all_levels(8), matrix))
        assert (got == ((stored << 3) | (stored >> 2))[:, None]).all()
    assert torch.equal(n64_frame(all_levels(4)), n64_frame(all_levels(4), N64_MAGIC))


# ---- block codes


def test_a_block_of_two_colours_is_kept():
    ends = torch.tensor([[8, 130, 33], [214, 44, 123]]).float()  # 1, 32, 4 and 26, 11, 15 of 5, 6, 5 bits
    picture = ends[torch.tensor([[0, 1, 1, 0]] * 4)].permute(2, 0, 1)[None] / 255
    assert torch.equal(bc1(picture), picture)


def test_each_fit_helps_and_floor_darkens(wall):
    x = as_batch(wall(48, 64), wall(48, 64, seed=1))
    errors = [error(bc1(x, fits=n), x) for n in range(4)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[3] <= errors[2] * 1.01
    dark = round_8bit(x * 0.25)
    rounded, cut = (bc1(dark, floor=f).mean((0, 2, 3)) * 255 for f in (False, True))
    loss = rounded - cut
    assert (loss > 0).all()
    assert loss[1] < min(loss[0], loss[2])  # green has a bit more, and so the others darken more


def test_luma_weights_keep_what_is_seen(wall):
    x = noise(2, 3, 32, 32)
    weight = torch.tensor([0.3, 0.59, 0.11])[:, None, None]
    plain, seen = ((bc1(x, luma=luma) - x) * weight for luma in ((1.0, 1.0, 1.0), (0.3, 0.59, 0.11)))
    assert (seen**2).sum() < 0.9 * (plain**2).sum()
    # one end is nearer in numbers, the other to the eye: red and blue off by 20, or green
    ends, texel = torch.tensor([[62, 115, 62], [83, 93, 83]]), torch.tensor([82, 113, 82])
    for luma, low in (((1.0, 1.0, 1.0), False), ((0.1, 0.9, 0.1), True)):
        index = _squares(texel[None, None].float(), ends[None].float(), torch.tensor(luma)).argmin()
        assert (index == 0) == low


def test_blocks_beyond_the_border_repeat_it():
    x = noise(1, 3, 5, 7)
    full = torch.nn.functional.pad(x, (0, 1, 0, 3), mode="replicate")
    assert torch.equal(bc1(x), bc1(full)[..., :5, :7])


# ---- palettes


def brute_nearest(texels, palette):
    """Return the first nearest entry, by whole numbers."""
    return ((texels[:, None].astype(np.int64) - palette[None]) ** 2).sum(2).argmin(1)


@LAW
@given(count=st.integers(1, 256), seed=st.integers(0, 999))
def test_paint_takes_the_first_nearest_entry(count, seed):
    x, palette = noise(2, 3, 7, 5, seed=seed), noise(2, count, 3, seed=seed + 1)
    palette[:, count // 2] = palette[:, 0]  # of equals the first, which nobody can tell
    got = levels(paint(x, palette))
    for k in range(2):
        entries = levels(palette[k])
        index = brute_nearest(levels(x[k]).reshape(3, -1).T, entries)
        assert (entries[index] == got[k].reshape(3, -1).T).all()


def test_large_pictures_are_painted_in_parts_alike(monkeypatch):
    x, palette = noise(2, 3, 40, 30), noise(2, 100, 3, seed=1)
    whole = paint(x, palette)
    monkeypatch.setattr("texup.degradations.palettes.CHUNK", 700)
    assert torch.equal(paint(x, palette), whole)


def test_few_colours_are_all_found_however_rare():
    g = torch.Generator().manual_seed(0)
    colours = noise(12, 3)
    index = torch.zeros(4000, dtype=torch.long)
    index[torch.randperm(4000, generator=g)[:11]] = torch.arange(
        1, 12
    )  # a plain background and one texel of each other
    picture = colours[index].T.reshape(1, 3, 50, 80)
    assert torch.equal(paint(picture, fit_palette(picture.flatten(2).mT, 16)), picture)


@pytest.mark.parametrize("bits", [5, 8])
def test_entries_are_of_the_palettes_bits_and_fits_improve(wall, bits):
    x = as_batch(wall(48, 64), wall(48, 64, seed=3))
    texels = x.flatten(2).mT
    stored = {(2 * 255 * v + 2**bits - 1) // (2 * (2**bits - 1)) for v in range(2**bits)}
    palettes = [fit_palette(texels, 16, bits=bits, steps=steps) for steps in (0, 2, 6)]
    assert all(set(levels(p).ravel()) <= stored for p in palettes)
    errors = [error(paint(x, p), x) for p in palettes]
    assert errors[0] > errors[1] > errors[2]
    alone = fit_palette(texels[1:], 16, bits=bits)
    assert torch.equal(palettes[2][1:], alone)


def test_arithmetic_is_exact_for_the_largest_numbers():
    x = torch.tensor([0.0, 1.0]).repeat(128)[None, None, :, None].expand(1, 3, 256, 1)
    grey = (torch.arange(256.0) / 255)[None, :, None].expand(1, 256, 3)
    assert torch.equal(paint(x, grey), x)
    assert torch.equal(paint(grey.mT[..., None], grey.flip(1)), grey.mT[..., None])
    assert 3 * QUARTERS**2 * 2 < 2**24  # float32 holds every sum of a distance,
    assert 3 * QUARTERS**2 * 2 * 256 < 2**31  # and int32 the distance beside the index


def test_ordered_dither_brings_the_mean_nearer():
    x = torch.full((1, 3, 8, 8), 100 / 255)
    palette = torch.tensor([[0.0] * 3, [1.0] * 3] * 4)[None]  # eight entries: a step is half of the cube
    plain, dithered = paint(x, palette), paint(x, palette, amplitude=1.0)
    assert plain.max() == 0
    assert 0.2 < dithered.mean() < 0.5


def serial_diffusion(x, palette, strength):
    """Floyd and Steinberg's loop over one picture (H, W, 3), in float32."""
    work, out = x.copy(), np.empty_like(x)
    h, w = x.shape[:2]
    share = np.float32(strength)
    for r in range(h):
        for c in range(w):
            out[r, c] = palette[((palette - work[r, c]) ** 2).sum(1).argmin()]
            wrong = (work[r, c] - out[r, c]) * share
            for down, right, part in ((0, 1, 7), (1, -1, 3), (1, 0, 5), (1, 1, 1)):
                if r + down < h and 0 <= c + right < w:
                    work[r + down, c + right] += wrong * np.float32(part / 16)
    return out


@pytest.mark.parametrize(("h", "w"), [(1, 1), (1, 6), (5, 1), (2, 3), (9, 7), (6, 13)])
@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_fronts_of_diffusion_equal_the_serial_loop(h, w, strength):
    x, palette = noise(2, 3, h, w, seed=h * w), noise(2, 6, 3, seed=1)
    got = diffuse(x, palette, strength=strength).permute(0, 2, 3, 1).numpy()
    for k in range(2):
        source = np.ascontiguousarray(x[k].permute(1, 2, 0).numpy())
        assert (got[k] == serial_diffusion(source, palette[k].numpy(), strength)).all()


def test_diffusion_keeps_means_and_without_strength_paints():
    x = as_batch(np.full((24, 24, 3), 93, np.uint8))
    ends = torch.tensor([[[0.0] * 3, [1.0] * 3]])
    assert float(diffuse(x, ends).mean()) == pytest.approx(93 / 255, abs=0.01)
    y, palette = noise(1, 3, 12, 9), noise(1, 16, 3, seed=4)
    assert torch.equal(diffuse(y, palette, strength=0.0), paint(y, palette))


# ---- JPEG


def test_a_flat_block_keeps_its_mean_to_the_first_table_entry():
    for quality, first in ((50, 16), (75, 8), (90, 3), (10, 80), (100, 1)):  # (16 * percent + 50) // 100
        grey = torch.arange(0, 256)[:, None, None, None].expand(256, 3, 8, 8) / 255
        got = levels(jpeg(grey, quality, subsample=False))
        assert (got == got[:, :1, :1, :1]).all()
        steps = (np.arange(256) - 128) * 8 / first
        values = np.round(steps) * first / 8 + 128
        expected = np.clip(np.round(values), 0, 255)
        error = np.abs(got[:, 0, 0, 0] - expected)
        assert (error <= (first / 8 if first > 8 else 1)).all()
        is_clear = (steps % 1 != 0.5) & (values % 1 != 0.5)  # a half is rounded either way
        assert is_clear.mean() > 0.4
        assert (error[is_clear] == 0).all()


def test_jpeg_of_each_pictures_own_quality(wall):
    x = as_batch(wall(20, 28), wall(20, 28, seed=1), wall(20, 28, seed=2))
    together = jpeg(x, torch.tensor([40.0, 75.0, 95.0]))
    for k, quality in enumerate((40, 75, 95)):
        assert torch.equal(together[k : k + 1], jpeg(x[k : k + 1], quality))
    errors = [error(jpeg(x, quality), x) for quality in (10, 40, 75, 95)]
    assert errors == sorted(errors, reverse=True)
    assert error(jpeg(x, 90, subsample=False), x) < error(jpeg(x, 90), x)


def test_jpeg_repeats_the_border_and_keeps_grey_grey():
    x = noise(1, 3, 11, 21)
    full = torch.nn.functional.pad(x, (0, 11, 0, 5), mode="replicate")
    assert torch.equal(jpeg(x, 80), jpeg(full, 80)[..., :11, :21])
    grey = x[:, :1].expand(1, 3, 11, 21)
    got = jpeg(grey, 60)
    assert torch.equal(got[:, :1].expand_as(got), got)


# ---- the set for evaluation


@pytest.mark.parametrize("name", GAME)
@pytest.mark.parametrize(("h", "w"), SIDES)
def test_results_are_pictures_of_the_same_size_each_on_its_own(name, h, w):
    x = noise(3, 3, h, w, seed=h)
    kept = x.clone()
    got = GAME[name](x)
    assert got.shape == x.shape
    assert levels(got).min() >= 0
    assert levels(got).max() <= 255
    assert torch.equal(x, kept)
    assert torch.equal(GAME[name](x), got)
    assert torch.equal(torch.cat([GAME[name](one) for one in x.flip(0).split(1)]).flip(0), got)
    assert torch.equal(GAME[name](x.to(memory_format=torch.channels_last)), got)


@pytest.mark.parametrize("name", GAME)
@LAW
@given(colour=st.tuples(*[st.integers(0, 255)] * 3))
def test_a_constant_colour_stays_within_the_formats_step(name, colour):
    x = (torch.tensor(colour).float() / 255)[None, :, None, None].expand(1, 3, 8, 8)
    assert np.abs(levels(GAME[name](x)) - np.array(colour)[None, :, None, None]).max() <= STEP[name]


def test_the_set_is_what_its_names_say():
    x = noise(2, 3, 12, 12)
    texels = x.flatten(2).mT
    assert torch.equal(GAME["bc1"](x), bc1(x, fits=1))
    assert torch.equal(GAME["5551"](x), reduce_bits(x, (5, 5, 5), truncate=True))
    assert torch.equal(GAME["565"](x), reduce_bits(x, (5, 6, 5), dither=BAYER_4))
    assert torch.equal(GAME["jpeg75"](x), jpeg(x, 75, subsample=True))
    for name, colours in (("ci4", 16), ("ci8", 256)):
        assert torch.equal(GAME[name](x), paint(x, fit_palette(texels, colours, bits=5)))
    stored = reduce_bits(x, (5, 5, 5))
    assert torch.equal(GAME["n64"](x), paint(stored, fit_palette(stored.flatten(2).mT, 64, bits=5)))


def test_each_of_the_set_changes_a_picture_and_keeps_its_looks(wall):
    x = as_batch(wall(48, 64))
    for name, degradation in GAME.items():
        psnr = -10 * np.log10(error(degradation(x), x))
        assert 24 < psnr < 50, name


def test_rounding():
    x = torch.tensor([-0.2, 0.0, 0.4 / 255, 0.6 / 255, 0.5, 1.3])
    assert levels(round_8bit(x)).tolist() == [0, 0, 0, 1, 128, 255]
