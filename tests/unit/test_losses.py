"""Every loss against its formula in numpy or known answers, its laws, and where its gradient goes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from texup.training.objective.losses import (
    FEATURE_CRITERIA,
    PIXEL_CRITERIA,
    artefact_map,
    feature_distance,
    gram,
    gram_distance,
    ldl_loss,
    pixel_loss,
    random_offset,
    relativistic_loss,
    standard_loss,
)

LAW = settings(deadline=None, derandomize=True, max_examples=25)
LOGITS = st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=6).map(torch.tensor)


def noise(*shape, seed=0, grad=False):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)).requires_grad_(grad)


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [("l1", (0.2 + 0.4) / 4), ("mse", (0.04 + 0.16) / 4), ("charbonnier", (0.2 + 0.4 + 2 * 1e-3) / 4)],
)
def test_pixel_criteria_have_known_values(criterion, expected):
    sr, hr = torch.tensor([0.5, 0.5, 0.1, 0.9]), torch.tensor([0.5, 0.3, 0.5, 0.9])
    shape = (1, 1, 2, 2)
    assert float(pixel_loss(sr.view(shape), hr.view(shape), criterion)) == pytest.approx(expected, abs=1e-5)


def test_an_unknown_criterion_is_an_error_and_the_tables_name_the_known():
    assert set(PIXEL_CRITERIA) == {"l1", "mse", "charbonnier"}
    assert set(FEATURE_CRITERIA) == {"relative", "l1", "mse"}
    with pytest.raises(KeyError, match="huber"):
        pixel_loss(noise(1, 3, 4, 4), noise(1, 3, 4, 4), "huber")


def test_both_pictures_lose_the_same_rows_and_columns_of_every_phase():
    picture = torch.arange(16 * 20.0).view(1, 1, 16, 20)
    g = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(600):
        ours, theirs = random_offset(picture, picture + 0.5, g)
        assert torch.equal(ours + 0.5, theirs)
        assert float(ours[0, 0, -1, -1]) == 16 * 20 - 1
        seen.add((16 - ours.shape[2], 20 - ours.shape[3]))
    assert seen == {(top, left) for top in range(8) for left in range(8)}


def test_the_offset_comes_from_the_generator_that_is_given():
    picture = noise(1, 1, 16, 16)
    torch.manual_seed(0)
    shapes = [random_offset(picture, picture)[0].shape for _ in range(5)]
    torch.manual_seed(0)
    g = torch.Generator().manual_seed(1)
    for _ in range(5):
        random_offset(picture, picture, g)
    assert [random_offset(picture, picture)[0].shape for _ in range(5)] == shapes


@pytest.mark.parametrize(("criterion", "expected"), [("relative", (0.5 / 2 + 1 / 4) / 2), ("l1", 0.75), ("mse", 0.625)])
def test_feature_distance_is_the_mean_over_taps(criterion, expected):
    theirs = [torch.full((2, 3, 4, 4), 2.0), torch.full((2, 5, 2, 2), -4.0)]
    ours = [theirs[0] + 0.5, theirs[1] - 1]
    assert float(feature_distance(ours, theirs, criterion)) == pytest.approx(expected)


@LAW
@given(st.floats(0.05, 50), st.integers(0, 99))
def test_the_relative_distance_does_not_know_how_large_features_are(factor, seed):
    ours, theirs = noise(2, 4, 3, 3, seed=seed) + 0.1, noise(2, 4, 3, 3, seed=seed + 100) + 0.1
    scaled = feature_distance([factor * ours], [factor * theirs], "relative")
    assert float(scaled) == pytest.approx(float(feature_distance([ours], [theirs], "relative")), rel=1e-4)


def test_features_without_contrast_divide_by_no_zero():
    nothing = [torch.zeros(1, 2, 4, 4)]
    assert float(feature_distance(nothing, nothing, "relative")) == 0
    assert math.isfinite(feature_distance([noise(1, 2, 4, 4)], nothing, "relative"))


@pytest.mark.parametrize("criterion", FEATURE_CRITERIA)
@pytest.mark.parametrize("distance", [feature_distance, gram_distance])
def test_only_ours_get_a_gradient_and_equal_features_have_no_distance(distance, criterion):
    ours, theirs = noise(2, 3, 4, 4, grad=True), noise(2, 3, 4, 4, seed=1, grad=True)
    distance([ours], [theirs], criterion).backward()
    assert theirs.grad is None
    assert ours.grad is not None
    assert ours.grad.abs().sum() > 0
    assert float(distance([ours], [ours], criterion).detach()) == 0
    with pytest.raises(ValueError):
        distance([ours], [theirs, theirs], criterion)


def test_gram_is_the_mean_product_of_channels():
    f = noise(2, 3, 5, 7) - 0.5
    x = f.numpy().astype(np.float64)
    expected = np.einsum("nchw,ndhw->ncd", x, x) / (3 * 5 * 7)
    np.testing.assert_allclose(gram(f).numpy(), expected, atol=1e-6)
    assert float(gram_distance([f + 0.2], [f], "mse")) == pytest.approx(
        float(np.mean((gram(f + 0.2).numpy() - expected) ** 2)), rel=1e-4
    )


@LAW
@given(st.integers(0, 5), st.integers(0, 5))
def test_gram_says_what_is_there_not_where(down, right):
    f = noise(1, 4, 6, 6)
    assert float(gram_distance([f.roll((down, right), (2, 3))], [f])) == pytest.approx(0, abs=1e-5)


def test_gram_of_large_half_precision_features_is_finite():
    assert torch.isfinite(gram(torch.full((1, 4, 64, 64), 30.0, dtype=torch.float16))).all()


@LAW
@given(LOGITS)
def test_the_standard_loss_is_the_logarithm_of_the_probability(logits):
    p = 1 / (1 + np.exp(-logits.numpy().astype(np.float64)))
    assert float(standard_loss(logits, real=True)) == pytest.approx(float(-np.log(p).mean()), rel=1e-4, abs=1e-6)
    assert float(standard_loss(logits, real=False)) == pytest.approx(
        float(np.logaddexp(0, logits.numpy().astype(np.float64)).mean()), rel=1e-4, abs=1e-6
    )


@LAW
@given(LOGITS, LOGITS, st.floats(-5, 5))
def test_the_relativistic_loss_is_its_equation_and_knows_only_differences(raised, lowered, shift):
    a, b = raised.numpy().astype(np.float64), lowered.numpy().astype(np.float64)
    expected = 0.5 * (np.logaddexp(0, b.mean() - a).mean() + np.logaddexp(0, b - a.mean()).mean())
    assert float(relativistic_loss(raised, lowered)) == pytest.approx(expected, rel=1e-4, abs=1e-6)
    shifted = relativistic_loss(raised + shift, lowered + shift)
    assert float(shifted) == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_adversarial_losses_of_no_opinion_are_log_two_and_pull_the_right_way():
    zeros = torch.zeros(2, 1, 3, 3)
    for loss in (standard_loss(zeros, real=True), standard_loss(zeros, real=False), relativistic_loss(zeros, zeros)):
        assert float(loss) == pytest.approx(math.log(2))
    raised, lowered = noise(4, 1, grad=True), noise(4, 1, seed=1, grad=True)
    relativistic_loss(raised, lowered).backward()
    assert (raised.grad < 0).all()
    assert (lowered.grad > 0).all()


def artefacts_in_loops(sr, ema, hr):
    """LDL's map pixel by pixel, in float64."""
    ours, steadier = (np.abs(hr - x).sum(1) for x in (sr, ema))
    result = np.zeros_like(ours)
    padded = np.pad(ours, ((0, 0), (3, 3), (3, 3)), mode="reflect")
    n, h, w = ours.shape
    for i in range(n):
        for y in range(h):
            for x in range(w):
                if ours[i, y, x] >= steadier[i, y, x]:
                    local = padded[i, y : y + 7, x : x + 7].var(ddof=1)
                    result[i, y, x] = ours[i].var(ddof=1) ** (1 / 5) * local
    return result[:, None]


