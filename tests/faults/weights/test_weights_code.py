"""Weights never run code, whatever file, suffix or environment; what is hashed is what is parsed."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from texup.errors import WeightsError
from texup.models import reading, weights
from texup.models.catalog import resolve
from texup.models.chain import choose_chain
from texup.models.weights import read_weights, save_weights
from texup.packs.walk import MANIFEST_NAME
from texup.training.run.checkpoint import DIGEST_BYTES

from .corpus import BOMBS, good_state, saved
from .craft import CONTAINERS, PROTO, called, legacy, name, number, payloads, storage, text, zipped

SOURCES = sorted((Path(__file__).parents[3] / "texup").rglob("*.py"))
RUNNING = {  # what turns data into code, or unpickles
    *(
        "eval",
        "exec",
        "compile",
        "__import__",
        "pickle",
        "cPickle",
        "marshal",
        "shelve",
        "dill",
        "joblib",
        "cloudpickle",
    ),
    *(
        "runpy",
        "torch.jit.load",
        "torch.package",
        "torch.hub",
        "torch.serialization",
        "add_safe_globals",
        "allow_pickle",
    ),
}


# --- P12


@pytest.mark.filterwarnings("ignore")  # torch warns where the environment overrides it: not to be what saves us
@pytest.mark.parametrize("environment", ["", "1"])
@pytest.mark.parametrize("container", CONTAINERS)
def test_p12_payloads_of_every_family_run_in_no_container(tmp_path, monkeypatch, container, environment):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", environment)
    canary = tmp_path / "canary"
    for content in payloads(str(canary)).values():
        for suffix in (".pth", ".pt", ".ckpt", ".safetensors", ".bin", ""):
            path = tmp_path / f"net{suffix}"
            path.write_bytes(CONTAINERS[container](content))
            with pytest.raises(WeightsError) as caught:
                read_weights(path)
            assert "weights_only" not in str(caught.value)
            assert "safe_globals" not in str(caught.value)
    assert not canary.exists()


def test_p12_the_payloads_would_run(tmp_path):
    canary = tmp_path / "canary"
    for title in ("posix.system", "stack global", "exec", "getattr", "inst", "runpy", "timeit", "torch.utils"):
        pickle.loads(payloads(str(canary))[title])
        canary.unlink()


def test_p12_torch_alone_would_be_tricked_by_what_is_refused(tmp_path):
    """The measure of the pickle is what refuses: torch itself takes as much memory as it is told to."""
    content = PROTO + called(name("builtins.bytearray"), number(64 << 20)) + b"."
    assert len(torch.load(io.BytesIO(zipped(content)), weights_only=True)) == 64 << 20
    path = tmp_path / "net.pth"
    path.write_bytes(zipped(content))
    with pytest.raises(WeightsError, match=r"more than plain tensors \(builtins bytearray\)"):
        read_weights(path)


def test_p12_one_place_loads_pickles_and_spells_out_that_it_is_safe():
    loads = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            used = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute | ast.keyword) else ""
            used = "" if used == "allow_pickle=False" else used
            imported = {a.name for a in node.names} if isinstance(node, ast.Import) else set()
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            assert not RUNNING & {used, used.partition("=")[0], module, module.partition(".")[0], *imported}, path
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                loads.append((path.name, "weights_only=True" in ast.unparse(node)))
    assert loads == [("pickles.py", True)]


@pytest.mark.parametrize("where", ["code", "bomb", "content"])
def test_p12_a_hostile_checkpoint_runs_nothing_and_ends_in_one_line(measure, tmp_path, wall, where):
    canary, run = tmp_path / "canary", tmp_path / "run"
    run.mkdir()
    (tmp_path / "data").mkdir()
    Image.fromarray(wall(64, 64)).save(tmp_path / "data" / "a.png")
    (tmp_path / "r.toml").write_text(
        'net = { architecture = "SRVGGNetCompact", num_feat = 4, num_conv = 1 }\nbatch = 2\n'
    )
    content = {
        "code": lambda: zipped(payloads(str(canary))["exec"]),
        "bomb": BOMBS["key of 2^60 tuples"],
        "content": lambda: saved({"recipe": 1, "trainer": [], "spent": "x", "history": {}}),
    }[where]()
    (run / "checkpoint.pt").write_bytes(content + hashlib.sha256(content).digest())
    assert DIGEST_BYTES == 32
    arguments = ["train", "r.toml", "--data", "data", "--out", "run", "--iterations", "1", "--resume"]
    unsafe = {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    (result,) = measure([{"arguments": arguments, "cwd": str(tmp_path), "environment": unsafe}])
    assert result["code"] == 2  # it is the state of a run, not weights
    assert "checkpoint.pt: damaged checkpoint" in result["err"]
    assert result["err"].count("\n") == 1
    assert "weights_only" not in result["err"]
    assert result["cpu"] < 10
    assert not canary.exists()


def test_files_of_the_first_versions_of_torch_load(tmp_path):
    """Those of 2017, as torchvision's VGG19: parameters as objects, tensors that are filled after they are made."""
    tensor = called(name("torch.FloatTensor")) + b"(" + storage(2, old=True) + number(0) + b"K\x02\x85K\x01\x85tb"
    parameter = name("torch.nn.parameter.Parameter") + tensor + b"\x85\x81"
    pair = b"]" + text("conv.bias") + b"a" + parameter + b"a"
    content = PROTO + called(name("collections.OrderedDict"), b"]" + pair + b"a") + b"."
    path = tmp_path / "net.pth"
    path.write_bytes(legacy(content, data=(2).to_bytes(8, "little") + np.array([1, 2], "<f4").tobytes()))
    (value,) = read_weights(path).state.values()
    assert value.tolist() == [1, 2]


