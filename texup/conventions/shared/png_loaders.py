"""What conventions share whose loaders read PNG and no DDS, or test alpha exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from texup.conventions.convention import Planned, Wishes
from texup.packs.pack import Finding
from texup.packs.walk import Entry
from texup.textures.texture import Pixels


def below(folder: str, bare: str) -> str:
    """Return the path of a file or folder in a folder, "" standing for no folder."""
    return "/".join(part for part in (folder, bare) if part)


def folder_of(path: str) -> str:
    """Return the folder of a relative path, "" for the pack itself."""
    return path.rpartition("/")[0]


def plan_other(entry: Entry, folder: str, wishes: Wishes, title: str) -> Planned:
    """Return the plan of a file that the loader would never look at."""
    if wishes.copy_other:
        return Planned(entry.path, "copy", target=below(folder, entry.path.rpartition("/")[2]))
    is_texture = entry.kind == "texture"
    return Planned(entry.path, "skip", f"{title} finds no texture by this name" if is_texture else "not a texture")


def notes_on_dds(wishes: Wishes, title: str) -> Iterator[Finding]:
    """Say that DDS is wished of a loader that reads none."""
    if wishes.dds == "auto":
        yield Finding("warning", "", f"{title} reads no DDS; PNG is written")
    elif wishes.dds:
        yield Finding("error", "", f"{title} reads no DDS; leave out --dds")


def snap_alpha(pixels: Pixels, levels: Sequence[int]) -> Pixels:
    """Return pixels with alpha at the nearest of ``levels``, of two equally near the higher; others as they are.

    Args:
        pixels: (H, W, C), alpha last where C is 2 or 4.
        levels: rising, of 0..255; 16-bit alpha takes 257 times these.
    """
    if pixels.shape[2] not in (2, 4):
        return pixels
    step = 257 if pixels.dtype == np.uint16 else 1
    cuts = [(low + high + 1) // 2 for low, high in pairwise(levels)]
    snapped = pixels.copy()
    nearest = np.searchsorted(cuts, (pixels[..., -1].astype(np.int32) + step // 2) // step, side="right")
    snapped[..., -1] = np.asarray(levels, np.int32)[nearest] * step
    return snapped
