"""What every architecture promises that texup loads: its file tells all of it, and the loaded net is the saved one.

How an architecture looks inside, and which numbers are beyond any published net, is tested in ``tests/unit``.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from texup.errors import WeightsError
from texup.models.detect import detect
from texup.models.kinds import KINDS
from texup.models.loading import build_model, load_model, open_weights
from texup.models.weights import save_pickle, save_weights

from ..builders import TINY, tiny_net

RGB = {"num_in_ch": 3, "num_out_ch": 3}
RRDB = RGB | {"num_feat": 8, "num_block": 1, "num_grow_ch": 4, "unshuffle": 1, "plus": False}
SPAN = RGB | {"num_feat": 4, "norm": False, "deployed": False}
PLUS = RGB | {"num_feat": 4, "num_block": 1, "num_group": 1, "upsampler": "dysample", "deployed": False}
REAL = RGB | {
    "num_feat": 8,
    "num_block": 2,
    "num_large": 2,
    "kernel_size": 5,
    "attention": True,
    "layer_norm": True,
    "dysample": False,
}
VARIANTS = {
    "RRDBNet": [
        *(RRDB | {"num_feat": 8, "num_block": 2, "num_grow_ch": 4, "scale": s} for s in (1, 2, 4, 8)),
        RRDB | {"scale": 2, "unshuffle": 2},
        RRDB | {"scale": 1, "unshuffle": 4},
        RRDB | {"num_in_ch": 1, "num_out_ch": 1, "num_feat": 6, "num_block": 11, "num_grow_ch": 3, "scale": 4},
        RRDB | {"num_in_ch": 4, "num_out_ch": 4, "num_feat": 6, "num_grow_ch": 3, "scale": 4},
        RRDB | {"num_in_ch": 4, "num_out_ch": 4, "num_feat": 6, "num_grow_ch": 3, "scale": 2, "unshuffle": 2},
        RRDB | {"scale": 4, "plus": True},
    ],
    "SRResNet": [
        RGB | {"num_feat": 8, "num_block": 2, "scale": s, "batch_norm": norm}
        for s in (1, 2, 3, 4, 8)
        for norm in (True, False)
    ],
    "MSRResNet": [RGB | {"num_feat": 8, "num_block": 3, "scale": s} for s in (1, 2, 3, 4, 8)],
    "SPAN": [
        *(
            SPAN | {"scale": s, "norm": n, "deployed": d}
            for s, n, d in ((1, True, False), (2, False, True), (4, True, True))
        ),
        *(SPAN | {"num_in_ch": c, "num_out_ch": c, "num_feat": 6, "scale": 3} for c in (1, 4)),
    ],
    "SpanPlus": [
        *(PLUS | {"scale": s, "upsampler": u} for s, u in ((2, "dysample"), (4, "pixelshuffle"), (1, "conv"))),
        PLUS | {"num_feat": 8, "num_block": 3, "num_group": 2, "scale": 3, "deployed": True},
    ],
    "RealPLKSR": [
        *(REAL | {"scale": s, "dysample": d} for s in (1, 2, 3, 4) for d in (True, False)),
        REAL | {"scale": 2, "layer_norm": False, "attention": False, "num_large": 3, "kernel_size": 7},
        *(REAL | {"num_in_ch": c, "num_out_ch": c, "num_block": 1, "scale": 4} for c in (1, 4)),
    ],
    "KernelPrediction": [
        {"num_in_ch": 4, "num_out_ch": 4, "num_feat": 6, "num_conv": n, "scale": s} for n, s in ((1, 4), (3, 2), (2, 1))
    ],
    "SRVGGNetCompact": [
        *(RGB | {"num_feat": 8, "num_conv": c, "scale": s} for s, c in ((1, 1), (2, 3), (3, 2), (4, 12))),
        *({"num_in_ch": c, "num_out_ch": c, "num_feat": 5, "num_conv": 2, "scale": 4} for c in (1, 4)),
    ],
}
"""Every argument of each architecture, as its weights must tell it."""

each = pytest.mark.parametrize("name", KINDS)
every = pytest.mark.parametrize(
    ("name", "hyper"),
    [(name, hyper) for name, all_ in VARIANTS.items() for hyper in all_],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)


def floats(net) -> dict[str, torch.Tensor]:
    return {key: value for key, value in net.state_dict().items() if value.is_floating_point()}


@pytest.fixture
def saved(tmp_path):
    """Saves a net as texup does, and returns its file."""

    def save(net, name="net.safetensors") -> Path:
        save_weights(tmp_path / name, floats(net), {})
        return tmp_path / name

    return save


def test_every_architecture_has_variants_and_a_tiny_net():
    assert list(KINDS) == list(VARIANTS) == list(TINY)


@every
def test_the_file_tells_the_architecture_and_all_its_numbers(saved, name, hyper):
    path = saved(tiny_net(name, **hyper))
    known = open_weights(path)
    found = known.architecture
    assert (found.name, found.hyper) == (name, hyper)
    assert (found.scale, found.in_channels, found.out_channels) == (
        *(hyper["scale"], hyper["num_in_ch"], hyper["num_out_ch"]),
    )
    assert found.multiple_of == hyper.get("unshuffle", 1)
    model = load_model(path, name="mine")
    assert (model.name, model.architecture, model.hyper) == ("mine", name, hyper)
    assert (model.scale, model.in_channels, model.out_channels, model.multiple_of) == (
        *(found.scale, found.in_channels, found.out_channels, found.multiple_of),
    )
    assert model.sha256 == known.file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@every
def test_the_loaded_net_is_the_saved_one_ready_to_run(saved, name, hyper):
    original = tiny_net(name, **hyper)
    model = load_model(saved(original))
    assert not model.net.training
    tensors = list(model.net.state_dict().values())
    assert not any(parameter.requires_grad for parameter in model.net.parameters())
    assert all(t.device.type == "cpu" and t.dtype in (torch.float32, torch.int64) for t in tensors)
    assert all(t.is_contiguous(memory_format=torch.channels_last) for t in tensors if t.ndim == 4)
    for n in (1, 3):
        x = torch.rand(n, model.in_channels, 2 * model.multiple_of, 3 * model.multiple_of)
        out = model.net(x)
        assert out.shape == (n, model.out_channels, *(side * model.scale for side in x.shape[2:]))
        torch.testing.assert_close(out, original(x).detach(), atol=1e-5, rtol=1e-5)


@each
@pytest.mark.parametrize("container", ["net.safetensors", "net.pth"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_type_become_the_same_net(tmp_path, name, dtype, container):
    state = {key: value.to(dtype) for key, value in floats(tiny_net(name)).items()}
    if container.endswith(".pth"):
        save_pickle(tmp_path / container, {"params_ema": state})
    else:
        save_weights(tmp_path / container, state, {})
    loaded = floats(load_model(tmp_path / container).net)
    assert loaded.keys() == state.keys()
    assert all(torch.equal(value, state[key].float()) for key, value in loaded.items())


@each
def test_an_engine_gives_every_size_its_multiple(through, upscaled, name):
    """The planes of a texture may have any sides; what the net sees are multiples of what it asks for."""
    for hyper in VARIANTS[name]:
        if hyper["num_in_ch"] == 3 and hyper["scale"] > 1:
            model = build_model(floats(tiny_net(name, **hyper)), "tiny", "")
            seen = []
            model.net.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0].shape))
            net = through(model)
            for height, width in ((2, 3), (5, 7), (9, 16)):
                pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
                scale = model.scale
                result = upscaled(pixels, net, scale, scales=(scale,), margin=model.multiple_of * 2)
                assert result.pixels.shape == (height * scale, width * scale, 3)
            assert len(seen) >= 3
            assert all(side % model.multiple_of == 0 for shape in seen for side in shape[2:])


@pytest.mark.thorough
@each
def test_a_missing_an_extra_and_a_misshapen_key_are_each_named(name):
    for hyper in ({}, {"batch_norm": False}) if name == "SRResNet" else ({},):
        state = floats(tiny_net(name, **hyper))
        for key in state:
            if key not in (KINDS[name].marker, "no_norm"):  # without that one it is the other form
                with pytest.raises(WeightsError):
                    detect({k: v for k, v in state.items() if k != key})
        with pytest.raises(WeightsError, match=f"nearest to {name}, but it has the unknown extra.weight"):
            detect(state | {"extra.weight": torch.zeros(1)})
        bias = next(key for key in state if key.endswith("bias"))
        with pytest.raises(WeightsError, match=f"nearest to {name}, but it has the wrong size of {bias}"):
            detect(state | {bias: torch.zeros(77)})
