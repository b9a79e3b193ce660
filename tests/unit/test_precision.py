"""Which type nets run in, and how little bfloat16 changes where texup takes it unasked."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from texup.engines.devices.device import Device
from texup.engines.devices.edges import told_net
from texup.engines.devices.precision import centre, pick_precision, precision_for
from texup.engines.engine import UNTOLD
from texup.errors import WeightsError
from texup.models.catalog import load_catalog, weights_folder
from texup.models.chain import choose_chain
from texup.models.model import Needs
from texup.models.weights import save_weights
from texup.nets import centred
from texup.nets.centred import CentredStack
from texup.nets.kpn import KernelPrediction
from texup.nets.srvgg import SRVGGNetCompact

CPU = torch.device("cpu")
FLAGS = [{"avx512_bf16": True}, {"amx_bf16": True}, {"avx512_f": True}, {}]


@pytest.fixture(params=FLAGS, ids=lambda flags: next(iter(flags), "none"))
def multiplies(request, monkeypatch) -> bool:
    """Whether the CPU that is pretended multiplies bfloat16."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: request.param, raising=False)
    return any("bf16" in flag for flag in request.param)


def test_auto_rounds_only_nets_that_were_measured_and_only_where_the_cpu_multiplies_them(tiny_model, multiplies):
    measured, best = replace(tiny_model, fine_in_bfloat16=True), "bf16" if multiplies else "fp32"
    assert pick_precision("auto", CPU) == best
    assert precision_for(tiny_model, "auto", CPU) == "fp32"
    assert precision_for(measured, "auto", CPU) == best
    assert precision_for(replace(measured, needs=Needs(bfloat16=False)), "auto", CPU) == "fp32"
    device = Device([measured, tiny_model], CPU, "auto")
    assert [device.precision_of(k) for k in (0, 1)] == [best, "fp32"]
    assert device.state() == f"cpu {best}"
    (result,) = device.upscale(0, [np.zeros((8, 8, 3), np.float32)])
    assert result.precision == best


def test_what_is_asked_for_is_taken_by_every_net_that_takes_it(tiny_model, multiplies):
    for asked in ("fp32", "bf16", "fp16"):
        assert precision_for(tiny_model, asked, CPU) == asked
    assert precision_for(replace(tiny_model, needs=Needs(bfloat16=False)), "bf16", CPU) == "fp32"
    assert precision_for(tiny_model, "auto", torch.device("cuda")) == "fp16"


def test_the_catalog_says_which_nets_were_measured():
    fine = {link.name: link.load().fine_in_bfloat16 for link in map(only, ("texup-x4-psnr", "texup-x4-gan", 0.6, 0.7))}
    assert list(fine.values()) == [True, False, True, False]


def only(chosen):
    (link,) = choose_chain((chosen,), None) if isinstance(chosen, str) else choose_chain((), chosen)
    return link


def test_a_file_of_weights_counts_as_never_measured(tmp_path):
    save_weights(tmp_path / "own.safetensors", SRVGGNetCompact(num_feat=8, num_conv=1).state_dict(), {})
    assert not only(str(tmp_path / "own.safetensors")).load().fine_in_bfloat16


@pytest.mark.parametrize("value", ["1.5", "true", '"yes"'])
def test_a_catalog_whose_share_is_none_is_refused(tmp_path, value):
    text = (weights_folder() / "catalog.toml").read_text().replace("bfloat16 = 0.6", f"bfloat16 = {value}")
    (tmp_path / "catalog.toml").write_text(text)
    with pytest.raises(WeightsError, match=r"pair: bfloat16 = .* is a share"):
        load_catalog(tmp_path)


def trained(net: nn.Module) -> nn.Module:
    """Return a net whose units are mostly negative, as those of trained nets are, and whose slopes have both signs."""
    dice = torch.Generator().manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.PReLU):
            module.weight.data = torch.rand(module.weight.shape, generator=dice) * 0.5 - 0.1
            module.weight.data[0] = 0
        elif isinstance(module, nn.Conv2d):
            module.bias.data = torch.rand(module.bias.shape, generator=dice) - 0.7
    return net.eval()


NETS = {
    "compact": lambda: SRVGGNetCompact(num_feat=16, num_conv=6, identity=True),
    "grey": lambda: SRVGGNetCompact(num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=2, scale=2),
    "pixel": lambda: KernelPrediction(num_feat=16, num_conv=4, scale=2),
}


