"""What the tests of whole commands share: a catalog of two tiny nets."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from texup.models.weights import save_weights
from texup.training.run import records, throughput

ENTRY = """
[[model]]
name = "{name}"
file = "{name}.safetensors"
scale = 4
architecture = "RRDBNet"
sha256 = "{sha256}"
licence = "MIT"
source = "test"
description = "a tiny net"
context = 8
"""


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory, near_identity) -> Path:
    """A folder of weights: tiny-psnr, tiny-gan, their catalog, whose default is tiny-gan, and the real recipes."""
    folder = tmp_path_factory.mktemp("weights")
    psnr, other = near_identity(0), near_identity(1)
    text = 'default = "tiny-gan"\n[pair]\npsnr = "tiny-psnr"\ngan = "tiny-gan"\n'
    for name, state in {"tiny-psnr": psnr, "tiny-gan": {k: 0.7 * v + 0.3 * other[k] for k, v in psnr.items()}}.items():
        path = folder / f"{name}.safetensors"
        save_weights(path, state, {})
        text += ENTRY.format(name=name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    (folder / "catalog.toml").write_text(text, encoding="utf-8")
    shutil.copytree(Path(__file__).parents[2] / "weights" / "recipes", folder / "recipes")
    return folder


@pytest.fixture
def quick_training(monkeypatch) -> None:
    """Lets runs of a few iterations draw no curves, which take a second each time, and measure the device in less."""
    monkeypatch.setattr(throughput, "SIDE", {"cpu": 64})
    monkeypatch.setattr("texup.pictures.charts.is_installed", lambda: True)
    monkeypatch.setattr(records, "is_installed", lambda: True)
    monkeypatch.setattr(records, "curves", lambda _history: b"curves")


@pytest.fixture
def catalog(tiny_weights, monkeypatch) -> Path:
    """Puts the tiny nets in place of those that texup ships."""
    monkeypatch.setattr("texup.models.catalog.weights_folder", lambda: tiny_weights)
    return tiny_weights
