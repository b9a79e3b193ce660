"""One training loop for both stages; the losses of the recipe decide which one it is."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from texup.errors import UsageError
from texup.metrics import psnr_y
from texup.models.weights import save_weights
from texup.nets.discriminators import UNetDiscriminator
from texup.nets.features import RandomVGG
from texup.nets.rrdbnet import RRDBNet
from texup.training.checkpoint import load_checkpoint, save_checkpoint
from texup.training.config import Recipe
from texup.training.data import Patches, load_pictures
from texup.training.degrade import cut_out_masks, degrade, downscale
from texup.training.losses import perceptual_loss, relativistic_loss
from texup.training.optimizers import build_optimizers

VALIDATE_EVERY = 250


@dataclass(frozen=True, slots=True)
class Progress:
    """What one report of the loop says."""

    iteration: int
    share: float
    """Share of the budget that is spent, 0 to 1."""
    losses: dict[str, float]
    psnr: float | None
    """Mean PSNR-Y of the averaged net on the validation pictures, in dB; None between validations."""


def rate_at(share: float, warm_up: float) -> float:
    """Return the factor of the learning rate at a share of the budget: linear rise, then a cosine to zero."""
    if share < warm_up:
        return share / warm_up
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (share - warm_up) / (1 - warm_up))))


class Trainer:
    """The nets, the optimizers and the data of one run; ``step`` is one iteration, in the order in which it happens."""

    def __init__(self, recipe: Recipe, patches: Patches, device: torch.device) -> None:
        """Build everything that the recipe asks for on ``device``."""
        torch.manual_seed(recipe.seed)
        self.recipe, self.patches, self.device = recipe, patches, device
        self.cpu_rng = torch.Generator().manual_seed(recipe.seed)
        layout = torch.channels_last
        self.generator = RRDBNet(scale=recipe.scale, **recipe.net).to(device, memory_format=layout)  # type: ignore[call-overload]
        self.ema = copy.deepcopy(self.generator).eval().requires_grad_(requires_grad=False)
        self.optimizers = build_optimizers(self.generator, recipe.optimizer, recipe.muon_rate, recipe.adam_rate)
        self.base_rates = [group["lr"] for o in self.optimizers for group in o.param_groups]
        self.features = RandomVGG().to(device) if recipe.perceptual_weight else None
        self.discriminator: UNetDiscriminator | None = None
        if recipe.adversarial_weight:
            self.discriminator = UNetDiscriminator(num_feat=recipe.discriminator_feat).to(device)
            self.d_optimizer = Adam(self.discriminator.parameters(), recipe.discriminator_rate, betas=(0.9, 0.99))
        self.iteration = 0

    def step(self, share: float) -> dict[str, float]:
        """Run one iteration at ``share`` of the budget; return the losses."""
        for group, base in zip((g for o in self.optimizers for g in o.param_groups), self.base_rates, strict=True):
            group["lr"] = base * rate_at(share, self.recipe.warm_up)
        lr, hr = self.batch()
        if self.features is not None and self.iteration % self.recipe.redraw_every == 0:
            self.features.redraw()
        sr = self.generator(lr)
        losses: dict[str, Tensor] = {}
        if share >= self.recipe.discriminator_warm_up:
            losses = self.generator_losses(sr, lr, hr)
            for optimizer in self.optimizers:
                optimizer.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.generator.parameters(), self.recipe.clip)
            for optimizer in self.optimizers:
                optimizer.step()
            self.update_ema()
        if self.discriminator is not None:
            self.d_optimizer.zero_grad(set_to_none=True)
            losses["discriminator"] = relativistic_loss(self.discriminator(hr), self.discriminator(sr.detach()))
            losses["discriminator"].backward()  # type: ignore[no-untyped-call]
            self.d_optimizer.step()
        self.iteration += 1
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def batch(self) -> tuple[Tensor, Tensor]:
        """Return a fresh (N, 3, h, w), (N, 3, h*scale, w*scale) pair on the device."""
        r = self.recipe
        hr = self.patches.draw(r.batch, r.lr_patch * r.scale)
        lr = degrade(hr, r.scale, r.downscale, self.cpu_rng)
        masks = int((torch.rand(r.batch, generator=self.cpu_rng) < r.mask_share).sum())
        if masks:
            hr[:masks], lr[:masks] = cut_out_masks(masks, hr.shape[-1], r.scale, self.cpu_rng)
        layout = torch.channels_last
        return lr.to(self.device, memory_format=layout), hr.to(self.device, memory_format=layout)

    def generator_losses(self, sr: Tensor, lr: Tensor, hr: Tensor) -> dict[str, Tensor]:
        """Return the weighted losses of the generator; those of weight zero are left out."""
        r = self.recipe
        losses = {"pixel": r.pixel_weight * F.l1_loss(sr, hr)}
        if r.consistency_weight:
            losses["consistency"] = r.consistency_weight * F.l1_loss(downscale(sr, r.scale, "bicubic"), lr)
        if self.features is not None:
            losses["perceptual"] = r.perceptual_weight * perceptual_loss(self.features, sr, hr)
        if self.discriminator is not None:
            with torch.no_grad():
                real = self.discriminator(hr)
            losses["adversarial"] = r.adversarial_weight * relativistic_loss(self.discriminator(sr), real)
        return losses

    @torch.no_grad()
    def update_ema(self) -> None:
        """Move the averaged net towards the trained one; faster at the start, when the average is still young."""
        decay = min(self.recipe.ema, (1 + self.iteration) / (10 + self.iteration))
        for average, value in zip(self.ema.parameters(), self.generator.parameters(), strict=True):
            average.lerp_(value, 1 - decay)

    def state(self) -> dict[str, Any]:
        """Return everything that a resumed run needs."""
        state: dict[str, Any] = {
            "iteration": self.iteration,
            "generator": self.generator.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "torch_rng": torch.get_rng_state(),
            "cpu_rng": self.cpu_rng.get_state(),
            "patches_rng": self.patches.rng.bit_generator.state,
        }
        if self.discriminator is not None:
            state |= {"discriminator": self.discriminator.state_dict(), "d_optimizer": self.d_optimizer.state_dict()}
        if self.features is not None:
            state["features"] = self.features.state_dict()
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up where ``state`` was written."""
        self.iteration = state["iteration"]
        self.generator.load_state_dict(state["generator"])
        self.ema.load_state_dict(state["ema"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        torch.set_rng_state(state["torch_rng"])
        self.cpu_rng.set_state(state["cpu_rng"])
        self.patches.rng.bit_generator.state = state["patches_rng"]
        if self.discriminator is not None:
            self.discriminator.load_state_dict(state["discriminator"])
            self.d_optimizer.load_state_dict(state["d_optimizer"])
        if self.features is not None:
            self.features.load_state_dict(state["features"])


@torch.inference_mode()
def validate(net: nn.Module, pictures: Sequence[NDArray[np.uint8]], scale: int, device: torch.device) -> float:
    """Return the mean PSNR-Y in dB of ``net`` on bicubically reduced pictures (H, W, 4)."""
    scores = []
    for picture in pictures:
        h, w = (side // scale * scale for side in picture.shape[:2])
        hr = torch.from_numpy(np.ascontiguousarray(picture[:h, :w, :3])).permute(2, 0, 1)[None].to(device)
        lr = downscale(hr.float() / 255, scale, "bicubic").clamp(0, 1).mul(255).round().div(255)
        sr = net(lr).clamp(0, 1).mul(255).round().to(torch.uint8)
        ours, theirs = (x[0].permute(1, 2, 0).cpu().numpy() for x in (sr, hr))
        scores.append(psnr_y(ours, theirs, border=scale))
    return float(np.mean(scores))


def train(
    recipe: Recipe,
    data: Sequence[Path],
    run: Path,
    *,
    seconds: float,
    val: Path | None = None,
    init: dict[str, Tensor] | None = None,
    resume: bool = False,
    device: str = "cpu",
) -> Iterator[Progress]:
    """Train by ``recipe`` for ``seconds`` of training time and write ``run/NAME.safetensors``, the averaged net.

    Yields:
        A report every ``VALIDATE_EVERY`` iterations and at the end; a checkpoint is written before each.

    Raises:
        UsageError: no usable pictures, nothing to resume, or ``init`` is of another net.
        OutputError: the run folder cannot be written.
    """
    trainer = Trainer(
        recipe, Patches(load_pictures(data, recipe.lr_patch * recipe.scale), recipe.seed), torch.device(device)
    )
    pictures = [p for group in load_pictures([val], 64).values() for p in group] if val else []
    spent = 0.0
    if init is not None:
        try:
            trainer.generator.load_state_dict(init)
        except RuntimeError as error:
            raise UsageError("the weights to start from do not fit the recipe's net; adapt `net` or `scale`") from error
        trainer.ema.load_state_dict(init)
    if resume:
        state = load_checkpoint(run)
        spent = state.pop("spent")
        trainer.load_state(state)
    sums: dict[str, float] = {}
    since = 0
    while spent < seconds:
        start = time.perf_counter()
        losses = trainer.step(spent / seconds)
        spent += time.perf_counter() - start
        sums = {k: sums.get(k, 0.0) + v for k, v in losses.items()}
        since += 1
        if trainer.iteration % VALIDATE_EVERY == 0 or spent >= seconds:
            save_checkpoint(run, trainer.state() | {"spent": spent})
            psnr = validate(trainer.ema, pictures, recipe.scale, trainer.device) if pictures else None
            means = {k: v / since for k, v in sums.items()}
            yield Progress(trainer.iteration, min(1.0, spent / seconds), means, psnr)
            sums, since = {}, 0
    facts = {"texup": "1", "recipe": recipe.name, "iterations": str(trainer.iteration), "seconds": f"{spent:.0f}"}
    facts["settings"] = repr(dataclasses.asdict(recipe))
    save_weights(run / f"{recipe.name}.safetensors", trainer.ema.state_dict(), facts)
