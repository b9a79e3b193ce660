"""Whether an output still is what texup wrote, also one in an object store, which is read once and not kept."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from texup import bounds
from texup.calls.cloud import Place
from texup.errors import PackError, UsageError
from texup.files import is_temp
from texup.manifest.history import History, history_of
from texup.manifest.record import Written
from texup.manifest.verification import Difference, differences, verify
from texup.packs.remote.mirror import LANES, TOLD_EVERY, Tell
from texup.packs.remote.store import Store, StoredObject, problem_of
from texup.packs.remote.url import StoreUrl
from texup.packs.temporary import temporary_folder
from texup.packs.walk import MANIFEST_NAME, Entry, is_litter, is_own

AHEAD = 4 * LANES  # entries that are looked at before the one whose hash is asked for


@contextmanager
def verifying(out: Place, tell: Tell) -> Iterator[tuple[int, Iterator[Difference]]]:
    """Give how many files the manifest of an output names, and each difference from it, as they are found.

    Raises:
        UsageError: there is no manifest that this texup can read, or a store that is refused.
        LostStore: the store stopped answering, also while differences are taken.
    """
    if isinstance(out, Path):
        history = history_of(out)
        yield len(history.targets()), verify(out, history)
        return
    with ExitStack() as stack:
        stored = _Stored(out, stack.enter_context(temporary_folder("verify")))
        stack.callback(stored.close)
        targets = stored.history.targets()
        count, size = len(targets), sum(target.size for target in targets.values())
        tell(f"reading {count} file{'s' * (count != 1)}, {size / 1e6:,.1f} MB, of {out}")
        yield count, differences(stored.history, stored.entries(targets, tell), stored.hash_of, stored.left)


class _Stored:
    """The objects of an output, read once, a few at a time."""

    def __init__(self, url: StoreUrl, folder: Path) -> None:
        """List them and read the manifest among them; ``folder`` holds what is on its way."""
        self._store, self._folder = Store(url, PackError), folder
        self._objects: dict[str, StoredObject] = {}
        for path, stored in self._store.objects():
            self._objects[path] = stored
            if len(self._objects) > bounds.STORE_OBJECTS:
                raise UsageError(f"{url}: more than {bounds.STORE_OBJECTS:,} objects; verify a copy of them")
        self.history = self._history()
        self.left = [path for path in sorted(self._objects) if is_temp(_name_of(path))]
        """Temporary files, which no store has by texup."""
        self._pool = ThreadPoolExecutor(LANES)
        self._hashes: dict[str, Future[str]] = {}

    def close(self) -> None:
        """End all threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def entries(self, targets: dict[str, Written], tell: Tell) -> Iterator[Entry]:
        """Yield what is there as a walk would, while the next ones are fetched."""
        waiting: deque[Entry] = deque()
        told, done = time.monotonic(), 0
        for path, stored in sorted(self._objects.items()):
            if is_own(_name_of(path)) or any(is_litter(part) for part in path.split("/")):
                continue
            problem = problem_of(path, stored)
            target = targets.get(path)
            if problem is None and target is not None and target.size == stored.size:
                self._hashes[path] = self._pool.submit(self._store.sha256_of, path, stored, self._temporary())
            waiting.append(Entry(path, stored.size, "other" if problem is None else "refused", problem))
            if len(waiting) > AHEAD:
                yield waiting.popleft()
                done += 1
            if time.monotonic() - told > TOLD_EVERY:
                told = time.monotonic()
                tell(f"read {done} of {len(targets)} files")
        yield from waiting

    def hash_of(self, path: str) -> str:
        """Return the SHA-256 of an object that was on its way."""
        return self._hashes.pop(path).result()

    def _history(self) -> History:
        """Return what the manifest says.

        Raises:
            UsageError: there is none that this texup can read.
        """
        url, stored = self._store.url, self._objects.get(MANIFEST_NAME)
        if stored is None:
            raise UsageError(f"{url}: no manifest of texup there; give the folder that texup upscale wrote to")
        if problem := problem_of(MANIFEST_NAME, stored):
            raise UsageError(f"{url}/{MANIFEST_NAME}: {problem}")
        self._store.fetch(MANIFEST_NAME, stored, self._temporary(), self._folder / MANIFEST_NAME)
        try:
            return history_of(self._folder)
        except UsageError as error:  # nobody knows the folder by its name
            raise UsageError(str(error).replace(str(self._folder), str(url))) from error

    def _temporary(self) -> Path:
        return self._folder / secrets.token_hex(8)


def _name_of(path: str) -> str:
    return path.rpartition("/")[2]