def test_the_artefact_map_is_that_of_the_paper():
    sr, ema, hr = (noise(2, 3, 9, 12, seed=s) for s in range(3))
    expected = artefacts_in_loops(*(x.double().numpy() for x in (sr, ema, hr)))
    found = artefact_map(sr, ema, hr)
    assert found.shape == (2, 1, 9, 12)
    assert 0.2 < float((found > 0).double().mean()) < 0.8
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-6)
    weighed = (expected * np.abs((sr - hr).double().numpy())).mean()
    assert float(ldl_loss(sr, ema, hr)) == pytest.approx(weighed, rel=1e-4)


def test_a_constant_shift_is_no_artefact_and_a_lone_dot_is():
    hr = noise(1, 3, 16, 16)
    assert float(artefact_map(hr + 0.3, hr + 0.3, hr).max()) == pytest.approx(0, abs=1e-6)
    dotted = hr.clone()
    dotted[..., 8, 8] += 0.5
    found = artefact_map(dotted, hr, hr)
    assert found[0, 0, 8, 8] > 0.001
    assert found[0, 0, 0, 0] == 0
    assert float(artefact_map(dotted, dotted + 1, hr).max()) == 0


def test_the_map_is_held_fixed_and_a_perfect_picture_has_a_finite_gradient():
    sr, ema, hr = noise(1, 3, 8, 8, grad=True), noise(1, 3, 8, 8, seed=1), noise(1, 3, 8, 8, seed=2)
    ldl_loss(sr, ema, hr).backward()
    expected = artefact_map(sr, ema, hr) * (sr.detach() - hr).sign() / sr.numel()
    torch.testing.assert_close(sr.grad, expected)
    perfect = hr.clone().requires_grad_(True)
    loss = ldl_loss(perfect, ema, hr)
    loss.backward()
    assert float(loss.detach()) == 0
    assert torch.equal(perfect.grad, torch.zeros_like(hr))


def test_the_perceptual_loss_is_the_feature_distance_under_an_offset():
    class Blocks(nn.Module):
        def forward(self, x):
            return [nn.functional.avg_pool2d(x, 8)]

    hr = torch.ones(1, 3, 24, 24)
    hr[..., 0] = 9
    torch.manual_seed(0)
    net = Blocks()
    pairs = [random_offset(torch.ones_like(hr), hr) for _ in range(40)]
    values = {round(float(feature_distance(net(ours), net(theirs), "relative")), 4) for ours, theirs in pairs}
    assert len(values) == 2  # with the bright column, or with one of the seven offsets that cut it off
    assert 0 in values
