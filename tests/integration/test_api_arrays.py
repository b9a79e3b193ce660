"""Arrays through texup: what comes out is what the command line writes, and what is no picture is refused."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import texup as api
from texup.api import kept
from texup.engines.devices.device import Device, Upscaled
from texup.errors import DeviceError, TextureError, UsageError
from texup.models.weights import save_weights
from texup.textures.codecs.files import encode, read_texture
from texup.textures.texture import Container, Texture

CPU = {"device": "cpu"}
PACK = Path(__file__).parents[1] / "data" / "n64_textures"


@pytest.fixture(autouse=True)
def nets(catalog):
    """The tiny nets, and none that another test has loaded."""
    kept._run_for.cache_clear()
    yield
    kept._run_for.cache_clear()


def by_file(texup, pixels, folder: Path, *options) -> np.ndarray:
    """Return what the command line makes of a PNG of these pixels."""
    container = Container("png", 8 * pixels.dtype.itemsize)
    (folder / "array.png").write_bytes(encode(Texture(np.ascontiguousarray(pixels), container)))
    result = texup("upscale", folder / "array.png", "-o", folder / "out.png", "--force", *options)
    assert result.code == 0, result.err
    return read_texture(folder / "out.png").pixels


@pytest.fixture
def picture(wall, disc):
    """Draws (H, W, C) pixels of any number of channels and either type, with a cut-out alpha where there is one."""

    def draw(channels: int, kind=np.uint8) -> np.ndarray:
        colour = wall(16, 24)[..., : 1 if channels < 3 else 3]
        alpha = (255 * disc(16, 24, radius=6, soft=channels == 4)[..., None]).astype(np.uint8)
        pixels = colour if channels in (1, 3) else np.concatenate((colour, alpha), axis=2)
        return pixels if kind == np.uint8 else pixels.astype(np.uint16) * 257

    return draw


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_result_is_that_of_a_file(texup, picture, tmp_path, channels, kind):
    pixels = picture(channels, kind)
    before = pixels.copy()
    result = api.upscale_array(pixels, scale=2, **CPU)
    assert (result.dtype, result.shape) == (kind, (32, 48, channels))
    assert (result == by_file(texup, pixels, tmp_path, "--scale", 2)).all()
    assert (pixels == before).all()


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ({"edges": "wrap,clamp", "grain": 1.5}, ("--edges", "wrap,clamp", "--grain", "1.5")),
        ({"alpha": "smooth", "blend": 0.3}, ("--alpha", "smooth", "--blend", "0.3")),
        ({"method": "pixel", "scale": 3}, ("--method", "pixel", "--scale", "3")),
        ({"tile": 16, "color_fix": False}, ("--tile", "16", "--no-color-fix")),
        (
            {"model": ["tiny-psnr", "tiny-gan"], "scale": 8},
            ("--model", "tiny-psnr", "--model", "tiny-gan", "--scale", 8),
        ),
    ],
)
def test_options_are_those_of_the_command_line(texup, picture, tmp_path, values, options):
    result = api.upscale_array(picture(4), **values, **CPU)
    assert (result == by_file(texup, picture(4), tmp_path, *options)).all()


def test_the_fallback_is_that_of_the_command_line(texup, picture, tmp_path, near_identity):
    """A result that looks wrong is made again by the faithful net; a warning, which nobody would see, costs nothing."""
    state, path, pixels = near_identity(1), tmp_path / "pale.safetensors", picture(3)
    state["conv_last.bias"] += 0.2
    save_weights(path, state, {})
    values, options = {"method": "net", "color_fix": False, **CPU}, ("--method", "net", "--no-color-fix")
    result = api.upscale_array(pixels, model=path, gate="fallback", **values)
    assert (result == by_file(texup, pixels, tmp_path, "--model", path, "--gate", "fallback", *options)).all()
    assert (result == api.upscale_array(pixels, model="tiny-psnr", grain=0, **values)).all()
    kept._run_for.cache_clear()
    assert (result != api.upscale_array(pixels, model=path, gate="off", **values)).any()
    api.upscale_array(pixels, model=path, gate="warn", **values)
    assert kept._run_for.cache_info().misses == 1


def test_a_colour_key_comes_back(texup, picture, tmp_path):
    pixels = picture(4)
    keyed = np.where(pixels[..., 3:] > 127, pixels[..., :3], np.array([255, 0, 255], np.uint8))
    result = api.upscale_array(keyed, key="FF00FF", **CPU)
    assert (result == by_file(texup, keyed, tmp_path, "--key", "FF00FF")).all()
    assert (result == [255, 0, 255]).all(axis=2).mean() > 0.2


@pytest.mark.parametrize("path", ["nature/fern.png", "ui/font.png", "walls/plain.png", "effects/fire_strip.png"])
def test_textures_of_the_example_pack(texup, tmp_path, path):
    pixels = read_texture(PACK / path).pixels
    assert (api.upscale_array(pixels, **CPU) == by_file(texup, pixels, tmp_path)).all()


def test_floats_are_taken_as_16_bits(picture):
    pixels = picture(4, np.uint16)
    floats = (pixels / np.float32(65535)).astype(np.float32)
    result = api.upscale_array(floats, **CPU)
    assert result.dtype == np.float32
    assert (np.rint(result * 65535) == api.upscale_array(pixels, **CPU)).all()
    assert result.min() >= 0
    assert result.max() <= 1


def test_layouts_and_byte_orders_do_not_matter(picture):
    pixels = picture(3, np.uint16)
    usual = api.upscale_array(pixels, **CPU)
    assert (api.upscale_array(pixels.astype(">u2"), **CPU) == usual).all()
    assert (api.upscale_array(np.asfortranarray(pixels), **CPU) == usual).all()
    wide = np.zeros((32, 24, 3), np.uint16)
    wide[::2] = pixels
    wide.flags.writeable = False
    assert (api.upscale_array(wide[::2], **CPU) == usual).all()


def test_the_kind_may_be_said(picture):
    normals = np.full((8, 8, 3), (128, 128, 255), np.uint8)
    assert (api.upscale_array(normals, kind="normal", **CPU) == (128, 128, 255)).all()
    table = picture(3)
    kept_as_it_is = api.upscale_array(table, kind="lookup", **CPU)
    assert (kept_as_it_is == table).all()
    assert not np.shares_memory(kept_as_it_is, table)
    assert api.upscale_array(table[:1, :1], **CPU).shape == (4, 4, 3)


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (
            np.zeros((8, 8), np.uint8),
            "array has shape (8, 8), not (H, W, C) with C = 1, 2, 3 or 4; give it a last axis",
        ),
        (np.zeros((8, 8, 0), np.uint8), "array has shape (8, 8, 0), not (H, W, C) with C = 1, 2, 3 or 4"),
        (np.zeros((8, 8, 5), np.uint8), "array has shape (8, 8, 5), not (H, W, C) with C = 1, 2, 3 or 4"),
        (np.zeros((1, 8, 8, 3), np.uint8), "array has shape (1, 8, 8, 3), not (H, W, C)"),
        (np.zeros((0, 8, 3), np.uint8), "array has shape (0, 8, 3): no pixels in it"),
        (np.zeros((8, 8, 3), np.int64), "array has samples of type int64; use uint8, uint16, or float32 in [0, 1]"),
        (np.zeros((8, 8, 3), np.float64), "array has samples of type float64; use uint8, uint16, or float32"),
        (np.zeros((8, 8, 3), bool), "array has samples of type bool; use uint8"),
        (np.full((8, 8, 3), np.nan, np.float32), "array has values that are not finite (NaN or infinite)"),
        (np.full((8, 8, 3), np.inf, np.float32), "array has values that are not finite (NaN or infinite)"),
        (np.full((8, 8, 3), 255, np.float32), "array has values from 255 to 255; floats must be from 0 to 1"),
        ([[1, 2], [3, 4]], "array must be a numpy array (H, W, C), not list"),
        (None, "array must be a numpy array (H, W, C), not NoneType"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(array, text):
    with pytest.raises(UsageError) as caught:
        api.upscale_array(array, **CPU)
    assert str(caught.value).startswith(text)
    assert "\n" not in str(caught.value)


def test_wrong_kinds_and_devices_are_refused(picture):
    with pytest.raises(UsageError, match=r"kind = 'wood' is unknown"):
        api.upscale_array(picture(3), kind="wood", **CPU)
    with pytest.raises(DeviceError, match="device 'abacus' is not available"):
        api.upscale_array(picture(3), device="abacus", method="net")
    with pytest.raises(TypeError, match="no option 'palette'"):
        api.upscale_array(picture(3), palette="keep")


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_what_is_too_large_is_refused_before_it_is_looked_into(monkeypatch, kind):
    monkeypatch.setattr("texup.api.arrays.check_range", lambda *_: pytest.fail("it was looked into"))
    monkeypatch.setattr("texup.api.arrays.decide", lambda *_: pytest.fail("it was decided about"))
    with pytest.raises(TextureError, match="array: 20000 x 20000 is more than the limit"):
        api.upscale_array(np.broadcast_to(kind(1), (20000, 20000, 1)), **CPU)


def test_short_memory_makes_tiles_smaller(picture, monkeypatch):
    """Tiles that do not fit are done again in halves; where the smallest do not fit either, an error says so."""
    whole = api.upscale_array(picture(3), model="tiny-psnr", **CPU)
    real, most = Device.upscale, 48 * 48

    def short(self, model, batch, told):
        if batch[0].shape[0] * batch[0].shape[1] > most:
            return [Upscaled(None, "fp32", "memory")]
        return real(self, model, batch, told)

    monkeypatch.setattr(Device, "upscale", short)
    large = np.tile(picture(3), (4, 3, 1))
    kept._run_for.cache_clear()
    assert api.upscale_array(large, model="tiny-psnr", **CPU).shape == (256, 288, 3)
    most = 1
    with pytest.raises(TextureError, match="out of memory even with the smallest tiles"):
        api.upscale_array(large, model="tiny-psnr", **CPU)
    assert whole.shape == (64, 96, 3)


def test_nets_stay_loaded_until_their_file_changes(picture, tmp_path, monkeypatch, near_identity):
    made = []
    place = Device.__init__
    monkeypatch.setattr(Device, "__init__", lambda self, *rest: made.append(1) or place(self, *rest))
    path = tmp_path / "mine.safetensors"
    save_weights(path, near_identity(0), {})
    first = [api.upscale_array(picture(3), model=path, method="net", **CPU) for _ in range(3)]
    assert len(made) == 1
    save_weights(path, near_identity(1, noise=0.1), {"licence": "CC0"})
    second = api.upscale_array(picture(3), model=path, method="net", **CPU)
    assert len(made) == 2
    assert (first[0] == first[2]).all()
    assert (first[0] != second).any()


def test_a_model_of_the_users_folder_is_found_by_name(picture, tmp_path, monkeypatch, near_identity):
    """As on the command line; and one that is changed there is read again."""
    monkeypatch.setenv("TEXUP_MODELS", str(tmp_path / "models"))
    path = tmp_path / "models" / "anime" / "mine.safetensors"
    path.parent.mkdir(parents=True)
    save_weights(path, near_identity(0), {"licence": "CC0"})
    net = api.load_model("anime/mine", **CPU)
    assert (net.name, net.licence) == ("mine", "CC0")
    first = api.upscale_array(picture(3), model=net, method="net", **CPU)
    assert (first == api.upscale_array(picture(3), model=path, method="net", **CPU)).all()
    save_weights(path, near_identity(1, noise=0.1), {})
    assert (first != api.upscale_array(picture(3), model="anime/mine", method="net", **CPU)).any()


def test_the_memory_that_is_free_is_asked_for_each_time(picture, monkeypatch):
    api.upscale_array(picture(3), **CPU)
    monkeypatch.setattr(kept, "memory_budget", lambda: 1000)
    with pytest.raises(TextureError, match=r"array: 24 x 16 pixels take about .* of memory"):
        api.upscale_array(picture(3), **CPU)


def test_many_threads_share_the_nets(picture):
    pixels = [np.roll(picture(3), k, axis=1) for k in range(6)]
    alone = [api.upscale_array(each, method="net", **CPU) for each in pixels]
    kept._run_for.cache_clear()
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda each: api.upscale_array(each, method="net", **CPU), pixels))
    assert all((one == other).all() for one, other in zip(alone, together, strict=True))


def test_a_model_says_what_it_is_and_runs(picture, tmp_path, near_identity):
    net = api.load_model("tiny-psnr", **CPU)
    assert (net.name, net.architecture, net.scale, net.licence) == ("tiny-psnr", "RRDBNet", 4, "MIT")
    assert (net.in_channels, net.out_channels, len(net.sha256)) == (3, 3, 64)
    plane = (picture(3) / 255).astype(np.float32)
    result = net(plane)
    assert (result.shape, result.dtype) == ((64, 96, 3), np.float32)
    assert 0 <= result.min() < result.max() <= 1
    results = [api.upscale_array(picture(3), model=model, **CPU) for model in (net, "tiny-psnr")]
    assert (results[0] == results[1]).all()
    path = tmp_path / "mine.safetensors"
    save_weights(path, near_identity(0), {"License": "CC0"})
    mine = api.load_model(str(path), **CPU)
    assert (mine.name, mine.licence) == ("mine", "CC0")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == mine.sha256
    assert np.abs(mine(plane) - net(plane)).max() < 0.01  # of another context
    save_weights(path, near_identity(0), {})
    assert api.load_model(path, **CPU).licence is None
    assert repr(net).count("\n") == 0


@pytest.mark.parametrize(
    ("plane", "text"),
    [
        (np.zeros((8, 8), np.float32), "plane has shape (8, 8), not (H, W, 3); give it a last axis"),
        (np.zeros((8, 8, 4), np.float32), "plane has shape (8, 8, 4), not (H, W, 3)"),
        (np.zeros((8, 0, 3), np.float32), "plane has shape (8, 0, 3): no pixels in it"),
        (np.zeros((8, 8, 3), np.uint8), "plane has samples of type uint8; use float32 in [0, 1]"),
        (np.full((8, 8, 3), np.nan, np.float32), "plane has values that are not finite"),
        (np.full((8, 8, 3), -0.5, np.float32), "plane has values from -0.5 to -0.5; floats must be from 0 to 1"),
        ("x", "plane must be a numpy array (H, W, C), not str"),
    ],
)
def test_a_model_refuses_what_is_no_picture(plane, text):
    with pytest.raises(UsageError) as caught:
        api.load_model("tiny-psnr", **CPU)(plane)
    assert str(caught.value).startswith(text)


def test_a_picture_as_pillow_has_it(wall):
    assert api.upscale_array(np.asarray(Image.fromarray(wall(8, 8))), **CPU).shape == (32, 32, 3)
