"""The same pictures through every blend of two nets, with numbers: how much of the GAN net a texture bears."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from texup import bounds
from texup.engines.devices.device import Device, pick_device
from texup.engines.engine import drive
from texup.engines.inline import answer_requests
from texup.errors import TextureError, UsageError, WeightsError
from texup.metrics import hf_ratio, imresize, lr_psnr, psnr_y
from texup.models.catalog import CatalogModel, load_catalog
from texup.models.chain import contexts_of, sees_borders
from texup.models.interpolate import exact, interpolate, interpolate_files
from texup.models.loading import build_model
from texup.models.model import UpscaleModel
from texup.models.weights import StateDict
from texup.pictures.sheets import contact_sheet
from texup.policy.classify import Treatment, policy_for
from texup.textures.codecs.files import read_texture
from texup.textures.planes import classify_alpha
from texup.textures.storing import in_bytes
from texup.textures.texture import Container, Pixels, Texture
from texup.upscaling.pixels import upscale_texture
from texup.upscaling.run import Pass, Route, Settings, with_context

Bytes = NDArray[np.uint8]

CELLS = (192, 512)  # sides that a strip chooses its cells from: small results are enlarged, very large ones reduced
MIN_SIDE = 8  # texels of a picture that can be measured
BACKDROP = 128  # grey behind alpha where pictures are compared
TITLES = {"psnr_y": ("PSNR-Y", " dB"), "lr_psnr": ("LR-PSNR", " dB"), "hf_ratio": ("HF", "")}  # numbers and their units


@dataclass(frozen=True, slots=True)
class ModelPair:
    """A PSNR net and the GAN net that was made from it."""

    psnr: StateDict
    """Under canonical keys, as ``gan``."""
    gan: StateDict
    route: Route
    """The way of a texture through one of the blends, as a run takes it."""
    bfloat16: float = -1.0
    """Blends up to this share of the GAN net are fine in bfloat16."""

    @property
    def scale(self) -> int:
        """How much the nets enlarge."""
        return self.route.settings.scale

    def blend(self, alpha: float) -> UpscaleModel:
        """Return the net of (1 - alpha) * psnr + alpha * gan."""
        model = build_model(interpolate(self.psnr, self.gan, alpha), f"alpha {exact(alpha)}", "")
        return replace(model, fine_in_bfloat16=alpha <= self.bfloat16)


@dataclass(frozen=True, slots=True)
class StripSample:
    """A picture to upscale."""

    path: Path
    texture: Texture
    original: Texture | None = None
    """The same picture as large as the results, to compare them with."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One sample through one blend."""

    sample: StripSample
    alpha: float
    pixels: Pixels
    numbers: dict[str, float]
    """``psnr_y`` (dB) to the original, or without one ``lr_psnr`` (dB): the result, reduced, to the source; and
    ``hf_ratio``: fine detail relative to the original, or without one to alpha 0."""


def open_pair(psnr: CatalogModel, gan: CatalogModel) -> ModelPair:
    """Read two models that can be blended.

    Raises:
        WeightsError: a file is refused, the two are not related, or they are not nets for RGB.
    """
    ours, theirs = (interpolate_files(psnr, gan, alpha)[0] for alpha in (0.0, 1.0))
    model = build_model(ours, psnr.name, "")
    if (model.in_channels, model.out_channels) != (3, 3):
        raise WeightsError(f"{psnr.path}: no net for RGB; texup upscales with nets of 3 channels in and out")
    settings = with_context(Settings(model.scale, 0, grain=0.0), *contexts_of(psnr, gan))
    catalog = load_catalog()
    is_own = (psnr, gan) == tuple(catalog.models[name] for name in catalog.pair)
    fine = catalog.bfloat16 if is_own else -1.0
    return ModelPair(ours, theirs, Route([Pass(0, model.scale, told=sees_borders(model))], settings), fine)


