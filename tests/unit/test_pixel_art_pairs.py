"""texup.training.data.pixel_art: what a drawing becomes as pixel art, and what a net then learns from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from texup.degradations.reduce import most_typical
from texup.training.config import recipe_of
from texup.training.data import pixel_art
from texup.training.data.pictures import Patches, Picture
from texup.training.data.pixel_art import pixel_art_pair
from texup.training.run.trainer import Trainer


def discs(count=8, side=64):
    """Return drawings (count, 4, side, side) of a red disc on nothing, its edge smooth."""
    y, x = torch.meshgrid(torch.arange(side) + 0.5, torch.arange(side) + 0.5, indexing="ij")
    alpha = (side / 3 - torch.hypot(y - side / 2, x - side / 2)).clamp(-0.5, 0.5) + 0.5
    red = torch.tensor((0.8, 0.2, 0.2))[:, None, None].expand(3, side, side)
    return torch.cat((red, alpha[None]))[None].repeat(count, 1, 1, 1)


def colours_of(texels):
    return {tuple(texel) for texel in texels.permute(1, 2, 0).reshape(-1, texels.shape[0]).tolist()}


def without(monkeypatch, *names):
    for name in names:
        monkeypatch.setattr(pixel_art, name, 0.0)


def test_a_texel_is_the_most_typical_pixel_of_its_square():
    square = torch.tensor([[0.1, 0.1, 0.9, 0.1], [0.1, 0.1, 0.9, 0.9], [0.1, 0.5, 0.9, 0.9], [0.1, 0.1, 0.1, 0.9]])
    hr = torch.stack((square, square, square, torch.ones(4, 4)))[None]
    assert most_typical(hr, 4).flatten().tolist() == pytest.approx([0.1, 0.1, 0.1, 1.0])
    random = torch.rand(2, 4, 12, 8, generator=torch.Generator().manual_seed(1))
    texels = most_typical(random, 4)
    assert texels.shape == (2, 4, 3, 2)
    for n in range(2):
        assert colours_of(texels[n]) <= colours_of(random[n])


def test_what_does_not_show_does_not_decide_a_texel():
    hr = torch.zeros(1, 4, 4, 4)
    hr[:, 3] = 0
    hr[:, 0] = torch.rand(4, 4, generator=torch.Generator().manual_seed(1))
    hr[:, :, :3] = torch.tensor((0.0, 1.0, 0.0, 1.0)).view(1, 4, 1, 1)
    assert most_typical(hr, 4).flatten().tolist() == [0, 1, 0, 1]


def test_a_drawing_becomes_pixel_art_of_its_own_colours(monkeypatch):
    without(monkeypatch, "SQUARE", "FEW")
    lr, hr = pixel_art_pair(discs(), 4, torch.Generator().manual_seed(2))
    assert lr.shape == (8, 4, 16, 16)
    assert hr.shape == (8, 4, 64, 64)
    assert set(lr[:, 3].flatten().tolist()) <= {0.0, 1.0}
    has_alpha = [bool((one[3] == 0).any()) for one in lr]
    assert any(has_alpha)
    assert not all(has_alpha)
    for texels, drawing in zip(lr, hr, strict=True):
        assert 1 < len(colours_of(texels)) < len(colours_of(drawing))
        assert (texels * 255 - (texels * 255).round()).abs().max() < 1e-4


def test_what_is_drawn_of_whole_texels_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(pixel_art, "SQUARE", 1.0)
    lr, hr = pixel_art_pair(discs(24), 4, torch.Generator().manual_seed(2))
    repeated = lr.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert (repeated - hr).abs().max() <= 0.5 / 255 + 1e-6
    assert len({len(colours_of(one)) for one in lr}) > 3
    assert all(len(colours_of(one)) <= pixel_art.SQUARE_COLOURS[1] for one in lr)


def test_few_colours_are_few_and_come_from_what_shows(monkeypatch):
    without(monkeypatch, "SQUARE")
    monkeypatch.setattr(pixel_art, "FEW", 1.0)
    noise = torch.rand(4, 4, 64, 64, generator=torch.Generator().manual_seed(3))
    noise[:, 3] = 1
    lr, _ = pixel_art_pair(noise, 4, torch.Generator().manual_seed(2))
    assert all(len(colours_of(one)) <= max(pixel_art.FEW_COLOURS) for one in lr)
    nothing, _ = pixel_art_pair(
        noise * torch.tensor((1, 1, 1, 0.0)).view(1, 4, 1, 1), 4, torch.Generator().manual_seed(2)
    )
    assert nothing.isfinite().all()


def test_pairs_are_the_same_for_one_seed():
    ours, theirs = (pixel_art_pair(discs(), 4, torch.Generator().manual_seed(2)) for _ in range(2))
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one, other)


def test_a_net_learns_from_pairs_with_alpha():
    pixels = (discs(1)[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    pictures = [Picture("discs", np.tile(pixels, (2, 2, 1)), (False, False))]
    recipe = recipe_of(
        {
            "name": "tiny",
            "net": {"architecture": "KernelPrediction", "num_feat": 4, "num_conv": 1},
            "batch": 4,
            "lr_patch": 8,
            "optimizer": {"kind": "adam", "adam_rate": 1e-2},
            "data": {"pixel_art": True, "halves": False},
        }
    )
    patches = Patches(pictures, torch.Generator().manual_seed(1), torch.device("cpu"), alpha=True)
    trainer = Trainer(recipe, patches, torch.device("cpu"))
    losses = [float(trainer.step(0.5)["pixel"]) for _ in range(60)]
    assert np.mean(losses[-20:]) < 0.9 * np.mean(losses[:20])


def test_colour_that_does_not_show_is_no_loss():
    sr, hr = torch.rand(2, 1, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    sr[:, 3], hr[:, 3] = 0, 0
    recipe = recipe_of({"name": "tiny", "data": {"pixel_art": True}, "net": {"architecture": "KernelPrediction"}})
    picture = Picture("one", np.full((192, 192, 4), 255, np.uint8), (False, False))
    patches = Patches([picture], torch.Generator(), torch.device("cpu"), alpha=True)
    trainer = Trainer(recipe, patches, torch.device("cpu"))
    assert float(trainer.generator_losses(sr, hr, hr)["pixel"]) == 0