def pictures(channels: int, count: int = 1, side: int = 21) -> torch.Tensor:
    dice = torch.Generator().manual_seed(2)
    levels = torch.randint(0, 90, (count, channels, side, side + 3), generator=dice)
    return (levels / 255).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(
    ("strip", "told"),
    [
        (1, UNTOLD),
        (centred.STRIP, UNTOLD),
        *((centred.STRIP, told) for told in itertools.product((None, "wrap", "clamp"), repeat=2) if told != UNTOLD),
    ],
)
@torch.inference_mode()
def test_a_centred_net_in_the_type_of_the_other_is_the_other(name, strip, told, monkeypatch):
    """The rearrangements are exact, borders included: without rounding nothing but float32's own is left."""
    monkeypatch.setattr(centred, "STRIP", strip)
    monkeypatch.setattr(torch, "bfloat16", torch.float32)
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.float)
    net = trained(NETS[name]())
    x = pictures(4 if name == "pixel" else 1 if name == "grey" else 3)
    expected = told_net(net, told)(x)
    assert centre(net)
    torch.testing.assert_close(told_net(net, told)(x), expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["compact", "pixel"])
@torch.inference_mode()
def test_a_centred_net_is_nearer_to_float32_than_a_rounded_one(name):
    net, plain, centred = (trained(seeded(NETS[name])) for _ in range(3))
    x = pictures(4 if name == "pixel" else 3)
    assert centre(centred)
    expected, rounded = net(x), plain.bfloat16()(x.bfloat16()).float()
    errors = [(found - expected).abs().mean() for found in (centred(x), rounded)]
    assert errors[0] < errors[1] / 2
    assert centred(x).dtype == torch.float32


def seeded(make) -> nn.Module:
    torch.manual_seed(5)
    return make()


def test_a_stack_turns_units_that_are_negative_but_not_the_last_ones():
    net = trained(NETS["pixel"]())
    stack = CentredStack(net.hidden, [0.25] * 4)
    first, last = stack.layers[0], stack.layers[-1]
    slopes = net.hidden[1].weight
    turned = (first.slopes - slopes).abs() > 1e-3
    assert turned.any()
    torch.testing.assert_close(first.slopes[turned] * slopes[turned], torch.ones(int(turned.sum())))
    assert not turned[0], "a slope of zero has no other side"
    torch.testing.assert_close(last.slopes, net.hidden[-1].weight.detach())


def test_nets_of_other_kinds_are_rounded_as_they_are(tiny_model):
    assert not centre(nn.Conv2d(3, 3, 3))
    assert not centre(nn.Sequential(nn.Conv2d(3, 3, 3), nn.PReLU(3)))


@torch.inference_mode()
def test_the_same_bytes_by_any_threads_and_in_any_order():
    net = trained(NETS["compact"]())
    assert centre(net)
    planes = [pictures(3, side=side) * share for side in (9, 17, 33) for share in (0.3, 1.0, 2.5)]
    alone, several = {}, torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        try:
            alone[threads] = [net(plane).numpy().tobytes() for plane in planes]
        finally:
            torch.set_num_threads(several)
    assert alone[1] == alone[2] == alone[3]
    found: dict[int, bytes] = {}

    @torch.inference_mode()
    def work(order):
        for k in order:
            found[k] = net(planes[k]).numpy().tobytes()

    workers = [threading.Thread(target=work, args=(order,)) for order in (range(5), range(8, 4, -1))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [found[k] for k in range(len(planes))] == alone[1]


@pytest.mark.parametrize("told", [UNTOLD, ("wrap", "clamp")])
@pytest.mark.parametrize("name", ["texup-x4-psnr", "texup-x4-pixel"])
def test_small_planes_go_together_and_are_what_they_are_alone(name, told, monkeypatch):
    """Batches form by chance: their size is the shape's own, and each plane has its own centre."""
    device = Device([only(name).load()], CPU, "bf16")
    seen, forward = [], Device._forward

    def noted(net, planes, told):
        seen.append(len(planes))
        return forward(net, planes, told)

    monkeypatch.setattr(Device, "_forward", staticmethod(noted))
    dice, channels = np.random.default_rng(3), device.models[0].in_channels
    planes = [
        share * dice.random((16, 16, channels), np.float32) for share in np.linspace(0.1, 1, 11, dtype=np.float32)
    ]
    alone = [device.upscale(0, [plane], told)[0].plane for plane in planes]
    assert set(seen) == {16}
    for order in (range(11), range(10, -1, -3)):
        found = device.upscale(0, [planes[k] for k in order], told)
        assert [result.plane.tobytes() for result in found] == [alone[k].tobytes() for k in order]
    device.upscale(0, [np.zeros((50, 60, channels), np.float32)] * 2)
    assert set(seen) == {16, 1}
