"""What lies in an output and must stay: files of the user's own, and results that were changed by hand.

Every file that texup wrote has a record with its hash. One whose hash is another was changed since; one that no record
ever named is not texup's, unless a run that did not come to its end wrote it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from itertools import count, islice
from pathlib import Path

from texup import bounds
from texup.conventions.convention import Planned
from texup.engines.engine import Job
from texup.errors import UnsupportedTexture, UsageError
from texup.files import sha256_of
from texup.manifest.history import History
from texup.manifest.record import Outcome, Written
from texup.manifest.shard import shard_from
from texup.packs.walk import walk
from texup.upscaling.planning import own_suffix

CHANGED = "changed since texup wrote it; delete it, or use --force to redo it"
FOREIGN = "not written by texup; move it away if texup shall write there"
SHOWN = 5  # names in a refusal


def check_empty(out: Path) -> None:
    """Refuse to write among files that texup did not put there.

    Raises:
        UsageError: there are some; it names them.
    """
    strangers = [entry.path for entry in walk(out)] if out.is_dir() else []
    if strangers:
        more = f" and {len(strangers) - SHOWN} more" if len(strangers) > SHOWN else ""
        raise UsageError(
            f"{out}: holds files but no manifest of texup ({', '.join(strangers[:SHOWN])}{more});"
            " give another --output, or --keep-existing to write beside them and replace none"
        )


def check_part(out: Path, history: History, asked: tuple[int, int] | None) -> None:
    """Refuse an output that holds another part of its pack than is asked for: one would take the other for gone.

    Raises:
        UsageError: it does.
    """
    shard = shard_from(history.header.get("shard"))
    if history.header and asked != (None if shard is None else (shard.number, shard.of)):
        held, hint = ("a whole pack", "") if shard is None else (f"shard {shard} of a pack", "its --shard, or ")
        raise UsageError(f"{out}: holds {held}; give {hint}another --output")


def kept(path: str, out: Path, targets: Iterable[str], history: History, *, redo: bool) -> Outcome | None:
    """Return the outcome of a source whose results would replace what must stay, None where nothing is in the way.

    Args:
        path: the source.
        out: the output.
        targets: the files that may be written for it.
        history: what earlier runs wrote.
        redo: whether the user wants to lose what was changed by hand.

    Raises:
        TextureError: no file can lie at a target.
    """
    for target in targets:
        reason = _hindrance(out, target, history, redo=redo)
        if reason is not None:
            return Outcome(path=path, outcome="kept", reason=reason if target == path else f"{target}: {reason}")
    return None


def targets_of(job: Job, planned: Planned) -> Iterator[str]:
    """Yield the files that a job may replace: its own, the copy that its pixels may ask for, those of its levels."""
    if planned.target:
        yield from dict.fromkeys((job.target, own_suffix(planned)))
    if job.level_target:
        levels = islice((job.target_of(level) for level in count(1)), bounds.MANIFEST_TARGETS)
        yield from (target for target in levels if os.path.lexists(job.out / target))


def _hindrance(out: Path, target: str, history: History, *, redo: bool) -> str | None:
    """Return why what lies at a target must stay; None where nothing does, or what texup wrote."""
    try:
        status = (out / target).lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnsupportedTexture(f"cannot be written to {target}: {error.strerror}") from error
    if stat.S_ISDIR(status.st_mode):
        raise UnsupportedTexture(f"a folder lies where it should go, {target}; move that away")
    is_file, written = stat.S_ISREG(status.st_mode), history.last_written(target)
    if is_file and not history.is_recorded(written) and history.may_lack_record(status):
        return None
    if written is None:
        return FOREIGN
    is_own = redo or (is_file and _is_as_written(out / target, status.st_size, written))
    return None if is_own else CHANGED


def _is_as_written(path: Path, size: int, written: Written) -> bool:
    try:
        return size == written.size and sha256_of(path) == written.sha256
    except OSError:
        return False  # what cannot be read may be anything
