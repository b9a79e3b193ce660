"""The exceptions of texup, the exit codes they own, and how a text names the nearest right word.

::

    TexupError                 1  the run could not finish
    ├── UsageError             2  wrong use, or refused before the first write
    │   ├── PackError          2  the input pack cannot be processed as it is
    │   │   └── HoldsInput     2  the output contains the input
    │   └── DeviceError        2  the requested device is not there
    ├── TextureError           3  one texture failed; the pack goes on
    │   ├── UnreadableTexture  3  the file is damaged or is no picture
    │   ├── UnsupportedTexture 3  the file is sound but cannot be written back in kind
    │   └── DecoderDied        3  the file killed or hung the process that decoded it
    ├── WeightsError           4  weights refused
    ├── LostDevice             1  the device stopped working in the middle of a run
    ├── LostStore              1  an object store stopped answering while the input was read
    ├── OutputError            5  the output cannot be written, or the disk is full
    │   └── BadTarget          5  no file can have this name there; others can (in a pack, 3)
    └── LockedError            6  another run holds the output
"""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum

_MAX_WORD = 60  # characters of a word that are compared: longer ones may be anything, and would take long


class ExitCode(IntEnum):
    """Exit codes of every command; a stable interface for pipelines."""

    OK = 0
    FAILED = 1
    USAGE = 2
    SOME_FAILED = 3
    WEIGHTS = 4
    OUTPUT = 5
    LOCKED = 6
    SIGHUP = 129
    SIGINT = 130
    SIGTERM = 143


class TexupError(Exception):
    """Base of all errors that texup raises on purpose; its text is one line for the user."""

    exit_code: ExitCode = ExitCode.FAILED


class UsageError(TexupError):
    """Wrong use, or refused before anything was written."""

    exit_code = ExitCode.USAGE


class PackError(UsageError):
    """The input pack cannot be processed as it is (missing, empty, collisions, overlap with the output)."""


class HoldsInput(PackError):
    """The output contains the input, as the user folder of an emulator contains its dumps."""


class DeviceError(UsageError):
    """The requested device does not exist here."""


class TextureError(TexupError):
    """One texture cannot be processed; the rest of the pack goes on."""

    exit_code = ExitCode.SOME_FAILED

    def __init__(self, reason: str, name: str = "") -> None:
        """Say what is wrong with which file.

        Args:
            reason: what is wrong and what to do, one line that does not name the file.
            name: the file, by the name or path under which it was asked for; "" where only the caller knows it.
        """
        super().__init__(reason, name)
        self.reason, self.name = reason, name

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}" if self.name else self.reason


class UnreadableTexture(TextureError):
    """The file is damaged, truncated, or is no picture."""


class UnsupportedTexture(TextureError):
    """The file is sound, but texup could not write it back in kind."""


class DecoderDied(TextureError):
    """The file killed or hung the process that decoded it; trying again would only take the time again."""


class WeightsError(TexupError):
    """Weights were refused: unsafe, damaged, unknown or not what the catalog says."""

    exit_code = ExitCode.WEIGHTS


class LostDevice(TexupError):
    """The device stopped working; no texture is to blame, and those that are left stay to be done."""


class LostStore(TexupError):
    """An object store stopped answering while the input was read; what was fetched stays."""


class OutputError(TexupError):
    """The output cannot be written."""

    exit_code = ExitCode.OUTPUT


class BadTarget(OutputError):
    """No file can have this name there: it is too long, or taken by a folder. Others can still be written."""

    def __init__(self, path: object, reason: str) -> None:
        """Say which file cannot be written, and why."""
        super().__init__(f"{path}: cannot write: {reason}")
        self.reason = reason


class LockedError(TexupError):
    """Another run holds the output folder."""

    exit_code = ExitCode.LOCKED


def near(word: str, known: Collection[str]) -> str | None:
    """Return the right word that is nearest to an unknown one, whatever its case; None where none is near."""
    import difflib  # here, so that the help of texup stays light

    by_lower = {one.lower(): one for one in known}
    found = difflib.get_close_matches(word.lower()[:_MAX_WORD], by_lower, 1)
    return by_lower[found[0]] if found else None


def nearest(word: str, known: Collection[str]) -> str:
    """Return the end of a message about an unknown word: the nearest right one, whatever its case, or all of them."""
    found = near(word, known)
    return f"use one of {', '.join(known)}" if found is None else f"did you mean {found!r}?"
