"""Every hyper-parameter comes back from the shapes, and whatever does not fit exactly is refused by name."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from texup.errors import WeightsError
from texup.models.detect import UnknownNet, detect
from texup.models.families import FAMILIES, INSTALL, NOT_BORROWED
from texup.models.loading import build_model
from texup.nets.rrdbnet import RRDBNet
from texup.nets.srresnet import MSRResNet
from texup.nets.srvgg import SRVGGNetCompact


def floats(net):
    return {key: value for key, value in net.state_dict().items() if value.is_floating_point()}


def test_the_published_nets_are_recognised_by_size():
    assert sum(v.numel() for v in floats(RRDBNet()).values()) == 16_697_987
    found = detect(floats(RRDBNet()))
    assert (found.hyper["num_block"], found.hyper["num_feat"], found.scale) == (23, 64, 4)


def test_only_the_first_keys_are_listed():
    state = floats(RRDBNet(num_feat=8, num_block=2, num_grow_ch=4))
    rest = {key: value for key, value in state.items() if not key.startswith("body.1.rdb2")}
    with pytest.raises(WeightsError, match=r"lacks (body\.1\.rdb2\.conv\d\.\w+(, )?){3} and 7 more$"):
        detect(rest)


def test_weights_without_the_marker_are_held_against_the_nearest_net():
    state = floats(RRDBNet(num_feat=8, num_block=2, num_grow_ch=4))
    with pytest.raises(WeightsError, match="nearest to RRDBNet"):
        detect({k: v for k, v in state.items() if not k.startswith("body.0.")})
    with pytest.raises(WeightsError, match=r"no net that texup knows: encoder\.weight; texup runs RRDBNet, SRResNet"):
        detect({"encoder.weight": torch.zeros(1)})


@pytest.mark.parametrize(("name", "keys"), FAMILIES.items(), ids=FAMILIES)
def test_other_families_are_named(name, keys):
    with pytest.raises(UnknownNet, match=f"net of type {name}; texup itself runs"):
        detect({key: torch.zeros(1) for key in (*keys, "conv_first.weight")})


@pytest.mark.parametrize(("name", "keys"), FAMILIES.items(), ids=FAMILIES)
def test_a_refusal_says_what_would_run_a_net(monkeypatch, name, keys):
    monkeypatch.setattr("texup.models.loading.can_borrow", lambda: False)
    with pytest.raises(WeightsError) as caught:
        build_model({key: torch.zeros(1) for key in keys}, "", "")
    assert str(caught.value).startswith(f"this is a net of type {name}")
    assert (INSTALL in str(caught.value)) == (name not in NOT_BORROWED)


def test_an_unknown_net_may_run_with_spandrel_and_a_damaged_one_does_not(monkeypatch):
    monkeypatch.setattr("texup.models.loading.can_borrow", lambda: False)
    with pytest.raises(WeightsError, match="for more families: pip install --no-deps"):
        build_model({"encoder.weight": torch.zeros(1)}, "", "")
    monkeypatch.setattr("texup.models.loading.can_borrow", lambda: pytest.fail("asked"))
    state = floats(RRDBNet(num_feat=8, num_block=1, num_grow_ch=4))
    with pytest.raises(WeightsError, match=r"nearest to RRDBNet, but it lacks conv_body\.bias"):
        build_model({key: value for key, value in state.items() if key != "conv_body.bias"}, "", "")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (lambda: floats(RRDBNet(num_feat=2, num_block=1, num_grow_ch=1, scale=32)), "scale 32"),
        (lambda: floats(RRDBNet(num_feat=2, num_block=65, num_grow_ch=1)), "num_block 65"),
        (lambda: floats(SRVGGNetCompact(num_feat=513, num_conv=1)), "num_feat 513"),
        (lambda: floats(SRVGGNetCompact(num_feat=2, num_conv=65)), "num_conv 65"),
        (lambda: floats(RRDBNet(num_in_ch=5, num_feat=2, num_block=1, num_grow_ch=1)), "num_in_ch 5"),
        (lambda: {"body.0.weight": torch.zeros(0, 3, 3, 3), "body.9999999999.weight": torch.zeros(1)}, "num_feat 0"),
    ],
)
def test_what_is_beyond_any_published_net_is_refused_before_it_is_built(state, reason, monkeypatch):
    tensors = state()
    monkeypatch.setattr("texup.models.detect.empty_net", lambda *_: pytest.fail("built"))
    with pytest.raises(WeightsError, match=reason):
        detect(tensors)


def test_a_scale_that_the_net_cannot_have_is_refused():
    state = floats(MSRResNet(num_feat=4, num_block=1, scale=3))
    state["upconv1.weight"], state["upconv1.bias"] = torch.zeros(4 * 25, 4, 3, 3), torch.zeros(4 * 25)
    with pytest.raises(WeightsError, match=r"looks like MSRResNet, but .* not 5"):
        detect(state)


def test_a_half_scale_is_refused():
    state = floats(RRDBNet(num_feat=4, num_block=1, num_grow_ch=2, scale=2))
    state["conv_first.weight"] = torch.zeros(4, 48, 3, 3)
    with pytest.raises(WeightsError, match="scale 0"):
        detect(state)


def test_detection_does_not_import_the_compiler():
    # Two seconds on the way of every run, for random numbers that the weights overwrite.
    code = (
        "import sys, torch; from texup.models.loading import build_model; from texup.nets.rrdbnet import RRDBNet;"
        "build_model(RRDBNet(num_feat=4, num_block=1, num_grow_ch=2).state_dict(), 'a', '');"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
