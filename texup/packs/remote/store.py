"""Objects of a store, through fsspec: listed, fetched, put; tried again a few times, and refused in one line."""

from __future__ import annotations

import importlib
import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from texup import bounds
from texup.errors import LostStore, PackError, TexupError, UsageError
from texup.files import FULL, make_folder, output_error, sha256_of
from texup.packs.portability import windows_problem
from texup.packs.remote.url import PACKAGES, StoreUrl, without_secrets
from texup.packs.walk import is_safe

T = TypeVar("T")
WAITS = (1.0, 4.0)
"""Seconds before each further try, a half more or less; libraries of stores have tried some times before."""
PATIENCE = 60.0  # seconds of tries after which there is no further one: some libraries take minutes for each
NAMES_OF_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "DefaultCredentialsError")
LONGEST = 200  # characters of what a library says
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "FSSPEC_S3_ENDPOINT_URL", "STORAGE_EMULATOR_HOST")
"""Names in the environment by which one URL may mean another store."""
_MARKS = ("ETag", "etag", "md5Hash", "generation", "LastModified", "mtime")
_TIMES = ("LastModified", "updated", "last_modified", "mtime")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a store says of an object."""

    size: int
    mark: str
    """Differs whenever the object was put anew with other content."""
    changed: int = 0
    """When it was put, in nanoseconds of Unix time; 0 where the store does not say."""


class Store:
    """The objects below a URL."""

    def __init__(self, url: StoreUrl, refusal: type[TexupError]) -> None:
        """Connect; ``refusal`` is raised for what the store refuses: ``PackError`` or ``OutputError``.

        Raises:
            UsageError: the package for this store is not installed.
        """
        self.url, self._refusal = url, refusal
        _hush(PACKAGES[url.protocol])
        try:
            core: Any = importlib.import_module("fsspec.core")  # which has no types
            self._fs, root = core.url_to_fs(str(url), skip_instance_cache=True, use_listings_cache=False)
        except ImportError as error:
            package = PACKAGES[url.protocol]
            more = "" if package == "s3fs" else f" {package}"
            raise UsageError(f"{url}: needs the package {package}: pip install 'texup[cloud]'{more}") from error
        self._root = str(root).rstrip("/")

    def objects(self) -> Iterator[tuple[str, StoredObject]]:
        """Yield the relative path of every object and what is said of it; "" is the path of one that is the URL itself.

        Raises:
            PackError, OutputError: no such bucket, or no permission.
            LostStore: it does not answer.
        """
        found: dict[str, Any] = self._tried("list", "", lambda: self._fs.find(self._root, detail=True))
        for name, facts in found.items():
            path = name[len(self._root) :].removeprefix("/")
            if not name.endswith("/") and (path or facts.get("type") == "file"):  # some programs put "folders"
                yield path, _stored(facts)

    def fetch(self, path: str, stored: StoredObject, incoming: Path, target: Path) -> None:
        """Fetch an object to a file, which has its final name only when it is whole and durable.

        Raises:
            PackError, OutputError: it is gone, or no permission.
            LostStore: the store does not answer, or not with as many bytes as it said.
            OutputError: the disk is full.
        """
        try:
            self._get(path, stored, incoming)
            with incoming.open("rb+") as file:
                os.fsync(file.fileno())
            if stored.changed:
                os.utime(incoming, ns=(stored.changed, stored.changed))
            make_folder(target.parent)
            os.replace(incoming, target)
        except OSError as error:
            raise output_error(target, error) from error
        finally:
            incoming.unlink(missing_ok=True)

    def sha256_of(self, path: str, stored: StoredObject, incoming: Path) -> str:
        """Return the SHA-256 of an object, which is fetched to a file that is then removed.

        Raises:
            PackError, OutputError, LostStore: as for :meth:`fetch`.
        """
        try:
            self._get(path, stored, incoming)
            return sha256_of(incoming)
        except OSError as error:
            raise output_error(incoming, error) from error
        finally:
            incoming.unlink(missing_ok=True)

    def put(self, path: str, file: Path) -> StoredObject:
        """Put a file whole in the place of whatever has this path, and return what the store then says of it.

        Raises:
            OutputError: the store refuses it, or does not answer.
        """
        size = file.stat().st_size

        def put() -> StoredObject:
            self._fs.put_file(str(file), self._key(path))
            stored = _stored(self._fs.info(self._key(path)))
            if stored.size != size:
                raise ConnectionError(f"{stored.size:,} bytes are there instead of {size:,}")
            return stored

        return self._tried("put", path, put)

    def _get(self, path: str, stored: StoredObject, incoming: Path) -> None:
        def get() -> None:
            self._fs.get_file(self._key(path), str(incoming))
            size = incoming.stat().st_size
            if size != stored.size:
                raise ConnectionError(f"{size:,} bytes came instead of {stored.size:,}")

        self._tried("fetch", path, get)

    def _key(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    def _tried(self, what: str, path: str, way: Callable[[], T]) -> T:
        """Return what a way to reach the store gives, after some tries if need be."""
        until = time.monotonic() + PATIENCE
        for wait in (*WAITS, None):
            try:
                return way()
            except Exception as error:  # each library of a store has its own
                if isinstance(error, OSError) and error.errno in FULL:
                    raise
                if wait is None or _is_refusal(error) or time.monotonic() > until:
                    self._refuse(what, path, error)
            time.sleep(wait * (0.5 + random.random()))
        raise AssertionError

    def _refuse(self, what: str, path: str, error: Exception) -> NoReturn:
        place = f"{self.url}/{path}" if path else str(self.url)
        text = without_secrets(" ".join(str(error).split()))[:LONGEST] or type(error).__name__
        if isinstance(error, FileNotFoundError):
            text = f"cannot {what}: no such bucket or object"
        elif isinstance(error, PermissionError) or type(error).__name__ in NAMES_OF_CREDENTIALS:
            text = f"cannot {what}: {text}; credentials come from the environment, as for other programs"
        else:
            text = f"cannot {what}: {text}; run the same command again to go on"
        is_lost = not _is_refusal(error) and self._refusal is PackError
        raise (LostStore if is_lost else self._refusal)(f"{place}: {text}") from error


def problem_of(path: str, stored: StoredObject) -> str | None:
    """Return why an object cannot be a file of a pack."""
    parts = path.split("/")
    wrong = (
        (len(parts) > bounds.ARCHIVE_DEPTH, f"more than {bounds.ARCHIVE_DEPTH} folders deep"),
        (len(path) > bounds.ARCHIVE_PATH, f"a path of more than {bounds.ARCHIVE_PATH:,} characters"),
        (
            max(len(part.encode("utf-8", "replace")) for part in parts) > bounds.ARCHIVE_NAME,
            "a name that is too long for a file",
        ),
        (not is_safe(path), "an unsafe path, which could leave the folder"),
        (os.name == "nt" and windows_problem(path), "Windows cannot hold this name"),
        (stored.size > bounds.STORE_OBJECT, f"larger than {bounds.STORE_OBJECT >> 30} GiB"),
    )
    return next((text for found, text in wrong if found), None)


def _hush(package: str) -> None:
    """Keep a package from printing what it logs where nobody has asked for logs; texup tells what is wrong itself."""
    logger = logging.getLogger(package)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _is_refusal(error: Exception) -> bool:
    """Tell whether trying again would give the same."""
    return isinstance(error, FileNotFoundError | PermissionError) or type(error).__name__ in NAMES_OF_CREDENTIALS


def _stored(facts: dict[str, Any]) -> StoredObject:
    mark = next((str(facts[name]) for name in _MARKS if facts.get(name)), "")
    time_of = next((facts[name] for name in _TIMES if facts.get(name)), None)
    if isinstance(time_of, str):
        time_of = datetime.fromisoformat(time_of)
    if isinstance(time_of, datetime):
        time_of = time_of.timestamp()
    return StoredObject(int(facts["size"]), mark, int(time_of * 1e9) if isinstance(time_of, int | float) else 0)
