"""Files of weights <-> dictionaries of tensors; the only place where torch.load stands.

A file of weights is data from a stranger. It is hashed before it is parsed, held against cheap limits before it may
cost time or memory, never run, and refused in our own words: torch's advice to switch its safety off is not repeated.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as format_safetensors
from torch import Tensor

from texup.errors import WeightsError
from texup.files import atomic_write

StateDict = dict[str, Tensor]

MAX_BYTES = 2 << 30
MAX_TENSORS = 20_000  # a full training checkpoint of RRDBNet has about 4,000
MAX_HEADER = 8 << 20
MAX_PICKLE = 4 << 20  # nested lists of this size already cost the unpickler several seconds
MAX_PARAMETERS = 200_000_000
MAX_KEY = 200

LOOKALIKES = {  # what a failed download leaves behind
    b"version https://git-lfs": "a Git LFS pointer, not the weights; fetch the file itself (git lfs pull)",
    b"<!doctype": "a web page, not weights; the download went wrong",
    b"<html": "a web page, not weights; the download went wrong",
}
# Dictionaries that trainers wrap the weights in, the averaged ones first.
WRAPPERS = (
    *("params_ema", "params-ema", "ema", "g_ema", "params", "model_state_dict", "state_dict"),
    *("model", "net", "generator"),
)
# Prefixes that wrappers of modules put on every key; "model." stays where a layer number follows (ESRGAN of 2018).
PREFIX = re.compile(r"(?:module|_orig_mod|generator|netG|net_g|model(?!\.\d))\.")
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """What a file of weights holds."""

    state: StateDict
    """Unwrapped and without prefixes; float32, contiguous, finite, on the CPU; keys as in the file otherwise."""
    sha256: str
    """Of the file's bytes."""
    metadata: dict[str, str]
    """Of the safetensors header; empty for a pickle."""
    dialect_of_file: Literal["safetensors", "pickle"]


def read_weights(path: Path, *, expected_sha256: str | None = None) -> LoadedWeights:
    """Read a file of weights without ever running code from it; its content decides the format, not its name.

    Raises:
        WeightsError: missing, too big, not the expected bytes, damaged, unsafe, or with values that are not finite.
    """
    try:
        data = _read_bytes(path)
        sha256 = hashlib.sha256(data).hexdigest()
        if expected_sha256 not in (None, sha256):
            raise WeightsError(f"SHA-256 {sha256} is not the expected {expected_sha256}; get the file again")
        header = _safetensors_header(data)
        raw = _load_pickle(data) if header is None else _load_safetensors(data, header)
        state = _strip_prefixes(_as_floats(_unwrap(raw)))
    except WeightsError as refusal:
        raise WeightsError(f"{path}: {refusal}") from None
    except OSError as error:
        raise WeightsError(f"{path}: cannot read the weights: {error.strerror or error}") from error
    except Exception:  # noqa: BLE001 - hostile bytes raise anything, and torch's own text advises to run them
        raise WeightsError(f"{path}: damaged, or holds more than tensors; get a clean .safetensors file") from None
    metadata = {} if header is None else header.get("__metadata__", {})
    return LoadedWeights(state, sha256, metadata, "pickle" if header is None else "safetensors")


def save_weights(path: Path, state: StateDict, metadata: dict[str, str]) -> None:
    """Write ``state`` as safetensors with ``metadata`` in its header, atomically.

    The same content gives the same bytes, and so the same SHA-256.

    Raises:
        OutputError: the file cannot be written.
    """
    data = format_safetensors({key: value.contiguous() for key, value in state.items()}, metadata)
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True).encode()  # the library writes metadata in random order
    header += b" " * (-len(header) % 8)  # the tensors stay aligned
    atomic_write(path, len(header).to_bytes(8, "little") + header + data[end:])


