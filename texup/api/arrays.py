"""One texture as an array, from Python: ``texup.upscale_array``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar, Unpack, cast

import numpy as np
from numpy.typing import NDArray

from texup.api.asked import PixelOptions, options_of
from texup.api.kept import device_of, run_for
from texup.calls.options import Options
from texup.conventions.convention import Planned
from texup.conventions.plain import PLAIN
from texup.engines.alone import answer_alone
from texup.engines.engine import drive
from texup.engines.steps import PROBLEMS
from texup.errors import TextureError, UsageError
from texup.policy.classify import Kind, Treatment
from texup.policy.rule_values import SETTINGS
from texup.textures.keys import put_back
from texup.textures.texture import Container, Pixels, Texture
from texup.upscaling.deciding import decide
from texup.upscaling.quality.gate import gated
from texup.upscaling.reading import Limits, NotUpscaled, Sources, check_size
from texup.upscaling.run import Run

Sample = TypeVar("Sample", np.uint8, np.uint16, np.float32)
NAME = "array"  # in messages
FULL = 65535  # what 1.0 becomes


def upscale_array(
    rgba: NDArray[Sample], *, kind: Kind | None = None, **options: Unpack[PixelOptions]
) -> NDArray[Sample]:
    """Upscale one texture, as ``texup upscale`` does with a PNG of these pixels whose name says nothing.

    Args:
        rgba: (H, W, C) with C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; alpha is straight and last. uint8 or uint16
            over the full range, or float32 in [0, 1], which is taken as 16 bits.
        kind: what it is, as "normal" or "mask"; None to find out by the pixels.
        options: those of ``upscale`` that decide pixels; nets stay loaded between calls with equal options.

    Returns:
        (H * scale, W * scale, C) of the same type; what is kept as it is, as a look-up table, comes back as a copy.

    Raises:
        UsageError: no such array, or an option that is not possible.
        TextureError: it is too large, or the net's result makes no sense.
        WeightsError: weights were refused.
    """
    run = run_for(_unwarned(options_of(options, PixelOptions)))
    texture = Texture(
        _pixels_of(rgba, run.limits_of(run.route)), Container("png", 8 if rgba.dtype.itemsize == 1 else 16)
    )
    try:
        result = _upscaled(texture, _kind_of(kind), run)
    except MemoryError as error:
        raise TextureError(PROBLEMS["large"], NAME) from error
    pixels = result.pixels
    if rgba.dtype.kind == "f":
        return cast("NDArray[Sample]", (pixels / np.float32(FULL)).astype(np.float32))
    return cast("NDArray[Sample]", pixels)


def _upscaled(texture: Texture, kind: Kind | None, run: Run) -> Texture:
    """Decide about a texture and carry it out."""
    planned = Planned(NAME, "upscale", target=NAME, treatment=Treatment(kind=kind))
    decision = decide(Sources(sha256="", textures=[texture]), planned, run, PLAIN)
    if isinstance(decision, NotUpscaled):
        return texture
    (result,), _ = drive(gated(decision, run), lambda requests: answer_alone(requests, device_of(run)))
    key = decision.policy.key
    return result if key is None else put_back(result, key)


def _unwarned(options: Options) -> Options:
    """Return options that ask for no scores of which nobody would be told."""
    return replace(options, gate="off") if options.gate == "warn" else options


def _kind_of(kind: str | None) -> Kind | None:
    try:
        return None if kind is None else cast("Kind", SETTINGS["treat_as"](kind, "kind"))
    except ValueError as error:
        raise UsageError(str(error)) from error


def _pixels_of(rgba: Any, limits: Limits) -> Pixels:
    """Return an array of the user's as pixels of our own.

    Raises:
        UsageError: it is none, of another shape or type, or has values that are no picture.
        UnsupportedTexture: it is too large, which is told before it is copied or looked into.
    """
    if not isinstance(rgba, np.ndarray):
        raise UsageError(f"{NAME} must be a numpy array (H, W, C), not {type(rgba).__name__}")
    check_shape(rgba, (1, 2, 3, 4), NAME)
    check_size(rgba.shape[0], rgba.shape[1], limits, NAME)
    if rgba.dtype.kind == "u" and rgba.dtype.itemsize <= 2:
        return cast("Pixels", np.array(rgba, np.uint8 if rgba.dtype.itemsize == 1 else np.uint16, order="C"))
    if rgba.dtype.kind != "f" or rgba.dtype.itemsize != 4:
        raise UsageError(f"{NAME} has samples of type {rgba.dtype}; use uint8, uint16, or float32 in [0, 1]")
    check_range(rgba, NAME)
    return np.rint(rgba * np.float32(FULL)).astype(np.uint16)


def check_shape(array: NDArray[Any], channels: tuple[int, ...], name: str) -> None:
    """Refuse an array that is no picture (H, W, C) of some numbers of channels.

    Raises:
        UsageError: it is not.
    """
    *others, last = map(str, channels)
    wanted = f"(H, W, C) with C = {', '.join(others)} or {last}" if others else f"(H, W, {last})"
    if array.ndim == 2:
        raise UsageError(f"{name} has shape {array.shape}, not {wanted}; give it a last axis: {name}[..., None]")
    if array.ndim != 3 or array.shape[2] not in channels:
        raise UsageError(f"{name} has shape {array.shape}, not {wanted}")
    if not array.size:
        raise UsageError(f"{name} has shape {array.shape}: no pixels in it")


def check_range(array: NDArray[Any], name: str) -> None:
    """Refuse floats that are no samples of a picture.

    Raises:
        UsageError: one is not finite, or outside 0 to 1.
    """
    least, most = float(array.min()), float(array.max())  # NaN where there is one
    if not np.isfinite([least, most]).all():
        raise UsageError(f"{name} has values that are not finite (NaN or infinite); replace them first")
    if least < 0 or most > 1:
        raise UsageError(f"{name} has values from {least:g} to {most:g}; floats must be from 0 to 1")
