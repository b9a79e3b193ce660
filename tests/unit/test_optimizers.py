"""Muon against the exact answer, who gets which optimizer, and the schedule of the rates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from texup.training.config import Optimisation
from texup.training.objective.optimizers import Muon, build_optimizers, orthogonalise, rate_at

from ..builders import tiny_net


def test_the_rate_rises_then_falls_to_zero():
    cosine = Optimisation(warm_up=0.1)
    assert rate_at(0, cosine) == 0
    assert rate_at(0.05, cosine) == pytest.approx(0.5)
    assert rate_at(0.1, cosine) == 1
    assert rate_at(0.55, cosine) == pytest.approx(0.5)
    assert rate_at(1, cosine) == pytest.approx(0)
    assert rate_at(1.7, cosine) == pytest.approx(0)  # the last iteration may end late
    assert rate_at(0, Optimisation(warm_up=0)) == 1
    falling = [rate_at(s, cosine) for s in np.linspace(0.1, 1, 50)]
    assert falling == sorted(falling, reverse=True)


def test_the_rate_falls_in_steps_or_stays():
    steps = Optimisation(schedule="steps", steps=(0.5, 0.75), factor=0.1, warm_up=0.2)
    rates = [rate_at(s, steps) for s in (0.1, 0.2, 0.499, 0.5, 0.75, 1)]
    assert rates == pytest.approx([0.5, 1, 1, 0.1, 0.01, 0.01])
    constant = Optimisation(schedule="constant", warm_up=0.2)
    assert [rate_at(s, constant) for s in (0, 0.1, 0.2, 1)] == pytest.approx([0, 0.5, 1, 1])


@pytest.mark.parametrize("shape", [(6, 6), (8, 27), (27, 8), (16, 144)])
def test_muon_makes_every_direction_count_alike(shape):
    torch.manual_seed(0)
    spread = torch.diag_embed(torch.logspace(0, -1, min(shape)).expand(3, -1))
    u, _, v = torch.linalg.svd(torch.randn(3, *shape), full_matrices=False)
    result = orthogonalise(u @ spread @ v * 7)
    values = torch.linalg.svdvals(result)
    assert values.min() > 0.6
    assert values.max() < 1.3
    exact = u @ v
    cosine = (result * exact).sum((1, 2)) / result.norm(dim=(1, 2)) / exact.norm(dim=(1, 2))
    assert cosine.min() > 0.95
    torch.testing.assert_close(orthogonalise(result[:1] * 100), orthogonalise(result[:1]), atol=1e-4, rtol=1e-4)


def test_muon_steps_against_the_momentum_in_one_size_whatever_the_gradient():
    torch.manual_seed(0)
    filters = [nn.Parameter(torch.randn(8, 4, 3, 3)) for _ in range(2)] + [nn.Parameter(torch.randn(72, 4, 3, 3))]
    before = [f.detach().clone() for f in filters]
    gradients = [torch.randn_like(f) * 10**k for k, f in enumerate(filters)]
    for f, gradient in zip(filters, gradients, strict=True):
        f.grad = gradient.clone()
    Muon(filters, lr=0.5).step()
    for f, old, gradient in zip(filters, before, gradients, strict=True):
        moved = (f.detach() - old).flatten(1)
        scale = max(1, f.shape[0] / 36) ** 0.5
        expected = -0.5 * scale * orthogonalise(gradient.flatten(1)[None])[0]
        torch.testing.assert_close(moved, expected, atol=1e-4, rtol=1e-3)


def test_muon_takes_the_hidden_filters_and_adam_the_rest():
    net = tiny_net("RRDBNet")
    muon, adam = build_optimizers(net, Optimisation(kind="muon", muon_rate=0.03, adam_rate=1e-3, betas=(0.8, 0.9)))
    assert (muon.defaults["lr"], adam.defaults["lr"], adam.defaults["betas"]) == (0.03, 1e-3, (0.8, 0.9))
    hidden = {id(p) for p in muon.param_groups[0]["params"]}
    names = {name for name, p in net.named_parameters() if id(p) in hidden}
    assert "body.0.rdb1.conv1.weight" in names
    assert "conv_up1.weight" in names
    assert not {n for n in names if n.startswith(("conv_first", "conv_last")) or n.endswith("bias")}
    rest = {id(p) for p in adam.param_groups[0]["params"]}
    assert hidden | rest == {id(p) for p in net.parameters()}
    assert not hidden & rest
    (alone,) = build_optimizers(net, Optimisation(kind="adam"))
    assert len(alone.param_groups[0]["params"]) == len(list(net.parameters()))


def test_muon_takes_no_closure():
    with pytest.raises(ValueError, match="no closure"):
        Muon([nn.Parameter(torch.ones(2, 2, 3, 3))]).step(lambda: 0.0)
