"""The job: every picture through every method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from texup.errors import TextureError, UnsupportedTexture, UsageError
from texup.evaluation.methods import BASELINES, Enlarge, bicubic, lanczos, through_net
from texup.evaluation.pictures import PROTOCOLS, Protocol, Sample, find_pairs, least_side, samples
from texup.evaluation.scores import REFERENCE, Row, Scores, score
from texup.models.chain import choose_chain

Bytes = NDArray[np.uint8]

DEFAULT_SCALE = 4  # when no model says


@dataclass(frozen=True, slots=True)
class Case:
    """One picture under one degradation, enlarged by every method."""

    image: str
    degradation: str
    number: int
    """Which of ``total`` pictures."""
    total: int
    rows: tuple[Row, ...]
    """The scores of bicubic, lanczos, each model, and HR."""
    pictures: dict[str, Bytes]
    """By method, and under "LR" the low-resolution picture; (h, w, C), C 1 or 3."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A picture that cannot be evaluated."""

    image: str
    reason: str
    number: int
    total: int
    is_damaged: bool
    """Whether the file is at fault, and not only its size."""


def evaluate(
    models: Sequence[str],
    folders: Sequence[Path],
    protocol: Protocol = "bicubic",
    *,
    device: torch.device,
    crop: int | None = None,
) -> Iterator[Case | Skipped]:
    """Enlarge the reduced pictures of ``folders`` by every model and yield scores, picture by picture.

    Protocols: "bicubic" reduces each picture by MATLAB's bicubic kernel; "game" by the mean of blocks, and then each of
    :data:`texup.degradations.GAME`; "files" takes the low-resolution pictures as they lie beside the others. All
    low-resolution pictures are of 8 bits. Bicubic and Lanczos enlargement are always among the methods, and the
    high-resolution picture itself, for the numbers that need no reference.

    Args:
        models: names of the catalog or files of weights, all of one scale; none for the baselines alone.
        folders: see :func:`texup.evaluation.pictures.find_pairs`.
        protocol: one of :data:`PROTOCOLS`.
        device: where nets run.
        crop: evaluate only this many pixels a side, in the middle of each picture.

    Raises:
        UsageError: an unknown model or protocol, models of several scales, or folders without what is needed.
        WeightsError: weights were refused, or give results that are not finite.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"no protocol {protocol}; use one of {', '.join(PROTOCOLS)}")
    scale, methods = _methods(models, device)
    if crop is not None and crop < least_side(scale):
        raise UsageError(f"--crop {crop} leaves too little; use at least {least_side(scale)}")
    pairs = find_pairs(folders, protocol, scale)
    for number, pair in enumerate(pairs, 1):
        try:
            for sample in samples(pair, protocol, scale, crop):
                yield _case(pair.name, sample, methods, scale, number, len(pairs))
        except TextureError as error:
            is_damaged = not isinstance(error, UnsupportedTexture)
            yield Skipped(pair.name, error.reason, number, len(pairs), is_damaged)


def _methods(models: Sequence[str], device: torch.device) -> tuple[int, dict[str, Enlarge]]:
    """Return the scale, and the methods by what they are called."""
    links = [choose_chain([model], None)[0] for model in models]
    twice = [model for model, count in Counter(models).items() if count > 1]
    if twice:
        raise UsageError(f"{twice[0]}: named twice; name each model once")
    loaded = [link.load() for link in links]
    scales = {model.scale for model in loaded}
    if len(scales) > 1:
        each = ", ".join(f"{link.name} x{model.scale}" for link, model in zip(links, loaded, strict=True))
        raise UsageError(f"models of one scale can be compared; these are {each}")
    scale = scales.pop() if scales else DEFAULT_SCALE
    if scale == 1:
        raise UsageError("models of scale 1 enlarge nothing that could be compared")
    counts = Counter([*BASELINES, REFERENCE, "LR", *(link.name for link in links)])
    names = [link.name if counts[link.name] == 1 else given for link, given in zip(links, models, strict=True)]
    nets = {
        name: through_net(model, (link.context, link.border), device)
        for name, model, link in zip(names, loaded, links, strict=True)
    }
    return scale, {"bicubic": bicubic(scale), "lanczos": lanczos(scale), **nets}


def _case(image: str, sample: Sample, methods: dict[str, Enlarge], scale: int, number: int, total: int) -> Case:
    results = {name: enlarge(sample.lr, sample.edges) for name, enlarge in methods.items()}
    scores = {name: score(sr, sample, scale) for name, sr in results.items()}
    own = score(sample.hr, sample, scale)
    scores[REFERENCE] = Scores(lr_psnr=own.lr_psnr, grid=own.grid, grid_signed=own.grid_signed, seam=own.seam)
    rows = tuple(Row(image, sample.degradation, method, each) for method, each in scores.items())
    pictures = {"LR": sample.lr, **results, REFERENCE: sample.hr}
    return Case(image=image, degradation=sample.degradation, number=number, total=total, rows=rows, pictures=pictures)
