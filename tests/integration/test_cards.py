"""Cards on the command line: what is told of them, and which may be named; on the CPU in their place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import texup as api
from texup.cli.usage import examining
from texup.engines.devices import device as devices
from texup.engines.devices.graphs import Graphs
from texup.engines.devices.transfers import Transfers
from texup.errors import DeviceError

from ..builders import records_of, write_picture
from ..cards import CPU, RecordedQueues

ROOT = Path(__file__).parents[2]
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


def upscaled(texup, pack, out, tiny_weights, *more):
    """Upscale a pack; return what was printed, the bytes that were made, and the devices that the manifest names."""
    result = texup("upscale", pack, "-o", out, "--model", tiny_weights / "tiny-psnr.safetensors", "--json", *more)
    assert result.code == 0, result.err
    records = records_of(out)
    return {p.name: p.read_bytes() for p in out.glob("*.png")}, {record["device"] for record in records.values()}


def test_two_cards_write_what_one_writes_and_the_manifest_names_their_kind(texup, pack, tmp_path, tiny_weights):
    one, kind = upscaled(texup, pack, tmp_path / "one", tiny_weights, "--device", "cpu")
    assert (len(one), kind) == (6, {"cpu"})
    assert upscaled(texup, pack, tmp_path / "two", tiny_weights, "--device", "cpu:0,cpu:1") == (one, kind)
    assert upscaled(texup, pack, tmp_path / "all", tiny_weights, "--device", "all") == (one, kind)


def test_a_pack_goes_on_with_another_number_of_cards(texup, pack, tmp_path, tiny_weights):
    options = ("-o", tmp_path / "out", "--model", tiny_weights / "tiny-psnr.safetensors", "--json")
    assert texup("upscale", pack, *options, "--device", "cpu", "--include", "[0-2].png").json["counts"]["upscaled"] == 3
    counts = texup("upscale", pack, *options, "--device", "cpu:0,cpu:1").json["counts"]
    assert counts == {"unchanged": 3, "upscaled": 3}


@pytest.mark.parametrize(
    ("device", "problem"),
    [
        ("cpu:0,cpu:0", "--device cpu:0,cpu:0: cpu:0 is named twice"),
        ("cpu,cuda:9", "device 'cuda:9' is not available"),
        ("cpu,", "device '' is not available"),
    ],
)
def test_a_list_of_devices_that_makes_no_sense_is_one_line(texup, pack, tmp_path, device, problem):
    result = texup("upscale", pack, "-o", tmp_path / "out", "--device", device)
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert problem in result.err
    assert not (tmp_path / "out").exists()


def test_the_speed_of_several_is_theirs_together(texup, tiny_weights):
    result = texup(
        "models",
        "bench",
        tiny_weights / "tiny-psnr.safetensors",
        "--seconds",
        "0.1",
        "--json",
        "--device",
        "cpu:0,cpu:1",
    )
    assert (result.code, result.json["device"]) == (0, "cpu:0,cpu:1")
    assert result.json["models"][0]["texels_per_second"] > 0


def test_doctor_says_how_to_use_several(texup, catalog, monkeypatch):
    line = "2 cards of one kind: --device all runs a pack on all of them"
    told = texup("doctor", "--seconds", "0.01", "--device", "cpu:0,cpu:1").out.splitlines()
    assert any("on cpu:0,cpu:1 in fp32" in found for found in told)
    assert line not in told
    found = examining.devices()
    two = [{**found[-1], "name": f"cuda:{k}", "cores": None, "features": ()} for k in range(2)]
    monkeypatch.setattr(examining, "devices", lambda: [*two, *found])
    assert line in texup("doctor", "--seconds", "0").out.splitlines()


@pytest.mark.slow
def test_what_waits_for_a_card_can_be_measured_when_one_is_there():
    """All parts run on a stand-in; what they print there means nothing."""
    command = [sys.executable, ROOT / "tests/bench/bench_gpu.py", "--device", "cpu", "--quick"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_python_takes_several_too(pack, tiny_weights, tmp_path):
    model = tiny_weights / "tiny-psnr.safetensors"
    assert api.upscale(pack, tmp_path / "out", model=model, device="cpu:0,cpu:1").counts["upscaled"] == 6
    pixels = np.full((8, 8, 3), 7, np.uint8)
    pixels[2:5] = 200
    found = [api.upscale_array(pixels, model=model, method="net", device=device) for device in ("cpu", "cpu:0,cpu:1")]
    assert found[0].tobytes() == found[1].tobytes()
    with pytest.raises(DeviceError, match="named twice"):
        api.upscale_array(pixels, model=model, method="net", device="cpu:0,cpu:0")
