"""The models that come with texup: ``catalog.toml`` and the files beside it. No torch here: lists stay instant.

::

    default = "texup-x4-gan"  # or "blend": the pair, mixed by its share
    pair = { psnr = "texup-x4-psnr", gan = "texup-x4-gan", blend = 0.6 }  # the recommended share may be left out
    # "bfloat16 = 0.6" in the pair: its blends up to that share were measured to be fine in bfloat16
    by_scale = { 2 = "texup-x2" }  # other defaults for results of a scale; may be left out
    pixel_art = "texup-x4-pixel"  # the model for pixel art, whatever else is chosen; may be left out
    [[model]]  # the keys of FIELDS, for each model; channels may be left out for RGB, border too, bfloat16 for false
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import texup
from texup import bounds
from texup.errors import UsageError, WeightsError, near
from texup.models.own import find_own, load_index, own_models, path_in_folder
from texup.models.reading import SUFFIXES, hash_weights
from texup.texts import parse_toml, read_text

NAME = "catalog.toml"
LICENCES = ("license", "licence", "modelspec.license")  # keys in the header of a safetensors file
RGB = 3
BLEND = "blend"  # as the catalog's default: the pair, mixed as its own ``blend`` says; no model may have this name


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """A model by name: one of the catalog, or a file, of which only name and path may be known."""

    name: str
    path: Path
    sha256: str | None = None
    scale: int | None = None
    channels: int | None = None
    """Of its input and its result: 1 for grey, 3 for RGB, 4 for RGBA."""
    context: int | None = None
    """Low-resolution pixels around a tile that change the result inside it."""
    border: int | None = None
    """Those behind a clamped border that change it, where the net is told of the border."""
    architecture: str = ""
    licence: str = ""
    source: str = ""
    description: str = ""
    bfloat16: bool = False
    """Whether 99.9 % of its results in bfloat16 were measured to be within a level of those in float32."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The models that come with texup."""

    default: str
    """Name of the model that is used when none is named, or ``BLEND``."""
    pair: tuple[str, str]
    """Names of the PSNR and of the GAN model that may be interpolated."""
    blend: float | None
    """Share of the GAN model that is recommended for the pair, from 0 to 1; None where nobody judged it."""
    models: dict[str, CatalogModel]
    by_scale: dict[int, str] = field(default_factory=dict)
    """Names of the models that are the default for results of a scale."""
    pixel_art: str | None = None
    """Name of the model for pixel art; None where that goes through the others."""
    bfloat16: float = -1.0
    """Blends of the pair up to this share of the GAN model are fine in bfloat16, as ``CatalogModel.bfloat16`` says."""

    def default_for(self, scale: int | None) -> str:
        """Return the name of the model, or ``BLEND``, that is used for a ``scale`` when none is named."""
        return self.default if scale is None else self.by_scale.get(scale, self.default)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None


