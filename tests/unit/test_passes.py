"""texup.upscaling.run.plan_passes: how often a texture goes through which net."""

from __future__ import annotations

import pytest

from texup.errors import UsageError
from texup.upscaling.run import Pass, plan_passes


@pytest.mark.parametrize("scale", range(1, 17))
def test_every_scale_is_within_reach_of_one_net(scale):
    passes = plan_passes([4], scale)
    assert passes == [Pass(0, 4)] * (1 if scale <= 4 else 2)


@pytest.mark.parametrize("scale", [0, 17, -4])
def test_scales_out_of_bounds_are_refused(scale):
    with pytest.raises(UsageError, match=f"--scale {scale} is not possible"):
        plan_passes([4], scale)


def test_nets_that_do_not_enlarge_cannot_reach_two():
    with pytest.raises(UsageError, match="none of the chosen models enlarges"):
        plan_passes([1, 1], 2)
    assert plan_passes([1, 1], 1) == [Pass(0, 1), Pass(1, 1)]


def test_a_chain_runs_in_its_order_and_its_last_enlarging_net_goes_on():
    assert plan_passes([1, 4], 4) == [Pass(0, 1), Pass(1, 4)]
    assert plan_passes([4, 1], 4) == [Pass(0, 4), Pass(1, 1)]
    assert plan_passes([2, 4, 1], 16) == [Pass(0, 2), Pass(1, 4), Pass(2, 1), Pass(1, 4)]
    assert plan_passes([2], 16) == [Pass(0, 2)] * 4
    assert plan_passes([4, 2], 3) == [Pass(0, 4), Pass(1, 2)]
