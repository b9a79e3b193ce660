"""What Python code may ask for, and how it becomes the same :class:`Options` that the command line makes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

import numpy as np

from texup.calls.options import BATCH, JOBS, OVERLAP, TILE, Options, Precision, read_engine, read_shard
from texup.errors import UsageError, nearest
from texup.policy.choices import (
    AlphaChoice,
    DdsChoice,
    DdsQualityChoice,
    GateChoice,
    MethodChoice,
    NormalsChoice,
    PaletteChoice,
    PngChoice,
)
from texup.policy.rule_values import SETTINGS, shown

if TYPE_CHECKING:
    from texup.api.model import Model

PathLike = str | os.PathLike[str]


class PixelOptions(TypedDict, total=False):
    """What decides the pixels of a result; the names and the meaning are those of ``texup upscale --help``."""

    scale: int | None
    """1 to 16; None for the model's own, 4 for the shipped ones."""
    model: PathLike | Model | Sequence[PathLike | Model] | None
    """A name of the catalog or of your folder of models, a file of weights, or what ``load_model`` returned; several
    make a chain."""
    blend: float | Literal["auto"] | None
    """Share of GAN in the catalog's own pair, 0 to 1."""
    method: MethodChoice
    alpha: AlphaChoice
    edges: str
    """"auto", "wrap", "mirror" or "clamp", or two of them as "X,Y"."""
    key: str
    """"auto", "none" or "RRGGBB"."""
    grain: float | Literal["auto"]
    """0 to 2."""
    color_fix: bool
    normals: NormalsChoice
    gate: GateChoice
    device: str
    precision: Precision
    tile: int | None
    overlap: int | None
    batch: int | None


class PackOptions(PixelOptions, total=False):
    """What may be asked of a whole pack besides."""

    format: str
    """"auto" or the id of a format."""
    rules: PathLike | None
    """A file of rules; None for the texup.toml in the pack, where there is one."""
    palette: PaletteChoice
    dds: DdsChoice | None
    dds_quality: DdsQualityChoice
    png: PngChoice
    textures_lump: bool
    resource_pack: str | None
    include: str | Sequence[str]
    exclude: str | Sequence[str]
    shard: str | None
    """Part K of N as "K/N", which ``texup merge`` joins."""
    jobs: int | None
    copy_other: bool
    force: bool
    keep_existing: bool


class UpscaleOptions(PackOptions, total=False):
    """What may be asked of ``upscale`` besides."""

    fail_fast: bool
    engine: str
    """"local", "ray", or "ray://HOST:PORT" of a cluster's head."""
    mixed: bool


def options_of(asked: Mapping[str, Any], known: type) -> Options:
    """Return what was asked for as the command line has it.

    Raises:
        TypeError: a name that ``known``, one of the tables above, does not have.
        UsageError: a value that is not possible.
    """
    names = known.__annotations__
    values: dict[str, Any] = {}
    for name, value in asked.items():
        if name not in names:
            raise TypeError(f"no option {name!r}; {nearest(name, list(names))}")
        if value is None:
            continue  # as if it were left out
        try:
            values[_FIELDS.get(name, name)] = _READERS[name](_plain(value), name)
        except ValueError as error:
            raise UsageError(str(error)) from error
    return Options(**values)


def path_of(value: object, name: str) -> Path:
    """Return a path that was given as text or as a path.

    Raises:
        UsageError: it is neither.
    """
    try:
        return _path(value, name)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _plain(value: Any) -> Any:
    """Return a value as Python's own: a number may come out of an array, and a list be a tuple."""
    if isinstance(value, np.generic):
        return value.item()
    return list(value) if isinstance(value, tuple) else value


def _named(value: Any, name: str) -> str:
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str) or not text:
        raise ValueError(f"{name} must be a path or a name, not {shown(value)}")
    return text


def _path(value: Any, name: str) -> Path:
    return Path(_named(value, name))


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be text, not {shown(value)}")
    return value


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, not {shown(value)}")
    return value


def _within(least: int, most: int) -> Callable[[Any, str], int]:
    def read(value: Any, name: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"{name} must be a whole number from {least} to {most}, not {shown(value)}")
        return value

    return read


def _one_of(choice: Any) -> Callable[[Any, str], str]:
    known = get_args(choice)

    def read(value: Any, name: str) -> str:
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, not {shown(value)}")
        return value

    return read


def _models(value: Any, name: str) -> tuple[str, ...]:
    given = value if isinstance(value, list) else [value]
    return tuple(_named(getattr(one, "asked", one), name) for one in given)


def _globs(value: Any, name: str) -> tuple[str, ...]:
    return () if value == [] else tuple(SETTINGS["match"](value, name))


def _shard(value: Any, name: str) -> tuple[int, int]:
    try:
        return read_shard(_text(value, name))
    except ValueError as error:
        raise ValueError(f"{name} is {shown(value)}: {error}") from error


_FIELDS = {"model": "models", "format": "convention"}
_READERS: dict[str, Callable[[Any, str], Any]] = {
    **{name: SETTINGS[name] for name in ("scale", "blend", "edges", "key", "grain")},
    "model": _models,
    "method": _one_of(MethodChoice),
    "alpha": _one_of(AlphaChoice),
    "normals": _one_of(NormalsChoice),
    "gate": _one_of(GateChoice),
    "palette": _one_of(PaletteChoice),
    "dds": _one_of(DdsChoice),
    "dds_quality": _one_of(DdsQualityChoice),
    "png": _one_of(PngChoice),
    "precision": _one_of(Precision),
    "device": _text,
    "engine": read_engine,
    "mixed": _flag,
    "format": _text,
    "resource_pack": _text,
    "rules": _path,
    "include": _globs,
    "exclude": _globs,
    "tile": _within(*TILE),
    "overlap": _within(*OVERLAP),
    "batch": _within(*BATCH),
    "jobs": _within(*JOBS),
    "shard": _shard,
    **dict.fromkeys(("color_fix", "textures_lump", "copy_other", "force", "keep_existing", "fail_fast"), _flag),
}
