"""Plain: a folder of textures of which nothing is known; every file keeps its place and name.

Suffixes such as ``_rough`` are believed only where the colour texture that they belong to is in the pack too, and
those of normal maps only where the pixels agree: ``stone_n`` may be the north side of ``stone``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from texup.conventions.convention import Convention, Name, Planned, Wishes, other_file
from texup.packs.pack import Finding, Pack
from texup.policy.roles import GENERAL, bare_stem, has_base, split_role, stem_of, treatment_of
from texup.textures.storing import Store


def parse(path: str) -> Name:
    """Read a path, which says nothing."""
    return Name(path, {"name": path.rpartition("/")[2]})


def format_name(name: Name) -> str:
    """Return the bare name."""
    return name.fields["name"]


def plan(pack: Pack, wishes: Wishes) -> Iterator[Planned | Finding]:
    """Upscale every texture in its place; other files are left out unless wished."""
    known = frozenset(stem_of(entry.path) for entry in pack.entries if entry.kind == "texture")
    for entry in pack.entries:
        if entry.kind == "texture":
            yield _planned(entry.path, known, wishes)
        else:
            yield other_file(entry.path, wishes)


def _planned(path: str, known: frozenset[str], wishes: Wishes) -> Planned:
    _, suffix = split_role(bare_stem(path), GENERAL)
    treatment = treatment_of(GENERAL[suffix] if suffix and has_base(stem_of(path), suffix, known) else None)
    is_dds = path.lower().endswith(".dds")
    if not is_dds and not wishes.dds:
        return Planned(path, "upscale", target=path, treatment=treatment)
    target = path if is_dds else bare_stem(path) + ".dds"
    store: Store = wishes.dds if wishes.dds != "auto" else "" if is_dds else "bc7"
    treatment = replace(treatment, store=store, mips="inside" if store else "kept")
    return Planned(path, "upscale", target=target, treatment=treatment)


def check(_pack: Pack) -> Iterator[Finding]:
    """Yield nothing: there are no rules."""
    return iter(())


PLAIN = Convention(
    id="plain",
    title="any folder of textures",
    detect=lambda _pack: 0.0,
    parse=parse,
    format=format_name,
    plan=plan,
    check=check,
    facts={
        "dump": "any",
        "writes": "the same paths",
        "alpha": "as found",
        "mips": "inside DDS that had them",
    },
)
