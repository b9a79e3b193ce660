"""What the gate measures of a result, what it takes for wrong, and how a manifest keeps it."""

from __future__ import annotations

import json
import warnings
from dataclasses import astuple, replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from texup.manifest.gating import SCORES, Gate, GateScores, ScoreName
from texup.manifest.record import Outcome, Written, line_of, outcome_from, value_of, values_of
from texup.policy.classify import Policy
from texup.textures.color import quantile, resample
from texup.textures.planes import classify_alpha
from texup.upscaling.quality.gate import LIMITS, wrong_scores
from texup.upscaling.quality.scoring import _medians, scores_of

TORUS = ("wrap", "wrap")
SHA = "0" * 64


def hills(side=32, channels=3):
    """A smooth picture that tiles, (side, side, channels)."""
    y, x = np.mgrid[:side, :side] * (2 * np.pi / side)
    waves = [np.sin(x + k) + np.sin(2 * y - k) + np.sin(x + 3 * y) for k in range(channels)]
    return np.clip(128 + 25 * np.stack(waves, axis=2), 0, 255).astype(np.uint8)


def enlarged(pixels, edges=TORUS):
    height, width = pixels.shape[:2]
    return resample(pixels.astype(np.float32), (4 * height, 4 * width), "bicubic", edges)


def as_bytes(levels):
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)


def wrong_of(source, result, **facts):
    policy = Policy(alpha=classify_alpha(source), edges=TORUS, **facts)
    return wrong_scores(scores_of(source, as_bytes(result), policy, 4), policy.grain)


def test_an_enlargement_that_invents_nothing_is_not_wrong():
    assert wrong_of(hills(), enlarged(hills())) == []
    assert wrong_of(hills(channels=1), enlarged(hills(channels=1))) == []


def test_what_broken_nets_do_is_wrong():
    source, good = hills(), enlarged(hills())
    y, x = np.mgrid[:128, :128]
    dice = np.random.default_rng(1)
    red = good + np.array([25, 0, -10])
    worms = good + 25 * np.sin((x + y) * 1.2)[..., None] * (np.sin(x / 20) > 0)[..., None]
    lattice = good + 15 * np.where((x + y) % 2, 1, -1)[..., None]
    noise = good + dice.normal(0, 15, (128, 128, 1))
    assert wrong_of(source, red) == ["drift"]
    assert "strokes" in wrong_of(source, worms)
    assert "lattice" in wrong_of(source, lattice)
    assert "detail" in wrong_of(source, noise)
    assert wrong_of(source, np.zeros_like(good)) == ["drift"]


def test_a_seam_that_the_source_has_not_is_wrong():
    dice = np.random.default_rng(3)
    source = dice.integers(90, 160, (32, 32, 3)).astype(np.uint8)
    source[:, -1] = source[:, 0]  # its border shows less than its inside
    seamed = enlarged(source)
    seamed[:, -2:] += 90
    assert "seam" in wrong_of(source, seamed)
    assert "seam" not in wrong_of(source, enlarged(source))


def test_an_outline_that_moved_is_wrong():
    y, x = np.mgrid[:32, :32]
    soft = np.clip(255 * (10 - np.hypot(x - 16, y - 16)) / 3, 0, 255)[..., None]
    source = as_bytes(np.concatenate([hills(), soft], axis=2))
    good = enlarged(source)
    assert wrong_of(source, good) == []
    good[..., 3] = np.roll(good[..., 3], 6, axis=1)
    assert "alpha" in wrong_of(source, good)


def test_grain_is_allowed_more_and_data_has_no_scores():
    scores = GateScores(strokes=15.0, detail=3.0)
    assert wrong_scores(scores, 0.0) == ["detail", "strokes"]
    assert wrong_scores(scores, 0.5) == []
    policy = Policy(alpha="none", edges=TORUS, kind="normal")
    assert scores_of(hills(), as_bytes(enlarged(hills())), policy, 4) == GateScores()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 8), (2, 3), (8, 8), (9, 33)])
def test_any_texture_has_scores_or_none_and_no_warning(size, channels, dtype):
    dice, full = np.random.default_rng(2), np.iinfo(dtype).max
    board = np.indices(size).sum(axis=0)[..., None] % 2 * full
    pictures = [
        np.zeros((*size, channels)),
        np.full((*size, channels), full),
        dice.integers(0, full + 1, (*size, channels)),
        np.broadcast_to(board, (*size, channels)),
    ]
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        for picture in pictures:
            source = np.ascontiguousarray(picture.astype(dtype))
            for alpha in {"none", "constant", classify_alpha(source), "soft" if channels in (2, 4) else "none"}:
                for scale in (1, 2, 3, 4):
                    result = source.repeat(scale, 0).repeat(scale, 1)
                    scores = astuple(scores_of(source, result, Policy(alpha=alpha, edges=TORUS), scale))
                    assert all(score is None or np.isfinite(score) for score in scores)


def test_sixteen_bits_have_the_scores_of_eight():
    source, result = hills(), as_bytes(enlarged(hills()) + 3)
    policy = Policy(alpha="none", edges=TORUS)
    wide = [p.astype(np.uint16) * 257 for p in (source, result)]
    assert astuple(scores_of(*wide, policy, 4)) == pytest.approx(
        astuple(scores_of(source, result, policy, 4)), abs=0.02
    )


def outcome(gate):
    return Outcome(path="a.png", outcome="upscaled", source_sha256=SHA, targets=[Written("a.png", SHA, 1)], gate=gate)


def test_a_manifest_keeps_what_the_gate_says():
    scores = GateScores(drift=1.5, strokes=12.25)
    gate = Gate(scores=scores, wrong=["strokes"], fallback="worse", other=replace(scores, strokes=13.0))
    for kept in (gate, Gate(), None):
        value, _ = value_of(line_of(values_of(outcome(kept))))
        assert outcome_from(value).gate == kept
    assert outcome(gate).notes == ["looks wrong: strokes; the faithful net did no better"]
    value.pop("gate")
    assert outcome_from(value).gate is None, "lines of earlier versions"


@pytest.mark.parametrize(
    "harm",
    [
        {"wrong": ["beauty"]},
        {"wrong": "strokes"},
        {"fallback": "maybe"},
        {"scores": {}},
        {"other": {"drift": 1.0}},
        {"scores": dict.fromkeys(SCORES, "1")},
        {"scores": dict.fromkeys(SCORES, 10**400)},
        {"more": 1},
    ],
)
def test_a_gate_that_makes_no_sense_damages_its_line(harm):
    value = json.loads(json.dumps(values_of(outcome(Gate()))))
    assert outcome_from(value) is not None
    value["gate"] |= harm
    assert outcome_from(value) is None


def test_every_score_has_a_limit():
    assert tuple(LIMITS) == get_args(ScoreName)


def test_the_document_has_the_limits():
    text = (Path(__file__).parents[2] / "docs" / "gate.md").read_text("utf-8")
    for name, limit in LIMITS.items():
        assert f"| {name} | {limit.plain:g} | {limit.grained:g} | {limit.meaning} |" in text


@given(st.integers(1, 300), st.integers(1, 99), st.integers(0, 9))
def test_medians_and_percentiles_are_numpys(count, percent, seed):
    values = np.random.default_rng(seed).integers(0, 50, (3, count)).astype(np.float32)
    np.testing.assert_array_equal(_medians(values), np.median(values, axis=1))
    np.testing.assert_allclose(quantile(values[0], percent / 100), np.percentile(values[0], percent), rtol=1e-5)
