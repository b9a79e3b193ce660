"""Hostile files of weights by kind: bombs, damaged formats, numbers and sizes that no net has, and what is none."""

from __future__ import annotations

import gzip
import io
import struct
import warnings
import zipfile
from collections.abc import Callable

import numpy as np
import torch
from safetensors.torch import save as format_safetensors

from ...builders import tiny_net
from .craft import PROTO, called, entry, headed, legacy, name, number, state, storage, tensor, text, zipped

Maker = Callable[[], bytes]


def good_state() -> dict[str, torch.Tensor]:
    return tiny_net(scale=2).state_dict()


def saved(content, **options) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def changed(key="body.0.bias", value: float = float("nan"), dtype=torch.float32) -> dict[str, torch.Tensor]:
    content = {k: v.to(dtype) for k, v in good_state().items()}
    content[key][-1] = value
    return content


# --- what costs time or memory

SHARED_TUPLE = b"NN\x86" + b"q\x00h\x00\x86" * 60  # 2^60 values once unrolled
SHARED_LIST = b"]q\x00" + b"](h\x00h\x00eq\x00" * 60
DEEP_TUPLE = b"N" + b"\x85" * 2_000_000
MEMO = b"N" + b"".join(b"r" + struct.pack("<I", k) for k in range(700_000))


def zip_of(members: dict[str, bytes], how=zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for key, value in members.items():
            archive.writestr(key, value)
    return buffer.getvalue()


def overlapping() -> bytes:
    """Return an archive whose directory points a thousand times at one member of a MiB."""
    data = zip_of({"net/data.pkl": PROTO + b"}.", "net/data/0": bytes(1 << 20)})
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    second = data.index(b"PK\x01\x02", start + 4)
    entries = data[start:second] + b"".join(
        data[second:end].replace(b"net/data/0", f"net/dat{k:03}".encode()) for k in range(1000)
    )
    total = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1001, 1001, len(entries), start, 0)
    return data[:start] + entries + total


def lying(field: str) -> bytes:
    """Return an archive whose directory lies about the size of its tensor's member."""
    data = bytearray(zipped(state(w=tensor([2], [1]))))
    place = data.rindex(b"PK\x01\x02")
    offset = {"packed": 20, "unpacked": 24, "place": 42}[field]
    data[place + offset : place + offset + 4] = struct.pack("<I", 0x7FFFFFF0)
    return bytes(data)


def duplicated() -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for content in (b"}.", b")."):
                archive.writestr("net/data.pkl", PROTO + content)
        return buffer.getvalue()


def flipped() -> bytes:
    data = bytearray(saved(good_state()))
    data[data.index(b"/data/0") + 200] ^= 1
    return bytes(data)


