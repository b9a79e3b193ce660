"""Training pictures: what is loaded, what is drawn how often, and that crops are cut where they should be."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from texup.errors import UsageError
from texup.training.data import pictures as data
from texup.training.data.pictures import CELL, DRAWN, FLAT_SHARE, Patches, Picture, drawn, load_pictures, with_halves

CPU = torch.device("cpu")


def chart(number=0, height=96, width=80, wraps=(False, False), group="a") -> Picture:
    """A picture whose texels say where they are: red is the row, green the column, blue the picture's number."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack((y, x, np.full_like(y, number), np.full_like(y, 255)), 2).astype(np.uint8)
    return Picture(group, pixels, wraps)


def busy(height=64, width=64, group="a", seed=0) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4)).astype(np.uint8)
    pixels[..., 3] = 255
    return Picture(group, pixels, (False, False))


def patches(*pictures, seed=0, **more) -> Patches:
    return Patches(pictures, torch.Generator().manual_seed(seed), CPU, **more)


def numbers(crops) -> np.ndarray:
    """Return crops as whole levels (N, size, size, 3)."""
    return (crops.permute(0, 2, 3, 1) * 255).round().numpy().astype(int)


def straight(crop: np.ndarray) -> tuple[np.ndarray, int]:
    """Return a crop of a chart in the picture's own orientation, and the number of the orientation it came in."""
    for turn in range(8):
        there = crop.swapaxes(0, 1) if turn & 4 else crop
        there = np.rot90(there, turn & 3)
        steps = (there[1, 0] - there[0, 0])[:2], (there[0, 1] - there[0, 0])[:2]
        down, right = ([int(np.clip(v, -2, 2)) for v in s] for s in steps)
        if down in ([1, 0], [-2, 0]) and right in ([0, 1], [0, -2]):  # -2: across the seam
            return there, turn
    raise AssertionError("a crop in no orientation of its picture")


