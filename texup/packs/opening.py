"""A pack as conventions see it: its files, where it lies, and a way to read them that follows no link out of it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from texup.errors import UnreadableTexture
from texup.packs.pack import Pack
from texup.packs.walk import Entry, walk
from texup.packs.zips import is_zip, unpack_archive

READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def folders_of(path: Path) -> tuple[str, ...]:
    """Return the names from the root of the file system down to ``path``, its own last."""
    absolute = Path(os.path.abspath(path))
    return absolute.relative_to(absolute.anchor).parts


def open_pack(root: Path, entries: Sequence[Entry], place: tuple[str, ...] | None = None) -> Pack:
    """Return the pack of a folder.

    Args:
        root: the folder that the entries' paths begin at.
        entries: what :func:`texup.packs.walk.walk` found there.
        place: the folders of the pack where ``root`` is only a copy of it, as for a zip; None for those of ``root``.
    """
    known = frozenset(entry.path for entry in entries if entry.kind != "refused")

    def read(path: str, limit: int | None) -> bytes:
        if path not in known:
            raise UnreadableTexture("no file of this pack", path)
        try:
            with open_file(root, path) as file:
                return file.read(-1 if limit is None else limit)
        except OSError as error:
            reason = "a link" if error.errno == errno.ELOOP else error.strerror or str(error)
            raise UnreadableTexture(f"cannot read: {reason}", path) from error

    return Pack(tuple(entries), folders_of(root) if place is None else place, read)


@contextmanager
def open_path(path: Path) -> Iterator[Pack]:
    """Give the pack at a path, a folder or a zip, with all its files; a zip's copy is removed at the end.

    Raises:
        PackError: a zip that cannot be unpacked safely.
    """
    if not is_zip(path):
        yield open_pack(path, list(walk(path)))
        return
    with unpack_archive(path) as folder:
        yield open_pack(folder, list(walk(folder)), folders_of(path.with_suffix("")))


def open_file(root: Path, path: str) -> BinaryIO:
    """Open a file below ``root`` so that no part of its path is a link, even one that was put there just now.

    Raises:
        OSError: it cannot be read, or is no file.
    """
    file = os.fdopen(_open(root, path), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "neither a file nor a folder")
    return file


def _open(root: Path, path: str) -> int:
    if os.open not in os.supports_dir_fd:  # Windows, where making a link is a privilege
        return os.open(root / path, READ)
    *folders, name = path.split("/")
    at = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for folder in folders:
            below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        return os.open(name, READ, dir_fd=at)
    finally:
        os.close(at)
