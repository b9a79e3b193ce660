"""Files as promises: written whole or not at all, hashed, and locked by one run at a time."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from texup.errors import BadTarget, OutputError

TEMP_PREFIX, TEMP_SUFFIX = ".texup-", ".tmp"
TEMP_NAME = re.compile(rf"{re.escape(TEMP_PREFIX)}[0-9a-f]{{12}}{re.escape(TEMP_SUFFIX)}")
CHUNK = 1 << 20
locked: set[Path] = set()
"""Outputs that this process holds: one that is gone was removed by somebody, and is not made anew."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
ON_WINDOWS = os.name == "nt"
# What Windows says while another program has a file open: access denied, sharing violation, lock violation.
_HELD = (5, 32, 33)
_WAITS = (0.05, 0.1, 0.2, 0.3, 0.5)  # seconds before each further try: a scanner lets go of a new file within one
NAMES = (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EILSEQ, errno.EINVAL)


def read_pieces(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes in pieces of 1 MiB.

    Raises:
        OSError: it cannot be read, is no file, or is written to by another program meanwhile.
    """
    # Not Path.open: with a pipe it would wait for a writer.
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(fd, "rb") as file:
        before, size = os.fstat(fd), 0
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "not a file")
        while size <= before.st_size and (piece := file.read(CHUNK)):
            size += len(piece)
            yield piece
        if (size, os.fstat(fd).st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise OSError(errno.ESTALE, "changed meanwhile; run the same command again")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for piece in read_pieces(path):
        digest.update(piece)
    return digest.hexdigest()


def output_error(path: Path, error: OSError) -> OutputError:
    """Return the one-line refusal for a failed write to ``path``."""
    if error.errno in FULL:
        return OutputError(f"{path}: the disk is full; free some space and run the same command again to go on")
    if error.errno in NAMES and error.filename is not None:  # of a name: a write or a sync names no file
        return BadTarget(path, error.strerror or str(error))
    is_gone = error.errno in (errno.ENOENT, errno.ESTALE) and error.filename is not None
    rest = "; its folder was moved or removed meanwhile; run the same command again" if is_gone else ""
    return OutputError(f"{path}: cannot write: {error.strerror or error}{rest}")


def _sync_folder(folder: Path) -> None:
    if ON_WINDOWS:  # a folder cannot be opened there, and NTFS orders the rename itself
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(fd)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, so that they outlive a power cut; but for one that this process has locked.

    Another thread may write into it before its place is synced: a power cut then takes both, and the next run sees it.
    """
    if not folder.is_dir():
        if folder in locked:
            raise FileNotFoundError(errno.ENOENT, "the output was removed meanwhile; run the same command again")
        make_folder(folder.parent)
        try:
            folder.mkdir()
        except FileExistsError:
            if not folder.is_dir():  # or another thread was faster
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
        _sync_folder(folder.parent)


def _mark(path: Path) -> str:
    """Return how the names of a file's temporary files begin, so that a later run finds them again."""
    return TEMP_PREFIX + hashlib.sha256(os.fsencode(path.name)).hexdigest()[:6]


def _replace(temp: Path, path: Path) -> None:
    """Give a file its final name; on Windows try again while a scanner, a viewer or the game has the old one open.

    Elsewhere a name can always be given anew: what is denied there stays denied, and nothing waits.
    """
    for wait in _WAITS:
        try:
            os.replace(temp, path)
        except PermissionError as error:
            if getattr(error, "winerror", None) not in _HELD:
                raise
            time.sleep(wait)
        else:
            return
    os.replace(temp, path)


def _temporary(path: Path) -> Path:
    """Return a new name beside a file: its own, as the final one may already be 255 bytes long."""
    return path.parent / f"{_mark(path)}{secrets.token_hex(3)}{TEMP_SUFFIX}"


def atomic_write(path: Path, data: bytes | Iterable[bytes]) -> int:
    """Put ``data``, whole or in pieces, at ``path`` so that a file under that name is always whole and durable.

    The order is: write and fsync a temporary file in the same folder, rename it, fsync the folder. Missing parent
    folders are made. The temporary file is removed on every error.

    Returns:
        How many bytes were written.

    Raises:
        BadTarget: no file can have this name.
        OutputError: no permission, no space, or any other failure of the file system.
    """
    temp = _temporary(path)
    try:
        make_folder(path.parent)
        try:
            with temp.open("xb") as file:
                file.writelines([data] if isinstance(data, bytes) else data)
                file.flush()
                os.fsync(file.fileno())
                size = file.tell()
            _replace(temp, path)
        except BaseException:
            with suppress(OSError):
                temp.unlink()
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise output_error(path, error) from error
    return size


def atomic_link(source: Path, path: Path) -> bool:
    """Give a whole and durable file a second name, as :func:`atomic_write` does it; return whether it now has that.

    It has not where the file system, or another one, knows no such names, or forbids them.

    Raises:
        BadTarget: no file can have this name.
        OutputError: no permission, no space, or any other failure of the file system.
    """
    temp = _temporary(path)
    try:
        make_folder(path.parent)
        try:
            os.link(source, temp, follow_symlinks=False)
        except (OSError, NotImplementedError) as error:
            if getattr(error, "errno", None) in FULL:
                raise
            return False
        try:
            _replace(temp, path)
        finally:
            with suppress(FileNotFoundError):  # a name that is given to the same file already leaves the other one
                temp.unlink()
        _sync_folder(path.parent)
    except OSError as error:
        raise output_error(path, error) from error
    return True


def check_inside(out: Path, target: str) -> None:
    """Refuse to write a file below ``out`` where a link leads elsewhere, even one that was put there just now.

    Raises:
        OutputError: it does.
    """
    if "/" not in target:  # no folder between
        return
    parent = (out / target).parent
    real, wanted = os.path.realpath(parent), os.path.join(os.path.realpath(out), *target.split("/")[:-1])
    # Windows spells a real path as the disk does, so that a folder of other case is another word for the same place.
    if os.path.normcase(real) != os.path.normcase(wanted):
        raise OutputError(f"{parent}: a link inside the output leads elsewhere; remove it")


def is_temp(name: str) -> bool:
    """Return whether a bare name is one that :func:`atomic_write` gives to its temporary files."""
    return TEMP_NAME.fullmatch(name) is not None


def leftovers(folder: Path) -> Iterator[Path]:
    """Yield the temporary files below ``folder``. Links are not followed."""
    for parent, _, names in os.walk(folder):
        for name in names:
            if is_temp(name):
                yield Path(parent, name)


def remove_leftovers(folder: Path) -> int:
    """Remove temporary files that a killed run left below ``folder``; return how many. Links are not followed.

    Only call this with the output lock held, or another run's files in flight would go.

    Raises:
        OutputError: one cannot be removed.
    """
    return _remove(leftovers(folder))


def remove_leftovers_of(path: Path) -> int:
    """Remove temporary files that a killed run left of the one file ``path``; return how many.

    This is for a folder that no lock guards. A process that is writing this very file fails then.

    Raises:
        OutputError: one cannot be removed.
    """
    mark = _mark(path)
    names = os.listdir(path.parent) if path.parent.is_dir() else []
    return _remove(path.parent / name for name in names if is_temp(name) and name.startswith(mark))


def _remove(paths: Iterable[Path]) -> int:
    removed = 0
    for path in paths:
        try:
            path.unlink()
        except OSError as error:
            raise output_error(path, error) from error
        removed += 1
    return removed
