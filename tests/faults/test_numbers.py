"""Results that are no numbers: done again in fp32 and said so, or the file fails; never a black texture."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

import numpy as np
import pytest
import torch

from texup.engines.devices.device import Device
from texup.engines.devices.transfers import FAR
from texup.errors import TextureError
from texup.models.weights import save_weights
from texup.nets.centred import CentredStack
from texup.textures.codecs.files import read_texture

from ..builders import records_of, write_picture

NOT_FINITE = "the net's result is not finite even in fp32; the weights do not suit this texture"
WRONG = {"nan": torch.nan, "inf": torch.inf, "-inf": -torch.inf, "huge": 2 * FAR, "-huge": -2 * FAR}
ARGUMENTS = ("--overlap", "8", "--tile", "32", "--device", "cpu", "--gate", "off", "--json")
BRIGHT = "bright.png"  # takes three tiles of 32, one of which has a red texel of 1; the others share their shape
DULL = ("0.png", "1.png", "2.png")


@pytest.fixture(scope="module")
def weights(deep_weights) -> Path:
    return deep_weights


def tree(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.png")}


def levels_apart(one: Path, other: Path) -> int:
    ours, theirs = (read_texture(path).pixels.astype(int) for path in (one, other))
    return int(np.abs(ours - theirs).max())


@pytest.fixture(scope="module")
def pack(tmp_path_factory, wall) -> Path:
    folder = tmp_path_factory.mktemp("numbers") / "in"
    for k, name in enumerate(DULL):
        write_picture(folder / name, np.minimum(wall(20, 20, seed=k), 250))
    large = np.minimum(wall(24, 96), 250)
    large[12, 50] = 255
    write_picture(folder / BRIGHT, large)
    return folder


def one_texel(planes):
    """Tell which planes of a batch hold the one bright texel."""
    return (planes[:, 0] == 1).flatten(1).any(1)


def first_of_batch(planes):
    return torch.arange(planes.shape[0]) == 0


def every(planes):
    return torch.ones(planes.shape[0], dtype=torch.bool)


def large_ones(planes):
    """Tell which planes are those of the last net of a chain: before the first they are smaller."""
    return torch.full((planes.shape[0],), planes.shape[2] > 60)


PLACES = {"one tile of many": one_texel, "one of a batch": first_of_batch, "every tile": every}


def type_of(net):
    """Return the type that a net convolves in; a centred one takes and gives float32."""
    is_centred = any(isinstance(module, CentredStack) for module in net.modules())
    return torch.bfloat16 if is_centred else next(net.parameters()).dtype


def break_nets(monkeypatch, where, wrong, *types):
    """Put one wrong number into the results of some planes, in some types; return how often that was done."""
    real, counts, lock = Device._forward, dict.fromkeys(types, 0), Lock()  # each lane is a thread

    def forward(net, planes, told):
        results, dtype = real(net, planes, told), type_of(net)
        if dtype in types:
            hit = where(planes)
            results[hit, 0, 5, 7] = wrong
            with lock:
                counts[dtype] += int(hit.sum())
        return results

    monkeypatch.setattr(Device, "_forward", staticmethod(forward))
    return counts


@pytest.fixture
def wide(texup, pack, weights) -> Path:
    """What fp32 makes of the pack."""
    out = pack.parent / "wide"
    if not out.exists():
        assert texup("upscale", pack, "-o", out, "--model", weights, *ARGUMENTS).code == 0
    return out


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("wrong", WRONG)
def test_p19_what_is_not_finite_is_done_again_in_fp32(texup, pack, wide, weights, tmp_path, monkeypatch, place, wrong):
    out = tmp_path / "out"
    counts = break_nets(monkeypatch, PLACES[place], WRONG[wrong], torch.bfloat16)
    result = texup("upscale", pack, "-o", out, "--precision", "bf16", "--model", weights, *ARGUMENTS)
    assert result.code == 0, result.err
    found = records_of(out)
    redone = [record["redone"] for record in found.values() if record["redone"]]
    assert sum(redone) == counts[torch.bfloat16] > 0
    assert result.json["redone"] == len(redone)
    assert {(r["device"], r["precision"]) for r in found.values()} == {("cpu", "bf16")}
    assert tree(out).keys() == tree(wide).keys()
    for name in found:
        assert levels_apart(out / name, wide / name) <= 6
    if place == "every tile":
        assert tree(out) == tree(wide)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("wrong", WRONG)
def test_p19_what_no_type_can_hold_fails_alone(texup, pack, wide, weights, tmp_path, monkeypatch, precision, wrong):
    out, arguments = tmp_path / "out", ("--model", weights, *ARGUMENTS, "--precision", precision)
    with monkeypatch.context() as patch:
        break_nets(patch, one_texel, WRONG[wrong], torch.bfloat16, torch.float32)
        result = texup("upscale", pack, "-o", out, *arguments)
    assert result.code == 3
    assert next(line for line in result.err.splitlines() if "fail" in line) == f"failed: {BRIGHT}: {NOT_FINITE}"
    assert tree(out).keys() == set(DULL)
    assert all(levels_apart(out / name, wide / name) <= 6 for name in DULL)
    assert all(read_texture(out / name).pixels.max() > 100 for name in DULL)
    assert records_of(out)[BRIGHT]["outcome"] == "failed"
    assert texup("upscale", pack, "-o", out, *arguments).json["counts"] == {"unchanged": 3, "upscaled": 1}


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_p19_the_last_net_of_a_chain(texup, pack, weights, tmp_path, monkeypatch, precision):
    out, arguments = tmp_path / "out", ("--model", weights, "--model", weights, "--overlap", "8", "--device", "cpu")
    counts = break_nets(monkeypatch, large_ones, torch.nan, torch.bfloat16)
    assert texup("upscale", pack, "-o", out, *arguments, "--precision", "bf16").code == 0
    assert counts[torch.bfloat16] >= 4
    break_nets(monkeypatch, large_ones, torch.nan, torch.float32)
    result = texup("upscale", pack, "-o", tmp_path / "none", *arguments, "--precision", precision)
    assert result.code == 3
    assert result.err.count(NOT_FINITE) == 4
    assert tree(tmp_path / "none") == {}


def test_p19_nothing_but_wrong_numbers(texup, pack, weights, tmp_path, monkeypatch):
    break_nets(monkeypatch, every, torch.nan, torch.float32)
    result = texup("upscale", pack, "-o", tmp_path / "out", "--model", weights, *ARGUMENTS)
    assert result.code == 3
    assert result.json["counts"] == {"failed": 4}
    assert tree(tmp_path / "out") == {}


def scaled(state, first, rest):
    """Return weights whose first filters are ``first`` times as strong, and whose last ones ``rest`` times."""
    values = {name: value.clone() for name, value in state.items()}
    for part in ("weight", "bias"):
        values[f"conv_first.{part}"] *= first
        values[f"conv_last.{part}"] *= rest if part == "weight" else 1
    for name in values:
        if name.endswith(".bias") and name not in ("conv_first.bias", "conv_last.bias"):
            values[name] *= first
    return values


def test_p19_activations_that_half_cannot_hold(texup, pack, near_identity, tmp_path):
    """Real fp16: 70,000 and more between the layers, colours at the end."""
    state = near_identity(1)
    assert max(float(value.abs().max()) for value in state.values()) < 2
    save_weights(tmp_path / "strong.safetensors", scaled(state, 2e5, 5e-6), {})
    arguments = ("--model", tmp_path / "strong.safetensors", *ARGUMENTS)
    results = {
        precision: texup("upscale", pack, "-o", tmp_path / precision, "--precision", precision, *arguments)
        for precision in ("fp32", "fp16", "bf16")
    }
    assert {name: result.code for name, result in results.items()} == {"fp32": 0, "fp16": 0, "bf16": 0}
    assert {name: result.json["redone"] for name, result in results.items()} == {"fp32": 0, "fp16": 4, "bf16": 0}
    assert tree(tmp_path / "fp16") == tree(tmp_path / "fp32")
    notes = [note for record in records_of(tmp_path / "fp16").values() for note in record["notes"]]
    assert sorted(notes) == [f"{k} tiles were not finite and were done again in fp32" for k in (1, 1, 1, 3)]


@pytest.mark.parametrize("factor", [1e6, 1e12, 1e30, 3e38])
def test_p19_weights_that_are_finite_but_huge(texup, pack, near_identity, tmp_path, factor):
    """Finite, but what comes out is no colour: refused with the weights or with each file, and nothing is written."""
    state = {name: value.clone() for name, value in near_identity(1).items()}
    state["conv_last.weight"] = (state["conv_last.weight"] * factor).clamp(-3e38, 3e38)
    save_weights(tmp_path / "huge.safetensors", state, {})
    result = texup("upscale", pack, "-o", tmp_path / "out", "--model", tmp_path / "huge.safetensors", *ARGUMENTS)
    assert result.code in (3, 4)
    assert result.code == 4 or result.err.count(NOT_FINITE) == 4
    assert tree(tmp_path / "out") == {}


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("alpha", ["none", "binary", "soft", "data"])
@pytest.mark.parametrize("plane", ["colour", "alpha"])
def test_p19_no_integer_is_made_of_what_is_no_number(upscaled, wall, disc, wrong, dtype, alpha, plane):
    """Whatever an engine sends back, the way to the file refuses it: cast to an integer it would be 0."""
    pixels = wall(16, 16)
    if alpha != "none":
        pixels = np.dstack((pixels, (disc(16, 16, radius=6.0, soft=alpha != "binary") * 255).astype(np.uint8)))
    elif plane == "alpha":
        pixels = pixels[..., :1]
    pixels = pixels.astype(dtype) * dtype(np.iinfo(dtype).max // 255)

    def broken(request):
        result = request.plane[request.margin : -request.margin, request.margin : -request.margin]
        result = np.ascontiguousarray(result.repeat(4, 0).repeat(4, 1))
        if (request.plane.shape[2] == 1) == (plane == "alpha"):
            result[9, 9, 0] = wrong
        return result

    with pytest.raises(TextureError, match="not finite"):
        upscaled(pixels, broken, alpha=alpha)
