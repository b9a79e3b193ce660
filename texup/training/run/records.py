"""What a run leaves for people: log, curves, pictures, film, card."""

from __future__ import annotations

import csv
import hashlib
import importlib
import io
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from texup import __version__
from texup.files import atomic_write, sha256_of
from texup.pictures.charts import Chart, is_installed, line_charts
from texup.pictures.sheets import contact_sheet, encode_film, encode_png
from texup.textures.codecs.files import SUFFIXES, read_texture
from texup.training.run.validation import HeldOutCrop

LOG, CURVES, CARD, FILM, SHEET = "log.csv", "curves.png", "card.json", "film.webp", "samples.png"
FRAMES, SCALARS = "frames", "tensorboard"
FRAME_MILLISECONDS = 250

History = Sequence[Mapping[str, float]]


def write_log(run: Path, history: History) -> None:
    """Write the whole history as CSV, and its curves as a picture where matplotlib is installed.

    It is written anew each time: after a resume nothing of a lost future stays in it.
    """
    names = list(dict.fromkeys(name for row in history for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    atomic_write(run / LOG, text.getvalue().encode())
    if is_installed():
        atomic_write(run / CURVES, curves(history))


def curves(history: History) -> bytes:
    """Return a PNG of charts over the iterations: the losses, and PSNR-Y where it was measured.

    Raises:
        ImportError: matplotlib is not installed.
    """
    losses = {
        name: [(row["iteration"], row[name]) for row in history if name in row]
        for name in dict.fromkeys(key for row in history for key in row)
        if name.endswith("_loss")
    }
    lines = {name.removesuffix("_loss"): points for name, points in losses.items()}
    charts = [Chart(title="Losses", lines=lines, log_y=True)]
    quality = [(row["iteration"], row["psnr"]) for row in history if "psnr" in row]
    if quality:
        charts.append(Chart(title="PSNR-Y in dB", lines={"averaged net": quality}))
    return line_charts(charts, x_label="iteration")


def open_scalars(run: Path, iteration: int) -> Any:
    """Return a writer of TensorBoard that forgets what lies after ``iteration``; None where it is not installed."""
    try:
        module = importlib.import_module("torch.utils.tensorboard")
    except ImportError:
        return None
    return module.SummaryWriter(str(run / SCALARS), purge_step=iteration + 1)


def write_scalars(writer: Any, row: Mapping[str, float]) -> None:
    """Show the numbers of a check in TensorBoard, where there is a writer."""
    if writer is None:
        return
    for name, value in row.items():
        if name != "iteration":
            writer.add_scalar(name, value, int(row["iteration"]))
    writer.flush()


def write_frame(run: Path, number: int, picture: NDArray[np.uint8]) -> None:
    """Keep one picture of the training film, and forget those after it."""
    atomic_write(run / FRAMES / f"{number:04}.png", encode_png(picture))
    for later in _frames(run)[number:]:
        later.unlink(missing_ok=True)


def _frames(run: Path) -> list[Path]:
    return sorted((run / FRAMES).glob("[0-9]*.png"))


def write_film(run: Path) -> None:
    """Join the pictures of the training film into an animated WebP.

    A run that went on with other pictures to measure on has frames of two sizes; the film shows the later ones.
    """
    frames = [read_texture(path).pixels for path in _frames(run)]
    shown = [frame for frame in frames if frame.shape == frames[-1].shape]
    if shown:
        atomic_write(run / FILM, encode_film(shown, FRAME_MILLISECONDS))


def write_samples(run: Path, samples: Sequence[HeldOutCrop], results: Sequence[NDArray[np.uint8]]) -> None:
    """Show each sample's input, result and target side by side."""
    inputs = [(s.lr[0].permute(1, 2, 0) * 255).round().byte().cpu().numpy() for s in samples]
    rows = [[lr, sr, s.hr] for lr, sr, s in zip(inputs, results, samples, strict=True)]
    atomic_write(run / SHEET, encode_png(contact_sheet(rows, columns=("input", "result", "target"))))


def data_facts(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Return for each folder of pictures how many files it has and a hash over their names and contents."""
    facts = []
    for root in folders:
        digest, count = hashlib.sha256(), 0
        for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES):
            try:
                content = sha256_of(path)
            except OSError:  # a folder of that name, or no right to read it: nothing was trained on it either
                continue
            digest.update(os.fsencode(path.relative_to(root).as_posix()) + f"\n{content}\n".encode())
            count += 1
        facts.append({"folder": root.resolve().name, "pictures": count, "sha256": digest.hexdigest()})
    return facts


def sample_facts(samples: Sequence[HeldOutCrop]) -> dict[str, Any]:
    """Return how many crops a run is measured on, and a hash over their names and pixels."""
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(os.fsencode(sample.name) + b"\n" + sample.hr.tobytes())
    return {"pictures": len(samples), "sha256": digest.hexdigest()}


def software_facts(device: torch.device) -> dict[str, str]:
    """Return the versions and the hardware that a run depends on."""
    return {
        "texup": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "threads": str(torch.get_num_threads()),
    }


def write_card(run: Path, card: Mapping[str, Any]) -> None:
    """Write the run card: what was trained, on what, with what, and what it reached."""
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    atomic_write(run / CARD, text.encode(errors="backslashreplace"))  # of undecodable names: JSON's own escapes
