"""The shipped weights in the loader of other tools: the same architecture, the same pixels.

spandrel is what most tools of the field load nets with. It asks for torchvision, which the CPU wheel of torch does not
go with, so that it is no dependency of the tests: install it by ``pip install --no-deps spandrel einops``.
"""

from __future__ import annotations

import pytest
import torch

from texup.models.catalog import load_catalog
from texup.models.loading import load_model

ARCHITECTURES = {"SRVGGNetCompact": "RealESRGAN Compact"}  # ours -> spandrel's name
SHIPPED = load_catalog().models


@pytest.mark.parametrize("name", SHIPPED)
def test_spandrel_loads_what_is_shipped_and_gives_its_pixels(spandrel, name):
    entry = SHIPPED[name]
    ours = load_model(entry.path, name=name, expected_sha256=entry.sha256)
    theirs = spandrel.ModelLoader(device="cpu").load_from_file(entry.path)
    assert isinstance(theirs, spandrel.ImageModelDescriptor)
    assert (theirs.architecture.name, theirs.scale) == (ARCHITECTURES[entry.architecture], entry.scale)
    assert (theirs.input_channels, theirs.output_channels) == (3, 3)
    picture = torch.rand(1, 3, 24, 20, generator=torch.Generator().manual_seed(7))
    with torch.inference_mode():
        expected = theirs.model.float().eval()(picture)
        found = ours.net.float().eval()(picture)
    assert found.shape == (1, 3, 24 * entry.scale, 20 * entry.scale)
    assert (found - expected).abs().max() < 1e-4
