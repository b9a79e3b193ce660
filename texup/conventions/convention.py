"""What a convention is: how the loader of one emulator or game names, places and reads replacement textures.

Each convention is a module of functions that ends in a table entry, a :class:`Convention`. A convention looks at names
and small text files only; pixels pass through its ``to_work`` and ``from_work``, one texture at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from texup.packs.pack import Finding, Pack
from texup.policy.choices import DdsChoice, NormalsChoice, PaletteChoice
from texup.policy.classify import Treatment
from texup.textures.texture import Texture

if TYPE_CHECKING:
    from texup.policy.rules import Rule

OwnOption = Literal["textures_lump", "resource_pack"]
"""A wish that only one loader can fulfil, by its name in :class:`Wishes`."""
Action = Literal["upscale", "copy", "rewrite", "joined", "skip", "refuse"]


@dataclass(frozen=True, slots=True)
class Name:
    """What a convention reads out of a path."""

    path: str
    """As found, byte for byte."""
    fields: Mapping[str, str]
    """The parts of the bare name as found; absent ones are left out. ``format`` spells them canonically."""
    native: tuple[int, int] | None = None
    """Width and height in the game, where the name says so."""
    level: int = 0
    """Mip level, 0 is the largest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user wants of the output besides pixels."""

    scale: int = 4
    dds: DdsChoice | Literal[""] = ""
    """Write DDS where the loader takes it; "" keeps the source's format."""
    normals: NormalsChoice = "resize"
    copy_other: bool = False
    """Copy files that are no textures where the convention would leave them out."""
    textures_lump: bool = False
    """GZDoom: keep folders and offsets by a TEXTURES lump instead of hires/."""
    resource_pack: str = ""
    """Dolphin: id of the resource pack to write; "" for none."""
    palette: PaletteChoice = "expand"


@dataclass(frozen=True, slots=True)
class Planned:
    """What will be done with one file of the pack."""

    path: str
    """Relative POSIX path of the source, the identity."""
    action: Action
    """"upscale" decodes and treats as the treatment says; "copy" takes the bytes; "rewrite" gets its bytes from
    ``sidecars``; "joined" is used by another file's plan; "skip" leaves it out; "refuse" counts as failed."""
    reason: str = ""
    """Why, one clause for people; needed for all but "upscale" and "copy"."""
    target: str = ""
    """Relative POSIX path of the result; "" where nothing is written under this file's name."""
    treatment: Treatment = field(default_factory=Treatment)
    others: tuple[str, ...] = ()
    """Further sources: the file whose red is the alpha (``joins`` "alpha"), or the smaller levels ("levels")."""
    joins: Literal["", "alpha", "levels"] = ""
    level_target: str = ""
    """Where levels become files: their path, in which the last ``{}`` stands for the level's number."""
    rules: tuple[Rule, ...] = ()
    """The user's rules that may decide, in order; the plan of a whole pack fills them in."""
    selected: bool = True
    """Whether the user's patterns choose it."""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A file that is written beside the textures."""

    target: str
    data: bytes
    source: str = ""
    """The file of the pack that it replaces, planned as "rewrite"; "" when texup makes it anew."""


def other_file(path: str, wishes: Wishes) -> Planned:
    """Return the plan for a file that is no texture."""
    if wishes.copy_other:
        return Planned(path, "copy", target=path)
    return Planned(path, "skip", "not a texture")


def no_sidecars(_pack: Pack, _planned: Sequence[Planned], _wishes: Wishes) -> Iterator[Sidecar]:
    """Yield nothing."""
    return iter(())


def same_work(texture: Texture, _planned: Planned) -> Texture:
    """Return a texture as it is."""
    return texture


def same_result(result: Texture, _source: Texture, _planned: Planned) -> Texture:
    """Return a result as it is."""
    return result


def same_path(target: str) -> str:
    """Return a path as it is: the loader finds a texture by its whole path."""
    return target


@dataclass(frozen=True, slots=True)
class Convention:
    """One ecosystem; the interface that ``texup`` sees."""

    id: str
    title: str
    """For people: the programs that load it."""
    detect: Callable[[Pack], float]
    """Returns how much of the pack is of this convention, 0 to 1; folders may add up to 0.2."""
    parse: Callable[[str], Name | None]
    """Reads a relative path."""
    format: Callable[[Name], str]
    """Returns the bare name in the loader's canonical spelling; equals the source's for canonical names."""
    plan: Callable[[Pack, Wishes], Iterator[Planned | Finding]]
    """Yields exactly one plan for each entry that is neither refused nor unselected, and findings in between."""
    check: Callable[[Pack], Iterator[Finding]]
    """Applies the loader's own rules to a finished pack."""
    to_work: Callable[[Texture, Planned], Texture] = same_work
    """Returns the texture as texup's pixel code expects it: straight alpha over the full range, colour apart."""
    from_work: Callable[[Texture, Texture, Planned], Texture] = same_result
    """Returns (upscaled work, source) coded as the loader reads it; ``treatment.store`` is applied after it."""
    sidecars: Callable[[Pack, Sequence[Planned], Wishes], Iterator[Sidecar]] = no_sidecars
    """Yields one file for every "rewrite" of the plan, and files made anew."""
    lookup: Callable[[str], str] = same_path
    """Returns what the loader finds a target by; of two equal ones it would ignore one."""
    home: int = 0
    """Leading folders of targets that are the loader's own place, as 3 for Load/Textures/GAMEID."""
    palettes: bool = True
    """Whether the loader reads palette files."""
    options: tuple[OwnOption, ...] = ()
    """Those wishes that this loader alone knows."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """In words for people, what ``texup inspect`` shows: "dump" (where sources lie), "writes", "alpha", "mips"."""
