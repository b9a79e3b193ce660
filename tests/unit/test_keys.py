"""texup.textures.keys: colour keys, found, cut out and put back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from texup.policy.choices import read_key
from texup.policy.classify import Treatment, key_for
from texup.textures.codecs.files import SUFFIXES, read_texture
from texup.textures.keys import cut_out, find_key, holds_key, put_back
from texup.textures.texture import Container, Layout, Texture

CASES = Path(__file__).parents[3] / "shared" / "cases" / "B05"
MAGENTA, GREEN, CYAN, BLUE, BLACK = (255, 0, 255), (0, 255, 0), (0, 255, 255), (0, 0, 255), (0, 0, 0)
HARD = np.hypot(*(np.mgrid[:24, :20] - [[[12]], [[10]]])) < 8
BROWN = np.random.default_rng(0).integers((90, 60, 30), (190, 130, 80), (24, 20, 3))


def texture(pixels, format_="png", **facts):
    return Texture(np.ascontiguousarray(pixels, np.uint8), Container(format_, **facts))


def sprite(key=MAGENTA, colours=BROWN, shape=HARD):
    return texture(np.where(shape[..., None], colours, key))


@pytest.mark.parametrize("key", [MAGENTA, GREEN, CYAN, BLUE, (255, 0, 0), (255, 255, 0)])
def test_a_saturated_colour_around_a_sprite_is_its_key(key):
    assert find_key(sprite(key)) == key
    wide = Texture(sprite(key).pixels.astype(np.uint16) * np.uint16(257), Container("png", bits=16))
    assert find_key(wide) == key


def test_a_large_sprite_has_a_key_too():
    large = sprite(colours=BROWN.repeat(20, 0).repeat(20, 1), shape=HARD.repeat(20, 0).repeat(20, 1))
    assert find_key(large) == MAGENTA


def test_a_sprite_that_touches_a_border_has_a_key_too():
    shape = np.vstack([HARD[:14], HARD[13:14].repeat(10, 0)])
    assert find_key(sprite(shape=shape)) == MAGENTA


PICTURES = {
    "black and white may be picture": sprite(BLACK),
    "not exact": sprite((254, 0, 254)),
    "not saturated": sprite((255, 128, 0)),
    "white": sprite((255, 255, 255)),
    "one colour": texture(np.full((24, 20, 3), MAGENTA)),
    "a placeholder": texture(np.where(np.indices((24, 20)).sum(0)[..., None] // 4 % 2, MAGENTA, BLACK)),
    "a sign": sprite(BLUE, colours=(255, 255, 255)),
    "a frame of another colour": texture(np.pad(sprite().pixels, ((2, 2), (2, 2), (0, 0)), constant_values=77)),
    "only one corner": texture(np.where((np.indices((24, 20)) < 12).all(0)[..., None], MAGENTA, BROWN)),
    "a thin line around": sprite(colours=np.tile(BROWN, (8, 8, 1)), shape=np.pad(np.ones((190, 158), bool), 1)),
    "small": texture(sprite().pixels[:7]),
    "drawn in saturated colours": sprite(BLUE, np.eye(3)[np.arange(480).reshape(24, 20) % 3] * 255),
    "with alpha": texture(np.dstack([sprite().pixels, np.full((24, 20), 255)])),
    "grey": texture(HARD[..., None] * 255),
    "a JPEG": texture(sprite().pixels, "jpeg", lossless=False),
    "blocks": texture(sprite().pixels, "dds", block="bc1"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_in_doubt_there_is_no_key(name):
    assert find_key(PICTURES[name]) is None


@pytest.mark.parametrize("key", [MAGENTA, GREEN, BLUE])
def test_a_picture_that_is_mixed_with_its_ground_has_no_key(key):
    soft = np.clip(8.5 - np.hypot(*(np.mgrid[:24, :20] - [[[12]], [[10]]])), 0, 3)[..., None] / 3
    assert find_key(texture(np.rint(soft * BROWN + (1 - soft) * np.array(key)))) is None


@pytest.mark.parametrize("key", [MAGENTA, BLACK, (1, 2, 3)])
def test_what_is_cut_out_comes_back_as_it_was(key):
    whole = sprite(key)
    cut = cut_out(whole, key)
    assert (cut.pixels[..., 3] == np.where(HARD, 255, 0)).all()
    assert np.array_equal(cut.pixels[HARD][:, :3], whole.pixels[HARD])
    assert np.array_equal(put_back(cut, key).pixels, whole.pixels)
    assert put_back(cut, key).container == whole.container


def test_nothing_of_the_key_is_left_under_what_was_cut_out():
    colour = cut_out(sprite(), MAGENTA).pixels[..., :3].astype(int)
    tint = np.minimum(colour[..., 0], colour[..., 2]) - colour[..., 1]
    assert tint.max() <= tint[HARD].max()


def test_grey_pictures_and_16_bits_have_keys_too():
    grey = texture(np.where(HARD, 99, 0)[..., None])
    assert holds_key(grey, BLACK)
    assert not holds_key(grey, MAGENTA)
    assert np.array_equal(put_back(cut_out(grey, BLACK), BLACK).pixels, grey.pixels)
    wide = Texture(sprite().pixels.astype(np.uint16) * np.uint16(257), Container("png", bits=16))
    assert np.array_equal(put_back(cut_out(wide, MAGENTA), MAGENTA).pixels, wide.pixels)


@pytest.mark.parametrize(("layout", "moved"), [(None, 254), (Layout(2, (0xF800, 0x7E0, 0x1F)), 247)])
def test_a_visible_texel_that_came_to_be_the_key_moves_off_it(layout, moved):
    pixels = np.dstack([np.full((2, 2, 3), MAGENTA), [[255, 200], [127, 0]]])
    back = put_back(texture(pixels, "bmp", layout=layout), MAGENTA).pixels
    assert back.tolist() == [[[255, 0, moved], [255, 0, moved]], [[255, 0, 255], [255, 0, 255]]]


def test_who_decides_about_a_key():
    keyed, dark = sprite(), sprite(BLACK)
    assert key_for(keyed, Treatment()) == MAGENTA
    assert key_for(keyed, Treatment(key="none")) is None
    assert key_for(keyed, Treatment(kind="mask")) is None
    assert key_for(keyed, Treatment(key=(1, 2, 3))) is None
    assert (key_for(dark, Treatment()), key_for(dark, Treatment(key=BLACK))) == (None, BLACK)
    assert key_for(texture(np.zeros((8, 8, 3))), Treatment(key=BLACK)) is None


def test_how_a_key_is_written():
    assert (read_key("auto"), read_key("none"), read_key("#FF00fe")) == ("auto", "none", (255, 0, 254))
    for text in ("", "ff00f", "ff00ff00", "magenta", "255,0,255", "AUTO"):
        with pytest.raises(ValueError, match="use auto, none, or a colour as RRGGBB"):
            read_key(text)


@pytest.mark.skipif(not CASES.is_dir(), reason="no ../shared/cases/B05")
def test_the_key_of_a_real_sprite_is_found_in_every_format():
    found = {path.name: find_key(read_texture(path)) for path in CASES.iterdir()}
    keyed = ("sprite_key.bmp", "sprite_key.png", "sprite_pal.bmp")
    assert found == {**dict.fromkeys(keyed, MAGENTA), "sprite_black.png": None, "sprite_trns.png": None}


def test_no_texture_of_real_packs_is_taken_for_keyed(shared_packs):
    paths = [path for path in sorted(shared_packs.rglob("*"))[::7] if path.suffix.lower() in SUFFIXES]
    assert len(paths) > 600
    assert [path for path in paths if find_key(read_texture(path))] == []
