"""What a run was worth: PSNR of held-out pictures before and after, beside bicubic."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from texup.degradations import GAME, downscale, round_8bit
from texup.metrics import imresize
from texup.metrics.resizing import as_bytes
from texup.models.loading import load_model
from texup.training.data.pictures import Picture
from texup.training.run.validation import HeldOutCrop, fixed_samples, mean_psnr, upscale_crops

CLEAN, STORED = "clean", "stored"


@dataclass(frozen=True, slots=True)
class Gain:
    """Mean PSNR-Y in dB."""

    before: float
    after: float
    bicubic: float

    @property
    def is_loss(self) -> bool:
        """Whether the result is worse than the start."""
        return self.after < self.before


def measure(
    pictures: Sequence[Picture], start: Path, result: Path, scale: int, device: torch.device, *, multiple: int = 1
) -> dict[str, Gain]:
    """Return what the weights in ``result`` gain over those in ``start``, on the middles of ``pictures``.

    Under ``CLEAN``: reduced by bicubic. Under ``STORED``: as games stored them, the pictures sharing out the
    degradations of ``GAME``, so that each of these is met; nothing is drawn.

    Args:
        pictures: up to 16; none give no gains.
        start: weights of a net of ``scale``.
        result: other weights of such a net.
        scale: the factor.
        device: where the nets run.
        multiple: what low-resolution sides must be multiples of.

    Raises:
        WeightsError: weights are refused.
    """
    if not pictures:
        return {}
    clean = fixed_samples(pictures, scale, device, multiple=multiple)
    nets = [load_model(path).net.to(device) for path in (start, result)]
    gains = {}
    for name, samples in {CLEAN: clean, STORED: store_crops(clean, scale)}.items():
        before, after = (mean_psnr(upscale_crops(net, samples), samples, scale) for net in nets)
        gains[name] = Gain(before, after, mean_psnr([_bicubic(s) for s in samples], samples, scale))
    return gains


def store_crops(samples: Sequence[HeldOutCrop], scale: int) -> list[HeldOutCrop]:
    """Return samples with what games would have stored of them: each at least once, and each degradation, too."""
    number = max(len(samples), -(-len(GAME) // len(samples)) * len(samples))
    pairs = zip(itertools.cycle(samples), itertools.cycle(GAME.values()), range(number), strict=False)
    found = []
    for sample, degrade, _ in pairs:
        hr = torch.from_numpy(sample.hr).permute(2, 0, 1)[None].to(sample.lr) / 255
        found.append(dataclasses.replace(sample, lr=round_8bit(degrade(round_8bit(downscale(hr, scale, "box"))))))
    return found


def _bicubic(sample: HeldOutCrop) -> NDArray[np.uint8]:
    lr = (sample.lr[0].permute(1, 2, 0) * 255).round().to(torch.uint8).cpu().numpy()
    return as_bytes(imresize(lr, (sample.hr.shape[0], sample.hr.shape[1])))
