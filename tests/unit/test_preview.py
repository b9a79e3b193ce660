"""Strips of blends: what is read, what is measured against what, and where it stands on the sheet."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texup.cli.interpolate import MAX_BLENDS, shares_of
from texup.errors import UsageError, WeightsError
from texup.metrics import hf_ratio, imresize, lr_psnr, psnr_y
from texup.models.catalog import CatalogModel, load_catalog, resolve
from texup.models.chain import choose_chain
from texup.models.weights import save_weights
from texup.pictures.sheets import GAP, MARGIN, encode_png
from texup.preview import (
    Cell,
    StripSample,
    cell_side,
    check_strip,
    open_pair,
    read_samples,
    reduce_original,
    strip,
    sweep,
)
from texup.textures.texture import Container, Texture

from ..builders import tiny_net


@pytest.fixture(scope="session")
def pair(tmp_path_factory, near_identity):
    """Two related nets of scale 4."""
    folder = tmp_path_factory.mktemp("pair")
    psnr, other = near_identity(0), near_identity(1)
    states = {"psnr": psnr, "gan": {k: 0.7 * v + 0.3 * other[k] for k, v in psnr.items()}}
    for name, state in states.items():
        save_weights(folder / f"{name}.safetensors", state, {})
    return open_pair(*(CatalogModel(name, folder / f"{name}.safetensors", context=8) for name in states))


@pytest.fixture
def save(tmp_path):
    """Writes pixels as a PNG and returns its path."""

    def save(name: str, pixels) -> Path:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encode_png(np.ascontiguousarray(pixels)))
        return tmp_path / name

    return save


def as_texture(pixels) -> Texture:
    return Texture(np.ascontiguousarray(pixels), Container("png"))


def run(pair, alphas, samples):
    return list(sweep(pair, alphas, samples, "cpu"))


def test_blends_run_in_the_type_that_a_run_takes(pair):
    catalog = load_catalog()
    own = open_pair(*(resolve(name) for name in catalog.pair))
    for share in (0.0, catalog.bfloat16, 0.9):
        (link,) = choose_chain((), share)
        assert own.blend(share).fine_in_bfloat16 == link.load().fine_in_bfloat16
    assert own.blend(0.0).fine_in_bfloat16
    assert not pair.blend(0.0).fine_in_bfloat16, "nobody measured files of the user's own"


def test_without_an_original_results_are_measured_against_source_and_alpha_0(pair, save, wall):
    path = save("wall.png", wall(24, 32))
    (sample,) = read_samples([path], 4, reduce=False)
    cells = run(pair, [1.0, 0.5], [sample])
    (zero,) = run(pair, [0.0], [sample])
    assert [cell.alpha for cell in cells] == [1.0, 0.5]
    assert zero.numbers["hf_ratio"] == 1
    for cell in cells:
        assert cell.pixels.shape == (96, 128, 3)
        assert cell.numbers == {
            "lr_psnr": lr_psnr(cell.pixels, sample.texture.pixels),
            "hf_ratio": hf_ratio(cell.pixels, zero.pixels, 4),
        }
    assert cells[0].numbers != cells[1].numbers


def test_with_an_original_results_are_measured_against_it(pair, save, wall):
    original = wall(96, 128)
    path = save("wall.png", np.rint(imresize(original, (24, 32))).clip(0, 255).astype(np.uint8))
    save("hd/wall.png", original)
    for reference in (path.parent / "hd", path.parent / "hd" / "wall.png"):
        (cell,) = run(pair, [0.5], read_samples([path], 4, reference, reduce=False))
        assert cell.numbers == {
            "psnr_y": psnr_y(cell.pixels, original, 4),
            "hf_ratio": hf_ratio(cell.pixels, original, 4),
        }


def test_reduce_takes_the_picture_as_the_original_of_its_reduction(pair, save, wall):
    original = wall(99, 130)
    (sample,) = read_samples([save("wall.png", original)], 4, reduce=True)
    assert sample.original is not None
    np.testing.assert_array_equal(sample.original.pixels, original[:96, :128])
    expected = np.clip(imresize(original[:96, :128], (24, 32)), 0, 255)
    assert np.abs(sample.texture.pixels - expected).max() <= 0.5
    (cell,) = run(pair, [0.0], [sample])
    assert cell.numbers["psnr_y"] == psnr_y(cell.pixels, original[:96, :128], 4)


def test_reduced_colours_do_not_mix_with_what_alpha_hides(disc):
    opacity = disc(96, 96, radius=40.0)
    pixels = np.zeros((96, 96, 4), np.uint8)
    pixels[..., :3] = np.where(opacity[..., None] > 0, (200, 40, 20), (0, 255, 0))
    pixels[..., 3] = opacity * 255
    small = reduce_original(as_texture(pixels), 4).pixels
    assert np.abs(small[small[..., 3] > 16][:, :3].astype(int) - (200, 40, 20)).max() <= 3
    assert small[..., 3].max() == 255
    assert small[..., 3].min() == 0


def test_hidden_colour_changes_no_number(pair, disc, wall):
    pixels = np.dstack([wall(24, 24), (disc() * 255).astype(np.uint8)])
    pixels[pixels[..., 3] == 0] = (90, 90, 90, 0)
    other = pixels.copy()
    other[pixels[..., 3] == 0] = (255, 0, 255, 0)
    first, second = (run(pair, [1.0], [StripSample(Path("a"), as_texture(p))])[0] for p in (pixels, other))
    assert first.pixels.shape == (96, 96, 4)
    assert first.numbers == second.numbers


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_results_keep_the_channels_and_sixteen_bits(pair, wall, channels):
    pixels = wall(16, 16)[..., [0, 1, 2, 0][:channels]].astype(np.uint16) * 257
    (cell,) = run(pair, [0.5], [StripSample(Path("a"), Texture(np.ascontiguousarray(pixels), Container("png", 16)))])
    assert (cell.pixels.shape, cell.pixels.dtype) == ((64, 64, channels), np.uint16)
    assert np.isfinite(cell.numbers["lr_psnr"])


def test_a_strip_has_a_row_for_each_picture_and_a_column_for_each_alpha(pair, save, wall):
    paths = [save(f"{k}.png", wall(16, 16, seed=k)) for k in range(2)]
    samples = read_samples([*paths, paths[0]], 4, reduce=False)
    assert [sample.path for sample in samples] == paths
    cells = run(pair, [0.0, 0.5, 1.0], samples)
    sheet = strip(cells, 64)
    assert sheet.shape[1] == 2 * MARGIN + 4 * 64 + 3 * GAP
    found = [position_of(cell.pixels, sheet) for cell in cells]
    lefts = [MARGIN + k * (64 + GAP) for k in range(4)]
    assert [x for _, x in found] == [lefts[1], lefts[1], lefts[2], lefts[2], lefts[3], lefts[3]]
    tops = [y for y, _ in found]
    assert tops[::2] == [tops[0]] * 3
    assert tops[1::2] == [tops[1]] * 3
    for k, sample in enumerate(samples):
        assert position_of(np.kron(sample.texture.pixels, np.ones((4, 4, 1), np.uint8)), sheet) == (tops[k], lefts[0])


def position_of(picture, sheet) -> tuple[int, int]:
    """Return the only place (row, column) at which a sheet shows a picture pixel for pixel."""
    h, w = picture.shape[:2]
    ys, xs = np.nonzero((sheet[: sheet.shape[0] - h + 1, : sheet.shape[1] - w + 1] == picture[0, 0]).all(2))
    ((y, x),) = [(y, x) for y, x in zip(ys, xs, strict=True) if (sheet[y : y + h, x : x + w] == picture).all()]
    return int(y), int(x)


def test_an_original_stands_at_the_end_of_its_row(pair, save, wall):
    original = wall(64, 64)
    cells = run(pair, [0.5], read_samples([save("wall.png", original)], 4, reduce=True))
    assert position_of(original, strip(cells, 64))[1] == MARGIN + 2 * (64 + GAP)


def test_the_numbers_stand_below_their_results(wall):
    sample = StripSample(Path("wall.png"), as_texture(wall(16, 16)))
    pixels = np.zeros((64, 64, 3), np.uint8)
    flat = {"lr_psnr": math.inf, "hf_ratio": math.nan}
    first, second = (strip([Cell(sample, 0.5, pixels, n)], 64) for n in (flat, {"lr_psnr": 40.0, "hf_ratio": 1.2}))
    ys, xs = np.nonzero((first != second).any(2))
    y, x = position_of(pixels, first)
    assert y + 64 < ys.min()
    assert x <= xs.min() <= xs.max() < x + 64


@pytest.mark.parametrize(("side", "expected"), [(8, 192), (64, 256), (400, 512)])
def test_cells_show_the_largest_result_in_full_within_reason(side, expected):
    small, large = (StripSample(Path("a"), as_texture(np.zeros((s, 8, 3), np.uint8))) for s in (8, side))
    assert cell_side([small, large], 4) == expected


def test_a_strip_beyond_memory_is_refused():
    sample = StripSample(Path("a"), as_texture(np.zeros((512, 512, 3), np.uint8)))
    check_strip([0.0, 0.5], [sample], 512, 4)
    with pytest.raises(UsageError, match="megapixels"):
        check_strip([0.0] * 50, [sample] * 2, 512, 4)
    with pytest.raises(UsageError, match="megapixels"):
        check_strip([0.0] * 50, [sample] * 2, 2048, 1)


def test_pictures_that_cannot_be_compared_are_refused_by_name(save, tmp_path, wall):
    path, small = save("wall.png", wall(24, 32)), save("small.png", wall(7, 32))
    other, wrong = save("other.png", wall(24, 32)), save("wrong/wall.png", wall(95, 128))
    (tmp_path / "text.png").write_text("no picture")

    def refused(paths, reference=None, *, reduce=False) -> str:
        with pytest.raises(UsageError) as caught:
            read_samples(paths, 4, reference, reduce=reduce)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert refused([tmp_path / "none.png"]) == f"{tmp_path / 'none.png'}: no such file"
    assert refused([tmp_path]) == f"{tmp_path}: a folder; name its pictures"
    assert refused([tmp_path / "text.png"]).startswith(f"{tmp_path / 'text.png'}: the content is no picture")
    assert refused([small]) == f"{small}: too small to measure; it needs 8 pixels a side"
    assert refused([path], reduce=True) == f"{path}: too small to measure; it needs 32 pixels a side"
    assert refused([path], wrong.parent) == f"{path}: its original is 128x95, and must be 128x96"
    assert refused([other], wrong.parent) == f"{wrong.parent / 'other.png'}: no such file"
    assert refused([path, other], wrong).startswith(f"{wrong}: one original for 2 pictures")


def test_nets_that_are_not_for_rgb_are_refused(tmp_path):
    path = tmp_path / "grey.safetensors"
    save_weights(path, tiny_net(num_in_ch=1, num_out_ch=1).state_dict(), {})
    grey = CatalogModel("grey", path)
    with pytest.raises(WeightsError, match=r"grey\.safetensors: no net for RGB"):
        open_pair(grey, grey)


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("0:1:0.2", [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ("0:1:0.3", [0, 0.3, 0.6, 0.9]),
        ("0.1:0.4:0.1", [0.1, 0.2, 0.3, 0.4]),
        ("0.5:0.5:1", [0.5]),
        ("0, 0.6,1", [0, 0.6, 1]),
        ("1,0,1", [1, 0]),
        ("0.7", [0.7]),
        ("-0", [0]),
    ],
)
def test_a_sweep_is_a_range_or_a_list(text, shares):
    assert shares_of(text) == shares


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 100), st.integers(0, 100), st.integers(1, 100))
def test_a_range_counts_in_whole_steps_up_to_its_end(start, stop, step):
    text = f"{start / 100}:{stop / 100}:{step / 100}"
    expected = [k / 100 for k in range(start, stop + 1, step)]
    if not 1 <= len(expected) <= MAX_BLENDS:
        with pytest.raises(UsageError):
            shares_of(text)
    else:
        assert shares_of(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *((text, "write FROM:TO:STEP") for text in ("", "a", "0:1", "0:1:0.2:3", "0:1,2", "0:one:0.1", "0,,1", ":::")),
        *((text, "from 0") for text in ("0:2:0.5", "-1:1:0.5", "0,1.5", "nan", "0:nan:0.1", "inf,0")),
        *((text, "count up") for text in ("1:0:0.2", "0:1:0", "0:1:-0.2", "0:1:nan", "0:1:inf")),
        *((text, "more than 50") for text in ("0:1:0.01", "0:1:1e-300", "0:1:5e-324")),
        (",".join(f"0.{k:02}" for k in range(51)), "more than 50"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused(text, reason):
    with pytest.raises(UsageError, match=reason) as caught:
        shares_of(text)
    assert "\n" not in str(caught.value)


def test_a_sweep_of_fifty_is_possible():
    assert len(shares_of("0:0.98:0.02")) == MAX_BLENDS
