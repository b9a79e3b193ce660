"""The lock of an output folder: one run at a time writes there."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from texup.errors import LockedError, OutputError
from texup.files import ON_WINDOWS, locked, make_folder, output_error

LOCK_NAME = ".texup-lock"
_LOCKED_BYTE = 1 << 20  # far beyond what is written: Windows lets nobody else read a byte that is locked


def _lock(fd: int) -> None:
    if ON_WINDOWS:
        import msvcrt

        os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        os.lseek(fd, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _open_lock(path: Path) -> int:
    """Open a lock file, made if missing; refuse what somebody else put in its place, where nothing may be written."""
    way = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        fd = os.open(path, way, 0o666)
    except OSError as error:
        if os.path.lexists(path):
            raise output_error(path, error) from error
        raise
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode) and status.st_nlink <= 1:
        return fd
    os.close(fd)
    raise OutputError(f"{path}: not the lock of texup but another file or its hard link; remove it")


def _holder(fd: int) -> str:
    """Return the number of the process that a lock file names."""
    with suppress(OSError):
        os.lseek(fd, 0, os.SEEK_SET)
        written = os.read(fd, 32).strip()
        if written.isdigit():
            return written.decode()
    return "unknown"


def _is_at(path: Path, fd: int) -> bool:
    if ON_WINDOWS:  # where nobody can remove a file that is open
        return True
    try:
        return os.path.samestat(os.fstat(fd), path.lstat())
    except FileNotFoundError:
        return False


@contextmanager
def output_lock(folder: Path) -> Iterator[None]:
    """Hold ``folder`` (made if missing) for this process; the system frees the lock however the process ends.

    Raises:
        LockedError: another run holds it.
        OutputError: the folder cannot be made or written.
    """
    path = folder / LOCK_NAME
    try:
        make_folder(folder)
        while True:
            fd = _open_lock(path)
            try:
                _lock(fd)
            except OSError as error:
                holder = _holder(fd)
                os.close(fd)
                if error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                    raise
                raise LockedError(
                    f"{folder}: another texup run (process {holder}) is writing here; wait for it"
                ) from error
            if _is_at(path, fd):
                break
            os.close(fd)  # its owner removed the file between our open and our lock: take the new one
    except OSError as error:
        raise output_error(folder, error) from error
    try:
        with suppress(OSError):  # the number is only a courtesy; a full disk is for the first real write to tell
            os.ftruncate(fd, 0)
            os.write(fd, f"{os.getpid()}\n".encode())
        locked.add(folder)
        yield
    finally:
        if ON_WINDOWS:
            os.close(fd)  # first, or the file could not be removed; one that the next run has opened meanwhile stays
        locked.discard(folder)
        with suppress(OSError):
            path.unlink()
        if not ON_WINDOWS:
            os.close(fd)
