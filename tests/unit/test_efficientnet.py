"""The features of EfficientNet-Lite0 against its published layers, and the file that their weights come from."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from texup.errors import UsageError, WeightsError
from texup.nets.efficientnet import EfficientNetLiteFeatures, efficientnet_from_pytorch
from texup.training.config import Features
from texup.training.objective import features
from texup.training.objective.features import load_efficientnet
from texup.training.objective.systems import build_features

# Table 1 of the paper, without squeeze and excitation: (repeats, expansion, kernel, first stride, width) of the stages.
STAGES = ((1, 1, 3, 1, 16), (2, 6, 3, 2, 24), (2, 6, 5, 2, 40), (3, 6, 3, 2, 80))
SHAPES = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}


def published(seed=0):
    """Random weights in the names and shapes of the published file, up to its eighth block, and its plan."""
    g = torch.Generator().manual_seed(seed)
    state, plan, width = {}, [], 32

    def add(convolution, norm, out, into, kernel):
        state[f"{convolution}.weight"] = torch.randn(out, into, kernel, kernel, generator=g) / (into * kernel) ** 0.5
        for leaf, middle in SHAPES.items():
            state[f"{norm}.{leaf}"] = middle + 0.3 * torch.rand(out, generator=g)

    add("_conv_stem", "_bn0", 32, 3, 3)
    for repeats, expansion, kernel, stride, out in STAGES:
        for repeat in range(repeats):
            name, hidden = f"_blocks.{len(plan)}", width * expansion
            if expansion > 1:
                add(f"{name}._expand_conv", f"{name}._bn0", hidden, width, 1)
            add(f"{name}._depthwise_conv", f"{name}._bn1", hidden, 1, kernel)
            add(f"{name}._project_conv", f"{name}._bn2", out, hidden, 1)
            plan.append((name, expansion, stride if repeat == 0 else 1))
            width = out
    return state, plan


def layer(state, convolution, norm, x, *, stride=1, groups=1):
    weight = state[f"{convolution}.weight"]
    y = F.conv2d(x, weight, None, stride, weight.shape[2] // 2, groups=groups)
    mean, variance = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
    return F.batch_norm(y, mean, variance, state[f"{norm}.weight"], state[f"{norm}.bias"], eps=1e-3)


def test_the_features_are_those_of_the_published_layers():
    state, plan = published()
    x = torch.rand(2, 3, 32, 40, generator=torch.Generator().manual_seed(1))
    y = F.interpolate((x * 255 - 127) / 128, scale_factor=2.0, mode="bilinear")
    y = F.relu6(layer(state, "_conv_stem", "_bn0", y, stride=2))
    expected = {"stem": y}
    for k, (name, expansion, stride) in enumerate(plan):
        z = y
        if expansion > 1:
            z = F.relu6(layer(state, f"{name}._expand_conv", f"{name}._bn0", z))
            expected[f"expand{k}"] = z
        z = F.relu6(layer(state, f"{name}._depthwise_conv", f"{name}._bn1", z, stride=stride, groups=z.shape[1]))
        z = layer(state, f"{name}._project_conv", f"{name}._bn2", z)
        y = z + y if z.shape == y.shape else z
    expected["block7"] = y
    net = efficientnet_from_pytorch(state, list(expected))
    found = net(x)
    assert len(found) == len(expected) == 9
    for ours, theirs in zip(found, expected.values(), strict=True):
        assert ours.shape == theirs.shape
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    assert [f.shape[1:] for f in EfficientNetLiteFeatures()(x)] == [
        (32, 32, 40),
        (96, 32, 40),
        (144, 16, 20),
        (240, 8, 10),
        (80, 4, 5),
    ]
    assert not any(p.requires_grad for p in net.parameters())


def test_taps_are_refused_by_name():
    with pytest.raises(ValueError, match=r"taps must be of stem, expand1, .*, block7, not conv2_2"):
        EfficientNetLiteFeatures(["conv2_2"])
    with pytest.raises(ValueError, match="not none"):
        EfficientNetLiteFeatures([])
    with pytest.raises(UsageError, match=r"^features.taps: taps must be of stem"):
        build_features(Features(kind="efficientnet-lite0", taps=("conv2_2",)), None)


def test_without_the_package_the_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(features, "EFFICIENTNET_PACKAGE", "no_such_package_here")
    with pytest.raises(UsageError, match=r"EfficientNet-Lite0: pip install 'texup\[train\]'"):
        load_efficientnet(["stem"])


def test_another_file_is_refused(monkeypatch, tmp_path):
    folder = tmp_path / "some_package"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('never imported')")
    (folder / features.EFFICIENTNET_FILE).write_bytes(b"weights of another net")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(features, "EFFICIENTNET_PACKAGE", "some_package")
    with pytest.raises(WeightsError, match="is not the expected 5793442"):
        load_efficientnet(["stem"])


def test_the_trained_net_finds_noise_further_from_a_picture_than_a_shift_in_brightness():
    net = build_features(Features(kind="efficientnet-lite0", taps=("stem", "expand3", "block7")), None)
    g = torch.Generator().manual_seed(5)
    soft = F.interpolate(torch.rand(1, 3, 8, 8, generator=g), (64, 64), mode="bicubic").clamp(0, 1) * 0.8
    noisy = soft + 0.05 * torch.randn(soft.shape, generator=g)
    brighter = soft + (noisy - soft).square().mean().sqrt()

    def distance(x):
        return sum(((a - b).abs().mean() / b.abs().mean()) for a, b in zip(net(x), net(soft), strict=True))

    assert distance(noisy) > 2 * distance(brighter)
