"""The feature net against a plain stack of layers numbered as torchvision numbers them."""

from __future__ import annotations

import hashlib

import pytest
import torch
from torch import nn

from texup.errors import WeightsError
from texup.nets.features import VGGFeatures, vgg19_from_torchvision, vgg19_layers
from texup.training.objective import features as vgg_file
from texup.training.objective.features import VGG19_SHA256, load_vgg19

WIDTHS = [64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512, 512, 512, 512]
NUMBERS = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]  # of torchvision's vgg19().features


def picture(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def stack(width):
    """Return VGG19's layers as torchvision strings them together, 0 in the widths for a pool."""
    layers, channels = [], 3
    for wide in WIDTHS:
        if wide:
            out = int(wide * width)
            layers += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU()]
            channels = out
        else:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def test_the_layers_have_torchvisions_numbers():
    assert list(vgg19_layers().values()) == NUMBERS
    assert list(vgg19_layers())[0::5] == ["conv1_1", "conv3_2", "conv4_3", "conv5_4"]
    assert [i for i, layer in enumerate(stack(1 / 64)) if isinstance(layer, nn.Conv2d)] == NUMBERS


@pytest.mark.parametrize("before", [True, False])
def test_the_features_are_those_of_the_plain_stack(before):
    taps = ("conv5_4", "conv1_2", "conv2_2", "conv3_4", "conv4_4")  # in any order
    net = VGGFeatures(1 / 16, taps, before_activation=before)
    plain = stack(1 / 16)
    plain.load_state_dict(
        {f"{vgg19_layers()[k.split('.')[0]]}.{k.split('.')[1]}": v for k, v in net.layers.state_dict().items()}
    )
    x = picture(2, 3, 32, 48)
    y, expected = (x - 0.5) / 0.25, []
    for number, layer in enumerate(plain):
        y = layer(y)
        if number in {2 + (not before), 7 + (not before), 16 + (not before), 25 + (not before), 34 + (not before)}:
            expected.append(y)
    found = net(x)
    assert [f.shape[1] for f in found] == [4, 8, 16, 32, 32]
    assert [f.shape[2] for f in found] == [32, 16, 8, 4, 2]
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs.detach(), atol=1e-5, rtol=1e-5)
    assert all((float(f.min()) < 0) == before for f in found)


@pytest.mark.parametrize(
    ("width", "taps", "count"),
    [
        (1.0, ("conv5_4",), 20_024_384),
        (0.5, ("conv2_2", "conv3_4", "conv4_4"), 2_647_584),
        (1.0, ("conv2_2",), 260_160),
    ],
)
def test_it_ends_at_the_last_tap(width, taps, count):
    assert sum(p.numel() for p in VGGFeatures(width, taps).parameters()) == count


@pytest.mark.parametrize("taps", [(), ("conv2_3",), ("conv2_2", "pool1")])
def test_a_tap_that_is_not_there_is_refused(taps):
    with pytest.raises(ValueError, match=r"taps must be of conv1_1, .*conv5_4, not"):
        VGGFeatures(0.1, taps)


def test_it_is_never_trained_and_lets_the_gradient_through():
    net = VGGFeatures(1 / 16)
    assert not any(p.requires_grad for p in net.parameters())
    x = picture(1, 3, 16, 16).requires_grad_(True)
    sum(f.square().sum() for f in net(x)).backward()
    assert (x.grad != 0).double().mean() > 0.9


def test_a_draw_has_kaiming_size_keeps_the_variance_and_follows_its_generator():
    net = VGGFeatures(0.5)
    first = net.layers["conv3_1"].weight.clone()
    assert float(first.std()) == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    deep = net(picture(1, 3, 64, 64))[-1]
    assert 0.2 < float(deep.std()) < 5
    net.redraw()
    assert not torch.equal(first, net.layers["conv3_1"].weight)
    other = VGGFeatures(0.5)
    for n in (net, other):
        n.redraw(torch.Generator().manual_seed(5))
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    net.redraw(torch.Generator().manual_seed(5))
    assert torch.equal(torch.rand(3), expected)


def test_the_state_holds_the_weights_and_nothing_else():
    assert set(VGGFeatures(0.1, ("conv1_2",)).state_dict()) == {
        f"layers.conv1_{k}.{leaf}" for k in (1, 2) for leaf in ("weight", "bias")
    }


def torchvision_state(last=7):
    """Return the first layers of a state dict like torchvision's, and a dense one."""
    torch.manual_seed(0)
    plain = {f"features.{k}": v for k, v in stack(1.0)[: last + 1].state_dict().items()}
    return plain | {"classifier.0.weight": torch.zeros(5, 5)}


@pytest.mark.parametrize("before", [True, False])
def test_weights_of_torchvision_meet_pictures_as_imagenet_normalises_them(before):
    state = torchvision_state()
    net = vgg19_from_torchvision(state, ("conv1_1", "conv2_2"), before_activation=before)
    x = picture(1, 3, 16, 16)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    y = (x - mean[:, None, None]) / deviation[:, None, None]
    plain = stack(1.0)[:9]
    plain.load_state_dict({k.removeprefix("features."): v for k, v in state.items() if k.startswith("features")})
    first, second = net(x)
    torch.testing.assert_close(first, plain[: 1 if before else 2](y).detach(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(second, plain[: 8 if before else 9](y).detach(), atol=1e-4, rtol=1e-4)
    with pytest.raises(KeyError, match=r"features\.10\.weight"):
        vgg19_from_torchvision(state, ("conv3_1",), before_activation=before)


def test_only_the_public_file_is_read(tmp_path, monkeypatch):
    path = tmp_path / "vgg19-dcbb9e9d.pth"
    state = torchvision_state()
    torch.save(state, path, _use_new_zipfile_serialization=False)  # as the public file of 2017 is written
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert VGG19_SHA256.startswith("dcbb9e9d")  # which torchvision puts into the name
    with pytest.raises(WeightsError, match=rf"vgg19-dcbb9e9d\.pth: SHA-256 {sha256} is not the expected dcbb9e9dad56"):
        load_vgg19(path, ("conv2_2",), before_activation=True)
    with pytest.raises(WeightsError, match=r"none\.pth: no such file"):
        load_vgg19(tmp_path / "none.pth", ("conv2_2",), before_activation=True)
    monkeypatch.setattr(vgg_file, "VGG19_SHA256", sha256)
    net = load_vgg19(path, ("conv2_2",), before_activation=False)
    assert torch.equal(net.layers["conv2_2"].weight, state["features.7.weight"])
    assert not net.before_activation
