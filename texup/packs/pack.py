"""A pack as those see it who decide about it, and what they find in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from texup import bounds
from texup.errors import UnreadableTexture
from texup.packs.walk import Entry


@dataclass(frozen=True, slots=True)
class Pack:
    """What a convention may look at."""

    entries: Sequence[Entry]
    """The files in the order of the walk."""
    place: tuple[str, ...]
    """Names of the folders from the root of the file system down to the pack, the pack's own last."""
    read: Callable[[str, int | None], bytes]
    """Returns the first bytes of an entry's file, or all of them (None); raises TextureError when it cannot."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a pack that its user should know. An "error" in a plan refuses the whole run."""

    severity: Literal["error", "warning", "hint"]
    path: str
    """The file, or "" for the whole pack."""
    text: str
    """One clause that says what is wrong and what to do."""


def read_bounded(pack: Pack, path: str, most: int) -> bytes:
    """Return the bytes of a file that describes textures.

    Raises:
        TextureError: it cannot be read, or is larger than ``most``.
    """
    data = pack.read(path, most + 1)
    if len(data) > most:
        raise UnreadableTexture(f"larger than the {bounds.spelt(most, 'bytes')} that texup reads of such a file", path)
    return data


def too_much(entries: Iterable[Entry]) -> str:
    """Return why files of one kind are not read, which are kept in memory together; "" where they are few enough."""
    size = sum(entry.size for entry in entries)
    if size <= bounds.TEXTS_TOTAL:
        return ""
    most = bounds.spelt(bounds.TEXTS_TOTAL, "bytes")
    return f"its pack has {size / 2**20:,.0f} MiB of such files, more than the {most} that texup reads"
