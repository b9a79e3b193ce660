"""What ``bench_gates.py`` measures of nets alone: no colour correction, no grain, clipped and rounded to 8 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import numpy as np
import torch
from bench_stlpips import StLpips, weights_file
from gates_pictures import BOX, CLEAN, SCALE, STORED, Bytes, Picture, lacking

from texup.evaluation.methods import Enlarge, through_net
from texup.metrics import hf_ratio, log_spectral_distance
from texup.models.chain import choose_chain
from texup.pictures.sheets import encode_png

NETS = {"fidelity": "texup-x4-psnr", "sharp": "texup-x4-gan", "fast": "texup-x4-fast"}
SSIMULACRA2 = {"ssimulacra2": "ssimulacra2==0.3.0"}


@dataclass(frozen=True, slots=True)
class Measure:
    """A number, or why there is none."""

    value: float | None
    worst: float | None = None
    """That of the worst picture, for gains."""
    note: str = ""
    """For people; why there is no number, or the worst picture."""

    def __str__(self) -> str:
        """Return what stands in the table."""
        if self.value is None:
            return f"not measured: {self.note}"
        if self.worst is not None:
            return f"{self.value:+.2f} ({self.worst:+.2f} {self.note})"
        shown = f"{self.value:.2f}" if self.value >= 1 else f"{self.value:.3g}"
        return f"{shown} ({self.note})" if self.note else shown


Found = dict[str, Measure]
"""By the title of a row."""


def gains(results: Mapping[str, float]) -> Measure:
    """Return the mean gain and the worst, given that of each picture."""
    worst = min(results, key=lambda name: results[name])
    return Measure(float(np.mean(list(results.values()))), results[worst], worst.rpartition("/")[2])


def loaded(folder: Path) -> dict[str, Enlarge]:
    """Return the nets of a folder by what they are for."""
    links = {use: choose_chain([str(folder / f"{name}.safetensors")], None)[0] for use, name in NETS.items()}
    return {
        use: through_net(link.load(), (link.context, link.border), torch.device("cpu")) for use, link in links.items()
    }


def measured_nets(
    nets: Mapping[str, Enlarge], papers: Mapping[str, Sequence[Picture]], pictures: Sequence[Picture], work: Path
) -> Found:
    """Measure the three nets on the pictures of papers and on held-out ones."""
    set5 = {use: _psnr(net, papers["Set5"]) for use, net in nets.items()}
    found = {
        "fidelity: Set5, PSNR-Y": Measure(set5["fidelity"]),
        "fidelity: Set14, PSNR-Y": Measure(_psnr(nets["fidelity"], papers["Set14"])),
        "fast: Set5, PSNR-Y": Measure(set5["fast"]),
        "fast: clean, gain": _gain(nets["fast"], pictures, CLEAN),
        "sharp: Set5, PSNR-Y under the fidelity net's": Measure(set5["fidelity"] - set5["sharp"]),
    }
    for row in (CLEAN, BOX, *STORED):
        found[f"fidelity: {row}, gain"] = _gain(nets["fidelity"], pictures, row)
    return found | _perceived(nets["sharp"], pictures, work)


def _through(net: Enlarge, picture: Picture, row: str = CLEAN) -> Bytes:
    return net(picture.lrs[row], ("clamp", "clamp"))


def _psnr(net: Enlarge, pictures: Sequence[Picture]) -> float:
    return float(np.mean([picture.psnr(_through(net, picture)) for picture in pictures]))


def _gain(net: Enlarge, pictures: Sequence[Picture], row: str) -> Measure:
    return gains({picture.name: picture.gain(row, _through(net, picture, row)) for picture in pictures})


def _perceived(net: Enlarge, pictures: Sequence[Picture], work: Path) -> Found:
    """Measure how results look beside their originals; what has no fine detail to be met is left out.

    The spectra of two flat crops, where a difference of rounding is 60 to 100 dB, would make half of the mean.
    """
    rough = [picture for picture in pictures if not isnan(hf_ratio(picture.hr, picture.hr, SCALE))]
    pairs = [(_through(net, picture), picture.hr) for picture in rough]
    distances = [log_spectral_distance(sr, hr) for sr, hr in pairs]
    found = {"sharp: log-spectral distance": Measure(float(np.mean(distances)))}
    path, missing = weights_file(), lacking(SSIMULACRA2)
    if path is None:
        found["sharp: ST-LPIPS (AlexNet)"] = Measure(None, note="install --no-deps stlpips-pytorch==0.0.2")
    else:
        metric = StLpips(path)
        found["sharp: ST-LPIPS (AlexNet)"] = Measure(float(np.mean([metric.distance(sr, hr) for sr, hr in pairs])))
    found["sharp: SSIMULACRA2"] = Measure(None, note=missing) if missing else Measure(_ssimulacra2(pairs, work))
    return found


def _ssimulacra2(pairs: Sequence[tuple[Bytes, Bytes]], work: Path) -> float:
    from ssimulacra2 import compute_ssimulacra2

    files = (work / "hr.png", work / "sr.png")  # it reads files only
    scores = []
    for sr, hr in pairs:
        for file, pixels in zip(files, (hr, sr), strict=True):
            file.write_bytes(encode_png(pixels))
        scores.append(compute_ssimulacra2(*map(str, files)))
    return float(np.mean(scores))
