"""Which convention a pack follows: by the majority of its names, confirmed by its folders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from texup.conventions.convention import Convention
from texup.conventions.plain import PLAIN
from texup.conventions.table import CONVENTIONS
from texup.packs.pack import Pack

ENOUGH = 0.5
"""Below this share of a pack no convention is taken."""
CLEAR = 0.1
"""How far the best has to lead before the next one."""
MENTIONED = 0.1
"""From this share on a second convention in the pack is named."""
FOLDERS = 0.2 + 1e-6
"""What folders may add to the share of the names."""
SHOWN_FOLDERS = 3


class Detected(NamedTuple):
    """What a pack was taken for."""

    convention: Convention
    why: str
    """One line for people."""


def detect(pack: Pack, conventions: Sequence[Convention] = CONVENTIONS) -> Detected:
    """Return the convention of a pack; ``plain`` where none fits or two fit nearly as well."""
    textures = [entry.path for entry in pack.entries if entry.kind == "texture"]
    scores = sorted(((convention.detect(pack), convention) for convention in conventions), key=lambda pair: -pair[0])
    (best, first), (next_best, second) = [*scores, (0.0, PLAIN), (0.0, PLAIN)][:2]
    known = [path for path in textures if first.parse(path) is not None]
    share = f"{len(known)} of {len(textures)} names"
    if best < ENOUGH:
        nearest = f"; the nearest is {first.id}, {share}" if best > 0 else ""
        return Detected(PLAIN, f"plain: no loader's names{nearest}")
    if next_best > best - CLEAR:
        both = f"{first.id} ({best:.2f}) and {second.id} ({next_best:.2f})"
        return Detected(PLAIN, f"plain: {both} fit nearly as well; choose one with --format")
    if best > len(known) / max(1, len(textures)) + FOLDERS:  # names of any kind that a text file of the pack maps
        known, share = textures, "the files beside its textures name them"
    rest = (
        sum(second.parse(path) is not None for path in set(textures).difference(known)) if next_best >= MENTIONED else 0
    )
    mixed = f"; {rest} more are of {second.id}" if rest else ""
    return Detected(first, f"{first.id}: {share}, in {_where(pack, known)}{mixed}")


def _where(pack: Pack, paths: Sequence[str]) -> str:
    """Return the end of the path of the folder that holds all these files."""
    folders = [path.split("/")[:-1] for path in paths]
    shared: list[str] = []
    for names in zip(*folders, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return "/".join([*pack.place, *shared][-SHOWN_FOLDERS:]) or "."
