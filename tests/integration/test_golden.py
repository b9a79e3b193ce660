"""Textures of the example pack, upscaled by a fixed net, against pictures that somebody looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from texup.policy.classify import Treatment, policy_for
from texup.textures.codecs.files import encode, read_texture

GOLDEN = Path(__file__).parents[1] / "golden"
EXAMPLES = Path(__file__).parents[1] / "data" / "n64_textures"
GOLDEN_TEXTURES = ["walls/brick_wall.png", "nature/foliage.png", "effects/flare.png", "ui/heart.png"]
STEPS = [0, 1, 2, 3, 5, 9, 17, 33, 65, 256]


def histogram(off):
    """Return a table of how many samples differ by how many levels."""
    counts = np.histogram(off, STEPS)[0]
    return "\n".join(f"{low:4d}..{high - 1:<3d} {n:8d}" for low, high, n in zip(STEPS, STEPS[1:], counts, strict=False))


@pytest.mark.parametrize("name", GOLDEN_TEXTURES)
def test_example_textures_look_as_they_did(name, upscaled, through, tiny_model, update_golden):
    texture = read_texture(EXAMPLES / name)
    policy = policy_for(texture, Treatment())
    result = upscaled(
        texture.pixels,
        through(tiny_model),
        alpha=policy.alpha,
        edges=policy.edges,
        margin=16,
        shows_hidden=policy.shows_hidden,
    )
    golden = GOLDEN / f"{Path(name).stem}_x4.png"
    if update_golden:
        golden.parent.mkdir(exist_ok=True)
        golden.write_bytes(encode(result))
    expected = read_texture(golden).pixels
    assert expected.shape == result.pixels.shape
    off = np.abs(expected.astype(int) - result.pixels)
    allowed = 0.001 if policy.alpha == "binary" else 0  # rounding may put a texel on the threshold on its other side
    table = f"{golden.name}: samples by their difference in levels\n{histogram(off)}\nMeant so? pytest --update-golden"
    assert (off > 1).mean() <= allowed, table
