"""The nets of a run, chosen by name, file or blend; known by hash and scale before any weights are loaded."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from texup.errors import UsageError, WeightsError
from texup.models.catalog import BLEND, CatalogModel, load_catalog, resolve
from texup.models.reading import hash_weights

if TYPE_CHECKING:
    from texup.models.model import UpscaleModel

CHANNELS = (1, 3, 4)  # grey, of which a net sees each channel of a colour alone; RGB; RGBA
TRIED = 24  # least side of the picture that a net is tried on
DEFAULT_CONTEXT = 32  # texels, for nets that nobody measured
TOLD = frozenset({"SRVGGNetCompact", "KernelPrediction", "RRDBNet", "SRResNet"})
"""Architectures that see what is behind a border by their convolutions only, and wherever they are the same."""
FOLDS = "RRDBNet"  # some of them; those see whole blocks of texels only


@dataclass(frozen=True, slots=True)
class Link:
    """One net of the chain."""

    name: str
    sha256: str
    """Of the weights; for a blend, of its parents' hashes and its alpha."""
    scale: int | None
    """None where only the weights can tell."""
    channels: int | None
    """Of its input; None where only the weights can tell."""
    context: int
    """Texels around a tile that the net needs."""
    border: int
    """Those that it needs at a clamped border, if it is told of it; at most ``context``."""
    told: bool | None
    """Whether it can be told how a plane goes on behind its borders; None where only the weights can tell."""
    load: Callable[[], UpscaleModel] = field(compare=False)


def choose_chain(names: Sequence[str], blend: float | Literal["auto"] | None, scale: int | None = None) -> list[Link]:
    """Return the nets for ``--model`` (catalog names or files) or ``--blend``; for neither, the catalog's default.

    Args:
        names: what ``--model`` named.
        blend: share of the GAN model of the catalog's pair; "auto" for the one that the catalog recommends.
        scale: that the result shall have; the catalog may have a default of its own for it.

    Raises:
        UsageError: an unknown name, a blend outside 0..1, "auto" without a recommendation, or both given.
        WeightsError: the catalog is damaged, or a file cannot be weights.
    """
    if blend is not None:
        if names:
            raise UsageError("--blend mixes the catalog's own pair; leave out --model, or use `texup interpolate`")
        return [_blended(_recommended() if blend == "auto" else blend)]
    if names:
        return [_chosen(resolve(name)) for name in names]
    default = load_catalog().default_for(scale)
    return [_blended(_recommended()) if default == BLEND else _chosen(resolve(default))]


def faithful_chain(scale: int | None) -> list[Link]:
    """Return the nets of the default for textures on which nothing may be invented; none where it invents nothing.

    Raises:
        WeightsError: the catalog is damaged, or a file cannot be weights.
    """
    catalog = load_catalog()
    return [_chosen(resolve(catalog.pair[0]))] if catalog.default_for(scale) == BLEND else []


def fallback_chain(scale: int) -> list[Link]:
    """Return the catalog's fidelity net for a scale, which undoes a texture's damage and invents nothing.

    Raises:
        WeightsError: the catalog is damaged, or a file cannot be weights.
    """
    catalog = load_catalog()
    return [_chosen(resolve(catalog.by_scale.get(scale, catalog.pair[0])))]


def pixel_art_chain() -> list[Link]:
    """Return the nets for pixel art; none where the catalog has none.

    Raises:
        WeightsError: the catalog is damaged, or a file cannot be weights.
    """
    name = load_catalog().pixel_art
    return [] if name is None else [_chosen(resolve(name))]


def _recommended() -> float:
    share = load_catalog().blend
    if share is None:
        raise UsageError("--blend auto: the catalog recommends no blend; give a number from 0 (PSNR) to 1 (GAN)")
    return share


def _hash(model: CatalogModel) -> str:
    """Return the hash of a model's file, which a pinned one must equal: known before anything is written."""
    sha256 = hash_weights(model.path)
    if model.sha256 not in (None, sha256):
        raise WeightsError(f"{model.path}: SHA-256 {sha256} is not the expected {model.sha256}; install texup again")
    return sha256


def _chosen(model: CatalogModel) -> Link:
    sha256 = _hash(model)
    context, border = contexts_of(model)
    return Link(
        model.name,
        sha256,
        scale=model.scale,
        channels=model.channels,
        context=context,
        border=border,
        told=_is_told(model),
        load=_OfFile(model, sha256),
    )


