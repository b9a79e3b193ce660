"""Files of weights from strangers: code that must not run, damage that must not pass. Always exit 4 and one line."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import struct
import sys
import tarfile
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save as format_safetensors

from texup import bounds
from texup.cli.main import run
from texup.errors import WeightsError
from texup.models import reading, weights
from texup.models.loading import load_model
from texup.models.weights import read_weights

from ..builders import tiny_net


def good_state():
    return tiny_net(scale=2).state_dict()


def zipped(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        load_model(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert "weights_only" not in message
    assert len(message) < len(str(path)) + 400
    return message


@pytest.fixture
def command(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["texup", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            run()
        out, err = capsys.readouterr()
        return caught.value.code, out, err

    return call


# --- code


class Runs:
    """Unpickles as a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


PAYLOADS = {
    "system": lambda canary: Runs(os.system, f"touch {canary}"),
    "exec": lambda canary: Runs(exec, f"open({str(canary)!r}, 'w').close()"),
    "mknod": lambda canary: Runs(os.mknod, str(canary)),
    "path": lambda canary: Runs(Path.touch, canary),
    "torch": lambda canary: Runs(torch.save, {}, str(canary)),
    "nested": lambda canary: {"params": {"w": torch.ones(1), "hook": Runs(Path.touch, canary)}},
}


