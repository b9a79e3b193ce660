"""One net, from Python: ``texup.load_model`` and what it returns."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from texup.api.arrays import check_range, check_shape
from texup.api.asked import PathLike, PixelOptions, options_of
from texup.api.kept import device_of, run_for
from texup.calls.options import Precision
from texup.engines.alone import answer_alone
from texup.engines.engine import drive
from texup.errors import TextureError, UsageError
from texup.models.catalog import licence_in, resolve
from texup.models.weights import read_weights
from texup.upscaling.pixels import through_nets
from texup.upscaling.run import Run

NAME = "plane"  # in messages


@dataclass(frozen=True, slots=True)
class Model:
    """A net that is loaded; call it with an array, or name it as the ``model`` of ``upscale`` and ``upscale_array``."""

    name: str
    """That of the catalog, or of the file without its suffix."""
    architecture: str
    scale: int
    in_channels: int
    """1 grey, 3 RGB, 4 RGBA."""
    out_channels: int
    licence: str | None
    """None where neither the catalog nor the file tells it."""
    sha256: str
    """Of the file."""
    asked: str = field(repr=False)
    """The name or path that it was asked for by."""
    _run: Run = field(repr=False, compare=False)

    def __call__(self, plane: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the net makes of a picture: nothing else is done, neither to colours nor to alpha.

        Large pictures go through the net in tiles, and the rim of the picture goes on beyond its borders.

        Args:
            plane: (H, W, in_channels), float32 in [0, 1].

        Returns:
            (H * scale, W * scale, out_channels), float32, clipped to [0, 1]; a picture of one colour stays that colour.

        Raises:
            UsageError: no such array.
            TextureError: the result makes no sense, or memory does not suffice.
        """
        if not isinstance(plane, np.ndarray):
            raise UsageError(f"{NAME} must be a numpy array (H, W, C), not {type(plane).__name__}")
        check_shape(plane, (self.in_channels,), NAME)
        if plane.dtype != np.float32:
            raise UsageError(f"{NAME} has samples of type {plane.dtype}; use float32 in [0, 1]")
        check_range(plane, NAME)
        run, own = self._run, np.array(plane, np.float32, order="C")
        upscaling = through_nets([own], ("clamp", "clamp"), run.passes, run.settings)
        try:
            (result,) = drive(upscaling, lambda requests: answer_alone(requests, device_of(run)))
        except MemoryError as error:
            raise TextureError("not enough memory for it; free some, or cut it into parts", NAME) from error
        return result


def load_model(model: PathLike, *, device: str = "auto", precision: Precision = "auto") -> Model:
    """Return a net of the catalog, of your folder of models, or of a file of weights.

    Args:
        model: a name of the catalog ("texup-x4-psnr") or of your folder of models, or the path of a file.
        device: "auto", "cpu", "cuda", "cuda:N", "xpu" or "mps".
        precision: "auto", "fp16", "bf16" or "fp32".

    Raises:
        UsageError: no such model or file, or no such device (``DeviceError``).
        WeightsError: the file was refused.
    """
    if not isinstance(model, str | os.PathLike):
        raise UsageError(f"model must be a name or a path, not {type(model).__name__}")
    asked = os.fspath(model)
    run = run_for(options_of({"model": asked, "device": device, "precision": precision}, PixelOptions))
    net, chosen = device_of(run).models[0], resolve(asked)
    return Model(
        name=net.name,
        architecture=net.architecture,
        scale=net.scale,
        in_channels=net.in_channels,
        out_channels=net.out_channels,
        licence=chosen.licence or licence_in(read_weights(chosen.path).metadata),
        sha256=net.sha256,
        asked=asked,
        _run=run,
    )
