"""texup.textures.cells: sheets cut along grids and around islands, and joined again."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from texup import bounds
from texup.errors import UnsupportedTexture
from texup.textures import cells as module
from texup.textures.cells import CellBox, Cells, boxes_of, cut, grid_boxes, island_boxes, join_cells
from texup.textures.codecs.files import read_texture
from texup.textures.planes import classify_alpha
from texup.textures.seams import detect_edges
from texup.textures.texture import Container, Texture

MODEST = settings(deadline=None, derandomize=True, max_examples=100)
CLAMP = ("clamp", "clamp")
EXAMPLES = Path(__file__).parents[1] / "data" / "n64_textures"


def noise(height, width, channels=4, *, seed=0, dtype=np.uint8) -> Texture:
    pixels = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (height, width, channels), dtype, True)
    return Texture(pixels, Container("png", 8 * pixels.itemsize))


def masked(visible, *, seed=0) -> Texture:
    """Return noise that is opaque where ``visible``, with noise hidden elsewhere."""
    texture = noise(*visible.shape, seed=seed)
    texture.pixels[..., 3] = visible * np.uint8(255)
    return texture


def squares(*corners, side=16, shape=(64, 64)):
    """Return a mask (h, w) of squares at (top, left)."""
    visible = np.zeros(shape, bool)
    for top, left in corners:
        visible[top : top + side, left : left + side] = True
    return visible


def islands(visible, edges=CLAMP, kind="binary") -> list[CellBox]:
    return island_boxes(masked(visible), kind, edges)


def test_a_grid_is_cut_row_by_row():
    expected = [CellBox(0, 4, 0, 5), CellBox(0, 4, 5, 10), CellBox(4, 8, 0, 5), CellBox(4, 8, 5, 10)]
    assert grid_boxes((8, 10), Cells("texels", 5, 4)) == expected
    assert grid_boxes((8, 10), Cells("count", 2, 2)) == expected
    assert grid_boxes((8, 10), Cells("count", 1, 1)) == [CellBox(0, 8, 0, 10)]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (Cells("texels", 16, 24), "its size 32x64 is not a whole multiple of 16x24 texels a cell"),
        (Cells("texels", 64, 64), "its size 32x64 is not a whole multiple of 64x64 texels a cell"),
        (Cells("texels", 0, 16), "its size 32x64 is not a whole multiple of 0x16 texels a cell"),
        (Cells("count", 3, 1), "its size 32x64 is not a whole multiple of 3x1 equal cells"),
        (Cells("count", 1, 128), "its size 32x64 is not a whole multiple of 1x128 equal cells"),
        (Cells("count", 1, -1), "its size 32x64 is not a whole multiple of 1x-1 equal cells"),
    ],
)
def test_a_sheet_that_is_no_whole_number_of_cells_names_both_sizes(cells, message):
    with pytest.raises(UnsupportedTexture) as caught:
        grid_boxes((64, 32), cells)
    assert str(caught.value) == message


def test_too_many_cells_are_refused():
    assert len(grid_boxes((256, 256), Cells("texels", 1, 1))) == bounds.SHEET_CELLS
    with pytest.raises(UnsupportedTexture, match="256x257 cells"):
        grid_boxes((257, 256), Cells("texels", 1, 1))


@MODEST
@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(1, 4),
    st.sampled_from([np.uint8, np.uint16]),
)
def test_a_grid_cut_and_joined_is_the_sheet(down, across, tall, wide, channels, dtype):
    sheet = noise(down * tall, across * wide, channels, dtype=dtype)
    boxes = grid_boxes(sheet.pixels.shape[:2], Cells("count", across, down))
    cells = [cut(sheet, box) for box in boxes]
    assert {cell.pixels.shape for cell in cells} == {(tall, wide, channels)}
    again = join_cells(cells, boxes, sheet, 1)
    assert again.container == sheet.container
    np.testing.assert_array_equal(again.pixels, sheet.pixels)
    large = [Texture(cell.pixels.repeat(3, 0).repeat(3, 1), cell.container) for cell in cells]
    np.testing.assert_array_equal(join_cells(large, boxes, sheet, 3).pixels, sheet.pixels.repeat(3, 0).repeat(3, 1))


def test_a_cell_is_a_copy_of_its_own():
    sheet = noise(8, 8)
    cell = cut(sheet, CellBox(2, 6, 0, 4))
    before = sheet.pixels.copy()
    cell.pixels[:] = 0
    assert cell.pixels.flags.c_contiguous
    np.testing.assert_array_equal(sheet.pixels, before)


def test_outside_the_boxes_is_the_sheets_colour_with_no_opacity():
    sheet = noise(4, 4)
    boxes = [CellBox(0, 2, 0, 2)]
    result = join_cells([Texture(np.full((4, 4, 4), 9, np.uint8), sheet.container)], boxes, sheet, 2).pixels
    assert (result[:4, :4] == 9).all()
    outside = np.ones((8, 8), bool)
    outside[:4, :4] = False
    assert (result[outside][:, 3] == 0).all()
    np.testing.assert_array_equal(result[outside][:, :3], sheet.pixels.repeat(2, 0).repeat(2, 1)[outside][:, :3])


def test_boxes_of_a_sheet_come_from_what_is_said_about_it():
    sheet = masked(squares((4, 4), (40, 40)))
    assert boxes_of(sheet, None, "binary", CLAMP) == []
    assert boxes_of(sheet, Cells("count", 2, 1), "binary", CLAMP) == [CellBox(0, 64, 0, 32), CellBox(0, 64, 32, 64)]
    assert boxes_of(sheet, "islands", "binary", CLAMP) == island_boxes(sheet, "binary", CLAMP) != []


def test_islands_are_grown_into_their_moat_and_not_out_of_the_sheet():
    assert islands(squares((0, 0), (8, 40))) == [CellBox(0, 18, 0, 18), CellBox(6, 26, 38, 58)]
    assert islands(squares((0, 0), (0, 19), (0, 48))) == [
        CellBox(0, 17, 0, 17),
        CellBox(0, 17, 18, 36),
        CellBox(0, 18, 46, 64),
    ]


@pytest.mark.parametrize(("left", "count"), [(18, 2), (17, 0), (16, 0)])
def test_a_moat_is_two_texels_wide(left, count):
    assert len(islands(squares((0, 0), (0, left)))) == count


def test_corners_that_touch_are_one_island():
    assert islands(squares((0, 0), (16, 16))) == []
    touching = squares((0, 0), (16, 16), shape=(64, 80)) | squares((40, 60), shape=(64, 80))
    assert islands(touching) == [CellBox(0, 34, 0, 34), CellBox(38, 58, 58, 78)]


def test_boxes_that_lie_in_each_other_are_one():
    ring = squares((2, 2), side=40, shape=(64, 96)) & ~squares((6, 6), side=32, shape=(64, 96))
    jewel = squares((16, 16), side=8, shape=(64, 96))
    other = squares((2, 60), side=20, shape=(64, 96))
    assert islands(ring | jewel | other) == [CellBox(0, 44, 0, 44), CellBox(0, 24, 58, 82)]


def test_a_box_that_grew_by_uniting_unites_again():
    visible = np.zeros((64, 128), bool)
    visible[0:20, 0:4] = visible[20:24, 0:30] = True  # an L whose box holds the next one
    visible[4:8, 20:40] = True  # and the two together come close to the third
    visible[10:18, 41:60] = True
    visible[40:60, 100:120] = True
    assert islands(visible) == [CellBox(0, 26, 0, 62), CellBox(38, 62, 98, 122)]


@pytest.mark.parametrize("kind", ["none", "constant", "data", "copy"])
def test_without_an_outline_there_are_no_islands(kind):
    assert islands(squares((0, 0), (32, 32)), kind=kind) == []


@pytest.mark.parametrize("kind", ["binary", "few", "soft"])
def test_every_outline_makes_islands(kind):
    assert len(islands(squares((0, 0), (32, 32)), kind=kind)) == 2


@pytest.mark.parametrize(
    ("edges", "corner", "count"),
    [
        (("wrap", "clamp"), (0, 8), 0),
        (("wrap", "clamp"), (48, 8), 0),
        (("wrap", "clamp"), (1, 0), 2),
        (("clamp", "wrap"), (1, 0), 0),
        (("clamp", "wrap"), (8, 48), 0),
        (("clamp", "wrap"), (0, 8), 2),
        (("mirror", "mirror"), (0, 0), 2),
    ],
)
def test_an_island_that_goes_on_behind_a_border_leaves_the_texture_whole(edges, corner, count):
    assert len(islands(squares(corner, (24, 30)), edges)) == count


def test_what_is_too_small_is_one_picture():
    assert islands(squares((0, 0), (0, 40), side=16, shape=(63, 63))) == []
    assert len(islands(squares((0, 0), (0, 40), side=16, shape=(32, 64)))) == 2
    assert islands(squares((0, 0), (0, 40), (40, 40), side=7)) == []
    assert len(islands(squares((0, 0), (0, 40), (40, 40), side=8))) == 3


def test_specks_beside_one_picture_make_no_sheet():
    sparks = squares((2, 10), side=40) | squares((60, 2), (60, 20), (60, 50), side=3)
    assert islands(sparks) == []
    assert islands(sparks | squares((50, 30), side=8)) == []
    assert len(islands(sparks | squares((46, 30), side=10))) == 5


def test_a_spray_of_islands_is_left_whole():
    y, x = np.mgrid[:128, :128]
    assert len(islands((y % 16 < 10) & (x % 16 < 10))) == 64
    assert islands((y % 16 < 10) & (x % 14 < 8)) == []
    y, x = np.mgrid[:512, :512]
    assert len(islands((y % 32 < 20) & (x % 32 < 20))) == module.MAX_ISLANDS
    assert islands((y % 30 < 20) & (x % 32 < 20)) == []
    assert islands((y % 4 < 2) & (x % 4 < 2)) == []


@pytest.mark.parametrize("visible", [np.zeros((64, 64), bool), np.ones((64, 64), bool)], ids=["clear", "opaque"])
def test_nothing_and_everything_are_no_islands(visible):
    assert islands(visible) == []


@st.composite
def masks(draw):
    """Draw masks of some rectangles and some noise."""
    height, width = draw(st.integers(64, 80)), draw(st.integers(1, 80))
    visible = np.random.default_rng(draw(st.integers(0, 99))).random((height, width)) < draw(
        st.sampled_from([0, 0, 0, 0.001, 0.3])
    )
    for _ in range(draw(st.integers(0, 6))):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        visible[top : top + draw(st.integers(1, 24)), left : left + draw(st.integers(1, 24))] = True
    return visible


@MODEST
@given(masks())
def test_regions_are_those_of_another_implementation(visible):
    labels, _ = ndimage.label(visible, np.ones((3, 3)))
    expected = sorted((y.start, y.stop, x.start, x.stop) for y, x in ndimage.find_objects(labels))
    assert sorted(map(tuple, module._islands(visible).tolist())) == expected


@MODEST
@given(masks())
def test_boxes_are_disjoint_and_hold_all_that_shows(visible):
    boxes = islands(visible)
    cover = np.zeros(visible.shape, int)
    for box in boxes:
        assert box.top < box.bottom
        assert box.left < box.right
        cover[box.top : box.bottom, box.left : box.right] += 1
    assert cover.max() <= 1
    assert not boxes or (cover[visible] == 1).all()


@MODEST
@given(masks(), st.sampled_from([0, 128]))
def test_no_island_sees_another(visible, level):
    sheet = masked(visible)
    boxes = island_boxes(sheet, "binary", CLAMP)
    for one, other in combinations(range(min(len(boxes), 4)), 2):
        changed = cut(sheet, boxes[one])
        changed.pixels[..., :3] = level
        cells = [changed if k == one else cut(sheet, box) for k, box in enumerate(boxes)]
        result = join_cells(cells, boxes, sheet, 1)
        np.testing.assert_array_equal(cut(result, boxes[other]).pixels, cut(sheet, boxes[other]).pixels)
        np.testing.assert_array_equal(cut(result, boxes[one]).pixels, changed.pixels)


@MODEST
@given(masks())
def test_islands_cut_and_joined_are_what_shows(visible):
    sheet = masked(visible)
    boxes = island_boxes(sheet, "binary", CLAMP)
    if boxes:
        again = join_cells([cut(sheet, box) for box in boxes], boxes, sheet, 1)
        np.testing.assert_array_equal(again.pixels, sheet.pixels)


def found(path) -> int:
    texture = read_texture(path)
    kind = classify_alpha(texture.pixels)
    return len(island_boxes(texture, kind, detect_edges(texture.pixels, alpha=kind not in ("none", "data"))))


def test_a_sheet_of_icons_is_cut_and_a_font_without_moats_is_not():
    assert found(EXAMPLES / "ui/runes.png") == 16
    assert found(EXAMPLES / "ui/font.png") == 0


def test_real_sprites_that_came_apart_are_left_whole(shared_packs):
    sprites = sorted((shared_packs / "freedoom/sprites").glob("*.png"))
    items = sorted((shared_packs / "programmerart/textures/items").glob("*.png"))
    assert len(sprites) > 300
    assert len(items) > 100
    assert sum(found(path) > 0 for path in sprites) <= 3
    assert sum(found(path) > 0 for path in items) == 0
