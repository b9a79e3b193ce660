"""Every net against a second implementation of the same paper, written without its classes."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from texup.nets.kpn import KernelPrediction
from texup.nets.realplksr import RealPLKSR
from texup.nets.rrdbnet import RRDBNet
from texup.nets.span import SPAN, SpanPlus, fuse
from texup.nets.srresnet import MSRResNet, SRResNet
from texup.nets.srvgg import SRVGGNetCompact, at_scale
from texup.training.config import Optimisation
from texup.training.objective.optimizers import build_optimizers

NETS = [
    *[RRDBNet(num_feat=8, num_block=2, num_grow_ch=4, scale=s) for s in (1, 2, 4, 8)],
    RRDBNet(num_feat=8, num_block=1, num_grow_ch=4, scale=2, unshuffle=2),
    RRDBNet(num_feat=8, num_block=1, num_grow_ch=4, scale=1, unshuffle=4),
    *[SRResNet(num_feat=8, num_block=2, scale=s, batch_norm=b) for s in (2, 3, 4) for b in (True, False)],
    *[MSRResNet(num_feat=8, num_block=2, scale=s) for s in (2, 3, 4)],
    *[SRVGGNetCompact(num_feat=8, num_conv=3, scale=s) for s in (1, 2, 3, 4)],
    SRVGGNetCompact(num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=2, scale=2),
    *[KernelPrediction(num_feat=4, num_conv=2, scale=s) for s in (2, 4)],
    *[SPAN(num_feat=4, scale=2, deployed=d) for d in (False, True)],
    *[SpanPlus(num_feat=4, num_block=1, scale=s, upsampler=u) for s, u in ((2, "dysample"), (3, "pixelshuffle"))],
    *[RealPLKSR(num_feat=8, num_block=1, num_large=2, kernel_size=5, layer_norm=n, dysample=n) for n in (True, False)],
]


def randomise(net: nn.Module) -> nn.Module:
    """Give every tensor of the net, batch norm's statistics too, values that matter in the result."""
    g = torch.Generator().manual_seed(3)
    for name, value in net.state_dict().items():
        if value.ndim == 4:
            value.copy_(torch.randn(value.shape, generator=g) / value[0].numel() ** 0.5)
        elif value.is_floating_point():
            low = 0.5 if name.endswith("running_var") else -0.2
            value.copy_(torch.rand(value.shape, generator=g) + low)
    return net.eval().requires_grad_(False)


def picture(n: int, channels: int, h: int, w: int, *, seed: int = 1) -> torch.Tensor:
    return torch.rand(n, channels, h, w, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("net", NETS, ids=lambda net: f"{type(net).__name__}-x{getattr(net, 'scale', '')}")
def test_any_batch_and_any_size_come_out_scaled_and_the_same_as_alone(net):
    net = randomise(net)
    first = net.body[0] if isinstance(net, SRVGGNetCompact) else getattr(net, "hidden", [None])[0]
    channels = 3 if first is None else first.in_channels
    x = picture(3, channels, 8, 12)
    out = net(x)
    scale = out.shape[-1] // 12
    assert out.shape == (3, channels, 8 * scale, 12 * scale)
    assert scale == getattr(net, "scale", scale)
    for i in range(3):
        torch.testing.assert_close(out[i : i + 1], net(x[i : i + 1]), atol=1e-5, rtol=1e-5)
    last = net.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(last, out, atol=1e-5, rtol=1e-5)


def conv(state, name, x, *, padding=1):
    return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), padding=padding)