@dataclass(frozen=True, slots=True)
class _OfFile:
    """Loads the net of a file; another process, to which it is sent, has its own place for the catalog."""

    model: CatalogModel
    sha256: str

    def __call__(self) -> UpscaleModel:
        return _load(self.model, self.sha256)

    def __reduce__(self) -> tuple[Callable[..., _OfFile], tuple[CatalogModel, str]]:
        return _of_file_here, (replace(self.model, path=self.model.path.absolute()), self.sha256)


def _of_file_here(model: CatalogModel, sha256: str) -> _OfFile:
    shipped = load_catalog().models.get(model.name)
    return _OfFile(model if shipped is None or shipped.sha256 != sha256 else shipped, sha256)


def _load(model: CatalogModel, sha256: str | None) -> UpscaleModel:
    """Return a net that texup can upscale with.

    Raises:
        WeightsError: the file is refused, or its net has other channels.
    """
    from texup.models.loading import load_model

    loaded = load_model(model.path, name=model.name, expected_sha256=sha256)
    if loaded.in_channels != loaded.out_channels or loaded.in_channels not in CHANNELS:
        channels = f"{loaded.in_channels} channels in and {loaded.out_channels} out"
        raise WeightsError(f"{model.path}: a net of {channels}; texup upscales with nets for grey, RGB or RGBA")
    return replace(loaded, fine_in_bfloat16=model.bfloat16)


def try_file(path: Path) -> UpscaleModel:
    """Return the net of a file of weights after a small picture has gone through it.

    Raises:
        WeightsError: the file is refused, its net has other channels, or what it makes is of another size or no number.
    """
    import torch

    model = _load(CatalogModel(path.stem, path), None)
    least = max(model.needs.minimum, TRIED)
    side = math.ceil(least / model.multiple_of) * model.multiple_of
    picture = torch.rand(1, model.in_channels, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        made = model.net(picture)
    expected = (1, model.out_channels, side * model.scale, side * model.scale)
    if tuple(made.shape) != expected or not made.isfinite().all():
        raise WeightsError(f"{path}: what its net makes of a small picture is no picture of size {expected}")
    return model


def _blended(alpha: float) -> Link:
    if not 0 <= alpha <= 1:
        raise UsageError(f"--blend {alpha} is not possible; use a number from 0 (PSNR) to 1 (GAN)")
    catalog = load_catalog()
    psnr, gan = (resolve(name) for name in catalog.pair)
    sha256, name = _hash_of_blend(psnr, gan, alpha), f"{psnr.name}+{gan.name}@{alpha!r}"
    context, border = contexts_of(psnr, gan)
    load = partial(_load_blend, name, sha256, alpha)
    return Link(
        name,
        sha256,
        scale=psnr.scale,
        channels=psnr.channels,
        context=context,
        border=border,
        told=_is_told(psnr),
        load=load,
    )


def _hash_of_blend(psnr: CatalogModel, gan: CatalogModel, alpha: float) -> str:
    return hashlib.sha256(f"{_hash(psnr)} {_hash(gan)} {alpha!r}".encode()).hexdigest()


def _load_blend(name: str, sha256: str, alpha: float) -> UpscaleModel:
    """Return the blend of the catalog's pair.

    Raises:
        WeightsError: a file is refused, or the pair of this machine's catalog is another.
    """
    from texup.models.interpolate import interpolate
    from texup.models.loading import build_model
    from texup.models.weights import read_weights

    psnr, gan = (resolve(each) for each in load_catalog().pair)
    if _hash_of_blend(psnr, gan, alpha) != sha256:
        raise WeightsError(f"{name}: the models of this catalog are others; install the same texup everywhere")
    ours, theirs = (read_weights(m.path, expected_sha256=m.sha256).state for m in (psnr, gan))
    is_fine = alpha <= load_catalog().bfloat16
    return replace(build_model(interpolate(ours, theirs, alpha), name, sha256), fine_in_bfloat16=is_fine)


def _is_told(model: CatalogModel) -> bool | None:
    """Tell whether a net can be told of edges; None where its kind is not known, or may fold texels into channels."""
    return None if model.architecture in ("", FOLDS) else model.architecture in TOLD


def sees_borders(model: UpscaleModel) -> bool:
    """Tell whether a net can be told how a plane goes on behind its borders; one that folds texels sees blocks only."""
    return model.architecture in TOLD and model.multiple_of == 1


def contexts_of(*models: CatalogModel) -> tuple[int, int]:
    """Return the context of nets and their border; half of the context where that was not measured."""
    contexts = [DEFAULT_CONTEXT if model.context is None else model.context for model in models]
    borders = [
        -(-context // 2) if model.border is None else min(model.border, context)
        for model, context in zip(models, contexts, strict=True)
    ]
    return max(contexts), max(borders)
