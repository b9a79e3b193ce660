"""Network interpolation: the formula, the name that carries alpha, and the guard against unrelated nets."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from texup.errors import UsageError, WeightsError
from texup.models.catalog import load_catalog, resolve
from texup.models.interpolate import check_related, exact, interpolate, interpolate_files
from texup.models.loading import build_model

from ..builders import tiny_net


def passing_net(channels):
    """Return weights of an RRDBNet that hands red, green and blue through the hidden ``channels``, unchanged."""
    state = {k: torch.zeros_like(v) for k, v in tiny_net("RRDBNet", num_feat=12).state_dict().items()}
    for colour, channel in enumerate(channels):
        state["conv_first.weight"][channel, colour, 1, 1] = 1
        state["conv_last.weight"][colour, channel, 1, 1] = 1
        for layer in ("conv_up1", "conv_up2", "conv_hr"):
            state[f"{layer}.weight"][channel, channel, 1, 1] = 1
    return state


def noisy(state, amount, seed=0):
    g = torch.Generator().manual_seed(seed)
    return {key: value + amount * torch.randn(value.shape, generator=g) for key, value in state.items()}


def check(psnr, gan):
    states = {"psnr": psnr, "gan": gan, "blend": interpolate(psnr, gan, 0.5)}
    check_related(*(build_model(state, name, "") for name, state in states.items()))


def test_the_passing_net_gives_the_nearest_neighbour():
    x = torch.rand(2, 3, 5, 7)
    out = build_model(passing_net((4, 7, 2)), "pass", "").net(x)
    assert torch.equal(out, x.repeat_interleave(4, 2).repeat_interleave(4, 3))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.floats(-1e6, 1e6, width=32), st.floats(-1e6, 1e6, width=32), st.floats(0, 1))
def test_every_tensor_is_the_weighted_mean_in_double_precision(a, b, alpha):
    psnr, gan = {"w": torch.tensor([a], dtype=torch.float32)}, {"w": torch.tensor([b], dtype=torch.float32)}
    got = interpolate(psnr, gan, alpha)["w"]
    expected = (1 - Fraction(alpha)) * Fraction(a) + Fraction(alpha) * Fraction(b)
    assert got.dtype == torch.float32
    tolerance = 2**-23 * float(abs(expected)) + 2**-50 * (abs(a) + abs(b)) + 1e-45
    assert abs(float(got) - float(expected)) <= tolerance


def test_the_ends_are_the_parents_to_the_bit_and_the_parents_stay():
    psnr, gan = noisy(passing_net((0, 1, 2)), 0.1, 1), noisy(passing_net((0, 1, 2)), 0.1, 2)
    before = {key: value.clone() for key, value in psnr.items()}
    assert all(torch.equal(v, psnr[k]) for k, v in interpolate(psnr, gan, 0.0).items())
    assert all(torch.equal(v, gan[k]) for k, v in interpolate(psnr, gan, 1.0).items())
    interpolate(psnr, gan, 0.3)["conv_last.bias"].fill_(9)
    assert all(torch.equal(v, before[k]) for k, v in psnr.items())


@pytest.mark.parametrize("alpha", [-0.1, 1.1, math.nan, math.inf, -math.inf])
def test_alpha_outside_of_its_range_is_wrong_use(alpha):
    with pytest.raises(UsageError, match=r"from 0 .* to 1"):
        interpolate({}, {}, alpha)


def test_the_first_differences_are_named():
    psnr = {f"p{i}": torch.zeros(1) for i in range(3)} | {"w": torch.zeros(2), "same": torch.zeros(1)}
    gan = {"g": torch.zeros(1), "w": torch.zeros(3), "same": torch.zeros(1)}
    with pytest.raises(WeightsError, match=r"g only in the GAN weights, p0 only in the PSNR weights, p1 .* and 2 more"):
        interpolate(psnr, gan, 0.5)
    with pytest.raises(WeightsError, match=r"w of size \(2,\) and \(3,\)$"):
        interpolate({"w": psnr["w"]}, {"w": gan["w"]}, 0.5)


def test_a_fine_tuned_copy_is_related():
    psnr = noisy(passing_net((0, 1, 2)), 0.01)
    check(psnr, psnr)
    check(psnr, noisy(psnr, 0.02, seed=1))
    unshuffled = tiny_net("RRDBNet", scale=1, unshuffle=4).state_dict()
    check(unshuffled, noisy(unshuffled, 0.001))


def test_the_pair_that_comes_with_texup_is_related():
    psnr, gan = (resolve(name) for name in load_catalog().pair)
    state, metadata = interpolate_files(psnr, gan, 0.5)
    assert build_model(state, "blend", "").scale == psnr.scale == gan.scale
    assert (metadata["psnr_sha256"], metadata["gan_sha256"]) == (psnr.sha256, gan.sha256)


def test_the_same_function_through_other_channels_is_mud_and_refused():
    # Both parents give the same picture to the bit; only their blend shows that they are no relatives.
    with pytest.raises(WeightsError, match=r"gan was not fine-tuned from psnr: .* off by 0\.4\d of 1"):
        check(passing_net((0, 1, 2)), passing_net((3, 4, 5)))


def test_a_blend_that_is_not_finite_is_refused():
    huge = {key: value * 1e38 for key, value in passing_net((0, 1, 2)).items()}
    with pytest.raises(WeightsError, match="off by nan"):
        check(huge, {key: -value for key, value in huge.items()})


@pytest.mark.parametrize(
    ("alpha", "text"),
    [(0.6, "0.6"), (0.65, "0.65"), (1.0, "1.0"), (0.0, "0.0"), (0.1 + 0.2, "0.30000000000000004"), (1e-5, "0.00001")],
)
def test_alpha_is_written_exactly(alpha, text):
    assert exact(alpha) == text


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.floats(0, 1))
def test_no_two_alphas_have_one_name(alpha):
    assert float(exact(alpha)) == alpha
    assert set(exact(alpha)) <= set("-.0123456789")


INDEX = "layers.0.attn.relative_position_index"


def test_whole_numbers_stay_those_of_the_first():
    table, count = torch.tensor([[3, 1], [2, 0]]), torch.tensor(1000)
    psnr = {"w": torch.zeros(2), INDEX: table, "bn.num_batches_tracked": count}
    gan = {"w": torch.ones(2), INDEX: table.clone(), "bn.num_batches_tracked": count + 1}
    for alpha in (0.0, 0.4, 1.0):
        blend = interpolate(psnr, gan, alpha)
        assert blend[INDEX].dtype == torch.int64
        assert torch.equal(blend[INDEX], table)
        assert blend["bn.num_batches_tracked"] == 1000
        torch.testing.assert_close(blend["w"], torch.full((2,), alpha))


@pytest.mark.parametrize("other", [torch.tensor([3, 2]), torch.tensor([3.0, 1.0]), torch.tensor([3, 1]).int()])
def test_other_whole_numbers_have_no_blend(other):
    with pytest.raises(WeightsError, match=f"so they have no blend: {INDEX} of other whole numbers"):
        interpolate({INDEX: torch.tensor([3, 1])}, {INDEX: other}, 0.5)