def read_samples(
    paths: Sequence[Path], scale: int, reference: Path | None = None, *, reduce: bool
) -> list[StripSample]:
    """Read pictures, each once.

    Args:
        paths: files of pictures.
        scale: how much larger results are.
        reference: the original of the one picture, or a folder with an original for each, of the same name.
        reduce: take the pictures as originals, and reduce them by ``scale`` to get the sources.

    Raises:
        UsageError: a picture or its original is missing, unreadable, too small, or of another size than it must be.
    """
    paths = list(dict.fromkeys(paths))
    if reference is not None and not reference.is_dir() and len(paths) > 1:
        raise UsageError(f"{reference}: one original for {len(paths)} pictures; give a folder with one for each")
    samples = []
    for path in paths:
        texture = _read(path, scale)
        if reduce:
            samples.append(StripSample(path, reduce_original(texture, scale), _cropped(texture, scale)))
        elif reference is not None:
            original = _read(reference / path.name if reference.is_dir() else reference, 1)
            _check_size(path, texture, original, scale)
            samples.append(StripSample(path, texture, original))
        else:
            samples.append(StripSample(path, texture))
        if min(samples[-1].texture.pixels.shape[:2]) < MIN_SIDE:
            raise UsageError(
                f"{path}: too small to measure; it needs {MIN_SIDE * (scale if reduce else 1)} pixels a side"
            )
    return samples


