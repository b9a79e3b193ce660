"""A folder of the user's cache that holds what lies below a URL, and of an output also what is still to be put there.

The store is what counts. What lies in the folder and not in the store is kept only where nobody else has written to
the store since: then it is the work of a run that was stopped before it was sent.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from texup import bounds
from texup.errors import LockedError, OutputError, PackError, UsageError
from texup.files import make_folder, output_error
from texup.locks import output_lock
from texup.packs.portability import Names
from texup.packs.remote.index import Index, Stamp
from texup.packs.remote.store import ENDPOINTS, Store, StoredObject, problem_of
from texup.packs.remote.url import StoreUrl
from texup.packs.walk import MANIFEST_NAME, is_litter, is_own
from texup.places import cache_folder

Tell = Callable[[str], None]
"""Shows a line to the user."""
LANES = 8  # objects on their way at once
TOLD_EVERY = 15.0  # seconds
SPARE = 256 << 20  # bytes that a disk keeps free
SHOWN = 5  # names in a refusal
WAIT = 0.5  # seconds between two looks at a lock
NO_STAMP: Stamp = (-1, 0)
Role = Literal["source", "output", "part"]
"""A pack that is read, an output that is written to, or an output of other runs that is read."""


class Mirror:
    """The folder of one URL; made by :func:`mirrored`."""

    def __init__(self, store: Store, base: Path, role: Role) -> None:
        """Open it; the caller holds its lock."""
        self.url, self.store = store.url, store
        self.root = base.joinpath("files", *store.url.parts)
        """Where the files lie, in folders of the names that the URL has."""
        self.index = Index(base / "index.jsonl")
        self._incoming = base / "incoming"
        self._is_output, self._has_manifest = role == "output", role != "source"
        shutil.rmtree(self._incoming, ignore_errors=True)
        make_folder(self._incoming)
        make_folder(self.root)

    def is_sent(self, path: str) -> bool:
        """Tell whether a file is the same as in the store, as far as this machine knows."""
        known = self.index.get(path)
        return known is not None and known.stamp == _stamp_of(self.root / path)

    def put(self, path: str) -> None:
        """Put a file into the store, whole.

        Raises:
            OutputError: the store refuses it, or does not answer.
        """
        self.put_as(path, self.root / path, _stamp_of(self.root / path) or NO_STAMP)

    def put_as(self, path: str, file: Path, stamp: Stamp = NO_STAMP) -> None:
        """Put a file under a path; ``stamp`` is that of the file of the mirror that it equals, if any."""
        self.index.add(path, self.store.put(path, file), stamp)

    def temporary(self) -> Path:
        """Return a path for a file that the next call removes."""
        return self._incoming / secrets.token_hex(8)

    def fetch(self, tell: Tell, *, keep_existing: bool = False) -> None:
        """Make the folder what the store has, but for what is still to be sent.

        Raises:
            PackError: of a source: nothing is there, or what cannot be a pack.
            UsageError: of an output: files of others, unless ``keep_existing``; too much for this disk.
            LostStore: the store stopped answering.
            OutputError: the same of an output, or the disk is full.
        """
        objects = self._objects()
        manifest = objects.pop(MANIFEST_NAME, None)
        if self._is_output and objects and manifest is None and not keep_existing:
            names = ", ".join(sorted(objects)[:SHOWN]) + (", ..." if len(objects) > SHOWN else "")
            raise UsageError(
                f"{self.url}: holds objects but no manifest of texup ({names});"
                " give another --output, or --keep-existing to write beside them and replace none"
            )
        may_keep = self._is_output and self._is_ours(manifest)
        if not may_keep:
            (self.root / MANIFEST_NAME).unlink(missing_ok=True)
            if manifest is not None:
                objects[MANIFEST_NAME] = manifest
        self._make(objects, tell, may_keep=may_keep)

    def fetch_manifest(self) -> None:
        """Fetch only the manifest of a part, which may be refused before its files are fetched.

        Raises:
            PackError: nothing is there, or no permission; UsageError: there is no manifest.
            LostStore: the store stopped answering.
        """
        manifest = self._objects().get(MANIFEST_NAME)
        if manifest is None:
            raise UsageError(f"{self.url}: no manifest of texup there; give the folder that texup upscale wrote to")
        if not self._stands(MANIFEST_NAME, manifest, may_keep=False):
            self._fetch(MANIFEST_NAME, manifest)

    def fetch_files(self, paths: Collection[str], tell: Tell) -> None:
        """Fetch these files of a part whose manifest names them, those of them that are there.

        Raises:
            UsageError: the manifest is another by now; too much for this disk.
            LostStore, OutputError: as for :meth:`fetch`.
        """
        objects = {path: stored for path, stored in self._objects().items() if path in paths or path == MANIFEST_NAME}
        manifest = objects.get(MANIFEST_NAME)
        if manifest is None or not self._stands(MANIFEST_NAME, manifest, may_keep=False):
            raise UsageError(f"{self.url}: a run is writing there; wait for it, and run the same command again")
        self._make(objects, tell, may_keep=False)

    def _make(self, objects: dict[str, StoredObject], tell: Tell, *, may_keep: bool) -> None:
        """Make the folder have these files and no others, but for work that is still to be sent."""
        self._remove_others(objects, may_keep=may_keep)
        wanted = {path: stored for path, stored in objects.items() if not self._stands(path, stored, may_keep=may_keep)}
        if wanted:
            self._fetch_all(wanted, tell)

    def _objects(self) -> dict[str, StoredObject]:
        """Return what the store has, by path, if all of it can be a pack."""
        objects: dict[str, StoredObject] = {}
        names = Names()
        for path, stored in self.store.objects():
            if path == "" and not self._is_output:
                raise PackError(f"{self.url}: one object; texup reads folders of stores, so fetch it yourself")
            if any(is_litter(part) for part in path.split("/")) or not self._is_of_pack(path):
                continue
            problem = problem_of(path, stored)
            if problem is None and (first := names.clash(path)):
                problem = f"one name with {first}"
            if problem is not None:
                raise UsageError(f"{self.url}/{path}: {problem}; rename or move it")
            objects[path] = stored
            if len(objects) > bounds.STORE_OBJECTS:
                raise UsageError(f"{self.url}: more than {bounds.STORE_OBJECTS:,} objects; give a folder of them")
        if not objects and not self._is_output:
            raise PackError(f"{self.url}: no such folder in the store, or nothing in it")
        return objects

    def _is_of_pack(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        return path != "" and (not is_own(name) or (self._has_manifest and path == MANIFEST_NAME))

    def _is_ours(self, manifest: StoredObject | None) -> bool:
        """Tell whether only this machine has written to the store since it last did, by the manifest there."""
        known, own = self.index.get(MANIFEST_NAME), self.root / MANIFEST_NAME
        if manifest is None:
            return known is None
        if not own.is_file():
            return False
        if known is not None and (known.mark, known.size) == (manifest.mark, manifest.size):
            return True
        copy, incoming = self.temporary(), self.temporary()
        self.store.fetch(MANIFEST_NAME, manifest, incoming, copy)
        try:
            with copy.open("rb") as lines, own.open("rb") as ours:
                return all(any(line == one for one in ours) for line in lines)  # in this order, others between them
        finally:
            copy.unlink()

    def _stands(self, path: str, stored: StoredObject, *, may_keep: bool) -> bool:
        """Tell whether a file need not be fetched: it is what the store has, or newer work."""
        known, stamp = self.index.get(path), _stamp_of(self.root / path)
        if known is None or stamp is None or (known.mark, known.size) != (stored.mark, stored.size):
            return False
        return may_keep or stamp == known.stamp

    def _remove_others(self, objects: dict[str, StoredObject], *, may_keep: bool) -> None:
        """Remove files that the store has not, but for work that is still to be sent."""
        for path in self._files():
            if path not in objects and (not may_keep or self.is_sent(path)):
                try:
                    (self.root / path).unlink()
                except OSError as error:
                    raise output_error(self.root / path, error) from error
        for path in self.index.paths():
            if path not in objects and not (path == MANIFEST_NAME and may_keep):
                self.index.drop(path)

    def _files(self) -> Iterator[str]:
        for folder, _, names in os.walk(self.root):
            for name in names:
                if not is_own(name):
                    yield Path(folder, name).relative_to(self.root).as_posix()

    def _fetch_all(self, wanted: dict[str, StoredObject], tell: Tell) -> None:
        size = sum(stored.size for stored in wanted.values())
        self._check_space(size)
        count = f"{len(wanted)} file{'s' * (len(wanted) > 1)}"
        tell(f"fetching {count}, {size / 1e6:,.1f} MB, from {self.url}")
        told = time.monotonic()
        pool = ThreadPoolExecutor(LANES)
        try:
            tasks = [pool.submit(self._fetch, path, stored) for path, stored in wanted.items()]
            for done, task in enumerate(as_completed(tasks), 1):
                task.result()
                if time.monotonic() - told > TOLD_EVERY:
                    told = time.monotonic()
                    tell(f"fetched {done} of {count}")
        except Exception:
            pool.shutdown(cancel_futures=True)  # before another run may hold this folder
            raise
        finally:  # a signal waits for none
            pool.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, path: str, stored: StoredObject) -> None:
        target = self.root / path
        self.store.fetch(path, stored, self.temporary(), target)
        self.index.add(path, stored, _stamp_of(target) or NO_STAMP)

    def _check_space(self, size: int) -> None:
        free = shutil.disk_usage(self._incoming).free
        if size + SPARE > free:
            raise UsageError(
                f"{self.url}: {size / 1e9:,.1f} GB to fetch, and {free / 1e9:,.1f} GB are free in {cache_folder()};"
                " set TEXUP_CACHE to a folder of a larger disk"
            )


@contextmanager
def mirrored(url: StoreUrl, role: Role, *, tell: Tell, keep_existing: bool = False) -> Iterator[Mirror]:
    """Give the mirror of a URL as the store is now; of a part it has only what is asked of it then.

    That of an output is held by one run at a time, that of a part likewise, but others wait for it; that of a source
    only while it is fetched.

    Raises:
        UsageError: no such place, or one that is refused, or a package is missing.
        LockedError: another run of this machine writes to this output.
        LostStore, OutputError: the store stopped answering.
    """
    store = Store(url, OutputError if role == "output" else PackError)
    endpoint = [os.environ.get(name, "") for name in ENDPOINTS]
    key = hashlib.sha256("\n".join([str(url), role, *endpoint]).encode()).hexdigest()[:16]
    base = cache_folder() / "cloud" / key
    with _held(base, url, waits=role != "output") as release:
        mirror = Mirror(store, base, role)
        try:
            if role != "part":
                mirror.fetch(tell, keep_existing=keep_existing)
            if role == "source":
                mirror.index.close()
                release()
            yield mirror
        finally:
            mirror.index.close()


@contextmanager
def _held(base: Path, url: StoreUrl, *, waits: bool) -> Iterator[Callable[[], None]]:
    """Hold the lock of a mirror until the end, or until what is given is called."""
    while True:
        lock = output_lock(base)
        try:
            lock.__enter__()
            break
        except LockedError as error:
            if not waits:
                raise LockedError(f"{url}: another texup run on this machine is writing here; wait for it") from error
            time.sleep(WAIT)
    held = [lock]

    def release() -> None:
        while held:
            held.pop().__exit__(None, None, None)

    try:
        yield release
    finally:
        release()


def _stamp_of(path: Path) -> Stamp | None:
    with suppress(OSError):
        status = path.lstat()
        return status.st_size, status.st_mtime_ns
    return None
