"""Packs in zips (also .pk3): unpacked as if the archive were hostile; equal folders are written as equal bytes."""

from __future__ import annotations

import io
import os
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO

from texup import bounds
from texup.errors import OutputError, PackError, TexupError
from texup.files import CHUNK, atomic_write, output_error, read_pieces, remove_leftovers_of
from texup.packs.portability import Names, windows_problem
from texup.packs.temporary import temporary_folder
from texup.packs.walk import Entry, is_litter, is_safe, walk

SUFFIXES = (".zip", ".pk3")
"""Suffixes of a target that is written as a zip."""
MAGICS = (b"PK\x03\x04", b"PK\x05\x06")  # a first member, or the end of an empty archive
RECORD = b"PK\x01\x02"  # begins each record of the list of members

UTF8, ENCRYPTED = 0x800, 0x41  # bits of a member's flags
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

PACKED = {".png", ".jpg", ".jpeg", ".webp"}  # deflating these again gains nothing
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
UNIX, MODE = 3, (stat.S_IFREG | 0o644) << 16
SPOOL = 64 << 20
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
YOURSELF = "unpack it yourself and give texup the folder"


def is_zip(path: Path) -> bool:
    """Return whether a file is a zip by its first bytes; False for whatever cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(4) in MAGICS
    except OSError:
        return False


@contextmanager
def unpack_archive(path: Path) -> Iterator[Path]:
    """Give a temporary folder, named as the archive without its suffix, with the files of a zip; removed at the end.

    Folders without files are left out, as is what systems leave in any folder. Errors raised inside name the archive.

    Raises:
        PackError: no zip, damaged, or with a member that is unsafe, encrypted, twice there, too large or of a kind that
            cannot be read.
        OutputError: the temporary folder cannot be written.
    """
    with temporary_folder(path.stem) as root:
        try:
            with _Bounded(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
                _extract(path, archive, root)
        except DAMAGE as error:
            raise PackError(f"{path}: damaged zip: {_clause(error)}; fetch or make it again") from error
        except OSError as error:
            raise PackError(f"{path}: cannot read: {error.strerror or error}") from error
        try:
            yield root
        except TexupError as error:  # whoever reads it finds no copy any more
            error.args = tuple(str(arg).replace(str(root), str(path)) for arg in error.args)
            raise


def write_zip(folder: Path, target: Path, *, stored: bool, without: Collection[str] = ()) -> None:
    """Write the files of ``folder`` into the zip ``target``, atomically; equal folders give equal bytes.

    texup's own files are left out. Memory does not grow with the pack.

    Args:
        folder: what becomes the root of the archive.
        target: where the archive is put; an older one is replaced.
        stored: compress nothing; otherwise all but PNG, JPEG and WebP is deflated.
        without: relative paths of files that are left out.

    Raises:
        PackError: a link, or a name that is not UTF-8.
        OutputError: the archive cannot be written.

    References:
        dolphin Source/Core/UICommon/ResourcePack/ResourcePack.cpp: members of a resource pack are stored, unless its
        manifest says ``compressed``.
    """
    left_out = frozenset(without)
    entries = sorted((entry for entry in walk(folder) if entry.path not in left_out), key=lambda entry: entry.path)
    for entry in entries:
        if entry.kind == "refused":
            raise PackError(f"{folder / entry.path}: {entry.reason}; it cannot be put into {target.name}")
        if not _is_utf8(entry.path):
            raise PackError(f"{folder / entry.path}: its name is not UTF-8 and cannot stand in {target.name}")
    remove_leftovers_of(target)
    atomic_write(target, _zip_pieces(folder, entries, stored=stored))


class _Bounded(io.BufferedReader):
    """A file that refuses to read the list of members of an absurd archive into memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > bounds.ARCHIVE_DIRECTORY:
            raise zipfile.BadZipFile("its list of members is too long")
        data = super().read(size)
        # A member is read in smaller pieces, so this is the list. The library would make an object of each record.
        if len(data) > CHUNK and data.count(RECORD) > bounds.ARCHIVE_FILES:
            raise zipfile.BadZipFile(f"more than {bounds.ARCHIVE_FILES:,} members")
        return data


