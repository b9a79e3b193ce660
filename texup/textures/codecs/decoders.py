"""Decoding in processes of their own: a picture that kills or hangs its decoder takes down one file, not the run.

::

    run ── bytes, name, limit ──> process: codecs.decode ── container, pixels ──> run

A process is a second Python without torch. It ends itself when a picture takes too long and when its pipe closes, so
it outlives a run, however that ends, by one picture at most. What passes is plain text and bytes: nothing that comes
back from a process that a picture may have broken is code.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from io import BufferedReader
from threading import Lock
from typing import Any

import numpy as np

from texup import bounds
from texup.errors import DecoderDied, TextureError, UnreadableTexture, UnsupportedTexture
from texup.textures.texture import Container, Layout, Texture

Decode = Callable[[bytes, str, int], Texture]
"""From a file's bytes, its name, and the most pixels it may have; see :func:`texup.textures.codecs.files.decode`."""

BYTES_A_PIXEL = 64
"""Memory for decoding, besides twice the file; measured: 44 for premultiplied DDS, 39 for PNG of 16-bit RGBA."""
_STARTS = 3  # tries to start a process: one that is killed meanwhile, as by want of memory, says nothing about a file
_SPARE_BYTES = 1 << 28  # what does not grow with the picture: tables, and what the allocator keeps
_SPARE_BYTES_MACOS = 1 << 31  # whose allocator reserves more address space than it uses
_READY = b"ready\n"
_HEX = "hex"  # the one key of what stands for bytes
_NONSENSE = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError)  # of a process gone wrong
_ERRORS = {error.__name__: error for error in (UnreadableTexture, UnsupportedTexture)}
# -I: neither the folder that texup is called in nor the environment can put a module in the place of a real one.
_BOOT = (
    "import ast, sys; sys.path[:] = ast.literal_eval(sys.argv[1]);"
    "from texup.textures.codecs.decoders import serve; serve(sys.argv[2], float(sys.argv[3]))"
)


class Decoders:
    """Processes that decode, one for each thread that asks at a time; started when needed, ended by ``close``."""

    def __init__(
        self, decode: str = "texup.textures.codecs.files:decode", seconds: float = bounds.DECODER_SECONDS
    ) -> None:
        """Decode with the function of this importable name, and give each picture so many seconds."""
        self._arguments = (decode, seconds)
        self._lock = Lock()
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._closed = False

    def __enter__(self) -> Decoders:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(self, count: int) -> None:
        """Start processes that get ready while the caller does something else; one that does not is made again."""
        for _ in range(count):
            with suppress(_NotStarted):
                self._idle.append(self._owned(_Process(*self._arguments)))

    def decode(self, data: bytes, name: str, max_pixels: int) -> Texture:
        """Return the texture of a file's bytes.

        Raises:
            UnsupportedTexture: as :func:`texup.textures.codecs.files.decode`; also for want of memory.
            UnreadableTexture: as there; also when no process can be started.
            DecoderDied: the decoder crashed, or took too long.
        """
        process = self._taken(name)
        try:
            answer = process.ask(data, name, max_pixels)
        except BaseException:
            self._end(process)
            raise
        self._idle.append(process)
        if isinstance(answer, TextureError):
            raise answer
        return answer

    def close(self) -> None:
        """End all processes at once, whatever they are doing; threads that wait for them get ``DecoderDied``."""
        with self._lock:
            self._closed, processes = True, [*self._all]
        for process in processes:
            self._end(process)

    def _taken(self, name: str) -> _Process:
        while self._idle:
            with suppress(IndexError):  # another thread was faster
                process = self._idle.pop()
                try:
                    return process.ready()
                except _NotStarted:
                    self._end(process)
        return self._owned(self._new(name))

    def _owned(self, process: _Process) -> _Process:
        """Return a process, taken among those that ``close`` ends."""
        with self._lock:
            self._all.add(process)
        if self._closed:
            self._end(process)
        return process

    def _new(self, name: str) -> _Process:
        """Start a process; an error of that is the file's for whose sake it was, so that the run goes on."""
        for left in reversed(range(_STARTS)):
            try:
                return _Process(*self._arguments).ready()
            except _NotStarted as error:
                if self._closed:
                    raise DecoderDied("the run ended", name) from error
                if not left:
                    raise UnreadableTexture(str(error), name) from error
        raise AssertionError

    def _end(self, process: _Process) -> None:
        with self._lock:
            self._all.discard(process)
        process.end()


class _NotStarted(Exception):
    """A process did not start; the text says why and what to do."""


