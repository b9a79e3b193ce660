"""What is done with textures of Rice names: halves joined, duplicates left out, everything written as RGBA PNG."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from texup.conventions.convention import Name, Planned, Wishes
from texup.conventions.n64.rice_names import FMT_I, NO_CRC, format_name, key_of, kind_of, merged_name
from texup.conventions.shared.intensity import from_plane, to_plane
from texup.conventions.shared.png_loaders import below, folder_of
from texup.packs.heads import head_of
from texup.packs.pack import Finding, Pack
from texup.policy.classify import Treatment
from texup.textures.codecs.files import PictureHeader
from texup.textures.texture import Texture

WHOLE = ("all", "ciByRGBA", "allciByRGBA")
"""What holds colour and alpha in one file."""
READ = {(kind, "png") for kind in (*WHOLE, "rgb", "a")} | {("rgb", "bmp"), ("a", "bmp")}
INTENSITY, NO_ALPHA, RED_ALPHA = "intensity", "opaque", "alpha from red"
"""Words of ``Treatment.storage``."""
PALETTE_BMP = "a palette BMP, which only Rice Video reads; use --format rice to keep it"


@dataclass(frozen=True, slots=True)
class Loader:
    """In what the programs that read Rice names differ."""

    title: str
    home: Callable[[str], str]
    """Returns the folder of the target of a path."""
    game: Callable[[str], str]
    """Returns the folder in which a path's texture has one file."""
    ci_bmp: bool = False
    """Whether palette BMPs are read."""
    max_side: int | None = None
    dds: bool = False
    """Whether DDS is read, and so written when it is wished."""


@dataclass(frozen=True, slots=True)
class _Texture:
    """The files of one texture in the order of the walk, by what they hold."""

    whole: Sequence[Name]
    colour: Sequence[Name]
    alpha: Sequence[Name]


def plan_names(pack: Pack, wishes: Wishes, names: Sequence[Name], loader: Loader) -> Iterator[Planned | Finding]:
    """Yield a plan for each of ``names``, the pack's textures of Rice names, and findings."""
    groups: dict[tuple[str, str], list[Name]] = {}
    for name in names:
        plan = _unread(name, loader)
        if plan is None:
            groups.setdefault((loader.game(name.path), key_of(name)), []).append(name)
        else:
            yield plan
            if name.fields["crc"] == NO_CRC:
                yield Finding("warning", name.path, plan.reason)
    doubles: list[tuple[str, str]] = []
    for group in groups.values():
        yield from _plan_texture(pack, wishes, _sorted_out(group), loader, doubles)
    if doubles:
        (kept, dropped), more = doubles[0], len(doubles) - 1
        also = f", and {more} more such files" if more else ""
        yield Finding("warning", dropped, f"is the same texture as {kept}, which is used{also}; remove one of the two")


def _unread(name: Name, loader: Loader) -> Planned | None:
    """Return the plan of a file that is no source of a texture, None for the others."""
    kind, ext = kind_of(name), name.fields["ext"].lower()
    if name.fields["crc"] == NO_CRC:
        return Planned(name.path, "skip", "its checksum is zero, which the loader refuses; dump the texture again")
    if kind == "ci" and ext == "bmp":
        if loader.ci_bmp:
            return Planned(name.path, "copy", target=below(loader.home(name.path), format_name(name)))
        return Planned(name.path, "skip", PALETTE_BMP)
    if (kind, ext) not in READ:
        return Planned(name.path, "skip", f"no loader reads _{kind}.{ext}")
    return None


def _sorted_out(group: Sequence[Name]) -> _Texture:
    png_first = sorted(group, key=lambda name: name.fields["ext"].lower() != "png")
    kinds: dict[str, list[Name]] = {}
    for name in png_first:
        kind = kind_of(name)
        kinds.setdefault(kind if kind in ("rgb", "a") else "whole", []).append(name)
    return _Texture(kinds.get("whole", []), kinds.get("rgb", []), kinds.get("a", []))


