"""The shards of a pack, as their outputs tell; what does not belong together is refused before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from texup.errors import UsageError
from texup.manifest.history import NAME, SCHEMA, History, records
from texup.manifest.journal import RunHeader
from texup.manifest.record import Outcome
from texup.manifest.shard import Shard, shard_from
from texup.manifest.verification import verify

SHARED = ("version", "convention", "models", "settings")
"""What the headers of all shards of a pack say alike."""
SHOWN = 3  # files in a refusal
AGAIN = "run its command again"


@dataclass(frozen=True, slots=True)
class Part:
    """The finished output of one shard."""

    out: Path
    shard: Shard
    header: dict[str, Any]
    history: History
    newest: dict[str, int]
    """The number of the line that counts, by path."""

    def records(self) -> Iterator[Outcome]:
        """Yield the newest record of each path, in the order of the manifest."""
        for number, record in enumerate(records(self.out)):
            if record is not None and self.newest.get(record.path) == number:
                yield record


def parts_of(outs: Sequence[Path]) -> list[Part]:
    """Return the shards of a pack in their order, all of them.

    Raises:
        UsageError: one is missing or there twice, is not whole, or is of another pack or run than the first.
    """
    parts = sorted((_part_of(out) for out in outs), key=lambda part: part.shard.number)
    for part in parts[1:]:
        if difference := _difference(parts[0], part):
            raise UsageError(f"{part.out}: {difference} {parts[0].out}; {AGAIN} as that of the others")
    for one, other in pairwise(parts):
        if one.shard.number == other.shard.number:
            raise UsageError(f"{one.out} and {other.out} are both shard {one.shard}; leave one out")
    of = parts[0].shard.of
    missing = sorted(set(range(1, of + 1)) - {part.shard.number for part in parts})
    if missing:
        shown = ", ".join(f"{number}/{of}" for number in missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
        raise UsageError(f"{len(missing)} of {of} shards missing: {shown}; give the outputs of all")
    for part in parts:
        _check_whole(part)
    return parts


def check_files(part: Part) -> None:
    """Read every file of a shard again.

    Raises:
        UsageError: one is not what the manifest says.
    """
    problems = [found for found in verify(part.out, part.history) if found.path != NAME]  # its lines were counted
    wrong = [found for found in problems if found.problem in ("missing", "changed")]
    if wrong:
        names = ", ".join(f"{found.path} ({found.problem})" for found in wrong[:SHOWN])
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise UsageError(f"{part.out}: not as texup wrote it: {names}{more}; delete what is changed and {AGAIN}")


def is_resource_pack(part: Part) -> bool:
    """Tell whether a shard is of a pack that is loaded as one archive."""
    wishes = part.header["settings"].get("wishes")
    return isinstance(wishes, dict) and bool(wishes.get("resource_pack"))


def header_of(parts: Sequence[Part]) -> RunHeader:
    """Return the header that a run over the whole pack would have written."""
    said = parts[0].header
    return RunHeader(SCHEMA, said["version"], said["models"], said["settings"], said["convention"])


def _part_of(out: Path) -> Part:
    history, newest = History(), dict[str, int]()
    for number, record in enumerate(records(out, history.mark)):
        if record is None:
            history.damaged += 1
        else:
            history.add(record)
            newest[record.path] = number
    shard, header = shard_from(history.header.get("shard")), history.header
    kinds = {"version": str, "convention": str, "models": list, "settings": dict}
    if shard is None or any(not isinstance(header.get(name), kind) for name, kind in kinds.items()):
        raise UsageError(f"{out}: no shard of a pack; `texup upscale --shard K/N` makes them")
    return Part(out, shard, header, history, {path: newest[path] for path in history.latest})


def _difference(first: Part, part: Part) -> str:
    """Return in what a shard differs from the first, up to the word before that one's name; "" for nothing."""
    if part.shard.of != first.shard.of:
        return f"shard {part.shard}, and no shard of {first.shard.of} as"
    for name in SHARED:
        if part.header[name] != first.header[name]:
            if name != "settings":
                what = ", ".join(f"{one}" for one in _words(part.header[name]))
                return f"made with {name} {what}, which is not that of"
            settings = part.header["settings"].keys() | first.header["settings"].keys()
            different = [
                key for key in sorted(settings) if part.header["settings"].get(key) != first.header["settings"].get(key)
            ]
            return f"made with {', '.join(different)} other than"
    return "" if part.shard.plan == first.shard.plan else "another pack, or another state of it or its rules, than"


def _words(value: Any) -> list[str]:
    return (
        [f"{one.get('name')}" if isinstance(one, dict) else f"{one}" for one in value]
        if isinstance(value, list)
        else [f"{value}"]
    )


def _check_whole(part: Part) -> None:
    if part.history.began is not None:
        raise UsageError(f"{part.out}: its run did not come to its end; {AGAIN}")
    held = len(part.history.latest)
    if held != part.shard.files:
        raise UsageError(f"{part.out}: has records of {held} files in place of {part.shard.files}; {AGAIN}")
