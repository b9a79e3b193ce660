"""texup.policy.classify: what the pixels say, and what the user says over them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from texup.policy.classify import (
    CORRECTED,
    DATA,
    METHODS,
    NORMAL_METHODS,
    Policy,
    Treatment,
    of_islands,
    policy_for,
    without_doubt,
)
from texup.textures.cells import Cells
from texup.textures.codecs.files import read_texture
from texup.textures.pixelart import detect_pixel_art
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
    assert policy_for(kinds[kind], Treatment(alpha="auto", edges=AUTO)).alpha == kind


CHOSEN = {
    "opacity": {"binary": "binary", "few": "few", "soft": "soft", "data": "soft"},
    "binary": dict.fromkeys(("binary", "few", "soft", "data"), "binary"),
    "data": dict.fromkeys(("binary", "few", "soft", "data"), "data"),
    "copy": dict.fromkeys(("binary", "few", "soft", "data"), "copy"),
}


@pytest.mark.parametrize("choice", CHOSEN)
def test_a_choice_overrides_what_the_pixels_say_where_there_is_something_to_choose(kinds, choice):
    expected = {"none": "none", "constant": "constant", **CHOSEN[choice]}
    assert {kind: policy_for(t, Treatment(alpha=choice, edges=AUTO)).alpha for kind, t in kinds.items()} == expected


def test_each_axis_is_found_or_chosen_by_itself():
    y, x = np.mgrid[:32, :64]
    clouds = 60 + 5 * y + 20 * np.sin(2 * np.pi * 3 * x / 64) * (y / 32)
    sky = texture(colour=np.clip(np.repeat(clouds[..., None], 3, axis=2), 0, 255))
    assert policy_for(sky, Treatment(alpha="auto", edges=AUTO)) == Policy("none", ("clamp", "wrap"))
    assert policy_for(sky, Treatment(alpha="auto", edges=("mirror", "auto"))).edges == ("mirror", "wrap")
    assert policy_for(sky, Treatment(alpha="auto", edges=("auto", "clamp"))).edges == ("clamp", "clamp")
    assert policy_for(sky, Treatment(alpha="auto", edges=("wrap", "mirror"))).edges == ("wrap", "mirror")


def test_hidden_colour_decides_about_edges_only_where_alpha_is_no_opacity():
    y = np.mgrid[:SIDE, :SIDE][0]
    opacity = np.where((y > 3) & (y < SIDE - 4), 0.9, 0.0) + 0.004 * (y % 9) * ((y > 3) & (y < SIDE - 4))
    framed = texture(opacity)
    assert policy_for(framed, Treatment(alpha="opacity", edges=AUTO)).edges[0] == "clamp"
    assert policy_for(framed, Treatment(alpha="data", edges=AUTO)).edges == ("wrap", "wrap")


def bumps(side=SIDE):
    """Return colours (side, side, 3) of a tangent-space normal map."""
    y, x = np.mgrid[:side, :side]
    lean = np.stack([np.sin(x / 2), np.sin(y / 2), np.ones((side, side))], axis=2)
    return np.rint((lean / np.linalg.norm(lean, axis=2, keepdims=True) + 1) * 127.5)


def grey(side=SIDE):
    return np.random.default_rng(1).integers(0, 256, (side, side, 1)).repeat(3, axis=2)


def decided(texture, treatment=None, normals="resize"):
    policy = policy_for(texture, treatment or Treatment(), normals)
    return policy.kind, policy.method, policy.normal


COLOUR = ("colour", "net", None)
VECTORS = ("normal", "vectors", "tangent")


def test_without_a_word_a_picture_is_colour_and_unit_vectors_are_normals():
    assert decided(texture()) == COLOUR
    assert decided(texture(colour=bumps())) == VECTORS


@pytest.mark.parametrize("kind", METHODS)
def test_each_kind_has_its_method_which_a_treatment_may_replace(kind):
    seen = texture(colour=bumps())
    assert decided(seen, Treatment(kind=kind))[:2] == (kind, METHODS[kind])
    assert decided(seen, Treatment(kind=kind, method="nearest"))[:2] == (kind, "nearest")


def test_the_methods_are_those_that_keep_what_a_kind_holds():
    assert {METHODS[kind] for kind in ("colour", "interface", "emissive")} == {"net"}
    assert {METHODS[kind] for kind in ("mask", "height")} == {"smooth"}
    assert (METHODS["normal"], METHODS["font"], METHODS["lookup"]) == ("vectors", "nearest", "copy")


@pytest.mark.parametrize("wish", NORMAL_METHODS)
def test_a_wish_for_normals_holds_for_normals_only(wish):
    assert (
        decided(texture(colour=bumps()), normals=wish)[1] == {"resize": "vectors", "model": "net", "copy": "copy"}[wish]
    )
    assert decided(texture(), normals=wish) == COLOUR
    assert decided(texture(), Treatment(kind="mask"), wish)[1] == "smooth"


def surface(channels=3, side=64):
    """Return grit, (side, side, channels) of 0 to 255."""
    dice = np.random.default_rng(3)
    return np.clip(128 + 14 * dice.standard_normal((side, side, 1)).repeat(channels, 2), 0, 255)


def test_only_surfaces_behind_a_net_get_grain():
    seen = texture(colour=surface())
    assert policy_for(seen, Treatment()).grain == 1
    assert policy_for(seen, Treatment(grain=1.7)).grain == 1.7
    assert policy_for(seen, Treatment(grain=0.0)).grain == 0
    for kind in METHODS:
        found = policy_for(seen, Treatment(kind=kind, method="net", grain=1.7)).grain
        assert found == (1.7 if kind == "colour" else 0), kind
    for method in ("nearest", "smooth", "vectors", "copy"):
        assert policy_for(seen, Treatment(method=method, grain=1.7)).grain == 0, method
    assert policy_for(texture(colour=bumps()), Treatment(grain=1.0), "model").grain == 0


def test_the_fidelity_net_is_for_interfaces_and_rough_surfaces():
    rough, plain = texture(colour=surface()), texture(colour=np.full((64, 64, 3), 90))
    assert policy_for(rough, Treatment()).faithful
    assert policy_for(rough, Treatment(grain=0.0)).faithful  # what a surface is does not hang on what is wished
    assert not policy_for(plain, Treatment()).faithful
    assert not policy_for(plain, Treatment(grain=2.0)).faithful
    assert policy_for(plain, Treatment(kind="interface")).faithful
    for method in ("nearest", "smooth", "vectors", "copy"):
        assert not policy_for(rough, Treatment(kind="interface", method=method)).faithful


def test_the_fidelity_net_is_for_shaded_sprites_as_well():
    pack = Path(__file__).parents[1] / "data/n64_textures"
    heart, grass = (read_texture(pack / name) for name in ("ui/heart.png", "nature/grass.png"))
    assert policy_for(heart, Treatment(), method="auto").faithful
    assert not policy_for(heart, Treatment(), method="net").faithful
    assert policy_for(grass, Treatment(), method="auto").art == detect_pixel_art(grass.pixels, alpha=False)
    assert not detect_pixel_art(grass.pixels, alpha=False).shaded
    large = np.kron(heart.pixels, np.ones((5, 5, 1), np.uint8))
    assert not detect_pixel_art(large, alpha=True).shaded
    islands = of_islands(policy_for(heart, Treatment(), method="auto"), Treatment())
    assert islands.faithful


def test_several_pictures_get_grain_by_the_size_of_one_and_cut_outs_none():
    seen = texture(colour=surface())
    quarters, small = Cells("texels", 32, 32), Cells("texels", 16, 16)
    found = [policy_for(seen, Treatment(cells=cells)).grain for cells in ("whole", quarters, small, "islands")]
    assert found[0] == 1 > found[1] > found[2] == found[3] == 0
    assert policy_for(seen, Treatment(cells="islands", grain=0.5)).grain == 0.5


def test_only_colours_are_corrected():
    assert {"colour", "interface"} == CORRECTED


@pytest.mark.parametrize("kind", sorted(METHODS))
def test_alpha_of_data_is_data(kinds, kind):
    found = {name: policy_for(seen, Treatment(kind=kind)).alpha for name, seen in kinds.items()}
    assert (found["none"], found["constant"]) == ("none", "constant")
    expected = "data" if kind in DATA else None
    assert {found[name] == (expected or name) for name in ("binary", "few", "soft", "data")} == {True}
    assert policy_for(kinds["binary"], Treatment(kind=kind, alpha="binary")).alpha == "binary"


def test_specular_strength_in_the_alpha_of_normals_cuts_nothing_out(disc):
    seen = texture(disc(SIDE, SIDE), bumps())
    assert policy_for(seen, Treatment(kind="normal", normal="tangent")).alpha == "data"


def test_vectors_that_point_away_are_not_taken_for_a_tangent_space_map():
    away = np.random.default_rng(0).normal(0, 1, (SIDE, SIDE, 3))
    away = np.rint((away / np.linalg.norm(away, axis=2, keepdims=True) + 1) * 127.5)
    assert decided(texture(colour=away), Treatment(kind="normal", normal="tangent"))[2] == "object"
    assert decided(texture(colour=bumps()), Treatment(kind="normal", normal="object"))[2] == "object"


def test_a_named_normal_map_is_one_even_if_its_vectors_are_stretched():
    stretched = np.dstack([np.clip((bumps()[..., :2] - 128) * 4 + 128, 0, 255), bumps()[..., 2] * 0 + 240])
    assert decided(texture(colour=stretched)) == COLOUR
    for doubted in (False, True):
        assert decided(texture(colour=stretched), Treatment(kind="normal", doubted=doubted)) == VECTORS


def test_pixels_may_deny_a_kind_that_is_doubted_and_no_other():
    brown = texture(colour=np.random.default_rng(0).integers((150, 110, 70), (190, 150, 110), (SIDE, SIDE, 3)))
    for kind in ("normal", "height", "mask"):
        assert decided(brown, Treatment(kind=kind, doubted=True)) == COLOUR
        assert decided(brown, Treatment(kind=kind))[0] == kind
    assert decided(texture(colour=grey()), Treatment(kind="height", doubted=True))[0] == "height"
    assert decided(texture(colour=grey()), Treatment(kind="mask", doubted=True))[0] == "mask"
    assert decided(brown, Treatment(kind="emissive", doubted=True))[0] == "emissive"


def test_what_is_denied_takes_with_it_what_was_meant_for_it_and_leaves_what_the_user_chose():
    brown = texture(colour=np.random.default_rng(0).integers((150, 110, 70), (190, 150, 110), (SIDE, SIDE, 3)))
    suggested = Treatment("mask", "nearest", alpha="binary", edges=("wrap", "clamp"), doubted=True)
    assert without_doubt(suggested, brown) == Treatment(alpha="binary", edges=("wrap", "clamp"))
    grey_one = texture(colour=grey())
    assert without_doubt(suggested, grey_one) == replace(suggested, doubted=False)
    sure = replace(suggested, doubted=False)
    assert without_doubt(sure, brown) == sure


def test_a_blue_sky_is_no_normal_map_whatever_its_name_suggests():
    for sky in ((100, 150, 255), (180, 200, 240), (120, 120, 200), (40, 40, 90)):
        seen = texture(colour=np.random.default_rng(0).normal(sky, 8, (SIDE, SIDE, 3)).clip(0, 255))
        for form in (None, "tangent", "object", "two_channel"):
            assert decided(seen, Treatment(kind="normal", normal=form, doubted=True)) == COLOUR


def test_channels_of_data_are_masks_even_where_they_look_coloured():
    packed = np.random.default_rng(0).integers(80, 180, (SIDE, SIDE, 4))
    mask = Treatment(kind="mask", doubted=True)
    assert decided(Texture(packed.astype(np.uint8), Container("dds")), mask)[0] == "mask"  # something else in its alpha
    assert decided(Texture(packed[..., :3].astype(np.uint8), Container("dds", block="bc5")), mask)[0] == "mask"
    assert decided(Texture(packed[..., :3].astype(np.uint8), Container("dds")), mask)[0] == "colour"


def test_a_normal_map_without_channels_for_its_form_has_none():
    alone = Texture(grey()[..., :1].astype(np.uint8), Container("png"))
    assert decided(alone, Treatment(kind="normal", normal="tangent")) == ("normal", "vectors", None)
    assert decided(texture(), Treatment(kind="normal", normal="dxt5nm"))[2] is None


def bc5(colour):
    return Texture(colour.astype(np.uint8), Container("dds", block="bc5"))


def test_bc5_holds_two_channels_of_vectors_whatever_the_name_says():
    two = np.dstack([bumps()[..., :2], np.zeros((SIDE, SIDE))])
    assert decided(bc5(two)) == ("normal", "vectors", "two_channel")
    assert decided(bc5(two), Treatment(kind="normal", normal="tangent"))[2] == "two_channel"


def test_bc5_of_something_else_is_smoothed_channel_by_channel():
    gloss = np.dstack([np.full((SIDE, SIDE), 40), grey()[..., 0] // 4 + 180, np.zeros((SIDE, SIDE))])
    assert decided(bc5(gloss)) == ("mask", "smooth", None)
    assert decided(bc5(gloss), Treatment(kind="mask")) == ("mask", "smooth", None)


def test_cells_are_taken_over_and_whole_means_none():
    halves = Cells("count", 2, 1)
    assert policy_for(texture(), Treatment(cells=halves)).cells == halves
    assert policy_for(texture(), Treatment(cells="islands")).cells == "islands"
    assert policy_for(texture(), Treatment(cells="whole")).cells is None
    assert policy_for(texture(), Treatment()).cells is None


def test_pixels_decide_for_pictures_only_and_only_where_nobody_else_does():
    drawn = np.kron(np.eye(8, dtype=np.uint8)[..., None], np.ones((4, 4, 3), np.uint8)) * 255
    texture = Texture(drawn, Container("png"))

    def method(treatment=None, wish="auto"):
        return policy_for(texture, treatment or Treatment(), method=wish).method

    assert (method(), method(wish="net"), method(wish="nearest")) == ("pixel", "net", "nearest")
    assert method(Treatment(kind="interface")) == method(Treatment(kind="emissive")) == "pixel"
    for kind in ("font", "mask", "height", "lookup", "normal"):
        assert method(Treatment(kind=kind), "pixel") == method(Treatment(kind=kind), "net")
    assert method(Treatment(method="net")) == "net"
    assert policy_for(texture, Treatment(), method="net").art is None
