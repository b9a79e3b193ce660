"""Which files of a pack belong to which shard: found by each machine alone, and by all of them in the same way.

What must be together is a family: a texture with the files that are joined to it, and every other family of the same
content, so that twins are computed once. A family goes to the shard that its content names, by a hash, unless that
one has its share of the predicted work already. So the shards are about equal, and a pack that changes a little moves
few files from one to another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from texup.conventions.convention import Planned
from texup.manifest.shard import Shard
from texup.packs.marks import Mark, mark_of
from texup.upscaling.planning import Plan

if TYPE_CHECKING:
    from texup.upscaling.run import Run

EACH = 1024  # texels that the opening and closing of a file are worth
TEXEL = 64  # bytes of a copied file that cost as much as one
SLACK = 0.02  # of its even share that a shard may have more


class Family(NamedTuple):
    """Files of a pack that one shard must have together."""

    mark: bytes
    """Of what they hold, or are called where nobody reads them."""
    work: int
    """What they are expected to cost, in texels that nets see."""
    paths: tuple[str, ...]


def cut(plan: Plan, run: Run) -> Plan:
    """Return the part of a plan that is the shard of a run; the first has what is written beside the textures too."""
    assert run.shard is not None
    (number, of), marks = run.shard, marks_of(plan, run.source)
    places = placed(families_of(plan, marks, run.settings.margin), of)
    places |= {file.path: 0 for file in plan.files if file.action == "rewrite"}  # which the sidecars are of
    files = [file for file in plan.files if places[file.path] == number - 1]
    sidecars = plan.sidecars if number == 1 else ()
    made = sum(not sidecar.source for sidecar in sidecars)
    shard = Shard(number, of, len(files) + made, _plan_digest(plan, run, marks))
    return replace(plan, files=files, sidecars=sidecars, shard=shard)


def marks_of(plan: Plan, source: Path) -> dict[str, Mark]:
    """Return the marks of the files whose pixels a plan asks for; those that cannot be read are left out."""
    marks = {}
    for file in plan.files:
        for path in (file.path, *file.others) if file.action == "upscale" else ():
            try:
                marks[path] = mark_of(source, path)
            except OSError:
                continue  # the run says so
    return marks


def families_of(plan: Plan, marks: dict[str, Mark], margin: int) -> list[Family]:
    """Return the families of a plan: each file is in one.

    Args:
        plan: of the whole pack.
        marks: of the files that are read.
        margin: texels of context that nets see around a texture.
    """
    sizes = {entry.path: entry.size for entry in plan.pack.entries}
    files = {file.path: file for file in plan.files}
    found: dict[bytes, Family] = {}
    for paths in _related(plan.files):
        held = sorted(marks[path].digest if path in marks else _digest(path) for path in paths)
        mark = hashlib.sha256(b"".join(held)).digest()
        work = sum(_work(files[path], marks.get(path), sizes[path], margin) for path in paths if path in files)
        twin = found.get(mark, Family(mark, 0, ()))
        found[mark] = Family(mark, twin.work + (EACH * len(paths) if twin.paths else work), (*twin.paths, *paths))
    return list(found.values())


def placed(families: Sequence[Family], count: int) -> dict[str, int]:
    """Return the shard, from 0, of every path of some families; their order and that of their paths say nothing."""
    most = sum(family.work for family in families) * (1 + SLACK) / count
    loads, places = [0] * count, {}
    for family in sorted(families, key=lambda family: (-family.work, family.mark)):
        first = int.from_bytes(family.mark[:8], "big") % count
        tried = ((first + step) % count for step in range(count))
        shard = next((k for k in tried if loads[k] + family.work <= most), None)
        if shard is None:
            shard = min(range(count), key=loads.__getitem__)
        loads[shard] += family.work
        places.update(dict.fromkeys(family.paths, shard))
    return places


def _digest(path: str) -> bytes:
    return hashlib.sha256(json.dumps(path).encode("ascii")).digest()


def _related(files: Sequence[Planned]) -> Iterator[tuple[str, ...]]:
    """Yield the paths of files that are joined to each other, a file alone by itself."""
    above: dict[str, str] = {}

    def top(path: str) -> str:
        while path in above:
            path = above[path]
        return path

    for file in files:
        for other in file.others:
            one, another = top(file.path), top(other)
            if one != another:
                above[another] = one
    related: dict[str, list[str]] = {}
    for file in files:
        related.setdefault(top(file.path), []).append(file.path)
    yield from map(tuple, related.values())


def _work(file: Planned, mark: Mark | None, size: int, margin: int) -> int:
    """Return what a file is expected to cost, by its head alone."""
    if file.action == "copy":
        return EACH + size // TEXEL
    if file.action != "upscale" or mark is None or not mark.width:
        return 1 if file.action == "skip" else EACH
    return EACH + (mark.width + 2 * margin) * (mark.height + 2 * margin)


def _plan_digest(plan: Plan, run: Run, marks: dict[str, Mark]) -> str:
    """Return the digits that two machines agree on if they see one pack and plan the same for it."""
    digest_of, digest = run.digests(plan.convention.id), hashlib.sha256()
    for file in plan.files:
        held = marks[file.path].digest.hex() if file.path in marks else ""
        line = [file.path, file.action, file.target, file.level_target, file.others, digest_of(file), held]
        digest.update(json.dumps(line).encode("ascii") + b"\n")
    for sidecar in plan.sidecars:
        line = [sidecar.source, sidecar.target, hashlib.sha256(sidecar.data).hexdigest()]
        digest.update(json.dumps(line).encode("ascii") + b"\n")
    return digest.hexdigest()