class _Process:
    """The near end of one process."""

    def __init__(self, decode: str, seconds: float) -> None:
        self._seconds, self._is_started = seconds, False
        command = [sys.executable, "-I", "-c", _BOOT, ascii([str(path) for path in sys.path]), decode, str(seconds)]
        # A session of its own: Ctrl-C is for the run to answer. Threads of OpenBLAS would only take address space.
        self._popen = _started(command, {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"})
        assert self._popen.stdin is not None
        assert isinstance(self._popen.stdout, BufferedReader)
        self._input, self._output = self._popen.stdin, self._popen.stdout

    def ready(self) -> _Process:
        """Return the process once it can be asked; one that has ended is no more."""
        with suppress(ValueError):  # its pipe was closed: the run is over
            self._is_started = self._is_started or self._output.readline() == _READY
            if self._is_started and self._popen.poll() is None:
                return self
        self.end()
        raise _NotStarted("the process that decodes pictures did not start; is the installation of texup whole?")

    def ask(self, data: bytes, name: str, max_pixels: int) -> Texture | TextureError:
        began = time.monotonic()
        try:
            self._input.write(_line((len(data), name, max_pixels)))
            self._input.write(data)
            self._input.flush()
            return self._answer()
        except (EOFError, OSError, *_NONSENSE) as error:
            raise DecoderDied(f"{self._obituary(time.monotonic() - began)}; put back a sound copy", name) from error

    def _answer(self) -> Texture | TextureError:
        line = self._output.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        kind, *facts = json.loads(line, object_hook=_bytes_of)
        if kind in _ERRORS:
            return _ERRORS[kind](*facts)
        shape, dtype, container = facts
        pixels = np.empty(shape, dtype)
        if self._output.readinto(pixels.data.cast("B")) < pixels.nbytes:
            raise EOFError
        return Texture(pixels, _container(container))

    def _obituary(self, seconds: float) -> str:
        if seconds >= self._seconds:
            return f"decoding it took more than {self._seconds:.0f} seconds"
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(1)  # a pipe may close a little before its process ends
        self._popen.kill()  # or it sent what is no answer
        code = self._popen.wait()
        return f"it killed its decoder ({signal.Signals(-code).name if code < 0 else f'exit status {code}'})"

    def end(self) -> None:
        self._popen.kill()
        self._popen.wait()
        for pipe in (self._input, self._output):
            with suppress(OSError, ValueError):  # bytes that were not sent any more
                pipe.close()


def _started(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "CREATE_NO_WINDOW", 0)
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what libraries say there names no file
            start_new_session=os.name != "nt",
            creationflags=flags,
            env=environment,
        )
    except OSError as error:
        raise _NotStarted(f"cannot start a process that decodes pictures: {error.strerror}; close programs") from error


def _line(value: Any) -> bytes:
    """Return plain values as one line; JSON and not Python's own notation, whose parser fails now and then in threads.

    References:
        python/cpython, issue 106905: "AST constructor recursion depth mismatch".
    """
    return json.dumps(value, default=lambda data: {_HEX: data.hex()}).encode("ascii") + b"\n"


def _bytes_of(value: dict[str, Any]) -> Any:
    return bytes.fromhex(value[_HEX]) if value.keys() == {_HEX} else value


def _container(facts: dict[str, Any]) -> Container:
    layout, grab = facts.pop("layout"), facts.pop("grab")
    if layout:
        layout = Layout(**layout | {"masks": tuple(layout["masks"])})
    return Container(**facts, layout=layout, grab=grab and (grab[0], grab[1]))


def serve(decode: str, seconds: float) -> None:
    """Decode what comes in on standard input until it closes; the whole life of a process."""
    module, _, function = decode.partition(":")
    decoding: Decode = getattr(importlib.import_module(module), function)
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a library that prints must not write among the answers
    own = _address_space()
    spare = _SPARE_BYTES_MACOS if sys.platform == "darwin" else _SPARE_BYTES
    answers.write(_READY)
    answers.flush()
    while question := questions.readline():
        size, name, max_pixels = json.loads(question)
        data = questions.read(size)
        _limit_memory(own + BYTES_A_PIXEL * max_pixels + 2 * size + spare if own else 0)
        faulthandler.dump_traceback_later(seconds, exit=True)  # a thread below Python: works while native code hangs
        head, pixels = _decoded(decoding, data, name, max_pixels)
        faulthandler.cancel_dump_traceback_later()
        answers.write(_line(head))
        answers.write(pixels)
        answers.flush()


def _decoded(decode: Decode, data: bytes, name: str, max_pixels: int) -> tuple[tuple[Any, ...], memoryview | bytes]:
    """Return the answer in plain values, and the pixels; any error that is not expected ends the process."""
    try:
        texture = decode(data, name, max_pixels)
    except (UnreadableTexture, UnsupportedTexture) as error:
        return (type(error).__name__, error.reason, error.name), b""
    except MemoryError:
        return (UnsupportedTexture.__name__, "decoding it takes too much memory", name), b""
    pixels = np.ascontiguousarray(texture.pixels)
    return ("texture", pixels.shape, pixels.dtype.str, asdict(texture.container)), pixels.data.cast("B")


def _address_space() -> int:
    """Return the bytes of address space in use, or 0 where it cannot be limited or the system does not tell.

    References:
        apple-oss-distributions/xnu, bsd/kern/kern_resource.c: macOS holds a process to RLIMIT_AS; Windows has none.
    """
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        pass
    with suppress(ImportError):
        importlib.import_module("resource")
        return int(importlib.import_module("psutil").Process().memory_info().vms)
    return 0


def _limit_memory(size: int) -> None:
    """Let the process have no more than ``size`` bytes of address space, where the system can hold it to that."""
    if size:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (size if hard < 0 else min(size, hard), hard))
