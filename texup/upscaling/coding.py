"""The files of a texture from its upscaled pixels, coded for its loader."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from texup.conventions.convention import Convention
from texup.engines.engine import Files
from texup.errors import UnsupportedTexture
from texup.policy.classify import DATA
from texup.textures.codecs.files import encode, encode_levels, read_header
from texup.textures.keys import put_back
from texup.textures.mips import smaller_levels
from texup.textures.storing import convert_storage
from texup.textures.texture import Texture
from texup.upscaling.deciding import Decision


def result_files(decision: Decision, results: Sequence[Texture], convention: Convention, *, indexed: bool) -> Files:
    """Return the files of a texture from its upscaled works: as its loader wants it, with the smaller levels.

    Raises:
        UnsupportedTexture: the format cannot hold it.
    """
    planned, treatment, policy = decision.planned, decision.planned.treatment, decision.policy
    settings = decision.route.settings
    levels, sources = list(results), list(decision.sources.textures)
    if _gets_levels(decision):
        levels += smaller_levels(
            levels[0],
            alpha=policy.alpha,
            is_data=policy.kind in DATA,
            normal=policy.normal,
            shows_hidden=policy.shows_hidden,
        )
        sources += [sources[0]] * (len(levels) - 1)
    if policy.key is not None:
        levels = [put_back(level, policy.key) for level in levels]
    pairs = zip(levels, sources, strict=True)
    levels = [convert_storage(convention.from_work(level, source, planned), treatment.store) for level, source in pairs]
    if levels[0].container.format == "dds" and treatment.mips != "files":
        files = [encode_levels(levels, settings.dds_quality)]
    else:
        files = [
            encode(
                level,
                indexed=indexed and level.container.palette is not None,
                small=settings.png == "small",
                quality=settings.dds_quality,
            )
            for level in levels
        ]
    _check_sizes(files, levels, decision)
    return tuple(files)


def _check_sizes(files: Sequence[bytes], levels: Sequence[Texture], decision: Decision) -> None:
    """Refuse files whose own headers do not say the size that is due: the source's times the scale."""
    due = [level.pixels.shape[:2] for level in levels]
    due[: len(decision.works)] = [
        (height * decision.route.settings.scale, width * decision.route.settings.scale)
        for height, width in (source.pixels.shape[:2] for source in decision.works)
    ]
    for file, size in zip(files, due, strict=False):
        head = read_header(file, f"its result.{levels[0].container.format}")
        if (head.height, head.width) != size:
            raise UnsupportedTexture(f"came out as {head.width} x {head.height} pixels for {size[1]} x {size[0]}")


def _gets_levels(decision: Decision) -> bool:
    """Tell whether smaller levels are made for a texture."""
    treatment, container = decision.planned.treatment, decision.sources.textures[0].container
    is_dds = treatment.store.startswith("b") or (not treatment.store and container.format == "dds")
    by_mips = {"files": True, "inside": is_dds, "kept": is_dds and container.mips}
    return by_mips.get(treatment.mips, False)


def twin_key(decision: Decision, convention: Convention) -> bytes:
    """Return a digest that is equal for textures whose result files are equal."""
    settings = decision.route.settings
    ways = (convention.id, decision.planned.treatment, decision.policy, decision.route, decision.gate)
    digest = hashlib.sha256(repr(ways).encode())
    for source in decision.sources.textures:
        container = source.container if settings.palette == "keep" else replace(source.container, palette=None)
        digest.update(f"{source.pixels.shape} {source.pixels.dtype} {container}".encode())
        digest.update(source.pixels.tobytes())
    return digest.digest()


def facts_of(decision: Decision) -> dict[str, Any]:
    """Return what was decided about a texture, as plain values for the manifest."""
    policy = decision.policy
    facts = _parts(policy)
    facts |= {name: _parts(value) for name, value in facts.items() if is_dataclass(value)}
    if decision.rule is not None:
        facts["rule"] = decision.rule.number
    return facts


def _parts(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass; not asdict, which takes ten times as long to copy what cannot change."""
    return {part.name: getattr(value, part.name) for part in fields(value)}
