"""Cards on the command line: what is told of them, and which may be named; on the CPU in their place."""

from __future__ import annotations

import pytest

from texup.engines.devices import device as devices
from texup.engines.devices.graphs import Graphs
from texup.engines.devices.transfers import Transfers

from ..builders import write_picture
from ..cards import CPU, RecordedQueues

LINE = (
    "hint: device cpu: nets run without CUDA graphs, a little slower, for one could not be captured (CUDA error:"
    " operation not permitted)"
)


@pytest.fixture
def pack(tmp_path, wall):
    """Six small textures of one size."""
    for k in range(6):
        write_picture(tmp_path / "pack" / f"{k}.png", wall(16, 16, seed=k))
    return tmp_path / "pack"


@pytest.mark.parametrize("refusal", [None, RuntimeError("CUDA error: operation not permitted\nwhen capturing")])
def test_a_graph_that_cannot_be_captured_is_one_line_and_no_failure(texup, pack, tiny_weights, monkeypatch, refusal):
    queues = RecordedQueues(refusal=refusal)
    monkeypatch.setattr(devices, "way_for", lambda device, _: Transfers(CPU, queues, Graphs(queues.graph)))
    options = ("--model", tiny_weights / "tiny-psnr.safetensors", "--device", "cpu", "--overlap", "8")
    result = texup("upscale", pack, "-o", pack.parent / "out", *options)
    assert (result.code, bool(queues.captured)) == (0, refusal is None)
    told = [line for line in result.err.splitlines() if "CUDA" in line]
    assert told == ([] if refusal is None else [LINE])
    quiet = texup("upscale", pack, "-o", pack.parent / "quiet", *options, "-q")
    assert quiet.err == ""