# --- P13


def test_p13_the_bytes_that_are_hashed_are_those_that_are_parsed(tmp_path, monkeypatch):
    path = tmp_path / "net.pth"
    path.write_bytes(saved(good_state()))
    first = path.read_bytes()
    opened, real_open = [], os.open

    def open_and_replace(name, *rest):
        fd = real_open(name, *rest)
        opened.append(name)
        path.unlink()  # another file takes the name as soon as this one is open
        path.write_bytes(saved({key: value + 1 for key, value in good_state().items()}))
        return fd

    monkeypatch.setattr(reading.os, "open", open_and_replace)
    read = read_weights(path)
    assert opened == [path]
    assert read.sha256 == hashlib.sha256(first).hexdigest()
    assert all(torch.equal(value, read.state[key]) for key, value in good_state().items())


def test_p13_weights_that_are_replaced_between_hash_and_load_are_refused(tmp_path):
    path = tmp_path / "net.pth"
    path.write_bytes(saved(good_state()))
    (link,) = choose_chain([str(path)], None)
    path.write_bytes(saved({key: value + 1 for key, value in good_state().items()}))
    with pytest.raises(WeightsError, match=f"is not the expected {link.sha256}"):
        link.load()


@pytest.mark.parametrize("change", [-4, 4])
def test_p13_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch, change):
    path = tmp_path / "net.pth"
    path.write_bytes(saved(good_state()))
    real = os.fstat

    def before_the_change(fd):
        status = [*real(fd)]
        status[6] += change
        return os.stat_result(status)

    monkeypatch.setattr(reading.os, "fstat", before_the_change)
    with pytest.raises(WeightsError, match="changed while it was read"):
        read_weights(path)


def test_p13_the_hash_of_the_weights_is_in_the_manifest(texup, tmp_path, weights, wall):
    (tmp_path / "pack").mkdir()
    Image.fromarray(wall(16, 16)).save(tmp_path / "pack" / "a.png")
    assert texup("upscale", tmp_path / "pack", "-o", tmp_path / "out", "--model", weights).code == 0
    header = json.loads((tmp_path / "out" / MANIFEST_NAME).read_text().splitlines()[0])
    files = [weights, resolve("texup-x4-pixel").path]  # pixel art goes through the second, whatever is chosen
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    assert [model["sha256"] for model in header["models"]] == hashes


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


@pytest.fixture
def pinned(tmp_path, monkeypatch, near_identity) -> Path:
    """A catalog of two nets, one of which was changed after it was pinned."""
    text = 'default = "a"\n[pair]\npsnr = "a"\ngan = "b"\n'
    for title in ("a", "b"):
        path = tmp_path / f"{title}.safetensors"
        save_weights(path, near_identity(1), {})
        text += ENTRY.format(name=title, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    (tmp_path / "catalog.toml").write_text(text)
    monkeypatch.setattr("texup.models.catalog.weights_folder", lambda: tmp_path)
    return tmp_path / "a.safetensors"


def test_p13_a_pinned_hash_that_differs_stops_every_command(texup, tmp_path, pinned, wall, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pack").mkdir()
    Image.fromarray(wall(16, 16)).save("pack/a.png")
    Path("r.toml").write_text('net = { architecture = "SRVGGNetCompact", num_feat = 4, num_conv = 1 }\n')
    pinned.write_bytes(pinned.read_bytes()[:-1] + b"\1")
    monkeypatch.setattr(weights, "parse_safetensors", lambda *_: pytest.fail("parsed"))
    before = sorted(tmp_path.rglob("*"))
    for arguments in (
        ["upscale", "pack"],
        ["upscale", "pack", "--blend", "0.5"],
        ["upscale", "pack/a.png"],
        ["inspect", "pack"],
        ["interpolate", "--alpha", "0.5"],
        ["evaluate", "a", "--on", "pack"],
        ["finetune", "a", "--data", "pack"],
        ["train", "r.toml", "--data", "pack", "--iterations", "1", "--init", "a"],
        ["models", "show", "a"],
        ["models", "list"],
    ):
        done = texup(*arguments)
        assert done.code == 4, (arguments, done.err)
        assert len(done.errors) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_p14_weights_are_validated_before_a_finished_pack_is_touched(texup, tmp_path, pinned, wall):
    pack, out = tmp_path / "pack", tmp_path / "out"
    pack.mkdir()
    Image.fromarray(wall(16, 16)).save(pack / "a.png")
    upscale = ["upscale", pack, "-o", out, "--copy-other"]
    assert texup(*upscale).code == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    (pack / "new.txt").write_text("to copy")
    Image.fromarray(wall(24, 24)).save(pack / "b.png")
    pinned.write_bytes(b"damaged")
    assert texup(*upscale).code == 4
    own = tmp_path / "own.pth"
    own.write_bytes(saved(good_state())[:-50])
    assert texup(*upscale, "--model", own).code == 4
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
