"""What is in a pack: its files in a repeatable order, and everything that must be refused before any work."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path
from typing import Literal, NamedTuple

from texup.errors import HoldsInput, PackError
from texup.files import is_temp
from texup.locks import LOCK_NAME
from texup.textures.codecs.files import SUFFIXES

MANIFEST_NAME = "texup-manifest.jsonl"
NOT_SELECTED = "not selected"
DRIVE = re.compile("[A-Za-z]:")
APPLE_DOUBLE = "._"  # begins the name of what macOS writes beside a file on a disk that is not its own
LITTER = frozenset(
    (
        *(".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini", ".directory"),
        *("__macosx", ".appledouble", ".spotlight-v100", ".trashes", ".fseventsd"),
        *("$recycle.bin", "system volume information", "@eadir", ".git", ".svn", ".hg"),
    )
)
"""Names of files and folders that systems and version control leave in any folder, in lower case."""
_WILD = re.compile(r"[*?\[]")

Kind = Literal["texture", "other", "refused"]
Listing = list[os.DirEntry[str]]
Glob = Sequence[str | re.Pattern[str]]
"""A glob by the parts between its slashes, compiled once: it is compared with every file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a pack."""

    path: str
    """Relative POSIX path inside the pack, the file's identity; bytes that are no UTF-8 stand as lone surrogates."""
    size: int
    """Bytes; 0 when refused."""
    kind: Kind
    reason: str | None = None
    """Why it is refused or not selected."""
    selected: bool = True
    """Whether the user's patterns choose it."""
    changed: int = field(default=0, compare=False)
    """When it was last written, in nanoseconds as its system counts them; 0 when refused."""


class Counts(NamedTuple):
    """How many entries of each kind a pack has."""

    textures: int
    others: int
    refused: int


def is_safe(path: str) -> bool:
    """Return whether ``path`` stays below whatever folder it is joined to, on every system."""
    parts = path.split("/")  # a leading or doubled slash makes an empty part
    return not {"", ".", ".."} & set(parts) and "\0" not in path and "\\" not in path and not DRIVE.match(path)


def is_own(name: str) -> bool:
    """Return whether a file of this bare name was put there by texup itself: manifest, lock or temporary file."""
    return name in (MANIFEST_NAME, LOCK_NAME) or is_temp(name)


def is_litter(name: str) -> bool:
    """Return whether a file or folder of this bare name is no part of any pack; the name is enough, whatever it holds.

    References:
        RFC 1740: AppleDouble, whose header file is "._" and the name of the other.
    """
    return name.startswith(APPLE_DOUBLE) or name.lower() in LITTER


