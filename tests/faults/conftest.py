"""What the fault tests share: a small file of weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from texup.models.weights import save_weights


@pytest.fixture(scope="session")
def weights(tmp_path_factory, near_identity) -> Path:
    """A x4 RRDBNet that repeats pixels, nearly: some noise in every filter gives it a real receptive field."""
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, near_identity(1), {})
    return path
