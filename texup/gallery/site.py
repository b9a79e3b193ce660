"""Where a page lies: a folder of files, or one file that holds everything."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import stat
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from texup import bounds
from texup.errors import UsageError
from texup.files import TEMP_PREFIX, TEMP_SUFFIX, atomic_write, check_inside, output_error
from texup.gallery.content import Page, script_of

INDEX, DATA, PICTURES, KNOWN = "index.html", "data.js", "pictures", "known.json"
SCRIPTS = ("model.js", "list.js", "viewer.js", "rules.js", "main.js")
STYLE = "style.css"
MARK = "<!doctype html>\n<!-- texup gallery"
"""How a page of texup begins; another file of its name is not replaced."""
MEDIA = {".png": "image/png", ".webp": "image/webp"}
NAME = re.compile(r"[0-9a-f]{24}[a-z]*\.(?:png|webp)")


class Site(Protocol):
    """Takes pictures and the page, and gives addresses that the page can ask for."""

    def has(self, name: str) -> str:
        """Return the address of a picture that is there already, or ""."""
        ...

    def put(self, name: str, data: bytes) -> str:
        """Keep a picture under a name that its content decides; return its address."""
        ...

    def direct(self, path: Path) -> str:
        """Return the address of a file that the page can show where it lies, or ""."""
        ...


class Folder:
    """A page of several files; pictures that are there already are kept."""

    def __init__(self, folder: Path, packs: list[Path]) -> None:
        """Take a folder that lies in none of ``packs``.

        Raises:
            UsageError: it does, or holds another page's index.
        """
        _check_outside(folder, packs)
        _check_own(folder / INDEX)
        self.folder, self._real = folder, Path(os.path.realpath(folder))
        self._used: set[str] = set()

    def has(self, name: str) -> str:
        """Return the address of a picture of an earlier call, or ""."""
        path = self.folder / PICTURES / name
        try:
            status = path.lstat()
        except OSError:
            return ""
        if not stat.S_ISREG(status.st_mode) or not status.st_size:  # a power cut may leave a name without content
            return ""
        self._used.add(name)
        return f"{PICTURES}/{name}"

    def put(self, name: str, data: bytes) -> str:
        """Write a picture, unless it is there."""
        assert NAME.fullmatch(name), name
        if not self.has(name):
            check_inside(self.folder, f"{PICTURES}/{name}")
            _write(self.folder / PICTURES / name, data)
            self._used.add(name)
        return f"{PICTURES}/{name}"

    def direct(self, path: Path) -> str:
        """Return the address of a file below the page's folder, or ""."""
        place = Path(os.path.realpath(path))
        return address(place.relative_to(self._real).as_posix()) if place.is_relative_to(self._real) else ""

    def finish(self, page: Page) -> Path:
        """Write the page, remove pictures of earlier calls that it does not show, and return its index."""
        for name in (STYLE, *SCRIPTS):
            atomic_write(self.folder / name, _part(name).encode())
        atomic_write(self.folder / DATA, script_of(page).encode("ascii"))
        atomic_write(self.folder / INDEX, _part(INDEX).encode())
        for path in (self.folder / PICTURES).glob("*"):
            if NAME.fullmatch(path.name) and path.name not in self._used:
                with suppress(OSError):
                    path.unlink()
        return self.folder / INDEX

    def size(self) -> int:
        """Return the bytes of all files of the page."""
        own = [self.folder / name for name in (INDEX, STYLE, DATA, *SCRIPTS)]
        return sum(path.stat().st_size for path in (*own, *(self.folder / PICTURES).glob("*")))


class SingleFile:
    """A page in one file, every picture a part of it."""

    def __init__(self, path: Path, packs: list[Path]) -> None:
        """Take a file that lies in none of ``packs``.

        Raises:
            UsageError: it does, or another file of that name is there.
        """
        _check_outside(path, packs)
        _check_own(path)
        self._path, self._known, self._size = path, dict[str, str](), 0

    def has(self, name: str) -> str:
        """Return the address of a picture that was put before, or ""."""
        return self._known.get(name, "")

    def put(self, name: str, data: bytes) -> str:
        """Keep a picture.

        Raises:
            UsageError: the page gets too large.
        """
        if name not in self._known:
            url = f"data:{MEDIA[Path(name).suffix]};base64,{base64.b64encode(data).decode()}"
            self._known[name] = url
            self._size += len(url)
            self._check(self._size)
        return self._known[name]

    def direct(self, path: Path) -> str:
        """Return "": a page in one file reaches no other."""
        return ""

    def _check(self, size: int) -> None:
        if size > bounds.PAGE_SINGLE:
            raise UsageError(
                f"{self._path}: one file of more than {bounds.spelt(bounds.PAGE_SINGLE, 'bytes')};"
                " choose fewer textures with --include, or leave out --single-file for a folder"
            )

    def finish(self, page: Page) -> Path:
        """Write the file; return its path.

        Raises:
            UsageError: it would be too large.
        """
        text = _part(INDEX).replace(f'<link rel="stylesheet" href="{STYLE}">', f"<style>{_part(STYLE)}</style>")
        hashes = []
        for name in (DATA, *SCRIPTS):
            script = script_of(page) if name == DATA else _part(name)
            digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            hashes.append(f"'sha256-{digest}'")
            text = text.replace(f'<script src="{name}"></script>', f"<script>{script}</script>")
        text = text.replace("script-src 'self' file:", f"script-src {' '.join(hashes)}")
        text = text.replace("style-src 'self' file:", "style-src 'unsafe-inline'")
        data = text.encode()
        self._check(len(data))
        atomic_write(self._path, data)
        return self._path

    def size(self) -> int:
        """Return the bytes of the file."""
        return self._path.stat().st_size


def address(path: str) -> str:
    """Return a relative POSIX path as a relative address, every byte that is not plain percent-encoded."""
    return quote(os.fsencode(path), safe="/")


def _check_outside(place: Path, packs: list[Path]) -> None:
    """Refuse to write among the files of a pack."""
    real = Path(os.path.realpath(place))
    for pack in packs:
        if Path(os.path.realpath(pack)) in (real, *real.parents):
            raise UsageError(f"{place}: lies in the pack {pack}; choose a place outside it with -o")


def _check_own(index: Path) -> None:
    """Refuse to replace a file that is no page of texup."""
    try:
        with index.open("rb") as file:
            begin = file.read(len(MARK))
    except FileNotFoundError:
        return
    except OSError as error:
        raise output_error(index, error) from error
    if begin != MARK.encode():
        raise UsageError(f"{index}: there is a file that is no page of texup; choose another place with -o")


@cache
def _part(name: str) -> str:
    return (files("texup.gallery") / "page" / name).read_text("utf-8")


def _write(path: Path, data: bytes) -> None:
    """Put a picture in its place, whole; one that a power cut takes is made again, so nothing waits for the disk."""
    temp = path.parent / f"{TEMP_PREFIX}{secrets.token_hex(6)}{TEMP_SUFFIX}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temp.write_bytes(data)
            os.replace(temp, path)
        except BaseException:
            with suppress(OSError):
                temp.unlink()
            raise
    except OSError as error:
        raise output_error(path, error) from error
