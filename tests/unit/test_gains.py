"""What a run is said to be worth is what its weights do to pictures, by formulas of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from texup.degradations import GAME
from texup.metrics import imresize, psnr_y
from texup.metrics.resizing import as_bytes
from texup.models.weights import save_weights
from texup.training.data.pictures import Picture
from texup.training.gains import CLEAN, STORED, Gain, measure, store_crops
from texup.training.run.validation import fixed_samples

from ..builders import tiny_net

CPU = torch.device("cpu")


@pytest.fixture
def pictures(wall) -> list[Picture]:
    """Walls of sizes that are no multiples of 4, and hence cut in their middles."""
    sizes = [(64, 72), (53, 62), (90, 48)]
    return [Picture("a", wall(*size, seed=k), (False, False), f"{k}.png") for k, size in enumerate(sizes)]


@pytest.fixture
def weights(tmp_path) -> tuple[Path, Path]:
    """Files of an untrained net, and of one that repeats pixels."""
    repeats = tiny_net()
    for value in repeats.parameters():
        value.data.zero_()
    for name, net in {"raw": tiny_net("RRDBNet"), "repeats": repeats}.items():
        save_weights(tmp_path / f"{name}.safetensors", net.state_dict(), {})
    return tmp_path / "raw.safetensors", tmp_path / "repeats.safetensors"


def middle(picture: Picture) -> np.ndarray:
    h, w = (side // 4 * 4 for side in picture.pixels.shape[:2])
    top, left = (picture.pixels.shape[0] - h) // 2, (picture.pixels.shape[1] - w) // 2
    return picture.pixels[top : top + h, left : left + w]


def repeated(lr: np.ndarray) -> np.ndarray:
    return lr.repeat(4, 0).repeat(4, 1)


def test_a_gain_on_clean_pictures_is_the_mean_psnr_of_their_middles(weights, pictures):
    gain = measure(pictures, *weights, 4, CPU)[CLEAN]
    blocks, cubic = [], []
    for hr in map(middle, pictures):
        lr = as_bytes(imresize(hr, (hr.shape[0] // 4, hr.shape[1] // 4)))
        blocks.append(psnr_y(repeated(lr), hr, 4))
        cubic.append(psnr_y(as_bytes(imresize(lr, hr.shape[:2])), hr, 4))
    assert gain.after == pytest.approx(np.mean(blocks), abs=0.05)  # borders are reduced in another way
    assert gain.bicubic == pytest.approx(np.mean(cubic), abs=0.05)
    assert gain.before < gain.after
    turned = measure(pictures, *reversed(weights), 4, CPU)[CLEAN]
    assert (turned.before, turned.after, turned.bicubic) == (gain.after, gain.before, gain.bicubic)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_stored_pictures_meet_every_degradation_and_all_equally_often(weights, pictures, number):
    samples = fixed_samples(pictures[:number], 4, CPU)
    found = store_crops(samples, 4)
    assert len(found) == {1: 7, 2: 8, 3: 9}[number]
    kinds, scores = list(GAME), []
    for k, sample in enumerate(found):
        hr = middle(pictures[k % number])
        np.testing.assert_array_equal(sample.hr, hr)
        source = torch.from_numpy(hr.copy()).permute(2, 0, 1)[None].float() / 255
        lr = GAME[kinds[k % 7]]((F.avg_pool2d(source, 4) * 255).round() / 255)
        torch.testing.assert_close(sample.lr, lr)
        scores.append(psnr_y(repeated((sample.lr[0].permute(1, 2, 0) * 255).round().byte().numpy()), hr, 4))
    gains = measure(pictures[:number], *weights, 4, CPU)
    assert gains[STORED].after == pytest.approx(np.mean(scores))
    assert gains[STORED] == measure(pictures[:number], *weights, 4, CPU)[STORED]


def test_without_pictures_nothing_is_known(weights):
    assert measure([], *weights, 4, CPU) == {}


def test_a_loss_is_a_lower_number():
    assert Gain(30.0, 29.9, 0.0).is_loss
    assert not Gain(30.0, 30.0, 40.0).is_loss


def test_sides_fit_nets_that_fold_their_input(tmp_path, pictures):
    path = tmp_path / "x2.safetensors"
    save_weights(path, tiny_net("RRDBNet", scale=2, unshuffle=2).state_dict(), {})
    gains = measure(pictures, path, path, 2, CPU, multiple=2)
    assert all(gain.before == gain.after > 0 for gain in gains.values())