def _read(path: Path, scale: int) -> Texture:
    if not path.is_file():
        raise UsageError(f"{path}: {'a folder; name its pictures' if path.is_dir() else 'no such file'}")
    try:
        return read_texture(path, bounds.RESULT_PIXELS // scale**2)
    except TextureError as error:
        raise UsageError(f"{path}: {error.reason}") from error


def _check_size(path: Path, texture: Texture, original: Texture, scale: int) -> None:
    (h, w), (height, width) = texture.pixels.shape[:2], original.pixels.shape[:2]
    if (height, width) != (h * scale, w * scale):
        raise UsageError(f"{path}: its original is {width}x{height}, and must be {w * scale}x{h * scale}")


def _cropped(texture: Texture, scale: int) -> Texture:
    """Cut off what is over a multiple of ``scale`` below and on the right, as the papers do."""
    h, w = texture.pixels.shape[:2]
    return Texture(texture.pixels[: h - h % scale, : w - w % scale], texture.container)


def reduce_original(original: Texture, scale: int) -> Texture:
    """Return a picture reduced by MATLAB's bicubic, as the papers do, to 8 bits; colours are weighed by opacity."""
    pixels = in_bytes(_cropped(original, scale).pixels)
    size = (pixels.shape[0] // scale, pixels.shape[1] // scale)
    if pixels.shape[2] in (1, 3) or _alpha_is_data(original):
        small = imresize(pixels, size)
    else:
        alpha = pixels[..., -1:] / 255
        opacity = imresize(alpha, size)
        shown = imresize(pixels[..., :-1] * alpha, size) / opacity.clip(min=1 / 255)
        small = np.dstack([shown, 255 * opacity])
    return Texture(np.rint(small.clip(0, 255)).astype(np.uint8), Container("png"))


def sweep(
    pair: ModelPair, alphas: Sequence[float], samples: Sequence[StripSample], device: str = "auto"
) -> Iterator[Cell]:
    """Yield every sample upscaled by the first alpha, then by the next, the way ``texup upscale`` does it.

    Raises:
        DeviceError: the device is not there.
        TextureError: a net fails on a texture.
    """
    place = pick_device(device)
    faithful: list[Texture] = []
    if any(sample.original is None for sample in samples):
        nets = Device([pair.blend(0.0)], place, "auto")
        faithful = [upscale_sample(sample, pair.route, nets) for sample in samples]
    for alpha in alphas:
        nets = Device([pair.blend(alpha)], place, "auto")
        for k, sample in enumerate(samples):
            result = faithful[k] if faithful and alpha == 0 else upscale_sample(sample, pair.route, nets)
            numbers = measure(sample, result, faithful[k] if faithful else None, pair.scale)
            yield Cell(sample, alpha, result.pixels, numbers)


def upscale_sample(sample: StripSample, route: Route, device: Device) -> Texture:
    """Return a sample along a route through the nets of a device, byte for byte as a run writes it.

    Raises:
        TextureError: the device gives no result.
    """
    policy = policy_for(sample.texture, Treatment(grain=route.settings.grain))
    task = upscale_texture(sample.texture, policy, route.passes, route.settings)
    try:
        return drive(task, lambda requests: answer_requests(requests, device))
    except TextureError as error:
        raise TextureError(error.reason, str(sample.path)) from error


def measure(sample: StripSample, result: Texture, faithful: Texture | None, scale: int) -> dict[str, float]:
    """Return the numbers of a cell; pictures with alpha are compared as they look on grey."""
    is_data = _alpha_is_data(sample.texture)
    picture = on_grey(result, is_data=is_data)
    if sample.original is not None:
        original = on_grey(sample.original, is_data=is_data)
        return {"psnr_y": psnr_y(picture, original, scale), "hf_ratio": hf_ratio(picture, original, scale)}
    assert faithful is not None
    return {
        "lr_psnr": lr_psnr(picture, on_grey(sample.texture, is_data=is_data)),
        "hf_ratio": hf_ratio(picture, on_grey(faithful, is_data=is_data), scale),
    }


def on_grey(texture: Texture, *, is_data: bool) -> Bytes:
    """Return a texture as RGB (H, W, 3) of 8 bits over grey; alpha that is data hides nothing."""
    picture = in_bytes(texture.pixels)
    colours = 1 if picture.shape[2] < 3 else 3
    colour = np.broadcast_to(picture[..., :colours], (*picture.shape[:2], 3))
    if picture.shape[2] == colours or is_data:
        return np.ascontiguousarray(colour)
    alpha = picture[..., -1:] / 255
    return np.rint(colour * alpha + BACKDROP * (1 - alpha)).astype(np.uint8)


def _alpha_is_data(texture: Texture) -> bool:
    return classify_alpha(texture.pixels) == "data"


def cell_side(samples: Sequence[StripSample], scale: int) -> int:
    """Return the side of a cell that shows the largest result in full, within reason."""
    largest = max(side for sample in samples for side in sample.texture.pixels.shape[:2]) * scale
    return int(min(max(largest, CELLS[0]), CELLS[1]))


def check_strip(alphas: Sequence[float], samples: Sequence[StripSample], side: int, scale: int) -> None:
    """Refuse a strip that would not fit memory, before any work.

    Raises:
        UsageError: it has too many pixels.
    """
    shown = (len(alphas) + 2) * len(samples) * side**2
    made = sum(s.texture.pixels.shape[0] * s.texture.pixels.shape[1] * scale**2 for s in samples) * (len(alphas) + 1)
    if max(shown, made) > bounds.RESULT_PIXELS:
        raise UsageError(
            f"a strip of {len(samples)} pictures by {len(alphas)} alphas has {max(shown, made) / 1e6:.0f} megapixels;"
            f" the limit is {bounds.RESULT_PIXELS / 1e6:.0f}: give fewer or smaller ones"
        )


def strip(cells: Sequence[Cell], side: int) -> Bytes:
    """Return a sheet with a row for each sample: its source, a column for each alpha, and the original if there is."""
    alphas = list(dict.fromkeys(cell.alpha for cell in cells))
    by_path: dict[Path, list[Cell]] = {}
    for cell in cells:
        by_path.setdefault(cell.sample.path, []).append(cell)
    has_original = any(cell.sample.original is not None for cell in cells)
    ends = {0.0: " (PSNR)", 1.0: " (GAN)"}
    columns = ["source", *(f"alpha {a:g}{ends.get(a, '')}" for a in alphas), *(["original"] if has_original else [])]
    rows, captions = zip(*map(_strip_row, by_path.values()), strict=True)
    return contact_sheet(rows, columns=columns, captions=captions, cell=side)


def _strip_row(cells: Sequence[Cell]) -> tuple[list[Pixels], list[str]]:
    """Return the pictures of one sample, and what stands below each."""
    sample = cells[0].sample
    h, w = sample.texture.pixels.shape[:2]
    height, width = cells[0].pixels.shape[:2]
    as_large = sample.texture.pixels.repeat(height // h, 0).repeat(width // w, 1)
    original = [] if sample.original is None else [sample.original.pixels]
    pictures = [as_large, *(cell.pixels for cell in cells), *original]
    return pictures, [
        f"{sample.path.name}\n{w} x {h}",
        *(_caption(cell.numbers) for cell in cells),
        *("" for _ in original),
    ]


def _caption(numbers: dict[str, float]) -> str:
    lines = []
    for name, value in numbers.items():
        title, unit = TITLES[name]
        lines.append(f"{title} -" if isnan(value) else f"{title} {value:.2f}{unit}")
    return "\n".join(lines)
