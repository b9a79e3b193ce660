"""Network interpolation: one net between a PSNR net and the GAN net that was fine-tuned from it.

References:
    Wang et al., "ESRGAN", ECCVW 2018, section 3.4 and equation 3.
"""

from __future__ import annotations

from decimal import Decimal

import torch
from torch import Tensor

from texup import __version__
from texup.errors import UsageError, WeightsError
from texup.models.catalog import CatalogModel
from texup.models.loading import build_model, open_weights
from texup.models.model import UpscaleModel
from texup.models.weights import StateDict

MAX_DRIFT = 0.03
PROBE_SIDE = 24
SHOWN = 3
COUNTER = "num_batches_tracked"  # of batch norm: how long it was trained


def interpolate(psnr: StateDict, gan: StateDict, alpha: float) -> StateDict:
    """Return (1 - alpha) * psnr + alpha * gan for every tensor, computed in float64, as float32.

    Whole numbers, as tables of places are, have no mean: they must be the same in both, but for counters of training
    steps, and stay as they are in ``psnr``.

    Raises:
        UsageError: alpha is outside 0..1.
        WeightsError: the two do not have the same keys, shapes and whole numbers.
    """
    if not 0 <= alpha <= 1:
        raise UsageError(f"alpha {alpha} is not possible; use a number from 0 (PSNR) to 1 (GAN)")
    differences = [
        *(f"{key} only in the GAN weights" for key in gan if key not in psnr),
        *(f"{key} only in the PSNR weights" for key in psnr if key not in gan),
        *(_misshapen(key, psnr[key], gan[key]) for key in psnr if key in gan and psnr[key].shape != gan[key].shape),
        *(f"{key} of other whole numbers" for key in psnr if key in gan and _differ(key, psnr[key], gan[key])),
    ]
    if differences:
        more = f" and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
        raise WeightsError(f"the two nets differ, so they have no blend: {', '.join(differences[:SHOWN])}{more}")
    return {k: _mean(value, gan[k], alpha) if value.is_floating_point() else value for k, value in psnr.items()}


def _mean(psnr: Tensor, gan: Tensor, alpha: float) -> Tensor:
    return ((1 - alpha) * psnr.double() + alpha * gan.double()).float()


def _differ(key: str, psnr: Tensor, gan: Tensor) -> bool:
    """Tell whether two tensors of one shape are of two kinds, or of whole numbers that are not the same."""
    if psnr.shape != gan.shape or key.endswith(COUNTER):
        return False
    if psnr.is_floating_point() and gan.is_floating_point():
        return False
    return psnr.dtype != gan.dtype or not torch.equal(psnr, gan)


def interpolate_files(psnr: CatalogModel, gan: CatalogModel, alpha: float) -> tuple[StateDict, dict[str, str]]:
    """Return the blend of two files of any dialect under canonical keys, and its metadata.

    Raises:
        UsageError: alpha is outside 0..1.
        WeightsError: a file is refused, or the two nets are not related.
    """
    mother, father = (open_weights(model.path, expected_sha256=model.sha256) for model in (psnr, gan))
    scales = mother.architecture.scale, father.architecture.scale
    if scales[0] != scales[1]:
        raise WeightsError(
            f"{psnr.path} enlarges {scales[0]} times and {gan.path} {scales[1]} times: nets of two scales have no blend"
        )
    try:
        blend = interpolate(mother.tensors, father.tensors, alpha)
    except WeightsError as refusal:
        raise WeightsError(f"{psnr.path} and {gan.path}: {refusal}") from refusal
    check_related(
        build_model(mother.tensors, psnr.name, mother.file.sha256),
        build_model(father.tensors, gan.name, father.file.sha256),
        build_model(interpolate(mother.tensors, father.tensors, 0.5), "their blend", ""),
    )
    metadata = {
        "texup": __version__,
        "architecture": mother.architecture.name,
        "alpha": exact(alpha),
        "psnr": psnr.name,
        "psnr_sha256": mother.file.sha256,
        "gan": gan.name,
        "gan_sha256": father.file.sha256,
    }
    return blend, metadata


def check_related(psnr_model: UpscaleModel, gan_model: UpscaleModel, blend_model: UpscaleModel) -> None:
    """Refuse two nets whose 50/50 blend is mud, which is so unless one was fine-tuned from the other.

    On flat and ramp pictures a sound blend gives about the mean of what its parents give. The mean distance from it,
    with colours in [0, 1], measured on RRDBNets of 16/2/8 and 32/4/16 (features, blocks, growth): 0.0001 to 0.0007 for
    a net and its GAN fine-tune, 0.004 for a net and itself with 20 % noise on every tensor; 0.09 for two trainings from
    one start, 0.38 from different starts, 0.38 to 0.43 for a net and itself with its channels in another order. The
    limit is seven times what the related reach and a third of what the others do.

    Raises:
        WeightsError: the distance is above ``MAX_DRIFT``.
    """
    step = psnr_model.multiple_of
    side = -(-max(PROBE_SIDE, psnr_model.needs.minimum) // step) * step
    parts = torch.split(_probes(psnr_model.in_channels, side), 1 if psnr_model.needs.one_at_a_time else 5)
    with torch.inference_mode():
        psnr, gan, blend = (
            torch.cat([m.net(part) for part in parts]).clamp(0, 1) for m in (psnr_model, gan_model, blend_model)
        )
    drift = float((blend - (psnr + gan) / 2).abs().mean())
    if not drift <= MAX_DRIFT:  # also refuses nan
        raise WeightsError(
            f"{gan_model.name} was not fine-tuned from {psnr_model.name}: "
            f"on plain pictures their blend is off by {drift:.2f} of 1, where {MAX_DRIFT} is the limit"
        )


def exact(alpha: float) -> str:
    """Return ``alpha`` as the shortest decimal that is exactly it, without an exponent: 0.6, 0.65, 0.00001."""
    return format(Decimal(repr(alpha)), "f")


def _misshapen(key: str, psnr: Tensor, gan: Tensor) -> str:
    return f"{key} of size {tuple(psnr.shape)} and {tuple(gan.shape)}"


def _probes(channels: int, side: int) -> Tensor:
    """Return five pictures (5, channels, side, side): dark, light and coloured flats, and ramps in both directions."""
    ramp = torch.linspace(0, 1, side).expand(channels, side, side)
    colour = torch.linspace(0.9, 0.1, channels)[:, None, None].expand(channels, side, side)
    return torch.stack([torch.full_like(ramp, 0.25), torch.full_like(ramp, 0.75), colour, ramp, ramp.mT])
