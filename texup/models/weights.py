"""Files of weights <-> dictionaries of tensors.

A file of weights is data from a stranger. It is hashed before it is parsed, held against cheap limits before it may
cost time or memory, never run, and refused in our own words: torch's advice to switch its safety off is not repeated.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as format_safetensors
from torch import Tensor

from texup import bounds
from texup.errors import WeightsError
from texup.files import atomic_write
from texup.models.pickles import DAMAGED, check_count, load_pickle
from texup.models.reading import read_bytes
from texup.texts import parse_json

StateDict = dict[str, Tensor]


# Dictionaries that trainers wrap the weights in, the averaged ones first.
WRAPPERS = (
    *("params_ema", "params-ema", "ema", "g_ema", "params", "model_state_dict", "state_dict"),
    *("model", "net", "generator"),
)
# Prefixes that wrappers of modules put on every key; "model." stays where a layer number follows (ESRGAN of 2018).
PREFIX = re.compile(r"(?:module|_orig_mod|generator|netG|net_g|model(?!\.\d))\.")
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """What a file of weights holds."""

    state: StateDict
    """Unwrapped and without prefixes; float32, contiguous, finite, on the CPU; keys as in the file otherwise."""
    integers: StateDict
    """The tensors of whole numbers in the file (counters, tables of places), under keys of the same kind."""
    sha256: str
    """Of the file's bytes."""
    metadata: dict[str, str]
    """Of the safetensors header; empty for a pickle."""
    dialect_of_file: Literal["safetensors", "pickle"]


def read_weights(
    path: Path, *, expected_sha256: str | None = None, max_bytes: int = bounds.WEIGHTS_BYTES
) -> LoadedWeights:
    """Read a file of weights without ever running code from it; its content decides the format, not its name.

    Raises:
        WeightsError: missing, too big, not the expected bytes, damaged, unsafe, or with values that are not finite.
    """
    data = read_bytes(path, max_bytes)
    sha256 = hashlib.sha256(data).hexdigest()
    if expected_sha256 not in (None, sha256):
        raise WeightsError(f"{path}: SHA-256 {sha256} is not the expected {expected_sha256}; get the file again")
    file = io.BytesIO(data)
    del data  # large: parsing frees it as soon as it has copied what it needs
    try:
        raw, metadata = _parse(file)
        tensors = _strip_prefixes(_checked(_unwrap(raw)))
        state, integers = _as_floats(tensors), _as_integers(tensors)
    except WeightsError as refusal:
        raise WeightsError(f"{path}: {refusal}") from None
    except Exception:  # noqa: BLE001 - hostile bytes raise anything, and torch's own text advises to run them
        raise WeightsError(f"{path}: {DAMAGED}") from None
    return LoadedWeights(state, integers, sha256, metadata or {}, "pickle" if metadata is None else "safetensors")


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


def _parse(file: io.BytesIO) -> tuple[Any, dict[str, str] | None]:
    """Return what a file holds, and the metadata of a safetensors file or None for a pickle; ``file`` is closed."""
    header = _safetensors_header(file)
    if header is None:
        return load_pickle(file), None
    with file:
        tensors = parse_safetensors(file.getvalue())  # in random order
    metadata: dict[str, str] = header.pop("__metadata__", {})
    return {key: tensors[key] for key in header}, metadata


def _safetensors_header(file: io.BytesIO) -> dict[str, Any] | None:
    """Return the header of a safetensors file if it is sane, or None for another format."""
    start = file.read(9)
    length = int.from_bytes(start[:8], "little")
    if start[8:] != b"{" or length > len(file.getbuffer()) - 8:
        return None
    if length > bounds.WEIGHTS_HEADER:
        raise WeightsError(f"a header of {length:,} bytes is more than the {bounds.WEIGHTS_HEADER:,} that weights need")
    file.seek(8)
    header: dict[str, Any] = parse_json(file.read(length), _without_duplicates)
    check_count(len(header))
    for key, entry in header.items():
        if key != "__metadata__" and len(entry["shape"]) > bounds.WEIGHTS_DIMENSIONS:
            raise WeightsError(f"a tensor of {len(entry['shape']):,} dimensions, which no weights have")
    return header


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise WeightsError("the header names a tensor twice")
    return result


def _unwrap(content: Any) -> StateDict:
    """Return the tensors of a dictionary, or of the dictionary that a trainer put them in."""
    for _ in range(4):  # a pickle may hold a dictionary that contains itself
        if not isinstance(content, dict):
            raise WeightsError("holds no dictionary of tensors")
        inner = next((content[w] for w in WRAPPERS if isinstance(content.get(w), dict) and content[w]), None)
        if inner is None:
            inner = _only_wrapper(content)
        if inner is None:
            break
        content = inner
    return {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor)}


def _only_wrapper(content: dict[Any, Any]) -> dict[Any, Any] | None:
    """Return the one dictionary of tensors in a dictionary that has none itself, whatever its key."""
    inner = [value for value in content.values() if isinstance(value, dict) and value]
    return inner[0] if len(inner) == 1 and not any(isinstance(value, Tensor) for value in content.values()) else None


def _checked(tensors: StateDict) -> StateDict:
    """Return tensors whose number and names are within bounds."""
    check_count(len(tensors))
    if any(len(key) > bounds.WEIGHTS_KEY for key in tensors):
        raise WeightsError(f"a tensor's name is longer than {bounds.WEIGHTS_KEY} characters")
    return tensors


def _as_integers(tensors: StateDict) -> StateDict:
    """Return copies of the tensors of whole numbers."""
    found = {key: value for key, value in tensors.items() if value.dtype in INTEGERS}
    if (count := sum(value.numel() for value in found.values())) > bounds.WEIGHTS_INTEGERS:
        raise WeightsError(f"{count:,} integers are more than the {bounds.WEIGHTS_INTEGERS:,} that weights may have")
    return {key: value.detach().clone(memory_format=torch.contiguous_format) for key, value in found.items()}


def _as_floats(tensors: StateDict) -> StateDict:
    """Return float32 copies of the parameters."""
    floats = {key: value for key, value in tensors.items() if value.is_floating_point()}
    if not floats:
        raise WeightsError("holds no float tensors, so it is no file of weights")
    odd = next((key for key, value in floats.items() if value.dtype not in DTYPES), None)
    if odd is not None:
        raise WeightsError(f"{odd} is of type {floats[odd].dtype}; get weights of 16 or 32 bits")
    # Counted by shape, before anything is copied: a strided view can claim far more than the file holds.
    if (count := sum(value.numel() for value in floats.values())) > bounds.WEIGHTS_PARAMETERS:
        raise WeightsError(f"{count:,} parameters are more than the {bounds.WEIGHTS_PARAMETERS:,} that texup runs")
    copies = {
        key: value.detach().to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        for key, value in floats.items()
    }
    broken = next((key for key, value in copies.items() if not _is_finite(value)), None)
    if broken is not None:
        raise WeightsError(f"{broken} has values that are not finite; the file is damaged, get it again")
    return copies


def _is_finite(value: Tensor) -> bool:
    return value.numel() == 0 or all(bool(end.isfinite()) for end in torch.aminmax(value))  # both pass NaN on


def _strip_prefixes(state: StateDict) -> StateDict:
    while state and (match := PREFIX.match(next(iter(state)))) and all(key.startswith(match[0]) for key in state):
        state = {key[match.end() :]: value for key, value in state.items()}
    return state