BOMBS: dict[str, Maker] = {
    "key of 2^60 tuples": lambda: zipped(PROTO + b"}" + SHARED_TUPLE + b"Ns."),
    "key of 2^60 tuples, legacy": lambda: legacy(PROTO + b"}" + SHARED_TUPLE + b"Ns."),
    "key of 2,000,000 levels": lambda: zipped(PROTO + b"}" + DEEP_TUPLE + b"Ns."),
    "value of 2^60 tuples": lambda: zipped(PROTO + SHARED_TUPLE + b"."),
    "callee of 2^60 lists": lambda: zipped(PROTO + SHARED_LIST + b")R."),
    "class of 2^60 lists": lambda: zipped(PROTO + SHARED_LIST + b")\x81."),
    "counter of 2^60 tuples": lambda: zipped(PROTO + called(name("collections.Counter"), SHARED_TUPLE) + b"."),
    "storage named by 2^60 lists": lambda: zipped(
        PROTO + b"(" + text("storage") + name("torch.FloatStorage") + SHARED_LIST + text("cpu") + number(2) + b"tQ."
    ),
    "attributes of 2^60 tuples": lambda: zipped(
        PROTO + called(name("collections.OrderedDict")) + b"](" + SHARED_TUPLE + b"N\x86eb."
    ),
    "4 MB of lists": lambda: zipped(PROTO + b"]" * 4_000_000 + b"."),
    "20 MB of lists, legacy": lambda: legacy(PROTO + b"]" * 20_000_000 + b"."),
    "4 MB of marks": lambda: zipped(PROTO + b"(" * 4_000_000 + b"."),
    "4 MB of appended lists": lambda: zipped(PROTO + b"](" + b"]" * 4_000_000 + b"e."),
    "700,000 memos": lambda: zipped(PROTO + MEMO + b"."),
    "memo 2^32": lambda: zipped(PROTO + b"Nr\xff\xff\xff\xffj\xff\xff\xff\xfe."),
    "bytearray of 6 GB": lambda: zipped(PROTO + called(name("builtins.bytearray"), number(6 << 30)) + b"."),
    "tensor of 1 TB": lambda: zipped(PROTO + called(name("torch.FloatTensor"), number(1 << 38)) + b"."),
    "tensor of 8 GB": lambda: zipped(state(w=called(name("torch.FloatTensor"), number(1 << 31)))),
    "idna of 500 KB": lambda: zipped(PROTO + called(name("_codecs.encode"), text("a" * 500_000), text("idna")) + b"."),
    "LONG4 of 2 GB": lambda: zipped(PROTO + b"\x8b\xff\xff\xff\x7f."),
    "LONG of a million digits": lambda: zipped(PROTO + b"L" + b"9" * 1_000_000 + b"L\n."),
    "BINBYTES8 of 2^62": lambda: zipped(b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"."),
    "BINUNICODE of 4 GB": lambda: legacy(PROTO + b"X\xff\xff\xff\xff" + b"a" * 1000),
    "FRAME of 2^60": lambda: zipped(b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"N."),
    "50 MB of text, legacy": lambda: legacy(PROTO + b"X" + struct.pack("<I", 50 << 20) + bytes(50 << 20) + b"."),
    "30,000 members": lambda: zip_of({f"net/{k}": b"" for k in range(30_000)}),
    "deflated 64 MB": lambda: zip_of({"net/data.pkl": b"}.", "net/data/0": bytes(1 << 26)}, zipfile.ZIP_DEFLATED),
    "deflated pickle": lambda: zip_of({"net/data.pkl": PROTO + b"]" * 4_000_000}, zipfile.ZIP_DEFLATED),
    "deflated, no larger": lambda: zip_of({"net/data.pkl": PROTO + b"}."}, zipfile.ZIP_DEFLATED),
    "overlapping members": overlapping,
    **{f"lying about its {field} size": lambda field=field: lying(field) for field in ("packed", "unpacked", "place")},
    "two of one name": duplicated,
    "a flipped bit": flipped,
    "storage of 2^62": lambda: zipped(state(w=tensor([2], [1], numel=1 << 62))),
    "storage of 2^62, legacy": lambda: legacy(state(w=tensor([2], [1], numel=1 << 62, old=True))),
    "storage of 40 GB, legacy": lambda: legacy(state(w=tensor([2], [1], numel=10 << 30, old=True))),
    "size of 2^34": lambda: zipped(state(w=tensor([1 << 34], [1]))),
    "size of 2^34, legacy": lambda: legacy(state(w=tensor([1 << 34], [1], old=True))),
    "view of 2^40": lambda: zipped(state(w=tensor([1 << 20, 1 << 20], [0, 0]))),
    "negative stride": lambda: zipped(state(w=tensor([2], [-1]))),
    "negative offset": lambda: zipped(state(w=tensor([2], [1], offset=-4))),
    "offset past the end": lambda: zipped(state(w=tensor([2], [1], offset=1 << 40))),
    "set past the end": lambda: zipped(
        state(
            w=called(name("torch.FloatTensor")) + b"(" + storage(2) + number(0) + number(1 << 34) + b"\x85K\x01\x85tb"
        )
    ),
}

# --- safetensors that are none

