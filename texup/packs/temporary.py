"""A temporary folder that is gone after every end of the process that can be seen coming, and soon after the others."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from texup.errors import OutputError

PREFIX = "texup-"
NAME = re.compile(rf"{PREFIX}[0-9a-f]{{12}}")
OLD = 3600.0  # seconds; a younger folder may be one that another run has made and not locked yet


@contextmanager
def temporary_folder(name: str) -> Iterator[Path]:
    """Give a new folder of this name in a place that nobody else can look into; both are removed at the end.

    Those of a process that was killed are removed by a later call.

    Raises:
        OutputError: they cannot be made.
    """
    lock: int | None = None
    folder = _new_place()
    try:
        try:  # the place is known before it is there, so a signal's exception between the two leaves nothing
            try:
                folder.mkdir(mode=0o700)
                (folder / name).mkdir()
                lock = _lock(folder)
            except OSError as error:
                raise OutputError(f"{folder}: no temporary folder: {error.strerror or error}; set TMPDIR") from error
            yield folder / name
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:  # once more, where that exception came in the middle of it; the next signal would end the process
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _new_place() -> Path:
    try:
        place = Path(tempfile.gettempdir())
    except OSError as error:
        raise OutputError(f"no temporary folder: {error.strerror or error}; set TMPDIR to a place for it") from error
    _remove_leftovers(place)
    return place / f"{PREFIX}{secrets.token_hex(6)}"


def _remove_leftovers(place: Path) -> None:
    """Remove what killed runs of this user left: folders of their naming that are theirs, old and not locked."""
    with suppress(OSError):
        for name in os.listdir(place):
            folder = place / name
            if NAME.fullmatch(name) and _is_left(folder) and (lock := _lock(folder)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def _is_left(folder: Path) -> bool:
    if os.name == "nt":  # no such locks on folders there
        return False
    status = folder.lstat()
    is_old = time.time() - status.st_mtime > OLD
    return is_old and stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _lock(folder: Path) -> int | None:
    """Lock a folder for as long as this process lives; None when another one holds it."""
    if os.name == "nt":
        return None
    import fcntl

    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd
