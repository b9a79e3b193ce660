"""One iteration of training, in the order in which it happens."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from texup.degradations import downscale, round_8bit
from texup.engines.devices.precision import multiplies_bfloat16
from texup.errors import UsageError
from texup.nets.features import VGGFeatures
from texup.nets.srvgg import SRVGGNetCompact, at_scale
from texup.training.config import Recipe
from texup.training.data.degrade import degrade, roughen
from texup.training.data.pictures import Patches
from texup.training.data.pixel_art import pixel_art_pair
from texup.training.objective.losses import (
    feature_distance,
    gram_distance,
    ldl_loss,
    pixel_loss,
    random_offset,
    relativistic_loss,
    standard_loss,
    weighed_by_alpha,
)
from texup.training.objective.optimizers import build_optimizers, rate_at
from texup.training.objective.systems import build_discriminator, build_features, build_generator, frozen
from texup.training.run.distributed import World

Losses = dict[str, Tensor]


class Trainer:
    """The nets, the optimizers and the data of one run; ``step`` is one iteration.

    The nets run in bfloat16 where the device multiplies it and autocast allows it; losses are always in float32.
    """

    def __init__(
        self,
        recipe: Recipe,
        patches: Patches,
        device: torch.device,
        *,
        vgg_weights: Path | None = None,
    ) -> None:
        """Build everything that the recipe asks for on ``device``.

        Raises:
            UsageError: the recipe asks for what cannot be built.
            WeightsError: ``vgg_weights`` are not torchvision's.
        """
        torch.manual_seed(recipe.seed)
        self.recipe, self.patches, self.device, self.world = recipe, patches, device, World()
        self.bfloat16 = multiplies_bfloat16(device)
        self.rng = patches.generator
        self.generator = self._placed(build_generator(recipe.net, recipe.scale))
        self.ema = copy.deepcopy(self.generator).eval().requires_grad_(requires_grad=False)
        try:
            self.optimizers = build_optimizers(self.generator, recipe.optimizer)
        except ValueError as error:  # Muon finds no filters
            raise UsageError(f"optimizer: {recipe.optimizer.kind} cannot train this net: {error}") from error
        self.features: nn.Module | None = None
        if recipe.loss.perceptual or recipe.loss.gram:
            self.features = self._placed(build_features(recipe.features, vgg_weights))
        is_random = isinstance(self.features, VGGFeatures) and vgg_weights is None
        self.redraw_every = recipe.features.redraw_every if is_random else 0
        self.redrawn_from: Tensor | None = None  # state of the generator before the feature net was last drawn
        self.discriminator: nn.Module | None = None
        if recipe.loss.adversarial:
            self.discriminator = self._placed(build_discriminator(recipe.discriminator, recipe))
            self.d_optimizer = Adam(
                self.discriminator.parameters(), recipe.discriminator.rate, betas=recipe.optimizer.betas
            )
        self.base_rates = [group["lr"] for group in self._groups()]
        self.trained, self.d_trained = self.generator, self.discriminator
        self.iteration = 0

    def join(self, world: World) -> None:
        """Take each step from now on together with the other processes of ``world``, which all call this."""
        self.world = world
        self.trained = world.wrapped(self.generator)
        if self.discriminator is not None:
            self.d_trained = world.wrapped(self.discriminator)

    def begin_from(self, weights: dict[str, Tensor]) -> None:
        """Take the weights to start from; those of a compact net of a larger scale begin as that net, reduced.

        Raises:
            UsageError: they are of another net.
        """
        if isinstance(self.generator, SRVGGNetCompact):
            weights = at_scale(weights, self.recipe.scale)
        for net in (self.generator, self.ema):
            try:
                net.load_state_dict(weights)
            except RuntimeError as error:
                raise UsageError(
                    "the weights to start from do not fit the recipe's net; change `net` or `scale`"
                ) from error

    def _placed(self, net: nn.Module) -> nn.Module:
        placed: nn.Module = net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return placed

    def is_waiting(self, share: float) -> bool:
        """Tell whether only the discriminator learns at ``share`` of the budget."""
        return self.discriminator is not None and share < self.recipe.discriminator.warm_up

    def _groups(self) -> Iterator[dict[str, Any]]:
        optimizers = [*self.optimizers, self.d_optimizer] if self.discriminator is not None else self.optimizers
        for optimizer in optimizers:
            yield from optimizer.param_groups

    def step(self, share: float) -> Losses:
        """Run one iteration at ``share`` of the budget; return the weighted losses, detached, on the device."""
        for group, base in zip(self._groups(), self.base_rates, strict=True):
            group["lr"] = base * rate_at(share, self.recipe.optimizer)
        lr, hr = self.batch(share)
        if self.redraw_every and self.iteration % self.redraw_every == 0:
            self._redraw(self.rng.get_state())
        is_waiting = self.is_waiting(share)
        with torch.set_grad_enabled(not is_waiting), self._autocast():
            sr = self.trained(lr).float()
        losses: Losses = {}
        if not is_waiting:
            losses = self.generator_losses(sr, lr, hr)
            self._update_generator(torch.stack(list(losses.values())).sum())
        if self.discriminator is not None:
            losses["discriminator"] = self._update_discriminator(sr.detach(), hr)
        self.iteration += 1
        return {name: loss.detach() for name, loss in losses.items()}

    def _redraw(self, state: Tensor) -> None:
        """Draw the feature net anew from the generator in ``state``."""
        assert self.features is not None
        self.redrawn_from = state
        self.rng.set_state(state)
        self.features.redraw(self.rng)  # type: ignore[operator]

    def batch(self, share: float) -> tuple[Tensor, Tensor]:
        """Return this process's part of a fresh (N, C, h, w), (N, C, h*scale, w*scale) pair; C is 4 for pixel art."""
        data, scale = self.recipe.data, self.recipe.scale
        count, side = self.recipe.patches_at(share)
        hr, places = self.patches.draw(count, side * scale * data.shrink)
        if data.pixel_art:
            return self._laid_out(*pixel_art_pair(hr, scale, self.rng))
        if data.shrink > 1:
            hr = round_8bit(downscale(hr, data.shrink, "box"))
        hr = roughen(hr, self.rng, dark=data.dark, grit=data.grit)

        def texels(at: Tensor, number: int) -> Tensor:
            return self.patches.nearby(places[:, at.to(places.device)], number, scale * data.shrink)

        filters = {"blur": data.blur, "sharpen": data.sharpen, "noise": data.noise}
        lr = degrade(hr, scale, data.kernels, data.formats, texels, self.rng, **filters)
        return self._laid_out(lr, hr)

    def _laid_out(self, lr: Tensor, hr: Tensor) -> tuple[Tensor, Tensor]:
        """Return this process's part of a pair, in the layout of the nets."""
        layout = torch.channels_last
        return self.world.part(lr).to(memory_format=layout), self.world.part(hr).to(memory_format=layout)

    def generator_losses(self, sr: Tensor, lr: Tensor, hr: Tensor) -> Losses:
        """Return the weighted losses of the generator; those of weight zero are left out."""
        weights, scale = self.recipe.loss, self.recipe.scale
        if self.recipe.data.pixel_art:
            sr, hr = weighed_by_alpha(sr), weighed_by_alpha(hr)
        losses: Losses = {}
        if weights.pixel:
            losses["pixel"] = weights.pixel * pixel_loss(sr, hr, weights.pixel_kind)
        if weights.consistency:
            losses["consistency"] = weights.consistency * F.l1_loss(F.avg_pool2d(sr, scale), F.avg_pool2d(hr, scale))
        if self.features is not None:
            losses |= self._feature_losses(self.features, sr, hr)
        if self.discriminator is not None:
            losses |= self._judged(sr, hr)
        if weights.ldl:
            with torch.no_grad(), self._autocast():
                steady = self.ema(lr).float()
            losses["ldl"] = weights.ldl * ldl_loss(sr, steady, hr)
        return losses

    def _feature_losses(self, net: nn.Module, sr: Tensor, hr: Tensor) -> Losses:
        weights, losses = self.recipe.loss, {}
        ours, theirs = random_offset(sr, hr, self.rng)
        with self._autocast():
            features = net(ours)
            with torch.no_grad():
                targets = net(theirs)
        features, targets = ([f.float() for f in taps] for taps in (features, targets))
        if weights.perceptual:
            losses["perceptual"] = weights.perceptual * feature_distance(
                features, targets, self.recipe.features.criterion
            )
        if weights.gram:
            losses["gram"] = weights.gram * gram_distance(features, targets)
        return losses

    def _judged(self, sr: Tensor, hr: Tensor) -> Losses:
        """Return what the discriminator, held still, makes of the result."""
        assert self.discriminator is not None
        weights = self.recipe.loss
        with frozen(self.discriminator), self._autocast():
            fake, ours = self.discriminator.forward_features(sr)  # type: ignore[operator]
            with torch.no_grad():
                real, theirs = self.discriminator.forward_features(hr)  # type: ignore[operator]
        if self.recipe.discriminator.relativistic:
            adversarial = relativistic_loss(fake.float(), real.float())
        else:
            adversarial = standard_loss(fake.float(), real=True)
        losses = {"adversarial": weights.adversarial * adversarial}
        if weights.matching:
            ours, theirs = ([f.float() for f in taps] for taps in (ours, theirs))
            losses["matching"] = weights.matching * feature_distance(ours, theirs, "relative")
        return losses

    def _update_generator(self, loss: Tensor) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.recipe.optimizer.clip:
            nn.utils.clip_grad_norm_(self.generator.parameters(), self.recipe.optimizer.clip)
        for optimizer in self.optimizers:
            optimizer.step()
        self.world.average_buffers(self.generator)
        self._update_ema()

    def _update_discriminator(self, sr: Tensor, hr: Tensor) -> Tensor:
        assert self.d_trained is not None
        self.d_optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            real, fake = self.d_trained(hr).float(), self.d_trained(sr).float()
        if self.recipe.discriminator.relativistic:
            loss = relativistic_loss(real, fake)
        else:
            loss = 0.5 * (standard_loss(real, real=True) + standard_loss(fake, real=False))
        loss.backward()  # type: ignore[no-untyped-call]
        self.d_optimizer.step()
        self.world.average_buffers(self.d_trained)
        return loss

    @torch.no_grad()
    def _update_ema(self) -> None:
        """Move the averaged net towards the trained one; faster at the start, when the average is still young."""
        decay = min(self.recipe.optimizer.ema, (1 + self.iteration) / (10 + self.iteration))
        for average, value in zip(self.ema.state_dict().values(), self.generator.state_dict().values(), strict=True):
            if average.is_floating_point():
                average.lerp_(value, 1 - decay)
            else:
                average.copy_(value)  # batch norm counts its batches

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)

    def state(self) -> dict[str, Any]:
        """Return everything that a resumed run needs."""
        state: dict[str, Any] = {
            "iteration": self.iteration,
            "generator": self.generator.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "rng": self.rng.get_state(),
            "redrawn_from": self.redrawn_from,
            "torch_rng": torch.get_rng_state(),
        }
        if self.device.type == "cuda":
            state["cuda_rng"] = torch.cuda.get_rng_state(self.device)
        if self.discriminator is not None:
            state |= {"discriminator": self.discriminator.state_dict(), "d_optimizer": self.d_optimizer.state_dict()}
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up where ``state`` was written."""
        self.iteration = state["iteration"]
        self.generator.load_state_dict(state["generator"])
        self.ema.load_state_dict(state["ema"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        if state["redrawn_from"] is not None:
            self._redraw(state["redrawn_from"])  # smaller than the net itself
        self.rng.set_state(state["rng"])
        torch.set_rng_state(state["torch_rng"])
        if "cuda_rng" in state and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_rng"], self.device)
        if self.discriminator is not None:
            self.discriminator.load_state_dict(state["discriminator"])
            self.d_optimizer.load_state_dict(state["d_optimizer"])
