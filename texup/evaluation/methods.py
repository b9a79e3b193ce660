"""The ways to enlarge a picture that are compared: bicubic, Lanczos, and nets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from texup.engines.batching import Order
from texup.engines.devices.device import Device
from texup.engines.engine import GRID, Request
from texup.errors import DeviceError, WeightsError
from texup.metrics.resizing import as_bytes, imresize
from texup.models.model import UpscaleModel
from texup.textures.color import resample
from texup.textures.seams import Edges, pad

Bytes = NDArray[np.uint8]
Enlarge = Callable[[Bytes, Edges], Bytes]
"""Maps (h, w, C) with its edges to (h * scale, w * scale, C)."""

BASELINES = ("bicubic", "lanczos")
SUPPORT = 4  # texels that a kernel reaches beyond a border, at most
WHOLE = 1 << 16  # texels of a picture that a net gets in one piece; larger ones go in tiles with context


def bicubic(scale: int) -> Enlarge:
    """Return the bicubic enlargement of the papers, MATLAB's."""

    def enlarge(lr: Bytes, edges: Edges) -> Bytes:
        y, x = (SUPPORT if edge == "wrap" else 0 for edge in edges)  # what does not wrap is mirrored, as in MATLAB
        padded = pad(lr, (y, y, x, x), edges)
        large = as_bytes(imresize(padded, (padded.shape[0] * scale, padded.shape[1] * scale)))
        return large[y * scale : large.shape[0] - y * scale, x * scale : large.shape[1] - x * scale]

    return enlarge


def lanczos(scale: int) -> Enlarge:
    """Return the Lanczos enlargement of three lobes."""

    def enlarge(lr: Bytes, edges: Edges) -> Bytes:
        size = (lr.shape[0] * scale, lr.shape[1] * scale)
        return as_bytes(resample(lr.astype(np.float32), size, "lanczos", edges).astype(np.float64))

    return enlarge


def through_net(model: UpscaleModel, context: int, device: torch.device) -> Enlarge:
    """Return the enlargement by a net alone, in fp32: no colour correction, clipped and rounded to 8 bits.

    The net sees the picture as it is, as in the papers; with ``context`` texels around it where it tiles or is too
    large for one piece.
    """
    runner = Device([model], device, "fp32")

    def enlarge(lr: Bytes, edges: Edges) -> Bytes:
        h, w = lr.shape[:2]
        is_whole = h * w <= WHOLE
        margin = 0 if is_whole and "wrap" not in edges else context + context % 2
        grid = max(GRID, model.multiple_of) if margin else model.multiple_of
        padded = pad(
            lr.astype(np.float32) / np.float32(255), (margin, margin + -h % grid, margin, margin + -w % grid), edges
        )
        requests = [Request(padded, 0, margin)]
        order = Order(None, requests, max(padded.shape[:2]) if is_whole else runner.tile_of(requests))
        for piece in order.pieces():
            (result,) = runner.upscale(piece.model, [piece.plane])
            if result.plane is None and result.problem == "memory":
                raise DeviceError(f"{device}: out of memory with a picture of {w}x{h}; use --crop or another --device")
            if result.problem == "refused":
                raise WeightsError(f"{model.name}: does not take a picture of {w}x{h}; use --crop or another model")
            if result.plane is None:
                raise WeightsError(f"{model.name}: its result is not finite; the weights are damaged or untrained")
            piece.put(result.plane)
        large = order.planes[0][: h * model.scale, : w * model.scale]
        return np.rint(np.clip(large, 0, 1) * 255).astype(np.uint8)

    return enlarge
