"""What the fault tests share: the command in this process, and a small file of weights."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from texup.cli.main import SIGNALS, run
from texup.models.weights import save_weights
from texup.nets.rrdbnet import RRDBNet


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("texup: error: ")]


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


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """A x4 RRDBNet that repeats pixels, nearly: some noise in every filter gives it a real receptive field."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = RRDBNet(num_feat=8, num_block=1, num_grow_ch=4)
        for name, value in net.named_parameters():
            if not name.startswith("body") and value.ndim == 4:
                value.data = 0.01 * torch.randn_like(value)
                for k in range(3):
                    value.data[k, k, 1, 1] += name != "conv_body.weight"
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, net.state_dict(), {})
    return path
