"""The ways to enlarge a picture that are compared: bicubic, Lanczos, and nets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from texup.engines.alone import fill
from texup.engines.batching import Order
from texup.engines.devices.device import Device
from texup.engines.engine import Plane, Request, drive
from texup.errors import DeviceError, WeightsError
from texup.metrics.resizing import as_bytes, imresize
from texup.models.chain import sees_borders
from texup.models.model import UpscaleModel
from texup.textures.color import resample
from texup.textures.seams import Edges, pad
from texup.upscaling.pixels import through_nets
from texup.upscaling.run import Pass, Settings, with_context

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


def through_net(model: UpscaleModel, contexts: tuple[int, int], device: torch.device) -> Enlarge:
    """Return the enlargement by a net alone, in fp32: no colour correction, clipped and rounded to 8 bits.

    The net sees a picture as it is, as in the papers: with a run's texels behind its borders the mean over Set5 is 0.08
    dB less. One that tiles, or is too large for one piece, goes through it as in a run.

    Args:
        model: the net.
        contexts: texels that it needs around a plane, and at a clamped border that it is told of.
        device: where it runs.
    """
    runner = Device([model], device, "fp32")
    passes = [Pass(0, model.scale, told=sees_borders(model))]
    settings = with_context(Settings(model.scale, 0), *contexts)

    def enlarge(lr: Bytes, edges: Edges) -> Bytes:
        plane = lr.astype(np.float32) / np.float32(255)
        if plane[..., 0].size <= WHOLE and "wrap" not in edges:
            large = np.clip(_bare(plane, runner), 0, 1)
        else:
            (large,) = drive(
                through_nets([plane], edges, passes, settings),
                lambda requests: _answer(requests, runner, runner.tile_of(requests)),
            )
        return np.rint(large * 255).astype(np.uint8)

    return enlarge


def _bare(plane: Plane, runner: Device) -> Plane:
    """Return what a net makes of a plane in one piece with nothing around it, but for sides that it can divide."""
    (model,), (h, w) = runner.models, plane.shape[:2]
    padded = pad(plane, (0, -h % model.multiple_of, 0, -w % model.multiple_of), ("clamp", "clamp"))
    (large,) = _answer([Request(padded, 0, 0)], runner, max(padded.shape[:2]))
    return large[: h * model.scale, : w * model.scale]


def _answer(requests: list[Request], runner: Device, tile: int) -> list[Plane]:
    """Return the enlarged planes of requests.

    Raises:
        DeviceError: memory is short.
        WeightsError: the net does not take such planes, or makes no numbers of them.
    """
    order, (model,) = Order(None, requests, tile, grid=runner.grid), runner.models
    h, w = requests[0].plane.shape[:2]
    problem = fill(order, runner)
    if problem == "memory":
        raise DeviceError(f"{runner.device}: out of memory with a picture of {w}x{h}; use --crop or another --device")
    if problem == "refused":
        raise WeightsError(f"{model.name}: does not take a picture of {w}x{h}; use --crop or another model")
    if problem is not None:
        raise WeightsError(f"{model.name}: its result is not finite; the weights are damaged or untrained")
    return order.planes
