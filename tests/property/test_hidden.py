"""Colour under alpha 0: the source's own out of the reach of what shows, whatever the class of alpha."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from texup.policy.classify import Treatment, policy_for
from texup.textures.color import area
from texup.textures.hidden import goes_on, is_picture
from texup.textures.seams import pad
from texup.textures.texture import Container, Texture

from ..builders import EDGES

MODEST = settings(deadline=None, derandomize=True, max_examples=40)
CASES = Path(__file__).parents[3] / "shared" / "cases"
MASKS = ["disc", "antialiased", "bars", "specks", "gloss", "levels"]


def mask(kind, h, w, dice):
    """Alpha (h, w) in [0, 1] that is 0 on a good part."""
    y, x = np.mgrid[:h, :w]
    away = np.hypot(y - h / 2, x - w / 3)
    return {
        "disc": away < h / 3,
        "antialiased": np.clip(h / 3 - away, 0, 1),
        "bars": (x // 5) % 3 == 0,
        "specks": dice.random((h, w)) < 0.02,
        "gloss": np.clip((away - h / 3) / h, 0, 1),
        "levels": np.clip(np.floor((h / 2 - away) / 4), 0, 3) / 3,
    }[kind].astype(float)


def colours(kind, h, w, dice):
    """Colour (h, w, 3) in [0, 255]."""
    y, x = np.mgrid[:h, :w]
    if kind == "noise":
        return dice.integers(0, 256, (h, w, 3))
    if kind == "waves":
        return 128 + 100 * np.sin(np.stack([y / 3 + x / 5, x / 4, y / 2 - x / 7], 2))
    return np.broadcast_to(dice.integers(0, 256, 3), (h, w, 3))


def rgba(colour, alpha):
    return np.concatenate([colour, np.rint(alpha * 255)[..., None]], axis=2).astype(np.uint8)


def out_of_reach(result, scale, edges):
    """Texels (H, W) of the source two texels away from everything that shows in the result."""
    shows = area((result[..., -1:] > 0).astype(np.float32), scale)[..., 0] > 0
    around = pad(shows, (1, 1, 1, 1), edges)
    return ~np.lib.stride_tricks.sliding_window_view(around, (3, 3)).any(axis=(2, 3))


@MODEST
@given(
    st.sampled_from(MASKS),
    st.sampled_from(["noise", "waves", "flat"]),
    st.sampled_from(["noise", "waves", "flat"]),
    st.sampled_from([2, 4]),
    st.sampled_from(EDGES),
    st.sampled_from(["net", "pixel"]),
    st.integers(0, 2**32 - 1),
)
def test_block_means_of_what_is_hidden_equal_the_source(
    upscaled, through, tiny_model, alpha, over, under, scale, edge, method, seed
):
    dice, edges = np.random.default_rng(seed), (edge, edge)
    h, w = 24, 28
    opacity = mask(alpha, h, w, dice)
    source = rgba(np.where(opacity[..., None] > 0, colours(over, h, w, dice), colours(under, h, w, dice)), opacity)
    found = policy_for(Texture(source, Container("png")), Treatment())
    if found.shows_hidden:
        return  # nothing is bled: the net has the whole picture
    result = upscaled(source, through(tiny_model), scale, alpha=found.alpha, edges=edges, method=method).pixels
    away = out_of_reach(result, scale, edges)
    means = area(result[..., :3].astype(np.float32), scale)
    assert np.abs(means - source[..., :3])[away].max(initial=0) <= 1


@MODEST
@given(st.sampled_from(MASKS), st.sampled_from([2, 4]), st.integers(0, 2**32 - 1))
def test_black_stays_black(upscaled, through, tiny_model, alpha, scale, seed):
    dice = np.random.default_rng(seed)
    opacity = mask(alpha, 24, 28, dice)
    source = rgba(np.where(opacity[..., None] > 0, colours("noise", 24, 28, dice), 0), opacity)
    found = policy_for(Texture(source, Container("png")), Treatment())
    result = upscaled(
        source, through(tiny_model), scale, alpha=found.alpha, edges=found.edges, shows_hidden=found.shows_hidden
    ).pixels
    away = out_of_reach(result, scale, found.edges).repeat(scale, 0).repeat(scale, 1)
    assert result[away][:, :3].max(initial=0) <= 2


@pytest.mark.parametrize("kind", ["disc", "antialiased", "levels"])
def test_a_white_thing_on_black_has_no_fringe(upscaled, through, tiny_model, kind):
    opacity = mask(kind, 24, 28, np.random.default_rng(0))
    source = rgba((opacity > 0)[..., None].repeat(3, 2) * 255, opacity)
    policy = policy_for(Texture(source, Container("png")), Treatment())
    assert not policy.shows_hidden
    result = upscaled(source, through(tiny_model), alpha=policy.alpha).pixels
    near = np.zeros(result.shape[:2], np.bool_)
    for dy in (-1, 0, 1):  # what a bilinear filter mixes with what shows
        for dx in (-1, 0, 1):
            near |= np.roll(result[..., 3] > 0, (dy, dx), (0, 1))
    assert result[near][:, :3].min() >= 254


def test_a_picture_that_goes_on_is_told_from_what_an_exporter_left():
    dice = np.random.default_rng(2)
    picture = colours("noise", 32, 32, dice) // 2 + 60
    gloss, disc = mask("gloss", 32, 32, dice), mask("disc", 32, 32, dice)
    assert goes_on(rgba(picture, gloss))
    assert goes_on(rgba(picture, disc))
    assert not goes_on(rgba(np.where(disc[..., None] > 0, picture, 0), disc))
    assert not goes_on(rgba(np.where(disc[..., None] > 0, picture, (255, 0, 255)), disc))
    smooth = colours("waves", 32, 32, dice)
    blotches = 255 * (np.indices((32, 32)).sum(axis=0) // 5 % 2)[..., None].repeat(3, 2)
    assert not goes_on(rgba(np.where(disc[..., None] > 0, smooth, blotches), disc)), "a step at the border"
    assert not goes_on(rgba(picture, np.ones((32, 32))))
    assert not goes_on(rgba(picture, np.zeros((32, 32)))), "nothing shows that it could go on from"


def test_premultiplied_colour_belongs_to_the_picture():
    glow = mask("antialiased", 24, 28, np.random.default_rng(0))
    smooth = np.clip(1 - np.hypot(*(np.mgrid[:24, :28] - 12)) / 11, 0, 1)
    for alpha in (glow, smooth):
        straight = np.broadcast_to((255, 160, 60), (24, 28, 3))
        assert is_picture(rgba(straight * alpha[..., None], alpha))
        assert not is_picture(rgba(straight * (alpha > 0)[..., None], alpha))
    binary = (smooth > 0).astype(float)
    assert not is_picture(rgba(255 * binary[..., None].repeat(3, 2), binary)), "two levels cannot tell"


def test_the_users_word_for_opacity_stands():
    picture = colours("noise", 32, 32, np.random.default_rng(0))
    texture = Texture(rgba(picture, mask("gloss", 32, 32, np.random.default_rng(0))), Container("png"))
    assert policy_for(texture, Treatment()).shows_hidden
    assert not policy_for(texture, Treatment(alpha="opacity")).shows_hidden


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases")
@pytest.mark.parametrize("name", ["B01/gloss_gradient", "B01/team_binary", "B07/additive_glow", "F01/icon"])
def test_textures_of_real_packs(upscaled, through, tiny_model, name):
    source = np.array(Image.open(CASES / f"{name}.png"))
    policy = policy_for(Texture(source, Container("png")), Treatment())
    assert policy.shows_hidden == (name != "F01/icon")
    result = upscaled(source, through(tiny_model), alpha=policy.alpha, shows_hidden=policy.shows_hidden).pixels
    if not policy.shows_hidden:
        visible = source[..., 3] > 0
        assert result[result[..., 3] > 0][:, :3].max() <= source[visible][:, :3].max() + 2