BYTES8 = bytes(8)
HEADERS: dict[str, Maker] = {
    "length 2^63": lambda: headed(b"{}", length=1 << 63),
    "length past the end": lambda: headed({"w": entry([2], [0, 8])}, BYTES8, length=4096),
    "no JSON": lambda: headed(b'{"w":}'),
    "Python's NaN": lambda: headed(b'{"w":NaN}'),
    "not UTF-8": lambda: headed(b'{"\xff\xfe":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', BYTES8),
    "a list": lambda: headed(b"[]"),
    "2,000,000 levels of lists": lambda: headed(b'{"w":' + b"[" * 2_000_000),
    "2,000,000 levels of tables": lambda: headed(b'{"w":' * 1_000_000),
    "a number of a million digits": lambda: headed(b'{"w":' + b"9" * 1_000_000 + b"}"),
    "overlap": lambda: headed({"a": entry([2], [0, 8]), "b": entry([2], [4, 12])}, bytes(12)),
    "hole": lambda: headed({"a": entry([1], [0, 4]), "b": entry([1], [8, 12])}, bytes(12)),
    "out of range": lambda: headed({"w": entry([2], [0, 8])}, bytes(4)),
    "backwards": lambda: headed({"w": entry([2], [8, 0])}, BYTES8),
    "negative": lambda: headed({"w": entry([-2], [-8, 0])}, BYTES8),
    "fractions": lambda: headed({"w": entry([2.5], [0, 8.5])}, BYTES8),
    "offset of 2^63": lambda: headed({"w": entry([2], [1 << 63, (1 << 63) + 8])}, BYTES8),
    "shape of another size": lambda: headed({"w": entry([3], [0, 8])}, BYTES8),
    "dims of 2^62 and zero": lambda: headed({"body.0.weight": entry([1 << 62, 0, 1 << 62], [0, 0])}),
    "dims that overflow": lambda: headed({"w": entry([1 << 32, 1 << 32], [0, 8])}, BYTES8),
    "a million dims": lambda: headed({"w": entry([1] * 1_000_000, [0, 4])}, bytes(4)),
    "20,001 tensors": lambda: headed({str(k): entry([0], [0, 0]) for k in range(20_001)}),
    "a million tensors": lambda: headed(
        b"{" + b",".join(b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % k for k in range(1_000_000)) + b"}"
    ),
    "twice": lambda: headed(b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},' * 2 + b'"a":{}}', BYTES8),
    "unknown type": lambda: headed({"w": entry([2], [0, 8], "F33")}, BYTES8),
    "type that is no text": lambda: headed({"w": entry([2], [0, 8], [1])}, BYTES8),
    "integers": lambda: headed({"w": entry([1], [0, 8], "I64")}, BYTES8),
    "8-bit floats": lambda: headed({"w": entry([8], [0, 8], "F8_E4M3")}, BYTES8),
    "complex": lambda: headed({"w": entry([1], [0, 8], "C64")}, BYTES8),
    "metadata of tables": lambda: headed({"__metadata__": {"a": {"b": 1}}, "w": entry([2], [0, 8])}, BYTES8),
    "7 MB of metadata tables": lambda: headed(b'{"__metadata__":{"a":[' + b"[]," * 2_400_000 + b"[]]}}"),
    "tail": lambda: format_safetensors(good_state()) + bytes(64),
    "no tensors": lambda: headed({}),
    "name of a MB": lambda: headed({"w" * (1 << 20): entry([2], [0, 8])}, BYTES8),
}

# --- nets that are none


def compact(**more: torch.Tensor) -> bytes:
    return saved(good_state() | more)


def dense(**more: torch.Tensor) -> bytes:
    """Return the ends of an RRDBNet of 8 features, and ``more`` with its dots spelled as double underscores."""
    base = {"conv_first.weight": torch.zeros(8, 3, 3, 3), "conv_last.weight": torch.zeros(3, 8, 3, 3)}
    base["body.0.rdb1.conv1.weight"] = torch.zeros(4, 8, 3, 3)
    return saved(base | {key.replace("__", "."): value for key, value in more.items()})


