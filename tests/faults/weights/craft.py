"""How files of weights are made by hostile hands.

A pickle is spelled in opcodes here, for no pickler would write most of these.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

PROTO = b"\x80\x02"
TINY = b"\x8a"  # LONG1


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    data = value.to_bytes(9, "little", signed=True)
    return TINY + bytes([len(data)]) + data


def name(dotted: str) -> bytes:
    module, _, attribute = dotted.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def stacked(dotted: str) -> bytes:
    module, _, attribute = dotted.rpartition(".")
    return text(module) + text(attribute) + b"\x93"


def called(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def storage(numel: int, *, old=False) -> bytes:
    """Return a storage of floats; in the legacy format it says of which other it is a view, here of none."""
    facts = text("storage") + name("torch.FloatStorage") + text("0") + text("cpu") + number(numel)
    return b"(" + facts + b"N" * old + b"tQ"


def tensor(size: list[int], stride: list[int], *, numel=2, offset=0, old=False) -> bytes:
    sizes, strides = (b"(" + b"".join(map(number, values)) + b"t" for values in (size, stride))
    hooks = called(name("collections.OrderedDict"))
    return called(
        name("torch._utils._rebuild_tensor_v2"), storage(numel, old=old), number(offset), sizes, strides, b"\x89", hooks
    )


def state(**values: bytes) -> bytes:
    return PROTO + b"}(" + b"".join(text(key) + value for key, value in values.items()) + b"u."


def zipped(content: bytes, *, data=bytes(8), **members: bytes) -> bytes:
    """Return the archive of torch.save around a pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for key, value in {"data.pkl": content, "version": b"3\n", "data/0": data, **members}.items():
            archive.writestr(f"net/{key}", value)
    return buffer.getvalue()


def legacy(content: bytes, *, data=b"\2" + bytes(15)) -> bytes:
    """Return a file of torch.save before 1.6 around a pickle."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    before = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, system)]
    return b"".join([*before, content, pickle.dumps(["0"], 2), data])


def tarred(content: bytes) -> bytes:
    """Return a file of torch.save before 0.1.10 around a pickle."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in ("storages", "tensors", "pickle"):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def headed(header: Any, data=b"", *, length: int | None = None) -> bytes:
    """Return a safetensors file of a header, as JSON or as bytes."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def entry(shape: list[Any], offsets: list[Any], dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


CONTAINERS: dict[str, Callable[[bytes], bytes]] = {
    "zip": zipped,
    "legacy": legacy,
    "tar": tarred,
    "bare": lambda content: content,
    **{f"protocol{n}": lambda content, n=n: b"\x80" + bytes([n]) + content[2:] for n in (0, 1, 3, 4, 5)},
    "no protocol": lambda content: content[2:],
}


def payloads(canary: str) -> dict[str, bytes]:
    """Return pickles that run code where nothing holds them: a file appears at ``canary``."""
    touch, python = f"touch {canary}", f"open({canary!r}, 'w').close()"
    inner = called(name("posix.system"), text(touch)) + b"."
    deep = called(name("builtins.getattr"), called(name("builtins.__import__"), text("os")), text("system"))
    return {
        "os.system": PROTO + called(name("os.system"), text(touch)) + b".",
        "posix.system": PROTO + called(name("posix.system"), text(touch)) + b".",
        "stack global": PROTO + called(stacked("os.system"), text(touch)) + b".",
        "exec": PROTO + called(name("builtins.exec"), text(python)) + b".",
        "eval of Python 2": PROTO + called(name("__builtin__.eval"), text(f"open({canary!r}, 'w')")) + b".",
        "getattr": PROTO + deep + b"(" + text(touch) + b"tR.",
        "inst": PROTO + b"(" + text(touch) + b"ios\nsystem\n.",
        "obj": PROTO + b"(" + name("subprocess.Popen") + b"(" + text("touch") + text(canary) + b"lo.",
        "newobj": PROTO + name("subprocess.Popen") + b"(" + text("touch") + text(canary) + b"l\x85\x81.",
        "runpy": PROTO + called(name("runpy._run_code"), text(python), b"}") + b".",
        "timeit": PROTO + called(name("timeit.timeit"), text("0"), text(python)) + b".",
        "nested": PROTO + called(name("pickle.loads"), called(name("_codecs.encode"), text(inner.decode()))) + b".",
        "torch.storage": PROTO + called(name("torch.storage._load_from_bytes"), text(inner.decode())) + b".",
        "torch.utils": PROTO + called(name("torch.utils.collect_env.run"), text(touch)) + b".",
        "numpy": PROTO + called(name("numpy.testing._private.utils.runstring"), text(python), b"}") + b".",
        "by type": PROTO
        + called(name("torch._tensor._rebuild_from_type_v2"), name("os.system"), b"N", text(touch) + b"\x85", b"}")
        + b".",
        "beside tensors": state(w=tensor([2], [1]), hook=called(name("os.system"), text(touch))),
    }