def _is_within(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1  # false for nan


# Every key of a [[model]] and what its value must be. A file is a bare name: it cannot point outside the folder.
FIELDS: dict[str, Callable[[Any], bool]] = {
    "name": lambda value: _matches(r"\w[\w.+-]*")(value) and not value.endswith(SUFFIXES) and value != BLEND,
    "file": _matches(r"\w[\w.+-]*"),
    "sha256": _matches(r"[0-9a-f]{64}"),
    "scale": _is_within(1, 16),
    "channels": _is_within(1, 4),
    "context": _is_within(0, 1024),
    "border": lambda value: value is None or _is_within(0, 1024)(value),
    "architecture": _is_text,
    "licence": _is_text,
    "source": _is_text,
    "description": _is_text,
    "bfloat16": lambda value: type(value) is bool,
}


def weights_folder() -> Path:
    """Return the folder of the models: inside the package once installed, ``weights/`` beside it in a checkout."""
    package = Path(texup.__file__).parent
    packaged = package / "_weights"
    return packaged if packaged.is_dir() else package.parent / "weights"


def load_catalog(folder: Path | None = None) -> Catalog:
    """Read and check the catalog of ``folder`` (default: ``weights_folder()``); the files of weights are not opened.

    Raises:
        WeightsError: missing, no TOML, or an entry that is unknown, missing or not allowed.
    """
    path = (folder or weights_folder()) / NAME
    try:
        values = parse_toml(read_text(path, bounds.TOML_BYTES, "catalog"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot read the catalog of models ({error}); install texup again") from error
    try:
        return _catalog(values, path.parent)
    except WeightsError as refusal:
        raise WeightsError(f"{path}: {refusal}") from refusal


def state_of_file(model: CatalogModel) -> Literal["ok", "missing", "MISMATCH"]:
    """Return whether the file of a model of the catalog is there, and is the one that the catalog names."""
    from texup.files import sha256_of  # here, so that names need no hashing

    if not model.path.is_file():
        return "missing"
    return "ok" if sha256_of(model.path) == model.sha256 else "MISMATCH"


def resolve(name_or_path: str, folder: Path | None = None) -> CatalogModel:
    """Return the model of that name in the catalog, or else the file (or pipe, or device) of that name.

    What has a folder in it or ends like a file of weights is always a path. What is neither is looked up in the folder
    of the user's own models. A file in that folder comes with what is remembered of it, however it was named.

    Raises:
        UsageError: neither a name of the catalog nor a file, or a name of several.
        WeightsError: the catalog, or what is remembered of the user's models, is damaged; or a file of theirs changed.
    """
    path = Path(name_or_path)
    is_path = path.name != name_or_path or name_or_path.endswith(SUFFIXES)
    # Path's own questions would raise for a name that is too long or not to be looked at.
    if is_path and os.path.exists(path) and not os.path.isdir(path):
        return _model_of(path)
    models = load_catalog(folder).models
    if name_or_path in models:
        return models[name_or_path]
    if os.path.isfile(path):
        return _model_of(path)
    if own := find_own(name_or_path):
        return _model_of(own)
    raise UsageError(_unknown(name_or_path, models))


def _model_of(path: Path) -> CatalogModel:
    """Return the model of a file: if it lies in the user's folder, with what is remembered of it.

    Raises:
        WeightsError: the file is no longer the one that was added, or the index is damaged.
    """
    name = path_in_folder(path)
    known = load_index().get(name) if name else None
    if known is None:
        return CatalogModel(path.stem, path)
    if hash_weights(path) != known.sha256:
        raise WeightsError(f"{path}: changed after it was added; if that was you: texup models add {path}")
    return CatalogModel(path.stem, path, **asdict(known))


def _unknown(name: str, models: Collection[str]) -> str:
    """Return what to say of a name that is of no model."""
    own = [path.rpartition(".")[0] for path in own_models()]
    if found := near(name, [*models, *own]):
        return f"no model {name}; did you mean {found!r}?"
    return f"no model {name}: name one of {', '.join([*models, *own])}, or the path of a file of weights"


def licence_in(metadata: Mapping[str, str]) -> str | None:
    """Return the licence that the header of a file of weights tells, None where it tells none."""
    return next((value for key, value in metadata.items() if key.lower() in LICENCES), None)


def _catalog(values: dict[str, Any], folder: Path) -> Catalog:
    optional: dict[str, Any] = {"by_scale": {}, "pixel_art": None}
    _check_keys("the catalog", optional | values, {"default", "pair", "model", *optional})
    entries, pair = values["model"], values["pair"]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise WeightsError("model is no list of tables; write [[model]]")
    models = [_model(entry, folder) for entry in entries]
    by_name = {model.name: model for model in models}
    if len(by_name) != len(models):
        raise WeightsError("two models have the same name")
    if not isinstance(pair, dict):
        raise WeightsError("pair is no table; write [pair]")
    _check_keys("pair", {BLEND: None, "bfloat16": None} | pair, {"psnr", "gan", BLEND, "bfloat16"})
    blend, default = pair.get(BLEND), values["default"]
    if BLEND in pair and not _is_share(blend):
        raise WeightsError(f"pair: {BLEND} = {blend!r} is not allowed; it is a share from 0 (PSNR) to 1 (GAN)")
    fine = pair.get("bfloat16", -1.0)
    if "bfloat16" in pair and not _is_share(fine):
        raise WeightsError(f"pair: bfloat16 = {fine!r} is not allowed; it is a share from 0 (PSNR) to 1 (GAN)")
    if default == BLEND and blend is None:
        raise WeightsError(f"the default is the {BLEND} of the pair, but the pair has none")
    pixel_art = values.get("pixel_art")
    others = [name for name in (default, pixel_art) if name not in (BLEND, None)]
    for name in (*others, pair["psnr"], pair["gan"]):
        if not isinstance(name, str) or name not in by_name:
            raise WeightsError(f"it names {name}, but has no such model")
    by_scale = _by_scale(values.get("by_scale", {}), by_name)
    share = None if blend is None else float(blend)
    return Catalog(
        default,
        (pair["psnr"], pair["gan"]),
        blend=share,
        models=by_name,
        by_scale=by_scale,
        pixel_art=pixel_art,
        bfloat16=float(fine),
    )


def _by_scale(table: Any, models: dict[str, CatalogModel]) -> dict[int, str]:
    if not isinstance(table, dict):
        raise WeightsError("by_scale is no table; write [by_scale]")
    for scale, name in table.items():
        if not (isinstance(name, str) and name in models and scale == str(models[name].scale)):
            raise WeightsError(f"by_scale: {scale} = {name!r} is not allowed; it is the name of a model of that scale")
    return {int(scale): name for scale, name in table.items()}


def _model(entry: dict[str, Any], folder: Path) -> CatalogModel:
    title = f"model {entry.get('name', '?')}"
    entry = {"channels": RGB, "border": None, "bfloat16": False} | entry
    _check_keys(title, entry, set(FIELDS))
    for key, is_allowed in FIELDS.items():
        if not is_allowed(entry[key]):
            raise WeightsError(f"{title}: {key} = {entry[key]!r} is not allowed")
    facts = {key: value for key, value in entry.items() if key != "file"}
    return CatalogModel(path=folder / entry["file"], **facts)


def _check_keys(title: str, table: dict[str, Any], known: set[str]) -> None:
    for what, keys in {"lacks": known - table.keys(), "has the unknown": table.keys() - known}.items():
        if keys:
            raise WeightsError(f"{title} {what} {', '.join(sorted(keys))}")
