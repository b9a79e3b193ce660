"""A device that is lost, and mistakes of texup's own: one line ends the run, what is finished stays, the rest waits."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
import torch

from texup.engines.devices.device import Device
from texup.engines.devices.failures import is_short_of_memory, watch_device
from texup.errors import LostDevice

from ..builders import records_of, write_picture

COUNT = 12
ARGUMENTS = ("--overlap", "8", "--tile", "32", "--batch", "1", "--device", "cpu")
ADVICE = (
    "\nCUDA kernel errors might be asynchronously reported at some other API call.\nCompile with `TORCH_USE_CUDA_DSA`"
)
LOSSES: dict[str, Callable[[], RuntimeError]] = {
    "launch": lambda: torch.AcceleratorError(f"CUDA error: unspecified launch failure{ADVICE}"),
    "old torch": lambda: RuntimeError(f"CUDA error: an illegal memory access was encountered{ADVICE}"),
    "unplugged": lambda: torch.AcceleratorError(f"CUDA error: no CUDA-capable device is detected{ADVICE}"),
    "ecc": lambda: torch.AcceleratorError(f"CUDA error: uncorrectable ECC error encountered{ADVICE}"),
    "driver": lambda: RuntimeError("Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU"),
    "cudnn": lambda: RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    "cublas": lambda: RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`"),
    "amd": lambda: RuntimeError("HIP error: the operation cannot be performed in the present state"),
    "amd's kernels": lambda: RuntimeError("MIOpen Error: no device code available for function"),
    "intel": lambda: RuntimeError("Native API failed. Native API returns: 20 (UR_RESULT_ERROR_DEVICE_LOST)"),
    "unnamed": lambda: torch.AcceleratorError("the accelerator is in an unknown state"),
}
RESUME = "what is finished stays, and the same command goes on from there"


def tree(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.suffix != ".jsonl"}


@pytest.fixture(scope="module")
def pack(tmp_path_factory, wall) -> Path:
    """Small textures, and one that takes three tiles."""
    folder = tmp_path_factory.mktemp("loss") / "in"
    for k in range(COUNT - 1):
        write_picture(folder / f"{k:02}.png", wall(16, 16, seed=k))
    write_picture(folder / "large.png", wall(24, 96))
    return folder


@pytest.fixture
def command(texup, pack, weights):
    """Runs the command on the pack into a folder."""
    return lambda out, *more: texup("upscale", pack, "-o", out, "--model", weights, *ARGUMENTS, *more)


@pytest.fixture
def whole(command, pack) -> dict[str, bytes]:
    """What a run makes that nothing disturbs."""
    out = pack.parent / "whole"
    if not out.exists():
        assert command(out).code == 0
    return tree(out)


def fail_from(monkeypatch, where: str, k: int, error: Callable[[], BaseException], *, once=False):
    """Let a function fail from its k-th call on; return the numbers of its calls."""
    module, _, name = where.rpartition(".")
    owner = Device if module == "Device" else importlib.import_module(module)
    real, numbers, calls = getattr(owner, name), count(1), []

    def failing(*arguments, **named):
        calls.append(number := next(numbers))
        if number == k or (number > k and not once):
            raise error()
        return real(*arguments, **named)

    monkeypatch.setattr(owner, name, staticmethod(failing) if name == "_forward" else failing)
    return calls


def assert_kept_and_pending(out: Path, whole: dict[str, bytes]) -> int:
    """Assert that nothing is torn, left over or called failed; return how many textures are recorded."""
    found, records = tree(out), records_of(out)
    assert found.items() <= whole.items()
    assert {record["outcome"] for record in records.values()} <= {"upscaled"}
    assert records.keys() <= found.keys()
    return len(records)


def assert_goes_on(command, out: Path, whole: dict[str, bytes], done: int):
    result = command(out, "--json")
    assert result.code == 0, result.err
    counts = {"unchanged": done, "upscaled": COUNT - done}
    assert result.json["counts"] == {name: number for name, number in counts.items() if number}
    assert tree(out) == whole


@pytest.mark.parametrize("kind", LOSSES)
def test_p18_a_lost_device_ends_the_run_and_marks_nothing_failed(command, whole, tmp_path, monkeypatch, kind):
    out, k = tmp_path / "out", 7
    with monkeypatch.context() as patch:
        calls = fail_from(patch, "Device._forward", k, LOSSES[kind])
        result = command(out)
        reason = str(LOSSES[kind]()).splitlines()[0]
        lanes = torch.multiprocessing.cpu_count()
    assert result.code == 1
    assert result.err.splitlines() == [f"texup: error: device cpu stopped working ({reason}); {RESUME}"]
    assert len(calls) <= k + 2 * lanes  # what was on the way; nothing is begun after it
    assert_goes_on(command, out, whole, assert_kept_and_pending(out, whole))


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_p18_a_device_may_be_lost_at_any_call(command, whole, tmp_path, monkeypatch, every):
    kept = set()
    for k in count(1, every):
        out = tmp_path / str(k)
        with monkeypatch.context() as patch:
            calls = fail_from(patch, "Device._forward", k, LOSSES["launch"])
            result = command(out)
        if len(calls) < k:
            assert result.code == 0
            break
        assert result.code == 1
        assert len(result.err.splitlines()) == 1
        kept.add(done := assert_kept_and_pending(out, whole))
        assert_goes_on(command, out, whole, done)
    assert COUNT + 3 <= k < COUNT + 3 + every
    assert max(kept) > COUNT // 2


def test_p18_a_device_that_never_worked_leaves_no_output(command, tmp_path, monkeypatch):
    fail_from(monkeypatch, "Device._take_place", 1, LOSSES["driver"])
    result = command(tmp_path / "out")
    assert result.code == 1
    assert result.err.splitlines() == [
        "texup: error: device cpu stopped working (Found no NVIDIA driver on your system. Please check that you have an"
        f" NVIDIA GPU); {RESUME}"
    ]
    assert not (tmp_path / "out").exists()


def test_p18_a_resumed_run_may_find_the_device_gone(command, whole, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        fail_from(patch, "Device._forward", 7, LOSSES["launch"])
        assert command(out).code == 1
    done = assert_kept_and_pending(out, whole)
    with monkeypatch.context() as patch:
        fail_from(patch, "Device._take_place", 1, LOSSES["unplugged"])
        assert command(out).code == 1
    assert assert_kept_and_pending(out, whole) == done
    assert_goes_on(command, out, whole, done)


def test_p18_the_estimate_of_inspect_says_so_too(texup, pack, weights, monkeypatch):
    fail_from(monkeypatch, "Device._forward", 1, LOSSES["launch"])
    result = texup("inspect", pack, "--model", weights, "--device", "cpu")
    assert (result.code, len(result.errors)) == (1, 1)
    assert "device cpu stopped working (CUDA error: unspecified launch failure)" in result.errors[0]


def test_p18_only_errors_of_devices_are_taken_for_a_loss():
    device = torch.device("cuda")
    for loss in LOSSES.values():
        assert not is_short_of_memory(loss())
        with pytest.raises(LostDevice), watch_device(device):
            raise loss()
    others = [
        RuntimeError("The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 1"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("CUDA error: out of memory"),
        ValueError("CUDA error: no RuntimeError"),
        MemoryError(),
    ]
    for error in others:
        with pytest.raises(type(error)) as caught, watch_device(device):
            raise error
        assert caught.value is error


MISTAKES = {  # by the thread in which they happen
    "reading on a file thread": "texup.upscaling.deciding.policy_for",
    "deciding on a file thread": "texup.upscaling.pixels.split",
    "merging on a file thread": "texup.upscaling.pixels.merge",
    "encoding on a file thread": "texup.upscaling.coding.encode",
    "a lane": "Device._forward",
    "the calling thread, grouping": "texup.engines.batching.plan_tiles",
    "the calling thread, joining": "texup.engines.batching.place",
    "the calling thread, recording": "texup.manifest.journal.values_of",
}


@pytest.mark.parametrize("place", MISTAKES)
def test_p23_a_mistake_of_ours_is_one_line_and_tears_nothing(command, whole, tmp_path, monkeypatch, place):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        fail_from(patch, MISTAKES[place], 5, lambda: ZeroDivisionError("float division\nby zero"))
        result = command(out)
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert line.startswith("texup: error: unexpected ZeroDivisionError: float division")
    assert "--debug" in line
    assert_goes_on(command, out, whole, assert_kept_and_pending(out, whole))


def test_p23_a_mistake_of_ours_shows_its_place_when_asked(texup, pack, weights, tmp_path, monkeypatch):
    fail_from(monkeypatch, "texup.upscaling.pixels.merge", 5, lambda: ZeroDivisionError("float division"))
    with pytest.raises(ZeroDivisionError) as caught:
        texup("--debug", "upscale", pack, "-o", tmp_path / "out", "--model", weights, *ARGUMENTS)
    assert any(entry.name == "upscale_texture" for entry in caught.traceback)
