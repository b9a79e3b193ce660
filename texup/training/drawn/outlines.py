"""Outlines of drawn pictures: points of boxes, stars, hearts, leaves and blobs, in pixels."""

from __future__ import annotations

import numpy as np

from texup.training.drawn.fields import Rng
from texup.training.drawn.shapes import Plane

Points = Plane
"""(N, 2) float32: x and y."""


def points(*pairs: tuple[float, float]) -> Points:
    """Return an outline through given points."""
    return np.asarray(pairs, np.float32)


def _turns(count: int) -> Plane:
    return np.linspace(0, 2 * np.pi, count + 1)[:-1].astype(np.float32)


def _polar(radius: Plane | float, angle: Plane) -> Points:
    return np.asarray(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), np.float32)


def box(left: float, top: float, right: float, bottom: float, corner: float = 0.0) -> Points:
    """Return a box, with round corners where ``corner`` is not 0."""
    if corner <= 0:
        return points((left, top), (right, top), (right, bottom), (left, bottom))
    reach = min(corner, (right - left) / 2, (bottom - top) / 2)
    quarter = np.linspace(0, np.pi / 2, 9)
    middles = ((right, bottom, -1, -1), (left, bottom, 1, -1), (left, top, 1, 1), (right, top, -1, 1))
    parts = [
        np.asarray([x + reach * i, y + reach * j]) + reach * np.stack([np.cos(at), np.sin(at)], 1)
        for turn, (x, y, i, j) in enumerate(middles)
        for at in [quarter + turn * np.pi / 2]
    ]
    return np.concatenate(parts).astype(np.float32)


def cut_box(left: float, top: float, right: float, bottom: float, cut: float) -> Points:
    """Return a box with slanted corners."""
    return points(
        (left + cut, top), (right - cut, top), (right, top + cut), (right, bottom - cut),
        (right - cut, bottom), (left + cut, bottom), (left, bottom - cut), (left, top + cut),
    )  # fmt: skip


def ellipse(x: float, y: float, wide: float, tall: float, turn: float = 0.0) -> Points:
    """Return an ellipse by its middle and its two radii."""
    return placed(_polar(1.0, _turns(56)) * np.asarray([wide, tall], np.float32), x, y, 1.0, turn)


def arc(x: float, y: float, radius: float, start: float, end: float) -> Points:
    """Return a piece of a circle, for a line."""
    at = np.linspace(start, end, max(6, int(abs(end - start) * 14)))
    return np.asarray(np.asarray([x, y]) + _polar(radius, at.astype(np.float32)), np.float32)


def placed(outline: Points, x: float, y: float, scale: float, turn: float = 0.0) -> Points:
    """Turn an outline about its origin, scale it and move it."""
    c, s = np.cos(turn) * scale, np.sin(turn) * scale
    return np.asarray(outline @ np.asarray([[c, s], [-s, c]]) + np.asarray([x, y]), np.float32)


def blob(rng: Rng, rough: float = 0.35) -> Points:
    """Return a smooth random outline of mean radius 1 about the origin."""
    at = _turns(72)
    radius = np.ones_like(at)
    for wave in range(2, 6):
        radius += np.float32(rng.uniform(0, rough) / wave * 1.5) * np.sin(wave * at + np.float32(rng.uniform(0, 6.3)))
    return _polar(np.maximum(radius, 0.2), at)


def leaf(rng: Rng) -> Points:
    """Return a leaf of length 1 from the origin along x; some are lobed or toothed."""
    along = np.linspace(0, 1, 25)
    width = rng.uniform(0.15, 0.38) * np.sin(np.pi * along ** rng.uniform(0.55, 1.1)) ** rng.uniform(0.7, 1.4)
    if rng.random() < 0.4:
        width *= 1 + rng.uniform(0.1, 0.5) * np.cos(2 * np.pi * along * int(rng.integers(3, 7)))
    both = np.stack([np.append(along, along[-2:0:-1]), np.append(width, -width[-2:0:-1])], 1)
    return both.astype(np.float32)


def blade(rng: Rng, bend: float) -> Points:
    """Return a blade of grass of length 1 that grows up from the origin."""
    along = np.linspace(0, 1, 8)
    middle = bend * along**2
    width = rng.uniform(0.03, 0.07) * (1 - along**1.5)
    left, right = np.stack([middle - width, -along], 1), np.stack([middle + width, -along], 1)[::-1]
    return np.concatenate([left, right[1:]]).astype(np.float32)


def trail(rng: Rng) -> Points:
    """Return a bending line that wanders from the origin, about 1 away."""
    turns = rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.25, 24).cumsum()
    return np.asarray(np.stack([np.cos(turns), np.sin(turns)], 1).cumsum(0) / 24, np.float32)


def star(corners: int, depth: float) -> Points:
    """Return a star of radius 1 whose inner corners lie at ``depth``."""
    at = _turns(2 * corners) - np.float32(np.pi / 2)
    return _polar(np.where(np.arange(2 * corners) % 2 == 0, 1.0, depth).astype(np.float32), at)


def gear(teeth: int) -> Points:
    """Return a cog wheel of radius 1."""
    at = _turns(teeth * 8)
    return _polar(np.where(np.arange(teeth * 8) % 8 < 4, 1.0, 0.76).astype(np.float32), at)


def heart() -> Points:
    """Return a heart of radius about 1."""
    t = _turns(48)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.asarray(np.stack([x, y], 1) / 17, np.float32)


def drop() -> Points:
    """Return a drop of radius about 1."""
    t = _turns(40)
    return np.asarray(np.stack([-0.75 * np.sin(t) * np.sin(t / 2) ** 1.5, -np.cos(t)], 1), np.float32)


ARROW = points((-1, -0.35), (0.1, -0.35), (0.1, -0.85), (1, 0), (0.1, 0.85), (0.1, 0.35), (-1, 0.35))
BOLT = points((0.25, -1), (-0.6, 0.15), (-0.08, 0.15), (-0.3, 1), (0.6, -0.25), (0.08, -0.25))
CROSS = points(
    (-0.3, -1), (0.3, -1), (0.3, -0.3), (1, -0.3), (1, 0.3), (0.3, 0.3),
    (0.3, 1), (-0.3, 1), (-0.3, 0.3), (-1, 0.3), (-1, -0.3), (-0.3, -0.3),
)  # fmt: skip
SHIELD = points((-0.8, -0.9), (0, -0.7), (0.8, -0.9), (0.8, 0.1), (0.5, 0.6), (0, 1), (-0.5, 0.6), (-0.8, 0.1))
SWORD = points(
    (0, -1), (0.14, -0.8), (0.14, 0.35), (0.5, 0.35), (0.5, 0.5), (0.12, 0.5), (0.12, 0.95),
    (-0.12, 0.95), (-0.12, 0.5), (-0.5, 0.5), (-0.5, 0.35), (-0.14, 0.35), (-0.14, -0.8),
)  # fmt: skip


def sign(rng: Rng) -> Points:
    """Return the outline of some sign of radius about 1: what an icon shows."""
    which = int(rng.integers(12))
    if which < 5:
        return (ARROW, BOLT, CROSS, SHIELD, SWORD)[which]
    corners = int(rng.integers(3, 9))
    made = (heart(), drop(), gear(corners + 4), star(corners, float(rng.uniform(0.35, 0.7))), star(corners, 0.9))
    return made[which - 5] if which < 10 else blob(rng)
