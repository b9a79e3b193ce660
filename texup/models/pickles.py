"""Files of torch.save from strangers; the only place where torch.load stands.

torch.load with ``weights_only`` runs no code, but what it does allow can still cost all memory or time, or the process:
a key of tuples in tuples is hashed for ever or until the C stack ends, ``bytearray`` takes as much as it is told to.
So the pickle is measured first, opcode by opcode, and may hold only what dictionaries of tensors are made of.
"""

from __future__ import annotations

import io
import pickletools
import re
import shutil
import zipfile
from collections.abc import Iterator
from typing import Any

import torch

from texup import bounds
from texup.errors import WeightsError
from texup.files import CHUNK
from texup.models.protocols import in_protocol_2

DAMAGED = "damaged, or holds more than tensors; get a clean .safetensors file"
PROTOCOL = 2
LEGACY_PICKLES = 5  # magic number, version, system, content, names of the storages

STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
FUNCTIONS = {
    *("collections OrderedDict", "collections Counter", "torch Size", "torch device"),
    *(f"torch._utils _rebuild_{what}" for what in ("tensor", "tensor_v2", "parameter")),
    *("torch FloatTensor", "torch.nn.parameter Parameter"),  # as torch wrote them before 0.2
    *(f"torch {kind}Storage" for kind in STORAGES),
}
# Opcode -> how many values it takes from the stack, None for all above the mark, and how many it puts there.
EFFECTS: dict[str, tuple[int | None, int]] = {
    **dict.fromkeys(("PROTO", "MARK", "BINPUT", "LONG_BINPUT"), (0, 0)),
    **dict.fromkeys(("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"), (0, 1)),
    **dict.fromkeys(("BINUNICODE", "SHORT_BINSTRING", "GLOBAL", "BINGET", "LONG_BINGET"), (0, 1)),
    **dict.fromkeys(("EMPTY_TUPLE", "EMPTY_LIST", "EMPTY_DICT"), (0, 1)),
    **dict.fromkeys(("TUPLE1", "BINPERSID"), (1, 1)),
    **dict.fromkeys(("TUPLE2", "REDUCE", "NEWOBJ"), (2, 1)),
    "TUPLE3": (3, 1),
    "TUPLE": (None, 1),
    **dict.fromkeys(("APPENDS", "SETITEMS"), (None, 0)),
    **dict.fromkeys(("APPEND", "BUILD", "STOP"), (1, 0)),
    "SETITEM": (2, 0),
}
FUNCTION, VALUE = 0, 1  # what the scan keeps of a value: its size, 0 for what may be called
MEMBER = re.compile(r"[^/]*/((?:\.data/)?version|byteorder|data\.pkl|data/[^/]+)")


def load_pickle(file: io.BytesIO) -> Any:
    """Return the content of a file of torch.save, zip or legacy; ``file`` is closed, to free its bytes.

    Raises:
        WeightsError: not such a file, or it holds more than tensors, or more than a limit.
        Exception: anything else, for damaged bytes.
    """
    data = file.getvalue()
    if data.startswith(b"PK\x03\x04"):
        del data
        # torch never sees the stranger's archive, whose headers it may read otherwise than the checks did.
        clean = _rewritten(file)
        file.close()
    elif data.startswith(b"\x80"):
        if data[1] != PROTOCOL:
            spelled, length = in_protocol_2(data[: bounds.WEIGHTS_PICKLE], LEGACY_PICKLES)
            data = spelled + data[length:]
            file.close()
            file = io.BytesIO(data)
        check_pickles(data[: bounds.WEIGHTS_PICKLE], LEGACY_PICKLES)
        del data
        clean = file
        clean.seek(0)
    else:
        raise WeightsError("neither a safetensors file nor one of torch.save")
    with clean:
        # weights_only is spelled out: left out, an environment variable can turn it off.
        return torch.load(clean, map_location="cpu", weights_only=True)


def check_count(count: int) -> None:
    """Refuse more tensors than any file of weights has."""
    if count > bounds.WEIGHTS_TENSORS:
        raise WeightsError(f"{count:,} tensors are more than the {bounds.WEIGHTS_TENSORS:,} that weights may have")


