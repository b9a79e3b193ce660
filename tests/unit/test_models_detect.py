"""Every hyper-parameter comes back from the shapes, and whatever does not fit exactly is refused by name."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from texup.errors import WeightsError
from texup.models.detect import KINDS, STRANGERS, detect
from texup.models.loading import build_model
from texup.nets.rrdbnet import RRDBNet
from texup.nets.srresnet import MSRResNet, SRResNet
from texup.nets.srvgg import SRVGGNetCompact

RGB = {"num_in_ch": 3, "num_out_ch": 3}
CASES = [
    *[
        (RRDBNet, RGB | {"num_feat": 8, "num_block": 2, "num_grow_ch": 4, "scale": s, "unshuffle": 1})
        for s in (1, 2, 4, 8)
    ],
    (RRDBNet, RGB | {"num_feat": 8, "num_block": 1, "num_grow_ch": 4, "scale": 2, "unshuffle": 2}),
    (RRDBNet, RGB | {"num_feat": 8, "num_block": 1, "num_grow_ch": 4, "scale": 1, "unshuffle": 4}),
    (
        RRDBNet,
        {"num_in_ch": 1, "num_out_ch": 1, "num_feat": 6, "num_block": 11, "num_grow_ch": 3, "scale": 4, "unshuffle": 1},
    ),
    (
        RRDBNet,
        {"num_in_ch": 4, "num_out_ch": 4, "num_feat": 6, "num_block": 1, "num_grow_ch": 3, "scale": 2, "unshuffle": 2},
    ),
    *[(SRResNet, RGB | {"num_feat": 8, "num_block": 2, "scale": s, "batch_norm": True}) for s in (1, 2, 3, 4, 8)],
    *[(SRResNet, RGB | {"num_feat": 8, "num_block": 2, "scale": s, "batch_norm": False}) for s in (1, 2, 3, 4, 8)],
    *[(MSRResNet, RGB | {"num_feat": 8, "num_block": 3, "scale": s}) for s in (1, 2, 3, 4, 8)],
    *[
        (SRVGGNetCompact, RGB | {"num_feat": 8, "num_conv": c, "scale": s})
        for s, c in ((1, 1), (2, 3), (3, 2), (4, 12))
    ],
    (SRVGGNetCompact, {"num_in_ch": 1, "num_out_ch": 1, "num_feat": 5, "num_conv": 2, "scale": 4}),
]


def floats(net):
    return {key: value for key, value in net.state_dict().items() if value.is_floating_point()}


@pytest.mark.parametrize(("net", "hyper"), CASES, ids=lambda x: x.__name__ if isinstance(x, type) else f"x{x['scale']}")
def test_every_hyper_parameter_is_recovered(net, hyper):
    state = floats(net(**hyper))
    found = detect(state)
    assert found.name == net.__name__
    assert found.hyper == hyper
    assert (found.scale, found.in_channels, found.out_channels) == (
        *(hyper["scale"], hyper["num_in_ch"], hyper["num_out_ch"]),
    )
    assert found.multiple_of == hyper.get("unshuffle", 1)


@pytest.mark.parametrize(("net", "hyper"), CASES, ids=lambda x: x.__name__ if isinstance(x, type) else f"x{x['scale']}")
def test_the_model_is_the_net_ready_to_run(net, hyper):
    torch.manual_seed(0)
    original = net(**hyper).eval()
    model = build_model(floats(original), "tiny", "abc")
    assert (model.name, model.sha256, model.architecture) == ("tiny", "abc", net.__name__)
    assert not model.net.training
    tensors = list(model.net.state_dict().values())
    assert not any(t.requires_grad for t in model.net.parameters())
    assert all(t.device.type == "cpu" and t.dtype in (torch.float32, torch.int64) for t in tensors)
    assert all(t.is_contiguous(memory_format=torch.channels_last) for t in tensors if t.ndim == 4)
    m, s = model.multiple_of, model.scale
    for n in (1, 3):
        x = torch.rand(n, model.in_channels, 2 * m, 3 * m)
        out = model.net(x)
        assert out.shape == (n, model.out_channels, 2 * m * s, 3 * m * s)
        torch.testing.assert_close(out, original(x).detach(), atol=1e-5, rtol=1e-5)


def test_the_published_nets_are_recognised_by_size():
    assert sum(v.numel() for v in floats(RRDBNet()).values()) == 16_697_987
    found = detect(floats(RRDBNet()))
    assert (found.hyper["num_block"], found.hyper["num_feat"], found.scale) == (23, 64, 4)


@pytest.mark.parametrize(
    ("net", "small"),
    [
        *((RRDBNet, {"num_block": 2}), (SRResNet, {"num_block": 2}), (MSRResNet, {"num_block": 2})),
        *((SRResNet, {"num_block": 2, "batch_norm": False}), (SRVGGNetCompact, {"num_conv": 2})),
    ],
    ids=["RRDBNet", "SRResNet", "MSRResNet", "SRResNet-without-BN", "SRVGGNetCompact"],
)
def test_a_missing_an_extra_and_a_misshapen_key_are_each_named(net, small):
    state = floats(net(num_feat=8, **small))
    for key in state:
        if key != KINDS[net.__name__].marker:
            with pytest.raises(WeightsError):
                detect({k: v for k, v in state.items() if k != key})
    with pytest.raises(WeightsError, match=f"nearest to {net.__name__}, but it has the unknown extra.weight"):
        detect(state | {"extra.weight": torch.zeros(1)})
    bias = next(key for key in state if key.endswith("bias"))
    with pytest.raises(WeightsError, match=f"nearest to {net.__name__}, but it has the wrong size of {bias}"):
        detect(state | {bias: torch.zeros(77)})


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


@pytest.mark.parametrize(("key", "name"), STRANGERS.items(), ids=STRANGERS.values())
def test_other_families_are_named(key, name):
    with pytest.raises(WeightsError, match=f"net of type {name.replace('+', '.')}; texup runs"):
        detect({key: torch.zeros(1), "conv_first.weight": torch.zeros(8, 3, 3, 3)})


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
