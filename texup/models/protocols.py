"""Pickles of protocols 3 to 5, spelled in the opcodes of protocol 2, which is all that torch's safe reader knows.

Nothing is made or called here: opcodes become opcodes, and what comes out is measured as any pickle is.

References:
    Python, ``pickletools``: MEMOIZE, STACK_GLOBAL, FRAME, SHORT_BINUNICODE (PEP 3154).
"""

from __future__ import annotations

import io
import pickletools
import re
from collections.abc import Iterator
from typing import Any

from texup import bounds
from texup.errors import WeightsError

OLD, NEWEST = 2, 5
NAME = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)  # of a module or what is in it: with a line's end it could be an opcode
TEXTS = ("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")


def in_protocol_2(data: bytes, count: int) -> tuple[bytes, int]:
    """Return the first ``count`` pickles of ``data`` in protocol 2, and how many bytes of ``data`` they were.

    Pickles of other protocols than 3 to 5 come back as they are, to be refused or read by whoever measures them.

    Raises:
        WeightsError: too long once it is spelled out, or it names something strange.
        Exception: anything else, for damaged bytes.
    """
    stream, spelled, steps = io.BytesIO(data), bytearray(), 0
    for _ in range(count):
        start = stream.tell()
        if not OLD < (data[start + 1] if data[start : start + 1] == b"\x80" else OLD) <= NEWEST:
            steps = _skip(stream, steps)
            spelled += data[start : stream.tell()]
            continue
        one = _Speller(len(spelled))
        for opcode, argument, raw in _pieces(data, stream):
            steps = _counted(steps)
            one.take(opcode, argument, raw)
        spelled += b"".join(one.parts)
    return bytes(spelled), stream.tell()


class _Speller:
    """The parts of one pickle so far; texts are spelled out wherever they stand, and not remembered."""

    def __init__(self, before: int) -> None:
        self.parts: list[bytes] = []
        self.texts: list[str | None] = []
        """For each part, the text that it puts on the stack, if it is one."""
        self.memo: dict[int, str | None] = {}
        self.length = before

    def take(self, opcode: str, argument: Any, raw: bytes) -> None:
        """Add one opcode."""
        if opcode == "PROTO":
            self._add(b"\x80\x02")
        elif opcode in TEXTS:
            self._add_text(argument)
        elif opcode == "MEMOIZE":
            self._remember(len(self.memo))
        elif opcode in ("BINPUT", "LONG_BINPUT"):
            self._remember(argument)
        elif opcode in ("BINGET", "LONG_BINGET") and self.memo.get(argument) is not None:
            self._add_text(self.memo[argument] or "")
        elif opcode == "STACK_GLOBAL":
            self._add_global()
        elif opcode != "FRAME":
            self._add(raw)

    def _add(self, part: bytes, text: str | None = None) -> None:
        self.length += len(part)
        if self.length > bounds.WEIGHTS_PICKLE:
            raise WeightsError(f"its description of the tensors is longer than {bounds.WEIGHTS_PICKLE >> 20} MiB")
        self.parts.append(part)
        self.texts.append(text)

    def _add_text(self, text: str) -> None:
        coded = text.encode("utf-8", "surrogatepass")
        self._add(b"X" + len(coded).to_bytes(4, "little") + coded, text)

    def _remember(self, number: int) -> None:
        text = self.texts[-1]
        self.memo[number] = text
        if text is None:
            self._add(b"r" + number.to_bytes(4, "little"))

    def _add_global(self) -> None:
        """Join the two texts on top of the stack to one name."""
        module, name = self.texts[-2:]
        if module is None or name is None or not (NAME.fullmatch(module) and NAME.fullmatch(name)):
            raise WeightsError("holds more than plain tensors (a name that is none); get a clean .safetensors file")
        del self.parts[-2:], self.texts[-2:]
        self._add(f"c{module}\n{name}\n".encode("ascii"))


def _pieces(data: bytes, stream: io.BytesIO) -> Iterator[tuple[str, Any, bytes]]:
    """Yield name, argument and bytes of each opcode up to the end of one pickle."""
    known: tuple[str, Any, int] | None = None
    for opcode, argument, place in pickletools.genops(stream):
        assert place is not None
        if known is not None:
            yield known[0], known[1], data[known[2] : place]
        known = (opcode.name, argument, place)
    if known is not None:
        yield known[0], known[1], data[known[2] : stream.tell()]


def _skip(stream: io.BytesIO, steps: int) -> int:
    """Go to the end of one pickle."""
    for _ in pickletools.genops(stream):
        steps = _counted(steps)
    return steps


def _counted(steps: int) -> int:
    if steps >= bounds.WEIGHTS_OPCODES:
        raise WeightsError(f"its description of the tensors has more than {bounds.WEIGHTS_OPCODES:,} steps")
    return steps + 1
