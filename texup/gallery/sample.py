"""A sample of a pack that shows as much of its variety as a few textures can, the same each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from math import log2
from pathlib import PurePosixPath
from typing import TypeVar

import numpy as np

from texup.textures.texture import Pixels
from texup.upscaling.deciding import Decision

MAX_LOOKED_AT = 512
"""Textures that are decoded to choose from; of a larger pack, every n-th."""
MAX_COUNTED = 1 << 16  # texels in which colours are counted

T = TypeVar("T")
Traits = tuple[Hashable, ...]


def spread(files: Sequence[T], most: int = MAX_LOOKED_AT) -> list[T]:
    """Return at most so many files, evenly from all of them."""
    return [files[k * len(files) // most] for k in range(most)] if len(files) > most else list(files)


def traits_of(decision: Decision) -> Traits:
    """Return what makes a texture different from others: kind, way, alpha, edges, cells, size, colours and folder."""
    work, policy = decision.works[0], decision.policy
    height, width = work.pixels.shape[:2]
    treatment = decision.planned.treatment
    cells = "" if policy.cells is None else "islands" if policy.cells == "islands" else "grid"
    return (
        ("kind", policy.kind),
        ("method", policy.method),
        ("alpha", policy.alpha),
        ("edges", policy.edges),
        ("cells", cells),
        ("size", round(log2(height * width))),
        ("shape", height > width, width > height),
        ("colours", round(log2(colours_of(work.pixels)))),
        ("grain", policy.grain > 0),
        ("role", treatment.kind, treatment.normal),
        ("folder", str(PurePosixPath(decision.planned.path).parent)),
    )


def colours_of(pixels: Pixels) -> int:
    """Return the number of different colours, of an even part of the texels where there are many."""
    texels = pixels.reshape(-1, pixels.shape[2])
    return len(np.unique(texels[:: -(-len(texels) // MAX_COUNTED)], axis=0))


def choose(traits: Sequence[Traits], count: int) -> list[int]:
    """Return the indices of so many textures, each time the one whose traits were chosen least; of equals the first.

    A trait that nobody has yet counts 1, one that is there n times 1 / (n + 1): rare things come in, and what the pack
    is full of fills the rest.
    """
    chosen: list[int] = []
    seen: Counter[Hashable] = Counter()
    waiting = dict.fromkeys(range(len(traits)))
    while waiting and len(chosen) < count:
        best = max(waiting, key=lambda k: (sum(1 / (1 + seen[trait]) for trait in traits[k]), -k))
        del waiting[best]
        chosen.append(best)
        seen.update(traits[best])
    return sorted(chosen)