def shuffled(x, r):
    n, c, h, w = x.shape
    return x.view(n, c // r**2, r, r, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, c // r**2, h * r, w * r)


def test_srvgg_is_convolutions_with_prelu_and_the_nearest_picture():
    net = randomise(SRVGGNetCompact(num_feat=6, num_conv=2, scale=3))
    s, x = net.state_dict(), picture(2, 3, 5, 7)
    y = x
    for i in (0, 2, 4):
        y = conv(s, f"body.{i}", y)
        y = torch.where(y > 0, y, y * s[f"body.{i + 1}.weight"][:, None, None])
    y = shuffled(conv(s, "body.6", y), 3) + x.repeat_interleave(3, 2).repeat_interleave(3, 3)
    assert set(s) == {f"body.{i}.{leaf}" for i in (0, 2, 4, 6) for leaf in ("weight", "bias")} | {
        f"body.{i}.weight" for i in (1, 3, 5)
    }
    torch.testing.assert_close(net(x), y, atol=1e-5, rtol=1e-5)


def mixed_colours(net, rgba):
    with torch.no_grad():
        return net(torch.tensor(rgba, dtype=torch.float32).permute(2, 0, 1)[None])[0].permute(1, 2, 0)


def test_predicted_kernels_mix_neighbours_and_nothing_else():
    net = randomise(KernelPrediction(num_feat=6, num_conv=2, scale=3))
    rgba = np.random.default_rng(5).random((7, 6, 4))
    result = mixed_colours(net, rgba).numpy()
    padded = np.pad(rgba, ((1, 1), (1, 1), (0, 0)), mode="edge")
    around = np.stack([padded[y : y + 7, x : x + 6] for y in range(3) for x in range(3)])
    low, high = (f(around, axis=0).repeat(3, axis=0).repeat(3, axis=1) for f in (np.min, np.max))
    assert (result >= low - 1e-5).all()
    assert (result <= high + 1e-5).all()
    assert np.abs(result - rgba.repeat(3, axis=0).repeat(3, axis=1)).max() > 0.1  # it does mix


def test_predicted_kernels_leave_flat_areas_alone_and_what_does_not_show_out():
    net = randomise(KernelPrediction(num_feat=6, num_conv=2, scale=4))
    rgba = np.zeros((8, 8, 4))
    rgba[..., :3] = (0.0, 1.0, 0.0)  # green under alpha 0
    rgba[2:6, 2:6] = (0.25, 0.5, 0.75, 1.0)
    result = mixed_colours(net, rgba)
    flat, shown = result[12:20, 12:20], result[result[..., 3] > 1e-3]
    assert torch.allclose(flat, torch.tensor((0.25, 0.5, 0.75, 1.0)), atol=1e-6)
    assert torch.allclose(shown[:, :3], torch.tensor((0.25, 0.5, 0.75)), atol=1e-4)


class Beside(nn.Module):
    """A compact net in the form with a shortcut beside each hidden convolution."""

    def __init__(self, plain):
        super().__init__()
        self.plain = plain
        with torch.no_grad():
            for layer in self.hidden():
                layer.weight[..., 1, 1] -= torch.eye(layer.weight.shape[0])

    def hidden(self):
        return [layer for layer in self.plain.body[2:-1] if isinstance(layer, nn.Conv2d)]

    def forward(self, x):
        y, hidden = x, self.hidden()
        for layer in self.plain.body:
            y = layer(y) + y if layer in hidden else layer(y)
        return F.pixel_shuffle(y, self.plain.scale) + F.interpolate(x, scale_factor=float(self.plain.scale))


def test_an_identity_in_the_start_trains_as_a_shortcut_beside_the_convolution():
    torch.manual_seed(4)
    inside = SRVGGNetCompact(num_feat=8, num_conv=3, scale=2, identity=True)
    beside = Beside(copy.deepcopy(inside))
    assert all(abs(layer.weight[..., 1, 1].diagonal() - 1).max() < 0.2 for layer in list(inside.body)[2:-1:2])
    wanted = Optimisation(kind="muon", muon_rate=0.02, adam_rate=1e-3)
    both = [(net, build_optimizers(net, wanted)) for net in (inside, beside)]
    start = [p.clone() for p in inside.parameters()]
    for step in range(8):
        lr, hr = picture(2, 3, 8, 8, seed=step), picture(2, 3, 16, 16, seed=step + 50)
        losses = []
        for net, optimizers in both:
            net.zero_grad()
            losses.append(F.l1_loss(net(lr), hr))
            losses[-1].backward()
            for optimizer in optimizers:
                optimizer.step()
        torch.testing.assert_close(*losses, atol=2e-5, rtol=0)
    assert max((p - q).abs().max() for p, q in zip(start, inside.parameters(), strict=True)) > 0.01


@pytest.mark.parametrize("scale", [1, 2])
def test_a_smaller_scale_begins_as_the_larger_net_reduced(scale):
    large = randomise(SRVGGNetCompact(num_feat=8, num_conv=2, scale=4))
    small = SRVGGNetCompact(num_feat=8, num_conv=2, scale=scale)
    small.load_state_dict(at_scale(large.state_dict(), scale))
    x = picture(2, 3, 6, 9)
    torch.testing.assert_close(small(x), F.avg_pool2d(large(x), 4 // scale), atol=1e-5, rtol=1e-5)


def test_weights_that_cannot_begin_another_scale_stay_as_they_are():
    state = SRVGGNetCompact(num_feat=8, num_conv=2, scale=4).state_dict()
    for scale in (3, 4, 8):
        assert at_scale(state, scale) is state
    strange = {"conv_first.weight": torch.zeros(3, 3, 3, 3)}
    assert at_scale(strange, 2) is strange


def branches(state, name, x):
    """A layer of SPAN as the paper draws it: three convolutions over a padded picture, and one beside them."""
    y = F.pad(x, (1, 1, 1, 1))
    for k in range(3):
        y = conv(state, f"{name}.conv.{k}", y, padding=0)
    return y + conv(state, f"{name}.sk", x, padding=0)


@pytest.mark.parametrize("upsampler", ["pixelshuffle", "dysample"])
def test_spanplus_is_groups_of_attention_without_parameters(upsampler):
    net = randomise(SpanPlus(num_feat=4, num_block=2, num_group=2, scale=2, upsampler=upsampler))
    s, x = net.state_dict(), picture(2, 3, 6, 9)

    def block(name, y):
        first = F.mish(branches(s, f"{name}.c1_r", y))
        third = branches(s, f"{name}.c3_r", F.mish(branches(s, f"{name}.c2_r", first)))
        return (third + y) * (third.sigmoid() - 0.5), first

    y = branches(s, "feats.0", x)
    for k in (1, 2):
        start, name = y, f"feats.{k}"
        first = y = block(f"{name}.block_1", y)[0]
        for j in range(2):
            y = block(f"{name}.block_n.{j}", y)[0]
        y, inner = block(f"{name}.block_end", y)
        y = conv(
            s, f"{name}.conv_cat", torch.cat((start, branches(s, f"{name}.conv_2", y), first, inner), 1), padding=0
        )
    expected = shuffled(conv(s, "upsampler.0", y), 2) if upsampler == "pixelshuffle" else net.upsampler(y)
    torch.testing.assert_close(net(x), expected, atol=1e-5, rtol=1e-4)


def test_span_learns_through_its_fold_and_forgets_a_kept_one():
    torch.manual_seed(6)
    net, x = SPAN(num_feat=4, scale=2).train(), picture(1, 3, 6, 6)
    net(x).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in net.named_parameters() if "conv_1.conv" in n)
    assert not any("eval_conv" in name for name, value in net.named_parameters() if value.requires_grad)
    before = net.eval()(x).detach()
    fuse(net)
    torch.testing.assert_close(net(x).detach(), before, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        net.train().conv_1.sk.weight.add_(1)
        assert (net.eval()(x) - before).abs().max() > 1e-3


@pytest.mark.parametrize(("scale", "steps"), [(2, [2]), (3, [3]), (4, [2, 2])])
def test_msrresnet_is_residual_blocks_and_the_bilinear_picture(scale, steps):
    net = randomise(MSRResNet(num_feat=6, num_block=2, scale=scale))
    s, x = net.state_dict(), picture(2, 3, 5, 7)
    y = F.leaky_relu(conv(s, "conv_first", x), 0.1)
    for i in range(2):
        y = y + conv(s, f"body.{i}.conv2", conv(s, f"body.{i}.conv1", y).clamp(min=0))
    for k, step in enumerate(steps, 1):
        y = F.leaky_relu(shuffled(conv(s, f"upconv{k}", y), step), 0.1)
    y = conv(s, "conv_last", F.leaky_relu(conv(s, "conv_hr", y), 0.1))
    base = nn.Upsample(scale_factor=scale, mode="bilinear", align_corners=False)(x)
    torch.testing.assert_close(net(x), y + base, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_srresnet_is_the_published_generator(batch_norm):
    net = randomise(SRResNet(num_feat=6, num_block=2, scale=4, batch_norm=batch_norm))
    s, x = net.state_dict(), picture(2, 3, 5, 7)

    def norm(name, y):
        if not batch_norm:
            return y
        mean, var = s[f"{name}.running_mean"], s[f"{name}.running_var"]
        scaled = (y - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()
        return scaled * s[f"{name}.weight"][:, None, None] + s[f"{name}.bias"][:, None, None]

    def prelu(name, y):
        return y.clamp(min=0) + s[f"{name}.weight"] * y.clamp(max=0)

    first = y = prelu("act_first", conv(s, "conv_first", x, padding=4))
    for i in range(2):
        z = prelu(f"body.{i}.act", norm(f"body.{i}.bn1", conv(s, f"body.{i}.conv1", y)))
        y = y + norm(f"body.{i}.bn2", conv(s, f"body.{i}.conv2", z))
    y = first + norm("bn_body", conv(s, "conv_body", y))
    for i in range(2):
        y = prelu(f"up.{i}.act", shuffled(conv(s, f"up.{i}.conv", y), 2))
    torch.testing.assert_close(net(x), conv(s, "conv_last", y, padding=4), atol=1e-5, rtol=1e-5)
    assert any("bn" in key for key in s) == batch_norm
    for layer in ("body.0.conv1", "body.0.conv2", "conv_body"):
        assert (f"{layer}.bias" in s) != batch_norm


@pytest.mark.parametrize("unshuffle", [1, 2, 4])
def test_rrdbnet_is_dense_blocks_in_residuals(unshuffle):
    net = randomise(RRDBNet(num_feat=6, num_block=2, num_grow_ch=4, scale=4 // unshuffle, unshuffle=unshuffle))
    s, x = net.state_dict(), picture(2, 3, 8, 12)
    n, c, h, w = x.shape
    u = unshuffle
    y = x.view(n, c, h // u, u, w // u, u).permute(0, 1, 3, 5, 2, 4).reshape(n, c * u * u, h // u, w // u)
    first = y = conv(s, "conv_first", y)
    for block in range(2):
        outer = y
        for rdb in (1, 2, 3):
            grown = [y]
            for k in range(1, 5):
                grown.append(F.leaky_relu(conv(s, f"body.{block}.rdb{rdb}.conv{k}", torch.cat(grown, 1)), 0.2))
            y = y + 0.2 * conv(s, f"body.{block}.rdb{rdb}.conv5", torch.cat(grown, 1))
        y = outer + 0.2 * y
    y = first + conv(s, "conv_body", y)
    for k in (1, 2):
        y = F.leaky_relu(conv(s, f"conv_up{k}", y.repeat_interleave(2, 2).repeat_interleave(2, 3)), 0.2)
    y = conv(s, "conv_last", F.leaky_relu(conv(s, "conv_hr", y), 0.2))
    torch.testing.assert_close(net(x), y, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("net", [SRResNet, MSRResNet])
@pytest.mark.parametrize("scale", [0, 5, 6])
def test_a_scale_that_no_pixel_shuffle_makes_is_refused(net, scale):
    with pytest.raises(ValueError, match=f"not {scale}"):
        net(num_feat=4, num_block=1, scale=scale)


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (RRDBNet, 16_697_987),
        (lambda: RRDBNet(num_block=6), 4_467_779),
        (SRResNet, 1_547_350),
        (lambda: SRResNet(batch_norm=False), 1_547_350 - 33 * 64),  # a bias instead of batch norm's two
        (MSRResNet, 1_517_571),
        (lambda: SRVGGNetCompact(num_conv=16), 621_424),
        (lambda: SRVGGNetCompact(num_conv=32), 1_213_296),
    ],
    ids=["rrdb-23", "rrdb-6", "srresnet", "srresnet-without-bn", "msrresnet", "srvgg-16", "srvgg-32"],
)
def test_the_numbers_of_parameters_are_those_of_the_published_nets(make, count):
    with torch.device("meta"):
        net = make()
    assert sum(p.numel() for p in net.parameters()) == count


def assert_small(layer):
    fan_in = layer.weight[0].numel()
    assert float(layer.weight.detach().std()) == pytest.approx(0.1 * (2 / fan_in) ** 0.5, rel=0.05)
    assert not layer.bias.any()


def test_residuals_start_small_where_no_batch_norm_holds_them():
    torch.manual_seed(0)
    rrdb, plain, basicsr = RRDBNet(num_block=1), SRResNet(num_block=1, batch_norm=False), MSRResNet(num_block=1)
    for rdb in (rrdb.body[0].rdb1, rrdb.body[0].rdb3):
        for k in range(1, 6):
            assert_small(getattr(rdb, f"conv{k}"))
    for net in (plain, basicsr):
        assert_small(net.body[0].conv1)
        assert_small(net.body[0].conv2)
    for name in ("conv_first", "upconv1", "conv_hr"):
        assert_small(getattr(basicsr, name))
    published = SRResNet(num_block=1).body[0].conv1.weight.detach()
    assert float(published.std()) == pytest.approx((1 / 3 / (64 * 9)) ** 0.5, rel=0.05)  # torch's own


@pytest.mark.parametrize(("net", "mode"), [(SRVGGNetCompact, "nearest"), (MSRResNet, "bilinear")])
def test_nets_with_a_picture_to_add_start_near_it(net, mode):
    torch.manual_seed(0)
    x = picture(2, 3, 16, 16)
    base = F.interpolate(x, scale_factor=4.0, mode=mode)
    assert 0 < float((net()(x) - base).abs().mean().detach()) < 0.02


def test_batch_norm_learns_statistics_in_training_and_uses_them_afterwards():
    torch.manual_seed(0)
    net, x = SRResNet(num_feat=4, num_block=1).train(), picture(4, 3, 6, 6)
    before = net.bn_body.running_var.clone()
    trained = net(x)
    assert not torch.equal(net.bn_body.running_var, before)
    after = net.bn_body.running_var.clone()
    assert not torch.allclose(net.eval()(x), trained)
    assert torch.equal(net.bn_body.running_var, after)