def check_pickles(data: bytes, count: int) -> None:
    """Refuse ``count`` pickles in a row that hold more than dictionaries of tensors, or cost too much to load.

    Raises:
        WeightsError: one of them does.
        Exception: anything else, for damaged bytes.
    """
    stream, left = io.BytesIO(data), bounds.WEIGHTS_OPCODES
    for _ in range(count):
        left = _scan(stream, left)


def _rewritten(file: io.BytesIO) -> io.BytesIO:
    """Return a new archive with the members that torch needs, each compared with its checksum."""
    check_count(file.getvalue().count(b"PK\x01\x02"))  # before a directory of millions costs time
    clean = io.BytesIO()
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(clean, "w") as target:
        _check_entries(archive.infolist(), len(file.getbuffer()))
        members = [(match[1], entry) for entry in archive.infolist() if (match := MEMBER.fullmatch(entry.filename))]
        if len({name for name, _ in members}) != len(members):
            raise WeightsError("the archive holds two files of one name")
        try:
            for name, entry in members:
                if name == "data.pkl":
                    spelled, _ = in_protocol_2(archive.read(entry), 1)
                    check_pickles(spelled, 1)
                    target.writestr(f"weights/{name}", spelled)
                    continue
                with archive.open(entry) as source, target.open(f"weights/{name}", "w") as copy:
                    shutil.copyfileobj(source, copy, CHUNK)
        except zipfile.BadZipFile:
            raise WeightsError("its checksums do not fit its content; it is damaged, get it again") from None
    clean.seek(0)
    return clean


def _check_entries(entries: list[zipfile.ZipInfo], size: int) -> None:
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise WeightsError("this is a TorchScript program, which would run code; get the plain weights")
    if sum(entry.file_size for entry in entries) > size:  # torch stores, it never compresses
        raise WeightsError("the archive claims to unpack to more than its own size")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise WeightsError("the archive is compressed, which torch never does; get the file as it was published")
    if any(entry.file_size > bounds.WEIGHTS_PICKLE for entry in entries if entry.filename.endswith(".pkl")):
        raise WeightsError(f"its description of the tensors is longer than {bounds.WEIGHTS_PICKLE >> 20} MiB")


def _scan(stream: io.BytesIO, left: int) -> int:
    """Follow one pickle without making its values; return how many opcodes remain of ``left``."""
    stack: list[int] = []
    marks: list[int] = []
    memo: dict[int, int] = {}
    steps: Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]] = pickletools.genops(stream)
    for opcode, argument, _ in steps:
        name = opcode.name
        left -= 1
        if left < 0:
            raise WeightsError(f"its description of the tensors has more than {bounds.WEIGHTS_OPCODES:,} steps")
        if name not in EFFECTS or (name == "PROTO" and argument != PROTOCOL):
            raise WeightsError(DAMAGED)
        takes, puts = EFFECTS[name]
        start = marks.pop() if takes is None else len(stack) - takes
        if start < (marks[-1] if marks else 0):
            raise WeightsError(DAMAGED)
        taken = stack[start:]
        del stack[start:]
        if name == "MARK":
            marks.append(start)
        elif name == "GLOBAL" and argument not in FUNCTIONS:
            raise WeightsError(f"holds more than plain tensors ({argument[:80]}); get a clean .safetensors file")
        elif name in ("REDUCE", "NEWOBJ") and taken[0] != FUNCTION:
            raise WeightsError(DAMAGED)
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif puts:
            stack.append(_size(name, argument, taken, memo))
    return left


def _size(name: str, argument: Any, taken: list[int], memo: dict[int, int]) -> int:
    """Return the size of the value that an opcode puts on the stack."""
    if name == "GLOBAL":
        return FUNCTION
    if name in ("BINGET", "LONG_BINGET"):
        return memo[argument]
    if name in ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"):
        size = VALUE + sum(taken)
        if size > bounds.WEIGHTS_TUPLE:
            raise WeightsError(f"it holds tuples of more than {bounds.WEIGHTS_TUPLE:,} values, which no weights have")
        return size
    return VALUE
