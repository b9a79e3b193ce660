"""Reading sound files of weights: every container, wrapper, prefix and number type ends as the same tensors."""

from __future__ import annotations

import hashlib
import io
import json
import struct
from collections import OrderedDict

import pytest
import torch
from safetensors import safe_open
from torch import nn

from texup import bounds
from texup.errors import OutputError, WeightsError
from texup.models.loading import load_model
from texup.models.weights import read_weights, save_pickle, save_weights

from ..builders import tiny_net


@pytest.fixture
def state():
    return tiny_net(scale=2).state_dict()


def pickled(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def assert_same(got, expected):
    assert list(got) == list(expected)
    for key, value in got.items():
        assert value.dtype == torch.float32
        assert value.is_contiguous()
        assert torch.equal(value, expected[key].float())


def test_safetensors_round_trip_with_metadata_and_hash(tmp_path, state):
    path = tmp_path / "net.safetensors"
    save_weights(path, state, {"alpha": "0.6", "names": 'a "quoted" näme'})
    read = read_weights(path)
    assert set(read.state) == set(state)
    assert_same({key: read.state[key] for key in state}, state)
    assert read.metadata == {"alpha": "0.6", "names": 'a "quoted" näme'}
    assert read.dialect_of_file == "safetensors"
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_weights(path, expected_sha256=read.sha256).sha256 == read.sha256


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".safetensors", ".pth.tar", ""])
def test_the_content_decides_not_the_name(tmp_path, state, suffix, legacy):
    path = tmp_path / f"net{suffix}"
    path.write_bytes(pickled(state, _use_new_zipfile_serialization=not legacy))
    read = read_weights(path)
    assert_same(read.state, state)
    assert (read.dialect_of_file, read.metadata) == ("pickle", {})


def test_a_header_whose_length_looks_like_a_pickle_is_read_as_safetensors(tmp_path, state):
    path = tmp_path / "net"
    for padding in range(0, 700, 8):
        save_weights(path, state, {"padding": "x" * padding})
        if path.read_bytes()[:1] == b"\x80":
            break
    assert path.read_bytes()[:1] == b"\x80"
    assert read_weights(path).dialect_of_file == "safetensors"


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda s: {"params": s},
        lambda s: {"params_ema": s, "params": {}},
        lambda s: {"params-ema": s},
        lambda s: {"iteration": 7, "generator": {}, "ema": s, "lr": 1e-4, "optimizer": {"state": {}}},
        lambda s: {"epoch": 3, "state_dict": s},
        lambda s: {"model_state_dict": s},
        lambda s: {"model": {"params": s}},
        lambda s: {f"module.{k}": v for k, v in s.items()},
        lambda s: {f"_orig_mod.module.{k}": v for k, v in s.items()},
        lambda s: {f"model.{k}": v for k, v in s.items()},
        lambda s: {"state_dict": {f"netG.{k}": v for k, v in s.items()}},
        lambda s: {k: nn.Parameter(v) for k, v in s.items()},
        lambda s: s | {"body.0.num_batches_tracked": torch.tensor(3), "note": "text", 5: torch.ones(1)},
    ],
)
def test_wrappers_prefixes_and_counters_are_taken_off(tmp_path, state, wrapped):
    path = tmp_path / "net.pth"
    path.write_bytes(pickled(wrapped(state)))
    assert_same(read_weights(path).state, state)


def test_the_average_is_taken_before_the_trained_weights(tmp_path, state):
    doubled = {key: 2 * value for key, value in state.items()}
    path = tmp_path / "net.pth"
    for average in ("params_ema", "ema", "g_ema"):
        path.write_bytes(pickled({"params": doubled, "generator": doubled, average: state}))
        assert_same(read_weights(path).state, state)


def test_the_model_prefix_of_2018_is_part_of_the_name(tmp_path):
    numbered = {"model.0.weight": torch.ones(2), "model.1.sub.0.RDB1.conv1.0.weight": torch.ones(2)}
    path = tmp_path / "net.pth"
    for content in (
        numbered,
        {f"module.{k}": v for k, v in numbered.items()},
        {f"model.{k}": v for k, v in numbered.items()},
    ):
        path.write_bytes(pickled(content))
        assert list(read_weights(path).state) == list(numbered)


def test_a_prefix_that_not_all_keys_have_stays(tmp_path):
    keys = ["module.a.weight", "b.weight"]
    path = tmp_path / "net.pth"
    path.write_bytes(pickled({key: torch.ones(1) for key in keys}))
    assert list(read_weights(path).state) == keys


def test_tensors_that_share_memory_are_separated(tmp_path):
    one = torch.rand(4)
    path = tmp_path / "net.pth"
    save_pickle(path, {"a": one, "b": one.view(2, 2), "c": one.expand(3, 4)})
    state = read_weights(path).state
    save_weights(tmp_path / "again.safetensors", state, {})
    state["a"].zero_()
    assert torch.equal(state["b"], one.view(2, 2))
    assert torch.equal(state["c"], one.expand(3, 4))


