"""A net as an ONNX file for other programs, and how far onnxruntime's results are from ours.

References:
    The operators of opset 17: https://github.com/onnx/onnx/blob/main/docs/Changelog.md.
"""

from __future__ import annotations

import copy
import importlib.util
import io
import math
import warnings

import torch
from torch import Tensor, nn

from texup import __version__
from texup.errors import UsageError, WeightsError
from texup.models.model import UpscaleModel

OPSET = 17  # the oldest with all that these nets do (grid_sample is of 16), so that old programs read it too
INSTALL = "pip install 'texup[onnx]'"
INPUT, OUTPUT = "input", "output"
AXES = {0: "batch", 2: "height", 3: "width"}
TRACED = (16, 20)
SIZES = ((1, 16, 20), (2, 16, 20), (1, 37, 24), (2, 48, 31))  # batch, height and width that are compared
# Of the largest value: what the order of sums may change in 32 bits, and what 16 bits lose in each layer.
ALIKE, ALIKE_HALF = 1e-4, 2e-2


def check_installed() -> None:
    """Refuse early what cannot be written.

    Raises:
        UsageError: onnx is not installed.
    """
    if importlib.util.find_spec("onnx") is None:
        raise UsageError(f"onnx is not installed, which writes .onnx files: {INSTALL}")


def metadata_of(model: UpscaleModel, licence: str | None) -> dict[str, str]:
    """Return what the file tells of its net."""
    told = {
        "texup": __version__,
        "name": model.name,
        "architecture": model.architecture,
        "scale": str(model.scale),
        "multiple_of": str(model.multiple_of),
        "weights_sha256": model.sha256,
    }
    return told | ({"licence": licence} if licence else {})


def as_onnx(model: UpscaleModel, metadata: dict[str, str], *, half: bool = False) -> bytes:
    """Return the ONNX file of a net of texup's own, for planes of any number and size.

    It takes ``INPUT`` (N, channels, h, w) in [0, 1] and gives ``OUTPUT`` (N, channels, h * scale, w * scale), in
    float32 or, if ``half``, all of it in float16; h and w must be multiples of the model's ``multiple_of``.

    Raises:
        UsageError: the net does not take 16 bits.
        WeightsError: a net of spandrel.
    """
    import onnx

    if model.needs.guarded:
        raise WeightsError(f"a net of type {model.architecture} is spandrel's; texup writes its own nets as ONNX")
    if half and not model.needs.half:
        raise UsageError(f"this {model.architecture} does not run in 16-bit floats; convert without --half")
    step = model.multiple_of
    picture = torch.rand(1, model.in_channels, *(_stepped(side, step) for side in TRACED))
    file = io.BytesIO()
    # By tracing, which asks for onnx alone; the newer exporter would bring onnxscript. It warns that it is the older
    # one, and of each size that becomes a number: what is compared below is that none of them does.
    with warnings.catch_warnings(action="ignore"), torch.no_grad():
        torch.onnx.export(
            _plain(model.net, half=half),
            (picture.half() if half else picture,),
            file,  # type: ignore[arg-type]  # by tracing it takes one
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: AXES, OUTPUT: AXES},
        )
    made = onnx.load_model_from_string(file.getvalue())
    onnx.helper.set_model_props(made, metadata)
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString(deterministic=True))


@torch.no_grad()
def compare(data: bytes, model: UpscaleModel, *, half: bool = False) -> float | None:
    """Return how far onnxruntime is from ``model`` at most, over ``SIZES``; None where onnxruntime is not installed.

    Raises:
        WeightsError: so far that the file would not be the net.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    session = importlib.import_module("onnxruntime").InferenceSession(data, providers=["CPUExecutionProvider"])
    dice = torch.Generator().manual_seed(0)
    largest = 0.0
    for number, *sides in SIZES:
        shape = (number, model.in_channels, *(_stepped(side, model.multiple_of) for side in sides))
        picture = torch.rand(shape, generator=dice)
        expected: Tensor = model.net(picture)
        (found,) = session.run([OUTPUT], {INPUT: (picture.half() if half else picture).numpy()})
        if found.shape != tuple(expected.shape):
            raise WeightsError(f"onnxruntime gives a result of size {found.shape}, not {tuple(expected.shape)}")
        off = float((torch.from_numpy(found).float() - expected).abs().max()) / max(1.0, float(expected.abs().max()))
        largest = max(largest, off)
    if not largest <= (ALIKE_HALF if half else ALIKE):  # also refuses nan
        raise WeightsError(f"what onnxruntime makes of it is off by {largest:.2g} of 1; nothing was written")
    return largest


def _plain(net: nn.Module, *, half: bool) -> nn.Module:
    """Return a copy of a net in the usual layout of its weights."""
    copied = copy.deepcopy(net).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return copied.half() if half else copied  # type: ignore[no-any-return]


def _stepped(side: int, step: int) -> int:
    return math.ceil(side / step) * step