def archived(content):
    """Return a tar as torch wrote them before 2018."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("storages", "tensors", "pickle"):
            data = pickle.dumps(content, 2)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


CONTAINERS = {
    "zip": zipped,
    "legacy": lambda content: zipped(content, _use_new_zipfile_serialization=False),
    "tar": archived,
    **{f"pickle{n}": lambda content, n=n: pickle.dumps(content, n) for n in range(6)},
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_p12_the_payloads_are_loaded_guns(tmp_path, payload):
    pickle.loads(pickle.dumps(payload(tmp_path / "canary")))
    assert (tmp_path / "canary").exists()


@pytest.mark.filterwarnings("ignore")  # torch warns where the environment overrides it: not to be what saves us
@pytest.mark.parametrize("environment", ["", "1"])
@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_p12_code_in_weights_never_runs(tmp_path, monkeypatch, payload, container, environment):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", environment)
    canary = tmp_path / "canary"
    data = container(payload(canary))
    canary.unlink(missing_ok=True)  # pickling does not run it, but be sure
    for suffix in ("pth", "safetensors"):
        path = tmp_path / f"net.{suffix}"
        path.write_bytes(data)
        refusal(path)
    assert not canary.exists()


def test_p13_code_is_not_even_parsed_when_the_hash_is_wrong(tmp_path, monkeypatch):
    path = tmp_path / "net.pth"
    path.write_bytes(zipped(PAYLOADS["exec"](tmp_path / "canary")))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("parsed"))
    with pytest.raises(WeightsError, match=r"SHA-256 [0-9a-f]{64} is not the expected 00"):
        read_weights(path, expected_sha256="0" * 64)


def test_p12_a_torchscript_program_is_named_as_such(tmp_path):
    path = tmp_path / "net.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    assert "TorchScript" in refusal(path)


def test_p12_a_whole_pickled_net_is_refused(tmp_path):
    path = tmp_path / "net.pth"
    path.write_bytes(zipped(tiny_net()))
    assert "holds more than plain tensors (texup.nets.srvgg SRVGGNetCompact)" in refusal(path)


@pytest.mark.parametrize("kind", ["pth", "html", "nan", "keys"])
def test_p14_the_command_ends_with_4_and_one_line(tmp_path, command, kind):
    state = good_state()
    path = tmp_path / "n\x1b[31met.pth"
    path.write_bytes(
        {
            "pth": lambda: zipped(PAYLOADS["exec"](tmp_path / "canary")),
            "html": lambda: b"<!DOCTYPE html><html>404</html>",
            "nan": lambda: zipped(state | {"body.0.bias": torch.full((4,), torch.nan)}),
            "keys": lambda: zipped({f"{key}\x1b[2J\n{'x' * 90}": value for key, value in state.items()}),
        }[kind]()
    )
    output = tmp_path / "o.safetensors"
    for arguments in (("models", "show", path), ("interpolate", path, path, "--alpha", "0.5", "-o", output)):
        code, out, err = command(*arguments)
        assert (code, out, err.count("\n")) == (4, "", 1)
        assert err.startswith("texup: error: ")
        assert "\x1b" not in err
    assert not (tmp_path / "canary").exists()
    assert not output.exists()


# --- what is no weights


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html>\n<html><body>Not found</body></html>", "web page"),
        (b"\n\n  <html lang=en>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 66\n", "Git LFS pointer"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "neither a safetensors file nor one of torch.save"),
        (b"PK\x03\x04" + bytes(50), "damaged"),
        (b"\x80\x02", "damaged"),
        (b"\x02\x00\x00\x00\x00\x00\x00\x00{}", "holds no float tensors"),
        (struct.pack("<Q", 6) + b'{"a":}', "damaged"),
        (struct.pack("<Q", 12) + b'{"a":[[[[[[[', "damaged"),
    ],
)
def test_what_is_no_weights_is_named(tmp_path, data, reason):
    path = tmp_path / "net.pth"
    path.write_bytes(data)
    assert reason in refusal(path)


def test_a_folder_and_a_missing_file(tmp_path):
    assert "a folder, pipe or device" in refusal(tmp_path)
    assert "no such file" in refusal(tmp_path / "net.pth")


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    path = tmp_path / "net.pth"
    path.write_bytes(b"x")

    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(reading.os, "open", denied)
    assert "Permission denied" in refusal(path)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "net.safetensors"
    with path.open("wb") as file:
        file.truncate(bounds.WEIGHTS_BYTES + 1)  # sparse
    monkeypatch.setattr("builtins.open", lambda *_, **__: pytest.fail("read"))
    assert "more than the 480 MiB" in refusal(path)


# --- damage

FORMATS = {
    "safetensors": lambda: format_safetensors(good_state(), {"a": "b"}),
    "zip": lambda: zipped(good_state()),
    "legacy": lambda: zipped(good_state(), _use_new_zipfile_serialization=False),
}


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_p14_a_truncated_file_is_refused_wherever_it_ends(tmp_path, form):
    data = form()
    path = tmp_path / "net"
    path.write_bytes(data)
    load_model(path)
    for end in [*range(1, len(data), max(1, len(data) // 40)), len(data) - 1]:
        path.write_bytes(data[:end])
        refusal(path)


@pytest.mark.thorough
@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
@settings(deadline=None, derandomize=True, max_examples=60, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=8))
def test_p14_changed_bytes_load_or_are_refused_but_never_crash(tmp_path, form, changes):
    data = bytearray(form())
    for place, difference in changes:
        data[int(place * len(data))] ^= difference
    path = tmp_path / "net"
    path.write_bytes(data)
    with suppress(WeightsError):
        assert all(value.isfinite().all() for value in read_weights(path).state.values())


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_p13_a_flipped_bit_is_caught_by_a_pinned_hash(tmp_path, form):
    data = bytearray(form())
    path = tmp_path / "net"
    path.write_bytes(data)
    pinned = read_weights(path).sha256
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="is not the expected"):
        load_model(path, expected_sha256=pinned)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 1e300])
@pytest.mark.parametrize("container", ["zip", "safetensors"])
def test_p14_values_that_are_not_finite_are_refused_by_the_tensor_s_name(tmp_path, value, container):
    state = good_state()
    state["body.2.bias"] = torch.zeros(12, dtype=torch.float64)
    state["body.2.bias"][5] = value
    path = tmp_path / "net"
    path.write_bytes(zipped(state) if container == "zip" else format_safetensors(state))
    assert "body.2.bias has values that are not finite" in refusal(path)


# --- size


def header_of(count):
    names = (f'"{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for i in range(count))
    header = ("{" + ",".join(names) + "}").encode()
    return struct.pack("<Q", len(header)) + header


@pytest.mark.parametrize(("count", "reason"), [(20_001, "20,001 tensors"), (170_000, "a header of")])
def test_a_million_tensors_are_refused_before_they_are_parsed(tmp_path, monkeypatch, count, reason):
    path = tmp_path / "net.safetensors"
    path.write_bytes(header_of(count))
    monkeypatch.setattr(weights, "parse_safetensors", lambda *_: pytest.fail("parsed"))
    assert reason in refusal(path)


def test_a_header_that_names_a_tensor_twice_is_refused(tmp_path):
    entry = '"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    header = f"{{{entry},{entry}}}".encode()
    path = tmp_path / "net.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    assert "twice" in refusal(path)


def test_metadata_that_is_no_text_is_refused(tmp_path):
    data = json.dumps(
        {"__metadata__": {"a": [1]}, "w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    ).encode()
    path = tmp_path / "net.safetensors"
    path.write_bytes(struct.pack("<Q", len(data)) + data + bytes(4))
    assert "damaged" in refusal(path)


@pytest.mark.parametrize("trick", ["compressed", "duplicate", "pickle", "many"])
def test_an_archive_that_unpacks_to_more_than_itself_is_refused_unopened(tmp_path, monkeypatch, trick):
    path = tmp_path / "net.pth"
    how = zipfile.ZIP_DEFLATED if trick == "compressed" else zipfile.ZIP_STORED
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", how) as archive:
        warnings.simplefilter("ignore")
        archive.writestr("archive/data.pkl", bytes(bounds.WEIGHTS_PICKLE + 1) if trick == "pickle" else b"x")
        archive.writestr("archive/data/0", bytes(1 << 22 if trick == "compressed" else 8))
        if trick == "duplicate":
            archive.writestr("archive/data.pkl", b"y")
        if trick == "many":
            for i in range(bounds.WEIGHTS_TENSORS):
                archive.writestr(f"archive/data/{i + 1}", b"")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("opened"))
    reason = {
        "compressed": "more than its own size",
        "duplicate": "two files of one name",
        "pickle": "longer than 4 MiB",
        "many": "20,002 tensors",
    }[trick]
    assert reason in refusal(path)


def test_a_view_that_claims_more_than_the_file_holds_is_refused_before_it_is_copied(tmp_path):
    path = tmp_path / "net.pth"
    path.write_bytes(zipped({"w": torch.ones(1).expand(1 << 20, 1 << 20)}))
    assert path.stat().st_size < 10_000
    assert "1,099,511,627,776 parameters" in refusal(path)


def test_a_dictionary_that_contains_itself_ends(tmp_path):
    content: dict[str, object] = {"w": torch.ones(1)}
    content["params"] = content
    path = tmp_path / "net.pth"
    path.write_bytes(zipped(content))
    refusal(path)


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (torch.ones(2, dtype=torch.complex64), "more than plain tensors (torch ComplexFloatStorage)"),
        (torch.ones(2).to_sparse(), "more than plain tensors (torch._utils _rebuild_sparse_tensor)"),
        (torch.ones(2).to(torch.float8_e4m3fn), "more than plain tensors (torch._utils _rebuild_tensor_v3)"),
        (torch.ones(2, dtype=torch.int8), "holds no float tensors"),
        (torch.ones(2, device="meta"), "more than plain tensors"),
    ],
)
def test_tensors_of_other_kinds_are_refused(tmp_path, tensor, reason):
    path = tmp_path / "net.pth"
    path.write_bytes(zipped({"w": tensor}))
    assert reason in refusal(path)


@pytest.mark.parametrize("content", [torch.ones(3), [torch.ones(3)], {}, {"a": 1}, 5, "text", None, {"params": {}}])
def test_content_that_is_no_dictionary_of_tensors_is_refused(tmp_path, content):
    path = tmp_path / "net.pth"
    path.write_bytes(zipped(content))
    refusal(path)


def test_a_name_of_a_megabyte_is_refused_unprinted(tmp_path):
    path = tmp_path / "net.pth"
    path.write_bytes(zipped({"w" * (1 << 20): torch.ones(1)}))
    assert "longer than 200 characters" in refusal(path)


def spelled(*parts: bytes) -> bytes:
    """Return a file of torch.save whose description is a pickle of protocol 4, spelled in opcodes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x/data.pkl", b"\x80\x04" + b"".join(parts) + b".")
        archive.writestr("x/version", b"3\n")
    return buffer.getvalue()


def short(text: bytes) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (spelled(short(b"os"), b"\x94", short(b"system"), b"\x94\x93", short(b"true"), b"\x85R"), r"os system"),
        (spelled(short(b"os\nsystem\nc"), short(b"system"), b"\x93"), "a name that is none"),
        (spelled(b"}", short(b"system"), b"\x93"), "a name that is none"),
        (spelled(short(b"system"), b"\x93"), "a name that is none"),
        (spelled(b"}\x94", b"h\x05"), "damaged"),
        (spelled(b"(", short(b"a" * 200), b"\x94", b"h\x00" * 50_000, b"t"), "longer than"),
        (spelled(b"\x8f"), "damaged"),  # EMPTY_SET
        (spelled(b"\x96" + struct.pack("<Q", 1 << 40)), "damaged"),  # BYTEARRAY8
    ],
)
def test_p12_newer_protocols_hide_nothing(tmp_path, data, reason):
    path = tmp_path / "new.pth"
    path.write_bytes(data)
    assert re.search(reason, refusal(path))