def test_every_dialect_and_container_loads_as_the_same_model(tmp_path):
    from texup.models.keys import RRDBNET_DIALECTS, from_canonical

    net = tiny_net("RRDBNet", num_block=2, scale=2, unshuffle=2)
    x = torch.rand(2, 3, 6, 8)
    for dialect in RRDBNET_DIALECTS:
        theirs = from_canonical(net.state_dict(), dialect)
        save_weights(tmp_path / "net.safetensors", theirs, {})
        save_pickle(tmp_path / "net.pth", {"params": theirs})
        for suffix in ("safetensors", "pth"):
            model = load_model(tmp_path / f"net.{suffix}", name="mine")
            assert (model.name, model.scale, model.multiple_of) == ("mine", 2, 2)
            torch.testing.assert_close(model.net(x), net(x).detach(), atol=1e-5, rtol=1e-5)
    assert load_model(tmp_path / "net.pth").name == "net"


def test_an_error_of_the_net_names_the_file(tmp_path, state):
    path = tmp_path / "strange.safetensors"
    save_weights(path, {"encoder.weight": torch.ones(2)}, {})
    with pytest.raises(WeightsError, match=r"strange\.safetensors: no net that texup knows"):
        load_model(path)


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path, state):
    (tmp_path / "file").write_bytes(b"")
    for save in (lambda p: save_weights(p, state, {}), lambda p: save_pickle(p, state)):
        with pytest.raises(OutputError):
            save(tmp_path / "file" / "net.pth")


def test_the_file_is_plain_safetensors_and_the_same_whatever_the_order(tmp_path, state):
    facts = {name: name for name in ("zulu", "alpha", "mike", "golf")}
    save_weights(tmp_path / "a", state, facts)
    save_weights(tmp_path / "b", dict(reversed(state.items())), dict(reversed(facts.items())))
    data = (tmp_path / "a").read_bytes()
    assert data == (tmp_path / "b").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert length % 8 == 0  # so that the tensors are aligned, as the format asks
    header = json.loads(data[8 : 8 + length])
    assert list(header["__metadata__"]) == ["alpha", "golf", "mike", "zulu"]
    assert len(data) == 8 + length + 4 * sum(value.numel() for value in state.values())
    with safe_open(tmp_path / "a", "pt") as file:  # the library's own reader, which this project does not use
        assert file.metadata() == facts
        assert all(torch.equal(file.get_tensor(key), value) for key, value in state.items())
    assert list(read_weights(tmp_path / "a").state) == sorted(state)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrap", [dict, lambda s: {"params": s}, lambda s: {"mine": s, "epoch": 3}])
def test_pickles_of_every_protocol_are_read(tmp_path, state, protocol, zipped, wrap):
    shared = {"shared": state["body.0.weight"], "places": torch.arange(6).view(2, 3).t()}
    net = OrderedDict(state | shared)
    net._metadata = {"": {"version": 1}}  # as state dicts of modules have it
    how = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": zipped}
    torch.save(wrap(net), tmp_path / "x.pth", **how)
    found = read_weights(tmp_path / "x.pth")
    floats = {key: value for key, value in net.items() if value.is_floating_point()}
    assert found.state.keys() == floats.keys()
    assert all(torch.equal(value, floats[key].float()) for key, value in found.state.items())
    assert torch.equal(found.integers["places"], shared["places"])


def test_two_unknown_wrappers_are_not_chosen_between(tmp_path, state):
    save_pickle(tmp_path / "x.pth", {"mine": state, "yours": state})
    with pytest.raises(WeightsError, match="holds no float tensors"):
        read_weights(tmp_path / "x.pth")


def test_tables_of_places_keep_their_keys_type_and_bound(tmp_path, state, monkeypatch):
    tables = {"module.mask": torch.tensor([True, False]), "module.index": torch.arange(5, dtype=torch.int32)}
    save_pickle(tmp_path / "x.pth", {f"module.{key}": value for key, value in state.items()} | tables)
    found = read_weights(tmp_path / "x.pth").integers
    assert {key: value.dtype for key, value in found.items() if key in ("mask", "index")} == {
        "mask": torch.bool,
        "index": torch.int32,
    }
    monkeypatch.setattr(bounds, "WEIGHTS_INTEGERS", 6)
    with pytest.raises(WeightsError, match="7 integers are more than the 6"):
        read_weights(tmp_path / "x.pth")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x08\x07\x12\x07pytorch\x1a\x052.1.0:", "an ONNX model"),
        (b"7767517\n75 83\nInput  data  0 1 data\n", r"the plan of an ncnn model \(\.param\)"),
        (b"\x47\x6b\x30\x01" + bytes(60), r"the weights of an ncnn model \(\.bin\)"),
    ],
)
def test_files_of_other_programs_are_named(tmp_path, data, what):
    (tmp_path / "model.pth").write_bytes(data)
    with pytest.raises(WeightsError, match=f"this is {what}, which texup does not run; get the .pth"):
        read_weights(tmp_path / "model.pth")
