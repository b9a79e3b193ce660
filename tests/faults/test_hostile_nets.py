"""Tensors of strangers that make spandrel build a net: refused in one line, before they cost memory or time."""

from __future__ import annotations

import random
import time
import warnings
from importlib import import_module

import pytest
import torch

from texup import bounds
from texup.errors import WeightsError
from texup.models.borrowed import borrowing
from texup.models.borrowed.borrowing import borrow
from texup.models.loading import load_model
from texup.models.weights import save_pickle

from ..contract.test_borrowed_nets import NETS

resource = pytest.importorskip("resource", reason="only systems like Unix tell how much memory a process had")
pytestmark = pytest.mark.usefixtures("spandrel")


def state_of(name):
    module, kind, arguments = NETS[name]
    with warnings.catch_warnings(action="ignore"):
        torch.manual_seed(0)
        return getattr(import_module(f"spandrel.architectures.{module}"), kind)(**arguments).state_dict()


def refusal(state) -> str | None:
    """Return why a net is refused, in one line; None for one that runs."""
    try:
        borrow(state)
    except WeightsError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({"layers.100000.residual_group.blocks.0.attn.qkv.weight": torch.zeros(1)}, "100,000 layers"),
        ({"conv_first.weight": torch.zeros(70_000, 3, 1, 1)}, "a side of 70,000"),
        ({"conv_first.weight": torch.zeros(1).expand(70_000, 1, 1, 1)}, "a side of 70,000"),
    ],
)
def test_what_no_net_has_is_refused_before_spandrel_is_asked(monkeypatch, extra, reason):
    state = state_of("SwinIR") | extra
    monkeypatch.setattr(borrowing, "import_spandrel", lambda: pytest.fail("asked"))
    assert reason in refusal(state)


def test_a_window_that_would_fill_the_memory_is_refused(monkeypatch):
    monkeypatch.setattr(bounds, "BORROWED_BYTES", 1 << 30)  # the whole of it takes 15 seconds to fill
    state = state_of("SwinIR")
    for key in [key for key in state if key.endswith("relative_position_bias_table")]:
        state[key] = torch.zeros((2 * 120 - 1) ** 2, 2)  # tables of 14400 x 14400 places follow from it
    for key in [key for key in state if key.endswith("relative_position_index")]:
        state[key] = torch.zeros(1, dtype=torch.int64).expand(14400, 14400)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    assert refusal(state)
    assert time.monotonic() - began < 30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2 << 20  # KiB


def test_a_net_far_larger_than_its_weights_is_refused():
    state = state_of("MoSR")
    state["gblocks.0.weight"] = torch.zeros(1).expand(8192, 3, 3, 3)
    state["gblocks.0.bias"] = torch.zeros(1).expand(8192)
    assert "larger than its weights" in refusal(state)


def test_a_net_that_takes_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(bounds, "BORROWED_SECONDS", 0)
    assert "not ready after 0 seconds" in refusal(state_of("MoSR"))


@pytest.mark.parametrize("name", ["DAT", "HAT", "RCAN", "MoSR", "SwinIR", "FDAT"])
def test_damage_is_refused_in_one_line(name):
    state, dice = state_of(name), random.Random(name)
    refusals = []
    for _ in range(12):
        damaged = dict(state)
        key = dice.choice(sorted(damaged))
        value = damaged.pop(key)
        if dice.random() < 0.7:
            sides = [max(0, side + dice.choice((-side, -1, 1, side))) for side in value.shape]
            damaged[key] = torch.zeros(sides, dtype=value.dtype)
        refusals.append(refusal(damaged))
    given = [text for text in refusals if text is not None]
    assert len(given) > 6
    assert not any("\n" in text for text in given)


def test_what_is_for_other_work_is_refused(tmp_path):
    save_pickle(tmp_path / "face.pth", {"params": {"stylegan_decoder.style_conv1.weight": torch.zeros(1)}})
    with pytest.raises(WeightsError, match="net of type GFPGAN, which texup does not run: it is for faces"):
        load_model(tmp_path / "face.pth")


def test_the_memory_is_free_again_behind_a_net():
    before = resource.getrlimit(resource.RLIMIT_AS)
    borrow(state_of("MoSR"))
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_scale_that_no_texture_wants_is_refused(monkeypatch):
    monkeypatch.setattr(bounds, "BORROWED_SCALE", 1)
    assert "times; texup runs 1 to 1" in refusal(state_of("MoSR"))