class _Window:
    """What the zip writer writes into: holds the current member, and forgets it once :meth:`drained`.

    The writer goes back to the head of a member to put in its size and sum, never further. So no member needs a data
    descriptor, which some readers refuse behind stored data.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._start = file, 0

    def write(self, data: bytes, /) -> int:
        return self._file.write(data)

    def tell(self) -> int:
        return self._start + self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET or offset < self._start:
            raise io.UnsupportedOperation("only the current member can be written again")
        return self._start + self._file.seek(offset - self._start)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def drained(self) -> Iterator[bytes]:
        self._start += self._file.seek(0, os.SEEK_END)
        self._file.seek(0)
        while piece := self._file.read(CHUNK):
            yield piece
        self._file.seek(0)
        self._file.truncate()


def _zip_pieces(folder: Path, entries: list[Entry], *, stored: bool) -> Iterator[bytes]:
    with tempfile.SpooledTemporaryFile(SPOOL) as spool:
        window = _Window(spool)
        with zipfile.ZipFile(window, "w") as archive:
            for entry in entries:
                _add(archive, folder, entry, stored=stored)
                yield from window.drained()
        yield from window.drained()


def _add(archive: zipfile.ZipFile, folder: Path, entry: Entry, *, stored: bool) -> None:
    info = zipfile.ZipInfo(entry.path, EPOCH)
    info.create_system, info.external_attr, info.file_size = UNIX, MODE, entry.size
    packed = PurePosixPath(entry.path).suffix.lower() in PACKED
    info.compress_type = zipfile.ZIP_STORED if stored or packed else zipfile.ZIP_DEFLATED
    pieces = read_pieces(folder / entry.path)
    with archive.open(info, "w") as member:
        while piece := _next(pieces, folder / entry.path):
            member.write(piece)


def _next(pieces: Iterator[bytes], path: Path) -> bytes:
    try:
        return next(pieces, b"")
    except OSError as error:
        raise OutputError(f"{path}: cannot read: {error.strerror or error}") from error


def _extract(path: Path, archive: zipfile.ZipFile, root: Path) -> None:
    members = archive.infolist()
    if len(members) > bounds.ARCHIVE_FILES:
        raise PackError(f"{path}: {len(members):,} members, more than {bounds.ARCHIVE_FILES:,}; {YOURSELF}")
    targets = _targets(path, members)
    room = min(bounds.ARCHIVE_TOTAL, max(bounds.ARCHIVE_RATIO_FROM, bounds.ARCHIVE_RATIO * path.stat().st_size))
    for info, name in targets:
        try:
            _write(root / name, _pieces(archive, info, room))
        except PackError as error:
            raise PackError(f"{path}: {name}: {error}") from error
        except DAMAGE as error:
            raise PackError(f"{path}: {name}: damaged: {_clause(error)}; fetch or make the zip again") from error
        room -= info.file_size


def _targets(path: Path, members: list[zipfile.ZipInfo]) -> list[tuple[zipfile.ZipInfo, str]]:
    """Return each member that is a file with its safe relative path."""
    targets: list[tuple[zipfile.ZipInfo, str]] = []
    names = Names()
    for info in members:
        name = _name(info)
        if is_safe(name.removesuffix("/")) and any(is_litter(part) for part in name.split("/")):
            continue
        problem = _problem(info, name.removesuffix("/"))
        if problem is None and (first := names.clash(name)):
            problem = f"one name with {first}; {YOURSELF}"
        if problem:
            raise PackError(f"{path}: {info.orig_filename}: {problem}")
        if len(names.folders) > bounds.ARCHIVE_FOLDERS:
            raise PackError(f"{path}: more than {bounds.ARCHIVE_FOLDERS:,} folders; {YOURSELF}")
        if not name.endswith("/"):
            targets.append((info, name))
    return targets


def _name(info: zipfile.ZipInfo) -> str:
    """Return the path of a member with "/"; the library has read the bytes of one without the flag as code page 437."""
    name = info.orig_filename
    if not info.flag_bits & UTF8:
        with suppress(UnicodeDecodeError):  # some programs on macOS write UTF-8 and do not say so
            name = name.encode("cp437").decode()
    return name.replace("\\", "/")


def _problem(info: zipfile.ZipInfo, name: str) -> str | None:
    """Return why a member must not or cannot be unpacked."""
    kind, raw = stat.S_IFMT(info.external_attr >> 16), info.orig_filename
    depth = name.count("/")
    longest = max(len(part.encode("utf-8", "replace")) for part in name.split("/"))
    wrong = (
        (depth > bounds.ARCHIVE_DEPTH, f"{depth:,} folders deep, more than {bounds.ARCHIVE_DEPTH}; {YOURSELF}"),
        (len(name) > bounds.ARCHIVE_PATH, f"a path of more than {bounds.ARCHIVE_PATH:,} characters; {YOURSELF}"),
        (longest > bounds.ARCHIVE_NAME, f"a name of more than {bounds.ARCHIVE_NAME} bytes; {YOURSELF}"),
        (not is_safe(name), "an unsafe path, which could leave the folder; do not trust this zip"),
        (kind not in (0, stat.S_IFREG, stat.S_IFDIR), "a link or a device; do not trust this zip"),
        (name == raw and not (name.isascii() or info.flag_bits & UTF8), f"its name is not UTF-8; {YOURSELF}"),
        (os.name == "nt" and windows_problem(name), f"Windows cannot hold this name; {YOURSELF}"),
        (info.flag_bits & ENCRYPTED, f"encrypted; {YOURSELF}"),
        (info.compress_type not in METHODS, f"compressed by method {info.compress_type}; {YOURSELF}"),
        (info.file_size > bounds.ARCHIVE_MEMBER, f"larger than {bounds.ARCHIVE_MEMBER >> 30} GiB; {YOURSELF}"),
    )
    return next((text for found, text in wrong if found), None)


def _pieces(archive: zipfile.ZipFile, info: zipfile.ZipInfo, room: int) -> Iterator[bytes]:
    """Yield the bytes of a member, ``room`` at most; what the archive says of its size is not believed."""
    count = 0
    try:
        with archive.open(info) as member:
            while piece := member.read(CHUNK):
                count += len(piece)
                if count > min(room, bounds.ARCHIVE_MEMBER):
                    raise PackError(f"the zip grows too large when it is unpacked; {YOURSELF}")
                yield piece
    except OSError as error:  # its directory sends the reader to where no byte can be
        raise zipfile.BadZipFile(f"cannot be read: {error.strerror}") from error
    if count != info.file_size:
        raise zipfile.BadZipFile(f"{count} bytes instead of {info.file_size}")


def _write(target: Path, pieces: Iterator[bytes]) -> None:
    """Write a file that is temporary: it need not outlive a crash, as :func:`atomic_write` promises."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.writelines(pieces)
    except OSError as error:
        raise output_error(target, error) from error


def _clause(error: Exception) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
