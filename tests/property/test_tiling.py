"""texup.engines.tiling: cores partition the plane, contexts are of one size, and what was cut joins again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from texup.engines.tiling import Box, Tile, cut, place, plan_tiles

MODEST = settings(deadline=None, derandomize=True, max_examples=60)

sides = st.integers(1, 70)
plans = st.tuples(sides, sides, st.integers(1, 40), st.integers(0, 12), st.sampled_from([1, 2, 4]))


def plan_of(numbers):
    height, width, tile, margin, grid = numbers
    return plan_tiles(height, width, tile, margin, grid)


def repeated(plane, scale):
    return plane.repeat(scale, 0).repeat(scale, 1)


def joined(pieces, tiles, margin, scale):
    """Return the plane without margin that upscaled contexts become."""
    last = tiles[-1].core
    shape = ((last.bottom - margin) * scale, (last.right - margin) * scale, pieces[0].shape[2])
    plane = np.full(shape, 77, pieces[0].dtype)
    for piece, tile in zip(pieces, tiles, strict=True):
        place(plane, piece, tile, margin, scale)
    return plane


@MODEST
@given(plans)
def test_every_texel_of_the_plane_is_in_exactly_one_core(numbers):
    height, width, tile, margin, _ = numbers
    owners = np.zeros((height + 2 * margin, width + 2 * margin), int)
    for t in plan_of(numbers):
        owners[t.core.slices] += 1
        assert max(t.core.bottom - t.core.top, t.core.right - t.core.left) <= tile
        assert min(t.core.bottom - t.core.top, t.core.right - t.core.left) >= 1
    expected = np.zeros_like(owners)
    expected[margin : margin + height, margin : margin + width] = 1
    np.testing.assert_array_equal(owners, expected)


@MODEST
@given(plans)
def test_contexts_are_of_one_size_inside_the_padded_plane_and_a_margin_wider_than_their_core(numbers):
    height, width, _, margin, _ = numbers
    plan = plan_of(numbers)
    assert len({(t.context.bottom - t.context.top, t.context.right - t.context.left) for t in plan}) == 1
    for t in plan:
        assert 0 <= t.context.top <= t.core.top - margin
        assert t.core.bottom + margin <= t.context.bottom <= height + 2 * margin
        assert 0 <= t.context.left <= t.core.left - margin
        assert t.core.right + margin <= t.context.right <= width + 2 * margin


@MODEST
@given(plans)
def test_contexts_are_multiples_of_the_grid_when_the_plane_is(numbers):
    height, width, tile, margin, grid = numbers
    for t in plan_tiles(height * grid, width * grid, tile, margin, grid):
        assert (t.context.bottom - t.context.top - 2 * margin) % grid == 0
        assert (t.context.right - t.context.left - 2 * margin) % grid == 0


@MODEST
@given(plans)
def test_tiles_are_nearly_equal_and_no_more_than_needed(numbers):
    height, width, tile, _, _ = numbers
    plan = plan_of(numbers)
    assert len(plan) == -(-height // tile) * -(-width // tile)
    heights = [t.core.bottom - t.core.top for t in plan]
    widths = [t.core.right - t.core.left for t in plan]
    assert max(heights) - min(heights) <= 1
    assert max(widths) - min(widths) <= 1


@MODEST
@given(plans, st.integers(1, 4), st.integers(1, 4), st.sampled_from([np.float32, np.uint8]))
def test_what_is_cut_and_enlarged_by_repetition_joins_to_the_repeated_plane(numbers, scale, channels, dtype):
    height, width, _, margin, _ = numbers
    shape = (height + 2 * margin, width + 2 * margin, channels)
    padded = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    plan = plan_of(numbers)
    whole = joined([repeated(piece, scale) for piece in cut(padded, plan)], plan, margin, scale)
    inside = padded[margin : margin + height, margin : margin + width]
    assert whole.dtype == dtype
    np.testing.assert_array_equal(whole, repeated(inside, scale))


def test_only_the_cores_of_the_pieces_are_used():
    plan = plan_tiles(12, 20, 8, 3)
    pieces = []
    for k, t in enumerate(plan):
        piece = np.full((t.context.bottom - t.context.top, t.context.right - t.context.left, 1), -1.0)
        piece[t.core.within(t.context).slices] = k
        pieces.append(piece)
    whole = joined(pieces, plan, 3, 1)
    assert whole.min() == 0
    assert set(np.unique(whole)) == set(range(len(plan)))


def test_a_plane_that_fits_is_one_tile():
    assert plan_tiles(5, 9, 9, 4, 4) == [Tile(Box(4, 9, 4, 13), Box(0, 13, 0, 17))]


def test_cutting_copies_nothing():
    plane = np.zeros((20, 20, 3), np.float32)
    assert all(np.shares_memory(piece, plane) for piece in cut(plane, plan_tiles(12, 12, 5, 4)))


@pytest.mark.parametrize(
    "arguments", [(0, 8, 8, 0), (8, 0, 8, 0), (-3, 8, 8, 0), (8, 8, 0, 0), (8, 8, -1, 0), (8, 8, 8, -1)], ids=str
)
def test_impossible_plans_are_refused(arguments):
    with pytest.raises(ValueError, match="cannot tile"):
        plan_tiles(*arguments)


@MODEST
@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 16), st.integers(0, 9), st.integers(0, 9))
def test_boxes_scale_and_move(top, left, scale, dy, dx):
    outer = Box(top, top + 30, left, left + 20)
    inner = Box(top + dy, top + dy + 5, left + dx, left + dx + 7)
    assert inner.within(outer) == Box(dy, dy + 5, dx, dx + 7)
    assert inner.scaled(scale).within(outer.scaled(scale)) == inner.within(outer).scaled(scale)
