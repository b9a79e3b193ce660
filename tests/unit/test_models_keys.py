"""Dialects: what other programs call the layers, taken from nets that are built as those programs build them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from texup.errors import UsageError, WeightsError
from texup.models.keys import CANONICAL, RRDBNET_DIALECTS, from_canonical, to_canonical
from texup.models.loading import build_model

from ..builders import tiny_net


class Shortcut(nn.Module):
    def __init__(self, sub):
        super().__init__()
        self.sub = sub

    def forward(self, x):
        return x + self.sub(x)


class Dense(nn.Module):
    """A dense block as the first ESRGAN had it: each convolution inside a sequence of its own."""

    def __init__(self, nf, gc):
        super().__init__()
        for k in range(1, 5):
            layer = nn.Sequential(nn.Conv2d(nf + (k - 1) * gc, gc, 3, padding=1), nn.LeakyReLU(0.2))
            self.add_module(f"conv{k}", layer)
        self.conv5 = nn.Sequential(nn.Conv2d(nf + 4 * gc, nf, 3, padding=1))

    def forward(self, x):
        parts = [x]
        for k in range(1, 5):
            parts.append(getattr(self, f"conv{k}")(torch.cat(parts, 1)))
        return self.conv5(torch.cat(parts, 1)) * 0.2 + x


class Block2018(nn.Module):
    def __init__(self, nf, gc):
        super().__init__()
        self.RDB1, self.RDB2, self.RDB3 = Dense(nf, gc), Dense(nf, gc), Dense(nf, gc)

    def forward(self, x):
        return self.RDB3(self.RDB2(self.RDB1(x))) * 0.2 + x


class Esrgan2018(nn.Module):
    """The generator as one nn.Sequential, whose numbers are the keys."""

    def __init__(self, nf, nb, gc, doublings):
        super().__init__()

        def conv(channels_in, channels_out):
            return nn.Conv2d(channels_in, channels_out, 3, padding=1)

        trunk = nn.Sequential(*(Block2018(nf, gc) for _ in range(nb)), conv(nf, nf))
        ups = [m for _ in range(doublings) for m in (nn.Upsample(scale_factor=2), conv(nf, nf), nn.LeakyReLU(0.2))]
        self.model = nn.Sequential(conv(3, nf), Shortcut(trunk), *ups, conv(nf, nf), nn.LeakyReLU(0.2), conv(nf, 3))

    def forward(self, x):
        return self.model(x)


def picture():
    return torch.rand(1, 3, 6, 9, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("doublings", [0, 1, 2, 3])
def test_the_first_esrgan_gives_the_same_picture_through_our_net(doublings):
    torch.manual_seed(doublings)
    theirs = Esrgan2018(nf=8, nb=2, gc=4, doublings=doublings).eval()
    state, dialect = to_canonical(theirs.state_dict())
    model = build_model(theirs.state_dict(), "old", "")
    assert dialect == "esrgan-2018"
    sizes = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 2, "num_grow_ch": 4}
    assert model.hyper == sizes | {"scale": 2**doublings, "unshuffle": 1, "plus": False}
    with torch.no_grad():
        torch.testing.assert_close(model.net(picture()), theirs(picture()), atol=1e-5, rtol=1e-5)
    theirs.load_state_dict(from_canonical(state, "esrgan-2018"), strict=True)  # and back, key by key


def test_esrgan_of_2019_and_its_blocks():
    # Names as in ESRGAN's RRDBNet_arch.py.
    ours = tiny_net("RRDBNet", num_block=2).state_dict()
    theirs = from_canonical(ours, "esrgan-2019")
    layers = {key.rpartition(".")[0] for key in theirs}
    blocks = {f"RRDB_trunk.{n}.RDB{r}.conv{c}" for n in range(2) for r in (1, 2, 3) for c in (1, 2, 3, 4, 5)}
    assert layers == blocks | {"conv_first", "trunk_conv", "upconv1", "upconv2", "HRconv", "conv_last"}
    back, dialect = to_canonical(theirs)
    assert dialect == "esrgan-2019"
    assert {k: id(v) for k, v in back.items()} == {k: id(v) for k, v in ours.items()}


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.integers(1, 30), st.integers(0, 4), st.sampled_from(RRDBNET_DIALECTS))
def test_there_and_back_for_any_depth_and_scale(num_block, doublings, dialect):
    layers = ["conv_first", "conv_body", "conv_hr", "conv_last", *(f"conv_up{k}" for k in range(1, doublings + 1))]
    layers += [f"body.{n}.rdb{r}.conv{c}" for n in range(num_block) for r in (1, 2, 3) for c in (1, 2, 3, 4, 5)]
    state = {f"{layer}.{leaf}": torch.zeros(1) for layer in layers for leaf in ("weight", "bias")}
    theirs = from_canonical(state, dialect)
    back, recognised = to_canonical(theirs)
    assert recognised == dialect
    assert len(theirs) == len(state)
    assert {k: id(v) for k, v in back.items()} == {k: id(v) for k, v in state.items()}


@pytest.mark.parametrize("names", [("conv_block1", "conv_block2", "conv_block3"), ("conv1", "conv2", "conv3")])
def test_srgan_pytorch_gives_the_same_picture_through_our_net(names):
    class Rcb(nn.Module):
        def __init__(self):
            super().__init__()
            conv1, conv2 = (nn.Conv2d(8, 8, 3, padding=1, bias=False) for _ in range(2))
            self.rcb = nn.Sequential(conv1, nn.BatchNorm2d(8), nn.PReLU(), conv2, nn.BatchNorm2d(8))

        def forward(self, x):
            return x + self.rcb(x)

    class Up(nn.Module):
        def __init__(self):
            super().__init__()
            self.upsample_block = nn.Sequential(nn.Conv2d(8, 32, 3, padding=1), nn.PixelShuffle(2), nn.PReLU())

        def forward(self, x):
            return self.upsample_block(x)

    torch.manual_seed(0)
    theirs = nn.Module()
    first = nn.Sequential(nn.Conv2d(3, 8, 9, padding=4), nn.PReLU())
    trunk = nn.Sequential(Rcb(), Rcb(), Rcb())
    second = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
    upsampling, last = nn.Sequential(Up(), Up()), nn.Conv2d(8, 3, 9, padding=4)
    parts = {names[0]: first, "trunk": trunk, names[1]: second, "upsampling": upsampling, names[2]: last}
    for name, part in parts.items():
        theirs.add_module(name, part)
    with torch.no_grad():
        trunk(first(picture()))  # gives batch norm statistics that matter
        theirs.eval()
        shallow = first(picture())
        expected = last(upsampling(shallow + second(trunk(shallow))))
        floats = {k: v for k, v in theirs.state_dict().items() if v.is_floating_point()}
        assert to_canonical(floats)[1] == "srgan-pytorch"
        model = build_model(floats, "srgan", "")
        assert (model.architecture, model.scale, model.hyper["num_block"]) == ("SRResNet", 4, 3)
        torch.testing.assert_close(model.net(picture()), expected, atol=1e-5, rtol=1e-5)


def test_mmsr_names_the_trunk_and_the_last_but_one_layer_otherwise():
    names = ("conv_first", "recon_trunk.0.conv1", "recon_trunk.11.conv2", "upconv1", "upconv2", "HRconv", "conv_last")
    state, dialect = to_canonical({f"{name}.weight": torch.zeros(1) for name in names})
    assert dialect == "mmsr"
    assert [key.removesuffix(".weight") for key in state] == [
        *("conv_first", "body.0.conv1", "body.11.conv2", "upconv1", "upconv2", "conv_hr", "conv_last")
    ]


def test_canonical_keys_stay():
    state = tiny_net("RRDBNet").state_dict()
    assert to_canonical(state) == (state, CANONICAL)
    assert from_canonical(state, CANONICAL) == state


def test_two_keys_for_one_layer_are_refused():
    state = {"RRDB_trunk.0.RDB1.conv1.weight": torch.zeros(1), "body.0.rdb1.conv1.weight": torch.zeros(1)}
    with pytest.raises(WeightsError, match="same layer"):
        to_canonical(state)


def test_a_hostile_layer_number_costs_nothing():
    state = {"model.1.sub.0.RDB1.conv1.0.weight": torch.zeros(1), f"model.{'9' * 100}.weight": torch.zeros(1)}
    renamed, dialect = to_canonical(state)
    assert dialect == "esrgan-2018"
    assert list(renamed)[1] == f"model.{'9' * 100}.weight"


def test_only_rrdbnet_has_old_dialects():
    with pytest.raises(UsageError, match="RRDBNet only"):
        from_canonical({"body.0.weight": torch.zeros(1)}, "esrgan-2018")
    with pytest.raises(UsageError, match="no dialect waifu"):
        from_canonical({}, "waifu")
