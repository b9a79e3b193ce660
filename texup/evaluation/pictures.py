"""The pictures of an evaluation: found, decoded, cropped, and reduced as the protocol says."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from texup import bounds
from texup.degradations import GAME, downscale, round_8bit
from texup.errors import UnsupportedTexture, UsageError
from texup.packs.walk import walk
from texup.policy.classify import Treatment, policy_for
from texup.textures.codecs.files import SUFFIXES, read_texture
from texup.textures.planes import bleed
from texup.textures.seams import Edge, Edges, pad

Bytes = NDArray[np.uint8]
Protocol = Literal["bicubic", "game", "files"]

PROTOCOLS: tuple[Protocol, ...] = ("bicubic", "game", "files")
MIN_SIDE = 32  # pixels: with fewer, little is left inside the borders that the metrics drop,
MIN_LR_SIDE = 5  # and with fewer low-resolution ones nothing
SUPPORT = 4  # low-resolution texels that a reduction reaches beyond a border, at most


@dataclass(frozen=True, slots=True)
class PicturePair:
    """Where the pictures of one evaluation come from."""

    name: str
    """For people: the path below its folder, and the folder's name before it when there are several."""
    hr: Path
    lr: Path | None
    """None where the low-resolution picture is made from the other."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One low-resolution picture and what it should become; uint8 (h, w, C) and (h * scale, w * scale, C), C 1 or 3."""

    degradation: str
    lr: Bytes
    clean: Bytes
    """The low-resolution picture before any loss but that of its size."""
    hr: Bytes
    edges: Edges
    """How the picture goes on beyond its borders; only "wrap" and "clamp"."""
    kernel: Literal["bicubic", "box"]
    """What ``clean`` was made with."""


def find_pairs(folders: Sequence[Path], protocol: Protocol, scale: int) -> list[PicturePair]:
    """Return what there is to evaluate below ``folders``, in a repeatable order.

    For "files", each folder holds HR and LR_x4 (for a scale of 4), or two folders are given, of high and of low
    resolution; pictures belong together by their paths without the suffix. For the others, all pictures of each folder
    are of high resolution; of a folder with HR and LR_x4 those in HR.

    Raises:
        UsageError: a folder or a partner is missing, a file cannot be read, or there is no picture.
    """
    low = f"LR_x{scale}"
    paired = [(folder / "HR").is_dir() and (folder / low).is_dir() for folder in folders]
    if protocol == "files" and not all(paired):
        if len(folders) == 2 and not any(paired):
            return _partners(folders[0], folders[1], "", scale)
        lacking = folders[paired.index(False)]
        raise UsageError(
            f"{lacking}: the protocol files needs the folders HR and {low} in it, or two folders, the one of high"
            " resolution first"
        )
    pairs: list[PicturePair] = []
    for folder, both in zip(folders, paired, strict=True):
        prefix = f"{folder.resolve().name}/" if len(folders) > 1 else ""
        if protocol == "files":
            pairs += _partners(folder / "HR", folder / low, prefix, scale)
        else:
            root = folder / "HR" if both else folder
            pairs += [PicturePair(prefix + path, root / path, None) for path in _pictures(root)]
    return pairs


def _partners(high: Path, low: Path, prefix: str, scale: int) -> list[PicturePair]:
    lows = {_stem(path).removesuffix(f"x{scale}"): path for path in _pictures(low)}
    pairs = []
    for path in _pictures(high):
        if _stem(path) not in lows:
            raise UsageError(f"{high / path}: no picture of this name in {low}")
        pairs.append(PicturePair(prefix + path, high / path, low / lows[_stem(path)]))
    return pairs


def _stem(path: str) -> str:
    return PurePosixPath(path).with_suffix("").as_posix()


def _pictures(root: Path) -> list[str]:
    """Return the paths of the pictures below a folder."""
    if not os.path.isdir(root):  # Path.is_dir would raise for a name that is too long
        raise UsageError(f"{root}: no such folder; evaluate needs folders of pictures")
    found = []
    for entry in walk(root):
        if entry.kind == "refused":
            raise UsageError(f"{root / entry.path}: {entry.reason}")
        if entry.kind == "texture":
            found.append(entry.path)
    if not found:
        raise UsageError(f"{root}: no picture in it; texup looks for {', '.join(sorted(SUFFIXES))}")
    return found


def least_side(scale: int) -> int:
    """Return how many pixels a side of a high-resolution picture needs."""
    return max(MIN_SIDE, MIN_LR_SIDE * scale)


