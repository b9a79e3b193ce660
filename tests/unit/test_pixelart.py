"""texup.textures.pixelart: what is drawn texel by texel, and what is a picture that only has few texels or colours."""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from texup.textures.codecs.files import read_texture
from texup.textures.pixelart import MAX_SIDE, detect_pixel_art
from texup.textures.planes import classify_alpha

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
laws = settings(deadline=None, derandomize=True, max_examples=80)


def sprite():
    """Return a face (16, 16, 4): a black ring, yellow inside, two eyes and a mouth; nothing around it."""
    y, x = np.mgrid[:16, :16] - 7.5
    radius = np.hypot(y, x)
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[radius < 7.6] = (0, 0, 0, 255)
    pixels[radius < 6.4] = (255, 220, 0, 255)
    for at in ((5, 5), (5, 10), (10, 6), (11, 7), (11, 8), (10, 9)):
        pixels[at] = (60, 20, 0, 255)
    return pixels


def hills(side=32):
    """Return smooth slopes with grit (side, side, 3), as a photograph has them."""
    y, x = np.mgrid[:side, :side] / side
    grit = np.random.default_rng(2).normal(0, 6, (side, side))
    shade = 120 + 60 * np.sin(5 * x + 2 * y) + 40 * np.cos(7 * y) + grit
    return np.clip(np.stack([shade, shade * 0.8, shade * 0.6], axis=2), 0, 255).astype(np.uint8)


def with_palette(pixels, colours, *, dither):
    image = Image.fromarray(pixels)
    palette = image.quantize(colours)
    return np.asarray(image.quantize(palette=palette, dither=Image.Dither(3 * dither)).convert("RGB"))


def of_bits(pixels, bits):
    """Return pixels as a few bits of each channel show them."""
    most = 2 ** np.array(bits) - 1
    return np.rint(np.rint(pixels / 255 * most) * 255 / most).astype(np.uint8)


def test_a_drawn_sprite_is_pixel_art_and_the_facts_say_why():
    found = detect_pixel_art(sprite(), alpha=True)
    assert found.is_pixel_art
    assert found.colours == 3
    assert found.equal > 0.5
    assert found.soft == 0


def test_a_photograph_is_not_whatever_palette_it_has():
    photograph = hills()
    stored = [
        photograph,
        photograph >> 3 << 3,
        *(of_bits(photograph, bits) for bits in ((4, 4, 4), (3, 3, 2))),
        *(with_palette(photograph, n, dither=d) for n in (256, 16) for d in (0, 1)),
    ]
    assert [detect_pixel_art(pixels, alpha=False).is_pixel_art for pixels in stored] == [False] * len(stored)


@pytest.mark.parametrize("colours", [2, 3, 4, 8, 256])
def test_noise_is_not(colours):
    rng = np.random.default_rng(1)
    palette = rng.integers(0, 256, (colours, 3)).astype(np.uint8)
    assert not detect_pixel_art(palette[rng.integers(0, colours, (32, 32))], alpha=False).is_pixel_art


def test_one_colour_is_not_but_a_silhouette_is():
    assert not detect_pixel_art(np.full((16, 16, 3), 90, np.uint8), alpha=False).is_pixel_art
    assert not detect_pixel_art(np.zeros((16, 16, 4), np.uint8), alpha=True).is_pixel_art
    black = sprite()
    black[..., :3] = 0
    assert detect_pixel_art(black, alpha=True).is_pixel_art


def test_hidden_colour_does_not_count_unless_alpha_is_no_opacity():
    pixels = sprite()
    hidden = pixels[..., 3] == 0
    pixels[hidden, :3] = np.random.default_rng(3).integers(0, 256, (hidden.sum(), 3))
    assert detect_pixel_art(pixels, alpha=True) == detect_pixel_art(sprite(), alpha=True)
    assert detect_pixel_art(pixels, alpha=False).colours > 3


def test_a_soft_outline_is_shading():
    pixels = sprite()
    y, x = np.mgrid[:16, :16] - 7.5
    pixels[..., 3] = np.clip((8 - np.hypot(y, x)) * 40, 0, 255)
    assert not detect_pixel_art(pixels, alpha=True).is_pixel_art


def test_large_textures_must_be_clearly_so():
    drawn = np.kron(sprite()[..., :3], np.ones((6, 6, 1), np.uint8))  # 96 x 96
    assert detect_pixel_art(drawn, alpha=False).is_pixel_art
    assert detect_pixel_art(sprite()[..., :3], alpha=False).is_pixel_art
    wide = np.tile(sprite(), (1, MAX_SIDE // 16 + 1, 1))
    assert detect_pixel_art(wide, alpha=True).reason == "too large"


@laws
@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 8), st.integers(1, 8), st.integers(1, 4)),
        elements=st.sampled_from([0, 1, 90, 128, 255]),
    ),
    st.booleans(),
)
def test_no_picture_fails_and_turning_changes_nothing(pixels, alpha):
    found = detect_pixel_art(pixels, alpha=alpha)
    assert all(type(value) in (bool, int, float, str) for value in asdict(found).values())
    for turned in (pixels[::-1], pixels[:, ::-1], pixels.transpose(1, 0, 2)):
        assert detect_pixel_art(turned, alpha=alpha) == found


@laws
@given(st.integers(0, 2**32 - 1))
def test_16_bits_are_judged_like_8(seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (4, 3))[rng.integers(0, 4, (16, 16)).cumsum(1) // 5 % 4].astype(np.uint8)
    assert detect_pixel_art(pixels * np.uint16(257), alpha=False) == detect_pixel_art(pixels, alpha=False)


@pytest.mark.skipif(not (SHARED / "packs").is_dir(), reason=f"{SHARED / 'packs'} with real texture packs is not here")
@pytest.mark.parametrize(("label", "wanted"), [("pixel_art", True), ("other", False)])
def test_of_real_textures_judged_by_eye_95_percent_are_right(label, wanted):
    paths = tomllib.loads((ROOT / "tests/data/pixel_art_labels.toml").read_text(encoding="utf-8"))[label]
    wrong = []
    for path in paths:
        pixels = read_texture(SHARED / "packs" / path).pixels
        is_opacity = classify_alpha(pixels) not in ("none", "data")
        if detect_pixel_art(pixels, alpha=is_opacity).is_pixel_art != wanted:
            wrong.append(path)
    assert len(wrong) <= 0.05 * len(paths), wrong