@pytest.mark.parametrize("wraps", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("size", [1, 24, 75])
def test_crops_are_the_pictures_texels_in_eight_orientations(wraps, size):
    charts = [chart(k, 96 + k, 80 - k, wraps) for k in range(3)]
    source = patches(*charts)
    turns, over = Counter(), [0, 0]
    for _ in range(8):
        crops, _places = source.draw(40, size)
        assert crops.shape == (40, 3, size, size)
        assert crops.dtype == torch.float32
        for crop in numbers(crops):
            there, turn = straight(crop) if size > 1 else (crop, 0)
            turns[turn] += 1
            (top, left, number) = there[0, 0]
            h, w = charts[number].pixels.shape[:2]
            rows, columns = (top + np.arange(size)) % h, (left + np.arange(size)) % w
            wanted = charts[number].pixels[rows[:, None], columns, :3]  # modulo, by numpy
            assert (there == wanted).all()
            over[0] += top + size > h
            over[1] += left + size > w
    assert [o > 0 for o in over] == [w and size > 1 for w in wraps]  # and never over a border that does not tile
    assert len(turns) == (8 if size > 1 else 1)


def test_every_texel_is_drawn_and_cells_alike():
    source = patches(chart(0, 128, 192, (True, True)))
    middles = np.concatenate([numbers(source.draw(500, 1)[0])[:, 0, 0] for _ in range(20)])
    assert len(np.unique(middles[:, 0])) == 128
    assert len(np.unique(middles[:, 1])) == 192
    counts, *_ = np.histogram2d(middles[:, 0], middles[:, 1], bins=(2, 3), range=((0, 128), (0, 192)))
    assert np.abs(counts / 10_000 - 1 / 6).max() < 0.02


@pytest.mark.thorough
def test_crops_of_a_picture_that_tiles_begin_anywhere():
    _, places = patches(chart(0, 128, 128, (True, False))).draw(4000, 64)
    rows, columns = np.histogram(places[3], 4, (0, 128))[0], np.histogram(places[4], 4, (0, 128))[0]
    assert np.abs(rows / 4000 - 1 / 4).max() < 0.03
    assert columns[2:].sum() == np.count_nonzero(places[4] == 64)


def test_a_small_picture_that_tiles_is_repeated_and_another_refused():
    crops, _ = patches(chart(0, 20, 16, (True, True))).draw(6, 50)
    assert set(np.unique(numbers(crops)[..., 0])) == set(range(20))
    with pytest.raises(ValueError, match="crops of 50 pixels do not fit into a picture of 20"):
        patches(chart(0, 20, 16, (False, True)), chart(1)).draw(6, 50)


def groups_of(source: Patches, count: int) -> Counter:
    """Count the blue levels in which the pictures of a test carry their number."""
    return Counter(numbers(source.draw(count, 4)[0])[:, 0, 0, 2].tolist())


def numbered(number: int, height: int, width: int, group: str) -> Picture:
    picture = busy(height, width, group, number)
    picture.pixels[..., 2] = number
    return picture


def test_a_group_weighs_the_root_of_its_pixels_and_its_pictures_their_pixels():
    source = patches(
        numbered(1, 128, 128, "a"), numbered(2, 64, 64, "b"), numbered(3, 128, 64, "c"), numbered(4, 64, 128, "c")
    )
    got = groups_of(source, 6000)
    weight = {1: 4**0.5, 2: 1, 3: 4**0.5 / 2, 4: 4**0.5 / 2}  # in cells
    for number, w in weight.items():
        assert got[number] / 6000 == pytest.approx(w / sum(weight.values()), abs=0.025)


def test_fixed_shares_are_exact_whatever_the_sizes():
    pictures = [numbered(1, 256, 256, "a"), numbered(2, 64, 64, "b"), numbered(3, 64, 64, DRAWN)]
    for share in (0.12, 0.5):
        got = groups_of(patches(*pictures, shares={DRAWN: share}), 6000)
        assert got[3] / 6000 == pytest.approx(share, abs=4 * (share * (1 - share) / 6000) ** 0.5)
        assert got[1] / got[2] == pytest.approx(4, rel=0.2)
    assert groups_of(patches(pictures[2], shares={DRAWN: 0.1}), 50) == {3: 50}  # nothing else is there


def test_flat_cells_are_rare_and_transparent_ones_never_drawn():
    picture = busy(CELL, 4 * CELL)
    picture.pixels[:, :CELL] = (200, 30, 30, 255)
    picture.pixels[:, CELL : 2 * CELL, 3] = 0
    picture.pixels[: CELL // 2, 2 * CELL : 3 * CELL, 3] = 0  # half of it shows: not enough
    got, count = Counter(), 4000
    source = patches(picture)
    left = source.draw(count, 1)[1][4]
    got = Counter((left // CELL).tolist())
    assert set(got) == {0, 3}
    assert got[0] / got[3] == pytest.approx(FLAT_SHARE, rel=0.2)
    picture.pixels[..., 3] = 0
    with pytest.raises(UsageError, match="nothing to train on: the pictures are transparent"):
        patches(picture)


def test_contrast_counts_in_any_colour_but_not_where_it_is_hidden():
    def weight(*, hidden=False, channel=1):
        picture = Picture("a", np.full((CELL, CELL, 4), 255, np.uint8), (False, False))
        picture.pixels[..., channel] = np.random.default_rng(0).integers(0, 2, (CELL, CELL)) * 255
        picture.pixels[: CELL // 3, :, 3] = 0 if hidden else 255
        if hidden:
            picture.pixels[CELL // 3 - 1 :, :, :3] = 90  # only what is hidden is busy
        return next(data._cells(picture))[2]

    assert [weight(channel=c) for c in range(3)] == [1, 1, 1]
    assert weight(hidden=True) == FLAT_SHARE


def test_draws_follow_the_seed():
    def some(seed):
        source = patches(chart(0), chart(1), seed=seed)
        crops, places = source.draw(5, 16)
        return torch.cat((crops.flatten(), source.nearby(places, 9).flatten(), source.draw(3, 8)[0].flatten()))

    assert torch.equal(some(3), some(3))
    assert not torch.equal(some(3), some(4))


def test_texels_are_four_bytes_in_one_tensor_and_few_on_the_device():
    pictures = [chart(0), chart(1, 100, 50)]
    source = patches(*pictures)
    assert source.texels.dtype == torch.int32
    assert source.texels.shape == (96 * 80 + 100 * 50,)
    meta = torch.device("meta")  # a device of any size, on which nothing is computed
    for free, place in ((8 * len(source.texels) + 1, "meta"), (8 * len(source.texels), "cpu"), (None, "meta")):
        kept = Patches(pictures, torch.Generator(), meta, free_memory=free)
        assert kept.texels.device.type == place
    kept = Patches(pictures, torch.Generator(), meta, free_memory=0)
    crops, places = kept.draw(3, 16)
    assert (crops.device.type, places.device.type) == ("meta", "cpu")
    assert kept.nearby(places[:, :2], 7).device.type == "meta"
    assert kept.nearby(places[:, :2], 7).shape == (2, 7, 3)


@pytest.mark.parametrize("scale", [1, 4])
def test_nearby_colours_are_of_the_texture_around(scale):
    charts = [chart(k, 240, 250) for k in range(4)]
    source = patches(*charts)
    crops, places = source.draw(20, 16)
    colours = source.nearby(places, 300, scale) * 255
    assert colours.shape == (20, 300, 3)
    assert torch.equal(colours[..., 2], (crops[:, 2, :1, 0] * 255).expand(20, 300))  # of the same picture
    for k in range(20):
        top, left = places[3:5, k].tolist()
        for first, side, got in ((top, 240, colours[k, :, 0]), (left, 250, colours[k, :, 1])):
            away = (got - (scale - 1) / 2 - (first + 8) + side / 2) % side - side / 2
            assert away.min() >= -32 - scale
            assert away.max() <= 32
            if 40 < first < side - 60:
                assert away.std() > 32 / 3**0.5 - 4  # over the whole region


def test_nearby_colours_are_means_as_a_reduction_gives():
    rng = np.random.default_rng(0)
    picture = busy(256, 256)
    source = patches(picture)
    _, places = source.draw(1, 64)
    fine, coarse = (source.nearby(places, 4000, scale)[0].std() * 255 for scale in (1, 4))
    assert float(fine / coarse) == pytest.approx(4, rel=0.05)
    tiny = patches(Picture("a", rng.integers(0, 256, (3, 2, 4)).astype(np.uint8) | 1, (True, True)))
    assert tiny.nearby(tiny.draw(2, 8)[1], 5).shape == (2, 5, 3)


# ---- loading


def saved(path, pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_pictures_are_loaded_in_the_order_of_their_paths(tmp_path, wall, monkeypatch):
    rng = np.random.default_rng(0)
    rgba = rng.integers(0, 256, (40, 44, 4)).astype(np.uint8)
    for k in range(9):
        saved(tmp_path / "a" / f"{k}.png", rng.integers(0, 256, (40 + k, 40, 3)).astype(np.uint8))
    saved(tmp_path / "b" / "deep" / "x.PNG", rgba)
    saved(tmp_path / "b" / "grey.png", rgba[..., 0])
    saved(tmp_path / "b" / "small.png", rgba[:39])
    saved(tmp_path / "b" / "wall.png", wall(48, 64))
    (tmp_path / "b" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n....")
    (tmp_path / "b" / "notes.txt").write_text("no picture")
    pictures = load_pictures([tmp_path / "b", tmp_path / "a"], 40)
    assert [p.name for p in pictures] == ["deep/x.PNG", "grey.png", "wall.png", *(f"{k}.png" for k in range(9))]
    assert [p.pixels.shape[0] for p in pictures[3:]] == list(range(40, 49))
    assert {p.group for p in pictures} == {str(tmp_path / d) for d in ("a", "b", "b/deep")}
    assert all(p.pixels.dtype == np.uint8 and p.pixels.shape[2] == 4 for p in pictures)
    assert (pictures[0].pixels == rgba).all()
    assert (pictures[1].pixels[..., :3] == rgba[..., :1]).all()
    assert (pictures[1].pixels[..., 3] == 255).all()
    assert [p.wraps for p in pictures[:3]] == [(True, True)] * 3  # noise has no seam
    monkeypatch.setattr(data, "DECODERS", 1)
    for ours, alone in zip(pictures, load_pictures([tmp_path / "b", tmp_path / "a"], 40), strict=True):
        assert (ours.pixels == alone.pixels).all()


def test_sixteen_bits_keep_their_upper_byte():
    values = np.random.default_rng(0).integers(0, 2**16, (9, 7, 2)).astype(np.uint16)
    assert (data._rgba(values) == values[..., [0, 0, 0, 1]] // 256).all()


def test_a_ramp_does_not_tile(tmp_path):
    y, x = np.mgrid[:64, :64]
    saved(tmp_path / "ramp.png", np.stack((4 * x, 0 * y, 255 - 4 * x), 2).astype(np.uint8))
    (picture,) = load_pictures([tmp_path], 64)
    assert picture.wraps == (True, False)


def test_what_cannot_be_used_is_counted(tmp_path):
    with pytest.raises(UsageError, match="missing: no such folder of pictures"):
        load_pictures([tmp_path / "missing"], 8)
    with pytest.raises(UsageError, match=r"no picture of at least 64 pixels a side$"):
        load_pictures([tmp_path], 64)
    for k in range(3):
        saved(tmp_path / f"{k}.png", np.zeros((63, 80, 3), np.uint8))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n....")
    with pytest.raises(UsageError, match=r"64 pixels a side \(3 are smaller, 1 cannot be read\)"):
        load_pictures([tmp_path], 64)


def test_halves_are_means_of_four(wall):
    opaque = np.full((48, 64, 1), 255, np.uint8)
    full = Picture("a", np.dstack((wall(48, 64), opaque)), (True, True), "w")
    odd = Picture("a", full.pixels[:47], (True, True))
    got = with_halves([full, odd, chart(0, 40, 90)], 23)
    assert [p.pixels.shape[:2] for p in got[3:]] == [(24, 32), (23, 32)]
    assert got[:2] == [full, odd]
    exact = full.pixels.reshape(24, 2, 32, 2, 4).mean((1, 3))
    assert np.abs(got[3].pixels - exact).max() <= 0.5
    assert [p.wraps for p in got[3:]] == [(True, True), (False, True)]
    assert (got[3].group, got[3].pixels.dtype) == ("a", np.uint8)


def test_drawn_pictures_have_their_own_group():
    got = drawn(3, 32, 5)
    assert [p.group for p in got] == [DRAWN] * 3
    assert all(p.pixels.shape == (32, 32, 4) and (p.pixels[..., 3] == 255).all() for p in got)
    assert (got[1].pixels == drawn(3, 32, 5)[1].pixels).all()
