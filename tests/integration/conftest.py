"""What the tests of whole commands share: the command in this process, and a catalog of two tiny nets."""

from __future__ import annotations

import hashlib
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from texup.cli.main import SIGNALS, run
from texup.models.weights import save_weights
from texup.nets.rrdbnet import RRDBNet

ENTRY = """
[[model]]
name = "{name}"
file = "{name}.safetensors"
scale = 4
architecture = "RRDBNet"
sha256 = "{sha256}"
licence = "MIT"
source = "test"
description = "a tiny net"
context = 8
"""


@dataclass(frozen=True)
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on standard output."""
        return json.loads(self.out)


@pytest.fixture
def texup(monkeypatch, capsys):
    """Runs ``texup ARGUMENTS`` in this process, as its entry point does, on the CPU unless told otherwise."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    def call(*arguments) -> Result:
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        monkeypatch.setattr(sys, "argv", ["texup", *map(str, arguments)])
        try:
            with pytest.raises(SystemExit) as caught:
                run()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return Result(caught.value.code, *capsys.readouterr())

    return call


def near_identity(seed: int, noise=0.01) -> dict[str, torch.Tensor]:
    """Return the state of a x4 RRDBNet that repeats pixels, nearly: noise in its filters gives it a receptive field."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = RRDBNet(num_feat=8, num_block=1, num_grow_ch=4)
        for name, value in net.named_parameters():
            if not name.startswith("body") and value.ndim == 4:
                value.data = noise * torch.randn_like(value)
                for k in range(3):
                    value.data[k, k, 1, 1] += name != "conv_body.weight"
    return net.state_dict()


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory) -> Path:
    """A folder of weights: tiny-psnr, tiny-gan and their catalog, whose default is tiny-gan."""
    folder = tmp_path_factory.mktemp("weights")
    psnr, other = near_identity(0), near_identity(1)
    text = 'default = "tiny-gan"\n[pair]\npsnr = "tiny-psnr"\ngan = "tiny-gan"\n'
    for name, state in {"tiny-psnr": psnr, "tiny-gan": {k: 0.7 * v + 0.3 * other[k] for k, v in psnr.items()}}.items():
        path = folder / f"{name}.safetensors"
        save_weights(path, state, {})
        text += ENTRY.format(name=name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    (folder / "catalog.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def catalog(tiny_weights, monkeypatch) -> Path:
    """Puts the tiny nets in place of those that texup ships."""
    monkeypatch.setattr("texup.models.catalog.weights_folder", lambda: tiny_weights)
    return tiny_weights
