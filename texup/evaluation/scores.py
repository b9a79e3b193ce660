"""What a result is worth, and means over many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from texup import metrics
from texup.evaluation.pictures import Sample

Bytes = NDArray[np.uint8]

REFERENCE = "HR"  # the method whose result is the high-resolution picture itself
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Scores:
    """Numbers of one result; nan where a picture has none."""

    psnr_y: float = NAN
    """dB, ``scale`` pixels dropped on each side."""
    ssim_y: float = NAN
    lr_psnr: float = NAN
    """dB, against the low-resolution picture before its degradation, reduced by the kernel of the protocol."""
    gmsd: float = NAN
    hf_ratio: float = NAN
    lsd: float = NAN
    """Log-spectral distance, dB."""
    grid: float = NAN
    grid_signed: float = NAN
    hatching: float = NAN
    """Levels of strokes that neither the low-resolution picture nor the original has."""
    seam: float = NAN
    """The larger seam ratio of the axes that tile; nan when none does."""


METRICS = tuple(field.name for field in fields(Scores))


@dataclass(frozen=True, slots=True)
class Row:
    """The scores of one method on one picture."""

    image: str
    degradation: str
    method: str
    scores: Scores


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean scores of one method over all pictures of one degradation.

    A number counts only pictures for which every method has it, so that means compare: PSNR is infinite where a flat
    picture is met exactly, and the seam of a picture that does not tile says nothing.
    """

    degradation: str
    method: str
    images: int
    """Pictures that PSNR was averaged over."""
    scores: Scores
    gain: float
    """PSNR-Y over bicubic, dB."""
    worst: float
    """The least gain of a single picture, dB."""
    worst_image: str


def score(sr: Bytes, sample: Sample, scale: int) -> Scores:
    """Return the scores of a result (H, W, C) for a sample."""
    result, hr, clean = (_plain(pixels) for pixels in (sr, sample.hr, sample.clean))
    grid = metrics.grid_score(result, scale)
    seams = [s for s, edge in zip(metrics.seam_ratio(result), sample.edges, strict=True) if edge == "wrap"]
    return Scores(
        psnr_y=metrics.psnr_y(result, hr, scale),
        ssim_y=metrics.ssim_y(result, hr, scale),
        lr_psnr=metrics.lr_psnr(result, clean, kernel=sample.kernel),
        gmsd=metrics.gmsd(result, hr),
        hf_ratio=metrics.hf_ratio(result, hr, scale),
        lsd=metrics.log_spectral_distance(result, hr),
        grid=grid.magnitude,
        grid_signed=grid.signed,
        hatching=metrics.hatching(result, _plain(sample.lr), hr),
        seam=max(seams, default=NAN),
    )


def _plain(pixels: Bytes) -> Bytes:
    """Return grey (H, W, 1) as (H, W), which is its own luma."""
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def summarise(rows: Iterable[Row]) -> list[Mean]:
    """Return the means for each degradation and method, in the order in which they first come."""
    groups: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        groups.setdefault(row.degradation, {}).setdefault(row.method, []).append(row)
    return [mean for methods in groups.values() for mean in _means(methods)]


def _means(methods: dict[str, list[Row]]) -> list[Mean]:
    """Return the mean of each method from its rows, all of the same pictures in the same order."""
    judged = [rows for method, rows in methods.items() if method != REFERENCE]
    counted = {name: _known(judged, name) for name in METRICS}
    return [_mean_of(rows, methods["bicubic"], counted) for rows in methods.values()]


def _mean_of(rows: Sequence[Row], base: Sequence[Row], counted: dict[str, list[int]]) -> Mean:
    """Return the mean of one method and its gain over ``base``; ``counted`` are the pictures that each number is of."""
    chosen = counted["psnr_y"]
    means = {name: _mean([getattr(rows[k].scores, name) for k in where]) for name, where in counted.items()}
    gains = [(rows[k].scores.psnr_y - base[k].scores.psnr_y, rows[k].image) for k in chosen]
    worst, image = min(gains, default=(NAN, "")) if rows[0].method != REFERENCE else (NAN, "")
    return Mean(
        degradation=rows[0].degradation,
        method=rows[0].method,
        images=len(chosen),
        scores=Scores(**means),
        gain=_mean([gain for gain, _ in gains]),
        worst=worst,
        worst_image=image,
    )


def _known(judged: Sequence[list[Row]], name: str) -> list[int]:
    """Return the numbers of the pictures for which every method has a finite score."""
    return [k for k in range(len(judged[0])) if all(isfinite(getattr(rows[k].scores, name)) for rows in judged)]


def _mean(values: Iterable[float]) -> float:
    """Return the mean of what is finite: HR reduces to the low-resolution picture itself here and there."""
    known = [value for value in values if isfinite(value)]
    return sum(known) / len(known) if known else NAN
