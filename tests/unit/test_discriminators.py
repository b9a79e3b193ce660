"""The discriminators: sizes as published, one logit for what they judge, features of the same pass."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from texup.nets.discriminators import SRGANDiscriminator, UNetDiscriminator, VGGStyleDiscriminator
from texup.training.objective.losses import feature_distance, standard_loss

SMALL = [
    UNetDiscriminator(num_feat=4),
    SRGANDiscriminator(32, num_feat=4),
    SRGANDiscriminator(32, num_feat=4, residual=True, dropout=0.3),
    VGGStyleDiscriminator(32, num_feat=4),
]
IDS = ["unet", "srgan", "srgan-residual", "vgg"]


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def convolutions(net):
    return [m for m in net.modules() if isinstance(m, nn.Conv2d)]


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (UNetDiscriminator, 4_376_897),  # Real-ESRGAN's
        (VGGStyleDiscriminator, 14_499_401),  # ESRGAN's
        (lambda: VGGStyleDiscriminator(256), 21_055_049),
        # 4,683,520 of the convolutions, 3,712 of batch norm, 18,875,392 and 1,025 of the dense layers
        (lambda: SRGANDiscriminator(96), 23_563_649),
        (lambda: SRGANDiscriminator(256), 23_563_649),
    ],
    ids=["unet", "vgg-128", "vgg-256", "srgan-96", "srgan-256"],
)
def test_the_numbers_of_parameters_are_those_of_the_published_nets(make, count):
    with torch.device("meta"):
        net = make()
    assert parameters(net) == count


def test_the_convolutions_are_those_of_the_papers():
    def described(net):
        return [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0]) for c in convolutions(net)]

    with torch.device("meta"):
        srgan, vgg = SRGANDiscriminator(96), VGGStyleDiscriminator(128)
    assert described(srgan) == [
        *((3, 64, 3, 1), (64, 64, 3, 2), (64, 128, 3, 1), (128, 128, 3, 2)),
        *((128, 256, 3, 1), (256, 256, 3, 2), (256, 512, 3, 1), (512, 512, 3, 2)),
    ]
    assert described(vgg) == [
        *((3, 64, 3, 1), (64, 64, 4, 2), (64, 128, 3, 1), (128, 128, 4, 2), (128, 256, 3, 1), (256, 256, 4, 2)),
        *((256, 512, 3, 1), (512, 512, 4, 2), (512, 512, 3, 1), (512, 512, 4, 2)),
    ]
    assert sum(isinstance(m, nn.BatchNorm2d) for m in srgan.modules()) == 7
    assert sum(isinstance(m, nn.BatchNorm2d) for m in vgg.modules()) == 9
    assert all(m.negative_slope == 0.2 for net in (srgan, vgg) for m in net.modules() if isinstance(m, nn.LeakyReLU))


@pytest.mark.parametrize("net", SMALL, ids=IDS)
def test_logits_and_features_come_from_one_pass(net):
    net.eval()
    x = noise(2, 3, 32, 32)
    logits, features = net.forward_features(x)
    assert torch.equal(net(x), logits)
    assert logits.shape == ((2, 1, 32, 32) if isinstance(net, UNetDiscriminator) else (2, 1))
    sizes = [f.shape[-1] for f in features]
    assert sizes == [16, 8, 4, 2, 1][: len(sizes)]
    assert len(sizes) == {UNetDiscriminator: 3, SRGANDiscriminator: 4, VGGStyleDiscriminator: 5}[type(net)]
    assert [f.shape[1] for f in features][:3] == ([8, 16, 32] if isinstance(net, UNetDiscriminator) else [4, 8, 16])


@pytest.mark.parametrize("net", SMALL, ids=IDS)
def test_the_logits_move_the_picture_and_every_weight(net):
    net.train()
    x = noise(2, 3, 32, 32).requires_grad_(True)
    logits, features = net.forward_features(x)
    real = [torch.zeros_like(f) for f in features]
    (standard_loss(logits, real=True) + feature_distance(features, real, "l1")).backward()
    assert x.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    net.zero_grad(set_to_none=True)


def test_the_unet_is_that_of_real_esrgan_with_norms_of_one():
    torch.manual_seed(0)
    net = UNetDiscriminator(num_feat=4).train()
    x = noise(1, 3, 16, 24)
    for _ in range(50):  # the power iteration settles
        net(x)
    net.eval()
    names = ("down1", "down2", "down3", "up1", "up2", "up3", "conv7", "conv8")
    weights = {name: getattr(net, name).weight.detach() for name in names}
    for weight in weights.values():
        assert float(torch.linalg.matrix_norm(weight.flatten(1), 2)) == pytest.approx(1, abs=0.01)

    def act(y):
        return torch.where(y > 0, y, 0.2 * y)

    def conv(name, y, stride=1):
        return act(F.conv2d(y, weights[name], stride=stride, padding=1))

    def twice(y):
        return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)(y)

    full = act(F.conv2d(x, net.conv0.weight, net.conv0.bias, padding=1))
    half = conv("down1", full, 2)
    quarter = conv("down2", half, 2)
    eighth = conv("down3", quarter, 2)
    y = conv("up1", twice(eighth)) + quarter
    y = conv("up2", twice(y)) + half
    y = conv("up3", twice(y)) + full
    y = F.conv2d(conv("conv8", conv("conv7", y)), net.conv9.weight, net.conv9.bias, padding=1)
    logits, features = net.forward_features(x)
    torch.testing.assert_close(logits, y, atol=1e-5, rtol=1e-5)
    for found, again, expected in zip(features, net.features(x), (half, quarter, eighth), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
        assert torch.equal(found, again)


@pytest.mark.parametrize("size", [64, 96, 128, 256])
@pytest.mark.parametrize("make", [SRGANDiscriminator, VGGStyleDiscriminator])
def test_every_usual_size_has_one_logit(make, size):
    assert make(size, num_feat=2).eval()(noise(1, 3, size, size)).shape == (1, 1)


@pytest.mark.parametrize(
    ("make", "size", "multiple"),
    [
        *((SRGANDiscriminator, 100, 16), (SRGANDiscriminator, 0, 16)),
        *((VGGStyleDiscriminator, 80, 32), (VGGStyleDiscriminator, 288, 64)),
    ],
)
def test_a_size_that_does_not_halve_is_refused(make, size, multiple):
    with pytest.raises(ValueError, match=f"multiple of {multiple}, not {size}"):
        make(size, num_feat=2)


def test_the_residual_variant_has_a_block_at_each_width_and_dropout_only_while_it_learns():
    torch.manual_seed(0)
    plain, net = SRGANDiscriminator(32, num_feat=4), SRGANDiscriminator(32, num_feat=4, residual=True, dropout=0.5)
    widths = [(c.in_channels, c.out_channels) for c in convolutions(net)]
    assert widths == [
        *((3, 4), (4, 4), (4, 4), (4, 4), (4, 8), (8, 8), (8, 8), (8, 8)),
        *((8, 16), (16, 16), (16, 16), (16, 16), (16, 32), (32, 32), (32, 32), (32, 32)),
    ]
    assert len(convolutions(plain)) == 8
    x = noise(2, 3, 32, 32)
    assert not torch.equal(net.train()(x), net(x))
    assert torch.equal(net.eval()(x), net(x))
    without = SRGANDiscriminator(32, num_feat=4, residual=True).train()
    torch.testing.assert_close(without(x), without(x))


def test_a_block_of_the_variant_adds_to_what_it_gets_and_drops_between_its_convolutions():
    net = SRGANDiscriminator(32, num_feat=4, residual=True, dropout=0.5)
    block = net.stages[0][-1]
    kinds = [type(layer).__name__ for layer in block.body]
    assert kinds == ["Conv2d", "BatchNorm2d", "LeakyReLU", "Dropout", "Conv2d", "BatchNorm2d"]
    block.body[-1].weight.data.zero_()  # of the last batch norm
    y = noise(1, 4, 8, 8) - 0.5
    assert torch.equal(block(y), y)