def walk(root: Path, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Iterator[Entry]:
    """Yield the files below ``root``: those of a folder by name, then its subfolders by name, one folder in memory.

    Links are refused, never followed; so is everything that is neither file nor folder, and a folder that cannot be
    listed. texup's own files are left out, and so is litter, as ``.DS_Store`` and ``.git``.

    With ``include``, only files that match one of its patterns are selected; those that match one of ``exclude`` never
    are; what is not selected comes as kind "other". A pattern is compared without regard to case with the whole
    relative path and with the bare name: ``*.png`` finds PNGs everywhere, ``ui/*`` the files of one folder, ``ui/**``
    all that is below it, and ``**`` stands for any number of folders. ``*``, ``?`` and ``[...]`` stay inside one name.
    """
    wanted, unwanted = patterns(include), patterns(exclude)
    for folder, found in _folders(root):
        if isinstance(found, OSError):
            yield Entry(folder or ".", 0, "refused", f"the folder cannot be listed: {found.strerror}")
            continue
        for item in found:
            if not item.is_dir(follow_symlinks=False) and not is_own(item.name):
                entry = _entry(_join(folder, item.name), item)
                dropped = (wanted and not matches(entry.path, wanted)) or matches(entry.path, unwanted)
                if dropped and entry.kind != "refused":
                    entry = Entry(entry.path, entry.size, "other", NOT_SELECTED, selected=False, changed=entry.changed)
                yield entry


def check_pack(source: Path, out: Path, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Counts:
    """Look through the folder ``source`` before any work and count what :func:`walk` will yield.

    Raises:
        PackError: the folder is missing or cannot be listed, overlaps ``out``, or holds no selected texture.
    """
    check_places(source, out)
    kinds = Counter(entry.kind for entry in walk(source, include, exclude))
    if not kinds["texture"]:
        chosen = "selected by --include and --exclude" if include or exclude else "in it"
        raise PackError(f"{source}: no texture {chosen}; texup looks for {', '.join(sorted(SUFFIXES))}")
    return Counts(kinds["texture"], kinds["other"], kinds["refused"])


def check_places(source: Path, out: Path) -> None:
    """Refuse a folder that cannot be read, or that ``out`` overlaps.

    Raises:
        PackError: it cannot, or it does; HoldsInput where the output contains it.
    """
    try:
        os.scandir(source).close()
    except OSError as error:
        raise PackError(f"{source}: cannot be read as a folder: {error.strerror}") from error
    check_overlap(source, out)
    _check_folders(source, out)


def check_overlap(source: Path, out: Path) -> None:
    """Refuse an output that is the source, lies in it or contains it, under whatever names, links and cases.

    Either may be a file or a folder, and ``out`` need not exist.

    Raises:
        PackError: they overlap; HoldsInput where the output contains the source.
    """
    sources, outs = _identities(source), _identities(out)
    if outs[0] is not None and outs[0] == sources[0]:
        raise PackError(f"{out}: the output is the input itself; choose another place with --output")
    if sources[0] is not None and sources[0] in outs:
        raise PackError(f"{out}: the output lies inside the input {source}; choose a place outside it with --output")
    if outs[0] is not None and outs[0] in sources:
        raise HoldsInput(f"{out}: the output contains the input {source}; choose a place beside it with --output")


def _identities(path: Path) -> list[tuple[int, int] | None]:
    """Return (device, inode) of the path and of each folder above it, links resolved; None for what does not exist."""
    real = Path(os.path.realpath(path))
    return [_identity(place) for place in (real, *real.parents)]


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _check_folders(root: Path, out: Path) -> None:
    """Refuse overlaps that only mounts of one folder in two places make."""
    outs = set(_identities(out)) - {None}
    for folder, found in _folders(root):
        if isinstance(found, OSError):
            continue  # walk() names it
        if _identity(root / folder) in outs:
            raise PackError(f"{out}: the output lies inside the input {root}; choose a place outside it with --output")
    source = _identity(root)
    if any(_identity(out / folder) == source for folder, found in _folders(out) if not isinstance(found, OSError)):
        raise PackError(f"{out}: the output contains the input {root}; choose a place beside it with --output")


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _folders(root: Path) -> Iterator[tuple[str, Listing | OSError]]:
    """Yield each folder ("" is the root) depth first with its entries by name, or the error that listing it gave."""
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(root / folder) as items:
                found = sorted((item for item in items if not is_litter(item.name)), key=lambda item: item.name)
            below = [_join(folder, item.name) for item in found if item.is_dir(follow_symlinks=False)]
        except OSError as error:
            yield folder, error
            continue
        yield folder, found
        waiting.extend(reversed(below))


def _entry(path: str, item: os.DirEntry[str]) -> Entry:
    try:
        status = item.stat(follow_symlinks=False)
    except OSError as error:
        return Entry(path, 0, "refused", f"cannot be read: {error.strerror}")
    if stat.S_ISLNK(status.st_mode):
        return Entry(path, 0, "refused", "a link; texup does not follow links")
    if not stat.S_ISREG(status.st_mode):
        return Entry(path, 0, "refused", "neither a file nor a folder")
    if not is_safe(path):
        return Entry(path, 0, "refused", "a backslash or a drive letter in its name; rename it")
    suffix = os.path.splitext(item.name)[1].lower()
    kind: Kind = "texture" if suffix in SUFFIXES else "other"
    return Entry(path, status.st_size, kind, changed=status.st_mtime_ns)


def patterns(globs: Sequence[str]) -> list[Glob]:
    """Return globs as :func:`matches` wants them; :func:`walk` says what they mean."""
    return [[_part(part) for part in glob.casefold().split("/")] for glob in globs]


def _part(text: str) -> str | re.Pattern[str]:
    """Return a part of a glob: itself where it stands for one name, or for any folders."""
    if text == "**" or not _WILD.search(text):
        return text
    head, close, tail = text.rpartition("]")  # a bracket behind it opens nothing, but each would be looked into
    return re.compile(translate(head + close + tail.replace("[", "[[]")))


def matches(path: str, wanted: Sequence[Glob]) -> bool:
    """Return whether a relative path, or its bare name, fits one of the patterns."""
    parts = path.casefold().split("/")
    return any(_match(parts, pattern) or _match(parts[-1:], pattern) for pattern in wanted)


def _match(parts: Sequence[str], pattern: Glob) -> bool:
    """Match part by part; a misfit goes back to the last ``**`` only, for globs may come from strangers."""
    part = place = start = 0
    behind = -1  # the place behind the last ``**``, which so far stands for the parts up to ``start``
    while part < len(parts):
        if place < len(pattern) and pattern[place] == "**":
            place = behind = place + 1
            start = part
        elif place < len(pattern) and _fits(parts[part], pattern[place]):
            part, place = part + 1, place + 1
        elif behind >= 0:
            start += 1
            part, place = start, behind
        else:
            return False
    return all(rest == "**" for rest in pattern[place:])


def _fits(name: str, part: str | re.Pattern[str]) -> bool:
    return name == part if isinstance(part, str) else part.match(name) is not None
