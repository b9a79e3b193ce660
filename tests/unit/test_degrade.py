"""The drawn degradation of a batch: shares, laws of every format, and that chance has one source."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from texup.degradations import KERNELS, downscale, round_8bit
from texup.degradations.palettes import ramp_palettes
from texup.training.data import degrade as module
from texup.training.data.degrade import FORMATS, Dice, degrade, roughen

SCALE = 4


def noise(*shape, seed=0):
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed)).float() / 255


def clouds(count, side, seed=0):
    """Soft colours with a little grain, on steps of 1/255."""
    g = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, side // 16 + 2, side // 16 + 2, generator=g)
    soft = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")
    return round_8bit(soft + 0.03 * torch.randn(count, 3, side, side, generator=g))


def of_the_patch(hr):
    """Texels that stand for a patch's texture: its own, reduced."""
    texels = downscale(hr, SCALE, "box").flatten(2).mT
    return lambda chosen, count: texels[chosen][:, torch.arange(count) % texels.shape[1]]


def run(hr, formats, *, kernels=None, seed=0, **filters):
    g = torch.Generator().manual_seed(seed)
    return degrade(hr, SCALE, kernels or {"bicubic": 1.0}, formats, of_the_patch(hr), g, **filters)


def check(lr, hr):
    assert lr.shape == (hr.shape[0], 3, hr.shape[2] // SCALE, hr.shape[3] // SCALE)
    assert lr.dtype == torch.float32
    assert torch.equal(lr, round_8bit(lr))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("count", [1, 3, 5])
def test_every_format_of_any_batch_is_a_picture_again_and_again_the_same(name, count):
    hr = clouds(count, 40)  # 10 texels a side are no multiple of a block
    kept = hr.clone()
    for seed in range(6):
        lr = run(hr, {name: 1.0}, seed=seed, blur=0.3, sharpen=0.3, noise=0.5)
        check(lr, hr)
        assert torch.equal(lr, run(hr, {name: 1.0}, seed=seed, blur=0.3, sharpen=0.3, noise=0.5))
        assert ((lr - downscale(hr, SCALE, "box")) ** 2).mean() < 0.15**2
    assert torch.equal(hr, kept)


def test_the_seed_decides():
    hr = clouds(6, 32)
    mixed = dict.fromkeys(FORMATS, 1.0)
    every = dict.fromkeys(KERNELS, 1.0)
    results = [run(hr, mixed, kernels=every, seed=seed, noise=0.3) for seed in (0, 0, 1)]
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_clean_is_the_rounded_reduction():
    hr = noise(5, 3, 32, 48)
    assert torch.equal(run(hr, {"clean": 1.0}), round_8bit(downscale(hr, SCALE, "bicubic")))
    box = run(hr, {"clean": 1.0}, kernels={"box": 1.0, "lanczos": 0.0})
    assert torch.equal(box, round_8bit(downscale(hr, SCALE, "box")))


def test_each_kernel_reduces_its_own_pictures():
    hr = noise(40, 3, 16, 16)
    lr = run(hr, {"clean": 1.0}, kernels={"box": 1.0, "bicubic": 2.0})
    by = {name: round_8bit(downscale(hr, SCALE, name)) for name in ("box", "bicubic")}
    came = [next(name for name, all_ in by.items() if torch.equal(all_[k], lr[k])) for k in range(40)]
    assert 4 < came.count("box") < 24


def test_shares_are_kept(monkeypatch):
    seen = Counter()

    def counted(name):
        def count(x, _dice, texels):
            assert texels(3).shape == (len(x), 3, 3)
            seen[name] += len(x)
            return x

        return count

    monkeypatch.setattr(module, "FORMATS", {name: counted(name) for name in FORMATS})
    shares = {"bc1": 0.2, "ci4": 0.1, "jpeg": 0.3, "clean": 0.4, "frame": 0.0}
    run(noise(4000, 3, 4, 4), shares)
    assert "frame" not in seen
    assert "clean" not in seen
    for name in ("bc1", "ci4", "jpeg"):
        assert seen[name] / 4000 == pytest.approx(shares[name], abs=0.03)


def test_a_format_touches_only_its_pictures_and_asks_for_their_texels():
    hr = noise(30, 3, 16, 16)
    clean = round_8bit(downscale(hr, SCALE, "bicubic"))
    asked = []

    def texels(chosen, count):
        asked.append(chosen)
        return of_the_patch(hr)(chosen, count)

    lr = degrade(hr, SCALE, {"bicubic": 1.0}, {"clean": 1, "ci4": 1}, texels, torch.Generator().manual_seed(0))
    changed = (lr != clean).flatten(1).any(1).nonzero()[:, 0]
    assert torch.equal(changed, asked[0])
    assert 5 < len(changed) < 25


@pytest.mark.parametrize(("what", "sign"), [("blur", -1), ("sharpen", 1)])
def test_filters_soften_or_sharpen_their_share(what, sign):
    hr = noise(300, 3, 16, 16, seed=3)
    plain = run(hr, {"clean": 1.0}, kernels={"box": 1.0})
    got = run(hr, {"clean": 1.0}, kernels={"box": 1.0}, **{what: 0.4})
    spread = (got.flatten(1).std(1) - plain.flatten(1).std(1)) * sign
    touched = (got != plain).flatten(1).any(1)
    assert touched.float().mean() == pytest.approx(0.4, abs=0.1)
    assert (spread[touched] > 0).float().mean() > 0.9
    flat = torch.full((4, 3, 16, 16), 77 / 255)
    assert torch.equal(run(flat, {"clean": 1.0}, **{what: 1.0}), flat[..., :4, :4])


def test_a_blur_is_a_gaussian_of_its_own_width():
    class Fixed(Dice):
        def uniform(self, low, high, count, like):
            return torch.tensor([0.8, 0.2])[:count]

    x = torch.zeros(2, 3, 9, 9)
    x[:, :, 4, 4] = 1
    got = module._blur(x, Fixed(torch.Generator()))
    taps = torch.exp(-(torch.arange(-2.0, 3.0) ** 2) / (2 * 0.8**2))
    taps /= taps.sum()
    assert torch.allclose(got[0, 1, 2:7, 2:7], taps[:, None] * taps, atol=1e-6)
    assert float(got[1, 1, 4, 4]) > 0.99


def test_noise_is_weak_and_on_its_share():
    grey = torch.full((400, 3, 32, 32), 0.5)
    plain = run(grey, {"clean": 1.0})
    change = (run(grey, {"clean": 1.0}, noise=0.25) - plain) * 255
    touched = change.flatten(1).abs().amax(1) > 0
    assert touched.float().mean() == pytest.approx(0.25, abs=0.07)
    assert change[touched].flatten(1).std(1).max() < 2.4
    assert abs(change[touched].mean()) < 0.05


def test_palettes_are_dithered_in_their_shares_and_have_their_colours(monkeypatch):
    drawn = Counter()
    monkeypatch.setattr(module, "diffuse", lambda x, p, strength: drawn.update(["diffuse"]) or x)

    def paint(x, palette, *, amplitude):
        assert amplitude == 0 or 0.3 <= amplitude < 1
        drawn.update(["ordered" if amplitude else "none"])
        return x

    monkeypatch.setattr(module, "paint", paint)
    sizes = Counter()
    monkeypatch.setattr(
        module, "fit_palette", lambda t, colours, **more: sizes.update([colours]) or torch.zeros(len(t), colours, 3)
    )
    hr = noise(2, 3, 16, 16)
    for seed in range(600):
        run(hr, {"ci8": 1.0}, seed=seed)
    assert set(sizes) == {32, 64, 256}
    for name, share in (("none", 0.6), ("diffuse", 0.25), ("ordered", 0.15)):
        assert drawn[name] / 600 == pytest.approx(share, abs=0.06)


def test_colours_of_a_palette_are_few():
    hr = noise(2, 3, 64, 64)
    for seed in range(8):
        lr = run(hr, {"ci4": 1.0}, seed=seed)
        for picture in lr:
            assert len(torch.unique(picture.flatten(1), dim=1).T) <= 16


def test_dice_draw_from_one_generator():
    dice = [Dice(torch.Generator().manual_seed(4)) for _ in range(2)]
    rolls = [
        (
            d.chance(0.5),
            d.one_of(9),
            d.number(2, 3),
            d.uniform(-1, 1, 4, torch.zeros(())).tolist(),
            d.names({"a": 1, "b": 3}, 2000),
        )
        for d in dice
    ]
    assert rolls[0][:4] == rolls[1][:4]
    assert 0 <= rolls[0][1] < 9
    assert 2 <= rolls[0][2] < 3
    (_, a), (_, b) = rolls[0][4]
    assert sorted([*a.tolist(), *b.tolist()]) == list(range(2000))
    assert len(b) / 2000 == pytest.approx(0.75, abs=0.04)
    assert not any(dice[0].chance(0.0) for _ in range(50))
    assert all(dice[0].chance(1.0) for _ in range(50))


def test_roughen_takes_shares_and_leaves_the_rest_alone():
    hr = clouds(200, 32)
    kept = hr.clone()
    assert roughen(hr, torch.Generator().manual_seed(1)) is hr
    dark = roughen(hr, torch.Generator().manual_seed(1), dark=0.25)
    assert torch.equal(hr, kept)
    changed = (dark != hr).flatten(1).any(1)
    assert 30 < changed.sum() < 70
    gain = dark[changed].mean((1, 2, 3)) / hr[changed].mean((1, 2, 3))
    assert gain.min() > 0.1
    assert gain.max() < 0.72
    assert torch.equal(dark, round_8bit(dark))


def test_grit_is_noise_of_each_texels_own_brightness():
    black_and_grey = torch.zeros(300, 3, 32, 32)
    black_and_grey[..., 16:] = 0.5
    rough = roughen(black_and_grey, torch.Generator().manual_seed(2), grit=1.0)
    assert (rough[..., :16] == 0).all()  # the dark stays dark
    grey = rough[..., 16:]
    assert (grey.amax(1) - grey.amin(1)).max() <= 1 / 255  # and grey stays grey
    assert (grey.mean((1, 2, 3)) - 0.5).abs().mean() < 0.02
    spread = grey[:, 0].flatten(1).std(1) / 0.5
    assert 0.1 < spread.mean() < 0.25  # amounts are even from 0 to 0.35
    steps_down, steps_across = (grey[:, 0].diff(dim=axis).abs().mean((1, 2)) for axis in (1, 2))
    assert (steps_down / steps_across).std() > 0.2  # some run across, some down


def test_the_colours_of_a_game_are_ramps_of_few_hues():
    hues = torch.tensor([[[0.2, 0.1, 0.0], [1.0, 1.0, 1.0]], [[0.0, 0.0, 0.0], [0.1, 0.2, 0.9]]])
    palettes = ramp_palettes(hues, 16, torch.Generator().manual_seed(3))
    assert palettes.shape == (2, 32, 3)
    assert torch.equal(palettes, round_8bit(palettes))
    for ramp, hue in zip(palettes.view(4, 16, 3), hues.view(4, 3), strict=True):
        bright = ramp.amax(1)
        assert (bright.diff() >= 0).all()
        assert bright[0] < 0.1
        assert bright[-1] == 1
        shade = hue / hue.max() if hue.max() else torch.ones(3)
        assert torch.allclose(ramp, bright[:, None] * shade, atol=6 / 255)  # a hue has no channel of 0


def test_a_texture_in_the_colours_of_a_game_has_only_those():
    hr = clouds(4, 128)
    for seed in range(4):
        lr = run(hr, {"game": 1.0}, seed=seed)
        for picture in lr:
            assert len(torch.unique(picture.flatten(1), dim=1).T) <= 256