def save_pickle(path: Path, content: StateDict | dict[str, StateDict]) -> None:
    """Write ``content`` as torch.save does, atomically, for programs that read nothing else.

    Raises:
        OutputError: the file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    atomic_write(path, buffer.getvalue())


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise WeightsError("no such file")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise WeightsError(f"{size / 2**30:.1f} GiB is more than the {MAX_BYTES >> 30} GiB that weights may have")
    data = path.read_bytes()
    if not data:
        raise WeightsError("the file is empty; get it again")
    start = data[:64].lstrip().lower()
    for prefix, reason in LOOKALIKES.items():
        if start.startswith(prefix):
            raise WeightsError(f"this is {reason}")
    return data


def _safetensors_header(data: bytes) -> dict[str, Any] | None:
    """Return the header of a safetensors file if it is sane, or None for another format."""
    length = int.from_bytes(data[:8], "little")
    if data[8:9] != b"{" or length > len(data) - 8:
        return None
    if length > MAX_HEADER:
        raise WeightsError(f"a header of {length:,} bytes is more than the {MAX_HEADER:,} that weights need")
    header: dict[str, Any] = json.loads(data[8 : 8 + length], object_pairs_hook=_without_duplicates)
    _check_count(len(header))
    return header


def _load_safetensors(data: bytes, header: dict[str, Any]) -> StateDict:
    tensors = parse_safetensors(data)  # in random order
    return {key: tensors[key] for key in header if key != "__metadata__"}


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise WeightsError("the header names a tensor twice")
    return result


def _check_count(count: int) -> None:
    if count > MAX_TENSORS:
        raise WeightsError(f"{count:,} tensors are more than the {MAX_TENSORS:,} that weights may have")


def _load_pickle(data: bytes) -> Any:
    if data.startswith(b"PK\x03\x04"):
        _check_zip(data)
    elif not data.startswith(b"\x80"):
        raise WeightsError("neither a safetensors file nor one of torch.save")
    # weights_only is spelled out: left out, an environment variable can turn it off.
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _check_zip(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
    names = {entry.filename for entry in entries}
    if any(name.endswith("/constants.pkl") for name in names):
        raise WeightsError("this is a TorchScript program, which would run code; get the plain weights")
    _check_count(len(entries))
    if len(names) != len(entries):
        raise WeightsError("the archive holds two files of one name")
    if sum(entry.file_size for entry in entries) > len(data):  # torch stores, it never compresses
        raise WeightsError("the archive claims to unpack to more than its own size")
    if any(entry.file_size > MAX_PICKLE for entry in entries if entry.filename.endswith(".pkl")):
        raise WeightsError(f"its description of the tensors is longer than {MAX_PICKLE >> 20} MiB")


def _unwrap(content: Any) -> StateDict:
    """Return the tensors of a dictionary, or of the dictionary that a trainer put them in."""
    for _ in range(4):  # a pickle may hold a dictionary that contains itself
        if not isinstance(content, dict):
            raise WeightsError("holds no dictionary of tensors")
        inner = next((content[w] for w in WRAPPERS if isinstance(content.get(w), dict) and content[w]), None)
        if inner is None:
            break
        content = inner
    return {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor)}


def _as_floats(tensors: StateDict) -> StateDict:
    """Return float32 copies of the parameters; counters and index tables (integers) are left out."""
    _check_count(len(tensors))
    if any(len(key) > MAX_KEY for key in tensors):
        raise WeightsError(f"a tensor's name is longer than {MAX_KEY} characters")
    for key, value in tensors.items():
        if value.is_quantized or value.is_complex() or value.layout != torch.strided or value.is_meta:
            raise WeightsError(f"{key} is a quantised, complex or sparse tensor; get the plain float weights")
    floats = {key: value for key, value in tensors.items() if value.is_floating_point()}
    if not floats:
        raise WeightsError("holds no float tensors, so it is no file of weights")
    odd = next((key for key, value in floats.items() if value.dtype not in DTYPES), None)
    if odd is not None:
        raise WeightsError(f"{odd} is of type {floats[odd].dtype}; get weights of 16 or 32 bits")
    # Counted by shape, before anything is copied: a strided view can claim far more than the file holds.
    if (count := sum(value.numel() for value in floats.values())) > MAX_PARAMETERS:
        raise WeightsError(f"{count:,} parameters are more than the {MAX_PARAMETERS:,} that texup runs")
    copies = {
        key: value.detach().to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        for key, value in floats.items()
    }
    broken = next((key for key, value in copies.items() if not torch.isfinite(value).all()), None)
    if broken is not None:
        raise WeightsError(f"{broken} has values that are not finite; the file is damaged, get it again")
    return copies


def _strip_prefixes(state: StateDict) -> StateDict:
    while state and (match := PREFIX.match(next(iter(state)))) and all(key.startswith(match[0]) for key in state):
        state = {key[match.end() :]: value for key, value in state.items()}
    return state