ZERO = torch.zeros(1)
NETS: dict[str, Maker] = {
    **{
        f"{value} as {kind}": lambda value=value, dtype=dtype: saved(changed(value=value, dtype=dtype))
        for kind, dtype in {"half": torch.half, "bfloat": torch.bfloat16, "float": torch.float32}.items()
        for value in (float("nan"), float("inf"), -float("inf"))
    },
    "beyond float32": lambda: saved(changed(value=1e300, dtype=torch.float64)),
    "NaN in safetensors": lambda: format_safetensors(changed()),
    "Inf in safetensors": lambda: format_safetensors(changed(value=float("-inf"))),
    "NaN in legacy": lambda: saved(changed(), _use_new_zipfile_serialization=False),
    "scale 2^16": lambda: dense(**{f"conv_up{k}__weight": torch.zeros(8, 8, 3, 3) for k in range(1, 17)}),
    "scale 2^999999": lambda: dense(conv_up999999__weight=ZERO),
    "scale of 150 digits": lambda: dense(**{f"conv_up{'9' * 150}__weight": ZERO}),
    "scale 3^10": lambda: saved(
        {"act_first.weight": ZERO, "conv_first.weight": torch.zeros(8, 3, 9, 9)}
        | {f"up.{k}.conv.weight": torch.zeros(72, 8, 3, 3) for k in range(10)}
    ),
    "scale 0": lambda: compact(**{"body.2.weight": torch.zeros(0, 4, 3, 3)}),
    "a million features": lambda: dense(conv_first__weight=torch.zeros(1).expand(1_000_000, 3, 3, 3)),
    "a million features stored": lambda: dense(conv_first__weight=torch.zeros(1_000_000, 3, 3, 3)),
    "no features": lambda: dense(conv_first__weight=torch.zeros(0, 3, 3, 3)),
    "a million channels": lambda: compact(**{"body.0.weight": torch.zeros(1).expand(4, 1_000_000, 3, 3)}),
    "100,000 blocks": lambda: saved(
        {f"body.{k}.rdb1.conv1.weight": ZERO for k in range(100_000)} | {"conv_first.weight": ZERO}
    ),
    "block 99,999": lambda: dense(body__99999__rdb1__conv1__weight=ZERO),
    "layer of 150 digits": lambda: compact(**{f"body.{'9' * 150}.weight": ZERO}),
    "layer of 190 digits, 2018": lambda: saved({f"model.1.sub.{'9' * 180}.RDB1.conv1.0.weight": ZERO}),
    "doublings of 150 digits, 2018": lambda: saved(
        {"model.1.sub.0.RDB1.conv1.0.weight": ZERO, f"model.{'9' * 150}.weight": ZERO}
    ),
    "no dimensions": lambda: saved(dict.fromkeys(good_state(), torch.tensor(1.0))),
    "huge filters": lambda: compact(**{"body.0.weight": torch.zeros(1).expand(4, 3, 3000, 3000)}),
    "one more tensor": lambda: compact(**{"body.9.rdb1.extra": ZERO}),
    "two names of a layer": lambda: saved({"RRDB_trunk.0.RDB1.conv1.weight": ZERO, "conv_first.weight": ZERO}),
    "200,000,000 parameters": lambda: compact(w=torch.zeros(1).expand(200_000_000)),
    "wrapped in itself": lambda: saved(_wrapped_in_itself()),
    "a list of tensors": lambda: saved([ZERO]),
    "commands for the terminal": lambda: saved({f"\x1b]0;x\x07\n\r{key}": v for key, v in good_state().items()}),
}


def _wrapped_in_itself() -> dict[str, object]:
    content: dict[str, object] = {"w": ZERO}
    content["params"] = content
    return content


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, w=np.zeros(3, np.float32))
    return buffer.getvalue()


STRANGERS: dict[str, Maker] = {
    "empty": lambda: b"",
    "a byte": lambda: b"\x80",
    "HTML": lambda: b"<!DOCTYPE html>\n<html><body>404</body></html>",
    "XML": lambda: b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "Git LFS": lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 66\n",
    "gzip": lambda: gzip.compress(saved(good_state())),
    "JSON": lambda: b'{"error": "Repository not found"}',
    "PNG": lambda: b"\x89PNG\r\n\x1a\n" + bytes(500),
    "NumPy": npz,
    "GGUF": lambda: b"GGUF\x03" + bytes(500),
    "zeros": lambda: bytes(1 << 20),
    "zip of nothing": lambda: zip_of({}),
    "zip of a readme": lambda: zip_of({"readme.txt": b"pay first"}),
    "half a zip": lambda: saved(good_state())[:900],
    "half a safetensors": lambda: format_safetensors(good_state())[:-100],
    "half a legacy": lambda: saved(good_state(), _use_new_zipfile_serialization=False)[:-100],
}
KINDS = {"bombs": BOMBS, "headers": HEADERS, "nets": NETS, "strangers": STRANGERS}