def samples(pair: PicturePair, protocol: Protocol, scale: int, crop: int | None) -> Iterator[Sample]:
    """Read one pair and yield what the protocol makes of it: one sample, or for "game" one for each degradation.

    Pictures are cropped to whole multiples of ``scale``, and to ``crop`` pixels a side in the middle. Alpha is left
    out, and colour that it hides is replaced by that of the nearest visible texels, as an upscale does.

    Raises:
        TextureError: a file cannot be read or is too small.
        UsageError: the sizes of the two do not belong together.
    """
    hr, edges = _read(pair.hr)
    lr = None if pair.lr is None else _read(pair.lr)[0]
    if lr is not None:
        _check_sizes(pair, hr, lr, scale)
        edges = ("clamp", "clamp")  # as published: nets see the file and nothing around it
        if lr.shape[2] != hr.shape[2]:
            lr, hr = _as_rgb(lr), _as_rgb(hr)
    window = tuple(_middle(side, scale, crop) for side in hr.shape[:2])
    edges = _kept(edges[0], window[0], hr.shape[0]), _kept(edges[1], window[1], hr.shape[1])
    hr = hr[window]
    if min(hr.shape[:2]) < least_side(scale):
        raise UnsupportedTexture(f"too small; both sides need {least_side(scale)} pixels")
    if lr is not None:
        lr = lr[tuple(slice(w.start // scale, w.stop // scale) for w in window)]
        yield Sample(degradation="files", lr=lr, clean=lr, hr=hr, edges=edges, kernel="bicubic")
    elif protocol == "bicubic":
        lr = _reduced(hr, scale, "bicubic", edges)
        yield Sample(degradation="bicubic", lr=lr, clean=lr, hr=hr, edges=edges, kernel="bicubic")
    else:
        hr = _as_rgb(hr)
        clean = _reduced(hr, scale, "box", edges)
        for name, degrade in GAME.items():
            yield Sample(
                degradation=name,
                lr=_as_bytes(degrade(_as_tensor(clean))),
                clean=clean,
                hr=hr,
                edges=edges,
                kernel="box",
            )


def _read(path: Path) -> tuple[Bytes, Edges]:
    """Return the colour of a picture, (H, W, 1) or (H, W, 3), and its edges."""
    texture = read_texture(path, bounds.EVALUATED_PIXELS)
    policy = policy_for(texture, Treatment())
    full = np.iinfo(texture.pixels.dtype).max
    levels = np.rint(texture.pixels * (255 / full)).astype(np.uint8)
    if levels.shape[2] in (1, 3):
        return levels, policy.edges
    colour, alpha = levels[..., :-1], levels[..., -1:]
    if policy.alpha != "data":
        colour = np.rint(bleed(colour.astype(np.float32), alpha.astype(np.float32), policy.edges)).astype(np.uint8)
    return colour, policy.edges


def _check_sizes(pair: PicturePair, hr: Bytes, lr: Bytes, scale: int) -> None:
    expected = hr.shape[0] // scale, hr.shape[1] // scale
    if lr.shape[:2] != expected:
        is_, needed = (f"{side[1]}x{side[0]}" for side in (lr.shape, expected))
        raise UsageError(f"{pair.lr}: {is_} pixels, but the scale of {scale} from {pair.hr} needs {needed}")


def _middle(side: int, scale: int, crop: int | None) -> slice:
    """Return the part of an axis that is evaluated: whole low-resolution pixels, in the middle."""
    kept = min(side, crop or side) // scale * scale
    start = (side - kept) // 2 // scale * scale
    return slice(start, start + kept)


def _kept(edge: Edge, window: slice, side: int) -> Edge:
    """Return the edge of an axis after cropping: what was cut tiles no more."""
    return "wrap" if edge == "wrap" and window == slice(0, side) else "clamp"


def _as_rgb(pixels: Bytes) -> Bytes:
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def _as_tensor(pixels: Bytes) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 255


def _as_bytes(x: torch.Tensor) -> Bytes:
    levels: Bytes = (round_8bit(x)[0] * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return levels


def _reduced(hr: Bytes, scale: int, kernel: Literal["bicubic", "box"], edges: Edges) -> Bytes:
    """Return a picture reduced by ``scale`` and rounded to 8 bits; an axis that tiles stays so."""
    around = [SUPPORT if edge == "wrap" else 0 for edge in edges]
    y, x = around[0] * scale, around[1] * scale
    reduced = _as_bytes(downscale(_as_tensor(pad(hr, (y, y, x, x), edges)), scale, kernel))
    return reduced[around[0] : reduced.shape[0] - around[0], around[1] : reduced.shape[1] - around[1]]