def _plan_texture(
    pack: Pack, wishes: Wishes, texture: _Texture, loader: Loader, doubles: list[tuple[str, str]]
) -> Iterator[Planned | Finding]:
    if not texture.whole and not texture.colour:
        for name in texture.alpha:
            yield Planned(name.path, "skip", "an alpha file without its _rgb file")
            yield Finding("warning", name.path, "is left out, its _rgb file is missing; put it beside")
        return
    used = (texture.whole or texture.colour)[0]
    partner = None
    if not texture.whole:
        partner = min(texture.alpha, key=lambda name: folder_of(name.path) != folder_of(used.path), default=None)
    for name in (*texture.whole, *texture.colour, *texture.alpha):
        if name not in (used, partner):
            doubles.append((used.path, name.path))
            yield Planned(name.path, "skip", f"the same texture as {used.path}")
    yield from _plan_used(pack, wishes, used, partner, loader)


def _plan_used(
    pack: Pack, wishes: Wishes, used: Name, partner: Name | None, loader: Loader
) -> Iterator[Planned | Finding]:
    head = head_of(pack, used.path)
    other = head_of(pack, partner.path) if partner else None
    if partner and head and other and (head.width, head.height) != (other.width, other.height):
        sizes = f"{used.path} is {head.width} x {head.height} and {partner.path} is {other.width} x {other.height}"
        reason = f"{sizes}; make both one size"
        yield Planned(used.path, "refuse", reason)
        yield Planned(partner.path, "refuse", reason)
        return
    bare = merged_name(used) if kind_of(used) == "rgb" else format_name(used)
    treatment = _treatment(used, partner, head)
    if loader.dds and wishes.dds:
        bare = f"{bare.removesuffix('.png')}.dds"
        treatment = replace(treatment, store="bc7" if wishes.dds == "auto" else wishes.dds, mips="inside")
    yield Planned(
        path=used.path,
        action="upscale",
        reason=_note(used, partner),
        target=below(loader.home(used.path), bare),
        treatment=treatment,
        others=(partner.path,) if partner else (),
        joins="alpha" if partner else "",
    )
    if partner:
        yield Planned(partner.path, "joined", f"the alpha of {used.path}")
    if head and loader.max_side and max(head.width, head.height) * wishes.scale > loader.max_side:
        grown = f"{head.width * wishes.scale} x {head.height * wishes.scale}"
        text = (
            f"becomes {grown}; {loader.title} shrinks what has more than {loader.max_side} a side, use a lower --scale"
        )
        yield Finding("warning", used.path, text)


def _treatment(used: Name, partner: Name | None, head: PictureHeader | None) -> Treatment:
    is_alone = kind_of(used) == "rgb" and partner is None
    is_intensity = used.fields["fmt"] == FMT_I
    storage = {(True, True): RED_ALPHA, (True, False): NO_ALPHA, (False, True): INTENSITY}
    return Treatment(
        # A gradient of one row or column holds no shape that a net could know.
        method="nearest" if head and min(head.width, head.height) == 1 else None,
        storage=storage.get((is_alone, is_intensity), ""),
        store="rgba",
    )


def _note(used: Name, partner: Name | None) -> str:
    if partner:
        return "written as one file with its alpha"
    if kind_of(used) == "rgb":
        return "written as _all"
    return "" if format_name(used) == used.path.rpartition("/")[2] else "written in the spelling that the loader finds"


def to_work(texture: Texture, planned: Planned) -> Texture:
    """Return a texture without what the loader does not read: alpha beside ``_rgb``, copies of an intensity."""
    pixels = texture.pixels
    if planned.treatment.storage == INTENSITY:
        return to_plane(texture)
    if planned.treatment.storage in (NO_ALPHA, RED_ALPHA) and pixels.shape[2] in (2, 4):
        return replace(texture, pixels=pixels[..., :-1].copy())
    return texture


def from_work(result: Texture, source: Texture, planned: Planned) -> Texture:
    """Return a result with the alpha that the loader gives the source.

    An intensity is its own alpha. Rice Video takes it from red where ``_rgb`` stands alone; GLideN64 takes the mean,
    which is the same in grey files.
    """
    if planned.treatment.storage == INTENSITY:
        return from_plane(result, source)
    if planned.treatment.storage == RED_ALPHA:
        return replace(result, pixels=np.concatenate([result.pixels, result.pixels[..., :1]], axis=2))
    return result
