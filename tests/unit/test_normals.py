"""texup.textures.normals: vectors and colours, and what is a normal map by its pixels alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texup.textures.codecs.files import SUFFIXES, read_texture
from texup.textures.normals import (
    could_be_normals,
    could_be_slopes,
    decode,
    encode,
    fits,
    looks_like_normals,
    renormalise,
)

FORMS = ("tangent", "object", "two_channel", "dxt5nm")
laws = settings(deadline=None, derandomize=True, max_examples=60)


def slopes(seed=0, *, steep=0.6, height=48, width=64):
    """Return unit vectors (H, W, 3) of waves and grain; z > 0."""
    dice = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(2 * np.pi * (x + 2 * k * y) / 16 + k) + dice.normal(0, 0.3, (height, width)) for k in (0, 1)]
    return unit(np.stack([steep * waves[0], steep * waves[1], np.ones((height, width))], axis=2))


def ball(height=48, width=64, seed=0):
    """Return unit vectors of all directions, as on the model-space map of a body."""
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, width), np.linspace(0.1, np.pi - 0.1, height))
    around = np.stack([np.cos(u) * np.sin(v), np.sin(u) * np.sin(v), np.cos(v)], axis=2)
    return unit(around + np.random.default_rng(seed).normal(0, 0.1, around.shape))


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=2, keepdims=True)


def colours(vectors, dtype=np.uint8):
    return np.rint((vectors + 1) / 2 * np.iinfo(dtype).max).astype(dtype)


def made(form, dtype=np.uint8, seed=0):
    """Return pixels of a normal map of a form."""
    rgb = colours(ball(seed=seed) if form == "object" else slopes(seed), dtype)
    if form in ("tangent", "object"):
        return rgb
    full = np.full_like(rgb[..., 0], np.iinfo(dtype).max)
    if form == "two_channel":
        return np.stack([rgb[..., 0], rgb[..., 1], np.zeros_like(full)], axis=2)
    return np.stack([full, rgb[..., 1], full, rgb[..., 0]], axis=2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("form", FORMS)
def test_vectors_come_back_as_the_colours_that_they_were(form, dtype):
    pixels = made(form, dtype)
    vectors = decode(pixels, form)
    assert vectors.dtype == np.float32
    assert np.abs(np.linalg.norm(vectors, axis=2) - 1).max() < 1e-5
    off = encode(vectors, pixels, form).astype(int) - pixels.astype(int)
    assert np.abs(off).max() <= np.iinfo(dtype).max / 255 + 1
    assert encode(vectors, pixels, form).dtype == dtype


@given(st.sampled_from(FORMS), st.integers(0, 2**32 - 1))
@laws
def test_whatever_the_texels_are_every_vector_has_length_one_and_none_points_below_the_surface(form, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (5, 7, 4), np.uint8)
    vectors = decode(pixels, form)
    length = np.linalg.norm(vectors, axis=2)
    assert np.abs(length[length > 0] - 1).max() < 1e-5
    if form != "object":
        assert length.min() > 0
        assert vectors[..., 2].min() >= 0


@pytest.mark.parametrize("form", FORMS)
def test_channels_without_a_vector_stay(form):
    pixels = np.random.default_rng(1).integers(0, 256, (6, 6, 4), np.uint8)
    kept = {"tangent": [3], "object": [3], "two_channel": [2, 3], "dxt5nm": [0, 2]}[form]
    assert (encode(decode(pixels, form), pixels, form)[..., kept] == pixels[..., kept]).all()


def test_object_maps_keep_vectors_that_point_away_and_texels_without_one():
    away = colours(np.array([[[0.6, 0.0, -0.8], [0.0, 0.0, 0.0]]]))
    assert (encode(decode(away, "object"), away, "object") == away).all()
    assert decode(away, "tangent")[..., 2].min() >= 0


def test_grey_has_no_direction_and_is_level():
    assert decode(np.full((1, 1, 3), 128, np.uint8), "tangent").tolist() == [[[0, 0, 1]]]


def test_two_channels_rebuild_the_third():
    assert decode(made("two_channel"), "two_channel") == pytest.approx(slopes(), abs=0.05)
    assert decode(made("dxt5nm"), "dxt5nm") == pytest.approx(slopes(), abs=0.05)


def test_green_keeps_its_direction():
    up, down = slopes(), slopes() * [1, -1, 1]
    assert decode(colours(down), "tangent") == pytest.approx(decode(colours(up), "tangent") * [1, -1, 1], abs=0.02)


def test_renormalised_vectors_are_not_changed_again():
    once = renormalise(slopes().astype(np.float32) * 3, "tangent")
    assert renormalise(once, "tangent") == pytest.approx(once, abs=1e-6)


def test_forms_need_their_channels():
    assert [[fits(np.zeros((1, 1, c), np.uint8), form) for c in (1, 2, 3, 4)] for form in FORMS] == [
        [False, False, True, True],
        [False, False, True, True],
        [False, True, True, True],
        [False, False, False, True],
    ]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("form", FORMS)
def test_normal_maps_are_known_by_their_pixels(form, dtype):
    assert {looks_like_normals(made(form, dtype, seed)) for seed in range(5)} == {form}


@pytest.mark.parametrize("steep", [0.05, 0.2, 0.6, 2.0])
def test_gentle_and_steep_maps_are_known_whichever_way_green_points(steep):
    vectors = slopes(steep=steep)
    assert looks_like_normals(colours(vectors)) == "tangent"
    assert looks_like_normals(colours(vectors * [1, -1, 1])) == "tangent"


@pytest.mark.parametrize("block", ["bc1", "bc3", "bc7"])
@pytest.mark.parametrize("steep", [0.2, 0.6, 1.0])
def test_block_compression_does_not_hide_a_normal_map(block, steep):
    etcpak = pytest.importorskip("etcpak")
    decoder = pytest.importorskip("texture2ddecoder")
    rgb = colours(slopes(steep=steep))
    height, width, _ = rgb.shape
    rgba = np.dstack([rgb, np.full((height, width), 255, np.uint8)])
    blocks = getattr(etcpak, f"compress_{block}")(rgba.tobytes(), width, height)
    bgra = np.frombuffer(getattr(decoder, f"decode_{block}")(blocks, width, height), np.uint8)
    # of few levels blue may come out as 255 everywhere, which is what two channels look like
    assert looks_like_normals(bgra.reshape(height, width, 4)[..., [2, 1, 0, 3]]) in ("tangent", "two_channel")


@pytest.mark.parametrize("blue", [254, 255])
@pytest.mark.parametrize("level", [127, 128])
def test_a_level_surface_is_a_normal_map_too(level, blue):
    assert looks_like_normals(np.full((4, 4, 3), (level, level, blue), np.uint8)) == "tangent"


@pytest.mark.parametrize(
    "colour",
    [(0, 0, 255), (135, 206, 250), (54, 54, 54), (201, 201, 201), (100, 100, 255), (128, 128, 0), (255, 255, 255)],
)
def test_other_single_colours_are_none(colour):
    assert looks_like_normals(np.full((8, 8, 3), colour, np.uint8)) is None


def test_greys_of_unit_length_are_no_object_map():
    dots = np.where(np.random.default_rng(0).random((32, 32, 1)) < 0.5, 54, 201).repeat(3, axis=2).astype(np.uint8)
    assert looks_like_normals(dots) is None


def test_grey_textures_are_none():
    assert looks_like_normals(made("tangent")[..., :1]) is None
    assert looks_like_normals(made("dxt5nm")[..., 1::2]) is None


def test_a_drawing_on_a_ground_that_happens_to_be_a_vector_is_none():
    """Three quarters of a lavender ground are of unit length; the drawing on it is not."""
    drawing = np.full((32, 32, 3), (150, 128, 250), np.uint8)
    drawing[8:24, 8:24] = (40, 60, 20)
    drawing[10:14, 10:22] = (230, 200, 60)
    assert looks_like_normals(drawing) is None
    embossed = np.full((32, 32, 3), (128, 128, 255), np.uint8)
    embossed[8:24, 8:10] = (60, 128, 235)
    embossed[8:24, 22:24] = (196, 128, 235)
    assert looks_like_normals(embossed) == "tangent"


def test_noise_is_none():
    for channels in (3, 4):
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, channels), np.uint8)
        assert looks_like_normals(noise) is None
        assert not could_be_normals(noise)


def test_a_stretched_map_could_be_normals_and_grass_could_not():
    stretched = made("tangent")
    stretched[..., :2] = np.clip((stretched[..., :2].astype(int) - 128) * 3 + 128, 0, 255)
    assert could_be_normals(stretched)
    assert not could_be_normals(np.full((8, 8, 3), (60, 140, 40), np.uint8))


def test_strength_and_gloss_are_no_slopes():
    assert could_be_slopes(made("two_channel"), "two_channel")
    assert not could_be_slopes(np.dstack([np.full((8, 8), 60), np.full((8, 8), 200)]).astype(np.uint8), "two_channel")


@pytest.mark.thorough
def test_no_colour_of_real_packs_is_taken_for_a_normal_map(shared_packs):
    folders = (shared_packs, shared_packs.parent / "val")
    paths = [path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES]
    found = [str(path) for path in paths if looks_like_normals(read_texture(path).pixels)]
    assert len(paths) > 5000
    assert found == []
