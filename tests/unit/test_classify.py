"""texup.packs.classify: what the pixels say, and what the user says over them."""

from __future__ import annotations

import numpy as np
import pytest

from texup.packs.classify import Policy, policy_for
from texup.textures.texture import Container, Texture

AUTO = ("auto", "auto")
SIDE = 24


def texture(alpha=None, colour=None):
    """Return a texture of grainy colour, with ``alpha`` (H, W) in [0, 1] if given."""
    if colour is None:
        colour = np.random.default_rng(0).integers(60, 200, (SIDE, SIDE, 3))
    planes = [colour] if alpha is None else [colour, np.rint(alpha * 255)[..., None]]
    return Texture(np.concatenate(planes, axis=2).astype(np.uint8), Container("png"))


@pytest.fixture
def kinds(disc):
    """One texture of each kind that pixels can have."""
    soft = disc(SIDE, SIDE, soft=True)
    hard = disc(SIDE, SIDE, radius=8)
    return {
        "none": texture(),
        "constant": texture(np.full((SIDE, SIDE), 0.5)),
        "binary": texture(hard),
        "few": texture(np.maximum(hard * 0.5, disc(SIDE, SIDE, radius=4))),
        "soft": texture(soft, np.full((SIDE, SIDE, 3), 90)),
        "data": texture(np.clip(0.5 + 0.6 * np.sin(np.indices((SIDE, SIDE)).sum(axis=0) / 4), 0, 1)),
    }


@pytest.mark.parametrize("kind", ["none", "constant", "binary", "few", "soft", "data"])
def test_left_alone_the_pixels_decide(kinds, kind):
    assert policy_for(kinds[kind], "auto", AUTO).alpha == kind


CHOSEN = {
    "opacity": {"binary": "binary", "few": "few", "soft": "soft", "data": "soft"},
    "binary": dict.fromkeys(("binary", "few", "soft", "data"), "binary"),
    "data": dict.fromkeys(("binary", "few", "soft", "data"), "data"),
    "copy": dict.fromkeys(("binary", "few", "soft", "data"), "copy"),
}


@pytest.mark.parametrize("choice", CHOSEN)
def test_a_choice_overrides_what_the_pixels_say_where_there_is_something_to_choose(kinds, choice):
    expected = {"none": "none", "constant": "constant", **CHOSEN[choice]}
    assert {kind: policy_for(t, choice, AUTO).alpha for kind, t in kinds.items()} == expected


def test_each_axis_is_found_or_chosen_by_itself():
    y, x = np.mgrid[:32, :64]
    clouds = 60 + 5 * y + 20 * np.sin(2 * np.pi * 3 * x / 64) * (y / 32)
    sky = texture(colour=np.clip(np.repeat(clouds[..., None], 3, axis=2), 0, 255))
    assert policy_for(sky, "auto", AUTO) == Policy("none", ("clamp", "wrap"))
    assert policy_for(sky, "auto", ("mirror", "auto")).edges == ("mirror", "wrap")
    assert policy_for(sky, "auto", ("auto", "clamp")).edges == ("clamp", "clamp")
    assert policy_for(sky, "auto", ("wrap", "mirror")).edges == ("wrap", "mirror")


def test_hidden_colour_decides_about_edges_only_where_alpha_is_no_opacity():
    y = np.mgrid[:SIDE, :SIDE][0]
    opacity = np.where((y > 3) & (y < SIDE - 4), 0.9, 0.0) + 0.004 * (y % 9) * ((y > 3) & (y < SIDE - 4))
    framed = texture(opacity)
    assert policy_for(framed, "opacity", AUTO).edges[0] == "clamp"
    assert policy_for(framed, "data", AUTO).edges == ("wrap", "wrap")
