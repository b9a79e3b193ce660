"""Muon for convolutions, with Adam for everything else."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from texup.training.config import Optimisation

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # quintic coefficients of the reference implementation
NEWTON_SCHULZ_STEPS = 5


def orthogonalise(gradients: Tensor) -> Tensor:
    """Return the nearest semi-orthogonal matrices of a stack (B, rows, columns), by Newton-Schulz iteration."""
    a, b, c = NEWTON_SCHULZ
    x = gradients / (gradients.norm(dim=(1, 2), keepdim=True) + 1e-7)
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = x.mT if tall else x
    return result


class Muon(Optimizer):
    """Nesterov momentum whose update is orthogonalised; filters of one shape are stacked and done together.

    References:
        Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024, and its repository
        KellerJordan/Muon (filters flattened to (out, in*k*k), scale sqrt(max(1, rows/columns))).
    """

    def __init__(self, params: Iterable[Tensor], lr: float = 0.02, momentum: float = 0.95) -> None:
        """Take 4-D filters ``params``, a rate ``lr`` and the ``momentum`` of the running gradient."""
        super().__init__(list(params), {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Apply one update."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            stacks: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    stacks[p.shape].append(p)
            for params in stacks.values():
                updates = []
                for p in params:
                    assert p.grad is not None
                    state = self.state[p]
                    if not state:
                        state["momentum"] = torch.zeros_like(p)
                    momentum = state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                    updates.append(p.grad.lerp(momentum, group["momentum"]).flatten(1))
                stack = orthogonalise(torch.stack(updates))
                stack *= max(1.0, stack.shape[1] / stack.shape[2]) ** 0.5
                for p, update in zip(params, stack, strict=True):
                    p.add_(update.view_as(p), alpha=-group["lr"])


def build_optimizers(net: nn.Module, wanted: Optimisation) -> list[Optimizer]:
    """Return the optimizers of ``net``: Adam alone, or Muon for all filters but the first and the last."""
    adam: dict[str, Any] = {"lr": wanted.adam_rate, "betas": wanted.betas}
    if wanted.kind == "adam":
        return [Adam(net.parameters(), **adam)]
    hidden = [p for p in net.parameters() if p.ndim == 4][1:-1]
    chosen = {id(p) for p in hidden}
    rest = [p for p in net.parameters() if id(p) not in chosen]
    return [Muon(hidden, lr=wanted.muon_rate), Adam(rest, **adam)]


def rate_at(share: float, wanted: Optimisation) -> float:
    """Return the factor of the learning rates at a share of the budget: a linear rise, then the schedule."""
    if share < wanted.warm_up:
        return share / wanted.warm_up
    if wanted.schedule == "steps":
        return wanted.factor ** sum(share >= step for step in wanted.steps)
    if wanted.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (share - wanted.warm_up) / (1 - wanted.warm_up))))
